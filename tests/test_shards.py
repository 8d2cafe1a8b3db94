"""SH-1: which risk tile has a user; the compiled side says the same."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rsx.config import load
from rsx.errors import ConfigError
from rsx.shards import Shards, even_starts, virtual_shard

USER = st.integers(0, (1 << 32) - 1)


def test_the_virtual_shard_of_a_user_is_the_same_for_ever():
    assert [virtual_shard(user) for user in (0, 1, 2, 3, 1000, 0xFFFF_0001, (1 << 32) - 1)] == [
        0, 2531, 966, 3498, 139, 584, 1564,
    ]  # fmt: skip


@given(USER, st.integers(1, 8))
def test_every_user_has_one_tile_that_its_virtual_shard_says(user, count):
    shards = Shards(count)
    starts = [*even_starts(count), 4096]

    own = shards.of(user)

    assert starts[own] <= virtual_shard(user) < starts[own + 1]
    assert 0 <= virtual_shard(user) < 4096


def test_users_are_spread_evenly():
    shards = Shards(3)
    counts = [0, 0, 0]
    for user in range(1, 30_001):
        counts[shards.of(user)] += 1

    assert all(9_500 < count < 10_500 for count in counts)


def test_starts_in_the_configuration_move_the_parts():
    config = load().replace(risk={"shards": 3, "shard_starts": (0, 10, 4000)})
    shards = config.shards

    assert (shards.count, shards.starts) == (3, (0, 10, 4000))
    assert shards.table == bytes(10) + b"\1" * 3990 + b"\2" * 96
    assert load().shards.table == bytes(4096)


@pytest.mark.parametrize("starts", [(0,), (1, 5), (0, 0), (0, 5, 3), (0, 1, 2)])
def test_starts_that_are_no_table_are_refused_with_their_values(starts):
    with pytest.raises(ConfigError, match=r"risk\.shard_starts = \["):
        load().replace(risk={"shards": 2, "shard_starts": starts})
