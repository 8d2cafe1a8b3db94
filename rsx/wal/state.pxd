"""Everything the log says. See state.pyx."""

from libc.stdint cimport uint8_t, uint32_t, uint64_t

from rsx.records_c cimport rsx_record_t
from rsx.risk.ledger cimport Ledger
from rsx.wal.digests cimport Digests

cdef enum:
    # Kept for queries after a start; powers of two.
    RECENT_FILLS = 16384
    RECENT_EVENTS = 65536   # of funding, liquidation and transfers


cdef class State:
    cdef readonly dict engines
    cdef readonly Ledger ledger
    cdef readonly Digests digests
    cdef readonly uint64_t next_seq
    cdef readonly uint64_t ledger_seq   # due next in the second half of `apply`
    cdef readonly uint32_t epoch
    cdef readonly uint64_t exchange_id
    cdef readonly int money_decimals
    cdef readonly uint64_t oid_max
    cdef readonly uint64_t own_oid_max
    cdef readonly dict rules
    cdef readonly set seeded
    cdef dict rules_coming      # {symbol id: views of a set that is not whole}
    cdef readonly dict cuts
    cdef readonly dict settings
    cdef Py_ssize_t cuts_limit
    cdef bint has_cuts
    cdef bint is_noted          # the record folded last is one that Python has to look at
    cdef bytearray fills
    cdef uint8_t* fills_at
    cdef uint64_t fill_count
    cdef bytearray events
    cdef uint8_t* events_at
    cdef uint64_t event_count
    cdef object on_config
    cdef void* by_symbol[65536]

    cdef uint64_t _fold_engines(self, const rsx_record_t* records, uint64_t at,
                                uint64_t count) except 0 nogil
    cdef void _look_ahead(self, const rsx_record_t* record) noexcept nogil
    cdef int _fold_engine(self, const rsx_record_t* record) except -1 nogil
    cdef int _fold_ledger(self, const rsx_record_t* record) except -1 nogil
    cdef bint _needs_note(self, const rsx_record_t* record) noexcept nogil
    cdef int _note(self, const rsx_record_t* record, data, uint64_t at) except -1
    cdef void _use_up(self, uint64_t oid) noexcept nogil
