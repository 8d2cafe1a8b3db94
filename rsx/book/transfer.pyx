# cython: boundscheck=False
"""Positions that change hands at a price, without book, fee or price memory: takeovers and
auto-deleveraging.

How much is decided here, against the positions as they are then (SH-5). Both users' resting
reduce-only orders are trimmed after it, as after a fill. Source: specs/matching.md PT-1, PT-2.
"""

from libc.stdint cimport int64_t, uint8_t, uint32_t, uint64_t
from libc.string cimport memcpy

from rsx.book.events cimport emit
from rsx.book.matching cimport engine_t
from rsx.book.orders cimport move_held, reducible, user_slot_of
from rsx.book.reduce cimport plan_trims
from rsx.core.check cimport fail
from rsx.core.idmap cimport idmap_get
from rsx.core.ring cimport ring_t
from rsx.records_c cimport *


cdef bint is_broken(const engine_t* engine, const rsx_position_transfer_t* request) noexcept nogil:
    """PT-2: what cannot come from risk (check 1109)."""
    if request.symbol_id != engine.rules.symbol_id or request.qty <= 0:
        return True
    if request.user_id == 0 or request.counter_user_id == 0:
        return True
    # A hedge account may be its own counterparty: the one leg against the other.
    if request.user_id == request.counter_user_id and not (
            request.user_flags & request.counter_flags & RSX_HEDGE):
        return True
    if request.side > RSX_SELL or request.kind > RSX_TRANSFER_ADL:
        return True
    if not request.user_flags & RSX_REDUCE_ONLY:
        return True
    return request.kind == RSX_TRANSFER_ADL and not request.counter_flags & RSX_REDUCE_ONLY


cdef int64_t transferable(const engine_t* engine, const rsx_position_transfer_t* request,
                          uint32_t slot, uint32_t counter_slot) noexcept nogil:
    """PT-2: qty'."""
    cdef int64_t qty = min(request.qty, reducible(&engine.users[slot], request.side))
    if request.counter_flags & RSX_REDUCE_ONLY:
        qty = min(qty, reducible(&engine.users[counter_slot], 1 - request.side))
    if counter_slot == 0 and engine.users_used >= engine.users_max:
        return 0
    return qty


cdef int move_both(engine_t* engine, const rsx_position_transfer_t* transfer, uint32_t slot,
                   uint32_t counter_slot, int64_t qty) except -1 nogil:
    if (is_one_way_of_two(&engine.users[slot], transfer.user_flags)
            or is_one_way_of_two(&engine.users[counter_slot], transfer.counter_flags)):
        return fail(1108, transfer.user_id, transfer.counter_user_id)
    move_held(engine.users[slot].held, transfer.side, transfer.user_flags, qty)
    move_held(engine.users[counter_slot].held, 1 - transfer.side, transfer.counter_flags, qty)
    plan_trims(engine, slot, counter_slot)
    return 0


cdef int transfer_position(engine_t* engine, const rsx_position_transfer_t* request,
                           uint64_t ts_ns, ring_t* out) except -1 nogil:
    """PT-1, PT-2 but for the trims, which are planned; the caller goes on with them."""
    cdef uint32_t slot = idmap_get(&engine.user_slots, request.user_id)
    cdef uint32_t counter_slot = idmap_get(&engine.user_slots, request.counter_user_id)
    cdef rsx_position_transferred_t* event
    cdef int64_t qty
    if is_broken(engine, request):
        return fail(1109, request.transfer_id, request.user_id)
    qty = transferable(engine, request, slot, counter_slot)
    if qty:
        move_both(engine, request, slot, user_slot_of(engine, request.counter_user_id), qty)
    event = <rsx_position_transferred_t*>emit(engine, out, RSX_POSITION_TRANSFERRED, ts_ns)
    memcpy(&event.transfer_id, &request.transfer_id, RSX_RECORD_SIZE - RSX_HEADER_SIZE - 16)
    event.qty = qty
    return 0


cdef int apply_transferred(engine_t* engine,
                           const rsx_position_transferred_t* event) except -1 nogil:
    """F-1 for a transfer: the request has the same payload."""
    cdef uint32_t slot, counter_slot
    if engine.is_shadow or event.qty == 0:
        return 0
    slot = idmap_get(&engine.user_slots, event.user_id)
    if engine.taker.active or event.qty > reducible(&engine.users[slot], event.side):
        return fail(14, event.seq, event.user_id)
    counter_slot = user_slot_of(engine, event.counter_user_id)
    if counter_slot == 0:
        return fail(14, event.seq, event.counter_user_id)
    move_both(engine, <const rsx_position_transfer_t*>event, slot, counter_slot, event.qty)
    return 0
