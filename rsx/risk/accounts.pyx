# cython: boundscheck=False
"""Tables of accounts and positions, and the prices that bound and value them.

    account -> position -> position ...        a list per account, one entry per symbol touched
    frozen         reserved for orders that the log has accepted     (a fold gives it back)
    frozen_flying  reserved for requests on their way to matching    (gone after a restart)

Rules A-1, A-2, A-5, K-1, K-2, IM-1, V-9: specs/risk.md.
"""

from libc.stdint cimport int64_t, uint8_t, uint32_t, uint64_t
from libc.string cimport memset

from rsx.core.idmap cimport idmap_put
from rsx.records_c cimport RSX_BUY
from rsx.units cimport rsx_part, rsx_step_down, rsx_step_up


cdef void blank_position(const ledger_t* ledger, const account_t* account, int symbol, int leg,
                         position_t* out) noexcept nogil:
    """A position that was never touched; its settings are those of the other leg (IM-1)."""
    cdef const position_t* other = NULL
    memset(out, 0, sizeof(position_t))
    out.symbol = <uint8_t>symbol
    out.leg = <uint8_t>leg
    out.funding_epoch = ledger.symbols[symbol].funding.epoch
    if account == NULL:
        return
    out.account = <uint32_t>(account - ledger.accounts)
    other = find_position(ledger, account, symbol, 1 - leg)
    if other != NULL:
        out.margin_mode = other.margin_mode
        out.leverage = other.leverage
        out.leverage_ppm = other.leverage_ppm


cdef position_t* open_position(ledger_t* ledger, account_t* account, int symbol,
                               int leg) noexcept nogil:
    """The account's entry for a symbol and leg, made when new; NULL when there is no room."""
    cdef position_t* position = find_position(ledger, account, symbol, leg)
    if position != NULL:
        return position
    if ledger.positions_used >= ledger.positions_max:
        return NULL
    ledger.positions_used += 1
    position = &ledger.positions[ledger.positions_used]
    blank_position(ledger, account, symbol, leg, position)
    position.next = account.first_position
    account.first_position = <uint32_t>ledger.positions_used
    account.positions += 1
    return position


cdef account_t* open_account(ledger_t* ledger, uint32_t user_id) noexcept nogil:
    """The user's account, made when new; NULL when there is no room."""
    cdef account_t* account = ledger_account(ledger, user_id)
    if account != NULL:
        return account
    if ledger.accounts_used >= ledger.accounts_max:
        return NULL
    ledger.accounts_used += 1
    account = &ledger.accounts[ledger.accounts_used]
    account.user_id = user_id
    idmap_put(&ledger.slots, user_id, <uint32_t>ledger.accounts_used)
    return account


# --- prices -----------------------------------------------------------------------------------


cdef int64_t protection_px(const symbol_t* symbol, uint8_t side, int64_t mark) noexcept nogil:
    """V-9: how far a market order may trade; always a price on tick that the symbol allows."""
    cdef int64_t away = rsx_part(mark, symbol.market_band_ppm)
    cdef int64_t px, step
    if side == RSX_BUY:
        px = symbol.px_max if away > symbol.px_max - mark else mark + away
        px = rsx_step_down(px, tick_at(symbol, px))
    else:
        px = mark - away
        step = tick_at(symbol, px)
        px = symbol.px_max if px > symbol.px_max - step else rsx_step_up(px, step)
    return max(px, symbol.tick)
