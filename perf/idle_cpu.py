"""What does an exchange cost that nobody uses?

Starts one (no demo, no clients), lets it settle, and reads the process's CPU time twice from
/proc/<pid>/stat. Prints the share of one core. specs/tiles.md T-22 promises under 3 %. A regression
means that a loop spins, or wakes far more often than anything is due.

    python perf/idle_cpu.py [--seconds 10] [--json]
"""

from __future__ import annotations

import argparse
import json
import os
import selectors
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
SETTLE_S = 2.0
START_S = 30.0
LIMIT_PERCENT = 3.0


def cpu_seconds(pid: int) -> float:
    """CPU time that all threads of a process have used."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def await_banner(process: subprocess.Popen[bytes]) -> None:
    """Raises RuntimeError when the exchange does not come up."""
    assert process.stdout is not None
    with selectors.DefaultSelector() as selector:
        selector.register(process.stdout, selectors.EVENT_READ)
        if not selector.select(START_S) or not process.stdout.readline():
            raise RuntimeError("the exchange did not start")


def measure(seconds: float) -> float:
    """Percent of one core that an idle exchange uses."""
    with tempfile.TemporaryDirectory() as folder:
        process = subprocess.Popen(
            [sys.executable, "-m", "rsx.cli", "run", "--data", folder, "--port", "0",
             "--no-demo", "--json"],
            cwd=ROOT, stdout=subprocess.PIPE,
        )  # fmt: skip
        try:
            await_banner(process)
            time.sleep(SETTLE_S)
            before, began = cpu_seconds(process.pid), time.monotonic()
            time.sleep(seconds)
            return 100 * (cpu_seconds(process.pid) - before) / (time.monotonic() - began)
        finally:
            process.kill()
            process.wait()


def main() -> int:
    parser = argparse.ArgumentParser(description="CPU share of an idle exchange")
    parser.add_argument("--seconds", type=float, default=10.0)
    parser.add_argument("--json", action="store_true")
    given = parser.parse_args()
    if not Path("/proc/self/stat").exists():
        print("idle_cpu: needs /proc (Linux)", file=sys.stderr)
        return 2
    percent = measure(given.seconds)
    if given.json:
        print(json.dumps({"idle_cpu_percent": round(percent, 2), "limit": LIMIT_PERCENT}))
    else:
        print(f"idle exchange: {percent:.2f} % of one core (limit {LIMIT_PERCENT} %)")
    return 0


if __name__ == "__main__":
    sys.exit(main())
