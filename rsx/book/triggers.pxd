"""Trigger book of one symbol: orders that wait for a price. Structure in triggers.pyx."""

from libc.stdint cimport int64_t, uint8_t, uint32_t, uint64_t

from rsx.book.trigger cimport (
    FIRED_MAX, group_t, is_rising, line_t, source_of, step_t, trailing_t, trigger_t,
)
from rsx.core.heap cimport heap_t
from rsx.core.idmap cimport idmap_get, idmap_t

cdef struct triggers_t:
    trigger_t* rows
    group_t* groups
    idmap_t ids             # order id -> slot
    uint32_t* user_heads    # by the engine's user slot: youngest trigger that has not ended
    uint32_t* user_counts
    uint64_t users_max
    heap_t waiting[2][2]    # source, 0 rising 1 falling
    trailing_t trailing[2][2]  # source, side
    heap_t expiries
    heap_t sorting          # due trailing stops, by id, until the others are in line
    step_t step
    line_t due              # next to fire; without those being sorted
    line_t fired            # and not yet back, as they fired
    uint32_t ended          # not back either, but cancelled: they take no place (TR-7)
    uint32_t user_max       # triggers of one user
    uint32_t capacity       # triggers that fit; the slab has FIRED_MAX slots more
    uint32_t slots
    uint32_t live           # slots in use
    uint32_t free_head
    uint32_t untouched
    uint32_t free_group
    uint32_t untouched_group

cdef int triggers_init(triggers_t* book, uint32_t triggers_max, uint64_t users_max) except -1
cdef void triggers_free(triggers_t* book) noexcept nogil
# placing and ending
cdef uint32_t triggers_claim(triggers_t* book, uint64_t oid) noexcept nogil
cdef void triggers_enter(triggers_t* book, uint32_t slot, int64_t px) noexcept nogil
cdef void triggers_drop(triggers_t* book, uint32_t slot) noexcept nogil
cdef void triggers_end(triggers_t* book, uint32_t slot) noexcept nogil
# prices
cdef void triggers_price(triggers_t* book, uint8_t source, int64_t px,
                         int64_t then_px) noexcept nogil
cdef bint triggers_step(triggers_t* book, int budget) noexcept nogil
cdef void triggers_fire(triggers_t* book, uint32_t slot) noexcept nogil
# looking
cdef int64_t trigger_extreme(const triggers_t* book, const trigger_t* row) noexcept nogil


cdef inline uint32_t triggers_find(const triggers_t* book, uint64_t oid) noexcept nogil:
    """The slot of a trigger in any state, or 0."""
    return idmap_get(&book.ids, oid)


cdef inline bint triggers_have_room(const triggers_t* book) noexcept nogil:
    return book.live - book.ended < book.capacity


cdef inline bint triggers_are_moving(const triggers_t* book) noexcept nogil:
    """Whether a price is under way."""
    return book.step.phase != 0


cdef inline bint triggers_may_fire(const triggers_t* book) noexcept nogil:
    """Whether the next trigger in line may fire (TR-5)."""
    return book.due.count != 0 and book.fired.count + book.ended < FIRED_MAX


cdef inline heap_t* waiting_of(triggers_t* book, const trigger_t* row) noexcept nogil:
    return &book.waiting[source_of(row.flags)][0 if is_rising(row.kind, row.side) else 1]


cdef inline int64_t waiting_key(const trigger_t* row) noexcept nogil:
    """Rising: lowest first; falling: highest first (TR-5)."""
    return row.trigger_px if is_rising(row.kind, row.side) else -row.trigger_px
