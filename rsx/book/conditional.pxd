"""Triggers of one engine: the requests, their firing, the fold. See conditional.pyx.

What matching calls, and when:

    conditional_request    TRIGGER_REQUEST: one answer, finished (TR-3)
    conditional_refused    TRIGGER_REFUSED: TRIGGER_CANCELLED, finished, or nothing (TR-6, TR-7)
    conditional_take       ORDER_NEW of a fired trigger, before section 4; also when it is folded
    conditional_find       a living trigger of this user by order id
    conditional_cancel     ends one that waits, is due or has fired; the caller finishes (TR-7)
    conditional_newest     first of a user's triggers for a cancel-all, then conditional_older
    conditional_describe   what ORDER_DUPLICATE tells of one (D-4)
    conditional_expiry     the next one to expire, with its (expire_s, order id); 0 = none (EX-1)
    conditional_price      what a request moved (mark_moved, first_fill_px .. last_px) reaches
                           triggers (TR-4); also at the end of each folded request
    conditional_mode       the mode is another one (MO-3)
    conditional_settle     prices go through at once: after conditional_price in a fold
    conditional_fire       prices go through, then due ones fire, a group each (TR-5); BLOCKED
                           before a full ring, MORE when others are to have a turn
    conditional_recovered  before the first request after a fold (TR-9)

A slot is a trigger's, not 0. conditional.pyx sets engine.may_fire, and calls plan_expiry whenever
its next expiry changes.
"""

from libc.stdint cimport int64_t, uint8_t, uint16_t, uint32_t, uint64_t

from rsx.book.matching cimport engine_t
from rsx.core.ring cimport ring_t
from rsx.records_c cimport (
    rsx_order_duplicate_t, rsx_order_new_t, rsx_record_t, rsx_trigger_refused_t,
    rsx_trigger_request_t,
)

cdef int conditional_init(engine_t* engine, uint32_t triggers_max,
                          uint32_t open_triggers_max) except -1
cdef void conditional_free(engine_t* engine) noexcept nogil
cdef int conditional_request(engine_t* engine, const rsx_trigger_request_t* request,
                             uint64_t ts_ns, ring_t* out) except -1 nogil
cdef int conditional_refused(engine_t* engine, const rsx_trigger_refused_t* request,
                             uint64_t ts_ns, ring_t* out) except -1 nogil
cdef bint conditional_take(engine_t* engine, rsx_order_new_t* order,
                           uint32_t* cid_place) except -1 nogil
cdef uint32_t conditional_find(engine_t* engine, uint64_t oid, uint32_t user_id) noexcept nogil
cdef int conditional_cancel(engine_t* engine, uint32_t slot, uint16_t reason, uint64_t request_id,
                            uint64_t ts_ns, ring_t* out) except -1 nogil
cdef uint32_t conditional_newest(engine_t* engine, uint32_t user_slot) noexcept nogil
cdef uint32_t conditional_older(engine_t* engine, uint32_t slot) noexcept nogil
cdef uint8_t conditional_side(engine_t* engine, uint32_t slot) noexcept nogil
cdef void conditional_describe(engine_t* engine, uint32_t slot,
                               rsx_order_duplicate_t* event) noexcept nogil
cdef uint32_t conditional_expiry(engine_t* engine, int64_t* expire_s, uint64_t* oid) noexcept nogil
cdef int conditional_price(engine_t* engine) except -1 nogil
cdef void conditional_settle(engine_t* engine) noexcept nogil
cdef void conditional_mode(engine_t* engine) noexcept nogil
cdef int conditional_fire(engine_t* engine, uint64_t ts_ns, ring_t* out) except -1 nogil
cdef int conditional_recovered(engine_t* engine) except -1 nogil
cdef int conditional_apply(engine_t* engine, const rsx_record_t* record) except -1 nogil
cdef uint64_t conditional_hash(const engine_t* engine, uint64_t state) noexcept nogil
cdef int conditional_audit(engine_t* engine) except -1
cdef list conditional_fired(engine_t* engine)
cdef list conditional_rows(engine_t* engine, uint32_t user_id)
