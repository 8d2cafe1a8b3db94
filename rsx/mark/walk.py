"""A seeded random walk: the price of a demonstration. Source: specs/mark.md section 2."""

from __future__ import annotations

import random

from rsx.config import SymbolConfig
from rsx.mark.index import FINE_BITS, PPM, Reading

# Distance to the reference that one step takes back (MK-13).
REVERT_PPM = 20

# The walk stays between reference / BAND and reference * BAND (MK-15).
BAND = 4

# Twelve uniform 16-bit integers: their sum has this mean, and a standard deviation of 2^16.
BELL_PARTS = 12
BELL_MEAN = BELL_PARTS * 0xFFFF // 2
BELL_BITS = 16


class Walk:
    """Seeded random walk of one symbol's price, in integers.

    Args    symbol: id, tick, px_max, reference_px in price units; step_ppm: standard deviation;
            start_px: where it begins, None = the reference
    """

    def __init__(self, symbol: SymbolConfig, seed: int, step_ppm: int, start_px: int | None = None):
        self._random = random.Random(f"{seed}/{symbol.id}")
        self._tick = symbol.tick
        self._step_ppm = step_ppm
        low = max(-(-symbol.reference_px // BAND), symbol.tick)
        high = min(symbol.reference_px * BAND, symbol.px_max)
        # On tick, inwards, so that rounding what is sent cannot leave the band.
        self._low = -(-low // symbol.tick) * symbol.tick << FINE_BITS
        self._high = high // symbol.tick * symbol.tick << FINE_BITS
        self._reference = symbol.reference_px << FINE_BITS
        start = self._reference if start_px is None else start_px << FINE_BITS
        self._state = min(max(start, self._low), self._high)

    @property
    def px(self) -> int:
        """The present price, rounded to the nearest tick."""
        step = self._tick << FINE_BITS
        return (self._state + step // 2) // step * self._tick

    def step(self) -> int:
        """Move once; returns the new price."""
        bell = self._bell()
        moved = self._state + self._state * self._step_ppm * bell // (PPM << BELL_BITS)
        moved += (self._reference - moved) * REVERT_PPM // PPM
        self._state = min(max(moved, self._low), self._high)
        return self.px

    def _bell(self) -> int:
        """A bell-shaped integer with mean 0 and standard deviation 2^16 (MK-12)."""
        bits = self._random.getrandbits(BELL_PARTS * BELL_BITS)
        total = 0
        for _ in range(BELL_PARTS):
            total += bits & 0xFFFF
            bits >>= BELL_BITS
        return total - BELL_MEAN


class Walker:
    """A walk as the source of one symbol: where it begins first, then a step each time."""

    def __init__(self, walk: Walk):
        self._walk = walk
        self._started = False

    def read(self, now_ns: int) -> Reading:
        px = self._walk.step() if self._started else self._walk.px
        self._started = True
        return Reading(px << FINE_BITS, now_ns, 1)
