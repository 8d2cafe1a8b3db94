from libc.stdint cimport uint64_t

from rsx.records_c cimport (
    rsx_amend_request_t, rsx_order_request_t, rsx_trigger_fired_t, rsx_trigger_request_t,
)
from rsx.tiles.outbox cimport Outbox


cdef class OrderDesk:
    cdef Outbox out
    cdef uint64_t checked
    cdef uint64_t refused

    cdef int on_order(self, const rsx_order_request_t* order, uint64_t now) except -1 nogil
    cdef int on_trigger(self, const rsx_trigger_request_t* request, uint64_t now) except -1 nogil
    cdef int on_fired(self, const rsx_trigger_fired_t* fired, uint64_t now) except -1 nogil
    cdef int on_amend(self, const rsx_amend_request_t* request, uint64_t now) except -1 nogil
