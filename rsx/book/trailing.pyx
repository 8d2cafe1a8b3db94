# cython: boundscheck=False
"""Active trailing stops of one price and side: a new price costs O(log n), whatever their number.

Every price raises all extremes that it passes to itself, so stops that share an extreme share it
for good: they form a group, and a price that passes groups merges them. Within a group the stop
with the least distance fires first, whatever the extreme: a leftist tree of distances in price
units, and one of those in ppm. The groups stand in two heaps: by extreme (who moves first) and by
firing price.

Both sides are one here: prices of a buy are negated, so that an extreme only rises and a stop fires
at or below it. Source: specs/matching.md TR-2. Never: allocates, orders by anything but price and
distance.
"""

from libc.stdint cimport int64_t, uint8_t, uint32_t

from rsx.book.trigger cimport TRAILING, group_t, source_of, trailing_t, trigger_t
from rsx.book.triggers cimport triggers_t
from rsx.core.check cimport fail
from rsx.core.heap cimport heap_audit, heap_first, heap_first_key, heap_put, heap_remove
from rsx.records_c cimport RSX_BUY
from rsx.units cimport rsx_add, rsx_requirement

cdef int64_t NEVER = 0x7FFFFFFFFFFFFFFF


cdef inline trailing_t* trailing_of(triggers_t* book, const trigger_t* row) noexcept nogil:
    return &book.trailing[source_of(row.flags)][row.side]


cdef inline int64_t distance(const trigger_t* row, int64_t extreme) noexcept nogil:
    """From the extreme (signed as in a group) to where it fires, > 0."""
    if row.is_ppm:
        return rsx_requirement(extreme if extreme > 0 else -extreme, <uint32_t>row.trail)
    return row.trail


# --- leftist trees ----------------------------------------------------------------------------


cdef uint32_t meld(trigger_t* rows, uint32_t a, uint32_t b) noexcept nogil:
    """One tree of two; its depth to the right, and so the cost, is O(log n)."""
    cdef uint32_t below
    if a == 0 or b == 0:
        return a | b
    if rows[b].trail < rows[a].trail:
        a, b = b, a
    below = meld(rows, rows[a].right, b)
    rows[below].parent = a
    rows[a].right = below
    balance(rows, a)
    return a


cdef inline bint balance(trigger_t* rows, uint32_t at) noexcept nogil:
    """The child of the higher rank to the left; whether the rank has changed. Row 0 has rank 0."""
    cdef uint32_t left = rows[at].left, right = rows[at].right
    cdef uint8_t before = rows[at].rank
    if rows[left].rank < rows[right].rank:
        rows[at].left = right
        rows[at].right = left
        right = left
    rows[at].rank = rows[right].rank + 1
    return rows[at].rank != before


cdef uint32_t unlink(trigger_t* rows, uint32_t slot) noexcept nogil:
    """Take a node out of its tree; what replaces it where it was the root, else 0. O(log n)."""
    cdef uint32_t parent = rows[slot].parent
    cdef uint32_t rest = meld(rows, rows[slot].left, rows[slot].right)
    if rest:
        rows[rest].parent = parent
    if parent:
        if rows[parent].left == slot:
            rows[parent].left = rest
        else:
            rows[parent].right = rest
        while parent and balance(rows, parent):
            parent = rows[parent].parent
        rest = 0
    rows[slot].left = rows[slot].right = rows[slot].parent = rows[slot].rank = 0
    return rest


# --- groups -----------------------------------------------------------------------------------


cdef inline void set_root(triggers_t* book, uint32_t group, int tree, uint32_t root) noexcept nogil:
    book.groups[group].roots[tree] = root
    if root:
        book.rows[root].parent = 0
        book.rows[root].group = group


cdef uint32_t claim_group(triggers_t* book, int64_t extreme) noexcept nogil:
    """A group without members; there are as many groups as triggers."""
    cdef uint32_t group = book.free_group
    if group:
        book.free_group = book.groups[group].next_free
    else:
        book.untouched_group += 1
        group = book.untouched_group
    book.groups[group].extreme = extreme
    book.groups[group].roots[0] = book.groups[group].roots[1] = 0
    book.groups[group].next_free = 0
    return group


cdef void free_group(triggers_t* book, trailing_t* own, uint32_t group) noexcept nogil:
    heap_remove(&own.moves, group)
    heap_remove(&own.fires, group)
    book.groups[group].next_free = book.free_group
    book.free_group = group


cdef int64_t key_of(const trigger_t* row, int64_t extreme) noexcept nogil:
    """The negated price at which a trigger fires; NEVER for one beyond 64 bits."""
    cdef int64_t key = 0
    if rsx_add(distance(row, extreme), -extreme, &key):
        return NEVER
    return key


cdef int64_t fire_key(const triggers_t* book, const group_t* group) noexcept nogil:
    """That of the group's member that fires first."""
    cdef int64_t key = NEVER
    cdef int tree
    for tree in range(2):
        if group.roots[tree]:
            key = min(key, key_of(&book.rows[group.roots[tree]], group.extreme))
    return key


cdef inline void place_group(triggers_t* book, trailing_t* own, uint32_t group) noexcept nogil:
    """Put a group where its extreme and its members belong."""
    heap_put(&own.moves, group, book.groups[group].extreme, group)
    heap_put(&own.fires, group, fire_key(book, &book.groups[group]), group)


# --- triggers ---------------------------------------------------------------------------------


cdef void trailing_add(triggers_t* book, uint32_t slot, int64_t px) noexcept nogil:
    """Begin to trail a trigger, with the price now as its extreme."""
    cdef trigger_t* row = &book.rows[slot]
    cdef trailing_t* own = trailing_of(book, row)
    cdef int64_t extreme = -px if row.side == RSX_BUY else px
    cdef uint32_t group = heap_first(&own.moves)
    if group == 0 or book.groups[group].extreme != extreme:
        group = claim_group(book, extreme)
    row.state = TRAILING
    row.left = row.right = row.parent = 0
    row.rank = 1
    set_root(book, group, row.is_ppm, meld(book.rows, book.groups[group].roots[row.is_ppm], slot))
    place_group(book, own, group)


cdef void trailing_remove(triggers_t* book, uint32_t slot) noexcept nogil:
    """Take an active trigger out of its group; its row keeps the extreme no longer."""
    cdef trigger_t* row = &book.rows[slot]
    cdef trailing_t* own = trailing_of(book, row)
    cdef bint is_root = row.parent == 0
    cdef uint32_t group = row.group
    cdef uint32_t rest = unlink(book.rows, slot)
    if not is_root:
        return
    row.group = 0
    set_root(book, group, row.is_ppm, rest)
    if book.groups[group].roots[0] | book.groups[group].roots[1]:
        place_group(book, own, group)
    else:
        free_group(book, own, group)


cdef bint trailing_move(triggers_t* book, trailing_t* own, int64_t px,
                        uint32_t* target) noexcept nogil:
    """Move the group of the lowest extreme to px, signed; False when none is below it.

    Args  target: the group that has moved to px, 0 before the first
    """
    cdef uint32_t group = heap_first(&own.moves)
    cdef int tree
    if heap_first_key(&own.moves) >= px:
        return False
    if target[0] == 0:
        target[0] = group
        book.groups[group].extreme = px
    else:
        for tree in range(2):
            set_root(book, target[0], tree, meld(
                book.rows, book.groups[target[0]].roots[tree], book.groups[group].roots[tree]))
        free_group(book, own, group)
    place_group(book, own, target[0])
    return True


cdef uint32_t trailing_fire(triggers_t* book, trailing_t* own, int64_t px) noexcept nogil:
    """Take out a trigger that px, signed, fires, with its extreme and level noted; 0 = none."""
    cdef const group_t* group = &book.groups[heap_first(&own.fires)]
    cdef int64_t extreme = group.extreme, key
    cdef uint32_t slot = group.roots[0]
    cdef trigger_t* row
    if heap_first_key(&own.fires) > -px or heap_first_key(&own.fires) == NEVER:
        return 0
    if slot == 0 or key_of(&book.rows[slot], extreme) > -px:
        slot = group.roots[1]
    row = &book.rows[slot]
    key = key_of(row, extreme)
    row.extreme = -extreme if row.side == RSX_BUY else extreme
    row.level_px = key if row.side == RSX_BUY else -key
    trailing_remove(book, slot)
    return slot


# --- looking ----------------------------------------------------------------------------------


cdef int64_t trailing_extreme(const triggers_t* book, uint32_t slot) noexcept nogil:
    """The extreme of an active trigger; O(depth of its tree), for queries."""
    cdef uint8_t side = book.rows[slot].side
    cdef int64_t extreme
    while book.rows[slot].parent:
        slot = book.rows[slot].parent
    extreme = book.groups[book.rows[slot].group].extreme
    return -extreme if side == RSX_BUY else extreme


cdef uint32_t next_node(const trigger_t* rows, uint32_t node) noexcept nogil:
    """The node after this one, parents before children, or 0. A node with a right child has a left
    one."""
    cdef uint32_t parent
    if rows[node].left:
        return rows[node].left
    while True:
        parent = rows[node].parent
        if parent == 0:
            return 0
        if rows[parent].left == node and rows[parent].right:
            return rows[parent].right
        node = parent


cdef void trailing_show(triggers_t* book, const trailing_t* own) noexcept nogil:
    """Write the extreme of every active trigger into its row; O(triggers)."""
    cdef uint32_t at, node
    cdef int tree
    cdef const group_t* group
    for at in range(1, own.moves.count + 1):
        group = &book.groups[own.moves.items[at].slot]
        for tree in range(2):
            node = group.roots[tree]
            while node:
                book.rows[node].extreme = (
                    -group.extreme if book.rows[node].side == RSX_BUY else group.extreme)
                node = next_node(book.rows, node)


cdef int64_t audit_tree(triggers_t* book, const trailing_t* own, uint32_t group,
                        int tree) except -1:
    """Order, ranks and links of one tree; returns its members."""
    cdef uint32_t node = book.groups[group].roots[tree]
    cdef int64_t count = 0
    cdef trigger_t* row
    cdef trigger_t* rows = book.rows
    if node and (rows[node].parent != 0 or rows[node].group != group):
        return fail(8, node, group)
    while node:
        row = &rows[node]
        if row.state != TRAILING or row.is_ppm != tree or trailing_of(book, row) != own:
            return fail(8, row.oid, row.state)
        if row.parent and row.trail < rows[row.parent].trail:
            return fail(8, row.oid, row.trail)
        if row.left and rows[row.left].parent != node:
            return fail(8, row.oid, row.left)
        if row.right and rows[row.right].parent != node:
            return fail(8, row.oid, row.right)
        if rows[row.left].rank < rows[row.right].rank or row.rank != rows[row.right].rank + 1:
            return fail(8, row.oid, row.rank)
        count += 1
        node = next_node(rows, node)
    return count


cdef int64_t trailing_audit(triggers_t* book, const trailing_t* own) except -1:
    """Every group, heap and tree of one price and side (INV-8); returns the number of triggers."""
    cdef int64_t members, count = 0
    cdef uint32_t at, group
    heap_audit(&own.moves)
    heap_audit(&own.fires)
    if own.moves.count != own.fires.count:
        return fail(8, own.moves.count, own.fires.count)
    for at in range(1, own.moves.count + 1):
        group = own.moves.items[at].slot
        if own.moves.items[at].key != book.groups[group].extreme:
            return fail(8, group, own.moves.items[at].key)
        if own.fires.items[book.groups[group].fire_place].slot != group:
            return fail(8, group, book.groups[group].fire_place)
        if own.fires.items[book.groups[group].fire_place].key != fire_key(
                book, &book.groups[group]):
            return fail(8, group, own.fires.items[book.groups[group].fire_place].key)
        members = audit_tree(book, own, group, 0) + audit_tree(book, own, group, 1)
        if members == 0:
            return fail(8, group, 0)
        count += members
    return count
