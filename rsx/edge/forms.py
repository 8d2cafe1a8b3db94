"""REST bodies: decimal strings and names outside, integers inside.

What routes share: replies, the one form of errors, reading of values, and how orders, fills,
positions and symbols look. Source: specs/wire.md section 5.
"""

from __future__ import annotations

from typing import Any

import orjson
from aiohttp import web

from rsx.edge import codec
from rsx.edge.answers import AccountState, refusal
from rsx.edge.market_rows import LiquidationRow, MarkRow, SettledRow
from rsx.edge.orders import STATUS_NAMES, STP_DEFAULT, Fill, Order
from rsx.edge.rules import leg_of
from rsx.errors import Reason, RequestError
from rsx.records import (
    Leg,
    MarginMode,
    MarkState,
    Mode,
    OrderFlag,
    OrderKind,
    PositionMode,
    Stage,
    Stp,
    Tif,
)
from rsx.rules import to_table

PPM_DECIMALS = 6
SIDE_NAMES = ("buy", "sell")
SIDES = {name: at for at, name in enumerate(SIDE_NAMES)}
TIFS = {tif.name: int(tif) for tif in Tif}
TIF_NAMES = tuple(TIFS)
KIND_NAMES = tuple(kind.name.lower() for kind in OrderKind)
# What may be asked for.
KINDS = {name: at for at, name in enumerate(KIND_NAMES) if at != OrderKind.LIQUIDATION}
STPS = {stp.name.lower(): int(stp) for stp in Stp if stp is not Stp.DEFAULT}
STP_NAMES = tuple(STPS)
MODES = {mode.name.lower(): int(mode) for mode in Mode}
MODE_NAMES = tuple(MODES)
MARGIN_MODES = {mode.name.lower(): int(mode) for mode in MarginMode}
MARGIN_MODE_NAMES = tuple(MARGIN_MODES)
POSITION_MODES = {mode.name.lower(): int(mode) for mode in PositionMode}
POSITION_MODE_NAMES = tuple(POSITION_MODES)
LEGS = {leg.name.lower(): int(leg) for leg in Leg}
LEG_NAMES = tuple(LEGS)
MARK_STATE_NAMES = tuple(state.name.lower() for state in MarkState)
STAGE_NAMES = tuple(stage.name.lower() for stage in Stage)
PPB_DECIMALS = 9
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
    body = {
        "code": int(error.code), "name": error.code.name, "message": error.message,
        "field": error.field, "value": codec.echo(error.value),
    }  # fmt: skip
    if error.required:
        body["required"] = codec.format_decimal(error.required, error.decimals)
        body["available"] = codec.format_decimal(error.available, error.decimals)
    return body


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
        "position_side": _leg_name(leg_of(order.side, order.flags)),
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


def _leg_name(leg: int | None) -> str | None:
    return None if leg is None else LEG_NAMES[leg]


def _price(px: int, symbol: Any) -> str | None:
    return codec.format_decimal(px, symbol.price_decimals) if px else None


def rejection_body(order: Order, symbol: Any) -> dict[str, Any]:
    """The reason, and the order, which has an id and may name the original."""
    decimals = symbol.price_decimals + symbol.qty_decimals
    error = refusal(order.reason, order.required, order.available, decimals)
    return {"error": error_body(error), "order": order_body(order, symbol)}


def fill_body(fill: Fill, symbol: Any) -> dict[str, Any]:
    oid, _, side, px, qty, fee, maker, cid, ts_ns, seq = fill
    return {
        "oid": oid, "cid": cid or None, "symbol": symbol.name, "side": SIDE_NAMES[side],
        "price": codec.format_decimal(px, symbol.price_decimals),
        "qty": codec.format_decimal(qty, symbol.qty_decimals),
        "fee": money(fee, symbol), "maker": bool(maker), "ts_ns": ts_ns, "seq": seq,
    }  # fmt: skip


def account_body(user: int, values: list[int], decimals: int) -> dict[str, Any]:
    """Values of frame A by name."""
    names = (
        "collateral", "equity", "unrealised", "initial_margin", "maintenance_margin",
        "frozen", "available", "realised", "fees", "withdrawable",
    )  # fmt: skip
    body: dict[str, Any] = {"user": user}
    body |= {n: codec.format_decimal(v, decimals) for n, v in zip(names, values, strict=False)}
    mode, stage = values[len(names) :]
    body["position_mode"] = POSITION_MODE_NAMES[mode]
    body["liquidation"] = STAGE_NAMES[stage] if stage else None
    return body


def position_body(row: list[Any], symbol: Any) -> dict[str, Any]:
    """A row of P by name."""
    _, net, entry, mark, unrealised, realised, initial, maintenance = row[:8]
    leg, leverage, margin_mode, notional, wallet, liquidation, bankruptcy, frozen = row[8:16]
    open_buy, open_sell, owed, leverage_ppm, stage, number, lights = row[16:]
    return {
        "symbol": symbol.name,
        "net_qty": codec.format_decimal(net, symbol.qty_decimals),
        "entry_price": codec.format_decimal(entry, symbol.price_decimals),
        "mark_price": codec.format_decimal(mark, symbol.price_decimals),
        "unrealised": money(unrealised, symbol), "realised": money(realised, symbol),
        "initial_margin": money(initial, symbol),
        "maintenance_margin": money(maintenance, symbol),
        "position_side": _leg_name(leg), "leverage": leverage,
        "margin_mode": MARGIN_MODE_NAMES[margin_mode], "notional": money(notional, symbol),
        "wallet": money(wallet, symbol), "liquidation_price": _price(liquidation, symbol),
        "bankruptcy_price": _price(bankruptcy, symbol), "frozen": money(frozen, symbol),
        "open_buy_qty": codec.format_decimal(open_buy, symbol.qty_decimals),
        "open_sell_qty": codec.format_decimal(open_sell, symbol.qty_decimals),
        "funding_owed": money(owed, symbol), "leverage_ppm": leverage_ppm,
        "liquidation": STAGE_NAMES[stage] if stage else None, "round": number, "lights": lights,
    }  # fmt: skip


def money(units: int, symbol: Any) -> str:
    """Money has the same unit in every market."""
    return codec.format_decimal(units, symbol.price_decimals + symbol.qty_decimals)


def symbol_row(s: Any, mode: int) -> dict[str, Any]:
    table = to_table(s)
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
        "version": s.version,
        "brackets": [
            [money(first, s), *(codec.format_decimal(rate, PPM_DECIMALS) for rate in rates)]
            for first, *rates in s.brackets
        ],
        "rules": {name: table[name] for name in (*codec.FURTHER_RULES, "adl")},
    }  # fmt: skip


def mark_body(mark: MarkRow | None, symbol: Any) -> dict[str, Any]:
    if mark is None:
        names = ("mark_price", "index_price", "sources", "source_ns", "open_interest",
                 "funding_rate", "next_funding_s", "ts_ns", "seq")  # fmt: skip
        return {"symbol": symbol.name, "state": "missing", **dict.fromkeys(names)}
    return {
        "symbol": symbol.name, "mark_price": _price(mark.mark_px, symbol),
        "index_price": _price(mark.index_px, symbol), "state": MARK_STATE_NAMES[mark.state],
        "sources": mark.sources, "source_ns": mark.source_ns or None,
        "open_interest": codec.format_decimal(mark.open_interest, symbol.qty_decimals),
        "funding_rate": _rate(mark.rate_ppb), "next_funding_s": mark.next_funding_s or None,
        "ts_ns": mark.ts_ns, "seq": mark.seq,
    }  # fmt: skip


def _rate(ppb: int) -> str:
    return codec.format_decimal(ppb, PPB_DECIMALS)


def settled_body(row: SettledRow, symbol: Any) -> dict[str, Any]:
    return {
        "symbol": symbol.name, "rate": _rate(row.rate_ppb),
        "mark_price": _price(row.mark_px, symbol), "index_price": _price(row.index_px, symbol),
        "premium": _rate(row.premium_ppb), "interval": row.interval_id, "samples": row.samples,
        "skipped": row.skipped, "ts_ns": row.ts_ns, "seq": row.seq,
    }  # fmt: skip


def public_liquidation_body(row: LiquidationRow, symbol: Any) -> dict[str, Any]:
    return {
        "symbol": symbol.name, "kind": ("order", "takeover", "adl")[row.kind],
        "side": SIDE_NAMES[row.side], "qty": codec.format_decimal(row.qty, symbol.qty_decimals),
        "price": _price(row.px, symbol), "mark_price": _price(row.mark_px, symbol),
        "ts_ns": row.ts_ns, "seq": row.seq,
    }  # fmt: skip


def fund_body(state: AccountState, symbol: Any) -> dict[str, Any]:
    """An insurance fund: money, and its position in its market."""
    collateral, equity, unrealised = state.account[:3]
    row = next((row for row in state.positions if row[0] == symbol.id), None)
    net, entry, mark = row[1:4] if row is not None else (0, 0, 0)
    return {
        "symbol": symbol.name, "balance": money(collateral, symbol),
        "equity": money(equity, symbol), "unrealised": money(unrealised, symbol),
        "net_qty": codec.format_decimal(net or 0, symbol.qty_decimals),
        "entry_price": _price(entry or 0, symbol), "mark_price": _price(mark or 0, symbol),
    }  # fmt: skip


def funding_body(row: list[int], symbol: Any) -> dict[str, Any]:
    """Fields of FP by name."""
    _, leg, amount, net, mark, rate, interval, ts_ns, seq = row
    return {
        "symbol": symbol.name, "leg": LEG_NAMES[leg], "amount": money(amount, symbol),
        "net_qty": codec.format_decimal(net, symbol.qty_decimals),
        "mark_price": _price(mark, symbol), "rate": _rate(rate), "interval": interval,
        "ts_ns": ts_ns, "seq": seq,
    }  # fmt: skip


def liquidation_body(key: str, row: list[int], symbol: Any, decimals: int) -> dict[str, Any]:
    """Fields of LQ, PT or LF by name; symbol None: a step of the whole cross account."""
    body: dict[str, Any] = {"event": {"LQ": "step", "PT": "transfer", "LF": "settled"}[key]}
    body |= {"symbol": None if symbol is None else symbol.name, "leg": LEG_NAMES[row[1]]}
    if key == "LF":
        body["amount"] = codec.format_decimal(row[2], decimals)
    elif key == "PT":
        role, kind, side, qty, px, mark = row[2:8]
        body |= {
            "role": ("ended", "counterparty")[role], "kind": ("takeover", "adl")[kind],
            "side": SIDE_NAMES[side], "qty": codec.format_decimal(qty, symbol.qty_decimals),
            "price": _price(px, symbol), "mark_price": _price(mark, symbol),
        }  # fmt: skip
    else:
        stage, number, side, qty, px, mark, net, equity, maintenance, mode, oid = row[2:13]
        body |= {
            "stage": STAGE_NAMES[stage], "round": number,
            "equity": codec.format_decimal(equity, decimals),
            "maintenance_margin": codec.format_decimal(maintenance, decimals),
            "margin_mode": MARGIN_MODE_NAMES[mode], "oid": oid or None,
        }  # fmt: skip
        if symbol is not None:
            body |= {
                "side": SIDE_NAMES[side], "qty": codec.format_decimal(qty, symbol.qty_decimals),
                "price": _price(px, symbol), "mark_price": _price(mark, symbol),
                "net_qty": codec.format_decimal(net, symbol.qty_decimals),
            }  # fmt: skip
    return body | {"ts_ns": row[-2], "seq": row[-1]}


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


def position_side(body: dict[str, Any]) -> int | None:
    """long or short as a leg; None when it is left out (W-80)."""
    value = body.get("position_side")
    if value is None:
        return None
    if type(value) is str and value in LEGS:
        return LEGS[value]
    detail = "long or short is due"
    raise RequestError(Reason.POSITION_SIDE_INVALID, "position_side", value, detail=detail)


def boolean(body: dict[str, Any], name: str) -> bool:
    value = body.get(name, False)
    if type(value) is not bool:
        raise RequestError(Reason.INVALID_VALUE, name, value, detail="true or false is due")
    return value
