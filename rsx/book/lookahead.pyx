# cython: boundscheck=False
"""Fetching ahead: what the requests that wait will touch is brought near while others are served.

Reads only; results do not depend on it. The two calls for one request are made one request apart,
so that the second finds what the first has brought.
"""

from libc.stdint cimport uint32_t

from rsx.book.book cimport NONE, book_find
from rsx.book.cids cimport cids_prefetch
from rsx.book.matching cimport engine_t
from rsx.core.idmap cimport idmap_prefetch
from rsx.core.memory cimport rsx_prefetch
from rsx.records_c cimport *


cdef void engine_prefetch(engine_t* engine, const rsx_record_t* request) noexcept nogil:
    """Have the lines on their way that this request, not the next one but the one after, will
    touch first: the homes of its order id and client id. Reads only."""
    cdef const rsx_order_new_t* order
    if request.type == RSX_ORDER_NEW:
        order = <const rsx_order_new_t*>request
        idmap_prefetch(&engine.book.ids, order.oid)
        if order.cid_len and order.cid_len <= 36:
            cids_prefetch(&engine.cids, order.user_id, order.cid, order.cid_len)
    elif request.type == RSX_ORDER_CANCEL:
        idmap_prefetch(&engine.book.ids, (<const rsx_order_cancel_t*>request).oid)
    elif request.type == RSX_ORDER_AMEND:
        idmap_prefetch(&engine.book.ids, (<const rsx_order_amend_t*>request).oid)


cdef void engine_prefetch_order(engine_t* engine, const rsx_record_t* request) noexcept nogil:
    """The same for the next request, whose id's home has come: the order it cancels or amends."""
    cdef uint32_t slot = NONE
    if request.type == RSX_ORDER_CANCEL:
        slot = book_find(&engine.book, (<const rsx_order_cancel_t*>request).oid)
    elif request.type == RSX_ORDER_AMEND:
        slot = book_find(&engine.book, (<const rsx_order_amend_t*>request).oid)
    if slot != NONE:
        rsx_prefetch(&engine.book.orders[slot])
        rsx_prefetch(&engine.owns[slot])
