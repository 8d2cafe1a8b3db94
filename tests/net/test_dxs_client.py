"""The consumer of the log: specs/dxs.md section 3 (DXS-07, DXS-10 to DXS-15)."""

from __future__ import annotations

import asyncio
import contextlib
import random
import re
from collections.abc import Callable
from typing import Any

import pytest
from net.cutting import CuttingProxy
from net.serving import SEGMENT_RECORDS, a_server, begun, endpoint, grow, serving, settle
from system.process import until

from rsx.core.crc import sealed
from rsx.net import wire
from rsx.net.dxs_client import (
    Blocked,
    DxsClient,
    DxsError,
    Future,
    NotAllowed,
    OtherExchange,
    OtherHistory,
    Pruned,
    Tip,
    parse_endpoint,
)
from rsx.net.wire import Last
from rsx.records import (
    CANCEL_REJECTED,
    CAUGHT_UP,
    LOG_TIP,
    RECORD_SIZE,
    decode,
    iterate,
)
from rsx.wal.segments import list_segments

TOKEN = b"a token of 24 bytes, yes"
QUICK: dict[str, Any] = {"backoff_s": (0.01, 0.02), "silent_s": 1.0}


async def follow_to(client: DxsClient, seq: int, done: bool = False) -> bytes:
    """Records up to number seq and no further."""
    data = bytearray()
    async with asyncio.timeout(20), contextlib.aclosing(client.batches()) as batches:
        async for batch in batches:
            data += batch.data
            if done:
                await client.done(batch)
            if batch.next_seq > seq:
                break
    return bytes(data)


# --- every record once ------------------------------------------------------------------------


def test_it_gets_every_record_and_is_told_when_it_has_caught_up(world):
    grow(world, SEGMENT_RECORDS)
    log, newest = world.log(), int(world.wal.durable)

    async def scenario() -> None:
        async with serving(world) as tile, DxsClient(endpoint(tile), **QUICK) as client:
            data, live = bytearray(), []
            async for batch in client:
                assert batch.first == len(data) // RECORD_SIZE + 1
                data += batch.data
                if batch.live_seq is not None:
                    live.append((batch.live_seq, client.caught_up))
                    if newest == world.wal.durable:
                        world.deposit(1, 2, 3)
                        world.run()
                        settle(world)
                if len(data) // RECORD_SIZE == world.wal.durable > newest:
                    break
            assert bytes(data) == world.log()
            assert data[: newest * RECORD_SIZE] == log[: newest * RECORD_SIZE]
            assert live == [(newest, True)]
            assert client.newest_seq == world.wal.durable

    asyncio.run(scenario())


def test_connections_that_break_at_any_byte_lose_nothing_and_double_nothing(world):
    """DXS-11: a proxy cuts both ways at random places."""
    grow(world, 3 * SEGMENT_RECORDS)
    log, newest = world.log(), int(world.wal.durable)
    seed = random.SystemRandom().randrange(1 << 32)
    print(f"seed {seed}")
    chance = random.Random(seed)

    async def scenario() -> None:
        most = [4000] * 16  # far less than the log, so that the first ones do cut

        def size() -> int:
            return chance.randint(0, most.pop() if most else chance.choice((400, 1 << 20)))

        async with serving(world) as tile, CuttingProxy(tile.address[1], size) as proxy:
            async with DxsClient(
                f"127.0.0.1:{proxy.port}", errors_max=None, backoff_s=(0.001,), silent_s=1.0
            ) as client:
                data = await follow_to(client, newest)
                assert data == log[: newest * RECORD_SIZE]
                assert client.connects > 2
        assert proxy.cuts > 5

    asyncio.run(scenario())


def test_it_goes_on_where_its_tip_file_says_after_a_restart(world, tmp_path):
    """DXS-12, DXS-13: only what was done counts."""
    grow(world, 3000)
    log, newest = world.log(), int(world.wal.durable)
    path = tmp_path / "copy.tip"

    async def scenario() -> None:
        async with serving(world) as tile:
            async with DxsClient(endpoint(tile), tip_file=path, **QUICK) as client:
                await follow_to(client, newest)
            assert not path.exists(), "nothing was done"
            async with DxsClient(endpoint(tile), tip_file=path, **QUICK) as client:
                assert await follow_to(client, newest, done=True) == log[: newest * RECORD_SIZE]
            last = decode(log, (newest - 1) * RECORD_SIZE)
            assert Tip.read(path) == Tip(Last(newest, last.epoch, last.ts_ns), tile.exchange_id)
            grow(world, 500)
            async with DxsClient(endpoint(tile), tip_file=path, **QUICK) as client:
                data = await follow_to(client, int(world.wal.durable), done=True)
            assert data == world.log()[newest * RECORD_SIZE :]

    asyncio.run(scenario())


def test_a_tip_never_goes_back_and_is_told_to_the_server(world, tmp_path):
    grow(world, 100)

    async def scenario() -> None:
        async with serving(world, grace_s=3600) as tile:
            path = tmp_path / "tip"
            async with DxsClient(endpoint(tile), name="me", tip_file=path, **QUICK) as client:
                async for batch in client:
                    if batch.data:
                        await client.done(batch)
                        tip = client.tip
                        await client.done_to(Last(3, 1, 1))
                        assert client.tip == tip
                    if batch.live_seq is not None:
                        break
                due = tip.last.seq + 1
                await until(lambda: tile.needed_seq == due, 5, "the tip at the server")
            assert Tip.read(path).last.seq == tip.last.seq

    asyncio.run(scenario())


@pytest.mark.parametrize(
    "text", ["", "\n", "1 2 3\n", "1 2 3 4 5\n", "1 2 3 x\n", "1 2 3 -4\n", "1 2 3 4", "\xe9\n"]
)
def test_a_tip_file_that_cannot_be_read_is_refused_and_not_guessed(tmp_path, text):
    """DX-31: a file cut short by a crash would otherwise begin the whole log again."""
    path = tmp_path / "tip"
    path.write_text(text, encoding="latin-1")

    with pytest.raises(DxsError, match=str(path)):
        DxsClient("localhost:1", tip_file=path)


# --- what it does not retry -------------------------------------------------------------------


def refused_by(world: Any, kind: type[DxsError], text: str, **arguments: Any) -> None:
    async def scenario() -> None:
        async with serving(world) as tile:
            client = DxsClient(endpoint(tile), **{**QUICK, **arguments})
            with pytest.raises(kind, match=text):
                await follow_to(client, 1 << 60)
            assert tile.accepted == 1
            await client.stop()

    asyncio.run(scenario())


def test_the_future_a_pruned_log_and_another_exchange_end_it_at_once(world):
    grow(world, SEGMENT_RECORDS)
    newest = int(world.wal.durable)
    refused_by(world, Future, f"record 99999 is the future, the newest is {newest}", start=99999)
    mine = Tip(Last(5, 1, 77), world.recovered.start.exchange_id ^ 2)
    refused_by(world, OtherExchange, "the log is that of exchange", tip=mine)
    mine = Tip(Last(5, 1, 77), world.recovered.start.exchange_id)
    refused_by(world, OtherHistory, "record 5 is another one there", tip=mine)
    list_segments(world.folder)[0].path.unlink()
    refused_by(
        world, Pruned, f"record 7 is pruned, the log begins at {SEGMENT_RECORDS + 1}", start=7
    )


def test_a_missing_or_wrong_token_ends_it_at_once(world):
    async def scenario() -> None:
        async with serving(world, token=TOKEN) as tile:
            for token in (None, TOKEN + b"!"):
                client = DxsClient(endpoint(tile), token=token, **QUICK)
                with pytest.raises(NotAllowed, match="token"):
                    await follow_to(client, 1)
            async with DxsClient(endpoint(tile), token=TOKEN, **QUICK) as client:
                assert await follow_to(client, 1)

    asyncio.run(scenario())


def test_a_server_that_is_away_is_tried_again_and_blocked_says_when_to_give_up():
    async def scenario() -> None:
        client = DxsClient("127.0.0.1:9", errors_max=4, backoff_s=(0.001, 0.002))
        with pytest.raises(Blocked, match=r"4 errors in a row, the last: 127.0.0.1:9: "):
            await follow_to(client, 1)

    asyncio.run(scenario())


def test_the_next_endpoint_has_what_the_first_has_not(make_world):
    """DXS-10: and all of them lacking it is the end."""
    world, other = make_world(name="one"), make_world(name="two")
    for each in (world, other):
        each.run()
        settle(each)
    tip = Tip(exchange_id=world.recovered.start.exchange_id)

    async def scenario() -> None:
        async with serving(world) as tile, serving(other) as foreign:
            both = f"{endpoint(foreign)},{endpoint(tile)}"
            async with DxsClient(both, tip=tip, **QUICK) as client:
                assert await follow_to(client, int(world.wal.durable)) == world.log()
            client = DxsClient([endpoint(foreign)] * 2, tip=tip, **QUICK)
            with pytest.raises(OtherExchange):
                await follow_to(client, 1)
            away = f"127.0.0.1:9,{endpoint(foreign)}"  # what is away may still have it
            client = DxsClient(away, tip=tip, errors_max=3, **QUICK)
            with pytest.raises(Blocked):
                await follow_to(client, 1)

    asyncio.run(scenario())


@pytest.mark.parametrize("text", ["", "host", ":1", "host:", "host:0", "host:65536", "host:x"])
def test_an_endpoint_is_host_and_port(text):
    with pytest.raises(DxsError, match="HOST:PORT"):
        parse_endpoint(text)
    assert parse_endpoint("[::1]:9700") == ("::1", 9700)


# --- servers that go wrong --------------------------------------------------------------------


def rejected(seq: int, epoch: int = 1) -> bytes:
    return sealed(CANCEL_REJECTED.pack(ts_ns=seq, user_id=1, symbol_id=1), seq, epoch)


def flipped(record: bytes) -> bytes:
    return record[:40] + bytes([record[40] ^ 1]) + record[41:]


def good(from_seq: int) -> bytes:
    return begun(from_seq) + b"".join(rejected(n) for n in range(from_seq, 10))


WRONG: dict[str, tuple[Callable[[int], bytes], str]] = {
    "duplicate": (lambda n: begun(n) + rejected(1) + rejected(2) + rejected(2),
                  "CANCEL_REJECTED with number 2 where record 3 is due"),
    "gap": (lambda n: begun(n) + rejected(1) + rejected(3), "number 3 where record 2 is due"),
    "from elsewhere": (lambda n: begun(n) + rejected(5), "number 5 where record 1 is due"),
    "flipped bit": (lambda n: begun(n) + rejected(1) + flipped(rejected(2)),
                    "checksum .*, where record 2 is due"),
    "noise": (lambda n: begun(n) + b"\xff" * 256, "version 255"),
    "no begin": (lambda n: rejected(1), "CANCEL_REJECTED with number 1 where an answer is due"),
    "a wrong begin": (lambda n: begun(n + 1), "begins at 2 where 1 is due"),
    "caught up elsewhere": (lambda n: begun(n) + wire.control(CAUGHT_UP, live_seq=5),
                            "caught up at 5, but record 1 is due"),
    "caught up twice": (lambda n: begun(n) + 2 * wire.control(CAUGHT_UP, live_seq=0),
                        "CAUGHT_UP where record 1 is due"),
    "a second begin": (lambda n: begun(n) + begun(n), "REPLAY_BEGUN where record 1 is due"),
}  # fmt: skip


@pytest.mark.parametrize("wrong", WRONG)
def test_what_is_not_due_ends_the_connection_and_the_next_goes_on_from_the_last_good(wrong):
    """DX-30 (DXS-07, WAL-13)."""
    script, text = WRONG[wrong]

    async def scenario() -> None:
        async with a_server(script, good) as where:
            client = DxsClient(where, **QUICK)
            data = await follow_to(client, 9)
            await client.stop()
            assert [view.seq for view in iterate(data)] == list(range(1, 10))
            assert re.search(text, client.last_error), client.last_error

    asyncio.run(scenario())


def test_an_epoch_that_goes_back_is_another_history():
    """DX-30: an old primary that runs on beside a promoted standby."""

    def script(from_seq: int) -> bytes:
        return begun(from_seq) + rejected(1, 5) + rejected(2, 6) + rejected(3, 5)

    async def scenario() -> None:
        async with a_server(script) as where:
            client = DxsClient(where, **QUICK)
            with pytest.raises(OtherHistory, match="record 3 has epoch 5 after 6"):
                await follow_to(client, 9)
            assert client.received.seq == 2

    asyncio.run(scenario())


def test_another_exchange_behind_the_same_address_is_refused():
    async def scenario() -> None:
        async with a_server(good) as where:
            client = DxsClient(where, tip=Tip(exchange_id=8), **QUICK)
            with pytest.raises(OtherExchange, match="exchange 0x7, not 0x8"):
                await follow_to(client, 9)

    asyncio.run(scenario())


def test_a_server_that_falls_silent_is_left():
    """DX-35; LOG_TIPs are a sign of life."""

    async def scenario() -> None:
        async with a_server(lambda n: begun(n) + rejected(1), good) as where:
            client = DxsClient(where, backoff_s=(0.001,), silent_s=0.1)
            assert len(await follow_to(client, 9)) == 9 * RECORD_SIZE
            assert "nothing heard for 0.1 s" in client.last_error
            await client.stop()

    asyncio.run(scenario())


def test_tips_of_the_log_say_how_far_it_is():
    async def scenario() -> None:
        tip = wire.control(LOG_TIP, durable_seq=77)
        async with a_server(lambda n: begun(n) + tip + rejected(1)) as where:
            client = DxsClient(where, **QUICK)
            assert len(await follow_to(client, 1)) == RECORD_SIZE
            assert client.newest_seq == 77
            await client.stop()

    asyncio.run(scenario())


def test_stop_ends_the_iteration(world):
    async def scenario() -> None:
        async with serving(world) as tile, DxsClient(endpoint(tile), **QUICK) as client:
            asyncio.get_running_loop().call_later(0.1, lambda: asyncio.ensure_future(client.stop()))
            async with asyncio.timeout(5):
                async for _ in client:
                    pass

    asyncio.run(scenario())


def test_the_end_of_the_exchange_is_a_clean_end_and_the_next_start_is_found(world):
    """DXS-11: with a pause, not in a hot loop."""

    async def scenario() -> None:
        async with serving(world) as tile:
            client = DxsClient(endpoint(tile), **QUICK)
            port = tile.address[1]
            following = asyncio.create_task(follow_to(client, world.wal.durable + 1))
            await asyncio.sleep(0.1)
        await asyncio.sleep(0.1)
        async with serving(world, port=port) as tile:
            world.deposit(1)
            world.run()
            settle(world)
            assert await following == world.log()
            assert tile.accepted == 1
        await client.stop()

    asyncio.run(scenario())
