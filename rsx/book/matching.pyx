# cython: boundscheck=False
"""Matching of one symbol: a pure function from requests to event records.

Reads requests (ORDER_NEW, ORDER_CANCEL), writes events into the output ring in the order in
which they happened; time is an argument. Steps M-1 to M-13, C-1, C-2, R-1 to R-3 and F-1 to F-3
are those of specs/matching.md. Folding the log lives in fold.pyx.

Never: allocates after start, reads a clock, decides by anything but the request and its state.
Enforces INV-1, 2, 3, 6, 13, 16, 17, 20, 21.
"""

from libc.stdint cimport int64_t, uint8_t, uint16_t, uint32_t, uint64_t
from libc.string cimport memcpy, memset

from rsx.book.book cimport (
    NONE, best_level, best_px, book_find, book_free, book_init, book_insert, book_remove,
    book_take, level_at, order_px, order_t, worse_level,
)
from rsx.book.cids cimport (
    cid_entry_t, cid_is_remembered, cids_at, cids_find, cids_free, cids_init, cids_put,
)
from rsx.book.recentre cimport book_recentre_check, book_recentre_move
from rsx.core.check cimport fail
from rsx.core.idmap cimport idmap_free, idmap_get, idmap_init, idmap_put
from rsx.core.memory cimport RSX_PAGES_SMALL, rsx_map, rsx_unmap
from rsx.core.ring cimport ring_claim_sure, ring_commit, ring_free, ring_t
from rsx.records_c cimport *
from rsx.units cimport rsx_divisor, rsx_fee, rsx_keep, rsx_product_within, rsx_steps

cdef enum:
    # Most records one step writes without looking for room again: ACCEPTED, REDUCED and the
    # end of the order; or a FILL, the cut of its maker and the end of the order.
    ROOM = 4


cdef int engine_init(engine_t* engine, object symbol, uint32_t orders_max, uint64_t users_max,
                     uint32_t open_orders_max, uint64_t window_ns, uint64_t cids_max,
                     uint32_t level_slots_max) except -1:
    memset(engine, 0, sizeof(engine_t))
    engine.rules.symbol_id = symbol.id
    engine.rules.tick = symbol.tick
    engine.rules.lot = symbol.lot
    engine.rules.px_max = symbol.px_max
    engine.rules.qty_max = symbol.qty_max
    engine.rules.notional_max = symbol.notional_max
    engine.rules.tick_steps = rsx_divisor(symbol.tick, symbol.px_max)
    engine.rules.lot_steps = rsx_divisor(symbol.lot, symbol.qty_max)
    engine.rules.maker_fee_ppm = symbol.maker_fee_ppm
    engine.rules.taker_fee_ppm = symbol.taker_fee_ppm
    engine.open_orders_max = open_orders_max
    engine.users_max = users_max
    book_init(&engine.book, symbol.tick, symbol.px_max, symbol.reference_px, orders_max,
              level_slots_max)
    cids_init(&engine.cids, cids_max, window_ns)
    engine.users = <user_t*>rsx_map((users_max + 1) * sizeof(user_t), RSX_PAGES_SMALL)
    if engine.users == NULL:
        raise MemoryError(f"{users_max} users")
    idmap_init(&engine.user_slots, users_max, &engine.users[0].user_id, sizeof(user_t), 32)
    return 0


cdef void engine_free(engine_t* engine) noexcept nogil:
    book_free(&engine.book)
    cids_free(&engine.cids)
    if engine.user_slots.entries != NULL:
        idmap_free(&engine.user_slots)
    rsx_unmap(engine.users, (engine.users_max + 1) * sizeof(user_t))


cdef uint32_t user_slot_of(engine_t* engine, uint32_t user_id) noexcept nogil:
    """The user's slot, made when new; 0 when the table is full."""
    cdef uint32_t slot = idmap_get(&engine.user_slots, user_id)
    if slot:
        return slot
    if engine.users_used >= engine.users_max:
        return 0
    engine.users_used += 1
    slot = <uint32_t>engine.users_used
    engine.users[slot].user_id = user_id
    idmap_put(&engine.user_slots, user_id, slot)
    return slot


cdef inline int64_t reducible(int64_t net, uint8_t side) noexcept nogil:
    """How much an order of this side can take off a position."""
    if side == RSX_BUY:
        return -net if net < 0 else 0
    return net if net > 0 else 0


cdef inline bint crosses(const engine_t* engine, uint8_t side, int64_t px) noexcept nogil:
    """Whether an order of this side at this price meets the best opposite one."""
    cdef int64_t best = best_px(&engine.book, 1 - side)
    if best == 0:
        return False
    return px >= best if side == RSX_BUY else px <= best


# --- answers ----------------------------------------------------------------------------------


cdef inline void* emit(engine_t* engine, ring_t* out, uint16_t type, uint64_t ts_ns) noexcept nogil:
    """A zeroed record in the output ring; room was made sure of (ROOM)."""
    cdef uint8_t* slot = ring_claim_sure(out)
    rsx_record_init(slot, type, <uint16_t>engine.rules.symbol_id)
    (<rsx_record_t*>slot).ts_ns = ts_ns
    return slot


cdef int finish(void* last, ring_t* out) noexcept nogil:
    """Mark the last record of the request (M-11) and show the log all of them."""
    (<rsx_record_t*>last).header_flags = RSX_GROUP_END
    ring_commit(out)
    return DONE


cdef int reject(engine_t* engine, const rsx_order_new_t* order, uint16_t reason,
                uint64_t original_oid, uint64_t ts_ns, ring_t* out) noexcept nogil:
    cdef rsx_order_rejected_t* event = <rsx_order_rejected_t*>emit(
        engine, out, RSX_ORDER_REJECTED, ts_ns)
    event.oid = order.oid
    event.px = order.px
    event.qty = order.qty
    event.released = order.reserved
    event.user_id = order.user_id
    event.symbol_id = order.symbol_id
    # What no reader of the log knows is left 0 (M-2).
    event.side = order.side if order.side <= RSX_SELL else 0
    event.tif = order.tif if order.tif <= RSX_FOK else 0
    event.flags = order.flags & (RSX_POST_ONLY | RSX_REDUCE_ONLY)
    event.cid_len = min(order.cid_len, 36)
    memcpy(event.cid, order.cid, 36)
    event.reason = reason
    return finish(event, out)


cdef rsx_order_cancelled_t* emit_cancelled(
        engine_t* engine, const order_t* order, uint16_t reason, uint64_t ts_ns,
        ring_t* out) noexcept nogil:
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


cdef rsx_order_cancelled_t* end_taker(engine_t* engine, uint16_t reason, uint64_t ts_ns,
                                      ring_t* out) noexcept nogil:
    """Cancel what is left of the order in hand."""
    cdef taker_t* taker = &engine.taker
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
    forget_taker(engine)
    return event


cdef void forget_taker(engine_t* engine) noexcept nogil:
    """The order in hand has ended."""
    if engine.taker.cid_place:
        cids_at(&engine.cids, engine.taker.cid_place).live = 0
    engine.taker.active = 0


cdef void drop_resting(engine_t* engine, uint32_t slot) noexcept nogil:
    """A resting order has ended: out of the book, its client id ages from now on."""
    cdef order_t* order = &engine.book.orders[slot]
    if order.cid_place:
        cids_at(&engine.cids, order.cid_place).live = 0
        cids_at(&engine.cids, order.cid_place).slot = 0
    if not engine.is_shadow:
        engine.users[order.user_slot].open_orders -= 1
    book_remove(&engine.book, slot)


cdef int rest_taker(engine_t* engine) except -1 nogil:
    """Move the order in hand into the book."""
    cdef taker_t* taker = &engine.taker
    cdef uint32_t slot = book_insert(
        &engine.book, taker.oid, taker.side, taker.px, taker.remaining)
    cdef order_t* order
    if slot == NONE:
        return fail(8, engine.book.live, engine.book.capacity)
    order = &engine.book.orders[slot]
    order.qty = taker.open_qty
    order.reserved = taker.reserved
    order.user_id = taker.user_id
    order.user_slot = taker.user_slot
    order.tif = taker.tif
    order.flags = taker.flags & <uint8_t>~RSX_RESTS
    order.cid_place = taker.cid_place
    if taker.cid_place:
        cids_at(&engine.cids, taker.cid_place).slot = slot
    if not engine.is_shadow:
        engine.users[taker.user_slot].open_orders += 1
    taker.active = 0
    return 0


# --- a new order ------------------------------------------------------------------------------


cdef uint16_t broken_rule(const engine_t* engine, const rsx_order_new_t* order) noexcept nogil:
    """M-2: 0 when the order keeps the symbol's rules, else 3008."""
    cdef const rules_t* rules = &engine.rules
    if order.symbol_id != rules.symbol_id or order.user_id == 0 or order.oid == 0:
        return RSX_R_ORDER_INVALID
    if order.side > RSX_SELL or order.tif > RSX_FOK or order.cid_len > 36:
        return RSX_R_ORDER_INVALID
    if order.flags & <uint8_t>~(RSX_POST_ONLY | RSX_REDUCE_ONLY):
        return RSX_R_ORDER_INVALID
    if order.flags & RSX_POST_ONLY and order.tif != RSX_GTC:
        return RSX_R_ORDER_INVALID
    if order.px <= 0 or order.px > rules.px_max:
        return RSX_R_ORDER_INVALID
    if order.qty <= 0 or order.qty > rules.qty_max or order.reserved < 0:
        return RSX_R_ORDER_INVALID
    if rsx_steps(order.px, rules.tick_steps) * rules.tick != order.px:
        return RSX_R_ORDER_INVALID
    if rsx_steps(order.qty, rules.lot_steps) * rules.lot != order.qty:
        return RSX_R_ORDER_INVALID
    if not rsx_product_within(order.px, order.qty, rules.notional_max):
        return RSX_R_ORDER_INVALID
    return RSX_R_NONE


cdef inline int64_t* simulated(engine_t* engine, uint32_t slot) noexcept nogil:
    """The user's position within the running feasibility count."""
    cdef user_t* user = &engine.users[slot]
    if user.simulated_mark != engine.simulation:
        user.simulated_mark = engine.simulation
        user.simulated_net = user.net
    return &user.simulated_net


cdef bint is_fillable(engine_t* engine, uint8_t side, int64_t limit_px, int64_t qty,
                      uint32_t taker_slot) noexcept nogil:
    """M-6: whether qty can trade, walking the book as the match will (M-9 included; INV-20)."""
    cdef uint8_t maker_side = 1 - side
    cdef uint32_t level = best_level(&engine.book, maker_side), slot
    cdef const order_t* maker
    cdef int64_t traded, px
    engine.simulation += 1
    while level != NONE:
        px = level_at(&engine.book, level).px
        if px > limit_px if side == RSX_BUY else px < limit_px:
            return False
        slot = level_at(&engine.book, level).head
        while slot != NONE:
            maker = &engine.book.orders[slot]
            slot = maker.next
            traded = min(maker.remaining, qty)
            if maker.flags & RSX_REDUCE_ONLY:
                traded = min(traded, reducible(simulated(engine, maker.user_slot)[0], maker_side))
            qty -= traded
            if qty == 0:
                return True
            simulated(engine, maker.user_slot)[0] += traded if maker_side == RSX_BUY else -traded
            simulated(engine, taker_slot)[0] += traded if side == RSX_BUY else -traded
        level = worse_level(&engine.book, maker_side, level)
    return False


cdef int new_order(engine_t* engine, const rsx_order_new_t* order, uint64_t ts_ns,
                   ring_t* out) except -1 nogil:
    """M-1 to M-7, then the match."""
    cdef taker_t* taker = &engine.taker
    cdef cid_entry_t* entry
    cdef uint16_t reason
    cdef uint32_t user_slot
    cdef int64_t qty = order.qty
    if order.cid_len and order.cid_len <= 36:
        entry = cids_find(&engine.cids, order.user_id, order.cid, order.cid_len)
        if entry != NULL and cid_is_remembered(&engine.cids, entry, ts_ns):
            return reject(engine, order, RSX_R_DUPLICATE_CLIENT_ID, entry.oid, ts_ns, out)
    reason = broken_rule(engine, order)
    if reason:
        return reject(engine, order, reason, 0, ts_ns, out)
    # A new user has slot 0, an empty one, until its first acceptance: a refusal leaves no trace.
    user_slot = idmap_get(&engine.user_slots, order.user_id)
    if user_slot == 0 and engine.users_used >= engine.users_max:
        return reject(engine, order, RSX_R_BOOK_FULL, 0, ts_ns, out)
    if order.tif == RSX_GTC:
        if engine.book.live >= engine.book.capacity:
            return reject(engine, order, RSX_R_BOOK_FULL, 0, ts_ns, out)
        if engine.users[user_slot].open_orders >= engine.open_orders_max:
            return reject(engine, order, RSX_R_TOO_MANY_OPEN_ORDERS, 0, ts_ns, out)
    if order.flags & RSX_REDUCE_ONLY:
        qty = min(qty, reducible(engine.users[user_slot].net, order.side))
        if qty == 0:
            return reject(engine, order, RSX_R_REDUCE_ONLY_NO_POSITION, 0, ts_ns, out)
    if order.flags & RSX_POST_ONLY and crosses(engine, order.side, order.px):
        return reject(engine, order, RSX_R_POST_ONLY_WOULD_CROSS, 0, ts_ns, out)
    if order.tif == RSX_FOK and not is_fillable(
            engine, order.side, order.px, qty, user_slot):
        return reject(engine, order, RSX_R_FOK_NOT_FILLABLE, 0, ts_ns, out)
    taker.oid = order.oid
    taker.px = order.px
    taker.qty = order.qty
    taker.open_qty = order.qty
    taker.remaining = order.qty
    taker.reserved = order.reserved
    taker.user_id = order.user_id
    taker.user_slot = user_slot or user_slot_of(engine, order.user_id)
    taker.side = order.side
    taker.tif = order.tif
    taker.flags = order.flags
    taker.active = 1
    taker.cid_place = 0
    if order.cid_len:
        taker.cid_place = cids_put(&engine.cids, engine.book.orders, order.user_id, order.cid,
                                   order.cid_len, order.oid, ts_ns)
    return accept(engine, order, qty, ts_ns, out)


cdef int accept(engine_t* engine, const rsx_order_new_t* order, int64_t qty, uint64_t ts_ns,
                ring_t* out) except -1 nogil:
    """M-7: the acceptance, the cut of M-4, and the order that rests whole."""
    cdef rsx_order_accepted_t* event = <rsx_order_accepted_t*>ring_claim_sure(out)
    # ORDER_NEW and ORDER_ACCEPTED have the same payload; only header, number and time differ.
    rsx_record_copy(event, order)
    event.header_flags = 0
    event.type = RSX_ORDER_ACCEPTED
    event.stream = <uint16_t>engine.rules.symbol_id
    event.seq = 0
    event.ts_ns = ts_ns
    if qty < order.qty:
        cut_taker(engine, qty, ts_ns, out)
    elif order.tif == RSX_GTC and not crosses(engine, order.side, order.px):
        event.flags |= RSX_RESTS
        rest_taker(engine)
        return finish(event, out)
    ring_commit(out)
    return match(engine, ts_ns, out)


cdef void cut_taker(engine_t* engine, int64_t qty, uint64_t ts_ns, ring_t* out) noexcept nogil:
    """Shrink the order in hand to qty > 0 because a reduce-only order may not do more."""
    cdef taker_t* taker = &engine.taker
    cdef int64_t kept = rsx_keep(taker.reserved, qty, taker.remaining)
    cdef rsx_order_reduced_t* event = <rsx_order_reduced_t*>emit(
        engine, out, RSX_ORDER_REDUCED, ts_ns)
    event.oid = taker.oid
    event.px = taker.px
    event.cancelled_qty = taker.remaining - qty
    event.remaining = qty
    event.released = taker.reserved - kept
    event.user_id = taker.user_id
    event.symbol_id = engine.rules.symbol_id
    event.reason = RSX_R_REDUCE_ONLY_EXCESS
    event.side = taker.side
    event.flags = taker.flags
    taker.open_qty -= taker.remaining - qty
    taker.remaining = qty
    taker.reserved = kept


# --- the match --------------------------------------------------------------------------------


cdef int match(engine_t* engine, uint64_t ts_ns, ring_t* out) except -1 nogil:
    """M-8 to M-12 for the order in hand; BLOCKED when the ring is full, to be called again."""
    cdef taker_t* taker = &engine.taker
    cdef uint8_t maker_side = 1 - taker.side
    cdef bint any_claimed = False
    cdef bint is_crossing = crosses(engine, taker.side, taker.px)
    cdef int64_t allowed
    cdef uint32_t slot
    while is_crossing:
        if ring_free(out, ROOM) < ROOM:
            if any_claimed:
                ring_commit(out)
            return BLOCKED
        if taker.flags & RSX_REDUCE_ONLY:
            allowed = reducible(engine.users[taker.user_slot].net, taker.side)
            if allowed < taker.remaining:  # INV-17: cut at M-4, and only its own fills since
                return fail(17, taker.oid, allowed)
        slot = level_at(&engine.book, best_level(&engine.book, maker_side)).head
        if trade(engine, slot, ts_ns, out):
            return DONE
        any_claimed = True
        is_crossing = crosses(engine, taker.side, taker.px)
    if ring_free(out, ROOM) < ROOM:
        if any_claimed:
            ring_commit(out)
        return BLOCKED
    if taker.tif == RSX_FOK:
        return fail(20, taker.oid, taker.remaining)
    if taker.tif == RSX_IOC:
        return finish(end_taker(engine, RSX_R_IOC_REMAINDER, ts_ns, out), out)
    finish(emit_rested(engine, ts_ns, out), out)
    return check_uncrossed(engine)


cdef rsx_order_rested_t* emit_rested(engine_t* engine, uint64_t ts_ns,
                                     ring_t* out) except NULL nogil:
    cdef taker_t* taker = &engine.taker
    cdef rsx_order_rested_t* event = <rsx_order_rested_t*>emit(
        engine, out, RSX_ORDER_RESTED, ts_ns)
    event.oid = taker.oid
    event.px = taker.px
    event.remaining = taker.remaining
    event.user_id = taker.user_id
    event.symbol_id = engine.rules.symbol_id
    event.side = taker.side
    event.flags = taker.flags
    rest_taker(engine)
    return event


cdef inline int check_uncrossed(engine_t* engine) except -1 nogil:
    cdef int64_t bid = best_px(&engine.book, RSX_BUY), ask = best_px(&engine.book, RSX_SELL)
    if ask and bid >= ask:  # INV-6
        return fail(6, bid, ask)
    return DONE


cdef int trade(engine_t* engine, uint32_t slot, uint64_t ts_ns, ring_t* out) except -1 nogil:
    """One meeting of the order in hand with a maker; 1 when the order in hand has ended."""
    cdef taker_t* taker = &engine.taker
    cdef order_t* maker = &engine.book.orders[slot]
    cdef user_t* maker_user = &engine.users[maker.user_slot]
    cdef int64_t qty = min(maker.remaining, taker.remaining)
    cdef int64_t allowed = qty
    cdef rsx_fill_t* fill
    if maker.flags & RSX_REDUCE_ONLY:
        allowed = reducible(maker_user.net, maker.side)
        if allowed == 0:
            emit_cancelled(engine, maker, RSX_R_REDUCE_ONLY_EXCESS, ts_ns, out)
            drop_resting(engine, slot)
            return 0
    fill = emit_fill(engine, slot, min(qty, allowed), ts_ns, out)
    if maker.remaining == 0:
        drop_resting(engine, slot)
    elif allowed < qty:  # so the order in hand has something left
        emit_cancelled(engine, maker, RSX_R_REDUCE_ONLY_EXCESS, ts_ns, out)
        drop_resting(engine, slot)
    if taker.remaining == 0:
        forget_taker(engine)
        finish(fill, out)
        return 1
    return 0


cdef rsx_fill_t* emit_fill(engine_t* engine, uint32_t slot, int64_t qty, uint64_t ts_ns,
                           ring_t* out) noexcept nogil:
    """Trade qty at the maker's price: record, quantities, reservations, positions (R-1 to R-3)."""
    cdef taker_t* taker = &engine.taker
    cdef order_t* maker = &engine.book.orders[slot]
    cdef rsx_fill_t* fill = <rsx_fill_t*>emit(engine, out, RSX_FILL, ts_ns)
    cdef int64_t px = order_px(&engine.book, maker)
    cdef int64_t notional = px * qty  # within notional_max: qty <= the maker's, px is the maker's
    cdef int64_t kept = rsx_keep(taker.reserved, taker.remaining - qty, taker.remaining)
    cdef int64_t signed_qty = qty if taker.side == RSX_BUY else -qty
    fill.taker_oid = taker.oid
    fill.maker_oid = maker.oid
    fill.px = px
    fill.qty = qty
    fill.taker_fee = rsx_fee(notional, engine.rules.taker_fee_ppm)
    fill.maker_fee = rsx_fee(notional, engine.rules.maker_fee_ppm)
    fill.taker_release = taker.reserved - kept
    taker.reserved = kept
    kept = rsx_keep(maker.reserved, maker.remaining - qty, maker.remaining)
    fill.maker_release = maker.reserved - kept
    maker.reserved = kept
    taker.remaining -= qty
    book_take(&engine.book, slot, qty)
    fill.taker_remaining = taker.remaining
    fill.maker_remaining = maker.remaining
    fill.taker_user_id = taker.user_id
    fill.maker_user_id = maker.user_id
    fill.symbol_id = engine.rules.symbol_id
    fill.taker_side = taker.side
    fill.taker_flags = taker.flags
    fill.maker_flags = maker.flags
    engine.users[taker.user_slot].net += signed_qty
    engine.users[maker.user_slot].net -= signed_qty
    engine.fills += 1
    return fill


# --- cancel -----------------------------------------------------------------------------------


cdef int cancel_order(engine_t* engine, const rsx_order_cancel_t* request, uint64_t ts_ns,
                      ring_t* out) noexcept nogil:
    """C-1, C-2."""
    cdef uint32_t slot = NONE
    cdef cid_entry_t* entry
    cdef rsx_order_cancelled_t* event
    cdef rsx_cancel_rejected_t* refusal
    if request.oid:
        slot = book_find(&engine.book, request.oid)
        if slot != NONE and engine.book.orders[slot].user_id != request.user_id:
            slot = NONE
    elif request.cid_len and request.cid_len <= 36:
        entry = cids_find(&engine.cids, request.user_id, request.cid, request.cid_len)
        if entry != NULL:
            slot = entry.slot
    if slot != NONE:
        event = emit_cancelled(engine, &engine.book.orders[slot], RSX_R_USER_CANCEL, ts_ns, out)
        event.request_id = request.request_id
        drop_resting(engine, slot)
        return finish(event, out)
    refusal = <rsx_cancel_rejected_t*>emit(engine, out, RSX_CANCEL_REJECTED, ts_ns)
    refusal.oid = request.oid
    refusal.request_id = request.request_id
    refusal.user_id = request.user_id
    refusal.symbol_id = request.symbol_id
    refusal.reason = RSX_R_ORDER_NOT_OPEN
    refusal.cid_len = request.cid_len
    memcpy(refusal.cid, request.cid, 36)
    return finish(refusal, out)


# --- entry points -----------------------------------------------------------------------------


cdef int engine_request(engine_t* engine, const rsx_record_t* request, uint64_t ts_ns,
                        ring_t* out) except -1 nogil:
    """Take one request. BLOCKED: either nothing was done and the request must be offered again
    (`taker.active` is 0), or its match goes on in engine_resume (`taker.active` is 1)."""
    cdef int done
    if engine.taker.active:
        return fail(1102, engine.taker.oid, request.type)
    if ring_free(out, ROOM) < ROOM:
        return BLOCKED
    engine.requests += 1
    if request.type == RSX_ORDER_NEW:
        done = new_order(engine, <const rsx_order_new_t*>request, ts_ns, out)
        book_recentre_check(&engine.book)
        return done
    if request.type == RSX_ORDER_CANCEL:
        done = cancel_order(engine, <const rsx_order_cancel_t*>request, ts_ns, out)
        book_recentre_move(&engine.book)
        return done
    return fail(1103, request.type, request.seq)


cdef int engine_resume(engine_t* engine, uint64_t ts_ns, ring_t* out) except -1 nogil:
    """Go on with the order in hand (M-12)."""
    cdef int done = match(engine, ts_ns, out)
    book_recentre_check(&engine.book)
    return done


cdef int engine_recovered(engine_t* engine, uint64_t ts_ns, ring_t* out) except -1 nogil:
    """F-2: cancel the order that the log left in hand, if any."""
    if not engine.taker.active:
        return DONE
    if ring_free(out, ROOM) < ROOM:
        return BLOCKED
    return finish(end_taker(engine, RSX_R_RESTART, ts_ns, out), out)

