"""The `perf` command: every bench, one table, each figure beside what the machine does without us.

The benches live in perf/, beside the package; an installed package does not carry them.
Source: specs/perf.md.
"""

from __future__ import annotations

import importlib
import sys
from pathlib import Path
from typing import Any

import click

from rsx.errors import RsxError

ROOT = Path(__file__).resolve().parents[2]
# In the order in which they run; each alone, never two at once.
BENCHES = {
    "ring": "bench_ring",
    "matching": "bench_matching",
    "accept": "bench_accept",
    "log": "bench_log",
    "risk": "bench_risk",
    "liquidation": "bench_liquidation",
    "snapshot": "bench_snapshot",
    "archive": "bench_archive",
    "snapshot_load": "snapshot_load",
    "recovery": "bench_recovery",
    "engine": "load_engine",
    "sim": "bench_sim",
    "websocket": "load_websocket",
    "dxs": "bench_dxs",
}


class BenchMissing(RsxError):
    """perf/ is not there: not a source tree."""


@click.command()
@click.argument("name", required=False, type=click.Choice(sorted(BENCHES)))
@click.option(
    "--scale",
    type=click.FloatRange(0.01, 10),
    default=1.0,
    show_default=True,
    help="share of the full number of samples",
)
@click.option("--json", "as_json", is_flag=True, help="one JSON object")
def perf(name: str | None, scale: float, as_json: bool) -> int:
    """Measure, and print each figure beside its floor. NAME runs one bench only."""
    folder = ROOT / "perf"
    if not (folder / "harness.py").exists():
        raise BenchMissing(f"the benches are not here ({folder}): run this from a source tree")
    sys.path[:0] = [str(ROOT), str(folder)]
    (ROOT / "build").mkdir(exist_ok=True)
    harness: Any = importlib.import_module("harness")
    harness.refuse_debug_build()
    figures = []
    for label in [name] if name else BENCHES:
        print(f"measuring {label} ...", file=sys.stderr, flush=True)
        figures += importlib.import_module(BENCHES[label]).measure(scale)
    if as_json:
        import orjson

        rows = [{"name": f.name, "value": f.value, "unit": f.unit, "aim": f.aim, "floor": f.floor,
                 "floor_name": f.floor_name, "ratio": f.ratio, "detail": f.detail}
                for f in figures]  # fmt: skip
        print(orjson.dumps({"machine": harness.machine(), "figures": rows}).decode())
        return 0
    machine = harness.machine()
    print(
        f"{machine['cpu']}, {machine['cpus']} cores, Python {machine['python']}, "
        f"Linux {machine['kernel']}"
    )
    harness.print_table(figures)
    return 0


COMMANDS = [perf]
