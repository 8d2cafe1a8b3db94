"""Exact amounts: CL-1 .. CL-3."""

from __future__ import annotations

from decimal import Decimal, localcontext
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rsx.client import InvalidAmount
from rsx.client.decimals import from_units, minus, plus, to_steps, to_units

UNITS = st.integers(-(2**63), 2**63 - 1)
DECIMALS = st.integers(0, 12)


@given(UNITS, DECIMALS, st.integers(1, 6))
def test_units_survive_the_way_there_and_back_under_any_context(units, decimals, precision):
    with localcontext() as context:
        context.prec = precision
        number = from_units(units, decimals)
        assert to_units(number, decimals, "price") == units
        assert to_units(str(number), decimals, "price") == units
        assert to_units(f"{number:f}", decimals, "price") == units


@given(st.decimals(allow_nan=False, allow_infinity=False, places=None), DECIMALS)
def test_a_decimal_is_converted_exactly_or_refused(number, decimals):
    exact = Fraction(number) * 10**decimals
    try:
        units = to_units(number, decimals, "qty")
    except InvalidAmount as error:
        assert error.field == "qty" and error.value is number
        assert exact.denominator != 1 or abs(exact) >= 10**39
    else:
        assert units == exact


@given(st.text(max_size=30), DECIMALS)
def test_any_text_gives_an_integer_or_invalid_amount(text, decimals):
    try:
        units = to_units(text, decimals, "price")
    except InvalidAmount:
        return
    assert units == Fraction(Decimal(text)) * 10**decimals


@given(UNITS, st.integers(1, 10**6), DECIMALS)
def test_only_multiples_of_the_step_pass(units, step, decimals):
    text = f"{from_units(units, decimals):f}"
    if units % step:
        with pytest.raises(InvalidAmount, match="not a multiple of the tick"):
            to_steps(text, decimals, step, "price", "tick")
    else:
        assert to_steps(text, decimals, step, "price", "tick") == units


@given(UNITS, UNITS, DECIMALS)
def test_sums_and_differences_never_round(left, right, decimals):
    with localcontext() as context:
        context.prec = 2
        a, b = from_units(left, decimals), from_units(right, decimals)
        total, difference = plus(a, b), minus(a, b)
    assert Fraction(total) == Fraction(left + right, 10**decimals)
    assert Fraction(difference) == Fraction(left - right, 10**decimals)


@pytest.mark.parametrize("value", [50000.0, 0.1, float("nan"), float("inf"), True, None, b"1", []])
def test_floats_and_strangers_are_type_errors(value):
    with pytest.raises(TypeError, match="price"):
        to_units(value, 2, "price")


@pytest.mark.parametrize(
    "text",
    ["", " 1", "1 ", "1_000", "NaN", "Infinity", "-inf", "0x10", "1,5", "٣", "1e", ".", "--1"],
)
def test_text_that_is_no_plain_number_is_refused(text):
    with pytest.raises(InvalidAmount):
        to_units(text, 2, "price")


@pytest.mark.parametrize(
    ("value", "units"),
    [
        ("50000", 5_000_000),
        ("50000.000", 5_000_000),
        ("+0.01", 1),
        (".5", 50),
        ("5.", 500),
        ("5e4", 5_000_000),
        ("500e-2", 500),
        (Decimal("50000.10"), 5_000_010),
        (7, 700),
        (-3, -300),
        ("-0", 0),
        ("0e99", 0),
    ],
)
def test_values_that_are_exact_pass_however_they_are_written(value, units):
    assert to_units(value, 2, "price") == units


@pytest.mark.parametrize("text", ["1e999999", "1e-999999", "9" * 99])
def test_absurd_exponents_are_refused_without_being_computed(text):
    with pytest.raises(InvalidAmount):
        to_units(text, 2, "price")


def test_the_float_error_shows_how_to_write_it():
    with pytest.raises(TypeError, match=r'"0\.1"'):
        to_units(0.1, 2, "price")
