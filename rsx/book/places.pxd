"""Places of orders in the queue of their level. How it works: places.pyx."""

from libc.stdint cimport int64_t, uint32_t, uint64_t

from rsx.book.book cimport book_t

cdef enum:
    RUN_MAX = 256       # orders in one run
    RUN_MERGED = 128    # two neighbours that together have no more become one

# 24 bytes: orders that follow each other in a level.
cdef struct run_t:
    int64_t qty
    uint32_t count
    uint32_t older          # next run towards the head of the level; 0 = none
    uint32_t younger
    uint32_t unused

cdef struct places_t:
    run_t* runs             # pool; handle 0 is none
    uint32_t* run_of        # by order slot
    uint32_t free_head      # freed runs, linked through younger
    uint32_t untouched
    uint32_t capacity

cdef int places_init(places_t* places, uint32_t orders_max) except -1
cdef void places_free(places_t* places) noexcept nogil
cdef void places_add(places_t* places, const book_t* book, uint32_t slot) noexcept nogil
cdef void places_remove(places_t* places, const book_t* book, uint32_t slot) noexcept nogil
cdef void places_take(places_t* places, uint32_t slot, int64_t qty) noexcept nogil
cdef void places_ahead(const places_t* places, const book_t* book, uint32_t slot,
                       uint64_t* orders, int64_t* qty) noexcept nogil
cdef int places_audit(const places_t* places, const book_t* book) except -1
