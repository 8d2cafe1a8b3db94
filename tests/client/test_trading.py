"""Kinds, triggers, amendments, batches, guards, settings on a healthy connection: CL-17 .. CL-19,
CL-41 .. CL-47, CL-60."""

from __future__ import annotations

import asyncio
import time
from decimal import Decimal as D

import pytest
from client.fake_server import mint
from client.helpers import collect, fills, until, up_to_resumed, updates

from rsx.client import (
    AccountSettings,
    Admin,
    Client,
    DeadMan,
    FateUnknown,
    Fill,
    InvalidAmount,
    ModeChanged,
    NotConnected,
    OrderRejected,
    OrderUpdate,
    RequestRefused,
)
from rsx.errors import SENTENCES, Reason


async def deep(exchange):
    """Offers of somebody else at 50 000 and 50 001, one of 0.01 each."""
    await exchange.place(9, 1, 1, 5_000_000, 10_000, "m1")
    await exchange.place(9, 1, 1, 5_000_100, 10_000, "m2")


async def until_ended(client, order):
    return await collect(
        client, lambda e: isinstance(e, OrderUpdate) and e.order.oid == order.oid
        and not e.order.is_open
    )  # fmt: skip


# --- placing ----------------------------------------------------------------------------------


def test_a_market_order_trades_and_tells_its_protection_price(run):
    async def test(exchange):
        await deep(exchange)
        async with Client(exchange.url, token=mint(1)) as client:
            order = await client.place("BTC-PERP", "buy", qty="0.015", kind="market")
            rest = await client.place("BTC-PERP", "buy", qty="0.015", kind="market")

        assert (order.status, order.kind, order.tif, order.price) == (
            "filled", "market", "IOC", D(52500),
        )  # fmt: skip
        assert (rest.status, rest.filled, rest.reason) == ("cancelled", D("0.005"), "IOC_REMAINDER")

    run(test)


def test_terms_that_frames_do_not_repeat_are_kept(run):
    async def test(exchange):
        end = int(time.time()) + 60
        async with Client(exchange.url, token=mint(1)) as client:
            order = await client.place(
                "BTC-PERP", "buy", "100", "0.01", post_only=True, expire_s=end, stp="oldest"
            )
            listed, asked = (await client.orders())[0], await client.order(order.oid)

        for known in (order, listed, asked):
            assert (known.tif, known.expire_s, known.stp) == ("GTD", end, "oldest")
            assert known.post_only and not known.reduce_only and known.kind == "limit"

    run(test)


def test_a_post_only_order_may_move_its_price(run):
    async def test(exchange):
        await deep(exchange)
        async with Client(exchange.url, token=mint(1)) as client:
            order = await client.place(
                "BTC-PERP", "buy", "50000", "0.01", post_only=True, reprice=True
            )
        assert (order.status, order.price) == ("resting", D("49999.90"))

    run(test)


def test_a_duplicate_returns_the_order_that_has_the_client_id(run):
    """CL-17: no error, and no second order."""

    async def test(exchange):
        await deep(exchange)
        async with Client(exchange.url, token=mint(1)) as client:
            first = await client.place("BTC-PERP", "buy", "100", "0.01", cid="a")
            again = await client.place("BTC-PERP", "buy", "200", "0.02", cid="a")
            done = await client.place("BTC-PERP", "buy", qty="0.01", kind="market", cid="b")
            same = await client.place("BTC-PERP", "buy", qty="0.01", kind="market", cid="b")
            stop = await client.place_stop("BTC-PERP", "buy", "0.01", "51000", cid="c")
            twin = await client.place("BTC-PERP", "buy", "100", "0.01", cid="c")
            events = await collect(client, lambda e: updates([e]) == [("c", "rejected")])
            known = dict(client.open_orders)

        assert (again.oid, again.status, again.price, again.qty) == (
            first.oid, "resting", D(100), D("0.01"),
        )  # fmt: skip
        assert again.duplicate and not first.duplicate and again.tif == "GTC"
        assert (same.oid, same.status, same.filled) == (done.oid, "filled", D("0.01"))
        assert (twin.oid, twin.status, twin.kind) == (stop.oid, "waiting", "stop_market")
        assert set(known) == {first.oid, stop.oid} and not known[first.oid].duplicate
        rejected = [e.order for e in events if isinstance(e, OrderUpdate) and
                    e.order.status == "rejected"]  # fmt: skip
        assert [o.original_oid for o in rejected] == [first.oid, done.oid, stop.oid]
        assert len(exchange.orders) == 5

    run(test)


def test_a_duplicate_of_an_order_that_this_client_never_knew_is_told_too(run):
    async def test(exchange):
        async with Client(exchange.url, token=mint(1)) as client:
            await client.place("BTC-PERP", "buy", "100", "0.01", cid="a")
            await client.cancel("a")
        async with Client(exchange.url, token=mint(1)) as client:
            again = await client.place("BTC-PERP", "buy", "100", "0.01", cid="a")
            events = await collect(client, lambda e: True)

        assert (again.status, again.reason, again.duplicate) == ("cancelled", "USER_CANCEL", True)
        assert updates(events) == [("a", "rejected")]

    run(test)


@pytest.mark.parametrize("reason", [r for r in Reason if r // 1000 in (2, 3)], ids=str)
def test_every_reason_of_the_engine_is_told_by_name_number_and_sentence(run, reason):
    async def test(exchange):
        exchange.on_frame = lambda user, key, fields: "ignore" if key == "N" else None
        async with Client(exchange.url, token=mint(1)) as client:
            placing = asyncio.create_task(client.place("BTC-PERP", "buy", "1", "0.01", cid="a"))
            await until(lambda: exchange.frames[-1][1] == "N")
            fields = [7, 3, 0, 10_000, int(reason), "a", 1, 0, 100, 10_000, 5, 0]
            await exchange.tell(1, "U", fields)
            if reason is Reason.DUPLICATE_CLIENT_ID:
                await exchange.tell(1, "DU", [6, 1, 0, *fields[3:4], 0, *fields[5:], 7])
                assert (await placing).duplicate
                return
            with pytest.raises(OrderRejected) as caught:
                await placing

        error = caught.value
        assert (error.code, error.name, error.message) == (reason, reason.name, SENTENCES[reason])
        assert f"{reason.name} ({int(reason)}): {SENTENCES[reason]}" in str(error)

    run(test)


# --- triggers ---------------------------------------------------------------------------------


def test_a_stop_waits_fires_and_trades_under_one_id(run):
    """CL-18, W-17."""

    async def test(exchange):
        await exchange.place(9, 1, 0, 4_490_000, 10_000, "bid")
        async with Client(exchange.url, token=mint(1)) as client:
            stop = await client.place_stop(
                "BTC-PERP", "sell", "0.01", "45000", reduce_only=True, cid="st"
            )
            waiting, known = await client.triggers(), dict(client.open_orders)
            await exchange.price(1, 4_600_000)
            await exchange.price(1, 4_499_000)
            events = await until_ended(client, stop)
            asked = await client.order(stop.oid)

        assert (stop.status, stop.kind, stop.price) == ("waiting", "stop_market", 0)
        assert (stop.trigger_price, stop.trigger_on) == (D(45000), "mark")
        assert stop.is_open and stop.is_trigger and stop.fired_price is None
        assert [o.oid for o in waiting] == [stop.oid] == list(known)
        assert waiting[0].trigger_on == "mark" and waiting[0].reduce_only
        told = [(e.order.status, e.order.fired_price) for e in events if isinstance(e, OrderUpdate)]
        assert told == [("waiting", None), ("pending", D(44990)), ("filled", D(44990))]
        assert [f.oid for f in fills(events)] == [stop.oid] and isinstance(events[2], Fill)
        assert events[-1].order.reduce_only and events[-1].order.trigger_price == D(45000)
        assert (asked.status, asked.fired_price) == ("filled", D(44990))

    run(test)


def test_a_limit_trigger_comes_to_rest_when_it_fires(run):
    async def test(exchange):
        async with Client(exchange.url, token=mint(1)) as client:
            order = await client.place_take_profit(
                "BTC-PERP", "sell", "0.01", "51000", price="51500", trigger_on="last"
            )
            await exchange.price(1, 5_100_000)
            events = await collect(client, lambda e: updates([e]) == [(order.cid, "resting")])
            listed = (await client.orders())[0]
            ended = await client.cancel(order)

        assert [status for _, status in updates(events)] == ["waiting", "pending", "resting"]
        assert (listed.status, listed.fired_price, listed.trigger_on) == (
            "resting", D(51000), "last",
        )  # fmt: skip
        assert (ended.status, ended.price, ended.kind) == (
            "cancelled", D(51500), "take_profit_limit",
        )  # fmt: skip

    run(test)


@pytest.mark.parametrize("distance", [{"trail": "500"}, {"trail_fraction": "0.01"}])
def test_a_trailing_stop_follows_the_price(run, distance):
    async def test(exchange):
        async with Client(exchange.url, token=mint(1)) as client:
            stop = await client.place_trailing_stop("BTC-PERP", "sell", "0.01", **distance)
            listed = (await client.triggers())[0]
            for px in (5_100_000, 5_060_000, 5_049_000):
                await exchange.price(1, px)
            events = await until_ended(client, stop)

        for known in (stop, listed):
            assert (known.trail, known.trail_fraction) == (
                D(distance["trail"]) if "trail" in distance else None,
                D("0.01") if "trail_fraction" in distance else None,
            )
        assert events[-1].order.fired_price == D(50490)
        assert events[-1].order.trigger_price is None

    run(test)


def test_a_trigger_on_the_wrong_side_is_rejected(run):
    async def test(exchange):
        async with Client(exchange.url, token=mint(1)) as client:
            for place, side in ((client.place_stop, "sell"), (client.place_take_profit, "buy")):
                with pytest.raises(OrderRejected, match="TRIGGER_WRONG_SIDE") as caught:
                    await place("BTC-PERP", side, "0.01", "51000")
                assert "when at 51000.00" in str(caught.value)

    run(test)


def test_a_waiting_trigger_is_cancelled_and_not_amended(run):
    async def test(exchange):
        async with Client(exchange.url, token=mint(1)) as client:
            stop = await client.place_stop("BTC-PERP", "sell", "0.01", "45000")
            with pytest.raises(RequestRefused, match="TRIGGER_NOT_AMENDED"):
                await client.amend(stop, qty="0.02")
            ended = await client.cancel(stop.cid)
            assert (ended.status, ended.reason, ended.remaining) == (
                "cancelled", "USER_CANCEL", D("0.01"),
            )  # fmt: skip
            assert client.open_orders == {} and await client.triggers() == []

    run(test)


# --- amending ---------------------------------------------------------------------------------


def test_an_amendment_keeps_the_id_and_tells_of_the_place(run):
    """CL-41."""

    async def test(exchange):
        async with Client(exchange.url, token=mint(1)) as client:
            order = await client.place("BTC-PERP", "buy", "50000", "0.01", cid="a")
            smaller = await client.amend(order, qty="0.006")
            moved = await client.amend("a", price="49999")
            both = await client.amend(order.oid, price="49998", qty="0.02")
            known = client.open_orders[order.oid]
            events = await collect(client, lambda e: e.order.price == D(49998))

        for amended, price, qty, kept in (
            (smaller, 50000, "0.006", True), (moved, 49999, "0.006", False),
            (both, 49998, "0.02", False),
        ):  # fmt: skip
            assert (amended.oid, amended.cid, amended.status) == (order.oid, "a", "resting")
            assert (amended.price, amended.qty, amended.remaining) == (D(price), D(qty), D(qty))
            assert (amended.kept_place, amended.tif) == (kept, "GTC")
        assert known == both
        assert [e.order.kept_place for e in events] == [None, True, False, False]

    run(test)


def test_an_amendment_that_trades_returns_when_it_has(run):
    async def test(exchange):
        await deep(exchange)
        async with Client(exchange.url, token=mint(1)) as client:
            order = await client.place("BTC-PERP", "buy", "49999", "0.015")
            part = await client.amend(order, price="50000")
            whole = await client.amend(order, price="50001")
            events = await until_ended(client, order)

        assert (part.status, part.filled, part.remaining) == ("resting", D("0.01"), D("0.005"))
        assert (whole.status, whole.filled, whole.qty) == ("filled", D("0.015"), D("0.015"))
        assert [s for _, s in updates(events)] == [
            "resting", "pending", "resting", "pending", "filled",
        ]  # fmt: skip
        assert [f.qty for f in fills(events)] == [D("0.01"), D("0.005")]

    run(test)


def test_an_amendment_to_no_more_than_has_traded_ends_the_order(run):
    async def test(exchange):
        async with Client(exchange.url, token=mint(1)) as client:
            order = await client.place("BTC-PERP", "buy", "50000", "0.01")
            await exchange.place(9, 1, 1, 5_000_000, 4000, "t", 1)
            ended = await client.amend(order, qty="0.004")

        assert (ended.status, ended.reason) == ("cancelled", "AMENDED_AWAY")
        assert (ended.filled, ended.remaining) == (D("0.004"), D("0.006"))

    run(test)


def test_a_refused_amendment_leaves_the_order_as_it_was(run):
    async def test(exchange):
        async with Client(exchange.url, token=mint(1)) as client:
            order = await client.place("BTC-PERP", "buy", "50000", "0.01", cid="a")
            sent = len(exchange.frames)
            for changes, error in (
                ({}, ValueError),
                ({"price": "50000.01"}, InvalidAmount),
                ({"qty": "0.00001"}, InvalidAmount),
                ({"price": 50000.0}, TypeError),
            ):
                with pytest.raises(error):
                    await client.amend(order, **changes)
            with pytest.raises(ValueError, match="name its symbol"):
                await client.amend(12345, price="1")
            assert len(exchange.frames) == sent
            with pytest.raises(RequestRefused) as caught:
                await client.amend("a", price="99999999999")
            error = caught.value
            assert (error.name, error.field, error.value) == (
                "PRICE_OUT_OF_RANGE", "price", "99999999999.00",
            )  # fmt: skip
            exchange.markets[1].mode = 3
            with pytest.raises(RequestRefused, match="HALTED"):
                await client.amend("a", price="49999")
            with pytest.raises(RequestRefused, match="ORDER_NOT_OPEN"):
                await client.amend(12345, price="1", symbol="BTC-PERP")
            assert client.open_orders == {order.oid: order}
            await client.cancel("a")
            with pytest.raises(RequestRefused, match="ORDER_DONE"):
                await client.amend("a", price="49999")

    run(test)


def test_a_refused_amendment_speaks_no_units_of_the_wire(run):
    async def test(exchange):
        async with Client(exchange.url, token=mint(1)) as client:
            order = await client.place("BTC-PERP", "buy", "50000", "0.01", cid="a")
            exchange.on_frame = lambda user, key, fields: "ignore" if key == "R" else None
            for fields, text in (
                ([2001, "not enough free margin: 22.0 is needed, 9.0 is available", None, None],
                 "INSUFFICIENT_MARGIN (2001): not enough free margin: 22.0 is needed, 9.0 is "
                 "available"),
                ([3010, "the price is too far beyond the mark price", "id", None],
                 "OUTSIDE_PRICE_BAND (3010): the price is too far beyond the mark price"),
                ([1008, "the price is not a multiple of the tick: 5 of 10", "px", 5],
                 "PRICE_OFF_TICK (1008): the price is not a multiple of the tick "
                 "[price = '0.05']"),
            ):  # fmt: skip
                amending = asyncio.create_task(client.amend(order, qty="0.02"))
                count = len(exchange.frames)
                await until(lambda count=count: len(exchange.frames) > count)
                await exchange.tell(1, "E", [*fields, order.oid])
                with pytest.raises(RequestRefused) as caught:
                    await amending
                assert str(caught.value) == text

    run(test)


def test_an_order_that_fills_first_is_not_amended(run):
    async def test(exchange):
        async with Client(exchange.url, token=mint(1)) as client:
            order = await client.place("BTC-PERP", "buy", "50000", "0.01")
            trades = []

            def fill_before(user, key, fields):
                if key == "R" and not trades:
                    work = exchange.place(9, 1, 1, 5_000_000, 10_000, "t", 1)
                    trades.append(asyncio.ensure_future(work))
                    return "ignore"
                return None

            exchange.on_frame = fill_before
            amending = asyncio.create_task(client.amend(order, qty="0.02"))
            await until(lambda: trades and trades[0].done())
            code = int(Reason.ORDER_DONE)
            await exchange.tell(1, "E", [code, "ended", "id", order.oid, order.oid])
            with pytest.raises(RequestRefused, match="ORDER_DONE"):
                await amending

    run(test)


def test_two_amendments_of_one_order_are_not_in_flight_at_once(run):
    """CL-12: the second could take the first one's answer."""

    async def test(exchange):
        async with Client(exchange.url, token=mint(1)) as client:
            order = await client.place("BTC-PERP", "buy", "50000", "0.01", cid="a")
            exchange.on_frame = lambda user, key, fields: "ignore" if key == "R" else None
            first = asyncio.create_task(client.amend("a", qty="0.02"))
            await until(lambda: exchange.frames[-1][1] == "R")
            with pytest.raises(ValueError, match="in flight"):
                await client.amend(order, qty="0.03")
            # What another connection asked for is no answer to it.
            await exchange.amend(1, order.oid, qty=70_000)
            await asyncio.sleep(0.01)
            assert not first.done()
            await exchange.amend(1, order.oid, qty=20_000)
            assert (await first).qty == D("0.02")

    run(test)


# --- batches, cancel-all ----------------------------------------------------------------------


def test_a_batch_answers_each_item_on_its_own(run):
    """CL-19, W-71."""

    async def test(exchange):
        await deep(exchange)
        async with Client(exchange.url, token=mint(1)) as client:
            good = {"symbol": "BTC-PERP", "side": "buy", "qty": "0.01"}
            placed = await client.place_batch(
                [
                    {**good, "price": "100", "cid": "a"},
                    {**good, "price": "99999999999"},
                    {**good, "price": "50000", "post_only": True},
                    {**good, "kind": "market"},
                    {**good, "symbol": "ETH-PERP", "price": "1", "cid": "a"},
                ][:4]
            )
            amended = await client.amend_batch(
                [{"order": "a", "qty": "0.02"}, {"order": 5, "qty": "1", "symbol": "BTC-PERP"}]
            )
            cancelled = await client.cancel_batch([placed[0], "nobody", placed[3].oid])
            assert await client.cancel_batch([]) == []

        assert [f[1] for f in exchange.frames if f[1][0] == "B"] == ["BN", "BR", "BC"]
        assert [getattr(r, "status", r.__class__.__name__) for r in placed] == [
            "resting", "RequestRefused", "OrderRejected", "filled",
        ]  # fmt: skip
        assert (placed[1].name, placed[1].field) == ("PRICE_OUT_OF_RANGE", "price")
        assert amended[0].qty == D("0.02") and amended[1].name == "ORDER_NOT_OPEN"
        assert cancelled[0].status == "cancelled"
        assert [r.name for r in cancelled[1:]] == ["ORDER_NOT_FOUND", "ORDER_DONE"]

    run(test)


def test_a_batch_that_is_too_large_is_refused_item_by_item(run):
    async def test(exchange):
        async with Client(exchange.url, token=mint(1)) as client:
            good = {"symbol": "BTC-PERP", "side": "buy", "price": "1", "qty": "0.01"}
            results = await client.place_batch([good] * 26)
            assert {r.name for r in results} == {"BATCH_TOO_LARGE"} and len(results) == 26
            with pytest.raises(InvalidAmount):
                await client.place_batch([good, {**good, "price": "0.01"}])
            with pytest.raises(TypeError, match="side"):
                await client.place_batch([{"symbol": "BTC-PERP", "price": "1", "qty": "1"}])
            assert exchange.orders == {} and client._private._in_flight.places == {}
            assert (await client.place(**good)).status == "resting"

    run(test)


def test_a_refusal_in_a_batch_that_names_no_order_goes_by_its_place(run):
    async def test(exchange):
        exchange.on_frame = lambda user, key, fields: "ignore" if key == "BN" else None
        async with Client(exchange.url, token=mint(1)) as client:
            good = {"symbol": "BTC-PERP", "side": "buy", "price": "1", "qty": "0.01"}
            placing = asyncio.create_task(
                client.place_batch([{**good, "cid": c} for c in "ab"], timeout=0.1)
            )
            await until(lambda: exchange.frames[-1][1] == "BN")
            await exchange.tell(1, "E", [1002, "cannot be parsed", None, None, None, 1])
            first, second = await placing
            assert isinstance(first, FateUnknown) and first.cid == "a"
            assert isinstance(second, RequestRefused) and second.name == "MALFORMED"

    run(test)


@pytest.mark.parametrize(
    ("asked", "left"),
    [
        ({}, []),
        ({"symbol": "BTC-PERP"}, ["eth"]),
        ({"side": "sell"}, ["buy", "eth"]),
        ({"scope": "triggers"}, ["buy", "sell", "eth"]),
        ({"scope": "orders", "symbol": "BTC-PERP"}, ["stop", "eth"]),
    ],
)
def test_cancel_all_ends_what_it_names_and_counts_it(run, asked, left):
    """CL-44."""

    async def test(exchange):
        async with Client(exchange.url, token=mint(1)) as client:
            await client.place("BTC-PERP", "buy", "100", "0.01", cid="buy")
            await client.place("BTC-PERP", "sell", "60000", "0.01", cid="sell")
            await client.place_stop("BTC-PERP", "sell", "0.01", "45000", cid="stop")
            await client.place("ETH-PERP", "buy", "100", "0.01", cid="eth")
            count = await client.cancel_all(**asked)
            assert [o.cid for o in client.open_orders.values()] == left
            assert count == 4 - len(left)
            with pytest.raises(ValueError):
                await client.cancel_all(scope="everything")
            with pytest.raises(ValueError):
                await client.cancel_all(side="both")

    run(test)


# --- guards, settings, modes ------------------------------------------------------------------


@pytest.mark.parametrize("leave", ["close", "keep", "lose"])
def test_cancel_on_disconnect_ends_the_orders_unless_leave_was_taken(run, leave):
    """CL-45, W-72."""

    async def test(exchange):
        client = Client(exchange.url, token=mint(1), cancel_on_disconnect=True)
        async with client:
            order = await client.place("BTC-PERP", "buy", "100", "0.01")
            if leave == "lose":
                exchange.cut_all()
                events = await until_ended(client, order)
                assert events[-1].order.reason == "DISCONNECTED"
                after = await client.place("BTC-PERP", "buy", "100", "0.01")
                await client.cancel_on_disconnect(False)
                kept = await client.place("BTC-PERP", "buy", "100", "0.01")
            elif leave == "keep":
                await client.close(keep_orders=True)
        await until(lambda: not exchange.private)
        status = exchange.orders[order.oid].status
        assert (status == 1) == (leave == "keep")
        if leave == "lose":
            assert exchange.orders[after.oid].status == 2 and exchange.orders[kept.oid].status == 1
        frames = [key for _, key, _ in exchange.frames]
        assert frames.index("CD") < frames.index("N")

    run(test)


def test_a_dead_man_timer_is_set_renewed_and_tells_when_it_runs_out(run):
    """CL-46, W-73."""

    async def test(exchange):
        async with Client(exchange.url, token=mint(1)) as client:
            for wrong in (0, 0.5, 90_000, -1):
                with pytest.raises(ValueError, match="must be 1 to 86400"):
                    await client.dead_man(wrong)
            armed = await client.dead_man(1.5)
            one = await client.dead_man(60, "ETH-PERP")
            off = await client.dead_man(None, "ETH-PERP")
            assert (armed.symbol, armed.timeout_ms, armed.fired) == (None, 1500, False)
            assert 0 < armed.deadline_ns - time.time_ns() < 1.6e9
            assert (one.symbol, off.symbol, off.deadline_ns) == ("ETH-PERP", "ETH-PERP", 0)
            order = await client.place("BTC-PERP", "buy", "100", "0.01")
            await exchange.restart()
            await up_to_resumed(client)
            assert exchange.timers == {(1, 0): 1500}
            await exchange.run_out(1)
            events = await collect(client, lambda e: isinstance(e, DeadMan))
            assert events[-1] == DeadMan(symbol=None, timeout_ms=1500, deadline_ns=0, fired=True)
            assert events[-2].order.oid == order.oid and events[-2].order.reason == "DEAD_MAN"
            await exchange.restart()
            await client.account()
            assert exchange.timers == {}, "what ran out is not set anew"

    run(test)


def test_settings_are_asked_set_and_told(run):
    """CL-47."""

    async def test(exchange):
        async with Client(exchange.url, token=mint(1)) as client:
            assert await client.settings() == AccountSettings(stp="none", owner_group=0)
            assert await client.set_stp("oldest") == AccountSettings(stp="oldest", owner_group=0)
            with pytest.raises(ValueError, match="stp 'all'"):
                await client.set_stp("all")
            async with Admin(exchange.url, mint(7, "admin")) as admin:
                changed = await admin.set_account(1, owner_group=5)
                with pytest.raises(ValueError, match="owner_group or stp"):
                    await admin.set_account(1)
            event = await anext(client.events())
            order = await client.place("BTC-PERP", "buy", "100", "0.01")

        assert changed == event == AccountSettings(stp="oldest", owner_group=5)
        assert exchange.orders[order.oid].stp == 2

    run(test)


def test_the_place_in_the_queue_is_told(run):
    async def test(exchange):
        async with Client(exchange.url, token=mint(1)) as client:
            await exchange.place(9, 1, 0, 5_000_000, 10_000, "m1")
            await exchange.place(9, 1, 0, 5_000_000, 20_000, "m2")
            order = await client.place("BTC-PERP", "buy", "50000", "0.01", cid="mine")
            for ref in (order, order.oid, "mine"):
                place = await client.queue_position(ref)
                assert (place.oid, place.symbol, place.price) == (
                    order.oid, "BTC-PERP", D(50000),
                )  # fmt: skip
                assert (place.qty_ahead, place.orders_ahead) == (D("0.03"), 2)
                assert place.level_qty == D("0.04") and place.seq > 0
            with pytest.raises(RequestRefused, match="ORDER_NOT_FOUND"):
                await client.queue_position(12345)
            await client.cancel(order)
            with pytest.raises(RequestRefused, match="ORDER_DONE"):
                await client.queue_position("mine")

    run(test)


def test_trading_modes_are_told_and_known(run):
    async def test(exchange):
        async with (
            Client(exchange.url, token=mint(1)) as client,
            Admin(exchange.url, mint(7, "admin")) as admin,
        ):
            set_to = await admin.mode("BTC-PERP", "halt")
            event = await anext(client.events())
            assert (set_to.mode, set_to.previous, set_to.seq) == ("halt", "open", event.seq)
            assert isinstance(event, ModeChanged) and event.mode == "halt"
            assert client.symbol("BTC-PERP").mode == "halt"
            with pytest.raises(OrderRejected, match="HALTED"):
                await client.place("BTC-PERP", "buy", "100", "0.01")
            with pytest.raises(ValueError, match="must be open"):
                await admin.mode("BTC-PERP", "closed")
            with pytest.raises(RequestRefused, match="UNKNOWN_SYMBOL"):
                await admin.mode("DOGE-PERP", "halt")
            exchange.cut_all()
            exchange.markets[1].mode = 1
            changes = await collect(client, lambda e: isinstance(e, ModeChanged))
            assert (changes[-1].mode, changes[-1].seq) == ("post_only", 0)
        async with Admin(exchange.url, mint(7)) as user:
            for work in (user.mode("BTC-PERP", "open"), user.set_account(1, stp="both"),
                         user.cancel_all(1)):  # fmt: skip
                with pytest.raises(RequestRefused, match="FORBIDDEN"):
                    await work

    run(test)


def test_an_operator_cancels_all_of_a_user(run):
    async def test(exchange):
        async with Client(exchange.url, token=mint(1)) as client:
            order = await client.place("BTC-PERP", "buy", "100", "0.01")
            await client.place("ETH-PERP", "buy", "100", "0.01")
            async with Admin(exchange.url, mint(7, "admin")) as admin:
                assert await admin.cancel_all(1, "BTC-PERP") == 1
                assert await admin.cancel_all(1) == 1
                with pytest.raises(RequestRefused, match="UNKNOWN_SYMBOL"):
                    await admin.cancel_all(1, "DOGE-PERP")
            events = await until_ended(client, order)
        assert events[-1].order.reason == "ADMIN_CANCEL"

    run(test)


def test_an_unanswered_change_says_that_its_fate_is_unknown(run):
    async def test(exchange):
        keys = ("CA", "CD", "DM", "AS", "R")
        exchange.on_frame = lambda user, key, fields: "ignore" if key in keys else None
        async with Client(exchange.url, token=mint(1), timeout=0.03) as client:
            order = await client.place("BTC-PERP", "buy", "100", "0.01")
            for work in (client.cancel_all(), client.cancel_on_disconnect(), client.dead_man(5),
                         client.set_stp("both"), client.amend(order, qty="0.02")):  # fmt: skip
                with pytest.raises(FateUnknown):
                    await work
            with pytest.raises(NotConnected):
                await client.settings()

    run(test)
