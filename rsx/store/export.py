"""The archive's tables as rows with names and kinds, streamed: what exports are made of.

Rows come in the order of the log (orders: of their ids), one at a time, from one read transaction.
How they are written is the business of rsx/store/files.py. Source: specs/archive.md section 4.
"""

from __future__ import annotations

import heapq
import sqlite3
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from rsx.errors import Reason, RsxError
from rsx.records import Leg, MarginMode, OrderFlag, OrderKind, Stage, Stp, Tif
from rsx.store.candles import Candle, filled, from_row
from rsx.store.query import BALANCE_KINDS, CANDLE_COLUMNS, CLOCK, CLOSE_BEFORE, ENDLESS, TRADE
from rsx.store.schema import ArchiveRefused, migrations, missing

NS = 1_000_000_000
STATUSES = ("filled", "resting", "cancelled", "rejected", "pending", "waiting", "unknown")
SIDES = ("buy", "sell")
# Kinds of columns: how a stored value is told (rsx/store/files.py).
INT, TEXT, BOOL, PRICE, QTY, MONEY, RATE, TIME = range(8)


class ExportFailed(RsxError):
    """An export that cannot be: file, value and reason are in the message."""


@dataclass(frozen=True, slots=True)
class Market:
    symbol_id: int
    name: str
    price_decimals: int
    qty_decimals: int

    @property
    def money_decimals(self) -> int:
        return self.price_decimals + self.qty_decimals


NO_MARKET = Market(0, "", 0, 0)


@dataclass(frozen=True, slots=True)
class Wanted:
    """What to export. symbol_id 0, user_id 0: all; interval_s, source, gaps: of candles."""

    table: str
    symbol_id: int = 0
    user_id: int = 0
    from_ns: int = 0
    to_ns: int = (1 << 63) - 1
    interval_s: int = 60
    source: int = 0
    gaps: bool = True
    layout: str = "rsx"


Row = tuple[Any, ...]


@dataclass(frozen=True, slots=True)
class Table:
    """columns: (name, kind); sql: without conditions; make: market, stored row -> rows."""

    columns: tuple[tuple[str, int], ...]
    sql: str
    id: str
    span: int
    make: Callable[[Market, Any, int], Iterator[Row]]
    users: tuple[str, ...] = ()
    time: str = "ts_ns"
    also: tuple[Merged, ...] = ()
    order: str = ""  # "" = by id


@dataclass(frozen=True, slots=True)
class Merged:
    """A further source of a table's rows, in the order of their first column."""

    sql: str
    id: str
    span: int
    users: tuple[str, ...]
    condition: str


def _names(enum: Any) -> tuple[str, ...]:
    return tuple(member.name.lower() for member in enum)


KINDS, LEGS, MODES, STAGES = (_names(e) for e in (OrderKind, Leg, MarginMode, Stage))
TIFS, STPS = tuple(t.name for t in Tif), _names(Stp)


def _order(market: Market, r: Any, _user: int) -> Iterator[Row]:
    (
        oid, user, _, seq, cid, side, kind, tif, flags, stp, px, qty, filled_qty, status, reason,
        notional, fee, profit, placed, ts, last, ended, cut, expire_s, trigger_px, trail_px,
        trail_ppm, fired_px, original, amends,
    ) = r  # fmt: skip
    yield (
        seq, oid, user, market.name, cid, SIDES[side], KINDS[kind], TIFS[tif],
        bool(flags & OrderFlag.POST_ONLY), bool(flags & OrderFlag.REDUCE_ONLY), STPS[stp], px, qty,
        filled_qty, cut, STATUSES[status], Reason(reason).name if reason else "", expire_s,
        trigger_px, trail_px, trail_ppm, fired_px, original, notional, fee, profit, amends, placed,
        ts, ended or None, last,
    )  # fmt: skip


def _fill(market: Market, r: Any, user: int) -> Iterator[Row]:
    (
        seq, ts, _, px, qty, side, taker, maker, taker_oid, maker_oid, taker_fee, maker_fee,
        taker_profit, maker_profit, taker_change, maker_change, taker_balance, maker_balance,
    ) = r  # fmt: skip
    both = market.name, px, qty
    if user in (0, taker):
        yield (seq, ts, taker, taker_oid, *both, SIDES[side], False, px * qty, taker_fee,
               taker_profit, taker_change, taker_balance)  # fmt: skip
    if user in (0, maker):
        yield (seq, ts, maker, maker_oid, *both, SIDES[1 - side], True, px * qty, maker_fee,
               maker_profit, maker_change, maker_balance)  # fmt: skip


def _trade(market: Market, r: Any, _user: int) -> Iterator[Row]:
    seq, ts, _, px, qty, side = r
    yield seq, ts, market.name, px, qty, px * qty, SIDES[side]


def _binance_trade(_market: Market, r: Any, _user: int) -> Iterator[Row]:
    seq, ts, _, px, qty, side = r
    yield seq, px, qty, px * qty, ts // 1_000_000, side == 1


def _funding(market: Market, r: Any, _user: int) -> Iterator[Row]:
    seq, ts, user, _, leg, interval, amount, net, mark, rate = r
    yield seq, ts, user, market.name, LEGS[leg], interval, amount, net, mark, rate


def _rate(market: Market, r: Any, _user: int) -> Iterator[Row]:
    yield (r[0], r[1], market.name, *r[3:])


def _liquidation(market: Market, r: Any, _user: int) -> Iterator[Row]:
    (
        key, ts, user, _, event, leg, mode, stage, number, side, oid, qty, px, mark, net, equity,
        maintenance, kind, counter, profit, amount, transfer_id,
    ) = r  # fmt: skip
    yield (
        key >> 1, ts, user, market.name, ("step", "transfer", "settled")[event], LEGS[leg],
        MODES[mode], STAGES[stage], number, SIDES[side], oid, qty, px, mark, net, equity,
        maintenance, ("takeover", "adl")[kind] if event == 1 else "", counter, profit, amount,
        transfer_id,
    )  # fmt: skip


def _balance(market: Market, r: Any, _user: int) -> Iterator[Row]:
    key, ts, user, _, kind, amount, balance = r
    yield key >> 2, ts, user, market.name, BALANCE_KINDS[kind], amount, balance


SEQ, USER, SYMBOL, AT = ("seq", INT), ("user", INT), ("symbol", TEXT), ("time", TIME)
TABLES: dict[str, Table] = {
    "orders": Table((
        SEQ, ("oid", INT), USER, SYMBOL, ("cid", TEXT), ("side", TEXT), ("type", TEXT),
        ("tif", TEXT), ("post_only", BOOL), ("reduce_only", BOOL), ("stp", TEXT), ("price", PRICE),
        ("qty", QTY), ("filled", QTY), ("cut", QTY), ("status", TEXT), ("reason", TEXT),
        ("expire_s", INT), ("trigger_price", PRICE), ("trail", PRICE), ("trail_ppm", INT),
        ("fired_price", PRICE), ("original_oid", INT), ("notional", MONEY), ("fee", MONEY),
        ("profit", MONEY), ("amends", INT), ("placed", TIME), ("time", TIME), ("ended", TIME),
        ("last_seq", INT),
    ), "SELECT * FROM orders", "seq", 1, _order, ("user_id",), "placed_ns", order="oid"),
    "fills": Table((
        SEQ, AT, USER, ("oid", INT), SYMBOL, ("price", PRICE), ("qty", QTY), ("side", TEXT),
        ("maker", BOOL), ("notional", MONEY), ("fee", MONEY), ("profit", MONEY),
        ("change", MONEY), ("balance", MONEY),
    ), "SELECT * FROM fills", "seq", 1, _fill, ("taker_user_id", "maker_user_id")),
    "trades": Table((
        SEQ, AT, SYMBOL, ("price", PRICE), ("qty", QTY), ("notional", MONEY), ("taker_side", TEXT),
    ), "SELECT seq, ts_ns, symbol_id, px, qty, taker_side FROM fills", "seq", 1, _trade),
    "funding": Table((
        SEQ, AT, USER, SYMBOL, ("leg", TEXT), ("interval", INT), ("amount", MONEY),
        ("net_qty", QTY), ("mark_price", PRICE), ("rate", RATE),
    ), "SELECT * FROM funding", "seq", 1, _funding, ("user_id",)),
    "funding_rates": Table((
        SEQ, AT, SYMBOL, ("interval", INT), ("rate", RATE), ("mark_price", PRICE),
        ("index_price", PRICE), ("premium", RATE), ("samples", INT), ("skipped", INT),
        ("payments", INT), ("paid", MONEY), ("received", MONEY), ("residue", MONEY),
    ), "SELECT * FROM funding_rates", "seq", 1, _rate),
    "liquidations": Table((
        SEQ, AT, USER, SYMBOL, ("event", TEXT), ("leg", TEXT), ("margin_mode", TEXT),
        ("stage", TEXT), ("round", INT), ("side", TEXT), ("oid", INT), ("qty", QTY),
        ("price", PRICE), ("mark_price", PRICE), ("net_qty", QTY), ("equity", MONEY),
        ("maintenance_margin", MONEY), ("transfer", TEXT), ("counter_user", INT),
        ("profit", MONEY), ("amount", MONEY), ("transfer_id", INT),
    ), "SELECT * FROM liquidations", "key", 2, _liquidation, ("user_id",)),
    "balances": Table((
        SEQ, AT, USER, SYMBOL, ("kind", TEXT), ("amount", MONEY), ("balance", MONEY),
    ), "SELECT * FROM balances", "key", 4, _balance, ("user_id",), also=tuple(
        Merged(
            f"SELECT seq * 4 + {part}, ts_ns, {side}_user_id, symbol_id, {TRADE}, {side}_change,"
            f" {side}_balance FROM fills", "seq", 1, (f"{side}_user_id",), f"{side}_change <> 0",
        ) for part, side in enumerate(("taker", "maker"))
    )),
}  # fmt: skip
BINANCE_TRADES = Table((
    ("id", INT), ("price", PRICE), ("qty", QTY), ("quote_qty", MONEY), ("time", INT),
    ("is_buyer_maker", BOOL),
), TABLES["trades"].sql, "seq", 1, _binance_trade)  # fmt: skip
CANDLES = (
    ("start", TIME), SYMBOL, ("open", PRICE), ("high", PRICE), ("low", PRICE), ("close", PRICE),
    ("volume", QTY), ("quote_volume", MONEY), ("trades", INT), ("taker_buy_volume", QTY),
    ("taker_buy_quote_volume", MONEY),
)  # fmt: skip
BINANCE_CANDLES = (
    ("open_time", INT), ("open", PRICE), ("high", PRICE), ("low", PRICE), ("close", PRICE),
    ("volume", QTY), ("close_time", INT), ("quote_volume", MONEY), ("count", INT),
    ("taker_buy_volume", QTY), ("taker_buy_quote_volume", MONEY), ("ignore", INT),
)  # fmt: skip
NAMES = (*TABLES, "candles")
LAYOUTS = ("rsx", "binance")


@dataclass(slots=True)
class Exported:
    """columns: (name, kind); rows: (market, values); as_of, complete_from: numbers of the log."""

    columns: tuple[tuple[str, int], ...]
    rows: Iterator[tuple[Market, Row]]
    markets: dict[int, Market]
    as_of: int
    complete_from: int
    money_decimals: int


@dataclass(slots=True)
class Store:
    """An archive's database, opened for reading. Raises ArchiveRefused, ExportFailed."""

    path: Path
    db: sqlite3.Connection = field(init=False)

    def __post_init__(self) -> None:
        if not self.path.is_file():
            raise ExportFailed(f"{self.path}: there is no archive")
        try:
            self.db = self._open()
            try:
                self._begin()
            except BaseException:
                self.db.close()
                raise
        except sqlite3.Error as error:
            raise ExportFailed(f"{self.path}: {error}") from None

    def _begin(self) -> None:
        """One view of the tables, which must be those of this program."""
        names = {name for (name,) in self.db.execute("SELECT name FROM sqlite_master")}
        applied = []
        if "migrations" in names:
            applied = self.db.execute(
                "SELECT number, name FROM migrations ORDER BY number"
            ).fetchall()
        if missing(self.path, applied, migrations()):
            raise ArchiveRefused(
                f"{self.path}: migration {len(applied)} where {len(migrations())} is due: "
                "no archive, or one of an older program (start the exchange on it once)"
            )
        self.db.execute("BEGIN")

    def _open(self) -> sqlite3.Connection:
        """In a folder that cannot be written no running exchange can be: then as it stands."""
        where = self.path.resolve().as_uri()
        db = sqlite3.connect(f"{where}?mode=rw", uri=True, isolation_level=None, timeout=5)
        try:
            db.execute("PRAGMA query_only = 1")
            db.execute("SELECT count(*) FROM sqlite_master")
            return db
        except sqlite3.OperationalError:
            db.close()
            return sqlite3.connect(f"{where}?mode=ro&immutable=1", uri=True, isolation_level=None)
        except BaseException:
            db.close()
            raise

    def close(self) -> None:
        self.db.close()

    def __enter__(self) -> Store:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def markets(self) -> dict[int, Market]:
        rows = self.db.execute(
            "SELECT symbol_id, name, price_decimals, qty_decimals FROM symbols ORDER BY symbol_id"
        )
        return {row[0]: Market(*row) for row in rows}

    def export(self, wanted: Wanted) -> Exported:
        """Columns and rows; the rows must be read before the store is closed."""
        place = self.db.execute(
            "SELECT position, position_ns, complete_from, kept_from, money_decimals FROM archive"
        ).fetchone()
        if place is None:
            raise ExportFailed(f"{self.path}: nothing is archived yet")
        position, now_ns, complete, kept, decimals = place
        markets = self.markets()
        is_binance = wanted.layout == "binance"
        columns: tuple[tuple[str, int], ...]
        if wanted.table == "candles":
            columns = BINANCE_CANDLES if is_binance else CANDLES
            rows = self._candles(wanted, markets, now_ns)
        else:
            table = BINANCE_TRADES if is_binance else TABLES[wanted.table]
            columns, rows = table.columns, self._rows(table, wanted, markets)
        return Exported(columns, rows, markets, position, max(complete, kept), decimals)

    def _rows(
        self, table: Table, wanted: Wanted, markets: dict[int, Market]
    ) -> Iterator[tuple[Market, Row]]:
        low, high = 0, ENDLESS
        if wanted.from_ns or wanted.to_ns < (1 << 63) - 1:
            seconds = wanted.from_ns // NS, (wanted.to_ns - 1) // NS
            low, high = self.db.execute(CLOCK, seconds).fetchone()
            if low is None:
                return
        own = Merged(table.sql, table.id, table.span, table.users, "1")
        cursors = [
            self._cursor(source, table.time, wanted, low, high, table.order)
            for source in (own, *table.also)
        ]
        at = [name for name, *_ in cursors[0].description].index("symbol_id")
        # Each is in order already: merged, not sorted.
        rows: Any = heapq.merge(*cursors) if table.also else cursors[0]
        for stored in rows:
            market = markets.get(stored[at], NO_MARKET)
            for row in table.make(market, stored, wanted.user_id):
                yield market, row

    def _cursor(
        self, source: Merged, time: str, wanted: Wanted, low: int, high: int, order: str
    ) -> Any:
        """Rows whose numbers and times are wanted, as they lie in their table: none are sorted."""
        where = [f"{source.id} BETWEEN ? AND ?", f"{time} >= ?", f"{time} < ?", source.condition]
        values = [low * source.span, min((high + 1) * source.span - 1, ENDLESS), wanted.from_ns,
                  wanted.to_ns]  # fmt: skip
        if wanted.symbol_id:
            where.append("symbol_id = ?")
            values.append(wanted.symbol_id)
        if wanted.user_id:
            where.append(f"({' OR '.join(f'{user} = ?' for user in source.users)})")
            values += [wanted.user_id] * len(source.users)
        return self.db.execute(
            f"{source.sql} WHERE {' AND '.join(where)} ORDER BY {order or source.id}", values
        )

    def _candles(
        self, wanted: Wanted, markets: dict[int, Market], now_ns: int
    ) -> Iterator[tuple[Market, Row]]:
        step = wanted.interval_s
        low = -(-wanted.from_ns // (step * NS)) * step
        high = min((wanted.to_ns - 1) // (step * NS) * step, now_ns // NS // step * step)
        make = _binance_candle if wanted.layout == "binance" else _candle
        for symbol_id, market in markets.items():
            if wanted.symbol_id not in (0, symbol_id):
                continue
            key = (symbol_id, wanted.source, step)
            stored = self.db.execute(
                f"SELECT {CANDLE_COLUMNS} FROM candles WHERE symbol_id = ? AND source = ?"
                " AND interval_s = ? AND start_s BETWEEN ? AND ? ORDER BY start_s",
                (*key, low, high),
            )
            found: Iterator[Candle] = map(from_row, stored)
            if wanted.gaps:
                close = self.db.execute(CLOSE_BEFORE, (*key, low)).fetchone()
                found = filled(found, step, low, high, close[0] if close else None)
            for candle in found:
                yield market, make(market, candle, step)


def _candle(market: Market, candle: Any, _step: int) -> Row:
    start, *prices, volume, quote, trades, buy, buy_quote = candle
    return (start * NS, market.name, *prices, volume, quote, trades, buy, buy_quote)


def _binance_candle(_market: Market, candle: Any, step: int) -> Row:
    start, *prices, volume, quote, trades, buy, buy_quote = candle
    return (start * 1000, *prices, volume, (start + step) * 1000 - 1, quote, trades, buy,
            buy_quote, 0)  # fmt: skip
