"""Clients of a real exchange: two accounts trade, and a client lives through restarts."""

from __future__ import annotations

import asyncio
from decimal import Decimal

import pytest
from system.process import ExchangeProcess
from system.proxy import Proxy

from rsx.client import (
    Admin,
    Client,
    Disconnected,
    Event,
    Fill,
    OrderUpdate,
    Resumed,
)

pytestmark = pytest.mark.system
WAIT_S = 15.0


async def fund(exchange: ExchangeProcess, *users: int) -> None:
    async with Admin(exchange.url, exchange.admin_token()) as admin:
        for user in users:
            await admin.deposit(user, "10000")


async def events_until(client: Client, kind: type[Event]) -> list[Event]:
    """Events up to and including the first of a kind."""
    found: list[Event] = []
    async with asyncio.timeout(WAIT_S):
        async for event in client.events():
            found.append(event)
            if isinstance(event, kind):
                break
    return found


def test_two_accounts_trade_with_the_ten_lines_of_the_readme(tmp_path):
    async def example(exchange: ExchangeProcess) -> None:
        await fund(exchange, 1, 2)
        async with (
            Client(exchange.url, token=exchange.token(1)) as client,
            Client(exchange.url, token=exchange.token(2)) as other,
        ):
            order = await client.place(
                "BTC-PERP", "buy", price="50000", qty="0.01", tif="GTC", post_only=False
            )
            sold = await other.place("BTC-PERP", "sell", price="49000", qty="0.004", tif="IOC")
            assert (sold.status, sold.filled) == ("filled", Decimal("0.004"))
            events = await events_until(client, Fill)
            resting, fill = events
            assert isinstance(resting, OrderUpdate)
            assert isinstance(fill, Fill)
            assert (resting.order.oid, resting.order.status) == (order.oid, "resting")
            assert (fill.price, fill.qty, fill.remaining) == (
                Decimal("50000"), Decimal("0.004"), Decimal("0.006"))  # fmt: skip
            assert (fill.maker, fill.fee) == (True, Decimal("-0.01"))  # a rebate of 50 ppm
            cancelled = await client.cancel(order.oid)
            assert (cancelled.status, cancelled.filled) == ("cancelled", Decimal("0.004"))
            book = await client.book("BTC-PERP")
            assert (book.bids, book.asks) == ([], [])
            account, positions = await client.account(), await client.positions()
            assert account.collateral == Decimal("10000.01")
            assert [(p.symbol, p.net_qty) for p in positions] == [("BTC-PERP", Decimal("0.004"))]
            (theirs,) = await other.positions()
            assert theirs.net_qty == Decimal("-0.004")
            updates = client.market("BTC-PERP", "bbo", "trades")
            async with asyncio.timeout(WAIT_S):
                async for update in updates:
                    assert update.symbol == "BTC-PERP"
                    break
            await updates.aclose()

    with ExchangeProcess(tmp_path / "data") as exchange:
        asyncio.run(example(exchange))
        assert exchange.stop() == 0


def test_a_session_lives_through_a_kill_and_is_told_what_it_missed(tmp_path):
    """While the client is cut off its order trades; then the exchange is killed, and comes back."""

    async def life(proxy: Proxy, data) -> None:
        with ExchangeProcess(data) as exchange:
            await fund(exchange, 1, 2)
            proxy.point_at(exchange.url)
            async with Client(proxy.url, exchange.token(1)) as client:
                partly = await client.place("BTC-PERP", "buy", price="50000", qty="0.02")
                whole = await client.place("BTC-PERP", "buy", price="50001", qty="0.01")
                proxy.target = None
                await proxy.cut()
                async with Client(exchange.url, exchange.token(2)) as other:
                    await other.place("BTC-PERP", "sell", price="49000", qty="0.015")
                exchange.kill()
                with ExchangeProcess(data) as again:
                    proxy.point_at(again.url)
                    await check(client, partly.oid, whole.oid)
                    assert again.stop() == 0

    async def check(client: Client, partly: int, whole: int) -> None:
        events = await events_until(client, Resumed)
        kinds = [type(event) for event in events]
        assert kinds[:4] == [OrderUpdate, OrderUpdate, Disconnected, Fill]
        # When the order ended the restarted exchange may not know: after its fill is all that can
        # be said. The archive knows, as soon as it has it.
        assert sorted(kinds[4:6], key=str) == sorted([Fill, OrderUpdate], key=str)
        assert kinds[6:] == [Resumed]
        first, (second, end), resumed = (
            events[3], sorted(events[4:6], key=lambda event: isinstance(event, OrderUpdate)),
            events[6],
        )  # fmt: skip
        assert (first.oid, first.qty) == (whole, Decimal("0.010000"))
        assert (end.order.oid, end.order.status) == (whole, "filled")
        assert (second.oid, second.qty) == (partly, Decimal("0.005"))
        assert resumed.restarted
        assert resumed.complete
        assert {oid: o.remaining for oid, o in client.open_orders.items()} == {
            partly: Decimal("0.015")
        }
        after = await client.place("BTC-PERP", "buy", price="48000", qty="0.01")
        assert after.oid > whole
        assert (await client.cancel(partly)).filled == Decimal("0.005")

    async def around() -> None:
        async with Proxy() as proxy:
            await life(proxy, tmp_path / "data")

    asyncio.run(around())


@pytest.mark.parametrize("tif", ["GTC", "IOC"])
def test_an_order_whose_answer_died_with_the_exchange_is_executed_once_and_answered(tmp_path, tif):
    """It was filled and logged; the answer was lost, then the process killed (CL-37)."""

    async def life(proxy: Proxy, data) -> None:
        with ExchangeProcess(data) as exchange:
            await fund(exchange, 1, 2)
            proxy.point_at(exchange.url)
            async with (
                Client(proxy.url, exchange.token(1)) as client,
                Client(exchange.url, exchange.token(2)) as maker,
            ):
                await maker.place("BTC-PERP", "sell", price="50000", qty="0.03")
                proxy.hold_answers()
                placing = asyncio.create_task(
                    client.place("BTC-PERP", "buy", price="50000", qty="0.01", tif=tif, cid="once")
                )
                await events_until(maker, Fill)  # durable, and told to its other side
                exchange.kill()
                with ExchangeProcess(data) as again:
                    proxy.point_at(again.url)
                    await proxy.cut()
                    async with asyncio.timeout(WAIT_S):
                        order = await placing
                    assert (order.status, order.filled) == ("filled", Decimal("0.01"))
                    (position,) = await client.positions()
                    assert position.net_qty == Decimal("0.01")
                    (fill,) = await client.fills()
                    assert fill.oid == order.oid
                    assert again.stop() == 0

    async def around() -> None:
        async with Proxy() as proxy:
            await life(proxy, tmp_path / "data")

    asyncio.run(around())


def test_a_client_id_stays_taken_over_a_restart_and_the_answer_names_its_order(tmp_path):
    async def place(exchange: ExchangeProcess, cid: str):
        async with Client(exchange.url, exchange.token(1)) as client:
            return await client.place("BTC-PERP", "buy", price="50000", qty="0.01", cid=cid)

    with ExchangeProcess(tmp_path / "data") as exchange:
        asyncio.run(fund(exchange, 1))
        first = asyncio.run(place(exchange, "mine"))
        exchange.kill()

    with ExchangeProcess(tmp_path / "data") as exchange:
        again = asyncio.run(place(exchange, "mine"))
        assert (again.duplicate, again.oid, again.status) == (True, first.oid, "resting")
        found = asyncio.run(look_up(exchange, "mine"))
        assert (found.oid, found.status) == (first.oid, "resting")


async def look_up(exchange: ExchangeProcess, cid: str):
    async with Client(exchange.url, exchange.token(1)) as client:
        return await client.order(cid=cid, symbol="BTC-PERP")


def test_market_data_goes_on_after_a_restart_with_a_fresh_book(tmp_path):
    async def life(proxy: Proxy, data) -> None:
        with ExchangeProcess(data) as exchange:
            await fund(exchange, 1)
            proxy.point_at(exchange.url)
            async with Client(exchange.url, exchange.token(1)) as trader:
                await trader.place("BTC-PERP", "buy", price="50000", qty="0.01")
            async with Client(proxy.url) as client:
                stream = client.market("BTC-PERP", "book")
                async with asyncio.timeout(WAIT_S):
                    first = await anext(stream)
                    assert first.snapshot
                    assert [level.price for level in first.bids] == [Decimal("50000")]
                exchange.kill()
                with ExchangeProcess(data) as again:
                    proxy.point_at(again.url)
                    await proxy.cut()
                    fresh = await snapshot(stream)
                    assert [level.price for level in fresh.bids] == [Decimal("50000")]
                    assert fresh.seq >= first.seq
                    await stream.aclose()
                    assert again.stop() == 0

    async def snapshot(stream):
        async with asyncio.timeout(WAIT_S):
            async for update in stream:
                if getattr(update, "snapshot", False):
                    return update

    async def around() -> None:
        async with Proxy() as proxy:
            await life(proxy, tmp_path / "data")

    asyncio.run(around())


def test_an_order_that_was_cut_is_told_the_same_before_and_after_a_restart(tmp_path):
    """A reduce-only order of more than the position: part is cut, the rest is open."""

    async def cut(exchange: ExchangeProcess) -> None:
        await fund(exchange, 1, 2)
        async with (
            Client(exchange.url, exchange.token(1)) as client,
            Client(exchange.url, exchange.token(2)) as other,
        ):
            await other.place("BTC-PERP", "sell", price="50000", qty="0.01")
            await client.place("BTC-PERP", "buy", price="50000", qty="0.01")
            await client.place(
                "BTC-PERP", "sell", price="51000", qty="0.03", reduce_only=True, cid="cut"
            )

    async def told(exchange: ExchangeProcess) -> list[tuple[Decimal, ...]]:
        async with Client(exchange.url, exchange.token(1)) as client:
            (listed,) = await client.orders()
            found = await client.order(cid="cut", symbol="BTC-PERP")
        return [(order.qty, order.filled, order.remaining) for order in (listed, found)]

    due = [(Decimal("0.03"), Decimal(0), Decimal("0.01"))] * 2
    with ExchangeProcess(tmp_path / "data") as exchange:
        asyncio.run(cut(exchange))
        assert asyncio.run(told(exchange)) == due
        exchange.kill()
    with ExchangeProcess(tmp_path / "data") as exchange:
        assert asyncio.run(told(exchange)) == due
        assert exchange.stop() == 0
