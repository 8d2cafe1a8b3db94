"""Mark and index of every symbol at any time that is given: what the tile sends.

    read index -> (live) average the basis, add it -> Price
               -> (none) the last prices again, stale, now and every second

Source: specs/mark.md sections 1, 6, 7.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple, Protocol

from rsx.config import Config, Prices, SymbolConfig
from rsx.config import Mark as MarkConfig
from rsx.errors import ConfigError
from rsx.mark.bars import Replay, read_bars
from rsx.mark.basis import Basis
from rsx.mark.feeds import Target, VenueFeed
from rsx.mark.index import NS, Index, IndexRules, Reading, rounded
from rsx.mark.venues import VENUES, Ask
from rsx.mark.walk import Walk, Walker
from rsx.records import MarkState

NS_PER_MS = 1_000_000
STALE_EVERY_NS = NS


class Source(Protocol):
    """Where one symbol's index comes from."""

    def read(self, now_ns: int) -> Reading:
        """The index of now; sources 0 when there is none."""
        ...


class Price(NamedTuple):
    """What one MARK_UPDATE says; prices in price units, never 0."""

    symbol_id: int
    mark_px: int
    index_px: int
    source_ns: int
    sources: int
    state: MarkState


class Last(NamedTuple):
    """A symbol's last prices in the log (MK-8)."""

    mark_px: int
    index_px: int
    ts_ns: int


class _Symbol:
    """One symbol: its source, its basis, its best own prices, what was last said of it."""

    def __init__(self, symbol: SymbolConfig, rules: MarkConfig, source: Source, last: Last | None):
        self.id = symbol.id
        self.px_max = symbol.px_max
        self.source = source
        self.price: Price | None = None
        initial_px = 0
        if last is not None and last.index_px > 0:
            initial_px = last.mark_px - last.index_px
            self.price = Price(symbol.id, last.mark_px, last.index_px, 0, 0, MarkState.STALE)
        self.basis = Basis(rules.basis_window_s, rules.basis_max_ppm, initial_px)
        self.bid_px = 0
        self.ask_px = 0
        self.stale_due_ns = 0
        self.stale_since_ns: int | None = None  # None: there is an index

    def update(self, now_ns: int) -> Price | None:
        """What is to be said now, if anything."""
        reading = self.source.read(now_ns)
        if reading.sources == 0:
            return self._stale(now_ns)
        basis = self.basis.update(reading.fine, self.bid_px, self.ask_px, now_ns)
        mark_px = min(max(rounded(reading.fine + basis), 1), self.px_max)
        self.stale_since_ns, self.stale_due_ns = None, 0
        self.price = Price(
            self.id, mark_px, rounded(reading.fine), reading.source_ns, reading.sources,
            MarkState.LIVE,
        )  # fmt: skip
        return self.price

    def _stale(self, now_ns: int) -> Price | None:
        self.basis.hold()
        if self.stale_since_ns is None:
            self.stale_since_ns = now_ns
        if self.price is None or now_ns < self.stale_due_ns:
            return None
        self.stale_due_ns = now_ns + STALE_EVERY_NS
        self.price = self.price._replace(sources=0, state=MarkState.STALE)
        return self.price


class Pricing:
    """All symbols.

    Args    sources: one for each symbol, by id; lasts: from the log, by symbol id
    """

    def __init__(
        self,
        rules: MarkConfig,
        symbols: Sequence[SymbolConfig],
        sources: Mapping[int, Source],
        lasts: Mapping[int, Last] | None = None,
    ):
        lasts = lasts or {}
        self._symbols = {s.id: _Symbol(s, rules, sources[s.id], lasts.get(s.id)) for s in symbols}

    def book(self, symbol_id: int, bid_px: int, ask_px: int) -> None:
        """Best own prices from now on, 0 = none; a symbol that is not here is nobody's."""
        symbol = self._symbols.get(symbol_id)
        if symbol is not None:
            symbol.bid_px, symbol.ask_px = bid_px, ask_px

    def update(self, now_ns: int) -> list[Price]:
        """Make the prices of now; those that are to be sent, by symbol."""
        made = [symbol.update(now_ns) for symbol in self._symbols.values()]
        return [price for price in made if price is not None]

    def price(self, symbol_id: int) -> Price | None:
        """The newest price of a symbol; None before the first."""
        return self._symbols[symbol_id].price

    def stale(self) -> dict[int, int]:
        """Symbols without an index at the last update: since when, by id."""
        pairs = ((s.id, s.stale_since_ns) for s in self._symbols.values())
        return {symbol_id: since for symbol_id, since in pairs if since is not None}


def index_rules(rules: MarkConfig) -> IndexRules:
    return IndexRules(
        fresh_ns=rules.fresh_ms * NS_PER_MS, far_times=rules.far_times,
        outlier_ppm=rules.outlier_ppm, step_ppm_per_s=rules.step_ppm_per_s,
        min_sources=rules.min_sources,
    )  # fmt: skip


def _last_index(lasts: Mapping[int, Last] | None, symbol_id: int) -> int | None:
    """A symbol's last index in the log, if it had one."""
    last = (lasts or {}).get(symbol_id)
    return last.index_px if last is not None and last.index_px > 0 else None


def own_sources(
    config: Config,
    symbols: Iterable[SymbolConfig],
    seed: int,
    start_ns: int | None = None,
    lasts: Mapping[int, Last] | None = None,
) -> dict[int, Source]:
    """Walks, and with "csv" files (sections 2, 3).

    Args    start_ns: when the files begin; None = at the first update; lasts: where walks go on
    Raises  ConfigError for a file that cannot be used
    """
    rules = config.mark
    sources: dict[int, Source] = {}
    for symbol in symbols:
        prices = config.prices.get(symbol.id, Prices())
        if config.mark_source == "csv" and prices.csv:
            try:
                bars = read_bars(prices.csv, symbol.price_decimals, symbol.px_max)
            except ConfigError as error:
                raise ConfigError(f"symbols.{symbol.name}.csv: {error}") from None
            fresh_ns = rules.fresh_ms * NS_PER_MS
            sources[symbol.id] = Replay(bars, rules.csv_speed, fresh_ns, start_ns)
        else:
            start_px = _last_index(lasts, symbol.id)
            sources[symbol.id] = Walker(Walk(symbol, seed, rules.synthetic_step_ppm, start_px))
    return sources


def venue_sources(
    config: Config,
    symbols: Iterable[SymbolConfig],
    now_ns: int,
    lasts: Mapping[int, Last] | None = None,
) -> tuple[dict[int, Index], list[VenueFeed]]:
    """An index for each symbol, and the venues that feed them."""
    rules, lasts = index_rules(config.mark), lasts or {}
    indices: dict[int, Index] = {}
    feeds: dict[str, VenueFeed] = {}
    for symbol in symbols:
        last = lasts.get(symbol.id)
        seed = (last.index_px, last.ts_ns) if last is not None and last.index_px > 0 else None
        wanted = config.prices.get(symbol.id, Prices()).feeds
        index = Index(rules, len(wanted), symbol.px_max, symbol.reference_px, seed)
        indices[symbol.id] = index
        for place, (venue, product, stream) in enumerate(wanted):
            if venue not in feeds:
                alarm_ns = config.mark.alarm_s * NS
                feeds[venue] = VenueFeed(VENUES[venue], alarm_ns, now_ns)
            target = Target(index, place, symbol.price_decimals)
            feeds[venue].add(Ask(product, stream), target)
    return indices, list(feeds.values())
