# cython: boundscheck=False
"""What positions and orders ask of an account, and what it has.

    position --share--> account      unrealised and maintenance of cross positions, held of all

Each position keeps its share and each account the sum of them. `touch` marks one position's share
as not right, `move_symbol` those of a symbol; the next look reckons these again and moves the sums
by the difference (G-4). A look at an account of which nothing changed reads the sums alone.
Rules BR-1 to BR-3, G-1 to G-4, P-2, SB-4, LQ-1, LQ-8: specs/risk.md, specs/liquidation.md.
Enforces INV-31.
"""

from libc.stdint cimport UINT64_MAX, int64_t, uint32_t, uint64_t
from libc.string cimport memset

from rsx.core.check cimport fail
from rsx.records_c cimport RSX_BRACKETS_MAX, RSX_MARGIN_ISOLATED, RSX_MARK_LIVE
from rsx.risk.accounts cimport (
    account_t, bracket_t, is_fresh, ledger_mark, ledger_t, magnitude, position_t, symbol_t,
    unrealised_of,
)
from rsx.risk.funding cimport accrue
from rsx.units cimport (
    RSX_PPM, rsx_add, rsx_bracketed, rsx_floor_div, rsx_floor_share, rsx_keep, rsx_multiply,
    rsx_part, rsx_part_rest, rsx_requirement, rsx_scale_up,
)


# --- rates ------------------------------------------------------------------------------------


cdef inline void add_less(int64_t* less, int64_t* rest, int64_t first,
                          uint32_t rise_ppm) noexcept nogil:
    """Add first x rise_ppm to less + rest / 10^6."""
    less[0] += rsx_part(first, rise_ppm)
    rest[0] += rsx_part_rest(first, rise_ppm)
    if rest[0] >= RSX_PPM:
        rest[0] -= RSX_PPM
        less[0] += 1


cdef int set_brackets(symbol_t* symbol, int rows, const int64_t* first,
                      const uint32_t* initial_ppm,
                      const uint32_t* maintenance_ppm) except -1 nogil:
    """BR-1: rows 1 to 6 of rates, the first one from notional 0 on. Wrong ones fail."""
    cdef bracket_t* row
    cdef const bracket_t* before
    cdef int at
    if not 1 <= rows <= RSX_BRACKETS_MAX + 1 or first[0]:
        return fail(1204, rows, 0)
    memset(&symbol.bracket[0], 0, sizeof(symbol.bracket))
    for at in range(rows):
        row = &symbol.bracket[at]
        row.first = first[at]
        row.initial_ppm = initial_ppm[at]
        row.maintenance_ppm = maintenance_ppm[at]
        if row.maintenance_ppm > row.initial_ppm or row.initial_ppm > RSX_PPM:
            return fail(1204, at, row.initial_ppm)
        if at == 0:
            continue
        before = &symbol.bracket[at - 1]
        if (row.first <= before.first or row.initial_ppm < before.initial_ppm
                or row.maintenance_ppm < before.maintenance_ppm):
            return fail(1204, at, row.first)
        row.initial_less, row.initial_rest = before.initial_less, before.initial_rest
        row.maintenance_less = before.maintenance_less
        row.maintenance_rest = before.maintenance_rest
        add_less(&row.initial_less, &row.initial_rest, row.first,
                 row.initial_ppm - before.initial_ppm)
        add_less(&row.maintenance_less, &row.maintenance_rest, row.first,
                 row.maintenance_ppm - before.maintenance_ppm)
    symbol.brackets = rows - 1
    return 0


cdef int bracket_of(const symbol_t* symbol, int64_t notional) noexcept nogil:
    """The row that the last part of a notional lies in."""
    cdef int at = symbol.brackets
    while at and notional <= symbol.bracket[at].first:
        at -= 1
    return at


cdef int64_t levered(const symbol_t* symbol, const bracket_t* row, uint32_t floor_ppm,
                     int64_t notional) noexcept nogil:
    """BR-2 where the rate of the leverage lies between the first row's and this one's."""
    cdef const bracket_t* below = &symbol.bracket[0]
    cdef int64_t less, rest
    cdef uint32_t rise
    while below[1].initial_ppm <= floor_ppm:
        below += 1
    # Up to the row after `below` the leverage's rate holds.
    rise = floor_ppm - below.initial_ppm
    less = row.initial_less - below.initial_less - rsx_part(below[1].first, rise)
    rest = row.initial_rest - below.initial_rest - rsx_part_rest(below[1].first, rise)
    while rest < 0:
        rest += RSX_PPM
        less -= 1
    return rsx_bracketed(notional, row.initial_ppm, less, rest)


cdef int64_t initial_requirement(const symbol_t* symbol, uint32_t leverage_ppm,
                                 int64_t notional) noexcept nogil:
    """I(N) of G-1, by BR-1 to BR-3: money units, rounded up once; notional >= 0."""
    cdef const bracket_t* row = &symbol.bracket[0]
    cdef uint32_t base = max(row.initial_ppm, leverage_ppm)
    cdef int64_t found
    if symbol.brackets:
        row = &symbol.bracket[bracket_of(symbol, notional)]
    if row.initial_ppm <= base:
        found = rsx_requirement(notional, base)
    elif base == symbol.bracket[0].initial_ppm:
        found = rsx_bracketed(notional, row.initial_ppm, row.initial_less, row.initial_rest)
    else:
        found = levered(symbol, row, base, notional)
    if symbol.oi_ppm:
        base += <uint32_t>rsx_requirement(symbol.oi_ppm, RSX_PPM - base)
        found = max(found, rsx_requirement(notional, base))
    return found


cdef int64_t maintenance_requirement(const symbol_t* symbol, int64_t notional) noexcept nogil:
    """W(N) of G-1: money units, rounded up once; notional >= 0."""
    cdef const bracket_t* row = &symbol.bracket[bracket_of(symbol, notional)]
    return rsx_bracketed(notional, row.maintenance_ppm, row.maintenance_less,
                         row.maintenance_rest)


cdef void scale_open_interest(symbol_t* symbol, int64_t mark) noexcept nogil:
    """BR-3: s at a MARK_PRICE."""
    cdef int64_t low = symbol.rules.oi_low, high = symbol.rules.oi_high, value = 0
    symbol.oi_ppm = 0
    if high <= low:
        return
    if rsx_multiply(symbol.open_interest, mark, &value):
        value = high
    if value > low:
        symbol.oi_ppm = <uint32_t>rsx_keep(RSX_PPM, min(value, high) - low, high - low)


# --- shares of positions ----------------------------------------------------------------------


cdef int reckon_share(const position_t* position, const symbol_t* symbol, int64_t mark,
                      share_t* out) except -1 nogil:
    """One position's part of G-2 and G-3."""
    cdef int64_t size = magnitude(position.net)
    cdef int64_t worst = worst_size(position)
    cdef int64_t value = 0, worst_value = 0, initial
    memset(out, 0, sizeof(share_t))
    if rsx_multiply(size, mark, &value):
        return fail(1201, size, mark)
    initial = initial_requirement(symbol, position.leverage_ppm, value)
    out.held = initial + position.frozen + position.frozen_flying
    if worst > size:
        if rsx_multiply(worst, mark, &worst_value):
            return fail(1201, worst, mark)
        out.held = max(
            out.held, initial_requirement(symbol, position.leverage_ppm, worst_value))
    if size and position.margin_mode == RSX_MARGIN_ISOLATED:
        out.held -= initial
        return 0
    if rsx_add(unrealised_of(position, mark), -position.owed, &out.unrealised):
        return fail(1201, position.net, mark)
    out.maintenance = maintenance_requirement(symbol, value)
    return 0


cdef int refresh_position(ledger_t* ledger, account_t* account,
                          position_t* position) except -1 nogil:
    """Make its share right, and with it the account's sums."""
    cdef const symbol_t* symbol = &ledger.symbols[position.symbol]
    cdef share_t share
    accrue(ledger, position)
    reckon_share(position, symbol, ledger_mark(symbol, ledger.stale_ns), &share)
    if (rsx_add(account.kept_unrealised, share.unrealised - position.kept_unrealised,
                &account.kept_unrealised)
            or rsx_add(account.kept_held, share.held - position.kept_held, &account.kept_held)):
        return fail(1201, account.user_id, share.held)
    account.kept_maintenance += share.maintenance - position.kept_maintenance
    position.kept_unrealised = share.unrealised
    position.kept_held = share.held
    position.kept_maintenance = share.maintenance
    position.kept_epoch = symbol.epoch
    return 0


cdef int refresh(ledger_t* ledger, account_t* account) except -1 nogil:
    """G-4: make the account's sums right."""
    cdef position_t* position
    cdef uint32_t slot
    if account.kept_epoch == ledger.epoch:
        if account.touched:
            refresh_position(ledger, account, &ledger.positions[account.touched])
    else:
        slot = account.first_position
        while slot:
            position = &ledger.positions[slot]
            if position.kept_epoch != ledger.symbols[position.symbol].epoch:
                refresh_position(ledger, account, position)
            slot = position.next
        account.kept_epoch = ledger.epoch
    account.touched = 0
    return 0


# --- accounts ---------------------------------------------------------------------------------


cdef uint64_t find_fresh_until(ledger_t* ledger) noexcept nogil:
    """Until when every symbol's mark is live and fresh; 1 = one of them is not."""
    cdef uint64_t until = UINT64_MAX, own
    cdef const symbol_t* symbol
    cdef int at
    for at in range(ledger.symbol_count):
        symbol = &ledger.symbols[at]
        if symbol.fed_px == 0 or symbol.mark_state != RSX_MARK_LIVE:
            return 1
        own = symbol.fed_ns + ledger.stale_ns
        until = min(until, max(own, symbol.fed_ns))
    return until


cdef bint is_priced(ledger_t* ledger, const account_t* account, uint64_t now_ns) noexcept nogil:
    """V-4: no open cross position has a missing or stale mark."""
    cdef uint32_t slot = account.first_position
    cdef const position_t* position
    if ledger.stale_ns == 0:
        return True
    if ledger.fresh_until == 0:
        ledger.fresh_until = find_fresh_until(ledger)
    if now_ns <= ledger.fresh_until and ledger.fresh_until > 1:
        return True
    while slot:
        position = &ledger.positions[slot]
        if (position.net and position.margin_mode != RSX_MARGIN_ISOLATED
                and not is_fresh(&ledger.symbols[position.symbol], ledger.stale_ns, now_ns)):
            return False
        slot = position.next
    return True


cdef int conclude(ledger_t* ledger, const account_t* account, uint64_t now_ns,
                  margin_t* out) except -1 nogil:
    """The rest of G-3 from the sums over positions."""
    cdef int64_t frozen = account.frozen + account.frozen_flying
    out.initial = out.held - frozen
    if (rsx_add(account.collateral, out.unrealised, &out.equity)
            or rsx_add(out.equity, -out.held, &out.available)
            or rsx_add(out.available, -account.leaving, &out.available)):
        return fail(1201, account.user_id, account.collateral)
    out.is_priced = is_priced(ledger, account, now_ns)
    return 0


cdef int ledger_margin(ledger_t* ledger, account_t* account, uint64_t now_ns,
                       margin_t* out) except -1 nogil:
    """G-2, G-3 of an account, from what is kept; O(what changed)."""
    refresh(ledger, account)
    out.unrealised = account.kept_unrealised
    out.held = account.kept_held
    out.maintenance = account.kept_maintenance
    return conclude(ledger, account, now_ns, out)


cdef int ledger_margin_scratch(ledger_t* ledger, account_t* account, uint64_t now_ns,
                               margin_t* out) except -1 nogil:
    """G-2, G-3 of an account with nothing kept; O(positions)."""
    cdef uint32_t slot = account.first_position
    cdef position_t* position
    cdef const symbol_t* symbol
    cdef share_t share
    memset(out, 0, sizeof(margin_t))
    while slot:
        position = &ledger.positions[slot]
        symbol = &ledger.symbols[position.symbol]
        accrue(ledger, position)
        reckon_share(position, symbol, ledger_mark(symbol, ledger.stale_ns), &share)
        if (rsx_add(out.unrealised, share.unrealised, &out.unrealised)
                or rsx_add(out.held, share.held, &out.held)):
            return fail(1201, account.user_id, share.held)
        out.maintenance += share.maintenance
        slot = position.next
    return conclude(ledger, account, now_ns, out)


cdef int audit_margin(ledger_t* ledger) except -1 nogil:
    """INV-31 over all accounts; O(accounts + positions)."""
    cdef uint64_t row
    cdef account_t* account
    cdef margin_t kept, whole
    for row in range(1, ledger.accounts_used + 1):
        account = &ledger.accounts[row]
        ledger_margin(ledger, account, 0, &kept)
        ledger_margin_scratch(ledger, account, 0, &whole)
        if kept.held != whole.held:
            return fail(31, account.user_id, kept.held - whole.held)
        if kept.unrealised != whole.unrealised:
            return fail(31, account.user_id, kept.unrealised - whole.unrealised)
        if kept.maintenance != whole.maintenance:
            return fail(31, account.user_id, kept.maintenance - whole.maintenance)
    return 0


cdef int account_outflow(ledger_t* ledger, account_t* account, uint64_t now_ns,
                         outflow_t* out) except -1 nogil:
    """P-2, P-3: what could leave now; O(positions)."""
    cdef uint32_t slot = account.first_position
    cdef const position_t* position
    cdef const symbol_t* symbol
    cdef margin_t margin
    cdef int64_t unrealised = 0, kept = 0, free_money, mark
    ledger_margin(ledger, account, now_ns, &margin)
    while slot:
        position = &ledger.positions[slot]
        if position.net and position.margin_mode != RSX_MARGIN_ISOLATED:
            symbol = &ledger.symbols[position.symbol]
            mark = ledger_mark(symbol, ledger.stale_ns)
            unrealised += unrealised_of(position, mark)
            kept += rsx_requirement(magnitude(position.net) * mark,
                                    symbol.rules.withdraw_keep_ppm)
        slot = position.next
    # available has the profit in it, which stays.
    free_money = margin.available - max(0, unrealised)
    out.unrealised = unrealised
    out.transferable = max(0, free_money)
    out.withdrawable = max(0, free_money + margin.held - max(margin.held, kept))
    out.is_priced = margin.is_priced
    return 0


# --- buckets ----------------------------------------------------------------------------------


cdef void look_at(const ledger_t* ledger, const position_t* position, uint64_t now_ns,
                  bucket_t* out, uint32_t* call_ppm) noexcept nogil:
    """What a bucket takes from an open position besides money."""
    cdef const symbol_t* symbol = &ledger.symbols[position.symbol]
    out.positions += 1
    if not is_fresh(symbol, ledger.stale_ns, now_ns):
        out.is_live = False
    call_ppm[0] = max(call_ppm[0], symbol.rules.margin_call_ppm)


cdef int isolated_bucket(const ledger_t* ledger, const position_t* position,
                         bucket_t* out) except -1 nogil:
    """Equity and maintenance of an open isolated position."""
    cdef const symbol_t* symbol = &ledger.symbols[position.symbol]
    cdef int64_t mark = ledger_mark(symbol, ledger.stale_ns), value = 0
    if (rsx_multiply(magnitude(position.net), mark, &value)
            or rsx_add(out.equity, unrealised_of(position, mark), &out.equity)):
        return fail(1201, position.net, mark)
    out.equity -= position.owed
    out.maintenance = maintenance_requirement(symbol, value)
    return 0


cdef int bucket_margin(ledger_t* ledger, account_t* account, position_t* isolated,
                       uint64_t now_ns, bucket_t* out) except -1 nogil:
    """G-3 of one bucket: of an isolated position, or (NULL) of the cross ones."""
    cdef uint32_t slot = account.first_position, call_ppm = 0
    cdef const position_t* position
    memset(out, 0, sizeof(bucket_t))
    out.is_live = True
    refresh(ledger, account)
    if isolated != NULL:
        out.equity = isolated.wallet
        if isolated.net:
            isolated_bucket(ledger, isolated, out)
            look_at(ledger, isolated, now_ns, out, &call_ppm)
    else:
        if rsx_add(account.collateral, account.kept_unrealised, &out.equity):
            return fail(1201, account.user_id, account.collateral)
        out.maintenance = account.kept_maintenance
        while slot:
            position = &ledger.positions[slot]
            if position.net and position.margin_mode != RSX_MARGIN_ISOLATED:
                look_at(ledger, position, now_ns, out, &call_ppm)
            slot = position.next
    out.call_at = rsx_scale_up(out.maintenance, call_ppm)
    return 0


# --- estimates --------------------------------------------------------------------------------


cdef bint is_below_at(const ledger_t* ledger, const account_t* account,
                      const position_t* position, int64_t others, int64_t mark) noexcept nogil:
    """Whether its bucket is below maintenance at another mark of its symbol; `others`: equity less
    maintenance without the symbol. What leaves 64 bits is far below."""
    cdef const symbol_t* symbol = &ledger.symbols[position.symbol]
    cdef uint32_t slot = account.first_position
    cdef const position_t* leg
    cdef int64_t value = 0
    while slot:
        leg = &ledger.positions[slot]
        slot = leg.next
        if leg.symbol != position.symbol or leg.net == 0:
            continue
        if leg != position and position.margin_mode == RSX_MARGIN_ISOLATED:
            continue
        if (rsx_multiply(magnitude(leg.net), mark, &value)
                or rsx_add(others, unrealised_of(leg, mark), &others)
                or rsx_add(others, -maintenance_requirement(symbol, value), &others)):
            return True
    return others < 0


cdef int slack_of_others(ledger_t* ledger, account_t* account, position_t* position,
                         int64_t* out) except -1 nogil:
    """Equity less maintenance of its bucket, what its own symbol adds to them left out."""
    cdef uint32_t slot = account.first_position
    cdef const position_t* leg
    cdef bucket_t bucket
    if position.margin_mode == RSX_MARGIN_ISOLATED:
        out[0] = position.wallet - position.owed
        return 0
    bucket_margin(ledger, account, NULL, 0, &bucket)
    out[0] = bucket.equity - bucket.maintenance
    while slot:
        leg = &ledger.positions[slot]
        if leg.symbol == position.symbol and leg.net:
            out[0] -= leg.kept_unrealised + leg.owed - leg.kept_maintenance
        slot = leg.next
    return 0


cdef int64_t liquidation_px(ledger_t* ledger, account_t* account,
                            position_t* position) except -1 nogil:
    """The mark nearest to the present one, the way that hurts it, at which its bucket is below
    maintenance while other symbols stay; the mark itself where it is now; 0 = none."""
    cdef const symbol_t* symbol = &ledger.symbols[position.symbol]
    cdef int64_t safe = ledger_mark(symbol, ledger.stale_ns), below, between, others = 0
    if position.net == 0:
        return 0
    refresh(ledger, account)
    slack_of_others(ledger, account, position, &others)
    if is_below_at(ledger, account, position, others, safe):
        return safe
    below = 1 if position.net > 0 else max(symbol.px_max, safe)
    if not is_below_at(ledger, account, position, others, below):
        return 0
    # Equity less maintenance is concave in the mark: what is safe is one stretch.
    while magnitude(safe - below) > 1:
        between = below + rsx_floor_div(safe - below, 2)
        if is_below_at(ledger, account, position, others, between):
            below = between
        else:
            safe = between
    return below


cdef int64_t bankruptcy_px(ledger_t* ledger, account_t* account,
                           position_t* position) except -1 nogil:
    """B of LQ-8: where the position's part of its bucket's equity is used up; 0 = flat."""
    cdef const symbol_t* symbol = &ledger.symbols[position.symbol]
    cdef int64_t mark = ledger_mark(symbol, ledger.stale_ns), size = magnitude(position.net)
    cdef int64_t equity, px, value = 0
    cdef bucket_t bucket
    if size == 0:
        return 0
    if position.margin_mode == RSX_MARGIN_ISOLATED:
        bucket_margin(ledger, account, position, 0, &bucket)
        equity = bucket.equity
    else:
        bucket_margin(ledger, account, NULL, 0, &bucket)
        if rsx_multiply(size, mark, &value):
            return fail(1201, position.net, mark)
        equity = bucket.equity
        if bucket.maintenance:
            equity = rsx_floor_share(
                equity, maintenance_requirement(symbol, value), bucket.maintenance)
    px = rsx_floor_div(equity, size)
    if rsx_add(mark, -px if position.net > 0 else px, &px):
        px = symbol.px_max
    return min(max(px, 1), symbol.px_max)
