from libc.stdint cimport uint16_t, uint32_t, uint64_t

from rsx.core.clock cimport Clock
from rsx.core.ring cimport Ring, ring_t
from rsx.core.tile cimport Tile
from rsx.records_c cimport (
    rsx_account_query_t, rsx_cancel_request_t, rsx_deposit_request_t, rsx_order_request_t,
    rsx_record_t,
)
from rsx.risk.ledger cimport Ledger, position_t

cdef enum:
    SETTLE_LIMIT = 4096     # released records in one duty cycle
    REQUEST_LIMIT = 512     # requests in one duty cycle
    MARK_LIMIT = 64


cdef class RiskTile(Tile):
    cdef Clock clock
    cdef Ledger ledger
    cdef Ring gateway_risk
    cdef Ring mark_risk
    cdef Ring wal_risk
    cdef Ring risk_gateway
    cdef Ring risk_wal
    cdef list matching_rings
    cdef ring_t* matching[64]       # by symbol index
    cdef readonly uint64_t released_seq
    cdef uint64_t checked
    cdef uint64_t refused
    cdef uint64_t stalls

    cdef int settle_released(self) except -1 nogil
    cdef int take_requests(self, uint64_t now) except -1 nogil
    cdef int take_marks(self, uint64_t now) except -1 nogil
    cdef int on_order(self, const rsx_order_request_t* order, uint64_t now) except -1 nogil
    cdef int on_cancel(self, const rsx_cancel_request_t* request, uint64_t now) except -1 nogil
    cdef int on_deposit(self, const rsx_deposit_request_t* request,
                        uint64_t now) except -1 nogil
    cdef int on_query(self, const rsx_record_t* request, uint64_t now) except -1 nogil
    cdef int send_position(self, const rsx_account_query_t* query, const position_t* position,
                           uint64_t now) noexcept nogil
    cdef int refuse(self, const rsx_record_t* request, uint32_t user_id, uint32_t symbol_id,
                    uint16_t reason, uint64_t now) except -1 nogil
