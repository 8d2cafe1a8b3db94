"""Every kind of order through a real exchange: what a client sees, and what a restart keeps."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from decimal import Decimal
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from system.process import ExchangeProcess

from rsx.client import Admin, Client, Fill, ModeChanged, Order, OrderRejected, RequestRefused

pytestmark = pytest.mark.system
WAIT_S = 10.0
BTC = "BTC-PERP"
LOT = Decimal("0.001")


@contextlib.asynccontextmanager
async def clients(exchange: ExchangeProcess, *users: int) -> AsyncIterator[list[Client]]:
    async with contextlib.AsyncExitStack() as stack:
        yield [
            await stack.enter_async_context(Client(exchange.url, exchange.token(user)))
            for user in users
        ]


async def fund(exchange: ExchangeProcess, *users: int) -> None:
    async with Admin(exchange.url, exchange.admin_token()) as admin:
        for user in users:
            await admin.deposit(user, "100000")


async def until(holds: Callable[[], Awaitable[Any]]) -> Any:
    deadline = time.monotonic() + WAIT_S
    while not (value := await holds()):
        assert time.monotonic() < deadline, "the condition does not come true"
        await asyncio.sleep(0.01)
    return value


async def ended(client: Client, oid: int) -> Order:
    """An order, once it has ended."""

    async def look() -> Order | None:
        order = await client.order(oid)
        return None if order.is_open else order

    order: Order = await until(look)
    return order


async def trade_at(maker: Client, taker: Client, price: str) -> None:
    """One trade, so that this is the last price."""
    await maker.place(BTC, "sell", price=price, qty=LOT, stp="none")
    taken = await taker.place(BTC, "buy", price=price, qty=LOT, tif="IOC", stp="none")
    assert taken.filled == LOT


async def refused(call: Awaitable[Any], *codes: int) -> None:
    with pytest.raises((RequestRefused, OrderRejected)) as caught:
        await call
    assert caught.value.code in codes, caught.value


def run(tmp_path: Path, story: Callable[[ExchangeProcess], Awaitable[None]]) -> None:
    with ExchangeProcess(tmp_path / "data") as exchange:
        asyncio.run(story(exchange))
        assert exchange.stop() == 0
        assert "ERROR" not in exchange.stderr, exchange.stderr


def test_kinds_flags_and_amendments(tmp_path: Path) -> None:
    """Market, post-only with repricing, GTD, amendments, self-trade prevention, queue places."""

    async def story(exchange: ExchangeProcess) -> None:
        await fund(exchange, 1, 2)
        async with clients(exchange, 1, 2) as (one, two):
            ask = await two.place(BTC, "sell", price="50000", qty=2 * LOT)
            repriced = await one.place(
                BTC, "buy", price="50000", qty=LOT, post_only=True, reprice=True
            )
            assert (repriced.status, repriced.price) == ("resting", Decimal("49999.90"))
            await refused(one.place(BTC, "buy", price="50000", qty=LOT, post_only=True), 3002)

            bought = await one.place(BTC, "buy", qty=LOT, kind="market")
            assert (bought.status, bought.filled, bought.tif) == ("filled", LOT, "IOC")
            assert (await two.order(ask.oid)).remaining == LOT

            behind = await two.place(BTC, "buy", price="49999.90", qty=4 * LOT)
            place = await two.queue_position(behind)
            assert (place.orders_ahead, place.qty_ahead, place.level_qty) == (1, LOT, 5 * LOT)
            smaller = await two.amend(behind, qty=3 * LOT)
            assert (smaller.kept_place, smaller.qty) == (True, 3 * LOT)
            moved = await one.amend(repriced, qty=2 * LOT)
            assert moved.kept_place is False
            assert (await two.queue_position(behind)).orders_ahead == 0
            taken = await two.amend(behind, price="50000", qty=3 * LOT)  # meets its own ask
            assert (taken.status, taken.filled, taken.remaining) == ("resting", LOT, 2 * LOT)

            await one.set_stp("oldest")
            await one.cancel_all()
            first = await one.place(BTC, "buy", price="40500", qty=LOT)
            second = await one.place(BTC, "sell", price="40500", qty=LOT, tif="IOC", stp="newest")
            assert (second.status, second.filled) == ("filled", LOT)  # the better bid is two's
            await two.cancel_all()
            third = await one.place(BTC, "sell", price="40500", qty=LOT)
            assert third.status == "resting"
            assert (await one.order(first.oid)).reason == "SELF_TRADE"

            gtd = await one.place(
                BTC, "buy", price="40400", qty=LOT, tif="GTD", expire_s=int(time.time()) + 2
            )
            assert (await ended(one, gtd.oid)).reason == "EXPIRED"
            await refused(one.amend(gtd, qty=2 * LOT), 3017)
            await refused(one.cancel(gtd.oid), 3017)

    run(tmp_path, story)


def test_triggers_fire_trail_and_are_cancelled(tmp_path: Path) -> None:
    async def story(exchange: ExchangeProcess) -> None:
        await fund(exchange, 1, 2, 3)
        async with clients(exchange, 1, 2, 3) as (one, two, three):
            await trade_at(two, three, "50000")
            await two.place(BTC, "buy", price="48000", qty=100 * LOT)
            on_last = {"trigger_on": "last"}
            stop = await one.place_stop(BTC, "sell", LOT, "49900", **on_last)
            trailing = await one.place_trailing_stop(BTC, "sell", LOT, "200", **on_last)
            profit = await one.place_take_profit(BTC, "sell", LOT, "51000", "51000", **on_last)
            idle = await one.place_stop(BTC, "buy", LOT, "60000", **on_last)
            assert {o.status for o in (stop, trailing, profit, idle)} == {"waiting"}
            await refused(one.place_stop(BTC, "sell", LOT, "50100", **on_last), 3014)
            await refused(one.amend(stop, qty=2 * LOT), 3018)
            assert len(await one.triggers()) == 4

            await trade_at(two, three, "50150")  # the trailing stop follows
            await trade_at(two, three, "49940")  # 210 below its highest: fires at 49 950
            sold = await ended(one, trailing.oid)
            assert (sold.status, sold.filled, sold.fired_price) == (
                "filled", LOT, Decimal("49940"),
            )  # fmt: skip
            # Its sale at 48 000 is the next last price: the stop fires by it.
            assert (await ended(one, stop.oid)).status == "filled"
            fills = [e async for e in first_fills(one, 2)]
            assert {f.oid for f in fills} == {stop.oid, trailing.oid}

            assert await one.cancel_all(scope="triggers") == 2
            assert (await one.order(profit.oid)).reason == "CANCEL_ALL"
            assert await one.triggers() == []

    async def first_fills(client: Client, count: int) -> AsyncIterator[Fill]:
        async with asyncio.timeout(WAIT_S):
            async for event in client.events():
                if isinstance(event, Fill):
                    yield event
                    count -= 1
                    if not count:
                        return

    run(tmp_path, story)


def test_modes_owner_groups_and_the_operators_cancel(tmp_path: Path) -> None:
    async def story(exchange: ExchangeProcess) -> None:
        await fund(exchange, 1, 2)
        async with (
            clients(exchange, 1, 2) as (one, two),
            Admin(exchange.url, exchange.admin_token()) as admin,
        ):
            order = await one.place(BTC, "buy", price="49000", qty=LOT)
            told = await admin.mode(BTC, "post_only")
            assert (told.previous, told.mode) == ("open", "post_only")
            async with asyncio.timeout(WAIT_S):
                async for event in one.events():
                    if isinstance(event, ModeChanged):
                        break
            await refused(one.place(BTC, "buy", price="49000", qty=LOT), 3013)
            await one.place(BTC, "buy", price="48000", qty=LOT, post_only=True)
            await admin.mode(BTC, "cancel_only")
            await refused(one.place(BTC, "buy", price="49000", qty=LOT, post_only=True), 3011)
            await refused(one.amend(order, price="48500"), 3011)
            await admin.mode(BTC, "halt")
            await refused(one.place_stop(BTC, "sell", LOT, "40000"), 3012)
            assert (await one.cancel(order)).reason == "USER_CANCEL"
            assert await admin.cancel_all(1) == 1
            assert await one.orders() == []
            await admin.mode(BTC, "open")

            for user in (1, 2):
                await admin.set_account(user, owner_group=7, stp="newest")
            assert (await two.settings()).stp == "newest"
            bid = await one.place(BTC, "buy", price="50000", qty=LOT)
            sell = await two.place(BTC, "sell", price="50000", qty=LOT)
            assert (sell.status, sell.reason) == ("cancelled", "SELF_TRADE")
            assert (await one.order(bid.oid)).status == "resting"

    run(tmp_path, story)


async def trade_until_killed(exchange: ExchangeProcess, kept: dict[str, Order]) -> None:
    await fund(exchange, 1, 2)
    async with contextlib.AsyncExitStack() as stack:
        one = await stack.enter_async_context(Client(exchange.url, exchange.token(1)))
        kept["order"] = await one.place(BTC, "buy", price="49000", qty=4 * LOT, cid="kept")
        kept["order"] = await one.amend("kept", price="49100", qty=3 * LOT)
        kept["stop"] = await one.place_stop(BTC, "sell", LOT, "45000", "44000", cid="stop")
        kept["gone"] = await one.place(BTC, "buy", price="40500", qty=LOT, cid="gone")
        await one.cancel("gone")
        await one.set_stp("both")
        two = await stack.enter_async_context(
            Client(exchange.url, exchange.token(2), cancel_on_disconnect=True)
        )
        kept["guarded"] = await two.place(BTC, "buy", price="48000", qty=LOT)
        kept["trigger"] = await two.place_stop(BTC, "buy", LOT, "60000")
        async with Client(exchange.url, exchange.token(2), cancel_on_disconnect=True) as leaving:
            order = await leaving.place(BTC, "buy", price="47000", qty=LOT)
        assert (await ended(two, order.oid)).reason == "DISCONNECTED"
        async with Admin(exchange.url, exchange.admin_token()) as admin:
            await admin.mode("ETH-PERP", "cancel_only")
        exchange.kill()
        await asyncio.gather(one.close(), two.close())


async def look_again(exchange: ExchangeProcess, kept: dict[str, Order]) -> None:
    async with clients(exchange, 1, 2) as (one, two):
        now = {order.cid: order for order in await one.orders()}
        now |= {order.cid: order for order in await one.triggers()}
        assert now.keys() == {"kept", "stop"}
        assert (now["kept"].price, now["kept"].qty) == (Decimal("49100"), 3 * LOT)
        stop = now["stop"]
        assert (stop.kind, stop.status, stop.price, stop.trigger_price) == (
            "stop_limit", "waiting", Decimal("44000"), Decimal("45000"),
        )  # fmt: skip
        for name in ("guarded", "trigger"):
            order = await ended(two, kept[name].oid)
            assert order.reason == "DISCONNECTED", order
        assert (await one.settings()).stp == "both"
        assert one.symbol("ETH-PERP").mode == "cancel_only"
        await refused(one.place("ETH-PERP", "buy", price="3000", qty="0.01"), 3011)

        again = await one.place(BTC, "sell", price="59000", qty=LOT, cid="kept")
        assert (again.duplicate, again.oid, again.price) == (
            True, kept["order"].oid, Decimal("49100"),
        )  # fmt: skip
        gone = await one.place(BTC, "sell", price="59000", qty=LOT, cid="gone")
        assert (gone.duplicate, gone.status, gone.reason) == (
            True, "cancelled", "USER_CANCEL",
        )  # fmt: skip
        status, body = await post(exchange, {"cid": "kept"})
        assert (status, body["oid"], body["duplicate"]) == (200, kept["order"].oid, True)

        armed = await one.dead_man(1)
        assert armed.deadline_ns > time.time_ns()
        order = await ended(one, kept["order"].oid)
        assert order.reason == "DEAD_MAN"
        assert (await one.order(kept["stop"].oid)).reason == "DEAD_MAN"


async def post(exchange: ExchangeProcess, change: dict[str, Any]) -> tuple[int, Any]:
    body = {"symbol": BTC, "side": "buy", "price": "49100", "qty": "0.003"} | change
    headers = {"Authorization": f"Bearer {exchange.token(1)}"}
    async with (
        aiohttp.ClientSession(exchange.url, headers=headers) as http,
        http.post("/v1/orders", json=body) as response,
    ):
        return response.status, await response.json()


def test_what_a_restart_keeps_and_what_ends_with_a_connection(tmp_path: Path) -> None:
    """Triggers, terms, modes, settings and client ids live on; guarded orders end with 3107."""
    data = tmp_path / "data"
    kept: dict[str, Order] = {}
    with ExchangeProcess(data) as exchange:
        asyncio.run(trade_until_killed(exchange, kept))
    with ExchangeProcess(data) as exchange:
        asyncio.run(look_again(exchange, kept))
        assert exchange.stop() == 0
        assert "ERROR" not in exchange.stderr, exchange.stderr


def test_batches_are_answered_item_by_item(tmp_path: Path) -> None:
    async def story(exchange: ExchangeProcess) -> None:
        await fund(exchange, 1)
        async with clients(exchange, 1) as (one,):
            terms = {"symbol": BTC, "side": "buy", "qty": LOT}
            answers = await one.place_batch([
                terms | {"price": "49000"}, terms | {"price": "49000", "qty": 10**3},
                terms | {"price": "49001"}, terms | {"price": "10"},
            ])  # fmt: skip
            first, too_large, third, beyond = answers
            assert isinstance(first, Order) and isinstance(third, Order)
            assert isinstance(too_large, OrderRejected) and too_large.code == 2001
            assert isinstance(beyond, RequestRefused) and beyond.code == 3009
            amended = await one.amend_batch([
                {"order": first.oid, "qty": 2 * LOT}, {"order": 12345, "symbol": BTC, "qty": LOT},
            ])  # fmt: skip
            assert isinstance(amended[0], Order) and amended[0].qty == 2 * LOT
            assert isinstance(amended[1], RequestRefused)
            cancelled = await one.cancel_batch([first.oid, third.oid])
            assert [o.status for o in cancelled if isinstance(o, Order)] == ["cancelled"] * 2

    run(tmp_path, story)
