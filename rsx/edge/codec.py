"""JSON of the edge: frames and decimals in, frames out. The only home of JSON.

A frame is an object with exactly one key; its value is an array of fields by position. Decoding
checks shape and types; whether the values make a valid order is the business of rsx/edge/entry.py.
Whatever the bytes are, decoding raises RequestError and nothing else. Source: specs/wire.md
sections 1, 2 and 6; INV-27.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any

import orjson

from rsx.edge.orders import OID_LIMIT, Fill, Order
from rsx.errors import Reason, RequestError
from rsx.records import OrderFlag

FRAME_BYTES_MAX = 4096
VALUE_CHARS_MAX = 64
PRIVATE_FRAMES = frozenset({"AUTH", "N", "C", "O", "P", "A", "FL", "M", "H"})
PUBLIC_FRAMES = frozenset({"S", "X", "M", "H"})
KNOWN_FRAMES = PRIVATE_FRAMES | PUBLIC_FRAMES | {"W", "U", "F", "E", "BBO", "B", "D", "T"}

POST_ONLY = int(OrderFlag.POST_ONLY)
REDUCE_ONLY = int(OrderFlag.REDUCE_ONLY)
_loads = orjson.loads
_dumps = orjson.dumps
_DECIMAL = re.compile(r"(-?)([0-9]{1,19})(?:\.([0-9]{1,18}))?", re.ASCII)

Fields = list[Any]


# --- frames in ------------------------------------------------------------------------------


def decode_frame(data: bytes, accepted: frozenset[str] = PRIVATE_FRAMES) -> tuple[str, Fields]:
    """Key and fields of one frame.

    Raises  RequestError INVALID_UTF8, MALFORMED, UNEXPECTED_FRAME (a frame, but not one for here)
    """
    try:
        frame = _loads(data)
    except orjson.JSONDecodeError as error:
        raise _undecodable(data, error) from None
    if type(frame) is not dict or len(frame) != 1:
        raise RequestError(
            Reason.MALFORMED, "frame", frame, detail="an object with exactly one key is due"
        )
    ((key, fields),) = frame.items()
    if key not in accepted:
        if key in KNOWN_FRAMES:
            raise RequestError(Reason.UNEXPECTED_FRAME, "frame", key)
        raise RequestError(Reason.MALFORMED, "frame", key, detail="unknown frame")
    if type(fields) is not list:
        raise RequestError(Reason.MALFORMED, key, fields, detail="an array of fields is due")
    return key, fields


def _undecodable(data: bytes, error: orjson.JSONDecodeError) -> RequestError:
    try:
        text = data.decode()
    except UnicodeDecodeError as where:
        value = data.decode(errors="replace")
        return RequestError(
            Reason.INVALID_UTF8, "frame", value, detail=f"byte {where.start} of {len(data)}"
        )
    return RequestError(Reason.MALFORMED, "frame", text, detail=f"no JSON: {error.msg}")


def _few(key: str, fields: Fields, least: int) -> RequestError:
    ref = fields[4] if key == "N" and len(fields) > 4 and type(fields[4]) is str else None
    detail = f"{len(fields)} fields where at least {least} are due"
    return RequestError(Reason.MALFORMED, key, fields, ref, detail)


def _typed(value: Any, field: str, kind: type, ref: str | int | None = None) -> Any:
    """The value, if its type is exactly this: true is no integer, 1.0 neither."""
    if type(value) is not kind:
        due = "text" if kind is str else "an integer"
        raise RequestError(Reason.INVALID_VALUE, field, value, ref, f"{due} is due")
    return value


def _flag(value: Any, field: str, ref: str | None) -> bool:
    if type(value) in (int, bool) and value in (0, 1):
        return bool(value)
    raise RequestError(Reason.INVALID_VALUE, field, value, ref, "0, 1, false or true is due")


def decode_order(fields: Fields) -> tuple[int, int, int, int, str, int, int]:
    """Fields of N: symbol, side, px, qty, cid, tif, flags. Types are checked, values are not."""
    if len(fields) < 6:
        raise _few("N", fields, 6)
    symbol_id, side, px, qty, cid, tif = fields[:6]
    if not (
        type(symbol_id) is type(side) is type(px) is type(qty) is type(tif) is int
        and type(cid) is str
    ):
        ref = cid if type(cid) is str else None
        for name, value in zip(("sym", "side", "px", "qty"), fields, strict=False):
            _typed(value, name, int, ref)
        _typed(cid, "cid", str)
        _typed(tif, "tif", int, ref)
    flags = 0
    if len(fields) > 6:
        if _flag(fields[6], "reduce_only", cid):
            flags = REDUCE_ONLY
        if len(fields) > 7 and _flag(fields[7], "post_only", cid):
            flags |= POST_ONLY
    return symbol_id, side, px, qty, cid, tif, flags


def decode_cancel(fields: Fields) -> tuple[int, str, int | None]:
    """Fields of C: order id (0 = by client id), client id, symbol or None."""
    if not fields:
        raise _few("C", fields, 1)
    which = fields[0]
    symbol_id = fields[1] if len(fields) > 1 else None
    oid, cid = 0, ""
    if type(which) is str:
        cid = which
    elif type(which) is int and 0 < which < OID_LIMIT:
        oid = which
    else:
        detail = "a client id or an order id from 1 to 2^53-1 is due"
        raise RequestError(Reason.INVALID_VALUE, "id", which, detail=detail)
    if symbol_id is not None:
        _typed(symbol_id, "sym", int, which)
    return oid, cid, symbol_id


def decode_fills(fields: Fields) -> tuple[int, int, int]:
    """Fields of FL: symbol (0 = all), limit, before."""
    given = [*fields[:3], *(0, 50, 0)[len(fields[:3]) :]]
    return (
        _typed(given[0], "sym", int), _typed(given[1], "limit", int),
        _typed(given[2], "before", int),
    )  # fmt: skip


def decode_auth(fields: Fields) -> str:
    """The token of AUTH. It is never echoed."""
    if not fields or type(fields[0]) is not str:
        raise RequestError(Reason.TOKEN_MISSING, "token")
    return fields[0]


def decode_heartbeat(fields: Fields) -> int:
    if not fields:
        raise _few("H", fields, 1)
    return int(_typed(fields[0], "ms", int))


def decode_object(data: bytes, names: frozenset[str]) -> dict[str, Any]:
    """A REST body: an object with none but these keys."""
    try:
        body = _loads(data)
    except orjson.JSONDecodeError as error:
        raise _undecodable(data, error) from None
    if type(body) is not dict:
        raise RequestError(Reason.MALFORMED, "body", body, detail="an object is due")
    for name in body:
        if name not in names:
            raise RequestError(Reason.MALFORMED, name, body[name], detail="unknown key")
    return body


# --- frames out -----------------------------------------------------------------------------


def encode(key: str, fields: Any) -> bytes:
    """Any frame. Fields are integers, text, None and lists of them."""
    return _dumps({key: fields})


def encode_update(order: Order, reason: int, ts_ns: int, seq: int) -> bytes:
    """U: the state of an order after an event; a duplicate's last field names the original."""
    fields = [
        order.oid, order.status, order.filled, order.remaining, reason, order.cid,
        order.symbol_id, order.side, order.px, order.qty, ts_ns, seq,
    ]  # fmt: skip
    if order.original_oid:
        fields.append(order.original_oid)
    return _dumps({"U": fields})


def encode_fill(fill: Fill, remaining: int) -> bytes:
    """F: one fill of an own order."""
    oid, symbol_id, side, px, qty, fee, maker, cid, ts_ns, seq = fill
    return _dumps({"F": [oid, symbol_id, side, px, qty, fee, maker, remaining, cid, ts_ns, seq]})


def encode_error(error: RequestError) -> bytes:
    """E: why a request was refused, and what in it."""
    value = echo(error.value)
    return _dumps({"E": [int(error.code), error.message, error.field, value, error.ref]})


def echo(value: Any) -> str | int | float | bool | None:
    """An offending value for an answer: text cut at 64 characters, structures as cut text."""
    if isinstance(value, (dict, list)):
        try:
            value = _dumps(value).decode()
        except orjson.JSONEncodeError:
            value = "(nested too deeply to show)"  # the parser allows more depth than the writer
    if isinstance(value, str) and len(value) > VALUE_CHARS_MAX:
        return value[:VALUE_CHARS_MAX]
    return value


def order_row(order: Order) -> Fields:
    """One row of O."""
    return [
        order.oid, order.cid, order.symbol_id, order.side, order.px, order.qty, order.filled,
        order.status, order.tif, 1 if order.flags & REDUCE_ONLY else 0,
        1 if order.flags & POST_ONLY else 0, order.placed_ns, order.remaining,
    ]  # fmt: skip


def fill_row(fill: Fill) -> Fields:
    """One row of FL; the order of Fill is that of the row."""
    return list(fill)


def encode_symbols(symbols: Iterable[Any]) -> bytes:
    """M: the symbols and their units. Serves both sockets."""
    return encode("M", [
        [s.id, s.name, s.tick, s.lot, s.price_decimals, s.qty_decimals, s.px_max, s.qty_max]
        for s in symbols
    ])  # fmt: skip


# --- decimals -------------------------------------------------------------------------------


def parse_decimal(value: Any, decimals: int, field: str, finer: Reason) -> int:
    """A decimal string as an integer in units of 10^-decimals, exactly.

    Args    finer: the code for more digits than there are decimals; nothing is ever rounded
    Raises  RequestError INVALID_VALUE when it is no decimal string
    """
    match = _DECIMAL.fullmatch(value) if type(value) is str else None
    if match is None:
        detail = 'a decimal string such as "12.50" is due'
        raise RequestError(Reason.INVALID_VALUE, field, value, detail=detail)
    sign, whole, fraction = match.groups("")
    if len(fraction) > decimals:
        detail = f"{value} has more than {decimals} decimals"
        raise RequestError(finer, field, value, detail=detail)
    units = int(whole + fraction) * 10 ** (decimals - len(fraction))
    return -units if sign else units


def format_decimal(units: int, decimals: int) -> str:
    """An integer in units of 10^-decimals as a decimal string with all its decimals."""
    if not decimals:
        return str(units)
    sign = "-" if units < 0 else ""
    digits = str(abs(units)).rjust(decimals + 1, "0")
    return f"{sign}{digits[:-decimals]}.{digits[-decimals:]}"
