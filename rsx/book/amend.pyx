# cython: boundscheck=False
"""Amendments: a resting order gets another price or quantity, in place or as a taker anew.

An amendment that is refused, keeps the order's place, ends it or lets it rest anew is finished
here; else the order is in hand and the caller matches it. Source: specs/matching.md section 8.
"""

from libc.stdint cimport int64_t, uint16_t, uint32_t, uint64_t

from rsx.book.book cimport NONE, best_px, book_find, order_px, order_t
from rsx.book.conditional cimport conditional_find
from rsx.book.events cimport (
    emit, emit_cancelled, emit_reduced, emit_released, finish, known_flags, known_side,
)
from rsx.book.matching cimport DONE, engine_t, taker_t
from rsx.book.orders cimport (
    cut_taker, drop_resting, keep_amended, lift_resting, reducible, rest_taker,
)
from rsx.book.rules cimport (
    crosses, is_outside_band, is_right_px, is_right_qty, is_too_small, px_beside_best,
)
from rsx.core.check cimport fail
from rsx.core.ring cimport ring_t
from rsx.records_c cimport *
from rsx.units cimport rsx_keep, rsx_product_within


cdef int reject_amend(engine_t* engine, const rsx_order_amend_t* request, uint16_t reason,
                      uint64_t ts_ns, ring_t* out) noexcept nogil:
    cdef rsx_amend_rejected_t* event = <rsx_amend_rejected_t*>emit(
        engine, out, RSX_AMEND_REJECTED, ts_ns)
    event.oid = request.oid
    event.px = request.px
    event.qty = request.qty
    event.extra = request.extra
    event.extra_qty = request.extra_qty
    event.request_id = request.request_id
    event.user_id = request.user_id
    event.symbol_id = request.symbol_id
    event.reason = reason
    event.side = known_side(request.side)
    event.flags = known_flags(request.flags)
    return finish(out)


cdef uint16_t refusal(const engine_t* engine, const order_t* order,
                      const rsx_order_amend_t* request, int64_t remaining,
                      int64_t* px) noexcept nogil:
    """AM-3: 0, with the price that the order gets, or the reason."""
    cdef bint is_crossing
    cdef bint moves = px[0] != order_px(&engine.book, order)
    # What stays was right when it came (SY-5).
    if moves and not is_right_px(&engine.rules, px[0]):
        return RSX_R_ORDER_INVALID
    if request.qty != order.qty and not is_right_qty(&engine.rules, request.qty):
        return RSX_R_ORDER_INVALID
    if (moves or request.qty > order.qty) and not rsx_product_within(
            px[0], request.qty, engine.rules.notional_max):
        return RSX_R_ORDER_INVALID
    if is_too_small(&engine.rules, order.flags, px[0], remaining):
        return RSX_R_NOTIONAL_TOO_SMALL
    if engine.mode == RSX_MODE_HALT:
        return RSX_R_HALTED
    if engine.mode == RSX_MODE_CANCEL_ONLY:
        return RSX_R_CANCEL_ONLY
    is_crossing = crosses(engine, order.side, px[0])
    if engine.mode == RSX_MODE_POST_ONLY and is_crossing and not order.flags & RSX_POST_ONLY:
        return RSX_R_POST_ONLY_MODE
    if moves and is_outside_band(engine, order.side, order.kind, order.flags, px[0]):
        return RSX_R_OUTSIDE_PRICE_BAND
    if is_crossing and order.flags & RSX_POST_ONLY:
        if order.flags & RSX_REPRICE:
            px[0] = px_beside_best(engine, order.side, request.qty)
        if not order.flags & RSX_REPRICE or px[0] == 0:
            return RSX_R_POST_ONLY_WOULD_CROSS
    return RSX_R_NONE


cdef int end_amended(engine_t* engine, const rsx_order_amend_t* request, uint32_t slot,
                     uint64_t ts_ns, ring_t* out) noexcept nogil:
    """AM-2: amended to no more than had traded."""
    cdef const order_t* order = &engine.book.orders[slot]
    cdef rsx_order_cancelled_t* event
    if request.extra or request.extra_qty:
        emit_released(engine, order.oid, order.user_id, order.side, order.flags,
                      request.extra_qty, request.extra, ts_ns, out)
    event = emit_cancelled(engine, order, RSX_R_AMENDED_AWAY, ts_ns, out)
    event.request_id = request.request_id
    drop_resting(engine, slot, RSX_STATUS_CANCELLED, RSX_R_AMENDED_AWAY)
    return finish(out)


cdef int amend_order(engine_t* engine, const rsx_order_amend_t* request, uint64_t ts_ns,
                     ring_t* out) except -1 nogil:
    """AM-1 to AM-7. Leaves the order in hand when it has to be matched; the caller goes on."""
    cdef uint32_t slot = book_find(&engine.book, request.oid)
    cdef const order_t* order
    cdef int64_t px = request.px, filled, remaining, reserved = request.reserved
    cdef uint16_t reason
    if slot == NONE or engine.book.orders[slot].user_id != request.user_id:
        reason = RSX_R_ORDER_NOT_OPEN
        if slot == NONE and conditional_find(engine, request.oid, request.user_id):
            reason = RSX_R_TRIGGER_NOT_AMENDED
        return reject_amend(engine, request, reason, ts_ns, out)
    order = &engine.book.orders[slot]
    filled = order.qty - order.remaining
    if request.qty <= filled:
        return end_amended(engine, request, slot, ts_ns, out)
    remaining = request.qty - filled
    reason = refusal(engine, order, request, remaining, &px)
    if reason:
        return reject_amend(engine, request, reason, ts_ns, out)
    # AM-6: risk knew of no more fills than there have been.
    if remaining > request.assumed or reserved < 0:
        return fail(1105, request.assumed, remaining)
    if remaining < request.assumed:
        reserved = rsx_keep(request.reserved, remaining, request.assumed)
    if px == order_px(&engine.book, order) and remaining <= order.remaining:
        keep_amended(engine, slot, request.qty, remaining, reserved)
        emit_amended(engine, request, order, px, remaining, reserved, RSX_KEPT, ts_ns, out)
        return finish(out)
    return amend_anew(engine, request, slot, px, remaining, reserved, ts_ns, out)


cdef void emit_amended(engine_t* engine, const rsx_order_amend_t* request, const order_t* order,
                       int64_t px, int64_t remaining, int64_t reserved, int flag, uint64_t ts_ns,
                       ring_t* out) noexcept nogil:
    cdef rsx_order_amended_t* event = <rsx_order_amended_t*>emit(
        engine, out, RSX_ORDER_AMENDED, ts_ns)
    event.oid = order.oid
    event.px = px
    event.qty = request.qty
    event.remaining = remaining
    event.reserved = reserved
    event.extra = request.extra
    event.extra_qty = request.extra_qty
    event.request_id = request.request_id
    event.user_id = order.user_id
    event.symbol_id = engine.rules.symbol_id
    event.side = order.side
    event.flags = order.flags | <uint8_t>flag


cdef int amend_anew(engine_t* engine, const rsx_order_amend_t* request, uint32_t slot, int64_t px,
                    int64_t remaining, int64_t reserved, uint64_t ts_ns,
                    ring_t* out) except -1 nogil:
    """AM-5: out of the book and in again, at the end of a level or as a taker."""
    cdef taker_t* taker = &engine.taker
    cdef const order_t* order = &engine.book.orders[slot]
    cdef int64_t allowed = remaining, released
    cdef bint rests = not crosses(engine, order.side, px)
    if order.flags & RSX_REDUCE_ONLY:
        allowed = min(remaining, reducible(&engine.users[order.user_slot], order.side))
        rests = rests and allowed == remaining
        if allowed <= 0:  # RO-1: it would have ended
            return fail(17, order.oid, remaining)
    emit_amended(engine, request, order, px, remaining, reserved, RSX_RESTS if rests else 0,
                 ts_ns, out)
    lift_resting(engine, slot)
    taker.px = px
    taker.open_qty = request.qty
    taker.remaining = remaining
    taker.reserved = reserved
    if rests:
        rest_taker(engine)
        return finish(out)
    if allowed < remaining:
        released = reserved - rsx_keep(reserved, allowed, remaining)
        emit_reduced(engine, taker.oid, taker.user_id, taker.side, taker.flags, px,
                     remaining - allowed, allowed, released, ts_ns, out)
        cut_taker(engine, remaining - allowed, released)
    return DONE
