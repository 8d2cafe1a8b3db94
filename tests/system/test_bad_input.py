"""Garbage at every door of a real exchange while others trade: errors, and nothing else."""

from __future__ import annotations

import asyncio
import os
import random
from decimal import Decimal
from typing import Any

import aiohttp
import orjson
import pytest
from system.process import ExchangeProcess

from rsx.client import Admin, Client, Fill
from rsx.edge import auth

pytestmark = pytest.mark.system
WAIT_S = 10.0
DEEP = b"[" * 2000

# frame -> code that answers it; the session lives on
FRAMES: list[tuple[str | bytes, int]] = [
    (b"\x00\x01binary", 1012),
    ("", 1002),
    ("not json", 1002),
    ("[]", 1002),
    ("{}", 1002),
    ('{"N":[]}', 1002),
    ('{"N":1,"C":2}', 1002),
    ('{"ZZ":[1]}', 1002),
    ('{"U":[1]}', 1004),
    (DEEP.decode(), 1002),
    ('{"N":["1",0,5000000,10000,"x",0]}', 1014),
    ('{"N":[true,0,5000000,10000,"x",0]}', 1014),
    ('{"N":[1,0,5000000.0,10000,"x",0]}', 1014),
    ('{"N":[1,0,1e400,10000,"x",0]}', 1002),
    ('{"N":[1,2,5000000,10000,"x",0]}', 1014),
    ('{"N":[1,0,5000000,10000,"x",9]}', 1014),
    ('{"N":[99,0,5000000,10000,"x",0]}', 1007),
    ('{"N":[1,0,-5000000,10000,"x",0]}', 1015),
    ('{"N":[1,0,0,10000,"x",0]}', 1015),
    ('{"N":[1,0,5000001,10000,"x",0]}', 1008),
    ('{"N":[1,0,9223372036854775800,10000,"x",0]}', 1015),
    ('{"N":[1,0,92233720368547758080,10000,"x",0]}', 1014),
    ('{"N":[1,0,5000000,-100,"x",0]}', 1016),
    ('{"N":[1,0,5000000,101,"x",0]}', 1009),
    ('{"N":[1,0,5000000,9223372036854775800,"x",0]}', 1016),
    (orjson.dumps({"N": [1, 0, 5000000, 10000, "x" * 37, 0]}).decode(), 1010),
    (orjson.dumps({"N": [1, 0, 5000000, 10000, "a\nb", 0]}).decode(), 1010),
    ('{"N":[1,0,5000000,10000,7,0]}', 1014),
    ('{"N":[1,0,5000000,10000,"x",1,0,1]}', 1018),
    ('{"C":[""]}', 1010),
    ('{"C":[-5]}', 1014),
    ('{"C":[1.5]}', 1014),
    ('{"C":[123456789]}', 1005),
    ('{"N":[1,0,5000000,10000,"x",3]}', 1026),
    ('{"N":[1,0,5000000,10000,"x",3,0,0,{"expire_s":1}]}', 1026),
    ('{"N":[1,0,5000000,10000,"x",0,0,0,{"expire_s":4000000000}]}', 1026),
    ('{"N":[1,0,5000000,10000,"x",0,0,0,{"expire_s":-1}]}', 1026),
    ('{"N":[1,0,5000000,10000,"x",0,0,0,[]]}', 1014),
    ('{"N":[1,0,5000000,10000,"x",0,0,0,{"stp":9}]}', 1014),
    ('{"N":[1,0,5000000,10000,"x",0,0,0,{"nonsense":1}]}', 1002),
    ('{"N":[1,0,5000000,10000,"x",0,0,0,{"kind":1}]}', 1015),
    ('{"N":[1,0,0,10000,"x",0,0,0,{"kind":1}]}', 1018),
    ('{"N":[1,0,5000000,10000,"x",0,0,0,{"reprice":1}]}', 1018),
    ('{"N":[1,0,10,100,"x",0]}', 3009),
    ('{"TN":[1,2,1,10000]}', 1002),
    ('{"TN":[1,9,1,10000,4500000,0,"x",null]}', 1014),
    ('{"TN":[1,2,1,10000,0,0,"x",null]}', 1015),
    ('{"TN":[1,2,1,10000,4500001,0,"x",null]}', 1008),
    ('{"TN":[1,2,1,10000,4500000,10,"x",null]}', 1027),
    ('{"TN":[1,2,1,10000,4500000,0,"x",0]}', 1018),
    ('{"TN":[1,6,1,10000,4500000,0,"x",null]}', 1027),
    ('{"TN":[1,6,1,10000,0,0,"x",null,0,{"trail_px":9223372036854775807}]}', 1027),
    ('{"R":["x"]}', 1005),
    ('{"R":["x",5000000,10000,1]}', 3007),
    ('{"R":[[],1]}', 1014),
    ('{"CA":[99]}', 1007),
    ('{"CA":[0,9]}', 1014),
    ('{"BN":[]}', 1025),
    (orjson.dumps({"BN": [[1]] * 26}).decode(), 1025),
    ('{"BN":[[1]]}', 1002),
    ('{"BC":[7]}', 1002),
    ('{"BR":[[5,5]]}', 1005),
    ('{"CD":["on"]}', 1014),
    ('{"DM":[999]}', 1014),
    ('{"DM":[86400001]}', 1014),
    ('{"AS":[9]}', 1014),
    ('{"Q":["x"]}', 1005),
    ('{"DU":[1]}', 1004),
    ('{"FL":[0,0]}', 1014),
    ('{"FL":[99]}', 1007),
]

REST: list[tuple[str, str, bytes | None]] = [
    ("GET", "/nowhere", None),
    ("GET", "/v1/book?symbol=NOPE", None),
    ("GET", "/v1/book?symbol=BTC-PERP&depth=x", None),
    ("GET", "/v1/book?symbol=BTC-PERP&depth=-1", None),
    ("GET", "/v1/orders/99999999999999999999999", None),
    ("GET", "/v1/orders/%00", None),
    ("GET", "/v1/fills?limit=0&before=-1", None),
    ("DELETE", "/v1/orders", None),
    ("POST", "/v1/orders", b""),
    ("POST", "/v1/orders", b"\xff\xfe"),
    ("POST", "/v1/orders", DEEP),
    ("POST", "/v1/orders", b'{"symbol":"BTC-PERP"}'),
    ("POST", "/v1/orders", b'{"symbol":1,"side":[],"price":{},"qty":null}'),
    ("POST", "/v1/orders",
     b'{"symbol":"BTC-PERP","side":"buy","price":"1e5","qty":"0.01"}'),
    ("POST", "/v1/orders",
     b'{"symbol":"BTC-PERP","side":"buy","price":"50000.005","qty":"0.01"}'),
    ("POST", "/v1/orders",
     b'{"symbol":"BTC-PERP","side":"buy","price":50000,"qty":"0.01"}'),
    ("POST", "/v1/orders", b"x" * 20000),
    ("POST", "/v1/orders",
     b'{"symbol":"BTC-PERP","side":"buy","type":"trailing_stop","qty":"0.01","trail":"x"}'),
    ("POST", "/v1/orders/batch", b"{}"),
    ("POST", "/v1/orders/batch", b'{"place":[]}'),
    ("PATCH", "/v1/orders/5", b'{"price":"5"}'),
    ("DELETE", "/v1/orders?cid=&symbol=BTC-PERP", None),
    ("GET", "/v1/orders/5/queue", None),
    ("POST", "/v1/deadman", b'{"timeout_ms":"5"}'),
    ("POST", "/v1/account/settings", b'{"stp":"default"}'),
    ("POST", "/v1/admin/mode", b'{"symbol":"BTC-PERP","mode":"halt"}'),
    ("POST", "/v1/admin/cancel", b'{"user":1}'),
    ("POST", "/v1/admin/deposits", b'{"user":1,"amount":"5"}'),
    ("PUT", "/v1/orders", b"{}"),
]  # fmt: skip


def headers(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}


async def trade_meanwhile(exchange: ExchangeProcess, done: asyncio.Event) -> int:
    """Two users who trade one lot after the other; returns how many trades they made."""
    count = 0
    async with (
        Client(exchange.url, exchange.token(1)) as maker,
        Client(exchange.url, exchange.token(2)) as taker,
    ):
        while not done.is_set() or count < 20:
            await maker.place("ETH-PERP", "sell", price="3000", qty="0.002")
            taken = await taker.place("ETH-PERP", "buy", price="3000", qty="0.002", tif="IOC")
            assert taken.filled == Decimal("0.002")
            count += 1
        fills = await taker.fills(limit=500)
        assert len(fills) == min(count, 500)
        assert all(isinstance(fill, Fill) for fill in fills)
        assert maker.reconnections == taker.reconnections == 0
    return count


async def while_others_trade(exchange: ExchangeProcess, attack: Any) -> None:
    async with Admin(exchange.url, exchange.admin_token()) as admin:
        for user in (1, 2, 3):
            await admin.deposit(user, "100000")
    done = asyncio.Event()
    async with asyncio.timeout(40), asyncio.TaskGroup() as group:
        trading = group.create_task(trade_meanwhile(exchange, done))
        async with aiohttp.ClientSession() as http:
            await attack(exchange, http)
        done.set()
    assert trading.result() >= 20
    assert exchange.health()["status"] == "ok"
    assert "Traceback" not in exchange.stderr, exchange.stderr


def attacked(tmp_path, attack) -> None:
    with ExchangeProcess(tmp_path / "data") as exchange:
        asyncio.run(while_others_trade(exchange, attack))
        assert exchange.stop() == 0


async def answer(ws: aiohttp.ClientWebSocketResponse, key: str) -> list[Any]:
    """The next frame of a kind."""
    async with asyncio.timeout(WAIT_S):
        while True:
            frame = orjson.loads((await ws.receive_str()).encode())
            if key in frame:
                return frame[key]


def test_bad_frames_get_their_error_and_the_session_lives_on(tmp_path):
    async def attack(exchange: ExchangeProcess, http: aiohttp.ClientSession) -> None:
        async with http.ws_connect(exchange.url + "/ws", headers=headers(exchange.token(3))) as ws:
            await answer(ws, "W")
            for frame, code in FRAMES:
                await (ws.send_bytes(frame) if isinstance(frame, bytes) else ws.send_str(frame))
                error = await answer(ws, "E")
                assert error[0] == code, (frame[:80], error)
                assert error[1]
            await ws.send_str('{"N":[1,0,4000000,10000,"good",0]}')
            update = await answer(ws, "U")
            assert update[1] == 1
            await ws.send_str('{"O":[]}')
            assert [row[1] for row in await answer(ws, "O")] == ["good"]

    attacked(tmp_path, attack)


def test_random_bytes_in_frames_never_end_a_session(tmp_path):
    seed = random.SystemRandom().randrange(1 << 32)
    print(f"seed {seed}")
    rng = random.Random(seed)
    good = [frame for frame, _ in FRAMES if isinstance(frame, str) and frame.startswith("{")]

    def mangled() -> str:
        text = list(rng.choice(good))
        for _ in range(rng.randint(1, 4)):
            text[rng.randrange(len(text))] = rng.choice('[]{}",:0129-.eE\\nullNCOPHM\x7f\u20ac')
        return "".join(text)[:1000]

    async def attack(exchange: ExchangeProcess, http: aiohttp.ClientSession) -> None:
        async with (
            http.ws_connect(exchange.url + "/ws", headers=headers(exchange.token(3))) as private,
            http.ws_connect(exchange.url + "/ws/public") as public,
        ):
            for ws, last in ((private, '{"C":["the-end"]}'), (public, '{"S":[987654,1]}')):
                for _ in range(300):
                    await ws.send_str(mangled())
                await ws.send_str(last)
                error: list[Any] = []
                while "the-end" not in error and 987654 not in error:
                    error = await answer(ws, "E")

    attacked(tmp_path, attack)


def test_bad_requests_get_their_error_and_nothing_is_done(tmp_path):
    async def attack(exchange: ExchangeProcess, http: aiohttp.ClientSession) -> None:
        token = headers(exchange.token(3))
        for method, path, body in REST:
            async with http.request(method, exchange.url + path, data=body, headers=token) as reply:
                told = (method, path, reply.status, await reply.text())
                assert 400 <= reply.status < 500, told
                error = (await reply.json())["error"]
                assert error["code"], told
                assert error["message"], told
        async with http.get(exchange.url + "/v1/account", headers=token) as reply:
            assert (await reply.json())["collateral"] == "100000.00000000"

    attacked(tmp_path, attack)


def test_tokens_that_are_not_good_are_refused_at_every_door(tmp_path):
    async def attack(exchange: ExchangeProcess, http: aiohttp.ClientSession) -> None:
        secret = auth.load_secret(exchange.data)
        old = auth.mint(secret, 3, 60, now_s=1_000_000)
        forged = auth.mint(os.urandom(32), 3, 3600)
        for token, code in ((old, 4003), (forged, 4002), ("x.y.z", 4002), ("a" * 3000, 4002)):
            async with http.get(exchange.url + "/v1/account", headers=headers(token)) as reply:
                assert reply.status == 401
                assert (await reply.json())["error"]["code"] == code
            with pytest.raises(aiohttp.WSServerHandshakeError) as refused:
                await http.ws_connect(exchange.url + "/ws", headers=headers(token))
            assert refused.value.status == 401
            async with http.ws_connect(exchange.url + "/ws") as ws:
                await ws.send_json({"AUTH": [token]})
                assert (await answer(ws, "E"))[0] == code
                closed = await ws.receive(timeout=WAIT_S)
                assert closed.type == aiohttp.WSMsgType.CLOSE
                assert ws.close_code == 4001

    attacked(tmp_path, attack)


def test_frames_too_large_and_bytes_that_are_no_http_close_only_their_own_connection(tmp_path):
    async def attack(exchange: ExchangeProcess, http: aiohttp.ClientSession) -> None:
        for path in ("/ws", "/ws/public"):
            async with http.ws_connect(
                exchange.url + path, headers=headers(exchange.token(3))
            ) as ws:
                await ws.send_str("x" * 20000)
                while (await ws.receive(timeout=WAIT_S)).type == aiohttp.WSMsgType.TEXT:
                    pass
                assert ws.close_code == 1009
        host, _, port = exchange.url.removeprefix("http://").partition(":")
        for garbage in (
            os.urandom(4096),
            b"GET / HTTP/9.9\r\n\r\n",
            b"\r\n" * 5000,
            b"GET " * 9000,
        ):
            reader, writer = await asyncio.open_connection(host, int(port))
            writer.write(garbage)
            writer.write_eof()
            async with asyncio.timeout(WAIT_S):
                await reader.read()
            writer.close()

    attacked(tmp_path, attack)


def test_another_user_s_order_cannot_be_seen_or_cancelled(tmp_path):
    async def attack(exchange: ExchangeProcess, http: aiohttp.ClientSession) -> None:
        async with Client(exchange.url, exchange.token(1)) as owner:
            order = await owner.place("BTC-PERP", "buy", price="40000", qty="0.01", cid="theirs")
        mine = headers(exchange.token(3))
        async with http.ws_connect(exchange.url + "/ws", headers=mine) as ws:
            for target in (order.oid, "theirs"):
                for fields in ([target], [target, 1]):
                    await ws.send_json({"C": fields})
                    assert (await answer(ws, "E"))[0] in (1005, 3007)
                    await ws.send_json({"Q": fields})
                    assert (await answer(ws, "E"))[0] in (1005, 3007)
                await ws.send_json({"R": [target, 4000000, 20000, 1]})
                assert (await answer(ws, "E"))[0] == 3007
            await ws.send_json({"CA": []})
            assert await answer(ws, "CA") == [0, 0]
        for method, path in (("GET", ""), ("DELETE", ""), ("PATCH", ""), ("GET", "/queue")):
            url = f"{exchange.url}/v1/orders/{order.oid}{path}"
            body = b'{"price":"1"}' if method == "PATCH" else None
            async with http.request(method, url, headers=mine, data=body) as reply:
                assert reply.status == 404, (method, path)
        async with Client(exchange.url, exchange.token(1)) as owner:
            assert [o.oid for o in await owner.orders("BTC-PERP")] == [order.oid]

    attacked(tmp_path, attack)
