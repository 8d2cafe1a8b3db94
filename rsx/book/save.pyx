# cython: boundscheck=False
"""One engine as rows of a snapshot, and rows as an engine again.

    ENGINE, USER.., CLIENT_ID.., [TAKER], ORDER.., TRIGGER..

A file counts what it holds: an order's number in it is its place in priority order, a user's is
that of its coming. A book that is filled from rows gives its slots in the same order, so numbers in
rows are slots there. Where the price map is centred, seeds, heaps and trees are made anew; nothing
that decides anything depends on them. Writing changes nothing; loading wants an engine that was
never used. Source: specs/snapshots.md SN-3, SN-5, SN-11; INV-40, INV-41.
"""

from libc.stdint cimport int64_t, uint8_t, uint32_t, uint64_t
from libc.string cimport memcpy, memset

from rsx.book.book cimport (
    NONE, best_level, best_px, book_insert, level_at, order_px, order_t, worse_level,
)
from rsx.book.cids cimport (
    CID_ENDED, CID_ORDER, CID_TRIGGER, cid_end_t, cid_entry_t, cids_at, cids_end, cids_restore,
    cids_t,
)
from rsx.book.conditional cimport conditional_recovered
from rsx.book.matching cimport engine_t, own_t, taker_t, user_t
from rsx.book.orders cimport plan_expiry
from rsx.book.pricemap cimport map_centre
from rsx.book.trailing cimport trailing_add
from rsx.book.trigger cimport DUE, FIRED, TRAILING, WAITING, line_t, trigger_t
from rsx.book.triggers cimport (
    trigger_extreme, triggers_claim, triggers_t, waiting_key, waiting_of,
)
from rsx.core.heap cimport heap_put
from rsx.core.idmap cimport idmap_get, idmap_put
from rsx.core.memory cimport RSX_PAGES_SMALL, rsx_map, rsx_prefetch, rsx_unmap
from rsx.records_c cimport RSX_GTD, RSX_REDUCE_ONLY, RSX_SELL
from rsx.rows_c cimport *

# Phases of writing, in the order of the rows.
cdef enum:
    NUMBERING = 0
    ENGINE_ROW = 1
    USERS = 2
    CLIENT_IDS = 3
    IN_HAND = 4
    ORDERS = 5
    TRIGGERS = 6
    OVER = 7

cdef enum:
    LOOKS = 32768           # orders numbered, or places looked at without a row, in one call
    CID_BYTES = 36


# --- writing ----------------------------------------------------------------------------------


cdef int engine_save_begin(engine_save_t* save, engine_t* engine, bint is_amended) except -1:
    """Make ready to write an engine that stands still. Raises MemoryError."""
    memset(save, 0, sizeof(engine_save_t))
    save.engine = engine
    save.is_amended = is_amended
    save.ordinals = <uint32_t*>rsx_map(
        (<size_t>engine.book.capacity + 1) * sizeof(uint32_t), RSX_PAGES_SMALL)
    save.lines = <uint32_t*>rsx_map(
        (<size_t>engine.triggers.slots + 1) * sizeof(uint32_t), RSX_PAGES_SMALL)
    if save.ordinals == NULL or save.lines == NULL:
        raise MemoryError(f"numbers of {engine.book.capacity} orders")
    number_line(save, &engine.triggers.due)
    number_line(save, &engine.triggers.fired)
    save.level = best_level(&engine.book, 0)
    return 0


cdef void engine_save_free(engine_save_t* save) noexcept nogil:
    if save.engine != NULL:
        rsx_unmap(save.ordinals, (<size_t>save.engine.book.capacity + 1) * sizeof(uint32_t))
        rsx_unmap(save.lines, (<size_t>save.engine.triggers.slots + 1) * sizeof(uint32_t))
    memset(save, 0, sizeof(engine_save_t))


cdef void number_line(engine_save_t* save, const line_t* line) noexcept nogil:
    cdef uint32_t slot = line.head, place = 0
    while slot:
        place += 1
        save.lines[slot] = place
        slot = save.engine.triggers.rows[slot].next


cdef inline uint32_t next_order(engine_save_t* save) noexcept nogil:
    """The next order of the walk, in priority order; NONE at its end. What comes is fetched."""
    cdef engine_t* engine = save.engine
    cdef const order_t* order
    if save.slot != NONE:
        save.slot = engine.book.orders[save.slot].next
    while save.slot == NONE:
        if save.level == NONE:
            if save.side == RSX_SELL:
                return NONE
            save.side = RSX_SELL
            save.level = best_level(&engine.book, RSX_SELL)
            continue
        save.slot = level_at(&engine.book, save.level).head
        save.level = worse_level(&engine.book, save.side, save.level)
        rsx_prefetch(&engine.book.orders[level_at(&engine.book, save.level).head])
        rsx_prefetch(level_at(&engine.book, worse_level(&engine.book, save.side, save.level)))
    order = &engine.book.orders[save.slot]
    if order.next != NONE:
        rsx_prefetch(&engine.book.orders[engine.book.orders[order.next].next])
        rsx_prefetch(&engine.owns[order.next])
    return save.slot


cdef inline void begin_walk(engine_save_t* save) noexcept nogil:
    save.side = 0
    save.slot = NONE
    save.level = best_level(&save.engine.book, 0)


cdef void number_orders(engine_save_t* save) noexcept nogil:
    """Give some more orders their numbers."""
    cdef int left = LOOKS
    while left:
        if next_order(save) == NONE:
            begin_walk(save)
            save.phase = ENGINE_ROW
            return
        save.ordinal += 1
        save.ordinals[save.slot] = save.ordinal
        left -= 1


cdef void write_engine(engine_save_t* save, rsx_row_engine_t* row) noexcept nogil:
    cdef engine_t* engine = save.engine
    rsx_row_init(row, RSX_ROW_ENGINE, <uint16_t>engine.rules.symbol_id)
    row.mark_px = engine.mark_px
    row.last_px = engine.last_px
    row.first_fill_px = engine.first_fill_px
    row.fills = engine.fills
    row.bid_px = best_px(&engine.book, 0)
    row.ask_px = best_px(&engine.book, 1)
    row.symbol_id = engine.rules.symbol_id
    row.users = <uint32_t>engine.users_used
    row.client_ids = <uint32_t>(engine.cids.newest - engine.cids.oldest)
    row.orders = engine.book.live
    row.triggers = engine.triggers.live - engine.triggers.ended
    row.due = engine.triggers.due.count
    row.fired = engine.triggers.fired.count
    row.trim_user = engine.trims.user
    row.trim_then = engine.trims.then_user
    row.mode = engine.mode
    row.mark_moved = engine.mark_moved
    row.in_hand = engine.taker.active


cdef void write_user(engine_save_t* save, uint64_t slot, rsx_row_user_t* row) noexcept nogil:
    cdef const user_t* user = &save.engine.users[slot]
    rsx_row_init(row, RSX_ROW_USER, <uint16_t>save.engine.rules.symbol_id)
    row.held_long = user.held[0]
    row.held_short = user.held[1]
    row.reduce_max_buy = user.reduce_max[0]
    row.reduce_max_sell = user.reduce_max[1]
    row.user_id = user.user_id
    row.newest = save.ordinals[user.newest]
    row.newest_reduce = save.ordinals[user.newest_reduce]
    row.owner_group = user.owner_group


cdef inline uint32_t cid_number(const cids_t* cids, uint32_t place_plus_one) noexcept nogil:
    """Which entry of the memory is at this place, 1 = the oldest; 0 for none."""
    if place_plus_one == 0:
        return 0
    return <uint32_t>((place_plus_one - 1 - cids.oldest) & (cids.capacity - 1)) + 1


cdef bint write_client_id(engine_save_t* save, uint64_t number,
                          rsx_row_client_id_t* row) noexcept nogil:
    """False: an empty place, or one that a resting order's row tells."""
    cdef cids_t* cids = &save.engine.cids
    cdef const cid_entry_t* entry = &cids.entries[(cids.oldest + number) & (cids.capacity - 1)]
    cdef const cid_end_t* end
    if entry.cid_len == 0 or (entry.live == CID_ORDER and entry.slot):
        return False
    rsx_row_init(row, RSX_ROW_CLIENT_ID, <uint16_t>save.engine.rules.symbol_id)
    row.oid = entry.oid
    row.ts_ns = entry.ts_ns
    row.user_id = entry.user_id
    row.at = <uint32_t>number + 1
    row.live = entry.live
    row.cid_len = entry.cid_len
    memcpy(row.cid, entry.cid, CID_BYTES)
    if entry.live == CID_ENDED:
        end = cids_end(cids, entry)
        row.px = end.px
        row.qty = end.qty
        row.filled = end.filled
        row.reason = end.reason
        row.status = end.status
        row.side = end.side
        row.tif = end.tif
        row.kind = end.kind
        row.flags = end.flags
    return True


cdef void write_taker(engine_save_t* save, rsx_row_taker_t* row) noexcept nogil:
    cdef const taker_t* taker = &save.engine.taker
    rsx_row_init(row, RSX_ROW_TAKER, <uint16_t>save.engine.rules.symbol_id)
    row.oid = taker.oid
    row.px = taker.px
    row.qty = taker.open_qty
    row.remaining = taker.remaining
    row.reserved = taker.reserved
    row.user = taker.user_slot
    row.cid_at = cid_number(&save.engine.cids, taker.cid_place)
    row.expire_s = taker.expire_s
    row.fee_ppm = taker.fee_ppm
    row.side = taker.side
    row.tif = taker.tif
    row.flags = taker.flags
    row.kind = taker.kind
    row.stp = taker.stp
    row.is_amended = save.is_amended


cdef void write_order(engine_save_t* save, uint32_t slot, rsx_row_order_t* row) noexcept nogil:
    cdef engine_t* engine = save.engine
    cdef const order_t* order = &engine.book.orders[slot]
    cdef const own_t* own = &engine.owns[slot]
    cdef const cid_entry_t* entry
    rsx_row_init(row, RSX_ROW_ORDER, <uint16_t>engine.rules.symbol_id)
    row.oid = order.oid
    row.px = order_px(&engine.book, order)
    row.qty = order.qty
    row.remaining = order.remaining
    row.reserved = order.reserved
    row.user = order.user_slot
    row.older = save.ordinals[own.next]
    row.expire_s = own.expire_s
    row.side = order.side
    row.tif = order.tif
    row.flags = order.flags
    row.kind = order.kind
    row.stp = order.stp
    if order.cid_place == 0:
        return
    entry = cids_at(&engine.cids, order.cid_place)
    row.cid_at = cid_number(&engine.cids, order.cid_place)
    row.cid_ns = entry.ts_ns
    row.cid_len = entry.cid_len
    memcpy(row.cid, entry.cid, CID_BYTES)


cdef void write_trigger(engine_save_t* save, uint32_t slot,
                        rsx_row_trigger_t* row) noexcept nogil:
    cdef const triggers_t* book = &save.engine.triggers
    cdef const trigger_t* trigger = &book.rows[slot]
    rsx_row_init(row, RSX_ROW_TRIGGER, <uint16_t>save.engine.rules.symbol_id)
    row.oid = trigger.oid
    row.px = trigger.px
    row.qty = trigger.qty
    row.trigger_px = trigger.trigger_px
    row.trail = trigger.trail
    row.extreme = trigger_extreme(book, trigger)
    row.level_px = trigger.level_px
    row.fired_px = trigger.fired_px
    row.user = trigger.user_slot
    row.cid_at = cid_number(&save.engine.cids, trigger.cid_place)
    row.expire_s = trigger.expire_s
    row.line_at = save.lines[slot]
    row.side = trigger.side
    row.tif = trigger.tif
    row.flags = trigger.flags
    row.kind = trigger.kind
    row.stp = trigger.stp
    row.is_ppm = trigger.is_ppm
    row.state = trigger.state


cdef uint32_t next_trigger(engine_save_t* save) noexcept nogil:
    """The next trigger of the walk over users; 0 at its end."""
    cdef const triggers_t* book = &save.engine.triggers
    if save.slot:
        save.slot = book.rows[save.slot].older
    while save.slot == 0 and save.at < save.engine.users_used:
        save.at += 1
        save.slot = book.user_heads[save.at]
    return save.slot


cdef inline void next_phase(engine_save_t* save) noexcept nogil:
    save.phase += 1
    save.at = 0
    begin_walk(save)


cdef bint write_next(engine_save_t* save, rsx_row_t* out) noexcept nogil:
    """Write the next row; False: the phase ended, or a place had none."""
    cdef engine_t* engine = save.engine
    if save.phase == ENGINE_ROW:
        write_engine(save, <rsx_row_engine_t*>out)
        next_phase(save)
        return True
    if save.phase == USERS:
        if save.at < engine.users_used:
            save.at += 1
            write_user(save, save.at, <rsx_row_user_t*>out)
            return True
    elif save.phase == CLIENT_IDS:
        if save.at < engine.cids.newest - engine.cids.oldest:
            save.at += 1
            return write_client_id(save, save.at - 1, <rsx_row_client_id_t*>out)
    elif save.phase == IN_HAND:
        if engine.taker.active and save.at == 0:
            save.at = 1
            write_taker(save, <rsx_row_taker_t*>out)
            return True
    elif save.phase == ORDERS:
        if next_order(save) != NONE:
            write_order(save, save.slot, <rsx_row_order_t*>out)
            return True
    elif save.phase == TRIGGERS:
        if next_trigger(save):
            write_trigger(save, save.slot, <rsx_row_trigger_t*>out)
            return True
        save.phase = OVER
        return False
    next_phase(save)
    save.slot = 0
    return False


cdef bint engine_save_rows(engine_save_t* save, rsx_row_t* out, uint64_t room,
                           uint64_t* made) noexcept nogil:
    """Write up to `room` rows without number and seal; True when there are no more. Bounded: it
    may come back early, even without a row."""
    cdef int looks = LOOKS
    made[0] = 0
    if save.phase == NUMBERING:
        number_orders(save)
        return False
    while save.phase != OVER and made[0] < room and looks:
        if write_next(save, &out[made[0]]):
            made[0] += 1
        else:
            looks -= 1
    return save.phase == OVER


# --- loading ----------------------------------------------------------------------------------


cdef int engine_load_begin(engine_load_t* load, engine_t* engine,
                           const rsx_row_engine_t* row) except -1:
    """Take an ENGINE row. FITS, or what does not. Raises MemoryError."""
    cdef int64_t centre = row.last_px
    memset(load, 0, sizeof(engine_load_t))
    if row.users > engine.users_max:
        return TOO_MANY_USERS
    if row.orders > engine.book.capacity:
        return TOO_MANY_ORDERS
    if row.triggers > engine.triggers.capacity:
        return TOO_MANY_TRIGGERS
    if row.client_ids > engine.cids.capacity:
        return TOO_MANY_CIDS
    if row.last_px <= 0 or row.bid_px < 0 or row.ask_px < 0 or row.mark_px < 0:
        return WRONG_ROW
    if row.trim_user > row.users or row.trim_then > row.users:
        return WRONG_ROW
    load.engine = engine
    load.head = row[0]
    load.lines[0] = <uint32_t*>rsx_map((<size_t>row.due + 1) * sizeof(uint32_t), RSX_PAGES_SMALL)
    load.lines[1] = <uint32_t*>rsx_map((<size_t>row.fired + 1) * sizeof(uint32_t), RSX_PAGES_SMALL)
    if load.lines[0] == NULL or load.lines[1] == NULL:
        raise MemoryError(f"{row.due} due triggers")
    if row.bid_px and row.ask_px:
        centre = row.bid_px + (row.ask_px - row.bid_px) // 2
    map_centre(&engine.book.maps[engine.book.map], &engine.book.shape, centre)
    engine.mark_px = row.mark_px
    engine.last_px = row.last_px
    engine.first_fill_px = row.first_fill_px
    engine.fills = row.fills
    engine.mode = row.mode
    engine.mark_moved = row.mark_moved
    engine.trims.user = row.trim_user
    engine.trims.then_user = row.trim_then
    engine.cids.newest = row.client_ids
    return FITS


cdef void engine_load_free(engine_load_t* load) noexcept nogil:
    rsx_unmap(load.lines[0], (<size_t>load.head.due + 1) * sizeof(uint32_t))
    rsx_unmap(load.lines[1], (<size_t>load.head.fired + 1) * sizeof(uint32_t))
    memset(load, 0, sizeof(engine_load_t))


cdef int load_user(engine_load_t* load, const rsx_row_user_t* row) noexcept nogil:
    cdef engine_t* engine = load.engine
    cdef uint32_t slot = <uint32_t>engine.users_used + 1
    cdef user_t* user = &engine.users[slot]
    if slot > load.head.users:
        return WRONG_COUNT
    if row.user_id == 0 or row.newest > load.head.orders or row.newest_reduce > load.head.orders:
        return WRONG_ROW
    if row.held_long < 0 or row.held_short < 0:
        return WRONG_ROW
    if idmap_get(&engine.user_slots, row.user_id):
        return TWICE
    user.user_id = row.user_id
    user.held[0] = row.held_long
    user.held[1] = row.held_short
    user.reduce_max[0] = row.reduce_max_buy
    user.reduce_max[1] = row.reduce_max_sell
    user.newest = row.newest
    user.newest_reduce = row.newest_reduce
    user.owner_group = row.owner_group
    idmap_put(&engine.user_slots, row.user_id, slot)
    engine.users_used = slot
    return FITS


cdef int load_client_id(engine_load_t* load, const rsx_row_client_id_t* row) noexcept nogil:
    cdef cids_t* cids = &load.engine.cids
    cdef cid_entry_t* entry
    cdef cid_end_t* end
    if row.at <= load.cid_at or row.live > CID_TRIGGER:
        return WRONG_ROW
    load.cid_at = row.at
    entry = cids_restore(cids, row.at, row.user_id, row.cid, row.cid_len)
    if entry == NULL:
        return WRONG_ROW
    entry.oid = row.oid
    entry.ts_ns = row.ts_ns
    entry.live = row.live
    if row.live == CID_ENDED:
        end = cids_end(cids, entry)
        end.px = row.px
        end.qty = row.qty
        end.filled = row.filled
        end.reason = row.reason
        end.status = row.status
        end.side = row.side
        end.tif = row.tif
        end.kind = row.kind
        end.flags = row.flags
    return FITS


cdef inline cid_entry_t* living(engine_load_t* load, uint32_t at, uint64_t oid,
                                uint8_t live) noexcept nogil:
    """The entry that a living order or trigger names, or NULL."""
    cdef cid_entry_t* entry
    if at > load.engine.cids.newest:
        return NULL
    entry = cids_at(&load.engine.cids, at)
    if entry.cid_len == 0 or entry.oid != oid or entry.live != live:
        return NULL
    return entry


cdef int load_taker(engine_load_t* load, const rsx_row_taker_t* row) noexcept nogil:
    cdef taker_t* taker = &load.engine.taker
    if not load.head.in_hand or taker.active:
        return WRONG_COUNT
    if row.oid == 0 or row.px <= 0 or row.remaining <= 0 or row.side > RSX_SELL:
        return WRONG_ROW
    if row.user == 0 or row.user > load.engine.users_used:
        return WRONG_ROW
    if row.cid_at and living(load, row.cid_at, row.oid, CID_ORDER) == NULL:
        return WRONG_ROW
    taker.oid = row.oid
    taker.px = row.px
    taker.open_qty = row.qty
    taker.remaining = row.remaining
    taker.reserved = row.reserved
    taker.user_id = load.engine.users[row.user].user_id
    taker.user_slot = row.user
    taker.cid_place = row.cid_at
    taker.expire_s = row.expire_s
    taker.side = row.side
    taker.tif = row.tif
    taker.flags = row.flags
    taker.kind = row.kind
    taker.stp = row.stp
    taker.fee_ppm = row.fee_ppm
    taker.active = 1
    return FITS


cdef int load_order(engine_load_t* load, const rsx_row_order_t* row) noexcept nogil:
    """A slab that was never used gives its slots one after the other: slot = number."""
    cdef engine_t* engine = load.engine
    cdef uint32_t number = load.orders + 1
    cdef order_t* order
    cdef cid_entry_t* entry
    if number > load.head.orders:
        return WRONG_COUNT
    if row.oid == 0 or row.px <= 0 or row.remaining <= 0 or row.side > RSX_SELL:
        return WRONG_ROW
    if row.user == 0 or row.user > engine.users_used or row.older > load.head.orders:
        return WRONG_ROW
    if (row.tif == RSX_GTD) != (row.expire_s != 0) or (row.cid_at != 0) != (row.cid_len != 0):
        return WRONG_ROW
    if book_insert(&engine.book, row.oid, row.side, row.px, row.remaining) != number:
        return TWICE
    load.orders = number
    order = &engine.book.orders[number]
    order.qty = row.qty
    order.reserved = row.reserved
    order.user_slot = row.user
    order.user_id = engine.users[row.user].user_id
    order.tif = row.tif
    order.flags = row.flags
    order.kind = row.kind
    order.stp = row.stp
    engine.users[row.user].open_orders += 1
    engine.owns[number].next = row.older
    engine.owns[number].expire_s = row.expire_s
    if row.older:
        engine.owns[row.older].prev = number
    if row.expire_s:
        heap_put(&engine.expiries, number, row.expire_s, row.oid)
    if row.cid_at == 0:
        return FITS
    entry = cids_restore(&engine.cids, row.cid_at, order.user_id, row.cid, row.cid_len)
    if entry == NULL:
        return WRONG_ROW
    entry.oid = row.oid
    entry.ts_ns = row.cid_ns
    entry.live = CID_ORDER
    entry.slot = number
    order.cid_place = row.cid_at
    return FITS


cdef int line_up(engine_load_t* load, const rsx_row_trigger_t* row, uint32_t slot) noexcept nogil:
    """Note the place of a due or fired trigger; the lines are linked at the end."""
    cdef int which = row.state == FIRED
    cdef uint32_t count = load.head.fired if which else load.head.due
    if row.line_at == 0 or row.line_at > count or load.lines[which][row.line_at]:
        return WRONG_ROW
    load.lines[which][row.line_at] = slot
    if which:
        load.fired += 1
    else:
        load.due += 1
    return FITS


cdef int load_trigger(engine_load_t* load, const rsx_row_trigger_t* row) noexcept nogil:
    cdef engine_t* engine = load.engine
    cdef triggers_t* book = &engine.triggers
    cdef trigger_t* trigger
    cdef cid_entry_t* entry = NULL
    cdef uint32_t slot
    if load.triggers >= load.head.triggers:
        return WRONG_COUNT
    if row.oid == 0 or row.user == 0 or row.user > engine.users_used or row.side > RSX_SELL:
        return WRONG_ROW
    if row.user < load.trigger_user or row.state < WAITING or row.state > FIRED:
        return WRONG_ROW
    if row.cid_at:
        entry = living(load, row.cid_at, row.oid, CID_TRIGGER)
        if entry == NULL:
            return WRONG_ROW
    slot = triggers_claim(book, row.oid)
    if slot == 0:
        return TWICE
    trigger = &book.rows[slot]
    trigger.px = row.px
    trigger.qty = row.qty
    trigger.trigger_px = row.trigger_px
    trigger.trail = row.trail
    trigger.extreme = row.extreme
    trigger.level_px = row.level_px
    trigger.fired_px = row.fired_px
    trigger.user_slot = row.user
    trigger.user_id = engine.users[row.user].user_id
    trigger.cid_place = row.cid_at
    trigger.expire_s = row.expire_s
    trigger.side = row.side
    trigger.tif = row.tif
    trigger.flags = row.flags
    trigger.kind = row.kind
    trigger.stp = row.stp
    trigger.is_ppm = row.is_ppm
    if entry != NULL:
        entry.slot = slot
    if row.user == load.trigger_user:
        book.rows[load.trigger_slot].older = slot
        trigger.younger = load.trigger_slot
    else:
        book.user_heads[row.user] = slot
    book.user_counts[row.user] += 1
    load.trigger_user = row.user
    load.trigger_slot = slot
    load.triggers += 1
    if row.tif == RSX_GTD and row.state != FIRED:
        heap_put(&book.expiries, slot, row.expire_s, row.oid)
    return stand(load, row, slot)


cdef int stand(engine_load_t* load, const rsx_row_trigger_t* row, uint32_t slot) noexcept nogil:
    """Put a trigger where its state says."""
    cdef triggers_t* book = &load.engine.triggers
    cdef trigger_t* trigger = &book.rows[slot]
    if row.state == TRAILING:
        if row.extreme <= 0:
            return WRONG_ROW
        trailing_add(book, slot, row.extreme)
        return FITS
    trigger.state = row.state
    if row.state == WAITING:
        heap_put(waiting_of(book, trigger), slot, waiting_key(trigger), row.oid)
        return FITS
    return line_up(load, row, slot)


cdef int engine_load_row(engine_load_t* load, const rsx_row_t* row) noexcept nogil:
    """Take one row behind ENGINE, whose seal and number were checked."""
    if row.type == RSX_ROW_ORDER:
        return load_order(load, <const rsx_row_order_t*>row)
    if row.type == RSX_ROW_USER:
        return load_user(load, <const rsx_row_user_t*>row)
    if row.type == RSX_ROW_CLIENT_ID:
        return load_client_id(load, <const rsx_row_client_id_t*>row)
    if row.type == RSX_ROW_TRIGGER:
        return load_trigger(load, <const rsx_row_trigger_t*>row)
    if row.type == RSX_ROW_TAKER:
        return load_taker(load, <const rsx_row_taker_t*>row)
    return WRONG_ROW


cdef void link_line(triggers_t* book, line_t* line, const uint32_t* slots,
                    uint32_t count) noexcept nogil:
    cdef uint32_t at
    for at in range(1, count + 1):
        book.rows[slots[at]].prev = line.tail
        if line.tail:
            book.rows[line.tail].next = slots[at]
        else:
            line.head = slots[at]
        line.tail = slots[at]
    line.count = count


cdef int engine_load_end(engine_load_t* load) except -1 nogil:
    """All rows have come: FITS when they are as many as ENGINE said."""
    cdef engine_t* engine = load.engine
    cdef const rsx_row_engine_t* head = &load.head
    if engine.users_used != head.users or load.orders != head.orders:
        return WRONG_COUNT
    if load.triggers != head.triggers or load.due != head.due or load.fired != head.fired:
        return WRONG_COUNT
    if engine.taker.active != head.in_hand:
        return WRONG_COUNT
    link_line(&engine.triggers, &engine.triggers.due, load.lines[0], head.due)
    link_line(&engine.triggers, &engine.triggers.fired, load.lines[1], head.fired)
    plan_expiry(engine)
    conditional_recovered(engine)
    return FITS
