"""Segment files of the log: names, listing, locking, making them durable.

    <data>/lock                       held by the running exchange
    <data>/wal/00000000000000000001.wal    record n at (n - first) * 128
    <data>/wal/ahead-3.tmp            zeroed ahead, not yet in use

Source: specs/wal.md section 1.
"""

from __future__ import annotations

import fcntl
import os
import re
from dataclasses import dataclass
from pathlib import Path

from rsx.core.disk import Disk
from rsx.errors import StartError

DISK = Disk()  # the operating system's
RECORD_SIZE = 128
NAME = re.compile(r"^(\d{20})\.wal$")
AHEAD = re.compile(r"^ahead-(\d+)\.tmp$")


@dataclass(frozen=True, slots=True)
class Segment:
    """One segment file. first: number of its first record; size: bytes on disk."""

    path: Path
    first: int
    size: int

    @property
    def slots(self) -> int:
        return self.size // RECORD_SIZE


def segment_name(first: int) -> str:
    return f"{first:020d}.wal"


def wal_folder(folder: str | Path, disk: Disk = DISK) -> Path:
    """The folder that holds segments, given it or the data folder around it."""
    path = Path(folder)
    inner = path / "wal"
    return inner if disk.is_folder(str(inner)) else path


def list_segments(folder: Path, disk: Disk = DISK) -> list[Segment]:
    """Segments in order of their first number; other files are left out."""
    paths = [folder.joinpath(segment_name(first)) for first in segment_firsts(disk, folder)]
    return [Segment(path, int(path.stem), disk.file_size(str(path))) for path in paths]


def segment_firsts(disk: Disk, folder: Path) -> list[int]:
    """Numbers that the segments in a folder begin with, ascending."""
    matches = (NAME.match(name) for name in disk.list(str(folder)))
    return sorted(int(match.group(1)) for match in matches if match)


def sync_folder(folder: Path) -> None:
    """Make the folder's entries durable."""
    DISK.sync_path(str(folder))


def open_data_folder(folder: str | Path) -> tuple[Path, int]:
    """Make the data folder if need be and lock it; returns (wal folder, lock descriptor).

    Raises StartError in one line: not writable, or another exchange runs on it.
    """
    data = Path(folder)
    try:
        (data / "wal").mkdir(parents=True, exist_ok=True)
        fd = os.open(data / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise StartError(f"data folder {data}: {error.strerror or error}") from None
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        owner = os.pread(fd, 20, 0).decode("ascii", "replace").strip()
        os.close(fd)
        known = f" (process {owner})" if owner else ""
        raise StartError(f"data folder {data} is in use by another exchange{known}") from None
    os.ftruncate(fd, 0)
    os.pwrite(fd, f"{os.getpid()}\n".encode(), 0)
    remove_ahead(data / "wal")
    return data / "wal", fd


def remove_ahead(folder: Path, disk: Disk = DISK) -> None:
    """Drop files that were made ready and never used; nothing else makes any now."""
    for name in disk.list(str(folder)):
        if AHEAD.match(name):
            disk.remove(str(folder.joinpath(name)))


def space_short(folder: Path, segment_mib: int, ahead: int, disk: Disk = DISK) -> str:
    """What is wrong where there is no room for the next segments (L-8); "" = there is."""
    free, needed = disk.free_bytes(str(folder)) >> 20, segment_mib * (ahead + 1)
    if free >= needed:
        return ""
    return (
        f"{folder}: {free} MiB are free, the log wants {needed} MiB "
        f"({ahead + 1} segments of {segment_mib} MiB)"
    )
