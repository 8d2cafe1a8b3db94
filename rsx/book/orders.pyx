# cython: boundscheck=False
"""An order's way into the book and out of it: users and their own orders, expiries, client ids.

    in hand --rest_taker--> resting --drop_resting--> ended
       |  ^------------------- |                         ^
       |      lift_resting (an amendment)                |
       +--------------------forget_taker-----------------+

Matching and the fold of the log go this way alone, so both leave the same state (INV-14). Nothing
is written here. A shadow has the book and the order in hand only.
Source: specs/matching.md B-4, RO-3, D-3, D-4.
"""

from libc.stdint cimport int64_t, uint8_t, uint16_t, uint32_t, uint64_t
from libc.string cimport memset

from rsx.book.book cimport NONE, book_insert, book_remove, book_take, order_px, order_t
from rsx.book.cids cimport CID_ENDED, CID_ORDER, cid_end_t, cid_entry_t, cids_at, cids_end
from rsx.book.conditional cimport conditional_expiry
from rsx.book.matching cimport NEVER, engine_t, own_t, taker_t, user_t
from rsx.core.check cimport fail
from rsx.core.heap cimport heap_audit, heap_first_key, heap_put, heap_remove
from rsx.core.idmap cimport idmap_get, idmap_put
from rsx.records_c cimport *

cdef uint64_t NS_PER_S = 1_000_000_000
cdef int64_t EXPIRE_S_MAX = 0xFFFFFFFF


cdef uint32_t user_slot_of(engine_t* engine, uint32_t user_id) noexcept nogil:
    """The user's slot, made when new; 0 when the table is full."""
    cdef uint32_t slot = idmap_get(&engine.user_slots, user_id)
    if slot:
        return slot
    if engine.users_used >= engine.users_max:
        return 0
    engine.users_used += 1
    slot = <uint32_t>engine.users_used
    engine.users[slot].user_id = user_id
    idmap_put(&engine.user_slots, user_id, slot)
    return slot


# --- expiries ---------------------------------------------------------------------------------


cdef void plan_expiry(engine_t* engine) noexcept nogil:
    """Note when the next order or trigger expires; to be called when either first one changes."""
    cdef int64_t first = heap_first_key(&engine.expiries)
    cdef int64_t key = 0
    cdef uint64_t tie = 0
    if conditional_expiry(engine, &key, &tie) and key < first:
        first = key
    engine.expiry_ns = <uint64_t>first * NS_PER_S if first <= EXPIRE_S_MAX else NEVER


# --- a user's own orders ----------------------------------------------------------------------


cdef void link_own(engine_t* engine, uint32_t slot, const order_t* order,
                   uint32_t expire_s) noexcept nogil:
    """A new resting order: the youngest of its user's list, and in line to expire."""
    cdef own_t* own = &engine.owns[slot]
    cdef user_t* user = &engine.users[order.user_slot]
    cdef uint32_t* newest = &user.newest
    if order.flags & RSX_REDUCE_ONLY:
        newest = &user.newest_reduce
        user.reduce_max[order.side] = max(user.reduce_max[order.side], order.remaining)
    own.next = newest[0]
    own.prev = NONE
    own.expire_s = expire_s
    if newest[0] != NONE:
        engine.owns[newest[0]].prev = slot
    newest[0] = slot
    user.open_orders += 1
    if expire_s:
        heap_put(&engine.expiries, slot, expire_s, order.oid)
        plan_expiry(engine)


cdef void unlink_own(engine_t* engine, uint32_t slot, const order_t* order) noexcept nogil:
    cdef own_t* own = &engine.owns[slot]
    cdef user_t* user = &engine.users[order.user_slot]
    if own.next != NONE:
        engine.owns[own.next].prev = own.prev
    if own.prev != NONE:
        engine.owns[own.prev].next = own.next
    elif order.flags & RSX_REDUCE_ONLY:
        user.newest_reduce = own.next
        if own.next == NONE:
            user.reduce_max[0] = user.reduce_max[1] = 0
    else:
        user.newest = own.next
    user.open_orders -= 1
    if own.expire_s:
        heap_remove(&engine.expiries, slot)
        plan_expiry(engine)


# --- client ids -------------------------------------------------------------------------------


cdef void end_rejected(engine_t* engine, const cid_entry_t* entry, const rsx_order_new_t* order,
                       uint16_t reason) noexcept nogil:
    """The order that a trigger became was refused (D-4)."""
    cdef cid_end_t* end = cids_end(&engine.cids, entry)
    memset(end, 0, sizeof(cid_end_t))
    end.px = order.px
    end.qty = order.qty
    end.reason = reason
    end.status = RSX_STATUS_REJECTED
    end.side = order.side
    end.tif = order.tif
    end.kind = order.kind
    end.flags = order.flags
    (<cid_entry_t*>entry).live = CID_ENDED
    (<cid_entry_t*>entry).slot = 0


# --- the order in hand ------------------------------------------------------------------------


cdef void take_in_hand(engine_t* engine, const rsx_order_new_t* order, int64_t px,
                       uint32_t user_slot, uint32_t cid_place) noexcept nogil:
    """An order is accepted, at px."""
    cdef taker_t* taker = &engine.taker
    taker.oid = order.oid
    taker.px = px
    taker.open_qty = order.qty
    taker.remaining = order.qty
    taker.reserved = order.reserved
    taker.user_id = order.user_id
    taker.user_slot = user_slot
    taker.cid_place = cid_place
    taker.expire_s = order.expire_s
    taker.side = order.side
    taker.tif = order.tif
    taker.flags = order.flags & <uint8_t>~RSX_RESTS
    taker.kind = order.kind
    taker.stp = order.stp
    taker.active = 1
    taker.fee_ppm = (engine.rules.liquidation_fee_ppm if order.kind == RSX_LIQUIDATION
                     else engine.rules.taker_fee_ppm)
    if not engine.is_shadow:
        engine.users[user_slot].owner_group = order.owner_group


cdef void forget_taker(engine_t* engine, uint8_t status, uint16_t reason) noexcept nogil:
    """The order in hand has ended."""
    cdef taker_t* taker = &engine.taker
    cdef cid_entry_t* entry
    cdef cid_end_t* end
    taker.active = 0
    if taker.cid_place == 0:
        return
    entry = cids_at(&engine.cids, taker.cid_place)
    entry.live = CID_ENDED
    end = cids_end(&engine.cids, entry)
    end.px = taker.px
    end.qty = taker.open_qty
    end.filled = taker.open_qty - taker.remaining
    end.reason = reason
    end.status = status
    end.side = taker.side
    end.tif = taker.tif
    end.kind = taker.kind
    end.flags = taker.flags


cdef int rest_taker(engine_t* engine) except -1 nogil:
    """Move the order in hand into the book."""
    cdef taker_t* taker = &engine.taker
    cdef uint32_t slot = book_insert(
        &engine.book, taker.oid, taker.side, taker.px, taker.remaining)
    cdef order_t* order
    if slot == NONE:
        return fail(8, engine.book.live, engine.book.capacity)
    order = &engine.book.orders[slot]
    order.qty = taker.open_qty
    order.reserved = taker.reserved
    order.user_id = taker.user_id
    order.user_slot = taker.user_slot
    order.tif = taker.tif
    order.flags = taker.flags
    order.kind = taker.kind
    order.stp = taker.stp
    order.cid_place = taker.cid_place
    if taker.cid_place:
        cids_at(&engine.cids, taker.cid_place).slot = slot
    if not engine.is_shadow:
        link_own(engine, slot, order, taker.expire_s)
    taker.active = 0
    return 0


cdef void cut_taker(engine_t* engine, int64_t cut, int64_t released) noexcept nogil:
    """The order in hand is smaller by `cut`, neither filled nor open (RO-3)."""
    engine.taker.open_qty -= cut
    engine.taker.remaining -= cut
    engine.taker.reserved -= released


# --- resting orders ---------------------------------------------------------------------------


cdef void drop_resting(engine_t* engine, uint32_t slot, uint8_t status,
                       uint16_t reason) noexcept nogil:
    """A resting order has ended: out of the book, its client id ages from now on."""
    cdef order_t* order = &engine.book.orders[slot]
    cdef cid_entry_t* entry
    cdef cid_end_t* end
    if order.cid_place:
        entry = cids_at(&engine.cids, order.cid_place)
        entry.live = CID_ENDED
        entry.slot = 0
        end = cids_end(&engine.cids, entry)
        end.px = order_px(&engine.book, order)
        end.qty = order.qty
        end.filled = order.qty - order.remaining
        end.reason = reason
        end.status = status
        end.side = order.side
        end.tif = order.tif
        end.kind = order.kind
        end.flags = order.flags
    if not engine.is_shadow:
        unlink_own(engine, slot, order)
    book_remove(&engine.book, slot)


cdef void lift_resting(engine_t* engine, uint32_t slot) noexcept nogil:
    """Out of the book and into the hand again (AM-5)."""
    cdef order_t* order = &engine.book.orders[slot]
    cdef taker_t* taker = &engine.taker
    taker.oid = order.oid
    taker.px = order_px(&engine.book, order)
    taker.open_qty = order.qty
    taker.remaining = order.remaining
    taker.reserved = order.reserved
    taker.user_id = order.user_id
    taker.user_slot = order.user_slot
    taker.cid_place = order.cid_place
    taker.side = order.side
    taker.tif = order.tif
    taker.flags = order.flags
    taker.kind = order.kind
    taker.stp = order.stp
    taker.active = 1
    taker.fee_ppm = engine.rules.taker_fee_ppm
    if order.cid_place:
        cids_at(&engine.cids, order.cid_place).slot = 0
    if not engine.is_shadow:
        taker.expire_s = engine.owns[slot].expire_s
        unlink_own(engine, slot, order)
    book_remove(&engine.book, slot)


cdef void cut_resting(engine_t* engine, uint32_t slot, int64_t cut,
                      int64_t released) noexcept nogil:
    """A resting order is smaller by `cut` in place, neither filled nor open (RO-3)."""
    cdef order_t* order = &engine.book.orders[slot]
    book_take(&engine.book, slot, cut)
    order.qty -= cut
    order.reserved -= released


cdef void keep_amended(engine_t* engine, uint32_t slot, int64_t qty, int64_t remaining,
                       int64_t reserved) noexcept nogil:
    """A resting order has a new quantity, not more left than before, and keeps its place (AM-4)."""
    cdef order_t* order = &engine.book.orders[slot]
    book_take(&engine.book, slot, order.remaining - remaining)
    order.qty = qty
    order.reserved = reserved


# --- audit ------------------------------------------------------------------------------------


cdef int audit_list(engine_t* engine, uint32_t user_slot, bint is_reduce) except -1:
    """Links and members of one list of a user, and RO-1 where no trim is owed (F-2); returns how
    many orders it has."""
    cdef user_t* user = &engine.users[user_slot]
    cdef uint32_t slot = user.newest_reduce if is_reduce else user.newest
    cdef uint32_t prev = NONE
    cdef int count = 0
    cdef const order_t* order
    while slot != NONE:
        order = &engine.book.orders[slot]
        if not order.live or order.user_slot != user_slot or order.user_id != user.user_id:
            return fail(8, slot, user.user_id)
        if engine.owns[slot].prev != prev or bool(order.flags & RSX_REDUCE_ONLY) != is_reduce:
            return fail(8, slot, prev)
        if (order.tif == RSX_GTD) != (engine.owns[slot].expire_s != 0):
            return fail(8, slot, engine.owns[slot].expire_s)
        if is_reduce and order.remaining > user.reduce_max[order.side]:
            return fail(17, order.oid, user.reduce_max[order.side])
        if is_reduce and not engine.trims.user and (
                order.remaining > reducible(user, order.side)):
            return fail(17, order.oid, reducible(user, order.side))
        count += 1
        prev = slot
        slot = engine.owns[slot].next
    return count


cdef int orders_audit(engine_t* engine) except -1:
    """Users' lists and the line of expiries (INV-8); O(orders + users)."""
    cdef uint64_t user, count, linked = 0
    cdef uint32_t at, slot
    for user in range(1, engine.users_used + 1):
        count = audit_list(engine, <uint32_t>user, False) + audit_list(engine, <uint32_t>user, True)
        if count != engine.users[user].open_orders:
            return fail(8, count, engine.users[user].open_orders)
        linked += count
    if linked != engine.book.live:
        return fail(8, linked, engine.book.live)
    heap_audit(&engine.expiries)
    for at in range(1, engine.expiries.count + 1):
        slot = engine.expiries.items[at].slot
        if not engine.book.orders[slot].live or engine.owns[slot].expire_s == 0:
            return fail(8, slot, engine.expiries.count)
    return 0
