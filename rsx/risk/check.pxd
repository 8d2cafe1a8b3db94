"""What a request must have free before it goes to matching. Rules V-n, P-1, A-7."""

from libc.stdint cimport int64_t, uint8_t, uint32_t, uint64_t

from rsx.records_c cimport (
    rsx_account_config_request_t, rsx_amend_request_t, rsx_order_request_t, rsx_trigger_fired_t,
)
from rsx.risk.accounts cimport ledger_t

# An order before the match, and what was found: for a new one, and for one that a trigger becomes.
cdef struct ask_t:
    int64_t px              # of market kinds the protection price, once checked
    int64_t qty
    int64_t required        # margin it takes
    int64_t available       # margin that was free; 0 where it did not matter
    uint32_t user_id
    uint32_t symbol_id
    uint32_t owner_group    # of the account
    uint8_t side
    uint8_t flags
    uint8_t kind
    uint8_t stp             # the account's default in place of 4, once checked

cdef struct amend_t:
    int64_t reserved        # margin the order is to hold ...
    int64_t assumed         # ... for this open quantity
    int64_t extra           # in flight until the answer
    int64_t extra_qty
    int64_t available

cdef int ledger_check(ledger_t* ledger, ask_t* ask, uint64_t now_ns) except -1 nogil
cdef int ledger_check_amend(ledger_t* ledger, const rsx_amend_request_t* request, uint64_t now_ns,
                            amend_t* out) except -1 nogil
cdef int ledger_check_trigger(ledger_t* ledger, uint32_t user_id, uint32_t symbol_id,
                              uint8_t flags, uint8_t* stp) noexcept nogil
cdef int ledger_check_deposit(ledger_t* ledger, uint32_t user_id, int64_t amount) noexcept nogil
cdef int ledger_check_config(ledger_t* ledger, const rsx_account_config_request_t* request,
                             uint32_t* owner_group, uint8_t* stp) noexcept nogil


cdef inline void ask_order(ask_t* ask, const rsx_order_request_t* order) noexcept nogil:
    ask.px = order.px
    ask.qty = order.qty
    ask.user_id = order.user_id
    ask.symbol_id = order.symbol_id
    ask.owner_group = 0
    ask.side = order.side
    ask.flags = order.flags
    ask.kind = order.kind
    ask.stp = order.stp


cdef inline void ask_fired(ask_t* ask, const rsx_trigger_fired_t* fired) noexcept nogil:
    """The order that a fired trigger becomes (V-14)."""
    ask.px = fired.px
    ask.qty = fired.qty
    ask.user_id = fired.user_id
    ask.symbol_id = fired.symbol_id
    ask.owner_group = 0
    ask.side = fired.side
    ask.flags = fired.flags
    ask.kind = fired.kind
    ask.stp = fired.stp
