"""What does the edge cost? A client process against the exchange process, over loopback.

    this process: one raw blocking WebSocket  <-->  rsx run --no-demo        (own process)
                                              <-->  aiohttp echo on uvloop   (own process)

ack       one resting order at a time: frame out to its U frame in; between two orders the echo
          server is asked the same way with the same frame, so both see the same machine.
durable   one crossing IOC at a time: frame out to its terminal U frame, so after the fsync.
rate      orders pipelined, 256 in flight: answers a second, beside the echo's rate likewise.
The client is the same for both servers: a blocking socket and hand-made frames, so that little
of it is in the figures.
"""

from __future__ import annotations

import base64
import json
import os
import socket
import struct
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import harness
from harness import Figure
from load_engine import fdatasync_samples

ECHO = """
import asyncio, uvloop
from aiohttp import web, WSMsgType
async def handler(request):
    ws = web.WebSocketResponse(compress=False)
    await ws.prepare(request)
    async for message in ws:
        if message.type is WSMsgType.TEXT:
            await ws.send_str(message.data)
    return ws
async def main():
    app = web.Application()
    app.router.add_get("/ws", handler)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    print(site._server.sockets[0].getsockname()[1], flush=True)
    await asyncio.Event().wait()
uvloop.run(main())
"""


class RawSocket:
    """A blocking WebSocket client for text frames below 64 KiB."""

    def __init__(self, port: int, token: str | None = None):
        self.socket = socket.create_connection(("127.0.0.1", port))
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        key = base64.b64encode(os.urandom(16)).decode()
        auth = f"Authorization: Bearer {token}\r\n" if token else ""
        self.socket.sendall(
            f"GET /ws HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n{auth}"
            f"Sec-WebSocket-Key: {key}\r\nSec-WebSocket-Version: 13\r\n\r\n".encode()
        )
        self.buffer = b""
        while b"\r\n\r\n" not in self.buffer:
            self.buffer += self.socket.recv(65536)
        head, self.buffer = self.buffer.split(b"\r\n\r\n", 1)
        if b" 101 " not in head.split(b"\r\n")[0]:
            raise RuntimeError(head.decode())

    @staticmethod
    def frame(text: bytes) -> bytes:
        """A masked client frame; the mask is zero, so the payload needs no work."""
        if len(text) < 126:
            return struct.pack("!BB4x", 0x81, 0x80 | len(text)) + text
        return struct.pack("!BBH4x", 0x81, 0xFE, len(text)) + text

    def next_text(self) -> bytes:
        """The next text frame; pings and the rest are passed over."""
        while True:
            size, head = -1, 2
            if len(self.buffer) >= 2:
                size = self.buffer[1] & 0x7F
                if size == 126:
                    head, size = 4, -1
                    if len(self.buffer) >= 4:
                        size = struct.unpack_from("!H", self.buffer, 2)[0]
            if size < 0 or len(self.buffer) < head + size:
                data = self.socket.recv(65536)
                if not data:
                    raise RuntimeError("the server closed the connection")
                self.buffer += data
                continue
            kind, text = self.buffer[0] & 0xF, self.buffer[head : head + size]
            self.buffer = self.buffer[head + size :]
            if kind == 1:
                return text

    def answer(self, key: bytes) -> bytes:
        """The next frame that begins like this; errors raise."""
        while True:
            text = self.next_text()
            if text.startswith(key):
                return text
            if text.startswith(b'{"E"'):
                raise RuntimeError(text.decode())


@contextmanager
def servers(folder: Path) -> Iterator[tuple[int, int, Any]]:
    """(port of the exchange, port of the echo, mint(user)); both ended on leaving."""
    from rsx.edge import auth

    config = folder / "bench.toml"
    text = (harness.ROOT / "config.toml").read_text()
    text = text.replace("orders_per_second = 5000", "orders_per_second = 10000000")
    config.write_text(text.replace('min_notional = "5"', 'min_notional = "0"'))
    exchange = subprocess.Popen(
        [sys.executable, "-m", "rsx.cli", "run", "--config", str(config), "--no-demo", "--json",
         "--data", str(folder / "data"), "--port", "0"],
        stdout=subprocess.PIPE, text=True, cwd=harness.ROOT,
    )  # fmt: skip
    echo = subprocess.Popen([sys.executable, "-c", ECHO], stdout=subprocess.PIPE, text=True)
    try:
        banner = json.loads(exchange.stdout.readline())  # type: ignore[union-attr]
        port = int(banner["url"].rsplit(":", 1)[1])
        secret = auth.load_secret(folder / "data")

        def deposit(user: int) -> str:
            body = json.dumps({"user": user, "amount": "100000000"}).encode()
            token = auth.mint(secret, user, 600, "admin")
            request = urllib.request.Request(
                f"http://127.0.0.1:{port}/v1/admin/deposits", body,
                {"Authorization": f"Bearer {token}", "Content-Type": "application/json"},
            )  # fmt: skip
            urllib.request.urlopen(request).read()
            return auth.mint(secret, user, 600)

        yield port, int(echo.stdout.readline()), deposit  # type: ignore[union-attr]
    finally:
        for process in (exchange, echo):
            process.terminate()
            process.wait(15)


def measure_ack(mine: RawSocket, echo: RawSocket, count: int) -> tuple[list[int], list[int]]:
    """(ns order to acknowledgement, ns echo), taken in turn; orders are cancelled again."""
    acks, echoes = [], []
    for i in range(count):
        order = b'{"N":[1,0,%d,100,"a%d",0]}' % (4_000_000 + i % 1000 * 10, i)
        frame = RawSocket.frame(order)
        began = time.perf_counter_ns()
        mine.socket.sendall(frame)
        mine.answer(b'{"U"')
        acks.append(time.perf_counter_ns() - began)
        began = time.perf_counter_ns()
        echo.socket.sendall(frame)
        echo.next_text()
        echoes.append(time.perf_counter_ns() - began)
        mine.socket.sendall(RawSocket.frame(b'{"C":["a%d"]}' % i))
        mine.answer(b'{"U"')
    return acks[count // 10 :], echoes[count // 10 :]


def measure_crossing(mine: RawSocket, count: int) -> list[int]:
    """ns from a crossing IOC to its terminal update."""
    out = []
    for i in range(count):
        frame = RawSocket.frame(b'{"N":[1,0,5010000,100,"x%d",1]}' % i)
        began = time.perf_counter_ns()
        mine.socket.sendall(frame)
        text = mine.answer(b'{"U"')
        out.append(time.perf_counter_ns() - began)
        if json.loads(text)["U"][1] != 0:
            raise RuntimeError(f"not filled: {text.decode()}")
    return out[count // 10 :]


def measure_rate(link: RawSocket, frames: list[bytes], key: bytes, window: int = 256) -> float:
    """Answers a second with `window` frames in flight."""
    sent = answered = 0
    began = time.perf_counter()
    while answered < len(frames):
        room = min(window - (sent - answered), len(frames) - sent)
        if room >= window // 2 or (room and sent + room == len(frames)):
            link.socket.sendall(b"".join(frames[sent : sent + room]))
            sent += room
        link.answer(key)
        answered += 1
    return len(frames) / (time.perf_counter() - began)


def measure(scale: float = 1.0) -> list[Figure]:
    count = max(200, int(5000 * scale))
    with tempfile.TemporaryDirectory(dir=harness.ROOT / "build") as name:
        folder = Path(name)
        with servers(folder) as (port, echo_port, deposit):
            maker, taker = RawSocket(port, deposit(1)), RawSocket(port, deposit(2))
            echo = RawSocket(echo_port)
            acks, echoes = measure_ack(taker, echo, count)
            maker.socket.sendall(RawSocket.frame(b'{"N":[1,1,5010000,900000000,"m",0]}'))
            maker.answer(b'{"U"')
            crossings = measure_crossing(
                taker, max(200, int(1000 * min(1, 10 * scale)), count // 2)
            )
            floor = fdatasync_samples(folder)
            maker.socket.close()
            frames = [RawSocket.frame(b'{"N":[2,0,%d,1000,"r%d",0]}' % (100_000 + i % 5000, i))
                      for i in range(min(count * 2, 9000))]  # fmt: skip
            rate = measure_rate(taker, frames, b'{"U"')
            echo_rate = measure_rate(echo, frames, b'{"N"')
    ack, base = harness.percentiles(acks), harness.percentiles(echoes)
    crossing, disk = harness.percentiles(crossings), harness.percentiles(floor)
    return [
        Figure("WebSocket order -> acknowledgement, p50", ack["p50"] / 1e3, "us", "<= 1.5 x echo",
               base["p50"] / 1e3, "aiohttp echo, in turn", harness.spread(acks, "us", 1e3)),
        Figure("WebSocket crossing order -> durable fill, p50", crossing["p50"] / 1e3, "us",
               "<= ack + 1.5 x fdatasync", (ack["p50"] + 1.5 * disk["p50"]) / 1e3,
               f"ack + 1.5 x {disk['p50'] / 1e3:.0f} us", harness.spread(crossings, "us", 1e3)),
        Figure("JSON orders a second, one gateway", rate / 1e3, "k/s", ">= 0.6 x echo",
               echo_rate / 1e3, "aiohttp echo", "256 in flight on one connection"),
    ]  # fmt: skip


if __name__ == "__main__":
    harness.print_table(measure())
