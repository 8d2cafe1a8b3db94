# cython: boundscheck=False
"""Resting reduce-only orders stay true: after a fill, what no longer reduces is cut or cancelled.

What a user holds allows one number to each of its resting reduce-only orders of a side (a one-way
account has them on one side only), and a bound for each (`reduce_max`) says whether any can have
more.

Source: specs/matching.md section 5, M-9, F-2; INV-17.
"""

from libc.stdint cimport int64_t, uint32_t, uint64_t

from rsx.book.book cimport NONE, order_px, order_t
from rsx.book.events cimport emit_cancelled, emit_reduced
from rsx.book.matching cimport BLOCKED, DONE, ROOM, engine_t, trims_t, user_t
from rsx.book.orders cimport cut_resting, drop_resting, reducible
from rsx.core.ring cimport ring_free, ring_t
from rsx.records_c cimport *
from rsx.units cimport rsx_keep


cdef inline bint has_excess(const engine_t* engine, uint32_t user_slot) noexcept nogil:
    """Whether one of the user's resting reduce-only orders can have too much."""
    cdef const user_t* user = &engine.users[user_slot]
    return (user.reduce_max[0] > reducible(user, 0)) | (user.reduce_max[1] > reducible(user, 1))


cdef inline void begin_user(engine_t* engine) noexcept nogil:
    """Stand before the youngest reduce-only order of the user in hand."""
    cdef trims_t* trims = &engine.trims
    trims.order = engine.users[trims.user].newest_reduce
    trims.most[0] = trims.most[1] = 0


cdef void plan_trims(engine_t* engine, uint32_t first_slot, uint32_t then_slot) noexcept nogil:
    """After a fill or a transfer: note whose orders `trim` has to look at (M-9, PT-2)."""
    cdef trims_t* trims = &engine.trims
    trims.user = trims.then_user = 0
    if has_excess(engine, first_slot):
        trims.user = first_slot
    if then_slot != first_slot and has_excess(engine, then_slot):
        if trims.user:
            trims.then_user = then_slot
        else:
            trims.user = then_slot
    if trims.user:
        begin_user(engine)


cdef int trim(engine_t* engine, uint64_t ts_ns, ring_t* out) except -1 nogil:
    """RO-2 for the users noted. BLOCKED when a record is due and the ring has no room."""
    cdef trims_t* trims = &engine.trims
    cdef const order_t* order
    cdef int64_t allowed, cut, released
    cdef uint32_t slot
    cdef uint8_t side
    while trims.user:
        while trims.order != NONE:
            slot = trims.order
            order = &engine.book.orders[slot]
            side = order.side
            allowed = reducible(&engine.users[trims.user], side)
            if order.remaining > allowed and ring_free(out, ROOM) < ROOM:
                return BLOCKED
            trims.order = engine.owns[slot].next
            trims.most[side] = max(trims.most[side], min(order.remaining, allowed))
            if order.remaining <= allowed:
                continue
            if allowed == 0:
                emit_cancelled(engine, order, RSX_R_REDUCE_ONLY_EXCESS, ts_ns, out)
                drop_resting(engine, slot, RSX_STATUS_CANCELLED, RSX_R_REDUCE_ONLY_EXCESS)
                continue
            cut = order.remaining - allowed
            released = order.reserved - rsx_keep(order.reserved, allowed, order.remaining)
            emit_reduced(engine, order.oid, order.user_id, order.side, order.flags,
                         order_px(&engine.book, order), cut, allowed, released, ts_ns, out)
            cut_resting(engine, slot, cut, released)
        engine.users[trims.user].reduce_max[0] = trims.most[0]
        engine.users[trims.user].reduce_max[1] = trims.most[1]
        trims.user = trims.then_user
        trims.then_user = 0
        begin_user(engine)
    return DONE


cdef int trim_owed(engine_t* engine, uint64_t ts_ns, ring_t* out) except -1 nogil:
    """F-2: the trims that the last fill of a log which ends within a request still owes."""
    if engine.trims.user:
        begin_user(engine)
    return trim(engine, ts_ns, out)
