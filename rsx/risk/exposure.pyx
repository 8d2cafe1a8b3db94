# cython: boundscheck=False
"""Who is exposed to a market: two lists for each, of long and of short positions.

    exposed[side]   row 0 unused | 1 .. exposures[side], dense, in no order

A position knows its row; the last row fills the gap of one that leaves. So entering and leaving
is O(1), and a pass over who a mark concerns touches 16 bytes for each. Rules A-10, A-11, SB-1;
enforces INV-15.
"""

from libc.stdint cimport INT64_MAX, INT64_MIN, int64_t, uint32_t, uint64_t

from rsx.core.check cimport fail
from rsx.core.memory cimport RSX_PAGES_SMALL, rsx_map, rsx_unmap
from rsx.risk.accounts cimport exposed_t, ledger_t, position_t, symbol_t


cdef int exposure_init(ledger_t* ledger) except -1:
    """Empty lists with room for every account on each side. Raises MemoryError."""
    cdef int index, side
    for index in range(ledger.symbol_count):
        for side in range(2):
            ledger.symbols[index].exposed[side] = <exposed_t*>rsx_map(
                (ledger.accounts_max + 1) * sizeof(exposed_t), RSX_PAGES_SMALL)
            if ledger.symbols[index].exposed[side] == NULL:
                raise MemoryError(f"{ledger.accounts_max} exposed positions")
    return 0


cdef void exposure_free(ledger_t* ledger) noexcept nogil:
    cdef int index, side
    for index in range(ledger.symbol_count):
        for side in range(2):
            rsx_unmap(ledger.symbols[index].exposed[side],
                      (ledger.accounts_max + 1) * sizeof(exposed_t))


cdef int exposure_enter(ledger_t* ledger, position_t* position) except -1 nogil:
    """Put a position whose net is no longer 0 into the list of its side."""
    cdef symbol_t* symbol = &ledger.symbols[position.symbol]
    cdef int side = position.net < 0
    cdef uint64_t row = symbol.exposures[side] + 1
    if position.exposed or row > ledger.accounts_max:
        return fail(15, position.exposed, row)
    symbol.exposures[side] = row
    symbol.exposed[side][row].position = <uint32_t>(position - ledger.positions)
    symbol.exposed[side][row].threshold = always_look(side)
    position.exposed = <uint32_t>row
    return 0


cdef int exposure_leave(ledger_t* ledger, position_t* position, int side) except -1 nogil:
    """Take a position out of the list of the side that it was on."""
    cdef symbol_t* symbol = &ledger.symbols[position.symbol]
    cdef exposed_t* rows = symbol.exposed[side]
    cdef uint64_t last = symbol.exposures[side]
    cdef uint32_t row = position.exposed
    if row == 0 or row > last or rows[row].position != <uint32_t>(position - ledger.positions):
        return fail(15, row, last)
    rows[row] = rows[last]
    ledger.positions[rows[row].position].exposed = row
    symbol.exposures[side] = last - 1
    position.exposed = 0
    return 0


cdef void exposure_look(symbol_t* symbol) noexcept nogil:
    """Forget every threshold of a market: what its positions owe or need has changed."""
    cdef int side
    cdef uint64_t row
    for side in range(2):
        for row in range(1, symbol.exposures[side] + 1):
            symbol.exposed[side][row].threshold = always_look(side)
