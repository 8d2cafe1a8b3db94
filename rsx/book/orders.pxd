"""An order's way into the book and out of it, live and folded. See orders.pyx."""

from libc.stdint cimport int64_t, uint8_t, uint16_t, uint32_t, uint64_t

from rsx.book.cids cimport cid_entry_t
from rsx.book.matching cimport engine_t, user_t
from rsx.records_c cimport (
    RSX_BUY, RSX_HEDGE, RSX_REDUCE_ONLY, rsx_order_accepted_t, rsx_order_new_t,
)

cdef uint32_t user_slot_of(engine_t* engine, uint32_t user_id) noexcept nogil
cdef void take_in_hand(engine_t* engine, const rsx_order_new_t* order, int64_t px,
                       uint32_t user_slot, uint32_t cid_place) noexcept nogil
cdef int rest_taker(engine_t* engine) except -1 nogil
cdef void forget_taker(engine_t* engine, uint8_t status, uint16_t reason) noexcept nogil
cdef void lift_resting(engine_t* engine, uint32_t slot) noexcept nogil
cdef void drop_resting(engine_t* engine, uint32_t slot, uint8_t status,
                       uint16_t reason) noexcept nogil
cdef void cut_resting(engine_t* engine, uint32_t slot, int64_t cut,
                      int64_t released) noexcept nogil
cdef void cut_taker(engine_t* engine, int64_t cut, int64_t released) noexcept nogil
cdef void keep_amended(engine_t* engine, uint32_t slot, int64_t qty, int64_t remaining,
                       int64_t reserved) noexcept nogil
cdef void end_rejected(engine_t* engine, const cid_entry_t* entry, const rsx_order_new_t* order,
                       uint16_t reason) noexcept nogil
cdef void plan_expiry(engine_t* engine) noexcept nogil
cdef int orders_audit(engine_t* engine) except -1


cdef inline int64_t reducible(const user_t* user, uint8_t side) noexcept nogil:
    """How much an order of this side can take off what the user holds (HL-1)."""
    return user.held[1 - side]


cdef inline void move_held(int64_t* held, uint8_t side, uint8_t flags, int64_t qty) noexcept nogil:
    """HL-1: a trade of an order with these flags. One-way: at most one of both is not 0."""
    cdef int64_t net
    if flags & RSX_HEDGE:
        if flags & RSX_REDUCE_ONLY:
            held[1 - side] -= qty
        else:
            held[side] += qty
        return
    net = held[0] - held[1] + (qty if side == RSX_BUY else -qty)
    held[0] = max(net, 0)
    held[1] = held[0] - net
