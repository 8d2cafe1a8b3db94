"""A small exchange that speaks specs/wire.md, for tests of the client.

Its orders are in fake_engine.py. Faults are planned with `on_frame`: a callable that sees every
private frame before the exchange does and says what becomes of it:

    None            handled as usual
    "drop"          the connection is cut before the exchange sees the frame
    "handle, drop"  the exchange does it, the answer is lost, the connection is cut
    "ignore"        nothing happens at all
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

import jwt
import orjson
from aiohttp import WSMsgType, web
from client.fake_engine import (
    CANCELLED,
    FILLED,
    OPEN,
    REJECTED,
    Engine,
    Market,
    Order,
    Refused,
)

from rsx.client.models import KINDS, MODES, STPS, TIFS
from rsx.errors import HTTP_STATUS, SENTENCES, Reason

SECRET = "a secret of at least thirty-two bytes, for tests"
MONEY_DECIMALS = 8
BATCH_MAX = 25
SNAPSHOT_PART = 3  # orders in a part of an LS
STATUS_NAMES = ("filled", "resting", "cancelled", "rejected", "pending", "waiting")


__all__ = ["CANCELLED", "FILLED", "OPEN", "REJECTED", "FakeExchange", "Market", "mint"]


def mint(user: int, role: str | None = None, ttl_s: int = 3600) -> str:
    now = int(time.time())
    claims = {"sub": str(user), "iat": now, "exp": now + ttl_s, "aud": "rsx", "iss": "rsx"}
    return jwt.encode(claims | ({"role": role} if role else {}), SECRET, algorithm="HS256")


@dataclass(eq=False)
class Public:
    """A public connection: channel mask and depth, last book sent and last u, per symbol."""

    ws: web.WebSocketResponse
    masks: dict[int, int] = field(default_factory=dict)
    depths: dict[int, int] = field(default_factory=dict)
    sent: dict[int, tuple[list, list]] = field(default_factory=dict)
    last: dict[tuple[int, str], int] = field(default_factory=dict)


class FakeExchange(Engine):
    def __init__(self) -> None:
        super().__init__()
        self.epoch = 1
        self.balances: dict[int, int] = {}
        self.private: dict[web.WebSocketResponse, int] = {}
        self.public: list[Public] = []
        self.on_frame: Callable[[int, str, list[Any]], str | None] = lambda *_: None
        self.frames: list[tuple[int, str, list[Any]]] = []
        self.muted: set[int] = set()
        self.forgotten: set[int] = set()
        self.guarded: set[web.WebSocketResponse] = set()
        self.timers: dict[tuple[int, int], int] = {}
        self.history_max = 1000
        self.skip_public: set[str] = set()
        self.url = ""
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
                web.post("/v1/admin/mode", self._admin_mode),
                web.post("/v1/admin/accounts", self._admin_account),
                web.post("/v1/admin/cancel", self._admin_cancel),
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
        """As after kill -9: same state, new epoch, no dead-man timers."""
        await self.stop()
        self.epoch += 1
        self.timers.clear()
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
            self.guarded.discard(ws)
            for order in [o for o in self.orders.values() if o.guard is ws and o.is_open]:
                await self.cancel_order(order, Reason.DISCONNECTED)
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
        if key in ("BN", "BC", "BR"):
            if not 1 <= len(fields) <= BATCH_MAX:
                code = Reason.BATCH_TOO_LARGE
                await self._send(ws, "E", [int(code), SENTENCES[code], None, len(fields), None])
                return
            for index, item in enumerate(fields):
                await self._trade(ws, user, key[1], item, index)
        elif key in ("N", "TN", "C", "R", "CA", "Q"):
            await self._trade(ws, user, key, fields)
        elif key == "BYE":
            for order in self.orders.values():
                order.guard = None if order.guard is ws else order.guard
            await ws.close(code=1000)
        else:
            await self._ask(ws, user, key, fields)

    async def _trade(
        self, ws: web.WebSocketResponse, user: int, key: str, fields: list[Any],
        index: int | None = None,
    ) -> None:  # fmt: skip
        """A request about orders, alone or of a batch; a refusal is answered with `E`."""
        guard = ws if ws in self.guarded else None
        try:
            if key == "N":
                await self.place(user, *fields, asker=ws, guard=guard)
            elif key == "TN":
                await self.trigger(user, *fields, asker=ws, guard=guard)
            elif key == "C":
                await self.cancel(user, *fields)
            elif key == "R":
                await self.amend(user, *fields)
            elif key == "CA":
                count = await self.cancel_all(user, *fields)
                await self._send(ws, "CA", [fields[0] if fields else 0, count])
            else:
                await self._send(ws, "Q", self._queue(user, *fields))
        except Refused as refused:
            place = [] if index is None else [index]
            await self._send(ws, "E", [*refused.fields, *place])

    def _queue(self, user: int, ref: int | str, sym: int | None = None) -> list[Any]:
        order = self.named(user, ref, sym)
        if order.status != OPEN:
            raise Refused(Reason.ORDER_NOT_OPEN, "id", ref, ref)
        level = [o for o in order.market.side(order.side) if o.px == order.px]
        ahead = level[: level.index(order)]
        return [
            order.oid, order.market.id, order.px, sum(o.left for o in ahead), len(ahead),
            sum(o.left for o in level), self.seq,
        ]  # fmt: skip

    async def _ask(self, ws: web.WebSocketResponse, user: int, key: str, fields: list[Any]) -> None:
        if key == "O":
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
        elif key == "CD":
            (self.guarded.add if fields[0] else self.guarded.discard)(ws)
            await self._send(ws, "CD", [int(bool(fields[0]))])
        elif key == "DM":
            timeout_ms, sym = (*fields, 0)[:2]
            self.timers[user, sym] = timeout_ms
            deadline = time.time_ns() + timeout_ms * 10**6 if timeout_ms else 0
            await self._send(ws, "DM", [sym, timeout_ms, deadline, 0])
        elif key == "AS":
            before = self._settings(user)
            if fields and fields[0] is not None:
                self.stps[user] = fields[0]
            if self._settings(user) == before:
                await self._send(ws, "AS", before)
            else:
                await self.tell(user, "AS", self._settings(user))
        else:
            await self._send(ws, "E", [1004, SENTENCES[Reason.UNEXPECTED_FRAME], None, key, None])

    def _settings(self, user: int) -> list[int]:
        return [self.stps.get(user, 0), self.groups.get(user, 0)]

    async def run_out(self, user: int, sym: int = 0) -> None:
        """The dead-man timer runs out."""
        timeout_ms = self.timers.pop((user, sym))
        await self.cancel_all(user, sym, reason=Reason.DEAD_MAN)
        await self.tell(user, "DM", [sym, timeout_ms, 0, 1])

    async def set_mode(self, sym: int, mode: int) -> int:
        """Change a trading mode and tell everyone; returns the one before."""
        market = self.markets[sym]
        before, market.mode = market.mode, mode
        self.seq += 1
        fields = [sym, mode, time.time_ns(), self.seq]
        for ws in list(self.private):
            await self._send(ws, "MO", fields)
        for peer in self.public:
            if peer.masks.get(sym):
                await self._tell(peer, "MO", fields)
        return before

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

    async def answer(self, asker: Any, user: int, key: str, fields: list[Any]) -> None:
        if asker is None:
            await self.tell(user, key, fields)
        else:
            await self._send(asker, key, fields)

    def _open(self, user: int) -> list[Order]:
        return [o for o in self.orders.values() if o.user == user and o.is_open]

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
        market = self.markets[sym]
        await self._tell(peer, "MO", [sym, market.mode, time.time_ns(), 0])
        for bit, name in ((1, "BBO"), (4, "T"), (8, "L")):
            if mask & bit:
                peer.last[sym, name] = 0
        if mask & 2:
            peer.sent.pop(sym, None)
        if mask & 8:
            await self.snapshot(peer, market)
        await self.publish(market, [peer], force=bool(mask & 1))

    async def snapshot(self, peer: Public, market: Market) -> None:
        """All resting orders in parts; part 0 has none (W-26)."""
        rows = [[o.oid, o.side, o.px, o.left] for side in (0, 1) for o in market.side(side)]
        parts = [rows[at : at + SNAPSHOT_PART] for at in range(0, len(rows), SNAPSHOT_PART)]
        for number, part in enumerate([[], *parts]):
            last = int(number == len(parts))
            await self._chain(peer, market.id, "LS", [market.id, number, last, part, 1])

    async def publish(
        self, market: Market, peers: list[Public] | None = None, force: bool = False
    ) -> None:
        changes, market.changes = market.changes, []
        for peer in self.public if changes else ():
            if peer.masks.get(market.id, 0) & 8:
                await self._chain(peer, market.id, "L", [market.id, changes])
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

    async def printed(self, market: Market, px: int, qty: int, side: int, now: int) -> None:
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
        chain = {"D": "B", "LS": "L"}.get(key, key)
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
                "min_notional": _text(m.notional_min, MONEY_DECIMALS), "price_band": "0",
                "market_band": "0.05", "mode": MODES[m.mode],
                "tick_table": [
                    [_text(px, m.price_decimals), _text(tick, m.price_decimals)]
                    for px, tick in m.tick_table
                ],
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

    async def _admin(self, request: web.Request) -> dict[str, Any] | web.Response:
        """The body of an admin's request, or what refuses it."""
        user, role = self._user(request)
        if user is None:
            return self._error(Reason.TOKEN_INVALID)
        if role != "admin":
            return self._error(Reason.FORBIDDEN)
        return await request.json()

    async def _admin_mode(self, request: web.Request) -> web.Response:
        body = await self._admin(request)
        if isinstance(body, web.Response):
            return body
        market = next((m for m in self.markets.values() if m.name == body["symbol"]), None)
        if market is None:
            return self._error(Reason.UNKNOWN_SYMBOL, "symbol", body["symbol"])
        before = await self.set_mode(market.id, MODES.index(body["mode"]))
        return web.json_response({**body, "previous": MODES[before], "seq": self.seq})

    async def _admin_account(self, request: web.Request) -> web.Response:
        body = await self._admin(request)
        if isinstance(body, web.Response):
            return body
        user = body["user"]
        if "stp" in body:
            self.stps[user] = STPS.index(body["stp"])
        if "owner_group" in body:
            self.groups[user] = body["owner_group"]
        stp, group = self._settings(user)
        await self.tell(user, "AS", [stp, group])
        answer = {"user": user, "owner_group": group, "stp": STPS[stp], "seq": self.seq}
        return web.json_response(answer)

    async def _admin_cancel(self, request: web.Request) -> web.Response:
        body = await self._admin(request)
        if isinstance(body, web.Response):
            return body
        named = [m.id for m in self.markets.values() if m.name == body["symbol"]]
        if body["symbol"] is not None and not named:
            return self._error(Reason.UNKNOWN_SYMBOL, "symbol", body["symbol"])
        sym = named[0] if named else 0
        count = await self.cancel_all(body["user"], sym, reason=Reason.ADMIN_CANCEL)
        return web.json_response({"user": body["user"], "cancelled": count})

    async def _deposit(self, request: web.Request) -> web.Response:
        body = await self._admin(request)
        if isinstance(body, web.Response):
            return body
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
            o.reduce_only, o.post_only, time.time_ns(), o.left, o.kind, o.stp, o.expire_s,
            o.trigger_px, o.fired_px, o.trail_px, o.trail_ppm, o.last, o.reprice,
            int(o.guard is not None)]  # fmt: skip


def _rest(o: Order) -> dict[str, Any]:
    m = o.market
    body: dict[str, Any] = {
        "oid": o.oid, "cid": o.cid, "symbol": m.name, "side": ("buy", "sell")[o.side],
        "price": _text(o.px, m.price_decimals), "qty": _text(o.qty, m.qty_decimals),
        "filled": _text(o.filled, m.qty_decimals), "remaining": _text(o.left, m.qty_decimals),
        "status": STATUS_NAMES[o.status], "reason": Reason(o.reason).name if o.reason else None,
        "tif": TIFS[o.tif], "post_only": bool(o.post_only), "reduce_only": bool(o.reduce_only),
        "ts_ns": 1, "seq": o.seq, "type": KINDS[o.kind], "stp": STPS[o.stp],
        "expire_s": o.expire_s or None,
    }  # fmt: skip
    if o.kind > 1:
        body |= {
            "trigger_price": _text(o.trigger_px, m.price_decimals) if o.trigger_px else None,
            "trigger_on": "last" if o.last else "mark",
            "trail": _text(o.trail_px, m.price_decimals) if o.trail_px else None,
            "trail_ppm": o.trail_ppm or None,
            "fired_price": _text(o.fired_px, m.price_decimals) if o.fired_px else None,
        }
    return body


def _changes(old: list[list[int]], new: list[list[int]]) -> list[list[int]]:
    """Levels inside the new window that differ, and zeros for those that vanished from it."""
    before = {row[0]: row for row in old}
    after = {row[0]: row for row in new}
    rows = [row for px, row in after.items() if before.get(px) != row]
    return rows + [[px, 0, 0] for px in before if px not in after]
