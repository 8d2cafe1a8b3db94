"""Exact conversion between decimal text and integer units; the plain-Python face of units.h.

Floats never appear: text with more digits than the unit has is an error, never rounded.
Source: specs/wire.md W-2, specs/risk.md section 1.
"""

from __future__ import annotations

import re
from decimal import Decimal

_DECIMAL = re.compile(r"([+-]?)([0-9]{1,19})(?:\.([0-9]{1,19}))?")
I64_MAX = (1 << 63) - 1


class UnitsError(ValueError):
    """Text that is not an exact decimal of the unit: says what is wrong with which value."""


def to_units(text: str, decimals: int) -> int:
    """'50000.1', 2 -> 5000010. Raises UnitsError on excess digits, exponents, or overflow."""
    match = _DECIMAL.fullmatch(text)
    if match is None:
        raise UnitsError(f"{text[:64]!r} is not a decimal number")
    sign, whole, fraction = match.group(1), match.group(2), match.group(3) or ""
    if len(fraction) > decimals:
        if fraction[decimals:].strip("0"):
            raise UnitsError(f"{text!r} has more than {decimals} decimals")
        fraction = fraction[:decimals]
    value = int(whole + fraction.ljust(decimals, "0"))
    if value > I64_MAX:
        raise UnitsError(f"{text!r} is too large")
    return -value if sign == "-" else value


def to_text(value: int, decimals: int) -> str:
    """5000010, 2 -> '50000.10': always `decimals` digits after the point."""
    sign = "-" if value < 0 else ""
    digits = str(abs(value)).rjust(decimals + 1, "0")
    if decimals == 0:
        return sign + digits
    return f"{sign}{digits[:-decimals]}.{digits[-decimals:]}"


def to_decimal(value: int, decimals: int) -> Decimal:
    """5000010, 2 -> Decimal('50000.10')."""
    # Built from text: scaleb would round to the precision of the caller's context.
    return Decimal(f"{value}E-{decimals}")
