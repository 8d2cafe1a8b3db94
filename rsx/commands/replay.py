"""`rsx replay FILE`: a venue's order-by-order data through the compiled book.

    ts_ns,action,side,price_ticks,qty,order_id        plain or gzip, with this header

    A   a limit order came to rest; it is entered without matching
    C   it was cancelled                              ignored where it is not resting
    M   it was changed: same price and not larger keeps its place, else it goes to the back
    T   an aggressor traded (side N: an auction)      runs as an immediate-or-cancel order
    F   a fill of the T before it                     what the order's fills are held against

A trade is exact when the book gives the venue's fills, order for order, as far as their makers
were resting on the other side. Fills of an auction are applied as they stand.
Source: specs/matching.md section 1; shows INV-3 on real data.
"""

from __future__ import annotations

import gzip
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, NamedTuple

import click
import orjson

from rsx import records
from rsx.commands.remote import Failure, json_option

COLUMNS = ("ts_ns", "action", "side", "price_ticks", "qty", "order_id")
HEADER = ",".join(COLUMNS)
ACTIONS = frozenset("ACMTF")
SIDES = {"B": 0, "A": 1, "N": 2}
AUCTION = SIDES["N"]
PRICE_MAX = (1 << 24) - 1
QTY_MAX = (1 << 36) - 1
ID_MAX = (1 << 52) - 1
ORDERS_MAX = 1 << 20
AGGRESSOR = 1 << 52  # ids of the replay's own orders begin above all of the file's
SYMBOL_ID = 1


class Row(NamedTuple):
    """One line of the file. side: 0 bid, 1 ask, 2 auction."""

    action: str
    side: int
    px: int
    qty: int
    oid: int


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


def read_rows(path: Path) -> list[Row]:
    """Read and check the whole file. Raises Failure with file, line, field and value."""
    rows = []
    line = 1
    try:
        with _open(path) as file:
            first = file.readline().strip()
            if first != HEADER:
                raise Failure(f"{path}: line 1: {first[:80]!r} where {HEADER!r} is due")
            for line, text in enumerate(file, 2):
                rows.append(_row(path, line, text))
    except (OSError, EOFError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or error
        raise Failure(f"{path}: line {line}: cannot be read: {reason}") from None
    return rows


def _open(path: Path) -> IO[str]:
    with open(path, "rb") as file:
        is_gzip = file.read(2) == b"\x1f\x8b"
    opener: Any = gzip.open if is_gzip else open
    opened: IO[str] = opener(path, "rt", encoding="ascii", newline="\n")
    return opened


def _row(path: Path, line: int, text: str) -> Row:
    values = text.rstrip("\r\n").split(",")
    try:
        _, action, side, px, qty, oid = values
        row = Row(action, SIDES[side], int(px), int(qty), int(oid))
        if (
            action in ACTIONS
            and 0 < row.px <= PRICE_MAX
            and 0 < row.qty <= QTY_MAX
            and 0 <= row.oid <= ID_MAX
            and (row.oid or action == "T")
            and (side != "N" or action in "TF")
            and values[0].isdecimal()
        ):
            return row
    except (ValueError, KeyError):
        pass
    raise Failure(f"{path}: line {line}: {_complaint(values)}")


def _complaint(values: list[str]) -> str:
    """Which field of a refused row is wrong, and its value."""
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


class Replay:
    """Runs rows through one engine and counts."""

    def __init__(self) -> None:
        from rsx.book.engine import Engine
        from rsx.config import SymbolConfig

        symbol = SymbolConfig(
            id=SYMBOL_ID, name="REPLAY", price_decimals=0, qty_decimals=0, tick=1, lot=1,
            px_max=PRICE_MAX, qty_max=QTY_MAX, notional_max=1 << 60, reference_px=1,
            maker_fee_ppm=0, taker_fee_ppm=0, initial_margin_ppm=10_000,
            maintenance_margin_ppm=10_000,
        )  # fmt: skip
        self.engine = Engine(symbol, orders_max=ORDERS_MAX, users_max=1024,
                             open_orders_per_user_max=ORDERS_MAX)  # fmt: skip
        self.outcome = Outcome()

    def run(self, path: Path, rows: list[Row]) -> Outcome:
        """Raises Failure for a row that contradicts the ones before it."""
        outcome = self.outcome
        outcome.rows = len(rows)
        outcome.orders = sum(row.action != "F" for row in rows)
        began = time.perf_counter()
        at = 0
        try:
            while at < len(rows):
                at = self._step(rows, at)
        except ValueError as error:
            raise Failure(f"{path}: line {at + 2}: {error}") from None
        outcome.seconds = time.perf_counter() - began
        outcome.resting = self.engine.counts()["resting"]
        return outcome

    def _step(self, rows: list[Row], at: int) -> int:
        """Run the row at `at`, with its fills where it is a trade; returns the next one's place."""
        action, side, px, qty, oid = rows[at]
        if action == "A":
            self.engine.enter(oid, side, px, qty)
        elif action == "C":
            resting = self.engine.find(oid)
            if resting is not None:
                self.engine.shrink(oid, resting[2])
        elif action == "M":
            self._change(oid, side, px, qty)
        elif action == "T":
            end = at + 1
            while end < len(rows) and rows[end].action == "F":
                end += 1
            self._trade(rows[at], rows[at + 1 : end])
            return end
        else:
            raise ValueError("action = 'F' without its T before it")
        return at + 1

    def _change(self, oid: int, side: int, px: int, qty: int) -> None:
        resting = self.engine.find(oid)
        if resting is None:
            return
        own_side, own_px, remaining = resting
        if (own_side, own_px) == (side, px) and qty <= remaining:
            if qty < remaining:
                self.engine.shrink(oid, remaining - qty)
            return
        self.engine.shrink(oid, remaining)
        self.engine.enter(oid, side, px, qty)

    def _trade(self, trade: Row, fills: list[Row]) -> None:
        outcome = self.outcome
        if trade.side == AUCTION:
            for fill in fills:
                self.engine.shrink(fill.oid, fill.qty)
            outcome.auction_fills += len(fills)
            return
        due = []
        for fill in fills:
            resting = self.engine.find(fill.oid)
            if resting is not None and resting[0] == 1 - trade.side:
                due.append((fill.oid, fill.qty))
        outcome.trades += 1
        request = records.ORDER_NEW.pack(
            oid=AGGRESSOR + outcome.trades, px=trade.px, qty=trade.qty, user_id=2,
            symbol_id=SYMBOL_ID, side=trade.side, tif=records.Tif.IOC,
        )  # fmt: skip
        done = list(_fills(self.engine.submit(request)))
        outcome.fills += len(done)
        outcome.exact += done == due


def _fills(events: list[bytes]) -> Iterator[tuple[int, int]]:
    for event in events:
        if records.type_of(event) == records.FILL.type:
            view = records.FILL.unpack(event)
            yield view.maker_oid, view.qty


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
    outcome = Replay().run(file, rows)
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
