# cython: boundscheck=False
"""A ledger as rows of a snapshot, and rows as a ledger again.

Funds come first in every ledger, in the order of its markets, so a file counts accounts and
positions without them and names a fund by its market. What follows from live orders is not written:
they are those of the engines, and each brings back what it holds (A-8). Margins kept, thresholds
and the line of changed accounts begin anew, as after a start. Source: specs/snapshots.md SN-12.
"""

from libc.stdint cimport uint8_t, uint16_t, uint32_t, uint64_t
from libc.string cimport memset

from rsx.core.check cimport fail
from rsx.records_c cimport (
    RSX_BUY, RSX_FUND_USER_BASE, RSX_MARGIN_ISOLATED,
)
from rsx.risk.accounts cimport (
    account_t, exposing, find_position, funding_t, ledger_account, ledger_index, ledger_t, leg_of,
    open_account, position_t, symbol_t,
)
from rsx.risk.exposure cimport always_look
from rsx.risk.funding cimport accrue
from rsx.risk.orders cimport IN_HAND, order_t, orders_add, orders_find
from rsx.rows_c cimport *
from rsx.units cimport RSX_PPM, rsx_ceil_div


# --- writing ----------------------------------------------------------------------------------


cdef int ledger_save_begin(ledger_t* ledger) except -1 nogil:
    """Reckon what every position owes (FN-7), as every look at the whole does."""
    cdef uint64_t slot
    cdef int index
    for slot in range(1, ledger.positions_used + 1):
        accrue(ledger, &ledger.positions[slot])
    for index in range(ledger.symbol_count):
        if ledger.symbols[index].fund != <uint32_t>(index + 1):
            return fail(8, index, ledger.symbols[index].fund)
    return 0


cdef void ledger_save_state(const ledger_t* ledger, rsx_row_state_t* row) noexcept nogil:
    """What the ledger knows of STATE; the header and the rest are the caller's."""
    row.ledger_oid_max = ledger.own_oid_max
    row.applied = ledger.applied
    row.fee_account = ledger.fee_account
    row.residue = ledger.residue
    row.deposits = ledger.deposits
    row.withdrawals = ledger.withdrawals
    row.accounts = <uint32_t>(ledger.accounts_used - ledger.symbol_count)
    row.positions = <uint32_t>(ledger.positions_used - ledger.symbol_count)


cdef void ledger_save_market(const ledger_t* ledger, int index, rsx_row_market_t* row,
                             rsx_row_funding_t* funding) noexcept nogil:
    """Both rows; name, decimals, seed and rules are the caller's."""
    cdef const symbol_t* symbol = &ledger.symbols[index]
    cdef const funding_t* own = &symbol.funding
    rsx_row_init(row, RSX_ROW_MARKET, <uint16_t>symbol.symbol_id)
    row.symbol_id = symbol.symbol_id
    row.fed_px = symbol.fed_px
    row.fed_ns = symbol.fed_ns
    row.index_px = symbol.index_px
    row.last_px = symbol.last_px
    row.oi_ppm = symbol.oi_ppm
    row.mode = symbol.mode
    row.mark_state = symbol.mark_state
    rsx_row_init(funding, RSX_ROW_FUNDING, <uint16_t>symbol.symbol_id)
    funding.premium_ppb = own.premium_ppb
    funding.minute = own.minute
    funding.sum_high = own.sum_high
    funding.sum_low = own.sum_low
    funding.interval_id = own.interval_id
    funding.rate_ppb = own.rate_ppb
    funding.mark_px = own.mark_px
    funding.pool = own.pool
    funding.paid = own.paid
    funding.received = own.received
    funding.payments = own.payments
    funding.samples = own.samples
    funding.settlements = own.epoch
    funding.is_live = own.is_live
    funding.is_open = own.is_open


cdef void ledger_save_account(const ledger_t* ledger, uint64_t slot,
                              rsx_row_account_t* row) noexcept nogil:
    """All but has_settings, which is the caller's."""
    cdef const account_t* account = &ledger.accounts[slot]
    rsx_row_init(row, RSX_ROW_ACCOUNT, 0)
    row.collateral = account.collateral
    row.realised = account.realised
    row.fees = account.fees
    row.round_ns = account.round_ns
    row.user_id = account.user_id
    row.owner_group = account.owner_group
    if account.ordered:
        row.ordered = account.ordered - ledger.symbol_count
    if account.last_symbol:
        row.last_symbol_id = ledger.symbols[account.last_symbol - 1].symbol_id
    row.stp = account.stp
    row.position_mode = account.position_mode
    row.stage = account.stage
    row.round = account.round


cdef void ledger_save_position(const ledger_t* ledger, uint64_t slot,
                               rsx_row_position_t* row) noexcept nogil:
    cdef const position_t* position = &ledger.positions[slot]
    cdef uint32_t symbol_id = ledger.symbols[position.symbol].symbol_id
    rsx_row_init(row, RSX_ROW_POSITION, <uint16_t>symbol_id)
    row.net = position.net
    row.cost = position.cost
    row.wallet = position.wallet
    row.owed = position.owed
    row.realised = position.realised
    row.order_oid = position.order_oid
    row.transfer_id = position.transfer_id
    row.bankrupt_px = position.bankrupt_px
    if position.account > <uint32_t>ledger.symbol_count:
        row.account = position.account - ledger.symbol_count
    row.symbol_id = symbol_id
    row.exposed = position.exposed
    row.leverage = position.leverage
    row.leg = position.leg
    row.margin_mode = position.margin_mode
    row.stage = position.stage
    row.round = position.round


# --- loading ----------------------------------------------------------------------------------


cdef int ledger_load_state(ledger_t* ledger, const rsx_row_state_t* row) noexcept nogil:
    if row.accounts > ledger.accounts_max - ledger.symbol_count:
        return TOO_MANY_ACCOUNTS
    if row.positions > ledger.positions_max - ledger.symbol_count:
        return TOO_MANY_POSITIONS
    ledger.own_oid_max = row.ledger_oid_max
    ledger.applied = row.applied
    ledger.fee_account = row.fee_account
    ledger.residue = row.residue
    ledger.deposits = row.deposits
    ledger.withdrawals = row.withdrawals
    return FITS


cdef void ledger_load_market(ledger_t* ledger, int index,
                             const rsx_row_market_t* row) noexcept nogil:
    """After its rules."""
    cdef symbol_t* symbol = &ledger.symbols[index]
    symbol.fed_px = row.fed_px
    symbol.fed_ns = row.fed_ns
    symbol.index_px = row.index_px
    symbol.last_px = row.last_px
    symbol.oi_ppm = row.oi_ppm
    symbol.mode = row.mode
    symbol.mark_state = row.mark_state


cdef void ledger_load_funding(ledger_t* ledger, int index,
                              const rsx_row_funding_t* row) noexcept nogil:
    """After its rules, before its positions."""
    cdef funding_t* own = &ledger.symbols[index].funding
    own.premium_ppb = row.premium_ppb
    own.minute = row.minute
    own.sum_high = row.sum_high
    own.sum_low = row.sum_low
    own.interval_id = row.interval_id
    own.rate_ppb = row.rate_ppb
    own.mark_px = row.mark_px
    own.pool = row.pool
    own.paid = row.paid
    own.received = row.received
    own.payments = row.payments
    own.samples = row.samples
    own.epoch = row.settlements
    own.is_live = row.is_live
    own.is_open = row.is_open


cdef int ledger_load_account(ledger_t* ledger, const rsx_row_account_t* row) noexcept nogil:
    """A fund's, which is there from the start, or the next new one."""
    cdef account_t* account = ledger_account(ledger, row.user_id)
    cdef bint is_fund = row.user_id >= RSX_FUND_USER_BASE
    cdef int last = 0
    if row.user_id == 0 or is_fund != (account != NULL):
        return TWICE if account != NULL else WRONG_ROW
    if row.last_symbol_id:
        last = ledger_index(ledger, row.last_symbol_id) + 1
        if last == 0:
            return WRONG_ROW
    if row.ordered > ledger.positions_max - ledger.symbol_count:
        return WRONG_ROW
    if account == NULL:
        account = open_account(ledger, row.user_id)
    if account == NULL:
        return TOO_MANY_ACCOUNTS
    account.collateral = row.collateral
    account.realised = row.realised
    account.fees = row.fees
    account.round_ns = row.round_ns
    account.owner_group = account.owner_asked = row.owner_group
    if row.ordered:
        account.ordered = row.ordered + ledger.symbol_count
    account.last_symbol = <uint8_t>last
    account.stp = account.stp_asked = row.stp
    account.position_mode = row.position_mode
    account.stage = row.stage
    account.round = row.round
    return FITS


cdef position_t* new_position(ledger_t* ledger, uint32_t account_slot, int index, int leg,
                              int* wrong) noexcept nogil:
    """The next entry of the table, the first of its account's list; NULL: what is wrong."""
    cdef account_t* account = &ledger.accounts[account_slot]
    cdef position_t* position
    if account_slot > ledger.accounts_used:
        wrong[0] = WRONG_ROW
        return NULL
    if find_position(ledger, account, index, leg) != NULL:
        wrong[0] = TWICE
        return NULL
    if ledger.positions_used >= ledger.positions_max:
        wrong[0] = TOO_MANY_POSITIONS
        return NULL
    ledger.positions_used += 1
    position = &ledger.positions[ledger.positions_used]
    memset(position, 0, sizeof(position_t))
    position.account = account_slot
    position.symbol = <uint8_t>index
    position.leg = <uint8_t>leg
    position.next = account.first_position
    account.first_position = <uint32_t>ledger.positions_used
    account.positions += 1
    return position


cdef int expose(ledger_t* ledger, position_t* position, uint32_t place) noexcept nogil:
    """A-11: put a position at its place in the list of its side."""
    cdef symbol_t* symbol = &ledger.symbols[position.symbol]
    cdef int side = position.net < 0
    if (position.net != 0) != (place != 0):
        return WRONG_ROW
    if place == 0:
        return FITS
    if place > ledger.accounts_max:
        return TOO_MANY_ACCOUNTS
    if symbol.exposed[side][place].position:
        return WRONG_ROW
    symbol.exposed[side][place].position = <uint32_t>(position - ledger.positions)
    symbol.exposed[side][place].threshold = always_look(side)
    symbol.exposures[side] += 1
    symbol.open_interest += max(position.net, 0)
    position.exposed = place
    return FITS


cdef int ledger_load_position(ledger_t* ledger, const rsx_row_position_t* row) noexcept nogil:
    cdef int index = ledger_index(ledger, row.symbol_id), wrong = WRONG_ROW
    cdef position_t* position
    if index < 0 or row.leg > 1 or row.cost < 0 or row.margin_mode > RSX_MARGIN_ISOLATED:
        return WRONG_ROW
    if (row.net == 0) != (row.cost == 0):
        return WRONG_ROW
    if row.account == 0:
        position = &ledger.positions[index + 1]
    else:
        position = new_position(
            ledger, row.account + ledger.symbol_count, index, row.leg, &wrong)
        if position == NULL:
            return wrong
    position.net = row.net
    position.cost = row.cost
    position.wallet = row.wallet
    position.owed = row.owed
    position.realised = row.realised
    position.order_oid = row.order_oid
    position.transfer_id = row.transfer_id
    position.bankrupt_px = row.bankrupt_px
    position.leverage = row.leverage
    if row.leverage:
        position.leverage_ppm = <uint32_t>rsx_ceil_div(RSX_PPM, row.leverage)
    position.margin_mode = row.margin_mode
    position.stage = row.stage
    position.round = row.round
    position.funding_epoch = ledger.symbols[index].funding.epoch
    ledger.symbols[index].funding.owing += row.owed != 0
    return expose(ledger, position, row.exposed)


cdef int hold(ledger_t* ledger, order_t* order, uint32_t account_slot) noexcept nogil:
    """A-8: what a live order holds in its account and position."""
    cdef account_t* account = &ledger.accounts[account_slot]
    cdef position_t* position
    if account_slot == 0 or account_slot > ledger.accounts_used or order.filled < 0:
        return WRONG_ROW
    position = find_position(ledger, account, order.symbol, leg_of(order.side, order.flags))
    if position == NULL or order.reserved < 0:
        return WRONG_ROW
    order.account = account_slot
    order.position = <uint32_t>(position - ledger.positions)
    account.frozen += order.reserved
    account.live_orders += 1
    position.frozen += order.reserved
    position.live_orders += 1
    if order.side == RSX_BUY:
        position.open_buy += exposing(order.remaining, order.flags)
    else:
        position.open_sell += exposing(order.remaining, order.flags)
    return FITS


cdef int ledger_load_order(ledger_t* ledger, int index, uint32_t account,
                           const rsx_row_order_t* row) except -1 nogil:
    """A resting order; account: slot of its user's."""
    cdef order_t order
    cdef int wrong
    memset(&order, 0, sizeof(order_t))
    order.oid = row.oid
    order.px = row.px
    order.remaining = row.remaining
    order.filled = row.qty - row.remaining
    order.reserved = row.reserved
    order.symbol = <uint16_t>index
    order.side = row.side
    order.flags = row.flags
    order.kind = row.kind
    wrong = hold(ledger, &order, account)
    if wrong != FITS:
        return wrong
    if orders_find(&ledger.orders, row.oid):
        return TWICE
    if ledger.orders.live >= ledger.orders.capacity:
        return TOO_MANY_ORDERS
    orders_add(&ledger.orders, &order)
    return FITS


cdef int ledger_load_taker(ledger_t* ledger, int index, uint32_t account,
                           const rsx_row_taker_t* row) except -1 nogil:
    """The order in hand: a new one in its market's row, one that was amended in one of its own."""
    cdef symbol_t* symbol = &ledger.symbols[index]
    cdef order_t order
    cdef int wrong
    memset(&order, 0, sizeof(order_t))
    order.oid = row.oid
    order.px = row.px
    order.remaining = row.remaining
    order.filled = row.qty - row.remaining
    order.reserved = row.reserved
    order.symbol = <uint16_t>index
    order.side = row.side
    order.flags = row.flags
    order.kind = row.kind
    wrong = hold(ledger, &order, account)
    if wrong != FITS:
        return wrong
    symbol.hand = index + 1
    if row.is_amended:
        if orders_find(&ledger.orders, row.oid):
            return TWICE
        if ledger.orders.live >= ledger.orders.capacity:
            return TOO_MANY_ORDERS
        symbol.hand = orders_add(&ledger.orders, &order)
    else:
        ledger.orders.rows[symbol.hand] = order
    ledger.orders.rows[symbol.hand].place = IN_HAND
    return FITS


cdef int ledger_load_end(ledger_t* ledger, const rsx_row_state_t* row) noexcept nogil:
    """All rows have come: their counts, and that the exposure lists have no gap."""
    cdef uint64_t slot
    cdef const position_t* position
    if ledger.accounts_used != row.accounts + <uint64_t>ledger.symbol_count:
        return WRONG_COUNT
    if ledger.positions_used != row.positions + <uint64_t>ledger.symbol_count:
        return WRONG_COUNT
    for slot in range(1, ledger.positions_used + 1):
        position = &ledger.positions[slot]
        if position.exposed > ledger.symbols[position.symbol].exposures[position.net < 0]:
            return WRONG_ROW
    for slot in range(1, ledger.accounts_used + 1):
        if ledger.accounts[slot].ordered > ledger.positions_used:
            return WRONG_ROW
    return FITS
