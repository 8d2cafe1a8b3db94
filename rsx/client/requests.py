"""Requests that wait for an answer on the private socket, and the buffer of events.

Source: specs/client.md CL-10 .. CL-19, CL-20, CL-21.
"""

from __future__ import annotations

import asyncio
import itertools
import secrets
from collections import deque
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from rsx.client.errors import ClientClosed, FateUnknown, OrderRejected
from rsx.client.models import Event, EventsLost, Order
from rsx.errors import Reason

_ALPHABET = "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"


class ClientIds:
    """Client order ids, unique across processes and restarts (CL-10)."""

    def __init__(self) -> None:
        self._prefix = "".join(secrets.choice(_ALPHABET) for _ in range(10))
        self._numbers = itertools.count(1)

    def next(self) -> str:
        return f"{self._prefix}-{next(self._numbers):x}"


@dataclass(slots=True, eq=False)
class PlaceRequest:
    """An order or trigger on its way: the frame, and what the exchange's frames do not repeat."""

    key: str
    symbol: str
    cid: str
    fields: list[Any]
    template: Order
    answer: asyncio.Future[Order]
    sent: bool = False
    resent: bool = False

    def settle(self, order: Order) -> None:
        """Take an update of the order; a rejection is an error."""
        if self.answer.done() or order.status == "pending":
            return
        if order.status == "rejected" and not order.duplicate:
            self.answer.set_exception(OrderRejected(order))
        else:
            self.answer.set_result(order)

    @property
    def what(self) -> str:
        return f"order {self.cid!r}"

    def fate_unknown(self, text: str) -> FateUnknown:
        return FateUnknown(text, cid=self.cid)


@dataclass(slots=True, eq=False)
class CancelRequest:
    """A cancel on its way; `target` is an order id or a client id."""

    target: int | str
    symbol: str | None
    fields: list[Any]
    answer: asyncio.Future[Order]
    key: str = "C"
    sent: bool = False

    def meant(self, order: Order) -> bool:
        """Whether this order is the one that it names."""
        if isinstance(self.target, int):
            return order.oid == self.target
        return order.cid == self.target and self.symbol in (None, order.symbol)

    def settle(self, order: Order) -> None:
        """Take an update of the order: its end is the answer."""
        if not self.answer.done() and not order.is_open:
            self.answer.set_result(order)

    @property
    def what(self) -> str:
        return f"the cancel of {self.target!r}"

    def fate_unknown(self, text: str) -> FateUnknown:
        cid, oid = (self.target, None) if isinstance(self.target, str) else (None, self.target)
        return FateUnknown(text, cid=cid, oid=oid)


@dataclass(slots=True, eq=False)
class AmendRequest(CancelRequest):
    """An amendment on its way. `price`, `qty`: what it asks for, None = as it is.

    It is answered when the order rests with its new terms, or has ended after it took them.
    """

    key: str = "R"
    price: Decimal | None = None
    qty: Decimal | None = None
    taken: bool = False

    def settle(self, order: Order) -> None:
        """Take an update of the order."""
        if self.answer.done():
            return
        if order.kept_place is not None and self.asked_for(order):
            self.taken = True
        if order.reason == Reason.AMENDED_AWAY.name:
            self.taken = True
        if self.taken and order.status != "pending":
            self.answer.set_result(order)

    def asked_for(self, order: Order) -> bool:
        """Whether the order has the terms that this asks for."""
        # A repriced order has another price than it asked for.
        right_price = self.price in (None, order.price) or bool(order.reprice)
        return right_price and self.qty in (None, order.qty)

    @property
    def what(self) -> str:
        return f"the amendment of {self.target!r}"


Request = PlaceRequest | CancelRequest


@dataclass(slots=True, eq=False)
class Query:
    """A question whose answer is a frame of the same key. `ref`: the order that it names."""

    key: str
    answer: asyncio.Future[list[Any]]
    ref: int | str | None = None


@dataclass(slots=True)
class EventBuffer:
    """Events until somebody reads them: bounded, the oldest go first, never silently."""

    size_max: int
    lost: int = 0
    reading: bool = False
    _events: deque[Event] = field(default_factory=deque)
    _filled: asyncio.Event = field(default_factory=asyncio.Event)
    _end: BaseException | None = None

    def put(self, event: Event) -> None:
        """Add an event; drops the oldest when full."""
        if len(self._events) >= self.size_max:
            self._events.popleft()
            self.lost += 1
        self._events.append(event)
        self._filled.set()

    def end(self, error: BaseException) -> None:
        """No more events: readers get what is left, then the error (ClientClosed ends quietly)."""
        if self._end is None:
            self._end = error
            self._filled.set()

    async def get(self) -> Event | None:
        """Next event; None after a quiet end. Cancelling it loses nothing.

        Raises  RuntimeError if another task waits already; the error given to `end`
        """
        if self.reading:
            raise RuntimeError("events() is being read by another task")
        self.reading = True
        try:
            while not self._events and not self.lost:
                if self._end is not None:
                    if isinstance(self._end, ClientClosed):
                        return None
                    raise self._end
                self._filled.clear()
                await self._filled.wait()
        finally:
            self.reading = False
        if self.lost:
            lost, self.lost = self.lost, 0
            return EventsLost(count=lost)
        return self._events.popleft()
