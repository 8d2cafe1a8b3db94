"""LQ-5, LQ-7: price and quantity of a round, and ids, against plain functions of the rules."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from model import liquidation, margin
from model.symbols import make_symbol

from rsx.risk.ledger import Ledger
from rsx.risk.liquidation import own_oid, round_order

MS = 1_000_000
NOW_NS = 1_700_000_000_000 * MS


def make_ledger(market):
    return Ledger((market,), accounts_max=8, positions_max=8, orders_max=8)


def order_of(market, net, mark, number, bankrupt, equity, maintenance):
    return round_order(make_ledger(market), 1, net, mark, number, bankrupt, equity, maintenance)


@pytest.mark.parametrize(
    ("net", "number", "due"),
    [(10, 1, 99_900), (10, 2, 99_600), (10, 3, 99_100), (-10, 1, 100_100), (10, 8, 95_000),
     (10, 200, 95_000), (-10, 200, 105_000)],
)  # fmt: skip
def test_the_price_of_a_round_falls_with_its_square(net, number, due):
    """LQ-5; LIQ-3, LIQ-5."""
    px, _ = order_of(make_symbol(), net, 100_000, number, 1 if net > 0 else 200_000, 1, 100)
    assert px == due


@pytest.mark.parametrize(("net", "due"), [(10, 60_006_300), (-10, 60_018_350)])
def test_the_price_is_on_tick(net, due):
    """LQ-5; LIQ-15."""
    market = make_symbol(tick=50, liquidation_slip_ppm=100, px_max=100_000_000)
    px, _ = order_of(market, net, 60_012_345, 1, 1 if net > 0 else 100_000_000, 1, 100)
    assert px == due


@pytest.mark.parametrize(
    ("net", "bankrupt", "due"),
    [(10, 99_950, 99_950), (-10, 100_050, 100_050), (10, 99_951, 99_960), (-10, 100_049, 100_040)],
)
def test_the_price_is_never_past_bankruptcy(net, bankrupt, due):
    """LQ-5: a sell is raised, a buy lowered, to the tick on the safe side."""
    px, _ = order_of(make_symbol(tick=10), net, 100_000, 1, bankrupt, 1, 100)
    assert px == due


def test_the_price_stays_within_the_market():
    """LQ-5: at least one tick, at most px_max."""
    market = make_symbol(tick=5, px_max=200_000, liquidation_slip_ppm=999_999,
                         liquidation_slip_max_ppm=999_999)  # fmt: skip
    assert order_of(market, 10, 5, 1, 1, 1, 100)[0] == 5
    assert order_of(market, -10, 199_000, 1, 200_000, 1, 100)[0] == 200_000


def test_a_tick_table_counts_at_the_price_itself():
    """LQ-5, PX-1."""
    market = make_symbol(tick=1, tick_table=((99_901, 100),))
    assert order_of(market, 10, 100_000, 1, 1, 1, 100)[0] == 99_900
    assert order_of(market, -10, 100_000, 1, 200_000, 1, 100)[0] == 100_100


def test_enough_is_closed_and_no_more():
    """LQ-5; LIQ-2, LIQ-25: the bucket ends a buffer above maintenance."""
    market = make_symbol(liquidation_slip_ppm=100, lot=1)
    size, mark = 100, 10_000
    need = margin.maintenance(market, size * mark)
    px, qty = order_of(market, size, mark, 1, 1, need - 1_000, need)
    left, after = liquidation.after_closing(market, size, mark, qty, px, need - 1_000, need)
    short, before = liquidation.after_closing(market, size, mark, qty - 1, px, need - 1_000, need)

    assert 0 < qty < size
    assert left * 10 >= after * 11
    assert short * 10 < before * 11


@pytest.mark.parametrize(
    ("changes", "size", "due"),
    [
        ({"liquidation_step_ppm": 250_000}, 100, 25),
        ({"liquidation_step_ppm": 250_000, "lot": 10}, 100, 30),
        ({"lot": 10}, 105, 105),
        ({"liquidation_step_ppm": 900_000, "lot": 20}, 105, 105),
        ({"liquidation_step_ppm": 900_000, "notional_min": 200_000}, 100, 100),
        ({"qty_max": 33}, 100, 33),
        ({"qty_max": 33, "lot": 10}, 100, 30),
        ({"notional_max": 500_000}, 100, 50),
    ],
)
def test_steps_and_bounds_of_the_quantity(changes, size, due):
    """LQ-5: of a bucket that nothing restores, so all would be closed."""
    market = make_symbol(**changes)
    px, qty = order_of(market, size, 10_000, 1, 1, 1, 1 << 40)
    assert qty == due == liquidation.round_qty(market, size, 10_000, px, 1, 1 << 40)


@st.composite
def buckets(draw):
    """(market, net, mark, round, bankrupt, equity, maintenance of the bucket)."""
    rates = sorted(draw(st.lists(st.integers(1_000, 400_000), min_size=1, max_size=4)))
    froms = sorted(draw(st.sets(st.integers(1_000, 1 << 22), min_size=3, max_size=3)))
    lot = draw(st.sampled_from((1, 3, 10)))
    market = make_symbol(
        initial_margin_ppm=rates[0], maintenance_margin_ppm=rates[0], lot=lot,
        brackets=tuple((f, r, r) for f, r in zip(froms, rates[1:], strict=False)),
        tick=draw(st.sampled_from((1, 5, 50))),
        liquidation_fee_ppm=draw(st.sampled_from((0, 100, 5_000, 50_000))),
        liquidation_buffer_ppm=draw(st.sampled_from((0, 100_000, 1_000_000))),
        liquidation_slip_ppm=draw(st.sampled_from((1, 1_000, 20_000))),
        liquidation_step_ppm=draw(st.sampled_from((1, 300_000, 1_000_000))),
        notional_min=draw(st.sampled_from((0, 1_000))),
    )  # fmt: skip
    net = draw(st.integers(1, 800)) * draw(st.sampled_from((1, -1)))
    mark = draw(st.integers(50, 20_000))
    own = margin.maintenance(market, abs(net) * mark)
    others = draw(st.sampled_from((0, own // 3, own * 4)))
    maintenance = own + others
    equity = draw(st.integers(1, max(1, maintenance - 1)))
    bankrupt = liquidation.bankruptcy_px(
        market, net, mark, liquidation.share_of_equity(equity, own, maintenance)
    )
    return market, net, mark, draw(st.integers(1, 12)), bankrupt, equity, maintenance


@settings(max_examples=400, deadline=None, derandomize=True, database=None)
@given(buckets())
def test_rounds_are_the_model_s(bucket):
    """LQ-5: the search finds what trying every multiple of the lot finds, up to rounding: where
    both differ, each restores and one lot less does not."""
    market, net, mark, number, bankrupt, equity, maintenance = bucket
    px, qty = order_of(*bucket)
    due = liquidation.round_px(market, net, mark, number, bankrupt)
    assert px == due
    want = liquidation.round_qty(market, net, mark, px, equity, maintenance)
    if qty == want:
        return

    def restores(tried):
        left, need = liquidation.after_closing(market, net, mark, tried, px, equity, maintenance)
        return left * 10**6 >= need * (10**6 + market.liquidation_buffer_ppm)

    assert restores(qty)
    assert not restores(qty - market.lot)


class TestIds:
    """LQ-7: 41 bits of ms, gateway number 3, 3 bits of shard, 7 of counter."""

    def test_layout(self):
        oid = own_oid(make_ledger(make_symbol()), 5, NOW_NS)
        assert (oid >> 10 & 3, oid >> 7 & 7) == (3, 5)

    def test_a_burst_rises_and_borrows_from_the_next_millisecond(self):
        ledger = make_ledger(make_symbol())
        later = NOW_NS + 40_000_000_000_000 * 1000
        ids = [own_oid(ledger, 2, later) for _ in range(300)]
        assert ids == sorted(set(ids))
        assert all((oid >> 7 & 31) == (3 << 3 | 2) for oid in ids)
        assert ids[-1] >> 12 == (ids[0] >> 12) + 2
        assert own_oid(ledger, 2, later - MS) > ids[-1]

    def test_shards_share_no_id(self):
        ledgers = [make_ledger(make_symbol()) for _ in range(8)]
        ids = [own_oid(ledger, shard, NOW_NS) for shard, ledger in enumerate(ledgers)
               for _ in range(200)]  # fmt: skip
        assert len(set(ids)) == len(ids)
