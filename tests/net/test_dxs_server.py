"""The server of the log: specs/dxs.md sections 1 and 2 (DXS-01 to DXS-08)."""

from __future__ import annotations

import asyncio
import os
import random

import pytest
from net.serving import SEGMENT_RECORDS, Peer, grow, serving, settle
from system.process import until

from rsx.config import Dxs
from rsx.core.crc import sealed
from rsx.errors import Reason, StartError
from rsx.net import wire
from rsx.net.dxs import DxsTile
from rsx.net.wire import NOTHING, Last
from rsx.records import CONSUMER_TIP, LOG_TIP, RECORD_SIZE, REPLAY_REQUEST
from rsx.wal.segments import list_segments

TOKEN = b"a token of 24 bytes, yes"


# --- what is served ---------------------------------------------------------------------------


def test_from_any_number_to_live_in_order_and_every_byte(world):
    """DXS-03: raw bytes, CAUGHT_UP, then live; over the ends of segments."""
    grow(world, 2 * SEGMENT_RECORDS + 100)
    log = world.log()
    newest = int(world.wal.durable)

    async def scenario() -> None:
        async with serving(world) as tile:
            for first in (1, 2, SEGMENT_RECORDS, SEGMENT_RECORDS + 1, newest, newest + 1):
                peer = await Peer.connect(tile)
                begun = await peer.ask(first)
                assert (begun.record.name, begun.from_seq) == ("REPLAY_BEGUN", first)
                assert (begun.oldest_seq, begun.durable_seq) == (1, newest)
                assert begun.exchange_id == world.recovered.start.exchange_id
                data, live_seq = await peer.until_caught_up()
                assert data == log[(first - 1) * RECORD_SIZE : newest * RECORD_SIZE]
                assert live_seq == newest
                peer.close()

    asyncio.run(scenario())


def test_live_records_follow_as_they_become_durable(world):
    async def scenario() -> None:
        async with serving(world) as tile:
            peer = await Peer.connect(tile)
            await peer.ask()
            _, live_seq = await peer.until_caught_up()
            for users in (1, 5, 300):
                world.deposit(*range(1, users + 1))
                world.run()
                settle(world)
                while live_seq < world.wal.durable:
                    view = await peer.record()
                    if view.record is not LOG_TIP:
                        live_seq += 1
                        assert view.seq == live_seq
            peer.close()

    asyncio.run(scenario())


def test_nothing_that_is_not_durable_is_sent(world):
    """DX-4: no consumer is ahead of what a power cut leaves. Nor is a LOG_TIP."""
    grow(world, 10)
    newest = int(world.wal.durable)
    shown = [newest - 5]

    async def scenario() -> None:
        async with serving(world) as tile:
            tile.durable = lambda: shown[0]
            peer = await Peer.connect(tile)
            assert (await peer.ask()).durable_seq == shown[0]
            data, live_seq = await peer.until_caught_up()
            assert (len(data) // RECORD_SIZE, live_seq) == (shown[0], shown[0])
            tip = await peer.record()
            assert (tip.record.name, tip.seq, tip.durable_seq) == ("LOG_TIP", 0, shown[0])
            shown[0] = newest
            view = await peer.record()
            while view.record is LOG_TIP:
                view = await peer.record()
            assert view.seq == newest - 4
            peer.close()

    asyncio.run(scenario())


def test_zero_is_the_oldest_and_newest_plus_one_is_servable_also_on_an_empty_log(make_world):
    """DXS-02b."""
    world = make_world()
    assert world.wal.durable == 0

    async def scenario() -> None:
        async with serving(world) as tile:
            for first in (0, 1):
                peer = await Peer.connect(tile)
                begun = await peer.ask(first)
                assert begun.record.name == "REPLAY_BEGUN"
                assert (begun.from_seq, begun.oldest_seq) == (1, 1)
                assert await peer.until_caught_up() == (b"", 0)
                peer.close()
            world.run()
            settle(world)
            peer = await Peer.connect(tile)
            assert (await peer.ask(1)).from_seq == 1
            assert (await peer.record()).seq == 1
            peer.close()

    asyncio.run(scenario())


def test_many_consumers_each_from_its_own_place(world):
    """DXS-06: one connection, one cursor."""
    grow(world, SEGMENT_RECORDS)
    log = world.log()[: world.wal.durable * RECORD_SIZE]

    async def one(tile: DxsTile, first: int) -> None:
        peer = await Peer.connect(tile)
        await peer.ask(first)
        data, _ = await peer.until_caught_up()
        assert data == log[(first - 1) * RECORD_SIZE :]
        peer.close()

    async def scenario() -> None:
        async with serving(world) as tile:
            chance = random.Random(1)
            firsts = [chance.randint(1, SEGMENT_RECORDS) for _ in range(10)]
            await asyncio.gather(*(one(tile, first) for first in firsts))

    asyncio.run(scenario())


# --- what is refused, with the numbers --------------------------------------------------------


@pytest.mark.parametrize("beyond", [2, 3, 1 << 40])
def test_the_future_is_refused_with_the_newest(world, beyond):
    newest = int(world.wal.durable)

    async def scenario() -> None:
        async with serving(world) as tile:
            peer = await Peer.connect(tile)
            view = await peer.ask(newest + beyond)
            assert (view.record.name, view.reason) == ("REPLAY_UNAVAILABLE", Reason.INVALID_VALUE)
            assert (view.from_seq, view.oldest_seq) == (newest + beyond, 1)
            assert view.durable_seq == newest
            assert await peer.is_ended()
            assert tile.dropped == {"invalid_value": 1}

    asyncio.run(scenario())


def test_what_is_pruned_is_refused_and_never_skipped(world):
    """DXS-02."""
    grow(world, 2 * SEGMENT_RECORDS)
    log = world.log()[: world.wal.durable * RECORD_SIZE]
    first, second, *_ = list_segments(world.folder)
    first.path.unlink()

    async def scenario() -> None:
        async with serving(world) as tile:
            for asked in (1, 100, second.first - 1):
                peer = await Peer.connect(tile)
                view = await peer.ask(asked)
                assert (view.record.name, view.reason) == ("REPLAY_UNAVAILABLE", Reason.NOT_FOUND)
                assert (view.from_seq, view.oldest_seq) == (asked, second.first)
                assert view.durable_seq == world.wal.durable
                assert await peer.is_ended()
            peer = await Peer.connect(tile)
            assert (await peer.ask(0)).from_seq == second.first
            data, _ = await peer.until_caught_up()
            assert data == log[(second.first - 1) * RECORD_SIZE :]
            peer.close()

    asyncio.run(scenario())


def test_another_exchange_is_refused(world):
    mine = world.recovered.start.exchange_id

    async def scenario() -> None:
        async with serving(world) as tile:
            peer = await Peer.connect(tile)
            view = await peer.ask(1, exchange_id=mine ^ 2)
            assert (view.reason, view.exchange_id) == (Reason.NOT_FOUND, mine)
            assert await peer.is_ended()
            peer = await Peer.connect(tile)
            assert (await peer.ask(1, exchange_id=mine)).record.name == "REPLAY_BEGUN"
            peer.close()

    asyncio.run(scenario())


def test_another_history_is_refused(world):
    """DX-6: the record that the consumer has last is another one here."""
    here = Last.of(world.log()[: 5 * RECORD_SIZE])

    async def scenario() -> None:
        async with serving(world) as tile:
            for there in (here._replace(epoch=7), here._replace(ts_ns=here.ts_ns + 1)):
                peer = await Peer.connect(tile)
                view = await peer.ask(6, last=there)
                assert (view.reason, view.from_seq) == (Reason.INVALID_VALUE, 6)
                assert view.from_seq <= view.durable_seq + 1
                assert await peer.is_ended()
            peer = await Peer.connect(tile)
            assert (await peer.ask(6, last=here)).record.name == "REPLAY_BEGUN"
            assert (await peer.record()).seq == 6
            peer.close()

    asyncio.run(scenario())


def test_a_token_is_asked_for_where_one_is_set(world):
    async def scenario() -> None:
        async with serving(world, token=TOKEN) as tile:
            tokens = ((None, Reason.TOKEN_MISSING), (TOKEN + b"x", Reason.TOKEN_INVALID))
            for token, reason in tokens:
                peer = await Peer.connect(tile)
                view = await peer.ask(1, token=token)
                assert (view.record.name, view.reason) == ("REPLAY_UNAVAILABLE", reason)
                assert not any((view.oldest_seq, view.durable_seq, view.exchange_id))
                assert await peer.is_ended()
            peer = await Peer.connect(tile)
            assert (await peer.ask(1, token=TOKEN)).record.name == "REPLAY_BEGUN"
            peer.close()

    asyncio.run(scenario())


def test_a_proof_is_good_for_one_connection(world):
    async def scenario() -> None:
        async with serving(world, token=TOKEN) as tile:
            heard, again = await Peer.connect(tile), await Peer.connect(tile)
            challenge = await heard.reader.readexactly(wire.CHALLENGE_SIZE)
            request = wire.replay_request(1, 0, "", NOTHING)
            said = request + wire.proof(TOKEN, challenge, request)
            heard.writer.write(said)
            assert (await heard.record()).record.name == "REPLAY_BEGUN"
            assert await again.reader.readexactly(wire.CHALLENGE_SIZE) != challenge
            again.writer.write(said)
            assert (await again.record()).reason == Reason.TOKEN_INVALID
            heard.close()

    asyncio.run(scenario())


def test_no_more_than_clients_max(world):
    async def scenario() -> None:
        async with serving(world, clients_max=2) as tile:
            peers = [await Peer.connect(tile) for _ in range(3)]
            names = [(await peer.ask()).record.name for peer in peers[:2]]
            assert names == ["REPLAY_BEGUN"] * 2
            assert (await peers[2].ask()).reason == Reason.TOO_MANY_CONNECTIONS
            peers[0].close()
            await until(lambda: tile.counters()["dxs_clients"] == 1, 5, "the end of one")
            peer = await Peer.connect(tile)
            assert (await peer.ask()).record.name == "REPLAY_BEGUN"
            for each in (peers[1], peer):
                each.close()

    asyncio.run(scenario())


# --- bad peers --------------------------------------------------------------------------------

GOOD = wire.replay_request(1, 0, "me", NOTHING) + wire.NO_PROOF


def changed(offset: int, value: int) -> bytes:
    """A request with another byte, sealed."""
    data = bytearray(GOOD[:RECORD_SIZE])
    data[offset] = value
    return sealed(data, int.from_bytes(data[16:24], "little"), 0) + wire.NO_PROOF


BAD = {
    "noise": os.urandom(wire.HANDSHAKE_SIZE),
    "zeros": bytes(wire.HANDSHAKE_SIZE),
    "http": b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n".ljust(wire.HANDSHAKE_SIZE, b" "),
    "checksum": GOOD[:50] + bytes([GOOD[50] ^ 1]) + GOOD[51:],
    "version": changed(0, 9),
    "header flags": changed(1, 2),
    "stream": changed(6, 2),
    "a snapshot from a number on": changed(6, 1),
    "length": changed(4, 111),
    "padding": changed(127, 1),
    "name": changed(60, 0xFF),
    "unprintable name": changed(60, 7),
    "seq that does not fit": changed(16, 5),
    "another record": wire.control(CONSUMER_TIP, tip_seq=1) + wire.NO_PROOF,
}


@pytest.mark.parametrize("bad", BAD)
def test_a_bad_request_ends_that_connection_alone(world, bad):
    """DX-12 (DXS-01)."""
    grow(world, 3000)
    log = world.log()[: world.wal.durable * RECORD_SIZE]

    async def scenario() -> None:
        async with serving(world) as tile:
            good = await Peer.connect(tile)
            await good.ask()
            peer = await Peer.connect(tile)
            await peer.reader.readexactly(wire.CHALLENGE_SIZE)
            peer.writer.write(BAD[bad])
            assert await peer.is_ended()
            assert tile.dropped == {"garbage": 1}
            assert (await good.until_caught_up())[0] == log
            good.close()

    asyncio.run(scenario())


@pytest.mark.parametrize("size", [0, 1, 127, 128, 159])
def test_half_a_request_is_dropped_at_the_deadline_or_its_end(world, size):
    """DXS-06b."""

    async def scenario() -> None:
        async with serving(world, handshake_ms=100) as tile:
            peer = await Peer.connect(tile)
            await peer.reader.readexactly(wire.CHALLENGE_SIZE)
            peer.writer.write(GOOD[:size])
            assert await peer.is_ended()
            assert tile.dropped == {"handshake": 1}
            peer = await Peer.connect(tile)
            peer.writer.write(GOOD[:size])
            peer.writer.close()
            # As half a request, or as gone: as the sockets tell.
            await until(lambda: tile.dropped.total() == 2, 5, "the end of it")
            assert tile.dropped["handshake"] + tile.dropped["gone"] == 2

    asyncio.run(scenario())


SAID = {
    "noise": b"x" * RECORD_SIZE,
    "a request": GOOD[:RECORD_SIZE],
    "zeros": bytes(RECORD_SIZE),
    "a tip ahead": wire.control(CONSUMER_TIP, tip_seq=1 << 50),
    "a record of ours": wire.control(LOG_TIP, durable_seq=1),
}


@pytest.mark.parametrize("said", SAID)
def test_what_no_consumer_says_ends_the_connection(world, said):
    async def scenario() -> None:
        async with serving(world) as tile:
            peer = await Peer.connect(tile)
            await peer.ask(name="me")
            await peer.until_caught_up()
            peer.writer.write(SAID[said])
            async with asyncio.timeout(5):
                while await peer.reader.read(4096):
                    pass
            assert tile.dropped == {"garbage": 1}
            assert tile.needed_seq <= 1

    asyncio.run(scenario())


def test_a_peer_that_stops_reading_is_dropped_and_nobody_waits_for_it(world):
    """DX-14."""
    grow(world, 10 * SEGMENT_RECORDS)

    async def scenario() -> None:
        async with serving(world, write_ms=200) as tile:
            stuck = await Peer.connect(tile, is_slow=True)
            await stuck.ask()
            good = await Peer.connect(tile)
            await good.ask(9 * SEGMENT_RECORDS)
            data, _ = await good.until_caught_up()
            assert len(data) // RECORD_SIZE == world.wal.durable - 9 * SEGMENT_RECORDS + 1
            await until(lambda: tile.dropped["slow_reader"], 5, "the end of the stuck one")
            assert tile.counters()["dxs_clients"] == 1
            good.close()
            stuck.close()

    asyncio.run(scenario())


# --- damage -----------------------------------------------------------------------------------


def test_damage_ends_the_connection_with_an_error_and_never_with_caught_up(world):
    """DX-16 (DXS-05c, WAL-32)."""
    grow(world, 5000)
    with open(list_segments(world.folder)[0].path, "r+b") as file:
        file.seek(3000 * RECORD_SIZE + 40)
        file.write(b"\xff\xff\xff")

    async def scenario() -> None:
        async with serving(world) as tile:
            peer = await Peer.connect(tile)
            await peer.ask()
            last, view = 0, await peer.record()
            while view.seq:
                last, view = view.seq, await peer.record()
            assert last == 3000
            assert (view.record.name, view.reason) == ("REPLAY_UNAVAILABLE", Reason.INTERNAL)
            assert (view.from_seq, view.durable_seq) == (3001, world.wal.durable)
            assert await peer.is_ended()
            assert tile.dropped == {"internal": 1}

    asyncio.run(scenario())


def test_a_record_pruned_while_it_is_due_is_told(world):
    grow(world, 10 * SEGMENT_RECORDS)

    async def scenario() -> None:
        async with serving(world, write_ms=5000) as tile:
            peer = await Peer.connect(tile, is_slow=True)
            await peer.ask()
            await asyncio.sleep(0.1)  # what buffers hold is on its way
            for segment in list_segments(world.folder)[:10]:
                segment.path.unlink()
            due, view = 1, await peer.record()
            while view.seq:
                assert view.seq == due
                due, view = due + 1, await peer.record()
            assert due < 10 * SEGMENT_RECORDS
            assert (view.record.name, view.reason) == ("REPLAY_UNAVAILABLE", Reason.NOT_FOUND)
            assert (view.from_seq, view.oldest_seq) == (due, 10 * SEGMENT_RECORDS + 1)

    asyncio.run(scenario())


# --- the end, addresses -----------------------------------------------------------------------


def test_the_end_of_the_exchange_is_told(world):
    async def scenario() -> None:
        async with serving(world) as tile:
            peer, half = await Peer.connect(tile), await Peer.connect(tile)
            await peer.ask()
            await peer.until_caught_up()
            await tile.on_close()
            view = await peer.record()
            while view.record is LOG_TIP:
                view = await peer.record()
            assert (view.record.name, view.reason) == ("REPLAY_UNAVAILABLE", Reason.STOPPING)
            assert view.from_seq == world.wal.durable + 1
            assert await peer.is_ended()
            assert await half.reader.read() != b""

    asyncio.run(scenario())


@pytest.mark.parametrize(
    ("token", "is_insecure", "missing"),
    [
        (None, False, "needs TLS (dxs.cert, dxs.key) and a token"),
        (TOKEN, False, "needs TLS (dxs.cert, dxs.key), or"),
        (None, True, ""),
    ],
)
def test_an_address_that_is_not_loopback_needs_tls_and_a_proof(world, token, is_insecure, missing):
    """DX-11."""

    async def scenario() -> None:
        config = Dxs(host="0.0.0.0", insecure=is_insecure)
        tile = DxsTile(config, world.folder, lambda: 0, 1, token)
        if missing:
            with pytest.raises(StartError) as caught:
                await tile.on_start()
            assert missing in str(caught.value)
        else:
            await tile.on_start()
            await tile.on_close()

    asyncio.run(scenario())


def test_a_port_in_use_is_named(world):
    async def scenario() -> None:
        async with serving(world) as tile:
            port = tile.address[1]
            second = DxsTile(Dxs(port=port), world.folder, lambda: 0, 1)
            with pytest.raises(StartError, match=f"dxs cannot listen on 127.0.0.1:{port}"):
                await second.on_start()

    asyncio.run(scenario())


# --- retention --------------------------------------------------------------------------------


async def needed(tile: DxsTile, seq: int) -> None:
    await until(lambda: tile.needed_seq == seq, 5, f"needed_seq {seq}")


def test_the_least_tip_of_named_consumers_is_what_the_log_is_kept_for(world):
    """DX-20, GUA-8."""
    grow(world, 1000)

    async def scenario() -> None:
        async with serving(world, grace_s=0) as tile:
            nobody, one, two = [await Peer.connect(tile) for _ in range(3)]
            await nobody.ask(5)
            assert tile.needed_seq == 0
            await one.ask(700, name="one")
            await two.ask(900, name="two")
            await needed(tile, 700)
            await one.until_caught_up()
            await two.until_caught_up()
            one.writer.write(wire.control(CONSUMER_TIP, tip_seq=800))
            await needed(tile, 801)
            one.writer.write(wire.control(CONSUMER_TIP, tip_seq=1000))
            await needed(tile, 900)
            two.close()
            await needed(tile, 1001)
            one.close()
            await needed(tile, 0)
            nobody.close()

    asyncio.run(scenario())


def test_a_lost_consumer_is_waited_for_and_one_too_far_behind_is_not(world):
    grow(world, SEGMENT_RECORDS + 100)

    async def scenario() -> None:
        async with serving(world, grace_s=3600, hold_mib=1) as tile:
            for name, first in (("near", 5000), ("far", 50)):
                peer = await Peer.connect(tile)
                await peer.ask(first, name=name)
                peer.close()
            await needed(tile, 5000)
            rows = [row[3:] for row in tile.metrics()]
            lags = {labels["consumer"]: lag for labels, lag in rows if "consumer" in labels}
            assert lags == {"near": world.wal.durable - 4999, "far": world.wal.durable - 49}

    asyncio.run(scenario())


def test_a_request_is_what_the_page_says():
    view = wire.read_request(wire.replay_request(9, 4, "näme", Last(8, 2, 77)))

    assert view.record is REPLAY_REQUEST
    assert (view.from_seq, view.exchange_id, wire.name_of(view)) == (9, 4, "näme")
    assert (view.seq, view.epoch, view.ts_ns) == (8, 2, 77)
