"""What is done next with a bucket in liquidation. Rules LQ-n: specs/liquidation.md."""

from libc.stdint cimport int64_t, uint8_t, uint32_t, uint64_t

from rsx.risk.accounts cimport account_t, ledger_t, position_t, symbol_t
from rsx.risk.margin cimport bucket_t

cdef enum:
    BUCKET_POSITIONS_MAX = 128      # 64 symbols, two legs each
    # Ids of the exchange's own orders (LQ-7); as the gateway's, whose number they have the last of.
    OWN_MS_SHIFT = 12
    OWN_BASE = 3 << 10
    OWN_SHARD_SHIFT = 7
    OWN_COUNTER_MAX = 127

# What to do with a bucket that is in liquidation.
cdef enum:
    WAIT = 0
    RECOVER = 1
    CLOSE = 2
    ORDER = 3
    GIVE_UP = 4             # BANKRUPT, of one or more positions

cdef struct decision_t:
    bucket_t bucket
    int what
    uint32_t count
    uint32_t rows[BUCKET_POSITIONS_MAX]     # positions: one to close, or those to give up
    uint64_t until_ns       # WAIT: not before; 0 = for a record
    int64_t px              # ORDER
    int64_t qty
    uint32_t round

cdef int decide(ledger_t* ledger, account_t* account, position_t* isolated, uint64_t now,
                decision_t* out) except -1 nogil
cdef bint can_start(const ledger_t* ledger, const account_t* account,
                    const position_t* isolated) noexcept nogil
cdef int64_t round_px(const symbol_t* symbol, int64_t net, int64_t mark, uint32_t round,
                      int64_t bankrupt) noexcept nogil
cdef int64_t round_qty(const symbol_t* symbol, int64_t net, int64_t mark, int64_t px,
                       const bucket_t* bucket) noexcept nogil
cdef uint64_t next_own_oid(ledger_t* ledger, uint8_t shard, uint64_t now) except 0 nogil


cdef inline bint is_own_oid(uint64_t oid) noexcept nogil:
    """LQ-7: whether the exchange made this order itself."""
    return (oid >> 10 & 3) == 3


cdef inline bint is_of_bucket(const position_t* position,
                              const position_t* isolated) noexcept nogil:
    """G-3: a flat position of isolated mode is part of the cross bucket."""
    if isolated != NULL:
        return position == isolated
    return position.net == 0 or position.margin_mode == 0
