"""Snapshots: what is written comes back, byte for byte, wherever the log is cut (SN-n)."""

from __future__ import annotations

import random

import pytest
from world import World

from rsx.rows import BY_TYPE, ROW_SIZE, outputs
from rsx.wal.snapshot import (
    SnapshotRefused,
    list_snapshots,
    load_snapshot,
    snapshot_head,
    write_snapshot,
)
from rsx.wal.state import State


@pytest.mark.parametrize("path", outputs(), ids=lambda path: path.name)
def test_what_is_generated_from_the_table_of_rows_is_fresh(path):
    assert path.read_text() == outputs()[path], "python -m rsx.rows --write"


def busy(world: World, requests: int, seed: int = 1) -> None:
    """Orders, client ids, triggers, cancels and fills in both markets."""
    rng = random.Random(seed)
    world.deposit(1, 2, 3, 4)
    world.run()
    for at in range(requests):
        user, symbol = rng.randint(1, 4), rng.randint(1, 2)
        px = 1000 + 5 * rng.randint(-4, 4)
        cid = f"c{at}" if at % 3 else ""
        world.place(user, rng.randint(0, 1), px, 10 * rng.randint(1, 5), cid=cid, symbol=symbol)
        if at % 7 == 0:
            far = 1000 + 5 * rng.choice([-10, 10])
            world.stop(user, rng.randint(0, 1), far, 10, symbol=symbol, cid=f"t{at}")
        if at % 5 == 0:
            world.cancel(user, max(1, world.oid - rng.randint(0, 9)), symbol=symbol)
        if at % 20 == 0:
            world.run()
    world.run()


def test_it_comes_back_wherever_the_log_was_cut_and_folds_on(tmp_path):
    """SN-5, SN-10, SN-11; INV-40."""
    world = World(tmp_path)
    busy(world, 120)
    log = world.log()
    count = len(log) // ROW_SIZE
    whole = world.fold()
    whole_bytes = write_snapshot(whole, tmp_path / "whole").read_bytes()
    for cut in [*range(1, 40), *random.Random(1).sample(range(40, count + 1), 60)]:
        state = State(world.config)
        state.apply(log[: cut * ROW_SIZE])
        path = write_snapshot(state, tmp_path / "cut")
        loaded = load_snapshot(path, world.config)
        assert loaded.state_hash() == state.state_hash()
        assert loaded.next_seq == state.next_seq == cut + 1
        loaded.audit()
        assert write_snapshot(loaded, tmp_path / "again").read_bytes() == path.read_bytes()
        loaded.apply(log[cut * ROW_SIZE :])
        assert loaded.state_hash() == whole.state_hash()
        assert write_snapshot(loaded, tmp_path / "on").read_bytes() == whole_bytes
    world.close()


def test_files_are_listed_by_number_and_say_what_they_are(tmp_path):
    """SN-1."""
    world = World(tmp_path)
    world.deposit(1)
    world.run()
    folder = tmp_path / "snapshots"
    assert list_snapshots(folder) == []
    for cut in (9, 10):
        state = world.fold(cut)
        path = write_snapshot(state, folder)
        head = snapshot_head(path)
        assert (head.seq, head.epoch, head.exchange_id) == (cut, 1, state.exchange_id)
    (folder / "00000000000000000011.snap.tmp").write_bytes(b"")
    assert [(s.seq, s.size) for s in list_snapshots(folder)] == [
        (seq, (folder / f"{seq:020d}.snap").stat().st_size) for seq in (9, 10)
    ]
    world.close()


def test_an_empty_state_is_not_written(tmp_path):
    world = World(tmp_path)
    with pytest.raises(SnapshotRefused, match="nothing is in the log yet"):
        write_snapshot(State(world.config), tmp_path)
    world.close()


def test_every_row_has_its_own_number():
    assert len(BY_TYPE) == len({row.name for row in BY_TYPE.values()})
