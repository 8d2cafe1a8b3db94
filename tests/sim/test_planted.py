"""Bugs planted in a simulated exchange: each must be found within a few seeds (SM-51)."""

from __future__ import annotations

import dataclasses

import msgspec
import pytest

from rsx.core.crc import sealed
from rsx.records import BY_NAME, RECORD_SIZE
from rsx.sim.auditor.promises import type_at
from rsx.sim.plan import draw
from rsx.sim.run import one, simulate
from rsx.sim.world import World

SEEDS = range(500, 520)
STEPS = 6000
CANCELS = {BY_NAME[name].type for name in ("ORDER_CANCELLED", "TRIGGER_CANCELLED")}
ORDER_CANCEL, PAYMENT, DONE, FILL, MARK_PRICE = (
    BY_NAME[name].type
    for name in ("ORDER_CANCEL", "FUNDING_PAYMENT", "FUNDING_DONE", "FILL", "MARK_PRICE")
)


def kind(slot):
    return slot[2] | slot[3] << 8


def slots(data):
    return [data[at : at + RECORD_SIZE] for at in range(0, len(data), RECORD_SIZE)]


def drawn(seed, *faults, **sections):
    plan = draw(seed, frozenset(faults))
    config = plan.config.replace(**sections)
    return dataclasses.replace(plan, config=config, life=1000)


def found(plant, make_plan, *rules):
    """The first failure in a few seeds; it must be one of these rules."""
    for seed in SEEDS:
        world = World(make_plan(seed))
        plant(world)
        failure = one(world, STEPS, "")
        if failure is not None:
            assert failure.rule in rules, failure
            return failure
    raise AssertionError("never found")


def rewrite(ring, change):
    """Take what is in a ring out and put back what `change` makes of it."""
    there = b"".join(iter(lambda: ring.pop(1 << 20), b""))  # a look may see a part only
    data = b"".join(change(slots(there)))
    assert ring.push_many(data) * RECORD_SIZE == len(data)


# --- a fill released before its fsync -------------------------------------------------------------


def release_early(world):
    """The log releases as in mode async; what is promised is mode fill."""
    world.witness.durability = "fill"


def early(seed, *faults):
    return drawn(seed, *faults, wal={"durability": "async", "flush_ms": 100})


def test_a_fill_that_is_released_before_its_fsync_is_seen_at_once():
    assert "not on the disk" in found(release_early, early, "INV-10").reason


def test_a_fill_that_is_released_before_its_fsync_is_missed_after_a_power_cut():
    """By the promise alone, without a look at the medium."""

    def plant(world):
        release_early(world)
        world.check_durable = world.find_segment

    failure = found(plant, lambda seed: early(seed, "power"), "L-25")
    assert "told in mode fill, and is lost" in failure.reason


# --- a lost cancel --------------------------------------------------------------------------------


def test_a_cancel_that_gets_lost_on_its_way_is_missed():
    def drop(world):
        for symbol in world.plan.config.symbols:
            for shard in range(world.plan.config.risk.shards):
                rewrite(world.rings.risk_matching(shard, symbol.id),
                        lambda rows: [r for r in rows if kind(r) != ORDER_CANCEL])  # fmt: skip

    def plant(world):
        world.tamper = drop

    failure = found(plant, drawn, "INV-22")
    assert "CANCEL_REQUEST" in failure.reason


def test_a_cancel_that_was_told_and_is_not_in_the_log_is_missed():
    def plant(world):
        recover = world.recover

        def lose_and_recover():
            log = world.witness.log
            last = world.witness.told
            while last > world.witness.floor and type_at(log, last) not in CANCELS:
                last -= 1
            if last > world.witness.floor:
                wipe(world, last)
            return recover()

        world.recover = lose_and_recover

    def plan(seed):
        return drawn(seed, "kill", replica={"enabled": False}, wal={"durability": "async",
                                                                    "flush_ms": 1000})  # fmt: skip

    failure = found(plant, plan, "L-25", "L-23")
    assert "is lost with the process" in failure.reason or "damaged" in failure.reason


def wipe(world, seq):
    """The log ends before this record."""
    for first in world.segments():
        path = world.segment_path(first)
        data = bytearray(world.disk.read_file(path))
        begin = max(0, seq - first) * RECORD_SIZE
        data[begin:] = bytes(len(data[begin:]))
        if any(data):
            world.disk.write_file(path, data)
        else:
            world.disk.remove(path)


# --- a double funding -----------------------------------------------------------------------------


def funded(seed):
    """Markets that are funded every minute, in minutes that pass quickly."""
    plan = drawn(seed, mark={"source": "synthetic", "stale_ms": 3_600_000})
    symbols = tuple(
        msgspec.structs.replace(symbol, funding_interval_s=60, funding_damp_ppb=0,
                                funding_interest_ppb=1_000_000)
        for symbol in plan.config.symbols
    )  # fmt: skip
    config = msgspec.structs.replace(plan.config, symbols=symbols)
    features = plan.features - {"rules", "modes"}
    return dataclasses.replace(plan, config=config, pace_ns=100_000_000, features=features)


def test_a_second_payment_of_the_same_funding_is_seen_by_the_auditor():
    """In what is told and nowhere else, so that the exchange itself cannot see it."""

    def twice(rows):
        for at in range(1, len(rows)):
            if kind(rows[at - 1]) == PAYMENT and kind(rows[at]) == DONE:
                seq = int.from_bytes(rows[at][16:24], "little")
                rows[at] = sealed(rows[at - 1], seq, rows[at][12])
        return rows

    def plant(world):
        world.check_durable = world.find_segment
        world.tamper = lambda world: rewrite(world.rings["wal_gateway"], twice)

    found(plant, funded, "FN-7", "FN-8")


def test_a_second_payment_of_the_same_funding_stops_the_exchange():
    def twice(rows):
        """Once only: the first one that comes by."""
        for at, row in enumerate(rows):
            if kind(row) == PAYMENT and not planted:
                planted.append(at)
                rows.insert(at, row)
        return rows

    planted = []

    def plant(world):
        planted.clear()
        world.tamper = lambda world: [
            rewrite(ring, twice) for ring in world.rings.of_shards("risk_wal")
        ]

    found(plant, funded, "INV-9", "FN-7", "FN-8")


# --- a skipped record -----------------------------------------------------------------------------


def test_a_record_that_is_not_handed_to_the_gateway_is_missed():
    def skip(rows):
        return [row for row in rows if kind(row) != FILL]

    def plant(world):
        world.tamper = lambda world: rewrite(world.rings["wal_gateway"], skip)

    assert "is due" in found(plant, drawn, "INV-5").reason


def test_a_record_that_the_log_skips_is_missed():
    """The others closed up: numbered and sealed anew, so that nothing but the promise shows it."""

    def plant(world):
        recover = world.recover

        def skip_and_recover():
            log, first = world.witness.log, world.witness.floor + 1
            marks = [seq for seq in range(first, world.witness.told + 1)
                     if type_at(log, seq) == MARK_PRICE]  # fmt: skip
            if marks:
                close_up(world, marks[-1])
            return recover()

        world.recover = skip_and_recover

    def plan(seed):
        return drawn(seed, "kill", replica={"enabled": False, "check_ms": 0},
                     mark={"source": "synthetic"})  # fmt: skip

    found(plant, plan, "L-25")


def close_up(world, seq):
    """Take a record out of the segment that it is in, where that is the last one."""
    first = max(world.segments())
    if seq < first:
        return
    path = world.segment_path(first)
    rows = slots(world.disk.read_file(path))
    kept = rows[: seq - first]
    for row in rows[seq - first + 1 :]:
        epoch = int.from_bytes(row[12:16], "little")
        kept.append(sealed(row, first + len(kept), epoch) if any(row) else row)
    world.disk.write_file(path, b"".join(kept).ljust(len(rows) * RECORD_SIZE, b"\0"))


# --- what is said of it ---------------------------------------------------------------------------


@pytest.mark.parametrize("faults", ["all", "none"])
def test_a_failure_says_the_line_that_repeats_it(faults):
    def plant(world):
        world.tamper = lambda world: rewrite(
            world.rings["wal_gateway"], lambda rows: [r for r in rows if kind(r) != FILL]
        )

    report = simulate(9, 50_000, faults, plant)
    failure = report.failure
    assert (failure is not None and failure.step == report.steps % 20_000) or failure.step
    words = failure.command.split()
    again = simulate(int(words[4]), int(words[6]), faults, plant).failure
    assert (again.seed, again.step, again.reason) == (failure.seed, failure.step, failure.reason)
