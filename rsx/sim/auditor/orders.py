"""An auditor of released records: replays them into naive structures and lists what is wrong.

It shares no code with the engine or with the other models: an order is a row in a dict, the book
is all rows that rest, and the best maker is found by looking at every one of them.

Checks INV-1, 2, 3, 4, 5, 6, 11, 12, 13, 17, 20 and 21 of specs/invariants.md, and the rules of
specs/matching.md that it names in what it finds. Triggers, modes and the market's rules are in
rules.py. What a log alone cannot show (whether the engine's own positions and balances
agree) is checked when they are given.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from fractions import Fraction
from typing import NamedTuple

from rsx.records import FUND_USER_BASE, OF_A_SYMBOL, View
from rsx.sim.auditor.rules import (
    BUY,
    FOK,
    GROUP_END,
    HEDGE,
    KEPT,
    LIQUIDATION,
    REDUCE_ONLY,
    REJECTED,
    REPRICE,
    RESTART,
    RESTING_TIFS,
    RESTS,
    SELL,
    Row,
    RuleChecks,
)

Key = tuple[int, int]  # user, symbol
LegKey = tuple[int, int, int]  # user, symbol, leg
GROUPED = ("ORDER_", "CANCEL_", "FILL", "AMEND_", "TRIGGER_")


class Violation(NamedTuple):
    seq: int  # of the record that shows it; 0 = shown by the end of the log
    invariant: str
    text: str


@dataclass(slots=True)
class Position:
    net: int = 0  # by the orders that the fills name
    told: int = 0  # by the users and sides that the fills name
    cost: int = 0


def leg_of(side: int, flags: int) -> int:
    """HG-2: the leg that an order trades; 0 for one-way accounts."""
    if not flags & HEDGE:
        return 0
    return int((side == BUY) == bool(flags & REDUCE_ONLY))


@dataclass
class Auditor(RuleChecks):
    found: list[Violation] = field(default_factory=list)
    collateral: dict[int, int] = field(default_factory=lambda: defaultdict(int))
    positions: dict[LegKey, Position] = field(default_factory=lambda: defaultdict(Position))
    fees: int = 0
    deposits: int = 0
    last: tuple[int, int] = (0, 0)  # epoch, seq
    queued: int = 0
    seq: int = 0

    def wrong(self, invariant: int | str, text: str) -> None:
        name = f"INV-{invariant}" if isinstance(invariant, int) else invariant
        self.found.append(Violation(self.seq, name, text))

    # --- records ------------------------------------------------------------------------

    def read(self, record: View) -> None:
        self.seq = record.seq
        epoch, seq = self.last
        if record.seq != seq + 1:
            self.wrong(5, f"number {record.seq} after {seq}")
        if record.epoch < epoch:
            self.wrong(5, f"epoch {record.epoch} after {epoch}")
        self.last = (record.epoch, record.seq)
        handler = getattr(self, "on_" + record.record.name.lower(), None)
        if handler:
            handler(record)
        if record.record.name.startswith(GROUPED):
            self.groups[record.symbol_id].append(record)
        if record.header_flags & GROUP_END and record.record.type in OF_A_SYMBOL:
            self.end_of_group(record.symbol_id)

    def on_deposit(self, r: View) -> None:
        self.collateral[r.user_id] += r.amount
        self.deposits += r.amount

    def on_log_started(self, _: View) -> None:
        """F-2: a cancel-all that was cut off is not gone on with."""
        self.drop_parts()
        for group in self.groups.values():
            group.clear()

    def on_order_accepted(self, r: View) -> None:
        if not self.is_new(r, "accepted"):
            return None
        self.nothing_in_hand(r.symbol_id)
        row = Row(r.oid, r.symbol_id, r.user_id, r.side, r.tif, r.px, r.qty, r.reserved, r.flags,
                  r.qty, kind=r.kind, stp=r.stp, expire_s=r.expire_s, cid=r.client_id,
                  taken_ns=r.ts_ns)  # fmt: skip
        if r.reserved < 0:
            self.wrong(11, f"order {r.oid} reserves {r.reserved}")
        self.rows[r.oid] = row
        self.accepted_by_the_rules(r)
        return self.taken(row, r.flags)

    def taken(self, row: Row, flags: int) -> None:
        """Accepted or amended: in hand, unless it rests whole."""
        if not flags & RESTS:
            self.in_hand[row.symbol] = row
            return
        if row.tif not in RESTING_TIFS:
            self.wrong(20, f"order {row.oid} of tif {row.tif} rests")
        if row.reduce_only and row.left > self.room(row):
            self.wrong("M-4", f"reduce-only {row.oid} rests with {row.left} and is not cut")
        self.rest(row)

    def on_order_rejected(self, r: View) -> None:
        if self.is_new(r, "rejected"):
            self.rejected.add(r.oid)
            if trigger := self.triggers.get(r.oid):
                trigger.status, trigger.reason, trigger.px = REJECTED, r.reason, r.px

    def on_order_duplicate(self, r: View) -> None:
        """M-1, D-4: terminal for the request, and what it tells of the original is true."""
        if r.oid in self.rows or r.oid in self.rejected or r.oid in self.triggers:
            self.wrong(2, f"order {r.oid} is a duplicate after another answer")
        self.rejected.add(r.oid)
        self.told_of_the_original(r)

    def on_order_amended(self, r: View) -> None:
        """AM-4 to AM-6."""
        row = self.living(r.oid, 2)
        if row is None:
            return
        if row.oid not in self.resting[row.symbol]:
            self.wrong("AM-1", f"order {row.oid} is amended and does not rest")
        kept = bool(r.flags & KEPT)
        if kept and (r.px != row.px or r.remaining > row.left or r.flags & RESTS):
            self.wrong("AM-4", f"order {row.oid} keeps its place with {r.remaining} @ {r.px}")
        if r.remaining != r.qty - row.filled or r.remaining <= 0:
            self.wrong(13, f"order {row.oid}: {r.qty} is not {row.filled} + {r.remaining}")
        if not 0 <= r.reserved <= row.reserved + r.extra or r.extra < 0 or r.extra_qty < 0:
            self.wrong(11, f"order {row.oid} holds {r.reserved} of {row.reserved} + {r.extra}")
        px, qty = row.px, row.qty - row.cut
        row.px, row.qty, row.left, row.cut, row.reserved = r.px, r.qty, r.remaining, 0, r.reserved
        self.amended_by_the_rules(r, row, px, qty)
        if not kept:
            row.taken_ns = r.ts_ns
            self.resting[row.symbol].pop(row.oid, None)
            self.nothing_in_hand(row.symbol)
            self.taken(row, r.flags)

    def on_amend_rejected(self, r: View) -> None:
        row = self.rows.get(r.oid)
        who = (r.user_id, r.symbol_id)
        known = row is not None and not row.ended and (row.user, row.symbol) == who
        trigger = self.triggers.get(r.oid)
        waits = trigger is not None and not trigger.ended and (trigger.user, trigger.symbol) == who
        if (r.reason == 3007 and (known or waits)) or (r.reason == 3018 and not waits):
            self.wrong("AM-1", f"an amendment of {r.oid} is refused with {r.reason}")

    def on_order_released(self, r: View) -> None:
        """AM-2, TR-7: for a trigger cancelled on its way, or an order about to end."""
        row, trigger = self.rows.get(r.oid), self.triggers.get(r.oid)
        gone = trigger is not None and trigger.ended and trigger.fired and not trigger.back
        if not gone and (row is None or row.ended):
            self.wrong(11, f"margin of {r.oid} goes back, which has none in flight")
        if trigger is not None and row is None:
            trigger.back = True
        if r.released < 0 or r.qty < 0:
            self.wrong(11, f"{r.oid} releases {r.released} for {r.qty}")

    def on_order_rested(self, r: View) -> None:
        row = self.living(r.oid, 2)
        if row is None:
            return
        if self.in_hand.pop(row.symbol, None) is not row:
            self.wrong(2, f"order {row.oid} comes to rest, but is not in hand")
        if row.tif not in RESTING_TIFS:
            self.wrong(20, f"order {row.oid} of tif {row.tif} rests")
        if (r.remaining, r.px, r.qty) != (row.left, row.px, row.qty - row.cut):
            self.wrong(13, f"order {row.oid} rests with {r.remaining} of {r.qty} @ {r.px}, has "
                       f"{row.left} of {row.qty - row.cut} @ {row.px}")  # fmt: skip
        if r.reserved != row.reserved:
            self.wrong(11, f"order {row.oid} rests with {r.reserved}, holds {row.reserved}")
        self.rest(row)

    def on_order_reduced(self, r: View) -> None:
        row = self.living(r.oid, 2)
        if row is None:
            return
        row.cut += r.cancelled_qty
        row.left -= r.cancelled_qty
        if r.remaining != row.left or r.px != row.px or r.cancelled_qty <= 0 or row.left <= 0:
            self.wrong(13, f"order {row.oid} is cut to {r.remaining}, has {row.left}")
        self.release(row, r.released)
        if not row.reduce_only or row.left != self.room(row):
            self.wrong("RO-2", f"order {row.oid} is cut to {row.left}, could be {self.room(row)}")

    def on_order_cancelled(self, r: View) -> None:
        row = self.living(r.oid, 2)
        if row is None:
            return
        if r.cancelled_qty != row.left or r.px != row.px or r.filled_qty != row.filled:
            self.wrong(
                13,
                f"order {row.oid}: {r.cancelled_qty} cancelled and {r.filled_qty} filled, "
                f"should be {row.left} and {row.filled}",
            )
        if row.tif == FOK and r.reason != RESTART:
            self.wrong(20, f"fill-or-kill order {row.oid} is cancelled")
        self.cancelled_by_the_rules(r, row)
        row.left = 0
        self.release(row, r.released)
        self.end(row, r.reason, r.cancelled_qty)

    def on_fill(self, r: View) -> None:
        taker, maker = self.living(r.taker_oid, 1), self.living(r.maker_oid, 1)
        self.money(r)
        if taker is None or maker is None:
            return
        if self.in_hand.get(taker.symbol) is not taker:
            self.wrong(1, f"order {taker.oid} takes, but is not in hand")
        if maker.user != r.maker_user_id or taker.user != r.taker_user_id:
            self.wrong(4, f"fill of {taker.oid} with {maker.oid} names other users")
        if taker.side != r.taker_side or maker.side == r.taker_side:
            self.wrong(4, f"fill of {taker.oid} with {maker.oid} has the sides wrong")
        self.price_time(r, taker, maker)
        self.trimmed(taker.symbol)
        self.filled_by_the_rules(r, taker, maker)
        self.reduces(taker, r.qty)
        self.reduces(maker, r.qty)
        for row in (taker, maker):
            key = row.user, row.symbol, leg_of(row.side, row.flags)
            self.positions[key].net += r.qty if row.side == BUY else -r.qty
        self.traded(taker, r.qty, r.taker_remaining, r.taker_release)
        self.traded(maker, r.qty, r.maker_remaining, r.maker_release)
        self.touched[taker.symbol] |= {taker.user, maker.user}

    # --- checks -------------------------------------------------------------------------

    def living(self, oid: int, invariant: int) -> Row | None:
        row = self.rows.get(oid)
        if row is None or row.ended:
            self.wrong(invariant, f"order {oid} is {'unknown' if row is None else 'ended'}")
            return None
        return row

    def is_new(self, r: View, what: str) -> bool:
        """INV-2: an id is answered once; a fired trigger becomes an order or is rejected."""
        trigger = self.triggers.get(r.oid)
        if r.oid in self.rows or r.oid in self.rejected:
            self.wrong(2, f"order {r.oid} is {what} after another answer")
            return False
        if trigger is None:
            return True
        if trigger.ended or not trigger.fired:
            self.wrong("TR-8", f"trigger {r.oid} is {what} as an order, and had not fired or ended")
        if (r.user_id, r.side, r.qty, r.kind, r.tif) != trigger.terms:
            self.wrong("TR-6", f"trigger {r.oid} is {what} as another order than it was")
        trigger.ended = True
        return True

    def room(self, row: Row) -> int:
        """RO-1: what the order can take off its user's position."""
        return self.reducible(row.user, row.symbol, row.side, row.flags)

    def reducible(self, user: int, symbol: int, side: int, flags: int) -> int:
        net = self.positions[user, symbol, leg_of(side, flags | REDUCE_ONLY)].net
        return max(0, -net if side == BUY else net)

    def on_position_transferred(self, r: View) -> None:
        """PT-1, PT-2."""
        if not r.qty:
            return
        self.nothing_in_hand(r.symbol_id)
        sides = (("user", r.user_id, r.side, r.user_flags),
                 ("counterparty", r.counter_user_id, 1 - r.side, r.counter_flags))  # fmt: skip
        for name, user, side, flags in sides:
            room = self.reducible(user, r.symbol_id, side, flags)
            if flags & REDUCE_ONLY and r.qty > room:
                self.wrong("PT-2", f"{name} {user} transfers {r.qty}, {room} reduces")
            signed = r.qty if side == BUY else -r.qty
            leg = leg_of(side, flags)
            self.positions[user, r.symbol_id, leg].net += signed
            self.collateral[user] += self.settle((user, r.symbol_id, leg), signed, r.px)
        self.touched[r.symbol_id] |= {r.user_id, r.counter_user_id}

    def trimmed(self, symbol: int) -> None:
        """RO-1, RO-2: after a fill nothing of its users is left that has more than reduces."""
        users = self.touched[symbol]
        if not users:
            return
        for row in self.resting[symbol].values():
            if row.reduce_only and row.user in users and row.left > self.room(row):
                self.wrong(
                    "RO-1", f"reduce-only {row.oid} has {row.left}, {self.room(row)} reduces"
                )
        users.clear()

    def price_time(self, r: View, taker: Row, maker: Row) -> None:
        """INV-3, INV-21: the maker is the oldest at the best price, and the price is its own."""
        if r.px != maker.px:
            self.wrong(21, f"fill at {r.px}, the maker's price is {maker.px}")
        low, high = (taker.px, maker.px) if taker.side == SELL else (maker.px, taker.px)
        if not low <= r.px <= high:
            self.wrong(21, f"fill at {r.px} outside {low} .. {high}")
        resting = [o for o in self.resting[maker.symbol].values() if o.side == maker.side]
        sign = 1 if maker.side == SELL else -1
        first = min(resting, key=lambda o: (sign * o.px, o.queue), default=None)
        if first is not maker:
            self.wrong(3, f"{maker.oid} trades before {first.oid if first else None}")

    def reduces(self, row: Row, qty: int) -> None:
        """INV-17, against the position before the fill."""
        if row.reduce_only and qty > self.room(row):
            self.wrong(17, f"reduce-only {row.oid} trades {qty}, {self.room(row)} reduces")

    def traded(self, row: Row, qty: int, left: int, released: int) -> None:
        row.filled += qty
        row.left -= qty
        if qty <= 0 or row.left != left or left < 0:
            self.wrong(13, f"order {row.oid} has {row.left} left, the fill of {qty} says {left}")
        self.release(row, released)
        if row.left <= 0:
            self.end(row, 0, 0)

    def release(self, row: Row, released: int) -> None:
        row.reserved -= released
        if released < 0 or row.reserved < 0:
            self.wrong(11, f"order {row.oid} releases {released}, then holds {row.reserved}")
        if row.left <= 0 and row.reserved:
            self.wrong(11, f"order {row.oid} ends and still holds {row.reserved}")

    def end(self, row: Row, reason: int, cancelled: int) -> None:
        row.ended, row.reason = True, reason
        self.resting[row.symbol].pop(row.oid, None)
        cut = row.cut + cancelled
        if row.qty != row.filled + cut:
            self.wrong(13, f"order {row.oid}: {row.qty} is not {row.filled} + {cut}")
        if self.in_hand.get(row.symbol) is row:
            del self.in_hand[row.symbol]

    def rest(self, row: Row) -> None:
        self.queued += 1
        row.queue = self.queued
        self.resting[row.symbol][row.oid] = row

    def end_of_group(self, symbol: int) -> None:
        """INV-2, INV-6, RO-1: nothing in hand, nothing crossed, nothing left untrimmed."""
        self.nothing_in_hand(symbol)
        self.trimmed(symbol)
        self.groups[symbol].clear()
        resting = self.resting[symbol].values()
        bids = [o.px for o in resting if o.side == BUY]
        asks = [o.px for o in resting if o.side == SELL]
        if bids and asks and max(bids) >= min(asks):
            self.wrong(6, f"bid {max(bids)}, ask {min(asks)}")

    def nothing_in_hand(self, symbol: int) -> None:
        row = self.in_hand.pop(symbol, None)
        if row is not None:
            number = 20 if row.tif == FOK else 2
            self.wrong(number, f"order {row.oid} neither rests nor ended when its request did")

    def money(self, r: View) -> None:
        """INV-12: what the two sides and the fee account get."""
        notional = r.px * r.qty
        config = self.configs.get(r.symbol_id)
        taker = self.rows.get(r.taker_oid)
        liquidates = taker is not None and taker.kind == LIQUIDATION
        sides = (
            ("taker", r.taker_user_id, r.taker_fee, r.taker_side, r.taker_flags),
            ("maker", r.maker_user_id, r.maker_fee, 1 - r.taker_side, r.maker_flags),
        )
        for name, user, fee, side, flags in sides:
            if config is not None:
                ppm = getattr(config, f"{name}_fee_ppm")
                if liquidates and name == "taker":
                    ppm = self.risks[r.symbol_id].liquidation_fee_ppm
                exact = Fraction(notional * ppm, 1_000_000)
                if not exact <= fee < exact + 1:
                    self.wrong(12, f"{name} fee {fee}, should be {exact} rounded up")
            key = user, r.symbol_id, leg_of(side, flags)
            profit = self.settle(key, r.qty if side == BUY else -r.qty, r.px)
            self.collateral[user] += profit - fee
            if liquidates and name == "taker":
                self.collateral[FUND_USER_BASE + r.symbol_id] += fee
            else:
                self.fees += fee

    def settle(self, key: LegKey, qty: int, px: int) -> int:
        """A-3 of specs/risk.md; returns the profit."""
        p = self.positions[key]
        size = abs(qty)
        net = p.told
        p.told += qty
        if net == 0 or (net > 0) == (qty > 0):
            p.cost += size * px
            return 0
        closed = min(size, abs(net))
        part = p.cost * closed // abs(net)
        p.cost += px * (size - closed) - part
        return px * closed - part if net > 0 else part - px * closed

    # --- the end of the log -------------------------------------------------------------

    def close(self, requests: Iterable[View], answers: Iterable[View]) -> None:
        """Every order asked for has one answer, and it is about that order."""
        self.seq = 0
        for symbol in list(self.in_hand):
            self.nothing_in_hand(symbol)
        refused: set[int] = set()
        for a in answers:
            if a.record.name == "REQUEST_REJECTED" and a.oid:
                if a.oid in refused or a.oid in self.rows or a.oid in self.rejected:
                    self.wrong(2, f"order {a.oid} is refused after another answer")
                refused.add(a.oid)
        for q in requests:
            if q.record.name in ("ORDER_NEW", "ORDER_REQUEST", "TRIGGER_REQUEST"):
                self.answered(q, refused)
        self.conservation()

    def answered(self, q: View, refused: set[int]) -> None:
        row = self.rows.get(q.oid)
        known = row is not None or q.oid in self.triggers
        if not known and q.oid not in self.rejected and q.oid not in refused:
            self.wrong(2, f"order {q.oid} has no answer")
        if row is None or q.record.name == "TRIGGER_REQUEST":
            return
        asked = (q.user_id, q.symbol_id, q.side, q.tif, q.kind, q.expire_s, row.first_px, q.qty)
        if q.px and not q.flags & REPRICE:
            asked = (*asked[:6], q.px, q.qty)
        had = (row.user, row.symbol, row.side, row.tif, row.kind, row.expire_s)
        if asked != (*had, row.first_px, row.first_qty):
            self.wrong(13, f"order {q.oid} was accepted as another order than was asked")

    def conservation(self) -> None:
        by_symbol: dict[int, int] = defaultdict(int)
        for (user, symbol, _leg), p in self.positions.items():
            by_symbol[symbol] += p.net
            if p.net != p.told:
                self.wrong(4, f"position of user {user} in {symbol}: {p.net} and {p.told}")
        for symbol, total in by_symbol.items():
            if total:
                self.wrong(4, f"positions of symbol {symbol} add up to {total}")
        collateral = sum(self.collateral.values())
        cost = sum(p.cost if p.net >= 0 else -p.cost for p in self.positions.values())
        if collateral - cost + self.fees != self.deposits:
            self.wrong(12, f"{collateral} - {cost} + {self.fees} is not {self.deposits}")

    def frozen(self) -> dict[Key, int]:
        """INV-11: reserved by the open orders, per user and symbol."""
        out: dict[Key, int] = defaultdict(int)
        for row in self.rows.values():
            if not row.ended:
                out[row.user, row.symbol] += row.reserved
        return out

    def compare_ledger(
        self, nets: dict[Key, int], frozen: dict[Key, int], collateral: dict[int, int]
    ) -> None:
        """Hold what the exchange says of its accounts against what the log adds up to."""
        own_frozen = self.frozen()
        own_nets: dict[Key, int] = defaultdict(int)
        for (user, symbol, _leg), p in self.positions.items():
            own_nets[user, symbol] += p.net
        for key in {*nets, *own_nets}:
            if nets.get(key, 0) != own_nets[key]:
                self.wrong(4, f"position {key} is {nets.get(key, 0)}: {own_nets[key]}")
        for key in {*frozen, *own_frozen}:
            if frozen.get(key, 0) != own_frozen.get(key, 0):
                self.wrong(11, f"frozen {key} is {frozen.get(key, 0)}: {own_frozen.get(key, 0)}")
        for user in {*collateral, *self.collateral}:
            own = self.collateral[user]
            if collateral.get(user, 0) != own:
                self.wrong(12, f"collateral of {user} is {collateral.get(user, 0)}: {own}")


def audit(
    records: Iterable[View],
    requests: Iterable[View] = (),
    answers: Iterable[View] = (),
    *,
    nets: dict[Key, int] | None = None,
    frozen: dict[Key, int] | None = None,
    collateral: dict[int, int] | None = None,
) -> list[Violation]:
    """Violations in a log from its first record on; empty when all is well.

    Args  requests: what was asked (ORDER_NEW or ORDER_REQUEST); answers: REQUEST_REJECTED;
          nets, frozen, collateral: the exchange's own figures at the end, all three or none
    """
    auditor = Auditor()
    for record in records:
        auditor.read(record)
    auditor.close(requests, answers)
    if nets is not None:
        auditor.compare_ledger(nets, frozen or {}, collateral or {})
    return auditor.found
