from libc.stdint cimport uint8_t, uint32_t, uint64_t

from rsx.core.disk cimport Disk
from rsx.core.ring cimport Ring
from rsx.core.tile cimport Tile
from rsx.records_c cimport rsx_record_t

cdef extern from "rsx/wal/names.h" nogil:
    enum:
        RSX_NAME_MAX
    int rsx_ahead_name(char* out, const char* folder, uint32_t number) noexcept
    int rsx_segment_name(char* out, const char* folder, uint64_t first) noexcept

cdef enum:
    READY_MAX = 16

cdef int io_fail(int error, const char* folder, str what) except -1 with gil


cdef class WalSync(Tile):
    cdef Disk disk
    cdef Ring wal_sync
    cdef Ring sync_wal
    cdef Ring replica_sync              # or None
    cdef object folder
    cdef bytes folder_name
    cdef const char* folder_path        # of folder_name
    cdef uint64_t segment_bytes
    cdef int ahead
    cdef int prepared               # handed over and not yet taken, or being filled
    cdef int filling_fd             # of the file that is being zeroed, -1 = none
    cdef uint32_t filling_number
    cdef uint64_t filled
    cdef uint32_t next_number
    cdef uint8_t* zeros

    # Retention (L-6). firsts: number that each segment file begins with, ascending.
    cdef uint64_t* firsts
    cdef uint64_t first_count
    cdef uint64_t first_room
    cdef readonly uint64_t oldest   # number of the first record of the log
    cdef uint64_t keep_seq
    cdef readonly uint64_t durable_seq     # as far as this tile knows
    cdef uint64_t spare             # prunable files that wait for use
    cdef uint64_t recycled
    cdef uint64_t removed

    cdef int hear_prune(self) except -1 nogil
    cdef int note_segment(self, uint64_t first) except -1 nogil
    cdef bint is_prunable(self, uint64_t index) noexcept nogil
    cdef int check_unneeded(self) except -1 nogil
    cdef void forget_oldest(self) noexcept nogil
    cdef int recycle(self) except -1 nogil
    cdef int remove_oldest(self) except -1 nogil
    cdef int hand_over(self, int fd, uint32_t number) except -1 nogil
    cdef int serve(self, const rsx_record_t* request) except -1 nogil
    cdef int prepare(self) except -1 nogil
