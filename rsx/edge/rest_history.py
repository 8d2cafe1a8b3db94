"""The REST routes of the archive: own histories, public trades and rates, candles.

Source: specs/archive.md AR-30 to AR-35; specs/wire.md section 5.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Any

from aiohttp import web

from rsx.edge import codec, history
from rsx.edge.forms import (
    SIDE_NAMES,
    digits,
    fill_body,
    funding_body,
    liquidation_body,
    money,
    order_body,
    reply,
    settled_body,
)
from rsx.edge.market_rows import SettledRow
from rsx.errors import Reason, RequestError
from rsx.store.candles import INTERVAL_NAMES, SOURCES, Candle
from rsx.store.query import (
    BALANCE_KINDS,
    CANDLES,
    PRIVATE,
    PUBLIC,
    TIME_MAX,
    UNKNOWN_END,
    Answer,
    Query,
    limits,
)

if TYPE_CHECKING:
    from rsx.edge.rest import Rest

NS = 1_000_000_000
ORDERS = {"asc": True, "desc": False}
GAPS = {"fill": True, "skip": False}
COMMON = frozenset({"symbol", "from", "to", "limit", "cursor", "order"})
ARGUMENTS = {CANDLES: COMMON | {"interval", "price", "gaps"}}


class HistoryRoutes:
    """Thread: the gateway's loop."""

    def __init__(self, rest: Rest):
        self.rest = rest
        self.edge = rest.edge
        self.symbols = rest.entry.symbols
        self.bodies: dict[str, Callable[[Any], dict[str, Any]]] = {
            "orders": self._order, "fills": self._fill, "funding": self._funding,
            "liquidations": self._liquidation, "balances": self._balance, "trades": self._trade,
            "funding_rates": self._rate,
        }  # fmt: skip

    def routes(self) -> list[web.RouteDef]:
        own = [
            web.get(f"/v1/history/{what}", partial(self.get_history, what))
            for what in (*PRIVATE, *PUBLIC)
        ]
        return [*own, web.get("/v1/candles", self.get_candles)]

    async def get_history(self, what: str, request: web.Request) -> web.Response:
        account = self.rest.account(request) if what in PRIVATE else None
        query = self._query(what, request, 0 if account is None else account.user_id)
        found = await history.answer(self.edge, account, query)
        body = self.bodies[what]
        return reply({what: [body(row) for row in found.rows], **_how_far(found)})

    async def get_candles(self, request: web.Request) -> web.Response:
        query = self._query(CANDLES, request, 0)
        found = await history.answer(self.edge, None, query)
        symbol = self.symbols[query.symbol_id]
        step = query.interval_s
        rows = [_candle(row, symbol, step, found.as_of_ns) for row in found.rows]
        names = {"symbol": symbol.name, "interval": request.query.get("interval", "1m")}
        return reply({**names, "candles": rows, **_how_far(found)})

    # --- reading ----------------------------------------------------------------------------

    def _query(self, what: str, request: web.Request, user_id: int) -> Query:
        given = request.query
        known = ARGUMENTS.get(what, COMMON)
        for name in given:
            if name not in known:
                raise RequestError(Reason.MALFORMED, name, given[name], detail="unknown argument")
        market = given.get("symbol")
        symbol_id = 0 if market is None else self.rest.symbol(market).id
        least, most = 0, TIME_MAX
        default, largest = limits(what)
        number = partial(_number, given)
        return history.checked(Query(
            what, user_id, symbol_id, number("from", 0, least, most),
            number("to", most, least, most), number("limit", default, 1, largest),
            history.cursor_of(what, given.get("cursor")),
            _choice(given, "order", ORDERS, "asc" if what == CANDLES else "desc"),
            _choice(given, "interval", INTERVAL_NAMES, "1m"),
            _choice(given, "price", SOURCES, "trade"), _choice(given, "gaps", GAPS, "fill"),
        ))  # fmt: skip

    # --- rows -------------------------------------------------------------------------------

    def _order(self, row: Any) -> dict[str, Any]:
        order = history.order_of_row(row, None)
        symbol = self.symbols[order.symbol_id]
        body = order_body(order, symbol)
        notional, fee, profit, amends = row[19:23]
        if row[11] == UNKNOWN_END:
            body["status"] = "unknown"
        average = None
        if order.filled:
            # Truncated, for display: notional has the digits of price and quantity together.
            average = codec.format_decimal(notional // order.filled, symbol.price_decimals)
        return body | {
            "average_price": average, "notional": money(notional, symbol),
            "fee": money(fee, symbol), "profit": money(profit, symbol), "amends": amends,
            "placed_ns": order.placed_ns, "ended_ns": row[25] or None,
        }  # fmt: skip

    def _fill(self, row: Any) -> dict[str, Any]:
        *fill, profit = history.fill_row(row)
        symbol = self.symbols[fill[1]]
        return fill_body(tuple(fill), symbol) | {"profit": money(profit, symbol)}

    def _funding(self, row: Any) -> dict[str, Any]:
        return funding_body(list(row), self.symbols[row[0]])

    def _liquidation(self, row: Any) -> dict[str, Any]:
        key, fields = history.liquidation_row(row)
        symbol = self.symbols.get(fields[0])
        return liquidation_body(key, fields, symbol, self.rest.money_decimals)

    def _balance(self, row: Any) -> dict[str, Any]:
        symbol_id, kind, amount, balance, ts_ns, seq = row
        symbol = self.symbols.get(symbol_id)
        return {
            "symbol": None if symbol is None else symbol.name, "kind": BALANCE_KINDS[kind],
            "amount": self.rest.money(amount), "balance": self.rest.money(balance),
            "ts_ns": ts_ns, "seq": seq,
        }  # fmt: skip

    def _trade(self, row: Any) -> dict[str, Any]:
        symbol_id, px, qty, side, ts_ns, seq = row
        symbol = self.symbols[symbol_id]
        return {
            "symbol": symbol.name, "price": codec.format_decimal(px, symbol.price_decimals),
            "qty": codec.format_decimal(qty, symbol.qty_decimals), "taker_side": SIDE_NAMES[side],
            "ts_ns": ts_ns, "seq": seq,
        }  # fmt: skip

    def _rate(self, row: Any) -> dict[str, Any]:
        *settled, payments, paid, received, residue, ts_ns, seq = row
        symbol = self.symbols[settled[0]]
        return settled_body(SettledRow._make([*settled, ts_ns, seq]), symbol) | {
            "payments": payments, "paid": money(paid, symbol), "received": money(received, symbol),
            "residue": money(residue, symbol),
        }  # fmt: skip


def _number(given: Any, name: str, default: int, low: int, high: int) -> int:
    text = given.get(name)
    return default if text is None else digits(text, name, low, high)


def _choice(given: Any, name: str, choices: Any, default: str) -> Any:
    text = given.get(name, default)
    if text not in choices:
        detail = f"one of {', '.join(choices)} is due"
        raise RequestError(Reason.INVALID_VALUE, name, text, detail=detail)
    return choices[text]


def _how_far(found: Answer) -> dict[str, Any]:
    return {
        "next": found.next, "previous": found.previous, "more": found.more,
        "as_of_seq": found.as_of_seq, "as_of_ns": found.as_of_ns,
        "complete_from": found.complete_from,
    }  # fmt: skip


def _candle(candle: Candle, symbol: Any, step: int, now_ns: int) -> dict[str, Any]:
    start, opened, high, low, close, volume, quote, count, buy, buy_quote = candle
    px = partial(codec.format_decimal, decimals=symbol.price_decimals)
    qty = partial(codec.format_decimal, decimals=symbol.qty_decimals)
    return {
        "start_ns": start * NS, "open": px(opened), "high": px(high), "low": px(low),
        "close": px(close), "volume": qty(volume), "quote_volume": money(quote, symbol),
        "trades": count, "taker_buy_volume": qty(buy),
        "taker_buy_quote_volume": money(buy_quote, symbol),
        "closed": (start + step) * NS <= now_ns,
    }  # fmt: skip
