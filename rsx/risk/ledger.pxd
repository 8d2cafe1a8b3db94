from rsx.risk.accounts cimport ledger_t


cdef class Ledger:
    cdef ledger_t ledger
    cdef readonly tuple symbols
