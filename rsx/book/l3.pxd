"""Order-by-order events of one symbol, and a walk through its book. How it works: l3.pyx."""

from libc.stdint cimport int64_t, uint8_t, uint32_t, uint64_t

from rsx.book.book cimport book_t

# Kinds of events (W-25).
cdef enum:
    L3_ADD = 0
    L3_TRADE = 1
    L3_REDUCE = 2
    L3_CANCEL = 3
    L3_KEPT = 4
    L3_MOVED = 5
    L3_TAKEN = 6
    L3_UNTOLD = 7       # of an order that the walk has not come to

cdef enum:
    L3_EVENTS = 65536   # that wait, at most; a power of two
    L3_ROWS = 512       # in one frame
    L3_PART = 500       # orders in one part of a snapshot
    L3_BYTES = 60_000   # of rows in one frame; one row is shorter than L3_ROW
    L3_ROW = 192

cdef struct l3_event_t:
    uint64_t oid
    int64_t px
    int64_t qty
    int64_t remaining
    uint64_t ts_ns
    uint64_t seq
    uint8_t kind
    uint8_t walk_kind       # what who follows the walk is told
    uint8_t side

cdef struct l3_t:
    l3_event_t* events
    uint64_t made
    uint64_t taken
    uint32_t* sent          # by order slot: number of the walk that has sent it
    uint32_t walk           # number of the newest walk
    uint32_t next           # order that the walk sends next; 0 = it has passed all
    uint32_t orders_max
    bint open               # events are kept
    bint walking
    bint overrun            # events were lost since the last take

# Text of rows, without the outer brackets.
cdef struct l3_text_t:
    char data[L3_BYTES + L3_ROW]
    uint32_t size

cdef int l3_init(l3_t* l3, uint32_t orders_max) except -1
cdef void l3_free(l3_t* l3) noexcept nogil
cdef void l3_begin(l3_t* l3, const book_t* book) noexcept nogil
cdef bint l3_leave(l3_t* l3, const book_t* book, uint32_t slot) noexcept nogil
cdef bint l3_come(l3_t* l3, const book_t* book, uint32_t slot) noexcept nogil
cdef void l3_event(l3_t* l3, uint8_t kind, uint8_t walk_kind, uint8_t side, uint64_t oid,
                   int64_t px, int64_t qty, int64_t remaining, uint64_t ts_ns,
                   uint64_t seq) noexcept nogil
cdef uint32_t l3_take(l3_t* l3, l3_text_t* rows, l3_text_t* walk_rows) noexcept nogil
cdef uint32_t l3_part(l3_t* l3, const book_t* book, l3_text_t* rows) noexcept nogil


cdef inline bint l3_sent(const l3_t* l3, uint32_t slot) noexcept nogil:
    """Whether who follows the walk knows this order."""
    return not l3.walking or l3.sent[slot] == l3.walk
