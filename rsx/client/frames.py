"""Frames and REST bodies to models: the only place that knows the order of a frame's fields.

Source: specs/wire.md sections 2.2, 2.3 and 5.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from decimal import Decimal
from typing import Any

from rsx.client.errors import RequestRefused, reason_sentence
from rsx.client.models import (
    SIDES,
    STATUSES,
    TIFS,
    Account,
    Book,
    Fill,
    Level,
    Order,
    Position,
    Symbol,
    Trade,
    status_reason,
)


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
            raise RequestRefused(1007, f"no such symbol (known: {known})", "symbol", name) from None


# --- private frames -----------------------------------------------------------------------


def order_of_update(fields: list[Any], symbols: Symbols, known: Order | None) -> Order:
    """`U`. The terms that the frame does not carry are taken from what was known."""
    oid, status, filled, remaining, reason, cid, sym, side, px, qty, ts_ns, seq = fields[:12]
    symbol = symbols.by_id[sym]
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
        tif=known.tif if known else None,
        post_only=known.post_only if known else None,
        reduce_only=known.reduce_only if known else None,
        ts_ns=ts_ns,
        seq=seq,
        original_oid=fields[12] or 0 if len(fields) > 12 else 0,
    )


def order_of_row(row: list[Any], symbols: Symbols) -> Order:
    """One row of `O`."""
    oid, cid, sym, side, px, qty, filled, status, tif, reduce_only, post_only, ts_ns = row[:12]
    symbol = symbols.by_id[sym]
    return Order(
        oid=oid,
        cid=cid or "",
        symbol=symbol.name,
        side=SIDES[side],
        price=symbol.price(px),
        qty=symbol.qty(qty),
        filled=symbol.qty(filled),
        # Not qty - filled: part of an order may have been cut (reduce-only).
        remaining=symbol.qty(row[12] if len(row) > 12 else qty - filled),
        status=STATUSES[status],
        tif=TIFS[tif],
        post_only=bool(post_only),
        reduce_only=bool(reduce_only),
        ts_ns=ts_ns,
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


def account_of_frame(fields: list[Any], symbols: Symbols) -> Account:
    """`A`."""
    from rsx.client.decimals import from_units

    names = Account.__struct_fields__
    amounts = (from_units(units, symbols.money_decimals) for units in fields)
    return Account(**dict(zip(names, amounts, strict=False)))


def position_of_row(row: list[Any], symbols: Symbols) -> Position:
    """One row of `P`."""
    sym, net, entry_px, mark_px, unrealised, realised, initial, maintenance = row[:8]
    symbol = symbols.by_id[sym]
    return Position(
        symbol=symbol.name,
        net_qty=symbol.qty(net),
        entry_price=symbol.price(entry_px),
        mark_price=symbol.price(mark_px),
        unrealised=symbol.money(unrealised),
        realised=symbol.money(realised),
        initial_margin=symbol.money(initial),
        maintenance_margin=symbol.money(maintenance),
    )


def refusal(fields: list[Any]) -> RequestRefused:
    """`E`."""
    code, message, field, value, ref = (*fields, *[None] * 5)[:5]
    return RequestRefused(int(code or 9001), str(message), field, value, ref)


def in_decimals(refused: RequestRefused, order: Order) -> RequestRefused:
    """A refusal of an order in the words of the caller, who knows nothing of integer units."""
    if refused.field not in ("px", "qty"):
        return refused
    field, value = ("price", order.price) if refused.field == "px" else ("qty", order.qty)
    sentence = reason_sentence(refused.code)
    return RequestRefused(refused.code, sentence, field, f"{value:f}", refused.ref)


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


# --- REST ---------------------------------------------------------------------------------


def symbols_of_rest(body: Mapping[str, Any]) -> list[Symbol]:
    """`GET /v1/symbols`."""
    exact = ("tick", "lot", "max_price", "max_qty", "max_notional", "maker_fee", "taker_fee",
             "initial_margin", "maintenance_margin")  # fmt: skip
    return [
        Symbol(
            id=row["id"],
            name=row["name"],
            price_decimals=row["price_decimals"],
            qty_decimals=row["qty_decimals"],
            money_decimals=body["money_decimals"],
            **{key: Decimal(str(row[key])) for key in exact},
        )
        for row in body["symbols"]
    ]


def order_of_rest(row: Mapping[str, Any]) -> Order:
    """An order of `/v1/orders`."""
    return Order(
        oid=row["oid"],
        cid=row.get("cid") or "",
        symbol=row["symbol"],
        side=row["side"],
        price=Decimal(row["price"]),
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
