# cython: boundscheck=False
"""Matching of one symbol: a pure function from requests to event records.

Reads requests, writes events into the output ring in the order in which they happened; time is an
argument. Here: the way of a request, a new order's steps M-1 to M-13, the match, self-trade
prevention (ST-1 to ST-3) and reservations (R-1 to R-3). Rules, trims, cancels, amendments and
triggers have files of their own; folding the log lives in fold.pyx.

    engine_request -> expiries due -> the request -> IDLE
                                          | ring full          ^
                                          v                    |
                      MATCHING, CANCELLING, PRICING --engine_resume

Never: allocates after start, reads a clock, decides by anything but the request and its state.
Enforces INV-1, 2, 3, 6, 13, 16, 17, 20, 21.
"""

from libc.stdint cimport int64_t, uint8_t, uint16_t, uint32_t, uint64_t
from libc.string cimport memcpy, memset

from rsx.book.amend cimport amend_order
from rsx.book.book cimport (
    NONE, best_level, best_px, book_free, book_init, book_take, level_at, order_px, order_t,
    worse_level,
)
from rsx.book.cancel cimport cancel_all, cancel_order, expire_due, sweep_on
from rsx.book.cids cimport (
    CID_ORDER, cid_entry_t, cid_is_remembered, cids_at, cids_find, cids_free, cids_hold,
    cids_init, cids_put,
)
from rsx.book.conditional cimport (
    conditional_fire, conditional_free, conditional_init, conditional_mode, conditional_price,
    conditional_recovered, conditional_refused, conditional_request, conditional_take,
)
from rsx.book.digest cimport log_digest
from rsx.book.events cimport (
    emit, emit_cancelled, emit_duplicate, emit_reduced, emit_rejected, emit_released,
    emit_rested, emit_taker_cancelled, finish,
)
from rsx.book.live_rules cimport change_rules, is_rule_record
from rsx.book.orders cimport (
    cut_taker, drop_resting, end_rejected, forget_taker, move_held, plan_expiry, reducible,
    rest_taker, take_in_hand, user_slot_of,
)
from rsx.book.recentre cimport book_recentre_check, book_recentre_move
from rsx.book.reduce cimport plan_trims, trim, trim_owed
from rsx.book.rules cimport (
    broken_rule, crosses, is_fired_kind, is_outside_band, px_beside_best, rules_init, take_mark,
    wrong_mode,
)
from rsx.book.transfer cimport is_one_way_of_two, transfer_position
from rsx.core.check cimport fail
from rsx.core.heap cimport heap_free, heap_init
from rsx.core.idmap cimport idmap_free, idmap_get, idmap_init
from rsx.core.memory cimport RSX_PAGES_HUGE, RSX_PAGES_SMALL, rsx_map, rsx_unmap
from rsx.core.ring cimport ring_claim_sure, ring_commit, ring_free, ring_t
from rsx.records_c cimport *
from rsx.units cimport rsx_fee, rsx_keep


cdef int engine_init(engine_t* engine, object symbol, dict limits) except -1:
    """Reserve the memory. Limits by name, as rsx.book.engine.Engine takes them.

    Raises ValueError or MemoryError; engine_free is safe in any state.
    """
    memset(engine, 0, sizeof(engine_t))
    rules_init(&engine.rules, symbol)
    engine.last_px = symbol.reference_px
    engine.open_orders_max = limits["open_orders_per_user_max"]
    engine.users_max = limits["users_max"]
    book_init(&engine.book, symbol.tick, symbol.px_max, symbol.reference_px,
              limits["orders_max"], limits["level_slots_max"])
    cids_init(&engine.cids, limits["dedup_orders_max"], limits["dedup_window_ns"])
    cids_hold(&engine.cids, CID_ORDER, &engine.book.orders[0].cid_place, sizeof(order_t))
    engine.users = <user_t*>rsx_map((engine.users_max + 1) * sizeof(user_t), RSX_PAGES_SMALL)
    engine.simulated = <simulated_t*>rsx_map(
        (engine.users_max + 1) * sizeof(simulated_t), RSX_PAGES_SMALL)
    engine.owns = <own_t*>rsx_map(
        (<size_t>engine.book.capacity + 1) * sizeof(own_t), RSX_PAGES_HUGE)
    if engine.users == NULL or engine.simulated == NULL or engine.owns == NULL:
        raise MemoryError(f"{engine.users_max} users")
    idmap_init(&engine.user_slots, engine.users_max, &engine.users[0].user_id, sizeof(user_t), 32)
    heap_init(&engine.expiries, engine.book.capacity, NULL, 0)
    conditional_init(engine, limits["triggers_max"], limits["open_triggers_per_user_max"])
    plan_expiry(engine)
    return 0


cdef void engine_free(engine_t* engine) noexcept nogil:
    conditional_free(engine)
    heap_free(&engine.expiries)
    if engine.owns != NULL:
        rsx_unmap(engine.owns, (<size_t>engine.book.capacity + 1) * sizeof(own_t))
    book_free(&engine.book)
    cids_free(&engine.cids)
    if engine.user_slots.entries != NULL:
        idmap_free(&engine.user_slots)
    rsx_unmap(engine.users, (engine.users_max + 1) * sizeof(user_t))
    rsx_unmap(engine.simulated, (engine.users_max + 1) * sizeof(simulated_t))


# --- a new order ------------------------------------------------------------------------------


cdef inline bint is_same_owner(const engine_t* engine, const order_t* maker, uint32_t user_id,
                               uint32_t owner_group) noexcept nogil:
    """ST-1."""
    if maker.user_id == user_id:
        return True
    return owner_group != 0 and engine.users[maker.user_slot].owner_group == owner_group


cdef inline int64_t* simulated(engine_t* engine, uint32_t slot) noexcept nogil:
    """What the user holds within the running feasibility count."""
    cdef simulated_t* own = &engine.simulated[slot]
    if own.mark != engine.simulation:
        own.mark = engine.simulation
        own.held[0] = engine.users[slot].held[0]
        own.held[1] = engine.users[slot].held[1]
    return own.held


cdef bint is_fillable(engine_t* engine, const rsx_order_new_t* order, int64_t qty,
                      uint32_t taker_slot) noexcept nogil:
    """M-6: whether qty can trade, walking the book as the match will (M-9, ST-3; INV-20)."""
    cdef uint8_t maker_side = 1 - order.side
    cdef uint32_t level = best_level(&engine.book, maker_side), slot
    cdef const order_t* maker
    cdef int64_t traded, px
    engine.simulation += 1
    while level != NONE:
        px = level_at(&engine.book, level).px
        if px > order.px if order.side == RSX_BUY else px < order.px:
            return False
        slot = level_at(&engine.book, level).head
        while slot != NONE:
            maker = &engine.book.orders[slot]
            slot = maker.next
            if order.stp and is_same_owner(engine, maker, order.user_id, order.owner_group):
                if order.stp == RSX_STP_OLDEST:
                    continue
                return False
            traded = min(maker.remaining, qty)
            if maker.flags & RSX_REDUCE_ONLY:
                traded = min(traded, simulated(engine, maker.user_slot)[1 - maker_side])
            qty -= traded
            if qty == 0:
                return True
            move_held(simulated(engine, maker.user_slot), maker_side, maker.flags, traded)
            move_held(simulated(engine, taker_slot), order.side, order.flags, traded)
        level = worse_level(&engine.book, maker_side, level)
    return False


cdef uint16_t refusal(engine_t* engine, const rsx_order_new_t* order, uint32_t user_slot,
                      int64_t* px, int64_t* qty, uint64_t ts_ns) noexcept nogil:
    """M-2 to M-6: 0, with the price of M-5 and the quantity of M-4, or the reason."""
    cdef const user_t* user = &engine.users[user_slot]
    cdef uint16_t reason = broken_rule(engine, order, ts_ns)
    if reason == RSX_R_NONE:
        reason = wrong_mode(engine, order.flags)
    if reason:
        return reason
    if is_outside_band(engine, order.side, order.kind, order.flags, order.px):
        return RSX_R_OUTSIDE_PRICE_BAND
    if user_slot == 0 and engine.users_used >= engine.users_max:
        return RSX_R_BOOK_FULL
    if order.tif == RSX_GTC or order.tif == RSX_GTD:
        if engine.book.live >= engine.book.capacity:
            return RSX_R_BOOK_FULL
        if user.open_orders >= engine.open_orders_max:
            return RSX_R_TOO_MANY_OPEN_ORDERS
    if order.flags & RSX_REDUCE_ONLY:
        qty[0] = min(order.qty, reducible(user, order.side))
        if qty[0] == 0:
            return RSX_R_REDUCE_ONLY_NO_POSITION
    if order.flags & RSX_POST_ONLY and crosses(engine, order.side, order.px):
        if order.flags & RSX_REPRICE:
            px[0] = px_beside_best(engine, order.side, order.qty)
        if not order.flags & RSX_REPRICE or px[0] == 0:
            return RSX_R_POST_ONLY_WOULD_CROSS
    if order.tif == RSX_FOK and not is_fillable(engine, order, qty[0], user_slot):
        return RSX_R_FOK_NOT_FILLABLE
    return RSX_R_NONE


cdef int new_order(engine_t* engine, const rsx_order_new_t* order, uint64_t ts_ns,
                   ring_t* out) except -1 nogil:
    """M-1 to M-7 for an order that was no trigger."""
    cdef cid_entry_t* entry
    cdef rsx_order_duplicate_t* event
    if is_fired_kind(order.kind):
        return fired_order(engine, order, ts_ns, out)
    if order.cid_len and order.cid_len <= 36:
        entry = cids_find(&engine.cids, order.user_id, order.cid, order.cid_len)
        if entry != NULL and cid_is_remembered(&engine.cids, entry, ts_ns):
            event = emit_duplicate(engine, entry, order.oid, order.user_id, order.side,
                                   order.flags, ts_ns, out)
            event.qty = order.qty
            event.released = order.reserved
            return finish(out)
    return take_order(engine, order, 0, ts_ns, out)


cdef int fired_order(engine_t* engine, const rsx_order_new_t* order, uint64_t ts_ns,
                     ring_t* out) except -1 nogil:
    """TR-6, TR-7: the order of a trigger, with its client id and the place of that."""
    cdef rsx_order_new_t copied
    cdef uint32_t cid_place = 0
    rsx_record_copy(&copied, order)
    if conditional_take(engine, &copied, &cid_place):
        return take_order(engine, &copied, cid_place, ts_ns, out)
    emit_released(engine, order.oid, order.user_id, order.side, order.flags, order.qty,
                  order.reserved, ts_ns, out)
    return finish(out)


cdef int take_order(engine_t* engine, const rsx_order_new_t* order, uint32_t cid_place,
                    uint64_t ts_ns, ring_t* out) except -1 nogil:
    """M-2 to M-7, then the match. cid_place: that of the trigger, which the order goes on with."""
    # A new user has slot 0, an empty one, until its first acceptance: a refusal leaves no trace.
    cdef uint32_t user_slot = idmap_get(&engine.user_slots, order.user_id)
    cdef int64_t px = order.px, qty = order.qty
    cdef uint16_t reason = refusal(engine, order, user_slot, &px, &qty, ts_ns)
    if reason:
        if cid_place:
            end_rejected(engine, cids_at(&engine.cids, cid_place), order, reason)
        return emit_rejected(engine, RSX_ORDER_REJECTED, order, reason, ts_ns, out)
    if is_one_way_of_two(&engine.users[user_slot], order.flags):
        return fail(1108, order.oid, order.user_id)
    if cid_place:
        cids_at(&engine.cids, cid_place).live = CID_ORDER
        cids_at(&engine.cids, cid_place).slot = 0
    elif order.cid_len:
        cid_place = cids_put(&engine.cids, CID_ORDER, order.user_id, order.cid, order.cid_len,
                             order.oid, ts_ns)
    if user_slot == 0:
        user_slot = user_slot_of(engine, order.user_id)
    take_in_hand(engine, order, px, user_slot, cid_place)
    return accept(engine, order, qty, ts_ns, out)


cdef int accept(engine_t* engine, const rsx_order_new_t* order, int64_t qty, uint64_t ts_ns,
                ring_t* out) except -1 nogil:
    """M-7: the acceptance, the cut of M-4, and the order that rests whole."""
    cdef rsx_order_accepted_t* event = <rsx_order_accepted_t*>ring_claim_sure(out)
    cdef taker_t* taker = &engine.taker
    cdef int64_t released
    # ORDER_NEW and ORDER_ACCEPTED have the same payload; only header, number and time differ.
    rsx_record_copy(event, order)
    event.header_flags = 0
    event.type = RSX_ORDER_ACCEPTED
    event.stream = <uint16_t>engine.rules.symbol_id
    event.seq = 0
    event.ts_ns = ts_ns
    event.px = taker.px
    if qty < order.qty:
        released = taker.reserved - rsx_keep(taker.reserved, qty, taker.remaining)
        emit_reduced(engine, taker.oid, taker.user_id, taker.side, taker.flags, taker.px,
                     order.qty - qty, qty, released, ts_ns, out)
        cut_taker(engine, order.qty - qty, released)
    elif (order.tif == RSX_GTC or order.tif == RSX_GTD) and not crosses(
            engine, taker.side, taker.px):
        event.flags |= RSX_RESTS
        rest_taker(engine)
        return finish(out)
    ring_commit(out)
    return match(engine, ts_ns, out)


# --- the match --------------------------------------------------------------------------------


cdef int stop(engine_t* engine, uint8_t work, ring_t* out) noexcept nogil:
    """The ring is full: show what was written, and note what to go on with (M-12)."""
    ring_commit(out)
    engine.work = work
    return BLOCKED


cdef int match(engine_t* engine, uint64_t ts_ns, ring_t* out) except -1 nogil:
    """M-8 to M-12 for the order in hand; BLOCKED when the ring is full, to be called again."""
    cdef taker_t* taker = &engine.taker
    cdef int64_t allowed
    while True:
        if engine.trims.user and trim(engine, ts_ns, out) == BLOCKED:
            return stop(engine, MATCHING, out)
        if not taker.active:
            return finish(out)
        if not crosses(engine, taker.side, taker.px):
            break
        if ring_free(out, ROOM) < ROOM:
            return stop(engine, MATCHING, out)
        if taker.flags & RSX_REDUCE_ONLY:
            allowed = reducible(&engine.users[taker.user_slot], taker.side)
            if allowed < taker.remaining:  # INV-17: cut at M-4, and only its own fills since
                return fail(17, taker.oid, allowed)
        trade(engine, level_at(&engine.book, best_level(&engine.book, 1 - taker.side)).head,
              ts_ns, out)
    if ring_free(out, ROOM) < ROOM:
        return stop(engine, MATCHING, out)
    return end_match(engine, ts_ns, out)


cdef int end_match(engine_t* engine, uint64_t ts_ns, ring_t* out) except -1 nogil:
    """M-10: what is left when nothing crosses any more."""
    cdef taker_t* taker = &engine.taker
    cdef int64_t bid, ask
    if taker.tif == RSX_FOK:
        return fail(20, taker.oid, taker.remaining)
    if taker.tif == RSX_IOC:
        emit_taker_cancelled(engine, RSX_R_IOC_REMAINDER, ts_ns, out)
        forget_taker(engine, RSX_STATUS_CANCELLED, RSX_R_IOC_REMAINDER)
        return finish(out)
    emit_rested(engine, ts_ns, out)
    rest_taker(engine)
    finish(out)
    bid = best_px(&engine.book, RSX_BUY)
    ask = best_px(&engine.book, RSX_SELL)
    if ask and bid >= ask:  # INV-6
        return fail(6, bid, ask)
    return DONE


cdef int trade(engine_t* engine, uint32_t slot, uint64_t ts_ns, ring_t* out) except -1 nogil:
    """One meeting of the order in hand with a maker."""
    cdef taker_t* taker = &engine.taker
    cdef order_t* maker = &engine.book.orders[slot]
    cdef uint32_t maker_slot = maker.user_slot
    cdef int64_t allowed
    if taker.stp and is_same_owner(engine, maker, taker.user_id,
                                   engine.users[taker.user_slot].owner_group):
        return prevent(engine, slot, ts_ns, out)
    if maker.flags & RSX_REDUCE_ONLY:
        allowed = reducible(&engine.users[maker_slot], maker.side)
        if allowed < maker.remaining:  # INV-17: trimmed at every fill of its user (RO-2)
            return fail(17, maker.oid, allowed)
    emit_fill(engine, slot, min(maker.remaining, taker.remaining), ts_ns, out)
    if maker.remaining == 0:
        drop_resting(engine, slot, RSX_STATUS_FILLED, RSX_R_NONE)
    if taker.remaining == 0:
        forget_taker(engine, RSX_STATUS_FILLED, RSX_R_NONE)
    if engine.users[maker_slot].newest_reduce or engine.users[taker.user_slot].newest_reduce:
        plan_trims(engine, maker_slot, taker.user_slot)
    return 0


cdef int prevent(engine_t* engine, uint32_t slot, uint64_t ts_ns, ring_t* out) except -1 nogil:
    """ST-2: the order in hand has met a maker of its own owner."""
    cdef uint8_t stp = engine.taker.stp
    if stp != RSX_STP_NEWEST:
        emit_cancelled(engine, &engine.book.orders[slot], RSX_R_SELF_TRADE, ts_ns, out)
        drop_resting(engine, slot, RSX_STATUS_CANCELLED, RSX_R_SELF_TRADE)
    if stp != RSX_STP_OLDEST:
        emit_taker_cancelled(engine, RSX_R_SELF_TRADE, ts_ns, out)
        forget_taker(engine, RSX_STATUS_CANCELLED, RSX_R_SELF_TRADE)
    return 0


cdef void emit_fill(engine_t* engine, uint32_t slot, int64_t qty, uint64_t ts_ns,
                    ring_t* out) noexcept nogil:
    """Trade qty at the maker's price: record, quantities, reservations, positions (R-1 to R-3)."""
    cdef taker_t* taker = &engine.taker
    cdef order_t* maker = &engine.book.orders[slot]
    cdef rsx_fill_t* fill = <rsx_fill_t*>emit(engine, out, RSX_FILL, ts_ns)
    cdef int64_t px = order_px(&engine.book, maker)
    cdef int64_t notional = px * qty  # within notional_max: qty <= the maker's, px is the maker's
    cdef int64_t kept = rsx_keep(taker.reserved, taker.remaining - qty, taker.remaining)
    fill.taker_oid = taker.oid
    fill.maker_oid = maker.oid
    fill.px = px
    fill.qty = qty
    fill.taker_fee = rsx_fee(notional, taker.fee_ppm)
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
    move_held(engine.users[taker.user_slot].held, taker.side, taker.flags, qty)
    move_held(engine.users[maker.user_slot].held, maker.side, maker.flags, qty)
    engine.fills += 1
    engine.last_px = px
    if engine.first_fill_px == 0:
        engine.first_fill_px = px


# --- mode and mark ----------------------------------------------------------------------------


cdef int set_mode(engine_t* engine, const rsx_mode_request_t* request, uint64_t ts_ns,
                  ring_t* out) except -1 nogil:
    """MO-1."""
    cdef rsx_trading_mode_t* event
    if request.mode > RSX_MODE_HALT:
        return fail(1104, request.mode, request.request_id)
    event = <rsx_trading_mode_t*>emit(engine, out, RSX_TRADING_MODE, ts_ns)
    event.request_id = request.request_id
    event.user_id = request.user_id
    event.symbol_id = engine.rules.symbol_id
    event.mode = request.mode
    event.previous = engine.mode
    engine.mode = request.mode
    conditional_mode(engine)
    return finish(out)


cdef int set_mark(engine_t* engine, const rsx_mark_update_t* request, uint64_t ts_ns,
                  ring_t* out) except -1 nogil:
    """PX-2, TR-4: the mark goes into the log here, in the symbol's stream, as it came."""
    cdef rsx_mark_price_t* event
    if request.mark_px <= 0 or request.state > RSX_MARK_STALE:
        return fail(1106, request.symbol_id, request.mark_px)
    event = <rsx_mark_price_t*>emit(engine, out, RSX_MARK_PRICE, ts_ns)
    memcpy(&event.mark_px, &request.mark_px, RSX_RECORD_SIZE - RSX_HEADER_SIZE - 16)
    event.symbol_id = engine.rules.symbol_id
    take_mark(engine, event)
    return finish(out)


# --- entry points -----------------------------------------------------------------------------


cdef int dispatch(engine_t* engine, const rsx_record_t* request, uint64_t ts_ns,
                  ring_t* out) except -1 nogil:
    """BLOCKED: engine.work says what engine_resume goes on with."""
    if request.type == RSX_ORDER_NEW:
        return new_order(engine, <const rsx_order_new_t*>request, ts_ns, out)
    if request.type == RSX_ORDER_CANCEL:
        return cancel_order(engine, <const rsx_order_cancel_t*>request, ts_ns, out)
    if request.type == RSX_ORDER_AMEND:
        amend_order(engine, <const rsx_order_amend_t*>request, ts_ns, out)
        return match(engine, ts_ns, out) if engine.taker.active else DONE
    if request.type == RSX_MARK_UPDATE:
        return set_mark(engine, <const rsx_mark_update_t*>request, ts_ns, out)
    if request.type == RSX_ORDER_CANCEL_ALL:
        return cancel_all(engine, <const rsx_order_cancel_all_t*>request, ts_ns, out)
    if request.type == RSX_TRIGGER_REQUEST:
        return conditional_request(engine, <const rsx_trigger_request_t*>request, ts_ns, out)
    if request.type == RSX_TRIGGER_REFUSED:
        return conditional_refused(engine, <const rsx_trigger_refused_t*>request, ts_ns, out)
    if request.type == RSX_MODE_REQUEST:
        return set_mode(engine, <const rsx_mode_request_t*>request, ts_ns, out)
    if request.type == RSX_POSITION_TRANSFER:
        transfer_position(engine, <const rsx_position_transfer_t*>request, ts_ns, out)
        return match(engine, ts_ns, out)  # the trims, and the end of the group
    if is_rule_record(request.type):
        return change_rules(engine, request, ts_ns, out)
    if request.type == RSX_DIGEST_REQUEST:
        return log_digest(engine, request, ts_ns, out)
    return fail(1103, request.type, request.seq)


cdef inline int settle(engine_t* engine, uint64_t ts_ns, ring_t* out) except -1 nogil:
    """The request has ended: what it moved reaches triggers, and due ones fire (TR-4, TR-5)."""
    if engine.triggers.live == 0:  # none waits, is due or has fired
        engine.mark_moved = 0
        engine.first_fill_px = 0
        return DONE
    if engine.first_fill_px == 0 and not engine.mark_moved and not engine.may_fire:
        return DONE
    return settle_prices(engine, ts_ns, out)


cdef int settle_prices(engine_t* engine, uint64_t ts_ns, ring_t* out) except -1 nogil:
    if engine.first_fill_px or engine.mark_moved:
        conditional_price(engine)
    if engine.may_fire and conditional_fire(engine, ts_ns, out) != DONE:
        return stop(engine, PRICING, out)
    return DONE


cdef int engine_request(engine_t* engine, const rsx_record_t* request, uint64_t ts_ns,
                        ring_t* out) except -1 nogil:
    """Take one request. BLOCKED: either nothing of it was done, though expiries may have been
    written, and it must be offered again (`work` is IDLE), or it goes on in engine_resume."""
    cdef int status
    if engine.work != IDLE:
        return fail(1102, engine.work, request.type)
    if ts_ns >= engine.expiry_ns and expire_due(engine, ts_ns, out) == BLOCKED:
        return BLOCKED
    if ring_free(out, ROOM) < ROOM:
        return BLOCKED
    engine.requests += 1
    status = dispatch(engine, request, ts_ns, out)
    if request.type == RSX_ORDER_NEW or request.type == RSX_ORDER_AMEND:
        book_recentre_check(&engine.book)
    else:
        book_recentre_move(&engine.book)
    return BLOCKED if status == BLOCKED else settle(engine, ts_ns, out)


cdef int engine_resume(engine_t* engine, uint64_t ts_ns, ring_t* out) except -1 nogil:
    """Go on with the request in hand (M-12); nothing to do when IDLE."""
    cdef uint8_t work = engine.work
    cdef int status = DONE
    engine.work = IDLE
    if work == MATCHING:
        status = match(engine, ts_ns, out)
        book_recentre_check(&engine.book)
    elif work == CANCELLING:
        status = sweep_on(engine, ts_ns, out)
    if status == BLOCKED:
        return BLOCKED
    return settle(engine, ts_ns, out)


cdef int engine_idle(engine_t* engine, uint64_t ts_ns, ring_t* out) except -1 nogil:
    """What a duty cycle brings between two requests: the rest of the one in hand, expiries
    (EX-1), triggers left to fire, a step of a recentring (PM-5)."""
    if engine.work != IDLE:
        return engine_resume(engine, ts_ns, out)
    book_recentre_move(&engine.book)
    if ts_ns >= engine.expiry_ns and expire_due(engine, ts_ns, out) == BLOCKED:
        return BLOCKED
    return settle(engine, ts_ns, out)


cdef int engine_recovered(engine_t* engine, uint64_t ts_ns, ring_t* out) except -1 nogil:
    """F-2: make up what a log that ends within a request left open; call until DONE."""
    cdef uint64_t claimed = out.producer.claimed
    engine.staged.used = 0  # part of a set of rules never held (SY-4)
    conditional_recovered(engine)
    if trim_owed(engine, ts_ns, out) == BLOCKED:
        ring_commit(out)
        return BLOCKED
    if engine.taker.active:
        if ring_free(out, ROOM) < ROOM:
            ring_commit(out)
            return BLOCKED
        emit_taker_cancelled(engine, RSX_R_RESTART, ts_ns, out)
        forget_taker(engine, RSX_STATUS_CANCELLED, RSX_R_RESTART)
        finish(out)
    elif out.producer.claimed != claimed:
        finish(out)
    engine.work = IDLE
    return settle(engine, ts_ns, out)
