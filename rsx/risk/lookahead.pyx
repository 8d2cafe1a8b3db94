# cython: boundscheck=False
"""Fetching ahead: what the records that wait will touch is brought near while others are applied.

    LOOK_FAR ahead    home of the order id, or of a new order's user
    LOOK_NEAR ahead   the order's row, or the user's account
    LOOK_NEXT ahead   the account and the position

Reads only; results do not depend on it. Each call finds what the one before has brought.
"""

from libc.stdint cimport uint32_t, uint64_t

from rsx.core.idmap cimport idmap_get, idmap_prefetch
from rsx.core.idmap_ahead cimport idmap_likely
from rsx.core.memory cimport rsx_prefetch
from rsx.records_c cimport *
from rsx.risk.accounts cimport account_t, ledger_index, ledger_t, position_t
from rsx.risk.orders cimport order_t, orders_find


cdef inline uint64_t named_order(const rsx_record_t* record) noexcept nogil:
    """Id of the order at rest that a record is about; 0 = none."""
    if record.type == RSX_FILL:
        return (<const rsx_fill_t*>record).maker_oid
    if record.type == RSX_ORDER_CANCELLED or record.type == RSX_ORDER_AMENDED:
        return (<const rsx_order_cancelled_t*>record).oid  # both have it in the same place
    return 0


cdef inline void prefetch_account(const ledger_t* ledger, uint32_t slot) noexcept nogil:
    """Both lines: balances and what is kept, and what a fill adds to."""
    cdef const account_t* account = &ledger.accounts[slot]
    rsx_prefetch(account)
    rsx_prefetch(&account.frozen)


cdef inline void prefetch_position(const ledger_t* ledger, uint32_t slot) noexcept nogil:
    """All three lines: the last one has the exposure's place and the funding reckoned."""
    cdef const position_t* position = &ledger.positions[slot]
    rsx_prefetch(position)
    rsx_prefetch(&position.kept_unrealised)
    rsx_prefetch(&position.realised)


cdef void ledger_prefetch(ledger_t* ledger, const rsx_record_t* record) noexcept nogil:
    """For the record LOOK_FAR ahead."""
    cdef const rsx_order_accepted_t* accepted = <const rsx_order_accepted_t*>record
    if record.type == RSX_ORDER_ACCEPTED:
        idmap_prefetch(&ledger.slots, accepted.user_id)
        if accepted.flags & RSX_RESTS:
            idmap_prefetch(&ledger.orders.ids, accepted.oid)
    else:
        idmap_prefetch(&ledger.orders.ids, named_order(record))


cdef void ledger_prefetch_row(ledger_t* ledger, const rsx_record_t* record) noexcept nogil:
    """For the record LOOK_NEAR ahead."""
    if record.type == RSX_ORDER_ACCEPTED:
        prefetch_account(
            ledger, idmap_likely(&ledger.slots, (<const rsx_order_accepted_t*>record).user_id))
    else:
        rsx_prefetch(&ledger.orders.rows[idmap_likely(&ledger.orders.ids, named_order(record))])


cdef void ledger_prefetch_held(ledger_t* ledger, const rsx_record_t* record) noexcept nogil:
    """For the record LOOK_NEXT ahead."""
    cdef const order_t* order
    cdef uint64_t oid
    cdef uint32_t slot
    if record.type == RSX_ORDER_ACCEPTED:
        slot = idmap_get(&ledger.slots, (<const rsx_order_accepted_t*>record).user_id)
        prefetch_position(ledger, ledger.accounts[slot].first_position)
        return
    oid = named_order(record)
    if oid:
        order = &ledger.orders.rows[orders_find(&ledger.orders, oid)]
        prefetch_account(ledger, order.account)
        prefetch_position(ledger, order.position)


cdef void ledger_prefetch_position(ledger_t* ledger, const rsx_record_t* record,
                                   int steps) noexcept nogil:
    """A new order's position, when it is no nearer than `steps` in its account's list."""
    cdef const account_t* account
    cdef uint32_t slot
    cdef int index
    if record.type != RSX_ORDER_ACCEPTED:
        return
    index = ledger_index(ledger, record.stream)
    account = &ledger.accounts[
        idmap_get(&ledger.slots, (<const rsx_order_accepted_t*>record).user_id)]
    slot = account.first_position
    while steps and slot and ledger.positions[slot].symbol != index:
        slot = ledger.positions[slot].next
        steps -= 1
    if steps == 0 and slot:
        prefetch_position(ledger, slot)
