"""A public edge over plain books and real sockets, its tile stepped by hand; clients for it."""

import asyncio
import socket
import time
from contextlib import asynccontextmanager
from types import SimpleNamespace

import aiohttp
import orjson
import uvloop
from aiohttp import WSMsgType
from tiles.fake_shadow import FakeShadow
from tiles.flow import Flow, symbol

from rsx.core.clock import Clock
from rsx.core.ring import Ring
from rsx.edge.public_ws import (
    NS_PER_S,
    PATH,
    PublicEdge,
)
from rsx.tiles.marketdata import SWEEP_NS, MarketData

DEADLINE_S = 20
SYMBOLS = (symbol(1, name="BTC-PERP", tick=10), symbol(2))


def settings_of(**changed):
    edge = {
        "connections_max": 8, "public_backlog_bytes": 1 << 18, "slow_reader_ms": 5000, "l3": True,
        "heartbeat_s": 5, "idle_s": 30,
    }  # fmt: skip
    return SimpleNamespace(edge=SimpleNamespace(**edge | changed))


class World:
    """The tile stepped by hand on this loop, with real sockets and a clock that stands still."""

    def __init__(self, **changed):
        self.flow = Flow()
        self.clock = Clock.manual(NS_PER_S)
        self.shadow = FakeShadow(SYMBOLS)
        self.edge = PublicEdge(settings_of(**changed), SYMBOLS, self.clock, self.shadow)
        self.ring = Ring("wal_marketdata", 1 << 16)
        self.tile = MarketData(
            None, SYMBOLS, self.clock, self.ring, self.flow.log, self.shadow, self.edge
        )
        self.url = ""
        self.session = None
        self.stuck = []

    @asynccontextmanager
    async def running(self):
        loop = asyncio.get_running_loop()
        self.edge.start(loop)
        listener = await loop.create_server(self.edge.server, "127.0.0.1", 0)
        port = listener.sockets[0].getsockname()[1]
        self.url = f"http://127.0.0.1:{port}{PATH}"
        try:
            async with aiohttp.ClientSession() as self.session:
                yield self
        finally:
            for stuck in self.stuck:
                stuck.sock.close()
            await self.edge.close()
            listener.close()

    async def connect(self, **options):
        before = len(self.edge.clients)
        ws = await self.session.ws_connect(self.url, **options)
        await self.until(lambda: len(self.edge.clients) > before)
        return ws

    def work(self):
        self.ring.push_many(self.flow.take())
        while self.tile.step():
            pass

    def later(self, seconds):
        """Let the clock go on, with sweeps as they would come."""
        for _ in range(round(seconds * 10)):
            self.clock.advance(SWEEP_NS)
            self.work()

    async def until(self, holds):
        end = time.monotonic() + DEADLINE_S
        while not holds():
            assert time.monotonic() < end, "not in time"
            await asyncio.sleep(0.001)


def run(test, **changed):
    """Run a test in a world of its own; what is left running fails it."""

    async def main():
        world = World(**changed)
        async with asyncio.timeout(DEADLINE_S * 2):
            async with world.running():
                await test(world)
        assert not world.edge.clients

    # The loop that the tile has in the exchange.
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(main())


async def receive(ws):
    """(key, fields) of the next frame."""
    message = await asyncio.wait_for(ws.receive(), DEADLINE_S)
    assert message.type is WSMsgType.TEXT, message
    ((key, fields),) = orjson.loads(message.data).items()
    return key, fields


async def receive_close(ws):
    while True:
        message = await asyncio.wait_for(ws.receive(), DEADLINE_S)
        if message.type is WSMsgType.CLOSE or ws.closed:
            return ws.close_code, message.extra


async def ask(ws, text):
    await ws.send_str(text)
    return await receive(ws)


class Stuck:
    """A raw client that subscribes and then does not read, with a small receive buffer."""

    def __init__(self, url):
        host, port = url.split("/")[2].split(":")
        self.sock = socket.socket()
        self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        self.sock.connect((host, int(port)))
        key = "dGhlIHNhbXBsZSBub25jZQ=="
        self.sock.sendall(
            f"GET {PATH} HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            f"Sec-WebSocket-Key: {key}\r\nSec-WebSocket-Version: 13\r\n\r\n".encode()
        )
        self.sock.setblocking(False)
        self.data = b""

    def send(self, text):
        """One masked text frame, the mask being zero."""
        self.sock.sendall(bytes((0x81, 0x80 | len(text))) + bytes(4) + text.encode())

    def read(self):
        """What is there now; False at the end of the connection."""
        try:
            data = self.sock.recv(1 << 20)
        except BlockingIOError:
            return True
        except ConnectionResetError:
            return False
        self.data += data
        return bool(data)

    def frames(self):
        """(key, fields) of whole text frames after the HTTP head; ("close", code)."""
        at = self.data.index(b"\r\n\r\n") + 4
        while at + 2 <= len(self.data):
            head, size, at = self.data[at], self.data[at + 1], at + 2
            if size == 126:
                size, at = int.from_bytes(self.data[at : at + 2], "big"), at + 2
            elif size == 127:
                size, at = int.from_bytes(self.data[at : at + 8], "big"), at + 8
            payload, at = self.data[at : at + size], at + size
            if head == 0x88:
                yield "close", int.from_bytes(payload[:2], "big")
            elif head == 0x81 and len(payload) == size:
                yield next(iter(orjson.loads(payload).items()))


async def stuck_client(world, request='{"S":[1,7,1000]}'):
    before = set(world.edge.clients)
    stuck = Stuck(world.url)
    world.stuck.append(stuck)
    stuck.send(request)
    await world.until(lambda: world.edge.clients - before)
    (client,) = world.edge.clients - before
    client.transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4096)
    await world.until(lambda: client.subscriptions)
    return stuck, client
