"""One running exchange: recover, build, start, watch, stop.

    with the data folder locked: recover -> topology -> threads -> serve until told to stop

Owns the life cycle and nothing else; what runs is in rsx/topology.py. Source: specs/tiles.md,
specs/wal.md L-23; T-13 for what a failed check does.
"""

from __future__ import annotations

import asyncio
import gc
import os
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from rsx import topology
from rsx.client.demo import Demo
from rsx.config import Config
from rsx.core.async_tile import AsyncRunner, AsyncTile
from rsx.core.clock import Clock
from rsx.core.disk import Disk
from rsx.core.tile import Runner
from rsx.edge import auth
from rsx.errors import StartError
from rsx.net.lease import LeaseTile, lease_url
from rsx.net.standby import refuse_standby
from rsx.units import to_text
from rsx.wal.segments import open_data_folder, space_short
from rsx.wal.start import Recovered, recover

EXIT_FAILED_CHECK = 70
STOP_S = 10.0

Metric = tuple[str, str, str, Mapping[str, str], int]


class DemoTile(AsyncTile):
    """Hosts the demo's clients on a loop of their own; they reach the exchange over loopback."""

    def __init__(self, demo: Demo):
        super().__init__("demo", [])
        self.demo = demo
        self.task: asyncio.Task[None] | None = None

    async def on_start(self) -> None:
        self.task = asyncio.create_task(self.demo.run())

    async def on_close(self) -> None:
        await self.demo.stop()
        if self.task is not None:
            await asyncio.wait([self.task], timeout=2)


class Exchange:
    """An exchange on one data folder.

    Args   config: checked; progress: called with (records, slots) while the log is read
    Raises StartError in `start` when it cannot run; the message is one line
    Thread start, wait, stop: the owner's. failure: what stopped it, None while it is well
    """

    def __init__(self, config: Config, progress: Callable[[int, int], None] | None = None):
        self.config = config
        self.progress = progress
        self.clock = Clock.system()
        self.disk = Disk()
        self.started_ns = time.monotonic_ns()
        self.stopped = threading.Event()
        self.failure: BaseException | None = None
        self.failed_thread = ""
        self.runners: list[Runner | AsyncRunner] = []
        self.lease_runner: AsyncRunner | None = None
        self.plans: list[topology.ThreadPlan] = []
        self.lock_fd = -1
        self._progress_seen = (-1, 0.0)  # released number, and when it was new

    # --- start ----------------------------------------------------------------------------

    def start(self) -> None:
        """Recover, build and start every thread; returns when the port is served."""
        topology.validate()
        self.folder, self.lock_fd = open_data_folder(self.config.data.dir)
        try:
            refuse_standby(self.config.data.dir)
            self.secret = auth.load_secret(self.config.data.dir)
            self._take_lease()
            if short := self._space_short():
                raise StartError(short)
            self.recovered: Recovered = recover(
                self.config, self.folder, self.clock, self.progress, self.disk
            )
            self.config = self.recovered.config  # with the rules that hold (SY-6)
            self._build()
            sys.setswitchinterval(self.config.tiles.switch_interval_us / 1e6)
            # Live orders are many and hold no cycles: full collections would only cost latency.
            gc.collect()
            gc.freeze()
            gc.set_threshold(20_000, 20, 100)
            for runner in self.runners:
                runner.start()
            if self.config.demo.enabled:
                self._start_demo()
        except BaseException as error:
            self._stop_threads()
            self._unlock()
            if isinstance(error, OSError) and not isinstance(error, StartError):
                raise StartError(self._explain(error)) from error
            raise

    def _take_lease(self) -> None:
        """Before the log is read: nobody else runs while we do (specs/dxs.md DX-70)."""
        url = lease_url(self.config.standby)
        if url:
            tile = LeaseTile(url, self.config.standby.lease_id)
            runner = AsyncRunner("lease", [tile], None, self._on_failure)
            runner.start()
            self.lease_runner = runner

    def _build(self) -> None:
        config = self.config
        self.rings = topology.build_rings(config)
        self.tiles = topology.build_tiles(
            self.rings, self.recovered, self.folder, self.secret, self.clock, self.disk
        )
        self.tiles.gateway.health_source = self.health
        self.tiles.gateway.metrics_source = self.metrics
        self.plans = topology.plan_threads(config, self.tiles, topology.allowed_cpus())
        self.tiles.wal.sync_inline = self.plans[0].name == "engine"
        self.runners = topology.build_runners(config, self.plans, self._on_failure)

    def _start_demo(self) -> None:
        index = self.tiles.mark.index if self.tiles.mark.active else None
        demo = Demo(
            self.config.demo, self.url, self.config.symbols,
            lambda user, role: auth.mint(self.secret, user, 86_400, role),
            index=index, seed=self.config.mark.seed,
        )  # fmt: skip
        runner = AsyncRunner("demo", [DemoTile(demo)], self.plans[-1].cpus, self._on_failure)
        runner.start()
        self.runners.append(runner)

    def _explain(self, error: OSError) -> str:
        where = f"{self.config.server.host}:{self.config.server.port}"
        if error.errno is not None and "address" in str(error).lower():
            return f"cannot listen on {where}: {error.strerror or error} (choose --port)"
        return str(error)

    # --- what runs ------------------------------------------------------------------------

    @property
    def address(self) -> tuple[str, int]:
        """Host and port that are served."""
        return self.tiles.gateway.address

    @property
    def url(self) -> str:
        host, port = self.address
        return f"http://{f'[{host}]' if ':' in host else host}:{port}"

    def health(self) -> dict[str, Any]:
        """Progress, not liveness: the log moves, nothing waits too long. For /health."""
        wal = self.tiles.wal.counters()
        reasons = []
        if self.failure is not None:
            reasons.append(f"{self.failed_thread} failed: {self.failure}")
        waiting = wal["appended_seq"] - wal["released_seq"]
        if waiting and self._stalled(wal["released_seq"]):
            reasons.append(f"{waiting} records wait for release since over a second")
        unready, warnings = self.tiles.mark.troubles(self.clock.now_ns())
        warnings = [*warnings, *self._broke_funds(), *filter(None, [self._space_short()])]
        archive, now_ns = self.tiles.archive, self.clock.now_ns()
        if archive is not None:
            warnings += archive.troubles(now_ns)
        if self.tiles.dxs is not None:
            warnings += self.tiles.dxs.troubles()
        replica = self.tiles.replica
        if replica is not None:
            differing, more = replica.troubles()
            unready, warnings = [*unready, *differing], [*warnings, *more]
        return {
            "status": "failed" if reasons else "unready" if unready else "ok",
            "reasons": reasons + unready,
            "warnings": warnings,
            "seq": wal["released_seq"],
            "durable_seq": wal["durable_seq"],
            "epoch": self.recovered.start.epoch,
            "replica": None if replica is None else replica.health(),
            "archive": None if archive is None else archive.health(now_ns),
            "uptime_s": (time.monotonic_ns() - self.started_ns) // 1_000_000_000,
        }

    def _space_short(self) -> str:
        """Too little room on the disk (specs/wal.md L-8); "" = enough."""
        wal = self.config.wal
        return space_short(self.folder, wal.segment_mib, wal.segments_ahead, self.disk)

    def _broke_funds(self) -> Iterator[str]:
        """Insurance funds below 0 (specs/liquidation.md LQ-9), read beside their tile."""
        for symbol in self.recovered.config.symbols:
            balance = self.tiles.risk.ledger.fund_balance(symbol.id)
            if balance < 0:
                text = to_text(balance, self.config.money_decimals)
                yield f"the insurance fund of {symbol.name} is short: {text}"

    def _stalled(self, released: int) -> bool:
        now = time.monotonic()
        last, since = self._progress_seen
        if released != last:
            self._progress_seen = (released, now)
            return False
        return now - since > 1.0

    def metrics(self) -> Iterator[Metric]:
        """Counters of the edge, tiles, rings and threads, for /metrics."""
        yield from self.tiles.gateway.metrics()
        others = [tile for tile in self.tiles.asynchronous if tile is not self.tiles.gateway]
        for tile in (*self.tiles.compiled, *others):
            for name, value in tile.counters().items():
                yield f"rsx_{name}", "gauge", f"{name} of a tile", {"tile": tile.name}, value
        yield from self.tiles.mark.metrics(self.clock.now_ns())
        if self.tiles.dxs is not None:
            yield from self.tiles.dxs.metrics()
        for name, ring in self.rings.by_name.items():
            for key, value in ring.counters().items():
                yield f"rsx_ring_{key}", "gauge", f"ring {key}", {"ring": name}, value
        for runner in self.runners:
            if isinstance(runner, Runner):
                for key, value in runner.counters().items():
                    yield f"rsx_thread_{key}", "gauge", f"{key}", {"thread": runner.name}, value

    # --- stop -----------------------------------------------------------------------------

    def _on_failure(self, runner: Runner | AsyncRunner) -> None:
        """A failed check or a broken disk: remember the first, wake the owner (T-13)."""
        if self.failure is None:
            self.failure = runner.failure
            self.failed_thread = runner.name
        self.stopped.set()

    def request_stop(self) -> None:
        """Make `wait` return; any thread, signal handlers too."""
        self.stopped.set()

    def wait(self) -> None:
        """Until `request_stop` or a failure."""
        while not self.stopped.wait(0.5):
            pass

    def stop(self) -> None:
        """End the threads and close the log. After a failure nothing more is written."""
        self._stop_threads()
        self._unlock()

    def _stop_threads(self) -> None:
        # Edges first, so that what was acknowledged has been released; the log last.
        order = {"demo": 0, "gateway": 1, "mark": 1, "marketdata": 2, "wal": 8, "wal_sync": 9,
                 "archive": 10}  # fmt: skip
        for runner in sorted(self.runners, key=lambda r: order.get(r.name, 5)):
            if self.failure is not None and isinstance(runner, Runner):
                runner.abandon(STOP_S)
                continue
            try:
                runner.stop(STOP_S)
            except Exception as error:
                print(f"rsx: {runner.name} did not stop cleanly: {error}", file=sys.stderr)
        self.runners = []
        if self.lease_runner is not None:  # after the last record
            self.lease_runner.stop(STOP_S)
            self.lease_runner = None

    def _unlock(self) -> None:
        if self.lock_fd >= 0:
            os.close(self.lock_fd)
            self.lock_fd = -1


def data_summary(exchange: Exchange) -> str:
    """Where the data is and what was found there, for the banner."""
    recovered = exchange.recovered
    seq = recovered.start.next_seq - 1
    folder = Path(exchange.config.data.dir).resolve()
    if seq == 0:
        return f"{folder} (new)"
    read = recovered.state.next_seq - recovered.first_seq
    text = f"{folder} (start {recovered.start.epoch}, {read:,} records read in "
    text += f"{recovered.seconds:.1f} s"
    if recovered.snapshot is not None:
        text += f" behind snapshot {recovered.first_seq - 1}"
    if recovered.torn_bytes:
        text += f", torn tail of {recovered.torn_bytes} bytes cut"
    return text + ")"
