"""Slow readers over real sockets. Source: specs/marketdata.md section 5, specs/wire.md W-23."""

import asyncio
import time

import orjson
from edge.feed_client import Follower
from edge.public_world import (
    DEADLINE_S,
    receive,
    run,
    stuck_client,
)

from rsx.edge import public_orders


async def flood(world, until):
    """Trades and changes of many levels until `until()`, each published and given its turn."""
    for number in range(3000):
        if until():
            return
        for px in range(900 + number % 7, 990, 7):
            world.flow.order(1, 0, px, 1 + number)
        world.flow.order(1, 1, 990, 1)
        world.clock.advance(20_000_000)
        world.work()
        await asyncio.sleep(0)
    raise AssertionError("the flood did not do it")


def test_a_reader_that_stays_slow_is_closed_with_4008_while_another_gets_everything():
    async def test(world):
        stuck, client = await stuck_client(world)
        ws = await world.connect()
        follower = Follower()
        await ws.send_str('{"S":[1,7,1000]}')
        reading = asyncio.ensure_future(follow(ws, follower))
        await flood(world, lambda: client.over_ns)
        unsent = client.transport.get_write_buffer_size()
        for _ in range(40):
            world.flow.order(1, 1, 990 - 5, 3)
            world.later(0.1)
            await asyncio.sleep(0)
        assert client in world.edge.clients
        assert client.transport.get_write_buffer_size() == unsent  # nothing more was added
        world.later(1.2)
        assert client not in world.edge.clients
        assert world.edge.counters()["public_closed_slow"] == 1

        await world.until(lambda: not stuck.read() or ("close", 4008) in stuck.frames())
        assert list(stuck.frames())[-1] == ("close", 4008)
        await world.until(lambda: follower.quote_u == world.edge.feeds._feeds[1]._quote_u)
        reading.cancel()
        assert (
            follower.trades
            == list(reversed(world.tile.recent_trades(1, 1000)))[-len(follower.trades) :]
        )
        assert follower.trade_gaps == []
        for side in (0, 1):
            assert follower.window(side) == world.shadow.depth(1, side, 1000)

    run(test, public_backlog_bytes=20_000)


async def follow(ws, follower):
    async for message in ws:
        ((key, fields),) = orjson.loads(message.data).items()
        if key in ("B", "D", "BBO", "T", "LS", "L"):
            follower.feed(key, fields)


def test_a_slow_reader_that_catches_up_gets_a_fresh_book_and_stays():
    async def test(world):
        stuck, client = await stuck_client(world)
        await flood(world, lambda: client.over_ns and client.held)
        world.flow.order(1, 1, 985, 500)
        world.clock.advance(20_000_000)
        world.work()
        assert client.transport.get_write_buffer_size() > 20_000

        def caught_up():
            assert stuck.read()
            world.later(0.1)
            return not client.held and client.transport.get_write_buffer_size() == 0

        await world.until(caught_up)
        world.flow.order(1, 1, 900, 1)
        world.later(0.1)
        target = world.edge.feeds._feeds[1]._quote_u

        def got_it():
            assert stuck.read()
            *_, (key, fields) = (("", [0, 0]), *stuck.frames())
            return key == "BBO" and fields[-2] == target

        await world.until(got_it)

        follower = Follower()
        for key, fields in stuck.frames():
            if key in ("B", "D", "BBO", "T"):
                follower.feed(key, fields)
        assert follower.keys.count("B") >= 2
        assert follower.trade_gaps
        for side in (0, 1):
            assert follower.window(side) == world.shadow.depth(1, side, 1000)
        assert client in world.edge.clients

    run(test, public_backlog_bytes=20_000, slow_reader_ms=600_000, idle_s=36_000, heartbeat_s=3600)


def test_a_client_that_asks_without_reading_is_not_read_from_any_more():
    async def test(world):
        stuck, client = await stuck_client(world)
        sent = 0
        end = time.monotonic() + DEADLINE_S
        while client.resumed is None and time.monotonic() < end:
            try:
                stuck.send('{"M":[]}')
                sent += 1
            except BlockingIOError:
                pass
            await asyncio.sleep(0)
        assert client.resumed is not None
        assert client.transport.get_write_buffer_size() < 21_000

        # It reads again, so all its questions are answered after all.
        def answered():
            assert stuck.read()
            world.later(0.1)
            return sum(key == "M" for key, _ in stuck.frames()) == sent

        world.edge._idle_ns = 10**18
        await world.until(answered)

    run(test, public_backlog_bytes=20_000, slow_reader_ms=600_000)


def test_a_flood_of_requests_delays_nobody():
    async def test(world):
        stuck, client = await stuck_client(world)
        ws = await world.connect()
        for _ in range(200):
            stuck.send('{"S":[1,2,1000]}')
        turns = 0
        await ws.send_str('{"H":[1]}')
        answer = asyncio.ensure_future(receive(ws))
        while not answer.done():
            turns += 1
            await asyncio.sleep(0)
        assert (await answer)[0] == "H"
        assert client in world.edge.clients

    run(test)


def test_a_stuck_reader_of_orders_holds_a_bounded_backlog_and_delays_nobody(monkeypatch):
    monkeypatch.setattr(public_orders, "TAPE_BYTES", 60_000)

    async def test(world):
        stuck, client = await stuck_client(world, '{"S":[1,8]}')
        ws = await world.connect()
        follower = Follower()
        await ws.send_str('{"S":[1,8]}')
        reading = asyncio.ensure_future(follow(ws, follower))
        orders = world.edge.feeds._feeds[1].orders
        most = 0
        while orders.places[client].at >= orders.live.first:
            oids = [world.flow.order(1, 0, 900 + at, 1) for at in range(40)]
            world.flow.cancel_all(1, oids[3:])
            world.clock.advance(20_000_000)
            world.work()
            most = max(most, client.transport.get_write_buffer_size())
            await asyncio.sleep(0)
        assert 20_000 < most <= 20_000 + 64 * 1024
        await world.until(lambda: follower.orders.u == orders.u)
        assert follower.orders.gaps == []
        assert follower.orders.resting() == world.shadow.books[1].resting_orders()
        reading.cancel()

        def caught_up():
            assert stuck.read()
            world.later(0.1)
            frames = list(stuck.frames())
            return ("LS", 1) in [(key, fields[2]) for key, fields in frames[3:] if key == "LS"]

        await world.until(caught_up)
        follower = Follower()
        for key, fields in stuck.frames():
            if key in ("LS", "L"):
                follower.feed(key, fields)
        assert len(follower.orders.gaps) == 1
        assert follower.orders.resting() == world.shadow.books[1].resting_orders()
        assert client in world.edge.clients

    run(test, public_backlog_bytes=20_000, slow_reader_ms=600_000, idle_s=36_000, heartbeat_s=3600)
