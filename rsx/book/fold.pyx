# cython: boundscheck=False
"""Folding the log into a book: recovery, the shadow of market data and the auditor use this.

No decision is made here: every record says what happened, and anything it says that does not fit
the state is a failed check (INV-14). Source: specs/matching.md F-1 to F-3.
"""

from libc.stdint cimport int64_t, uint8_t, uint16_t, uint32_t, uint64_t

from rsx.book.audit cimport book_audit
from rsx.book.book cimport NONE, book_find, book_hash, book_take, mix, order_t
from rsx.book.cids cimport CID_ORDER, CID_TRIGGER, cid_entry_t, cids_at, cids_put
from rsx.book.conditional cimport (
    conditional_apply, conditional_audit, conditional_hash, conditional_price,
    conditional_settle, conditional_take,
)
from rsx.book.live_rules cimport fold_rules, is_rule_record
from rsx.book.matching cimport engine_t, taker_t, user_t
from rsx.book.orders cimport (
    cut_resting, cut_taker, drop_resting, end_rejected, forget_taker, keep_amended, lift_resting,
    move_held, orders_audit, rest_taker, take_in_hand, user_slot_of,
)
from rsx.book.recentre cimport book_recentre_check
from rsx.book.reduce cimport plan_trims
from rsx.book.rules cimport is_fired_kind, mark_of, take_mark
from rsx.book.transfer cimport apply_transferred
from rsx.core.check cimport fail
from rsx.records_c cimport *


cdef int apply_accepted(engine_t* engine, const rsx_order_accepted_t* event) except -1 nogil:
    cdef rsx_order_new_t order
    cdef uint32_t user_slot = 0, cid_place = 0
    if engine.taker.active:
        return fail(14, event.seq, engine.taker.oid)
    if event.px <= 0 or event.px > engine.rules.px_max or event.side > RSX_SELL:
        return fail(14, event.seq, event.px)
    rsx_record_copy(&order, event)
    if not engine.is_shadow:
        if is_fired_kind(event.kind):
            if not conditional_take(engine, &order, &cid_place):
                return fail(14, event.seq, event.oid)
            if cid_place:
                cids_at(&engine.cids, cid_place).live = CID_ORDER
                cids_at(&engine.cids, cid_place).slot = 0
        elif event.cid_len:
            cid_place = cids_put(&engine.cids, CID_ORDER, event.user_id, event.cid,
                                 event.cid_len, event.oid, event.ts_ns)
        user_slot = user_slot_of(engine, event.user_id)
        if user_slot == 0:
            return fail(14, event.seq, event.user_id)
    take_in_hand(engine, &order, event.px, user_slot, cid_place)
    if event.flags & RSX_RESTS:
        return rest_taker(engine)
    return 0


cdef int apply_rejected(engine_t* engine, const rsx_order_rejected_t* event) except -1 nogil:
    """Only the order of a trigger leaves something to note: the trigger's end."""
    cdef rsx_order_new_t order
    cdef uint32_t cid_place = 0
    if engine.is_shadow or not is_fired_kind(event.kind):
        return 0
    rsx_record_init(&order, RSX_ORDER_NEW, 0)
    order.oid = event.oid
    order.px = event.px
    order.qty = event.qty
    order.user_id = event.user_id
    order.kind = event.kind
    order.side = event.side
    order.tif = event.tif
    order.flags = event.flags
    if not conditional_take(engine, &order, &cid_place):
        return fail(14, event.seq, event.oid)
    if cid_place:
        end_rejected(engine, cids_at(&engine.cids, cid_place), &order, event.reason)
    return 0


cdef int apply_fill(engine_t* engine, const rsx_fill_t* event) except -1 nogil:
    cdef taker_t* taker = &engine.taker
    cdef uint32_t slot = book_find(&engine.book, event.maker_oid), maker_slot
    cdef order_t* maker
    if not taker.active or taker.oid != event.taker_oid or slot == NONE:
        return fail(14, event.seq, event.maker_oid)
    maker = &engine.book.orders[slot]
    if maker.remaining - event.qty != event.maker_remaining:
        return fail(14, event.seq, maker.remaining)
    if taker.remaining - event.qty != event.taker_remaining:
        return fail(14, event.seq, taker.remaining)
    maker_slot = maker.user_slot
    taker.remaining = event.taker_remaining
    taker.reserved -= event.taker_release
    maker.reserved -= event.maker_release
    book_take(&engine.book, slot, event.qty)
    if not engine.is_shadow:
        move_held(engine.users[taker.user_slot].held, taker.side, taker.flags, event.qty)
        move_held(engine.users[maker_slot].held, maker.side, maker.flags, event.qty)
    if maker.remaining == 0:
        drop_resting(engine, slot, RSX_STATUS_FILLED, RSX_R_NONE)
    if taker.remaining == 0:
        forget_taker(engine, RSX_STATUS_FILLED, RSX_R_NONE)
    if not engine.is_shadow:
        plan_trims(engine, maker_slot, taker.user_slot)
    engine.fills += 1
    engine.last_px = event.px
    if engine.first_fill_px == 0:
        engine.first_fill_px = event.px
    return 0


cdef int apply_rested(engine_t* engine, const rsx_order_rested_t* event) except -1 nogil:
    cdef taker_t* taker = &engine.taker
    if not taker.active or taker.oid != event.oid:
        return fail(14, event.seq, event.oid)
    if taker.remaining != event.remaining or taker.reserved != event.reserved:
        return fail(14, event.seq, taker.remaining)
    return rest_taker(engine)


cdef int apply_cancelled(engine_t* engine, const rsx_order_cancelled_t* event) except -1 nogil:
    cdef uint32_t slot
    if engine.taker.active and engine.taker.oid == event.oid:
        if engine.taker.remaining != event.cancelled_qty:
            return fail(14, event.seq, engine.taker.remaining)
        forget_taker(engine, RSX_STATUS_CANCELLED, event.reason)
        return 0
    slot = book_find(&engine.book, event.oid)
    if slot == NONE or engine.book.orders[slot].remaining != event.cancelled_qty:
        return fail(14, event.seq, event.oid)
    drop_resting(engine, slot, RSX_STATUS_CANCELLED, event.reason)
    return 0


cdef int apply_reduced(engine_t* engine, const rsx_order_reduced_t* event) except -1 nogil:
    cdef taker_t* taker = &engine.taker
    cdef uint32_t slot
    if taker.active and taker.oid == event.oid:
        if taker.remaining - event.cancelled_qty != event.remaining:
            return fail(14, event.seq, taker.remaining)
        cut_taker(engine, event.cancelled_qty, event.released)
        return 0
    slot = book_find(&engine.book, event.oid)
    if slot == NONE or event.remaining <= 0:
        return fail(14, event.seq, event.oid)
    if engine.book.orders[slot].remaining - event.cancelled_qty != event.remaining:
        return fail(14, event.seq, engine.book.orders[slot].remaining)
    cut_resting(engine, slot, event.cancelled_qty, event.released)
    return 0


cdef int apply_amended(engine_t* engine, const rsx_order_amended_t* event) except -1 nogil:
    cdef taker_t* taker = &engine.taker
    cdef uint32_t slot = book_find(&engine.book, event.oid)
    if taker.active or slot == NONE or event.remaining <= 0:
        return fail(14, event.seq, event.oid)
    if event.flags & RSX_KEPT:
        if event.remaining > engine.book.orders[slot].remaining:
            return fail(14, event.seq, event.remaining)
        keep_amended(engine, slot, event.qty, event.remaining, event.reserved)
        return 0
    if event.px <= 0 or event.px > engine.rules.px_max:
        return fail(14, event.seq, event.px)
    lift_resting(engine, slot)
    taker.px = event.px
    taker.open_qty = event.qty
    taker.remaining = event.remaining
    taker.reserved = event.reserved
    if event.flags & RSX_RESTS:
        return rest_taker(engine)
    return 0


cdef int apply_one(engine_t* engine, const rsx_record_t* record) except -1 nogil:
    if record.type == RSX_ORDER_ACCEPTED:
        return apply_accepted(engine, <const rsx_order_accepted_t*>record)
    if record.type == RSX_FILL:
        return apply_fill(engine, <const rsx_fill_t*>record)
    if record.type == RSX_ORDER_CANCELLED:
        return apply_cancelled(engine, <const rsx_order_cancelled_t*>record)
    if record.type == RSX_ORDER_RESTED:
        return apply_rested(engine, <const rsx_order_rested_t*>record)
    if record.type == RSX_ORDER_REDUCED:
        return apply_reduced(engine, <const rsx_order_reduced_t*>record)
    if record.type == RSX_ORDER_AMENDED:
        return apply_amended(engine, <const rsx_order_amended_t*>record)
    if record.type == RSX_ORDER_REJECTED:
        return apply_rejected(engine, <const rsx_order_rejected_t*>record)
    if record.type == RSX_TRADING_MODE:
        engine.mode = (<const rsx_trading_mode_t*>record).mode
        return 0
    if record.type == RSX_MARK_PRICE:
        take_mark(engine, <const rsx_mark_price_t*>record)
        return 0
    if record.type == RSX_POSITION_TRANSFERRED:
        return apply_transferred(engine, <const rsx_position_transferred_t*>record)
    if is_rule_record(record.type):
        return fold_rules(engine, record)
    return 0 if engine.is_shadow else conditional_apply(engine, record)


cdef int engine_apply(engine_t* engine, const rsx_record_t* record) except -1 nogil:
    """Apply one logged record of this symbol; records of other types change nothing here."""
    book_recentre_check(&engine.book)  # of what the records before it left: a fold has its own map
    apply_one(engine, record)
    if record.header_flags & RSX_GROUP_END:
        engine.trims.user = engine.trims.then_user = 0
        if not engine.is_shadow and (engine.first_fill_px or engine.mark_moved):
            conditional_price(engine)
            conditional_settle(engine)
        engine.first_fill_px = 0
        engine.mark_moved = 0
    return 0


cdef uint64_t engine_hash(const engine_t* engine) noexcept nogil:
    """F-3: book, expiries, positions, prices, triggers and the order in hand; users and expiries
    in any order."""
    return engine_hash_of(engine, book_hash(&engine.book))


cdef uint64_t engine_hash_of(const engine_t* engine, uint64_t state) noexcept nogil:
    """What is left of engine_hash when book_hash is known."""
    cdef uint64_t users = 0, expiries = 0, slot
    cdef const user_t* user
    cdef const taker_t* taker = &engine.taker
    for slot in range(1, engine.users_used + 1):
        user = &engine.users[slot]
        if user.held[0] or user.held[1] or user.open_orders or user.owner_group:
            users += mix(mix(mix(mix(mix(17, user.user_id), user.held[0]), user.held[1]),
                             user.open_orders), user.owner_group)
    for slot in range(1, <uint64_t>engine.expiries.count + 1):
        expiries += mix(mix(19, engine.expiries.items[slot].tie), engine.expiries.items[slot].key)
    state = mix(mix(state, users), expiries)
    state = mix(mix(mix(state, engine.mode), engine.last_px), mark_of(engine))
    if taker.active:
        state = mix(mix(mix(mix(state, taker.oid), taker.px), taker.remaining), taker.reserved)
        state = mix(mix(state, taker.expire_s), taker.stp)
    return conditional_hash(engine, state)


cdef int engine_audit(engine_t* engine) except -1:
    """Everything that can be checked without a second model: book, users, positions (INV-4)."""
    cdef int64_t net = 0
    cdef uint64_t slot
    book_audit(&engine.book, False)
    if engine.is_shadow:
        return 0
    for slot in range(1, engine.users_used + 1):
        net += engine.users[slot].held[0] - engine.users[slot].held[1]
        if engine.users[slot].held[0] < 0 or engine.users[slot].held[1] < 0:
            return fail(4, engine.users[slot].user_id, slot)
    if net != 0:
        return fail(4, engine.rules.symbol_id, net)
    orders_audit(engine)
    return conditional_audit(engine)
