"""A stream of logged records such as matching makes, for tests of what follows the log.

`Flow` keeps a naive book, so that what it makes is possible: makers exist, quantities add up, the
last record of a request carries GROUP_END.
"""

from __future__ import annotations

from types import SimpleNamespace

from rsx.records import (
    FILL,
    MARK_PRICE,
    ORDER_ACCEPTED,
    ORDER_CANCELLED,
    ORDER_REDUCED,
    ORDER_REJECTED,
    ORDER_RESTED,
    HeaderFlag,
    OrderFlag,
)

END = HeaderFlag.GROUP_END


def symbol(symbol_id, **changed):
    rules = {
        "id": symbol_id, "name": f"S{symbol_id}-PERP", "tick": 1, "lot": 1, "price_decimals": 2,
        "qty_decimals": 6, "px_max": 1_000_000, "qty_max": 1_000_000, "reference_px": 1000,
    }  # fmt: skip
    return SimpleNamespace(**rules | changed)


class Flow:
    """Makes records, numbered from 1, in `records`; `take` hands over those made since."""

    def __init__(self, first_seq=1):
        self.seq = first_seq - 1
        self.oid = 0
        self.records = []
        self.taken = 0
        self.resting = {}  # oid -> [symbol, side, px, qty]

    def emit(self, record, symbol_id, header_flags=0, **values):
        self.seq += 1
        data = record.pack(
            seq=self.seq, ts_ns=self.seq * 1000, symbol_id=symbol_id, header_flags=header_flags,
            stream=symbol_id, **values,
        )  # fmt: skip
        self.records.append(data)

    def take(self):
        new = b"".join(self.records[self.taken :])
        self.taken = len(self.records)
        return new

    def log(self, first, last):
        """What the log reader would give: chunks of a few records."""
        records = self.records[first - 1 : last]
        for at in range(0, len(records), 7):
            yield b"".join(records[at : at + 7])

    def order(self, symbol_id, side, px, qty):
        """A GTC order: trades with what it crosses, rests with what is left."""
        self.oid += 1
        oid = self.oid
        makers = sorted(
            (
                (maker[2] if side == 0 else -maker[2], maker_oid)
                for maker_oid, maker in self.resting.items()
                if maker[0] == symbol_id
                and maker[1] != side
                and (maker[2] <= px if side == 0 else maker[2] >= px)
            )
        )
        if not makers:
            self.emit(
                ORDER_ACCEPTED, symbol_id, END, oid=oid, px=px, qty=qty, side=side,
                flags=int(OrderFlag.RESTS),
            )  # fmt: skip
            self.resting[oid] = [symbol_id, side, px, qty]
            return oid
        self.emit(ORDER_ACCEPTED, symbol_id, oid=oid, px=px, qty=qty, side=side)
        left = qty
        while left and makers:
            maker_oid = makers.pop(0)[1]
            maker = self.resting[maker_oid]
            traded = min(left, maker[3])
            left -= traded
            maker[3] -= traded
            if not maker[3]:
                del self.resting[maker_oid]
            self.emit(
                FILL, symbol_id, 0 if left else END, taker_oid=oid, maker_oid=maker_oid,
                px=maker[2], qty=traded, taker_remaining=left, maker_remaining=maker[3],
                taker_side=side,
            )  # fmt: skip
        if left:
            self.emit(ORDER_RESTED, symbol_id, END, oid=oid, px=px, remaining=left, side=side)
            self.resting[oid] = [symbol_id, side, px, left]
        return oid

    def cancel(self, oid):
        symbol_id, side, px, qty = self.resting.pop(oid)
        self.emit(
            ORDER_CANCELLED, symbol_id, END, oid=oid, px=px, cancelled_qty=qty, side=side,
            reason=3101,
        )  # fmt: skip

    def reduce(self, oid, qty):
        """Cut part of a resting order off; qty is below what rests."""
        order = self.resting[oid]
        order[3] -= qty
        self.emit(
            ORDER_REDUCED, order[0], END, oid=oid, px=order[2], cancelled_qty=qty,
            remaining=order[3], side=order[1],
        )  # fmt: skip

    def noise(self, symbol_id):
        """Records that change no book."""
        self.emit(MARK_PRICE, symbol_id, END, mark_px=1)
        self.oid += 1
        self.emit(ORDER_REJECTED, symbol_id, END, oid=self.oid, px=1, qty=1, reason=3002)

    def random_step(self, random, symbols=(1,), spread=12):
        """One plausible request."""
        symbol_id = random.choice(symbols)
        own = [oid for oid, order in self.resting.items() if order[0] == symbol_id]
        kind = random.random()
        if own and kind < 0.35:
            self.cancel(random.choice(own))
        elif own and kind < 0.4 and self.resting[own[0]][3] > 1:
            self.reduce(own[0], 1)
        elif kind < 0.43:
            self.noise(symbol_id)
        else:
            side = random.randrange(2)
            px = 1000 + random.randrange(spread) + (-4 if side == 0 else 4 - spread)
            self.order(symbol_id, side, px, random.randrange(1, 20))
