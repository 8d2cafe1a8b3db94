"""Runners: threads that start, sleep, wake, stop, and say what failed (T-10 .. T-21).

The compiled tile that stands in for all is WalSync: it needs two rings and a folder, answers each
SYNC_REQUEST with one SYNC_DONE, and fails check 1302 when its output is full.
"""

from __future__ import annotations

import asyncio
import os
import threading
import time

import pytest

from rsx.core.async_tile import AsyncRunner, AsyncTile
from rsx.core.check import InvariantError
from rsx.core.ring import Ring
from rsx.core.tile import Idle, Runner, Tile
from rsx.records import SYNC_DONE, SYNC_REQUEST
from rsx.tiles.wal import WalSync

DEADLINE_S = 10.0
ASLEEP = Idle("backoff", 0, 0)


def until(condition, what: str) -> None:
    """Wait for another thread, bounded."""
    deadline = time.monotonic() + DEADLINE_S
    while not condition():
        assert time.monotonic() < deadline, what
        time.sleep(0.001)


@pytest.fixture
def file(tmp_path):
    with open(tmp_path / "file", "wb") as opened:
        yield opened


class Sync:
    """A WalSync tile with both of its rings in the test's hands."""

    def __init__(self, folder, answers_max=64):
        self.requests = Ring("wal_sync", 64)
        self.answers = Ring("sync_wal", answers_max)
        self.tile = WalSync(
            "wal_sync", wal_sync=self.requests, sync_wal=self.answers, folder=folder,
            segment_bytes=1 << 20, ahead=0,
        )  # fmt: skip

    def ask(self, file, seq: int) -> None:
        assert self.requests.push(SYNC_REQUEST.pack(seq=seq, fd=file.fileno(), close_fd=-1))

    def answer(self) -> int:
        assert self.answers.wait(int(DEADLINE_S * 1e9)), "no answer"
        return SYNC_DONE.unpack(self.answers.pop(1)).seq


class Hooked(Tile):
    """A tile that notes its hooks."""

    def __init__(self, name, log):
        super().__init__(name, [])
        self.log = log

    def on_start(self):
        self.log.append(f"start {self.name}")

    def on_close(self):
        self.log.append(f"close {self.name}")


# --- compiled tiles ---------------------------------------------------------------------------


def test_a_tile_does_the_same_work_under_a_stepper_and_under_a_runner(tmp_path, file):
    stepped, run = Sync(tmp_path), Sync(tmp_path)
    for sync in (stepped, run):
        for seq in (1, 2, 3):
            sync.ask(file, seq)

    stepped.tile.on_start()
    assert [stepped.tile.step() for _ in range(4)] == [1, 1, 1, 0]
    stepped.tile.on_close()
    runner = Runner("sync", [run.tile], ASLEEP)
    runner.start()
    try:
        assert [run.answer() for _ in range(3)] == [1, 2, 3]
    finally:
        runner.stop()

    assert [stepped.answer() for _ in range(3)] == [1, 2, 3]


def test_a_runner_starts_and_closes_each_tile_once_and_can_be_stopped_twice():
    log: list[str] = []
    runner = Runner("both", [Hooked("a", log), Hooked("b", log)], ASLEEP)

    runner.start()
    runner.stop()
    runner.stop()

    assert log == ["start a", "start b", "close a", "close b"]
    assert runner.failure is None


def test_a_runner_that_was_never_started_stops_without_a_word():
    Runner("idle", [Hooked("a", [])], ASLEEP).stop()


def test_an_idle_thread_sleeps_and_wakes_for_a_record(tmp_path, file):
    sync = Sync(tmp_path)
    runner = Runner("sync", [sync.tile], ASLEEP)
    runner.start()
    try:
        until(lambda: runner.counters()["sleeps"] > 0, "it never slept")
        for seq in range(1, 200):
            sync.ask(file, seq)
            assert sync.answer() == seq
        before, began = runner.counters(), time.monotonic()
        until(lambda: runner.counters()["sleeps"] >= before["sleeps"] + 3, "it stays awake")
        passes = runner.counters()["passes"] - before["passes"]
        # 3 sleeps of 100 ms each, and a pass before each of them; with room for wake-ups.
        assert passes <= 20
        assert time.monotonic() - began >= 0.15
    finally:
        runner.stop()


def test_a_spinning_thread_never_sleeps(tmp_path, file):
    sync = Sync(tmp_path)
    runner = Runner("sync", [sync.tile], Idle("spin"))
    runner.start()
    try:
        sync.ask(file, 1)
        assert sync.answer() == 1
        until(lambda: runner.counters()["passes"] > 10_000, "it does not run")
        assert runner.counters()["sleeps"] == 0
    finally:
        runner.stop()


def test_stop_ends_a_sleeping_thread_at_once():
    runner = Runner("asleep", [Hooked("a", [])], ASLEEP)
    runner.start()
    until(lambda: runner.counters()["sleeps"] > 0, "it never slept")

    runner.stop()

    assert not [t for t in threading.enumerate() if t.name == "asleep"]


def test_a_failed_check_is_reported_with_its_values_and_ends_the_thread(tmp_path, file):
    sync = Sync(tmp_path, answers_max=2)
    reported: list[Runner] = []
    runner = Runner("sync", [sync.tile], ASLEEP, on_failure=reported.append)
    for seq in (7, 8, 9):  # the third answer finds no room
        sync.ask(file, seq)

    runner.start()
    until(lambda: reported, "nothing was reported")
    runner.stop()

    assert reported == [runner]
    assert isinstance(runner.failure, InvariantError)
    assert (runner.failure.number, runner.failure.values[0]) == (1302, 9)
    assert not [t for t in threading.enumerate() if t.name == "sync"]


def test_a_tile_that_cannot_start_is_the_caller_s_error():
    class Broken(Hooked):
        def on_start(self):
            raise OSError("no folder")

    runner = Runner("broken", [Broken("a", [])], ASLEEP)
    with pytest.raises(OSError, match="no folder"):
        runner.start()
    runner.stop()


@pytest.mark.parametrize("count", [0, 65])
def test_a_thread_takes_from_one_to_64_tiles(count):
    with pytest.raises(ValueError, match=f"{count} tiles"):
        Runner("many", [Tile(f"t{i}", []) for i in range(count)], ASLEEP)


def test_an_unknown_idle_strategy_is_refused_with_its_name():
    with pytest.raises(ValueError, match="'nap'"):
        Idle("nap")


@pytest.mark.skipif(not hasattr(os, "sched_getaffinity"), reason="no pinning here")
def test_a_thread_runs_on_the_cores_it_was_given():
    cpu = max(os.sched_getaffinity(0))
    runner = Runner("pinned", [Hooked("a", [])], ASLEEP, cpus={cpu})
    runner.start()
    try:
        until(lambda: runner.counters()["passes"] > 0, "it does not run")
        (thread,) = (t for t in threading.enumerate() if t.name == "pinned")
        assert os.sched_getaffinity(thread.native_id) == {cpu}
    finally:
        runner.stop()


@pytest.mark.skipif(not hasattr(os, "sched_getaffinity"), reason="no pinning here")
def test_cores_that_do_not_exist_are_a_failure_that_is_told():
    reported = threading.Event()
    runner = Runner(
        "nowhere", [Hooked("a", [])], ASLEEP, cpus={4095}, on_failure=lambda _: reported.set()
    )
    runner.start()

    assert reported.wait(DEADLINE_S)
    runner.stop()
    assert isinstance(runner.failure, OSError)


# --- asyncio tiles ----------------------------------------------------------------------------


class Echo(AsyncTile):
    """Answers each record with itself; fails on one that begins with a cross."""

    def __init__(self, name="echo", start_error=None, close_error=None):
        self.ring = Ring(f"test_{name}", 64)
        self.out = Ring(f"{name}_test", 64)
        super().__init__(name, [self.ring])
        self.errors = (start_error, close_error)
        self.log: list[str] = []

    async def on_start(self):
        self.log.append("start")
        if self.errors[0]:
            raise self.errors[0]

    def do_work(self):
        data = self.ring.pop(4)
        if data.startswith(b"x"):
            raise InvariantError(6, 1, 2)
        self.out.push_many(data)
        return len(data) // 128

    async def on_close(self):
        self.log.append("close")
        if self.errors[1]:
            raise self.errors[1]


def test_an_asyncio_tile_is_woken_by_its_producers():
    echo = Echo()
    runner = AsyncRunner("loop", [echo])
    runner.start()
    try:
        for number in range(1000):
            message = bytes([number % 64]) * 128
            assert echo.ring.push(message)
            assert echo.out.wait(int(DEADLINE_S * 1e9)), f"no echo of {number}"
            assert echo.out.pop() == message
    finally:
        runner.stop()
    assert echo.log == ["start", "close"]
    assert runner.failure is None


def test_more_than_one_batch_is_drained_without_another_wake_up():
    echo = Echo()
    echo.ring.push_many(bytes(128) * 50)
    runner = AsyncRunner("loop", [echo])
    runner.start()
    try:
        until(lambda: echo.out.counters()["depth"] - echo.out.free == 50, "left in the ring")
    finally:
        runner.stop()


def test_tiles_start_in_order_on_one_loop_and_close_in_the_opposite_order():
    first, second = Echo("first"), Echo("second")
    first.log = second.log = []
    runner = AsyncRunner("loop", [first, second])
    runner.start()

    assert first.loop is second.loop is runner.loop
    runner.stop()
    runner.stop()

    assert first.log == ["start", "start", "close", "close"]


def test_what_on_start_raises_is_raised_by_start_and_not_reported_twice():
    reported: list[AsyncRunner] = []
    runner = AsyncRunner(
        "loop", [Echo(start_error=OSError("port in use"))], on_failure=reported.append
    )

    with pytest.raises(OSError, match="port in use"):
        runner.start()

    runner.stop()
    assert reported == []


def test_tiles_that_had_started_are_closed_when_a_later_one_cannot_start():
    fine, broken = Echo("fine"), Echo("broken", start_error=OSError("port in use"))
    runner = AsyncRunner("loop", [fine, broken])

    with pytest.raises(OSError, match="port in use"):
        runner.start()
    runner.stop()

    assert fine.log == ["start", "close"]
    assert broken.log == ["start"]


def test_a_failure_in_do_work_is_reported_and_closes_the_tiles():
    echo, reported = Echo(), threading.Event()
    runner = AsyncRunner("loop", [echo], on_failure=lambda _: reported.set())
    runner.start()

    echo.ring.push(b"x" * 128)

    assert reported.wait(DEADLINE_S)
    runner.stop()
    assert isinstance(runner.failure, InvariantError)
    assert echo.log == ["start", "close"]


def test_the_failure_that_came_first_is_the_one_that_is_told():
    echo = Echo(close_error=RuntimeError("closing failed too"))
    reported = threading.Event()
    runner = AsyncRunner("loop", [echo], on_failure=lambda _: reported.set())
    runner.start()

    echo.ring.push(b"x" * 128)

    assert reported.wait(DEADLINE_S)
    runner.stop()
    assert isinstance(runner.failure, InvariantError)


def test_a_task_of_a_tile_can_be_run_from_another_thread():
    echo = Echo()
    runner = AsyncRunner("loop", [echo])
    runner.start()
    try:

        async def name() -> str:
            return threading.current_thread().name

        assert asyncio.run_coroutine_threadsafe(name(), echo.loop).result(DEADLINE_S) == "loop"
    finally:
        runner.stop()


def test_stop_gives_up_on_a_loop_that_is_stuck():
    stuck, go_on = threading.Event(), threading.Event()

    class Stuck(Echo):
        def do_work(self):
            if self.ring.pop():
                stuck.set()
                go_on.wait(DEADLINE_S)
            return 0

    tile = Stuck()
    runner = AsyncRunner("loop", [tile])
    runner.start()
    tile.ring.push(bytes(128))
    assert stuck.wait(DEADLINE_S)

    with pytest.raises(TimeoutError, match="thread loop did not stop"):
        runner.stop(0.05)

    go_on.set()
    runner.stop()
