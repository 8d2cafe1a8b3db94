"""The demo against the fake exchange: DM-1, DM-2, DM-5, DM-6, DM-9, DM-11, DM-12."""

from __future__ import annotations

import asyncio
from decimal import Decimal

import pytest
from client.fake_server import FakeExchange, Market, mint
from client.helpers import until

from rsx.client.demo import ADMIN_USER, MAKER_USER, Demo
from rsx.config import Demo as Settings
from rsx.config import load

SYMBOLS = load().symbols
QUICK = Settings(levels=25, requote_s=0.05, trades_per_second=400.0)
QUIET = Settings(levels=22, requote_s=0.05, trades_per_second=0)


def prepare(exchange: FakeExchange) -> dict[int, int]:
    exchange.markets = {
        s.id: Market(s.id, s.name, s.tick, s.lot, s.price_decimals, s.qty_decimals, s.reference_px)
        for s in SYMBOLS
    }
    return {s.id: s.reference_px for s in SYMBOLS}


def deep(exchange: FakeExchange, levels: int = 20) -> bool:
    return all(
        len(m.levels(side, 99)) >= levels for m in exchange.markets.values() for side in (0, 1)
    )


class Running:
    """A demo that runs while inside."""

    def __init__(self, exchange: FakeExchange, settings: Settings = QUICK, **options):
        self.demo = Demo(settings, exchange.url, SYMBOLS, mint, seed=7, **options)

    async def __aenter__(self) -> Demo:
        self.task = asyncio.create_task(self.demo.run())
        return self.demo

    async def __aexit__(self, *exc: object) -> None:
        await self.demo.stop()
        await self.task


def test_the_market_is_live_deep_and_two_sided(run):
    async def test(exchange):
        prepare(exchange)
        async with Running(exchange) as demo:
            await until(lambda: all(len(m.trades) > 20 for m in exchange.markets.values()))
            await until(lambda: deep(exchange))
            sides = {t["taker_side"] for m in exchange.markets.values() for t in m.trades}
            assert sides == {"buy", "sell"}
            qtys = {t["qty"] for t in exchange.markets[1].trades}
            assert len(qtys) > 10
            for market in exchange.markets.values():
                assert market.bids[0].px < market.asks[0].px
            assert {u for u, k, _ in exchange.frames if k == "N"} == set(
                range(MAKER_USER, MAKER_USER + 4)
            )
        assert demo.troubles.counts == {}
        makers = [f for u, k, f in exchange.frames if k == "N" and u == MAKER_USER]
        takers = [f for u, k, f in exchange.frames if k == "N" and u != MAKER_USER]
        assert all(f[5] == 0 and f[7] == 1 for f in makers), "quotes are post-only GTC"
        assert all(f[5] == 1 for f in takers), "takers send IOC"

    run(test)


def test_stopping_takes_the_quotes_away(run):
    async def test(exchange):
        prepare(exchange)
        async with Running(exchange):
            await until(lambda: deep(exchange))
        assert all(not m.bids and not m.asks for m in exchange.markets.values())
        await until(lambda: not exchange.private)

    run(test)


def test_poor_accounts_are_filled_up_and_rich_ones_left_alone(run):
    async def test(exchange):
        prepare(exchange)
        exchange.balances[MAKER_USER] = 6_000_000 * 10**8
        paid = []

        async def deposit(user, amount):
            paid.append((user, amount))

        async with Running(exchange, QUIET, deposit=deposit):
            await until(lambda: deep(exchange))
        assert paid == [(MAKER_USER + n, Decimal(1_000_000)) for n in (1, 2, 3)]
        async with Running(exchange, QUIET):
            await until(lambda: deep(exchange))
        assert exchange.balances[MAKER_USER] == 6_000_000 * 10**8
        assert exchange.balances[MAKER_USER + 1] == 1_000_000 * 10**8
        assert all(user != ADMIN_USER for user, _, _ in exchange.frames)

    run(test)


def test_quotes_follow_the_index_with_few_orders(run):
    async def test(exchange):
        index = prepare(exchange)
        async with Running(exchange, QUIET, index=index.get) as demo:
            await until(lambda: demo.maker and demo.maker.placed == 22 * 2 * len(SYMBOLS))
            before = {o.oid for m in exchange.markets.values() for o in m.bids + m.asks}
            step = demo.maker._ladders[0].step
            index[1] += 3 * step
            await until(lambda: demo.maker.moved > 0)
            ladder = demo.maker._ladders[0]
            wanted = {(q.side, q.px) for q in ladder.window(index[1])}
            kept = {(q.side, q.px) for q in ladder.window(index[1], 3)}
            await until(lambda: wanted <= set(demo.maker._quoted(ladder.market)) <= kept)
            assert exchange.markets[1].bids[0].px > index[1] - 4 * step and deep(exchange, 22)
            after = {o.oid for m in exchange.markets.values() for o in m.bids + m.asks}
            assert before <= after, "orders that leave the window keep their ids"
            moved = demo.maker.moved + demo.maker.cancelled + demo.maker.placed
            assert moved - 22 * 2 * len(SYMBOLS) <= 10
            assert exchange.markets[1].asks[0].px > index[1]
            quiet = len(exchange.frames)
            for _ in range(3):
                await demo.maker.round(demo.maker._ladders[0])
            assert len(exchange.frames) == quiet, "an index that rests moves no order"

    run(test)


def test_a_market_that_is_halted_is_waited_for_quietly(run, caplog):
    """DM-9: no order, no cancel, no complaint; it goes on when the market opens."""

    async def test(exchange):
        index = prepare(exchange)
        async with Running(exchange, QUICK, index=index.get) as demo:
            await until(lambda: deep(exchange))
            await exchange.set_mode(1, 3)
            await until(lambda: demo.maker.client.symbol("BTC-PERP").mode == "halt")
            count = [len(exchange.markets[sym].trades) for sym in (1, 2)]
            index[1] += 30 * demo.maker._ladders[0].step
            await until(lambda: len(exchange.markets[2].trades) > count[1] + 20)
            assert len(exchange.markets[1].trades) == count[0]
            assert exchange.markets[1].bids[0].px < index[1] - 20 * demo.maker._ladders[0].step
            await exchange.price(1, index[1])
            await exchange.set_mode(1, 0)
            await until(lambda: len(exchange.markets[1].trades) > count[0] + 5)
            await until(lambda: deep(exchange))
        assert not demo.troubles.counts and not caplog.records

    run(test)


def test_takers_place_stops_that_fire(run):
    """DM-12."""

    async def test(exchange):
        index = prepare(exchange)
        async with Running(exchange, QUICK, index=index.get) as demo:
            await until(lambda: sum(taker.stops for taker in demo.takers) > 3)
            stops = [o for o in exchange.orders.values() if o.kind == 2]
            assert all(o.user > MAKER_USER and o.tif == 1 for o in stops)
            # Both ways, so that every stop's price comes.
            for sym, px in index.items():
                for swing in (px * 999 // 1000, px * 1001 // 1000, px):
                    await exchange.price(sym, swing)
            assert all(o.fired_px for o in stops)
            await until(lambda: sum(taker.stops for taker in demo.takers) > len(stops) + 3)
        assert not [o for o in exchange.orders.values() if o.is_open], "stops are taken away too"

    run(test)


def test_a_missing_index_is_never_made_up(run):
    async def test(exchange):
        index = dict.fromkeys(prepare(exchange), 0) | {2: None, 3: SYMBOLS[2].reference_px}
        async with Running(exchange, QUICK, index=index.get):
            await until(lambda: len(exchange.markets[3].trades) > 20)
        assert {f[0] for _, k, f in exchange.frames if k == "N"} == {3}

    run(test)


def test_orders_of_an_earlier_life_are_taken_over(run):
    async def test(exchange):
        index = prepare(exchange)
        async with Running(exchange, QUIET, index=index.get) as demo:
            await until(lambda: deep(exchange, 22))
            # Gone without a word: nothing is cancelled.
            demo.maker.cancel_all = lambda: asyncio.sleep(0)
        before = {o.oid for m in exchange.markets.values() for o in m.bids + m.asks}
        frames = len(exchange.frames)
        async with Running(exchange, QUIET, index=index.get) as demo:
            await until(lambda: demo.maker is not None)
            await demo.maker.round(demo.maker._ladders[0])
            after = {o.oid for m in exchange.markets.values() for o in m.bids + m.asks}
            assert before == after
            assert not [k for _, k, _ in exchange.frames[frames:] if k in ("N", "C")]

    run(test)


def test_cut_connections_and_refusals_do_not_stop_it(run, caplog):
    async def test(exchange):
        prepare(exchange)
        refused = []

        async with Running(exchange) as demo:
            await until(lambda: deep(exchange))

            def refuse(user, key, fields):
                if key == "N" and user == MAKER_USER and len(refused) < 5:
                    refused.append(fields[4])
                    work = exchange.tell(
                        user, "E", [1006, "too many requests", None, None, fields[4]]
                    )
                    tasks.append(asyncio.ensure_future(work))
                    return "ignore"
                return None

            tasks = []
            exchange.on_frame = refuse
            await until(lambda: demo.troubles.counts["RATE_LIMITED"] == 5)
            exchange.cut_all()
            await until(lambda: demo.maker.client.reconnections == 1)
            count = len(exchange.markets[1].trades)
            await until(lambda: len(exchange.markets[1].trades) > count + 10)
            await until(lambda: deep(exchange))
        assert sum("RATE_LIMITED" in r.getMessage() for r in caplog.records) == 1

    run(test)


def test_it_waits_for_an_exchange_that_is_not_there_yet(run, monkeypatch):
    from rsx.client.transport import Backoff

    monkeypatch.setattr("rsx.client.demo.Backoff", lambda: Backoff(0.001, 0.01))

    async def test(exchange):
        prepare(exchange)
        await exchange.stop()
        async with Running(exchange) as demo:
            await until(lambda: demo.troubles.counts["NotConnected"] > 2)
            await exchange.start()
            await until(lambda: deep(exchange))

    run(test)


@pytest.mark.parametrize("moment", ["before", "at once", "later"])
def test_it_can_be_stopped_at_any_moment(run, moment):
    async def test(exchange):
        prepare(exchange)
        demo = Demo(QUICK, exchange.url, SYMBOLS, mint, seed=7)
        if moment == "before":
            await demo.stop()
            await demo.run()
            return
        task = asyncio.create_task(demo.run())
        await until(lambda: moment == "at once" or exchange.private)
        await demo.stop()
        await task

    run(test)


def test_the_walk_of_its_own_repeats_with_its_seed(run):
    async def test(exchange):
        walks = [Demo(QUIET, exchange.url, SYMBOLS, mint, seed=s)._walk for s in (3, 3, 4)]
        for walk in walks:
            for _ in range(50):
                walk.step()
        paths = [[walk(s.id) for s in SYMBOLS] for walk in walks]
        assert paths[0] == paths[1] != paths[2]
        assert all(walk(99) is None for walk in walks)

    run(test)
