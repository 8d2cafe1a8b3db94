"""REST through real connections: the same requests and reasons as the frames, in decimals."""

import asyncio
from typing import Any

import pytest
from edge.fakes import START_NS, World, on_loop, until

from rsx.edge.codec import FURTHER_RULES
from rsx.errors import Reason, RequestError
from rsx.records import OrderFlag

NS = 1_000_000_000
BUY = {"symbol": "BTC-PERP", "side": "buy", "price": "50000", "qty": "0.01", "cid": "r-1"}


def error_of(answer: tuple[int, Any]) -> tuple[int, Any, Any, Any]:
    status, body = answer
    error = body["error"]
    assert Reason(error["code"]).name == error["name"] and error["message"]
    return status, error["code"], error["field"], error["value"]


# --- public ---------------------------------------------------------------------------------


@on_loop
async def test_symbols_are_listed_with_their_rules_as_decimals() -> None:
    async with World() as world:
        status, body = await world.rest("GET", "/v1/symbols", None)

        assert status == 200
        assert body["money_decimals"] == 8
        row = body["symbols"][0]
        further = {name: row.pop(name) for name in ("version", "brackets", "rules")}
        assert further["version"] == world.config.symbols[0].version
        assert set(further["rules"]) == {*FURTHER_RULES, "adl"}
        assert row == {
            "id": 1, "name": "BTC-PERP", "tick": "0.10", "lot": "0.000100", "price_decimals": 2,
            "qty_decimals": 6, "max_price": "1000000.00", "max_qty": "1000.000000",
            "max_notional": "50000000.00000000", "maker_fee": "-0.000050",
            "taker_fee": "0.000400", "initial_margin": "0.050000",
            "maintenance_margin": "0.025000", "mode": "open", "tick_table": [],
            "min_notional": "5.00000000", "price_band": "0.200000", "market_band": "0.050000",
        }  # fmt: skip


class MarketData:
    """What the gateway asks of the marketdata tile."""

    def __init__(self, loop: asyncio.AbstractEventLoop):
        self.loop = loop

    def book_snapshot(self, symbol_id: int, depth: int) -> Any:
        if symbol_id == 3:
            raise RequestError(Reason.UNKNOWN_SYMBOL, "symbol", symbol_id)
        if symbol_id == 2:
            raise ZeroDivisionError
        return [(4999990, 10000, 2)][:depth], [], 77, 9

    def recent_trades(self, symbol_id: int, limit: int) -> Any:
        return [(symbol_id, 5000000, 400, 1, 5, 8)] * min(limit, 2)


@on_loop
async def test_book_and_trades_come_from_the_marketdata_tile() -> None:
    async with World() as world:
        assert error_of(await world.rest("GET", "/v1/book?symbol=BTC-PERP", None))[0] == 503
        world.gateway.marketdata = MarketData(asyncio.get_running_loop())

        assert await world.rest("GET", "/v1/book?symbol=BTC-PERP", None) == (200, {
            "symbol": "BTC-PERP", "bids": [["49999.90", "0.010000", 2]], "asks": [],
            "ts_ns": 77, "seq": 9,
        })  # fmt: skip
        _, body = await world.rest("GET", "/v1/trades?symbol=BTC-PERP&limit=1", None)
        assert body == {"trades": [
            {"symbol": "BTC-PERP", "price": "50000.00", "qty": "0.000400", "taker_side": "sell",
             "ts_ns": 5, "seq": 8},
        ]}  # fmt: skip
        for path, status, code, field, value in (
            ("/v1/book", 404, Reason.UNKNOWN_SYMBOL, "symbol", None),
            ("/v1/book?symbol=DOGE", 404, Reason.UNKNOWN_SYMBOL, "symbol", "DOGE"),
            ("/v1/book?symbol=SOL-PERP", 404, Reason.UNKNOWN_SYMBOL, "symbol", 3),
            ("/v1/book?symbol=ETH-PERP", 500, Reason.INTERNAL, None, None),
            ("/v1/book?symbol=BTC-PERP&depth=0", 400, Reason.INVALID_VALUE, "depth", "0"),
            ("/v1/book?symbol=BTC-PERP&depth=x", 400, Reason.INVALID_VALUE, "depth", "x"),
            ("/v1/trades?symbol=BTC-PERP&limit=1001", 400, Reason.INVALID_VALUE, "limit", "1001"),
        ):
            got = error_of(await world.rest("GET", path, None))
            assert got == (status, code, field, value), path


@on_loop
async def test_health_and_metrics() -> None:
    async with World() as world:
        assert await world.rest("GET", "/health", None) == (200, {"status": "ok"})
        world.gateway.health_source = lambda: {"status": "failing", "tiles": ["wal"]}
        assert await world.rest("GET", "/health", None) == (
            503, {"status": "failing", "tiles": ["wal"]},
        )  # fmt: skip
        await world.rest("POST", "/v1/orders", json=BUY)
        await world.rest("GET", "/v1/account", None)

        async with world.http.get("/metrics") as response:
            text = await response.text()
            assert response.headers["Content-Type"].startswith("text/plain; version=0.0.4")

        assert "\nrsx_gateway_orders_total 1.0\n" in text
        assert 'rsx_gateway_refusals_total{reason="TOKEN_MISSING"} 1.0' in text
        assert world.gateway.counters()["gateway_orders"] == 1
        assert world.gateway.counters()["gateway_refusals_TOKEN_MISSING"] == 1


# --- orders ---------------------------------------------------------------------------------


@on_loop
async def test_an_order_is_placed_found_and_cancelled() -> None:
    async with World() as world:
        status, order = await world.rest("POST", "/v1/orders", json=BUY)
        assert status == 200
        assert order == {
            "oid": order["oid"], "cid": "r-1", "symbol": "BTC-PERP", "side": "buy",
            "price": "50000.00", "qty": "0.010000", "filled": "0.000000",
            "remaining": "0.010000", "status": "resting", "reason": None, "tif": "GTC",
            "post_only": False, "reduce_only": False, "ts_ns": START_NS + 1, "seq": 1,
            "type": "limit", "stp": "none", "expire_s": None, "position_side": None,
        }  # fmt: skip
        oid = order["oid"]

        for query in (f"/{oid}", "?cid=r-1&symbol=BTC-PERP", "?cid=r-1"):
            assert await world.rest("GET", f"/v1/orders{query}") == (200, order)
        assert await world.rest("GET", "/v1/orders") == (200, {"orders": [order]})
        assert await world.rest("GET", "/v1/orders", 2) == (200, {"orders": []})

        status, ended = await world.rest("DELETE", f"/v1/orders/{oid}")
        assert (status, ended["status"], ended["reason"]) == (200, "cancelled", "USER_CANCEL")
        assert await world.rest("GET", f"/v1/orders/{oid}") == (200, ended)
        assert await world.rest("GET", "/v1/orders") == (200, {"orders": []})


@on_loop
async def test_an_order_is_cancelled_by_client_id() -> None:
    async with World() as world:
        await world.rest("POST", "/v1/orders", json=BUY)

        _, ended = await world.rest("DELETE", "/v1/orders?cid=r-1&symbol=BTC-PERP")

        assert ended["status"] == "cancelled"
        again = await world.rest("DELETE", "/v1/orders?cid=r-1")
        assert error_of(again)[:2] == (409, Reason.ORDER_DONE)


@on_loop
async def test_options_of_an_order_reach_the_engine_in_units() -> None:
    async with World() as world:
        body = BUY | {"side": "sell", "tif": "GTC", "post_only": True, "reduce_only": True}
        await world.rest("POST", "/v1/orders", json=body)
        await world.rest("POST", "/v1/orders", json=BUY | {"tif": "IOC", "cid": None})

        first, second = world.engine.requests
        assert (first.px, first.qty, first.side, first.tif) == (5000000, 10000, 1, 0)
        assert first.flags == OrderFlag.POST_ONLY | OrderFlag.REDUCE_ONLY
        assert (first.client_id, first.user_id, first.symbol_id) == ("r-1", 1, 1)
        assert (second.tif, second.flags, second.client_id) == (1, 0, "")
        assert first.received_ns == START_NS


@on_loop
async def test_placing_answers_with_the_first_update_not_with_the_first_fill() -> None:
    async with World() as world:
        engine = world.engine
        await world.rest("POST", "/v1/orders", json=BUY)
        maker = engine.requests[0]
        engine.auto = False

        call = asyncio.create_task(
            world.rest("POST", "/v1/orders", 2, json=BUY | {"side": "sell", "tif": "IOC"})
        )
        await until(lambda: engine.received(2))
        taker = engine.requests[1]
        engine.accept(taker, False)
        engine.fill(taker, maker, 4000, 6000, 6000, taker_fee=123, maker_fee=-5)
        world.step()
        engine.cancelled(taker, 6000, 4000, Reason.IOC_REMAINDER)
        world.step()

        status, order = await call
        assert (status, order["status"], order["reason"]) == (200, "cancelled", "IOC_REMAINDER")
        assert (order["filled"], order["remaining"]) == ("0.004000", "0.006000")
        _, fills = await world.rest("GET", "/v1/fills?symbol=BTC-PERP&limit=5&before=99", 2)
        assert fills == {"fills": [
            {"oid": taker.oid, "cid": "r-1", "symbol": "BTC-PERP", "side": "sell",
             "price": "50000.00", "qty": "0.004000", "fee": "0.00000123", "maker": False,
             "ts_ns": START_NS + 3, "seq": 3},
        ]}  # fmt: skip


@on_loop
async def test_an_order_that_the_engine_rejects_is_answered_400_with_the_reason() -> None:
    async with World() as world:
        engine = world.engine
        engine.auto = False
        call = asyncio.create_task(world.rest("POST", "/v1/orders", json=BUY))
        await until(lambda: engine.received(1))
        engine.rejected(engine.requests[0], Reason.POST_ONLY_WOULD_CROSS)
        world.step()

        status, body = await call

        assert (status, body["error"]["code"]) == (400, Reason.POST_ONLY_WOULD_CROSS)
        assert body["order"]["status"] == "rejected"

        call = asyncio.create_task(world.rest("POST", "/v1/orders", json=BUY | {"cid": "r-2"}))
        await until(lambda: engine.received(2))
        engine.answer(
            "REQUEST_REJECTED", oid=engine.requests[1].oid, user_id=1, symbol_id=1,
            reason=Reason.INSUFFICIENT_MARGIN, required=5, available=3,
        )  # fmt: skip
        world.step()
        status, body = await call
        assert (status, body["error"]["name"]) == (400, "INSUFFICIENT_MARGIN")
        assert (body["order"]["seq"], body["order"]["filled"]) == (0, "0.000000")


BAD_ORDERS = [
    ({"symbol": None}, 404, Reason.UNKNOWN_SYMBOL, "symbol", None),
    ({"symbol": 1}, 404, Reason.UNKNOWN_SYMBOL, "symbol", 1),
    ({"side": "BUY"}, 400, Reason.INVALID_VALUE, "side", "BUY"),
    ({"side": 0}, 400, Reason.INVALID_VALUE, "side", 0),
    ({"price": 50000}, 400, Reason.INVALID_VALUE, "price", 50000),
    ({"price": "1e5"}, 400, Reason.INVALID_VALUE, "price", "1e5"),
    ({"price": "50000.005"}, 400, Reason.PRICE_OFF_TICK, "price", "50000.005"),
    ({"price": "50000.01"}, 400, Reason.PRICE_OFF_TICK, "price", "50000.01"),
    ({"price": "-1"}, 400, Reason.PRICE_OUT_OF_RANGE, "price", "-1"),
    ({"price": "0"}, 400, Reason.PRICE_OUT_OF_RANGE, "price", "0"),
    ({"price": "1000000.10"}, 400, Reason.PRICE_OUT_OF_RANGE, "price", "1000000.10"),
    ({"qty": "0.00015"}, 400, Reason.QTY_OFF_LOT, "qty", "0.00015"),
    ({"qty": "0.0000001"}, 400, Reason.QTY_OFF_LOT, "qty", "0.0000001"),
    ({"qty": "1001"}, 400, Reason.QTY_OUT_OF_RANGE, "qty", "1001"),
    ({"qty": "1000", "price": "60000"}, 400, Reason.NOTIONAL_TOO_LARGE, "qty", "1000"),
    ({"tif": "GTD"}, 400, Reason.EXPIRY_INVALID, "expire_s", 0),
    ({"tif": "GTX"}, 400, Reason.INVALID_VALUE, "tif", "GTX"),
    ({"tif": 0}, 400, Reason.INVALID_VALUE, "tif", 0),
    ({"post_only": 1}, 400, Reason.INVALID_VALUE, "post_only", 1),
    ({"post_only": True, "tif": "FOK"}, 400, Reason.FLAGS_CONTRADICT, "post_only", True),
    ({"cid": ""}, 400, Reason.CLIENT_ID_INVALID, "cid", ""),
    ({"cid": "x" * 37}, 400, Reason.CLIENT_ID_INVALID, "cid", "x" * 37),
    ({"cid": 7}, 400, Reason.CLIENT_ID_INVALID, "cid", 7),
    ({"postOnly": True}, 400, Reason.MALFORMED, "postOnly", True),
]


@on_loop
async def test_bad_orders_are_refused_in_the_clients_words() -> None:
    async with World() as world:
        for change, *expected in BAD_ORDERS:
            answer = await world.rest("POST", "/v1/orders", json=BUY | change)
            assert error_of(answer) == tuple(expected), change
        for raw, code in ((b"", 1002), (b"{", 1002), (b"[]", 1002), (b'{"a":"\xff"}', 1001)):
            answer = await world.rest("POST", "/v1/orders", data=raw)
            assert error_of(answer)[:2] == (400, code)

        assert world.engine.requests == []


@on_loop
async def test_bad_paths_and_parameters_are_refused_in_json() -> None:
    async with World() as world:
        for method, path, status, code, field in (
            ("GET", "/nope", 404, Reason.NOT_FOUND, "path"),
            ("GET", "/v1/orders/1/2", 404, Reason.NOT_FOUND, "path"),
            ("PUT", "/v1/orders", 405, Reason.INVALID_VALUE, "method"),
            ("DELETE", "/health", 405, Reason.INVALID_VALUE, "method"),
            ("GET", "/v1/orders/abc", 400, Reason.INVALID_VALUE, "oid"),
            ("GET", "/v1/orders/0", 400, Reason.INVALID_VALUE, "oid"),
            ("GET", f"/v1/orders/{2**53}", 400, Reason.INVALID_VALUE, "oid"),
            ("GET", "/v1/orders/" + "9" * 5000, 400, Reason.INVALID_VALUE, "oid"),
            ("GET", "/v1/orders/77", 404, Reason.ORDER_NOT_FOUND, "oid"),
            ("DELETE", "/v1/orders/77", 404, Reason.ORDER_NOT_FOUND, "oid"),
            ("DELETE", "/v1/orders/77?symbol=BTC-PERP", 404, Reason.ORDER_NOT_OPEN, "oid"),
            ("DELETE", "/v1/orders", 400, Reason.INVALID_VALUE, "cid"),
            ("GET", "/v1/orders?cid=%00", 400, Reason.CLIENT_ID_INVALID, "cid"),
            ("GET", "/v1/orders?cid=no", 404, Reason.ORDER_NOT_FOUND, "cid"),
            ("GET", "/v1/orders?cid=a&symbol=X", 404, Reason.UNKNOWN_SYMBOL, "symbol"),
            ("GET", "/v1/fills?limit=0", 400, Reason.INVALID_VALUE, "limit"),
            ("GET", "/v1/fills?limit=501", 400, Reason.INVALID_VALUE, "limit"),
            ("GET", "/v1/fills?before=-1", 400, Reason.INVALID_VALUE, "before"),
            ("GET", "/v1/fills?symbol=X", 404, Reason.UNKNOWN_SYMBOL, "symbol"),
        ):
            got = error_of(await world.rest(method, path))
            assert got[:3] == (status, code, field), path
        async with world.http.put("/v1/orders", headers=world.headers()) as response:
            assert response.headers["Allow"] == "DELETE, GET, HEAD, PATCH, POST"


@on_loop
async def test_a_body_that_no_batch_needs_is_refused() -> None:
    async with World() as world:
        answer = await world.rest("POST", "/v1/orders", data=b" " * 12801)

        assert error_of(answer)[:3] == (413, Reason.FRAME_TOO_LARGE, "body")
        assert (await world.rest("GET", "/health", None))[0] == 200


# --- account, deposits, tokens --------------------------------------------------------------


@on_loop
async def test_account_and_positions_are_decimals() -> None:
    async with World() as world:
        world.engine.account = {"collateral": 10**8, "available": -5, "fees": 7}
        world.engine.positions = [
            {"symbol_id": 1, "net_qty": 20000, "entry_cost": 10**11, "mark_px": 5000100,
             "unrealised": 2 * 10**6, "realised": -3, "initial_margin": 1,
             "maintenance_margin": 2},
        ]  # fmt: skip

        _, account = await world.rest("GET", "/v1/account", 5)
        _, positions = await world.rest("GET", "/v1/positions", 5)

        assert account["user"] == 5
        assert (account["collateral"], account["available"]) == ("1.00000000", "-0.00000005")
        assert set(account) == {
            "user", "collateral", "equity", "unrealised", "initial_margin",
            "maintenance_margin", "frozen", "available", "realised", "fees", "withdrawable",
            "position_mode", "liquidation",
        }  # fmt: skip
        (position,) = positions["positions"]
        due = {
            "symbol": "BTC-PERP", "net_qty": "0.020000", "entry_price": "50000.00",
            "mark_price": "50001.00", "unrealised": "0.02000000", "realised": "-0.00000003",
            "initial_margin": "0.00000001", "maintenance_margin": "0.00000002",
        }  # fmt: skip
        assert due.items() <= position.items()


@on_loop
async def test_an_admin_deposits_and_nobody_else() -> None:
    async with World() as world:
        body = {"user": 9, "amount": "100.5"}
        path = "/v1/admin/deposits"

        assert await world.rest("POST", path, role="admin", json=body) == (
            200, {"user": 9, "amount": "100.50000000", "seq": 1},
        )  # fmt: skip
        assert world.engine.requests[0].amount == 10_050_000_000
        assert error_of(await world.rest("POST", path, json=body))[:2] == (403, Reason.FORBIDDEN)
        assert error_of(await world.rest("POST", path, None, json=body))[0] == 401
        for change, code, field in (
            ({"user": "9"}, Reason.INVALID_VALUE, "user"),
            ({"user": 0}, Reason.INVALID_VALUE, "user"),
            ({"user": 2**32}, Reason.INVALID_VALUE, "user"),
            ({"amount": "0"}, Reason.AMOUNT_INVALID, "amount"),
            ({"amount": "-1"}, Reason.AMOUNT_INVALID, "amount"),
            ({"amount": "0.000000001"}, Reason.INVALID_VALUE, "amount"),
            ({"amount": "9" * 19}, Reason.AMOUNT_INVALID, "amount"),
        ):
            got = error_of(await world.rest("POST", path, role="admin", json=body | change))
            assert got[:3] == (400, code, field), change

        world.engine.auto = False
        call = asyncio.create_task(world.rest("POST", path, role="admin", json=body))
        await until(lambda: world.engine.received(2))
        request = world.engine.requests[1]
        world.engine.answer(
            "REQUEST_REJECTED", request_id=request.request_id, user_id=9,
            reason=Reason.BALANCE_LIMIT,
        )  # fmt: skip
        world.step()
        assert error_of(await call)[:2] == (400, Reason.BALANCE_LIMIT)


@on_loop
async def test_private_routes_need_a_good_token() -> None:
    async with World() as world:
        for path in ("/v1/account", "/v1/positions", "/v1/orders", "/v1/orders/1", "/v1/fills"):
            assert error_of(await world.rest("GET", path, None))[:2] == (401, Reason.TOKEN_MISSING)
        for token, code in (
            (world.token(1, -6), Reason.TOKEN_EXPIRED),
            (world.token(1)[:-4], Reason.TOKEN_INVALID),
        ):
            headers = {"Authorization": f"Bearer {token}"}
            answer = await world.rest("GET", "/v1/account", None, headers=headers)
            assert error_of(answer)[:2] == (401, code)
            assert token not in str(answer)
        in_query = await world.rest("GET", f"/v1/account?token={world.token(1)}", None)
        assert error_of(in_query)[0] == 401


@pytest.mark.parametrize(
    ("method", "path"),
    [("POST", "/v1/orders"), ("DELETE", "/v1/orders/77?symbol=BTC-PERP"), ("GET", "/v1/account"),
     ("POST", "/v1/admin/deposits")],
)  # fmt: skip
def test_a_request_without_an_answer_is_answered_504(method: str, path: str) -> None:
    @on_loop
    async def run() -> None:
        async with World() as world:
            world.engine.auto = False
            body = {"user": 1, "amount": "1"} if "admin" in path else BUY
            call = asyncio.create_task(
                world.rest(method, path, role="admin", json=body if method == "POST" else None)
            )
            await until(lambda: world.engine.received(1))
            world.clock.advance(5 * NS)
            world.gateway.tick(world.clock.now_ns())

            assert error_of(await call)[:2] == (504, Reason.NO_ANSWER)

    run()


@on_loop
async def test_limits_are_answered_429_and_overload_503() -> None:
    async with World(depth=2, edge={"orders_per_second": 1}) as world:
        for i in range(2):
            assert (await world.rest("POST", "/v1/orders", json=BUY | {"cid": f"c{i}"}))[0] == 200
        limited = await world.rest("POST", "/v1/orders", json=BUY)
        assert error_of(limited)[:2] == (429, Reason.RATE_LIMITED)

        world.engine.auto = False
        world.engine.wal_gateway.on_wait = None
        calls = [
            asyncio.create_task(world.rest("POST", "/v1/orders", user, json=BUY)) for user in (2, 3)
        ]
        await until(lambda: len(world.gateway.entry.unanswered) == 2)
        overloaded = await world.rest("POST", "/v1/orders", 4, json=BUY)
        assert error_of(overloaded)[:2] == (503, Reason.OVERLOADED)
        world.engine.auto = True
        world.engine.step()
        world.step()
        assert [(await call)[0] for call in calls] == [200, 200]


@on_loop
async def test_stopping_ends_waiting_requests_with_503() -> None:
    async with World() as world:
        world.engine.auto = False
        call = asyncio.create_task(world.rest("POST", "/v1/orders", json=BUY))
        await until(lambda: world.engine.received(1))

        await world.gateway.on_close()

        assert error_of(await call)[:2] == (503, Reason.STOPPING)
