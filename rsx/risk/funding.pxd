"""Funding: samples, rate, what positions owe, what is booked. Rules FN-n: specs/funding.md."""

from libc.stdint cimport int64_t, uint32_t, uint64_t

from rsx.records_c cimport rsx_mark_price_t, rsx_record_t
from rsx.risk.accounts cimport ledger_t, position_t, symbol_t

# The fold.
cdef void funding_sample(symbol_t* symbol, const rsx_mark_price_t* mark) noexcept nogil
cdef int apply_funding(ledger_t* ledger, const rsx_record_t* record) except -1 nogil
cdef void funding_restart(symbol_t* symbol, uint32_t interval_s_before,
                          uint64_t ts_ns) noexcept nogil
cdef int reckon_owed(ledger_t* ledger, position_t* position) except -1 nogil

# Deciding (shard 0).
cdef bint funding_rate(const symbol_t* symbol, int64_t* rate_ppb,
                       int64_t* average_ppb) noexcept nogil
cdef uint32_t funding_next_s(const ledger_t* ledger, const symbol_t* symbol,
                             uint64_t now_ns) noexcept nogil
cdef bint funding_due(const ledger_t* ledger, const symbol_t* symbol, uint64_t now_ns,
                      uint64_t* interval_id, uint32_t* skipped) noexcept nogil
cdef position_t* funding_next_payment(ledger_t* ledger, int index, uint64_t* cursor,
                                      int* looks) except? NULL nogil


cdef inline int accrue(ledger_t* ledger, position_t* position) except -1 nogil:
    """FN-7: have `owed` count the newest settlement. Call before a position is used or moved."""
    if position.funding_epoch == ledger.symbols[position.symbol].funding.epoch:
        return 0
    return reckon_owed(ledger, position)


cdef inline bint funding_is_booked(const symbol_t* symbol) noexcept nogil:
    """FN-8: a settlement is open and all its payments are booked: FUNDING_DONE is due."""
    return (symbol.funding.is_open and symbol.funding.unreckoned == 0
            and symbol.funding.owing == 0)
