"""Rows of an export into a file: CSV with decimals and ISO times, Parquet with exact types.

Streams: a part of the rows is in memory at a time. A file appears under its name when it is whole.
Source: specs/archive.md AR-40 to AR-42.
"""

from __future__ import annotations

import csv
import os
import sys
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from itertools import islice
from pathlib import Path
from typing import IO, Any

from rsx.store.export import (
    BOOL,
    INT,
    MONEY,
    PRICE,
    QTY,
    RATE,
    TEXT,
    TIME,
    Exported,
    ExportFailed,
    Market,
)
from rsx.units import to_text

PART_ROWS = 16_384
PPB_DECIMALS = 9
FORMATS = ("csv", "parquet")

Cell = Callable[[Any], Any]


def iso_time(ns: int) -> str:
    """UTC with nine digits behind the second."""
    seconds, rest = divmod(ns, 1_000_000_000)
    return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%dT%H:%M:%S}.{rest:09d}Z"


def _decimals_of(kind: int, market: Market, money_decimals: int) -> int:
    if kind == RATE:
        return PPB_DECIMALS
    if kind == MONEY:
        return money_decimals
    return market.price_decimals if kind == PRICE else market.qty_decimals


# --- CSV --------------------------------------------------------------------------------------


def write_csv(exported: Exported, file: IO[str]) -> int:
    """Header and rows; a time has two columns, ISO and NAME_ns. Returns the number of rows."""
    out = csv.writer(file, lineterminator="\n")
    header: list[str] = []
    for name, kind in exported.columns:
        header += [name, f"{name}_ns"] if kind == TIME else [name]
    out.writerow(header)
    kinds = [kind for _, kind in exported.columns]
    money = exported.money_decimals
    count = 0
    for market, row in exported.rows:
        line: list[Any] = []
        for kind, value in zip(kinds, row, strict=True):
            if kind == TIME:
                line += ["", ""] if value is None else [iso_time(value), value]
            elif kind == BOOL:
                line.append("true" if value else "false")
            elif kind in (INT, TEXT):
                line.append(value)
            else:
                line.append(to_text(value, _decimals_of(kind, market, money)))
        out.writerow(line)
        count += 1
    return count


# --- Parquet ----------------------------------------------------------------------------------


def _pyarrow() -> Any:
    try:
        import pyarrow
        import pyarrow.parquet
    except ImportError:
        raise ExportFailed(
            "parquet needs pyarrow, which is not installed: pip install 'rsx[export]'"
        ) from None
    return pyarrow


def _scales(exported: Exported, symbol_id: int) -> tuple[int, int]:
    """Digits of prices and quantities in the file: those of its market, or the most of all."""
    markets = [m for m in exported.markets.values() if symbol_id in (0, m.symbol_id)]
    if not markets:
        return 0, 0
    return max(m.price_decimals for m in markets), max(m.qty_decimals for m in markets)


def write_parquet(exported: Exported, path: Path, symbol_id: int = 0) -> int:
    """One file, a row group for each part. Returns the number of rows."""
    pa = _pyarrow()
    px, qty = _scales(exported, symbol_id)
    scales = {PRICE: px, QTY: qty, MONEY: exported.money_decimals, RATE: PPB_DECIMALS}
    types = {
        INT: pa.int64(), TEXT: pa.string(), BOOL: pa.bool_(), TIME: pa.timestamp("ns", tz="UTC"),
        **{kind: pa.decimal128(38, scale) for kind, scale in scales.items()},
    }  # fmt: skip
    schema = pa.schema([(name, types[kind]) for name, kind in exported.columns])
    count = 0
    with pa.parquet.ParquetWriter(path, schema, compression="zstd") as out:
        for part in _parts(exported):
            arrays = [
                _array(pa, types[kind], kind, scales, [(m, row[at]) for m, row in part],
                       exported.money_decimals)
                for at, (_, kind) in enumerate(exported.columns)
            ]  # fmt: skip
            out.write_batch(pa.record_batch(arrays, schema=schema))
            count += len(part)
    return count


def _parts(exported: Exported) -> Iterator[list[Any]]:
    while part := list(islice(exported.rows, PART_ROWS)):
        yield part


def _array(
    pa: Any, kind_type: Any, kind: int, scales: dict[int, int], cells: list[Any], money: int
) -> Any:
    """A column. Decimals are laid out as the 128-bit integers that they are."""
    if kind not in scales:
        return pa.array([value for _, value in cells], type=kind_type)
    factors = [10**n for n in range(scales[kind] + 1)]
    units = b"".join(
        (value * factors[scales[kind] - _decimals_of(kind, market, money)]).to_bytes(
            16, "little", signed=True)
        for market, value in cells
    )  # fmt: skip
    return pa.Array.from_buffers(kind_type, len(cells), [None, pa.py_buffer(units)])


# --- files ------------------------------------------------------------------------------------


def write_file(exported: Exported, form: str, out: str, force: bool, symbol_id: int = 0) -> int:
    """Write FILE, or "-" for stdout. Raises ExportFailed; then FILE is as it was."""
    if form == "parquet":
        _pyarrow()
    if out == "-":
        if form != "csv":
            raise ExportFailed("parquet cannot go to stdout: name a file")
        return write_csv(exported, sys.stdout)
    path = Path(out)
    if path.exists() and not force:
        raise ExportFailed(f"{path}: is there already (--force overwrites it)")
    partial = path.with_name(path.name + ".part")
    try:
        try:
            if form == "csv":
                with open(partial, "w", encoding="utf-8", newline="") as file:
                    count = write_csv(exported, file)
            else:
                count = write_parquet(exported, partial, symbol_id)
            os.replace(partial, path)
        except BaseException:
            partial.unlink(missing_ok=True)
            raise
    except OSError as error:
        raise ExportFailed(f"{path}: {error.strerror or error}") from None
    return count
