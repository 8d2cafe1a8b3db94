"""The prices of one venue on their way into the indices: read, scaled, checked, counted.

    message -> venue.read -> decimals of each symbol that asked -> Index.take

Counts everything; never raises for what a venue sends, but for its refusal. Thread: the mark
tile's; the counters may be read from any. Source: specs/mark.md MK-32..37.
"""

from __future__ import annotations

from dataclasses import dataclass

from rsx.mark import index as causes
from rsx.mark.index import NS, Index
from rsx.mark.text import is_negative, to_px
from rsx.mark.venues import FORM, GARBAGE, NUMBER, UNKNOWN, Ask, MessageError, Said, Venue

CAUSES = (
    GARBAGE, FORM, NUMBER, UNKNOWN, causes.ZERO, causes.NEGATIVE, causes.RANGE, causes.FAR,
    causes.OLD, causes.EARLY, causes.ORDER,
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Target:
    """A symbol that takes a product's prices: its index, the feed there, its price decimals."""

    index: Index
    feed: int
    decimals: int


class VenueFeed:
    """One venue: who takes what, and how it goes.

    Args    alarm_ns: without a price for so long is an alarm; start_ns: what that counts from
    """

    def __init__(self, venue: Venue, alarm_ns: int, start_ns: int):
        self.venue = venue
        self.asks: list[Ask] = []
        self.is_connected = False
        self.is_alarmed = False
        self.messages = 0
        self.prices = 0
        self.connections = 0
        self.failures = 0
        self.alarms = 0
        self.dropped = dict.fromkeys(CAUSES, 0)
        self.last_price_ns = 0
        self.last_error = ""
        self._targets: dict[tuple[str, str], list[Target]] = {}
        self._alarm_ns = alarm_ns
        self._since_ns = start_ns

    @property
    def name(self) -> str:
        return self.venue.name

    def add(self, ask: Ask, target: Target) -> None:
        """Have a product's prices go to a symbol."""
        if ask not in self.asks:
            self.asks.append(ask)
        key = self.venue.key(ask.product), ask.stream
        self._targets.setdefault(key, []).append(target)

    def message(self, data: str | bytes, now_ns: int) -> bool:
        """Take one message; returns whether it brought a price that counts.

        Raises  VenueError when the venue refuses what was asked
        """
        self.messages += 1
        try:
            said = self.venue.read(data)
            return said is not None and self._take(said, now_ns)
        except MessageError as error:
            self.dropped[error.cause] += 1
            return False

    def _take(self, said: Said, now_ns: int) -> bool:
        targets = self._targets.get((said.product, said.stream))
        if targets is None:
            raise MessageError(UNKNOWN)
        taken = False
        for target in targets:
            cause = self._give(said, target, now_ns)
            if cause:
                self.dropped[cause] += 1
            else:
                taken = True
        if taken:
            self.prices += 1
            self.last_price_ns = self._since_ns = now_ns
        return taken

    @staticmethod
    def _give(said: Said, target: Target, now_ns: int) -> str:
        """Scale and hand over one price; returns "" or why it was dropped."""
        values = []
        for text in said.prices:
            try:
                value = to_px(text, target.decimals)
            except ValueError:
                return NUMBER
            if value <= 0:
                return causes.NEGATIVE if is_negative(text) else causes.ZERO
            values.append(value)
        return target.index.take(target.feed, sum(values) // len(values), said.event_ns, now_ns)

    def watch(self, now_ns: int) -> bool:
        """Look whether it is time for an alarm; returns whether that has changed (MK-37)."""
        was = self.is_alarmed
        self.is_alarmed = now_ns - self._since_ns >= self._alarm_ns
        self.alarms += self.is_alarmed and not was
        return self.is_alarmed != was

    def trouble(self, now_ns: int) -> str:
        """What an operator should know; "" when all is well."""
        if not self.is_alarmed:
            return ""
        text = f"{self.name}: no price for {(now_ns - self._since_ns) // NS} s"
        return f"{text} ({self.last_error})" if self.last_error else text
