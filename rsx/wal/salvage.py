"""What can be used of a damaged log, written to a new data folder.

The original is only read. Source: specs/wal.md L-40.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from rsx.config import Config
from rsx.core.check import InvariantError
from rsx.core.disk import Disk
from rsx.errors import StartError
from rsx.records import BY_TYPE, RECORD_SIZE
from rsx.wal.reader import LogDamaged, LogReader
from rsx.wal.segments import DISK, Segment, segment_name, wal_folder
from rsx.wal.slots import Place, used_bytes
from rsx.wal.start import begin_fold
from rsx.wal.state import State

UNFINISHED = "wal.tmp"


@dataclass(frozen=True, slots=True)
class Dropped:
    """A run of slots that is left out. records: how many are valid, by type in types."""

    file: str
    offset: int
    first_seq: int
    last_seq: int
    records: int
    size: int
    types: dict[str, int]

    def __str__(self) -> str:
        where = f"{self.file} offset {self.offset}: {self.first_seq} to {self.last_seq}"
        if not self.records:
            return f"{where}, no valid record ({self.size} bytes)"
        named = ", ".join(f"{name} {count}" for name, count in self.types.items())
        return f"{where}, {self.records} valid records ({self.size} bytes): {named}"


@dataclass(frozen=True, slots=True)
class Salvaged:
    """What was written. reason: why it ends where it does, "" = the log was whole."""

    target: str
    first_seq: int
    last_seq: int
    snapshot: Path | None
    state_hash: str
    reason: str
    dropped: tuple[Dropped, ...]
    passed_over: tuple[str, ...]


def salvage(
    directory: str | Path, target: str | Path, config: Config, disk: Disk = DISK
) -> Salvaged:
    """Write the part of a log that can be read and folded to the data folder `target`.

    Raises StartError, in one line, when nothing can be used or `target` holds anything; OSError
    """
    folder, target = wal_folder(directory, disk), Path(target)
    if not disk.is_folder(str(folder)):
        raise StartError(f"{folder}: no log here")
    if disk.is_folder(str(target)) and disk.list(str(target)):
        raise StartError(f"{target} is not empty: name a new folder")
    reader, base = begin_fold(config, folder, disk)
    if not reader.segments:
        raise StartError(f"{folder}: no log here (no segment files)")
    last_seq, reason, is_state = _fold(reader, base.state)
    if not is_state:
        reader, base = begin_fold(config, folder, disk)
        _fold(reader, base.state, last_seq)
    if last_seq < reader.first_seq and base.path is None:
        raise StartError(f"nothing can be used: {reason}")
    try:
        base.state.audit()
    except InvariantError as error:
        raise StartError(f"{folder} up to record {last_seq}: the audit says {error}") from None
    dropped = tuple(_dropped(reader.segments, last_seq, disk))
    _write(reader.segments, last_seq, base.path, target, disk)
    return Salvaged(
        str(target), reader.first_seq, last_seq, base.path, f"{base.state.state_hash():016x}",
        reason, dropped, base.passed_over,
    )  # fmt: skip


def _fold(reader: LogReader, state: State, last_seq: int = 1 << 63) -> tuple[int, str, bool]:
    """Fold up to last_seq; returns (last record that can be used, why none behind it, whether the
    state is that one: a record that is refused may have been applied by half).
    """
    reason = ""
    try:
        for chunk in reader.chunks(state.next_seq):
            state.apply(chunk[: max(0, last_seq + 1 - state.next_seq) * RECORD_SIZE])
            if state.next_seq > last_seq:
                break
        else:
            torn = reader.end().torn_bytes
            reason = f"{torn} bytes behind the end" if torn else ""
    except LogDamaged as error:
        reason = str(error)
    except InvariantError as error:
        seq = state.next_seq - 1
        return seq - 1, f"{reader.folder}: the fold refuses record {seq}: {error}", False
    return state.next_seq - 1, reason, True


def _dropped(segments: list[Segment], last_seq: int, disk: Disk) -> Iterator[Dropped]:
    """Every run behind last_seq, in order: valid records, or slots that hold none."""
    for segment in segments:
        seq = max(segment.first, last_seq + 1)
        offset = (seq - segment.first) * RECORD_SIZE
        if offset >= segment.size:
            continue
        data = disk.read_file(str(segment.path), offset)
        used = used_bytes(data, seq)
        data = data[: -(-used // RECORD_SIZE) * RECORD_SIZE]
        at = 0
        while at < len(data):
            count = Place(seq).take(data[at:])
            found = 0 if count else Place(seq).find(data[at:], seq)
            slots = count or (found if found > 0 else -(-(len(data) - at) // RECORD_SIZE))
            end = min(len(data), at + slots * RECORD_SIZE)
            types = Counter(data[at + 2 : end : RECORD_SIZE]) if count else {}
            yield Dropped(
                str(segment.path), offset + at, seq, seq + slots - 1, count,
                slots * RECORD_SIZE if count else min(end, used) - at,
                {BY_TYPE[kind].name: number for kind, number in sorted(types.items())},
            )  # fmt: skip
            at, seq = at + slots * RECORD_SIZE, seq + slots


def _write(
    segments: list[Segment], last_seq: int, snapshot: Path | None, target: Path, disk: Disk
) -> None:
    """The same bytes up to last_seq; `wal` has its name only when all of it is on the disk."""
    new = target.joinpath(UNFINISHED)
    disk.make_folder(str(new))
    if snapshot is not None:
        copies = target.joinpath("snapshots")
        disk.make_folder(str(copies))
        disk.write_file(str(copies.joinpath(snapshot.name)), disk.read_file(str(snapshot)))
        disk.sync_path(str(copies))
    kept = [segment for segment in segments if segment.first <= last_seq]
    for segment in kept:
        size = min(segment.size, (last_seq + 1 - segment.first) * RECORD_SIZE)
        data = disk.read_file(str(segment.path), 0, size)
        path = new.joinpath(segment.path.name)
        disk.write_file(str(path), data + bytes(segment.size - len(data)))
    if not kept:  # a log begins behind its snapshot, however empty (L-31)
        path = new.joinpath(segment_name(last_seq + 1))
        disk.write_file(str(path), bytes(segments[0].size))
    disk.sync_path(str(new))
    disk.move(str(new), str(target.joinpath("wal")))
    disk.sync_path(str(target))
