"""A drawn life of an exchange: requests of every kind, marks, time, settings, money, live rules.

What the requests mean is held to models elsewhere; here every kind of state has to come about, in
flight and at rest. A life can be copied, so that two worlds are asked the very same.
"""

from __future__ import annotations

import copy
import random
from typing import Any

import msgspec
from model.wire import make_request
from world import BUY, GTC, GTD, IOC, LAST_PRICE, MARKET, REDUCE_ONLY, World, make_market

from rsx import rules

HEDGE, DISCONNECT, REPRICE, POST = 128, 16, 8, 1
STOP_MARKET, STOP_LIMIT, TAKE_MARKET, TAKE_LIMIT, TRAILING = 2, 3, 4, 5, 6
USERS = range(1, 9)
HEDGED = (7, 8)
S, MS = 1_000_000_000, 1_000_000


def markets() -> list[Any]:
    """Two markets with brackets, funding, funds and liquidations that come to something."""
    return [
        make_market(
            number, maker_fee_ppm=fee, taker_fee_ppm=400, px_max=100_000,
            brackets=((400_000, 150_000, 90_000),), oi_low=100_000, oi_high=9_000_000,
            funding_interval_s=60, funding_cap_ppb=900_000_000, liquidation_delay_ms=100,
            liquidation_rounds=2, insurance_seed=30_000, adl=number % 3, price_band_ppm=0,
        )
        for number, fee in ((1, -50), (2, 0))
    ]  # fmt: skip


SECTIONS: dict[str, dict[str, Any]] = {
    "mark": {"source": "synthetic", "stale_ms": 90_000},
    "matching": {
        "orders_max": 1024, "users_max": 1024, "triggers_max": 256, "dedup_orders_max": 4096,
        "dedup_window_s": 20, "open_triggers_per_user_max": 50,
    },
}  # fmt: skip


class Life:
    """act(world) asks one thing. seed: of all that is drawn."""

    def __init__(self, seed: int):
        self.rng = random.Random(seed)
        self.px = {1: 1000, 2: 1000}
        self.placed: list[tuple[int, int, int, int, int]] = []  # oid, user, symbol, side, flags
        self.oid = 0
        self.expires = 0
        self.rules = {market.id: market for market in markets()}

    def copy(self) -> Life:
        return copy.deepcopy(self)

    def begin(self, world: World) -> None:
        world.deposit(*USERS, amount=120_000)
        world.deposit(1, 2, amount=1 << 40)
        world.run()
        for symbol, px in self.px.items():
            world.mark(px, symbol=symbol)
        for user in HEDGED:
            world.ask("MARGIN_CONFIG_REQUEST", user_id=user, fields=4, position_mode=1)
        world.run()

    def act(self, world: World) -> None:
        acts = {
            self.order: 50, self.trigger: 12, self.amend: 14, self.cancel: 12, self.cancel_all: 1,
            self.mark: 8, self.time: 6, self.money: 4, self.settings: 4, self.mode: 1,
            self.change_rules: 1, self.step: 12,
        }  # fmt: skip
        self.rng.choices(list(acts), list(acts.values()))[0](world)

    # --- orders ---------------------------------------------------------------------------

    def terms(self, world: World) -> dict[str, Any]:
        rng = self.rng
        user, symbol = rng.choice(USERS), rng.choice((1, 2))
        flags = (HEDGE if user in HEDGED else 0) | (REDUCE_ONLY if rng.random() < 0.15 else 0)
        cid = f"c{rng.randrange(60)}" if rng.random() < 0.4 else ""
        self.oid += 1
        return {
            "oid": self.oid, "user_id": user, "symbol_id": symbol, "side": rng.randrange(2),
            "qty": 10 * rng.randint(1, 30), "flags": flags, "cid": cid, "stp": rng.randrange(5),
        }  # fmt: skip

    def price(self, symbol: int, ticks: int = 12) -> int:
        return max(5, self.px[symbol] // 5 * 5 + 5 * self.rng.randint(-ticks, ticks))

    def tif(self, world: World) -> dict[str, int]:
        tif = self.rng.choices((GTC, IOC, 2, GTD), (60, 15, 5, 20))[0]
        if tif != GTD:
            return {"tif": tif}
        return {"tif": tif, "expire_s": world.clock.now_ns() // S + self.rng.randint(1, 90)}

    def order(self, world: World) -> None:
        values = self.terms(world)
        if self.rng.random() < 0.12:
            values |= {"kind": MARKET, "tif": IOC, "px": 0}
        else:
            values |= self.tif(world) | {"px": self.price(values["symbol_id"])}
            if values["tif"] in (GTC, GTD) and self.rng.random() < 0.25:
                values["flags"] |= self.rng.choice((POST, POST | REPRICE))
        self.note(values)
        world.push(make_request("ORDER_REQUEST", **values))

    def note(self, values: dict[str, Any]) -> None:
        names = ("oid", "user_id", "symbol_id", "side", "flags")
        self.placed.append(tuple(values[name] for name in names))
        del self.placed[:-300]

    def trigger(self, world: World) -> None:
        rng, values = self.rng, self.terms(world)
        kind = rng.choice((STOP_MARKET, STOP_LIMIT, TAKE_MARKET, TAKE_LIMIT, TRAILING, TRAILING))
        rising = (values["side"] == BUY) == (kind in (STOP_MARKET, STOP_LIMIT))
        if kind == TRAILING:
            rising = values["side"] != BUY
            part = {"trail_px": 5 * rng.randint(1, 20)}
            values |= part if rng.random() < 0.5 else {"trail_ppm": rng.randint(2_000, 90_000)}
        away = 5 * rng.randint(1, 12) * (1 if rising else -1)
        values["trigger_px"] = max(5, self.px[values["symbol_id"]] // 5 * 5 + away)
        if kind == TRAILING and rng.random() < 0.5:
            values["trigger_px"] = 0
        limit = kind in (STOP_LIMIT, TAKE_LIMIT)
        values |= self.tif(world) if limit else {"tif": IOC}
        values["px"] = self.price(values["symbol_id"]) if limit else 0
        values["flags"] |= LAST_PRICE if rng.random() < 0.4 else 0
        self.note(values)
        world.push(make_request("TRIGGER_REQUEST", kind=kind, **values))

    def amend(self, world: World) -> None:
        if not self.placed:
            return
        oid, user, symbol, side, flags = self.rng.choice(self.placed[-60:])
        flags &= ~(POST | REPRICE)
        world.ask(
            "AMEND_REQUEST", user_id=user, oid=oid, symbol_id=symbol, side=side, flags=flags,
            px=self.price(symbol), qty=10 * self.rng.randint(1, 30),
        )  # fmt: skip

    def cancel(self, world: World) -> None:
        if self.rng.random() < 0.2:
            world.cancel(self.rng.choice(USERS), cid=f"c{self.rng.randrange(60)}",
                         symbol=self.rng.choice((1, 2)))  # fmt: skip
        elif self.placed:
            oid, user, symbol, *_ = self.rng.choice(self.placed[-80:])
            world.cancel(user, oid, symbol=symbol)

    def cancel_all(self, world: World) -> None:
        world.cancel_all(self.rng.choice(USERS), symbol=self.rng.choice((1, 2)),
                         sides=self.rng.randint(1, 3))  # fmt: skip

    # --- the rest -------------------------------------------------------------------------

    def mark(self, world: World) -> None:
        symbol = self.rng.choice((1, 2))
        jump = self.rng.choice((1, 1, 3, 12, 20))
        px = self.px[symbol] * (100 + self.rng.randint(-jump, jump)) // 100
        self.px[symbol] = min(4000, max(200, px))
        world.mark(self.px[symbol], symbol=symbol)

    def time(self, world: World) -> None:
        world.clock.advance(self.rng.choice((1, 50, 900, 5_000, 31_000)) * MS)

    def money(self, world: World) -> None:
        rng, user = self.rng, self.rng.choice(USERS)
        way = rng.random()
        if way < 0.3:
            world.deposit(user, amount=rng.randint(1, 50_000))
        elif way < 0.6:
            world.ask("WITHDRAW_REQUEST", user_id=user, amount=rng.randint(1, 50_000))
        else:
            world.ask("MARGIN_TRANSFER_REQUEST", user_id=user, symbol_id=rng.choice((1, 2)),
                      leg=0, amount=rng.choice((-1, 1)) * rng.randint(1, 3_000))  # fmt: skip

    def settings(self, world: World) -> None:
        rng, user = self.rng, self.rng.choice(USERS)
        if rng.random() < 0.4:
            world.configure(user, owner_group=rng.randrange(3), stp=rng.randrange(4))
        else:
            world.ask(
                "MARGIN_CONFIG_REQUEST", user_id=user, symbol_id=rng.choice((1, 2)),
                fields=rng.choice((1, 2, 3)), leverage=rng.choice((0, 1, 3, 10)),
                margin_mode=rng.randrange(2),
            )  # fmt: skip

    def mode(self, world: World) -> None:
        symbol = self.rng.choice((1, 2))
        world.set_mode(self.rng.choice((0, 1, 2)), symbol=symbol)
        world.run()
        world.set_mode(0, symbol=symbol)

    def change_rules(self, world: World) -> None:
        """Version by version, as the gateway would pass them on."""
        symbol = self.rng.choice((1, 2))
        world.run()
        was = self.rules[symbol]
        version = world.recovered.state.engines[symbol].rules_version
        self.rules[symbol] = now = msgspec.structs.replace(
            was, version=version + 1, taker_fee_ppm=self.rng.randint(100, 900),
            px_max=was.px_max + 5 * self.rng.randrange(3),
            funding_interval_s=self.rng.choice((60, 120)),
        )  # fmt: skip
        for record in rules.to_records(now):
            assert world.rings.of_shard("gateway_risk", 0).push(record)

    def step(self, world: World) -> None:
        if self.rng.random() < 0.5:
            world.run()
        else:
            for _ in range(self.rng.randint(1, 4)):
                world.step()


def live(world: World, life: Life, acts: int) -> None:
    for at in range(acts):
        life.act(world)
        if at % 8 == 0:
            world.run()
