# cython: boundscheck=False
"""Reading the log: verified chunks of records, its end, and damage told apart from a torn tail.

Source: specs/wal.md section 3; INV-5.
"""

from libc.stdint cimport uint8_t, uint32_t, uint64_t
from libc.string cimport memcmp

import os
from dataclasses import dataclass
from pathlib import Path

from rsx.core.crc cimport rsx_crc_init, rsx_crc_record
from rsx.errors import StartError
from rsx.records import BY_TYPE
from rsx.records_c cimport RSX_RECORD_SIZE, RSX_VERSION, rsx_record_t
from rsx.wal.segments import list_segments, sync_folder, wal_folder

rsx_crc_init()

CHUNK_RECORDS = 8192
cdef uint8_t[128] ZEROS
cdef uint8_t[256] USED_BYTES    # of a record of this type, the rest is padding; 0 = no such type
for _type in range(256):
    USED_BYTES[_type] = RSX_RECORD_SIZE - BY_TYPE[_type].padding if _type in BY_TYPE else 0


cdef bint is_valid(const uint8_t* slot, uint64_t seq, uint32_t epoch_min) noexcept nogil:
    """L-20."""
    cdef const rsx_record_t* record = <const rsx_record_t*>slot
    cdef size_t used
    if record.version != RSX_VERSION or record.type >= 256 or record.length != 112:
        return False
    used = USED_BYTES[record.type]
    return (used != 0 and record.seq == seq and record.epoch >= epoch_min
            and memcmp(slot + used, ZEROS, RSX_RECORD_SIZE - used) == 0
            and record.crc == rsx_crc_record(slot))


def count_valid(const uint8_t[:] data, uint64_t first_seq, uint32_t epoch_min):
    """(how many leading slots are valid records numbered from first_seq on, last epoch)."""
    cdef uint64_t slots = data.shape[0] // RSX_RECORD_SIZE
    cdef uint64_t at = 0
    cdef uint32_t epoch = epoch_min
    if slots == 0:
        return 0, epoch
    with nogil:
        while at < slots and is_valid(&data[at * RSX_RECORD_SIZE], first_seq + at, epoch):
            epoch = (<const rsx_record_t*>&data[at * RSX_RECORD_SIZE]).epoch
            at += 1
    return at, epoch


def find_valid(const uint8_t[:] data, uint64_t first_seq, uint32_t epoch_min):
    """Index of the first slot that holds a valid record fitting its place, or -1."""
    cdef uint64_t slots = data.shape[0] // RSX_RECORD_SIZE
    cdef uint64_t at = 0
    if slots == 0:
        return -1
    with nogil:
        while at < slots and not is_valid(&data[at * RSX_RECORD_SIZE], first_seq + at, epoch_min):
            at += 1
    return at if at < slots else -1


def other_version(const uint8_t[:] slot, uint64_t seq):
    """Version of a sealed record with this number that another version of RSX wrote; else 0."""
    cdef const rsx_record_t* record
    if slot.shape[0] < RSX_RECORD_SIZE:
        return 0
    record = <const rsx_record_t*>&slot[0]
    if (record.version == RSX_VERSION or record.length != 112 or record.seq != seq
            or record.crc != rsx_crc_record(&slot[0])):
        return 0
    return record.version


def version_text(version, seq, offset):
    """What is wrong with a record of another version, for people."""
    return (f"record {seq} at offset {offset} is of record version {version}, this program reads "
            f"version {RSX_VERSION}: use the program that wrote it, or another data folder")


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
        """Yield verified records from number first_seq on, as bytes of whole records."""
        epoch, expected = 0, 1
        self._end = LogEnd(1, 0, None, 0)
        for number, segment in enumerate(self.segments):
            if segment.first != expected:
                raise LogDamaged(
                    f"{segment.path}: begins at {segment.first}, {expected} is due; "
                    f"records are missing (rsx wal verify {self.folder})")
            following = (self.segments[number + 1].first if number + 1 < len(self.segments)
                         else None)
            if following is not None and following <= first_seq:
                expected = following
                continue
            at, end = segment.first, None
            while end is None:
                at, epoch = yield from self._valid(segment, at, first_seq, epoch)
                if at == following:
                    break
                end = self._end_at(number, at, epoch)
            if end is not None:
                self._end = end
                return
            expected = at

    def _valid(self, segment, at, first_seq, epoch):
        """Yield the run of valid records from number `at` on; returns (number behind it, epoch)."""
        with open(segment.path, "rb") as file:
            file.seek((at - segment.first) * RSX_RECORD_SIZE)
            while True:
                data = file.read(CHUNK_RECORDS * RSX_RECORD_SIZE)
                count, epoch = count_valid(data, at, epoch)
                skip = min(max(0, first_seq - at), count)
                if count > skip:
                    yield data[skip * RSX_RECORD_SIZE:count * RSX_RECORD_SIZE]
                at += count
                if count < CHUNK_RECORDS:
                    return at, epoch

    def _end_at(self, number, seq, epoch):
        """The end of the log before record seq; None when that was written meanwhile.

        Raises LogDamaged when a valid record lies behind it, or one of another version there.
        """
        segment = self.segments[number]
        offset = (seq - segment.first) * RSX_RECORD_SIZE
        version = 0
        with open(segment.path, "rb") as file:
            file.seek(offset)
            version = other_version(file.read(RSX_RECORD_SIZE), seq)
        if version:
            raise LogDamaged(f"{segment.path}: {version_text(version, seq, offset)}")
        torn = 0
        for later in self.segments[number:]:
            begin = seq if later is segment else later.first
            found, used = self._behind(later, begin, epoch)
            if found is not None:
                with open(segment.path, "rb") as file:
                    file.seek(offset)
                    if count_valid(file.read(RSX_RECORD_SIZE), seq, epoch)[0]:
                        return None
                what = (f"no valid record {seq} at offset {offset}" if offset < segment.size
                        else f"the file ends before record {seq}")
                raise LogDamaged(
                    f"{segment.path}: {what}, but {found} in {later.path.name} is valid: the log "
                    f"is damaged in the middle (rsx wal verify {self.folder})")
            torn += used
        kept = number if seq > segment.first else number - 1
        return LogEnd(seq, epoch, self.segments[kept].path if kept >= 0 else None, torn,
                      tuple([later.path for later in self.segments[kept + 1:]]))

    def _behind(self, segment, seq, epoch):
        """(first valid record from seq on or None, bytes up to the last that is not zero)."""
        used = 0
        at = seq
        with open(segment.path, "rb") as file:
            file.seek((seq - segment.first) * RSX_RECORD_SIZE)
            while True:
                data = file.read(CHUNK_RECORDS * RSX_RECORD_SIZE)
                if not data:
                    return None, used
                found = find_valid(data, at, max(epoch, 1))
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


def follow_log(folder, seq):
    """Yield the valid records there are from number seq on; for a log that is being written."""
    epoch = 0
    segments = list_segments(wal_folder(folder))
    for number, segment in enumerate(segments):
        following = segments[number + 1].first if number + 1 < len(segments) else None
        if segment.first > seq or (following is not None and following <= seq):
            continue
        with open(segment.path, "rb") as file:
            file.seek((seq - segment.first) * RSX_RECORD_SIZE)
            while seq != following:
                count, epoch = count_valid(
                    data := file.read(CHUNK_RECORDS * RSX_RECORD_SIZE), seq, epoch)
                if count:
                    yield data[:count * RSX_RECORD_SIZE]
                seq += count
                if count < CHUNK_RECORDS:
                    break


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
                count, _ = count_valid(data, begin, 0)
                if count == 0 or count * RSX_RECORD_SIZE < len(data):
                    raise LogDamaged(
                        f"{segment.path}: no valid record {begin + count} at offset "
                        f"{(begin + count - segment.first) * RSX_RECORD_SIZE}")
                yield data
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
