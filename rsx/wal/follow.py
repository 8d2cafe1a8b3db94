"""A cursor over a log that is being written: verified records from any number on.

Used by whatever comes behind the log: archive, DXS, replica, tools. It holds no file open, so
that a segment may be pruned under it. Source: specs/wal.md L-27 to L-29.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from rsx.core.disk import Disk
from rsx.wal.reader import LogDamaged, LogPruned
from rsx.wal.segments import DISK, RECORD_SIZE, segment_firsts, segment_name, wal_folder
from rsx.wal.slots import Place, to_present, used_bytes, version_text

__all__ = ["LogDamaged", "LogFollower", "LogPruned"]

# Looks at a slot that should hold a record before it is called damaged: the file may be renamed,
# or a record may be half written, while it is read.
LOOKS_MAX = 4
# So far behind a bad record a valid one is looked for.
LOOK_RECORDS = 8192


class LogFollower:
    """Reads a log folder from record next_seq on, while it grows.

    Args    folder: data folder or its wal folder; next_seq: number of the first record wanted;
            limit: tells the number up to which records may be read, and must be there; None = as
            far as there are any; disk: where the files are
    Raises  in `read`: LogPruned, LogDamaged, OSError

    next_seq, epoch: number due next, epoch of the record before it (0: not known).
    """

    def __init__(
        self, folder: str | Path, next_seq: int, limit: Callable[[], int] | None = None,
        disk: Disk | None = None,
    ):  # fmt: skip
        if next_seq < 1:
            raise ValueError(f"next_seq = {next_seq}: records are numbered from 1")
        self.disk = DISK if disk is None else disk
        self.folder = wal_folder(folder, self.disk)
        self.limit = limit
        self.first = 0  # of the segment that next_seq is in, or will be; 0 = look
        self.place = Place(next_seq)
        self.is_known = next_seq == 1  # what the record before has for epoch and version
        self.is_idle = False

    @property
    def next_seq(self) -> int:
        return int(self.place.seq)

    @property
    def epoch(self) -> int:
        return int(self.place.epoch)

    def read(self, records_max: int = 8192) -> bytes:
        """The next whole records there are, at most records_max, in the present form; b"": none.

        A call gives what one segment has.
        """
        if self.limit is not None:
            records_max = min(records_max, self.limit() - self.next_seq + 1)
        if records_max <= 0:
            return b""
        for _ in range(LOOKS_MAX):
            if not self.first and not self._find():
                break
            data = self._take(records_max)
            if data:
                return data
            if self.limit is None and self._is_waiting():
                return b""
            self.first = 0  # ended, renamed or bad: look where the record is now
        return self._nothing()

    def _find(self) -> bool:
        """Look up the segment that the record due is in, or will be."""
        firsts = segment_firsts(self.disk, self.folder)
        if firsts and firsts[0] > self.next_seq:
            raise LogPruned(self.folder, self.next_seq, firsts[0])
        self.first = max((first for first in firsts if first <= self.next_seq), default=0)
        if self.first and not self.is_known:
            self._look_before()
        return self.first > 0

    def _look_before(self) -> None:
        """The record before the first one wanted says which epoch and version are due."""
        place = Place(self.next_seq - 1)
        if place.seq >= self.first and place.take(self._bytes(self.first, place.seq, 1)):
            self.place = place
        self.is_known = True

    def _bytes(self, first: int, seq: int, records: int) -> bytes:
        """Slots from seq on of the segment `first`: fewer at its end, none where it is gone."""
        path, offset = self.folder.joinpath(segment_name(first)), (seq - first) * RECORD_SIZE
        try:
            return bytes(self.disk.read_file(str(path), offset, records * RECORD_SIZE))
        except FileNotFoundError:
            return b""

    def _take(self, records_max: int) -> bytes:
        if self.is_idle:  # while nothing comes, a look costs one slot
            if not self.place.copy().take(self._bytes(self.first, self.next_seq, 1)):
                return b""
        data = self._bytes(self.first, self.next_seq, records_max)
        count = self.place.take(data)
        self.is_idle = count == 0
        return bytes(to_present(data[: count * RECORD_SIZE]))

    def _is_waiting(self) -> bool:
        """Whether the record due has just not been written yet, as far as a quick look can tell."""
        slot = self._bytes(self.first, self.next_seq, 1)
        firsts = segment_firsts(self.disk, self.folder)
        return not used_bytes(slot, self.next_seq) and bool(firsts) and firsts[-1] == self.first

    def _nothing(self) -> bytes:
        """What it means that the record due is not there after several looks."""
        seq = self.next_seq
        is_due = self.limit is not None and seq <= self.limit()
        if not self._find():
            if is_due:
                raise LogDamaged(f"{self.folder}: no segment has record {seq}, which is written")
            return b""
        first = self.first
        path, offset = self.folder.joinpath(segment_name(first)), (seq - first) * RECORD_SIZE
        data = self._bytes(first, seq, LOOK_RECORDS)
        behind = self._behind(data)
        if self.place.copy().take(data) or first not in segment_firsts(self.disk, self.folder):
            return b""  # it has come, or the segment has gone, meanwhile: the next call sees it
        if version := self.place.other_version(data):
            raise LogDamaged(f"{path}: {version_text(version, seq, offset)}")
        if is_due or behind:
            why = f"but {behind} is valid" if behind else "which is written"
            raise LogDamaged(f"{path}: no valid record {seq} at offset {offset}, {why}")
        return b""

    def _behind(self, data: bytes) -> int:
        """Number of a valid record behind the one due; 0 = none near, nor begins one a segment."""
        found = self.place.find(data, self.next_seq)
        if found >= 0:
            return self.next_seq + int(found)
        for first in segment_firsts(self.disk, self.folder):
            if first > self.next_seq and self.place.find(self._bytes(first, first, 1), first) >= 0:
                return first
        return 0
