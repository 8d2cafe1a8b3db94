"""Connections to venues, with everything that goes wrong. Source: specs/mark.md MK-35, MK-36."""

import asyncio
import contextlib
import socket as sockets
import time

import pytest
import uvloop
from mark.venue_server import VenueServer, prices, say, silence, ticker, trade

from rsx.mark.connector import MESSAGE_BYTES_MAX, Connector, Waits, wait_ms
from rsx.mark.feeds import Target, VenueFeed
from rsx.mark.index import NS, Index, IndexRules
from rsx.mark.venues import VENUES, Ask

RULES = IndexRules(
    fresh_ns=10 * NS, far_times=10, outlier_ppm=10_000, step_ppm_per_s=1_000_000, min_sources=1
)
WAITS = Waits(silent_ms=150, first_ms=5, longest_ms=40, handshake_ms=150, close_ms=50)


class World:
    """A connector and what it feeds; `bases` are the waits before jitter, in ms."""

    def __init__(self, venue, url, waits=WAITS):
        self.index = Index(RULES, 1, 10**12, 5_000_000)
        self.feed = VenueFeed(VENUES[venue], 30 * NS, time.time_ns())
        product, stream = ("btcusdt", "trade") if venue == "binance" else ("BTC-USD", "")
        self.feed.add(Ask(product, stream), Target(self.index, 0, 2))
        self.bases = []
        self.connector = Connector(self.feed, url, time.time_ns, self._chance, waits)

    def _chance(self, n):
        self.bases.append((n - 1) // 2 * 5)  # 20 % either way
        return n // 2

    @property
    def px(self):
        return self.index.slots[0].px

    async def until(self, holds, seconds=5):
        async with asyncio.timeout(seconds):
            while not holds():  # noqa: ASYNC110 (no hook in the code under test to wait on)
                await asyncio.sleep(0.002)


def run(test, behave=prices, venue="binance", waits=WAITS, **server):
    """Run test(world, server) beside a connector to a server that behaves like this."""

    async def main():
        async with VenueServer(behave) as venue_server:
            for key, value in server.items():
                setattr(venue_server, key, value)
            world = World(venue, venue_server.url, waits)
            task = asyncio.create_task(world.connector.run())
            try:
                await test(world, venue_server)
                assert not task.done()
            finally:
                task.cancel()
                await asyncio.wait([task])
            assert task.cancelled()

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(main())


# --- well -------------------------------------------------------------------------------------


def test_binance_prices_arrive():
    async def test(world, server):
        await world.until(lambda: world.feed.prices >= 3)

        assert world.px == 5_000_010
        assert world.feed.is_connected
        assert server.handshakes == ["/stream?streams=btcusdt@trade"]
        assert (world.feed.connections, world.feed.failures, server.heard) == (1, 0, [])

    run(test)


def test_coinbase_is_asked_and_answers():
    async def behave(socket, _):
        await asyncio.sleep(0.02)
        await say(socket, {"type": "subscriptions", "channels": []},
                  {"type": "heartbeat", "product_id": "BTC-USD"}, ticker("50000.12"))  # fmt: skip
        await silence(socket, _)

    async def test(world, server):
        await world.until(lambda: world.px)

        assert world.px == 5_000_012
        assert server.heard == [{
            "type": "subscribe", "product_ids": ["BTC-USD"], "channels": ["ticker", "heartbeat"],
        }]  # fmt: skip
        assert sum(world.feed.dropped.values()) == 0

    run(test, behave, "coinbase")


def test_the_newest_of_a_flood_wins_and_the_loop_stays_free():
    async def behave(socket, _):
        for number in range(5000):
            await say(socket, trade(f"50000.{number % 100:02d}"))
        await silence(socket, _)

    async def test(world, server):
        longest = last = 0
        while world.feed.messages < 5000:
            await asyncio.sleep(0)
            now = time.perf_counter_ns()
            longest = max(longest, now - last) if last else 0
            last = now

        assert world.px == 5_000_099
        assert longest < 2 * NS

    run(test, behave)


# --- faults: the connection stays -------------------------------------------------------------


def test_bad_messages_are_counted_and_the_next_good_one_counts():
    async def behave(socket, _):
        old = time.time_ns() - 3600 * NS
        await say(
            socket, "{not json", "[]", '"text"', {"stream": "x", "data": 5}, trade(50000),
            trade("0"), trade("-1"), trade("NaN"), trade("5000000"), trade("50000", at_ns=old),
            trade("50000", "ETHUSDT"), trade("50000.10")["data"],
        )  # fmt: skip
        await socket.send_bytes(b"\xff\x00")
        await say(socket, trade("50000.11"))
        await silence(socket, _)

    async def test(world, server):
        await world.until(lambda: world.px == 5_000_011)

        assert {cause: n for cause, n in world.feed.dropped.items() if n} == {
            "garbage": 4, "form": 2, "zero": 1, "negative": 1, "number": 1, "far": 1, "old": 1,
            "unknown": 1,
        }  # fmt: skip
        assert (server.connections, world.feed.failures) == (1, 0)

    run(test, behave)


# --- faults: it is made again -----------------------------------------------------------------


async def hang_up(socket, _):
    await say(socket, trade("50000.10"))
    await socket.close()


async def cut_in_a_message(socket, _):
    await say(socket, trade("50000.10"))
    await asyncio.sleep(0.02)
    # A text frame of 1000 bytes of which 20 come.
    socket.transport.write(b"\x81\x7e\x03\xe8" + b'{"stream":"btcusdt@t')
    await asyncio.sleep(0.01)
    socket.transport.abort()


async def broken_frame(socket, _):
    await say(socket, trade("50000.10"))
    socket.transport.write(b"\xff\xff\xff\xff\xff\xff")
    await silence(socket, _)


async def too_large(socket, _):
    await say(socket, trade("50000.10"))
    await socket.send_str("x" * (MESSAGE_BYTES_MAX + 1))
    await silence(socket, _)


async def fall_silent(socket, _):
    await say(socket, trade("50000.10"))
    await silence(socket, _)


async def only_pings(socket, _):
    await say(socket, trade("50000.10"))
    while True:
        await socket.ping()
        await asyncio.sleep(0.02)


async def reset(socket, _):
    await say(socket, trade("50000.10"))
    await asyncio.sleep(0.02)
    raw = socket.transport.get_extra_info("socket")
    raw.setsockopt(sockets.SOL_SOCKET, sockets.SO_LINGER, b"\1\0\0\0\0\0\0\0")
    socket.transport.abort()


@pytest.mark.parametrize(
    "behave",
    [hang_up, cut_in_a_message, broken_frame, too_large, fall_silent, only_pings, reset],
)
def test_a_connection_that_ends_or_falls_silent_is_made_again_at_once(behave):
    async def test(world, server):
        await world.until(lambda: server.connections >= 3 and world.feed.prices >= 3)

        assert world.feed.failures >= 2
        assert world.feed.last_error
        # A price came each time: every wait is the first one.
        assert set(world.bases) == {5}

    run(test, behave)


def test_flapping_without_a_price_waits_longer_each_time_until_a_price_comes():
    async def behave(socket, number):
        if number < 6:
            return
        await say(socket, trade("50000.10"))

    async def test(world, server):
        await world.until(lambda: len(world.bases) >= 7)

        assert world.bases[:7] == [5, 10, 20, 40, 40, 5, 5]

    run(test, behave)


@pytest.mark.parametrize(
    ("venue", "error", "words"),
    [
        ("coinbase", {"type": "error", "message": "Failed to subscribe", "reason": "no such"},
         "Failed to subscribe: no such"),
        ("binance", {"code": 2, "msg": "Invalid request"}, "Invalid request"),
    ],
)  # fmt: skip
def test_a_refused_subscription_is_tried_again_and_its_words_kept(venue, error, words):
    async def behave(socket, number):
        await say(socket, error)
        await silence(socket, number)

    async def test(world, server):
        await world.until(lambda: server.connections >= 3)

        assert words in world.feed.last_error
        assert world.bases[:2] == [5, 10]

    run(test, behave, venue)


@pytest.mark.parametrize("status", [200, 403, 404, 451, 500, 503])
def test_a_refused_handshake_is_tried_again(status):
    async def test(world, server):
        await world.until(lambda: len(server.handshakes) >= 3)
        assert not world.feed.is_connected
        server.refuse = 0
        await world.until(lambda: world.px)

        assert world.feed.connections == 1

    run(test, refuse=status)


def test_a_handshake_that_is_not_answered_ends_in_time():
    async def test(world, server):
        await world.until(lambda: len(server.handshakes) >= 2)
        assert "no handshake" in world.feed.last_error
        server.stall = False
        await world.until(lambda: world.px)

    run(test, stall=True)


def test_a_server_that_is_gone_is_tried_for_ever_and_found_when_it_is_back():
    async def main():
        async with VenueServer() as first:
            port = first.port
        world = World("binance", f"ws://127.0.0.1:{port}")
        task = asyncio.create_task(world.connector.run())
        await world.until(lambda: world.feed.failures >= 25)  # the Rust one gave up after 20
        assert not world.feed.is_connected
        async with VenueServer(port=port):
            await world.until(lambda: world.px)
            assert world.feed.is_connected
        await world.until(lambda: not world.feed.is_connected)
        async with VenueServer(port=port):
            await world.until(lambda: world.feed.connections >= 2)
        task.cancel()
        await asyncio.wait([task])

    asyncio.run(main())


@pytest.mark.parametrize("url", ["ws://127.0.0.1:1", "wss://127.0.0.1:1", "wss://127.0.0.1:{}"])
def test_an_address_that_leads_nowhere_is_a_failure_and_no_more(url):
    async def main():
        async with VenueServer() as server:  # knows no TLS
            await tried(World("coinbase", url.format(server.port)))

    async def tried(world):
        task = asyncio.create_task(world.connector.run())
        await world.until(lambda: world.feed.failures >= 2)
        assert world.feed.last_error
        assert not task.done()
        task.cancel()
        await asyncio.wait([task])

    asyncio.run(main())


def test_stopping_does_not_wait_for_a_venue_that_does_not_answer():
    async def stubborn(socket, _):
        await say(socket, trade("50000.10"))
        with contextlib.suppress(asyncio.CancelledError):
            await silence(socket, _)

    async def test(world, server):
        await world.until(lambda: world.px)
        world.stopped_ns = time.perf_counter_ns()

    began = time.perf_counter_ns()
    run(test, stubborn)
    assert time.perf_counter_ns() - began < 3 * NS


# --- waits ------------------------------------------------------------------------------------


def test_waits_double_from_one_second_to_thirty_within_a_fifth_mrk_9():
    waits = Waits(15_000)
    least = [wait_ms(waits, failures, lambda n: 0) for failures in range(9)]
    most = [wait_ms(waits, failures, lambda n: n - 1) for failures in range(9)]

    assert least == [800, 800, 1600, 3200, 6400, 12_800, 24_000, 24_000, 24_000]
    assert most == [1200, 1200, 2400, 4800, 9600, 19_200, 36_000, 36_000, 36_000]
    assert wait_ms(waits, 10**9, lambda n: 0) == 24_000
