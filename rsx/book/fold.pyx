# cython: boundscheck=False
"""Folding the log into a book: recovery, the shadow of market data and the auditor use this.

No decision is made here: every record says what happened, and anything it says that does not fit
the state is a failed check (INV-14). Source: specs/matching.md F-1 to F-3.
"""

from libc.stdint cimport int64_t, uint32_t, uint64_t

from rsx.book.audit cimport book_audit
from rsx.book.book cimport (
    NONE, book_find, book_hash, book_take, mix, order_t,
)
from rsx.book.cids cimport cids_put
from rsx.book.matching cimport (
    drop_resting, engine_t, forget_taker, rest_taker, taker_t, user_slot_of,
)
from rsx.book.recentre cimport book_recentre_check
from rsx.core.check cimport fail
from rsx.records_c cimport *


cdef int apply_accepted(engine_t* engine, const rsx_order_accepted_t* event) except -1 nogil:
    cdef taker_t* taker = &engine.taker
    if taker.active:
        return fail(14, event.seq, taker.oid)
    taker.oid = event.oid
    taker.px = event.px
    if event.px <= 0 or event.px > engine.rules.px_max or event.side > RSX_SELL:
        return fail(14, event.seq, event.px)
    taker.qty = event.qty
    taker.open_qty = event.qty
    taker.remaining = event.qty
    taker.reserved = event.reserved
    taker.user_id = event.user_id
    taker.side = event.side
    taker.tif = event.tif
    taker.flags = event.flags & ~RSX_RESTS
    taker.cid_place = 0
    taker.active = 1
    if not engine.is_shadow:
        taker.user_slot = user_slot_of(engine, event.user_id)
        if taker.user_slot == 0:
            return fail(14, event.seq, event.user_id)
        if event.cid_len:
            taker.cid_place = cids_put(&engine.cids, engine.book.orders, event.user_id,
                                       event.cid, event.cid_len, event.oid, event.ts_ns)
    if event.flags & RSX_RESTS:
        return rest_taker(engine)
    return 0


cdef int apply_fill(engine_t* engine, const rsx_fill_t* event) except -1 nogil:
    cdef taker_t* taker = &engine.taker
    cdef uint32_t slot = book_find(&engine.book, event.maker_oid)
    cdef order_t* maker
    cdef int64_t signed_qty = event.qty if event.taker_side == RSX_BUY else -event.qty
    if not taker.active or taker.oid != event.taker_oid or slot == NONE:
        return fail(14, event.seq, event.maker_oid)
    maker = &engine.book.orders[slot]
    if maker.remaining - event.qty != event.maker_remaining:
        return fail(14, event.seq, maker.remaining)
    if taker.remaining - event.qty != event.taker_remaining:
        return fail(14, event.seq, taker.remaining)
    taker.remaining = event.taker_remaining
    taker.reserved -= event.taker_release
    maker.reserved -= event.maker_release
    book_take(&engine.book, slot, event.qty)
    if not engine.is_shadow:
        engine.users[taker.user_slot].net += signed_qty
        engine.users[maker.user_slot].net -= signed_qty
    if maker.remaining == 0:
        drop_resting(engine, slot)
    if taker.remaining == 0:
        forget_taker(engine)
    engine.fills += 1
    return 0


cdef int apply_cancelled(engine_t* engine, const rsx_order_cancelled_t* event) except -1 nogil:
    cdef uint32_t slot
    if engine.taker.active and engine.taker.oid == event.oid:
        if engine.taker.remaining != event.cancelled_qty:
            return fail(14, event.seq, engine.taker.remaining)
        forget_taker(engine)
        return 0
    slot = book_find(&engine.book, event.oid)
    if slot == NONE or engine.book.orders[slot].remaining != event.cancelled_qty:
        return fail(14, event.seq, event.oid)
    drop_resting(engine, slot)
    return 0


cdef int apply_reduced(engine_t* engine, const rsx_order_reduced_t* event) except -1 nogil:
    """Only the order in hand is ever cut so far: a resting one is cancelled whole."""
    cdef taker_t* taker = &engine.taker
    if not taker.active or taker.oid != event.oid:
        return fail(14, event.seq, event.oid)
    if taker.remaining - event.cancelled_qty != event.remaining:
        return fail(14, event.seq, taker.remaining)
    taker.remaining = event.remaining
    taker.open_qty -= event.cancelled_qty
    taker.reserved -= event.released
    return 0


cdef int engine_apply(engine_t* engine, const rsx_record_t* record) except -1 nogil:
    """Apply one logged record of this symbol; records of other types change nothing here."""
    book_recentre_check(&engine.book)  # of what the records before it left: a fold has its own map
    cdef const rsx_order_rested_t* rested
    if record.type == RSX_ORDER_ACCEPTED:
        return apply_accepted(engine, <const rsx_order_accepted_t*>record)
    if record.type == RSX_FILL:
        return apply_fill(engine, <const rsx_fill_t*>record)
    if record.type == RSX_ORDER_CANCELLED:
        return apply_cancelled(engine, <const rsx_order_cancelled_t*>record)
    if record.type == RSX_ORDER_RESTED:
        rested = <const rsx_order_rested_t*>record
        if not engine.taker.active or engine.taker.oid != rested.oid:
            return fail(14, rested.seq, rested.oid)
        if engine.taker.remaining != rested.remaining:
            return fail(14, rested.seq, rested.remaining)
        return rest_taker(engine)
    if record.type == RSX_ORDER_REDUCED:
        return apply_reduced(engine, <const rsx_order_reduced_t*>record)
    return 0


cdef uint64_t engine_hash(const engine_t* engine) noexcept nogil:
    """F-3: book, positions and the order in hand; users in any order."""
    cdef uint64_t state = book_hash(&engine.book)
    cdef uint64_t users = 0
    cdef uint64_t slot
    for slot in range(1, engine.users_used + 1):
        if engine.users[slot].net or engine.users[slot].open_orders:
            users += mix(mix(mix(17, engine.users[slot].user_id), engine.users[slot].net),
                         engine.users[slot].open_orders)
    state = mix(state, users)
    if engine.taker.active:
        state = mix(mix(mix(state, engine.taker.oid), engine.taker.remaining),
                    engine.taker.reserved)
    return state


cdef int engine_audit(engine_t* engine) except -1:
    """Everything that can be checked without a second model: book, users, positions (INV-4)."""
    cdef int64_t net = 0
    cdef uint64_t slot, open_orders = 0
    book_audit(&engine.book, False)
    if engine.is_shadow:
        return 0
    for slot in range(1, engine.users_used + 1):
        net += engine.users[slot].net
        open_orders += engine.users[slot].open_orders
    if net != 0:
        return fail(4, engine.rules.symbol_id, net)
    if open_orders != engine.book.live:
        return fail(8, open_orders, engine.book.live)
    return 0
