"""Rules of a market, folded: four records with one version. SY-4, SY-7, INV-25."""

from rsx.records_c cimport rsx_record_t
from rsx.risk.accounts cimport ledger_t

cdef int apply_rules(ledger_t* ledger, const rsx_record_t* record, int index) except -1 nogil
cdef void forget_rules(ledger_t* ledger) noexcept nogil
