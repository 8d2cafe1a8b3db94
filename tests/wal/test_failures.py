"""A disk that fails: specs/wal.md L-14. Nothing is released after it, nothing is tried again."""

from __future__ import annotations

import os
import subprocess
import sys
import textwrap
from collections.abc import Callable
from pathlib import Path

import pytest
from world import BUY, SELL, World

from rsx.core.disk import FaultDisk
from rsx.tiles.wal import LogIoError

ROOT = Path(__file__).parents[2]


@pytest.fixture
def disk() -> FaultDisk:
    return FaultDisk()


@pytest.fixture
def world(make_world: Callable[..., World], disk: FaultDisk) -> World:
    return make_world(disk=disk)


def test_a_failed_sync_stops_the_exchange_and_releases_nothing(
    world: World, disk: FaultDisk
) -> None:
    world.deposit(1, 2)
    world.run()
    world.place(1, SELL, 1000, 100)
    world.run()
    disk.fail("sync")
    world.place(2, BUY, 1000, 100)

    with pytest.raises(LogIoError, match="fsync of the log: Input/output error; the exchange"):
        world.run()
    world.collect()
    assert "FILL" not in world.names()
    assert world.recovered.state.ledger.position(2, 1)["net_qty"] == 0


def test_a_sync_that_fails_once_is_not_tried_again(world: World, disk: FaultDisk) -> None:
    world.run()
    world.deposit(1)
    disk.fail("sync")
    with pytest.raises(LogIoError):
        world.run()
    for _ in range(5):
        world.wal_sync.step()
        with pytest.raises(LogIoError):
            world.wal.step()
    world.collect()

    assert "DEPOSIT" not in world.names()


def test_a_file_that_cannot_grow_stops_the_exchange_where_it_is(tmp_path: Path) -> None:
    """A write that comes back short, as on a full disk: in a process with a file size limit."""
    script = textwrap.dedent("""
        import resource, sys
        from pathlib import Path
        from world import World
        from rsx.tiles.wal import LogIoError

        world = World(Path(sys.argv[1]))
        world.run()
        size = sum(p.stat().st_size for p in world.folder.iterdir())
        resource.setrlimit(resource.RLIMIT_FSIZE, (128 * 1000 + 50, resource.RLIM_INFINITY))
        released = 0
        try:
            while True:
                for _ in range(300):
                    world.cancel(1, 1)
                world.run()
        except LogIoError as error:
            world.collect()
            print(world.released[-1].seq, world.wal.released, world.wal.written, error)
    """)
    path = os.pathsep.join([str(ROOT), str(ROOT / "tests")])
    done = subprocess.run(
        [sys.executable, "-c", script, str(tmp_path)], capture_output=True, text=True, timeout=50,
        env={**os.environ, "PYTHONPATH": path}, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    seen, released, written, text = done.stdout.split(maxsplit=3)
    assert seen == released == written
    assert int(released) < 1000
    assert "write of the log" in text and "the exchange stops" in text


def test_a_segment_that_cannot_be_made_stops_the_exchange(
    make_world: Callable[..., World],
) -> None:
    world = make_world()
    world.run()
    (world.folder / "ahead-0.tmp").mkdir()
    with pytest.raises(LogIoError, match="new segment of the log: Is a directory"):
        while world.wal.appended < 9000:
            for _ in range(500):
                world.cancel(1, 1)
            world.run()
    world.collect()
    assert world.wal.released <= 8192
    (world.folder / "ahead-0.tmp").rmdir()


def test_a_failed_sync_on_the_engines_own_thread_stops_before_anything_is_released(
    world: World, disk: FaultDisk
) -> None:
    world.deposit(1, 2)
    world.run()
    world.place(1, SELL, 1000, 100)
    world.run()
    released = len(world.released)
    world.tiles.wal.sync_inline = True
    disk.fail("sync")
    world.place(2, BUY, 1000, 100)

    with pytest.raises(LogIoError, match="fsync of the log"):
        world.run()

    world.collect()
    assert "FILL" not in [view.record.name for view in world.released[released:]]
