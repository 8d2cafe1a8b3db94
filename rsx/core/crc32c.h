/* CRC-32C (Castagnoli), hardware where there is some, a table elsewhere.
 * Source: RFC 3720 section 12.1. Cross-checked with the crc32c package in tests. */
#ifndef RSX_CRC32C_H
#define RSX_CRC32C_H
#include <stddef.h>
#include <stdint.h>
#include <string.h>

static uint32_t rsx_crc_table[256];

static inline uint32_t rsx_crc_soft(uint32_t crc, const uint8_t *at, size_t size) {
    while (size--) crc = rsx_crc_table[(crc ^ *at++) & 0xff] ^ (crc >> 8);
    return crc;
}

#if defined(__x86_64__) && defined(__GNUC__)
static int rsx_crc_hardware;
/* The two halves of a record go through the 3-cycle crc32 instruction side by side; the halves
 * are joined by shifting the first one over 64 zero bytes with the table below. */
static uint32_t rsx_crc_shift64[4][256];

__attribute__((target("sse4.2"))) static inline uint32_t
rsx_crc_hard(uint32_t crc, const uint8_t *at, size_t size) {
    uint64_t word, state = crc;
    for (; size >= 8; size -= 8, at += 8) {
        memcpy(&word, at, 8);
        state = __builtin_ia32_crc32di(state, word);
    }
    while (size--) state = __builtin_ia32_crc32qi((uint32_t)state, *at++);
    return (uint32_t)state;
}

/* Checksum of a record: bytes 0-7, four zero bytes in place of the checksum, bytes 12-127. */
__attribute__((target("sse4.2"))) static inline uint32_t rsx_crc_record_hard(const uint8_t *at) {
    uint64_t a = 0xffffffffu, b = 0, word, other;
    memcpy(&word, at, 8);
    a = __builtin_ia32_crc32di(a, word);
    memcpy(&word, at + 8, 8);
    a = __builtin_ia32_crc32di(a, word & 0xffffffff00000000ull);
    for (int i = 2; i < 8; i++) {
        memcpy(&word, at + 8 * i, 8);
        memcpy(&other, at + 48 + 8 * i, 8);
        a = __builtin_ia32_crc32di(a, word);
        b = __builtin_ia32_crc32di(b, other);
    }
    for (int i = 8; i < 10; i++) {
        memcpy(&other, at + 48 + 8 * i, 8);
        b = __builtin_ia32_crc32di(b, other);
    }
    uint32_t c = (uint32_t)a;
    return rsx_crc_shift64[0][c & 0xff] ^ rsx_crc_shift64[1][(c >> 8) & 0xff] ^
           rsx_crc_shift64[2][(c >> 16) & 0xff] ^ rsx_crc_shift64[3][c >> 24] ^ (uint32_t)b ^
           0xffffffffu;
}
#else
enum { rsx_crc_hardware = 0 };
#endif

static inline uint32_t rsx_crc_record_soft(const uint8_t *at) {
    static const uint8_t zero[4] = {0};
    uint32_t crc = rsx_crc_soft(0xffffffffu, at, 8);
    crc = rsx_crc_soft(crc, zero, 4);
    return rsx_crc_soft(crc, at + 12, 116) ^ 0xffffffffu;
}

static inline uint32_t rsx_crc_record(const void *record) {
#if defined(__x86_64__) && defined(__GNUC__)
    if (rsx_crc_hardware) return rsx_crc_record_hard((const uint8_t *)record);
#endif
    return rsx_crc_record_soft((const uint8_t *)record);
}

/* Each module that uses the checksum calls this once at import. */
static void rsx_crc_init(void) {
    for (uint32_t i = 0; i < 256; i++) {
        uint32_t crc = i;
        for (int bit = 0; bit < 8; bit++) crc = (crc >> 1) ^ (0x82f63b78u & (0u - (crc & 1)));
        rsx_crc_table[i] = crc;
    }
#if defined(__x86_64__) && defined(__GNUC__)
    static const uint8_t zero[64] = {0};
    __builtin_cpu_init();
    rsx_crc_hardware = __builtin_cpu_supports("sse4.2");
    for (int byte = 0; byte < 4; byte++)
        for (uint32_t i = 0; i < 256; i++)
            rsx_crc_shift64[byte][i] = rsx_crc_soft(i << (8 * byte), zero, 64);
#endif
}
#endif
