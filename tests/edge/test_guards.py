"""Cancel on disconnect and dead-man timers (W-72, W-73), by the injected clock."""

import asyncio
from typing import Any

import pytest
from edge.desk import BUY, Desk
from edge.fakes import BTC, START_NS, Socket, World, on_loop, until

from rsx.edge import guards as guards_module
from rsx.edge.orders import PENDING, WAITING, OpenOrder
from rsx.errors import Reason, RequestError
from rsx.records import OrderFlag, View

ON_DISCONNECT = OrderFlag.ON_DISCONNECT
STOP = [1, 2, 1, 10000, 4500000, 0, "stop", None]
NS = 10**9


def order(cid: str, at: int = 0) -> list[Any]:
    return [1, 0, 5000000 + 10 * at, 10000, cid, 0]


async def guarded(world: World, *frames: dict[str, Any], user: int = 1) -> Socket:
    """A connection with cancel on disconnect, which has placed these."""
    socket = await world.open(user)
    assert await socket.ask({"CD": [1]}) == ("CD", [1])
    for frame in frames:
        assert (await socket.ask(frame))[0] == "U"
    return socket


def ended(world: World) -> list[tuple[str, int]]:
    """Client ids and reasons of what was cancelled without a request."""
    world.engine.step()
    return [
        (world.gateway.entry.tracker.orders[v.oid].cid, v.reason)
        for v in world.engine.requests
        if v.record.name == "CANCEL_REQUEST" and v.request_id == 0
    ]


def cut(socket: Socket) -> None:
    """As a crash does: no close frame."""
    assert socket.ws._writer is not None
    socket.ws._writer.transport.abort()


# --- cancel on disconnect -------------------------------------------------------------------


@on_loop
async def test_a_cut_connection_cancels_what_it_placed_while_the_switch_was_on() -> None:
    async with World() as world:
        other = await world.open()
        socket = await world.open()
        await socket.ask({"N": order("before")})
        await socket.ask({"CD": [True]})
        await socket.ask({"N": order("during")})
        await socket.ask({"TN": STOP})
        await socket.ask({"CD": [0]})
        await socket.ask({"N": order("after")})
        await other.send({"N": order("others")})

        cut(socket)
        await until(lambda: len(ended(world)) == 2)
        world.step()

        disconnected = Reason.DISCONNECTED
        assert ended(world) == [("during", disconnected), ("stop", disconnected)]
        heard = [await other.take() for _ in range(7)]
        assert [f[5] for _, f in heard if f[1] == 2] == ["during", "stop"]
        assert {f[4] for _, f in heard if f[1] == 2} == {disconnected}
        left = [row[1] for row in (await other.ask({"O": []}))[1]]
        assert left == ["before", "after", "others"]
        placed = [v for v in world.engine.requests if v.record.name != "CANCEL_REQUEST"]
        flags = {v.cid[: v.cid_len]: v.flags for v in placed}
        assert flags[b"during"] == flags[b"stop"] == ON_DISCONNECT
        assert flags[b"before"] == flags[b"after"] == 0


@on_loop
async def test_a_close_frame_is_a_disconnect_and_bye_is_not() -> None:
    async with World() as world:
        leaving = await guarded(world, {"N": order("stays")})
        closing = await guarded(world, {"N": order("goes")}, user=2)

        await leaving.send({"BYE": []})
        assert await leaving.closed() == (1000, "BYE")
        await closing.ws.close()
        await until(lambda: ended(world))

        assert ended(world) == [("goes", Reason.DISCONNECTED)]
        assert [o.cid for o in world.gateway.entry.open_orders(account(world, 1))] == ["stays"]


def account(world: World, user: int) -> Any:
    return world.gateway.entry.tracker.account(user)


@on_loop
async def test_silence_slow_reading_a_late_token_and_broken_frames_count_too() -> None:
    async with World() as world:
        idle = await world.open(2, ttl_s=36000, autoping=False)
        await idle.ask({"CD": [1]})
        await idle.ask({"N": order("idle")})
        broken = await guarded(world, {"N": order("broken")}, user=3)
        assert broken.ws._writer is not None
        broken.ws._writer.transport.write(b"\xf0\x80\0\0\0\0")
        await until(lambda: ended(world))
        expiring = await world.open(4, ttl_s=20)
        await expiring.ask({"CD": [1]})
        await expiring.ask({"N": order("expired")})

        world.clock.advance(26 * NS)
        world.gateway.tick(world.clock.now_ns())
        assert [cid for cid, _ in ended(world)] == ["broken", "expired"]
        world.clock.advance(5 * NS)
        world.gateway.tick(world.clock.now_ns())

        assert [cid for cid, _ in ended(world)] == ["broken", "expired", "idle"]


@on_loop
async def test_the_stop_of_the_exchange_cancels_nothing() -> None:
    async with World() as world:
        await guarded(world, {"N": order("rests")})

        await world.gateway.on_close()

        assert ended(world) == []


@on_loop
async def test_ended_orders_are_owed_nothing() -> None:
    async with World() as world:
        socket = await guarded(world, {"N": order("one")}, {"N": order("two")})
        await socket.ask({"C": ["one"]})
        session = next(iter(world.gateway.sessions.live))
        assert [o.cid for o in session.guarded.values()] == ["two"]

        cut(socket)
        await until(lambda: ended(world))

        assert ended(world) == [("two", Reason.DISCONNECTED)]


@on_loop
async def test_an_order_keeps_its_mark_through_an_amendment() -> None:
    async with World() as world:
        socket = await guarded(world, {"N": order("a")})
        assert (await socket.ask({"R": ["a", 4999990]}))[1][8] == 4999990

        cut(socket)
        await until(lambda: ended(world))

        assert world.engine.last("AMEND_REQUEST").flags == ON_DISCONNECT


@on_loop
async def test_a_cancel_that_finds_no_room_is_tried_again_until_it_is_taken() -> None:
    """Never lost, and always with room left for clients (W-72)."""
    async with World(depth=1024) as world:
        socket = await guarded(world, *({"N": order(f"o{n}", n)} for n in range(5)))
        world.engine.auto = False
        while world.engine.gateway_risk.free > guards_module.ROOM_MIN:
            world.engine.gateway_risk.push(bytes(128))

        cut(socket)
        await until(lambda: world.gateway.guards.owed)
        assert len(world.gateway.guards.owed) == 5
        world.engine.gateway_risk.pop(2)
        world.step()
        assert len(world.gateway.guards.owed) == 3
        while world.engine.gateway_risk.pop(1 << 20):
            pass
        world.gateway.tick(world.clock.now_ns())

        assert not world.gateway.guards.owed
        assert len(ended(world)) == 3  # two went out before, with what was thrown away here
        assert world.gateway.guards.disconnect_cancels_total == 5


def test_a_cancel_all_of_a_connections_orders_is_handed_over_in_bounded_steps() -> None:
    desk = Desk()
    guard: dict[int, Any] = {}
    for _ in range(600):
        desk.entry.place(desk.accounts[1], *BUY[:4], "", 0, 0, desk.streams[1], guard=guard)
    desk.engine.gateway_risk.pop(1 << 20)

    desk.gateway.guards.owe(guard.values())

    done = [len(desk.engine.gateway_risk)]
    while desk.gateway.guards.owed:
        desk.gateway.guards.work()
        done.append(len(desk.engine.gateway_risk))
    assert done == [256, 512, 600]


def test_recovered_orders_whose_connection_is_gone_are_cancelled_at_the_start() -> None:
    flag = int(ON_DISCONNECT)
    rows = [
        OpenOrder(10, 1, 1, 0, 50, 100, 0, 0, flag, "rests", 5),
        OpenOrder(11, 1, 1, 0, 50, 100, 0, 0, 0, "stays", 5),
        OpenOrder(12, 1, 1, 1, 0, 100, 0, 1, flag, "waits", 5, kind=2, status=WAITING),
        OpenOrder(13, 2, 2, 1, 0, 100, 0, 1, flag, "fired", 5, kind=2, status=PENDING),
    ]
    desk = Desk(open_orders=rows)

    desk.engine.step()

    asked = [(v.oid, v.user_id, v.symbol_id, v.reason) for v in desk.engine.requests]
    assert asked == [(oid, user, symbol, Reason.DISCONNECTED)
                     for oid, user, symbol in ((10, 1, 1), (12, 1, 1), (13, 2, 2))]  # fmt: skip


# --- dead-man timers ------------------------------------------------------------------------


def fired(desk: Desk) -> list[tuple[int, int, int]]:
    """User, symbol and reason of the cancel-alls so far."""
    desk.engine.step()
    return [
        (v.user_id, v.symbol_id, v.reason)
        for v in desk.engine.requests
        if v.record.name == "CANCEL_ALL_REQUEST"
    ]


def later(desk: Desk, milliseconds: int) -> None:
    desk.clock.advance(milliseconds * 1_000_000)
    desk.gateway.tick(desk.clock.now_ns())


@pytest.fixture
def desk() -> Desk:
    return Desk()


def test_a_timer_fires_once_unless_it_is_renewed(desk: Desk) -> None:
    deadline_ns = desk.gateway.guards.arm(1, BTC, 5000)
    assert deadline_ns == START_NS + 5 * NS
    later(desk, 4900)
    assert fired(desk) == []
    renewed_ns = desk.gateway.guards.arm(1, BTC, 5000)
    later(desk, 4900)
    assert fired(desk) == []

    later(desk, 200)
    later(desk, 60_000)

    assert fired(desk) == [(1, BTC, Reason.DEAD_MAN)]
    assert desk.streams[1].take() == [("DM", BTC, 5000, renewed_ns, 1)]
    assert desk.gateway.guards.timers == {} and desk.gateway.guards.slots == {}


def test_a_timer_of_all_symbols_cancels_in_each(desk: Desk) -> None:
    desk.gateway.guards.arm(2, 0, 1000)

    later(desk, 1100)

    assert fired(desk) == [(2, symbol, Reason.DEAD_MAN) for symbol in (1, 2, 3)]
    view: View = desk.engine.last("CANCEL_ALL_REQUEST")
    assert (view.scope, view.sides) == (3, 3)


def test_a_shorter_renewal_counts_and_zero_turns_it_off(desk: Desk) -> None:
    guards = desk.gateway.guards
    guards.arm(1, BTC, 60_000)
    guards.arm(2, BTC, 60_000)
    guards.arm(1, BTC, 1000)
    assert guards.arm(2, BTC, 0) == 0
    assert guards.arm(2, BTC, 0) == 0

    later(desk, 1100)
    assert fired(desk) == [(1, BTC, Reason.DEAD_MAN)]
    later(desk, 100_000)

    assert len(fired(desk)) == 1


def test_timers_of_a_user_are_apart_and_fire_in_order_of_deadline(desk: Desk) -> None:
    for user, symbol, timeout_ms in ((1, 2, 3000), (1, 1, 2000), (2, 1, 2500)):
        desk.gateway.guards.arm(user, symbol, timeout_ms)

    later(desk, 10_000)

    assert [(user, symbol) for user, symbol, _ in fired(desk)] == [(1, 1), (2, 1), (1, 2)]


def test_a_timer_that_finds_no_room_is_tried_again(desk: Desk) -> None:
    desk.gateway.guards.arm(1, 0, 1000)
    while desk.engine.gateway_risk.free > 2:
        desk.engine.gateway_risk.push(bytes(128))
    later(desk, 1100)
    assert desk.streams[1].take() == []

    desk.engine.gateway_risk.pop(1 << 20)
    later(desk, 100)

    assert len(fired(desk)) == 3
    assert desk.gateway.guards.dead_man_total == 1


def test_a_timer_fires_although_its_user_is_over_every_limit(desk: Desk) -> None:
    desk.gateway.guards.arm(1, BTC, 1000)
    desk.accounts[1].pending = 10**6
    desk.accounts[1].due_ns = 1 << 62

    later(desk, 1100)

    assert fired(desk) == [(1, BTC, Reason.DEAD_MAN)]


@pytest.mark.parametrize("timeout_ms", [1, 999, 86_400_001, -1])
def test_a_timer_out_of_range_is_refused(desk: Desk, timeout_ms: int) -> None:
    with pytest.raises(RequestError) as caught:
        desk.gateway.guards.arm(1, BTC, timeout_ms)

    assert (caught.value.code, caught.value.field) == (Reason.INVALID_VALUE, "timeout_ms")
    assert caught.value.value == timeout_ms
    with pytest.raises(RequestError):
        desk.gateway.guards.arm(1, 9, 5000)


@on_loop
async def test_a_timer_survives_a_reconnect_and_tells_every_connection() -> None:
    async with World() as world:
        first = await world.open()
        await first.ask({"N": order("a")})
        key, fields = await first.ask({"DM": [2000]})
        deadline_ns = START_NS + 2 * NS
        assert (key, fields) == ("DM", [0, 2000, deadline_ns, 0])
        cut(first)
        second = await world.open()
        await asyncio.sleep(0)

        world.clock.advance(3 * NS)
        world.gateway.tick(world.clock.now_ns())
        world.engine.step()
        world.step()

        assert await second.take() == ("DM", [0, 2000, deadline_ns, 1])
        assert (await second.take())[1][4] == Reason.DEAD_MAN
        assert await second.ask({"DM": [0]}) == ("DM", [0, 0, 0, 0])
        status, body = await world.rest(
            "POST", "/v1/deadman", json={"timeout_ms": 1500, "symbol": "ETH-PERP"}
        )
        expected = {"symbol": "ETH-PERP", "timeout_ms": 1500}
        assert (status, body) == (200, expected | {"deadline_ns": START_NS + 4_500_000_000})
