"""`Client`: trade and watch one exchange. `Admin`: what needs the admin role.

Use both with `async with`, from one event loop (asyncio or uvloop).
Source: specs/client.md.
"""

from __future__ import annotations

import asyncio
import inspect
import weakref
from collections.abc import AsyncIterator, Mapping, Sequence
from decimal import Decimal
from types import MappingProxyType

import aiohttp

from rsx.client.decimals import Amount, from_units, to_units
from rsx.client.errors import (
    AuthenticationFailed,
    ClientClosed,
    NotConnected,
    RequestRefused,
)
from rsx.client.frames import (
    Symbols,
    account_of_frame,
    book_of_rest,
    fill_of_row,
    order_of_rest,
    order_of_row,
    position_of_row,
    symbols_of_rest,
    trade_of_rest,
)
from rsx.client.market import CHANNELS, MarketStream
from rsx.client.models import (
    SIDES,
    TIFS,
    Account,
    Book,
    Deposit,
    Event,
    Fill,
    Order,
    Position,
    Side,
    Symbol,
    Trade,
)
from rsx.client.private import PrivateSession, Token
from rsx.client.requests import CancelRequest, ClientIds, EventBuffer, PlaceRequest
from rsx.client.rest import Rest
from rsx.client.transport import Backoff, LinkLost
from rsx.errors import Reason

NOT_FOUND = (Reason.NOT_FOUND, Reason.ORDER_NOT_FOUND, Reason.ORDER_NOT_OPEN)
CID_MAX_BYTES = 36


class EventStream(AsyncIterator[Event]):
    """What `Client.events()` returns. Iterate it, or await `anext(stream)`."""

    def __init__(self, buffer: EventBuffer):
        self._buffer = buffer

    def __aiter__(self) -> EventStream:
        return self

    async def __anext__(self) -> Event:
        event = await self._buffer.get()
        if event is None:
            raise StopAsyncIteration
        return event


class _Connected:
    """What Client and Admin share: the HTTP session, REST, the token."""

    def __init__(self, url: str, token: Token | None, timeout: float):
        if not url.startswith(("http://", "https://")):
            raise ValueError(f"url {url!r}: must begin with http:// or https://")
        self.url = url.rstrip("/")
        self.timeout = timeout
        self._token = token
        self._http: aiohttp.ClientSession | None = None
        self._rest: Rest | None = None

    async def _open(self) -> Rest:
        if self._http is not None:
            raise RuntimeError("already connected")
        # No limit: every market stream holds a connection of its own.
        self._http = aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0))
        self._rest = Rest(self._http, self.url, self._fresh_token if self._token else None)
        return self._rest

    async def _fresh_token(self) -> str:
        if self._token is None or isinstance(self._token, str):
            return self._token or ""
        token = self._token()
        return await token if inspect.isawaitable(token) else token

    async def _close_http(self) -> None:
        if self._http is not None:
            await self._http.close()

    def _open_rest(self) -> Rest:
        if self._rest is None:
            raise RuntimeError(f"use `async with {type(self).__name__}(...)`")
        if self._http is None or self._http.closed:
            raise ClientClosed("the client is closed")
        return self._rest


class Client(_Connected):
    """One user's connection to an exchange.

    Args  url: of the exchange, http or https;
          token: of the user, or a callable (plain or async) that gives a fresh one at each
          connection; None for public data only;
          timeout: deadline of each request, seconds;
          event_buffer: events kept until `events()` is read;
          reconnect_attempts: in a row before giving up; None = for ever
    """

    def __init__(
        self,
        url: str = "http://127.0.0.1:8080",
        token: Token | None = None,
        *,
        timeout: float = 10.0,
        event_buffer: int = 10_000,
        reconnect_attempts: int | None = None,
    ):
        super().__init__(url, token, timeout)
        self._event_buffer = event_buffer
        self._reconnect_attempts = reconnect_attempts
        self._symbols = Symbols()
        self._cids = ClientIds()
        self._private: PrivateSession | None = None
        self._streams: weakref.WeakSet[MarketStream] = weakref.WeakSet()

    async def __aenter__(self) -> Client:
        """Connect. Raises NotConnected, AuthenticationFailed."""
        rest = await self._open()
        try:
            await self._load_symbols()
            if self._token is not None:
                assert self._http is not None
                self._private = PrivateSession(
                    http=self._http,
                    url=self.url,
                    token=self._token,
                    symbols=self._symbols,
                    lookup=self._lookup,
                    reload_symbols=self._reload_symbols,
                    event_buffer=self._event_buffer,
                    backoff=Backoff(),
                    attempts_max=self._reconnect_attempts,
                )
                await self._private.start()
        except BaseException:
            await self.close()
            raise
        assert rest is self._rest
        return self

    async def __aexit__(self, *exc: object) -> None:
        await self.close()

    async def close(self) -> None:
        """Close all connections. Resting orders stay where they are."""
        if self._private is not None:
            await self._private.close()
        for stream in list(self._streams):
            await stream.aclose()
        await self._close_http()

    @property
    def user(self) -> int:
        """The user's account number, as the exchange reads the token."""
        return self._session().user

    @property
    def reconnections(self) -> int:
        """How often the private connection was made again."""
        return self._session().reconnections

    @property
    def open_orders(self) -> Mapping[int, Order]:
        """Open orders by order id as the events told so far: a live view, nothing is asked."""
        return MappingProxyType(self._session().memory.open)

    # --- trading ---

    async def place(
        self,
        symbol: str,
        side: Side,
        price: Amount,
        qty: Amount,
        tif: str = "GTC",
        post_only: bool = False,
        reduce_only: bool = False,
        cid: str | None = None,
        timeout: float | None = None,  # noqa: ASYNC109 (the deadline's meaning is CL-14)
    ) -> Order:
        """Place a limit order and wait for its first update.

        Args     price: quote currency per unit, a multiple of the tick; qty: units of the
                 underlying, a multiple of the lot; tif: GTC, IOC or FOK; cid: client order id of
                 1 to 36 bytes, made when None
        Returns  the order: resting, filled or cancelled (an IOC or its remainder)
        Raises   TypeError, ValueError, InvalidAmount: nothing was sent; OrderRejected,
                 RequestRefused: the exchange refused; NotConnected: nothing was sent;
                 FateUnknown: sent, not answered
        """
        session, market = self._session(), self._symbols[symbol]
        if side not in SIDES:
            raise ValueError(f"side {side!r}: must be 'buy' or 'sell'")
        if tif not in TIFS:
            raise ValueError(f"tif {tif!r}: must be GTC, IOC or FOK")
        cid = self._cids.next() if cid is None else _checked_cid(cid)
        px, units = market.price_units(price), market.qty_units(qty)
        fields = [
            market.id, SIDES.index(side), px, units, cid, TIFS.index(tif),
            int(reduce_only), int(post_only),
        ]  # fmt: skip
        template = Order(
            oid=0, cid=cid, symbol=symbol, side=side, price=market.price(px),
            qty=market.qty(units), filled=market.qty(0), remaining=market.qty(units),
            status="pending", tif=tif, post_only=bool(post_only), reduce_only=bool(reduce_only),
        )  # fmt: skip
        answer = asyncio.get_running_loop().create_future()
        request = PlaceRequest(symbol, cid, fields, template, answer)
        return await session.place(request, self._deadline(timeout))

    async def cancel(
        self,
        order: int | str | Order,
        symbol: str | None = None,
        timeout: float | None = None,  # noqa: ASYNC109
    ) -> Order:
        """Cancel by order id (int), client id (str) or order; wait for the terminal update.

        Args     symbol: tells apart a client id that is used in two markets
        Returns  the order: cancelled, or filled if that came first
        Raises   RequestRefused if no such order of yours is open; NotConnected; FateUnknown
        """
        target = order.oid if isinstance(order, Order) else order
        if isinstance(target, bool) or not isinstance(target, (int, str)):
            raise TypeError(f"an order id, a client id or an Order, not {order!r}")
        if isinstance(target, str):
            _checked_cid(target)
        sym = None if symbol is None else self._symbols[symbol].id
        answer = asyncio.get_running_loop().create_future()
        request = CancelRequest(target, symbol, [target, sym], answer)
        return await self._session().cancel(request, self._deadline(timeout))

    # --- account ---

    async def orders(self, symbol: str | None = None) -> list[Order]:
        """Open orders, of one market or of all. Raises NotConnected."""
        rows = await self._session().query("O", [], self.timeout)
        orders = [order_of_row(row, self._symbols) for row in rows]
        return [order for order in orders if symbol in (None, order.symbol)]

    async def order(
        self, oid: int | None = None, cid: str | None = None, symbol: str | None = None
    ) -> Order:
        """One order, open or recently ended, by one of its ids.

        Raises  RequestRefused if the exchange doesn't know it; NotConnected
        """
        if (oid is None) == (cid is None):
            raise ValueError("give either oid or cid")
        if oid is not None:
            body = await self._open_rest().get(f"/v1/orders/{oid:d}", self.timeout, private=True)
        else:
            body = await self._open_rest().get(
                "/v1/orders", self.timeout, private=True, cid=cid, symbol=symbol
            )
        return order_of_rest(body)

    async def fills(
        self, symbol: str | None = None, limit: int = 50, before: int = 0
    ) -> list[Fill]:
        """Own fills, newest first. `limit` 1 to 500; `before`: a fill's seq, exclusive."""
        sym = 0 if symbol is None else self._symbols[symbol].id
        rows = await self._session().query("FL", [sym, limit, before], self.timeout)
        return [fill_of_row(row, self._symbols) for row in rows]

    async def account(self) -> Account:
        """Balances and margin. Raises NotConnected."""
        fields = await self._session().query("A", [], self.timeout)
        return account_of_frame(fields, self._symbols)

    async def positions(self) -> list[Position]:
        """Open positions. Raises NotConnected."""
        rows = await self._session().query("P", [], self.timeout)
        return [position_of_row(row, self._symbols) for row in rows]

    def events(self) -> EventStream:
        """Order updates, fills, disconnects and resumptions, each exactly once.

        Goes on where the last reading stopped, from the moment the client connected (CL-20,
        CL-21). Ends when the client is closed.

        Raises  while iterated: RuntimeError if two tasks read at once; AuthenticationFailed or
                NotConnected when the client gives up
        """
        return EventStream(self._session().events)

    # --- market data ---

    async def symbols(self) -> list[Symbol]:
        """All markets and their rules. Raises NotConnected."""
        return await self._load_symbols()

    async def book(self, symbol: str, depth: int = 20) -> Book:
        """A book as it is now. Raises NotConnected, RequestRefused."""
        body = await self._open_rest().get("/v1/book", self.timeout, symbol=symbol, depth=depth)
        return book_of_rest(body)

    async def trades(self, symbol: str, limit: int = 50) -> list[Trade]:
        """The last trades, newest first; `limit` up to 1000. Raises NotConnected."""
        body = await self._open_rest().get("/v1/trades", self.timeout, symbol=symbol, limit=limit)
        return [trade_of_rest(row) for row in body["trades"]]

    def market(self, symbol: str | Sequence[str], *channels: str, depth: int = 20) -> MarketStream:
        """Live market data: iterate it for Bbo, BookUpdate, Trade and Gap (CL-50 .. CL-54).

        Args  symbol: a name or several; channels: of "bbo", "book", "trades", all if none;
              depth: levels a side of the local book, 1 to 1000
        """
        self._open_rest()
        assert self._http is not None
        unknown = [name for name in channels if name not in CHANNELS]
        if unknown:
            raise ValueError(f"channel {unknown[0]!r}: must be bbo, book or trades")
        names = [symbol] if isinstance(symbol, str) else list(symbol)
        stream = MarketStream(
            http=self._http,
            url=self.url,
            symbols=[self._symbols[name] for name in names],
            channels=channels or tuple(CHANNELS),
            depth=depth,
            fetch_trades=self._recent_trades,
            backoff=Backoff(),
            attempts_max=self._reconnect_attempts,
            on_close=self._streams.discard,
        )
        self._streams.add(stream)
        return stream

    # --- inside ---

    def _session(self) -> PrivateSession:
        if self._private is None:
            self._open_rest()
            raise AuthenticationFailed("this needs a token, and the client was made without")
        return self._private

    def _deadline(self, timeout: float | None) -> float:
        return self.timeout if timeout is None else timeout

    async def _load_symbols(self) -> list[Symbol]:
        body = await self._open_rest().get("/v1/symbols", self.timeout)
        symbols = symbols_of_rest(body)
        self._symbols.load(symbols)
        return symbols

    async def _reload_symbols(self) -> None:
        try:
            await self._load_symbols()
        except (NotConnected, RequestRefused) as error:
            raise LinkLost(str(error)) from None

    async def _lookup(
        self, oid: int | None = None, cid: str | None = None, symbol: str | None = None
    ) -> Order | None:
        """For the session: an order, None if the exchange doesn't know it, LinkLost if it can't
        be asked."""
        try:
            return await self.order(oid=oid, cid=cid, symbol=symbol)
        except RequestRefused as error:
            if error.code in NOT_FOUND:
                return None
            raise LinkLost(str(error)) from None
        except NotConnected as error:
            raise LinkLost(str(error)) from None

    async def _recent_trades(self, symbol: str, limit: int) -> list[Trade]:
        try:
            return await self.trades(symbol, limit)
        except (RequestRefused, NotConnected) as error:
            raise LinkLost(str(error)) from None


class Admin(_Connected):
    """Operations that need a token with the admin role."""

    def __init__(self, url: str, token: Token, *, timeout: float = 10.0):
        super().__init__(url, token, timeout)
        self.money_decimals = 0

    async def __aenter__(self) -> Admin:
        """Open. Raises NotConnected."""
        rest = await self._open()
        try:
            body = await rest.get("/v1/symbols", self.timeout)
        except BaseException:
            await self.close()
            raise
        self.money_decimals = body["money_decimals"]
        return self

    async def __aexit__(self, *exc: object) -> None:
        await self.close()

    async def close(self) -> None:
        """Close the connection."""
        await self._close_http()

    async def deposit(self, user: int, amount: Amount) -> Deposit:
        """Pay collateral into an account; returns when it is durable.

        Args    user: 1 to 2^32 - 1; amount: positive, in collateral
        Raises  InvalidAmount: nothing was sent; RequestRefused; AuthenticationFailed;
                NotConnected: nothing was sent; FateUnknown: look at the account before you repeat
        """
        exact = from_units(to_units(amount, self.money_decimals, "amount"), self.money_decimals)
        body = {"user": user, "amount": f"{exact:f}"}
        answer = await self._open_rest().post("/v1/admin/deposits", self.timeout, body)
        return Deposit(
            user=answer["user"], amount=Decimal(str(answer["amount"])), seq=answer["seq"]
        )


def _checked_cid(cid: str) -> str:
    if not isinstance(cid, str):
        raise TypeError(f"cid {cid!r}: must be a str")
    if not 1 <= len(cid.encode()) <= CID_MAX_BYTES:
        raise ValueError(f"cid {cid[:64]!r}: must be 1 to {CID_MAX_BYTES} bytes")
    return cid
