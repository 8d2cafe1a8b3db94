"""Mark and index of all symbols at any time. Source: specs/mark.md sections 1, 6, 7."""

from types import SimpleNamespace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tiles.flow import symbol

from rsx.config import Mark as MarkConfig
from rsx.config import Prices
from rsx.errors import ConfigError
from rsx.mark.index import FINE_BITS, NS, Index, Reading
from rsx.mark.pricing import Last, Pricing, index_rules, own_sources, venue_sources
from rsx.records import MarkState

LIVE, STALE = MarkState.LIVE, MarkState.STALE
T = 1_000_000 * NS
BTC = symbol(1, name="BTC-PERP", px_max=10**8, reference_px=1000)
ETH = symbol(2, name="ETH-PERP", px_max=10**8, reference_px=300)


class Said:
    """A source that says what it is told: a price, or None."""

    def __init__(self, px):
        self.px = px

    def read(self, now_ns):
        return Reading((self.px or 0) << FINE_BITS, now_ns, 0 if self.px is None else 1)


def pricing(px=1000, lasts=None, symbols=(BTC,), **rules):
    source = Said(px)
    made = Pricing(MarkConfig(**rules), symbols, {s.id: source for s in symbols}, lasts)
    return made, source


def rows(prices):
    return [(p.symbol_id, p.mark_px, p.index_px, p.sources, p.state) for p in prices]


def test_without_a_book_the_mark_is_the_index():
    made, _ = pricing()

    assert rows(made.update(T)) == [(1, 1000, 1000, 1, LIVE)]
    assert made.update(T)[0].source_ns == T


def test_the_own_book_moves_the_mark_by_its_averaged_basis_mk_50():
    made, _ = pricing()
    made.book(1, 1003, 1005)
    marks = [made.update(T + at * NS)[0].mark_px for at in (0, 30, 40)]
    made.book(1, 0, 1005)

    assert marks == [1000, 1002, 1003]  # 2.5 is rounded up
    assert made.update(T + 70 * NS)[0].mark_px == 1001
    assert made.update(T + 10**6 * NS)[0].mark_px == 1000


def test_the_mark_need_not_be_on_tick_and_stays_within_one_and_px_max():
    low = symbol(3, px_max=1000, reference_px=1)
    made, source = pricing(1, symbols=(low,), basis_max_ppm=100_000, basis_window_s=1)
    made.book(3, 1, 1)
    assert made.update(T)[0].mark_px == 1
    source.px = 1000
    made.book(3, 1090, 1092)
    made.update(T)

    assert made.update(T + 60 * NS)[0][:3] == (3, 1000, 1000)


def test_a_book_of_a_symbol_that_is_not_here_is_nobodys():
    made, _ = pricing()
    made.book(9, 1, 2)

    assert made.update(T)


def test_stale_goes_out_at_once_and_every_second_with_the_last_prices_mk_60():
    made, source = pricing()
    made.update(T)
    source.px = None
    said = [(at, *row) for at in range(0, 2600, 250)
            for row in rows(made.update(T + NS + at * 1_000_000))]  # fmt: skip

    assert said == [(at, 1, 1000, 1000, 0, STALE) for at in (0, 1000, 2000)]
    assert made.stale() == {1: T + NS}
    source.px = 1100
    assert rows(made.update(T + 4 * NS)) == [(1, 1100, 1100, 1, LIVE)]
    assert made.stale() == {}
    source.px = None
    assert rows(made.update(T + 4 * NS + 1)) == [(1, 1100, 1100, 0, STALE)]


def test_a_symbol_that_never_had_a_price_sends_nothing_mrk_12():
    made, source = pricing(None)

    assert made.update(T) == []
    assert made.price(1) is None
    assert made.stale() == {1: T}
    source.px = 1000
    assert rows(made.update(T + NS)) == [(1, 1000, 1000, 1, LIVE)]


def test_the_logs_last_prices_seed_the_basis_and_what_stale_says_mk_8():
    made, source = pricing(None, {1: Last(1004, 1000, T - 60 * NS)})

    assert rows(made.update(T)) == [(1, 1004, 1000, 0, STALE)]
    source.px = 1000
    assert rows(made.update(T + NS)) == [(1, 1004, 1000, 1, LIVE)]
    assert rows(made.update(T + 31 * NS)) == [(1, 1002, 1000, 1, LIVE)]


def test_a_log_without_an_index_seeds_nothing():
    made, _ = pricing(None, {1: Last(1004, 0, T)})

    assert made.update(T) == []


@settings(max_examples=100)
@given(
    st.lists(st.tuples(st.none() | st.integers(1, 10**8), st.integers(0, 10**8),
                       st.integers(0, 10**8), st.integers(0, 10**11)), max_size=30),
    st.integers(0, 100), st.integers(0, 100_000),
)  # fmt: skip
def test_whatever_comes_a_price_is_never_0_and_never_far_from_the_index(steps, window_s, ppm):
    made, source = pricing(basis_window_s=window_s, basis_max_ppm=ppm)
    now_ns, last = T, None
    for px, bid, ask, pass_ns in steps:
        now_ns += pass_ns
        source.px = px
        made.book(1, bid, ask)
        for price in made.update(now_ns):
            assert 1 <= price.mark_px <= BTC.px_max
            assert 1 <= price.index_px <= BTC.px_max
            if px is None:
                assert price == last._replace(state=STALE, sources=0)
            else:
                assert price.index_px == px
                assert abs(price.mark_px - px) * 10**6 <= px * ppm + 500_000
            last = price


# --- where the sources come from --------------------------------------------------------------


def config(source, prices=None, **rules):
    return SimpleNamespace(mark=MarkConfig(**rules), mark_source=source, prices=prices or {})


def test_a_file_for_one_symbol_and_a_walk_for_the_other(tmp_path):
    path = tmp_path / "bars.csv"
    path.write_text("timestamp,open,high,low,close,volume\n2022-01-01,9,10,8,9.5,1\n")
    own = config("csv", {1: Prices(csv=str(path))}, csv_speed=60)
    made = Pricing(own.mark, (BTC, ETH), own_sources(own, (BTC, ETH), 7, start_ns=T))

    said = [[p.index_px for p in made.update(T + at * NS // 4)] for at in range(4)]
    assert [btc for btc, _ in said] == [900, 800, 1000, 950]
    assert said[0][1] == 300


def test_a_bad_file_is_named_with_its_symbol(tmp_path):
    own = config("csv", {1: Prices(csv=str(tmp_path / "gone.csv"))})

    with pytest.raises(ConfigError, match=r"symbols\.BTC-PERP\.csv: cannot read .*gone\.csv"):
        own_sources(own, (BTC,), 7)


def test_symbols_share_venues_and_each_has_its_own_index():
    own = config("venues", {
        1: Prices((("binance", "btcusdt", "trade"), ("coinbase", "BTC-USD", ""))),
        2: Prices((("coinbase", "ETH-USD", ""),)),
    })  # fmt: skip
    indices, feeds = venue_sources(own, (BTC, ETH), T, {1: Last(0, 1234, T)})

    assert [feed.name for feed in feeds] == ["binance", "coinbase"]
    assert [[ask.product for ask in feed.asks] for feed in feeds] == [
        ["btcusdt"], ["BTC-USD", "ETH-USD"],
    ]  # fmt: skip
    assert [len(indices[s].slots) for s in (1, 2)] == [2, 1]
    assert isinstance(indices[1], Index)
    assert (indices[1].fine >> FINE_BITS, indices[2].fine) == (1234, 0)


def test_rules_are_those_of_the_configuration():
    rules = index_rules(MarkConfig(fresh_ms=500, min_sources=3))

    assert (rules.fresh_ns, rules.min_sources, rules.outlier_ppm) == (500_000_000, 3, 10_000)
