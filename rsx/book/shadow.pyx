# cython: boundscheck=False
"""Shadow books: the order books of all symbols, folded from released records, for market data.

Shares the engine's fold (rsx/book/fold.pyx), without users and client ids. A symbol counts as
changed only when the last record of a request has come, so that no half-applied order is shown.
What a record does to a resting order is told to the queue places (places.pyx) and, where somebody
follows order by order, kept as an event (l3.pyx).
Thread: the marketdata tile's. Source: specs/marketdata.md, specs/matching.md F-1.
"""

from libc.stdint cimport int64_t, uint8_t, uint32_t, uint64_t
from libc.stdlib cimport calloc, free
from libc.string cimport memcpy, memset

from rsx.book.book cimport (
    NONE, best_level, book_find, book_free, book_init, book_insert, level_at, level_t, order_px,
    order_t, worse_level,
)
from rsx.book.engine cimport Engine
from rsx.book.fold cimport engine_apply, engine_audit
from rsx.book.l3 cimport (
    L3_ADD, L3_CANCEL, L3_EVENTS, L3_KEPT, L3_MOVED, L3_REDUCE, L3_TAKEN, L3_TRADE, L3_UNTOLD,
    l3_begin, l3_come, l3_event, l3_free, l3_init, l3_leave, l3_part, l3_sent, l3_t, l3_take,
    l3_text_t,
)
from rsx.book.matching cimport engine_t
from rsx.book.places cimport (
    places_add, places_ahead, places_audit, places_free, places_init, places_remove, places_t,
    places_take,
)
from rsx.core.check cimport fail
from rsx.core.ring cimport Ring, ring_available, ring_peek, ring_release, ring_t
from rsx.records import OF_A_SYMBOL
from rsx.records_c cimport *

cdef enum:
    SYMBOLS_MAX = 64
    TRADES_KEPT = 65536     # between two calls of take_trades; older ones are left out, counted
    NOTICES_KEPT = 16384    # likewise, of take_notices

cdef uint8_t[256] IS_OF_A_SYMBOL    # by record type: folded by the book that its stream names
for _type in range(256):
    IS_OF_A_SYMBOL[_type] = _type in OF_A_SYMBOL

cdef uint8_t[256] IS_NOTICE         # by record type: the public is told, beside books and trades
for _type in range(256):
    IS_NOTICE[_type] = _type in (
        RSX_MARK_PRICE, RSX_FUNDING_SETTLED, RSX_LIQUIDATION_STEP, RSX_POSITION_TRANSFERRED,
        RSX_SYMBOL_CONFIG, RSX_SYMBOL_LIMITS, RSX_SYMBOL_RISK, RSX_SYMBOL_BRACKETS,
    )

cdef struct trade_t:
    uint32_t symbol_id
    uint32_t taker_side
    int64_t px
    int64_t qty
    uint64_t ts_ns
    uint64_t seq

# A resting order before a record changed it; slot NONE: the record is about none.
cdef struct before_t:
    uint32_t slot
    uint8_t side
    int64_t px
    int64_t remaining
    bint leaves             # it has left its place
    bint sent               # who follows the walk knows it

cdef struct trading_mode_t:
    uint8_t mode
    uint64_t ts_ns
    uint64_t seq


cdef uint64_t order_of(const rsx_record_t* record) noexcept nogil:
    """The order that a record changes where it rests; 0 = records of this type change none."""
    if record.type == RSX_FILL:
        return (<const rsx_fill_t*>record).maker_oid
    if record.type == RSX_ORDER_CANCELLED:
        return (<const rsx_order_cancelled_t*>record).oid
    if record.type == RSX_ORDER_REDUCED:
        return (<const rsx_order_reduced_t*>record).oid
    if record.type == RSX_ORDER_AMENDED:
        return (<const rsx_order_amended_t*>record).oid
    return 0


cdef bint leaves(const rsx_record_t* record) noexcept nogil:
    """Whether the resting order that a record is about leaves its place."""
    if record.type == RSX_FILL:
        return (<const rsx_fill_t*>record).maker_remaining == 0
    if record.type == RSX_ORDER_AMENDED:
        return not (<const rsx_order_amended_t*>record).flags & RSX_KEPT
    return record.type == RSX_ORDER_CANCELLED


cdef bint comes(const rsx_record_t* record) noexcept nogil:
    """Whether its order comes to rest; its oid is then where ORDER_ACCEPTED has it."""
    if record.type == RSX_ORDER_ACCEPTED:
        return (<const rsx_order_accepted_t*>record).flags & RSX_RESTS
    if record.type == RSX_ORDER_AMENDED:
        return (<const rsx_order_amended_t*>record).flags & RSX_RESTS
    return record.type == RSX_ORDER_RESTED


cdef class Shadow:
    """Books of all symbols as the log has released them.

    Args  symbols: tuple of SymbolConfig; orders_max: resting orders per book; next_seq: number
          of the first record to come; level_slots_max: slots of the price map
    """

    cdef engine_t engines[SYMBOLS_MAX]
    cdef places_t places[SYMBOLS_MAX]
    cdef l3_t l3[SYMBOLS_MAX]
    cdef trading_mode_t modes[SYMBOLS_MAX]
    cdef uint64_t last_seq[SYMBOLS_MAX]
    cdef uint64_t last_ns[SYMBOLS_MAX]
    cdef bint changed_flags[SYMBOLS_MAX]
    cdef bint touched[SYMBOLS_MAX]      # by the request whose records are coming
    cdef bint in_group[SYMBOLS_MAX]     # the last record applied was not its request's last
    cdef uint8_t* index             # symbol id -> index + 1
    cdef int count
    cdef l3_text_t* rows            # two: for all, for who follows the walk
    cdef trade_t* trades
    cdef uint64_t trades_at
    cdef uint64_t trades_taken
    cdef readonly uint64_t trades_lost
    cdef uint8_t* notices
    cdef uint64_t notices_at
    cdef uint64_t notices_taken
    cdef readonly uint64_t notices_lost
    cdef readonly uint64_t next_seq
    cdef readonly tuple symbols

    def __init__(self, tuple symbols, uint32_t orders_max, uint64_t next_seq=1,
                 uint32_t level_slots_max=1 << 20):
        cdef int at
        if not 1 <= len(symbols) <= SYMBOLS_MAX:
            raise ValueError(f"{len(symbols)} symbols; 1 to {SYMBOLS_MAX} are possible")
        self.symbols = symbols
        self.next_seq = next_seq
        self.index = <uint8_t*>calloc(65536, 1)
        self.trades = <trade_t*>calloc(TRADES_KEPT, sizeof(trade_t))
        self.rows = <l3_text_t*>calloc(2, sizeof(l3_text_t))
        self.notices = <uint8_t*>calloc(NOTICES_KEPT, RSX_RECORD_SIZE)
        if (self.index == NULL or self.trades == NULL or self.rows == NULL
                or self.notices == NULL):
            raise MemoryError("shadow books")
        for at, symbol in enumerate(symbols):
            memset(&self.engines[at], 0, sizeof(engine_t))
            self.engines[at].is_shadow = True
            self.engines[at].rules.symbol_id = symbol.id
            self.engines[at].rules.px_max = symbol.px_max
            book_init(&self.engines[at].book, symbol.tick, symbol.px_max, symbol.reference_px,
                      orders_max, level_slots_max)
            places_init(&self.places[at], orders_max)
            l3_init(&self.l3[at], orders_max)
            self.index[symbol.id] = at + 1
            self.count = at + 1

    def __dealloc__(self):
        cdef int at
        for at in range(self.count):
            book_free(&self.engines[at].book)
            places_free(&self.places[at])
            l3_free(&self.l3[at])
        free(self.rows)
        free(self.notices)
        free(self.index)
        free(self.trades)

    cdef int _symbol(self, symbol_id) except -1:
        if not 0 <= symbol_id <= 65535 or self.index[symbol_id] == 0:
            raise KeyError(symbol_id)
        return self.index[symbol_id] - 1

    cdef int _apply(self, const rsx_record_t* record) except -1 nogil:
        cdef const rsx_fill_t* fill
        cdef trade_t* trade
        cdef int at
        if record.seq != self.next_seq:
            return fail(5, record.seq, self.next_seq)
        self.next_seq += 1
        if record.type >= 256:
            return 0
        if IS_NOTICE[record.type]:
            memcpy(&self.notices[(self.notices_at % NOTICES_KEPT) * RSX_RECORD_SIZE], record,
                   RSX_RECORD_SIZE)
            self.notices_at += 1
        if not IS_OF_A_SYMBOL[record.type]:
            return 0
        at = <int>self.index[record.stream] - 1
        if at < 0:
            return fail(14, record.seq, record.stream)
        self._apply_order(at, record)
        self.last_seq[at] = record.seq
        self.last_ns[at] = record.ts_ns
        if record.type == RSX_FILL:
            fill = <const rsx_fill_t*>record
            trade = &self.trades[self.trades_at % TRADES_KEPT]
            trade.symbol_id = fill.symbol_id
            trade.taker_side = fill.taker_side
            trade.px = fill.px
            trade.qty = fill.qty
            trade.ts_ns = fill.ts_ns
            trade.seq = fill.seq
            self.trades_at += 1
            self.touched[at] = True
        elif record.type == RSX_TRADING_MODE:
            self.modes[at].mode = (<const rsx_trading_mode_t*>record).mode
            self.modes[at].ts_ns = record.ts_ns
            self.modes[at].seq = record.seq
            self.touched[at] = True
        self.in_group[at] = not record.header_flags & RSX_GROUP_END
        if not self.in_group[at] and self.touched[at]:
            self.touched[at] = False
            self.changed_flags[at] = True
        return 0

    cdef int _apply_order(self, int at, const rsx_record_t* record) except -1 nogil:
        """Fold one record; tell the queue places and the order events what it does."""
        cdef engine_t* engine = &self.engines[at]
        cdef before_t before
        cdef uint64_t oid = order_of(record)
        cdef uint32_t slot
        cdef bint sent
        before.slot = book_find(&engine.book, oid) if oid != 0 else NONE
        if before.slot != NONE:
            before.side = engine.book.orders[before.slot].side
            before.px = order_px(&engine.book, &engine.book.orders[before.slot])
            before.remaining = engine.book.orders[before.slot].remaining
            before.leaves = leaves(record)
            if before.leaves:
                places_remove(&self.places[at], &engine.book, before.slot)
                before.sent = l3_leave(&self.l3[at], &engine.book, before.slot)
            else:
                before.sent = l3_sent(&self.l3[at], before.slot)
        engine_apply(engine, record)
        if before.slot != NONE and not before.leaves:
            places_take(&self.places[at], before.slot,
                        before.remaining - engine.book.orders[before.slot].remaining)
        sent = False
        slot = NONE
        if comes(record):
            slot = book_find(&engine.book, (<const rsx_order_accepted_t*>record).oid)
            if slot == NONE:
                return fail(14, record.seq, oid)
            places_add(&self.places[at], &engine.book, slot)
            sent = l3_come(&self.l3[at], &engine.book, slot)
        if slot != NONE or before.slot != NONE:
            self.touched[at] = True
            if self.l3[at].open:
                self._event(at, record, &before, slot, sent)
        return 0

    cdef void _event(self, int at, const rsx_record_t* record, const before_t* before,
                     uint32_t slot, bint sent) noexcept nogil:
        """Keep what a record did to a resting order (W-25). slot: where it came to rest; sent:
        whether the walk has passed there."""
        cdef l3_t* l3 = &self.l3[at]
        cdef const order_t* order = &self.engines[at].book.orders[slot]
        cdef const rsx_fill_t* fill = <const rsx_fill_t*>record
        cdef const rsx_order_amended_t* amended = <const rsx_order_amended_t*>record
        cdef uint64_t oid, ts_ns = record.ts_ns, seq = record.seq
        cdef int64_t px, remaining
        cdef uint8_t kind
        if slot != NONE:
            px = order_px(&self.engines[at].book, order)
            remaining = order.remaining
            kind = L3_ADD if before.slot == NONE else L3_MOVED
            l3_event(l3, kind, L3_UNTOLD if not sent else kind if before.sent else L3_ADD,
                     order.side, order.oid, px, remaining, remaining, ts_ns, seq)
            if kind == L3_MOVED and before.sent and not sent:
                l3_event(l3, L3_UNTOLD, L3_TAKEN, order.side, order.oid, before.px,
                         before.remaining, 0, ts_ns, seq)
            return
        oid = amended.oid
        if record.type == RSX_FILL:
            kind = L3_TRADE
            oid = fill.maker_oid
            remaining = fill.maker_remaining
        elif before.leaves:
            kind = L3_TAKEN if record.type == RSX_ORDER_AMENDED else L3_CANCEL
            remaining = 0
        else:
            kind = L3_KEPT if record.type == RSX_ORDER_AMENDED else L3_REDUCE
            remaining = self.engines[at].book.orders[before.slot].remaining
        l3_event(l3, kind, kind if before.sent else L3_UNTOLD, before.side, oid, before.px,
                 before.remaining - remaining, remaining, ts_ns, seq)

    def load(self, Engine engine):
        """Take over the resting orders and the order in hand of a recovered engine."""
        cdef int at = self._symbol(engine.symbol_id), side
        cdef engine_t* own = &self.engines[at]
        cdef engine_t* source = &engine.engine
        cdef uint32_t level, slot, copied
        for side in range(2):
            level = best_level(&source.book, side)
            while level != NONE:
                slot = level_at(&source.book, level).head
                while slot != NONE:
                    copied = book_insert(&own.book, source.book.orders[slot].oid, side,
                                         level_at(&source.book, level).px,
                                         source.book.orders[slot].remaining)
                    if copied == NONE:
                        fail(8, own.book.live, own.book.capacity)
                    places_add(&self.places[at], &own.book, copied)
                    own.book.orders[copied].reserved = source.book.orders[slot].reserved
                    own.book.orders[copied].qty = source.book.orders[slot].qty
                    own.book.orders[copied].user_id = source.book.orders[slot].user_id
                    own.book.orders[copied].tif = source.book.orders[slot].tif
                    own.book.orders[copied].flags = source.book.orders[slot].flags
                    own.book.orders[copied].kind = source.book.orders[slot].kind
                    own.book.orders[copied].stp = source.book.orders[slot].stp
                    slot = source.book.orders[slot].next
                level = worse_level(&source.book, side, level)
        self.last_seq[at] = self.next_seq - 1
        own.mode = self.modes[at].mode = source.mode
        own.rules = source.rules
        own.rules.is_logged = 0  # what a start has logged is still to be released
        own.taker = source.taker
        own.taker.cid_place = 0
        own.taker.user_slot = 0

    def whole(self, symbol_id):
        """Whether every request that touched the symbol has been applied to its last record."""
        return not self.in_group[self._symbol(symbol_id)]

    def drain(self, Ring source, uint64_t limit):
        """Take and apply up to limit records, GIL released; stops before one that is not next."""
        cdef ring_t* ring = source.ring
        cdef uint64_t done = 0, known
        cdef const rsx_record_t* record
        with nogil:
            while done < limit:
                known = ring_available(ring)
                if known == 0:
                    break
                record = <const rsx_record_t*>ring_peek(ring, 0)
                if record.seq > self.next_seq:
                    break
                if record.seq == self.next_seq:
                    self._apply(record)
                ring_release(ring, 1)  # one already read from the log is passed over
                done += 1
        return done

    def gap(self, Ring source):
        """Number of the record at the ring's head when it is beyond next_seq, else 0."""
        cdef const rsx_record_t* record
        if ring_available(source.ring) == 0:
            return 0
        record = <const rsx_record_t*>ring_peek(source.ring, 0)
        return record.seq if record.seq > self.next_seq else 0

    def apply(self, const uint8_t[:] data):
        """Apply whole logged records, back to back, numbered from next_seq on."""
        cdef uint64_t count = data.shape[0] // RSX_RECORD_SIZE, at
        with nogil:
            for at in range(count):
                self._apply(<const rsx_record_t*>&data[at * RSX_RECORD_SIZE])

    def changed(self):
        """Symbol ids whose book, tape or mode changed since the last call, whole requests only."""
        cdef int at
        out = []
        for at in range(self.count):
            if self.changed_flags[at]:
                self.changed_flags[at] = False
                out.append(self.engines[at].rules.symbol_id)
        return tuple(out)

    def depth(self, symbol_id, int side, int levels):
        """[(px, qty, count)] of the best levels of a side (0 bids, 1 asks), best first."""
        cdef engine_t* engine = &self.engines[self._symbol(symbol_id)]
        cdef uint32_t handle
        cdef const level_t* level
        cdef list out = []
        if side not in (0, 1):
            raise ValueError(f"side {side}")
        handle = best_level(&engine.book, side)
        while handle != NONE and levels > 0:
            level = level_at(&engine.book, handle)
            out.append((level.px, level.qty, level.count))
            levels -= 1
            handle = worse_level(&engine.book, side, handle)
        return out

    def bbo(self, symbol_id):
        """(bid_px, bid_qty, bid_count, ask_px, ask_qty, ask_count); an empty side is zeros."""
        cdef engine_t* engine = &self.engines[self._symbol(symbol_id)]
        cdef const level_t* bid = level_at(&engine.book, best_level(&engine.book, 0))
        cdef const level_t* ask = level_at(&engine.book, best_level(&engine.book, 1))
        return bid.px, bid.qty, bid.count, ask.px, ask.qty, ask.count

    def last(self, symbol_id):
        """(seq, ts_ns) of the last record applied to a symbol; zeros before the first."""
        cdef int at = self._symbol(symbol_id)
        return self.last_seq[at], self.last_ns[at]

    def take_trades(self):
        """[(symbol_id, px, qty, taker_side, ts_ns, seq)] since the last call, oldest first."""
        cdef uint64_t at = self.trades_taken
        cdef trade_t* trade
        cdef list out = []
        if self.trades_at - at > TRADES_KEPT:
            self.trades_lost += self.trades_at - at - TRADES_KEPT
            at = self.trades_at - TRADES_KEPT
        while at < self.trades_at:
            trade = &self.trades[at % TRADES_KEPT]
            out.append((trade.symbol_id, trade.px, trade.qty, trade.taker_side, trade.ts_ns,
                        trade.seq))
            at += 1
        self.trades_taken = at
        return out

    def take_notices(self):
        """Records since the last call that the public is told of, whole, oldest first (MD-90)."""
        cdef uint64_t at = self.notices_taken
        cdef list out = []
        if self.notices_at - at > NOTICES_KEPT:
            self.notices_lost += self.notices_at - at - NOTICES_KEPT
            at = self.notices_at - NOTICES_KEPT
        while at < self.notices_at:
            out.append((<const char*>&self.notices[(at % NOTICES_KEPT) * RSX_RECORD_SIZE])
                       [:RSX_RECORD_SIZE])
            at += 1
        self.notices_taken = at
        return out

    def audit(self):
        """Check every link and count of every book (INV-8)."""
        cdef int at
        for at in range(self.count):
            engine_audit(&self.engines[at])
            places_audit(&self.places[at], &self.engines[at].book)

    def resting(self, symbol_id):
        """Number of resting orders in a symbol's book."""
        return self.engines[self._symbol(symbol_id)].book.live

    def mode(self, symbol_id):
        """(mode, ts_ns, seq) of the newest TRADING_MODE; seq 0: as it was at the start."""
        cdef int at = self._symbol(symbol_id)
        return self.modes[at].mode, self.modes[at].ts_ns, self.modes[at].seq

    def queue_ahead(self, symbol_id, uint64_t oid, uint32_t user_id=0):
        """(px, qty ahead, orders ahead, own remaining, level's qty, level's count, seq), or None.

        None: it does not rest, or rests for another user than user_id (0 = any). Looks at no more
        than 256 orders and a run for each 64 orders of the level (MD-87).
        """
        cdef int at = self._symbol(symbol_id)
        cdef engine_t* engine = &self.engines[at]
        cdef uint32_t slot = book_find(&engine.book, oid)
        cdef const order_t* order = &engine.book.orders[slot]
        cdef const level_t* level
        cdef uint64_t orders = 0
        cdef int64_t qty = 0
        if slot == NONE or (user_id != 0 and order.user_id != user_id):
            return None
        with nogil:
            places_ahead(&self.places[at], &engine.book, slot, &orders, &qty)
        level = level_at(&engine.book, order.level)
        return level.px, qty, orders, order.remaining, level.qty, level.count, self.last_seq[at]

    # --- order by order (section 8 of the source) -----------------------------------------------

    def l3_open(self, symbol_id):
        """Keep the events of a symbol from now on; forget older ones."""
        cdef l3_t* l3 = &self.l3[self._symbol(symbol_id)]
        l3.open = True
        l3.walking = l3.overrun = False
        l3.taken = l3.made

    def l3_close(self, symbol_id):
        """Keep no events any more."""
        cdef l3_t* l3 = &self.l3[self._symbol(symbol_id)]
        l3.open = l3.walking = False

    def l3_waiting(self, symbol_id):
        """Events that wait to be taken."""
        cdef l3_t* l3 = &self.l3[self._symbol(symbol_id)]
        return l3.made - l3.taken

    def l3_take(self, symbol_id):
        """(rows, rows for the walk's readers, seq of the last) of one frame, oldest first.

        None: nothing waits. Rows are JSON without the outer brackets, as bytes; either may be
        empty. Raises BufferError, once, when events were lost: the walk has ended then.
        """
        cdef l3_t* l3 = &self.l3[self._symbol(symbol_id)]
        cdef uint32_t count
        if l3.overrun:
            l3.overrun = l3.walking = False
            raise BufferError("order events were lost")
        with nogil:
            count = l3_take(l3, &self.rows[0], &self.rows[1])
        if count == 0:
            return None
        return (self.rows[0].data[:self.rows[0].size], self.rows[1].data[:self.rows[1].size],
                l3.events[(l3.taken - 1) & (L3_EVENTS - 1)].seq)

    def l3_begin(self, symbol_id):
        """Begin a walk through the resting orders; whoever calls has taken all events."""
        cdef int at = self._symbol(symbol_id)
        l3_begin(&self.l3[at], &self.engines[at].book)

    def l3_part(self, symbol_id):
        """(rows, whether the walk has ended): its next orders, JSON as in l3_take."""
        cdef int at = self._symbol(symbol_id)
        with nogil:
            l3_part(&self.l3[at], &self.engines[at].book, &self.rows[0])
        return self.rows[0].data[:self.rows[0].size], not self.l3[at].walking

    def l3_end(self, symbol_id):
        """End the walk before it is through."""
        self.l3[self._symbol(symbol_id)].walking = False
