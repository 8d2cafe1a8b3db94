"""Triggers that wait for a price: TR-1 to TR-7 of specs/matching.md, without requests and records.

A trigger is `waiting`, then `due`, then `fired`; `gone` is one that was cancelled after it had
fired and whose answer from risk is still to come.
"""

from __future__ import annotations

from collections import deque
from typing import Any

from sortedcontainers import SortedDict, SortedList

from rsx.records import OrderKind, Side

PPM = 1_000_000
MARK, LAST = 0, 1
WAITING, DUE, FIRED, GONE = "waiting", "due", "fired", "gone"
STOPS = (OrderKind.STOP_MARKET, OrderKind.STOP_LIMIT)
STATUS_CANCELLED, STATUS_REJECTED, STATUS_WAITING = 2, 3, 5


class Trigger:
    """One trigger, and what a duplicate is told of it (D-4)."""

    __slots__ = (
        "active", "cid", "expire_s", "extreme", "filled", "fired_px", "flags", "kind", "level_px",
        "living", "oid", "px", "qty", "reason", "remaining", "side", "source", "state", "status",
        "stp", "tif", "trail_ppm", "trail_px", "trigger_px", "user",
    )  # fmt: skip

    def __init__(self, r: Any, user: Any):
        self.oid, self.user, self.side, self.px, self.qty = r.oid, user, r.side, r.px, r.qty
        self.kind, self.tif, self.flags, self.stp = r.kind, r.tif, r.flags, r.stp
        self.trigger_px, self.trail_px, self.trail_ppm = r.trigger_px, r.trail_px, r.trail_ppm
        self.expire_s = r.expire_s
        self.cid = r.cid[: r.cid_len]
        self.source = LAST if r.flags & 32 else MARK
        self.state = WAITING
        self.level_px = r.trigger_px  # where it fired
        self.fired_px = 0
        self.active = False  # of a trailing stop
        self.extreme = 0
        self.living, self.status, self.reason = True, STATUS_WAITING, 0
        self.filled, self.remaining = 0, r.qty

    @property
    def trails(self) -> bool:
        return self.kind == OrderKind.TRAILING_STOP  # type: ignore[no-any-return]

    @property
    def rises(self) -> bool:
        """TR-1: fires at or above its price."""
        return (self.kind in STOPS) == (self.side == Side.BUY)  # type: ignore[no-any-return]

    def would_act(self, px: int) -> bool:
        """TR-3: the price would fire it at once, or activate it."""
        if not self.trails:
            return px >= self.trigger_px if self.rises else px <= self.trigger_px
        if self.trigger_px == 0:
            return False
        return px >= self.trigger_px if self.side == Side.SELL else px <= self.trigger_px

    def trail(self, px: int) -> bool:
        """TR-2: one step of the price; True when it fires."""
        sells = self.side == Side.SELL
        if not self.active:
            if not self.would_act(px):
                return False
            self.active, self.extreme = True, px
        self.extreme = max(self.extreme, px) if sells else min(self.extreme, px)
        distance = self.trail_px or -(-self.extreme * self.trail_ppm // PPM)
        self.level_px = self.extreme - distance if sells else self.extreme + distance
        return px <= self.level_px if sells else px >= self.level_px

    def end(self, status: int, reason: int) -> None:
        self.living, self.status, self.reason, self.remaining = False, status, reason, 0


class Triggers:
    """All triggers of a symbol. `fired` holds those whose answer from risk is awaited."""

    def __init__(self, fired_max: int):
        self.fired_max = fired_max
        self.living: dict[int, Trigger] = {}
        self.rising = (SortedList(), SortedList())  # by source: (price, id)
        self.falling = (SortedList(), SortedList())  # by source: (-price, id)
        self.trailing = (SortedDict(), SortedDict())  # by source: id -> trigger
        self.due: deque[Trigger] = deque()
        self.fired: dict[int, Trigger] = {}

    def place(self, trigger: Trigger, px: int) -> None:
        """px: the price it looks at, as it stands."""
        self.living[trigger.oid] = trigger
        if trigger.trails:
            self.trailing[trigger.source][trigger.oid] = trigger
            if trigger.trigger_px == 0:
                trigger.active, trigger.extreme = True, px
        elif trigger.rises:
            self.rising[trigger.source].add((trigger.trigger_px, trigger.oid))
        else:
            self.falling[trigger.source].add((-trigger.trigger_px, trigger.oid))

    def look(self, source: int, px: int) -> None:
        """TR-5: this price makes triggers due."""
        found = []
        rising, falling = self.rising[source], self.falling[source]
        while rising and rising[0][0] <= px:
            found.append(rising.pop(0)[1])
        while falling and falling[0][0] <= -px:
            found.append(falling.pop(0)[1])
        trailing = self.trailing[source]
        if trailing:
            trailed = [oid for oid, trigger in trailing.items() if trigger.trail(px)]
            for oid in trailed:
                del trailing[oid]
            found += trailed
        for oid in found:
            trigger = self.living[oid]
            trigger.state, trigger.fired_px = DUE, px
            self.due.append(trigger)

    def next_to_fire(self) -> Trigger | None:
        """TR-5, TR-6: it counts as fired from now on."""
        while self.due and len(self.fired) < self.fired_max:
            trigger = self.due.popleft()
            if trigger.living:
                trigger.state = FIRED
                self.fired[trigger.oid] = trigger
                return trigger
        return None

    def remove(self, trigger: Trigger) -> None:
        """It is no trigger any more, whatever it has become."""
        del self.living[trigger.oid]
        if trigger.state == FIRED:
            trigger.state = GONE
        elif trigger.state == WAITING:
            if trigger.trails:
                del self.trailing[trigger.source][trigger.oid]
            elif trigger.rises:
                self.rising[trigger.source].remove((trigger.trigger_px, trigger.oid))
            else:
                self.falling[trigger.source].remove((-trigger.trigger_px, trigger.oid))

    def recover(self) -> None:
        """TR-7: no answer is awaited for what was cancelled after it had fired."""
        self.fired = {oid: t for oid, t in self.fired.items() if t.living}
