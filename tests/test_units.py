"""Text and integer units, held against Decimal: exact, or refused."""

from __future__ import annotations

import re
from decimal import Decimal

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from rsx.units import I64_MAX, UnitsError, to_decimal, to_text, to_units

DECIMALS = st.integers(0, 12)
VALUES = st.integers(-I64_MAX, I64_MAX)
NUMBER = re.compile(r"[+-]?[0-9]{1,19}(\.[0-9]{1,19})?", re.ASCII)


def exact(text: str, decimals: int) -> int | None:
    """The value in units by rational arithmetic; None where it is no whole number of units."""
    value = Decimal(text).scaleb(decimals)
    return int(value) if value == value.to_integral_value() else None


@given(VALUES, DECIMALS)
def test_every_value_goes_to_text_and_back(value, decimals):
    text = to_text(value, decimals)

    assert to_units(text, decimals) == value
    assert Decimal(text) == to_decimal(value, decimals)
    assert len(text.partition(".")[2]) == decimals


@given(st.from_regex(NUMBER, fullmatch=True), DECIMALS)
@example("-0.5", 1)  # the sign of a number whose whole part is zero
@example("-0", 0)
@example("9223372036854775807", 0)
@example("9223372036854775808", 0)
@example("0.1000000000000000000", 1)
def test_a_decimal_is_converted_exactly_or_refused(text, decimals):
    due = exact(text, decimals)

    if due is None or abs(due) > I64_MAX:
        with pytest.raises(UnitsError) as caught:
            to_units(text, decimals)
        assert repr(text) in str(caught.value)
    else:
        assert to_units(text, decimals) == due


@given(st.text(max_size=30), DECIMALS)
@example("1e5", 2)
@example("NaN", 2)
@example("Infinity", 2)
@example("", 0)
@example(" 1", 0)
@example("1 ", 0)
@example("1\n", 0)
@example("1_000", 0)
@example("1,5", 1)
@example(".5", 1)
@example("5.", 1)
@example("--1", 0)
@example("0x10", 0)
@example("٣", 0)  # a digit to Unicode, not to us
@example("1.٣", 2)
def test_other_text_is_refused_with_the_value(text, decimals):
    if NUMBER.fullmatch(text):
        return

    with pytest.raises(UnitsError) as caught:
        to_units(text, decimals)
    assert repr(text[:64]) in str(caught.value)


def test_the_message_of_long_text_is_short():
    with pytest.raises(UnitsError) as caught:
        to_units("1" * 10_000, 2)

    assert len(str(caught.value)) < 120


@pytest.mark.parametrize(
    ("value", "decimals", "text"),
    [(5000010, 2, "50000.10"), (-1, 2, "-0.01"), (0, 0, "0"), (0, 3, "0.000"), (7, 0, "7")],
)
def test_examples(value, decimals, text):
    assert to_text(value, decimals) == text


@given(VALUES, DECIMALS)
def test_to_decimal_does_not_depend_on_the_caller_s_precision(value, decimals):
    import decimal

    with decimal.localcontext() as context:
        context.prec = 3
        assert str(to_decimal(value, decimals)) == str(Decimal(f"{value}E-{decimals}"))
