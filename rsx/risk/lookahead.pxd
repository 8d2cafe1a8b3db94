from rsx.records_c cimport rsx_record_t
from rsx.risk.accounts cimport ledger_t

cdef enum:
    LOOK_FAR = 6            # records ahead
    LOOK_NEAR = 4
    LOOK_NEXT = 2

cdef void ledger_prefetch(ledger_t* ledger, const rsx_record_t* record) noexcept nogil
cdef void ledger_prefetch_row(ledger_t* ledger, const rsx_record_t* record) noexcept nogil
cdef void ledger_prefetch_held(ledger_t* ledger, const rsx_record_t* record) noexcept nogil
