"""A symbol's rules as the engine holds them. Filled in by rules.pyx and live_rules.pyx."""

from libc.stdint cimport int32_t, int64_t, uint32_t

from rsx.records_c cimport rsx_record_t
from rsx.units cimport rsx_divisor_t

cdef enum:
    TICK_ROWS = 5
    RULE_RECORDS = 4        # SYMBOL_CONFIG, _LIMITS, _RISK, _BRACKETS (specs/symbols.md SY-1)

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
    int32_t liquidation_fee_ppm
    uint32_t price_band_ppm  # 0 = off
    uint32_t version        # of the newest records that applied; before any: the configuration's
    uint32_t is_logged      # whether there were such records

# Records of one set of rules that have come; they apply when the last one has.
cdef struct staged_t:
    rsx_record_t records[RULE_RECORDS]
    uint32_t used
