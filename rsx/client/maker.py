"""The demo's market maker: a deep two-sided book around an index, moved with few orders.

Prices lie on a fixed grid, one level in each step of it, and a window of `levels` levels a side
slides over the grid with the index:

    step k-1      step k        step k+1      step k+2
    |--b--------|-------b---|......|.....a-----|---a-------|
                            reference

Only what leaves the window is cancelled and only what enters it is placed. There is no state but
the exchange's: what is quoted is what the client knows as open (DM-6).
Source: specs/demo.md DM-3 .. DM-6.
"""

from __future__ import annotations

import asyncio
import logging
import random
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Protocol

from rsx.client.client import Client
from rsx.client.decimals import from_units, to_units
from rsx.client.errors import ClientClosed, ClientError
from rsx.client.models import SIDES, Order

log = logging.getLogger("rsx.demo")

BASIS_POINTS = 10_000
# A level every half basis point: 25 levels a side reach 12 basis points.
LEVELS_PER_BASIS_POINT = 2
NEAR_VALUE = 2_000
FAR_VALUE = 20_000
# Levels are cancelled only this many levels outside of the window, so that an index that
# swings to and fro does not move the far end each time.
FAR_SLACK = 3
LEVELS_MIN = 20
# One burst at most: the exchange limits each user's requests a second.
AT_ONCE = 50

Index = Callable[[int], int | None]


class Market(Protocol):
    """What the demo needs of a market's configuration (rsx.config.SymbolConfig has it)."""

    @property
    def id(self) -> int: ...
    @property
    def name(self) -> str: ...
    @property
    def price_decimals(self) -> int: ...
    @property
    def qty_decimals(self) -> int: ...
    @property
    def tick(self) -> int: ...
    @property
    def lot(self) -> int: ...
    @property
    def qty_max(self) -> int: ...
    @property
    def px_max(self) -> int: ...
    @property
    def reference_px(self) -> int: ...


class Troubles:
    """Refusals by name: the first of each is logged, the rest are counted (DM-9)."""

    def __init__(self) -> None:
        self.counts: Counter[str] = Counter()

    def note(self, who: str, error: Exception) -> None:
        name = getattr(error, "name", type(error).__name__)
        self.counts[name] += 1
        if self.counts[name] == 1:
            log.warning("%s: %s (more of the same are only counted)", who, error)


@dataclass(frozen=True, slots=True)
class Quote:
    """One level to be quoted; side 0 buy, 1 sell; integers."""

    side: int
    px: int
    depth: int


class Ladder:
    """The grid of one market and the window on it."""

    def __init__(self, market: Market, levels: int):
        self.market = market
        self.levels = max(levels, LEVELS_MIN)
        step = market.reference_px // (BASIS_POINTS * LEVELS_PER_BASIS_POINT)
        self.step = max(step // market.tick, 1) * market.tick
        self._middle = 0

    def price(self, number: int) -> int:
        """Price of a grid level: always the same, strictly rising with its number."""
        ticks = self.step // self.market.tick
        # Knuth's multiplicative hash: any mixing does, but it must never change.
        mixed = ((number + (self.market.id << 20)) * 2_654_435_761 >> 7) & 0xFFFF
        return number * self.step + mixed % ticks * self.market.tick

    def window(self, reference: int, extra: int = 0) -> list[Quote]:
        """The levels to quote around a reference, best first; `extra` levels more at the ends."""
        if abs(reference - self._middle) * 2 > self.step:
            self._middle = reference
        low, high = self._middle - self.step, self._middle + self.step
        first_bid, first_ask = low // self.step, high // self.step
        # A level's shift may put it on the wrong side of the limit; the next one is not.
        first_bid -= self.price(first_bid) > low
        first_ask += self.price(first_ask) < high
        quotes = []
        for depth in range(self.levels + extra):
            bid, ask = self.price(first_bid - depth), self.price(first_ask + depth)
            if bid > 0:
                quotes.append(Quote(0, bid, depth))
            if ask <= self.market.px_max:
                quotes.append(Quote(1, ask, depth))
        return quotes

    def size(self, depth: int, px: int, rng: random.Random) -> int:
        """Quantity for a level: grows outwards, log-normal, at least one lot."""
        value = NEAR_VALUE + (FAR_VALUE - NEAR_VALUE) * depth // max(self.levels - 1, 1)
        return qty_for(self.market, value, px, rng)


def qty_for(market: Market, value: int, px: int, rng: random.Random) -> int:
    """A random quantity worth about `value` in whole money at a price, in whole lots."""
    # The draw is a multiplier in thousandths; from there on all is integers.
    thousandths = max(1, round(1000 * rng.lognormvariate(0.0, 0.6)))
    unit = 10 ** (market.price_decimals + market.qty_decimals)
    lots = value * unit * thousandths // (1000 * px * market.lot)
    most = market.qty_max // market.lot // 100 or 1
    return min(max(lots, 1), most) * market.lot


class Maker:
    """Quotes all markets with one account."""

    def __init__(
        self,
        client: Client,
        markets: Sequence[Market],
        index: Index,
        levels: int,
        rng: random.Random,
        troubles: Troubles,
    ):
        self.client = client
        self.placed = 0
        self.cancelled = 0
        self._ladders = [Ladder(market, levels) for market in markets]
        self._index = index
        self._rng = rng
        self._troubles = troubles
        self._slots = asyncio.Semaphore(AT_ONCE)

    async def run(self, requote_s: float) -> None:
        """Quote until cancelled."""
        while True:
            for ladder in self._ladders:
                await self.round(ladder)
            await asyncio.sleep(requote_s)

    async def round(self, ladder: Ladder) -> None:
        """Bring one market's quotes to where they belong (DM-5)."""
        reference = self._index(ladder.market.id)
        if not reference or reference <= 0:
            return
        wanted = {(q.side, q.px): q for q in ladder.window(reference)}
        kept = {(q.side, q.px) for q in ladder.window(reference, FAR_SLACK)}
        if not wanted:
            return
        best = {side: q.px for q in reversed(list(wanted.values())) for side in (q.side,)}
        quoted = self._quoted(ladder.market)
        near, far = [], []
        for key, order in quoted.items():
            side, px = key
            limit = best.get(side, px)
            if px > limit if side == 0 else px < limit:
                near.append(order)
            elif key not in kept:
                far.append(order)
        await self._all(self._cancel(order) for order in near)
        missing = [quote for key, quote in wanted.items() if key not in quoted]
        await self._all(self._place(ladder, quote) for quote in missing)
        await self._all(self._cancel(order) for order in far)

    async def cancel_all(self) -> None:
        """Take all quotes away."""
        await self._all(self._cancel(order) for order in list(self.client.open_orders.values()))

    def _quoted(self, market: Market) -> dict[tuple[int, int], Order]:
        return {
            (SIDES.index(o.side), to_units(o.price, market.price_decimals, "price")): o
            for o in self.client.open_orders.values()
            if o.symbol == market.name
        }

    async def _all(self, work: Iterable) -> None:
        await asyncio.gather(*work)

    async def _place(self, ladder: Ladder, quote: Quote) -> None:
        market = ladder.market
        qty = ladder.size(quote.depth, quote.px, self._rng)
        async with self._slots:
            try:
                await self.client.place(
                    market.name,
                    SIDES[quote.side],
                    price=from_units(quote.px, market.price_decimals),
                    qty=from_units(qty, market.qty_decimals),
                    post_only=True,
                )
                self.placed += 1
            except ClientClosed:
                raise
            except ClientError as error:
                self._troubles.note("maker", error)

    async def _cancel(self, order: Order) -> None:
        async with self._slots:
            try:
                await self.client.cancel(order.oid, order.symbol)
                self.cancelled += 1
            except ClientClosed:
                raise
            except ClientError as error:
                # Filled meanwhile: what every maker sees all day.
                if getattr(error, "name", "") not in ("ORDER_NOT_OPEN", "ORDER_NOT_FOUND"):
                    self._troubles.note("maker", error)
