"""Accounts, positions, margin of one risk shard. Rules A-n, G-n, V-n: specs/risk.md."""

from libc.stdint cimport int32_t, int64_t, uint8_t, uint16_t, uint32_t, uint64_t

from rsx.core.idmap cimport idmap_t
from rsx.records_c cimport rsx_order_request_t, rsx_record_t

cdef enum:
    SYMBOLS_MAX = 64

# 64 bytes.
cdef struct account_t:
    int64_t collateral
    int64_t frozen          # confirmed by the log
    int64_t frozen_flying   # of orders in flight
    int64_t realised
    int64_t fees
    uint32_t user_id
    uint32_t first_position
    uint32_t positions
    uint32_t unused
    int64_t unused2

# 80 bytes.
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
    uint16_t symbol         # index into the symbol table
    uint16_t unused

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
    symbol_t symbols[SYMBOLS_MAX]
    int symbol_count
    uint8_t* symbol_index   # symbol id -> index + 1
    uint64_t stale_ns       # 0 = the mark is the last trade
    int64_t fee_account
    int64_t deposits
    int64_t deposits_flying # asked for and not yet released
    uint64_t applied

cdef int ledger_check(ledger_t* ledger, const rsx_order_request_t* order, uint64_t now_ns,
                      int64_t* required, int64_t* available) except -1 nogil
cdef int ledger_apply(ledger_t* ledger, const rsx_record_t* record, bint is_live) except -1 nogil
cdef int ledger_check_deposit(ledger_t* ledger, uint32_t user_id, int64_t amount) noexcept nogil
cdef int ledger_margin(ledger_t* ledger, const account_t* account, uint64_t now_ns,
                       margin_t* out, bint with_maintenance) except -1 nogil
cdef account_t* ledger_account(ledger_t* ledger, uint32_t user_id) noexcept nogil
cdef int ledger_index(const ledger_t* ledger, uint32_t symbol_id) noexcept nogil
cdef int64_t ledger_mark(const symbol_t* symbol, uint64_t stale_ns) noexcept nogil
cdef int64_t unrealised_of(const position_t* position, int64_t mark) noexcept nogil

cdef class Ledger:
    cdef ledger_t ledger
    cdef readonly tuple symbols
