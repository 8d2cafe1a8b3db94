"""Consumers of a log whose segments are pruned and used again: specs/dxs.md DX-16, DX-20."""

from __future__ import annotations

import asyncio

from net.serving import SEGMENT_RECORDS, Peer, endpoint, grow, serving
from net.test_store import files

from rsx.errors import Reason
from rsx.net.dxs_client import Batch, DxsClient
from rsx.net.store import LogStore, copy_log
from rsx.records import LOG_PRUNE, RECORD_SIZE, decode
from rsx.wal.inspect import inspect
from rsx.wal.segments import list_segments

ROUNDS = 12


def prune(world, keep_seq: int) -> None:
    world.rings["replica_sync"].push(LOG_PRUNE.pack(keep_seq=keep_seq))
    world.run()


def test_a_copy_follows_while_segments_are_pruned_and_used_again(make_world, tmp_path):
    """The tip that it tells is what nothing is pruned past (GUA-8)."""
    world = make_world(wal={"flush_ms": 1, "segments_ahead": 1})
    world.run()
    data = tmp_path / "copy"

    async def scenario() -> None:
        async with serving(world) as tile:
            store = LogStore(data)
            client = DxsClient(endpoint(tile), start=0, tip=store.tip(), name="copy")
            done = 0

            async def handle(_: Batch) -> None:
                nonlocal done
                if store.last.seq == world.wal.durable:
                    if done == ROUNDS:
                        await client.stop()
                        return
                    done += 1
                    grow(world, 5000)
                    if tile.needed_seq:
                        prune(world, tile.needed_seq)

            async with asyncio.timeout(50):
                await copy_log(client, store, handle)
            store.close()
            await client.stop()
            assert client.connects == 1, client.last_error
            assert tile.dropped["not_found"] == 0

    asyncio.run(scenario())
    counters = world.wal_sync.counters()
    assert counters["segments_recycled"] >= 2
    mine, there = files(data / "wal"), files(world.folder)
    assert len(mine) > len(there)
    newest = max(there)  # it may hold more by now: the copy ends before it
    assert {name: mine[name] for name in there if name != newest and name in mine} == {
        name: there[name] for name in there if name != newest and name in mine
    }
    assert inspect(data).status == "sound"


def test_one_that_is_pruned_past_is_told_and_never_gets_what_came_into_the_file(make_world):
    """WAL: a segment that is used again holds other numbers under another name."""
    world = make_world(wal={"flush_ms": 1, "segments_ahead": 1})
    world.run()
    grow(world, 8 * SEGMENT_RECORDS)

    async def scenario() -> None:
        async with serving(world, write_ms=20_000) as tile:
            slow = await Peer.connect(tile, is_slow=True)
            await slow.ask()
            await asyncio.sleep(0.1)  # what buffers hold is on its way
            prune(world, int(world.wal.durable))
            grow(world, 8 * SEGMENT_RECORDS)  # they are used again as they are needed
            due = 1
            while True:
                async with asyncio.timeout(10):
                    view = decode(await slow.reader.readexactly(RECORD_SIZE))
                if view.seq == 0:
                    break
                assert view.seq == due
                due += 1
            oldest = list_segments(world.folder)[0].first
            assert (view.record.name, view.reason) == ("REPLAY_UNAVAILABLE", Reason.NOT_FOUND)
            assert (view.from_seq, view.oldest_seq) == (due, oldest)
            assert due < oldest

    asyncio.run(scenario())
    assert world.wal_sync.counters()["segments_recycled"] >= 1
