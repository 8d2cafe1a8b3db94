"""The ring and its doorbell, one thread at a time: T-1 .. T-5, INV-7."""

from __future__ import annotations

import collections
import ctypes
import select

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rsx.core.check import InvariantError
from rsx.core.ring import Doorbell, Ring

SLOT = 128


def record(number: int) -> bytes:
    return number.to_bytes(8, "little") + bytes(SLOT - 16) + number.to_bytes(8, "little")


def records(*numbers: int) -> bytes:
    return b"".join(map(record, numbers))


def numbers(data: bytes) -> list[int]:
    assert len(data) % SLOT == 0
    return [int.from_bytes(data[at : at + 8], "little") for at in range(0, len(data), SLOT)]


def drain(ring: Ring) -> list[int]:
    """Take all: one pop gives no more than the consumer knew of, or what a fresh look shows."""
    taken: list[int] = []
    while data := ring.pop():
        taken += numbers(data)
    return taken


def positions(ring: Ring) -> tuple[int, int]:
    """Head and tail as they stand in the buffer, where the other thread reads them."""
    at = buffer_start(ring)
    head, tail = ring.buffer[at : at + 8], ring.buffer[at + 128 : at + 136]
    return int.from_bytes(head, "little"), int.from_bytes(tail, "little")


def buffer_start(ring: Ring) -> int:
    """Where the layout begins: at the first 128-byte boundary of memory."""
    address = ctypes.addressof(ctypes.c_char.from_buffer(ring.buffer))
    return -address % 128


def readable(fd: int) -> bool:
    return bool(select.select([fd], [], [], 0)[0])


# --- FIFO, full, empty ------------------------------------------------------------------------


def test_records_come_out_in_the_order_in_which_they_went_in():
    ring = Ring("a_b", 8)

    for number in range(5):
        assert ring.push(record(number))

    assert len(ring) == 5
    assert numbers(ring.pop()) == [0, 1, 2, 3, 4]
    assert len(ring) == 0


def test_an_empty_ring_gives_nothing():
    ring = Ring("a_b", 8)

    assert ring.pop() == b""
    assert ring.wait(0) == 0


def test_a_full_ring_refuses_and_keeps_what_it_has():
    ring = Ring("a_b", 4)
    for number in range(4):
        assert ring.push(record(number))

    assert not ring.push(record(99))
    assert ring.free == 0

    assert numbers(ring.pop()) == [0, 1, 2, 3]
    assert ring.free == 4


def test_one_place_is_free_again_as_soon_as_one_record_was_taken():
    ring = Ring("a_b", 2)
    ring.push_many(records(1, 2))

    assert numbers(ring.pop(1)) == [1]

    assert ring.push(record(3))
    assert not ring.push(record(4))
    assert drain(ring) == [2, 3]


def test_the_consumer_looks_at_the_producer_again_only_when_it_knows_of_nothing_more():
    ring = Ring("a_b", 8)
    ring.push_many(records(1, 2))
    assert numbers(ring.pop(1)) == [1]
    ring.push(record(3))

    assert numbers(ring.pop()) == [2]
    assert numbers(ring.pop()) == [3]


def test_pop_takes_at_most_the_limit():
    ring = Ring("a_b", 8)
    ring.push_many(records(*range(8)))

    assert numbers(ring.pop(3)) == [0, 1, 2]
    assert numbers(ring.pop(3)) == [3, 4, 5]
    assert numbers(ring.pop(3)) == [6, 7]


def test_push_many_takes_what_fits_from_the_front():
    ring = Ring("a_b", 4)
    ring.push(record(0))

    assert ring.push_many(records(1, 2, 3, 4, 5)) == 3
    assert ring.push_many(records(6)) == 0
    assert ring.push_many(b"") == 0

    assert numbers(ring.pop()) == [0, 1, 2, 3]


@pytest.mark.parametrize("depth", [2, 4, 8])
def test_order_survives_many_wraps(depth):
    ring = Ring("a_b", depth)
    taken = []

    sent = 0
    while sent < 1000:
        sent += ring.push_many(records(*range(sent, sent + depth - 1)))
        taken += numbers(ring.pop(depth - 1))
    taken += drain(ring)

    assert taken == list(range(sent))


@given(
    depth=st.sampled_from([2, 4, 16]),
    steps=st.lists(st.tuples(st.sampled_from(["push", "many", "pop"]), st.integers(0, 20))),
)
def test_a_ring_is_a_bounded_queue(depth, steps):
    ring, model, next_number = Ring("a_b", depth), collections.deque(), 0

    for step, size in steps:
        if step == "pop":
            got = numbers(ring.pop(size))
            assert bool(got) == bool(size and model)
            assert got == [model.popleft() for _ in got]
            continue
        wanted = list(range(next_number, next_number + (1 if step == "push" else size)))
        fits = wanted[: depth - len(model)]
        if step == "push":
            assert ring.push(record(next_number)) == bool(fits)
        else:
            assert ring.push_many(records(*wanted)) == len(fits)
        model.extend(fits)
        next_number += len(wanted)
        assert (len(ring), ring.free) == (len(model), depth - len(model))


# --- what is refused --------------------------------------------------------------------------


@pytest.mark.parametrize("depth", [0, 1, 3, 6, 1000, (1 << 26) + 1, 1 << 27])
def test_a_depth_that_is_no_power_of_two_or_out_of_range_is_refused(depth):
    with pytest.raises(ValueError, match=f"ring a_b: depth {depth} is not a power of two"):
        Ring("a_b", depth)


def test_a_negative_depth_is_refused():
    with pytest.raises(OverflowError):
        Ring("a_b", -2)


@pytest.mark.parametrize("size", [0, 1, 127, 129, 256])
def test_push_takes_exactly_one_record(size):
    with pytest.raises(InvariantError, match=rf"a_b, {size}"):
        Ring("a_b", 4).push(bytes(size))


@pytest.mark.parametrize("size", [1, 127, 129, 255])
def test_push_many_takes_whole_records_only(size):
    with pytest.raises(InvariantError, match=rf"a_b, {size}"):
        Ring("a_b", 4).push_many(bytes(size))


def test_a_ring_s_buffer_cannot_be_resized_under_it():
    ring = Ring("a_b", 4)

    with pytest.raises(BufferError):
        ring.buffer.append(0)


# --- layout and the order of stores -----------------------------------------------------------


def test_head_and_tail_stand_on_cache_lines_of_their_own_in_the_buffer():
    ring = Ring("a_b", 4)
    ring.push_many(records(7, 8, 9))
    ring.pop(1)

    assert positions(ring) == (1, 3)
    slots = buffer_start(ring) + 256
    assert numbers(bytes(ring.buffer[slots : slots + 3 * SLOT])) == [7, 8, 9]
    assert len(ring.buffer) == 128 + 256 + 4 * SLOT


def test_the_slot_of_a_position_is_the_position_modulo_the_depth():
    ring = Ring("a_b", 4)
    ring.push_many(records(0, 1, 2, 3))
    ring.pop(2)
    ring.push_many(records(4, 5))

    slots = buffer_start(ring) + 256
    assert numbers(bytes(ring.buffer[slots : slots + 4 * SLOT])) == [4, 5, 2, 3]
    assert positions(ring) == (2, 6)


def test_a_record_that_the_tail_does_not_cover_is_not_seen():
    ring = Ring("a_b", 4)
    ring.push(record(1))
    slots = buffer_start(ring) + 256

    ring.buffer[slots + SLOT : slots + 2 * SLOT] = record(2)  # written, not published

    assert numbers(ring.pop()) == [1]
    assert ring.pop() == b""


def test_a_refused_record_moves_neither_position_and_touches_no_slot():
    ring = Ring("a_b", 2)
    ring.push_many(records(1, 2))
    before = bytes(ring.buffer)

    assert not ring.push(record(3))

    assert bytes(ring.buffer) == before


# --- counters ---------------------------------------------------------------------------------


def test_a_ring_counts_what_passed_how_often_it_was_full_and_its_high_water_mark():
    ring = Ring("a_b", 4)
    ring.push_many(records(0, 1, 2))
    ring.pop(2)
    ring.push_many(records(3, 4, 5, 6, 7))
    ring.push(record(8))
    ring.pop()
    ring.pop()

    assert ring.counters() == {"passed": 6, "found_full": 2, "high_water": 3, "depth": 4}


# --- waiting and doorbells --------------------------------------------------------------------


def test_wait_returns_at_once_when_a_record_is_there():
    ring = Ring("a_b", 4)
    ring.push_many(records(1, 2))

    assert ring.wait(1 << 60) == 2


def test_wait_gives_up_after_its_time():
    assert Ring("a_b", 4).wait(100_000) == 0


def test_a_producer_rings_only_a_consumer_that_has_said_that_it_sleeps():
    ring, doorbell = Ring("a_b", 8), Doorbell()
    ring.set_doorbell(doorbell)

    ring.push(record(1))
    assert not readable(doorbell.fd)

    doorbell.arm()
    assert doorbell.is_armed
    ring.push(record(2))
    assert readable(doorbell.fd)
    assert not doorbell.is_armed  # a second record need not ring again


def test_push_many_rings_too_and_a_refused_push_does_not():
    ring, doorbell = Ring("a_b", 2), Doorbell()
    ring.set_doorbell(doorbell)
    doorbell.arm()
    ring.push_many(records(1, 2))
    assert readable(doorbell.fd)

    doorbell.disarm()
    doorbell.arm()
    ring.push(record(3))

    assert not readable(doorbell.fd)


def test_disarm_takes_back_wake_ups_that_were_written():
    doorbell = Doorbell()
    doorbell.arm()
    doorbell.ring()
    doorbell.ring()

    doorbell.disarm()

    assert not readable(doorbell.fd)
    assert not doorbell.is_armed


def test_ring_wakes_a_sleeper_that_has_not_armed():
    doorbell = Doorbell()

    doorbell.ring()

    assert doorbell.wait(10_000)
    assert not doorbell.wait(0)


def test_a_closed_doorbell_has_given_its_descriptor_back():
    doorbell = Doorbell()
    doorbell.close()
    doorbell.close()

    assert doorbell.fd == -1
