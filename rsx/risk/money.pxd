"""Records about accounts as such: deposits, withdrawals, wallets, settings. P-n, A-7, HG-5."""

from rsx.records_c cimport rsx_record_t
from rsx.risk.accounts cimport ledger_t

cdef int apply_money(ledger_t* ledger, const rsx_record_t* record, bint is_live) except -1 nogil
