"""Exact conversion between decimal numbers and the exchange's integers.

The exchange counts prices, quantities and money in integers, in units of 10^-decimals. Nothing
here rounds and nothing here looks at the caller's decimal context, whose precision may be
anything.
Source: specs/client.md CL-1 .. CL-3.
"""

from __future__ import annotations

import re
from decimal import Context, Decimal, Inexact

from rsx.client.errors import InvalidAmount

Amount = str | int | Decimal
"""What a caller may pass for a price, a quantity or money. Never a float."""

# A value of more digits than this is no price on any market, and 10 ** exponent must not be
# allowed to fill the memory.
DIGITS_MAX = 40

# For arithmetic that must not depend on the caller's context, nor ever round.
_EXACT = Context(prec=100, traps=[Inexact])

_NUMBER = re.compile(r"[+-]?(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][+-]?[0-9]{1,6})?")


def to_decimal(value: Amount, field: str) -> Decimal:
    """Read one number exactly.

    Args    value: str, int or Decimal; field: its name, for the error
    Raises  TypeError for a float, a bool or anything else; InvalidAmount for text that is not a
            finite decimal number
    """
    if isinstance(value, float):
        raise TypeError(
            f"{field} is the float {value!r}: floats are not exact, "
            f'write it as a string ("{value}") or a Decimal'
        )
    if isinstance(value, bool) or not isinstance(value, (str, int, Decimal)):
        raise TypeError(f"{field} must be a str, an int or a Decimal, not {value!r}")
    if isinstance(value, str) and not (len(value) <= 100 and _NUMBER.fullmatch(value)):
        raise InvalidAmount(field, value, "not a decimal number")
    number = Decimal(value)
    if not number.is_finite():
        raise InvalidAmount(field, value, "not a finite number")
    return number


def to_units(value: Amount, decimals: int, field: str) -> int:
    """Convert to an integer in units of 10^-decimals.

    Args    value: str, int or Decimal; decimals: 0 or more; field: its name, for the error
    Raises  TypeError as to_decimal; InvalidAmount if it has more digits than that, or too many
            to be an amount at all
    """
    number = to_decimal(value, field)
    if not number:
        return 0
    sign, digits, exponent = number.as_tuple()
    assert isinstance(exponent, int)  # NaN and infinity were refused above
    if number.adjusted() + decimals >= DIGITS_MAX:
        raise InvalidAmount(field, value, "out of any market's range")
    whole = int("".join(map(str, digits)))
    shift = exponent + decimals
    if shift >= 0:
        units = whole * 10**shift
    else:
        # Beyond its own length no division can be exact, so the power stays small.
        units, rest = divmod(whole, 10**-shift) if -shift <= len(digits) else (0, 1)
        if rest:
            raise InvalidAmount(field, value, f"more than {decimals} decimals")
    return -units if sign else units


def to_steps(value: Amount, decimals: int, step: int, field: str, step_name: str) -> int:
    """Convert as to_units, and demand a multiple of the market's step (tick or lot).

    Args    step: in units of 10^-decimals, 1 or more; step_name: "tick" or "lot"
    Raises  as to_units, and InvalidAmount if the value is between two steps
    """
    units = to_units(value, decimals, field)
    if units % step:
        shown = f"{from_units(step, decimals):f}"
        raise InvalidAmount(field, value, f"not a multiple of the {step_name} {shown}")
    return units


def floor_units(value: Amount, decimals: int, field: str) -> tuple[int, bool]:
    """The largest integer in units of 10^-decimals not above a value, and whether it is exact.

    Args    as to_units
    Raises  as to_decimal; InvalidAmount if it has too many digits to be an amount at all
    """
    number = to_decimal(value, field)
    if number and number.adjusted() + decimals >= DIGITS_MAX:
        raise InvalidAmount(field, value, "out of any market's range")
    sign, digits, exponent = number.as_tuple()
    assert isinstance(exponent, int)
    whole = int("".join(map(str, digits)))
    shift = exponent + decimals
    if shift >= 0:
        return (-whole if sign else whole) * 10**shift, True
    if -shift > len(digits):  # the power may be beyond all bounds, the value is below one unit
        return (-1 if sign and whole else 0), not whole
    units, rest = divmod(-whole if sign else whole, 10**-shift)
    return units, not rest


def from_units(units: int, decimals: int) -> Decimal:
    """The exact decimal of an integer in units of 10^-decimals, with all its decimals."""
    # Built from text: arithmetic would round to the precision of the caller's context.
    return Decimal(f"{units}E-{decimals}")


def plus(left: Decimal, right: Decimal) -> Decimal:
    """Exact sum, whatever the caller's context."""
    return _EXACT.add(left, right)


def minus(left: Decimal, right: Decimal) -> Decimal:
    """Exact difference, whatever the caller's context."""
    return _EXACT.subtract(left, right)
