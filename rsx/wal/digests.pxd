"""Digests of the log held against a fold. See digests.pyx."""

from libc.stdint cimport uint16_t, uint32_t, uint64_t

from rsx.book.matching cimport engine_t
from rsx.records_c cimport rsx_ledger_digest_t, rsx_record_t
from rsx.risk.accounts cimport ledger_t

cdef enum:
    MARKS_MAX = 16          # RP-6; a power of two
    # More records than the fold of engines is ever ahead of that of accounts; a power of two.
    WAITING_MAX = 65536

cdef struct taken_t:
    uint64_t seq            # of the LEDGER_MARK; 0 = none
    uint64_t digest
    uint32_t part
    uint16_t form


cdef class Digests:
    cdef taken_t[MARKS_MAX] taken
    cdef uint64_t marks
    cdef readonly uint64_t compared
    cdef readonly uint64_t differed
    cdef readonly uint64_t seq      # of the first difference that is not answered; 0 = none
    cdef rsx_record_t first         # that record ...
    cdef uint64_t found             # ... and what the fold has instead

    cdef uint64_t[WAITING_MAX] engines  # of engines, on the way from take_engine to take
    cdef uint64_t waiting
    cdef uint64_t taken_up

    cdef int take_engine(self, const rsx_record_t* record, engine_t* engine) except -1 nogil
    cdef int take(self, const rsx_record_t* record, ledger_t* ledger) except -1 nogil
    cdef int compare(self, const rsx_record_t* record, uint64_t logged,
                     uint64_t found) except -1 nogil
    cdef int compare_ledger(self, const rsx_ledger_digest_t* record) except -1 nogil
