"""Amendments of resting orders. See amend.pyx."""

from libc.stdint cimport uint64_t

from rsx.book.matching cimport engine_t
from rsx.core.ring cimport ring_t
from rsx.records_c cimport rsx_order_amend_t

cdef int amend_order(engine_t* engine, const rsx_order_amend_t* request, uint64_t ts_ns,
                     ring_t* out) except -1 nogil
