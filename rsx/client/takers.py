"""The demo's takers: a Poisson stream of IOC orders with bounded inventory.

Source: specs/demo.md DM-7, DM-8.
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
        self._markets = markets
        self._index = index
        self._rng = rng
        self._troubles = troubles
        self._net: dict[str, int] = {}

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
        """Send one order, unless its market has no price now."""
        market = self._rng.choice(self._markets)
        reference = self._index(market.id)
        if not reference or reference <= 0:
            return
        sweep = self._rng.randrange(SWEEP_ONE_IN) == 0
        value, reach = (SWEEP_VALUE, SWEEP_REACH) if sweep else (TYPICAL_VALUE, TYPICAL_REACH)
        side = self.choose_side(market, reference)
        px = reference + (1, -1)[side] * reference * reach // BASIS_POINTS
        px = min(max(px // market.tick, 1) * market.tick, market.px_max)
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
