from libc.stdint cimport uint16_t, uint32_t, uint64_t

from rsx.core.clock cimport Clock
from rsx.core.ring cimport Ring, ring_t
from rsx.core.tile cimport Tile
from rsx.records_c cimport rsx_record_t, rsx_trigger_fired_t
from rsx.risk.ledger cimport Ledger
from rsx.tiles.account_desk cimport AccountDesk
from rsx.tiles.answers cimport Answers
from rsx.tiles.digester cimport Digester
from rsx.tiles.keeper cimport Keeper
from rsx.tiles.liquidator cimport Liquidator
from rsx.tiles.order_desk cimport OrderDesk
from rsx.tiles.outbox cimport Outbox

cdef enum:
    SETTLE_LIMIT = 4096     # released records in one duty cycle
    FIRED_LIMIT = 512       # fired triggers in one duty cycle
    REQUEST_LIMIT = 512     # requests in one duty cycle
    MARK_LIMIT = 64
    FIRED_MAX = 1024        # fired triggers of one symbol that wait here (TR-5)
    RULES_OF_A_MARKET = 4   # SY-1


cdef class RiskTile(Tile):
    cdef Clock clock
    cdef readonly Ledger ledger
    cdef Ring gateway_risk
    cdef Ring mark_risk
    cdef Ring replica_risk
    cdef Ring wal_risk
    cdef ring_t* marks              # NULL but in shard 0
    cdef Outbox out
    cdef OrderDesk orders
    cdef AccountDesk accounts
    cdef Answers answers
    cdef Keeper keeper
    cdef Liquidator liquidator
    cdef Digester digester
    cdef rsx_trigger_fired_t* fired # a circle of fired triggers, oldest first
    cdef uint64_t fired_capacity
    cdef uint64_t fired_first
    cdef uint64_t fired_end
    cdef rsx_record_t rules[RULES_OF_A_MARKET]  # those of a market that have come
    cdef int rules_held
    cdef bint is_stalled            # something stands before a full ring
    cdef readonly uint64_t released_seq
    cdef uint64_t stalls

    # what the log has released
    cdef int settle_released(self) except -1 nogil
    cdef int on_record(self, const rsx_record_t* record) except -1 nogil
    cdef void plan(self, uint64_t now) noexcept nogil
    cdef int line_up(self, const rsx_record_t* fired) except -1 nogil
    # inputs
    cdef int take_marks(self, uint64_t now) except -1 nogil
    cdef int take_fired(self, uint64_t now) except -1 nogil
    cdef int take_modes(self, uint64_t now) except -1 nogil
    cdef int take_requests(self, uint64_t now) except -1 nogil
    cdef int take_request(self, const rsx_record_t* request, uint64_t now) except -1 nogil
    # what goes on as it is
    cdef int pass_on(self, const rsx_record_t* request, uint16_t type, uint32_t user_id,
                     uint32_t symbol_id, uint64_t request_id, uint64_t now) except -1 nogil
    cdef int pass_rules(self, const rsx_record_t* request, uint64_t now) except -1 nogil
