"""What released records make of amendments, triggers, duplicates, settings and recovered state."""

from typing import Any

import pytest
from edge.desk import BUY, SELL, Desk
from edge.fakes import START_NS

from rsx.core.check import InvariantError
from rsx.edge.answers import ModeSet, Settings
from rsx.edge.orders import PENDING, RESTING, WAITING, OpenOrder
from rsx.errors import Reason, RequestError
from rsx.records import BY_NAME, OrderFlag, View

KEPT, RESTS, IN_HAND = OrderFlag.KEPT, OrderFlag.RESTS, 0
# symbol, kind, side, qty, trigger_px, px, cid, tif, flags
STOP = (1, 2, 1, 10000, 4500000, 0, "st", 1, 2)
STOP_LIMIT = (1, 3, 0, 10000, 5500000, 5600000, "sl", 0, 0)


@pytest.fixture
def desk() -> Desk:
    return Desk()


def rests(desk: Desk, user: int = 1, order: tuple[Any, ...] = BUY) -> View:
    view = desk.place(user, order)
    desk.engine.accept(view, rests=True)
    desk.heard(user)
    return view


def refused(code: Reason, call: Any, *args: Any) -> RequestError:
    with pytest.raises(RequestError) as caught:
        call(*args)
    assert caught.value.code == code
    return caught.value


# --- amendments (AM-1 to AM-7) --------------------------------------------------------------


def test_a_smaller_quantity_keeps_its_place_and_says_so(desk: Desk) -> None:
    order = rests(desk)
    asked = desk.amend(1, order.oid, None, 6000)
    assert (asked.px, asked.qty, asked.side, asked.flags) == (5000000, 6000, 0, 0)

    desk.engine.amended(asked, 6000, KEPT)

    assert desk.heard(1) == [("U", "b", RESTING, 0, 6000, 0)]
    assert desk.streams[1].orders[-1] == (order.oid, 5000000, 6000, 2)
    assert desk.answers[0].qty == 6000


def test_an_amendment_sets_the_quantity_anew_and_forgets_what_was_cut(desk: Desk) -> None:
    """filled + remaining + cut = qty throughout (INV-13, AM-1)."""
    order, taker = rests(desk), desk.place(2, SELL)
    desk.engine.accept(taker, rests=False)
    desk.engine.fill(taker, order, 3000, 7000, 7000)
    desk.engine.reduced(order, 2000, 5000)
    assert desk.heard(1)[-1] == ("U", "b", RESTING, 3000, 5000, Reason.REDUCE_ONLY_EXCESS)

    asked = desk.amend(1, order.oid, 4999990, None)
    assert (asked.px, asked.qty) == (4999990, 8000)  # what is left open, and what has traded
    desk.engine.amended(asked, 5000, RESTS)

    assert desk.heard(1) == [("U", "b", RESTING, 3000, 5000, 0)]
    assert desk.streams[1].orders[-1] == (order.oid, 4999990, 8000, 1)
    assert desk.entry.order(desk.accounts[1], order.oid).cut == 0


def test_an_amended_order_that_matches_is_pending_until_it_rests_again(desk: Desk) -> None:
    maker = rests(desk, 2, (1, 1, 5000010, 4000, "m", 0, 0))
    order = rests(desk)
    asked = desk.amend(1, order.oid, 5000010, None)

    desk.engine.amended(asked, 10000, IN_HAND)
    assert desk.heard(1) == [("U", "b", PENDING, 0, 10000, 0)]
    assert desk.answers == []
    desk.engine.fill(asked, maker, 4000, 6000, 0)
    desk.engine.rested(asked, 6000)

    assert desk.heard(1) == [("F", "b", 4000, 0, 0, 6000), ("U", "b", RESTING, 4000, 6000, 0)]
    assert [order.remaining for order in desk.answers] == [6000]
    assert desk.streams[1].orders[-1] == (order.oid, 5000010, 10000, 0)


def test_an_amended_order_may_fill_and_end(desk: Desk) -> None:
    maker = rests(desk, 2, (1, 1, 5000010, 10000, "m", 0, 0))
    order = rests(desk)
    asked = desk.amend(1, order.oid, 5000010, None)

    desk.engine.amended(asked, 10000, IN_HAND)
    desk.engine.fill(asked, maker, 10000, 0, 0)

    assert [heard[:3] for heard in desk.heard(1)] == [
        ("U", "b", 4),
        ("F", "b", 10000),
        ("U", "b", 0),
    ]
    assert [order.status for order in desk.answers] == [0]


def test_an_amendment_to_no_more_than_traded_cancels_the_order(desk: Desk) -> None:
    """AM-2: the update answers the amendment."""
    order, taker = rests(desk), desk.place(2, SELL)
    desk.engine.accept(taker, rests=False)
    desk.engine.fill(taker, order, 3000, 7000, 7000)
    desk.heard(1)
    asked = desk.amend(1, order.oid, None, 3000)

    desk.engine.emit("ORDER_RELEASED", oid=order.oid, qty=1, user_id=1, symbol_id=1)
    desk.engine.cancelled(order, 7000, 3000, Reason.AMENDED_AWAY, asked.request_id)

    assert desk.heard(1) == [("U", "b", 2, 3000, 7000, Reason.AMENDED_AWAY)]
    assert [order.reason for order in desk.answers] == [Reason.AMENDED_AWAY]


def test_null_means_what_the_newest_amendment_asked_for(desk: Desk) -> None:
    order = rests(desk)
    first = desk.amend(1, order.oid, 4999990, None)
    second = desk.amend(1, order.oid, None, 20000)
    third = desk.amend(1, order.oid, 4999980, None)
    assert [(v.px, v.qty) for v in (first, second, third)] == [
        (4999990, 10000), (4999990, 20000), (4999980, 20000),
    ]  # fmt: skip

    for asked in (first, second, third):
        desk.engine.amend_rejected(asked, Reason.OUTSIDE_PRICE_BAND)
    desk.heard(1)

    assert [error.code for error in desk.answers] == [Reason.OUTSIDE_PRICE_BAND] * 3
    assert (desk.amend(1, order.oid, None, 5000).px) == 5000000  # all answered: as it is


def test_an_amendment_without_an_answer_is_unknown_and_forgotten(desk: Desk) -> None:
    order = rests(desk)
    desk.amend(1, order.oid, 4999990, None)

    desk.clock.advance(6 * 10**9)
    desk.gateway.tick(desk.clock.now_ns())

    assert [error.code for error in desk.answers] == [Reason.NO_ANSWER]
    assert desk.amend(1, order.oid, None, 5000).px == 5000000


def test_amendments_that_cannot_be_are_refused_with_their_reason(desk: Desk) -> None:
    own, foreign = rests(desk), rests(desk, 2, (1, 0, 5000000, 10000, "f", 0, 0))
    stop = desk.trigger(1, STOP)
    desk.engine.placed(stop)
    ioc = desk.place(1, (1, 0, 5000000, 10000, "ioc", 1, 0))
    ended = rests(desk, 1, (1, 0, 5000000, 10000, "e", 0, 0))
    desk.engine.cancelled(ended, 10000, 0, Reason.USER_CANCEL)
    desk.heard(1)

    error = refused(Reason.NOTHING_TO_AMEND, desk.amend, 1, own.oid, None, None)
    assert error.ref == own.oid
    refused(Reason.ORDER_NOT_FOUND, desk.amend, 1, foreign.oid, None, 5000)
    refused(Reason.ORDER_NOT_FOUND, desk.amend, 1, 12345, None, 5000)
    refused(Reason.ORDER_DONE, desk.amend, 1, ended.oid, None, 5000)
    refused(Reason.TRIGGER_NOT_AMENDED, desk.amend, 1, stop.oid, None, 5000)
    refused(Reason.ORDER_NOT_OPEN, desk.amend, 1, ioc.oid, None, 5000)
    error = refused(Reason.PRICE_OFF_TICK, desk.amend, 1, own.oid, 5000001, None)
    assert (error.field, error.value) == ("px", 5000001)
    refused(Reason.QTY_OUT_OF_RANGE, desk.amend, 1, own.oid, None, 0)
    refused(Reason.QTY_OFF_LOT, desk.amend, 1, own.oid, None, 150)
    refused(Reason.NOTIONAL_TOO_LARGE, desk.amend, 1, own.oid, 10**8, 10**9)
    with_symbol = (desk.accounts[1], foreign.oid, "", 1, None, 5000, desk.answers.append)
    refused(Reason.ORDER_NOT_OPEN, desk.entry.amend, *with_symbol)
    assert not any(v.record.name == "AMEND_REQUEST" for v in desk.engine.requests)


def test_an_amendment_that_comes_too_late_is_told_that_the_order_is_done(desk: Desk) -> None:
    order = rests(desk)
    asked = desk.amend(1, order.oid, None, 5000)

    desk.engine.cancelled(order, 10000, 0, Reason.EXPIRED)
    desk.engine.amend_rejected(asked, Reason.ORDER_NOT_OPEN)
    desk.heard(1)

    assert [(error.code, error.field) for error in desk.answers] == [(Reason.ORDER_DONE, "id")]


def test_an_amendment_that_risk_refuses_leaves_the_order(desk: Desk) -> None:
    order = rests(desk)
    asked = desk.amend(1, order.oid, None, 50000)

    desk.engine.answer(
        "REQUEST_REJECTED", oid=order.oid, request_id=asked.request_id, user_id=1, symbol_id=1,
        reason=Reason.INSUFFICIENT_MARGIN, required=9, available=5,
    )  # fmt: skip

    assert desk.heard(1) == []
    assert desk.answers[0].code == Reason.INSUFFICIENT_MARGIN
    assert "0.00000009 is needed, 0.00000005 is available" in desk.answers[0].message
    assert desk.entry.order(desk.accounts[1], order.oid).is_live


# --- triggers (TR-3 to TR-8) ----------------------------------------------------------------


def test_a_trigger_waits_fires_and_becomes_the_order_of_the_same_id(desk: Desk) -> None:
    stop = desk.trigger(1, STOP)
    assert (stop.kind, stop.trigger_px, stop.px, stop.tif, stop.flags) == (2, 4500000, 0, 1, 2)
    desk.engine.placed(stop)
    assert desk.heard(1) == [("U", "st", WAITING, 0, 10000, 0)]
    assert [order.oid for order in desk.entry.open_orders(desk.accounts[1])] == [stop.oid]
    maker = rests(desk, 2)

    desk.engine.fired(stop, 4499000)
    assert desk.heard(1) == [("U", "st", PENDING, 0, 10000, 0)]
    order = desk.entry.order(desk.accounts[1], stop.oid)
    assert order.trigger is not None and order.trigger.fired_px == 4499000
    desk.engine.accept(stop, rests=False)
    desk.engine.fill(stop, maker, 10000, 0, 0)

    assert desk.heard(1) == [("F", "st", 10000, 0, 0, 0), ("U", "st", 0, 10000, 0, 0)]


def test_a_waiting_trigger_is_cancelled_and_the_request_answered(desk: Desk) -> None:
    stop = desk.trigger(1, STOP)
    desk.engine.placed(stop)
    desk.entry.cancel(desk.accounts[1], 0, "st", None, desk.answers.append)
    asked = desk.engine.last("CANCEL_REQUEST")
    assert (asked.oid, asked.reason) == (stop.oid, Reason.USER_CANCEL)

    desk.engine.trigger_cancelled(stop, 10000, 0, Reason.USER_CANCEL, asked.request_id)

    assert desk.heard(1)[-1] == ("U", "st", 2, 0, 10000, Reason.USER_CANCEL)
    assert [order.oid for order in desk.answers] == [stop.oid]


def test_a_fired_trigger_that_risk_refuses_is_cancelled_with_its_reason(desk: Desk) -> None:
    """TR-6, TR-8: one terminal event, and what goes back afterwards is none."""
    stop = desk.trigger(1, STOP)
    desk.engine.placed(stop)
    desk.engine.fired(stop, 4499000)
    desk.engine.trigger_cancelled(stop, 10000, 0, Reason.INSUFFICIENT_MARGIN)
    desk.engine.emit("ORDER_RELEASED", oid=stop.oid, qty=10000, user_id=1, symbol_id=1)

    assert [heard[2] for heard in desk.heard(1)] == [WAITING, PENDING, 2]
    assert desk.entry.open_orders(desk.accounts[1]) == []


@pytest.mark.parametrize("fired", [False, True])
def test_a_rejected_trigger_ends_once_with_the_reason(desk: Desk, fired: bool) -> None:
    stop = desk.trigger(1, STOP_LIMIT)
    if fired:
        desk.engine.placed(stop)
        desk.engine.fired(stop, 5500000)
        desk.heard(1)
        desk.engine.rejected(stop, Reason.POST_ONLY_MODE)
    else:
        desk.engine.trigger_rejected(stop, Reason.TRIGGER_WRONG_SIDE)

    reason = Reason.POST_ONLY_MODE if fired else Reason.TRIGGER_WRONG_SIDE
    assert desk.heard(1) == [("U", "sl", 3, 0, 10000, reason)]


def test_a_trigger_placed_by_another_way_is_tracked(desk: Desk) -> None:
    desk.engine.emit(
        "TRIGGER_PLACED", oid=77, px=0, qty=500, trigger_px=9, user_id=1, symbol_id=1, kind=2,
        side=1, tif=1, cid_len=1, cid=b"x",
    )  # fmt: skip

    assert desk.heard(1) == [("U", "x", WAITING, 0, 500, 0)]


def test_a_market_order_has_its_protection_price_once_it_is_matched(desk: Desk) -> None:
    desk.entry.place(desk.accounts[1], 1, 0, 0, 10000, "mk", 1, 0, desk.streams[1], kind=1)
    order = desk.engine.last("ORDER_REQUEST")
    assert (order.px, order.kind, order.tif) == (0, 1, 1)
    values = {"oid": order.oid, "user_id": 1, "symbol_id": 1}

    desk.engine.emit("ORDER_ACCEPTED", px=5250000, qty=10000, kind=1, tif=1, **values)
    desk.engine.emit(
        "ORDER_CANCELLED", px=5250000, cancelled_qty=10000, reason=Reason.IOC_REMAINDER, **values
    )

    assert desk.heard(1) == [("U", "mk", 2, 0, 10000, Reason.IOC_REMAINDER)]
    assert desk.streams[1].orders == [(order.oid, 5250000, 10000, 0)]


# --- duplicates (W-16, D-4) -----------------------------------------------------------------


@pytest.mark.parametrize(
    ("status", "state", "remaining"),
    [
        (0, {"filled": 10000}, 0),
        (1, {"filled": 4000, "remaining": 6000}, 6000),
        (2, {"filled": 4000, "reason": Reason.USER_CANCEL}, 6000),
        (3, {"reason": Reason.POST_ONLY_MODE}, 10000),
        (5, {"remaining": 10000}, 10000),
    ],
)
def test_a_duplicate_is_told_the_state_of_the_original(
    desk: Desk, status: int, state: dict[str, int], remaining: int
) -> None:
    """The record alone tells it: the gateway may be younger than the original."""
    order = desk.place(1)
    fields = {f"original_{name}": value for name, value in state.items()}

    desk.engine.emit(
        "ORDER_DUPLICATE", oid=order.oid, qty=10000, user_id=1, symbol_id=1, original_oid=7,
        original_px=5, original_qty=10000, original_status=status, **fields,
    )  # fmt: skip

    assert desk.heard(1) == [
        ("U", "b", 3, 0, 10000, Reason.DUPLICATE_CLIENT_ID),
        ("DU", 7, status, state.get("filled", 0), remaining, order.oid),
    ]
    assert desk.heard(2) == []


# --- all at once, settings, modes -----------------------------------------------------------


def test_a_cancel_all_asks_every_symbol_and_is_answered_once(desk: Desk) -> None:
    first, second = rests(desk), rests(desk, 1, (2, 0, 300000, 10000, "e", 0, 0))
    args = (desk.accounts[1], 0, 2, 3, Reason.CANCEL_ALL, desk.answers.append)
    desk.entry.cancel_all(*args)
    desk.engine.step()
    asked = [v for v in desk.engine.requests if v.record.name == "CANCEL_ALL_REQUEST"]
    assert [(v.symbol_id, v.sides, v.scope, v.reason) for v in asked] == [
        (symbol, 3, 3, Reason.CANCEL_ALL) for symbol in (1, 2, 3)
    ]

    for order, request in zip((first, second), asked, strict=False):
        desk.engine.cancelled(order, 10000, 0, Reason.CANCEL_ALL)
        done = {"request_id": request.request_id, "symbol_id": request.symbol_id}
        desk.engine.emit("CANCEL_ALL_DONE", user_id=1, cancelled=1, **done)
    assert [heard[5] for heard in desk.heard(1)] == [Reason.CANCEL_ALL] * 2
    assert desk.answers == []
    desk.engine.emit("CANCEL_ALL_DONE", request_id=asked[2].request_id, user_id=1, symbol_id=3)
    desk.heard(1)

    assert desk.answers == [2]


def test_a_cancel_all_goes_to_all_symbols_or_to_none(desk: Desk) -> None:
    """W-70: a ring with room for two of three takes none."""
    while desk.engine.gateway_risk.free > 2:
        desk.engine.gateway_risk.push(bytes(128))
    args = (desk.accounts[1], 0, 2, 3, Reason.CANCEL_ALL, desk.answers.append)

    refused(Reason.OVERLOADED, desk.entry.cancel_all, *args)

    assert desk.engine.gateway_risk.free == 2 and desk.accounts[1].pending == 0


def test_a_cancel_all_without_an_answer_from_one_symbol_is_unknown(desk: Desk) -> None:
    args = (desk.accounts[1], 0, 0, 1, Reason.CANCEL_ALL, desk.answers.append)
    desk.entry.cancel_all(*args)
    asked = desk.engine.last("CANCEL_ALL_REQUEST")
    assert (asked.sides, asked.scope) == (1, 1)
    desk.engine.emit("CANCEL_ALL_DONE", request_id=asked.request_id, user_id=1, symbol_id=3)
    desk.heard(1)

    desk.clock.advance(6 * 10**9)
    desk.gateway.tick(desk.clock.now_ns())

    assert [error.code for error in desk.answers] == [Reason.NO_ANSWER]


@pytest.mark.parametrize(
    ("at", "value", "field"), [(1, 9, "sym"), (2, 3, "side"), (3, 0, "scope"), (3, 4, "scope")]
)
def test_a_bad_cancel_all_names_its_field(desk: Desk, at: int, value: int, field: str) -> None:
    args: list[Any] = [desk.accounts[1], 0, 2, 3, Reason.CANCEL_ALL, desk.answers.append]
    args[at] = value

    with pytest.raises(RequestError) as caught:
        desk.entry.cancel_all(*args)

    assert (caught.value.field, caught.value.value) == (field, value)


def test_modes_and_settings_are_kept_as_released(desk: Desk) -> None:
    desk.entry.set_mode(9, 2, 3, desk.answers.append)
    asked = desk.engine.last("MODE_REQUEST")
    desk.engine.on_mode_request(asked)
    desk.entry.configure(desk.accounts[1], 7, None, desk.answers.append, forced=True)
    desk.engine.on_account_config_request(desk.engine.last("ACCOUNT_CONFIG_REQUEST"))
    desk.entry.configure(desk.accounts[1], None, 2, desk.answers.append)
    desk.engine.on_account_config_request(desk.engine.last("ACCOUNT_CONFIG_REQUEST"))

    assert desk.heard(1) == [("AS", 0, 7), ("AS", 2, 7)]
    assert desk.answers == [ModeSet(3, 0, 1), Settings(7, 0, 2), Settings(7, 2, 3)]
    assert desk.entry.modes == {2: 3}
    refused(Reason.UNKNOWN_SYMBOL, desk.entry.set_mode, 9, 8, 0, print)
    refused(Reason.INVALID_VALUE, desk.entry.set_mode, 9, 1, 4, print)
    refused(Reason.INVALID_VALUE, desk.entry.configure, desk.accounts[1], None, 4, print)


# --- recovered state ------------------------------------------------------------------------


def test_recovered_orders_and_triggers_go_on_where_they_were() -> None:
    rows = [
        OpenOrder(10, 1, 1, 0, 50, 100, 30, 0, 0, b"a\0", 5, remaining=60, kind=3, stp=2),
        OpenOrder(11, 1, 1, 1, 0, 100, 0, 1, 32, "t", 5, kind=6, status=WAITING, trail_ppm=500),
        OpenOrder(12, 2, 1, 1, 0, 100, 0, 1, 0, "f", 5, kind=2, status=PENDING, trigger_px=9,
                  fired_px=8),
    ]  # fmt: skip
    desk = Desk(open_orders=[tuple(row) for row in rows], seq=4, modes={1: 2}, settings={1: (3, 1)})
    first, trailing = desk.entry.open_orders(desk.accounts[1])
    assert (first.cut, first.remaining, first.cid, first.stp) == (10, 60, "a", 2)
    assert (trailing.status, trailing.trigger and trailing.trigger.trail_ppm) == (WAITING, 500)
    assert desk.entry.modes == {1: 2} and desk.entry.settings[1] == Settings(3, 1)
    tail = {"user_id": 1, "symbol_id": 1}

    desk.engine.emit("TRIGGER_FIRED", oid=11, qty=100, fired_px=7, kind=6, **tail)
    desk.engine.emit("ORDER_ACCEPTED", oid=12, px=9, qty=100, user_id=2, symbol_id=1, kind=2)
    cancel = {"reason": Reason.IOC_REMAINDER, "cancelled_qty": 100}
    desk.engine.emit("ORDER_CANCELLED", oid=12, px=9, user_id=2, symbol_id=1, **cancel)
    desk.engine.emit("ORDER_AMENDED", oid=10, px=50, qty=50, remaining=20, flags=KEPT, **tail)

    assert desk.heard(1) == [("U", "t", PENDING, 0, 100, 0), ("U", "a", RESTING, 30, 20, 0)]
    assert desk.streams[2].take() == [("U", "f", 2, 0, 100, Reason.IOC_REMAINDER)]


def test_a_recovered_order_without_anything_open_is_a_failed_check() -> None:
    with pytest.raises(InvariantError):
        Desk(open_orders=[(1, 1, 1, 0, 5, 10, 10, 0, 0, "", 0, 0)])
    with pytest.raises(InvariantError):
        Desk(open_orders=[OpenOrder(1, 1, 1, 0, 5, 10, 0, 0, 0, "", 0, status=2)])


# --- what must never be ---------------------------------------------------------------------


def amended_with_another_remaining(desk: Desk) -> None:
    desk.engine.amended(desk.amend(1, rests(desk).oid, None, 5000), 4999, KEPT)


def amended_before_it_rests(desk: Desk) -> None:
    desk.engine.amended(desk.amend(1, desk.place(1).oid, None, 5000), 5000, KEPT)


def placed_twice(desk: Desk) -> None:
    stop = desk.trigger(1, STOP)
    desk.engine.placed(stop)
    desk.engine.placed(stop)


def fired_twice(desk: Desk) -> None:
    stop = desk.trigger(1, STOP)
    desk.engine.placed(stop)
    desk.engine.fired(stop, 1)
    desk.engine.fired(stop, 1)


def fired_an_order(desk: Desk) -> None:
    order = rests(desk)
    desk.engine.emit("TRIGGER_FIRED", oid=order.oid, user_id=1, symbol_id=1, fired_px=1)


def cancelled_as_trigger_while_resting(desk: Desk) -> None:
    desk.engine.trigger_cancelled(rests(desk), 10000, 0, Reason.USER_CANCEL)


def trigger_cancelled_with_another_quantity(desk: Desk) -> None:
    stop = desk.trigger(1, STOP)
    desk.engine.placed(stop)
    desk.engine.trigger_cancelled(stop, 1, 0, Reason.USER_CANCEL)


def unknown_mode(desk: Desk) -> None:
    raw = bytearray(BY_NAME["TRADING_MODE"].pack(seq=1, symbol_id=1, mode=3))
    raw[16 + BY_NAME["TRADING_MODE"].offsets["mode"]] = 4
    desk.engine.wal_gateway.push(bytes(raw))


def duplicate_with_more_than_its_quantity(desk: Desk) -> None:
    order = desk.place(1)
    desk.engine.emit(
        "ORDER_DUPLICATE", oid=order.oid, user_id=1, symbol_id=1, original_oid=7,
        original_qty=10, original_filled=11,
    )  # fmt: skip


@pytest.mark.parametrize(
    "event",
    [amended_with_another_remaining, amended_before_it_rests, placed_twice, fired_twice,
     fired_an_order, cancelled_as_trigger_while_resting, trigger_cancelled_with_another_quantity,
     unknown_mode, duplicate_with_more_than_its_quantity],
)  # fmt: skip
def test_an_impossible_event_is_a_failed_check(desk: Desk, event: Any) -> None:
    event(desk)

    with pytest.raises(InvariantError):
        desk.gateway.do_work()


def test_an_order_carries_its_terms_to_the_engine(desk: Desk) -> None:
    expire_s = START_NS // 10**9 + 60
    desk.entry.place(
        desk.accounts[1], 1, 0, 5000000, 10000, "g", 3, int(OrderFlag.POST_ONLY), None, stp=2,
        expire_s=expire_s,
    )  # fmt: skip

    order = desk.engine.last("ORDER_REQUEST")

    assert (order.tif, order.stp, order.expire_s, order.flags, order.kind) == (3, 2, expire_s, 1, 0)
    assert order.received_ns == START_NS
