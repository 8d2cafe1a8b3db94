# cython: boundscheck=False
"""Tables of accounts and positions, and the margin that they need.

    account -> position -> position ...        a list per account, one entry per symbol touched
    frozen         reserved for orders that the log has accepted     (a fold gives it back)
    frozen_flying  reserved for requests on their way to matching    (gone after a restart)

Rules A-1, A-2, A-5, K-1, K-2, G-1 to G-3, V-9: specs/risk.md.
"""

from libc.stdint cimport int64_t, uint8_t, uint32_t, uint64_t
from libc.string cimport memset

from rsx.core.check cimport fail
from rsx.core.idmap cimport idmap_put
from rsx.records_c cimport RSX_BUY
from rsx.units cimport (
    rsx_add, rsx_multiply, rsx_part, rsx_requirement, rsx_step_down, rsx_step_up,
)


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
    position.symbol = <uint8_t>symbol
    position.leg = <uint8_t>leg
    position.account = <uint32_t>(account - ledger.accounts)
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


# --- margin -----------------------------------------------------------------------------------


cdef int64_t unrealised_of(const position_t* position, int64_t mark) noexcept nogil:
    """A-5. |net| x mark was seen to fit by the caller."""
    if position.net >= 0:
        return mark * position.net - position.cost
    return position.cost - mark * -position.net


cdef int position_margin(const position_t* position, const symbol_t* symbol, int64_t mark,
                         margin_t* out) except -1 nogil:
    """Add one position's part of G-2 and G-3."""
    cdef int64_t longest = position.net + position.open_buy + position.flying_buy
    cdef int64_t shortest = position.net - position.open_sell - position.flying_sell
    cdef int64_t size = magnitude(position.net)
    cdef int64_t worst = max(magnitude(longest), magnitude(shortest))
    cdef int64_t frozen = position.frozen + position.frozen_flying
    cdef int64_t value = 0, worst_value = 0, held
    if rsx_multiply(size, mark, &value):
        return fail(1201, position.net, mark)
    held = rsx_requirement(value, symbol.bracket[0].initial_ppm) + frozen
    if worst > size:
        if rsx_multiply(worst, mark, &worst_value):
            return fail(1201, worst, mark)
        held = max(held, rsx_requirement(worst_value, symbol.bracket[0].initial_ppm))
    if (rsx_add(out.unrealised, unrealised_of(position, mark), &out.unrealised)
            or rsx_add(out.held, held, &out.held)):
        return fail(1201, position.net, mark)
    out.initial += held - frozen
    out.maintenance += rsx_requirement(value, symbol.bracket[0].maintenance_ppm)
    return 0


cdef int ledger_margin(ledger_t* ledger, const account_t* account, uint64_t now_ns,
                       margin_t* out) except -1 nogil:
    """G-2, G-3 over all positions of an account; O(positions)."""
    cdef uint32_t slot = account.first_position
    cdef const position_t* position
    cdef const symbol_t* symbol
    memset(out, 0, sizeof(margin_t))
    out.is_priced = True
    while slot:
        position = &ledger.positions[slot]
        symbol = &ledger.symbols[position.symbol]
        position_margin(position, symbol, ledger_mark(symbol, ledger.stale_ns), out)
        if position.net and not is_fresh(symbol, ledger.stale_ns, now_ns):
            out.is_priced = False
        slot = position.next
    return 0


# --- protection price -------------------------------------------------------------------------


cdef inline int64_t tick_at(const symbol_t* symbol, int64_t px) noexcept nogil:
    """The price step of the row that px falls in (specs/matching.md PX-1)."""
    cdef int64_t tick = symbol.tick
    cdef int row
    for row in range(symbol.tick_rows):
        if px < symbol.tick_from[row]:
            break
        tick = symbol.tick_at[row]
    return tick


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
