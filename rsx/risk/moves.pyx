# cython: boundscheck=False
"""A position takes part of a trade: net, cost, profit, fee, and of isolated ones the wallet.

Fills and transfers both come here, and nothing else changes a net. Rules A-3, A-4, A-10, A-11,
IM-2, IM-3, AD-6: specs/risk.md, specs/liquidation.md. Enforces INV-4.
"""

from libc.stdint cimport int64_t, uint8_t, uint32_t

from rsx.core.check cimport fail
from rsx.records_c cimport RSX_BUY, RSX_MARGIN_ISOLATED, RSX_SELL
from rsx.risk.accounts cimport account_t, ledger_t, magnitude, position_t, symbol_t
from rsx.risk.exposure cimport exposure_move
from rsx.risk.funding cimport accrue
from rsx.risk.margin cimport touch
from rsx.units cimport rsx_add, rsx_multiply, rsx_requirement, rsx_share


cdef int move_wallet(ledger_t* ledger, account_t* account, position_t* position, int64_t before,
                     int64_t closed, int64_t opened_value, int64_t gain,
                     bint is_transfer) except -1 nogil:
    """IM-2, IM-3: what the trade moves between the account and an isolated position's wallet.

    before: |net| before the trade; closed: quantity of it that was closed; opened_value: px x qty
    of what was opened; gain: profit less fee, which the wallet gets first.
    """
    cdef symbol_t* symbol = &ledger.symbols[position.symbol]
    cdef int64_t back = 0, taken
    if rsx_add(position.wallet, gain, &position.wallet):
        return fail(1203, account.user_id, gain)
    if closed and closed == before:
        # In liquidation a transfer may leave less than nothing: the fund makes it good (LQ-9).
        if position.wallet > 0 or not (is_transfer and position.stage):
            back = position.wallet
    elif closed and position.wallet > 0 and position.stage == 0:
        back = rsx_share(position.wallet, closed, before)
    taken = rsx_requirement(
        opened_value, max(symbol.bracket[0].initial_ppm, position.leverage_ppm))
    position.wallet += taken - back
    if rsx_add(account.collateral, back - taken, &account.collateral):
        return fail(1203, account.user_id, taken)
    return 0


cdef int move_position(ledger_t* ledger, position_t* position, uint8_t side, int64_t qty,
                       int64_t px, int64_t fee, bint is_transfer) except -1 nogil:
    """A-3, A-4: one side of a trade; fee: positive = paid."""
    cdef account_t* account = &ledger.accounts[position.account]
    cdef int64_t net = position.net, size = magnitude(net)
    cdef bint is_against = net < 0 if side == RSX_BUY else net > 0
    cdef int64_t closing = min(qty, size) if is_against else 0
    cdef int64_t closed_cost, profit = 0, value = 0
    accrue(ledger, position)
    touch(ledger, position)
    if closing:
        closed_cost = rsx_share(position.cost, closing, size)
        if rsx_multiply(px, closing, &value):
            return fail(1202, px, closing)
        profit = value - closed_cost if side == RSX_SELL else closed_cost - value
        position.cost -= closed_cost
        position.realised += profit
        account.realised += profit
        value = 0
    if qty > closing:
        if rsx_multiply(px, qty - closing, &value):
            return fail(1202, px, qty)
        if rsx_add(position.cost, value, &position.cost):
            return fail(1202, account.user_id, value)
    position.net += qty if side == RSX_BUY else -qty
    account.fees += fee
    if position.margin_mode == RSX_MARGIN_ISOLATED:
        move_wallet(ledger, account, position, size, closing, value, profit - fee, is_transfer)
    elif rsx_add(account.collateral, profit - fee, &account.collateral):
        return fail(1203, account.user_id, profit)
    if position.leg and position.net > 0:
        return fail(4, account.user_id, position.net)
    return exposure_move(ledger, position, net)
