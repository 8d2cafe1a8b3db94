"""Digest of a slice of one engine. What is in it: specs/replica.md RP-2, RP-3."""

from libc.stdint cimport uint16_t, uint32_t, uint64_t

from rsx.book.matching cimport engine_t
from rsx.core.ring cimport ring_t
from rsx.records_c cimport rsx_record_t

cdef enum:
    DIGEST_FORM = 1             # low byte of `form`; the high one: bits of the slices' numbers


cdef inline bint digest_is_known(uint16_t form) noexcept nogil:
    """Whether a digest of this form can be taken here."""
    return form & 0xFF == DIGEST_FORM and form >> 8 <= 24


cdef uint16_t engine_digest_form(const engine_t* engine) noexcept nogil
cdef uint64_t engine_digest(const engine_t* engine, uint32_t part, uint16_t form) noexcept nogil
cdef int log_digest(engine_t* engine, const rsx_record_t* request, uint64_t ts_ns,
                    ring_t* out) except -1 nogil
