"""Digests through the whole exchange: live tiles and folds of the log agree (specs/replica.md
RP-4 to RP-7; INV-34).
"""

from __future__ import annotations

import pytest
from scenario.chaos import Chaos
from world import World, make_config, make_market

from rsx.records import RECORD_SIZE, decode
from rsx.wal.state import State

MS = 1_000_000
SIZES = {"accounts_max": 1024, "positions_max": 4096}
DIGESTS = {"ENGINE_DIGEST", "LEDGER_DIGEST", "LEDGER_MARK"}


def names_of(log):
    return [decode(log, at, crc=False).record.name for at in range(0, len(log), RECORD_SIZE)]


@pytest.mark.timeout(120)
@pytest.mark.parametrize(("seed", "shards"), [(11, 1), (14, 3), (13, 1)])
def test_folds_of_random_histories_have_the_digests_of_the_live_tiles(tmp_path, seed, shards):
    """In flight, within requests, settlements and liquidations, across restarts."""
    chaos = Chaos(tmp_path, seed, risk={**SIZES, "shards": shards}, replica={"check_ms": 1})
    for number in range(250):
        chaos.act()
        chaos.clock.advance(2 * MS)
        if number in (90, 170):
            chaos.restart()
    chaos.run()
    state = chaos.fold()
    names = names_of(chaos.log())

    assert state.mismatch is None
    digests = names.count("ENGINE_DIGEST") + names.count("LEDGER_DIGEST")
    assert state.digests.compared == digests > 500
    assert names.count("LEDGER_DIGEST") >= shards * (names.count("LEDGER_MARK") - 6)


def test_tables_of_other_sizes_and_another_market_make_no_difference(tmp_path):
    """RP-1, RP-4: the configuration of who folds is not in it."""
    chaos = Chaos(tmp_path, 5, replica={"check_ms": 1})
    for _ in range(60):
        chaos.act()
        chaos.clock.advance(2 * MS)
    chaos.run()
    log = chaos.log()
    config = make_config(make_market(9), *chaos.config.symbols[::-1],
                         risk={"accounts_max": 1 << 15, "positions_max": 1 << 16},
                         matching={"orders_max": 1 << 14, "users_max": 1 << 13,
                                   "dedup_orders_max": 1 << 16},
                         mark={"source": "synthetic"})  # fmt: skip

    state = State(config)
    state.apply(log)

    assert state.mismatch is None
    assert state.digests.compared > 50


class Rounds(World):
    """A world that makes rounds of digests when told."""

    def __init__(self, folder, **sections):
        super().__init__(folder, **{"replica": {"check_ms": 10}, **sections})

    def round(self):
        """Let something move, then a round."""
        self.deposit(5, amount=1)
        self.run()
        self.clock.advance(20 * MS)
        self.run()


def rounds_until_found(world, most):
    for number in range(1, most + 1):
        world.round()
        if (mismatch := world.fold().mismatch) is not None:
            return number, mismatch
    return None


def filled(folder, **sections):
    world = Rounds(folder, **sections)
    world.deposit(*range(1, 40))
    world.run()
    for user in range(1, 40):
        world.place(user, user % 2, 900 if user % 2 == 0 else 1100, 10 * user)
    world.run()
    return world


@pytest.mark.parametrize("shards", [1, 3])
def test_a_planted_balance_is_found_within_a_rotation(tmp_path, shards):
    """RP-7, requirement of a wrong ledger being found while it runs."""
    world = filled(tmp_path, risk={"shards": shards, "accounts_max": 1 << 16})
    world.round()
    assert world.fold().mismatch is None
    slices = 1 << (world.risk.ledger.digest_form >> 8)
    assert slices > 1

    world.tiles.risks[-1].ledger.plant(17, 5)

    number, mismatch = rounds_until_found(world, slices)
    assert number <= slices
    assert mismatch.startswith("LEDGER_DIGEST")
    assert f"of risk tile {shards - 1} " in mismatch


def test_a_planted_quantity_is_found_within_a_rotation(tmp_path):
    world = filled(tmp_path, matching={"orders_max": 1 << 15, "dedup_orders_max": 1 << 17})
    engine = world.recovered.state.engines[1]
    slices = 1 << (engine.digest_form >> 8)

    assert engine.shrink(20, 1)

    number, mismatch = rounds_until_found(world, slices)
    assert number <= slices
    assert mismatch.startswith("ENGINE_DIGEST")
    assert "of M1-PERP: slice" in mismatch


def test_a_difference_is_answered_by_a_user_who_opens_a_market(tmp_path):
    """RP-6: not by the exchange itself, not by another mode, and only what came before."""
    world = filled(tmp_path)
    world.risk.ledger.plant(17, 5)
    rounds_until_found(world, 64)
    world.set_mode(2)
    world.ask("MODE_REQUEST", user_id=0, symbol_id=1, mode=0)
    world.run()
    assert world.fold().mismatch is not None

    world.set_mode(0)
    world.run()
    answered = world.fold()

    assert answered.mismatch is None
    assert answered.digests.differed > 0
    world.risk.ledger.plant(18, 5)
    assert rounds_until_found(world, 64)


def test_an_exchange_in_which_nothing_moves_logs_no_digests(tmp_path):
    """RP-5: neither by time nor by its own rounds."""
    world = filled(tmp_path)
    world.clock.advance(20 * MS)
    world.run()
    seen = len(world.released)
    for _ in range(50):
        world.clock.advance(20 * MS)
        world.run()

    assert len(world.released) == seen
    assert world.names().count("LEDGER_MARK") >= 1


def test_a_round_has_one_part_for_all(tmp_path):
    world = filled(tmp_path, risk={"shards": 3})
    world.round()
    world.released.clear()
    world.round()

    rounds = [r for r in world.released if r.record.name in DIGESTS]
    assert len({r.part for r in rounds}) == 1
    assert sorted(r.record.name for r in rounds) == [
        *["ENGINE_DIGEST"] * 2, *["LEDGER_DIGEST"] * 3, "LEDGER_MARK"
    ]  # fmt: skip
    assert {r.mark_seq for r in rounds if r.record.name == "LEDGER_DIGEST"} == {
        r.seq for r in rounds if r.record.name == "LEDGER_MARK"
    }


def test_rounds_are_off_at_0(tmp_path):
    world = filled(tmp_path, replica={"check_ms": 0})
    world.round()

    assert not DIGESTS & set(world.names())
