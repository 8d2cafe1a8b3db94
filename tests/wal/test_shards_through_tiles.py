"""SH: several risk tiles share the users; every one follows all of them, and the log is one.

The same requests go through an exchange with one risk tile and one with three. Users of every
shard trade with each other; after each round the ledgers of all tiles say the same (INV-33).
"""

from __future__ import annotations

import random
from collections.abc import Callable

import pytest
from world import (
    BUY,
    GTC,
    HALT,
    IOC,
    LAST_PRICE,
    OPEN,
    POST_ONLY,
    REDUCE_ONLY,
    SELL,
    World,
    make_market,
)

from rsx.records import ACCOUNT_CONFIG, FUND_USER_BASE, View
from rsx.wal import inspect as inspection

USERS = tuple(range(1, 10))
SHARDS = 3


@pytest.fixture(params=[1, SHARDS])
def shards(request: pytest.FixtureRequest) -> int:
    return int(request.param)


def hashes(world: World) -> set[int]:
    return {risk.ledger.state_hash() for risk in world.tiles.risks}


def agree(world: World) -> None:
    """INV-14, INV-33: the tiles, and a fold of the log, say the same."""
    assert len(world.tiles.risks) == world.config.risk.shards
    assert hashes(world) == {world.fold().ledger.state_hash()}
    assert world.live_hash() == world.fold().state_hash()


def some_requests(world: World, rng: random.Random, count: int = 60) -> None:
    """Orders, triggers, amendments, cancels, settings of random users, a few at a time."""
    for _ in range(count):
        user, side = rng.choice(USERS), rng.choice((BUY, SELL))
        symbol = rng.choice((1, 2))
        px, qty = 1000 + 5 * rng.randint(-6, 6), 10 * rng.randint(1, 20)
        what = rng.random()
        if what < 0.55:
            world.place(user, side, px, qty, symbol=symbol, tif=rng.choice((GTC, GTC, IOC)),
                        flags=rng.choice((0, 0, 0, POST_ONLY, REDUCE_ONLY)))  # fmt: skip
        elif what < 0.65:
            world.market(user, side, qty, symbol=symbol)
        elif what < 0.75:
            trigger_px = px + 20 if side == BUY else px - 20
            world.stop(user, side, trigger_px, qty, symbol=symbol)
        elif what < 0.83 and world.oid:
            world.amend(user, rng.randint(1, world.oid), px, qty, symbol_id=symbol)
        elif what < 0.9 and world.oid:
            world.cancel(user, rng.randint(1, world.oid), symbol=symbol)
        elif what < 0.93:
            world.cancel_all(user, symbol=symbol)
        elif what < 0.96:
            world.configure(user, owner_group=rng.choice((0, 7)), stp=rng.randint(0, 3))
        elif what < 0.98:
            world.mark(px, symbol=symbol)
        else:
            world.deposit(user, amount=rng.randint(1, 10**6))
        if rng.random() < 0.4:
            world.step()
    world.run()


def answers(world: World) -> list[tuple[str, int, int, int]]:
    """Refusals by what they are of, in any order: tiles answer side by side."""
    return sorted(
        (v.record.name, v.user_id, v.oid, v.reason)
        for v in world.answers
        if v.record.name == "REQUEST_REJECTED"
    )


def test_users_of_all_shards_trade_and_every_tile_says_the_same(
    make_world: Callable[..., World], shards: int
) -> None:
    rng = random.Random(shards)
    world = make_world(risk={"shards": shards}, mark={"source": "last"})
    assert {world.config.shards.of(user) for user in USERS} == set(range(shards))
    world.deposit(*USERS)
    world.run()
    for _ in range(5):
        some_requests(world, rng)
        agree(world)

    fills = [view for view in world.released if view.record.name == "FILL"]
    of = world.config.shards.of
    pairs = {(of(fill.taker_user_id), of(fill.maker_user_id)) for fill in fills}
    assert len(pairs) == shards * shards, "every pair of shards has traded"
    for risk in world.tiles.risks:
        risk.ledger.audit()
    assert inspection.inspect(world.folder).status == "sound"


@pytest.mark.parametrize(
    ("count", "starts"), [(1, ()), (2, ()), (3, ()), (3, (0, 9, 4000)), (7, ()), (8, ())]
)
def test_the_tiles_and_the_table_agree_on_whose_a_user_is(
    make_world: Callable[..., World], count: int, starts: tuple[int, ...]
) -> None:
    """SH-1: the tile that a request is pushed to is the one that takes its user for its own."""
    world = make_world(risk={"shards": count, "shard_starts": starts})
    rng = random.Random(count)
    users = [*range(4096), *(1 << bit for bit in range(32)), (1 << 32) - 1, FUND_USER_BASE + 1]
    for user in users + [rng.randrange(1 << 32) for _ in range(5000)]:
        takers = [at for at, risk in enumerate(world.tiles.risks) if risk.decides_for(user)]
        assert takers == [world.config.shards.of(user)], user


def test_a_restart_finds_every_tile_as_it_was_also_with_another_number_of_them(
    make_world: Callable[..., World],
) -> None:
    """SH-2: a change of the table moves users at the next start, and nothing else."""
    rng = random.Random(5)
    world = make_world(risk={"shards": 2}, mark={"source": "last"})
    world.deposit(*USERS)
    world.run()
    for sections in ({"shards": 2}, {"shards": 3}, {"shards": 3, "shard_starts": (0, 9, 4000)},
                     {"shards": 1, "shard_starts": ()}, {"shards": 8}):  # fmt: skip
        some_requests(world, rng)
        before = world.live_hash()
        world.restart(risk=sections)
        assert world.live_hash() == before
        world.run()
        agree(world)


def test_each_request_is_judged_by_the_tile_of_its_user_alone(
    make_world: Callable[..., World],
) -> None:
    world = make_world(risk={"shards": SHARDS}, mark={"source": "last"})
    world.deposit(*USERS, amount=10**7)
    world.run()
    for user in USERS:
        world.place(user, BUY, 900, 10)
        world.place(user, BUY, 900, 1_000_000)  # more than the deposit allows
        world.ask("ACCOUNT_QUERY", user_id=user)
    world.run()

    mine = [sum(world.config.shards.of(user) == shard for user in USERS) for shard in range(3)]
    assert [risk.counters()["orders_checked"] for risk in world.tiles.risks] == [
        2 * count for count in mine
    ]
    accepted = [view.user_id for view in world.released if view.record.name == "ORDER_ACCEPTED"]
    assert sorted(accepted) == list(USERS)
    states = [view.user_id for view in world.answers if view.record.name == "ACCOUNT_STATE"]
    assert sorted(states) == list(USERS)
    agree(world)


def test_requests_of_no_single_user_go_to_the_first_tile(make_world: Callable[..., World]) -> None:
    """SH-3: marks and modes."""
    world = make_world(risk={"shards": SHARDS}, mark={"source": "synthetic"})
    world.deposit(*USERS)
    world.run()
    world.mark(1010)
    world.run()
    world.set_mode(HALT)
    world.run()
    world.set_mode(OPEN)
    world.run()

    assert [v.mode for v in world.released if v.record.name == "TRADING_MODE"] == [HALT, OPEN]
    marks = [view.mark_px for view in world.released if view.record.name == "MARK_PRICE"]
    assert marks == [1010]
    assert {risk.ledger.mark(1) for risk in world.tiles.risks} == {1010}
    for user in USERS:
        world.place(user, BUY, 900, 10)
    world.run()
    agree(world)


def test_a_trigger_that_fires_is_made_an_order_by_the_tile_of_its_user(
    make_world: Callable[..., World],
) -> None:
    """V-14, TR-9: also when the exchange ends between the firing and the order."""
    world = make_world(make_market(1), risk={"shards": SHARDS}, mark={"source": "last"})
    world.deposit(*USERS)
    world.run()
    for user in USERS:
        world.stop(user, BUY, 1050, 10, flags=LAST_PRICE)
    world.run()  # tiles work side by side: orders of other users might come first
    world.place(9, SELL, 1060, 500)
    world.run()
    world.place(1, BUY, 1060, 10)
    world.run()

    def orders_of_triggers() -> list[View]:
        return [v for v in world.released if v.record.name == "ORDER_ACCEPTED" and v.kind == 2]

    assert sorted(view.user_id for view in orders_of_triggers()) == list(USERS)
    fired = next(v.seq for v in world.released if v.record.name == "TRIGGER_FIRED")
    world.crash(keep_bytes=(fired + 3) * 128)
    world.released.clear()
    world.start()
    world.run()
    placed = {v.user_id for v in world.released if v.record.name == "TRIGGER_FIRED"}
    again = {view.user_id for view in orders_of_triggers()}
    assert again | placed and again <= set(USERS)
    agree(world)


def test_a_full_ring_to_one_tile_leaves_the_others_working(
    make_world: Callable[..., World],
) -> None:
    world = make_world(risk={"shards": SHARDS}, mark={"source": "last"})
    world.deposit(*USERS)
    world.run()
    full = world.config.shards.of(1)
    while world.place(1, BUY, 900, 10):
        pass
    other = next(user for user in USERS if world.config.shards.of(user) != full)

    oid = world.place(other, BUY, 905, 10)

    assert oid
    world.run()
    assert any(v.record.name == "ORDER_ACCEPTED" and v.oid == oid for v in world.released)
    agree(world)


def test_no_input_of_the_log_waits_for_ever_behind_one_that_is_always_full(
    make_world: Callable[..., World],
) -> None:
    """L-10: the log has room for a few records at a time; each input gets its part of them."""
    world = make_world(risk={"shards": SHARDS}, rings=dict.fromkeys(("wal_gateway",), 1024))
    world.run()
    inputs = [*world.rings.of_shards("risk_wal"), world.rings["matching_wal[1]"]]
    record = ACCOUNT_CONFIG.pack(user_id=1, stream=65535, header_flags=1)

    def fill() -> None:
        for ring in inputs:
            ring.push_many(record * ring.free)

    taken = [ring.counters()["passed"] for ring in inputs]
    # Nobody takes what is released: the log's memory fills up.
    for _ in range(100):
        fill()
        world.wal.step()
    begin = [ring.counters() for ring in inputs]
    assert all(len(ring) == ring.depth for ring in inputs), (begin, taken)
    freed = 0
    for _ in range(40):
        for ring in (*world.rings.of_shards("wal_risk"), world.rings["wal_gateway"]):
            freed += len(ring.pop(300)) // 128
        world.rings["wal_marketdata"].pop(1 << 20)
        world.wal.step()
        world.wal_sync.step()
        fill()

    now = [ring.counters()["passed"] for ring in inputs]
    got = [after - before["passed"] for after, before in zip(now, begin, strict=True)]
    assert freed and min(got) * 3 > max(got) > 1000, got
