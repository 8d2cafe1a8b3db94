"""A venue on loopback: a WebSocket server that says what a test tells it, faults included."""

from __future__ import annotations

import asyncio
import contextlib
import json
import threading
import time
from concurrent.futures import Future

from aiohttp import web

MS = 1_000_000


def trade(px, product="BTCUSDT", at_ns=None):
    """A Binance trade, wrapped as on combined streams."""
    ms = (at_ns or time.time_ns()) // MS
    payload = {"e": "trade", "E": ms, "s": product, "t": 1, "p": px, "q": "1", "T": ms}
    return {"stream": f"{product.lower()}@trade", "data": payload}


def ticker(px, product="BTC-USD"):
    """A Coinbase ticker."""
    now = time.time_ns() // 1000
    whole = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(now // 1_000_000))
    stamp = f"{whole}.{now % 1_000_000:06d}Z"
    return {"type": "ticker", "product_id": product, "price": px, "time": stamp}


async def say(socket, *messages):
    for message in messages:
        await socket.send_str(message if isinstance(message, str) else json.dumps(message))


async def prices(socket, _number):
    """Trades until the end, a new one every 10 ms."""
    while True:
        await say(socket, trade("50000.10"))
        await asyncio.sleep(0.01)


async def silence(_socket, _number):
    await asyncio.sleep(60)


class VenueServer:
    """`async with VenueServer(behave)`; behave(socket, number of the connection, from 1).

    `refuse`: status instead of a handshake; `stall`: the handshake is not answered.
    """

    def __init__(self, behave=prices, port=0):
        self.behave = behave
        self.port = port
        self.refuse = 0
        self.stall = False
        self.quiet = False  # for behaviours that look at it
        self.connections = 0
        self.handshakes = []  # path with query
        self.heard = []  # what clients sent

    async def __aenter__(self):
        app = web.Application()
        app.router.add_get("/{path:.*}", self._handle)
        self._runner = web.AppRunner(app, shutdown_timeout=0.1, handler_cancellation=True)
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", self.port)
        await site.start()
        self.port = self._runner.addresses[0][1]
        return self

    async def __aexit__(self, *_):
        await self._runner.cleanup()

    @property
    def url(self):
        return f"ws://127.0.0.1:{self.port}"

    async def _handle(self, request):
        self.handshakes.append(request.path_qs)
        if self.stall:
            await asyncio.sleep(60)
        if self.refuse:
            return web.Response(status=self.refuse)
        socket = web.WebSocketResponse(timeout=0.05)
        await socket.prepare(request)
        socket.transport = request.transport
        socket.is_binance = request.path == "/stream"
        socket.server = self
        self.connections += 1
        hearing = asyncio.ensure_future(self._hear(socket))
        try:
            with contextlib.suppress(ConnectionError):
                await self.behave(socket, self.connections)
        finally:
            hearing.cancel()
            await asyncio.gather(hearing, return_exceptions=True)
            await socket.close()
        return socket

    async def _hear(self, socket):
        async for message in socket:
            self.heard.append(json.loads(message.data))


@contextlib.contextmanager
def in_thread(behave=prices, **settings):
    """A VenueServer on a loop and thread of its own."""
    ready, over = Future(), Future()

    async def serve():
        async with VenueServer(behave, settings.pop("port", 0)) as server:
            for key, value in settings.items():
                setattr(server, key, value)
            ready.set_result(server)
            await asyncio.wrap_future(over)

    thread = threading.Thread(target=lambda: asyncio.run(serve()))
    thread.start()
    try:
        yield ready.result(10)
    finally:
        over.set_result(None)
        thread.join()
