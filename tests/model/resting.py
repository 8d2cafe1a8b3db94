"""A plain model of one market's matching, written from specs/matching.md alone.

Prices are keys of two SortedDicts, each value a dict of orders in the order they came. Nothing here
is clever; it exists to disagree with `rsx/book`. It shares with rsx the declaration of the records
and the reason numbers, nothing else. Integers have no limit here.

Answers are built in events.py, price rules are in rules.py, client ids in memory.py, waiting
triggers in triggers.py, and what the requests do in book.py.
"""

from __future__ import annotations

import copy
import heapq
from typing import Any

from model import events
from model.memory import Memory
from model.rules import Rules, ceil_div, fee
from model.triggers import Trigger, Triggers
from sortedcontainers import SortedDict

from rsx.errors import Reason
from rsx.records import Mode, OrderFlag, OrderKind, Side, Stp, Tif

NS = 1_000_000_000
BUY = int(Side.BUY)
REDUCE_ONLY, HEDGE = int(OrderFlag.REDUCE_ONLY), int(OrderFlag.HEDGE)
STATUS_FILLED, STATUS_RESTING, STATUS_CANCELLED = 0, 1, 2
EXCESS, SELF_TRADE = int(Reason.REDUCE_ONLY_EXCESS), int(Reason.SELF_TRADE)


class User:
    __slots__ = ("group", "held", "id", "plain", "reduce", "triggers")

    def __init__(self, user_id: int):
        self.id = user_id
        self.held = [0, 0]  # long and short (HL-1)
        self.group = 0  # of its newest accepted order (ST-1)
        self.plain: dict[int, Order] = {}  # resting orders, the oldest first
        self.reduce: dict[int, Order] = {}  # reduce-only ones
        self.triggers: dict[int, Trigger] = {}

    @property
    def net(self) -> int:
        return self.held[0] - self.held[1]

    def room(self, side: int) -> int:
        """What an order of this side can take off what is held."""
        return self.held[1 if side == BUY else 0]


def moved(held: list[int], side: int, flags: int, qty: int) -> list[int]:
    """HL-1: what is held after a trade of an order with these flags."""
    long, short = held
    if not flags & HEDGE:
        net = long - short + (qty if side == BUY else -qty)
        return [max(0, net), max(0, -net)]
    if side == BUY:
        return [long, short - qty] if flags & REDUCE_ONLY else [long + qty, short]
    return [long - qty, short] if flags & REDUCE_ONLY else [long, short + qty]


class Order:
    __slots__ = (
        "cid", "expire_s", "filled", "flags", "group", "kind", "living", "oid", "px", "qty",
        "reason", "reduce_only", "remaining", "reserved", "side", "status", "stp", "tif", "user",
    )  # fmt: skip

    def __init__(self, r: Any, user: User, px: int, cid: bytes):
        self.oid, self.user, self.side, self.px = r.oid, user, r.side, px
        self.group = r.owner_group  # as a taker
        self.kind, self.tif, self.flags, self.stp = r.kind, r.tif, r.flags, r.stp
        self.expire_s, self.reserved, self.cid = r.expire_s, r.reserved, cid
        self.reduce_only = bool(r.flags & REDUCE_ONLY)
        self.qty = self.remaining = r.qty
        self.filled = 0
        self.living, self.status, self.reason = True, STATUS_RESTING, 0

    def keep(self, left: int) -> int:
        """R-1: shrink to `left`; returns the margin this releases."""
        kept = ceil_div(self.reserved * left, self.remaining)
        released = self.reserved - kept
        self.reserved, self.remaining = kept, left
        return released

    def end(self, status: int, reason: int = 0) -> None:
        self.living, self.status, self.reason, self.remaining = False, status, reason, 0

    def prevents(self, maker: User) -> bool:
        """ST-1, ST-2: a taker that asks for prevention, at a maker of the same owner."""
        if not self.stp:
            return False
        return self.user is maker or (self.group == maker.group and self.group != 0)


class Book:
    """Orders, users, prices and the match; book.py adds the requests."""

    def __init__(
        self,
        symbol: Any,
        *,
        orders_max: int = 1 << 16,
        users_max: int = 1 << 16,
        open_orders_per_user_max: int = 1 << 16,
        triggers_max: int = 1 << 16,
        open_triggers_per_user_max: int = 1 << 16,
        dedup_window_s: int = 3600,
        dedup_orders_max: int | None = None,
        fired_max: int = 1024,
        careful: bool = False,
    ):
        self.symbol = symbol
        self.rules = Rules(symbol)
        self.orders_max, self.users_max = orders_max, users_max
        self.open_orders_per_user_max = open_orders_per_user_max
        self.triggers_max, self.open_triggers_per_user_max = (
            triggers_max, open_triggers_per_user_max,
        )  # fmt: skip
        self.careful = careful  # M-6 twice: counted, and tried on a copy
        self.levels: tuple[SortedDict, SortedDict] = (SortedDict(), SortedDict())
        self.open: dict[int, Order] = {}
        self.users: dict[int, User] = {}
        self.triggers = Triggers(fired_max)
        self.expiries: list[tuple[int, int, int, Any]] = []  # heap; may hold what has ended
        self.pushed = 0
        self.memory = Memory(dedup_orders_max or 4 * orders_max, dedup_window_s * NS)
        self.mode = int(Mode.OPEN)
        self.last_px = symbol.reference_px
        self.given_mark = 0  # 0: none yet
        self.out: list[bytes] = []
        self.ts_ns = 0
        self.fill_prices: list[int] = []  # of the request, first and last

    # --- prices -------------------------------------------------------------------------

    @property
    def mark_px(self) -> int:
        """PX-2."""
        return self.given_mark or self.last_px

    def price(self, source: int) -> int:
        return self.last_px if source else self.mark_px

    def best_px(self, side: int) -> int:
        levels = self.levels[side]
        return levels.peekitem(-1 if side == BUY else 0)[0] if levels else 0

    def crosses(self, side: int, px: int) -> bool:
        best = self.best_px(1 - side)
        return best != 0 and (px >= best if side == BUY else px <= best)

    def prices(self, side: int) -> Any:
        return reversed(self.levels[side]) if side == BUY else iter(self.levels[side])

    # --- resting orders -----------------------------------------------------------------

    def rest(self, order: Order) -> None:
        levels = self.levels[order.side]
        level = levels.get(order.px)
        if level is None:
            level = levels[order.px] = {}
        level[order.oid] = order
        self.open[order.oid] = order
        (order.user.reduce if order.reduce_only else order.user.plain)[order.oid] = order

    def leave(self, order: Order) -> None:
        levels = self.levels[order.side]
        level = levels[order.px]
        del level[order.oid]
        if not level:
            del levels[order.px]
        del self.open[order.oid]
        del (order.user.reduce if order.reduce_only else order.user.plain)[order.oid]

    def expires(self, thing: Any) -> None:
        if thing.expire_s:
            # The count only keeps a trigger and the order it became from being compared.
            entry = (thing.expire_s, thing.oid, self.pushed, thing)
            self.pushed += 1
            heapq.heappush(self.expiries, entry)

    # --- the match ----------------------------------------------------------------------

    def match(self, order: Order) -> None:
        """M-8 to M-10 for an order in hand."""
        levels = self.levels[1 - order.side]
        best = 0 if order.side == BUY else -1
        while order.remaining and levels:
            px, level = levels.peekitem(best)
            if px > order.px if order.side == BUY else px < order.px:
                break
            maker = next(iter(level.values()))
            if order.prevents(maker.user):
                if order.stp != Stp.NEWEST:
                    self.cancel(maker, SELF_TRADE)
                if order.stp != Stp.OLDEST:
                    self.emit_cancelled(order, SELF_TRADE, 0)
                    return
            else:
                self.fill(order, maker)
        if order.remaining == 0:
            order.end(STATUS_FILLED)
        elif order.tif == Tif.IOC:
            self.emit_cancelled(order, int(Reason.IOC_REMAINDER), 0)
        else:
            assert order.tif != Tif.FOK, "INV-20: a fill-or-kill order has nothing left"
            self.rest(order)
            self.out.append(events.ORDER_RESTED(
                self.symbol.id, self.ts_ns, oid=order.oid, px=order.px, remaining=order.remaining,
                qty=order.qty, reserved=order.reserved, user_id=order.user.id,
                symbol_id=self.symbol.id, side=order.side, flags=order.flags,
            ))  # fmt: skip

    def fill(self, taker: Order, maker: Order) -> None:
        """M-8, M-9, R-1 to R-3: one fill and the trims after it."""
        px, symbol = maker.px, self.symbol
        qty = min(taker.remaining, maker.remaining)
        notional = px * qty
        for order in (taker, maker):
            order.user.held = moved(order.user.held, order.side, order.flags, qty)
        liquidates = taker.kind == OrderKind.LIQUIDATION
        taker_ppm = symbol.liquidation_fee_ppm if liquidates else symbol.taker_fee_ppm
        taker.filled += qty
        maker.filled += qty
        taker_release, maker_release = (o.keep(o.remaining - qty) for o in (taker, maker))
        self.out.append(events.FILL(
            symbol.id, self.ts_ns, taker_oid=taker.oid, maker_oid=maker.oid, px=px, qty=qty,
            taker_fee=fee(notional, taker_ppm),
            maker_fee=fee(notional, symbol.maker_fee_ppm),
            taker_remaining=taker.remaining, maker_remaining=maker.remaining,
            taker_release=taker_release, maker_release=maker_release,
            taker_user_id=taker.user.id, maker_user_id=maker.user.id, symbol_id=symbol.id,
            taker_side=taker.side, taker_flags=taker.flags, maker_flags=maker.flags,
        ))  # fmt: skip
        self.last_px = px
        self.fill_prices = [*self.fill_prices[:1], px]
        if maker.remaining == 0:
            self.leave(maker)
            maker.end(STATUS_FILLED)
        self.trim(maker.user)
        self.trim(taker.user)

    def trim(self, user: User) -> None:
        """RO-2."""
        if not user.reduce:
            return
        for order in reversed(list(user.reduce.values())):
            room = user.room(order.side)
            if room == 0:
                self.cancel(order, EXCESS)
            elif order.remaining > room:
                self.cut(order, room)

    def can_fill(self, order: Order) -> bool:
        """M-6: count what matching would trade, with the positions that its own fills leave."""
        held: dict[int, list[int]] = {}
        need = order.remaining
        for px in self.prices(1 - order.side):
            if px > order.px if order.side == BUY else px < order.px:
                return False
            for maker in self.levels[1 - order.side][px].values():
                user, available = maker.user, maker.remaining
                own = held.get(user.id, user.held)
                if maker.reduce_only:
                    available = min(available, own[1 if maker.side == BUY else 0])
                    if available == 0:
                        continue  # trimmed away before it is met
                if order.prevents(user):
                    if order.stp == Stp.OLDEST:
                        continue
                    return False
                need -= available
                if need <= 0:
                    return True
                for who, o in ((user, maker), (order.user, order)):
                    own = held.get(who.id, who.held)
                    held[who.id] = moved(own, o.side, o.flags, available)
        return False

    def can_fill_tried(self, order: Order) -> bool:
        """M-6 by force: match on a copy of everything and look what is left."""
        world, trial = copy.deepcopy((self, order))
        trial.tif = int(Tif.IOC)
        world.match(trial)
        return trial.status == STATUS_FILLED

    # --- orders that shrink or end ------------------------------------------------------

    def cut(self, order: Order, left: int) -> None:
        """M-4, RO-2, RO-3."""
        cut = order.remaining - left
        released = order.keep(left)
        order.qty -= cut
        self.out.append(events.ORDER_REDUCED(
            self.symbol.id, self.ts_ns, oid=order.oid, px=order.px, cancelled_qty=cut,
            remaining=left, released=released, user_id=order.user.id, symbol_id=self.symbol.id,
            reason=EXCESS, side=order.side, flags=order.flags,
        ))  # fmt: skip

    def cancel(self, order: Order, reason: int, request_id: int = 0) -> None:
        """A resting order leaves and ends."""
        self.leave(order)
        self.emit_cancelled(order, reason, request_id)

    def emit_cancelled(self, order: Order, reason: int, request_id: int) -> None:
        self.out.append(events.ORDER_CANCELLED(
            self.symbol.id, self.ts_ns, oid=order.oid, px=order.px, cancelled_qty=order.remaining,
            filled_qty=order.filled, released=order.reserved, request_id=request_id,
            user_id=order.user.id, symbol_id=self.symbol.id, reason=reason, side=order.side,
            flags=order.flags,
        ))  # fmt: skip
        order.end(STATUS_CANCELLED, reason)

    def cancel_trigger(self, trigger: Trigger, reason: int, request_id: int = 0) -> None:
        """TR-7."""
        self.triggers.remove(trigger)
        del trigger.user.triggers[trigger.oid]
        trigger.end(STATUS_CANCELLED, reason)
        self.out.append(events.TRIGGER_CANCELLED(
            self.symbol.id, self.ts_ns, oid=trigger.oid, qty=trigger.qty, request_id=request_id,
            user_id=trigger.user.id, symbol_id=self.symbol.id, reason=reason, kind=trigger.kind,
            side=trigger.side, flags=trigger.flags,
        ))  # fmt: skip

    # --- what the tests look at ---------------------------------------------------------

    def resting(self, side: int) -> list[tuple[int, int, int, int, int, str]]:
        """(oid, user, px, remaining, reserved, cid), best first, in queue order."""
        return [
            (o.oid, o.user.id, o.px, o.remaining, o.reserved, o.cid.decode())
            for px in self.prices(side)
            for o in self.levels[side][px].values()
        ]

    def orders(self) -> list[tuple[Any, ...]]:
        """(oid, user, px, remaining, reserved, side, tif, flags, qty, cid, expire_s, kind, stp)."""
        return [
            (o.oid, o.user.id, o.px, o.remaining, o.reserved, o.side, o.tif, o.flags, o.qty,
             o.cid.decode(), o.expire_s, o.kind, o.stp)
            for side in (0, 1) for px in self.prices(side) for o in self.levels[side][px].values()
        ]  # fmt: skip

    def triggers_of(self, user_id: int) -> list[dict[str, Any]]:
        """Living triggers, the youngest first. state: 1 waits, 2 trails, 3 due, 4 fired."""
        names = ("oid", "side", "kind", "tif", "flags", "stp", "px", "qty", "trigger_px",
                 "trail_px", "trail_ppm", "expire_s", "extreme")  # fmt: skip
        states = {"waiting": 1, "due": 3, "fired": 4}
        user = self.users.get(user_id) or User(user_id)
        return [
            {name: getattr(t, name) for name in names}
            | {"user_id": user_id, "cid": t.cid.decode()}
            | {"state": 2 if t.active and t.state == "waiting" else states[t.state]}
            for t in reversed(user.triggers.values())
        ]

    def fired_ids(self) -> list[int]:
        """What risk has to answer, as it fired."""
        return [t.oid for t in self.triggers.fired.values() if t.living]

    def client_ids(self, oids: set[int]) -> dict[int, str]:
        found = (e for e in self.memory.places if e.key is not None)
        return {e.thing.oid: e.key[1].decode() for e in found if e.thing.oid in oids}

    def owner(self, user_id: int) -> int:
        return self.users[user_id].group if user_id in self.users else 0

    @property
    def last(self) -> int:
        return self.last_px

    @property
    def mark(self) -> int:
        return self.mark_px

    def net(self, user_id: int) -> int:
        return self.users[user_id].net if user_id in self.users else 0

    def held(self, user_id: int) -> tuple[int, int]:
        return tuple(self.users[user_id].held) if user_id in self.users else (0, 0)

    @property
    def rules_version(self) -> int:
        return self.rules.version  # type: ignore[no-any-return]

    def best(self) -> tuple[int, int]:
        return self.best_px(0), self.best_px(1)
