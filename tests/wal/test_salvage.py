"""What is left of a damaged log: specs/wal.md L-40."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from world import BUY, IOC, SELL, World

from rsx.cli import main
from rsx.core.crc import sealed
from rsx.core.disk import FaultDisk
from rsx.errors import StartError
from rsx.records import FILL, LOG_PRUNE, RECORD_SIZE
from rsx.wal.inspect import inspect
from rsx.wal.reader import LogDamaged
from rsx.wal.salvage import salvage
from rsx.wal.segments import list_segments
from rsx.wal.snapshot import write_snapshot
from rsx.wal.state import State

SEGMENT_RECORDS = 8192


@pytest.fixture
def world(make_world: Callable[..., World]) -> World:
    """Two users, some fills, a mark at the end that all of it is on disk; stopped."""
    world = make_world(sync_marks=True)
    world.deposit(1, 2)
    world.run()
    for px in range(1000, 1100, 5):
        world.place(1, SELL, px, 100)
        world.place(2, BUY, px, 50, tif=IOC)
        world.run()
    return world


def stop(world: World) -> dict[str, bytes]:
    world.close()
    return files(world.folder)


def files(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted(folder.iterdir())}


def damage(world: World, seq: int, at: int = 40) -> None:
    """One bit of a record."""
    segment = [s for s in list_segments(world.folder) if s.first <= seq][-1]
    with open(segment.path, "r+b") as file:
        file.seek((seq - segment.first) * RECORD_SIZE + at)
        byte = file.read(1)[0]
        file.seek(-1, 1)
        file.write(bytes([byte ^ 4]))


def state_up_to(world: World, data: bytes, seq: int) -> int:
    state = State(world.config)
    state.apply(data[: seq * RECORD_SIZE])
    return int(state.state_hash())


def again(make_world: Callable[..., World], target: Path) -> World:
    """An exchange on what was salvaged."""
    world = make_world(name=target.name)
    assert world.folder.parent == target
    world.run()
    return world


def test_the_log_up_to_the_damage_is_a_log_to_start_from(
    world: World, make_world: Callable[..., World], tmp_path: Path
) -> None:
    stop(world)
    data = world.log()
    bad, last = 60, len(data) // RECORD_SIZE
    damage(world, bad)
    before = files(world.folder)
    with pytest.raises(LogDamaged):
        world.start()
    done = salvage(world.folder.parent, tmp_path / "new", world.config)

    assert (done.first_seq, done.last_seq, done.snapshot) == (1, bad - 1, None)
    assert done.state_hash == f"{state_up_to(world, data, bad - 1):016x}"
    assert "damaged in the middle" in done.reason
    assert [(d.first_seq, d.last_seq, d.records) for d in done.dropped] == [
        (bad, bad, 0), (bad + 1, last, last - bad),
    ]  # fmt: skip
    assert sum(done.dropped[1].types.values()) == last - bad
    assert done.dropped[1].types["FILL"] > 5
    assert done.dropped[1].size == (last - bad) * RECORD_SIZE
    assert files(world.folder) == before

    assert inspect(tmp_path / "new").status == "sound"
    lived = again(make_world, tmp_path / "new")
    assert lived.recovered.start.next_seq == bad
    lived.place(1, SELL, 2000, 100)
    lived.run()
    assert lived.names()[-1] == "ORDER_ACCEPTED"
    world.folder.joinpath(f"{1:020d}.wal").write_bytes(data)
    world.start()


def test_a_record_that_does_not_fold_ends_it_too(world: World, tmp_path: Path) -> None:
    stop(world)
    data = world.log()
    bad = 50
    wrong = sealed(FILL.pack(taker_oid=999, maker_oid=998, symbol_id=1, qty=1, px=1, stream=1),
                   bad, 1)  # fmt: skip
    path = list_segments(world.folder)[0].path
    with open(path, "r+b") as file:
        file.seek((bad - 1) * RECORD_SIZE)
        file.write(wrong)
    done = salvage(world.folder, tmp_path / "new", world.config)
    assert done.last_seq == bad - 1
    assert f"the fold refuses record {bad}" in done.reason
    assert done.state_hash == f"{state_up_to(world, data, bad - 1):016x}"
    assert done.dropped[0].first_seq == bad
    path.write_bytes(data)
    world.start()


def test_damage_in_a_later_segment_keeps_whole_ones_and_drops_the_rest(
    world: World, make_world: Callable[..., World], tmp_path: Path
) -> None:
    while world.wal.appended < 2.5 * SEGMENT_RECORDS:
        for _ in range(500):
            world.cancel(1, 1)
        world.run()
    stop(world)
    bad = SEGMENT_RECORDS + 100
    damage(world, bad)
    done = salvage(world.folder, tmp_path / "new", world.config)
    old, new = files(world.folder), files(tmp_path / "new" / "wal")
    names = sorted(old)
    assert sorted(new) == names[:2]
    assert new[names[0]] == old[names[0]]
    assert new[names[1]] == old[names[1]][: 99 * RECORD_SIZE] + bytes((1 << 20) - 99 * RECORD_SIZE)
    assert [d.file for d in done.dropped] == [
        str(world.folder / name) for name in (names[1], names[1], names[2])
    ]
    lived = again(make_world, tmp_path / "new")
    assert lived.recovered.start.next_seq == bad
    damage(world, bad)
    world.start()


@pytest.mark.parametrize("bad_behind", [300, 1])
def test_a_pruned_log_is_salvaged_on_its_snapshot(
    make_world: Callable[..., World], tmp_path: Path, bad_behind: int
) -> None:
    world = make_world(sync_marks=True, wal={"retain_mib": 0})
    world.deposit(1, 2)
    world.run()
    world.place(1, SELL, 1000, 100)
    while world.wal.appended < 2 * SEGMENT_RECORDS:
        for _ in range(500):
            world.cancel(1, 1)
        world.run()
    (last,) = [s.first for s in list_segments(world.folder)][-1:]
    path = write_snapshot(world.fold(last - 1), world.folder.parent / "snapshots")
    world.rings["replica_sync"].push(LOG_PRUNE.pack(keep_seq=last))
    while world.wal.appended < last + 1000:
        world.cancel(1, 1)
        world.run()
    assert [s.first for s in list_segments(world.folder)] == [last]
    stop(world)
    bad = last + bad_behind - 1
    damage(world, bad)
    done = salvage(world.folder.parent, tmp_path / "new", world.config)
    assert (done.first_seq, done.last_seq, done.snapshot) == (last, bad - 1, path)

    lived = again(make_world, tmp_path / "new")
    assert lived.recovered.start.next_seq == bad
    assert lived.recovered.state.ledger.account(1)["collateral"] > 0
    damage(world, bad)
    world.start()


def test_a_whole_log_is_copied_and_a_torn_tail_is_left_out(world: World, tmp_path: Path) -> None:
    before = stop(world)
    done = salvage(world.folder, tmp_path / "whole", world.config)
    assert (done.reason, done.dropped) == ("", ())
    assert files(tmp_path / "whole" / "wal") == before

    end = len(world.log())
    with open(list_segments(world.folder)[0].path, "r+b") as file:
        file.seek(end)
        file.write(b"\1" * 200)
    done = salvage(world.folder, tmp_path / "torn", world.config)
    assert files(tmp_path / "torn" / "wal") == before
    assert (done.reason, done.dropped[0].size) == ("200 bytes behind the end", 200)
    world.start()


def test_what_cannot_be_salvaged_is_refused_and_nothing_is_made(
    world: World, tmp_path: Path
) -> None:
    data = stop(world)
    damage(world, 1)
    with pytest.raises(StartError, match=r"nothing can be used: .*no valid record 1 at offset 0"):
        salvage(world.folder, tmp_path / "new", world.config)
    full = tmp_path / "full"
    full.mkdir()
    (full / "x").touch()
    with pytest.raises(StartError, match="is not empty"):
        salvage(world.folder, full, world.config)
    with pytest.raises(StartError, match="no log here"):
        salvage(tmp_path / "none", tmp_path / "new", world.config)
    assert not (tmp_path / "new").exists()
    damage(world, 1)
    assert files(world.folder) == data
    world.start()


def test_a_disk_that_fails_leaves_no_log_that_could_be_taken_for_whole(
    world: World, tmp_path: Path
) -> None:
    stop(world)
    for kind in ("open", "write", "sync", "sync_folder", "rename"):
        disk, target = FaultDisk(), tmp_path / kind
        salvage(world.folder, tmp_path / f"{kind}-whole", world.config, disk)
        number = disk.calls()[kind] - (kind == "sync_folder")  # the last one is behind the name
        disk = FaultDisk()
        disk.fail(kind, number)
        with pytest.raises(OSError, match="Input/output error"):
            salvage(world.folder, target, world.config, disk)
        assert not (target / "wal").exists()
    world.start()


def test_the_command(
    world: World, tmp_path: Path, capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    stop(world)
    damage(world, 60)
    monkeypatch.setattr("rsx.config.load", lambda *_: world.config)
    where = str(world.folder.parent)
    assert main(["wal", "salvage", where, str(tmp_path / "a")]) == 0
    out = capsys.readouterr().out
    assert "left out: " in out and "no valid record (128 bytes)" in out and "FILL" in out
    assert f"{tmp_path / 'a'}: records 1 to 59, state " in out
    assert main(["wal", "salvage", where, str(tmp_path / "b"), "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert (told["first_seq"], told["last_seq"], told["snapshot"]) == (1, 59, None)
    assert told["dropped"][0]["first_seq"] == 60
    assert main(["wal", "salvage", where, str(tmp_path / "b")]) == 1
    assert "is not empty" in capsys.readouterr().err
    damage(world, 60)
    world.start()
