/* Every rounding and every wide product of the exchange (specs/risk.md section 1).
 * Money, prices and quantities are int64; products go through 128 bits. */
#ifndef RSX_UNITS_H
#define RSX_UNITS_H
#include <stdint.h>

enum { RSX_PPM = 1000000 };

/* 0 and *out = a * b, or -1 when the product leaves 64 bits. */
static inline int rsx_multiply(int64_t a, int64_t b, int64_t *out) {
    return __builtin_mul_overflow(a, b, out) ? -1 : 0;
}

/* 0 and *out = a + b, or -1 when the sum leaves 64 bits. */
static inline int rsx_add(int64_t a, int64_t b, int64_t *out) {
    return __builtin_add_overflow(a, b, out) ? -1 : 0;
}

/* ceil(money * ppm / 10^6) for money >= 0, 0 <= ppm <= 10^6: a requirement, against the user. */
static inline int64_t rsx_requirement(int64_t money, uint32_t ppm) {
    int64_t whole = money / RSX_PPM, rest = money % RSX_PPM;
    return whole * ppm + (rest * ppm + RSX_PPM - 1) / RSX_PPM;
}

/* Fee of a fill: a charge is rounded up, a rebate (ppm < 0) toward zero; notional >= 0. */
static inline int64_t rsx_fee(int64_t notional, int32_t ppm) {
    int64_t whole = notional / RSX_PPM, rest = notional % RSX_PPM, rate = ppm;
    if (rate >= 0) return whole * rate + (rest * rate + RSX_PPM - 1) / RSX_PPM;
    return -(whole * -rate + (rest * -rate) / RSX_PPM);
}

/* What stays reserved when an order shrinks from `before` to `after`:
 * ceil(reserved * after / before); reserved >= 0, 0 <= after <= before, before > 0. */
static inline int64_t rsx_keep(int64_t reserved, int64_t after, int64_t before) {
    if (reserved == 0 || after == 0) return 0;
    unsigned __int128 product = (unsigned __int128)(uint64_t)reserved * (uint64_t)after;
    return (int64_t)((product + (uint64_t)before - 1) / (uint64_t)before);
}

/* floor(cost * part / whole): the cost of the closed part of a position; 0 < part <= whole. */
static inline int64_t rsx_share(int64_t cost, int64_t part, int64_t whole) {
    if (part == whole) return cost;
    return (int64_t)((unsigned __int128)(uint64_t)cost * (uint64_t)part / (uint64_t)whole);
}

/* px / tick for px >= 0, tick > 0: the level of a price; off tick when level * tick != px. */
static inline int64_t rsx_level(int64_t px, int64_t tick) {
    return (int64_t)((uint64_t)px / (uint64_t)tick);
}

/* Whether a * b (both >= 0) is at most limit; never overflows. */
static inline int rsx_product_within(int64_t a, int64_t b, int64_t limit) {
    return (__int128)a * b <= limit;
}
#endif
