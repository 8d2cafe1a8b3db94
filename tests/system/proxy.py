"""A TCP proxy with a fixed address before an exchange that comes and goes.

`hold_answers` lets requests through and keeps what comes back, as a network that fails one way
does; `cut` drops every connection. `target` may be changed between two connections.
"""

from __future__ import annotations

import asyncio
import contextlib


class Proxy:
    """Use with `async with`. `url` stays the same; `target` is a host and a port, or None."""

    def __init__(self) -> None:
        self.target: tuple[str, int] | None = None
        self.url = ""
        self._answers = asyncio.Event()
        self._answers.set()
        self._tasks: set[asyncio.Task[None]] = set()
        self._server: asyncio.Server | None = None

    def point_at(self, url: str) -> None:
        host, _, port = url.removeprefix("http://").partition(":")
        self.target = (host, int(port))

    def hold_answers(self) -> None:
        self._answers.clear()

    async def cut(self) -> None:
        """Drop all connections, with what was held back, and let answers through again."""
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self._answers.set()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        with contextlib.suppress(asyncio.CancelledError, OSError), contextlib.closing(writer):
            if self.target is None:
                return
            there, back = await asyncio.open_connection(*self.target)
            with contextlib.closing(back):
                ways = [
                    asyncio.ensure_future(self._pump(reader, back, False)),
                    asyncio.ensure_future(self._pump(there, writer, True)),
                ]
                try:
                    await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
                finally:
                    for way in ways:
                        way.cancel()
                    await asyncio.gather(*ways, return_exceptions=True)

    async def _pump(
        self, source: asyncio.StreamReader, target: asyncio.StreamWriter, is_answer: bool
    ) -> None:
        while data := await source.read(65536):
            if is_answer:
                await self._answers.wait()
            target.write(data)
            await target.drain()

    async def __aenter__(self) -> Proxy:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        host, port = self._server.sockets[0].getsockname()[:2]
        self.url = f"http://{host}:{port}"
        return self

    async def __aexit__(self, *exc: object) -> None:
        assert self._server is not None
        self._server.close()
        await self.cut()
        await self._server.wait_closed()
