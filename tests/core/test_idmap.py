"""The id map against a dict: probing, closing of gaps, the limit."""

from __future__ import annotations

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rsx.core.idmap import IdMap

BIG = (1 << 64) - 1
# Few and close ids, so that they share places; and ids from all over the range.
IDS = st.one_of(st.integers(1, 40), st.integers(1, BIG), st.integers(BIG - 40, BIG))
STEPS = st.lists(
    st.tuples(st.sampled_from(["put", "put", "remove", "get"]), IDS, st.integers(1, 2**32 - 1)),
    max_size=200,
)


@given(keys_max=st.sampled_from([1, 4, 16, 64]), steps=STEPS)
def test_it_does_what_a_dict_with_a_limit_does(keys_max, steps):
    ids, model = IdMap(keys_max), {}
    limit = 4
    while limit < keys_max:
        limit *= 2

    for step, key, value in steps:
        if step == "put":
            fits = key in model or len(model) < limit
            assert ids.put(key, value) == fits
            if fits:
                model[key] = value
        elif step == "remove":
            assert ids.remove(key) == (key in model)
            model.pop(key, None)
        assert ids.get(key) == model.get(key, 0)
        assert len(ids) == len(model)

    assert {key: ids.get(key) for key in model} == model


@pytest.mark.parametrize("stride", [1, 4, 1024, 1 << 10 | 1, 1 << 32])
def test_regular_ids_are_found_again_while_others_come_and_go(stride):
    ids, rng = IdMap(1 << 10), random.Random(stride)
    alive: list[int] = []

    for number in range(1, 20_000):
        key = number * stride
        if len(alive) == 1 << 10:
            gone = alive.pop(rng.randrange(len(alive)))
            assert ids.remove(gone)
            assert ids.get(gone) == 0
        assert ids.put(key, number)
        alive.append(key)

    assert all(ids.get(key) == key // stride for key in alive)


def test_ids_that_share_a_home_push_each_other_on_and_close_the_gap():
    # Of 8 places, four ids of one group and four of the next fill a run that wraps around.
    ids = IdMap(4)
    keys = [1, 2, 3, 5]
    for key in keys:
        assert ids.put(key, key * 10)

    for gone in keys:
        assert ids.remove(gone)
        rest = [key for key in keys if key > gone]
        assert [ids.get(key) for key in rest] == [key * 10 for key in rest]


def test_a_full_map_takes_no_new_id_but_changes_and_frees_old_ones():
    ids = IdMap(4)
    for key in range(1, 5):
        assert ids.put(key, key)

    assert not ids.put(5, 5)
    assert ids.get(5) == 0
    assert ids.put(4, 44)
    assert ids.get(4) == 44
    assert ids.remove(1)
    assert ids.put(5, 5)
    assert len(ids) == 4


def test_an_id_that_is_not_there_is_not_removed():
    ids = IdMap(4)

    assert not ids.remove(7)
    assert len(ids) == 0


@pytest.mark.parametrize(("key", "value"), [(0, 1), (1, 0)])
def test_zero_stands_for_nothing(key, value):
    with pytest.raises(ValueError, match="0 stands for nothing"):
        IdMap(4).put(key, value)


def test_zero_is_never_found_and_cannot_be_removed():
    ids = IdMap(4)
    ids.put(4, 1)

    assert ids.get(0) == 0
    assert not ids.remove(0)
    assert len(ids) == 1
    assert ids.get(4) == 1
