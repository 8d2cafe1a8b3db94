# cython: boundscheck=False
"""What a risk tile writes to: its rings to the gateway, the log and matching, each record once.

Everything that a risk tile does beside settling (requests, answers, liquidation, the work of shard
0) writes through here. Nothing waits: BUSY says that a ring is full and that nothing was written.
"""

from libc.stdint cimport int64_t, uint8_t, uint16_t, uint32_t, uint64_t

from rsx.core.ring cimport Ring, ring_claim_sure, ring_commit, ring_free, ring_wake
from rsx.records_c cimport *
from rsx.risk.accounts cimport ledger_account, ledger_index
from rsx.risk.check cimport ask_t
from rsx.risk.ledger cimport Ledger


cdef class Outbox:
    """Args  matching_rings: Ring per symbol, in the order of ledger.symbols."""

    def __init__(self, Ledger ledger, Ring risk_gateway, Ring risk_wal, list matching_rings):
        cdef Ring ring
        self.owner = ledger
        self.ledger = &ledger.ledger
        self.rings = [risk_gateway, risk_wal, *matching_rings]
        self.gateway = risk_gateway.ring
        self.wal = risk_wal.ring
        for index, ring in enumerate(matching_rings):
            self.matching[index] = ring.ring

    cdef int refuse(self, uint64_t oid, uint64_t request_id, uint32_t user_id, uint32_t symbol_id,
                    int reason, int64_t required, int64_t available,
                    uint64_t now) except -1 nogil:
        """REQUEST_REJECTED; an order or trigger is named by its id, all else by its request."""
        cdef rsx_request_rejected_t* refusal
        if not ring_free(self.gateway, 1):
            return BUSY
        refusal = <rsx_request_rejected_t*>ring_claim_sure(self.gateway)
        rsx_record_init(refusal, RSX_REQUEST_REJECTED, STREAM_RISK)
        refusal.ts_ns = now
        refusal.oid = oid
        refusal.request_id = request_id
        refusal.required = required
        refusal.available = available
        refusal.user_id = user_id
        refusal.symbol_id = symbol_id
        refusal.reason = <uint16_t>reason
        ring_commit(self.gateway)
        return 0

    cdef rsx_record_t* logged(self, uint16_t type, uint64_t now) except NULL nogil:
        """A record of one group of its own for the log."""
        cdef rsx_record_t* record = <rsx_record_t*>ring_claim_sure(self.wal)
        rsx_record_init(record, type, STREAM_RISK)
        record.header_flags = RSX_GROUP_END
        record.ts_ns = now
        return record

    cdef rsx_order_new_t* new_order(self, const ask_t* ask, uint64_t oid,
                                    uint64_t now) except NULL nogil:
        """ORDER_NEW of an order that passed; the caller fills the rest in and commits it."""
        cdef int index = ledger_index(self.ledger, ask.symbol_id)
        cdef rsx_order_new_t* order = <rsx_order_new_t*>ring_claim_sure(self.matching[index])
        rsx_record_init(order, RSX_ORDER_NEW, STREAM_RISK)
        order.ts_ns = now
        order.oid = oid
        order.px = ask.px
        order.qty = ask.qty
        order.reserved = ask.required
        order.owner_group = ask.owner_group
        order.user_id = ask.user_id
        order.symbol_id = <uint16_t>ask.symbol_id
        order.kind = ask.kind
        order.stp = ask.stp
        order.side = ask.side
        order.flags = ask.flags
        return order

    cdef int pass_on(self, const rsx_record_t* request, uint16_t type, int index,
                     uint64_t now) except -1 nogil:
        """A request that goes to a symbol's engine as it is, under this type."""
        cdef rsx_record_t* passed
        if not ring_free(self.matching[index], 1):
            return BUSY
        passed = <rsx_record_t*>ring_claim_sure(self.matching[index])
        rsx_record_copy(passed, request)
        passed.type = type
        passed.ts_ns = now
        ring_commit(self.matching[index])
        return 0

    # --- the exchange's own ---------------------------------------------------------------

    cdef int close_position(self, int index, uint64_t oid, uint32_t user_id, uint8_t side,
                            uint8_t flags, int64_t px, int64_t qty, uint64_t now) except -1 nogil:
        """LQ-6: an order that only reduces, kind 7. flags: 0, or HEDGE for a leg."""
        cdef rsx_order_new_t* order
        if not ring_free(self.matching[index], 1):
            return BUSY
        order = <rsx_order_new_t*>ring_claim_sure(self.matching[index])
        rsx_record_init(order, RSX_ORDER_NEW, STREAM_RISK)
        order.ts_ns = now
        order.oid = oid
        order.px = px
        order.qty = qty
        order.received_ns = now
        order.owner_group = ledger_account(self.ledger, user_id).owner_group
        order.user_id = user_id
        order.symbol_id = <uint16_t>self.ledger.symbols[index].symbol_id
        order.kind = RSX_LIQUIDATION
        order.stp = RSX_STP_OLDEST
        order.side = side
        order.tif = RSX_IOC
        order.flags = RSX_REDUCE_ONLY | flags
        ring_commit(self.matching[index])
        return 0

    cdef int cancel_all(self, int index, uint32_t user_id, uint16_t reason, uint64_t request_id,
                        uint64_t now) except -1 nogil:
        """Orders and triggers of a user in a symbol, both sides; CANCEL_ALL_DONE comes back."""
        cdef rsx_order_cancel_all_t* order
        if not ring_free(self.matching[index], 1):
            return BUSY
        order = <rsx_order_cancel_all_t*>ring_claim_sure(self.matching[index])
        rsx_record_init(order, RSX_ORDER_CANCEL_ALL, STREAM_RISK)
        order.ts_ns = now
        order.request_id = request_id
        order.user_id = user_id
        order.symbol_id = self.ledger.symbols[index].symbol_id
        order.reason = reason
        order.scope = 3
        order.sides = 3
        ring_commit(self.matching[index])
        return 0

    cdef void wake(self) noexcept nogil:
        """Once after a batch of commits (INV-30)."""
        cdef int index
        for index in range(self.ledger.symbol_count):
            ring_wake(self.matching[index])
        ring_wake(self.gateway)
        ring_wake(self.wal)
