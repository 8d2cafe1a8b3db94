"""The maker's grid and sizes, the takers' inventory: DM-3, DM-4, DM-7, DM-8. Pure."""

from __future__ import annotations

import random
from dataclasses import dataclass

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from rsx.client import RequestRefused
from rsx.client.maker import Ladder, Troubles, qty_for
from rsx.client.takers import INVENTORY_MAX, Taker
from rsx.config import load

MARKETS = load().symbols


@dataclass
class Small:
    """A market whose grid step is a single tick."""

    id: int = 9
    name: str = "PENNY"
    price_decimals: int = 2
    qty_decimals: int = 6
    tick: int = 1
    lot: int = 100
    qty_max: int = 10**9
    px_max: int = 100_000
    reference_px: int = 300
    notional_min: int = 0

    def tick_at(self, px: int) -> int:
        return self.tick


LADDERS = st.sampled_from([*MARKETS, Small()]).map(lambda market: Ladder(market, 25))
MOVES = st.lists(st.integers(-2000, 2000), min_size=1, max_size=20)


@given(LADDERS, st.integers(1, 10**6))
def test_grid_prices_rise_lie_on_the_tick_and_never_change(ladder, number):
    prices = [ladder.price(number + i) for i in range(30)]
    assert prices == sorted(prices)
    # Where a coarser tick holds, levels may fall together.
    rows = getattr(ladder.market, "tick_table", ())
    assert (rows and prices[-1] >= rows[0][0]) or len(set(prices)) == 30
    assert all(px % ladder.market.tick_at(px) == 0 for px in prices)
    assert prices == [ladder.price(number + i) for i in range(30)]


@given(LADDERS, st.integers(0, 400))
def test_a_window_has_its_levels_on_both_sides_and_never_crosses(ladder, percent):
    reference = ladder.market.reference_px * (50 + percent) // 100
    quotes = ladder.window(reference)

    for side in (0, 1):
        mine = [q.px for q in quotes if q.side == side]
        assert len(mine) == 25 and mine == sorted(set(mine), reverse=not side)
        assert all(0 < px <= ladder.market.px_max for px in mine)
    best_bid = max(q.px for q in quotes if q.side == 0)
    best_ask = min(q.px for q in quotes if q.side == 1)
    assert best_bid < reference < best_ask
    assert best_ask - best_bid <= 5 * ladder.step


@given(LADDERS, MOVES)
def test_a_window_moves_no_more_levels_than_the_reference_moved_steps(ladder, moves):
    reference = ladder.market.reference_px
    before = {(q.side, q.px) for q in ladder.window(reference)}
    for move in moves:
        step = ladder.step * move // 1000
        reference += step
        after = {(q.side, q.px) for q in ladder.window(reference)}
        # Half a step of slack may have gathered before.
        most = 2 * (abs(step) // ladder.step + 3)
        assert len(after - before) <= most
        if abs(step) == 0:
            assert after == before
        before = after


def test_a_reference_within_half_a_step_moves_nothing():
    ladder = Ladder(MARKETS[0], 25)
    before = ladder.window(MARKETS[0].reference_px)
    assert ladder.window(MARKETS[0].reference_px + ladder.step // 2) == before
    assert ladder.window(MARKETS[0].reference_px - ladder.step // 2) == before
    assert ladder.window(MARKETS[0].reference_px + ladder.step) != before


def test_near_zero_there_are_fewer_bids_and_no_price_below_a_tick():
    ladder = Ladder(Small(), 25)
    quotes = ladder.window(5)
    assert all(q.px > 0 for q in quotes)
    assert sum(q.side == 1 for q in quotes) == 25 > sum(q.side == 0 for q in quotes)


@given(st.sampled_from(MARKETS), st.integers(1, 10**6), st.integers(0, 2**32))
def test_sizes_are_whole_lots_within_the_market_s_limits(market, value, seed):
    qty = qty_for(market, value, market.reference_px, random.Random(seed))
    assert 0 < qty <= market.qty_max and qty % market.lot == 0


def test_sizes_are_worth_the_market_s_least_order():
    market = msgspec.structs.replace(MARKETS[0], notional_min=30_000 * 10**8)
    for seed in range(50):
        qty = qty_for(market, 1, market.reference_px, random.Random(seed))
        assert qty * market.reference_px >= market.notional_min
        assert (qty - market.lot) * market.reference_px < market.notional_min


@given(st.integers(100, 10**6))
def test_prices_lie_on_the_tick_of_their_row(number):
    """PX-1: also where a coarser tick than the grid's holds."""
    table = ((100_000, 50), (5_000_000, 1000))
    market = msgspec.structs.replace(MARKETS[0], reference_px=90_000, tick_table=table)
    ladder = Ladder(market, 25)
    px = ladder.price(number)
    assert px % market.tick_at(px) == 0
    for quote in ladder.window(px + 1):
        assert quote.px % market.tick_at(quote.px) == 0


def test_sizes_grow_outwards():
    ladder, rng = Ladder(MARKETS[0], 25), random.Random(1)

    def mean(depth):
        return sum(ladder.size(depth, MARKETS[0].reference_px, rng) for _ in range(300)) // 300

    assert mean(0) * 2 < mean(12) < mean(24)


def test_fewer_than_twenty_levels_are_never_quoted():
    assert len(Ladder(MARKETS[0], 3).window(MARKETS[0].reference_px)) == 40


def test_a_taker_is_fair_when_flat_and_only_reduces_at_its_bound():
    market = MARKETS[0]
    taker = Taker(None, MARKETS, lambda _: market.reference_px, random.Random(1), Troubles())
    unit = 10 ** (market.price_decimals + market.qty_decimals)
    full = INVENTORY_MAX * unit // market.reference_px + 1

    def sells():
        return sum(taker.choose_side(market, market.reference_px) for _ in range(1000))

    assert 440 < sells() < 560
    taker._net[market.name] = full
    assert sells() == 1000
    taker._net[market.name] = -full
    assert sells() == 0


def test_a_market_that_is_closed_is_no_trouble(caplog):
    troubles = Troubles()
    for code in (3011, 3012):
        troubles.note("maker", RequestRefused(code, "closed"))
    assert not troubles.counts and not caplog.records


def test_only_the_first_trouble_of_a_kind_is_logged(caplog):
    troubles = Troubles()
    for _ in range(5):
        troubles.note("maker", ValueError("no"))
    troubles.note("maker", KeyError("no"))
    assert troubles.counts == {"ValueError": 5, "KeyError": 1}
    assert len(caplog.records) == 2
