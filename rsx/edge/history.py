"""Histories as clients see them: questions to the archive, and its rows in both dialects.

    options of a frame, or query of a URL -> Query -> the archive's loop -> rows -> HQ, or a body

Nothing is shared with the archive's thread. Source: specs/archive.md section 3; specs/wire.md
W-90 to W-92.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from rsx.edge import codec
from rsx.edge.orders import CANCELLED, Account, Order, Trigger
from rsx.edge.rules import leg_of
from rsx.errors import Reason, RequestError
from rsx.records import OrderFlag, OrderKind
from rsx.store.candles import SOURCES
from rsx.store.query import (
    LETTERS,
    PRIVATE,
    TIME_MAX,
    UNKNOWN_END,
    Answer,
    BadQuery,
    Query,
    check_query,
    limits,
    read_cursor,
)

if TYPE_CHECKING:
    from rsx.edge.app import Edge

OPTIONS = frozenset({
    "sym", "from", "to", "limit", "cursor", "asc", "interval_s", "price", "gaps",
})  # fmt: skip
# BadQuery's names of what REST calls otherwise are REST's; frames have these.
FRAME_FIELDS = {"symbol": "sym", "interval": "interval_s"}
NS = 1_000_000_000
FIRST_TRIGGER = int(OrderKind.STOP_MARKET)


async def ask(edge: Edge, method: str, *args: Any) -> Any:
    """Ask the archive on its own loop.

    Raises  RequestError OVERLOADED with the reason where it is off, starting or failing
    """
    tile = edge.archive
    if tile is None:
        raise RequestError(Reason.OVERLOADED, detail="no history is kept here (archive.enabled)")
    loop = asyncio.get_running_loop()
    future: asyncio.Future[Any] = loop.create_future()

    def settle(value: Any, error: Exception | None) -> None:
        if future.done():
            return
        if error is None:
            future.set_result(value)
        else:
            future.set_exception(error)

    def done(value: Any, error: Exception | None) -> None:
        loop.call_soon_threadsafe(settle, value, error)

    try:
        tile.loop.call_soon_threadsafe(getattr(tile, method), *args, done)
    except (RuntimeError, AttributeError):  # that loop has stopped, or never ran
        raise RequestError(Reason.OVERLOADED, detail="the archive is not running") from None
    try:
        async with asyncio.timeout(edge.entry.timeout_ns / 1e9):
            return await future
    except TimeoutError:
        raise RequestError(Reason.NO_ANSWER) from None
    except tile.Unavailable as error:
        raise RequestError(Reason.OVERLOADED, detail=str(error)) from None


def checked(query: Query, names: dict[str, str] | None = None) -> Query:
    """The query, or a RequestError that names the argument as the client does."""
    try:
        return check_query(query)
    except BadQuery as error:
        raise refused(error, names) from None


def refused(error: BadQuery, names: dict[str, str] | None = None) -> RequestError:
    field = (names or {}).get(error.field, error.field)
    return RequestError(Reason.INVALID_VALUE, field, error.value, detail=error.why)


def cursor_of(what: str, text: Any) -> int | None:
    if text is None:
        return None
    try:
        return read_cursor(what, text)
    except BadQuery as error:
        raise refused(error) from None


async def answer(edge: Edge, account: Account | None, query: Query) -> Answer:
    """Rows of a checked query; one about an account counts against its rate limit (W-60)."""
    if account is not None:
        edge.entry.admit(account, edge.clock.now_ns())
        account.pending += 1
    try:
        found: Answer = await ask(edge, "ask_query", query)
        return found
    finally:
        if account is not None:
            account.pending -= 1


# --- orders -----------------------------------------------------------------------------------


def order_of_row(row: Any, account: Any) -> Order:
    """A row of `orders` as the gateway would have it; of an unknown end, cancelled (AR-6)."""
    (
        oid, symbol_id, side, kind, tif, flags, stp, px, qty, filled, cut, status, reason,
        expire_s, trigger_px, trail_px, trail_ppm, fired_px, original_oid, _, _, _, _, cid,
        placed_ns, _, ts_ns, seq,
    ) = row  # fmt: skip
    trigger = None
    if FIRST_TRIGGER <= kind < OrderKind.LIQUIDATION:
        trigger = Trigger(trigger_px, trail_px, trail_ppm, fired_px)
    order = Order(oid, account, symbol_id, side, px, qty, tif, flags, cid, placed_ns, kind, stp,
                  expire_s, trigger)  # fmt: skip
    order.filled, order.cut, order.reason = filled, cut, reason
    order.status = CANCELLED if status == UNKNOWN_END else status
    order.original_oid, order.ts_ns, order.seq = original_oid, ts_ns, seq
    return order


async def find_order(
    edge: Edge, account: Account, oid: int, cid: str, symbol_id: int | None
) -> Order | None:
    """An order that the gateway does not know any more (AR-35); None = the archive has none."""
    if edge.archive is None:
        return None
    account.pending += 1  # it is not forgotten meanwhile
    try:
        row = await ask(edge, "ask_order", account.user_id, oid, cid, symbol_id or 0)
    except RequestError:
        return None  # what cannot be asked is as unknown as before
    finally:
        account.pending -= 1
    return None if row is None else order_of_row(row, account)


# --- frames -----------------------------------------------------------------------------------


def _order_frame(row: Any) -> list[Any]:
    order = order_of_row(row, None)
    flags, trigger = order.flags, order.trigger or Trigger(0)
    notional, fee, profit, amends = row[19:23]
    return [
        order.oid, order.cid, order.symbol_id, order.side, order.px, order.qty, order.filled,
        order.remaining, row[11], order.reason, order.kind, order.tif, order.stp,
        int(flags & OrderFlag.REDUCE_ONLY != 0), int(flags & OrderFlag.POST_ONLY != 0),
        int(flags & OrderFlag.REPRICE != 0), int(flags & OrderFlag.LAST_PRICE != 0),
        leg_of(order.side, flags), order.expire_s, trigger.px, trigger.trail_px,
        trigger.trail_ppm, trigger.fired_px, order.original_oid, notional, fee, profit, amends,
        order.placed_ns, row[25], order.ts_ns, order.seq,
    ]  # fmt: skip


def fill_row(row: Any) -> list[Any]:
    """As a row of FL, and the profit behind it."""
    oid, sym, side, px, qty, fee, maker, profit, ts_ns, seq, cid = row
    return [oid, sym, side, px, qty, fee, maker, cid, ts_ns, seq, profit]


def liquidation_row(row: Any) -> tuple[str, list[Any]]:
    """Key and fields of LQ, PT or LF."""
    (
        event, sym, leg, mode, stage, number, side, oid, qty, px, mark, net, equity, maintenance,
        kind, amount, role, ts_ns, seq,
    ) = row  # fmt: skip
    if event == 0:
        return "LQ", [sym, leg, stage, number, side, qty, px, mark, net, equity, maintenance,
                      mode, oid, ts_ns, seq]  # fmt: skip
    if event == 1:
        return "PT", [sym, leg, role, kind, side, qty, px, mark, ts_ns, seq]
    return "LF", [sym, leg, amount, ts_ns, seq]


def _candle_frame(candle: Any) -> list[Any]:
    """Quote volumes as text: they outgrow what JSON readers take for integers."""
    start, opened, high, low, close, volume, quote, count, buy, buy_quote = candle
    return [start * NS, opened, high, low, close, volume, str(quote), count, buy, str(buy_quote)]


def _plain(row: Any) -> list[Any]:
    return list(row)


FRAME_ROWS: dict[str, Callable[[Any], Any]] = {
    "orders": _order_frame, "fills": fill_row, "funding": _plain,
    "liquidations": lambda row: list(liquidation_row(row)), "balances": _plain, "trades": _plain,
    "funding_rates": _plain, "candles": _candle_frame,
}  # fmt: skip


def query_of_frame(fields: codec.Fields, edge: Edge, user_id: int) -> Query:
    """A checked query of the fields of HQ. Raises RequestError."""
    what = fields[0] if fields else None
    if type(what) is not str or what not in LETTERS:
        detail = f"one of {', '.join(LETTERS)} is due"
        raise RequestError(Reason.INVALID_VALUE, "what", what, detail=detail)
    options = fields[1] if len(fields) > 1 and fields[1] is not None else {}
    if type(options) is not dict:
        raise RequestError(Reason.INVALID_VALUE, "options", options, detail="an object is due")
    codec.check_keys(options, OPTIONS)

    def number(name: str, default: int) -> int:
        value = options.get(name, default)
        if type(value) is not int:
            raise RequestError(Reason.INVALID_VALUE, name, value, detail="an integer is due")
        return value

    symbol_id = number("sym", 0)
    if symbol_id and symbol_id not in edge.entry.symbols:
        raise RequestError(Reason.UNKNOWN_SYMBOL, "sym", symbol_id)
    flags = {}
    for name, default in (("asc", int(what == "candles")), ("gaps", 1)):
        flags[name] = number(name, default)
        if flags[name] not in (0, 1):
            raise RequestError(Reason.INVALID_VALUE, name, flags[name], detail="0 or 1 is due")
    price = options.get("price", "trade")
    if type(price) is not str or price not in SOURCES:
        raise RequestError(Reason.INVALID_VALUE, "price", price, detail="trade or mark is due")
    private = what in PRIVATE
    return checked(Query(
        what, user_id if private else 0, symbol_id, number("from", 0), number("to", TIME_MAX),
        number("limit", limits(what)[0]), cursor_of(what, options.get("cursor")),
        bool(flags["asc"]), number("interval_s", 60), SOURCES[price], bool(flags["gaps"]),
    ), FRAME_FIELDS)  # fmt: skip


def encode_answer(what: str, ref: Any, found: Answer) -> bytes:
    rows = [FRAME_ROWS[what](row) for row in found.rows]
    return codec.encode("HQ", [
        what, ref, rows, found.next, int(found.more), found.as_of_seq, found.as_of_ns,
        found.complete_from, found.previous,
    ])  # fmt: skip
