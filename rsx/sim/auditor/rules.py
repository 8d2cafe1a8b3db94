"""The auditor's checks of specs/matching.md beside the books of orders: triggers, modes, limits.

A mixin of orders.py, with state of its own; it shares no code with engine or model.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from rsx.records import View

GROUP_END = 1
POST_ONLY, REDUCE_ONLY, RESTS, REPRICE, KEPT, HEDGE = 1, 2, 4, 8, 64, 128
LIQUIDATION = 7
BUY, SELL = 0, 1
GTC, IOC, FOK, GTD = 0, 1, 2, 3
RESTING_TIFS = (GTC, GTD)
LIMIT_KINDS = (0, 3, 5)
OPEN, POST_ONLY_MODE = 0, 1
FILLED, RESTING, CANCELLED, REJECTED, WAITING = 0, 1, 2, 3, 5
NEWEST, OLDEST, BOTH = 1, 2, 3
EXCESS, RESTART, EXPIRED, SELF_TRADE = 3103, 3104, 3105, 3106
NS = 1_000_000_000


@dataclass(slots=True)
class Row:
    """An order. Prices and quantities are those of now, first_* those of its acceptance."""

    oid: int
    symbol: int
    user: int
    side: int
    tif: int
    px: int
    qty: int
    reserved: int
    flags: int
    left: int
    filled: int = 0
    cut: int = 0
    queue: int = 0  # place in time among resting orders
    ended: bool = False
    reason: int = 0
    kind: int = 0
    stp: int = 0
    expire_s: int = 0
    cid: str = ""
    taken_ns: int = 0  # when it came, or was last amended
    first_px: int = 0
    first_qty: int = 0

    def __post_init__(self) -> None:
        self.first_px, self.first_qty = self.px, self.qty

    @property
    def reduce_only(self) -> bool:
        return bool(self.flags & REDUCE_ONLY)


@dataclass(slots=True)
class TriggerRow:
    placed: View
    px: int
    fired: bool = False
    ended: bool = False
    back: bool = False  # the order of one that was cancelled has come
    status: int = WAITING
    reason: int = 0

    @property
    def user(self) -> int:
        return int(self.placed.user_id)

    @property
    def symbol(self) -> int:
        return int(self.placed.symbol_id)

    @property
    def terms(self) -> tuple[int, int, int, int, int]:
        p = self.placed
        return p.user_id, p.side, p.qty, p.kind, p.tif


@dataclass
class RuleChecks:
    whole: dict[int, int] = field(default_factory=dict)  # version of the newest whole set
    held: dict[int, list[Any]] = field(default_factory=dict)  # its first three records
    configs: dict[int, View] = field(default_factory=dict)
    limits: dict[int, View] = field(default_factory=dict)
    risks: dict[int, View] = field(default_factory=dict)
    triggers: dict[int, TriggerRow] = field(default_factory=dict)
    modes: dict[int, int] = field(default_factory=lambda: defaultdict(int))
    owners: dict[tuple[int, int], int] = field(default_factory=dict)  # (user, symbol) -> group
    touched: dict[int, set[int]] = field(default_factory=lambda: defaultdict(set))  # by the fill

    rows: dict[int, Row] = field(default_factory=dict)
    rejected: set[int] = field(default_factory=set)  # ended without having been accepted
    resting: dict[int, dict[int, Row]] = field(default_factory=lambda: defaultdict(dict))
    in_hand: dict[int, Row] = field(default_factory=dict)  # by symbol
    groups: dict[int, list[View]] = field(default_factory=lambda: defaultdict(list))

    if TYPE_CHECKING:

        def wrong(self, invariant: int | str, text: str) -> None: ...
        def room(self, row: Row) -> int: ...
        def reducible(self, user: int, symbol: int, side: int, flags: int) -> int: ...

    # --- the market ---------------------------------------------------------------------

    def on_symbol_config(self, r: View) -> None:
        known = self.whole.get(r.symbol_id, 0)
        if r.config_version <= known:
            self.wrong(25, f"rules {r.config_version} after {known}")
        self.configs[r.symbol_id] = r

    def on_symbol_limits(self, r: View) -> None:
        self.limits[r.symbol_id] = r

    def on_symbol_risk(self, r: View) -> None:
        self.risks[r.symbol_id] = r

    def on_symbol_brackets(self, r: View) -> None:
        """SY-1: the set is whole, and of one version; a part of one, at an end of the log, is none
        (SY-6)."""
        parts = [part.get(r.symbol_id) for part in (self.configs, self.limits, self.risks)]
        versions = {part.config_version for part in parts if part} | {r.config_version}
        if None in parts or len(versions) != 1:
            self.wrong("SY-4", f"rules of market {r.symbol_id} of versions {sorted(versions)}")
        self.whole[r.symbol_id] = r.config_version
        self.held[r.symbol_id] = parts

    def drop_parts(self) -> None:
        """SY-6: what an end of the log has left of a set is none."""
        for symbol, (config, limits, risk) in self.held.items():
            if None not in (config, limits, risk):
                self.configs[symbol], self.limits[symbol] = config, limits
                self.risks[symbol] = risk

    def on_trading_mode(self, r: View) -> None:
        if r.previous != self.modes[r.symbol_id]:
            self.wrong("MO-1", f"mode was {self.modes[r.symbol_id]}, the record says {r.previous}")
        self.modes[r.symbol_id] = r.mode

    def tick(self, symbol: int, px: int) -> int:
        tick = int(self.configs[symbol].tick)
        limits = self.limits.get(symbol)
        for row in (1, 2, 3, 4) if limits else ():
            first = getattr(limits, f"tick_from_{row}")
            if first and px >= first:
                tick = getattr(limits, f"tick_{row}")
        return tick

    def right_px(self, oid: int, symbol: int, px: int) -> None:
        """M-2, PX-1, against the logged configuration."""
        c = self.configs.get(symbol)
        if c is not None and (not 0 < px <= c.px_max or px % self.tick(symbol, px)):
            self.wrong("M-2", f"order {oid} at {px}")

    def right_qty(self, oid: int, symbol: int, qty: int) -> None:
        c = self.configs.get(symbol)
        if c is not None and (not 0 < qty <= c.qty_max or qty % c.lot):
            self.wrong("M-2", f"order {oid} of {qty}")

    def right_notional(self, oid: int, symbol: int, px: int, qty: int) -> None:
        c = self.configs.get(symbol)
        if c is not None and px * qty > c.notional_max:
            self.wrong("M-2", f"order {oid} of {qty} at {px}")

    # --- orders -------------------------------------------------------------------------

    def accepted_by_the_rules(self, r: View) -> None:
        waited = 2 <= r.kind <= 6  # checked when it was placed (SY-5)
        if not waited or r.kind not in LIMIT_KINDS:
            self.right_px(r.oid, r.symbol_id, r.px)
            self.right_notional(r.oid, r.symbol_id, r.px, r.qty)
        if not waited and r.kind != LIQUIDATION:
            self.right_qty(r.oid, r.symbol_id, r.qty)
        if r.kind == LIQUIDATION:
            self.liquidates_by_the_rules(r)
        mode = self.modes[r.symbol_id]
        if mode > POST_ONLY_MODE or (mode == POST_ONLY_MODE and not r.flags & POST_ONLY):
            self.wrong("MO-2", f"order {r.oid} is accepted in mode {mode}")
        if (r.tif == GTD) != bool(r.expire_s) or (r.expire_s and r.expire_s * NS <= r.ts_ns):
            self.wrong("EX-1", f"order {r.oid} of tif {r.tif} ends at {r.expire_s}")
        self.owners[r.user_id, r.symbol_id] = r.owner_group

    def liquidates_by_the_rules(self, r: View) -> None:
        """LO-1."""
        c = self.configs.get(r.symbol_id)
        room = self.reducible(r.user_id, r.symbol_id, r.side, r.flags)
        if r.flags & ~HEDGE != REDUCE_ONLY or r.tif != IOC or r.cid_len:
            self.wrong("LO-1", f"liquidation order {r.oid} of tif {r.tif}, flags {r.flags}")
        if c is not None and r.qty % c.lot and r.qty < room:
            self.wrong("LO-1", f"liquidation order {r.oid} of {r.qty}, {room} reduces")

    def amended_by_the_rules(self, r: View, row: Row, px: int, qty: int) -> None:
        """AM-3: what changes keeps the rules. px, qty: before."""
        if r.px != px:
            self.right_px(r.oid, row.symbol, r.px)
        if r.qty != qty:
            self.right_qty(r.oid, row.symbol, r.qty)
        if r.px != px or r.qty > qty:
            self.right_notional(r.oid, row.symbol, r.px, r.qty)
        mode = self.modes[row.symbol]
        if mode > POST_ONLY_MODE:
            self.wrong("MO-2", f"order {r.oid} is amended in mode {mode}")

    def filled_by_the_rules(self, r: View, taker: Row, maker: Row) -> None:
        if self.modes[taker.symbol] != OPEN:
            self.wrong("MO-2", f"order {taker.oid} takes in mode {self.modes[taker.symbol]}")
        if taker.flags & POST_ONLY:
            self.wrong("M-5", f"post-only {taker.oid} takes")
        if taker.stp and self.same_owner(taker, maker):
            self.wrong("ST-2", f"{taker.oid} trades with {maker.oid} of the same owner")
        # By the time of its request: a full ring may hold the rest of it up (M-12).
        if maker.expire_s and maker.expire_s * NS <= taker.taken_ns:
            self.wrong("EX-1", f"order {maker.oid} trades after its end")

    def same_owner(self, one: Row, other: Row) -> bool:
        groups = [self.owners.get((row.user, row.symbol), 0) for row in (one, other)]
        return one.user == other.user or (groups[0] == groups[1] != 0)

    def cancelled_by_the_rules(self, r: View, row: Row) -> None:
        if not 3100 < r.reason < 3200:
            self.wrong("C-2", f"order {row.oid} is cancelled with reason {r.reason}")
        if r.reason == EXPIRED and not 0 < row.expire_s * NS <= r.ts_ns:
            self.wrong("EX-1", f"order {row.oid} ends before {row.expire_s}")
        if r.reason == EXCESS and not (row.reduce_only and self.room(row) == 0):
            self.wrong("RO-2", f"order {row.oid} still reduces {self.room(row)}")
        taker = self.in_hand.get(row.symbol)
        if r.reason != SELF_TRADE:
            return
        if taker is None or not taker.stp:
            self.wrong("ST-2", f"order {row.oid} is cancelled as of no taker that asks for it")
        elif taker is row and row.stp == OLDEST:
            self.wrong("ST-2", f"order {row.oid} is cancelled, its mode is to go on")
        elif taker is not row and (taker.stp == NEWEST or not self.same_owner(taker, row)):
            self.wrong("ST-2", f"order {row.oid} is cancelled for {taker.oid}")

    def on_cancel_rejected(self, r: View) -> None:
        """C-1: nothing of this user was there to cancel."""
        found: Any = self.rows.get(r.oid) or self.triggers.get(r.oid)
        here = found is not None and (found.user, found.symbol) == (r.user_id, r.symbol_id)
        if r.oid and here and not found.ended:
            self.wrong("C-1", f"the cancel of {r.oid}, which lives, is refused with {r.reason}")

    def on_cancel_all_done(self, r: View) -> None:
        """CA-1."""
        group = self.groups[r.stream]
        ended = [e for e in group if e.record.name in ("ORDER_CANCELLED", "TRIGGER_CANCELLED")]
        if len(ended) != r.cancelled or len(ended) != len(group):
            self.wrong("CA-1", f"{r.cancelled} were cancelled, the group has {len(ended)}")
        if any(e.user_id != r.user_id or e.request_id or e.reason != r.reason for e in ended):
            self.wrong("CA-1", f"the cancel-all of user {r.user_id} has records of others")

    def told_of_the_original(self, r: View) -> None:
        """D-4."""
        row, trigger = self.rows.get(r.original_oid), self.triggers.get(r.original_oid)
        told = (r.original_status, r.original_px, r.original_qty, r.original_filled,
                r.original_remaining, r.original_reason)  # fmt: skip
        if row is not None:
            status = RESTING if not row.ended else FILLED if row.reason == 0 else CANCELLED
            due = (status, row.px, row.qty - row.cut, row.filled, row.left, row.reason)
            user = row.user
        elif trigger is not None:
            p, user = trigger.placed, trigger.user
            due = (
                trigger.status,
                trigger.px,
                p.qty,
                0,
                0 if trigger.ended else p.qty,
                trigger.reason,
            )
        else:
            return self.wrong("M-1", f"order {r.oid} is like {r.original_oid}, which is unknown")
        if told != due or user != r.user_id:
            self.wrong("D-4", f"order {r.oid} is told {told} of {r.original_oid}, it is {due}")
        return None

    # --- triggers -----------------------------------------------------------------------

    def on_trigger_placed(self, r: View) -> None:
        if r.oid in self.rows or r.oid in self.rejected or r.oid in self.triggers:
            self.wrong(2, f"trigger {r.oid} is placed after another answer")
        if self.modes[r.symbol_id] > POST_ONLY_MODE:
            self.wrong("MO-3", f"trigger {r.oid} is placed in mode {self.modes[r.symbol_id]}")
        self.triggers[r.oid] = TriggerRow(r, r.px)

    def on_trigger_rejected(self, r: View) -> None:
        if r.oid in self.rows or r.oid in self.rejected or r.oid in self.triggers:
            self.wrong(2, f"trigger {r.oid} is rejected after another answer")
        self.rejected.add(r.oid)

    def on_trigger_fired(self, r: View) -> None:
        trigger = self.triggers.get(r.oid)
        if trigger is None or trigger.ended or trigger.fired:
            return self.wrong("TR-5", f"trigger {r.oid} fires and does not wait")
        trigger.fired = True
        p = trigger.placed
        if self.modes[r.symbol_id] != OPEN:
            self.wrong("MO-3", f"trigger {r.oid} fires in mode {self.modes[r.symbol_id]}")
        if (r.user_id, r.side, r.qty, r.kind, r.tif) != trigger.terms or r.px != p.px:
            self.wrong("TR-5", f"trigger {r.oid} fires as another than was placed")
        if r.kind != 6 and r.trigger_px != p.trigger_px:
            self.wrong("TR-5", f"trigger {r.oid} at {p.trigger_px} fires at level {r.trigger_px}")
        rises = (r.kind in (2, 3)) == (r.side == BUY) if r.kind != 6 else r.side == BUY
        reached = r.fired_px >= r.trigger_px if rises else r.fired_px <= r.trigger_px
        if not reached:
            self.wrong("TR-1", f"trigger {r.oid} at {r.trigger_px} fires at {r.fired_px}")
        return None

    def on_trigger_cancelled(self, r: View) -> None:
        trigger = self.triggers.get(r.oid)
        if trigger is None or trigger.ended:
            return self.wrong("TR-8", f"trigger {r.oid} is cancelled and does not live")
        p = trigger.placed
        if (r.user_id, r.side, r.qty, r.kind) != trigger.terms[:4]:
            self.wrong("TR-7", f"trigger {r.oid} is cancelled as another than was placed")
        if r.reason == EXPIRED and (trigger.fired or not 0 < p.expire_s * NS <= r.ts_ns):
            self.wrong("EX-1", f"trigger {r.oid} ends before {p.expire_s}, or after it fired")
        trigger.ended, trigger.status, trigger.reason = True, CANCELLED, r.reason
        return None
