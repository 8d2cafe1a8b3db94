"""Small worlds, found by Hypothesis: few prices, few users, every kind of request.

What a random flow shows after thousands of requests, a shrunk example shows in a few lines. The
comparisons are those of `model/pair.py`; the model counts fill-or-kill orders in two ways (M-6).
"""

from __future__ import annotations

import os
import random
from collections import deque
from typing import Any

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule
from model.auditor import audit
from model.pair import Pair
from model.symbols import make_symbol, rules_records
from model.wire import make_request, numbered, view

NS = 1_000_000_000
REDUCE, HEDGE = 2, 128
LIMITS = {
    "orders_max": 6,
    "users_max": 3,
    "open_orders_per_user_max": 4,
    "triggers_max": 4,
    "open_triggers_per_user_max": 3,
    "dedup_window_s": 10,
    "dedup_orders_max": 32,
}
USERS = st.integers(1, 3)
SIDES = st.integers(0, 1)
QTYS = st.integers(1, 12)
PRICES = st.sampled_from([97, 98, 99, 100, 102, 104, 105])
CIDS = st.sampled_from(["", "", "a", "b"])
STPS = st.sampled_from([0, 0, 1, 2, 3])
GROUPS = st.sampled_from([0, 0, 7])
TERMS = st.sampled_from([  # kind, tif, flags
    (0, 0, 0), (0, 0, 0), (0, 0, 1), (0, 0, 9), (0, 0, 2), (0, 0, 11), (0, 1, 0), (0, 1, 2),
    (0, 2, 0), (0, 2, 2), (0, 3, 0), (0, 3, 2), (1, 1, 0), (1, 2, 0),
])  # fmt: skip
TRIGGERS = st.sampled_from([  # kind, tif, flags
    (2, 1, 0), (2, 2, 32), (3, 0, 0), (3, 3, 32), (3, 0, 9), (4, 1, 2), (5, 0, 34), (6, 1, 0),
    (6, 1, 32), (6, 2, 2),
])  # fmt: skip


def hedge(user: int) -> int:
    """The flag of the one whose account has two legs."""
    return HEDGE if user == 2 else 0


class Exchange(RuleBasedStateMachine):
    """One pair; `fired` is what risk has yet to answer, `coming` the rest of a set of rules."""

    pair: Pair

    def __init__(self) -> None:
        super().__init__()
        self.oid = 0
        self.now = NS
        self.log: list[bytes] = []
        self.fired: deque[Any] = deque()
        self.coming: deque[bytes] = deque()
        self.rng = random.Random(1)

    @initialize(
        tick_table=st.sampled_from([(), ((100, 2), (104, 1))[:1]]),
        band=st.sampled_from([0, 30_000]),
        least=st.sampled_from([0, 300]),
        fees=st.sampled_from([(500, -250), (0, 0)]),
        depth=st.sampled_from([4, 0]),
    )
    def open_market(self, tick_table, band, least, fees, depth):
        market = make_symbol(
            tick_table=tick_table, px_max=110, reference_px=100, price_band_ppm=band,
            notional_min=least, notional_max=1100, taker_fee_ppm=fees[0], maker_fee_ppm=fees[1],
        )  # fmt: skip
        self.pair = Pair(market, LIMITS, depth, careful=True)

    def ask(self, name: str | None, **values: Any) -> None:
        self.give(make_request(name, symbol_id=1, **values) if name else None)

    def give(self, request: bytes | None) -> None:
        events = self.pair.step(request, self.now, self.rng)
        self.log += events
        self.fired.extend(e for e in map(view, events) if e.record.name == "TRIGGER_FIRED")

    def next_oid(self) -> int:
        self.oid += 1
        return self.oid

    # --- requests -----------------------------------------------------------------------

    @rule(
        user=USERS, side=SIDES, qty=QTYS, px=PRICES, terms=TERMS, stp=STPS, group=GROUPS, cid=CIDS,
        reserved=st.integers(0, 200), lives=st.integers(0, 4),
    )  # fmt: skip
    def order(self, user, side, qty, px, terms, stp, group, cid, reserved, lives):
        kind, tif, flags = terms
        flags |= hedge(user)
        self.ask(
            "ORDER_NEW", oid=self.next_oid(), user_id=user, side=side, qty=qty, px=px, kind=kind,
            tif=tif, flags=flags, stp=stp, owner_group=group, cid=cid, reserved=reserved,
            expire_s=self.now // NS + lives if tif == 3 else 0,
        )  # fmt: skip

    @rule(
        user=USERS, side=SIDES, qty=QTYS, px=PRICES, at=PRICES, terms=TRIGGERS, stp=STPS, cid=CIDS,
        trail=st.sampled_from([(1, 0), (3, 0), (0, 20_000)]), lives=st.integers(0, 4),
        at_once=st.booleans(),
    )  # fmt: skip
    def trigger(self, user, side, qty, px, at, terms, stp, cid, trail, lives, at_once):
        kind, tif, flags = terms
        flags |= hedge(user)
        trails = kind == 6
        self.ask(
            "TRIGGER_REQUEST", oid=self.next_oid(), user_id=user, side=side, qty=qty,
            px=px if kind in (3, 5) else 0, trigger_px=0 if trails and at_once else at, kind=kind,
            tif=tif, flags=flags, stp=stp, cid=cid, trail_px=trail[0] if trails else 0,
            trail_ppm=trail[1] if trails else 0,
            expire_s=self.now // NS + lives if tif == 3 else 0,
        )  # fmt: skip

    @rule(user=USERS, back=st.integers(0, 9), reason=st.sampled_from([0, 3107, 3111]))
    def cancel(self, user, back, reason):
        self.ask("ORDER_CANCEL", user_id=user, oid=max(0, self.oid - back), reason=reason)

    @rule(user=USERS, cid=CIDS)
    def cancel_by_client_id(self, user, cid):
        self.ask("ORDER_CANCEL", user_id=user, cid=cid)

    @rule(user=USERS, scope=st.integers(1, 3), sides=st.integers(1, 3))
    def cancel_all(self, user, scope, sides):
        self.ask("ORDER_CANCEL_ALL", user_id=user, scope=scope, sides=sides, request_id=5)

    @rule(
        pick=st.integers(0, 5), px=st.one_of(st.none(), PRICES), qty=st.integers(0, 14),
        stale=st.integers(0, 3), reserved=st.integers(0, 200),
    )  # fmt: skip
    def amend(self, pick, px, qty, stale, reserved):
        """One that rests, at its price or another; `stale`: risk has seen so much less traded."""
        resting = list(self.pair.model.open.values())
        if not resting:
            return
        order = resting[pick % len(resting)]
        left = qty - order.filled
        self.ask(
            "ORDER_AMEND", oid=order.oid, user_id=order.user.id, px=px or order.px, qty=qty,
            assumed=max(1, left + min(stale, order.filled)), reserved=reserved, side=order.side,
            extra=max(0, reserved - order.reserved), extra_qty=max(0, left - order.remaining),
        )  # fmt: skip

    @rule(user=USERS, oid=st.integers(0, 30))
    def amend_any(self, user, oid):
        self.ask("ORDER_AMEND", oid=oid, user_id=user, px=100, qty=5, assumed=20)

    @rule(px=st.integers(94, 108), state=st.sampled_from([0, 0, 0, 1]))
    def mark(self, px, state):
        self.ask("MARK_UPDATE", mark_px=px, state=state, index_px=px + 1, sources=px % 4)

    @rule(user=USERS, side=SIDES, px=PRICES, qty=st.one_of(st.none(), QTYS))
    def liquidate(self, user, side, px, qty):
        """LO-1; without a quantity: all there is."""
        known = self.pair.model.users.get(user)
        room = known.room(side) if known else 0
        self.ask(
            "ORDER_NEW", oid=self.next_oid(), user_id=user, side=side, qty=qty or room or 1, px=px,
            kind=7, tif=1, flags=REDUCE | hedge(user),
        )  # fmt: skip

    @rule(user=USERS, other=st.integers(1, 4), side=SIDES, qty=QTYS, adl=st.booleans())
    def transfer(self, user, other, side, qty, adl):
        """PT-1; user 4 never orders."""
        if user == other:
            return
        self.ask(
            "POSITION_TRANSFER", qty=qty, user_id=user, counter_user_id=other, side=side, px=101,
            kind=int(adl), user_flags=REDUCE | hedge(user),
            counter_flags=(REDUCE if adl else 0) | hedge(other),
        )  # fmt: skip

    @precondition(lambda self: not self.coming)
    @rule(
        tick=st.sampled_from([1, 1, 2, 5]), lot=st.sampled_from([1, 1, 2, 3]),
        fees=st.sampled_from([(700, -100, 9000), (0, 0, 0)]), least=st.sampled_from([0, 300]),
        band=st.sampled_from([0, 30_000]), most=st.sampled_from([1100, 500]), parts=st.booleans(),
    )  # fmt: skip
    def change_rules(self, tick, lot, fees, least, band, most, parts):
        """SY-4; in parts: other requests may come between."""
        now = make_symbol(
            tick=tick, lot=lot, px_max=110, reference_px=100, taker_fee_ppm=fees[0],
            maker_fee_ppm=fees[1], liquidation_fee_ppm=fees[2], notional_min=least,
            price_band_ppm=band, notional_max=most,
        )  # fmt: skip
        self.coming.extend(rules_records(now, self.pair.model.rules_version + 1))
        for _ in range(1 if parts else 4):
            self.give(self.coming.popleft())

    @precondition(lambda self: self.coming)
    @rule()
    def go_on_with_rules(self):
        self.give(self.coming.popleft())

    @rule(mode=st.sampled_from([0, 0, 0, 1, 2, 3]))
    def mode(self, mode):
        self.ask("MODE_REQUEST", mode=mode, user_id=9)

    @precondition(lambda self: self.fired)
    @rule(px=PRICES, group=GROUPS, reserved=st.integers(0, 200))
    def risk_sends(self, px, group, reserved):
        f = self.fired.popleft()
        self.ask(
            "ORDER_NEW", oid=f.oid, user_id=f.user_id, side=f.side, qty=f.qty, px=f.px or px,
            kind=f.kind, tif=f.tif, flags=f.flags, stp=f.stp, expire_s=f.expire_s,
            owner_group=group, reserved=reserved,
        )  # fmt: skip

    @precondition(lambda self: self.fired)
    @rule()
    def risk_refuses(self):
        f = self.fired.popleft()
        self.ask("TRIGGER_REFUSED", oid=f.oid, user_id=f.user_id, reason=2001)

    @rule(ms=st.sampled_from([1, 500, 1000, 3000, 11_000]))
    def time_passes(self, ms):
        self.now += ms * 1_000_000
        self.ask(None)

    # --- what the engine alone knows ----------------------------------------------------

    @rule(px=st.integers(1, 110))
    def centre(self, px):
        self.pair.engine.centre_on(px)

    @rule()
    def restart(self):
        """TR-9: risk is told again what had fired."""
        self.pair.restart(self.log)
        self.coming.clear()
        again = set(self.pair.model.fired_ids())
        self.fired = deque(f for f in self.fired if f.oid in again)

    @invariant()
    def fold_is_the_engine(self):
        if hasattr(self, "pair"):
            self.pair.same_hash()

    def teardown(self) -> None:
        if hasattr(self, "pair"):
            self.pair.compare()
            assert audit([view(r) for r in numbered(self.log)]) == []


SOAK = bool(os.environ.get("RSX_SOAK"))
Exchange.TestCase.settings = settings(
    max_examples=1500 if SOAK else 120, stateful_step_count=45, deadline=None,
    derandomize=not SOAK, database=None,
)  # fmt: skip
TestSmallWorlds = Exchange.TestCase
