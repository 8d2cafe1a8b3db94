from libc.stdint cimport int64_t, uint8_t, uint32_t, uint64_t

from rsx.core.clock cimport Clock
from rsx.core.disk cimport Disk
from rsx.core.ring cimport Ring, ring_t
from rsx.core.tile cimport Tile
from rsx.records_c cimport rsx_record_t
from rsx.tiles.wal_sync cimport READY_MAX

cdef enum:
    INPUTS_MAX = 80
    RISKS_MAX = 8
    TAIL_RECORDS = 131072       # appended and not released (L-16); a power of two
    DRAIN_LIMIT = 2048          # from one ring in one duty cycle

cdef enum Durability:
    ASYNC = 0
    FILL_FIRST = 1
    ALL = 2


cdef class WalTile(Tile):
    cdef Clock clock
    cdef Disk disk
    cdef list wal_risk
    cdef Ring wal_gateway
    cdef Ring wal_marketdata
    cdef Ring wal_sync
    cdef Ring sync_wal
    cdef object folder
    cdef object start           # rsx.wal.start.LogStart
    cdef bytes folder_name
    cdef const char* folder_path        # of folder_name
    cdef ring_t* sources[INPUTS_MAX]
    cdef int source_count
    cdef int first_source               # where the next pass over them begins
    cdef ring_t* risks[RISKS_MAX]       # of wal_risk
    cdef int risk_count
    cdef Durability durability
    cdef uint64_t flush_ns

    # The tail: records by number & (TAIL_RECORDS - 1). released <= written <= appended.
    cdef uint8_t* tail
    cdef readonly uint64_t appended     # numbers: the last record ...
    cdef readonly uint64_t written
    cdef readonly uint64_t durable
    cdef readonly uint64_t released
    cdef bint is_syncing
    cdef bint has_failed                # the disk; nothing more is written (L-14)
    cdef bint is_held_up                # a released ring is full
    cdef public bint sync_inline        # sync on this thread when nothing else is to be done
    cdef uint64_t unsynced_since        # monotonic ns of the oldest unsynced append; 0 = none
    cdef uint64_t asked_since           # the same for what the running sync covers

    # Sync marks (L-17). Content is every record that is no mark.
    cdef public bint sync_marks         # False: none are written
    cdef uint64_t content               # the last one appended
    cdef uint64_t content_asked         # ... that the running sync covers
    cdef uint64_t content_marked        # ... that a mark covers
    cdef uint64_t mark_due_since        # monotonic ns; 0 = none is due
    cdef uint64_t marks

    # The segment written to.
    cdef int fd
    cdef int retired_fd                 # of the segment before, until its sync is asked for
    cdef bint folder_dirty
    cdef uint32_t taken                 # zeroed segments used since the last request
    cdef uint64_t segment_first
    cdef uint64_t segment_records
    cdef uint32_t epoch
    cdef uint64_t exchange_id
    cdef int ready_fds[READY_MAX]
    cdef uint32_t ready_numbers[READY_MAX]
    cdef int ready_count

    cdef uint64_t syncs
    cdef uint64_t syncs_inline
    cdef uint64_t sync_ns
    cdef uint64_t sync_ns_max
    cdef uint64_t stalls
    cdef uint64_t lapped
    cdef uint64_t segments_unprepared

    cdef int hear_sync(self, uint64_t mono) except -1 nogil
    cdef int sync(self, int fd) except -1 nogil
    cdef int broken(self, int error, str what) except -1 nogil
    cdef int append_inputs(self, uint64_t mono, uint64_t wall) except -1 nogil
    cdef int append_mark(self, uint64_t mono, uint64_t wall) except -1 nogil
    cdef int64_t make_room(self, uint64_t wall) except -1 nogil
    cdef int append(self, const void* record) except -1 nogil
    cdef int append_sealed(self, const void* record) except -1 nogil
    cdef void note_durable(self, uint64_t seq, uint64_t content, uint64_t mono) noexcept nogil
    cdef int write_tail(self) except -1 nogil
    cdef int open_next_segment(self, uint64_t wall) except -1 nogil
    cdef int ask_sync(self, uint64_t mono, bint is_forced) except -1 nogil
    cdef int sync_here(self, uint64_t mono) except -1 nogil
    cdef int release_records(self) except -1 nogil
