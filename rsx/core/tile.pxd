from libc.stdint cimport uint64_t

from rsx.core.ring cimport Doorbell


cdef enum:
    # A tile that stands before a full ring comes back after this: consumers wake nobody.
    RETRY_NS = 200_000


cdef class Tile:
    cdef readonly str name
    cdef readonly list inputs
    cdef uint64_t due_ns        # monotonic time of the next timed duty; 0 = none

    cdef int do_work(self) except -1 nogil


cdef class Idle:
    cdef readonly str strategy
    cdef readonly uint64_t spin_ns
    cdef readonly uint64_t yield_ns


cdef class Runner:
    cdef readonly str name
    cdef readonly list tiles
    cdef readonly Idle idle
    cdef readonly Doorbell doorbell
    cdef readonly object failure
    cdef object thread
    cdef object on_failure
    cdef object cpus
    cdef void* entries[64]
    cdef int count
    cdef int stopping
    cdef uint64_t passes
    cdef uint64_t sleeps

    cdef int run_pass(self) except -1 nogil
    cdef int loop(self) except -1 nogil
    cdef int rest(self, uint64_t* idle_since) except -1 nogil
