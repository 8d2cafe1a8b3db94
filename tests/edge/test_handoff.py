"""An accepted connection moves to a loop in another thread, and nobody notices."""

import asyncio
import contextlib
import os
import socket
import threading
from collections.abc import Iterator
from typing import Any

import aiohttp
import pytest
import uvloop
from aiohttp import web
from edge.fakes import World, on_loop, until

from rsx.edge import handoff

LOOPS = {"uvloop": uvloop.new_event_loop, "asyncio": asyncio.SelectorEventLoop}
UPGRADE = (
    b"GET /ws/public?a=%20b HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nX-Odd:  \xe9 y \r\n"
    b"Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
    b"Sec-WebSocket-Key: MDEyMzQ1Njc4OWFiY2RlZg==\r\n\r\n"
)


class Other:
    """A loop in its own thread with an echo server: the marketdata tile as the gateway sees it."""

    def __init__(self, new_loop: Any):
        self.loop = new_loop()
        self.heads: list[tuple[str, bytes]] = []
        self.threads: set[int] = set()
        self.tasks: set[asyncio.Task[None]] = set()
        self.errors: list[Any] = []
        self.loop.set_exception_handler(lambda _, context: self.errors.append(context))
        self.thread = threading.Thread(target=self._run)
        self.ready = threading.Event()

    def _run(self) -> None:
        asyncio.set_event_loop(self.loop)
        self.loop.run_until_complete(self._main())
        self.loop.close()

    async def _main(self) -> None:
        self.stopped = asyncio.Event()
        self.server = web.Server(self._handle, access_log=None)
        self.ready.set()
        await self.stopped.wait()
        await self.server.shutdown(1)

    async def _handle(self, request: web.BaseRequest) -> web.StreamResponse:
        self.threads.add(threading.get_ident())
        odd = dict(request.raw_headers).get(b"X-Odd", b"")
        self.heads.append((request.raw_path, odd))
        if request.headers.get("Upgrade") is None:
            return web.Response(text="plain")
        ws = web.WebSocketResponse(compress=False)
        await ws.prepare(request)
        async for message in ws:
            await ws.send_str(f"echo {message.data}")
        return ws

    def adopt(self, left: socket.socket, head: bytes) -> None:
        task = self.loop.create_task(handoff.adopt(self.loop, self.server, left, head))
        self.tasks.add(task)
        task.add_done_callback(self.tasks.discard)

    def stop(self) -> None:
        self.loop.call_soon_threadsafe(self.stopped.set)
        self.thread.join(10)
        assert not self.thread.is_alive()


@contextlib.contextmanager
def other_loop(kind: str = "uvloop") -> Iterator[Other]:
    other = Other(LOOPS[kind])
    other.thread.start()
    assert other.ready.wait(10)
    try:
        yield other
    finally:
        other.stop()
        assert other.errors == []


def open_sockets() -> int:
    """Descriptors of this process that are sockets."""
    count = 0
    for fd in os.listdir("/proc/self/fd"):
        with contextlib.suppress(OSError):
            count += os.readlink(f"/proc/self/fd/{fd}").startswith("socket:")
    return count


def run_on(kind: str, main: Any) -> list[Any]:
    """Run a coroutine function on a loop of this kind; what its exception handler saw."""
    errors: list[Any] = []

    async def guarded() -> None:
        asyncio.get_running_loop().set_exception_handler(lambda _, c: errors.append(c))
        await asyncio.wait_for(main(), 50)

    with asyncio.Runner(loop_factory=LOOPS[kind]) as runner:
        runner.run(guarded())
    return errors


@pytest.mark.parametrize("theirs", LOOPS)
@pytest.mark.parametrize("ours", LOOPS)
def test_a_websocket_lives_on_in_the_other_thread(ours: str, theirs: str) -> None:
    with other_loop(theirs) as other:

        async def main() -> None:
            async with World() as world:
                world.gateway.marketdata = other
                for _ in range(3):
                    ws = await world.http.ws_connect("/ws/public?x=1")
                    for text in ("one", "two", "x" * 70_000):
                        await ws.send_str(text)
                        assert await ws.receive_str(timeout=5) == f"echo {text}"
                    assert await ws.close()
                    assert ws.close_code == 1000

        assert run_on(ours, main) == []
        assert other.heads == [("/ws/public?x=1", b"")] * 3
        assert other.threads == {other.thread.ident}


@pytest.mark.parametrize("ours", LOOPS)
def test_a_connection_used_for_rest_before_is_handed_over_whole(ours: str) -> None:
    """On one raw connection, so that a shutdown, a reset or a stray byte would show."""
    with other_loop() as other:

        async def main() -> None:
            async with World() as world:
                world.gateway.marketdata = other
                reader, writer = await asyncio.open_connection(*world.gateway.address)
                for _ in range(2):
                    writer.write(b"GET /health HTTP/1.1\r\nHost: x\r\n\r\n")
                    head = await reader.readuntil(b"\r\n\r\n")
                    assert head.startswith(b"HTTP/1.1 200") and b"close" not in head.lower()
                    assert await reader.readexactly(15) == b'{"status":"ok"}'

                # A frame right behind the head: it must reach the other loop too.
                writer.write(UPGRADE + b"\x81\x82\0\0\0\0hi")
                head = await reader.readuntil(b"\r\n\r\n")
                assert head.startswith(b"HTTP/1.1 101")
                assert await reader.readexactly(9) == b"\x81\x07echo hi"
                await until(lambda: not world.gateway.edge.runner.server.connections)
                for _ in range(3):
                    writer.write(b"\x81\x83\0\0\0\0abc")
                    assert await reader.readexactly(10) == b"\x81\x08echo abc"
                sock = writer.get_extra_info("socket")
                assert sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR) == 0
                writer.close()
                await writer.wait_closed()
                assert (await world.rest("GET", "/health", None))[0] == 200

        assert run_on(ours, main) == []
        assert other.heads == [("/ws/public?a=%20b", b"\xe9 y")]


def test_a_plain_request_there_is_answered_by_the_other_loop() -> None:
    with other_loop() as other:

        @on_loop
        async def main() -> None:
            async with World() as world:
                world.gateway.marketdata = other
                for _ in range(2):
                    async with world.http.get("/ws/public") as response:
                        assert (response.status, await response.text()) == (200, "plain")

        main()


@pytest.mark.parametrize("ours", LOOPS)
def test_no_descriptor_leaks_and_none_is_left_with_the_first_loop(ours: str) -> None:
    with other_loop() as other:

        async def main() -> None:
            async with World() as world:
                world.gateway.marketdata = other
                before = open_sockets()
                kept = [await world.http.ws_connect("/ws/public") for _ in range(10)]
                await until(lambda: not world.gateway.edge.runner.server.connections)

                # Client's end and server's end: the first loop's descriptor is closed.
                await until(lambda: open_sockets() == before + 20)
                for ws in kept:
                    await ws.send_str("x")
                    assert await ws.receive_str(timeout=5) == "echo x"
                    await ws.close()
                await self_test(world, 30)
                await until(lambda: open_sockets() == before)

        assert run_on(ours, main) == []


async def self_test(world: World, times: int) -> None:
    for _ in range(times):
        async with world.http.ws_connect("/ws/public") as ws:
            await ws.send_str("a")
            assert await ws.receive_str(timeout=5) == "echo a"


@on_loop
async def test_without_a_marketdata_tile_the_client_is_told() -> None:
    async with World() as world:
        with pytest.raises(aiohttp.WSServerHandshakeError) as caught:
            await world.http.ws_connect("/ws/public")

        assert caught.value.status == 503


@on_loop
async def test_a_stopped_other_loop_closes_the_connection_and_nothing_else() -> None:
    with other_loop() as other:
        pass
    async with World() as world:
        world.gateway.marketdata = other
        before = open_sockets()

        with pytest.raises(aiohttp.ClientError):
            await world.http.ws_connect("/ws/public")

        await until(lambda: open_sockets() <= before)
        assert (await world.rest("GET", "/health", None))[0] == 200


@on_loop
async def test_a_client_that_left_before_the_adoption_harms_nobody() -> None:
    with other_loop() as other:
        async with World() as world:
            world.gateway.marketdata = other
            for _ in range(20):
                _, writer = await asyncio.open_connection(*world.gateway.address)
                writer.write(UPGRADE)
                writer.transport.abort()
            await self_test(world, 1)
