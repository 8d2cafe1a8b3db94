# cython: boundscheck=False
"""Which margin buckets may be below maintenance: thresholds, and full reckonings where they passed.

    mark --> pass over thresholds --passed--> line --128 a duty cycle--> below: to be started
    fill, transfer, funding ... (changed) ------^                  \\--> new thresholds

A bucket is an account (its cross positions) or an isolated position; its *slot* is the row of the
account, or accounts_max plus the row of the position. What stands in the line, what is in
liquidation, what is not priced and users of other shards have thresholds that no mark passes, or
that the mark they wait for does. Rules LQ-1, SB-1 to SB-4: specs/liquidation.md. Enforces INV-32.
"""

from libc.stdint cimport INT64_MAX, INT64_MIN, int64_t, uint8_t, uint32_t, uint64_t
from libc.string cimport memset

from rsx.core.check cimport fail
from rsx.core.heap cimport heap_first, heap_free, heap_init, heap_place, heap_put, heap_remove
from rsx.core.memory cimport RSX_PAGES_SMALL, rsx_map, rsx_prefetch, rsx_unmap
from rsx.records_c cimport *
from rsx.risk.accounts cimport (
    account_t, exposed_t, find_position, is_fresh, is_own, ledger_account, ledger_index,
    ledger_mark, ledger_t, magnitude, position_t, symbol_t,
)
from rsx.risk.exposure cimport always_look
from rsx.risk.funding cimport accrue
from rsx.risk.ledger cimport Ledger
from rsx.risk.liquidation cimport can_start, is_of_bucket
from rsx.risk.margin cimport bucket_margin, bucket_t, is_isolated, next_changed
from rsx.units cimport (
    RSX_PPM, rsx_add, rsx_floor_div, rsx_product_above, rsx_scale, rsx_scale_up, rsx_share,
)


cdef int64_t safe_move(int64_t share, int64_t size, uint32_t rate_ppm) noexcept nogil:
    """SB-1: how many price units the mark may go against a position before its share of the
    slack can be used up. rate: at which what its bucket must have grows with notional."""
    if share <= 2:
        return 0
    return rsx_floor_div(rsx_share(share - 2, RSX_PPM, RSX_PPM + <int64_t>rate_ppm), size)


def move_of(int64_t share, int64_t size, uint32_t rate_ppm):
    """safe_move, for tests."""
    return safe_move(share, size, rate_ppm)


cdef inline int64_t never_look(int side) noexcept nogil:
    """The threshold that no mark passes."""
    return INT64_MAX if side else INT64_MIN


cdef inline exposed_t* row_of(ledger_t* ledger, const position_t* position) noexcept nogil:
    return &ledger.symbols[position.symbol].exposed[position.net < 0][position.exposed]


cdef inline void fetch_position(const position_t* position) noexcept nogil:
    rsx_prefetch(position)
    rsx_prefetch(&position.kept_unrealised)
    rsx_prefetch(&position.realised)


cdef inline bint has_passed(int64_t mark, int64_t threshold, int side) noexcept nogil:
    return mark > threshold if side else mark < threshold


cdef bint is_worse(const finding_t* one, const finding_t* other) noexcept nogil:
    """SB-3: lower equity / maintenance; ties by user id."""
    if rsx_product_above(other.bucket.equity, one.bucket.maintenance,
                         one.bucket.equity, other.bucket.maintenance):
        return True
    if rsx_product_above(one.bucket.equity, other.bucket.maintenance,
                         other.bucket.equity, one.bucket.maintenance):
        return False
    return one.user_id < other.user_id


cdef class Watch:
    """Over a ledger that its owner applies records to; `on_record` hears of each of them."""

    def __init__(self, Ledger ledger):
        cdef ledger_t* tables = &ledger.ledger
        cdef uint64_t slots = tables.accounts_max + tables.positions_max + 1
        self.owner = ledger
        self.ledger = tables
        heap_init(&self.line, <uint32_t>(slots - 1), NULL, 0)
        self.nearness = <int64_t*>rsx_map(slots * sizeof(int64_t), RSX_PAGES_SMALL)
        self.led = <uint8_t*>rsx_map(slots, RSX_PAGES_SMALL)
        self.listed = <uint8_t*>rsx_map(slots, RSX_PAGES_SMALL)
        self.called = <uint32_t*>rsx_map(slots * sizeof(uint32_t), RSX_PAGES_SMALL)
        if (self.nearness == NULL or self.led == NULL or self.listed == NULL
                or self.called == NULL):
            raise MemoryError(f"{slots} margin buckets")
        memset(self.passes, 0, sizeof(self.passes))

    def __dealloc__(self):
        cdef uint64_t slots
        if self.ledger == NULL:
            return
        slots = self.ledger.accounts_max + self.ledger.positions_max + 1
        heap_free(&self.line)
        if self.nearness != NULL:
            rsx_unmap(self.nearness, slots * sizeof(int64_t))
        if self.led != NULL:
            rsx_unmap(self.led, slots)
        if self.listed != NULL:
            rsx_unmap(self.listed, slots)
        if self.called != NULL:
            rsx_unmap(self.called, slots * sizeof(uint32_t))

    def start(self):
        """Before the first duty cycle: every bucket is looked at once."""
        cdef uint64_t row
        cdef position_t* position
        for row in range(1, self.ledger.accounts_used + 1):
            self.look_at(<uint32_t>row)
        for row in range(1, self.ledger.positions_used + 1):
            position = &self.ledger.positions[row]
            if is_isolated(position):
                self.look_at(self.slot_of(NULL, position))

    # --- buckets --------------------------------------------------------------------------

    cdef uint32_t slot_of(self, const account_t* account,
                          const position_t* isolated) noexcept nogil:
        if isolated != NULL:
            return <uint32_t>(self.ledger.accounts_max + (isolated - self.ledger.positions))
        return <uint32_t>(account - self.ledger.accounts)

    cdef account_t* account_of(self, uint32_t slot, position_t** isolated) noexcept nogil:
        """The bucket's account; isolated: the position that it is, or NULL."""
        isolated[0] = NULL
        if slot <= self.ledger.accounts_max:
            return &self.ledger.accounts[slot]
        isolated[0] = &self.ledger.positions[slot - self.ledger.accounts_max]
        return &self.ledger.accounts[isolated[0].account]

    cdef void look_at(self, uint32_t slot) noexcept nogil:
        """SB-2: have a bucket reckoned in its turn, if it is this tile's to do."""
        cdef position_t* isolated = NULL
        cdef account_t* account = self.account_of(slot, &isolated)
        if (account.user_id >= RSX_FUND_USER_BASE
                or not is_own(self.ledger, account.user_id)):
            return
        if self.led[slot]:
            self.is_led_moved = True
            return
        heap_put(&self.line, slot, self.nearness[slot], account.user_id)

    cdef void lead(self, uint32_t slot) noexcept nogil:
        """The bucket is in liquidation: who leads it looks at it from here on."""
        self.led[slot] = 1
        heap_remove(&self.line, slot)

    cdef void let_go(self, uint32_t slot) noexcept nogil:
        """Its liquidation has ended."""
        self.led[slot] = 0
        self.look_at(slot)

    cdef void on_record(self, const rsx_record_t* record) noexcept nogil:
        """A released record, once applied: those that move a mark, or what hangs on it."""
        cdef int index
        if record.type == RSX_FUNDING_SETTLED:
            index = ledger_index(
                self.ledger, (<const rsx_funding_settled_t*>record).symbol_id)
        elif record.type == RSX_FILL and self.ledger.stale_ns:
            return
        elif record.type in (RSX_MARK_PRICE, RSX_FILL, RSX_TRADING_MODE, RSX_SYMBOL_BRACKETS):
            index = ledger_index(self.ledger, record.stream)
        else:
            return
        if index >= 0:
            self.passes[index].is_due = True

    # --- a duty cycle ---------------------------------------------------------------------

    cdef int work(self, uint64_t now, int limit, int calls_max) except -1 nogil:
        """Compare thresholds, reckon up to `limit` buckets (SB-2); fills `below` and `calls` (up to
        calls_max). Returns how much was done."""
        cdef int done = self.take_changed(), left = min(limit, <int>RECKON_LIMIT), count, at
        done += self.compare()
        done += self.take_called()
        self.below_count = 0
        self.calls_count = 0
        self.calls_max = calls_max
        self.rows_left = ROWS_LIMIT
        while left > 0 and self.rows_left > 0 and self.line.count:
            count = self.take_turn(min(left, <int>TURN_LIMIT))
            for at in range(count):
                if self.rows_left > 0:
                    self.reckon(self.turn[at], now)
                else:
                    self.look_at(self.turn[at])
            left -= count
            done += count
        return done

    cdef int take_turn(self, int limit) noexcept nogil:
        """The nearest in the line, and what their reckoning reads brought near: each step finds
        what the one before has asked for."""
        cdef position_t* isolated = NULL
        cdef position_t* position
        cdef uint32_t rows[TURN_LIMIT]
        cdef int count = 0, at, depth = 0
        while count < limit and self.line.count:
            self.turn[count] = heap_first(&self.line)
            heap_remove(&self.line, self.turn[count])
            if self.turn[count] <= self.ledger.accounts_max:
                rsx_prefetch(&self.ledger.accounts[self.turn[count]])
                rsx_prefetch(&self.ledger.accounts[self.turn[count]].frozen)
            count += 1
        for at in range(count):
            rows[at] = self.account_of(self.turn[at], &isolated).first_position
            if rows[at]:
                fetch_position(&self.ledger.positions[rows[at]])
        while depth < FETCH_DEPTH:
            depth += 1
            for at in range(count):
                if rows[at] == 0:
                    continue
                position = &self.ledger.positions[rows[at]]
                if position.exposed:
                    rsx_prefetch(row_of(self.ledger, position))
                rows[at] = position.next
                if rows[at]:
                    fetch_position(&self.ledger.positions[rows[at]])
        return count

    cdef int take_changed(self) noexcept nogil:
        cdef account_t* account
        cdef position_t* position
        cdef uint32_t slot
        cdef int done
        for done in range(CHANGED_LIMIT):
            account = next_changed(self.ledger)
            if account == NULL:
                return done
            self.look_at(<uint32_t>(account - self.ledger.accounts))
            slot = account.first_position
            while slot:
                position = &self.ledger.positions[slot]
                if position.is_changed:
                    position.is_changed = 0
                    self.look_at(self.slot_of(NULL, position))
                slot = position.next
        return CHANGED_LIMIT

    cdef int take_called(self) noexcept nogil:
        """SB-4: whether those that were called have come up again."""
        cdef position_t* isolated = NULL
        cdef account_t* account
        cdef uint32_t slot
        cdef int done = 0
        while self.called_left and self.called_count and done < CALLED_LIMIT:
            self.called_left -= 1
            done += 1
            if self.called_at >= self.called_count:
                self.called_at = 0
            slot = self.called[self.called_at]
            account = self.account_of(slot, &isolated)
            if isolated.is_called if isolated != NULL else account.is_called:
                self.look_at(slot)
                self.called_at += 1
            else:
                self.listed[slot] = 0
                self.called_count -= 1
                self.called[self.called_at] = self.called[self.called_count]
        return done

    # --- thresholds -----------------------------------------------------------------------

    cdef int compare(self) noexcept nogil:
        """SB-2: the passes under way go on, symbol after symbol."""
        cdef uint64_t budget = SCAN_LIMIT
        cdef int symbols = self.ledger.symbol_count, turns = 0
        cdef pass_t* pass_
        cdef symbol_t* symbol
        self.passed_count = 0
        while turns < symbols:
            turns += 1
            pass_ = &self.passes[self.passing]
            symbol = &self.ledger.symbols[self.passing]
            if pass_.is_due and pass_.at[0] == 0 and pass_.at[1] == 0:
                pass_.is_due = False
                pass_.at[0] = symbol.exposures[0]
                pass_.at[1] = symbol.exposures[1]
                self.called_left = self.called_count
            if pass_.at[0]:
                budget = self.compare_side(self.passing, 0, ledger_mark(
                    symbol, self.ledger.stale_ns), budget)
            if pass_.at[1] and pass_.at[0] == 0:
                budget = self.compare_side(self.passing, 1, ledger_mark(
                    symbol, self.ledger.stale_ns), budget)
            if pass_.at[0] or pass_.at[1]:
                break
            self.passing = self.passing + 1 if self.passing + 1 < symbols else 0
        self.take_passed()
        self.compared += SCAN_LIMIT - budget
        return <int>(SCAN_LIMIT - budget)

    cdef uint64_t compare_side(self, int symbol, int side, int64_t mark,
                               uint64_t budget) noexcept nogil:
        """Down one list; returns what is left of the budget."""
        cdef exposed_t* rows = self.ledger.symbols[symbol].exposed[side]
        cdef uint64_t at = min(self.passes[symbol].at[side],
                               self.ledger.symbols[symbol].exposures[side])
        while at and budget and self.passed_count < PASSED_LIMIT:
            if has_passed(mark, rows[at].threshold, side):
                rows[at].threshold = never_look(side)   # until it has been reckoned
                self.passed[self.passed_count] = rows[at].position
                self.passed_count += 1
                rsx_prefetch(&self.ledger.positions[rows[at].position].kept_unrealised)
            at -= 1
            budget -= 1
        self.passes[symbol].at[side] = at
        return budget

    cdef void take_passed(self) noexcept nogil:
        """Those whose threshold was passed get in line."""
        cdef position_t* position
        cdef uint32_t slot
        cdef int at
        for at in range(self.passed_count):
            position = &self.ledger.positions[self.passed[at]]
            slot = self.slot_of(&self.ledger.accounts[position.account],
                                position if is_isolated(position) else NULL)
            self.passed[at] = slot
            rsx_prefetch(&self.ledger.accounts[position.account])
            rsx_prefetch(&self.nearness[slot])
            rsx_prefetch(heap_place(&self.line, slot))
            rsx_prefetch(&self.led[slot])
        for at in range(self.passed_count):
            self.look_at(self.passed[at])

    cdef void set_thresholds(self, account_t* account, position_t* isolated, int64_t slack,
                             uint32_t count, uint32_t factor_ppm) noexcept nogil:
        """SB-1, for a line of maintenance x factor; slack < 0: none that a mark passes."""
        cdef uint32_t at = account.first_position, rate
        cdef position_t* position
        cdef const symbol_t* symbol
        cdef int64_t mark, move, share = 0
        if slack >= 0:
            share = rsx_floor_div(slack, count)
        while at:
            position = &self.ledger.positions[at]
            at = position.next
            if position.net == 0 or not is_of_bucket(position, isolated):
                continue
            if slack < 0:
                row_of(self.ledger, position).threshold = never_look(position.net < 0)
                continue
            symbol = &self.ledger.symbols[position.symbol]
            mark = ledger_mark(symbol, self.ledger.stale_ns)
            rate = <uint32_t>rsx_scale_up(
                symbol.bracket[symbol.brackets].maintenance_ppm, factor_ppm)
            move = safe_move(share, magnitude(position.net), rate)
            if share <= 2:
                move = -1
            if rsx_add(mark, move if position.net < 0 else -move, &move):
                move = never_look(position.net < 0)
            row_of(self.ledger, position).threshold = move

    cdef void park(self, account_t* account, position_t* isolated, uint64_t now) noexcept nogil:
        """LQ-1: looked at again at the next mark of what is stale, or of any where none is."""
        cdef uint32_t at = account.first_position
        cdef position_t* position
        cdef bint is_awaited, is_any = False
        while at:
            position = &self.ledger.positions[at]
            at = position.next
            if position.net and is_of_bucket(position, isolated):
                is_any |= not is_fresh(&self.ledger.symbols[position.symbol],
                                       self.ledger.stale_ns, now)
        at = account.first_position
        while at:
            position = &self.ledger.positions[at]
            at = position.next
            if position.net == 0 or not is_of_bucket(position, isolated):
                continue
            is_awaited = not is_any or not is_fresh(
                &self.ledger.symbols[position.symbol], self.ledger.stale_ns, now)
            row_of(self.ledger, position).threshold = (
                always_look(position.net < 0) if is_awaited else never_look(position.net < 0))

    # --- full reckonings ------------------------------------------------------------------

    cdef int reckon(self, uint32_t slot, uint64_t now) except -1 nogil:
        """LQ-1 of one bucket, and what follows."""
        cdef position_t* isolated = NULL
        cdef account_t* account = self.account_of(slot, &isolated)
        cdef uint32_t at = account.first_position
        cdef position_t* position
        cdef bucket_t bucket
        if isolated != NULL and not is_isolated(isolated):
            isolated.is_called = 0
            return 0
        self.reckoned += 1
        while at:
            position = &self.ledger.positions[at]
            if is_of_bucket(position, isolated):
                accrue(self.ledger, position)
            at = position.next
            self.rows_left -= 1
        bucket_margin(self.ledger, account, isolated, now, &bucket)
        self.nearness[slot] = 0
        if bucket.positions == 0:
            account.is_called = 0
            return 0
        if bucket.maintenance > 0:
            self.nearness[slot] = rsx_scale(bucket.equity, RSX_PPM, bucket.maintenance)
        if not bucket.is_live:
            self.park(account, isolated, now)
            return 0
        return self.conclude(slot, account, isolated, &bucket, now)

    cdef int conclude(self, uint32_t slot, account_t* account, position_t* isolated,
                      const bucket_t* bucket, uint64_t now) except -1 nogil:
        """Below maintenance, to be called, or safe down to new thresholds."""
        cdef finding_t* found
        cdef uint8_t* is_called = &account.is_called if isolated == NULL else &isolated.is_called
        cdef int at
        if bucket.equity < bucket.maintenance:
            if not can_start(self.ledger, account, isolated):
                self.park(account, isolated, now)
                return 0
            at = self.below_count
            self.below_count += 1
            found = &self.below[at]
            found.bucket = bucket[0]
            found.slot = slot
            found.user_id = account.user_id
            self.lead(slot)
            self.set_thresholds(account, isolated, -1, bucket.positions, RSX_PPM)
            while at and is_worse(&self.below[at], &self.below[at - 1]):
                self.below[at], self.below[at - 1] = self.below[at - 1], self.below[at]
                at -= 1
            return 0
        if is_called[0] and bucket.equity >= rsx_scale_up(bucket.call_at, 1_100_000):
            is_called[0] = 0
        if not is_called[0] and bucket.equity < bucket.call_at:
            if self.calls_count >= self.calls_max:
                self.park(account, isolated, now)
                return 0
            self.call(slot, account, isolated, bucket)
            is_called[0] = 1
        if is_called[0]:
            self.set_thresholds(account, isolated, bucket.equity - bucket.maintenance,
                                bucket.positions, RSX_PPM)
        else:
            self.set_thresholds(account, isolated, bucket.equity - bucket.call_at,
                                bucket.positions, self.factor_of(account, isolated))
        return 0

    cdef uint32_t factor_of(self, const account_t* account,
                            const position_t* isolated) noexcept nogil:
        """The share of maintenance that the bucket is called at: largest of its symbols'."""
        cdef uint32_t at = account.first_position, factor = 0
        cdef const position_t* position
        while at:
            position = &self.ledger.positions[at]
            if position.net and is_of_bucket(position, isolated):
                factor = max(factor, self.ledger.symbols[position.symbol].rules.margin_call_ppm)
            at = position.next
        return max(factor, <uint32_t>RSX_PPM)

    cdef void call(self, uint32_t slot, account_t* account, position_t* isolated,
                   const bucket_t* bucket) noexcept nogil:
        """SB-4."""
        cdef finding_t* found = &self.calls[self.calls_count]
        self.calls_count += 1
        found.bucket = bucket[0]
        found.slot = slot
        found.user_id = account.user_id
        if not self.listed[slot]:
            self.listed[slot] = 1
            self.called[self.called_count] = slot
            self.called_count += 1

    # --- Python face ----------------------------------------------------------------------

    def note(self, const uint8_t[:] record):
        """`on_record` of one record."""
        if record.shape[0] != RSX_RECORD_SIZE:
            raise ValueError(f"{record.shape[0]} bytes where a record takes 128")
        self.on_record(<const rsx_record_t*>&record[0])

    def cycle(self, uint64_t now_ns, int limit=RECKON_LIMIT, int calls_max=RECKON_LIMIT):
        """One duty cycle: (how much was done, buckets found below, buckets called), a bucket as
        (user id, symbol id, leg), the cross one with symbol 0."""
        done = self.work(now_ns, limit, calls_max)
        return (done, [self.place_of(self.below[at].slot) for at in range(self.below_count)],
                [self.place_of(self.calls[at].slot) for at in range(self.calls_count)])

    cdef tuple place_of(self, uint32_t slot):
        cdef position_t* isolated = NULL
        cdef account_t* account = self.account_of(slot, &isolated)
        if isolated == NULL:
            return (account.user_id, 0, 0)
        return (account.user_id, self.ledger.symbols[isolated.symbol].symbol_id, isolated.leg)

    def forget(self, uint32_t user_id, uint32_t symbol_id=0, int leg=0):
        """The liquidation of a bucket has ended."""
        cdef account_t* account = ledger_account(self.ledger, user_id)
        cdef position_t* isolated = NULL
        if symbol_id:
            isolated = find_position(self.ledger, account,
                                     ledger_index(self.ledger, symbol_id), leg)
        self.let_go(self.slot_of(account, isolated))

    def threshold(self, uint32_t user_id, uint32_t symbol_id, int leg=0):
        """The mark down to (short: up to) which nothing is asked about an open position."""
        cdef account_t* account = ledger_account(self.ledger, user_id)
        cdef position_t* position = find_position(
            self.ledger, account, ledger_index(self.ledger, symbol_id), leg)
        if position == NULL or position.net == 0:
            raise KeyError(symbol_id)
        return row_of(self.ledger, position).threshold

    def audit(self, uint64_t now_ns):
        """INV-32, O(positions): raises InvariantError with the user and the symbol. Where a pass
        is under way, or a changed account waits, there is nothing to hold against."""
        cdef uint64_t side_row
        cdef position_t* position
        cdef int index, side
        cdef set passed = set()
        cdef bucket_t bucket
        cdef position_t* isolated = NULL
        cdef account_t* account
        cdef symbol_t* symbol
        cdef dict exposed = {}
        for index in range(self.ledger.symbol_count):
            symbol = &self.ledger.symbols[index]
            if self.passes[index].is_due or self.passes[index].at[0] or self.passes[index].at[1]:
                return
            mark = ledger_mark(symbol, self.ledger.stale_ns)
            for side in range(2):
                for side_row in range(1, symbol.exposures[side] + 1):
                    position = &self.ledger.positions[symbol.exposed[side][side_row].position]
                    isolated = position if is_isolated(position) else NULL
                    slot = self.slot_of(&self.ledger.accounts[position.account], isolated)
                    exposed[slot] = index
                    if has_passed(mark, symbol.exposed[side][side_row].threshold, side):
                        passed.add(slot)
        for slot, index in exposed.items():
            account = self.account_of(slot, &isolated)
            if (account.is_changed or slot in passed or self.led[slot]
                    or heap_place(&self.line, slot)[0] or account.user_id >= RSX_FUND_USER_BASE
                    or not is_own(self.ledger, account.user_id)):
                continue
            bucket_margin(self.ledger, account, isolated, now_ns, &bucket)
            if bucket.is_live and bucket.equity < bucket.maintenance:
                fail(32, account.user_id, self.ledger.symbols[index].symbol_id)

    def counters(self):
        return {
            "thresholds_compared": self.compared,
            "buckets_reckoned": self.reckoned,
            "buckets_waiting": self.line.count,
            "buckets_called": self.called_count,
        }
