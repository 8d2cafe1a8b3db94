"""A-8: every record about an order is held against what is known of it; what does not fit stops
the exchange. Also the table of live orders itself: full, emptied, used again.
"""

from __future__ import annotations

import random
from typing import Any

import pytest
from model.symbols import make_symbol
from model.wire import changed

from rsx import records
from rsx.core.check import InvariantError

RESTS, KEPT, REDUCE_ONLY = 4, 64, 2
BUY, SELL = 0, 1


def make_ledger(orders_max: int = 64, **changes: Any) -> Any:
    from rsx.risk.ledger import Ledger

    symbols = tuple(make_symbol(id=n, reference_px=100, **changes) for n in (1, 2))
    ledger = Ledger(symbols, accounts_max=8, positions_max=16, orders_max=orders_max)
    for user in (1, 2):
        ledger.apply(records.DEPOSIT.pack(user_id=user, amount=1 << 40))
    return ledger


def pack(name: str, **values: Any) -> bytes:
    values = {"user_id": 1, "symbol_id": 1, **values}
    record = records.BY_NAME[name]
    return record.pack(
        stream=values["symbol_id"], **{n: v for n, v in values.items() if n in record.offsets}
    )


def accepted(oid: int, user: int = 1, side: int = BUY, flags: int = RESTS, **more: Any) -> bytes:
    values = {"px": 100, "qty": 10, "reserved": 100, **more}
    return pack("ORDER_ACCEPTED", oid=oid, user_id=user, side=side, flags=flags, **values)


def fill(**more: Any) -> bytes:
    """User 2's order 2, in hand, takes 4 of user 1's order 1."""
    values = {
        "taker_oid": 2, "maker_oid": 1, "px": 100, "qty": 4, "taker_remaining": 6,
        "maker_remaining": 6, "taker_release": 40, "maker_release": 40, "taker_user_id": 2,
        "maker_user_id": 1, "taker_side": SELL, **more,
    }  # fmt: skip
    return pack("FILL", **values)


IN_HAND = accepted(2, user=2, side=SELL, flags=0)
RESTED = pack("ORDER_RESTED", oid=2, user_id=2, side=SELL, px=100, remaining=6, qty=10, reserved=60)
CANCELLED = pack("ORDER_CANCELLED", oid=1, px=100, cancelled_qty=10, released=100)
REDUCED = pack("ORDER_REDUCED", oid=1, px=100, cancelled_qty=3, remaining=7, released=30)
AMENDED = pack(
    "ORDER_AMENDED", oid=1, px=99, qty=12, remaining=12, reserved=120, extra=20, extra_qty=2,
    flags=RESTS,
)  # fmt: skip

CASES = [
    ("a second acceptance", [IN_HAND], IN_HAND, {"oid": 3}),
    ("an id that rests already", [], accepted(1), {}),
    ("an order of nobody", [], accepted(3), {"user_id": 5}),
    ("an order for nothing", [], accepted(3), {"qty": 0}),
    ("a fill without a taker", [], fill(), {}),
    ("a fill of another taker", [IN_HAND], fill(), {"taker_oid": 3}),
    ("a fill of an unknown maker", [IN_HAND], fill(), {"maker_oid": 3}),
    ("a fill of the taker by itself", [IN_HAND], fill(), {"maker_oid": 2}),
    ("a fill on the wrong side", [IN_HAND], fill(), {"taker_side": BUY}),
    ("a fill at another price", [IN_HAND], fill(), {"px": 101}),
    ("a fill of another user's order", [IN_HAND], fill(), {"maker_user_id": 2}),
    ("a fill that leaves too much", [IN_HAND], fill(), {"maker_remaining": 7}),
    ("a fill that leaves too little", [IN_HAND], fill(), {"taker_remaining": 5}),
    ("a fill of more than is open", [IN_HAND], fill(),
     {"qty": 11, "maker_remaining": -1, "taker_remaining": -1}),
    ("a fill that releases too much", [IN_HAND], fill(), {"maker_release": 101}),
    ("a last fill that keeps something", [IN_HAND], fill(),
     {"qty": 10, "maker_remaining": 0, "taker_remaining": 0, "maker_release": 100}),
    ("an order comes to rest that is not in hand", [], RESTED, {}),
    ("another order comes to rest", [IN_HAND, fill()], RESTED, {"oid": 3}),
    ("it rests with more", [IN_HAND, fill()], RESTED, {"remaining": 7}),
    ("it rests with other margin", [IN_HAND, fill()], RESTED, {"reserved": 61}),
    ("it rests with another quantity", [IN_HAND, fill()], RESTED, {"qty": 11}),
    ("a cancel of an unknown order", [], CANCELLED, {"oid": 3}),
    ("a cancel of less than is open", [], CANCELLED, {"cancelled_qty": 9}),
    ("a cancel that tells of a fill", [], CANCELLED, {"filled_qty": 1}),
    ("a cancel that releases less", [], CANCELLED, {"released": 99}),
    ("a cut of an unknown order", [], REDUCED, {"oid": 3}),
    ("a cut that leaves something else", [], REDUCED, {"remaining": 6}),
    ("a cut of everything", [], REDUCED, {"cancelled_qty": 10, "remaining": 0}),
    ("a cut that releases more than is held", [], REDUCED, {"released": 101}),
    ("an amendment of an unknown order", [], AMENDED, {"oid": 3}),
    ("an amendment while another order is in hand", [IN_HAND], AMENDED, {}),
    ("an amendment that forgets a fill", [], AMENDED, {"qty": 13}),
    ("an amendment that takes more margin than was in flight", [], AMENDED, {"reserved": 121}),
    ("an amendment that opens more than was in flight", [], AMENDED, {"qty": 13, "remaining": 13}),
    ("an amendment that holds less than nothing", [], AMENDED, {"reserved": -1}),
    ("a mark of nothing", [], pack("MARK_PRICE", mark_px=100), {"mark_px": 0}),
    ("settings of nobody", [], pack("ACCOUNT_CONFIG", stp=1), {"user_id": 5}),
]  # fmt: skip


@pytest.mark.parametrize(
    ("name", "before", "record", "damage"), CASES, ids=[case[0] for case in CASES]
)
def test_a_record_that_does_not_fit_is_a_failed_check(name, before, record, damage):
    ledger = make_ledger()
    for known in (accepted(1), *before):
        ledger.apply(known)
    ledger.audit()
    with pytest.raises(InvariantError):
        ledger.apply(changed(record, **damage))


@pytest.mark.parametrize("record", [
    [IN_HAND, fill(), RESTED], [CANCELLED], [REDUCED], [AMENDED],
    [changed(AMENDED, flags=0), changed(CANCELLED, cancelled_qty=12, released=120)],
    [changed(AMENDED, flags=KEPT, px=100)],
])  # fmt: skip
def test_the_same_records_undamaged_fit(record):
    ledger = make_ledger()
    for known in (accepted(1), *record):
        ledger.apply(known)
        ledger.audit()


@pytest.mark.parametrize("record", [
    changed(AMENDED, request_id=1), pack("AMEND_REJECTED", oid=1, extra=20, extra_qty=2),
    pack("ORDER_RELEASED", oid=1, qty=2, released=20),
    pack("ORDER_REJECTED", oid=3, qty=10, released=1),
    pack("ORDER_DUPLICATE", oid=3, qty=10, released=1), accepted(3),
    changed(CANCELLED, reason=3109),
], ids=lambda r: records.BY_TYPE[records.type_of(r)].name)  # fmt: skip
def test_what_nobody_had_in_flight_cannot_come_back(record):
    """V-6, V-13: only a fold takes such a record."""
    ledger = make_ledger()
    ledger.apply(accepted(1))
    with pytest.raises(InvariantError, match="INV-11"):
        ledger.apply(record, live=True)


def test_an_amended_order_in_hand_fills_and_rests_again():
    """AM-5: it keeps its row while its fills come as taker."""
    ledger = make_ledger()
    ledger.apply(accepted(1))
    ledger.apply(accepted(2, user=2, side=SELL, px=101))
    ledger.apply(changed(AMENDED, px=101, flags=0))
    assert ledger.order(1)["in_hand"]
    ledger.apply(
        fill(taker_oid=1, maker_oid=2, taker_user_id=1, maker_user_id=2, taker_side=BUY, px=101,
             qty=10, taker_remaining=2, maker_remaining=0, taker_release=100, maker_release=100)
    )  # fmt: skip
    ledger.apply(pack("ORDER_RESTED", oid=1, px=101, remaining=2, qty=12, reserved=20))

    assert ledger.order(1) == {
        "user_id": 1, "symbol_id": 1, "side": BUY, "flags": 0, "px": 101, "filled": 10,
        "remaining": 2, "reserved": 20, "in_hand": False,
    }  # fmt: skip
    assert (ledger.order(2), ledger.orders_known()) == (None, 1)
    ledger.audit()


def test_the_table_takes_so_many_orders_and_rows_are_used_again():
    ledger = make_ledger(orders_max=64)
    rng = random.Random(5)
    live: list[int] = []
    for oid in range(1, 2000):
        if len(live) == 64 or (live and rng.random() < 0.45):
            gone = live.pop(rng.randrange(len(live)))
            ledger.apply(changed(CANCELLED, oid=gone))
        live.append(oid)
        ledger.apply(accepted(oid))
        if oid % 100 == 0:
            ledger.audit()
            assert ledger.orders_known() == len(live)
    while len(live) < 64:
        live.append(max(live) + 1)
        ledger.apply(accepted(live[-1]))
    with pytest.raises(InvariantError, match="8"):
        ledger.apply(accepted(5000))


def test_two_symbols_have_an_order_in_hand_each():
    ledger = make_ledger()
    ledger.apply(accepted(1, flags=0))
    ledger.apply(accepted(2, symbol_id=2, flags=0))
    assert ledger.orders_known() == 2
    assert ledger.order(1)["in_hand"]
    assert ledger.order(2)["in_hand"]
    ledger.apply(changed(CANCELLED, oid=2, symbol_id=2, stream=2))
    ledger.apply(CANCELLED)
    assert ledger.orders_known() == 0
    assert ledger.position(1, 1)["frozen"] == 0
    ledger.audit()


def test_the_hash_sees_orders_settings_marks_and_modes():
    def hash_after(*extra: bytes) -> int:
        ledger = make_ledger()
        for record in (accepted(1), *extra):
            ledger.apply(record)
        return int(ledger.state_hash())

    variants = [
        (), (changed(AMENDED, px=100, qty=10, remaining=10, reserved=100, extra=0, extra_qty=0),),
        (changed(AMENDED, px=99, qty=10, remaining=10, reserved=100, extra=0, extra_qty=0),),
        (pack("ACCOUNT_CONFIG", owner_group=1),), (pack("ACCOUNT_CONFIG", stp=1),),
        (pack("MARK_PRICE", mark_px=100),), (pack("TRADING_MODE", mode=1),), (accepted(2),),
    ]  # fmt: skip
    hashes = [hash_after(*extra) for extra in variants]
    assert hashes[0] == hashes[1], "an amendment that changes nothing"
    assert len(set(hashes[1:])) == len(hashes) - 1
