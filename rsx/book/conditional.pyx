# cython: boundscheck=False
"""Triggers of one engine (specs/matching.md section 10)."""

from libc.stdint cimport int64_t, uint8_t, uint16_t, uint32_t, uint64_t

from rsx.book.matching cimport DONE, engine_t
from rsx.core.check cimport fail
from rsx.core.ring cimport ring_t
from rsx.records_c cimport *


cdef int conditional_init(engine_t* engine, uint32_t triggers_max,
                          uint32_t open_triggers_max) except -1:
    return 0


cdef void conditional_free(engine_t* engine) noexcept nogil:
    pass


cdef int conditional_request(engine_t* engine, const rsx_trigger_request_t* request,
                             uint64_t ts_ns, ring_t* out) except -1 nogil:
    return fail(1103, request.type, request.seq)


cdef int conditional_refused(engine_t* engine, const rsx_trigger_refused_t* request,
                             uint64_t ts_ns, ring_t* out) except -1 nogil:
    return DONE


cdef bint conditional_take(engine_t* engine, rsx_order_new_t* order,
                           uint32_t* cid_place) except -1 nogil:
    return False


cdef uint32_t conditional_find(engine_t* engine, uint64_t oid, uint32_t user_id) noexcept nogil:
    return 0


cdef int conditional_cancel(engine_t* engine, uint32_t slot, uint16_t reason, uint64_t request_id,
                            uint64_t ts_ns, ring_t* out) except -1 nogil:
    return 0


cdef uint32_t conditional_newest(engine_t* engine, uint32_t user_slot) noexcept nogil:
    return 0


cdef uint32_t conditional_older(engine_t* engine, uint32_t slot) noexcept nogil:
    return 0


cdef uint8_t conditional_side(engine_t* engine, uint32_t slot) noexcept nogil:
    return 0


cdef void conditional_describe(engine_t* engine, uint32_t slot,
                               rsx_order_duplicate_t* event) noexcept nogil:
    pass


cdef uint32_t conditional_expiry(engine_t* engine, int64_t* expire_s,
                                 uint64_t* oid) noexcept nogil:
    return 0


cdef int conditional_price(engine_t* engine) except -1 nogil:
    return 0


cdef int conditional_fire(engine_t* engine, uint64_t ts_ns, ring_t* out) except -1 nogil:
    return DONE


cdef int conditional_recovered(engine_t* engine) except -1 nogil:
    return 0


cdef int conditional_apply(engine_t* engine, const rsx_record_t* record) except -1 nogil:
    return 0


cdef uint64_t conditional_hash(const engine_t* engine, uint64_t state) noexcept nogil:
    return state


cdef int conditional_audit(engine_t* engine) except -1:
    return 0
