from rsx.book.engine cimport Engine
from rsx.core.clock cimport Clock
from rsx.core.ring cimport Ring, ring_t
from rsx.core.tile cimport Tile

cdef enum:
    REQUEST_LIMIT = 512     # requests in one duty cycle


cdef class MatchingTile(Tile):
    cdef Clock clock
    cdef Engine engine
    cdef Ring risk_matching
    cdef Ring matching_wal
    cdef bint has_recovered

    cdef int wait(self, ring_t* target) noexcept nogil
