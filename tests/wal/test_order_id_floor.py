"""The highest order id of the log: new ids lie above it, so that none is ever given twice."""

from __future__ import annotations

import pytest
from world import BUY, SELL, World

NAMES = {
    "accepted": "ORDER_ACCEPTED", "rejected": "ORDER_REJECTED", "duplicate": "ORDER_DUPLICATE",
    "placed": "TRIGGER_PLACED", "trigger rejected": "TRIGGER_REJECTED",
}  # fmt: skip


@pytest.mark.parametrize("last", NAMES)
def test_an_order_or_trigger_that_was_answered_has_used_its_id_up(world: World, last):
    world.deposit(1)
    world.run()
    highest = world.place(1, SELL, 1000, 10, cid="one")
    if last == "rejected":
        highest = world.place(1, BUY, 991, 10)  # off tick
    elif last == "duplicate":
        highest = world.place(1, BUY, 990, 10, cid="one")
    elif last == "placed":
        highest = world.stop(1, BUY, 1100, 10)
    elif last == "trigger rejected":
        highest = world.stop(1, BUY, 900, 10)  # it would fire at once
    world.run()
    assert world.released[-1].record.name == NAMES[last]

    world.restart()

    assert world.recovered.state.oid_max == highest
