"""Exact reading of decimals and times. Source: specs/mark.md MK-34; core MRK-11, MRK-13."""

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rsx.mark.text import I64_MAX, is_negative, to_ns, to_px


@pytest.mark.parametrize(
    ("text", "decimals", "px"),
    [
        ("50000.129", 2, 5_000_012),
        ("50000.1", 2, 5_000_010),
        ("5", 2, 500),
        ("+5", 2, 500),
        ("0.001", 2, 0),
        ("-0.5", 2, -50),
        ("-0.5", 1, -5),
        ("-12.349", 2, -1234),
        ("00012.50", 2, 1250),
        ("7.999999999999999999999999", 0, 7),
        ("9223372036854775807", 0, I64_MAX),
    ],
)
def test_digits_below_the_unit_are_cut_and_the_sign_is_kept_mrk_11(text, decimals, px):
    assert to_px(text, decimals) == px


@pytest.mark.parametrize(
    "text",
    ["", " ", "NaN", "nan", "inf", "-inf", "1e5", "1E-2", "1.", ".5", "1,5", "0x10", "1 000", " 1",
     "1\n", "--1", "1.2.3", "\u0661\u0662", "9223372036854775808", "9" * 64, "1" * 65, "1_000"],
)  # fmt: skip
def test_garbage_and_overflow_are_refused_mrk_11(text):
    with pytest.raises(ValueError, match=r"is not a decimal number|is too large"):
        to_px(text, 0)


def test_the_same_text_in_the_scale_of_each_symbol_mrk_13():
    assert [to_px("150.1234", decimals) for decimals in (2, 3, 4, 6)] == [
        15_012, 150_123, 1_501_234, 150_123_400,
    ]  # fmt: skip


@given(st.integers(-(10**12), 10**12), st.integers(0, 8), st.integers(0, 6))
def test_like_exact_decimals_towards_zero(value, digits, decimals):
    exact = Decimal(value).scaleb(-digits)

    assert to_px(f"{exact:f}", decimals) == int(exact.scaleb(decimals))
    assert is_negative(f"{exact:f}") == (exact < 0)


@pytest.mark.parametrize(
    ("text", "negative"),
    [("-0.001", True), ("-0.000", False), ("-0", False), ("0", False), ("-7", True), ("7", False)],
)  # fmt: skip
def test_a_sign_counts_where_the_unit_leaves_nothing(text, negative):
    assert is_negative(text) == negative


@pytest.mark.parametrize(
    ("text", "ns"),
    [
        ("1970-01-01T00:00:00Z", 0),
        ("2022-10-19T23:28:22.061769Z", 1_666_222_102_061_769_000),
        ("2022-01-01 00:00:00", 1_640_995_200_000_000_000),
        ("2022-01-01 00:00:00.000001", 1_640_995_200_000_001_000),
        ("2022-01-01T02:00:00+02:00", 1_640_995_200_000_000_000),
    ],
)
def test_times_are_exact(text, ns):
    assert to_ns(text) == ns


@pytest.mark.parametrize("text", ["", "yesterday", "2022-13-01 00:00:00", "12", "2" * 65])
def test_what_is_no_time_is_refused(text):
    with pytest.raises(ValueError, match=r"is not a time|Invalid isoformat|must be in"):
        to_ns(text)
