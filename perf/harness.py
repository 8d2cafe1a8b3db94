"""What the benches share: percentiles, an engine without edges, reporting, pyperf glue.

A bench is a function that returns Figures. `rsx perf` runs all of them and prints one table; each
file is a pyperf script too (`python perf/bench_matching.py -o out.json`).
"""

from __future__ import annotations

import os
import platform
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
if str(ROOT) not in sys.path:
    sys.path.insert(0, str(ROOT))


@dataclass(frozen=True, slots=True)
class Figure:
    """One line of the table.

    value and floor in `unit`; floor: what the same machine does without us, in the same run;
    aim: the design's figure as text; detail: percentiles, counts, what was checked.
    """

    name: str
    value: float
    unit: str
    aim: str = ""
    floor: float | None = None
    floor_name: str = ""
    detail: str = ""

    @property
    def ratio(self) -> float | None:
        return self.value / self.floor if self.floor else None


def percentiles(samples: Sequence[int]) -> dict[str, int]:
    """p50, p90, p99, p99.9 and max of samples; raises ValueError on too few."""
    if len(samples) < 100:
        raise ValueError(f"{len(samples)} samples; at least 100 are needed")
    ordered = sorted(samples)

    def at(share: float) -> int:
        return ordered[min(len(ordered) - 1, int(len(ordered) * share))]

    return {"p50": at(0.5), "p90": at(0.9), "p99": at(0.99), "p99.9": at(0.999), "max": ordered[-1]}


def spread(samples: Sequence[int], unit: str = "ns", scale: float = 1) -> str:
    """Percentiles in one short text."""
    return "  ".join(f"{k} {v / scale:,.1f}" for k, v in percentiles(samples).items()) + f" {unit}"


def median(values: Sequence[float]) -> float:
    ordered = sorted(values)
    return ordered[len(ordered) // 2]


def machine() -> dict[str, Any]:
    """What the figures were taken on."""
    model = ""
    try:
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            if line.startswith("model name"):
                model = line.split(":")[1].strip()
                break
    except OSError:
        model = platform.processor()
    cpus = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    return {
        "cpu": model,
        "cpus": cpus,
        "python": platform.python_version(),
        "kernel": platform.release(),
        "build": os.environ.get("RSX_BUILD", "release"),
    }


def refuse_debug_build() -> None:
    """A debug build is no benchmark."""
    if os.environ.get("RSX_BUILD", "release") != "release":
        raise SystemExit("perf: RSX_BUILD is not 'release'; figures of a debug build mean nothing")


def pyperf_main(name: str, timed: Callable[[int], float], inner: int) -> None:
    """Run as a pyperf script: timed(loops) returns seconds for loops x inner operations."""
    import pyperf

    runner = pyperf.Runner()
    runner.bench_time_func(name, timed, inner_loops=inner)


def print_table(figures: Sequence[Figure], out: Any = None) -> None:
    """The table of all figures beside their floors."""
    from rich.box import SIMPLE_HEAD
    from rich.console import Console
    from rich.table import Table

    table = Table(box=SIMPLE_HEAD, pad_edge=False)
    for column in ("what", "measured", "aim", "floor of this run", "ratio", "detail"):
        table.add_column(column, overflow="fold")
    for f in figures:
        floor = f"{f.floor:,.1f} {f.unit} ({f.floor_name})" if f.floor is not None else ""
        ratio = f"{f.ratio:.2f} x" if f.ratio is not None else ""
        table.add_row(f.name, f"{f.value:,.1f} {f.unit}", f.aim, floor, ratio, f.detail)
    Console(file=out, width=None if sys.stdout.isatty() else 180).print(table)


# --- an engine without edges ------------------------------------------------------------------


def bench_config(**changes: Any) -> Any:
    """The default configuration with one symbol, zero fees left as they are, small margins."""
    import msgspec

    from rsx.config import load

    config = load()
    symbol = msgspec.structs.replace(
        config.symbols[0], qty_max=1 << 40, notional_max=1 << 60, initial_margin_ppm=10_000,
        maintenance_margin_ppm=5_000, notional_min=0, price_band_ppm=0,
    )  # fmt: skip
    config = msgspec.structs.replace(config, symbols=(symbol,))
    off: dict[str, dict[str, Any]] = {"demo": {"enabled": False}, "replica": {"enabled": False}}
    return config.replace(**{**off, **changes})


class EngineRig:
    """risk, matching, wal, wal_sync on a folder, no gateway: rings are driven by the bench.

    Tiles are the product's; only who feeds and drains them differs.
    """

    def __init__(self, config: Any, folder: Path):
        from rsx import topology
        from rsx.core.clock import Clock
        from rsx.wal.segments import open_data_folder
        from rsx.wal.start import recover

        self.folder, self.lock_fd = open_data_folder(folder)
        clock = Clock.system()
        recovered = recover(config, self.folder, clock)
        self.config = config = recovered.config
        self.rings = topology.build_rings(config)
        self.tiles = topology.build_tiles(self.rings, recovered, self.folder, b"x" * 32, clock)
        self.state = recovered.state
        self.stepper = topology.Stepper(self.tiles.compiled)
        self.runners: list[Any] = []
        self.oid = 1

    def step(self) -> None:
        self.stepper.run()

    def begin_stepping(self) -> None:
        for tile in self.tiles.compiled:
            tile.on_start()
        self.step()
        self.drain()

    def drain(self) -> list[bytes]:
        """Everything released to the gateway; the other released rings are emptied too."""
        self.rings["wal_marketdata"].pop(1 << 22)
        data = self.rings["wal_gateway"].pop(1 << 22)
        return [data[at : at + 128] for at in range(0, len(data), 128)]

    def deposit(self, user: int, amount: int) -> None:
        from rsx.records import DEPOSIT_REQUEST

        self.rings["gateway_risk"].push(
            DEPOSIT_REQUEST.pack(user_id=user, amount=amount, request_id=user)
        )

    def order(
        self, user: int, side: int, px: int, qty: int, tif: int = 0, cid: bytes = b""
    ) -> bytes:
        """An ORDER_REQUEST with the next order id."""
        from rsx.records import ORDER_REQUEST

        self.oid += 1
        return ORDER_REQUEST.pack(
            oid=self.oid, px=px, qty=qty, user_id=user, symbol_id=self.config.symbols[0].id,
            side=side, tif=tif, cid=cid, cid_len=len(cid),
        )  # fmt: skip

    def reopen(self) -> EngineRig:
        """Close and recover: what was set up by stepping, ready to be run by threads."""
        self.close()
        rig = EngineRig(self.config, self.folder.parent)
        rig.oid = self.oid
        return rig

    def start(
        self, groups: Sequence[tuple[str, list[Any]]], idle: str = "spin", cpus: Any = None
    ) -> None:
        """Run tiles in threads: [(thread name, tiles)]; cpus: {thread name: core}."""
        from rsx.core.tile import Idle, Runner

        for name, tiles in groups:
            pinned = {cpus[name]} if cpus and name in cpus else None
            strategy = Idle("backoff", 0, 0) if name == "wal_sync" else Idle(idle)
            self.runners.append(Runner(name, tiles, strategy, cpus=pinned))
        for runner in self.runners:
            runner.start()

    def close(self) -> None:
        for runner in self.runners:  # the log before what syncs it
            failure = runner.failure
            runner.stop()
            if failure is not None:
                raise failure
        if not self.runners:
            for tile in reversed(self.tiles.compiled):
                tile.on_close()
        os.close(self.lock_fd)
