"""The simulated exchange: single ends of a process, one by one (specs/sim.md)."""

from __future__ import annotations

from rsx.sim.plan import draw
from rsx.sim.world import World


def step_until_it_stops(world, steps=20_000):
    try:
        for _ in range(steps):
            world.table[world.schedule.next() % len(world.table)]()
    except OSError:
        return
    raise AssertionError("the disk never failed")


def test_what_a_failed_sync_forgot_is_written_again_by_the_next_start():
    """L-23: pages that count as clean after a failed fsync are not on the disk."""
    recovered = 0
    for seed in range(6):
        world = World(draw(seed, frozenset()))
        world.start(machine=False)
        world.disk.forgets, world.disk.sync_fails_at = True, world.disk.syncs + 20
        step_until_it_stops(world)
        world.disk.kill()
        told = world.witness.told
        world.start(machine=False)
        recovered += world.witness.floor - told
        world.disk.cut_power(0, False)
        world.start(machine=True)
        assert world.counts["records lost"] == 0
    assert recovered > 0
