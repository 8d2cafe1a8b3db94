"""The public WebSocket over real sockets. Source: specs/marketdata.md section 6, specs/wire.md."""

import asyncio
import socket

import aiohttp
import orjson
import pytest
import uvloop
from aiohttp import WSMsgType
from edge.feed_client import Follower
from edge.public_world import (
    DEADLINE_S,
    SYMBOLS,
    Stuck,
    World,
    ask,
    receive,
    receive_close,
    run,
    settings_of,
)
from hypothesis import given, settings
from hypothesis import strategies as st
from tiles.fake_shadow import FakeShadow
from tiles.flow import Flow

from rsx.core.async_tile import AsyncRunner
from rsx.core.clock import Clock
from rsx.core.ring import Ring
from rsx.edge.public_feed import ALL
from rsx.edge.public_ws import (
    PATH,
    PublicEdge,
    decode_subscribe,
    decode_unsubscribe,
)
from rsx.errors import Reason, RequestError
from rsx.tiles.marketdata import SWEEP_NS, MarketData

# --- arrival --------------------------------------------------------------------------------


def test_an_adopted_socket_is_served_with_the_bytes_already_read():
    async def test(world):
        listener = socket.create_server(("127.0.0.1", 0))
        port = listener.getsockname()[1]
        world.url = f"http://127.0.0.1:{port}{PATH}"
        stuck = Stuck(world.url)
        world.stuck.append(stuck)
        stuck.send('{"M":[]}')
        left, _ = listener.accept()
        listener.close()
        head = left.recv(100_000)
        left.setblocking(False)
        world.tile.adopt(left, head)

        def answered():
            assert stuck.read()
            return b"\r\n\r\n" in stuck.data and any(key == "M" for key, _ in stuck.frames())

        await world.until(answered)
        assert b"101 Switching Protocols" in stuck.data

    run(test)


def test_a_socket_that_comes_while_stopping_is_closed():
    async def test(world):
        await world.edge.close()
        ours, theirs = socket.socketpair()
        world.tile.adopt(theirs, b"GET / HTTP/1.1\r\n\r\n")
        assert ours.recv(1) == b""
        ours.close()

    run(test)


def test_a_client_that_left_on_the_way_is_counted(monkeypatch):
    async def gone(*_):
        raise ConnectionResetError

    async def test(world):
        monkeypatch.setattr("rsx.edge.handoff.adopt", gone)
        world.tile.adopt(None, b"")
        await world.until(lambda: world.edge.counters()["public_lost"] == 1)

    run(test)


# --- conversation ---------------------------------------------------------------------------


def test_a_passive_listener_gets_snapshot_delta_trade_and_quote():
    async def test(world):
        ws = await world.connect()
        assert await ask(ws, '{"S":[1,7,10]}') == ("MO", [1, 0, 0, 0])
        assert await receive(ws) == ("B", [1, [], [], 0, 0])
        assert (await receive(ws))[0] == "BBO"
        world.flow.order(1, 1, 1000, 5)
        world.work()
        assert await receive(ws) == ("D", [1, [], [[1000, 5, 1]], 1000, 1, 0])
        assert (await receive(ws))[0] == "BBO"
        world.clock.advance(SWEEP_NS)
        world.flow.order(1, 0, 1000, 5)
        world.work()
        assert await receive(ws) == ("T", [1, 1000, 5, 0, 3000, 3, 0])
        assert await receive(ws) == ("D", [1, [], [[1000, 0, 0]], 3000, 3, 1])
        assert await receive(ws) == ("BBO", [1, 0, 0, 0, 0, 0, 0, 3000, 3, 1])

    run(test)


def test_symbols_and_heartbeats_are_answered():
    async def test(world):
        ws = await world.connect()
        key, rows = await ask(ws, '{"M":[]}')
        assert key == "M"
        assert rows[0][:8] == [1, "BTC-PERP", 10, 1, 2, 6, 1_000_000, 1_000_000]
        assert await ask(ws, '{"H":[1]}') == ("H", [world.clock.now_ns() // 1_000_000])

    run(test)


BAD = [
    (b"\xff\xfe", Reason.INVALID_UTF8, "frame"),
    (b"hello", Reason.MALFORMED, "frame"),
    (b"", Reason.MALFORMED, "frame"),
    (b"[1]", Reason.MALFORMED, "frame"),
    (b"{}", Reason.MALFORMED, "frame"),
    (b'{"S":[1,7],"X":[1,7]}', Reason.MALFORMED, "frame"),
    (b'{"S":1}', Reason.MALFORMED, "S"),
    (b'{"ZZ":[]}', Reason.MALFORMED, "frame"),
    (b'{"N":[1,0,1,1,"a",0]}', Reason.UNEXPECTED_FRAME, "frame"),
    (b'{"S":[1]}', Reason.MALFORMED, "S"),
    (b'{"X":[]}', Reason.MALFORMED, "X"),
    (b'{"S":[9,7]}', Reason.UNKNOWN_SYMBOL, "sym"),
    (b'{"S":[0,7]}', Reason.UNKNOWN_SYMBOL, "sym"),
    (b'{"X":[9,7]}', Reason.UNKNOWN_SYMBOL, "sym"),
    (b'{"S":["1",7]}', Reason.INVALID_VALUE, "sym"),
    (b'{"S":[1.0,7]}', Reason.INVALID_VALUE, "sym"),
    (b'{"S":[true,7]}', Reason.INVALID_VALUE, "sym"),
    (b'{"S":[-1,7]}', Reason.INVALID_VALUE, "sym"),
    (b'{"S":[99999999999999999999999,7]}', Reason.INVALID_VALUE, "sym"),
    (b'{"S":[1,0]}', Reason.INVALID_VALUE, "channels"),
    (b'{"S":[1,256]}', Reason.INVALID_VALUE, "channels"),
    (b'{"S":[1,257]}', Reason.INVALID_VALUE, "channels"),
    (b'{"S":[1,-8]}', Reason.INVALID_VALUE, "channels"),
    (b'{"S":[1,null]}', Reason.INVALID_VALUE, "channels"),
    (b'{"X":[1,256]}', Reason.INVALID_VALUE, "channels"),
    (b'{"L":[1]}', Reason.UNEXPECTED_FRAME, "frame"),
    (b'{"LS":[1]}', Reason.UNEXPECTED_FRAME, "frame"),
    (b'{"MO":[1,3]}', Reason.UNEXPECTED_FRAME, "frame"),
    (b'{"S":[1,7,0]}', Reason.INVALID_VALUE, "depth"),
    (b'{"S":[1,7,1001]}', Reason.INVALID_VALUE, "depth"),
    (b'{"S":[1,7,[[]]]}', Reason.INVALID_VALUE, "depth"),
    (b'{"H":[]}', Reason.MALFORMED, "H"),
    (b'{"H":["now"]}', Reason.INVALID_VALUE, "ms"),
]


def test_every_bad_frame_gets_its_code_and_the_session_lives_on():
    async def test(world):
        ws = await world.connect()
        for frame, code, field in BAD:
            await ws.send_frame(frame, WSMsgType.TEXT)
            key, fields = await receive(ws)
            assert (key, fields[0], fields[2]) == ("E", code, field), frame
            assert fields[1] and fields[4] is None
        await ws.send_bytes(b"\x01\x02")
        assert (await receive(ws))[1][0] == Reason.BINARY_FRAME
        assert (await ask(ws, '{"S":[1,1]}'))[0] == "MO"
        assert (await receive(ws))[0] == "BBO"

    run(test)


def test_orders_are_followed_over_a_socket():
    async def test(world):
        ws = await world.connect()
        first = world.flow.order(1, 1, 1000, 5)
        world.work()
        assert await ask(ws, '{"S":[1,8]}') == ("MO", [1, 0, 0, 0])
        assert await receive(ws) == ("LS", [1, 0, 0, [], 1000, 1, 0])
        assert await receive(ws) == ("LS", [1, 1, 1, [[first, 1, 1000, 5]], 1000, 1, 1])
        world.flow.order(1, 0, 1000, 2)
        world.work()
        row = [1, first, 1, 1000, 2, 3, 3000, 3]
        assert await receive(ws) == ("L", [1, [row], 3, 1])
        counters = world.edge.counters()
        assert (counters["public_l3_readers"], counters["public_l3_snapshots"]) == (1, 1)

    run(test)


def test_an_exchange_without_the_order_channel_refuses_its_bit():
    async def test(world):
        ws = await world.connect()
        for mask in (8, 15, 9):
            key, fields = await ask(ws, f'{{"S":[1,{mask}]}}')
            assert (key, fields[0], fields[2:4]) == ("E", 1014, ["channels", mask])
            assert "order by order" in fields[1]
        assert (await ask(ws, '{"S":[1,7]}'))[0] == "MO"
        await ws.send_str('{"X":[1,15]}')
        await world.until(lambda: not world.edge.feeds._active)

    run(test, l3=False)


def test_the_trading_mode_comes_first_and_whenever_it_changes():
    async def test(world):
        ws = await world.connect()
        world.flow.set_mode(1, 2)
        world.work()
        assert await ask(ws, '{"S":[1,1]}') == ("MO", [1, 2, 1000, 1])
        assert (await receive(ws))[0] == "BBO"
        world.flow.set_mode(1, 3)
        world.flow.set_mode(2, 1)  # not subscribed
        world.work()
        assert await receive(ws) == ("MO", [1, 3, 2000, 2])
        _, rows = await ask(ws, '{"M":[]}')
        assert [row[10] for row in rows] == [3, 1]

    run(test)


def test_offending_values_are_echoed_and_cut():
    async def test(world):
        ws = await world.connect()
        assert (await ask(ws, '{"S":[99,7]}'))[1][3] == 99
        long = "x" * 500
        assert (await ask(ws, f'{{"S":["{long}",7]}}'))[1][3] == "x" * 64

    run(test)


def test_a_frame_of_4096_bytes_is_read_and_one_more_closes_with_1009():
    async def test(world):
        ws = await world.connect()
        frame = '{"M":[]' + " " * (4096 - 8) + "}"
        assert (await ask(ws, frame))[0] == "M"
        await ws.send_str(frame + " ")
        assert (await receive_close(ws))[0] == 1009

    run(test)


def test_other_paths_are_not_served():
    async def test(world):
        async with world.session.get(world.url.replace(PATH, "/ws")) as answer:
            assert answer.status == 404
        async with world.session.get(world.url) as answer:  # no upgrade asked for
            assert answer.status == 400

    run(test)


def test_compression_is_not_offered():
    async def test(world):
        ws = await world.connect(compress=15)
        assert ws.compress == 0

    run(test)


def test_one_connection_too_many_is_told_so():
    async def test(world):
        kept = [await world.connect() for _ in range(8)]
        ws = await world.session.ws_connect(world.url)
        assert (await receive(ws))[1][0] == Reason.TOO_MANY_CONNECTIONS
        assert (await receive_close(ws))[0] == 4429
        assert len(world.edge.clients) == len(kept)

    run(test)


def test_stopping_closes_with_1001():
    async def test(world):
        ws = await world.connect()
        closing = asyncio.ensure_future(world.edge.close())
        assert (await receive_close(ws))[0] == 1001
        await closing

    run(test)


def test_a_client_that_leaves_is_forgotten():
    async def test(world):
        ws = await world.connect()
        await ask(ws, '{"S":[1,7]}')
        await ws.close()
        await world.until(lambda: not world.edge.clients)
        assert world.edge.feeds._active == {}

    run(test)


def test_a_connection_that_breaks_is_forgotten():
    async def test(world):
        ws = await world.connect()
        await ask(ws, '{"S":[1,7]}')
        ws._response.connection.transport.abort()
        await world.until(lambda: not world.edge.clients)

    run(test)


# --- heartbeats and idleness ----------------------------------------------------------------


def test_a_heartbeat_and_a_ping_come_every_five_seconds():
    async def test(world):
        ws = await world.connect(autoping=False)
        world.later(4.9)
        assert world.edge.clients
        world.later(0.2)
        assert (await receive(ws))[0] == "H"
        assert (await ws.receive()).type is WSMsgType.PING

    run(test)


def test_a_silent_connection_is_closed_after_30_s_with_4009():
    async def test(world):
        ws = await world.connect(autoping=False)
        world.later(29.8)
        assert len(world.edge.clients) == 1
        world.later(0.3)
        code, reason = await receive_close(ws)
        assert (code, reason) == (4009, "IDLE")

    run(test)


@pytest.mark.parametrize("sign", ["text", "bad text", "binary", "ping", "pong"])
def test_any_frame_is_a_sign_of_life(sign):
    async def test(world):
        ws = await world.connect(autoping=False)
        (client,) = world.edge.clients
        for _ in range(3):
            world.later(20)
            send = {
                "text": lambda: ws.send_str('{"M":[]}'),
                "bad text": lambda: ws.send_str("?"),
                "binary": lambda: ws.send_bytes(b"1"),
                "ping": lambda: ws.ping(b"12"),
                "pong": lambda: ws.pong(),
            }[sign]
            await send()
            await world.until(lambda: client.heard_ns == world.clock.now_ns())
        assert client in world.edge.clients
        if sign == "ping":
            while (message := await ws.receive()).type is not WSMsgType.PONG:
                pass
            assert message.data == b"12"

    run(test)


def test_a_client_that_answers_pings_lives_without_doing_anything():
    async def test(world):
        ws = await world.connect()
        (client,) = world.edge.clients
        reader = asyncio.ensure_future(drain(ws))
        for _ in range(20):
            world.later(5)
            await world.until(lambda: client.heard_ns == world.clock.now_ns())
        assert client in world.edge.clients
        reader.cancel()

    run(test)


async def drain(ws):
    async for _ in ws:
        pass


# --- on a thread of its own -----------------------------------------------------------------


def test_the_last_change_of_a_flood_arrives_without_another_record():
    # The publication waits for its 2 ms; a timer, not a record, must bring it.
    flow, shadow, clock = Flow(), FakeShadow(SYMBOLS), Clock.system()
    ring = Ring("wal_marketdata", 1 << 14)
    edge = PublicEdge(settings_of(), SYMBOLS, clock, shadow)
    tile = MarketData(None, SYMBOLS, clock, ring, flow.log, shadow, edge)
    runner = AsyncRunner("marketdata", [tile])
    follower = Follower()

    async def main(port):
        url = f"http://127.0.0.1:{port}{PATH}"
        async with asyncio.timeout(DEADLINE_S), aiohttp.ClientSession() as session:
            async with session.ws_connect(url) as ws:
                await ws.send_str('{"S":[1,7,1000]}')
                while follower.quote_u is None:
                    follower.feed(*await receive(ws))
                for number in range(300):
                    flow.order(1, number % 2, 1000 + number % 5, 1 + number % 3)
                    ring.push_many(flow.take())
                while follower.book_u != flow.seq:
                    follower.feed(*await receive(ws))

    async def listen():
        listener = await tile.loop.create_server(edge.server, "127.0.0.1", 0)
        return listener, listener.sockets[0].getsockname()[1]

    runner.start()
    try:
        listener, port = asyncio.run_coroutine_threadsafe(listen(), tile.loop).result(5)
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as loop:
            loop.run(main(port))
        tile.loop.call_soon_threadsafe(listener.close)
    finally:
        runner.stop()

    assert runner.failure is None
    oracle = FakeShadow(SYMBOLS)
    oracle.apply(b"".join(flow.records))
    assert follower.window(0) == oracle.depth(1, 0, 1000)
    assert follower.window(1) == oracle.depth(1, 1, 1000)
    assert follower.trades == oracle.take_trades() and not follower.trade_gaps


# --- decoding -------------------------------------------------------------------------------


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=100),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=3), inner),
    max_leaves=8,
)


def _frame(key, value):
    """A frame as bytes; what JSON cannot say becomes an empty object."""
    try:
        return orjson.dumps({key: value})
    except TypeError:
        return b"{}"


class NoSocket:
    """Takes what a client would be sent."""

    closed = False

    def __init__(self):
        self.data = b""

    def get_write_buffer_size(self):
        return 0

    def is_closing(self):
        return False

    def write(self, data):
        self.data += data


@settings(max_examples=400, deadline=None)
@given(
    data=st.one_of(
        st.binary(max_size=200),
        st.builds(_frame, st.sampled_from(["S", "X", "M", "H", "N", "", "é"]), json_values),
        st.integers(1, 2000).map(lambda n: b'{"S":' + b"[" * n + b"]" * n + b"}"),
    )
)  # fmt: skip
def test_any_bytes_are_answered_and_break_nothing(data):
    from edge.feed_client import frames_of

    from rsx.edge.public_ws import Client

    world = World()
    wire = NoSocket()
    client = Client(wire, wire, 1 << 18, 0)

    world.edge._control(client, data)

    for key, fields in frames_of(wire.data):
        assert key in ("E", "M", "H", "MO", "B", "BBO", "LS")
        if key == "E":
            assert fields[0] in Reason._value2member_map_ and isinstance(fields[1], str)
            assert not isinstance(fields[3], str) or len(fields[3]) <= 64


@given(fields=st.lists(json_values, max_size=5))
def test_decoders_give_values_in_range_or_refuse(fields):
    for decode, channels_min in ((decode_subscribe, 1), (decode_unsubscribe, 0)):
        try:
            symbol_id, mask, *depth = decode(fields)
        except RequestError as error:
            assert error.code in (Reason.MALFORMED, Reason.INVALID_VALUE)
        else:
            assert type(symbol_id) is int and symbol_id >= 0
            assert channels_min <= mask <= ALL
            assert all(1 <= each <= 1000 for each in depth)


def test_defaults():
    assert decode_subscribe([1, ALL]) == (1, 255, 20)
    assert decode_subscribe([1, 2, 7, "more"]) == (1, 2, 7)
    assert decode_unsubscribe([0, 0]) == (0, 0)
