"""The REST routes of orders and triggers: place, amend, cancel, batches, looking up.

Source: specs/wire.md section 5, W-52, W-53, W-71.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from aiohttp import web

from rsx.edge import codec, history
from rsx.edge.forms import (
    KINDS,
    SIDES,
    STPS,
    TIFS,
    TRIGGER_ON,
    boolean,
    choice,
    error_body,
    order_body,
    path_oid,
    position_side,
    rejection_body,
    renamed,
    reply,
)
from rsx.edge.orders import REJECTED, STP_DEFAULT, Account, Order
from rsx.edge.requests import BOTH_SIDES, EVERYTHING, ORDERS, TRIGGERS
from rsx.edge.rules import TRIGGER_KINDS, default_tif, leg_flags
from rsx.errors import Reason, RequestError
from rsx.records import OrderFlag

if TYPE_CHECKING:
    from rsx.edge.rest import Rest

TRIGGER_KEYS = frozenset({"trigger_price", "trigger_on", "trail", "trail_ppm"})
ORDER_KEYS = TRIGGER_KEYS | {
    "symbol", "side", "price", "qty", "type", "tif", "post_only", "reduce_only", "cid", "stp",
    "reprice", "expire_s", "position_side",
}  # fmt: skip
AMEND_KEYS = frozenset({"price", "qty"})
NAME_KEYS = frozenset({"oid", "cid", "symbol"})
BATCH_KEYS = frozenset({"place", "cancel", "amend"})
SCOPES = {"orders": ORDERS, "triggers": TRIGGERS}
ALL = "all"  # no symbol is called so: names are upper-case

Body = dict[str, Any]
Done = Callable[[Any], None]


class Original:
    """Keeps what a duplicate is told of the order that has its client id."""

    __slots__ = ("order",)

    def __init__(self) -> None:
        self.order: Order | None = None

    def refuse(self, error: RequestError) -> None:
        """The route hears of it by itself."""

    def on_duplicate(self, original: Order, _request_oid: int) -> None:
        self.order = original


class OrderRoutes:
    """Thread: the gateway's loop."""

    def __init__(self, rest: Rest):
        self.rest = rest
        self.edge = rest.edge
        self.entry = rest.entry

    def routes(self) -> list[web.RouteDef]:
        return [
            web.get("/v1/orders", self.get_orders),
            web.post("/v1/orders", self.post_order),
            web.patch("/v1/orders", self.patch_order),
            web.delete("/v1/orders", self.delete_orders),
            web.post("/v1/orders/batch", self.post_batch),
            web.get("/v1/orders/{oid}", self.get_order),
            web.patch("/v1/orders/{oid}", self.patch_order),
            web.delete("/v1/orders/{oid}", self.delete_order),
            web.get("/v1/orders/{oid}/queue", self.get_queue),
        ]

    def _body(self, order: Order) -> Body:
        return order_body(order, self.entry.symbols[order.symbol_id])

    # --- looking up -------------------------------------------------------------------------

    async def get_orders(self, request: web.Request) -> web.Response:
        account = self.rest.account(request)
        cid = request.query.get("cid")
        if cid is None:
            rows = [self._body(order) for order in self.entry.open_orders(account)]
            return reply({"orders": rows})
        symbol_id = self._query_symbol(request)
        try:
            order = self.entry.order_by_cid(account, cid, symbol_id)
        except RequestError as error:
            order = await self._archived(error, account, 0, cid, symbol_id)
        return reply(self._body(order))

    async def get_order(self, request: web.Request) -> web.Response:
        account = self.rest.account(request)
        oid = path_oid(request)
        try:
            try:
                order = self.entry.order(account, oid)
            except RequestError as error:
                order = await self._archived(error, account, oid, "", None)
            return reply(self._body(order))
        except RequestError as error:
            raise renamed(error, {}) from None

    async def _archived(
        self, error: RequestError, account: Account, oid: int, cid: str, symbol_id: int | None
    ) -> Order:
        """An order that the gateway does not know (AR-35); else the error."""
        if error.code is Reason.ORDER_NOT_FOUND:
            order = await history.find_order(self.edge, account, oid, cid, symbol_id)
            if order is not None and order.symbol_id in self.entry.symbols:
                return order
        raise error

    async def get_queue(self, request: web.Request) -> web.Response:
        account = self.rest.account(request)
        try:
            order = self.entry.resting(account, path_oid(request), "", None)
            px, ahead, orders, level, seq = await self.edge.queue_place(order)
        except RequestError as error:
            raise renamed(error, {}) from None
        symbol = self.entry.symbols[order.symbol_id]
        return reply({
            "oid": order.oid, "symbol": symbol.name,
            "price": codec.format_decimal(px, symbol.price_decimals),
            "qty_ahead": codec.format_decimal(ahead, symbol.qty_decimals),
            "orders_ahead": orders,
            "level_qty": codec.format_decimal(level, symbol.qty_decimals), "seq": seq,
        })  # fmt: skip

    def _query_symbol(self, request: web.Request) -> int | None:
        name = request.query.get("symbol")
        return None if name is None else int(self.rest.symbol(name).id)

    def _named(self, request: web.Request) -> tuple[int, str, int | None]:
        """Order id, client id and symbol of an order that path or query name."""
        if "oid" in request.match_info:
            return path_oid(request), "", self._query_symbol(request)
        cid = request.query.get("cid")
        if cid is None:
            raise RequestError(Reason.INVALID_VALUE, "cid", None, detail="name an order")
        if not cid:
            raise RequestError(Reason.CLIENT_ID_INVALID, "cid", cid)
        return 0, cid, self._query_symbol(request)

    # --- placing ----------------------------------------------------------------------------

    async def post_order(self, request: web.Request) -> web.Response:
        account = self.rest.account(request)
        body = codec.decode_object(await request.read(), ORDER_KEYS)
        original = Original()
        order = await self.rest.answer(self._placing(account, body, original), body)
        if original.order is not None:
            return reply(self._body(original.order) | {"duplicate": True})
        if order.status == REJECTED:
            return reply(rejection_body(order, self.entry.symbols[order.symbol_id]), 400)
        return reply(self._body(order))

    def _placing(self, account: Account, body: Body, original: Original) -> Callable[[Done], Any]:
        """Read an order's body; what hands it over, given what takes the answer."""
        symbol = self.rest.symbol(body.get("symbol"))
        kind = choice(body, "type", KINDS, "limit")
        side = choice(body, "side", SIDES)
        px = _price(body, "price", symbol, kind in NEEDS_PRICE)
        qty = codec.parse_decimal(body.get("qty"), symbol.qty_decimals, "qty", Reason.QTY_OFF_LOT)
        tif = default_tif(kind) if body.get("tif") is None else choice(body, "tif", TIFS)
        stp = STP_DEFAULT if body.get("stp") is None else choice(body, "stp", STPS)
        flags = _flags(body)
        if (leg := position_side(body)) is not None:
            flags = leg_flags(side, leg, flags)
        expire_s = _whole(body, "expire_s")
        cid = body.get("cid")
        if cid is not None and (type(cid) is not str or not cid):
            raise RequestError(Reason.CLIENT_ID_INVALID, "cid", cid)
        if kind not in TRIGGER_KINDS:
            for name in TRIGGER_KEYS & body.keys():
                if body[name] is not None:
                    detail = "only a trigger has it"
                    raise RequestError(Reason.TRIGGER_INVALID, name, body[name], detail=detail)
            return lambda done: self.entry.place(
                account, symbol.id, side, px, qty, cid or "", tif, flags, original, done, kind,
                stp, expire_s,
            )  # fmt: skip
        trigger_px = _price(body, "trigger_price", symbol, kind != KINDS["trailing_stop"])
        trail_px = _price(body, "trail", symbol, False)
        trail_ppm = _whole(body, "trail_ppm")
        if body.get("trigger_on") is not None:
            flags |= choice(body, "trigger_on", TRIGGER_ON)
        return lambda done: self.entry.place_trigger(
            account, symbol.id, kind, side, qty, trigger_px, px, cid or "", tif, flags, original,
            done, trail_px, trail_ppm, stp, expire_s,
        )  # fmt: skip

    # --- changing ---------------------------------------------------------------------------

    async def patch_order(self, request: web.Request) -> web.Response:
        account = self.rest.account(request)
        body = codec.decode_object(await request.read(), AMEND_KEYS)
        named = self._named(request)
        try:
            hand = self._amending(account, *named, body)
        except RequestError as error:
            raise renamed(error, body) from None
        return reply(self._body(await self.rest.answer(hand, body)))

    def _amending(
        self, account: Account, oid: int, cid: str, symbol_id: int | None, body: Body
    ) -> Callable[[Done], Any]:
        """Price and quantity need the order's symbol: an unknown order is refused here."""
        if oid:
            order = self.entry.order(account, oid)
        else:
            order = self.entry.order_by_cid(account, cid, symbol_id)
        symbol = self.entry.symbols[order.symbol_id]
        px = None if body.get("price") is None else _price(body, "price", symbol, True)
        qty = None
        if body.get("qty") is not None:
            qty = codec.parse_decimal(body["qty"], symbol.qty_decimals, "qty", Reason.QTY_OFF_LOT)
        return lambda done: self.entry.amend(account, order.oid, "", None, px, qty, done)

    async def delete_order(self, request: web.Request) -> web.Response:
        account = self.rest.account(request)
        named = self._named(request)
        order = await self.rest.answer(lambda done: self.entry.cancel(account, *named, done))
        return reply(self._body(order))

    async def delete_orders(self, request: web.Request) -> web.Response:
        """With a cid one order; without, all of a symbol that must be named (W-53)."""
        query = request.query
        if "cid" in query or "symbol" not in query:
            return await self.delete_order(request)
        account = self.rest.account(request)
        name = query["symbol"]
        symbol_id = 0 if name == ALL else self.rest.symbol(name).id
        side = choice(dict(query), "side", SIDES) if "side" in query else BOTH_SIDES
        scope = choice(dict(query), "scope", SCOPES) if "scope" in query else EVERYTHING
        cancelled = await self.rest.answer(lambda done: self.entry.cancel_all(
            account, symbol_id, side, scope, Reason.CANCEL_ALL, done
        ))  # fmt: skip
        return reply({"symbol": name, "cancelled": cancelled})

    # --- batches ----------------------------------------------------------------------------

    async def post_batch(self, request: web.Request) -> web.Response:
        """Each item on its own, handed over in order, answered together (W-71)."""
        account = self.rest.account(request)
        body = codec.decode_object(await request.read(), BATCH_KEYS)
        if len(body) != 1:
            detail = "one of place, cancel and amend is due"
            raise RequestError(Reason.INVALID_VALUE, "body", body, detail=detail)
        ((what, items),) = body.items()
        if type(items) is not list:
            raise RequestError(Reason.INVALID_VALUE, what, items, detail="a list is due")
        codec.decode_batch(what, items, self.edge.batch_max)
        asked = [self._ask_item(what, account, item) for item in items]
        self.rest.collect()
        return reply({"results": [await self._result(*one) for one in asked]})

    def _ask_item(
        self, what: str, account: Account, item: Any
    ) -> tuple[Body, Original, asyncio.Future[Any] | RequestError]:
        original = Original()
        body = item if type(item) is dict else {}
        try:
            if type(item) is not dict:
                raise RequestError(Reason.MALFORMED, what, item, detail="an object is due")
            return body, original, self.rest.ask(self._handing(what, account, body, original))
        except RequestError as error:
            return body, original, error

    def _handing(
        self, what: str, account: Account, item: Body, original: Original
    ) -> Callable[[Done], Any]:
        known = {"place": ORDER_KEYS, "cancel": NAME_KEYS, "amend": NAME_KEYS | AMEND_KEYS}[what]
        codec.check_keys(item, known)
        if what == "place":
            return self._placing(account, item, original)
        oid, cid = _item_name(item)
        symbol_id = None if item.get("symbol") is None else self.rest.symbol(item["symbol"]).id
        if what == "amend":
            return self._amending(account, oid, cid, symbol_id, item)
        return lambda done: self.entry.cancel(account, oid, cid, symbol_id, done)

    async def _result(
        self, item: Body, original: Original, asked: asyncio.Future[Any] | RequestError
    ) -> Body:
        result = asked if isinstance(asked, RequestError) else await asked
        if isinstance(result, RequestError):
            self.edge.count_refusal(result.code)
            return {"error": error_body(renamed(result, item))}
        if original.order is not None:
            return self._body(original.order) | {"duplicate": True}
        if result.status == REJECTED:
            return rejection_body(result, self.entry.symbols[result.symbol_id])
        return self._body(result)


NEEDS_PRICE = frozenset({KINDS["limit"], KINDS["stop_limit"], KINDS["take_profit_limit"]})


def _price(body: Body, name: str, symbol: Any, needed: bool) -> int:
    """A price in units; 0 when it is left out and may be."""
    if not needed and body.get(name) is None:
        return 0
    return codec.parse_decimal(body.get(name), symbol.price_decimals, name, Reason.PRICE_OFF_TICK)


def _whole(body: Body, name: str) -> int:
    """An integer; 0 when it is left out."""
    value = body.get(name)
    if value is None:
        return 0
    if type(value) is not int:
        raise RequestError(Reason.INVALID_VALUE, name, value, detail="an integer is due")
    return value


def _flags(body: Body) -> int:
    flags = 0
    for name, flag in (
        ("post_only", OrderFlag.POST_ONLY), ("reduce_only", OrderFlag.REDUCE_ONLY),
        ("reprice", OrderFlag.REPRICE),
    ):  # fmt: skip
        if boolean(body, name):
            flags |= int(flag)
    return flags


def _item_name(item: Body) -> tuple[int, str]:
    """Order id or client id of an item; exactly one."""
    oid, cid = item.get("oid"), item.get("cid")
    if (oid is None) == (cid is None):
        raise RequestError(Reason.INVALID_VALUE, "oid", oid, detail="one of oid and cid is due")
    if cid is not None:
        if type(cid) is not str or not cid:
            raise RequestError(Reason.CLIENT_ID_INVALID, "cid", cid)
        return 0, cid
    if type(oid) is not int or not 0 < oid < codec.OID_LIMIT:
        raise RequestError(Reason.INVALID_VALUE, "oid", oid)
    return oid, ""
