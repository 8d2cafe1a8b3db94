# cython: boundscheck=False
"""The steps of liquidations, folded: stages of buckets, rounds, orders that are out, transfers.

    none -> STARTED -> ORDERED ... -> RECOVERED | CLOSED: none again
                    -> BANKRUPT of a position -> POSITION_TRANSFERRED until it is flat

A cross bucket's stage is in its account, an isolated one's in its position. What is decided is
rsx/risk/liquidation.pyx's business; here only what cannot be is refused. Rules LQ-n, AD-6:
specs/liquidation.md; enforces INV-23, INV-24.
"""

from libc.stdint cimport int64_t, uint32_t, uint64_t

from rsx.core.check cimport fail
from rsx.records_c cimport *
from rsx.risk.accounts cimport (
    account_t, find_position, ledger_account, ledger_index, ledger_t, leg_of, magnitude,
    open_position, position_t,
)
from rsx.risk.margin cimport touch, touch_account
from rsx.risk.moves cimport move_position
from rsx.risk.orders cimport orders_find
from rsx.units cimport rsx_add


# --- steps ------------------------------------------------------------------------------------


cdef int begin_round(ledger_t* ledger, account_t* account, position_t* position,
                     const rsx_liquidation_step_t* step) except -1 nogil:
    """LQ-6: an order is on its way."""
    if position.order_oid or position.transfer_id or step.oid == 0:
        return fail(23, step.user_id, step.seq)
    if step.round == 0 or step.round < position.round:
        return fail(23, step.round, position.round)
    if position.margin_mode == RSX_MARGIN_CROSS:
        if account.ordered:
            return fail(23, step.user_id, account.ordered)
        account.ordered = <uint32_t>(position - ledger.positions)
        account.stage = RSX_STAGE_ORDERED
        account.last_symbol = <uint8_t>(position.symbol + 1)  # LQ-9
    position.stage = RSX_STAGE_ORDERED
    position.round = step.round
    position.order_oid = step.oid
    account.round = step.round
    account.round_ns = step.ts_ns
    return 0


cdef int begin_transfer(account_t* account, position_t* position,
                        const rsx_liquidation_step_t* step) except -1 nogil:
    """LQ-8: the position is to be taken over, unless it was deleveraged away in between."""
    if position.order_oid or position.transfer_id or step.px <= 0:
        return fail(23, step.user_id, step.seq)
    if position.margin_mode == RSX_MARGIN_CROSS:
        account.stage = RSX_STAGE_BANKRUPT
    if position.net == 0:
        return 0
    position.stage = RSX_STAGE_BANKRUPT
    position.transfer_id = step.seq
    position.bankrupt_px = step.px
    return 0


cdef int clear_position(position_t* position, const rsx_liquidation_step_t* step) except -1 nogil:
    """A bucket's liquidation has ended: forget what this position has of it."""
    if position.order_oid or position.transfer_id:
        return fail(23, step.user_id, position.order_oid)
    if step.stage == RSX_STAGE_CLOSED and position.net:
        return fail(24, step.user_id, position.net)
    if (step.stage == RSX_STAGE_CLOSED and position.margin_mode == RSX_MARGIN_ISOLATED
            and position.wallet):
        return fail(24, step.user_id, position.wallet)
    position.stage = 0
    position.round = 0
    position.cancelling = 0
    return 0


cdef int end_bucket(ledger_t* ledger, account_t* account, position_t* isolated,
                    const rsx_liquidation_step_t* step) except -1 nogil:
    """LQ-3, LQ-9."""
    cdef uint32_t slot = account.first_position
    cdef position_t* position
    touch_account(ledger, account)
    if isolated != NULL:
        return clear_position(isolated, step)
    while slot:
        position = &ledger.positions[slot]
        if position.margin_mode == RSX_MARGIN_CROSS:
            clear_position(position, step)
        slot = position.next
    account.stage = 0
    account.round = 0
    account.last_symbol = 0
    return 0


cdef int apply_step(ledger_t* ledger, const rsx_liquidation_step_t* step) except -1 nogil:
    """LIQUIDATION_STEP."""
    cdef account_t* account = ledger_account(ledger, step.user_id)
    cdef bint is_isolated = step.margin_mode == RSX_MARGIN_ISOLATED
    cdef bint of_position = (is_isolated or step.stage == RSX_STAGE_ORDERED
                             or step.stage == RSX_STAGE_BANKRUPT)
    cdef position_t* position = NULL
    cdef int index = ledger_index(ledger, step.symbol_id)
    cdef bint in_liquidation
    note_own_oid(ledger, step.oid)
    if account == NULL or step.user_id >= RSX_FUND_USER_BASE:
        return fail(23, step.seq, step.user_id)
    if of_position:
        if index >= 0:
            position = find_position(ledger, account, index, step.leg)
        if position == NULL or position.margin_mode != step.margin_mode:
            return fail(23, step.seq, step.user_id)
    in_liquidation = (position.stage if is_isolated else account.stage) != 0
    if in_liquidation == (step.stage == RSX_STAGE_STARTED):
        return fail(23, step.user_id, step.stage)
    if step.stage == RSX_STAGE_STARTED:
        if is_isolated:
            position.stage = RSX_STAGE_STARTED
        else:
            account.stage = RSX_STAGE_STARTED
        return 0
    if step.stage == RSX_STAGE_ORDERED:
        return begin_round(ledger, account, position, step)
    if step.stage == RSX_STAGE_BANKRUPT:
        return begin_transfer(account, position, step)
    if step.stage == RSX_STAGE_RECOVERED or step.stage == RSX_STAGE_CLOSED:
        return end_bucket(ledger, account, position, step)
    return fail(23, step.user_id, step.stage)


# --- orders that are out ----------------------------------------------------------------------


cdef void end_round(ledger_t* ledger, position_t* position, uint64_t oid) noexcept nogil:
    """LQ-6: an order of the kind has ended; the fund's own (IF-4) belong to no round."""
    cdef account_t* account = &ledger.accounts[position.account]
    if position.order_oid != oid:
        return
    position.order_oid = 0
    touch_account(ledger, account)
    if account.ordered == <uint32_t>(position - ledger.positions):
        account.ordered = 0


cdef void end_lost_rounds(ledger_t* ledger) noexcept nogil:
    """LQ-6: a process starts; an order that the log has not shown never came to be."""
    cdef uint64_t slot
    cdef uint32_t hand
    cdef position_t* position
    for slot in range(1, ledger.positions_used + 1):
        position = &ledger.positions[slot]
        if position.order_oid == 0 or orders_find(&ledger.orders, position.order_oid):
            continue
        hand = ledger.symbols[position.symbol].hand
        if hand == 0 or ledger.orders.rows[hand].oid != position.order_oid:
            end_round(ledger, position, position.order_oid)


# --- transfers --------------------------------------------------------------------------------


cdef void end_transfer(position_t* position) noexcept nogil:
    """A bankrupt position is gone."""
    if position.net or position.transfer_id == 0:
        return
    position.transfer_id = 0
    position.bankrupt_px = 0
    position.stage = RSX_STAGE_STARTED if position.margin_mode == RSX_MARGIN_ISOLATED else 0


cdef int apply_transferred(ledger_t* ledger, const rsx_position_transferred_t* event,
                           int index) except -1 nogil:
    """POSITION_TRANSFERRED: both sides move at the bankruptcy price (AD-6)."""
    cdef account_t* account = ledger_account(ledger, event.user_id)
    cdef account_t* counter = ledger_account(ledger, event.counter_user_id)
    cdef position_t* position = NULL
    cdef position_t* other = NULL
    if event.qty == 0:
        return 0
    if account != NULL and counter != NULL:
        position = find_position(ledger, account, index, leg_of(event.side, event.user_flags))
        other = open_position(ledger, counter, index,
                              leg_of(1 - event.side, event.counter_flags))
    if position == NULL or other == NULL or position == other or event.qty < 0:
        return fail(23, event.seq, event.user_id)
    if position.transfer_id != event.transfer_id or position.bankrupt_px != event.px:
        return fail(23, event.transfer_id, position.transfer_id)
    if (position.net > 0) != (event.side == RSX_SELL) or event.qty > magnitude(position.net):
        return fail(23, event.qty, position.net)
    if event.kind == RSX_TRANSFER_ADL and ((other.net > 0) != (event.side == RSX_BUY)
                                  or event.qty > magnitude(other.net)):
        return fail(24, event.qty, other.net)
    move_position(ledger, position, event.side, event.qty, event.px, 0, True)
    move_position(ledger, other, 1 - event.side, event.qty, event.px, 0, True)
    if position.margin_mode == RSX_MARGIN_CROSS:
        account.last_symbol = <uint8_t>(index + 1)
    end_transfer(position)
    end_transfer(other)
    return 0


cdef int apply_made_good(ledger_t* ledger,
                         const rsx_liquidation_settled_t* event) except -1 nogil:
    """LIQUIDATION_SETTLED, LQ-9: the only way for a fund to fall below 0."""
    cdef account_t* account = ledger_account(ledger, event.user_id)
    cdef int index = ledger_index(ledger, event.symbol_id)
    cdef account_t* fund
    cdef position_t* position
    cdef int64_t* balance
    if account == NULL or index < 0 or event.amount <= 0:
        return fail(24, event.seq, event.amount)
    fund = &ledger.accounts[ledger.symbols[index].fund]
    balance = &account.collateral
    if event.margin_mode == RSX_MARGIN_ISOLATED:
        position = find_position(ledger, account, index, event.leg)
        if position == NULL or position.net or position.wallet != -event.amount:
            return fail(24, event.seq, event.amount)
        touch(ledger, position)
        balance = &position.wallet
    if rsx_add(balance[0], event.amount, balance):
        return fail(1203, event.user_id, event.amount)
    if rsx_add(fund.collateral, -event.amount, &fund.collateral):
        return fail(1203, fund.user_id, event.amount)
    touch_account(ledger, account)
    touch_account(ledger, fund)
    return 0
