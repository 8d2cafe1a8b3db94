"""SY-6: which rules of a market hold at a start, and what the log and the operator are told."""

from __future__ import annotations

from collections.abc import Callable

import msgspec
import pytest
from world import BUY, SELL, World, make_config, make_market

from rsx import records
from rsx.core.clock import Clock
from rsx.errors import StartError
from rsx.records import RECORD_SIZE, iterate
from rsx.rules import RULE_RECORDS, SymbolConfig
from rsx.wal import inspect as inspection
from rsx.wal.start import recover

CLOCK = Clock.manual(1)
NAMES = tuple(record.name for record in RULE_RECORDS)
TICKS = ((2000, 10), (4000, 50))


def rules_of(world: World) -> list[tuple[str, int, int]]:
    return [
        (view.record.name, view.symbol_id, view.config_version)
        for view in iterate(world.log())
        if view.record in RULE_RECORDS
    ]


def sets(*markets: tuple[int, int]) -> list[tuple[str, int, int]]:
    return [(name, *market) for market in markets for name in NAMES]


def held(world: World, symbol_id: int = 1) -> SymbolConfig:
    """The rules that hold, in the configuration of the tiles and in the fold of the log."""
    rules = next(s for s in world.config.symbols if s.id == symbol_id)
    folded = world.fold().rules[symbol_id]
    assert msgspec.structs.replace(rules, insurance_seed=0) == folded
    return rules


def small_log(world: World) -> None:
    world.deposit(1, 2)
    world.run()
    world.place(1, BUY, 900, 100)
    world.run()


def test_a_market_that_the_log_does_not_know_gets_the_rules_of_the_configuration(
    make_world: Callable[..., World],
) -> None:
    small_log(make_world())
    world = make_world(make_market(1), make_market(2), make_market(3, version=7, tick_table=TICKS))
    world.run()

    assert rules_of(world) == sets((1, 1), (2, 1), (3, 7))
    assert held(world, 3).tick_table == TICKS
    assert inspection.inspect(world.folder).status == "sound"


def test_a_higher_version_replaces_the_rules_of_the_log(make_world: Callable[..., World]) -> None:
    """All four records, and only those of the market that changed; a version may be skipped."""
    small_log(make_world())
    changed = make_market(
        2, version=5, taker_fee_ppm=700, notional_min=7, tick=10, lot=20, px_max=20_000,
        brackets=((500, 200_000, 100_000),), liquidation_rounds=3,
    )  # fmt: skip
    world = make_world(make_market(1), changed)
    world.run()

    assert rules_of(world) == sets((1, 1), (2, 1), (2, 5))
    assert held(world, 2) == changed
    assert not world.recovered.held_back
    again = make_world(make_market(1), changed)
    again.run()
    assert len(rules_of(again)) == 12, "nothing changed, nothing is logged"
    assert held(again, 2) == changed
    assert inspection.inspect(again.folder).status == "sound"


def test_new_fees_and_a_higher_px_max_hold_from_the_first_order_on(
    make_world: Callable[..., World],
) -> None:
    small_log(make_world())
    new = make_market(1, version=2, taker_fee_ppm=700, px_max=20_000)
    world = make_world(new, make_market(2))
    world.place(1, SELL, 15_000, 10)
    world.run()
    assert world.released[-1].record.name == "ORDER_ACCEPTED"

    world.place(2, SELL, 900, 100)
    world.run()
    fill = next(view for view in world.released if view.record.name == "FILL")
    assert fill.taker_fee == 900 * 100 * 700 // 1_000_000


@pytest.mark.parametrize("version", [1, 2])
def test_rules_of_no_higher_version_do_not_hold_and_are_named(
    make_world: Callable[..., World], version: int
) -> None:
    """Key, the log's value, the file's value, and what to do; the log's rules go on."""
    small_log(make_world(make_market(1, version=2), make_market(2)))
    other = make_market(1, version=version, taker_fee_ppm=700, tick=10, px_max=20_000)
    world = make_world(other, make_market(2))
    world.run()

    assert held(world) == make_market(1, version=2)
    assert rules_of(world) == sets((1, 2), (2, 1))
    ending = f"as version 2, the configuration is version {version}; raise version to apply"
    assert world.recovered.held_back == (
        f"M1-PERP.tick = '1.0' does not hold: the log has '0.5' {ending}",
        f"M1-PERP.max_price = '2000.0' does not hold: the log has '1000.0' {ending}",
        f"M1-PERP.taker_fee_ppm = 700 does not hold: the log has 400 {ending}",
    )


def test_a_lower_px_max_is_refused_also_with_a_higher_version(world: World) -> None:
    """SY-2: an order of the log may rest above it; nothing on disk is changed."""
    small_log(world)
    before = world.log()
    lower = make_config(make_market(1, version=2, px_max=9995), make_market(2))

    message = r"M1-PERP: max_price = '999.5' of version 2 is below '1000.0', which the log has"
    with pytest.raises(StartError, match=message):
        recover(lower, world.folder, CLOCK)
    assert world.log() == before


@pytest.mark.parametrize("kept", [3, 4, 5, 6])
def test_a_set_of_rules_that_was_cut_is_logged_again(
    make_world: Callable[..., World], kept: int
) -> None:
    """SY-1: less than four records are no rules. The log ends behind `kept` records."""
    world = make_world()
    world.run()
    world.crash(keep_bytes=kept * RECORD_SIZE)
    world.start()
    small_log(world)

    cut = [(name, 1, 1) for name in NAMES[: kept - 2]]
    whole = sets((2, 1)) if kept == 6 else sets((1, 1), (2, 1))
    assert rules_of(world) == cut + whole
    assert held(world) == make_market(1)
    assert inspection.inspect(world.folder).status == "sound"
    world.restart()
    assert held(world) == make_market(1)


# --- the first balance of an insurance fund ---------------------------------------------------


def seeds(world: World) -> list[tuple[int, int]]:
    return [
        (view.user_id - records.FUND_USER_BASE, view.amount)
        for view in iterate(world.log())
        if view.record.name == "DEPOSIT" and view.user_id > records.FUND_USER_BASE
    ]


def test_the_fund_of_a_new_market_gets_its_seed_once(make_world: Callable[..., World]) -> None:
    markets = make_market(1, insurance_seed=5000), make_market(2)
    world = make_world(*markets)
    world.run()
    assert seeds(world) == [(1, 5000)]
    assert world.recovered.state.ledger.account(records.FUND_USER_BASE + 1)["collateral"] == 5000
    world.deposit(1)
    world.run()

    world.restart()
    world.run()

    assert seeds(world) == [(1, 5000)]
    assert world.fold().state_hash() == world.live_hash()
    third = make_world(*markets, make_market(3, insurance_seed=70))
    third.run()
    assert seeds(third) == [(1, 5000), (3, 70)]


def test_a_seed_that_a_cut_log_lacks_is_paid_at_the_next_start(
    make_world: Callable[..., World],
) -> None:
    world = make_world(make_market(1, insurance_seed=5000))
    world.run()
    world.crash(keep_bytes=6 * RECORD_SIZE)
    world.start()
    world.run()

    assert seeds(world) == [(1, 5000)]
