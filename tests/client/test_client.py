"""Client requests on a healthy connection: CL-10 .. CL-22, CL-60."""

from __future__ import annotations

import asyncio
from decimal import Decimal as D

import pytest
from client.fake_server import mint
from client.helpers import collect, fills, until, updates

from rsx.client import (
    Admin,
    AuthenticationFailed,
    Client,
    ClientClosed,
    EventsLost,
    FateUnknown,
    Fill,
    InvalidAmount,
    NotConnected,
    OrderRejected,
    OrderUpdate,
    RequestRefused,
)


def test_the_example_of_the_specification_works(run):
    async def test(exchange):
        async with Client(exchange.url, token=mint(2)) as other:
            async with Client(exchange.url, token=mint(1)) as client:
                order = await client.place(
                    "BTC-PERP", "buy", price="50000", qty="0.01", tif="GTC", post_only=False
                )
                await other.place("BTC-PERP", "sell", price=D("49999.9"), qty="0.004", tif="IOC")
                async for event in client.events():
                    if isinstance(event, Fill):
                        break
                cancelled = await client.cancel(order.oid)
                book = await client.book("BTC-PERP")
                account = await client.account()
                positions = await client.positions()

        assert (order.status, order.price, order.qty, order.tif) == (
            "resting", D(50000), D("0.01"), "GTC",
        )  # fmt: skip
        assert (event.oid, event.qty, event.maker, event.remaining) == (
            order.oid, D("0.004"), True, D("0.006"),
        )  # fmt: skip
        assert event.fee == D("-0.02")
        assert (cancelled.status, cancelled.reason) == ("cancelled", "USER_CANCEL")
        assert cancelled.filled + cancelled.remaining == order.qty
        assert book.bids == [] and positions == [] and account.available == 0

    run(test)


def test_a_marketable_order_returns_after_its_fills(run):
    async def test(exchange):
        await exchange.place(9, 1, 1, 5_000_000, 3000, "m1")
        await exchange.place(9, 1, 1, 5_000_010, 3000, "m2")
        async with Client(exchange.url, token=mint(1)) as client:
            part = await client.place("BTC-PERP", "buy", "50000.1", "0.004", tif="IOC")
            rest = await client.place("BTC-PERP", "buy", "50000.1", "0.004", tif="IOC")
            none = await client.place("BTC-PERP", "buy", "50000.1", "0.004", tif="IOC")
            events = await collect(client, lambda e: updates([e]) == [(none.cid, "cancelled")])

        assert (part.status, part.filled) == ("filled", D("0.004"))
        assert (rest.status, rest.filled, rest.remaining) == ("cancelled", D("0.002"), D("0.002"))
        assert (none.status, none.filled, none.reason) == ("cancelled", 0, "IOC_REMAINDER")
        assert [f.oid for f in fills(events)] == [part.oid, part.oid, rest.oid]
        assert isinstance(events[2], OrderUpdate) and events[2].order.oid == part.oid

    run(test)


def test_a_rejection_raises_with_the_order_and_the_reason(run):
    async def test(exchange):
        await exchange.place(9, 1, 1, 5_000_000, 3000, "m1")
        async with Client(exchange.url, token=mint(1)) as client:
            with pytest.raises(OrderRejected) as caught:
                await client.place("BTC-PERP", "buy", "50000", "0.001", post_only=True, cid="mine")

        error = caught.value
        assert (error.code, error.name) == (3002, "POST_ONLY_WOULD_CROSS")
        assert error.order.cid == "mine" and error.order.oid > 0 and not error.order.is_open
        assert "must not trade on arrival" in str(error)

    run(test)


def test_a_refusal_of_the_edge_names_code_field_and_value(run):
    async def test(exchange):
        async with Client(exchange.url, token=mint(1)) as client:
            with pytest.raises(RequestRefused) as caught:
                await client.place("BTC-PERP", "buy", "-50000", "0.001")
            assert (caught.value.code, caught.value.name) == (1015, "PRICE_OUT_OF_RANGE")
            assert (caught.value.field, caught.value.value) == ("price", "-50000.00")
            with pytest.raises(RequestRefused, match="BTC-PERP, ETH-PERP"):
                await client.place("DOGE-PERP", "buy", "1", "1")
            with pytest.raises(RequestRefused, match="1005"):
                await client.cancel(12345)
            with pytest.raises(RequestRefused, match="1005"):
                await client.cancel("nobody")
            with pytest.raises(RequestRefused, match="3007"):
                await client.cancel("nobody", symbol="BTC-PERP")
            with pytest.raises(RequestRefused, match="1024"):
                await client.order(oid=12345)

    run(test)


def test_what_is_wrong_is_said_before_anything_is_sent(run):
    async def test(exchange):
        async with Client(exchange.url, token=mint(1)) as client:
            sent = len(exchange.frames)
            for changes, error in (
                ({"price": "50000.001"}, InvalidAmount),
                ({"price": "50000.05"}, InvalidAmount),
                ({"qty": "0.00005"}, InvalidAmount),
                ({"qty": "many"}, InvalidAmount),
                ({"price": 50000.0}, TypeError),
                ({"qty": 0.5}, TypeError),
                ({"side": "long"}, ValueError),
                ({"tif": "DAY"}, ValueError),
                ({"cid": ""}, ValueError),
                ({"cid": "x" * 37}, ValueError),
                ({"cid": "é" * 19}, ValueError),
                ({"cid": 7}, TypeError),
            ):
                terms = {"side": "buy", "price": "50000", "qty": "0.01"} | changes
                with pytest.raises(error):
                    await client.place("BTC-PERP", **terms)
            with pytest.raises(TypeError):
                await client.cancel(1.5)
            assert len(exchange.frames) == sent

    run(test)


def test_the_error_of_an_inexact_price_names_the_tick(run):
    async def test(exchange):
        async with Client(exchange.url, token=mint(1)) as client:
            with pytest.raises(ValueError, match=r"price '50000\.05': .* tick 0\.10"):
                await client.place("BTC-PERP", "buy", price="50000.05", qty="1")

    run(test)


def test_client_ids_differ_between_orders_and_clients(run):
    async def test(exchange):
        cids = set()
        for _ in range(3):
            async with Client(exchange.url, token=mint(1)) as client:
                for _ in range(3):
                    cids.add((await client.place("BTC-PERP", "buy", "1", "0.01")).cid)
        assert len(cids) == 9 and all(len(cid) <= 20 for cid in cids)

    run(test)


def test_a_client_id_in_flight_can_not_be_used_again(run):
    async def test(exchange):
        exchange.on_frame = lambda user, key, fields: "ignore" if key == "N" else None
        async with Client(exchange.url, token=mint(1)) as client:
            first = asyncio.create_task(client.place("BTC-PERP", "buy", "1", "0.01", cid="a"))
            await until(lambda: any(f[1] == "N" for f in exchange.frames))
            with pytest.raises(ValueError, match="in flight"):
                await client.place("BTC-PERP", "buy", "1", "0.01", cid="a")
            first.cancel()

    run(test)


def test_cancel_takes_an_order_id_a_client_id_or_the_order(run):
    async def test(exchange):
        async with Client(exchange.url, token=mint(1)) as client:
            for way in (lambda o: o.oid, lambda o: o.cid, lambda o: o):
                order = await client.place("BTC-PERP", "sell", "60000", "0.01")
                ended = await client.cancel(way(order))
                assert (ended.oid, ended.status) == (order.oid, "cancelled")
            assert client.open_orders == {}

    run(test)


def test_cancel_of_an_order_that_fills_first_returns_it_filled(run):
    async def test(exchange):
        async with Client(exchange.url, token=mint(1)) as client:
            order = await client.place("BTC-PERP", "sell", "60000", "0.01")
            trades = []

            def fill_before_the_cancel(user, key, fields):
                if key == "C":
                    trades.append(
                        asyncio.ensure_future(exchange.place(9, 1, 0, 6_000_000, 10_000, "t", 1))
                    )
                    return "ignore"
                return None

            exchange.on_frame = fill_before_the_cancel
            ended = await client.cancel(order.oid)
            assert (ended.status, ended.filled) == ("filled", D("0.01"))

    run(test)


def test_questions_are_answered_with_models(run):
    async def test(exchange):
        await exchange.place(9, 1, 1, 5_000_000, 3000, "m1")
        exchange.balances[1] = 123_456_789
        async with Client(exchange.url, token=mint(1)) as client:
            await client.place("BTC-PERP", "buy", "50000", "0.003", tif="IOC")
            resting = await client.place("ETH-PERP", "buy", "3000", "1", cid="rest")
            orders, account, history, symbols, trades, by_cid = await asyncio.gather(
                client.orders(), client.account(), client.fills(), client.symbols(),
                client.trades("BTC-PERP"), client.order(cid="rest"),
            )  # fmt: skip
            nothing = await client.orders("BTC-PERP")
            older = await client.fills(before=history[0].seq)

        assert [o.oid for o in orders] == [resting.oid] and nothing == [] == older
        assert orders[0].tif == "GTC" and orders[0].remaining == 1
        assert account.collateral == D("1.23456789")
        assert [(f.price, f.qty, f.maker) for f in history] == [(D(50000), D("0.003"), False)]
        assert [s.name for s in symbols] == ["BTC-PERP", "ETH-PERP"]
        assert symbols[0].tick == D("0.1") and symbols[0].money_decimals == 8
        assert [(t.price, t.taker_side) for t in trades] == [(D(50000), "buy")]
        assert by_cid == resting.__class__(
            **{**_fields(resting), "ts_ns": 1, "seq": by_cid.seq, "reprice": None, "stp": "none"}
        )

    run(test)


def _fields(order):
    return {name: getattr(order, name) for name in order.__struct_fields__}


def test_orders_of_another_connection_of_the_user_are_seen(run):
    async def test(exchange):
        async with Client(exchange.url, token=mint(1)) as bot:
            async with Client(exchange.url, token=mint(1)) as person:
                order = await person.place("BTC-PERP", "buy", "100", "0.01")
                events = await collect(bot, lambda e: isinstance(e, OrderUpdate))
                assert events[-1].order.oid == order.oid
                assert list(bot.open_orders) == [order.oid]

    run(test)


def test_an_event_told_twice_comes_once(run):
    async def test(exchange):
        async with Client(exchange.url, token=mint(1)) as client:
            order = await client.place("BTC-PERP", "buy", "100", "0.01", cid="a")
            update = [order.oid, 1, 0, 10_000, 0, "a", 1, 0, 10_000, 10_000, 5, order.seq]
            fill = [order.oid, 1, 0, 10_000, 4000, 1, 1, 6000, "a", 5, 99]
            for _ in range(2):
                await exchange.tell(1, "U", update)
                await exchange.tell(1, "F", fill)
            await client.cancel("a")
            events = await collect(client, lambda e: updates([e]) == [("a", "cancelled")])

        assert updates(events) == [("a", "resting"), ("a", "cancelled")]
        assert [f.seq for f in fills(events)] == [99]

    run(test)


def test_events_that_nobody_reads_are_dropped_and_said_so(run):
    async def test(exchange):
        async with Client(exchange.url, token=mint(1), event_buffer=3) as client:
            for number in range(5):
                await client.place("BTC-PERP", "buy", "100", "0.01", cid=f"c{number}")
            events = await collect(client, lambda e: updates([e]) == [("c4", "resting")])

        assert events[0] == EventsLost(count=2)
        assert [cid for cid, _ in updates(events)] == ["c2", "c3", "c4"]

    run(test)


def test_a_second_loop_goes_on_where_the_first_stopped(run):
    async def test(exchange):
        async with Client(exchange.url, token=mint(1)) as client:
            for number in range(3):
                await client.place("BTC-PERP", "buy", "100", "0.01", cid=f"c{number}")
            first = await collect(client, lambda e: True)
            second = await collect(client, lambda e: True)
            with pytest.raises(TimeoutError):
                await asyncio.wait_for(_third_and_more(client), 0.01)
            await client.place("BTC-PERP", "buy", "100", "0.01", cid="c3")
            third = await collect(client, lambda e: True)

        assert [c for c, _ in updates(first + second + third)] == ["c0", "c1", "c3"]

    run(test)


async def _third_and_more(client):
    async for _ in client.events():
        pass


def test_two_loops_at_once_are_refused(run):
    async def test(exchange):
        async with Client(exchange.url, token=mint(1)) as client:
            first = asyncio.create_task(anext(client.events()))
            await asyncio.sleep(0)
            with pytest.raises(RuntimeError, match="another task"):
                await anext(client.events())
            first.cancel()

    run(test)


def test_closing_ends_the_events_and_what_waits(run):
    async def test(exchange):
        exchange.on_frame = lambda user, key, fields: "ignore" if key in "NCA" else None
        client = Client(exchange.url, token=mint(1))
        async with client:
            waiting = [
                asyncio.create_task(work)
                for work in (
                    client.place("BTC-PERP", "buy", "100", "0.01"),
                    client.cancel(5),
                    client.account(),
                )
            ]
            reading = asyncio.create_task(_third_and_more(client))
            await until(lambda: {f[1] for f in exchange.frames} >= {"N", "C", "A"})
        for task in waiting:
            with pytest.raises(ClientClosed):
                await task
        await reading
        with pytest.raises(ClientClosed):
            await client.account()
        with pytest.raises(ClientClosed):
            await client.book("BTC-PERP")

    run(test)


def test_an_unanswered_request_says_that_its_fate_is_unknown(run):
    async def test(exchange):
        exchange.on_frame = lambda user, key, fields: "ignore" if key in "NCA" else None
        async with Client(exchange.url, token=mint(1), timeout=0.05) as client:
            with pytest.raises(FateUnknown, match="fate is unknown") as caught:
                await client.place("BTC-PERP", "buy", "100", "0.01", cid="lost")
            assert caught.value.cid == "lost" and isinstance(caught.value, TimeoutError)
            with pytest.raises(FateUnknown) as caught:
                await client.cancel(77)
            assert caught.value.oid == 77
            with pytest.raises(NotConnected):
                await client.account()
            # The late answer to the question belongs to it, not to the next one.
            exchange.on_frame = lambda *_: None
            await exchange.tell(1, "A", [1] * 9)
            assert (await client.account()).collateral == 0

    run(test)


def test_a_refusal_that_names_nobody_goes_to_the_only_request(run):
    async def test(exchange):
        async with Client(exchange.url, token=mint(1)) as client:
            exchange.on_frame = lambda user, key, fields: "ignore" if key == "N" else None
            placing = asyncio.create_task(client.place("BTC-PERP", "buy", "100", "0.01"))
            await until(lambda: any(f[1] == "N" for f in exchange.frames))
            await exchange.tell(1, "E", [1002, "the request cannot be parsed", None, None, None])
            with pytest.raises(RequestRefused, match="1002"):
                await placing

    run(test)


def test_an_order_that_the_edge_reports_as_unknown_is_waited_for_to_the_deadline(run):
    async def test(exchange):
        async with Client(exchange.url, token=mint(1)) as client:
            exchange.on_frame = lambda user, key, fields: "ignore" if key == "N" else None
            placing = asyncio.create_task(
                client.place("BTC-PERP", "buy", "1", "0.01", cid="q", timeout=0.1)
            )
            await until(lambda: any(f[1] == "N" for f in exchange.frames))
            await exchange.tell(1, "E", [1021, "no answer in time", None, None, "q"])
            with pytest.raises(FateUnknown):
                await placing
            placing = asyncio.create_task(client.place("BTC-PERP", "buy", "1", "0.01", cid="r"))
            await until(lambda: exchange.frames[-1][1] == "N" and exchange.frames[-1][2][4] == "r")
            await exchange.tell(1, "E", [1021, "no answer in time", "oid", 7, "r"])
            await exchange.place(*(1, *exchange.frames[-1][2]))
            assert (await placing).status == "resting"

    run(test)


def test_wrong_addresses_and_tokens_fail_at_once(run):
    async def test(exchange):
        for bad in ("nonsense", mint(1, ttl_s=-100)):
            with pytest.raises(AuthenticationFailed):
                async with Client(exchange.url, token=bad):
                    pass
        with pytest.raises(ValueError, match="http"):
            Client("127.0.0.1:8080")
        with pytest.raises(RuntimeError, match="async with"):
            await Client(exchange.url).book("BTC-PERP")
        async with Client(exchange.url) as public:
            with pytest.raises(AuthenticationFailed):
                await public.account()
        url = exchange.url
        await exchange.stop()
        with pytest.raises(NotConnected, match="connection refused"):
            async with Client(url, token=mint(1)):
                pass

    run(test)


def test_admin_deposits_exactly(run):
    async def test(exchange):
        async with Admin(exchange.url, mint(7, "admin")) as admin:
            done = await admin.deposit(5, "1000.00000001")
            assert (done.user, done.amount) == (5, D("1000.00000001"))
            assert exchange.balances[5] == 100_000_000_001
            with pytest.raises(InvalidAmount):
                await admin.deposit(5, "0.000000001")
            with pytest.raises(TypeError):
                await admin.deposit(5, 0.5)
            with pytest.raises(RequestRefused, match="AMOUNT_INVALID"):
                await admin.deposit(5, -1)
        async with Admin(exchange.url, mint(7)) as user:
            with pytest.raises(RequestRefused, match="FORBIDDEN"):
                await user.deposit(5, 1)

    run(test)
