"""Accounts, positions and markets of one risk shard. Rules A-n, G-n, K-n: specs/risk.md."""

from libc.stdint cimport int32_t, int64_t, uint8_t, uint16_t, uint32_t, uint64_t

from rsx.core.idmap cimport idmap_get, idmap_t
from rsx.records_c cimport RSX_REDUCE_ONLY
from rsx.risk.orders cimport SYMBOLS_MAX, orders_t

cdef enum:
    TICK_ROWS_MAX = 4

# 64 bytes.
cdef struct account_t:
    int64_t collateral
    int64_t frozen          # confirmed by the log
    int64_t frozen_flying   # of orders and amendments in flight
    int64_t realised
    int64_t fees
    uint32_t user_id
    uint32_t first_position
    uint32_t positions
    uint32_t owner_group
    uint32_t owner_asked    # what the newest ACCOUNT_CONFIG says, released or not
    uint8_t stp
    uint8_t stp_asked
    uint16_t pad0

# 88 bytes.
cdef struct position_t:
    int64_t net
    int64_t cost            # of what is open, >= 0
    int64_t realised
    int64_t frozen
    int64_t open_buy
    int64_t open_sell
    int64_t frozen_flying
    int64_t flying_buy
    int64_t flying_sell
    uint32_t next
    uint32_t amending       # amendments in flight
    uint32_t unseen         # of these, since it was last 0, for orders not seen yet
    uint16_t symbol         # index into the symbol table
    uint16_t pad0

cdef struct symbol_t:
    uint32_t symbol_id
    uint32_t initial_margin_ppm
    uint32_t maintenance_margin_ppm
    int32_t taker_fee_ppm
    int64_t reference_px
    int64_t fed_px          # last MARK_PRICE; 0 = missing
    uint64_t fed_ns
    int64_t index_px
    int64_t last_px         # last trade; 0 = none yet
    uint32_t hand           # row of the order in hand, 0 = none
    uint32_t market_band_ppm
    uint8_t mode
    uint8_t tick_rows
    int64_t px_max
    int64_t notional_max
    int64_t tick
    int64_t tick_from[TICK_ROWS_MAX]
    int64_t tick_at[TICK_ROWS_MAX]

cdef struct margin_t:
    int64_t unrealised
    int64_t initial         # position margin and exposure of open orders, without frozen
    int64_t maintenance
    int64_t held            # what equity must cover before anything is free
    bint is_priced          # no open position has a missing or stale mark
    bint with_maintenance   # else maintenance is left at 0

cdef struct ledger_t:
    account_t* accounts
    position_t* positions
    idmap_t slots           # user id -> account
    uint64_t accounts_max
    uint64_t accounts_used
    uint64_t positions_max
    uint64_t positions_used
    orders_t orders
    symbol_t symbols[SYMBOLS_MAX]
    int symbol_count
    uint8_t* symbol_index   # symbol id -> index + 1
    uint64_t stale_ns       # 0 = the mark is the last trade
    int64_t fee_account
    int64_t deposits
    int64_t deposits_flying # asked for and not yet released
    uint64_t applied

cdef position_t* open_position(ledger_t* ledger, account_t* account, int symbol) noexcept nogil
cdef account_t* open_account(ledger_t* ledger, uint32_t user_id) noexcept nogil
cdef int ledger_margin(ledger_t* ledger, const account_t* account, uint64_t now_ns,
                       margin_t* out, bint with_maintenance) except -1 nogil
cdef int64_t unrealised_of(const position_t* position, int64_t mark) noexcept nogil
cdef int64_t protection_px(const symbol_t* symbol, uint8_t side, int64_t mark) noexcept nogil


cdef inline int ledger_index(const ledger_t* ledger, uint32_t symbol_id) noexcept nogil:
    """Index of a symbol, -1 when unknown."""
    return -1 if symbol_id > 65535 else <int>ledger.symbol_index[symbol_id] - 1


cdef inline account_t* ledger_account(ledger_t* ledger, uint32_t user_id) noexcept nogil:
    cdef uint32_t slot = idmap_get(&ledger.slots, user_id)
    return &ledger.accounts[slot] if slot else NULL


cdef inline position_t* find_position(ledger_t* ledger, const account_t* account,
                                      int symbol) noexcept nogil:
    """The account's entry for a symbol, NULL when there is none."""
    cdef uint32_t slot = account.first_position
    while slot:
        if ledger.positions[slot].symbol == symbol:
            return &ledger.positions[slot]
        slot = ledger.positions[slot].next
    return NULL


cdef inline int64_t ledger_mark(const symbol_t* symbol, uint64_t stale_ns) noexcept nogil:
    """K-1, K-2: the price that values positions; always positive."""
    cdef int64_t px = symbol.fed_px if stale_ns else symbol.last_px
    return px if px else symbol.reference_px


cdef inline bint is_fresh(const symbol_t* symbol, uint64_t stale_ns, uint64_t now) noexcept nogil:
    """K-2: neither missing nor stale."""
    if stale_ns == 0:
        return True
    return symbol.fed_px != 0 and (now < symbol.fed_ns or now - symbol.fed_ns <= stale_ns)


cdef inline int64_t exposing(int64_t qty, uint8_t flags) noexcept nogil:
    """A-2: a reduce-only order never counts as open exposure."""
    return 0 if flags & RSX_REDUCE_ONLY else qty


cdef inline int64_t magnitude(int64_t value) noexcept nogil:
    return -value if value < 0 else value
