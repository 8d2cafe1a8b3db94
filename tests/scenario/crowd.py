"""Simulated users: leveraged takers on both sides, and a maker who quotes around the index."""

from __future__ import annotations

import random
from dataclasses import dataclass

from scenario.venue import Venue

BUY, SELL = 0, 1
IOC, GTC = 1, 0
MAKER = 1
FIRST_USER = 100
MAKER_MONEY = 1 << 50


@dataclass
class Depth:
    """What the maker shows: levels a side, distance of the first and between them (ppm), and each
    level's quantity in parts of what a user trades."""

    levels: int = 4
    apart_ppm: int = 400
    size: int = 20


class Crowd:
    """Args  users: how many; unit: quantity of one typical position; seed: of everything here."""

    def __init__(self, venue: Venue, users: int, unit: int, seed: int, depth: Depth | None = None):
        self.venue = venue
        self.rng = random.Random(seed)
        self.users = range(FIRST_USER, FIRST_USER + users)
        self.unit = unit
        self.depth = depth or Depth()
        self.symbols = {s.id: s for s in venue.config.symbols}
        venue.deposit(MAKER, amount=MAKER_MONEY)
        venue.run()

    # --- the maker ------------------------------------------------------------------------

    def requote(self, px: int, symbol: int) -> None:
        """All quotes anew around a price."""
        market, depth, lot = self.symbols[symbol], self.depth, self.symbols[symbol].lot
        self.venue.cancel_all(MAKER, symbol=symbol, scope=1)
        qty = max(lot, self.unit * depth.size // lot * lot)
        for level in range(1, depth.levels + 1):
            away = max(market.tick, px * depth.apart_ppm * level // 1_000_000)
            for side in (BUY, SELL):
                quote = px - away if side == BUY else px + away
                quote -= quote % market.tick
                if 0 < quote <= market.px_max:
                    self.venue.place(MAKER, side, quote, qty, symbol=symbol)

    # --- the others -----------------------------------------------------------------------

    def enter(self, user: int, px: int, symbol: int) -> None:
        """Bring what a leverage of 5 to 20 asks for, and take a side; some leave a quote behind."""
        rng, market = self.rng, self.symbols[symbol]
        qty = max(market.lot, self.unit * rng.randint(1, 6) // market.lot * market.lot)
        worth = qty * px
        leverage = rng.randint(6, 16)
        self.venue.deposit(user, amount=worth // leverage + worth // 100 + 1)
        side = rng.randrange(2)
        self.venue.market(user, side, qty, symbol=symbol)
        if rng.random() < 0.3:
            far = (
                px * rng.randint(60, 95) // 100
                if side == BUY
                else px * rng.randint(105, 140) // 100
            )
            far -= far % market.tick
            self.venue.place(user, side, far, market.lot, symbol=symbol)

    def act(self, px: dict[int, int], share: float) -> None:
        """A share of the users does something: enters when flat, adds, or leaves."""
        rng, model = self.rng, self.venue.model
        for user in self.users:
            if rng.random() >= share:
                continue
            symbol = rng.choice(list(px))
            position = model.positions.get((user, symbol, 0))
            net = position.net if position else 0
            if net == 0 or rng.random() < 0.2:
                self.enter(user, px[symbol], symbol)
            elif rng.random() < 0.3:
                self.venue.market(user, SELL if net > 0 else BUY, abs(net), symbol=symbol, flags=2)
            if len(self.venue.requests) > 200:
                self.venue.run()
        self.venue.run()
