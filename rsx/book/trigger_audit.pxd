from libc.stdint cimport uint64_t

from rsx.book.triggers cimport triggers_t

cdef uint64_t triggers_hash(triggers_t* book) noexcept nogil
cdef int triggers_audit(triggers_t* book) except -1
