# cython: boundscheck=False
"""Shadow books: the order books of all symbols, folded from released records, for market data.

Shares the engine's fold (rsx/book/fold.pyx), without users and client ids. A symbol counts as
changed only when the last record of a request has come, so that no half-applied order is shown.
Thread: the marketdata tile's. Source: specs/marketdata.md, specs/matching.md F-1.
"""

from libc.stdint cimport int64_t, uint8_t, uint32_t, uint64_t
from libc.stdlib cimport calloc, free
from libc.string cimport memset

from rsx.book.book cimport (
    NONE, best_level, book_free, book_init, book_insert, level_at, level_t, worse_level,
)
from rsx.book.engine cimport Engine
from rsx.book.fold cimport engine_apply, engine_audit
from rsx.book.matching cimport engine_t
from rsx.core.check cimport fail
from rsx.core.ring cimport Ring, ring_available, ring_peek, ring_release, ring_t
from rsx.records import OF_A_SYMBOL
from rsx.records_c cimport *

cdef enum:
    SYMBOLS_MAX = 64
    TRADES_KEPT = 65536     # between two calls of take_trades; older ones are left out, counted

cdef uint8_t[256] IS_OF_A_SYMBOL    # by record type: folded by the book that its stream names
for _type in range(256):
    IS_OF_A_SYMBOL[_type] = _type in OF_A_SYMBOL

cdef struct trade_t:
    uint32_t symbol_id
    uint32_t taker_side
    int64_t px
    int64_t qty
    uint64_t ts_ns
    uint64_t seq


cdef class Shadow:
    """Books of all symbols as the log has released them.

    Args  symbols: tuple of SymbolConfig; orders_max: resting orders per book; next_seq: number
          of the first record to come; level_slots_max: slots of the price map
    """

    cdef engine_t engines[SYMBOLS_MAX]
    cdef uint64_t last_seq[SYMBOLS_MAX]
    cdef uint64_t last_ns[SYMBOLS_MAX]
    cdef bint changed_flags[SYMBOLS_MAX]
    cdef bint in_group[SYMBOLS_MAX]     # the last record applied was not its request's last
    cdef uint8_t* index             # symbol id -> index + 1
    cdef int count
    cdef trade_t* trades
    cdef uint64_t trades_at
    cdef uint64_t trades_taken
    cdef readonly uint64_t trades_lost
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
        if self.index == NULL or self.trades == NULL:
            raise MemoryError("shadow books")
        for at, symbol in enumerate(symbols):
            memset(&self.engines[at], 0, sizeof(engine_t))
            self.engines[at].is_shadow = True
            self.engines[at].rules.symbol_id = symbol.id
            self.engines[at].rules.px_max = symbol.px_max
            book_init(&self.engines[at].book, symbol.tick, symbol.px_max, symbol.reference_px,
                      orders_max, level_slots_max)
            self.index[symbol.id] = at + 1
            self.count = at + 1

    def __dealloc__(self):
        cdef int at
        for at in range(self.count):
            book_free(&self.engines[at].book)
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
        if record.type >= 256 or not IS_OF_A_SYMBOL[record.type]:
            return 0
        at = <int>self.index[record.stream] - 1
        if at < 0:
            return fail(14, record.seq, record.stream)
        engine_apply(&self.engines[at], record)
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
        self.in_group[at] = not record.header_flags & RSX_GROUP_END
        if not self.in_group[at]:
            self.changed_flags[at] = True
        return 0

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
        """Symbol ids whose book or tape changed since the last call, whole requests only."""
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

    def audit(self):
        """Check every link and count of every book (INV-8)."""
        cdef int at
        for at in range(self.count):
            engine_audit(&self.engines[at])

    def resting(self, symbol_id):
        """Number of resting orders in a symbol's book."""
        return self.engines[self._symbol(symbol_id)].book.live
