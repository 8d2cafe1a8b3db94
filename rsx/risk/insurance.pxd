"""What an insurance fund can take over. Rules IF-1, IF-2: specs/liquidation.md."""

from libc.stdint cimport int64_t

from rsx.risk.accounts cimport ledger_t, position_t

cdef int64_t fund_equity(ledger_t* ledger, int symbol, int64_t mark) except? -1 nogil
cdef int64_t takeover_qty(ledger_t* ledger, const position_t* bankrupt,
                          int64_t mark) except? -1 nogil
