# cython: boundscheck=False
"""liquidator: leads the liquidations of a risk tile's own users, as part of its duty cycle.

Reads   released records (through its tile), the tile's ledger
Writes  risk_wal (LIQUIDATION_STEP), risk_matching[symbol] (ORDER_CANCEL_ALL, ORDER_NEW of kind 7),
        risk_gateway (MARGIN_CALL)
Owns    which buckets it leads, and what of them is in flight; all else is a fold of the log
On full risk_wal, risk_matching: what is due waits where it stands and is tried again; a full
        risk_gateway delays margin calls alone

    found --STARTED--> cancel-alls out --all back--> look --ORDERED--> order out --ended--> look
                                                       |--BANKRUPT--> transfers (shard 0) --> look
                                                       '--RECOVERED, CLOSED--> over

Every arrow that names a stage is passed when its record is released. A restart begins each bucket
that the ledger has in liquidation at its cancel-alls. Source: specs/liquidation.md LQ-1 to LQ-9,
SB-3, SB-4; decisions are in rsx/risk/liquidation, finding in rsx/risk/watch. Enforces INV-23.
"""

from libc.stdint cimport int64_t, uint8_t, uint32_t, uint64_t

from rsx.core.check cimport fail
from rsx.core.memory cimport RSX_PAGES_SMALL, rsx_map, rsx_unmap
from rsx.core.ring cimport ring_claim_sure, ring_commit, ring_free
from rsx.records_c cimport *
from rsx.risk.accounts cimport (
    account_t, find_position, is_own, ledger_account, ledger_index, ledger_mark, magnitude,
    position_t, symbol_t,
)
from rsx.risk.funding cimport accrue
from rsx.risk.liquidation cimport (
    BUCKET_POSITIONS_MAX, CLOSE, GIVE_UP, ORDER, RECOVER, WAIT, decide, is_of_bucket, is_own_oid,
    next_own_oid,
)
from rsx.risk.margin cimport bankruptcy_px, bucket_t
from rsx.risk.watch cimport RECKON_LIMIT, Watch
from rsx.tiles.outbox cimport BUSY, STREAM_RISK, Outbox


cdef class Liquidator:
    def __init__(self, Outbox out):
        self.out = out
        self.ledger = out.ledger
        self.watch = Watch(out.owner)
        self.slots = self.ledger.accounts_max + self.ledger.positions_max + 1
        self.cases = <case_t*>rsx_map(self.slots * sizeof(case_t), RSX_PAGES_SMALL)
        self.places = <uint32_t*>rsx_map(self.slots * sizeof(uint32_t), RSX_PAGES_SMALL)
        if self.cases == NULL or self.places == NULL:
            raise MemoryError(f"{self.slots} margin buckets")

    def __dealloc__(self):
        if self.cases != NULL:
            rsx_unmap(self.cases, self.slots * sizeof(case_t))
        if self.places != NULL:
            rsx_unmap(self.places, self.slots * sizeof(uint32_t))

    def start(self):
        """Before the first duty cycle: go on with what the log has left open (LQ-2, LQ-6)."""
        cdef uint64_t row
        cdef account_t* account
        cdef position_t* position
        for row in range(1, self.ledger.accounts_used + 1):
            account = &self.ledger.accounts[row]
            if account.stage and is_own(self.ledger, account.user_id):
                self.begin_cancelling(self.open_case(self.watch.slot_of(account, NULL)))
        for row in range(1, self.ledger.positions_used + 1):
            position = &self.ledger.positions[row]
            if (position.stage and position.margin_mode == RSX_MARGIN_ISOLATED
                    and is_own(self.ledger, self.ledger.accounts[position.account].user_id)):
                self.begin_cancelling(self.open_case(self.watch.slot_of(NULL, position)))
        self.watch.start()

    # --- cases ----------------------------------------------------------------------------

    cdef case_t* case_of(self, uint32_t slot) noexcept nogil:
        return &self.cases[self.places[slot]] if self.places[slot] else NULL

    cdef case_t* open_case(self, uint32_t slot) except NULL nogil:
        cdef case_t* case
        if self.places[slot]:
            fail(23, slot, self.places[slot])
        self.count += 1
        self.places[slot] = self.count
        case = &self.cases[self.count]
        case.slot = slot
        case.oid = 0
        case.until_ns = 0
        case.flying = 0
        case.is_sent = False
        case.is_cancelling = False
        self.watch.lead(slot)
        self.is_moved = True
        return case

    cdef void end_case(self, case_t* case) noexcept nogil:
        cdef uint32_t slot = case.slot, place = self.places[slot]
        self.places[slot] = 0
        if place != self.count:
            self.cases[place] = self.cases[self.count]
            self.places[self.cases[place].slot] = place
        self.count -= 1
        self.is_moved = True
        self.watch.let_go(slot)

    cdef void begin_cancelling(self, case_t* case) noexcept nogil:
        """LQ-2: a cancel-all for each symbol in which the bucket has a position row."""
        cdef position_t* isolated = NULL
        cdef account_t* account = self.watch.account_of(case.slot, &isolated)
        cdef uint32_t at = account.first_position
        cdef position_t* position
        case.is_cancelling = True
        self.is_moved = True
        while at:
            position = &self.ledger.positions[at]
            at = position.next
            if is_of_bucket(position, isolated):
                position.cancelling = CANCEL_DUE

    # --- records --------------------------------------------------------------------------

    cdef int on_record(self, const rsx_record_t* record) except -1 nogil:
        """A released record, after the ledger has applied it."""
        cdef const rsx_fill_t* fill
        cdef const rsx_order_cancelled_t* cancelled
        cdef const rsx_order_rejected_t* rejected
        self.watch.on_record(record)
        if record.type == RSX_FILL:
            fill = <const rsx_fill_t*>record
            if self.ledger.stale_ns == 0:
                self.is_moved = True
            if fill.taker_remaining == 0 and is_own_oid(fill.taker_oid):
                self.on_order_end(fill.taker_user_id, fill.taker_oid)
        elif record.type == RSX_ORDER_CANCELLED:
            cancelled = <const rsx_order_cancelled_t*>record
            if is_own_oid(cancelled.oid):
                self.on_order_end(cancelled.user_id, cancelled.oid)
        elif record.type == RSX_ORDER_REJECTED:
            rejected = <const rsx_order_rejected_t*>record
            if is_own_oid(rejected.oid):
                self.on_order_end(rejected.user_id, rejected.oid)
        elif record.type == RSX_CANCEL_ALL_DONE:
            return self.on_cancelled(<const rsx_cancel_all_done_t*>record)
        elif record.type == RSX_LIQUIDATION_STEP:
            return self.on_step(<const rsx_liquidation_step_t*>record)
        else:
            self.is_moved = True
        return 0

    cdef int on_step(self, const rsx_liquidation_step_t* step) except -1 nogil:
        cdef account_t* account = ledger_account(self.ledger, step.user_id)
        cdef position_t* position = NULL
        cdef position_t* isolated = NULL
        cdef case_t* case
        cdef int index = ledger_index(self.ledger, step.symbol_id)
        if account == NULL:
            return fail(23, step.user_id, step.stage)
        if not is_own(self.ledger, step.user_id):
            return 0
        if index >= 0:
            position = find_position(self.ledger, account, index, step.leg)
        if step.margin_mode == RSX_MARGIN_ISOLATED:
            isolated = position
        case = self.case_of(self.watch.slot_of(account, isolated))
        if case == NULL or case.flying == 0:
            return fail(23, step.user_id, step.stage)
        case.flying -= 1
        self.is_moved = True
        if step.stage == RSX_STAGE_STARTED:
            self.begin_cancelling(case)
        elif step.stage == RSX_STAGE_ORDERED:
            if position == NULL or case.oid:
                return fail(23, step.user_id, step.oid)
            case.oid = step.oid
            case.row = <uint32_t>(position - self.ledger.positions)
            case.px = step.px
            case.qty = step.qty
            case.side = step.side
            case.is_sent = False
        elif step.stage == RSX_STAGE_RECOVERED or step.stage == RSX_STAGE_CLOSED:
            self.end_case(case)
        return 0

    cdef int on_cancelled(self, const rsx_cancel_all_done_t* done) except -1 nogil:
        """LQ-2: one of the cancel-alls is back."""
        cdef account_t* account
        cdef position_t* position
        cdef uint32_t at
        cdef int index = ledger_index(self.ledger, done.symbol_id)
        if done.reason != RSX_R_LIQUIDATION or not is_own(self.ledger, done.user_id):
            return 0
        account = ledger_account(self.ledger, done.user_id)
        if account == NULL or index < 0:
            return fail(23, done.user_id, done.symbol_id)
        at = account.first_position
        while at:
            position = &self.ledger.positions[at]
            at = position.next
            if position.symbol == index and position.cancelling == CANCEL_OUT:
                position.cancelling = 0
        self.is_moved = True
        return 0

    cdef void on_order_end(self, uint32_t user_id, uint64_t oid) noexcept nogil:
        """LQ-6: the terminal record of an order of the exchange's own; of funds none is led."""
        cdef account_t* account = ledger_account(self.ledger, user_id)
        cdef uint32_t at
        cdef case_t* case
        if account == NULL or not is_own(self.ledger, user_id):
            return
        case = self.case_of(self.watch.slot_of(account, NULL))
        at = account.first_position
        while at and (case == NULL or case.oid != oid):
            case = self.case_of(self.watch.slot_of(NULL, &self.ledger.positions[at]))
            at = self.ledger.positions[at].next
        if case != NULL and case.oid == oid:
            case.oid = 0
            case.until_ns = 0
            self.is_moved = True

    # --- a duty cycle ---------------------------------------------------------------------

    cdef int work(self, uint64_t now) except -1 nogil:
        """Find, start, lead; returns how much was done."""
        cdef int done = self.start_found(now)
        cdef uint32_t looks = 0
        self.is_stalled = False
        if self.watch.is_led_moved or (self.next_ns and now >= self.next_ns):
            self.watch.is_led_moved = False
            self.is_moved = True
        if self.is_moved:
            self.is_moved = False
            self.left = self.count
            self.next_ns = 0
        while self.left and looks < LOOKS_LIMIT and self.count:
            self.left -= 1
            looks += 1
            self.at = self.at + 1 if self.at < self.count else 1
            done += 1 + self.advance(&self.cases[self.at], now)
            if self.is_stalled:
                self.is_moved = True
                break
        return done

    cdef int start_found(self, uint64_t now) except -1 nogil:
        """SB-3, SB-4: STARTED for what is below maintenance, calls for what is near."""
        cdef int at, limit = <int>min(<uint64_t>RECKON_LIMIT, ring_free(self.out.wal, RECKON_LIMIT))
        cdef int calls = <int>min(<uint64_t>RECKON_LIMIT, ring_free(self.out.gateway, RECKON_LIMIT))
        cdef int done = self.watch.work(now, limit, calls)
        cdef position_t* isolated = NULL
        cdef account_t* account
        cdef rsx_margin_call_t* call
        for at in range(self.watch.below_count):
            account = self.watch.account_of(self.watch.below[at].slot, &isolated)
            self.open_case(self.watch.below[at].slot).flying = 1
            self.log_step(account, isolated, RSX_STAGE_STARTED, isolated,
                          &self.watch.below[at].bucket, now)
            ring_commit(self.out.wal)
            self.started += 1
        for at in range(self.watch.calls_count):
            self.watch.account_of(self.watch.calls[at].slot, &isolated)
            call = <rsx_margin_call_t*>ring_claim_sure(self.out.gateway)
            rsx_record_init(call, RSX_MARGIN_CALL, STREAM_RISK)
            call.ts_ns = now
            call.equity = self.watch.calls[at].bucket.equity
            call.maintenance_margin = self.watch.calls[at].bucket.maintenance
            call.user_id = self.watch.calls[at].user_id
            if isolated != NULL:
                call.symbol_id = self.ledger.symbols[isolated.symbol].symbol_id
                call.leg = isolated.leg
            ring_commit(self.out.gateway)
            self.called += 1
        return done

    cdef int advance(self, case_t* case, uint64_t now) except -1 nogil:
        """The next thing that can be done for a bucket; returns 1 when something was."""
        cdef position_t* isolated = NULL
        cdef account_t* account
        cdef uint32_t at
        if case.flying:
            return 0
        if case.oid:
            return 0 if case.is_sent else self.send_order(case, now)
        if case.is_cancelling and self.cancel_orders(case, now):
            return 1
        if case.is_cancelling or self.is_stalled:
            return 0
        account = self.watch.account_of(case.slot, &isolated)
        at = account.first_position
        while at:
            if is_of_bucket(&self.ledger.positions[at], isolated):
                accrue(self.ledger, &self.ledger.positions[at])
            at = self.ledger.positions[at].next
        decide(self.ledger, account, isolated, now, &self.decision)
        return self.follow(case, account, isolated, now)

    cdef int cancel_orders(self, case_t* case, uint64_t now) except -1 nogil:
        """LQ-2: send the cancel-alls that are due; over when none is due or out."""
        cdef position_t* isolated = NULL
        cdef account_t* account = self.watch.account_of(case.slot, &isolated)
        cdef uint32_t at = account.first_position, other
        cdef position_t* position
        cdef int sent = 0
        cdef bint is_out = False
        while at:
            position = &self.ledger.positions[at]
            at = position.next
            if not is_of_bucket(position, isolated):
                continue
            if position.cancelling == CANCEL_DUE:
                if self.out.cancel_all(position.symbol, account.user_id, RSX_R_LIQUIDATION, 0,
                                       now) == BUSY:
                    self.is_stalled = True
                    return sent
                sent = 1
                other = account.first_position
                while other:
                    if (self.ledger.positions[other].symbol == position.symbol
                            and self.ledger.positions[other].cancelling == CANCEL_DUE):
                        self.ledger.positions[other].cancelling = CANCEL_OUT
                    other = self.ledger.positions[other].next
            is_out |= position.cancelling == CANCEL_OUT
        case.is_cancelling = is_out
        return sent

    cdef int send_order(self, case_t* case, uint64_t now) except -1 nogil:
        """LQ-6."""
        cdef position_t* position = &self.ledger.positions[case.row]
        cdef const account_t* account = &self.ledger.accounts[position.account]
        cdef uint8_t flags = RSX_HEDGE if account.position_mode == RSX_POSITION_HEDGE else 0
        if self.out.close_position(position.symbol, case.oid, account.user_id, case.side, flags,
                                   case.px, case.qty, now) == BUSY:
            self.is_stalled = True
            return 0
        case.is_sent = True
        return 1

    cdef int follow(self, case_t* case, account_t* account, position_t* isolated,
                    uint64_t now) except -1 nogil:
        """Log what was decided; BANKRUPT for each position that is given up."""
        cdef decision_t* decision = &self.decision
        cdef uint32_t at
        cdef uint8_t stage = RSX_STAGE_ORDERED
        if decision.what == WAIT:
            if decision.until_ns and (self.next_ns == 0 or decision.until_ns < self.next_ns):
                self.next_ns = decision.until_ns
            return 0
        if decision.what != GIVE_UP and decision.what != ORDER:
            decision.count = 1
            decision.rows[0] = 0
        if ring_free(self.out.wal, decision.count) < decision.count:
            self.is_stalled = True
            return 0
        if decision.what == RECOVER:
            stage = RSX_STAGE_RECOVERED
            self.recovered += 1
        elif decision.what == CLOSE:
            stage = RSX_STAGE_CLOSED
        elif decision.what == GIVE_UP:
            stage = RSX_STAGE_BANKRUPT
            self.given_up += decision.count
        for at in range(decision.count):
            self.log_step(account, isolated, stage, &self.ledger.positions[decision.rows[at]]
                          if decision.rows[at] else isolated, &decision.bucket, now)
            case.flying += 1
        ring_commit(self.out.wal)
        return 1

    cdef int log_step(self, account_t* account, const position_t* isolated, uint8_t stage,
                      position_t* position, const bucket_t* bucket, uint64_t now) except -1 nogil:
        """Claim and fill a LIQUIDATION_STEP; position: NULL where it is about a cross bucket."""
        cdef rsx_liquidation_step_t* step = <rsx_liquidation_step_t*>self.out.logged(
            RSX_LIQUIDATION_STEP, now)
        cdef const symbol_t* symbol
        step.equity = bucket.equity
        step.maintenance_margin = bucket.maintenance
        step.user_id = account.user_id
        step.stage = stage
        if isolated != NULL:
            step.margin_mode = RSX_MARGIN_ISOLATED
        if position == NULL:
            return 0
        symbol = &self.ledger.symbols[position.symbol]
        step.mark_px = ledger_mark(symbol, self.ledger.stale_ns)
        step.net_qty = position.net
        step.symbol_id = symbol.symbol_id
        step.leg = position.leg
        step.round = position.round
        step.side = RSX_SELL if position.net > 0 else RSX_BUY
        if stage == RSX_STAGE_ORDERED:
            step.oid = next_own_oid(self.ledger, self.ledger.shard, now)
            step.round = <uint8_t>self.decision.round
            step.px = self.decision.px
            step.qty = self.decision.qty
            self.ordered += 1
        elif stage == RSX_STAGE_BANKRUPT:
            step.px = bankruptcy_px(self.ledger, account, position)
            step.qty = magnitude(position.net)
        return 0

    # --- Python face ----------------------------------------------------------------------

    def counters(self):
        return {
            "liquidations": self.count, "liquidations_started": self.started,
            "liquidation_orders": self.ordered, "bankruptcies": self.given_up,
            "liquidations_recovered": self.recovered, "margin_calls": self.called,
            **self.watch.counters(),
        }
