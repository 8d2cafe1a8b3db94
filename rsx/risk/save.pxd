"""A ledger as rows of a snapshot, and rows as a ledger. See save.pyx."""

from libc.stdint cimport uint32_t, uint64_t

from rsx.risk.accounts cimport ledger_t
from rsx.rows_c cimport (
    rsx_row_account_t, rsx_row_funding_t, rsx_row_market_t, rsx_row_order_t, rsx_row_position_t,
    rsx_row_state_t, rsx_row_taker_t,
)

# What is wrong with a row.
cdef enum:
    FITS = 0
    WRONG_ROW = 1           # a value that cannot be, or a reference to nothing
    WRONG_COUNT = 2
    TOO_MANY_ACCOUNTS = 3
    TOO_MANY_POSITIONS = 4
    TOO_MANY_ORDERS = 5
    TWICE = 6               # an id that was there before

# writing; the ledger stands still
cdef int ledger_save_begin(ledger_t* ledger) except -1 nogil
cdef void ledger_save_state(const ledger_t* ledger, rsx_row_state_t* row) noexcept nogil
cdef void ledger_save_market(const ledger_t* ledger, int index, rsx_row_market_t* row,
                             rsx_row_funding_t* funding) noexcept nogil
cdef void ledger_save_account(const ledger_t* ledger, uint64_t slot,
                              rsx_row_account_t* row) noexcept nogil
cdef void ledger_save_position(const ledger_t* ledger, uint64_t slot,
                               rsx_row_position_t* row) noexcept nogil

# loading, into a ledger that was never used
cdef int ledger_load_state(ledger_t* ledger, const rsx_row_state_t* row) noexcept nogil
cdef void ledger_load_market(ledger_t* ledger, int index,
                             const rsx_row_market_t* row) noexcept nogil
cdef void ledger_load_funding(ledger_t* ledger, int index,
                              const rsx_row_funding_t* row) noexcept nogil
cdef int ledger_load_account(ledger_t* ledger, const rsx_row_account_t* row) noexcept nogil
cdef int ledger_load_position(ledger_t* ledger, const rsx_row_position_t* row) noexcept nogil
cdef int ledger_load_order(ledger_t* ledger, int index, uint32_t account,
                           const rsx_row_order_t* row) except -1 nogil
cdef int ledger_load_taker(ledger_t* ledger, int index, uint32_t account,
                           const rsx_row_taker_t* row) except -1 nogil
cdef int ledger_load_end(ledger_t* ledger, const rsx_row_state_t* row) noexcept nogil
