"""`Client`: trade and watch one exchange. Its orders are in trading.py, its money in accounts.py.

Use it with `async with`, from one event loop (asyncio or uvloop).
Source: specs/client.md.
"""

from __future__ import annotations

import weakref
from collections.abc import AsyncIterator, Mapping, Sequence
from types import MappingProxyType

import msgspec

from rsx.client.errors import NotConnected, RequestRefused
from rsx.client.frames import (
    Symbols,
    book_of_rest,
    fill_of_row,
    order_of_rest,
    order_of_row,
    queue_of_frame,
    symbols_of_rest,
    trade_of_rest,
)
from rsx.client.history import Histories
from rsx.client.market import CHANNELS, DEFAULT_CHANNELS, MarketStream
from rsx.client.models import (
    Book,
    Event,
    Fill,
    ModeChanged,
    Order,
    QueuePosition,
    Symbol,
    Trade,
)
from rsx.client.private import PrivateSession, Token
from rsx.client.requests import ClientIds, EventBuffer
from rsx.client.trading import OrderRef
from rsx.client.transport import Backoff, LinkLost
from rsx.errors import Reason

NOT_FOUND = (Reason.NOT_FOUND, Reason.ORDER_NOT_FOUND, Reason.ORDER_NOT_OPEN)


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


class Client(Histories):
    """One user's connection to an exchange.

    Args  url: of the exchange, http or https;
          token: of the user, or a callable (plain or async) that gives a fresh one at each
          connection; None for public data only;
          timeout: deadline of each request, seconds;
          event_buffer: events kept until `events()` is read;
          reconnect_attempts: in a row before giving up; None = for ever;
          cancel_on_disconnect: end the orders of this client with its connection (CL-45)
    """

    def __init__(
        self,
        url: str = "http://127.0.0.1:8080",
        token: Token | None = None,
        *,
        timeout: float = 10.0,
        event_buffer: int = 10_000,
        reconnect_attempts: int | None = None,
        cancel_on_disconnect: bool = False,
    ):
        super().__init__(url, token, timeout)
        self._event_buffer = event_buffer
        self._reconnect_attempts = reconnect_attempts
        self._guarded = cancel_on_disconnect
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
                    guarded=self._guarded,
                    on_mode=self._on_mode,
                    on_rules=self._on_rules,
                )
                await self._private.start()
        except BaseException:
            await self.close()
            raise
        assert rest is self._rest
        return self

    async def __aexit__(self, *exc: object) -> None:
        await self.close()

    async def close(self, keep_orders: bool = False) -> None:
        """Close all connections. Resting orders stay where they are, but for those that were
        placed under cancel on disconnect: they end, unless `keep_orders` is set."""
        if self._private is not None:
            await self._private.close(farewell=keep_orders)
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
        """Open orders and waiting triggers by order id as the events told so far: a live view,
        nothing is asked."""
        return MappingProxyType(self._session().memory.open)

    # --- account ---

    async def orders(self, symbol: str | None = None) -> list[Order]:
        """Open orders and waiting triggers, of one market or of all. Raises NotConnected."""
        rows = await self._session().query("O", [], self.timeout)
        orders = [order_of_row(row, self._symbols) for row in rows]
        return [order for order in orders if symbol in (None, order.symbol)]

    async def triggers(self, symbol: str | None = None) -> list[Order]:
        """Stops, take-profits and trailing stops that wait. Raises NotConnected."""
        return [order for order in await self.orders(symbol) if order.status == "waiting"]

    async def queue_position(self, order: OrderRef, symbol: str | None = None) -> QueuePosition:
        """What rests before an own order at its price.

        Raises  RequestRefused if no such order of yours rests; NotConnected
        """
        target, symbol = self._named(order, symbol)
        sym = None if symbol is None else self._symbols[symbol].id
        fields = await self._session().query("Q", [target, sym], self.timeout, ref=target)
        return queue_of_frame(fields, self._symbols)

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
        """All markets and their rules, asked anew. Raises NotConnected."""
        return await self._load_symbols()

    def symbol(self, name: str) -> Symbol:
        """One market and its rules as known here, the trading mode up to date with a token.

        Raises  RequestRefused for an unknown name
        """
        return self._symbols[name]

    async def book(self, symbol: str, depth: int = 20) -> Book:
        """A book as it is now. Raises NotConnected, RequestRefused."""
        body = await self._open_rest().get("/v1/book", self.timeout, symbol=symbol, depth=depth)
        return book_of_rest(body)

    async def trades(self, symbol: str, limit: int = 50) -> list[Trade]:
        """The last trades, newest first; `limit` up to 1000. Raises NotConnected."""
        body = await self._open_rest().get("/v1/trades", self.timeout, symbol=symbol, limit=limit)
        return [trade_of_rest(row) for row in body["trades"]]

    def market(self, symbol: str | Sequence[str], *channels: str, depth: int = 20) -> MarketStream:
        """Live market data: iterate it for Bbo, BookUpdate, Trade, Mark, Gap, ... (CL-50 .. CL-57).

        Args  symbol: a name or several; channels: of "bbo", "book", "trades", "orders" (order by
              order), "mark", "funding", "liquidations" and "open_interest", the first three if
              none; depth: levels a side of the local book, 1 to 1000
        """
        self._open_rest()
        assert self._http is not None
        unknown = [name for name in channels if name not in CHANNELS]
        if unknown:
            raise ValueError(f"channel {unknown[0]!r}: must be one of {', '.join(CHANNELS)}")
        names = [symbol] if isinstance(symbol, str) else list(symbol)
        stream = MarketStream(
            http=self._http,
            url=self.url,
            symbols=[self._symbols[name] for name in names],
            channels=channels or DEFAULT_CHANNELS,
            depth=depth,
            fetch_trades=self._recent_trades,
            backoff=Backoff(),
            attempts_max=self._reconnect_attempts,
            on_close=self._streams.discard,
        )
        self._streams.add(stream)
        return stream

    # --- inside ---

    async def _load_symbols(self) -> list[Symbol]:
        body = await self._open_rest().get("/v1/symbols", self.timeout)
        symbols = symbols_of_rest(body)
        self._symbols.load(symbols)
        return symbols

    def _on_mode(self, name: str, mode: str) -> None:
        known = self._symbols[name]
        self._symbols.load([msgspec.structs.replace(known, mode=mode)])

    def _on_rules(self, symbol: Symbol) -> None:
        self._symbols.load([symbol])

    async def _reload_symbols(self) -> None:
        """For the session: take the list anew, and tell of the modes that are new in it."""
        before = {symbol.name: symbol.mode for symbol in self._symbols.by_name.values()}
        try:
            symbols = await self._load_symbols()
        except (NotConnected, RequestRefused) as error:
            raise LinkLost(str(error)) from None
        for symbol in symbols:
            if self._private and before.get(symbol.name, symbol.mode) != symbol.mode:
                mode = ModeChanged(symbol=symbol.name, mode=symbol.mode, ts_ns=0, seq=0)
                self._private.events.put(mode)

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
