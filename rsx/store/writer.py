"""The writing side of the archive: one connection, one transaction a batch.

    open -> write(batch) ... -> checkpoint now and then -> close

Whatever fails raises sqlite3.Error with the transaction rolled back; the caller opens anew
(AR-7). Thread: aiosqlite gives the connection one of its own. Source: specs/archive.md section 1.
"""

from __future__ import annotations

import sqlite3
from dataclasses import dataclass
from dataclasses import replace as _replace
from pathlib import Path
from typing import Any

from rsx.store.books import Books
from rsx.store.candles import rows_of
from rsx.store.connect import connect
from rsx.store.query import UNKNOWN_END
from rsx.store.schema import ArchiveRefused, migrate
from rsx.store.seed import oid_at

CACHE_KIB = 65_536
LOCK_WAIT_S = 1.0
PRUNED_ROWS = 5000

UPDATE_ORDER = (
    "UPDATE orders SET px = coalesce(?, px), qty = coalesce(?, qty), cut = cut * ? + ?,"
    " filled = filled + ?, status = coalesce(?, status), reason = ?,"
    " fired_px = coalesce(?, fired_px), notional = notional + ?, fee = fee + ?,"
    " profit = profit + ?, amends = amends + ?, ts_ns = ?, last_seq = ?, ended_ns = ?"
    " WHERE oid = ?"
)
UPSERT_CANDLE = (
    "INSERT INTO candles VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
    " ON CONFLICT DO UPDATE SET high = max(high, excluded.high), low = min(low, excluded.low),"
    " close = excluded.close, volume = volume + excluded.volume,"
    " quote_high = quote_high + excluded.quote_high"
    " + (quote_low + excluded.quote_low) / 1000000000000,"
    " quote_low = (quote_low + excluded.quote_low) % 1000000000000,"
    " trades = trades + excluded.trades, buy_volume = buy_volume + excluded.buy_volume,"
    " buy_quote_high = buy_quote_high + excluded.buy_quote_high"
    " + (buy_quote_low + excluded.buy_quote_low) / 1000000000000,"
    " buy_quote_low = (buy_quote_low + excluded.buy_quote_low) % 1000000000000"
)
UPSERT_CLOCK = (
    "INSERT INTO clock VALUES (?, ?, ?) ON CONFLICT DO UPDATE SET"
    " first_seq = min(first_seq, excluded.first_seq), last_seq = max(last_seq, excluded.last_seq)"
)
RATE_DONE = (
    "UPDATE funding_rates SET payments = ?, paid = ?, received = ?, residue = ?"
    " WHERE symbol_id = ? AND interval_id = ?"
)


def insert(table: str, columns: int) -> str:
    return f"INSERT INTO {table} VALUES ({', '.join('?' * columns)})"


def replace(table: str, columns: int) -> str:
    return f"INSERT OR REPLACE INTO {table} VALUES ({', '.join('?' * columns)})"


# Of a row of `orders` the columns that every order has, and all.
PLAIN_COLUMNS, ORDER_COLUMNS = 22, 30
PLAIN_ORDER = (
    "INSERT INTO orders (oid, user_id, symbol_id, seq, cid, side, kind, tif, flags, stp, px, qty,"
    " filled, status, reason, notional, fee, profit, placed_ns, ts_ns, last_seq, ended_ns)"
    f" VALUES ({', '.join('?' * PLAIN_COLUMNS)})"
)
# Rows behind a number, in the order of the table that they go to: one statement each, no GIL.
ORDERS_OF = (
    "INSERT INTO orders_of SELECT user_id, symbol_id, seq, oid FROM orders"
    " WHERE oid >= ? AND seq > ? ORDER BY 1, 2, 3"
)
CLIENT_IDS = (
    "INSERT INTO client_ids SELECT user_id, cid, oid FROM orders"
    " WHERE oid >= ? AND seq > ? AND cid <> '' ORDER BY 1, 2, 3"
)
FILLS_OF = (
    "INSERT INTO fills_of SELECT taker_user_id, symbol_id, seq * 4 FROM fills WHERE seq > ?"
    " UNION ALL SELECT maker_user_id, symbol_id, seq * 4 + 1 FROM fills WHERE seq > ?"
    " ORDER BY 1, 2, 3"
)
TRADES_OF = "INSERT INTO trades_of SELECT symbol_id, seq FROM fills WHERE seq > ? ORDER BY 1, 2"

INSERTS = (
    ("fills", insert("fills", 18)),
    ("plain_orders", PLAIN_ORDER),
    ("new_orders", insert("orders", ORDER_COLUMNS)),
    ("order_changes", UPDATE_ORDER),
    ("balances", insert("balances", 7)),
    ("funding", insert("funding", 10)),
    ("rates", insert("funding_rates", 14)),
    ("rates_done", RATE_DONE),
    ("liquidations", insert("liquidations", 22)),
    ("accounts", replace("accounts", 2)),
    ("positions", replace("positions", 9)),
    ("markets", replace("symbols", 7)),
    ("clock", UPSERT_CLOCK),
)


@dataclass(frozen=True, slots=True)
class Place:
    """The row of table `archive`: whose it is and how far it goes."""

    exchange_id: int
    epoch: int
    position: int
    position_crc: int
    position_ns: int
    complete_from: int
    kept_from: int
    money_decimals: int


class Writer:
    """See the module. Attributes: path, place (None: the database is new)."""

    def __init__(self, path: Path):
        self.path = path
        self.place: Place | None = None
        self._db: Any = None

    @property
    def db(self) -> Any:
        if self._db is None:
            raise sqlite3.ProgrammingError(f"{self.path} is not open")
        return self._db

    async def open(self) -> None:
        """Open, make or migrate the file. Raises ArchiveRefused, sqlite3.Error."""
        self._db = await connect(self.path, LOCK_WAIT_S)
        try:
            for pragma in (
                "journal_mode = WAL", "synchronous = NORMAL", f"cache_size = -{CACHE_KIB}",
                "wal_autocheckpoint = 0", "journal_size_limit = 268435456",
            ):  # fmt: skip
                await self._db.execute(f"PRAGMA {pragma}")
            await migrate(self._db, self.path)
            rows = await self._all("SELECT * FROM archive")
            self.place = Place(*rows[0][1:]) if rows else None
        except BaseException:
            await self.close()
            raise

    async def close(self) -> None:
        """Close what is open; what was not committed is gone."""
        db, self._db = self._db, None
        if db is not None:
            await db.close()

    async def _all(self, sql: str, *args: Any) -> list[Any]:
        async with self.db.execute(sql, args) as cursor:
            return list(await cursor.fetchall())

    async def books(self) -> Books:
        """The running state as of the position."""
        books = Books()
        books.load(
            await self._all("SELECT * FROM accounts"), await self._all("SELECT * FROM positions"),
            await self._all("SELECT * FROM symbols"),
        )  # fmt: skip
        return books

    async def begin(self, place: Place, seed: Any = None) -> None:
        """The first transaction of a new file: where it begins, and from what (AR-5)."""
        await self._transact(self._begin, place, seed)

    async def _begin(self, place: Place, seed: Any) -> None:
        await self._put_place(place)
        if seed is not None:
            for table, columns, rows in seed.tables():
                await self.db.executemany(replace(table, columns), rows)
            await self._put_orders(seed.orders())

    async def _put_place(self, place: Place) -> None:
        values = [getattr(place, name) for name in Place.__slots__]
        await self.db.execute(replace("archive", 9), (1, *values))
        self.place = place

    async def _transact(self, work: Any, *args: Any) -> None:
        before = self.place
        await self.db.execute("BEGIN IMMEDIATE")
        try:
            await work(*args)
            await self.db.execute("COMMIT")
        except BaseException:
            self.place = before
            if self._db is not None and self._db.in_transaction:
                await self._db.execute("ROLLBACK")
            raise

    async def write(self, batch: Any) -> None:
        """A batch and the position behind it (AR-2)."""
        await self._transact(self._write, batch)

    async def _write(self, batch: Any) -> None:
        place = self.place
        if place is None:
            raise ArchiveRefused(f"{self.path}: nothing says where it begins")
        for name, sql in INSERTS:
            rows = getattr(batch, name)
            if rows:
                await self.db.executemany(sql, rows)
        if batch.first_oid:
            await self.db.execute(ORDERS_OF, (batch.first_oid, place.position))
            await self.db.execute(CLIENT_IDS, (batch.first_oid, place.position))
        if batch.fills:
            await self.db.execute(FILLS_OF, (place.position, place.position))
            await self.db.execute(TRADES_OF, (place.position,))
        candles = rows_of(*batch.candles)
        if candles:
            await self.db.executemany(UPSERT_CANDLE, candles)
        await self._put_place(Place(
            batch.exchange_id or place.exchange_id, batch.epoch, batch.position,
            batch.position_crc, batch.position_ns or place.position_ns, place.complete_from,
            place.kept_from, place.money_decimals,
        ))  # fmt: skip

    async def checkpoint(self) -> int:
        """Make what is committed durable (AR-3); returns the position that now is."""
        position = self.place.position if self.place is not None else 0
        await self._all("PRAGMA wal_checkpoint(PASSIVE)")
        return position

    async def _put_orders(self, rows: list[Any]) -> None:
        """Orders of a seed, with their places in the tables beside."""
        await self.db.executemany(replace("orders", ORDER_COLUMNS), rows)
        places = [(row[1], row[2], row[3], row[0]) for row in rows]
        await self.db.executemany(insert("orders_of", 4), places)
        named = [(row[1], row[4], row[0]) for row in rows if row[4]]
        await self.db.executemany(insert("client_ids", 3), named)

    # --- what a hole or a date takes away -----------------------------------------------------

    async def reseed(self, seed: Any) -> None:
        """AR-6: go on behind a state that lies after a hole in what was archived."""
        await self._transact(self._reseed, seed)

    async def _reseed(self, seed: Any) -> None:
        place = self.place
        if place is None:
            raise ArchiveRefused(f"{self.path}: nothing says where it begins")
        await self.db.execute(
            "INSERT OR REPLACE INTO holes VALUES (?, ?)", (place.position + 1, seed.seq)
        )
        lost = [row[0] for row in await self._all("SELECT oid FROM orders WHERE ended_ns = 0")]
        known = set(lost)
        orders = seed.orders()
        live = {row[0] for row in orders}
        await self.db.executemany(
            "UPDATE orders SET status = ?, ended_ns = ? WHERE oid = ?",
            [(UNKNOWN_END, place.position_ns, oid) for oid in lost if oid not in live],
        )
        for table in ("accounts", "positions"):
            await self.db.execute(f"DELETE FROM {table}")
        for table, columns, rows in seed.tables():
            await self.db.executemany(replace(table, columns), rows)
        # Sums over fills stay as far as they are known. px, qty, filled, status, cut, fired_px:
        await self.db.executemany(
            "UPDATE orders SET px = ?, qty = ?, filled = ?, status = ?, cut = ?, fired_px = ?"
            " WHERE oid = ?",
            [(*row[10:14], row[22], row[27], row[0]) for row in orders if row[0] in known],
        )
        await self._put_orders(seed.orders(known))
        await self._put_place(Place(
            place.exchange_id, seed.epoch, seed.seq, 0, place.position_ns, seed.seq + 1,
            place.kept_from, place.money_decimals,
        ))  # fmt: skip

    async def prune(self, cutoff_ns: int) -> int:
        """AR-26: take away at most so many old rows; returns how many went, 0 = none is left."""
        second = cutoff_ns // 1_000_000_000
        ((cut,),) = await self._all("SELECT min(first_seq) FROM clock WHERE second >= ?", second)
        place = self.place
        if place is None or cut is None:
            return 0
        before = self.db.total_changes
        await self._transact(self._prune, place, cut, second, cutoff_ns)
        return int(self.db.total_changes) - before - 1  # one is the place

    async def _prune(self, place: Place, cut: int, second: int, cutoff_ns: int) -> None:
        await self._put_place(_replace(place, kept_from=max(place.kept_from, cut)))
        await self._prune_fills(cut)
        await self._prune_orders(cutoff_ns)
        for table, key, first in (
            ("funding", "seq", cut), ("balances", "key", cut * 4),
            ("liquidations", "key", cut * 2),
        ):  # fmt: skip
            await self.db.execute(
                f"DELETE FROM {table} WHERE {key} IN (SELECT {key} FROM {table} WHERE {key} < ?"
                f" ORDER BY {key} LIMIT {PRUNED_ROWS})", (first,),
            )  # fmt: skip
        for market in await self._all("SELECT symbol_id FROM symbols"):
            where = "symbol_id = ? AND source = 0 AND interval_s = 1"
            ((first,),) = await self._all(
                f"SELECT min(start_s) FROM candles WHERE {where}", *market
            )
            if first is not None and first < second:
                last = min(second, first + PRUNED_ROWS)
                await self.db.execute(
                    f"DELETE FROM candles WHERE {where} AND start_s < ?", (*market, last)
                )

    async def _prune_fills(self, cut: int) -> None:
        rows = await self._all(
            "SELECT seq, symbol_id, taker_user_id, maker_user_id FROM fills WHERE seq < ?"
            f" ORDER BY seq LIMIT {PRUNED_ROWS}", cut,
        )  # fmt: skip
        sides = [(taker, symbol, seq * 4) for seq, symbol, taker, _ in rows]
        sides += [(maker, symbol, seq * 4 + 1) for seq, symbol, _, maker in rows]
        await self.db.executemany(
            "DELETE FROM fills_of WHERE user_id = ? AND symbol_id = ? AND key = ?", sides
        )
        await self.db.executemany(
            "DELETE FROM trades_of WHERE symbol_id = ? AND seq = ?",
            [(symbol, seq) for seq, symbol, _, _ in rows],
        )
        await self.db.executemany("DELETE FROM fills WHERE seq = ?", [row[:1] for row in rows])

    async def _prune_orders(self, cutoff_ns: int) -> None:
        """Orders that had ended by then; those that live stay, whenever they began."""
        rows = await self._all(
            "SELECT oid, user_id, symbol_id, seq, cid FROM orders WHERE ended_ns > 0"
            f" AND ended_ns < ? AND oid < ? ORDER BY oid LIMIT {PRUNED_ROWS}",
            cutoff_ns, oid_at(cutoff_ns),
        )  # fmt: skip
        await self.db.executemany(
            "DELETE FROM orders_of WHERE user_id = ? AND symbol_id = ? AND seq = ?",
            [row[1:4] for row in rows],
        )
        await self.db.executemany(
            "DELETE FROM client_ids WHERE user_id = ? AND cid = ? AND oid = ?",
            [(user, cid, oid) for oid, user, _, _, cid in rows if cid],
        )
        await self.db.executemany("DELETE FROM orders WHERE oid = ?", [row[:1] for row in rows])
