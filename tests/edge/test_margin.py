"""Margin, withdrawals, hedge orders, pushes and histories over both dialects, with a fake engine.

Requirements POS-nn, MAR-nn, LIQ-nn, FND-nn of what a client asks and is told. Source: specs/wire.md
W-80 to W-88.
"""

from __future__ import annotations

from typing import Any

import pytest
from edge.fakes import START_NS, World, on_loop

from rsx.errors import Reason
from rsx.records import FUND_USER_BASE, OrderFlag, Stage

HEDGE, REDUCE = int(OrderFlag.HEDGE), int(OrderFlag.REDUCE_ONLY)
BUY = [1, 0, 5000000, 10000, "h-1", 0, 0, 0]


def risk_of(symbol_id: int = 1, **values: int) -> dict[str, int]:
    return {"symbol_id": symbol_id, **values}


# --- settings, transfers, withdrawals ---------------------------------------------------------


@on_loop
async def test_leverage_and_modes_are_set_and_told_to_every_connection() -> None:
    async with World() as world:
        one, two = await world.open(), await world.open()

        for frame, due in (
            ([1, 10], [1, 10, 0, 0]),
            ([1, None, 1], [1, 10, 1, 0]),
            ([1, 3, 0], [1, 3, 0, 0]),
            ([0, None, None, 1], [0, 0, 0, 1]),
        ):
            await one.send({"MC": frame})
            for socket in (one, two):
                key, fields = await socket.take()
                assert (key, fields[:4]) == ("MC", due)
                assert fields[4] == START_NS + fields[5]


@on_loop
async def test_margin_settings_that_cannot_be_are_refused_at_the_edge() -> None:
    async with World() as world:
        socket = await world.open()
        for fields, code, field in (
            ([1], Reason.INVALID_VALUE, "leverage"),
            ([1, -1], Reason.INVALID_VALUE, "leverage"),
            ([1, 1001], Reason.INVALID_VALUE, "leverage"),
            ([1, "3"], Reason.INVALID_VALUE, "leverage"),
            ([1, None, 2], Reason.INVALID_VALUE, "margin_mode"),
            ([1, None, None, 1], Reason.INVALID_VALUE, "position_mode"),
            ([0, 3], Reason.INVALID_VALUE, "leverage"),
            ([0, None, None, 2], Reason.INVALID_VALUE, "position_mode"),
            ([9, 3], Reason.UNKNOWN_SYMBOL, "sym"),
            ([], Reason.MALFORMED, "MC"),
        ):
            refused = await socket.refused({"MC": fields})
            assert (refused[0], refused[2]) == (code, field), fields
        assert world.engine.requests == []


@on_loop
async def test_margin_moves_to_and_from_a_position() -> None:
    async with World() as world:
        socket = await world.open()

        key, fields = await socket.ask({"MT": [1, -500, 1]})

        assert (key, fields) == ("MT", [1, 1, -500, START_NS + 1, 1])
        for fields, code in (
            ([1, 0], Reason.AMOUNT_INVALID), ([9, 5], Reason.UNKNOWN_SYMBOL),
            ([1, 5, 2], Reason.INVALID_VALUE), ([1, 1 << 63], Reason.AMOUNT_INVALID),
        ):  # fmt: skip
            assert (await socket.refused({"MT": fields}))[0] == code


@on_loop
async def test_a_withdrawal_is_told_or_says_how_much_there_is() -> None:
    async with World() as world:
        world.engine.account = {"withdrawable": 700}
        one, two = await world.open(), await world.open()

        await one.send({"WD": [700]})
        for socket in (one, two):
            assert await socket.take() == ("WD", [700, START_NS + 1, 1])
        refused = await one.refused({"WD": [701]})

        assert refused[0] == Reason.WITHDRAWAL_TOO_LARGE
        assert "0.00000701 is needed, 0.00000700 is available" in refused[1]
        assert refused[2:] == ["amount", 701, None, None, 701, 700]
        assert (await one.refused({"WD": [0]}))[0] == Reason.AMOUNT_INVALID
        assert (await one.refused({"WD": [-5]}))[0] == Reason.AMOUNT_INVALID


@on_loop
async def test_rest_sets_moves_and_withdraws_in_decimals() -> None:
    async with World() as world:
        world.engine.account = {"withdrawable": 5 * 10**8}
        post = "POST"
        path = "/v1/account"

        assert await world.rest(post, f"{path}/leverage", json={
            "symbol": "BTC-PERP", "leverage": 7,
        }) == (200, {
            "symbol": "BTC-PERP", "leverage": 7, "margin_mode": "cross",
            "position_mode": "one_way", "seq": 1,
        })  # fmt: skip
        _, body = await world.rest(post, f"{path}/margin_mode", json={
            "symbol": "BTC-PERP", "margin_mode": "isolated",
        })  # fmt: skip
        assert (body["leverage"], body["margin_mode"]) == (7, "isolated")
        _, body = await world.rest(post, f"{path}/position_mode", json={"position_mode": "hedge"})
        assert (body["symbol"], body["position_mode"]) == (None, "hedge")
        assert await world.rest(post, f"{path}/margin", json={
            "symbol": "BTC-PERP", "amount": "-1.5", "position_side": "short",
        }) == (200, {
            "symbol": "BTC-PERP", "amount": "-1.50000000", "position_side": "short", "seq": 4,
        })  # fmt: skip
        assert await world.rest(post, f"{path}/withdrawals", json={"amount": "5"}) == (
            200, {"user": 1, "amount": "5.00000000", "seq": 5},
        )  # fmt: skip
        status, body = await world.rest(post, f"{path}/withdrawals", json={"amount": "5.1"})
        error = body["error"]
        assert (status, error["name"]) == (400, "WITHDRAWAL_TOO_LARGE")
        assert (error["required"], error["available"]) == ("5.10000000", "5.00000000")
        assert (error["field"], error["value"]) == ("amount", "5.1")


@on_loop
async def test_rest_refuses_what_cannot_be() -> None:
    async with World() as world:
        for path, body, code, field in (
            ("leverage", {"symbol": "BTC-PERP", "leverage": "7"}, Reason.INVALID_VALUE, "leverage"),
            ("leverage", {"symbol": "X", "leverage": 7}, Reason.UNKNOWN_SYMBOL, "symbol"),
            ("margin_mode", {"symbol": "BTC-PERP", "margin_mode": "x"}, Reason.INVALID_VALUE,
             "margin_mode"),
            ("position_mode", {}, Reason.INVALID_VALUE, "position_mode"),
            ("margin", {"symbol": "BTC-PERP", "amount": "1", "position_side": "up"},
             Reason.POSITION_SIDE_INVALID, "position_side"),
            ("margin", {"symbol": "BTC-PERP", "amount": "0"}, Reason.AMOUNT_INVALID, "amount"),
            ("withdrawals", {"amount": 5}, Reason.INVALID_VALUE, "amount"),
        ):  # fmt: skip
            status, answer = await world.rest("POST", f"/v1/account/{path}", json=body)
            error = answer["error"]
            assert (error["code"], error["field"]) == (code, field), body
            assert status in (400, 404)
        assert world.engine.requests == []


@on_loop
async def test_the_exchanges_own_accounts_have_no_tokens() -> None:
    """W-82, A-9."""
    async with World() as world:
        for user in (FUND_USER_BASE, FUND_USER_BASE + 1, 2**32 - 1):
            status, body = await world.rest("GET", "/v1/account", user)
            assert (status, body["error"]["code"]) == (403, Reason.FORBIDDEN)
        socket = await world.open(None)
        refused = await socket.refused({"AUTH": [world.token(FUND_USER_BASE + 1)]})
        assert refused[0] == Reason.FORBIDDEN
        assert (await socket.closed())[0] == 4001
        assert (await world.rest("GET", "/v1/account", FUND_USER_BASE - 1))[0] == 200


@on_loop
async def test_a_refusal_of_leverage_tells_the_largest() -> None:
    async with World() as world:
        world.engine.auto = False
        socket = await world.open()
        await socket.send({"MC": [1, 50]})
        await world.until(lambda: world.engine.received(1))
        world.engine.refused(world.engine.requests[0], Reason.LEVERAGE_INVALID, 50, 20)
        world.step()

        _, fields = await socket.take()

        assert fields[0] == Reason.LEVERAGE_INVALID and "50 is needed, 20 is available" in fields[1]
        assert fields[2:4] == ["leverage", 50] and fields[6:] == [50, 20]


@on_loop
async def test_an_order_without_margin_says_what_it_takes() -> None:
    """MAR: rejects say which limit and by how much (W-83)."""
    async with World() as world:
        world.engine.auto = False
        socket = await world.open()
        await socket.send({"N": BUY})
        await world.until(lambda: world.engine.received(1))
        oid = world.engine.requests[0].oid
        world.engine.answer(
            "REQUEST_REJECTED", oid=oid, user_id=1, symbol_id=1, required=101, available=0,
            reason=Reason.INSUFFICIENT_MARGIN,
        )  # fmt: skip
        world.step()

        _, fields = await socket.take()

        assert fields[:5] == [oid, 3, 0, 10000, Reason.INSUFFICIENT_MARGIN]
        assert fields[12:] == [0, 0, 0, 0, 0, 101]


# --- hedge orders -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("side", "position_side", "reduce_only", "flags"),
    [
        (0, 0, 0, HEDGE), (1, 1, 0, HEDGE), (1, 0, 0, HEDGE | REDUCE), (0, 1, 0, HEDGE | REDUCE),
        (1, 0, 1, HEDGE | REDUCE), (0, 1, 1, HEDGE | REDUCE), (0, 0, 1, None), (1, 1, 1, None),
        (0, 2, 0, None), (0, -1, 0, None),
    ],
)  # fmt: skip
@on_loop
async def test_the_position_side_makes_the_flags(
    side: int, position_side: int, reduce_only: int, flags: int | None
) -> None:
    """POS: HG-2; contradictions are 1031."""
    async with World() as world:
        socket = await world.open()
        order = [1, side, 5000000, 10000, "h-1", 0, reduce_only, 0,
                 {"position_side": position_side}]  # fmt: skip
        if flags is None:
            refused = await socket.refused({"N": order})
            assert refused[0] == Reason.POSITION_SIDE_INVALID
            assert refused[2:5] == ["position_side", position_side, "h-1"]
            return
        key, _ = await socket.ask({"N": order})
        assert key == "U"
        assert world.engine.requests[0].flags == flags
        _, rows = await socket.ask({"O": []})
        assert rows[0][23] == position_side
        trigger = [1, 2, side, 10000, 4500000 if side else 5500000, 0, "t-1", None, reduce_only,
                   {"position_side": position_side}]  # fmt: skip
        key, _ = await socket.ask({"TN": trigger})
        assert key == "U" and world.engine.last("TRIGGER_REQUEST").flags == flags


@on_loop
async def test_rest_orders_name_a_position_side() -> None:
    async with World() as world:
        body = {"symbol": "BTC-PERP", "side": "sell", "price": "50000", "qty": "0.01",
                "position_side": "long"}  # fmt: skip
        _, order = await world.rest("POST", "/v1/orders", json=body)
        assert (order["position_side"], order["reduce_only"]) == ("long", True)
        status, answer = await world.rest(
            "POST", "/v1/orders", json=body | {"position_side": "short", "reduce_only": True}
        )
        assert (status, answer["error"]["name"]) == (400, "POSITION_SIDE_INVALID")
        status, answer = await world.rest("POST", "/v1/orders", json=body | {"position_side": "x"})
        assert answer["error"]["name"] == "POSITION_SIDE_INVALID"
        _, answer = await world.rest("POST", "/v1/orders", json=body | {"type": "liquidation"})
        assert answer["error"]["field"] == "type"


# --- account and positions --------------------------------------------------------------------


@on_loop
async def test_account_and_positions_tell_margin_and_risk() -> None:
    """MAR: margin breakdown, liquidation price, leverage, legs (W-84)."""
    async with World() as world:
        engine = world.engine
        engine.account = {"collateral": 100, "withdrawable": 40, "position_mode": 1, "stage": 2}
        engine.positions = [
            risk_of(1, net_qty=3, entry_cost=9, frozen=4, open_buy_qty=5, open_sell_qty=6),
            risk_of(2, net_qty=-3, entry_cost=9),
        ]
        engine.risk = {
            1: {"leg": 0, "leverage": 10, "margin_mode": 1, "notional": 900, "wallet": 77,
                "liquidation_px": 4400000, "bankruptcy_px": 4300000, "funding_owed": -2,
                "leverage_ppm": 100000, "stage": 2, "round": 3, "lights": 4},
            2: {"leg": 1},
        }  # fmt: skip
        socket = await world.open()

        _, account = await socket.ask({"A": []})
        _, rows = await socket.ask({"P": []})

        assert account[9:] == [40, 1, 2]
        assert rows[0][8:] == [0, 10, 1, 900, 77, 4400000, 4300000, 4, 5, 6, -2, 100000, 2, 3, 4]
        assert rows[1][8] == 1
        _, body = await world.rest("GET", "/v1/positions")
        first = body["positions"][0]
        assert first["liquidation_price"] == "44000.00" and first["margin_mode"] == "isolated"
        assert (first["position_side"], first["lights"]) == ("long", 4)
        assert (first["liquidation"], first["round"]) == ("ordered", 3)
        assert body["positions"][1]["liquidation_price"] is None
        _, body = await world.rest("GET", "/v1/account")
        assert (body["position_mode"], body["liquidation"]) == ("hedge", "ordered")
        assert body["withdrawable"] == "0.00000040"
        engine.account["position_mode"] = 0
        _, rows = await socket.ask({"P": []})
        assert [row[8] for row in rows] == [None, None]


@on_loop
async def test_account_pushes_are_gathered_and_bounded() -> None:
    """W-85."""
    async with World() as world:
        engine = world.engine
        engine.account = {"collateral": 5}
        socket, other = await world.open(), await world.open()
        assert await socket.ask({"AW": [1]}) == ("AW", [1])

        def queries() -> list[Any]:
            return [r for r in engine.requests if r.record.name == "ACCOUNT_QUERY"]

        world.step()
        engine.step()
        world.step()
        assert (await socket.take()) == ("AC", [[5, *[0] * 11], [], START_NS])

        engine.account = {"collateral": 6}
        for _ in range(3):
            engine.emit("DEPOSIT", user_id=1, amount=1)
        for _ in range(5):
            world.step()
            engine.step()
        assert [(await socket.take())[0] for _ in range(3)] == ["DP"] * 3
        assert len(queries()) == 1, "the pause is kept"
        world.clock.advance(100_000_000)
        world.step()
        engine.step()
        world.step()
        assert (await socket.take())[1][0][0] == 6
        assert len(queries()) == 2
        assert [(await other.take())[0] for _ in range(3)] == ["DP"] * 3
        assert await other.is_alive(), "nothing was pushed to who did not ask"
        assert await socket.ask({"AW": [0]}) == ("AW", [0])
        engine.emit("DEPOSIT", user_id=1, amount=1)
        world.clock.advance(10**9)
        world.step()
        engine.step()
        assert len(queries()) == 2


@on_loop
async def test_a_push_that_fails_is_tried_again_and_ends_with_its_connection() -> None:
    async with World() as world:
        engine = world.engine
        engine.auto = False
        socket = await world.open()
        await socket.ask({"AW": [1]})
        world.step()
        assert engine.received(1)
        world.clock.advance(6 * 10**9)
        world.gateway.tick(world.clock.now_ns())
        assert engine.received(2), "asked again after no answer"
        pushes = world.gateway.pushes
        await socket.ws.close()
        await world.until(lambda: not pushes.watched)
        assert not pushes.due


# --- what happens by itself -------------------------------------------------------------------

STEP = {
    "symbol_id": 1, "user_id": 1, "stage": Stage.ORDERED, "round": 2, "side": 1, "qty": 700,
    "px": 4990000, "mark_px": 5000000, "net_qty": 900, "equity": 9, "maintenance_margin": 10,
    "oid": 77, "margin_mode": 0,
}  # fmt: skip
TRANSFER = {
    "symbol_id": 1, "user_id": 1, "counter_user_id": 2, "side": 1, "qty": 30, "px": 4900000,
    "mark_px": 4950000, "kind": 1, "user_flags": REDUCE, "counter_flags": REDUCE | HEDGE,
    "transfer_id": 9, "score": 5,
}  # fmt: skip


@on_loop
async def test_liquidation_deleveraging_and_funding_reach_those_they_concern() -> None:
    """LIQ, FND: notices to both sides with price, quantity and reason (W-86)."""
    async with World() as world:
        engine = world.engine
        one, two = await world.open(1), await world.open(2)

        engine.answer("MARGIN_CALL", user_id=1, symbol_id=0, equity=12, maintenance_margin=10)
        engine.emit("LIQUIDATION_STEP", **STEP)
        engine.emit("POSITION_TRANSFERRED", **TRANSFER)
        engine.emit("POSITION_TRANSFERRED", **TRANSFER | {"qty": 0})
        engine.emit("LIQUIDATION_SETTLED", user_id=1, symbol_id=1, amount=4)
        engine.emit(
            "FUNDING_PAYMENT", user_id=2, symbol_id=1, amount=-8, net_qty=-5, mark_px=5000000,
            rate_ppb=100, interval_id=3, leg=1,
        )  # fmt: skip
        engine.emit("CANCEL_ALL_DONE", user_id=1, symbol_id=1, request_id=0, cancelled=2)
        world.step()

        assert [await one.take() for _ in range(4)] == [
            ("CALL", [0, 0, 12, 10, START_NS]),
            ("LQ", [1, 0, 2, 2, 1, 700, 4990000, 5000000, 900, 9, 10, 0, 77, START_NS + 1, 1]),
            ("PT", [1, 0, 0, 1, 1, 30, 4900000, 4950000, START_NS + 2, 2]),
            ("LF", [1, 0, 4, START_NS + 4, 4]),
        ]
        assert [await two.take() for _ in range(2)] == [
            ("PT", [1, 1, 1, 1, 0, 30, 4900000, 4950000, START_NS + 2, 2]),
            ("FP", [1, 1, -8, -5, 5000000, 100, 3, START_NS + 5, 5]),
        ]
        _, rows = await one.ask({"LH": []})
        assert [(key, row[-1]) for key, row in rows] == [("LF", 4), ("PT", 2), ("LQ", 1)]
        _, rows = await one.ask({"LH": [1, 1, 4]})
        assert [(key, row[-1]) for key, row in rows] == [("PT", 2)]
        assert (await two.ask({"FH": []}))[1][0][:3] == [1, 1, -8]
        assert (await two.ask({"FH": [2]}))[1] == []
        assert (await two.refused({"FH": [0, 501]}))[0] == Reason.INVALID_VALUE
        assert (await two.refused({"LH": [9]}))[0] == Reason.UNKNOWN_SYMBOL
        _, body = await world.rest("GET", "/v1/account/liquidations?limit=2")
        assert [e["event"] for e in body["events"]] == ["settled", "transfer"]
        assert (body["events"][1]["role"], body["events"][1]["kind"]) == ("ended", "adl")
        _, body = await world.rest("GET", "/v1/account/funding", 2)
        assert body["funding"][0]["amount"] == "-0.00000008"
        assert body["funding"][0]["rate"] == "0.000000100"


@on_loop
async def test_what_a_liquidation_cancels_and_orders_is_told_like_any_order() -> None:
    """LIQ: 3112, 3113, orders of kind 7 (W-87); no pending request is confused by request id 0."""
    async with World() as world:
        engine = world.engine
        socket = await world.open()
        _, placed = await socket.ask({"N": BUY})
        engine.auto = False
        await socket.send({"CA": [1]})
        await world.until(lambda: engine.received(2))
        order = engine.requests[0]
        engine.cancelled(order, 10000, 0, Reason.LIQUIDATION)
        engine.emit("CANCEL_ALL_DONE", user_id=1, symbol_id=1, request_id=0, cancelled=1)
        engine.emit(
            "ORDER_ACCEPTED", oid=99, px=4990000, qty=700, user_id=1, symbol_id=1, side=1, tif=1,
            flags=REDUCE, kind=7, stp=2,
        )  # fmt: skip
        engine.emit(
            "ORDER_CANCELLED", oid=99, px=4990000, cancelled_qty=700, user_id=1, symbol_id=1,
            side=1, reason=Reason.IOC_REMAINDER,
        )  # fmt: skip
        world.step()

        ended = await socket.take()
        assert ended[1][:5] == [placed[0], 2, 0, 10000, Reason.LIQUIDATION]
        closed = await socket.take()
        assert closed[1][:5] == [99, 2, 0, 700, Reason.IOC_REMAINDER]
        assert closed[1][12:] == [0, 0, 7]
        _, body = await world.rest("GET", "/v1/orders/99")
        assert body["type"] == "liquidation"
        request = engine.requests[1].request_id
        engine.emit("CANCEL_ALL_DONE", user_id=1, symbol_id=1, request_id=request, cancelled=0)
        world.step()
        assert await socket.take() == ("CA", [1, 0])


# --- markets ----------------------------------------------------------------------------------


@on_loop
async def test_marks_funding_liquidations_and_funds_are_public() -> None:
    """MRK, FND, LIQ over REST; no user is told."""
    async with World() as world:
        engine = world.engine
        _, body = await world.rest("GET", "/v1/mark?symbol=BTC-PERP", None)
        assert (body["state"], body["mark_price"]) == ("missing", None)
        engine.emit(
            "MARK_PRICE", symbol_id=1, mark_px=5000000, index_px=4999000, open_interest=123,
            rate_ppb=-100, next_funding_s=777, sources=3, source_ns=9, state=1,
        )  # fmt: skip
        for interval in (5, 6):
            engine.emit(
                "FUNDING_SETTLED", symbol_id=1, interval_id=interval, rate_ppb=100,
                mark_px=5000000, index_px=4999000, premium_ppb=7, samples=8, skipped=1,
            )  # fmt: skip
        engine.emit("LIQUIDATION_STEP", **STEP)
        engine.emit("LIQUIDATION_STEP", **STEP | {"stage": Stage.STARTED, "symbol_id": 0})
        engine.emit("POSITION_TRANSFERRED", **TRANSFER | {"kind": 0})
        world.step()

        _, body = await world.rest("GET", "/v1/mark?symbol=BTC-PERP", None)
        assert body == {
            "symbol": "BTC-PERP", "mark_price": "50000.00", "index_price": "49990.00",
            "state": "stale", "sources": 3, "source_ns": 9, "open_interest": "0.000123",
            "funding_rate": "-0.000000100", "next_funding_s": 777, "ts_ns": START_NS + 1, "seq": 1,
        }  # fmt: skip
        _, body = await world.rest("GET", "/v1/funding?symbol=BTC-PERP&limit=1", None)
        assert [(r["interval"], r["rate"]) for r in body["funding"]] == [(6, "0.000000100")]
        _, body = await world.rest("GET", "/v1/funding?symbol=BTC-PERP&before=3", None)
        assert [r["interval"] for r in body["funding"]] == [5]
        _, body = await world.rest("GET", "/v1/liquidations?symbol=BTC-PERP", None)
        assert [(r["kind"], r["qty"]) for r in body["liquidations"]] == [
            ("takeover", "0.000030"), ("order", "0.000700")
        ]  # fmt: skip
        assert "user" not in str(body)
        engine.account = {"collateral": 50, "equity": 40, "unrealised": -10}
        engine.positions = [{"symbol_id": 1, "net_qty": 30, "entry_cost": 90, "mark_px": 5}]
        for _ in range(2):
            _, body = await world.rest("GET", "/v1/insurance", None)
        first = body["funds"][0]
        assert (first["balance"], first["net_qty"]) == ("0.00000050", "0.000030")
        asked = [r.user_id for r in engine.requests if r.record.name == "ACCOUNT_QUERY"]
        assert asked == [FUND_USER_BASE + s.id for s in world.config.symbols]


# --- rules of a market ------------------------------------------------------------------------


@on_loop
async def test_rules_are_changed_live_and_told() -> None:
    """CFG: SY-3; only the keys that are named change."""
    async with World() as world:
        socket = await world.open()
        before = world.config.symbols[0]
        path = "/v1/admin/symbols/BTC-PERP"
        change = {"taker_fee_ppm": 555, "max_qty": "2", "brackets": [["1000000", 90000, 60000]]}

        status, body = await world.rest("PATCH", path, role="admin", json=change)

        assert status == 200
        assert body == {"symbol": "BTC-PERP", "version": before.version + 1, "seq": 4}
        key, (row, ts_ns, seq) = await socket.take()
        assert (key, ts_ns, seq) == ("SC", START_NS + 4, 4)
        assert row[7] == 2 * 10**6 and row[14] == before.version + 1 and row[16] == 555
        assert row[19] == [[10**14, 90000, 60000]]
        assert row[2:7] == [before.tick, before.lot, 2, 6, before.px_max]
        _, symbols = await world.rest("GET", "/v1/symbols", None)
        assert symbols["symbols"][0]["taker_fee"] == "0.000555"
        assert (await socket.ask({"M": []}))[1][0] == row
        large = [1, 0, 5000000, 3 * 10**6, "q", 0]
        assert (await socket.refused({"N": large}))[0] == Reason.QTY_OUT_OF_RANGE


@on_loop
async def test_rules_that_cannot_be_are_refused_with_key_value_and_why() -> None:
    async with World() as world:
        path = "/v1/admin/symbols/BTC-PERP"
        for body, field, value in (
            ({"taker_fee_ppm": 200_000}, "taker_fee_ppm", 200_000),
            ({"taker_fee_ppm": "x"}, "taker_fee_ppm", "x"),
            ({"tick": "0"}, "tick", "0"),
            ({"max_price": "5"}, "max_price", "5"),
            ({"name": "X"}, "name", "X"),
            ({"nonsense": 1}, "nonsense", 1),
            ({"adl": "fair"}, "adl", "fair"),
            ({}, None, None),
        ):
            status, answer = await world.rest("PATCH", path, role="admin", json=body)
            error = answer["error"]
            assert (status, error["name"]) == (400, "CONFIG_INVALID"), body
            assert (error["field"], error["value"]) == (field, value)
        assert (await world.rest("PATCH", path, json={"taker_fee_ppm": 1}))[0] == 403
        path = "/v1/admin/symbols/NONE"
        assert (await world.rest("PATCH", path, role="admin", json={"tick": "1"}))[0] == 404
        assert world.engine.requests == []


@on_loop
async def test_one_change_of_a_market_is_on_its_way_at_a_time() -> None:
    async with World() as world:
        engine = world.engine
        engine.auto = False
        entry = world.gateway.entry
        answers: list[Any] = []
        entry.change_rules(9, 1, {"taker_fee_ppm": 555}, answers.append)
        status, answer = await world.rest(
            "PATCH", "/v1/admin/symbols/BTC-PERP", role="admin", json={"taker_fee_ppm": 556}
        )
        assert (status, answer["error"]["name"]) == (409, "CONFIG_PENDING")
        entry.change_rules(9, 2, {"taker_fee_ppm": 555}, answers.append)
        engine.step()
        assert [r.record.name for r in engine.requests[:4]] == [
            "SYMBOL_CONFIG", "SYMBOL_LIMITS", "SYMBOL_RISK", "SYMBOL_BRACKETS"
        ]  # fmt: skip
        world.clock.advance(6 * 10**9)
        world.gateway.tick(world.clock.now_ns())
        assert [answer.code for answer in answers] == [Reason.NO_ANSWER] * 2
        for view in engine.requests:
            engine.pass_on(view)
        world.step()
        assert entry.changing == {} and entry.symbols[1].taker_fee_ppm == 555


@on_loop
async def test_an_admin_withdraws_from_any_account_and_pays_into_funds() -> None:
    async with World() as world:
        world.engine.account = {"withdrawable": 10**9}
        fund = FUND_USER_BASE + 1
        body = {"user": fund, "amount": "3"}
        assert await world.rest("POST", "/v1/admin/deposits", role="admin", json=body) == (
            200, {"user": fund, "amount": "3.00000000", "seq": 1},
        )  # fmt: skip
        assert await world.rest("POST", "/v1/admin/withdrawals", role="admin", json=body) == (
            200, {"user": fund, "amount": "3.00000000", "seq": 2},
        )  # fmt: skip
        assert (await world.rest("POST", "/v1/admin/withdrawals", json=body))[0] == 403
        body["user"] = FUND_USER_BASE + 999
        for path in ("deposits", "withdrawals"):
            status, answer = await world.rest("POST", f"/v1/admin/{path}", role="admin", json=body)
            assert (status, answer["error"]["field"]) == (403, "user"), "no market has this fund"
        for path, named in (("accounts", {"stp": "none"}), ("cancel", {})):
            status, answer = await world.rest(
                "POST", f"/v1/admin/{path}", role="admin", json={"user": fund, **named}
            )
            assert (status, answer["error"]["code"]) == (403, Reason.FORBIDDEN)
