"""The private WebSocket: upgrade, frames in, frames out, closing.

    AUTHENTICATING --token--> OPEN --close sent or received--> CLOSING --both, or 2 s--> gone

Bytes come straight from the connection's protocol into `FrameParser`, with no task in between:
aiohttp's own WebSocket parser cuts them into frames, all frames of one read are answered in the
same callback, and only then the engine's answers are polled for, once. What a session sends is
gathered and written in one go. Frames and rules: specs/wire.md sections 2 and 3.
"""

from __future__ import annotations

import asyncio
import base64
import binascii
import hashlib
from collections import deque
from typing import TYPE_CHECKING, Any

from aiohttp import web
from aiohttp._websocket.reader import WebSocketDataQueue
from aiohttp.http_websocket import WS_KEY, WebSocketError, WebSocketReader, WSMsgType

from rsx.edge import codec
from rsx.edge.frames import Frames
from rsx.edge.orders import Account, Fill, Order
from rsx.edge.sessions import CLOSE_CROWDED, CLOSE_SLOW, CLOSE_TOKEN
from rsx.errors import Reason, RequestError

if TYPE_CHECKING:
    from rsx.edge.app import Edge

FRAMES_PER_TURN = 256
CLOSING_S = 1.0
AUTH_S = 5.0
NEVER_NS = 1 << 63
PING = b"\x89\x00"
_SHORT = [bytes((0x81, size)) for size in range(126)]


def text_frame(payload: bytes) -> bytes:
    """A whole unmasked text message, as a server sends it (RFC 6455 section 5.2)."""
    size = len(payload)
    if size < 126:
        return _SHORT[size] + payload
    if size < 65536:
        return b"\x81\x7e" + size.to_bytes(2, "big") + payload
    return b"\x81\x7f" + size.to_bytes(8, "big") + payload


def close_frame(code: int, reason: str) -> bytes:
    payload = code.to_bytes(2, "big") + reason.encode()
    return bytes((0x88, len(payload))) + payload


async def upgrade(request: web.Request) -> web.StreamResponse:
    """Answer a WebSocket handshake with 101; compression is never offered (RFC 6455 section 4).

    Raises  RequestError INVALID_VALUE naming the header that is wrong
    """
    headers = request.headers
    tokens = [token.strip().lower() for token in headers.get("Connection", "").split(",")]
    key = headers.get("Sec-WebSocket-Key", "")
    try:
        size = len(base64.b64decode(key, validate=True))
    except (binascii.Error, ValueError):
        size = 0
    for name, good in (
        ("Upgrade", headers.get("Upgrade", "").lower() == "websocket"),
        ("Connection", "upgrade" in tokens),
        ("Sec-WebSocket-Version", headers.get("Sec-WebSocket-Version") == "13"),
        ("Sec-WebSocket-Key", size == 16),
    ):
        if not good:
            detail = "a WebSocket handshake is due here"
            raise RequestError(Reason.INVALID_VALUE, name, headers.get(name), detail=detail)
    accept = base64.b64encode(hashlib.sha1(key.encode() + WS_KEY).digest()).decode()
    response = web.StreamResponse(
        status=101,
        headers={
            "Upgrade": "websocket", "Connection": "upgrade", "Sec-WebSocket-Accept": accept,
        },
    )  # fmt: skip
    response.force_close()
    await response.prepare(request)
    return response


class FrameQueue(WebSocketDataQueue):
    """Where aiohttp's parser puts messages; `frames` is all there is to it."""

    def __init__(self, protocol: Any, loop: asyncio.AbstractEventLoop):
        super().__init__(protocol, 1 << 20, loop=loop)
        self.frames: deque[Any] = deque()
        self.error: BaseException | None = None

    def feed_data(self, message: Any, size: int) -> None:
        self.frames.append(message)

    def set_exception(self, exc: BaseException, exc_cause: Any = None) -> None:
        self.error = exc

    def feed_eof(self) -> None:
        pass


class FrameParser:
    """Stands where the protocol expects a WebSocket parser; hands frames to the session."""

    def __init__(self, session: PrivateSession, protocol: Any, loop: asyncio.AbstractEventLoop):
        self.session = session
        self.queue = FrameQueue(protocol, loop)
        # The parser refuses a payload of its limit or more.
        self.reader = WebSocketReader(
            self.queue, session.edge.message_bytes_max + 1, compress=False, decode_text=False
        )

    def feed_data(self, data: bytes) -> tuple[bool, bytes]:
        self.reader.feed_data(data)
        self.session.on_frames()
        return False, b""

    def feed_eof(self) -> None:
        self.session.on_lost()


class PrivateSession:
    """One private connection. Implements Stream (orders.py) and Connection (sessions.py)."""

    def __init__(self, edge: Edge, request: web.Request):
        self.edge = edge
        self.entry = edge.entry
        self.sessions = edge.sessions
        self.loop = asyncio.get_running_loop()
        transport = request.transport
        if transport is None:
            raise ConnectionResetError("connection lost")
        self.transport: Any = transport
        self.parser = FrameParser(self, request.protocol, self.loop)
        self.account: Any = None  # the Account, once there is a token
        self.out: list[bytes] = []
        self.is_open = True
        self.is_paused = False
        self.done: asyncio.Future[None] = self.loop.create_future()
        self.timer: asyncio.TimerHandle | None = None
        self.expires_ns = NEVER_NS
        self.last_in_ns = edge.clock.now_ns()
        self.turn_left = 0  # frames, or items of batches, before others have their turn
        self.guarded: dict[int, Order] = {}  # live orders to cancel when this connection ends
        self.guard: dict[int, Order] | None = None  # the same while cancel on disconnect is on
        self.handlers = Frames(self).handlers

    # --- life -------------------------------------------------------------------------------

    def start(self) -> None:
        """Without a token yet: wait for AUTH."""
        if self.account is None and self.is_open:
            self.timer = self.loop.call_later(AUTH_S, self.on_auth_late)

    def authenticate(self, user: int, expires_ns: int) -> None:
        """Join the account's streams and say welcome, or leave when there are too many."""
        account: Account = self.entry.tracker.account(user)
        if len(account.streams) >= self.sessions.per_user_max:
            self.refuse(RequestError(Reason.TOO_MANY_CONNECTIONS, "sub", user))
            self.close(CLOSE_CROWDED, Reason.TOO_MANY_CONNECTIONS.name)
            return
        if self.timer is not None:
            self.timer.cancel()
            self.timer = None
        self.account = account
        self.expires_ns = expires_ns
        account.streams.append(self)
        log = self.edge.log
        self.send(codec.encode("W", [user, log.epoch, log.seq, self.edge.clock.now_ns()]))

    def on_auth_late(self) -> None:
        self.refuse(RequestError(Reason.TOKEN_MISSING, "token"))
        self.close(CLOSE_TOKEN, Reason.TOKEN_MISSING.name)
        self.sessions.flush()

    def expire(self) -> None:
        """The token's time is over."""
        self.refuse(RequestError(Reason.TOKEN_EXPIRED, "token"))
        self.close(CLOSE_TOKEN, Reason.TOKEN_EXPIRED.name)

    def close(self, code: int, reason: str) -> None:
        """Say why, then wait a moment for the client's close; abort if it does not come."""
        if not self.is_open:
            return
        self._leave()
        self._put(close_frame(code, reason))
        self.timer = self.loop.call_later(CLOSING_S, self._abort)

    def _leave(self) -> None:
        """No event is sent here from now on."""
        self.is_open = False
        self.sessions.remove(self)
        if self.account is not None and self in self.account.streams:
            self.account.streams.remove(self)
            self.edge.pushes.unwatch(self.account.user_id, self)
        if self.timer is not None:
            self.timer.cancel()
            self.timer = None
        if self.guarded and not self.sessions.stopping:
            self.edge.guards.owe(self.guarded.values())

    def _abort(self) -> None:
        self.transport.abort()
        self._finish()

    def _finish(self) -> None:
        if self.timer is not None:
            self.timer.cancel()
            self.timer = None
        if not self.done.done():
            self.done.set_result(None)

    def on_lost(self) -> None:
        """The connection is gone."""
        if self.is_open:
            self._leave()
        self.out.clear()
        self._finish()

    def on_closed(self, code: int) -> None:
        """The client's close frame: echo it unless ours went first."""
        if self.is_open:
            self._leave()
            self._put(close_frame(code or 1000, ""))
            self.flush()
        self._finish()

    # --- frames in --------------------------------------------------------------------------

    def on_frames(self) -> None:
        """Handle the frames of one read; poll for answers once, at the end."""
        queue = self.parser.queue
        frames = queue.frames
        self.last_in_ns = self.edge.clock.now_ns()
        self.turn_left = FRAMES_PER_TURN
        while frames and self.turn_left > 0 and not self.done.done():
            self.turn_left -= 1
            self._on_frame(frames.popleft())
        self.edge.collect()
        if frames and not self.done.done():
            self._take_turns()
        elif queue.error is not None and self.is_open:
            self._on_protocol_error(queue.error)
        self.sessions.flush()

    def _on_frame(self, frame: Any) -> None:
        kind = frame[0]
        if kind is WSMsgType.TEXT:
            if self.is_open:
                self.on_text(frame[1])
        elif kind is WSMsgType.PING:
            if self.is_open:
                self._put(bytes((0x8A, len(frame[1]))) + frame[1])
        elif kind is WSMsgType.CLOSE:
            self.on_closed(frame[1])
        elif kind is WSMsgType.BINARY and self.is_open:
            size = f"{len(frame[1])} bytes"
            self.refuse(RequestError(Reason.BINARY_FRAME, "frame", size))

    def _take_turns(self) -> None:
        """A full turn's frames are done: let other connections have theirs."""
        if not self.is_paused:
            self.is_paused = True
            self.transport.pause_reading()
        self.loop.call_soon(self._next_turn)

    def _next_turn(self) -> None:
        self.on_frames()
        if self.is_paused and not self.parser.queue.frames and not self.transport.is_closing():
            self.is_paused = False
            self.transport.resume_reading()

    def _on_protocol_error(self, error: BaseException) -> None:
        """A broken or oversized frame: what follows it cannot be read any more."""
        code = int(error.code) if isinstance(error, WebSocketError) else 1002
        if code == 1009:
            detail = f"at most {self.edge.message_bytes_max} bytes"
            self.refuse(RequestError(Reason.FRAME_TOO_LARGE, "frame", detail=detail))
            self.close(code, Reason.FRAME_TOO_LARGE.name)
        else:
            self.close(code, str(error)[:100])

    def on_text(self, data: bytes) -> None:
        """One frame. Whatever is wrong with it, the session lives on (W-33)."""
        try:
            key, fields = codec.decode_frame(data)
            if self.account is None and key != "AUTH":
                raise RequestError(Reason.TOKEN_MISSING, "frame", key)
            self.handlers[key](fields)
        except RequestError as error:
            self.refuse(error)

    # --- frames out -------------------------------------------------------------------------

    def on_update(self, order: Order, reason: int, ts_ns: int, seq: int) -> None:
        self.send(codec.encode_update(order, reason, ts_ns, seq))

    def on_fill(self, fill: Fill, remaining: int) -> None:
        self.send(codec.encode_fill(fill, remaining))

    def on_duplicate(self, original: Order, request_oid: int) -> None:
        self.send(codec.encode_duplicate(original, request_oid))

    def notify(self, key: str, fields: codec.Fields) -> None:
        if self.account is not None:
            self.send(codec.encode(key, fields))

    def refuse(self, error: RequestError, index: int | None = None) -> None:
        self.edge.count_refusal(error.code)
        self.send(codec.encode_error(error, index))

    def beat(self, now_ns: int) -> None:
        """H for programs, a ping for libraries that answer it by themselves."""
        if self.account is not None:
            self.send(codec.encode("H", [now_ns // 1_000_000]))
        self._put(PING)

    def send(self, payload: bytes) -> None:
        """Gather one text message; nothing goes out once a close was sent."""
        if self.is_open:
            self._put(text_frame(payload))

    def _put(self, frame: bytes) -> None:
        if not self.out:
            self.sessions.dirty.append(self)
        self.out.append(frame)

    def flush(self) -> None:
        """Write what was gathered. A reader that is too far behind is closed, not skipped (W-14).

        What this very write adds does not count: one large answer is no slow reader.
        """
        out = self.out
        if not out:
            return
        transport = self.transport
        if transport.is_closing():
            out.clear()
            return
        if self.is_open and transport.get_write_buffer_size() > self.sessions.backlog_max:
            self.sessions.slow_total += 1
            out.clear()
            self.close(CLOSE_SLOW, Reason.SLOW_READER.name)
        transport.write(out[0] if len(out) == 1 else b"".join(out))
        out.clear()


async def private_socket(request: web.Request, edge: Edge) -> web.StreamResponse:
    """GET /ws: check the token if the header is there, upgrade, and stay until the end."""
    header = request.headers.get("Authorization")
    claims = edge.verifier.bearer(header, edge.now_s()) if header is not None else None
    if edge.sessions.stopping:
        raise RequestError(Reason.STOPPING)
    response = await upgrade(request)
    session = PrivateSession(edge, request)
    try:
        if edge.sessions.is_full:
            session.refuse(RequestError(Reason.TOO_MANY_CONNECTIONS))
            session.close(CLOSE_CROWDED, Reason.TOO_MANY_CONNECTIONS.name)
        else:
            edge.sessions.add(session)
            if claims is not None:
                session.authenticate(claims.user, claims.expires_ns)
            session.start()
        # Only now bytes of the client are looked at: those after the head included.
        request.protocol.set_parser(session.parser)  # type: ignore[arg-type]
        edge.sessions.flush()
        await session.done
    finally:
        session.on_lost()
        if session.transport.get_write_buffer_size():
            # aiohttp closes the connection once all is written; a peer that never reads would
            # hold it for ever.
            session.loop.call_later(CLOSING_S, session.transport.abort)
    return response
