"""Records of the log applied to accounts, positions and live orders. Rules A-n, V-6 to V-13."""

from rsx.records_c cimport rsx_record_t
from rsx.risk.accounts cimport ledger_t

cdef int ledger_apply(ledger_t* ledger, const rsx_record_t* record, bint is_live) except -1 nogil
