"""The local copy of a public book, kept by snapshots and deltas.

Never has more than `depth` levels a side: a level that better ones push out of the window is
dropped here, because the exchange tells of changes inside the window only and sends the level
again when it comes back (W-22).
Source: specs/client.md CL-52.
"""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING

from sortedcontainers import SortedDict

if TYPE_CHECKING:
    from rsx.client.models import Level, Symbol


class LocalBook:
    """One market's book, best levels first. Prices and quantities inside are integers."""

    def __init__(self, symbol: Symbol, depth: int):
        self.symbol = symbol
        self.depth = depth
        self.seq = 0
        self.ts_ns = 0
        # Bids are kept by negative price, so that both sides run from the best outwards.
        self._sides: tuple[SortedDict, SortedDict] = (SortedDict(), SortedDict())

    @property
    def bids(self) -> list[Level]:
        """Buy levels, highest price first."""
        return self._levels(0)

    @property
    def asks(self) -> list[Level]:
        """Sell levels, lowest price first."""
        return self._levels(1)

    @property
    def mid(self) -> Decimal | None:
        """Half way between best bid and best ask; None when a side is empty."""
        if not (self._sides[0] and self._sides[1]):
            return None
        twice = self._sides[1].peekitem(0)[0] - self._sides[0].peekitem(0)[0]
        return Decimal(f"{twice * 5}E-{self.symbol.price_decimals + 1}")

    def rows(self, side: int) -> list[tuple[int, int, int]]:
        """(price, quantity, orders) of a side as integers, best first; side 0 bids, 1 asks."""
        sign = 1 if side else -1
        return [(sign * key, qty, count) for key, (qty, count) in self._sides[side].items()]

    def snapshot(self, bids: list[list[int]], asks: list[list[int]], ts_ns: int, seq: int) -> None:
        """Replace everything."""
        for side in self._sides:
            side.clear()
        self.delta(bids, asks, ts_ns, seq)

    def delta(self, bids: list[list[int]], asks: list[list[int]], ts_ns: int, seq: int) -> None:
        """Set each level named; a quantity of 0 removes it."""
        for side, sign, rows in ((self._sides[0], -1, bids), (self._sides[1], 1, asks)):
            for px, qty, count in rows:
                if qty:
                    side[sign * px] = (qty, count)
                else:
                    side.pop(sign * px, None)
            while len(side) > self.depth:
                side.popitem(-1)
        self.ts_ns = ts_ns
        self.seq = seq

    def _levels(self, side: int) -> list[Level]:
        from rsx.client.models import Level

        symbol = self.symbol
        return [
            Level(price=symbol.price(px), qty=symbol.qty(qty), count=count)
            for px, qty, count in self.rows(side)
        ]

    def __repr__(self) -> str:
        return f"<LocalBook {self.symbol.name} seq={self.seq} depth={self.depth}>"
