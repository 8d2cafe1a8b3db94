# cython: boundscheck=False
"""Decisions of a liquidation: from the bucket as it is now to the next step, nothing kept.

    STARTED --cancel-alls--> look -> ORDERED -> order ends -> look ...
      look: RECOVERED, the next round, BANKRUPT (equity used up, or rounds), CLOSED when flat

Pure: time is an argument; who writes the steps is rsx/tiles/liquidator. Rules LQ-3 to LQ-9:
specs/liquidation.md. Enforces INV-23.
"""

from libc.stdint cimport int64_t, uint8_t, uint32_t, uint64_t
from libc.string cimport memset

from rsx.core.check cimport fail
from rsx.records_c cimport RSX_MODE_OPEN
from rsx.risk.accounts cimport (
    account_t, find_position, ledger_account, ledger_index, ledger_mark, ledger_t, magnitude,
    position_t, symbol_t, tick_at,
)
from rsx.risk.ledger cimport Ledger
from rsx.risk.margin cimport (
    bankruptcy_px, bucket_margin, bucket_t, maintenance_requirement,
)
from rsx.units cimport (
    RSX_PPM, rsx_add, rsx_ceil_div, rsx_fee, rsx_floor_div, rsx_multiply, rsx_part,
    rsx_product_above, rsx_requirement, rsx_step_down, rsx_step_up,
)

cdef uint64_t EPOCH_MS = 1_704_067_200_000     # 2024-01-01, as of the gateway's order ids
cdef uint64_t MS = 1_000_000


# --- a round's order (LQ-5) -------------------------------------------------------------------


cdef inline uint32_t slip_ppm(const symbol_t* symbol, uint32_t round) noexcept nogil:
    cdef uint64_t slip = <uint64_t>round * round * symbol.rules.liquidation_slip_ppm
    return <uint32_t>min(slip, <uint64_t>symbol.rules.liquidation_slip_max_ppm)


cdef int64_t round_px(const symbol_t* symbol, int64_t net, int64_t mark, uint32_t round,
                      int64_t bankrupt) noexcept nogil:
    """Limit price of a round: as far from the mark as the slippage allows, never past the
    bankruptcy price; on tick."""
    cdef uint32_t slip = slip_ppm(symbol, round)
    cdef int64_t px
    if net > 0:
        px = rsx_part(mark, RSX_PPM - slip)
        px = max(rsx_step_down(px, tick_at(symbol, px)),
                 rsx_step_up(bankrupt, tick_at(symbol, bankrupt)))
        return max(px, symbol.tick)
    px = mark + rsx_requirement(mark, slip)
    px = min(rsx_step_up(px, tick_at(symbol, px)),
             rsx_step_down(bankrupt, tick_at(symbol, bankrupt)))
    return min(px, symbol.px_max)


cdef bint restores(const symbol_t* symbol, int64_t net, int64_t mark, int64_t px,
                   const bucket_t* bucket, int64_t qty) noexcept nogil:
    """Whether closing qty at px leaves the bucket's equity a buffer above its maintenance."""
    cdef int64_t size = magnitude(net), left = 0, need, value = 0
    cdef int64_t buffered = RSX_PPM + <int64_t>symbol.rules.liquidation_buffer_ppm
    if rsx_multiply(qty, px, &value):
        return False
    if rsx_multiply(qty, px - mark if net > 0 else mark - px, &left):
        return False
    if (rsx_add(left, bucket.equity, &left)
            or rsx_add(left, -rsx_fee(value, symbol.rules.liquidation_fee_ppm), &left)):
        return False
    need = (bucket.maintenance - maintenance_requirement(symbol, size * mark)
            + maintenance_requirement(symbol, (size - qty) * mark))
    return not rsx_product_above(need, buffered, left, RSX_PPM)


cdef int64_t fewest_lots(const symbol_t* symbol, int64_t net, int64_t mark, int64_t px,
                         const bucket_t* bucket) noexcept nogil:
    """The fewest lots, short of all, whose closing restores the bucket; 0 = none do.

    What closing leaves above maintenance is concave in the quantity, and straight as long as what
    is left lies in one bracket: a stretch that does not restore at either end does not within.
    """
    cdef int64_t size = magnitude(net), lot = symbol.lot
    cdef int64_t last = rsx_floor_div(size - 1, lot), first = 1, end, low, middle
    cdef int row = symbol.brackets
    while first <= last:
        # Up to `end` lots what is left lies in this row.
        end = last
        if row:
            end = min(last, rsx_floor_div(
                size - rsx_floor_div(symbol.bracket[row].first, mark) - 1, lot))
            row -= 1
            if end < first:
                continue
        if restores(symbol, net, mark, px, bucket, first * lot):
            return first
        if restores(symbol, net, mark, px, bucket, end * lot):
            low = first
            while end - low > 1:
                middle = low + rsx_floor_div(end - low, 2)
                if restores(symbol, net, mark, px, bucket, middle * lot):
                    end = middle
                else:
                    low = middle
            return end
        first = end + 1
    return 0


cdef int64_t round_qty(const symbol_t* symbol, int64_t net, int64_t mark, int64_t px,
                       const bucket_t* bucket) noexcept nogil:
    """Quantity of a round: enough to restore the bucket with a buffer, within the step."""
    cdef int64_t size = magnitude(net), lot = symbol.lot, rest, most
    cdef int64_t qty = fewest_lots(symbol, net, mark, px, bucket) * lot
    if qty == 0:
        qty = size
    rest = rsx_requirement(size, symbol.rules.liquidation_step_ppm)
    rest = min(size, rsx_ceil_div(rest, lot) * lot)
    qty = min(qty, rest)
    rest = size - qty
    if rest < lot or rest * mark < symbol.notional_min:
        qty = size
    most = min(symbol.qty_max, rsx_floor_div(symbol.notional_max, px))
    return qty if qty <= most else max(rsx_step_down(most, lot), lot)


# --- the next step ----------------------------------------------------------------------------


cdef inline bint is_open(const ledger_t* ledger, const position_t* position) noexcept nogil:
    """LQ-1: positions in other symbols are left alone."""
    return ledger.symbols[position.symbol].mode == RSX_MODE_OPEN


cdef bint can_start(const ledger_t* ledger, const account_t* account,
                    const position_t* isolated) noexcept nogil:
    """LQ-1: whether a position of the bucket can be traded."""
    cdef uint32_t slot = account.first_position
    cdef const position_t* position
    while slot:
        position = &ledger.positions[slot]
        if position.net and is_of_bucket(position, isolated) and is_open(ledger, position):
            return True
        slot = position.next
    return False


cdef inline int64_t maintenance_of(const ledger_t* ledger,
                                   const position_t* position) noexcept nogil:
    """Of an open position whose notional was seen to fit."""
    cdef const symbol_t* symbol = &ledger.symbols[position.symbol]
    return maintenance_requirement(
        symbol, magnitude(position.net) * ledger_mark(symbol, ledger.stale_ns))


cdef bint goes_before(const ledger_t* ledger, const position_t* one,
                      const position_t* other) noexcept nogil:
    """LQ-4: largest maintenance first; ties by symbol id, leg."""
    cdef int64_t first = maintenance_of(ledger, one), second = maintenance_of(ledger, other)
    if first != second:
        return first > second
    if one.symbol != other.symbol:
        return ledger.symbols[one.symbol].symbol_id < ledger.symbols[other.symbol].symbol_id
    return one.leg < other.leg


cdef void insert(const ledger_t* ledger, decision_t* out, uint32_t slot) noexcept nogil:
    """Into the rows found so far, in the order of LQ-4."""
    cdef uint32_t at = out.count
    while at and goes_before(ledger, &ledger.positions[slot], &ledger.positions[out.rows[at - 1]]):
        out.rows[at] = out.rows[at - 1]
        at -= 1
    out.rows[at] = slot
    out.count += 1


cdef void choose(decision_t* out, int what, uint32_t slot) noexcept nogil:
    out.what = what
    out.rows[0] = slot
    out.count = 1


# What a look finds of a bucket's positions, beside those that can be traded.
cdef struct survey_t:
    bint is_owed            # funding that is not booked yet
    bint is_giving          # one is bankrupt, not gone yet ...
    bint is_leaving         # ... and nothing keeps it from going


cdef int survey(ledger_t* ledger, const account_t* account, const position_t* isolated,
                decision_t* out, survey_t* found) except -1 nogil:
    """Fill out.rows with the positions that can be traded, largest maintenance first."""
    cdef uint32_t slot = account.first_position
    cdef const position_t* position
    memset(found, 0, sizeof(survey_t))
    while slot:
        position = &ledger.positions[slot]
        if is_of_bucket(position, isolated):
            found.is_owed |= position.owed != 0
            if position.net and position.transfer_id:
                found.is_giving = True
                found.is_leaving |= is_open(ledger, position)
            elif position.net and is_open(ledger, position):
                if out.count >= BUCKET_POSITIONS_MAX:
                    return fail(23, account.user_id, out.count)
                insert(ledger, out, slot)
        slot = position.next
    return 0


cdef int decide(ledger_t* ledger, account_t* account, position_t* isolated, uint64_t now,
                decision_t* out) except -1 nogil:
    """LQ-3 to LQ-9: the next step of a bucket in liquidation that has nothing out.

    isolated: the position that is the bucket, NULL: the cross ones
    """
    cdef survey_t found
    cdef uint32_t at
    cdef const symbol_t* symbol
    out.what = WAIT
    out.count = 0
    out.until_ns = 0
    bucket_margin(ledger, account, isolated, now, &out.bucket)
    if not out.bucket.is_live:
        return 0
    survey(ledger, account, isolated, out, &found)
    if out.bucket.positions == 0:
        if out.bucket.equity >= 0 and not found.is_owed:
            out.what = CLOSE
        return 0
    if out.bucket.equity >= out.bucket.maintenance:
        out.what = WAIT if found.is_giving else RECOVER
        return 0
    if out.count == 0:
        return 0
    if out.bucket.equity <= 0:
        out.what = GIVE_UP
        return 0
    if found.is_leaving:
        return 0
    for at in range(out.count):
        symbol = &ledger.symbols[ledger.positions[out.rows[at]].symbol]
        if ledger.positions[out.rows[at]].round >= symbol.rules.liquidation_rounds:
            choose(out, GIVE_UP, out.rows[at])
            return 0
    return next_round(ledger, account, isolated, now, out)


cdef int next_round(ledger_t* ledger, account_t* account, const position_t* isolated, uint64_t now,
                    decision_t* out) except -1 nogil:
    """LQ-4, LQ-5: an order for the first of out.rows, once the pause is over."""
    cdef position_t* position = &ledger.positions[out.rows[0]]
    cdef const symbol_t* symbol = &ledger.symbols[position.symbol]
    cdef int64_t mark = ledger_mark(symbol, ledger.stale_ns)
    cdef uint64_t last = position.round if isolated != NULL else account.round
    cdef uint64_t due = account.round_ns + last * symbol.rules.liquidation_delay_ms * MS
    if last and now < due:
        out.until_ns = due
        return 0
    choose(out, ORDER, out.rows[0])
    out.round = position.round + 1
    out.px = round_px(symbol, position.net, mark, out.round,
                      bankruptcy_px(ledger, account, position))
    out.qty = round_qty(symbol, position.net, mark, out.px, &out.bucket)
    return 0


# --- ids --------------------------------------------------------------------------------------


cdef uint64_t next_own_oid(ledger_t* ledger, uint8_t shard, uint64_t now) except 0 nogil:
    """LQ-7: above every id of this kind that the ledger knows, which takes note of it; a burst
    borrows from the next millisecond."""
    cdef uint64_t base = OWN_BASE | <uint64_t>shard << OWN_SHARD_SHIFT, ms = now // MS
    cdef uint64_t newest = ledger.own_oid_max
    ms = ms - EPOCH_MS if ms > EPOCH_MS else 0
    if ms > newest >> OWN_MS_SHIFT:
        ledger.own_oid_max = ms << OWN_MS_SHIFT | base
    elif (newest & ~<uint64_t>OWN_COUNTER_MAX == (newest >> OWN_MS_SHIFT << OWN_MS_SHIFT | base)
            and newest & OWN_COUNTER_MAX < OWN_COUNTER_MAX):
        ledger.own_oid_max = newest + 1
    else:
        ledger.own_oid_max = ((newest >> OWN_MS_SHIFT) + 1) << OWN_MS_SHIFT | base
    if ledger.own_oid_max >> 53:
        fail(1210, <int64_t>ledger.own_oid_max, <int64_t>now)
    return ledger.own_oid_max


# --- Python face ------------------------------------------------------------------------------


def round_order(Ledger ledger, uint32_t symbol_id, int64_t net, int64_t mark, uint32_t round,
                int64_t bankrupt, int64_t equity, int64_t maintenance):
    """(price, quantity) of a round's order for a position in a bucket (LQ-5)."""
    cdef int index = ledger_index(&ledger.ledger, symbol_id)
    cdef bucket_t bucket
    if index < 0 or net == 0:
        raise ValueError(f"symbol {symbol_id}, position {net}")
    memset(&bucket, 0, sizeof(bucket_t))
    bucket.equity = equity
    bucket.maintenance = maintenance
    px = round_px(&ledger.ledger.symbols[index], net, mark, round, bankrupt)
    return px, round_qty(&ledger.ledger.symbols[index], net, mark, px, &bucket)


def next_step(Ledger ledger, uint32_t user_id, uint64_t now_ns, uint32_t symbol_id=0, int leg=0):
    """What is decided for a bucket in liquidation, as a dict; symbol_id 0: the cross positions."""
    cdef account_t* account = ledger_account(&ledger.ledger, user_id)
    cdef position_t* isolated = NULL
    cdef decision_t found
    if account == NULL:
        raise KeyError(user_id)
    if symbol_id:
        isolated = find_position(&ledger.ledger, account,
                                 ledger_index(&ledger.ledger, symbol_id), leg)
        if isolated == NULL:
            raise KeyError(symbol_id)
    memset(&found, 0, sizeof(decision_t))
    decide(&ledger.ledger, account, isolated, now_ns, &found)
    places = []
    for at in range(found.count if found.what in (ORDER, GIVE_UP) else 0):
        isolated = &ledger.ledger.positions[found.rows[at]]
        places.append((ledger.ledger.symbols[isolated.symbol].symbol_id, isolated.leg))
    return {
        "what": ("WAIT", "RECOVER", "CLOSE", "ORDER", "GIVE_UP")[found.what],
        "positions": places,
        "px": found.px, "qty": found.qty, "round": found.round, "until_ns": found.until_ns,
        "equity": found.bucket.equity, "maintenance": found.bucket.maintenance,
    }


def own_oid(Ledger ledger, uint8_t shard, uint64_t now_ns):
    """The next id of the exchange's own orders (LQ-7)."""
    return next_own_oid(&ledger.ledger, shard, now_ns)
