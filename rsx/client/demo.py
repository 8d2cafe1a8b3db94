"""The demo market: a maker and takers that trade through the ordinary client path.

    demo = Demo(config.demo, url, config.symbols, mint, index=mark.index_px)
    task = asyncio.create_task(demo.run())
    ...
    await demo.stop()

Runs on the event loop it is started on. Never makes up a price, and a refusal never stops it.
Source: specs/demo.md.
"""

from __future__ import annotations

import asyncio
import logging
import random
from collections.abc import Awaitable, Callable, Sequence
from contextlib import AsyncExitStack
from decimal import Decimal
from typing import Any, Protocol

from rsx.client.admin import Admin
from rsx.client.client import Client
from rsx.client.errors import AuthenticationFailed, ClientError
from rsx.client.maker import Index, Maker, Market, Troubles
from rsx.client.takers import Taker
from rsx.client.transport import Backoff

log = logging.getLogger("rsx.demo")

ADMIN_USER = 4_294_000_000
MAKER_USER = 4_294_000_001
TAKERS = 3
MAKER_TARGET = 10_000_000
TAKER_TARGET = 1_000_000
STOP_S = 2.0
# One basis point a second, like the default of the synthetic index.
WALK_PPM = 120

Mint = Callable[[int, str | None], str]
Deposit = Callable[[int, Decimal], Awaitable[Any]]


class Settings(Protocol):
    """The [demo] table of config.toml."""

    @property
    def levels(self) -> int: ...
    @property
    def requote_s(self) -> float: ...
    @property
    def trades_per_second(self) -> float: ...


class Walk:
    """An index of its own, where the caller has none: a seeded walk from the reference price."""

    def __init__(self, markets: Sequence[Market], rng: random.Random):
        self._prices = {market.id: market.reference_px for market in markets}
        self._ticks = {market.id: market.tick for market in markets}
        self._rng = rng

    def __call__(self, symbol_id: int) -> int | None:
        return self._prices.get(symbol_id)

    def step(self) -> None:
        """Move every price once."""
        for symbol_id, px in self._prices.items():
            moved = px + px * round(self._rng.gauss(0.0, WALK_PPM)) // 1_000_000
            self._prices[symbol_id] = max(moved, self._ticks[symbol_id])


class Demo:
    """The demo's accounts.

    Args  settings: the [demo] table; url: of the exchange; symbols: config.symbols;
          mint: makes a token for (user, role); deposit: pays a Decimal into an account, or an
          Admin, or None to use the REST call with a minted admin token;
          index: integer price by symbol id, 0 or None while missing; None = a walk of its own;
          seed: of sizes, sides and the walk; 0 draws one
    """

    def __init__(
        self,
        settings: Settings,
        url: str,
        symbols: Sequence[Market],
        mint: Mint,
        deposit: Deposit | Admin | None = None,
        index: Index | None = None,
        seed: int = 0,
    ):
        self.settings = settings
        self.url = url
        self.symbols = symbols
        self.troubles = Troubles()
        self.maker: Maker | None = None
        self.takers: list[Taker] = []
        self._mint = mint
        self._deposit = deposit
        self._rng = random.Random(seed or None)
        self._walk = Walk(symbols, self._rng) if index is None else None
        self._index: Index = index or self._walk  # type: ignore[assignment]
        self._stopping = asyncio.Event()
        self._ended = asyncio.Event()
        self._ended.set()

    async def run(self) -> None:
        """Trade until stopped or cancelled. Raises only what is a mistake in this program."""
        self._ended.clear()
        work = asyncio.ensure_future(self._trade())
        stopping = asyncio.ensure_future(self._stopping.wait())
        try:
            await asyncio.wait([work, stopping], return_when=asyncio.FIRST_COMPLETED)
        finally:
            stopping.cancel()
            work.cancel()
            await asyncio.wait([work])
            self._ended.set()
        if not work.cancelled():
            self._report(work.exception())

    async def stop(self) -> None:
        """Cancel the quotes, close the connections, end `run`. Takes 2 s at most."""
        self._stopping.set()
        await self._ended.wait()

    def _report(self, error: BaseException | None) -> None:
        if isinstance(error, ClientError):
            log.error("the demo has stopped: %s", error)
        elif error is not None:
            raise error

    async def _trade(self) -> None:
        async with AsyncExitStack() as clients:
            users = [MAKER_USER, *range(MAKER_USER + 1, MAKER_USER + 1 + TAKERS)]
            connected = [await self._connect(clients, user) for user in users]
            for user, client in zip(users, connected, strict=True):
                await self._fund(user, client)
            shared = (self.symbols, self._index)
            self.maker = Maker(
                connected[0], *shared, self.settings.levels, self._rng, self.troubles
            )
            self.takers = [
                Taker(client, *shared, self._rng, self.troubles) for client in connected[1:]
            ]
            rate = self.settings.trades_per_second / len(self.takers)
            try:
                async with asyncio.TaskGroup() as tasks:
                    tasks.create_task(self.maker.run(self.settings.requote_s))
                    for taker in self.takers:
                        tasks.create_task(taker.run(rate))
                    if self._walk is not None:
                        tasks.create_task(self._move(self._walk))
            except BaseExceptionGroup as errors:
                raise errors.exceptions[0] from None
            finally:
                await self._withdraw(self.maker)

    async def _move(self, walk: Walk) -> None:
        while True:
            await asyncio.sleep(1.0)
            walk.step()

    async def _connect(self, clients: AsyncExitStack, user: int) -> Client:
        backoff = Backoff()
        while True:
            # A token is minted for each connection: these accounts outlive any token.
            client = Client(self.url, lambda: self._mint(user, None), event_buffer=1)
            try:
                return await clients.enter_async_context(client)
            except AuthenticationFailed:
                raise
            except ClientError as error:
                self.troubles.note("demo", error)
                await asyncio.sleep(backoff.next())

    async def _fund(self, user: int, client: Client) -> None:
        """Fill a poor account up (DM-1)."""
        target = Decimal(MAKER_TARGET if user == MAKER_USER else TAKER_TARGET)
        try:
            available = (await client.account()).available
            if available * 2 >= target:
                return
            await self._pay(user, target - max(available, Decimal(0)))
        except ClientError as error:
            self.troubles.note("demo", error)

    async def _pay(self, user: int, amount: Decimal) -> None:
        if callable(self._deposit):
            await self._deposit(user, amount)
        elif self._deposit is not None:
            await self._deposit.deposit(user, amount)
        else:
            async with Admin(self.url, lambda: self._mint(ADMIN_USER, "admin")) as admin:
                await admin.deposit(user, amount)

    async def _withdraw(self, maker: Maker) -> None:
        """Take the quotes and stops away while the connections are still there (DM-11)."""
        try:
            async with asyncio.timeout(STOP_S):
                await maker.cancel_all()
                for taker in self.takers:
                    await taker.cancel_all()
        except (ClientError, TimeoutError) as error:
            log.info("quotes were left in the book: %s", error)
