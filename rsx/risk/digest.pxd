"""Digest of a slice of one ledger. What is in it: specs/replica.md RP-2, RP-4."""

from libc.stdint cimport uint16_t, uint32_t, uint64_t

from rsx.risk.accounts cimport ledger_t

cdef uint16_t ledger_digest_form(const ledger_t* ledger) noexcept nogil
cdef uint64_t ledger_digest(ledger_t* ledger, uint32_t part, uint16_t form) except? 0 nogil
