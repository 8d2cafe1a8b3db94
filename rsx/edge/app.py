"""The edge as one object, and the HTTP server in front of it.

`Edge` owns everything between the sockets and the rings: entry, sessions, tokens, routes. The
gateway tile gives it `collect` and feeds it with released records. Source: specs/wire.md.
"""

from __future__ import annotations

import asyncio
import logging
import os
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from types import MappingProxyType
from typing import Any

from aiohttp import web
from aiohttp.http_exceptions import HttpProcessingError

from rsx.core.clock import Clock
from rsx.core.ring import Ring
from rsx.edge import codec, handoff
from rsx.edge.answers import Settings
from rsx.edge.auth import Verifier
from rsx.edge.entry import OrderEntry
from rsx.edge.events import NO_CLIENT_IDS, Events
from rsx.edge.forms import error_reply
from rsx.edge.guards import Guards
from rsx.edge.metrics import Row
from rsx.edge.orders import Order, OrderIds
from rsx.edge.pushes import Pushes
from rsx.edge.rest import Rest
from rsx.edge.sessions import Sessions
from rsx.edge.ws import private_socket
from rsx.errors import Reason, RequestError, StartError
from rsx.records import OrderFlag
from rsx.rules import SymbolConfig
from rsx.tiles.gateway import Gateway

BACKLOG = 1024
SHUTDOWN_S = 3.0  # above the time that a session waits for its client's close

_log = logging.getLogger("rsx.edge")
_http_log = logging.getLogger("rsx.edge.http")


def _is_ours(record: logging.LogRecord) -> bool:
    """Whether a failure is the server's: bytes that are no HTTP are answered 400, and no news."""
    return not (record.exc_info and isinstance(record.exc_info[1], HttpProcessingError))


_http_log.addFilter(_is_ours)


class LogPosition:
    """The newest log number released to the gateway, and the log's epoch."""

    __slots__ = ("epoch", "seq")

    def __init__(self) -> None:
        self.epoch = 0
        self.seq = 0


NO_SETTINGS: Mapping[int, tuple[int, int]] = MappingProxyType({})


def _healthy() -> dict[str, Any]:
    return {"status": "ok"}


class Edge:
    """See the module. Thread: the gateway's loop, after construction."""

    def __init__(
        self, config: Any, symbols: Iterable[Any], secret: bytes, clock: Clock,
        gateway_risk: Sequence[Ring],
    ):  # fmt: skip
        self.config = config
        self.symbols = tuple(symbols)
        self.by_name = {s.name: s for s in self.symbols}
        first = self.symbols[0]
        self.money_decimals = first.price_decimals + first.qty_decimals
        self.clock = clock
        self.log = LogPosition()
        self.entry = OrderEntry(config.edge, self.symbols, clock, gateway_risk, config.shards)
        self.events = Events(self.entry, self.log)
        self.sessions = Sessions(config.edge)
        self.guards = Guards(self.entry)
        self.pushes = Pushes(self.entry, config.edge.account_push_ms * 1_000_000)
        self.events.requests.announce = self._announce
        self.events.requests.touch = self.pushes.touch
        self.events.requests.ruled = self._on_rules
        self.batch_max = config.edge.batch_max
        self.message_bytes_max = codec.message_bytes_max(self.batch_max)
        self.verifier = Verifier(secret)
        self.symbols_frame = codec.encode_symbols(self.symbols)
        self.collect: Callable[[], None] = lambda: None
        self.health_source: Callable[[], dict[str, Any]] = _healthy
        self.metrics_source: Callable[[], Iterable[Row]] = self.metrics
        self.marketdata: Any = None
        self.archive: Any = None
        self.replica: Any = None
        self.refusals: Counter[int] = Counter()
        self.runner: web.AppRunner | None = None
        self.address: tuple[str, int] | None = None

    def now_s(self) -> int:
        return self.clock.now_ns() // 1_000_000_000

    def count_refusal(self, code: Reason) -> None:
        self.refusals[int(code)] += 1

    def load(
        self, open_orders: Iterable[Any] = (), recent_fills: Iterable[Any] = (),
        next_oid_floor: int = 0, epoch: int = 0, seq: int = 0,
        client_ids: Mapping[int, str] = NO_CLIENT_IDS, modes: Mapping[int, int] = codec.NO_MODES,
        settings: Mapping[int, tuple[int, int]] = NO_SETTINGS, recent: Iterable[Any] = (),
    ) -> None:  # fmt: skip
        """Take recovered state, before the start.

        Args  open_orders, recent_fills, client_ids: see Events.load; next_oid_floor: every new
              order id is above it; epoch, seq: of the log, seq being the last one applied; modes:
              trading mode by symbol id, open where there is none; settings: (owner group, default
              of self-trade prevention) by user, of accounts that ever had any set; recent: views
              of recent records for the histories, oldest first (Notices.load)

        Orders placed under cancel on disconnect are cancelled: their connection is gone (W-72).
        """
        self.events.load(open_orders, recent_fills, client_ids)
        self.events.notices.load(recent)
        self.entry.ids = OrderIds(0, next_oid_floor)
        self.entry.modes.update(modes)
        self.entry.settings.update((user, Settings(*row)) for user, row in settings.items())
        self.symbols_frame = codec.encode_symbols(self.symbols, self.entry.modes)
        self.guards.owe([
            order for order in self.entry.tracker.orders.values()
            if order.flags & OrderFlag.ON_DISCONNECT
        ])  # fmt: skip
        self.log.epoch = epoch
        self.log.seq = seq

    def _on_rules(self, rules: SymbolConfig, ts_ns: int, seq: int) -> None:
        """Other rules of a market hold from here on (SY-4)."""
        self.symbols = tuple(rules if s.id == rules.id else s for s in self.symbols)
        self.by_name[rules.name] = rules
        row = codec.symbol_row(rules, self.entry.modes.get(rules.id, 0))
        self._announce("SC", [row, ts_ns, seq])

    def _announce(self, key: str, fields: list[Any]) -> None:
        """A change for all: of a trading mode, or of rules."""
        self.symbols_frame = codec.encode_symbols(self.symbols, self.entry.modes)
        self.sessions.announce(key, fields)

    # --- market data --------------------------------------------------------------------------

    async def ask_marketdata(self, method: str, *args: int) -> Any:
        """Ask the marketdata tile on its own loop; nothing is shared between the threads."""
        tile = self.marketdata
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
        try:
            async with asyncio.timeout(self.entry.timeout_ns / 1e9):
                return await future
        except TimeoutError:
            raise RequestError(Reason.NO_ANSWER) from None

    async def queue_place(self, order: Order) -> tuple[int, int, int, int, int]:
        """Price, quantity and orders ahead, level quantity, log number, of a resting order.

        Raises  RequestError ORDER_NOT_OPEN, ORDER_DONE when it does not rest any more
        """
        order.account.pending += 1
        try:
            user = order.account.user_id
            place = await self.ask_marketdata("queue_ahead", order.symbol_id, order.oid, user)
        finally:
            order.account.pending -= 1
        if place is None:
            code = Reason.ORDER_NOT_OPEN if order.is_live else Reason.ORDER_DONE
            raise RequestError(code, "id", order.oid, order.oid)
        px, ahead, orders, _, level, _, seq = place
        return px, ahead, orders, level, seq

    # --- server -----------------------------------------------------------------------------

    def application(self) -> web.Application:
        app = web.Application(client_max_size=self.message_bytes_max)
        routes = [
            *Rest(self).routes(),
            web.get("/ws", self._private),
            web.get("/ws/public", self._public),
        ]
        app.add_routes([
            web.RouteDef(route.method, route.path, self._guarded(route.handler), route.kwargs)
            for route in routes
        ])  # fmt: skip
        app.router.add_route("*", "/{path:.*}", self._guarded(self._nowhere))
        return app

    async def serve(self) -> None:
        """Listen; `address` then says where.

        Raises  StartError when the address cannot be had
        """
        server = self.config.server
        self.runner = web.AppRunner(
            self.application(), access_log=None, handle_signals=False,
            shutdown_timeout=SHUTDOWN_S, logger=_http_log,
        )  # fmt: skip
        await self.runner.setup()
        site = web.TCPSite(self.runner, server.host, server.port, backlog=BACKLOG)
        try:
            await site.start()
        except OSError as error:
            await self.runner.cleanup()
            self.runner = None
            text = os.strerror(error.errno) if error.errno else str(error)
            raise StartError(
                f"cannot listen on {server.host}:{server.port}: {text} (choose another --port)"
            ) from None
        host, port = self.runner.addresses[0][:2]
        self.address = (host, port)

    async def close(self) -> None:
        """Stop listening, close sessions with 1001, end REST requests with STOPPING."""
        self.entry.stop()
        self.sessions.stop()
        if self.runner is not None:
            await self.runner.cleanup()
            self.runner = None

    async def _private(self, request: web.Request) -> web.StreamResponse:
        return await private_socket(request, self)

    async def _public(self, request: web.Request) -> web.StreamResponse:
        """Public sockets live on the marketdata tile's loop: hand the connection over."""
        tile = self.marketdata
        if tile is None:
            raise RequestError(Reason.OVERLOADED, detail="no market data is served here")
        left, head = handoff.release(request)
        try:
            tile.loop.call_soon_threadsafe(tile.adopt, left, head)
        except RuntimeError:  # that loop has stopped
            left.close()
        return handoff.HandedOff()

    async def _nowhere(self, request: web.Request) -> web.StreamResponse:
        """No route takes this path with this method."""
        methods: set[str] = set()
        for resource in list(request.app.router.resources())[:-1]:
            methods |= (await resource.resolve(request))[1]
        if not methods:
            raise RequestError(Reason.NOT_FOUND, "path", request.path)
        allowed = ", ".join(sorted(methods))
        detail = f"{allowed} is due"
        response = self._refused(
            RequestError(Reason.INVALID_VALUE, "method", request.method, detail=detail)
        )
        response.set_status(405)
        response.headers["Allow"] = allowed
        return response

    def _guarded(self, handler: Any) -> Any:
        """Every refusal in the one form of errors; a failure of ours is logged and said.

        No middleware: aiohttp keeps those in a cache of the process, and with them the exchange.
        """

        async def guarded(request: web.Request) -> web.StreamResponse:
            try:
                return await handler(request)
            except RequestError as error:
                return self._refused(error)
            except web.HTTPRequestEntityTooLarge:
                detail = f"at most {self.message_bytes_max} bytes"
                return self._refused(RequestError(Reason.FRAME_TOO_LARGE, "body", detail=detail))
            except (asyncio.CancelledError, ConnectionResetError):
                raise
            except Exception:
                _log.exception("%s %s failed", request.method, request.path)
                return self._refused(RequestError(Reason.INTERNAL))

        return guarded

    def _refused(self, error: RequestError) -> Any:
        self.count_refusal(error.code)
        return error_reply(error)

    # --- numbers ----------------------------------------------------------------------------

    def metrics(self) -> list[Row]:
        """Rows of the edge for /metrics."""
        entry, sessions, guards = self.entry, self.sessions, self.guards
        rows: list[Row] = [
            ("rsx_gateway_orders", "counter", "Orders handed to risk", {}, entry.orders_total),
            ("rsx_gateway_triggers", "counter", "Triggers handed to risk", {},
             entry.triggers_total),
            ("rsx_gateway_amends", "counter", "Amendments handed to risk", {}, entry.amends_total),
            ("rsx_gateway_cancels", "counter", "Cancels handed to risk", {}, entry.cancels_total),
            ("rsx_gateway_cancel_alls", "counter", "Cancel-alls handed to risk", {},
             entry.cancel_alls_total),
            ("rsx_gateway_settings", "counter", "Changes of settings and modes handed over", {},
             entry.settings_total),
            ("rsx_gateway_disconnect_cancels", "counter", "Cancels for ended connections", {},
             guards.disconnect_cancels_total),
            ("rsx_gateway_disconnect_owed", "gauge", "Such cancels not handed over yet", {},
             len(guards.owed)),
            ("rsx_gateway_dead_man_armed", "gauge", "Dead-man timers running", {},
             len(guards.timers)),
            ("rsx_gateway_dead_man_fired", "counter", "Dead-man timers that ran out", {},
             guards.dead_man_total),
            ("rsx_gateway_queries", "counter", "Account queries", {}, entry.queries_total),
            ("rsx_gateway_deposits", "counter", "Deposits handed over", {}, entry.deposits_total),
            ("rsx_gateway_withdrawals", "counter", "Withdrawals handed over", {},
             entry.withdrawals_total),
            ("rsx_gateway_margin_transfers", "counter", "Margin transfers handed over", {},
             entry.transfers_total),
            ("rsx_gateway_account_pushes", "counter", "Account queries for pushes and funds", {},
             entry.pushes_total),
            ("rsx_gateway_margin_calls", "counter", "Margin calls told", {},
             self.events.notices.margin_calls_total),
            ("rsx_gateway_timeouts", "counter", "Requests unanswered", {}, entry.timeouts_total),
            ("rsx_gateway_overloads", "counter", "Times the ring to risk was full", {},
             entry.overloads_total),
            ("rsx_gateway_pending", "gauge", "Orders and requests without an answer", {},
             len(entry.unanswered) + len(entry.requests)),
            ("rsx_gateway_orders_tracked", "gauge", "Orders kept, ended ones included", {},
             len(entry.tracker.orders)),
            ("rsx_gateway_sessions", "gauge", "Private connections", {}, len(sessions.live)),
            ("rsx_gateway_sessions_opened", "counter", "Private connections opened", {},
             sessions.opened_total),
            ("rsx_gateway_sessions_slow", "counter", "Closed for reading too slowly", {},
             sessions.slow_total),
            ("rsx_gateway_sessions_idle", "counter", "Closed for silence", {},
             sessions.idle_total),
            ("rsx_gateway_sessions_expired", "counter", "Closed with their token", {},
             sessions.expired_total),
            ("rsx_gateway_fills", "counter", "Fills released here", {}, self.events.fills_total),
            ("rsx_gateway_seq", "gauge", "Newest log number released here", {}, self.log.seq),
        ]  # fmt: skip
        text = "Requests refused, by reason"
        for code, count in sorted(self.refusals.items()):
            labels = {"reason": Reason(code).name}
            rows.append(("rsx_gateway_refusals", "counter", text, labels, count))
        return rows


def make_gateway(
    config: Any, symbols: Iterable[Any], secret: bytes, clock: Clock, gateway_risk: Sequence[Ring],
    risk_gateway: Sequence[Ring], wal_gateway: Ring,
) -> Gateway:  # fmt: skip
    """The gateway tile with its edge.

    Args  config: rsx.config.Config; secret: of auth.load_secret; clock: the gateway's own;
          gateway_risk, risk_gateway: a ring for each risk tile
    """
    edge = Edge(config, symbols, secret, clock, gateway_risk)
    poll_ns = config.tiles.reply_poll_us * 1000
    return Gateway(edge, clock, risk_gateway, wal_gateway, poll_ns)
