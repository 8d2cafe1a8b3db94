"""The highest order id of the log: new ids lie above it, so that none is ever given twice."""

from __future__ import annotations

import pytest
from world import BUY, POST_ONLY, SELL, World


@pytest.mark.parametrize("last", ["accepted", "rejected", "duplicate"])
def test_an_order_that_was_answered_has_used_its_id_up(world: World, last):
    world.deposit(1)
    world.run()
    highest = world.place(1, SELL, 1000, 10, cid="one")
    if last == "rejected":
        highest = world.place(1, BUY, 1000, 10, flags=POST_ONLY)
    elif last == "duplicate":
        highest = world.place(1, BUY, 990, 10, cid="one")
    world.run()
    assert world.released[-1].record.name == f"ORDER_{last.upper()}"

    world.restart()

    assert world.recovered.state.oid_max == highest
