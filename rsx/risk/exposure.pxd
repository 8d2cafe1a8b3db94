"""Who is exposed to a market, by side, and how much is open. A-10, A-11, INV-15."""

from libc.stdint cimport INT64_MAX, INT64_MIN, int64_t, uint32_t, uint64_t

from rsx.risk.accounts cimport exposed_t, ledger_t, position_t, symbol_t

cdef int exposure_init(ledger_t* ledger) except -1
cdef void exposure_free(ledger_t* ledger) noexcept nogil
cdef int exposure_enter(ledger_t* ledger, position_t* position) except -1 nogil
cdef int exposure_leave(ledger_t* ledger, position_t* position, int side) except -1 nogil
cdef void exposure_look(symbol_t* symbol) noexcept nogil


cdef inline int exposure_move(ledger_t* ledger, position_t* position,
                              int64_t before) except -1 nogil:
    """Call after a position's net changed from `before`."""
    cdef int64_t after = position.net
    ledger.symbols[position.symbol].open_interest += max(after, 0) - max(before, 0)
    if (before < 0) == (after < 0) and (before == 0) == (after == 0):
        return 0
    if before:
        exposure_leave(ledger, position, before < 0)
    return exposure_enter(ledger, position) if after else 0


cdef inline int64_t always_look(int side) noexcept nogil:
    """The threshold that asks about a position at every mark."""
    return INT64_MIN if side else INT64_MAX
