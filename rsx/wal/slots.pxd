from libc.stdint cimport uint8_t, uint32_t, uint64_t

ctypedef struct place_t:
    uint64_t seq        # due next
    uint32_t epoch      # of the record before; 0 = none, or not known
    uint32_t version    # likewise

cdef bint is_valid(const uint8_t* slot, const place_t* place) noexcept nogil
cdef bint is_stale(const uint8_t* slot, uint64_t seq) noexcept nogil
cdef uint64_t take_valid(const uint8_t* slots, uint64_t count, place_t* place) noexcept nogil


cdef class Place:
    """Where a reader of the log is: the number due next, and what came before it."""

    cdef place_t place
