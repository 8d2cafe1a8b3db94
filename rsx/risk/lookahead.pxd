from rsx.records_c cimport rsx_record_t
from rsx.risk.accounts cimport ledger_t

cdef enum:
    LOOK_FAR = 6            # records ahead
    LOOK_NEAR = 4
    LOOK_NEXT = 2

cdef enum:
    # A fold has many more records at hand, and reads nothing but them.
    LEDGER_FAR = 12
    LEDGER_NEAR = 10
    LEDGER_NEXT = 8
    LEDGER_SECOND = 6         # the account's second position, where the first is of another market
    LEDGER_THIRD = 4

cdef void ledger_prefetch_position(ledger_t* ledger, const rsx_record_t* record,
                                   int steps) noexcept nogil
cdef void ledger_prefetch(ledger_t* ledger, const rsx_record_t* record) noexcept nogil
cdef void ledger_prefetch_row(ledger_t* ledger, const rsx_record_t* record) noexcept nogil
cdef void ledger_prefetch_held(ledger_t* ledger, const rsx_record_t* record) noexcept nogil
