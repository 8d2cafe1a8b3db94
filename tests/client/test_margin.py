"""The client's account side against the real gateway with a fake engine behind it.

Source: specs/client.md CL-48, CL-70 to CL-74; specs/wire.md W-80 to W-88.
"""

from __future__ import annotations

import asyncio
from decimal import Decimal
from typing import Any

import pytest
from client.examples import calls
from edge.fakes import World, on_loop
from edge.test_margin import REDUCE, STEP, TRANSFER

from rsx.client import (
    AccountUpdate,
    Admin,
    Client,
    FundingPayment,
    LiquidationSettled,
    LiquidationStep,
    MarginCall,
    MarginMoved,
    MarginSettings,
    MoneyMoved,
    OrderRejected,
    PositionTransferred,
    RequestRefused,
    RulesChanged,
    plain,
)
from rsx.client.accounts import Accounts
from rsx.errors import Reason
from rsx.records import Stage

D = Decimal


def client_of(world: World, user: int = 1) -> Client:
    return Client(world.base, world.token(user), timeout=5)


async def events(client: Client, count: int) -> list[Any]:
    stream = client.events()
    return [await asyncio.wait_for(anext(stream), 5) for _ in range(count)]


@on_loop
async def test_settings_are_made_and_told_to_all_clients() -> None:
    async with World() as world, client_of(world) as client, client_of(world) as other:
        made = await client.set_leverage("BTC-PERP", 7)
        assert made == MarginSettings(
            symbol="BTC-PERP", leverage=7, margin_mode="cross", position_mode="one_way", seq=1
        )
        assert (await client.set_margin_mode("BTC-PERP", "isolated")).margin_mode == "isolated"
        assert (await client.set_position_mode("hedge")).symbol is None
        moved = await client.move_margin("BTC-PERP", "-1.5", "short")
        assert moved == MarginMoved(symbol="BTC-PERP", leg="short", amount=D("-1.5"), seq=4)
        for told in (client, other):
            kinds = [type(event) for event in await events(told, 4)]
            assert kinds == [MarginSettings] * 3 + [MarginMoved]


@on_loop
async def test_what_cannot_be_is_refused_before_anything_is_sent() -> None:
    async with World() as world, client_of(world) as client:
        for call in (
            client.set_margin_mode("BTC-PERP", "x"), client.set_position_mode("x"),
            client.move_margin("BTC-PERP", "1", "up"), client.withdraw("0.000000001"),
            client.place("BTC-PERP", "buy", "50000", "0.01", position_side="up"),
        ):  # fmt: skip
            with pytest.raises(ValueError):
                await call
        with pytest.raises(TypeError):
            await client.set_leverage("BTC-PERP", True)
        assert world.engine.requests == []


@on_loop
async def test_a_withdrawal_beyond_what_is_free_says_how_much_there_is() -> None:
    async with World() as world, client_of(world) as client:
        world.engine.account = {"withdrawable": 5 * 10**8}
        done = await client.withdraw("3")
        assert done == MoneyMoved(amount=D(-3), seq=1)
        with pytest.raises(RequestRefused) as caught:
            await client.withdraw("5.5")
        error = caught.value
        assert (error.code, error.field) == (Reason.WITHDRAWAL_TOO_LARGE, "amount")
        assert (error.required, error.available) == (D("5.5"), D(5))
        world.engine.emit("DEPOSIT", user_id=1, amount=10**8)
        world.step()
        world.gateway.sessions.flush()
        assert [event.amount for event in await events(client, 2)] == [D(-3), D(1)]


@on_loop
async def test_a_rejected_order_says_what_it_takes() -> None:
    async with World() as world, client_of(world) as client:
        world.engine.auto = False
        placing = asyncio.ensure_future(client.place("BTC-PERP", "buy", "50000", "0.01"))
        await world.until(lambda: world.engine.received(1))
        world.engine.answer(
            "REQUEST_REJECTED", oid=world.engine.requests[0].oid, user_id=1, symbol_id=1,
            required=101 * 10**8, available=10**10, reason=Reason.INSUFFICIENT_MARGIN,
        )  # fmt: skip
        world.step()
        with pytest.raises(OrderRejected) as caught:
            await placing
        assert (caught.value.required, caught.value.available) == (D(101), D(100))
        assert "101.00000000 is needed, 100.00000000 is available" in str(caught.value)


@on_loop
async def test_hedge_orders_name_their_side() -> None:
    async with World() as world, client_of(world) as client:
        order = await client.place(
            "BTC-PERP", "sell", "50000", "0.01", position_side="long", cid="h-1"
        )
        assert (order.position_side, order.reduce_only) == ("long", True)
        stop = await client.place_stop(
            "BTC-PERP", "sell", "0.01", "51000", position_side="short", cid="h-2"
        )
        assert (stop.position_side, stop.reduce_only) == ("short", False)
        assert {o.cid: o.position_side for o in await client.orders()} == {
            "h-1": "long", "h-2": "short",
        }  # fmt: skip
        assert (await client.order(cid="h-1")).position_side == "long"


@on_loop
async def test_account_and_positions_are_typed() -> None:
    async with World() as world, client_of(world) as client:
        engine = world.engine
        engine.account = {"collateral": 10**8, "withdrawable": 5, "position_mode": 1, "stage": 1}
        engine.positions = [{"symbol_id": 1, "net_qty": 10**6, "entry_cost": 5 * 10**12}]
        engine.risk = {1: {"liquidation_px": 4400000, "leverage": 10, "leverage_ppm": 100000,
                           "wallet": 77, "margin_mode": 1, "leg": 1, "lights": 5}}  # fmt: skip
        account = await client.account()
        assert (account.collateral, account.withdrawable) == (D(1), D("0.00000005"))
        assert (account.position_mode, account.liquidation) == ("hedge", "started")
        (position,) = await client.positions()
        assert (position.liquidation_price, position.bankruptcy_price) == (D(44000), None)
        assert (position.position_side, position.margin_mode) == ("short", "isolated")
        assert (position.leverage_fraction, position.lights) == (D("0.1"), 5)
        await client.watch_account()
        for _ in range(3):
            world.step()
            engine.step()
        world.gateway.sessions.flush()
        (update,) = await events(client, 1)
        assert isinstance(update, AccountUpdate)
        assert (update.account, update.positions) == (account, [position])
        assert plain(update)["positions"][0]["liquidation_price"] == "44000.00"


@on_loop
async def test_what_happens_to_an_account_is_told_and_remembered() -> None:
    async with World() as world, client_of(world) as client:
        engine = world.engine
        engine.answer("MARGIN_CALL", user_id=1, symbol_id=0, equity=12, maintenance_margin=10)
        engine.emit("LIQUIDATION_STEP", **STEP | {"symbol_id": 0, "stage": Stage.STARTED})
        engine.emit("LIQUIDATION_STEP", **STEP)
        engine.emit("POSITION_TRANSFERRED", **TRANSFER)
        engine.emit("POSITION_TRANSFERRED", **TRANSFER | {
            "user_id": 2, "counter_user_id": 1, "user_flags": REDUCE, "kind": 0,
        })  # fmt: skip
        engine.emit("LIQUIDATION_SETTLED", user_id=1, symbol_id=1, amount=10**8)
        engine.emit(
            "FUNDING_PAYMENT", user_id=1, symbol_id=1, amount=-(10**8), net_qty=5, rate_ppb=10**7,
            mark_px=5000000, interval_id=3,
        )  # fmt: skip
        world.step()
        world.gateway.sessions.flush()

        told = await events(client, 7)

        assert [type(event) for event in told] == [
            MarginCall, LiquidationStep, LiquidationStep, PositionTransferred,
            PositionTransferred, LiquidationSettled, FundingPayment,
        ]  # fmt: skip
        call, started, ordered, ended, taken, settled, paid = told
        assert (call.symbol, call.equity) == (None, D("0.00000012"))
        assert (started.symbol, started.stage, ordered.stage) == (None, "started", "ordered")
        assert (ordered.price, ordered.round, ordered.side) == (D("49900.00"), 2, "sell")
        assert (ended.role, ended.kind, taken.role, taken.kind) == (
            "ended", "adl", "counterparty", "takeover"
        )  # fmt: skip
        assert (settled.amount, paid.amount, paid.rate) == (D(1), D(-1), D("0.01"))
        assert await client.funding_history() == [paid]
        assert await client.funding_history("ETH-PERP") == []
        assert await client.liquidation_history() == [settled, taken, ended, ordered, started]
        assert await client.liquidation_history("BTC-PERP", 1, ended.seq) == [ordered]


@on_loop
async def test_rules_change_live_and_are_known_to_clients() -> None:
    async with World() as world, client_of(world) as client:
        async with Admin(world.base, world.token(9, role="admin")) as admin:
            made = await admin.change_rules("BTC-PERP", taker_fee_ppm=555)
            world.engine.account = {"withdrawable": 10**8}
            paid = await admin.withdraw(3, "1")
            with pytest.raises(RequestRefused) as caught:
                await admin.change_rules("BTC-PERP", taker_fee_ppm=10**6)
        assert (made.symbol, made.version) == ("BTC-PERP", 2)
        assert (paid.user, paid.amount) == (3, D(1))
        assert (caught.value.field, caught.value.value) == ("taker_fee_ppm", 10**6)
        (changed,) = await events(client, 1)
        assert isinstance(changed, RulesChanged)
        assert client.symbol("BTC-PERP").taker_fee == D("0.000555")
        assert client.symbol("BTC-PERP") == (await client.symbols())[0] == changed.symbol


@on_loop
async def test_marks_funding_liquidations_and_funds_are_public() -> None:
    async with World() as world, Client(world.base) as client:
        engine = world.engine
        assert (await client.mark("BTC-PERP")).state == "missing"
        engine.emit(
            "MARK_PRICE", symbol_id=1, mark_px=5000000, index_px=4999000, open_interest=123,
            rate_ppb=-100, next_funding_s=777,
        )  # fmt: skip
        engine.emit("FUNDING_SETTLED", symbol_id=1, interval_id=5, rate_ppb=10**7, mark_px=5)
        engine.emit("LIQUIDATION_STEP", **STEP)
        world.step()
        mark = await client.mark("BTC-PERP")
        assert (mark.mark_price, mark.open_interest) == (D(50000), D("0.000123"))
        (rate,) = await client.funding_rates("BTC-PERP")
        assert (rate.rate, rate.index_price) == (D("0.01"), None)
        (liquidation,) = await client.liquidations("BTC-PERP")
        assert (liquidation.kind, liquidation.price) == ("order", D(49900))
        funds = await client.insurance_funds()
        assert [fund.symbol for fund in funds] == [s.name for s in world.config.symbols]


@on_loop
async def test_every_call_of_the_table_of_accounts_works() -> None:
    """README.md, "Account and margin"."""
    made = list(calls("## Account and margin", "## Kill it"))
    async with World() as world, client_of(world) as client:
        world.engine.account = {"withdrawable": 10**12}
        for call in made:
            await eval(f"client.{call}", {"client": client})
    asked = {call.split("(")[0] for call in made}
    due = {name for name in vars(Accounts) if not name.startswith("_")}
    assert due <= asked, "an example of every call"
