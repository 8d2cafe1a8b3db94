"""Runs of the simulator: fixed seeds, fresh ones, the same digest wherever it runs (SM-51).

RSX_SIM_STEPS: steps of each run in place of the default.
"""

from __future__ import annotations

import json
import os
import secrets
import subprocess
import sys

import pytest

from rsx.sim.plan import FAULTS
from rsx.sim.run import simulate

STEPS = int(os.environ.get("RSX_SIM_STEPS", "12000"))
FRESH = [secrets.randbits(48) for _ in range(2)]
pytestmark = pytest.mark.timeout(120 + STEPS // 200)


def check(seed, faults="all", steps=STEPS):
    report = simulate(seed, steps, faults)
    failure = report.failure
    assert failure is None, f"{failure.reason}\n{failure.plan}\nagain: {failure.command}"
    return report


@pytest.mark.parametrize("seed", [*range(1, 7), *FRESH], ids=lambda seed: f"seed-{seed}")
def test_everything_holds(seed):
    """INV-1 to INV-33 as far as SM-40 to SM-46 name them; L-25 after every kind of end."""
    check(seed)


@pytest.mark.parametrize("fault", [fault for fault in FAULTS if fault != "torn"])
def test_everything_holds_under_one_fault_alone(fault):
    faults = {"kill": "kill", "power": "power,torn", "call": "call,power"}.get(fault, fault)
    check(40 + FAULTS.index(fault), faults, STEPS // 4)


def test_all_kinds_of_ends_and_records_are_reached():
    from rsx.records import BY_TYPE, Kind
    from rsx.sim.plan import draw
    from rsx.sim.world import World

    seen, ends = set(), set()
    for seed in range(200, 212):
        world = World(draw(seed))
        world.run(3000)
        log = world.witness.log
        seen |= {BY_TYPE[log[at + 2] | log[at + 3] << 8].name for at in range(0, len(log), 128)}
        ends |= {name for name, count in world.counts.items() if count}
    logged = {record.name for record in BY_TYPE.values() if record.kind is Kind.LOGGED}
    rare = {"POSITION_TRANSFERRED", "LIQUIDATION_SETTLED", "ORDER_RELEASED", "MARGIN_TRANSFERRED",
            "FUNDING_DONE", "FUNDING_PAYMENT", "FUNDING_SETTLED"}  # fmt: skip
    assert logged - seen <= rare
    assert {"stop", "rest", "refused", "failed starts", "starts from a snapshot"} <= ends
    assert len(ends & set(FAULTS)) >= 6


def run_command(*arguments, **environment):
    return subprocess.run(
        [sys.executable, "-m", "rsx.cli", "sim", *arguments],
        env={**os.environ, **environment}, capture_output=True, text=True, check=False, timeout=100,
    )  # fmt: skip


def test_the_same_seed_gives_the_same_digest_in_another_process():
    """SM-3: no hash of a string, no clock, no address of memory in it."""
    here = simulate(77, 6000)
    there = run_command("--seed", "77", "--steps", "6000", "--json", PYTHONHASHSEED="4711")

    report = json.loads(there.stdout)
    assert there.returncode == 0, there.stderr
    assert (report["digest"], report["records"]) == (here.digest, here.records)
    assert report["counts"] == here.counts
    assert simulate(78, 6000).digest != here.digest


def test_a_run_is_a_row_of_exchanges_that_can_be_repeated_alone(monkeypatch):
    """SM-5."""
    monkeypatch.setattr("rsx.sim.run.EPISODE_STEPS", 1000)
    whole = simulate(5, 2500)
    assert (whole.exchanges, whole.steps) == (3, 2500)


def test_the_command_prints_pace_counts_and_digest_and_refuses_what_it_does_not_know():
    done = run_command("--seed", "3", "--steps", "500", "--faults", "kill,power")
    assert done.returncode == 0 and "500 steps" in done.stdout and "digest" in done.stdout
    wrong = run_command("--faults", "kill,flood")
    assert wrong.returncode == 2 and "flood" in wrong.stderr
    assert run_command("--steps", "0").returncode == 2
