"""mark tile: index and mark prices for risk.

Reads   nothing; its source makes the prices
Writes  mark_risk (MARK_UPDATE)
Owns    the source and the newest index price of every symbol
On full mark_risk: the update is skipped and counted; a newer one follows
Source  specs/mark.md
"""

from __future__ import annotations

import asyncio
import random
import secrets
from collections.abc import Iterable, Sequence
from typing import Protocol

from rsx.config import Config, SymbolConfig
from rsx.core.async_tile import AsyncTile
from rsx.core.clock import Clock
from rsx.core.ring import Ring
from rsx.records import MARK_UPDATE

PPM = 1_000_000
NS = 1_000_000_000

# Distance to the reference that one step takes back (MK-13).
REVERT_PPM = 20

# Bits of the walk's state below one price unit (MK-14).
FINE_BITS = 32

# The walk stays between reference / BAND and reference * BAND (MK-15).
BAND = 4

# Twelve uniform 16-bit integers: their sum has this mean, and a standard deviation of 2^16.
BELL_PARTS = 12
BELL_MEAN = BELL_PARTS * 0xFFFF // 2
BELL_BITS = 16


class Source(Protocol):
    """Where index prices come from. `prices` is called once a period, on the tile's thread."""

    @property
    def period_ns(self) -> int: ...

    def prices(self, now_ns: int) -> Iterable[tuple[int, int]]:
        """One (symbol_id, index_px) for every symbol that has a price now; px on tick, positive."""
        ...


class Walk:
    """Seeded random walk of one symbol's price, in integers.

    Args    symbol: id, tick, px_max, reference_px in price units; step_ppm: standard deviation
    Source  specs/mark.md section 2
    """

    def __init__(self, symbol: SymbolConfig, seed: int, step_ppm: int):
        self._random = random.Random(f"{seed}/{symbol.id}")
        self._tick = symbol.tick
        self._step_ppm = step_ppm
        low = max(-(-symbol.reference_px // BAND), symbol.tick)
        high = min(symbol.reference_px * BAND, symbol.px_max)
        # On tick, inwards, so that rounding what is sent cannot leave the band.
        self._low = -(-low // symbol.tick) * symbol.tick << FINE_BITS
        self._high = high // symbol.tick * symbol.tick << FINE_BITS
        self._reference = symbol.reference_px << FINE_BITS
        self._state = min(max(self._reference, self._low), self._high)

    @property
    def px(self) -> int:
        """The present price, rounded to the nearest tick."""
        step = self._tick << FINE_BITS
        return (self._state + step // 2) // step * self._tick

    def step(self) -> int:
        """Move once; returns the new price."""
        bell = self._bell()
        moved = self._state + self._state * self._step_ppm * bell // (PPM << BELL_BITS)
        moved += (self._reference - moved) * REVERT_PPM // PPM
        self._state = min(max(moved, self._low), self._high)
        return self.px

    def _bell(self) -> int:
        """A bell-shaped integer with mean 0 and standard deviation 2^16 (MK-12)."""
        bits = self._random.getrandbits(BELL_PARTS * BELL_BITS)
        total = 0
        for _ in range(BELL_PARTS):
            total += bits & 0xFFFF
            bits >>= BELL_BITS
        return total - BELL_MEAN


class SyntheticSource:
    """A walk per symbol; the first prices are the references."""

    def __init__(self, symbols: Sequence[SymbolConfig], seed: int, hz: int, step_ppm: int):
        self.period_ns = NS // hz
        self._walks = {symbol.id: Walk(symbol, seed, step_ppm) for symbol in symbols}
        self._started = False

    def prices(self, now_ns: int) -> list[tuple[int, int]]:
        if self._started:
            return [(symbol_id, walk.step()) for symbol_id, walk in self._walks.items()]
        self._started = True
        return [(symbol_id, walk.px) for symbol_id, walk in self._walks.items()]


class Mark(AsyncTile):
    """Pushes the source's prices to risk when they are due.

    Args    config: `mark` and `demo` sections; symbols: id, tick, px_max, reference_px
    Thread  its loop's, `index` from any
    """

    def __init__(
        self, config: Config, symbols: Sequence[SymbolConfig], clock: Clock, mark_risk: Ring
    ):
        super().__init__("mark", [])
        self.clock = clock
        self.seed: int = config.mark.seed or secrets.randbits(48)
        self._ring = mark_risk
        self._source: Source | None = None
        if config.mark_source == "synthetic":  # MK-1
            self._source = SyntheticSource(
                symbols, self.seed, config.mark.synthetic_hz, config.mark.synthetic_step_ppm
            )
        self._index: dict[int, int] = {}
        self._due_ns = 0
        self._running = False
        self._timer: asyncio.TimerHandle | None = None
        self._updates = 0
        self._skipped = 0

    @property
    def active(self) -> bool:
        """False when there is no feed; the tile need not be started then."""
        return self._source is not None

    def index(self, symbol_id: int) -> int | None:
        """The newest index price in price units; None before the first (MK-6)."""
        return self._index.get(symbol_id)

    async def on_start(self) -> None:
        self._running = self.active

    def do_work(self) -> int:
        source = self._source
        if source is None:
            return 0
        now_ns = self.clock.now_ns()
        if now_ns < self._due_ns:
            return 0
        late = now_ns - self._due_ns >= source.period_ns
        self._due_ns = (now_ns if late else self._due_ns) + source.period_ns
        count = 0
        for symbol_id, px in source.prices(now_ns):
            self._index[symbol_id] = px
            self._push(now_ns, symbol_id, px)
            count += 1
        self._arm(now_ns)
        return count

    def _push(self, now_ns: int, symbol_id: int, px: int) -> None:
        record = MARK_UPDATE.pack(ts_ns=now_ns, mark_px=px, index_px=px, symbol_id=symbol_id)
        if self._ring.push(record):
            self._updates += 1
        else:
            self._skipped += 1

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

    def counters(self) -> dict[str, int]:
        return {"mark_updates": self._updates, "mark_updates_skipped": self._skipped}
