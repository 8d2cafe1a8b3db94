"""Full rings, lapped readers, tiny depths: specs/tiles.md T-3 to T-6, specs/wal.md L-15, L-16."""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any

import pytest
from model.auditor import Key, audit
from world import BUY, FOK, GTC, IOC, POST_ONLY, REDUCE_ONLY, SELL, World, make_config

from rsx.records import iterate
from rsx.wal.reader import LogReader
from rsx.wal.state import State

TINY = {"wal_risk": 2, "wal_gateway": 2, "wal_marketdata": 2, "matching_wal": 4,
        "risk_matching": 2, "risk_wal": 2, "gateway_risk": 4, "mark_risk": 2,
        "risk_gateway": 128}  # fmt: skip


class Load:
    """Random requests of six users over two markets, reproducible by seed."""

    def __init__(self, world: World, seed: int):
        self.world = world
        self.chance = random.Random(seed)
        self.oids: list[tuple[int, int, int]] = []
        world.deposit(1, 2, 3)
        world.run()
        world.deposit(4, 5, 6, amount=20_000)  # poor ones: some orders are refused
        world.run()

    def request(self) -> None:
        chance, world = self.chance, self.world
        user, symbol = chance.randint(1, 6), chance.randint(1, 2)
        if self.oids and chance.random() < 0.25:
            owner, market, oid = chance.choice(self.oids)
            world.cancel(owner if chance.random() < 0.9 else user, oid, symbol=market)
            return
        tif = chance.choice((GTC, GTC, GTC, IOC, FOK))
        flags = chance.choice((0, 0, 0, REDUCE_ONLY, POST_ONLY if tif == GTC else 0))
        cid = f"c{chance.randint(1, 200)}" if chance.random() < 0.3 else ""
        oid = world.place(
            user, chance.randint(0, 1), chance.randrange(950, 1055, 5),
            chance.randrange(10, 200, 10), tif=tif, flags=flags, cid=cid, symbol=symbol,
        )  # fmt: skip
        if oid:
            self.oids.append((user, symbol, oid))


def ledger_figures(state: State) -> dict[str, Any]:
    nets: dict[Key, int] = {}
    frozen: dict[Key, int] = {}
    for user in state.ledger.users():
        for symbol in state.engines:
            position = state.ledger.position(user, symbol)
            if position is not None:
                nets[user, symbol] = position["net_qty"]
                frozen[user, symbol] = position["frozen"]
    collateral = {user: state.ledger.account(user)["collateral"] for user in state.ledger.users()}
    return {"nets": nets, "frozen": frozen, "collateral": collateral}


def check_everything(world: World) -> None:
    """Released = log = fold = live, and the auditor finds nothing."""
    log = list(iterate(world.log()))
    assert [view.row for view in world.released] == [view.row for view in log]
    state = world.recovered.state
    assert audit(log, world.requests, world.answers, **ledger_figures(state)) == []
    state.audit()
    assert world.fold().state_hash() == world.live_hash()


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("rings", [{}, TINY], ids=["roomy", "tiny"])
def test_a_random_load_loses_nothing_and_folds_to_the_live_state(
    make_world: Callable[..., World], seed: int, rings: dict[str, int]
) -> None:
    world = make_world(rings=rings)
    load = Load(world, seed)
    while world.oid < 1500:
        load.request()
        for _ in range(load.chance.randint(0, 4)):
            load.chance.choice(world.tiles.compiled).step()
        if load.chance.random() < 0.5:
            world.collect()
    world.run()

    check_everything(world)
    assert world.names().count("FILL") > 100


def test_the_fold_equals_the_live_state_whenever_all_is_quiet(world: World) -> None:
    """INV-14 at many cut points: the hash of the live tiles against a fold up to that number."""
    load = Load(world, 11)
    points = []
    for _ in range(60):
        for _ in range(load.chance.randint(1, 12)):
            load.request()
        world.run()
        points.append((world.wal.appended, world.live_hash()))

    state = State(world.config)
    data = world.log()
    for last, live in points:
        state.apply(data[(state.next_seq - 1) * 128 : last * 128])
        assert state.state_hash() == live


@pytest.mark.parametrize("name", ["wal_gateway", "wal_risk"])
def test_a_full_release_ring_stalls_and_goes_on_without_loss(
    make_world: Callable[..., World], name: str
) -> None:
    world = make_world(rings={name: 8})
    load = Load(world, 3)
    last = world.released[-1].seq
    for _ in range(400):
        load.request()
        for tile in (*world.tiles.matching, world.wal, world.wal_sync):
            tile.step()
        if name == "wal_gateway":
            world.risk.step()
        else:  # risk takes requests only in the pass in which it settles, so it is not stepped
            world.collect()
    assert world.wal.released <= last + 8
    if name == "wal_gateway":
        assert world.wal.appended > world.wal.released + 100
        assert world.wal.durable == world.wal.written

    world.run()
    check_everything(world)


def test_the_tail_takes_nothing_beyond_its_limit(make_world: Callable[..., World]) -> None:
    """L-16, where the last free places are also where a new segment has to begin."""
    depth = {"gateway_risk": 4096, "risk_matching": 4096, "matching_wal": 4096}
    world = make_world(rings={"wal_gateway": 2, **depth})
    released = bytearray()
    while world.wal.released < 3:
        released += world.rings["wal_gateway"].pop(1)
        world.stepper.step()
    before = -1
    while world.wal.appended > before:
        before = world.wal.appended
        for symbol in (1, 2) * 1024:
            world.cancel(1, 1, symbol=symbol)
        for _ in range(4):
            world.stepper.step()
    assert 131_070 <= world.wal.appended - world.wal.released <= 131_072

    while chunk := world.rings["wal_gateway"].pop(2):
        released += chunk
        world.stepper.step()
        world.stepper.step()
    seqs = [int.from_bytes(released[at : at + 8], "little") for at in range(16, len(released), 128)]
    assert seqs == list(range(1, world.wal.appended + 1))
    assert world.log()[16::128] == released[16::128]


def test_a_request_that_finds_the_ring_full_was_never_made(
    make_world: Callable[..., World],
) -> None:
    world = make_world(rings={"gateway_risk": 4})
    world.run()
    assert [world.cancel(1, 1) for _ in range(6)] == [True] * 4 + [False] * 2

    world.run()
    assert world.names().count("CANCEL_REJECTED") == 4


def test_market_data_that_was_lapped_catches_up_from_the_log(
    make_world: Callable[..., World],
) -> None:
    world = make_world(rings={"wal_marketdata": 8})
    load = Load(world, 5)
    for _ in range(500):
        load.request()
        world.run()
    assert world.wal.counters()["marketdata_lapped"] > 100

    marketdata = world.tiles.marketdata
    world.clock.advance(10**9)
    while marketdata.shadow.next_seq <= world.wal.released:
        marketdata.do_work()
        world.clock.advance(10**9)

    assert marketdata.counters()["marketdata_laps"] > 0
    for symbol_id, engine in world.recovered.state.engines.items():
        for side in (BUY, SELL):
            levels: dict[int, list[int]] = {}
            for _, _, px, remaining, _, _ in engine.resting(side):
                levels.setdefault(px, []).append(remaining)
            due = [(px, sum(qty), len(qty)) for px, qty in levels.items()]
            assert marketdata.shadow.depth(symbol_id, side, 1000) == due


def test_many_random_stops_in_one_log_end_in_the_state_of_its_fold(
    make_world: Callable[..., World],
) -> None:
    world = make_world(rings=TINY)
    load = Load(world, 23)
    for _ in range(25):
        for _ in range(load.chance.randint(0, 60)):
            load.request()
            load.chance.choice(world.tiles.compiled).step()
            if load.chance.random() < 0.5:
                world.collect()
        world.restart()  # what was in the rings is gone
        world.collect()
    world.run()

    log = list(iterate(b"".join(LogReader(world.folder).chunks())))
    assert audit(log, **ledger_figures(world.recovered.state)) == []
    assert log[-1].epoch == 26
    assert world.fold().state_hash() == world.live_hash()
    assert make_config().symbols == world.config.symbols


def test_a_release_that_waits_for_room_asks_nothing_of_the_disk(world: World) -> None:
    world.deposit(1)
    world.run()
    world.wal.sync_inline = True
    for number in range(1200):  # more than wal_gateway holds, and nobody takes from it
        world.place(1, BUY, 5 + number % 100 * 5, 10)
        world.stepper.step()
    for _ in range(10):
        world.stepper.step()
    before = world.wal.counters()
    assert before["released_seq"] < before["appended_seq"]

    for _ in range(50):
        world.stepper.step()

    assert world.wal.counters()["syncs"] - before["syncs"] <= 1
    world.run()
    assert world.wal.counters()["released_seq"] == world.wal.counters()["appended_seq"]
