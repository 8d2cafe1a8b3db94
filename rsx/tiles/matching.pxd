from libc.stdint cimport uint32_t, uint64_t

from rsx.book.engine cimport Engine
from rsx.core.clock cimport Clock
from rsx.core.ring cimport Ring, ring_t
from rsx.core.tile cimport Tile

cdef enum:
    RINGS_MAX = 8           # of requests
    TURN_REQUESTS = 256     # from one ring before the next one has its turn
    AUDIT_CYCLES = 64       # of a debug build, from one audit to the next


cdef class MatchingTile(Tile):
    cdef Clock clock
    cdef Engine engine
    cdef tuple rings        # of requests; `sources` are theirs
    cdef ring_t* sources[RINGS_MAX]
    cdef uint32_t sources_used
    cdef uint32_t turn      # the ring that is being served
    cdef uint32_t turn_left
    cdef Ring matching_wal
    cdef bint has_recovered
    cdef uint64_t cycles
    cdef uint64_t audits

    cdef uint64_t waiting(self) noexcept nogil
    cdef int serve(self, ring_t* source, uint64_t now, uint64_t* done) except -1 nogil
    cdef int audit_sometimes(self) except -1 nogil
    cdef int wait(self, ring_t* target) noexcept nogil
