"""A run: one exchange after another, each with a plan of its own, until enough steps are done.

Source: specs/sim.md section 7.
"""

from __future__ import annotations

import hashlib
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from rsx.core.check import InvariantError
from rsx.sim.auditor.promises import Broken
from rsx.sim.chance import Chance
from rsx.sim.plan import draw
from rsx.sim.world import World

EPISODE_STEPS = 20_000
SEED_BITS = 48


@dataclass(frozen=True, slots=True)
class Failure:
    """What does not hold. seed, steps, plan: of the exchange that shows it; step: at which."""

    seed: int
    steps: int
    step: int
    rule: str
    reason: str
    plan: str
    command: str


@dataclass(slots=True)
class Report:
    """What was done. digest: the same for the same seed, steps and faults on every machine."""

    seed: int
    faults: str
    steps: int = 0
    exchanges: int = 0
    records: int = 0
    seconds: float = 0.0
    digest: str = ""
    counts: dict[str, int] = field(default_factory=dict)
    failure: Failure | None = None


def seeds(seed: int) -> Any:
    """The seeds of the exchanges of a run; the first one's is the run's."""
    yield seed
    chance = Chance(seed)
    while True:
        yield chance.next() >> 64 - SEED_BITS


def again(seed: int, steps: int, faults: str) -> str:
    """The command that repeats one exchange."""
    only = "" if faults == "all" else f" --faults {faults}"
    return f"python rsx.py sim --seed {seed} --steps {steps}{only}"


def simulate(
    seed: int, steps: int, faults: str = "all", prepare: Callable[[World], None] | None = None
) -> Report:  # fmt: skip
    """Run so many steps, or up to the first thing that does not hold.

    Args  faults: "all", "none", or names with commas between; prepare: tampers with each world
    """
    report, began = Report(seed, faults), time.perf_counter()
    digest = hashlib.blake2b(digest_size=8)
    chosen = faults if faults in ("all", "none") else frozenset(faults.split(","))
    for own_seed in seeds(seed):
        if report.steps >= steps or report.failure is not None:
            break
        length = min(EPISODE_STEPS, steps - report.steps)
        world = World(draw(own_seed, chosen))
        if prepare is not None:
            prepare(world)
        report.failure = one(world, length, again(own_seed, length, faults))
        report.steps += world.steps
        report.exchanges += 1
        report.records += world.witness.last
        report.counts = dict(sorted((Counter(report.counts) + world.counts).items()))
        digest.update(world.digest.digest())
    report.digest = digest.hexdigest()
    report.seconds = time.perf_counter() - began
    return report


def one(world: World, steps: int, command: str) -> Failure | None:
    """Run one exchange; whatever it raises is what does not hold."""
    try:
        world.run(steps)
        return None
    except Broken as broken:
        rule, reason = broken.rule, str(broken)
    except InvariantError as failed:
        rule, reason = f"INV-{failed.number}", str(failed)
    except Exception as error:
        rule, reason = type(error).__name__, f"{type(error).__name__}: {error}"
    plan = world.plan
    return Failure(plan.seed, steps, world.steps, rule, reason, plan.line(), command)
