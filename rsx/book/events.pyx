# cython: boundscheck=False
"""Event records of one engine: what matching, trimming, cancels and amendments write.

Writers only: they change no state, and the caller has made sure of room (ROOM).
Source: specs/matching.md, specs/records.md.
"""

from libc.stdint cimport int64_t, uint8_t, uint16_t, uint32_t, uint64_t
from libc.string cimport memcpy

from rsx.book.book cimport order_px, order_t
from rsx.book.cids cimport CID_ORDER, CID_TRIGGER, cid_end_t, cid_entry_t, cids_end
from rsx.book.conditional cimport conditional_describe
from rsx.book.matching cimport engine_t, taker_t
from rsx.core.ring cimport ring_t
from rsx.records_c cimport *


cdef int emit_rejected(engine_t* engine, uint16_t type, const rsx_order_new_t* order,
                       uint16_t reason, uint64_t ts_ns, ring_t* out) noexcept nogil:
    """ORDER_REJECTED or TRIGGER_REJECTED, the whole answer to an order or trigger.

    The two have one layout, and so have what they answer: where an order has what it reserves,
    which it releases, a trigger has trigger_px.
    """
    cdef rsx_order_rejected_t* event = <rsx_order_rejected_t*>emit(engine, out, type, ts_ns)
    event.oid = order.oid
    event.px = order.px
    event.qty = order.qty
    event.released = order.reserved
    event.user_id = order.user_id
    event.symbol_id = order.symbol_id
    event.kind = order.kind if order.kind <= RSX_LIQUIDATION else 0
    event.stp = order.stp if order.stp <= RSX_STP_DEFAULT else 0
    event.side = known_side(order.side)
    event.tif = order.tif if order.tif <= RSX_GTD else 0
    event.flags = known_flags(order.flags)
    event.cid_len = min(order.cid_len, 36)
    memcpy(event.cid, order.cid, 36)
    event.reason = reason
    return finish(out)


cdef int emit_released(engine_t* engine, uint64_t oid, uint32_t user_id, uint8_t side,
                       uint8_t flags, int64_t qty, int64_t released, uint64_t ts_ns,
                       ring_t* out) noexcept nogil:
    """ORDER_RELEASED: a reservation in flight goes back; does not end the group."""
    cdef rsx_order_released_t* event = <rsx_order_released_t*>emit(
        engine, out, RSX_ORDER_RELEASED, ts_ns)
    event.oid = oid
    event.qty = qty
    event.released = released
    event.user_id = user_id
    event.symbol_id = engine.rules.symbol_id
    event.side = known_side(side)
    event.flags = known_flags(flags)
    return 0


cdef rsx_order_cancelled_t* emit_cancelled(
        engine_t* engine, const order_t* order, uint16_t reason, uint64_t ts_ns,
        ring_t* out) noexcept nogil:
    """ORDER_CANCELLED of a resting order."""
    cdef rsx_order_cancelled_t* event = <rsx_order_cancelled_t*>emit(
        engine, out, RSX_ORDER_CANCELLED, ts_ns)
    event.oid = order.oid
    event.px = order_px(&engine.book, order)
    event.cancelled_qty = order.remaining
    event.filled_qty = order.qty - order.remaining
    event.released = order.reserved
    event.user_id = order.user_id
    event.symbol_id = engine.rules.symbol_id
    event.reason = reason
    event.side = order.side
    event.flags = order.flags
    return event


cdef void emit_taker_cancelled(engine_t* engine, uint16_t reason, uint64_t ts_ns,
                               ring_t* out) noexcept nogil:
    """ORDER_CANCELLED of the order in hand."""
    cdef const taker_t* taker = &engine.taker
    cdef rsx_order_cancelled_t* event = <rsx_order_cancelled_t*>emit(
        engine, out, RSX_ORDER_CANCELLED, ts_ns)
    event.oid = taker.oid
    event.px = taker.px
    event.cancelled_qty = taker.remaining
    event.filled_qty = taker.open_qty - taker.remaining
    event.released = taker.reserved
    event.user_id = taker.user_id
    event.symbol_id = engine.rules.symbol_id
    event.reason = reason
    event.side = taker.side
    event.flags = taker.flags


cdef void emit_rested(engine_t* engine, uint64_t ts_ns, ring_t* out) noexcept nogil:
    """ORDER_RESTED of the order in hand."""
    cdef const taker_t* taker = &engine.taker
    cdef rsx_order_rested_t* event = <rsx_order_rested_t*>emit(
        engine, out, RSX_ORDER_RESTED, ts_ns)
    event.oid = taker.oid
    event.px = taker.px
    event.remaining = taker.remaining
    event.qty = taker.open_qty
    event.reserved = taker.reserved
    event.user_id = taker.user_id
    event.symbol_id = engine.rules.symbol_id
    event.side = taker.side
    event.flags = taker.flags


cdef rsx_order_reduced_t* emit_reduced(
        engine_t* engine, uint64_t oid, uint32_t user_id, uint8_t side, uint8_t flags, int64_t px,
        int64_t cut, int64_t remaining, int64_t released, uint64_t ts_ns,
        ring_t* out) noexcept nogil:
    """ORDER_REDUCED: a reduce-only order may do no more than `remaining` (3103)."""
    cdef rsx_order_reduced_t* event = <rsx_order_reduced_t*>emit(
        engine, out, RSX_ORDER_REDUCED, ts_ns)
    event.oid = oid
    event.px = px
    event.cancelled_qty = cut
    event.remaining = remaining
    event.released = released
    event.user_id = user_id
    event.symbol_id = engine.rules.symbol_id
    event.reason = RSX_R_REDUCE_ONLY_EXCESS
    event.side = side
    event.flags = flags
    return event


cdef rsx_order_duplicate_t* emit_duplicate(
        engine_t* engine, const cid_entry_t* entry, uint64_t oid, uint32_t user_id, uint8_t side,
        uint8_t flags, uint64_t ts_ns, ring_t* out) noexcept nogil:
    """ORDER_DUPLICATE: the state of the order or trigger that has the client id (D-4).

    The caller adds what the request would have ordered and what it releases.
    """
    cdef rsx_order_duplicate_t* event = <rsx_order_duplicate_t*>emit(
        engine, out, RSX_ORDER_DUPLICATE, ts_ns)
    cdef const order_t* order
    cdef const cid_end_t* end
    event.oid = oid
    event.user_id = user_id
    event.symbol_id = engine.rules.symbol_id
    event.side = known_side(side)
    event.flags = known_flags(flags)
    event.original_oid = entry.oid
    if entry.live == CID_TRIGGER:
        conditional_describe(engine, entry.slot, event)
    elif entry.live == CID_ORDER:
        order = &engine.book.orders[entry.slot]
        event.original_px = order_px(&engine.book, order)
        event.original_qty = order.qty
        event.original_filled = order.qty - order.remaining
        event.original_remaining = order.remaining
        event.original_status = RSX_STATUS_RESTING
        event.original_side = order.side
        event.original_tif = order.tif
        event.original_kind = order.kind
        event.original_flags = order.flags
    else:
        end = cids_end(&engine.cids, entry)
        event.original_px = end.px
        event.original_qty = end.qty
        event.original_filled = end.filled
        event.original_reason = end.reason
        event.original_status = end.status
        event.original_side = end.side
        event.original_tif = end.tif
        event.original_kind = end.kind
        event.original_flags = end.flags
    return event
