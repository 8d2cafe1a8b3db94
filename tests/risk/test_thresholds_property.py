"""SB-1, INV-32: within their thresholds no marks can bring a bucket below maintenance.

The claim itself, over random buckets and moves, in plain integers; and tightness: how much of the
slack a threshold leaves unused.
"""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st
from model import liquidation, margin
from model.symbols import make_symbol

RATES = st.lists(st.integers(1, 1_000_000), min_size=1, max_size=4).map(sorted)


@st.composite
def positions(draw):
    """(market, net, cost, mark, where in its allowance it ends, parts of 1000; below 0: for it)."""
    rates = draw(RATES)
    froms = sorted(draw(st.sets(st.integers(1, 1 << 40), min_size=3, max_size=3)))
    brackets = tuple((f, r, r) for f, r in zip(froms, rates[1:], strict=False))
    market = make_symbol(
        initial_margin_ppm=rates[0], maintenance_margin_ppm=rates[0], brackets=brackets,
        px_max=1 << 62,
    )  # fmt: skip
    net = draw(st.integers(1, 1 << 24)) * draw(st.sampled_from((1, -1)))
    mark = draw(st.integers(1, 1 << 20))
    cost = abs(net) * draw(st.integers(1, 1 << 20))
    return market, net, cost, mark, draw(st.integers(-1000, 1000))


def figures(bucket, marks, balance):
    """Equity less maintenance."""
    slack = balance
    for (market, net, cost, _, _), mark in zip(bucket, marks, strict=True):
        slack += margin.unrealised(net, cost, mark)
        slack -= margin.maintenance(market, abs(net) * mark)
    return slack


@settings(max_examples=500, deadline=None, derandomize=True, database=None)
@given(st.lists(positions(), min_size=1, max_size=6), st.integers(0, 1 << 40))
def test_a_bucket_within_its_thresholds_is_above_maintenance(bucket, slack):
    marks = [mark for _, _, _, mark, _ in bucket]
    balance = slack - figures(bucket, marks, 0)
    assert figures(bucket, marks, balance) == slack
    moved = []
    for market, net, _, mark, part in bucket:
        room = liquidation.safe_move(slack, len(bucket), net, liquidation.highest_rate(market))
        against = room * part // 1000 if part >= 0 else part * mark // 100
        moved.append(max(1, mark - against if net > 0 else mark + against))

    assert figures(bucket, moved, balance) >= 0


@settings(max_examples=100, deadline=None, derandomize=True, database=None)
@given(positions(), st.integers(1 << 30, 1 << 40))
def test_a_threshold_of_one_position_uses_the_slack_at_the_highest_rate(one, slack):
    """Not so tight that every mark asks about everybody: for one position nearly exact."""
    market, net, cost, mark, _ = one
    flat = make_symbol(
        initial_margin_ppm=100_000, maintenance_margin_ppm=50_000, px_max=market.px_max
    )
    bucket = [(flat, net, cost, mark, 0)]
    balance = slack - figures(bucket, [mark], 0)
    room = liquidation.safe_move(slack, 1, net, liquidation.highest_rate(flat))
    if net < 0:
        beyond = mark + room + room // 50 + 2
        assert figures(bucket, [beyond], balance) <= 2 * abs(net)
