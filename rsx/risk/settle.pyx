# cython: boundscheck=False
"""After the match: the only way that records change a ledger, live and in recovery.

Here is what records about orders do; money, funding, stages and rules have files of their own.
Every record about an order is held against what is known of it (A-8). `is_live`: what this tile's
own users (SH-2) asked for was in flight here, and is taken back. Rules A-1 to A-8, V-6 to V-13:
specs/risk.md. Enforces INV-4, INV-11, INV-13.
"""

from libc.stdint cimport int64_t, uint8_t, uint32_t, uint64_t
from libc.string cimport memset

from rsx.core.check cimport fail
from rsx.records_c cimport *
from rsx.risk.accounts cimport (
    account_t, exposing, find_position, is_own, ledger_account, ledger_index, ledger_t, leg_of,
    open_position, position_t, symbol_t,
)
from rsx.risk.funding cimport apply_funding, funding_sample
from rsx.risk.margin cimport move_symbol, scale_open_interest, touch_account, touch_orders
from rsx.risk.money cimport apply_money
from rsx.risk.moves cimport move_position
from rsx.risk.orders cimport (
    IN_HAND, RESTS, SYMBOLS_MAX, order_t, orders_add, orders_find, orders_remove,
)
from rsx.risk.rules cimport apply_rules, forget_rules
from rsx.risk.stages cimport (
    apply_made_good, apply_step, apply_transferred, end_lost_rounds, end_round, end_transfer,
    note_own_oid,
)
from rsx.units cimport rsx_add

# What a record is about, by its type.
cdef enum:
    NOTHING = 0
    ORDERS = 1
    MONEY = 2
    FUNDING = 3
    RULES = 4
    OTHERS = 5


# --- what is in flight ------------------------------------------------------------------------


cdef int take_back(ledger_t* ledger, uint32_t user_id, int symbol, uint8_t side, uint8_t flags,
                   int64_t qty, int64_t reserved) except -1 nogil:
    """A request in flight has reached the log (V-6, V-13)."""
    cdef account_t* account
    cdef position_t* position
    cdef int leg = leg_of(side, flags)
    if qty == 0 and reserved == 0:
        return 0  # a trigger's, or nothing more than what was held
    account = ledger_account(ledger, user_id)
    position = find_position(ledger, account, symbol, leg) if account != NULL else NULL
    if position == NULL:
        return fail(11, user_id, reserved)
    touch_orders(ledger, position)
    account.frozen_flying -= reserved
    position.frozen_flying -= reserved
    if side == RSX_BUY:
        position.flying_buy -= qty
    else:
        position.flying_sell -= qty
    if position.frozen_flying < 0 or position.flying_buy < 0 or position.flying_sell < 0:
        return fail(11, user_id, position.frozen_flying)
    return 0


cdef int amendment_answered(ledger_t* ledger, uint32_t user_id, int symbol, int leg,
                            uint64_t oid) except -1 nogil:
    """V-13: one amendment less is in flight."""
    cdef account_t* account = ledger_account(ledger, user_id)
    cdef position_t* position = NULL
    cdef uint32_t slot = orders_find(&ledger.orders, oid)
    if account != NULL:
        position = find_position(ledger, account, symbol, leg)
    if position == NULL or position.amending == 0:
        return fail(11, user_id, oid)
    position.amending -= 1
    if position.amending == 0:
        position.unseen = 0
    # Of an order that had not been seen none was counted; then `unseen` is not 0 yet.
    if slot and ledger.orders.rows[slot].amending:
        ledger.orders.rows[slot].amending -= 1
    return 0


# --- live orders ------------------------------------------------------------------------------


cdef inline int open_side(position_t* position, uint8_t side, int64_t qty) noexcept nogil:
    """Move a position's open quantity; -1 when it falls below 0."""
    if side == RSX_BUY:
        position.open_buy += qty
        return -1 if position.open_buy < 0 else 0
    position.open_sell += qty
    return -1 if position.open_sell < 0 else 0


cdef inline int set_held(ledger_t* ledger, order_t* order, int64_t remaining,
                         int64_t reserved) except -1 nogil:
    """Give an order another open quantity and reservation; its position follows (A-8)."""
    cdef account_t* account = &ledger.accounts[order.account]
    cdef position_t* position = &ledger.positions[order.position]
    cdef int64_t change = reserved - order.reserved
    touch_orders(ledger, position)
    account.frozen += change
    position.frozen += change
    if open_side(position, order.side, exposing(remaining - order.remaining, order.flags)):
        return fail(13, order.oid, remaining)
    if reserved < 0 or remaining < 0 or position.frozen < 0 or (remaining == 0 and reserved):
        return fail(11, order.oid, reserved)
    order.remaining = remaining
    order.reserved = reserved
    return 0


cdef inline uint32_t live_slot(ledger_t* ledger, const symbol_t* symbol,
                               uint64_t oid) except 0 nogil:
    """The row of an order that a record names: in hand, or found by its id."""
    cdef uint32_t slot = symbol.hand
    if slot and ledger.orders.rows[slot].oid == oid:
        return slot
    slot = orders_find(&ledger.orders, oid)
    if slot == 0:
        fail(13, oid, 0)
    return slot


cdef inline int end_order(ledger_t* ledger, symbol_t* symbol, uint32_t slot) except -1 nogil:
    """The order of this row has ended."""
    cdef const order_t* order = &ledger.orders.rows[slot]
    ledger.accounts[order.account].live_orders -= 1
    ledger.positions[order.position].live_orders -= 1
    if order.kind == RSX_LIQUIDATION:
        end_round(ledger, &ledger.positions[order.position], order.oid)
    if symbol.hand == slot:
        symbol.hand = 0
    return orders_remove(&ledger.orders, slot)


cdef int apply_accepted(ledger_t* ledger, const rsx_order_accepted_t* event,
                        int index) except -1 nogil:
    cdef account_t* account = ledger_account(ledger, event.user_id)
    cdef symbol_t* symbol = &ledger.symbols[index]
    cdef position_t* position
    cdef order_t order
    if account == NULL or event.qty <= 0 or event.side > RSX_SELL or symbol.hand:
        return fail(11, event.user_id, event.oid)
    position = open_position(ledger, account, index, leg_of(event.side, event.flags))
    if position == NULL:
        return fail(11, event.user_id, index)
    memset(&order, 0, sizeof(order_t))
    order.oid = event.oid
    order.px = event.px
    order.account = <uint32_t>(account - ledger.accounts)
    order.position = <uint32_t>(position - ledger.positions)
    order.symbol = <uint16_t>index
    order.side = event.side
    order.flags = event.flags & <uint8_t>~RSX_RESTS
    order.kind = event.kind
    account.live_orders += 1
    position.live_orders += 1
    note_own_oid(ledger, event.oid)
    set_held(ledger, &order, event.qty, event.reserved)
    if event.flags & RSX_RESTS:
        orders_add(&ledger.orders, &order)
        return 0
    order.place = IN_HAND
    symbol.hand = index + 1
    ledger.orders.rows[symbol.hand] = order
    return 0


cdef int apply_rested(ledger_t* ledger, const rsx_order_rested_t* event,
                      int index) except -1 nogil:
    """The order in hand comes to rest; one that was amended has its row already."""
    cdef symbol_t* symbol = &ledger.symbols[index]
    cdef uint32_t slot = symbol.hand
    cdef order_t* order = &ledger.orders.rows[slot]
    if slot == 0 or order.oid != event.oid or order.remaining != event.remaining:
        return fail(13, event.oid, event.remaining)
    if order.reserved != event.reserved or order.filled != event.qty - event.remaining:
        return fail(11, event.oid, event.reserved)
    symbol.hand = 0
    if slot > SYMBOLS_MAX:
        order.place = RESTS
        return 0
    orders_add(&ledger.orders, order)
    return orders_remove(&ledger.orders, slot)


cdef int apply_amended(ledger_t* ledger, const rsx_order_amended_t* event, int index,
                       bint is_live) except -1 nogil:
    """V-12, V-13."""
    cdef symbol_t* symbol = &ledger.symbols[index]
    cdef uint32_t slot = orders_find(&ledger.orders, event.oid)
    cdef order_t* order = &ledger.orders.rows[slot]
    if slot == 0 or symbol.hand or event.qty - event.remaining != order.filled:
        return fail(13, event.oid, event.remaining)
    if event.reserved > order.reserved + event.extra:
        return fail(11, event.oid, event.reserved)
    if exposing(event.remaining, order.flags) > order.remaining + event.extra_qty:
        return fail(13, event.oid, event.remaining)
    if is_live and is_own(ledger, event.user_id):
        take_back(ledger, event.user_id, index, event.side, order.flags, event.extra_qty,
                  event.extra)
        amendment_answered(ledger, event.user_id, index, leg_of(order.side, order.flags),
                           event.oid)
    set_held(ledger, order, event.remaining, event.reserved)
    order.px = event.px
    if not event.flags & (RSX_RESTS | RSX_KEPT):
        symbol.hand = slot
        order.place = IN_HAND
    return 0


cdef int apply_cancelled(ledger_t* ledger, const rsx_order_cancelled_t* event, int index,
                         bint is_live) except -1 nogil:
    cdef symbol_t* symbol = &ledger.symbols[index]
    cdef uint32_t slot = live_slot(ledger, symbol, event.oid)
    cdef order_t* order = &ledger.orders.rows[slot]
    if order.remaining != event.cancelled_qty or order.filled != event.filled_qty:
        return fail(13, event.oid, order.remaining)
    if order.reserved != event.released:
        return fail(11, event.oid, order.reserved)
    if (event.reason == RSX_R_AMENDED_AWAY and is_live
            and is_own(ledger, event.user_id)):
        amendment_answered(ledger, event.user_id, index, leg_of(order.side, order.flags),
                           event.oid)
    set_held(ledger, order, 0, 0)
    return end_order(ledger, symbol, slot)


cdef int apply_reduced(ledger_t* ledger, const rsx_order_reduced_t* event,
                       int index) except -1 nogil:
    cdef uint32_t slot = live_slot(ledger, &ledger.symbols[index], event.oid)
    cdef order_t* order = &ledger.orders.rows[slot]
    if order.remaining - event.cancelled_qty != event.remaining or event.remaining <= 0:
        return fail(13, event.oid, event.remaining)
    return set_held(ledger, order, event.remaining, order.reserved - event.released)


# --- fills ------------------------------------------------------------------------------------


cdef int settle(ledger_t* ledger, order_t* order, const rsx_fill_t* fill, uint32_t user_id,
                int64_t remaining, int64_t released, int64_t fee) except -1 nogil:
    """One side of a fill."""
    cdef symbol_t* symbol
    cdef account_t* fund
    if order.remaining - fill.qty != remaining or ledger.accounts[order.account].user_id != user_id:
        return fail(13, order.oid, order.remaining)
    set_held(ledger, order, remaining, order.reserved - released)
    order.filled += fill.qty
    move_position(ledger, &ledger.positions[order.position], order.side, fill.qty, fill.px, fee,
                  False)
    end_transfer(&ledger.positions[order.position])  # its own reducing order came first (LQ-8)
    if order.kind != RSX_LIQUIDATION:
        ledger.fee_account += fee
        return 0
    symbol = &ledger.symbols[order.symbol]
    fund = &ledger.accounts[symbol.fund]
    if rsx_add(fund.collateral, fee, &fund.collateral):
        return fail(1203, fund.user_id, fee)
    touch_account(ledger, fund)
    return 0


cdef int apply_fill(ledger_t* ledger, const rsx_fill_t* fill, int index) except -1 nogil:
    cdef symbol_t* symbol = &ledger.symbols[index]
    cdef uint32_t taken = symbol.hand, made = orders_find(&ledger.orders, fill.maker_oid)
    cdef order_t* taker = &ledger.orders.rows[taken]
    cdef order_t* maker = &ledger.orders.rows[made]
    if taken == 0 or taker.oid != fill.taker_oid or taker.side != fill.taker_side:
        return fail(4, fill.seq, fill.taker_oid)
    if made == 0 or made == taken or maker.side == taker.side or maker.px != fill.px:
        return fail(4, fill.seq, fill.maker_oid)
    settle(ledger, taker, fill, fill.taker_user_id, fill.taker_remaining, fill.taker_release,
           fill.taker_fee)
    settle(ledger, maker, fill, fill.maker_user_id, fill.maker_remaining, fill.maker_release,
           fill.maker_fee)
    if fill.maker_remaining == 0:
        end_order(ledger, symbol, made)
    if fill.taker_remaining == 0:
        end_order(ledger, symbol, taken)
    if symbol.last_px != fill.px:
        symbol.last_px = fill.px
        if ledger.stale_ns == 0:
            move_symbol(ledger, symbol)
    return 0


# --- other records ----------------------------------------------------------------------------


cdef int apply_mark(ledger_t* ledger, symbol_t* symbol,
                    const rsx_mark_price_t* mark) except -1 nogil:
    if mark.mark_px <= 0:
        return fail(14, mark.seq, mark.mark_px)
    symbol.fed_px = mark.mark_px
    symbol.index_px = mark.index_px
    symbol.mark_state = mark.state
    symbol.fed_ns = mark.ts_ns
    funding_sample(symbol, mark)
    scale_open_interest(symbol, mark.mark_px)
    move_symbol(ledger, symbol)
    return 0


cdef int apply_rejected(ledger_t* ledger, const rsx_order_rejected_t* event, int index,
                        bint is_live) except -1 nogil:
    cdef account_t* account
    cdef position_t* position
    note_own_oid(ledger, event.oid)
    if event.kind == RSX_LIQUIDATION:
        account = ledger_account(ledger, event.user_id)
        position = NULL
        if account != NULL:
            position = find_position(ledger, account, index, leg_of(event.side, event.flags))
        if position != NULL:
            end_round(ledger, position, event.oid)
    if is_live and is_own(ledger, event.user_id):
        take_back(ledger, event.user_id, index, event.side, event.flags,
                  exposing(event.qty, event.flags), event.released)
    return 0


cdef int give_back(ledger_t* ledger, const rsx_record_t* record, int index) except -1 nogil:
    """Answers that end what a request had in flight and change no order."""
    cdef const rsx_order_duplicate_t* duplicate
    cdef const rsx_order_released_t* released
    cdef const rsx_amend_rejected_t* refused
    if record.type == RSX_ORDER_DUPLICATE:
        duplicate = <const rsx_order_duplicate_t*>record
        if not is_own(ledger, duplicate.user_id):
            return 0
        return take_back(ledger, duplicate.user_id, index, duplicate.side, duplicate.flags,
                         exposing(duplicate.qty, duplicate.flags), duplicate.released)
    if record.type == RSX_ORDER_RELEASED:
        released = <const rsx_order_released_t*>record
        if not is_own(ledger, released.user_id):
            return 0
        return take_back(ledger, released.user_id, index, released.side, released.flags,
                         exposing(released.qty, released.flags), released.released)
    refused = <const rsx_amend_rejected_t*>record
    if not is_own(ledger, refused.user_id):
        return 0
    take_back(ledger, refused.user_id, index, refused.side, refused.flags, refused.extra_qty,
              refused.extra)
    return amendment_answered(ledger, refused.user_id, index,
                              leg_of(refused.side, refused.flags), refused.oid)


cdef int apply_of_orders(ledger_t* ledger, const rsx_record_t* record, int index,
                         bint is_live) except -1 nogil:
    """A record about an order, or a mark."""
    cdef uint16_t kind = record.type
    cdef const rsx_order_accepted_t* accepted
    if kind == RSX_FILL:
        return apply_fill(ledger, <const rsx_fill_t*>record, index)
    if kind == RSX_ORDER_ACCEPTED:
        accepted = <const rsx_order_accepted_t*>record
        if is_live and is_own(ledger, accepted.user_id):
            take_back(ledger, accepted.user_id, index, accepted.side, accepted.flags,
                      exposing(accepted.qty, accepted.flags), accepted.reserved)
        return apply_accepted(ledger, accepted, index)
    if kind == RSX_ORDER_CANCELLED:
        return apply_cancelled(ledger, <const rsx_order_cancelled_t*>record, index, is_live)
    if kind == RSX_ORDER_RESTED:
        return apply_rested(ledger, <const rsx_order_rested_t*>record, index)
    if kind == RSX_ORDER_REDUCED:
        return apply_reduced(ledger, <const rsx_order_reduced_t*>record, index)
    if kind == RSX_ORDER_AMENDED:
        return apply_amended(ledger, <const rsx_order_amended_t*>record, index, is_live)
    if kind == RSX_MARK_PRICE:
        return apply_mark(ledger, &ledger.symbols[index], <const rsx_mark_price_t*>record)
    if kind == RSX_ORDER_REJECTED:
        return apply_rejected(ledger, <const rsx_order_rejected_t*>record, index, is_live)
    return give_back(ledger, record, index) if is_live else 0


cdef int apply_other(ledger_t* ledger, const rsx_record_t* record) except -1 nogil:
    """Rare records, of markets, liquidations and the log itself."""
    cdef int index
    if record.type == RSX_LIQUIDATION_STEP:
        return apply_step(ledger, <const rsx_liquidation_step_t*>record)
    if record.type == RSX_LIQUIDATION_SETTLED:
        return apply_made_good(ledger, <const rsx_liquidation_settled_t*>record)
    if record.type == RSX_LOG_STARTED:
        end_lost_rounds(ledger)
        forget_rules(ledger)
        return 0
    index = ledger_index(ledger, record.stream)
    if index < 0:
        return fail(14, record.seq, record.stream)
    if record.type == RSX_POSITION_TRANSFERRED:
        return apply_transferred(ledger, <const rsx_position_transferred_t*>record, index)
    ledger.symbols[index].mode = (<const rsx_trading_mode_t*>record).mode
    return 0


cdef int ledger_apply(ledger_t* ledger, const rsx_record_t* record, bint is_live) except -1 nogil:
    """Apply one released record; is_live: this tile's users may have its request in flight."""
    cdef int index
    cdef uint8_t about = ABOUT[record.type & 127]
    ledger.applied += 1
    if about == NOTHING:
        return 0
    if about == MONEY:
        return apply_money(ledger, record, is_live)
    if about == FUNDING:
        return apply_funding(ledger, record)
    if about == OTHERS:
        return apply_other(ledger, record)
    index = ledger_index(ledger, record.stream)
    if index < 0:
        return fail(14, record.seq, record.stream)
    if about == RULES:
        return apply_rules(ledger, record, index)
    return apply_of_orders(ledger, record, index, is_live)


cdef uint8_t[128] ABOUT
for _about, _types in (
    (ORDERS, (RSX_ORDER_ACCEPTED, RSX_FILL, RSX_ORDER_RESTED, RSX_ORDER_CANCELLED,
              RSX_ORDER_REJECTED, RSX_ORDER_REDUCED, RSX_ORDER_DUPLICATE, RSX_MARK_PRICE,
              RSX_ORDER_AMENDED, RSX_AMEND_REJECTED, RSX_ORDER_RELEASED)),
    (MONEY, (RSX_DEPOSIT, RSX_WITHDRAWAL, RSX_MARGIN_CONFIG, RSX_MARGIN_TRANSFERRED,
             RSX_ACCOUNT_CONFIG)),
    (FUNDING, (RSX_FUNDING_SETTLED, RSX_FUNDING_PAYMENT, RSX_FUNDING_DONE)),
    (RULES, (RSX_SYMBOL_CONFIG, RSX_SYMBOL_LIMITS, RSX_SYMBOL_RISK, RSX_SYMBOL_BRACKETS)),
    (OTHERS, (RSX_TRADING_MODE, RSX_LIQUIDATION_STEP, RSX_POSITION_TRANSFERRED,
              RSX_LIQUIDATION_SETTLED, RSX_LOG_STARTED)),
):
    for _type in _types:
        ABOUT[_type] = _about
