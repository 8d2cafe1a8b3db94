"""How many steps of the simulator are done in a minute, with every fault and every check on?

all     drawn plans: ends of every kind, recoveries, replica, snapshots, auditors
none    the same exchanges without faults; they are stopped and started all the same

A step is a duty cycle of a tile or an act of a driver (specs/sim.md SM-2). The share of time that
the auditors take is inside.
"""

from __future__ import annotations

from harness import Figure

STEPS = 200_000
AIM = ">= 1 million"


def measure(scale: float = 1.0) -> list[Figure]:
    from rsx.sim.run import simulate

    figures = []
    for faults in ("all", "none"):
        report = simulate(2026, max(20_000, round(STEPS * scale)), faults)
        if report.failure is not None:
            raise AssertionError(f"{report.failure.reason}; again: {report.failure.command}")
        figures.append(Figure(
            f"simulated steps, faults {faults}", 60 * report.steps / report.seconds / 1e6,
            "million/min", aim=AIM,
            detail=f"{report.exchanges} exchanges, {report.records:,} records, "
                   f"{report.counts['starts']} starts, digest {report.digest}",
        ))  # fmt: skip
    return figures
