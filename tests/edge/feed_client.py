"""What a careful client of the public feed keeps, and checks: for tests.

`Follower` folds frames per symbol and fails on any broken chain. `frames_of` takes the bytes of
server frames apart.
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


class Follower:
    """One subscription of one symbol, as its client sees it.

    Gaps in the trade chain are collected in trade_gaps; any other broken chain is an error.
    """

    def __init__(self):
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

    def window(self, side):
        """Levels, best first, as the shadow gives them."""
        levels = self.levels[side]
        return [(px, *levels[px]) for px in sorted(levels, reverse=side == 0)]
