/* Large zeroed arrays that cost memory only where they are touched. */
#ifndef RSX_MEMORY_H
#define RSX_MEMORY_H
#include <stddef.h>
#include <stdint.h>
#include <sys/mman.h>

enum { RSX_PAGES_SMALL = 0, RSX_PAGES_HUGE = 1 };

/* NULL when the address space is not to be had. Huge pages suit hash tables and slabs that fill
 * up; small ones sparse arrays, where one touched entry should cost 4 KiB and not 2 MiB. */
static inline void *rsx_map(size_t size, int pages) {
    int flags = MAP_PRIVATE | MAP_ANONYMOUS;
#ifdef MAP_NORESERVE
    flags |= MAP_NORESERVE;
#endif
    void *at = mmap(NULL, size, PROT_READ | PROT_WRITE, flags, -1, 0);
    if (at == MAP_FAILED) return NULL;
#ifdef MADV_HUGEPAGE
    madvise(at, size, pages == RSX_PAGES_HUGE ? MADV_HUGEPAGE : MADV_NOHUGEPAGE);
#endif
    return at;
}
static inline void rsx_unmap(void *at, size_t size) {
    if (at) munmap(at, size);
}
static inline void rsx_prefetch(const void *at) { __builtin_prefetch(at); }
static inline int rsx_lowest_bit(uint64_t word) { return __builtin_ctzll(word); }
static inline int rsx_highest_bit(uint64_t word) { return 63 - __builtin_clzll(word); }
#endif
