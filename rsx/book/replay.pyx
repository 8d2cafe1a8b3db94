# cython: boundscheck=False
"""A venue's order-by-order rows through the matching engine, in one compiled loop.

    row    action, side, px, qty, oid     five int64 each, back to back
    action 'A' 'C' 'M' 'T' 'F' as a character code; side 0 bid, 1 ask, 2 auction

What the actions mean and when a trade is exact: specs/matching.md section 8.
Thread: the caller's, with the GIL held. Shows INV-3 on real data.
"""

from libc.stdint cimport int64_t, uint8_t, uint64_t
from libc.string cimport memset

from rsx.book.book cimport NONE, book_find, order_px, order_t
from rsx.book.engine cimport Engine
from rsx.book.matching cimport DONE, engine_request, engine_resume
from rsx.core.ring cimport Ring, ring_available, ring_peek, ring_release
from rsx.records_c cimport *

cdef enum:
    FIELDS = 5
    AUCTION = 2
    EVENTS_DEPTH = 1024

# Ids of the replay's own orders begin above all that the rows may have.
cdef uint64_t AGGRESSOR_OID = <uint64_t>1 << 52
# More than any order has left.
cdef int64_t WHOLE = <int64_t>1 << 62


cdef class VenueReplay(Engine):
    """An engine that follows a venue. Arguments as Engine's.

    Attributes: at, the row in hand; trades, exact, fills, auction_fills: counts so far.
    """

    cdef Ring events
    cdef readonly uint64_t at
    cdef readonly uint64_t trades
    cdef readonly uint64_t exact
    cdef readonly uint64_t fills
    cdef readonly uint64_t auction_fills

    def __init__(self, symbol, **limits):
        super().__init__(symbol, **limits)
        self.events = Ring("engine_replay", EVENTS_DEPTH)

    def run(self, const int64_t[:] rows):
        """Apply all rows. Raises ValueError at one that contradicts those before it (`at`)."""
        cdef uint64_t count = rows.shape[0] // FIELDS
        cdef const int64_t* row
        cdef uint8_t[:] is_due = bytearray(count)
        self.at = 0
        while self.at < count:
            row = &rows[self.at * FIELDS]
            if row[0] == c"A":
                self.enter(row[4], <int>row[1], row[2], row[3])
            elif row[0] == c"C":
                self.shrink(row[4], WHOLE)
            elif row[0] == c"M":
                self.change(row)
            elif row[0] == c"T":
                self.at = self.trade(&rows[0], &is_due[0], count)
                continue
            else:
                raise ValueError("action = 'F' without its T before it")
            self.at += 1

    cdef int change(self, const int64_t* row) except -1:
        """Same price and not larger keeps its place, else it goes to the back."""
        cdef uint64_t slot = book_find(&self.engine.book, row[4])
        cdef const order_t* order
        cdef int64_t remaining
        if slot == NONE:
            return 0
        order = &self.engine.book.orders[slot]
        remaining = order.remaining
        if (order.side == row[1] and order_px(&self.engine.book, order) == row[2]
                and row[3] <= remaining):
            if row[3] < remaining:
                self.shrink(row[4], remaining - row[3])
            return 0
        self.shrink(row[4], remaining)
        self.enter(row[4], <int>row[1], row[2], row[3])
        return 0

    cdef uint64_t trade(self, const int64_t* rows, uint8_t* is_due, uint64_t count) except? 0:
        """The trade in hand and the fills after it; returns the row behind them."""
        cdef const int64_t* row = &rows[self.at * FIELDS]
        cdef const int64_t* fill
        cdef uint64_t end = self.at + 1
        cdef uint64_t slot
        while end < count and rows[end * FIELDS] == c"F":
            fill = &rows[end * FIELDS]
            if row[1] == AUCTION:
                self.shrink(fill[4], fill[3])
                self.auction_fills += 1
            else:
                slot = book_find(&self.engine.book, fill[4])
                is_due[end] = slot != NONE and self.engine.book.orders[slot].side == 1 - row[1]
            end += 1
        if row[1] != AUCTION:
            self.trades += 1
            self.exact += self.is_exact(row, rows, is_due, end)
        return end

    cdef bint is_exact(self, const int64_t* row, const int64_t* rows, const uint8_t* is_due,
                       uint64_t end) except -1:
        """Run the aggressor; whether its fills are those that are due, order for order."""
        cdef rsx_order_new_t order
        cdef const rsx_fill_t* event
        cdef const int64_t* fill
        cdef uint64_t due = self.at + 1, seen, index
        cdef bint same = True
        cdef int status
        memset(&order, 0, sizeof(order))
        rsx_record_init(&order, RSX_ORDER_NEW, 0)
        order.oid = AGGRESSOR_OID + self.trades
        order.px = row[2]
        order.qty = row[3]
        order.user_id = 2
        order.symbol_id = self.engine.rules.symbol_id
        order.side = <uint8_t>row[1]
        order.tif = RSX_IOC
        status = engine_request(&self.engine, <const rsx_record_t*>&order, 0, self.events.ring)
        while True:
            seen = ring_available(self.events.ring)
            for index in range(seen):
                event = <const rsx_fill_t*>ring_peek(self.events.ring, index)
                if event.type != RSX_FILL:
                    continue
                self.fills += 1
                while due < end and not is_due[due]:
                    due += 1
                fill = &rows[due * FIELDS]
                if due == end or event.maker_oid != <uint64_t>fill[4] or event.qty != fill[3]:
                    same = False
                else:
                    due += 1
            ring_release(self.events.ring, seen)
            if status == DONE and seen == 0:
                break
            if status != DONE:
                status = engine_resume(&self.engine, 0, self.events.ring)
        while due < end and not is_due[due]:
            due += 1
        return same and due == end
