# cython: boundscheck=False
"""One engine as rows of a snapshot. How an engine is made of them: load.pyx.

    ENGINE, USER.., CLIENT_ID.., [TAKER], ORDER.., TRIGGER..

A file counts what it holds: an order's number in it is its place in priority order, a user's is
that of its coming. A book that is filled from rows gives its slots in the same order, so numbers in
rows are slots there. Where the price map is centred, seeds, heaps and trees are not written;
nothing that decides anything depends on them. Writing changes nothing.
Source: specs/snapshots.md SN-3, SN-5, SN-11; INV-40, INV-41.
"""

from libc.stdint cimport uint32_t, uint64_t
from libc.string cimport memcpy, memset

from rsx.book.book cimport (
    NONE, best_level, best_px, level_at, order_hash, order_px, order_t, worse_level,
)
from rsx.book.cids cimport (
    CID_ENDED, CID_ORDER, cid_end_t, cid_entry_t, cids_at, cids_end, cids_t,
)
from rsx.book.fold cimport engine_hash_of
from rsx.book.matching cimport engine_t, own_t, taker_t, user_t
from rsx.book.trigger cimport line_t, trigger_t
from rsx.book.triggers cimport trigger_extreme, triggers_t
from rsx.core.memory cimport RSX_PAGES_SMALL, rsx_map, rsx_prefetch, rsx_unmap
from rsx.records_c cimport RSX_SELL
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
    LOOKS = 8192            # orders numbered, or places looked at without a row, in one call
    AHEAD = 8               # orders
    CID_BYTES = 36


# --- writing ----------------------------------------------------------------------------------


cdef int engine_save_begin(engine_save_t* save, engine_t* engine, bint is_amended) except -1:
    """Make ready to write an engine that stands still. Raises MemoryError."""
    memset(save, 0, sizeof(engine_save_t))
    save.engine = engine
    save.is_amended = is_amended
    save.ordinals = <uint32_t*>rsx_map(
        (<size_t>engine.book.capacity + 1) * sizeof(uint32_t), RSX_PAGES_SMALL)
    save.slots = <uint32_t*>rsx_map(
        (<size_t>engine.book.capacity + 1) * sizeof(uint32_t), RSX_PAGES_SMALL)
    save.lines = <uint32_t*>rsx_map(
        (<size_t>engine.triggers.slots + 1) * sizeof(uint32_t), RSX_PAGES_SMALL)
    if save.ordinals == NULL or save.slots == NULL or save.lines == NULL:
        raise MemoryError(f"numbers of {engine.book.capacity} orders")
    number_line(save, &engine.triggers.due)
    number_line(save, &engine.triggers.fired)
    save.level = best_level(&engine.book, 0)
    save.hash = engine.book.live
    return 0


cdef void engine_save_free(engine_save_t* save) noexcept nogil:
    if save.engine != NULL:
        rsx_unmap(save.ordinals, (<size_t>save.engine.book.capacity + 1) * sizeof(uint32_t))
        rsx_unmap(save.slots, (<size_t>save.engine.book.capacity + 1) * sizeof(uint32_t))
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
    return save.slot


cdef inline void next_phase(engine_save_t* save) noexcept nogil:
    save.phase += 1
    save.at = 0
    save.slot = NONE


cdef void number_orders(engine_save_t* save) noexcept nogil:
    """Give some more orders their numbers."""
    cdef int left = LOOKS
    cdef const order_t* order
    while left:
        if next_order(save) == NONE:
            next_phase(save)
            return
        order = &save.engine.book.orders[save.slot]
        save.hash = order_hash(save.hash, order, order_px(&save.engine.book, order))
        save.ordinal += 1
        save.ordinals[save.slot] = save.ordinal
        save.slots[save.ordinal] = save.slot
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


cdef inline void fetch_order(const engine_save_t* save, uint64_t number) noexcept nogil:
    """Have what the rows of the orders after this one read on its way."""
    cdef const engine_t* engine = save.engine
    cdef uint32_t slot
    cdef const order_t* order
    if number + 2 * AHEAD <= engine.book.live:
        slot = save.slots[number + 2 * AHEAD]
        rsx_prefetch(&engine.book.orders[slot])
        rsx_prefetch(&engine.owns[slot])
    if number + AHEAD <= engine.book.live:
        slot = save.slots[number + AHEAD]
        order = &engine.book.orders[slot]
        rsx_prefetch(&save.ordinals[engine.owns[slot].next])
        rsx_prefetch(&engine.book.levels[order.level])
        if order.cid_place:
            rsx_prefetch(&engine.cids.entries[order.cid_place - 1])


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
        if save.at < engine.book.live:
            save.at += 1
            fetch_order(save, save.at)
            write_order(save, save.slots[save.at], <rsx_row_order_t*>out)
            return True
    elif save.phase == TRIGGERS:
        if next_trigger(save):
            write_trigger(save, save.slot, <rsx_row_trigger_t*>out)
            return True
        save.hash = engine_hash_of(engine, save.hash)
    next_phase(save)
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
