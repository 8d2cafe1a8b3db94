# cython: boundscheck=False
"""How much of a bankrupt position the symbol's insurance fund takes over. Pure.

Rules IF-1, IF-2: specs/liquidation.md. A fund holds positions of its own symbol only.
"""

from libc.stdint cimport int64_t, uint32_t

from rsx.core.check cimport fail
from rsx.risk.accounts cimport (
    account_t, find_position, ledger_account, ledger_index, ledger_mark, ledger_t, magnitude,
    position_t, symbol_t, unrealised_of,
)
from rsx.risk.ledger cimport Ledger
from rsx.units cimport rsx_add, rsx_multiply


cdef int64_t fund_equity(ledger_t* ledger, int symbol, int64_t mark) except? -1 nogil:
    """Balance and unrealised profit of the fund of a symbol at a mark, in money units."""
    cdef const account_t* fund = &ledger.accounts[ledger.symbols[symbol].fund]
    cdef const position_t* position = find_position(ledger, fund, symbol, 0)
    cdef int64_t equity = fund.collateral, value = 0
    if position == NULL:
        return equity
    if rsx_multiply(magnitude(position.net), mark, &value):
        return fail(1201, position.net, mark)
    if rsx_add(equity, unrealised_of(position, mark) - position.owed, &equity):
        return fail(1203, fund.user_id, value)
    return equity


cdef int64_t takeover_qty(ledger_t* ledger, const position_t* bankrupt,
                          int64_t mark) except? -1 nogil:
    """IF-2: the quantity that the fund can bear at the bankruptcy price; all, lots, or 0."""
    cdef const symbol_t* symbol = &ledger.symbols[bankrupt.symbol]
    cdef const position_t* held = find_position(
        ledger, &ledger.accounts[symbol.fund], bankrupt.symbol, 0)
    cdef int64_t net = held.net if held != NULL else 0
    cdef int64_t qty = magnitude(bankrupt.net), room
    cdef int64_t loss = bankrupt.bankrupt_px - mark if bankrupt.net > 0 else (
        mark - bankrupt.bankrupt_px)
    room = min(symbol.rules.insurance_loss_max, fund_equity(ledger, bankrupt.symbol, mark))
    if room < 0:
        return 0
    if loss > 0:
        qty = min(qty, room // loss)
    room = symbol.rules.insurance_notional_max // mark
    # Against what it holds it may first come down to nothing, then go the other way.
    room = room - magnitude(net) if (net > 0) == (bankrupt.net > 0) else room + magnitude(net)
    qty = min(qty, max(room, 0))
    return qty if qty == magnitude(bankrupt.net) else qty - qty % symbol.lot


def takeover(Ledger ledger, uint32_t user_id, uint32_t symbol_id, int leg=0):
    """takeover_qty of a user's bankrupt position, for tests and tools."""
    cdef ledger_t* tables = &ledger.ledger
    cdef account_t* account = ledger_account(tables, user_id)
    cdef int symbol = ledger_index(tables, symbol_id)
    cdef position_t* position = NULL
    if account != NULL and symbol >= 0:
        position = find_position(tables, account, symbol, leg)
    if position == NULL:
        raise KeyError((user_id, symbol_id))
    return takeover_qty(tables, position, ledger_mark(&tables.symbols[symbol], tables.stale_ns))
