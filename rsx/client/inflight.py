"""Requests that were made and are not answered: who is meant by an update or a refusal.

No I/O. An update is told to every request that names its order; a refusal belongs to one request,
found by what it names.
Source: specs/client.md CL-11 .. CL-19; specs/wire.md W-11, W-12, W-16, W-18, W-71.
"""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Iterator
from typing import Any

from rsx.client.errors import RequestRefused
from rsx.client.frames import Symbols, in_decimals, refusal
from rsx.client.models import Order
from rsx.client.requests import AmendRequest, CancelRequest, PlaceRequest, Query, Request
from rsx.client.transport import SESSION_CODES
from rsx.errors import Reason

log = logging.getLogger("rsx.client")

# What a request that names an existing order is refused with when there is none.
GONE = (Reason.ORDER_NOT_FOUND, Reason.ORDER_NOT_OPEN, Reason.ORDER_DONE)
# Refusals of a cancel too; any other one that names an order was of its amendment.
OF_CANCELS = (
    *GONE, Reason.RATE_LIMITED, Reason.TOO_MANY_PENDING, Reason.OVERLOADED, Reason.NO_ANSWER,
    Reason.INVALID_VALUE, Reason.UNKNOWN_SYMBOL, Reason.BATCH_TOO_LARGE, Reason.INTERNAL,
    Reason.STOPPING,
)  # fmt: skip


class InFlight:
    """Everything of one session that waits for an answer."""

    def __init__(self, symbols: Symbols):
        self.places: dict[str, PlaceRequest] = {}
        self.others: list[CancelRequest] = []  # cancels and amendments, as they were made
        self.queries: deque[Query] = deque()
        # Items of each batch that was sent, for a refusal that names none of them.
        self.batches: deque[list[Request]] = deque(maxlen=64)
        self._symbols = symbols

    def __iter__(self) -> Iterator[Request]:
        yield from self.places.values()
        yield from self.others

    def waiting(self) -> Iterator[Any]:
        """The futures that somebody waits for."""
        for request in self:
            yield request.answer
        for query in self.queries:
            yield query.answer

    def sent(self) -> list[Request]:
        """Requests that were sent and not answered."""
        return [request for request in self if request.sent and not request.answer.done()]

    def add(self, request: Request) -> None:
        """Raises ValueError for a client id, or an amended order, that is in flight already."""
        if isinstance(request, PlaceRequest):
            if request.cid in self.places:
                raise ValueError(f"an order with cid {request.cid!r} is in flight")
            self.places[request.cid] = request
            return
        if isinstance(request, AmendRequest):
            # Two at once could not be told apart in the answers.
            if any(isinstance(r, AmendRequest) and r.target == request.target for r in self.others):
                raise ValueError(f"an amendment of order {request.target!r} is in flight")
        self.others.append(request)

    def discard(self, request: Request) -> None:
        """Forget a request, if it is there."""
        if isinstance(request, PlaceRequest):
            if self.places.get(request.cid) is request:
                del self.places[request.cid]
        elif request in self.others:
            self.others.remove(request)

    # --- answers ---

    def settle(self, order: Order) -> None:
        """Tell an order's update to whoever waits for it."""
        place = self.places.get(order.cid)
        # A fired trigger and an amended order have been answered before.
        if place is not None and place.symbol == order.symbol:
            place.settle(order)
        for request in self.others:
            if request.meant(order):
                request.settle(order)

    def answer(self, key: str, fields: list[Any]) -> bool:
        """Answer the oldest question of a key; False when nobody asks."""
        query = next((q for q in self.queries if q.key == key), None)
        if query is None:
            return False
        self.queries.remove(query)
        if not query.answer.done():
            query.answer.set_result(fields)
        return True

    def fail_queries(self, error: Exception) -> None:
        """End all questions with an error: they are asked again on the next connection."""
        for query in self.queries:
            if not query.answer.done():
                query.answer.set_exception(error)
        self.queries.clear()

    # --- refusals ---

    def refuse(self, fields: list[Any]) -> None:
        """`E`: find out whose it is."""
        refused = refusal(fields, self._symbols.money_decimals)
        requests = self._meant(refused, fields[5] if len(fields) > 5 else None)
        if requests and refused.code == Reason.NO_ANSWER:
            log.info("%s", refused)  # the answer may still come; the call's own deadline decides
        elif requests:
            for request in requests:
                if not request.answer.done():
                    request.answer.set_exception(self._worded(refused, request))
        elif refused.code in SESSION_CODES:
            log.info("%s", refused)
        elif (query := self._asked(refused)) is not None:
            self.queries.remove(query)
            if not query.answer.done():
                query.answer.set_exception(refused)
        else:
            log.info("the exchange says: %s", refused)

    def _meant(self, refused: RequestRefused, index: int | None) -> list[Request]:
        """The requests that a refusal is of; [] when it may be a question's, or the session's."""
        ref, code = refused.ref, refused.code
        others = [r for r in self.others if r.target == ref and r.sent and not r.answer.done()]
        if code not in OF_CANCELS:
            others = [r for r in others if isinstance(r, AmendRequest)]
        place = self.places.get(ref) if isinstance(ref, str) else None
        if place is not None and not place.answer.done() and not (others and code in GONE):
            return [place]
        if others:
            # Requests of one order are answered in the order they were sent.
            return [others[0]]
        if ref is not None or code in SESSION_CODES:
            return []
        if index is not None or code == Reason.BATCH_TOO_LARGE:
            return self._of_batch(index)
        if self.queries:
            return []
        # The exchange could not read whose fault it was; there may be only one it can be.
        sent = self.sent()
        return sent if len(sent) == 1 else []

    def _of_batch(self, index: int | None) -> list[Request]:
        """The item with that place of the oldest batch that waits, or with None all its items."""
        for batch in self.batches:
            waiting = [request for request in batch if not request.answer.done()]
            if index is None and len(waiting) == len(batch):
                return waiting
            if index is not None and index < len(batch) and not batch[index].answer.done():
                return [batch[index]]
        return []

    def _asked(self, refused: RequestRefused) -> Query | None:
        """The question that a refusal is of."""
        if refused.ref is None:
            return self.queries[0] if self.queries else None
        return next((q for q in self.queries if q.ref == refused.ref), None)

    def _worded(self, refused: RequestRefused, request: Request) -> RequestRefused:
        name = request.symbol or ""
        symbol = self._symbols.by_name.get(name)
        return refused if symbol is None else in_decimals(refused, symbol)
