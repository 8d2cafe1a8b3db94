"""Numbered migrations, and a database of every one of them (AR-10)."""

from __future__ import annotations

import asyncio
import sqlite3
from pathlib import Path

import pytest
from store.helpers import NEW, archived, rows, tables
from world import IOC, World

from rsx.store.extract import Extractor
from rsx.store.schema import ArchiveRefused, Migration, migrate, migrations
from rsx.store.writer import Writer
from rsx.wal.slots import to_present

CORPUS = Path(__file__).with_name("corpus")
LAST = len(migrations())


async def opened(path):
    writer = Writer(path)
    try:
        await writer.open()
        return writer.place
    finally:
        await writer.close()


def restored(tmp_path, number):
    """The database that the program of that migration left, and the log that it had archived."""
    path = tmp_path / "old.db"
    db = sqlite3.connect(path)
    db.executescript((CORPUS / f"{number:04d}.sql").read_text(encoding="utf-8"))
    db.close()
    return path, bytes(to_present((CORPUS / f"{number:04d}.wal").read_bytes()))


def make_corpus(folder: Path) -> None:
    """Write the dump and the log of the newest migration, once, when it is added, by hand."""
    world = World(folder)
    world.deposit(1, 2, 3)
    world.run()
    for px in (1000, 1010, 990):
        world.place(1, 0, px, 40, cid=f"c{px}")
        world.place(2, 1, px, 30, tif=IOC)
        world.run()
    oid = world.place(3, 1, 1200, 50, cid="rests")
    world.stop(2, 1, 900, 10)
    world.amend(3, oid, 1200, 60)
    world.run()
    (CORPUS / f"{LAST:04d}.wal").write_bytes(world.log())
    db = sqlite3.connect(archived(folder / "archive.db", world.log()))
    text = "\n".join(db.iterdump())
    (CORPUS / f"{LAST:04d}.sql").write_text(text + "\n", encoding="utf-8")
    db.close()
    world.close()


def test_there_is_a_database_of_every_migration():
    assert sorted(path.stem for path in CORPUS.glob("*.sql")) == [
        f"{migration.number:04d}" for migration in migrations()
    ]


@pytest.mark.parametrize("number", range(1, LAST + 1))
def test_a_database_of_each_migration_opens_and_goes_on(tmp_path, number):
    """It becomes what a new one made of the same log is, and takes what follows in that log."""
    path, log = restored(tmp_path, number)
    assert asyncio.run(opened(path)).position == len(log) // 128
    fresh = tables(archived(tmp_path / "fresh.db", log))
    assert tables(path) == fresh
    assert [row[0] for row in rows(path, "SELECT number FROM migrations")] == [*range(1, LAST + 1)]

    async def go_on():
        writer = Writer(path)
        await writer.open()
        extractor = Extractor(await writer.books(), writer.place.position + 1)
        assert extractor.books.accounts[1].collateral > 0
        await writer.close()

    asyncio.run(go_on())


def test_opening_twice_applies_nothing_twice(tmp_path):
    path = tmp_path / "a.db"
    asyncio.run(opened(path))
    first = rows(path, "SELECT * FROM migrations")
    asyncio.run(opened(path))
    assert rows(path, "SELECT * FROM migrations") == first


@pytest.mark.parametrize(("sql", "what"), [
    (f"INSERT INTO migrations VALUES ({LAST + 1}, 'later', 0)", f"migration {LAST + 1} (later) is"),
    ("UPDATE migrations SET name = 'other' WHERE number = 1", "migration 1 (other) where 1"),
    ("UPDATE migrations SET number = 7 WHERE number = 1", "migration 7"),
])  # fmt: skip
def test_a_newer_or_foreign_database_is_refused_by_name(tmp_path, sql, what):
    path = tmp_path / "a.db"
    asyncio.run(opened(path))
    db = sqlite3.connect(path)
    db.execute(sql)
    db.commit()
    db.close()
    with pytest.raises(ArchiveRefused) as refused:
        asyncio.run(opened(path))
    assert str(path) in str(refused.value)
    assert what in str(refused.value)


def test_a_database_that_is_no_archive_is_refused(tmp_path):
    path = tmp_path / "a.db"
    db = sqlite3.connect(path)
    db.execute("CREATE TABLE things (x)")
    db.commit()
    db.close()
    with pytest.raises(ArchiveRefused, match="no archive"):
        asyncio.run(opened(path))
    assert rows(path, "SELECT name FROM sqlite_master") == [("things",)]


def test_a_migration_that_fails_changes_nothing(tmp_path):
    """Each is one transaction: the next start begins it anew."""
    path = tmp_path / "a.db"
    asyncio.run(opened(path))
    before = tables(path)
    bad = Migration(LAST + 1, "bad", "CREATE TABLE one (x); CREATE TABLE one (x);")

    async def fail():
        writer = Writer(path)
        await writer.open()
        try:
            with pytest.raises(sqlite3.Error):
                await migrate(writer.db, path, (*migrations(), bad))
        finally:
            await writer.close()

    asyncio.run(fail())
    assert tables(path) == before
    good = Migration(LAST + 1, "good", "CREATE TABLE one (x);")

    async def succeed():
        writer = Writer(path)
        await writer.open()
        await migrate(writer.db, path, (*migrations(), good))
        await writer.close()

    asyncio.run(succeed())
    assert rows(path, "SELECT number, name FROM migrations")[-1] == (LAST + 1, "good")


def test_migrations_are_numbered_without_a_gap(tmp_path):
    (tmp_path / "0001_first.sql").write_text("SELECT 1;")
    (tmp_path / "0003_third.sql").write_text("SELECT 1;")
    with pytest.raises(ArchiveRefused, match="migration 0002"):
        migrations(tmp_path)


def test_the_place_of_a_new_archive_is_told_only_once_it_is_there(tmp_path):
    path = tmp_path / "a.db"
    assert asyncio.run(opened(path)) is None

    async def begin():
        writer = Writer(path)
        await writer.open()
        await writer.begin(NEW)
        await writer.close()

    asyncio.run(begin())
    assert asyncio.run(opened(path)) == NEW
