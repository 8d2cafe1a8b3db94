"""How long does a record take from one thread to another?

    main thread --there--> echo thread --back--> main thread        both spin, 128-byte records

One sample is half a round trip. A regression here is paid several times by every order.
"""

from __future__ import annotations

import os

import harness
from harness import Figure

from perf import build


def measure(scale: float = 1.0) -> list[Figure]:
    """Ring hop, p50; needs two cores."""
    cpus = sorted(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else []
    if len(cpus) < 2:
        return []
    kernels = build.kernels()
    hops = int(200_000 * scale * min(1.0, 10 * scale))
    runs = [kernels.ring_hop(hops, cpus=(cpus[0], cpus[-1])) for _ in range(5)]
    best = sorted(runs, key=lambda run: harness.percentiles(run)["p50"])[len(runs) // 2]
    return [
        Figure(
            "ring hop, one way, p50", harness.percentiles(best)["p50"], "ns", "<= 110 ns",
            kernels.clock_floor(), "two clock readings are in it, halved", harness.spread(best),
        )
    ]  # fmt: skip


if __name__ == "__main__":
    kernels_module = build.kernels()
    harness.pyperf_main(
        "ring_round_trip", lambda loops: 2e-9 * sum(kernels_module.ring_hop(loops * 1000)), 1000
    )
