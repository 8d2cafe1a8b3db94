"""A small exchange that speaks specs/wire.md, for tests of the client.

A naive book, so that fills happen; no margin. Faults are planned with `on_frame`: a callable that
sees every private frame before the exchange does and says what becomes of it:

    None            handled as usual
    "drop"          the connection is cut before the exchange sees the frame
    "handle, drop"  the exchange does it, the answer is lost, the connection is cut
    "ignore"        nothing happens at all
"""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

import jwt
import orjson
from aiohttp import WSMsgType, web

from rsx.errors import HTTP_STATUS, SENTENCES, Reason

SECRET = "a secret of at least thirty-two bytes, for tests"
MONEY_DECIMALS = 8
OPEN, FILLED, CANCELLED, REJECTED = 1, 0, 2, 3
STATUS_NAMES = ("filled", "resting", "cancelled", "rejected")


def mint(user: int, role: str | None = None, ttl_s: int = 3600) -> str:
    now = int(time.time())
    claims = {"sub": str(user), "iat": now, "exp": now + ttl_s, "aud": "rsx", "iss": "rsx"}
    return jwt.encode(claims | ({"role": role} if role else {}), SECRET, algorithm="HS256")


@dataclass
class Market:
    id: int
    name: str
    tick: int
    lot: int
    price_decimals: int = 2
    qty_decimals: int = 6
    bids: list[Order] = field(default_factory=list)
    asks: list[Order] = field(default_factory=list)
    trades: list[dict[str, Any]] = field(default_factory=list)

    def levels(self, side: int, depth: int) -> list[list[int]]:
        rows: dict[int, list[int]] = {}
        for order in self.asks if side else self.bids:
            row = rows.setdefault(order.px, [order.px, 0, 0])
            row[1] += order.qty - order.filled
            row[2] += 1
        return list(rows.values())[:depth]


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
    reduce_only: int
    post_only: int
    filled: int = 0
    status: int = OPEN
    reason: int = 0
    seq: int = 0
    original: int = 0


@dataclass(eq=False)
class Public:
    """A public connection: channel mask and depth, last book sent and last u, per symbol."""

    ws: web.WebSocketResponse
    masks: dict[int, int] = field(default_factory=dict)
    depths: dict[int, int] = field(default_factory=dict)
    sent: dict[int, tuple[list, list]] = field(default_factory=dict)
    last: dict[tuple[int, str], int] = field(default_factory=dict)


class FakeExchange:
    def __init__(self) -> None:
        self.markets = {
            1: Market(1, "BTC-PERP", tick=10, lot=100),
            2: Market(2, "ETH-PERP", tick=1, lot=1000),
        }
        self.epoch = 1
        self.seq = 0
        self.orders: dict[int, Order] = {}
        self.fills: dict[int, list[list[Any]]] = {}
        self.balances: dict[int, int] = {}
        self.private: dict[web.WebSocketResponse, int] = {}
        self.public: list[Public] = []
        self.on_frame: Callable[[int, str, list[Any]], str | None] = lambda *_: None
        self.frames: list[tuple[int, str, list[Any]]] = []
        self.muted: set[int] = set()
        self.forgotten: set[int] = set()
        self.history_max = 1000
        self.skip_public: set[str] = set()
        self.url = ""
        self._oids = itertools.count(7_000_000_000_000)
        self._runner: web.AppRunner | None = None
        self._port = 0

    # --- life ---

    async def start(self) -> None:
        app = web.Application()
        app.add_routes(
            [
                web.get("/ws", self._ws),
                web.get("/ws/public", self._ws_public),
                web.get("/v1/symbols", self._symbols),
                web.get("/v1/book", self._book),
                web.get("/v1/trades", self._trades),
                web.get("/v1/orders", self._order),
                web.get("/v1/orders/{oid}", self._order),
                web.post("/v1/admin/deposits", self._deposit),
            ]
        )
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", self._port)
        await site.start()
        self._port = self._runner.addresses[0][1]
        self.url = f"http://127.0.0.1:{self._port}"

    async def stop(self) -> None:
        self.cut_all()
        if self._runner is not None:
            await self._runner.cleanup()
            self._runner = None

    async def restart(self) -> None:
        """As after kill -9: same state, new epoch."""
        await self.stop()
        self.epoch += 1
        await self.start()

    def cut_all(self) -> None:
        for ws in [*self.private, *(p.ws for p in self.public)]:
            self.cut(ws)

    @staticmethod
    def cut(ws: web.WebSocketResponse) -> None:
        """Cut the connection without a closing handshake."""
        transport = ws._req.transport if ws._req is not None else None
        if transport is not None:
            transport.abort()

    # --- private socket ---

    async def _ws(self, request: web.Request) -> web.StreamResponse:
        user, _ = self._user(request)
        if user is None:
            return self._error(Reason.TOKEN_INVALID)
        ws = web.WebSocketResponse()
        await ws.prepare(request)
        self.private[ws] = user
        try:
            await self._send(ws, "W", [user, self.epoch, self.seq, time.time_ns()])
            async for message in ws:
                if message.type is WSMsgType.TEXT and await self._frame(ws, user, message.data):
                    break
        except ConnectionError:
            pass
        finally:
            self.private.pop(ws, None)
        return ws

    async def _frame(self, ws: web.WebSocketResponse, user: int, text: str) -> bool:
        ((key, fields),) = orjson.loads(text).items()
        if key != "H":
            self.frames.append((user, key, fields))
        plan = self.on_frame(user, key, fields)
        if plan == "ignore":
            return False
        if plan == "drop":
            self.cut(ws)
            return True
        if plan == "handle, drop":
            self.muted.add(user)
        await self._handle(ws, user, key, fields)
        if plan == "handle, drop":
            self.muted.discard(user)
            self.cut(ws)
            return True
        return False

    async def _handle(
        self, ws: web.WebSocketResponse, user: int, key: str, fields: list[Any]
    ) -> None:
        if key == "N":
            await self.place(user, *fields)
        elif key == "C":
            await self._cancel(ws, user, fields[0])
        elif key == "O":
            await self._send(ws, "O", [_row(o) for o in self._open(user)])
        elif key == "FL":
            sym, limit, before = (*fields, 0, 50, 0)[:3] if fields else (0, 50, 0)
            rows = [r for r in self.fills.get(user, []) if sym in (0, r[1])]
            rows = [r for r in rows[-self.history_max :] if not before or r[-1] < before]
            await self._send(ws, "FL", rows[::-1][:limit])
        elif key == "A":
            cash = self.balances.get(user, 0)
            await self._send(ws, "A", [cash, cash, 0, 0, 0, 0, cash, 0, 0])
        elif key == "P":
            await self._send(ws, "P", [])
        elif key == "H":
            await self._send(ws, "H", fields)
        else:
            await self._send(ws, "E", [1004, SENTENCES[Reason.UNEXPECTED_FRAME], None, key, None])

    async def _send(self, ws: web.WebSocketResponse, key: str, fields: list[Any]) -> None:
        if self.private.get(ws) in self.muted or ws.closed:
            return
        try:
            await ws.send_str(orjson.dumps({key: fields}).decode())
        except ConnectionError:
            pass

    async def tell(self, user: int, key: str, fields: list[Any]) -> None:
        """Send a frame to every private connection of a user."""
        for ws in [ws for ws, owner in self.private.items() if owner == user]:
            await self._send(ws, key, fields)

    def _open(self, user: int) -> list[Order]:
        return [o for o in self.orders.values() if o.user == user and o.status == OPEN]

    # --- the engine ---

    async def place(
        self, user: int, sym: int, side: int, px: int, qty: int, cid: str, tif: int = 0,
        reduce_only: int = 0, post_only: int = 0,
    ) -> Order | None:  # fmt: skip
        market = self.markets.get(sym)
        if market is None or px <= 0 or px % market.tick or qty <= 0 or qty % market.lot:
            code, name, value = (
                (Reason.UNKNOWN_SYMBOL, "sym", sym) if market is None
                else (Reason.PRICE_OFF_TICK, "px", px) if px <= 0 or px % market.tick
                else (Reason.QTY_OFF_LOT, "qty", qty)
            )  # fmt: skip
            await self.tell(user, "E", [int(code), SENTENCES[code], name, value, cid])
            return None
        order = Order(
            next(self._oids), user, cid, market, side, px, qty, tif, reduce_only, post_only
        )
        twin = next(
            (
                o for o in self.orders.values()
                if o.cid == cid and o.user == user and o.market is market
            ),
            None,
        )  # fmt: skip
        book = market.bids if side else market.asks
        crosses = book and (book[0].px >= px if side else book[0].px <= px)
        if twin is not None or (post_only and crosses):
            reason = (
                Reason.DUPLICATE_CLIENT_ID if twin is not None else Reason.POST_ONLY_WOULD_CROSS
            )
            if twin is None:
                self.orders[order.oid] = order
            else:
                order.original = twin.oid
            await self._end(order, REJECTED, reason)
            return order
        self.orders[order.oid] = order
        await self._match(order, book)
        if order.filled == qty:
            await self._end(order, FILLED, Reason.NONE)
        elif tif:
            await self._end(order, CANCELLED, Reason.IOC_REMAINDER)
        else:
            mine = market.asks if side else market.bids
            mine.append(order)
            mine.sort(key=lambda o: o.px if side else -o.px)
            await self._update(order)
        await self._publish(market)
        return order

    async def _match(self, taker: Order, book: list[Order]) -> None:
        market = taker.market
        while book and taker.filled < taker.qty:
            maker = book[0]
            if maker.px > taker.px if taker.side == 0 else maker.px < taker.px:
                return
            qty = min(taker.qty - taker.filled, maker.qty - maker.filled)
            self.seq += 1
            now = time.time_ns()
            for order, is_maker in ((taker, 0), (maker, 1)):
                order.filled += qty
                fee = maker.px * qty // 10_000 * (-1 if is_maker else 4)
                left = order.qty - order.filled
                row = [order.oid, market.id, order.side, maker.px, qty, fee, is_maker]
                self.fills.setdefault(order.user, []).append([*row, order.cid, now, self.seq])
                await self.tell(order.user, "F", [*row, left, order.cid, now, self.seq])
            await self._print(market, maker.px, qty, taker.side, now)
            if maker.filled == maker.qty:
                book.pop(0)
                await self._end(maker, FILLED, Reason.NONE, numbered=False)

    async def _cancel(self, ws: web.WebSocketResponse, user: int, ref: int | str) -> None:
        for order in self._open(user):
            if ref in (order.oid, order.cid):
                book = order.market.asks if order.side else order.market.bids
                book.remove(order)
                await self._end(order, CANCELLED, Reason.USER_CANCEL)
                await self._publish(order.market)
                return
        code = Reason.ORDER_NOT_OPEN
        await self._send(ws, "E", [int(code), SENTENCES[code], "id", ref, ref])

    async def _end(self, order: Order, status: int, reason: Reason, numbered: bool = True) -> None:
        order.status, order.reason = status, int(reason)
        await self._update(order, numbered)

    async def _update(self, order: Order, numbered: bool = True) -> None:
        self.seq += numbered
        order.seq = self.seq
        left = order.qty - order.filled
        fields = [
            order.oid, order.status, order.filled, left, order.reason, order.cid, order.market.id,
            order.side, order.px, order.qty, time.time_ns(), order.seq, order.original,
        ]  # fmt: skip
        await self.tell(order.user, "U", fields)

    # --- public socket ---

    async def _ws_public(self, request: web.Request) -> web.StreamResponse:
        ws = web.WebSocketResponse()
        await ws.prepare(request)
        peer = Public(ws)
        self.public.append(peer)
        try:
            async for message in ws:
                ((key, fields),) = orjson.loads(message.data).items()
                if key == "S":
                    await self._subscribe(peer, *fields)
                elif key == "X":
                    peer.masks[fields[0]] = peer.masks.get(fields[0], 0) & ~fields[1]
                elif key == "H":
                    await self._tell(peer, "H", fields)
        except ConnectionError:
            pass
        finally:
            self.public.remove(peer)
        return ws

    async def _subscribe(self, peer: Public, sym: int, mask: int, depth: int = 20) -> None:
        if sym not in self.markets:
            await self._tell(peer, "E", [1007, "no such symbol", "sym", sym, None])
            return
        peer.masks[sym] = peer.masks.get(sym, 0) | mask
        peer.depths[sym] = depth
        for bit, name in ((1, "BBO"), (4, "T")):
            if mask & bit:
                peer.last[sym, name] = 0
        if mask & 2:
            peer.sent.pop(sym, None)
        await self._publish(self.markets[sym], [peer], force=bool(mask & 1))

    async def _publish(
        self, market: Market, peers: list[Public] | None = None, force: bool = False
    ) -> None:
        for peer in self.public if peers is None else peers:
            sym, mask = market.id, peer.masks.get(market.id, 0)
            depth = peer.depths.get(sym, 20)
            bids, asks = market.levels(0, depth), market.levels(1, depth)
            if mask & 2:
                old = peer.sent.get(sym)
                peer.sent[sym] = (bids, asks)
                if old is None:
                    await self._chain(peer, sym, "B", [sym, bids, asks, time.time_ns()])
                elif old != (bids, asks):
                    changed = [_changes(a, b) for a, b in zip(old, (bids, asks), strict=True)]
                    await self._chain(peer, sym, "D", [sym, *changed, time.time_ns()])
            if mask & 1 and (force or peers is None):
                best = [*(bids[0] if bids else [0, 0, 0]), *(asks[0] if asks else [0, 0, 0])]
                await self._chain(peer, sym, "BBO", [sym, *best, time.time_ns()])

    async def _print(self, market: Market, px: int, qty: int, side: int, now: int) -> None:
        market.trades.append(
            {
                "symbol": market.name,
                "price": _text(px, market.price_decimals),
                "qty": _text(qty, market.qty_decimals),
                "taker_side": ("buy", "sell")[side],
                "ts_ns": now,
                "seq": self.seq,
            }
        )
        for peer in self.public:
            if peer.masks.get(market.id, 0) & 4:
                await self._chain(peer, market.id, "T", [market.id, px, qty, side, now])

    async def _chain(self, peer: Public, sym: int, key: str, fields: list[Any]) -> None:
        chain = "B" if key == "D" else key
        last = peer.last.get((sym, chain), 0)
        peer.last[sym, chain] = self.seq
        if key in self.skip_public:
            self.skip_public.discard(key)
            return
        await self._tell(peer, key, [*fields, self.seq] + ([] if key == "B" else [last]))

    async def _tell(self, peer: Public, key: str, fields: list[Any]) -> None:
        try:
            await peer.ws.send_str(orjson.dumps({key: fields}).decode())
        except ConnectionError:
            pass

    # --- REST ---

    def _user(self, request: web.Request) -> tuple[int | None, str | None]:
        token = request.headers.get("Authorization", "").removeprefix("Bearer ")
        try:
            claims = jwt.decode(token, SECRET, algorithms=["HS256"], audience="rsx", issuer="rsx")
        except jwt.PyJWTError:
            return None, None
        return int(claims["sub"]), claims.get("role")

    def _error(self, code: Reason, name: str | None = None, value: Any = None) -> web.Response:
        body = {"code": int(code), "name": code.name, "message": SENTENCES[code]}
        body |= {"field": name, "value": value}
        return web.json_response({"error": body}, status=HTTP_STATUS.get(code, 400))

    async def _symbols(self, request: web.Request) -> web.Response:
        rows = [
            {
                "id": m.id, "name": m.name, "tick": _text(m.tick, m.price_decimals),
                "lot": _text(m.lot, m.qty_decimals), "price_decimals": m.price_decimals,
                "qty_decimals": m.qty_decimals, "max_price": "1000000", "max_qty": "1000",
                "max_notional": "50000000", "maker_fee": "-0.00005", "taker_fee": "0.0004",
                "initial_margin": "0.05", "maintenance_margin": "0.025",
            }
            for m in self.markets.values()
        ]  # fmt: skip
        return web.json_response({"money_decimals": MONEY_DECIMALS, "symbols": rows})

    async def _book(self, request: web.Request) -> web.Response:
        market = next((m for m in self.markets.values() if m.name == request.query["symbol"]), None)
        if market is None:
            return self._error(Reason.UNKNOWN_SYMBOL, "symbol", request.query["symbol"])
        sides = [
            [
                [_text(px, market.price_decimals), _text(qty, market.qty_decimals), count]
                for px, qty, count in market.levels(side, int(request.query.get("depth", 20)))
            ]
            for side in (0, 1)
        ]
        body = {"symbol": market.name, "bids": sides[0], "asks": sides[1]}
        return web.json_response(body | {"ts_ns": time.time_ns(), "seq": self.seq})

    async def _trades(self, request: web.Request) -> web.Response:
        market = next(m for m in self.markets.values() if m.name == request.query["symbol"])
        limit = int(request.query.get("limit", 50))
        return web.json_response({"trades": market.trades[-1000:][::-1][:limit]})

    async def _order(self, request: web.Request) -> web.Response:
        user, _ = self._user(request)
        if user is None:
            return self._error(Reason.TOKEN_INVALID)
        mine = [o for o in self.orders.values() if o.user == user and o.oid not in self.forgotten]
        if "oid" in request.match_info:
            found = [o for o in mine if o.oid == int(request.match_info["oid"])]
        else:
            found = [
                o for o in mine
                if o.cid == request.query.get("cid")
                and request.query.get("symbol") in (None, o.market.name)
            ]  # fmt: skip
        return web.json_response(_rest(found[-1])) if found else self._error(Reason.NOT_FOUND)

    async def _deposit(self, request: web.Request) -> web.Response:
        user, role = self._user(request)
        if user is None:
            return self._error(Reason.TOKEN_INVALID)
        if role != "admin":
            return self._error(Reason.FORBIDDEN)
        body = await request.json()
        amount = int(Decimal(body["amount"]).scaleb(MONEY_DECIMALS))
        if amount <= 0:
            return self._error(Reason.AMOUNT_INVALID, "amount", body["amount"])
        self.balances[body["user"]] = self.balances.get(body["user"], 0) + amount
        self.seq += 1
        return web.json_response({**body, "seq": self.seq})


def _text(units: int, decimals: int) -> str:
    return f"{Decimal(units).scaleb(-decimals):f}"


def _row(o: Order) -> list[Any]:
    return [o.oid, o.cid, o.market.id, o.side, o.px, o.qty, o.filled, o.status, o.tif,
            o.reduce_only, o.post_only, time.time_ns()]  # fmt: skip


def _rest(o: Order) -> dict[str, Any]:
    m = o.market
    return {
        "oid": o.oid, "cid": o.cid, "symbol": m.name, "side": ("buy", "sell")[o.side],
        "price": _text(o.px, m.price_decimals), "qty": _text(o.qty, m.qty_decimals),
        "filled": _text(o.filled, m.qty_decimals),
        "remaining": _text(o.qty - o.filled, m.qty_decimals), "status": STATUS_NAMES[o.status],
        "reason": Reason(o.reason).name if o.reason else None, "tif": ("GTC", "IOC", "FOK")[o.tif],
        "post_only": bool(o.post_only), "reduce_only": bool(o.reduce_only), "ts_ns": 1,
        "seq": o.seq,
    }  # fmt: skip


def _changes(old: list[list[int]], new: list[list[int]]) -> list[list[int]]:
    """Levels inside the new window that differ, and zeros for those that vanished from it."""
    before = {row[0]: row for row in old}
    after = {row[0]: row for row in new}
    rows = [row for px, row in after.items() if before.get(px) != row]
    return rows + [[px, 0, 0] for px in before if px not in after]
