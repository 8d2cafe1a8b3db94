"""Positions that change hands without an order. See transfer.pyx."""

from libc.stdint cimport uint8_t, uint64_t

from rsx.book.matching cimport engine_t, user_t
from rsx.core.ring cimport ring_t
from rsx.records_c cimport RSX_HEDGE, rsx_position_transfer_t, rsx_position_transferred_t

cdef int transfer_position(engine_t* engine, const rsx_position_transfer_t* request,
                           uint64_t ts_ns, ring_t* out) except -1 nogil
cdef int apply_transferred(engine_t* engine,
                           const rsx_position_transferred_t* event) except -1 nogil


cdef inline bint is_one_way_of_two(const user_t* user, uint8_t flags) noexcept nogil:
    """HL-1: one-way flags where both legs are open."""
    return user.held[0] != 0 and user.held[1] != 0 and not flags & RSX_HEDGE
