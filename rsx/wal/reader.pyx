# cython: boundscheck=False
"""Reading the log: verified chunks of records, its end, and damage told apart from a torn tail.

Source: specs/wal.md section 3; INV-5.
"""

from libc.stdint cimport uint64_t

import os
from dataclasses import dataclass
from pathlib import Path

from rsx.errors import StartError
from rsx.records_c cimport RSX_RECORD_SIZE
from rsx.wal.segments import list_segments, sync_folder, wal_folder
from rsx.wal.slots import Place, to_present, version_text

CHUNK_RECORDS = 8192


@dataclass(frozen=True, slots=True)
class LogEnd:
    """Where the log ends.

    next_seq: number of the next record; epoch: of the last record, 0 = empty log; path: the
    segment to go on in, None = empty log; torn_bytes: bytes behind the end up to the last one
    that is not zero; surplus: segment files behind the end, made and never written to.
    """

    next_seq: int
    epoch: int
    path: Path | None
    torn_bytes: int
    surplus: tuple[Path, ...] = ()


class LogDamaged(StartError):
    """Valid records after a bad one: file, offset and number are in the message."""


class LogReader:
    """Reads a log folder from its first record on.

    `chunks()` yields bytes of whole verified records in order and stops at the end, which
    `end()` then describes. Raises LogDamaged (L-21, L-22). Only reads; several may run at once,
    and while the log is being written.
    """

    def __init__(self, folder):
        self.folder = wal_folder(folder)
        self.segments = list_segments(self.folder)
        self._end = None

    @property
    def size(self):
        """Slots in all segments: the most records there can be."""
        return sum([segment.slots for segment in self.segments])

    def chunks(self, first_seq=1):
        """Yield verified records from number first_seq on, as bytes of whole records.

        Records of an older version come in the form of the present one.
        """
        place = Place()
        self._end = LogEnd(1, 0, None, 0)
        for number, segment in enumerate(self.segments):
            if segment.first != place.seq:
                raise LogDamaged(
                    f"{segment.path}: begins at {segment.first}, {place.seq} is due; "
                    f"records are missing (rsx wal verify {self.folder})")
            following = (self.segments[number + 1].first if number + 1 < len(self.segments)
                         else None)
            if following is not None and following <= first_seq:
                place = Place(following)
                continue
            end = None
            while end is None:
                yield from self._valid(segment, place, first_seq)
                if place.seq == following:
                    break
                end = self._end_at(number, place)
            if end is not None:
                self._end = end
                return

    def _valid(self, segment, place, first_seq):
        """Yield the run of valid records that is due at the place, which goes behind it."""
        with open(segment.path, "rb") as file:
            file.seek((place.seq - segment.first) * RSX_RECORD_SIZE)
            while True:
                data = file.read(CHUNK_RECORDS * RSX_RECORD_SIZE)
                at = place.seq
                count = place.take(data)
                skip = min(max(0, first_seq - at), count)
                if count > skip:
                    yield to_present(data[skip * RSX_RECORD_SIZE:count * RSX_RECORD_SIZE])
                if count < CHUNK_RECORDS:
                    return

    def _end_at(self, number, place):
        """The end of the log at the place; None when what is due there was written meanwhile.

        Raises LogDamaged when a valid record lies behind it, or one of another version there.
        """
        segment, seq = self.segments[number], place.seq
        offset = (seq - segment.first) * RSX_RECORD_SIZE
        version = 0
        with open(segment.path, "rb") as file:
            file.seek(offset)
            version = place.other_version(file.read(RSX_RECORD_SIZE))
        if version:
            raise LogDamaged(f"{segment.path}: {version_text(version, seq, offset)}")
        torn = 0
        for later in self.segments[number:]:
            begin = seq if later is segment else later.first
            found, used = self._behind(later, begin, place)
            if found is not None:
                with open(segment.path, "rb") as file:
                    file.seek(offset)
                    if place.copy().take(file.read(RSX_RECORD_SIZE)):
                        return None
                what = (f"no valid record {seq} at offset {offset}" if offset < segment.size
                        else f"the file ends before record {seq}")
                raise LogDamaged(
                    f"{segment.path}: {what}, but {found} in {later.path.name} is valid: the log "
                    f"is damaged in the middle (rsx wal verify {self.folder})")
            torn += used
        kept = number if seq > segment.first else number - 1
        return LogEnd(seq, place.epoch, self.segments[kept].path if kept >= 0 else None, torn,
                      tuple([later.path for later in self.segments[kept + 1:]]))

    def _behind(self, segment, seq, place):
        """(first valid record from seq on or None, bytes up to the last that is not zero)."""
        used = 0
        at = seq
        with open(segment.path, "rb") as file:
            file.seek((seq - segment.first) * RSX_RECORD_SIZE)
            while True:
                data = file.read(CHUNK_RECORDS * RSX_RECORD_SIZE)
                if not data:
                    return None, used
                found = place.find(data, at)
                if found >= 0:
                    return at + found, used
                filled = len(data.rstrip(b"\0"))
                if filled:
                    used = (at - seq) * RSX_RECORD_SIZE + filled
                at += len(data) // RSX_RECORD_SIZE

    def end(self):
        """The end of the log; after `chunks` has been read through."""
        if self._end is None:
            raise ValueError("the log has not been read yet")
        return self._end


def read_range(folder, uint64_t first_seq, uint64_t last_seq):
    """Yield the records first_seq..last_seq as bytes, by arithmetic, without reading others.

    For a reader that knows they are there (a lapped tile). Raises LogDamaged when one is not.
    """
    segments = list_segments(Path(folder))
    for number, segment in enumerate(segments):
        end = segments[number + 1].first if number + 1 < len(segments) else last_seq + 1
        begin = max(first_seq, segment.first)
        end = min(end, last_seq + 1)
        with open(segment.path, "rb") as file:
            while begin < end:
                file.seek((begin - segment.first) * RSX_RECORD_SIZE)
                data = file.read(min(CHUNK_RECORDS, end - begin) * RSX_RECORD_SIZE)
                count = Place(begin).take(data)
                if count == 0 or count * RSX_RECORD_SIZE < len(data):
                    raise LogDamaged(
                        f"{segment.path}: no valid record {begin + count} at offset "
                        f"{(begin + count - segment.first) * RSX_RECORD_SIZE}")
                yield to_present(data)
                begin += count
                first_seq = begin


def cut_tail(end: LogEnd):
    """Zero and sync what lies behind the end of the log, so that it never comes back (L-21)."""
    for path in end.surplus:
        path.unlink()
    if end.surplus:
        sync_folder(end.surplus[0].parent)
    if end.path is None or end.torn_bytes == 0:
        return
    at = (end.next_seq - int(end.path.stem)) * RSX_RECORD_SIZE
    fd = os.open(end.path, os.O_RDWR)
    try:
        while data := os.pread(fd, 1 << 20, at):
            if data.strip(b"\0"):
                os.pwrite(fd, bytes(len(data)), at)
            at += len(data)
        os.fsync(fd)
    finally:
        os.close(fd)
