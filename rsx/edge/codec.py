"""JSON of the edge: frames and decimals in, frames out. The only home of JSON.

A frame is an object with exactly one key; its value is an array of fields by position. Decoding
checks shape and types; whether the values make a valid order is the business of rsx/edge/entry.py.
Whatever the bytes are, decoding raises RequestError and nothing else. Source: specs/wire.md
sections 1, 2 and 6; INV-27.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from types import MappingProxyType
from typing import Any, NamedTuple

import orjson

from rsx.edge.orders import OID_LIMIT, STP_DEFAULT, Fill, Order, Trigger
from rsx.edge.rules import default_tif, leg_flags, leg_of
from rsx.errors import Reason, RequestError
from rsx.records import AdlPolicy, OrderFlag

FRAME_BYTES_MAX = 4096
ITEM_BYTES_MAX = 512  # of a batch, in either dialect
VALUE_CHARS_MAX = 64
PRIVATE_FRAMES = frozenset({
    "AUTH", "N", "TN", "C", "R", "CA", "BN", "BC", "BR", "CD", "DM", "AS", "Q", "O", "P", "A",
    "FL", "M", "H", "BYE", "MC", "MT", "WD", "AW", "FH", "LH", "HQ",
})  # fmt: skip
PUBLIC_FRAMES = frozenset({"S", "X", "M", "H"})
KNOWN_FRAMES = PRIVATE_FRAMES | PUBLIC_FRAMES | {
    "W", "U", "DU", "F", "E", "MO", "BBO", "B", "D", "T", "LS", "L", "AC", "DP", "CALL", "LQ",
    "PT", "LF", "FP", "SC", "MP", "FR", "OI",
}  # fmt: skip

POST_ONLY = int(OrderFlag.POST_ONLY)
REDUCE_ONLY = int(OrderFlag.REDUCE_ONLY)
REPRICE = int(OrderFlag.REPRICE)
ON_DISCONNECT = int(OrderFlag.ON_DISCONNECT)
LAST_PRICE = int(OrderFlag.LAST_PRICE)
OPTION_FLAGS = {"reprice": REPRICE, "post_only": POST_ONLY, "last": LAST_PRICE}
ORDER_OPTIONS = frozenset({"expire_s", "stp", "reprice", "kind", "position_side"})
TRIGGER_NAMES = ("sym", "kind", "side", "qty", "trigger_px", "px")
TRIGGER_OPTIONS = frozenset({
    "trail_px", "trail_ppm", "last", "stp", "expire_s", "post_only", "reprice", "position_side"
})  # fmt: skip
NO_TRIGGER = Trigger(0)
_loads = orjson.loads
_dumps = orjson.dumps
_DECIMAL = re.compile(r"(-?)([0-9]{1,19})(?:\.([0-9]{1,18}))?", re.ASCII)

NO_MODES: Mapping[int, int] = MappingProxyType({})
# Rules that clients are told by name: of funding, liquidation and insurance.
MONEY_RULES = ("oi_low", "oi_high", "insurance_loss_max", "insurance_notional_max")
RATE_RULES = (
    "funding_interval_s", "funding_interest_ppb", "funding_damp_ppb", "funding_cap_ppb",
    "liquidation_fee_ppm", "liquidation_slip_ppm", "liquidation_slip_max_ppm",
    "liquidation_rounds", "liquidation_delay_ms", "liquidation_step_ppm",
    "liquidation_buffer_ppm", "margin_call_ppm", "withdraw_keep_ppm",
)  # fmt: skip
FURTHER_RULES = (*MONEY_RULES, *RATE_RULES)
ADL_NAMES = tuple(policy.name.lower() for policy in AdlPolicy)

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
    at = {"N": 4, "TN": 6}.get(key)
    ref = fields[at] if at and len(fields) > at and type(fields[at]) is str else None
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


def _named(which: Any) -> tuple[int, str]:
    """Order id (0 = by client id) and client id of an order that a request names."""
    if type(which) is str:
        return 0, which
    if type(which) is int and 0 < which < OID_LIMIT:
        return which, ""
    detail = "a client id or an order id from 1 to 2^53-1 is due"
    raise RequestError(Reason.INVALID_VALUE, "id", which, detail=detail)


def _given(value: Any, field: str, ref: str | int | None) -> int | None:
    """An integer, or null for what is left open."""
    return None if value is None else int(_typed(value, field, int, ref))


def _options(given: Any, known: frozenset[str], ref: str) -> tuple[dict[str, int], int]:
    """Options of N and TN by name: integers, and flags as bits of OrderFlag."""
    if type(given) is not dict:
        raise RequestError(Reason.INVALID_VALUE, "options", given, ref, "an object is due")
    values: dict[str, int] = {}
    flags = 0
    for name, value in given.items():
        if name not in known:
            raise RequestError(Reason.MALFORMED, name, value, ref, "unknown option")
        if name in OPTION_FLAGS:
            if _flag(value, name, ref):
                flags |= OPTION_FLAGS[name]
        else:
            values[name] = _typed(value, name, int, ref)
    if "stp" in values and not 0 <= values["stp"] < STP_DEFAULT:
        detail = "0 none, 1 newest, 2 oldest, 3 both"
        raise RequestError(Reason.INVALID_VALUE, "stp", values["stp"], ref, detail)
    return values, flags


def decode_order(fields: Fields) -> tuple[int, int, int, int, str, int, int, int, int, int]:
    """Fields of N: symbol, side, px, qty, cid, tif, flags, kind, stp, expire_s.

    Types are checked, values are not; a tif left open is that of the kind.
    """
    if len(fields) < 6:
        raise _few("N", fields, 6)
    symbol_id, side, px, qty, cid, tif = fields[:6]
    if not (
        type(symbol_id) is type(side) is type(px) is type(qty) is int
        and (type(tif) is int or tif is None)
        and type(cid) is str
    ):
        ref = cid if type(cid) is str else None
        for name, value in zip(("sym", "side", "px", "qty"), fields, strict=False):
            _typed(value, name, int, ref)
        _typed(cid, "cid", str)
        _typed(tif, "tif", int, ref)
    flags, kind, stp, expire_s = 0, 0, STP_DEFAULT, 0
    if len(fields) > 6:
        if _flag(fields[6], "reduce_only", cid):
            flags = REDUCE_ONLY
        if len(fields) > 7 and _flag(fields[7], "post_only", cid):
            flags |= POST_ONLY
        if len(fields) > 8:
            options, more = _options(fields[8], ORDER_OPTIONS, cid)
            flags |= more
            kind = options.get("kind", 0)
            stp = options.get("stp", STP_DEFAULT)
            expire_s = options.get("expire_s", 0)
            if "position_side" in options:
                flags = leg_flags(side, options["position_side"], flags, cid)
    if tif is None:
        tif = default_tif(kind)
    return symbol_id, side, px, qty, cid, tif, flags, kind, stp, expire_s


class TriggerFields(NamedTuple):
    """Fields of TN."""

    symbol_id: int
    kind: int
    side: int
    qty: int
    trigger_px: int
    px: int
    cid: str
    tif: int
    flags: int
    trail_px: int
    trail_ppm: int
    stp: int
    expire_s: int


def decode_trigger(fields: Fields) -> TriggerFields:
    """Fields of TN. Types are checked, values are not; a tif left open is that of the kind."""
    if len(fields) < 8:
        raise _few("TN", fields, 8)
    cid, tif = fields[6], fields[7]
    ref = cid if type(cid) is str else None
    for name, value in zip(TRIGGER_NAMES, fields[:6], strict=True):
        _typed(value, name, int, ref)
    _typed(cid, "cid", str)
    tif = default_tif(fields[1]) if tif is None else _typed(tif, "tif", int, ref)
    flags = 0
    if len(fields) > 8 and _flag(fields[8], "reduce_only", cid):
        flags = REDUCE_ONLY
    options, more = _options(fields[9], TRIGGER_OPTIONS, cid) if len(fields) > 9 else ({}, 0)
    symbol_id, kind, side, qty, trigger_px, px = fields[:6]
    flags |= more
    if "position_side" in options:
        flags = leg_flags(side, options["position_side"], flags, cid)
    return TriggerFields(
        symbol_id, kind, side, qty, trigger_px, px, cid, tif, flags,
        options.get("trail_px", 0), options.get("trail_ppm", 0),
        options.get("stp", STP_DEFAULT), options.get("expire_s", 0),
    )  # fmt: skip


def decode_cancel(fields: Fields, key: str = "C") -> tuple[int, str, int | None]:
    """Fields of C and Q: order id (0 = by client id), client id, symbol or None."""
    if not fields:
        raise _few(key, fields, 1)
    oid, cid = _named(fields[0])
    symbol_id = _given(fields[1], "sym", fields[0]) if len(fields) > 1 else None
    return oid, cid, symbol_id


def decode_amend(fields: Fields) -> tuple[int, str, int | None, int | None, int | None]:
    """Fields of R: order id (0 = by client id), client id, symbol, px, qty; None = left open."""
    if not fields:
        raise _few("R", fields, 1)
    oid, cid = _named(fields[0])
    given = [*fields[1:4], None, None, None]
    px, qty, symbol_id = (
        _given(value, name, fields[0])
        for value, name in zip(given, ("px", "qty", "sym"), strict=False)
    )
    return oid, cid, symbol_id, px, qty


def decode_batch(key: str, fields: Fields, most: int) -> Fields:
    """The items of BN, BC and BR; each is decoded on its own."""
    if not 1 <= len(fields) <= most:
        detail = f"{len(fields)} items; 1 to {most} are allowed"
        raise RequestError(Reason.BATCH_TOO_LARGE, key, len(fields), detail=detail)
    return fields


def decode_item(key: str, item: Any) -> Fields:
    if type(item) is not list:
        raise RequestError(Reason.MALFORMED, key, item, detail="an array of fields is due")
    return item


def decode_integers(key: str, fields: Fields, least: int, **defaults: int) -> list[int]:
    """Integer fields by position; the first `least` must be there."""
    if len(fields) < least:
        raise _few(key, fields, least)
    given = [*fields[: len(defaults)], *list(defaults.values())[len(fields) :]]
    return [_typed(value, name, int) for name, value in zip(defaults, given, strict=True)]


def decode_switch(key: str, fields: Fields) -> bool:
    """The one flag of CD and AW."""
    if not fields:
        raise _few(key, fields, 1)
    return _flag(fields[0], "on", None)


def decode_settings(fields: Fields) -> int | None:
    """The default of self-trade prevention that AS sets; None only asks."""
    return _given(fields[0], "stp", None) if fields else None


def decode_margin(fields: Fields) -> tuple[int, int | None, int | None, int | None]:
    """Fields of MC: symbol, leverage, margin mode, position mode; None = as it is."""
    if not fields:
        raise _few("MC", fields, 1)
    given = [*fields[1:4], None, None, None]
    names = ("leverage", "margin_mode", "position_mode")
    values = [_given(value, name, None) for value, name in zip(given, names, strict=False)]
    return _typed(fields[0], "sym", int), values[0], values[1], values[2]


def decode_fills(fields: Fields) -> tuple[int, int, int]:
    """Fields of FL, FH and LH: symbol (0 = all), limit, before."""
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
    body = decode_any(data)
    check_keys(body, names)
    return body


def decode_any(data: bytes) -> dict[str, Any]:
    """A REST body: an object with whatever keys."""
    try:
        body = _loads(data)
    except orjson.JSONDecodeError as error:
        raise _undecodable(data, error) from None
    if type(body) is not dict:
        raise RequestError(Reason.MALFORMED, "body", body, detail="an object is due")
    return body


def check_keys(body: dict[str, Any], names: frozenset[str]) -> None:
    for name in body:
        if name not in names:
            raise RequestError(Reason.MALFORMED, name, body[name], detail="unknown key")


# --- frames out -----------------------------------------------------------------------------


def encode(key: str, fields: Any) -> bytes:
    """Any frame. Fields are integers, text, None and lists of them."""
    return _dumps({key: fields})


def encode_update(order: Order, reason: int, ts_ns: int, seq: int) -> bytes:
    """U: the state of an order after an event."""
    fields = [
        order.oid, order.status, order.filled, order.remaining, reason, order.cid,
        order.symbol_id, order.side, order.px, order.qty, ts_ns, seq,
    ]  # fmt: skip
    if order.original_oid or order.amended or order.kind or order.required:
        fields += _tail(order, order.original_oid)
    return _dumps({"U": fields})


def _tail(order: Order, original_oid: int) -> Fields:
    """The last fields of U that few orders have, up to the last that is not 0."""
    trigger = order.trigger or NO_TRIGGER
    tail = [
        original_oid, order.amended, order.kind, trigger.px, trigger.fired_px, order.required,
        order.available,
    ]  # fmt: skip
    while tail and not tail[-1]:
        tail.pop()
    return tail


def encode_duplicate(original: Order, request_oid: int) -> bytes:
    """DU: the state of the order that has the client id of the request."""
    return _dumps({"DU": [
        original.oid, original.status, original.filled, original.remaining, original.reason,
        original.cid, original.symbol_id, original.side, original.px, original.qty,
        original.ts_ns, original.seq, *_tail(original, request_oid),
    ]})  # fmt: skip


def encode_fill(fill: Fill, remaining: int) -> bytes:
    """F: one fill of an own order."""
    oid, symbol_id, side, px, qty, fee, maker, cid, ts_ns, seq = fill
    return _dumps({"F": [oid, symbol_id, side, px, qty, fee, maker, remaining, cid, ts_ns, seq]})


def encode_error(error: RequestError, index: int | None = None) -> bytes:
    """E: why a request was refused, and what in it; index: its place in a batch."""
    fields = [int(error.code), error.message, error.field, echo(error.value), error.ref]
    if error.required:
        fields += [index, error.required, error.available]
    elif index is not None:
        fields.append(index)
    return _dumps({"E": fields})


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
    trigger = order.trigger or NO_TRIGGER
    flags = order.flags
    return [
        order.oid, order.cid, order.symbol_id, order.side, order.px, order.qty, order.filled,
        order.status, order.tif, 1 if flags & REDUCE_ONLY else 0, 1 if flags & POST_ONLY else 0,
        order.placed_ns, order.remaining, order.kind, order.stp, order.expire_s, trigger.px,
        trigger.fired_px, trigger.trail_px, trigger.trail_ppm, 1 if flags & LAST_PRICE else 0,
        1 if flags & REPRICE else 0, 1 if flags & ON_DISCONNECT else 0,
        leg_of(order.side, flags),
    ]  # fmt: skip


def fill_row(fill: Fill) -> Fields:
    """One row of FL; the order of Fill is that of the row."""
    return list(fill)


def encode_symbols(symbols: Iterable[Any], modes: Mapping[int, int] = NO_MODES) -> bytes:
    """M: the symbols, their units and limits. Serves both sockets.

    Args  modes: trading modes by symbol id; open where there is none
    """
    return encode("M", [symbol_row(s, modes.get(s.id, 0)) for s in symbols])


def symbol_row(s: Any, mode: int) -> Fields:
    """A row of M: the rules of a market."""
    further: dict[str, Any] = {name: getattr(s, name) for name in FURTHER_RULES}
    further["adl"] = ADL_NAMES[s.adl]
    return [
        s.id, s.name, s.tick, s.lot, s.price_decimals, s.qty_decimals, s.px_max, s.qty_max,
        s.notional_max, s.notional_min, mode, [list(row) for row in s.tick_table],
        s.price_band_ppm, s.market_band_ppm, s.version, s.maker_fee_ppm, s.taker_fee_ppm,
        s.initial_margin_ppm, s.maintenance_margin_ppm, [list(row) for row in s.brackets], further,
    ]  # fmt: skip


def message_bytes_max(batch_max: int) -> int:
    """The largest private message and REST body: every batch fits (W-30)."""
    return max(FRAME_BYTES_MAX, ITEM_BYTES_MAX * batch_max)


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
