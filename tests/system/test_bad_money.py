"""Money and settings that cannot be, at the doors of a real exchange: each gets its own answer with
the offending value, no balance moves, and the next good request is done.

Source: specs/wire.md W-54, W-81 to W-83; specs/risk.md P-1 to P-4; specs/symbols.md SY-3.
"""

from __future__ import annotations

import asyncio
from typing import Any

import aiohttp
import orjson
import pytest
from system.process import ExchangeProcess, rsx
from system.test_bad_input import answer, headers

from rsx.records import FUND_USER_BASE

pytestmark = pytest.mark.system
OWN, STRANGER, OPERATOR = 3, 888, 0
HUGE = "99999999999999999999"
MARKET = "BTC-PERP"

# who asks, method, path, body -> status, code, field, value told, (required, available)
REQUESTS: list[tuple[int, str, str, Any, int, int, str | None, Any, tuple[str, str] | None]] = [
    # amounts: of the wrong sign, nothing, no number, too large for a number, finer than the unit
    *((who, "POST", path, {**body, "amount": amount}, 400, code, "amount", amount, None)
      for who, path, body in (
          (OPERATOR, "/v1/admin/deposits", {"user": OWN}),
          (OPERATOR, "/v1/admin/withdrawals", {"user": OWN}),
          (OWN, "/v1/account/withdrawals", {}),
      )
      for amount, code in (
          ("-5", 2004), ("0", 2004), ("NaN", 1014), ("1e5", 1014), (HUGE, 1014), (5, 1014),
          (None, 1014), ("0.000000001", 1014), ("-" + HUGE, 1014), ("Infinity", 1014),
      )),
    (OPERATOR, "POST", "/v1/admin/deposits", {"user": OWN, "amount": "720575940"}, 400, 2005,
     "amount", "720575940", None),
    (OWN, "POST", "/v1/account/withdrawals", {"amount": "99949.80000001"}, 400, 2012, "amount",
     "99949.80000001", ("99949.80000001", "99949.80000000")),
    # users that there are not
    *((OPERATOR, "POST", path, {"user": user, "amount": "1"}, 400, 1014, "user", user, None)
      for path in ("/v1/admin/deposits", "/v1/admin/withdrawals")
      for user in (0, -1, 1 << 32, "x", None, 1.5)),
    (OPERATOR, "POST", "/v1/admin/deposits", {"user": FUND_USER_BASE, "amount": "1"}, 403, 4004,
     "user", FUND_USER_BASE, None),
    (OPERATOR, "POST", "/v1/admin/withdrawals", {"user": STRANGER, "amount": "5"}, 404, 2007,
     "amount", "5", None),
    (STRANGER, "POST", "/v1/account/withdrawals", {"amount": "5"}, 404, 2007, "amount", "5", None),
    (STRANGER, "POST", "/v1/account/leverage", {"symbol": MARKET, "leverage": 5}, 404, 2007,
     "leverage", 5, None),
    (STRANGER, "POST", "/v1/account/margin", {"symbol": MARKET, "amount": "5"}, 404, 2007,
     "amount", "5", None),
    (OWN, "POST", "/v1/admin/deposits", {"user": OWN, "amount": "1"}, 403, 4004, "role", None,
     None),
    # markets that there are not
    *((OWN, "POST", path, {"symbol": "NOPE", **body}, 404, 1007, "symbol", "NOPE", None)
      for path, body in (
          ("/v1/account/leverage", {"leverage": 5}),
          ("/v1/account/margin_mode", {"margin_mode": "isolated"}),
          ("/v1/account/margin", {"amount": "5"}),
          ("/v1/orders", {"side": "buy", "price": "50000", "qty": "0.01"}),
      )),
    (OWN, "GET", "/v1/account/funding?symbol=NOPE", None, 404, 1007, "symbol", "NOPE", None),
    (OWN, "GET", "/v1/account/liquidations?symbol=NOPE", None, 404, 1007, "symbol", "NOPE", None),
    (OPERATOR, "PATCH", "/v1/admin/symbols/NOPE", {"taker_fee_ppm": 1}, 404, 1007, "symbol", "NOPE",
     None),
    # leverage beyond the brackets, and none at all
    *((OWN, "POST", "/v1/account/leverage", {"symbol": MARKET, "leverage": leverage}, 400, 1014,
       "leverage", leverage, None) for leverage in (-1, 1001, "5", 2.5, None, True)),
    (OWN, "POST", "/v1/account/leverage", {"symbol": MARKET, "leverage": 21}, 400, 2008, "leverage",
     21, ("21", "20")),
    # modes, with an open position
    (OWN, "POST", "/v1/account/margin_mode", {"symbol": MARKET, "margin_mode": "isolated"}, 409,
     2009, "margin_mode", "isolated", None),
    (OWN, "POST", "/v1/account/position_mode", {"position_mode": "hedge"}, 409, 2009,
     "position_mode", "hedge", None),
    (OWN, "POST", "/v1/account/margin_mode", {"symbol": MARKET, "margin_mode": "x"}, 400, 1014,
     "margin_mode", "x", None),
    (OWN, "POST", "/v1/account/position_mode", {"position_mode": 1}, 400, 1014, "position_mode", 1,
     None),
    (OWN, "POST", "/v1/account/margin", {"symbol": MARKET, "amount": "5"}, 400, 2013, "amount",
     "5", None),
    (OWN, "POST", "/v1/account/margin", {"symbol": MARKET, "amount": "0"}, 400, 2004, "amount",
     "0", None),
    (OWN, "POST", "/v1/orders", {"symbol": MARKET, "side": "buy", "price": "50000", "qty": "99"},
     400, 2001, None, None, ("447005.00000000", "99974.80000000")),
    (OWN, "POST", "/v1/orders", {"symbol": MARKET, "side": "buy", "price": "50000", "qty": "0.01",
                                 "position_side": "long"}, 400, 2010, None, None, None),
    # rules that cannot be
    *((OPERATOR, "PATCH", f"/v1/admin/symbols/{MARKET}", {key: value}, 400, 1029, key, value, None)
      for key, value in (
          ("tick", "0"), ("nope", 1), ("max_price", "1"), ("initial_margin_ppm", -1),
          ("maintenance_margin_ppm", 999_999), ("taker_fee_ppm", 1.5), ("name", "X"),
          ("insurance_seed", "5"), ("price_decimals", 1),
      )),
]  # fmt: skip

# frame -> code, field, value
FRAMES: list[tuple[str, int, str | None, Any]] = [
    ('{"WD":[0]}', 2004, "amount", 0),
    ('{"WD":[-5]}', 2004, "amount", -5),
    ('{"WD":[9994980000001]}', 2012, "amount", 9994980000001),
    ('{"WD":[9223372036854775808]}', 2004, "amount", 9223372036854775808),
    ('{"WD":[1.5]}', 1014, "amount", 1.5),
    ('{"WD":["5"]}', 1014, "amount", "5"),
    ('{"MT":[1,0]}', 2004, "amount", 0),
    ('{"MT":[1,5]}', 2013, "amount", 5),
    ('{"MT":[99,5]}', 1007, "sym", 99),
    ('{"MT":[1,5,7]}', 1014, None, 7),
    ('{"MC":[99,5]}', 1007, "sym", 99),
    ('{"MC":[1,21]}', 2008, "leverage", 21),
    ('{"MC":[1,-1]}', 1014, "leverage", -1),
    ('{"MC":[1,1001]}', 1014, "leverage", 1001),
    ('{"MC":[1,null,1]}', 2009, "margin_mode", 1),
    ('{"MC":[1,null,2]}', 1014, "margin_mode", 2),
    ('{"MC":[0,null,null,1]}', 2009, "position_mode", 1),
    ('{"MC":[1]}', 1014, None, None),
]


async def ask(
    exchange: ExchangeProcess, http: aiohttp.ClientSession, who: int, method: str, path: str,
    body: Any = None,
) -> tuple[int, Any]:  # fmt: skip
    token = exchange.token(who) if who else exchange.admin_token()
    data = None if body is None else orjson.dumps(body)
    async with http.request(
        method, exchange.url + path, data=data, headers=headers(token)
    ) as reply:
        return reply.status, await reply.json()


async def open_a_position(exchange: ExchangeProcess, http: aiohttp.ClientSession) -> None:
    """User 3 is long 0.01 at 50 000, with 99 999.8 left of 100 000; user 1 is short."""
    for user in (1, OWN):
        paid = {"user": user, "amount": "100000"}
        assert (await ask(exchange, http, OPERATOR, "POST", "/v1/admin/deposits", paid))[0] == 200
    for user, side in ((1, "sell"), (OWN, "buy")):
        order = {"symbol": MARKET, "side": side, "price": "50000", "qty": "0.01"}
        assert (await ask(exchange, http, user, "POST", "/v1/orders", order))[0] == 200


def test_every_impossible_request_has_its_own_answer_and_moves_nothing(tmp_path):
    async def attack(exchange: ExchangeProcess, http: aiohttp.ClientSession) -> None:
        await open_a_position(exchange, http)
        before = await ask(exchange, http, OWN, "GET", "/v1/account")
        for who, method, path, body, status, code, field, value, figures in REQUESTS:
            got, told = await ask(exchange, http, who, method, path, body)
            error = told["error"]
            said = (method, path, body, got, error)
            assert (got, error["code"], error["field"]) == (status, code, field), said
            assert error["value"] == value and type(error["value"]) is type(value), said
            if figures:
                assert (error["required"], error["available"]) == figures, said
            assert error["message"], said
        token = headers(exchange.token(OWN))
        async with http.ws_connect(exchange.url + "/ws", headers=token) as ws:
            await answer(ws, "W")
            for frame, code, field, value in FRAMES:
                await ws.send_str(frame)
                error = await answer(ws, "E")
                assert error[0] == code and error[1], (frame, error)
                if field is not None:
                    assert error[2:4] == [field, value], (frame, error)
            await ws.send_str('{"WD":[100]}')
            assert (await answer(ws, "WD"))[0] == 100
        after = await ask(exchange, http, OWN, "GET", "/v1/account")
        assert before[1]["collateral"] == "99999.80000000"
        assert after[1]["collateral"] == "99999.79999900"
        assert {**after[1], **{key: before[1][key] for key in (
            "collateral", "equity", "available", "withdrawable")}} == before[1]  # fmt: skip

    async def main(exchange: ExchangeProcess) -> None:
        async with asyncio.timeout(40), aiohttp.ClientSession() as http:
            await attack(exchange, http)

    with ExchangeProcess(tmp_path / "data") as exchange:
        asyncio.run(main(exchange))
        assert exchange.health()["status"] == "ok"
        assert "Traceback" not in exchange.stderr
        assert exchange.stop() == 0


def rules_of(exchange: ExchangeProcess, name: str = MARKET) -> dict[str, Any]:
    symbols = orjson.loads(exchange.get("/v1/symbols")[1])["symbols"]
    return next(symbol for symbol in symbols if symbol["name"] == name)


def test_the_commands_change_rules_that_hold_over_a_restart(tmp_path):
    """SY-3, SY-6, CFG-10: `rsx symbol`, `rsx account`, `rsx withdraw` on a running exchange."""
    data = tmp_path / "data"

    def command(exchange: ExchangeProcess, *args: str) -> str:
        done = rsx(args[0], "--url", exchange.url, "--data", str(data), *args[1:])
        assert done.returncode == 0, done.stderr
        return done.stdout

    with ExchangeProcess(data) as exchange:
        assert rules_of(exchange)["taker_fee"] == "0.000400"
        assert "version 2" in command(exchange, "symbol", MARKET, "taker_fee_ppm=777")
        assert rules_of(exchange)["taker_fee"] == "0.000777"
        command(exchange, "deposit", "--user", "3", "--amount", "10")
        assert "withdrew 4.00000000" in command(
            exchange, "withdraw", "--user", "3", "--amount", "4")  # fmt: skip
        assert exchange.stop() == 0
    with ExchangeProcess(data) as exchange:
        rules = rules_of(exchange)
        assert (rules["taker_fee"], rules["version"]) == ("0.000777", 2)
        assert rules_of(exchange, "ETH-PERP")["version"] == 1
        assert "0.000777" in command(exchange, "symbol", MARKET)
        shown = command(exchange, "account", "--user", "3")
        assert "withdrawable" in shown and shown.count("6.00000000") >= 3
        refused = rsx("withdraw", "--url", exchange.url, "--data", str(data), "--user", "3",
                      "--amount", "6.00000001")  # fmt: skip
        assert refused.returncode == 1 and "2012" in refused.stderr
        assert exchange.stop() == 0
