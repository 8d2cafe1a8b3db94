"""Public streams and the local book: CL-50 .. CL-56."""

from __future__ import annotations

import asyncio
import gc
import random
from decimal import Decimal as D

import pytest
from client.fake_server import FakeExchange, Market, _changes
from client.helpers import until
from hypothesis import given
from hypothesis import strategies as st

from rsx.client import (
    Bbo,
    BookUpdate,
    Client,
    Gap,
    LocalBook,
    RequestRefused,
    Symbol,
    Trade,
    plain,
)

SYMBOL = Symbol(
    id=1, name="BTC-PERP", tick=D("0.10"), lot=D("0.0001"), price_decimals=2, qty_decimals=6,
    money_decimals=8, max_price=D(10**6), max_qty=D(1000), max_notional=D(10**7),
)  # fmt: skip


def rows(market: Market, depth: int) -> list[list[tuple[int, ...]]]:
    return [[tuple(row) for row in market.levels(side, depth)] for side in (0, 1)]


async def act(exchange: FakeExchange, rng: random.Random, number: int) -> None:
    """One random order or cancel around 50 000."""
    resting = [o for o in exchange.orders.values() if o.status == 1]
    if resting and rng.random() < 0.4:
        await exchange.cancel(9, rng.choice(resting).oid)
        return
    side = rng.randrange(2)
    px = 5_000_000 + 10 * (rng.randrange(-8, 3) if side == 0 else rng.randrange(-2, 9))
    await exchange.place(9, 1, side, px, 100 * rng.randrange(1, 50), f"c{number}")


def test_the_streams_of_one_market_come_typed(run):
    async def test(exchange):
        await exchange.place(9, 1, 1, 5_000_100, 3000, "m1")
        async with Client(exchange.url) as client:
            stream = client.market("BTC-PERP", "bbo", "book", "trades")
            first = [await anext(stream), await anext(stream)]
            await exchange.place(9, 1, 0, 5_000_100, 1000, "t", 1)
            then = [await anext(stream) for _ in range(3)]

        assert isinstance(first[0], BookUpdate) and first[0].snapshot
        assert isinstance(first[1], Bbo) and first[1].bid is None
        assert first[1].ask.price == D("50001.00") and first[1].ask.qty == D("0.003")
        assert [type(e) for e in then] == [Trade, BookUpdate, Bbo]
        assert (then[0].price, then[0].qty, then[0].taker_side) == (D(50001), D("0.001"), "buy")
        assert [(lv.price, lv.qty) for lv in then[1].asks] == [(D(50001), D("0.002"))]
        assert then[1].book.asks == then[1].asks and then[1].book.bids == []
        assert then[1].book.mid is None

    run(test)


@pytest.mark.parametrize("depth", [2, 5, 50])
def test_the_local_book_equals_the_exchange_s_at_every_update(run, depth):
    async def test(exchange):
        rng = random.Random(depth)
        market = exchange.markets[1]
        async with Client(exchange.url) as client:
            stream = client.market("BTC-PERP", "book", depth=depth)
            update = await anext(stream)
            for number in range(200):
                before = exchange.seq
                await act(exchange, rng, number)
                while update.seq < exchange.seq:
                    if rows(market, depth) == [update.book.rows(0), update.book.rows(1)]:
                        break
                    update = await anext(stream)
                assert [update.book.rows(0), update.book.rows(1)] == rows(market, depth)
                assert before <= exchange.seq
        assert stream.gaps == 0

    run(test)


def test_a_gap_in_the_book_leads_to_a_fresh_snapshot(run):
    async def test(exchange):
        async with Client(exchange.url) as client:
            stream = client.market("BTC-PERP", "book")
            await anext(stream)
            await exchange.place(9, 1, 0, 4_999_000, 100, "a")
            await anext(stream)
            exchange.skip_public.add("D")
            for number in range(3):
                await exchange.place(9, 1, 0, 4_999_010 + 10 * number, 100, f"b{number}")
            gap, update = await anext(stream), await anext(stream)

        assert gap == Gap(symbol="BTC-PERP", channel="book", reason="gap", complete=True)
        assert update.snapshot and len(update.book.bids) == 4
        assert stream.gaps == 1

    run(test)


def test_trades_missed_in_a_gap_are_fetched_and_come_in_order(run):
    async def test(exchange):
        await exchange.place(9, 1, 1, 5_000_000, 100_000, "m1")
        async with Client(exchange.url) as client:
            stream = client.market("BTC-PERP", "trades")
            waiting = asyncio.ensure_future(anext(stream))
            await until(lambda: exchange.public and exchange.public[0].masks)
            await exchange.place(8, 1, 0, 5_000_000, 100, "t0", 1)
            seen = [await waiting]
            exchange.skip_public.add("T")
            await exchange.place(8, 1, 0, 5_000_000, 200, "t1", 1)
            await exchange.place(8, 1, 0, 5_000_000, 300, "t2", 1)
            waiting = asyncio.ensure_future(anext(stream))
            await until(lambda: stream.gaps)
            await until(lambda: exchange.public[0].last[1, "T"] == 0)
            await exchange.place(8, 1, 0, 5_000_000, 400, "t3", 1)
            seen.append(await waiting)
            seen += [await anext(stream) for _ in range(3)]

        assert isinstance(seen[1], Gap) and seen[1].complete
        trades = [e for e in seen if isinstance(e, Trade)]
        assert [t.qty for t in trades] == [D(n).scaleb(-4) for n in (1, 2, 3, 4)]

    run(test)


def test_a_reconnection_is_told_and_loses_no_trade(run):
    async def test(exchange):
        await exchange.place(9, 1, 1, 5_000_000, 100_000, "m1")
        async with Client(exchange.url) as client:
            stream = client.market("BTC-PERP", "trades", "book")
            seen = [await anext(stream)]
            await exchange.place(8, 1, 0, 5_000_000, 100, "t0", 1)
            seen += [await anext(stream), await anext(stream)]
            exchange.cut_all()
            await exchange.place(8, 1, 0, 5_000_000, 200, "t1", 1)
            seen += [await anext(stream), await anext(stream)]
            await exchange.place(8, 1, 0, 5_000_000, 300, "t2", 1)
            seen += [await anext(stream) for _ in range(4)]

        assert [type(e).__name__ for e in seen] == [
            "BookUpdate", "Trade", "BookUpdate", "Gap", "BookUpdate",
            "Gap", "Trade", "Trade", "BookUpdate",
        ]  # fmt: skip
        assert seen[4].snapshot and seen[5].channel == "trades" and seen[5].complete
        assert [t.qty for t in seen if isinstance(t, Trade)] == [
            D("0.0001"), D("0.0002"), D("0.0003"),
        ]  # fmt: skip
        assert stream.reconnections == 1 and stream.down is None

    run(test)


def test_a_farewell_of_the_exchange_is_followed_by_a_reconnection(run):
    async def test(exchange):
        async with Client(exchange.url) as client:
            stream = client.market("BTC-PERP", "book")
            await anext(stream)
            await exchange._tell(exchange.public[0], "E", [1019, "slow", None, None, None])
            exchange.cut_all()
            assert [type(await anext(stream)) for _ in range(2)] == [Gap, BookUpdate]

    run(test)


def test_cancelled_waits_lose_nothing(run):
    async def test(exchange):
        rng = random.Random(3)
        async with Client(exchange.url) as client:
            stream = client.market("BTC-PERP", "book")
            await anext(stream)
            for number in range(60):
                await act(exchange, rng, number)
                for _ in range(3):
                    try:
                        await asyncio.wait_for(anext(stream), 0.0005)
                    except TimeoutError:
                        break
            market = exchange.markets[1]
            book = stream.book("BTC-PERP")
            while rows(market, 20) != [book.rows(0), book.rows(1)]:
                await anext(stream)
        assert stream.gaps == 0 and stream.reconnections == 0

    run(test)


def test_leaving_the_loop_closes_the_connection(run):
    async def test(exchange):
        async with Client(exchange.url) as client:
            async for _ in client.market("BTC-PERP", "book"):
                break
            gc.collect()
            await until(lambda: not exchange.public)
            async with client.market("BTC-PERP", "book") as stream:
                await anext(stream)
                assert len(exchange.public) == 1
            await until(lambda: not exchange.public)
            with pytest.raises(StopAsyncIteration):
                await anext(stream)

    run(test)


def test_several_markets_share_a_stream(run):
    async def test(exchange):
        async with Client(exchange.url) as client:
            stream = client.market(["BTC-PERP", "ETH-PERP"], "bbo")
            names = {(await anext(stream)).symbol for _ in range(2)}
            assert names == {"BTC-PERP", "ETH-PERP"} and len(exchange.public) == 1

    run(test)


def test_what_can_not_be_subscribed_is_refused(run):
    async def test(exchange):
        async with Client(exchange.url) as client:
            with pytest.raises(RequestRefused, match="known: BTC-PERP, ETH-PERP"):
                client.market("DOGE-PERP")
            with pytest.raises(ValueError, match="must be one of bbo, book"):
                client.market("BTC-PERP", "candles")
            del exchange.markets[2]
            with pytest.raises(RequestRefused, match="1007"):
                await anext(client.market("ETH-PERP", "bbo"))

    run(test)


LEVELS = st.dictionaries(st.integers(1, 30), st.tuples(st.integers(1, 9), st.integers(1, 3)))


@given(st.lists(st.tuples(LEVELS, LEVELS), min_size=1, max_size=8), st.integers(1, 6))
def test_windowed_deltas_keep_the_local_book_right(states, depth):
    def window(levels, side):
        ordered = sorted(levels.items(), reverse=not side)
        return [[px, *rest] for px, rest in ordered[:depth]]

    book = LocalBook(SYMBOL, depth)
    sent = None
    for seq, state in enumerate(states, 1):
        now = [window(levels, side) for side, levels in enumerate(state)]
        if sent is None:
            book.snapshot(*now, 0, seq)
        else:
            # A level pushed out of the window by better ones is not told (W-22).
            changed = []
            for side in (0, 1):
                delta = _changes(sent[side], now[side])
                changed.append([row for row in delta if row[1] or row[0] not in state[side]])
            book.delta(*changed, 0, seq)
        sent = now
        assert [[list(row) for row in book.rows(side)] for side in (0, 1)] == now


def test_the_middle_is_exact():
    book = LocalBook(SYMBOL, 5)
    book.snapshot([[5_000_010, 1, 1]], [[5_000_021, 1, 1]], 0, 1)
    assert str(book.mid) == "50000.155"


# --- order by order (CL-56), modes ------------------------------------------------------------


def orders_of(market: Market) -> list[list[tuple[int, int, int]]]:
    return [[(o.oid, o.px, o.left) for o in market.side(side)] for side in (0, 1)]


async def stir(exchange: FakeExchange, rng: random.Random, number: int) -> None:
    """One random order, cancel or amendment around 50 000."""
    resting = [o for o in exchange.orders.values() if o.status == 1]
    if resting and rng.random() < 0.4:
        order = rng.choice(resting)
        px = rng.choice([None, order.px + 10 * rng.randrange(-6, 7)])
        qty = rng.choice([order.qty, order.filled + 100 * rng.randrange(0, 60)]) or 100
        await exchange.amend(9, order.oid, px, qty)
        return
    await act(exchange, rng, number)


@pytest.mark.parametrize("seed", range(4))
def test_the_local_orders_equal_the_exchange_s_at_every_update(run, seed):
    """W-25, W-26: every kind of change, in queues, from a snapshot in parts on."""

    async def test(exchange):
        rng = random.Random(seed)
        market = exchange.markets[1]
        for number in range(30):
            await stir(exchange, rng, number)
        async with Client(exchange.url) as client:
            stream = client.market("BTC-PERP", "orders")
            update = await anext(stream)
            assert update.snapshot and update.changes == []
            kinds = set()
            for number in range(30, 230):
                await stir(exchange, rng, number)
                while [list(update.orders.rows(side)) for side in (0, 1)] != orders_of(market):
                    update = await anext(stream)
                    kinds |= {change.kind for change in update.changes}
                    assert not update.snapshot
                assert len(update.orders) == sum(map(len, orders_of(market)))
            oid, px, _ = orders_of(market)[0][-1]
            before = [o for o in market.bids if o.px == px and o.oid != oid]
            assert update.orders.ahead(oid) == (sum(o.left for o in before), len(before))
            assert oid in stream.orders("BTC-PERP") and 1 not in update.orders
        assert stream.gaps == 0
        assert kinds == {"rested", "traded", "cancelled", "reduced", "moved", "lifted"}

    run(test)


def test_changes_come_typed_and_in_order(run):
    async def test(exchange):
        maker = await exchange.place(9, 1, 1, 5_000_100, 3000, "m1")
        async with Client(exchange.url) as client:
            stream = client.market("BTC-PERP", "orders")
            first = await anext(stream)
            await exchange.place(9, 1, 0, 5_000_100, 1000, "t", 1)
            update = await anext(stream)
            await exchange.amend(9, maker.oid, None, 2000)
            reduced = await anext(stream)
            await exchange.cancel(9, maker.oid)
            gone = await anext(stream)

        assert list(first.orders.rows(1)) == [] and first.symbol == "BTC-PERP"
        (change,) = update.changes
        assert (change.kind, change.oid, change.side, change.price) == (
            "traded", maker.oid, "sell", D("50001.00"),
        )  # fmt: skip
        assert (change.qty, change.remaining) == (D("0.001"), D("0.002"))
        assert [(c.kind, c.qty, c.remaining) for c in reduced.changes + gone.changes] == [
            ("reduced", D("0.001"), D("0.001")), ("cancelled", D("0.001"), 0),
        ]  # fmt: skip
        assert plain(update)["changes"][0]["price"] == "50001.00" and "orders" not in plain(update)

    run(test)


def test_a_lost_message_of_the_orders_is_a_gap_and_a_fresh_snapshot(run):
    async def test(exchange):
        market = exchange.markets[1]
        for number in range(7):
            await exchange.place(9, 1, 1, 5_000_100 + number * 100, 3000, f"m{number}")
        async with Client(exchange.url) as client:
            stream = client.market("BTC-PERP", "orders")
            await anext(stream)
            exchange.skip_public.add("L")
            await exchange.place(9, 1, 1, 5_000_000, 3000, "lost")
            await exchange.place(9, 1, 1, 5_000_000, 3000, "then")
            gap, fresh = await anext(stream), await anext(stream)
            assert (gap.channel, gap.reason) == ("orders", "gap") and fresh.snapshot
            assert [list(fresh.orders.rows(side)) for side in (0, 1)] == orders_of(market)
        assert stream.gaps == 1

    run(test)


def test_a_snapshot_that_nobody_asked_for_says_that_changes_were_dropped(run):
    """W-27, MD-75: too slow for the exchange to keep what came meanwhile."""

    async def test(exchange):
        market = exchange.markets[1]
        for number in range(4):
            await exchange.place(9, 1, 1, 5_000_100 + number * 100, 3000, f"m{number}")
        async with Client(exchange.url) as client:
            stream = client.market("BTC-PERP", "orders")
            await anext(stream)
            market.asks.pop(0)
            await exchange.snapshot(exchange.public[0], market)
            gap, fresh = await anext(stream), await anext(stream)
            assert (gap.channel, gap.reason, fresh.snapshot) == ("orders", "behind", True)
            assert list(fresh.orders.rows(1)) == orders_of(market)[1]

    run(test)


def test_a_stream_tells_of_the_trading_mode_when_it_changes(run):
    async def test(exchange):
        async with Client(exchange.url) as client:
            stream = client.market("BTC-PERP", "trades")
            reading = asyncio.create_task(anext(stream))
            await until(lambda: exchange.public and exchange.public[0].masks)
            await exchange.set_mode(2, 3)
            await exchange.set_mode(1, 0)
            await exchange.set_mode(1, 2)
            event = await reading
            assert (event.symbol, event.mode) == ("BTC-PERP", "cancel_only")
            assert stream.mode("BTC-PERP") == "cancel_only"
            reading = asyncio.create_task(anext(stream))
            exchange.cut_all()
            exchange.markets[1].mode = 1
            assert (await reading).mode == "post_only"

    run(test)
