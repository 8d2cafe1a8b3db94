# cython: boundscheck=False
"""Records about accounts as such, applied: deposits, withdrawals, wallets, settings.

`is_live`: this tile answered the request, if the user is its own, and has it in flight; now it no
longer is. Rules A-1, A-7, P-1 to P-4, HG-5, IM-1: specs/risk.md.
"""

from libc.stdint cimport int64_t, uint8_t, uint32_t, uint64_t

from rsx.core.check cimport fail
from rsx.records_c cimport *
from rsx.risk.accounts cimport (
    account_t, find_position, is_own, ledger_account, ledger_index, ledger_t, open_account,
    open_position, position_t,
)
from rsx.risk.margin cimport is_isolated, touch, touch_account
from rsx.units cimport RSX_PPM, rsx_add, rsx_ceil_div


cdef int apply_deposit(ledger_t* ledger, const rsx_deposit_t* event,
                       bint is_live) except -1 nogil:
    """P-1, A-1."""
    cdef account_t* account = open_account(ledger, event.user_id)
    if account == NULL or event.amount <= 0:
        return fail(12, event.seq, event.amount)
    if rsx_add(account.collateral, event.amount, &account.collateral):
        return fail(1203, event.user_id, event.amount)
    if rsx_add(ledger.deposits, event.amount, &ledger.deposits):
        return fail(1203, event.user_id, event.amount)
    touch_account(ledger, account)
    # A seed of a fund (SY-6) is asked for by nobody.
    if is_live and (event.request_id or event.user_id < RSX_FUND_USER_BASE):
        ledger.deposits_flying -= event.amount
    return 0


cdef int apply_withdrawal(ledger_t* ledger, const rsx_withdrawal_t* event,
                          bint is_live) except -1 nogil:
    """P-2: it was judged, and left what is available, when it was asked for."""
    cdef account_t* account = ledger_account(ledger, event.user_id)
    if account == NULL or event.amount <= 0:
        return fail(12, event.seq, event.amount)
    if rsx_add(account.collateral, -event.amount, &account.collateral):
        return fail(1203, event.user_id, event.amount)
    if rsx_add(ledger.withdrawals, event.amount, &ledger.withdrawals):
        return fail(1203, event.user_id, event.amount)
    touch_account(ledger, account)
    if is_live:
        account.leaving -= event.amount
        if account.leaving < 0:
            return fail(11, event.user_id, account.leaving)
    return 0


cdef int apply_wallet(ledger_t* ledger, const rsx_margin_transferred_t* event,
                      bint is_live) except -1 nogil:
    """P-3: where the position was closed meanwhile the money is, and stays, in the account."""
    cdef account_t* account = ledger_account(ledger, event.user_id)
    cdef int index = ledger_index(ledger, event.symbol_id)
    cdef position_t* position = NULL
    if account != NULL and index >= 0:
        position = find_position(ledger, account, index, event.leg)
    if position == NULL or event.amount == 0:
        return fail(12, event.seq, event.amount)
    touch(ledger, position)
    if is_isolated(position):
        if (rsx_add(account.collateral, -event.amount, &account.collateral)
                or rsx_add(position.wallet, event.amount, &position.wallet)):
            return fail(1203, event.user_id, event.amount)
    if not is_live:
        return 0
    if event.amount > 0:
        account.leaving -= event.amount
    else:
        position.wallet_leaving += event.amount
    if account.leaving < 0 or position.wallet_leaving < 0:
        return fail(11, event.user_id, event.amount)
    return 0


cdef int apply_settings(ledger_t* ledger, const rsx_account_config_t* event,
                        bint is_live) except -1 nogil:
    """A-7."""
    cdef account_t* account = ledger_account(ledger, event.user_id)
    if account == NULL or event.stp >= RSX_STP_DEFAULT:
        return fail(12, event.seq, event.user_id)
    account.owner_group = event.owner_group
    account.stp = event.stp
    if not is_live:
        account.owner_asked = event.owner_group
        account.stp_asked = event.stp
    return 0


# --- margin settings --------------------------------------------------------------------------


cdef int set_position_mode(ledger_t* ledger, account_t* account, uint8_t mode) except -1 nogil:
    """HG-5: only where nothing is open."""
    cdef uint32_t slot = account.first_position
    if mode > RSX_POSITION_HEDGE or (mode != account.position_mode and account.live_orders):
        return fail(1205, account.user_id, mode)
    while slot:
        if ledger.positions[slot].net and mode != account.position_mode:
            return fail(1205, account.user_id, mode)
        slot = ledger.positions[slot].next
    account.position_mode = mode
    return 0


cdef int set_leg(ledger_t* ledger, position_t* position,
                 const rsx_margin_config_t* event) except -1 nogil:
    """P-4, IM-1: one leg's leverage and margin mode."""
    if event.margin_mode != position.margin_mode and (
            position.net or position.live_orders or position.wallet):
        return fail(1205, event.user_id, event.margin_mode)
    touch(ledger, position)
    position.leverage = event.leverage
    position.leverage_ppm = 0
    if event.leverage:
        position.leverage_ppm = <uint32_t>rsx_ceil_div(RSX_PPM, event.leverage)
    position.margin_mode = event.margin_mode
    return 0


cdef int apply_margin(ledger_t* ledger, const rsx_margin_config_t* event,
                      bint is_live) except -1 nogil:
    """MARGIN_CONFIG: a market's settings, or (symbol 0) the account's position mode."""
    cdef account_t* account = ledger_account(ledger, event.user_id)
    cdef int index = ledger_index(ledger, event.symbol_id)
    cdef position_t* position
    cdef int leg
    if account == NULL or event.user_id >= RSX_FUND_USER_BASE:
        return fail(1205, event.seq, event.user_id)
    if is_live:
        if account.settings_flying == 0:
            return fail(11, event.user_id, event.seq)
        account.settings_flying -= 1
    touch_account(ledger, account)
    if event.symbol_id == 0:
        return set_position_mode(ledger, account, event.position_mode)
    if index < 0 or event.margin_mode > RSX_MARGIN_ISOLATED:
        return fail(1205, event.seq, event.symbol_id)
    if (find_position(ledger, account, index, 1) == NULL
            and open_position(ledger, account, index, 0) == NULL):
        return fail(1205, event.user_id, event.symbol_id)
    for leg in range(2):
        position = find_position(ledger, account, index, leg)
        if position != NULL:
            set_leg(ledger, position, event)
    return 0


cdef int apply_money(ledger_t* ledger, const rsx_record_t* record, bint is_live) except -1 nogil:
    """DEPOSIT, WITHDRAWAL, MARGIN_CONFIG, MARGIN_TRANSFERRED or ACCOUNT_CONFIG."""
    cdef bint was_asked_here
    if record.type == RSX_DEPOSIT:
        was_asked_here = is_live and is_own(ledger, (<const rsx_deposit_t*>record).user_id)
        return apply_deposit(ledger, <const rsx_deposit_t*>record, was_asked_here)
    if record.type == RSX_WITHDRAWAL:
        was_asked_here = is_live and is_own(ledger, (<const rsx_withdrawal_t*>record).user_id)
        return apply_withdrawal(ledger, <const rsx_withdrawal_t*>record, was_asked_here)
    if record.type == RSX_ACCOUNT_CONFIG:
        was_asked_here = is_live and is_own(
            ledger, (<const rsx_account_config_t*>record).user_id)
        return apply_settings(ledger, <const rsx_account_config_t*>record, was_asked_here)
    if record.type == RSX_MARGIN_CONFIG:
        was_asked_here = is_live and is_own(ledger, (<const rsx_margin_config_t*>record).user_id)
        return apply_margin(ledger, <const rsx_margin_config_t*>record, was_asked_here)
    was_asked_here = is_live and is_own(
        ledger, (<const rsx_margin_transferred_t*>record).user_id)
    return apply_wallet(ledger, <const rsx_margin_transferred_t*>record, was_asked_here)
