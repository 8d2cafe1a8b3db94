"""Snapshot files: names, listing, leftovers, what refuses one.

Source: specs/snapshots.md SN-1, SN-31.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from rsx.core.disk import Disk
from rsx.errors import StartError
from rsx.rows import HEAD, MAGIC, READABLE, ROW_SIZE, RowError, check_seal

NAME = re.compile(r"^(\d{20})\.snap$")
LEFTOVER = re.compile(r"^\d{20}\.snap\.tmp$")


class SnapshotRefused(StartError):
    """A snapshot cannot be used. path; offset: byte in the file; reason: without both."""

    def __init__(self, path: str | Path, offset: int, reason: str):
        self.path = Path(path)
        self.offset = offset
        self.reason = reason
        super().__init__(f"{path} offset {offset}: {reason}")


class SnapshotDamaged(SnapshotRefused):
    """Its bytes are not those that were written."""


@dataclass(frozen=True, slots=True)
class Snapshot:
    """A snapshot file by its name. seq: it holds the state after this record."""

    path: Path
    seq: int
    size: int


@dataclass(frozen=True, slots=True)
class SnapshotHead:
    """What the first row of a snapshot says."""

    form: int
    seq: int
    epoch: int
    exchange_id: int
    markets: int
    money_decimals: int


def snapshot_name(seq: int) -> str:
    return f"{seq:020d}.snap"


def list_snapshots(folder: str | Path, disk: Disk | None = None) -> list[Snapshot]:
    """Whole snapshots by number, rising; [] where there is no such folder."""
    disk = disk or Disk()
    path = Path(folder)
    if not disk.is_folder(path):
        return []
    found = []
    for name in filter(NAME.match, disk.list(path)):
        file = path.joinpath(name)
        found.append(Snapshot(file, int(file.stem), disk.file_size(file)))
    return found


def remove_leftovers(folder: str | Path, disk: Disk | None = None) -> list[str]:
    """Remove what a killed writer left; nobody may be writing. Returns the names."""
    disk = disk or Disk()
    path = Path(folder)
    if not disk.is_folder(path):
        return []
    names = [name for name in disk.list(path) if LEFTOVER.match(name)]
    for name in names:
        disk.remove(path.joinpath(name))
    return names


def check_head(path: str | Path, row: bytes) -> SnapshotHead:
    """The first row, decoded. Raises SnapshotDamaged, or SnapshotRefused for another form."""
    if len(row) < ROW_SIZE:
        raise SnapshotDamaged(path, 0, f"{len(row)} bytes where a row takes {ROW_SIZE}")
    values = HEAD.unpack(row)
    if values["magic"] != MAGIC:
        raise SnapshotDamaged(path, 0, "this is no snapshot")
    try:
        check_seal(row)
    except RowError as error:
        raise SnapshotDamaged(path, 0, str(error)) from None
    if row[0] not in READABLE:
        known = ", ".join(map(str, READABLE))
        raise SnapshotRefused(path, 0, f"a snapshot of form {row[0]}; this RSX reads {known}")
    kind = int.from_bytes(row[2:4], "little")
    if kind != HEAD.type:
        raise SnapshotDamaged(path, 0, f"a row of type {kind} where HEAD is due")
    return SnapshotHead(
        form=row[0], seq=values["seq"], epoch=values["epoch"], exchange_id=values["exchange_id"],
        markets=values["markets"], money_decimals=values["money_decimals"],
    )  # fmt: skip


def snapshot_head(path: str | Path, disk: Disk | None = None) -> SnapshotHead:
    """What a file says of itself; only its first row is looked at. Raises SnapshotRefused."""
    try:
        return check_head(path, (disk or Disk()).read_file(path, 0, ROW_SIZE))
    except OSError as error:
        raise SnapshotRefused(path, 0, error.strerror or str(error)) from None
