"""Histories over REST: own rows only, cursors that hold, how far it is (AR-30 to AR-35)."""

from __future__ import annotations

import asyncio
import random
import sqlite3

import pytest
from edge.history_rig import make_world, running
from world import IOC, NOW_NS

SECOND = 1_000_000_000


@pytest.fixture
def world(tmp_path):
    world = make_world(tmp_path)
    world.deposit(1, 2, 3)
    world.run()
    yield world
    world.close()


def trade(world, times=1, taker=2, symbol=1, px=1000):
    for _ in range(times):
        world.place(1, 0, px, 20, symbol=symbol)
        world.place(taker, 1, px, 20, tif=IOC, symbol=symbol)
        world.run()


def run(world, test):
    async def main():
        async with running(world) as rig:
            await test(rig)

    asyncio.run(main())


def test_rows_as_people_read_them(world):
    world.place(1, 0, 1000, 30, cid="mine")
    world.place(2, 1, 1000, 20, tif=IOC)
    world.run()

    async def test(rig):
        (order,) = await rig.rows("orders", 1)
        assert order["cid"] == "mine"
        assert (order["symbol"], order["side"], order["type"]) == ("M1-PERP", "buy", "limit")
        assert (order["price"], order["qty"], order["filled"]) == ("100.0", "0.30", "0.20")
        assert (order["remaining"], order["status"], order["ended_ns"]) == ("0.10", "resting", None)
        assert (order["average_price"], order["notional"]) == ("100.0", "20.000")
        (fill,) = await rig.rows("fills", 1)
        assert (fill["cid"], fill["maker"], fill["fee"], fill["side"]) == (
            "mine",
            True,
            "-0.001",
            "buy",
        )
        (fill,) = await rig.rows("fills", 2)
        assert (fill["cid"], fill["maker"], fill["profit"]) == (None, False, "0.000")
        (trade,) = await rig.rows("trades", symbol="M1-PERP")
        assert (trade["price"], trade["qty"], trade["taker_side"]) == ("100.0", "0.20", "sell")
        fee, deposit = await rig.rows("balances", 2)
        assert (deposit["kind"], deposit["symbol"], fee["kind"]) == ("deposit", None, "trade")
        assert (fee["amount"], fee["balance"]) == ("-0.008", "9999999.992")
        assert await rig.rows("funding", 1) == await rig.rows("liquidations", 1) == []
        assert await rig.rows("funding_rates", symbol="M1-PERP") == []

    run(world, test)


def test_nobody_sees_anothers_rows(world):
    trade(world, 2)
    trade(world, 1, taker=3)

    async def test(rig):
        assert len(await rig.rows("fills", 3)) == 1
        assert len(await rig.rows("fills", 2)) == 2
        assert len(await rig.rows("orders", 3)) == 1
        assert await rig.rows("orders", 77) == []
        assert await rig.rows("balances", 77) == []
        (oid,) = [order["oid"] for order in await rig.rows("orders", 3)]
        assert (await rig.get(f"/v1/orders/{oid}", 3))[0] == 200
        assert (await rig.get(f"/v1/orders/{oid}", 2))[0] == 404
        for what in ("orders", "fills", "balances", "funding", "liquidations"):
            status, body = await rig.get(f"/v1/history/{what}")
            assert (status, body["error"]["name"]) == (401, "TOKEN_MISSING")

    run(world, test)


@pytest.mark.parametrize("what", ["orders", "fills", "balances", "trades"])
@pytest.mark.parametrize("order", ["asc", "desc"])
def test_pages_join_up_whatever_is_added_meanwhile(world, what, order):
    """AR-31: forward and back, nothing is skipped and nothing comes twice."""
    trade(world, 7)
    trade(world, 4, symbol=2, px=500)
    private = what != "trades"
    args = {"symbol": "M1-PERP"} if not private else {}
    rng = random.Random(order)

    async def test(rig):
        user = 1 if private else 0
        whole = await rig.rows(what, user, order=order, limit=500, **args)
        seen, cursor, more = [], {}, True
        while more:
            limit = rng.choice((1, 2, 3))
            status, page = await rig.get(
                f"/v1/history/{what}", user, order=order, limit=limit, **cursor, **args
            )
            assert status == 200
            assert len(page[what]) <= limit
            assert page["more"] == (len(seen) + len(page[what]) < len(whole)) or order == "asc"
            seen += page[what]
            if page[what]:
                other = {"asc": "desc", "desc": "asc"}[order]
                status, back = await rig.get(
                    f"/v1/history/{what}",
                    user,
                    order=other,
                    cursor=page["previous"],
                    limit=500,
                    **args,
                )
                before = whole[: len(seen) - len(page[what])]
                if order == "asc":
                    assert back[what] == before[::-1]
            cursor = {"cursor": page["next"]}
            more = page["more"]
            if order == "desc":
                trade(rig.world)
                await rig.caught_up()
        assert seen == whole
        # At the end of an ascending history a cursor waits for what comes.
        if order == "asc":
            trade(rig.world)
            await rig.caught_up()
            status, page = await rig.get(
                f"/v1/history/{what}", user, order=order, limit=500, **cursor, **args
            )
            assert len(page[what]) >= 1
            assert not {row["seq"] for row in page[what]} & {row["seq"] for row in seen}

    run(world, test)


def test_a_page_says_how_far_the_archive_is(world):
    trade(world)

    async def test(rig):
        _, page = await rig.get("/v1/history/fills", 1)
        assert page["as_of_seq"] == rig.tile.written
        assert page["as_of_ns"] == NOW_NS
        assert (page["complete_from"], page["more"]) == (1, False)
        _, empty = await rig.get("/v1/history/fills", 9)
        assert (empty["fills"], empty["next"], empty["previous"]) == ([], None, None)
        _, end = await rig.get("/v1/history/fills", 1, cursor=page["next"])
        assert (end["fills"], end["next"]) == ([], page["next"])

    run(world, test)


def test_ranges_of_times_and_markets(world):
    for second in range(6):
        world.clock.set(NOW_NS + second * SECOND)
        trade(world, symbol=1 + second % 2, px=1000)

    async def test(rig):
        def within(rows):
            return [(row["ts_ns"] - NOW_NS) // SECOND for row in rows]

        found = await rig.rows("fills", 1, **{"from": NOW_NS + SECOND, "to": NOW_NS + 4 * SECOND})
        assert within(found) == [3, 2, 1]
        found = await rig.rows("fills", 1, **{"from": NOW_NS + SECOND + 1})
        assert within(found) == [5, 4, 3, 2]
        found = await rig.rows("fills", 1, symbol="M2-PERP", order="asc")
        assert within(found) == [1, 3, 5]
        found = await rig.rows("orders", 1, symbol="M1-PERP", to=NOW_NS + 3 * SECOND)
        assert within(found) == [2, 0]
        assert await rig.rows("fills", 1, **{"from": NOW_NS + 100 * SECOND}) == []
        assert await rig.rows("fills", 1, to=NOW_NS - SECOND) == []

    run(world, test)


@pytest.mark.parametrize(("path", "args", "field", "value"), [
    ("history/fills", {"cursor": "o12"}, "cursor", "o12"),
    ("history/fills", {"cursor": "f"}, "cursor", "f"),
    ("history/fills", {"cursor": "f1e3"}, "cursor", "f1e3"),
    ("history/fills", {"cursor": "f" + "9" * 30}, "cursor", "f" + "9" * 30),
    ("history/fills", {"cursor": "f-1"}, "cursor", "f-1"),
    ("history/fills", {"cursor": "f١"}, "cursor", "f١"),
    ("history/fills", {"limit": "0"}, "limit", "0"),
    ("history/fills", {"limit": "501"}, "limit", "501"),
    ("history/fills", {"limit": "ten"}, "limit", "ten"),
    ("history/fills", {"order": "up"}, "order", "up"),
    ("history/fills", {"from": "-1"}, "from", "-1"),
    ("history/fills", {"from": "yesterday"}, "from", "yesterday"),
    ("history/fills", {"from": "9" * 19, "to": "5"}, "from", "9" * 19),
    ("history/fills", {"from": "5", "to": "5"}, "to", 5),
    ("history/fills", {"since": "5"}, "since", "5"),
    ("history/fills", {"symbol": "NO-PERP"}, "symbol", "NO-PERP"),
    ("history/trades", {}, "symbol", None),
    ("history/funding_rates", {}, "symbol", None),
    ("candles", {}, "symbol", None),
    ("candles", {"symbol": "M1-PERP", "interval": "2m"}, "interval", "2m"),
    ("candles", {"symbol": "M1-PERP", "price": "best"}, "price", "best"),
    ("candles", {"symbol": "M1-PERP", "gaps": "maybe"}, "gaps", "maybe"),
    ("candles", {"symbol": "M1-PERP", "limit": "1501"}, "limit", "1501"),
    ("candles", {"symbol": "M1-PERP", "interval": "1s", "price": "mark"}, "interval", 1),
    ("candles", {"symbol": "M1-PERP", "cursor": "x"}, "cursor", "x"),
])  # fmt: skip
def test_what_cannot_be_is_refused_with_its_value(world, path, args, field, value):
    """AR-32."""
    trade(world)

    async def test(rig):
        status, body = await rig.get(f"/v1/{path}", 1, **args)
        assert status in (400, 404)
        assert (body["error"]["field"], body["error"]["value"]) == (field, value)

    run(world, test)


def test_an_unknown_history_is_not_found(world):
    async def test(rig):
        status, body = await rig.get("/v1/history/nothing", 1)
        assert (status, body["error"]["name"]) == (404, "NOT_FOUND")

    run(world, test)


# --- candles ----------------------------------------------------------------------------------


def test_candles_with_gaps_filled_as_binance_shows_them(world):
    """AR-25: a minute without a trade has the close before it, and no volume."""
    for second, px in ((0, 1000), (30, 1010), (200, 990)):
        world.clock.set(NOW_NS + second * SECOND)
        trade(world, px=px)
    world.clock.set(NOW_NS + 380 * SECOND)
    world.deposit(3)
    world.run()
    start = NOW_NS // SECOND // 60 * 60

    async def test(rig):
        def told(rows):
            return [((r["start_ns"] // SECOND - start) // 60, r["open"], r["close"], r["trades"])
                    for r in rows]  # fmt: skip

        url = "/v1/candles"
        status, body = await rig.get(url, symbol="M1-PERP")
        assert status == 200
        assert told(body["candles"]) == [
            (0, "100.0", "101.0", 2), (1, "101.0", "101.0", 0), (2, "101.0", "101.0", 0),
            (3, "99.0", "99.0", 1), (4, "99.0", "99.0", 0), (5, "99.0", "99.0", 0),
            (6, "99.0", "99.0", 0),
        ]  # fmt: skip
        first = body["candles"][0]
        assert (first["high"], first["low"], first["volume"]) == ("101.0", "100.0", "0.40")
        assert (first["quote_volume"], first["taker_buy_volume"]) == ("40.200", "0.00")
        assert [row["closed"] for row in body["candles"]] == [True] * 6 + [False]
        whole = body["candles"]
        status, body = await rig.get(url, symbol="M1-PERP", gaps="skip")
        assert told(body["candles"]) == [(0, "100.0", "101.0", 2), (3, "99.0", "99.0", 1)]
        for order in ("asc", "desc"):
            seen, cursor, more = [], {}, True
            while more:
                status, body = await rig.get(url, symbol="M1-PERP", order=order, limit=2, **cursor)
                seen += body["candles"]
                cursor, more = {"cursor": body["next"]}, body["more"]
            assert seen == (whole if order == "asc" else whole[::-1])
        status, body = await rig.get(url, symbol="M1-PERP", **{
            "from": (start + 60) * SECOND, "to": (start + 240) * SECOND})  # fmt: skip
        assert told(body["candles"]) == [
            (1, "101.0", "101.0", 0),
            (2, "101.0", "101.0", 0),
            (3, "99.0", "99.0", 1),
        ]
        status, body = await rig.get(url, symbol="M1-PERP", interval="1d")
        assert [row["trades"] for row in body["candles"]] == [3]
        status, body = await rig.get(url, symbol="M2-PERP")
        assert (body["candles"], body["more"]) == ([], False)

    run(world, test)


def test_candles_of_marks(tmp_path):
    world = make_world(tmp_path, mark={"source": "synthetic"})
    for px in (1000, 1020, 990, 1010):
        world.mark(px)
        world.run()
        world.clock.advance(SECOND)
    world.deposit(1)
    world.run()

    async def test(rig):
        _, body = await rig.get("/v1/candles", symbol="M1-PERP", price="mark")
        (row,) = body["candles"]
        prices = [row[key] for key in ("open", "high", "low", "close")]
        assert prices == ["100.0", "102.0", "99.0", "101.0"]
        assert (row["trades"], row["volume"]) == (4, "0.00")

    run(world, test)
    world.close()


# --- orders of before -------------------------------------------------------------------------


def test_orders_that_ended_before_the_start_come_from_the_archive(world):
    """AR-35: by order id and by client id, with the name of the market or without."""
    oid = world.place(1, 0, 1000, 10, cid="old")
    world.place(2, 1, 1000, 10, tif=IOC)
    world.run()
    world.restart()

    async def test(rig):
        status, order = await rig.get(f"/v1/orders/{oid}", 1)
        assert (status, order["status"], order["filled"]) == (200, "filled", "0.10")
        for args in ({"cid": "old"}, {"cid": "old", "symbol": "M1-PERP"}):
            assert await rig.get("/v1/orders", 1, **args) == (200, order)
        status, body = await rig.get("/v1/orders", 1, cid="old", symbol="M2-PERP")
        assert (status, body["error"]["name"]) == (404, "ORDER_NOT_FOUND")
        assert (await rig.get("/v1/orders", 2, cid="old"))[0] == 404
        assert (await rig.get("/v1/orders/99999", 1))[0] == 404

    run(world, test)


# --- without an archive -----------------------------------------------------------------------


def test_where_no_history_is_kept(tmp_path):
    """AR-33: refused with the key that turns it on; all else works."""
    world = make_world(tmp_path, archive={"enabled": False})
    assert world.tiles.archive is None

    async def test(rig):
        status, body = await rig.get("/v1/history/fills", 1)
        assert (status, body["error"]["name"]) == (503, "OVERLOADED")
        assert "archive.enabled" in body["error"]["message"]
        assert (await rig.get("/v1/orders/5", 1))[0] == 404
        assert (await rig.get("/v1/symbols"))[0] == 200

    run(world, test)
    assert not (tmp_path / "archive.db").exists()
    world.close()


def test_while_the_archive_fails(world, tmp_path):
    trade(world)

    async def test(rig):
        for _ in range(100):  # a turn of the tile that goes well clears it again
            rig.tile.trouble = "database is locked"
            status, body = await rig.get("/v1/history/fills", 1)
            if status != 200:
                break
        assert (status, body["error"]["name"]) == (503, "OVERLOADED")
        assert "database is locked" in body["error"]["message"]
        rig.tile.trouble = ""
        rig.tile.asked.update(object() for _ in range(64))
        status, body = await rig.get("/v1/history/fills", 1)
        assert "64 questions" in body["error"]["message"]
        rig.tile.asked.clear()
        assert len(await rig.rows("fills", 1)) == 1

    run(world, test)


def test_a_reader_is_not_held_up_by_the_writer(world, tmp_path):
    trade(world)

    async def test(rig):
        lock = sqlite3.connect(tmp_path / "archive.db", isolation_level=None)
        lock.execute("BEGIN IMMEDIATE")
        assert len(await rig.rows("fills", 1)) == 1
        lock.execute("ROLLBACK")
        lock.close()

    run(world, test)


def test_questions_count_against_the_rate_limit(tmp_path):
    world = make_world(tmp_path, edge={"orders_per_second": 1})
    world.deposit(1)
    world.run()

    async def test(rig):
        names = []
        for _ in range(4):
            status, body = await rig.get("/v1/history/fills", 1)
            names.append(body["error"]["name"] if status != 200 else "")
        assert names[0] == ""
        assert names[-1] == "RATE_LIMITED"

    run(world, test)
    world.close()
