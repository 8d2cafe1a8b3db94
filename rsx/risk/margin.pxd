"""What positions and orders ask of an account, and what it has. Rules BR-n, G-n: specs/risk.md.

Whoever changes a number of a position calls `touch` (or `touch_orders`) before; whoever changes
what positions are worth calls `move_symbol` after. Nothing else keeps the sums right (G-4).
"""

from libc.stdint cimport int64_t, uint32_t, uint64_t

from rsx.records_c cimport RSX_MARGIN_ISOLATED
from rsx.risk.accounts cimport account_t, ledger_t, magnitude, position_t, symbol_t
from rsx.units cimport RSX_PPM, rsx_ceil_div

# G-3 of an account: its cross bucket, and what all its positions hold.
cdef struct margin_t:
    int64_t unrealised      # of cross positions, less funding owed
    int64_t initial         # position margin and exposure of open orders, without frozen
    int64_t maintenance     # of cross positions
    int64_t held            # what equity must cover before anything is free
    int64_t equity          # collateral + unrealised
    int64_t available
    bint is_priced          # no open cross position has a missing or stale mark

# One margin bucket (G-3) as liquidation looks at it.
cdef struct bucket_t:
    int64_t equity
    int64_t maintenance
    int64_t call_at         # SB-4: equity below it is called
    uint32_t positions      # open ones
    bint is_live            # LQ-1: the mark of each of them is live and fresh

# What an account could let go (P-2, P-3).
cdef struct outflow_t:
    int64_t withdrawable
    int64_t transferable    # to an isolated position
    int64_t unrealised      # of cross positions, what they owe not taken off
    bint is_priced

# One position's part of G-2 and G-3.
cdef struct share_t:
    int64_t unrealised      # less funding owed; isolated: 0
    int64_t held
    int64_t maintenance     # isolated: 0

cdef int set_brackets(symbol_t* symbol, int rows, const int64_t* first,
                      const uint32_t* initial_ppm,
                      const uint32_t* maintenance_ppm) except -1 nogil
cdef int bracket_of(const symbol_t* symbol, int64_t notional) noexcept nogil
cdef int64_t initial_requirement(const symbol_t* symbol, uint32_t leverage_ppm,
                                 int64_t notional) noexcept nogil
cdef int64_t maintenance_requirement(const symbol_t* symbol, int64_t notional) noexcept nogil
cdef void scale_open_interest(symbol_t* symbol, int64_t mark) noexcept nogil

cdef int reckon_share(const position_t* position, const symbol_t* symbol, int64_t mark,
                      share_t* out) except -1 nogil
cdef int ledger_margin(ledger_t* ledger, account_t* account, uint64_t now_ns,
                       margin_t* out) except -1 nogil
cdef int ledger_margin_scratch(ledger_t* ledger, account_t* account, uint64_t now_ns,
                               margin_t* out) except -1 nogil
cdef int audit_margin(ledger_t* ledger) except -1 nogil
cdef int bucket_margin(ledger_t* ledger, account_t* account, position_t* isolated,
                       uint64_t now_ns, bucket_t* out) except -1 nogil
cdef int account_outflow(ledger_t* ledger, account_t* account, uint64_t now_ns,
                         outflow_t* out) except -1 nogil
cdef int64_t liquidation_px(ledger_t* ledger, account_t* account,
                            position_t* position) except -1 nogil
cdef int64_t bankruptcy_px(ledger_t* ledger, account_t* account,
                           position_t* position) except -1 nogil


cdef inline uint32_t leverage_share(uint32_t leverage) noexcept nogil:
    """BR-2: the rate l of a leverage, in ppm; 0 = the brackets' own."""
    return <uint32_t>rsx_ceil_div(RSX_PPM, leverage) if leverage else 0


cdef inline int64_t worst_size(const position_t* position) noexcept nogil:
    """G-2: the largest position that open orders can make of it."""
    cdef int64_t longest = position.net + position.open_buy + position.flying_buy
    cdef int64_t shortest = position.net - position.open_sell - position.flying_sell
    return max(magnitude(longest), magnitude(shortest))


cdef inline bint is_isolated(const position_t* position) noexcept nogil:
    """Whether it is a bucket of its own: a flat position is none."""
    return position.margin_mode == RSX_MARGIN_ISOLATED and position.net != 0


cdef inline bint in_liquidation(const account_t* account,
                                const position_t* position) noexcept nogil:
    """LQ-2: whether the bucket that an open order of this position belongs to is."""
    if position != NULL and position.margin_mode == RSX_MARGIN_ISOLATED:
        return position.stage != 0
    return account.stage != 0


cdef inline void touch_account(ledger_t* ledger, account_t* account) noexcept nogil:
    """SB-2: its equity changes; reckon its buckets in time."""
    if account.is_changed:
        return
    account.is_changed = 1
    ledger.changed[ledger.changed_end] = <uint32_t>(account - ledger.accounts)
    ledger.changed_end += 1
    if ledger.changed_end > ledger.accounts_max:
        ledger.changed_end = 0


cdef inline account_t* next_changed(ledger_t* ledger) noexcept nogil:
    """SB-2: take an account out of the circle; NULL when there is none."""
    cdef account_t* account
    if ledger.changed_first == ledger.changed_end:
        return NULL
    account = &ledger.accounts[ledger.changed[ledger.changed_first]]
    ledger.changed_first += 1
    if ledger.changed_first > ledger.accounts_max:
        ledger.changed_first = 0
    account.is_changed = 0
    return account


cdef inline void touch_orders(ledger_t* ledger, position_t* position) noexcept nogil:
    """Call before open orders, reservations or leverage of a position change."""
    cdef account_t* account = &ledger.accounts[position.account]
    cdef uint32_t row = <uint32_t>(position - ledger.positions)
    position.kept_epoch = 0
    if account.touched == 0:
        account.touched = row
    elif account.touched != row:
        account.kept_epoch = 0


cdef inline void touch(ledger_t* ledger, position_t* position) noexcept nogil:
    """Call before net, cost, owed, wallet or margin mode of a position change."""
    touch_orders(ledger, position)
    if position.margin_mode == RSX_MARGIN_ISOLATED:
        position.is_changed = 1
    touch_account(ledger, &ledger.accounts[position.account])


cdef inline void move_symbol(ledger_t* ledger, symbol_t* symbol) noexcept nogil:
    """Call after mark, mark state, rules or funding of a symbol changed."""
    ledger.epoch += 1
    symbol.epoch = ledger.epoch
    ledger.fresh_until = 0
