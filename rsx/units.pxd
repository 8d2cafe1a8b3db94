from libc.stdint cimport int32_t, int64_t, uint32_t, uint64_t

cdef extern from "rsx/units.h" nogil:
    enum:
        RSX_PPM
    int rsx_multiply(int64_t a, int64_t b, int64_t* out) noexcept
    int rsx_add(int64_t a, int64_t b, int64_t* out) noexcept
    int64_t rsx_requirement(int64_t money, uint32_t ppm) noexcept
    int64_t rsx_part(int64_t px, uint32_t ppm) noexcept
    int64_t rsx_part_rest(int64_t px, uint32_t ppm) noexcept
    int64_t rsx_step_down(int64_t px, int64_t step) noexcept
    int64_t rsx_step_up(int64_t px, int64_t step) noexcept
    int64_t rsx_fee(int64_t notional, int32_t ppm) noexcept
    int64_t rsx_keep(int64_t reserved, int64_t after, int64_t before) noexcept
    int64_t rsx_share(int64_t cost, int64_t part, int64_t whole) noexcept
    int64_t rsx_trunc_div(int64_t a, int64_t by) noexcept
    int64_t rsx_floor_div(int64_t a, int64_t by) noexcept
    int64_t rsx_ceil_div(int64_t a, int64_t by) noexcept
    int64_t rsx_floor_share(int64_t value, int64_t part, int64_t whole) noexcept
    int64_t rsx_scale_up(int64_t money, uint32_t ppm) noexcept
    int64_t rsx_bracketed(int64_t money, uint32_t ppm, int64_t less, int64_t rest) noexcept
    uint64_t rsx_minute(uint64_t ns) noexcept
    uint64_t rsx_interval(uint64_t ns, uint64_t seconds) noexcept
    int64_t rsx_premium(int64_t mark, int64_t index) noexcept
    int64_t rsx_funding(int64_t notional, int64_t ppb, bint up) noexcept
    void rsx_sum(int64_t* high, uint64_t* low, int64_t value, uint32_t times) noexcept
    int64_t rsx_average(int64_t high, uint64_t low, uint32_t count) noexcept
    bint rsx_product_within(int64_t a, int64_t b, int64_t limit) noexcept
    bint rsx_product_above(int64_t a, int64_t b, int64_t c, int64_t d) noexcept
    ctypedef struct rsx_divisor_t:
        pass
    rsx_divisor_t rsx_divisor(int64_t by, int64_t value_max) noexcept
    int64_t rsx_steps(int64_t value, rsx_divisor_t divisor) noexcept
    int64_t rsx_scale(int64_t a, int64_t b, int64_t by) noexcept
