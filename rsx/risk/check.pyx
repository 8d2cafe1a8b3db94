# cython: boundscheck=False
"""Before the match: what a request must have free, and what it then has in flight.

Each check returns 0 and has reserved, or a reason and has changed nothing. Pure: time is an
argument. Rules V-1 to V-16, HG-3, P-1, A-7: specs/risk.md.
"""

from libc.stdint cimport int64_t, uint8_t, uint32_t, uint64_t
from libc.string cimport memset

from rsx.records_c cimport *
from rsx.risk.accounts cimport (
    account_t, blank_position, find_position, is_fresh, ledger_account, ledger_index, ledger_mark,
    ledger_t, leg_of, open_position, position_t, protection_px, symbol_t,
)
from rsx.risk.margin cimport (
    in_liquidation, initial_requirement, ledger_margin, margin_t, touch_orders,
)
from rsx.risk.orders cimport order_t, orders_find
from rsx.units cimport rsx_add, rsx_fee, rsx_keep, rsx_multiply, rsx_product_within

cdef int64_t BALANCE_MAX = <int64_t>1 << 56


cdef inline bint is_market(uint8_t kind) noexcept nogil:
    """V-9: kinds without a price of their own."""
    return (kind == RSX_MARKET or kind == RSX_STOP_MARKET or kind == RSX_TAKE_PROFIT_MARKET
            or kind == RSX_TRAILING_STOP)


cdef inline int64_t exposure_before(const position_t* position, uint8_t side,
                                    int64_t own) noexcept nogil:
    """V-1, V-3: exposure on an order's side without it, negative where there is some on the other
    side; own: what the order has open already (V-11)."""
    if side == RSX_BUY:
        return position.net + position.open_buy + position.flying_buy - own
    return position.open_sell + position.flying_sell - own - position.net


cdef int require(const symbol_t* symbol, uint32_t leverage_ppm, uint8_t side, int64_t px,
                 int64_t qty, int64_t before, int64_t mark, int64_t* added,
                 int64_t* required) noexcept nogil:
    """V-1, V-3: the part of qty that adds to exposure `before`, and what it takes; -1 when a
    product leaves 64 bits."""
    cdef int64_t value = 0, base = 0, loss = 0, total = 0
    if rsx_add(before, qty, &total):
        return -1
    added[0] = min(qty, max(total, 0))
    required[0] = 0
    if added[0] == 0:
        return 0
    if rsx_multiply(added[0], max(px, mark), &value):
        return -1
    if side == RSX_BUY and px > mark:
        loss = added[0] * (px - mark)  # below added x worse
    elif side == RSX_SELL and px < mark:
        loss = added[0] * (mark - px)
    if rsx_add(loss, max(0, rsx_fee(value, symbol.taker_fee_ppm)), &loss):
        return -1
    if before > 0:
        if rsx_multiply(before, mark, &base) or rsx_add(value, base, &value):
            return -1
        loss -= initial_requirement(symbol, leverage_ppm, base)
    return rsx_add(initial_requirement(symbol, leverage_ppm, value), loss, required)


cdef int afford(ledger_t* ledger, account_t* account, const symbol_t* symbol,
                int64_t required, uint64_t now_ns, int64_t* available) except -1 nogil:
    """V-4: 0 when the account has this much free, else why not."""
    cdef margin_t margin
    ledger_margin(ledger, account, now_ns, &margin)
    available[0] = margin.available
    if not margin.is_priced or not is_fresh(symbol, ledger.stale_ns, now_ns):
        return RSX_R_MARK_UNAVAILABLE
    return RSX_R_INSUFFICIENT_MARGIN if required > available[0] else 0


cdef inline void put_in_flight(ledger_t* ledger, account_t* account, position_t* position,
                               uint8_t side, uint8_t flags, int64_t margin,
                               int64_t qty) noexcept nogil:
    """V-5."""
    touch_orders(ledger, position)
    account.frozen_flying += margin
    position.frozen_flying += margin
    if flags & RSX_REDUCE_ONLY:
        return
    if side == RSX_BUY:
        position.flying_buy += qty
    else:
        position.flying_sell += qty


# --- orders -----------------------------------------------------------------------------------


cdef int price_market(const ledger_t* ledger, const symbol_t* symbol, ask_t* ask) noexcept nogil:
    """V-9: give a market order its price, or the reason for refusing."""
    if ledger.stale_ns and symbol.fed_px == 0:
        return RSX_R_MARK_UNAVAILABLE
    ask.px = protection_px(symbol, ask.side, ledger_mark(symbol, ledger.stale_ns))
    if not rsx_product_within(ask.px, ask.qty, symbol.notional_max):
        return RSX_R_NOTIONAL_TOO_LARGE
    return 0


cdef inline bint is_misfit(const account_t* account, uint8_t flags) noexcept nogil:
    """HG-3: an order says HEDGE exactly where the account is in hedge mode."""
    return (flags & RSX_HEDGE != 0) != (account.position_mode == RSX_POSITION_HEDGE)


cdef inline bint is_kept_out(const account_t* account, const position_t* position,
                             uint8_t flags) noexcept nogil:
    """V-16: whether liquidation has no room for this order."""
    if flags & RSX_REDUCE_ONLY:
        return position.order_oid != 0
    return in_liquidation(account, position)


cdef int judge(ledger_t* ledger, account_t* account, const position_t* position,
               const symbol_t* symbol, ask_t* ask, uint64_t now_ns) except -1 nogil:
    """V-1 to V-4, V-9, V-16, HG-3: 0, or the reason; both with what was found."""
    cdef int64_t added = 0
    cdef int reason
    if account != NULL:
        if is_misfit(account, ask.flags):
            return RSX_R_POSITION_MODE_MISMATCH
        if is_kept_out(account, position, ask.flags):
            return RSX_R_IN_LIQUIDATION
    if is_market(ask.kind):
        reason = price_market(ledger, symbol, ask)
        if reason:
            return reason
    elif ask.px <= 0:
        return RSX_R_ORDER_INVALID
    if not ask.flags & RSX_REDUCE_ONLY and require(
            symbol, position.leverage_ppm, ask.side, ask.px, ask.qty,
            exposure_before(position, ask.side, 0), ledger_mark(symbol, ledger.stale_ns), &added,
            &ask.required):
        ask.required = 0
        return RSX_R_NOTIONAL_TOO_LARGE
    if account == NULL:
        return RSX_R_INSUFFICIENT_MARGIN
    if added == 0:
        return 0
    return afford(ledger, account, symbol, ask.required, now_ns, &ask.available)


cdef int ledger_check(ledger_t* ledger, ask_t* ask, uint64_t now_ns) except -1 nogil:
    """V-1 to V-5, V-9, V-10: 0 and reserve `required` in flight, or the reason for refusing."""
    cdef account_t* account = ledger_account(ledger, ask.user_id)
    cdef int index = ledger_index(ledger, ask.symbol_id), leg = leg_of(ask.side, ask.flags)
    cdef position_t* position = NULL
    cdef position_t blank
    cdef int reason
    ask.required = ask.available = 0
    if index < 0 or ask.qty <= 0 or ask.side > RSX_SELL:
        return RSX_R_ORDER_INVALID
    if account != NULL:
        position = find_position(ledger, account, index, leg)
    if position == NULL:
        blank_position(ledger, account, index, leg, &blank)
    reason = judge(ledger, account, position if position != NULL else &blank,
                   &ledger.symbols[index], ask, now_ns)
    if reason:
        return reason
    if position == NULL:
        position = open_position(ledger, account, index, leg)
        if position == NULL:
            return RSX_R_TOO_MANY_POSITIONS
    if ask.stp == RSX_STP_DEFAULT:
        ask.stp = account.stp
    ask.owner_group = account.owner_group
    put_in_flight(ledger, account, position, ask.side, ask.flags, ask.required, ask.qty)
    return 0


cdef int ledger_check_trigger(ledger_t* ledger, uint32_t user_id, uint32_t symbol_id,
                              uint8_t flags, uint8_t* stp) noexcept nogil:
    """V-14: a trigger reserves nothing; stp 4 becomes the account's default."""
    cdef const account_t* account = ledger_account(ledger, user_id)
    if ledger_index(ledger, symbol_id) < 0:
        return RSX_R_UNKNOWN_SYMBOL
    if account == NULL:
        return RSX_R_INSUFFICIENT_MARGIN
    if is_misfit(account, flags):
        return RSX_R_POSITION_MODE_MISMATCH
    if stp[0] == RSX_STP_DEFAULT:
        stp[0] = account.stp
    return 0


# --- amendments -------------------------------------------------------------------------------


cdef inline order_t* live_order(ledger_t* ledger, const symbol_t* symbol,
                                uint64_t oid) noexcept nogil:
    """A-8: an order at rest or in hand, NULL when the log has not shown it or it has ended."""
    cdef uint32_t slot = orders_find(&ledger.orders, oid)
    if slot == 0 and symbol.hand and ledger.orders.rows[symbol.hand].oid == oid:
        slot = symbol.hand
    return &ledger.orders.rows[slot] if slot else NULL


cdef int require_amended(ledger_t* ledger, const symbol_t* symbol, const position_t* position,
                         const order_t* order, const rsx_amend_request_t* request,
                         amend_t* out) noexcept nogil:
    """V-11: what the amended order is to hold, and how much of it is not held yet."""
    cdef int64_t open_qty = 0, reserved = 0, left = request.qty, added = 0
    if order != NULL:
        left -= order.filled
        # Before one in flight is answered nobody knows what the order holds.
        if order.amending == 0 and position.unseen == 0:
            open_qty, reserved = order.remaining, order.reserved
    if left <= 0:
        return 0
    out.assumed = left
    if request.flags & RSX_REDUCE_ONLY:
        return 0
    if left <= open_qty and request.px == order.px:
        out.reserved = rsx_keep(reserved, left, open_qty)
        return 0
    if require(symbol, position.leverage_ppm, request.side, request.px, left,
               exposure_before(position, request.side, open_qty),
               ledger_mark(symbol, ledger.stale_ns), &added, &out.reserved):
        out.reserved = 0
        return RSX_R_NOTIONAL_TOO_LARGE
    out.extra = max(0, out.reserved - reserved)
    if left > open_qty:
        out.extra_qty = left - open_qty
        out.extra = max(out.extra, rsx_keep(out.reserved, out.extra_qty, left))
    return 0


cdef int ledger_check_amend(ledger_t* ledger, const rsx_amend_request_t* request, uint64_t now_ns,
                            amend_t* out) except -1 nogil:
    """V-11: 0 and have `extra` and `extra_qty` in flight, or the reason for refusing."""
    cdef account_t* account = ledger_account(ledger, request.user_id)
    cdef int index = ledger_index(ledger, request.symbol_id)
    cdef position_t* position
    cdef const symbol_t* symbol
    cdef order_t* order
    cdef int reason
    memset(out, 0, sizeof(amend_t))
    if index < 0:
        return RSX_R_UNKNOWN_SYMBOL
    if request.px <= 0 or request.qty <= 0 or request.side > RSX_SELL:
        return RSX_R_ORDER_INVALID
    if account == NULL:
        return RSX_R_ORDER_NOT_OPEN
    symbol = &ledger.symbols[index]
    order = live_order(ledger, symbol, request.oid)
    if order != NULL and (order.account != <uint32_t>(account - ledger.accounts)
                          or order.symbol != index):
        return RSX_R_ORDER_NOT_OPEN
    if is_misfit(account, request.flags):
        return RSX_R_POSITION_MODE_MISMATCH
    position = open_position(ledger, account, index, leg_of(request.side, request.flags))
    if position == NULL:
        return RSX_R_TOO_MANY_POSITIONS
    reason = require_amended(ledger, symbol, position, order, request, out)
    if reason == 0 and out.extra:
        if in_liquidation(account, position):
            return RSX_R_IN_LIQUIDATION
        reason = afford(ledger, account, symbol, out.extra, now_ns, &out.available)
    if reason:
        return reason
    put_in_flight(ledger, account, position, request.side, request.flags, out.extra, out.extra_qty)
    position.amending += 1
    if order != NULL:
        order.amending += 1
    else:
        position.unseen += 1
    return 0


# --- accounts ---------------------------------------------------------------------------------


cdef int ledger_check_deposit(ledger_t* ledger, uint32_t user_id, int64_t amount) noexcept nogil:
    """P-1: 0 and count it as in flight, or the reason for refusing."""
    cdef account_t* account = ledger_account(ledger, user_id)
    cdef int64_t balance = account.collateral if account != NULL else 0
    if amount <= 0 or user_id == 0:
        return RSX_R_AMOUNT_INVALID
    if account == NULL and ledger.accounts_used >= ledger.accounts_max:
        return RSX_R_TOO_MANY_ACCOUNTS
    if amount > BALANCE_MAX or ledger.deposits_flying > BALANCE_MAX - amount:
        return RSX_R_BALANCE_LIMIT
    if balance > BALANCE_MAX - ledger.deposits_flying - amount:
        return RSX_R_BALANCE_LIMIT
    ledger.deposits_flying += amount
    return 0


cdef int ledger_check_config(ledger_t* ledger, const rsx_account_config_request_t* request,
                             uint32_t* owner_group, uint8_t* stp) noexcept nogil:
    """A-7: 0 and the account's settings in full, or the reason for refusing."""
    cdef account_t* account = ledger_account(ledger, request.user_id)
    if account == NULL:
        return RSX_R_NO_ACCOUNT
    if request.fields & 2 and request.stp >= RSX_STP_DEFAULT:
        return RSX_R_INVALID_VALUE
    if request.fields & 1:
        account.owner_asked = request.owner_group
    if request.fields & 2:
        account.stp_asked = request.stp
    owner_group[0] = account.owner_asked
    stp[0] = account.stp_asked
    return 0
