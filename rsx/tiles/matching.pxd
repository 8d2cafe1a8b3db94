from libc.stdint cimport uint64_t

from rsx.book.engine cimport Engine
from rsx.core.clock cimport Clock
from rsx.core.ring cimport Ring, ring_t
from rsx.core.tile cimport Tile

cdef enum:
    REQUEST_LIMIT = 512     # requests in one duty cycle
    AUDIT_CYCLES = 64       # of a debug build, from one audit to the next


cdef class MatchingTile(Tile):
    cdef Clock clock
    cdef Engine engine
    cdef Ring risk_matching
    cdef Ring matching_wal
    cdef bint has_recovered
    cdef uint64_t cycles
    cdef uint64_t audits

    cdef int audit_sometimes(self) except -1 nogil
    cdef int wait(self, ring_t* target) noexcept nogil
