"""Old segments go, and become new ones: specs/wal.md L-6 and L-7."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from world import World

from rsx.records import LOG_PRUNE, RECORD_SIZE, decode
from rsx.wal.follow import LogFollower, LogPruned
from rsx.wal.inspect import inspect
from rsx.wal.segments import list_segments
from rsx.wal.slots import used_bytes

SEGMENT_RECORDS = 8192


@pytest.fixture
def world(make_world: Callable[..., World]) -> World:
    return make_world(wal={"segments_ahead": 2, "retain_mib": 4})


def grow(world: World, segments: float) -> None:
    """Write refused cancels until so many segments are full."""
    world.run()
    while (left := int(SEGMENT_RECORDS * segments) - world.wal.appended) > 0:
        for _ in range(min(left, 500)):
            world.cancel(1, 1)
        world.run()


def prune(world: World, keep_seq: int) -> None:
    assert world.rings["replica_sync"].push(LOG_PRUNE.pack(keep_seq=keep_seq))
    world.run()


def firsts(world: World) -> list[int]:
    return [segment.first for segment in list_segments(world.folder)]


def names(world: World) -> list[str]:
    return sorted(path.name for path in world.folder.iterdir())


def first_of(segment: int) -> int:
    """Number that the n-th segment begins with, from 1."""
    return (segment - 1) * SEGMENT_RECORDS + 1


def read_from(world: World, seq: int) -> bytes:
    follower = LogFollower(world.folder, seq)
    return b"".join(iter(follower.read, b""))


def test_a_segment_that_nobody_needs_waits_until_one_is_needed(world: World) -> None:
    """WAL: recycling; the file is the same, under another name."""
    grow(world, 3.5)
    assert firsts(world) == [first_of(n) for n in (1, 2, 3, 4)]
    oldest = list_segments(world.folder)[0].path.stat().st_ino
    prune(world, first_of(3))
    assert firsts(world) == [first_of(n) for n in (1, 2, 3, 4)]  # two are ready already
    assert world.wal_sync.oldest == 1

    grow(world, 4.5)  # takes one of those, so that another is due
    assert firsts(world) == [first_of(n) for n in (2, 3, 4, 5)]
    assert world.wal_sync.oldest == first_of(2)
    assert world.wal_sync.counters()["segments_recycled"] == 1
    inodes = [path.stat().st_ino for path in world.folder.glob("ahead-*.tmp")]
    assert oldest in inodes and len(inodes) == 2

    grow(world, 6.5)
    assert list_segments(world.folder)[-1].path.stat().st_ino == oldest
    assert world.wal_sync.oldest == first_of(3)
    data = read_from(world, first_of(3))
    seqs = [decode(data, at).seq for at in range(0, len(data), RECORD_SIZE)]
    assert seqs == list(range(first_of(3), world.wal.appended + 1))


def test_a_record_that_is_needed_keeps_its_whole_segment(world: World) -> None:
    grow(world, 3.5)
    prune(world, first_of(3) - 1)
    grow(world, 8.5)
    assert firsts(world)[0] == world.wal_sync.oldest == first_of(2)


def test_only_the_newest_word_counts_and_it_never_goes_back(world: World) -> None:
    grow(world, 3.5)
    world.rings["replica_sync"].push(LOG_PRUNE.pack(keep_seq=first_of(2)))
    prune(world, first_of(3))
    prune(world, 1)
    assert world.wal_sync.counters()["log_keep_seq"] == first_of(3)
    assert len(world.rings["replica_sync"]) == 0


def test_what_is_not_durable_does_not_go(make_world: Callable[..., World]) -> None:
    """Somebody who has read ahead of the disk must not take the log away from under it."""
    world = make_world(wal={"segments_ahead": 1, "retain_mib": 0, "flush_ms": 60_000})
    grow(world, 1.5)
    prune(world, 1 << 60)
    assert world.wal_sync.durable_seq >= SEGMENT_RECORDS
    grow(world, 2.5)
    assert firsts(world)[-1] == first_of(3)
    assert world.wal_sync.oldest <= world.wal_sync.durable_seq + 1


def test_what_is_more_than_can_be_used_soon_is_removed(make_world: Callable[..., World]) -> None:
    world = make_world(wal={"segments_ahead": 1, "retain_mib": 2})
    grow(world, 8.5)
    prune(world, first_of(8))
    assert firsts(world) == [first_of(n) for n in (6, 7, 8, 9)]
    assert world.wal_sync.oldest == first_of(6)
    assert world.wal_sync.counters()["segments_removed"] == 5
    assert names(world)[-1] == "ahead-9.tmp"


def test_a_log_that_is_pruned_as_it_grows_stays_within_bounds(world: World) -> None:
    grow(world, 2)
    for _ in range(10):
        prune(world, world.wal.durable - SEGMENT_RECORDS)
        grow(world, world.wal.appended / SEGMENT_RECORDS + 0.7)
        assert len(names(world)) <= 9
    counters = world.wal_sync.counters()
    assert counters["segments_recycled"] >= 5 and counters["segments_removed"] == 0
    assert world.wal.counters()["segments_unprepared"] == 1
    data = read_from(world, world.wal_sync.oldest)
    assert decode(data, len(data) - RECORD_SIZE).seq == world.wal.appended


def test_a_file_of_another_length_is_not_used_again(make_world: Callable[..., World]) -> None:
    world = make_world(wal={"segments_ahead": 2, "retain_mib": 4})
    grow(world, 3.5)
    with open(list_segments(world.folder)[0].path, "ab") as file:
        file.write(bytes(1 << 20))
    prune(world, first_of(3))
    grow(world, 5.5)
    assert firsts(world)[0] == first_of(3)
    assert world.wal_sync.counters()["segments_removed"] == 1
    assert world.wal_sync.counters()["segments_recycled"] == 1


def test_a_reader_of_a_recycled_segment_is_told_that_it_is_pruned(world: World) -> None:
    grow(world, 3.5)
    follower = LogFollower(world.folder, 100)
    assert decode(follower.read(10)).seq == 100
    prune(world, first_of(3))
    grow(world, 7.5)
    with pytest.raises(LogPruned) as pruned:
        follower.read(10)
    assert (pruned.value.next_seq, pruned.value.oldest_seq) == (110, first_of(3))


# --- what the file holds of its life before (L-7) ---------------------------------------------


def refill(world: World) -> Path:
    """Put old records where the newest segment is empty, as recycling leaves it."""
    old, new = list_segments(world.folder)[0].path, list_segments(world.folder)[-1]
    used = (world.wal.appended - new.first + 1) * RECORD_SIZE
    data = old.read_bytes()[used:]
    with open(new.path, "r+b") as file:
        file.seek(used)
        file.write(data)
    return new.path


def test_stale_records_are_empty_slots_to_a_start(world: World) -> None:
    grow(world, 1.5)
    path = refill(world)
    last, state = world.wal.appended, world.live_hash()
    world.close()
    found = inspect(world.folder)
    assert (found.status, found.last_seq, found.torn_bytes) == ("sound", last, 0)
    kept = path.read_bytes()

    world.start()
    assert (world.recovered.start.next_seq, world.recovered.torn_bytes) == (last + 1, 0)
    assert world.recovered.state.state_hash() == state
    assert path.read_bytes() == kept
    grow(world, 2.5)
    assert world.fold().state_hash() == world.live_hash()


def test_a_torn_write_over_stale_records_is_cut(world: World) -> None:
    grow(world, 1.5)
    path = refill(world)
    last, first = world.wal.appended, list_segments(world.folder)[-1].first
    end = (last - first + 1) * RECORD_SIZE
    world.close()
    with open(path, "r+b") as file:
        file.seek(end + 3 * RECORD_SIZE)
        file.write(b"torn")
    torn = len(path.read_bytes()[end : end + 4 * RECORD_SIZE].rstrip(b"\0"))
    assert inspect(world.folder).torn_bytes == torn > 3 * RECORD_SIZE

    world.start()
    assert (world.recovered.start.next_seq, world.recovered.torn_bytes) == (last + 1, torn)
    assert not any(path.read_bytes()[end:])


def test_a_follower_waits_before_a_stale_record(world: World) -> None:
    grow(world, 1.5)
    refill(world)
    follower = LogFollower(world.folder, world.wal.appended - 4)
    assert len(follower.read()) == 5 * RECORD_SIZE
    assert follower.read() == b""
    due = world.wal.appended + 1
    world.cancel(1, 1)
    world.run()
    assert decode(follower.read()).seq == due


def test_used_bytes(world: World) -> None:
    grow(world, 0.5)
    data = list_segments(world.folder)[0].path.read_bytes()[: 100 * RECORD_SIZE]
    size = len(data.rstrip(b"\0"))
    assert used_bytes(data, 1) == size > 99 * RECORD_SIZE  # in their place
    assert used_bytes(data, 5) == used_bytes(bytes(999), 1) == used_bytes(b"", 1) == 0
    assert used_bytes(data + bytes(500), 1) == size
    assert used_bytes(data + b"\1", 9) == len(data) + 1
    assert used_bytes(data[:-1], 9) == size
    broken = bytearray(data)
    broken[40 * RECORD_SIZE + 30] ^= 1
    assert 40 * RECORD_SIZE < used_bytes(broken, 9) <= 41 * RECORD_SIZE
