"""Tile, its runner (a thread that never holds the GIL), idle strategies.

A runner calls `do_work` of its tiles in turn. When a pass found nothing:

    SPINNING --spin_ns--> YIELDING --yield_ns--> SLEEPING (doorbell armed, rings looked at again)
       ^                                            |
       +------------- any work, or rung ------------+

`spin` stays in SPINNING. Source: specs/tiles.md sections 2 and 3; INV-30.
"""

from libc.stdint cimport uint64_t

import os
import threading

from rsx.core.clock cimport monotonic_ns
from rsx.core.ring cimport Doorbell, Ring, rsx_pause, rsx_yield

cdef enum:
    TILES_MAX = 64
    SLEEP_MAX_MS = 100


cdef class Tile:
    """An owner of state with a duty cycle. Subclasses override `do_work` and the two hooks."""

    def __init__(self, str name, list inputs):
        self.name = name
        self.inputs = inputs

    def on_start(self):
        """Called once, before the first duty cycle, on the starting thread."""

    def on_close(self):
        """Called once, after the last duty cycle, on the stopping thread."""

    cdef int do_work(self) except -1 nogil:
        return 0

    def step(self):
        """One duty cycle by hand, with the GIL held; returns the work done."""
        return self.do_work()

    def counters(self):
        """Named numbers for /metrics, read while the tile runs; each may be slightly old."""
        return {}


cdef class Idle:
    """What a runner does when it finds no work: "backoff" or "spin" (specs/tiles.md T-20)."""

    def __init__(self, str strategy="backoff", uint64_t spin_us=50, uint64_t yield_us=50):
        if strategy not in ("backoff", "spin"):
            raise ValueError(f"idle strategy {strategy!r} is neither 'backoff' nor 'spin'")
        self.strategy = strategy
        self.spin_ns = (1 << 63) if strategy == "spin" else spin_us * 1000
        self.yield_ns = yield_us * 1000


cdef class Runner:
    """A thread that runs compiled tiles without the GIL until stopped.

    Args     cpus: set of cores to pin to, or None; on_failure(runner): called on the thread
             after a failed check, `runner.failure` holds the exception
    Thread   start and stop from the owner
    """

    def __init__(self, str name, list tiles, Idle idle, cpus=None, on_failure=None):
        cdef Tile tile
        cdef Ring ring
        if not 1 <= len(tiles) <= TILES_MAX:
            raise ValueError(f"runner {name}: {len(tiles)} tiles")
        self.name = name
        self.tiles = tiles
        self.idle = idle
        self.cpus = cpus
        self.on_failure = on_failure
        self.doorbell = Doorbell()
        self.count = len(tiles)
        for index, tile in enumerate(tiles):
            self.entries[index] = <void*>tile
            for ring in tile.inputs:
                ring.set_doorbell(self.doorbell)

    def start(self):
        for tile in self.tiles:
            tile.on_start()
        self.thread = threading.Thread(target=self._run, name=self.name, daemon=True)
        self.thread.start()

    def request_stop(self):
        """Ask for the end after the current pass; returns at once."""
        self.stopping = 1
        self.doorbell.ring()

    def stop(self, timeout_s=10):
        """Finish the current pass, join, close the tiles. Raises TimeoutError when stuck."""
        if self.thread is None:
            return
        self.request_stop()
        self.thread.join(timeout_s)
        if self.thread.is_alive():
            raise TimeoutError(f"thread {self.name} did not stop")
        self.thread = None
        for tile in self.tiles:
            tile.on_close()
        self.doorbell.close()

    def abandon(self, timeout_s=10):
        """End the thread and leave the tiles as they are: after a failure nothing more is done."""
        if self.thread is None:
            return
        self.request_stop()
        self.thread.join(timeout_s)
        self.thread = None

    def _run(self):
        try:
            if self.cpus and hasattr(os, "sched_setaffinity"):
                os.sched_setaffinity(0, self.cpus)
            with nogil:
                self.loop()
        except BaseException as error:
            self.failure = error
            if self.on_failure is not None:
                self.on_failure(self)

    cdef int run_pass(self) except -1 nogil:
        cdef int index, work = 0
        for index in range(self.count):
            work += (<Tile>self.entries[index]).do_work()
        return work

    cdef int loop(self) except -1 nogil:
        cdef uint64_t idle_since = 0
        while not self.stopping:
            self.passes += 1
            if self.run_pass():
                idle_since = 0
            else:
                self.rest(&idle_since)
        return 0

    cdef int rest(self, uint64_t* idle_since) except -1 nogil:
        cdef uint64_t now = monotonic_ns()
        cdef uint64_t due = 0, tile_due
        cdef int index, timeout_ms = SLEEP_MAX_MS
        if idle_since[0] == 0:
            idle_since[0] = now
        if now - idle_since[0] < self.idle.spin_ns:
            rsx_pause()
            return 0
        if now - idle_since[0] < self.idle.spin_ns + self.idle.yield_ns:
            rsx_yield()
            return 0
        self.doorbell.arm_flag()
        if self.run_pass():
            self.doorbell.clear()
            idle_since[0] = 0
            return 0
        for index in range(self.count):
            tile_due = (<Tile>self.entries[index]).due_ns
            if tile_due and (due == 0 or tile_due < due):
                due = tile_due
        if due:
            timeout_ms = <int>((due - now) // 1000000) + 1 if due > now else 1
            if timeout_ms > SLEEP_MAX_MS:
                timeout_ms = SLEEP_MAX_MS
        self.sleeps += 1
        if self.stopping == 0 and self.doorbell.sleep(timeout_ms):
            idle_since[0] = 0
        elif due:
            idle_since[0] = now - self.idle.spin_ns - self.idle.yield_ns
        return 0

    def counters(self):
        return {"passes": self.passes, "sleeps": self.sleeps}
