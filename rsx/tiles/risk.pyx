# cython: boundscheck=False
"""risk tile: margin before the match, settlement after it, answers to account queries.

Reads   wal_risk (released records), gateway_risk (requests of every kind), mark_risk
Writes  risk_matching[symbol] (orders, triggers, amendments, cancels, modes, marks), risk_gateway
        (refusals, account states), risk_wal (DEPOSIT, ACCOUNT_CONFIG)
Owns    accounts, positions, live orders, what is reserved, fired triggers on their way back
On full risk_matching, risk_gateway, risk_wal: takes no more requests; wal_risk is drained always,
        so the cycle risk, matching, wal cannot lock (specs/tiles.md T-6)
On a stale mark: orders that add exposure are refused with 2002 (specs/risk.md K-2)
Source  specs/risk.md; the rules are in rsx/risk; enforces INV-5 at its input
"""

from libc.stdint cimport int64_t, uint8_t, uint16_t, uint32_t, uint64_t
from libc.string cimport memcpy

from rsx.core.check cimport fail
from rsx.core.clock cimport Clock, monotonic_ns
from rsx.core.memory cimport RSX_PAGES_SMALL, rsx_map, rsx_unmap
from rsx.core.ring cimport (
    Ring, ring_available, ring_claim_sure, ring_commit, ring_free, ring_peek, ring_release,
    ring_t, ring_wake,
)
from rsx.core.tile cimport RETRY_NS, Tile
from rsx.records_c cimport *
from rsx.risk.accounts cimport (
    account_t, is_own, ledger_account, ledger_index, ledger_mark, ledger_t, position_t, symbol_t,
    unrealised_of,
)
from rsx.risk.check cimport (
    amend_t, ask_fired, ask_order, ask_t, ledger_check, ledger_check_amend, ledger_check_config,
    ledger_check_deposit, ledger_check_trigger,
)
from rsx.risk.ledger cimport Ledger
from rsx.risk.margin cimport ledger_margin, margin_t
from rsx.risk.lookahead cimport (
    LOOK_FAR, LOOK_NEAR, LOOK_NEXT, ledger_prefetch, ledger_prefetch_held, ledger_prefetch_row,
)
from rsx.risk.settle cimport ledger_apply
from rsx.units cimport rsx_requirement

cdef enum:
    STREAM_RISK = 65535
    BUSY = 2                # an output ring is full: the request stays where it is
    STATES_MAX = 65         # records of one ACCOUNT_QUERY's answer


cdef class RiskTile(Tile):
    """Args  matching_rings: Ring per symbol, in the order of ledger.symbols; next_seq: number of
    the first record that will be released; shard, shards: which users it decides for, of which
    table (rsx.shards.Shards, None = it alone); mark_risk: None but for shard 0 (SH-3)."""

    def __init__(self, str name, Clock clock, Ledger ledger, *, Ring gateway_risk, Ring mark_risk,
                 Ring wal_risk, Ring risk_gateway, Ring risk_wal, list matching_rings,
                 uint64_t next_seq, int shard=0, shards=None):
        cdef Ring ring
        marks = [] if mark_risk is None else [mark_risk]
        super().__init__(name, [gateway_risk, *marks, wal_risk])
        ledger.ledger.shard = <uint8_t>shard
        ledger.ledger.shards = <uint8_t>(shards.count if shards is not None else 1)
        if shards is not None:
            for index in range(RSX_VIRTUAL_SHARDS):
                ledger.ledger.shard_of[index] = <uint8_t>shards.table[index]
        self.clock = clock
        self.ledger = ledger
        self.gateway_risk = gateway_risk
        self.mark_risk = mark_risk
        self.marks = mark_risk.ring if mark_risk is not None else NULL
        self.wal_risk = wal_risk
        self.risk_gateway = risk_gateway
        self.risk_wal = risk_wal
        self.matching_rings = matching_rings
        for index, ring in enumerate(matching_rings):
            self.matching[index] = ring.ring
        self.released_seq = next_seq - 1
        self.fired_capacity = FIRED_MAX * len(matching_rings)
        self.fired = <rsx_trigger_fired_t*>rsx_map(
            self.fired_capacity * RSX_RECORD_SIZE, RSX_PAGES_SMALL)
        if self.fired == NULL:
            raise MemoryError(f"{self.fired_capacity} fired triggers")

    def __dealloc__(self):
        if self.fired != NULL:
            rsx_unmap(self.fired, self.fired_capacity * RSX_RECORD_SIZE)

    cdef int do_work(self) except -1 nogil:
        cdef uint64_t now = self.clock.now()
        cdef int settled = self.settle_released(), sent, index
        self.due_ns = 0
        sent = self.take_marks()
        sent += self.take_fired(now)
        if self.due_ns == 0 and self.fired_first == self.fired_end:
            sent += self.take_requests(now)
        if self.due_ns:
            self.stalls += 1
        if sent:
            for index in range(self.ledger.ledger.symbol_count):
                ring_wake(self.matching[index])
        return settled + sent

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
            if record.type == RSX_TRIGGER_FIRED:
                if is_own(ledger, (<const rsx_trigger_fired_t*>record).user_id):
                    self.line_up(record)
        if count:
            ring_release(ring, count)
        return <int>count

    cdef int take_marks(self) except -1 nogil:
        """K-3: marks go on to their symbol's engine, in order."""
        cdef ring_t* ring = self.marks
        cdef uint64_t count, done = 0
        cdef const rsx_mark_update_t* update
        cdef int index
        if ring == NULL:
            return 0
        count = min(ring_available(ring), <uint64_t>MARK_LIMIT)
        while done < count:
            update = <const rsx_mark_update_t*>ring_peek(ring, done)
            index = ledger_index(&self.ledger.ledger, update.symbol_id)
            if index < 0 or update.mark_px <= 0:
                return fail(1401, update.symbol_id, update.mark_px)
            if not ring_free(self.matching[index], 1):
                self.due_ns = monotonic_ns() + RETRY_NS
                break
            rsx_record_copy(ring_claim_sure(self.matching[index]), update)
            ring_commit(self.matching[index])
            done += 1
        if done:
            ring_release(ring, done)
        return <int>done

    cdef int take_fired(self, uint64_t now) except -1 nogil:
        """V-14: triggers that fired become orders, before any new request."""
        cdef int done = 0
        while self.fired_first != self.fired_end and done < FIRED_LIMIT:
            if self.send_fired(&self.fired[self.fired_first % self.fired_capacity], now) == BUSY:
                self.due_ns = monotonic_ns() + RETRY_NS
                break
            self.fired_first += 1
            done += 1
        return done

    cdef int take_requests(self, uint64_t now) except -1 nogil:
        cdef ring_t* ring = self.gateway_risk.ring
        cdef uint64_t count = min(ring_available(ring), <uint64_t>REQUEST_LIMIT), done = 0
        while done < count:
            if self.take_request(<const rsx_record_t*>ring_peek(ring, done), now) == BUSY:
                self.due_ns = monotonic_ns() + RETRY_NS
                break
            done += 1
        if done:
            ring_release(ring, done)
            ring_wake(self.risk_gateway.ring)
            ring_wake(self.risk_wal.ring)
        return <int>done

    cdef int take_request(self, const rsx_record_t* request, uint64_t now) except -1 nogil:
        """BUSY, or the request is done with."""
        cdef const rsx_cancel_request_t* cancel = <const rsx_cancel_request_t*>request
        cdef const rsx_cancel_all_request_t* cancel_all = <const rsx_cancel_all_request_t*>request
        cdef const rsx_mode_request_t* mode = <const rsx_mode_request_t*>request
        if request.type == RSX_ORDER_REQUEST:
            return self.on_order(<const rsx_order_request_t*>request, now)
        if request.type == RSX_CANCEL_REQUEST:
            return self.pass_on(request, RSX_ORDER_CANCEL, cancel.user_id, cancel.symbol_id,
                                cancel.request_id, now)
        if request.type == RSX_AMEND_REQUEST:
            return self.on_amend(<const rsx_amend_request_t*>request, now)
        if request.type == RSX_TRIGGER_REQUEST:
            return self.on_trigger(<const rsx_trigger_request_t*>request, now)
        if request.type == RSX_CANCEL_ALL_REQUEST:
            return self.pass_on(request, RSX_ORDER_CANCEL_ALL, cancel_all.user_id,
                                cancel_all.symbol_id, cancel_all.request_id, now)
        if request.type == RSX_ACCOUNT_QUERY:
            return self.on_query(request, now)
        if request.type == RSX_DEPOSIT_REQUEST:
            return self.on_deposit(<const rsx_deposit_request_t*>request, now)
        if request.type == RSX_ACCOUNT_CONFIG_REQUEST:
            return self.on_config(<const rsx_account_config_request_t*>request, now)
        if request.type == RSX_MODE_REQUEST:
            return self.pass_on(request, RSX_MODE_REQUEST, mode.user_id, mode.symbol_id,
                                mode.request_id, now)
        return fail(1402, request.type, request.seq)

    # --- orders and triggers --------------------------------------------------------------

    cdef int on_order(self, const rsx_order_request_t* order, uint64_t now) except -1 nogil:
        cdef ask_t ask
        cdef int index = ledger_index(&self.ledger.ledger, order.symbol_id)
        cdef int reason
        cdef rsx_order_new_t* accepted
        if not ring_free(self.risk_gateway.ring, 1):
            return BUSY
        if index >= 0 and not ring_free(self.matching[index], 1):
            return BUSY
        self.checked += 1
        ask_order(&ask, order)
        reason = ledger_check(&self.ledger.ledger, &ask, now)
        if reason:
            self.refused += 1
            return self.refuse(order.oid, 0, order.user_id, order.symbol_id, reason, ask.required,
                               ask.available, now)
        accepted = self.new_order(&ask, order.oid, now)
        accepted.received_ns = order.received_ns
        accepted.expire_s = order.expire_s
        accepted.tif = order.tif
        accepted.cid_len = order.cid_len
        memcpy(accepted.cid, order.cid, sizeof(order.cid))
        ring_commit(self.matching[index])
        return 0

    cdef rsx_order_new_t* new_order(self, const ask_t* ask, uint64_t oid,
                                    uint64_t now) except NULL nogil:
        """ORDER_NEW of an order that passed; the caller fills the rest in and commits it."""
        cdef int index = ledger_index(&self.ledger.ledger, ask.symbol_id)
        cdef rsx_order_new_t* order = <rsx_order_new_t*>ring_claim_sure(self.matching[index])
        rsx_record_init(order, RSX_ORDER_NEW, STREAM_RISK)
        order.ts_ns = now
        order.oid = oid
        order.px = ask.px
        order.qty = ask.qty
        order.reserved = ask.required
        order.owner_group = ask.owner_group
        order.user_id = ask.user_id
        order.symbol_id = <uint16_t>ask.symbol_id
        order.kind = ask.kind
        order.stp = ask.stp
        order.side = ask.side
        order.flags = ask.flags
        return order

    cdef int on_trigger(self, const rsx_trigger_request_t* request, uint64_t now) except -1 nogil:
        cdef int index = ledger_index(&self.ledger.ledger, request.symbol_id)
        cdef uint8_t stp = request.stp
        cdef int reason = ledger_check_trigger(
            &self.ledger.ledger, request.user_id, request.symbol_id, &stp)
        cdef rsx_trigger_request_t* passed
        if reason:
            return self.refuse(request.oid, 0, request.user_id, request.symbol_id, reason, 0, 0,
                               now)
        if not ring_free(self.matching[index], 1):
            return BUSY
        passed = <rsx_trigger_request_t*>ring_claim_sure(self.matching[index])
        rsx_record_copy(passed, request)
        passed.ts_ns = now
        passed.stp = stp
        ring_commit(self.matching[index])
        return 0

    cdef int line_up(self, const rsx_record_t* fired) except -1 nogil:
        """TR-5 bounds how many can wait here."""
        if self.fired_end - self.fired_first >= self.fired_capacity:
            return fail(1403, self.fired_capacity, (<const rsx_trigger_fired_t*>fired).oid)
        rsx_record_copy(&self.fired[self.fired_end % self.fired_capacity], fired)
        self.fired_end += 1
        return 0

    cdef int send_fired(self, const rsx_trigger_fired_t* fired, uint64_t now) except -1 nogil:
        """A fired trigger's order, or why there is none (TR-6)."""
        cdef int index = ledger_index(&self.ledger.ledger, fired.symbol_id)
        cdef ask_t ask
        cdef int reason
        cdef rsx_order_new_t* order
        cdef rsx_trigger_refused_t* refusal
        if index < 0:
            return fail(14, fired.seq, fired.symbol_id)
        if not ring_free(self.matching[index], 1):
            return BUSY
        self.checked += 1
        ask_fired(&ask, fired)
        reason = ledger_check(&self.ledger.ledger, &ask, now)
        if reason == 0:
            order = self.new_order(&ask, fired.oid, now)
            order.expire_s = fired.expire_s
            order.tif = fired.tif
        else:
            self.refused += 1
            refusal = <rsx_trigger_refused_t*>ring_claim_sure(self.matching[index])
            rsx_record_init(refusal, RSX_TRIGGER_REFUSED, STREAM_RISK)
            refusal.ts_ns = now
            refusal.oid = fired.oid
            refusal.user_id = fired.user_id
            refusal.symbol_id = fired.symbol_id
            refusal.reason = <uint16_t>reason
        ring_commit(self.matching[index])
        return 0

    cdef int on_amend(self, const rsx_amend_request_t* request, uint64_t now) except -1 nogil:
        cdef int index = ledger_index(&self.ledger.ledger, request.symbol_id)
        cdef amend_t found
        cdef int reason
        cdef rsx_order_amend_t* order
        if not ring_free(self.risk_gateway.ring, 1):
            return BUSY
        if index >= 0 and not ring_free(self.matching[index], 1):
            return BUSY
        self.checked += 1
        reason = ledger_check_amend(&self.ledger.ledger, request, now, &found)
        if reason:
            self.refused += 1
            return self.refuse(0, request.request_id, request.user_id, request.symbol_id, reason,
                               found.extra, found.available, now)
        order = <rsx_order_amend_t*>ring_claim_sure(self.matching[index])
        rsx_record_init(order, RSX_ORDER_AMEND, STREAM_RISK)
        order.ts_ns = now
        order.oid = request.oid
        order.px = request.px
        order.qty = request.qty
        order.request_id = request.request_id
        order.reserved = found.reserved
        order.assumed = found.assumed
        order.extra = found.extra
        order.extra_qty = found.extra_qty
        order.user_id = request.user_id
        order.symbol_id = request.symbol_id
        order.side = request.side
        ring_commit(self.matching[index])
        return 0

    cdef int pass_on(self, const rsx_record_t* request, uint16_t type, uint32_t user_id,
                     uint32_t symbol_id, uint64_t request_id, uint64_t now) except -1 nogil:
        """V-15: a request that risk has no say in."""
        cdef int index = ledger_index(&self.ledger.ledger, symbol_id)
        cdef rsx_record_t* passed
        if index < 0:
            return self.refuse(0, request_id, user_id, symbol_id, RSX_R_UNKNOWN_SYMBOL, 0, 0, now)
        if not ring_free(self.matching[index], 1):
            return BUSY
        passed = <rsx_record_t*>ring_claim_sure(self.matching[index])
        rsx_record_copy(passed, request)
        passed.type = type
        passed.ts_ns = now
        ring_commit(self.matching[index])
        return 0

    # --- accounts -------------------------------------------------------------------------

    cdef int on_deposit(self, const rsx_deposit_request_t* request,
                        uint64_t now) except -1 nogil:
        cdef int reason
        cdef rsx_deposit_t* record
        if not ring_free(self.risk_wal.ring, 1) or not ring_free(self.risk_gateway.ring, 1):
            return BUSY
        reason = ledger_check_deposit(&self.ledger.ledger, request.user_id, request.amount)
        if reason:
            return self.refuse(0, request.request_id, request.user_id, 0, reason, 0, 0, now)
        record = <rsx_deposit_t*>ring_claim_sure(self.risk_wal.ring)
        rsx_record_init(record, RSX_DEPOSIT, STREAM_RISK)
        record.header_flags = RSX_GROUP_END
        record.ts_ns = now
        record.request_id = request.request_id
        record.amount = request.amount
        record.user_id = request.user_id
        ring_commit(self.risk_wal.ring)
        return 0

    cdef int on_config(self, const rsx_account_config_request_t* request,
                       uint64_t now) except -1 nogil:
        """A-7."""
        cdef uint32_t owner_group = 0
        cdef uint8_t stp = 0
        cdef int reason
        cdef rsx_account_config_t* record
        if not ring_free(self.risk_wal.ring, 1) or not ring_free(self.risk_gateway.ring, 1):
            return BUSY
        reason = ledger_check_config(&self.ledger.ledger, request, &owner_group, &stp)
        if reason:
            return self.refuse(0, request.request_id, request.user_id, 0, reason, 0, 0, now)
        record = <rsx_account_config_t*>ring_claim_sure(self.risk_wal.ring)
        rsx_record_init(record, RSX_ACCOUNT_CONFIG, STREAM_RISK)
        record.header_flags = RSX_GROUP_END
        record.ts_ns = now
        record.request_id = request.request_id
        record.user_id = request.user_id
        record.owner_group = owner_group
        record.stp = stp
        ring_commit(self.risk_wal.ring)
        return 0

    cdef int refuse(self, uint64_t oid, uint64_t request_id, uint32_t user_id, uint32_t symbol_id,
                    int reason, int64_t required, int64_t available,
                    uint64_t now) except -1 nogil:
        """REQUEST_REJECTED; an order or trigger is named by its id, all else by its request."""
        cdef rsx_request_rejected_t* refusal
        if not ring_free(self.risk_gateway.ring, 1):
            return BUSY
        refusal = <rsx_request_rejected_t*>ring_claim_sure(self.risk_gateway.ring)
        rsx_record_init(refusal, RSX_REQUEST_REJECTED, STREAM_RISK)
        refusal.ts_ns = now
        refusal.oid = oid
        refusal.request_id = request_id
        refusal.required = required
        refusal.available = available
        refusal.user_id = user_id
        refusal.symbol_id = symbol_id
        refusal.reason = <uint16_t>reason
        ring_commit(self.risk_gateway.ring)
        return 0

    cdef int on_query(self, const rsx_record_t* request, uint64_t now) except -1 nogil:
        """POSITION_STATE for each position that is not empty, then ACCOUNT_STATE."""
        cdef const rsx_account_query_t* query = <const rsx_account_query_t*>request
        cdef account_t* account = ledger_account(&self.ledger.ledger, query.user_id)
        cdef uint32_t slot = 0, sent = 0
        cdef margin_t margin
        cdef rsx_account_state_t* state
        if ring_free(self.risk_gateway.ring, STATES_MAX) < STATES_MAX:
            return BUSY
        if account != NULL:
            slot = account.first_position
        while slot:
            sent += self.send_position(query, &self.ledger.ledger.positions[slot], now)
            slot = self.ledger.ledger.positions[slot].next
        state = <rsx_account_state_t*>ring_claim_sure(self.risk_gateway.ring)
        rsx_record_init(state, RSX_ACCOUNT_STATE, STREAM_RISK)
        state.ts_ns = now
        state.request_id = query.request_id
        state.user_id = query.user_id
        state.positions = <uint16_t>sent
        if account != NULL:
            ledger_margin(&self.ledger.ledger, account, now, &margin)
            state.collateral = account.collateral
            state.unrealised = margin.unrealised
            state.equity = margin.equity
            state.initial_margin = margin.initial
            state.maintenance_margin = margin.maintenance
            state.frozen = account.frozen + account.frozen_flying
            state.available = margin.available
            state.realised = account.realised
            state.fees = account.fees
        ring_commit(self.risk_gateway.ring)
        return 0

    cdef int send_position(self, const rsx_account_query_t* query, const position_t* position,
                           uint64_t now) noexcept nogil:
        cdef const symbol_t* symbol = &self.ledger.ledger.symbols[position.symbol]
        cdef int64_t mark = ledger_mark(symbol, self.ledger.ledger.stale_ns)
        cdef int64_t size = -position.net if position.net < 0 else position.net
        cdef rsx_position_state_t* state
        if not (position.net or position.frozen or position.frozen_flying or position.realised):
            return 0
        state = <rsx_position_state_t*>ring_claim_sure(self.risk_gateway.ring)
        rsx_record_init(state, RSX_POSITION_STATE, STREAM_RISK)
        state.ts_ns = now
        state.request_id = query.request_id
        state.net_qty = position.net
        state.entry_cost = position.cost
        state.realised = position.realised
        state.unrealised = unrealised_of(position, mark)
        state.mark_px = mark
        state.initial_margin = rsx_requirement(size * mark, symbol.bracket[0].initial_ppm)
        state.maintenance_margin = rsx_requirement(size * mark, symbol.bracket[0].maintenance_ppm)
        state.frozen = position.frozen + position.frozen_flying
        state.open_buy_qty = position.open_buy + position.flying_buy
        state.open_sell_qty = position.open_sell + position.flying_sell
        state.user_id = query.user_id
        state.symbol_id = symbol.symbol_id
        return 1

    # --- Python face ----------------------------------------------------------------------

    def load_fired(self, const uint8_t[:] record):
        """Give it a TRIGGER_FIRED that the log has no answer to, before the start (TR-9)."""
        if record.shape[0] != RSX_RECORD_SIZE:
            raise ValueError(f"{record.shape[0]} bytes where a record takes 128")
        if (<const rsx_record_t*>&record[0]).type != RSX_TRIGGER_FIRED:
            raise ValueError(f"type {(<const rsx_record_t*>&record[0]).type} is no TRIGGER_FIRED")
        self.line_up(<const rsx_record_t*>&record[0])

    def counters(self):
        return {
            "released_seq": self.released_seq,
            "orders_checked": self.checked,
            "orders_refused": self.refused,
            "stalls": self.stalls,
            "triggers_fired": self.fired_end - self.fired_first,
            "orders_known": self.ledger.ledger.orders.live,
            "accounts": self.ledger.ledger.accounts_used,
            "positions": self.ledger.ledger.positions_used,
        }
