"""Matching engine of one symbol. Rules in specs/matching.md, numbers M-n cited in matching.pyx."""

from libc.stdint cimport int32_t, int64_t, uint8_t, uint32_t, uint64_t

from rsx.book.book cimport book_t
from rsx.book.cids cimport cids_t
from rsx.core.idmap cimport idmap_t
from rsx.core.ring cimport ring_t
from rsx.records_c cimport rsx_record_t
from rsx.units cimport rsx_divisor_t

cdef enum:
    BLOCKED = 0     # the output ring is full; call again later (M-12)
    DONE = 1

cdef struct rules_t:
    uint32_t symbol_id
    int64_t tick
    int64_t lot
    int64_t px_max
    int64_t qty_max
    int64_t notional_max
    rsx_divisor_t tick_steps
    rsx_divisor_t lot_steps
    int32_t maker_fee_ppm
    int32_t taker_fee_ppm

# 32 bytes. The simulated position serves one feasibility count (M-6) and is valid for its mark.
cdef struct user_t:
    uint32_t user_id
    uint32_t open_orders
    int64_t net
    int64_t simulated_net
    uint64_t simulated_mark

# The order in hand: accepted, neither resting nor ended.
cdef struct taker_t:
    uint64_t oid
    int64_t px
    int64_t qty             # original
    int64_t open_qty        # original less what was cut; remaining + filled
    int64_t remaining
    int64_t reserved
    uint32_t user_id
    uint32_t user_slot
    uint32_t cid_place
    uint8_t side
    uint8_t tif
    uint8_t flags
    uint8_t active

cdef struct engine_t:
    book_t book
    cids_t cids
    rules_t rules
    taker_t taker
    idmap_t user_slots
    user_t* users
    uint64_t users_max
    uint64_t users_used
    uint64_t simulation
    uint32_t open_orders_max
    bint is_shadow          # a copy without users and client ids: folds, never matches
    uint64_t fills
    uint64_t requests

cdef int engine_init(engine_t* engine, object symbol, uint32_t orders_max, uint64_t users_max,
                     uint32_t open_orders_max, uint64_t window_ns, uint64_t cids_max,
                     uint32_t level_slots_max) except -1
cdef void engine_free(engine_t* engine) noexcept nogil
cdef int engine_request(engine_t* engine, const rsx_record_t* request, uint64_t ts_ns,
                        ring_t* out) except -1 nogil
cdef int engine_resume(engine_t* engine, uint64_t ts_ns, ring_t* out) except -1 nogil
cdef int engine_recovered(engine_t* engine, uint64_t ts_ns, ring_t* out) except -1 nogil
cdef uint32_t user_slot_of(engine_t* engine, uint32_t user_id) noexcept nogil
cdef int rest_taker(engine_t* engine) except -1 nogil
cdef void forget_taker(engine_t* engine) noexcept nogil
cdef void drop_resting(engine_t* engine, uint32_t slot) noexcept nogil
