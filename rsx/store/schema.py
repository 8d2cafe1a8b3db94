"""Numbered migrations of the archive's database.

Files `migrations/NNNN_name.sql`, applied in order from 1 on without a gap, each in one transaction
with its row in the table `migrations`. Source: specs/archive.md AR-10.
"""

from __future__ import annotations

import re
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rsx.errors import RsxError

FOLDER = Path(__file__).with_name("migrations")
_NAME = re.compile(r"(\d{4})_(\w+)\.sql")


class ArchiveRefused(RsxError):
    """A database that this program must not use: file and reason are in the message."""


@dataclass(frozen=True, slots=True)
class Migration:
    number: int
    name: str
    sql: str


def migrations(folder: Path = FOLDER) -> tuple[Migration, ...]:
    """Those that this program knows, in order."""
    found: list[Migration] = []
    for path in sorted(folder.glob("*.sql")):
        match = _NAME.fullmatch(path.name)
        if match is None or int(match[1]) != len(found) + 1:
            raise ArchiveRefused(f"{path}: migration {len(found) + 1:04d}_name.sql is due")
        found.append(Migration(int(match[1]), match[2], path.read_text(encoding="utf-8")))
    return tuple(found)


def missing(
    path: Any, applied: Sequence[tuple[int, str]], known: Sequence[Migration]
) -> Sequence[Migration]:
    """What is to be applied to a database with these rows of `migrations`.

    Raises ArchiveRefused for a newer database, and for one with other migrations than ours
    """
    for at, (number, name) in enumerate(applied):
        if at >= len(known):
            raise ArchiveRefused(
                f"{path}: migration {number} ({name}) is newer than this program, which knows "
                f"{len(known)}: use the program that made it, or move the file away"
            )
        if (number, name) != (known[at].number, known[at].name):
            raise ArchiveRefused(
                f"{path}: migration {number} ({name}) where {known[at].number} "
                f"({known[at].name}) is due: no archive of this program"
            )
    return known[len(applied) :]


async def migrate(db: Any, path: Any, known: Sequence[Migration] | None = None) -> None:
    """Bring an aiosqlite connection's database to the newest migration.

    Raises ArchiveRefused; sqlite3.Error
    """
    known = migrations() if known is None else known
    tables = await _all(db, "SELECT name FROM sqlite_master WHERE type = 'table'")
    names = {name for (name,) in tables}
    applied = []
    if "migrations" in names:
        applied = await _all(db, "SELECT number, name FROM migrations ORDER BY number")
    elif names:
        raise ArchiveRefused(f"{path}: a database, but no archive (it has no table migrations)")
    for migration in missing(path, applied, known):
        await db.executescript(_script(migration))


def _script(migration: Migration) -> str:
    return (
        "BEGIN IMMEDIATE;\n"
        "CREATE TABLE IF NOT EXISTS migrations (number INTEGER PRIMARY KEY, name TEXT NOT NULL,"
        " applied_ns INTEGER NOT NULL);\n"
        f"{migration.sql}\n"
        f"INSERT INTO migrations VALUES ({migration.number}, '{migration.name}',"
        f" {time.time_ns()});\nCOMMIT;"
    )


async def _all(db: Any, sql: str) -> list[Any]:
    async with db.execute(sql) as cursor:
        return list(await cursor.fetchall())
