"""The release gate, group commit and the flush bound: specs/wal.md L-11 to L-13; INV-10."""

from __future__ import annotations

import random
from collections.abc import Callable

import pytest
from world import BUY, DURABLE, GTC, IOC, SELL, World

LONG_MS = 60_000  # a flush bound that never comes


@pytest.fixture(params=["fill", "all", "async"])
def any_mode(request: pytest.FixtureRequest, make_world: Callable[..., World]) -> World:
    return make_world(wal={"durability": request.param, "flush_ms": LONG_MS})


def step_without_disk(world: World) -> None:
    """A duty cycle of all tiles but the one that syncs."""
    for tile in world.tiles.compiled:
        if tile is not world.wal_sync:
            tile.step()
    world.collect()


def settle_without_disk(world: World) -> None:
    for _ in range(20):
        step_without_disk(world)


def ready(world: World) -> World:
    """Two rich users and a resting sell; everything durable."""
    world.deposit(1, 2)
    world.run()
    world.place(1, SELL, 1000, 100)
    world.run()
    return world


def test_an_acceptance_on_a_quiet_book_needs_no_sync(make_world: Callable[..., World]) -> None:
    world = ready(make_world(wal={"flush_ms": LONG_MS}))
    syncs = world.wal.counters()["syncs"]
    oid = world.place(1, SELL, 1005, 100)
    settle_without_disk(world)

    assert (world.released[-1].record.name, world.released[-1].oid) == ("ORDER_ACCEPTED", oid)
    assert world.wal.durable < world.wal.released
    assert len(world.rings["wal_sync"]) == 0
    assert world.wal.counters()["syncs"] == syncs


def test_a_fill_waits_for_its_sync_and_holds_back_all_after_it(
    make_world: Callable[..., World],
) -> None:
    world = ready(make_world(wal={"flush_ms": LONG_MS}))
    taker = world.place(2, BUY, 1000, 50)
    behind = world.place(1, SELL, 1100, 10)
    settle_without_disk(world)

    assert (world.released[-1].record.name, world.released[-1].oid) == ("ORDER_ACCEPTED", taker)
    assert len(world.rings["wal_sync"]) == 1

    world.wal_sync.step()
    assert "FILL" not in world.names()
    step_without_disk(world)
    assert world.names()[-2:] == ["FILL", "ORDER_ACCEPTED"]
    assert world.released[-1].oid == behind


def test_in_mode_all_nothing_is_released_before_its_sync(make_world: Callable[..., World]) -> None:
    world = ready(make_world(wal={"durability": "all", "flush_ms": LONG_MS}))
    last = world.released[-1].seq
    world.place(1, SELL, 1005, 100)
    settle_without_disk(world)
    assert world.released[-1].seq == last

    world.run()
    assert world.released[-1].seq == last + 1


def test_in_mode_async_a_fill_is_released_when_written(make_world: Callable[..., World]) -> None:
    world = make_world(wal={"durability": "async", "flush_ms": LONG_MS})
    world.deposit(1, 2)
    settle_without_disk(world)
    world.place(1, SELL, 1000, 100)
    world.place(2, BUY, 1000, 100)
    settle_without_disk(world)

    assert world.names()[-1] == "FILL"
    assert len(world.rings["wal_sync"]) == 0


def test_a_deposit_is_credited_to_nobody_before_its_sync(world: World) -> None:
    world.run()
    world.deposit(1)
    settle_without_disk(world)
    assert world.recovered.state.ledger.account(1) is None

    world.run()
    assert world.recovered.state.ledger.account(1)["collateral"] > 0


def test_nothing_leaves_before_its_time_whatever_the_disk_does(any_mode: World) -> None:
    """Random orders, and a disk that answers when it likes: L-11 record by record."""
    world, chance = any_mode, random.Random(7)
    mode = world.config.wal.durability
    world.deposit(*range(1, 6))
    for _ in range(3000):
        if chance.random() < 0.5:
            world.place(
                chance.randint(1, 5), chance.randint(0, 1), chance.randrange(980, 1020, 5),
                chance.randrange(10, 60, 10), tif=chance.choice((GTC, GTC, IOC)),
            )  # fmt: skip
        tile = chance.choice(world.tiles.compiled)
        tile.step()
        before = len(world.released)
        world.collect()
        for view in world.released[before:]:
            assert view.seq <= world.wal.written
            if mode == "all" or (mode == "fill" and view.record.name in DURABLE):
                assert view.seq <= world.wal.durable
    world.run()
    assert world.released[-1].seq == world.wal.appended > 1000


def test_one_sync_covers_all_that_gathered_during_the_last_one(
    make_world: Callable[..., World],
) -> None:
    world = ready(make_world(wal={"flush_ms": LONG_MS}))
    syncs = world.wal.counters()["syncs"]
    world.place(2, BUY, 1000, 10)
    step_without_disk(world)
    for _ in range(9):
        world.place(2, BUY, 1000, 10)
        step_without_disk(world)
    assert "FILL" not in world.names()

    world.run()
    assert world.names().count("FILL") == 10
    assert world.wal.counters()["syncs"] == syncs + 2


def test_what_nobody_waits_for_is_synced_within_the_flush_bound(
    make_world: Callable[..., World],
) -> None:
    world = ready(make_world(wal={"flush_ms": 1}))
    world.place(1, SELL, 1005, 100)
    settle_without_disk(world)
    while len(world.rings["wal_sync"]) == 0:  # until a millisecond has passed
        step_without_disk(world)
    world.run()

    assert world.wal.durable == world.wal.appended


def test_a_disk_slower_than_twice_the_flush_bound_stalls_the_producers(
    make_world: Callable[..., World],
) -> None:
    world = ready(make_world(wal={"flush_ms": 1}))
    placed = 1
    while world.wal.counters()["flush_stalls"] == 0:
        placed += world.place(1, SELL, 1005, 10) > 0
        step_without_disk(world)
    stalled_at = world.wal.appended
    for _ in range(50):
        placed += world.place(1, SELL, 1005, 10) > 0
        step_without_disk(world)
    assert world.wal.appended == stalled_at

    world.run()
    assert world.names().count("ORDER_ACCEPTED") == placed
    assert world.wal.counters()["flush_stalls"] >= 50
