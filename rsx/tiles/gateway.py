"""gateway tile: clients' requests in, released events out.

Reads   wal_gateway (every released record, in order), risk_gateway[shard] (refusals, account
        states)
Writes  gateway_risk[shard] (orders, cancels, deposits, queries: to the user's); sockets, through
        its edge
Owns    sessions, tracked orders, order ids, limits; no other tile touches them
On full (of gateway_risk) the client is answered OVERLOADED at once, nothing is queued
On slow readers: closed, never waited for (W-14)
Source  specs/wire.md, specs/tiles.md T-13, T-21; enforces INV-1, INV-2, INV-5, INV-13, INV-22
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import Any

from rsx.core.async_tile import AsyncTile
from rsx.core.clock import Clock
from rsx.core.ring import Ring

# Records taken from one ring in one duty cycle.
DRAIN_MAX = 1024
# How often timeouts, heartbeats and expired tokens are looked at.
TICK_S = 0.1


class Gateway(AsyncTile):
    """The edge's tile. `edge` is an rsx.edge.app.Edge; rsx.edge.app.make_gateway joins the two.

    Attributes to set before the start: marketdata (its tile), health_source, metrics_source.
    Thread: its loop's.
    """

    def __init__(
        self, edge: Any, clock: Clock, risk_gateway: Sequence[Ring], wal_gateway: Ring, poll_ns: int
    ):
        super().__init__("gateway", [wal_gateway, *risk_gateway])
        self.edge = edge
        self.entry = edge.entry
        self.events = edge.events
        self.sessions = edge.sessions
        self.guards = edge.guards
        self.pushes = edge.pushes
        self.clock = clock
        self.risk_gateway = tuple(risk_gateway)
        self.wal_gateway = wal_gateway
        self.poll_ns = poll_ns
        self.failure: BaseException | None = None
        self.timer: asyncio.TimerHandle | None = None
        edge.collect = self.collect

    @property
    def address(self) -> tuple[str, int] | None:
        """Where it listens; after the start."""
        return self.edge.address

    @property
    def marketdata(self) -> Any:
        return self.edge.marketdata

    @marketdata.setter
    def marketdata(self, tile: Any) -> None:
        self.edge.marketdata = tile

    @property
    def health_source(self) -> Callable[[], dict[str, Any]]:
        return self.edge.health_source

    @health_source.setter
    def health_source(self, source: Callable[[], dict[str, Any]]) -> None:
        self.edge.health_source = source

    @property
    def metrics_source(self) -> Callable[[], Any]:
        return self.edge.metrics_source

    @metrics_source.setter
    def metrics_source(self, source: Callable[[], Any]) -> None:
        self.edge.metrics_source = source

    def metrics(self) -> Any:
        """The edge's own rows: (name, type, help, labels, value)."""
        return self.edge.metrics()

    def load(self, *args: Any, **named: Any) -> None:
        """Take recovered state, before the start: see Edge.load."""
        self.edge.load(*args, **named)

    async def on_start(self) -> None:
        await self.edge.serve()
        self.timer = self.loop.call_later(TICK_S, self._on_timer)

    def do_work(self) -> int:
        if self.failure is not None:
            raise self.failure
        done = 0
        for ring in self.risk_gateway:
            data = ring.pop(DRAIN_MAX)
            if data:
                done += self.events.on_answers(data)
        data = self.wal_gateway.pop(DRAIN_MAX)
        if data:
            done += self.events.on_released(data)
        if done:
            self.sessions.flush()
        if self.pushes.due:
            done += self.pushes.work(self.clock.now_ns())
        if self.guards.owed:
            done += self.guards.work()
        return done

    def collect(self) -> None:
        """After handing requests over: poll briefly for their answers (T-21).

        Called by connections in the middle of a callback, so a failed check must not end there:
        it is kept, and the runner finds it in the next duty cycle (T-13).
        """
        entry = self.entry
        handed, asked = entry.handed, entry.asked
        if not handed and not asked:
            return
        entry.handed = entry.asked = 0
        if self.failure is not None or not self.poll_ns:
            return
        # Awake: producers need not wake this thread for what it is waiting for (T-5).
        self.doorbell.disarm()
        try:
            while asked > 0 and self._wait_for_answers():
                asked -= self.do_work()
            while handed > 0 and self.wal_gateway.wait(self.poll_ns):
                handed -= self.do_work()
            if handed > 0 and any(map(len, self.risk_gateway)):
                self.do_work()
        except Exception as failure:
            self.fail(failure)
            return
        self.doorbell.arm()
        if len(self.wal_gateway) or any(map(len, self.risk_gateway)):  # INV-30
            self.doorbell.ring()

    def _wait_for_answers(self) -> bool:
        """Poll the risk tiles for at most poll_ns in all; whether there is anything."""
        share = self.poll_ns // len(self.risk_gateway)
        return any(ring.wait(share) for ring in self.risk_gateway)

    def fail(self, failure: BaseException) -> None:
        """Have the runner stop the exchange."""
        self.failure = failure
        self.doorbell.ring()

    def tick(self, now_ns: int) -> None:
        """What is due by time: requests, dead-man timers, heartbeats, silence, expired tokens."""
        self.entry.expire(now_ns)
        self.guards.tick(now_ns)
        self.pushes.work(now_ns)
        self.sessions.tick(now_ns)

    def _on_timer(self) -> None:
        self.timer = self.loop.call_later(TICK_S, self._on_timer)
        try:
            self.tick(self.clock.now_ns())
        except Exception as failure:
            self.fail(failure)

    async def on_close(self) -> None:
        if self.timer is not None:
            self.timer.cancel()
        await self.edge.close()

    def counters(self) -> dict[str, int]:
        return {
            f"{name.removeprefix('rsx_')}{''.join(f'_{v}' for v in labels.values())}": value
            for name, _, _, labels, value in self.metrics()
        }
