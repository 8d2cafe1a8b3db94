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

from rsx.client.account_frames import EVENTS
from rsx.client.errors import (
    AuthenticationFailed,
    ClientClosed,
    FateUnknown,
    NotConnected,
    RequestRefused,
)
from rsx.client.frames import (
    Symbols,
    dead_man_of_frame,
    fill_of_frame,
    fill_of_row,
    mode_of_frame,
    order_of_duplicate,
    order_of_row,
    order_of_update,
    refusal,
    settings_of_frame,
)
from rsx.client.inflight import InFlight
from rsx.client.memory import Memory
from rsx.client.models import (
    AccountSettings,
    Disconnected,
    Fill,
    Order,
    Resumed,
    RulesChanged,
    Symbol,
)
from rsx.client.reconcile import (
    PAGE_MAX,
    Lookup,
    look_up_gone,
    look_up_places,
    look_up_strangers,
    missed_fills,
    settle_amendments,
)
from rsx.client.requests import (
    AmendRequest,
    CancelRequest,
    EventBuffer,
    PlaceRequest,
    Query,
    Request,
)
from rsx.client.transport import Backoff, Link, LinkLost, ws_url
from rsx.errors import Reason

log = logging.getLogger("rsx.client")

Token = str | Callable[[], str | Awaitable[str]]

ESTABLISH_S = 30.0
QUERIES = ("O", "P", "A", "FL", "FH", "LH", "M", "CA", "CD", "DM", "AS", "AW", "Q")
BATCH_KEYS = {"N": "BN", "C": "BC", "R": "BR"}


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
        guarded: bool,
        on_mode: Callable[[str, str], None],
        on_rules: Callable[[Symbol], None],
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
        self.settings: AccountSettings | None = None
        self._on_mode = on_mode
        self._on_rules = on_rules
        # What the exchange forgets with a connection, and with a restart.
        self._guarded = guarded
        self._dead_men: dict[int, int] = {}
        self._watching = False
        self._in_flight = InFlight(symbols)
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

    async def close(self, farewell: bool = False) -> None:
        """End everything that waits with ClientClosed.

        Args  farewell: take leave, so that cancel on disconnect leaves the orders (W-72)
        """
        if farewell and self._link is not None:
            with contextlib.suppress(LinkLost):
                await self._link.send("BYE", [])
        self._give_up(ClientClosed("the client is closed"))
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._drop_link()

    async def ready(self) -> Link:
        """Wait until connected and reconciled. Raises what the client ended with."""
        return await asyncio.shield(self._ready)

    # --- requests ---

    async def request(self, request: Request, timeout_s: float) -> Order:
        """Send an order, cancel or amendment and wait for its answer (CL-11 .. CL-14)."""
        (result,) = await self.batch([request], timeout_s)
        if isinstance(result, Exception):
            raise result
        return result

    async def batch(self, requests: list[Request], timeout_s: float) -> list[Order | Exception]:
        """Send requests of one kind in one frame and wait for all answers, in order (CL-19)."""
        in_flight = self._in_flight
        try:
            for request in requests:
                in_flight.add(request)
            async with asyncio.timeout(timeout_s):
                await self._dispatch(requests)
                await asyncio.wait([request.answer for request in requests])
        except TimeoutError as error:
            if isinstance(error, (FateUnknown, NotConnected)):
                raise
        finally:
            for request in requests:
                in_flight.discard(request)
                if request.answer.done() and not request.answer.cancelled():
                    request.answer.exception()  # taken: who gave up has said so to `ready` too
        return [_result(request, timeout_s) for request in requests]

    async def query(
        self, key: str, fields: list[Any], timeout_s: float, *, ref: int | str | None = None,
        acts: bool = False,
    ) -> list[Any]:  # fmt: skip
        """Ask a question, again on a new connection if need be (CL-15).

        Args  ref: the order that it names; acts: it changes something, so that its fate matters
        """
        sent = False
        try:
            async with asyncio.timeout(timeout_s), self._query_lock:
                while True:
                    link = await self.ready()
                    sent = True
                    with contextlib.suppress(LinkLost):
                        return await self._ask(link, key, fields, ref)
                    # The reader task must see the loss before the next look at _ready.
                    await asyncio.sleep(0)
        except TimeoutError:
            if sent and acts:
                raise FateUnknown(f"no answer to {key} within {timeout_s:g} s") from None
            raise NotConnected(f"no answer to {key} within {timeout_s:g} s") from None

    async def guard(self, on: bool, timeout_s: float) -> None:
        """Cancel on disconnect for orders from now on, on every connection (W-72)."""
        await self.query("CD", [int(on)], timeout_s, acts=True)
        self._guarded = on

    async def watch(self, on: bool, timeout_s: float) -> None:
        """Account pushes, on every connection from now on (W-85)."""
        await self.query("AW", [int(on)], timeout_s)
        self._watching = on

    async def dead_man(self, sym: int, timeout_ms: int, timeout_s: float) -> list[Any]:
        """Set a dead-man timer; it is set anew after a restart of the exchange (W-73)."""
        fields = await self.query("DM", [timeout_ms, sym], timeout_s, acts=True)
        self._dead_men[sym] = timeout_ms
        return fields

    async def _dispatch(self, requests: list[Request]) -> None:
        link = await self.ready()
        # Set first: a send that fails half way may have arrived.
        for request in requests:
            request.sent = True
        key, fields = requests[0].key, requests[0].fields
        if len(requests) > 1:
            key, fields = BATCH_KEYS[key], [request.fields for request in requests]
            self._in_flight.batches.append(requests)
        with contextlib.suppress(LinkLost):
            await link.send(key, fields)

    async def _ask(
        self, link: Link, key: str, fields: list[Any], ref: int | str | None = None
    ) -> list[Any]:
        query = Query(key, asyncio.get_running_loop().create_future(), ref)
        self._in_flight.queries.append(query)
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
                self._in_flight.fail_queries(LinkLost("the connection was lost"))
                self._held = []
                self._reader = asyncio.get_running_loop().create_task(self._read(link))
                await self._renew_guards(link, restarted)
                if lost_at is None:
                    await self._prime(link)
                else:
                    await self._reconcile(link, restarted, lost_at)
        except BaseException as error:
            self._link = link
            await self._drop_link()
            if isinstance(error, TimeoutError):
                raise LinkLost("the exchange did not answer in time") from None
            if isinstance(error, RequestRefused):
                raise LinkLost(str(error)) from None
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
        if self.epoch:
            await self._reload_symbols()
        self.epoch = epoch
        return restarted

    async def _renew_guards(self, link: Link, restarted: bool) -> None:
        """Ask again for what the exchange forgot: before any order goes out."""
        if self._guarded:
            await self._ask(link, "CD", [1])
        if self._watching:
            await self._ask(link, "AW", [1])
        for sym, timeout_ms in list(self._dead_men.items()) if restarted else ():
            if timeout_ms:
                await self._ask(link, "DM", [timeout_ms, sym])

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
        for answer in self._in_flight.waiting():
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
        self._in_flight.fail_queries(lost)
        return lost

    def _on_frame(self, key: str, fields: list[Any]) -> None:
        if key in ("U", "F", "DU"):
            if self._held is None:
                self._apply(key, fields)
            else:
                self._held.append((key, fields))
        elif key == "E":
            self._in_flight.refuse(fields)
        elif key == "MO":
            mode = mode_of_frame(fields, self._symbols.by_id[fields[0]])
            self._on_mode(mode.symbol, mode.mode)
            self.events.put(mode)
        elif key in EVENTS:
            event = EVENTS[key](fields, self._symbols)
            if isinstance(event, RulesChanged):
                self._on_rules(event.symbol)
            self.events.put(event)
        elif key == "DM" and fields[3]:
            self._dead_men.pop(fields[0], None)
            self.events.put(dead_man_of_frame(fields, self._symbols))
        elif key in QUERIES and self._in_flight.answer(key, fields):
            if key == "AS":
                self.settings = settings_of_frame(fields)
        elif key == "AS" and self.settings != (settings := settings_of_frame(fields)):
            self.settings = settings
            self.events.put(settings)

    def _apply(self, key: str, fields: list[Any]) -> None:
        if key == "F":
            if fill := self.memory.on_fill(fill_of_frame(fields, self._symbols)):
                self.events.put(fill)
            return
        known = self.memory.get(fields[0])
        place = self._in_flight.places.get(fields[5])
        if key == "DU":
            self._on_duplicate(fields, known, place)
            return
        if known is None and place is not None:
            known = place.template
        order = order_of_update(fields, self._symbols, known)
        if order.reason == Reason.DUPLICATE_CLIENT_ID.name:
            # `DU` follows on this connection and tells whoever waits (W-16).
            if self._own_duplicate(order):
                return
            if update := self.memory.on_update(order):
                self.events.put(update)
            return
        if update := self.memory.on_update(order):
            self.events.put(update)
        self._in_flight.settle(order)

    def _own_duplicate(self, order: Order) -> bool:
        """Whether this is the second copy of an order that this client sent twice (CL-37)."""
        return (order.symbol, order.cid) in self._resent_cids

    def _on_duplicate(
        self, fields: list[Any], known: Order | None, place: PlaceRequest | None
    ) -> None:
        """The state of the order that has a client id: the answer to a second one with it."""
        if place is not None and place.resent and known is None:
            known = place.template
        order = order_of_duplicate(fields, self._symbols, known)
        if (order.symbol, order.cid) in self._resent_cids:
            # Sent twice by this client: it is one order, and this may be all that is told of it.
            order = msgspec.structs.replace(order, duplicate=False)
            if update := self.memory.on_update(order):
                self.events.put(update)
        if place is not None and place.symbol == order.symbol:
            if order.status != "pending":
                place.settle(order)
            elif order.duplicate and not place.answer.done():
                place.answer.set_result(order)

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
        sent = self._in_flight.sent()
        settled, unseen = await look_up_places(
            self._lookup, self.memory, [r for r in sent if isinstance(r, PlaceRequest)], rows,
            fills, complete,
        )  # fmt: skip
        strangers = await look_up_strangers(self._lookup, self.memory, rows, fills, complete)
        # From here on without a pause: nothing can come between.
        events = self.memory.recover(rows, fills, [*ended, *settled, *strangers])
        for event in events:
            self.events.put(event)
        for order in [*rows, *ended, *settled]:
            self._in_flight.settle(order)
        again: list[Request] = [place for place in unseen if not place.answer.done()]
        again += [r for r in sent if type(r) is CancelRequest and not r.answer.done()]
        amends = [r for r in sent if isinstance(r, AmendRequest) and not r.answer.done()]
        again += settle_amendments(amends, [*self.memory.ended.values(), *rows, *ended])
        self.events.put(
            Resumed(
                fills=sum(isinstance(event, Fill) for event in events),
                updates=sum(not isinstance(event, Fill) for event in events),
                resent=len(again),
                restarted=restarted,
                complete=complete,
                down_s=round(time.monotonic() - lost_at, 3),
            )
        )
        self._release_held()
        await self._send_again(link, again)

    def _release_held(self) -> None:
        held, self._held = self._held or [], None
        for key, fields in held:
            self._apply(key, fields)

    async def _send_again(self, link: Link, requests: list[Request]) -> None:
        # Should the link fail here, the requests stay in flight and the next one settles them.
        with contextlib.suppress(LinkLost):
            for request in requests:
                if request.answer.done():
                    continue
                if isinstance(request, PlaceRequest):
                    request.resent = True
                    self._resent_cids.append((request.symbol, request.cid))
                await link.send(request.key, request.fields)


def _result(request: Request, timeout_s: float) -> Order | Exception:
    """What became of a request whose waiting is over."""
    if request.answer.done():
        return request.answer.exception() or request.answer.result()  # type: ignore[return-value]
    if not request.sent:
        return NotConnected(f"not connected for {timeout_s:g} s; nothing was sent")
    return request.fate_unknown(f"no answer to {request.what} within {timeout_s:g} s")
