"""Rows of a snapshot as an engine. See load.pyx."""

from libc.stdint cimport uint32_t, uint64_t

from rsx.book.matching cimport engine_t
from rsx.rows_c cimport rsx_row_engine_t, rsx_row_order_t, rsx_row_t

# What is wrong with a row; a reason of its own each (rsx/wal/snapshot_load.pyx).
cdef enum:
    FITS = 0
    WRONG_ROW = 1           # a value that cannot be, or a reference to nothing
    WRONG_COUNT = 2
    TOO_MANY_USERS = 3
    TOO_MANY_ORDERS = 4
    TOO_MANY_TRIGGERS = 5
    TOO_MANY_CIDS = 6
    TWICE = 7               # an id that was there before

# What the rows of one engine have filled so far.
cdef struct engine_load_t:
    engine_t* engine
    rsx_row_engine_t head
    uint32_t* lines[2]      # triggers by place in the line of due, and of fired ones
    uint32_t orders
    uint32_t triggers
    uint32_t due
    uint32_t fired
    uint64_t cid_at         # place of the newest CLIENT_ID row
    uint32_t trigger_user
    uint32_t trigger_slot

cdef int engine_load_begin(engine_load_t* load, engine_t* engine,
                           const rsx_row_engine_t* row) except -1
cdef void engine_load_free(engine_load_t* load) noexcept nogil
cdef int engine_load_row(engine_load_t* load, const rsx_row_t* row) noexcept nogil
cdef int engine_load_end(engine_load_t* load) except -1 nogil
cdef void engine_load_fetch(const engine_load_t* load, const rsx_row_order_t* near,
                            const rsx_row_order_t* far) noexcept nogil
