"""A copy of a log, byte for byte: specs/dxs.md DX-40 to DX-42."""

from __future__ import annotations

import asyncio
import hashlib
from pathlib import Path

import pytest
from net.serving import SEGMENT_RECORDS, endpoint, grow, serving, settle
from world import World

from rsx.core.clock import Clock
from rsx.errors import StartError
from rsx.net.dxs_client import Batch, DxsClient, Tip
from rsx.net.store import LogStore, StoreDamaged, copy_log
from rsx.records import RECORD_SIZE
from rsx.wal.inspect import inspect
from rsx.wal.reader import LogReader
from rsx.wal.segments import list_segments
from rsx.wal.start import recover


async def copy(world: World, data: Path, until: int = 0) -> LogStore:
    """Follow into a folder until caught up, or until record `until` is stored."""
    store = LogStore(data)
    async with serving(world) as tile, DxsClient(
        endpoint(tile), start=0, tip=store.tip(), name="copy"
    ) as client:  # fmt: skip

        async def handle(batch: Batch) -> None:
            if batch.live_seq is not None or 0 < until <= store.last.seq:
                await client.stop()

        async with asyncio.timeout(20):
            await copy_log(client, store, handle)
    store.close()
    return store


def files(folder: Path) -> dict[str, str]:
    """Hash of what each segment holds, without the zeros behind it."""
    return {
        segment.path.name: hashlib.sha256(segment.path.read_bytes().rstrip(b"\0")).hexdigest()
        for segment in list_segments(folder)
    }


def test_the_segments_are_the_same_and_every_tool_takes_them(world, tmp_path):
    grow(world, 2 * SEGMENT_RECORDS)
    data = tmp_path / "copy"

    store = asyncio.run(copy(world, data))

    assert files(data / "wal") == files(world.folder)
    assert store.exchange_id == world.recovered.start.exchange_id
    assert b"".join(LogReader(data).chunks()) == world.log()[: store.last.seq * RECORD_SIZE]
    found = inspect(data, thorough=True)
    assert (found.status, found.last_seq) == ("sound", world.wal.durable)
    recovered = recover(world.config, data / "wal", Clock.manual(1))
    assert recovered.state.state_hash() == world.fold().state_hash()
    assert recovered.start.epoch == 2


def test_it_goes_on_where_it_ends(world, tmp_path):
    data = tmp_path / "copy"
    for records in (10, SEGMENT_RECORDS, 1, 2 * SEGMENT_RECORDS, 100):
        grow(world, records)
        store = asyncio.run(copy(world, data))
        assert store.synced.seq == store.last.seq == world.wal.durable
        assert Tip.read(data / "tip").last == store.last
        assert files(data / "wal") == files(world.folder)


def test_what_a_power_cut_tore_behind_the_tip_comes_again(world, tmp_path):
    """DX-41: the run before ended without its last sync, in the middle of a record."""
    grow(world, SEGMENT_RECORDS - 200)
    data = tmp_path / "copy"
    asyncio.run(copy(world, data))
    tip = Tip.read(data / "tip")
    grow(world, 400)
    asyncio.run(copy(world, data))
    tip.write(data / "tip")
    last = list_segments(data / "wal")[0].path
    with open(last, "r+b") as file:
        file.seek((tip.last.seq + 20) * RECORD_SIZE + 9)
        file.write(bytes(1000))

    store = LogStore(data)
    assert store.last.seq == tip.last.seq + 20
    assert store.cut_bytes > 0
    store.close()

    asyncio.run(copy(world, data))
    assert files(data / "wal") == files(world.folder)


def test_a_bad_record_below_the_tip_is_damage_and_nothing_is_changed(world, tmp_path):
    grow(world, 3000)
    data = tmp_path / "copy"
    store = asyncio.run(copy(world, data))
    path = list_segments(data / "wal")[0].path
    with open(path, "r+b") as file:
        file.seek((store.last.seq - 1) * RECORD_SIZE + 40)
        file.write(b"\xff")
    before = path.read_bytes()

    with pytest.raises(StoreDamaged, match=f"no valid record {store.last.seq} at offset"):
        LogStore(data)
    assert path.read_bytes() == before


def test_segments_that_are_missing_are_named(world, tmp_path):
    grow(world, 2 * SEGMENT_RECORDS)
    data = tmp_path / "copy"
    asyncio.run(copy(world, data))
    segments = list_segments(data / "wal")
    segments[1].path.unlink()
    with pytest.raises(StoreDamaged, match=f"ends before record {SEGMENT_RECORDS + 1}"):
        LogStore(data)
    for segment in (segments[0], segments[2]):
        segment.path.unlink()
    with pytest.raises(StoreDamaged, match=r"no segments, but .*tip says that record"):
        LogStore(data)


def test_a_pruned_server_is_copied_from_its_oldest_and_never_from_the_middle(world, tmp_path):
    grow(world, 2 * SEGMENT_RECORDS)
    list_segments(world.folder)[0].path.unlink()
    data = tmp_path / "copy"
    asyncio.run(copy(world, data))
    assert files(data / "wal") == files(world.folder)

    store = LogStore(tmp_path / "other")
    with pytest.raises(StartError, match="begins where a segment does, not at record 8199"):
        store.append(world.log()[6 * RECORD_SIZE : 9 * RECORD_SIZE])


def test_a_full_disk_ends_it_and_what_was_synced_stays(world, tmp_path, monkeypatch):
    grow(world, 3000)
    data = tmp_path / "copy"
    asyncio.run(copy(world, data))
    grow(world, 3000)

    def full(*_: object) -> int:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.pwrite", full)
    with pytest.raises(OSError, match="No space left"):
        asyncio.run(copy(world, data))
    monkeypatch.undo()

    asyncio.run(copy(world, data))
    assert files(data / "wal") == files(world.folder)


def test_a_live_copy_keeps_up(world, tmp_path):
    """DX-36: and the server hears how far it is."""
    data = tmp_path / "copy"

    async def scenario() -> None:
        store = LogStore(data)
        async with serving(world, grace_s=3600) as tile, DxsClient(
            endpoint(tile), start=0, tip=store.tip(), name="copy"
        ) as client:  # fmt: skip

            async def handle(batch: Batch) -> None:
                if batch.live_seq is not None or batch.first > 3 * SEGMENT_RECORDS:
                    pass
                if store.last.seq == world.wal.durable:
                    if world.wal.durable > 2 * SEGMENT_RECORDS:
                        await client.stop()
                        return
                    grow(world, 5000)

            await copy_log(client, store, handle)
            store.close()
            settle(world)
            assert tile.needed_seq > 1
        assert files(data / "wal") == files(world.folder)

    asyncio.run(scenario())
