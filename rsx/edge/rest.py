"""The REST routes: a second codec over rsx/edge/entry.py, with the same checks and reasons.

Here: what is public, and what all routes share. Orders are in rest_orders.py, accounts in
rest_account.py, the operator's routes in rest_admin.py, bodies in forms.py.
Source: specs/wire.md section 5.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from functools import partial
from typing import TYPE_CHECKING, Any

import orjson
from aiohttp import web

from rsx.edge import codec, metrics
from rsx.edge.forms import (
    SIDE_NAMES,
    fund_body,
    integer,
    levels_body,
    mark_body,
    public_liquidation_body,
    renamed,
    reply,
    settled_body,
    symbol_row,
)
from rsx.edge.orders import Account
from rsx.edge.rest_account import AccountRoutes
from rsx.edge.rest_admin import AdminRoutes
from rsx.edge.rest_history import HistoryRoutes
from rsx.edge.rest_orders import OrderRoutes
from rsx.errors import Reason, RequestError
from rsx.records import FUND_USER_BASE

if TYPE_CHECKING:
    from rsx.edge.app import Edge

TRADES_MAX = 1000
DEPTH_MAX = 1000
FUNDS_NS = 1_000_000_000

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


class Rest:
    """Handlers of /v1, /health and /metrics. Thread: the gateway's loop."""

    def __init__(self, edge: Edge):
        self.edge = edge
        self.entry = edge.entry
        self.money_decimals = edge.money_decimals
        self.orders = OrderRoutes(self)
        self.accounts = AccountRoutes(self)
        self.markets = edge.events.notices.markets
        self.funds: tuple[int, Any] = (0, None)  # when asked, and the answer
        self.admin = AdminRoutes(self)
        self.history = HistoryRoutes(self)
        self.symbols_body = b""
        self.symbols_of = b""  # the frame M that symbols_body says the same as

    def routes(self) -> list[web.RouteDef]:
        return [
            web.get("/v1/symbols", self.get_symbols),
            web.get("/v1/book", self.get_book),
            web.get("/v1/trades", self.get_trades),
            web.get("/v1/mark", self.get_mark),
            web.get("/v1/funding", self.get_funding),
            web.get("/v1/liquidations", self.get_liquidations),
            web.get("/v1/insurance", self.get_insurance),
            *self.accounts.routes(),
            *self.orders.routes(),
            *self.admin.routes(),
            *self.history.routes(),
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

    async def get_mark(self, request: web.Request) -> web.Response:
        symbol = self.symbol(request.query.get("symbol"))
        return reply(mark_body(self.markets.marks.get(symbol.id), symbol))

    async def get_funding(self, request: web.Request) -> web.Response:
        symbol, rows = self._page(request, self.markets.settled)
        return reply({"funding": [settled_body(row, symbol) for row in rows]})

    async def get_liquidations(self, request: web.Request) -> web.Response:
        symbol, rows = self._page(request, self.markets.liquidations)
        return reply({"liquidations": [public_liquidation_body(row, symbol) for row in rows]})

    def _page(self, request: web.Request, rows: dict[int, Any]) -> tuple[Any, list[Any]]:
        symbol = self.symbol(request.query.get("symbol"))
        limit = integer(request, "limit", 50, 1, TRADES_MAX)
        before = integer(request, "before", 0, 0, (1 << 63) - 1)
        return symbol, self.markets.page(rows, symbol.id, limit, before)

    async def get_insurance(self, _request: web.Request) -> web.Response:
        """Asked of risk at most once a second, whoever asks here."""
        now_ns = self.edge.clock.now_ns()
        asked_ns, answer = self.funds
        if answer is None or now_ns - asked_ns >= FUNDS_NS:
            answer = asyncio.ensure_future(self._ask_funds())
            self.funds = (now_ns, answer)
        try:
            rows = await asyncio.shield(answer)
        except RequestError as error:
            if self.funds[1] is answer:
                self.funds = (0, None)
            raise RequestError(error.code) from None
        return reply({"funds": rows})

    async def _ask_funds(self) -> list[dict[str, Any]]:
        entry = self.entry
        asked = []
        for symbol in self.edge.symbols:
            account = entry.tracker.account(FUND_USER_BASE + symbol.id)
            asked.append(self.ask(partial(entry.look_at, account)))
        entry.asked += len(asked)
        self.collect()
        rows = []
        for symbol, answer in zip(self.edge.symbols, asked, strict=True):
            state = await answer
            if isinstance(state, RequestError):
                raise state
            rows.append(fund_body(state, symbol))
        return rows

    async def get_health(self, _request: web.Request) -> web.Response:
        health = self.edge.health_source()
        return reply(health, 200 if health.get("status") == "ok" else 503)

    async def get_metrics(self, _request: web.Request) -> web.Response:
        body = metrics.exposition(self.edge.metrics_source())
        return web.Response(body=body, headers={"Content-Type": metrics.CONTENT_TYPE})

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
