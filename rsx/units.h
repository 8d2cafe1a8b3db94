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

/* floor(px * ppm / 10^6) for px >= 0, 0 <= ppm <= 10^6: at most px. */
static inline int64_t rsx_part(int64_t px, uint32_t ppm) {
    int64_t whole = px / RSX_PPM, rest = px % RSX_PPM;
    return whole * ppm + rest * ppm / RSX_PPM;
}

/* What rsx_part leaves out, in millionths. */
static inline int64_t rsx_part_rest(int64_t px, uint32_t ppm) {
    return px % RSX_PPM * ppm % RSX_PPM;
}

/* px >= 0 to a multiple of step > 0, down or up; up needs room for one step above px. */
static inline int64_t rsx_step_down(int64_t px, int64_t step) { return px - px % step; }
static inline int64_t rsx_step_up(int64_t px, int64_t step) {
    return rsx_step_down(px + step - 1, step);
}

/* Fee of a fill: a charge is rounded up, a rebate (ppm < 0) toward zero; notional >= 0. */
static inline int64_t rsx_fee(int64_t notional, int32_t ppm) {
    int64_t whole = notional / RSX_PPM, rest = notional % RSX_PPM, rate = ppm;
    if (rate >= 0) return whole * rate + (rest * rate + RSX_PPM - 1) / RSX_PPM;
    return -(whole * -rate + (rest * -rate) / RSX_PPM);
}

/* high:low / by, where the quotient is known to fit into 64 bits. */
static inline uint64_t rsx_divide_wide(unsigned __int128 value, uint64_t by) {
#if defined(__x86_64__) && defined(__GNUC__)
    uint64_t quotient, rest;
    __asm__("divq %4"
            : "=a"(quotient), "=d"(rest)
            : "0"((uint64_t)value), "1"((uint64_t)(value >> 64)), "r"(by)
            : "cc");
    return quotient;
#else
    return (uint64_t)(value / by);
#endif
}

/* What stays reserved when an order shrinks from `before` to `after`:
 * ceil(reserved * after / before); reserved >= 0, 0 <= after <= before, before > 0. */
static inline int64_t rsx_keep(int64_t reserved, int64_t after, int64_t before) {
    if (reserved == 0 || after == 0) return 0;
    unsigned __int128 product = (unsigned __int128)(uint64_t)reserved * (uint64_t)after;
    return (int64_t)rsx_divide_wide(product + (uint64_t)before - 1, (uint64_t)before);
}

/* floor(cost * part / whole): the cost of the closed part of a position; 0 < part <= whole. */
static inline int64_t rsx_share(int64_t cost, int64_t part, int64_t whole) {
    if (part == whole) return cost;
    return (int64_t)rsx_divide_wide((unsigned __int128)(uint64_t)cost * (uint64_t)part,
                                    (uint64_t)whole);
}

/* Whole minutes, and whole intervals of so many seconds (> 0), of Unix time. */
static inline uint64_t rsx_minute(uint64_t ns) { return ns / 60000000000; }
static inline uint64_t rsx_interval(uint64_t ns, uint64_t seconds) {
    return ns / 1000000000 / seconds;
}

/* trunc((mark - index) * 10^9 / index) for index > 0, held within -10^18 .. 10^18. */
static inline int64_t rsx_premium(int64_t mark, int64_t index) {
    __int128 ppb = ((__int128)mark - index) * 1000000000 / index, most = 1000000000000000000;
    return (int64_t)(ppb > most ? most : ppb < -most ? -most : ppb);
}

/* notional * ppb / 10^9 for notional >= 0, 0 <= ppb <= 10^9; what is paid is rounded up, what is
 * received down. */
static inline int64_t rsx_funding(int64_t notional, int64_t ppb, int up) {
    unsigned __int128 wide = (unsigned __int128)(uint64_t)notional * (uint64_t)ppb;
    return (int64_t)rsx_divide_wide(wide + (up ? 999999999 : 0), 1000000000);
}

/* Add value * times to the 128-bit sum high:low. */
static inline void rsx_sum(int64_t *high, uint64_t *low, int64_t value, uint32_t times) {
    unsigned __int128 sum = (unsigned __int128)(uint64_t)*high << 64 | *low;
    sum += (unsigned __int128)((__int128)value * times);
    *high = (int64_t)(uint64_t)(sum >> 64);
    *low = (uint64_t)sum;
}

/* trunc(high:low / count): an average of 64-bit values, which fits into 64 bits; count > 0. */
static inline int64_t rsx_average(int64_t high, uint64_t low, uint32_t count) {
    unsigned __int128 sum = (unsigned __int128)(uint64_t)high << 64 | low;
    return (int64_t)((__int128)sum / count);
}

/* A divisor that is used again and again. magic = floor(2^64 / by) + 1 gives the exact quotient
 * of every value <= value_max in one multiplication when value_max * by < 2^64; else it is 0. */
typedef struct {
    uint64_t by;
    uint64_t magic;
} rsx_divisor_t;

static inline rsx_divisor_t rsx_divisor(int64_t by, int64_t value_max) {
    rsx_divisor_t divisor = {(uint64_t)by, 0};
    if (by > 1 && (unsigned __int128)(uint64_t)value_max * (uint64_t)by >> 64 == 0)
        divisor.magic = UINT64_MAX / (uint64_t)by + 1;
    return divisor;
}

/* value / by for 0 <= value <= value_max; value is off its step when the product is not value. */
static inline int64_t rsx_steps(int64_t value, rsx_divisor_t divisor) {
    if (divisor.magic)
        return (int64_t)((unsigned __int128)(uint64_t)value * divisor.magic >> 64);
    return (int64_t)((uint64_t)value / divisor.by);
}

/* a / by for by > 0, rounded as named on negative numbers too (U-1). */
static inline int64_t rsx_trunc_div(int64_t a, int64_t by) { return a / by; }
static inline int64_t rsx_floor_div(int64_t a, int64_t by) { return a / by - (a % by < 0); }
static inline int64_t rsx_ceil_div(int64_t a, int64_t by) { return a / by + (a % by > 0); }

/* floor(value * part / whole), value of any sign; 0 <= part <= whole, whole > 0. */
static inline int64_t rsx_floor_share(int64_t value, int64_t part, int64_t whole) {
    if (value >= 0) return rsx_share(value, part, whole);
    return -rsx_keep(-value, part, whole);
}

/* ceil(money * ppm / 10^6) for money >= 0 and any ppm; INT64_MAX where it leaves 64 bits. */
static inline int64_t rsx_scale_up(int64_t money, uint32_t ppm) {
    __int128 scaled = ((__int128)money * ppm + RSX_PPM - 1) / RSX_PPM;
    return scaled > INT64_MAX ? INT64_MAX : (int64_t)scaled;
}

/* ceil(money * ppm / 10^6 - less - rest / 10^6) for 0 <= rest < 10^6, where `less` and `rest` are
 * what the rate charges too much on the lower parts of money (BR-1). */
static inline int64_t rsx_bracketed(int64_t money, uint32_t ppm, int64_t less, int64_t rest) {
    int64_t whole = money / RSX_PPM, part = money % RSX_PPM;
    return whole * ppm - less + (part * ppm - rest + RSX_PPM - 1) / RSX_PPM;
}

/* a * b / by toward zero, by > 0; at most what 64 bits hold either way. */
static inline int64_t rsx_scale(int64_t a, int64_t b, int64_t by) {
    __int128 scaled = (__int128)a * b / by;
    return scaled > INT64_MAX ? INT64_MAX : scaled < -INT64_MAX ? -INT64_MAX : (int64_t)scaled;
}

/* Whether a * b (both >= 0) is at most limit; never overflows. */
static inline int rsx_product_within(int64_t a, int64_t b, int64_t limit) {
    return (__int128)a * b <= limit;
}

/* Whether a * b > c * d; never overflows. */
static inline int rsx_product_above(int64_t a, int64_t b, int64_t c, int64_t d) {
    return (__int128)a * b > (__int128)c * d;
}
#endif
