"""The private session: requests, live events, reconnection, reconciliation.

       start ──▶ establishing ──▶ ready ──▶ (link lost) ──▶ establishing ...
                  connect, W,       live
                  O, FL, compare

While establishing, live events are held back; what was missed comes first. `_ready` is a future
of the current state: pending (no link), a Link (ready), or the error the client ended with.
Runs on one event loop; nothing here may be called from another thread.
Source: specs/client.md sections 2 to 4.
"""

from __future__ import annotations

import asyncio
import contextlib
import inspect
import logging
import time
from collections import deque
from collections.abc import Awaitable, Callable
from typing import Any

import aiohttp
import msgspec

from rsx.client.errors import (
    AuthenticationFailed,
    ClientClosed,
    FateUnknown,
    NotConnected,
    OrderRejected,
)
from rsx.client.frames import (
    Symbols,
    fill_of_frame,
    fill_of_row,
    in_decimals,
    order_of_row,
    order_of_update,
    refusal,
)
from rsx.client.memory import Memory
from rsx.client.models import Disconnected, Fill, Order, Resumed
from rsx.client.reconcile import (
    PAGE_MAX,
    Lookup,
    look_up_gone,
    look_up_places,
    look_up_strangers,
    missed_fills,
)
from rsx.client.requests import CancelRequest, EventBuffer, PlaceRequest, Query
from rsx.client.transport import SESSION_CODES, Backoff, Link, LinkLost, ws_url
from rsx.errors import Reason

log = logging.getLogger("rsx.client")

Token = str | Callable[[], str | Awaitable[str]]

ESTABLISH_S = 30.0
QUERIES = ("O", "P", "A", "FL", "M")
CANCEL_REFUSALS = (Reason.ORDER_NOT_FOUND, Reason.ORDER_NOT_OPEN)


class PrivateSession:
    """One user's session with the exchange, over as many connections as it takes."""

    def __init__(
        self,
        http: aiohttp.ClientSession,
        url: str,
        token: Token,
        symbols: Symbols,
        lookup: Lookup,
        reload_symbols: Callable[[], Awaitable[None]],
        event_buffer: int,
        backoff: Backoff,
        attempts_max: int | None,
    ):
        self.memory = Memory()
        self.events = EventBuffer(event_buffer)
        self.user = 0
        self.epoch = 0
        self.reconnections = 0
        self._http = http
        self._url = ws_url(url, "/ws")
        self._token = token
        self._symbols = symbols
        self._lookup = lookup
        self._reload_symbols = reload_symbols
        self._backoff = backoff
        self._attempts_max = attempts_max
        self._places: dict[str, PlaceRequest] = {}
        self._cancels: list[CancelRequest] = []
        self._queries: deque[Query] = deque()
        self._query_lock = asyncio.Lock()
        self._resent_cids: deque[tuple[str, str]] = deque(maxlen=1000)
        self._held: list[tuple[str, list[Any]]] | None = None
        self._ready: asyncio.Future[Link] = asyncio.get_running_loop().create_future()
        self._link: Link | None = None
        self._reader: asyncio.Task[LinkLost] | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        self._ended: Exception | None = None

    # --- life ---

    async def start(self) -> None:
        """Connect for the first time.

        Raises  NotConnected, AuthenticationFailed
        """
        try:
            await self._establish(lost_at=None)
        except LinkLost as lost:
            raise NotConnected(str(lost)) from None
        self._spawn(self._live())

    async def close(self) -> None:
        """End everything that waits with ClientClosed."""
        self._give_up(ClientClosed("the client is closed"))
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._drop_link()

    async def ready(self) -> Link:
        """Wait until connected and reconciled. Raises what the client ended with."""
        return await asyncio.shield(self._ready)

    # --- requests ---

    async def place(self, request: PlaceRequest, timeout_s: float) -> Order:
        """Send an order and wait for its first update (CL-11, CL-12, CL-14)."""
        if request.cid in self._places:
            raise ValueError(f"an order with cid {request.cid!r} is in flight")
        self._places[request.cid] = request
        try:
            async with asyncio.timeout(timeout_s):
                await self._dispatch(request, "N")
                return await request.answer
        except TimeoutError as error:
            if isinstance(error, (FateUnknown, NotConnected)):
                raise
            what = f"no answer to order {request.cid!r} within {timeout_s:g} s"
            if request.sent:
                raise FateUnknown(what, cid=request.cid) from None
            raise NotConnected(f"not connected for {timeout_s:g} s; nothing was sent") from None
        finally:
            del self._places[request.cid]

    async def cancel(self, request: CancelRequest, timeout_s: float) -> Order:
        """Send a cancel and wait for the order's terminal update (CL-13, CL-14)."""
        self._cancels.append(request)
        try:
            async with asyncio.timeout(timeout_s):
                await self._dispatch(request, "C")
                return await request.answer
        except TimeoutError as error:
            if isinstance(error, (FateUnknown, NotConnected)):
                raise
            if not request.sent:
                raise NotConnected(f"not connected for {timeout_s:g} s; nothing was sent") from None
            target = request.target
            cid, oid = (target, None) if isinstance(target, str) else (None, target)
            what = f"no answer to the cancel of {target!r} within {timeout_s:g} s"
            raise FateUnknown(what, cid=cid, oid=oid) from None
        finally:
            self._cancels.remove(request)

    async def query(self, key: str, fields: list[Any], timeout_s: float) -> list[Any]:
        """Ask a question, again on a new connection if need be (CL-15)."""
        try:
            async with asyncio.timeout(timeout_s), self._query_lock:
                while True:
                    link = await self.ready()
                    with contextlib.suppress(LinkLost):
                        return await self._ask(link, key, fields)
                    # The reader task must see the loss before the next look at _ready.
                    await asyncio.sleep(0)
        except TimeoutError:
            raise NotConnected(f"no answer to {key} within {timeout_s:g} s") from None

    async def _dispatch(self, request: PlaceRequest | CancelRequest, key: str) -> None:
        link = await self.ready()
        # Set first: a send that fails half way may have arrived.
        request.sent = True
        with contextlib.suppress(LinkLost):
            await link.send(key, request.fields)

    async def _ask(self, link: Link, key: str, fields: list[Any]) -> list[Any]:
        query = Query(key, asyncio.get_running_loop().create_future())
        self._queries.append(query)
        await link.send(key, fields)
        return await query.answer

    # --- connection ---

    async def _live(self) -> None:
        while self._reader is not None:
            lost = await self._reader
            lost_at = time.monotonic()
            self._ready = asyncio.get_running_loop().create_future()
            await self._drop_link()
            self.events.put(Disconnected(reason=lost.reason, code=lost.code))
            log.info("connection lost: %s", lost)
            try:
                await self._reestablish(lost_at)
            except Exception as error:
                if not isinstance(error, (AuthenticationFailed, NotConnected)):
                    log.exception("the client failed")
                self._give_up(error)
                return

    async def _reestablish(self, lost_at: float) -> None:
        while True:
            if self._attempts_max is not None and self._backoff.attempts >= self._attempts_max:
                raise NotConnected(f"gave up after {self._backoff.attempts} attempts")
            await asyncio.sleep(self._backoff.next())
            try:
                await self._establish(lost_at)
                self.reconnections += 1
                return
            except LinkLost as lost:
                log.info("not connected yet: %s", lost)
            except AuthenticationFailed as error:
                if isinstance(self._token, str):
                    raise
                log.warning("%s; asking for another token", error)

    async def _establish(self, lost_at: float | None) -> None:
        """Connect, compare, and go live. Until the end nothing is emitted or settled."""
        link = await Link.connect(self._http, self._url, await self._fresh_token())
        try:
            async with asyncio.timeout(ESTABLISH_S):
                restarted = await self._welcome(link)
                self._fail_queries(LinkLost("the connection was lost"))
                self._held = []
                self._reader = asyncio.get_running_loop().create_task(self._read(link))
                if lost_at is None:
                    await self._prime(link)
                else:
                    await self._reconcile(link, restarted, lost_at)
        except BaseException as error:
            self._link = link
            await self._drop_link()
            if isinstance(error, TimeoutError):
                raise LinkLost("the exchange did not answer in time") from None
            raise
        self._link = link
        self._backoff.reset()
        self._ready.set_result(link)

    async def _welcome(self, link: Link) -> bool:
        key, fields = await link.receive()
        if key == "E":
            error = refusal(fields)
            if 4000 <= error.code < 5000:
                raise AuthenticationFailed(str(error))
            raise LinkLost(str(error), error.code)
        if key != "W":
            raise LinkLost(f"{key} came where W was due")
        self.user, epoch = fields[0], fields[1]
        restarted = bool(self.epoch) and epoch != self.epoch
        if restarted:
            await self._reload_symbols()
        self.epoch = epoch
        return restarted

    async def _fresh_token(self) -> str:
        if isinstance(self._token, str):
            return self._token
        token = self._token()
        return await token if inspect.isawaitable(token) else token

    async def _drop_link(self) -> None:
        if self._reader is not None:
            # Not `await`: that could not tell the reader's cancellation from our own.
            self._reader.cancel()
            await asyncio.wait([self._reader])
            self._reader = None
        if self._link is not None:
            await self._link.close()
            self._link = None

    def _give_up(self, error: Exception) -> None:
        if self._ended is not None:
            return
        self._ended = error
        if self._ready.done():
            self._ready = asyncio.get_running_loop().create_future()
        self._ready.set_exception(error)
        self._ready.exception()  # taken here: not every client has a waiter to take it
        self.events.end(error)
        waiting: list[asyncio.Future[Any]] = [r.answer for r in self._places.values()]
        waiting += [r.answer for r in self._cancels]
        waiting += [query.answer for query in self._queries]
        for answer in waiting:
            if not answer.done():
                answer.set_exception(error)

    def _spawn(self, work: Any) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    # --- reading ---

    async def _read(self, link: Link) -> LinkLost:
        try:
            while True:
                key, fields = await link.receive()
                self._on_frame(key, fields)
        except LinkLost as error:
            lost = error
        except (ValueError, TypeError, KeyError, IndexError) as error:
            log.exception("a frame that this client does not understand")
            lost = LinkLost(f"not understood: {error!r}")
        self._fail_queries(lost)
        return lost

    def _fail_queries(self, lost: LinkLost) -> None:
        for query in self._queries:
            if not query.answer.done():
                query.answer.set_exception(lost)
        self._queries.clear()

    def _on_frame(self, key: str, fields: list[Any]) -> None:
        if key in ("U", "F"):
            if self._held is None:
                self._apply(key, fields)
            else:
                self._held.append((key, fields))
        elif key in QUERIES:
            query = next((q for q in self._queries if q.key == key), None)
            if query is not None:
                self._queries.remove(query)
                if not query.answer.done():
                    query.answer.set_result(fields)
        elif key == "E":
            self._on_error(fields)

    def _apply(self, key: str, fields: list[Any]) -> None:
        if key == "F":
            if fill := self.memory.on_fill(fill_of_frame(fields, self._symbols)):
                self.events.put(fill)
            return
        known = self.memory.get(fields[0])
        place = self._places.get(fields[5])
        if known is None and place is not None:
            known = place.template
        order = order_of_update(fields, self._symbols, known)
        if order.reason == Reason.DUPLICATE_CLIENT_ID.name and self._own_duplicate(order):
            return
        if update := self.memory.on_update(order):
            self.events.put(update)
        self._settle(order)

    def _own_duplicate(self, order: Order) -> bool:
        """Whether this is the second copy of an order that this client sent twice (CL-37)."""
        if (order.symbol, order.cid) not in self._resent_cids:
            return False
        place = self._places.get(order.cid)
        if place is not None and place.resent and not place.answer.done():
            self._spawn(self._settle_twin(place, order.original_oid))
        return True

    async def _settle_twin(self, place: PlaceRequest, oid: int) -> None:
        """Find the order that has the client id; if it is forgotten, its fills tell its end."""
        try:
            order = await self._lookup(cid=place.cid, symbol=place.symbol)
        except LinkLost:
            return  # the next connection settles it
        if place.answer.done() or (order is not None and order.status == "pending"):
            return
        if order is None or order.reason == Reason.DUPLICATE_CLIENT_ID.name:
            if not oid:
                text = f"order {place.cid!r} was taken, and the exchange forgot what became of it"
                place.answer.set_exception(FateUnknown(text, cid=place.cid))
                return
            whole = msgspec.structs.replace(place.template, oid=oid, filled=self.memory.traded(oid))
            order = self.memory.guess_end(whole, [])
            if update := self.memory.on_update(order):
                self.events.put(update)
        self._settle(order)

    def _settle(self, order: Order) -> None:
        """Answer whoever waits for this order."""
        place = self._places.get(order.cid)
        if place is not None and place.symbol == order.symbol and not place.answer.done():
            if order.status == "rejected":
                place.answer.set_exception(OrderRejected(order))
            elif order.status != "pending":
                place.answer.set_result(order)
        if not order.is_open:
            for cancel in self._cancels:
                if cancel.meant(order) and not cancel.answer.done():
                    cancel.answer.set_result(order)

    def _on_error(self, fields: list[Any]) -> None:
        refused = refusal(fields)
        error: Exception = refused
        code, ref = refused.code, refused.ref
        cancels = [c for c in self._cancels if c.target == ref and not c.answer.done()]
        place = self._places.get(ref) if isinstance(ref, str) else None
        if code == Reason.NO_ANSWER and (place is not None or cancels):
            log.info("%s", error)  # the answer may still come; the call's own deadline decides
        elif place is not None and (not cancels or code not in CANCEL_REFUSALS):
            if not place.answer.done():
                place.answer.set_exception(in_decimals(refused, place.template))
        elif cancels:
            for cancel in cancels:
                cancel.answer.set_exception(error)
        elif code in SESSION_CODES:
            log.info("%s", error)
        elif ref is None and self._queries:
            query = self._queries.popleft()
            if not query.answer.done():
                query.answer.set_exception(error)
        elif ref is None and (alone := self._only_request()) is not None:
            # The exchange could not read whose fault it was; there is only one it can be.
            alone.answer.set_exception(error)
        else:
            log.info("the exchange says: %s", error)

    def _only_request(self) -> PlaceRequest | CancelRequest | None:
        sent: list[PlaceRequest | CancelRequest] = [r for r in self._places.values() if r.sent]
        sent += [r for r in self._cancels if r.sent]
        return sent[0] if len(sent) == 1 and not sent[0].answer.done() else None

    # --- reconciliation ---

    async def _prime(self, link: Link) -> None:
        rows = [order_of_row(row, self._symbols) for row in await self._ask(link, "O", [])]
        newest = [fill_of_row(row, self._symbols) for row in await self._ask(link, "FL", [0, 2, 0])]
        self._release_held()
        self.memory.prime(rows, newest)

    async def _reconcile(self, link: Link, restarted: bool, lost_at: float) -> None:
        """Find out what was missed (CL-35 .. CL-38), then emit it at once.

        O is asked before FL, FL before the lookups: so the fills of every order that has ended
        by its lookup are known, or that lookup is not used yet.
        """
        rows = [order_of_row(row, self._symbols) for row in await self._ask(link, "O", [])]

        async def page(before: int) -> list[Fill]:
            frame = await self._ask(link, "FL", [0, PAGE_MAX, before])
            return [fill_of_row(row, self._symbols) for row in frame]

        fills, complete = await missed_fills(page, self.memory.last_fill_seq)
        ended = await look_up_gone(self._lookup, self.memory, rows, fills)
        in_flight = [p for p in self._places.values() if p.sent and not p.answer.done()]
        settled, unseen = await look_up_places(
            self._lookup, self.memory, in_flight, rows, fills, complete
        )
        strangers = await look_up_strangers(self._lookup, self.memory, rows, fills, complete)
        # From here on without a pause: nothing can come between.
        events = self.memory.recover(rows, fills, [*ended, *settled, *strangers])
        for event in events:
            self.events.put(event)
        for order in [*rows, *ended, *settled]:
            self._settle(order)
        cancels = [c for c in self._cancels if c.sent and not c.answer.done()]
        self.events.put(
            Resumed(
                fills=sum(isinstance(event, Fill) for event in events),
                updates=sum(not isinstance(event, Fill) for event in events),
                resent=len(unseen) + len(cancels),
                restarted=restarted,
                complete=complete,
                down_s=round(time.monotonic() - lost_at, 3),
            )
        )
        self._release_held()
        await self._send_again(link, unseen, cancels)

    def _release_held(self) -> None:
        held, self._held = self._held or [], None
        for key, fields in held:
            self._apply(key, fields)

    async def _send_again(
        self, link: Link, places: list[PlaceRequest], cancels: list[CancelRequest]
    ) -> None:
        # Should the link fail here, the requests stay in flight and the next one settles them.
        with contextlib.suppress(LinkLost):
            for place in places:
                if not place.answer.done():
                    place.resent = True
                    self._resent_cids.append((place.symbol, place.cid))
                    await link.send("N", place.fields)
            for cancel in cancels:
                if not cancel.answer.done():
                    await link.send("C", cancel.fields)
