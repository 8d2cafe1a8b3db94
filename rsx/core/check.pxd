from libc.stdint cimport int64_t

cdef int fail(int number, int64_t first, int64_t second) except -1 nogil
