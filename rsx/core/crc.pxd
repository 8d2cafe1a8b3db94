from libc.stdint cimport uint32_t

cdef extern from "rsx/core/crc32c.h" nogil:
    int rsx_crc_hardware
    uint32_t rsx_crc_record(const void* record) noexcept
    uint32_t rsx_crc_record_soft(const unsigned char* record) noexcept
    void rsx_crc_init() noexcept
