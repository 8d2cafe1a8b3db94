"""`rsx snapshot`, `rsx verify`, `rsx restore` (specs/replica.md section 5), on stepped worlds; a
running exchange is asked in tests/system/test_snapshot.py.
"""

from __future__ import annotations

import json
import shutil

import pytest
from world import BUY, SELL, World

import rsx.commands.snapshot as commands
from rsx.cli import main
from rsx.wal.segments import list_segments, open_data_folder
from rsx.wal.snapshot import list_snapshots
from rsx.wal.state import State


def make_world(folder):
    world = World(folder)
    world.deposit(1, 2)
    world.run()
    trade(world)
    return world


def trade(world, number=1):
    for _ in range(number):
        world.place(1, SELL, 1005, 20)
        world.place(2, BUY, 1005, 10)
        world.run()


@pytest.fixture
def world(tmp_path, monkeypatch):
    made = make_world(tmp_path / "data")
    monkeypatch.setattr(commands, "load", lambda _path: made.config)
    yield made
    made.close()


@pytest.fixture
def rsx(capsys):
    """rsx("verify", folder): exit code, output, errors."""

    def run(*args):
        code = main([str(arg) for arg in args])
        captured = capsys.readouterr()
        return code, captured.out, captured.err

    return run


def data_of(world):
    return world.folder.parent


def overwrite(path, offset, data=b"\xff"):
    with open(path, "r+b") as file:
        file.seek(offset)
        file.write(data)


# --- snapshot -------------------------------------------------------------------------------


def test_a_stopped_exchange_starts_from_the_snapshot_of_its_folder(rsx, world):
    world.close()
    code, out, _ = rsx("snapshot", data_of(world), "--json")
    answer = json.loads(out)

    assert code == 0
    assert answer["seq"] == world.wal.appended
    assert rsx("snapshot", data_of(world))[1].startswith(answer["file"])
    world.start()
    assert world.recovered.snapshot == list_snapshots(data_of(world) / "snapshots")[0].path
    assert world.recovered.state.state_hash() == world.fold().state_hash()


def test_the_folder_of_a_running_exchange_is_not_written_to(rsx, world):
    _, lock = open_data_folder(data_of(world))

    code, _, err = rsx("snapshot", data_of(world))

    assert code == 1
    assert "is in use by another exchange" in err
    assert lock


@pytest.mark.parametrize("command", ["snapshot", "verify"])
def test_a_folder_without_a_log_is_refused(rsx, world, tmp_path, command):
    code, _, err = rsx(command, tmp_path)

    assert code == 1
    assert f"{tmp_path}: no data folder of an exchange" in err
    assert not (tmp_path / "lock").exists()


def test_an_unanswered_difference_is_no_snapshot(rsx, world, tmp_path, monkeypatch):
    """SN-14."""
    world.config = world.config.replace(replica={"check_ms": 10})
    world.restart()
    world.risk.ledger.plant(1, 3)
    for _ in range(40):
        trade(world)
        world.clock.advance(20_000_000)
        world.run()

    code, _, err = rsx("snapshot", data_of(world))

    assert code == 1
    assert "two folds of the log differ: LEDGER_DIGEST" in err
    assert list_snapshots(data_of(world) / "snapshots") == []


def test_a_folder_and_an_address_exclude_each_other(rsx, world):
    code, _, err = rsx("snapshot", data_of(world), "--url", "http://127.0.0.1:1")

    assert code == 2
    assert "not both" in err


# --- verify ---------------------------------------------------------------------------------


def with_snapshots(rsx, world, count=3):
    for _ in range(count):
        world.close()
        assert rsx("snapshot", data_of(world))[0] == 0
        world.start()
        trade(world, 3)
    return list_snapshots(data_of(world) / "snapshots")


def test_a_sound_folder_is_said_to_be_so(rsx, world):
    """Also while it is written; every snapshot is held against the fold."""
    found = with_snapshots(rsx, world)

    code, out, _ = rsx("verify", data_of(world), "--json")
    answer = json.loads(out)

    assert code == 0
    assert answer["sound"] and answer["problems"] == []
    assert [row["seq"] for row in answer["snapshots"]] == [s.seq for s in found]
    assert all(row["compared"] for row in answer["snapshots"])
    assert answer["last_seq"] == world.wal.appended
    assert answer["state_hash"] == f"{world.fold().state_hash():016x}"
    assert "sound; log sound" in rsx("verify", data_of(world))[1]


def test_a_damaged_snapshot_is_located(rsx, world):
    found = with_snapshots(rsx, world)
    overwrite(found[1].path, 1000)

    code, out, _ = rsx("verify", data_of(world))

    assert code == 1
    assert f"{found[1].path} offset 896" in out
    assert "NOT sound" in out


def test_a_snapshot_of_another_history_is_found_out(rsx, world, tmp_path):
    """Whole in itself, but not what the log adds up to."""
    found = with_snapshots(rsx, world, 1)
    other = World(tmp_path / "other")
    other.deposit(1, 2, amount=7)
    other.run()
    while other.wal.appended < found[0].seq:
        other.cancel(1, 999)
        other.run()
    other.close()
    state = State(other.config)
    state.apply(other.log()[: found[0].seq * 128])
    shutil.rmtree(data_of(world) / "snapshots")
    from rsx.wal.snapshot import write_snapshot

    write_snapshot(state, data_of(world) / "snapshots")
    code, out, _ = rsx("verify", data_of(world))

    assert code == 1
    assert "the log adds up to" in out


def test_a_snapshot_ahead_of_the_log_is_found_out(rsx, world, tmp_path):
    found = with_snapshots(rsx, world, 2)
    end = found[-1].seq
    for segment in list_segments(world.folder):
        overwrite(segment.path, (end - 3 - segment.first) * 128, bytes(128 * 200))

    code, out, _ = rsx("verify", data_of(world))

    assert code == 1
    assert "the log ends before it" in out


def test_a_damaged_log_is_located(rsx, world):
    world.wal.sync_marks = True
    trade(world, 3)
    overwrite(list_segments(world.folder)[0].path, 128 * 3 + 50)

    code, out, _ = rsx("verify", data_of(world))

    assert code == 1
    assert "offset 384" in out


# --- restore --------------------------------------------------------------------------------


def start_at(world, folder):
    """An exchange on a restored folder, with the configuration of this one."""
    made = World.__new__(World)
    made.__dict__.update(world.__dict__)
    made.folder, made.released, made.answers = folder / "wal", [], []
    made.start()
    return made


def test_a_restored_folder_runs_on_from_the_same_state(rsx, world, tmp_path):
    """From a folder that is being written to: snapshot and log."""
    with_snapshots(rsx, world)
    target = tmp_path / "new"

    code, out, _ = rsx("restore", data_of(world), target, "--json")

    assert code == 0
    assert json.loads(out)["seq"] == world.wal.appended
    assert json.loads(out)["state_hash"] == f"{world.fold().state_hash():016x}"
    before = world.fold().state_hash()
    made = start_at(world, target)
    assert made.recovered.state.state_hash() == before
    assert made.recovered.snapshot is not None
    trade(made, 3)
    code, out, _ = rsx("verify", target)
    assert code == 0, out
    made.close()


def test_without_any_snapshot_the_whole_log_is_copied(rsx, world, tmp_path):
    code, out, _ = rsx("restore", data_of(world), tmp_path / "new")

    assert code == 0
    assert "without the secret" in out
    copied, own = (list_segments(f) for f in (tmp_path / "new" / "wal", world.folder))
    assert [(s.first, s.size) for s in copied] == [(s.first, s.size) for s in own]


def test_only_the_log_from_the_snapshot_on_is_copied(rsx, world, tmp_path):
    while world.wal.appended < 3 * 8192:
        for _ in range(900):
            world.cancel(1, 1)
        world.run()
    world.close()
    assert rsx("snapshot", data_of(world))[0] == 0
    world.start()
    trade(world)

    assert rsx("restore", data_of(world), tmp_path / "new")[0] == 0

    firsts = [s.first for s in list_segments(tmp_path / "new" / "wal")]
    assert firsts == [s.first for s in list_segments(world.folder)][-len(firsts) :]
    assert len(firsts) == 1
    code, out, _ = rsx("verify", tmp_path / "new")
    assert code == 0, out
    code, out, _ = rsx("wal", "verify", tmp_path / "new")
    assert code == 0 and "its beginning is pruned" in out
    code, out, _ = rsx("wal", "stats", tmp_path / "new", "--json")
    assert code == 0 and json.loads(out)["accounts"] is None


def test_a_snapshot_alone_is_enough_to_go_on(rsx, world, tmp_path):
    found = with_snapshots(rsx, world, 2)
    target = tmp_path / "new"

    code, out, _ = rsx("restore", found[0].path, target)

    assert code == 0
    assert f"goes on behind record {found[0].seq:,}" in out
    made = start_at(world, target)
    made.run()
    assert made.released[0].seq == found[0].seq + 1
    assert [r.record.name for r in made.released[:2]] == ["SEGMENT_STARTED", "LOG_STARTED"]
    trade(made, 3)
    code, out, _ = rsx("verify", target)
    assert code == 0, out
    made.restart()
    assert made.recovered.snapshot is not None
    made.close()


def test_a_folder_that_is_there_is_refused(rsx, world, tmp_path):
    target = tmp_path / "new"
    target.mkdir()
    (target / "x").write_text("x")

    for source in (data_of(world), world.folder):
        code, _, err = rsx("restore", source, target)
        assert code == 1
        assert f"{target} is there and not empty" in err


def test_the_secret_is_copied_when_asked_for(rsx, world, tmp_path):
    secret = data_of(world) / "secret"
    code, _, err = rsx("restore", data_of(world), tmp_path / "a", "--secret")
    assert code == 1 and str(secret) in err
    secret.write_text("s" * 64)

    assert rsx("restore", data_of(world), tmp_path / "b")[0] == 0
    assert rsx("restore", data_of(world), tmp_path / "c", "--secret")[0] == 0

    assert not (tmp_path / "b" / "secret").exists()
    copy = tmp_path / "c" / "secret"
    assert copy.read_text() == secret.read_text()
    assert copy.stat().st_mode & 0o777 == 0o600


def test_a_damaged_source_is_not_copied(rsx, world, tmp_path):
    found = with_snapshots(rsx, world, 1)
    overwrite(found[0].path, 500)
    code, _, err = rsx("restore", found[0].path, tmp_path / "new")
    assert code == 1 and "offset 384" in err

    world.wal.sync_marks = True
    trade(world, 3)
    overwrite(list_segments(world.folder)[0].path, 128 * 3 + 50)
    code, _, err = rsx("restore", data_of(world), tmp_path / "other")
    assert code == 1 and "damaged" in err
