"""The cursor over a growing log: specs/wal.md L-27 to L-29 (WAL-30, WAL-32, WAL-E08, WAL-E16)."""

from __future__ import annotations

import random
from collections.abc import Callable
from pathlib import Path

import pytest
from world import World

from rsx.core.crc import record_crc
from rsx.core.disk import Disk
from rsx.records import RECORD_SIZE, decode, iterate
from rsx.wal.follow import LogFollower, LogPruned
from rsx.wal.reader import LogDamaged
from rsx.wal.segments import list_segments

SEGMENT_RECORDS = (1 << 20) // RECORD_SIZE


def grow(world: World, records: int) -> None:
    """Cheap records: cancels of what is not there."""
    until = world.wal.appended + records
    while world.wal.appended < until:
        for _ in range(min(900, until - world.wal.appended)):
            world.cancel(1, 1)
        world.run()


@pytest.fixture
def three_segments(world: World) -> World:
    world.run()
    grow(world, 2 * SEGMENT_RECORDS)
    return world


def drain(follower: LogFollower, records_max: int = 8192) -> bytes:
    return b"".join(iter(lambda: follower.read(records_max), b""))


def spoil(folder: Path, seq: int, byte: int = 50) -> None:
    """Flip a bit of one record."""
    segment = [s for s in list_segments(folder) if s.first <= seq][-1]
    with open(segment.path, "r+b") as file:
        file.seek((seq - segment.first) * RECORD_SIZE + byte)
        value = file.read(1)[0]
        file.seek(-1, 1)
        file.write(bytes([value ^ 4]))


# --- a log being written ----------------------------------------------------------------------


def test_it_reads_what_is_written_as_it_is_written(world: World) -> None:
    follower = LogFollower(world.folder.parent, 1)
    assert follower.read() == b""
    chance = random.Random(4)
    seen = b""
    for _ in range(50):
        world.deposit(*range(1, chance.randint(2, 30)))
        world.run()
        seen += drain(follower, chance.choice([1, 3, 8192]))
        assert follower.next_seq == world.wal.appended + 1
    assert seen == world.log()
    assert (follower.epoch, follower.read()) == (1, b"")


@pytest.mark.parametrize("records_max", [1, 7, 1000, 8192, 100_000])
def test_it_crosses_segments_and_gives_no_more_than_asked_for(
    three_segments: World, records_max: int
) -> None:
    world = three_segments
    first = SEGMENT_RECORDS - 20 if records_max < 100 else 1
    follower = LogFollower(world.folder, first)
    seen: list[bytes] = []
    while chunk := follower.read(records_max):
        assert 0 < len(chunk) <= records_max * RECORD_SIZE
        seen.append(chunk)
        if records_max < 100 and follower.next_seq > first + 60:
            break
    data = world.log()[(first - 1) * RECORD_SIZE :]
    assert data.startswith(b"".join(seen))
    assert follower.next_seq > SEGMENT_RECORDS + 1
    if records_max >= 100:
        assert b"".join(seen) == data


def test_any_number_is_found_by_arithmetic(three_segments: World) -> None:
    """WAL-30: what lies before it is not read, but for the record before it."""

    class Counting(Disk):
        bytes = 0

        def read_file(self, path: str, offset: int = 0, size: int = -1) -> bytes:
            data = bytes(super().read_file(path, offset, size))
            self.bytes += len(data)
            return data

    world = three_segments
    for first in (2, SEGMENT_RECORDS, SEGMENT_RECORDS + 1, 2 * SEGMENT_RECORDS + 5):
        disk = Counting()
        chunk = LogFollower(world.folder, first, disk=disk).read(10)
        assert [view.seq for view in iterate(chunk)][:1] == [first]
        assert disk.bytes <= 12 * RECORD_SIZE


def test_a_start_between_two_reads_is_followed(world: World) -> None:
    world.deposit(1, 2)
    world.run()
    follower = LogFollower(world.folder, 1)
    before = drain(follower)
    world.restart()
    world.run()
    world.deposit(3)
    world.run()
    assert before + drain(follower) == world.log()
    assert follower.epoch == 2


def test_a_smaller_segment_size_ends_a_file_before_its_end(
    make_world: Callable[..., World],
) -> None:
    """The rest of such a file stays empty, and the next one begins in its middle."""
    world = make_world(wal={"segment_mib": 2})
    grow(world, SEGMENT_RECORDS + 100)
    follower = LogFollower(world.folder, 1)
    seen = drain(follower)
    world.restart(wal={"segment_mib": 1})
    grow(world, 100)
    assert len(list_segments(world.folder)) == 2
    assert seen + drain(follower) == world.log()


def test_an_empty_folder_and_a_number_to_come_wait(world: World, tmp_path: Path) -> None:
    (tmp_path / "none").mkdir()
    assert LogFollower(tmp_path / "none", 1).read() == b""
    assert LogFollower(tmp_path / "none", 77).read() == b""
    world.run()
    late = LogFollower(world.folder, world.wal.appended + 5)
    assert late.read() == b""
    world.deposit(*range(1, 20))
    world.run()
    assert decode(late.read()).seq == world.wal.appended - 19 + 5


@pytest.mark.parametrize("number", [0, -1])
def test_numbers_begin_at_1(world: World, number: int) -> None:
    with pytest.raises(ValueError, match=f"next_seq = {number}"):
        LogFollower(world.folder, number)


# --- the limit --------------------------------------------------------------------------------


def test_nothing_beyond_the_limit_is_given(world: World) -> None:
    world.deposit(*range(1, 30))
    world.run()
    limit = 0
    follower = LogFollower(world.folder, 1, lambda: limit)
    assert follower.read() == b""
    for limit in (1, 2, 9, 9, world.wal.appended):
        drain(follower, 4)
        assert follower.next_seq == limit + 1


def test_a_record_within_the_limit_that_is_not_there_is_damage(world: World) -> None:
    world.deposit(1, 2)
    world.run()
    written = world.wal.appended
    follower = LogFollower(world.folder, 1, lambda: written + 1)
    drained = follower.read()
    assert len(drained) == written * RECORD_SIZE
    offset = written * RECORD_SIZE
    with pytest.raises(
        LogDamaged, match=f"no valid record {written + 1} at offset {offset}, which"
    ):
        follower.read()
    world.deposit(3)
    world.run()
    assert decode(follower.read()).seq == written + 1  # it goes on when the record is there


def test_a_written_record_without_any_segment_is_damage(tmp_path: Path) -> None:
    follower = LogFollower(tmp_path, 3, lambda: 5)
    with pytest.raises(LogDamaged, match="no segment has record 3, which is written"):
        follower.read()


# --- damage -----------------------------------------------------------------------------------


@pytest.mark.parametrize("seq", [1, 5, SEGMENT_RECORDS, SEGMENT_RECORDS + 1])
@pytest.mark.parametrize("limited", [False, True])
def test_a_spoiled_record_is_located(three_segments: World, seq: int, limited: bool) -> None:
    world = three_segments
    spoil(world.folder, seq)
    follower = LogFollower(world.folder, 1, (lambda: world.wal.appended) if limited else None)
    good = b""
    with pytest.raises(LogDamaged) as refused:
        while chunk := follower.read():
            good += chunk
    segment = [s for s in list_segments(world.folder) if s.first <= seq][-1]
    offset = (seq - segment.first) * RECORD_SIZE
    assert f"{segment.path}: no valid record {seq} at offset {offset}" in str(refused.value)
    assert len(good) == (seq - 1) * RECORD_SIZE


def test_a_half_written_last_record_is_waited_for(world: World) -> None:
    world.deposit(1, 2)
    world.run()
    path, seq = list_segments(world.folder)[0].path, world.wal.appended
    whole = path.read_bytes()
    at = (seq - 1) * RECORD_SIZE
    path.write_bytes(whole[: at + 40] + bytes(len(whole) - at - 40))
    follower = LogFollower(world.folder, seq)
    assert follower.read() == b""
    path.write_bytes(whole)
    assert decode(follower.read()).seq == seq


def test_a_record_of_another_version_is_named(world: World) -> None:
    world.deposit(1, 2)
    world.run()
    path = list_segments(world.folder)[0].path
    data = bytearray(path.read_bytes())
    data[4 * RECORD_SIZE] = 9
    data[4 * RECORD_SIZE + 8 : 4 * RECORD_SIZE + 12] = record_crc(data, 4 * RECORD_SIZE).to_bytes(
        4, "little"
    )
    path.write_bytes(data)
    follower = LogFollower(world.folder, 1)
    assert len(follower.read()) == 4 * RECORD_SIZE
    with pytest.raises(LogDamaged, match="record 5 at offset 512 is of record version 9, this"):
        follower.read()


# --- pruning ----------------------------------------------------------------------------------


def test_a_number_before_the_log_is_refused_with_the_oldest_one(three_segments: World) -> None:
    world = three_segments
    first, second = list_segments(world.folder)[:2]
    first.path.unlink()
    with pytest.raises(LogPruned) as refused:
        LogFollower(world.folder, 9).read()
    assert (refused.value.next_seq, refused.value.oldest_seq) == (9, second.first)
    assert f"record 9 is pruned, the log begins at {second.first}" in str(refused.value)
    assert decode(LogFollower(world.folder, second.first).read(1)).seq == second.first


def test_a_segment_pruned_and_used_again_under_the_reader_is_noticed(three_segments: World) -> None:
    """The file becomes an ahead file, is zeroed, and gets another name and other records."""
    world = three_segments
    first, second = list_segments(world.folder)[:2]
    follower = LogFollower(world.folder, 1, lambda: world.wal.appended)
    assert len(follower.read(100)) == 100 * RECORD_SIZE
    ahead = first.path.rename(world.folder / "ahead-9.tmp")
    ahead.write_bytes(bytes(first.size))
    ahead.rename(world.folder / f"{10**6:020d}.wal")
    with pytest.raises(LogPruned) as refused:
        follower.read(100)
    assert (refused.value.next_seq, refused.value.oldest_seq) == (101, second.first)


def test_what_follows_a_pruned_segment_is_read_on(three_segments: World) -> None:
    world = three_segments
    first, second = list_segments(world.folder)[:2]
    follower = LogFollower(world.folder, 1)
    while follower.next_seq < second.first:
        follower.read()
    first.path.unlink()
    whole = drain(follower)
    assert decode(whole).seq == second.first
    assert follower.next_seq == world.wal.appended + 1
