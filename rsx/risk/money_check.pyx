# cython: boundscheck=False
"""Money and settings before the log: what may leave, move, or change.

Each check returns 0 and has put its request in flight, or a reason and has changed nothing. Pure:
time is an argument. Rules P-2 to P-4, HG-5, V-17: specs/risk.md.
"""

from libc.stdint cimport int64_t, uint8_t, uint32_t, uint64_t
from libc.string cimport memset

from rsx.core.check cimport fail
from rsx.records_c cimport *
from rsx.risk.accounts cimport (
    account_t, find_position, is_fresh, ledger_account, ledger_index, ledger_mark, ledger_t,
    magnitude, open_position, position_t, symbol_t, unrealised_of,
)
from rsx.risk.margin cimport (
    account_outflow, bracket_of, in_liquidation, initial_requirement, is_isolated, ledger_margin,
    leverage_share, margin_t, outflow_t, reckon_share, share_t, worst_size,
)
from rsx.units cimport RSX_PPM, rsx_floor_div, rsx_multiply

cdef int64_t I64_MAX = 0x7fff_ffff_ffff_ffff


# --- money ------------------------------------------------------------------------------------


cdef int ledger_check_withdraw(ledger_t* ledger, const rsx_withdraw_request_t* request,
                               uint64_t now_ns, figures_t* figures) except -1 nogil:
    """P-2: 0 and the amount counts as gone, or the reason for refusing."""
    cdef account_t* account = ledger_account(ledger, request.user_id)
    cdef outflow_t out
    memset(figures, 0, sizeof(figures_t))
    if request.amount <= 0:
        return RSX_R_AMOUNT_INVALID
    if account == NULL:
        return RSX_R_NO_ACCOUNT
    account_outflow(ledger, account, now_ns, &out)
    if not out.is_priced:
        return RSX_R_MARK_UNAVAILABLE
    if request.amount > out.withdrawable:
        figures.required = request.amount
        figures.available = out.withdrawable
        return RSX_R_WITHDRAWAL_TOO_LARGE
    account.leaving += request.amount
    return 0


cdef void removable(const ledger_t* ledger, const position_t* position, uint32_t leverage_ppm,
                   int64_t* asked, int64_t* free_money) noexcept nogil:
    """P-3, P-4 of an open isolated position: what it must keep at a leverage (P), and what it has
    towards that."""
    cdef const symbol_t* symbol = &ledger.symbols[position.symbol]
    cdef int64_t mark = ledger_mark(symbol, ledger.stale_ns)
    asked[0] = initial_requirement(symbol, leverage_ppm, magnitude(position.net) * mark)
    free_money[0] = (position.wallet + min(0, unrealised_of(position, mark)) - position.owed
                     - position.wallet_leaving)


cdef int ledger_check_transfer(ledger_t* ledger, const rsx_margin_transfer_request_t* request,
                               uint64_t now_ns, figures_t* figures) except -1 nogil:
    """P-3: 0 and the amount counts as gone from where it was, or the reason for refusing."""
    cdef account_t* account = ledger_account(ledger, request.user_id)
    cdef int index = ledger_index(ledger, request.symbol_id)
    cdef int64_t amount = request.amount, asked = 0, free_money = 0
    cdef position_t* position
    cdef outflow_t out
    memset(figures, 0, sizeof(figures_t))
    if account == NULL:
        return RSX_R_NO_ACCOUNT
    if index < 0:
        return RSX_R_UNKNOWN_SYMBOL
    if amount == 0:
        return RSX_R_AMOUNT_INVALID
    position = find_position(ledger, account, index, request.leg)
    if position == NULL or not is_isolated(position):
        return RSX_R_NOT_ISOLATED
    if not is_fresh(&ledger.symbols[index], ledger.stale_ns, now_ns):
        return RSX_R_MARK_UNAVAILABLE
    # Makes what is owed right, too, and sees that the products of `removable` fit.
    account_outflow(ledger, account, now_ns, &out)
    if amount > 0:
        if amount > out.transferable:
            figures.required = amount
            figures.available = out.transferable
            return RSX_R_INSUFFICIENT_MARGIN
        account.leaving += amount
        return 0
    removable(ledger, position, position.leverage_ppm, &asked, &free_money)
    if amount < asked - free_money:
        figures.required = I64_MAX if amount < -I64_MAX else -amount
        figures.available = max(0, free_money - asked)
        return RSX_R_MARGIN_REMOVAL_TOO_LARGE
    position.wallet_leaving -= amount
    return 0


# --- settings ---------------------------------------------------------------------------------


cdef inline bint is_empty(const position_t* position) noexcept nogil:
    """P-4, HG-5: flat, without live orders and without anything in flight."""
    return (position == NULL
            or (position.net == 0 and position.live_orders == 0 and position.open_buy == 0
                and position.open_sell == 0 and position.flying_buy == 0
                and position.flying_sell == 0 and position.frozen_flying == 0
                and position.amending == 0 and position.wallet_leaving == 0))


cdef int check_position_mode(ledger_t* ledger, const account_t* account,
                             uint8_t mode) noexcept nogil:
    """HG-5."""
    cdef uint32_t slot = account.first_position
    cdef const position_t* position
    cdef bint is_locked = account.live_orders != 0
    if mode > RSX_POSITION_HEDGE:
        return RSX_R_INVALID_VALUE
    if account.stage:
        return RSX_R_IN_LIQUIDATION
    while slot:
        position = &ledger.positions[slot]
        if position.stage:
            return RSX_R_IN_LIQUIDATION
        if not is_empty(position):
            is_locked = True
        slot = position.next
    return RSX_R_MODE_LOCKED if is_locked and mode != account.position_mode else 0


cdef int check_affordable(ledger_t* ledger, account_t* account, position_t** legs,
                          uint32_t leverage_ppm, uint64_t now_ns,
                          figures_t* figures) except -1 nogil:
    """P-4: whether the account and the wallets of isolated legs carry another leverage."""
    cdef int64_t asks = 0, asked = 0, free_money = 0, mark
    cdef const symbol_t* symbol
    cdef position_t changed
    cdef share_t before, after
    cdef margin_t margin
    cdef int leg
    ledger_margin(ledger, account, now_ns, &margin)
    for leg in range(2):
        if legs[leg] == NULL:
            continue
        symbol = &ledger.symbols[legs[leg].symbol]
        mark = ledger_mark(symbol, ledger.stale_ns)
        changed = legs[leg][0]
        changed.leverage_ppm = leverage_ppm
        reckon_share(legs[leg], symbol, mark, &before)
        reckon_share(&changed, symbol, mark, &after)
        asks += after.held - before.held
    if asks > 0 and asks > margin.available:
        figures.required = asks
        figures.available = margin.available
        return RSX_R_INSUFFICIENT_MARGIN
    for leg in range(2):
        if legs[leg] == NULL or not is_isolated(legs[leg]):
            continue
        removable(ledger, legs[leg], leverage_ppm, &asked, &free_money)
        if asked > free_money:
            figures.required = asked
            figures.available = free_money
            return RSX_R_INSUFFICIENT_MARGIN
    return 0


cdef int check_leverage(ledger_t* ledger, account_t* account, int index, position_t** legs,
                        uint32_t leverage, uint64_t now_ns, figures_t* figures) except -1 nogil:
    """P-4: whether the market's brackets and the user's margin allow it."""
    cdef const symbol_t* symbol = &ledger.symbols[index]
    cdef int64_t mark = ledger_mark(symbol, ledger.stale_ns), value = 0, largest = 0, most
    cdef int leg
    for leg in range(2):
        if legs[leg] != NULL:
            if rsx_multiply(worst_size(legs[leg]), mark, &value):
                return fail(1201, legs[leg].net, mark)
            largest = max(largest, value)
    most = rsx_floor_div(RSX_PPM, max(1, symbol.bracket[bracket_of(symbol, largest)].initial_ppm))
    if leverage > most:
        figures.required = leverage
        figures.available = most
        return RSX_R_LEVERAGE_INVALID
    return check_affordable(ledger, account, legs, leverage_share(leverage), now_ns, figures)


cdef int check_of_market(ledger_t* ledger, account_t* account, int index,
                         const rsx_margin_config_request_t* request, uint64_t now_ns,
                         settings_t* settings, figures_t* figures) except -1 nogil:
    """P-4 of one symbol: both legs have the same settings (IM-1)."""
    cdef position_t* legs[2]
    cdef const position_t* known
    cdef bint is_moved
    cdef int reason
    legs[0] = find_position(ledger, account, index, 0)
    legs[1] = find_position(ledger, account, index, 1)
    known = legs[0] if legs[0] != NULL else legs[1]
    if known != NULL:
        settings.leverage = known.leverage
        settings.margin_mode = known.margin_mode
    is_moved = request.fields & 2 and request.margin_mode != settings.margin_mode
    if request.fields & 2:
        if request.margin_mode > RSX_MARGIN_ISOLATED:
            return RSX_R_INVALID_VALUE
        settings.margin_mode = request.margin_mode
    # A leg that was never touched is of its sibling's mode, and no bucket of its own.
    if ((legs[0] != NULL and in_liquidation(account, legs[0]))
            or (legs[1] != NULL and in_liquidation(account, legs[1]))
            or ((known == NULL or is_moved) and account.stage)):
        return RSX_R_IN_LIQUIDATION
    if is_moved and not (is_empty(legs[0]) and is_empty(legs[1])):
        return RSX_R_MODE_LOCKED
    if request.fields & 1:
        reason = check_leverage(
            ledger, account, index, legs, request.leverage, now_ns, figures)
        if reason:
            return reason
        settings.leverage = request.leverage
    if known == NULL and open_position(ledger, account, index, 0) == NULL:
        return RSX_R_TOO_MANY_POSITIONS
    return 0


cdef int ledger_check_settings(ledger_t* ledger, const rsx_margin_config_request_t* request,
                               uint64_t now_ns, settings_t* settings,
                               figures_t* figures) except -1 nogil:
    """P-4: 0 and the settings in full, in flight; or the reason for refusing."""
    cdef account_t* account = ledger_account(ledger, request.user_id)
    cdef int index = ledger_index(ledger, request.symbol_id)
    cdef int reason
    memset(figures, 0, sizeof(figures_t))
    memset(settings, 0, sizeof(settings_t))
    if account == NULL:
        return RSX_R_NO_ACCOUNT
    settings.position_mode = account.position_mode
    if request.fields == 4 and request.symbol_id == 0:
        reason = check_position_mode(ledger, account, request.position_mode)
        settings.position_mode = request.position_mode
    elif index < 0:
        reason = RSX_R_UNKNOWN_SYMBOL
    elif request.fields == 0 or request.fields & 4:
        reason = RSX_R_INVALID_VALUE
    else:
        reason = check_of_market(ledger, account, index, request, now_ns, settings, figures)
    if reason == 0:
        account.settings_flying += 1
    return reason
