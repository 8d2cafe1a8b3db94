"""A plain shadow book with the interface of the compiled one: its oracle, and a stand-in for tests.

Levels are SortedDicts of price -> [quantity, count]; orders a dict of oid -> [side, px, qty].
Source: specs/marketdata.md section 1.
"""

from __future__ import annotations

from sortedcontainers import SortedDict

from rsx.records import (
    FILL,
    ORDER_ACCEPTED,
    ORDER_CANCELLED,
    ORDER_REDUCED,
    ORDER_RESTED,
    RECORD_SIZE,
    HeaderFlag,
    OrderFlag,
    decode,
)


class FakeBook:
    """One symbol."""

    def __init__(self):
        self.levels = (SortedDict(), SortedDict())
        self.orders = {}
        self.last = (0, 0)
        self.open_group = False
        self.touched = False

    def add(self, oid, side, px, qty):
        self.orders[oid] = [side, px, qty]
        level = self.levels[side].setdefault(px, [0, 0])
        level[0] += qty
        level[1] += 1
        self.touched = True

    def reduce(self, oid, qty):
        """Take quantity off a resting order; an order that does not rest is none of ours."""
        order = self.orders.get(oid)
        if order is None:
            return
        side, px, _ = order
        order[2] -= qty
        level = self.levels[side][px]
        level[0] -= qty
        if order[2] <= 0:
            del self.orders[oid]
            level[1] -= 1
            if not level[1]:
                del self.levels[side][px]
        self.touched = True

    def best(self, side, levels):
        book = self.levels[side]
        prices = book.islice(stop=levels) if side else reversed(book.keys()[-levels:])
        return [(px, *book[px]) for px in prices]


class FakeShadow:
    """Books of all symbols, fed from a ring or from bytes."""

    def __init__(self, symbols, orders_max=1 << 20):
        self.books = {symbol.id: FakeBook() for symbol in symbols}
        self.next_seq = 1
        self.trades = []
        self.waiting = b""  # popped from the ring, not applied: its number is not due

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
        book = self.books.get(view.symbol_id) if "symbol_id" in record.offsets else None
        if book is None or not ORDER_ACCEPTED.type <= record.type <= ORDER_REDUCED.type + 1:
            return
        book.last = (view.seq, view.ts_ns)
        if record is ORDER_ACCEPTED and view.flags & OrderFlag.RESTS:
            book.add(view.oid, view.side, view.px, view.qty)
        elif record is ORDER_RESTED:
            book.add(view.oid, view.side, view.px, view.remaining)
        elif record is FILL:
            book.reduce(view.maker_oid, view.qty)
            trade = (view.symbol_id, view.px, view.qty, view.taker_side, view.ts_ns, view.seq)
            self.trades.append(trade)
        elif record in (ORDER_CANCELLED, ORDER_REDUCED):
            book.reduce(view.oid, view.cancelled_qty)
        book.open_group = not view.header_flags & HeaderFlag.GROUP_END

    def whole(self, symbol_id):
        return not self.books[symbol_id].open_group

    def changed(self):
        done = [sid for sid, book in self.books.items() if book.touched and not book.open_group]
        for symbol_id in done:
            self.books[symbol_id].touched = False
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

    def last(self, symbol_id):
        return self.books[symbol_id].last
