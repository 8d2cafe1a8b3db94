"""What a start makes of a log, whole or not: specs/wal.md section 3; specs/matching.md F-2."""

from __future__ import annotations

import os
import random
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from world import BUY, IOC, SELL, World, make_config, make_market

from rsx.core.clock import Clock
from rsx.core.crc import record_crc, sealed
from rsx.core.disk import Disk
from rsx.errors import StartError
from rsx.records import LOG_SYNCED, RECORD_SIZE, decode, iterate
from rsx.wal import inspect as inspection
from rsx.wal.reader import LogDamaged, LogReader, read_range
from rsx.wal.segments import list_segments, open_data_folder
from rsx.wal.start import recover
from rsx.wal.state import State

CLOCK = Clock.manual(1_700_000_000_000_000_000)
SEGMENT_RECORDS = (1 << 20) // RECORD_SIZE


def small_log(world: World) -> bytes:
    """A few records of most types; returns the log."""
    world.deposit(1, 2)
    world.run()
    first = world.place(1, SELL, 1000, 100, cid="one")
    world.place(1, SELL, 1005, 100)
    world.place(2, BUY, 1005, 150, tif=IOC)
    world.place(2, BUY, 995, 20)
    world.cancel(1, first)
    world.cancel(2, world.oid)
    world.run()
    return world.log()


def busy_log(world: World, seed: int = 1, orders: int = 400) -> bytes:
    chance = random.Random(seed)
    world.deposit(*range(1, 6))
    world.run()
    for _ in range(orders):
        world.place(
            chance.randint(1, 5), chance.randint(0, 1), chance.randrange(970, 1030, 5),
            chance.randrange(10, 100, 10), symbol=chance.randint(1, 2),
        )  # fmt: skip
        if chance.random() < 0.3:
            world.cancel(chance.randint(1, 5), chance.randint(1, world.oid))
        world.step()
    world.run()
    return world.log()


def segment_with(folder: Path, data: bytes, size: int = 1 << 16) -> Path:
    """A wal folder with one segment holding data, then zeros."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    (folder / f"{1:020d}.wal").write_bytes(data + bytes(max(0, size - len(data))))
    return folder


def marked(data: bytes) -> bytes:
    """The log with a word at its end that all of it was on disk."""
    seq = len(data) // RECORD_SIZE + 1
    mark = LOG_SYNCED.pack(durable_seq=seq - 1, stream=65534, header_flags=1)
    return data + sealed(mark, seq, decode(data, len(data) - RECORD_SIZE).epoch)


def add_mark(folder: Path) -> None:
    """The same, at the end of the log in this folder, in its last file."""
    reader = LogReader(folder)
    data = b"".join(reader.chunks())
    last = reader.segments[-1]
    with open(last.path, "r+b") as file:
        file.seek(len(data) - (last.first - 1) * RECORD_SIZE)
        file.write(marked(data)[-RECORD_SIZE:])


def whole_records(data: bytes, cut: int) -> int:
    """Records of data of which all that is not zero lies before the cut."""
    count = cut // RECORD_SIZE
    return count + (not any(data[cut : (count + 1) * RECORD_SIZE]) and cut < len(data))


def read(folder: Path) -> tuple[bytes, int]:
    reader = LogReader(folder)
    return b"".join(reader.chunks()), reader.end().torn_bytes


# --- torn tails -------------------------------------------------------------------------------


def test_a_log_cut_at_any_byte_gives_the_records_before_the_cut(
    world: World, tmp_path: Path
) -> None:
    data = small_log(world)
    for cut in range(len(data)):
        whole = whole_records(data, cut) * RECORD_SIZE
        folder = segment_with(tmp_path / "cut", data[:cut], 1 << 13)
        assert read(folder) == (data[:whole], len(data[whole:cut].rstrip(b"\0")))
        segment_with(tmp_path / "short", data[:cut], 0)  # the file itself ends there
        assert read(tmp_path / "short")[0] == data[: cut // RECORD_SIZE * RECORD_SIZE]


def test_recovery_at_any_record_gives_the_state_of_the_log_up_to_it(
    world: World, tmp_path: Path
) -> None:
    data = busy_log(world)
    config = world.config
    folded = State(config)
    for cut in range(0, len(data), RECORD_SIZE):
        folder = segment_with(tmp_path / "cut", data[: cut + 30])
        state = recover(config, folder, CLOCK).state
        folded.apply(data[(folded.next_seq - 1) * RECORD_SIZE : cut])
        assert state.state_hash() == folded.state_hash()
        assert state.next_seq == cut // RECORD_SIZE + 1
        assert read(folder) == (data[:cut], 0)  # the torn tail has been zeroed


def test_a_start_after_any_cut_goes_on_and_its_log_is_whole(
    make_world: Callable[..., World],
) -> None:
    world = make_world()
    data = busy_log(world, orders=40)
    world.close()
    for cut in range(0, len(data) + 1, 500):
        segment_with(world.folder, data[:cut], 1 << 20)
        world.start()
        world.run()
        assert world.fold().state_hash() == world.live_hash()
        assert world.recovered.start.next_seq == whole_records(data, cut) + 1
        assert world.fold().audit() is None
        world.close()
    world.start()


def test_an_order_in_hand_when_the_log_ends_is_cancelled_at_the_start(world: World) -> None:
    world.deposit(1, 2)
    world.run()
    world.place(1, SELL, 1000, 50)
    taker = world.place(2, BUY, 1000, 200)
    world.run()
    names = world.names()
    fill = names.index("FILL")
    assert names[fill:] == ["FILL", "ORDER_RESTED"]
    world.crash(keep_bytes=(fill + 1) * RECORD_SIZE)

    world.start()
    assert world.recovered.state.engines[1].in_hand == taker
    world.run()

    ended = world.released[-1]
    assert (ended.record.name, ended.oid, ended.reason) == ("ORDER_CANCELLED", taker, 3104)
    assert (ended.cancelled_qty, ended.filled_qty) == (150, 50)
    assert world.recovered.state.ledger.account(2)["frozen"] == 0
    assert world.fold().state_hash() == world.live_hash()
    world.restart()
    world.run()
    assert world.names()[-1] == "LOG_STARTED"


def test_client_ids_are_remembered_over_a_start(world: World) -> None:
    world.deposit(1)
    world.run()
    oid = world.place(1, SELL, 1000, 50, cid="again")
    world.run()
    world.restart()
    world.place(1, SELL, 1000, 50, cid="again")
    world.run()

    told = world.released[-1]
    assert told.record.name == "ORDER_DUPLICATE"
    assert (told.original_oid, told.original_remaining) == (oid, 50)


# --- damage -----------------------------------------------------------------------------------


def test_a_bit_flipped_anywhere_is_found_or_cuts_the_last_record(
    world: World, tmp_path: Path
) -> None:
    data = marked(small_log(world))
    last = len(data) - RECORD_SIZE
    folder = segment_with(tmp_path / "flip", data, 1 << 13)
    path = folder / f"{1:020d}.wal"
    for at in range(len(data)):
        damaged = bytearray(data)
        damaged[at] ^= 1 << at % 8
        with open(path, "r+b") as file:
            file.write(damaged)
        if at >= last:
            assert read(folder)[0] == data[:last]
            continue
        seq = at // RECORD_SIZE + 1
        with pytest.raises(LogDamaged) as refused:
            read(folder)
        assert f"no valid record {seq} at offset {(seq - 1) * RECORD_SIZE}" in str(refused.value)


def test_a_bit_flipped_anywhere_changes_nothing_or_is_told(
    make_world: Callable[..., World], tmp_path: Path
) -> None:
    """WAL-32: the log's own marks decide; whatever is told, no state is made up."""
    world = make_world(sync_marks=True)
    small_log(world)
    small_log(world)
    data = world.log()
    names = world.names()
    promised = max(v.durable_seq for v in world.released if v.record.name == "LOG_SYNCED")
    records = len(data) // RECORD_SIZE
    assert 5 < promised < records - 1 and names
    folded = [State(world.config).state_hash()]
    for seq in range(1, records + 1):
        folded.append(world.fold(seq).state_hash())
    folder = segment_with(tmp_path / "flip", data, 1 << 13)
    path = folder / f"{1:020d}.wal"
    for at in range(0, len(data), 3):
        seq = at // RECORD_SIZE + 1
        damaged = bytearray(data)
        damaged[at] ^= 1 << at % 8
        path.write_bytes(bytes(damaged).ljust(1 << 13, b"\0"))
        if seq <= promised:
            with pytest.raises(LogDamaged, match=f"no valid record {seq} at offset"):
                recover(world.config, folder, CLOCK)
            assert path.read_bytes() == bytes(damaged).ljust(1 << 13, b"\0")
            continue
        recovered = recover(world.config, folder, CLOCK)
        assert recovered.start.next_seq == seq
        assert recovered.unsynced == records - seq and recovered.torn_bytes
        assert recovered.state.state_hash() == folded[seq - 1]


def test_a_valid_record_behind_a_bad_one_is_refused_and_nothing_is_changed(
    world: World, tmp_path: Path
) -> None:
    data = bytearray(marked(busy_log(world)))
    data[20 * RECORD_SIZE + 50] ^= 4
    folder = segment_with(tmp_path / "damaged", bytes(data))
    path = folder / f"{1:020d}.wal"
    before = path.read_bytes()

    with pytest.raises(LogDamaged) as refused:
        recover(world.config, folder, CLOCK)
    text = str(refused.value)
    assert str(path) in text and "no valid record 21 at offset 2560" in text
    assert "22 in" in text and "rsx wal verify" in text and "\n" not in text
    assert path.read_bytes() == before


def test_records_of_an_earlier_epoch_behind_the_end_do_not_count(
    world: World, tmp_path: Path
) -> None:
    """A number used again after a crash: the old record under it is not the log's."""
    small_log(world)
    world.restart()
    world.run()
    data = world.log()
    old, new = data[4 * RECORD_SIZE : 5 * RECORD_SIZE], data[-RECORD_SIZE:]
    assert (decode(old).epoch, decode(new).epoch) == (1, 2)
    stale = renumbered(old, decode(new).seq + 1)
    folder = segment_with(tmp_path / "stale", data + stale)

    assert read(folder) == (data, len(stale.rstrip(b"\0")))


def renumbered(record: bytes, seq: int) -> bytes:
    """The record under another number, with the seal that belongs to it."""
    changed = bytearray(record)
    changed[16:24] = seq.to_bytes(8, "little")
    changed[8:12] = record_crc(changed, 0).to_bytes(4, "little")
    assert decode(changed).seq == seq
    return bytes(changed)


def test_dirt_in_the_padding_under_a_good_seal_is_no_record(world: World, tmp_path: Path) -> None:
    data = small_log(world)
    dirty = bytearray(data[-RECORD_SIZE:])
    dirty[-1] = 1
    dirty[8:12] = record_crc(dirty, 0).to_bytes(4, "little")
    folder = segment_with(tmp_path / "dirty", data[:-RECORD_SIZE] + bytes(dirty))

    assert read(folder) == (data[:-RECORD_SIZE], RECORD_SIZE)


# --- what a power cut leaves (L-21) -------------------------------------------------------------


def spoiled(data: bytes, seq: int) -> bytes:
    at = (seq - 1) * RECORD_SIZE
    return data[:at] + bytes(RECORD_SIZE) + data[at + RECORD_SIZE :]


def test_records_that_were_never_promised_are_cut_and_counted(world: World, tmp_path: Path) -> None:
    """WAL-32: pages reach the disk in any order; what was not synced may have holes."""
    data = small_log(world)
    records = len(data) // RECORD_SIZE
    for seq in range(1, records):
        folder = segment_with(tmp_path / "window", spoiled(data, seq), 1 << 13)
        started = next(view.seq for view in iterate(data) if view.record.name == "LOG_STARTED")
        if seq < started - 1:
            continue
        recovered = recover(world.config, folder, CLOCK)
        assert recovered.start.next_seq == seq
        assert recovered.unsynced == records - seq
        assert read(folder) == (data[: (seq - 1) * RECORD_SIZE], 0)


@pytest.mark.parametrize("behind", [0, 1, 5])
def test_a_mark_behind_tells_damage_from_a_power_cut(
    world: World, tmp_path: Path, behind: int
) -> None:
    """A hole at what the mark names is damage; the first one behind that is not."""
    data = small_log(world)
    seq = len(data) // RECORD_SIZE - 6
    mark = LOG_SYNCED.pack(durable_seq=seq, stream=65534, header_flags=1)
    at = (seq + behind) * RECORD_SIZE
    data = data[:at] + sealed(mark, seq + behind + 1, 1) + data[at + RECORD_SIZE :]
    folder = segment_with(tmp_path / "mark", spoiled(data, seq), 1 << 13)
    with pytest.raises(LogDamaged) as refused:
        recover(world.config, folder, CLOCK)
    assert f"no valid record {seq} at offset {(seq - 1) * RECORD_SIZE}" in str(refused.value)
    assert f"and {seq} was promised" in str(refused.value)
    assert inspection.inspect(folder).status == "damaged"
    if behind:
        folder = segment_with(tmp_path / "mark", spoiled(data, seq + 1), 1 << 13)
        found = inspection.inspect(folder)
        assert (found.status, found.last_seq, found.unsynced) == ("torn", seq, 5)
        assert "5 behind it were written and never promised" in str(found.torn)
        assert recover(world.config, folder, CLOCK).start.next_seq == seq + 1


def test_a_later_start_promises_what_it_found(make_world: Callable[..., World]) -> None:
    """A start syncs what it goes on from: a hole before it is damage, with marks or without."""
    world = make_world()
    small_log(world)
    world.restart()
    world.run()
    data, folder = world.log(), world.folder
    world.close()
    started = [view.seq for view in iterate(data) if view.record.name == "LOG_STARTED"][1]
    for seq in range(1, started):
        segment_with(folder, spoiled(data, seq), 1 << 20)
        with pytest.raises(LogDamaged, match=f"no valid record {seq} at"):
            recover(world.config, folder, CLOCK)
    segment_with(folder, data + b"", 1 << 20)
    world.start()


def test_a_power_cut_leaves_the_unsynced_end_of_two_files(three_segments: World) -> None:
    """The end of one file is lost, the beginning of the next one is there, unpromised."""
    world = three_segments
    world.close()
    second, third = list_segments(world.folder)[1:]
    data = second.path.read_bytes()
    cut = second.first + SEGMENT_RECORDS - 10
    at = (cut - second.first) * RECORD_SIZE
    second.path.write_bytes(data[:at] + bytes(3 * RECORD_SIZE) + data[at + 3 * RECORD_SIZE :])
    log = b"".join(LogReader(world.folder).chunks())
    assert len(log) == (cut - 1) * RECORD_SIZE
    found = inspection.inspect(world.folder, thorough=True)
    assert (found.status, found.last_seq) == ("torn", cut - 1), found.findings
    world.start()
    assert world.recovered.start.next_seq == cut
    assert world.recovered.unsynced > 90 + 7
    assert not third.path.exists() and read(world.folder) == (log, 0)
    world.due = cut
    world.run()
    assert world.fold().state_hash() == world.live_hash()


# --- segments ---------------------------------------------------------------------------------


@pytest.fixture
def three_segments(world: World) -> World:
    world.run()
    while world.wal.appended < 2 * SEGMENT_RECORDS + 100:
        for _ in range(900):
            world.cancel(1, 1)
        world.run()
    return world


def test_a_missing_segment_is_named(three_segments: World) -> None:
    world = three_segments
    world.close()
    add_mark(world.folder)
    second, third = list_segments(world.folder)[1:]
    hidden = second.path.rename(second.path.with_suffix(".away"))
    with pytest.raises(LogDamaged, match=f"ends before record {second.first}, but {third.first}"):
        recover(world.config, world.folder, CLOCK)
    hidden.rename(second.path)

    first = list_segments(world.folder)[0]
    hidden = first.path.rename(first.path.with_suffix(".away"))
    text = f"begins with record {second.first}: what came before is pruned, and no snapshot is in"
    with pytest.raises(StartError, match=text):
        recover(world.config, world.folder, CLOCK)
    hidden.rename(first.path)
    world.start()


@pytest.mark.parametrize("size", [0, 1, 128, 1000, (1 << 20) - 128, (1 << 20) - 1])
def test_a_file_cut_short_in_the_middle_is_refused(three_segments: World, size: int) -> None:
    world = three_segments
    world.close()
    add_mark(world.folder)
    second = list_segments(world.folder)[1]
    good = second.path.read_bytes()
    second.path.write_bytes(good[:size])
    seq = second.first + size // RECORD_SIZE
    with pytest.raises(LogDamaged) as refused:
        recover(world.config, world.folder, CLOCK)
    assert f"{second.path}: " in str(refused.value) and f"record {seq}" in str(refused.value)
    assert second.path.read_bytes() == good[:size]
    assert inspection.inspect(world.folder).status == "damaged"
    second.path.write_bytes(good)
    world.start()


def test_a_file_of_another_log_is_refused(three_segments: World, tmp_path: Path) -> None:
    """L-34: its numbers and seals fit; only its first record tells."""
    world = three_segments
    world.close()
    other = World(tmp_path / "other")
    other.run()
    while other.wal.appended < 2 * SEGMENT_RECORDS:
        for _ in range(900):
            other.cancel(1, 1)
        other.run()
    other.close()
    own, foreign = (list_segments(w.folder)[1].path for w in (world, other))
    good = own.read_bytes()
    own.write_bytes(foreign.read_bytes())
    text = f"{own}: record {SEGMENT_RECORDS + 1} at offset 0 is of exchange"
    with pytest.raises(LogDamaged, match=text):
        recover(world.config, world.folder, CLOCK)
    assert inspection.inspect(world.folder).status == "damaged"
    own.write_bytes(good)
    world.start()


def test_damage_at_the_end_of_a_full_segment_is_no_torn_tail(three_segments: World) -> None:
    world = three_segments
    world.close()
    add_mark(world.folder)
    first = list_segments(world.folder)[0].path
    good = first.read_bytes()
    first.write_bytes(good[:-RECORD_SIZE] + bytes(RECORD_SIZE))
    with pytest.raises(LogDamaged, match=f"no valid record {SEGMENT_RECORDS} at"):
        recover(world.config, world.folder, CLOCK)
    first.write_bytes(good)
    world.start()


def test_a_new_segment_that_reached_the_disk_without_the_end_of_the_old_one_is_given_up(
    three_segments: World,
) -> None:
    """After a power cut: the rename is there, unsynced records of both files are not (L-21)."""
    world = three_segments
    world.close()
    segments = list_segments(world.folder)
    for segment in segments[2:]:
        segment.path.write_bytes(bytes(segment.size))
    second = segments[1].path
    data = second.read_bytes()
    second.write_bytes(data[:-1000] + bytes(1000))
    kept = 2 * SEGMENT_RECORDS - 8

    world.start()
    assert world.recovered.start.next_seq == kept + 1
    assert [s.path for s in list_segments(world.folder)] == [s.path for s in segments[:2]]
    world.due = kept + 1
    world.run()
    assert world.fold().state_hash() == world.live_hash()
    assert LogReader(world.folder).segments[-1].first in (segments[1].first, segments[2].first)


def test_a_segment_that_was_made_and_never_written_to_is_put_away(
    three_segments: World,
) -> None:
    world = three_segments
    world.close()
    third = list_segments(world.folder)[2]
    for size in (0, third.size):
        third.path.write_bytes(bytes(size))
        recovered = recover(world.config, world.folder, CLOCK)
        assert recovered.start.next_seq == 2 * SEGMENT_RECORDS + 1
        assert not third.path.exists()
    world.start()
    world.run()
    assert decode(third.path.read_bytes()[:RECORD_SIZE]).record.name == "SEGMENT_STARTED"


def test_an_empty_first_segment_is_a_new_log(tmp_path: Path) -> None:
    for size in (0, 4096):
        folder = segment_with(tmp_path / "empty", b"", size)
        recovered = recover(make_config(), folder, CLOCK)
        assert (recovered.start.next_seq, recovered.start.path) == (1, None)
        assert list_segments(folder) == []


def test_files_of_other_names_are_left_alone(world: World) -> None:
    small_log(world)
    for name in ("notes.txt", "1.wal", "00000000000000000001.wal.bak"):
        (world.folder / name).write_bytes(b"x")
    world.restart()
    assert {"notes.txt", "1.wal"} <= {path.name for path in world.folder.iterdir()}


def test_what_a_killed_process_left_in_the_page_cache_is_synced_at_the_start(
    three_segments: World,
) -> None:
    """Else a fill of a segment before the last could be shown, and lost after all."""
    world = three_segments
    world.close()
    synced = []

    class Listening(Disk):
        def sync_path(self, path: str) -> None:
            synced.append(path)
            super().sync_path(path)

    recover(world.config, world.folder, CLOCK, disk=Listening())

    paths = [str(segment.path) for segment in list_segments(world.folder)]
    assert synced == [*paths[-3:], str(world.folder)]
    world.start()


def test_readers_of_a_range_cross_segments(three_segments: World) -> None:
    world = three_segments
    first, last = SEGMENT_RECORDS - 5, 2 * SEGMENT_RECORDS + 5
    for chunks in (read_range(world.folder, first, last), LogReader(world.folder).chunks(first)):
        data = b"".join(chunks)
        assert [view.seq for view in iterate(data)][:20] == list(range(first, first + 20))
        assert decode(data, (last - first) * RECORD_SIZE).seq == last


def test_a_log_that_grows_while_it_is_read_is_not_called_damaged(world: World) -> None:
    """The end is looked at twice: once for what is there, once for what lies behind."""
    small_log(world)
    late: list[int] = []

    class Late(LogReader):
        def _behind(self, segment, seq, place):  # type: ignore[no-untyped-def]
            if not late:
                late.append(seq)
                world.deposit(3, 4)
                world.run()
            return super()._behind(segment, seq, place)

    read_late = b"".join(Late(world.folder).chunks())
    assert late and read_late == world.log()


# --- another exchange's folder ------------------------------------------------------------------


@pytest.mark.parametrize(
    ("changes", "key"),
    [({"price_decimals": 2, "qty_decimals": 1}, "price_decimals"), ({"name": "OTHER"}, "name")],
)  # fmt: skip
def test_a_market_that_is_not_the_same_is_refused(
    world: World, changes: dict[str, object], key: str
) -> None:
    small_log(world)
    other = make_config(make_market(1, **changes), make_market(2))
    with pytest.raises(StartError, match=f"holds market 1 with {key} = .*another exchange's"):
        recover(other, world.folder, CLOCK)


def test_a_market_that_the_configuration_lacks_is_refused(world: World) -> None:
    small_log(world)
    with pytest.raises(StartError, match=r"holds market 2 \(M2-PERP\), which the configuration"):
        recover(make_config(make_market(1)), world.folder, CLOCK)


def test_records_of_another_version_are_refused_and_nothing_is_changed(
    world: World, tmp_path: Path
) -> None:
    """L-26: at the very beginning, and behind records of ours."""
    small_log(world)
    world.close()
    path = list_segments(world.folder)[0].path
    whole = path.read_bytes()
    for seq in (1, 6):
        at = (seq - 1) * RECORD_SIZE
        record = bytearray(whole[at : at + RECORD_SIZE])
        record[0] = 1
        record[8:12] = record_crc(record, 0).to_bytes(4, "little")
        spoiled = whole[:at] + bytes(record) + whole[at + RECORD_SIZE :]
        path.write_bytes(spoiled)
        with pytest.raises(StartError, match=f"record {seq} .* is of record version 1, this"):
            recover(world.config, world.folder, CLOCK)
        assert path.read_bytes() == spoiled
        assert inspection.inspect(world.folder).status == "damaged"
    path.write_bytes(whole)
    world.start()


def test_a_folder_in_use_is_refused_and_its_files_ahead_are_kept(tmp_path: Path) -> None:
    folder, lock = open_data_folder(tmp_path)
    (folder / "ahead-1.tmp").write_bytes(b"")
    with pytest.raises(StartError, match=rf"in use by another exchange \(process {os.getpid()}\)"):
        open_data_folder(tmp_path)
    assert (folder / "ahead-1.tmp").exists()
    os.close(lock)

    _, lock = open_data_folder(tmp_path)
    assert not (folder / "ahead-1.tmp").exists()
    os.close(lock)


def test_fills_of_ended_orders_keep_their_client_ids_over_a_restart(make_world) -> None:
    world = make_world()
    world.deposit(1, 2)
    world.run()
    world.place(1, SELL, 1000, 100, cid="maker-1")
    world.place(2, BUY, 1000, 100, tif=IOC, cid="taker-1")
    world.run()

    world.restart()

    account = world.tiles.gateway.events.tracker.account
    assert [row[7] for user in (1, 2) for row in account(user).fills] == ["maker-1", "taker-1"]
