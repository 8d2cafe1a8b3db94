"""What a careful client of the public feed keeps, and checks: for tests.

`Follower` folds frames per symbol and fails on any broken chain; `Orders` is its order-by-order
book. `frames_of` takes the bytes of server frames apart.
"""

from __future__ import annotations

import orjson


def frames_of(data):
    """(key, fields) of each text frame in `data`, which is whole unmasked frames."""
    at = 0
    while at < len(data):
        assert data[at] in (0x81, 0x89), data[at]
        size, at = data[at + 1], at + 2
        if size == 126:
            size, at = int.from_bytes(data[at : at + 2], "big"), at + 2
        elif size == 127:
            size, at = int.from_bytes(data[at : at + 8], "big"), at + 8
        payload, at = data[at : at + size], at + size
        if payload:
            ((key, fields),) = orjson.loads(payload).items()
            yield key, fields
    assert at == len(data)


class Orders:
    """The resting orders of one symbol, from LS and L alone (W-25, W-26); strict about every row.

    gaps: (u it had, u of the new snapshot) of each snapshot that was not the first.
    watch: called with (self, number) after each event, once the book is whole.
    """

    def __init__(self, watch=None):
        self.watch = watch
        self.levels = ({}, {})  # px -> dict of oid -> remaining, oldest first
        self.known = {}  # oid -> (side, px)
        self.u = 0
        self.part = None
        self.whole = False
        self.gaps = []
        self.rows = 0

    def resting(self):
        """[(oid, side, px, remaining)] in priority order."""
        return [
            (oid, side, px, left)
            for side in (0, 1)
            for px in sorted(self.levels[side], reverse=side == 0)
            for oid, left in self.levels[side][px].items()
        ]

    def snapshot(self, part, last, rows, u, pu):
        assert pu == self.u, (pu, self.u)
        if part == 0:
            assert not rows and not last
            if pu:
                self.gaps.append((pu, u))
            self.levels = ({}, {})
            self.known = {}
            self.whole = False
            self.newest = (0, float("-inf"))
        else:
            assert part == self.part + 1 and not self.whole
            for oid, side, px, left in rows:
                place = (side, px if side else -px)
                assert place >= self.newest
                self.newest = place
                self.add(oid, side, px, left)
            self.whole = bool(last)
        self.part, self.u = part, u
        if self.whole and self.watch:
            self.watch(self, u)

    def events(self, rows, u, pu):
        assert rows and self.part is not None
        assert pu == self.u, (pu, self.u)
        numbers = [row[-1] for row in rows]
        assert numbers == sorted(set(numbers)) and pu < numbers[0] and numbers[-1] <= u
        self.u = u
        for kind, oid, side, px, qty, left, _ts_ns, seq in rows:
            self.rows += 1
            self.event(kind, oid, side, px, qty, left)
            if self.whole and self.watch:
                self.watch(self, seq)

    def event(self, kind, oid, side, px, qty, left):
        if kind == 0:
            assert qty == left
            self.add(oid, side, px, left)
            return
        had_side, had_px = self.known[oid]
        level = self.levels[side][had_px]
        assert had_side == side
        if kind == 1:
            best = max(self.levels[0]) if side == 0 else min(self.levels[1])
            assert px == best and next(iter(level)) == oid  # INV-3
        if kind == 5:
            assert qty == left
            self.drop(oid)
            self.add(oid, side, px, left)
            return
        assert kind in (1, 2, 3, 4, 6) and px == had_px
        assert level[oid] - qty == left and qty >= (kind != 4)
        assert (kind in (3, 6)) <= (left == 0) and (kind in (2, 4)) <= (left > 0)
        if left:
            level[oid] = left
        else:
            self.drop(oid)

    def add(self, oid, side, px, left):
        assert oid not in self.known and left > 0
        self.known[oid] = side, px
        self.levels[side].setdefault(px, {})[oid] = left

    def drop(self, oid):
        side, px = self.known.pop(oid)
        del self.levels[side][px][oid]
        if not self.levels[side][px]:
            del self.levels[side][px]


class Follower:
    """One subscription of one symbol, as its client sees it.

    Gaps in the trade chain are collected in trade_gaps; any other broken chain is an error.
    """

    def __init__(self, watch=None):
        self.orders = Orders(watch)
        self.modes = []
        self.levels = None  # (bids, asks) of px -> (qty, count)
        self.book_u = None
        self.quote = None
        self.quote_u = None
        self.trades = []
        self.trade_u = None
        self.trade_gaps = []
        self.keys = []

    def feed(self, key, fields):
        self.keys.append(key)
        getattr(self, f"on_{key}")(*fields)

    def on_B(self, symbol_id, bids, asks, ts_ns, u):
        assert [px for px, _, _ in bids] == sorted({px for px, _, _ in bids}, reverse=True)
        assert [px for px, _, _ in asks] == sorted({px for px, _, _ in asks})
        assert self.book_u is None or u >= self.book_u
        self.levels = tuple({px: (qty, n) for px, qty, n in side} for side in (bids, asks))
        self.book_u = u

    def on_D(self, symbol_id, bids, asks, ts_ns, u, pu):
        assert pu == self.book_u, (pu, self.book_u)
        assert u > pu
        assert bids or asks
        self.book_u = u
        for side, changed in zip(self.levels, (bids, asks), strict=True):
            for px, qty, count in changed:
                if qty:
                    assert count > 0
                    assert side.get(px) != (qty, count)
                    side[px] = (qty, count)
                else:
                    del side[px]

    def on_BBO(self, *fields):
        *quote, _ts_ns, u, pu = fields[1:]
        assert pu == (self.quote_u or 0), (pu, self.quote_u)
        assert self.quote_u is None or u > pu
        self.quote, self.quote_u = tuple(quote), u

    def on_T(self, symbol_id, px, qty, side, ts_ns, u, pu):
        if pu != (self.trade_u or 0):
            self.trade_gaps.append((self.trade_u, pu))
        assert self.trade_u is None or u > self.trade_u
        self.trade_u = u
        self.trades.append((symbol_id, px, qty, side, ts_ns, u))

    def on_MO(self, symbol_id, mode, ts_ns, seq):
        assert not self.modes or seq >= self.modes[-1][1]
        self.modes.append((mode, seq))

    def on_LS(self, symbol_id, part, last, rows, ts_ns, u, pu):
        self.orders.snapshot(part, last, rows, u, pu)

    def on_L(self, symbol_id, rows, u, pu):
        self.orders.events(rows, u, pu)

    def window(self, side):
        """Levels, best first, as the shadow gives them."""
        levels = self.levels[side]
        return [(px, *levels[px]) for px in sorted(levels, reverse=side == 0)]
