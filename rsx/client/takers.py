"""The demo's takers: a Poisson stream of IOC orders and stops with bounded inventory.

Source: specs/demo.md DM-7, DM-8, DM-12.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Sequence

from rsx.client.client import Client
from rsx.client.decimals import from_units, to_units
from rsx.client.errors import ClientClosed, ClientError
from rsx.client.maker import BASIS_POINTS, NEAR_VALUE, Index, Market, Troubles, qty_for
from rsx.client.models import SIDES

TYPICAL_VALUE = NEAR_VALUE // 2
TYPICAL_REACH = 10
SWEEP_VALUE = 10 * NEAR_VALUE
SWEEP_REACH = 3
SWEEP_ONE_IN = 40
INVENTORY_MAX = 250_000
# Stops: how often instead of an order, how far from the reference, how many wait at most.
STOP_ONE_IN = 12
STOP_REACH = 4
STOPS_MAX = 3


class Taker:
    """One account that trades at random."""

    def __init__(
        self,
        client: Client,
        markets: Sequence[Market],
        index: Index,
        rng: random.Random,
        troubles: Troubles,
    ):
        self.client = client
        self.orders = 0
        self.stops = 0
        self._markets = markets
        self._index = index
        self._rng = rng
        self._troubles = troubles
        self._net: dict[str, int] = {}
        self._waiting = 0

    async def run(self, orders_per_second: float) -> None:
        """Trade until cancelled."""
        known = False
        while orders_per_second > 0:
            await asyncio.sleep(self._rng.expovariate(orders_per_second))
            try:
                if not known:
                    await self._ask_positions()
                    known = True
                await self.trade()
            except ClientClosed:
                raise
            except ClientError as error:
                # Whether it traded may be unknown: ask before the next order.
                known = False
                self._troubles.note("taker", error)

    async def trade(self) -> None:
        """Send one order or stop, unless its market has no price or is not open now."""
        market = self._rng.choice(self._markets)
        reference = self._index(market.id)
        if not reference or reference <= 0 or self.client.symbol(market.name).mode != "open":
            return
        waiting = sum(order.is_trigger for order in self.client.open_orders.values())
        if waiting < self._waiting:
            # One has fired: what it traded is not known here.
            await self._ask_positions()
        self._waiting = waiting
        if self._rng.randrange(STOP_ONE_IN) == 0 and waiting < STOPS_MAX:
            await self._place_stop(market, reference)
        else:
            await self._take(market, reference)

    async def cancel_all(self) -> None:
        """Take all stops away."""
        await self.client.cancel_all(scope="triggers")

    async def _take(self, market: Market, reference: int) -> None:
        sweep = self._rng.randrange(SWEEP_ONE_IN) == 0
        value, reach = (SWEEP_VALUE, SWEEP_REACH) if sweep else (TYPICAL_VALUE, TYPICAL_REACH)
        side = self.choose_side(market, reference)
        px = _beyond(market, side, reference, reach)
        order = await self.client.place(
            market.name,
            SIDES[side],
            price=from_units(px, market.price_decimals),
            qty=from_units(qty_for(market, value, px, self._rng), market.qty_decimals),
            tif="IOC",
        )
        self.orders += 1
        filled = to_units(order.filled, market.qty_decimals, "filled")
        self._net[market.name] = self._net.get(market.name, 0) + (1, -1)[side] * filled

    async def _place_stop(self, market: Market, reference: int) -> None:
        side = self.choose_side(market, reference)
        px = _beyond(market, side, reference, STOP_REACH)
        qty = qty_for(market, TYPICAL_VALUE, px, self._rng)
        await self.client.place_stop(
            market.name,
            SIDES[side],
            qty=from_units(qty, market.qty_decimals),
            trigger_price=from_units(px, market.price_decimals),
        )
        self.stops += 1
        self._waiting += 1

    def choose_side(self, market: Market, reference: int) -> int:
        """A coin bent by the inventory: fair when flat, certain at the bound (DM-8)."""
        unit = 10 ** (market.price_decimals + market.qty_decimals)
        bound = INVENTORY_MAX * unit
        held = min(max(self._net.get(market.name, 0) * reference, -bound), bound)
        return int(self._rng.randrange(2 * bound) < bound + held)

    async def _ask_positions(self) -> None:
        by_name = {market.name: market for market in self._markets}
        self._net = {
            p.symbol: to_units(p.net_qty, by_name[p.symbol].qty_decimals, "net_qty")
            for p in await self.client.positions()
            if p.symbol in by_name
        }


def _beyond(market: Market, side: int, reference: int, reach: int) -> int:
    """A price on tick so many basis points beyond the reference, as the side sees it."""
    px = reference + (1, -1)[side] * reference * reach // BASIS_POINTS
    tick = market.tick_at(max(px, 0))
    return min(max(px // tick, 1) * tick, market.px_max)
