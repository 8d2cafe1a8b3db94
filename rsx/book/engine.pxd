from libc.stdint cimport int64_t, uint32_t, uint64_t

from rsx.book.matching cimport engine_t


cdef class Engine:
    cdef engine_t engine
    cdef readonly object symbol
    cdef readonly int symbol_id
    cdef bytes offered      # a request that the ring had no room for, after due expiries

    cpdef int enter(self, uint64_t oid, int side, int64_t px, int64_t qty,
                    uint32_t user_id=*) except -1
    cpdef bint shrink(self, uint64_t oid, int64_t qty) noexcept
