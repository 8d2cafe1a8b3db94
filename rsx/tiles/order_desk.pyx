# cython: boundscheck=False
"""Orders, triggers and amendments before the match: refused, or on to matching.

Rules V-1 to V-14, V-16: specs/risk.md; they are in rsx/risk/check. A request is taken whole or
not at all: BUSY leaves it where it is.
"""

from libc.stdint cimport int64_t, uint8_t, uint16_t, uint32_t, uint64_t
from libc.string cimport memcpy

from rsx.core.check cimport fail
from rsx.core.ring cimport ring_claim_sure, ring_commit, ring_free
from rsx.records_c cimport *
from rsx.risk.accounts cimport ledger_index
from rsx.risk.check cimport (
    amend_t, ask_fired, ask_order, ask_t, ledger_check, ledger_check_amend, ledger_check_trigger,
)
from rsx.tiles.outbox cimport BUSY, STREAM_RISK, Outbox


cdef class OrderDesk:
    def __init__(self, Outbox out):
        self.out = out

    cdef int on_order(self, const rsx_order_request_t* order, uint64_t now) except -1 nogil:
        cdef ask_t ask
        cdef int index = ledger_index(self.out.ledger, order.symbol_id)
        cdef int reason
        cdef rsx_order_new_t* accepted
        if not ring_free(self.out.gateway, 1):
            return BUSY
        if index >= 0 and not ring_free(self.out.matching[index], 1):
            return BUSY
        self.checked += 1
        ask_order(&ask, order)
        reason = ledger_check(self.out.ledger, &ask, now)
        if reason:
            self.refused += 1
            return self.out.refuse(order.oid, 0, order.user_id, order.symbol_id, reason,
                                   ask.required, ask.available, now)
        accepted = self.out.new_order(&ask, order.oid, now)
        accepted.received_ns = order.received_ns
        accepted.expire_s = order.expire_s
        accepted.tif = order.tif
        accepted.cid_len = order.cid_len
        memcpy(accepted.cid, order.cid, sizeof(order.cid))
        ring_commit(self.out.matching[index])
        return 0

    cdef int on_trigger(self, const rsx_trigger_request_t* request, uint64_t now) except -1 nogil:
        cdef int index = ledger_index(self.out.ledger, request.symbol_id)
        cdef uint8_t stp = request.stp
        cdef int reason = ledger_check_trigger(
            self.out.ledger, request.user_id, request.symbol_id, request.flags, &stp)
        cdef rsx_trigger_request_t* passed
        if reason:
            return self.out.refuse(request.oid, 0, request.user_id, request.symbol_id, reason,
                                   0, 0, now)
        if not ring_free(self.out.matching[index], 1):
            return BUSY
        passed = <rsx_trigger_request_t*>ring_claim_sure(self.out.matching[index])
        rsx_record_copy(passed, request)
        passed.ts_ns = now
        passed.stp = stp
        ring_commit(self.out.matching[index])
        return 0

    cdef int on_fired(self, const rsx_trigger_fired_t* fired, uint64_t now) except -1 nogil:
        """A fired trigger's order, or why there is none (TR-6)."""
        cdef int index = ledger_index(self.out.ledger, fired.symbol_id)
        cdef ask_t ask
        cdef int reason
        cdef rsx_order_new_t* order
        cdef rsx_trigger_refused_t* refusal
        if index < 0:
            return fail(14, fired.seq, fired.symbol_id)
        if not ring_free(self.out.matching[index], 1):
            return BUSY
        self.checked += 1
        ask_fired(&ask, fired)
        reason = ledger_check(self.out.ledger, &ask, now)
        if reason == 0:
            order = self.out.new_order(&ask, fired.oid, now)
            order.expire_s = fired.expire_s
            order.tif = fired.tif
        else:
            self.refused += 1
            refusal = <rsx_trigger_refused_t*>ring_claim_sure(self.out.matching[index])
            rsx_record_init(refusal, RSX_TRIGGER_REFUSED, STREAM_RISK)
            refusal.ts_ns = now
            refusal.oid = fired.oid
            refusal.user_id = fired.user_id
            refusal.symbol_id = fired.symbol_id
            refusal.reason = <uint16_t>reason
        ring_commit(self.out.matching[index])
        return 0

    cdef int on_amend(self, const rsx_amend_request_t* request, uint64_t now) except -1 nogil:
        cdef int index = ledger_index(self.out.ledger, request.symbol_id)
        cdef amend_t found
        cdef int reason
        cdef rsx_order_amend_t* order
        if not ring_free(self.out.gateway, 1):
            return BUSY
        if index >= 0 and not ring_free(self.out.matching[index], 1):
            return BUSY
        self.checked += 1
        reason = ledger_check_amend(self.out.ledger, request, now, &found)
        if reason:
            self.refused += 1
            return self.out.refuse(0, request.request_id, request.user_id, request.symbol_id,
                                   reason, found.extra, found.available, now)
        order = <rsx_order_amend_t*>ring_claim_sure(self.out.matching[index])
        rsx_record_init(order, RSX_ORDER_AMEND, STREAM_RISK)
        order.ts_ns = now
        order.oid = request.oid
        order.px = request.px
        order.qty = request.qty
        order.request_id = request.request_id
        order.reserved = found.reserved
        order.assumed = found.assumed
        order.extra = found.extra
        order.extra_qty = found.extra_qty
        order.user_id = request.user_id
        order.symbol_id = request.symbol_id
        order.side = request.side
        order.flags = request.flags  # its answer names the leg
        ring_commit(self.out.matching[index])
        return 0
