"""Funding as plain functions and one counter, written from specs/funding.md alone."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from rsx.sim.auditor.margin import ceil_div, trunc_div

PPB = 1_000_000_000
MINUTE_NS = 60_000_000_000
SECOND_NS = 1_000_000_000
LIVE = 0
MINUTES_BACK = 10
PREMIUM_MAX = 10**18


def clamp(value: int, low: int, high: int) -> int:
    return max(low, min(high, value))


def premium(mark: int, index: int) -> int:
    """FN-1."""
    return clamp(trunc_div((mark - index) * PPB, index), -PREMIUM_MAX, PREMIUM_MAX)


@dataclass
class Samples:
    """FN-2: what the fold keeps of a symbol between two settlements."""

    newest: int | None = None  # live premium in force; None: there is none
    minute: int | None = None  # of the newest mark
    sum: int = 0
    count: int = 0

    def mark(self, ts_ns: int, mark: int, index: int, state: int) -> None:
        minute = ts_ns // MINUTE_NS
        if self.minute is not None and minute > self.minute:
            closed = min(minute - self.minute, MINUTES_BACK)
            if self.newest is not None:
                self.sum += closed * self.newest
                self.count += closed
        self.minute = minute if self.minute is None else max(self.minute, minute)
        self.newest = premium(mark, index) if index > 0 and state == LIVE else None

    def settled(self) -> None:
        self.sum = self.count = 0

    @property
    def average(self) -> int:
        return trunc_div(self.sum, self.count)


def rate(market: Any, average: int) -> int:
    """FN-3."""
    damp, cap = market.funding_damp_ppb, market.funding_cap_ppb
    return clamp(average + clamp(market.funding_interest_ppb - average, -damp, damp), -cap, cap)


def standing_rate(market: Any, samples: Samples) -> int:
    """FN-6."""
    return rate(market, samples.average) if samples.count else 0


def interval_id(ts_ns: int, interval_s: int) -> int:
    """FN-4."""
    return ts_ns // SECOND_NS // interval_s


def owed(net: int, mark: int, rate_ppb: int) -> int:
    """FN-7: positive = the position pays. Who pays rounds up, who receives rounds down."""
    x = abs(net) * mark * abs(rate_ppb)
    pays = (net > 0) == (rate_ppb > 0)
    return ceil_div(x, PPB) if pays else -(x // PPB)
