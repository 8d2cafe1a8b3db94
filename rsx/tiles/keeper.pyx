# cython: boundscheck=False
"""keeper: what the first risk tile does for the exchange as a whole, as part of its duty cycle.

Reads   released records (through its tile), the tile's ledger
Writes  risk_matching[symbol] (POSITION_TRANSFER, ORDER_CANCEL_ALL, ORDER_NEW of funds), risk_wal
        (FUNDING_SETTLED, FUNDING_PAYMENT, FUNDING_DONE, LIQUIDATION_SETTLED)
Owns    the lines of bankrupt positions, one ranking pass, the lights; all of it comes back from
        the ledger at a start
On full risk_matching, risk_wal: what is due waits where it stands and is tried again
Source  specs/liquidation.md (IF, AD, LQ-9), specs/funding.md; decisions are in rsx/risk

Every risk tile has one, for its lights; all else is done by shard 0 alone (SH-3).
"""

from libc.stdint cimport int64_t, uint8_t, uint32_t, uint64_t
from libc.stdlib cimport calloc, free
from libc.string cimport memset

from rsx.core.check cimport fail
from rsx.core.memory cimport RSX_PAGES_SMALL, rsx_map, rsx_unmap
from rsx.core.ring cimport ring_claim_sure, ring_commit, ring_free
from rsx.records_c cimport *
from rsx.risk.accounts cimport (
    account_t, find_position, is_fresh, ledger_account, ledger_index, ledger_mark, ledger_t,
    magnitude, position_t, symbol_t, tick_at,
)
from rsx.risk.adl cimport (
    adl_score, light_of, rank_t, ranking_begin, ranking_deal, ranking_step, ranking_t,
    sample_begin, sample_cut, sample_step, sample_t,
)
from rsx.risk.funding cimport (
    funding_due, funding_is_booked, funding_next_payment, funding_rate,
)
from rsx.risk.insurance cimport takeover_qty
from rsx.risk.ledger cimport Ledger
from rsx.risk.liquidation cimport next_own_oid
from rsx.tiles.outbox cimport STREAM_RISK, Outbox
from rsx.units cimport rsx_requirement, rsx_step_down, rsx_step_up

cdef enum:
    LISTED = 1
    ASKED = 2               # LIQUIDATION_SETTLED is in flight
    DEALS_LIMIT = 32        # transfers in one duty cycle
    LOOKS_LIMIT = 256       # positions looked at for payments in one duty cycle (FN-9)

cdef uint64_t SECOND = 1_000_000_000
cdef uint64_t LOOK_NS = 1_000_000
cdef uint64_t SAMPLE_PAUSE = 10 * SECOND     # AD-5


cdef class Keeper:
    """Args  out: of its tile; shard: its tile's."""

    def __init__(self, Ledger ledger, Outbox out, uint8_t shard):
        cdef ledger_t* tables = &ledger.ledger
        self.owner = ledger
        self.ledger = tables
        self.out = out
        self.shard = shard
        self.ranking = <ranking_t*>calloc(1, sizeof(ranking_t))
        self.sample = <sample_t*>calloc(1, sizeof(sample_t))
        self.next_bankrupt = <uint32_t*>rsx_map(
            (tables.positions_max + 1) * sizeof(uint32_t), RSX_PAGES_SMALL)
        self.next_closing = <uint32_t*>rsx_map(
            (tables.accounts_max + 1) * sizeof(uint32_t), RSX_PAGES_SMALL)
        self.closing = <uint8_t*>rsx_map(tables.accounts_max + 1, RSX_PAGES_SMALL)
        if (self.ranking == NULL or self.sample == NULL or self.next_bankrupt == NULL
                or self.next_closing == NULL or self.closing == NULL):
            raise MemoryError(f"lines of {tables.positions_max} positions")
        self.ranked_symbol = -1
        memset(self.services, 0, sizeof(self.services))
        memset(self.rules_out, 0, sizeof(self.rules_out))

    def __dealloc__(self):
        free(self.ranking)
        free(self.sample)
        if self.next_bankrupt != NULL:
            rsx_unmap(self.next_bankrupt, (self.ledger.positions_max + 1) * sizeof(uint32_t))
        if self.next_closing != NULL:
            rsx_unmap(self.next_closing, (self.ledger.accounts_max + 1) * sizeof(uint32_t))
        if self.closing != NULL:
            rsx_unmap(self.closing, self.ledger.accounts_max + 1)

    cdef int start(self) except -1:
        """Take up what the log has left open; before the first duty cycle."""
        cdef uint64_t slot
        if self.shard:
            return 0
        bankrupt = []
        for slot in range(1, self.ledger.positions_used + 1):
            if self.ledger.positions[slot].transfer_id:
                bankrupt.append((self.ledger.positions[slot].transfer_id, slot))
            if self.ledger.positions[slot].margin_mode == RSX_MARGIN_ISOLATED:
                self.buckets_open += self.ledger.positions[slot].stage != 0
        for _, position in sorted(bankrupt):
            self.line_up(position)
        for slot in range(1, self.ledger.accounts_used + 1):
            self.buckets_open += self.ledger.accounts[slot].stage != 0
            self.look_at(<uint32_t>slot)
        return 0

    cdef int work(self, uint64_t now) except -1 nogil:
        """One pass over everything that may be due; returns how much was done."""
        cdef int done = self.sample_lights(now), due, symbol
        if self.shard:
            return done
        if self.bankrupt:
            for symbol in range(self.ledger.symbol_count):
                done += self.serve(symbol, now)
        # Between two looks nothing can become due that neither a record nor time says.
        if self.is_due or now - self.looked_ns >= LOOK_NS:
            self.looked_ns = now
            due = 0
            for symbol in range(self.ledger.symbol_count):
                due += self.settle_funding(symbol, now)
                due += self.unwind(symbol, now)
            self.is_due = due > 0
            done += due
        if self.closing_first:
            done += self.make_good(now)
        return done

    cdef int on_record(self, const rsx_record_t* record) except -1 nogil:
        """A released record, after the ledger has applied it (shard 0)."""
        cdef const rsx_liquidation_step_t* step
        cdef const rsx_liquidation_settled_t* settled
        cdef account_t* account
        cdef position_t* position
        cdef int index
        if record.type == RSX_FILL:
            return self.on_fill(<const rsx_fill_t*>record)
        if record.type == RSX_ORDER_CANCELLED:
            return self.on_order_end((<const rsx_order_cancelled_t*>record).user_id,
                                     (<const rsx_order_cancelled_t*>record).oid, record.stream)
        if record.type == RSX_ORDER_REJECTED:
            return self.on_order_end((<const rsx_order_rejected_t*>record).user_id,
                                     (<const rsx_order_rejected_t*>record).oid, record.stream)
        self.is_due = True
        if record.type == RSX_LIQUIDATION_STEP:
            step = <const rsx_liquidation_step_t*>record
            account = ledger_account(self.ledger, step.user_id)
            if account == NULL:
                return fail(23, step.user_id, step.stage)
            if step.stage == RSX_STAGE_STARTED:
                self.buckets_open += 1
            elif step.stage == RSX_STAGE_RECOVERED or step.stage == RSX_STAGE_CLOSED:
                self.buckets_open -= 1
            elif step.stage == RSX_STAGE_BANKRUPT:
                index = ledger_index(self.ledger, step.symbol_id)
                position = find_position(self.ledger, account, index, step.leg)
                if position == NULL:
                    return fail(23, step.user_id, step.symbol_id)
                if position.net:  # else it was deleveraged away meanwhile (LQ-8)
                    self.line_up(<uint32_t>(position - self.ledger.positions))
                if step.side == RSX_SELL:
                    self.shortfall += magnitude(position.net) * max(0, step.px - step.mark_px)
                else:
                    self.shortfall += magnitude(position.net) * max(0, step.mark_px - step.px)
            self.look_at(<uint32_t>(account - self.ledger.accounts))
        elif record.type == RSX_POSITION_TRANSFERRED:
            return self.on_transferred(<const rsx_position_transferred_t*>record)
        elif record.type == RSX_LIQUIDATION_SETTLED:
            settled = <const rsx_liquidation_settled_t*>record
            account = ledger_account(self.ledger, settled.user_id)
            if account == NULL:
                return fail(24, settled.user_id, settled.amount)
            self.closing[account - self.ledger.accounts] = 0
            self.look_at(<uint32_t>(account - self.ledger.accounts))
        elif record.type == RSX_FUNDING_SETTLED or record.type == RSX_FUNDING_DONE:
            index = ledger_index(self.ledger, (<const rsx_funding_settled_t*>record).symbol_id
                                 if record.type == RSX_FUNDING_SETTLED
                                 else (<const rsx_funding_done_t*>record).symbol_id)
            self.services[index].settling = False
            self.services[index].finishing = False
            self.services[index].cursor = 0
        elif record.type == RSX_FUNDING_PAYMENT:
            account = ledger_account(
                self.ledger, (<const rsx_funding_payment_t*>record).user_id)
            if account != NULL and account.stage:
                self.look_at(<uint32_t>(account - self.ledger.accounts))
        elif record.type == RSX_SYMBOL_BRACKETS:
            index = ledger_index(self.ledger, record.stream)
            # Those of a start, which nobody asked for, may come while others are on their way.
            if index >= 0 and (<const rsx_symbol_brackets_t*>record).config_version \
                    == self.rules_out[index]:
                self.rules_out[index] = 0
        return 0

    cdef int on_fill(self, const rsx_fill_t* fill) except -1 nogil:
        if fill.taker_remaining:
            return 0
        return self.on_order_end(fill.taker_user_id, fill.taker_oid, fill.symbol_id)

    cdef int on_order_end(self, uint32_t user_id, uint64_t oid, uint32_t symbol_id) except -1 nogil:
        """An order of a fund frees the next one; one of a bucket in liquidation may close it."""
        cdef int index = ledger_index(self.ledger, symbol_id)
        cdef account_t* account
        if index >= 0 and self.services[index].order_oid == oid and oid:
            self.services[index].order_oid = 0
        if self.buckets_open:
            account = ledger_account(self.ledger, user_id)
            if account != NULL:
                self.look_at(<uint32_t>(account - self.ledger.accounts))
        return 0

    cdef bint may_trade(self, const symbol_t* symbol, uint64_t now) noexcept nogil:
        """IF-1, FN-10: the mode is open, the mark live and fresh."""
        return symbol.mode == RSX_MODE_OPEN and is_fresh(symbol, self.ledger.stale_ns, now)

    # --- bankrupt positions ---------------------------------------------------------------

    cdef void line_up(self, uint32_t slot) noexcept nogil:
        """IF-1: behind those of its symbol that are waiting."""
        cdef service_t* service = &self.services[self.ledger.positions[slot].symbol]
        self.next_bankrupt[slot] = 0
        self.bankrupt += 1
        if service.first:
            self.next_bankrupt[service.last] = slot
        else:
            service.first = slot
            service.phase = DECIDE
            service.is_asked = False
        service.last = slot

    cdef void step_down(self, int symbol) noexcept nogil:
        """The first of the line is done with."""
        cdef service_t* service = &self.services[symbol]
        self.bankrupt -= 1
        service.first = self.next_bankrupt[service.first]
        service.phase = DECIDE
        service.is_asked = False
        if self.ranked_symbol == symbol:
            self.ranked_symbol = -1

    cdef int serve(self, int symbol, uint64_t now) except -1 nogil:
        """Take the first bankrupt position of a symbol one step further."""
        cdef service_t* service = &self.services[symbol]
        cdef const symbol_t* rules = &self.ledger.symbols[symbol]
        cdef position_t* bankrupt
        cdef int64_t mark
        if service.first == 0 or service.phase == AWAIT:
            return 0
        if not self.may_trade(rules, now):
            self.drop_ranking(symbol)
            return 0
        bankrupt = &self.ledger.positions[service.first]
        if bankrupt.transfer_id == 0:
            self.step_down(symbol)
            return 1
        mark = ledger_mark(rules, self.ledger.stale_ns)
        if service.phase == DECIDE:
            return self.decide(symbol, bankrupt, mark, now)
        if service.phase == RANK:
            if ranking_step(self.ranking, self.ledger, mark, now) == 0:
                ranking_deal(self.ranking, self.ledger, magnitude(bankrupt.net), rules.lot)
                service.dealt = 0
                service.is_cancelled = False
                service.phase = DEAL
            return 1
        return self.deal(symbol, bankrupt, mark, now)

    cdef void drop_ranking(self, int symbol) noexcept nogil:
        """Others may rank while this symbol waits for its mode or mark; it begins anew."""
        cdef service_t* service = &self.services[symbol]
        if self.ranked_symbol == symbol:
            self.ranked_symbol = -1
            service.phase = AWAIT if service.awaited else DECIDE

    cdef int decide(self, int symbol, position_t* bankrupt, int64_t mark,
                    uint64_t now) except -1 nogil:
        """IF-2, once; what is left is deleveraged (IF-3)."""
        cdef service_t* service = &self.services[symbol]
        cdef const symbol_t* rules = &self.ledger.symbols[symbol]
        cdef int64_t qty
        if not service.is_asked:
            if not ring_free(self.out.matching[symbol], 1):
                return 0
            service.is_asked = True
            qty = takeover_qty(self.ledger, bankrupt, mark)
            if qty:
                self.transfer(bankrupt, RSX_FUND_USER_BASE + rules.symbol_id, 0,
                              RSX_TRANSFER_TAKEOVER, qty, 0, mark, now)
                self.takeovers += 1
                return 1
        if self.ranked_symbol >= 0 and self.ranked_symbol != symbol:
            return 0  # there is room for one pass; the other ends by itself
        self.ranked_symbol = symbol
        ranking_begin(self.ranking, self.ledger, symbol, 1 if bankrupt.net > 0 else 0,
                      rules.rules.adl_policy)
        service.phase = RANK
        return 1

    cdef int deal(self, int symbol, position_t* bankrupt, int64_t mark,
                  uint64_t now) except -1 nogil:
        """AD-3: the next counterparties' orders go, then their positions."""
        cdef service_t* service = &self.services[symbol]
        cdef const rank_t* rank
        cdef const position_t* counter
        cdef uint8_t flags
        cdef int done = 0
        while service.dealt < self.ranking.count and done < DEALS_LIMIT:
            rank = &self.ranking.best[service.dealt]
            if rank.share > 0:
                if ring_free(self.out.matching[symbol], 2) < 2:
                    return done
                counter = &self.ledger.positions[rank.position]
                flags = RSX_REDUCE_ONLY
                if self.ledger.accounts[counter.account].position_mode == RSX_POSITION_HEDGE:
                    flags |= RSX_HEDGE
                self.out.cancel_all(symbol, rank.user_id, RSX_R_DELEVERAGED, 0, now)
                self.transfer(bankrupt, rank.user_id, flags, RSX_TRANSFER_ADL, rank.share,
                              rank.score, mark, now)
                self.deleveraged += 1
                done += 1
            service.dealt += 1
        if service.dealt == self.ranking.count:
            self.ranked_symbol = -1
            # Nobody is left on the other side only while records about it are on their way.
            service.phase = AWAIT if service.awaited else DECIDE
        return done + 1

    cdef int transfer(self, position_t* bankrupt, uint32_t counter_user_id, uint8_t counter_flags,
                      uint8_t kind, int64_t qty, int64_t score, int64_t mark,
                      uint64_t now) except -1 nogil:
        """PT-1; the caller has seen room."""
        cdef const account_t* account = &self.ledger.accounts[bankrupt.account]
        cdef service_t* service = &self.services[bankrupt.symbol]
        cdef rsx_position_transfer_t* request
        request = <rsx_position_transfer_t*>ring_claim_sure(self.out.matching[bankrupt.symbol])
        rsx_record_init(request, RSX_POSITION_TRANSFER, STREAM_RISK)
        request.ts_ns = now
        request.transfer_id = bankrupt.transfer_id
        request.qty = qty
        request.px = bankrupt.bankrupt_px
        request.mark_px = mark
        request.score = score
        request.user_id = account.user_id
        request.counter_user_id = counter_user_id
        request.symbol_id = self.ledger.symbols[bankrupt.symbol].symbol_id
        request.side = RSX_SELL if bankrupt.net > 0 else RSX_BUY
        request.kind = kind
        request.user_flags = RSX_REDUCE_ONLY
        if account.position_mode == RSX_POSITION_HEDGE:
            request.user_flags |= RSX_HEDGE
        request.counter_flags = counter_flags
        ring_commit(self.out.matching[bankrupt.symbol])
        service.awaited += 1
        service.phase = AWAIT if kind == RSX_TRANSFER_TAKEOVER else DEAL
        return 0

    cdef int on_transferred(self, const rsx_position_transferred_t* event) except -1 nogil:
        cdef int index = ledger_index(self.ledger, event.symbol_id)
        cdef service_t* service = &self.services[index]
        cdef account_t* account = ledger_account(self.ledger, event.user_id)
        cdef account_t* counter = ledger_account(self.ledger, event.counter_user_id)
        if account == NULL:
            return fail(24, event.user_id, event.qty)
        if event.kind == RSX_TRANSFER_ADL:
            if event.side == RSX_SELL:
                self.haircut += event.qty * max(0, event.px - event.mark_px)
            else:
                self.haircut += event.qty * max(0, event.mark_px - event.px)
        self.look_at(<uint32_t>(account - self.ledger.accounts))
        if counter != NULL:  # itself in liquidation, it may have given its last position
            self.look_at(<uint32_t>(counter - self.ledger.accounts))
        if service.awaited:
            service.awaited -= 1
            if service.awaited == 0 and service.phase == AWAIT:
                service.phase = DECIDE
        return 0

    # --- what closed buckets are short of (LQ-9) ------------------------------------------

    cdef void look_at(self, uint32_t slot) noexcept nogil:
        """Put an account into the list of those that may have been closed."""
        if self.shard or self.closing[slot]:
            return
        self.closing[slot] = LISTED
        self.next_closing[slot] = 0
        if self.closing_first:
            self.next_closing[self.closing_last] = slot
        else:
            self.closing_first = slot
        self.closing_last = slot

    cdef int make_good(self, uint64_t now) except -1 nogil:
        cdef int done = 0
        cdef uint32_t slot
        while self.closing_first and done < CLOSINGS_LIMIT:
            if not ring_free(self.out.wal, 1):
                break
            slot = self.closing_first
            self.closing_first = self.next_closing[slot]
            self.closing[slot] = 0
            self.settle_short(slot, now)
            done += 1
        return done

    cdef int settle_short(self, uint32_t slot, uint64_t now) except -1 nogil:
        """One bucket at most: the next comes with the answer."""
        cdef account_t* account = &self.ledger.accounts[slot]
        cdef position_t* position
        cdef uint32_t at = account.first_position
        cdef int64_t balance = account.collateral
        cdef bint is_flat = True
        cdef int symbol = account.last_symbol - 1
        while at:
            position = &self.ledger.positions[at]
            if position.margin_mode == RSX_MARGIN_ISOLATED:
                if position.stage and position.net == 0 and position.wallet < 0:
                    return self.log_settled(account, position, position.symbol,
                                            -position.wallet, now)
            elif position.net:
                is_flat = False
            else:
                balance -= position.owed
            if symbol < 0:
                symbol = position.symbol
            at = position.next
        if account.stage and is_flat and balance < 0:
            return self.log_settled(account, NULL, symbol, -balance, now)
        return 0

    cdef int log_settled(self, const account_t* account, const position_t* position,
                         int symbol, int64_t amount, uint64_t now) except -1 nogil:
        cdef rsx_liquidation_settled_t* record
        record = <rsx_liquidation_settled_t*>self.out.logged(RSX_LIQUIDATION_SETTLED, now)
        record.amount = amount
        record.user_id = account.user_id
        record.symbol_id = self.ledger.symbols[symbol].symbol_id
        if position != NULL:
            record.transfer_id = position.transfer_id
            record.leg = position.leg
            record.margin_mode = RSX_MARGIN_ISOLATED
        ring_commit(self.out.wal)
        self.closing[account - self.ledger.accounts] = ASKED
        return 0

    # --- funding --------------------------------------------------------------------------

    cdef void note_rules(self, int symbol, uint32_t version) noexcept nogil:
        """FN-11: a set of rules goes to matching; no settlement until it is released."""
        self.rules_out[symbol] = version

    cdef bint is_settling(self, int symbol) noexcept nogil:
        """FN-11: whether a settlement is on its way to the log, or being booked."""
        return self.services[symbol].settling or self.ledger.symbols[symbol].funding.is_open

    cdef int settle_funding(self, int symbol, uint64_t now) except -1 nogil:
        """FN-5: fix what is due; FN-8: book what is fixed."""
        cdef service_t* service = &self.services[symbol]
        cdef const symbol_t* rules = &self.ledger.symbols[symbol]
        cdef rsx_funding_settled_t* record
        cdef uint64_t interval_id = 0
        cdef uint32_t skipped = 0
        cdef int64_t rate = 0, average = 0
        if rules.funding.is_open:
            return self.book_funding(symbol, now)
        if service.settling or self.rules_out[symbol]:
            return 0
        if not funding_due(self.ledger, rules, now, &interval_id, &skipped):
            return 0
        if not ring_free(self.out.wal, 1) or not funding_rate(rules, &rate, &average):
            return 0
        record = <rsx_funding_settled_t*>self.out.logged(RSX_FUNDING_SETTLED, now)
        record.interval_id = interval_id
        record.rate_ppb = rate
        record.mark_px = rules.fed_px
        record.index_px = rules.index_px
        record.premium_ppb = average
        record.symbol_id = rules.symbol_id
        record.samples = rules.funding.samples
        record.skipped = skipped
        ring_commit(self.out.wal)
        service.settling = True
        return 1

    cdef int book_funding(self, int symbol, uint64_t now) except -1 nogil:
        """FN-8, FN-9: payments, each asked for once; then what they leave."""
        cdef service_t* service = &self.services[symbol]
        cdef const symbol_t* rules = &self.ledger.symbols[symbol]
        cdef rsx_funding_payment_t* record
        cdef position_t* position
        cdef int done = 0, looks = LOOKS_LIMIT
        if service.finishing:
            return 0
        if funding_is_booked(rules):
            return self.end_funding(symbol, now)
        while done < PAYMENTS_LIMIT and looks > 0 and ring_free(self.out.wal, 1):
            position = funding_next_payment(self.ledger, symbol, &service.cursor, &looks)
            if position == NULL:
                break
            record = <rsx_funding_payment_t*>self.out.logged(RSX_FUNDING_PAYMENT, now)
            record.interval_id = rules.funding.interval_id
            record.amount = position.owed
            record.net_qty = position.net
            record.mark_px = rules.funding.mark_px
            record.rate_ppb = rules.funding.rate_ppb
            record.user_id = self.ledger.accounts[position.account].user_id
            record.symbol_id = rules.symbol_id
            record.leg = position.leg
            ring_commit(self.out.wal)
            done += 1
        return done + (LOOKS_LIMIT - looks)

    cdef int end_funding(self, int symbol, uint64_t now) except -1 nogil:
        """FUNDING_DONE: every payment is booked."""
        cdef const symbol_t* rules = &self.ledger.symbols[symbol]
        cdef rsx_funding_done_t* record
        if not ring_free(self.out.wal, 1):
            return 0
        record = <rsx_funding_done_t*>self.out.logged(RSX_FUNDING_DONE, now)
        record.interval_id = rules.funding.interval_id
        record.residue = rules.funding.pool
        record.paid = rules.funding.paid
        record.received = rules.funding.received
        record.symbol_id = rules.symbol_id
        record.payments = rules.funding.payments
        ring_commit(self.out.wal)
        self.services[symbol].finishing = True
        return 1

    # --- the funds' own orders (IF-4) -----------------------------------------------------

    cdef int unwind(self, int symbol, uint64_t now) except -1 nogil:
        cdef service_t* service = &self.services[symbol]
        cdef const symbol_t* rules = &self.ledger.symbols[symbol]
        cdef const position_t* held = find_position(
            self.ledger, &self.ledger.accounts[rules.fund], symbol, 0)
        cdef int64_t mark, size, qty, px
        cdef uint8_t side
        if held == NULL or held.net == 0 or service.order_oid or now < service.order_ns:
            return 0
        if not self.may_trade(rules, now) or not ring_free(self.out.matching[symbol], 1):
            return 0
        mark = ledger_mark(rules, self.ledger.stale_ns)
        size = magnitude(held.net)
        qty = rsx_requirement(size, rules.rules.liquidation_step_ppm)
        qty = min(size, qty + rules.lot - 1 - (qty - 1) % rules.lot, rules.qty_max)
        if held.net > 0:
            side = RSX_SELL
            px = min(rsx_step_up(mark, tick_at(rules, mark)), rules.px_max)
        else:
            side = RSX_BUY
            px = max(rsx_step_down(mark, tick_at(rules, mark)), rules.tick)
        qty = min(qty, max(rules.lot, rules.notional_max // px))
        service.order_oid = next_own_oid(self.ledger, self.shard, now)
        self.out.close_position(symbol, service.order_oid,
                                self.ledger.accounts[rules.fund].user_id, side, 0, px, qty, now)
        service.order_ns = now + SECOND
        return 1

    # --- lights (AD-5) --------------------------------------------------------------------

    cdef int sample_lights(self, uint64_t now) except -1 nogil:
        """One step of the sample under way; a round over all sides, then a pause."""
        cdef int symbol = self.sampled >> 1, side = self.sampled & 1
        cdef int64_t mark
        if not self.is_sampling:
            if now < self.sample_ns:
                return 0
            sample_begin(self.sample, self.ledger, symbol, side)
            self.is_sampling = True
        mark = ledger_mark(&self.ledger.symbols[symbol], self.ledger.stale_ns)
        if sample_step(self.sample, self.ledger, symbol, side, mark, now):
            sample_cut(self.sample, &self.lights[self.sampled])
            self.is_sampling = False
            self.sampled += 1
            if self.sampled == 2 * self.ledger.symbol_count:
                self.sampled = 0
                self.sample_ns = now + SAMPLE_PAUSE
        return 0

    cdef int lights_of(self, position_t* position, int64_t mark, uint64_t now) except -1 nogil:
        """AD-5 for POSITION_RISK: 1 to 5; 0: flat, or not known yet."""
        cdef const lights_t* lights = &self.lights[2 * position.symbol + (position.net < 0)]
        if position.net == 0 or not lights.is_known:
            return 0
        return light_of(lights, adl_score(self.ledger, position, mark, now))

    # --- Python face ----------------------------------------------------------------------

    def counters(self):
        """What the tile shows of it."""
        return {
            "takeovers": self.takeovers,
            "deleveraged": self.deleveraged,
            "adl_haircut": self.haircut,
            "bankruptcy_shortfall": self.shortfall,
            "buckets_in_liquidation": self.buckets_open,
        }
