"""Requests that wait for an answer on the private socket, and the buffer of events.

Source: specs/client.md CL-10 .. CL-15, CL-20, CL-21.
"""

from __future__ import annotations

import asyncio
import itertools
import secrets
from collections import deque
from dataclasses import dataclass, field
from typing import Any

from rsx.client.errors import ClientClosed
from rsx.client.models import Event, EventsLost, Order

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
    """An order on its way: the frame, and what the exchange's frames do not repeat."""

    symbol: str
    cid: str
    fields: list[Any]
    template: Order
    answer: asyncio.Future[Order]
    sent: bool = False
    resent: bool = False


@dataclass(slots=True, eq=False)
class CancelRequest:
    """A cancel on its way; `target` is an order id or a client id."""

    target: int | str
    symbol: str | None
    fields: list[Any]
    answer: asyncio.Future[Order]
    sent: bool = False

    def meant(self, order: Order) -> bool:
        """Whether this order is the one to cancel."""
        if isinstance(self.target, int):
            return order.oid == self.target
        return order.cid == self.target and self.symbol in (None, order.symbol)


@dataclass(slots=True, eq=False)
class Query:
    """A question whose answer is a frame of the same key."""

    key: str
    answer: asyncio.Future[list[Any]]


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
