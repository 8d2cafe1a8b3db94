# cython: boundscheck=False
"""Live orders as risk knows them: what the records of the log are held against (A-8).

    rows  0 | 1 .. 64 a new order in hand, one of a symbol | 65 .. resting and amended orders, by id

A resting order costs one operation of the id map when it comes and one at each of its events; an
order that never rests costs none. Nothing is allocated after start; rows are used again last in,
first out. Source: specs/risk.md A-8.
"""

from libc.stdint cimport uint32_t, uint64_t
from libc.string cimport memset

from rsx.core.check cimport fail
from rsx.core.idmap cimport idmap_free, idmap_init, idmap_put, idmap_remove
from rsx.core.memory cimport RSX_PAGES_HUGE, rsx_map, rsx_unmap


cdef int orders_init(orders_t* orders, uint64_t orders_max) except -1:
    """An empty table for orders_max orders at rest. Raises MemoryError."""
    cdef uint64_t rows = orders_max + SYMBOLS_MAX + 1
    memset(orders, 0, sizeof(orders_t))
    orders.capacity = orders_max
    orders.untouched = SYMBOLS_MAX + 1
    if rows < <uint64_t>1 << 32:
        orders.rows = <order_t*>rsx_map(rows * sizeof(order_t), RSX_PAGES_HUGE)
    if orders.rows == NULL:
        raise MemoryError(f"{orders_max} orders")
    return idmap_init(&orders.ids, orders_max, &orders.rows[0].oid, sizeof(order_t), 64)


cdef void orders_free(orders_t* orders) noexcept nogil:
    rsx_unmap(orders.rows, (orders.capacity + SYMBOLS_MAX + 1) * sizeof(order_t))
    if orders.ids.entries != NULL:
        idmap_free(&orders.ids)


cdef uint32_t orders_add(orders_t* orders, const order_t* values) except 0 nogil:
    """A row with these values, found by its id from now on."""
    cdef uint32_t slot = orders.free_head
    if slot:
        orders.free_head = orders.rows[slot].next_free
    elif orders.live < orders.capacity:
        slot = <uint32_t>orders.untouched
        orders.untouched += 1
    else:
        fail(8, orders.live, values.oid)
    orders.rows[slot] = values[0]
    orders.rows[slot].place = RESTS
    orders.rows[slot].next_free = 0
    orders.live += 1
    # An id that was there before would have been given another row.
    if not idmap_put(&orders.ids, values.oid, slot) or orders.ids.count != orders.live:
        fail(8, orders.live, values.oid)
    return slot


cdef int orders_remove(orders_t* orders, uint32_t slot) except -1 nogil:
    """Free a row; one of a new order in hand is only emptied."""
    cdef order_t* row = &orders.rows[slot]
    if slot > SYMBOLS_MAX:
        if not idmap_remove(&orders.ids, row.oid):
            return fail(8, orders.live, row.oid)
        orders.live -= 1
    memset(row, 0, sizeof(order_t))
    if slot > SYMBOLS_MAX:
        row.next_free = orders.free_head
        orders.free_head = slot
    return 0
