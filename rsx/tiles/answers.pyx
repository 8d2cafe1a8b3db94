# cython: boundscheck=False
"""Answers to account queries: what an account has, holds and risks.

For each position that is not empty POSITION_STATE and POSITION_RISK, then ACCOUNT_STATE. An answer
is written whole or not at all. G-n, P-2: specs/risk.md; the rules are in rsx/risk/margin.
"""

from libc.stdint cimport int64_t, uint16_t, uint32_t, uint64_t

from rsx.core.ring cimport ring_claim_sure, ring_commit, ring_free
from rsx.records_c cimport *
from rsx.risk.accounts cimport (
    account_t, ledger_account, ledger_mark, magnitude, position_t, symbol_t, unrealised_of,
)
from rsx.risk.margin cimport (
    account_outflow, bankruptcy_px, initial_requirement, ledger_margin, liquidation_px,
    maintenance_requirement, margin_t, outflow_t,
)
from rsx.tiles.keeper cimport Keeper
from rsx.tiles.outbox cimport BUSY, STREAM_RISK, Outbox


cdef class Answers:
    def __init__(self, Outbox out, Keeper keeper):
        # Two legs in each symbol, two records each.
        cdef uint64_t needed = 4 * <uint64_t>out.ledger.symbol_count + 1
        if out.gateway.depth < needed:
            raise ValueError(f"risk_gateway has {out.gateway.depth} slots; an answer to an account "
                             f"query takes up to {needed}")
        self.out = out
        self.keeper = keeper

    cdef int on_query(self, const rsx_record_t* request, uint64_t now) except -1 nogil:
        """BUSY, or answered; of a user without an account every amount is 0."""
        cdef const rsx_account_query_t* query = <const rsx_account_query_t*>request
        cdef account_t* account = ledger_account(self.out.ledger, query.user_id)
        cdef position_t* position
        cdef uint32_t slot = 0, sent = 0
        cdef uint64_t needed = 1
        cdef rsx_account_state_t* state
        if account != NULL:
            slot = account.first_position
            needed += 2 * <uint64_t>account.positions
        if ring_free(self.out.gateway, needed) < needed:
            return BUSY
        while slot:
            position = &self.out.ledger.positions[slot]
            slot = position.next
            if is_worth_telling(position):
                self.send_position(query, position, now)
                self.send_risk(query, account, position, now)
                sent += 1
        state = <rsx_account_state_t*>ring_claim_sure(self.out.gateway)
        rsx_record_init(state, RSX_ACCOUNT_STATE, STREAM_RISK)
        state.ts_ns = now
        state.request_id = query.request_id
        state.user_id = query.user_id
        state.positions = <uint16_t>sent
        if account != NULL:
            self.fill_account(state, account, now)
        ring_commit(self.out.gateway)
        return 0

    cdef int fill_account(self, rsx_account_state_t* state, account_t* account,
                          uint64_t now) except -1 nogil:
        cdef margin_t margin
        cdef outflow_t outflow
        ledger_margin(self.out.ledger, account, now, &margin)
        account_outflow(self.out.ledger, account, now, &outflow)
        state.collateral = account.collateral
        state.unrealised = margin.unrealised
        state.equity = margin.equity
        state.initial_margin = margin.initial
        state.maintenance_margin = margin.maintenance
        state.frozen = account.frozen + account.frozen_flying
        state.available = margin.available
        state.realised = account.realised
        state.fees = account.fees
        state.withdrawable = outflow.withdrawable
        state.position_mode = account.position_mode
        state.stage = account.stage
        return 0

    cdef int send_position(self, const rsx_account_query_t* query, const position_t* position,
                           uint64_t now) except -1 nogil:
        cdef const symbol_t* symbol = &self.out.ledger.symbols[position.symbol]
        cdef int64_t mark = ledger_mark(symbol, self.out.ledger.stale_ns)
        cdef int64_t notional = magnitude(position.net) * mark
        cdef rsx_position_state_t* state = <rsx_position_state_t*>ring_claim_sure(
            self.out.gateway)
        rsx_record_init(state, RSX_POSITION_STATE, STREAM_RISK)
        state.ts_ns = now
        state.request_id = query.request_id
        state.net_qty = position.net
        state.entry_cost = position.cost
        state.realised = position.realised
        state.unrealised = unrealised_of(position, mark)
        state.mark_px = mark
        state.initial_margin = initial_requirement(symbol, position.leverage_ppm, notional)
        state.maintenance_margin = maintenance_requirement(symbol, notional)
        state.frozen = position.frozen + position.frozen_flying
        state.open_buy_qty = position.open_buy + position.flying_buy
        state.open_sell_qty = position.open_sell + position.flying_sell
        state.user_id = query.user_id
        state.symbol_id = symbol.symbol_id
        return 0

    cdef int send_risk(self, const rsx_account_query_t* query, account_t* account,
                       position_t* position, uint64_t now) except -1 nogil:
        cdef const symbol_t* symbol = &self.out.ledger.symbols[position.symbol]
        cdef int64_t mark = ledger_mark(symbol, self.out.ledger.stale_ns)
        cdef rsx_position_risk_t* state = <rsx_position_risk_t*>ring_claim_sure(self.out.gateway)
        rsx_record_init(state, RSX_POSITION_RISK, STREAM_RISK)
        state.ts_ns = now
        state.request_id = query.request_id
        state.liquidation_px = liquidation_px(self.out.ledger, account, position)
        state.bankruptcy_px = bankruptcy_px(self.out.ledger, account, position)
        state.wallet = position.wallet
        state.notional = magnitude(position.net) * mark
        state.funding_owed = position.owed
        state.leverage_ppm = position.leverage_ppm
        state.user_id = query.user_id
        state.symbol_id = symbol.symbol_id
        state.leverage = position.leverage
        state.margin_mode = position.margin_mode
        state.leg = position.leg
        state.stage = position.stage
        state.round = position.round
        state.lights = <uint8_t>self.keeper.lights_of(position, mark, now)
        return 0


cdef inline bint is_worth_telling(const position_t* position) noexcept nogil:
    return (position.net or position.frozen or position.frozen_flying or position.realised
            or position.wallet or position.owed or position.leverage or position.margin_mode)
