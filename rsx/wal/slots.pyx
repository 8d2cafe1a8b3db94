# cython: boundscheck=False
"""What one slot of the log holds: the checks of a record in its place, and old versions.

Source: specs/wal.md L-20, L-26; INV-5.
"""

from libc.stdint cimport uint8_t, uint32_t, uint64_t
from libc.string cimport memcmp

from rsx.core.crc cimport rsx_crc_init, rsx_crc_record
from rsx.records import BY_TYPE, READABLE
from rsx.records_c cimport (
    RSX_LOG_STARTED, RSX_LOG_SYNCED, RSX_RECORD_SIZE, RSX_VERSION, rsx_log_synced_t, rsx_record_t,
)

rsx_crc_init()

cdef enum:
    MARKED_SINCE = 4    # the version from which on the log says what was on disk

cdef uint8_t[128] ZEROS
cdef uint8_t[256] USED_BYTES    # of a record of this type, the rest is padding; 0 = no such type
cdef uint8_t[256] SINCE         # the version that a type came with
cdef uint32_t OLDEST = min(READABLE)
for _type in range(256):
    USED_BYTES[_type] = RSX_RECORD_SIZE - BY_TYPE[_type].padding if _type in BY_TYPE else 0
    SINCE[_type] = BY_TYPE[_type].since if _type in BY_TYPE else 255


cdef bint is_valid(const uint8_t* slot, const place_t* place) noexcept nogil:
    """L-20. Within an epoch the version does not change, and it never falls (L-26)."""
    cdef const rsx_record_t* record = <const rsx_record_t*>slot
    cdef size_t used
    if record.seq != place.seq or record.type >= 256 or record.length != 112:
        return False
    if record.version != place.version:
        if (record.version > RSX_VERSION or record.version < OLDEST
                or record.version < place.version
                or (place.version and record.epoch == place.epoch)):
            return False
    used = USED_BYTES[record.type]
    return (used != 0 and SINCE[record.type] <= record.version and record.epoch >= place.epoch
            and memcmp(slot + used, ZEROS, RSX_RECORD_SIZE - used) == 0
            and record.crc == rsx_crc_record(slot))


cdef bint is_stale(const uint8_t* slot, uint64_t seq) noexcept nogil:
    """Of the life before of a recycled file: sealed, and older than its place (L-7)."""
    cdef const rsx_record_t* record = <const rsx_record_t*>slot
    return (0 < record.seq < seq and record.length == 112
            and record.crc == rsx_crc_record(slot))


cdef uint64_t take_valid(const uint8_t* slots, uint64_t count, place_t* place) noexcept nogil:
    """How many leading slots hold the records due; moves the place behind them."""
    cdef uint64_t at = 0
    cdef const rsx_record_t* record
    while at < count and is_valid(slots + at * RSX_RECORD_SIZE, place):
        record = <const rsx_record_t*>(slots + at * RSX_RECORD_SIZE)
        place.seq += 1
        place.epoch = record.epoch
        place.version = record.version
        at += 1
    return at


cdef uint64_t promise_of(const rsx_record_t* record, uint64_t segment_first) noexcept nogil:
    """Up to which number a record says that all was on disk when it was written; 0 = nothing."""
    cdef uint64_t durable
    if record.version < MARKED_SINCE:
        return record.seq  # no marks then: whatever lies before it counts as promised
    if record.type == RSX_LOG_SYNCED:
        durable = (<const rsx_log_synced_t*>record).durable_seq
        return min(durable, record.seq)
    if record.type == RSX_LOG_STARTED:  # a start has synced what it found
        return record.seq - 1 - (record.seq == segment_first + 1)
    return 0


cdef class Place:
    """Where a reader of the log is: the number due next; epoch and version of the record before.

    0 where there is none, or where it is not known.
    """

    def __init__(self, seq=1, epoch=0, version=0):
        self.place.seq = seq
        self.place.epoch = epoch
        self.place.version = version

    @property
    def seq(self):
        return self.place.seq

    @property
    def epoch(self):
        return self.place.epoch

    @property
    def version(self):
        return self.place.version

    def copy(self):
        return Place(self.place.seq, self.place.epoch, self.place.version)

    def take(self, const uint8_t[:] data):
        """How many leading slots of data hold the records due; moves behind them."""
        cdef uint64_t slots = data.shape[0] // RSX_RECORD_SIZE
        cdef uint64_t count = 0
        if slots:
            with nogil:
                count = take_valid(&data[0], slots, &self.place)
        return count

    def find(self, const uint8_t[:] data, first_seq):
        """Index of the first slot with a valid record that fits its place, or -1.

        data begins at number first_seq. An epoch of 0 is no epoch: what is behind a record that is
        not known must at least be sealed.
        """
        cdef uint64_t slots = data.shape[0] // RSX_RECORD_SIZE
        cdef uint64_t at = 0
        cdef place_t place = self.place
        place.seq = first_seq
        place.epoch = max(place.epoch, 1)
        place.version = 0
        if slots == 0:
            return -1
        with nogil:
            while at < slots and not is_valid(&data[at * RSX_RECORD_SIZE], &place):
                at += 1
                place.seq += 1
        return at if at < slots else -1

    def behind(self, const uint8_t[:] data, first_seq, segment_first):
        """(number of the first valid record or 0, how many are valid, promised) in slots from
        first_seq on, wherever they stand; promised: see L-21.
        """
        cdef uint64_t slots = data.shape[0] // RSX_RECORD_SIZE
        cdef uint64_t at, found = 0, count = 0, promised = 0, segment = segment_first
        cdef place_t place = self.place
        cdef const rsx_record_t* record
        place.seq = first_seq
        place.epoch = max(place.epoch, 1)
        place.version = 0
        if slots == 0:
            return 0, 0, 0
        with nogil:
            for at in range(slots):
                record = <const rsx_record_t*>&data[at * RSX_RECORD_SIZE]
                if is_valid(&data[at * RSX_RECORD_SIZE], &place):
                    count += 1
                    found = found or place.seq
                    promised = max(promised, promise_of(record, segment))
                place.seq += 1
        return found, count, promised

    def other_version(self, const uint8_t[:] slot):
        """Version of a sealed record that is due here but for its version (L-26); else 0."""
        cdef const rsx_record_t* record
        cdef uint32_t due = self.place.version
        if slot.shape[0] < RSX_RECORD_SIZE:
            return 0
        record = <const rsx_record_t*>&slot[0]
        if (record.length != 112 or record.seq != self.place.seq
                or record.crc != rsx_crc_record(&slot[0])):
            return 0
        if OLDEST <= record.version <= RSX_VERSION:
            if (record.epoch < self.place.epoch or due == 0 or record.version == due
                    or (record.version > due and record.epoch > self.place.epoch)):
                return 0
        return record.version


def used_bytes(const uint8_t[:] data, uint64_t first_seq):
    """Bytes up to the last one in use. data begins at the place of number first_seq.

    Zeros are not in use, nor is a stale slot: a sealed record with a number below its place (L-7).
    """
    cdef uint64_t used = data.shape[0]
    cdef uint64_t at, end
    with nogil:
        while used:
            at = (used - 1) // RSX_RECORD_SIZE * RSX_RECORD_SIZE
            end = used
            if end - at < RSX_RECORD_SIZE or not is_stale(&data[at],
                                                          first_seq + at // RSX_RECORD_SIZE):
                while end > at and data[end - 1] == 0:
                    end -= 1
                if end > at:
                    used = end
                    break
            used = at
    return used


def version_text(version, seq, offset):
    """What is wrong with a record of another version, for people."""
    if version in READABLE:
        return (f"record {seq} at offset {offset} is of record version {version}, and no new start "
                "of the log: versions only change where a start begins, and never fall")
    known = " and ".join(map(str, READABLE))
    return (f"record {seq} at offset {offset} is of record version {version}, this program reads "
            f"versions {known}: use the program that wrote it, or another data folder")


def to_present(data):
    """Whole valid records in the form of this program's version, sealed anew (L-26).

    data itself where all of them are. From version 3 to 4 only types were added, so that a record
    differs in its version alone.
    """
    cdef const uint8_t[:] view = data
    cdef Py_ssize_t count = view.shape[0] // RSX_RECORD_SIZE, at = 0
    cdef uint8_t[:] out
    cdef rsx_record_t* record
    with nogil:
        while at < count and view[at * RSX_RECORD_SIZE] == RSX_VERSION:
            at += 1
    if at == count:
        return data
    copied = bytearray(data)
    out = copied
    with nogil:
        for at in range(at, count):
            record = <rsx_record_t*>&out[at * RSX_RECORD_SIZE]
            if record.version != RSX_VERSION:
                record.version = RSX_VERSION
                record.crc = rsx_crc_record(record)
    return bytes(copied)
