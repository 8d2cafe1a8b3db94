"""What a fill or a transfer does to a position and its account. A-3, A-4, IM-2, IM-3."""

from libc.stdint cimport int64_t, uint8_t

from rsx.risk.accounts cimport ledger_t, position_t

cdef int move_position(ledger_t* ledger, position_t* position, uint8_t side, int64_t qty,
                       int64_t px, int64_t fee, bint is_transfer) except -1 nogil
