"""A symbol's rules in the engine: tick table, limits, modes, price band. See rules.pyx."""

from libc.stdint cimport int64_t, uint8_t, uint16_t, uint64_t

from rsx.book.book cimport best_px
from rsx.book.limits cimport rules_t, tick_row_t
from rsx.book.matching cimport engine_t
from rsx.records_c cimport *
from rsx.units cimport rsx_product_within, rsx_steps

cdef int rules_init(rules_t* rules, object symbol) except -1
cdef void rules_divide(rules_t* rules) noexcept nogil
cdef uint16_t broken_rule(const engine_t* engine, const rsx_order_new_t* order,
                          uint64_t ts_ns) noexcept nogil
cdef uint16_t wrong_value(const rules_t* rules, int64_t px, int64_t qty) noexcept nogil
cdef uint16_t closed_mode(const engine_t* engine, uint8_t flags) noexcept nogil
cdef bint is_beyond_band(const engine_t* engine, uint8_t side, uint8_t kind, uint8_t flags,
                         int64_t px) noexcept nogil
cdef int64_t px_beside_best(const engine_t* engine, uint8_t side, int64_t qty) noexcept nogil


cdef inline const tick_row_t* tick_row(const rules_t* rules, int64_t px) noexcept nogil:
    """The row of the tick table that a price falls in (PX-1)."""
    cdef uint32_t at = rules.rows_used - 1
    while at and px < rules.rows[at].from_px:
        at -= 1
    return &rules.rows[at]


cdef inline bint is_on_tick(const rules_t* rules, int64_t px) noexcept nogil:
    """Whether 0 <= px <= px_max is a multiple of the tick of its row (PX-1)."""
    cdef const tick_row_t* row = tick_row(rules, px)
    return rsx_steps(px, row.steps) * row.tick == px


cdef inline bint is_right_qty(const rules_t* rules, int64_t qty) noexcept nogil:
    """Whether a quantity is positive, on lot and within the limit (M-2)."""
    if qty <= 0 or qty > rules.qty_max:
        return False
    return rsx_steps(qty, rules.lot_steps) * rules.lot == qty


cdef inline bint is_right_px(const rules_t* rules, int64_t px) noexcept nogil:
    """Whether a price is positive, on tick and within the limit (M-2)."""
    return 0 < px <= rules.px_max and is_on_tick(rules, px)


cdef inline bint is_fired_kind(uint8_t kind) noexcept nogil:
    """Whether an order of this kind was a trigger (TR-6)."""
    return RSX_STOP_MARKET <= kind <= RSX_TRAILING_STOP


cdef inline bint is_market_kind(uint8_t kind) noexcept nogil:
    """Whether an order of this kind has a protection price instead of a limit (M-2)."""
    return (kind == RSX_MARKET or kind == RSX_STOP_MARKET or kind == RSX_TAKE_PROFIT_MARKET
            or kind == RSX_TRAILING_STOP)


cdef inline bint is_too_small(const rules_t* rules, uint8_t flags, int64_t px,
                              int64_t qty) noexcept nogil:
    """PX-4: whether px x qty is below the minimum notional; a reduce-only order never is."""
    if rules.notional_min == 0 or flags & RSX_REDUCE_ONLY:
        return False
    return rsx_product_within(px, qty, rules.notional_min - 1)


cdef inline int64_t mark_of(const engine_t* engine) noexcept nogil:
    """PX-2."""
    return engine.mark_px if engine.mark_px else engine.last_px


cdef inline void take_mark(engine_t* engine, const rsx_mark_price_t* event) noexcept nogil:
    """A new mark, live and folded; a stale one moves nothing (PX-2)."""
    if event.state == RSX_MARK_LIVE:
        engine.mark_px = event.mark_px
        engine.mark_moved = 1


cdef inline bint crosses(const engine_t* engine, uint8_t side, int64_t px) noexcept nogil:
    """Whether an order of this side at this price meets the best opposite one."""
    cdef int64_t best = best_px(&engine.book, 1 - side)
    if best == 0:
        return False
    return px >= best if side == RSX_BUY else px <= best


cdef inline uint16_t wrong_mode(const engine_t* engine, uint8_t flags) noexcept nogil:
    """MO-2 for a new order: 0 or the reason."""
    return RSX_R_NONE if engine.mode == RSX_MODE_OPEN else closed_mode(engine, flags)


cdef inline bint is_outside_band(const engine_t* engine, uint8_t side, uint8_t kind,
                                 uint8_t flags, int64_t px) noexcept nogil:
    """PX-3."""
    return engine.rules.price_band_ppm != 0 and is_beyond_band(engine, side, kind, flags, px)
