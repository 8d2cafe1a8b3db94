"""Recovery: from the files to the state that the tiles start with.

Reads the log through, folds it, cuts a torn tail, audits the result, and says how the log goes on.
Source: specs/wal.md section 3.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from rsx import records
from rsx.config import TICK_ROWS_MAX, Config, SymbolConfig
from rsx.core.clock import Clock
from rsx.errors import StartError
from rsx.wal.reader import LogReader, cut_tail
from rsx.wal.segments import RECORD_SIZE, Segment, sync_folder
from rsx.wal.state import State

SAME_FOR_EVER = ("name", "price_decimals", "qty_decimals", "tick", "lot")
CONFIG_FIELDS = {
    "tick": "tick", "lot": "lot", "px_max": "px_max", "qty_max": "qty_max",
    "notional_max": "notional_max", "reference_px": "reference_px",
    "maker_fee_ppm": "maker_fee_ppm", "taker_fee_ppm": "taker_fee_ppm",
    "initial_margin_ppm": "initial_margin_ppm",
    "maintenance_margin_ppm": "maintenance_margin_ppm",
    "price_decimals": "price_decimals", "qty_decimals": "qty_decimals", "symbol_id": "id",
}  # fmt: skip
LIMITS_FIELDS = {
    "notional_min": "notional_min", "price_band_ppm": "price_band_ppm",
    "market_band_ppm": "market_band_ppm", "symbol_id": "id",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class LogStart:
    """How the log goes on: what the wal tile needs to know.

    path: segment to go on in, None = a new log; opening_records: unnumbered records that this
    start begins with.
    """

    next_seq: int
    epoch: int
    exchange_id: int
    path: Path | None
    segment_first: int
    opening_records: tuple[bytes, ...]


@dataclass(frozen=True, slots=True)
class Recovered:
    """What recovery found. torn_bytes: cut from the end; seconds: what reading took."""

    state: State
    start: LogStart
    torn_bytes: int
    seconds: float


def _config_values(symbol: SymbolConfig) -> dict[str, int]:
    """SYMBOL_CONFIG's fields, but for the name."""
    return {field: getattr(symbol, name) for field, name in CONFIG_FIELDS.items()}


def _limits_values(symbol: SymbolConfig) -> dict[str, int]:
    """SYMBOL_LIMITS' fields; rows that the tick table does not have are 0."""
    values = {field: getattr(symbol, name) for field, name in LIMITS_FIELDS.items()}
    rows = [*symbol.tick_table, *[(0, 0)] * (TICK_ROWS_MAX - len(symbol.tick_table))]
    for number, (first, tick) in enumerate(rows, 1):
        values |= {f"tick_from_{number}": first, f"tick_{number}": tick}
    return values


def _rules_records(symbol: SymbolConfig, version: int, ts_ns: int) -> list[bytes]:
    """SYMBOL_CONFIG and the SYMBOL_LIMITS that goes with it."""
    head = {
        "ts_ns": ts_ns, "config_version": version, "stream": symbol.id,
        "header_flags": records.HeaderFlag.GROUP_END,
    }  # fmt: skip
    return [
        records.SYMBOL_CONFIG.pack(
            name=symbol.name.encode(), **head, **_config_values(symbol)
        ),
        records.SYMBOL_LIMITS.pack(**head, **_limits_values(symbol)),
    ]  # fmt: skip


def _is_known(symbol: SymbolConfig, state: State) -> bool:
    """Whether the log's newest rules of this market are those of the configuration, and whole."""
    config, limits = state.configs.get(symbol.id), state.limits.get(symbol.id)
    if config is None or limits is None or limits.config_version != config.config_version:
        return False
    return all(getattr(config, f) == value for f, value in _config_values(symbol).items()) and all(
        getattr(limits, f) == value for f, value in _limits_values(symbol).items()
    )


def _opening(config: Config, state: State, exchange_id: int, ts_ns: int) -> tuple[bytes, ...]:
    """LOG_STARTED, then the rules of every market that the log does not know like this (L-24)."""
    opening = [
        records.LOG_STARTED.pack(
            ts_ns=ts_ns, exchange_id=exchange_id, money_decimals=config.money_decimals,
            stream=65534, header_flags=records.HeaderFlag.GROUP_END,
        )
    ]  # fmt: skip
    for symbol in config.symbols:
        if not _is_known(symbol, state):
            known = state.configs.get(symbol.id)
            version = known.config_version + 1 if known else 1
            opening += _rules_records(symbol, version, ts_ns)
    return tuple(opening)


def _config_check(config: Config, folder: Path) -> Callable[[records.View], None]:
    """A check that refuses a log of other markets (L-24)."""
    symbols = {symbol.id: symbol for symbol in config.symbols}

    def check(view: records.View) -> None:
        symbol = symbols.get(view.symbol_id)
        name = view.name.rstrip(b"\0").decode()
        if symbol is None:
            raise StartError(
                f"{folder} holds market {view.symbol_id} ({name}), which the configuration "
                "does not have: another exchange's data folder?"
            )
        for key in SAME_FOR_EVER:
            was = name if key == "name" else getattr(view, key)
            if was != getattr(symbol, key):
                raise StartError(
                    f"{folder} holds market {view.symbol_id} with {key} = {was}, the "
                    f"configuration says {getattr(symbol, key)}: another exchange's data folder?"
                )
        if view.px_max > symbol.px_max:
            raise StartError(
                f"{folder} holds market {view.symbol_id} with px_max = {view.px_max}, the "
                f"configuration says {symbol.px_max}: orders may rest above it, it only rises"
            )

    return check


def recover(
    config: Config,
    folder: Path,
    clock: Clock,
    progress: Callable[[int, int], None] | None = None,
) -> Recovered:
    """Fold the log in `folder`. progress(records read, slots in all) is called now and then.

    Raises StartError (LogDamaged, another exchange's folder) or InvariantError; nothing is
    changed on disk before the log has been read to its end and audited.
    """
    began = time.monotonic()
    reader = LogReader(folder)
    state = State(config, _config_check(config, folder))
    read = 0
    for chunk in reader.chunks():
        state.apply(chunk)
        read += len(chunk) // RECORD_SIZE
        if progress is not None:
            progress(read, reader.size)
    state.audit()
    end = reader.end()
    cut_tail(end)
    _make_durable(reader.segments, end.path)
    exchange_id = state.exchange_id or int.from_bytes(os.urandom(7), "little") | 1
    path = end.path
    start = LogStart(
        next_seq=state.next_seq,
        epoch=state.epoch + 1,
        exchange_id=exchange_id,
        path=path,
        segment_first=int(path.stem) if path is not None else 0,
        opening_records=_opening(config, state, exchange_id, clock.now_ns()),
    )
    return Recovered(state, start, end.torn_bytes, time.monotonic() - began)


def _make_durable(segments: list[Segment], path: Path | None) -> None:
    """Sync the segment that the log ends in and the one before it.

    A killed process can leave records of both in the page cache only. They are part of what is
    recovered, so they must not be lost after it.
    """
    kept = [segment.path for segment in segments if path and segment.path <= path]
    for unsynced in kept[-2:]:
        fd = os.open(unsynced, os.O_RDWR)
        try:
            os.fsync(fd)
        finally:
            os.close(fd)
    if path is not None:
        sync_folder(path.parent)
