"""Order book of one symbol: levels, price map, slab, id index. Layout in book.pyx.

Others see prices, order slots and level handles; how a level is found by its price is the book's.
"""

from libc.stdint cimport int64_t, uint8_t, uint16_t, uint32_t, uint64_t

from rsx.book.pricemap cimport map_side_t, map_t, shape_t
from rsx.core.idmap cimport idmap_get, idmap_t

cdef enum:
    NONE = 0            # the null handle; slot 0 of the slab and level 0 are never used
    BETTER = 0          # directions: towards the best price of the side, and away from it
    WORSE = 1

# 64 bytes; what a fill touches comes first.
cdef struct order_t:
    int64_t remaining
    int64_t reserved
    uint64_t oid
    uint32_t next
    uint32_t prev
    uint32_t user_id
    uint32_t user_slot
    uint32_t cid_place      # place + 1 in the client id memory; 0 = none
    uint8_t side
    uint8_t tif
    uint8_t flags
    uint8_t live
    uint32_t level          # handle
    uint8_t kind
    uint8_t stp
    uint16_t unused
    int64_t qty

# 64 bytes. One price of one side while an order rests there. What the null level says is 0.
cdef struct level_t:
    int64_t px
    int64_t qty
    uint32_t head           # oldest order
    uint32_t tail
    uint32_t count
    uint32_t better         # next level towards the best one of its side
    uint32_t worse
    uint32_t slot           # of its map
    uint32_t parent         # levels of one slot are a tree by price: a treap
    uint32_t child[2]       # BETTER and WORSE prices
    uint8_t side
    uint8_t map
    uint16_t unused
    uint64_t spare

cdef struct book_t:
    uint32_t best[2]        # level handles; NONE = no order on this side
    order_t* orders
    level_t* levels         # pool: every level has an order, so `capacity` of them suffice
    uint32_t free_head      # freed slots, linked through next
    uint32_t untouched      # first slot never used
    uint32_t live
    uint32_t capacity       # orders that fit
    uint32_t level_free     # freed levels, linked through worse
    uint32_t level_untouched
    uint32_t level_live
    uint32_t map            # the one that takes new levels
    bint is_moving          # the other one is not empty yet
    uint32_t move_next[2]   # level to look at next: all better ones lie in the map already
    idmap_t ids             # order id -> slot
    shape_t shape
    map_t maps[2]
    uint64_t seed           # of the treaps: prices chosen by others must not make them deep
    uint64_t recentrings    # begun
    uint64_t recentred      # finished
    uint64_t moved          # levels

cdef int book_init(book_t* book, int64_t tick, int64_t px_max, int64_t reference_px,
                   uint32_t orders_max, uint32_t level_slots_max) except -1
cdef void book_free(book_t* book) noexcept nogil
cdef uint32_t book_insert(book_t* book, uint64_t oid, uint8_t side, int64_t px,
                          int64_t remaining) noexcept nogil
cdef void book_remove(book_t* book, uint32_t slot) noexcept nogil
cdef void level_move(book_t* book, uint32_t handle) noexcept nogil
cdef uint64_t level_weight(const book_t* book, int64_t px) noexcept nogil
cdef uint64_t book_hash(const book_t* book) noexcept nogil
cdef uint64_t order_hash(uint64_t state, const order_t* order, int64_t px) noexcept nogil
cdef uint64_t mix(uint64_t state, uint64_t value) noexcept nogil


cdef inline bint is_better(int side, int64_t px, int64_t than) noexcept nogil:
    """Whether px comes before another price of the same side."""
    return px > than if side == 0 else px < than


cdef inline uint32_t book_find(const book_t* book, uint64_t oid) noexcept nogil:
    """The slot of a resting order, or NONE."""
    return idmap_get(&book.ids, oid)


cdef inline level_t* level_at(const book_t* book, uint32_t handle) noexcept nogil:
    return &book.levels[handle]


cdef inline uint32_t best_level(const book_t* book, int side) noexcept nogil:
    """Handle of the best level of a side, NONE when it is empty."""
    return book.best[side]


cdef inline int64_t best_px(const book_t* book, int side) noexcept nogil:
    """Best price of a side, 0 when it is empty: the null level has the price 0."""
    return book.levels[book.best[side]].px


cdef inline uint32_t worse_level(const book_t* book, int side, uint32_t handle) noexcept nogil:
    """The next level of the same side away from the best one, or NONE."""
    return book.levels[handle].worse


cdef inline int64_t order_px(const book_t* book, const order_t* order) noexcept nogil:
    return book.levels[order.level].px


cdef inline void book_take(book_t* book, uint32_t slot, int64_t qty) noexcept nogil:
    """Lower what is left of an order, in place; one with nothing left is then to be removed."""
    cdef order_t* order = &book.orders[slot]
    order.remaining -= qty
    book.levels[order.level].qty -= qty
