"""The gateway tile: what released records make of orders, and what it must never accept."""

import asyncio
import threading
from typing import Any

import aiohttp
import orjson
import pytest
from edge.desk import BUY, SELL, Desk
from edge.fakes import SECRET, START_NS, Engine, Socket, on_loop, until

from rsx.config import load
from rsx.core.async_tile import AsyncRunner
from rsx.core.check import InvariantError
from rsx.core.clock import Clock
from rsx.core.ring import Ring
from rsx.edge import auth
from rsx.edge.app import make_gateway
from rsx.errors import Reason, StartError
from rsx.records import BY_NAME, FILL, View


@pytest.fixture
def desk() -> Desk:
    return Desk()


# --- lives of orders ------------------------------------------------------------------------


def test_an_order_that_rests_whole_is_updated_once(desk: Desk) -> None:
    order = desk.place(1)

    desk.engine.accept(order, rests=True)

    assert desk.heard(1) == [("U", "b", 1, 0, 10000, 0)]


def test_a_taker_hears_of_fills_before_it_rests(desk: Desk) -> None:
    maker, taker = desk.place(2), desk.place(1, SELL)
    desk.engine.accept(maker, rests=True)
    desk.engine.accept(taker, rests=False)
    desk.engine.fill(taker, maker, 4000, 6000, 6000, taker_fee=9, maker_fee=-2)
    assert desk.heard(1) == [("F", "s", 4000, 9, 0, 6000)]

    desk.engine.rested(taker, 6000)

    assert desk.heard(1) == [("U", "s", 1, 4000, 6000, 0)]
    assert desk.heard(2) == [("U", "b", 1, 0, 10000, 0), ("F", "b", 4000, -2, 1, 6000)]


def test_a_fill_with_nothing_remaining_is_the_terminal_event_and_comes_first(desk: Desk) -> None:
    maker, taker = desk.place(2), desk.place(1, SELL)
    desk.engine.accept(maker, rests=True)
    desk.engine.accept(taker, rests=False)
    desk.engine.fill(taker, maker, 4000, 6000, 6000)

    desk.engine.fill(taker, maker, 6000, 0, 0)

    assert desk.heard(1) == [
        ("F", "s", 4000, 0, 0, 6000), ("F", "s", 6000, 0, 0, 0), ("U", "s", 0, 10000, 0, 0),
    ]  # fmt: skip
    assert desk.heard(2)[1:] == [
        ("F", "b", 4000, 0, 1, 6000), ("F", "b", 6000, 0, 1, 0), ("U", "b", 0, 10000, 0, 0),
    ]  # fmt: skip
    assert desk.accounts[1].open == desk.accounts[2].open == {}


def test_a_user_that_trades_with_itself_hears_both_sides(desk: Desk) -> None:
    maker, taker = desk.place(1), desk.place(1, SELL)
    desk.engine.accept(maker, rests=True)
    desk.engine.accept(taker, rests=False)

    desk.engine.fill(taker, maker, 10000, 0, 0)

    assert [event[:2] for event in desk.heard(1)] == [
        ("U", "b"), ("F", "s"), ("U", "s"), ("F", "b"), ("U", "b"),
    ]  # fmt: skip


def test_a_partly_filled_order_is_cancelled_with_what_was_left(desk: Desk) -> None:
    maker, taker = desk.place(2), desk.place(1, SELL)
    desk.engine.accept(maker, rests=True)
    desk.engine.accept(taker, rests=False)
    desk.engine.fill(taker, maker, 4000, 6000, 6000)
    desk.engine.cancelled(taker, 6000, 4000, Reason.IOC_REMAINDER)
    answers: list[Any] = []
    desk.heard(1)
    desk.entry.cancel(desk.accounts[2], maker.oid, "", None, answers.append)
    request = desk.engine.last("CANCEL_REQUEST")

    desk.engine.cancelled(maker, 6000, 4000, Reason.USER_CANCEL, request.request_id)

    assert desk.heard(2)[-1] == ("U", "b", 2, 4000, 6000, Reason.USER_CANCEL)
    assert [answer.oid for answer in answers] == [maker.oid]
    assert desk.accounts[2].pending == 0


def test_a_reduced_order_lives_on_and_its_quantities_add_up(desk: Desk) -> None:
    maker, taker = desk.place(2), desk.place(1, SELL)
    desk.engine.accept(maker, rests=True)
    desk.engine.accept(taker, rests=False)
    desk.engine.fill(taker, maker, 2000, 8000, 8000)
    reduced = {"oid": maker.oid, "user_id": 2, "symbol_id": 1, "px": maker.px}
    desk.engine.emit(
        "ORDER_REDUCED", cancelled_qty=5000, remaining=3000, reason=Reason.REDUCE_ONLY_EXCESS,
        **reduced,
    )  # fmt: skip
    assert desk.heard(2)[-1] == ("U", "b", 1, 2000, 3000, Reason.REDUCE_ONLY_EXCESS)

    desk.engine.fill(taker, maker, 3000, 5000, 0)

    assert desk.heard(2)[-2:] == [("F", "b", 3000, 0, 1, 0), ("U", "b", 0, 5000, 5000, 0)]


def test_the_engines_rejection_is_terminal(desk: Desk) -> None:
    order = desk.place(1)

    desk.engine.rejected(order, Reason.POST_ONLY_WOULD_CROSS)

    assert desk.heard(1) == [("U", "b", 3, 0, 10000, Reason.POST_ONLY_WOULD_CROSS)]
    assert desk.accounts[1].pending == 0 and not desk.accounts[1].open


def test_risks_refusal_is_terminal_and_has_no_number(desk: Desk) -> None:
    order = desk.place(1)

    desk.engine.answer(
        "REQUEST_REJECTED", oid=order.oid, user_id=1, reason=Reason.INSUFFICIENT_MARGIN
    )

    assert desk.heard(1) == [("U", "b", 3, 0, 10000, Reason.INSUFFICIENT_MARGIN)]
    assert desk.entry.order(desk.accounts[1], order.oid).seq == 0


def test_a_duplicate_names_the_original_and_leaves_it_alone(desk: Desk) -> None:
    first = desk.place(1)
    desk.engine.accept(first, rests=True)
    second = desk.place(1)

    desk.engine.duplicate(second, first, 1, remaining=first.qty)

    assert desk.heard(1)[1] == ("U", "b", 3, 0, 10000, Reason.DUPLICATE_CLIENT_ID)
    assert desk.entry.order(desk.accounts[1], second.oid).original_oid == first.oid
    assert desk.entry.order_by_cid(desk.accounts[1], "b", None).oid == first.oid


def test_a_cancel_goes_out_by_order_id_even_when_named_by_client_id(desk: Desk) -> None:
    order = desk.place(1)

    desk.entry.cancel(desk.accounts[1], 0, "b", None, lambda _: None)
    desk.entry.cancel(desk.accounts[1], 0, "other", 2, lambda _: None)

    by_cid, unknown = desk.engine.step() and desk.engine.requests[-2:]
    assert (by_cid.oid, by_cid.cid_len, by_cid.symbol_id) == (order.oid, 0, 1)
    assert (unknown.oid, unknown.client_id, unknown.symbol_id) == (0, "other", 2)


# --- recovery -------------------------------------------------------------------------------


def test_recovered_orders_and_fills_are_as_if_they_had_just_happened() -> None:
    fill = FILL.unpack(FILL.pack(
        seq=40, ts_ns=5, taker_oid=70, maker_oid=77, px=5000000, qty=4000, taker_user_id=2,
        maker_user_id=1, symbol_id=1, taker_side=1, taker_fee=3, maker_fee=-1,
    ))  # fmt: skip
    row = (77, 1, 1, 0, 5000000, 10000, 4000, 0, 0, "b", START_NS, 39)
    desk = Desk(open_orders=[row], recent_fills=[fill], next_oid_floor=1 << 52, epoch=4, seq=41)
    [maker] = desk.entry.open_orders(desk.accounts[1])
    assert (maker.status, maker.filled, maker.remaining, maker.cid) == (1, 4000, 6000, "b")
    assert desk.entry.fills(desk.accounts[1], 0, 5, 0) == [
        (77, 1, 0, 5000000, 4000, -1, 1, "b", 5, 40)
    ]
    assert desk.entry.fills(desk.accounts[2], 0, 5, 0)[0][5:8] == (3, 0, "")

    taker = desk.place(2, SELL)
    assert taker.oid > 1 << 52
    desk.engine.accept(taker, rests=False)
    desk.engine.fill(taker, desk_view(maker), 6000, 4000, 0)

    assert desk.heard(1) == [("F", "b", 6000, 0, 1, 0), ("U", "b", 0, 10000, 0, 0)]


def desk_view(order: Any) -> View:
    """An order of the gateway in the form that the engine's helpers take."""
    record = BY_NAME["ORDER_REQUEST"]
    return record.unpack(record.pack(
        oid=order.oid, px=order.px, qty=order.qty, user_id=order.account.user_id,
        symbol_id=order.symbol_id, side=order.side,
    ))  # fmt: skip


def test_a_recovered_order_of_which_a_part_was_cancelled_has_what_remains() -> None:
    row = (77, 1, 1, 0, 5000000, 10000, 4000, 0, 0, b"b\0\0", START_NS, 39, 1000)

    desk = Desk(open_orders=[row])

    assert [order.remaining for order in desk.entry.open_orders(desk.accounts[1])] == [1000]


def test_the_epoch_follows_the_log(desk: Desk) -> None:
    desk.engine.emit("LOG_STARTED", epoch=9)

    desk.gateway.do_work()

    assert desk.gateway.edge.log.epoch == 9


def test_records_without_meaning_for_clients_only_move_the_number(desk: Desk) -> None:
    for name in ("SEGMENT_STARTED", "MARK_PRICE", "SYMBOL_CONFIG"):
        desk.engine.emit(name)

    assert desk.heard(1) == []
    assert desk.gateway.edge.log.seq == 3


def test_an_order_that_came_another_way_is_tracked_too(desk: Desk) -> None:
    desk.engine.emit(
        "ORDER_ACCEPTED", oid=5, px=10, qty=100, user_id=2, symbol_id=1, flags=4, cid=b"x",
        cid_len=1,
    )  # fmt: skip

    assert desk.heard(2) == [("U", "x", 1, 0, 100, 0)]


def test_orders_cut_off_by_a_crash_end_without_a_word(desk: Desk) -> None:
    order = desk.place(1)
    desk.entry.tracker.orders.clear()

    desk.engine.cancelled(order, 10000, 0, Reason.RESTART)

    assert desk.heard(1) == []


# --- what must stop the exchange ------------------------------------------------------------


def accepted(desk: Desk) -> View:
    order = desk.place(1)
    desk.engine.accept(order, rests=True)
    return order


def gap(desk: Desk) -> None:
    desk.engine.seq += 1
    desk.engine.emit("MARK_PRICE")


def again(desk: Desk) -> None:
    desk.engine.emit("MARK_PRICE")
    desk.engine.seq -= 1
    desk.engine.emit("MARK_PRICE")


def second_end(desk: Desk) -> None:
    order = accepted(desk)
    desk.engine.cancelled(order, 10000, 0, Reason.USER_CANCEL)
    desk.engine.cancelled(order, 10000, 0, Reason.USER_CANCEL)


def fill_after_end(desk: Desk) -> None:
    maker, taker = accepted(desk), desk.place(2, SELL)
    desk.engine.accept(taker, rests=False)
    desk.engine.cancelled(maker, 10000, 0, Reason.USER_CANCEL)
    desk.engine.fill(taker, maker, 10000, 0, 0)


def wrong_remaining(desk: Desk) -> None:
    maker, taker = accepted(desk), desk.place(2, SELL)
    desk.engine.accept(taker, rests=False)
    desk.engine.fill(taker, maker, 4000, 6000, 5000)


def cancelled_more_than_open(desk: Desk) -> None:
    desk.engine.cancelled(accepted(desk), 10001, 0, Reason.USER_CANCEL)


def rested_twice(desk: Desk) -> None:
    desk.engine.rested(accepted(desk), 10000)


def of_another_user(desk: Desk) -> None:
    order = accepted(desk)
    desk.engine.emit(
        "ORDER_CANCELLED", oid=order.oid, cancelled_qty=10000, user_id=2, symbol_id=1,
        reason=Reason.USER_CANCEL,
    )  # fmt: skip


def untracked(desk: Desk) -> None:
    desk.engine.emit("ORDER_RESTED", oid=99, remaining=1, user_id=1, symbol_id=1)


def unknown_reason(desk: Desk) -> None:
    order = accepted(desk)
    desk.engine.emit(
        "ORDER_CANCELLED", oid=order.oid, cancelled_qty=10000, user_id=1, symbol_id=1, reason=77
    )


def unknown_type(desk: Desk) -> None:
    raw = bytearray(BY_NAME["MARK_PRICE"].pack(seq=1))
    raw[2] = 99
    desk.engine.wal_gateway.push(bytes(raw))


def unknown_version(desk: Desk) -> None:
    raw = bytearray(BY_NAME["MARK_PRICE"].pack(seq=1))
    raw[0] = 1
    desk.engine.wal_gateway.push(bytes(raw))


def unknown_answer(desk: Desk) -> None:
    desk.engine.risk_gateway.push(BY_NAME["MARK_PRICE"].pack())


def positions_missing(desk: Desk) -> None:
    desk.entry.query_account(desk.accounts[1], lambda _: None)
    request = desk.engine.last("ACCOUNT_QUERY")
    desk.engine.answer("ACCOUNT_STATE", request_id=request.request_id, user_id=1, positions=1)


@pytest.mark.parametrize(
    "event",
    [gap, again, second_end, fill_after_end, wrong_remaining, cancelled_more_than_open,
     rested_twice, of_another_user, untracked, unknown_reason, unknown_type, unknown_version,
     unknown_answer, positions_missing],
)  # fmt: skip
def test_an_impossible_event_is_a_failed_check(desk: Desk, event: Any) -> None:
    event(desk)

    with pytest.raises(InvariantError):
        desk.gateway.do_work()


def test_a_check_that_fails_while_polling_reaches_the_runner() -> None:
    desk = Desk(poll=True)
    desk.engine.on_order_request = lambda view: gap(desk)  # type: ignore[method-assign]
    desk.entry.place(desk.accounts[1], *BUY)

    desk.gateway.collect()  # within a connection's callback: nothing is raised here

    with pytest.raises(InvariantError, match="INV-5"):
        desk.gateway.do_work()


# --- as a thread ----------------------------------------------------------------------------


class Threaded:
    """A gateway on its own thread and an engine on another, with real rings and doorbells."""

    def __init__(self, **server: Any) -> None:
        rings = [Ring(name, 1024) for name in ("gateway_risk", "risk_gateway", "wal_gateway")]
        self.engine = Engine()
        self.engine.gateway_risk, self.engine.risk_gateway, self.engine.wal_gateway = rings
        config = load().replace(server={"port": 0} | server)
        self.gateway = make_gateway(
            config, config.symbols, SECRET, Clock.system(), rings[:1], rings[1:2], rings[2]
        )
        self.failures: list[Any] = []
        self.runner = AsyncRunner("gateway", [self.gateway], on_failure=self.failures.append)
        self.stopping = threading.Event()
        self.thread = threading.Thread(target=self._serve)

    def _serve(self) -> None:
        while not self.stopping.is_set():
            if not self.engine.step():
                self.engine.gateway_risk.wait(100_000)

    def __enter__(self) -> "Threaded":
        self.runner.start()
        self.thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stopping.set()
        self.thread.join(10)
        self.runner.stop()


@pytest.mark.filterwarnings("error")
def test_orders_are_answered_across_threads_and_stopping_says_goodbye() -> None:
    with Threaded() as threaded:

        @on_loop
        async def main() -> None:
            host, port = threaded.gateway.address or ("", 0)
            headers = {"Authorization": f"Bearer {auth.mint(SECRET, 1, 60)}"}
            async with aiohttp.ClientSession(f"http://{host}:{port}") as http:
                socket = Socket(await http.ws_connect("/ws", headers=headers))
                assert (await socket.take())[0] == "W"
                for i in range(200):
                    order = [1, 0, 5000000, 10000, f"c{i}", 0]
                    assert (await socket.ask({"N": order}))[1][5] == f"c{i}"
                async with http.get("/v1/account", headers=headers) as response:
                    assert orjson.loads(await response.read())["user"] == 1
                stop = asyncio.to_thread(threaded.runner.stop)
                (code, reason), _ = await asyncio.gather(socket.closed(), stop)
                assert (code, reason) == (1001, "STOPPING")

        main()
        assert threaded.failures == []


def test_a_failed_check_stops_the_runner_and_is_reported() -> None:
    with Threaded() as threaded:
        threaded.engine.seq += 5
        threaded.engine.emit("MARK_PRICE")

        @on_loop
        async def main() -> None:
            await until(lambda: threaded.failures)

        main()

        assert isinstance(threaded.runner.failure, InvariantError)


def test_a_port_in_use_is_one_clear_line() -> None:
    with Threaded() as threaded:
        host, port = threaded.gateway.address or ("", 0)
        second = Threaded(port=port)

        with pytest.raises(StartError, match=f"cannot listen on {host}:{port}: "):
            second.runner.start()
