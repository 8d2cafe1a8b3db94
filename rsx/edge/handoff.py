"""Moves an accepted HTTP connection from one event loop to another, in another thread.

One port serves everything, but public sockets live on the marketdata tile's loop. The gateway
has read the head of the request when it learns that:

    gateway loop                              marketdata loop
    release(request) -> (socket, head)  --->  adopt(loop, web_server, socket, head)

`release` duplicates the descriptor and closes the first one: the connection itself stays open,
since close(2) of one of two descriptors sends nothing. The loop being left must have no
registration of the old descriptor when the new one is used; libuv and asyncio both remove it
explicitly when they close a handle. `adopt` gives the socket to an aiohttp server on its loop and
plays the head to it as if it had just arrived. The head is rebuilt from what the HTTP parser
kept, byte for byte in names and values.
"""

from __future__ import annotations

import asyncio
import os
import socket
from typing import Any

from aiohttp import web

from rsx.errors import Reason, RequestError


class HandedOff(web.StreamResponse):
    """What a handler returns when the connection is no longer its own: writes nothing."""

    def __init__(self) -> None:
        super().__init__()
        self.force_close()

    async def prepare(self, request: web.BaseRequest) -> Any:
        return None

    async def write_eof(self, data: bytes = b"") -> None:
        return None


class _Tail:
    """Takes what the protocol has read beyond the head."""

    def __init__(self) -> None:
        self.data = b""

    def feed_data(self, data: bytes) -> tuple[bool, bytes]:
        self.data += data
        return False, b""

    def feed_eof(self) -> None:
        pass


def request_head(request: web.BaseRequest) -> bytes:
    """The request line and headers as they were sent, line ends normalised."""
    major, minor = request.version
    lines = [f"{request.method} {request.raw_path} HTTP/{major}.{minor}".encode()]
    lines += [name + b": " + value for name, value in request.raw_headers]
    return b"\r\n".join(lines) + b"\r\n\r\n"


def release(request: web.Request) -> tuple[socket.socket, bytes]:
    """Take the connection from its loop; the handler must then return HandedOff().

    Returns  a non-blocking socket that owns the only descriptor left, and the bytes to play
    Raises   RequestError OVERLOADED when earlier answers are still unsent;
             ConnectionResetError when the client is gone
    """
    transport: Any = request.transport
    if transport is None or transport.is_closing():
        raise ConnectionResetError("connection lost")
    if transport.get_write_buffer_size():
        raise RequestError(Reason.OVERLOADED, detail="answers before this one are unsent")
    tail = _Tail()
    request.protocol.set_parser(tail)  # type: ignore[arg-type]
    transport.pause_reading()
    fd = os.dup(transport.get_extra_info("socket").fileno())
    try:
        left = socket.socket(fileno=fd)
    except OSError:
        os.close(fd)
        raise
    left.setblocking(False)
    head = request_head(request) + tail.data
    transport.close()
    return left, head


async def adopt(
    loop: asyncio.AbstractEventLoop, web_server: Any, left: socket.socket, head: bytes
) -> None:
    """Serve a released connection from here on.

    Args    web_server: an aiohttp Server (AppRunner.server) made for this loop
    Thread  the loop's
    """
    try:
        transport, protocol = await loop.connect_accepted_socket(web_server, left)
    except BaseException:
        left.close()
        raise
    # A client that left meanwhile may have been noticed already: aiohttp takes no bytes after that.
    if protocol.transport is not None and not transport.is_closing():
        protocol.data_received(head)
