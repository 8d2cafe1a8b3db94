"""What was ordered is told unchanged after a restart, though the book keeps only what is left."""

from __future__ import annotations

from types import SimpleNamespace

from world import BUY, SELL, World

from rsx.edge.events import Events
from rsx.edge.orders import Tracker
from rsx.edge.recovery import load_arguments
from rsx.records import OrderFlag


def test_an_order_that_was_cut_keeps_its_quantity_over_a_restart(world: World):
    world.deposit(1, 2)
    world.run()
    world.place(2, SELL, 1000, 50)
    world.place(1, BUY, 1000, 50)
    cut = world.place(1, SELL, 1100, 120, flags=OrderFlag.REDUCE_ONLY, cid="cut")
    world.run()
    assert "ORDER_REDUCED" in [view.record.name for view in world.released]

    world.restart()

    (row,) = [row for row in load_arguments(world.recovered)["open_orders"] if row[0] == cut]
    entry = SimpleNamespace(tracker=Tracker(), symbols={})
    Events(entry, SimpleNamespace()).load([row], [])
    order = entry.tracker.orders[cut]
    assert (order.qty, order.cut, order.filled, order.remaining) == (120, 70, 0, 50)
