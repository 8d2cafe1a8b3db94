"""Reading the log: verified chunks of records, its end, and damage told apart from a torn tail.

Source: specs/wal.md section 3; INV-5.
"""

from dataclasses import dataclass
from pathlib import Path

from rsx.errors import StartError
from rsx.records import BY_TYPE, decode
from rsx.records_c cimport RSX_RECORD_SIZE
from rsx.wal.segments import DISK, list_segments, wal_folder
from rsx.wal.slots import Place, to_present, used_bytes, version_text

CHUNK_RECORDS = 8192


@dataclass(frozen=True, slots=True)
class LogEnd:
    """Where the log ends.

    next_seq: number of the next record; epoch: of the last record, 0 = empty log; path: the
    segment to go on in, None = none; torn_bytes: bytes behind the end up to the last one in
    use, of every file; unsynced: valid records behind the end, written and never promised;
    surplus: segment files behind the end.
    """

    next_seq: int
    epoch: int
    path: Path | None
    torn_bytes: int
    surplus: tuple[Path, ...] = ()
    unsynced: int = 0


class LogDamaged(StartError):
    """What must be there is not: file, offset and number are in the message."""


class LogPruned(StartError):
    """The record asked for is no longer in the log."""

    def __init__(self, folder, next_seq, oldest_seq):
        super().__init__(f"{folder}: record {next_seq} is pruned, the log begins at {oldest_seq}")
        self.next_seq = next_seq
        self.oldest_seq = oldest_seq


def exchange_of(record):
    """The exchange that the first record of a file names; 0 = it names none."""
    if BY_TYPE[record[2]].name not in ("SEGMENT_STARTED", "LOG_STARTED"):
        return 0
    return decode(record).exchange_id


class LogReader:
    """Reads a log folder.

    `chunks()` yields bytes of whole verified records in order and stops at the end, which
    `end()` then describes. Raises LogDamaged (L-21, L-22), LogPruned. Only reads; several may run
    at once, and while the log is being written.
    """

    def __init__(self, folder, disk=None):
        self.disk = DISK if disk is None else disk
        self.folder = wal_folder(folder, self.disk)
        self.segments = list_segments(self.folder, self.disk)
        self._end = None
        self._exchange = 0

    @property
    def size(self):
        """Slots in all segments: the most records there can be."""
        return sum([segment.slots for segment in self.segments])

    @property
    def first_seq(self):
        """Number that the log begins with; 1 without any file."""
        return self.segments[0].first if self.segments else 1

    def record(self, seq):
        """The record with this number in the present form, b"" where there is no valid one."""
        segment = self._segment_of(seq)
        if segment is None:
            return b""
        slot = self._read(segment, seq, 1)
        return to_present(slot) if Place(seq).take(slot) else b""

    def exchange_id(self):
        """That of the first record there is; 0 = none."""
        record = self.record(self.first_seq)
        return exchange_of(record) if record else 0

    def _segment_of(self, seq):
        own = [segment for segment in self.segments if segment.first <= seq]
        return own[-1] if own else None

    def _read(self, segment, seq, records):
        offset = (seq - segment.first) * RSX_RECORD_SIZE
        return self.disk.read_file(segment.path, offset, records * RSX_RECORD_SIZE)

    def chunks(self, first_seq=0):
        """Yield verified records from number first_seq on (0: the oldest), as bytes of whole
        records, those of an older version in the form of the present one.
        """
        place = self._begin(first_seq)
        self._end = LogEnd(place.seq, 0, None, 0)
        number = self.segments.index(self._segment_of(place.seq)) if self.segments else 0
        while number < len(self.segments):
            segment = self.segments[number]
            number += 1
            if segment.first <= place.seq:
                yield from self._valid(segment, place)
            end = None
            while number == len(self.segments) or self.segments[number].first != place.seq:
                end = self._end_at(number - 1, place)
                if end is not None:
                    break
                yield from self._valid(segment, place)
            if end is not None:
                self._end = end
                return

    def _begin(self, first_seq):
        """The place before first_seq; the record before it says which epoch is due."""
        if not self.segments or first_seq == 0:
            return Place(first_seq or self.first_seq)
        if first_seq < self.first_seq:
            raise LogPruned(self.folder, first_seq, self.first_seq)
        before = self._segment_of(first_seq - 1)
        place = Place(max(1, first_seq - 1))
        if before is not None and place.take(self._read(before, place.seq, 1)):
            return place if first_seq > 1 else Place()
        return Place(first_seq)

    def _valid(self, segment, place):
        """Yield the run of valid records that is due at the place, which goes behind it."""
        while True:
            data = self._read(segment, place.seq, CHUNK_RECORDS)
            if place.seq == segment.first:
                self._check_own(segment, data, place)
            count = place.take(data)
            if count:
                yield to_present(data[:count * RSX_RECORD_SIZE])
            if count < CHUNK_RECORDS:
                return

    def _check_own(self, segment, data, place):
        """The first record of a file says whose log it is of (L-34)."""
        if not place.copy().take(data[:RSX_RECORD_SIZE]):
            return
        own = exchange_of(to_present(data[:RSX_RECORD_SIZE]))
        self._exchange = self._exchange or own
        if own and own != self._exchange:
            raise LogDamaged(
                f"{segment.path}: record {segment.first} at offset 0 is of exchange {own:#x}, the "
                f"files before are of {self._exchange:#x}: a file of another log")

    def _end_at(self, number, place):
        """The end of the log at the place, in segment `number`, or the hole there; None when what
        is due there was written meanwhile.

        Raises LogDamaged when it is neither a torn tail nor the unsynced end of a power cut.
        """
        segment, seq = self.segments[number], place.seq
        offset = (seq - segment.first) * RSX_RECORD_SIZE
        version = place.other_version(self._read(segment, seq, 1))
        if version:
            raise LogDamaged(f"{segment.path}: {version_text(version, seq, offset)}")
        torn, unsynced, found = 0, 0, ""
        for later in self.segments[number:]:
            begin = seq if later is segment else later.first
            valid, count, promised, used = self._behind(later, begin, place)
            torn += used
            unsynced += count
            found = found or (f"{valid} in {later.path.name}" if valid else "")
            if count and place.copy().take(self._read(segment, seq, 1)):
                return None
            if promised >= seq:
                self._refuse(segment, seq, found, promised)
        kept = number if seq > segment.first else number - 1
        return LogEnd(seq, place.epoch, self.segments[kept].path if kept >= 0 else None, torn,
                      tuple([later.path for later in self.segments[kept + 1:]]), unsynced)

    def _refuse(self, segment, seq, found, promised):
        offset = (seq - segment.first) * RSX_RECORD_SIZE
        what = (f"no valid record {seq} at offset {offset}" if offset < segment.size
                else f"the file ends before record {seq}")
        raise LogDamaged(
            f"{segment.path}: {what}, but {found} is valid, and {promised} was promised: "
            f"the log is damaged in the middle (rsx wal verify {self.folder})")

    def _behind(self, segment, seq, place):
        """(first valid record from seq on or 0, how many, promised, bytes up to the last in
        use); the search ends where it is clear that seq was promised.
        """
        used, first, total, most = 0, 0, 0, 0
        at = seq
        while most < place.seq:
            data = self._read(segment, at, CHUNK_RECORDS)
            if not data:
                break
            found, count, promised = place.behind(data, at, segment.first)
            first, total, most = first or found, total + count, max(most, promised)
            filled = used_bytes(data, at)
            if filled:
                used = (at - seq) * RSX_RECORD_SIZE + filled
            at += len(data) // RSX_RECORD_SIZE
            if len(data) < CHUNK_RECORDS * RSX_RECORD_SIZE:
                break
        return first, total, most, used

    def end(self):
        """The end of the log; after `chunks` has been read through."""
        if self._end is None:
            raise ValueError("the log has not been read yet")
        return self._end


def read_range(folder, first_seq, last_seq, disk=None):
    """Yield the records first_seq..last_seq as bytes, by arithmetic, without reading others.

    For a reader that knows they are there (a lapped tile). Raises LogDamaged when one is not,
    LogPruned when the first is no longer there.
    """
    disk = DISK if disk is None else disk
    segments = list_segments(Path(folder), disk)
    if segments and first_seq < segments[0].first:
        raise LogPruned(folder, first_seq, segments[0].first)
    for number, segment in enumerate(segments):
        end = segments[number + 1].first if number + 1 < len(segments) else last_seq + 1
        begin = max(first_seq, segment.first)
        end = min(end, last_seq + 1)
        while begin < end:
            offset = (begin - segment.first) * RSX_RECORD_SIZE
            size = min(CHUNK_RECORDS, end - begin) * RSX_RECORD_SIZE
            data = disk.read_file(segment.path, offset, size)
            count = Place(begin).take(data)
            if count == 0 or count * RSX_RECORD_SIZE < len(data):
                raise LogDamaged(
                    f"{segment.path}: no valid record {begin + count} at offset "
                    f"{(begin + count - segment.first) * RSX_RECORD_SIZE}")
            yield to_present(data)
            begin += count
            first_seq = begin


def cut_tail(end: LogEnd, disk=None):
    """Zero and sync what lies behind the end of the log, so that it never comes back (L-21).

    A file that the log is to begin with stays, however empty: its name says where (L-22).
    """
    disk = DISK if disk is None else disk
    is_begun = end.path is not None or end.next_seq == 1
    surplus = [path for path in end.surplus if is_begun or int(path.stem) != end.next_seq]
    for path in surplus:
        disk.remove(path)
    if surplus:
        disk.sync_path(surplus[0].parent)
    for path in {end.path, *end.surplus} - {None, *surplus}:
        _zero(disk, path, max(0, end.next_seq - int(path.stem)) * RSX_RECORD_SIZE)


def _zero(disk, path, at):
    """Zero a file from `at` on, where it is in use; synced."""
    changed = False
    fd = disk.open_file(path, 1)
    try:
        while data := disk.read_at(fd, 1 << 20, at):
            if used_bytes(data, int(path.stem) + at // RSX_RECORD_SIZE):
                disk.write_at(fd, bytes(len(data)), at)
                changed = True
            at += len(data)
        if changed:
            disk.sync_file(fd)
    finally:
        disk.close_file(fd)
