"""Random trading through the model and the compiled ledger: the same answers, the same accounts.

Orders are checked by both ledgers, matched by the model of matching, and their records are
applied late, so that several are in flight. A third ledger folds the log alone; the auditor of
`model/auditor.py` reads the same log and is held against the compiled ledger's figures.

RSX_SOAK=N runs N operations in place of the default.
"""

from __future__ import annotations

import os
import random
from collections import deque
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from model.auditor import audit
from model.book import ModelEngine
from model.ledger import ModelLedger, Position, ceil_div, req
from model.symbols import make_symbol
from model.wire import changed, order_cancel, order_new, order_request, raw_view, view

from rsx import records

OPERATIONS = int(os.environ.get("RSX_SOAK", "60000"))
MS, NS = 1_000_000, 1_000_000_000
STALE_MS = 20_000
USERS = 9
RUNS = [("last", 1), ("feed", 2), ("feed", 3), ("last", 4)]


def make_markets(rng: random.Random) -> tuple[Any, ...]:
    return tuple(
        make_symbol(
            id=number, reference_px=reference, px_max=4 * reference,
            taker_fee_ppm=rng.choice((0, 500, 777)), maker_fee_ppm=rng.choice((-100, 0, 333)),
            initial_margin_ppm=rng.choice((10_000, 100_000, 333_333)),
            maintenance_margin_ppm=rng.choice((5_000, 9_999)),
        )
        for number, reference in ((1, 100), (7, 20_000), (300, 3))
    )  # fmt: skip


def config_record(symbol: Any) -> bytes:
    names = records.SYMBOL_CONFIG.offsets.keys() & vars(symbol).keys() - {"name"}
    return records.SYMBOL_CONFIG.pack(
        symbol_id=symbol.id, config_version=1, **{n: getattr(symbol, n) for n in names}
    )


class Exchange:
    """Two live ledgers, one folded, and a matching engine per market, one record at a time."""

    def __init__(self, seed: int, mark_source: str):
        from rsx.risk.ledger import Ledger

        self.rng = random.Random(seed)
        self.markets = make_markets(self.rng)
        self.model = ModelLedger(self.markets, mark_source, STALE_MS)
        self.live, self.folded = (
            Ledger(
                self.markets, accounts_max=USERS, positions_max=3 * USERS,
                mark_source=mark_source, stale_ns=STALE_MS * MS,
            )
            for _ in range(2)
        )  # fmt: skip
        self.engines = {m.id: ModelEngine(m, orders_max=256) for m in self.markets}
        self.waiting: deque[bytes] = deque()  # made by matching, not yet released
        self.log: list[bytes] = []
        self.requests: list[bytes] = []
        self.answers: list[bytes] = []
        self.reasons: dict[int, int] = {}
        self.now_ns = 1000 * NS
        self.oid = 0
        for market in self.markets:
            self.apply(config_record(market))

    # --- the way of a record ------------------------------------------------------------

    def apply(self, record: bytes) -> None:
        record = changed(record, seq=len(self.log) + 1, epoch=1)
        self.log.append(record)
        self.model.apply(record, live=True)
        self.live.apply(record, live=True)
        self.folded.apply(record)

    def release(self, count: int) -> None:
        for _ in range(min(count, len(self.waiting))):
            self.apply(self.waiting.popleft())

    def step(self) -> None:
        rng = self.rng
        self.now_ns += rng.randrange(300 * MS)
        kind = rng.randrange(100)
        if kind < 62:
            self.order()
        elif kind < 90:
            self.cancel()
        elif kind < 93:
            self.deposit()
        else:
            self.mark()
        if rng.random() < 0.7:
            self.release(rng.randrange(6))

    def deposit(self) -> None:
        user, amount = self.rng.randint(1, USERS - 1), self.rng.randrange(1, 2000)
        self.apply(records.DEPOSIT.pack(user_id=user, amount=amount, ts_ns=self.now_ns))

    def mark(self) -> None:
        market = self.rng.choice(self.markets)
        px = max(1, market.reference_px * self.rng.randint(70, 130) // 100)
        self.apply(records.MARK_PRICE.pack(symbol_id=market.id, mark_px=px, ts_ns=self.now_ns))

    def order(self) -> None:
        rng = self.rng
        market = rng.choice(self.markets)
        self.oid += 1
        values = {
            "oid": self.oid, "user_id": rng.randint(1, USERS), "symbol_id": market.id,
            "side": rng.randrange(2), "tif": rng.choices((0, 1, 2), (75, 20, 5))[0],
            "flags": 2 if rng.random() < 0.15 else 0, "qty": rng.randint(1, 30),
            "px": max(1, market.reference_px * rng.randint(85, 115) // 100),
            "cid": f"c{rng.randrange(400)}" if rng.random() < 0.2 else "",
        }  # fmt: skip
        if rng.random() < 0.05:
            values["px"] = rng.randint(1, market.px_max)
        request = order_request(**values)
        due = self.model.check(request, self.now_ns)
        seen = self.live.check(request, self.now_ns)
        assert seen == due, f"{raw_view(request)}: model {due}, ledger {seen}"
        self.requests.append(request)
        self.reasons[due[0]] = self.reasons.get(due[0], 0) + 1
        if due[0]:
            self.answers.append(
                records.REQUEST_REJECTED.pack(oid=self.oid, user_id=values["user_id"])
            )
            return
        self.waiting.extend(
            self.engines[market.id].submit(order_new(**values, reserved=due[1]), self.now_ns)
        )

    def cancel(self) -> None:
        rng = self.rng
        market = rng.choice(self.markets)
        resting = list(self.engines[market.id].open.values())
        if not resting:
            return
        order = rng.choice(resting)
        request = order_cancel(oid=order.oid, user_id=order.user.id, symbol_id=market.id)
        self.waiting.extend(self.engines[market.id].submit(request, self.now_ns))

    # --- comparing ----------------------------------------------------------------------

    def compare(self) -> None:
        self.model.audit()
        self.live.audit()
        self.folded.audit()
        assert self.live.state_hash() == self.folded.state_hash()
        assert self.live.totals() == self.model.totals() == self.folded.totals()
        for user in range(1, USERS + 1):
            assert self.live.account(user, self.now_ns) == self.model.account(user, self.now_ns)
            for market in self.markets:
                due = self.model.position(user, market.id)
                seen = self.live.position(user, market.id)
                assert seen == due or (seen is None and not any(due.values())), (user, market.id)

    def settle(self) -> None:
        """Nothing in flight: then the fold has the same frozen margin too."""
        self.release(len(self.waiting))
        self.compare()
        assert not self.model.in_flight
        for user in range(1, USERS + 1):
            assert self.folded.account(user, self.now_ns) == self.live.account(user, self.now_ns)


@pytest.mark.timeout(60 + OPERATIONS // 500)
@pytest.mark.parametrize(("mark_source", "seed"), RUNS)
def test_random_trading_gives_the_same_answers_and_accounts(mark_source, seed):
    exchange = Exchange(seed, mark_source)
    for step in range(OPERATIONS // len(RUNS)):
        exchange.step()
        if step % 150 == 149:
            exchange.compare()
        if step % 5000 == 4999:
            exchange.settle()
    exchange.settle()

    expected = {0, 2001} | ({2002} if mark_source == "feed" else set())
    assert exchange.reasons.keys() == expected
    assert all(count > 50 for count in exchange.reasons.values()), exchange.reasons


def test_the_auditor_agrees_with_the_ledger():
    exchange = Exchange(9, "last")
    for _ in range(4000):
        exchange.step()
    exchange.settle()

    users = range(1, USERS + 1)
    places = [(u, m.id) for u in users for m in exchange.markets]
    position = {p: exchange.live.position(*p) or {"net_qty": 0, "frozen": 0} for p in places}
    accounts = {u: exchange.live.account(u, 0) or {"collateral": 0} for u in users}
    found = audit(
        [view(r) for r in exchange.log],
        [view(r) for r in exchange.requests],
        [view(r) for r in exchange.answers],
        nets={p: position[p]["net_qty"] for p in places},
        frozen={p: position[p]["frozen"] for p in places},
        collateral={u: accounts[u]["collateral"] for u in users},
    )

    assert found == []
    assert sum(view(r).record.name == "FILL" for r in exchange.log) > 300


def test_a_restart_loses_only_what_was_in_flight():
    """V-8: with orders on their way, a fold has their margin free again, in both ledgers."""
    exchange = Exchange(21, "last")
    for _ in range(3000):
        exchange.step()
    exchange.settle()
    while len(exchange.model.in_flight) < 8:
        exchange.order()
    model = ModelLedger(exchange.markets, "last", STALE_MS)
    for record in exchange.log:
        model.apply(record)

    users = range(1, USERS + 1)
    for user in users:
        assert exchange.folded.account(user, 0) == model.account(user, 0)
    differ = [u for u in users if exchange.live.account(u, 0) != model.account(u, 0)]
    assert differ, "nothing was in flight"
    assert exchange.folded.state_hash() == exchange.live.state_hash()


FILLS = st.lists(
    st.tuples(st.integers(-60, 60).filter(bool), st.integers(1, 10**6)), min_size=1, max_size=30
)


@settings(max_examples=300, deadline=None, derandomize=True, database=None)
@given(FILLS, st.integers(1, 10**6))
def test_any_fills_leave_profit_and_cost_that_add_up_to_the_cash_paid(fills, mark):
    """TST-16, and POS-31: net is the signed sum, cost is 0 when and only when flat."""
    from rsx.risk.ledger import Ledger

    symbol = make_symbol(reference_px=mark, px_max=10**6)
    ledger = Ledger((symbol,), accounts_max=4, positions_max=8, mark_source="feed")
    model = Position()
    for user in (1, 2):
        ledger.apply(records.DEPOSIT.pack(user_id=user, amount=10**15))
    for number, (qty, px) in enumerate(fills, 1):
        trade(ledger, number, qty, px)
        model.trade(qty, px)
    p = ledger.position(1, 1)
    account = ledger.account(1, 0)

    assert (p["net_qty"], p["entry_cost"], p["realised"]) == (model.net, model.cost, model.realised)
    assert p["net_qty"] == sum(qty for qty, _ in fills)
    assert (p["entry_cost"] == 0) == (p["net_qty"] == 0)
    cash = -sum(qty * px for qty, px in fills)
    assert account["realised"] + account["unrealised"] == cash + mark * p["net_qty"]
    assert account["equity"] == 10**15 + cash + mark * p["net_qty"]
    ledger.audit()


def trade(ledger: Any, number: int, qty: int, px: int) -> None:
    """User 1 buys (or sells) of user 2."""
    side = int(qty < 0)
    for oid, user, way in ((2 * number, 1, side), (2 * number + 1, 2, 1 - side)):
        ledger.apply(
            records.ORDER_ACCEPTED.pack(
                oid=oid, user_id=user, symbol_id=1, stream=1, side=way, qty=abs(qty), px=px
            )
        )
    ledger.apply(
        records.FILL.pack(
            taker_oid=2 * number, maker_oid=2 * number + 1, px=px, qty=abs(qty), symbol_id=1,
            stream=1, taker_user_id=1, maker_user_id=2, taker_side=side,
        )
    )  # fmt: skip


WIDE = st.integers(1, 1 << 40)


@settings(max_examples=400, deadline=None, derandomize=True, database=None)
@given(
    mark=st.integers(1, 1 << 24), px=st.integers(1, 1 << 24), qty=WIDE, side=st.integers(0, 1),
    initial=st.integers(10_000, 1_000_000), fee=st.integers(-1_000_000, 1_000_000),
    balance=st.integers(1, 1 << 56),
)  # fmt: skip
def test_any_order_of_a_flat_user_needs_what_the_formula_says(
    mark, px, qty, side, initial, fee, balance
):
    """V-3 at every size, against Python's integers."""
    from rsx.risk.ledger import Ledger

    symbol = make_symbol(
        reference_px=mark, initial_margin_ppm=initial, maintenance_margin_ppm=0, taker_fee_ppm=fee
    )
    ledger = Ledger((symbol,), accounts_max=4, positions_max=8, mark_source="last")
    ledger.apply(records.DEPOSIT.pack(user_id=1, amount=balance))
    money = qty * max(px, mark)
    loss = qty * max(0, px - mark if side == 0 else mark - px)
    due = req(money, initial) + max(0, ceil_div(money * fee, 10**6)) + loss

    request = order_request(oid=1, user_id=1, symbol_id=1, side=side, qty=qty, px=px)
    reason, required, available = ledger.check(request, 0)

    if max(due, money) >= 1 << 63:
        assert reason == 1017
    else:
        assert (reason, required, available) == (2001 if due > balance else 0, due, balance)
    held = ledger.account(1, 0)
    assert held["frozen"] == (0 if reason else due)
