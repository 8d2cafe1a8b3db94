# cython: boundscheck=False
"""Fetching ahead: what requests that wait, or records of the log, will touch is brought near while
others are served.

    three ahead   home of the order id, of the client id, of the user
    two ahead     the order it cancels or amends; the user
    one ahead     what is linked to that order: neighbours in its level and among its user's orders

Reads only; results do not depend on it. Each call finds what the one before has brought.
"""

from libc.stdint cimport uint32_t, uint64_t

from rsx.book.book cimport NONE, book_find, order_t
from rsx.book.cids cimport cids_prefetch
from rsx.book.matching cimport engine_t, own_t
from rsx.core.idmap cimport idmap_get, idmap_prefetch
from rsx.core.idmap_ahead cimport idmap_likely
from rsx.core.memory cimport rsx_prefetch
from rsx.records_c cimport *


cdef inline uint64_t named_order(const rsx_record_t* request) noexcept nogil:
    """Id of the resting order that a request is about; 0 = none, or by client id."""
    if request.type == RSX_ORDER_CANCEL:
        return (<const rsx_order_cancel_t*>request).oid
    if request.type == RSX_ORDER_AMEND:
        return (<const rsx_order_amend_t*>request).oid
    return 0


cdef void engine_prefetch(engine_t* engine, const rsx_record_t* request) noexcept nogil:
    """For the request three ahead."""
    cdef const rsx_order_new_t* order = <const rsx_order_new_t*>request
    if request.type != RSX_ORDER_NEW:
        idmap_prefetch(&engine.book.ids, named_order(request))
        return
    idmap_prefetch(&engine.book.ids, order.oid)
    idmap_prefetch(&engine.user_slots, order.user_id)
    if order.cid_len and order.cid_len <= 36:
        cids_prefetch(&engine.cids, order.user_id, order.cid, order.cid_len)


cdef void engine_prefetch_order(engine_t* engine, const rsx_record_t* request) noexcept nogil:
    """For the request two ahead."""
    cdef uint64_t oid = named_order(request)
    cdef uint32_t slot
    if oid:
        slot = book_find(&engine.book, oid)
        rsx_prefetch(&engine.book.orders[slot])
        rsx_prefetch(&engine.owns[slot])
    elif request.type == RSX_ORDER_NEW:
        slot = idmap_get(&engine.user_slots, (<const rsx_order_new_t*>request).user_id)
        rsx_prefetch(&engine.users[slot])


cdef void engine_prefetch_links(engine_t* engine, const rsx_record_t* request) noexcept nogil:
    """For the next request."""
    cdef uint64_t oid = named_order(request)
    if oid:
        prefetch_links(engine, oid)


cdef inline void prefetch_links(engine_t* engine, uint64_t oid) noexcept nogil:
    """What is linked to a resting order, whose rows are near."""
    cdef uint32_t slot = book_find(&engine.book, oid)
    cdef const order_t* order
    cdef const own_t* own
    if slot == NONE:
        return
    order = &engine.book.orders[slot]
    own = &engine.owns[slot]
    rsx_prefetch(&engine.book.orders[order.prev])
    rsx_prefetch(&engine.book.orders[order.next])
    rsx_prefetch(&engine.owns[own.prev])
    rsx_prefetch(&engine.owns[own.next])
    rsx_prefetch(&engine.book.levels[order.level])
    rsx_prefetch(&engine.users[order.user_slot])


# --- records of the log -------------------------------------------------------------------------


cdef inline uint64_t logged_order(const rsx_record_t* record) noexcept nogil:
    """Id of the resting order that a record is about; 0 = none."""
    if record.type == RSX_FILL:
        return (<const rsx_fill_t*>record).maker_oid
    if record.type in (RSX_ORDER_CANCELLED, RSX_ORDER_AMENDED, RSX_ORDER_REDUCED):
        return (<const rsx_order_cancelled_t*>record).oid  # all have it in the same place
    return 0


cdef void fold_prefetch(engine_t* engine, const rsx_record_t* record) noexcept nogil:
    """For the record FOLD_FAR ahead."""
    cdef const rsx_order_accepted_t* order = <const rsx_order_accepted_t*>record
    cdef uint64_t oid = logged_order(record)
    if oid:
        idmap_prefetch(&engine.book.ids, oid)
    elif record.type == RSX_ORDER_ACCEPTED:
        idmap_prefetch(&engine.book.ids, order.oid)
        idmap_prefetch(&engine.user_slots, order.user_id)
        if order.cid_len and order.cid_len <= 36:
            cids_prefetch(&engine.cids, order.user_id, order.cid, order.cid_len)


cdef void fold_prefetch_order(engine_t* engine, const rsx_record_t* record) noexcept nogil:
    """For the record FOLD_NEAR ahead."""
    cdef uint64_t oid = logged_order(record)
    cdef uint32_t slot
    if oid:
        slot = idmap_likely(&engine.book.ids, oid)
        rsx_prefetch(&engine.book.orders[slot])
        rsx_prefetch(&engine.owns[slot])
    elif record.type == RSX_ORDER_ACCEPTED:
        slot = idmap_likely(&engine.user_slots, (<const rsx_order_accepted_t*>record).user_id)
        rsx_prefetch(&engine.users[slot])


cdef void fold_prefetch_links(engine_t* engine, const rsx_record_t* record) noexcept nogil:
    """For the record FOLD_NEXT ahead."""
    cdef uint64_t oid = logged_order(record)
    cdef uint32_t slot
    if oid:
        prefetch_links(engine, oid)
    elif record.type == RSX_ORDER_ACCEPTED and record_rests(record):
        # The new order goes before its user's youngest one.
        slot = idmap_get(&engine.user_slots, (<const rsx_order_accepted_t*>record).user_id)
        rsx_prefetch(&engine.owns[engine.users[slot].newest])


cdef inline bint record_rests(const rsx_record_t* record) noexcept nogil:
    return (<const rsx_order_accepted_t*>record).flags & RSX_RESTS != 0
