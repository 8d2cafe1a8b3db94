"""The client's histories against the archive of a drawn history (CL-75, AR-36)."""

from __future__ import annotations

import asyncio
import itertools
import sqlite3
from decimal import Decimal
from typing import Any

import pytest
from edge.history_rig import OPTIONS, make_world, running
from scenario.chaos import Chaos
from world import IOC

from rsx.client import (
    Client,
    FundingPayment,
    LiquidationStep,
    NotConnected,
    PositionTransferred,
    RequestRefused,
)
from rsx.client import history as client_history
from rsx.records import FUND_USER_BASE, iterate

D = Decimal


@pytest.fixture
def small_pages(monkeypatch):
    monkeypatch.setattr(client_history, "PAGE", 3)


def ask(world, user, work):
    async def main():
        async with running(world) as rig:
            token = rig.token(user)["Authorization"].split()[1] if user else None
            async with Client(rig.url, token=token) as client:
                return await work(client)

    return asyncio.run(main())


async def every(rows) -> list[Any]:
    return [row async for row in rows]


def test_all_of_a_drawn_history_page_by_page(tmp_path, small_pages):
    chaos = Chaos(tmp_path, 18, bold=9, archive=OPTIONS, server={"port": 0})
    for _ in range(250):
        chaos.act()
    chaos.run()
    user = next(
        view.user_id for view in iterate(chaos.log())
        if view.record.name == "POSITION_TRANSFERRED" and view.user_id < FUND_USER_BASE
    )  # fmt: skip

    async def work(client):
        return [
            await every(client.orders_history()), await every(client.fills_history()),
            await every(client.funding_payments()), await every(client.liquidations_history()),
            await every(client.balance_history()), await every(client.trades_history("M1-PERP")),
            await every(client.funding_rate_history("M1-PERP")),
            await every(client.fills_history("M2-PERP", newest_first=False)),
        ]  # fmt: skip

    orders, fills, funding, liquidations, balances, trades, rates, second = ask(chaos, user, work)
    chaos.close()
    db = sqlite3.connect(tmp_path / "archive.db")

    def count(sql, *args):
        return db.execute(f"SELECT count(*) FROM {sql}", args).fetchone()[0]

    assert len(orders) == count("orders WHERE user_id = ?", user) > 5
    own = "fills WHERE taker_user_id = ?", "fills WHERE maker_user_id = ?"
    assert len(fills) == sum(count(sql, user) for sql in own) > 0
    assert len(funding) == count("funding WHERE user_id = ?", user)
    assert len(liquidations) == count("liquidations WHERE user_id = ?", user) > 2
    assert len(trades) == count("fills WHERE symbol_id = 1")
    assert len(rates) == count("funding_rates WHERE symbol_id = 1") > 1
    assert len(second) == sum(count(f"{sql} AND symbol_id = 2", user) for sql in own)
    for rows in (orders, fills, funding, liquidations, balances, trades):
        keys = [(row.ts_ns, row.seq) for row in rows]
        assert rows is orders or keys == sorted(keys, reverse=True)
        assert len(set(map(repr, rows))) == len(rows)
    assert [row.seq for row in second] == sorted(row.seq for row in second)
    assert {type(row) for row in liquidations} >= {LiquidationStep, PositionTransferred}
    assert all(type(row) is FundingPayment for row in funding)
    # Each balance is the one before it and its own change.
    for after, before in itertools.pairwise(balances):
        assert after.balance == before.balance + after.amount
    (collateral,) = db.execute(
        "SELECT collateral FROM accounts WHERE user_id = ?", (user,)
    ).fetchone()
    assert balances[0].balance == D(collateral) / 1000
    db.close()


def test_orders_fills_and_candles_as_decimals(tmp_path, small_pages):
    world = make_world(tmp_path)
    world.deposit(1, 2)
    world.run()
    for px in (1000, 1010, 990, 1000):
        world.place(1, 0, px, 20, cid=f"c{px}-{world.oid}")
        world.place(2, 1, px, 20, tif=IOC)
        world.run()
        world.clock.advance(60_000_000_000)

    async def work(client):
        orders = await every(client.orders_history(newest_first=False))
        fills = await every(client.fills_history(start=fills_from(orders[1])))
        candles = await every(client.candles("M1-PERP"))
        ranged = await every(client.candles("M1-PERP", "1h", fill_gaps=False, newest_first=True))
        return orders, fills, candles, ranged

    def fills_from(order):
        return order.placed_ns

    orders, fills, candles, ranged = ask(world, 1, work)
    world.close()
    first = orders[0]
    assert (first.status, first.average_price, first.notional) == ("filled", D(100), D(20))
    assert first.ended_ns == first.placed_ns
    assert (len(orders), len(fills)) == (4, 3)
    assert fills[0].profit == 0
    assert fills[0].cid.startswith("c1000")
    assert [c.close for c in candles] == [D(100), D(101), D(99), D(100)]
    assert [c.volume for c in candles] == [D("0.2")] * 4
    assert [(c.trades, c.high, c.low) for c in ranged] == [(4, D(101), D(99))]


def test_what_is_refused_comes_while_iterating(tmp_path):
    world = make_world(tmp_path)

    async def work(client):
        with pytest.raises(RequestRefused, match="2m"):
            await every(client.candles("M1-PERP", "2m"))
        with pytest.raises(RequestRefused, match="NO-PERP"):
            await every(client.trades_history("NO-PERP"))
        with pytest.raises(RequestRefused):
            await every(client.fills_history(start=5, end=5))
        return await every(client.orders_history())

    assert ask(world, 1, work) == []
    world.close()


def test_nobody_there(tmp_path):
    async def main():
        world = make_world(tmp_path)
        async with running(world) as rig:
            client = Client(rig.url)
            async with client:
                rows = client.trades_history("M1-PERP")
                await rig.edge.close()
                with pytest.raises((NotConnected, RequestRefused)):
                    await every(rows)
        world.close()

    asyncio.run(main())
