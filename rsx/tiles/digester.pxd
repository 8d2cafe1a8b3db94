"""Rounds of digests, as a risk tile takes its part in them. Anatomy in digester.pyx."""

from libc.stdint cimport uint16_t, uint32_t, uint64_t

from rsx.records_c cimport rsx_ledger_mark_t
from rsx.risk.ledger cimport Ledger
from rsx.tiles.outbox cimport Outbox


cdef class Digester:
    cdef Ledger owner
    cdef Outbox out
    cdef uint16_t shard
    cdef uint64_t check_ns          # between two rounds; 0 = none are begun
    cdef uint64_t round_ns          # when the last one was
    cdef uint32_t part
    cdef bint has_moved             # since then
    # what is to be logged
    cdef bint is_taken
    cdef uint64_t digest
    cdef uint64_t mark_seq
    cdef uint32_t mark_part
    cdef uint16_t form
    cdef readonly uint64_t rounds
    cdef readonly uint64_t left_out     # requests and digests that a full ring cost

    cdef int on_mark(self, const rsx_ledger_mark_t* mark) except -1 nogil
    cdef int work(self, uint64_t now) except -1 nogil
    cdef uint64_t next_ns(self) noexcept nogil
    cdef int begin_round(self, uint64_t now) except -1 nogil
    cdef int log_digest(self, uint64_t now) except -1 nogil
