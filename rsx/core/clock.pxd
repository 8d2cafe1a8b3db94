from libc.stdint cimport uint64_t

cdef class Clock:
    cdef uint64_t manual_ns
    cdef uint64_t last_ns
    cdef readonly bint is_manual
    cdef readonly bint is_simulated
    cdef uint64_t mono_ns

    cdef uint64_t now(self) noexcept nogil
    cdef uint64_t mono(self) noexcept nogil

cdef uint64_t monotonic_ns() noexcept nogil
