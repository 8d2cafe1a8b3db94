"""Matching engine of one symbol: its state and its entry points. Rules in specs/matching.md.

    engine_request     one request        (matching.pyx; rules, reduce, cancel, amend, transfer,
                                           conditional)
    engine_resume      the rest of it, after the output ring was full (M-12)
    engine_idle        what time alone brings: expiries
    engine_recovered   what a log that ends within a request left open (F-2)
"""

from libc.stdint cimport int32_t, int64_t, uint8_t, uint16_t, uint32_t, uint64_t

from rsx.book.book cimport book_t
from rsx.book.cids cimport cids_t
from rsx.book.limits cimport rules_t, staged_t
from rsx.book.triggers cimport triggers_t
from rsx.core.heap cimport heap_t
from rsx.core.idmap cimport idmap_t
from rsx.core.ring cimport ring_t
from rsx.records_c cimport rsx_record_t

cdef enum:
    BLOCKED = 0     # the output ring is full; call again later (M-12)
    DONE = 1
    MORE = 2        # prices are on their way through the triggers; call again before any request

cdef enum:
    # Most records one step writes without looking for room again: ACCEPTED or AMENDED, REDUCED
    # and the end of the order; RELEASED and CANCELLED; two ends of one self-trade.
    ROOM = 4

cdef extern from "<stdint.h>" nogil:
    const uint64_t NEVER "UINT64_MAX"   # a time that does not come

# What engine_resume goes on with.
cdef enum:
    IDLE = 0
    MATCHING = 1    # the order in hand, and the trims after its fills
    CANCELLING = 2  # a cancel-all
    PRICING = 3     # prices reach triggers, due ones fire

# 64 bytes.
cdef struct user_t:
    uint32_t user_id
    uint32_t open_orders
    int64_t held[2]         # long and short quantity (HL-1); an order of side s reduces held[1 - s]
    int64_t reduce_max[2]   # by side: no reduce-only order of the list has more; 0 where none is
    uint32_t newest         # resting orders, the youngest first
    uint32_t newest_reduce  # reduce-only ones, the youngest first
    uint32_t owner_group    # of the newest accepted order (ST-1); 0 = none
    uint32_t unused[3]

# 32 bytes beside each user: what it would hold, in the feasibility count of this mark (M-6).
cdef struct simulated_t:
    int64_t held[2]
    uint64_t mark
    uint64_t unused

# 16 bytes beside each slot of the book: the list of its user's orders, and its expiry.
cdef struct own_t:
    uint32_t next           # older
    uint32_t prev
    uint32_t expire_s       # GTD only
    uint32_t unused

# The order in hand: accepted or amended, neither resting nor ended.
cdef struct taker_t:
    uint64_t oid
    int64_t px
    int64_t open_qty        # whole quantity less what was cut; remaining + filled
    int64_t remaining
    int64_t reserved
    uint32_t user_id
    uint32_t user_slot
    uint32_t cid_place
    uint32_t expire_s
    uint8_t side
    uint8_t tif
    uint8_t flags
    uint8_t kind
    uint8_t stp
    uint8_t active
    int32_t fee_ppm         # what it pays as a taker (R-2, LO-1)

# Users whose resting reduce-only orders may have too much since the last fill (RO-2).
cdef struct trims_t:
    uint32_t user           # slot of the one in hand; 0 = none
    uint32_t then_user      # after it
    uint32_t order          # next order to look at
    int64_t most[2]         # by side: most that an order already looked at has

# A cancel-all under way (CA-1).
cdef struct sweep_t:
    uint64_t request_id
    uint32_t user_id
    uint32_t order          # next one to look at
    uint32_t ended
    uint16_t reason
    uint8_t lists           # those that are left, a bit each: see cancel.pyx
    uint8_t sides           # 1 buys, 2 sells

cdef struct engine_t:
    book_t book
    cids_t cids
    rules_t rules
    staged_t staged
    taker_t taker
    trims_t trims
    sweep_t sweep
    triggers_t triggers
    idmap_t user_slots
    user_t* users
    simulated_t* simulated  # by slot of users
    own_t* owns             # by slot of the book
    heap_t expiries         # resting GTD orders by (expire_s, order id)
    uint64_t expiry_ns      # when the next order or trigger expires; 2^64 - 1 = none
    uint64_t users_max
    uint64_t users_used
    uint64_t simulation
    uint32_t open_orders_max
    bint is_shadow          # a copy without users and client ids: folds, never matches
    uint8_t work            # IDLE, or what stopped before a full ring
    uint8_t mode
    uint8_t mark_moved      # by the request in hand: triggers have to see it (TR-4)
    uint8_t may_fire        # triggers are due and there is room to fire
    int64_t mark_px         # newest MARK_UPDATE; 0 = none: last counts (PX-2)
    int64_t last_px         # newest fill, else reference_px
    int64_t first_fill_px   # of the request in hand; 0 = no fill
    uint64_t fills
    uint64_t requests

cdef int engine_init(engine_t* engine, object symbol, dict limits) except -1
cdef void engine_free(engine_t* engine) noexcept nogil
cdef int engine_request(engine_t* engine, const rsx_record_t* request, uint64_t ts_ns,
                        ring_t* out) except -1 nogil
cdef int engine_resume(engine_t* engine, uint64_t ts_ns, ring_t* out) except -1 nogil
cdef int engine_idle(engine_t* engine, uint64_t ts_ns, ring_t* out) except -1 nogil
cdef int engine_recovered(engine_t* engine, uint64_t ts_ns, ring_t* out) except -1 nogil


cdef inline bint engine_is_idle(const engine_t* engine) noexcept nogil:
    """Whether a duty cycle without requests has nothing to do, whatever the time is."""
    return (engine.work == IDLE and engine.expiry_ns == NEVER and not engine.may_fire
            and not engine.book.is_moving)
