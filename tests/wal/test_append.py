"""Numbering, seals, epochs, segments: specs/wal.md L-1 to L-3, L-10, L-12, L-16; INV-5."""

from __future__ import annotations

import os
from collections.abc import Callable

from world import BUY, DURABLE, SELL, World

from rsx.records import RECORD_SIZE, SYNC_DONE, decode, iterate
from rsx.wal.segments import list_segments

SEGMENT_RECORDS = (1 << 20) // RECORD_SIZE


def names_of(world: World) -> list[str]:
    return [view.record.name for view in iterate(world.log())]


def fill_segment(world: World, short_of: int = 0) -> None:
    """Write refused cancels until the first file has `short_of` free slots."""
    world.run()
    while (left := SEGMENT_RECORDS - short_of - world.wal.appended) > 0:
        for _ in range(min(left, 500)):
            world.cancel(1, 1)
        world.run()


def test_a_new_log_begins_with_its_segment_its_start_and_every_market(world: World) -> None:
    world.run()

    assert names_of(world) == [
        "SEGMENT_STARTED", "LOG_STARTED",
        *["SYMBOL_CONFIG", "SYMBOL_LIMITS", "SYMBOL_RISK", "SYMBOL_BRACKETS"] * 2,
    ]  # fmt: skip
    assert world.names() == names_of(world)


def test_numbers_are_dense_and_every_seal_holds(world: World) -> None:
    world.deposit(1, 2)
    world.run()
    world.place(1, SELL, 1000, 100)
    world.place(2, BUY, 1000, 50)
    world.run()

    seen = list(iterate(world.log(), crc=True))
    assert [view.seq for view in seen] == list(range(1, len(seen) + 1))
    assert {view.epoch for view in seen} == {1}
    assert names_of(world)[-3:] == ["ORDER_ACCEPTED", "ORDER_ACCEPTED", "FILL"]


def test_record_n_lies_at_its_place_in_the_file(world: World) -> None:
    world.deposit(*range(1, 20))
    world.run()

    (segment,) = list_segments(world.folder)
    data = segment.path.read_bytes()
    for seq in range(1, world.wal.appended + 1):
        assert decode(data, (seq - 1) * RECORD_SIZE).seq == seq
    assert len(data) == SEGMENT_RECORDS * RECORD_SIZE
    assert not any(data[world.wal.appended * RECORD_SIZE :])


def test_a_start_raises_the_epoch_and_goes_on_with_the_numbers(world: World) -> None:
    world.run()
    last = world.wal.appended
    world.restart()
    world.run()

    seen = list(iterate(world.log()))
    assert [view.record.name for view in seen[last:]] == ["LOG_STARTED"]
    assert (seen[-1].seq, seen[-1].epoch) == (last + 1, 2)
    assert {v.exchange_id for v in seen if v.record.name == "LOG_STARTED"} == {
        seen[0].exchange_id
    }  # fmt: skip


def test_a_start_that_dies_before_its_first_record_uses_its_number_again(world: World) -> None:
    world.run()
    last = world.wal.appended
    world.restart()  # and is killed before its first duty cycle
    world.crash(keep_bytes=last * RECORD_SIZE)
    world.start()
    world.run()

    seen = list(iterate(world.log()))
    assert [(view.seq, view.epoch) for view in seen[last:]] == [(last + 1, 2)]


def test_a_full_segment_is_followed_by_another_that_begins_with_its_own_record(
    world: World,
) -> None:
    fill_segment(world)
    for _ in range(10):
        world.cancel(1, 1)
    world.run()

    first, second = list_segments(world.folder)
    assert (first.first, second.first) == (1, SEGMENT_RECORDS + 1)
    head = decode(second.path.read_bytes()[:RECORD_SIZE])
    assert (head.record.name, head.seq) == ("SEGMENT_STARTED", SEGMENT_RECORDS + 1)
    assert head.exchange_id == world.recovered.start.exchange_id
    assert world.wal.appended == world.released[-1].seq == SEGMENT_RECORDS + 11
    assert world.fold().state_hash() == world.live_hash()


def test_a_start_at_the_very_end_of_a_segment_opens_the_next_one(world: World) -> None:
    fill_segment(world)
    world.restart()
    world.run()

    assert [s.first for s in list_segments(world.folder)] == [1, SEGMENT_RECORDS + 1]
    assert names_of(world)[SEGMENT_RECORDS:] == ["SEGMENT_STARTED", "LOG_STARTED"]
    world.restart()
    assert world.recovered.start.next_seq == SEGMENT_RECORDS + 3


def test_a_segment_zeroed_ahead_is_put_to_use(make_world: Callable[..., World]) -> None:
    world = make_world(wal={"segments_ahead": 2})
    world.run()
    ahead = sorted(path.name for path in world.folder.glob("ahead-*.tmp"))
    assert ahead == ["ahead-1.tmp", "ahead-2.tmp"]
    inode = (world.folder / "ahead-1.tmp").stat().st_ino

    fill_segment(world)
    world.cancel(1, 1)
    world.run()

    second = list_segments(world.folder)[1]
    assert second.path.stat().st_ino == inode
    assert world.wal.counters()["segments_unprepared"] == 1  # the very first one
    ahead = sorted(path.name for path in world.folder.glob("ahead-*.tmp"))
    assert ahead == ["ahead-2.tmp", "ahead-3.tmp"]


def test_without_a_segment_at_hand_one_is_made_at_full_length(world: World) -> None:
    fill_segment(world)
    world.cancel(1, 1)
    world.run()

    assert world.wal.counters()["segments_unprepared"] == 2
    assert [s.size for s in list_segments(world.folder)] == [SEGMENT_RECORDS * RECORD_SIZE] * 2


def test_files_made_ahead_are_gone_after_a_clean_stop(make_world: Callable[..., World]) -> None:
    world = make_world(wal={"segments_ahead": 3})
    world.run()
    world.restart()
    assert [path.suffix for path in world.folder.iterdir()] == [".wal"]


def serve_one_sync(world: World) -> tuple[int, int, bool]:
    """Do what wal_sync does with its next request; returns its number, folder flag, closing."""
    request = decode(world.rings["wal_sync"].pop(1), crc=False)
    os.fsync(request.fd)
    if request.close_fd >= 0:
        os.close(request.close_fd)
    world.rings["sync_wal"].push(SYNC_DONE.pack(seq=request.seq))
    world.wal.step()
    return request.seq, request.sync_folder, request.close_fd >= 0


def test_the_full_segment_and_the_folder_are_synced_before_the_new_one_counts(
    world: World,
) -> None:
    fill_segment(world, short_of=3)
    world.deposit(*range(1, 8))
    world.risk.step()
    world.wal.step()

    assert serve_one_sync(world) == (SEGMENT_RECORDS, 1, True)
    assert (world.wal.durable, world.wal.released) == (SEGMENT_RECORDS, SEGMENT_RECORDS + 1)
    assert serve_one_sync(world) == (world.wal.appended, 0, False)
    assert (world.wal.durable, world.wal.released) == (SEGMENT_RECORDS + 5,) * 2


def test_a_second_segment_filled_during_one_sync_waits_for_it(
    make_world: Callable[..., World],
) -> None:
    """Closing a file whose sync is still asked for would stop the exchange."""
    world = make_world(wal={"flush_ms": 60_000})
    world.run()
    world.deposit(1)
    for _ in range(4 * SEGMENT_RECORDS // 256):  # requests of a turn (SH-4)
        for tile in world.tiles.compiled:
            if tile is not world.wal_sync:  # the disk is busy with what it was asked first
                tile.step()
        world.collect()
        for _ in range(500):
            world.cancel(1, 1)
    assert world.wal.appended == 2 * SEGMENT_RECORDS
    assert len(list_segments(world.folder)) == 2

    world.run()

    assert world.wal.appended == world.released[-1].seq > 2 * SEGMENT_RECORDS
    assert len(list_segments(world.folder)) == 3
    assert world.fold().state_hash() == world.live_hash()


def test_the_durable_types_are_those_that_change_what_somebody_owns() -> None:
    assert DURABLE == {
        "FILL", "DEPOSIT", "LOG_STARTED", "WITHDRAWAL", "MARGIN_TRANSFERRED", "FUNDING_SETTLED",
        "FUNDING_PAYMENT", "FUNDING_DONE", "LIQUIDATION_STEP", "POSITION_TRANSFERRED",
        "LIQUIDATION_SETTLED",
    }  # fmt: skip
