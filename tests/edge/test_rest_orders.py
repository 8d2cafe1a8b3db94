"""REST of triggers, amendments, batches, cancel-all, settings and the operator's routes."""

import asyncio
from typing import Any

import pytest
from edge.fakes import START_NS, World, on_loop, until

from rsx.errors import Reason
from rsx.records import OrderFlag

BUY = {"symbol": "BTC-PERP", "side": "buy", "price": "50000.00", "qty": "0.01", "cid": "r-1"}
STOP = {
    "symbol": "BTC-PERP", "side": "sell", "type": "stop_market", "qty": "0.01",
    "trigger_price": "45000", "reduce_only": True, "cid": "st-1",
}  # fmt: skip
NOW_S = START_NS // 10**9


def error_of(answer: tuple[int, Any]) -> tuple[Any, ...]:
    status, body = answer
    return status, body["error"]["code"], body["error"]["field"], body["error"]["value"]


# --- orders and triggers --------------------------------------------------------------------


@on_loop
async def test_a_trigger_is_placed_shown_and_cancelled() -> None:
    async with World() as world:
        status, order = await world.rest("POST", "/v1/orders", json=STOP)
        assert status == 200
        assert order == {
            "oid": order["oid"], "cid": "st-1", "symbol": "BTC-PERP", "side": "sell",
            "price": None, "qty": "0.010000", "filled": "0.000000", "remaining": "0.010000",
            "status": "waiting", "reason": None, "tif": "IOC", "post_only": False,
            "reduce_only": True, "ts_ns": START_NS + 1, "seq": 1, "type": "stop_market",
            "stp": "none", "expire_s": None, "position_side": None, "trigger_price": "45000.00",
            "trigger_on": "mark",
            "trail": None, "trail_ppm": None, "fired_price": None,
        }  # fmt: skip
        assert await world.rest("GET", "/v1/orders") == (200, {"orders": [order]})
        world.engine.fired(world.engine.last("TRIGGER_REQUEST"), 4499000)
        world.step()
        _, fired = await world.rest("GET", "/v1/orders?cid=st-1")
        assert (fired["status"], fired["fired_price"]) == ("pending", "44990.00")

        status, ended = await world.rest("DELETE", f"/v1/orders/{order['oid']}")

        assert (status, ended["status"], ended["reason"]) == (200, "cancelled", "USER_CANCEL")


@on_loop
async def test_every_term_reaches_the_engine_in_units() -> None:
    async with World() as world:
        await world.rest("POST", "/v1/orders", json=STOP | {
            "type": "trailing_stop", "trigger_price": None, "trail": "12.5", "trigger_on": "last",
            "tif": "FOK", "stp": "both",
        })  # fmt: skip
        await world.rest("POST", "/v1/orders", json=STOP | {
            "cid": None, "type": "take_profit_limit", "price": "60000", "trigger_price": "59000",
            "tif": "GTD", "expire_s": NOW_S + 60, "post_only": True, "reprice": True,
        })  # fmt: skip
        world.engine.auto = False
        market = {"type": "market", "price": None, "stp": "none", "cid": None}
        call = asyncio.create_task(world.rest("POST", "/v1/orders", json=BUY | market))
        await until(lambda: world.engine.received(3))
        trailing, limit, order = world.engine.requests
        assert (trailing.kind, trailing.trigger_px, trailing.trail_px, trailing.trail_ppm) == (
            6, 0, 1250, 0,
        )  # fmt: skip
        reduce_only = OrderFlag.REDUCE_ONLY
        assert (trailing.flags, trailing.tif) == (reduce_only | OrderFlag.LAST_PRICE, 2)
        assert trailing.stp == 3
        assert (limit.kind, limit.px, limit.trigger_px, limit.tif, limit.expire_s) == (
            5, 6000000, 5900000, 3, NOW_S + 60,
        )  # fmt: skip
        assert limit.flags == reduce_only | OrderFlag.POST_ONLY | OrderFlag.REPRICE
        assert limit.stp == 4
        assert (order.kind, order.px, order.tif, order.stp) == (1, 0, 1, 0)
        ended = {"oid": order.oid, "user_id": 1, "symbol_id": 1, "px": 5250000}
        world.engine.emit("ORDER_ACCEPTED", qty=10000, kind=1, tif=1, **ended)
        world.engine.emit(
            "ORDER_CANCELLED", cancelled_qty=10000, reason=Reason.IOC_REMAINDER, **ended
        )
        world.step()
        _, body = await call
        assert (body["price"], body["type"], body["status"]) == ("52500.00", "market", "cancelled")


TRAILING = {"type": "trailing_stop", "trigger_price": None}
REFUSED = [
    (BUY | {"type": "stop"}, Reason.INVALID_VALUE, "type", "stop"),
    (BUY | {"type": "market"}, Reason.PRICE_OUT_OF_RANGE, "price", "50000.00"),
    (BUY | {"type": "market", "price": None, "tif": "GTC"}, Reason.FLAGS_CONTRADICT, "tif", "GTC"),
    (BUY | {"price": None}, Reason.INVALID_VALUE, "price", None),
    (BUY | {"stp": "default"}, Reason.INVALID_VALUE, "stp", "default"),
    (BUY | {"reprice": True}, Reason.FLAGS_CONTRADICT, "reprice", True),
    (BUY | {"reprice": 1}, Reason.INVALID_VALUE, "reprice", 1),
    (BUY | {"expire_s": NOW_S + 9}, Reason.EXPIRY_INVALID, "expire_s", NOW_S + 9),
    (BUY | {"tif": "GTD", "expire_s": "9"}, Reason.INVALID_VALUE, "expire_s", "9"),
    (BUY | {"tif": "GTD", "expire_s": 9}, Reason.EXPIRY_INVALID, "expire_s", 9),
    (BUY | {"trigger_price": "1"}, Reason.TRIGGER_INVALID, "trigger_price", "1"),
    (BUY | {"trail_ppm": 1}, Reason.TRIGGER_INVALID, "trail_ppm", 1),
    (BUY | {"qty": "0.0001", "price": "49999.9"}, Reason.NOTIONAL_TOO_SMALL, "qty", "0.0001"),
    (STOP | {"trigger_price": None}, Reason.INVALID_VALUE, "trigger_price", None),
    (STOP | {"trigger_price": "45000.01"}, Reason.PRICE_OFF_TICK, "trigger_price", "45000.01"),
    (STOP | {"trigger_on": "index"}, Reason.INVALID_VALUE, "trigger_on", "index"),
    (STOP | {"trail": "5"}, Reason.TRIGGER_INVALID, "trail", "5"),
    (STOP | {"price": "45000"}, Reason.TRIGGER_INVALID, "price", "45000"),
    (STOP | {"type": "stop_limit"}, Reason.INVALID_VALUE, "price", None),
    (STOP | TRAILING, Reason.TRIGGER_INVALID, "trail", 0),
    (STOP | TRAILING | {"trail_ppm": 10**6}, Reason.TRIGGER_INVALID, "trail_ppm", 10**6),
    (STOP | TRAILING | {"trail_ppm": "5"}, Reason.INVALID_VALUE, "trail_ppm", "5"),
]  # fmt: skip


@on_loop
async def test_bad_terms_are_refused_in_the_clients_words() -> None:
    async with World() as world:
        for body, *expected in REFUSED:
            answer = await world.rest("POST", "/v1/orders", json=body)
            assert error_of(answer) == (400, *expected), body

        assert world.engine.requests == []


@on_loop
async def test_sending_an_order_again_answers_with_the_original() -> None:
    """W-52: a retry after a lost answer is safe."""
    async with World() as world:
        _, first = await world.rest("POST", "/v1/orders", json=BUY)
        world.engine.auto = False
        call = asyncio.create_task(world.rest("POST", "/v1/orders", json=BUY))
        await until(lambda: world.engine.received(2))
        original, again = world.engine.requests
        world.engine.duplicate(again, original, 1, filled=4000, remaining=6000)
        world.step()

        status, body = await call

        assert status == 200
        changed = {"filled": "0.004000", "remaining": "0.006000", "duplicate": True}
        assert body == first | changed | {"ts_ns": START_NS + 2, "seq": 2}
        _, refused = await world.rest("GET", f"/v1/orders/{again.oid}")
        assert (refused["status"], refused["original_oid"]) == ("rejected", first["oid"])
        assert (await world.rest("GET", "/v1/orders?cid=r-1"))[1]["oid"] == first["oid"]


# --- amendments and cancels -----------------------------------------------------------------


@on_loop
async def test_an_order_is_amended_by_id_and_by_client_id() -> None:
    async with World() as world:
        _, order = await world.rest("POST", "/v1/orders", json=BUY)

        status, smaller = await world.rest(
            "PATCH", f"/v1/orders/{order['oid']}", json={"qty": "0.006"}
        )
        assert (status, smaller["qty"], smaller["price"]) == (200, "0.006000", "50000.00")
        status, moved = await world.rest(
            "PATCH", "/v1/orders?cid=r-1&symbol=BTC-PERP", json={"price": "49999.90"}
        )

        assert (status, moved["qty"], moved["price"]) == (200, "0.006000", "49999.90")
        assert (moved["status"], moved["oid"]) == ("resting", order["oid"])


@on_loop
async def test_an_amendment_that_matches_is_answered_when_it_has_ended() -> None:
    async with World() as world:
        _, order = await world.rest("POST", "/v1/orders", json=BUY)
        sell = BUY | {"side": "sell", "price": "50000.10", "cid": "s"}
        await world.rest("POST", "/v1/orders", 2, json=sell)
        world.engine.auto = False
        path = f"/v1/orders/{order['oid']}"
        call = asyncio.create_task(world.rest("PATCH", path, json={"price": "50000.10"}))
        await until(lambda: world.engine.received(3))
        _, maker, asked = world.engine.requests
        world.engine.amended(asked, 10000, 0)
        world.step()
        await asyncio.sleep(0.01)
        assert not call.done()
        world.engine.fill(asked, maker, 10000, 0, 0)
        world.step()

        status, body = await call

        assert (status, body["status"], body["filled"]) == (200, "filled", "0.010000")


@on_loop
async def test_amendments_and_cancels_that_cannot_be_say_why() -> None:
    async with World() as world:
        _, order = await world.rest("POST", "/v1/orders", json=BUY)
        oid = order["oid"]
        for method, path, body, expected in (
            ("PATCH", f"/v1/orders/{oid}", {}, (400, Reason.NOTHING_TO_AMEND, "price", None)),
            ("PATCH", f"/v1/orders/{oid}", {"px": "1"}, (400, Reason.MALFORMED, "px", "1")),
            ("PATCH", f"/v1/orders/{oid}", {"price": "50000.01"},
             (400, Reason.PRICE_OFF_TICK, "price", "50000.01")),
            ("PATCH", f"/v1/orders/{oid}", {"qty": "0"},
             (400, Reason.QTY_OUT_OF_RANGE, "qty", "0")),
            ("PATCH", "/v1/orders/77", {"qty": "1"}, (404, Reason.ORDER_NOT_FOUND, "oid", 77)),
            ("PATCH", "/v1/orders?cid=no", {"qty": "1"},
             (404, Reason.ORDER_NOT_FOUND, "cid", "no")),
            ("PATCH", "/v1/orders", {"qty": "1"}, (400, Reason.INVALID_VALUE, "cid", None)),
            ("DELETE", "/v1/orders?cid=&symbol=BTC-PERP", None,
             (400, Reason.CLIENT_ID_INVALID, "cid", "")),
            ("DELETE", "/v1/orders?symbol=X", None, (404, Reason.UNKNOWN_SYMBOL, "symbol", "X")),
            ("DELETE", "/v1/orders?symbol=", None, (404, Reason.UNKNOWN_SYMBOL, "symbol", "")),
            ("DELETE", "/v1/orders?symbol=all&side=up", None,
             (400, Reason.INVALID_VALUE, "side", "up")),
            ("DELETE", "/v1/orders?symbol=all&scope=3", None,
             (400, Reason.INVALID_VALUE, "scope", "3")),
            ("GET", "/v1/orders/77/queue", None, (404, Reason.ORDER_NOT_FOUND, "oid", 77)),
        ):  # fmt: skip
            named = {} if body is None else {"json": body}
            assert error_of(await world.rest(method, path, **named)) == expected, path
        assert len(world.engine.requests) == 1
        await world.rest("DELETE", f"/v1/orders/{oid}")
        answer = await world.rest("PATCH", f"/v1/orders/{oid}", json={"qty": "0.005"})
        assert error_of(answer)[:2] == (409, Reason.ORDER_DONE)


@on_loop
async def test_all_is_cancelled_of_one_symbol_or_of_every_one_by_name_only() -> None:
    """W-53."""
    async with World() as world:
        eth = BUY | {"symbol": "ETH-PERP", "price": "3000", "cid": "e"}
        for body in (BUY, STOP, eth, BUY | {"side": "sell", "cid": "s"}):
            assert (await world.rest("POST", "/v1/orders", json=body))[0] == 200
        path = "/v1/orders?symbol="

        async def cancelled(query: str) -> Any:
            status, body = await world.rest("DELETE", path + query)
            assert status == 200, body
            return body["symbol"], body["cancelled"]

        assert await cancelled("BTC-PERP&side=buy") == ("BTC-PERP", 1)
        assert await cancelled("BTC-PERP&scope=triggers") == ("BTC-PERP", 1)
        assert await cancelled("all&scope=orders&side=sell") == ("all", 1)
        assert await cancelled("all") == ("all", 1)
        assert await cancelled("all") == ("all", 0)


# --- batches --------------------------------------------------------------------------------


@on_loop
async def test_items_of_a_batch_have_their_own_results_in_order() -> None:
    async with World() as world:
        path = "/v1/orders/batch"
        bad = BUY | {"price": "50000.01", "cid": "bad"}
        status, body = await world.rest("POST", path, json={"place": [BUY, bad, STOP, 7]})
        first, wrong, stop, none = body["results"]
        assert status == 200
        assert (first["status"], first["cid"], stop["status"]) == ("resting", "r-1", "waiting")
        assert (wrong["error"]["code"], wrong["error"]["value"]) == (1008, "50000.01")
        assert (none["error"]["code"], none["error"]["field"]) == (Reason.MALFORMED, "place")

        items = [{"oid": first["oid"], "qty": "0.005"}, {"cid": "st-1", "qty": "0.005"},
                 {"oid": 1, "cid": "x", "qty": "1"}, {"cid": "r-1", "symbol": "X"}]  # fmt: skip
        _, body = await world.rest("POST", path, json={"amend": items})
        assert body["results"][0]["qty"] == "0.005000"
        assert [r["error"]["code"] for r in body["results"][1:]] == [
            Reason.TRIGGER_NOT_AMENDED, Reason.INVALID_VALUE, Reason.UNKNOWN_SYMBOL,
        ]  # fmt: skip

        items = [{"cid": "st-1", "symbol": "BTC-PERP"}, {"oid": 77}, {"oid": "1"}, {"cid": ""},
                 {"oid": first["oid"], "qty": "1"}, {"oid": first["oid"]}]  # fmt: skip
        _, body = await world.rest("POST", path, json={"cancel": items})
        results = body["results"]
        assert (results[0]["status"], results[5]["status"]) == ("cancelled", "cancelled")
        assert [r["error"]["code"] for r in results[1:5]] == [
            Reason.ORDER_NOT_FOUND, Reason.INVALID_VALUE, Reason.CLIENT_ID_INVALID,
            Reason.MALFORMED,
        ]  # fmt: skip


@on_loop
async def test_rejections_and_duplicates_in_a_batch_have_their_orders() -> None:
    async with World() as world:
        world.engine.auto = False
        items = [BUY, BUY | {"cid": "b"}]
        call = asyncio.create_task(world.rest("POST", "/v1/orders/batch", json={"place": items}))
        await until(lambda: world.engine.received(2))
        first, second = world.engine.requests
        world.engine.rejected(first, Reason.CANCEL_ONLY)
        world.engine.duplicate(second, first, 2, reason=Reason.USER_CANCEL)
        world.step()

        _, body = await call

        rejected, duplicate = body["results"]
        assert rejected["error"]["name"] == "CANCEL_ONLY"
        assert rejected["order"]["status"] == "rejected"
        assert (duplicate["duplicate"], duplicate["status"]) == (True, "cancelled")


@on_loop
async def test_a_bad_batch_does_nothing() -> None:
    async with World() as world:
        for body, code, field in (
            ({"place": [BUY] * 26}, Reason.BATCH_TOO_LARGE, "place"),
            ({"place": []}, Reason.BATCH_TOO_LARGE, "place"),
            ({}, Reason.INVALID_VALUE, "body"),
            ({"place": [BUY], "cancel": [{"oid": 1}]}, Reason.INVALID_VALUE, "body"),
            ({"place": BUY}, Reason.INVALID_VALUE, "place"),
            ({"orders": [BUY]}, Reason.MALFORMED, "orders"),
        ):  # fmt: skip
            answer = await world.rest("POST", "/v1/orders/batch", json=body)
            assert error_of(answer)[:3] == (400, code, field), body

        assert world.engine.requests == []


# --- settings and the operator --------------------------------------------------------------


@on_loop
async def test_an_account_sets_its_default_and_the_operator_its_owner() -> None:
    async with World() as world:
        path = "/v1/account/settings"
        none = {"user": 1, "stp": "none", "owner_group": 0}
        assert await world.rest("GET", path) == (200, none)
        assert await world.rest("POST", path, json={"stp": "newest"}) == (
            200, none | {"stp": "newest"},
        )  # fmt: skip

        body = {"user": 1, "owner_group": 7}
        answer = await world.rest("POST", "/v1/admin/accounts", 9, role="admin", json=body)

        assert answer == (200, body | {"stp": "newest", "seq": 2})
        assert (await world.rest("GET", path))[1]["owner_group"] == 7


@on_loop
async def test_the_operator_cancels_all_of_a_user() -> None:
    async with World() as world:
        socket = await world.open()
        await world.rest("POST", "/v1/orders", json=BUY)
        await world.rest("POST", "/v1/orders", json=STOP)
        assert [(await socket.take())[1][1] for _ in range(2)] == [1, 5]

        path = "/v1/admin/cancel"
        body = {"user": 1, "symbol": "ETH-PERP"}
        answer = await world.rest("POST", path, 9, role="admin", json=body)
        assert answer == (200, {"user": 1, "cancelled": 0})
        answer = await world.rest("POST", path, 9, role="admin", json={"user": 1})

        assert answer == (200, {"user": 1, "cancelled": 2})
        reasons = {(await socket.take())[1][4] for _ in range(2)}
        assert reasons == {Reason.ADMIN_CANCEL}


@pytest.mark.parametrize(
    ("path", "body", "status", "code", "field"),
    [
        ("mode", {"symbol": "X", "mode": "open"}, 404, Reason.UNKNOWN_SYMBOL, "symbol"),
        ("mode", {"symbol": "BTC-PERP", "mode": "closed"}, 400, Reason.INVALID_VALUE, "mode"),
        ("mode", {"symbol": "BTC-PERP"}, 400, Reason.INVALID_VALUE, "mode"),
        ("mode", {"symbol": "BTC-PERP", "mode": "open", "x": 1}, 400, Reason.MALFORMED, "x"),
        ("accounts", {"user": 0, "stp": "none"}, 400, Reason.INVALID_VALUE, "user"),
        ("accounts", {"user": 1}, 400, Reason.INVALID_VALUE, "owner_group"),
        ("accounts", {"user": 1, "owner_group": 2**32}, 400, Reason.INVALID_VALUE, "owner_group"),
        ("accounts", {"user": 1, "owner_group": True}, 400, Reason.INVALID_VALUE, "owner_group"),
        ("accounts", {"user": 1, "stp": "default"}, 400, Reason.INVALID_VALUE, "stp"),
        ("cancel", {"user": "1"}, 400, Reason.INVALID_VALUE, "user"),
        ("cancel", {"user": 1, "symbol": "all"}, 404, Reason.UNKNOWN_SYMBOL, "symbol"),
    ],
)
@on_loop
async def test_the_operators_bad_requests_are_refused(
    path: str, body: dict[str, Any], status: int, code: Reason, field: str
) -> None:
    async with World() as world:
        answer = await world.rest("POST", f"/v1/admin/{path}", role="admin", json=body)
        assert error_of(answer)[:3] == (status, code, field)
        answer = await world.rest("POST", f"/v1/admin/{path}", json=body)
        assert error_of(answer)[:3] == (403, Reason.FORBIDDEN, "role")
        assert world.engine.requests == []


@on_loop
async def test_what_risk_refuses_of_the_operator_is_passed_on() -> None:
    async with World() as world:
        world.engine.auto = False
        body = {"user": 5, "owner_group": 1}
        call = asyncio.create_task(
            world.rest("POST", "/v1/admin/accounts", role="admin", json=body)
        )
        await until(lambda: world.engine.received(1))
        request_id = world.engine.requests[0].request_id
        world.engine.answer(
            "REQUEST_REJECTED", request_id=request_id, user_id=5, reason=Reason.TOO_MANY_ACCOUNTS
        )
        world.step()

        assert error_of(await call)[:2] == (400, Reason.TOO_MANY_ACCOUNTS)
