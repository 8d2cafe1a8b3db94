"""What must hold over a whole ledger, and one number that stands for all of it."""

from libc.stdint cimport uint8_t, uint64_t

from rsx.risk.accounts cimport ledger_t

# How far ledger_hash_step has come.
cdef struct ledger_sum_t:
    uint64_t total
    uint64_t order          # rows done
    uint64_t account

cdef int ledger_audit(ledger_t* ledger) except -1
cdef uint64_t ledger_hash(ledger_t* ledger) except? 0 nogil
cdef uint64_t ledger_hash_of(ledger_t* ledger, bint by_id,
                             const uint8_t* left_out) except? 0 nogil
cdef bint ledger_hash_step(const ledger_t* ledger, bint by_id, const uint8_t* left_out,
                           ledger_sum_t* sum, uint64_t budget) noexcept nogil
