"""Prices on their way through a whole exchange: own book to mark, mark to log, log to a restart.

Every tile is stepped by hand under a manual clock. Source: specs/mark.md.
"""

import json
from datetime import UTC, datetime

import pytest
from mark.venue_server import ticker
from world import BUY, SELL, World, make_market

from rsx.mark.index import NS
from rsx.records import MarkState

MARKET = {"px_max": 10_000_000, "reference_px": 500_000, "tick": 5}


class Fed(World):
    """A world whose market follows a venue that the test speaks for; prices in tenths."""

    def __init__(self, folder):
        mark = {"source": "venues", "basis_max_ppm": 10_000, "basis_window_s": 10}
        super().__init__(folder, make_market(1, **MARKET), mark=mark)

    def say(self, px):
        now_ns = self.clock.now_ns()
        stamp = f"{datetime.fromtimestamp(now_ns // NS, UTC):%Y-%m-%dT%H:%M:%SZ}"
        _, coinbase = self.tiles.mark.feeds
        coinbase.message(json.dumps(ticker(px) | {"time": stamp}), now_ns)

    def pass_s(self, seconds, px=None):
        """Time passes; the venue says a price in every second, or nothing."""
        for _ in range(seconds):
            self.clock.advance(NS)
            if px is not None:
                self.say(px)
            self.tiles.marketdata.step()
            self.tiles.mark.step()
            self.run()
            self.tiles.marketdata.step()

    @property
    def marks(self):
        return [(v.mark_px, v.index_px, v.sources, MarkState(v.state).name)
                for v in self.released if v.record.name == "MARK_PRICE"]  # fmt: skip


@pytest.fixture
def world(tmp_path):
    world = Fed(tmp_path)
    yield world
    world.close()


def test_a_venues_price_is_logged_as_mark_and_index(world):
    world.pass_s(2, "50000.0")

    assert world.marks == [(500_000, 500_000, 1, "LIVE")] * 2


def test_the_own_book_moves_the_mark_and_an_empty_one_lets_it_go_mk_50(world):
    world.deposit(1, 2)
    world.pass_s(1, "50000.0")
    bid, ask = world.place(1, BUY, 500_950, 10), world.place(2, SELL, 501_050, 10)
    world.run()
    world.pass_s(120, "50000.0")
    assert world.marks[-1] == (501_000, 500_000, 1, "LIVE")

    world.cancel(1, bid)
    world.run()
    world.pass_s(120, "50000.0")
    assert world.marks[-1] == (500_000, 500_000, 1, "LIVE")
    assert world.cancel(2, ask)


def test_a_restart_goes_on_with_the_basis_and_says_stale_until_the_venue_speaks_mk_8(world):
    world.deposit(1, 2)
    world.pass_s(1, "50000.0")
    world.place(1, BUY, 500_950, 10)
    world.place(2, SELL, 501_050, 10)
    world.run()
    world.pass_s(120, "50000.0")
    world.restart()
    world.released.clear()

    world.pass_s(2)
    assert world.marks == [(501_000, 500_000, 0, "STALE")] * 2
    world.pass_s(1, "50000.0")
    assert world.marks[-1] == (501_000, 500_000, 1, "LIVE")


def test_the_first_index_after_a_restart_is_held_to_the_largest_step(world):
    world.pass_s(1, "50000.0")
    world.restart()
    world.pass_s(1, "60000.0")

    assert world.marks[-1][1] == 510_000  # 2 % in the second that passed


def test_a_walk_goes_on_where_it_was_after_a_restart_mk_11(tmp_path):
    mark = {"source": "synthetic", "seed": 7, "synthetic_step_ppm": 1000}
    world = World(tmp_path, make_market(1, **MARKET), mark=mark)
    for _ in range(200):
        world.clock.advance(NS // 4)
        world.tiles.mark.step()
        world.run()
    before = world.released[-1]
    world.restart()
    world.tiles.mark.step()
    world.run()
    after = world.released[-1]
    world.close()

    assert before.index_px != 500_000
    assert (after.index_px, after.mark_px) == (before.index_px, before.mark_px)


def test_a_dead_venue_is_logged_as_stale_with_the_last_prices(world):
    world.pass_s(1, "50000.0")
    world.pass_s(12)

    assert world.marks[:10] == [(500_000, 500_000, 1, "LIVE")] * 10
    assert world.marks[10:] == [(500_000, 500_000, 0, "STALE")] * 3
    assert world.live_hash() == world.fold().state_hash()
