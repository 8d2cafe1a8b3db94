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
        "notional_max": 1 << 40, "notional_min": 0, "tick_table": (), "price_band_ppm": 0,
        "market_band_ppm": 50_000,
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

    def order(self, symbol_id, side, px, qty, cut=0, ioc=False):
        """An order: trades with what it crosses; what is left rests, or is cancelled (ioc).

        cut: taken off after acceptance, as of a reduce-only order; below qty.
        """
        self.oid += 1
        oid = self.oid
        makers = self.crossed(symbol_id, side, px)
        rests = not (makers or cut or ioc)
        self.emit(
            ORDER_ACCEPTED, symbol_id, END if rests else 0, oid=oid, px=px, qty=qty, side=side,
            flags=int(OrderFlag.RESTS) if rests else 0,
        )  # fmt: skip
        left = qty - cut
        if cut:
            self.emit(
                ORDER_REDUCED, symbol_id, oid=oid, px=px, cancelled_qty=cut, remaining=left,
                side=side, reason=3103,
            )  # fmt: skip
        for maker_oid in makers:
            if not left:
                break
            left = self.fill(oid, side, left, maker_oid)
        if left and ioc:
            self.emit(
                ORDER_CANCELLED, symbol_id, END, oid=oid, px=px, cancelled_qty=left, side=side,
                filled_qty=qty - cut - left, reason=3102,
            )  # fmt: skip
        elif left:
            self.resting[oid] = [symbol_id, side, px, left]
            if not rests:
                self.emit(ORDER_RESTED, symbol_id, END, oid=oid, px=px, remaining=left, side=side)
        return oid

    def crossed(self, symbol_id, side, px):
        """Order ids that an order would meet, best price first, then oldest."""
        sign = 1 if side == 0 else -1
        found = sorted(
            (sign * maker[2], oid)
            for oid, maker in self.resting.items()
            if maker[0] == symbol_id and maker[1] != side and sign * maker[2] <= sign * px
        )
        return [oid for _, oid in found]

    def fill(self, oid, side, left, maker_oid):
        """One trade; returns what is left of the taker."""
        maker = self.resting[maker_oid]
        traded = min(left, maker[3])
        left -= traded
        maker[3] -= traded
        if not maker[3]:
            del self.resting[maker_oid]
        self.emit(
            FILL, maker[0], 0 if left else END, taker_oid=oid, maker_oid=maker_oid, px=maker[2],
            qty=traded, taker_remaining=left, maker_remaining=maker[3], taker_side=side,
        )  # fmt: skip
        return left

    def cancel(self, oid):
        symbol_id, side, px, qty = self.resting.pop(oid)
        self.emit(
            ORDER_CANCELLED, symbol_id, END, oid=oid, px=px, cancelled_qty=qty, side=side,
            reason=3101,
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
        elif kind < 0.4:
            self.noise(symbol_id)
        else:
            side, qty = random.randrange(2), random.randrange(1, 20)
            px = 1000 + random.randrange(spread) + (-4 if side == 0 else 4 - spread)
            cut = random.randrange(qty) if random.random() < 0.1 else 0
            self.order(symbol_id, side, px, qty, cut, ioc=random.random() < 0.2)
