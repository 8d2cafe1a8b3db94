"""How many fills a second does the archive take, and how many does SQLite without us?

fills     a log of fills, each against another maker's order, through the archive tile into a new
          file: orders, fills, balances, positions, candles and indexes, with checkpoints
orders    the same, two of three records being orders (each fill has its maker's and its taker's)
floor     the fills' rows alone by executemany into a bare table, no index, same transactions
question  a page of 100 fills of one user from that file, through the tile
"""

from __future__ import annotations

import asyncio
import shutil
import sqlite3
import tempfile
import time
from pathlib import Path
from typing import Any

import harness
from harness import Figure

from rsx import records

USERS = 1000
RESTS = int(records.OrderFlag.RESTS)
NOW_NS = 1_764_000_000_000_000_000
OID = 243_000_000_000_000 << 4
EXCHANGE_ID = 4711


def write_log(folder: Path, fills: int, per_taker: int) -> int:
    """A log of so many fills, each taker's order trading so often; returns its last number."""
    from rsx.core.crc import sealed
    from rsx.rules import to_records

    symbol = harness.bench_config().symbols[0]
    both = {"symbol_id": symbol.id, "stream": symbol.id}
    seq = 0
    with open(folder / f"{1:020d}.wal", "wb") as file:

        def log(record: bytes) -> None:
            nonlocal seq
            seq += 1
            file.write(sealed(record, seq, 1))

        log(records.SEGMENT_STARTED.pack(ts_ns=NOW_NS, exchange_id=EXCHANGE_ID))
        log(records.LOG_STARTED.pack(ts_ns=NOW_NS, exchange_id=EXCHANGE_ID, money_decimals=8))
        for record in to_records(symbol, NOW_NS):
            log(record)
        for user in range(1, USERS + 1):
            log(records.DEPOSIT.pack(ts_ns=NOW_NS, user_id=user, amount=1 << 50))
        for first in range(0, fills, per_taker):
            at = NOW_NS + first * 10_000
            makers = [1 + n * 7919 % USERS for n in range(first, first + per_taker)]
            taker_user, taker = 1 + first * 104_729 % USERS, OID + 2 * first + 2 * per_taker - 1
            side = first // per_taker % 2
            px = 5_000_000 + first // per_taker * 7 % 1000
            for n, user in enumerate(makers):
                log(records.ORDER_ACCEPTED.pack(
                    ts_ns=at, oid=OID + 2 * first + n, user_id=user, side=1 - side, px=px,
                    qty=1000, flags=RESTS, cid=b"m-%d" % n, cid_len=len(b"m-%d" % n), **both,
                ))  # fmt: skip
            log(records.ORDER_ACCEPTED.pack(
                ts_ns=at, oid=taker, user_id=taker_user, side=side, px=px, qty=1000 * per_taker,
                **both,
            ))  # fmt: skip
            for n, user in enumerate(makers):
                log(records.FILL.pack(
                    ts_ns=at, taker_oid=taker, maker_oid=OID + 2 * first + n, px=px, qty=1000,
                    taker_fee=2000, maker_fee=-250, taker_remaining=1000 * (per_taker - n - 1),
                    taker_user_id=taker_user, maker_user_id=user, taker_side=side, **both,
                ))  # fmt: skip
    return seq


async def follow(folder: Path, path: Path, last: int) -> tuple[float, float, list[int]]:
    """(seconds, seconds of this process's cores, ns of each of 200 questions)."""
    from rsx.config import Archive
    from rsx.core.clock import Clock
    from rsx.tiles.archive import ArchiveTile

    def no_seed(oldest: int) -> Any:
        raise AssertionError(oldest)

    tile = ArchiveTile(
        Archive(), folder, path, Clock.system(), lambda: last, EXCHANGE_ID, 8, no_seed
    )
    began, cpu = time.perf_counter(), time.process_time()
    await tile.open()
    while await tile.turn():
        pass
    await tile.checkpoint()
    seconds, cpu = time.perf_counter() - began, time.process_time() - cpu
    if tile.written != last:
        raise AssertionError(f"{tile.written} of {last} records are archived")
    from rsx.store.query import Query

    asked = []
    for n in range(200):
        start = time.perf_counter_ns()
        answer = await tile.reader.answer(Query("fills", user_id=1 + n))
        asked.append(time.perf_counter_ns() - start)
        if not answer.rows:
            raise AssertionError(f"user {1 + n} has no fills")
    await tile._close()
    return seconds, cpu, asked


def floor(path: Path, fills: int, per_batch: int) -> float:
    """Rows a second of a bare executemany, ready tuples, no index."""
    db = sqlite3.connect(path, isolation_level=None)
    db.execute("PRAGMA journal_mode = WAL")
    db.execute("PRAGMA synchronous = NORMAL")
    columns = ", ".join(f"c{n} INTEGER" for n in range(1, 18))
    db.execute(f"CREATE TABLE fills (seq INTEGER PRIMARY KEY, {columns})")
    sql = f"INSERT INTO fills VALUES ({', '.join('?' * 18)})"
    rows = [(n, NOW_NS + n, 1, 5_000_000, 1000, n % 2, n % USERS, n * 7 % USERS, OID + n,
             OID - n, 2000, -250, 0, 0, -2000, 250, 10**15 - n, 10**15 + n)
            for n in range(fills)]  # fmt: skip
    began = time.perf_counter()
    for at in range(0, fills, per_batch):
        db.execute("BEGIN")
        db.executemany(sql, rows[at : at + per_batch])
        db.execute("COMMIT")
    seconds = time.perf_counter() - began
    db.close()
    return fills / seconds


def measure(scale: float = 1.0) -> list[Figure]:
    fills = max(2000, round(500_000 * scale) // 100 * 100)
    figures = []
    folder = Path(tempfile.mkdtemp(prefix="rsx-perf-", dir=harness.ROOT / "build"))
    try:
        bare = floor(folder / "floor.db", fills, 10_000)
        for name, per_taker in (("fills, 100 a taker", 100), ("fills, each with two orders", 1)):
            log = folder / f"wal-{per_taker}"
            log.mkdir()
            last = write_log(log, fills, per_taker)
            path = folder / f"archive-{per_taker}.db"
            seconds, cpu, asked = asyncio.run(follow(log, path, last))
            size = path.stat().st_size
            figures.append(Figure(
                f"archive: {name}", fills / seconds, "fills/s", "100 000", bare,
                "executemany, no index",
                f"{last / seconds:,.0f} records/s, {cpu / seconds:.2f} cores, "
                f"{size / fills:.0f} bytes a fill",
            ))  # fmt: skip
            shutil.rmtree(log)
        p50 = harness.percentiles(asked)["p50"]
        figures.append(Figure(
            "archive: a page of 100 fills", p50 / 1000, "us", "", None, "",
            harness.spread(asked, "us", 1000),
        ))  # fmt: skip
    finally:
        shutil.rmtree(folder)
    return figures


if __name__ == "__main__":
    harness.refuse_debug_build()
    harness.print_table(measure())
