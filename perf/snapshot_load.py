"""What does a snapshot cost those who trade while it is written?

The whole engine on real threads and a real log with many orders at rest and many accounts, the
replica beside it on its own thread. One order at a time, resting and crossing ones, in the same
run: while a snapshot is written, and as many while none is. The aim is no effect on p99.

    rsx perf snapshot_load
"""

from __future__ import annotations

import tempfile
import time
from pathlib import Path
from typing import Any

import harness
from harness import Figure, percentiles
from load_engine import groups_for, rest

from perf import build

RICH = 1 << 40
TRADERS = (1, 2)  # have 2^14 times as much: more than all the orders of a run reserve
LEVELS = 2000
CHUNK = 200  # round trips between two looks at the replica


def filled_rig(folder: Path, accounts: int, orders: int) -> Any:
    """An engine with so much in it, recovered, its replica on."""
    config = harness.bench_config(
        matching={"open_orders_per_user_max": 1 << 21, "orders_max": 1 << 22,
                  "dedup_orders_max": 1 << 24},
        replica={"enabled": True, "check_ms": 1000}, snapshot={"every_s": 0, "every_mib": 0},
    )  # fmt: skip
    setup = harness.EngineRig(config.replace(replica={"enabled": False, "check_ms": 0}), folder)
    setup.begin_stepping()
    for user in range(1, accounts + 1):
        setup.deposit(user, RICH << 14 if user in TRADERS else RICH)
        if user % 1000 == 0:
            setup.step()
            setup.drain()
    for at in range(orders):
        user, level = 3 + at % (accounts - 2), 49_000 - at % LEVELS
        setup.rings["gateway_risk"].push(setup.order(user, 0, level * 10, 100))
        if at % 1000 == 999:
            setup.step()
            setup.drain()
    rest(setup, 1, 50_000, 1, 1 << 24)
    setup.config = config
    rig = setup.reopen()
    rig.tiles.wal.sync_inline = True
    return rig


def await_replica(rig: Any) -> None:
    deadline = time.monotonic() + 120
    while rig.tiles.replica.status != "following" or rig.tiles.replica.lag[0]:
        if time.monotonic() > deadline:
            raise TimeoutError("the replica does not catch up")
        time.sleep(0.05)


def measure(scale: float) -> list[Figure]:
    accounts, orders = max(1000, int(100_000 * scale)), max(1000, int(1_000_000 * scale))
    count = max(2000, int(200_000 * min(scale, 1)))
    figures: list[Figure] = []
    with tempfile.TemporaryDirectory(dir=harness.ROOT / "build") as name:
        rig = filled_rig(Path(name), accounts, orders)
        templates = {
            "resting": rig.order(1, 0, 400_000, 100),
            "filled": rig.order(2, 0, 500_000, 100, tif=1),
        }
        replica = rig.tiles.replica
        replica.is_background = True
        rig.start([*groups_for("one", rig.tiles), ("replica", [replica])], idle="backoff")
        try:
            await_replica(rig)
            for what, template in templates.items():
                figures += compare(what, Turns(rig, template, count), orders, accounts)
        finally:
            rig.close()
    return figures


class Turns:
    """Round trips while a snapshot is written, and as many while none is, in turns."""

    def __init__(self, rig: Any, template: bytes, count: int):
        self.rig = rig
        self.template = template
        self.kernels = build.kernels()
        self.writing: list[int] = []
        self.quiet: list[int] = []
        self.snapshots = 0
        self.longest_ns = 0
        while len(self.writing) < count:
            self.turn()

    def trips(self, into: list[int], count: int = CHUNK) -> None:
        first = (1 << 40) + self.rig.oid
        self.rig.oid += count
        into += self.kernels.round_trips(
            self.rig.rings["gateway_risk"], self.rig.rings["wal_gateway"], self.template,
            first, count,
        )  # fmt: skip

    def turn(self) -> None:
        replica, before = self.rig.tiles.replica, len(self.writing)
        await_replica(self.rig)
        ticket = replica.request_snapshot()
        while (answer := replica.answer(ticket)) is None:
            if replica.status == "writing":
                self.trips(self.writing)
            else:
                time.sleep(0.001)
        if answer[2]:
            raise RuntimeError(answer[2])
        self.snapshots += 1
        self.longest_ns = max(self.longest_ns, replica.snapshot_elapsed_ns)
        self.trips([])  # what the writer left behind is no part of the other turn
        self.trips(self.quiet, max(CHUNK, len(self.writing) - before))


def compare(what: str, turns: Turns, orders: int, accounts: int) -> list[Figure]:
    quiet, writing = percentiles(turns.quiet), percentiles(turns.writing)
    detail = (f"{orders:,} orders, {accounts:,} accounts; {len(turns.writing):,} trips beside "
              f"{turns.snapshots} snapshots, "
              f"the longest {turns.longest_ns / 1e6:,.0f} ms")  # fmt: skip
    return [
        Figure(
            f"order {what}, snapshot being written: {part}", writing[part] / 1000, "us",
            "as without", quiet[part] / 1000, "none being written", detail,
        )
        for part in ("p50", "p99", "p99.9")
    ]  # fmt: skip
