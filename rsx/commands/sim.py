"""The `sim` command: the whole exchange on a simulated disk and clock, driven by a seed.

Source: specs/sim.md section 7.
"""

from __future__ import annotations

import dataclasses
import secrets
import sys
from typing import Any

import click

from rsx.sim.plan import FAULTS

SEED_BITS = 48
EXIT_FOUND = 1


def _faults(_context: Any, _option: Any, value: str) -> str:
    if value in ("all", "none"):
        return value
    unknown = [name for name in value.split(",") if name not in FAULTS]
    if unknown:
        raise click.BadParameter(
            f"{unknown[0]!r} is none of all, none, {', '.join(FAULTS)} (with commas between)"
        )
    return value


@click.command()
@click.option("--seed", type=click.IntRange(0, (1 << 64) - 1), help="default: a fresh one")
@click.option(
    "--steps", type=click.IntRange(min=1), default=200_000, show_default=True,
    help="duty cycles of tiles and acts of clients",
)  # fmt: skip
@click.option(
    "--faults", default="all", show_default=True, callback=_faults,
    help="all (each exchange draws some), none, or names: " + ",".join(FAULTS),
)  # fmt: skip
@click.option("--json", "as_json", is_flag=True, help="one JSON object")
def sim(seed: int | None, steps: int, faults: str, as_json: bool) -> int:
    """Simulate exchanges, break them, and audit what is left. Exit 1: something does not hold."""
    from rsx.sim.run import simulate

    if seed is None:
        seed = secrets.randbits(SEED_BITS)
    if not as_json:
        print(f"seed {seed}, {steps:,} steps, faults {faults}", file=sys.stderr, flush=True)
    report = simulate(seed, steps, faults)
    if as_json:
        import orjson

        print(orjson.dumps(dataclasses.asdict(report)).decode())
        return EXIT_FOUND if report.failure else 0
    pace = 60 * report.steps / max(report.seconds, 1e-9)
    print(
        f"{report.steps:,} steps in {report.seconds:.1f} s ({pace / 1e6:.1f} million a minute): "
        f"{report.exchanges} exchanges, {report.records:,} records\n"
        f"  {', '.join(f'{name} {count:,}' for name, count in sorted(report.counts.items()))}\n"
        f"  digest {report.digest}"
    )
    failure = report.failure
    if failure is None:
        return 0
    print(
        f"step {failure.step:,} of seed {failure.seed}: {failure.reason}\n"
        f"  {failure.plan}\n  again: {failure.command}"
    )
    return EXIT_FOUND


COMMANDS: list[click.Command] = [sim]
