# cython: boundscheck=False
"""Resting reduce-only orders stay true: after a fill, what no longer reduces is cut or cancelled.

A user's resting reduce-only orders are all of the side that reduces its position, so one number
is allowed to each of them, and one bound (`reduce_max`) says whether any can have more.

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
    if user.newest_reduce == NONE:
        return False
    return user.reduce_max > reducible(user.net, engine.book.orders[user.newest_reduce].side)


cdef void plan_trims(engine_t* engine, uint32_t maker_slot, uint32_t taker_slot) noexcept nogil:
    """After a fill: note whose orders `trim` has to look at, the maker's user first (M-9)."""
    cdef trims_t* trims = &engine.trims
    if maker_slot == taker_slot:  # a trade with oneself moves no position
        return
    trims.user = trims.then_user = 0
    if has_excess(engine, maker_slot):
        trims.user = maker_slot
    if has_excess(engine, taker_slot):
        if trims.user:
            trims.then_user = taker_slot
        else:
            trims.user = taker_slot
    if trims.user:
        trims.order = engine.users[trims.user].newest_reduce


cdef int trim(engine_t* engine, uint64_t ts_ns, ring_t* out) except -1 nogil:
    """RO-2 for the users noted. BLOCKED when a record is due and the ring has no room."""
    cdef trims_t* trims = &engine.trims
    cdef const order_t* order
    cdef int64_t allowed = 0, cut, released
    cdef uint32_t slot
    while trims.user:
        while trims.order != NONE:
            slot = trims.order
            order = &engine.book.orders[slot]
            allowed = reducible(engine.users[trims.user].net, order.side)
            if order.remaining > allowed and ring_free(out, ROOM) < ROOM:
                return BLOCKED
            trims.order = engine.owns[slot].next
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
        if engine.users[trims.user].newest_reduce != NONE:
            engine.users[trims.user].reduce_max = allowed
        trims.user = trims.then_user
        trims.then_user = 0
        trims.order = engine.users[trims.user].newest_reduce
    return DONE


cdef int trim_owed(engine_t* engine, uint64_t ts_ns, ring_t* out) except -1 nogil:
    """F-2: the trims that the last fill of a log which ends within a request still owes."""
    if engine.trims.user:
        engine.trims.order = engine.users[engine.trims.user].newest_reduce
    return trim(engine, ts_ns, out)
