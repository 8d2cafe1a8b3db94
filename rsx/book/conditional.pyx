# cython: boundscheck=False
"""Triggers of one engine: requests, cancels, firing, and the fold of what the log says of them.

Which trigger waits for what is the trigger book's (triggers.pyx); here is who may place and end
one, what is written down, and when a price reaches them:

    request ends -> conditional_price -> conditional_fire -> the next request
                      the price begins     it goes through, a bounded number at a time,
                                           then due ones fire, a group each

Source: specs/matching.md section 10, MO-3, EX-2, D-3, D-4. Never: reads a clock, allocates.
"""

from libc.stdint cimport int64_t, uint8_t, uint16_t, uint32_t, uint64_t
from libc.string cimport memcpy, memset

from rsx.book.book cimport mix
from rsx.book.cids cimport (
    CID_ENDED, CID_ORDER, CID_TRIGGER, cid_end_t, cid_entry_t, cid_is_remembered, cids_at,
    cids_end, cids_find, cids_hold, cids_put,
)
from rsx.book.events cimport emit, emit_duplicate, emit_rejected, finish, known_flags
from rsx.book.matching cimport BLOCKED, DONE, MORE, ROOM, engine_t
from rsx.book.orders cimport plan_expiry, user_slot_of
from rsx.book.rules cimport is_market_kind, is_right_px, is_right_qty, mark_of, wrong_value
from rsx.book.trigger cimport (
    DUE, ENDED, FIRED, FREE, LAST_SOURCE, MARK_SOURCE, WAITING, is_reached, source_of, trigger_t,
)
from rsx.book.trigger_audit cimport triggers_audit, triggers_hash
from rsx.book.triggers cimport (
    trigger_extreme, triggers_are_moving, triggers_claim, triggers_drop, triggers_end,
    triggers_enter, triggers_find, triggers_fire, triggers_free, triggers_have_room,
    triggers_init, triggers_may_fire, triggers_price, triggers_step, triggers_t,
)
from rsx.core.check cimport fail
from rsx.core.heap cimport heap_first
from rsx.core.idmap cimport idmap_get
from rsx.core.ring cimport ring_commit, ring_free, ring_t
from rsx.records_c cimport *

cdef uint64_t NS_PER_S = 1_000_000_000

cdef enum:
    # Triggers and groups that a price goes past before others have their turn, about 20 us.
    STEP_LIMIT = 256


cdef int conditional_init(engine_t* engine, uint32_t triggers_max,
                          uint32_t open_triggers_max) except -1:
    """Reserve the memory; the engine's user table must be known. Raises MemoryError."""
    triggers_init(&engine.triggers, triggers_max, engine.users_max)
    engine.triggers.user_max = open_triggers_max
    cids_hold(&engine.cids, CID_TRIGGER, &engine.triggers.rows[0].cid_place, sizeof(trigger_t))
    return 0


cdef void conditional_free(engine_t* engine) noexcept nogil:
    triggers_free(&engine.triggers)


cdef inline int64_t px_of(const engine_t* engine, uint8_t source) noexcept nogil:
    """PX-2."""
    return engine.last_px if source == LAST_SOURCE else mark_of(engine)


cdef inline void plan_firing(engine_t* engine) noexcept nogil:
    """Note whether conditional_fire has anything to do (MO-3, TR-5)."""
    cdef const triggers_t* triggers = &engine.triggers
    engine.may_fire = triggers_are_moving(triggers) or (
        engine.mode == RSX_MODE_OPEN and triggers_may_fire(triggers))


# --- placing ----------------------------------------------------------------------------------


cdef bint is_wrong_trail(const engine_t* engine,
                         const rsx_trigger_request_t* request) noexcept nogil:
    """TR-2: a trailing stop has one distance, within its range; other kinds have none."""
    if request.kind != RSX_TRAILING_STOP:
        return request.trail_px != 0 or request.trail_ppm != 0
    if request.trail_ppm:
        return request.trail_px != 0 or request.trail_ppm >= 1_000_000
    return request.trail_px <= 0 or request.trail_px > engine.rules.px_max


cdef bint is_broken(const engine_t* engine, const rsx_trigger_request_t* request) noexcept nogil:
    """TR-3: whether the request breaks a rule (3008)."""
    if request.symbol_id != engine.rules.symbol_id or request.user_id == 0 or request.oid == 0:
        return True
    if request.side > RSX_SELL or request.tif > RSX_GTD or request.cid_len > 36:
        return True
    if request.kind < RSX_STOP_MARKET or request.kind > RSX_TRAILING_STOP:
        return True
    if request.stp > RSX_STP_BOTH or request.flags != known_flags(request.flags):
        return True
    if not is_right_qty(&engine.rules, request.qty) or is_wrong_trail(engine, request):
        return True
    if not is_right_px(&engine.rules, request.trigger_px):
        if request.kind != RSX_TRAILING_STOP or request.trigger_px != 0:
            return True
    if (request.expire_s != 0) != (request.tif == RSX_GTD):
        return True
    if is_market_kind(request.kind):
        if request.px != 0 or request.flags & (RSX_POST_ONLY | RSX_REPRICE):
            return True
        return request.tif != RSX_IOC and request.tif != RSX_FOK
    if wrong_value(&engine.rules, request.px, request.qty):
        return True
    if request.flags & RSX_POST_ONLY:
        return request.tif == RSX_IOC or request.tif == RSX_FOK
    return (request.flags & RSX_REPRICE) != 0


cdef uint16_t refusal(const engine_t* engine, const rsx_trigger_request_t* request,
                      uint64_t ts_ns) noexcept nogil:
    """TR-3 after the client id: 0 or the reason, in its order."""
    cdef uint32_t user_slot
    cdef int64_t px
    if is_broken(engine, request):
        return RSX_R_ORDER_INVALID
    if request.tif == RSX_GTD and request.expire_s * NS_PER_S <= ts_ns:
        return RSX_R_EXPIRY_PASSED
    if engine.mode == RSX_MODE_CANCEL_ONLY:
        return RSX_R_CANCEL_ONLY
    if engine.mode == RSX_MODE_HALT:
        return RSX_R_HALTED
    user_slot = idmap_get(&engine.user_slots, request.user_id)
    if not triggers_have_room(&engine.triggers):
        return RSX_R_BOOK_FULL
    if user_slot == 0 and engine.users_used >= engine.users_max:
        return RSX_R_BOOK_FULL
    # A new user has slot 0, an empty one: a refusal leaves no trace.
    if engine.triggers.user_counts[user_slot] >= engine.triggers.user_max:
        return RSX_R_TOO_MANY_TRIGGERS
    px = px_of(engine, source_of(request.flags))
    if is_reached(request.kind, request.side, request.trigger_px, px):
        return RSX_R_TRIGGER_WRONG_SIDE
    return RSX_R_NONE


cdef int place(engine_t* engine, const rsx_trigger_request_t* request,
               uint64_t ts_ns) except -1 nogil:
    """Let a trigger wait, live and folded; the two records have one payload."""
    cdef triggers_t* triggers = &engine.triggers
    cdef uint32_t user_slot = user_slot_of(engine, request.user_id)
    cdef uint32_t slot = triggers_claim(triggers, request.oid)
    cdef trigger_t* row = &triggers.rows[slot]
    if slot == 0 or user_slot == 0:
        return fail(1107, request.oid, request.user_id)
    row.user_id = request.user_id
    row.user_slot = user_slot
    row.px = request.px
    row.qty = request.qty
    row.trigger_px = request.trigger_px
    row.trail = request.trail_ppm if request.trail_ppm else request.trail_px
    row.is_ppm = request.trail_ppm != 0
    row.expire_s = request.expire_s
    row.kind = request.kind
    row.stp = request.stp
    row.side = request.side
    row.tif = request.tif
    row.flags = request.flags
    triggers_enter(triggers, slot, px_of(engine, source_of(row.flags)))
    if request.cid_len:
        row.cid_place = cids_put(&engine.cids, CID_TRIGGER, request.user_id, request.cid,
                                 request.cid_len, request.oid, ts_ns)
        cids_at(&engine.cids, row.cid_place).slot = slot
    if row.tif == RSX_GTD:
        plan_expiry(engine)
    return 0


cdef int conditional_request(engine_t* engine, const rsx_trigger_request_t* request,
                             uint64_t ts_ns, ring_t* out) except -1 nogil:
    """TR-3."""
    cdef cid_entry_t* entry
    cdef uint16_t reason
    cdef rsx_trigger_placed_t* event
    if request.cid_len and request.cid_len <= 36:
        entry = cids_find(&engine.cids, request.user_id, request.cid, request.cid_len)
        if entry != NULL and cid_is_remembered(&engine.cids, entry, ts_ns):
            emit_duplicate(engine, entry, request.oid, request.user_id, request.side,
                           request.flags, ts_ns, out)
            return finish(out)
    reason = refusal(engine, request, ts_ns)
    if reason:
        return emit_rejected(engine, RSX_TRIGGER_REJECTED, <const rsx_order_new_t*>request, reason,
                             ts_ns, out)
    place(engine, request, ts_ns)
    event = <rsx_trigger_placed_t*>emit(engine, out, RSX_TRIGGER_PLACED, ts_ns)
    memcpy(&event.oid, &request.oid, RSX_RECORD_SIZE - RSX_HEADER_SIZE - 16)
    return finish(out)


# --- ending -----------------------------------------------------------------------------------


cdef uint32_t conditional_find(engine_t* engine, uint64_t oid, uint32_t user_id) noexcept nogil:
    """A trigger of this user that waits, is due or has fired, or 0."""
    cdef uint32_t slot = triggers_find(&engine.triggers, oid)
    if slot and engine.triggers.rows[slot].state != ENDED:
        if engine.triggers.rows[slot].user_id == user_id:
            return slot
    return 0


cdef void end_cid(engine_t* engine, const trigger_t* row, uint16_t reason) noexcept nogil:
    """The client id ages from now on, and tells this end (D-4)."""
    cdef cid_entry_t* entry
    cdef cid_end_t* end
    if row.cid_place == 0:
        return
    entry = cids_at(&engine.cids, row.cid_place)
    entry.live = CID_ENDED
    entry.slot = 0
    end = cids_end(&engine.cids, entry)
    memset(end, 0, sizeof(cid_end_t))
    end.px = row.px
    end.qty = row.qty
    end.reason = reason
    end.status = RSX_STATUS_CANCELLED
    end.side = row.side
    end.tif = row.tif
    end.kind = row.kind
    end.flags = row.flags


cdef void end_trigger(engine_t* engine, uint32_t slot, uint16_t reason,
                      bint is_back) noexcept nogil:
    """A trigger ends without having been an order; is_back: nothing of it is on its way."""
    cdef bint expires = engine.triggers.rows[slot].expiry_place != 0
    end_cid(engine, &engine.triggers.rows[slot], reason)
    if is_back:
        triggers_drop(&engine.triggers, slot)
    else:
        triggers_end(&engine.triggers, slot)
    if expires:
        plan_expiry(engine)
    plan_firing(engine)


cdef void emit_cancelled(engine_t* engine, uint32_t slot, uint16_t reason, uint64_t request_id,
                         uint64_t ts_ns, ring_t* out) noexcept nogil:
    cdef const trigger_t* row = &engine.triggers.rows[slot]
    cdef rsx_trigger_cancelled_t* event = <rsx_trigger_cancelled_t*>emit(
        engine, out, RSX_TRIGGER_CANCELLED, ts_ns)
    event.oid = row.oid
    event.qty = row.qty
    event.request_id = request_id
    event.user_id = row.user_id
    event.symbol_id = engine.rules.symbol_id
    event.reason = reason
    event.kind = row.kind
    event.side = row.side
    event.flags = row.flags


cdef int conditional_cancel(engine_t* engine, uint32_t slot, uint16_t reason, uint64_t request_id,
                            uint64_t ts_ns, ring_t* out) except -1 nogil:
    """TR-7: TRIGGER_CANCELLED; the caller finishes the group."""
    emit_cancelled(engine, slot, reason, request_id, ts_ns, out)
    end_trigger(engine, slot, reason, False)
    return 0


cdef int conditional_refused(engine_t* engine, const rsx_trigger_refused_t* request,
                             uint64_t ts_ns, ring_t* out) except -1 nogil:
    """TR-6: risk makes no order of a fired trigger; nothing when it was cancelled meanwhile."""
    cdef uint32_t slot = triggers_find(&engine.triggers, request.oid)
    if slot == 0 or engine.triggers.rows[slot].state < FIRED:
        return fail(1107, request.oid, request.user_id)
    if engine.triggers.rows[slot].state == ENDED:
        triggers_drop(&engine.triggers, slot)
        plan_firing(engine)
        return DONE
    emit_cancelled(engine, slot, request.reason, 0, ts_ns, out)
    end_trigger(engine, slot, request.reason, True)
    return finish(out)


cdef bint conditional_take(engine_t* engine, rsx_order_new_t* order,
                          uint32_t* cid_place) except -1 nogil:
    """TR-6: ORDER_NEW, or its answer when folded, of a trigger that has fired: it is one no more.

    The order gets the trigger's client id, and cid_place the place of it. False when the trigger
    was cancelled meanwhile (TR-7).
    """
    cdef uint32_t slot = triggers_find(&engine.triggers, order.oid)
    cdef trigger_t* row = &engine.triggers.rows[slot]
    cdef cid_entry_t* entry
    cdef bint is_living = row.state == FIRED
    cid_place[0] = 0
    if slot == 0 or row.state < FIRED or row.user_id != order.user_id:
        return fail(1107, order.oid, order.kind)
    order.cid_len = 0
    memset(order.cid, 0, 36)
    if row.cid_place:
        entry = cids_at(&engine.cids, row.cid_place)
        order.cid_len = entry.cid_len
        memcpy(order.cid, entry.cid, 36)
        entry.live = CID_ORDER
        entry.slot = 0
        cid_place[0] = row.cid_place
    triggers_drop(&engine.triggers, slot)
    plan_firing(engine)
    return is_living


# --- lists and looks --------------------------------------------------------------------------


cdef uint32_t conditional_newest(engine_t* engine, uint32_t user_slot) noexcept nogil:
    """The youngest trigger of a user, fired ones too; 0 = none."""
    return engine.triggers.user_heads[user_slot]


cdef uint32_t conditional_older(engine_t* engine, uint32_t slot) noexcept nogil:
    return engine.triggers.rows[slot].older


cdef uint8_t conditional_side(engine_t* engine, uint32_t slot) noexcept nogil:
    return engine.triggers.rows[slot].side


cdef void conditional_describe(engine_t* engine, uint32_t slot,
                               rsx_order_duplicate_t* event) noexcept nogil:
    """D-4 for a trigger that waits or has fired."""
    cdef const trigger_t* row = &engine.triggers.rows[slot]
    event.original_px = row.px
    event.original_qty = row.qty
    event.original_remaining = row.qty
    event.original_status = RSX_STATUS_WAITING
    event.original_side = row.side
    event.original_tif = row.tif
    event.original_kind = row.kind
    event.original_flags = row.flags


cdef uint32_t conditional_expiry(engine_t* engine, int64_t* expire_s,
                                 uint64_t* oid) noexcept nogil:
    """The trigger that expires first, with its time and id; 0 = none."""
    cdef uint32_t slot = heap_first(&engine.triggers.expiries)
    if slot:
        expire_s[0] = engine.triggers.rows[slot].expire_s
        oid[0] = engine.triggers.rows[slot].oid
    return slot


# --- prices and firing ------------------------------------------------------------------------


cdef int conditional_price(engine_t* engine) except -1 nogil:
    """What the request moved begins to reach triggers (TR-4); in a mode but open it is lost (MO-3).

    Cost: O(1) when the prices concern no trigger.
    """
    cdef triggers_t* triggers = &engine.triggers
    if triggers_are_moving(triggers):
        return fail(1107, triggers.step.px, triggers.step.source)
    if engine.mark_moved and engine.first_fill_px:
        return fail(1107, engine.mark_px, engine.first_fill_px)
    if engine.mode == RSX_MODE_OPEN:
        if engine.mark_moved:
            triggers_price(triggers, MARK_SOURCE, engine.mark_px, 0)
        if engine.first_fill_px:
            triggers_price(triggers, LAST_SOURCE, engine.first_fill_px, engine.last_px)
    engine.mark_moved = 0
    engine.first_fill_px = 0
    plan_firing(engine)
    return 0


cdef void conditional_mode(engine_t* engine) noexcept nogil:
    """Due ones fire in the mode open only."""
    plan_firing(engine)


cdef void conditional_settle(engine_t* engine) noexcept nogil:
    """Take prices through at once, however many triggers they concern: for a fold."""
    triggers_step(&engine.triggers, -1)
    plan_firing(engine)


cdef void describe_fired(const engine_t* engine, const trigger_t* row,
                         rsx_trigger_fired_t* event) noexcept nogil:
    """What TRIGGER_FIRED tells, but its time."""
    event.oid = row.oid
    event.px = row.px
    event.qty = row.qty
    event.trigger_px = row.level_px
    event.fired_px = row.fired_px
    event.expire_s = row.expire_s
    event.user_id = row.user_id
    event.symbol_id = <uint16_t>engine.rules.symbol_id
    event.kind = row.kind
    event.stp = row.stp
    event.side = row.side
    event.tif = row.tif
    event.flags = row.flags


cdef int conditional_fire(engine_t* engine, uint64_t ts_ns, ring_t* out) except -1 nogil:
    """Take prices through, then fire what is due (TR-5). MORE: others may have their turn, but no
    request; BLOCKED: the ring is full (M-12). Both: call again."""
    cdef triggers_t* triggers = &engine.triggers
    cdef const trigger_t* row
    cdef uint32_t slot
    if not triggers_step(triggers, STEP_LIMIT):
        return MORE
    while engine.mode == RSX_MODE_OPEN and triggers_may_fire(triggers):
        if ring_free(out, ROOM) < ROOM:
            return BLOCKED
        slot = triggers.due.head
        row = &triggers.rows[slot]
        describe_fired(engine, row, <rsx_trigger_fired_t*>emit(
            engine, out, RSX_TRIGGER_FIRED, ts_ns))
        triggers_fire(triggers, slot)
        if row.tif == RSX_GTD:
            plan_expiry(engine)
        finish(out)
    plan_firing(engine)
    return DONE


# --- the log ----------------------------------------------------------------------------------


cdef int apply_fired(engine_t* engine, const rsx_trigger_fired_t* event) except -1 nogil:
    """It has fired, whatever the prices of the fold said of it."""
    cdef uint32_t slot = triggers_find(&engine.triggers, event.oid)
    cdef trigger_t* row = &engine.triggers.rows[slot]
    if slot == 0 or row.state < WAITING or row.state > DUE:
        return fail(14, event.seq, event.oid)
    row.level_px = event.trigger_px
    row.fired_px = event.fired_px
    triggers_fire(&engine.triggers, slot)
    if row.tif == RSX_GTD:
        plan_expiry(engine)
    plan_firing(engine)
    return 0


cdef int conditional_apply(engine_t* engine, const rsx_record_t* record) except -1 nogil:
    """Fold TRIGGER_PLACED, _FIRED or _CANCELLED (F-1); a shadow has no triggers."""
    cdef const rsx_trigger_cancelled_t* cancelled
    cdef uint32_t slot
    if engine.is_shadow:
        return 0
    if record.type == RSX_TRIGGER_PLACED:
        # The request's payload; it was checked before it was logged.
        return place(engine, <const rsx_trigger_request_t*>record, record.ts_ns)
    if record.type == RSX_TRIGGER_FIRED:
        return apply_fired(engine, <const rsx_trigger_fired_t*>record)
    if record.type != RSX_TRIGGER_CANCELLED:
        return 0
    cancelled = <const rsx_trigger_cancelled_t*>record
    slot = triggers_find(&engine.triggers, cancelled.oid)
    if slot == 0 or engine.triggers.rows[slot].qty != cancelled.qty:
        return fail(14, cancelled.seq, cancelled.oid)
    end_trigger(engine, slot, cancelled.reason, True)
    return 0


cdef int conditional_recovered(engine_t* engine) except -1 nogil:
    """TR-9: what was due when the log ended fires on."""
    plan_firing(engine)
    return 0


cdef uint64_t conditional_hash(const engine_t* engine, uint64_t state) noexcept nogil:
    """Every trigger with its extreme and whether it has fired (F-3)."""
    return mix(state, triggers_hash(<triggers_t*>&engine.triggers))


cdef int conditional_audit(engine_t* engine) except -1:
    """The trigger book, and its links to users and client ids (INV-8)."""
    cdef uint32_t slot
    cdef const trigger_t* row
    cdef const cid_entry_t* entry
    triggers_audit(&engine.triggers)
    for slot in range(1, engine.triggers.untouched):
        row = &engine.triggers.rows[slot]
        if row.state == FREE or row.state == ENDED:
            continue
        if engine.users[row.user_slot].user_id != row.user_id:
            return fail(8, row.oid, row.user_id)
        if row.cid_place:
            entry = cids_at(&engine.cids, row.cid_place)
            if entry.live != CID_TRIGGER or entry.slot != slot or entry.oid != row.oid:
                return fail(8, row.oid, entry.slot)
    return 0


# --- for Python -------------------------------------------------------------------------------


cdef list conditional_fired(engine_t* engine):
    """Packed TRIGGER_FIRED of those whose answer from risk is awaited, as they fired (TR-9)."""
    cdef list out = []
    cdef uint32_t slot = engine.triggers.fired.head
    cdef rsx_trigger_fired_t record
    while slot:
        rsx_record_init(&record, RSX_TRIGGER_FIRED, <uint16_t>engine.rules.symbol_id)
        describe_fired(engine, &engine.triggers.rows[slot], &record)
        out.append((<char*>&record)[:RSX_RECORD_SIZE])
        slot = engine.triggers.rows[slot].next
    return out


cdef dict row_of(engine_t* engine, const trigger_t* row):
    cdef const cid_entry_t* entry
    cid = b""
    if row.cid_place:
        entry = cids_at(&engine.cids, row.cid_place)
        cid = (<char*>entry.cid)[:entry.cid_len]
    return {
        "oid": row.oid, "user_id": row.user_id, "side": row.side, "kind": row.kind,
        "tif": row.tif, "flags": row.flags, "stp": row.stp, "px": row.px, "qty": row.qty,
        "trigger_px": row.trigger_px, "trail_px": 0 if row.is_ppm else row.trail,
        "trail_ppm": row.trail if row.is_ppm else 0, "expire_s": row.expire_s,
        "extreme": trigger_extreme(&engine.triggers, row), "state": row.state,
        "cid": cid.decode("utf-8", "replace"),
    }


cdef list conditional_rows(engine_t* engine, uint32_t user_id):
    """Triggers that have not ended, of one user the youngest first, or (user_id 0) all by slot.

    state: 1 waits for its price, 2 trails, 3 due, 4 fired; extreme 0 = none.
    """
    cdef const triggers_t* triggers = &engine.triggers
    cdef list out = []
    cdef uint32_t slot
    if user_id:
        slot = triggers.user_heads[idmap_get(&engine.user_slots, user_id)]
        while slot:
            out.append(row_of(engine, &triggers.rows[slot]))
            slot = triggers.rows[slot].older
        return out
    for slot in range(1, triggers.untouched):
        if triggers.rows[slot].state != FREE and triggers.rows[slot].state != ENDED:
            out.append(row_of(engine, &triggers.rows[slot]))
    return out
