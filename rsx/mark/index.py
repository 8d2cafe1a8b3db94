"""The index of one symbol: the newest price of each feed, and what they agree on.

    take: a price is checked and kept, or dropped with a cause (MK-33)
    read: fresh ones -> cut -> median -> largest step (MK-40..44)

Prices in price units; the index carries FINE_BITS below them. Source: specs/mark.md section 5.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

PPM = 1_000_000
NS = 1_000_000_000
FINE_BITS = 32

# Why a price was dropped (MK-33), those that need to know the symbol.
ZERO, NEGATIVE, RANGE, FAR = "zero", "negative", "range", "far"
OLD, EARLY, ORDER = "old", "early", "order"


class Reading(NamedTuple):
    """An index: in 2^-FINE_BITS price units, newest event time behind it, feeds behind it.

    sources 0: there is none now; fine is then the last one, 0 before the first.
    """

    fine: int
    source_ns: int
    sources: int


def rounded(fine: int) -> int:
    """To whole price units, half up."""
    return (fine + (1 << FINE_BITS - 1)) >> FINE_BITS


def median(values: Sequence[int]) -> int:
    """The middle; of two the floor of their mean; of more even ones the lower middle (MK-41)."""
    ordered = sorted(values)
    if len(ordered) == 2:
        return (ordered[0] + ordered[1]) // 2
    return ordered[(len(ordered) - 1) // 2]


def _farther(apart: int, base: int, than_apart: int, than_base: int) -> bool:
    """apart / base > than_apart / than_base, exactly."""
    return apart * than_base > than_apart * base


def cut(prices: Sequence[int], outlier_ppm: int, last_fine: int) -> list[int]:
    """Which prices stay, as places in `prices` (MK-42).

    Args    prices: positive; last_fine: the last index, 0 = none
    """
    kept = list(range(len(prices)))
    while len(kept) > 2:
        worst, apart, base = -1, 0, 1
        for place in kept:
            middle = median([prices[other] for other in kept if other != place])
            # Two of 1 have the mean 1, so the middle of positive prices is positive.
            own = abs(prices[place] - middle)
            if not _farther(apart, base, own, middle):
                worst, apart, base = place, own, middle
        if apart * PPM <= outlier_ppm * base:
            return kept
        kept.remove(worst)
    if len(kept) == 2:
        first, second = (prices[place] for place in kept)
        if abs(first - second) * PPM > outlier_ppm * min(first, second):
            return _nearer(kept, prices, last_fine)
    return kept


def _nearer(pair: list[int], prices: Sequence[int], last_fine: int) -> list[int]:
    """The one of two that is nearer to the last index; none when it cannot be told."""
    first, second = (abs((prices[place] << FINE_BITS) - last_fine) for place in pair)
    if last_fine == 0 or first == second:
        return []
    return [pair[0] if first < second else pair[1]]


@dataclass(slots=True)
class Slot:
    """The newest price of one feed. px 0: none yet; event_ns 0: unknown."""

    px: int = 0
    event_ns: int = 0
    received_ns: int = 0
    is_cut: bool = False  # this price has been left out


@dataclass(frozen=True, slots=True)
class IndexRules:
    """Limits of `[mark]`, in ns and ppm."""

    fresh_ns: int
    far_times: int
    outlier_ppm: int
    step_ppm_per_s: int
    min_sources: int


class Index:
    """The index of one symbol over its feeds.

    Args    feeds: how many; reference_px: what `far` is measured from before there is an index;
            last: (index_px, ns) of the log's last one, or None
    """

    def __init__(
        self,
        rules: IndexRules,
        feeds: int,
        px_max: int,
        reference_px: int,
        last: tuple[int, int] | None = None,
    ):
        self.rules = rules
        self.slots = [Slot() for _ in range(feeds)]
        self.px_max = px_max
        self.reference_px = reference_px
        self.fine, self.made_ns = 0, 0
        if last is not None:
            self.fine, self.made_ns = last[0] << FINE_BITS, last[1]
        self.source_ns = 0
        self.cut_total = 0
        self.limited_total = 0

    def take(self, feed: int, px: int, event_ns: int, now_ns: int) -> str:
        """Keep a price of a feed; returns "", or why it was dropped.

        Args    px: in price units; event_ns: the venue's time, 0 = unknown
        """
        slot = self.slots[feed]
        anchor = rounded(self.fine) or self.reference_px
        far, fresh_ns = self.rules.far_times, self.rules.fresh_ns
        if px <= 0:
            return NEGATIVE if px else ZERO
        if px > self.px_max:
            return RANGE
        if px > anchor * far or px * far < anchor:
            return FAR
        if event_ns:
            if now_ns - event_ns >= fresh_ns:
                return OLD
            if event_ns - now_ns >= fresh_ns:
                return EARLY
            if event_ns < slot.event_ns:
                return ORDER
        slot.px, slot.event_ns, slot.received_ns, slot.is_cut = px, event_ns, now_ns, False
        return ""

    def is_fresh(self, feed: int, now_ns: int) -> bool:
        """Whether a feed's price counts now; exactly fresh_ns old does not (MK-40)."""
        slot, fresh_ns = self.slots[feed], self.rules.fresh_ns
        if slot.px == 0 or now_ns - slot.received_ns >= fresh_ns:
            return False
        return slot.event_ns == 0 or now_ns - slot.event_ns < fresh_ns

    def read(self, now_ns: int) -> Reading:
        """Make the index of now; sources 0 when there is none (MK-43)."""
        fresh = [slot for feed, slot in enumerate(self.slots) if self.is_fresh(feed, now_ns)]
        places = cut([slot.px for slot in fresh], self.rules.outlier_ppm, self.fine)
        kept = [fresh[place] for place in places]
        for place, slot in enumerate(fresh):
            if place not in places and not slot.is_cut:
                slot.is_cut = True
                self.cut_total += 1
        if len(kept) < self.rules.min_sources:
            return Reading(self.fine, self.source_ns, 0)
        self._move(median([slot.px for slot in kept]) << FINE_BITS, now_ns)
        self.source_ns = max(slot.event_ns for slot in kept)
        return Reading(self.fine, self.source_ns, len(kept))

    def _move(self, target: int, now_ns: int) -> None:
        """Towards the median, as far as the time since the last index allows (MK-44)."""
        moved = target
        if self.fine:
            elapsed = max(now_ns - self.made_ns, 0)
            step = self.fine * self.rules.step_ppm_per_s * elapsed // (PPM * NS)
            moved = min(max(target, self.fine - step), self.fine + step)
        self.limited_total += moved != target
        self.fine, self.made_ns = moved, now_ns
