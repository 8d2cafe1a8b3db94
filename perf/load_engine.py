"""The whole engine, real threads, real log, no edge.

round trip   one order at a time: gateway_risk -> risk -> matching -> wal -> wal_gateway. A resting
             order (released when written, no fsync), a crossing one (released when durable).
throughput   an open tap of IOC orders, each one fill: reserve, match, log, fsync, settle; counted
             when released, so every fill is durable and in order.
Floor: bare fdatasync of one record in the same folder, in the same run.
"""

from __future__ import annotations

import os
import tempfile
import time
from pathlib import Path
from typing import Any

import harness
from harness import Figure

from perf import build

RICH = 1 << 55
# Segments zeroed before a throughput run; a GiB less the one in use, so the run stays short.
AHEAD = 15
SECONDS = 1.5  # of a throughput run


def fdatasync_samples(folder: Path, count: int = 500) -> list[int]:
    """ns of write + fdatasync of 128 bytes into a zeroed file."""
    path = folder / "floor.bin"
    with open(path, "wb") as file:
        file.write(bytes(1 << 20))
        file.flush()
        os.fsync(file.fileno())
    fd = os.open(path, os.O_RDWR)
    out = []
    for i in range(count):
        began = time.perf_counter_ns()
        os.pwrite(fd, bytes(128), (i * 128) % (1 << 20))
        getattr(os, "fdatasync", os.fsync)(fd)
        out.append(time.perf_counter_ns() - began)
    os.close(fd)
    path.unlink()
    return out


def groups_for(layout: str, tiles: Any) -> list[tuple[str, list[Any]]]:
    """Threads of a layout: "one" = risk, matching and wal together; "two" = wal apart."""
    if layout == "one":
        engine = [tiles.risk, *tiles.matching, tiles.wal]
        return [("engine", engine), ("wal_sync", [tiles.wal_sync])]
    return [
        ("engine", [tiles.risk, *tiles.matching]),
        ("wal", [tiles.wal]),
        ("wal_sync", [tiles.wal_sync]),
    ]


def rig_with_users(folder: Path, users: int, **wal: int) -> Any:
    config = harness.bench_config(matching={"open_orders_per_user_max": 1 << 18}, wal=wal)
    rig = harness.EngineRig(config, folder)
    rig.begin_stepping()
    for user in range(1, users + 1):
        rig.deposit(user, RICH // users)
    rig.step()
    rig.drain()
    return rig


def rest(rig: Any, side: int, level: int, orders: int, lots: int, user: int = 1) -> None:
    for _ in range(orders):
        rig.rings["gateway_risk"].push(rig.order(user, side, level * 10, lots * 100))
        if rig.oid % 1000 == 0:
            rig.step()
            rig.drain()
    rig.step()
    rig.drain()


def measure_round_trip(layout: str, crossing: bool, count: int, **wal: int) -> list[int]:
    """ns of each round trip; the first tenth is warm-up."""
    kernels = build.kernels()
    with tempfile.TemporaryDirectory(dir=harness.ROOT / "build") as name:
        rig = rig_with_users(Path(name), 2, **wal)
        if crossing:
            rest(rig, 1, 50_000, 1, 1 << 24)
            template = rig.order(2, 0, 500_000, 100, tif=1)
        else:
            template = rig.order(2, 0, 400_000, 100)
        rig = rig.reopen()
        rig.tiles.wal.sync_inline = layout == "one"
        cpus = sorted(os.sched_getaffinity(0))
        pins = {"engine": cpus[-1]} if len(cpus) > 1 else None
        rig.start(groups_for(layout, rig.tiles), idle="backoff", cpus=pins)
        before = os.sched_getaffinity(0)
        os.sched_setaffinity(0, {cpus[0]})
        try:
            samples = kernels.round_trips(
                rig.rings["gateway_risk"], rig.rings["wal_gateway"], template, 1 << 20, count
            )
        finally:
            os.sched_setaffinity(0, before)
            rig.close()
    return list(samples[count // 10 :])


def measure_durable_fills(
    layout: str, fills_each: int, seconds: float, **wal: int
) -> tuple[float, str]:
    """(durable fills a second, counters): one-lot takers of 56 users meet huge makers of 8 users.

    fills_each: lots of a taker
    """
    kernels = build.kernels()
    with tempfile.TemporaryDirectory(dir=harness.ROOT / "build") as name:
        rig = rig_with_users(Path(name), 64, **wal)
        for user in range(1, 9):
            rest(rig, 1, 50_001, 1, 1 << 22, user)
            rest(rig, 0, 50_000, 1, 1 << 22, user)
        block = b"".join(
            rig.order(9 + i % 56, i & 1, (50_001 - (i & 1)) * 10, 100 * fills_each, tif=1)
            for i in range(4096)
        )
        rig = rig.reopen()
        feeder = kernels.Feeder("feeder", rig.rings["gateway_risk"], block, 1 << 30)
        sink = kernels.Sink("sink", rig.rings["wal_gateway"])
        other = kernels.Sink("other", rig.rings["wal_marketdata"])
        refusals = kernels.Sink("refusals", rig.rings["risk_gateway"])
        feeder.limit = 0
        groups = groups_for(layout, rig.tiles)
        groups[0] = ("engine", [feeder, *groups[0][1]])
        groups[-2 if layout == "two" else 0][1].extend([sink, other, refusals])
        cpus = sorted(os.sched_getaffinity(0))
        rig.start(groups, idle="backoff", cpus={"engine": cpus[-1], "wal": cpus[0]})
        deadline = time.monotonic() + 30
        while (
            rig.tiles.wal.counters()["segments_ready"] < wal["segments_ahead"]
            and time.monotonic() < deadline
        ):
            time.sleep(0.05)
        fills = sink.fills
        began = time.perf_counter()
        feeder.limit = 1 << 62
        time.sleep(seconds)
        done, took = sink.fills - fills, time.perf_counter() - began
        feeder.limit = 0
        counters = rig.tiles.wal.counters()
        missed = counters["segments_unprepared"]
        detail = f"{counters['syncs']:,} syncs, {missed} segments not zeroed ahead"
        if sink.refused or refusals.refused:
            raise RuntimeError(f"{sink.refused + refusals.refused} orders were refused")
        seen = -1
        while sink.records != seen:  # until what was pushed has come through
            seen = sink.records
            time.sleep(0.2)
        rig.close()
        rig.state.audit()
    return done / took, detail


def measure(scale: float = 1.0) -> list[Figure]:
    figures = []
    with tempfile.TemporaryDirectory(dir=harness.ROOT / "build") as name:
        floor = fdatasync_samples(Path(name))
    count = max(200, int(20_000 * scale))
    share = min(1.0, 10 * scale)
    small = {"segment_mib": 4} if share < 1 else {}
    wal = {"segments_ahead": max(1, int(AHEAD * share)), **small}
    for layout in ("one", "two"):
        samples = measure_round_trip(layout, False, count, **small)
        figures.append(
            Figure(
                f"gateway -> engine -> gateway, no fsync, {layout} thread(s), p50",
                harness.percentiles(samples)["p50"] / 1e3, "us", "<= 5 us, p99 <= 20",
                detail=harness.spread(samples, "us", 1e3),
            )
        )  # fmt: skip
    crossings = max(200, int(1000 * share), count // 20)
    samples = measure_round_trip("one", True, crossings, **small)
    figures.append(
        Figure(
            "crossing order -> durable fill, in process, p50",
            harness.percentiles(samples)["p50"] / 1e3, "us", "",
            harness.percentiles(floor)["p50"] / 1e3, "write + fdatasync",
            harness.spread(samples, "us", 1e3),
        )
    )  # fmt: skip
    for layout in ("one", "two"):
        rate, detail = measure_durable_fills(layout, 1, SECONDS * share, **wal)
        figures.append(
            Figure(f"durable fills a second, whole engine, {layout} thread(s)", rate / 1e6, "M/s",
                   ">= 2 M/s", detail=detail)
        )  # fmt: skip
    return figures


if __name__ == "__main__":
    harness.print_table(measure())
