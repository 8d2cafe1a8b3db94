"""Writes the state of the exchange into one file, step by step. See snapshot_writer.pyx."""

from libc.stdint cimport int64_t, uint8_t, uint64_t

from rsx.book.save cimport engine_save_t
from rsx.core.disk cimport Disk
from rsx.risk.audit cimport ledger_sum_t
from rsx.risk.orders cimport SYMBOLS_MAX
from rsx.rows_c cimport rsx_row_end_t
from rsx.wal.state cimport State


cdef class SnapshotWriter:
    cdef readonly object path       # of the finished file
    cdef readonly uint64_t seq      # it holds the state after this record
    cdef readonly uint64_t written  # bytes
    cdef State state
    cdef Disk disk
    cdef object temp_path
    cdef bytes temp_name
    cdef bytes final_name
    cdef bytes folder_name
    cdef int fd
    cdef int phase
    cdef bint is_named              # though its name may not be durable
    cdef uint8_t* buffer
    cdef uint64_t units             # sealed so far
    cdef uint64_t checksum
    cdef uint64_t synced            # bytes
    cdef uint64_t at                # within the phase
    cdef list left                  # what is still to be looked at in Python
    cdef uint8_t* has_settings      # by account slot
    cdef uint64_t accounts
    cdef list cuts                  # (order id, quantity)
    cdef bytearray head             # units that are made in Python
    cdef list markets               # symbol ids, rising
    cdef engine_save_t engine
    cdef bint is_in_engine
    cdef ledger_sum_t sum
    cdef uint64_t[SYMBOLS_MAX] hashes   # of engines, in the order of markets

    cdef int work(self, int64_t budget) except -1 nogil
    cdef int make(self, uint64_t room, uint64_t* made) except -1 nogil
    cdef int flush(self, uint64_t made) except -1 nogil
    cdef int fail(self, int error) except -1 nogil
    cdef int finish(self) except -1 nogil
    cdef int mark_settings(self) except -1
    cdef bint is_alive(self, uint64_t oid)
    cdef int look_for_cuts(self) except -1
    cdef int make_head(self) except -1
    cdef int add_market(self, int symbol_id) except -1
    cdef int make_tail(self) except -1
    cdef int copy_head(self, uint64_t room, uint64_t* made) except -1
    cdef int begin_engine(self) except -1
    cdef void next_phase(self) noexcept nogil
    cdef int make_of_ledger(self, uint64_t room, uint64_t* made) except -1 nogil
    cdef int make_of_engine(self, uint64_t room, uint64_t* made) except -1 nogil
    cdef int make_recent(self, const uint8_t* ring, uint64_t count, uint64_t kept, uint64_t room,
                         uint64_t* made) except -1 nogil
    cdef int make_end(self, rsx_row_end_t* row) except -1 nogil
