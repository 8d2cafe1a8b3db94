"""Logs of older record versions are read, others refused by name: L-26, WAL-31, TST-21.

The corpus was written by the last program of each version, together with what it folded.
"""

from __future__ import annotations

import shutil
from collections import Counter
from pathlib import Path

import msgspec
import pytest
from corpus.logs import FOLDER, OldLog, old_logs
from corpus.plain import differences, plain
from world import World, make_config

from rsx.core.clock import Clock
from rsx.core.crc import record_crc, sealed
from rsx.errors import StartError
from rsx.records import BY_NAME, LEDGER_MARK, RECORD_SIZE, iterate
from rsx.wal import inspect as inspection
from rsx.wal.follow import LogFollower
from rsx.wal.reader import LogDamaged, LogReader, read_range
from rsx.wal.segments import list_segments
from rsx.wal.start import recover
from rsx.wal.state import State

OLD = list(old_logs(3))
NOW = Clock.manual(1_800_000_000_000_000_000)
each = pytest.mark.parametrize("old", OLD, ids=lambda old: old.name)


def test_the_corpus_has_every_record_of_its_version() -> None:
    seen = set().union(*(old.about["counts"] for old in OLD))
    layout = msgspec.json.decode((FOLDER / "v3" / "layout.json").read_bytes())
    assert seen == set(layout)
    assert {old.about["version"] for old in OLD} == {3}
    assert max(len(old.about["segments"]) for old in OLD) == 3


def test_a_record_of_version_3_is_one_of_version_4_but_for_its_version() -> None:
    layout = msgspec.json.decode((FOLDER / "v3" / "layout.json").read_bytes())
    for name, fields in layout.items():
        record = BY_NAME[name]
        assert [[f.name, f.type, record.offsets[f.name]] for f in record.fields] == fields


@each
def test_an_old_log_folds_to_what_its_writer_had(old: OldLog, tmp_path: Path) -> None:
    folder = old.unpack(tmp_path / "wal")
    reader = LogReader(folder)
    state, counts = State(old.config), Counter[str]()
    for chunk in reader.chunks():
        counts.update(view.record.name for view in iterate(chunk))  # whole records of version 4
        state.apply(chunk)
    state.audit()
    assert counts == old.about["counts"]
    assert differences(old.about["state"], plain(state)) == []
    assert (reader.end().next_seq, reader.end().torn_bytes) == (old.records + 1, 0)


@each
def test_reading_an_old_log_changes_nothing_on_disk(old: OldLog, tmp_path: Path) -> None:
    folder = old.unpack(tmp_path / "wal")
    before = {path.name: path.read_bytes() for path in folder.iterdir()}
    recover(old.config, folder, NOW)
    found = inspection.inspect(folder, thorough=True)
    inspection.fold(found)
    assert (found.status, found.last_seq) == ("sound", old.records), found.findings
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == before


def go_on(old: OldLog, folder: Path) -> World:
    """A world of today on an old log."""
    old.unpack(folder / "wal")
    world = World(folder, *old.markets, **old.about["sections"])
    world.run()
    world.deposit(1, amount=5)
    world.place(1, 0, old.markets[0].tick * 10, old.markets[0].lot * 10)
    world.run()
    return world


@each
def test_an_old_log_is_gone_on_with_and_read_by_everything(old: OldLog, tmp_path: Path) -> None:
    """The version changes in the middle, where the new start begins."""
    world = go_on(old, tmp_path)
    log = world.log()
    versions = [*log[::RECORD_SIZE]]
    assert set(versions) == {4} and len(log) > len(old.data)
    stored = b"".join(p.path.read_bytes() for p in list_segments(world.folder))
    assert stored.startswith(old.data[: 8000 * RECORD_SIZE])
    assert world.fold().state_hash() == world.live_hash()
    assert b"".join(iter(LogFollower(world.folder, 1).read, b"")) == log
    begin = max(1, old.records - 10)
    read = b"".join(read_range(world.folder, begin, world.wal.appended))
    assert read == log[(begin - 1) * RECORD_SIZE :]
    found = inspection.inspect(world.folder, thorough=True)
    assert (found.status, found.last_seq) == ("sound", world.wal.appended), found.findings
    assert inspection.fold(found).state_hash() == world.live_hash()
    world.restart()
    world.run()
    assert world.fold().state_hash() == world.live_hash()
    world.close()


def test_a_torn_tail_of_an_old_log_is_cut(tmp_path: Path) -> None:
    old = OLD[0]
    for cut in range(0, 4000, 331):
        folder = tmp_path / str(cut)
        folder.mkdir()
        kept = old.data[: len(old.data) - cut]
        (folder / f"{1:020d}.wal").write_bytes(kept.ljust(1 << 20, b"\0"))
        reader = LogReader(folder)
        read = sum(len(chunk) for chunk in reader.chunks())
        whole = len(kept) // RECORD_SIZE * RECORD_SIZE
        if not any(old.data[len(kept) : whole + RECORD_SIZE]):
            whole = min(whole + RECORD_SIZE, len(old.data))  # only padding is cut off
        assert read == whole
        assert reader.end().torn_bytes == len(kept[whole:].rstrip(b"\0"))


# --- versions that may not be ---------------------------------------------------------------


def with_version(data: bytes, seq: int, version: int) -> bytes:
    """The log with one whole record of another version."""
    at = (seq - 1) * RECORD_SIZE
    record = bytearray(data[at : at + RECORD_SIZE])
    record[0] = version
    record[8:12] = record_crc(record).to_bytes(4, "little")
    return data[:at] + bytes(record) + data[at + RECORD_SIZE :]


def refused(folder: Path, data: bytes, text: str, seq: int) -> None:
    """Every reader says so, with file, record and version; nothing is changed."""
    path = folder / f"{1:020d}.wal"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    path.write_bytes(data.ljust(1 << 20, b"\0"))
    place = f"record {seq} at offset {(seq - 1) * RECORD_SIZE} is of record version {text}"
    with pytest.raises(StartError) as at_start:
        recover(make_config(), folder, NOW)
    assert f"{path}: {place}" in str(at_start.value)
    follower = LogFollower(folder, 1)
    with pytest.raises(LogDamaged) as followed:
        while follower.read():
            pass
    assert f"{path}: {place}" in str(followed.value)
    assert follower.next_seq == seq
    found = inspection.inspect(folder, thorough=True)
    assert found.status == "damaged"
    assert any(place in str(finding) for finding in found.findings), found.findings
    assert path.read_bytes() == data.ljust(1 << 20, b"\0")


@pytest.fixture
def log(world: World) -> bytes:
    world.deposit(*range(1, 9))
    world.run()
    return world.log()


@pytest.mark.parametrize("version", [1, 2, 5, 255])
@pytest.mark.parametrize("seq", [1, 6, -1])
def test_other_versions_are_refused_by_name(
    log: bytes, tmp_path: Path, version: int, seq: int
) -> None:
    seq = seq if seq > 0 else len(log) // RECORD_SIZE
    text = f"{version}, this program reads versions 3 and 4"
    refused(tmp_path / "other", with_version(log, seq, version), text, seq)


@pytest.mark.parametrize("seq", [2, 6])
def test_a_version_does_not_change_within_a_start(log: bytes, tmp_path: Path, seq: int) -> None:
    text = "3, and no new start of the log: versions only change where a start begins"
    refused(tmp_path / "within", with_version(log, seq, 3), text, seq)
    every = log
    for number in range(1, len(log) // RECORD_SIZE + 1):
        every = with_version(every, number, 3)
    refused(tmp_path / "within", with_version(every, seq, 4), text.replace("3", "4"), seq)


def test_a_version_never_falls(world: World, tmp_path: Path) -> None:
    world.restart()
    world.run()
    world.deposit(1)
    world.run()
    log = world.log()
    seq = next(view.seq for view in iterate(log) if view.epoch == 2)
    refused(tmp_path / "falls", with_version(log, seq, 3), "3, and no new start", seq)


def test_a_type_that_came_later_is_no_record_of_an_old_version(tmp_path: Path) -> None:
    old = next(old for old in OLD if old.name.endswith("requests"))
    seq, epoch = old.records + 1, old.about["state"]["epoch"]
    mark = bytearray(LEDGER_MARK.pack(stream=65535, header_flags=1))
    mark[0] = 3
    folder = tmp_path / "later"
    folder.mkdir()
    (folder / f"{1:020d}.wal").write_bytes(
        (old.data + sealed(mark, seq, epoch)).ljust(1 << 20, b"\0")
    )
    reader = LogReader(folder)
    assert sum(map(len, reader.chunks())) == len(old.data)
    assert reader.end().torn_bytes > 0
