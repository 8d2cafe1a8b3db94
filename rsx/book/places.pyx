# cython: boundscheck=False
"""What lies ahead of an order at its price: orders and quantity, counted in bounded time.

    level:   head o-o-o-o-o-o-o-o-o-o-o-o-o tail
    runs:         [  run  ] [  run  ] [run]          count, qty; linked within the level

Each order belongs to a run of its level. What is ahead of it: the orders before it in its run, one
by one, and the runs before that. A run holds at most RUN_MAX orders and two neighbours more than
RUN_MERGED together, so counting looks at no more than RUN_MAX orders and a run for each 64 orders
of the level. The book itself knows nothing of this: whoever changes it tells (Shadow does).
Source: specs/marketdata.md MD-86, MD-87.
"""

from libc.stdint cimport int64_t, uint32_t, uint64_t
from libc.string cimport memset

from rsx.book.book cimport NONE, best_level, book_t, level_at, worse_level
from rsx.core.check cimport fail
from rsx.core.memory cimport RSX_PAGES_SMALL, rsx_map, rsx_unmap


cdef int places_init(places_t* places, uint32_t orders_max) except -1:
    memset(places, 0, sizeof(places_t))
    places.capacity = orders_max
    places.untouched = 1
    places.runs = <run_t*>rsx_map((<size_t>orders_max + 1) * sizeof(run_t), RSX_PAGES_SMALL)
    places.run_of = <uint32_t*>rsx_map((<size_t>orders_max + 1) * sizeof(uint32_t),
                                       RSX_PAGES_SMALL)
    if places.runs == NULL or places.run_of == NULL:
        raise MemoryError(f"places of {orders_max} orders")
    return 0


cdef void places_free(places_t* places) noexcept nogil:
    rsx_unmap(places.runs, (<size_t>places.capacity + 1) * sizeof(run_t))
    rsx_unmap(places.run_of, (<size_t>places.capacity + 1) * sizeof(uint32_t))
    memset(places, 0, sizeof(places_t))


cdef uint32_t run_make(places_t* places, uint32_t older) noexcept nogil:
    """A new run at the young end of a level; there are as many as orders, so it never fails."""
    cdef uint32_t handle = places.free_head
    if handle != NONE:
        places.free_head = places.runs[handle].younger
    else:
        handle = places.untouched
        places.untouched += 1
    places.runs[handle].qty = 0
    places.runs[handle].count = 0
    places.runs[handle].older = older
    places.runs[handle].younger = NONE
    if older != NONE:
        places.runs[older].younger = handle
    return handle


cdef void run_drop(places_t* places, uint32_t handle) noexcept nogil:
    cdef run_t* run = &places.runs[handle]
    if run.older != NONE:
        places.runs[run.older].younger = run.younger
    if run.younger != NONE:
        places.runs[run.younger].older = run.older
    run.younger = places.free_head
    places.free_head = handle


cdef void run_merge(places_t* places, const book_t* book, uint32_t slot,
                    uint32_t younger) noexcept nogil:
    """Give the orders of a run to the run before it. slot: an order of either run."""
    cdef uint32_t older = places.runs[younger].older
    while slot != NONE and places.run_of[slot] == older:
        slot = book.orders[slot].next
    while book.orders[slot].prev != NONE and places.run_of[book.orders[slot].prev] == younger:
        slot = book.orders[slot].prev
    while slot != NONE and places.run_of[slot] == younger:
        places.run_of[slot] = older
        slot = book.orders[slot].next
    places.runs[older].qty += places.runs[younger].qty
    places.runs[older].count += places.runs[younger].count
    run_drop(places, younger)


cdef void places_add(places_t* places, const book_t* book, uint32_t slot) noexcept nogil:
    """An order has come to rest at the end of its level."""
    cdef uint32_t before = book.orders[slot].prev
    cdef uint32_t run = places.run_of[before] if before != NONE else NONE
    if run == NONE or places.runs[run].count >= RUN_MAX:
        run = run_make(places, run)
    places.run_of[slot] = run
    places.runs[run].count += 1
    places.runs[run].qty += book.orders[slot].remaining


cdef void places_take(places_t* places, uint32_t slot, int64_t qty) noexcept nogil:
    """A resting order has so much less."""
    places.runs[places.run_of[slot]].qty -= qty


cdef void places_remove(places_t* places, const book_t* book, uint32_t slot) noexcept nogil:
    """A resting order is about to leave its level; at most 2 x RUN_MAX orders are looked at."""
    cdef uint32_t handle = places.run_of[slot]
    cdef run_t* run = &places.runs[handle]
    run.count -= 1
    run.qty -= book.orders[slot].remaining
    if run.count == 0:
        run_drop(places, handle)
        return
    if run.younger != NONE and run.count + places.runs[run.younger].count <= RUN_MERGED:
        run_merge(places, book, slot, run.younger)
    if run.older != NONE and run.count + places.runs[run.older].count <= RUN_MERGED:
        run_merge(places, book, slot, handle)


cdef void places_ahead(const places_t* places, const book_t* book, uint32_t slot,
                       uint64_t* orders, int64_t* qty) noexcept nogil:
    """How many orders and how much quantity rest before an order of the same level."""
    cdef uint32_t run = places.run_of[slot]
    orders[0] = 0
    qty[0] = 0
    slot = book.orders[slot].prev
    while slot != NONE and places.run_of[slot] == run:
        orders[0] += 1
        qty[0] += book.orders[slot].remaining
        slot = book.orders[slot].prev
    run = places.runs[run].older
    while run != NONE:
        orders[0] += places.runs[run].count
        qty[0] += places.runs[run].qty
        run = places.runs[run].older


cdef int audit_queue(const places_t* places, const book_t* book, uint32_t slot) except -1:
    """The runs of one level, from its oldest order on; returns how many."""
    cdef uint32_t run = NONE, before = NONE, count = 0
    cdef int64_t qty = 0
    cdef int runs = 0
    while slot != NONE:
        if places.run_of[slot] != run:
            before = run
            run = places.run_of[slot]
            if places.runs[run].older != before or run == NONE:
                return fail(8, run, before)
            if before != NONE and places.runs[before].younger != run:
                return fail(8, run, before)
            runs += 1
            count = 0
            qty = 0
        count += 1
        qty += book.orders[slot].remaining
        slot = book.orders[slot].next
        if slot == NONE or places.run_of[slot] != run:
            if places.runs[run].count != count or places.runs[run].qty != qty or count > RUN_MAX:
                return fail(8, count, qty)
            if before != NONE and count + places.runs[before].count <= RUN_MERGED:
                return fail(8, run, count)
    if run != NONE and places.runs[run].younger != NONE:
        return fail(8, run, places.runs[run].younger)
    return runs


cdef int places_audit(const places_t* places, const book_t* book) except -1:
    """Every run of every level: links, sums, bounds; none is lost (INV-8)."""
    cdef int side
    cdef int64_t runs = 1
    cdef uint32_t handle
    for side in range(2):
        handle = best_level(book, side)
        while handle != NONE:
            runs += audit_queue(places, book, level_at(book, handle).head)
            handle = worse_level(book, side, handle)
    handle = places.free_head
    while handle != NONE:
        runs += 1
        handle = places.runs[handle].younger
    if runs != places.untouched:
        return fail(8, runs, places.untouched)
    return 0
