"""Memory of a ledger: made at start, copied for further tiles, given back."""

from libc.stdint cimport uint64_t

from rsx.risk.accounts cimport ledger_t

cdef int tables_init(ledger_t* ledger, uint64_t accounts_max, uint64_t positions_max,
                     uint64_t orders_max) except -1
cdef int tables_copy(ledger_t* ledger, const ledger_t* other) except -1
cdef void tables_free(ledger_t* ledger) noexcept nogil
