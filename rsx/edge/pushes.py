"""Account pushes: frame AC to connections that asked for it, gathered over a short time.

    touch (a record changed the account) --> due --> account query --> AC to who watches

A user has at most one query on its way, and a next one at the earliest `gap_ns` after the last.
What changed while it was on its way is asked for again. Thread: the gateway's loop.
Source: specs/wire.md W-85.
"""

from __future__ import annotations

from functools import partial
from typing import Any

from rsx.edge.entry import OrderEntry
from rsx.errors import RequestError

# Queries handed over in one go, and the room left in the ring for clients' requests.
QUERIES_MAX = 64
ROOM_MIN = 64


class Watched:
    """A user that somebody watches. due: something changed since the last query."""

    __slots__ = ("asked", "due", "next_ns", "streams")

    def __init__(self) -> None:
        self.streams: dict[Any, None] = {}
        self.next_ns = 0
        self.asked = False
        self.due = False


class Pushes:
    """See the module."""

    def __init__(self, entry: OrderEntry, gap_ns: int):
        self.entry = entry
        self.gap_ns = gap_ns
        self.watched: dict[int, Watched] = {}
        self.due: dict[int, None] = {}  # users with something to ask, oldest first
        self.wake_ns = 0  # nothing is to be done before

    def watch(self, user: int, stream: Any) -> None:
        """From now on, and the state as it is."""
        self.watched.setdefault(user, Watched()).streams[stream] = None
        self.watched[user].next_ns = 0
        self.touch(user)

    def unwatch(self, user: int, stream: Any) -> None:
        watched = self.watched.get(user)
        if watched is not None and watched.streams.pop(stream, 0) is None and not watched.streams:
            del self.watched[user]
            self.due.pop(user, None)

    def touch(self, user: int) -> None:
        """A released record changed this account."""
        watched = self.watched.get(user)
        if watched is not None and not watched.due:
            watched.due = True
            self.due[user] = None
            self.wake_ns = min(self.wake_ns, watched.next_ns)

    def work(self, now_ns: int) -> int:
        """Ask for the accounts whose time has come; returns how many."""
        if now_ns < self.wake_ns:
            return 0
        done = 0
        wake_ns = now_ns + self.gap_ns
        for user in list(self.due):
            watched = self.watched[user]
            if watched.asked or watched.next_ns > now_ns:
                wake_ns = min(wake_ns, max(watched.next_ns, now_ns + 1))
                continue
            account = self.entry.tracker.account(user)
            if done >= QUERIES_MAX or account.ring.free <= ROOM_MIN:
                wake_ns = now_ns
                break
            try:
                self.entry.look_at(account, partial(self._answered, user))
            except RequestError:
                wake_ns = now_ns
                break  # no room, or the exchange is stopping: later
            del self.due[user]
            watched.due = False
            watched.asked = True
            watched.next_ns = now_ns + self.gap_ns
            done += 1
        self.wake_ns = wake_ns
        return done

    def _answered(self, user: int, state: Any) -> None:
        watched = self.watched.get(user)
        if watched is None:
            return
        watched.asked = False
        if isinstance(state, RequestError):
            self.touch(user)
            return
        for stream in watched.streams:
            stream.notify("AC", [state.account, state.positions, state.ts_ns])
