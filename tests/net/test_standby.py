"""A warm standby in one process: specs/dxs.md section 4."""

from __future__ import annotations

import asyncio
import contextlib
import random
import re
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from net.cutting import CuttingProxy
from net.serving import SEGMENT_RECORDS, a_server, begun, endpoint, grow, serving, settle
from net.test_store import files
from system.process import until
from world import World

from rsx.core.clock import Clock
from rsx.core.crc import sealed
from rsx.edge import auth
from rsx.errors import StartError
from rsx.exchange import Exchange
from rsx.net.dxs import DxsTile
from rsx.net.standby import Known, PromotionRefused, Standby, promote_folder
from rsx.records import FILL, LEDGER_DIGEST, LEDGER_MARK, RECORD_SIZE
from rsx.wal.follow import LogFollower
from rsx.wal.segments import list_segments
from rsx.wal.snapshot import list_snapshots, write_snapshot
from rsx.wal.start import recover
from rsx.wal.state import State

SECRET = "5" * 64


@pytest.fixture(autouse=True)
def secret(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(auth.SECRET_ENV, SECRET)


def make(world: World, data: Path, where: str) -> Standby:
    config = world.config.replace(data={"dir": str(data)}, server={"port": 0})
    return Standby(config, where, {"backoff_s": (0.01,), "silent_s": 1.0})


@contextlib.asynccontextmanager
async def running(world: World, data: Path, where: str) -> AsyncIterator[Standby]:
    standby = make(world, data, where)
    standby.open()
    task = asyncio.create_task(standby.run())
    await standby.serves.wait()
    try:
        yield standby
    finally:
        standby.stop()
        await task
        standby.close()


async def same(world: World, standby: Standby) -> None:
    """Until the standby has folded all that is durable, to the same state."""
    await until(lambda: standby.state.next_seq == world.wal.durable + 1, 10, "to catch up")
    await until(lambda: standby.known.caught_up, 10, "to be told so")
    folded = world.fold(world.wal.durable)
    assert standby.state.state_hash() == folded.state_hash()


def trade(world: World, chance: random.Random) -> None:
    """Some orders, fills, cancels, deposits."""
    for _ in range(chance.randint(1, 60)):
        user = chance.randint(1, 5)
        world.place(user, chance.randint(0, 1), 5 * chance.randint(190, 210),
                    10 * chance.randint(1, 9))  # fmt: skip
        if chance.random() < 0.3:
            world.cancel(user, chance.randint(1, max(1, world.oid)))
    world.run()


# --- the same bytes, the same state -----------------------------------------------------------


def test_it_has_the_same_bytes_and_the_same_state_under_load(world, tmp_path):
    """DX-50: equal by hash, across connections cut at random bytes and restarts of its own."""
    data = tmp_path / "standby"
    seed = random.SystemRandom().randrange(1 << 32)
    print(f"seed {seed}")
    chance = random.Random(seed)
    world.deposit(*range(1, 6))
    world.mark(1000)

    def size() -> int:
        return chance.randint(200, 100_000)

    async def scenario() -> None:
        async with serving(world) as tile, CuttingProxy(tile.address[1], size) as proxy:
            for _ in range(3):
                async with running(world, data, f"127.0.0.1:{proxy.port}") as standby:
                    for _ in range(40):
                        trade(world, chance)
                        await asyncio.sleep(0.003)
                    settle(world)
                    await same(world, standby)
                    assert standby.failed == ""
        assert proxy.cuts > 3
        assert files(data / "wal") == files(world.folder)

    asyncio.run(scenario())


def test_it_goes_on_over_restarts_and_crashes_of_the_primary(world, tmp_path):
    data = tmp_path / "standby"
    world.deposit(*range(1, 6))
    chance = random.Random(7)

    async def scenario() -> None:
        ports: dict[str, Any] = {}
        async with contextlib.AsyncExitStack() as stack:
            for life in range(3):
                async with serving(world, **ports) as tile:
                    if life == 0:
                        ports["port"] = tile.address[1]
                        standby = await stack.enter_async_context(
                            running(world, data, endpoint(tile))
                        )
                    for _ in range(10):
                        trade(world, chance)
                        await asyncio.sleep(0.002)
                    settle(world)
                    await same(world, standby)
                world.restart()
                world.run()
                settle(world)
            assert standby.client.connects == 3
            assert standby.state.epoch == 3

    asyncio.run(scenario())


def test_health_says_how_far_it_is(world, tmp_path):
    """DX-54."""

    async def get(session: aiohttp.ClientSession, path: str) -> tuple[int, Any]:
        async with session.get(path) as response:
            return response.status, await response.read()

    async def scenario() -> None:
        async with serving(world) as tile, running(world, tmp_path / "s", endpoint(tile)) as own:
            await same(world, own)
            async with aiohttp.ClientSession(own.url) as session:
                async with session.get("/health") as response:
                    health = await response.json()
                    assert response.status == 200
                assert health["status"] == "ok"
                assert (health["role"], health["caught_up"], health["lag"]) == ("standby", True, 0)
                assert health["seq"] == health["primary_seq"] == world.wal.durable
                status, body = await get(session, "/metrics")
                assert status == 200
                assert f"rsx_standby_seq {float(world.wal.durable)}".encode() in body
                await tile.on_close()
                await until(lambda: not own.client.is_connected, 5, "the end")
                status, body = await get(session, "/health")
                assert status == 503
                assert b'"unready"' in body

    asyncio.run(scenario())


# --- what stops it ----------------------------------------------------------------------------


def test_a_primary_that_has_pruned_what_is_due_is_told(world, tmp_path):
    """DX-51: an empty folder begins from the newest snapshot, where there is one."""
    data = tmp_path / "s"

    async def scenario() -> None:
        async with serving(world) as tile:
            async with running(world, data, endpoint(tile)) as own:
                await same(world, own)
            grow(world, 2 * SEGMENT_RECORDS)
            list_segments(world.folder)[0].path.unlink()
            async with running(world, data, endpoint(tile)) as own:
                await until(lambda: own.failed, 5, "to fail")
                assert "record 11 is pruned, the log begins at 8193" in own.failed
                assert "needs a new snapshot (rsx restore, or an empty folder)" in own.failed
                assert own.health()["status"] == "failed"
                with pytest.raises(PromotionRefused, match="records behind"):
                    await own.promote(False)
            async with running(world, tmp_path / "new", endpoint(tile)) as own:
                await until(lambda: own.failed, 5, "to fail")
                assert "what is asked for is not there" in own.failed

    asyncio.run(scenario())


@pytest.mark.parametrize("behind", [0, 3, SEGMENT_RECORDS])
def test_an_empty_folder_begins_from_a_snapshot_of_a_pruned_primary(world, tmp_path, behind):
    """DX-8, DX-51: the same segments from there on, the same state, over restarts."""
    data = tmp_path / "s"
    world.deposit(1, 2, 3, 4, 5)
    world.mark(1000)
    trade(world, random.Random(8))
    grow(world, 2 * SEGMENT_RECORDS)
    whole = world.log()
    state = State(world.config)
    seq = int(world.wal.durable) - behind
    state.apply(whole[: seq * RECORD_SIZE])
    write_snapshot(state, world.folder.parent / "snapshots")
    first, *rest = list_segments(world.folder)
    first.path.unlink()

    async def scenario() -> None:
        async with serving(world) as tile:
            for life in range(2):
                async with running(world, data, endpoint(tile)) as own:
                    due = int(world.wal.durable) + 1
                    await until(lambda: own.state.next_seq == due, 10, "to catch up")  # noqa: B023
                    assert own.failed == ""
                    if life == 1:
                        await until(lambda: own.store.next_seq == due, 10, "the log")  # noqa: B023
                        trade(world, random.Random(9))
                        settle(world)
                        due = int(world.wal.durable) + 1
                        await until(lambda: own.state.next_seq == due, 10, "more")  # noqa: B023
                        await until(lambda: own.known.caught_up, 10, "to be told so")
                    log = whole + follow(world, len(whole) // RECORD_SIZE + 1)
                    expected = State(world.config)
                    expected.apply(log[: (due - 1) * RECORD_SIZE])
                    assert own.state.state_hash() == expected.state_hash()
        begins = max(s.first for s in rest if s.first <= seq + 1)
        mine = {n: h for n, h in files(world.folder).items() if int(n[:20]) >= begins}
        assert files(data / "wal") == mine
        config = world.config.replace(data={"dir": str(data)})
        await promote_folder(config, True)
        assert recover(config, data / "wal", Clock.manual(1)).start.epoch == 2

    asyncio.run(scenario())


def follow(world: World, first: int) -> bytes:
    follower = LogFollower(world.folder, first)
    return b"".join(iter(follower.read, b""))


def test_it_writes_snapshots_of_its_own_and_removes_what_they_stand_for(make_world, tmp_path):
    """DX-55: and begins from the newest at its next start."""
    world = make_world(snapshot={"every_s": 0, "every_mib": 1, "keep": 2}, wal={
        "flush_ms": 1, "retain_mib": 1,
    })  # fmt: skip
    data = tmp_path / "s"

    async def scenario() -> None:
        async with serving(world) as tile:
            async with running(world, data, endpoint(tile)) as own:
                for _ in range(5):
                    grow(world, SEGMENT_RECORDS + 100)
                    due = int(world.wal.durable) + 1
                    await until(lambda: own.state.next_seq == due, 10, "to catch up")  # noqa: B023
                assert own.snapshots_written >= 4
                found = list_snapshots(data / "snapshots")
                assert len(found) == 2
                assert list_segments(data / "wal")[0].first > 1
                assert list_segments(data / "wal")[0].first <= found[0].seq + 1
                live = own.state.state_hash()
            own = make(world, data, endpoint(tile))
            own.open()
            assert own.state.state_hash() == live
            own.store.close()
            own.close()

    asyncio.run(scenario())


MARK = LEDGER_MARK.pack(part=3, form=1)
BAD_ENDS = {
    "does not fold": ([FILL.pack(symbol_id=1, stream=1, maker_oid=99, taker_oid=98, qty=1, px=5)],
                      r"record \d+ does not fold: "),
    "differs": ([MARK, LEDGER_DIGEST.pack(digest=4711, part=3, form=1)],
                r"its fold differs from the primary's: LEDGER_DIGEST"),
}  # fmt: skip


@pytest.mark.parametrize("end", BAD_ENDS)
def test_what_does_not_fold_or_differs_ends_it_and_it_is_never_promoted(world, tmp_path, end):
    """DX-50."""
    log = world.log()[: world.wal.durable * RECORD_SIZE]
    records, text = BAD_ENDS[end]
    due = int(world.wal.durable) + 1
    bad = b"".join(sealed(with_mark(record, due), due + at, 1) for at, record in enumerate(records))

    def script(from_seq: int) -> bytes:
        return begun(from_seq, world.recovered.start.exchange_id) + log + bad

    async def scenario() -> None:
        async with a_server(script) as where, running(world, tmp_path / "s", where) as own:
            await until(lambda: own.failed, 5, "to fail")
            assert re.search(text, own.failed), own.failed
            assert own.health()["status"] == "failed"
            for is_forced in (False, True):
                with pytest.raises(PromotionRefused, match="never: "):
                    await own.promote(is_forced)

    asyncio.run(scenario())


def with_mark(record: bytes, mark_seq: int) -> bytes:
    """A LEDGER_DIGEST of the mark with this number; others as they are."""
    if record[2] != LEDGER_DIGEST.type:
        return record
    return LEDGER_DIGEST.pack(digest=4711, part=3, form=1, mark_seq=mark_seq)


def test_without_the_secret_of_the_primary_it_does_not_start(world, tmp_path, monkeypatch):
    """DX-53."""
    monkeypatch.delenv(auth.SECRET_ENV)
    standby = make(world, tmp_path / "s", "127.0.0.1:9")
    with pytest.raises(StartError, match="copy the primary's file secret"):
        standby.open()
    standby.close()
    assert not (tmp_path / "s" / "standby.json").exists()


def test_another_exchange_is_no_primary(make_world, tmp_path):
    one, two = make_world(name="one"), make_world(name="two")
    for world in (one, two):
        world.run()
        settle(world)
    data = tmp_path / "s"

    async def scenario() -> None:
        async with serving(one) as tile, running(one, data, endpoint(tile)) as own:
            await same(one, own)
        async with serving(two) as tile, running(two, data, endpoint(tile)) as own:
            await until(lambda: own.failed, 5, "to fail")
            assert "the log is that of exchange" in own.failed

    asyncio.run(scenario())


# --- promotion --------------------------------------------------------------------------------


async def caught_up(world: World, data: Path, tile: DxsTile) -> None:
    async with running(world, data, endpoint(tile)) as own:
        await same(world, own)


def test_promotion_is_refused_while_the_primary_is_alive_and_when_it_never_caught_up(
    world, tmp_path
):
    """DX-60."""

    async def scenario() -> None:
        async with serving(world) as tile, running(world, tmp_path / "s", endpoint(tile)) as own:
            await same(world, own)
            with pytest.raises(PromotionRefused, match="the primary is alive: heard"):
                await own.promote(False)
        async with running(world, tmp_path / "new", "127.0.0.1:9") as own:
            with pytest.raises(PromotionRefused, match="it never caught up"):
                await own.promote(False)

    asyncio.run(scenario())


def test_promotion_is_refused_when_it_is_behind_and_says_by_how_much(world, tmp_path):
    data = tmp_path / "s"

    async def scenario() -> None:
        async with serving(world) as tile:
            await caught_up(world, data, tile)
        known = Known.read(data)
        assert known is not None
        assert (known.seq, known.caught_up) == (world.wal.durable, True)
        known.primary_seq = known.seq + 37
        known.write(data)
        config = world.config.replace(data={"dir": str(data)})
        with pytest.raises(PromotionRefused, match="37 records behind"):
            await promote_folder(config, False)
        assert (await promote_folder(config, True)).seq == known.seq
        assert Known.read(data) is None
        with pytest.raises(PromotionRefused, match="no standby's folder"):
            await promote_folder(config, True)

    asyncio.run(scenario())


def test_a_promoted_folder_is_an_exchange_of_the_next_epoch(world, tmp_path):
    """DX-61: the state is that of the last record, and no run was possible before."""
    data = tmp_path / "s"
    world.deposit(1, 2)
    world.mark(1000)
    trade(world, random.Random(3))
    settle(world)

    async def scenario() -> None:
        async with serving(world) as tile:
            await caught_up(world, data, tile)
        config = world.config.replace(data={"dir": str(data)})
        with pytest.raises(StartError, match="that of a standby: rsx promote"):
            Exchange(config).start()
        await promote_folder(config, False)
        assert not (data / "tip").exists()

    asyncio.run(scenario())
    recovered = recover(world.config, data / "wal", Clock.manual(1))
    assert recovered.start.epoch == world.recovered.start.epoch + 1
    assert recovered.state.state_hash() == world.fold(world.wal.durable).state_hash()


def test_a_running_standby_is_promoted_over_http_by_an_admin_alone(world, tmp_path):
    data = tmp_path / "s"

    async def post(own: Standby, role: str | None, query: str = "") -> tuple[int, Any]:
        token = auth.mint(SECRET.encode(), 7, 60, role)
        headers = {"Authorization": f"Bearer {token}"} if role != "none" else {}
        async with aiohttp.ClientSession(own.url) as session:
            async with session.post(f"/promote{query}", headers=headers) as response:
                return response.status, await response.json()

    async def scenario() -> None:
        async with serving(world) as tile:
            standby = make(world, data, endpoint(tile))
            standby.open()
            task = asyncio.create_task(standby.run())
            await standby.serves.wait()
            await same(world, standby)
            assert (await post(standby, "none"))[0] == 401
            assert (await post(standby, None))[0] == 403
            status, body = await post(standby, "admin")
            assert status == 409
            assert "the primary is alive" in body["error"]
            assert not standby.promoted
            assert await post(standby, "admin", "?force=true") == (
                200, {"promoted": True, "seq": world.wal.durable},
            )  # fmt: skip
            async with asyncio.timeout(5):
                await task
            standby.close()
            assert standby.promoted
            assert sorted(path.name for path in data.iterdir()) == ["lock", "wal"]

    asyncio.run(scenario())
