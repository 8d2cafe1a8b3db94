"""asyncio tiles and the thread that runs them on a uvloop loop.

The loop sleeps in its selector; a producer wakes it through the tile's doorbell. Source:
specs/tiles.md T-14, T-20; INV-30.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import threading
from collections.abc import Callable, Set

import uvloop

from rsx.core.ring import Doorbell, Ring

WORK_PER_WAKE = 1024


class AsyncTile:
    """A tile on an event loop: `do_work` drains its rings and never blocks.

    Attributes: name; inputs (rings it consumes); doorbell; loop (set before on_start).
    Thread: every method on the loop's thread, except where a subclass says otherwise.
    """

    loop: asyncio.AbstractEventLoop

    def __init__(self, name: str, inputs: list[Ring]):
        self.name = name
        self.inputs = inputs
        self.doorbell = Doorbell()
        self.is_scheduled = False  # a duty cycle is queued on the loop
        for ring in inputs:
            ring.set_doorbell(self.doorbell)

    async def on_start(self) -> None:
        """Called once on the loop, before the first duty cycle."""

    def do_work(self) -> int:
        """Drain the inputs up to a limit; returns how much was done, 0 = nothing left."""
        return 0

    async def on_close(self) -> None:
        """Called once on the loop, after the last duty cycle."""

    def step(self) -> int:
        """One duty cycle by hand."""
        return self.do_work()

    def counters(self) -> dict[str, int]:
        return {}


class AsyncRunner:
    """A thread with a uvloop loop that runs asyncio tiles.

    `start` returns when every tile's on_start has; it raises what on_start raised. A later
    exception in do_work ends the loop, is kept in `failure` and reported to on_failure.
    """

    def __init__(
        self,
        name: str,
        tiles: list[AsyncTile],
        cpus: Set[int] | None = None,
        on_failure: Callable[[AsyncRunner], None] | None = None,
    ):
        self.name = name
        self.tiles = tiles
        self.cpus = cpus
        self.on_failure = on_failure
        self.failure: BaseException | None = None
        self.loop = uvloop.new_event_loop()
        self.started = threading.Event()
        self.stop_event: asyncio.Event | None = None
        self.thread: threading.Thread | None = None

    def start(self) -> None:
        self.thread = threading.Thread(target=self._run, name=self.name, daemon=True)
        self.thread.start()
        self.started.wait()
        if self.failure is not None:
            raise self.failure

    def stop(self, timeout_s: float = 10) -> None:
        """Close the tiles and join. Raises TimeoutError when the loop is stuck."""
        if self.thread is None:
            return
        with contextlib.suppress(RuntimeError):  # the loop has ended by itself
            self.loop.call_soon_threadsafe(self._request_stop)
        self.thread.join(timeout_s)
        if self.thread.is_alive():
            raise TimeoutError(f"thread {self.name} did not stop")
        self.thread = None

    def _request_stop(self) -> None:
        if self.stop_event is not None:
            self.stop_event.set()

    def _run(self) -> None:
        try:
            if self.cpus and hasattr(os, "sched_setaffinity"):
                os.sched_setaffinity(0, self.cpus)
            asyncio.set_event_loop(self.loop)
            self.loop.run_until_complete(self._main())
        except BaseException as error:
            self.failure = error
            if self.started.is_set() and self.on_failure is not None:
                self.on_failure(self)
        finally:
            self.started.set()
            self.loop.close()

    async def _main(self) -> None:
        self.stop_event = asyncio.Event()
        running: list[AsyncTile] = []
        try:
            for tile in self.tiles:
                tile.loop = self.loop
                await tile.on_start()
                running.append(tile)
            for tile in running:
                self.loop.add_reader(tile.doorbell.fd, self._woken, tile)
                self._schedule(tile)
            self.started.set()
            await self.stop_event.wait()
        finally:
            await self._close(running)
        if self.failure is not None:
            raise self.failure

    async def _close(self, running: list[AsyncTile]) -> None:
        """Close every tile that has started, whatever the others do; the first failure counts."""
        for tile in running:
            self.loop.remove_reader(tile.doorbell.fd)
        for tile in reversed(running):
            try:
                await tile.on_close()
            except Exception as error:
                if self.failure is None:
                    self.failure = error

    def _schedule(self, tile: AsyncTile) -> None:
        if not tile.is_scheduled:
            tile.is_scheduled = True
            self.loop.call_soon(self._cycle, tile)

    def _woken(self, tile: AsyncTile) -> None:
        tile.doorbell.disarm()
        if not tile.is_scheduled:  # one that is queued comes at once anyway
            self._cycle(tile)

    def _cycle(self, tile: AsyncTile) -> None:
        """Drain, then arm and look once more, so that no wake-up is lost (INV-30)."""
        tile.is_scheduled = False
        if self.stop_event is None or self.stop_event.is_set():
            return
        try:
            if tile.do_work():
                self._schedule(tile)
                return
            tile.doorbell.arm()
            if any(len(ring) for ring in tile.inputs):
                self._schedule(tile)
        except BaseException as error:
            self.failure = error
            self.stop_event.set()
