"""Lost connections: CL-30 .. CL-40. The fake exchange cuts them at chosen points."""

from __future__ import annotations

import asyncio
import gc
import itertools
import random
from decimal import Decimal as D

import pytest
from client.fake_server import CANCELLED, FILLED, OPEN, REJECTED, FakeExchange, mint
from client.fake_server import _row as _row_of
from client.helpers import collect, fills, until, up_to_resumed, updates

from rsx.client import (
    AuthenticationFailed,
    Client,
    Disconnected,
    FateUnknown,
    Fill,
    NotConnected,
    OrderUpdate,
    RequestRefused,
    Resumed,
)
from rsx.client.reconcile import missed_fills
from rsx.client.transport import Backoff


def plan(exchange: FakeExchange, key: str, *steps: str | None) -> None:
    """What becomes of the next frames of a key; later ones are handled."""
    left = list(steps)
    exchange.on_frame = lambda user, k, fields: left.pop(0) if k == key and left else None


def placed(exchange: FakeExchange, user: int = 1) -> list:
    return [o for o in exchange.orders.values() if o.user == user]


@pytest.mark.parametrize("fate", ["drop", "handle, drop"])
def test_a_place_whose_answer_is_lost_happens_once(run, fate):
    async def test(exchange):
        async with Client(exchange.url, token=mint(1)) as client:
            plan(exchange, "N", fate)
            order = await client.place("BTC-PERP", "buy", "50000", "0.01", cid="a", post_only=True)
            events = await up_to_resumed(client)
            events += await collect(client, lambda e: True) if fate == "drop" else []

        assert [o.cid for o in placed(exchange)] == ["a"]
        assert (order.status, order.cid, order.post_only) == ("resting", "a", True)
        assert updates(events) == [("a", "resting")]
        assert [e.resent for e in events if isinstance(e, Resumed)] == [int(fate == "drop")]

    run(test)


@pytest.mark.parametrize("fate", ["drop", "handle, drop"])
def test_an_ioc_whose_answer_is_lost_trades_once(run, fate):
    async def test(exchange):
        await exchange.place(9, 1, 1, 5_000_000, 6000, "m1")
        async with Client(exchange.url, token=mint(1)) as client:
            plan(exchange, "N", fate)
            order = await client.place("BTC-PERP", "buy", "50000", "0.004", tif="IOC", cid="a")
            events = await collect(client, lambda e: isinstance(e, OrderUpdate))

        assert (order.status, order.filled, order.tif) == ("filled", D("0.004"), "IOC")
        told = [e for e in events if not isinstance(e, (Disconnected, Resumed))]
        assert [type(e) for e in told] == [Fill, OrderUpdate]
        assert len(exchange.fills[1]) == 1

    run(test)


def test_a_rejection_whose_answer_is_lost_is_still_a_rejection(run):
    async def test(exchange):
        from rsx.client import OrderRejected

        await exchange.place(9, 1, 1, 5_000_000, 6000, "m1")
        async with Client(exchange.url, token=mint(1)) as client:
            plan(exchange, "N", "handle, drop")
            with pytest.raises(OrderRejected, match="POST_ONLY_WOULD_CROSS"):
                await client.place("BTC-PERP", "buy", "50000", "0.004", post_only=True)

    run(test)


def test_a_first_copy_that_arrives_after_all_does_not_trade_twice(run):
    async def test(exchange):
        async with Client(exchange.url, token=mint(1)) as client:
            copies = []

            def late(user, key, fields):
                if key != "N":
                    return None
                copies.append(fields)
                return "drop" if len(copies) == 1 else "ignore"

            exchange.on_frame = late
            placing = asyncio.create_task(client.place("BTC-PERP", "buy", "50000", "0.01", cid="a"))
            await until(lambda: len(copies) == 2)
            # The exchange reads the first copy only now, and then the second.
            first = await exchange.place(1, *copies[0])
            await exchange.place(1, *copies[1])
            order = await placing
            exchange.on_frame = lambda *_: None
            await client.place("BTC-PERP", "buy", "1", "0.01", cid="b")
            events = await collect(client, lambda e: updates([e]) == [("b", "resting")])

        assert order.oid == first.oid and order.status == "resting"
        assert updates(events) == [("a", "resting"), ("b", "resting")]

    run(test)


def test_a_rejected_second_copy_leads_to_the_order_that_lives(run):
    async def test(exchange):
        async with Client(exchange.url, token=mint(1)) as client:
            copies = []

            def unseen_by_events(user, key, fields):
                if key != "N":
                    return None
                copies.append(fields)
                if len(copies) == 1:
                    return "drop"
                exchange.muted.add(1)
                return None

            exchange.on_frame = unseen_by_events
            placing = asyncio.create_task(client.place("BTC-PERP", "buy", "50000", "0.01", cid="a"))
            await until(lambda: placed(exchange))
            # The answer to the first copy got lost; the second is rejected as a duplicate.
            exchange.muted.clear()
            await exchange.place(1, *copies[1])
            order = await placing

        assert order.status == "resting" and [o.status for o in placed(exchange)] == [OPEN]

    run(test)


@pytest.mark.parametrize(("sold", "status"), [(10_000, "filled"), (4000, "cancelled")])
def test_an_order_that_the_restarted_exchange_forgot_is_settled_by_its_fills(run, sold, status):
    async def test(exchange):
        await exchange.place(9, 1, 1, 5_000_000, sold, "m")
        async with Client(exchange.url, token=mint(1)) as client:

            def forget(user, key, fields):
                if key != "N" or exchange.forgotten:
                    return None
                exchange.forgotten.add(max(exchange.orders) + 1)
                return "handle, drop"

            exchange.on_frame = forget
            order = await client.place("BTC-PERP", "buy", "50000", "0.01", tif="IOC", cid="a")
            await client.place("BTC-PERP", "buy", "1", "0.01", cid="b")
            events = await collect(client, lambda e: updates([e]) == [("b", "resting")])

        assert (order.status, order.filled) == (status, D(sold).scaleb(-6))
        assert order.oid in exchange.forgotten and order.remaining == order.qty - order.filled
        assert updates(events) == [("a", status), ("b", "resting")]
        assert [f.oid for f in fills(events)] == [order.oid]

    run(test)


def test_a_pending_order_in_the_list_is_waited_for(run):
    async def test(exchange):
        async with Client(exchange.url, token=mint(1)) as client:
            plan(exchange, "N", "handle, drop")
            listed = exchange._handle

            async def as_pending(ws, user, key, fields):
                if key != "O":
                    return await listed(ws, user, key, fields)
                rows = [[*_row_of(o)[:7], 4, *_row_of(o)[8:]] for o in placed(exchange)]
                await exchange._send(ws, "O", rows)
                for o in placed(exchange):
                    await exchange.update(o)

            exchange._handle = as_pending
            order = await client.place("BTC-PERP", "buy", "50000", "0.01", cid="a")
            events = await collect(client, lambda e: bool(updates([e])))

        assert order.status == "resting" and updates(events) == [("a", "resting")]

    run(test)


def test_a_cut_of_a_resting_order_is_an_update(run):
    async def test(exchange):
        async with Client(exchange.url, token=mint(1)) as client:
            order = await client.place("BTC-PERP", "buy", "50000", "0.01", cid="a")
            cut = [order.oid, 1, 0, 6000, 3103, "a", 1, 0, 5_000_000, 10_000, 5, 90, 0]
            await exchange.tell(1, "U", cut)
            await exchange.tell(1, "U", cut)
            row = [order.oid, 1, 0, 5_000_000, 1000, 0, 1, 5000, "a", 5, 91]
            await exchange.tell(1, "F", row)
            events = await collect(client, lambda e: isinstance(e, Fill))
            known = client.open_orders[order.oid]

        assert updates(events) == [("a", "resting"), ("a", "resting")]
        assert events[1].order.reason == "REDUCE_ONLY_EXCESS"
        assert (known.filled, known.remaining) == (D("0.001"), D("0.005"))

    run(test)


@pytest.mark.parametrize("fate", ["drop", "handle, drop"])
@pytest.mark.parametrize("by", ["oid", "cid"])
def test_a_cancel_whose_answer_is_lost_is_settled(run, fate, by):
    async def test(exchange):
        async with Client(exchange.url, token=mint(1)) as client:
            order = await client.place("BTC-PERP", "buy", "50000", "0.01")
            plan(exchange, "C", fate)
            ended = await client.cancel(getattr(order, by))
            events = await collect(client, lambda e: updates([e]) == [(order.cid, "cancelled")])

        assert (ended.oid, ended.status, ended.reason) == (order.oid, "cancelled", "USER_CANCEL")
        assert updates(events) == [(order.cid, "resting"), (order.cid, "cancelled")]

    run(test)


def test_a_question_is_asked_again(run):
    async def test(exchange):
        async with Client(exchange.url, token=mint(1)) as client:
            plan(exchange, "A", "drop", "drop")
            assert (await client.account()).collateral == 0
            assert client.reconnections == 2

    run(test)


def test_a_farewell_of_the_exchange_is_no_answer_to_what_waits(run):
    async def test(exchange):
        async with Client(exchange.url, token=mint(1)) as client:
            plan(exchange, "A", "ignore")
            asking = asyncio.create_task(client.account())
            await until(lambda: exchange.frames[-1][1] == "A")
            await exchange.tell(1, "E", [9002, "the exchange is stopping", None, None, None])
            await exchange.restart()
            assert (await asking).collateral == 0

    run(test)


def test_fills_during_an_outage_come_once_in_order_before_resumed(run):
    async def test(exchange):
        async with Client(exchange.url, token=mint(1)) as client:
            for number in range(3):
                await client.place("BTC-PERP", "buy", 50000 - number, "0.01", cid=f"c{number}")
            await exchange.place(9, 1, 1, 4_999_900, 4000, "t0", 1)
            await until(lambda: client.open_orders and len(fills_known(client)) == 1)
            exchange.muted.add(1)
            await exchange.place(9, 1, 1, 4_999_900, 11_000, "t1", 1)
            exchange.cut_all()
            await exchange.place(9, 1, 1, 4_999_800, 6000, "t2", 1)
            exchange.muted.clear()
            events = await up_to_resumed(client)
            await exchange.place(9, 1, 1, 4_999_000, 9000, "t3", 1)
            events += await collect(client, lambda e: updates([e]) == [("c2", "filled")])

        truth = [(row[0], row[-1]) for row in exchange.fills[1]]
        assert [(f.oid, f.seq) for f in fills(events)] == truth
        kinds = [type(e).__name__ for e in events]
        resumed = next(e for e in events if isinstance(e, Resumed))
        assert (resumed.fills, resumed.updates, resumed.complete) == (4, 2, True)
        assert kinds.index("Disconnected") < kinds.index("Resumed")
        assert updates(events) == [
            ("c0", "resting"), ("c1", "resting"), ("c2", "resting"),
            ("c0", "filled"), ("c1", "filled"), ("c2", "filled"),
        ]  # fmt: skip

    run(test)


def fills_known(client: Client):
    return client._private.memory._fills


def test_an_exchange_that_forgot_the_ended_order_is_believed_by_its_fills(run):
    async def test(exchange):
        async with Client(exchange.url, token=mint(1)) as client:
            filled = await client.place("BTC-PERP", "buy", "50000", "0.01", cid="f")
            gone = await client.place("BTC-PERP", "buy", "49999", "0.01", cid="g")
            exchange.muted.add(1)
            await exchange.place(9, 1, 1, 5_000_000, 10_000, "t", 1)
            await exchange.cancel(1, gone.oid)
            exchange.forgotten |= {filled.oid, gone.oid}
            exchange.cut_all()
            exchange.muted.clear()
            events = await up_to_resumed(client)

        ends = {e.order.cid: e.order for e in events if isinstance(e, OrderUpdate)}
        assert (ends["f"].status, ends["f"].filled) == ("filled", D("0.01"))
        assert (ends["g"].status, ends["g"].reason) == ("cancelled", "UNKNOWN")
        assert client.open_orders == {}

    run(test)


def test_what_other_connections_did_meanwhile_is_told(run):
    async def test(exchange):
        async with Client(exchange.url, token=mint(1)) as client:
            await client.place("BTC-PERP", "buy", "100", "0.01", cid="mine")
            await client.cancel("mine")
            await collect(client, lambda e: updates([e]) == [("mine", "cancelled")])
            exchange.muted.add(1)
            await exchange.place(1, 1, 0, 5_000_000, 10_000, "stays")
            await exchange.place(1, 2, 1, 300_000, 10_000, "traded")
            await exchange.place(9, 2, 0, 300_000, 10_000, "t", 1)
            exchange.cut_all()
            exchange.muted.clear()
            events = await up_to_resumed(client)

        assert updates(events) == [("traded", "filled"), ("stays", "resting")]
        assert [f.cid for f in fills(events)] == ["traded"]

    run(test)


def test_more_missed_fills_than_a_page_are_all_recovered(run):
    async def test(exchange):
        async with Client(exchange.url, token=mint(1)) as client:
            await client.place("BTC-PERP", "buy", "50000", "1", cid="big")
            await exchange.place(9, 1, 1, 5_000_000, 100, "t", 1)
            await until(lambda: fills_known(client))
            exchange.muted.add(1)
            for number in range(700):
                # Every third is a trade with oneself: two rows of one seq.
                await exchange.place(9 if number % 3 else 1, 1, 1, 5_000_000, 100, f"t{number}", 1)
            exchange.cut_all()
            exchange.history_max = 2000
            exchange.muted.clear()
            events = await up_to_resumed(client)

        truth = sorted((row[-1], row[0]) for row in exchange.fills[1])
        assert sorted((f.seq, f.oid) for f in fills(events)) == truth
        assert events[-1].complete and len(truth) > 900

    run(test)


@pytest.mark.parametrize("size", [3, 4, 7, 50])
@pytest.mark.parametrize("known", [0, 1, 11, 20])
def test_pages_that_end_inside_a_trade_with_oneself_lose_nothing(size, known):
    history = [(seq, oid) for seq in range(1, 21) for oid in ((1, 2) if seq % 2 else (1,))][::-1]

    async def page(before):
        rows = [(seq, oid) for seq, oid in history if not before or seq < before][:size]
        return [
            Fill(oid=oid, cid="", symbol="BTC-PERP", side="buy", price=D(1), qty=D(1), fee=D(0),
                 maker=True, ts_ns=seq, seq=seq)
            for seq, oid in rows
        ]  # fmt: skip

    found, complete = asyncio.run(missed_fills(page, known))

    assert complete
    keys = [(f.seq, f.oid) for f in found]
    due = [key for key in history[::-1] if key[0] >= known]
    assert [key for key in keys if key[0] >= known] == due


def test_a_history_that_does_not_reach_back_is_said_to_be_incomplete(run):
    async def test(exchange):
        exchange.history_max = 5
        async with Client(exchange.url, token=mint(1)) as client:
            await client.place("BTC-PERP", "buy", "50000", "1", cid="big")
            await exchange.place(9, 1, 1, 5_000_000, 100, "t", 1)
            await until(lambda: fills_known(client))
            exchange.muted.add(1)
            for number in range(9):
                await exchange.place(9, 1, 1, 5_000_000, 100, f"t{number}", 1)
            exchange.cut_all()
            exchange.muted.clear()
            events = await up_to_resumed(client)

        assert len(fills(events)) == 6 and events[-1].complete is False

    run(test)


def test_a_restart_of_the_exchange_is_said(run):
    async def test(exchange):
        async with Client(exchange.url, token=mint(1)) as client:
            order = await client.place("BTC-PERP", "buy", "50000", "1")
            await exchange.restart()
            events = await up_to_resumed(client)
            assert events[-1].restarted and events[-1].updates == 0
            assert (await client.cancel(order.oid)).status == "cancelled"

    run(test)


def test_a_loss_during_reconciliation_starts_it_over(run):
    async def test(exchange):
        async with Client(exchange.url, token=mint(1)) as client:
            await client.place("BTC-PERP", "buy", "50000", "0.01", cid="a")
            exchange.muted.add(1)
            await exchange.place(9, 1, 1, 5_000_000, 4000, "t", 1)
            exchange.muted.clear()
            left = ["O", "FL", "FL"]

            def cut(user, key, fields):
                if left and key == left[0]:
                    left.pop(0)
                    return "drop"
                return None

            exchange.on_frame = cut
            exchange.cut_all()
            events = await up_to_resumed(client)

        assert not left
        assert [type(e).__name__ for e in events] == [
            "OrderUpdate", "Disconnected", "Fill", "Resumed",
        ]  # fmt: skip

    run(test)


def test_live_events_during_reconciliation_follow_it_without_repetition(run):
    async def test(exchange):
        async with Client(exchange.url, token=mint(1)) as client:
            await client.place("BTC-PERP", "buy", "50000", "0.01", cid="a")
            trades = []

            def trade_meanwhile(user, key, fields):
                if key in ("O", "FL") and user == 1:
                    work = exchange.place(9, 1, 1, 5_000_000, 2000, f"t{len(trades)}", 1)
                    trades.append(asyncio.ensure_future(work))
                return None

            exchange.on_frame = trade_meanwhile
            exchange.muted.add(1)
            await exchange.place(9, 1, 1, 5_000_000, 1000, "missed", 1)
            exchange.cut_all()
            exchange.muted.clear()
            events = await up_to_resumed(client)
            await until(lambda: len(trades) >= 2)
            await asyncio.gather(*trades)
            exchange.on_frame = lambda *_: None
            await client.cancel("a")
            events += await collect(client, lambda e: updates([e]) == [("a", "cancelled")])

        assert [f.seq for f in fills(events)] == [row[-1] for row in exchange.fills[1]]

    run(test)


def test_requests_wait_for_the_connection_and_say_when_none_came(run):
    async def test(exchange):
        async with Client(exchange.url, token=mint(1)) as client:
            await exchange.stop()
            await collect(client, lambda e: isinstance(e, Disconnected))
            with pytest.raises(NotConnected, match="nothing was sent"):
                await client.place("BTC-PERP", "buy", "50000", "0.01", timeout=0.05)
            with pytest.raises(NotConnected, match="nothing was sent"):
                await client.cancel(5, timeout=0.05)
            waiting = asyncio.create_task(client.place("BTC-PERP", "buy", "50000", "0.01"))
            await asyncio.sleep(0)
            await exchange.start()
            assert (await waiting).status == "resting"

    run(test)


def test_a_deadline_that_passes_in_an_outage_leaves_the_fate_unknown(run):
    async def test(exchange):
        async with Client(exchange.url, token=mint(1)) as client:
            plan(exchange, "N", "ignore")
            placing = asyncio.create_task(
                client.place("BTC-PERP", "buy", "50000", "0.01", cid="a", timeout=0.1)
            )
            await until(lambda: any(f[1] == "N" for f in exchange.frames))
            await exchange.stop()
            with pytest.raises(FateUnknown):
                await placing
            await exchange.start()
            await up_to_resumed(client)
            with pytest.raises(RequestRefused, match="NOT_FOUND"):
                await client.order(cid="a")
            assert placed(exchange) == []

    run(test)


def test_attempts_can_be_bounded(run):
    async def test(exchange):
        async with Client(exchange.url, token=mint(1), reconnect_attempts=3) as client:
            await exchange.stop()
            with pytest.raises(NotConnected, match="gave up after 3 attempts"):
                await up_to_resumed(client)
            with pytest.raises(NotConnected):
                await client.account()

    run(test)


def test_giving_up_leaves_no_answer_that_nobody_took(run):
    """A request that waits for a connection is told once; the loop has nothing to report."""

    async def give_up(exchange):
        async with Client(exchange.url, token=mint(1), reconnect_attempts=1) as client:
            await exchange.stop()
            await anext(client.events())  # the connection is lost, the attempt not made yet
            with pytest.raises(NotConnected, match="gave up after 1 attempts"):
                await client.place("BTC-PERP", "buy", "50000", "0.01")

    async def test(exchange):
        reported = []
        asyncio.get_running_loop().set_exception_handler(lambda _, what: reported.append(what))
        await give_up(exchange)
        gc.collect()
        assert not reported

    run(test)


def test_a_fixed_token_that_is_refused_ends_the_client(run):
    async def test(exchange):
        async with Client(exchange.url, token=mint(1)) as client:
            exchange._user = lambda request: (None, None)
            exchange.cut_all()
            with pytest.raises(AuthenticationFailed):
                await up_to_resumed(client)
            with pytest.raises(AuthenticationFailed):
                await client.place("BTC-PERP", "buy", "1", "1")

    run(test)


@pytest.mark.parametrize("kind", ["plain", "async"])
def test_a_fresh_token_is_asked_for_at_each_connection(run, kind):
    async def test(exchange):
        tokens = iter([mint(1), mint(1), "stale", mint(1), mint(1), mint(1)])

        async def later():
            return next(tokens)

        token = later if kind == "async" else (lambda: next(tokens))
        async with Client(exchange.url, token=token) as client:
            for _ in range(2):
                exchange.cut_all()
                await up_to_resumed(client)

    run(test)


def test_backoff_doubles_up_to_its_bound_with_jitter():
    backoff = Backoff(0.1, 10.0, random.Random(1))
    waits = [backoff.next() for _ in range(2000)]
    for number, wait in enumerate(waits):
        full = min(10.0, 0.1 * 2.0 ** min(number, 60))
        assert full / 2 <= wait <= full
    assert len(set(waits[20:])) > 1900
    backoff.reset()
    assert backoff.next() <= 0.1


@pytest.mark.parametrize("seed", range(6))
def test_under_random_cuts_every_event_comes_once_and_every_order_is_placed_once(run, seed):
    async def test(exchange):
        rng = random.Random(seed)
        fates = ["drop", "handle, drop", "cut all", None, None, None, None, None]

        def misfortune(user, key, fields):
            if user != 1 or key not in ("N", "C", "O", "FL"):
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
            results = await _trade_at_random(exchange, client, rng)
            exchange.on_frame = lambda *_: None
            await client.place("ETH-PERP", "buy", "1", "1", cid="last")
            await until(lambda: any(u == [("last", "resting")] for u in map(updates_of, events)))
            reading.cancel()

        _check_against_truth(exchange, events, results)

    run(test)


def updates_of(event):
    return updates([event])


async def _read(client, events):
    async for event in client.events():
        events.append(event)


async def _trade_at_random(exchange, client, rng):
    """Sixty random actions: orders, cancels, and trades of somebody else against them."""
    numbers = itertools.count()
    results: dict[str, object] = {}

    async def place(cid):
        side = rng.choice(["buy", "sell"])
        price = 50000 + rng.randrange(-3, 4)
        tif = rng.choice(["GTC", "GTC", "IOC"])
        results[cid] = await client.place("BTC-PERP", side, price, "0.01", tif=tif, cid=cid)

    async def cancel(order):
        try:
            await client.cancel(order.oid)
        except RequestRefused as error:
            assert error.name == "ORDER_NOT_OPEN"

    for _ in range(15):
        work = [place(f"a{next(numbers)}") for _ in range(2)]
        if client.open_orders:
            work.append(cancel(rng.choice(list(client.open_orders.values()))))
        px = 5_000_000 + 100 * rng.randrange(-3, 4)
        work.append(exchange.place(9, 1, rng.randrange(2), px, 5000, f"o{next(numbers)}", 1))
        await asyncio.gather(*work)
    return results


def _check_against_truth(exchange, events, results):
    mine = [o for o in placed(exchange) if o.cid != "last"]
    assert sorted(o.cid for o in mine) == sorted(results), "an order was placed twice or not at all"
    names = {FILLED: "filled", CANCELLED: "cancelled", REJECTED: "rejected", OPEN: "resting"}
    told = [(f.seq, f.oid) for f in fills(events)]
    assert sorted(told) == sorted((row[-1], row[0]) for row in exchange.fills.get(1, []))
    assert [seq for seq, _ in told] == sorted(seq for seq, _ in told), "fills out of order"
    ends = [e.order for e in events if isinstance(e, OrderUpdate) and not e.order.is_open]
    assert sorted(o.oid for o in ends) == sorted(o.oid for o in mine if o.status != OPEN)
    for order in mine:
        ours = [e for e in events if _oid(e) == order.oid]
        last = [e.order for e in ours if isinstance(e, OrderUpdate)]
        assert last and last[-1].status == names[order.status]
        assert sum(f.qty for f in fills(ours)) * 10**6 == order.filled
        if order.status != OPEN:
            assert ours[-1] is next(e for e in ours if updates([e]) and not e.order.is_open)
            assert last[-1].filled * 10**6 == order.filled
    order_of = [e for e in events if isinstance(e, (Disconnected, Resumed))]
    assert all(isinstance(e, Resumed) == bool(number % 2) for number, e in enumerate(order_of)), (
        "outages and resumptions do not alternate"
    )


def _oid(event):
    if isinstance(event, OrderUpdate):
        return event.order.oid
    return event.oid if isinstance(event, Fill) else None
