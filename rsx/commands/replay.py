"""`rsx replay FILE`: a venue's order-by-order data through the compiled book.

    ts_ns,action,side,price_ticks,qty,order_id        plain or gzip, with this header

    A   a limit order came to rest; it is entered without matching
    C   it was cancelled                              ignored where it is not resting
    M   it was changed: same price and not larger keeps its place, else it goes to the back
    T   an aggressor traded (side N: an auction)      runs as an immediate-or-cancel order
    F   a fill of the T before it                     what the order's fills are held against

A trade is exact when the book gives the venue's fills, order for order, as far as their makers
were resting on the other side. Fills of an auction are applied as they stand.
Source: specs/matching.md section 8; shows INV-3 on real data.
"""

from __future__ import annotations

import gzip
import time
import zlib
from array import array
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import click
import orjson

from rsx.commands.remote import Failure, json_option

COLUMNS = ("ts_ns", "action", "side", "price_ticks", "qty", "order_id")
HEADER = ",".join(COLUMNS)
ROW = ("action", "side", "px", "qty", "oid")  # of rsx.book.replay
ACTIONS = {action: ord(action) for action in "ACMTF"}
SIDES = {"B": 0, "A": 1, "N": 2}
PRICE_MAX = (1 << 24) - 1
QTY_MAX = (1 << 36) - 1
ID_MAX = (1 << 52) - 1
ORDERS_MAX = 1 << 20


@dataclass(slots=True)
class Outcome:
    """What a replay did. seconds: in the book, without reading the file."""

    rows: int = 0
    orders: int = 0
    trades: int = 0
    exact: int = 0
    fills: int = 0
    auction_fills: int = 0
    resting: int = 0
    read_seconds: float = 0.0
    seconds: float = 0.0

    @property
    def orders_per_second(self) -> int:
        return round(self.orders / self.seconds) if self.seconds else 0


def read_rows(path: Path) -> array[int]:
    """Read and check the whole file; rows as rsx.book.replay wants them.

    Raises Failure with file, line, field and value.
    """
    rows = array("q")
    add = rows.extend
    line = 1
    try:
        with _open(path) as file:
            first = file.readline().strip()
            if first != HEADER:
                raise Failure(f"{path}: line 1: {first[:80]!r} where {HEADER!r} is due")
            for line, text in enumerate(file, 2):
                try:
                    ts_ns, action, side, px, qty, oid = text.rstrip().split(",")
                    row = (ACTIONS[action], SIDES[side], int(px), int(qty), int(oid))
                except (ValueError, KeyError):
                    raise Failure(f"{path}: line {line}: {_complaint(text)}") from None
                if not (
                    0 < row[2] <= PRICE_MAX and 0 < row[3] <= QTY_MAX and 0 <= row[4] <= ID_MAX
                    and (ts_ns + px + qty + oid).isdecimal() and (row[4] or action == "T")
                    and (side != "N" or action in "TF")
                ):  # fmt: skip
                    raise Failure(f"{path}: line {line}: {_complaint(text)}")
                add(row)
    except (OSError, EOFError, UnicodeDecodeError, zlib.error) as error:
        reason = getattr(error, "strerror", None) or error
        raise Failure(f"{path}: line {line}: cannot be read: {reason}") from None
    return rows


def _open(path: Path) -> IO[str]:
    with open(path, "rb") as file:
        is_gzip = file.read(2) == b"\x1f\x8b"
    opener: Any = gzip.open if is_gzip else open
    opened: IO[str] = opener(path, "rt", encoding="ascii", newline="\n")
    return opened


def _complaint(text: str) -> str:
    """Which field of a refused row is wrong, and its value."""
    values = text.rstrip("\r\n").split(",")
    if len(values) != len(COLUMNS):
        return f"{len(values)} fields where {len(COLUMNS)} are due: {','.join(values)[:80]!r}"
    action = values[1]
    oid_min = 0 if action == "T" else 1
    limits = {"ts_ns": (0, None), "price_ticks": (1, PRICE_MAX), "qty": (1, QTY_MAX),
              "order_id": (oid_min, ID_MAX)}  # fmt: skip
    for name, value in zip(COLUMNS, values, strict=True):
        if name in limits:
            low, high = limits[name]
            number = int(value) if value.isdecimal() and len(value) < 40 else -1
            if number < low or (high is not None and number > high):
                span = f"from {low}" if high is None else f"{low} .. {high}"
                return f"{name} = {value[:40]!r} is not a whole number {span}"
        elif name == "action" and value not in ACTIONS:
            return f"action = {value[:40]!r} is none of A C M T F"
        elif name == "side" and value not in ("BAN" if action in "TF" else "BA"):
            return f"side = {value[:40]!r} is none of {'B A N' if action in 'TF' else 'B A'}"
    return f"{','.join(values)[:80]!r} is not a row"


def run_rows(path: Path, rows: array[int]) -> Outcome:
    """Run the rows of a file. Raises Failure for one that contradicts those before it."""
    from rsx.book.replay import VenueReplay
    from rsx.config import SymbolConfig

    symbol = SymbolConfig(
        id=1, name="REPLAY", price_decimals=0, qty_decimals=0, tick=1, lot=1, px_max=PRICE_MAX,
        qty_max=QTY_MAX, notional_max=1 << 60, reference_px=1, maker_fee_ppm=0, taker_fee_ppm=0,
        initial_margin_ppm=10_000, maintenance_margin_ppm=10_000,
    )  # fmt: skip
    replay = VenueReplay(
        symbol, orders_max=ORDERS_MAX, users_max=1024, open_orders_per_user_max=ORDERS_MAX
    )
    began = time.perf_counter()
    try:
        replay.run(rows)
    except ValueError as error:
        raise Failure(f"{path}: line {replay.at + 2}: {error}") from None
    seconds = time.perf_counter() - began
    return Outcome(
        rows=len(rows) // len(ROW),
        orders=len(rows) // len(ROW) - rows[:: len(ROW)].count(ACTIONS["F"]),
        trades=replay.trades,
        exact=replay.exact,
        fills=replay.fills,
        auction_fills=replay.auction_fills,
        resting=replay.counts()["resting"],
        seconds=seconds,
    )


@click.command()
@click.argument("file", type=click.Path(path_type=Path))
@json_option()
def replay(file: Path, as_json: bool) -> None:
    """Run a venue's order-by-order FILE (CSV, plain or gzip) through the compiled book.

    Prints the aggressor trades, how many were filled exactly as the venue did, and orders a
    second through the book.
    """
    began = time.perf_counter()
    rows = read_rows(file)
    read_seconds = time.perf_counter() - began
    outcome = run_rows(file, rows)
    outcome.read_seconds = read_seconds
    if as_json:
        click.echo(orjson.dumps({
            "file": str(file), "rows": outcome.rows, "orders": outcome.orders,
            "trades": outcome.trades, "exact": outcome.exact, "fills": outcome.fills,
            "auction_fills": outcome.auction_fills, "resting": outcome.resting,
            "read_seconds": round(outcome.read_seconds, 6), "seconds": round(outcome.seconds, 6),
            "orders_per_second": outcome.orders_per_second,
        }).decode())  # fmt: skip
        return
    click.echo(
        f"{outcome.rows:,} rows read in {outcome.read_seconds:.2f} s\n"
        f"{outcome.exact} of {outcome.trades} aggressor trades filled exactly as the venue did "
        f"({outcome.fills:,} fills; {outcome.auction_fills} of auctions applied as they stand)\n"
        f"{outcome.orders:,} orders in {outcome.seconds:.3f} s: "
        f"{outcome.orders_per_second:,} orders/s, {outcome.resting:,} resting at the end"
    )


COMMANDS: list[click.Command] = [replay]
