"""From what a caller asks for to the frame that asks it: orders, triggers, amendments.

All that can be judged without the exchange is judged here; nothing is sent when it fails.
Source: specs/client.md CL-3, CL-4, CL-17, CL-18; specs/wire.md section 2.1.
"""

from __future__ import annotations

from typing import Any

import msgspec

from rsx.client.decimals import Amount, from_units, to_units
from rsx.client.models import (
    KINDS,
    LEGS,
    PPM_DECIMALS,
    SIDES,
    STPS,
    TIFS,
    Kind,
    Order,
    Symbol,
    TriggerOn,
)

CID_MAX_BYTES = 36
MARKET_KINDS = ("market", "stop_market", "take_profit_market", "trailing_stop")
TRIGGERS_ON: tuple[TriggerOn, TriggerOn] = ("mark", "last")


def checked_cid(cid: str) -> str:
    """The client id, if it can be one. Raises TypeError, ValueError."""
    if not isinstance(cid, str):
        raise TypeError(f"cid {cid!r}: must be a str")
    if not 1 <= len(cid.encode()) <= CID_MAX_BYTES:
        raise ValueError(f"cid {cid[:64]!r}: must be 1 to {CID_MAX_BYTES} bytes")
    return cid


def checked_stp(stp: str | None) -> str | None:
    """The self-trade prevention, if it is one. Raises ValueError."""
    if stp is not None and stp not in STPS:
        raise ValueError(f"stp {stp!r}: must be none, newest, oldest or both")
    return stp


def new_order(
    market: Symbol,
    cid: str,
    side: str,
    price: Amount | None,
    qty: Amount | None,
    kind: Kind = "limit",
    tif: str | None = None,
    post_only: bool = False,
    reduce_only: bool = False,
    stp: str | None = None,
    reprice: bool = False,
    expire_s: int | None = None,
    position_side: str | None = None,
) -> tuple[list[Any], Order]:
    """Fields of an `N`, and the order as it is before any answer.

    Args    as `Client.place`
    Raises  TypeError, ValueError, InvalidAmount
    """
    if kind not in ("limit", "market"):
        raise ValueError(f"kind {kind!r}: must be limit or market; triggers have their own calls")
    if (price is None) != (kind == "market"):
        raise ValueError("a market order has no price, and a limit order needs one")
    px = 0 if price is None else market.price_units(price)
    template = _template(market, cid, side, px, qty, kind, tif, post_only, reduce_only, stp,
                         reprice, expire_s, position_side)  # fmt: skip
    options = _options(template)
    if kind == "market":
        options["kind"] = 1
    units = to_units(template.qty, market.qty_decimals, "qty")
    fields = [
        market.id, SIDES.index(template.side), px, units, cid, TIFS.index(template.tif or ""),
        int(reduce_only), int(post_only),
    ]  # fmt: skip
    return fields + ([options] if options else []), template


def new_trigger(
    market: Symbol,
    cid: str,
    kind: Kind,
    side: str,
    qty: Amount | None,
    trigger_price: Amount | None,
    price: Amount | None = None,
    trail: Amount | None = None,
    trail_fraction: Amount | None = None,
    trigger_on: TriggerOn = "mark",
    tif: str | None = None,
    post_only: bool = False,
    reduce_only: bool = False,
    stp: str | None = None,
    reprice: bool = False,
    expire_s: int | None = None,
    position_side: str | None = None,
) -> tuple[list[Any], Order]:
    """Fields of a `TN`, and the trigger as it is before any answer.

    Args    as the calls of `Client` that place triggers
    Raises  TypeError, ValueError, InvalidAmount
    """
    if trigger_on not in TRIGGERS_ON:
        raise ValueError(f"trigger_on {trigger_on!r}: must be mark or last")
    if kind == "trailing_stop":
        if (trail is None) == (trail_fraction is None):
            raise ValueError("give either trail or trail_fraction")
    elif trigger_price is None:
        raise TypeError("trigger_price is missing")
    px = 0 if price is None else market.price_units(price)
    trigger_px = 0 if trigger_price is None else market.price_units(trigger_price, "trigger_price")
    template = _template(market, cid, side, px, qty, kind, tif, post_only, reduce_only, stp,
                         reprice, expire_s, position_side)  # fmt: skip
    options = _options(template)
    changes: dict[str, Any] = {"trigger_on": trigger_on}
    if trigger_px:
        changes["trigger_price"] = market.price(trigger_px)
    if trail is not None:
        options["trail_px"] = to_units(trail, market.price_decimals, "trail")
        changes["trail"] = market.price(options["trail_px"])
    if trail_fraction is not None:
        options["trail_ppm"] = to_units(trail_fraction, PPM_DECIMALS, "trail_fraction")
        changes["trail_fraction"] = from_units(options["trail_ppm"], PPM_DECIMALS)
    if trigger_on == "last":
        options["last"] = 1
    if post_only:
        options["post_only"] = 1
    template = msgspec.structs.replace(template, **changes)
    units = to_units(template.qty, market.qty_decimals, "qty")
    fields = [
        market.id, KINDS.index(kind), SIDES.index(template.side), units, trigger_px, px, cid,
        TIFS.index(template.tif or ""), int(reduce_only),
    ]  # fmt: skip
    return fields + ([options] if options else []), template


def amendment(
    market: Symbol | None, target: int | str, price: Amount | None, qty: Amount | None
) -> list[Any]:
    """Fields of an `R`; null stands for what stays.

    Args    market: the order's; target: its id or client id
    Raises  TypeError, ValueError, InvalidAmount
    """
    if price is None and qty is None:
        raise ValueError("an amendment names a new price or a new quantity")
    if market is None:
        raise ValueError(f"order {target!r} is not known here: name its symbol")
    px = None if price is None else market.price_units(price)
    units = None if qty is None else market.qty_units(qty)
    return [target, px, units, market.id]


def _template(
    market: Symbol,
    cid: str,
    side: str,
    px: int,
    qty: Amount | None,
    kind: Kind,
    tif: str | None,
    post_only: bool,
    reduce_only: bool,
    stp: str | None,
    reprice: bool,
    expire_s: int | None,
    position_side: str | None,
) -> Order:
    if position_side is not None and position_side not in LEGS:
        raise ValueError(f"position_side {position_side!r}: must be 'long' or 'short'")
    if side not in SIDES:
        raise ValueError(f"side {side!r}: must be 'buy' or 'sell'")
    if tif is None:
        tif = "IOC" if kind in MARKET_KINDS else "GTC" if expire_s is None else "GTD"
    if tif not in TIFS:
        raise ValueError(f"tif {tif!r}: must be GTC, IOC, FOK or GTD")
    if expire_s is not None and (isinstance(expire_s, bool) or not isinstance(expire_s, int)):
        raise TypeError(f"expire_s {expire_s!r}: must be an int, seconds since 1970")
    if qty is None:
        raise TypeError("qty is missing")
    units = market.qty_units(qty)
    # What closes a side of a hedge account is reduce-only (W-80).
    closes = position_side is not None and SIDES.index(side) != LEGS.index(position_side)
    return Order(
        oid=0, cid=cid, symbol=market.name, side=side, price=market.price(px),
        qty=market.qty(units), filled=market.qty(0), remaining=market.qty(units),
        status="pending", tif=tif, post_only=bool(post_only),
        reduce_only=bool(reduce_only) or closes, position_side=position_side, kind=kind,
        stp=checked_stp(stp), reprice=bool(reprice), expire_s=expire_s,
    )  # fmt: skip


def _options(order: Order) -> dict[str, Any]:
    options: dict[str, Any] = {}
    if order.position_side is not None:
        options["position_side"] = LEGS.index(order.position_side)
    if order.expire_s is not None:
        options["expire_s"] = order.expire_s
    if order.stp is not None:
        options["stp"] = STPS.index(order.stp)
    if order.reprice:
        options["reprice"] = 1
    return options
