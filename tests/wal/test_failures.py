"""A disk that fails: specs/wal.md L-14. Nothing is released after it, nothing is tried again."""

from __future__ import annotations

import errno
import os
import subprocess
import sys
import textwrap
from collections.abc import Callable
from pathlib import Path

import pytest
from world import BUY, SELL, World, make_config

from rsx.core.disk import Disk, FaultDisk
from rsx.errors import StartError
from rsx.exchange import Exchange
from rsx.records import iterate
from rsx.tiles.wal import LogIoError
from rsx.wal.segments import space_short

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


def test_a_clean_stop_hears_of_a_sync_that_failed_before_it_calls_anything_durable(
    make_world: Callable[..., World], disk: FaultDisk
) -> None:
    """A later fsync of the same file succeeds, whatever the earlier one lost."""
    world = make_world(disk=disk, sync_marks=True, wal={"flush_ms": 60_000})
    world.run()
    durable = world.wal.durable
    world.deposit(1)
    for tile in (world.risk, world.wal):
        tile.step()
    disk.fail("sync")
    with pytest.raises(LogIoError, match="fsync of the log: Input/output error"):
        world.close()
    assert world.wal.durable == durable
    names = [view.record.name for view in iterate(world.log())]
    assert names[-1] == "DEPOSIT"  # written, but for no mark that would promise it


# --- a full disk (L-8) ------------------------------------------------------------------------


class Small(Disk):
    """A disk with so many bytes left."""

    free = 0

    def free_bytes(self, folder: object) -> int:
        return self.free


def test_space_for_the_next_segments_is_asked_for(tmp_path: Path) -> None:
    disk = Small()
    disk.free = (128 << 20) - 1
    assert space_short(tmp_path, 64, 1, disk) == (
        f"{tmp_path}: 127 MiB are free, the log wants 128 MiB (2 segments of 64 MiB)"
    )
    disk.free += 1
    assert space_short(tmp_path, 64, 1, disk) == ""


def test_a_start_without_space_is_refused_and_changes_nothing(tmp_path: Path) -> None:
    config = make_config().replace(data={"dir": str(tmp_path / "data")})
    exchange = Exchange(config)
    exchange.disk = Small()
    with pytest.raises(StartError, match="0 MiB are free, the log wants 1 MiB"):
        exchange.start()
    assert list((tmp_path / "data" / "wal").iterdir()) == []


@pytest.mark.parametrize("ahead", [0, 2])
def test_a_disk_that_fills_up_stops_the_exchange_and_room_lets_it_go_on(
    make_world: Callable[..., World], disk: FaultDisk, ahead: int
) -> None:
    world = make_world(disk=disk, wal={"segments_ahead": ahead})
    world.deposit(1, 2)
    world.run()
    disk.fail("write", 5, errno.ENOSPC, times=1 << 60)
    with pytest.raises(LogIoError, match="No space left on device; the exchange stops"):
        for _ in range(5 * 8192 // 256):
            for _ in range(256):
                world.cancel(1, 1)
            world.run()
    world.close()
    told = world.wal.released

    with pytest.raises(OSError, match="No space left on device"):  # still full
        world.start()
        world.run()
    world.close()
    disk.heal()
    world.start()
    assert world.recovered.start.next_seq > told
    world.place(1, SELL, 1000, 100)
    world.place(2, BUY, 1000, 100)
    world.run()
    assert world.names()[-1] == "FILL"
    assert world.fold().state_hash() == world.live_hash()
