"""Crashes, and what a feed can do wrong, through the whole compiled exchange.

Leveraged accounts and a maker live through a path of prices. At every record the plain model folds
along, money is counted, and liquidations are held against specs/liquidation.md; at every rest
nobody below maintenance is left alone. In the middle the exchange restarts from its log.
RSX_SOAK=N: N accounts, and all of the two weeks.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import Any

import pytest
from model.fold import ADL, BANKRUPT, CLOSED, RECOVERED, STARTED
from scenario import prices
from scenario.crowd import Crowd, Depth
from scenario.venue import Venue
from world import make_market

SOAK = int(os.environ.get("RSX_SOAK", "0"))
USERS = min(SOAK, 1000) or 24
START = 463_190
UNIT = 100
TAKEOVER = 0
MARKET = {
    "tick": 5, "lot": 10, "px_max": 4_000_000, "reference_px": START - START % 5,
    "qty_max": 1_000_000, "liquidation_delay_ms": 200, "funding_interval_s": 28_800,
    "insurance_seed": 50_000_000, "market_band_ppm": 5_000, "initial_margin_ppm": 50_000,
    "maintenance_margin_ppm": 25_000,
}  # fmt: skip


def make_venue(folder: Any, symbols: int = 1, **changes: Any) -> Venue:
    markets = [make_market(n, **{**MARKET, **changes}) for n in range(1, symbols + 1)]
    return Venue(folder, *markets, risk={"accounts_max": 2048, "positions_max": 8192})


def live_through(
    venue: Venue, crowd: Crowd, path: Iterator[prices.Px], step_ms: int, share: float,
    restart_at: frozenset[int] = frozenset(),
) -> None:  # fmt: skip
    for step, row in enumerate(path):
        px = {symbol: value for symbol, value in row.items() if value is not None}
        for symbol, value in px.items():
            venue.quote(value, symbol)
            crowd.requote(value, symbol)
        venue.settle()
        if step in restart_at:
            venue.restart()
        if px:
            crowd.act(px, share)
        busy = bool(venue.model.liquidations)
        venue.settle(min(step_ms, 2000) if busy else 0)
        if step in restart_at:
            venue.restart()
        venue.clock.advance(max(0, step_ms - 2000 if busy else step_ms) * 1_000_000)
    venue.settle(1000)
    venue.prove()


@pytest.mark.timeout(60 if not SOAK else 7200)
class TestPaths:
    def test_two_weeks_of_a_real_market(self, tmp_path):
        if not prices.BARS.exists():
            pytest.skip(f"{prices.BARS} is missing")
        venue = make_venue(tmp_path)
        venue.audit_every = 1 if not SOAK else 97
        venue.look_every = 1 if not SOAK else 7
        crowd = Crowd(venue, USERS, UNIT, seed=1)
        steps = 20_000 if SOAK else 60
        step_ns = prices.MINUTE_NS if SOAK else 320 * prices.MINUTE_NS
        path = prices.bars(1, MARKET["px_max"], step_ns, steps)
        live_through(venue, crowd, path, 60_000, 0.1, frozenset({steps // 2}))
        assert venue.counts["FILL"] > 0

    def test_flash_crash(self, tmp_path):
        venue = make_venue(tmp_path)
        crowd = Crowd(venue, USERS, UNIT, seed=2)
        path = prices.flash_crash(START, 60, 250_000, 20, 12)
        live_through(venue, crowd, path, 5_000, 0.15, frozenset({26}))
        assert venue.stages[STARTED] > 0
        assert venue.stages[RECOVERED] + venue.stages[CLOSED] == venue.stages[STARTED]

    def test_nothing_is_liquidated_while_the_feed_is_dead(self, tmp_path):
        venue = make_venue(tmp_path)
        crowd = Crowd(venue, USERS, UNIT, seed=3)
        before: dict[str, int] = {}

        def path() -> Iterator[prices.Px]:
            for step, row in enumerate(prices.dead_feed(START, 50, 20, 32)):
                if step == 20 + 20:  # 100 s without a price: stale from then on
                    assert venue.stages[STARTED] == before["started"]
                if step in (39,):
                    before["started"] = venue.stages[STARTED]
                yield row

        live_through(venue, crowd, path(), 20_000, 0.15, frozenset({25}))
        assert venue.stages[STARTED] > 3

    def test_one_mad_source_of_three_changes_nothing(self, tmp_path):
        venue = make_venue(tmp_path)
        crowd = Crowd(venue, USERS, UNIT, seed=4)
        path = prices.mad_source(START, 50, MARKET["px_max"], 5 * prices.NS)
        live_through(venue, crowd, path, 5_000, 0.3, frozenset({30}))
        assert venue.stages[STARTED] == 0
        assert venue.counts["MARK_PRICE"] > 30

    @pytest.mark.parametrize("policy", [0, 1, 2], ids=["queue", "pro_rata", "risk_weighted"])
    def test_thin_book_goes_to_the_fund_and_then_to_counterparties(self, tmp_path, policy):
        venue = make_venue(
            tmp_path, insurance_seed=200_000, adl=policy, liquidation_rounds=3,
            insurance_loss_max=100_000,
        )  # fmt: skip
        crowd = Crowd(venue, USERS, UNIT, seed=5)

        def path() -> Iterator[prices.Px]:
            for step, row in enumerate(prices.flash_crash(START, 40, 300_000, 12, 6)):
                crowd.depth = Depth() if step < 12 else Depth(levels=1, apart_ppm=60_000, size=1)
                yield row

        live_through(venue, crowd, path(), 5_000, 0.4, frozenset({15, 20}))
        assert venue.stages[BANKRUPT] > 0
        assert venue.kinds[TAKEOVER] > 0
        assert venue.kinds[ADL] > 0

    def test_one_user_in_several_symbols_at_once(self, tmp_path):
        venue = make_venue(tmp_path, symbols=3)
        crowd = Crowd(venue, USERS, UNIT, seed=6)
        path = prices.together(START, 60, (1, 2, 3), 200_000)
        live_through(venue, crowd, path, 5_000, 0.5, frozenset({14}))
        assert venue.several > 0, "nobody had positions in several markets when it began"
