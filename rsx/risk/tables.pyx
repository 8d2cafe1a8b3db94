# cython: boundscheck=False
"""Memory of a ledger: made at start, copied for further tiles (SH-6), given back.

All of it is mapped at once and costs memory where it is touched. A copy has what the log has
confirmed and nothing in flight, so it is made before a tile runs. Source: specs/shards.md.
"""

from libc.stdint cimport uint8_t, uint32_t, uint64_t
from libc.string cimport memcpy, memset

from rsx.core.idmap cimport idmap_free, idmap_init, idmap_t
from rsx.core.memory cimport RSX_PAGES_SMALL, rsx_map, rsx_unmap
from rsx.risk.accounts cimport account_t, exposed_t, ledger_t, position_t
from rsx.risk.exposure cimport exposure_free, exposure_init
from rsx.risk.orders cimport SYMBOLS_MAX, order_t, orders_free, orders_init, orders_t

cdef enum:
    SYMBOL_IDS = 65536


cdef int tables_init(ledger_t* ledger, uint64_t accounts_max, uint64_t positions_max,
                     uint64_t orders_max) except -1:
    """Empty tables for ledger.symbol_count markets. Raises MemoryError."""
    ledger.accounts_max = accounts_max
    ledger.positions_max = positions_max
    ledger.accounts = <account_t*>rsx_map(
        (accounts_max + 1) * sizeof(account_t), RSX_PAGES_SMALL)
    ledger.positions = <position_t*>rsx_map(
        (positions_max + 1) * sizeof(position_t), RSX_PAGES_SMALL)
    ledger.symbol_index = <uint8_t*>rsx_map(SYMBOL_IDS, RSX_PAGES_SMALL)
    ledger.changed = <uint32_t*>rsx_map((accounts_max + 1) * sizeof(uint32_t), RSX_PAGES_SMALL)
    if (ledger.accounts == NULL or ledger.positions == NULL or ledger.symbol_index == NULL
            or ledger.changed == NULL):
        raise MemoryError(f"{accounts_max} accounts, {positions_max} positions")
    idmap_init(&ledger.slots, accounts_max, &ledger.accounts[0].user_id, sizeof(account_t), 32)
    orders_init(&ledger.orders, orders_max)
    return exposure_init(ledger)


cdef void tables_free(ledger_t* ledger) noexcept nogil:
    rsx_unmap(ledger.accounts, (ledger.accounts_max + 1) * sizeof(account_t))
    rsx_unmap(ledger.positions, (ledger.positions_max + 1) * sizeof(position_t))
    rsx_unmap(ledger.symbol_index, SYMBOL_IDS)
    rsx_unmap(ledger.changed, (ledger.accounts_max + 1) * sizeof(uint32_t))
    if ledger.slots.entries != NULL:
        idmap_free(&ledger.slots)
    orders_free(&ledger.orders)
    exposure_free(ledger)


cdef void copy_ids(idmap_t* ids, const idmap_t* other) noexcept nogil:
    """Both have the same size; the rows of each are its own."""
    memcpy(ids.entries, other.entries, (other.mask + 1) * sizeof(uint64_t))
    ids.count = other.count


cdef void copy_orders(orders_t* orders, const orders_t* other) noexcept nogil:
    memcpy(orders.rows, other.rows, other.untouched * sizeof(order_t))
    copy_ids(&orders.ids, &other.ids)
    orders.untouched = other.untouched
    orders.free_head = other.free_head
    orders.live = other.live


cdef int tables_copy(ledger_t* ledger, const ledger_t* other) except -1:
    """Make an unused ledger_t the equal of another. Raises MemoryError."""
    cdef exposed_t* rows
    cdef ledger_t made
    cdef int index, side
    memset(&made, 0, sizeof(ledger_t))
    made.symbol_count = other.symbol_count
    memcpy(ledger, &made, sizeof(ledger_t))
    tables_init(ledger, other.accounts_max, other.positions_max, other.orders.capacity)
    memcpy(&made, ledger, sizeof(ledger_t))
    memcpy(ledger, other, sizeof(ledger_t))
    ledger.accounts, ledger.positions = made.accounts, made.positions
    ledger.symbol_index, ledger.changed = made.symbol_index, made.changed
    ledger.slots, ledger.orders = made.slots, made.orders
    memcpy(ledger.accounts, other.accounts, (other.accounts_used + 1) * sizeof(account_t))
    memcpy(ledger.positions, other.positions, (other.positions_used + 1) * sizeof(position_t))
    memcpy(ledger.symbol_index, other.symbol_index, SYMBOL_IDS)
    memcpy(ledger.changed, other.changed, (other.accounts_max + 1) * sizeof(uint32_t))
    copy_ids(&ledger.slots, &other.slots)
    copy_orders(&ledger.orders, &other.orders)
    for index in range(ledger.symbol_count):
        for side in range(2):
            rows = made.symbols[index].exposed[side]
            memcpy(rows, other.symbols[index].exposed[side],
                   (other.symbols[index].exposures[side] + 1) * sizeof(exposed_t))
            ledger.symbols[index].exposed[side] = rows
    return 0
