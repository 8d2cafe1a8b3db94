"""Order by order from a real exchange: raw frames and the Python client, across a kill.

Source: specs/marketdata.md sections 8 and 9; INV-26.
"""

from __future__ import annotations

import asyncio
import random

import aiohttp
import orjson
import pytest
from edge.feed_client import Follower
from system.process import ExchangeProcess, until

from rsx.client import Admin, Client, ClientError, MarketStream, ModeChanged, OrdersUpdate

pytestmark = pytest.mark.system
WAIT_S = 15.0
BTC = "BTC-PERP"


async def follow(exchange: ExchangeProcess, follower: Follower) -> None:
    async with (
        aiohttp.ClientSession() as http,
        http.ws_connect(exchange.url + "/ws/public") as ws,
    ):
        await ws.send_str('{"S":[1,15,1000]}')
        async for message in ws:
            ((key, fields),) = orjson.loads(message.data).items()
            if key not in ("H", "M"):
                follower.feed(key, fields)


async def trade(exchange: ExchangeProcess, seed: int) -> None:
    """Two users place, amend and cancel around one price; the mode changes."""
    dice = random.Random(seed)
    async with (
        Client(exchange.url, exchange.token(1)) as one,
        Client(exchange.url, exchange.token(2)) as two,
        Admin(exchange.url, exchange.admin_token()) as admin,
    ):
        oids = {one: [], two: []}
        for number in range(150):
            client = dice.choice((one, two))
            try:
                await step(dice, client, oids[client])
            except ClientError as refused:  # such as a cancel of an order that has traded
                assert refused.args
            if number % 50 == 25:
                await admin.mode(BTC, "post_only")
            elif number % 50 == 30:
                await admin.mode(BTC, "open")


async def step(dice: random.Random, client: Client, oids: list[int]) -> None:
    side = dice.choice(("buy", "sell"))
    away = dice.randrange(-1, 8)  # below 0: it trades
    price = f"{50_000 + (away if side == 'sell' else -away)}"
    qty = f"0.00{dice.randrange(10, 99)}"
    kind = dice.random()
    if oids and kind < 0.2:
        await client.cancel(dice.choice(oids))
    elif oids and kind < 0.45:
        await client.amend(dice.choice(oids), price if kind < 0.35 else None, qty)
    else:
        order = await client.place(BTC, side, price, qty)
        oids.append(order.oid)


async def compare(exchange: ExchangeProcess, follower: Follower) -> None:
    """The followed orders and levels are the exchange's own book and queue places."""
    async with Client(exchange.url, exchange.token(1)) as client:
        book = await client.book(BTC, 1000)
        due = [
            [(int(row.price * 100), int(row.qty * 1_000_000), row.count) for row in side]
            for side in (book.bids, book.asks)
        ]
        await until(lambda: levels(follower) == due, WAIT_S, "the orders of the book")
        await until(
            lambda: [follower.window(0), follower.window(1)] == due,
            WAIT_S,
            "the levels of the book",
        )
        orders = await client.orders()
        assert len(orders) > 3
        for order in orders:
            place = await client.queue_position(order.oid)
            side, px = follower.orders.known[order.oid]
            queue = follower.orders.levels[side][px]
            ahead = list(queue.values())[: list(queue).index(order.oid)]
            assert (place.qty_ahead * 1_000_000, place.orders_ahead) == (sum(ahead), len(ahead))
            assert place.level_qty * 1_000_000 == sum(queue.values())


def levels(follower: Follower) -> list[list[tuple[int, int, int]]]:
    """Bids and asks that the followed orders add up to; none while a snapshot is coming."""
    orders = follower.orders
    if not orders.whole or follower.levels is None:
        return []
    return [
        [
            (px, sum(orders.levels[side][px].values()), len(orders.levels[side][px]))
            for px in sorted(orders.levels[side], reverse=side == 0)
        ]
        for side in (0, 1)
    ]


def test_orders_followed_one_by_one_are_the_book_also_after_a_kill(tmp_path):
    async def life(exchange: ExchangeProcess, seed: int) -> None:
        follower = Follower()
        following = asyncio.ensure_future(follow(exchange, follower))
        await trade(exchange, seed)
        await compare(exchange, follower)
        late = Follower()
        following_late = asyncio.ensure_future(follow(exchange, late))
        await compare(exchange, late)
        assert late.orders.resting() == follower.orders.resting()
        following.cancel()
        following_late.cancel()

    async def fund(exchange: ExchangeProcess) -> None:
        async with Admin(exchange.url, exchange.admin_token()) as admin:
            for user in (1, 2):
                await admin.deposit(user, "1000000")

    with ExchangeProcess(tmp_path / "data") as exchange:
        asyncio.run(fund(exchange))
        asyncio.run(life(exchange, 1))
        exchange.kill()
    with ExchangeProcess(tmp_path / "data") as exchange:
        asyncio.run(life(exchange, 2))
        metrics = exchange.metrics()
        assert any("l3_snapshots" in name and value >= 2 for name, value in metrics.items())
        assert exchange.stop() == 0


async def drain(stream: MarketStream) -> None:
    async for event in stream:
        assert isinstance(event, (OrdersUpdate, ModeChanged))


def test_the_python_client_keeps_the_same_orders(tmp_path):
    async def life(exchange: ExchangeProcess) -> None:
        async with Admin(exchange.url, exchange.admin_token()) as admin:
            for user in (1, 2):
                await admin.deposit(user, "1000000")
        follower = Follower()
        following = asyncio.ensure_future(follow(exchange, follower))
        async with Client(exchange.url) as client:
            stream = client.market(BTC, "orders")
            watching = asyncio.ensure_future(drain(stream))
            await trade(exchange, 3)
            await compare(exchange, follower)

            def mine() -> list[tuple[int, int, int, int]]:
                orders = stream.orders(BTC)
                return [
                    (oid, side, px, left) for side in (0, 1) for oid, px, left in orders.rows(side)
                ]

            await until(
                lambda: mine() == follower.orders.resting(), WAIT_S, "the orders of the client"
            )
            watching.cancel()
            await stream.aclose()
        following.cancel()

    with ExchangeProcess(tmp_path / "data") as exchange:
        asyncio.run(life(exchange))
        assert exchange.stop() == 0
