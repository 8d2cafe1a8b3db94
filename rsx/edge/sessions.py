"""All private connections: how many, how long, and when their bytes go out.

A connection gathers what it has to send in `out` and is then in `dirty`; `flush` writes each
dirty connection once. Whoever makes connections speak calls `flush` before it returns to the
loop. Source: specs/wire.md W-14, W-31, W-32, W-42.
"""

from __future__ import annotations

from typing import Any, Protocol

from rsx.errors import Reason

CLOSE_NORMAL = 1000
CLOSE_STOPPING = 1001
CLOSE_TOKEN = 4001
CLOSE_SLOW = 4008
CLOSE_IDLE = 4009
CLOSE_CROWDED = 4429

NS = 1_000_000_000


class Connection(Protocol):
    """What the registry needs of a connection, whatever its dialect."""

    last_in_ns: int
    expires_ns: int

    def flush(self) -> None: ...
    def beat(self, now_ns: int) -> None: ...
    def expire(self) -> None: ...
    def close(self, code: int, reason: str) -> None: ...
    def notify(self, key: str, fields: list[Any]) -> None: ...


class Sessions:
    """The registry. Thread: the gateway's loop."""

    def __init__(self, edge: Any):
        self.per_user_max = edge.connections_per_user
        self.all_max = edge.connections_max
        self.beat_ns = edge.heartbeat_s * NS
        self.idle_ns = edge.idle_s * NS
        self.backlog_max = edge.private_backlog_bytes
        self.live: dict[Connection, None] = {}
        self.dirty: list[Connection] = []
        self.beat_due_ns = 0
        self.stopping = False
        self.opened_total = self.slow_total = self.idle_total = self.expired_total = 0

    def add(self, connection: Connection) -> None:
        self.live[connection] = None
        self.opened_total += 1

    def remove(self, connection: Connection) -> None:
        self.live.pop(connection, None)

    @property
    def is_full(self) -> bool:
        return len(self.live) >= self.all_max

    def flush(self) -> None:
        """Write what connections have gathered; one write each."""
        dirty = self.dirty
        while dirty:
            dirty.pop().flush()

    def tick(self, now_ns: int) -> None:
        """Heartbeats out, expired tokens and silent connections closed."""
        beat = now_ns >= self.beat_due_ns
        if beat:
            self.beat_due_ns = now_ns + self.beat_ns
        for connection in list(self.live):
            if now_ns >= connection.expires_ns:
                self.expired_total += 1
                connection.expire()
            elif now_ns - connection.last_in_ns > self.idle_ns:
                self.idle_total += 1
                connection.close(CLOSE_IDLE, Reason.IDLE.name)
            elif beat:
                connection.beat(now_ns)
        self.flush()

    def announce(self, key: str, fields: list[Any]) -> None:
        """Tell every connection."""
        for connection in self.live:
            connection.notify(key, fields)

    def stop(self) -> None:
        """Close every connection: the exchange is stopping."""
        self.stopping = True
        for connection in list(self.live):
            connection.close(CLOSE_STOPPING, Reason.STOPPING.name)
        self.flush()
