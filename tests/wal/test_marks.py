"""What is known to have been on disk: specs/wal.md L-17."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from world import BUY, SELL, World

from rsx.core.disk import FaultDisk
from rsx.records import View, iterate
from rsx.tiles.wal import LogIoError
from rsx.wal.segments import list_segments

LONG_MS = 60_000  # a flush bound that never comes
SEGMENT_RECORDS = 8192


@pytest.fixture
def marked(make_world: Callable[..., World]) -> Callable[..., World]:
    def make(**sections: object) -> World:
        return make_world(sync_marks=True, **sections)

    return make


def marks(world: World) -> list[tuple[int, int]]:
    """(number, what it says is durable) of every mark on disk, whatever is wrong elsewhere."""
    return [(v.seq, v.durable_seq) for v in records(world) if v.record.name == "LOG_SYNCED"]


def records(world: World) -> list[View]:
    return list(iterate(world.log()))


def settle_without_disk(world: World) -> None:
    for _ in range(20):
        for tile in world.tiles.compiled:
            if tile is not world.wal_sync:
                tile.step()
        world.collect()


def wait_for(world: World, what: Callable[[], bool]) -> None:
    """Idle duty cycles until the flush bound has come."""
    for _ in range(1_000_000):
        world.step()
        if what():
            return
    raise AssertionError("it never came")


def test_a_mark_is_the_next_record_after_a_sync(marked: Callable[..., World]) -> None:
    world = marked(wal={"flush_ms": LONG_MS})
    world.run()
    opened = world.wal.durable
    assert opened == world.wal.appended and marks(world) == []
    world.cancel(1, 1)
    world.run()

    assert marks(world) == [(opened + 1, opened)]
    assert [v.record.name for v in records(world)[opened:]] == ["LOG_SYNCED", "CANCEL_REJECTED"]


def test_an_idle_log_gets_one_mark_and_does_not_grow_after_it(
    marked: Callable[..., World],
) -> None:
    world = marked(wal={"flush_ms": 1})
    world.run()
    opened = world.wal.appended
    wait_for(world, lambda: world.wal.durable == opened + 1)
    assert marks(world) == [(opened + 1, opened)]
    syncs = world.wal.counters()["syncs"]
    for _ in range(20_000):
        world.step()

    assert (world.wal.appended, world.wal.counters()["syncs"]) == (opened + 1, syncs)


def test_a_mark_says_no_more_than_is_durable(marked: Callable[..., World]) -> None:
    """While a sync runs, more is appended: the mark of the sync is of what it began with."""
    world = marked(wal={"flush_ms": LONG_MS})
    world.deposit(1, 2)
    world.run()
    world.place(1, SELL, 1000, 100)
    world.run()
    world.place(2, BUY, 1000, 10)
    settle_without_disk(world)
    asked = world.wal.written
    for _ in range(3):
        world.place(2, BUY, 1000, 10)
        settle_without_disk(world)
    world.wal_sync.step()
    settle_without_disk(world)
    assert world.wal.durable == asked < world.wal.appended
    world.place(1, SELL, 2000, 10)
    settle_without_disk(world)

    assert marks(world)[-1][1] == asked
    world.run()
    assert world.wal.durable > asked and marks(world)[-1][1] == asked
    assert all(durable < seq for seq, durable in marks(world))


def test_a_clean_stop_ends_with_a_durable_mark_of_all_before_it(
    marked: Callable[..., World],
) -> None:
    world = marked()
    world.deposit(1)
    world.run()
    world.close()
    seen = records(world)
    assert marks(world)[-1] == (len(seen), len(seen) - 1)
    assert world.wal.durable == world.wal.appended == len(seen)
    world.start()
    assert world.recovered.start.next_seq == len(seen) + 1
    world.run()
    assert world.names()[-1] == "LOG_STARTED"


def test_a_stop_that_has_nothing_new_adds_nothing(marked: Callable[..., World]) -> None:
    world = marked(wal={"flush_ms": 1})
    world.run()
    wait_for(world, lambda: len(marks(world)) == 1)
    world.run()
    last = world.wal.appended
    world.close()
    assert len(records(world)) == last
    world.start()


def test_a_stop_at_the_end_of_a_segment_puts_its_mark_into_the_next(
    marked: Callable[..., World],
) -> None:
    world = marked(wal={"flush_ms": LONG_MS})
    while (left := SEGMENT_RECORDS - world.wal.appended) > 0:
        for _ in range(min(left, 300)):
            world.cancel(1, 1)
        world.run()
    assert world.wal.appended == SEGMENT_RECORDS
    world.close()

    assert [s.first for s in list_segments(world.folder)] == [1, SEGMENT_RECORDS + 1]
    assert marks(world)[-1] == (SEGMENT_RECORDS + 2, SEGMENT_RECORDS)
    world.start()
    world.run()
    assert world.fold().state_hash() == world.live_hash()


def test_a_failed_sync_is_followed_by_no_mark(make_world: Callable[..., World]) -> None:
    disk = FaultDisk()
    world = make_world(sync_marks=True, disk=disk)
    world.run()
    durable = world.wal.durable
    disk.fail("sync", times=1 << 60)
    world.deposit(1)
    with pytest.raises(LogIoError):
        world.run()
    world.close()
    disk.heal()

    assert all(said <= durable for _, said in marks(world))
    world.start()


def test_marks_change_no_state(marked: Callable[..., World]) -> None:
    world = marked(wal={"durability": "all", "flush_ms": 1})
    world.deposit(1, 2)
    world.run()
    for px in range(900, 1100, 5):
        world.place(1, SELL, px, 100)
        world.place(2, BUY, px, 50)
        world.run()
    assert len(marks(world)) > 30
    assert world.fold().state_hash() == world.live_hash()
    world.restart()
    assert world.recovered.state.state_hash() == world.live_hash()
