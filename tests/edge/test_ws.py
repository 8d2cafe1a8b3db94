"""The private socket through real connections: frames, errors, life and death of a session."""

import asyncio
import socket as sockets
from typing import Any

import aiohttp
import pytest
from edge.fakes import START_NS, Socket, World, on_loop, until

from rsx.edge import ws
from rsx.errors import Reason

NS = 1_000_000_000
BUY = [1, 0, 5000000, 10000, "my-1", 0]


def changed(at: int, value: Any) -> list[Any]:
    return [*BUY[:at], value, *BUY[at + 1 :]]


# --- frames ---------------------------------------------------------------------------------


@on_loop
async def test_the_examples_of_the_specification() -> None:
    async with World() as world:
        socket = await world.open()

        key, update = await socket.ask({"N": BUY})
        assert key == "U"
        oid, ts_ns, seq = update[0], update[10], update[11]
        assert update == [oid, 1, 0, 10000, 0, "my-1", 1, 0, 5000000, 10000, ts_ns, seq]
        assert 0 < oid < 2**53

        key, update = await socket.ask({"C": ["my-1"]})
        assert (key, update[:6]) == ("U", [oid, 2, 0, 10000, 3101, "my-1"])

        assert await socket.refused({"N": [1, 0, 5000001, 10000, "my-2", 0]}) == [
            1008, "the price is not a multiple of the tick: 5000001 is not a multiple of 10",
            "px", 5000001, "my-2",
        ]  # fmt: skip


@on_loop
async def test_welcome_says_who_and_where_the_log_is() -> None:
    world = World()
    world.engine.seq = 41
    world.gateway.load(epoch=3, seq=41)
    async with world:
        socket = Socket(await world.http.ws_connect("/ws", headers=world.headers(7)))
        world.sockets.append(socket)

        assert await socket.take() == ("W", [7, 3, 41, START_NS])


@on_loop
async def test_queries_are_answered_in_their_frames() -> None:
    async with World() as world:
        world.engine.account = {
            "collateral": 9, "equity": 8, "unrealised": -1, "initial_margin": 2,
            "maintenance_margin": 1, "frozen": 3, "available": 4, "realised": 5, "fees": -6,
        }  # fmt: skip
        world.engine.positions = [
            {"symbol_id": 1, "net_qty": -3, "entry_cost": 100, "mark_px": 30, "unrealised": -7,
             "realised": 2, "initial_margin": 11, "maintenance_margin": 5},
            {"symbol_id": 2, "net_qty": 0, "open_buy_qty": 5},
        ]  # fmt: skip
        socket = await world.open()
        _, update = await socket.ask({"N": [*BUY, 0, 1]})

        assert await socket.ask({"A": []}) == ("A", [9, 8, -1, 2, 1, 3, 4, 5, -6, 0, 0, 0])
        key, (row,) = await socket.ask({"P": []})
        assert (key, row[:8]) == ("P", [1, -3, 33, 30, -7, 2, 11, 5])
        assert await socket.ask({"O": []}) == (
            "O", [[update[0], "my-1", 1, 0, 5000000, 10000, 0, 1, 0, 0, 1, START_NS, 10000,
                   0, 0, 0, 0, 0, 0, 0, 0, 0, 0, None]],
        )  # fmt: skip
        assert await socket.ask({"FL": []}) == ("FL", [])
        key, rows = await socket.ask({"M": []})
        assert key == "M" and rows[0][:14] == [
            1, "BTC-PERP", 10, 100, 2, 6, 10**8, 10**9, 5 * 10**15, 5 * 10**8, 0, [], 200000, 50000,
        ]  # fmt: skip
        await socket.send({"H": [5]})
        assert await socket.take(beats=True) == ("H", [START_NS // 10**6])


@on_loop
async def test_fills_are_listed_newest_first_by_symbol_and_cursor() -> None:
    async with World() as world:
        socket = await world.open()
        engine = world.engine
        engine.auto = False
        await socket.send({"N": BUY}, {"N": [1, 1, 5000000, 10000, "s", 0]})
        await until(lambda: engine.received(2))
        buy, sell = engine.requests
        engine.accept(buy, True)
        engine.accept(sell, False)
        first = engine.fill(sell, buy, 4000, 6000, 6000, taker_fee=8, maker_fee=-1)
        second = engine.fill(sell, buy, 6000, 0, 0)
        world.step()
        assert [(await socket.take())[0] for _ in range(7)] == list("UFFFUFU")

        _, rows = await socket.ask({"FL": [0, 1]})

        # A self-trade is two rows with one number: a page does not end between them.
        assert [(r[0], r[9]) for r in rows] == [(buy.oid, second), (sell.oid, second)]
        _, rows = await socket.ask({"FL": [1, 5, second]})
        assert [(r[0], r[5], r[6], r[9]) for r in rows] == [
            (buy.oid, -1, 1, first), (sell.oid, 8, 0, first),
        ]  # fmt: skip
        assert await socket.ask({"FL": [2]}) == ("FL", [])
        assert (await socket.refused({"FL": [9]}))[:3] == [1007, "no such symbol", "sym"]
        assert (await socket.refused({"FL": [0, 501]}))[0] == 1014
        assert (await socket.refused({"FL": [0, 0]}))[2:4] == ["limit", 0]
        assert (await socket.refused({"FL": [0, 5, -1]}))[2:4] == ["before", -1]


REFUSED = [
    ("nonsense", Reason.MALFORMED, "frame", "nonsense", None),
    ({"N": [], "C": []}, Reason.MALFORMED, "frame", '{"N":[],"C":[]}', None),
    ({"Z": []}, Reason.MALFORMED, "frame", "Z", None),
    ({"U": []}, Reason.UNEXPECTED_FRAME, "frame", "U", None),
    ({"S": [1, 7]}, Reason.UNEXPECTED_FRAME, "frame", "S", None),
    ({"AUTH": ["x"]}, Reason.UNEXPECTED_FRAME, "frame", "AUTH", None),
    ({"N": BUY[:5]}, Reason.MALFORMED, "N", '[1,0,5000000,10000,"my-1"]', "my-1"),
    ({"N": changed(0, "1")}, Reason.INVALID_VALUE, "sym", "1", "my-1"),
    ({"N": changed(0, 9)}, Reason.UNKNOWN_SYMBOL, "sym", 9, "my-1"),
    ({"N": changed(0, -1)}, Reason.UNKNOWN_SYMBOL, "sym", -1, "my-1"),
    ({"N": changed(1, 2)}, Reason.INVALID_VALUE, "side", 2, "my-1"),
    ({"N": changed(5, 4)}, Reason.INVALID_VALUE, "tif", 4, "my-1"),
    ({"N": changed(2, 0)}, Reason.PRICE_OUT_OF_RANGE, "px", 0, "my-1"),
    ({"N": changed(2, -10)}, Reason.PRICE_OUT_OF_RANGE, "px", -10, "my-1"),
    ({"N": changed(2, 15)}, Reason.PRICE_OFF_TICK, "px", 15, "my-1"),
    ({"N": changed(2, 2**63 + 2)}, Reason.PRICE_OUT_OF_RANGE, "px", 2**63 + 2, "my-1"),
    ({"N": changed(2, 10**8 + 10)}, Reason.PRICE_OUT_OF_RANGE, "px", 10**8 + 10, "my-1"),
    ({"N": changed(3, 0)}, Reason.QTY_OUT_OF_RANGE, "qty", 0, "my-1"),
    ({"N": changed(3, -100)}, Reason.QTY_OUT_OF_RANGE, "qty", -100, "my-1"),
    ({"N": changed(3, 150)}, Reason.QTY_OFF_LOT, "qty", 150, "my-1"),
    ({"N": changed(3, 10**9 + 100)}, Reason.QTY_OUT_OF_RANGE, "qty", 10**9 + 100, "my-1"),
    ({"N": [1, 0, 10**8, 10**9, "a", 0]}, Reason.NOTIONAL_TOO_LARGE, "qty", 10**9, "a"),
    ({"N": changed(4, "x" * 37)}, Reason.CLIENT_ID_INVALID, "cid", "x" * 37, "x" * 37),
    ({"N": changed(4, "é" * 19)}, Reason.CLIENT_ID_INVALID, "cid", "é" * 19, "é" * 19),
    ({"N": changed(4, "a\nb")}, Reason.CLIENT_ID_INVALID, "cid", "a\nb", "a\nb"),
    ({"N": changed(4, 5)}, Reason.INVALID_VALUE, "cid", 5, None),
    ({"N": [*changed(5, 1), 0, 1]}, Reason.FLAGS_CONTRADICT, "post_only", 1, "my-1"),
    ({"N": [*changed(5, 2), 0, 1]}, Reason.FLAGS_CONTRADICT, "post_only", 1, "my-1"),
    ({"N": [*BUY, 7]}, Reason.INVALID_VALUE, "reduce_only", 7, "my-1"),
    ({"C": [12345]}, Reason.ORDER_NOT_FOUND, "id", 12345, 12345),
    ({"C": ["none"]}, Reason.ORDER_NOT_FOUND, "id", "none", "none"),
    ({"C": ["none", 9]}, Reason.UNKNOWN_SYMBOL, "sym", 9, "none"),
    ({"C": ["none", 1]}, Reason.ORDER_NOT_OPEN, "id", None, "none"),
    ({"C": [12345, 1]}, Reason.ORDER_NOT_OPEN, "id", None, 12345),
    ({"C": [""]}, Reason.CLIENT_ID_INVALID, "cid", "", ""),
    ({"C": [True]}, Reason.INVALID_VALUE, "id", True, None),
    ({"H": ["now"]}, Reason.INVALID_VALUE, "ms", "now", None),
]  # fmt: skip


@on_loop
async def test_bad_frames_are_refused_one_by_one_and_the_session_lives_on() -> None:
    async with World() as world:
        socket = await world.open()

        for frame, code, field, value, ref in REFUSED:
            fields = await socket.refused(frame)
            assert fields[0] == code, (frame, fields)
            assert fields[2:] == [field, value, ref], (frame, fields)

        assert [v.record.name for v in world.engine.requests] == ["CANCEL_REQUEST"] * 2
        assert (await socket.ask({"N": BUY}))[0] == "U"


@on_loop
async def test_a_binary_frame_is_refused_and_the_session_lives_on() -> None:
    async with World() as world:
        socket = await world.open()

        await socket.ws.send_bytes(b'{"N":[]}')
        key, fields = await socket.take()

        assert (key, fields[0], fields[3]) == ("E", Reason.BINARY_FRAME, "8 bytes")
        assert await socket.is_alive()


@on_loop
async def test_invalid_utf8_is_refused_and_the_session_lives_on() -> None:
    async with World() as world:
        socket = await world.open()

        await socket.ws.send_frame(b'{"N":["\xff"]}', aiohttp.WSMsgType.TEXT)

        assert (await socket.take())[1][0] == Reason.INVALID_UTF8
        assert await socket.is_alive()


@on_loop
async def test_a_message_as_long_as_a_batch_passes_and_one_byte_more_closes_with_1009() -> None:
    async with World() as world:
        socket = await world.open()
        fits = '{"M":[]}'.ljust(512 * 25)
        assert (await socket.ask(fits))[0] == "M"

        await socket.send(fits + " ")

        assert (await socket.take())[1][0] == Reason.FRAME_TOO_LARGE
        assert await socket.closed() == (1009, "FRAME_TOO_LARGE")
        await until(lambda: not world.gateway.sessions.live)


@on_loop
async def test_frames_in_fragments_and_pings_are_served() -> None:
    async with World() as world:
        socket = await world.open(headers=world.headers(), autoping=False)
        writer = socket.ws._writer
        assert writer is not None

        transport = writer.transport
        transport.write(b"\x01\x82\0\0\0\0" + b'{"' + b"\x89\x83\0\0\0\0" + b"abc")
        transport.write(b"\x80\x86\0\0\0\0" + b'M":[]}')

        pong = await socket.ws.receive(timeout=5)
        assert (pong.type, pong.data) == (aiohttp.WSMsgType.PONG, b"abc")
        assert (await socket.take())[0] == "M"


@on_loop
async def test_a_broken_frame_closes_with_a_protocol_error() -> None:
    async with World() as world:
        socket = await world.open()
        assert socket.ws._writer is not None

        socket.ws._writer.transport.write(b"\xf0\x80\0\0\0\0")

        assert (await socket.closed())[0] == 1002


# --- answers --------------------------------------------------------------------------------


@on_loop
async def test_orders_pipelined_in_one_write_are_all_answered_in_order() -> None:
    async with World() as world:
        socket = await world.open()
        count = ws.FRAMES_PER_TURN * 2 + 5

        await socket.send(*({"N": changed(4, f"c{i}")} for i in range(count)))
        seen = [(await socket.take())[1][5] for _ in range(count)]

        assert seen == [f"c{i}" for i in range(count)]


@on_loop
async def test_events_go_to_every_connection_of_the_user_and_to_no_other() -> None:
    async with World() as world:
        one, two, other = await world.open(1), await world.open(1), await world.open(2)

        await one.send({"N": BUY})

        assert (await one.take()) == (await two.take())
        assert (await other.ask({"O": []})) == ("O", [])
        assert (await two.refused({"N": changed(2, 1)}))[0] == Reason.PRICE_OFF_TICK
        assert await one.is_alive()  # the refusal went to the connection that asked


@on_loop
async def test_another_users_order_cannot_be_cancelled_by_either_id() -> None:
    async with World() as world:
        owner, thief = await world.open(1), await world.open(2)
        _, update = await owner.ask({"N": BUY})

        assert (await thief.refused({"C": [update[0]]}))[0] == Reason.ORDER_NOT_FOUND
        assert (await thief.refused({"C": [update[0], 1]}))[0] == Reason.ORDER_NOT_OPEN
        assert (await thief.refused({"C": ["my-1"]}))[0] == Reason.ORDER_NOT_FOUND
        assert (await thief.refused({"C": ["my-1", 1]}))[0] == Reason.ORDER_NOT_OPEN
        assert (await owner.ask({"O": []}))[1][0][0] == update[0]


@on_loop
async def test_two_users_may_use_the_same_client_id() -> None:
    async with World() as world:
        one, two = await world.open(1), await world.open(2)
        _, mine = await one.ask({"N": BUY})
        _, theirs = await two.ask({"N": BUY})

        _, ended = await two.ask({"C": ["my-1"]})

        assert (ended[0], ended[1]) == (theirs[0], 2)
        assert (await one.ask({"O": []}))[1][0][0] == mine[0]


@on_loop
async def test_an_order_is_cancelled_by_order_id_and_not_twice() -> None:
    async with World() as world:
        socket = await world.open()
        _, update = await socket.ask({"N": changed(4, "")})

        assert (await socket.ask({"C": [update[0]]}))[1][1] == 2
        assert (await socket.refused({"C": [update[0]]}))[0] == Reason.ORDER_DONE


@on_loop
async def test_an_order_rests_for_a_day_and_is_still_cancelled_by_client_id() -> None:
    async with World(edge={"idle_s": 36000}) as world:
        socket = await world.open(ttl_s=10**6)
        _, rested = await socket.ask({"N": BUY})
        for _ in range(24):
            world.clock.advance(3600 * NS)
            world.gateway.tick(world.clock.now_ns())
            assert await socket.is_alive()

        assert (await socket.ask({"C": ["my-1"]}))[1][:2] == [rested[0], 2]


# --- limits ---------------------------------------------------------------------------------


@on_loop
async def test_the_rate_limit_refuses_and_refills_and_lets_cancels_overdraw() -> None:
    async with World(edge={"orders_per_second": 2}) as world:
        socket = await world.open()
        for i in range(4):
            assert (await socket.ask({"N": changed(4, f"c{i}")}))[0] == "U"

        refused = await socket.refused({"N": BUY})
        assert (refused[0], refused[4]) == (Reason.RATE_LIMITED, "my-1")
        for i in range(4):
            assert (await socket.ask({"C": [f"c{i}"]}))[1][1] == 2
        assert (await socket.refused({"C": ["c", 1]}))[0] == Reason.RATE_LIMITED
        other = await world.open(2)
        assert (await other.ask({"N": BUY}))[0] == "U"

        world.clock.advance(2 * NS + NS // 2)
        assert (await socket.ask({"N": BUY}))[0] == "U"
        assert (await socket.refused({"N": BUY}))[0] == Reason.RATE_LIMITED


@on_loop
async def test_the_pending_limit_counts_until_the_engine_answers() -> None:
    async with World(edge={"pending_per_user": 2}) as world:
        world.engine.auto = False
        socket = await world.open()
        await socket.send({"N": changed(4, "a")}, {"N": changed(4, "b")})

        assert (await socket.refused({"N": BUY}))[0] == Reason.TOO_MANY_PENDING
        assert (await socket.refused({"C": ["a"]}))[0] == Reason.TOO_MANY_PENDING

        world.engine.step()
        world.engine.accept(world.engine.requests[0], True)
        world.step()
        assert (await socket.take())[1][5] == "a"
        await socket.send({"N": BUY})
        await until(lambda: world.engine.received(3))


@on_loop
async def test_a_full_ring_refuses_at_once_and_nothing_was_done() -> None:
    async with World(depth=4) as world:
        world.engine.auto = False
        socket = await world.open()
        world.engine.wal_gateway.on_wait = None
        await socket.send(*({"N": changed(4, f"c{i}")} for i in range(4)))

        refused = await socket.refused({"N": BUY})
        assert (refused[0], refused[4]) == (Reason.OVERLOADED, "my-1")
        assert (await socket.refused({"C": ["c1"]}))[0] == Reason.OVERLOADED
        assert (await socket.refused({"A": []}))[0] == Reason.OVERLOADED

        assert len((await socket.ask({"O": []}))[1]) == 4
        assert world.gateway.entry.tracker.account(1).pending == 4
        world.engine.auto = True
        world.engine.step()
        world.step()
        assert [(await socket.take())[1][5] for _ in range(4)] == ["c0", "c1", "c2", "c3"]


@on_loop
async def test_a_request_without_an_answer_is_reported_once_and_may_still_be_answered() -> None:
    async with World() as world:
        world.engine.auto = False
        socket = await world.open()
        await socket.send({"N": BUY}, {"C": ["zz", 1]}, {"A": []})
        await until(lambda: world.engine.received(3))
        world.clock.advance(5 * NS - 1)
        world.gateway.tick(world.clock.now_ns())
        assert await socket.is_alive()

        world.clock.advance(1)
        world.gateway.tick(world.clock.now_ns())
        world.gateway.tick(world.clock.now_ns())

        order = world.engine.requests[0]
        assert (await socket.take())[1][0::2] == [Reason.NO_ANSWER, "oid", "my-1"]
        assert (await socket.take())[1][0::4] == [Reason.NO_ANSWER, "zz"]
        assert (await socket.take())[1][0::4] == [Reason.NO_ANSWER, None]
        world.engine.accept(order, True)
        world.engine.on_cancel_request(world.engine.requests[1])
        world.engine.on_account_query(world.engine.requests[2])
        world.step()
        assert (await socket.take())[1][:2] == [order.oid, 1]
        assert await socket.is_alive()
        assert world.gateway.entry.tracker.account(1).pending == 0


# --- tokens ---------------------------------------------------------------------------------


@pytest.mark.parametrize("header", ["Bearer x", "Basic abc", ""])
def test_a_bad_token_at_the_upgrade_is_answered_401(header: str) -> None:
    @on_loop
    async def run() -> None:
        async with World() as world:
            with pytest.raises(aiohttp.WSServerHandshakeError) as caught:
                await world.http.ws_connect("/ws", headers={"Authorization": header})

            assert caught.value.status == 401
            assert not world.gateway.sessions.live

    run()


@on_loop
async def test_a_socket_without_a_header_authenticates_with_its_first_frame() -> None:
    async with World() as world:
        socket = await world.open(None)
        assert (await socket.refused({"N": BUY}))[0] == Reason.TOKEN_MISSING
        assert (await socket.refused({"M": []}))[0] == Reason.TOKEN_MISSING

        key, fields = await socket.ask({"AUTH": [world.token(9)]})

        assert (key, fields[0]) == ("W", 9)
        assert (await socket.ask({"N": BUY}))[0] == "U"


@pytest.mark.parametrize(
    ("ttl_s", "code"), [(3600, Reason.TOKEN_INVALID), (-10, Reason.TOKEN_EXPIRED)]
)
def test_a_bad_token_in_the_first_frame_closes_with_4001(ttl_s: int, code: Reason) -> None:
    @on_loop
    async def run() -> None:
        async with World() as world:
            socket = await world.open(None)
            token = world.token(9, ttl_s)
            if code == Reason.TOKEN_INVALID:
                token = token[:-3] + "AAA"

            fields = await socket.refused({"AUTH": [token]})

            assert fields[0] == code and token not in str(fields)
            assert await socket.closed() == (4001, code.name)

    run()


def test_a_socket_that_never_authenticates_is_closed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ws, "AUTH_S", 0.01)

    @on_loop
    async def run() -> None:
        async with World() as world:
            socket = await world.open(None)

            assert (await socket.take())[1][0] == Reason.TOKEN_MISSING
            assert await socket.closed() == (4001, "TOKEN_MISSING")

    run()


@on_loop
async def test_a_session_ends_when_its_token_does() -> None:
    async with World(edge={"idle_s": 3600}) as world:
        short, long = await world.open(1, ttl_s=60), await world.open(1, ttl_s=600)
        world.clock.advance(64 * NS)
        world.gateway.tick(world.clock.now_ns())
        assert await short.is_alive()

        world.clock.advance(1 * NS)
        world.gateway.tick(world.clock.now_ns())

        assert (await short.take())[1][0] == Reason.TOKEN_EXPIRED
        assert await short.closed() == (4001, "TOKEN_EXPIRED")
        assert await long.is_alive()


# --- connections ----------------------------------------------------------------------------


@on_loop
async def test_the_server_beats_and_pings_and_closes_the_silent() -> None:
    async with World() as world:
        quiet = await world.open(1, headers=world.headers(1), autoping=False)
        lively = await world.open(2)
        world.clock.advance(25 * NS)
        world.gateway.tick(world.clock.now_ns())

        assert (await quiet.take(beats=True))[0] == "H"
        assert (await quiet.ws.receive(timeout=5)).type is aiohttp.WSMsgType.PING
        assert await lively.is_alive()  # the client library answers pings while it reads
        last = world.clock.now_ns()
        world.clock.advance(6 * NS)
        session = next(s for s in world.gateway.sessions.live if s.account.user_id == 2)
        assert session.last_in_ns == last

        world.gateway.tick(world.clock.now_ns())

        assert await quiet.closed() == (4009, "IDLE")
        assert await lively.is_alive()


@on_loop
async def test_a_pong_alone_keeps_a_connection_alive() -> None:
    async with World() as world:
        await world.open()
        (session,) = world.gateway.sessions.live
        world.clock.advance(29 * NS)
        socket = world.sockets[0]

        await socket.ws.pong(b"")

        await until(lambda: session.last_in_ns == world.clock.now_ns())


@on_loop
async def test_the_seventeenth_connection_of_a_user_is_turned_away() -> None:
    async with World(edge={"connections_per_user": 2}) as world:
        kept = [await world.open(1) for _ in range(2)]

        third = Socket(await world.http.ws_connect("/ws", headers=world.headers(1)))

        assert (await third.take())[1][0] == Reason.TOO_MANY_CONNECTIONS
        assert await third.closed() == (4429, "TOO_MANY_CONNECTIONS")
        assert (await world.open(2)) and await kept[0].is_alive()
        await kept[0].ws.close()
        await until(lambda: len(world.gateway.entry.tracker.account(1).streams) == 1)
        assert await (await world.open(1)).is_alive()


@on_loop
async def test_connections_above_the_bound_of_all_are_turned_away() -> None:
    async with World(edge={"connections_max": 1}) as world:
        await world.open(1)

        second = Socket(await world.http.ws_connect("/ws", headers=world.headers(2)))

        assert (await second.take())[1][0] == Reason.TOO_MANY_CONNECTIONS
        assert (await second.closed())[0] == 4429


@on_loop
async def test_a_closed_connection_leaves_nothing_behind() -> None:
    async with World() as world:
        for end in ("close", "abort"):
            socket = await world.open()
            if end == "close":
                assert await socket.ws.close(code=1000)
                assert socket.ws.close_code == 1000
            else:
                assert socket.ws._writer is not None
                socket.ws._writer.transport.abort()
            await until(lambda: not world.gateway.sessions.live)

        assert world.gateway.entry.tracker.account(1).streams == []
        assert world.gateway.sessions.dirty == []


def test_slow_readers_are_closed_and_nobody_waits_for_them() -> None:
    @on_loop
    async def run() -> None:
        async with World(edge={"private_backlog_bytes": 20_000}) as world:
            slow = await raw_socket(world)
            fast = await world.open(1)
            answered = 0
            while world.gateway.sessions.slow_total == 0:
                await fast.ask({"N": changed(4, "a\u00e9" * 10)})
                answered += 1
                assert answered < 100_000

            assert await fast.is_alive()
            assert [s.account.user_id for s in world.gateway.sessions.live] == [1]
            tail = await drain(slow)
            assert tail.endswith(ws.close_frame(4008, "SLOW_READER"))

    run()


async def raw_socket(world: World) -> sockets.socket:
    """An upgraded connection of user 1 that nobody reads, with a small receive buffer."""
    loop = asyncio.get_running_loop()
    raw = sockets.socket()
    raw.setsockopt(sockets.SOL_SOCKET, sockets.SO_RCVBUF, 4096)
    raw.setblocking(False)
    await loop.sock_connect(raw, world.gateway.address)
    token = world.token(1)
    head = (
        f"GET /ws HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {token}\r\nUpgrade: websocket\r\n"
        "Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
        "Sec-WebSocket-Key: MDEyMzQ1Njc4OWFiY2RlZg==\r\n\r\n"
    )
    await loop.sock_sendall(raw, head.encode())
    await until(lambda: world.gateway.sessions.live)
    (session,) = world.gateway.sessions.live
    session.transport.get_extra_info("socket").setsockopt(
        sockets.SOL_SOCKET, sockets.SO_SNDBUF, 4096
    )
    return raw


async def drain(raw: sockets.socket) -> bytes:
    """What is left to read, to the end."""
    loop = asyncio.get_running_loop()
    data = b""
    while chunk := await loop.sock_recv(raw, 65536):
        data = (data + chunk)[-4096:]
    raw.close()
    return data


@on_loop
async def test_stopping_closes_sessions_with_1001() -> None:
    world = World()
    async with world:
        socket = await world.open()

        stopping = asyncio.create_task(world.gateway.on_close())

        assert await socket.closed() == (1001, "STOPPING")
        await stopping


@on_loop
async def test_what_is_no_handshake_is_refused_by_header() -> None:
    async with World() as world:
        good = {
            "Upgrade": "websocket", "Connection": "Upgrade", "Sec-WebSocket-Version": "13",
            "Sec-WebSocket-Key": "MDEyMzQ1Njc4OWFiY2RlZg==",
        }  # fmt: skip
        for name, value in (
            ("Upgrade", "tcp"), ("Connection", "close"), ("Sec-WebSocket-Version", "12"),
            ("Sec-WebSocket-Key", "short"),
        ):  # fmt: skip
            headers = good | {name: value} | world.headers()
            status, body = await world.rest("GET", "/ws", None, headers=headers)

            assert status == 400
            assert (body["error"]["field"], body["error"]["value"]) == (name, value)
