"""Python face of accounts and margin: the risk tile owns one ledger, recovery fills it.

The tile and the fold use the kernel below it directly: accounts (tables, margin), orders, check
(before the match), settle (after it). Thread: the owner's. Rules: specs/risk.md. Its audit
enforces INV-4, INV-11, INV-12, INV-13, INV-31.
"""

from libc.stdint cimport int64_t, uint8_t, uint16_t, uint32_t, uint64_t
from libc.stdlib cimport calloc, free

from rsx.book.book cimport mix
from rsx.core.check cimport fail
from rsx.core.idmap cimport idmap_free, idmap_init
from rsx.core.memory cimport RSX_PAGES_SMALL, rsx_map, rsx_unmap
from rsx.records_c cimport *
from rsx.risk.accounts cimport (
    TICK_ROWS_MAX, account_t, exposing, find_position, ledger_account, ledger_index, ledger_mark,
    ledger_t, position_t, protection_px, symbol_t,
)
from rsx.risk.check cimport (
    amend_t, ask_fired, ask_order, ask_t, ledger_check, ledger_check_amend, ledger_check_config,
    ledger_check_deposit,
)
from rsx.risk.margin cimport (
    account_outflow, audit_margin, ledger_margin, margin_t, outflow_t, set_brackets,
)
from rsx.risk.money_check cimport (
    figures_t, ledger_check_settings, ledger_check_transfer, ledger_check_withdraw, settings_t,
)
from rsx.risk.orders cimport (
    FREE, IN_HAND, SYMBOLS_MAX, order_t, orders_find, orders_free, orders_init,
)
from rsx.risk.settle cimport ledger_apply


cdef const rsx_record_t* as_record(const uint8_t[:] data) except NULL:
    if data.shape[0] != RSX_RECORD_SIZE:
        raise ValueError(f"{data.shape[0]} bytes where a record takes 128")
    return <const rsx_record_t*>&data[0]


cdef int audit_orders(ledger_t* ledger) except -1:
    """A-8: positions hold what their orders hold; the table counts and finds all of them."""
    cdef uint64_t slot, found = 0
    cdef const order_t* row
    cdef const position_t* position
    # Frozen, open buys and open sells of each position, from its orders.
    cdef int64_t* sums = <int64_t*>calloc(3 * (ledger.positions_used + 1), sizeof(int64_t))
    if sums == NULL:
        raise MemoryError(f"{ledger.positions_used} positions")
    try:
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
            sums[3 * row.position] += row.reserved
            sums[3 * row.position + 1 + row.side] += exposing(row.remaining, row.flags)
        if found != ledger.orders.live or found != ledger.orders.ids.count:
            return fail(8, found, ledger.orders.live)
        for slot in range(1, ledger.positions_used + 1):
            position = &ledger.positions[slot]
            if sums[3 * slot] != position.frozen:
                return fail(11, slot, position.frozen)
            if (sums[3 * slot + 1] != position.open_buy
                    or sums[3 * slot + 2] != position.open_sell):
                return fail(13, slot, position.open_buy)
        return 0
    finally:
        free(sums)


cdef uint64_t orders_hash(const ledger_t* ledger) noexcept nogil:
    """Every live order, in any order."""
    cdef uint64_t total = 0, slot, state
    cdef const order_t* row
    for slot in range(1, ledger.orders.untouched):
        row = &ledger.orders.rows[slot]
        if row.place != FREE:
            state = mix(mix(mix(row.oid, row.px), row.remaining), row.filled)
            state = mix(mix(state, row.reserved), ledger.accounts[row.account].user_id)
            total += mix(mix(state, row.symbol), row.side | row.flags << 8 | row.place << 16)
    return total


cdef int set_rules(symbol_t* rules, symbol) except -1:
    """Copy what risk needs of a market's rules."""
    cdef int row
    cdef int64_t[RSX_BRACKETS_MAX + 1] starts
    cdef uint32_t[RSX_BRACKETS_MAX + 1] initial_ppm
    cdef uint32_t[RSX_BRACKETS_MAX + 1] maintenance_ppm
    rules.symbol_id = symbol.id
    rows = [(0, symbol.initial_margin_ppm, symbol.maintenance_margin_ppm), *symbol.brackets]
    for row, values in enumerate(rows):
        starts[row], initial_ppm[row], maintenance_ppm[row] = values
    set_brackets(rules, len(rows), starts, initial_ppm, maintenance_ppm)
    rules.taker_fee_ppm = symbol.taker_fee_ppm
    rules.market_band_ppm = symbol.market_band_ppm
    rules.reference_px = symbol.reference_px
    rules.px_max = symbol.px_max
    rules.notional_max = symbol.notional_max
    rules.tick = symbol.tick
    if len(symbol.tick_table) > TICK_ROWS_MAX:
        raise ValueError(f"{len(symbol.tick_table)} tick rows; at most {TICK_ROWS_MAX}")
    rules.tick_rows = len(symbol.tick_table)
    for row, (first, tick) in enumerate(symbol.tick_table):
        rules.tick_from[row] = first
        rules.tick_at[row] = tick
    return 0


cdef class Ledger:
    """Accounts of one risk shard; the risk tile owns the live one.

    Args  symbols: tuple of SymbolConfig; orders_max: orders at rest in all of them;
          mark_source: "last" or "feed"; stale_ns: for "feed"
    """

    def __init__(self, tuple symbols, *, uint64_t accounts_max=65536,
                 uint64_t positions_max=262144, uint64_t orders_max=262144,
                 str mark_source="last",
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
        self.ledger.changed = <uint32_t*>rsx_map(
            (accounts_max + 1) * sizeof(uint32_t), RSX_PAGES_SMALL)
        if (self.ledger.accounts == NULL or self.ledger.positions == NULL
                or self.ledger.symbol_index == NULL or self.ledger.changed == NULL):
            raise MemoryError(f"{accounts_max} accounts, {positions_max} positions")
        idmap_init(&self.ledger.slots, accounts_max, &self.ledger.accounts[0].user_id,
                   sizeof(account_t), 32)
        orders_init(&self.ledger.orders, orders_max)
        self.ledger.symbol_count = len(symbols)
        self.ledger.epoch = 1
        for index, symbol in enumerate(symbols):
            self.ledger.symbol_index[symbol.id] = index + 1
            set_rules(&self.ledger.symbols[index], symbol)
            self.ledger.symbols[index].epoch = 1

    def __dealloc__(self):
        rsx_unmap(self.ledger.accounts, (self.ledger.accounts_max + 1) * sizeof(account_t))
        rsx_unmap(self.ledger.positions, (self.ledger.positions_max + 1) * sizeof(position_t))
        rsx_unmap(self.ledger.symbol_index, 65536)
        rsx_unmap(self.ledger.changed, (self.ledger.accounts_max + 1) * sizeof(uint32_t))
        if self.ledger.slots.entries != NULL:
            idmap_free(&self.ledger.slots)
        orders_free(&self.ledger.orders)

    def check(self, const uint8_t[:] request, uint64_t now_ns):
        """(reason, required, available, px, stp, owner_group) of an ORDER_REQUEST or a
        TRIGGER_FIRED; reserves when reason is 0."""
        cdef const rsx_record_t* record = as_record(request)
        cdef const rsx_order_request_t* order = <const rsx_order_request_t*>record
        cdef const rsx_trigger_fired_t* fired = <const rsx_trigger_fired_t*>record
        cdef ask_t ask
        if record.type == RSX_ORDER_REQUEST:
            ask_order(&ask, order)
        elif record.type == RSX_TRIGGER_FIRED:
            ask_fired(&ask, fired)
        else:
            raise ValueError(f"type {record.type} where ORDER_REQUEST or TRIGGER_FIRED is due")
        reason = ledger_check(&self.ledger, &ask, now_ns)
        return reason, ask.required, ask.available, ask.px, ask.stp, ask.owner_group

    def check_amend(self, const uint8_t[:] request, uint64_t now_ns):
        """(reason, reserved, assumed, extra, extra_qty, available) of an AMEND_REQUEST; has extra
        and extra_qty in flight when reason is 0."""
        cdef const rsx_record_t* record = as_record(request)
        cdef amend_t found
        if record.type != RSX_AMEND_REQUEST:
            raise ValueError(f"type {record.type} where AMEND_REQUEST is due")
        reason = ledger_check_amend(
            &self.ledger, <const rsx_amend_request_t*>record, now_ns, &found)
        return (reason, found.reserved, found.assumed, found.extra, found.extra_qty,
                found.available)

    def check_config(self, const uint8_t[:] request):
        """(reason, owner_group, stp) of an ACCOUNT_CONFIG_REQUEST: the settings in full."""
        cdef const rsx_record_t* record = as_record(request)
        cdef uint32_t owner_group = 0
        cdef uint8_t stp = 0
        if record.type != RSX_ACCOUNT_CONFIG_REQUEST:
            raise ValueError(f"type {record.type} where ACCOUNT_CONFIG_REQUEST is due")
        reason = ledger_check_config(
            &self.ledger, <const rsx_account_config_request_t*>record, &owner_group, &stp)
        return reason, owner_group, stp

    def check_deposit(self, uint32_t user_id, int64_t amount):
        """Reason for refusing a deposit; 0 counts it as in flight until it is applied live."""
        return ledger_check_deposit(&self.ledger, user_id, amount)

    def check_withdraw(self, const uint8_t[:] request, uint64_t now_ns):
        """(reason, required, available) of a WITHDRAW_REQUEST; it leaves when reason is 0."""
        cdef const rsx_record_t* record = as_record(request)
        cdef figures_t figures
        if record.type != RSX_WITHDRAW_REQUEST:
            raise ValueError(f"type {record.type} where WITHDRAW_REQUEST is due")
        reason = ledger_check_withdraw(
            &self.ledger, <const rsx_withdraw_request_t*>record, now_ns, &figures)
        return reason, figures.required, figures.available

    def check_transfer(self, const uint8_t[:] request, uint64_t now_ns):
        """(reason, required, available) of a MARGIN_TRANSFER_REQUEST; it leaves when reason is
        0."""
        cdef const rsx_record_t* record = as_record(request)
        cdef figures_t figures
        if record.type != RSX_MARGIN_TRANSFER_REQUEST:
            raise ValueError(f"type {record.type} where MARGIN_TRANSFER_REQUEST is due")
        reason = ledger_check_transfer(
            &self.ledger, <const rsx_margin_transfer_request_t*>record, now_ns, &figures)
        return reason, figures.required, figures.available

    def check_margin_config(self, const uint8_t[:] request, uint64_t now_ns):
        """(reason, required, available) of a MARGIN_CONFIG_REQUEST."""
        return self.check_settings(request, now_ns)[:3]

    def check_settings(self, const uint8_t[:] request, uint64_t now_ns):
        """(reason, required, available, leverage, margin_mode, position_mode) of a
        MARGIN_CONFIG_REQUEST: the settings in full, in flight when reason is 0."""
        cdef const rsx_record_t* record = as_record(request)
        cdef figures_t figures
        cdef settings_t settings
        if record.type != RSX_MARGIN_CONFIG_REQUEST:
            raise ValueError(f"type {record.type} where MARGIN_CONFIG_REQUEST is due")
        reason = ledger_check_settings(
            &self.ledger, <const rsx_margin_config_request_t*>record, now_ns, &settings, &figures)
        return (reason, figures.required, figures.available, settings.leverage,
                settings.margin_mode, settings.position_mode)

    def apply(self, const uint8_t[:] record, bint live=False):
        """Apply one logged record; live: its order was reserved in flight by this ledger."""
        ledger_apply(&self.ledger, as_record(record), live)

    def account(self, uint32_t user_id, uint64_t now_ns=0):
        """Balances and margin of a user as a dict in money units, or None."""
        cdef account_t* account = ledger_account(&self.ledger, user_id)
        cdef margin_t margin
        cdef outflow_t out
        if account == NULL:
            return None
        ledger_margin(&self.ledger, account, now_ns, &margin)
        account_outflow(&self.ledger, account, now_ns, &out)
        return {
            "collateral": account.collateral,
            "frozen": account.frozen + account.frozen_flying,
            "realised": account.realised,
            "fees": account.fees,
            "unrealised": out.unrealised,
            "equity": margin.equity,
            "initial_margin": margin.initial,
            "maintenance_margin": margin.maintenance,
            "available": margin.available,
            "withdrawable": out.withdrawable,
        }

    def position(self, uint32_t user_id, uint32_t symbol_id, int leg=0):
        """One position of a user as a dict, or None when that symbol was never touched."""
        cdef account_t* account = ledger_account(&self.ledger, user_id)
        cdef position_t* position = NULL
        cdef int index = ledger_index(&self.ledger, symbol_id)
        if account != NULL and index >= 0:
            position = find_position(&self.ledger, account, index, leg)
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

    def fed(self, uint32_t symbol_id):
        """(mark_px, index_px, ts_ns) of a symbol's newest MARK_PRICE; None before the first."""
        cdef int index = ledger_index(&self.ledger, symbol_id)
        cdef const symbol_t* symbol
        if index < 0:
            raise KeyError(symbol_id)
        symbol = &self.ledger.symbols[index]
        return (symbol.fed_px, symbol.index_px, symbol.fed_ns) if symbol.fed_px else None

    def mode(self, uint32_t symbol_id):
        """Trading mode of a symbol, as the log has it."""
        cdef int index = ledger_index(&self.ledger, symbol_id)
        if index < 0:
            raise KeyError(symbol_id)
        return self.ledger.symbols[index].mode

    def settings(self, uint32_t user_id):
        """(owner_group, stp) of an account, or None."""
        cdef account_t* account = ledger_account(&self.ledger, user_id)
        return None if account == NULL else (account.owner_group, account.stp)

    def order(self, uint64_t oid):
        """A live order as a dict, or None."""
        cdef const order_t* row
        cdef uint32_t slot = orders_find(&self.ledger.orders, oid)
        for symbol in range(self.ledger.symbol_count):
            if slot == 0 and self.ledger.orders.rows[symbol + 1].oid == oid:
                slot = symbol + 1
        if slot == 0:
            return None
        row = &self.ledger.orders.rows[slot]
        return {
            "user_id": self.ledger.accounts[row.account].user_id,
            "symbol_id": self.ledger.symbols[row.symbol].symbol_id,
            "side": row.side, "flags": row.flags, "px": row.px, "filled": row.filled,
            "remaining": row.remaining, "reserved": row.reserved,
            "in_hand": row.place == IN_HAND,
        }

    def orders_known(self):
        """How many orders are live: at rest, or in hand."""
        new = [1 for symbol in range(self.ledger.symbol_count)
               if self.ledger.orders.rows[symbol + 1].place != FREE]
        return self.ledger.orders.live + len(new)

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
        """Check INV-4 (nets sum to 0), INV-11, INV-12, INV-13, INV-31; O(accounts + positions + orders)."""
        nets = [0] * self.ledger.symbol_count
        audit_orders(&self.ledger)
        audit_margin(&self.ledger)
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
        cdef const symbol_t* symbol
        cdef int index
        for slot in range(1, self.ledger.accounts_used + 1):
            account = &self.ledger.accounts[slot]
            state = mix(mix(mix(account.user_id, account.collateral), account.frozen),
                        account.realised)
            state = mix(mix(state, account.fees), account.owner_group)
            total += mix(state, account.stp)
            at = account.first_position
            while at:
                position = &self.ledger.positions[at]
                if position.net or position.realised or position.open_buy or position.open_sell:
                    state = mix(mix(account.user_id, position.symbol), position.net)
                    state = mix(mix(mix(state, position.cost), position.realised), position.frozen)
                    total += mix(mix(state, position.open_buy), position.open_sell)
                at = position.next
        for index in range(self.ledger.symbol_count):
            symbol = &self.ledger.symbols[index]
            state = mix(mix(symbol.symbol_id, symbol.last_px), symbol.fed_px)
            total += mix(mix(state, symbol.fed_ns), symbol.mode)
        total += orders_hash(&self.ledger)
        return mix(mix(total, self.ledger.fee_account), self.ledger.deposits)

