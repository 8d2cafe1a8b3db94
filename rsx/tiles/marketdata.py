"""marketdata tile: shadow books, recent trades, the public feed.

Reads   wal_marketdata (every released record); the segment files when it was lapped
Writes  sockets of public subscribers, through its edge; marketdata_mark (BBO_UPDATE)
Owns    the shadow books, the recent trades, the public connections
On full (of wal_marketdata, which the wal never waits for): lapped; reads the log and goes on
On full marketdata_mark: skipped; what is newest then goes out in a later sweep (MK-7)
On slow readers: conflated, then closed; nobody waits (W-23)
Source  specs/marketdata.md; upholds INV-10, INV-14
"""

from __future__ import annotations

import asyncio
import socket
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import islice
from typing import Any, NamedTuple, Protocol

from rsx.config import Config, SymbolConfig
from rsx.core.async_tile import AsyncTile
from rsx.core.check import check
from rsx.core.clock import Clock
from rsx.core.ring import Ring
from rsx.errors import Reason, RequestError
from rsx.records import BBO_UPDATE, View, decode

NS_PER_MS = 1_000_000

# Records applied in one duty cycle (MD-10). All of them trades, encoded they stay below the
# default backlog bound of a reader that keeps up.
DRAIN_MAX = 2048

# Rhythm of heartbeats, slow-reader checks and the look for records left out (MD-5, MD-43).
SWEEP_NS = 100_000_000

# Trades kept for REST (MD-60).
TRADES_KEPT = 1000

# Check number: the log ended before the records that the ring left out.
LOG_SHORT = 1201

Level = tuple[int, int, int]  # px, qty, count
Trade = tuple[int, int, int, int, int, int]  # symbol_id, px, qty, taker_side, ts_ns, seq


class Book(NamedTuple):
    """One symbol's levels, best first, after the event `seq`."""

    bids: list[Level]
    asks: list[Level]
    ts_ns: int
    seq: int


class QueuePlace(NamedTuple):
    """Where a resting order stands at its price, after the event `seq` (MD-86)."""

    px: int
    qty_ahead: int
    orders_ahead: int
    remaining: int  # its own
    level_qty: int
    level_count: int
    seq: int


class Publisher(Protocol):
    """Where what changed goes: the public edge. Called on the tile's loop; never waits."""

    def start(self, loop: asyncio.AbstractEventLoop) -> None: ...
    def adopt(self, sock: socket.socket, head: bytes) -> None: ...
    def note(self, changed: Iterable[int], trades: Iterable[Trade]) -> None: ...
    def tell(self, views: Iterable[View]) -> None: ...
    def publish(self, now_ns: int) -> int: ...
    @property
    def next_due_ns(self) -> int: ...
    def sweep(self, now_ns: int) -> None: ...
    async def close(self) -> None: ...
    def counters(self) -> dict[str, int]: ...


class MarketData(AsyncTile):
    """Follows the released records and publishes what they change.

    Args    log_reader: (first_seq, last_seq) -> chunks of back-to-back logged records
            shadow: the books, `next_seq` being the first record that the ring may bring
            edge: the public feed; None = history and books only
            released: newest released number, any time; None = a gap shows only at the next record
            marketdata_mark: takes the best prices, None = nobody wants them
    Thread  its loop's
    """

    def __init__(
        self,
        config: Config,
        symbols: Sequence[SymbolConfig],
        clock: Clock,
        wal_marketdata: Ring,
        log_reader: Callable[[int, int], Iterator[bytes]],
        shadow: Any,
        edge: Publisher | None = None,
        released: Callable[[], int] | None = None,
        marketdata_mark: Ring | None = None,
    ):
        super().__init__("marketdata", [wal_marketdata])
        self.clock = clock
        self.shadow = shadow
        self._ring = wal_marketdata
        self._log_reader = log_reader
        self._edge = edge
        self._released = released
        self._best_ring = marketdata_mark
        self._best: dict[int, tuple[int, ...] | None] = {symbol.id: None for symbol in symbols}
        self._trades: dict[int, deque[Trade]] = {
            symbol.id: deque(maxlen=TRADES_KEPT) for symbol in symbols
        }
        self._missing: Iterator[bytes] | None = None  # records being read from the log
        self._missing_last = 0
        self._sweep_ns = 0
        self._running = False
        self._timer: asyncio.TimerHandle | None = None
        self._timer_ns = 0
        self._laps = 0
        self._reread = 0
        self._seen = 0

    def load(self, trades: Iterable[Trade], views: Iterable[View] = ()) -> None:
        """Put trades of the log into the history, oldest first; before the start.

        Args  views: settled rates and liquidations of the log, oldest first (MD-94)
        """
        for trade in trades:
            self._trades[trade[0]].append(trade)
        if self._edge is not None:
            self._edge.tell(views)

    async def on_start(self) -> None:
        if self._edge is not None:
            self._edge.start(self.loop)
        self._collect()
        self._running = True
        self._arm(self.clock.now_ns())

    def do_work(self) -> int:
        now_ns = self.clock.now_ns()
        work = self._advance()
        if now_ns >= self._sweep_ns:
            self._sweep_ns = now_ns + SWEEP_NS
            if not work:
                work = self._look_for_left_out()
            if self._edge is not None:
                self._edge.sweep(now_ns)
            if self._best_ring is not None:
                self._send_best(self._best_ring, now_ns)
        self._collect()
        if self._edge is not None:
            work += self._edge.publish(now_ns)
        self._arm(now_ns)
        return work

    # --- records ------------------------------------------------------------------------

    def _advance(self) -> int:
        """Apply records: the ring's, or those that the ring left out; returns how many."""
        if self._missing is not None:
            return self._read_missing()
        before = self.shadow.next_seq
        done: int = self.shadow.drain(self._ring, DRAIN_MAX)
        self._seen += done
        if done:
            return done
        head = self.shadow.gap(self._ring)
        if head > before:
            return self._begin_missing(head - 1)
        return 0

    def _look_for_left_out(self) -> int:
        """Find records that were left out with none after them (MD-5)."""
        if self._released is None or self._missing is not None:
            return 0
        last = self._released()  # before the look into the ring: MD-5
        if last < self.shadow.next_seq or self._ring.wait(0):
            return 0
        return self._begin_missing(last)

    def _begin_missing(self, last: int) -> int:
        """Lapped: go on with the log, up to and with number `last`."""
        self._laps += 1
        self._missing_last = last
        self._missing = self._log_reader(self.shadow.next_seq, last)
        return self._read_missing()

    def _read_missing(self) -> int:
        """Apply one chunk of the log; returns how many records, at least 1."""
        assert self._missing is not None
        before = self.shadow.next_seq
        chunk = next(self._missing, None)
        if chunk is not None:
            self.shadow.apply(chunk)
        done: int = self.shadow.next_seq - before
        self._reread += done
        if self.shadow.next_seq > self._missing_last:
            self._missing = None
        else:
            check(chunk is not None, LOG_SHORT, self.shadow.next_seq, self._missing_last)
        return max(done, 1)

    def _collect(self) -> None:
        """Take from the shadow what happened since the last time."""
        trades = self.shadow.take_trades()
        for trade in trades:
            self._trades[trade[0]].append(trade)
        changed = self.shadow.changed()
        notices = self.shadow.take_notices()
        if self._edge is not None:
            if changed or trades:
                self._edge.note(changed, trades)
            if notices:
                self._edge.tell(decode(record, crc=False) for record in notices)

    def _send_best(self, ring: Ring, now_ns: int) -> None:
        """Best prices that have changed since they were sent last, of whole requests (MK-7)."""
        for symbol_id, sent in self._best.items():
            bid_px, bid_qty, _, ask_px, ask_qty, _ = self.shadow.bbo(symbol_id)
            best = bid_px, bid_qty, ask_px, ask_qty
            if best == sent or not self.shadow.whole(symbol_id):
                continue
            record = BBO_UPDATE.pack(
                ts_ns=now_ns, bid_px=bid_px, bid_qty=bid_qty, ask_px=ask_px, ask_qty=ask_qty,
                symbol_id=symbol_id,
            )  # fmt: skip
            if ring.push(record):
                self._best[symbol_id] = best

    # --- for the gateway ----------------------------------------------------------------

    def adopt(self, sock: socket.socket, head: bytes) -> None:
        """Take over a public connection and the bytes that were read from it."""
        if self._edge is None:
            sock.close()
        else:
            self._edge.adopt(sock, head)

    def recent_trades(self, symbol_id: int, limit: int) -> list[Trade]:
        """The newest trades, newest first. Raises RequestError UNKNOWN_SYMBOL."""
        self._catch_up()
        return list(islice(reversed(self._history(symbol_id)), max(limit, 0)))

    def _catch_up(self) -> None:
        """Apply what has been released by now: who was told of an event finds it here."""
        last = self._released() if self._released is not None else 0
        while (self._advance() or self._look_for_left_out()) and self.shadow.next_seq <= last:
            self._collect()
        self._collect()

    def book_snapshot(self, symbol_id: int, depth: int) -> Book:
        """The best levels of both sides (MD-61). Raises RequestError UNKNOWN_SYMBOL."""
        self._history(symbol_id)
        self._catch_up()
        seq, ts_ns = self.shadow.last(symbol_id)
        bids = self.shadow.depth(symbol_id, 0, depth)
        return Book(bids, self.shadow.depth(symbol_id, 1, depth), ts_ns, seq)

    def queue_ahead(self, symbol_id: int, oid: int, user_id: int = 0) -> QueuePlace | None:
        """What lies ahead of a resting order; None when it does not rest, or not for user_id.

        Args    user_id: its owner; 0 = any
        Raises  RequestError UNKNOWN_SYMBOL
        """
        self._history(symbol_id)
        self._catch_up()
        place = self.shadow.queue_ahead(symbol_id, oid, user_id)
        return None if place is None else QueuePlace(*place)

    def _history(self, symbol_id: int) -> deque[Trade]:
        trades = self._trades.get(symbol_id)
        if trades is None:
            raise RequestError(Reason.UNKNOWN_SYMBOL, "symbol", symbol_id)
        return trades

    # --- time ---------------------------------------------------------------------------

    def _arm(self, now_ns: int) -> None:
        """Have a duty cycle when the next publication or sweep is due; not when stepped."""
        if not self._running:
            return
        due_ns = self._sweep_ns
        if self._edge is not None and self._edge.next_due_ns:
            due_ns = min(due_ns, self._edge.next_due_ns)
        if self._timer is not None:
            if self._timer_ns == due_ns:
                return
            self._timer.cancel()
        self._timer_ns = due_ns
        # Whole milliseconds, upwards: the loop rounds down, and would come too early.
        wait_ms = -(-max(due_ns - now_ns, 0) // NS_PER_MS)
        self._timer = self.loop.call_later(wait_ms / 1000, self._timer_fired)

    def _timer_fired(self) -> None:
        self._timer = None
        # Not armed means that the runner is at work and comes by itself.
        if self.doorbell.is_armed:
            self.doorbell.ring()

    async def on_close(self) -> None:
        self._running = False
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if self._edge is not None:
            await self._edge.close()

    def counters(self) -> dict[str, int]:
        own = {
            "marketdata_records": self._seen,
            "marketdata_laps": self._laps,
            "marketdata_reread": self._reread,
        }
        return own | (self._edge.counters() if self._edge is not None else {})
