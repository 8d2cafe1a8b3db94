/* Atomics, fence and pause: for ring and doorbell only. Each use names its pair. */
#ifndef RSX_ATOMICS_H
#define RSX_ATOMICS_H
#include <stdint.h>
#include <stdlib.h>
#include <sched.h>
#include <sys/mman.h>
#include <time.h>

static inline uint64_t rsx_load_acquire(const uint64_t *at) {
    return __atomic_load_n(at, __ATOMIC_ACQUIRE);
}
static inline void rsx_store_release(uint64_t *at, uint64_t value) {
    __atomic_store_n(at, value, __ATOMIC_RELEASE);
}
static inline uint32_t rsx_load_flag(const uint32_t *at) {
    return __atomic_load_n(at, __ATOMIC_RELAXED);
}
static inline void rsx_store_flag(uint32_t *at, uint32_t value) {
    __atomic_store_n(at, value, __ATOMIC_RELAXED);
}
static inline uint32_t rsx_take_flag(uint32_t *at) {
    return __atomic_exchange_n(at, 0, __ATOMIC_ACQ_REL);
}
static inline void rsx_fence(void) { __atomic_thread_fence(__ATOMIC_SEQ_CST); }

static inline void rsx_pause(void) {
#if defined(__x86_64__)
    __builtin_ia32_pause();
#elif defined(__aarch64__)
    __asm__ __volatile__("yield");
#endif
}
static inline void rsx_yield(void) { sched_yield(); }

static inline uint64_t rsx_monotonic_ns(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000000ull + (uint64_t)t.tv_nsec;
}
static inline uint64_t rsx_wall_ns(void) {
    struct timespec t;
    clock_gettime(CLOCK_REALTIME, &t);
    return (uint64_t)t.tv_sec * 1000000000ull + (uint64_t)t.tv_nsec;
}
#endif
