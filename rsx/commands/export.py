"""`rsx export`: histories of the archive as CSV or Parquet, for pandas and backtesting tools.

Reads the database only; the exchange may run. Source: specs/archive.md section 4.
"""

from __future__ import annotations

import os
import sqlite3
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import click

from rsx.commands.remote import Failure
from rsx.errors import RsxError
from rsx.store.candles import INTERVAL_NAMES, SOURCES
from rsx.store.export import LAYOUTS, NAMES, Store, Wanted
from rsx.store.files import FORMATS, write_file

TIME_MAX = (1 << 63) - 1
BINANCE_TABLES = ("candles", "trades")
WITHOUT_USERS = ("candles", "trades", "funding_rates")


class Moment(click.ParamType):
    """ns since 1970, or ISO 8601; without a zone it is UTC."""

    name = "time"

    def convert(self, value: Any, param: Any, ctx: Any) -> int:
        if isinstance(value, int):
            return value
        if value.isascii() and value.isdigit() and len(value) <= 19:
            return min(int(value), TIME_MAX)
        try:
            moment = datetime.fromisoformat(value)
        except ValueError:
            self.fail(f"{value!r} is neither ns since 1970 nor a time such as 2026-01-31T12:00")
        if moment.tzinfo is None:
            moment = moment.replace(tzinfo=UTC)
        since = moment - datetime(1970, 1, 1, tzinfo=UTC)
        ns = (since.days * 86_400 + since.seconds) * 1_000_000_000 + since.microseconds * 1000
        if not 0 <= ns <= TIME_MAX:
            self.fail(f"{value!r} is not from 1970 to 2262")
        return ns


MOMENT = Moment()


@click.command()
@click.argument("directory", metavar="[DIR]", required=False, type=click.Path(path_type=Path))
@click.option("--db", type=click.Path(path_type=Path), help="The database itself, in place of DIR.")
@click.option("--table", type=click.Choice(NAMES), required=True, help="What to export.")
@click.option(
    "--format", "form", type=click.Choice(FORMATS), default="csv", show_default=True,
    help="Of the file.",
)  # fmt: skip
@click.option("--out", required=True, metavar="FILE", help="File to write; - is stdout (csv).")
@click.option("--from", "first", type=MOMENT, default=0, help="Rows from this time on.")
@click.option("--to", "last", type=MOMENT, default=TIME_MAX, help="Rows before this time.")
@click.option("--symbol", help="Only this market.")
@click.option("--user", type=click.IntRange(1, (1 << 32) - 1), help="Only this account.")
@click.option(
    "--interval", type=click.Choice(list(INTERVAL_NAMES)), default="1m", show_default=True,
    help="Of candles.",
)  # fmt: skip
@click.option(
    "--price", type=click.Choice(list(SOURCES)), default="trade", show_default=True,
    help="What candles are made of.",
)  # fmt: skip
@click.option(
    "--gaps", type=click.Choice(["fill", "skip"]), default="fill", show_default=True,
    help="Candles of intervals without a trade.",
)  # fmt: skip
@click.option(
    "--layout", type=click.Choice(LAYOUTS), default="rsx", show_default=True,
    help="binance: the columns of its kline and trade archives.",
)  # fmt: skip
@click.option("--force", is_flag=True, help="Overwrite FILE.")
def export(
    directory: Path | None, db: Path | None, table: str, form: str, out: str, first: int,
    last: int, symbol: str | None, user: int | None, interval: str, price: str, gaps: str,
    layout: str, force: bool,
) -> None:  # fmt: skip
    """Write a table of the archive of the data folder DIR to a file.

    CSV has decimals, and ISO times beside ns; Parquet has decimals and timestamps as such and
    needs pyarrow (pip install 'rsx[export]').
    """
    if (directory is None) == (db is None):
        raise click.UsageError("name either DIR or --db FILE")
    if first >= last:
        raise click.UsageError(f"--from {first} is not before --to {last}")
    if user is not None and table in WITHOUT_USERS:
        raise click.UsageError(f"--user {user}: {table} are of nobody")
    if layout == "binance" and table not in BINANCE_TABLES:
        raise click.UsageError(f"--layout binance: has {' and '.join(BINANCE_TABLES)}, no {table}")
    if layout == "binance" and symbol is None:
        raise click.UsageError("--layout binance: a file is of one market, name it (--symbol)")
    if table == "candles" and price == "mark" and interval == "1s":
        raise click.UsageError("--interval 1s: marks have candles from 1m on")
    path = db if db is not None else Path(str(directory), "archive.db")
    try:
        with Store(path) as store:
            symbol_id = 0 if symbol is None else _symbol_id(store, symbol)
            exported = store.export(Wanted(
                table, symbol_id, user or 0, first, last, INTERVAL_NAMES[interval],
                SOURCES[price], gaps == "fill", layout,
            ))  # fmt: skip
            count = write_file(exported, form, out, force, symbol_id)
            sys.stdout.flush()
    except BrokenPipeError:  # the reader has gone (`| head`)
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return
    except sqlite3.Error as error:
        raise Failure(f"{path}: {error}") from None
    except RsxError as error:
        raise Failure(str(error)) from None
    where = "stdout" if out == "-" else out
    known = f"as of record {exported.as_of:,}"
    if exported.complete_from > 1:
        known += f", complete from record {exported.complete_from:,}"
    click.echo(f"{count:,} rows to {where} ({known})", err=True)


def _symbol_id(store: Store, name: str) -> int:
    markets = store.markets()
    for market in markets.values():
        if market.name == name:
            return market.symbol_id
    known = ", ".join(market.name for market in markets.values())
    raise click.UsageError(f"--symbol {name}: {store.path} has {known}")


COMMANDS: list[click.Command] = [export]
