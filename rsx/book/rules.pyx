# cython: boundscheck=False
"""A symbol's rules: what an order may say, and where its price may lie.

Reads the engine, changes nothing. Source: specs/matching.md section 3, M-2, M-2b, M-5.
"""

from libc.stdint cimport int64_t, uint8_t, uint16_t, uint32_t, uint64_t

from rsx.book.book cimport best_px
from rsx.book.limits cimport TICK_ROWS, rules_t, tick_row_t
from rsx.book.matching cimport engine_t, user_t
from rsx.book.orders cimport reducible
from rsx.core.idmap cimport idmap_get
from rsx.records_c cimport *
from rsx.units cimport rsx_divisor, rsx_product_above, rsx_product_within

cdef uint64_t NS_PER_S = 1_000_000_000
cdef int64_t PPM = 1_000_000
cdef int64_t NOTIONAL_LIMIT = <int64_t>1 << 60  # what any notional_max may be (specs/risk.md U-3)


cdef int rules_init(rules_t* rules, object symbol) except -1:
    """Take the rules of a rsx.config.SymbolConfig. Raises ValueError for too long a tick table."""
    rows = [(0, symbol.tick), *symbol.tick_table]
    if len(rows) > TICK_ROWS:
        raise ValueError(f"a tick table of {len(rows)} rows; at most {TICK_ROWS} are possible")
    rules.symbol_id = symbol.id
    rules.rows_used = <uint32_t>len(rows)
    for at, (from_px, tick) in enumerate(rows):
        if tick < 1:
            raise ValueError(f"tick {tick} from {from_px} on: must be positive")
        rules.rows[at].from_px = from_px
        rules.rows[at].tick = tick
    rules.lot = symbol.lot
    rules.px_max = symbol.px_max
    rules.qty_max = symbol.qty_max
    rules.notional_max = symbol.notional_max
    rules.notional_min = symbol.notional_min
    rules.maker_fee_ppm = symbol.maker_fee_ppm
    rules.taker_fee_ppm = symbol.taker_fee_ppm
    rules.liquidation_fee_ppm = symbol.liquidation_fee_ppm
    rules.price_band_ppm = symbol.price_band_ppm
    rules.version = symbol.version
    rules_divide(rules)
    return 0


cdef void rules_divide(rules_t* rules) noexcept nogil:
    """Make ready to divide by ticks and lot, which are positive."""
    cdef uint32_t at
    for at in range(rules.rows_used):
        rules.rows[at].steps = rsx_divisor(rules.rows[at].tick, rules.px_max)
    rules.lot_steps = rsx_divisor(rules.lot, rules.qty_max)


cdef uint16_t wrong_value(const rules_t* rules, int64_t px, int64_t qty) noexcept nogil:
    """M-2 for price and quantity, together: 0 or 3008."""
    if not is_right_px(rules, px) or not is_right_qty(rules, qty):
        return RSX_R_ORDER_INVALID
    if not rsx_product_within(px, qty, rules.notional_max):
        return RSX_R_ORDER_INVALID
    return RSX_R_NONE


cdef bint is_wrong_special(const engine_t* engine, const rsx_order_new_t* order) noexcept nogil:
    """M-2 for price and quantity of an order that was a trigger, which was checked when that was
    placed (SY-5); LO-1 for a liquidation order."""
    cdef const rules_t* rules = &engine.rules
    cdef const user_t* user
    if order.qty <= 0 or order.px <= 0:
        return True
    if order.kind != RSX_LIQUIDATION:
        if not is_market_kind(order.kind):
            return not rsx_product_within(order.px, order.qty, NOTIONAL_LIMIT)
        return (not is_right_px(rules, order.px)
                or not rsx_product_within(order.px, order.qty, rules.notional_max))
    if order.tif != RSX_IOC or order.cid_len or order.flags & <uint8_t>~RSX_HEDGE != (
            RSX_REDUCE_ONLY):
        return True
    if not is_right_px(rules, order.px) or order.qty > rules.qty_max:
        return True
    if not rsx_product_within(order.px, order.qty, rules.notional_max):
        return True
    user = &engine.users[idmap_get(&engine.user_slots, order.user_id)]
    return not is_right_qty(rules, order.qty) and order.qty < reducible(user, order.side)


cdef inline bint is_contradictory(const rsx_order_new_t* order) noexcept nogil:
    """Whether kind, tif, flags and expiry do not go together, each being known (M-2)."""
    if is_market_kind(order.kind):
        if order.tif != RSX_IOC and order.tif != RSX_FOK or order.flags & RSX_POST_ONLY:
            return True
    if order.flags & RSX_POST_ONLY:
        if order.tif == RSX_IOC or order.tif == RSX_FOK:
            return True
    elif order.flags & RSX_REPRICE:
        return True
    if order.flags & RSX_LAST_PRICE and order.kind < RSX_STOP_MARKET:
        return True
    return (order.expire_s != 0) != (order.tif == RSX_GTD)


cdef uint16_t broken_rule(const engine_t* engine, const rsx_order_new_t* order,
                          uint64_t ts_ns) noexcept nogil:
    """M-2, PX-4: 0 when the order keeps the symbol's rules, else the reason."""
    cdef const rules_t* rules = &engine.rules
    if order.symbol_id != rules.symbol_id or order.user_id == 0 or order.oid == 0:
        return RSX_R_ORDER_INVALID
    if order.side > RSX_SELL or order.tif > RSX_GTD or order.cid_len > 36:
        return RSX_R_ORDER_INVALID
    if order.kind > RSX_LIQUIDATION or order.stp > RSX_STP_BOTH or order.reserved < 0:
        return RSX_R_ORDER_INVALID
    if order.flags & <uint8_t>~(RSX_POST_ONLY | RSX_REDUCE_ONLY | RSX_REPRICE
                                | RSX_ON_DISCONNECT | RSX_LAST_PRICE | RSX_HEDGE):
        return RSX_R_ORDER_INVALID
    if is_contradictory(order):
        return RSX_R_ORDER_INVALID
    if order.kind >= RSX_STOP_MARKET:
        if is_wrong_special(engine, order):
            return RSX_R_ORDER_INVALID
    elif wrong_value(rules, order.px, order.qty):
        return RSX_R_ORDER_INVALID
    if order.tif == RSX_GTD and order.expire_s * NS_PER_S <= ts_ns:
        return RSX_R_EXPIRY_PASSED
    if is_too_small(rules, order.flags, order.px, order.qty):
        return RSX_R_NOTIONAL_TOO_SMALL
    return RSX_R_NONE


cdef uint16_t closed_mode(const engine_t* engine, uint8_t flags) noexcept nogil:
    """MO-2 for a new order in a mode but open: 0 or the reason."""
    if engine.mode == RSX_MODE_HALT:
        return RSX_R_HALTED
    if engine.mode == RSX_MODE_CANCEL_ONLY:
        return RSX_R_CANCEL_ONLY
    return RSX_R_NONE if flags & RSX_POST_ONLY else RSX_R_POST_ONLY_MODE


cdef bint is_beyond_band(const engine_t* engine, uint8_t side, uint8_t kind, uint8_t flags,
                         int64_t px) noexcept nogil:
    """PX-3 where there is a band. px > floor(x) is px > x for whole px, so nothing is divided."""
    cdef int64_t band = engine.rules.price_band_ppm
    if flags & RSX_REDUCE_ONLY or is_market_kind(kind):
        return False
    if side == RSX_BUY:
        return rsx_product_above(px, PPM, mark_of(engine), PPM + band)
    return rsx_product_above(mark_of(engine), PPM - band, px, PPM)


cdef int64_t px_beside_best(const engine_t* engine, uint8_t side, int64_t qty) noexcept nogil:
    """M-5, REPRICE: the next price on tick before the best opposite one, which there is and may
    be off tick itself (SY-5); 0 = no such price."""
    cdef const rules_t* rules = &engine.rules
    cdef int64_t best = best_px(&engine.book, 1 - side)
    cdef int64_t px
    cdef const tick_row_t* row
    if side == RSX_BUY:
        row = tick_row(rules, best - 1)
        px = rsx_steps(best - 1, row.steps) * row.tick
    else:
        row = tick_row(rules, best)
        px = (rsx_steps(best, row.steps) + 1) * row.tick
    if px <= 0 or px > rules.px_max or not rsx_product_within(px, qty, rules.notional_max):
        return 0
    return px
