"""How a snapshot comes to be: bounded steps, a disk that fails, a process that is killed (SN-1,
SN-14, SN-20)."""

from __future__ import annotations

import errno
import struct
import threading
from pathlib import Path

import msgspec
import pytest
from wal.life import SECTIONS, Life, live, markets
from world import World

from rsx import records
from rsx.core.crc import sealed
from rsx.core.disk import FaultDisk
from rsx.sim.disk import SimDisk
from rsx.wal.snapshot import (
    SnapshotDamaged,
    SnapshotRefused,
    SnapshotWriter,
    list_snapshots,
    load_snapshot,
    remove_leftovers,
    write_snapshot,
)
from rsx.wal.state import State


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    world, life = World(tmp_path_factory.mktemp("world"), *markets(), **SECTIONS), Life(3)
    life.begin(world)
    live(world, life, 300)
    yield world
    world.close()


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_a_step_writes_no_more_than_its_budget(world, tmp_path):
    state = world.fold()
    writer = SnapshotWriter(state, tmp_path)
    steps, before = 0, 0
    while not writer.step(1280):
        assert writer.written - before <= 1280
        before = writer.written
        steps += 1
        assert names(tmp_path) == [f"{writer.seq:020d}.snap.tmp"]
    assert steps > writer.written // 1280
    assert writer.step(1280) and writer.path == tmp_path / f"{writer.seq:020d}.snap"
    assert names(tmp_path) == [writer.path.name]
    assert writer.path.read_bytes() == write_snapshot(state, tmp_path / "whole").read_bytes()
    writer.abandon()  # nothing when it is done
    assert writer.path.exists()


def test_what_is_abandoned_leaves_nothing(world, tmp_path):
    writer = SnapshotWriter(world.fold(), tmp_path)
    while writer.written < 5000:
        assert not writer.step(1280)
    writer.abandon()
    assert names(tmp_path) == []
    with pytest.raises(OSError):
        SnapshotWriter(world.fold(), tmp_path / "a" / "b", FailsToMake())


class FailsToMake(FaultDisk):
    def __init__(self):
        self.fail("open")


def writes_of(world: World, folder: Path) -> dict[str, int]:
    disk = FaultDisk()
    write_snapshot(world.fold(), folder, disk)
    return disk.calls()


def test_every_call_that_fails_ends_it_and_leaves_the_older_ones(world, tmp_path):
    """The file and the reason are named, nothing half is left."""
    older = write_snapshot(world.fold(20), tmp_path / "there")
    (tmp_path / "count").mkdir()
    calls = writes_of(world, tmp_path / "count")
    assert calls["rename"] == 1
    for call in ("open", "write", "sync", "close", "rename", "sync_folder"):
        for number in range(1, calls[call] + 1):
            disk = FaultDisk()
            disk.fail(call, number, errno.ENOSPC)
            with pytest.raises(OSError) as caught:
                write_snapshot(world.fold(), tmp_path / "there", disk)
            assert caught.value.errno == errno.ENOSPC
            assert f"{world.fold().next_seq - 1:020d}.snap.tmp" in str(caught.value), call
            assert names(tmp_path / "there") == [older.name], (call, number)
            load_snapshot(older, world.config)
            disk.heal()
            new = write_snapshot(world.fold(), tmp_path / "there", disk)
            assert names(tmp_path / "there") == [older.name, new.name]
            new.unlink()


def test_short_writes_are_gone_on_with(world, tmp_path):
    disk = FaultDisk()
    disk.fail("write", 1, size=1000)
    path = write_snapshot(world.fold(), tmp_path / "a", disk)
    assert path.read_bytes() == write_snapshot(world.fold(), tmp_path / "b").read_bytes()


def test_a_power_cut_at_any_call_leaves_whole_snapshots_only(world):
    """SN-1; BOOK-83, SNP-01, SNP-02: what has the name of a snapshot is one, with its number in
    it; the rest is removed by the next start."""
    folder = Path("/data/snapshots")
    states = [world.fold(20), world.fold()]
    at, ended = 0, False
    while not ended:
        at += 1
        disk = SimDisk(at)
        disk.make_folder(folder.parent)
        write_snapshot(states[0], folder, disk)
        disk.dies_at = disk.calls + at
        try:
            write_snapshot(states[1], folder, disk)
            ended = True
        except OSError:
            assert disk.is_dead
        disk.cut_power(500_000, True)
        remove_leftovers(folder, disk)
        found = list_snapshots(folder, disk)
        assert found[0].seq == 20
        assert len(found) == 2 or not ended
        for one in found:
            state = load_snapshot(one.path, world.config, disk)
            assert state.state_hash() == states[one.seq != 20].state_hash()
        assert [Path(name).suffix for name in disk.list(folder)] == [".snap"] * len(found)
    assert at > 5


def test_a_sector_that_was_lost_is_found(world):
    """A disk that says that it has what it has not."""
    folder = Path("/data/snapshots")
    disk = SimDisk(5)
    disk.make_folder(folder.parent)
    disk.make_folder(folder)
    disk.loses_at = disk.syncs + 1
    path = write_snapshot(world.fold(), folder, disk)
    assert disk.lost == 1
    disk.cut_power(0, False)
    with pytest.raises(SnapshotDamaged):
        load_snapshot(path, world.config, disk)


def test_leftovers_go_and_nothing_else(tmp_path):
    for name in ("00000000000000000007.snap.tmp", "00000000000000000007.snap", "x.tmp"):
        (tmp_path / name).write_bytes(b"")
    assert remove_leftovers(tmp_path) == ["00000000000000000007.snap.tmp"]
    assert names(tmp_path) == ["00000000000000000007.snap", "x.tmp"]
    assert remove_leftovers(tmp_path / "none") == []


def test_a_state_that_does_not_fit_the_log_is_not_written(world, tmp_path):
    """SN-14, until a user opens a market again (RP-6)."""
    state = world.fold()
    digest = records.ENGINE_DIGEST.pack(
        digest=1, symbol_id=1, part=0, form=1, stream=1, header_flags=1
    )
    state.apply(sealed(digest, state.next_seq, state.epoch))
    assert state.mismatch is not None
    with pytest.raises(SnapshotRefused, match="the state does not fit the log: ENGINE_DIGEST"):
        SnapshotWriter(state, tmp_path)
    assert names(tmp_path) == []
    opened = records.TRADING_MODE.pack(symbol_id=1, user_id=9, stream=1, header_flags=1)
    state.apply(sealed(opened, state.next_seq, state.epoch))
    assert write_snapshot(state, tmp_path).exists()


def test_other_threads_run_while_it_is_written(tmp_path):
    """SN-20, BOOK-85: without the GIL but for moments; here a book big enough to notice."""
    big = World(tmp_path, matching={"orders_max": 1 << 17, "dedup_orders_max": 1 << 19})
    state = State(big.config)
    state.apply(big.log())
    order = records.ORDER_ACCEPTED.pack(
        qty=10, user_id=1, flags=4, stream=1, symbol_id=1, header_flags=1
    )
    orders = bytearray(order * 100_000)
    for at in range(100_000):
        numbers = (state.next_seq + 1 + at, 0, at + 1, 500 + 5 * (at % 90))  # seq, time, id, price
        struct.pack_into("<4Q", orders, at * 128 + 16, *numbers)
    deposit = records.DEPOSIT.pack(user_id=1, amount=5, stream=65535, header_flags=1)
    state.apply(sealed(deposit, state.next_seq, 1))
    state.apply(bytes(orders))
    done = threading.Event()

    def write() -> None:
        write_snapshot(state, tmp_path / "snapshots")
        done.set()

    thread = threading.Thread(target=write)
    thread.start()
    turns = 0
    while not done.is_set():
        turns += 1
    thread.join()
    assert turns > 20
    assert list_snapshots(tmp_path / "snapshots")[0].size > 100_000 * 128
    big.close()


def test_the_circle_of_client_ids_comes_back_after_it_went_round(tmp_path):
    """D-1, D-2; DED-5, SNP-04, SNP-05, REG-19: living ones moved to the young end, ended ones
    dropped, places left empty."""
    world = World(tmp_path, matching={"orders_max": 1024, "dedup_orders_max": 4096,
                                      "triggers_max": 256})  # fmt: skip
    world.deposit(1, 2)
    world.run()
    for at in range(5000):
        keeps = at % 97 == 0
        cid = f"k{at}" if keeps else f"c{at % 3000}"
        world.place(1 + at % 2, 0, 500 + 5 * (at % 7), 10, cid=cid, tif=0 if keeps else 1)
        if at % 900 == 0:
            world.clock.advance(7200 * 10**9)  # what is older may be used again
        if at % 200 == 0:
            world.run()
    world.run()
    log, config = world.log(), world.config
    count = len(log) // 128
    for cut in (count, count - 3000, count - 40):
        state = State(config)
        state.apply(log[: cut * 128])
        path = write_snapshot(state, tmp_path / "s")
        loaded = load_snapshot(path, config)
        loaded.audit()
        assert write_snapshot(loaded, tmp_path / "t").read_bytes() == path.read_bytes()
        for other in (state, loaded):
            other.apply(log[cut * 128 :])
        end = write_snapshot(state, tmp_path / "u").read_bytes()
        assert write_snapshot(loaded, tmp_path / "v").read_bytes() == end
    assert state.engines[1].counts()["client_ids"] > 3000
    world.close()


@pytest.mark.parametrize("capacity", [2048, 1024])
def test_a_smaller_memory_of_client_ids_keeps_the_living_and_what_fits(capacity, tmp_path):
    """SN-32: it goes on as a memory of its size would."""
    world = World(tmp_path, matching={"orders_max": 1024, "triggers_max": 16,
                                      "dedup_orders_max": 4096})  # fmt: skip
    world.deposit(1, 2)
    world.run()
    for at in range(1000):
        rests = at % 4 == 0
        world.place(1 + at % 2, 0, 500, 10, cid=f"c{at}", tif=0 if rests else 1)
        if at % 50 == 0:
            world.run()
    world.run()
    path = write_snapshot(world.fold(), tmp_path / "snapshots")
    world.close()
    matching = msgspec.structs.replace(world.config.matching, dedup_orders_max=capacity)
    loaded = load_snapshot(path, msgspec.structs.replace(world.config, matching=matching))
    loaded.audit()
    engine = loaded.engines[1]
    assert all(row[9] == f"c{row[0] - 1}" for row in engine.orders())
    used = engine.counts()["client_ids"]
    assert used == 1000 if capacity == 2048 else 250 <= used < 768
    for at in range(2000):  # nothing is ever full
        cid = f"n{at}".encode()
        engine.submit(records.ORDER_NEW.pack(
            oid=5000 + at, px=500, qty=10, user_id=1, symbol_id=1, tif=1, cid=cid,
            cid_len=len(cid),
        ), 1_700_000_000_000_000_000)  # fmt: skip
    loaded.engines[1].audit()


def test_it_is_written_while_the_price_map_is_being_recentred(tmp_path):
    """PM-2, SN-5: where levels lie decides nothing and shows nowhere. BOOK-56 has no snapshot
    then."""
    world = World(tmp_path)
    world.deposit(1)
    world.run()
    for at in range(60):
        world.place(1, at % 2, (500 if at % 2 == 0 else 1500) + 5 * at, 10)
    world.run()
    state = world.fold()
    due = write_snapshot(state, tmp_path / "still").read_bytes()
    state.engines[1].centre_on(3000)
    assert state.engines[1].map_info()["is_moving"]
    path = write_snapshot(state, tmp_path / "moving")
    assert path.read_bytes() == due
    loaded = load_snapshot(path, world.config)
    loaded.audit()
    assert not loaded.engines[1].map_info()["is_moving"]
    assert write_snapshot(loaded, tmp_path / "again").read_bytes() == due
    world.close()
