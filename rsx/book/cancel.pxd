"""What ends waiting orders: cancels, cancel-alls, expiry. See cancel.pyx."""

from libc.stdint cimport uint64_t

from rsx.book.matching cimport engine_t
from rsx.core.ring cimport ring_t
from rsx.records_c cimport rsx_order_cancel_all_t, rsx_order_cancel_t

cdef int cancel_order(engine_t* engine, const rsx_order_cancel_t* request, uint64_t ts_ns,
                      ring_t* out) except -1 nogil
cdef int cancel_all(engine_t* engine, const rsx_order_cancel_all_t* request, uint64_t ts_ns,
                    ring_t* out) except -1 nogil
cdef int sweep_on(engine_t* engine, uint64_t ts_ns, ring_t* out) except -1 nogil
cdef int expire_due(engine_t* engine, uint64_t ts_ns, ring_t* out) except -1 nogil
