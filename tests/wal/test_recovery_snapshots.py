"""Where a start begins: the newest snapshot that can be used, and what refuses it.

specs/wal.md L-30 to L-32, specs/replica.md RP-30, RP-31; SNP-06, SNP-07.
"""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from world import BUY, CANCEL_ONLY, HALT, OPEN, SELL, World

from rsx.core.clock import Clock
from rsx.core.crc import sealed
from rsx.errors import StartError
from rsx.records import ENGINE_DIGEST, LOG_SYNCED, RECORD_SIZE, decode
from rsx.wal import inspect as inspection
from rsx.wal.reader import LogDamaged
from rsx.wal.segments import list_segments, segment_name
from rsx.wal.snapshot import write_snapshot
from rsx.wal.start import recover
from rsx.wal.state import State

CLOCK = Clock.manual(1_700_000_000_000_000_000)
SEGMENT_RECORDS = (1 << 20) // RECORD_SIZE


@pytest.fixture
def world(tmp_path: Path) -> World:
    """Some trading, snapshots of it with `snap`."""
    world = World(tmp_path / "data")
    world.deposit(1, 2)
    trade(world, 3)
    return world


def trade(world: World, orders: int) -> None:
    for number in range(orders):
        world.place(1, SELL, 1000 + 5 * (number % 7), 100, cid=f"{world.oid}")
        world.place(2, BUY, 1005, 60)
    world.run()


def snapshots(world: World) -> Path:
    return world.folder.parent / "snapshots"


def snap(world: World, seq: int = 0) -> Path:
    """A snapshot of the log up to a record; 0: all of it."""
    return write_snapshot(world.fold(seq or None), snapshots(world))


def grow(world: World, records: int) -> None:
    until = world.wal.appended + records
    while world.wal.appended < until:
        for _ in range(900):
            world.cancel(1, 1)
        world.run()


def spoil(path: Path, at: int = 0) -> None:
    """Flip a bit in the middle of a file."""
    data = bytearray(path.read_bytes())
    data[at or len(data) // 2] ^= 16
    path.write_bytes(data)


def refused(world: World) -> str:
    before = {path: path.read_bytes() for path in world.folder.parent.rglob("*") if path.is_file()}
    with pytest.raises(StartError) as error:
        recover(world.config, world.folder, CLOCK)
    text = str(error.value)
    assert "\n" not in text
    after = {path: path.read_bytes() for path in world.folder.parent.rglob("*") if path.is_file()}
    assert before == after
    return text


# --- from a snapshot on -----------------------------------------------------------------------


def test_a_start_begins_with_the_newest_snapshot_and_folds_the_rest(world: World) -> None:
    snap(world)
    trade(world, 5)
    newest = snap(world)
    seq = world.wal.appended
    trade(world, 4)
    whole = world.fold().state_hash()
    world.restart()
    recovered = world.recovered
    assert (recovered.snapshot, recovered.first_seq) == (newest, seq + 1)
    assert recovered.state.state_hash() == whole
    assert (recovered.passed_over, list(recovered.remarks)) == ((), [])
    world.run()
    trade(world, 4)
    assert world.live_hash() == world.fold().state_hash()
    world.close()


@pytest.mark.parametrize("behind", [0, 1])
def test_a_snapshot_of_the_last_record_needs_nothing_more(world: World, behind: int) -> None:
    snap(world, world.wal.appended - behind)
    hash_before = world.fold().state_hash()
    world.restart()
    assert world.recovered.state.state_hash() == hash_before
    assert world.recovered.state.next_seq - world.recovered.first_seq == behind
    world.run()
    assert world.live_hash() == world.fold().state_hash()
    world.close()


def test_what_a_snapshot_covers_need_not_be_whole(world: World) -> None:
    """Damage before the snapshot's record is for `rsx wal verify` to tell; no start needs it."""
    snap(world)
    trade(world, 3)
    hash_before = world.fold().state_hash()
    world.close()
    spoil(list_segments(world.folder)[0].path, 5 * RECORD_SIZE + 40)
    world.start()
    assert world.recovered.state.state_hash() == hash_before
    world.close()


def test_a_pruned_log_is_folded_from_a_snapshot(world: World) -> None:
    grow(world, SEGMENT_RECORDS)
    snap(world)
    trade(world, 3)
    grow(world, SEGMENT_RECORDS)
    trade(world, 3)
    whole = world.fold().state_hash()
    world.close()
    first, second = list_segments(world.folder)[:2]
    first.path.unlink()
    world.start()
    world.run()
    assert world.live_hash() == whole
    assert world.recovered.snapshot is not None
    assert inspection.inspect(world.folder, thorough=True).status == "sound"
    world.close()

    second.path.unlink()
    third = list_segments(world.folder)[0].first
    assert f"ends before the log begins ({third})" in refused(world)
    shutil.rmtree(snapshots(world))
    text = refused(world)
    assert f"begins with record {third}: what came before is pruned, and no snapshot is in" in text


def test_a_snapshot_right_before_the_first_record_is_enough(world: World) -> None:
    grow(world, SEGMENT_RECORDS)
    second = list_segments(world.folder)[1].first
    snap(world, second - 1)
    whole = world.fold().state_hash()
    world.close()
    list_segments(world.folder)[0].path.unlink()
    world.start()
    assert world.recovered.first_seq == second
    world.run()
    assert world.live_hash() == whole
    world.close()


# --- what is passed over ----------------------------------------------------------------------


def test_a_snapshot_that_does_not_load_is_passed_over_and_reported(world: World) -> None:
    older = snap(world)
    trade(world, 4)
    newer = snap(world)
    whole = world.fold().state_hash()
    spoil(newer)
    world.restart()
    assert world.recovered.snapshot == older
    (line,) = world.recovered.passed_over
    assert str(newer) in line
    assert list(world.recovered.remarks) == [f"snapshot passed over: {line}"]
    assert world.recovered.state.state_hash() == whole
    world.run()

    spoil(older)
    world.restart()
    assert (world.recovered.snapshot, world.recovered.first_seq) == (None, 1)
    assert len(world.recovered.passed_over) == 2
    world.close()


@pytest.mark.parametrize("size", [0, 1, 128, 1000])
def test_a_cut_snapshot_of_a_pruned_log_refuses_the_start(world: World, size: int) -> None:
    grow(world, SEGMENT_RECORDS)
    path = snap(world)
    world.close()
    list_segments(world.folder)[0].path.unlink()
    path.write_bytes(path.read_bytes()[:size])
    text = refused(world)
    assert "begins with record 8193" in text and str(path) in text


# --- what refuses -----------------------------------------------------------------------------


def test_a_snapshot_of_another_start_of_the_log_is_refused(world: World, tmp_path: Path) -> None:
    """Two copies of a folder that went apart: same exchange, other records under one number."""
    world.close()
    other = World(tmp_path / "other")
    other.close()
    shutil.rmtree(other.folder)
    shutil.copytree(world.folder, other.folder)
    for _ in range(2):  # two more starts, and another number is of the second
        other.start()
        other.run()
        other.close()
    world.start()
    world.run()
    trade(world, 3)
    log = other.log()
    seq = len(log) // RECORD_SIZE
    assert decode(log, len(log) - RECORD_SIZE).epoch == 3
    path = write_snapshot(other.fold(), snapshots(world))
    world.close()
    text = refused(world)
    assert f"{path} is of start 3 of the log, whose record {seq} is of start 2" in text


def test_a_snapshot_of_another_exchange_is_passed_over(world: World, tmp_path: Path) -> None:
    other = World(tmp_path / "other")
    trade(other, 9)
    path = write_snapshot(other.fold(), snapshots(world))
    other.close()
    world.restart()
    assert world.recovered.snapshot is None
    (line,) = world.recovered.passed_over
    assert str(path) in line and "a snapshot of exchange" in line
    world.close()


def test_a_log_that_ends_before_a_snapshot_has_lost_its_end(world: World) -> None:
    short = world.folder.parent / "short"
    shutil.copytree(world.folder, short)
    trade(world, 5)
    path = snap(world)
    world.close()
    shutil.rmtree(world.folder)
    short.rename(world.folder)
    text = refused(world)
    assert f"{path}: the log in {world.folder} has no record" in text and "lost its end" in text


def test_snapshots_without_any_log_are_refused(world: World) -> None:
    path = snap(world)
    world.close()
    for segment in list_segments(world.folder):
        segment.path.unlink()
    assert f"{world.folder} is empty, but there is {path}" in refused(world)


@pytest.mark.parametrize("size", [0, 1 << 20])
def test_an_empty_segment_says_that_the_log_goes_on_from_a_snapshot(
    world: World, size: int
) -> None:
    """What `rsx restore` makes of one snapshot; a start that is cut off leaves it as it is."""
    snap(world)
    seq, hash_before = world.wal.appended, world.fold().state_hash()
    world.close()
    for segment in list_segments(world.folder):
        segment.path.unlink()
    empty = world.folder / segment_name(seq + 1)
    empty.write_bytes(bytes(size))
    for _ in range(2):
        recovered = recover(world.config, world.folder, CLOCK)
        assert recovered.state.state_hash() == hash_before
        assert (recovered.start.next_seq, recovered.start.path) == (seq + 1, None)
        assert empty.exists()
    world.start()
    world.due = seq + 1
    world.run()
    assert world.names()[-2:] == ["SEGMENT_STARTED", "LOG_STARTED"]
    trade(world, 2)
    assert [s.first for s in list_segments(world.folder)] == [seq + 1]
    live = world.live_hash()
    world.restart()
    assert world.recovered.state.state_hash() == live
    world.close()


def test_damage_behind_a_snapshot_is_refused_all_the_same(world: World) -> None:
    world.wal.sync_marks = True
    snap(world)
    trade(world, 1)
    seq = world.wal.appended
    trade(world, 3)
    world.close()
    path = list_segments(world.folder)[0].path
    spoil(path, (seq - 1) * RECORD_SIZE + 50)
    with pytest.raises(LogDamaged, match=f"no valid record {seq} at offset"):
        recover(world.config, world.folder, CLOCK)


# --- a difference that nobody has answered (L-32) ---------------------------------------------


def add(world: World, *packed: bytes) -> None:
    """Append records to the log on disk, as if its tile had."""
    path = list_segments(world.folder)[-1].path
    seq = State(world.config)
    seq.apply(log := world.log())
    with open(path, "r+b") as file:
        for number, record in enumerate(packed):
            file.seek(len(log) + number * RECORD_SIZE)
            file.write(sealed(record, seq.next_seq + number, seq.epoch))


def test_a_difference_starts_in_cancel_only_until_it_is_answered(world: World) -> None:
    world.set_mode(HALT, symbol=2)
    world.run()
    world.close()
    wrong = ENGINE_DIGEST.pack(digest=1, symbol_id=1, part=0, form=1, stream=1, header_flags=1)
    add(world, wrong, LOG_SYNCED.pack(durable_seq=5, stream=65534, header_flags=1))
    world.released.clear()
    world.start()
    world.due = world.recovered.start.next_seq
    assert "of M1-PERP" in world.recovered.mismatch
    (remark,) = world.recovered.remarks
    assert remark.startswith("every market is cancel-only, since two folds of the log differ: ENGI")
    world.run()
    modes = [(v.symbol_id, v.mode, v.previous, v.user_id) for v in world.released
             if v.record.name == "TRADING_MODE"]  # fmt: skip
    assert modes == [(1, CANCEL_ONLY, OPEN, 0)]  # the other is halted: that is more
    world.place(1, SELL, 1000, 100)
    world.run()
    assert world.names()[-1] == "ORDER_REJECTED"
    assert world.live_hash() == world.fold().state_hash()

    world.restart()  # not answered: still so, and nothing to be written again
    assert world.recovered.mismatch
    world.run()
    assert world.names()[-1] == "LOG_STARTED"
    assert world.live_hash() == world.fold().state_hash()

    world.set_mode(OPEN)
    world.run()
    world.restart()
    assert world.recovered.mismatch == "" and list(world.recovered.remarks) == []
    world.run()
    world.place(1, SELL, 1000, 100)
    world.run()
    assert world.names()[-1] == "ORDER_ACCEPTED"
    world.close()
