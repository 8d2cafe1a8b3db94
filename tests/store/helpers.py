"""A log, archived: what the tests of the archive share."""

from __future__ import annotations

import asyncio
import sqlite3
from pathlib import Path
from typing import Any

from rsx.store.books import Books
from rsx.store.extract import Extractor
from rsx.store.writer import Place, Writer

EXCHANGE_ID = 4711
NEW = Place(EXCHANGE_ID, 0, 0, 0, 0, 1, 1, 3)
RECORD = 128


def extract(log: bytes, first: int = 1, books: Books | None = None) -> tuple[Extractor, Any]:
    """(the extractor, its one batch) for a stretch of a log."""
    extractor = Extractor(books or Books(), first)
    extractor.feed(log)
    return extractor, extractor.take()


async def archive(path: Path, log: bytes, parts: list[int] | None = None) -> None:
    """Write a log into a database, a transaction for each part (numbers of records).

    The writer is opened anew and its state read back before each: nothing may live in memory only.
    """
    writer = Writer(path)
    at = 0
    for count in parts if parts is not None else [len(log) // RECORD]:
        await writer.open()
        if writer.place is None:
            await writer.begin(NEW)
        extractor = Extractor(await writer.books(), writer.place.position + 1)
        extractor.feed(log[at : at + count * RECORD])
        await writer.write(extractor.take())
        at += count * RECORD
        await writer.close()


def archived(path: Path, log: bytes, parts: list[int] | None = None) -> Path:
    asyncio.run(archive(path, log, parts))
    return path


def rows(path: Path, sql: str, *args: Any) -> list[tuple[Any, ...]]:
    db = sqlite3.connect(path)
    try:
        return db.execute(sql, args).fetchall()
    finally:
        db.close()


def tables(path: Path) -> dict[str, list[tuple[Any, ...]]]:
    """Everything that a database holds but when its migrations were applied."""
    names = rows(path, "SELECT name FROM sqlite_master WHERE type = 'table' ORDER BY name")
    return {name: sorted(rows(path, f"SELECT * FROM {name}"))
            for (name,) in names if name != "migrations"}  # fmt: skip
