from libc.stdint cimport int64_t, uint16_t, uint32_t, uint64_t

from rsx.core.clock cimport Clock
from rsx.core.ring cimport Ring, ring_t
from rsx.core.tile cimport Tile
from rsx.records_c cimport (
    rsx_account_config_request_t, rsx_account_query_t, rsx_amend_request_t,
    rsx_deposit_request_t, rsx_order_new_t, rsx_order_request_t, rsx_record_t,
    rsx_trigger_fired_t, rsx_trigger_request_t,
)
from rsx.risk.accounts cimport position_t
from rsx.risk.check cimport ask_t
from rsx.risk.ledger cimport Ledger

cdef enum:
    SETTLE_LIMIT = 4096     # released records in one duty cycle
    FIRED_LIMIT = 512       # fired triggers in one duty cycle
    REQUEST_LIMIT = 512     # requests in one duty cycle
    MARK_LIMIT = 64
    FIRED_MAX = 1024        # fired triggers of one symbol that wait here (TR-5)


cdef class RiskTile(Tile):
    cdef Clock clock
    cdef Ledger ledger
    cdef Ring gateway_risk
    cdef Ring mark_risk
    cdef Ring wal_risk
    cdef Ring risk_gateway
    cdef Ring risk_wal
    cdef list matching_rings
    cdef ring_t* marks              # NULL but in shard 0
    cdef ring_t* matching[64]       # by symbol index
    cdef rsx_trigger_fired_t* fired # a circle of fired triggers, oldest first
    cdef uint64_t fired_capacity
    cdef uint64_t fired_first
    cdef uint64_t fired_end
    cdef readonly uint64_t released_seq
    cdef uint64_t checked
    cdef uint64_t refused
    cdef uint64_t stalls

    cdef int settle_released(self) except -1 nogil
    cdef int take_marks(self) except -1 nogil
    cdef int take_fired(self, uint64_t now) except -1 nogil
    cdef int take_requests(self, uint64_t now) except -1 nogil
    cdef int take_request(self, const rsx_record_t* request, uint64_t now) except -1 nogil
    # orders and triggers
    cdef int on_order(self, const rsx_order_request_t* order, uint64_t now) except -1 nogil
    cdef int on_trigger(self, const rsx_trigger_request_t* request, uint64_t now) except -1 nogil
    cdef int line_up(self, const rsx_record_t* fired) except -1 nogil
    cdef int send_fired(self, const rsx_trigger_fired_t* fired, uint64_t now) except -1 nogil
    cdef rsx_order_new_t* new_order(self, const ask_t* ask, uint64_t oid,
                                    uint64_t now) except NULL nogil
    cdef int on_amend(self, const rsx_amend_request_t* request, uint64_t now) except -1 nogil
    # what goes on as it is
    cdef int pass_on(self, const rsx_record_t* request, uint16_t type, uint32_t user_id,
                     uint32_t symbol_id, uint64_t request_id, uint64_t now) except -1 nogil
    # accounts
    cdef int on_deposit(self, const rsx_deposit_request_t* request, uint64_t now) except -1 nogil
    cdef int on_config(self, const rsx_account_config_request_t* request,
                       uint64_t now) except -1 nogil
    cdef int on_query(self, const rsx_record_t* request, uint64_t now) except -1 nogil
    cdef int send_position(self, const rsx_account_query_t* query, const position_t* position,
                           uint64_t now) noexcept nogil
    cdef int refuse(self, uint64_t oid, uint64_t request_id, uint32_t user_id, uint32_t symbol_id,
                    int reason, int64_t required, int64_t available,
                    uint64_t now) except -1 nogil
