# cython: boundscheck=False
"""Funding of a market: what is sampled, the rate, what positions owe, what has been booked.

    MARK_PRICE       a sample of the premium for each minute that began
    FUNDING_SETTLED  fixes rate and mark: from here each position of the market owes ...
    accrue           ... which is put into its `owed` when it is next touched, or by the sweep
    FUNDING_PAYMENT  one position's `owed` goes to the pool
    FUNDING_DONE     nobody owes any more; the pool, rounding, goes to the residue

A fold of the log. `unreckoned` and `owing` count what is left to do, so that the end is known
without a search. Rules FN-n: specs/funding.md; enforces INV-9.
"""

from libc.stdint cimport int64_t, uint32_t, uint64_t

from rsx.core.check cimport fail
from rsx.core.memory cimport rsx_prefetch
from rsx.records_c cimport *
from rsx.risk.accounts cimport (
    account_t, find_position, funding_t, is_fresh, ledger_account, ledger_index, ledger_t,
    magnitude, position_t, symbol_t,
)
from rsx.risk.exposure cimport exposure_look
from rsx.risk.margin cimport is_isolated, move_symbol, touch
from rsx.units cimport (
    rsx_add, rsx_average, rsx_funding, rsx_interval, rsx_minute, rsx_multiply, rsx_premium, rsx_sum,
)

cdef int64_t PPB = 1_000_000_000
cdef uint64_t MINUTES_BACK = 10     # FN-2
cdef enum:
    AHEAD = 8               # positions fetched ahead in a sweep

# Where a sweep stands: its part in the upper half of the cursor, the row in the lower one.
cdef enum:
    LONGS = 0
    SHORTS = 1
    ALL = 2                 # the whole table: who left a list in between, or changed places
    OVER = 3


# --- samples and rate -------------------------------------------------------------------------


cdef void funding_sample(symbol_t* symbol, const rsx_mark_price_t* mark) noexcept nogil:
    """FN-1, FN-2: a MARK_PRICE closes the minutes that began, and brings a new premium."""
    cdef funding_t* funding = &symbol.funding
    cdef uint64_t minute = rsx_minute(mark.ts_ns)
    cdef uint32_t began
    if funding.minute and minute > funding.minute and funding.is_live:
        began = <uint32_t>min(minute - funding.minute, MINUTES_BACK)
        rsx_sum(&funding.sum_high, &funding.sum_low, funding.premium_ppb, began)
        funding.samples += began
    if minute > funding.minute:
        funding.minute = minute
    if funding.interval_id == 0 and symbol.rules.funding_interval_s:
        funding.interval_id = rsx_interval(mark.ts_ns, symbol.rules.funding_interval_s)
    funding.is_live = mark.state == RSX_MARK_LIVE and mark.index_px > 0
    funding.premium_ppb = rsx_premium(mark.mark_px, mark.index_px) if funding.is_live else 0


cdef void funding_restart(symbol_t* symbol, uint32_t interval_s_before,
                          uint64_t ts_ns) noexcept nogil:
    """FN-11: rules have come whose interval may be another."""
    cdef uint32_t interval = symbol.rules.funding_interval_s
    if interval == interval_s_before or symbol.funding.minute == 0:
        return
    symbol.funding.interval_id = rsx_interval(ts_ns, interval) if interval else 0


cdef inline int64_t clamp(int64_t value, int64_t most) noexcept nogil:
    return max(-most, min(value, most))


cdef bint funding_rate(const symbol_t* symbol, int64_t* rate_ppb,
                       int64_t* average_ppb) noexcept nogil:
    """FN-3, FN-6: the rate as it stands; 0 and False without samples."""
    cdef const funding_t* funding = &symbol.funding
    cdef int64_t average
    rate_ppb[0] = average_ppb[0] = 0
    if funding.samples == 0:
        return False
    average = rsx_average(funding.sum_high, funding.sum_low, funding.samples)
    average_ppb[0] = average
    rate_ppb[0] = clamp(
        average + clamp(symbol.rules.funding_interest_ppb - average,
                        symbol.rules.funding_damp_ppb),
        symbol.rules.funding_cap_ppb)
    return True


# --- when -------------------------------------------------------------------------------------


cdef uint32_t funding_next_s(const ledger_t* ledger, const symbol_t* symbol,
                             uint64_t now_ns) noexcept nogil:
    """FN-4: Unix second of the next settlement; 0 = there is none."""
    cdef uint64_t interval = symbol.rules.funding_interval_s
    if interval == 0 or ledger.stale_ns == 0:
        return 0
    return <uint32_t>((rsx_interval(now_ns, interval) + 1) * interval)


cdef bint funding_due(const ledger_t* ledger, const symbol_t* symbol, uint64_t now_ns,
                      uint64_t* interval_id, uint32_t* skipped) noexcept nogil:
    """FN-4, FN-5: whether to settle now, as which interval, and how many were missed before."""
    cdef const funding_t* funding = &symbol.funding
    cdef uint64_t interval = symbol.rules.funding_interval_s
    if interval == 0 or funding.samples == 0 or funding.is_open or symbol.mode != RSX_MODE_OPEN:
        return False
    if ledger.stale_ns == 0 or not is_fresh(symbol, ledger.stale_ns, now_ns):
        return False
    interval_id[0] = rsx_interval(now_ns, interval)
    if interval_id[0] <= funding.interval_id:
        return False
    skipped[0] = <uint32_t>(interval_id[0] - funding.interval_id - 1)
    return True


# --- what is owed -----------------------------------------------------------------------------


cdef int reckon_owed(ledger_t* ledger, position_t* position) except -1 nogil:
    """FN-7: what the newest settlement asks of a position, which has the net it had then."""
    cdef funding_t* funding = &ledger.symbols[position.symbol].funding
    cdef int64_t notional = 0
    cdef bint pays
    position.funding_epoch = funding.epoch
    if position.net == 0:
        return 0
    # A settlement is done only when every position has been reckoned: there is one at most.
    if not funding.is_open or funding.unreckoned == 0 or position.owed:
        return fail(9, funding.interval_id, position.owed)
    funding.unreckoned -= 1
    if rsx_multiply(magnitude(position.net), funding.mark_px, &notional):
        return fail(1201, position.net, funding.mark_px)
    pays = (position.net > 0) == (funding.rate_ppb > 0)
    position.owed = rsx_funding(notional, magnitude(funding.rate_ppb), pays)
    if position.owed:
        funding.owing += 1
    if not pays:
        position.owed = -position.owed
    return 0


cdef inline uint32_t next_row(ledger_t* ledger, const symbol_t* symbol,
                              uint64_t* cursor) noexcept nogil:
    """The next position of a sweep; 0 at its end."""
    cdef uint64_t part = cursor[0] >> 32, row = <uint64_t>(<uint32_t>cursor[0]) + 1
    while part < ALL and row > symbol.exposures[part]:
        part, row = part + 1, 1
    if part == ALL and row > ledger.positions_used:
        part, row = OVER, 0
    cursor[0] = part << 32 | row
    if part == OVER:
        return 0
    if part == ALL:
        return <uint32_t>row
    if row + AHEAD <= symbol.exposures[part]:
        rsx_prefetch(&ledger.positions[symbol.exposed[part][row + AHEAD].position].owed)
    return symbol.exposed[part][row].position


cdef position_t* funding_next_payment(ledger_t* ledger, int index, uint64_t* cursor,
                                      int* looks) except? NULL nogil:
    """FN-8, FN-9: the next position that owes or is owed; the caller books it now.

    cursor: 0 at the first call of a settlement; looks: positions that may still be looked at,
    counted down. NULL: looks are used up, or (some left) there is none any more.
    """
    cdef symbol_t* symbol = &ledger.symbols[index]
    cdef position_t* position
    cdef uint32_t row
    while looks[0] > 0 and symbol.funding.is_open:
        if symbol.funding.unreckoned == 0 and symbol.funding.owing == 0:
            return NULL
        row = next_row(ledger, symbol, cursor)
        if row == 0:
            return NULL
        looks[0] -= 1
        position = &ledger.positions[row]
        if position.symbol != index:
            continue
        accrue(ledger, position)
        if position.owed and not position.is_paying:
            position.is_paying = 1
            return position
    return NULL


# --- the fold ---------------------------------------------------------------------------------


cdef int apply_settled(ledger_t* ledger, symbol_t* symbol,
                       const rsx_funding_settled_t* event) except -1 nogil:
    cdef funding_t* funding = &symbol.funding
    if funding.is_open or event.interval_id <= funding.interval_id:
        return fail(9, event.interval_id, funding.interval_id)
    if event.mark_px <= 0 or magnitude(event.rate_ppb) > PPB:
        return fail(9, event.mark_px, event.rate_ppb)
    funding.interval_id = event.interval_id
    funding.rate_ppb = event.rate_ppb
    funding.mark_px = event.mark_px
    funding.sum_high = 0
    funding.sum_low = 0
    funding.samples = 0
    funding.paid = funding.received = 0
    funding.payments = 0
    funding.epoch += 1
    funding.unreckoned = <uint32_t>(symbol.exposures[0] + symbol.exposures[1])
    funding.is_open = 1
    exposure_look(symbol)
    move_symbol(ledger, symbol)
    return 0


cdef int apply_payment(ledger_t* ledger, symbol_t* symbol, int index,
                       const rsx_funding_payment_t* event) except -1 nogil:
    """FN-8, IM-4."""
    cdef funding_t* funding = &symbol.funding
    cdef account_t* account = ledger_account(ledger, event.user_id)
    cdef position_t* position = NULL
    cdef int64_t* balance
    if account != NULL:
        position = find_position(ledger, account, index, event.leg)
    if position == NULL or not funding.is_open or event.interval_id != funding.interval_id:
        return fail(9, event.seq, event.interval_id)
    accrue(ledger, position)
    if event.amount == 0 or event.amount != position.owed:
        return fail(9, event.amount, position.owed)
    touch(ledger, position)
    balance = &position.wallet if is_isolated(position) else &account.collateral
    if rsx_add(balance[0], -event.amount, balance):
        return fail(1203, event.user_id, event.amount)
    if event.amount > 0:
        funding.paid += event.amount
    else:
        funding.received -= event.amount
    funding.pool += event.amount
    funding.payments += 1
    funding.owing -= 1
    position.owed = 0
    position.is_paying = 0
    return 0


cdef int reckon_rest(ledger_t* ledger, symbol_t* symbol) except -1 nogil:
    """FN-7 of positions that nothing has touched: who owes nothing has no payment."""
    cdef int part
    cdef uint64_t row
    for part in range(2):
        for row in range(1, symbol.exposures[part] + 1):
            accrue(ledger, &ledger.positions[symbol.exposed[part][row].position])
    return 0


cdef int apply_done(ledger_t* ledger, symbol_t* symbol,
                    const rsx_funding_done_t* event) except -1 nogil:
    cdef funding_t* funding = &symbol.funding
    if funding.is_open and funding.unreckoned:  # only where this tile does not book
        reckon_rest(ledger, symbol)
    if not funding_is_booked(symbol) or event.interval_id != funding.interval_id:
        return fail(9, event.seq, event.interval_id)
    if (event.residue != funding.pool or event.paid != funding.paid
            or event.received != funding.received or event.payments != funding.payments):
        return fail(9, event.residue, funding.pool)
    if funding.pool < 0 or funding.pool > 2 * <int64_t>funding.payments:
        return fail(9, funding.pool, funding.payments)
    ledger.residue += funding.pool
    funding.pool = 0
    funding.is_open = 0
    return 0


cdef int apply_funding(ledger_t* ledger, const rsx_record_t* record) except -1 nogil:
    """FUNDING_SETTLED, FUNDING_PAYMENT or FUNDING_DONE."""
    cdef int index
    if record.type == RSX_FUNDING_SETTLED:
        index = ledger_index(ledger, (<const rsx_funding_settled_t*>record).symbol_id)
    elif record.type == RSX_FUNDING_PAYMENT:
        index = ledger_index(ledger, (<const rsx_funding_payment_t*>record).symbol_id)
    else:
        index = ledger_index(ledger, (<const rsx_funding_done_t*>record).symbol_id)
    if index < 0:
        return fail(14, record.seq, record.type)
    if record.type == RSX_FUNDING_SETTLED:
        return apply_settled(ledger, &ledger.symbols[index],
                             <const rsx_funding_settled_t*>record)
    if record.type == RSX_FUNDING_PAYMENT:
        return apply_payment(ledger, &ledger.symbols[index], index,
                             <const rsx_funding_payment_t*>record)
    return apply_done(ledger, &ledger.symbols[index], <const rsx_funding_done_t*>record)
