"""A scripted life of the whole exchange, with a snapshot and segments that are used again, in
which the n-th call to the disk fails, for every n.

Each run ends either as if nothing had failed, or stopped with the reason and the folder; then the
next start recovers, finishes the script, and the state is that of a life without faults. What had
been released is in the log, byte for byte (specs/wal.md L-5, L-14, L-25).
"""

from __future__ import annotations

import errno
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from world import BUY, IOC, SELL, World

from rsx.core.disk import FaultDisk
from rsx.errors import StartError
from rsx.records import CANCEL_REJECTED, LOG_PRUNE, RECORD_SIZE, HeaderFlag
from rsx.wal.segments import list_segments
from rsx.wal.snapshot import list_snapshots, write_snapshot
from rsx.wal.start import fold_log
from rsx.wal.state import State

SEGMENT_RECORDS = 8192
FILLER = CANCEL_REJECTED.pack(
    user_id=1, oid=1, symbol_id=1, reason=1, stream=1, header_flags=HeaderFlag.GROUP_END
)
KINDS = (
    "open", "read", "write", "sync", "resize", "size", "rename", "unlink", "sync_folder",
)  # fmt: skip
Step = tuple[int, Callable[[Any], Any]]  # what marks it in the log, and what does it


class Life(World):
    """A world that keeps what is released as it came."""

    def __init__(self, folder: Path, disk: FaultDisk):
        self.told: list[bytes] = []
        super().__init__(
            folder, disk=disk, sync_marks=True, wal={"segments_ahead": 1, "retain_mib": 1},
            rings=dict.fromkeys(("matching_wal", "wal_gateway", "wal_risk"), 1 << 14),
        )  # fmt: skip

    def collect(self) -> int:
        self.told.append(self.rings["wal_gateway"].pop(1 << 20))
        return len(self.told[-1]) // RECORD_SIZE

    def fill_to(self, seq: int) -> None:
        """Records that change nothing, up to this number or a little less."""
        while (left := seq - self.wal.appended) > 8:
            self.rings["matching_wal[1]"].push_many(FILLER * min(left - 8, 4096))
            self.run()

    def snapshot(self) -> None:
        """Write one, and let go of what it stands for."""
        folder = self.folder.parent / "snapshots"
        if not list_snapshots(folder):
            write_snapshot(self.fold(), folder, self.disk)
        keep = list_snapshots(folder)[-1].seq + 1
        self.rings["replica_sync"].push(LOG_PRUNE.pack(keep_seq=keep))

    def fold(self, last_seq: int | None = None) -> State:
        return fold_log(self.config, self.folder, disk=self.disk).state


def order(oid: int, *args: Any, **more: Any) -> Step:
    def place(world: World) -> None:
        world.oid = oid - 1
        assert world.place(*args, **more) == oid

    return oid, place


def credit(user: int) -> Step:
    def deposit(world: World) -> None:
        world.request_id = user + 99
        world.deposit(user)

    return user + 100, deposit


def filled(segments: float) -> Step:
    return 0, lambda world: world.fill_to(int(segments * SEGMENT_RECORDS))


def stop(oid: int, *args: Any) -> Step:
    def place(world: World) -> None:
        world.oid = oid - 1
        assert world.stop(*args) == oid

    return oid, place


SCRIPT: tuple[Step, ...] = (
    credit(1), credit(2), order(1, 1, SELL, 1000, 100), order(2, 2, BUY, 1000, 40),
    filled(1), order(3, 2, BUY, 990, 100), order(4, 1, SELL, 990, 20), credit(3),
    stop(5, 2, SELL, 900, 10), filled(1.6), order(6, 2, BUY, 1000, 10, tif=IOC),
    filled(2), order(7, 1, SELL, 1010, 50), order(8, 2, BUY, 1010, 50),
    filled(2.1), credit(4), (0, Life.snapshot), order(9, 1, SELL, 1020, 30), filled(3.1),
    order(10, 2, BUY, 1020, 10), filled(4.1), order(11, 2, BUY, 1020, 10, tif=IOC),
)  # fmt: skip


def done_steps(world: World) -> set[int]:
    """Marks of the steps whose effect was recovered."""
    state = world.recovered.state
    users = {user + 100 for user in range(1, 9) if state.ledger.account(user)}
    return users | set(range(1, int(state.oid_max) + 1))


def play(world: Life) -> None:
    """What of the script is not done yet."""
    done = done_steps(world)
    world.run()
    for mark, step in SCRIPT:
        if mark not in done:
            step(world)
            world.run()


def live(folder: Path, disk: FaultDisk) -> tuple[Life | None, str]:
    """One life; returns what there was of it and why it ended, "" = its time had come."""
    world = None
    try:
        world = Life(folder, disk)
        play(world)
        world.close()
    except (OSError, StartError) as error:
        if world is not None:
            world.close()
        return world, str(error)
    return world, ""


@cache
def without_fault() -> tuple[int, dict[str, int]]:
    """(state at the end, calls of each kind)."""
    disk = FaultDisk()
    with TemporaryDirectory() as folder:
        world, ended = live(Path(folder), disk)
        assert world is not None and not ended
        counters = world.wal_sync.counters()
        assert counters["segments_recycled"] == 1 and counters["segments_removed"] == 1
        assert world.oid == 11
        return world.live_hash(), disk.calls()


def audited(folder: Path, told: bytes, disk: FaultDisk) -> None:
    """Live once more, without faults: the same end, and nothing that was told is missing."""
    disk.heal()
    world, ended = live(folder, disk)
    assert world is not None and not ended
    assert world.live_hash() == world.fold().state_hash() == without_fault()[0]
    cut = (list_segments(world.folder)[0].first - 1) * RECORD_SIZE  # what is pruned
    assert told[cut:] in world.log()


def every(kind: str) -> Iterator[int]:
    return iter(range(1, without_fault()[1][kind] + 1))


@pytest.mark.parametrize("kind", KINDS)
def test_every_call_that_fails_ends_in_the_same_state_or_a_located_refusal(
    tmp_path: Path, kind: str
) -> None:
    for number in every(kind):
        folder = tmp_path / str(number)
        disk = FaultDisk()
        disk.fail(kind, number, errno.ENOSPC if number % 2 else errno.EIO)
        world, ended = live(folder, disk)
        assert disk.faults == 1
        assert str(folder) in ended, (number, ended)
        audited(folder, b"".join(world.told) if world else b"", disk)


@pytest.mark.parametrize("size", [0, 200])
def test_every_write_that_comes_back_short(tmp_path: Path, size: int) -> None:
    for number in every("write"):
        folder = tmp_path / str(number)
        disk = FaultDisk()
        disk.fail("write", number, size=size)
        world, ended = live(folder, disk)
        assert bool(ended) == (size == 0), (number, ended)
        if ended:
            assert "No space left on device" in ended and str(folder) in ended
        audited(folder, b"".join(world.told) if world else b"", disk)
