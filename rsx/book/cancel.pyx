# cython: boundscheck=False
"""What ends resting orders and waiting triggers: a cancel, a cancel-all, the time.

A cancel-all goes through the lists of one user, one order at a time, and stops between two when
the ring is full (M-12); `engine.sweep` is where it stands.

Source: specs/matching.md sections 7 and 9.
"""

from libc.stdint cimport int64_t, uint8_t, uint16_t, uint32_t, uint64_t
from libc.string cimport memcpy

from rsx.book.book cimport NONE, book_find
from rsx.book.cids cimport (
    CID_ORDER, CID_TRIGGER, cid_entry_t, cid_is_remembered, cids_find,
)
from rsx.book.conditional cimport (
    conditional_cancel, conditional_expiry, conditional_find, conditional_newest,
    conditional_older, conditional_side,
)
from rsx.book.events cimport emit, emit_cancelled, finish
from rsx.book.matching cimport BLOCKED, CANCELLING, DONE, ROOM, engine_t, sweep_t
from rsx.book.orders cimport drop_resting
from rsx.core.heap cimport heap_first, heap_first_key
from rsx.core.idmap cimport idmap_get
from rsx.core.ring cimport ring_commit, ring_free, ring_t
from rsx.records_c cimport *

cdef enum:
    # Lists of a cancel-all, in the order in which they are gone through.
    ORDINARY = 1
    REDUCING = 2
    TRIGGERS = 4
    # Bits of the request's scope.
    SCOPE_ORDERS = 1
    SCOPE_TRIGGERS = 2


cdef inline uint16_t reason_or(uint16_t reason, uint16_t other) noexcept nogil:
    """The request's reason where it is one that a cancel may have (C-2), else the other."""
    if (reason == RSX_R_USER_CANCEL or reason == RSX_R_DISCONNECTED
            or reason == RSX_R_DEAD_MAN or reason == RSX_R_ADMIN_CANCEL
            or reason == RSX_R_LIQUIDATION or reason == RSX_R_DELEVERAGED):
        return reason
    return other


# --- one --------------------------------------------------------------------------------------


cdef int reject_cancel(engine_t* engine, const rsx_order_cancel_t* request, uint16_t reason,
                       uint64_t ts_ns, ring_t* out) noexcept nogil:
    cdef rsx_cancel_rejected_t* event = <rsx_cancel_rejected_t*>emit(
        engine, out, RSX_CANCEL_REJECTED, ts_ns)
    event.oid = request.oid
    event.request_id = request.request_id
    event.user_id = request.user_id
    event.symbol_id = request.symbol_id
    event.reason = reason
    event.cid_len = min(request.cid_len, 36)
    memcpy(event.cid, request.cid, 36)
    return finish(out)


cdef int cancel_resting(engine_t* engine, const rsx_order_cancel_t* request, uint32_t slot,
                        uint64_t ts_ns, ring_t* out) noexcept nogil:
    cdef uint16_t reason = reason_or(request.reason, RSX_R_USER_CANCEL)
    cdef rsx_order_cancelled_t* event = emit_cancelled(
        engine, &engine.book.orders[slot], reason, ts_ns, out)
    event.request_id = request.request_id
    drop_resting(engine, slot, RSX_STATUS_CANCELLED, reason)
    return finish(out)


cdef int cancel_trigger(engine_t* engine, const rsx_order_cancel_t* request, uint32_t slot,
                        uint64_t ts_ns, ring_t* out) except -1 nogil:
    conditional_cancel(engine, slot, reason_or(request.reason, RSX_R_USER_CANCEL),
                       request.request_id, ts_ns, out)
    return finish(out)


cdef int cancel_order(engine_t* engine, const rsx_order_cancel_t* request, uint64_t ts_ns,
                      ring_t* out) except -1 nogil:
    """C-1, C-2."""
    cdef uint16_t reason = RSX_R_ORDER_NOT_OPEN
    cdef uint32_t slot
    cdef cid_entry_t* entry
    if request.oid:
        slot = book_find(&engine.book, request.oid)
        if slot != NONE:
            if engine.book.orders[slot].user_id == request.user_id:
                return cancel_resting(engine, request, slot, ts_ns, out)
        else:
            slot = conditional_find(engine, request.oid, request.user_id)
            if slot:
                return cancel_trigger(engine, request, slot, ts_ns, out)
    elif request.cid_len and request.cid_len <= 36:
        entry = cids_find(&engine.cids, request.user_id, request.cid, request.cid_len)
        if entry != NULL:
            if entry.live == CID_ORDER:
                return cancel_resting(engine, request, entry.slot, ts_ns, out)
            if entry.live == CID_TRIGGER:
                return cancel_trigger(engine, request, entry.slot, ts_ns, out)
            if cid_is_remembered(&engine.cids, entry, ts_ns):
                reason = RSX_R_ORDER_DONE
    return reject_cancel(engine, request, reason, ts_ns, out)


# --- all --------------------------------------------------------------------------------------


cdef void begin_list(engine_t* engine, uint32_t user_slot) noexcept nogil:
    """Stand before the youngest of the next list that is left."""
    cdef sweep_t* sweep = &engine.sweep
    if sweep.lists & ORDINARY:
        sweep.order = engine.users[user_slot].newest
    elif sweep.lists & REDUCING:
        sweep.order = engine.users[user_slot].newest_reduce
    elif sweep.lists:
        sweep.order = conditional_newest(engine, user_slot)


cdef int cancel_all(engine_t* engine, const rsx_order_cancel_all_t* request, uint64_t ts_ns,
                    ring_t* out) except -1 nogil:
    """CA-1."""
    cdef sweep_t* sweep = &engine.sweep
    sweep.request_id = request.request_id
    sweep.user_id = request.user_id
    sweep.ended = 0
    sweep.reason = reason_or(request.reason, RSX_R_CANCEL_ALL)
    sweep.sides = request.sides
    sweep.lists = 0
    if request.scope & SCOPE_ORDERS:
        sweep.lists |= ORDINARY | REDUCING
    if request.scope & SCOPE_TRIGGERS:
        sweep.lists |= TRIGGERS
    begin_list(engine, idmap_get(&engine.user_slots, request.user_id))
    return sweep_on(engine, ts_ns, out)


cdef int sweep_on(engine_t* engine, uint64_t ts_ns, ring_t* out) except -1 nogil:
    """End order after order of the cancel-all in hand, then say how many (CA-1, CA-2)."""
    cdef sweep_t* sweep = &engine.sweep
    cdef uint32_t user_slot = idmap_get(&engine.user_slots, sweep.user_id)
    cdef rsx_cancel_all_done_t* done
    cdef uint32_t slot
    cdef uint8_t side
    while sweep.lists:
        while sweep.order != NONE:
            if ring_free(out, ROOM) < ROOM:
                ring_commit(out)
                engine.work = CANCELLING
                return BLOCKED
            slot = sweep.order
            if sweep.lists & (ORDINARY | REDUCING):
                side = engine.book.orders[slot].side
                sweep.order = engine.owns[slot].next
            else:
                side = conditional_side(engine, slot)
                sweep.order = conditional_older(engine, slot)
            if not sweep.sides & (1 << side):
                continue
            if sweep.lists & (ORDINARY | REDUCING):
                emit_cancelled(engine, &engine.book.orders[slot], sweep.reason, ts_ns, out)
                drop_resting(engine, slot, RSX_STATUS_CANCELLED, sweep.reason)
            else:
                conditional_cancel(engine, slot, sweep.reason, 0, ts_ns, out)
            sweep.ended += 1
        sweep.lists &= sweep.lists - 1  # the lowest bit is done
        begin_list(engine, user_slot)
    if ring_free(out, ROOM) < ROOM:
        ring_commit(out)
        engine.work = CANCELLING
        return BLOCKED
    done = <rsx_cancel_all_done_t*>emit(engine, out, RSX_CANCEL_ALL_DONE, ts_ns)
    done.request_id = sweep.request_id
    done.user_id = sweep.user_id
    done.symbol_id = engine.rules.symbol_id
    done.cancelled = sweep.ended
    done.reason = sweep.reason
    return finish(out)


# --- time -------------------------------------------------------------------------------------


cdef int expire_due(engine_t* engine, uint64_t ts_ns, ring_t* out) except -1 nogil:
    """EX-1: end what is due at ts_ns, each a group of its own; BLOCKED before a full ring."""
    cdef int64_t key = 0, order_key
    cdef uint64_t tie = 0
    cdef uint32_t slot, trigger
    while ts_ns >= engine.expiry_ns:
        if ring_free(out, ROOM) < ROOM:
            return BLOCKED
        slot = heap_first(&engine.expiries)
        order_key = heap_first_key(&engine.expiries)
        trigger = conditional_expiry(engine, &key, &tie)
        if trigger and (slot == NONE or key < order_key or (
                key == order_key and tie < engine.book.orders[slot].oid)):
            conditional_cancel(engine, trigger, RSX_R_EXPIRED, 0, ts_ns, out)
        else:
            emit_cancelled(engine, &engine.book.orders[slot], RSX_R_EXPIRED, ts_ns, out)
            drop_resting(engine, slot, RSX_STATUS_CANCELLED, RSX_R_EXPIRED)
        finish(out)
    return DONE
