# cython: boundscheck=False
"""Order book of one symbol: insert, remove and find in O(1), for matching and the shadow.

    side.levels[px / tick] -> head <-> order <-> order <-> tail      oldest first
    side.bits[0..3]           a bit per occupied level, then per non-zero word, 64-way
    orders[slot]              slab; freed slots linked through `next`, last in first out

Owns its memory; knows nothing of users' rights, margins or time. A book may be crossed only
while its caller says so (replaying an auction); matching never leaves it crossed (INV-6).
Source: specs/matching.md section 1; INV-3, INV-8, INV-16.
"""

from libc.stdint cimport int64_t, uint8_t, uint32_t, uint64_t
from libc.string cimport memset

from rsx.core.check cimport fail
from rsx.core.idmap cimport idmap_free, idmap_get, idmap_init, idmap_put, idmap_remove
from rsx.core.memory cimport RSX_PAGES_HUGE, RSX_PAGES_SMALL, rsx_map, rsx_unmap

cdef int64_t LEVELS_MAX = 1 << 24


cdef size_t words_at(int64_t levels, int depth) noexcept nogil:
    """Words of the bitmap at this depth; one more than needed so that scans may look ahead."""
    return <size_t>(levels >> (6 * (depth + 1))) + 2


cdef int book_init(book_t* book, int64_t tick, int64_t px_max, uint32_t orders_max) except -1:
    """Reserve the memory. Raises ValueError or MemoryError; book_free is safe in any state."""
    cdef int side, depth
    memset(book, 0, sizeof(book_t))
    book.tick = tick
    book.levels = px_max // max(tick, 1) + 1
    book.capacity = orders_max
    book.untouched = 1
    if tick < 1 or not 1 <= book.levels <= LEVELS_MAX:
        raise ValueError(f"{px_max} / {tick}: 1 to {LEVELS_MAX} price levels are possible")
    for side in range(2):
        book.sides[side].best = -1
        book.sides[side].levels = <level_t*>rsx_map(
            <size_t>book.levels * sizeof(level_t), RSX_PAGES_SMALL)
        if book.sides[side].levels == NULL:
            raise MemoryError(f"{book.levels} price levels")
        for depth in range(BIT_LEVELS):
            # The bitmap spans all 2^24 levels at the upper depths, so scans need no bounds.
            book.sides[side].bits[depth] = <uint64_t*>rsx_map(
                words_at(LEVELS_MAX, depth) * 8, RSX_PAGES_SMALL)
            if book.sides[side].bits[depth] == NULL:
                raise MemoryError("bitmap")
    book.orders = <order_t*>rsx_map((<size_t>orders_max + 1) * sizeof(order_t), RSX_PAGES_HUGE)
    if book.orders == NULL:
        raise MemoryError(f"{orders_max} orders")
    idmap_init(&book.ids, orders_max, &book.orders[0].oid, sizeof(order_t), 64)
    return 0


cdef void book_free(book_t* book) noexcept nogil:
    cdef int side, depth
    for side in range(2):
        rsx_unmap(book.sides[side].levels, <size_t>book.levels * sizeof(level_t))
        for depth in range(BIT_LEVELS):
            rsx_unmap(book.sides[side].bits[depth], words_at(LEVELS_MAX, depth) * 8)
    rsx_unmap(book.orders, (<size_t>book.capacity + 1) * sizeof(order_t))
    if book.ids.entries != NULL:
        idmap_free(&book.ids)
    memset(book, 0, sizeof(book_t))


cdef uint32_t book_insert(book_t* book, uint64_t oid, uint8_t side, int64_t index,
                          int64_t remaining) noexcept nogil:
    """Rest an order at the end of level `index`; returns its slot, NONE when the slab is full.

    The caller has checked index (in range) and remaining (> 0, INV-16), and fills in the
    fields that the book does not need.
    """
    cdef side_t* own = &book.sides[side]
    cdef level_t* level = &own.levels[index]
    cdef uint32_t slot = book.free_head
    cdef order_t* order
    if slot != NONE:
        book.free_head = book.orders[slot].next
    elif book.untouched <= book.capacity:
        slot = book.untouched
        book.untouched += 1
    else:
        return NONE
    order = &book.orders[slot]
    order.oid = oid
    order.side = side
    order.level = <uint32_t>index
    order.remaining = remaining
    order.live = 1
    order.next = NONE
    order.prev = level.tail
    if level.tail != NONE:
        book.orders[level.tail].next = slot
    else:
        level.head = slot
        bits_set(own, index)
        if own.best < 0 or (index > own.best if side == 0 else index < own.best):
            own.best = index
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
    cdef side_t* own = &book.sides[order.side]
    cdef int64_t index = order.level
    cdef level_t* level = &own.levels[index]
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
        bits_clear(own, index)
        if index == own.best:
            own.best = bits_below(own, index) if order.side == 0 else bits_above(own, index)
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
    """Hash of every resting order in priority order, independent of slots (INV-14)."""
    cdef uint64_t state = book.live
    cdef int side
    cdef int64_t index
    cdef uint32_t slot
    cdef const order_t* order
    for side in range(2):
        index = bits_above(&book.sides[side], -1)
        while index >= 0:
            slot = book.sides[side].levels[index].head
            while slot != NONE:
                order = &book.orders[slot]
                state = mix(mix(mix(state, order.oid), order.level), order.remaining)
                state = mix(mix(mix(state, order.reserved), order.qty), order.user_id)
                state = mix(state, order.side | order.tif << 8 | order.flags << 16)
                slot = order.next
            index = bits_above(&book.sides[side], index)
    return state


cdef int audit_level(book_t* book, int side, int64_t index) except -1:
    """Links, quantity and count of one level; returns its number of orders."""
    cdef level_t* level = &book.sides[side].levels[index]
    cdef uint32_t slot = level.head, prev = NONE, count = 0
    cdef int64_t qty = 0
    cdef order_t* order
    while slot != NONE:
        order = &book.orders[slot]
        if not order.live or order.prev != prev or order.side != side:
            return fail(8, index, slot)
        if order.remaining <= 0:
            return fail(16, order.oid, order.remaining)
        if order.level != index:
            return fail(8, order.level, index)
        if idmap_get(&book.ids, order.oid) != slot:
            return fail(8, order.oid, slot)
        qty += order.remaining
        count += 1
        prev = slot
        slot = order.next
    if level.tail != prev or level.qty != qty or level.count != count or count == 0:
        return fail(8, index, level.qty - qty)
    return count


cdef int book_audit(book_t* book, bint may_cross) except -1:
    """Check every link and count (INV-6, INV-8, INV-16); O(orders + free slots)."""
    cdef int side
    cdef int64_t index
    cdef uint64_t linked = 0, free = 0
    cdef uint32_t slot
    for side in range(2):
        index = bits_above(&book.sides[side], -1)
        while index >= 0:
            linked += audit_level(book, side, index)
            index = bits_above(&book.sides[side], index)
        index = bits_below(&book.sides[side], book.levels) if side == 0 else bits_above(
            &book.sides[side], -1)
        if index != book.sides[side].best:
            return fail(8, index, book.sides[side].best)
    slot = book.free_head
    while slot != NONE:
        if book.orders[slot].live:
            return fail(8, slot, 0)
        free += 1
        slot = book.orders[slot].next
    if linked != book.live or free + linked + 1 != book.untouched:
        return fail(8, linked, free)
    if book.ids.count != book.live:
        return fail(8, book.ids.count, book.live)
    if not may_cross and book.sides[0].best >= 0 and book.sides[1].best >= 0:
        if book.sides[0].best >= book.sides[1].best:
            return fail(6, best_px(book, 0), best_px(book, 1))
    return 0
