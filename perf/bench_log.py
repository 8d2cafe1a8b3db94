"""What does the log cost: written with write(2), or through a mapping of the segment?

path         matching_wal -> wal tile -> three released rings: number, checksum, write, fan-out; the
             duty cycles of the wal tile alone, in ns a record, no fsync waited for
sustained    an open tap of FILLs into the wal tile, wal_sync on a thread of its own, real syncs;
             records released a second in each mode. In "fill" and "all" each one is durable.
             Old segments are used again, as behind a replica; in one run there are none to use.
Floor: bare write + fdatasync of one record in the same folder, in the same run.
"""

from __future__ import annotations

import os
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import harness
from harness import Figure
from load_engine import fdatasync_samples

from perf import build
from rsx import records

MODES = ("fill", "all", "async")
AHEAD = 2
SECONDS = 1.5
MIB = 1 << 20
FILL = records.FILL.pack(
    taker_oid=1, maker_oid=2, px=500_000, qty=100, taker_user_id=1, maker_user_id=2, symbol_id=1,
    stream=1, header_flags=1,
)  # fmt: skip


class LogRig:
    """wal and wal_sync on a new folder, with the rings around them."""

    def __init__(self, folder: Path, way: str, durability: str, segment_mib: int, ahead: int):
        from rsx.core.clock import Clock
        from rsx.core.disk import Disk
        from rsx.core.ring import Ring
        from rsx.tiles.wal import WalSync, WalTile
        from rsx.wal.start import LogStart

        size = segment_mib * MIB
        disk = build.kernels().MappedDisk(size) if way == "mapped" else Disk()
        names = ("matching_wal", "wal_risk", "wal_gateway", "wal_marketdata")
        rings = {name: Ring(name, 65_536) for name in names}
        small = {name: Ring(name, 64) for name in ("wal_sync", "sync_wal", "replica_sync")}
        self.source, *self.outputs = rings.values()
        self.prune = small["replica_sync"]
        opening = records.LOG_STARTED.pack(exchange_id=1, money_decimals=6, stream=65534)
        self.wal = WalTile(
            "wal", Clock.system(), [self.source], wal_risk=[rings["wal_risk"]],
            wal_gateway=rings["wal_gateway"], wal_marketdata=rings["wal_marketdata"],
            wal_sync=small["wal_sync"], sync_wal=small["sync_wal"], folder=folder,
            start=LogStart(1, 1, 1, None, 0, (opening,)), durability=durability,
            flush_ns=10_000_000, segment_records=size // 128, disk=disk,
        )  # fmt: skip
        self.wal_sync = WalSync(
            "wal_sync", wal_sync=small["wal_sync"], sync_wal=small["sync_wal"], folder=folder,
            segment_bytes=size, ahead=ahead, replica_sync=self.prune, disk=disk,
        )  # fmt: skip


@contextmanager
def rig_on_disk(*args: Any) -> Iterator[LogRig]:
    with tempfile.TemporaryDirectory(dir=harness.ROOT / "build") as name:
        yield LogRig(Path(name), *args)


def measure_path(way: str, rounds: int, count: int, batch: int = 256) -> float:
    """ns for one record, the middle of the rounds; the first touches the memory."""
    kernels = build.kernels()
    with rig_on_disk(way, "async", max(8, 2 * count * 128 // MIB), 2) as rig:
        rig.wal.on_start()
        args = rig.wal, rig.wal_sync, rig.source, rig.outputs, FILL
        kernels.log_path(*args, 64 * batch, batch)
        while rig.wal.counters()["segments_ready"] < 2:
            rig.wal_sync.step()
            rig.wal.step()
        took = [kernels.log_path(*args, count, batch) / count for _ in range(rounds + 1)]
        rig.wal_sync.on_close()
        rig.wal.on_close()
    return harness.median(took[1:])


def measure_sustained(
    way: str, durability: str, seconds: float, segment_mib: int, is_recycling: bool = True
) -> tuple[float, str]:
    """(records released a second, what the disk did)."""
    from rsx.core.tile import Idle, Runner

    kernels = build.kernels()
    with rig_on_disk(way, durability, segment_mib, AHEAD) as rig:
        feeder = kernels.Feeder("feeder", rig.source, FILL * 512, 1)
        feeder.limit = 0
        sinks = [kernels.Sink(ring.name, ring) for ring in rig.outputs]
        cpus = sorted(os.sched_getaffinity(0))
        runners = [
            Runner("engine", [feeder, rig.wal, *sinks], Idle("backoff"), cpus={cpus[-1]}),
            Runner("wal_sync", [rig.wal_sync], Idle("backoff", 0, 0)),
        ]
        for runner in runners:
            runner.start()
        deadline = time.monotonic() + 20
        while rig.wal.counters()["segments_ready"] < AHEAD and time.monotonic() < deadline:
            time.sleep(0.02)
        began, done = time.perf_counter(), sinks[1].fills
        feeder.limit = 1 << 62
        while time.perf_counter() - began < seconds:
            time.sleep(0.01)
            if is_recycling:
                rig.prune.push(records.LOG_PRUNE.pack(keep_seq=rig.wal.durable + 1))
        done, took = sinks[1].fills - done, time.perf_counter() - began
        feeder.limit = 0
        counters = rig.wal.counters() | rig.wal_sync.counters()
        for runner in runners:
            if runner.failure is not None:
                raise runner.failure
            runner.stop()
        if rig.wal.durable != rig.wal.appended:
            raise RuntimeError(f"{rig.wal.durable} of {rig.wal.appended} records are durable")
    syncs = counters["syncs"]
    mean = counters["sync_ns"] / max(1, syncs) / 1e3
    detail = f"{syncs:,} syncs of {mean:,.0f} us, {counters['segments_recycled']} segments used "
    return done / took, f"{detail}again, {counters['segments_unprepared'] - 1} not ready ahead"


def measure(scale: float = 1.0) -> list[Figure]:
    share = min(1.0, 10 * scale)
    segment_mib = 64 if share == 1 else 4
    with tempfile.TemporaryDirectory(dir=harness.ROOT / "build") as name:
        floor = harness.percentiles(fdatasync_samples(Path(name), max(100, int(500 * share))))
    figures = [Figure("write + fdatasync of one record, p50", floor["p50"] / 1e3, "us")]
    for way in ("written", "mapped"):
        count = 256 * max(8, int(400 * share))
        figures.append(Figure(f"wal tile, {way}", measure_path(way, 7, count), "ns", "",
                              detail="one record, 256 to a duty cycle, no sync"))  # fmt: skip
    for durability in MODES:
        for way in ("written", "mapped"):
            rate, detail = measure_sustained(way, durability, SECONDS * share, segment_mib)
            figures.append(Figure(
                f"fills a second, {durability}, {way}", rate / 1e6, "M/s",
                ">= 2 M/s" if durability == "fill" else "", detail=detail,
            ))  # fmt: skip
    rate, detail = measure_sustained("written", "fill", SECONDS * share, segment_mib, False)
    figures.append(Figure("fills a second, fill, written, nothing to use again", rate / 1e6,
                          "M/s", detail=detail))  # fmt: skip
    return figures


if __name__ == "__main__":
    harness.print_table(measure())
