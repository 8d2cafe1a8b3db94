"""What other exchanges say on their public WebSockets, read strictly.

    read: one message -> prices of products, or nothing; MessageError drops it with a cause,
          VenueError ends the connection

No sockets here. Source: specs/mark.md section 4; the venues' own documentation of their streams.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar, NamedTuple, Protocol

import orjson

from rsx.mark.text import to_ns

GARBAGE, FORM, NUMBER, UNKNOWN = "garbage", "form", "number", "unknown"
NS_PER_MS = 1_000_000
WORDS_MAX = 200  # of what a venue says of an error


class MessageError(Exception):
    """A message that is no price; `cause` is one of MK-33."""

    def __init__(self, cause: str):
        super().__init__(cause)
        self.cause = cause


class VenueError(Exception):
    """The venue refuses what was asked; its words."""


class Said(NamedTuple):
    """One price as a venue wrote it: decimals, two of them for a middle; event_ns 0 = unknown."""

    product: str
    stream: str
    prices: tuple[str, ...]
    event_ns: int


class Ask(NamedTuple):
    """What is wanted of a venue: product as configured, stream "" where it has only one."""

    product: str
    stream: str


class Venue(Protocol):
    """Address, subscription and messages of one venue."""

    @property
    def name(self) -> str: ...
    def address(self, url: str, asks: Sequence[Ask]) -> str: ...
    def hello(self, asks: Sequence[Ask]) -> list[str]: ...
    def key(self, product: str) -> str: ...
    def read(self, message: str | bytes) -> Said | None: ...


def _object(message: str | bytes) -> dict[str, Any]:
    try:
        value = orjson.loads(message)
    except orjson.JSONDecodeError:
        raise MessageError(GARBAGE) from None
    if not isinstance(value, dict):
        raise MessageError(GARBAGE)
    return value


def _text(payload: dict[str, Any], key: str) -> str:
    value = payload.get(key)
    if not isinstance(value, str):
        raise MessageError(FORM)
    return value


class Binance:
    """Spot and futures streams; combined ones wrap the payload in `data` (MK-31)."""

    name = "binance"

    # Event type -> its stream, where the price is, where the time is, best first.
    EVENTS: ClassVar = {
        "bookTicker": ("bookTicker", ("b", "a"), ("T", "E")),
        "trade": ("trade", ("p",), ("T", "E")),
        "aggTrade": ("aggTrade", ("p",), ("T", "E")),
        "markPriceUpdate": ("markPrice", ("p",), ("E",)),
    }

    def address(self, url: str, asks: Sequence[Ask]) -> str:
        streams = "/".join(f"{ask.product}@{ask.stream}" for ask in asks)
        return f"{url}/stream?streams={streams}"

    def hello(self, asks: Sequence[Ask]) -> list[str]:
        return []

    def key(self, product: str) -> str:
        """The product's name in messages."""
        return product.upper()

    def read(self, message: str | bytes) -> Said | None:
        """A price; None for what is none. Raises MessageError, VenueError."""
        payload = _object(message)
        if payload.get("error") is not None or "code" in payload:
            words = payload.get("error") or payload
            raise VenueError(str(words)[:WORDS_MAX])
        if "result" in payload and "id" in payload:
            return None
        if "data" in payload:
            payload = payload["data"]
            if not isinstance(payload, dict):
                raise MessageError(FORM)
        kind = payload.get("e", "bookTicker")  # best prices of the spot market have no type
        if not isinstance(kind, str):
            raise MessageError(FORM)
        if kind not in self.EVENTS:
            return None
        stream, prices, times = self.EVENTS[kind]
        return Said(
            _text(payload, "s"),
            stream,
            tuple(_text(payload, key) for key in prices),
            self._time(payload, times),
        )

    @staticmethod
    def _time(payload: dict[str, Any], keys: Sequence[str]) -> int:
        for key in keys:
            if key in payload:
                ms = payload[key]
                if type(ms) is not int or ms <= 0:
                    raise MessageError(FORM)
                return ms * NS_PER_MS
        return 0


class Coinbase:
    """The exchange feed's ticker channel."""

    name = "coinbase"

    def address(self, url: str, asks: Sequence[Ask]) -> str:
        return url

    def hello(self, asks: Sequence[Ask]) -> list[str]:
        products = [ask.product for ask in asks]
        text = {"type": "subscribe", "product_ids": products, "channels": ["ticker", "heartbeat"]}
        return [orjson.dumps(text).decode()]

    def key(self, product: str) -> str:
        return product

    def read(self, message: str | bytes) -> Said | None:
        """A price; None for what is none. Raises MessageError, VenueError."""
        payload = _object(message)
        kind = _text(payload, "type")
        if kind == "error":
            words = [payload.get("message"), payload.get("reason")]
            raise VenueError(": ".join(str(word) for word in words if word)[:WORDS_MAX])
        if kind != "ticker":
            return None
        try:
            event_ns = to_ns(_text(payload, "time"))
        except ValueError:
            raise MessageError(FORM) from None
        if event_ns <= 0:
            raise MessageError(FORM)
        return Said(_text(payload, "product_id"), "", (_text(payload, "price"),), event_ns)


VENUES: dict[str, Venue] = {venue.name: venue for venue in (Binance(), Coinbase())}
