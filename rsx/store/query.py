"""Questions to the archive: which rows, in which order, from which cursor on.

Every history is a union of sources that come in the order of its keys; a key is a log number times
a factor, plus the side or part, so a row never moves and paging neither skips nor repeats. SQL and
values are made here, without any connection. Source: specs/archive.md section 3.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from rsx.store.candles import INTERVALS, Candle, filled, from_row

LIMIT, LIMIT_MAX = 100, 500
LONG_LIMIT, LONG_LIMIT_MAX = 500, 1500
NS = 1_000_000_000
TIME_MAX = (1 << 63) - 1
ENDLESS = 1 << 62
# Kinds of changes of collateral (AR-23).
BALANCE_KINDS = ("", "deposit", "withdrawal", "trade", "funding", "margin", "transfer", "settled",
                 "liquidation_fee")  # fmt: skip
TRADE = 3
UNKNOWN_END = 6


class BadQuery(ValueError):
    """An argument that cannot be: its name, its value, and why."""

    def __init__(self, field: str, value: Any, why: str):
        super().__init__(f"{field} = {value!r}: {why}")
        self.field, self.value, self.why = field, value, why


@dataclass(frozen=True, slots=True)
class Source:
    """Rows of one table, t, where a table beside brings them in order: i.

    id: the key, an expression over t and i; span: how many keys a log number has; user, symbol:
    whose and of which market, user "" = public
    """

    table: str
    columns: str
    id: str = "t.seq"
    span: int = 1
    user: str = "t.user_id"
    symbol: str = "t.symbol_id"
    time: str = "t.ts_ns"
    also: str = ""


# CROSS JOIN: the rows come in the order of the left table.
_FILLS = "fills_of AS i CROSS JOIN fills AS t ON t.seq = i.key >> 2"
_SIDE = {name: f"iif(i.key & 1, t.maker_{name}, t.taker_{name})"
         for name in ("oid", "fee", "profit", "change", "balance")}  # fmt: skip
HISTORY_SOURCES: dict[str, tuple[str, tuple[Source, ...]]] = {
    "orders": ("o", (Source(
        "orders_of AS i CROSS JOIN orders AS t ON t.oid = i.oid",
        "t.oid, t.symbol_id, side, kind, tif, flags, stp, px, qty, filled, cut, status, reason,"
        " expire_s, trigger_px, trail_px, trail_ppm, fired_px, original_oid, notional, fee, profit,"
        " amends, t.cid, placed_ns, ended_ns, ts_ns, last_seq",
        id="i.seq", user="i.user_id", symbol="i.symbol_id", time="placed_ns",
    ),)),
    "fills": ("f", (Source(
        _FILLS, f"{_SIDE['oid']}, t.symbol_id, iif(i.key & 1, 1 - taker_side, taker_side), px, qty,"
        f" {_SIDE['fee']}, i.key & 1, {_SIDE['profit']}, ts_ns, t.seq",
        id="i.key", span=4, user="i.user_id", symbol="i.symbol_id",
    ),)),
    "funding": ("p", (Source(
        "funding AS t",
        "symbol_id, leg, amount, net_qty, mark_px, rate_ppb, interval_id, ts_ns, seq",
    ),)),
    "liquidations": ("l", (Source(
        "liquidations AS t", "event, symbol_id, leg, margin_mode, stage, round, side, oid, qty, px,"
        " mark_px, net_qty, equity, maintenance, transfer_kind, amount, key & 1, ts_ns, key >> 1",
        id="t.key", span=2,
    ),)),
    "balances": ("b", (
        Source("balances AS t", "symbol_id, kind, amount, balance, ts_ns, key >> 2", id="t.key",
               span=4),
        Source(_FILLS, f"t.symbol_id, {TRADE}, {_SIDE['change']}, {_SIDE['balance']}, ts_ns, t.seq",
               id="i.key", span=4, user="i.user_id", symbol="i.symbol_id",
               also=f"{_SIDE['change']} <> 0"),
    )),
    "trades": ("t", (Source(
        "trades_of AS i CROSS JOIN fills AS t ON t.seq = i.seq",
        "t.symbol_id, px, qty, taker_side, ts_ns, t.seq", id="i.seq", user="",
        symbol="i.symbol_id",
    ),)),
    "funding_rates": ("r", (Source(
        "funding_rates AS t", "symbol_id, interval_id, rate_ppb, mark_px, index_px, premium_ppb,"
        " samples, skipped, payments, paid, received, residue, ts_ns, seq", user="",
    ),)),
}  # fmt: skip
PRIVATE = tuple(name for name, (_, sources) in HISTORY_SOURCES.items() if sources[0].user)
PUBLIC = ("trades", "funding_rates")
CANDLES = "candles"
LETTERS = {name: letter for name, (letter, _) in HISTORY_SOURCES.items()} | {CANDLES: "c"}
CANDLE_COLUMNS = (
    "start_s, open, high, low, close, volume, quote_high, quote_low, trades, buy_volume,"
    " buy_quote_high, buy_quote_low"
)


@dataclass(frozen=True, slots=True)
class Query:
    """A checked question. user_id 0: public; symbol_id 0: all; cursor: a key, exclusive, or None.

    limit 0: no limit (exports). interval_s, source, gaps: of candles.
    """

    what: str
    user_id: int = 0
    symbol_id: int = 0
    from_ns: int = 0
    to_ns: int = TIME_MAX
    limit: int = LIMIT
    cursor: int | None = None
    ascending: bool = False
    interval_s: int = 60
    source: int = 0
    gaps: bool = True


@dataclass(frozen=True, slots=True)
class Answer:
    """Rows in the order asked for, and how far the archive is (AR-31)."""

    rows: list[Any]
    next: str | None
    previous: str | None
    more: bool
    as_of_seq: int
    as_of_ns: int
    complete_from: int


def limits(what: str) -> tuple[int, int]:
    """Default and largest limit of a history."""
    return (LONG_LIMIT, LONG_LIMIT_MAX) if what in ("trades", CANDLES) else (LIMIT, LIMIT_MAX)


def check_query(query: Query) -> Query:
    """The query. Raises BadQuery naming the argument."""
    if query.what not in LETTERS:
        raise BadQuery("what", query.what, f"one of {', '.join(LETTERS)} is due")
    most = limits(query.what)[1]
    if not 1 <= query.limit <= most:
        raise BadQuery("limit", query.limit, f"1 to {most} is due")
    for field, value in (("from", query.from_ns), ("to", query.to_ns)):
        if not 0 <= value <= TIME_MAX:
            raise BadQuery(field, value, "ns since 1970 are due")
    if query.from_ns >= query.to_ns:
        raise BadQuery("to", query.to_ns, f"it must be behind from = {query.from_ns}")
    if query.what in (*PUBLIC, CANDLES) and not query.symbol_id:
        raise BadQuery("symbol", None, "a market is due")
    if query.what == CANDLES:
        check_interval(query.interval_s, query.source)
    return query


def check_interval(interval_s: int, source: int) -> None:
    if interval_s not in INTERVALS:
        raise BadQuery("interval", interval_s, f"one of {', '.join(map(str, INTERVALS))} s is due")
    if source and interval_s == 1:
        raise BadQuery("interval", interval_s, "marks have candles from 60 s on")


def read_cursor(what: str, text: Any) -> int:
    """The key of a cursor. Raises BadQuery."""
    letter = LETTERS[what]
    if type(text) is str and text[:1] == letter and text[1:].isascii() and text[1:].isdigit():
        key = int(text[1:]) if len(text) <= 20 else ENDLESS
        if key < ENDLESS:
            return key
    raise BadQuery("cursor", text, f"a cursor of {what} is due")


# --- SQL --------------------------------------------------------------------------------------


def _bounds(query: Query, source: Source, seqs: tuple[int, int]) -> tuple[int, int]:
    """Least and largest id of a source that can be in the answer."""
    low, high = seqs[0] * source.span, (seqs[1] + 1) * source.span - 1
    if query.cursor is not None:
        if query.ascending:
            low = max(low, query.cursor + 1)
        else:
            high = min(high, query.cursor - 1)
    return low, min(high, ENDLESS)


def _select(
    query: Query, source: Source, symbol_id: int | None, seqs: tuple[int, int], limit: int
) -> tuple[str, list[Any]]:
    low, high = _bounds(query, source, seqs)
    where, values = [f"{source.id} BETWEEN ? AND ?"], [low, high]
    if source.user and query.user_id:
        where.append(f"{source.user} = ?")
        values.append(query.user_id)
    if symbol_id is not None:
        where.append(f"{source.symbol} = ?")
        values.append(symbol_id)
    if query.from_ns:
        where.append(f"{source.time} >= ?")
        values.append(query.from_ns)
    if query.to_ns < TIME_MAX:
        where.append(f"{source.time} < ?")
        values.append(query.to_ns)
    if source.also:
        where.append(source.also)
    order = "ASC" if query.ascending else "DESC"
    sql = (f"SELECT {source.id} AS k, {source.columns} FROM {source.table} WHERE "
           f"{' AND '.join(where)} ORDER BY {source.id} {order}")  # fmt: skip
    if limit:
        sql += " LIMIT ?"
        values.append(limit)
    return sql, values


def history_sql(
    query: Query, symbol_ids: Sequence[int], seqs: tuple[int, int]
) -> tuple[str, list[Any]]:
    """One statement for a page and one row more.

    Args  symbol_ids: all there are, for queries of every market; seqs: numbers that the times allow
    """
    sources = HISTORY_SOURCES[query.what][1]
    wanted: list[int | None] = [query.symbol_id] if query.symbol_id else [0, *symbol_ids]
    parts, values = [], []
    for source in sources:
        for symbol_id in wanted:
            sql, more = _select(query, source, symbol_id, seqs, query.limit + 1)
            parts.append(f"SELECT * FROM ({sql})")
            values += more
    order = "ASC" if query.ascending else "DESC"
    return f"{' UNION ALL '.join(parts)} ORDER BY 1 {order} LIMIT ?", [*values, query.limit + 1]


def candle_sql(query: Query) -> tuple[str, list[Any]]:
    """Stored candles of a page, and one more."""
    low, high = candle_range(query)
    order = "ASC" if query.ascending else "DESC"
    return (
        f"SELECT {CANDLE_COLUMNS} FROM candles WHERE symbol_id = ? AND source = ?"
        f" AND interval_s = ? AND start_s BETWEEN ? AND ? ORDER BY start_s {order} LIMIT ?",
        [query.symbol_id, query.source, query.interval_s, low, high, query.limit + 1],
    )


def candle_range(query: Query) -> tuple[int, int]:
    """First and last start of the candles asked for: those that begin within from and to."""
    step = query.interval_s
    low = -(-query.from_ns // (step * NS)) * step
    high = (query.to_ns - 1) // (step * NS) * step
    if query.cursor is not None:
        if query.ascending:
            low = max(low, query.cursor // step * step + step)
        else:
            high = min(high, -(-query.cursor // step) * step - step)
    return low, high


CLOSE_BEFORE = (
    "SELECT close FROM candles WHERE symbol_id = ? AND source = ? AND interval_s = ?"
    " AND start_s < ? ORDER BY start_s DESC LIMIT 1"
)
FIRST_START = (
    "SELECT min(start_s) FROM candles WHERE symbol_id = ? AND source = ? AND interval_s = ?"
)
AS_OF = "SELECT position, position_ns, complete_from, kept_from FROM archive"
CLOCK = "SELECT min(first_seq), max(last_seq) FROM clock WHERE second BETWEEN ? AND ?"
CLIENT_IDS = "SELECT oid, cid FROM orders WHERE cid <> '' AND oid IN ({})"
SYMBOL_IDS = "SELECT symbol_id FROM symbols ORDER BY symbol_id"
ORDER_COLUMNS = HISTORY_SOURCES["orders"][1][0].columns
ORDER_BY_OID = f"SELECT {ORDER_COLUMNS} FROM orders AS t WHERE user_id = ? AND oid = ?"
ORDER_BY_CID = (
    f"SELECT {ORDER_COLUMNS} FROM client_ids AS i CROSS JOIN orders AS t ON t.oid = i.oid"
    " WHERE i.user_id = ? AND i.cid = ? AND (? = 0 OR symbol_id = ?) AND original_oid = 0"
    " ORDER BY t.seq DESC LIMIT 1"
)


# --- answering --------------------------------------------------------------------------------

Run = Callable[..., Any]  # async: (sql, values) -> rows


async def answer(query: Query, run: Run) -> Answer:
    """Ask within one read transaction, which is the caller's.

    Args  run: `await run(sql, values)` gives all rows
    """
    (as_of,) = await run(AS_OF, [])
    position, position_ns, complete_from, kept_from = as_of
    rows, more = await _rows(query, run, position_ns)
    letter = LETTERS[query.what]
    keys = [row[0] for row in (rows[:1] + rows[-1:])]
    following = f"{letter}{keys[-1]}" if keys else None
    if not keys and query.cursor is not None:
        following = f"{letter}{query.cursor}"
    plain = rows if query.what == CANDLES else [row[1:] for row in rows]
    return Answer(
        plain, following, f"{letter}{keys[0]}" if keys else None, more, position, position_ns,
        max(complete_from, kept_from),
    )  # fmt: skip


async def _rows(query: Query, run: Run, now_ns: int) -> tuple[list[Any], bool]:
    if query.what == CANDLES:
        return await _candles(query, run, now_ns)
    seqs = await seq_range(query, run)
    if seqs is None:
        return [], False
    symbols = [] if query.symbol_id else [row[0] for row in await run(SYMBOL_IDS, [])]
    sql, values = history_sql(query, symbols, seqs)
    rows = await run(sql, values)
    more = len(rows) > query.limit
    rows = rows[: query.limit]
    if query.what == "fills":
        rows = await _with_client_ids(rows, run)
    return rows, more


async def seq_range(query: Query, run: Run) -> tuple[int, int] | None:
    """Numbers that lie in the seconds asked for; None = there are none."""
    if not query.from_ns and query.to_ns == TIME_MAX:
        return 0, ENDLESS
    ((low, high),) = await run(CLOCK, [query.from_ns // NS, (query.to_ns - 1) // NS])
    return None if low is None else (low, high)


async def _with_client_ids(rows: list[Any], run: Run) -> list[Any]:
    oids = list({row[1] for row in rows})
    cids: dict[int, str] = {}
    for at in range(0, len(oids), 500):
        part = oids[at : at + 500]
        cids.update(await run(CLIENT_IDS.format(", ".join("?" * len(part))), part))
    return [(*row, cids.get(row[1], "")) for row in rows]


async def _candles(query: Query, run: Run, now_ns: int) -> tuple[list[Candle], bool]:
    """A page of candles, gaps filled (AR-25), never before the first nor after the archive."""
    low, high = candle_range(query)
    high = min(high, now_ns // NS // query.interval_s * query.interval_s)
    sql, values = candle_sql(query)
    if not query.gaps:
        found = [from_row(row) for row in await run(sql, values)]
        return found[: query.limit], len(found) > query.limit
    key = [query.symbol_id, query.source, query.interval_s]
    ((first,),) = await run(FIRST_START, key)
    if first is None or high < first:
        return [], False
    low = max(low, first)
    span = query.limit * query.interval_s
    begin = low if query.ascending else max(low, high - span)
    end = min(high, low + span) if query.ascending else high
    if begin > end:
        return [], False
    stored = await run(
        f"SELECT {CANDLE_COLUMNS} FROM candles WHERE symbol_id = ? AND source = ?"
        " AND interval_s = ? AND start_s BETWEEN ? AND ? ORDER BY start_s",
        [*key, begin, end],
    )
    closes = await run(CLOSE_BEFORE, [*key, begin])
    close = closes[0][0] if closes else None
    rows = list(filled(map(from_row, stored), query.interval_s, begin, end, close))
    if not query.ascending:
        rows.reverse()
    return rows[: query.limit], len(rows) > query.limit
