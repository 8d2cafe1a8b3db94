# cython: boundscheck=False
"""What must hold over a whole ledger, and one number that stands for all of it.

Both reckon first what each position owes, so they do not depend on how far that has come (FN-7).
Enforces INV-4, INV-9, INV-11, INV-12, INV-13, INV-15, INV-31; the number is for INV-14, INV-33.
"""

from libc.stdint cimport int64_t, uint8_t, uint32_t, uint64_t
from libc.stdlib cimport calloc, free
from libc.string cimport memset

from rsx.book.book cimport mix
from rsx.core.check cimport fail
from rsx.risk.accounts cimport (
    account_t, exposing, find_position, funding_t, ledger_t, position_t, symbol_t,
)
from rsx.risk.funding cimport accrue
from rsx.risk.margin cimport audit_margin
from rsx.risk.orders cimport FREE, IN_HAND, SYMBOLS_MAX, order_t, orders_find


cdef int accrue_all(ledger_t* ledger) except -1 nogil:
    cdef uint64_t slot
    for slot in range(1, ledger.positions_used + 1):
        accrue(ledger, &ledger.positions[slot])
    return 0


# --- orders -----------------------------------------------------------------------------------

# Of a position, summed over its live orders.
cdef struct held_t:
    int64_t frozen
    int64_t[2] open_qty     # by side
    uint32_t live


cdef int sum_orders(ledger_t* ledger, held_t* sums) except -1 nogil:
    """A-8: every row is whole, found by its id, and counted."""
    cdef uint64_t slot, found = 0
    cdef const order_t* row
    cdef held_t* held
    for slot in range(1, ledger.orders.untouched):
        row = &ledger.orders.rows[slot]
        if row.place == FREE:
            continue
        if row.remaining <= 0 or row.reserved < 0 or row.filled < 0:
            return fail(13, row.oid, row.remaining)
        if slot > SYMBOLS_MAX:
            found += 1
            if orders_find(&ledger.orders, row.oid) != slot:
                return fail(8, row.oid, slot)
        if (row.place == IN_HAND) != (ledger.symbols[row.symbol].hand == slot):
            return fail(13, row.oid, slot)
        held = &sums[row.position]
        held.frozen += row.reserved
        held.open_qty[row.side] += exposing(row.remaining, row.flags)
        held.live += 1
    if found != ledger.orders.live or found != ledger.orders.ids.count:
        return fail(8, found, ledger.orders.live)
    return 0


cdef int audit_orders(ledger_t* ledger) except -1:
    """A-8: positions hold what their orders hold."""
    cdef held_t* sums = <held_t*>calloc(ledger.positions_used + 1, sizeof(held_t))
    cdef const position_t* position
    cdef uint64_t slot
    if sums == NULL:
        raise MemoryError(f"{ledger.positions_used} positions")
    try:
        sum_orders(ledger, sums)
        for slot in range(1, ledger.positions_used + 1):
            position = &ledger.positions[slot]
            if sums[slot].frozen != position.frozen:
                return fail(11, slot, position.frozen)
            if (sums[slot].open_qty[0] != position.open_buy
                    or sums[slot].open_qty[1] != position.open_sell
                    or sums[slot].live != position.live_orders):
                return fail(13, slot, position.open_buy)
        return 0
    finally:
        free(sums)


# --- markets ----------------------------------------------------------------------------------

# Of a market, summed over its positions.
cdef struct sums_t:
    int64_t net
    int64_t longs           # net of the long ones
    uint64_t exposed[2]
    uint32_t owing


cdef int add_position(const ledger_t* ledger, const position_t* position, uint64_t slot,
                      sums_t* sums) except -1 nogil:
    cdef const symbol_t* symbol = &ledger.symbols[position.symbol]
    cdef int side = position.net < 0
    if position.frozen < 0 or (position.net == 0) != (position.cost == 0) or position.cost < 0:
        return fail(11, slot, position.cost)
    if position.leg and position.net > 0:
        return fail(4, slot, position.net)
    sums.net += position.net
    sums.owing += position.owed != 0
    if position.net == 0:
        return fail(15, slot, position.exposed) if position.exposed else 0
    sums.longs += max(position.net, 0)
    sums.exposed[side] += 1
    if (position.exposed == 0 or position.exposed > symbol.exposures[side]
            or symbol.exposed[side][position.exposed].position != slot):
        return fail(15, slot, position.exposed)
    return 0


cdef int audit_markets(ledger_t* ledger) except -1 nogil:
    """INV-4, INV-9, INV-15."""
    cdef sums_t[64] sums
    cdef const symbol_t* symbol
    cdef uint64_t slot
    cdef int index
    memset(sums, 0, sizeof(sums))
    for slot in range(1, ledger.positions_used + 1):
        add_position(ledger, &ledger.positions[slot], slot, &sums[ledger.positions[slot].symbol])
    for index in range(ledger.symbol_count):
        symbol = &ledger.symbols[index]
        if sums[index].net:
            return fail(4, symbol.symbol_id, sums[index].net)
        if (sums[index].longs != symbol.open_interest
                or sums[index].exposed[0] != symbol.exposures[0]
                or sums[index].exposed[1] != symbol.exposures[1]):
            return fail(15, symbol.symbol_id, symbol.open_interest)
        if sums[index].owing != symbol.funding.owing or symbol.funding.unreckoned:
            return fail(9, symbol.symbol_id, symbol.funding.owing)
        if not symbol.funding.is_open and (symbol.funding.owing or symbol.funding.pool):
            return fail(9, symbol.symbol_id, symbol.funding.pool)
    return 0


# --- accounts ---------------------------------------------------------------------------------


cdef int audit_accounts(ledger_t* ledger) except -1 nogil:
    """INV-11, INV-12, INV-23. Sums are of 64 bits and wrap: what is equal stays equal."""
    cdef uint64_t row, left = ledger.fee_account
    cdef uint32_t slot, live
    cdef int64_t frozen
    cdef const account_t* account
    cdef const position_t* position
    cdef int index
    left += <uint64_t>ledger.residue
    for index in range(ledger.symbol_count):
        left += <uint64_t>ledger.symbols[index].funding.pool
    for row in range(1, ledger.accounts_used + 1):
        account = &ledger.accounts[row]
        left += <uint64_t>account.collateral
        frozen, live = 0, 0
        slot = account.first_position
        while slot:
            position = &ledger.positions[slot]
            frozen += position.frozen
            live += position.live_orders
            left += <uint64_t>position.wallet
            left -= <uint64_t>(position.cost if position.net > 0 else -position.cost)
            slot = position.next
        if frozen != account.frozen or live != account.live_orders:
            return fail(11, account.user_id, frozen)
        if account.ordered and ledger.positions[account.ordered].order_oid == 0:
            return fail(23, account.user_id, account.ordered)
    if left != <uint64_t>(ledger.deposits - ledger.withdrawals):
        return fail(12, <int64_t>left, ledger.deposits - ledger.withdrawals)
    return 0


cdef int ledger_audit(ledger_t* ledger) except -1:
    """Every check over a whole ledger; O(accounts + positions + orders)."""
    accrue_all(ledger)
    audit_orders(ledger)
    audit_markets(ledger)
    audit_accounts(ledger)
    return audit_margin(ledger)


# --- one number -------------------------------------------------------------------------------


cdef inline uint64_t name_of(const ledger_t* ledger, uint64_t index, bint by_id) noexcept nogil:
    """What stands for a market: its place in the configuration, or its id."""
    return ledger.symbols[index].symbol_id if by_id else index


cdef uint64_t hash_order(const ledger_t* ledger, const order_t* row, bint by_id) noexcept nogil:
    """A live order; they are added, so they may come in any order."""
    cdef uint64_t state
    if row.place == FREE:
        return 0
    state = mix(mix(mix(row.oid, row.px), row.remaining), row.filled)
    state = mix(mix(state, row.reserved), ledger.accounts[row.account].user_id)
    state = mix(state, name_of(ledger, row.symbol, by_id))
    return mix(mix(state, row.side | row.flags << 8 | row.place << 16), row.kind)


cdef uint64_t hash_settings(const ledger_t* ledger, const account_t* account,
                            const position_t* position, bint by_id) noexcept nogil:
    """Those of a market, once for both legs: a request in flight may have made the other."""
    cdef uint64_t settings = position.leverage | <uint64_t>position.margin_mode << 16
    if settings == 0:
        return 0
    if position.leg and find_position(<ledger_t*>ledger, account, position.symbol, 0) != NULL:
        return 0
    return mix(mix(account.user_id, name_of(ledger, position.symbol, by_id)), settings)


cdef uint64_t hash_position(const ledger_t* ledger, const position_t* position, uint32_t user_id,
                            bint by_id) noexcept nogil:
    """0 for one that is as it was made: a request in flight may have made it."""
    cdef uint64_t state
    if not (position.net or position.realised or position.live_orders or position.wallet
            or position.owed or position.stage or position.round):
        return 0
    state = name_of(ledger, position.symbol, by_id) | <uint64_t>position.leg << 8
    state = mix(mix(user_id, state), position.net)
    state = mix(mix(mix(state, position.cost), position.realised), position.frozen)
    state = mix(mix(mix(state, position.open_buy), position.open_sell), position.wallet)
    state = mix(mix(mix(state, position.owed), position.stage), position.round)
    state = mix(mix(state, position.live_orders), position.order_oid)
    return mix(mix(state, position.transfer_id), position.bankrupt_px)


cdef uint64_t hash_account(const ledger_t* ledger, const account_t* account,
                           bint by_id) noexcept nogil:
    cdef uint64_t state, total, last = account.last_symbol
    cdef uint32_t slot = account.first_position
    state = mix(mix(mix(account.user_id, account.collateral), account.frozen), account.realised)
    state = mix(mix(mix(state, account.fees), account.owner_group), account.stp)
    state = mix(mix(mix(state, account.position_mode), account.stage), account.round)
    if last and by_id:
        last = name_of(ledger, last - 1, True)
    total = mix(mix(mix(state, account.round_ns), last), account.ordered != 0)
    while slot:
        total += hash_position(ledger, &ledger.positions[slot], account.user_id, by_id)
        total += hash_settings(ledger, account, &ledger.positions[slot], by_id)
        slot = ledger.positions[slot].next
    return total


cdef uint64_t hash_market(const symbol_t* symbol) noexcept nogil:
    cdef const funding_t* funding = &symbol.funding
    cdef uint64_t state = mix(mix(symbol.symbol_id, symbol.last_px), symbol.fed_px)
    cdef int row
    state = mix(mix(mix(state, symbol.fed_ns), symbol.mode), symbol.mark_state)
    state = mix(mix(mix(state, symbol.index_px), symbol.open_interest), symbol.oi_ppm)
    state = mix(mix(mix(state, symbol.config_version), symbol.asked_version), symbol.taker_fee_ppm)
    state = mix(mix(mix(state, symbol.market_band_ppm), symbol.reference_px), symbol.px_max)
    for row in range(symbol.brackets + 1):
        state = mix(mix(state, symbol.bracket[row].first), symbol.bracket[row].initial_ppm)
        state = mix(state, symbol.bracket[row].maintenance_ppm)
    state = mix(mix(state, funding.is_live), funding.premium_ppb)
    state = mix(mix(mix(state, funding.minute), funding.sum_high), funding.sum_low)
    state = mix(mix(mix(state, funding.samples), funding.interval_id), funding.rate_ppb)
    state = mix(mix(mix(state, funding.mark_px), funding.pool), funding.paid)
    state = mix(mix(mix(state, funding.received), funding.payments), funding.epoch)
    return mix(mix(state, funding.is_open), funding.owing)


cdef uint64_t ledger_hash(ledger_t* ledger) except? 0 nogil:
    """Of everything the log has confirmed, independent of the order of accounts."""
    return ledger_hash_of(ledger, False, NULL)


cdef uint64_t ledger_hash_of(ledger_t* ledger, bint by_id,
                             const uint8_t* left_out) except? 0 nogil:
    """by_id: independent of the order of markets too. left_out: by index, markets that nothing
    has happened in, which then are as if they were not there; NULL = none."""
    cdef ledger_sum_t sum
    memset(&sum, 0, sizeof(sum))
    accrue_all(ledger)
    while not ledger_hash_step(ledger, by_id, left_out, &sum, <uint64_t>1 << 62):
        pass
    return sum.total


cdef bint ledger_hash_step(const ledger_t* ledger, bint by_id, const uint8_t* left_out,
                           ledger_sum_t* sum, uint64_t budget) noexcept nogil:
    """Some more rows into a sum that began with zeros; True when `total` is the hash. What
    positions owe has been reckoned, and nothing changes meanwhile."""
    cdef int index
    if sum.order + 1 < ledger.orders.untouched:
        while sum.order + 1 < ledger.orders.untouched and budget:
            sum.order += 1
            budget -= 1
            sum.total += hash_order(ledger, &ledger.orders.rows[sum.order], by_id)
        return False
    if sum.account < ledger.accounts_used:
        while sum.account < ledger.accounts_used and budget:
            sum.account += 1
            budget -= 1
            if (left_out == NULL or sum.account > <uint64_t>ledger.symbol_count
                    or not left_out[sum.account - 1]):
                sum.total += hash_account(ledger, &ledger.accounts[sum.account], by_id)
        return False
    for index in range(ledger.symbol_count):
        if left_out == NULL or not left_out[index]:
            sum.total += hash_market(&ledger.symbols[index])
    sum.total = mix(mix(sum.total, ledger.fee_account), ledger.residue)
    sum.total = mix(mix(sum.total, ledger.deposits), ledger.withdrawals)
    return True
