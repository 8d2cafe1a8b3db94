from libc.stdint cimport int64_t, uint8_t, uint16_t, uint32_t, uint64_t

from rsx.core.ring cimport Ring, ring_t
from rsx.records_c cimport rsx_order_new_t, rsx_record_t
from rsx.risk.accounts cimport ledger_t
from rsx.risk.check cimport ask_t
from rsx.risk.ledger cimport Ledger

cdef enum:
    BUSY = 2                # an output ring is full: what was to be done waits where it is
    STREAM_RISK = 65535


cdef class Outbox:
    cdef Ledger owner
    cdef ledger_t* ledger
    cdef list rings             # keeps what the pointers lead to
    cdef ring_t* gateway        # risk_gateway
    cdef ring_t* wal            # risk_wal
    cdef ring_t* matching[64]   # risk_matching, by symbol index

    # to the gateway
    cdef int refuse(self, uint64_t oid, uint64_t request_id, uint32_t user_id, uint32_t symbol_id,
                    int reason, int64_t required, int64_t available,
                    uint64_t now) except -1 nogil
    # to the log; the caller has seen that there is room, fills the rest in and commits
    cdef rsx_record_t* logged(self, uint16_t type, uint64_t now) except NULL nogil
    # to matching
    cdef rsx_order_new_t* new_order(self, const ask_t* ask, uint64_t oid,
                                    uint64_t now) except NULL nogil
    cdef int pass_on(self, const rsx_record_t* request, uint16_t type, int index,
                     uint64_t now) except -1 nogil
    # the exchange's own
    cdef int close_position(self, int index, uint64_t oid, uint32_t user_id, uint8_t side,
                            uint8_t flags, int64_t px, int64_t qty, uint64_t now) except -1 nogil
    cdef int cancel_all(self, int index, uint32_t user_id, uint16_t reason, uint64_t request_id,
                        uint64_t now) except -1 nogil
    cdef void wake(self) noexcept nogil
