"""Orders: placing, amending and cancelling them, one or many, and what guards them.

Source: specs/client.md section 2.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from typing import Any

from rsx.client.admin import Connected
from rsx.client.decimals import Amount
from rsx.client.errors import AuthenticationFailed, ClientError
from rsx.client.frames import Symbols, dead_man_of_frame, settings_of_frame
from rsx.client.models import (
    SIDES,
    STPS,
    AccountSettings,
    DeadMan,
    Kind,
    Order,
    Side,
    Symbol,
)
from rsx.client.orders import (
    amendment,
    checked_cid,
    checked_stp,
    new_order,
    new_trigger,
)
from rsx.client.private import PrivateSession
from rsx.client.requests import AmendRequest, CancelRequest, ClientIds, PlaceRequest, Request

OrderRef = int | str | Order
"""An order by its id, its client id, or itself."""

SCOPES = {"orders": 1, "triggers": 2, "all": 3}
DEAD_MAN_MIN_S, DEAD_MAN_MAX_S = 1, 86_400


class Trading(Connected):
    """What one user may ask for with orders. `Client` is made of it."""

    _symbols: Symbols
    _cids: ClientIds
    _private: PrivateSession | None

    # --- placing ---

    async def place(
        self,
        symbol: str,
        side: Side,
        price: Amount | None = None,
        qty: Amount | None = None,
        tif: str | None = None,
        post_only: bool = False,
        reduce_only: bool = False,
        cid: str | None = None,
        timeout: float | None = None,  # noqa: ASYNC109 (the deadline's meaning is CL-14)
        *,
        kind: str = "limit",
        stp: str | None = None,
        reprice: bool = False,
        expire_s: int | None = None,
        position_side: str | None = None,
    ) -> Order:
        """Place a limit or market order and wait for its first update.

        Args     price: quote currency per unit, a multiple of the tick there; qty: units of the
                 underlying, a multiple of the lot; tif: GTC, IOC, FOK or GTD, None = GTC, of
                 market orders IOC; cid: client order id of 1 to 36 bytes, made when None;
                 kind: limit, or market, which takes no price; stp: none, newest, oldest or both,
                 None = the account's; reprice: a post-only order that would trade moves one tick
                 behind the best price instead of being rejected; expire_s: end of a GTD order,
                 seconds since 1970; position_side: long or short, in hedge mode and only then: a
                 sell of the long side and a buy of the short one close it
        Returns  the order: resting, filled or cancelled (an IOC or its remainder). If the client
                 id was used before, the order that has it, with `duplicate` set
        Raises   TypeError, ValueError, InvalidAmount: nothing was sent; OrderRejected,
                 RequestRefused: the exchange refused; NotConnected: nothing was sent;
                 FateUnknown: sent, not answered
        """
        request = self._new(
            symbol=symbol, side=side, price=price, qty=qty, tif=tif, post_only=post_only,
            reduce_only=reduce_only, cid=cid, kind=kind, stp=stp, reprice=reprice,
            expire_s=expire_s, position_side=position_side,
        )  # fmt: skip
        return await self._session().request(request, self._deadline(timeout))

    async def place_stop(
        self,
        symbol: str,
        side: Side,
        qty: Amount,
        trigger_price: Amount,
        price: Amount | None = None,
        timeout: float | None = None,  # noqa: ASYNC109
        **terms: Any,
    ) -> Order:
        """Place an order that waits until the price has come to `trigger_price` against it.

        A buy fires when the price is at or above it, a sell at or below.

        Args     price: of the limit order that it becomes, None = a market order; terms: any of
                 trigger_on (mark, the default, or last), tif, post_only, reduce_only, cid, stp,
                 reprice, expire_s, position_side, as in `place`
        Returns  the trigger, `waiting`
        Raises   as place
        """
        kind: Kind = "stop_market" if price is None else "stop_limit"
        return await self._trigger(
            kind, symbol, side, qty, trigger_price, price, timeout_s=timeout, **terms
        )

    async def place_take_profit(
        self,
        symbol: str,
        side: Side,
        qty: Amount,
        trigger_price: Amount,
        price: Amount | None = None,
        timeout: float | None = None,  # noqa: ASYNC109
        **terms: Any,
    ) -> Order:
        """Place an order that waits until the price has come to `trigger_price` in its favour.

        A buy fires when the price is at or below it, a sell at or above. Otherwise as place_stop.
        """
        kind: Kind = "take_profit_market" if price is None else "take_profit_limit"
        return await self._trigger(
            kind, symbol, side, qty, trigger_price, price, timeout_s=timeout, **terms
        )

    async def place_trailing_stop(
        self,
        symbol: str,
        side: Side,
        qty: Amount,
        trail: Amount | None = None,
        trail_fraction: Amount | None = None,
        activation_price: Amount | None = None,
        timeout: float | None = None,  # noqa: ASYNC109
        **terms: Any,
    ) -> Order:
        """Place a stop that follows the best price seen, at a distance; fired, a market order.

        Args     trail: the distance as a price; trail_fraction: as a part of the best price, such
                 as "0.01"; one of the two. activation_price: it follows from this price on,
                 None = at once; terms: as in place_stop
        Returns, Raises  as place_stop
        """
        return await self._trigger(
            "trailing_stop", symbol, side, qty, activation_price, trail=trail,
            trail_fraction=trail_fraction, timeout_s=timeout, **terms,
        )  # fmt: skip

    async def place_batch(
        self,
        orders: Sequence[Mapping[str, Any]],
        timeout: float | None = None,  # noqa: ASYNC109
    ) -> list[Order | ClientError]:
        """Place several orders in one frame; each is answered on its own, in order.

        Args     orders: arguments of `place` by name, each a mapping
        Returns  for each its order, or the error that `place` would have raised
        Raises   TypeError, ValueError, InvalidAmount: nothing was sent
        """
        return await self._batch([self._new(**order) for order in orders], timeout)

    # --- amending, cancelling ---

    async def amend(
        self,
        order: OrderRef,
        price: Amount | None = None,
        qty: Amount | None = None,
        symbol: str | None = None,
        timeout: float | None = None,  # noqa: ASYNC109
    ) -> Order:
        """Give a resting order a new price or whole quantity, or both; wait until it has them.

        It keeps its id, and its place in the queue if only its quantity gets smaller.

        Args     qty: all of it, what has traded included; not above that: it is cancelled;
                 symbol: tells apart a client id that is used in two markets
        Returns  the order with its new terms: resting, or as it ended
        Raises   as place; RequestRefused: it stays as it was
        """
        request = self._amendment(order, price, qty, symbol)
        return await self._session().request(request, self._deadline(timeout))

    async def amend_batch(
        self,
        amendments: Sequence[Mapping[str, Any]],
        timeout: float | None = None,  # noqa: ASYNC109
    ) -> list[Order | ClientError]:
        """Amend several orders in one frame; `amendments`: arguments of `amend` by name."""
        return await self._batch([self._amendment(**each) for each in amendments], timeout)

    async def cancel(
        self,
        order: OrderRef,
        symbol: str | None = None,
        timeout: float | None = None,  # noqa: ASYNC109
    ) -> Order:
        """Cancel an order or trigger by order id (int), client id (str) or itself.

        Args     symbol: tells apart a client id that is used in two markets
        Returns  the order at its terminal update: cancelled, or filled if that came first
        Raises   RequestRefused if no such order of yours is open; NotConnected; FateUnknown
        """
        request = self._cancellation(order, symbol)
        return await self._session().request(request, self._deadline(timeout))

    async def cancel_batch(
        self,
        orders: Sequence[OrderRef],
        timeout: float | None = None,  # noqa: ASYNC109
    ) -> list[Order | ClientError]:
        """Cancel several orders in one frame; each is answered on its own, in order."""
        return await self._batch([self._cancellation(order) for order in orders], timeout)

    async def cancel_all(
        self, symbol: str | None = None, side: Side | None = None, scope: str = "all"
    ) -> int:
        """Cancel all orders and triggers, or those of one market, side or kind.

        Args     scope: orders, triggers or all
        Returns  how many ended by it; their updates come before
        Raises   ValueError; RequestRefused; NotConnected; FateUnknown
        """
        if scope not in SCOPES:
            raise ValueError(f"scope {scope!r}: must be orders, triggers or all")
        if side is not None and side not in SIDES:
            raise ValueError(f"side {side!r}: must be 'buy' or 'sell'")
        sym = 0 if symbol is None else self._symbols[symbol].id
        number = 2 if side is None else SIDES.index(side)
        asked = [sym, number, SCOPES[scope]]
        fields = await self._session().query("CA", asked, self.timeout, acts=True)
        return int(fields[1])

    # --- guards and settings ---

    async def cancel_on_disconnect(self, on: bool = True) -> None:
        """Have the orders that this client places from now on end with its connection (CL-45).

        Raises  RequestRefused; NotConnected; FateUnknown
        """
        await self._session().guard(on, self.timeout)

    async def dead_man(self, seconds: float | None, symbol: str | None = None) -> DeadMan:
        """Have all orders cancelled unless this is called again within `seconds` (CL-46).

        Args    seconds: 1 to 86 400, None = off; symbol: of one market, None = of all
        Raises  ValueError; RequestRefused; NotConnected; FateUnknown
        """
        if seconds is not None and not DEAD_MAN_MIN_S <= seconds <= DEAD_MAN_MAX_S:
            raise ValueError(f"seconds {seconds!r}: must be {DEAD_MAN_MIN_S} to {DEAD_MAN_MAX_S}")
        sym = 0 if symbol is None else self._symbols[symbol].id
        timeout_ms = 0 if seconds is None else round(seconds * 1000)
        fields = await self._session().dead_man(sym, timeout_ms, self.timeout)
        return dead_man_of_frame(fields, self._symbols)

    async def settings(self) -> AccountSettings:
        """The account's settings. Raises NotConnected."""
        return settings_of_frame(await self._session().query("AS", [], self.timeout))

    async def set_stp(self, stp: str) -> AccountSettings:
        """Set the account's default of self-trade prevention: none, newest, oldest or both.

        Raises  ValueError; RequestRefused; NotConnected; FateUnknown
        """
        number = STPS.index(checked_stp(stp) or "none")
        fields = await self._session().query("AS", [number], self.timeout, acts=True)
        return settings_of_frame(fields)

    # --- inside ---

    def _session(self) -> PrivateSession:
        if self._private is None:
            self._open_rest()
            raise AuthenticationFailed("this needs a token, and the client was made without")
        return self._private

    def _deadline(self, timeout: float | None) -> float:
        return self.timeout if timeout is None else timeout

    def _new(self, symbol: str, cid: str | None = None, **terms: Any) -> PlaceRequest:
        market, cid = self._symbols[symbol], self._cid(cid)
        terms = {"price": None, "qty": None, **terms}
        return self._request("N", market, cid, *new_order(market, cid, **terms))

    async def _trigger(
        self, kind: Kind, symbol: str, side: Side, qty: Amount, trigger_price: Amount | None,
        price: Amount | None = None, *, timeout_s: float | None, cid: str | None = None,
        **terms: Any,
    ) -> Order:  # fmt: skip
        market, cid = self._symbols[symbol], self._cid(cid)
        made = new_trigger(market, cid, kind, side, qty, trigger_price, price, **terms)
        request = self._request("TN", market, cid, *made)
        return await self._session().request(request, self._deadline(timeout_s))

    def _cid(self, cid: str | None) -> str:
        return self._cids.next() if cid is None else checked_cid(cid)

    def _request(
        self, key: str, market: Symbol, cid: str, fields: list[Any], template: Order
    ) -> PlaceRequest:
        answer = asyncio.get_running_loop().create_future()
        return PlaceRequest(key, market.name, cid, fields, template, answer)

    def _amendment(
        self,
        order: OrderRef,
        price: Amount | None = None,
        qty: Amount | None = None,
        symbol: str | None = None,
    ) -> AmendRequest:
        target, symbol = self._named(order, symbol)
        memory = self._session().memory
        known = memory.get(target) if isinstance(target, int) else memory.find(symbol, target)
        name = symbol or (known.symbol if known else None)
        fields = amendment(self._symbols[name] if name else None, target, price, qty)
        market = self._symbols[name or ""]
        # By its id from here on: so that an order named in two ways is one.
        fields[0] = target = known.oid if known else target
        answer = asyncio.get_running_loop().create_future()
        return AmendRequest(
            target, market.name, fields, answer,
            price=None if price is None else market.price(fields[1]),
            qty=None if qty is None else market.qty(fields[2]),
        )  # fmt: skip

    def _cancellation(self, order: OrderRef, symbol: str | None = None) -> CancelRequest:
        target, symbol = self._named(order, symbol)
        sym = None if symbol is None else self._symbols[symbol].id
        answer = asyncio.get_running_loop().create_future()
        return CancelRequest(target, symbol, [target, sym], answer)

    def _named(self, order: OrderRef, symbol: str | None) -> tuple[int | str, str | None]:
        """How a request names an order, and its market where that is known."""
        if isinstance(order, Order):
            return order.oid, symbol or order.symbol
        if isinstance(order, bool) or not isinstance(order, (int, str)):
            raise TypeError(f"an order id, a client id or an Order, not {order!r}")
        return (checked_cid(order) if isinstance(order, str) else order), symbol

    async def _batch(
        self, requests: Sequence[Request], timeout_s: float | None
    ) -> list[Order | ClientError]:
        if not requests:
            return []
        results = await self._session().batch(list(requests), self._deadline(timeout_s))
        for result in results:
            if isinstance(result, Exception) and not isinstance(result, ClientError):
                raise result
        return results  # type: ignore[return-value]
