"""The demo's market maker: a deep two-sided book around an index, moved with few orders.

Prices lie on a fixed grid, one level in each step of it, and a window of `levels` levels a side
slides over the grid with the index:

    step k-1      step k        step k+1      step k+2
    |--b--------|-------b---|......|.....a-----|---a-------|
                            reference

Only what leaves the window is moved, by an amendment, to what enters it: orders keep their ids,
and a side never has fewer levels in between. There is no state but the exchange's: what is quoted
is what the client knows as open (DM-6).
Source: specs/demo.md DM-3 .. DM-6.
"""

from __future__ import annotations

import asyncio
import logging
import random
from collections import Counter
from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass
from decimal import Decimal
from functools import partial
from typing import Protocol

from rsx.client.client import Client
from rsx.client.decimals import from_units, plus, to_units
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
# What a market that takes no new orders answers: no trouble, it is waited for.
CLOSED = ("HALTED", "CANCEL_ONLY")
# An order ended while a request of it was on its way: what every maker sees all day.
ENDED = ("ORDER_NOT_OPEN", "ORDER_NOT_FOUND", "ORDER_DONE")

Index = Callable[[int], int | None]
Work = Callable[[], Awaitable[None]]


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
    @property
    def notional_min(self) -> int: ...
    def tick_at(self, px: int) -> int: ...


class Troubles:
    """Refusals by name: the first of each is logged, the rest are counted (DM-9)."""

    def __init__(self) -> None:
        self.counts: Counter[str] = Counter()

    def note(self, who: str, error: Exception) -> None:
        name = getattr(error, "name", type(error).__name__)
        if name in CLOSED:
            return
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
        self.tick = market.tick_at(market.reference_px)
        self.step = max(step // self.tick, 1) * self.tick
        self._middle = 0

    def price(self, number: int) -> int:
        """Price of a grid level: always the same, rising with its number."""
        ticks = self.step // self.tick
        # Knuth's multiplicative hash: any mixing does, but it must never change.
        mixed = ((number + (self.market.id << 20)) * 2_654_435_761 >> 7) & 0xFFFF
        px = number * self.step + mixed % ticks * self.tick
        # Far above the reference price a coarser tick may hold; then levels may fall together.
        return px - px % self.market.tick_at(max(px, 0))

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
    least = max(-(-market.notional_min // (px * market.lot)), 1)
    most = max(market.qty_max // market.lot // 100, least)
    return min(max(lots, least), most) * market.lot


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
        self.moved = 0
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
        if not reference or reference <= 0 or not self._open(ladder.market):
            return
        wanted = {(q.side, q.px): q for q in ladder.window(reference)}
        kept = {(q.side, q.px) for q in ladder.window(reference, FAR_SLACK)}
        if not wanted:
            return
        quoted = self._quoted(ladder.market)
        near: list[Work] = []
        rest: list[Work] = []
        for side in (0, 1):
            missing = [q for key, q in wanted.items() if q.side == side and key not in quoted]
            best = next((q.px for q in wanted.values() if q.side == side), 0)
            leaving = [(key[1], o) for key, o in quoted.items()
                       if key[0] == side and key not in kept]  # fmt: skip
            # Those beyond the best price must move first: the other side is to come there.
            too_near = [px > best if side == 0 else px < best for px, _ in leaving]
            moves = self._moves(ladder, [o for _, o in leaving], missing)
            for number, work in enumerate(moves):
                first = number < len(leaving) and too_near[number]
                (near if first else rest).append(work)
        await self._all(near)
        await self._all(rest)

    def _moves(self, ladder: Ladder, leaving: list[Order], missing: list[Quote]) -> list[Work]:
        """One request for each order that leaves, then for each level that is still missing."""
        # The farthest missing levels take the orders, so that a new best price is a new order's.
        work: list[Work] = []
        targets = list(missing)
        for order in leaving:
            if targets:
                work.append(partial(self._move, ladder, order, targets.pop()))
            else:
                work.append(partial(self._cancel, order))
        return work + [partial(self._place, ladder, quote) for quote in targets]

    def _open(self, market: Market) -> bool:
        """Whether the market takes a maker's orders now."""
        return self.client.symbol(market.name).mode in ("open", "post_only")

    async def cancel_all(self) -> None:
        """Take all quotes away."""
        await self.client.cancel_all()

    def _quoted(self, market: Market) -> dict[tuple[int, int], Order]:
        return {
            (SIDES.index(o.side), to_units(o.price, market.price_decimals, "price")): o
            for o in self.client.open_orders.values()
            if o.symbol == market.name
        }

    async def _all(self, work: Iterable[Work]) -> None:
        await asyncio.gather(*(each() for each in work))

    async def _place(self, ladder: Ladder, quote: Quote) -> None:
        px, qty = self._terms(ladder, quote)
        name, side = ladder.market.name, SIDES[quote.side]
        if await self._try(
            partial(self.client.place, name, side, price=px, qty=qty, post_only=True)
        ):
            self.placed += 1

    async def _move(self, ladder: Ladder, order: Order, quote: Quote) -> None:
        px, qty = self._terms(ladder, quote)
        # An order's whole quantity has what it traded in it.
        whole = plus(order.filled, qty)
        if await self._try(partial(self.client.amend, order, price=px, qty=whole)):
            self.moved += 1

    async def _cancel(self, order: Order) -> None:
        if await self._try(partial(self.client.cancel, order)):
            self.cancelled += 1

    def _terms(self, ladder: Ladder, quote: Quote) -> tuple[Decimal, Decimal]:
        market = ladder.market
        qty = ladder.size(quote.depth, quote.px, self._rng)
        return from_units(quote.px, market.price_decimals), from_units(qty, market.qty_decimals)

    async def _try(self, request: Callable[[], Awaitable[Order]]) -> bool:
        """Make a request when there is room; whether it was done."""
        async with self._slots:
            try:
                await request()
            except ClientClosed:
                raise
            except ClientError as error:
                if getattr(error, "name", "") not in ENDED:
                    self._troubles.note("maker", error)
                return False
        return True
