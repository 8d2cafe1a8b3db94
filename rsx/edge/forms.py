"""REST bodies: decimal strings and names outside, integers inside.

What routes share: replies, the one form of errors, reading of values, and how orders, fills,
positions and symbols look. Source: specs/wire.md section 5.
"""

from __future__ import annotations

from typing import Any

import orjson
from aiohttp import web

from rsx.edge import codec
from rsx.edge.orders import STATUS_NAMES, STP_DEFAULT, Fill, Order
from rsx.errors import Reason, RequestError
from rsx.records import Mode, OrderFlag, OrderKind, Stp, Tif

PPM_DECIMALS = 6
SIDE_NAMES = ("buy", "sell")
SIDES = {name: at for at, name in enumerate(SIDE_NAMES)}
TIFS = {tif.name: int(tif) for tif in Tif}
TIF_NAMES = tuple(TIFS)
KINDS = {kind.name.lower(): int(kind) for kind in OrderKind}
KIND_NAMES = tuple(KINDS)
STPS = {stp.name.lower(): int(stp) for stp in Stp if stp is not Stp.DEFAULT}
STP_NAMES = tuple(STPS)
MODES = {mode.name.lower(): int(mode) for mode in Mode}
MODE_NAMES = tuple(MODES)
TRIGGER_ON = {"mark": 0, "last": int(OrderFlag.LAST_PRICE)}
# What the inner interface calls a field, and what REST calls it.
REST_FIELDS = {
    "sym": "symbol", "px": "price", "id": "oid", "kind": "type", "trigger_px": "trigger_price",
    "trail_px": "trail",
}  # fmt: skip


def reply(body: Any, status: int = 200) -> web.Response:
    return web.Response(body=orjson.dumps(body), status=status, content_type="application/json")


def error_reply(error: RequestError) -> web.Response:
    return reply({"error": error_body(error)}, error.http_status)


def error_body(error: RequestError) -> dict[str, Any]:
    """The one form of every error."""
    return {
        "code": int(error.code), "name": error.code.name, "message": error.message,
        "field": error.field, "value": codec.echo(error.value),
    }  # fmt: skip


# --- what things look like --------------------------------------------------------------------


def order_body(order: Order, symbol: Any) -> dict[str, Any]:
    """An order or trigger; a price that there is none of is null."""
    quantity = symbol.qty_decimals
    body = {
        "oid": order.oid, "cid": order.cid or None, "symbol": symbol.name,
        "side": SIDE_NAMES[order.side],
        "price": _price(order.px, symbol),
        "qty": codec.format_decimal(order.qty, quantity),
        "filled": codec.format_decimal(order.filled, quantity),
        "remaining": codec.format_decimal(order.remaining, quantity),
        "status": STATUS_NAMES[order.status],
        "reason": Reason(order.reason).name if order.reason else None,
        "tif": TIF_NAMES[order.tif],
        "post_only": bool(order.flags & OrderFlag.POST_ONLY),
        "reduce_only": bool(order.flags & OrderFlag.REDUCE_ONLY),
        "ts_ns": order.ts_ns, "seq": order.seq, "type": KIND_NAMES[order.kind],
        "stp": None if order.stp == STP_DEFAULT else STP_NAMES[order.stp],
        "expire_s": order.expire_s or None,
    }  # fmt: skip
    if order.trigger is not None:
        trigger = order.trigger
        body |= {
            "trigger_price": _price(trigger.px, symbol),
            "trigger_on": "last" if order.flags & OrderFlag.LAST_PRICE else "mark",
            "trail": _price(trigger.trail_px, symbol), "trail_ppm": trigger.trail_ppm or None,
            "fired_price": _price(trigger.fired_px, symbol),
        }  # fmt: skip
    if order.original_oid:
        body["original_oid"] = order.original_oid
    return body


def _price(px: int, symbol: Any) -> str | None:
    return codec.format_decimal(px, symbol.price_decimals) if px else None


def rejection_body(order: Order, symbol: Any) -> dict[str, Any]:
    """The reason, and the order, which has an id and may name the original."""
    error = RequestError(Reason(order.reason), ref=order.oid)
    return {"error": error_body(error), "order": order_body(order, symbol)}


def fill_body(fill: Fill, symbol: Any) -> dict[str, Any]:
    oid, _, side, px, qty, fee, maker, cid, ts_ns, seq = fill
    return {
        "oid": oid, "cid": cid or None, "symbol": symbol.name, "side": SIDE_NAMES[side],
        "price": codec.format_decimal(px, symbol.price_decimals),
        "qty": codec.format_decimal(qty, symbol.qty_decimals),
        "fee": money(fee, symbol), "maker": bool(maker), "ts_ns": ts_ns, "seq": seq,
    }  # fmt: skip


def position_body(row: list[int], symbol: Any) -> dict[str, Any]:
    _, net, entry, mark, unrealised, realised, initial, maintenance = row
    return {
        "symbol": symbol.name,
        "net_qty": codec.format_decimal(net, symbol.qty_decimals),
        "entry_price": codec.format_decimal(entry, symbol.price_decimals),
        "mark_price": codec.format_decimal(mark, symbol.price_decimals),
        "unrealised": money(unrealised, symbol), "realised": money(realised, symbol),
        "initial_margin": money(initial, symbol),
        "maintenance_margin": money(maintenance, symbol),
    }  # fmt: skip


def money(units: int, symbol: Any) -> str:
    """Money has the same unit in every market."""
    return codec.format_decimal(units, symbol.price_decimals + symbol.qty_decimals)


def symbol_row(s: Any, mode: int) -> dict[str, Any]:
    return {
        "id": s.id, "name": s.name,
        "tick": codec.format_decimal(s.tick, s.price_decimals),
        "lot": codec.format_decimal(s.lot, s.qty_decimals),
        "price_decimals": s.price_decimals, "qty_decimals": s.qty_decimals,
        "max_price": codec.format_decimal(s.px_max, s.price_decimals),
        "max_qty": codec.format_decimal(s.qty_max, s.qty_decimals),
        "max_notional": money(s.notional_max, s),
        "maker_fee": codec.format_decimal(s.maker_fee_ppm, PPM_DECIMALS),
        "taker_fee": codec.format_decimal(s.taker_fee_ppm, PPM_DECIMALS),
        "initial_margin": codec.format_decimal(s.initial_margin_ppm, PPM_DECIMALS),
        "maintenance_margin": codec.format_decimal(s.maintenance_margin_ppm, PPM_DECIMALS),
        "mode": MODE_NAMES[mode],
        "tick_table": [
            [codec.format_decimal(px, s.price_decimals) for px in row] for row in s.tick_table
        ],
        "min_notional": money(s.notional_min, s),
        "price_band": codec.format_decimal(s.price_band_ppm, PPM_DECIMALS),
        "market_band": codec.format_decimal(s.market_band_ppm, PPM_DECIMALS),
    }  # fmt: skip


def levels_body(levels: Any, symbol: Any) -> list[list[Any]]:
    return [
        [
            codec.format_decimal(px, symbol.price_decimals),
            codec.format_decimal(qty, symbol.qty_decimals),
            count,
        ]
        for px, qty, count in levels
    ]


# --- reading ----------------------------------------------------------------------------------


def renamed(error: RequestError, body: dict[str, Any]) -> RequestError:
    """An error of the inner interface in the client's words."""
    if error.field is not None:
        error.field = REST_FIELDS.get(error.field, error.field)
        error.value = body.get(error.field, error.value)
    return error


def digits(text: str, field: str, low: int, high: int) -> int:
    if text.isascii() and text.isdigit() and len(text) <= 20 and low <= int(text) <= high:
        return int(text)
    raise RequestError(
        Reason.INVALID_VALUE, field, text, detail=f"an integer from {low} to {high} is due"
    )


def integer(request: web.Request, name: str, default: int, low: int, high: int) -> int:
    text = request.query.get(name)
    return default if text is None else digits(text, name, low, high)


def path_oid(request: web.Request) -> int:
    return digits(request.match_info["oid"], "oid", 1, codec.OID_LIMIT - 1)


def choice(
    body: dict[str, Any], name: str, choices: dict[str, int], default: str | None = None
) -> int:
    value = body.get(name, default)
    if type(value) is str and value in choices:
        return choices[value]
    detail = f"one of {', '.join(choices)} is due"
    raise RequestError(Reason.INVALID_VALUE, name, value, detail=detail)


def boolean(body: dict[str, Any], name: str) -> bool:
    value = body.get(name, False)
    if type(value) is not bool:
        raise RequestError(Reason.INVALID_VALUE, name, value, detail="true or false is due")
    return value
