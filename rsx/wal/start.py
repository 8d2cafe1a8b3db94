"""Recovery: from the files to the state that the tiles start with.

    newest snapshot that loads -> fold of the log behind it -> audit -> cut of a torn end -> opening

Source: specs/wal.md section 3, specs/replica.md section 4.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import msgspec

from rsx import records
from rsx.config import Config
from rsx.core.clock import Clock
from rsx.core.disk import Disk
from rsx.errors import StartError
from rsx.rules import SymbolConfig, differences, to_records, to_table
from rsx.wal.fold import fold_chunks
from rsx.wal.reader import LogEnd, LogReader, cut_tail
from rsx.wal.segments import DISK, RECORD_SIZE, Segment
from rsx.wal.state import State

SAME_FOR_EVER = ("name", "price_decimals", "qty_decimals")
STREAM_LOG, STREAM_RISK = 65534, 65535
# Records read at once while the newest mark is looked for.
MARK_LOOK_RECORDS = 4096


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
    of the configuration do not, since the log's version is no lower (SY-6); unsynced: records cut
    that were written and never promised (L-21); first_seq: number that the fold of the log began
    with, snapshot: file that it began from, None = the log alone; passed_over: why younger ones
    were not used, a line each; mismatch: the difference of folds that nobody has answered (RP-31),
    "" = none.
    """

    state: State
    start: LogStart
    torn_bytes: int
    seconds: float
    config: Config
    held_back: tuple[str, ...] = ()
    unsynced: int = 0
    first_seq: int = 1
    snapshot: Path | None = None
    passed_over: tuple[str, ...] = ()
    mismatch: str = ""

    @property
    def remarks(self) -> Iterator[str]:
        """What an operator should know, a line each."""
        yield from self.held_back
        yield from (f"snapshot passed over: {line}" for line in self.passed_over)
        if self.unsynced:
            yield f"{self.unsynced} records behind the end of the log were never promised: cut"
        if self.mismatch:
            yield f"every market is cancel-only, since two folds of the log differ: {self.mismatch}"


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


# --- where the fold begins (L-30) ---------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Base:
    """The state that the fold begins with; path: of the snapshot it is from."""

    state: State
    path: Path | None = None
    passed_over: tuple[str, ...] = ()


def _begin(
    config: Config, reader: LogReader, snapshots: Path, check: Callable[[records.View], None]
) -> Base:
    """The newest snapshot that can be used, else an empty state.

    Raises StartError where the log alone does not do.
    """
    found = []
    if reader.disk.is_folder(str(snapshots)):
        from rsx.wal.snapshot import list_snapshots, load_snapshot

        found = list_snapshots(snapshots, reader.disk)
    if found and not reader.segments:
        raise StartError(
            f"{reader.folder} is empty, but there is {found[-1].path}: what came after it is lost"
        )
    passed: list[str] = []
    for snapshot in reversed(found):
        if snapshot.seq + 1 < reader.first_seq:
            passed.append(f"{snapshot.path} ends before the log begins ({reader.first_seq})")
            break
        try:
            state = load_snapshot(
                snapshot.path, config, reader.disk, exchange_id=reader.exchange_id(),
                on_config=check,
            )  # fmt: skip
        except StartError as error:
            passed.append(str(error))
            continue
        _check_joins(reader, state, snapshot.path)
        return Base(state, snapshot.path, tuple(passed))
    if reader.first_seq > 1:
        why = "; ".join(passed) or f"what came before is pruned, and no snapshot is in {snapshots}"
        raise StartError(f"the log in {reader.folder} begins with record {reader.first_seq}: {why}")
    return Base(State(config, check), None, tuple(passed))


def _check_joins(reader: LogReader, state: State, path: Path) -> None:
    """The log must have been there when the snapshot was taken, and still be there (L-31)."""
    seq = state.next_seq - 1
    own = reader.record(seq)
    if own:
        epoch = records.decode(own).epoch
        if epoch != state.epoch:
            raise StartError(
                f"{path} is of start {state.epoch} of the log, whose record {seq} is of start "
                f"{epoch}: it belongs to another log"
            )
    elif seq + 1 != reader.first_seq and not reader.record(seq + 1):
        raise StartError(
            f"{path}: the log in {reader.folder} has no record {seq}, nor any behind it: it has "
            "lost its end"
        )


def _modes(state: State, ts_ns: int) -> Iterator[bytes]:
    """A difference that nobody has answered: every market is closed but for cancels (RP-31)."""
    for symbol_id, engine in sorted(state.engines.items()):
        if engine.mode < records.Mode.CANCEL_ONLY:
            record = records.TRADING_MODE.pack(
                ts_ns=ts_ns, symbol_id=symbol_id, mode=records.Mode.CANCEL_ONLY,
                previous=engine.mode, stream=symbol_id, header_flags=records.HeaderFlag.GROUP_END,
            )  # fmt: skip
            engine.apply(record)
            yield record


@dataclass(frozen=True, slots=True)
class Folded:
    """What a log folder adds up to, audited. first_seq, snapshot, passed_over: as of Recovered."""

    state: State
    reader: LogReader
    first_seq: int
    snapshot: Path | None
    passed_over: tuple[str, ...]


def begin_fold(
    config: Config, folder: Path, disk: Disk = DISK, snapshots: Path | None = None
) -> tuple[LogReader, Base]:
    """A reader of the log, and what its fold begins with. Args and Raises as of `recover`."""
    reader = LogReader(folder, disk)
    snapshots = snapshots or folder.parent.joinpath("snapshots")
    return reader, _begin(config, reader, snapshots, _config_check(config, folder))


def fold_log(
    config: Config, folder: Path, progress: Callable[[int, int], None] | None = None,
    disk: Disk = DISK, snapshots: Path | None = None,
) -> Folded:  # fmt: skip
    """Fold the log in `folder` from the newest snapshot on and audit the result; only reads.

    Args and Raises as of `recover`.
    """
    reader, base = begin_fold(config, folder, disk, snapshots)
    state, first_seq = base.state, base.state.next_seq
    slots = reader.size - (first_seq - reader.first_seq)

    def done(next_seq: int) -> None:
        if progress is not None:
            progress(next_seq - first_seq, slots)

    fold_chunks(state, reader.chunks(first_seq if reader.segments else 0), done)
    slots = state.next_seq - first_seq
    done(state.next_seq)
    state.audit()
    return Folded(state, reader, first_seq, base.path, base.passed_over)


def recover(
    config: Config, folder: Path, clock: Clock, progress: Callable[[int, int], None] | None = None,
    disk: Disk = DISK, snapshots: Path | None = None,
) -> Recovered:  # fmt: skip
    """Fold the log in `folder`, from the newest snapshot on.

    Args    progress: called with (records read, slots in all) now and then; snapshots: folder,
            None = `snapshots` beside that of the log
    Raises  StartError (LogDamaged, another exchange's folder) or InvariantError; nothing is
            changed on disk before the log has been read to its end and audited
    """
    began = time.monotonic()
    folded = fold_log(config, folder, progress, disk, snapshots)
    state, reader = folded.state, folded.reader
    logged = [(symbol, state.rules.get(symbol.id)) for symbol in config.symbols]
    symbols = tuple(_effective(*pair) for pair in logged)
    end = reader.end()
    cut_tail(end, disk)
    _make_durable(reader.segments, end, disk)
    exchange_id = state.exchange_id or int.from_bytes(os.urandom(7), "little") | 1
    opening = _opening(config, state, symbols, exchange_id, clock.now_ns())
    _apply_opening(state, symbols)
    mismatch = state.mismatch or ""
    if mismatch:
        opening += tuple(_modes(state, clock.now_ns()))
    path = end.path
    start = LogStart(
        next_seq=state.next_seq,
        epoch=state.epoch + 1,
        exchange_id=exchange_id,
        path=path,
        segment_first=int(path.stem) if path is not None else 0,
        opening_records=opening,
    )
    return Recovered(
        state, start, end.torn_bytes, time.monotonic() - began,
        config=msgspec.structs.replace(config, symbols=symbols),
        held_back=tuple(line for pair in logged for line in _held_back(*pair)),
        unsynced=end.unsynced, first_seq=folded.first_seq, snapshot=folded.snapshot,
        passed_over=folded.passed_over, mismatch=mismatch,
    )  # fmt: skip


def _promised(segments: list[Segment], next_seq: int, disk: Disk) -> int:
    """Up to which number the log itself says that it is on disk (L-17, L-21); 0 = it says nothing.

    Args  segments: the last three; no others can have anything that is not
    """
    marks = (records.LOG_SYNCED.type, records.LOG_STARTED.type)
    for segment in reversed(segments):
        end = min(next_seq, segment.first + segment.slots)
        while end > segment.first:
            begin = max(segment.first, end - MARK_LOOK_RECORDS)
            data = disk.read_file(
                str(segment.path), (begin - segment.first) * RECORD_SIZE,
                (end - begin) * RECORD_SIZE,
            )  # fmt: skip
            for at in range(len(data) - RECORD_SIZE, -1, -RECORD_SIZE):
                if data[at] == records.VERSION and records.type_of(data, at) in marks:
                    mark = records.decode(data, at)
                    return int(getattr(mark, "durable_seq", mark.seq - 2))
            end = begin
    return 0


def _make_durable(segments: list[Segment], end: LogEnd, disk: Disk) -> None:
    """Sync the segment that the log ends in and the two before it: one may have been in a sync, one
    full and waiting for that, one written to (L-3).

    A killed process can leave records of both in the page cache only. They are part of what is
    recovered, so they must not be lost after it. What no mark covers is written again first: a
    sync that failed may have left pages that count as clean and are not on disk.
    """
    if end.path is None:
        return
    kept = [segment for segment in segments if segment.path <= end.path][-3:]
    begin = _promised(kept, end.next_seq, disk) + 1
    for segment in kept:
        first = max(begin, segment.first)
        count = min(end.next_seq, segment.first + segment.slots) - first
        if count > 0:
            offset = (first - segment.first) * RECORD_SIZE
            fd = disk.open_file(str(segment.path), 1)
            try:
                disk.write_at(fd, disk.read_at(fd, count * RECORD_SIZE, offset), offset)
            except OSError as error:
                raise OSError(error.errno, error.strerror, str(segment.path)) from None
            finally:
                disk.close_file(fd)
        disk.sync_path(str(segment.path))
    disk.sync_path(str(end.path.parent))
