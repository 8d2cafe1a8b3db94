# cython: boundscheck=False
"""Order book of one symbol: insert, remove and find, for matching and the shadow.

    levels[handle]   px, head <-> order <-> order <-> tail      oldest first
                     better <-> level <-> worse                 every level of its side, by price
                     parent, child[2]                           the levels of one slot, by price
    maps[2]          price -> slot -> root of its levels (pricemap.pyx)
    orders[slot]     slab; freed slots linked through `next`, last in first out

The next best price is a link, whatever map is in force; the map and the trees only find a level by
its price, and a new level its place. Near the reference a tree is one level. A tree is a treap: in
order by price, a heap by a seeded hash of the price, so nobody can choose prices that make it deep.

While the book is recentred its levels lie in two maps (recentre.pyx): a price is in one of them.

Owns its memory; knows nothing of users' rights, margins or time. A book may be crossed only
while its caller says so (replaying an auction); matching never leaves it crossed (INV-6).
Source: specs/matching.md sections 1 and 2; INV-3, INV-8, INV-16.
"""

from libc.stdint cimport int64_t, uint8_t, uint32_t, uint64_t
from libc.string cimport memset

import os

from rsx.book.pricemap cimport (
    bits_above, bits_below, bits_clear, bits_set, map_centre, map_free, map_init, map_side_t,
    map_slot, map_t, shape_init,
)
from rsx.core.idmap cimport idmap_free, idmap_init, idmap_put, idmap_remove
from rsx.core.memory cimport RSX_PAGES_HUGE, rsx_map, rsx_unmap


# Where a price is, or would be, in one map.
cdef struct place_t:
    uint32_t slot
    uint32_t parent         # the level below which a new one belongs; NONE = the slot is empty
    uint32_t better         # nearest better level of the same slot


cdef int book_init(book_t* book, int64_t tick, int64_t px_max, int64_t reference_px,
                   uint32_t orders_max, uint32_t level_slots_max) except -1:
    """Reserve the memory. Raises ValueError or MemoryError; book_free is safe in any state.

    Memory depends on orders_max and level_slots_max alone, never on a price (BOOK-30).
    """
    memset(book, 0, sizeof(book_t))
    book.capacity = orders_max
    book.untouched = book.level_untouched = 1
    if px_max < 1 or reference_px < 1:
        raise ValueError(f"highest price {px_max}, reference price {reference_px}: 1 is the least")
    shape_init(&book.shape, tick, level_slots_max)
    map_init(&book.maps[0], &book.shape)
    map_init(&book.maps[1], &book.shape)
    map_centre(&book.maps[0], &book.shape, reference_px)
    book.seed = int.from_bytes(os.urandom(8), "little") | 1
    book.orders = <order_t*>rsx_map((<size_t>orders_max + 1) * sizeof(order_t), RSX_PAGES_HUGE)
    book.levels = <level_t*>rsx_map((<size_t>orders_max + 1) * sizeof(level_t), RSX_PAGES_HUGE)
    if book.orders == NULL or book.levels == NULL:
        raise MemoryError(f"{orders_max} orders")
    idmap_init(&book.ids, orders_max, &book.orders[0].oid, sizeof(order_t), 64)
    return 0


cdef void book_free(book_t* book) noexcept nogil:
    map_free(&book.maps[0], &book.shape)
    map_free(&book.maps[1], &book.shape)
    rsx_unmap(book.orders, (<size_t>book.capacity + 1) * sizeof(order_t))
    rsx_unmap(book.levels, (<size_t>book.capacity + 1) * sizeof(level_t))
    if book.ids.entries != NULL:
        idmap_free(&book.ids)
    memset(book, 0, sizeof(book_t))


# --- the levels of one slot -------------------------------------------------------------------


cdef uint64_t level_weight(const book_t* book, int64_t px) noexcept nogil:
    """Place of a price in the heap order of its tree; the heavier level is nearer the root."""
    cdef uint64_t x = <uint64_t>px * book.seed
    x = (x ^ (x >> 32)) * <uint64_t>0xD6E8FEB86659FD93
    return x ^ (x >> 32)


cdef inline map_side_t* map_of(book_t* book, const level_t* level) noexcept nogil:
    return &book.maps[level.map].sides[level.side]


cdef void rotate_up(book_t* book, uint32_t handle) noexcept nogil:
    """Let a level and its parent change places; the order by price stays."""
    cdef level_t* level = &book.levels[handle]
    cdef uint32_t parent = level.parent, inner
    cdef level_t* above = &book.levels[parent]
    cdef level_t* top
    cdef int way = above.child[WORSE] == handle
    inner = level.child[1 - way]
    above.child[way] = inner
    if inner != NONE:
        book.levels[inner].parent = parent
    level.child[1 - way] = parent
    level.parent = above.parent
    above.parent = handle
    if level.parent == NONE:
        map_of(book, level).slots[level.slot] = handle
    else:
        top = &book.levels[level.parent]
        top.child[top.child[WORSE] == parent] = handle


cdef void tree_link(book_t* book, uint32_t handle, uint32_t parent) noexcept nogil:
    """Hang a level whose side, map and slot are set below its parent; NONE: it is the first."""
    cdef level_t* level = &book.levels[handle]
    cdef level_t* above = &book.levels[parent]
    cdef map_side_t* own = map_of(book, level)
    cdef uint64_t weight
    book.maps[level.map].levels += 1
    level.parent = parent
    level.child[BETTER] = level.child[WORSE] = NONE
    if parent == NONE:
        own.slots[level.slot] = handle
        bits_set(own, level.slot)
        return
    above.child[not is_better(level.side, level.px, above.px)] = handle
    weight = level_weight(book, level.px)
    while level.parent != NONE and level_weight(book, book.levels[level.parent].px) < weight:
        rotate_up(book, handle)


cdef void tree_unlink(book_t* book, uint32_t handle) noexcept nogil:
    """Take a level out of its slot."""
    cdef level_t* level = &book.levels[handle]
    cdef map_side_t* own = map_of(book, level)
    cdef level_t* above
    cdef uint32_t kept
    cdef int way
    book.maps[level.map].levels -= 1
    while level.child[BETTER] != NONE and level.child[WORSE] != NONE:
        way = (level_weight(book, book.levels[level.child[BETTER]].px)
               < level_weight(book, book.levels[level.child[WORSE]].px))
        rotate_up(book, level.child[way])
    kept = level.child[BETTER] | level.child[WORSE]
    if kept != NONE:
        book.levels[kept].parent = level.parent
    if level.parent != NONE:
        above = &book.levels[level.parent]
        above.child[above.child[WORSE] == handle] = kept
    else:
        own.slots[level.slot] = kept
        if kept == NONE:
            bits_clear(own, level.slot)


# --- levels -----------------------------------------------------------------------------------


cdef uint32_t seek(const book_t* book, int which, int side, int64_t px,
                   place_t* place) noexcept nogil:
    """The level of a price in one map, or NONE and its place there."""
    cdef const map_t* map = &book.maps[which]
    cdef const level_t* level
    cdef uint32_t handle
    place.slot = <uint32_t>map_slot(map, &book.shape, px)
    place.parent = place.better = NONE
    handle = map.sides[side].slots[place.slot]
    while handle != NONE:
        level = &book.levels[handle]
        if level.px == px:
            return handle
        place.parent = handle
        if is_better(side, px, level.px):
            handle = level.child[BETTER]
        else:
            place.better = handle
            handle = level.child[WORSE]
    return NONE


cdef uint32_t nearest_better(const book_t* book, int which, int side,
                             const place_t* place) noexcept nogil:
    """The nearest better level in one map of a price that is not in it, or NONE."""
    cdef const map_side_t* own = &book.maps[which].sides[side]
    cdef int64_t slot
    cdef uint32_t handle
    if place.better != NONE:
        return place.better
    slot = bits_above(own, place.slot) if side == 0 else bits_below(own, place.slot)
    if slot < 0:
        return NONE
    handle = own.slots[slot]
    while book.levels[handle].child[WORSE] != NONE:
        handle = book.levels[handle].child[WORSE]
    return handle


cdef uint32_t level_of(book_t* book, uint8_t side, int64_t px) noexcept nogil:
    """The level of a price, made when new."""
    cdef place_t place, old
    cdef uint32_t handle = seek(book, book.map, side, px, &place), better = NONE, other
    if handle != NONE:
        return handle
    if book.is_moving:
        handle = seek(book, 1 - book.map, side, px, &old)
        if handle != NONE:
            return handle
    if book.best[side] != NONE and not is_better(side, px, book.levels[book.best[side]].px):
        better = nearest_better(book, book.map, side, &place)
        if book.is_moving:
            other = nearest_better(book, 1 - book.map, side, &old)
            if better == NONE or (other != NONE and is_better(
                    side, book.levels[better].px, book.levels[other].px)):
                better = other
    return level_make(book, side, px, &place, better)


cdef uint32_t level_make(book_t* book, uint8_t side, int64_t px, const place_t* place,
                         uint32_t better) noexcept nogil:
    """A new empty level behind `better`; NONE: it is the best one."""
    cdef uint32_t handle = book.level_free
    cdef level_t* level
    if handle != NONE:
        book.level_free = book.levels[handle].worse
    else:
        handle = book.level_untouched
        book.level_untouched += 1
    level = &book.levels[handle]
    level.px = px
    level.qty = 0
    level.head = level.tail = NONE
    level.count = 0
    level.side = side
    level.map = <uint8_t>book.map
    level.slot = place.slot
    tree_link(book, handle, place.parent)
    level.better = better
    if better != NONE:
        level.worse = book.levels[better].worse
        book.levels[better].worse = handle
    else:
        level.worse = book.best[side]
        book.best[side] = handle
    if level.worse != NONE:
        book.levels[level.worse].better = handle
    book.level_live += 1
    return handle


cdef void level_drop(book_t* book, uint32_t handle) noexcept nogil:
    """Take an empty level out of its slot and its neighbours, back into the pool."""
    cdef level_t* level = &book.levels[handle]
    tree_unlink(book, handle)
    if level.better != NONE:
        book.levels[level.better].worse = level.worse
    else:
        book.best[level.side] = level.worse
    if level.worse != NONE:
        book.levels[level.worse].better = level.better
    if book.move_next[level.side] == handle:
        book.move_next[level.side] = level.worse
    level.worse = book.level_free
    book.level_free = handle
    book.level_live -= 1


cdef void level_move(book_t* book, uint32_t handle) noexcept nogil:
    """Move a level of the old map into the new one, where all better ones of its side are.

    Cost: O(1) on average: what lies next to it in price is next to it in the tree.
    """
    cdef level_t* level = &book.levels[handle]
    cdef const level_t* better = &book.levels[level.better]
    cdef place_t place
    tree_unlink(book, handle)
    level.map = <uint8_t>book.map
    level.slot = <uint32_t>map_slot(&book.maps[book.map], &book.shape, level.px)
    if level.better != NONE and better.slot == level.slot and better.child[WORSE] == NONE:
        tree_link(book, handle, level.better)
    else:
        seek(book, book.map, level.side, level.px, &place)
        tree_link(book, handle, place.parent)


# --- orders -----------------------------------------------------------------------------------


cdef uint32_t book_insert(book_t* book, uint64_t oid, uint8_t side, int64_t px,
                          int64_t remaining) noexcept nogil:
    """Rest an order at the end of its level; returns its slot, NONE when the slab is full.

    The caller has checked px (on tick, in range) and remaining (> 0, INV-16), and fills in the
    fields that the book does not need.
    """
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
    handle = level_of(book, side, px)
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
        level_drop(book, order.level)
    idmap_remove(&book.ids, order.oid)
    order.live = 0
    order.next = book.free_head
    book.free_head = slot
    book.live -= 1


cdef uint64_t mix(uint64_t state, uint64_t value) noexcept nogil:
    """One step of a 64-bit state hash; order matters."""
    state = (state ^ value) * <uint64_t>0x9E3779B97F4A7C15
    return state ^ (state >> 29)


cdef uint64_t order_hash(uint64_t state, const order_t* order, int64_t px) noexcept nogil:
    """One step of book_hash, which begins with the number of orders."""
    state = mix(mix(mix(state, order.oid), px), order.remaining)
    state = mix(mix(mix(state, order.reserved), order.qty), order.user_id)
    return mix(state, order.side | order.tif << 8 | order.flags << 16
               | <uint64_t>order.kind << 24 | <uint64_t>order.stp << 32)


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
                state = order_hash(state, order, book.levels[handle].px)
                slot = order.next
            handle = worse_level(book, side, handle)
    return state
