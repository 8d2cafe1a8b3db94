"""Live orders as risk knows them: a slab of rows, found by order id. Structure in orders.pyx."""

from libc.stdint cimport int64_t, uint8_t, uint16_t, uint32_t, uint64_t

from rsx.core.idmap cimport idmap_get, idmap_t

cdef enum:
    SYMBOLS_MAX = 64

# Where a row stands; a free one is all zero but for next_free.
cdef enum:
    FREE = 0
    RESTS = 1
    IN_HAND = 2             # accepted or amended, and not yet at rest again

# 64 bytes.
cdef struct order_t:
    uint64_t oid
    int64_t px
    int64_t remaining       # open
    int64_t filled          # traded since the order began
    int64_t reserved        # margin it holds
    uint32_t account        # rows of the ledger
    uint32_t position
    uint32_t amending       # amendments in flight; never part of a fold
    uint32_t next_free
    uint16_t symbol         # index into the symbol table
    uint8_t side
    uint8_t flags
    uint8_t place
    uint8_t kind            # 7: a liquidation order
    uint16_t pad1

cdef struct orders_t:
    order_t* rows           # 1 .. SYMBOLS_MAX: new orders in hand, by symbol; the others behind
    idmap_t ids             # order id -> row, of those behind
    uint64_t capacity
    uint64_t untouched
    uint32_t free_head
    uint64_t live

cdef int orders_init(orders_t* orders, uint64_t orders_max) except -1
cdef void orders_free(orders_t* orders) noexcept nogil
cdef uint32_t orders_add(orders_t* orders, const order_t* values) except 0 nogil
cdef int orders_remove(orders_t* orders, uint32_t slot) except -1 nogil


cdef inline uint32_t orders_find(const orders_t* orders, uint64_t oid) noexcept nogil:
    """The row of an order that rests, or did before it was amended; 0 = there is none."""
    return idmap_get(&orders.ids, oid) if oid else 0
