"""Public market data: one connection per stream, sequence checks, local books.

A stream reads its socket only when it is iterated: what the reader can't take piles up at the
exchange, which conflates it (W-23). Per symbol and channel:

    waiting ──(first frame of the subscription)──▶ live ──(pu is not the last u)──▶ waiting

Frames that come while waiting and do not begin a subscription belong to the one before. The channel
of orders also begins anew while live, when the exchange has dropped changes for a slow reader.
Source: specs/client.md section 5.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from typing import Any

import aiohttp

from rsx.client.account_frames import STATES, public_liquidation, symbol_of_row
from rsx.client.book import LocalBook
from rsx.client.errors import NotConnected
from rsx.client.frames import change_of_row, level, mode_of_frame, refusal, trade_of_frame
from rsx.client.models import (
    Bbo,
    BookUpdate,
    Gap,
    MarketEvent,
    OrdersUpdate,
    RulesChanged,
    Symbol,
    Trade,
)
from rsx.client.orders_book import LocalOrders
from rsx.client.transport import SESSION_CODES, Backoff, Link, LinkLost, ws_url

log = logging.getLogger("rsx.client")

CHANNELS = {
    "bbo": 1, "book": 2, "trades": 4, "orders": 8, "mark": 16, "funding": 32, "liquidations": 64,
    "open_interest": 128,
}  # fmt: skip
DEFAULT_CHANNELS = ("bbo", "book", "trades")
FRAME_CHANNEL = {
    "BBO": "bbo", "B": "book", "D": "book", "T": "trades", "LS": "orders", "L": "orders",
    "LQ": "liquidations",
}  # fmt: skip
# The exchange keeps this many trades per symbol (wire.md section 5).
TRADES_KEPT = 1000

FetchTrades = Callable[[str, int], Awaitable[list[Trade]]]


class MarketStream(AsyncIterator[MarketEvent]):
    """Updates of one or more symbols. Iterate it from one task; leave it with `aclose`.

    Connects at the first iteration, reconnects for ever unless bounded. Cancelling an iteration,
    as `asyncio.wait_for` does, loses nothing.
    """

    def __init__(
        self,
        http: aiohttp.ClientSession,
        url: str,
        symbols: Sequence[Symbol],
        channels: Sequence[str],
        depth: int,
        fetch_trades: FetchTrades,
        backoff: Backoff,
        attempts_max: int | None,
        on_close: Callable[[MarketStream], None],
    ):
        self.gaps = 0
        self.reconnections = 0
        self.connected = False
        # Why and since when (time.monotonic) there is no connection; None while there is one.
        self.down: tuple[str, float] | None = None
        self._http = http
        self._url = ws_url(url, "/ws/public")
        self._symbols = {symbol.id: symbol for symbol in symbols}
        self._channels = [name for name in CHANNELS if name in channels]
        self._depth = depth
        self._fetch_trades = fetch_trades
        self._backoff = backoff
        self._attempts_max = attempts_max
        self._on_close = on_close
        self._link: Link | None = None
        self._frame: tuple[str, list[Any]] | None = None
        self._wait_s = 0.0
        self._was_connected = False
        self._closed = False
        self._ready: deque[MarketEvent] = deque()
        self._books = {symbol.id: LocalBook(symbol, depth) for symbol in symbols}
        self._orders = {symbol.id: LocalOrders(symbol) for symbol in symbols}
        self._modes = {symbol.id: symbol.mode for symbol in symbols}
        # Symbols whose snapshot of orders is still coming, in parts.
        self._partial: set[int] = set()
        # Last `u` per symbol and channel; None while waiting for a subscription to begin.
        self._last: dict[tuple[int, str], int | None] = {}
        self._last_trade: dict[int, int] = {}
        # Channels whose loss has not been reported yet, with the reason.
        self._lost: dict[tuple[int, str], str] = {}

    def book(self, symbol: str) -> LocalBook:
        """The local book of a symbol; empty until its first snapshot."""
        return next(b for b in self._books.values() if b.symbol.name == symbol)

    def orders(self, symbol: str) -> LocalOrders:
        """The local orders of a symbol; empty until its first snapshot."""
        return next(o for o in self._orders.values() if o.symbol.name == symbol)

    def mode(self, symbol: str) -> str:
        """The trading mode of a symbol, as told last."""
        return next(self._modes[s.id] for s in self._symbols.values() if s.name == symbol)

    def __aiter__(self) -> MarketStream:
        return self

    async def __anext__(self) -> MarketEvent:
        """Next update.

        Raises  NotConnected when attempts are bounded and used up; RequestRefused if the
                exchange refuses the subscription
        """
        while not self._ready:
            if self._closed:
                raise StopAsyncIteration
            try:
                if self._link is None:
                    await self._connect()
                    continue
                if self._frame is None:
                    self._frame = await self._link.receive()
                # Kept until it is done with: the iteration may be cancelled half way.
                await self._on_frame(self._link, *self._frame)
                self._frame = None
            except LinkLost as lost:
                if self._closed:
                    raise StopAsyncIteration from None
                await self._on_lost(lost)
        return self._ready.popleft()

    async def aclose(self) -> None:
        """Close the connection; the iteration ends."""
        self._closed = True
        self._on_close(self)
        await self._drop_link()

    async def __aenter__(self) -> MarketStream:
        return self

    async def __aexit__(self, *exc: object) -> None:
        await self.aclose()

    # --- connection ---

    async def _connect(self) -> None:
        if self._attempts_max is not None and self._backoff.attempts > self._attempts_max:
            raise NotConnected(f"gave up after {self._attempts_max} attempts: {self._url}")
        if self._wait_s:
            await asyncio.sleep(self._wait_s)
            self._wait_s = 0.0
        link = await Link.connect(self._http, self._url)
        self._link = link
        mask = sum(CHANNELS[name] for name in self._channels)
        for sym in self._symbols:
            for name in self._channels:
                self._last[sym, name] = None
                if self._was_connected:
                    self._lost[sym, name] = "reconnected"
            await link.send("S", [sym, mask, self._depth])
        self.reconnections += self._was_connected
        self._was_connected = self.connected = True

    async def _on_lost(self, lost: LinkLost) -> None:
        log.info("market data connection lost: %s", lost)
        self.down = self.down or (lost.reason, time.monotonic())
        await self._drop_link()
        self._wait_s = self._backoff.next()

    async def _drop_link(self) -> None:
        link, self._link = self._link, None
        self.connected = False
        self._frame = None
        if link is not None:
            await link.close()

    def __del__(self) -> None:
        # A loop that was left by `break` drops its iterator without a word.
        if self._link is not None:
            self._link.close_soon()

    async def _resubscribe(self, link: Link, sym: int, channel: str) -> None:
        mask = CHANNELS[channel]
        await link.send("X", [sym, mask])
        await link.send("S", [sym, mask, self._depth])
        self.gaps += 1
        self._last[sym, channel] = None
        self._lost[sym, channel] = "gap"

    # --- frames ---

    async def _on_frame(self, link: Link, key: str, fields: list[Any]) -> None:
        if key == "E":
            refused = refusal(fields)
            if refused.code not in SESSION_CODES:
                raise refused
        if key == "MO":
            self._on_mode(fields)
        if key == "SC":
            self._on_rules(fields)
        if key in STATES and (known := self._symbols.get(fields[0])) is not None:
            self._ready.append(STATES[key](fields, known))
        channel = FRAME_CHANNEL.get(key)
        if channel is None or fields[0] not in self._symbols:
            return
        self._backoff.reset()
        self.down = None
        sym = fields[0]
        last = self._last.get((sym, channel))
        begins = self._begins(key, fields, last)
        if not begins:
            if last is None:
                return
            if fields[-1] != last:
                await self._resubscribe(link, sym, channel)
                return
        elif channel == "orders" and last is not None:
            self._lost[sym, channel] = "behind"
        if (sym, channel) in self._lost:
            await self._report_gap(sym, channel, fields)
        self._last[sym, channel] = fields[-1] if key == "B" else fields[-2]
        if key == "T":
            self._on_trade(fields)
        elif key == "BBO":
            self._on_bbo(fields)
        elif key == "LQ":
            self._ready.append(public_liquidation(fields, self._symbols[sym]))
        elif channel == "orders":
            self._on_orders(key == "LS", fields)
        else:
            self._on_book(key == "B", fields)

    def _begins(self, key: str, fields: list[Any], last: int | None) -> bool:
        """Whether a frame does not go on from one before it."""
        if key == "LS":
            # While waiting, a later snapshot of the subscription before may still come.
            return fields[1] == 0 and (fields[-1] == 0 or last is not None)
        return key == "B" or (key in ("BBO", "T", "LQ") and fields[-1] == 0)

    async def _report_gap(self, sym: int, channel: str, fields: list[Any]) -> None:
        symbol = self._symbols[sym]
        missed: list[Trade] = []
        complete = True
        if channel == "trades" and sym in self._last_trade:
            # Raises LinkLost: then the gap stays on record and is reported after all.
            recent = await self._fetch_trades(symbol.name, TRADES_KEPT)
            since = self._last_trade[sym]
            complete = len(recent) < TRADES_KEPT or recent[-1].seq <= since
            missed = [t for t in reversed(recent) if since < t.seq < fields[5]]
        reason = self._lost.pop((sym, channel))
        self._ready.append(
            Gap(symbol=symbol.name, channel=channel, reason=reason, complete=complete)
        )
        self._ready.extend(missed)

    def _on_trade(self, fields: list[Any]) -> None:
        self._last_trade[fields[0]] = fields[5]
        self._ready.append(trade_of_frame(fields, self._symbols[fields[0]]))

    def _on_bbo(self, fields: list[Any]) -> None:
        symbol = self._symbols[fields[0]]
        bid, ask = fields[1:4], fields[4:7]
        self._ready.append(
            Bbo(
                symbol=symbol.name,
                bid=level(symbol, bid) if bid[1] else None,
                ask=level(symbol, ask) if ask[1] else None,
                ts_ns=fields[7],
                seq=fields[8],
            )
        )

    def _on_book(self, snapshot: bool, fields: list[Any]) -> None:
        sym, bids, asks, ts_ns, seq = fields[:5]
        book = self._books[sym]
        if snapshot:
            book.snapshot(bids, asks, ts_ns, seq)
        else:
            book.delta(bids, asks, ts_ns, seq)
        symbol = self._symbols[sym]
        self._ready.append(
            BookUpdate(
                symbol=symbol.name,
                book=book,
                bids=[level(symbol, row) for row in bids],
                asks=[level(symbol, row) for row in asks],
                snapshot=snapshot,
                ts_ns=ts_ns,
                seq=seq,
            )
        )

    def _on_orders(self, snapshot: bool, fields: list[Any]) -> None:
        sym, symbol = fields[0], self._symbols[fields[0]]
        orders = self._orders[sym]
        orders.seq = fields[-2]
        changes = []
        if snapshot:
            part, ends, rows = fields[1:4]
            if part == 0:
                orders.clear()
                self._partial.add(sym)
            for oid, side, px, remaining in rows:
                orders.rest(oid, side, px, remaining)
            if ends:
                self._partial.discard(sym)
        else:
            for row in fields[1]:
                _apply(orders, row)
            changes = [change_of_row(row, symbol) for row in fields[1]]
        if sym not in self._partial:
            self._ready.append(
                OrdersUpdate(
                    symbol=symbol.name,
                    orders=orders,
                    changes=changes,
                    snapshot=snapshot,
                    seq=orders.seq,
                )
            )

    def _on_rules(self, fields: list[Any]) -> None:
        row, ts_ns, seq = fields[:3]
        before = self._symbols.get(row[0])
        if before is not None:
            symbol = symbol_of_row(row, before.money_decimals)
            if symbol.version > before.version:
                self._symbols[symbol.id] = symbol
                self._ready.append(RulesChanged(symbol=symbol, ts_ns=ts_ns, seq=seq))

    def _on_mode(self, fields: list[Any]) -> None:
        symbol = self._symbols.get(fields[0])
        if symbol is None:
            return
        event = mode_of_frame(fields, symbol)
        if event.mode != self._modes[symbol.id]:
            self._modes[symbol.id] = event.mode
            self._ready.append(event)


RESTED, MOVED, LEAVING = 0, 5, (3, 6)


def _apply(orders: LocalOrders, row: list[int]) -> None:
    """One row of `L` (W-25)."""
    kind, oid, side, px, _, remaining = row[:6]
    if kind in (RESTED, MOVED):
        orders.rest(oid, side, px, remaining)
    elif kind in LEAVING:
        orders.remove(oid)
    else:
        orders.keep(oid, remaining)
