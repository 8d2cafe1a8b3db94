# cython: boundscheck=False
"""Checks of a whole book: every link, count and sum, both maps (INV-6, INV-8, INV-16, PM-2).

For tests and the auditor; O(orders + levels + slots).
"""

from libc.stdint cimport int64_t, uint32_t, uint64_t

from rsx.book.book cimport (
    BETTER, NONE, WORSE, best_level, best_px, book_t, is_better, level_t, level_weight, order_t,
)
from rsx.book.pricemap cimport bits_above, map_audit, map_slot
from rsx.core.check cimport fail
from rsx.core.idmap cimport idmap_get


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


cdef int audit_tree(const book_t* book, uint32_t handle) except -1:
    """A level's links within its slot; the levels of a tree are linked to a root that is reached
    from the slot, and prices decide every turn on the way down."""
    cdef const level_t* level = &book.levels[handle]
    cdef const level_t* below
    cdef uint32_t at = book.maps[level.map].sides[level.side].slots[level.slot]
    cdef int way
    if level.slot != map_slot(&book.maps[level.map], &book.shape, level.px):
        return fail(8, level.px, level.slot)
    while at != NONE and at != handle:
        at = book.levels[at].child[not is_better(level.side, level.px, book.levels[at].px)]
    if at == NONE:
        return fail(8, handle, level.px)
    if (level.parent == NONE) != (
            book.maps[level.map].sides[level.side].slots[level.slot] == handle):
        return fail(8, handle, level.parent)
    for way in range(2):
        if level.child[way] == NONE:
            continue
        below = &book.levels[level.child[way]]
        if below.parent != handle or below.map != level.map or below.side != level.side:
            return fail(8, handle, level.child[way])
        if below.slot != level.slot:
            return fail(8, handle, below.slot)
        if is_better(level.side, below.px, level.px) != (way == BETTER):
            return fail(8, level.px, below.px)
        if level_weight(book, below.px) > level_weight(book, level.px):
            return fail(8, level.px, below.px)
    return 0


cdef int64_t audit_side(book_t* book, int side) except -1:
    """Every level of a side, best first; returns its number of orders.

    A tree has no level that the list has not: each is pointed to once, from a slot or a parent.
    """
    cdef int64_t[2] levels = [0, 0]
    cdef int64_t[2] pointed = [0, 0]
    cdef int64_t slot
    cdef int which
    cdef uint32_t handle = best_level(book, side), better = NONE
    cdef const level_t* level
    cdef int64_t linked = 0
    cdef bint is_old_due = book.move_next[side] == NONE
    while handle != NONE:
        level = &book.levels[handle]
        if level.side != side or level.better != better:
            return fail(8, handle, better)
        if better != NONE and not is_better(side, book.levels[better].px, level.px):
            return fail(8, level.px, book.levels[better].px)
        if handle == book.move_next[side]:
            is_old_due = True
        if level.map != book.map and (
                not book.is_moving or not is_old_due or book.move_next[side] == NONE):
            return fail(8, handle, level.map)  # nobody would move it
        audit_tree(book, handle)
        linked += audit_level(book, side, handle)
        levels[level.map] += 1
        pointed[level.map] += (level.child[BETTER] != NONE) + (level.child[WORSE] != NONE)
        better = handle
        handle = level.worse
    if not is_old_due:
        return fail(8, book.move_next[side], side)
    for which in range(2):
        slot = bits_above(&book.maps[which].sides[side], -1)
        while slot >= 0:
            pointed[which] += 1
            slot = bits_above(&book.maps[which].sides[side], slot)
        if levels[which] != pointed[which]:
            return fail(8, levels[which], pointed[which])
    return linked


cdef int audit_maps(const book_t* book) except -1:
    """Slots against bits; levels against the pool; an idle second map is empty."""
    map_audit(&book.maps[0])
    map_audit(&book.maps[1])
    if book.maps[0].levels + book.maps[1].levels != book.level_live:
        return fail(8, book.maps[0].levels + book.maps[1].levels, book.level_live)
    if not book.is_moving:
        if book.maps[1 - book.map].levels or book.move_next[0] or book.move_next[1]:
            return fail(8, book.maps[1 - book.map].levels, book.move_next[0])
    return 0


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
    """Check every link and count (INV-6, INV-8, INV-16); O(orders + levels + slots)."""
    audit_pools(book, audit_side(book, 0) + audit_side(book, 1))
    audit_maps(book)
    if not may_cross and best_level(book, 0) != NONE and best_level(book, 1) != NONE:
        if best_px(book, 0) >= best_px(book, 1):
            return fail(6, best_px(book, 0), best_px(book, 1))
    return 0


cdef uint64_t book_depth(const book_t* book) noexcept nogil:
    """Most levels that a search of one slot passes; O(levels)."""
    cdef uint64_t deepest = 0, depth
    cdef uint32_t handle, at
    cdef int side
    for side in range(2):
        handle = best_level(book, side)
        while handle != NONE:
            depth = 0
            at = handle
            while at != NONE:
                depth += 1
                at = book.levels[at].parent
            deepest = max(deepest, depth)
            handle = book.levels[handle].worse
    return deepest
