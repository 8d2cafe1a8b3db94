"""The index over the feeds of one symbol. Source: specs/mark.md sections 4, 5."""

from fractions import Fraction

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from mark.plain import PlainIndex, middle, without_outliers

from rsx.mark.index import FINE_BITS, NS, Index, IndexRules, cut, median, rounded

RULES = IndexRules(
    fresh_ns=10 * NS, far_times=10, outlier_ppm=10_000, step_ppm_per_s=10_000, min_sources=1
)
T = 1_000_000 * NS


def index(feeds=2, px_max=10**9, reference_px=1000, last=None, **changed):
    rules = {name: getattr(RULES, name) for name in RULES.__slots__} | changed
    return Index(IndexRules(**rules), feeds, px_max, reference_px, last)


def px(reading):
    return rounded(reading.fine)


# --- median (MK-41) ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("prices", "expected"),
    [
        ([7], 7),
        ([100, 200], 150),
        ([100, 201], 150),
        ([100, 300, 200], 200),
        ([10, 20, 30, 40], 20),
        (list(range(1000, 1008)), 1003),
        ([1, 50_000, 10**9], 50_000),
    ],
)
def test_medians_mrk_4_mrk_5(prices, expected):
    assert median(prices) == expected
    assert median(prices[::-1]) == expected


# --- cut (MK-42) ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("prices", "last", "kept"),
    [
        ([100, 100, 200], 0, [0, 1]),
        ([10_000, 10_050, 10_100], 0, [0, 1, 2]),
        ([10_000, 20_000, 30_000, 10_050], 0, [0, 3]),  # two mad ones of four
        ([100, 150], 110, [0]),
        ([100, 150], 140, [1]),
        ([100, 150], 125, []),  # equally near
        ([100, 150], 0, []),  # nothing to tell them apart by
        ([100, 101], 0, [0, 1]),  # exactly 1 %
        ([1000, 1011], 0, []),
        ([1, 50_000, 10**9], 50_000, [1]),
        ([50_000, 50_010, 1, 50_020], 0, [0, 1, 3]),
        ([1, 1, 1, 1, 1], 0, [0, 1, 2, 3, 4]),
        ([], 0, []),
        ([5], 0, [0]),
    ],
)
def test_who_is_left_out_r14(prices, last, kept):
    assert cut(prices, 10_000, last << FINE_BITS) == kept


@settings(max_examples=400)
@given(
    prices=st.lists(st.integers(1, 60) | st.integers(900, 1100) | st.integers(1, 10**12),
                    max_size=8),
    ppm=st.sampled_from([1, 1000, 10_000, 100_000, 1_000_000]),
    last=st.integers(0, 1200),
)  # fmt: skip
def test_the_cut_is_that_of_the_plain_model(prices, ppm, last):
    kept = cut(prices, ppm, last << FINE_BITS)

    assert kept == without_outliers(prices, ppm, Fraction(last) if last else None)
    if prices:
        assert median(prices) == middle(prices)


def test_one_mad_source_of_three_does_not_move_the_index_mrk_16():
    three = index(3)
    for feed, price in enumerate((1000, 1001, 1002)):
        three.take(feed, price, 0, T)
    before = three.read(T)
    three.take(1, 1900, 0, T + NS)

    reading = three.read(T + NS)
    assert (px(before), px(reading), reading.sources) == (1001, 1001, 2)
    three.read(T + 2 * NS)
    assert three.cut_total == 1  # each price once
    three.take(1, 1901, 0, T + 2 * NS)
    three.read(T + 2 * NS)
    assert three.cut_total == 2


def test_of_two_that_disagree_the_one_near_the_last_index_stays():
    two = index(2)
    two.take(0, 1000, 0, T)
    two.take(1, 1002, 0, T)
    two.read(T)
    two.take(0, 1500, 0, T + NS)

    assert px(two.read(T + NS)) == 1002
    assert two.read(T + NS).sources == 1


def test_two_that_disagree_at_the_start_make_no_index():
    two = index(2)
    two.take(0, 1000, 0, T)
    two.take(1, 1500, 0, T)

    assert two.read(T).sources == 0


# --- fresh (MK-40) ----------------------------------------------------------------------------


def test_exactly_fresh_ms_is_stale_mrk_3():
    one = index(1)
    one.take(0, 1000, 0, T)

    assert one.read(T + 10 * NS - 1).sources == 1
    assert one.read(T + 10 * NS).sources == 0


def test_the_venues_time_counts_as_well_as_ours_mrk_14():
    one = index(1)
    assert one.take(0, 1000, T - 4 * NS, T) == ""

    assert (one.slots[0].event_ns, one.slots[0].received_ns) == (T - 4 * NS, T)
    assert one.read(T + 6 * NS - 1) == (1000 << FINE_BITS, T - 4 * NS, 1)
    assert one.read(T + 6 * NS).sources == 0


def test_no_fresh_source_keeps_the_last_index_and_says_so_mrk_12():
    one = index(1)
    assert one.read(T) == (0, 0, 0)
    one.take(0, 1000, T, T)
    one.read(T)

    assert one.read(T + 60 * NS) == (1000 << FINE_BITS, T, 0)


def test_too_few_sources_are_none():
    two = index(2, min_sources=2)
    two.take(0, 1000, 0, T)
    assert two.read(T).sources == 0
    two.take(1, 1001, 0, T)

    assert two.read(T).sources == 2


# --- what is dropped (MK-33) ------------------------------------------------------------------


@pytest.mark.parametrize(
    ("price", "event_ns", "cause"),
    [
        (0, 0, "zero"),
        (-1, 0, "negative"),
        (10**9 + 1, 0, "range"),
        (100_000, 0, "far"),  # 100 x off
        (10_001, 0, "far"),
        (99, 0, "far"),
        (10_000, 0, ""),
        (100, 0, ""),
        (1000, T - 3600 * NS, "old"),
        (1000, T - 10 * NS, "old"),
        (1000, T - 10 * NS + 1, ""),
        (1000, T + 10 * NS, "early"),
        (1000, T + 10 * NS - 1, ""),
    ],
)
def test_impossible_prices_are_dropped_by_cause(price, event_ns, cause):
    one = index(1)

    assert one.take(0, price, event_ns, T) == cause
    assert one.read(T).sources == (0 if cause else 1)


def test_far_is_measured_from_the_last_index_once_there_is_one():
    one = index(1, step_ppm_per_s=1_000_000)
    one.take(0, 9000, 0, T)
    one.read(T)

    assert one.take(0, 89_000, 0, T) == ""
    assert one.take(0, 90_001, 0, T) == "far"
    assert one.take(0, 899, 0, T) == "far"


def test_a_price_older_than_the_one_we_have_is_dropped():
    one = index(1)
    assert one.take(0, 1000, T, T) == ""
    assert one.take(0, 1001, T - 1, T) == "order"
    assert one.take(0, 1002, T, T) == ""

    assert px(one.read(T)) == 1002


def test_a_dropped_price_leaves_the_one_before_in_force():
    one = index(1)
    one.take(0, 1000, 0, T)
    one.take(0, 0, 0, T)

    assert px(one.read(T)) == 1000


# --- largest step (MK-44) ---------------------------------------------------------------------


def test_the_index_moves_by_so_much_a_second_r14():
    one = index(1)
    one.take(0, 1000, 0, T)
    one.read(T)
    one.take(0, 2000, 0, T)

    assert Fraction(one.read(T + NS // 2).fine, 1 << FINE_BITS) == 1005
    assert Fraction(one.read(T + NS).fine, 1 << FINE_BITS) == pytest.approx(1010.025)
    assert one.limited_total == 2


def test_a_coarse_price_unit_does_not_stop_the_step():
    one = index(1, reference_px=3)
    one.take(0, 3, 0, T)
    one.read(T)
    for at in range(1, 401):
        one.take(0, 4, 0, T + at * NS // 10)
        reading = one.read(T + at * NS // 10)

    assert px(reading) == 4


def test_after_a_gap_the_index_may_have_moved_for_its_whole_length():
    one = index(1)
    one.take(0, 1000, 0, T)
    one.read(T)
    one.take(0, 1500, 0, T + 60 * NS)

    assert px(one.read(T + 60 * NS)) == 1500


def test_the_logs_last_index_bounds_the_first_one_after_a_start():
    one = index(1, last=(1000, T - NS))
    one.take(0, 1500, 0, T)

    assert px(one.read(T)) == 1010


# --- all of it against the plain model --------------------------------------------------------

STEPS = st.lists(
    st.tuples(
        st.integers(0, 3),  # feed
        st.integers(900, 1100) | st.integers(200, 9000),
        st.integers(0, 12_000),  # event before receipt, ms; 0 = unknown
        st.integers(0, 4000),  # ms that pass
    ),
    min_size=1, max_size=40,
)  # fmt: skip


@settings(max_examples=200, deadline=None)
@given(
    STEPS, st.integers(1, 3), st.sampled_from([1000, 10_000, 200_000]),
    st.sampled_from([100, 10_000]),
)  # fmt: skip
def test_any_history_gives_the_plain_models_index(steps, least, outlier_ppm, step_ppm):
    own = index(4, min_sources=least, outlier_ppm=outlier_ppm, step_ppm_per_s=step_ppm)
    plain = PlainIndex(10 * NS, outlier_ppm, step_ppm, least)
    now_ns = T
    for feed, price, behind_ms, pass_ms in steps:
        now_ns += pass_ms * 1_000_000
        event_ns = now_ns - behind_ms * 1_000_000 if behind_ms else 0
        if own.take(feed, price, event_ns, now_ns) == "":
            plain.slots[feed] = (price, event_ns, now_ns)
        reading = own.read(now_ns)
        expected, feeds = plain.read(now_ns)

        assert reading.sources == feeds
        if expected is not None:
            # The step is cut to 2^-32 of a unit each time, and never overshoots.
            assert abs(Fraction(reading.fine, 1 << FINE_BITS) - expected) < Fraction(1, 10**6)
            assert reading.fine > 0
            plain.last = Fraction(reading.fine, 1 << FINE_BITS)
