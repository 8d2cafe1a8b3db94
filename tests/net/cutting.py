"""A TCP proxy that cuts each connection after some bytes, in the middle of whatever it carries."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable


class CuttingProxy:
    """Use with `async with`. sizes(): bytes that the next connection carries back before its end.

    `port` stays the same; `target` may be changed; cuts: connections cut so far.
    """

    def __init__(self, target: int, sizes: Callable[[], int]):
        self.target = target
        self.sizes = sizes
        self.port = 0
        self.cuts = 0
        self._tasks: set[asyncio.Task[None]] = set()
        self._server: asyncio.Server | None = None

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        with contextlib.suppress(OSError, asyncio.CancelledError):
            try:
                there, back = await asyncio.open_connection("127.0.0.1", self.target)
                try:
                    up = asyncio.ensure_future(self._pump(reader, back, 1 << 60))
                    await self._pump(there, writer, self.sizes())
                    self.cuts += 1
                finally:
                    up.cancel()
                    await asyncio.gather(up, return_exceptions=True)
                    back.transport.abort()
            finally:
                writer.close()

    async def _pump(
        self, source: asyncio.StreamReader, target: asyncio.StreamWriter, left: int
    ) -> None:
        while left > 0 and (data := await source.read(min(left, 65536))):
            left -= len(data)
            target.write(data)
            await target.drain()

    async def __aenter__(self) -> CuttingProxy:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *exc: object) -> None:
        assert self._server is not None
        self._server.close()
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
