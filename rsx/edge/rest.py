"""The REST routes: decimal strings and names outside, integers inside.

A second codec over rsx/edge/entry.py, with the same checks and the same reasons; only the names
of fields differ, and the value echoed is the one that the client wrote. Source: specs/wire.md
section 5.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any

import orjson
from aiohttp import web

from rsx.edge import codec, metrics
from rsx.edge.orders import REJECTED, STATUS_NAMES, Account, Fill, Order
from rsx.errors import Reason, RequestError
from rsx.records import OrderFlag, Tif

if TYPE_CHECKING:
    from rsx.edge.app import Edge

PPM_DECIMALS = 6
TRADES_MAX = 1000
DEPTH_MAX = 1000
SIDES = {"buy": 0, "sell": 1}
SIDE_NAMES = ("buy", "sell")
TIFS = {tif.name: int(tif) for tif in Tif}
TIF_NAMES = tuple(TIFS)
# What the inner interface calls a field, and what REST calls it.
REST_FIELDS = {"sym": "symbol", "px": "price", "id": "oid"}
ORDER_KEYS = frozenset({"symbol", "side", "price", "qty", "tif", "post_only", "reduce_only", "cid"})
DEPOSIT_KEYS = frozenset({"user", "amount"})

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


def reply(body: Any, status: int = 200) -> web.Response:
    return web.Response(body=orjson.dumps(body), status=status, content_type="application/json")


def error_reply(error: RequestError) -> web.Response:
    """The one form of every error."""
    body = {
        "code": int(error.code), "name": error.code.name, "message": error.message,
        "field": error.field, "value": codec.echo(error.value),
    }  # fmt: skip
    return reply({"error": body}, error.http_status)


class Rest:
    """Handlers of /v1, /health and /metrics. Thread: the gateway's loop."""

    def __init__(self, edge: Edge):
        self.edge = edge
        self.entry = edge.entry
        self.loop: asyncio.AbstractEventLoop | None = None
        self.money_decimals = edge.money_decimals
        self.symbols_body = orjson.dumps({
            "money_decimals": self.money_decimals,
            "symbols": [_symbol_row(s) for s in edge.symbols],
        })  # fmt: skip

    def routes(self) -> list[web.RouteDef]:
        return [
            web.get("/v1/symbols", self.get_symbols),
            web.get("/v1/book", self.get_book),
            web.get("/v1/trades", self.get_trades),
            web.get("/v1/account", self.get_account),
            web.get("/v1/positions", self.get_positions),
            web.get("/v1/orders", self.get_orders),
            web.get("/v1/orders/{oid}", self.get_order),
            web.post("/v1/orders", self.post_order),
            web.delete("/v1/orders", self.delete_order),
            web.delete("/v1/orders/{oid}", self.delete_order),
            web.get("/v1/fills", self.get_fills),
            web.post("/v1/admin/deposits", self.post_deposit),
            web.get("/health", self.get_health),
            web.get("/metrics", self.get_metrics),
        ]

    # --- public -----------------------------------------------------------------------------

    async def get_symbols(self, _request: web.Request) -> web.Response:
        return web.Response(body=self.symbols_body, content_type="application/json")

    async def get_book(self, request: web.Request) -> web.Response:
        symbol = self._symbol(request.query.get("symbol"))
        depth = _integer(request, "depth", 20, 1, DEPTH_MAX)
        bids, asks, ts_ns, seq = await self._marketdata("book_snapshot", symbol.id, depth)
        return reply({
            "symbol": symbol.name, "bids": _levels(bids, symbol), "asks": _levels(asks, symbol),
            "ts_ns": ts_ns, "seq": seq,
        })  # fmt: skip

    async def get_trades(self, request: web.Request) -> web.Response:
        symbol = self._symbol(request.query.get("symbol"))
        limit = _integer(request, "limit", 50, 1, TRADES_MAX)
        trades = await self._marketdata("recent_trades", symbol.id, limit)
        rows = [
            {
                "symbol": symbol.name, "price": codec.format_decimal(px, symbol.price_decimals),
                "qty": codec.format_decimal(qty, symbol.qty_decimals),
                "taker_side": SIDE_NAMES[side], "ts_ns": ts_ns, "seq": seq,
            }
            for _, px, qty, side, ts_ns, seq in trades
        ]  # fmt: skip
        return reply({"trades": rows})

    async def get_health(self, _request: web.Request) -> web.Response:
        health = self.edge.health_source()
        return reply(health, 200 if health.get("status") == "ok" else 503)

    async def get_metrics(self, _request: web.Request) -> web.Response:
        body = metrics.exposition(self.edge.metrics_source())
        return web.Response(body=body, headers={"Content-Type": metrics.CONTENT_TYPE})

    # --- private: reading -------------------------------------------------------------------

    async def get_account(self, request: web.Request) -> web.Response:
        account = self._account(request)
        state = await self._answer(lambda done: self.entry.query_account(account, done))
        names = (
            "collateral", "equity", "unrealised", "initial_margin", "maintenance_margin",
            "frozen", "available", "realised", "fees",
        )  # fmt: skip
        body: dict[str, Any] = {"user": account.user_id}
        body |= {n: self._money(v) for n, v in zip(names, state.account, strict=True)}
        return reply(body)

    async def get_positions(self, request: web.Request) -> web.Response:
        account = self._account(request)
        state = await self._answer(lambda done: self.entry.query_account(account, done))
        return reply({"positions": [self._position(row) for row in state.positions]})

    async def get_orders(self, request: web.Request) -> web.Response:
        account = self._account(request)
        cid = request.query.get("cid")
        if cid is None:
            rows = [self._order(order) for order in self.entry.open_orders(account)]
            return reply({"orders": rows})
        name = request.query.get("symbol")
        symbol_id = None if name is None else self._symbol(name).id
        return reply(self._order(self.entry.order_by_cid(account, cid, symbol_id)))

    async def get_order(self, request: web.Request) -> web.Response:
        account = self._account(request)
        try:
            return reply(self._order(self.entry.order(account, _oid(request))))
        except RequestError as error:
            raise _renamed(error, {}) from None

    async def get_fills(self, request: web.Request) -> web.Response:
        account = self._account(request)
        name = request.query.get("symbol")
        symbol_id = 0 if name is None else self._symbol(name).id
        limit = _integer(request, "limit", 50, 1, 500)
        before = _integer(request, "before", 0, 0, (1 << 63) - 1)
        fills = self.entry.fills(account, symbol_id, limit, before)
        return reply({"fills": [self._fill(fill) for fill in fills]})

    # --- private: acting --------------------------------------------------------------------

    async def post_order(self, request: web.Request) -> web.Response:
        account = self._account(request)
        body = codec.decode_object(await request.read(), ORDER_KEYS)
        symbol = self._symbol(body.get("symbol"))
        side = _choice(body, "side", SIDES)
        px = codec.parse_decimal(
            body.get("price"), symbol.price_decimals, "price", Reason.PRICE_OFF_TICK
        )
        qty = codec.parse_decimal(body.get("qty"), symbol.qty_decimals, "qty", Reason.QTY_OFF_LOT)
        tif = _choice(body, "tif", TIFS, "GTC")
        flags = int(OrderFlag.POST_ONLY) if _boolean(body, "post_only") else 0
        if _boolean(body, "reduce_only"):
            flags |= int(OrderFlag.REDUCE_ONLY)
        cid = body.get("cid")
        if cid is not None and (type(cid) is not str or not cid):
            raise RequestError(Reason.CLIENT_ID_INVALID, "cid", cid)
        try:
            order = await self._answer(lambda done: self.entry.place(
                account, symbol.id, side, px, qty, cid or "", tif, flags, on_first=done
            ))  # fmt: skip
        except RequestError as error:
            raise _renamed(error, body) from None
        if order.status == REJECTED:
            return self._rejection(order)
        return reply(self._order(order))

    async def delete_order(self, request: web.Request) -> web.Response:
        account = self._account(request)
        oid, cid, symbol_id = 0, "", None
        if "oid" in request.match_info:
            oid = _oid(request)
        elif not (cid := request.query.get("cid", "")):
            raise RequestError(Reason.INVALID_VALUE, "cid", None, detail="name an order")
        if (name := request.query.get("symbol")) is not None:
            symbol_id = self._symbol(name).id
        try:
            order = await self._answer(
                lambda done: self.entry.cancel(account, oid, cid, symbol_id, done)
            )
        except RequestError as error:
            raise _renamed(error, {}) from None
        return reply(self._order(order))

    async def post_deposit(self, request: web.Request) -> web.Response:
        claims = self.edge.verifier.bearer(request.headers.get("Authorization"), self.edge.now_s())
        if claims.role != "admin":
            raise RequestError(Reason.FORBIDDEN, "role", claims.role)
        body = codec.decode_object(await request.read(), DEPOSIT_KEYS)
        user = body.get("user")
        if type(user) is not int or not 1 <= user < 1 << 32:
            detail = "a user id from 1 to 2^32-1 is due"
            raise RequestError(Reason.INVALID_VALUE, "user", user, detail=detail)
        amount = codec.parse_decimal(
            body.get("amount"), self.money_decimals, "amount", Reason.INVALID_VALUE
        )
        try:
            seq, amount = await self._answer(lambda done: self.entry.deposit(user, amount, done))
        except RequestError as error:
            raise _renamed(error, body) from None
        return reply({"user": user, "amount": self._money(amount), "seq": seq})

    # --- helpers ----------------------------------------------------------------------------

    def _account(self, request: web.Request) -> Account:
        """The account of the token (W-50)."""
        header = request.headers.get("Authorization")
        claims = self.edge.verifier.bearer(header, self.edge.now_s())
        return self.entry.tracker.account(claims.user)

    def _symbol(self, name: Any) -> Any:
        symbol = self.edge.by_name.get(name) if type(name) is str else None
        if symbol is None:
            raise RequestError(Reason.UNKNOWN_SYMBOL, "symbol", name)
        return symbol

    async def _answer(self, ask: Callable[[Callable[[Any], None]], Any]) -> Any:
        """Hand a request over and wait for its answer; a RequestError is raised.

        There is always one: the entry reports NO_ANSWER after its timeout (INV-22).
        """
        future: asyncio.Future[Any] = asyncio.get_running_loop().create_future()

        def done(result: Any) -> None:
            if not future.done():
                future.set_result(result)

        ask(done)
        self.edge.collect()
        self.edge.sessions.flush()
        result = await future
        if isinstance(result, RequestError):
            raise result
        return result

    async def _marketdata(self, method: str, *args: int) -> Any:
        """Ask the marketdata tile on its own loop; nothing is shared between the threads."""
        tile = self.edge.marketdata
        if tile is None:
            raise RequestError(Reason.OVERLOADED, detail="no market data is served here")
        loop = asyncio.get_running_loop()
        future: asyncio.Future[Any] = loop.create_future()

        def settle(value: Any, error: Exception | None) -> None:
            if not future.done():
                if error is None:
                    future.set_result(value)
                else:
                    future.set_exception(error)

        def call() -> None:
            try:
                value, error = getattr(tile, method)(*args), None
            except Exception as failure:
                value, error = None, failure
            loop.call_soon_threadsafe(settle, value, error)

        try:
            tile.loop.call_soon_threadsafe(call)
        except RuntimeError:
            raise RequestError(Reason.STOPPING) from None
        async with asyncio.timeout(self.entry.timeout_ns / 1e9):
            return await future

    def _money(self, units: int) -> str:
        return codec.format_decimal(units, self.money_decimals)

    def _order(self, order: Order) -> dict[str, Any]:
        symbol = self.entry.symbols[order.symbol_id]
        quantity = symbol.qty_decimals
        body = {
            "oid": order.oid, "cid": order.cid or None, "symbol": symbol.name,
            "side": SIDE_NAMES[order.side],
            "price": codec.format_decimal(order.px, symbol.price_decimals),
            "qty": codec.format_decimal(order.qty, quantity),
            "filled": codec.format_decimal(order.filled, quantity),
            "remaining": codec.format_decimal(order.remaining, quantity),
            "status": STATUS_NAMES[order.status],
            "reason": Reason(order.reason).name if order.reason else None,
            "tif": TIF_NAMES[order.tif],
            "post_only": bool(order.flags & OrderFlag.POST_ONLY),
            "reduce_only": bool(order.flags & OrderFlag.REDUCE_ONLY),
            "ts_ns": order.ts_ns, "seq": order.seq,
        }  # fmt: skip
        if order.original_oid:
            body["original_oid"] = order.original_oid
        return body

    def _rejection(self, order: Order) -> web.Response:
        """400 with the reason, and with the order, which has an id and may name the original."""
        error = RequestError(Reason(order.reason), ref=order.oid)
        response = {
            "error": {
                "code": order.reason, "name": error.code.name, "message": error.message,
                "field": None, "value": None,
            },
            "order": self._order(order),
        }  # fmt: skip
        return reply(response, 400)

    def _fill(self, fill: Fill) -> dict[str, Any]:
        oid, symbol_id, side, px, qty, fee, maker, cid, ts_ns, seq = fill
        symbol = self.entry.symbols[symbol_id]
        return {
            "oid": oid, "cid": cid or None, "symbol": symbol.name, "side": SIDE_NAMES[side],
            "price": codec.format_decimal(px, symbol.price_decimals),
            "qty": codec.format_decimal(qty, symbol.qty_decimals),
            "fee": self._money(fee), "maker": bool(maker), "ts_ns": ts_ns, "seq": seq,
        }  # fmt: skip

    def _position(self, row: list[int]) -> dict[str, Any]:
        symbol_id, net, entry, mark, unrealised, realised, initial, maintenance = row
        symbol = self.entry.symbols[symbol_id]
        return {
            "symbol": symbol.name,
            "net_qty": codec.format_decimal(net, symbol.qty_decimals),
            "entry_price": codec.format_decimal(entry, symbol.price_decimals),
            "mark_price": codec.format_decimal(mark, symbol.price_decimals),
            "unrealised": self._money(unrealised), "realised": self._money(realised),
            "initial_margin": self._money(initial),
            "maintenance_margin": self._money(maintenance),
        }  # fmt: skip


def _symbol_row(s: Any) -> dict[str, Any]:
    money = s.price_decimals + s.qty_decimals
    return {
        "id": s.id, "name": s.name,
        "tick": codec.format_decimal(s.tick, s.price_decimals),
        "lot": codec.format_decimal(s.lot, s.qty_decimals),
        "price_decimals": s.price_decimals, "qty_decimals": s.qty_decimals,
        "max_price": codec.format_decimal(s.px_max, s.price_decimals),
        "max_qty": codec.format_decimal(s.qty_max, s.qty_decimals),
        "max_notional": codec.format_decimal(s.notional_max, money),
        "maker_fee": codec.format_decimal(s.maker_fee_ppm, PPM_DECIMALS),
        "taker_fee": codec.format_decimal(s.taker_fee_ppm, PPM_DECIMALS),
        "initial_margin": codec.format_decimal(s.initial_margin_ppm, PPM_DECIMALS),
        "maintenance_margin": codec.format_decimal(s.maintenance_margin_ppm, PPM_DECIMALS),
    }  # fmt: skip


def _levels(levels: Any, symbol: Any) -> list[list[Any]]:
    return [
        [
            codec.format_decimal(px, symbol.price_decimals),
            codec.format_decimal(qty, symbol.qty_decimals),
            count,
        ]
        for px, qty, count in levels
    ]


def _renamed(error: RequestError, body: dict[str, Any]) -> RequestError:
    """An error of the inner interface in the client's words."""
    if error.field is not None:
        error.field = REST_FIELDS.get(error.field, error.field)
        error.value = body.get(error.field, error.value)
    return error


def _digits(text: str, field: str, low: int, high: int) -> int:
    if text.isascii() and text.isdigit() and len(text) <= 20 and low <= int(text) <= high:
        return int(text)
    raise RequestError(
        Reason.INVALID_VALUE, field, text, detail=f"an integer from {low} to {high} is due"
    )


def _integer(request: web.Request, name: str, default: int, low: int, high: int) -> int:
    text = request.query.get(name)
    return default if text is None else _digits(text, name, low, high)


def _oid(request: web.Request) -> int:
    return _digits(request.match_info["oid"], "oid", 1, codec.OID_LIMIT - 1)


def _choice(
    body: dict[str, Any], name: str, choices: dict[str, int], default: str | None = None
) -> int:
    value = body.get(name, default)
    if type(value) is str and value in choices:
        return choices[value]
    detail = f"one of {', '.join(choices)} is due"
    raise RequestError(Reason.INVALID_VALUE, name, value, detail=detail)


def _boolean(body: dict[str, Any], name: str) -> bool:
    value = body.get(name, False)
    if type(value) is not bool:
        raise RequestError(Reason.INVALID_VALUE, name, value, detail="true or false is due")
    return value
