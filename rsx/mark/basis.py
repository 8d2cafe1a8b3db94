"""The basis of one symbol: how far its own book stands from the index, averaged.

Source: specs/mark.md section 6.
"""

from __future__ import annotations

from rsx.mark.index import FINE_BITS, NS, PPM


def _within(value: int, limit: int) -> int:
    return min(max(value, -limit), limit)


class Basis:
    """Exponential average of book middle - index, in 2^-FINE_BITS price units.

    Args    window_s: of the average, 0 = no basis; max_ppm: of the index, either way;
            initial_px: where it begins, in price units
    """

    def __init__(self, window_s: int, max_ppm: int, initial_px: int = 0):
        self._window_ns = window_s * NS
        self._max_ppm = max_ppm
        self._state = initial_px << FINE_BITS if window_s else 0
        self._updated_ns = 0  # 0: no time has begun to count

    def hold(self) -> None:
        """There is no index: the time until there is one does not count (MK-54)."""
        self._updated_ns = 0

    def update(self, index: int, bid_px: int, ask_px: int, now_ns: int) -> int:
        """Average on; returns the basis, within its limit.

        Args    index: in 2^-FINE_BITS price units; bid_px, ask_px: best own prices, 0 = none
        """
        if self._window_ns == 0:
            return 0
        limit = index * self._max_ppm // PPM
        elapsed = max(now_ns - self._updated_ns, 0) if self._updated_ns else 0
        self._updated_ns = now_ns
        away = self._sample(index, bid_px, ask_px, limit) - self._state
        # Towards zero, so that a basis of either sign decays alike and none is made by rounding.
        moved = abs(away) * elapsed // (self._window_ns + elapsed)
        self._state = _within(self._state + (moved if away > 0 else -moved), limit)
        return self._state

    @staticmethod
    def _sample(index: int, bid_px: int, ask_px: int, limit: int) -> int:
        """Middle - index within the limit; 0 when the book says nothing (MK-51)."""
        if not bid_px or not ask_px or (ask_px - bid_px) << FINE_BITS > 2 * limit:
            return 0
        return _within(((bid_px + ask_px) << FINE_BITS - 1) - index, limit)
