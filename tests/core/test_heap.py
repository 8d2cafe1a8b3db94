"""The indexed heap against a sorted list: order, ties, changes in the middle, the limit."""

from __future__ import annotations

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rsx.core.heap import Heap

I64_MIN, I64_MAX, U64_MAX = -(1 << 63), (1 << 63) - 1, (1 << 64) - 1
KEYS = st.one_of(st.integers(-3, 3), st.integers(I64_MIN, I64_MAX))
TIES = st.one_of(st.integers(0, 3), st.integers(0, U64_MAX))
STEPS = st.lists(
    st.tuples(st.sampled_from(["put", "put", "remove", "pop"]), st.integers(1, 24), KEYS, TIES),
    max_size=150,
)


def smallest(model):
    return min((key, tie, slot) for slot, (key, tie) in model.items()) if model else None


@given(steps=STEPS)
def test_it_does_what_a_sorted_list_does(steps):
    heap, model = Heap(24), {}

    for step, slot, key, tie in steps:
        if step == "put":
            tie = (tie * 32 + slot) & U64_MAX  # ties tell all items apart, as order ids do
            assert heap.put(slot, key, tie)
            model[slot] = key, tie
        elif step == "remove" or not model:
            assert heap.remove(slot) == (slot in model)
            model.pop(slot, None)
        else:
            assert heap.remove(heap.first()[2])
            del model[smallest(model)[2]]
        heap.audit()
        assert len(heap) == len(model)
        assert heap.first() == smallest(model)


@pytest.mark.parametrize("seed", range(3))
def test_thousands_come_out_in_order_while_some_move_and_some_leave(seed):
    heap, model, rng = Heap(4096), {}, random.Random(seed)
    for slot in range(1, 4097):
        model[slot] = rng.randrange(1000), slot
        assert heap.put(slot, *model[slot])
    for slot in rng.sample(range(1, 4097), 2000):
        if rng.random() < 0.5:
            model[slot] = rng.randrange(1000), slot
            assert heap.put(slot, *model[slot])
        else:
            assert heap.remove(slot)
            del model[slot]
    heap.audit()

    taken = []
    while len(heap):
        taken.append(heap.first())
        assert heap.remove(heap.first()[2])

    assert taken == sorted((key, tie, slot) for slot, (key, tie) in model.items())


def test_equal_keys_come_in_order_of_the_tie_which_is_unsigned():
    heap = Heap(3)
    heap.put(1, 5, U64_MAX)
    heap.put(2, 5, 7)
    heap.put(3, -5, 9)

    order = []
    while len(heap):
        order.append(heap.first()[2])
        heap.remove(order[-1])

    assert order == [3, 2, 1]


def test_an_empty_heap_has_no_first_and_the_largest_key():
    heap = Heap(2)

    assert heap.first() is None
    assert heap.first_key() == I64_MAX
    assert not heap.remove(1)
    heap.put(2, -1, 0)
    assert heap.first_key() == -1


def test_slots_outside_are_refused():
    heap = Heap(2)

    for slot in (0, 3):
        with pytest.raises(ValueError, match="1 to 2"):
            heap.put(slot, 1, 1)
        with pytest.raises(ValueError, match="1 to 2"):
            heap.remove(slot)
