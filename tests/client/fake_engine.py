"""The fake exchange's orders: a naive book, triggers, amendments, modes. No margin, no log.

Says what it did through hooks that `fake_server.FakeExchange` fills: `tell`, `publish`, `printed`.
"""

from __future__ import annotations

import itertools
import time
from dataclasses import dataclass, field
from typing import Any

from rsx.errors import SENTENCES, Reason

OPEN, FILLED, CANCELLED, REJECTED, PENDING, WAITING = 1, 0, 2, 3, 4, 5
GTC, IOC, FOK, GTD = 0, 1, 2, 3
MARKET_KINDS = (1, 2, 4, 6)
PX_MAX, QTY_MAX, NOTIONAL_MAX = 10**8, 10**9, 5 * 10**15
BAND_PPM = 50_000


class Refused(Exception):
    """What the edge answers with `E`."""

    def __init__(self, code: Reason, name: str | None, value: Any, ref: Any):
        self.fields = [int(code), SENTENCES[code], name, value, ref]
        super().__init__(SENTENCES[code])


@dataclass
class Market:
    id: int
    name: str
    tick: int
    lot: int
    price_decimals: int = 2
    qty_decimals: int = 6
    mark: int = 5_000_000
    mode: int = 0
    tick_table: list[tuple[int, int]] = field(default_factory=list)
    notional_min: int = 0
    bids: list[Order] = field(default_factory=list)
    asks: list[Order] = field(default_factory=list)
    trades: list[dict[str, Any]] = field(default_factory=list)
    changes: list[list[int]] = field(default_factory=list)

    def levels(self, side: int, depth: int) -> list[list[int]]:
        rows: dict[int, list[int]] = {}
        for order in self.side(side):
            row = rows.setdefault(order.px, [order.px, 0, 0])
            row[1] += order.left
            row[2] += 1
        return list(rows.values())[:depth]

    def side(self, side: int) -> list[Order]:
        return self.asks if side else self.bids

    def tick_at(self, px: int) -> int:
        return [self.tick, *(tick for first, tick in self.tick_table if px >= first)][-1]


@dataclass(eq=False)
class Order:
    oid: int
    user: int
    cid: str
    market: Market
    side: int
    px: int
    qty: int
    tif: int
    reduce_only: int = 0
    post_only: int = 0
    filled: int = 0
    status: int = OPEN
    reason: int = 0
    seq: int = 0
    original: int = 0
    amended: int = 0
    kind: int = 0
    stp: int = 0
    expire_s: int = 0
    reprice: int = 0
    trigger_px: int = 0
    fired_px: int = 0
    trail_px: int = 0
    trail_ppm: int = 0
    last: int = 0
    extreme: int = 0
    guard: Any = None  # the connection that it ends with

    @property
    def left(self) -> int:
        return self.qty - self.filled

    @property
    def is_open(self) -> bool:
        return self.status in (OPEN, PENDING, WAITING)

    def fires(self, px: int) -> bool:
        """Whether a price makes the trigger due; a trailing stop's extreme moves first."""
        rising = (self.side == 0) == (self.kind in (2, 3, 6))
        level = self.trigger_px
        if self.kind == 6:
            better = min if self.side == 0 else max
            self.extreme = better(self.extreme or px, px)
            distance = self.trail_px or -(-self.extreme * self.trail_ppm // 10**6)
            level = self.extreme + (distance if self.side == 0 else -distance)
        return px >= level if rising else px <= level


class Engine:
    def __init__(self) -> None:
        self.markets = {
            1: Market(1, "BTC-PERP", tick=10, lot=100),
            2: Market(2, "ETH-PERP", tick=1, lot=1000, mark=300_000),
        }
        self.seq = 0
        self.orders: dict[int, Order] = {}
        self.fills: dict[int, list[list[Any]]] = {}
        self.stps: dict[int, int] = {}
        self.groups: dict[int, int] = {}
        self._oids = itertools.count(7_000_000_000_000)

    # --- hooks ---

    async def tell(self, user: int, key: str, fields: list[Any]) -> None:
        raise NotImplementedError

    async def answer(self, asker: Any, user: int, key: str, fields: list[Any]) -> None:
        raise NotImplementedError

    async def publish(self, market: Market) -> None:
        raise NotImplementedError

    async def printed(self, market: Market, px: int, qty: int, side: int, now: int) -> None:
        raise NotImplementedError

    # --- checks of the edge ---

    def _market(self, sym: Any, ref: Any) -> Market:
        if sym not in self.markets:
            raise Refused(Reason.UNKNOWN_SYMBOL, "sym", sym, ref)
        return self.markets[sym]

    def _check_px(self, market: Market, px: int, ref: Any, name: str = "px") -> None:
        if not 0 < px <= PX_MAX:
            raise Refused(Reason.PRICE_OUT_OF_RANGE, name, px, ref)
        if px % market.tick_at(px):
            raise Refused(Reason.PRICE_OFF_TICK, name, px, ref)

    def _check_qty(self, market: Market, qty: int, ref: Any) -> None:
        if not 0 < qty <= QTY_MAX:
            raise Refused(Reason.QTY_OUT_OF_RANGE, "qty", qty, ref)
        if qty % market.lot:
            raise Refused(Reason.QTY_OFF_LOT, "qty", qty, ref)

    def _check_terms(self, order: Order, options: dict[str, Any]) -> None:
        ref, market = order.cid, order.market
        if order.stp not in range(5):
            raise Refused(Reason.INVALID_VALUE, "stp", order.stp, ref)
        if order.stp == 4:
            order.stp = self.stps.get(order.user, 0)
        priced = order.kind not in MARKET_KINDS
        if priced:
            self._check_px(market, order.px, ref)
        elif order.px:
            code = Reason.TRIGGER_INVALID if order.kind > 1 else Reason.PRICE_OUT_OF_RANGE
            raise Refused(code, "px", order.px, ref)
        self._check_qty(market, order.qty, ref)
        if order.px * order.qty > NOTIONAL_MAX:
            raise Refused(Reason.NOTIONAL_TOO_LARGE, "qty", order.qty, ref)
        if priced and not order.reduce_only and order.px * order.qty < market.notional_min:
            raise Refused(Reason.NOTIONAL_TOO_SMALL, "qty", order.qty, ref)
        resting = order.tif in (GTC, GTD)
        if (
            (order.post_only and not (priced and resting))
            or (not priced and resting)
            or (order.reprice and not order.post_only)
        ):
            raise Refused(Reason.FLAGS_CONTRADICT, "tif", order.tif, ref)
        expire_s = order.expire_s
        if (order.tif == GTD) != bool(expire_s) or (expire_s and expire_s <= time.time()):
            raise Refused(Reason.EXPIRY_INVALID, "expire_s", expire_s or None, ref)
        if order.kind < 2:
            return
        if order.trigger_px or order.kind != 6:
            self._check_px(market, order.trigger_px, ref, "trigger_px")
        trails = [name for name in ("trail_px", "trail_ppm") if name in options]
        if len(trails) != (order.kind == 6):
            raise Refused(Reason.TRIGGER_INVALID, "trail_px", None, ref)
        most = {"trail_px": PX_MAX, "trail_ppm": 999_999}
        for name in trails:
            if not 1 <= options[name] <= most[name]:
                raise Refused(Reason.TRIGGER_INVALID, name, options[name], ref)

    # --- requests ---

    async def place(
        self, user: int, sym: int, side: int, px: int, qty: int, cid: str, tif: int | None = 0,
        reduce_only: int = 0, post_only: int = 0, options: dict[str, Any] | None = None,
        asker: Any = None, guard: Any = None,
    ) -> Order | None:  # fmt: skip
        options = options or {}
        market = self._market(sym, cid)
        kind = options.get("kind", 0)
        order = Order(
            next(self._oids), user, cid, market, side, px, qty,
            (IOC if kind else GTC) if tif is None else tif, reduce_only, post_only, kind=kind,
            stp=options.get("stp", 4), expire_s=options.get("expire_s", 0),
            reprice=options.get("reprice", 0), guard=guard,
        )  # fmt: skip
        self._check_terms(order, options)
        if await self._duplicate(order, asker):
            return order
        self.orders[order.oid] = order
        await self._enter(order)
        await self.publish(market)
        return order

    async def trigger(
        self, user: int, sym: int, kind: int, side: int, qty: int, trigger_px: int, px: int,
        cid: str, tif: int | None, reduce_only: int = 0, options: dict[str, Any] | None = None,
        asker: Any = None, guard: Any = None,
    ) -> Order | None:  # fmt: skip
        options = options or {}
        market = self._market(sym, cid)
        default = IOC if kind in MARKET_KINDS else GTC
        order = Order(
            next(self._oids), user, cid, market, side, px, qty, default if tif is None else tif,
            reduce_only, options.get("post_only", 0), kind=kind, stp=options.get("stp", 4),
            expire_s=options.get("expire_s", 0), reprice=options.get("reprice", 0),
            trigger_px=trigger_px, trail_px=options.get("trail_px", 0),
            trail_ppm=options.get("trail_ppm", 0), last=options.get("last", 0),
            status=WAITING, guard=guard,
        )  # fmt: skip
        self._check_terms(order, options)
        if await self._duplicate(order, asker):
            return order
        self.orders[order.oid] = order
        if market.mode >= 2:
            await self.end(order, REJECTED, self._mode_reason(market))
        elif order.fires(market.mark):
            await self.end(order, REJECTED, Reason.TRIGGER_WRONG_SIDE)
        else:
            await self.update(order)
        return order

    async def _duplicate(self, order: Order, asker: Any) -> bool:
        twin = next(
            (
                o for o in self.orders.values()
                if o.cid and o.cid == order.cid and o.user == order.user
                and o.market is order.market
            ),
            None,
        )  # fmt: skip
        if twin is None:
            return False
        order.original = twin.oid
        await self.end(order, REJECTED, Reason.DUPLICATE_CLIENT_ID)
        fields = self._u(twin)
        fields[10:13] = [time.time_ns(), self.seq, order.oid]
        await self.answer(asker, order.user, "DU", [*fields, *[0] * 5][:17])
        return True

    def _mode_reason(self, market: Market) -> Reason:
        return (
            Reason.NONE, Reason.POST_ONLY_MODE, Reason.CANCEL_ONLY, Reason.HALTED,
        )[market.mode]  # fmt: skip

    async def _enter(self, order: Order) -> None:
        """An order comes to the book: as new, or from a trigger that fired."""
        market = order.market
        if market.mode > 1 or (market.mode == 1 and not order.post_only):
            await self.end(order, REJECTED, self._mode_reason(market))
            return
        if order.kind in MARKET_KINDS:
            reach = market.mark * BAND_PPM // 10**6 * (1 if order.side == 0 else -1)
            order.px = (market.mark + reach) // market.tick * market.tick
        if order.post_only and self._crosses(order):
            if not order.reprice:
                await self.end(order, REJECTED, Reason.POST_ONLY_WOULD_CROSS)
                return
            best = market.side(1 - order.side)[0].px
            order.px = best - market.tick if order.side == 0 else best + market.tick
        if order.tif == FOK and self._fillable(order) < order.left:
            await self.end(order, REJECTED, Reason.FOK_NOT_FILLABLE)
            return
        await self._match(order)

    def _crosses(self, order: Order) -> bool:
        book = order.market.side(1 - order.side)
        if not book:
            return False
        return book[0].px <= order.px if order.side == 0 else book[0].px >= order.px

    def _fillable(self, order: Order) -> int:
        return sum(
            o.left for o in order.market.side(1 - order.side)
            if (o.px <= order.px if order.side == 0 else o.px >= order.px)
        )  # fmt: skip

    async def _match(self, taker: Order) -> None:
        while taker.left and self._crosses(taker):
            maker = taker.market.side(1 - taker.side)[0]
            if maker.user == taker.user and taker.stp:
                if taker.stp in (2, 3):
                    await self.cancel_order(maker, Reason.SELF_TRADE)
                if taker.stp in (1, 3):
                    await self.end(taker, CANCELLED, Reason.SELF_TRADE)
                    return
                continue
            await self._fill(taker, maker)
        if not taker.left:
            await self.end(taker, FILLED, Reason.NONE)
        elif taker.tif in (IOC, FOK):
            await self.end(taker, CANCELLED, Reason.IOC_REMAINDER)
        else:
            await self._rest(taker)

    async def _fill(self, taker: Order, maker: Order) -> None:
        market, qty = taker.market, min(taker.left, maker.left)
        self.seq += 1
        now = time.time_ns()
        for order, is_maker in ((taker, 0), (maker, 1)):
            order.filled += qty
            fee = maker.px * qty // 10_000 * (-1 if is_maker else 4)
            row = [order.oid, market.id, order.side, maker.px, qty, fee, is_maker]
            self.fills.setdefault(order.user, []).append([*row, order.cid, now, self.seq])
            await self.tell(order.user, "F", [*row, order.left, order.cid, now, self.seq])
        self._change(maker, 1, qty, maker.left)
        await self.printed(market, maker.px, qty, taker.side, now)
        if not maker.left:
            market.side(maker.side).remove(maker)
            await self.end(maker, FILLED, Reason.NONE, numbered=False)

    async def _rest(self, order: Order, change: int = 0) -> None:
        mine = order.market.side(order.side)
        mine.append(order)
        mine.sort(key=lambda o: o.px if order.side else -o.px)
        order.status = OPEN
        await self.update(order)
        self._change(order, change, order.left if change else 0, order.left)

    def _change(self, order: Order, kind: int, qty: int, remaining: int) -> None:
        order.market.changes.append(
            [kind, order.oid, order.side, order.px, qty, remaining, time.time_ns(), self.seq]
        )

    # --- what is there already ---

    def named(self, user: int, ref: int | str, sym: int | None) -> Order:
        """The open order that a request names. Raises Refused as W-11 says."""
        if sym is not None:
            self._market(sym, ref)
        mine = [
            o for o in self.orders.values()
            if o.user == user and ref in (o.oid, o.cid) and sym in (None, o.market.id)
        ]  # fmt: skip
        found = [o for o in mine if o.is_open]
        if len({o.market.id for o in found}) > 1:
            raise Refused(Reason.INVALID_VALUE, "id", ref, ref)
        if found:
            return found[0]
        if mine:
            raise Refused(Reason.ORDER_DONE, "id", ref, ref)
        code = Reason.ORDER_NOT_FOUND if sym is None else Reason.ORDER_NOT_OPEN
        raise Refused(code, "id", ref, ref)

    async def cancel(self, user: int, ref: int | str, sym: int | None = None) -> None:
        order = self.named(user, ref, sym)
        await self.cancel_order(order, Reason.USER_CANCEL)
        await self.publish(order.market)

    async def cancel_order(self, order: Order, reason: Reason) -> None:
        if order.status == OPEN:
            order.market.side(order.side).remove(order)
            self._change(order, 3, order.left, 0)
        await self.end(order, CANCELLED, reason)

    async def cancel_all(
        self, user: int, sym: int = 0, side: int = 2, scope: int = 3,
        reason: Reason = Reason.CANCEL_ALL,
    ) -> int:  # fmt: skip
        if sym:
            self._market(sym, None)
        found = [
            o for o in self.orders.values()
            if o.user == user and o.is_open and sym in (0, o.market.id) and side in (2, o.side)
            and scope & (2 if o.status == WAITING else 1)
        ]  # fmt: skip
        for order in found[::-1]:
            await self.cancel_order(order, reason)
        for market in self.markets.values():
            await self.publish(market)
        return len(found)

    async def amend(
        self, user: int, ref: int | str, px: int | None = None, qty: int | None = None,
        sym: int | None = None,
    ) -> None:  # fmt: skip
        if px is None and qty is None:
            raise Refused(Reason.NOTHING_TO_AMEND, "px", None, ref)
        order = self.named(user, ref, sym)
        market = order.market
        if px is not None:
            self._check_px(market, px, ref)
        if qty is not None:
            self._check_qty(market, qty, ref)
        if order.status == WAITING:
            raise Refused(Reason.TRIGGER_NOT_AMENDED, "id", ref, ref)
        if market.mode > 1:
            raise Refused(self._mode_reason(market), "id", ref, ref)
        px, qty = px or order.px, qty or order.qty
        left = qty - order.filled
        if left <= 0:
            await self.cancel_order(order, Reason.AMENDED_AWAY)
            await self.publish(market)
            return
        order.amended = 2 if px == order.px and left <= order.left else 1
        if order.amended == 2:
            cut = order.left - left
            order.qty = qty
            await self.update(order)
            self._change(order, 4, cut, left)
        else:
            await self._come_again(order, px, qty)
        order.amended = 0
        await self.publish(market)

    async def _come_again(self, order: Order, px: int, qty: int) -> None:
        order.market.side(order.side).remove(order)
        old = order.left
        order.px, order.qty = px, qty
        if not self._crosses(order):
            await self._rest(order, change=5)
            return
        self._change(order, 6, old, 0)
        order.status = PENDING
        await self.update(order)
        order.amended = 0
        await self._match(order)

    async def price(self, sym: int, px: int) -> None:
        """A new mark: triggers fire."""
        market = self.markets[sym]
        market.mark = px
        if market.mode:
            return  # MO-3
        waiting = [o for o in self.orders.values() if o.status == WAITING and o.market is market]
        for order in [o for o in waiting if o.fires(px)]:
            order.status, order.fired_px = PENDING, px
            await self.update(order)
            await self._enter(order)
        await self.publish(market)

    # --- updates ---

    async def end(self, order: Order, status: int, reason: Reason, numbered: bool = True) -> None:
        order.status, order.reason = status, int(reason)
        await self.update(order, numbered)

    async def update(self, order: Order, numbered: bool = True) -> None:
        self.seq += numbered
        order.seq = self.seq
        await self.tell(order.user, "U", self._u(order))

    def _u(self, order: Order) -> list[Any]:
        fields = [
            order.oid, order.status, order.filled, order.left, order.reason, order.cid,
            order.market.id, order.side, order.px, order.qty, time.time_ns(), order.seq,
        ]  # fmt: skip
        late = [order.original, order.amended, order.kind, order.trigger_px, order.fired_px]
        while late and not late[-1]:
            late.pop()
        return fields + late
