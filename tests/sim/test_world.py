"""The simulated exchange: single ends of a process, one by one (specs/sim.md)."""

from __future__ import annotations

import dataclasses
import functools

import msgspec

from rsx.rules import to_records
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


def test_a_start_syncs_every_segment_that_a_killed_process_can_have_left_unsynced():
    """L-3, L-23: one was being synced, one was full and waited for that, one was written to."""
    plan = dataclasses.replace(
        draw(3, frozenset()), segment_records=64, sync_inline=False, features=frozenset()
    )
    world = World(dataclasses.replace(plan, config=plan.config.replace(
        wal={"durability": "async", "flush_ms": 1, "segments_ahead": 0},
        replica={"enabled": False}, risk={"shards": 1},
    )))  # fmt: skip
    world.start(machine=False)
    begun = world.segment_first
    while len(world.segments()) < 3 or world.wal.appended < 64 * 3:
        before = world.wal.appended
        for _ in range(20):
            world.ask()
            for tile in (*world.risks, *world.matching, world.wal):
                tile.step()
            world.collect()
        assert world.wal.appended > before, "the log stands still"
    assert begun <= 1 and world.wal.durable < 64
    world.disk.kill()
    world.start(machine=False)
    assert world.witness.floor >= 64 * 3
    world.disk.cut_power(0, False)
    world.start(machine=True)
    assert world.counts["records lost"] == 0


def test_rules_wait_while_a_settlement_is_being_booked():
    """FN-11: else its payments would name an interval that was never settled."""
    for seed in range(6):
        plan = draw(seed, frozenset(("kill",)))
        symbols = tuple(
            msgspec.structs.replace(symbol, funding_interval_s=60) for symbol in plan.config.symbols
        )
        config = plan.config.replace(mark={"source": "synthetic", "stale_ms": 3_600_000})
        world = World(dataclasses.replace(
            plan, config=msgspec.structs.replace(config, symbols=symbols), pace_ns=50_000_000,
            features=frozenset(("rules", "ioc")), life=300,
        ))  # fmt: skip
        world.clients.acts += [functools.partial(change_interval, world)] * 20
        world.run(4000)


def change_interval(world):
    clients = world.clients
    symbol = clients.rules[clients.market()]
    if symbol.id in clients.rules_asked:
        return
    changed = msgspec.structs.replace(
        symbol, version=symbol.version + 1, funding_interval_s=240 - symbol.funding_interval_s
    )
    if clients.push(0, b"".join(to_records(changed))):
        clients.rules_asked[symbol.id] = changed.version
