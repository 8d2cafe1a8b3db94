# cython: boundscheck=False
"""Rows of a snapshot as an engine again. What is written, and how: save.pyx.

A slab that was never used gives its slots in the order of the rows, so numbers in rows are slots
here. Heaps, trees and indexes are made anew, the price map is centred on the market as it is. Every
reference is checked against its table; what a row says that cannot be is told, never folded.
Source: specs/snapshots.md SN-11, SN-30 to SN-32.
"""

from libc.stdint cimport int64_t, uint8_t, uint32_t, uint64_t
from libc.string cimport memset

from rsx.book.book cimport book_insert, order_t
from rsx.book.cids cimport (
    CID_ENDED, CID_ORDER, CID_TRIGGER, cid_end_t, cid_entry_t, cids_at, cids_end, cids_find,
    cids_prefetch, cids_restore, cids_shrink, cids_t,
)
from rsx.book.conditional cimport conditional_recovered
from rsx.book.matching cimport engine_t, taker_t, user_t
from rsx.book.orders cimport plan_expiry
from rsx.book.pricemap cimport map_centre
from rsx.book.trailing cimport trailing_add
from rsx.book.trigger cimport FIRED, TRAILING, WAITING, line_t, trigger_t
from rsx.book.triggers cimport triggers_claim, triggers_t, waiting_key, waiting_of
from rsx.core.heap cimport heap_put
from rsx.core.idmap cimport idmap_get, idmap_prefetch, idmap_put
from rsx.core.memory cimport RSX_PAGES_SMALL, rsx_map, rsx_prefetch, rsx_unmap
from rsx.records_c cimport RSX_GTD, RSX_SELL
from rsx.rows_c cimport *

cdef enum:
    CID_BYTES = 36


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


cdef void engine_load_fetch(const engine_load_t* load, const rsx_row_order_t* near,
                            const rsx_row_order_t* far) noexcept nogil:
    """Have on its way what two ORDER rows to come need. They were not checked yet: nothing is read
    but what lies within its table."""
    cdef const engine_t* engine = load.engine
    idmap_prefetch(&engine.book.ids, far.oid)
    if far.user <= load.head.users:
        rsx_prefetch(&engine.users[far.user])
    if far.older <= load.head.orders:
        rsx_prefetch(&engine.owns[far.older])
    if 0 < far.cid_at <= load.head.client_ids:
        rsx_prefetch(&engine.cids.entries[far.cid_at - 1])
    if near.cid_at and near.cid_len <= CID_BYTES and near.user <= load.head.users:
        cids_prefetch(&engine.cids, engine.users[near.user].user_id, near.cid, near.cid_len)


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


cdef void shrink_memory(engine_t* engine) noexcept nogil:
    """Client ids that fill a smaller memory leave room in it; the order in hand follows its own."""
    cdef cids_t* cids = &engine.cids
    cdef cid_entry_t own
    if engine.taker.cid_place == 0:
        cids_shrink(cids)
        return
    own = cids_at(cids, engine.taker.cid_place)[0]
    cids_shrink(cids)
    engine.taker.cid_place = <uint32_t>(
        cids_find(cids, own.user_id, own.cid, own.cid_len) - cids.entries) + 1


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
    shrink_memory(engine)
    link_line(&engine.triggers, &engine.triggers.due, load.lines[0], head.due)
    link_line(&engine.triggers, &engine.triggers.fired, load.lines[1], head.fired)
    plan_expiry(engine)
    conditional_recovered(engine)
    return FITS
