"""A symbol's rules as the engine holds them. Filled in by rules.pyx."""

from libc.stdint cimport int32_t, int64_t, uint32_t

from rsx.units cimport rsx_divisor_t

cdef enum:
    TICK_ROWS = 5

# Row of the tick table (PX-1): `tick` holds from this price on.
cdef struct tick_row_t:
    int64_t from_px
    int64_t tick
    rsx_divisor_t steps

cdef struct rules_t:
    uint32_t symbol_id
    uint32_t rows_used
    tick_row_t rows[TICK_ROWS]
    int64_t lot
    int64_t px_max
    int64_t qty_max
    int64_t notional_max
    int64_t notional_min    # 0 = off
    rsx_divisor_t lot_steps
    int32_t maker_fee_ppm
    int32_t taker_fee_ppm
    uint32_t price_band_ppm  # 0 = off
