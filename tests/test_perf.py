"""Every bench runs at the smallest scale and checks what it measured; PF-7: asserts no time."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from rsx.commands.perf import BENCHES

ROOT = Path(__file__).resolve().parents[1]


pytestmark = [
    pytest.mark.slow, pytest.mark.system, pytest.mark.timeout(300),
    pytest.mark.skipif(os.environ.get("RSX_BUILD", "release") != "release",
                       reason="PF-5: no benches in a debug build"),
]  # fmt: skip


@pytest.fixture(scope="module", autouse=True)
def drivers() -> None:
    """What the benches compile on demand, once and without the time limit of one."""
    program = "from perf import build; build.kernels(); build.cpp_floor()"
    subprocess.run([sys.executable, "-c", program], cwd=ROOT, check=True)


@pytest.mark.parametrize("name", BENCHES)
def test_a_bench_runs(name):
    """PF-1, PF-4: orders that should rest do, takers fill, books are audited."""
    done = subprocess.run(
        [sys.executable, "-m", "rsx.cli", "perf", name, "--scale", "0.01", "--json"],
        cwd=ROOT, capture_output=True, text=True, timeout=120,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-3000:]
    figures = json.loads(done.stdout)["figures"]
    assert figures or len(os.sched_getaffinity(0)) < 2
    assert all(figure["value"] > 0 for figure in figures), figures
