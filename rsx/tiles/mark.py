"""mark tile: index and mark prices for risk.

Reads   marketdata_mark (BBO_UPDATE); the venues' sockets or files that the configuration names
Writes  mark_risk (MARK_UPDATE)
Owns    the sources, the basis and the newest prices of every symbol
On full mark_risk: the update is skipped and counted; a newer one follows
On stale: what is sent says so; nothing is made up
Source  specs/mark.md
"""

from __future__ import annotations

import asyncio
import logging
import secrets
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from rsx.config import Config, SymbolConfig
from rsx.core.async_tile import AsyncTile
from rsx.core.clock import Clock
from rsx.core.ring import Ring
from rsx.mark.connector import Connector, Waits
from rsx.mark.feeds import VenueFeed
from rsx.mark.index import NS, Index
from rsx.mark.pricing import NS_PER_MS, Last, Price, Pricing, Source, own_sources, venue_sources
from rsx.records import BBO_UPDATE, MARK_UPDATE, RECORD_SIZE

BOOKS_MAX = 256  # best prices taken in one duty cycle
OWN = ("synthetic", "csv")

Row = tuple[str, str, str, Mapping[str, str], int]

_log = logging.getLogger("rsx.mark")


class Mark(AsyncTile):
    """Pushes every symbol's prices to risk when they are due.

    Args    marketdata_mark: best own prices, None = marks are the index; lasts: prices of the log,
            by symbol id; waits: of the connections, None = as configured
    Raises  ConfigError for a file of prices that cannot be used
    Thread  its loop's; `index`, `troubles`, `metrics` from any
    """

    def __init__(
        self,
        config: Config,
        symbols: Sequence[SymbolConfig],
        clock: Clock,
        mark_risk: Ring,
        marketdata_mark: Ring | None = None,
        lasts: Mapping[int, Last] | None = None,
        waits: Waits | None = None,
    ):
        super().__init__("mark", [marketdata_mark] if marketdata_mark is not None else [])
        self.clock = clock
        self.seed: int = config.mark.seed or secrets.randbits(48)
        self.feeds: list[VenueFeed] = []
        self._names = {symbol.id: symbol.name for symbol in symbols}
        self._config = config.mark
        self._kind = config.mark_source
        self._ring = mark_risk
        self._books = marketdata_mark
        self._waits = waits or Waits(config.mark.silent_ms)
        self._indices: dict[int, Index] = {}
        self._venues = {
            symbol_id: [venue for venue, _, _ in prices.feeds]
            for symbol_id, prices in config.prices.items()
        }
        self._pricing: Pricing | None = None
        if self._kind != "last":  # MK-1
            self._pricing = Pricing(config.mark, symbols, self._sources(config, symbols, lasts),
                                    lasts)  # fmt: skip
        update_ns = config.mark.update_ms * NS_PER_MS
        self._period_ns = NS // config.mark.synthetic_hz if self._kind in OWN else update_ns
        self._tasks: list[asyncio.Task[None]] = []
        self._due_ns = 0
        self._running = False
        self._timer: asyncio.TimerHandle | None = None
        self._updates = 0
        self._skipped = 0
        self._stale = 0

    def _sources(
        self, config: Config, symbols: Sequence[SymbolConfig], lasts: Mapping[int, Last] | None
    ) -> Mapping[int, Source]:
        if self._kind in OWN:
            return own_sources(config, symbols, self.seed, lasts=lasts)
        now_ns = self.clock.now_ns()
        self._indices, self.feeds = venue_sources(config, symbols, now_ns, lasts)
        return self._indices

    @property
    def active(self) -> bool:
        """False when there is no feed; the tile need not be started then."""
        return self._pricing is not None

    def index(self, symbol_id: int) -> int | None:
        """The newest index price in price units; None before the first (MK-6)."""
        price = self._pricing.price(symbol_id) if self._pricing is not None else None
        return None if price is None else price.index_px

    async def on_start(self) -> None:
        self._running = self.active
        urls = {"binance": self._config.binance_url, "coinbase": self._config.coinbase_url}
        for feed in self.feeds:
            connector = Connector(
                feed, urls[feed.name], self.clock.now_ns, secrets.randbelow, self._waits
            )
            self._tasks.append(asyncio.create_task(connector.run(), name=feed.name))

    def do_work(self) -> int:
        pricing = self._pricing
        if pricing is None:
            return 0
        count = self._take_books(pricing)
        now_ns = self.clock.now_ns()
        if now_ns < self._due_ns:
            return count
        late = now_ns - self._due_ns >= self._period_ns
        self._due_ns = (now_ns if late else self._due_ns) + self._period_ns
        for price in pricing.update(now_ns):
            self._push(now_ns, price)
            count += 1
        self._watch(now_ns)
        self._arm(now_ns)
        return count

    def _take_books(self, pricing: Pricing) -> int:
        """Best own prices that have come; returns how many."""
        if self._books is None:
            return 0
        data = self._books.pop(BOOKS_MAX)
        for at in range(0, len(data), RECORD_SIZE):
            best = BBO_UPDATE.unpack(data, at)
            pricing.book(best.symbol_id, best.bid_px, best.ask_px)
        return len(data) // RECORD_SIZE

    def _push(self, now_ns: int, price: Price) -> None:
        record = MARK_UPDATE.pack(
            ts_ns=now_ns, mark_px=price.mark_px, index_px=price.index_px,
            source_ns=price.source_ns, symbol_id=price.symbol_id, sources=price.sources,
            state=price.state,
        )  # fmt: skip
        if self._ring.push(record):
            self._updates += 1
        else:
            self._skipped += 1
        self._stale += price.sources == 0

    def _watch(self, now_ns: int) -> None:
        """Raise and end alarms; a connector that failed by our fault fails the tile (T-13)."""
        for feed in self.feeds:
            if feed.watch(now_ns):
                _log.warning("%s", feed.trouble(now_ns) or f"{feed.name}: prices again")
        for task in self._tasks:
            if task.done() and self._running:
                task.result()

    def _arm(self, now_ns: int) -> None:
        """Have the doorbell rung when the next prices are due; a stepped tile has no timer."""
        if self._running:
            wait_s = max(self._due_ns - now_ns, 0) / NS
            self._timer = self.loop.call_later(wait_s, self._timer_fired)

    def _timer_fired(self) -> None:
        # Timers may fire a little early, and a manual clock may stand still: look again then.
        now_ns = self.clock.now_ns()
        if now_ns < self._due_ns:
            self._arm(now_ns)
        else:
            self.doorbell.ring()

    async def on_close(self) -> None:
        self._running = False
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        for task in self._tasks:
            task.cancel()
        if self._tasks:
            await asyncio.wait(self._tasks)
        self._tasks = []

    # --- for operators: any thread ----------------------------------------------------------

    def troubles(self, now_ns: int) -> tuple[list[str], list[str]]:
        """(why prices are not ready, what else is wrong), each a line (MK-61)."""
        if self._pricing is None or self._kind == "synthetic":
            return [], []
        missing = [
            f"{self._names[symbol_id]}: no fresh price for {max(now_ns - since_ns, 0) // NS} s"
            for symbol_id, since_ns in self._pricing.stale().items()
        ]
        alarms = [feed.trouble(now_ns) for feed in self.feeds]
        return missing, [text for text in alarms if text]

    def counters(self) -> dict[str, int]:
        return {
            "mark_updates": self._updates,
            "mark_updates_skipped": self._skipped,
            "mark_updates_stale": self._stale,
        }

    def metrics(self, now_ns: int) -> Iterator[Row]:
        """Rows of venues and indices, for /metrics (MK-62)."""
        for feed in self.feeds:
            yield from _venue_rows(feed, now_ns)
        for symbol_id, index in self._indices.items():
            labels = {"symbol": self._names[symbol_id]}
            age_ms = max(now_ns - index.made_ns, 0) // NS_PER_MS if index.made_ns else -1
            yield "rsx_mark_index_age_ms", "gauge", "Age of the index; -1 = none", labels, age_ms
            for venue, slot in zip(self._venues[symbol_id], index.slots, strict=True):
                age_ms = max(now_ns - slot.received_ns, 0) // NS_PER_MS if slot.px else -1
                text = "Age of a feed's newest price; -1 = none"
                yield "rsx_mark_feed_age_ms", "gauge", text, labels | {"venue": venue}, age_ms
            text = "Prices left out of the index as outliers"
            yield "rsx_mark_outliers", "counter", text, labels, index.cut_total
            text = "Updates that the largest step held back"
            yield "rsx_mark_limited", "counter", text, labels, index.limited_total


def _venue_rows(feed: VenueFeed, now_ns: int) -> Iterator[Row]:
    labels = {"venue": feed.name}
    age_ms = max(now_ns - feed.last_price_ns, 0) // NS_PER_MS if feed.last_price_ns else -1
    rows: tuple[tuple[str, str, str, Any], ...] = (
        ("connected", "gauge", "1 while connected", feed.is_connected),
        ("alarmed", "gauge", "1 while without a price for too long", feed.is_alarmed),
        ("age_ms", "gauge", "Age of the newest price; -1 = none", age_ms),
        ("messages", "counter", "Messages received", feed.messages),
        ("prices", "counter", "Prices that counted", feed.prices),
        ("connections", "counter", "Connections made", feed.connections),
        ("failures", "counter", "Connections that ended or could not be made", feed.failures),
        ("alarms", "counter", "Times it was without a price for too long", feed.alarms),
    )
    for name, kind, text, value in rows:
        yield f"rsx_mark_venue_{name}", kind, text, labels, int(value)
    for cause, count in feed.dropped.items():
        text = "Messages that were no price, by cause"
        yield "rsx_mark_venue_dropped", "counter", text, labels | {"cause": cause}, count
