"""Lost connections around triggers, amendments, batches, guards: CL-35 .. CL-38, CL-43 .. CL-46."""

from __future__ import annotations

import asyncio
import itertools
import random
from decimal import Decimal as D

import pytest
from client.fake_server import CANCELLED, FILLED, OPEN, REJECTED, mint
from client.helpers import collect, fills, until, up_to_resumed, updates
from client.test_reconnect import plan, updates_of

from rsx.client import Client, Fill, OrderRejected, OrderUpdate, RequestRefused, Resumed


@pytest.mark.parametrize("fate", ["drop", "handle, drop"])
def test_a_trigger_whose_answer_is_lost_is_placed_once(run, fate):
    async def test(exchange):
        async with Client(exchange.url, token=mint(1)) as client:
            plan(exchange, "TN", fate)
            stop = await client.place_stop("BTC-PERP", "sell", "0.01", "45000", cid="a")
            await client.cancel("a")
            events = await collect(client, lambda e: updates([e]) == [("a", "cancelled")])

        assert [o.cid for o in exchange.orders.values()] == ["a"]
        assert (stop.status, stop.kind, stop.trigger_on) == ("waiting", "stop_market", "mark")
        assert updates(events) == [("a", "waiting"), ("a", "cancelled")]

    run(test)


@pytest.mark.parametrize("fate", ["drop", "handle, drop"])
@pytest.mark.parametrize(
    "changes",
    [{"qty": "0.006"}, {"price": "49999"}, {"price": "50001", "qty": "0.02"}, {"qty": "0.02"}],
    ids=str,
)
def test_an_amendment_whose_answer_is_lost_happens(run, fate, changes):
    async def test(exchange):
        async with Client(exchange.url, token=mint(1)) as client:
            order = await client.place("BTC-PERP", "buy", "50000", "0.01", cid="a")
            plan(exchange, "R", fate)
            amended = await client.amend(order, **changes)
            await client.cancel("a")
            events = await collect(client, lambda e: updates([e]) == [("a", "cancelled")])

        assert amended.oid == order.oid and amended.status == "resting"
        assert amended.price == D(changes.get("price", "50000"))
        assert amended.qty == amended.remaining == D(changes.get("qty", "0.01"))
        told = [e.order for e in events if isinstance(e, OrderUpdate)]
        assert [(o.status, o.price, o.qty) for o in told] == [
            ("resting", D(50000), D("0.01")), ("resting", amended.price, amended.qty),
            ("cancelled", amended.price, amended.qty),
        ]  # fmt: skip
        assert [e.resent for e in events if isinstance(e, Resumed)] == [int(fate == "drop")]

    run(test)


@pytest.mark.parametrize("offered", [4000, 20_000])
def test_an_amendment_that_traded_unheard_is_settled_by_the_order(run, offered):
    async def test(exchange):
        await exchange.place(9, 1, 1, 5_000_000, offered, "m1")
        async with Client(exchange.url, token=mint(1)) as client:
            order = await client.place("BTC-PERP", "buy", "49999", "0.01", cid="a")
            plan(exchange, "R", "handle, drop")
            amended = await client.amend(order, price="50000", qty="0.012")
            events = await up_to_resumed(client)

        whole = offered > 12_000
        assert amended.status == ("filled" if whole else "resting")
        assert amended.filled == (D("0.012") if whole else D("0.004"))
        assert [f.oid for f in fills(events)] == [order.oid]

    run(test)


def test_an_amendment_to_nothing_whose_answer_is_lost_is_told(run):
    async def test(exchange):
        async with Client(exchange.url, token=mint(1)) as client:
            order = await client.place("BTC-PERP", "buy", "50000", "0.01", cid="a")
            await exchange.place(9, 1, 1, 5_000_000, 4000, "t", 1)
            plan(exchange, "R", "handle, drop")
            ended = await client.amend(order, qty="0.002")
        assert (ended.status, ended.reason) == ("cancelled", "AMENDED_AWAY")

    run(test)


def test_an_amendment_of_an_order_that_ended_in_the_outage_is_refused(run):
    async def test(exchange):
        async with Client(exchange.url, token=mint(1)) as client:
            order = await client.place("BTC-PERP", "buy", "50000", "0.01", cid="a")
            exchange.muted.add(1)
            await exchange.cancel(1, order.oid)
            exchange.muted.clear()
            plan(exchange, "R", "drop")
            with pytest.raises(RequestRefused, match="ORDER_DONE"):
                await client.amend(order, qty="0.02")

    run(test)


def test_what_happened_to_orders_in_the_outage_is_told_once(run):
    """An amendment from elsewhere, a trigger that fired and rests, one that fired and ended."""

    async def test(exchange):
        async with Client(exchange.url, token=mint(1)) as client:
            for number, cid in enumerate(("amended", "same", "traded")):
                await client.place("BTC-PERP", "buy", 40000 + number, "0.01", cid=cid)
            await client.place_stop("BTC-PERP", "sell", "0.01", "45000", "44000", cid="rests")
            await client.place_stop("BTC-PERP", "sell", "0.01", "45000", cid="ends")
            await client.place_stop("BTC-PERP", "sell", "0.01", "30000", cid="waits")
            await collect(client, lambda e: updates([e]) == [("waits", "waiting")])
            exchange.muted.add(1)
            await exchange.amend(1, "amended", qty=6000)
            await exchange.place(9, 1, 1, 4_000_200, 3000, "t", 1)
            await exchange.price(1, 4_499_000)
            exchange.cut_all()
            exchange.muted.clear()
            events = await up_to_resumed(client)
            known = {o.cid: o for o in client.open_orders.values()}
            exchange.cut_all()
            again = await up_to_resumed(client)

        told = {e.order.cid: e.order for e in events if isinstance(e, OrderUpdate)}
        assert sorted(updates(events)) == [
            ("amended", "resting"), ("ends", "cancelled"), ("rests", "resting"),
        ]  # fmt: skip
        assert (told["amended"].qty, told["rests"].fired_price) == (D("0.006"), D(44990))
        assert told["ends"].reason == "IOC_REMAINDER" and told["ends"].fired_price == D(44990)
        assert known["traded"].remaining == D("0.007") and known["waits"].status == "waiting"
        # The trades of the outage: against the resting order, and the fired one's limit order.
        assert {f.cid for f in fills(events)} >= {"traded"}
        assert updates(again) == [] and fills(again) == []

    run(test)


@pytest.mark.parametrize("fate", ["drop", "handle, drop"])
def test_a_batch_whose_answers_are_lost_happens_once(run, fate):
    async def test(exchange):
        async with Client(exchange.url, token=mint(1)) as client:
            good = {"symbol": "BTC-PERP", "side": "buy", "qty": "0.01"}
            plan(exchange, "BN", fate)
            placed = await client.place_batch(
                [{**good, "price": 50000 - n, "cid": f"c{n}"} for n in range(3)]
            )
            plan(exchange, "BR", fate)
            amended = await client.amend_batch([{"order": o, "qty": "0.02"} for o in placed])
            plan(exchange, "BC", fate)
            cancelled = await client.cancel_batch(placed)

        assert [o.cid for o in exchange.orders.values()] == ["c0", "c1", "c2"]
        assert [o.status for o in placed] == ["resting"] * 3
        assert [(o.oid, o.qty) for o in amended] == [(o.oid, D("0.02")) for o in placed]
        assert [(o.oid, o.status) for o in cancelled] == [(o.oid, "cancelled") for o in placed]

    run(test)


def test_a_cancel_all_is_asked_again(run):
    async def test(exchange):
        async with Client(exchange.url, token=mint(1)) as client:
            await client.place("BTC-PERP", "buy", "50000", "0.01")
            plan(exchange, "CA", "drop")
            assert await client.cancel_all() == 1
            assert client.open_orders == {}

    run(test)


def test_a_connection_that_can_not_be_guarded_is_tried_again(run):
    async def test(exchange):
        async with Client(exchange.url, token=mint(1), cancel_on_disconnect=True) as client:
            refusals = []

            def refuse(user, key, fields):
                if key == "CD" and len(refusals) < 2:
                    work = exchange.tell(user, "E", [1006, "too many requests", None, None, None])
                    refusals.append(asyncio.ensure_future(work))
                    return "ignore"
                return None

            exchange.on_frame = refuse
            exchange.cut_all()
            await up_to_resumed(client)
            assert len(refusals) == 2 and len(exchange.guarded) == 1

    run(test)


@pytest.mark.parametrize("seed", range(6))
def test_under_random_cuts_orders_triggers_and_amendments_end_up_as_the_exchange_has_them(
    run, seed
):
    async def test(exchange):
        rng = random.Random(seed)
        fates = ["drop", "handle, drop", "cut all", None, None, None, None, None]

        def misfortune(user, key, fields):
            if user != 1 or key not in ("N", "TN", "C", "R", "BN", "BC", "BR", "O", "FL"):
                return None
            fate = rng.choice(fates)
            if fate == "cut all":
                exchange.cut_all()
                return None
            return fate

        events: list = []
        async with Client(exchange.url, token=mint(1)) as client:
            reading = asyncio.create_task(_read(client, events))
            exchange.on_frame = misfortune
            await _trade_at_random(exchange, client, rng)
            exchange.on_frame = lambda *_: None
            await client.place("ETH-PERP", "buy", "1", "1", cid="last")
            await until(lambda: any(u == [("last", "resting")] for u in map(updates_of, events)))
            reading.cancel()
            known = dict(client.open_orders)

        _check_against_truth(exchange, events, known)

    run(test)


async def _read(client, events):
    async for event in client.events():
        events.append(event)


async def _trade_at_random(exchange, client, rng):
    """Orders, stops, batches, amendments, cancels; trades and prices of somebody else."""
    numbers = itertools.count()

    def terms():
        price = 50000 + rng.randrange(-3, 4)
        return {"symbol": "BTC-PERP", "side": rng.choice(["buy", "sell"]), "price": price,
                "qty": "0.01", "cid": f"a{next(numbers)}"}  # fmt: skip

    async def stop():
        side, away = rng.choice([("sell", -1), ("buy", 1)])
        price = exchange.markets[1].mark // 100 + away * rng.randrange(2, 6)
        try:
            await client.place_stop("BTC-PERP", side, "0.01", price, cid=f"s{next(numbers)}")
        except OrderRejected as error:
            assert error.name == "TRIGGER_WRONG_SIDE"

    async def amend(order):
        changes = {"qty": rng.choice(["0.004", "0.01", "0.02"]), "price": 50000 + rng.randrange(7)}
        key = rng.choice(sorted(changes))
        try:
            await client.amend(order.oid, **{key: changes[key]}, symbol=order.symbol)
        except RequestRefused as error:
            assert error.name in ("ORDER_DONE", "TRIGGER_NOT_AMENDED")

    async def cancel(order):
        try:
            await client.cancel(order.oid)
        except RequestRefused as error:
            assert error.name in ("ORDER_DONE", "ORDER_NOT_FOUND")

    async def move():
        await exchange.price(1, 5_000_000 + 100 * rng.randrange(-5, 6))

    for _ in range(15):
        work = [client.place(**terms()), client.place_batch([terms(), terms()]), stop(), move()]
        orders = list(client.open_orders.values())
        rng.shuffle(orders)
        work += [amend(order) for order in orders[:2]] + [cancel(order) for order in orders[2:4]]
        px = 5_000_000 + 100 * rng.randrange(-3, 4)
        work.append(exchange.place(9, 1, rng.randrange(2), px, 5000, f"o{next(numbers)}", 1))
        await asyncio.gather(*work)


def _check_against_truth(exchange, events, known):
    mine = [o for o in exchange.orders.values() if o.user == 1]
    assert len({o.cid for o in mine}) == len(mine), "an order was placed twice"
    told = [(f.seq, f.oid) for f in fills(events)]
    assert len(set(told)) == len(told)
    assert sorted(told) == sorted((row[-1], row[0]) for row in exchange.fills.get(1, []))
    ends = [e.order for e in events if isinstance(e, OrderUpdate) and not e.order.is_open]
    assert sorted(o.oid for o in ends) == sorted(
        o.oid for o in mine if o.status in (FILLED, CANCELLED, REJECTED)
    )
    assert set(known) == {o.oid for o in mine if o.is_open}
    for order in mine:
        ours = [e for e in events if _oid(e) == order.oid]
        last = next(e.order for e in reversed(ours) if isinstance(e, OrderUpdate))
        state = known.get(order.oid, last)
        assert (state.qty, state.filled, state.remaining) == tuple(
            D(n).scaleb(-6) for n in (order.qty, order.filled, order.left)
        )
        assert state.price * 100 == order.px
        assert sum(f.qty for f in fills(ours)) * 10**6 == order.filled
        if order.status == OPEN:
            assert state.status == "resting"
        elif not order.is_open:
            assert isinstance(ours[-1], OrderUpdate) and not ours[-1].order.is_open


def _oid(event):
    if isinstance(event, OrderUpdate):
        return event.order.oid
    return event.oid if isinstance(event, Fill) else None
