"""A stream of logged records such as matching makes, for tests of what follows the log.

`Flow` keeps a naive book, so that what it makes is possible: makers exist, quantities add up, the
last record of a request carries GROUP_END.
"""

from __future__ import annotations

from rsx.records import (
    ACCOUNT_CONFIG,
    AMEND_REJECTED,
    CANCEL_ALL_DONE,
    FILL,
    MARK_PRICE,
    ORDER_ACCEPTED,
    ORDER_AMENDED,
    ORDER_CANCELLED,
    ORDER_DUPLICATE,
    ORDER_REDUCED,
    ORDER_REJECTED,
    ORDER_RELEASED,
    ORDER_RESTED,
    TRADING_MODE,
    TRIGGER_REJECTED,
    HeaderFlag,
    OrderFlag,
)
from rsx.rules import SymbolConfig

END = HeaderFlag.GROUP_END


def symbol(symbol_id, **changed):
    rules = {
        "id": symbol_id, "name": f"S{symbol_id}-PERP", "tick": 1, "lot": 1, "price_decimals": 2,
        "qty_decimals": 6, "px_max": 1_000_000, "qty_max": 1_000_000, "reference_px": 1000,
        "notional_max": 1 << 40, "notional_min": 0, "tick_table": (), "price_band_ppm": 0,
        "market_band_ppm": 50_000, "maker_fee_ppm": 0, "taker_fee_ppm": 0,
        "initial_margin_ppm": 100_000, "maintenance_margin_ppm": 50_000,
    }  # fmt: skip
    return SymbolConfig(**rules | changed)


class Flow:
    """Makes records, numbered from 1, in `records`; `take` hands over those made since."""

    def __init__(self, first_seq=1):
        self.seq = first_seq - 1
        self.oid = 0
        self.records = []
        self.taken = 0
        self.resting = {}  # oid -> [symbol, side, px, qty]
        self.arrived = {}  # oid -> number of its coming to rest
        self.arrivals = 0
        self.modes = {}

    def emit(self, record, symbol_id, header_flags=0, **values):
        self.seq += 1
        if "symbol_id" in record.offsets:
            values["symbol_id"] = symbol_id
        data = record.pack(
            seq=self.seq, ts_ns=self.seq * 1000, header_flags=header_flags, stream=symbol_id,
            **values,
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
        left = self.match(oid, side, left, makers)
        if left and ioc:
            self.emit(
                ORDER_CANCELLED, symbol_id, END, oid=oid, px=px, cancelled_qty=left, side=side,
                filled_qty=qty - cut - left, reason=3102,
            )  # fmt: skip
        elif left:
            self.rest(oid, symbol_id, side, px, left)
            if not rests:
                self.emit(ORDER_RESTED, symbol_id, END, oid=oid, px=px, remaining=left, side=side)
        return oid

    def rest(self, oid, symbol_id, side, px, qty):
        self.resting[oid] = [symbol_id, side, px, qty]
        self.arrivals += 1
        self.arrived[oid] = self.arrivals

    def match(self, oid, side, left, makers):
        """Trade with the makers in turn; returns what is left."""
        for maker_oid in makers:
            if not left:
                break
            left = self.fill(oid, side, left, maker_oid)
        return left

    def amend(self, oid, px, qty):
        """An amendment to this price and open quantity (specs/matching.md AM-4, AM-5)."""
        symbol_id, side, old_px, remaining = self.resting[oid]
        values = {"oid": oid, "px": px, "qty": qty, "remaining": qty, "side": side}
        if px == old_px and qty <= remaining:
            self.resting[oid][3] = qty
            self.emit(ORDER_AMENDED, symbol_id, END, flags=int(OrderFlag.KEPT), **values)
            return
        del self.resting[oid]
        makers = self.crossed(symbol_id, side, px)
        if not makers:
            self.rest(oid, symbol_id, side, px, qty)
            self.emit(ORDER_AMENDED, symbol_id, END, flags=int(OrderFlag.RESTS), **values)
            return
        self.emit(ORDER_AMENDED, symbol_id, **values)
        left = self.match(oid, side, qty, makers)
        if left:
            self.rest(oid, symbol_id, side, px, left)
            self.emit(ORDER_RESTED, symbol_id, END, oid=oid, px=px, remaining=left, side=side)

    def trim(self, oid, qty):
        """A resting order is cut, as a reduce-only one whose position shrinks (RO-2)."""
        symbol_id, side, px, remaining = self.resting[oid]
        assert 0 < qty < remaining
        self.resting[oid][3] -= qty
        self.emit(
            ORDER_REDUCED, symbol_id, END, oid=oid, px=px, cancelled_qty=qty,
            remaining=remaining - qty, side=side, reason=3103,
        )  # fmt: skip

    def set_mode(self, symbol_id, mode):
        self.emit(
            TRADING_MODE, symbol_id, END, mode=mode, previous=self.modes.get(symbol_id, 0)
        )  # fmt: skip
        self.modes[symbol_id] = mode

    def cancel_all(self, symbol_id, oids):
        """One request that ends several orders (CA-1)."""
        for oid in oids:
            self.cancel(oid, 0, 3110)
        self.emit(CANCEL_ALL_DONE, symbol_id, END, cancelled=len(oids), reason=3110)

    def crossed(self, symbol_id, side, px):
        """Order ids that an order would meet, best price first, then oldest."""
        sign = 1 if side == 0 else -1
        found = sorted(
            (sign * maker[2], self.arrived[oid], oid)
            for oid, maker in self.resting.items()
            if maker[0] == symbol_id and maker[1] != side and sign * maker[2] <= sign * px
        )
        return [oid for _, _, oid in found]

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

    def cancel(self, oid, header_flags=END, reason=3101):
        symbol_id, side, px, qty = self.resting.pop(oid)
        self.emit(
            ORDER_CANCELLED, symbol_id, header_flags, oid=oid, px=px, cancelled_qty=qty, side=side,
            reason=reason,
        )  # fmt: skip

    def noise(self, symbol_id):
        """Records that change no book."""
        self.emit(MARK_PRICE, symbol_id, END, mark_px=1)
        self.oid += 1
        self.emit(ORDER_REJECTED, symbol_id, END, oid=self.oid, px=1, qty=1, reason=3002)
        self.emit(ORDER_DUPLICATE, symbol_id, END, oid=self.oid + 1, original_oid=1)
        self.emit(TRIGGER_REJECTED, symbol_id, END, oid=self.oid + 2, reason=3014)
        self.emit(ORDER_RELEASED, symbol_id, END, oid=1, qty=1)
        self.emit(AMEND_REJECTED, symbol_id, END, oid=1, reason=3007)
        self.emit(ACCOUNT_CONFIG, 0, END, user_id=7)

    def random_step(self, random, symbols=(1,), spread=12):
        """One plausible request."""
        symbol_id = random.choice(symbols)
        own = [oid for oid, order in self.resting.items() if order[0] == symbol_id]
        kind = random.random()
        if own and kind < 0.25:
            self.cancel(random.choice(own))
        elif own and kind < 0.45:
            self.random_change(random, random.choice(own), spread)
        elif own and kind < 0.47:
            self.cancel_all(symbol_id, random.sample(own, random.randrange(len(own) + 1)))
        elif kind < 0.5:
            self.noise(symbol_id)
        elif kind < 0.52:
            self.set_mode(symbol_id, random.randrange(4))
        else:
            side, qty = random.randrange(2), random.randrange(1, 20)
            px = self.random_px(random, side, spread)
            cut = random.randrange(qty) if random.random() < 0.1 else 0
            self.order(symbol_id, side, px, qty, cut, ioc=random.random() < 0.2)

    def random_px(self, random, side, spread):
        return 1000 + random.randrange(spread) + (-4 if side == 0 else 4 - spread)

    def random_change(self, random, oid, spread):
        """An amendment of every kind, or a trim."""
        _, side, px, qty = self.resting[oid]
        if random.random() < 0.3 and qty > 1:
            self.trim(oid, random.randrange(1, qty))
            return
        if random.random() < 0.5:
            px = self.random_px(random, side, spread)
        self.amend(oid, px, random.randrange(1, 20))
