# cython: boundscheck=False
"""The whole trigger book looked at: its part of the state hash, and every link and count.

Source: specs/matching.md F-3; INV-8, INV-14.
"""

from libc.stdint cimport int64_t, uint32_t, uint64_t
from libc.string cimport memset

from rsx.book.book cimport mix
from rsx.book.trailing cimport trailing_audit, trailing_show
from rsx.book.trigger cimport (
    DUE, ENDED, FIRED, FREE, TRAILING, WAITING, line_t, trigger_t,
)
from rsx.book.triggers cimport (
    triggers_are_moving, triggers_find, triggers_t, waiting_key, waiting_of,
)
from rsx.core.check cimport fail
from rsx.core.heap cimport heap_audit, heap_t
from rsx.records_c cimport RSX_GTD


cdef uint64_t triggers_hash(triggers_t* book) noexcept nogil:
    """Every trigger with its extreme and whether it has fired, in any order (F-3).

    What is due says nothing that prices have not said; the order of firing is in the log.
    """
    cdef uint64_t sum = 0, state
    cdef uint32_t slot
    cdef const trigger_t* row
    cdef int source, side
    for source in range(2):
        for side in range(2):
            trailing_show(book, &book.trailing[source][side])
    for slot in range(1, book.untouched):
        row = &book.rows[slot]
        if row.state == FREE or row.state == ENDED:
            continue
        state = mix(mix(mix(29, row.oid), row.px), row.qty)
        state = mix(mix(mix(state, row.trigger_px), row.trail), row.user_id)
        state = mix(mix(state, row.expire_s), row.is_ppm | row.kind << 8 | row.side << 16)
        state = mix(state, row.tif | row.flags << 8 | row.stp << 16)
        if row.state == FIRED:
            sum += mix(state, 1)
        else:
            sum += mix(mix(state, 0), row.extreme)
    return mix(sum, book.live - book.ended)


cdef int audit_user(triggers_t* book, uint32_t head) except -1:
    """The list of one user, from its youngest; returns its length."""
    cdef uint32_t slot = head, younger = 0
    cdef uint32_t user_slot = book.rows[head].user_slot, count = 0
    if book.user_heads[user_slot] != head:
        return fail(8, user_slot, head)
    while slot:
        if book.rows[slot].younger != younger or book.rows[slot].user_slot != user_slot:
            return fail(8, user_slot, slot)
        if book.rows[slot].state == FREE or book.rows[slot].state == ENDED:
            return fail(8, user_slot, book.rows[slot].oid)
        count += 1
        younger = slot
        slot = book.rows[slot].older
    if count != book.user_counts[user_slot]:
        return fail(8, user_slot, count)
    return count


cdef int audit_row(triggers_t* book, uint32_t slot) except -1:
    """What a row in use says of itself."""
    cdef trigger_t* row = &book.rows[slot]
    cdef heap_t* heap
    cdef bint expires = row.tif == RSX_GTD and row.state != FIRED and row.state != ENDED
    if triggers_find(book, row.oid) != slot or row.state > ENDED:
        return fail(8, row.oid, row.state)
    if (row.expiry_place != 0) != expires:
        return fail(8, row.oid, row.expiry_place)
    if expires:
        if book.expiries.items[row.expiry_place].slot != slot:
            return fail(8, row.oid, row.expiry_place)
        if book.expiries.items[row.expiry_place].key != row.expire_s:
            return fail(8, row.oid, row.expire_s)
    if row.state == WAITING:
        heap = waiting_of(book, row)
        if row.place == 0 or heap.items[row.place].slot != slot:
            return fail(8, row.oid, row.place)
        if heap.items[row.place].key != waiting_key(row):
            return fail(8, row.oid, row.trigger_px)
    elif row.place and row.state != DUE:
        return fail(8, row.oid, row.place)
    return 0


cdef int audit_line(triggers_t* book, const line_t* line, int state) except -1:
    cdef uint32_t slot = line.head, prev = 0, count = 0
    while slot:
        if book.rows[slot].state != state or book.rows[slot].prev != prev:
            return fail(8, book.rows[slot].oid, prev)
        count += 1
        prev = slot
        slot = book.rows[slot].next
    if prev != line.tail or count != line.count:
        return fail(8, count, line.count)
    return 0


cdef int audit_heaps(triggers_t* book, const uint32_t* count) except -1:
    """Every heap, and that together they hold what the states say."""
    cdef int64_t trailing = 0, waiting = 0
    cdef int source, way
    for source in range(2):
        for way in range(2):
            heap_audit(&book.waiting[source][way])
            waiting += book.waiting[source][way].count
            trailing += trailing_audit(book, &book.trailing[source][way])
    heap_audit(&book.expiries)
    heap_audit(&book.sorting)
    if book.sorting.count and not triggers_are_moving(book):
        return fail(8, book.sorting.count, 0)
    if waiting != count[WAITING] or trailing != count[TRAILING]:
        return fail(8, waiting, trailing)
    if book.due.count + book.sorting.count != count[DUE]:
        return fail(8, book.due.count, count[DUE])
    if book.fired.count != count[FIRED]:
        return fail(8, book.fired.count, count[FIRED])
    return 0


cdef int triggers_audit(triggers_t* book) except -1:
    """Raise InvariantError where a link, heap or count is wrong (INV-8); O(slots used)."""
    cdef uint32_t count[6]
    cdef uint32_t slot, free = 0, listed = 0, expiring = 0
    memset(count, 0, sizeof(count))
    for slot in range(1, book.untouched):
        count[book.rows[slot].state] += 1
        if book.rows[slot].state == FREE:
            continue
        audit_row(book, slot)
        expiring += book.rows[slot].expiry_place != 0
        if book.rows[slot].state != ENDED and book.rows[slot].younger == 0:
            listed += audit_user(book, slot)
    audit_line(book, &book.due, DUE)
    audit_line(book, &book.fired, FIRED)
    audit_heaps(book, count)
    slot = book.free_head
    while slot:
        if book.rows[slot].state != FREE:
            return fail(8, slot, book.rows[slot].state)
        free += 1
        slot = book.rows[slot].next
    if free != count[FREE] or free + book.live + 1 != book.untouched:
        return fail(8, free, book.live)
    if book.ids.count != book.live or expiring != book.expiries.count:
        return fail(8, book.ids.count, book.live)
    if listed != book.live - book.ended or count[ENDED] != book.ended:
        return fail(8, listed, book.ended)
    if book.live - book.ended > book.capacity:
        return fail(8, book.live, book.capacity)
    return 0
