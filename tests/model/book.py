"""A plain model of one market's matching, written from specs/matching.md alone.

Prices are keys of two SortedDicts, each value a deque of orders in the order they came. Nothing
here is fast or clever; it exists to disagree with `rsx/book`. It shares with rsx the declaration
of the records and the reason numbers, nothing else.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, replace
from typing import Any

from model.wire import pack_event, raw_view
from sortedcontainers import SortedDict

from rsx.errors import Reason
from rsx.records import HeaderFlag, OrderFlag, Side, Tif

PPM = 1_000_000
NS = 1_000_000_000
KNOWN_FLAGS = int(OrderFlag.POST_ONLY | OrderFlag.REDUCE_ONLY)
Event = dict[str, Any]


def ceil_div(a: int, b: int) -> int:
    return -(-a // b)


def fee(notional: int, ppm: int) -> int:
    """R-2: a charge is rounded up, a rebate toward zero; both are the ceiling."""
    return ceil_div(notional * ppm, PPM)


@dataclass(slots=True)
class Order:
    oid: int
    user: int
    side: int
    px: int
    remaining: int
    reserved: int
    flags: int
    cid: bytes
    filled: int = 0

    @property
    def reduce_only(self) -> bool:
        return bool(self.flags & OrderFlag.REDUCE_ONLY)

    def give_back(self, left: int) -> int:
        """R-1: shrink to `left` and return the margin this releases."""
        kept = ceil_div(self.reserved * left, self.remaining)
        released = self.reserved - kept
        self.reserved, self.remaining = kept, left
        return released


@dataclass(slots=True)
class Remembered:
    key: tuple[int, bytes] | None  # None: a younger order has the key now
    oid: int
    ts_ns: int


class ModelEngine:
    """The same face as rsx.book.matching.Engine, as far as the tests use it."""

    def __init__(
        self,
        symbol: Any,
        *,
        orders_max: int = 1 << 16,
        users_max: int = 1 << 16,
        open_orders_per_user_max: int = 1 << 16,
        dedup_window_s: int = 3600,
        dedup_orders_max: int | None = None,
    ):
        self.symbol = symbol
        self.orders_max = orders_max
        self.users_max = users_max
        self.open_orders_per_user_max = open_orders_per_user_max
        self.dedup_window_ns = dedup_window_s * NS
        self.dedup_orders_max = dedup_orders_max or 2 * orders_max
        self.levels: tuple[SortedDict, SortedDict] = (SortedDict(), SortedDict())
        self.open: dict[int, Order] = {}
        self.open_count: dict[int, int] = {}
        self.nets: dict[int, int] = {}  # every user that an accepted order came from
        self.memory: dict[tuple[int, bytes], Remembered] = {}
        self.places: deque[Remembered] = deque()  # oldest first
        self.events: list[Event] = []
        self.ts_ns = 0

    # --- requests -----------------------------------------------------------------------

    def submit(self, request: bytes, ts_ns: int) -> list[bytes]:
        """Any request record; the events packed, as the compiled engine answers."""
        seen = raw_view(request)
        cid = bytes(seen.cid[: seen.cid_len])
        if seen.record.name == "ORDER_NEW":
            events = self.new_order(
                oid=seen.oid, px=seen.px, qty=seen.qty, user_id=seen.user_id, side=seen.side,
                tif=seen.tif, flags=seen.flags, reserved=seen.reserved, cid=cid, ts_ns=ts_ns,
                received_ns=seen.received_ns, reserved_ns=seen.reserved_ns,
                symbol_id=seen.symbol_id,
            )  # fmt: skip
        else:
            events = self.cancel(
                oid=seen.oid, user_id=seen.user_id, cid=cid, request_id=seen.request_id,
                ts_ns=ts_ns,
            )  # fmt: skip
        return [pack_event(e) for e in events]

    def new_order(
        self, *, oid: int, px: int, qty: int, user_id: int, side: int, tif: int = 0,
        flags: int = 0, reserved: int = 0, cid: bytes = b"", ts_ns: int = 0,
        received_ns: int = 0, reserved_ns: int = 0, symbol_id: int | None = None,
    ) -> list[Event]:  # fmt: skip
        """M-1 to M-11."""
        self.events, self.ts_ns = [], ts_ns
        known = (
            side in Side._value2member_map_
            and tif in Tif._value2member_map_
            and not flags & ~KNOWN_FLAGS
            and symbol_id in (None, self.symbol.id)
        )
        head = {"oid": oid, "px": px, "qty": qty, "user_id": user_id,
                "side": side, "tif": tif, "flags": flags,
                "cid_len": len(cid), "cid": cid}  # fmt: skip
        order = Order(oid, user_id, side, px, qty, reserved, flags, cid)
        reason, original = self._refusal(order, tif, flags, known)
        if reason:
            if not known:
                head.update(side=side if side < 2 else 0, tif=tif if tif < 3 else 0,
                            flags=flags & KNOWN_FLAGS)  # fmt: skip
            self._emit("ORDER_REJECTED", **head, released=reserved, original_oid=original,
                       reason=int(reason))  # fmt: skip
            if symbol_id is not None:
                self.events[-1]["symbol_id"] = symbol_id
            return self._end()
        allowed = self._allowed(order)
        crosses = self._crosses(order)
        cut = max(0, qty - allowed)
        rests = tif == Tif.GTC and not crosses and not cut
        if rests:
            head["flags"] = flags | OrderFlag.RESTS
        self._emit("ORDER_ACCEPTED", **head, reserved=reserved, received_ns=received_ns,
                   reserved_ns=reserved_ns)  # fmt: skip
        self.nets.setdefault(user_id, 0)
        self._remember(order)
        if cut:
            self._reduce(order, allowed)
        if rests:
            self._rest(order)
        else:
            self._match(order)
            self._finish(order, tif)
        return self._end()

    def cancel(
        self, *, oid: int, user_id: int, cid: bytes = b"", request_id: int = 0, ts_ns: int = 0
    ) -> list[Event]:
        """C-1, C-2."""
        self.events, self.ts_ns = [], ts_ns
        found = self.open.get(oid)
        if oid == 0:
            entry = self.memory.get((user_id, cid))
            found = self.open.get(entry.oid) if entry and cid else None
        if found is None or found.user != user_id:
            self._emit("CANCEL_REJECTED", oid=oid, request_id=request_id, user_id=user_id,
                       reason=int(Reason.ORDER_NOT_OPEN), cid_len=len(cid), cid=cid)  # fmt: skip
        else:
            self._leave(found)
            self._cancelled(found, Reason.USER_CANCEL, request_id)
        return self._end()

    # --- what the tests look at ---------------------------------------------------------

    def resting(self, side: int) -> list[tuple[int, int, int, int, int, str]]:
        """(oid, user, px, remaining, reserved, cid), best first, in queue order."""
        return [
            (o.oid, o.user, o.px, o.remaining, o.reserved, o.cid.decode())
            for px in self._prices(side)
            for o in self.levels[side][px]
        ]

    def net(self, user_id: int) -> int:
        return self.nets.get(user_id, 0)

    def best(self) -> tuple[int, int]:
        return tuple(next(iter(self._prices(side)), 0) for side in (0, 1))  # type: ignore

    # --- the steps ----------------------------------------------------------------------

    def _refusal(self, order: Order, tif: int, flags: int, known: bool) -> tuple[Reason | int, int]:
        """M-1 to M-6: the first reason to refuse and, for a duplicate, the order that has it."""
        entry = self.memory.get((order.user, order.cid)) if order.cid else None
        if entry and self._bars(entry):
            return Reason.DUPLICATE_CLIENT_ID, entry.oid
        if not known or not self._by_the_rules(order, tif, flags):
            return Reason.ORDER_INVALID, 0
        gtc = tif == Tif.GTC
        if gtc and len(self.open) >= self.orders_max:
            return Reason.BOOK_FULL, 0
        if order.user not in self.nets and len(self.nets) >= self.users_max:
            return Reason.BOOK_FULL, 0
        if gtc and self.open_count.get(order.user, 0) >= self.open_orders_per_user_max:
            return Reason.TOO_MANY_OPEN_ORDERS, 0
        if order.reduce_only and not self._allowed(order):
            return Reason.REDUCE_ONLY_NO_POSITION, 0
        if flags & OrderFlag.POST_ONLY and self._crosses(order):
            return Reason.POST_ONLY_WOULD_CROSS, 0
        if tif == Tif.FOK and not self._can_fill(order):
            return Reason.FOK_NOT_FILLABLE, 0
        return 0, 0

    def _by_the_rules(self, order: Order, tif: int, flags: int) -> bool:
        s, px, qty = self.symbol, order.px, order.remaining
        if order.oid == 0 or order.user == 0 or order.reserved < 0:
            return False
        if not (0 < qty <= s.qty_max and qty % s.lot == 0):
            return False
        if not (0 < px <= s.px_max and px % s.tick == 0):
            return False
        if px * qty > s.notional_max:
            return False
        return not (flags & OrderFlag.POST_ONLY and tif != Tif.GTC)

    def _can_fill(self, order: Order) -> bool:
        """M-6 by force: match a copy of the order against a copy of the book, see what is left."""
        copy = ModelEngine(self.symbol)
        copy.nets = {order.user: 0, **self.nets}
        other = 1 - order.side
        for px in self._prices(other):
            if self._beyond(order, px):
                break
            copy.levels[other][px] = deque(replace(o) for o in self.levels[other][px])
            for o in copy.levels[other][px]:
                copy.open[o.oid] = o
                copy.open_count[o.user] = copy.open_count.get(o.user, 0) + 1
        trial = replace(order, remaining=min(order.remaining, self._allowed(order)))
        copy._match(trial)
        return trial.remaining == 0

    def _match(self, order: Order) -> None:
        """M-8, M-9: the oldest order at the best price, as long as it crosses."""
        other = self.levels[1 - order.side]
        while order.remaining and self._crosses(order):
            allowed_taker = self._allowed(order)
            if not allowed_taker:
                return
            maker = other[self.best()[1 - order.side]][0]
            allowed = self._allowed(maker)
            if allowed == 0:
                self._leave(maker)
                self._cancelled(maker, Reason.REDUCE_ONLY_EXCESS)
                continue
            wanted = min(order.remaining, allowed_taker, maker.remaining)
            self._fill(order, maker, min(wanted, allowed))
            if maker.remaining == 0:
                self._leave(maker)
            elif allowed < wanted:
                self._leave(maker)
                self._cancelled(maker, Reason.REDUCE_ONLY_EXCESS)

    def _fill(self, taker: Order, maker: Order, qty: int) -> None:
        notional = maker.px * qty
        sign = 1 if taker.side == Side.BUY else -1
        self.nets[taker.user] += sign * qty
        self.nets[maker.user] -= sign * qty
        taker.filled += qty
        maker.filled += qty
        taker_release = taker.give_back(taker.remaining - qty)
        maker_release = maker.give_back(maker.remaining - qty)
        self._emit(
            "FILL", taker_oid=taker.oid, maker_oid=maker.oid, px=maker.px, qty=qty,
            taker_fee=fee(notional, self.symbol.taker_fee_ppm),
            maker_fee=fee(notional, self.symbol.maker_fee_ppm),
            taker_remaining=taker.remaining, maker_remaining=maker.remaining,
            taker_release=taker_release, maker_release=maker_release,
            taker_user_id=taker.user, maker_user_id=maker.user, taker_side=taker.side,
            taker_flags=taker.flags, maker_flags=maker.flags,
        )  # fmt: skip

    def _finish(self, order: Order, tif: int) -> None:
        """M-10."""
        if order.remaining == 0:
            return
        if order.reduce_only and self._allowed(order) < order.remaining:
            self._cancelled(order, Reason.REDUCE_ONLY_EXCESS)
        elif tif == Tif.GTC:
            self._rest(order)
            self._emit("ORDER_RESTED", oid=order.oid, px=order.px, remaining=order.remaining,
                       user_id=order.user, side=order.side, flags=order.flags)  # fmt: skip
        else:
            assert tif == Tif.IOC, "INV-20: a fill-or-kill order has nothing left"
            self._cancelled(order, Reason.IOC_REMAINDER)

    def _reduce(self, order: Order, left: int) -> None:
        """M-4: cut to what reduces the position."""
        cut = order.remaining - left
        released = order.give_back(left)
        self._emit("ORDER_REDUCED", oid=order.oid, px=order.px, cancelled_qty=cut, remaining=left,
                   released=released, user_id=order.user, side=order.side,
                   flags=order.flags, reason=int(Reason.REDUCE_ONLY_EXCESS))  # fmt: skip

    def _cancelled(self, order: Order, reason: Reason, request_id: int = 0) -> None:
        self._emit("ORDER_CANCELLED", oid=order.oid, px=order.px, cancelled_qty=order.remaining,
                   filled_qty=order.filled, released=order.reserved, request_id=request_id,
                   user_id=order.user, reason=int(reason), side=order.side,
                   flags=order.flags)  # fmt: skip

    # --- the book -----------------------------------------------------------------------

    def _allowed(self, order: Order) -> int:
        """What the order may trade now: all of it, or what reduces its user's position."""
        if not order.reduce_only:
            return order.remaining
        net = self.net(order.user)
        return max(0, -net if order.side == Side.BUY else net)

    def _prices(self, side: int) -> Any:
        levels = self.levels[side]
        return reversed(levels) if side == Side.BUY else iter(levels)

    def _beyond(self, order: Order, px: int) -> bool:
        return px > order.px if order.side == Side.BUY else px < order.px

    def _crosses(self, order: Order) -> bool:
        px = self.best()[1 - order.side]
        return px != 0 and not self._beyond(order, px)

    def _rest(self, order: Order) -> None:
        self.levels[order.side].setdefault(order.px, deque()).append(order)
        self.open[order.oid] = order
        self.open_count[order.user] = self.open_count.get(order.user, 0) + 1

    def _leave(self, order: Order) -> None:
        level = self.levels[order.side][order.px]
        at = next(i for i, o in enumerate(level) if o is order)
        del level[at]
        if not level:
            del self.levels[order.side][order.px]
        del self.open[order.oid]
        self.open_count[order.user] -= 1

    # --- client ids ---------------------------------------------------------------------

    def _bars(self, entry: Remembered) -> bool:
        """D-1: a living order always, an ended one until it is older than the window."""
        return entry.oid in self.open or self.ts_ns - entry.ts_ns <= self.dedup_window_ns

    def _remember(self, order: Order) -> None:
        """D-1. A replaced entry keeps its place, empty, until it is the oldest."""
        if not order.cid:
            return
        key = (order.user, order.cid)
        if key in self.memory:
            self.memory[key].key = None
        for _ in range(4):
            if 4 * (len(self.places) + 1) <= 3 * self.dedup_orders_max:
                break
            oldest = self.places.popleft()
            if oldest.key is not None and oldest.oid in self.open:
                self.places.append(oldest)
            elif oldest.key is not None:
                del self.memory[oldest.key]
        self.memory[key] = Remembered(key, order.oid, self.ts_ns)
        self.places.append(self.memory[key])

    # --- events -------------------------------------------------------------------------

    def _emit(self, name: str, **fields: Any) -> None:
        self.events.append(
            {"type": name, "stream": self.symbol.id, "header_flags": 0, "ts_ns": self.ts_ns,
             "symbol_id": self.symbol.id, **fields}
        )  # fmt: skip

    def _end(self) -> list[Event]:
        """M-11."""
        self.events[-1]["header_flags"] = int(HeaderFlag.GROUP_END)
        return self.events
