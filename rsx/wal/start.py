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

import msgspec

from rsx import records
from rsx.config import Config
from rsx.core.clock import Clock
from rsx.errors import StartError
from rsx.rules import SymbolConfig, differences, to_records, to_table
from rsx.wal.reader import LogReader, cut_tail
from rsx.wal.segments import RECORD_SIZE, Segment, sync_folder
from rsx.wal.state import State

SAME_FOR_EVER = ("name", "price_decimals", "qty_decimals")
STREAM_LOG, STREAM_RISK = 65534, 65535


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
    """What recovery found. torn_bytes: cut from the end; seconds: what reading took.

    config: with the rules of markets that hold from here on; held_back: lines that say which rules
    of the configuration do not, since the log's version is no lower (SY-6).
    """

    state: State
    start: LogStart
    torn_bytes: int
    seconds: float
    config: Config
    held_back: tuple[str, ...] = ()


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

    return check


# --- rules of markets (SY-6) ------------------------------------------------------------------


def _effective(configured: SymbolConfig, logged: SymbolConfig | None) -> SymbolConfig:
    """The rules that hold from here on: the configuration's where their version is higher.

    Raises StartError when they would lower px_max
    """
    if logged is None:
        return configured
    if configured.version <= logged.version:
        return msgspec.structs.replace(logged, insurance_seed=configured.insurance_seed)
    if configured.px_max < logged.px_max:
        was, now = (to_table(symbol)["max_price"] for symbol in (logged, configured))
        raise StartError(
            f"{configured.name}: max_price = {now!r} of version {configured.version} is below "
            f"{was!r}, which the log has: orders may rest above it, it only rises"
        )
    return configured


def _held_back(configured: SymbolConfig, logged: SymbolConfig | None) -> tuple[str, ...]:
    """Keys of the configuration that do not hold, a line each."""
    if logged is None or configured.version > logged.version:
        return ()
    return tuple(
        f"{configured.name}.{key} = {new!r} does not hold: the log has {old!r} as version "
        f"{logged.version}, the configuration is version {configured.version}; "
        "raise version to apply"
        for key, (old, new) in differences(logged, configured).items()
    )


def _opening(
    config: Config, state: State, symbols: tuple[SymbolConfig, ...], exchange_id: int, ts_ns: int
) -> tuple[bytes, ...]:
    """LOG_STARTED, then the rules that the log does not have, then seeds of insurance funds."""
    ends = records.HeaderFlag.GROUP_END
    opening = [
        records.LOG_STARTED.pack(
            ts_ns=ts_ns, exchange_id=exchange_id, money_decimals=config.money_decimals,
            stream=STREAM_LOG, header_flags=ends,
        )
    ]  # fmt: skip
    for symbol in symbols:
        known = state.rules.get(symbol.id)
        if known is None or symbol.version > known.version:
            opening += to_records(symbol, ts_ns)
    opening += [
        records.DEPOSIT.pack(
            ts_ns=ts_ns, user_id=records.FUND_USER_BASE + symbol.id, amount=symbol.insurance_seed,
            stream=STREAM_RISK, header_flags=ends,
        )
        for symbol in symbols
        if symbol.insurance_seed and symbol.id not in state.seeded
    ]  # fmt: skip
    return tuple(opening)


def _apply_opening(state: State, symbols: tuple[SymbolConfig, ...]) -> None:
    """The engines go by the new rules from their first request on."""
    for symbol in symbols:
        known = state.rules.get(symbol.id)
        if known is None or symbol.version > known.version:
            state.engines[symbol.id].configure(b"".join(to_records(symbol)))


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
    logged = [(symbol, state.rules.get(symbol.id)) for symbol in config.symbols]
    symbols = tuple(_effective(*pair) for pair in logged)
    end = reader.end()
    cut_tail(end)
    _make_durable(reader.segments, end.path)
    _apply_opening(state, symbols)
    exchange_id = state.exchange_id or int.from_bytes(os.urandom(7), "little") | 1
    path = end.path
    start = LogStart(
        next_seq=state.next_seq,
        epoch=state.epoch + 1,
        exchange_id=exchange_id,
        path=path,
        segment_first=int(path.stem) if path is not None else 0,
        opening_records=_opening(config, state, symbols, exchange_id, clock.now_ns()),
    )
    return Recovered(
        state, start, end.torn_bytes, time.monotonic() - began,
        config=msgspec.structs.replace(config, symbols=symbols),
        held_back=tuple(line for pair in logged for line in _held_back(*pair)),
    )  # fmt: skip


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
