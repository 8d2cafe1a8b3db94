"""The reading side of the archive: one connection that cannot write, one question at a time.

Each question is answered within one read transaction, so rows and `as_of` belong together.
Source: specs/archive.md section 3.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from typing import Any, TypeVar

from rsx.store.connect import connect
from rsx.store.query import ORDER_BY_CID, ORDER_BY_OID, Answer, Query, answer

READ_WAIT_S = 1.0
CACHE_KIB = 16_384

T = TypeVar("T")


class Reader:
    """See the module. Raises sqlite3.Error from every call; close and open anew then."""

    def __init__(self, path: Path):
        self.path = path
        self._db: Any = None
        self._lock = asyncio.Lock()

    async def open(self) -> None:
        self._db = await connect(self.path, READ_WAIT_S)
        await self._db.execute("PRAGMA query_only = 1")
        await self._db.execute(f"PRAGMA cache_size = -{CACHE_KIB}")

    async def close(self) -> None:
        async with self._lock:
            db, self._db = self._db, None
            if db is not None:
                await db.close()

    @property
    def is_open(self) -> bool:
        return self._db is not None

    async def run(self, sql: str, values: Sequence[Any] = ()) -> list[Any]:
        async with self._db.execute(sql, values) as cursor:
            return list(await cursor.fetchall())

    async def _within(self, work: Callable[[], Awaitable[T]]) -> T:
        """Do the work in one read transaction."""
        async with self._lock:
            await self._db.execute("BEGIN")
            try:
                return await work()
            finally:
                await self._db.execute("ROLLBACK")

    async def answer(self, query: Query) -> Answer:
        return await self._within(lambda: answer(query, self.run))

    async def order(self, user_id: int, oid: int, cid: str, symbol_id: int) -> Any:
        """Row of an order by its id, or (oid 0) the newest with a client id; None."""

        async def work() -> Any:
            if oid:
                rows = await self.run(ORDER_BY_OID, [user_id, oid])
            else:
                rows = await self.run(ORDER_BY_CID, [user_id, cid, symbol_id, symbol_id])
            return rows[0] if rows else None

        return await self._within(work)
