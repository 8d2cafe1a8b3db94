"""Keeping resting reduce-only orders within their users' positions. See reduce.pyx."""

from libc.stdint cimport uint32_t, uint64_t

from rsx.book.matching cimport engine_t
from rsx.core.ring cimport ring_t

cdef void plan_trims(engine_t* engine, uint32_t first_slot, uint32_t then_slot) noexcept nogil
cdef int trim(engine_t* engine, uint64_t ts_ns, ring_t* out) except -1 nogil
cdef int trim_owed(engine_t* engine, uint64_t ts_ns, ring_t* out) except -1 nogil
