"""A plain shadow book with the interface of the compiled one: its oracle, and a stand-in for tests.

A level is a dict of oid -> quantity, oldest first. The walk through the orders remembers the last
one it sent and asks the book anew each time. Shares no idea with rsx/book/l3.pyx and places.pyx.
Source: specs/marketdata.md sections 1, 8 and 9.
"""

from __future__ import annotations

from collections import deque

import orjson
from sortedcontainers import SortedDict

from rsx.records import (
    FILL,
    OF_A_SYMBOL,
    ORDER_ACCEPTED,
    ORDER_AMENDED,
    ORDER_CANCELLED,
    ORDER_REDUCED,
    ORDER_RESTED,
    RECORD_SIZE,
    TRADING_MODE,
    HeaderFlag,
    OrderFlag,
    decode,
)

ADD, TRADE, REDUCE, CANCEL, KEPT, MOVED, TAKEN = range(7)
ROWS, PART = 512, 500

# Marks, settled rates, liquidations, transfers, rules: kept whole for the public feed.
NOTICES = (41, 42, 45, 59, 62, 63, 68, 69)


class FakeBook:
    """One symbol."""

    def __init__(self, symbol_id):
        self.symbol_id = symbol_id
        self.levels = (SortedDict(), SortedDict())
        self.orders = {}  # oid -> [side, px, qty, arrival]
        self.arrivals = 0
        self.last = (0, 0)
        self.mode = (0, 0, 0)
        self.open_group = False
        self.touched = False
        self.changed = False
        self.events = None  # deque of (row, row of the walk's readers or None)
        self.walk = None  # key of the last order sent; () = none yet; None = no walk
        self.sent = set()

    # --- what happens to an order -------------------------------------------------------

    def key(self, oid):
        """Its place in priority order over both sides."""
        side, px, _, arrival = self.orders[oid]
        return (side, px if side else -px, arrival)

    def add(self, oid, side, px, qty):
        self.arrivals += 1
        self.orders[oid] = [side, px, qty, self.arrivals]
        self.levels[side].setdefault(px, {})[oid] = qty
        if self.walk is not None and self.walk and self.key(oid) < self.walk:
            self.sent.add(oid)

    def reduce(self, oid, qty):
        """Take quantity off a resting order, all of it too."""
        order = self.orders[oid]
        side, px, _, _ = order
        order[2] -= qty
        self.levels[side][px][oid] -= qty
        assert order[2] >= 0
        if not order[2]:
            self.drop(oid)

    def drop(self, oid):
        side, px, _, _ = self.orders.pop(oid)
        del self.levels[side][px][oid]
        self.sent.discard(oid)
        if not self.levels[side][px]:
            del self.levels[side][px]

    def apply(self, view):
        """A record of this symbol's engine."""
        record = view.record
        self.last = (view.seq, view.ts_ns)
        oid = view.maker_oid if record is FILL else getattr_or(view, "oid")
        self.touched |= record is FILL
        if record is ORDER_ACCEPTED and view.flags & OrderFlag.RESTS:
            self.event(view, ADD, oid, view.side, view.px, view.qty)
        elif record is ORDER_RESTED:
            self.event(view, ADD, oid, view.side, view.px, view.remaining)
        elif record is TRADING_MODE:
            self.mode = (view.mode, view.ts_ns, view.seq)
            self.touched = True
        elif oid in self.orders:
            self.resting(view, record, oid)
        self.open_group = not view.header_flags & HeaderFlag.GROUP_END
        if not self.open_group and self.touched:
            self.changed, self.touched = True, False

    def resting(self, view, record, oid):
        side, px, qty, _ = self.orders[oid]
        if record is FILL:
            self.event(view, TRADE, oid, side, px, view.qty)
        elif record is ORDER_REDUCED:
            self.event(view, REDUCE, oid, side, px, view.cancelled_qty)
        elif record is ORDER_CANCELLED:
            self.event(view, CANCEL, oid, side, px, qty)
        elif record is ORDER_AMENDED and view.flags & OrderFlag.KEPT:
            self.event(view, KEPT, oid, side, px, qty - view.remaining)
        elif record is ORDER_AMENDED and view.flags & OrderFlag.RESTS:
            self.event(view, MOVED, oid, side, view.px, view.remaining)
        elif record is ORDER_AMENDED:
            self.event(view, TAKEN, oid, side, px, qty)

    def event(self, view, kind, oid, side, px, qty):
        """Do it, and keep it as rows."""
        knew = self.walk is None or oid in self.sent
        old = self.orders.get(oid)
        if kind in (TRADE, REDUCE, CANCEL, KEPT, TAKEN):
            self.reduce(oid, qty)
        elif kind == MOVED:
            self.drop(oid)
        if kind in (ADD, MOVED):
            self.add(oid, side, px, qty)
        knows = self.walk is None or oid in self.sent
        self.touched = True
        if self.events is None:
            return
        left = self.orders[oid][2] if oid in self.orders else 0
        tail = [oid, side, px, qty, left, view.ts_ns, view.seq]
        walks = [kind, *tail]
        if kind in (ADD, MOVED):
            if not knows:
                walks = None
                if kind == MOVED and knew:
                    walks = [TAKEN, oid, side, old[1], old[2], 0, view.ts_ns, view.seq]
            elif not knew:
                walks = [ADD, *tail]
        elif not knew:
            walks = None
        self.events.append(([kind, *tail], walks))

    # --- looking at it ------------------------------------------------------------------

    def best(self, side, levels):
        book = self.levels[side]
        prices = book.islice(stop=levels) if side else reversed(book.keys()[-levels:])
        return [(px, sum(book[px].values()), len(book[px])) for px in prices]

    def resting_orders(self):
        """[(oid, side, px, qty)] in priority order."""
        return [
            (oid, side, px, qty)
            for side in (0, 1)
            for px in (self.levels[1] if side else reversed(self.levels[0]))
            for oid, qty in self.levels[side][px].items()
        ]

    def queue_ahead(self, oid):
        if oid not in self.orders:
            return None
        side, px, qty, _ = self.orders[oid]
        level = self.levels[side][px]
        ahead = list(level)[: list(level).index(oid)]
        return (
            px, sum(level[each] for each in ahead), len(ahead), qty, sum(level.values()),
            len(level), self.last[0],
        )  # fmt: skip

    def part(self):
        """Rows of the walk's next orders, and whether it has ended."""
        rest = sorted((self.key(oid), oid) for oid in self.orders if oid not in self.sent)
        rows = []
        for key, oid in rest[:PART]:
            side, px, qty, _ = self.orders[oid]
            rows.append([oid, side, px, qty])
            self.sent.add(oid)
            self.walk = max(self.walk, key) if self.walk else key
        if len(rest) <= PART:
            self.walk = None
            self.sent.clear()
            return rows, True
        return rows, False


def getattr_or(view, name):
    return getattr(view, name) if name in view.record.offsets else 0


def joined(rows):
    """Rows as the compiled shadow gives them: JSON without the outer brackets."""
    return orjson.dumps(rows)[1:-1]


class FakeShadow:
    """Books of all symbols, fed from a ring or from bytes."""

    def __init__(self, symbols, orders_max=1 << 20):
        self.books = {symbol.id: FakeBook(symbol.id) for symbol in symbols}
        self.next_seq = 1
        self.trades = []
        self.notices = []
        self.waiting = b""  # popped from the ring, not applied: its number is not due
        self.lose = False  # the next l3_take says that events were lost

    def drain(self, ring, limit):
        done = 0
        while done < limit:
            record = self.waiting or ring.pop(1)
            self.waiting = b""
            if not record:
                break
            view = decode(record, crc=False)
            if view.seq != self.next_seq:
                self.waiting = record
                break
            self._apply(view)
            done += 1
        return done

    def gap(self, ring):
        if not self.waiting:
            self.waiting = ring.pop(1)
        seq = decode(self.waiting, crc=False).seq if self.waiting else 0
        return seq if seq > self.next_seq else 0

    def apply(self, data):
        for at in range(0, len(data), RECORD_SIZE):
            view = decode(data, at, crc=False)
            assert view.seq == self.next_seq, (view.seq, self.next_seq)
            self._apply(view)

    def _apply(self, view):
        self.next_seq = view.seq + 1
        record = view.record
        if record.type in NOTICES:
            self.notices.append(record.codec.pack(*view.row))
        book = self.books.get(view.symbol_id) if "symbol_id" in record.offsets else None
        if book is None or record.type not in OF_A_SYMBOL:
            return
        book.apply(view)
        if record is FILL:
            trade = (view.symbol_id, view.px, view.qty, view.taker_side, view.ts_ns, view.seq)
            self.trades.append(trade)

    def whole(self, symbol_id):
        return not self.books[symbol_id].open_group

    def changed(self):
        done = [sid for sid, book in self.books.items() if book.changed]
        for symbol_id in done:
            self.books[symbol_id].changed = False
        return tuple(done)

    def bbo(self, symbol_id):
        book = self.books[symbol_id]
        bid, ask = book.best(0, 1), book.best(1, 1)
        return (*(bid[0] if bid else (0, 0, 0)), *(ask[0] if ask else (0, 0, 0)))

    def depth(self, symbol_id, side, levels):
        return self.books[symbol_id].best(side, levels)

    def take_trades(self):
        trades, self.trades = self.trades, []
        return trades

    def take_notices(self):
        notices, self.notices = self.notices, []
        return notices

    def last(self, symbol_id):
        return self.books[symbol_id].last

    def mode(self, symbol_id):
        return self.books[symbol_id].mode

    def queue_ahead(self, symbol_id, oid, user_id=0):
        return self.books[symbol_id].queue_ahead(oid)

    # --- order by order -----------------------------------------------------------------

    def l3_open(self, symbol_id):
        self.books[symbol_id].events = deque()
        self.books[symbol_id].walk = None
        self.books[symbol_id].sent.clear()

    def l3_close(self, symbol_id):
        self.books[symbol_id].events = None
        self.l3_end(symbol_id)

    def l3_waiting(self, symbol_id):
        return len(self.books[symbol_id].events or ())

    def l3_take(self, symbol_id):
        events = self.books[symbol_id].events
        if self.lose:
            self.lose = False
            events.clear()
            self.l3_end(symbol_id)
            raise BufferError("order events were lost")
        if not events:
            return None
        taken = [events.popleft() for _ in range(min(ROWS, len(events)))]
        rows = [row for row, _ in taken]
        walks = [row for _, row in taken if row is not None]
        return joined(rows), joined(walks), rows[-1][-1]

    def l3_begin(self, symbol_id):
        self.books[symbol_id].walk = ()
        self.books[symbol_id].sent.clear()

    def l3_part(self, symbol_id):
        rows, ended = self.books[symbol_id].part()
        return joined(rows), ended

    def l3_end(self, symbol_id):
        self.books[symbol_id].walk = None
        self.books[symbol_id].sent.clear()
