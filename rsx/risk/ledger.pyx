"""Python face of accounts and margin: each risk tile owns one ledger, recovery fills the first.

The tile and the fold use the kernel below it directly: accounts (tables), margin, orders, check
(before the match), settle (after it) with moves, money, funding, stages and rules. Thread: the
owner's. Rules: specs/risk.md, specs/shards.md.
"""

from libc.stdint cimport int64_t, uint8_t, uint16_t, uint32_t, uint64_t
from libc.string cimport memcpy

from rsx import rules as market_rules
from rsx.book.digest cimport digest_is_known
from rsx.core.check cimport fail
from rsx.records_c cimport *
from rsx.risk.accounts cimport (
    account_t, find_position, ledger_account, ledger_index, ledger_mark, ledger_t, open_account,
    open_position, position_t, symbol_t,
)
from rsx.risk.audit cimport ledger_audit, ledger_hash
from rsx.risk.check cimport (
    amend_t, ask_fired, ask_order, ask_t, ledger_check, ledger_check_amend, ledger_check_config,
    ledger_check_deposit,
)
from rsx.risk.digest cimport ledger_digest, ledger_digest_form
from rsx.risk.funding cimport accrue, funding_due, funding_next_payment, funding_rate
from rsx.risk.margin cimport account_outflow, ledger_margin, margin_t, outflow_t
from rsx.risk.money_check cimport (
    figures_t, ledger_check_settings, ledger_check_transfer, ledger_check_withdraw, settings_t,
)
from rsx.risk.orders cimport FREE, IN_HAND, SYMBOLS_MAX, order_t, orders_find
from rsx.risk.rules cimport apply_rules
from rsx.risk.settle cimport ledger_apply
from rsx.risk.tables cimport tables_copy, tables_free, tables_init


cdef const rsx_record_t* as_record(const uint8_t[:] data) except NULL:
    if data.shape[0] != RSX_RECORD_SIZE:
        raise ValueError(f"{data.shape[0]} bytes where a record takes 128")
    return <const rsx_record_t*>&data[0]


cdef int set_rules(ledger_t* ledger, int index, symbol) except -1:
    """A market's rules as configured: they hold until the log says others (SY-6)."""
    cdef bytes data
    cdef symbol_t* rules = &ledger.symbols[index]
    if any([row[0] <= 0 for row in symbol.brackets]):
        raise ValueError(f"brackets {symbol.brackets}: the first notional must be positive")
    ledger.symbol_index[symbol.id] = index + 1
    rules.symbol_id = symbol.id
    for data in market_rules.to_records(symbol):
        apply_rules(ledger, <const rsx_record_t*><const uint8_t*>data, index)
    rules.config_version = 0
    return 0


cdef int open_fund(ledger_t* ledger, int index) except -1:
    """A-9: the fund of a market has its account and its position from the start."""
    cdef symbol_t* symbol = &ledger.symbols[index]
    cdef account_t* fund = open_account(ledger, RSX_FUND_USER_BASE + symbol.symbol_id)
    if fund == NULL or open_position(ledger, fund, index, 0) == NULL:
        return fail(8, index, ledger.accounts_used)
    symbol.fund = <uint32_t>(fund - ledger.accounts)
    return 0


cdef class Ledger:
    """Accounts of the whole exchange as one risk tile has them; what is in flight is the tile's.

    Args  symbols: tuple of SymbolConfig; accounts_max, positions_max: without the funds';
          orders_max: orders at rest in all markets; mark_source: "last" or "feed"; stale_ns: for
          "feed"
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
        self.ledger.symbol_count = len(symbols)
        self.ledger.epoch = 1
        self.ledger.shards = 1
        tables_init(&self.ledger, accounts_max + len(symbols), positions_max + len(symbols),
                    orders_max)
        for index, symbol in enumerate(symbols):
            set_rules(&self.ledger, index, symbol)
            open_fund(&self.ledger, index)

    def __dealloc__(self):
        tables_free(&self.ledger)

    def copy(self):
        """SH-6: another ledger with the same state. Only before a tile has it: nothing may be in
        flight."""
        cdef Ledger other = Ledger.__new__(Ledger)
        other.symbols = self.symbols
        tables_copy(&other.ledger, &self.ledger)
        return other

    def divide(self, int shard, shards):
        """SH-1: decide for the users of this shard alone. shards: rsx.shards.Shards."""
        cdef bytes table = shards.table
        if not 0 <= shard < shards.count or len(table) != RSX_VIRTUAL_SHARDS:
            raise ValueError(f"shard {shard} of {shards.count}")
        self.ledger.shard = shard
        self.ledger.shards = shards.count
        memcpy(self.ledger.shard_of, <const uint8_t*>table, RSX_VIRTUAL_SHARDS)

    cdef int index_of(self, uint32_t symbol_id) except -1:
        cdef int index = ledger_index(&self.ledger, symbol_id)
        if index < 0:
            raise KeyError(symbol_id)
        return index

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
        cdef outflow_t outflow
        if account == NULL:
            return None
        ledger_margin(&self.ledger, account, now_ns, &margin)
        account_outflow(&self.ledger, account, now_ns, &outflow)
        return {
            "collateral": account.collateral,
            "frozen": account.frozen + account.frozen_flying,
            "realised": account.realised,
            "fees": account.fees,
            "unrealised": outflow.unrealised,
            "equity": margin.equity,
            "initial_margin": margin.initial,
            "maintenance_margin": margin.maintenance,
            "available": margin.available,
            "withdrawable": outflow.withdrawable,
            "leaving": account.leaving,
            "position_mode": account.position_mode,
            "stage": account.stage,
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
        accrue(&self.ledger, position)
        return {
            "net_qty": position.net,
            "entry_cost": position.cost,
            "realised": position.realised,
            "frozen": position.frozen + position.frozen_flying,
            "open_buy_qty": position.open_buy + position.flying_buy,
            "open_sell_qty": position.open_sell + position.flying_sell,
            "wallet": position.wallet,
            "owed": position.owed,
            "leverage": position.leverage,
            "margin_mode": position.margin_mode,
            "stage": position.stage,
            "round": position.round,
            "bankrupt_px": position.bankrupt_px,
        }

    def positions(self, uint32_t user_id):
        """{(symbol id, leg): position()} of a user."""
        cdef account_t* account = ledger_account(&self.ledger, user_id)
        cdef uint32_t slot = 0 if account == NULL else account.first_position
        found = {}
        while slot:
            symbol_id = self.ledger.symbols[self.ledger.positions[slot].symbol].symbol_id
            leg = self.ledger.positions[slot].leg
            found[symbol_id, leg] = self.position(user_id, symbol_id, leg)
            slot = self.ledger.positions[slot].next
        return found

    def fund(self, uint32_t symbol_id):
        """account() of a market's insurance fund."""
        cdef int index = self.index_of(symbol_id)
        return self.account(self.ledger.accounts[self.ledger.symbols[index].fund].user_id)

    def fund_balance(self, uint32_t symbol_id):
        """Collateral of a market's insurance fund; one load, safe beside the tile that owns it."""
        return self.ledger.accounts[self.ledger.symbols[self.index_of(symbol_id)].fund].collateral

    def users(self):
        """Ids of all accounts but the funds', in the order in which they began."""
        return [self.ledger.accounts[slot].user_id
                for slot in range(1, self.ledger.accounts_used + 1)
                if self.ledger.accounts[slot].user_id < RSX_FUND_USER_BASE]

    def mark(self, uint32_t symbol_id):
        """The price that values positions in a symbol."""
        return ledger_mark(&self.ledger.symbols[self.index_of(symbol_id)], self.ledger.stale_ns)

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
        return self.ledger.symbols[self.index_of(symbol_id)].mode

    def open_interest(self, uint32_t symbol_id):
        """A-10: the sum of long positions, in quantity units."""
        return self.ledger.symbols[self.index_of(symbol_id)].open_interest

    def exposed(self, uint32_t symbol_id):
        """A-11: [(user, leg), ...] of the long positions, then those of the short ones."""
        cdef int index = self.index_of(symbol_id), side
        cdef const position_t* position
        cdef uint64_t row
        lists = []
        for side in range(2):
            users = []
            for row in range(1, self.ledger.symbols[index].exposures[side] + 1):
                position = &self.ledger.positions[
                    self.ledger.symbols[index].exposed[side][row].position]
                users.append((self.ledger.accounts[position.account].user_id, position.leg))
            lists.append(users)
        return lists

    def rules(self, uint32_t symbol_id):
        """The rules of a market that risk goes by, as far as one looks at them from outside."""
        cdef const symbol_t* symbol = &self.ledger.symbols[self.index_of(symbol_id)]
        return {
            "version": symbol.config_version, "taker_fee_ppm": symbol.taker_fee_ppm,
            "maker_fee_ppm": symbol.maker_fee_ppm, "reference_px": symbol.reference_px,
            "tick": symbol.tick, "lot": symbol.lot, "px_max": symbol.px_max,
            "qty_max": symbol.qty_max, "notional_max": symbol.notional_max,
            "notional_min": symbol.notional_min, "market_band_ppm": symbol.market_band_ppm,
            "tick_table": tuple([(symbol.tick_from[at], symbol.tick_at[at])
                                 for at in range(symbol.tick_rows)]),
            "brackets": tuple([
                (symbol.bracket[at].first, symbol.bracket[at].initial_ppm,
                 symbol.bracket[at].maintenance_ppm) for at in range(symbol.brackets + 1)]),
            "funding_interval_s": symbol.rules.funding_interval_s,
            "insurance_loss_max": symbol.rules.insurance_loss_max,
        }

    def funding(self, uint32_t symbol_id):
        """Where a market's funding stands: the rate as it is, and what is being booked."""
        cdef const symbol_t* symbol = &self.ledger.symbols[self.index_of(symbol_id)]
        cdef int64_t rate = 0, average = 0
        funding_rate(symbol, &rate, &average)
        return {
            "rate_ppb": rate, "average_ppb": average, "samples": symbol.funding.samples,
            "premium_ppb": symbol.funding.premium_ppb, "interval_id": symbol.funding.interval_id,
            "is_open": bool(symbol.funding.is_open), "pool": symbol.funding.pool,
            "paid": symbol.funding.paid, "received": symbol.funding.received,
            "payments": symbol.funding.payments, "unreckoned": symbol.funding.unreckoned,
            "owing": symbol.funding.owing,
        }

    def funding_due(self, uint32_t symbol_id, uint64_t now_ns):
        """(interval id, skipped) of a settlement that is due (FN-5), or None."""
        cdef uint64_t interval_id = 0
        cdef uint32_t skipped = 0
        if not funding_due(&self.ledger, &self.ledger.symbols[self.index_of(symbol_id)], now_ns,
                           &interval_id, &skipped):
            return None
        return interval_id, skipped

    def next_payments(self, uint32_t symbol_id, uint64_t cursor=0, int looks=1 << 20):
        """([(user, leg, amount, net), ...], cursor, looks left) of one sweep (FN-8); each is in
        flight then."""
        cdef int index = self.index_of(symbol_id)
        cdef position_t* position
        found = []
        while True:
            position = funding_next_payment(&self.ledger, index, &cursor, &looks)
            if position == NULL:
                return found, cursor, looks
            found.append((self.ledger.accounts[position.account].user_id, position.leg,
                          position.owed, position.net))

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
        """Sums over all accounts for INV-12: collateral + wallets - signed_cost + fees + pools +
        residue = deposits - withdrawals."""
        collateral, wallets, signed_cost = 0, 0, 0
        for slot in range(1, self.ledger.accounts_used + 1):
            collateral += self.ledger.accounts[slot].collateral
        for slot in range(1, self.ledger.positions_used + 1):
            cost = self.ledger.positions[slot].cost
            signed_cost += cost if self.ledger.positions[slot].net > 0 else -cost
            wallets += self.ledger.positions[slot].wallet
        pools = sum([self.ledger.symbols[at].funding.pool
                     for at in range(self.ledger.symbol_count)])
        return {"collateral": collateral, "wallets": wallets, "signed_cost": signed_cost,
                "fees": self.ledger.fee_account, "pools": pools,
                "residue": self.ledger.residue, "deposits": self.ledger.deposits,
                "withdrawals": self.ledger.withdrawals}

    def audit(self):
        """Check INV-4, 9, 11, 12, 13, 15, 23, 31; O(accounts + positions + orders)."""
        ledger_audit(&self.ledger)

    @property
    def digest_form(self):
        """Form of the digests that are taken of this ledger (specs/replica.md RP-2)."""
        return ledger_digest_form(&self.ledger)

    def digest(self, uint32_t part, uint16_t form):
        """Hash of the slice that part names in this form. Raises ValueError for an unknown one."""
        if not digest_is_known(form):
            raise ValueError(f"digest form {form:#06x} is not known")
        return ledger_digest(&self.ledger, part, form)

    def plant(self, uint32_t user_id, int64_t amount):
        """Move a balance without a record, so that tests can see who finds it."""
        ledger_account(&self.ledger, user_id).collateral += amount

    def state_hash(self):
        """Hash of everything the log has confirmed, independent of the order of accounts."""
        return ledger_hash(&self.ledger)
