"""The archive tile: exactly once, whatever is cut off, locked, deleted, foreign (AR-1 to AR-9)."""

from __future__ import annotations

import asyncio
import sqlite3
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import msgspec
import pytest
from scenario.chaos import Chaos
from store.helpers import archived, rows, tables
from world import IOC, World

from rsx.config import Archive
from rsx.errors import StartError
from rsx.records import RECORD_SIZE
from rsx.store.seed import Seed, from_snapshots
from rsx.store.writer import Writer
from rsx.tiles.archive import ArchiveTile
from rsx.wal.segments import list_segments
from rsx.wal.snapshot import write_snapshot
from rsx.wal.state import State

SOON = Archive(batch_records=1024, batch_ms=10, checkpoint_s=1)


def no_snapshot(oldest: int) -> Any:
    raise StartError(f"the log begins at {oldest}, and there is no snapshot")


def make_tile(world: World, path: Path, seeds: Any = no_snapshot, **changes: Any) -> ArchiveTile:
    options = msgspec.structs.replace(SOON, **changes)
    return ArchiveTile(
        options, world.folder, path, world.clock, lambda: world.wal.durable,
        world.recovered.start.exchange_id, 3, seeds,
    )  # fmt: skip


async def run_tile(tile: ArchiveTile) -> None:
    """Until all that is durable is archived; then closed as a killed process would leave it."""
    try:
        await tile.open()
        while await tile.turn():
            pass
    finally:
        await tile._close()


def follow(world: World, path: Path, seeds: Any = no_snapshot) -> ArchiveTile:
    tile = make_tile(world, path, seeds)
    asyncio.run(run_tile(tile))
    return tile


def trade(world: World, times: int = 3) -> None:
    for _ in range(times):
        world.place(1, 0, 1000, 10)
        world.place(2, 1, 1000, 10, tif=IOC)
        world.run()


@pytest.fixture
def world(tmp_path):
    world = World(tmp_path)
    world.deposit(1, 2, 3)
    world.run()
    trade(world)
    yield world
    world.close()


def test_all_that_is_durable_is_archived_and_nothing_else(world, tmp_path):
    tile = follow(world, tmp_path / "archive.db")
    assert tile.written == world.wal.durable
    assert len(rows(tile.path, "SELECT * FROM fills")) == 3
    limit = world.wal.durable
    trade(world)
    tile = make_tile(world, tmp_path / "archive.db")
    tile.durable = lambda: limit + 1
    asyncio.run(run_tile(tile))
    assert tile.written == limit + 1


def test_it_goes_on_where_it_was_and_counts_each_record_once(tmp_path):
    """AR-2: after every few acts the tile is thrown away; the end is as of one go."""
    chaos = Chaos(tmp_path / "data", 3)
    path = tmp_path / "archive.db"
    for number in range(60):
        chaos.act()
        if number % 7 == 0:
            chaos.run()
            follow(chaos, path)
        if number == 30:
            chaos.restart()
    chaos.run()
    tile = follow(chaos, path)
    log = chaos.log()[: tile.written * RECORD_SIZE]
    whole = tables(archived(tmp_path / "whole.db", log))
    found = tables(path)
    for table in (whole, found):  # whose it is comes from another place in the tests' own writer
        table["archive"] = [row[2:6] for row in table["archive"]]
    assert found == whole


def test_a_deleted_archive_is_made_anew_from_the_first_record(world, tmp_path):
    path = tmp_path / "archive.db"
    follow(world, path)
    before = tables(path)
    for name in ("archive.db", "archive.db-wal", "archive.db-shm"):
        (tmp_path / name).unlink(missing_ok=True)
    follow(world, path)
    assert tables(path) == before
    assert rows(path, "SELECT complete_from FROM archive") == [(1,)]


@pytest.mark.parametrize(("column", "value", "what"), [
    ("exchange_id", 99, "is of exchange 63"),
    ("position", 1 << 40, "goes up to 1,099,511,627,776"),
    ("position_crc", 12345, "was another one when it was archived"),
])  # fmt: skip
def test_another_logs_archive_is_refused_and_left_as_it_is(world, tmp_path, column, value, what):
    path = tmp_path / "archive.db"
    follow(world, path)
    db = sqlite3.connect(path)
    db.execute(f"UPDATE archive SET {column} = ?", (value,))
    db.commit()
    db.close()
    before = tables(path)
    tile = make_tile(world, path)
    asyncio.run(live(tile, lambda: bool(tile.trouble)))
    assert what in tile.troubles(world.clock.now_ns())[0]
    assert str(path) in tile.trouble
    assert tables(path) == before


async def seen(what: Any) -> None:
    for _ in range(1000):
        if what():
            return
        await asyncio.sleep(0.01)


async def live(tile: ArchiveTile, until: Any, act: Any = None) -> None:
    """Run the tile as its thread does until something holds, at most ten seconds."""
    tile.loop = asyncio.get_running_loop()
    await tile.on_start()
    try:
        async with asyncio.timeout(10):
            if act is not None:
                await act()
            await seen(until)
    finally:
        await tile.on_close()


def test_it_follows_a_log_that_grows(world, tmp_path):
    tile = make_tile(world, tmp_path / "archive.db")

    async def act():
        for _ in range(5):
            trade(world, 1)
            await asyncio.sleep(0.03)

    asyncio.run(live(tile, lambda: tile.lag == 0 and tile.written == world.wal.durable, act))
    assert len(rows(tile.path, "SELECT * FROM fills")) == 8
    assert tile.kept == tile.written  # made durable at the end


def test_a_locked_database_is_waited_for_and_told(world, tmp_path, monkeypatch):
    """AR-7: trading goes on, health warns, and it heals by itself."""
    monkeypatch.setattr("rsx.store.writer.LOCK_WAIT_S", 0.05)
    path = tmp_path / "archive.db"
    follow(world, path)
    trade(world)
    lock = sqlite3.connect(path, isolation_level=None)
    lock.execute("BEGIN IMMEDIATE")
    tile = make_tile(world, path)

    async def act():
        await seen(lambda: tile.trouble)
        trade(world)  # the exchange does not care
        assert "locked" in tile.troubles(world.clock.now_ns())[0]
        assert tile.lag > 0
        lock.execute("ROLLBACK")

    asyncio.run(live(tile, lambda: not tile.trouble and tile.lag == 0, act))
    lock.close()
    assert tile.failures > 0
    assert len(rows(path, "SELECT * FROM fills")) == 9


@pytest.mark.parametrize("table", ["fills", "orders", "accounts", "candles", "archive"])
def test_a_transaction_that_fails_in_the_middle_leaves_nothing(world, tmp_path, table):
    """AR-2: whatever table refuses, the file is as before; afterwards all is there once."""
    path = tmp_path / "archive.db"
    follow(world, path)
    before = tables(path)
    trade(world)
    db = sqlite3.connect(path)
    for event in ("INSERT", "UPDATE"):
        db.execute(f"CREATE TRIGGER no_{event} BEFORE {event} ON {table}"
                   " BEGIN SELECT RAISE(ABORT, 'database or disk is full'); END")  # fmt: skip
    db.commit()
    tile = make_tile(world, path)
    with pytest.raises(sqlite3.Error, match="full"):
        asyncio.run(run_tile(tile))
    asyncio.run(tile._close())
    assert tables(path) == before
    for event in ("INSERT", "UPDATE"):
        db.execute(f"DROP TRIGGER no_{event}")
    db.commit()
    db.close()
    follow(world, path)
    whole = tables(archived(tmp_path / "whole.db", world.log()))
    assert tables(path)["fills"] == whole["fills"]
    assert tables(path)["candles"] == whole["candles"]


def test_a_file_that_is_no_database_is_told(world, tmp_path):
    path = tmp_path / "archive.db"
    path.write_bytes(b"no database at all" * 100)
    tile = make_tile(world, path)
    asyncio.run(live(tile, lambda: bool(tile.trouble)))
    assert "not a database" in tile.trouble


def test_a_damaged_log_stops_the_archive_only(world, tmp_path):
    tile = make_tile(world, tmp_path / "archive.db")
    tile.durable = lambda: world.wal.durable + 100
    asyncio.run(live(tile, lambda: bool(tile.trouble)))
    assert "no valid record" in tile.trouble


def test_what_retention_may_rely_on(world, tmp_path):
    """AR-3, AR-8: only what a checkpoint made durable; a dead archive does not fill the disk."""
    tile = make_tile(world, tmp_path / "archive.db", lag_mib=1)

    async def steps():
        await tile.open()
        while await tile.turn():
            pass
        first = tile.position
        trade(world)
        await tile.turn()
        assert tile.written > tile.position >= first
        await tile.checkpoint()
        assert tile.position == tile.written
        await tile._close()

    asyncio.run(steps())
    far = tile.written + 100_000
    tile.durable = lambda: far
    assert tile.position == far - (1 << 20) // 128


def test_begins_at_a_snapshot_where_the_log_is_pruned(tmp_path, monkeypatch):
    """AR-5: balances, positions and live orders of the state; complete_from says since when."""
    chaos = Chaos(tmp_path / "data", 4)
    for _ in range(60):
        chaos.act()
    chaos.run()
    state = chaos.fold()
    for _ in range(60):
        chaos.act()
    chaos.run()
    path = tmp_path / "archive.db"
    prune(monkeypatch, state.next_seq - 5)
    follow(chaos, path, seeds=lambda oldest: Seed(state, chaos.config.symbols))
    (first,) = rows(path, "SELECT complete_from FROM archive")[0]
    assert first == state.next_seq
    same_as(chaos, path)


def test_a_hole_is_noted_and_bridged_by_a_snapshot(tmp_path, monkeypatch):
    """AR-6: away for so long that the log was pruned; rows of before stay, ends are unknown."""
    chaos = Chaos(tmp_path / "data", 6)
    path = tmp_path / "archive.db"
    for _ in range(40):
        chaos.act()
    chaos.run()
    follow(chaos, path)
    old = len(rows(path, "SELECT * FROM fills"))
    position = rows(path, "SELECT position FROM archive")[0][0]
    for _ in range(60):
        chaos.act()
    chaos.run()
    state = chaos.fold()
    for _ in range(40):
        chaos.act()
    chaos.run()
    prune(monkeypatch, state.next_seq - 3)
    follow(chaos, path, seeds=lambda oldest: Seed(state, chaos.config.symbols))
    assert rows(path, "SELECT * FROM holes") == [(position + 1, state.next_seq - 1)]
    assert rows(path, "SELECT complete_from FROM archive") == [(state.next_seq,)]
    assert len(rows(path, f"SELECT * FROM fills WHERE seq <= {position}")) == old
    assert rows(path, "SELECT count(*) FROM orders WHERE status = 6")[0][0] > 0
    same_as(chaos, path)


def test_begins_at_a_real_snapshot_of_a_log_whose_first_segment_is_gone(tmp_path):
    """AR-5 with files: the oldest snapshot that the log goes on from, by its number."""
    world = World(tmp_path / "data", wal={"segment_mib": 1})
    world.deposit(1, 2, 3)
    world.run()
    world.place(3, 0, 900, 10, cid="rests")
    world.run()
    snapshots = tmp_path / "data" / "snapshots"
    while len(list_segments(world.folder)) < 2:
        for _ in range(200):
            world.place(1, 0, 1000, 10)
            world.place(2, 1, 1000, 10, tif=IOC)
        world.run()
    write_snapshot(world.fold(100), snapshots)  # too old: the log begins behind it
    state = world.fold(world.wal.durable)
    write_snapshot(state, snapshots)
    trade(world, 5)
    list_segments(world.folder)[0].path.unlink()
    path = tmp_path / "archive.db"
    exchange_id = world.recovered.start.exchange_id
    follow(world, path, seeds=from_snapshots(snapshots, world.config, exchange_id))
    assert rows(path, "SELECT complete_from FROM archive") == [(state.next_seq,)]
    assert len(rows(path, "SELECT * FROM fills")) == 5
    assert rows(path, "SELECT cid, status FROM orders WHERE user_id = 3") == [("rests", 1)]
    assert rows(path, "SELECT cid FROM client_ids WHERE user_id = 3") == [("rests",)]
    for user, collateral in rows(path, "SELECT * FROM accounts"):
        account = world.risk.ledger.account(user)
        assert (account["collateral"] if account else 0) == collateral
    world.close()


def test_seeded_orders_have_numbers_of_their_own(tmp_path, monkeypatch):
    """Paging goes by them: no two rows of a user and market share one."""
    world = World(tmp_path / "data")
    world.deposit(1)
    world.run()
    for n in range(20):
        world.place(1, 0, 900 - 5 * n, 10)
    world.run()
    world.deposit(2)  # makes what was before it durable
    world.run()
    state = world.fold(world.wal.durable)
    prune(monkeypatch, state.next_seq - 1)
    path = tmp_path / "archive.db"
    follow(world, path, seeds=lambda oldest: Seed(state, world.config.symbols))
    found = rows(path, "SELECT seq, oid FROM orders_of ORDER BY seq")
    assert len(found) == len({seq for seq, _ in found}) == 20
    assert [oid for _, oid in found] == sorted(oid for _, oid in found)
    assert found[-1][0] < state.next_seq
    world.close()


def prune(monkeypatch: Any, oldest: int) -> None:
    """Let the follower find no record before `oldest`."""
    from rsx.wal.follow import LogFollower, LogPruned

    read = LogFollower.read

    def pruned_read(self: LogFollower, records_max: int = 8192) -> bytes:
        if self.next_seq < oldest:
            raise LogPruned(self.folder, self.next_seq, oldest)
        return read(self, records_max)

    monkeypatch.setattr(LogFollower, "read", pruned_read)


def same_as(chaos: Chaos, path: Path) -> None:
    """Balances, positions and live orders are those of the ledger and the engines."""
    (position,) = rows(path, "SELECT position FROM archive")[0]
    state: State = chaos.fold(position)
    for user, collateral in rows(path, "SELECT * FROM accounts"):
        account = state.ledger.account(user)
        assert (account["collateral"] if account else 0) == collateral, user
    for user, symbol, leg, net, cost, wallet, *_ in rows(path, "SELECT * FROM positions"):
        due = state.ledger.position(user, symbol, leg)
        assert (due["net_qty"], due["entry_cost"], due["wallet"]) == (net, cost, wallet)
    live = {
        row[0]: row[1:]
        for row in rows(
            path, "SELECT oid, user_id, px, qty - filled - cut FROM orders WHERE status = 1"
        )
    }
    due = {row[0]: row[1:4] for engine in state.engines.values() for row in engine.orders()}
    assert live == due


def test_without_a_snapshot_it_says_so(world, tmp_path, monkeypatch):
    prune(monkeypatch, 5)
    tile = make_tile(world, tmp_path / "archive.db")
    asyncio.run(live(tile, lambda: bool(tile.trouble)))
    assert "begins at 5" in tile.trouble


def test_old_rows_go_and_what_is_kept_is_said(world, tmp_path):
    """AR-26: fills, ended orders and candles of a second; live orders and coarse candles stay."""
    day = 86_400 * 1_000_000_000
    resting = world.place(3, 0, 900, 10)
    world.run()
    world.clock.advance(600 * day)  # order ids have time from 2024 on
    trade(world)
    path = tmp_path / "archive.db"
    follow(world, path)
    from rsx.store import seed

    at = seed.oid_at(world.clock.now_ns())
    db = sqlite3.connect(path)
    db.execute("UPDATE orders SET oid = oid + ? WHERE oid >= ?", (at, resting + 1))
    db.commit()
    db.close()

    async def prune_all() -> int:
        writer = Writer(path)
        await writer.open()
        gone = await writer.prune(world.clock.now_ns() - day)
        assert await writer.prune(world.clock.now_ns() - day) == 0
        await writer.close()
        return gone

    assert asyncio.run(prune_all()) > 6
    assert len(rows(path, "SELECT * FROM fills")) == 3
    assert len(rows(path, "SELECT * FROM orders")) == 7
    assert rows(path, "SELECT status FROM orders WHERE oid = ?", resting) == [(1,)]
    assert len(rows(path, "SELECT * FROM candles WHERE interval_s = 1")) == 1
    assert len(rows(path, "SELECT * FROM candles WHERE interval_s = 60")) == 2
    (kept,) = rows(path, "SELECT kept_from FROM archive")[0]
    assert kept == rows(path, "SELECT min(seq) FROM fills")[0][0] - 2


def test_counters_tell_how_far_it_is(world, tmp_path):
    tile = follow(world, tmp_path / "archive.db")
    assert tile.counters()["archive_written_seq"] == world.wal.durable
    assert tile.counters()["archive_lag"] == 0
    assert tile.troubles(world.clock.now_ns()) == []
    assert tile.health(world.clock.now_ns())["lag_records"] == 0
    trade(world, 1)
    tile.options = SimpleNamespace(lag_warn_s=1, batch_records=1, lag_mib=1)
    world.clock.advance(5_000_000_000)
    assert "behind" in tile.troubles(world.clock.now_ns())[0]
