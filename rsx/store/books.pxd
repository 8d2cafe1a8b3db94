from libc.stdint cimport int64_t, uint8_t, uint16_t, uint32_t

from rsx.records_c cimport rsx_margin_config_t

cdef class Account:
    cdef readonly uint32_t user_id
    cdef readonly int64_t collateral
    cdef bint is_changed

cdef class Position:
    cdef readonly uint32_t user_id
    cdef readonly uint16_t symbol_id
    cdef readonly uint8_t leg
    cdef readonly uint8_t margin_mode
    cdef readonly uint8_t in_liquidation
    cdef readonly uint32_t leverage_ppm
    cdef readonly int64_t net
    cdef readonly int64_t cost
    cdef readonly int64_t wallet
    cdef bint is_changed
    cdef int64_t profit     # of the last trade that moved it

cdef class Market:
    cdef readonly uint16_t symbol_id
    cdef readonly str name
    cdef readonly uint8_t price_decimals
    cdef readonly uint8_t qty_decimals
    cdef readonly uint32_t initial_ppm
    cdef readonly int64_t asked_ppm
    cdef readonly int64_t hand_kind
    # The candle of one second that is growing; second -1 = none.
    cdef int64_t second
    cdef int64_t open
    cdef int64_t high
    cdef int64_t low
    cdef int64_t close
    cdef int64_t volume
    cdef int64_t trades
    cdef int64_t buy_volume
    cdef int64_t quote_high
    cdef int64_t quote_low
    cdef int64_t buy_quote_high
    cdef int64_t buy_quote_low
    cdef void trade(self, int64_t px, int64_t qty, int64_t value, bint is_buy)

cdef class Books:
    cdef readonly dict accounts
    cdef readonly dict positions
    cdef readonly dict markets
    cdef list changed_accounts
    cdef list changed_positions
    cdef Account account(self, uint32_t user_id)
    cdef Position find(self, uint32_t user_id, uint32_t symbol_id, int leg)
    cdef Position open(self, uint32_t user_id, uint32_t symbol_id, int leg)
    cdef int touch(self, Position position) except -1
    cdef int64_t add(self, Account account, int64_t amount) except? -1
    cdef int64_t _wallet(self, Position position, int64_t size, int64_t closed, int64_t opened,
                         int64_t gain, bint is_transfer) except? -1
    cdef int64_t trade(self, Account account, Position position, uint8_t side, int64_t qty,
                       int64_t px, int64_t fee, bint is_transfer) except? -1
    cdef int configure(self, const rsx_margin_config_t* event) except -1
