"""Order book of one symbol: levels, price map, slab, id index. Layout in book.pyx.

Others see prices, order slots and level handles; how a level is found by its price is the book's.
"""

from libc.stdint cimport int64_t, uint8_t, uint16_t, uint32_t, uint64_t

from rsx.core.idmap cimport idmap_get, idmap_t
from rsx.core.memory cimport rsx_highest_bit, rsx_lowest_bit
from rsx.units cimport rsx_divisor_t

cdef enum:
    NONE = 0            # the null handle; slot 0 of the slab is never used
    BIT_LEVELS = 4      # 64^4 = 2^24 price levels

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

# 64 bytes. One price of one side while an order rests there.
cdef struct level_t:
    int64_t px
    int64_t qty
    uint32_t head           # oldest order
    uint32_t tail
    uint32_t count
    uint32_t better         # next level towards the best one of its side
    uint32_t worse
    uint32_t unused[7]

cdef struct side_t:
    uint32_t* slots         # level handle by price / tick
    uint64_t* bits[BIT_LEVELS]
    uint32_t best           # level handle; NONE = no order on this side

cdef struct book_t:
    side_t sides[2]
    order_t* orders
    level_t* levels         # pool: every level has an order, so `capacity` of them suffice
    uint32_t level_free     # freed levels, linked through worse
    uint32_t level_untouched
    uint32_t level_live
    idmap_t ids             # order id -> slot
    int64_t tick
    rsx_divisor_t tick_steps
    int64_t prices          # per side
    uint32_t capacity       # orders that fit
    uint32_t free_head      # freed slots, linked through next
    uint32_t untouched      # first slot never used
    uint32_t live

cdef int book_init(book_t* book, int64_t tick, int64_t px_max, int64_t reference_px,
                   uint32_t orders_max, uint32_t level_slots_max) except -1
cdef void book_free(book_t* book) noexcept nogil
cdef uint32_t book_insert(book_t* book, uint64_t oid, uint8_t side, int64_t px,
                          int64_t remaining) noexcept nogil
cdef void book_remove(book_t* book, uint32_t slot) noexcept nogil
cdef int book_audit(book_t* book, bint may_cross) except -1
cdef uint64_t book_hash(const book_t* book) noexcept nogil
cdef uint64_t mix(uint64_t state, uint64_t value) noexcept nogil


cdef inline int64_t bits_above(const side_t* side, int64_t index) noexcept nogil:
    """The lowest occupied level above index, or -1. index may be -1."""
    cdef int depth = 0
    cdef uint64_t word
    index += 1
    while depth < BIT_LEVELS:
        if index >> 6 >= 1 << (6 * (BIT_LEVELS - 1 - depth)):
            return -1
        word = side.bits[depth][index >> 6] >> (index & 63)
        if word:
            index += rsx_lowest_bit(word)
            while depth > 0:
                depth -= 1
                index = (index << 6) | rsx_lowest_bit(side.bits[depth][index])
            return index
        index = (index >> 6) + 1
        depth += 1
    return -1


cdef inline int64_t bits_below(const side_t* side, int64_t index) noexcept nogil:
    """The highest occupied level below index, or -1."""
    cdef int depth = 0
    cdef uint64_t word
    index -= 1
    while depth < BIT_LEVELS:
        if index < 0:
            return -1
        word = side.bits[depth][index >> 6] << (63 - (index & 63))
        if word:
            index -= 63 - rsx_highest_bit(word)
            while depth > 0:
                depth -= 1
                index = (index << 6) | rsx_highest_bit(side.bits[depth][index])
            return index
        index = (index >> 6) - 1
        depth += 1
    return -1


cdef inline void bits_set(side_t* side, int64_t index) noexcept nogil:
    cdef int depth
    cdef uint64_t before
    for depth in range(BIT_LEVELS):
        before = side.bits[depth][index >> 6]
        side.bits[depth][index >> 6] = before | (<uint64_t>1 << (index & 63))
        if before:
            return
        index >>= 6


cdef inline void bits_clear(side_t* side, int64_t index) noexcept nogil:
    cdef int depth
    for depth in range(BIT_LEVELS):
        side.bits[depth][index >> 6] &= ~(<uint64_t>1 << (index & 63))
        if side.bits[depth][index >> 6]:
            return
        index >>= 6


cdef inline uint32_t book_find(const book_t* book, uint64_t oid) noexcept nogil:
    """The slot of a resting order, or NONE."""
    return idmap_get(&book.ids, oid)


cdef inline level_t* level_at(const book_t* book, uint32_t handle) noexcept nogil:
    return &book.levels[handle]


cdef inline uint32_t best_level(const book_t* book, int side) noexcept nogil:
    """Handle of the best level of a side, NONE when it is empty."""
    return book.sides[side].best


cdef inline int64_t best_px(const book_t* book, int side) noexcept nogil:
    """Best price of a side, 0 when it is empty: the null level has the price 0."""
    return book.levels[book.sides[side].best].px


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
