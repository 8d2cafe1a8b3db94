# cython: boundscheck=False
"""Accounts, positions and margin: what the log has confirmed, and what is in flight.

    account -> position -> position ...        a list per account, one entry per symbol touched
    frozen         reserved for orders that the log has accepted     (a fold gives it back)
    frozen_flying  reserved for orders on their way to matching      (gone after a restart)

Pure: time is an argument. `ledger_check` reserves, `ledger_apply` is the only way that records
change an account, live and in recovery. Rules A-1 to P-1: specs/risk.md. Enforces INV-4, INV-11,
INV-12 (audit).
"""

from libc.stdint cimport int64_t, uint8_t, uint16_t, uint32_t, uint64_t
from libc.string cimport memset

from rsx.book.book cimport mix
from rsx.core.check cimport fail
from rsx.core.idmap cimport idmap_free, idmap_get, idmap_init, idmap_put
from rsx.core.memory cimport RSX_PAGES_SMALL, rsx_map, rsx_unmap
from rsx.records_c cimport *
from rsx.units cimport rsx_add, rsx_fee, rsx_multiply, rsx_requirement, rsx_share

cdef int64_t BALANCE_MAX = <int64_t>1 << 56


# --- tables -----------------------------------------------------------------------------------


cdef inline int ledger_index(const ledger_t* ledger, uint32_t symbol_id) noexcept nogil:
    """Index of a symbol, -1 when unknown."""
    return -1 if symbol_id > 65535 else <int>ledger.symbol_index[symbol_id] - 1


cdef inline account_t* ledger_account(ledger_t* ledger, uint32_t user_id) noexcept nogil:
    cdef uint32_t slot = idmap_get(&ledger.slots, user_id)
    return &ledger.accounts[slot] if slot else NULL


cdef inline position_t* find_position(ledger_t* ledger, const account_t* account,
                                      int symbol) noexcept nogil:
    cdef uint32_t slot = account.first_position
    while slot:
        if ledger.positions[slot].symbol == symbol:
            return &ledger.positions[slot]
        slot = ledger.positions[slot].next
    return NULL


cdef position_t* open_position(ledger_t* ledger, account_t* account, int symbol) noexcept nogil:
    """The account's entry for a symbol, made when new; NULL when there is no room."""
    cdef position_t* position = find_position(ledger, account, symbol)
    if position != NULL:
        return position
    if ledger.positions_used >= ledger.positions_max:
        return NULL
    ledger.positions_used += 1
    position = &ledger.positions[ledger.positions_used]
    position.symbol = <uint16_t>symbol
    position.next = account.first_position
    account.first_position = <uint32_t>ledger.positions_used
    account.positions += 1
    return position


cdef account_t* open_account(ledger_t* ledger, uint32_t user_id) noexcept nogil:
    cdef account_t* account = ledger_account(ledger, user_id)
    if account != NULL:
        return account
    if ledger.accounts_used >= ledger.accounts_max:
        return NULL
    ledger.accounts_used += 1
    account = &ledger.accounts[ledger.accounts_used]
    account.user_id = user_id
    idmap_put(&ledger.slots, user_id, <uint32_t>ledger.accounts_used)
    return account


# --- mark and margin --------------------------------------------------------------------------


cdef inline int64_t ledger_mark(const symbol_t* symbol, uint64_t stale_ns) noexcept nogil:
    """K-1, K-2: the price that values positions; always positive."""
    cdef int64_t px = symbol.fed_px if stale_ns else symbol.last_px
    return px if px else symbol.reference_px


cdef inline bint is_fresh(const symbol_t* symbol, uint64_t stale_ns, uint64_t now) noexcept nogil:
    """K-2: neither missing nor stale."""
    if stale_ns == 0:
        return True
    return symbol.fed_px != 0 and (now < symbol.fed_ns or now - symbol.fed_ns <= stale_ns)


cdef inline int64_t magnitude(int64_t value) noexcept nogil:
    return -value if value < 0 else value


cdef int64_t unrealised_of(const position_t* position, int64_t mark) noexcept nogil:
    """A-5. |net| x mark was seen to fit by the caller."""
    if position.net >= 0:
        return mark * position.net - position.cost
    return position.cost - mark * -position.net


cdef int position_margin(const position_t* position, const symbol_t* symbol, int64_t mark,
                         margin_t* out) except -1 nogil:
    """Add one position's part of G-2 and G-3."""
    cdef int64_t longest = position.net + position.open_buy + position.flying_buy
    cdef int64_t shortest = position.net - position.open_sell - position.flying_sell
    cdef int64_t size = magnitude(position.net)
    cdef int64_t worst = max(magnitude(longest), magnitude(shortest))
    cdef int64_t frozen = position.frozen + position.frozen_flying
    cdef int64_t value = 0, worst_value = 0, held
    if rsx_multiply(size, mark, &value):
        return fail(1201, position.net, mark)
    held = rsx_requirement(value, symbol.initial_margin_ppm) + frozen
    if worst > size:
        if rsx_multiply(worst, mark, &worst_value):
            return fail(1201, worst, mark)
        held = max(held, rsx_requirement(worst_value, symbol.initial_margin_ppm))
    if (rsx_add(out.unrealised, unrealised_of(position, mark), &out.unrealised)
            or rsx_add(out.held, held, &out.held)):
        return fail(1201, position.net, mark)
    out.initial += held - frozen
    if out.with_maintenance:
        out.maintenance += rsx_requirement(value, symbol.maintenance_margin_ppm)
    return 0


cdef int ledger_margin(ledger_t* ledger, const account_t* account, uint64_t now_ns,
                       margin_t* out, bint with_maintenance) except -1 nogil:
    """G-2, G-3 over all positions of an account; O(positions)."""
    cdef uint32_t slot = account.first_position
    cdef const position_t* position
    cdef const symbol_t* symbol
    memset(out, 0, sizeof(margin_t))
    out.is_priced = True
    out.with_maintenance = with_maintenance
    while slot:
        position = &ledger.positions[slot]
        symbol = &ledger.symbols[position.symbol]
        position_margin(position, symbol, ledger_mark(symbol, ledger.stale_ns), out)
        if position.net and not is_fresh(symbol, ledger.stale_ns, now_ns):
            out.is_priced = False
        slot = position.next
    return 0


# --- before the match -------------------------------------------------------------------------


cdef inline int64_t added_exposure(const position_t* position, uint8_t side,
                                   int64_t qty) noexcept nogil:
    """V-1."""
    cdef int64_t after
    if position == NULL:
        return qty
    if side == RSX_BUY:
        after = position.net + position.open_buy + position.flying_buy + qty
    else:
        after = position.open_sell + position.flying_sell + qty - position.net
    return min(qty, max(after, 0))


cdef int required_for(const symbol_t* symbol, uint8_t side, int64_t px, int64_t added,
                      int64_t mark, int64_t* required) noexcept nogil:
    """V-3; -1 when a product leaves 64 bits."""
    cdef int64_t worse = max(px, mark), value = 0, loss = 0, total
    if rsx_multiply(added, worse, &value):
        return -1
    if side == RSX_BUY and px > mark:
        loss = added * (px - mark)  # below added x worse
    elif side == RSX_SELL and px < mark:
        loss = added * (mark - px)
    total = rsx_requirement(value, symbol.initial_margin_ppm)
    if rsx_add(total, max(0, rsx_fee(value, symbol.taker_fee_ppm)), &total):
        return -1
    return rsx_add(total, loss, required)


cdef int ledger_check(ledger_t* ledger, const rsx_order_request_t* order, uint64_t now_ns,
                      int64_t* required, int64_t* available) except -1 nogil:
    """V-1 to V-5: 0 and reserve `required` in flight, or the reason for refusing."""
    cdef account_t* account = ledger_account(ledger, order.user_id)
    cdef int index = ledger_index(ledger, order.symbol_id)
    cdef position_t* position = NULL
    cdef symbol_t* symbol
    cdef margin_t margin
    cdef int64_t added, mark
    required[0] = 0
    available[0] = 0
    if index < 0 or order.qty <= 0 or order.px <= 0 or order.side > RSX_SELL:
        return RSX_R_ORDER_INVALID
    symbol = &ledger.symbols[index]
    mark = ledger_mark(symbol, ledger.stale_ns)
    if account != NULL:
        position = find_position(ledger, account, index)
    added = 0
    if not order.flags & RSX_REDUCE_ONLY:
        added = added_exposure(position, order.side, order.qty)
    if added or account == NULL:
        if required_for(symbol, order.side, order.px, added, mark, required):
            return RSX_R_NOTIONAL_TOO_LARGE
        if account == NULL:
            return RSX_R_INSUFFICIENT_MARGIN
        ledger_margin(ledger, account, now_ns, &margin, False)
        available[0] = account.collateral + margin.unrealised - margin.held
        if not margin.is_priced or not is_fresh(symbol, ledger.stale_ns, now_ns):
            return RSX_R_MARK_UNAVAILABLE
        if required[0] > available[0]:
            return RSX_R_INSUFFICIENT_MARGIN
    if position == NULL:
        position = open_position(ledger, account, index)
        if position == NULL:
            return RSX_R_TOO_MANY_POSITIONS
    account.frozen_flying += required[0]
    position.frozen_flying += required[0]
    if order.flags & RSX_REDUCE_ONLY:
        return 0
    if order.side == RSX_BUY:
        position.flying_buy += order.qty
    else:
        position.flying_sell += order.qty
    return 0


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


# --- the log ----------------------------------------------------------------------------------


cdef inline int64_t exposing(int64_t qty, uint8_t flags) noexcept nogil:
    """A-2: a reduce-only order never counts as open exposure."""
    return 0 if flags & RSX_REDUCE_ONLY else qty


cdef position_t* known_position(ledger_t* ledger, uint32_t user_id, int symbol,
                                account_t** account) noexcept nogil:
    """A user's account and entry for a symbol; NULL when either is missing."""
    account[0] = ledger_account(ledger, user_id)
    return find_position(ledger, account[0], symbol) if account[0] != NULL else NULL


cdef int take_back(ledger_t* ledger, uint32_t user_id, int symbol, uint8_t side, int64_t qty,
                   int64_t reserved) except -1 nogil:
    """An order in flight has reached the log (V-6)."""
    cdef account_t* account = NULL
    cdef position_t* position = known_position(ledger, user_id, symbol, &account)
    if position == NULL:
        return fail(11, user_id, reserved)
    account.frozen_flying -= reserved
    position.frozen_flying -= reserved
    if side == RSX_BUY:
        position.flying_buy -= qty
    else:
        position.flying_sell -= qty
    if position.frozen_flying < 0 or position.flying_buy < 0 or position.flying_sell < 0:
        return fail(11, user_id, position.frozen_flying)
    return 0


cdef int confirm(ledger_t* ledger, const rsx_order_accepted_t* event, int symbol) except -1 nogil:
    cdef account_t* account = ledger_account(ledger, event.user_id)
    cdef position_t* position
    if account == NULL:
        return fail(11, event.user_id, event.reserved)
    position = open_position(ledger, account, symbol)
    if position == NULL:
        return fail(11, event.user_id, symbol)
    account.frozen += event.reserved
    position.frozen += event.reserved
    if event.side == RSX_BUY:
        position.open_buy += exposing(event.qty, event.flags)
    else:
        position.open_sell += exposing(event.qty, event.flags)
    return 0


cdef int release(account_t* account, position_t* position, uint8_t side, int64_t qty,
                 int64_t released) except -1 nogil:
    """V-7; INV-11."""
    account.frozen -= released
    position.frozen -= released
    if side == RSX_BUY:
        position.open_buy -= qty
    else:
        position.open_sell -= qty
    if position.frozen < 0 or position.open_buy < 0 or position.open_sell < 0:
        return fail(11, account.user_id, position.frozen)
    return 0


cdef int move_position(account_t* account, position_t* position, uint8_t side, int64_t qty,
                       int64_t px) except -1 nogil:
    """A-3, A-4: the fill's effect on net, cost, profit and collateral."""
    cdef int64_t size = magnitude(position.net)
    cdef bint is_against = position.net < 0 if side == RSX_BUY else position.net > 0
    cdef int64_t closing = min(qty, size) if is_against else 0
    cdef int64_t closed_cost, profit, value = 0
    if closing:
        closed_cost = rsx_share(position.cost, closing, size)
        if rsx_multiply(px, closing, &value):
            return fail(1202, px, closing)
        profit = value - closed_cost if side == RSX_SELL else closed_cost - value
        position.cost -= closed_cost
        position.realised += profit
        account.realised += profit
        if rsx_add(account.collateral, profit, &account.collateral):
            return fail(1203, account.user_id, profit)
    if qty > closing:
        if rsx_multiply(px, qty - closing, &value):
            return fail(1202, px, qty)
        if rsx_add(position.cost, value, &position.cost):
            return fail(1202, account.user_id, value)
    position.net += qty if side == RSX_BUY else -qty
    return 0


cdef int settle(ledger_t* ledger, uint32_t user_id, int symbol, uint8_t side,
                uint8_t flags, const rsx_fill_t* fill, int64_t fee,
                int64_t released) except -1 nogil:
    """One side of a fill."""
    cdef account_t* account = NULL
    cdef position_t* position = known_position(ledger, user_id, symbol, &account)
    if position == NULL:
        return fail(4, fill.seq, user_id)
    release(account, position, side, exposing(fill.qty, flags), released)
    move_position(account, position, side, fill.qty, fill.px)
    account.fees += fee
    if rsx_add(account.collateral, -fee, &account.collateral):
        return fail(1203, user_id, fee)
    ledger.fee_account += fee
    return 0


cdef int apply_fill(ledger_t* ledger, const rsx_fill_t* fill, int symbol) except -1 nogil:
    cdef uint8_t maker_side = 1 - fill.taker_side
    settle(ledger, fill.taker_user_id, symbol, fill.taker_side, fill.taker_flags, fill,
           fill.taker_fee, fill.taker_release)
    settle(ledger, fill.maker_user_id, symbol, maker_side, fill.maker_flags, fill,
           fill.maker_fee, fill.maker_release)
    ledger.symbols[symbol].last_px = fill.px
    return 0


cdef int apply_end(ledger_t* ledger, uint32_t user_id, int symbol, uint8_t side, int64_t qty,
                   int64_t released) except -1 nogil:
    """A cancelled order or a cut."""
    cdef account_t* account = NULL
    cdef position_t* position = known_position(ledger, user_id, symbol, &account)
    if position == NULL:
        return fail(11, user_id, released)
    return release(account, position, side, qty, released)


cdef int apply_deposit(ledger_t* ledger, const rsx_deposit_t* event,
                       bint is_live) except -1 nogil:
    cdef account_t* account = open_account(ledger, event.user_id)
    if account == NULL or event.amount <= 0:
        return fail(12, event.seq, event.amount)
    if rsx_add(account.collateral, event.amount, &account.collateral):
        return fail(1203, event.user_id, event.amount)
    if rsx_add(ledger.deposits, event.amount, &ledger.deposits):
        return fail(1203, event.user_id, event.amount)
    if is_live:
        ledger.deposits_flying -= event.amount
    return 0


cdef int apply_order(ledger_t* ledger, const rsx_record_t* record, bint is_live) except -1 nogil:
    """Records that belong to one symbol's orders."""
    cdef const rsx_order_accepted_t* accepted
    cdef const rsx_order_rejected_t* rejected
    cdef const rsx_order_cancelled_t* cancelled
    cdef const rsx_order_reduced_t* reduced
    cdef int symbol
    if record.type == RSX_FILL:
        symbol = ledger_index(ledger, (<const rsx_fill_t*>record).symbol_id)
        if symbol < 0:
            return fail(14, record.seq, record.type)
        return apply_fill(ledger, <const rsx_fill_t*>record, symbol)
    symbol = ledger_index(ledger, record.stream)
    if symbol < 0:
        return fail(14, record.seq, record.stream)
    if record.type == RSX_ORDER_ACCEPTED:
        accepted = <const rsx_order_accepted_t*>record
        if is_live:
            take_back(ledger, accepted.user_id, symbol, accepted.side,
                      exposing(accepted.qty, accepted.flags), accepted.reserved)
        return confirm(ledger, accepted, symbol)
    if record.type == RSX_ORDER_REJECTED:
        rejected = <const rsx_order_rejected_t*>record
        if is_live:
            take_back(ledger, rejected.user_id, symbol, rejected.side,
                      exposing(rejected.qty, rejected.flags), rejected.released)
        return 0
    if record.type == RSX_ORDER_CANCELLED:
        cancelled = <const rsx_order_cancelled_t*>record
        return apply_end(ledger, cancelled.user_id, symbol, cancelled.side,
                         exposing(cancelled.cancelled_qty, cancelled.flags),
                         cancelled.released)
    reduced = <const rsx_order_reduced_t*>record
    return apply_end(ledger, reduced.user_id, symbol, reduced.side,
                     exposing(reduced.cancelled_qty, reduced.flags), reduced.released)


cdef int ledger_apply(ledger_t* ledger, const rsx_record_t* record, bint is_live) except -1 nogil:
    """Apply one released record; is_live: this ledger reserved its orders in flight itself."""
    cdef const rsx_mark_price_t* mark
    cdef symbol_t* symbol
    cdef int index
    ledger.applied += 1
    if record.type == RSX_ORDER_RESTED or record.type == RSX_CANCEL_REJECTED:
        return 0
    if RSX_ORDER_ACCEPTED <= record.type <= RSX_ORDER_REDUCED:
        return apply_order(ledger, record, is_live)
    if record.type == RSX_DEPOSIT:
        return apply_deposit(ledger, <const rsx_deposit_t*>record, is_live)
    if record.type == RSX_MARK_PRICE:
        mark = <const rsx_mark_price_t*>record
        index = ledger_index(ledger, mark.symbol_id)
        if index < 0 or mark.mark_px <= 0:
            return fail(14, record.seq, mark.mark_px)
        symbol = &ledger.symbols[index]
        symbol.fed_px = mark.mark_px
        symbol.index_px = mark.index_px
        symbol.fed_ns = mark.ts_ns
    return 0


# --- Python face ------------------------------------------------------------------------------


cdef const rsx_record_t* as_record(const uint8_t[:] data) except NULL:
    if data.shape[0] != RSX_RECORD_SIZE:
        raise ValueError(f"{data.shape[0]} bytes where a record takes 128")
    return <const rsx_record_t*>&data[0]


cdef class Ledger:
    """Accounts of one risk shard; the risk tile owns the live one.

    Args  symbols: tuple of SymbolConfig; mark_source: "last" or "feed"; stale_ns: for "feed"
    """

    def __init__(self, tuple symbols, *, uint64_t accounts_max=65536,
                 uint64_t positions_max=262144, str mark_source="last",
                 uint64_t stale_ns=10_000_000_000):
        cdef int index
        if not 1 <= len(symbols) <= SYMBOLS_MAX:
            raise ValueError(f"{len(symbols)} symbols; 1 to {SYMBOLS_MAX} are possible")
        if mark_source not in ("last", "feed"):
            raise ValueError(f"mark source {mark_source!r} is neither 'last' nor 'feed'")
        if mark_source == "feed" and stale_ns == 0:
            raise ValueError("a fed mark needs an age at which it is stale; stale_ns is 0")
        self.symbols = symbols
        self.ledger.stale_ns = stale_ns if mark_source == "feed" else 0
        self.ledger.accounts_max = accounts_max
        self.ledger.positions_max = positions_max
        self.ledger.accounts = <account_t*>rsx_map(
            (accounts_max + 1) * sizeof(account_t), RSX_PAGES_SMALL)
        self.ledger.positions = <position_t*>rsx_map(
            (positions_max + 1) * sizeof(position_t), RSX_PAGES_SMALL)
        self.ledger.symbol_index = <uint8_t*>rsx_map(65536, RSX_PAGES_SMALL)
        if (self.ledger.accounts == NULL or self.ledger.positions == NULL
                or self.ledger.symbol_index == NULL):
            raise MemoryError(f"{accounts_max} accounts, {positions_max} positions")
        idmap_init(&self.ledger.slots, accounts_max, &self.ledger.accounts[0].user_id,
                   sizeof(account_t), 32)
        self.ledger.symbol_count = len(symbols)
        for index, symbol in enumerate(symbols):
            self.ledger.symbol_index[symbol.id] = index + 1
            self.ledger.symbols[index].symbol_id = symbol.id
            self.ledger.symbols[index].initial_margin_ppm = symbol.initial_margin_ppm
            self.ledger.symbols[index].maintenance_margin_ppm = symbol.maintenance_margin_ppm
            self.ledger.symbols[index].taker_fee_ppm = symbol.taker_fee_ppm
            self.ledger.symbols[index].reference_px = symbol.reference_px

    def __dealloc__(self):
        rsx_unmap(self.ledger.accounts, (self.ledger.accounts_max + 1) * sizeof(account_t))
        rsx_unmap(self.ledger.positions, (self.ledger.positions_max + 1) * sizeof(position_t))
        rsx_unmap(self.ledger.symbol_index, 65536)
        if self.ledger.slots.entries != NULL:
            idmap_free(&self.ledger.slots)

    def check(self, const uint8_t[:] request, uint64_t now_ns):
        """(reason, required, available) of an ORDER_REQUEST; reserves when reason is 0."""
        cdef int64_t required = 0, available = 0
        cdef const rsx_record_t* record = as_record(request)
        if record.type != RSX_ORDER_REQUEST:
            raise ValueError(f"type {record.type} where ORDER_REQUEST is due")
        reason = ledger_check(&self.ledger, <const rsx_order_request_t*>record, now_ns,
                              &required, &available)
        return reason, required, available

    def check_deposit(self, uint32_t user_id, int64_t amount):
        """Reason for refusing a deposit; 0 counts it as in flight until it is applied live."""
        return ledger_check_deposit(&self.ledger, user_id, amount)

    def apply(self, const uint8_t[:] record, bint live=False):
        """Apply one logged record; live: its order was reserved in flight by this ledger."""
        ledger_apply(&self.ledger, as_record(record), live)

    def account(self, uint32_t user_id, uint64_t now_ns=0):
        """Balances and margin of a user as a dict in money units, or None."""
        cdef account_t* account = ledger_account(&self.ledger, user_id)
        cdef margin_t margin
        if account == NULL:
            return None
        ledger_margin(&self.ledger, account, now_ns, &margin, True)
        return {
            "collateral": account.collateral,
            "frozen": account.frozen + account.frozen_flying,
            "realised": account.realised,
            "fees": account.fees,
            "unrealised": margin.unrealised,
            "equity": account.collateral + margin.unrealised,
            "initial_margin": margin.initial,
            "maintenance_margin": margin.maintenance,
            "available": account.collateral + margin.unrealised - margin.held,
        }

    def position(self, uint32_t user_id, uint32_t symbol_id):
        """One position of a user as a dict, or None when that symbol was never touched."""
        cdef account_t* account = ledger_account(&self.ledger, user_id)
        cdef position_t* position = NULL
        cdef int index = ledger_index(&self.ledger, symbol_id)
        if account != NULL and index >= 0:
            position = find_position(&self.ledger, account, index)
        if position == NULL:
            return None
        return {
            "net_qty": position.net,
            "entry_cost": position.cost,
            "realised": position.realised,
            "frozen": position.frozen + position.frozen_flying,
            "open_buy_qty": position.open_buy + position.flying_buy,
            "open_sell_qty": position.open_sell + position.flying_sell,
        }

    def users(self):
        """Ids of all accounts, in the order in which they began."""
        return [self.ledger.accounts[slot].user_id
                for slot in range(1, self.ledger.accounts_used + 1)]

    def mark(self, uint32_t symbol_id):
        """The price that values positions in a symbol."""
        cdef int index = ledger_index(&self.ledger, symbol_id)
        if index < 0:
            raise KeyError(symbol_id)
        return ledger_mark(&self.ledger.symbols[index], self.ledger.stale_ns)

    def totals(self):
        """Sums over all accounts, for INV-12: collateral - signed_cost + fees = deposits."""
        collateral, signed_cost = 0, 0
        for slot in range(1, self.ledger.accounts_used + 1):
            collateral += self.ledger.accounts[slot].collateral
            at = self.ledger.accounts[slot].first_position
            while at:
                cost = self.ledger.positions[at].cost
                signed_cost += cost if self.ledger.positions[at].net > 0 else -cost
                at = self.ledger.positions[at].next
        return {"collateral": collateral, "signed_cost": signed_cost,
                "fees": self.ledger.fee_account, "deposits": self.ledger.deposits}

    def audit(self):
        """Check INV-4 (nets sum to 0), INV-11 and INV-12; O(accounts + positions)."""
        nets = [0] * self.ledger.symbol_count
        for slot in range(1, self.ledger.accounts_used + 1):
            frozen = 0
            at = self.ledger.accounts[slot].first_position
            while at:
                position = self.ledger.positions[at]
                nets[position.symbol] += position.net
                frozen += position.frozen
                if position.frozen < 0 or (position.net == 0) != (position.cost == 0):
                    fail(11, self.ledger.accounts[slot].user_id, position.cost)
                at = position.next
            if frozen != self.ledger.accounts[slot].frozen:
                fail(11, self.ledger.accounts[slot].user_id, frozen)
        for index, net in enumerate(nets):
            if net:
                fail(4, self.ledger.symbols[index].symbol_id, net)
        totals = self.totals()
        left = totals["collateral"] - totals["signed_cost"] + totals["fees"]
        if left != totals["deposits"]:
            fail(12, left, totals["deposits"])

    def state_hash(self):
        """Hash of everything the log has confirmed, independent of the order of accounts."""
        cdef uint64_t total = 0, state
        cdef uint64_t slot
        cdef uint32_t at
        cdef account_t* account
        cdef position_t* position
        for slot in range(1, self.ledger.accounts_used + 1):
            account = &self.ledger.accounts[slot]
            state = mix(mix(mix(account.user_id, account.collateral), account.frozen),
                        account.realised)
            total += mix(state, account.fees)
            at = account.first_position
            while at:
                position = &self.ledger.positions[at]
                if position.net or position.realised or position.open_buy or position.open_sell:
                    state = mix(mix(account.user_id, position.symbol), position.net)
                    state = mix(mix(mix(state, position.cost), position.realised), position.frozen)
                    total += mix(mix(state, position.open_buy), position.open_sell)
                at = position.next
        return mix(mix(total, self.ledger.fee_account), self.ledger.deposits)

