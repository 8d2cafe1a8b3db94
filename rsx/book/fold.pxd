from libc.stdint cimport uint64_t

from rsx.book.matching cimport engine_t
from rsx.records_c cimport rsx_record_t

cdef int engine_apply(engine_t* engine, const rsx_record_t* record) except -1 nogil
cdef uint64_t engine_hash(const engine_t* engine) noexcept nogil
cdef uint64_t engine_hash_of(const engine_t* engine, uint64_t state) noexcept nogil
cdef int engine_audit(engine_t* engine) except -1
