"""What the engine refuses to do at all, and what only its own face shows.

Failed checks (T-13) by number, the state that a restart hands on, the memory of ended orders.
"""

from __future__ import annotations

from typing import Any

import pytest
from model.engines import ask, compiled_engine, new
from model.symbols import make_symbol
from model.wire import changed, make_request

from rsx.core.check import InvariantError
from rsx.core.ring import Ring

NS = 1_000_000_000
LIMITS = {
    "orders_max": 64, "users_max": 16, "open_orders_per_user_max": 64, "triggers_max": 16,
    "open_triggers_per_user_max": 16, "dedup_window_s": 60, "dedup_orders_max": 256,
}  # fmt: skip
BUY, SELL = 0, 1
GTC, IOC, FOK, GTD = range(4)
POST, REDUCE, RESTS = 1, 2, 4


@pytest.fixture
def engine() -> Any:
    return compiled_engine(make_symbol(reference_px=100, px_max=1000), **LIMITS)


def amend(oid: int, px: int, qty: int, **values: Any) -> bytes:
    due = {"user_id": 1, "symbol_id": 1, "assumed": qty, "request_id": 5}
    return make_request("ORDER_AMEND", oid=oid, px=px, qty=qty, **{**due, **values})


def fails(number: int) -> Any:
    return pytest.raises(InvariantError, match=f"^INV-{number} ")


# --- requests that cannot be ------------------------------------------------------------------


def test_a_request_while_another_is_in_hand_is_a_failed_check(engine):
    ring = Ring("matching_wal", 4)
    for oid in range(1, 9):
        ask(engine, new(oid, 1, SELL, 1, 100))
    assert not engine.begin(new(9, 2, BUY, 8, 100, tif=IOC), 0, ring)

    with fails(1102):
        engine.begin(new(10, 2, BUY, 1, 50), 0, ring)


def test_a_record_that_is_no_request_of_matching_is_a_failed_check(engine):
    with fails(1103):
        engine.submit(make_request("DEPOSIT_REQUEST", user_id=1, amount=5))


def test_a_mode_that_there_is_not_is_a_failed_check(engine):
    with fails(1104):
        engine.submit(make_request("MODE_REQUEST", symbol_id=1, mode=4))


@pytest.mark.parametrize("px", [0, -1])
def test_a_mark_that_is_not_positive_is_a_failed_check(engine, px):
    with fails(1106):
        engine.submit(make_request("MARK_UPDATE", symbol_id=1, mark_px=px))


def test_an_amendment_for_more_than_risk_assumed_is_a_failed_check(engine):
    """AM-6."""
    ask(engine, new(1, 1, BUY, 10, 90))

    with fails(1105):
        engine.submit(amend(1, 90, 12, assumed=11, reserved=100))


def test_a_reservation_below_0_for_an_amendment_is_a_failed_check(engine):
    ask(engine, new(1, 1, BUY, 10, 90))

    with fails(1105):
        engine.submit(amend(1, 90, 9, reserved=-1))


def test_quantities_at_the_ends_of_64_bits_do_not_wrap_in_an_amendment(engine):
    """AM-2, AM-3."""
    ask(engine, new(1, 1, BUY, 10, 90))
    ask(engine, new(2, 2, SELL, 4, 90, tif=IOC))

    (refused,) = ask(engine, amend(1, 90, (1 << 63) - 1))
    (gone,) = ask(engine, amend(1, 90, -(1 << 63)))

    assert refused["reason"] == 3008
    assert (gone["type"], gone["reason"], gone["filled_qty"]) == ("ORDER_CANCELLED", 3109, 4)


# --- records that do not fit ------------------------------------------------------------------


def fold(engine: Any, *events: bytes) -> None:
    for event in events:
        engine.apply(event)


@pytest.mark.parametrize(
    ("name", "changes"),
    [
        ("ORDER_AMENDED", {"oid": 7}),
        ("ORDER_AMENDED", {"remaining": 0}),
        ("ORDER_AMENDED", {"remaining": 11, "flags": 64}),
        ("ORDER_AMENDED", {"px": 1001, "flags": RESTS}),
        ("ORDER_REDUCED", {"oid": 7}),
        ("ORDER_REDUCED", {"cancelled_qty": 5}),
        ("ORDER_REDUCED", {"cancelled_qty": 10, "remaining": 0}),
        ("ORDER_CANCELLED", {"cancelled_qty": 9}),
        ("ORDER_RESTED", {}),
        ("FILL", {}),
    ],
)
def test_a_record_that_contradicts_the_book_is_a_failed_check(engine, name, changes):
    """F-1, INV-14."""
    fold(engine, *engine_events(new(1, 1, BUY, 10, 90)))
    right: dict[str, dict[str, Any]] = {
        "ORDER_AMENDED": {"oid": 1, "px": 90, "qty": 8, "remaining": 8, "flags": 64},
        "ORDER_REDUCED": {"oid": 1, "px": 90, "cancelled_qty": 4, "remaining": 6},
        "ORDER_CANCELLED": {"oid": 1, "px": 90, "cancelled_qty": 10},
        "ORDER_RESTED": {"oid": 1, "px": 90, "remaining": 10, "qty": 10},
        "FILL": {"taker_oid": 2, "maker_oid": 1, "px": 90, "qty": 1, "maker_remaining": 9},
    }

    with fails(14):
        engine.apply(make_request(name, stream=1, **{**right[name], **changes}))


def engine_events(*requests: bytes) -> list[bytes]:
    """What a fresh engine logs for these requests."""
    other = compiled_engine(make_symbol(reference_px=100, px_max=1000), **LIMITS)
    return [event for request in requests for event in other.submit(request)]


def test_the_state_hash_sees_all_that_a_fold_has_to_give_back(engine):
    """F-3: prices, mode, expiry, prevention and owner group besides the book."""
    base = new(1, 1, BUY, 10, 90)
    logs = {
        "base": engine_events(base),
        "expiry": engine_events(new(1, 1, BUY, 10, 90, tif=GTD, expire_s=9)),
        "later expiry": engine_events(new(1, 1, BUY, 10, 90, tif=GTD, expire_s=10)),
        "prevention": engine_events(new(1, 1, BUY, 10, 90, stp=2)),
        "owner": engine_events(new(1, 1, BUY, 10, 90, owner_group=4)),
        "mode": engine_events(base, make_request("MODE_REQUEST", symbol_id=1, mode=1)),
        "mark": engine_events(base, make_request("MARK_UPDATE", symbol_id=1, mark_px=95)),
        "last": engine_events(base, new(2, 2, SELL, 1, 80), new(3, 2, BUY, 1, 80)),
        "in hand": engine_events(base, new(2, 2, SELL, 20, 80))[:-1],
    }
    hashes = {}
    for name, log in logs.items():
        other = compiled_engine(make_symbol(reference_px=100, px_max=1000), **LIMITS)
        fold(other, *log)
        hashes[name] = other.state_hash()

    assert len(set(hashes.values())) == len(hashes), hashes


# --- the face ---------------------------------------------------------------------------------


def test_what_topology_needs_of_an_order_is_told(engine):
    ask(engine, new(1, 1, BUY, 10, 90, tif=GTD, expire_s=9, kind=0, stp=3, cid="a", reserved=7,
                    flags=POST))  # fmt: skip

    assert engine.orders() == [(1, 1, 90, 10, 7, BUY, GTD, POST, 10, "a", 9, 0, 3)]


def test_prices_mode_and_owner_are_told(engine):
    assert (engine.last, engine.mark, engine.mode, engine.owner(1)) == (100, 100, 0, 0)
    ask(engine, new(1, 1, BUY, 10, 90, owner_group=4))
    ask(engine, new(2, 2, SELL, 1, 90, tif=IOC))
    assert (engine.last, engine.mark, engine.owner(1), engine.owner(9)) == (90, 90, 4, 0)
    engine.submit(make_request("MARK_UPDATE", symbol_id=1, mark_px=95))
    engine.submit(make_request("MODE_REQUEST", symbol_id=1, mode=3))
    assert (engine.last, engine.mark, engine.mode) == (90, 95, 3)


def test_a_full_ring_before_anything_is_said_and_nothing_is_done(engine):
    ring = Ring("matching_wal", 4)
    assert engine.begin(new(1, 1, BUY, 10, 90), 0, ring)

    with pytest.raises(BufferError):
        engine.begin(new(2, 1, BUY, 10, 90), 0, ring)

    assert [row[0] for row in engine.orders()] == [1]


# --- client ids -------------------------------------------------------------------------------


def test_the_end_of_an_order_outlives_the_move_of_living_entries(engine):
    """D-1, D-4: the circle turns over many times; a living entry moves, and ends at last."""
    ask(engine, new(1, 1, BUY, 10, 90, cid="old"))
    for oid in range(2, 1200):
        ask(engine, new(oid, 2, BUY, 1, 80, tif=IOC, cid=f"c{oid}"))
    ask(engine, new(1200, 3, SELL, 4, 90, tif=IOC))
    ask(engine, make_request("ORDER_CANCEL", oid=1, user_id=1, symbol_id=1, reason=3108))

    (told,) = ask(engine, new(1201, 1, BUY, 5, 70, cid="old", reserved=3))

    assert (told["type"], told["oid"], told["released"], told["qty"]) == (
        "ORDER_DUPLICATE", 1201, 3, 5,
    )  # fmt: skip
    seen = {name: told[f"original_{name}"] for name in (
        "oid", "px", "qty", "filled", "remaining", "status", "reason",
    )}  # fmt: skip
    assert seen == {
        "oid": 1, "px": 90, "qty": 10, "filled": 4, "remaining": 0, "status": 2, "reason": 3108,
    }  # fmt: skip


def test_no_memory_of_an_end_is_taken_over_by_the_next_order_with_the_place(engine):
    """D-4 after a wrap of the circle: a filled order tells no reason of an older entry."""
    for oid in range(1, 600):
        ask(engine, new(oid, 1, BUY, 1, 80, tif=IOC, cid=f"c{oid}"))
    ask(engine, new(600, 2, SELL, 5, 90))
    ask(engine, new(601, 1, BUY, 5, 90, tif=IOC, cid="last"))

    (told,) = ask(engine, new(602, 1, BUY, 5, 90, cid="last"))

    assert (told["original_status"], told["original_reason"], told["original_filled"]) == (0, 0, 5)


# --- reduce-only orders -----------------------------------------------------------------------


def test_many_fills_of_one_request_trim_both_users_between_each_of_them(engine):
    """M-9, RO-2: the maker's user first, the youngest first; GROUP_END on the last trim (M-11)."""
    for request in (
        new(1, 1, BUY, 10, 100), new(2, 2, SELL, 10, 100),  # 1 is long 10, 2 is short 10
        new(3, 1, SELL, 10, 120, flags=REDUCE), new(4, 1, SELL, 10, 121, flags=REDUCE),
        new(5, 2, BUY, 10, 80, flags=REDUCE), new(6, 2, BUY, 9, 79, flags=REDUCE),
        new(7, 1, SELL, 3, 101), new(8, 1, SELL, 7, 102),
    ):  # fmt: skip
        ask(engine, request)

    events = ask(engine, new(9, 2, BUY, 10, 102, tif=IOC))

    assert [(e["type"], e.get("oid") or e["maker_oid"], e.get("remaining")) for e in events] == [
        ("ORDER_ACCEPTED", 9, None),
        ("FILL", 7, None),
        ("ORDER_REDUCED", 4, 7), ("ORDER_REDUCED", 3, 7),
        ("ORDER_REDUCED", 6, 7), ("ORDER_REDUCED", 5, 7),
        ("FILL", 8, None),
        ("ORDER_CANCELLED", 4, None), ("ORDER_CANCELLED", 3, None),
        ("ORDER_CANCELLED", 6, None), ("ORDER_CANCELLED", 5, None),
    ]  # fmt: skip
    assert [e["header_flags"] for e in events] == [0] * 10 + [1]
    engine.audit()
    assert engine.orders() == []


def test_a_small_fill_touches_no_order_that_still_reduces(engine):
    """RO-2 through its bound: nothing is looked at while the largest order still fits."""
    ask(engine, new(1, 1, BUY, 100, 100))
    ask(engine, new(2, 2, SELL, 100, 100))
    for n in range(5):
        ask(engine, new(3 + n, 1, SELL, 10 + n, 120, flags=REDUCE))

    ask(engine, new(10, 1, SELL, 86, 99))
    events = ask(engine, new(11, 3, BUY, 86, 99, tif=IOC))
    assert [e["type"] for e in events] == ["ORDER_ACCEPTED", "FILL"]
    events = ask(engine, new(12, 1, SELL, 1, 99)) + ask(engine, new(13, 3, BUY, 1, 99, tif=IOC))

    assert [(e["type"], e.get("remaining")) for e in events[3:]] == [("ORDER_REDUCED", 13)]
    engine.audit()


def test_the_audit_finds_a_reduce_only_order_that_is_too_large(engine):
    """RO-1: a fold believes the log; the audit does not."""
    fold(engine, *engine_events(
        new(1, 1, BUY, 10, 100), new(2, 2, SELL, 10, 100),
        new(3, 1, SELL, 10, 120, flags=REDUCE),
    ))  # fmt: skip
    log = engine_events(
        new(1, 1, BUY, 10, 100), new(2, 2, SELL, 10, 100),
        new(3, 1, SELL, 10, 120, flags=REDUCE), new(4, 1, SELL, 4, 99), new(5, 4, BUY, 4, 99),
    )  # fmt: skip
    engine.audit()
    fold(engine, *log[4:-2], changed(log[-2], header_flags=1))

    with fails(17):
        engine.audit()
