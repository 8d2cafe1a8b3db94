"""Frames and REST bodies to models: the only place that knows the order of a frame's fields.

Source: specs/wire.md sections 2.2, 2.3 and 5.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from decimal import Decimal
from typing import Any

import msgspec

from rsx.client.decimals import from_units
from rsx.client.errors import RequestRefused, reason_sentence
from rsx.client.models import (
    KINDS,
    LEGS,
    MODES,
    PPM_DECIMALS,
    SIDES,
    STATUSES,
    STPS,
    TIFS,
    AccountSettings,
    Book,
    DeadMan,
    Fill,
    Level,
    ModeChanged,
    Order,
    OrderChange,
    QueuePosition,
    Symbol,
    Trade,
    status_reason,
)
from rsx.client.orders import TRIGGERS_ON
from rsx.errors import SENTENCES, Reason


class Symbols:
    """The exchange's markets, by name and by number."""

    def __init__(self, symbols: Iterable[Symbol] = ()):
        self.by_name: dict[str, Symbol] = {}
        self.by_id: dict[int, Symbol] = {}
        self.money_decimals = 0
        self.load(symbols)

    def load(self, symbols: Iterable[Symbol]) -> None:
        """Take over a newer list."""
        for symbol in symbols:
            self.by_name[symbol.name] = symbol
            self.by_id[symbol.id] = symbol
            self.money_decimals = symbol.money_decimals

    def __getitem__(self, name: str) -> Symbol:
        try:
            return self.by_name[name]
        except KeyError:
            known = ", ".join(self.by_name) or "none"
            code = Reason.UNKNOWN_SYMBOL
            text = f"{SENTENCES[code]} (known: {known})"
            raise RequestRefused(code, text, "symbol", name) from None


# --- private frames -----------------------------------------------------------------------


# What a `U` does not tell of an order, and what may be left out of it for zero.
TERMS = (
    "tif", "post_only", "reduce_only", "stp", "expire_s", "reprice", "trigger_on", "trail",
    "trail_fraction", "trigger_price", "fired_price", "position_side",
)  # fmt: skip
AMENDED, AMENDED_KEPT = 1, 2


def order_of_update(fields: list[Any], symbols: Symbols, known: Order | None) -> Order:
    """`U`. The terms that the frame does not carry are taken from what was known."""
    oid, status, filled, remaining, reason, cid, sym, side, px, qty, ts_ns, seq = fields[:12]
    # Exchanges leave the last seven out where all are 0.
    original, amended, kind, trigger_px, fired_px, required, available = (
        *fields[12:19], *[0] * 7,
    )[:7]  # fmt: skip
    symbol = symbols.by_id[sym]
    due, free = amounts_of(reason, required, available, symbol.money_decimals)
    terms = {name: getattr(known, name) for name in TERMS} if known else {}
    if trigger_px:
        terms["trigger_price"] = symbol.price(trigger_px)
    if fired_px:
        terms["fired_price"] = symbol.price(fired_px)
    return Order(
        oid=oid,
        cid=cid or "",
        symbol=symbol.name,
        side=SIDES[side],
        price=symbol.price(px),
        qty=symbol.qty(qty),
        filled=symbol.qty(filled),
        remaining=symbol.qty(remaining),
        status=STATUSES[status],
        reason=status_reason(reason),
        ts_ns=ts_ns,
        seq=seq,
        original_oid=original or 0,
        kind=KINDS[kind or 0],
        kept_place=amended == AMENDED_KEPT if amended else None,
        required=due,
        available=free,
        **terms,
    )


def order_of_duplicate(fields: list[Any], symbols: Symbols, known: Order | None) -> Order:
    """`DU`: the state of the order that has the client id. Its seq is not that of an event."""
    order = order_of_update(fields, symbols, known)
    return msgspec.structs.replace(order, seq=0, original_oid=0, kept_place=None, duplicate=True)


def order_of_row(row: list[Any], symbols: Symbols) -> Order:
    """One row of `O`."""
    oid, cid, sym, side, px, qty, filled, status, tif, reduce_only, post_only, ts_ns = row[:12]
    symbol = symbols.by_id[sym]
    # Not qty - filled: part of an order may have been cut (reduce-only).
    remaining = row[12] if len(row) > 12 else qty - filled
    kind, stp, expire_s, trigger_px, fired_px, trail_px, trail_ppm, last, reprice = (
        *row[13:22], *[0] * 9,
    )[:9]  # fmt: skip
    return Order(
        oid=oid,
        cid=cid or "",
        symbol=symbol.name,
        side=SIDES[side],
        price=symbol.price(px),
        qty=symbol.qty(qty),
        filled=symbol.qty(filled),
        remaining=symbol.qty(remaining),
        status=STATUSES[status],
        tif=TIFS[tif],
        post_only=bool(post_only),
        reduce_only=bool(reduce_only),
        ts_ns=ts_ns,
        kind=KINDS[kind],
        # 4 is the account's default, not known yet.
        stp=STPS[stp] if stp < len(STPS) else None,
        expire_s=expire_s or None,
        reprice=bool(reprice),
        trigger_on=TRIGGERS_ON[bool(last)] if kind > 1 else None,
        trigger_price=symbol.price(trigger_px) if trigger_px else None,
        trail=symbol.price(trail_px) if trail_px else None,
        trail_fraction=from_units(trail_ppm, PPM_DECIMALS) if trail_ppm else None,
        fired_price=symbol.price(fired_px) if fired_px else None,
        position_side=None if len(row) < 24 or row[23] is None else LEGS[row[23]],
    )


def fill_of_frame(fields: list[Any], symbols: Symbols) -> Fill:
    """`F`."""
    oid, sym, side, px, qty, fee, maker, remaining, cid, ts_ns, seq = fields[:11]
    symbol = symbols.by_id[sym]
    return Fill(
        oid=oid,
        cid=cid or "",
        symbol=symbol.name,
        side=SIDES[side],
        price=symbol.price(px),
        qty=symbol.qty(qty),
        fee=symbol.money(fee),
        maker=bool(maker),
        remaining=symbol.qty(remaining),
        ts_ns=ts_ns,
        seq=seq,
    )


def fill_of_row(row: list[Any], symbols: Symbols) -> Fill:
    """One row of `FL`."""
    oid, sym, side, px, qty, fee, maker, cid, ts_ns, seq = row[:10]
    symbol = symbols.by_id[sym]
    return Fill(
        oid=oid,
        cid=cid or "",
        symbol=symbol.name,
        side=SIDES[side],
        price=symbol.price(px),
        qty=symbol.qty(qty),
        fee=symbol.money(fee),
        maker=bool(maker),
        ts_ns=ts_ns,
        seq=seq,
    )


def refusal(fields: list[Any], money_decimals: int = 0) -> RequestRefused:
    """`E`."""
    code, message, field, value, ref, _, required, available = (*fields, *[None] * 8)[:8]
    number = int(code or Reason.INTERNAL)
    due, free = amounts_of(number, required, available, money_decimals)
    return RequestRefused(number, str(message), field, value, ref, due, free)


def amounts_of(
    code: int, required: int | None, available: int | None, money_decimals: int
) -> tuple[Decimal | None, Decimal | None]:
    """What a refusal by risk is about: money, or leverage (W-83)."""
    if not required:
        return None, None
    decimals = 0 if code == Reason.LEVERAGE_INVALID else money_decimals
    return from_units(required, decimals), from_units(available or 0, decimals)


RISK = 2  # the band of its reasons
# Field of a frame -> what the caller calls it.
NAMES = {
    "px": "price", "qty": "qty", "trigger_px": "trigger_price", "trail_px": "trail",
    "trail_ppm": "trail_fraction",
}  # fmt: skip


def in_decimals(refused: RequestRefused, symbol: Symbol) -> RequestRefused:
    """A refusal in the words of the caller, who knows nothing of integer units."""
    if refused.code // 1000 == RISK:
        return refused  # its text has amounts in decimals
    name = NAMES.get(refused.field or "")
    if name is None or isinstance(refused.value, bool) or not isinstance(refused.value, int):
        return refused
    decimals = {"qty": symbol.qty_decimals, "trail_fraction": PPM_DECIMALS}
    value = from_units(refused.value, decimals.get(name, symbol.price_decimals))
    sentence = reason_sentence(refused.code)
    return RequestRefused(refused.code, sentence, name, f"{value:f}", refused.ref)


def settings_of_frame(fields: list[Any]) -> AccountSettings:
    """`AS`."""
    return AccountSettings(stp=STPS[fields[0]], owner_group=fields[1])


def dead_man_of_frame(fields: list[Any], symbols: Symbols) -> DeadMan:
    """`DM`."""
    sym, timeout_ms, deadline_ns, fired = fields[:4]
    return DeadMan(
        symbol=symbols.by_id[sym].name if sym else None,
        timeout_ms=timeout_ms,
        deadline_ns=deadline_ns,
        fired=bool(fired),
    )


def queue_of_frame(fields: list[Any], symbols: Symbols) -> QueuePosition:
    """`Q`."""
    oid, sym, px, qty_ahead, orders_ahead, level_qty, seq = fields[:7]
    symbol = symbols.by_id[sym]
    return QueuePosition(
        oid=oid,
        symbol=symbol.name,
        price=symbol.price(px),
        qty_ahead=symbol.qty(qty_ahead),
        orders_ahead=orders_ahead,
        level_qty=symbol.qty(level_qty),
        seq=seq,
    )


def mode_of_frame(fields: list[Any], symbol: Symbol) -> ModeChanged:
    """`MO`."""
    _, mode, ts_ns, seq = fields[:4]
    return ModeChanged(symbol=symbol.name, mode=MODES[mode], ts_ns=ts_ns, seq=seq)


# --- public frames ------------------------------------------------------------------------


def level(symbol: Symbol, row: list[int]) -> Level:
    """[px, qty, count]."""
    return Level(price=symbol.price(row[0]), qty=symbol.qty(row[1]), count=row[2])


def trade_of_frame(fields: list[Any], symbol: Symbol) -> Trade:
    """`T`."""
    _, px, qty, taker_side, ts_ns, seq = fields[:6]
    return Trade(
        symbol=symbol.name,
        price=symbol.price(px),
        qty=symbol.qty(qty),
        taker_side=SIDES[taker_side],
        ts_ns=ts_ns,
        seq=seq,
    )


CHANGES = ("rested", "traded", "cut", "cancelled", "reduced", "moved", "lifted")


def change_of_row(row: list[int], symbol: Symbol) -> OrderChange:
    """One row of `L`."""
    kind, oid, side, px, qty, remaining, ts_ns, seq = row[:8]
    return OrderChange(
        kind=CHANGES[kind],  # type: ignore[arg-type]
        oid=oid,
        side=SIDES[side],
        price=symbol.price(px),
        qty=symbol.qty(qty),
        remaining=symbol.qty(remaining),
        ts_ns=ts_ns,
        seq=seq,
    )


# --- REST ---------------------------------------------------------------------------------


def symbols_of_rest(body: Mapping[str, Any]) -> list[Symbol]:
    """`GET /v1/symbols`."""
    exact = ("tick", "lot", "max_price", "max_qty", "max_notional", "maker_fee", "taker_fee",
             "initial_margin", "maintenance_margin", "min_notional", "price_band",
             "market_band")  # fmt: skip
    return [
        Symbol(
            id=row["id"],
            name=row["name"],
            price_decimals=row["price_decimals"],
            qty_decimals=row["qty_decimals"],
            money_decimals=body["money_decimals"],
            tick_table=tuple((Decimal(px), Decimal(tick)) for px, tick in row["tick_table"]),
            mode=row["mode"],
            version=row.get("version", 1),
            brackets=tuple(
                (Decimal(first), Decimal(initial), Decimal(maintenance))
                for first, initial, maintenance in row.get("brackets", ())
            ),
            rules={
                key: Decimal(value) if isinstance(value, str) and key != "adl" else value
                for key, value in row.get("rules", {}).items()
            },
            **{key: Decimal(str(row[key])) for key in exact},
        )
        for row in body["symbols"]
    ]


def _maybe(text: str | None) -> Decimal | None:
    return None if text is None else Decimal(text)


def order_of_rest(row: Mapping[str, Any]) -> Order:
    """An order of `/v1/orders`."""
    trail_ppm = row.get("trail_ppm")
    return Order(
        oid=row["oid"],
        cid=row.get("cid") or "",
        symbol=row["symbol"],
        side=row["side"],
        price=Decimal(row["price"] or 0),
        qty=Decimal(row["qty"]),
        filled=Decimal(row["filled"]),
        remaining=Decimal(row["remaining"]),
        status=row["status"],
        reason=row.get("reason"),
        tif=row.get("tif"),
        post_only=row.get("post_only"),
        reduce_only=row.get("reduce_only"),
        ts_ns=row.get("ts_ns") or 0,
        seq=row.get("seq") or 0,
        original_oid=row.get("original_oid") or 0,
        kind=row.get("type") or "limit",
        stp=row.get("stp"),
        expire_s=row.get("expire_s"),
        reprice=row.get("reprice"),
        trigger_price=_maybe(row.get("trigger_price")),
        trigger_on=row.get("trigger_on"),
        trail=_maybe(row.get("trail")),
        trail_fraction=from_units(trail_ppm, PPM_DECIMALS) if trail_ppm else None,
        fired_price=_maybe(row.get("fired_price")),
        position_side=row.get("position_side"),
    )


def trade_of_rest(row: Mapping[str, Any]) -> Trade:
    """A trade of `/v1/trades`."""
    return Trade(
        symbol=row["symbol"],
        price=Decimal(row["price"]),
        qty=Decimal(row["qty"]),
        taker_side=row["taker_side"],
        ts_ns=row["ts_ns"],
        seq=row["seq"],
    )


def book_of_rest(body: Mapping[str, Any]) -> Book:
    """`GET /v1/book`."""
    sides = {
        key: [Level(price=Decimal(px), qty=Decimal(qty), count=count) for px, qty, count in rows]
        for key, rows in (("bids", body["bids"]), ("asks", body["asks"]))
    }
    return Book(symbol=body["symbol"], ts_ns=body["ts_ns"], seq=body["seq"], **sides)
