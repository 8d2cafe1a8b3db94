"""The REST routes: a second codec over rsx/edge/entry.py, with the same checks and reasons.

Here: what is public, what an account reads, and what all routes share. Orders are in
rest_orders.py, the operator's routes in rest_admin.py, bodies in forms.py.
Source: specs/wire.md section 5.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any

import orjson
from aiohttp import web

from rsx.edge import codec, metrics
from rsx.edge.answers import Settings
from rsx.edge.forms import (
    SIDE_NAMES,
    STP_NAMES,
    STPS,
    choice,
    fill_body,
    integer,
    levels_body,
    position_body,
    renamed,
    reply,
    symbol_row,
)
from rsx.edge.orders import Account
from rsx.edge.rest_admin import AdminRoutes
from rsx.edge.rest_orders import OrderRoutes
from rsx.errors import Reason, RequestError

if TYPE_CHECKING:
    from rsx.edge.app import Edge

TRADES_MAX = 1000
DEPTH_MAX = 1000
SETTINGS_KEYS = frozenset({"stp"})
DEAD_MAN_KEYS = frozenset({"timeout_ms", "symbol"})

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


class Rest:
    """Handlers of /v1, /health and /metrics. Thread: the gateway's loop."""

    def __init__(self, edge: Edge):
        self.edge = edge
        self.entry = edge.entry
        self.money_decimals = edge.money_decimals
        self.orders = OrderRoutes(self)
        self.admin = AdminRoutes(self)
        self.symbols_body = b""
        self.symbols_of = b""  # the frame M that symbols_body says the same as

    def routes(self) -> list[web.RouteDef]:
        return [
            web.get("/v1/symbols", self.get_symbols),
            web.get("/v1/book", self.get_book),
            web.get("/v1/trades", self.get_trades),
            web.get("/v1/account", self.get_account),
            web.get("/v1/account/settings", self.get_settings),
            web.post("/v1/account/settings", self.post_settings),
            web.get("/v1/positions", self.get_positions),
            web.get("/v1/fills", self.get_fills),
            web.post("/v1/deadman", self.post_dead_man),
            *self.orders.routes(),
            *self.admin.routes(),
            web.get("/health", self.get_health),
            web.get("/metrics", self.get_metrics),
        ]

    # --- public -----------------------------------------------------------------------------

    async def get_symbols(self, _request: web.Request) -> web.Response:
        if self.symbols_of is not self.edge.symbols_frame:
            self.symbols_of = self.edge.symbols_frame
            modes = self.entry.modes
            rows = [symbol_row(s, modes.get(s.id, 0)) for s in self.edge.symbols]
            body = {"money_decimals": self.money_decimals, "symbols": rows}
            self.symbols_body = orjson.dumps(body)
        return web.Response(body=self.symbols_body, content_type="application/json")

    async def get_book(self, request: web.Request) -> web.Response:
        symbol = self.symbol(request.query.get("symbol"))
        depth = integer(request, "depth", 20, 1, DEPTH_MAX)
        bids, asks, ts_ns, seq = await self.edge.ask_marketdata("book_snapshot", symbol.id, depth)
        return reply({
            "symbol": symbol.name, "bids": levels_body(bids, symbol),
            "asks": levels_body(asks, symbol), "ts_ns": ts_ns, "seq": seq,
        })  # fmt: skip

    async def get_trades(self, request: web.Request) -> web.Response:
        symbol = self.symbol(request.query.get("symbol"))
        limit = integer(request, "limit", 50, 1, TRADES_MAX)
        trades = await self.edge.ask_marketdata("recent_trades", symbol.id, limit)
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

    # --- private ----------------------------------------------------------------------------

    async def get_account(self, request: web.Request) -> web.Response:
        account = self.account(request)
        state = await self.answer(lambda done: self.entry.query_account(account, done))
        names = (
            "collateral", "equity", "unrealised", "initial_margin", "maintenance_margin",
            "frozen", "available", "realised", "fees",
        )  # fmt: skip
        body: dict[str, Any] = {"user": account.user_id}
        body |= {n: self.money(v) for n, v in zip(names, state.account, strict=True)}
        return reply(body)

    async def get_settings(self, request: web.Request) -> web.Response:
        user = self.account(request).user_id
        return reply(settings_body(user, self.entry.settings.get(user, Settings())))

    async def post_settings(self, request: web.Request) -> web.Response:
        account = self.account(request)
        body = codec.decode_object(await request.read(), SETTINGS_KEYS)
        stp = choice(body, "stp", STPS)
        settings = await self.answer(lambda done: self.entry.configure(account, None, stp, done))
        return reply(settings_body(account.user_id, settings))

    async def get_positions(self, request: web.Request) -> web.Response:
        account = self.account(request)
        state = await self.answer(lambda done: self.entry.query_account(account, done))
        symbols = self.entry.symbols
        return reply({"positions": [position_body(r, symbols[r[0]]) for r in state.positions]})

    async def get_fills(self, request: web.Request) -> web.Response:
        account = self.account(request)
        name = request.query.get("symbol")
        symbol_id = 0 if name is None else self.symbol(name).id
        limit = integer(request, "limit", 50, 1, 500)
        before = integer(request, "before", 0, 0, (1 << 63) - 1)
        fills = self.entry.fills(account, symbol_id, limit, before)
        return reply({"fills": [fill_body(fill, self.entry.symbols[fill[1]]) for fill in fills]})

    async def post_dead_man(self, request: web.Request) -> web.Response:
        account = self.account(request)
        body = codec.decode_object(await request.read(), DEAD_MAN_KEYS)
        timeout_ms, name = body.get("timeout_ms"), body.get("symbol")
        if type(timeout_ms) is not int:
            detail = "milliseconds are due, 0 = off"
            raise RequestError(Reason.INVALID_VALUE, "timeout_ms", timeout_ms, detail=detail)
        symbol_id = 0 if name is None else self.symbol(name).id
        deadline_ns = self.edge.guards.arm(account.user_id, symbol_id, timeout_ms)
        return reply({"symbol": name, "timeout_ms": timeout_ms, "deadline_ns": deadline_ns})

    # --- shared -----------------------------------------------------------------------------

    def account(self, request: web.Request) -> Account:
        """The account of the token (W-50)."""
        header = request.headers.get("Authorization")
        claims = self.edge.verifier.bearer(header, self.edge.now_s())
        return self.entry.tracker.account(claims.user)

    def symbol(self, name: Any) -> Any:
        symbol = self.edge.by_name.get(name) if type(name) is str else None
        if symbol is None:
            raise RequestError(Reason.UNKNOWN_SYMBOL, "symbol", name)
        return symbol

    def money(self, units: int) -> str:
        return codec.format_decimal(units, self.money_decimals)

    def ask(self, hand: Callable[[Callable[[Any], None]], Any]) -> asyncio.Future[Any]:
        """Hand a request over; the future gets its answer, which may be a RequestError.

        There is always one: the entry reports NO_ANSWER after its timeout (INV-22).
        Args  hand: is given what takes the answer
        """
        future: asyncio.Future[Any] = asyncio.get_running_loop().create_future()

        def done(result: Any) -> None:
            if not future.done():
                future.set_result(result)

        hand(done)
        return future

    def collect(self) -> None:
        """After handing over: the answers that are there already."""
        self.edge.collect()
        self.edge.sessions.flush()

    async def answer(
        self, hand: Callable[[Callable[[Any], None]], Any], body: dict[str, Any] | None = None
    ) -> Any:
        """Hand one request over and wait; a RequestError is raised in the client's words.

        Args  body: where the values that the client wrote stand
        """
        try:
            future = self.ask(hand)
            self.collect()
            result = await future
            if isinstance(result, RequestError):
                raise result
        except RequestError as error:
            raise renamed(error, body or {}) from None
        return result


def settings_body(user: int, settings: Settings) -> dict[str, Any]:
    return {"user": user, "stp": STP_NAMES[settings.stp], "owner_group": settings.owner_group}
