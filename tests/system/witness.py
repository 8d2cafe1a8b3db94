"""Clients that remember every answer they were told, and what must still hold after a restart.

A `Witness` trades for one user and writes down what it hears, nothing else: orders that came to
rest or ended, fills, client ids it sent. `Load` runs several of them, with deposits and a reader
of the public trades beside them, until it is told that the exchange is gone.
"""

from __future__ import annotations

import asyncio
import contextlib
import random
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from system.process import ExchangeProcess

from rsx.client import (
    Admin,
    Client,
    ClientError,
    Disconnected,
    Fill,
    Order,
    OrderRejected,
    OrderUpdate,
    RequestRefused,
    Trade,
)

SYMBOLS = {"BTC-PERP": (Decimal("50000"), Decimal("0.10"), Decimal("0.0001")),
           "ETH-PERP": (Decimal("3000"), Decimal("0.01"), Decimal("0.001"))}  # fmt: skip
TASKS_PER_USER = 3


@dataclass
class Witness:
    """What one user was told, over all runs of the exchange."""

    user: int
    fills: dict[tuple[int, int], Fill] = field(default_factory=dict)
    resting: dict[int, Order] = field(default_factory=dict)
    ended: dict[int, Order] = field(default_factory=dict)
    rejected: dict[int, Order] = field(default_factory=dict)
    sent: dict[tuple[str, str], Order | None] = field(default_factory=dict)  # None = unanswered
    amended: set[tuple[int, Decimal, Decimal]] = field(default_factory=set)  # oid, price, qty
    busy: set[int] = field(default_factory=set)
    order_count: int = 0

    def hear_order(self, order: Order) -> None:
        """An order's state as told. Told twice: it must be the same end."""
        self.sent[order.symbol, order.cid] = order
        if order.kept_place is not None:
            self.amended.add((order.oid, order.price, order.qty))
        if order.status == "rejected":
            self.rejected[order.oid] = order
        elif not order.is_open:
            known = self.ended.setdefault(order.oid, order)
            assert (known.status, known.filled) == (order.status, order.filled), (known, order)
            self.resting.pop(order.oid, None)
        elif order.oid not in self.ended:
            self.resting[order.oid] = order

    def hear_fill(self, fill: Fill) -> None:
        assert self.fills.setdefault((fill.seq, fill.oid), fill) == fill

    async def listen(self, client: Client) -> None:
        """Write events down until the connection is lost; what came before it is all here."""
        async for event in client.events():
            match event:
                case OrderUpdate():
                    self.hear_order(event.order)
                case Fill():
                    self.hear_fill(event)
                case Disconnected():
                    return

    async def trade(self, client: Client, rng: random.Random) -> None:
        """Place, amend and cancel, crossing often, until the exchange does not answer any more.

        In bursts: so that the exchange is killed while it has something to do.
        """
        alive = True
        while alive:
            burst = [self._request(client, rng) for _ in range(rng.choice((1, 1, 2, 10)))]
            alive = all(await asyncio.gather(*burst))

    async def _request(self, client: Client, rng: random.Random) -> bool:
        """One request; whether it was answered."""
        act = rng.choices(
            (self._place, self._cancel, self._amend, self._wait_for_price, self._batch,
             self._cancel_all),
            (50, 20, 15, 8, 5, 2),
        )[0]  # fmt: skip
        try:
            await act(client, rng)
        except OrderRejected as refused:
            self.hear_order(refused.order)
        except RequestRefused as refused:
            # The edge knows these orders to be gone; the others come from risk and match.
            if refused.name != "ORDER_NOT_FOUND" and refused.code < 2000:
                raise
        except ClientError:
            return False
        return True

    def _terms(self, rng: random.Random) -> tuple[str, Decimal, Decimal, str]:
        """Symbol, a price near the market, a quantity above the least, a new client id."""
        symbol = rng.choice(list(SYMBOLS))
        middle, tick, lot = SYMBOLS[symbol]
        self.order_count += 1
        cid = f"{self.user}-{self.order_count}"
        self.sent[symbol, cid] = None
        return symbol, middle + tick * rng.randint(-6, 6), lot * rng.randint(2, 20), cid

    def _order(self, rng: random.Random) -> dict[str, Any]:
        """Arguments of an order of any kind."""
        symbol, price, qty, cid = self._terms(rng)
        order: dict[str, Any] = {
            "symbol": symbol, "side": rng.choice(("buy", "sell")), "qty": qty, "cid": cid,
            "reduce_only": rng.random() < 0.2,
            "stp": rng.choice((None, "none", "newest", "oldest", "both")),
        }  # fmt: skip
        kind = rng.random()
        if kind < 0.08:
            return order | {"kind": "market", "tif": rng.choice(("IOC", "FOK"))}
        if kind < 0.25:
            return order | {"price": price, "post_only": True, "reprice": rng.random() < 0.5}
        if kind < 0.35:  # later than any round ends
            return order | {"price": price, "tif": "GTD", "expire_s": int(time.time()) + 3600}
        return order | {
            "price": price, "tif": rng.choices(("GTC", "IOC", "FOK"), (8, 2, 1))[0],
        }  # fmt: skip

    async def _place(self, client: Client, rng: random.Random) -> None:
        order = await client.place(**self._order(rng))
        if not order.is_open:  # one that rests may have traded on since: the events tell
            self.hear_order(order)

    async def _batch(self, client: Client, rng: random.Random) -> None:
        answers = await client.place_batch([self._order(rng) for _ in range(rng.randint(1, 8))])
        for answer in answers:
            if isinstance(answer, OrderRejected):
                self.hear_order(answer.order)
            elif isinstance(answer, ClientError):
                raise answer
            elif not answer.is_open:
                self.hear_order(answer)

    async def _wait_for_price(self, client: Client, rng: random.Random) -> None:
        """A trigger on the last price, close enough to fire soon."""
        symbol, price, qty, cid = self._terms(rng)
        side = rng.choice(("buy", "sell"))
        terms: dict[str, Any] = {"cid": cid, "trigger_on": "last",
                                 "reduce_only": rng.random() < 0.5}  # fmt: skip
        tick = SYMBOLS[symbol][1]
        match rng.choice(("stop", "stop_limit", "take_profit", "trailing")):
            case "stop":
                order = await client.place_stop(symbol, side, qty, price, **terms)
            case "stop_limit":
                order = await client.place_stop(symbol, side, qty, price, price, **terms)
            case "take_profit":
                order = await client.place_take_profit(symbol, side, qty, price, **terms)
            case _:
                order = await client.place_trailing_stop(
                    symbol, side, qty, tick * rng.randint(1, 9), **terms
                )
        if not order.is_open:
            self.hear_order(order)

    async def _cancel(self, client: Client, rng: random.Random) -> None:
        if self.resting:
            order = rng.choice(list(self.resting.values()))
            target = order if rng.random() < 0.5 else order.cid
            self.hear_order(await client.cancel(target, symbol=order.symbol))

    async def _amend(self, client: Client, rng: random.Random) -> None:
        free = [
            o for oid, o in self.resting.items() if o.status == "resting" and oid not in self.busy
        ]
        if not free:
            return
        order = rng.choice(free)
        _, tick, lot = SYMBOLS[order.symbol]
        self.busy.add(order.oid)  # a client has one amendment of an order in flight
        try:
            amended = await client.amend(
                order,
                price=order.price + tick * rng.randint(-3, 3) if rng.random() < 0.5 else None,
                qty=max(lot, order.qty + lot * rng.randint(-9, 5)),
            )
        finally:
            self.busy.discard(order.oid)
        if not amended.is_open:
            self.hear_order(amended)

    async def _cancel_all(self, client: Client, rng: random.Random) -> None:
        symbol = rng.choice((None, *SYMBOLS))
        await client.cancel_all(symbol, scope=rng.choice(("all", "orders", "triggers")))


@dataclass
class Load:
    """Several witnesses, deposits and the public trades, on one data folder."""

    users: range
    rng: random.Random
    witnesses: dict[int, Witness] = field(default_factory=dict)
    deposits: dict[int, tuple[int, Decimal]] = field(default_factory=dict)  # by seq
    public: dict[int, Trade] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.witnesses = {user: Witness(user) for user in self.users}

    @property
    def fills_told(self) -> int:
        return sum(len(w.fills) for w in self.witnesses.values())

    async def fund(self, exchange: ExchangeProcess, amount: str) -> None:
        async with Admin(exchange.url, exchange.admin_token()) as admin:
            for user in self.users:
                await self._deposit(admin, user, Decimal(amount))

    async def _deposit(self, admin: Admin, user: int, amount: Decimal) -> None:
        told = await admin.deposit(user, amount)
        self.deposits[told.seq] = (user, amount)

    @contextlib.asynccontextmanager
    async def running(self, exchange: ExchangeProcess) -> AsyncIterator[None]:
        """Trade while the block runs, which must kill the exchange; what was told is then here."""
        async with contextlib.AsyncExitStack() as stack, asyncio.TaskGroup() as group:
            for witness in self.witnesses.values():
                client = await stack.enter_async_context(
                    Client(exchange.url, exchange.token(witness.user), timeout=2.0,
                           reconnect_attempts=1)
                )  # fmt: skip
                group.create_task(witness.listen(client))
                for _ in range(TASKS_PER_USER):
                    rng = random.Random(self.rng.random())
                    group.create_task(witness.trade(client, rng))
            group.create_task(self._deposit_often(exchange))
            group.create_task(self._watch(exchange))
            yield

    async def _deposit_often(self, exchange: ExchangeProcess) -> None:
        with contextlib.suppress(ClientError):
            async with Admin(exchange.url, exchange.admin_token(), timeout=2.0) as admin:
                while True:
                    user = self.rng.choice(self.users)
                    await self._deposit(admin, user, Decimal(self.rng.randint(1, 10**8)) / 10**6)
                    await asyncio.sleep(0.005)

    async def _watch(self, exchange: ExchangeProcess) -> None:
        """Public trades as the feed tells them; a gap is the end of the connection here."""
        with contextlib.suppress(ClientError):
            async with Client(exchange.url, timeout=2.0, reconnect_attempts=0) as client:
                async for event in client.market(list(SYMBOLS), "trades"):
                    if isinstance(event, Trade):
                        self.public[event.seq] = event
