"""The one source of chance of a simulation: splitmix64, the same on every version of Python."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeVar

T = TypeVar("T")
MASK = (1 << 64) - 1
MILLION = 1_000_000


class Chance:
    """A stream of 64-bit numbers. Args  seed: any integer"""

    __slots__ = ("state",)

    def __init__(self, seed: int):
        self.state = seed & MASK

    def next(self) -> int:
        self.state = z = (self.state + 0x9E3779B97F4A7C15) & MASK
        z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9 & MASK
        z = (z ^ (z >> 27)) * 0x94D049BB133111EB & MASK
        return z ^ (z >> 31)

    def below(self, end: int) -> int:
        """0 .. end - 1."""
        return self.next() % end

    def within(self, low: int, high: int) -> int:
        """low .. high."""
        return low + self.next() % (high - low + 1)

    def happens(self, ppm: int) -> bool:
        return self.next() % MILLION < ppm

    def pick(self, of: Sequence[T]) -> T:
        return of[self.next() % len(of)]

    def spread(self, mean: int) -> int:
        """At least 1, often small, sometimes far above the mean."""
        return 1 + self.below(1 + self.below(4 * mean))

    def some(self, of: Sequence[T], ppm: int) -> list[T]:
        """Each of them with this chance."""
        return [one for one in of if self.happens(ppm)]

    def fork(self) -> Chance:
        """A stream of its own: what is drawn from it moves nothing here."""
        return Chance(self.next())
