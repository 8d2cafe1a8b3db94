# cython: boundscheck=False
"""risk tile: margin before the match, settlement after it, liquidation, answers to queries.

Reads   wal_risk (released records), gateway_risk (requests of every kind); shard 0: mark_risk,
        replica_risk (modes that the replica asks for)
Writes  risk_matching[symbol] (orders, triggers, amendments, cancels, modes, marks, rules),
        risk_gateway (refusals, account states, margin calls), risk_wal (what it decides itself)
Owns    accounts, positions, live orders, what is reserved, fired triggers on their way back
On full risk_matching, risk_gateway, risk_wal: takes no more requests; wal_risk is drained always,
        so the cycle risk, matching, wal cannot lock (specs/tiles.md T-6)
On a stale mark: orders that add exposure are refused with 2002 (specs/risk.md K-2)
Parts   order_desk, account_desk, answers: what requests ask for; liquidator: who is below
        maintenance; keeper: what is the exchange's as a whole; digester: what others compare
        with; all write through outbox
Source  specs/risk.md, specs/shards.md; the rules are in rsx/risk; enforces INV-5 at its input
"""

from libc.stdint cimport int64_t, uint8_t, uint16_t, uint32_t, uint64_t

from rsx.core.check cimport fail
from rsx.core.clock cimport Clock, monotonic_ns
from rsx.core.memory cimport RSX_PAGES_SMALL, rsx_map, rsx_unmap
from rsx.core.ring cimport Ring, ring_available, ring_claim_sure, ring_commit, ring_free
from rsx.core.ring cimport ring_peek, ring_release, ring_t
from rsx.core.tile cimport RETRY_NS, Tile
from rsx.records_c cimport *
from rsx.risk.accounts cimport is_own, ledger_index, ledger_t, symbol_t
from rsx.risk.funding cimport funding_next_s, funding_rate
from rsx.risk.ledger cimport Ledger
from rsx.risk.lookahead cimport (
    LOOK_FAR, LOOK_NEAR, LOOK_NEXT, ledger_prefetch, ledger_prefetch_held, ledger_prefetch_row,
)
from rsx.risk.settle cimport ledger_apply
from rsx.tiles.account_desk cimport AccountDesk
from rsx.tiles.answers cimport Answers
from rsx.tiles.digester cimport Digester
from rsx.tiles.keeper cimport Keeper
from rsx.tiles.liquidator cimport Liquidator
from rsx.tiles.order_desk cimport OrderDesk
from rsx.tiles.outbox cimport BUSY, Outbox


cdef class RiskTile(Tile):
    """Args  matching_rings: Ring per symbol, in the order of ledger.symbols; next_seq: number of
    the first record that will be released; shard, shards: which users it decides for, of which
    table (rsx.shards.Shards, None = it alone); mark_risk: None but for shard 0 (SH-3);
    replica_risk: for shard 0, None = there is no replica; check_ns: from one round of digests to
    the next (RP-5), 0 = none."""

    def __init__(self, str name, Clock clock, Ledger ledger, *, Ring gateway_risk, Ring mark_risk,
                 Ring wal_risk, Ring risk_gateway, Ring risk_wal, list matching_rings,
                 uint64_t next_seq, int shard=0, shards=None, Ring replica_risk=None,
                 uint64_t check_ns=0):
        others = [ring for ring in (mark_risk, replica_risk) if ring is not None]
        super().__init__(name, [gateway_risk, *others, wal_risk])
        self.clock = clock
        self.ledger = ledger
        ledger.ledger.shard = <uint8_t>shard
        ledger.ledger.shards = <uint8_t>(shards.count if shards is not None else 1)
        if shards is not None:
            for index in range(RSX_VIRTUAL_SHARDS):
                ledger.ledger.shard_of[index] = <uint8_t>shards.table[index]
        self.gateway_risk = gateway_risk
        self.mark_risk = mark_risk
        self.marks = mark_risk.ring if mark_risk is not None else NULL
        self.replica_risk = replica_risk
        self.wal_risk = wal_risk
        self.out = Outbox(ledger, risk_gateway, risk_wal, matching_rings)
        self.orders = OrderDesk(self.out)
        self.accounts = AccountDesk(self.out)
        self.keeper = Keeper(ledger, self.out, <uint8_t>shard)
        self.answers = Answers(self.out, self.keeper)
        self.liquidator = Liquidator(self.out)
        self.digester = Digester(ledger, self.out, <uint16_t>shard, check_ns, <uint32_t>next_seq)
        self.released_seq = next_seq - 1
        self.fired_capacity = FIRED_MAX * len(matching_rings)
        self.fired = <rsx_trigger_fired_t*>rsx_map(
            self.fired_capacity * RSX_RECORD_SIZE, RSX_PAGES_SMALL)
        if self.fired == NULL:
            raise MemoryError(f"{self.fired_capacity} fired triggers")
        self.keeper.start()

    def __dealloc__(self):
        if self.fired != NULL:
            rsx_unmap(self.fired, self.fired_capacity * RSX_RECORD_SIZE)

    def on_start(self):
        """Take up the liquidations that the log has left open; look at every bucket once."""
        self.liquidator.start()

    cdef int do_work(self) except -1 nogil:
        cdef uint64_t now = self.clock.now()
        cdef int settled = self.settle_released(), sent
        self.is_stalled = False
        self.due_ns = 0
        sent = self.take_marks(now)
        sent += self.keeper.work(now)
        sent += self.liquidator.work(now)
        sent += self.take_fired(now)
        if self.replica_risk is not None:
            sent += self.take_modes(now)
        if not self.is_stalled and self.fired_first == self.fired_end:
            sent += self.take_requests(now)
        sent += self.digester.work(now)
        if self.is_stalled or self.liquidator.is_stalled:
            self.stalls += 1
            self.due_ns = monotonic_ns() + RETRY_NS
        else:
            self.plan(now)
        if sent:
            self.out.wake()
        return settled + sent

    cdef void plan(self, uint64_t now) noexcept nogil:
        """When to come back though nothing comes: a round or a sweep is due, or digests are."""
        cdef uint64_t due = self.liquidator.next_ns, round_ns = self.digester.next_ns()
        if round_ns > now and (due <= now or round_ns < due):
            due = round_ns
        if due > now:
            self.due_ns = monotonic_ns() + (due - now)

    cdef int settle_released(self) except -1 nogil:
        """Fold what the log has released: before new orders, so that they see what it freed."""
        cdef ring_t* ring = self.wal_risk.ring
        cdef ledger_t* ledger = &self.ledger.ledger
        cdef uint64_t count = min(ring_available(ring), <uint64_t>SETTLE_LIMIT), at
        cdef const rsx_record_t* record
        for at in range(count):
            if at + LOOK_FAR < count:
                ledger_prefetch(ledger, <const rsx_record_t*>ring_peek(ring, at + LOOK_FAR))
                ledger_prefetch_row(ledger, <const rsx_record_t*>ring_peek(ring, at + LOOK_NEAR))
                ledger_prefetch_held(ledger, <const rsx_record_t*>ring_peek(ring, at + LOOK_NEXT))
            record = <const rsx_record_t*>ring_peek(ring, at)
            if record.seq != self.released_seq + 1:
                return fail(5, record.seq, self.released_seq)
            self.released_seq += 1
            ledger_apply(ledger, record, True)
            self.digester.has_moved |= not IS_A_MARK[record.type & 127]
            if WATCHED[record.type & 127]:
                self.on_record(record)
        if count:
            ring_release(ring, count)
        return <int>count

    cdef int on_record(self, const rsx_record_t* record) except -1 nogil:
        """What a released record means beside the ledger."""
        if record.type == RSX_TRIGGER_FIRED:
            if is_own(&self.ledger.ledger, (<const rsx_trigger_fired_t*>record).user_id):
                return self.line_up(record)
            return 0
        if record.type == RSX_MARGIN_CONFIG:
            return self.accounts.on_configured(<const rsx_margin_config_t*>record)
        if record.type == RSX_LEDGER_MARK:
            return self.digester.on_mark(<const rsx_ledger_mark_t*>record)
        if self.keeper.shard == 0:
            self.keeper.on_record(record)
        return self.liquidator.on_record(record)

    cdef int take_marks(self, uint64_t now) except -1 nogil:
        """K-3: marks go on to their symbol's engine, in order, with what risk knows of it."""
        cdef ring_t* ring = self.marks
        cdef uint64_t count, done = 0
        cdef const rsx_mark_update_t* update
        cdef rsx_mark_update_t* passed
        cdef const symbol_t* symbol
        cdef int64_t rate = 0, average = 0
        cdef int index
        if ring == NULL:
            return 0
        count = min(ring_available(ring), <uint64_t>MARK_LIMIT)
        while done < count:
            update = <const rsx_mark_update_t*>ring_peek(ring, done)
            index = ledger_index(&self.ledger.ledger, update.symbol_id)
            if index < 0 or update.mark_px <= 0:
                return fail(1401, update.symbol_id, update.mark_px)
            if not ring_free(self.out.matching[index], 1):
                self.is_stalled = True
                break
            symbol = &self.ledger.ledger.symbols[index]
            passed = <rsx_mark_update_t*>ring_claim_sure(self.out.matching[index])
            rsx_record_copy(passed, update)
            passed.open_interest = symbol.open_interest
            passed.rate_ppb = rate if funding_rate(symbol, &rate, &average) else 0
            passed.next_funding_s = funding_next_s(&self.ledger.ledger, symbol, now)
            ring_commit(self.out.matching[index])
            done += 1
        if done:
            ring_release(ring, done)
        return <int>done

    cdef int take_fired(self, uint64_t now) except -1 nogil:
        """V-14: triggers that fired become orders, before any new request."""
        cdef int done = 0
        cdef const rsx_trigger_fired_t* fired
        while self.fired_first != self.fired_end and done < FIRED_LIMIT:
            fired = &self.fired[self.fired_first % self.fired_capacity]
            if self.accounts.must_wait(fired.user_id) or self.orders.on_fired(fired, now) == BUSY:
                self.is_stalled = True
                break
            self.fired_first += 1
            done += 1
        return done

    cdef int line_up(self, const rsx_record_t* fired) except -1 nogil:
        """TR-5 bounds how many can wait here."""
        if self.fired_end - self.fired_first >= self.fired_capacity:
            return fail(1403, self.fired_capacity, (<const rsx_trigger_fired_t*>fired).oid)
        rsx_record_copy(&self.fired[self.fired_end % self.fired_capacity], fired)
        self.fired_end += 1
        return 0

    cdef int take_modes(self, uint64_t now) except -1 nogil:
        """RP-12: as an admin's; ahead of the clients."""
        cdef ring_t* ring = self.replica_risk.ring
        cdef int done = 0
        while ring_available(ring):
            if self.take_request(<const rsx_record_t*>ring_peek(ring, 0), now) == BUSY:
                self.is_stalled = True
                break
            ring_release(ring, 1)
            done += 1
        return done

    cdef int take_requests(self, uint64_t now) except -1 nogil:
        cdef ring_t* ring = self.gateway_risk.ring
        cdef uint64_t count = min(ring_available(ring), <uint64_t>REQUEST_LIMIT), done = 0
        while done < count:
            if self.take_request(<const rsx_record_t*>ring_peek(ring, done), now) == BUSY:
                self.is_stalled = True
                break
            done += 1
        if done:
            ring_release(ring, done)
        return <int>done

    cdef int take_request(self, const rsx_record_t* request, uint64_t now) except -1 nogil:
        """BUSY, or the request is done with."""
        cdef const rsx_cancel_request_t* cancel = <const rsx_cancel_request_t*>request
        cdef const rsx_cancel_all_request_t* cancel_all = <const rsx_cancel_all_request_t*>request
        cdef const rsx_mode_request_t* mode = <const rsx_mode_request_t*>request
        if request.type == RSX_ORDER_REQUEST:
            if self.accounts.must_wait((<const rsx_order_request_t*>request).user_id):
                return BUSY
            return self.orders.on_order(<const rsx_order_request_t*>request, now)
        if request.type == RSX_CANCEL_REQUEST:
            return self.pass_on(request, RSX_ORDER_CANCEL, cancel.user_id, cancel.symbol_id,
                                cancel.request_id, now)
        if request.type == RSX_AMEND_REQUEST:
            if self.accounts.must_wait((<const rsx_amend_request_t*>request).user_id):
                return BUSY
            return self.orders.on_amend(<const rsx_amend_request_t*>request, now)
        if request.type == RSX_TRIGGER_REQUEST:
            if self.accounts.must_wait((<const rsx_trigger_request_t*>request).user_id):
                return BUSY
            return self.orders.on_trigger(<const rsx_trigger_request_t*>request, now)
        if request.type == RSX_CANCEL_ALL_REQUEST:
            return self.pass_on(request, RSX_ORDER_CANCEL_ALL, cancel_all.user_id,
                                cancel_all.symbol_id, cancel_all.request_id, now)
        if request.type == RSX_MODE_REQUEST:
            return self.pass_on(request, RSX_MODE_REQUEST, mode.user_id, mode.symbol_id,
                                mode.request_id, now)
        if request.type == RSX_ACCOUNT_QUERY:
            return self.answers.on_query(request, now)
        if request.type in (RSX_SYMBOL_CONFIG, RSX_SYMBOL_LIMITS, RSX_SYMBOL_RISK,
                            RSX_SYMBOL_BRACKETS):
            return self.pass_rules(request, now)
        return self.accounts.on_request(request, now)

    cdef int pass_on(self, const rsx_record_t* request, uint16_t type, uint32_t user_id,
                     uint32_t symbol_id, uint64_t request_id, uint64_t now) except -1 nogil:
        """V-15: a request that risk has no say in."""
        cdef int index = ledger_index(&self.ledger.ledger, symbol_id)
        if index < 0:
            return self.out.refuse(0, request_id, user_id, symbol_id, RSX_R_UNKNOWN_SYMBOL, 0, 0,
                                   now)
        return self.out.pass_on(request, type, index, now)

    cdef int pass_rules(self, const rsx_record_t* request, uint64_t now) except -1 nogil:
        """SY-3: four records go on together, so that nothing comes between them."""
        cdef const rsx_symbol_config_t* first = <const rsx_symbol_config_t*>&self.rules[0]
        cdef int index, at
        rsx_record_copy(&self.rules[self.rules_held], request)
        if request.type != RULES[self.rules_held]:
            return fail(1404, request.type, self.rules_held)
        if self.rules_held + 1 < RULES_OF_A_MARKET:
            self.rules_held += 1
            return 0
        index = ledger_index(&self.ledger.ledger, first.symbol_id)
        if index < 0:
            return fail(1404, first.symbol_id, first.config_version)
        if self.keeper.is_settling(index):
            return BUSY  # FN-11
        if ring_free(self.out.matching[index], RULES_OF_A_MARKET) < RULES_OF_A_MARKET:
            return BUSY
        for at in range(RULES_OF_A_MARKET):
            self.out.pass_on(&self.rules[at], RULES[at], index, now)
        self.keeper.note_rules(index, first.config_version)
        self.rules_held = 0
        return 0

    # --- Python face ----------------------------------------------------------------------

    def load_fired(self, const uint8_t[:] record):
        """Give it a TRIGGER_FIRED that the log has no answer to, before the start (TR-9)."""
        if record.shape[0] != RSX_RECORD_SIZE:
            raise ValueError(f"{record.shape[0]} bytes where a record takes 128")
        if (<const rsx_record_t*>&record[0]).type != RSX_TRIGGER_FIRED:
            raise ValueError(f"type {(<const rsx_record_t*>&record[0]).type} is no TRIGGER_FIRED")
        self.line_up(<const rsx_record_t*>&record[0])

    def decides_for(self, uint32_t user_id):
        """SH-1: whether requests of this user are for this tile."""
        return bool(is_own(&self.ledger.ledger, user_id))

    def counters(self):
        return {
            "released_seq": self.released_seq,
            "orders_checked": self.orders.checked,
            "orders_refused": self.orders.refused,
            "stalls": self.stalls,
            "triggers_fired": self.fired_end - self.fired_first,
            "orders_known": self.ledger.ledger.orders.live,
            "accounts": self.ledger.ledger.accounts_used,
            "positions": self.ledger.ledger.positions_used,
            **self.liquidator.counters(),
            **self.keeper.counters(),
            "digest_rounds": self.digester.rounds,
            "digests_left_out": self.digester.left_out,
        }

    def audit_watch(self):
        """INV-32, O(positions)."""
        self.liquidator.watch.audit(self.clock.now_ns())


cdef uint16_t[RULES_OF_A_MARKET] RULES
RULES[:] = [RSX_SYMBOL_CONFIG, RSX_SYMBOL_LIMITS, RSX_SYMBOL_RISK, RSX_SYMBOL_BRACKETS]

cdef uint8_t[128] WATCHED
cdef uint8_t[128] IS_A_MARK     # of digests and syncs: what does not make the log move (RP-5)
for _type in range(128):
    WATCHED[_type] = _type in (
        RSX_TRIGGER_FIRED, RSX_MARGIN_CONFIG, RSX_LEDGER_MARK, RSX_MARK_PRICE, RSX_FILL,
        RSX_TRADING_MODE, RSX_SYMBOL_BRACKETS, RSX_ORDER_CANCELLED, RSX_ORDER_REJECTED,
        RSX_CANCEL_ALL_DONE, RSX_LIQUIDATION_STEP, RSX_POSITION_TRANSFERRED,
        RSX_LIQUIDATION_SETTLED,
        RSX_FUNDING_SETTLED, RSX_FUNDING_PAYMENT, RSX_FUNDING_DONE)
    IS_A_MARK[_type] = _type in (
        RSX_ENGINE_DIGEST, RSX_LEDGER_MARK, RSX_LEDGER_DIGEST, RSX_LOG_SYNCED)
