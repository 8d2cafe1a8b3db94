# cython: boundscheck=False
"""risk tile: margin before the match, settlement after it, answers to account queries.

Reads   wal_risk (released records), gateway_risk (orders, cancels, deposits, queries), mark_risk
Writes  risk_matching[symbol] (ORDER_NEW, ORDER_CANCEL), risk_gateway (refusals, account states),
        risk_wal (DEPOSIT, MARK_PRICE)
Owns    accounts, positions, what is reserved
On full risk_matching, risk_gateway, risk_wal: takes no more requests; wal_risk is drained always,
        so the cycle risk, matching, wal cannot lock (specs/tiles.md T-6)
On a stale mark: orders that add exposure are refused with 2002 (specs/risk.md K-2)
Source  specs/risk.md; the rules are in rsx/risk/ledger.pyx; enforces INV-5 at its input
"""

from libc.stdint cimport int64_t, uint16_t, uint32_t, uint64_t
from libc.string cimport memcpy

from rsx.core.check cimport fail
from rsx.core.clock cimport Clock, monotonic_ns
from rsx.core.ring cimport (
    Ring, ring_available, ring_claim_sure, ring_commit, ring_free, ring_peek, ring_release,
    ring_t, ring_wake,
)
from rsx.core.tile cimport RETRY_NS, Tile
from rsx.records_c cimport *
from rsx.risk.ledger cimport (
    Ledger, account_t, ledger_account, ledger_apply, ledger_check, ledger_check_deposit,
    ledger_index, ledger_margin, ledger_mark, margin_t, position_t, symbol_t, unrealised_of,
)
from rsx.units cimport rsx_requirement

cdef enum:
    STREAM_RISK = 65535
    BUSY = 2                # an output ring is full: the request stays where it is


cdef class RiskTile(Tile):
    """Args  matching_rings: Ring per symbol, in the order of ledger.symbols; next_seq: number of
    the first record that will be released."""

    def __init__(self, str name, Clock clock, Ledger ledger, *, Ring gateway_risk, Ring mark_risk,
                 Ring wal_risk, Ring risk_gateway, Ring risk_wal, list matching_rings,
                 uint64_t next_seq):
        cdef Ring ring
        super().__init__(name, [gateway_risk, mark_risk, wal_risk])
        self.clock = clock
        self.ledger = ledger
        self.gateway_risk = gateway_risk
        self.mark_risk = mark_risk
        self.wal_risk = wal_risk
        self.risk_gateway = risk_gateway
        self.risk_wal = risk_wal
        self.matching_rings = matching_rings
        for index, ring in enumerate(matching_rings):
            self.matching[index] = ring.ring
        self.released_seq = next_seq - 1

    cdef int do_work(self) except -1 nogil:
        cdef uint64_t now = self.clock.now()
        cdef int work = self.settle_released()
        work += self.take_marks(now)
        work += self.take_requests(now)
        return work

    cdef int settle_released(self) except -1 nogil:
        """Fold what the log has released: before new orders, so that they see what it freed."""
        cdef ring_t* ring = self.wal_risk.ring
        cdef uint64_t count = min(ring_available(ring), <uint64_t>SETTLE_LIMIT), at
        cdef const rsx_record_t* record
        for at in range(count):
            record = <const rsx_record_t*>ring_peek(ring, at)
            if record.seq != self.released_seq + 1:
                return fail(5, record.seq, self.released_seq)
            self.released_seq += 1
            ledger_apply(&self.ledger.ledger, record, True)
        if count:
            ring_release(ring, count)
        return <int>count

    cdef int take_marks(self, uint64_t now) except -1 nogil:
        cdef ring_t* ring = self.mark_risk.ring
        cdef uint64_t count = min(ring_available(ring), <uint64_t>MARK_LIMIT), done = 0
        cdef const rsx_mark_update_t* update
        cdef rsx_mark_price_t* record
        while done < count and ring_free(self.risk_wal.ring, 1):
            update = <const rsx_mark_update_t*>ring_peek(ring, done)
            done += 1
            if ledger_index(&self.ledger.ledger, update.symbol_id) < 0 or update.mark_px <= 0:
                return fail(1401, update.symbol_id, update.mark_px)
            record = <rsx_mark_price_t*>ring_claim_sure(self.risk_wal.ring)
            rsx_record_init(record, RSX_MARK_PRICE, STREAM_RISK)
            record.header_flags = RSX_GROUP_END
            record.ts_ns = now
            record.mark_px = update.mark_px
            record.index_px = update.index_px
            record.symbol_id = update.symbol_id
        if done:
            ring_release(ring, done)
            ring_commit(self.risk_wal.ring)
            ring_wake(self.risk_wal.ring)
        return <int>done

    cdef int take_requests(self, uint64_t now) except -1 nogil:
        cdef ring_t* ring = self.gateway_risk.ring
        cdef uint64_t count = min(ring_available(ring), <uint64_t>REQUEST_LIMIT), done = 0
        cdef const rsx_record_t* request
        cdef int result, index
        self.due_ns = 0
        while done < count:
            request = <const rsx_record_t*>ring_peek(ring, done)
            if request.type == RSX_ORDER_REQUEST:
                result = self.on_order(<const rsx_order_request_t*>request, now)
            elif request.type == RSX_CANCEL_REQUEST:
                result = self.on_cancel(<const rsx_cancel_request_t*>request, now)
            elif request.type == RSX_ACCOUNT_QUERY:
                result = self.on_query(request, now)
            elif request.type == RSX_DEPOSIT_REQUEST:
                result = self.on_deposit(<const rsx_deposit_request_t*>request, now)
            else:
                return fail(1402, request.type, request.seq)
            if result == BUSY:
                self.stalls += 1
                self.due_ns = monotonic_ns() + RETRY_NS
                break
            done += 1
        if done:
            ring_release(ring, done)
            for index in range(self.ledger.ledger.symbol_count):
                ring_wake(self.matching[index])
            ring_wake(self.risk_gateway.ring)
            ring_wake(self.risk_wal.ring)
        return <int>done

    # --- requests -------------------------------------------------------------------------

    cdef int on_order(self, const rsx_order_request_t* order, uint64_t now) except -1 nogil:
        cdef int64_t required = 0, available = 0
        cdef int index = ledger_index(&self.ledger.ledger, order.symbol_id)
        cdef int reason
        cdef rsx_request_rejected_t* refusal
        cdef rsx_order_new_t* accepted
        if not ring_free(self.risk_gateway.ring, 1):
            return BUSY
        if index >= 0 and not ring_free(self.matching[index], 1):
            return BUSY
        self.checked += 1
        reason = ledger_check(&self.ledger.ledger, order, now, &required, &available)
        if reason:
            self.refused += 1
            refusal = <rsx_request_rejected_t*>ring_claim_sure(self.risk_gateway.ring)
            rsx_record_init(refusal, RSX_REQUEST_REJECTED, STREAM_RISK)
            refusal.ts_ns = now
            refusal.oid = order.oid
            refusal.required = required
            refusal.available = available
            refusal.user_id = order.user_id
            refusal.symbol_id = order.symbol_id
            refusal.reason = <uint16_t>reason
            ring_commit(self.risk_gateway.ring)
            return 0
        accepted = <rsx_order_new_t*>ring_claim_sure(self.matching[index])
        rsx_record_init(accepted, RSX_ORDER_NEW, STREAM_RISK)
        accepted.ts_ns = now
        accepted.oid = order.oid
        accepted.px = order.px
        accepted.qty = order.qty
        accepted.reserved = required
        accepted.received_ns = order.received_ns
        # From expire_s to cid both records are the same.
        memcpy(&accepted.expire_s, &order.expire_s, 52)
        ring_commit(self.matching[index])
        return 0

    cdef int on_cancel(self, const rsx_cancel_request_t* request, uint64_t now) except -1 nogil:
        cdef int index = ledger_index(&self.ledger.ledger, request.symbol_id)
        cdef rsx_order_cancel_t* passed
        if index < 0:
            return self.refuse(<const rsx_record_t*>request, request.user_id, request.symbol_id,
                               RSX_R_UNKNOWN_SYMBOL, now)
        if not ring_free(self.matching[index], 1):
            return BUSY
        passed = <rsx_order_cancel_t*>ring_claim_sure(self.matching[index])
        rsx_record_copy(passed, request)
        passed.type = RSX_ORDER_CANCEL
        passed.ts_ns = now
        ring_commit(self.matching[index])
        return 0

    cdef int on_deposit(self, const rsx_deposit_request_t* request,
                        uint64_t now) except -1 nogil:
        cdef int reason
        cdef rsx_deposit_t* record
        if not ring_free(self.risk_wal.ring, 1) or not ring_free(self.risk_gateway.ring, 1):
            return BUSY
        reason = ledger_check_deposit(&self.ledger.ledger, request.user_id, request.amount)
        if reason:
            return self.refuse(<const rsx_record_t*>request, request.user_id, 0,
                               <uint16_t>reason, now)
        record = <rsx_deposit_t*>ring_claim_sure(self.risk_wal.ring)
        rsx_record_init(record, RSX_DEPOSIT, STREAM_RISK)
        record.header_flags = RSX_GROUP_END
        record.ts_ns = now
        record.request_id = request.request_id
        record.amount = request.amount
        record.user_id = request.user_id
        ring_commit(self.risk_wal.ring)
        return 0

    cdef int refuse(self, const rsx_record_t* request, uint32_t user_id, uint32_t symbol_id,
                    uint16_t reason, uint64_t now) except -1 nogil:
        """Refuse a request that is not an order; its number tells the gateway which."""
        cdef rsx_request_rejected_t* refusal
        if not ring_free(self.risk_gateway.ring, 1):
            return BUSY
        refusal = <rsx_request_rejected_t*>ring_claim_sure(self.risk_gateway.ring)
        rsx_record_init(refusal, RSX_REQUEST_REJECTED, STREAM_RISK)
        refusal.ts_ns = now
        if request.type == RSX_CANCEL_REQUEST:
            refusal.request_id = (<const rsx_cancel_request_t*>request).request_id
        else:
            refusal.request_id = (<const rsx_deposit_request_t*>request).request_id
        refusal.user_id = user_id
        refusal.symbol_id = symbol_id
        refusal.reason = reason
        ring_commit(self.risk_gateway.ring)
        return 0

    cdef int on_query(self, const rsx_record_t* request, uint64_t now) except -1 nogil:
        """POSITION_STATE for each position that is not empty, then ACCOUNT_STATE."""
        cdef const rsx_account_query_t* query = <const rsx_account_query_t*>request
        cdef account_t* account = ledger_account(&self.ledger.ledger, query.user_id)
        cdef uint32_t slot = 0, sent = 0
        cdef margin_t margin
        cdef rsx_account_state_t* state
        if ring_free(self.risk_gateway.ring, 65) < 65:
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
        state.positions = sent
        if account != NULL:
            ledger_margin(&self.ledger.ledger, account, now, &margin, True)
            state.collateral = account.collateral
            state.unrealised = margin.unrealised
            state.equity = account.collateral + margin.unrealised
            state.initial_margin = margin.initial
            state.maintenance_margin = margin.maintenance
            state.frozen = account.frozen + account.frozen_flying
            state.available = state.equity - margin.held
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
        state.initial_margin = rsx_requirement(size * mark, symbol.initial_margin_ppm)
        state.maintenance_margin = rsx_requirement(size * mark, symbol.maintenance_margin_ppm)
        state.frozen = position.frozen + position.frozen_flying
        state.open_buy_qty = position.open_buy + position.flying_buy
        state.open_sell_qty = position.open_sell + position.flying_sell
        state.user_id = query.user_id
        state.symbol_id = symbol.symbol_id
        return 1

    def counters(self):
        return {
            "released_seq": self.released_seq,
            "orders_checked": self.checked,
            "orders_refused": self.refused,
            "stalls": self.stalls,
            "accounts": self.ledger.ledger.accounts_used,
            "positions": self.ledger.ledger.positions_used,
        }
