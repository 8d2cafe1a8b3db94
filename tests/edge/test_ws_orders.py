"""Triggers, amendments, batches, cancel-alls, settings and queues over real connections."""

import asyncio
from typing import Any

import aiohttp
import orjson
import pytest
from edge.fakes import START_NS, Socket, World, on_loop, until

from rsx.errors import Reason, RequestError
from rsx.records import OrderFlag

BUY = [1, 0, 5000000, 10000, "b", 0]
STOP = [1, 2, 1, 10000, 4500000, 0, "st-1", None, 1]
NOW_S = START_NS // 10**9


def item(cid: str, px: int = 5000000) -> list[Any]:
    return [1, 0, px, 10000, cid, 0]


async def take(socket: Socket, count: int) -> list[tuple[str, list[Any]]]:
    return [await socket.take() for _ in range(count)]


# --- the examples of the page ---------------------------------------------------------------


@on_loop
async def test_the_examples_of_triggers_amendments_and_batches() -> None:
    """W-75, W-17, W-18."""
    async with World() as world:
        socket = await world.open()
        key, placed = await socket.ask({"TN": STOP})
        oid = placed[0]
        head = [oid, 5, 0, 10000, 0, "st-1", 1, 1, 0, 10000]
        assert (key, placed[:10], placed[12:]) == ("U", head, [0, 0, 2, 4500000])

        world.engine.fired(world.engine.last("TRIGGER_REQUEST"), 4499000)
        world.step()
        world.gateway.sessions.flush()
        key, fired = await socket.take()
        assert (key, fired[1], fired[12:]) == ("U", 4, [0, 0, 2, 4500000, 4499000])

        _, rested = await socket.ask({"N": [*item("my-1")]})
        key, amended = await socket.ask({"R": ["my-1", None, 6000]})
        assert (key, amended[:6]) == ("U", [rested[0], 1, 0, 6000, 0, "my-1"])
        assert amended[6:10] == [1, 0, 5000000, 6000]
        assert amended[12:] == [0, 2]
        _, amended = await socket.ask({"R": [rested[0], 4999990]})
        assert (amended[8:10], amended[12:]) == ([4999990, 6000], [0, 1])

        await socket.send({"BN": [item("b-1"), item("b-2", 5000001)]})
        answers = dict(await take(socket, 2))
        assert answers["U"][5] == "b-1"
        assert answers["E"][0] == Reason.PRICE_OFF_TICK
        assert answers["E"][2:] == ["px", 5000001, "b-2", 1]


@on_loop
async def test_what_is_open_is_listed_with_its_terms() -> None:
    async with World() as world:
        socket = await world.open()
        options = {"expire_s": NOW_S + 9, "stp": 2, "reprice": 1}
        await socket.ask({"N": [*item("g")[:5], 3, 0, 1, options]})
        trail = {"trail_ppm": 500, "last": True, "stp": 0}
        await socket.ask({"TN": [1, 6, 0, 10000, 0, 0, "t", 2, 1, trail]})

        _, rows = await socket.ask({"O": []})

        assert [row[7:12] for row in rows] == [[1, 3, 0, 1, START_NS], [5, 2, 1, 0, START_NS]]
        assert [row[13:] for row in rows] == [
            [0, 2, NOW_S + 9, 0, 0, 0, 0, 0, 1, 0, None], [6, 0, 0, 0, 0, 0, 500, 1, 0, 0, None],
        ]  # fmt: skip
        limit, trigger = world.engine.requests
        assert (limit.flags, trigger.flags) == (
            OrderFlag.POST_ONLY | OrderFlag.REPRICE, OrderFlag.REDUCE_ONLY | OrderFlag.LAST_PRICE,
        )  # fmt: skip
        assert (trigger.stp, trigger.trail_ppm, trigger.expire_s) == (0, 500, 0)


@on_loop
async def test_a_market_order_takes_no_price_and_is_ioc_by_default() -> None:
    async with World() as world:
        world.engine.auto = False
        socket = await world.open()

        await socket.send({"N": [1, 0, 0, 10000, "m", None, 0, 0, {"kind": 1}]})
        await until(lambda: world.engine.received(1))

        order = world.engine.requests[0]
        assert (order.kind, order.px, order.tif, order.stp) == (1, 0, 1, 4)


# --- what is refused ------------------------------------------------------------------------

GTD = [*BUY[:5], 3]


def options(**named: Any) -> list[Any]:
    return [*BUY, 0, 0, named]


def stop(**changed: Any) -> list[Any]:
    names = ("sym", "kind", "side", "qty", "trigger_px", "px", "cid", "tif", "reduce_only")
    values = dict(zip(names, STOP, strict=True)) | {"options": {}}
    return list((values | changed).values())


REFUSED = [
    # options and kinds of N
    ({"N": [*BUY, 0, 0, 5]}, Reason.INVALID_VALUE, "options", 5, "b"),
    ({"N": options(colour=1)}, Reason.MALFORMED, "colour", 1, "b"),
    ({"N": options(trail_px=1)}, Reason.MALFORMED, "trail_px", 1, "b"),
    ({"N": options(stp=4)}, Reason.INVALID_VALUE, "stp", 4, "b"),
    ({"N": options(stp=True)}, Reason.INVALID_VALUE, "stp", True, "b"),
    ({"N": options(reprice=2)}, Reason.INVALID_VALUE, "reprice", 2, "b"),
    ({"N": options(kind=2)}, Reason.INVALID_VALUE, "kind", 2, "b"),
    ({"N": options(kind=1)}, Reason.PRICE_OUT_OF_RANGE, "px", 5000000, "b"),
    ({"N": options(reprice=1)}, Reason.FLAGS_CONTRADICT, "reprice", 1, "b"),
    ({"N": [1, 0, 0, 10000, "b", 0, 0, 0, {"kind": 1}]}, Reason.FLAGS_CONTRADICT, "tif", 0, "b"),
    ({"N": [1, 0, 0, 100, "b", 1, 0, 1, {"kind": 1}]}, Reason.FLAGS_CONTRADICT, "post_only", 1,
     "b"),
    # expiry (1026)
    ({"N": GTD}, Reason.EXPIRY_INVALID, "expire_s", 0, "b"),
    ({"N": [*GTD, 0, 0, {"expire_s": NOW_S}]}, Reason.EXPIRY_INVALID, "expire_s", NOW_S, "b"),
    ({"N": [*GTD, 0, 0, {"expire_s": 2**32}]}, Reason.EXPIRY_INVALID, "expire_s", 2**32, "b"),
    ({"N": options(expire_s=NOW_S + 5)}, Reason.EXPIRY_INVALID, "expire_s", NOW_S + 5, "b"),
    # least notional (3009): 0.0001 BTC at 49 999.90 is under 5; reduce-only passes
    ({"N": [1, 0, 4999990, 100, "b", 0]}, Reason.NOTIONAL_TOO_SMALL, "qty", 100, "b"),
    # triggers
    ({"TN": STOP[:7]}, Reason.MALFORMED, "TN", orjson.dumps(STOP[:7]).decode(), "st-1"),
    ({"TN": stop(kind=1)}, Reason.INVALID_VALUE, "kind", 1, "st-1"),
    ({"TN": stop(kind="2")}, Reason.INVALID_VALUE, "kind", "2", "st-1"),
    ({"TN": stop(sym=9)}, Reason.UNKNOWN_SYMBOL, "sym", 9, "st-1"),
    ({"TN": stop(side=2)}, Reason.INVALID_VALUE, "side", 2, "st-1"),
    ({"TN": stop(qty=0)}, Reason.QTY_OUT_OF_RANGE, "qty", 0, "st-1"),
    ({"TN": stop(trigger_px=0)}, Reason.PRICE_OUT_OF_RANGE, "trigger_px", 0, "st-1"),
    ({"TN": stop(trigger_px=4500001)}, Reason.PRICE_OFF_TICK, "trigger_px", 4500001, "st-1"),
    ({"TN": stop(px=10)}, Reason.TRIGGER_INVALID, "px", 10, "st-1"),
    ({"TN": stop(kind=3)}, Reason.PRICE_OUT_OF_RANGE, "px", 0, "st-1"),
    ({"TN": stop(kind=3, px=15)}, Reason.PRICE_OFF_TICK, "px", 15, "st-1"),
    ({"TN": stop(kind=3, px=10**8, qty=10**9)}, Reason.NOTIONAL_TOO_LARGE, "qty", 10**9, "st-1"),
    ({"TN": stop(tif=0)}, Reason.FLAGS_CONTRADICT, "tif", 0, "st-1"),
    ({"TN": stop(options={"post_only": 1})}, Reason.FLAGS_CONTRADICT, "post_only", 1, "st-1"),
    ({"TN": stop(options={"kind": 2})}, Reason.MALFORMED, "kind", 2, "st-1"),
    ({"TN": stop(options={"trail_px": 5})}, Reason.TRIGGER_INVALID, "trail_px", 5, "st-1"),
    ({"TN": stop(options={"trail_ppm": 5})}, Reason.TRIGGER_INVALID, "trail_ppm", 5, "st-1"),
    ({"TN": stop(kind=6)}, Reason.TRIGGER_INVALID, "trail_px", 0, "st-1"),
    ({"TN": stop(kind=6, options={"trail_px": 5, "trail_ppm": 5})}, Reason.TRIGGER_INVALID,
     "trail_px", 5, "st-1"),
    ({"TN": stop(kind=6, options={"trail_px": -5})}, Reason.TRIGGER_INVALID, "trail_px", -5,
     "st-1"),
    ({"TN": stop(kind=6, options={"trail_px": 10**8 + 1})}, Reason.TRIGGER_INVALID, "trail_px",
     10**8 + 1, "st-1"),
    ({"TN": stop(kind=6, options={"trail_ppm": 10**6})}, Reason.TRIGGER_INVALID, "trail_ppm", 10**6,
     "st-1"),
    ({"TN": stop(kind=3, px=10, tif=3)}, Reason.EXPIRY_INVALID, "expire_s", 0, "st-1"),
    ({"TN": stop(cid="é" * 19)}, Reason.CLIENT_ID_INVALID, "cid", "é" * 19, "é" * 19),
    # amendments
    ({"R": []}, Reason.MALFORMED, "R", "[]", None),
    ({"R": [True, 1]}, Reason.INVALID_VALUE, "id", True, None),
    ({"R": ["no", 10, 5]}, Reason.ORDER_NOT_FOUND, "id", "no", "no"),
    ({"R": ["no", 10, 5, 9]}, Reason.UNKNOWN_SYMBOL, "sym", 9, "no"),
    ({"R": ["no", 10, 5, 1]}, Reason.ORDER_NOT_OPEN, "id", "no", "no"),
    ({"R": [5, "10"]}, Reason.INVALID_VALUE, "px", "10", 5),
    ({"R": [5, 10, 1.5]}, Reason.INVALID_VALUE, "qty", 1.5, 5),
    # the rest
    ({"CA": [9]}, Reason.UNKNOWN_SYMBOL, "sym", 9, None),
    ({"CA": [0, 5]}, Reason.INVALID_VALUE, "side", 5, None),
    ({"CA": [0, 2, 4]}, Reason.INVALID_VALUE, "scope", 4, None),
    ({"CA": ["all"]}, Reason.INVALID_VALUE, "sym", "all", None),
    ({"CD": []}, Reason.MALFORMED, "CD", "[]", None),
    ({"CD": [2]}, Reason.INVALID_VALUE, "on", 2, None),
    ({"DM": []}, Reason.MALFORMED, "DM", "[]", None),
    ({"DM": [5]}, Reason.INVALID_VALUE, "timeout_ms", 5, None),
    ({"DM": [5000, 9]}, Reason.UNKNOWN_SYMBOL, "sym", 9, None),
    ({"AS": [4]}, Reason.INVALID_VALUE, "stp", 4, None),
    ({"AS": ["none"]}, Reason.INVALID_VALUE, "stp", "none", None),
    ({"Q": []}, Reason.MALFORMED, "Q", "[]", None),
    ({"Q": ["no"]}, Reason.ORDER_NOT_FOUND, "id", "no", "no"),
    ({"BN": []}, Reason.BATCH_TOO_LARGE, "BN", 0, None),
    ({"BN": [BUY] * 26}, Reason.BATCH_TOO_LARGE, "BN", 26, None),
    ({"BC": [["a"]] * 26}, Reason.BATCH_TOO_LARGE, "BC", 26, None),
    ({"DU": []}, Reason.UNEXPECTED_FRAME, "frame", "DU", None),
    ({"MO": []}, Reason.UNEXPECTED_FRAME, "frame", "MO", None),
]  # fmt: skip


@on_loop
async def test_each_bad_frame_is_refused_with_its_own_reason_and_value() -> None:
    """ "Bad input" of the book: a distinct reason each, and nothing is handed over."""
    async with World() as world:
        socket = await world.open()

        for frame, code, field, value, ref in REFUSED:
            fields = await socket.refused(frame)
            assert fields[0] == code, (frame, fields)
            assert fields[2:] == [field, value, ref], (frame, fields)

        assert world.engine.requests == []
        assert (await socket.ask({"N": [1, 0, 4999990, 100, "ro", 0, 1]}))[0] == "U"


def test_the_tick_is_that_of_the_row_a_price_falls_in() -> None:
    """PX-1, 1008 with the tick at that price."""
    from types import SimpleNamespace

    from rsx.config import SymbolConfig
    from rsx.edge.rules import check_price

    table = ((1000, 10), (5000, 50))
    rules: Any = SimpleNamespace(tick=1, tick_table=table, px_max=10**6)
    rules.tick_at = SymbolConfig.tick_at.__get__(rules)
    for px in (1, 999, 1000, 1010, 4990, 5000, 5050):
        check_price(rules, px)
    for px, tick in ((1001, 10), (4995, 10), (5010, 50)):
        with pytest.raises(RequestError) as caught:
            check_price(rules, px)
        assert caught.value.code == Reason.PRICE_OFF_TICK
        assert caught.value.message.endswith(f"{px} is not a multiple of {tick}")


# --- batches --------------------------------------------------------------------------------


@on_loop
async def test_items_of_a_batch_are_answered_each_on_its_own_and_in_order() -> None:
    """W-71."""
    async with World() as world:
        socket = await world.open()
        await socket.send({"BN": [item("a"), 7, item("c", 0), [*item("d"), 0, 0, {"x": 1}]]})
        errors = [f for k, f in await take(socket, 4) if k == "E"]
        assert [(e[0], e[2], e[4], e[5]) for e in errors] == [
            (Reason.MALFORMED, "BN", None, 1), (Reason.PRICE_OUT_OF_RANGE, "px", "c", 2),
            (Reason.MALFORMED, "x", "d", 3),
        ]  # fmt: skip

        await socket.send({"BR": [["a", None, 5000], ["a"], ["no", 10], "a"]})
        answers = await take(socket, 4)
        assert [f[9] for k, f in answers if k == "U"] == [5000]
        assert [(f[0], f[4], f[5]) for k, f in answers if k == "E"] == [
            (Reason.NOTHING_TO_AMEND, "a", 1), (Reason.ORDER_NOT_FOUND, "no", 2),
            (Reason.MALFORMED, None, 3),
        ]  # fmt: skip

        await socket.send({"BC": [["no"], ["a"], [12345, 1], ["a", 9]]})
        answers = await take(socket, 4)
        assert [f[1] for k, f in answers if k == "U"] == [2]
        assert sorted((f[5], f[0], f[4]) for k, f in answers if k == "E") == [
            (0, Reason.ORDER_NOT_FOUND, "no"), (2, Reason.ORDER_NOT_OPEN, 12345),
            (3, Reason.UNKNOWN_SYMBOL, "a"),
        ]  # fmt: skip


@on_loop
async def test_the_largest_batch_fits_a_message_and_is_handed_over_whole() -> None:
    async with World() as world:
        socket = await world.open()
        long = {"expire_s": 2**32 - 1, "stp": 3, "reprice": True, "kind": 0}
        widest = [1, 1, 99999990, 5 * 10**7, "\x7f", 3, False, True, long]
        items = [[*widest[:4], f"{n:02}" + "\\\\" * 17, *widest[5:]] for n in range(25)]

        await socket.send({"BN": items})

        assert {k for k, _ in await take(socket, 25)} == {"U"}
        assert len(world.engine.requests) == 25


@on_loop
async def test_each_item_counts_for_the_rate_limit() -> None:
    async with World(edge={"orders_per_second": 5}) as world:
        socket = await world.open()

        await socket.send({"BN": [item(f"i{n}") for n in range(12)]})

        answers = await take(socket, 12)
        codes = [f[0] for k, f in answers if k == "E"]
        assert codes == [Reason.RATE_LIMITED] * 2
        assert [f[5] for k, f in answers if k == "E"] == [10, 11]


@on_loop
async def test_items_count_like_frames_for_a_turn() -> None:
    """So that a flood of batches holds up no one for longer than one of frames."""
    async with World(edge={"orders_per_second": 10**6}) as world:
        socket = await world.open()
        session = next(iter(world.gateway.sessions.live))
        batch = orjson.dumps({"BN": [item("") for _ in range(25)]})

        session.parser.queue.frames.extend([(aiohttp.WSMsgType.TEXT, batch)] * 30)
        session.on_frames()

        assert len(world.engine.requests) == 275  # a turn of 256 ends with the batch that passes it
        await take(socket, 750)


@on_loop
async def test_an_item_without_an_answer_is_reported_with_its_index() -> None:
    async with World() as world:
        world.engine.auto = False
        socket = await world.open()
        await socket.send({"BN": [item("a"), item("b")]}, {"BC": [["a"]]})
        await until(lambda: world.engine.received(3))

        world.clock.advance(6 * 10**9)
        world.gateway.tick(world.clock.now_ns())

        errors = [f for _, f in await take(socket, 3)]
        assert [f[0] for f in errors] == [Reason.NO_ANSWER] * 3
        assert [f[4:] for f in errors] == [["a", 0], ["b", 1], ["a", 0]]


@on_loop
async def test_a_bad_batch_does_nothing() -> None:
    async with World(edge={"batch_max": 2}) as world:
        socket = await world.open()

        fields = await socket.refused({"BN": [item("a"), item("b"), item("c")]})

        assert fields[:2] == [
            1025, "the batch has more items than allowed: 3 items; 1 to 2 are allowed",
        ]  # fmt: skip
        assert world.engine.requests == []


# --- cancel-all, duplicates, settings, modes, queue -----------------------------------------


@on_loop
async def test_cancel_all_ends_orders_and_triggers_and_counts_them() -> None:
    async with World() as world:
        socket, other = await world.open(), await world.open(2)
        await other.ask({"N": item("theirs")})
        for frame in ({"N": item("a")}, {"N": [2, 1, 300000, 10**6, "e", 0]}, {"TN": STOP}):
            await socket.ask(frame)

        await socket.send({"CA": [1, 1]})
        assert await take(socket, 2) == [await ended_as("st-1", world), ("CA", [1, 1])]
        await socket.send({"CA": []})
        answers = await take(socket, 3)

        assert [f[4] for k, f in answers if k == "U"] == [Reason.CANCEL_ALL] * 2
        assert answers[-1] == ("CA", [0, 2])
        assert len((await other.ask({"O": []}))[1]) == 1
        assert await socket.ask({"CA": [2, 0, 2]}) == ("CA", [2, 0])


async def ended_as(cid: str, world: World) -> tuple[str, list[Any]]:
    """The terminal update of an order of user 1, from what the gateway knows."""
    from rsx.edge import codec

    order = world.gateway.entry.order_by_cid(world.gateway.entry.tracker.account(1), cid, None)
    update = codec.encode_update(order, order.reason, order.ts_ns, order.seq)
    return "U", orjson.loads(update)["U"]


@on_loop
async def test_a_duplicate_is_answered_to_all_and_its_original_to_who_asked() -> None:
    """W-16."""
    async with World() as world:
        one, two = await world.open(), await world.open()
        _, first = await one.ask({"N": item("a")})
        await two.take()
        world.engine.auto = False
        await two.send({"N": item("a")})
        await until(lambda: world.engine.received(2))
        again = world.engine.requests[1]

        world.engine.duplicate(again, world.engine.requests[0], 1, filled=4000, remaining=6000)
        world.step()

        key, update = await two.take()
        assert (key, update[:6]) == ("U", [again.oid, 3, 0, 10000, 3001, "a"])
        assert update[12:] == [first[0]]
        key, original = await two.take()
        assert (key, original[:6]) == ("DU", [first[0], 1, 4000, 6000, 0, "a"])
        assert original[12:] == [again.oid]
        assert (await one.take())[0] == "U"
        assert await one.is_alive()


@on_loop
async def test_settings_are_asked_set_and_told_to_every_connection() -> None:
    async with World() as world:
        one, two = await world.open(), await world.open()
        assert await one.ask({"AS": []}) == ("AS", [0, 0])

        assert await one.ask({"AS": [2]}) == ("AS", [2, 0])

        assert await two.take() == ("AS", [2, 0])
        assert await two.ask({"AS": [None]}) == ("AS", [2, 0])
        assert world.engine.last("ACCOUNT_CONFIG_REQUEST").fields == 2


@on_loop
async def test_a_change_of_mode_is_told_to_every_private_connection() -> None:
    async with World() as world:
        one, two = await world.open(1), await world.open(2)
        await world.open(None, headers={})  # not authenticated: hears nothing

        body = {"symbol": "ETH-PERP", "mode": "cancel_only"}
        answer = await world.rest("POST", "/v1/admin/mode", role="admin", json=body)

        assert answer == (200, body | {"previous": "open", "seq": 1})
        for socket in (one, two):
            assert await socket.take() == ("MO", [2, 2, START_NS + 1, 1])
            assert [row[10] for row in (await socket.ask({"M": []}))[1]] == [0, 2, 0]
        again = await world.rest("POST", "/v1/admin/mode", role="admin", json=body)
        assert again == (200, body | {"previous": "cancel_only", "seq": 2})
        assert await one.is_alive()
        _, symbols = await world.rest("GET", "/v1/symbols", None)
        assert [s["mode"] for s in symbols["symbols"]] == ["open", "cancel_only", "open"]


class Queues:
    """What the marketdata tile says of places in the queue."""

    def __init__(self, loop: asyncio.AbstractEventLoop, place: Any):
        self.loop = loop
        self.place = place
        self.asked: list[tuple[int, int, int]] = []

    def queue_ahead(self, symbol_id: int, oid: int, user: int) -> Any:
        self.asked.append((symbol_id, oid, user))
        return self.place


@on_loop
async def test_the_place_in_the_queue_of_an_own_resting_order() -> None:
    async with World() as world:
        socket, other = await world.open(), await world.open(2)
        # px, ahead, orders, own remaining, level quantity, level count, seq
        tile = Queues(asyncio.get_running_loop(), (5000000, 700, 3, 10000, 90000, 9, 41))
        assert (await socket.refused({"Q": ["b"]}))[0] == Reason.ORDER_NOT_FOUND
        _, update = await socket.ask({"N": BUY})
        assert (await socket.refused({"Q": ["b"]}))[0] == Reason.OVERLOADED
        world.gateway.marketdata = tile

        assert await socket.ask({"Q": ["b"]}) == (
            "Q", [update[0], 1, 5000000, 700, 3, 90000, 41],
        )  # fmt: skip
        status, body = await world.rest("GET", f"/v1/orders/{update[0]}/queue")
        assert (status, body) == (200, {
            "oid": update[0], "symbol": "BTC-PERP", "price": "50000.00", "qty_ahead": "0.000700",
            "orders_ahead": 3, "level_qty": "0.090000", "seq": 41,
        })  # fmt: skip
        assert tile.asked == [(1, update[0], 1)] * 2
        assert (await other.refused({"Q": [update[0]]}))[0] == Reason.ORDER_NOT_FOUND
        assert (await world.rest("GET", f"/v1/orders/{update[0]}/queue", 2))[0] == 404

        tile.place = None
        assert (await socket.refused({"Q": ["b"]}))[4] == "b"
        await socket.ask({"C": ["b"]})
        fields = await socket.refused({"Q": [update[0]]})
        assert (fields[0], fields[4]) == (Reason.ORDER_DONE, update[0])
        await socket.ask({"TN": STOP})
        assert (await socket.refused({"Q": ["st-1"]}))[0] == Reason.ORDER_NOT_OPEN
        assert world.gateway.entry.tracker.account(1).pending == 0


@on_loop
async def test_an_order_over_the_users_limit_and_a_trigger_on_the_wrong_side() -> None:
    """3006, 3015, 3014: the match's own reasons pass through unchanged."""
    async with World() as world:
        world.engine.auto = False
        socket = await world.open()
        await socket.send({"N": BUY}, {"TN": STOP}, {"TN": stop(cid="st-2")})
        await until(lambda: world.engine.received(3))
        order, trigger, wrong = world.engine.requests
        world.engine.rejected(order, Reason.TOO_MANY_OPEN_ORDERS)
        world.engine.trigger_rejected(trigger, Reason.TOO_MANY_TRIGGERS)
        world.engine.trigger_rejected(wrong, Reason.TRIGGER_WRONG_SIDE)
        world.step()

        answers = await take(socket, 3)

        assert [(f[1], f[4], f[5]) for _, f in answers] == [
            (3, 3006, "b"), (3, 3015, "st-1"), (3, 3014, "st-2"),
        ]  # fmt: skip
