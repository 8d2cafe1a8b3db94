from libc.stdint cimport uint32_t

from rsx.risk.accounts cimport ledger_t


cdef class Ledger:
    cdef ledger_t ledger
    cdef readonly tuple symbols

    cdef int index_of(self, uint32_t symbol_id) except -1
