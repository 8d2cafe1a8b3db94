# cython: boundscheck=False
"""Order book of one symbol: insert, remove and find in O(1), for matching and the shadow.

    levels[handle]       px, head <-> order <-> order <-> tail      oldest first
                         better <-> level <-> worse                  price order of its side
    side.slots, .bits    the handle of a price; a bit per occupied slot, then per word, 64-way
    orders[slot]         slab; freed slots linked through `next`, last in first out

Owns its memory; knows nothing of users' rights, margins or time. A book may be crossed only
while its caller says so (replaying an auction); matching never leaves it crossed (INV-6).
Source: specs/matching.md section 1; INV-3, INV-8, INV-16.
"""

from libc.stdint cimport int64_t, uint8_t, uint32_t, uint64_t
from libc.string cimport memset

from rsx.core.check cimport fail
from rsx.core.idmap cimport idmap_free, idmap_get, idmap_init, idmap_put, idmap_remove
from rsx.core.memory cimport RSX_PAGES_HUGE, RSX_PAGES_SMALL, rsx_map, rsx_unmap
from rsx.units cimport rsx_divisor, rsx_steps

cdef int64_t LEVELS_MAX = 1 << 24


cdef size_t words_at(int64_t levels, int depth) noexcept nogil:
    """Words of the bitmap at this depth; one more than needed so that scans may look ahead."""
    return <size_t>(levels >> (6 * (depth + 1))) + 2


cdef int book_init(book_t* book, int64_t tick, int64_t px_max, int64_t reference_px,
                   uint32_t orders_max, uint32_t level_slots_max) except -1:
    """Reserve the memory. Raises ValueError or MemoryError; book_free is safe in any state."""
    cdef int side, depth
    memset(book, 0, sizeof(book_t))
    book.tick = tick
    book.prices = px_max // max(tick, 1) + 1
    book.capacity = orders_max
    book.untouched = book.level_untouched = 1
    if tick < 1 or not 1 <= book.prices <= LEVELS_MAX:
        raise ValueError(f"{px_max} / {tick}: 1 to {LEVELS_MAX} price levels are possible")
    if reference_px < 1 or level_slots_max < 1024:
        raise ValueError(f"reference price {reference_px}, {level_slots_max} level slots")
    book.tick_steps = rsx_divisor(tick, px_max)
    for side in range(2):
        book.sides[side].slots = <uint32_t*>rsx_map(
            <size_t>book.prices * sizeof(uint32_t), RSX_PAGES_SMALL)
        if book.sides[side].slots == NULL:
            raise MemoryError(f"{book.prices} prices")
        for depth in range(BIT_LEVELS):
            # The bitmap spans all 2^24 levels at the upper depths, so scans need no bounds.
            book.sides[side].bits[depth] = <uint64_t*>rsx_map(
                words_at(LEVELS_MAX, depth) * 8, RSX_PAGES_SMALL)
            if book.sides[side].bits[depth] == NULL:
                raise MemoryError("bitmap")
    book.orders = <order_t*>rsx_map((<size_t>orders_max + 1) * sizeof(order_t), RSX_PAGES_HUGE)
    book.levels = <level_t*>rsx_map((<size_t>orders_max + 1) * sizeof(level_t), RSX_PAGES_HUGE)
    if book.orders == NULL or book.levels == NULL:
        raise MemoryError(f"{orders_max} orders")
    idmap_init(&book.ids, orders_max, &book.orders[0].oid, sizeof(order_t), 64)
    return 0


cdef void book_free(book_t* book) noexcept nogil:
    cdef int side, depth
    for side in range(2):
        rsx_unmap(book.sides[side].slots, <size_t>book.prices * sizeof(uint32_t))
        for depth in range(BIT_LEVELS):
            rsx_unmap(book.sides[side].bits[depth], words_at(LEVELS_MAX, depth) * 8)
    rsx_unmap(book.orders, (<size_t>book.capacity + 1) * sizeof(order_t))
    rsx_unmap(book.levels, (<size_t>book.capacity + 1) * sizeof(level_t))
    if book.ids.entries != NULL:
        idmap_free(&book.ids)
    memset(book, 0, sizeof(book_t))


# --- levels -----------------------------------------------------------------------------------


cdef uint32_t level_make(book_t* book, uint8_t side, int64_t px, int64_t index) noexcept nogil:
    """A new empty level, linked between its neighbours."""
    cdef side_t* own = &book.sides[side]
    cdef uint32_t handle = book.level_free
    cdef level_t* level
    cdef int64_t near
    if handle != NONE:
        book.level_free = book.levels[handle].worse
    else:
        handle = book.level_untouched
        book.level_untouched += 1
    level = &book.levels[handle]
    memset(level, 0, sizeof(level_t))
    level.px = px
    near = bits_above(own, index) if side == 0 else bits_below(own, index)
    level.better = own.slots[near] if near >= 0 else NONE
    if level.better != NONE:
        level.worse = book.levels[level.better].worse
        book.levels[level.better].worse = handle
    else:
        level.worse = own.best
        own.best = handle
    if level.worse != NONE:
        book.levels[level.worse].better = handle
    own.slots[index] = handle
    bits_set(own, index)
    book.level_live += 1
    return handle


cdef void level_drop(book_t* book, uint8_t side, uint32_t handle) noexcept nogil:
    """Take an empty level out of the map, its neighbours and the pool."""
    cdef side_t* own = &book.sides[side]
    cdef level_t* level = &book.levels[handle]
    cdef int64_t index = rsx_steps(level.px, book.tick_steps)
    own.slots[index] = NONE
    bits_clear(own, index)
    if level.better != NONE:
        book.levels[level.better].worse = level.worse
    else:
        own.best = level.worse
    if level.worse != NONE:
        book.levels[level.worse].better = level.better
    level.worse = book.level_free
    book.level_free = handle
    book.level_live -= 1


# --- orders -----------------------------------------------------------------------------------


cdef uint32_t book_insert(book_t* book, uint64_t oid, uint8_t side, int64_t px,
                          int64_t remaining) noexcept nogil:
    """Rest an order at the end of its level; returns its slot, NONE when the slab is full.

    The caller has checked px (on tick, in range) and remaining (> 0, INV-16), and fills in the
    fields that the book does not need.
    """
    cdef int64_t index = rsx_steps(px, book.tick_steps)
    cdef uint32_t handle, slot = book.free_head
    cdef level_t* level
    cdef order_t* order
    if slot != NONE:
        book.free_head = book.orders[slot].next
    elif book.untouched <= book.capacity:
        slot = book.untouched
        book.untouched += 1
    else:
        return NONE
    handle = book.sides[side].slots[index]
    if handle == NONE:
        handle = level_make(book, side, px, index)
    level = &book.levels[handle]
    order = &book.orders[slot]
    order.oid = oid
    order.side = side
    order.level = handle
    order.remaining = remaining
    order.live = 1
    order.kind = order.stp = 0
    order.next = NONE
    order.prev = level.tail
    if level.tail != NONE:
        book.orders[level.tail].next = slot
    else:
        level.head = slot
    level.tail = slot
    level.qty += remaining
    level.count += 1
    book.live += 1
    idmap_put(&book.ids, oid, slot)
    if book.ids.count != book.live:  # an id that rests already: the caller stops (INV-8)
        return NONE
    return slot


cdef void book_remove(book_t* book, uint32_t slot) noexcept nogil:
    """Take a live order out of its level, the id index and the slab."""
    cdef order_t* order = &book.orders[slot]
    cdef level_t* level = &book.levels[order.level]
    if order.prev != NONE:
        book.orders[order.prev].next = order.next
    else:
        level.head = order.next
    if order.next != NONE:
        book.orders[order.next].prev = order.prev
    else:
        level.tail = order.prev
    level.qty -= order.remaining
    level.count -= 1
    if level.head == NONE:
        level_drop(book, order.side, order.level)
    idmap_remove(&book.ids, order.oid)
    order.live = 0
    order.next = book.free_head
    book.free_head = slot
    book.live -= 1


cdef uint64_t mix(uint64_t state, uint64_t value) noexcept nogil:
    """One step of a 64-bit state hash; order matters."""
    state = (state ^ value) * <uint64_t>0x9E3779B97F4A7C15
    return state ^ (state >> 29)


cdef uint64_t book_hash(const book_t* book) noexcept nogil:
    """Hash of every resting order in priority order, independent of slots, handles and the map
    (INV-14, PM-2)."""
    cdef uint64_t state = book.live
    cdef int side
    cdef uint32_t handle, slot
    cdef const order_t* order
    for side in range(2):
        handle = best_level(book, side)
        while handle != NONE:
            slot = book.levels[handle].head
            while slot != NONE:
                order = &book.orders[slot]
                state = mix(mix(mix(state, order.oid), book.levels[handle].px), order.remaining)
                state = mix(mix(mix(state, order.reserved), order.qty), order.user_id)
                state = mix(state, order.side | order.tif << 8 | order.flags << 16)
                slot = order.next
            handle = worse_level(book, side, handle)
    return state


cdef int audit_level(book_t* book, int side, uint32_t handle) except -1:
    """Links, quantity and count of one level; returns its number of orders."""
    cdef level_t* level = &book.levels[handle]
    cdef uint32_t slot = level.head, prev = NONE, count = 0
    cdef int64_t qty = 0
    cdef order_t* order
    while slot != NONE:
        order = &book.orders[slot]
        if not order.live or order.prev != prev or order.side != side:
            return fail(8, handle, slot)
        if order.remaining <= 0:
            return fail(16, order.oid, order.remaining)
        if order.level != handle:
            return fail(8, order.level, handle)
        if idmap_get(&book.ids, order.oid) != slot:
            return fail(8, order.oid, slot)
        qty += order.remaining
        count += 1
        prev = slot
        slot = order.next
    if level.tail != prev or level.qty != qty or level.count != count or count == 0:
        return fail(8, handle, level.qty - qty)
    return count


cdef int64_t audit_side(book_t* book, int side) except -1:
    """Every level of a side, best first; returns its number of orders."""
    cdef side_t* own = &book.sides[side]
    cdef uint32_t handle = own.best, better = NONE
    cdef int64_t linked = 0, index, from_map
    from_map = bits_below(own, book.prices) if side == 0 else bits_above(own, -1)
    while handle != NONE:
        index = rsx_steps(book.levels[handle].px, book.tick_steps)
        if index != from_map or own.slots[index] != handle:
            return fail(8, index, from_map)
        if book.levels[handle].better != better:
            return fail(8, handle, better)
        linked += audit_level(book, side, handle)
        better = handle
        handle = book.levels[handle].worse
        from_map = bits_below(own, index) if side == 0 else bits_above(own, index)
    if from_map >= 0:
        return fail(8, from_map, better)
    return linked


cdef int audit_pools(book_t* book, int64_t linked) except -1:
    """Slots and levels: untouched = free + live."""
    cdef int64_t free = 0, free_levels = 0
    cdef uint32_t at = book.free_head
    while at != NONE:
        if book.orders[at].live:
            return fail(8, at, 0)
        free += 1
        at = book.orders[at].next
    if linked != book.live or free + linked + 1 != book.untouched:
        return fail(8, linked, free)
    if book.ids.count != book.live:
        return fail(8, book.ids.count, book.live)
    at = book.level_free
    while at != NONE:
        free_levels += 1
        at = book.levels[at].worse
    if free_levels + book.level_live + 1 != book.level_untouched:
        return fail(8, free_levels, book.level_live)
    return 0


cdef int book_audit(book_t* book, bint may_cross) except -1:
    """Check every link and count (INV-6, INV-8, INV-16); O(orders + free slots)."""
    audit_pools(book, audit_side(book, 0) + audit_side(book, 1))
    if not may_cross and best_level(book, 0) != NONE and best_level(book, 1) != NONE:
        if best_px(book, 0) >= best_px(book, 1):
            return fail(6, best_px(book, 0), best_px(book, 1))
    return 0
