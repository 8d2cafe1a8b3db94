# cython: boundscheck=False
"""A number for a slice of one ledger, the same in whoever folds the log (INV-34).

Only what the log has confirmed, with what each position owes reckoned first (FN-7), so neither
requests in flight nor how far a settlement has come show. Bounded: a slice has few ids whatever
the sizes are (RP-2). Source: specs/replica.md RP-1, RP-2, RP-4.
"""

from libc.stdint cimport int64_t, uint8_t, uint16_t, uint32_t, uint64_t

from rsx.book.book cimport mix
from rsx.book.digest cimport DIGEST_FORM
from rsx.core.memory cimport rsx_prefetch
from rsx.core.slices cimport SLICE_BATCH, slice_begin, slice_bits, slice_t, slice_take
from rsx.risk.accounts cimport account_t, find_position, funding_t, ledger_t, position_t, symbol_t
from rsx.risk.funding cimport accrue
from rsx.risk.orders cimport order_t

cdef enum:
    SLICE_ACCOUNTS = 64         # RP-2
    SLICE_ORDERS = 128


cdef uint64_t digest_order(const ledger_t* ledger, const order_t* row) noexcept nogil:
    cdef uint64_t state = mix(mix(mix(41, row.oid), row.px), row.remaining)
    state = mix(mix(mix(state, row.filled), row.reserved), ledger.accounts[row.account].user_id)
    state = mix(state, ledger.symbols[row.symbol].symbol_id)
    return mix(state, row.side | row.flags << 8 | row.place << 16 | <uint64_t>row.kind << 24)


cdef uint64_t digest_orders(const ledger_t* ledger, uint32_t part, int bits) noexcept nogil:
    """Those at rest, or that were before they were amended."""
    cdef uint32_t[SLICE_BATCH] slots
    cdef slice_t slice
    cdef uint64_t total = 0
    cdef int found, at
    slice_begin(&slice, &ledger.orders.ids, part, bits)
    while True:
        found = slice_take(&slice, slots)
        if found == 0:
            return total
        for at in range(found):
            rsx_prefetch(&ledger.accounts[ledger.orders.rows[slots[at]].account].user_id)
        for at in range(found):
            total += digest_order(ledger, &ledger.orders.rows[slots[at]])


cdef uint64_t digest_settings(const ledger_t* ledger, const account_t* account,
                              const position_t* position) noexcept nogil:
    """Those of a market, once for both legs: a request in flight may have made the other."""
    cdef uint64_t settings = position.leverage | <uint64_t>position.margin_mode << 16
    if settings == 0:
        return 0
    if position.leg and find_position(ledger, account, position.symbol, 0) != NULL:
        return 0
    return mix(mix(43, ledger.symbols[position.symbol].symbol_id), settings)


cdef uint64_t digest_position(const ledger_t* ledger,
                              const position_t* position) noexcept nogil:
    """0 for one that is as it was made: a request in flight may have made it."""
    cdef uint64_t state
    if not (position.net or position.realised or position.live_orders or position.wallet
            or position.owed or position.stage or position.round):
        return 0
    state = mix(mix(47, ledger.symbols[position.symbol].symbol_id), position.leg)
    state = mix(mix(mix(state, position.net), position.cost), position.realised)
    state = mix(mix(mix(state, position.frozen), position.open_buy), position.open_sell)
    state = mix(mix(mix(state, position.wallet), position.owed), position.stage)
    state = mix(mix(mix(state, position.round), position.live_orders), position.order_oid)
    return mix(mix(state, position.transfer_id), position.bankrupt_px)


cdef inline bint is_blank(const account_t* account) noexcept nogil:
    """As a fund is before its market has any rules in the log: elsewhere it may not be known."""
    return not (account.collateral or account.frozen or account.realised or account.fees
                or account.owner_group or account.stp or account.position_mode or account.stage
                or account.round or account.round_ns or account.live_orders
                or account.last_symbol or account.ordered)


cdef uint64_t digest_account(ledger_t* ledger, const account_t* account) except? 0 nogil:
    cdef uint64_t state = mix(mix(mix(53, account.user_id), account.collateral), account.frozen)
    cdef uint64_t positions = 0
    cdef uint32_t slot = account.first_position
    cdef position_t* position
    state = mix(mix(mix(state, account.realised), account.fees), account.owner_group)
    state = mix(mix(mix(state, account.stp), account.position_mode), account.stage)
    state = mix(mix(mix(state, account.round), account.round_ns), account.live_orders)
    if account.last_symbol:
        state = mix(state, ledger.symbols[account.last_symbol - 1].symbol_id)
    if account.ordered:
        state = mix(state, 1)
    while slot:
        position = &ledger.positions[slot]
        accrue(ledger, position)
        positions += digest_position(ledger, position)
        positions += digest_settings(ledger, account, position)
        slot = position.next
    if positions == 0 and is_blank(account):
        return 0
    return mix(state, positions)


cdef uint64_t digest_accounts(ledger_t* ledger, uint32_t part, int bits) except? 0 nogil:
    cdef uint32_t[SLICE_BATCH] slots
    cdef slice_t slice
    cdef uint64_t total = 0
    cdef int found, at
    cdef const account_t* account
    slice_begin(&slice, &ledger.slots, part, bits)
    while True:
        found = slice_take(&slice, slots)
        if found == 0:
            return total
        for at in range(found):
            account = &ledger.accounts[slots[at]]
            rsx_prefetch(&ledger.positions[account.first_position])
            rsx_prefetch(<const uint8_t*>&ledger.positions[account.first_position] + 128)
        for at in range(found):
            total += digest_account(ledger, &ledger.accounts[slots[at]])


cdef uint64_t digest_market(const symbol_t* symbol) noexcept nogil:
    """Rules, prices, open interest and funding of one market."""
    cdef const funding_t* funding = &symbol.funding
    cdef uint64_t state = mix(mix(mix(59, symbol.symbol_id), symbol.last_px), symbol.fed_px)
    cdef int row
    state = mix(mix(mix(state, symbol.fed_ns), symbol.mode), symbol.mark_state)
    state = mix(mix(mix(state, symbol.index_px), symbol.open_interest), symbol.oi_ppm)
    state = mix(mix(mix(state, symbol.config_version), symbol.asked_version), symbol.taker_fee_ppm)
    state = mix(mix(mix(state, symbol.market_band_ppm), symbol.reference_px), symbol.px_max)
    for row in range(symbol.brackets + 1):
        state = mix(mix(state, symbol.bracket[row].first), symbol.bracket[row].initial_ppm)
        state = mix(state, symbol.bracket[row].maintenance_ppm)
    state = mix(mix(mix(state, funding.is_live), funding.premium_ppb), funding.minute)
    state = mix(mix(mix(state, funding.sum_high), funding.sum_low), funding.samples)
    state = mix(mix(mix(state, funding.interval_id), funding.rate_ppb), funding.mark_px)
    state = mix(mix(mix(state, funding.pool), funding.paid), funding.received)
    return mix(mix(mix(state, funding.payments), funding.epoch), funding.is_open)


cdef uint64_t digest_markets(const ledger_t* ledger) noexcept nogil:
    """Those that the log has rules of: a configuration may have more."""
    cdef uint64_t total = 0
    cdef int index
    for index in range(ledger.symbol_count):
        if ledger.symbols[index].config_version:
            total += digest_market(&ledger.symbols[index])
    return total


cdef uint64_t digest_hands(const ledger_t* ledger) noexcept nogil:
    """Orders in hand that have no row behind: new ones."""
    cdef uint64_t total = 0
    cdef int index
    for index in range(ledger.symbol_count):
        if ledger.symbols[index].hand:
            total += digest_order(ledger, &ledger.orders.rows[ledger.symbols[index].hand])
    return total


cdef uint16_t ledger_digest_form(const ledger_t* ledger) noexcept nogil:
    """RP-2: the form that digests of this ledger have now."""
    cdef int bits = max(slice_bits(&ledger.slots, SLICE_ACCOUNTS),
                        slice_bits(&ledger.orders.ids, SLICE_ORDERS))
    return <uint16_t>(bits << 8 | DIGEST_FORM)


cdef uint64_t ledger_digest(ledger_t* ledger, uint32_t part, uint16_t form) except? 0 nogil:
    """RP-4. The form has been looked at."""
    cdef int bits = form >> 8
    cdef uint64_t state = mix(mix(mix(form, part), ledger.fee_account), ledger.residue)
    state = mix(mix(mix(state, ledger.deposits), ledger.withdrawals), ledger.orders.live)
    state = mix(mix(state, digest_markets(ledger)), digest_hands(ledger))
    state = mix(state, digest_accounts(ledger, part, bits))
    return mix(state, digest_orders(ledger, part, bits))
