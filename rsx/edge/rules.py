"""What an order, a trigger or an amendment must satisfy before it is handed over.

Only what can never be right is refused here, each with its own reason and the offending value;
what depends on the book, the mark or the mode is the match's to say. Values are integers in a
symbol's units; plain comparisons, because every order passes here.
Source: specs/wire.md section 6; specs/matching.md M-2, TR-3.
"""

from __future__ import annotations

import re
from typing import Any

from rsx.errors import Reason, RequestError
from rsx.records import CID_MAX, OrderFlag, OrderKind, Stp, Tif

# Plain integers: an enum's own operators cost more than the rest of a check.
POST_ONLY = int(OrderFlag.POST_ONLY)
REDUCE_ONLY = int(OrderFlag.REDUCE_ONLY)
REPRICE = int(OrderFlag.REPRICE)
HEDGE = int(OrderFlag.HEDGE)
GTC, IOC, FOK, GTD = (int(tif) for tif in Tif)
LIMIT = int(OrderKind.LIMIT)
MARKET = int(OrderKind.MARKET)
TRAILING_STOP = int(OrderKind.TRAILING_STOP)
TRIGGER_KINDS = range(OrderKind.STOP_MARKET, OrderKind.TRAILING_STOP + 1)
# Kinds that trade at whatever price the protection allows.
MARKET_KINDS = frozenset({
    MARKET, int(OrderKind.STOP_MARKET), int(OrderKind.TAKE_PROFIT_MARKET), TRAILING_STOP
})  # fmt: skip
STP_DEFAULT = int(Stp.DEFAULT)
TRAIL_PPM_MAX = 999_999
EXPIRE_MAX = (1 << 32) - 1
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f]")


def cid_bytes(cid: str) -> bytes:
    """A client id as bytes; raises CLIENT_ID_INVALID. Empty means none."""
    try:
        data = cid.encode()
    except UnicodeEncodeError:
        data = b""
    if not cid or len(data) > CID_MAX or not data or _CONTROL.search(cid):
        raise RequestError(Reason.CLIENT_ID_INVALID, "cid", cid)
    return data


def default_tif(kind: int) -> int:
    """What an order is when its tif is left open."""
    return IOC if kind in MARKET_KINDS else GTC


def leg_flags(side: int, position_side: int, flags: int, ref: str | None = None) -> int:
    """The flags of an order of a hedge account: what closes a side is reduce-only (W-80, HG-2).

    Args  position_side: 0 long, 1 short
    """
    if position_side not in (0, 1):
        detail = "0 long, 1 short"
        raise RequestError(
            Reason.POSITION_SIDE_INVALID, "position_side", position_side, ref, detail
        )
    if side != position_side:
        return flags | HEDGE | REDUCE_ONLY
    if flags & REDUCE_ONLY:
        detail = "this side of an order opens it; a reduce-only one has the other side"
        raise RequestError(
            Reason.POSITION_SIDE_INVALID, "position_side", position_side, ref, detail
        )
    return flags | HEDGE


def leg_of(side: int, flags: int) -> int | None:
    """The position side that an order with these flags trades; None = one-way (HG-2)."""
    if not flags & HEDGE:
        return None
    return 1 - side if flags & REDUCE_ONLY else side


def check_codes(side: int, tif: int, stp: int) -> None:
    if side not in (0, 1):
        raise RequestError(Reason.INVALID_VALUE, "side", side, detail="0 buys, 1 sells")
    if tif not in (0, 1, 2, 3):
        detail = "0 GTC, 1 IOC, 2 FOK, 3 GTD"
        raise RequestError(Reason.INVALID_VALUE, "tif", tif, detail=detail)
    if stp not in (0, 1, 2, 3, 4):
        detail = "0 none, 1 newest, 2 oldest, 3 both"
        raise RequestError(Reason.INVALID_VALUE, "stp", stp, detail=detail)


def check_price(rules: Any, px: int, field: str = "px") -> None:
    """Positive, on the tick of its row (PX-1), within the symbol's limit."""
    if px <= 0:
        raise RequestError(Reason.PRICE_OUT_OF_RANGE, field, px)
    tick = rules.tick_at(px) if rules.tick_table else rules.tick
    if px % tick:
        detail = f"{px} is not a multiple of {tick}"
        raise RequestError(Reason.PRICE_OFF_TICK, field, px, detail=detail)
    if px > rules.px_max:
        detail = f"{px} is above {rules.px_max}"
        raise RequestError(Reason.PRICE_OUT_OF_RANGE, field, px, detail=detail)


def check_quantity(rules: Any, qty: int) -> None:
    if qty <= 0:
        raise RequestError(Reason.QTY_OUT_OF_RANGE, "qty", qty)
    if qty % rules.lot:
        detail = f"{qty} is not a multiple of {rules.lot}"
        raise RequestError(Reason.QTY_OFF_LOT, "qty", qty, detail=detail)
    if qty > rules.qty_max:
        detail = f"{qty} is above {rules.qty_max}"
        raise RequestError(Reason.QTY_OUT_OF_RANGE, "qty", qty, detail=detail)


def check_notional(rules: Any, px: int, qty: int, flags: int = REDUCE_ONLY) -> None:
    """Within the symbol's limits; a reduce-only order may be as small as its position."""
    if px * qty > rules.notional_max:
        detail = f"{px * qty} is above {rules.notional_max}"
        raise RequestError(Reason.NOTIONAL_TOO_LARGE, "qty", qty, detail=detail)
    if px * qty < rules.notional_min and not flags & REDUCE_ONLY:
        detail = f"{px * qty} is below {rules.notional_min}"
        raise RequestError(Reason.NOTIONAL_TOO_SMALL, "qty", qty, detail=detail)


def check_flags(kind: int, tif: int, flags: int) -> None:
    """Flags that exclude each other (1018)."""
    if kind in MARKET_KINDS:
        if tif not in (IOC, FOK):
            detail = "a market order is IOC or FOK: it does not rest"
            raise RequestError(Reason.FLAGS_CONTRADICT, "tif", tif, detail=detail)
        if flags & POST_ONLY:
            detail = "a market order takes; it cannot be post-only"
            raise RequestError(Reason.FLAGS_CONTRADICT, "post_only", 1, detail=detail)
    if flags & POST_ONLY and tif in (IOC, FOK):
        detail = "a post-only order rests; IOC and FOK do not"
        raise RequestError(Reason.FLAGS_CONTRADICT, "post_only", 1, detail=detail)
    if flags & REPRICE and not flags & POST_ONLY:
        detail = "only a post-only order is repriced"
        raise RequestError(Reason.FLAGS_CONTRADICT, "reprice", 1, detail=detail)


def check_expiry(tif: int, expire_s: int, now_ns: int) -> None:
    """Given with GTD and only then, and not past (1026); in seconds since 1970."""
    if tif != GTD:
        if expire_s:
            detail = f"{expire_s} with a tif that is not GTD"
            raise RequestError(Reason.EXPIRY_INVALID, "expire_s", expire_s, detail=detail)
    elif expire_s * 1_000_000_000 <= now_ns or expire_s > EXPIRE_MAX:
        detail = f"{expire_s} at {now_ns // 1_000_000_000}"
        raise RequestError(Reason.EXPIRY_INVALID, "expire_s", expire_s, detail=detail)


def check_trigger(
    rules: Any, kind: int, px: int, trigger_px: int, trail_px: int, trail_ppm: int
) -> None:
    """Trigger price, limit price and trailing distance go with the kind (TR-2, TR-3)."""
    trails = kind == TRAILING_STOP
    if trigger_px or not trails:
        check_price(rules, trigger_px, "trigger_px")
    if kind in MARKET_KINDS:
        if px:
            detail = "it becomes a market order, which has no price"
            raise RequestError(Reason.TRIGGER_INVALID, "px", px, detail=detail)
    else:
        check_price(rules, px)
    for field, value, most in (
        ("trail_px", trail_px, rules.px_max), ("trail_ppm", trail_ppm, TRAIL_PPM_MAX),
    ):  # fmt: skip
        if value and not trails:
            detail = "only a trailing stop has a distance"
            raise RequestError(Reason.TRIGGER_INVALID, field, value, detail=detail)
        if not 0 <= value <= most:
            detail = f"1 to {most}"
            raise RequestError(Reason.TRIGGER_INVALID, field, value, detail=detail)
    if trails and bool(trail_px) == bool(trail_ppm):
        detail = "a trailing stop has one of trail_px and trail_ppm"
        raise RequestError(Reason.TRIGGER_INVALID, "trail_px", trail_px, detail=detail)
