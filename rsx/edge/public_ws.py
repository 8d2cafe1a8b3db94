"""The public WebSocket: connections, control frames, heartbeats, slow and idle readers.

    gateway --socket--> adopt --> PublicEdge --S, X, M, H--> Feeds (public_feed.py)
                                     ^  publish, sweep           | bytes of whole frames
                                     |                           v
                              marketdata tile                 Client --> transport

Writes go straight to the transport: a public frame is neither masked nor compressed, so its bytes
are ready when they are made, shared by all who get them, and `write` neither waits nor copies more
than once. What a client holds is bounded because its backlog is looked at before each write.
Thread: the marketdata tile's loop. Source: specs/marketdata.md sections 5 and 6; specs/wire.md.
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Iterable, Sequence
from typing import Any

from aiohttp import WSMsgType, web

from rsx.config import Config, SymbolConfig
from rsx.core.clock import Clock
from rsx.edge import handoff
from rsx.edge.codec import (
    FRAME_BYTES_MAX,
    PUBLIC_FRAMES,
    Fields,
    decode_frame,
    decode_heartbeat,
    encode,
    encode_error,
    encode_symbols,
    symbol_row,
)
from rsx.edge.market_rows import (
    MarkRow,
    SettledRow,
    funding_frame,
    interest_frame,
    liquidation_row,
    mark_frame,
    mark_row,
    settled_row,
)
from rsx.edge.public_feed import (
    ALL,
    DEPTH_DEFAULT,
    DEPTH_MAX,
    FUNDING,
    INTEREST,
    MARK,
    ORDERS,
    RULES,
    Feeds,
    Reader,
    Shadow,
    Trade,
)
from rsx.edge.public_frames import text_frame
from rsx.errors import Reason, RequestError
from rsx.records import (
    FUNDING_SETTLED,
    LIQUIDATION_STEP,
    MARK_PRICE,
    POSITION_TRANSFERRED,
    View,
)
from rsx.rules import RULE_RECORDS, from_records

PATH = "/ws/public"
NS_PER_MS = 1_000_000
NS_PER_S = 1_000_000_000

# How long a client may take to answer a close frame before the connection is aborted (MD-44).
CLOSE_S = 5

# How long the stopping exchange waits for clients to answer its close frame.
STOP_S = 2

CLOSE_STOPPING = 1001
CLOSE_SLOW = 4008
CLOSE_IDLE = 4009
CLOSE_CROWDED = 4429

PING_FRAME = b"\x89\x00"
PONG_HEAD = 0x8A


class Client(Reader):
    """One public connection."""

    def __init__(self, socket: web.WebSocketResponse, transport: Any, bound: int, now_ns: int):
        super().__init__()
        self.socket = socket
        self.transport = transport
        self.bound = bound
        self.heard_ns = now_ns  # last sign of life
        self.beat_ns = now_ns  # last heartbeat sent
        self.over_ns = 0  # over its bound since; 0 = it is not
        self.resumed: asyncio.Future[None] | None = None  # its handler waits to be under again
        self.ends = asyncio.Timeout(None)  # around its conversation; `end` lets it run out
        self.farewell: tuple[int, bytes] | None = None  # code and reason of the close to send

    def over(self, now_ns: int) -> bool:
        if self.transport.get_write_buffer_size() <= self.bound:
            self.over_ns = 0
            return False
        if not self.over_ns:
            self.over_ns = now_ns
        return True

    def write(self, data: bytes) -> None:
        if not (self.farewell or self.socket.closed or self.transport.is_closing()):
            self.transport.write(data)

    def resume(self) -> None:
        """Let the handler read on."""
        if self.resumed is not None and not self.resumed.done():
            self.resumed.set_result(None)

    def end(self, code: int, reason: bytes) -> None:
        """Have the handler close the connection; nothing more is written to it."""
        self.farewell = code, reason
        self.ends.reschedule(0)


class PublicEdge:
    """All public connections and their subscriptions.

    Args  config: `edge` section; shadow: the books
    """

    def __init__(
        self, config: Config, symbols: Sequence[SymbolConfig], clock: Clock, shadow: Shadow
    ):
        edge = config.edge
        self.feeds = Feeds([symbol.id for symbol in symbols], shadow)
        self.clients: set[Client] = set()
        self.server: web.Server | None = None
        self._clock = clock
        self._clients_max = edge.connections_max
        self._bound = edge.public_backlog_bytes
        self._slow_ns = edge.slow_reader_ms * NS_PER_MS
        self._beat_ns = edge.heartbeat_s * NS_PER_S
        self._idle_ns = edge.idle_s * NS_PER_S
        self._channels = ALL if edge.l3 else ALL & ~ORDERS
        self._symbols = tuple(symbols)
        self._rules: list[View] = []  # of the group that is coming
        self._marks: dict[int, MarkRow] = {}
        self._settled: dict[int, SettledRow] = {}
        self._shadow = shadow
        self._modes: dict[int, int] = {}
        self._symbols_made = b""
        self._loop: asyncio.AbstractEventLoop | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        self._stopping = False
        self._closed_slow = 0
        self._closed_idle = 0
        self._refused = 0
        self._lost = 0

    # --- for the tile -------------------------------------------------------------------

    def start(self, loop: asyncio.AbstractEventLoop) -> None:
        """Be ready to adopt; on the loop."""
        self._loop = loop
        self.server = web.Server(self._handle, access_log=None)

    def adopt(self, sock: socket.socket, head: bytes) -> None:
        """Take a socket over from the gateway, with the bytes it has read from it (MD-50)."""
        if self.server is None or self._stopping:
            sock.close()
            return
        task = asyncio.ensure_future(self._adopt(sock, head))
        self._tasks.add(task)  # the loop itself keeps only weak references
        task.add_done_callback(self._tasks.discard)

    async def _adopt(self, sock: socket.socket, head: bytes) -> None:
        assert self._loop is not None
        try:
            await handoff.adopt(self._loop, self.server, sock, head)
        except OSError:
            self._lost += 1  # the client left on the way from one loop to the other

    def note(self, changed: Iterable[int], trades: Iterable[Trade]) -> None:
        self.feeds.note(changed, trades)

    def tell(self, views: Iterable[View]) -> None:
        """Take over records that the public is told of, in the order of the log (MD-90)."""
        for view in views:
            if view.record in RULE_RECORDS:
                self._on_rules(view)
            elif view.record is MARK_PRICE:
                mark = self._marks[view.symbol_id] = mark_row(view)
                self.feeds.state(mark.symbol_id, MARK, mark_frame(mark), mark.seq)
                self.feeds.state(mark.symbol_id, INTEREST, interest_frame(mark), mark.open_interest)
                self._tell_funding(mark.symbol_id)
            elif view.record is FUNDING_SETTLED:
                self._settled[view.symbol_id] = settled_row(view)
                self._tell_funding(view.symbol_id)
            elif view.record in (LIQUIDATION_STEP, POSITION_TRANSFERRED):
                row = liquidation_row(view)
                if row is not None:
                    self.feeds.liquidation(row)

    def _tell_funding(self, symbol_id: int) -> None:
        fields = funding_frame(self._marks.get(symbol_id), self._settled.get(symbol_id))
        self.feeds.state(symbol_id, FUNDING, fields, fields[1:-2])

    def _on_rules(self, view: View) -> None:
        """One of the four records of a market's rules; they hold with the last (MD-93)."""
        if view.record is RULE_RECORDS[0]:
            self._rules.clear()
        self._rules.append(view)
        if view.record is not RULE_RECORDS[-1] or len(self._rules) < len(RULE_RECORDS):
            return
        rules = from_records(self._rules)
        if any(s.id == rules.id and s.version == rules.version for s in self._symbols):
            return  # a start writes down what this was built with
        self._symbols = tuple(rules if s.id == rules.id else s for s in self._symbols)
        self._symbols_made = b""
        row = symbol_row(rules, self._shadow.mode(rules.id)[0])
        self.feeds.state(rules.id, RULES, [row, view.ts_ns, view.seq], view.seq)

    def publish(self, now_ns: int) -> int:
        return self.feeds.publish(now_ns)

    @property
    def next_due_ns(self) -> int:
        return self.feeds.next_due_ns

    def sweep(self, now_ns: int) -> None:
        """Heartbeats, recovery of readers that are under again, closing; every 100 ms."""
        for client in list(self.clients):
            over = client.over(now_ns)
            if over and now_ns - client.over_ns >= self._slow_ns:
                self._closed_slow += 1
                self._cut(client, CLOSE_SLOW, b"SLOW_READER")
            elif now_ns - client.heard_ns >= self._idle_ns:
                self._closed_idle += 1
                self._cut(client, CLOSE_IDLE, b"IDLE")
            elif not over:
                if now_ns - client.beat_ns >= self._beat_ns:
                    client.beat_ns = now_ns
                    client.write(self._heartbeat(now_ns) + PING_FRAME)
                if client.held:
                    self.feeds.recover(client, now_ns)
                client.resume()

    async def close(self) -> None:
        """Tell everyone, then close; takes at most about STOP_S."""
        self._stopping = True
        for client in list(self.clients):
            self._cut(client, CLOSE_STOPPING, b"STOPPING")
        if self.server is not None:
            await self.server.shutdown(timeout=STOP_S)

    def counters(self) -> dict[str, int]:
        feeds = {f"public_{name}": value for name, value in self.feeds.stats.items()}
        return feeds | {
            "public_connections": len(self.clients),
            "public_l3_readers": self.feeds.order_readers,
            "public_closed_slow": self._closed_slow,
            "public_closed_idle": self._closed_idle,
            "public_refused": self._refused,
            "public_lost": self._lost,
        }

    # --- one connection -----------------------------------------------------------------

    async def _handle(self, request: web.BaseRequest) -> web.StreamResponse:
        if request.path != PATH:
            return web.Response(status=404, text="not found\n")
        ws = web.WebSocketResponse(
            timeout=CLOSE_S, autoping=False, compress=False, decode_text=False,
            max_msg_size=FRAME_BYTES_MAX + 1,
        )  # fmt: skip
        await ws.prepare(request)
        client = Client(ws, request.transport, self._bound, self._clock.now_ns())
        if len(self.clients) >= self._clients_max or self._stopping:
            self._refused += 1
            client.write(error_frame(RequestError(Reason.TOO_MANY_CONNECTIONS)))
            await self._say_goodbye(client, CLOSE_CROWDED, b"TOO_MANY_CONNECTIONS")
            return ws
        self.clients.add(client)
        try:
            async with client.ends:
                await self._converse(client)
        except TimeoutError:
            if client.farewell is not None:
                await self._say_goodbye(client, *client.farewell)
        finally:
            self._forget(client)
        return ws

    async def _converse(self, client: Client) -> None:
        """Answer control frames until the connection ends."""
        while True:
            message = await client.socket.receive()
            client.heard_ns = self._clock.now_ns()
            kind = message.type
            if kind is WSMsgType.TEXT:
                self._control(client, message.data)
            elif kind is WSMsgType.BINARY:
                client.write(error_frame(RequestError(Reason.BINARY_FRAME)))
            elif kind is WSMsgType.PING:
                client.write(bytes((PONG_HEAD, len(message.data))) + message.data)
            elif kind is not WSMsgType.PONG:
                return
            # receive() does not yield while frames are queued; others have their turn here (MD-53).
            await asyncio.sleep(0)
            while client.over(self._clock.now_ns()) and client.farewell is None:
                client.resumed = asyncio.get_running_loop().create_future()
                await client.resumed

    def _control(self, client: Client, data: bytes) -> None:
        now_ns = self._clock.now_ns()
        try:
            key, fields = decode_frame(data, PUBLIC_FRAMES)
            if key == "S":
                symbol_id, mask, depth = decode_subscribe(fields, self._channels)
                self.feeds.subscribe(client, symbol_id, mask, depth, now_ns)
            elif key == "X":
                symbol_id, mask = decode_unsubscribe(fields)
                self.feeds.unsubscribe(client, symbol_id, mask)
            elif key == "M":
                client.write(self._symbols_frame())
            else:
                decode_heartbeat(fields)
                client.write(self._heartbeat(now_ns))
        except RequestError as error:
            client.write(error_frame(error))

    def _symbols_frame(self) -> bytes:
        """M with the current modes; encoded anew when one has changed."""
        modes = {symbol.id: self._shadow.mode(symbol.id)[0] for symbol in self._symbols}
        if modes != self._modes or not self._symbols_made:
            self._modes = modes
            self._symbols_made = text_frame(encode_symbols(self._symbols, modes))
        return self._symbols_made

    def _heartbeat(self, now_ns: int) -> bytes:
        return text_frame(encode("H", [now_ns // NS_PER_MS]))

    # --- the end of one -----------------------------------------------------------------

    def _cut(self, client: Client, code: int, reason: bytes) -> None:
        """Close a connection from this side."""
        self._forget(client)
        client.end(code, reason)

    async def _say_goodbye(self, client: Client, code: int, reason: bytes) -> None:
        # The handler itself closes: with nobody else reading, aiohttp waits for the client's close
        # frame. Closing sends what is unsent first, which a client that does not read would put
        # off for ever; aborting a connection that is gone does nothing.
        asyncio.get_running_loop().call_later(CLOSE_S, client.transport.abort)
        await client.socket.close(code=code, message=reason, drain=False)

    def _forget(self, client: Client) -> None:
        self.clients.discard(client)
        self.feeds.drop(client)


def error_frame(error: RequestError) -> bytes:
    return text_frame(encode_error(error))


def decode_subscribe(fields: Fields, channels: int = ALL) -> tuple[int, int, int]:
    """Fields of S: symbol, channels (of those that there are), depth. Raises RequestError."""
    symbol_id = _integer("S", fields, 0, "sym", 0, 1 << 32)
    mask = _integer("S", fields, 1, "channels", 1, ALL)
    if mask & ~channels:
        detail = "order by order is not served here"
        raise RequestError(Reason.INVALID_VALUE, "channels", mask, detail=detail)
    depth = DEPTH_DEFAULT
    if len(fields) > 2:
        depth = _integer("S", fields, 2, "depth", 1, DEPTH_MAX)
    return symbol_id, mask, depth


def decode_unsubscribe(fields: Fields) -> tuple[int, int]:
    """Fields of X: symbol (0 = every), channels (0 = every). Raises RequestError."""
    return _integer("X", fields, 0, "sym", 0, 1 << 32), _integer("X", fields, 1, "channels", 0, ALL)


def _integer(key: str, fields: Fields, at: int, name: str, low: int, high: int) -> int:
    if len(fields) <= at:
        detail = f"{name} is missing"
        raise RequestError(Reason.MALFORMED, key, fields, detail=detail)
    value = fields[at]
    if type(value) is not int or not low <= value <= high:
        detail = f"{name} is an integer from {low} to {high}"
        raise RequestError(Reason.INVALID_VALUE, name, value, detail=detail)
    return value
