"""The symbol's rules of specs/matching.md that need no book: PX-1, PX-3, M-2, TR-3."""

from __future__ import annotations

from typing import Any

from rsx.records import CID_MAX, REQUEST_FLAGS, OrderKind, Side, Stp, Tif

PPM = 1_000_000
POST_ONLY, REDUCE_ONLY, REPRICE, LAST_PRICE, HEDGE = 1, 2, 8, 32, 128
LIMIT_KINDS = (OrderKind.LIMIT, OrderKind.STOP_LIMIT, OrderKind.TAKE_PROFIT_LIMIT)
SIDES, TIFS, KINDS, STPS = (frozenset(map(int, e)) for e in (Side, Tif, OrderKind, Stp))
LIMIT = frozenset(map(int, LIMIT_KINDS))
FIRED_LIMIT = LIMIT - {0}
TRIGGER_KINDS = frozenset(range(2, 7))


def ceil_div(a: int, b: int) -> int:
    return -(-a // b)


def fee(notional: int, ppm: int) -> int:
    """R-2: a charge is rounded up, a rebate toward zero; both are the ceiling."""
    return -(-notional * ppm // PPM)


class Rules:
    """What one symbol allows; `symbol` has the fields of rsx.config's SymbolConfig."""

    def __init__(self, symbol: Any):
        self.symbol_id = symbol.id
        self.lot, self.qty_max = symbol.lot, symbol.qty_max
        self.px_max, self.notional_max = symbol.px_max, symbol.notional_max
        self.notional_min, self.band_ppm = symbol.notional_min, symbol.price_band_ppm
        self.version = symbol.version
        self.rows = [(0, symbol.tick), *symbol.tick_table]  # (first price, tick), rising

    # --- PX-1 ---------------------------------------------------------------------------

    def tick_at(self, px: int) -> int:
        tick = self.rows[0][1]
        for first, step in self.rows:
            if px >= first:
                tick = step
        return tick

    def is_price(self, px: int) -> bool:
        return 0 < px <= self.px_max and px % self.tick_at(px) == 0

    def next_above(self, px: int) -> int:
        """The first price on tick above px, which may be off tick itself (SY-5)."""
        tick = self.tick_at(px)
        return (px // tick + 1) * tick

    def next_below(self, px: int) -> int:
        tick = self.tick_at(px - 1)
        return (px - 1) // tick * tick

    # --- M-2, PX-3, PX-4 ----------------------------------------------------------------

    def is_qty(self, qty: int) -> bool:
        return 0 < qty <= self.qty_max and qty % self.lot == 0

    def is_allowed(self, px: int, qty: int) -> bool:
        """Price, quantity and their product."""
        return self.is_qty(qty) and self.is_price(px) and px * qty <= self.notional_max

    def is_order(self, r: Any, room: int) -> bool:
        """M-2 of an ORDER_NEW; room: what it could reduce."""
        if not (self._is_known(r) and r.reserved >= 0 and self._has_values(r, room)):
            return False
        if r.kind == OrderKind.LIQUIDATION:  # LO-1
            reduces = r.flags & ~HEDGE == REDUCE_ONLY
            return reduces and r.tif == Tif.IOC and not r.cid_len and not r.expire_s
        if r.kind not in LIMIT and r.tif not in (Tif.IOC, Tif.FOK):
            return False
        if r.flags & LAST_PRICE and r.kind < OrderKind.STOP_MARKET:
            return False
        return self._goes_together(r)

    def _has_values(self, r: Any, room: int) -> bool:
        """M-2, LO-1, SY-5: price and quantity."""
        if r.kind in FIRED_LIMIT:
            return r.px > 0 and r.qty > 0 and r.px * r.qty <= 1 << 60
        if r.kind < OrderKind.STOP_MARKET:
            return self.is_allowed(r.px, r.qty)
        if not (self.is_price(r.px) and r.qty > 0 and r.px * r.qty <= self.notional_max):
            return False
        if r.kind != OrderKind.LIQUIDATION:
            return True
        return r.qty <= self.qty_max and (r.qty % self.lot == 0 or r.qty >= room)

    def is_trigger(self, r: Any) -> bool:
        """TR-3 of a TRIGGER_REQUEST."""
        trailing = r.kind == OrderKind.TRAILING_STOP
        if not (self._is_known(r) and self.is_qty(r.qty) and r.kind in TRIGGER_KINDS):
            return False
        if not (self.is_price(r.trigger_px) or (trailing and r.trigger_px == 0)):
            return False
        if trailing:
            if r.trail_ppm:
                if r.trail_px or r.trail_ppm >= PPM:
                    return False
            elif not 0 < r.trail_px <= self.px_max:
                return False
        elif r.trail_px or r.trail_ppm:
            return False
        if r.kind in LIMIT:
            if not self.is_allowed(r.px, r.qty):
                return False
        elif r.px or r.tif not in (Tif.IOC, Tif.FOK):
            return False
        return self._goes_together(r)

    def _is_known(self, r: Any) -> bool:
        return (
            r.oid != 0 and r.user_id != 0 and r.symbol_id == self.symbol_id
            and r.side in SIDES and r.tif in TIFS and r.kind in KINDS and r.stp in STPS
            and r.stp != Stp.DEFAULT and not r.flags & ~REQUEST_FLAGS and r.cid_len <= CID_MAX
        )  # fmt: skip

    def _goes_together(self, r: Any) -> bool:
        if (r.expire_s != 0) != (r.tif == Tif.GTD):
            return False
        if r.flags & POST_ONLY:
            return r.kind in LIMIT and r.tif not in (Tif.IOC, Tif.FOK)
        return not r.flags & REPRICE

    def is_outside_band(self, side: int, px: int, mark: int) -> bool:
        """PX-3."""
        if not self.band_ppm:
            return False
        if side == Side.BUY:
            return px > mark * (PPM + self.band_ppm) // PPM
        return px < ceil_div(mark * (PPM - self.band_ppm), PPM)


def client_id(r: Any) -> bytes:
    """b"" where there is none, or one that cannot be."""
    return bytes(r.cid[: r.cid_len]) if r.cid_len <= CID_MAX else b""


def readable(r: Any) -> dict[str, int]:
    """M-2: side, tif, kind, stp and flags of a request as an answer repeats them."""
    return {
        "side": r.side if r.side in SIDES else 0,
        "tif": r.tif if r.tif in TIFS else 0,
        "kind": r.kind if r.kind in KINDS else 0,
        "stp": r.stp if r.stp in STPS else 0,
        "flags": r.flags & REQUEST_FLAGS,
    }
