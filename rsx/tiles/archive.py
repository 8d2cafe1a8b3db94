"""archive tile: follows the log into SQLite, answers questions of the past.

Reads   the log's files up to WalTile.durable, from its own position on; no ring
Writes  <data>/archive.db, a transaction for each batch; nothing of the exchange
Owns    both connections to the database, and the running state of the extractor
On a failure of any kind: everything is dropped, the file is opened anew after a pause; trading
goes on, /health warns. On full: does not apply; what it has not read waits in the log
Source  specs/archive.md; enforces AR-1 to AR-9
"""

from __future__ import annotations

import asyncio
import logging
import sqlite3
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

from rsx.core.async_tile import AsyncTile
from rsx.core.check import InvariantError
from rsx.core.clock import Clock
from rsx.errors import RsxError
from rsx.records import RECORD_SIZE
from rsx.store.extract import Extractor
from rsx.store.query import Query
from rsx.store.reader import Reader
from rsx.store.schema import ArchiveRefused
from rsx.store.writer import Place, Writer
from rsx.wal.follow import LogFollower, LogPruned

NS = 1_000_000_000
# Records given to the extractor before other threads may run (AR-9).
SLICE = 128
READ_RECORDS = 8192
RETRY_FIRST_S, RETRY_MAX_S = 0.1, 10.0
ASKED_MAX = 64
LAST_TURNS_S = 2.0
PRUNE_EVERY_NS = 60 * NS
EXPECTED = (sqlite3.Error, OSError, RsxError, InvariantError, ValueError)

_log = logging.getLogger("rsx.archive")

Seeds = Callable[[int], Any]


class Unavailable(Exception):
    """A question cannot be answered now; the message says why."""


class ArchiveTile(AsyncTile):
    """Args  options: the section [archive]; folder: of the log; path: of the database; durable:
    the number up to which the log may be read; exchange_id, money_decimals: of the log; seeds:
    `seeds(oldest)` gives a Seed with a number >= oldest - 1, or raises

    Attributes  written: newest number committed; trouble: why nothing is archived, "" = all well
    Thread: its loop's; `position`, `written`, `troubles` and `counters` from any.
    """

    Unavailable = Unavailable

    def __init__(
        self, options: Any, folder: Path, path: Path, clock: Clock, durable: Callable[[], int],
        exchange_id: int, money_decimals: int, seeds: Seeds,
    ):  # fmt: skip
        super().__init__("archive", [])
        self.options = options
        self.folder = folder
        self.path = path
        self.clock = clock
        self.durable = durable
        self.exchange_id = exchange_id
        self.money_decimals = money_decimals
        self.seeds = seeds
        self.writer = Writer(path)
        self.reader = Reader(path)
        self.extractor: Any = None
        self.follower: Any = None
        self.written = 0
        self.written_ns = 0
        self.kept = 0  # the number up to which it is durable (AR-3)
        self.checked_ns = 0
        self.pruned_ns = 0
        self.trouble = ""
        self.trouble_since_ns = 0
        self.batches = self.failures = self.queries = 0
        self.asked: set[asyncio.Task[None]] = set()
        self.task: asyncio.Task[None] | None = None
        self.stopping = False
        self.wake = asyncio.Event()

    # --- what others look at ------------------------------------------------------------------

    @property
    def position(self) -> int:
        """The log may go up to and with this number, as far as the archive goes (AR-8)."""
        most = self.options.lag_mib * ((1 << 20) // RECORD_SIZE)
        return max(self.kept, self.durable() - most)

    @property
    def lag(self) -> int:
        """Durable records that are not archived."""
        return max(0, self.durable() - self.written)

    def troubles(self, now_ns: int) -> list[str]:
        """Lines for an operator; [] = all is well."""
        if self.trouble:
            since = max(0, now_ns - self.trouble_since_ns) // NS
            return [f"archive: {self.trouble} (since {since} s, {self.lag:,} records behind)"]
        if self.lag and self.written_ns:
            behind = (now_ns - self.written_ns) // NS
            if behind > self.options.lag_warn_s and self.lag > self.options.batch_records:
                return [f"archive: {self.lag:,} records, {behind} s behind"]
        return []

    def health(self, now_ns: int) -> dict[str, Any]:
        """How it stands, for /health."""
        state = "failing" if self.trouble else "following" if self.reader.is_open else "starting"
        behind = (now_ns - self.written_ns) // 1_000_000 if self.lag and self.written_ns else 0
        return {
            "state": state, "seq": self.written, "durable_seq": self.kept,
            "lag_records": self.lag, "lag_ms": max(0, behind), "error": self.trouble or None,
        }  # fmt: skip

    def counters(self) -> dict[str, int]:
        return {
            "archive_written_seq": self.written, "archive_durable_seq": self.kept,
            "archive_lag": self.lag, "archive_batches": self.batches,
            "archive_failures": self.failures, "archive_queries": self.queries,
        }  # fmt: skip

    # --- life ---------------------------------------------------------------------------------

    async def on_start(self) -> None:
        self.task = asyncio.create_task(self._run())

    async def on_close(self) -> None:
        """Archive what is there, for a moment, then leave."""
        self.stopping = True
        self.wake.set()
        if self.task is not None:
            await asyncio.wait([self.task], timeout=LAST_TURNS_S + 1)
            self.task.cancel()
            await asyncio.wait([self.task], timeout=1)
        for asked in self.asked:
            asked.cancel()
        await self._close()

    async def _run(self) -> None:
        """Follow the log until told to stop; whatever fails is tried again (AR-7)."""
        pause = RETRY_FIRST_S
        while not self.stopping:
            try:
                await self.open()
                pause = RETRY_FIRST_S
                await self._follow()
            except asyncio.CancelledError:
                raise
            except Exception as error:
                self._note_failure(error)
                await self._close()
                await self._pause(pause)
                pause = min(pause * 2, RETRY_MAX_S)

    async def _follow(self) -> None:
        while not self.stopping:
            if not await self.turn():
                await self._when_idle()
                await self._pause(self.options.batch_ms / 1000)
        last = asyncio.get_running_loop().time() + LAST_TURNS_S
        while asyncio.get_running_loop().time() < last and await self.turn():
            pass
        await self.checkpoint()

    async def _pause(self, seconds: float) -> None:
        if not self.stopping:
            try:
                async with asyncio.timeout(seconds):
                    await self.wake.wait()
            except TimeoutError:
                return

    def _note_failure(self, error: Exception) -> None:
        self.failures += 1
        text = str(error) or type(error).__name__
        if not isinstance(error, EXPECTED):
            _log.exception("the archive failed")
            text = f"{type(error).__name__}: {text}"
        if not self.trouble:
            self.trouble_since_ns = self.clock.now_ns()
            _log.warning("archive: %s", text)
        self.trouble = text

    async def _close(self) -> None:
        self.extractor = self.follower = None
        for connection in (self.reader, self.writer):
            try:
                await connection.close()
            except (sqlite3.Error, ValueError) as error:
                _log.warning("archive: %s", error)

    # --- following ----------------------------------------------------------------------------

    async def open(self) -> None:
        """Open both connections and take up where the file ends (AR-4, AR-5).

        Raises ArchiveRefused, sqlite3.Error, OSError, LogPruned, LogDamaged
        """
        self.path.parent.mkdir(parents=True, exist_ok=True)
        await self.writer.open()
        if self.writer.place is None:
            await self._begin()
        await self._check()
        await self.reader.open()
        await self._take_up()

    async def _take_up(self) -> None:
        place: Any = self.writer.place
        books = await self.writer.books()
        self.extractor = Extractor(books, place.position + 1, place.exchange_id, place.epoch)
        self.follower = LogFollower(self.folder, place.position + 1, self.durable)
        self.written, self.written_ns = place.position, place.position_ns

    async def _begin(self) -> None:
        """A new file: from the first record, or from a state where that one is gone."""
        seed = None
        try:
            LogFollower(self.folder, 1).read(1)
        except LogPruned as pruned:
            seed = self.seeds(pruned.oldest_seq)
        seq = seed.seq if seed is not None else 0
        epoch = seed.epoch if seed is not None else 0
        place = Place(self.exchange_id, epoch, seq, 0, 0, seq + 1, seq + 1, self.money_decimals)
        await self.writer.begin(place, seed)

    async def _check(self) -> None:
        """AR-4: the file is of this very log."""
        place: Any = self.writer.place
        if place.exchange_id != self.exchange_id:
            raise ArchiveRefused(
                f"{self.path} is of exchange {place.exchange_id:x}, the log of "
                f"{self.exchange_id:x}: move it away, it is made anew"
            )
        if place.position > self.durable():
            raise ArchiveRefused(
                f"{self.path} goes up to {place.position:,}, the log up to {self.durable():,}: "
                "it is of another course of events; move it away, it is made anew"
            )
        if not place.position or not place.position_crc:
            return
        try:
            record = LogFollower(self.folder, place.position).read(1)
        except LogPruned:
            return
        crc = int.from_bytes(record[8:12], "little")
        if crc != place.position_crc:
            raise ArchiveRefused(
                f"{self.path}: record {place.position:,} was another one when it was archived: "
                "it is of another course of events; move it away, it is made anew"
            )

    async def turn(self) -> int:
        """Archive a batch; returns its records, 0 = there are none. Raises as open."""
        try:
            count = await self._feed()
        except LogPruned as pruned:
            await self._go_on_behind(pruned)
            return 1
        if not count:
            self.trouble = ""
            return 0
        await self.writer.write(self.extractor.take())
        place: Any = self.writer.place
        self.written, self.written_ns = place.position, place.position_ns
        self.batches += 1
        self.trouble = ""
        now_ns = self.clock.now_ns()
        if now_ns - self.checked_ns >= self.options.checkpoint_s * NS:
            await self.checkpoint()
        return int(count)

    async def _feed(self) -> int:
        """Give the extractor what there is, up to a batch, in small parts."""
        left = self.options.batch_records
        while left > 0:
            data = memoryview(self.follower.read(min(left, READ_RECORDS)))
            if not data:
                break
            for at in range(0, len(data), SLICE * RECORD_SIZE):
                self.extractor.feed(data[at : at + SLICE * RECORD_SIZE])
                await asyncio.sleep(0)
            left -= len(data) // RECORD_SIZE
        return self.options.batch_records - left

    async def _go_on_behind(self, pruned: LogPruned) -> None:
        """AR-6: what was pruned is a hole; a snapshot says how things stand behind it."""
        await self.writer.reseed(self.seeds(pruned.oldest_seq))
        await self._take_up()
        _log.warning("archive: records up to %d were pruned before they were archived",
                     pruned.oldest_seq - 1)  # fmt: skip

    async def checkpoint(self) -> None:
        """AR-3: make what is committed durable."""
        self.checked_ns = self.clock.now_ns()
        self.kept = await self.writer.checkpoint()

    async def _when_idle(self) -> None:
        now_ns = self.clock.now_ns()
        if self.kept < self.written and now_ns - self.checked_ns >= self.options.checkpoint_s * NS:
            await self.checkpoint()
        if self.options.keep_days and now_ns - self.pruned_ns >= PRUNE_EVERY_NS:
            gone = await self.writer.prune(now_ns - self.options.keep_days * 86_400 * NS)
            if not gone:
                self.pruned_ns = now_ns

    # --- questions ----------------------------------------------------------------------------

    def ask(self, work: Callable[[Reader], Coroutine[Any, Any, Any]], done: Any) -> None:
        """Answer on the loop; done(result, error) is called with one of them, the other None.

        Thread: its loop's. At most ASKED_MAX are under way (AR-33).
        """
        if self.trouble or not self.reader.is_open:
            done(
                None, Unavailable(f"the archive cannot answer: {self.trouble or 'it is starting'}")
            )
            return
        if len(self.asked) >= ASKED_MAX:
            done(None, Unavailable(f"{ASKED_MAX} questions to the archive are under way"))
            return
        task = asyncio.ensure_future(self._answer(work, done))
        self.asked.add(task)
        task.add_done_callback(self.asked.discard)

    async def _answer(self, work: Callable[[Reader], Coroutine[Any, Any, Any]], done: Any) -> None:
        self.queries += 1
        try:
            result = await work(self.reader)
        except asyncio.CancelledError:
            done(None, Unavailable("the archive is closing"))
            raise
        except (sqlite3.Error, ValueError, AttributeError) as error:
            done(None, Unavailable(f"the archive cannot answer: {error}"))
        except Exception as error:
            _log.exception("a question to the archive failed")
            done(None, error)
        else:
            done(result, None)

    def ask_order(self, user_id: int, oid: int, cid: str, symbol_id: int, done: Any) -> None:
        self.ask(lambda reader: reader.order(user_id, oid, cid, symbol_id), done)

    def ask_query(self, query: Query, done: Any) -> None:
        self.ask(lambda reader: reader.answer(query), done)
