"""Exact reading of what other programs write: decimals and times. Source: specs/mark.md MK-34."""

from __future__ import annotations

import re
from datetime import UTC, datetime

TEXT_MAX = 64
I64_MAX = (1 << 63) - 1
NS = 1_000_000_000

_DECIMAL = re.compile(r"([+-]?)([0-9]+)(?:\.([0-9]+))?")
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def to_px(text: str, decimals: int) -> int:
    """'50000.129', 2 -> 5000012: digits below the unit are cut off, the sign is kept.

    '-0.001' with two decimals is 0: nothing is left of it. Raises ValueError with the reason.
    """
    match = _DECIMAL.fullmatch(text) if len(text) <= TEXT_MAX else None
    if match is None:
        raise ValueError(f"{text[:TEXT_MAX]!r} is not a decimal number")
    sign, whole, fraction = match[1], match[2], match[3] or ""
    value = int(whole + fraction[:decimals].ljust(decimals, "0"))
    if value > I64_MAX:
        raise ValueError(f"{text!r} is too large")
    return -value if sign == "-" else value


def is_negative(text: str) -> bool:
    """Whether a decimal is below zero, also where the price unit leaves nothing of it."""
    return text.startswith("-") and text.strip("-0.") != ""


def to_ns(text: str) -> int:
    """'2022-10-19T23:28:22.061769Z' or '2022-10-19 23:28:22' (UTC) -> ns since 1970.

    Raises  ValueError
    """
    if len(text) > TEXT_MAX:
        raise ValueError(f"{text[:TEXT_MAX]!r} is not a time")
    moment = datetime.fromisoformat(text)
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    since = moment - _EPOCH
    return (since.days * 86_400 + since.seconds) * NS + since.microseconds * 1000
