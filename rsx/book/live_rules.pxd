"""Rules of a market that change while it trades. See live_rules.pyx."""

from libc.stdint cimport uint16_t, uint64_t

from rsx.book.matching cimport engine_t
from rsx.core.ring cimport ring_t
from rsx.records_c cimport (
    RSX_SYMBOL_BRACKETS, RSX_SYMBOL_CONFIG, RSX_SYMBOL_LIMITS, RSX_SYMBOL_RISK, rsx_record_t,
)

cdef int change_rules(engine_t* engine, const rsx_record_t* record, uint64_t ts_ns,
                      ring_t* out) except -1 nogil
cdef int fold_rules(engine_t* engine, const rsx_record_t* record) except -1 nogil


cdef inline bint is_rule_record(uint16_t type) noexcept nogil:
    """Whether it is one of the four that hold a market's rules (SY-1)."""
    return (type == RSX_SYMBOL_CONFIG or type == RSX_SYMBOL_LIMITS or type == RSX_SYMBOL_RISK
            or type == RSX_SYMBOL_BRACKETS)
