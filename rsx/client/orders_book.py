"""The local copy of a book order by order, kept by snapshots and changes.

Orders of a price lie in their queue, the oldest first. Whatever is told is applied in the order it
comes, so the queues are the exchange's after each message.
Source: specs/client.md CL-56; specs/wire.md W-25, W-26.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from sortedcontainers import SortedDict

if TYPE_CHECKING:
    from rsx.client.models import Symbol


class LocalOrders:
    """One market's resting orders. Prices and quantities inside are integers."""

    def __init__(self, symbol: Symbol):
        self.symbol = symbol
        self.seq = 0
        # Price -> queue of order id -> remaining; bids by negative price: best first on both.
        self._sides: tuple[SortedDict, SortedDict] = (SortedDict(), SortedDict())
        self._places: dict[int, tuple[int, int]] = {}

    def __len__(self) -> int:
        return len(self._places)

    def __contains__(self, oid: int) -> bool:
        return oid in self._places

    def rows(self, side: int) -> Iterator[tuple[int, int, int]]:
        """(order id, price, remaining) of a side, best and oldest first; 0 bids, 1 asks."""
        sign = 1 if side else -1
        for key, queue in self._sides[side].items():
            for oid, remaining in queue.items():
                yield oid, sign * key, remaining

    def ahead(self, oid: int) -> tuple[int, int]:
        """(quantity, orders) that rest before an order at its price. KeyError if it is unknown."""
        side, px = self._places[oid]
        quantity = count = 0
        for other, remaining in self._sides[side][_key(side, px)].items():
            if other == oid:
                break
            quantity += remaining
            count += 1
        return quantity, count

    def clear(self) -> None:
        """Forget everything: a snapshot begins."""
        for side in self._sides:
            side.clear()
        self._places.clear()

    def rest(self, oid: int, side: int, px: int, remaining: int) -> None:
        """An order comes to rest behind all others at its price."""
        self.remove(oid)
        self._sides[side].setdefault(_key(side, px), {})[oid] = remaining
        self._places[oid] = (side, px)

    def keep(self, oid: int, remaining: int) -> None:
        """An order keeps its place with what remains of it; 0: it leaves."""
        if not remaining:
            self.remove(oid)
        elif oid in self._places:
            side, px = self._places[oid]
            self._sides[side][_key(side, px)][oid] = remaining

    def remove(self, oid: int) -> None:
        """An order leaves the book."""
        place = self._places.pop(oid, None)
        if place is None:
            return
        key = _key(*place)
        levels = self._sides[place[0]]
        del levels[key][oid]
        if not levels[key]:
            del levels[key]

    def __repr__(self) -> str:
        return f"<LocalOrders {self.symbol.name} seq={self.seq} orders={len(self)}>"


def _key(side: int, px: int) -> int:
    return px if side else -px
