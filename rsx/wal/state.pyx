# cython: boundscheck=False
"""Everything the log says: engines, ledger, and the log's own identity, folded record by record.

The engines and the ledger in here are the very objects that the tiles then own; `apply` is what
recovery uses, and what tests hold against the live tiles (INV-14). Source: specs/wal.md L-23.
"""

from libc.stdint cimport uint8_t, uint32_t, uint64_t
from libc.string cimport memset

from rsx.book.engine cimport Engine
from rsx.book.fold cimport engine_apply
from rsx.book.lookahead cimport (
    FOLD_FAR, FOLD_NEAR, FOLD_NEXT, fold_prefetch, fold_prefetch_links, fold_prefetch_order,
)
from rsx.core.check cimport fail
from rsx.records import FUND_USER_BASE, OF_A_SYMBOL, decode
from rsx.records_c cimport *
from rsx.risk.accounts cimport ledger_t
from rsx.risk.ledger cimport Ledger
from rsx.risk.lookahead cimport (
    LEDGER_FAR, LEDGER_NEAR, LEDGER_NEXT, LEDGER_SECOND, LEDGER_THIRD, ledger_prefetch,
    ledger_prefetch_held, ledger_prefetch_position, ledger_prefetch_row,
)
from rsx.risk.settle cimport ledger_apply
from rsx.rules import RULE_RECORDS, RuleError, from_records
from rsx.wal.digests cimport Digests

cdef enum:
    BLOCK_RECORDS = 1024    # folded by the engines, then by the ledger, while they are near
    # Which id maker an order id is of (specs/liquidation.md LQ-7).
    MAKER_SHIFT = 10
    MAKER_MASK = 3
    MAKER_RISK = 3

# By record type.
cdef uint8_t[256] IS_OF_A_SYMBOL    # folded by the engine that its stream names
cdef uint8_t[256] USES_AN_ID        # begins an order or a trigger, or refuses one
cdef uint8_t[256] IS_NOTED          # looked at in Python too
cdef uint8_t[256] IS_AN_EVENT       # kept for the histories of accounts
cdef uint8_t[256] IS_COMPARED       # a digest, or what answers a difference
for _type in range(256):
    IS_OF_A_SYMBOL[_type] = _type in OF_A_SYMBOL
    USES_AN_ID[_type] = _type in (RSX_ORDER_ACCEPTED, RSX_ORDER_REJECTED, RSX_ORDER_DUPLICATE,
                                  RSX_TRIGGER_PLACED, RSX_TRIGGER_REJECTED)
    IS_NOTED[_type] = _type in (
        RSX_SYMBOL_CONFIG, RSX_SYMBOL_LIMITS, RSX_SYMBOL_RISK, RSX_SYMBOL_BRACKETS,
        RSX_LOG_STARTED, RSX_ORDER_REDUCED, RSX_ACCOUNT_CONFIG, RSX_ORDER_AMENDED, RSX_DEPOSIT)
    IS_COMPARED[_type] = _type in (
        RSX_ENGINE_DIGEST, RSX_LEDGER_MARK, RSX_LEDGER_DIGEST, RSX_TRADING_MODE)
    IS_AN_EVENT[_type] = _type in (
        RSX_FUNDING_SETTLED, RSX_FUNDING_PAYMENT, RSX_FUNDING_DONE, RSX_LIQUIDATION_STEP,
        RSX_POSITION_TRANSFERRED, RSX_LIQUIDATION_SETTLED)


cdef class State:
    """Engines by symbol, one ledger, and what the log knows of itself.

    Attributes: engines {symbol id: Engine}; ledger; next_seq; epoch; exchange_id (0 = new log);
    money_decimals of the configuration;
    rules {symbol id: SymbolConfig of the newest whole set of four records}, insurance_seed 0;
    seeded: ids of markets whose fund got its first balance; oid_max, the highest order id that a
    gateway made, own_oid_max, the highest of the risk tiles (LQ-7); cuts {order id: quantity cut
    off since it was accepted or amended}, for all that rest and some that ended; settings {user:
    (owner group, stp)} of accounts that ever had any set.
    digests: those of the log held against this fold (rsx/wal/digests.pyx).
    on_config(view) is called before each SYMBOL_CONFIG is folded and may raise.
    """

    def __init__(self, config, on_config=None):
        cdef Engine engine
        matching = config.matching
        memset(self.by_symbol, 0, sizeof(self.by_symbol))
        self.on_config = on_config
        self.money_decimals = config.money_decimals
        self.engines = {}
        self.rules = {}
        self.rules_coming = {}
        self.seeded = set()
        self.cuts = {}
        self.settings = {}
        self.cuts_limit = 65536
        self.fills = bytearray(RECENT_FILLS * RSX_RECORD_SIZE)
        self.fills_at = <uint8_t*>self.fills
        self.events = bytearray(RECENT_EVENTS * RSX_RECORD_SIZE)
        self.events_at = <uint8_t*>self.events
        self.next_seq = self.ledger_seq = 1
        self.digests = Digests()
        for symbol in config.symbols:
            engine = Engine(
                symbol,
                orders_max=matching.orders_max,
                users_max=matching.users_max,
                open_orders_per_user_max=matching.open_orders_per_user_max,
                dedup_window_ns=matching.dedup_window_s * 1_000_000_000,
                dedup_orders_max=matching.dedup_orders_max,
                level_slots_max=matching.level_slots_max,
                triggers_max=matching.triggers_max,
                open_triggers_per_user_max=matching.open_triggers_per_user_max,
            )
            self.engines[symbol.id] = engine
            self.by_symbol[symbol.id] = <void*>engine
        self.ledger = Ledger(
            tuple(config.symbols),
            accounts_max=config.risk.accounts_max,
            positions_max=config.risk.positions_max,
            orders_max=len(config.symbols) * matching.orders_max,
            mark_source="last" if config.mark_source == "last" else "feed",
            stale_ns=config.mark.stale_ms * 1_000_000,
        )

    def apply(self, const uint8_t[:] data):
        """Fold whole logged records, back to back, numbered from next_seq on.

        Raises InvariantError naming the first record that does not fit, which is ledger_seq then;
        the engines may be further, and the state is of no use.
        """
        cdef uint64_t count = data.shape[0] // RSX_RECORD_SIZE
        cdef uint64_t at, end, began
        for at in range(0, count, BLOCK_RECORDS):
            end = min(count, at + <uint64_t>BLOCK_RECORDS)
            block = data[at * RSX_RECORD_SIZE:end * RSX_RECORD_SIZE]
            began = self.next_seq
            try:
                self.apply_engines(block)
            except BaseException:
                # What came before the record that failed; a failure there is the first one.
                end = max(began, self.next_seq - 1) - began
                self.apply_ledger(block[:end * RSX_RECORD_SIZE])
                raise
            self.apply_ledger(block)

    # The two halves share nothing: a start runs them in two threads, the second one behind the
    # first (rsx/wal/fold.py).

    def apply_engines(self, const uint8_t[:] data):
        """The first half of `apply`: numbers, engines, digests of engines, what is noted."""
        cdef uint64_t count = data.shape[0] // RSX_RECORD_SIZE, at = 0
        cdef const rsx_record_t* records
        cdef const rsx_record_t* record
        if count == 0:
            return
        records = <const rsx_record_t*>&data[0]
        while at < count:
            record = &records[at]
            if record.type == RSX_SYMBOL_CONFIG and self.on_config is not None:
                self.on_config(self._view(data, at))
            with nogil:
                at = self._fold_engines(records, at, count)
            if self.is_noted:
                self._note(records + at - 1, data, at - 1)

    cdef uint64_t _fold_engines(self, const rsx_record_t* records, uint64_t at,
                                uint64_t count) except 0 nogil:
        """Up to a record that Python has to look at (is_noted), or before a SYMBOL_CONFIG."""
        cdef const rsx_record_t* record
        cdef bint is_first = True
        self.is_noted = False
        while at < count:
            record = &records[at]
            if record.type == RSX_SYMBOL_CONFIG and not is_first:
                break
            is_first = False
            if at + FOLD_FAR < count:
                self._look_ahead(record)
            self._fold_engine(record)
            at += 1
            if IS_NOTED[record.type & 255] and self._needs_note(record):
                self.is_noted = True
                break
        return at

    cdef inline void _look_ahead(self, const rsx_record_t* record) noexcept nogil:
        cdef void* far = self.by_symbol[record[FOLD_FAR].stream]
        cdef void* near = self.by_symbol[record[FOLD_NEAR].stream]
        cdef void* after = self.by_symbol[record[FOLD_NEXT].stream]
        if far != NULL:
            fold_prefetch(&(<Engine>far).engine, record + FOLD_FAR)
        if near != NULL:
            fold_prefetch_order(&(<Engine>near).engine, record + FOLD_NEAR)
        if after != NULL:
            fold_prefetch_links(&(<Engine>after).engine, record + FOLD_NEXT)

    cdef int _fold_engine(self, const rsx_record_t* record) except -1 nogil:
        cdef void* engine
        if record.seq != self.next_seq:
            return fail(5, record.seq, self.next_seq)
        self.next_seq += 1
        self.epoch = record.epoch
        if record.type >= 256:
            return fail(14, record.seq, record.type)
        if not IS_OF_A_SYMBOL[record.type]:
            return 0
        engine = self.by_symbol[record.stream]
        if engine == NULL:
            return fail(14, record.seq, record.stream)
        if record.type == RSX_ENGINE_DIGEST:
            self.digests.take_engine(record, &(<Engine>engine).engine)
        return engine_apply(&(<Engine>engine).engine, record)

    def apply_ledger(self, const uint8_t[:] data):
        """The second half: accounts, digests compared, order ids used up, the youngest records."""
        cdef uint64_t count = data.shape[0] // RSX_RECORD_SIZE
        cdef uint64_t at
        cdef const rsx_record_t* records
        cdef ledger_t* ledger = &self.ledger.ledger
        if count == 0:
            return
        records = <const rsx_record_t*>&data[0]
        self.ledger_seq = records[0].seq
        with nogil:
            for at in range(count):
                if at + LEDGER_FAR < count:
                    ledger_prefetch(ledger, &records[at + LEDGER_FAR])
                    ledger_prefetch_row(ledger, &records[at + LEDGER_NEAR])
                    ledger_prefetch_held(ledger, &records[at + LEDGER_NEXT])
                    ledger_prefetch_position(ledger, &records[at + LEDGER_SECOND], 1)
                    ledger_prefetch_position(ledger, &records[at + LEDGER_THIRD], 2)
                self._fold_ledger(&records[at])
                self.ledger_seq += 1

    cdef int _fold_ledger(self, const rsx_record_t* record) except -1 nogil:
        if IS_COMPARED[record.type]:
            self.digests.take(record, &self.ledger.ledger)
        if USES_AN_ID[record.type]:
            # All have the id in the same place; a refused order's is used up too.
            self._use_up((<const rsx_order_accepted_t*>record).oid)
        elif record.type == RSX_FILL:
            rsx_record_copy(
                self.fills_at + (self.fill_count % RECENT_FILLS) * RSX_RECORD_SIZE, record)
            self.fill_count += 1
        elif IS_AN_EVENT[record.type]:
            rsx_record_copy(
                self.events_at + (self.event_count % RECENT_EVENTS) * RSX_RECORD_SIZE, record)
            self.event_count += 1
            if record.type == RSX_LIQUIDATION_STEP:
                self._use_up((<const rsx_liquidation_step_t*>record).oid)
        return ledger_apply(&self.ledger.ledger, record, False)

    def _view(self, const uint8_t[:] data, uint64_t at):
        return decode(bytes(data[at * RSX_RECORD_SIZE:(at + 1) * RSX_RECORD_SIZE]), crc=False)

    cdef bint _needs_note(self, const rsx_record_t* record) noexcept nogil:
        if record.type == RSX_ORDER_AMENDED:
            return self.has_cuts
        if record.type == RSX_DEPOSIT:
            return (<const rsx_deposit_t*>record).user_id > RSX_FUND_USER_BASE
        return True

    @property
    def mismatch(self):
        """The first digest of the log that differs from this fold's own, as text, until an admin
        has answered it (specs/replica.md RP-6); None = all agree."""
        return self.digests.text({id: engine.symbol.name for id, engine in self.engines.items()})

    cdef void _use_up(self, uint64_t oid) noexcept nogil:
        """Ids of the exchange's own orders would push those of the gateway out of their time."""
        if oid >> MAKER_SHIFT & MAKER_MASK == MAKER_RISK:
            self.own_oid_max = max(self.own_oid_max, oid)
        else:
            self.oid_max = max(self.oid_max, oid)

    def recent_fills(self):
        """The youngest FILL records as decoded views, oldest first."""
        count = int(self.fill_count)
        return [decode(self.fills, at % RECENT_FILLS * RSX_RECORD_SIZE, crc=False)
                for at in range(max(0, count - RECENT_FILLS), count)]

    def recent_events(self):
        """The youngest records of funding, liquidation and transfers, oldest first, decoded."""
        count = int(self.event_count)
        return [decode(self.events, at % RECENT_EVENTS * RSX_RECORD_SIZE, crc=False)
                for at in range(max(0, count - RECENT_EVENTS), count)]

    cdef int _note(self, const rsx_record_t* record, data, uint64_t at) except -1:
        """What Python keeps; the frequent ones without a view."""
        cdef const rsx_account_config_t* settings = <const rsx_account_config_t*>record
        if record.type == RSX_ORDER_REDUCED:
            self._note_cut((<const rsx_order_reduced_t*>record).oid,
                           (<const rsx_order_reduced_t*>record).cancelled_qty)
        elif record.type == RSX_ORDER_AMENDED:
            # Its quantity is new, and what was cut is not in it.
            self.cuts.pop((<const rsx_order_amended_t*>record).oid, None)
        elif record.type == RSX_ACCOUNT_CONFIG:
            self.settings[settings.user_id] = (settings.owner_group, settings.stp)
        elif record.type == RSX_DEPOSIT:
            if (<const rsx_deposit_t*>record).request_id == 0:  # SY-6
                self.seeded.add((<const rsx_deposit_t*>record).user_id - FUND_USER_BASE)
        elif record.type == RSX_LOG_STARTED:
            self.exchange_id = (<const rsx_log_started_t*>record).exchange_id
            self.rules_coming.clear()  # sets that the end before this start cut short
        else:
            self._note_rules(self._view(data, at))
        return 0

    def _note_rules(self, view):
        """SY-1: they hold when the four of them are there."""
        if view.record is RULE_RECORDS[0]:
            self.rules_coming[view.symbol_id] = []
        coming = self.rules_coming.setdefault(view.symbol_id, [])
        coming.append(view)
        if view.record is RULE_RECORDS[-1]:
            try:
                self.rules[view.symbol_id] = from_records(self.rules_coming.pop(view.symbol_id))
            except RuleError:
                fail(25, view.seq, view.config_version)

    def _note_cut(self, oid, cancelled_qty):
        self.has_cuts = True
        self.cuts[oid] = self.cuts.get(oid, 0) + cancelled_qty
        if len(self.cuts) > self.cuts_limit:
            live = {row[0] for engine in self.engines.values() for row in engine.orders()}
            live |= {engine.in_hand for engine in self.engines.values()} | {oid}
            self.cuts = {oid: cut for oid, cut in self.cuts.items() if oid in live}
            self.cuts_limit = max(65536, 2 * len(self.cuts))

    def audit(self):
        """Every invariant that needs no second model; raises InvariantError."""
        for engine in self.engines.values():
            engine.audit()
        self.ledger.audit()

    def state_hash(self):
        """One number for all books and accounts."""
        total = self.ledger.state_hash()
        for symbol_id in sorted(self.engines):
            total = (total * 1000003 + self.engines[symbol_id].state_hash()) % (1 << 64)
        return total
