from libc.stdint cimport uint64_t

cdef extern from "rsx/core/memory.h" nogil:
    enum:
        RSX_PAGES_SMALL
        RSX_PAGES_HUGE
    void* rsx_map(size_t size, int pages) noexcept
    void rsx_unmap(void* at, size_t size) noexcept
    void rsx_prefetch(const void* at) noexcept
    int rsx_lowest_bit(uint64_t word) noexcept
    int rsx_highest_bit(uint64_t word) noexcept
