"""How long does the engine take for one request?

    requests in memory -> engine_request -> event records in a ring (thrown away)

match   a one-lot IOC meets a side of 200,000 resting ten-lot orders over 5,000 ticks: acceptance
        and fill with fees and reservations, both records written; every tenth takes a maker out.
        Repeated with fewer and more resting orders.
sweep   one IOC eats 100 one-lot makers; time of each fill.
gap     a one-lot IOC clears a level whose neighbour is far away.
mixed   60 % limits uniform within 20 ticks of mid, quantity 1-20; 40 % cancels of any earlier id,
        dead or alive; about 75,000 resting at the end. Fixed seed.
Floor: a C++ map of lists (perf/map_book.cpp) in the same run, which writes no records and keeps
no fees, reservations, client ids or positions; beside it the same map when it reads its requests
from memory and writes 128-byte records, as the engine has to.
"""

from __future__ import annotations

import random
import subprocess
from typing import Any

import harness
from harness import Figure

from perf import build
from rsx import records

MID = 50_000
MIXED_OPS = 1_000_000
LOTS = 10
PX_LEVELS = 1_000_000  # where a taker meets every offer
GAP_LEVELS, GAP = 900, 97


def engine(orders_max: int = 1 << 21) -> Any:
    from rsx.book.engine import Engine

    config = harness.bench_config()
    return Engine(
        config.symbols[0], orders_max=orders_max, users_max=1 << 16,
        open_orders_per_user_max=orders_max, dedup_orders_max=orders_max * 2,
    )  # fmt: skip


def request(oid: int, user: int, side: int, level: int, lots: int, tif: int = 0) -> bytes:
    return records.ORDER_NEW.pack(
        oid=oid, user_id=user, symbol_id=1, side=side, px=level * 10, qty=lots * 100, tif=tif,
        reserved=1_000_000,
    )  # fmt: skip


def fill_book(resting: int, levels: int, lots: int) -> Any:
    """An engine with `resting` orders on each side, spread over `levels` ticks."""
    kernels, e = build.kernels(), engine()
    block = bytearray()
    for i in range(resting):
        block += request(2 * i + 1, 1 + i % 1000, 1, MID + 1 + i % levels, lots)
        block += request(2 * i + 2, 1 + i % 1000, 0, MID - i % levels, lots)
        if len(block) > 1 << 24:
            kernels.run_requests(e, bytes(block))
            block.clear()
    kernels.run_requests(e, bytes(block))
    if e.counts()["resting"] != 2 * resting:
        raise RuntimeError(f"{e.counts()} where {2 * resting} should rest")
    return e


def takers(first_oid: int, count: int) -> bytes:
    """One-lot IOC orders, sides in turn."""
    return b"".join(
        request(first_oid + i, 2000 + i % 1000, i & 1, 100 if i & 1 else 100_000, 1, tif=1)
        for i in range(count)
    )


def measure_match(resting: int, levels: int) -> tuple[float, list[int]]:
    """(ns of a one-lot taker in a tight loop, samples one by one); a maker takes ten to be eaten.

    Warm-up and runs go on in one book and eat at most half of it, so that the side stays deep.
    """
    kernels, runs = build.kernels(), 5
    count = min(resting, 200_000)
    e = fill_book(resting, levels, LOTS)
    taken = []
    for i in range(runs + 2):
        block, before = takers(10_000_000 + i * count, count), e.counts()["fills"]
        if i == runs + 1:
            samples = kernels.sample_requests(e, block)
        else:
            taken.append(kernels.run_requests(e, block)[0] / count)
        if e.counts()["fills"] - before != count:
            raise RuntimeError(f"a taker did not fill: {e.counts()}")
    e.audit()
    return harness.median(taken[1:]), samples


def mixed_flow(ops: int, seed: int = 1) -> bytes:
    rng = random.Random(seed)
    out, last = bytearray(), 0
    for _ in range(ops):
        if last and rng.random() < 0.4:
            oid = rng.randint(1, last)
            out += records.ORDER_CANCEL.pack(oid=oid, user_id=1, symbol_id=1, request_id=oid)
        else:
            last += 1
            level, lots = MID + rng.randint(-20, 20), rng.randint(1, 20)
            out += request(last, 1, rng.getrandbits(1), level, lots)
    return bytes(out)


def measure_sweep(makers: int, takers_count: int) -> tuple[float, list[int]]:
    """(ns of one fill, samples per taker / makers) of takers that eat `makers` one-lot makers."""
    kernels, runs, samples = build.kernels(), [], []
    for run in range(4):
        e = engine()
        block = bytearray()
        for i in range(makers * takers_count):
            block += request(i + 1, 1 + i % 1000, 1, MID + 1 + i % 1000, 1)
        kernels.run_requests(e, bytes(block))
        sweepers = b"".join(
            request(10_000_000 + i, 2000, 0, 100_000, makers, tif=1) for i in range(takers_count)
        )
        if run == 3:
            samples = [ns // makers for ns in kernels.sample_requests(e, sweepers)]
        else:
            runs.append(kernels.run_requests(e, sweepers)[0] / (makers * takers_count))
        if e.counts()["fills"] != makers * takers_count:
            raise RuntimeError(f"a taker did not fill: {e.counts()}")
        e.audit()
    return harness.median(runs), samples


def measure_gap(levels: int, gap: int) -> tuple[float, list[int]]:
    """(ns, samples) of a one-lot taker that clears a level and finds the next `gap` ticks away."""
    kernels, runs, samples = build.kernels(), [], []
    for run in range(4):
        e = engine()
        block = b"".join(request(i + 1, 1, 1, MID + 1 + i * gap, 1) for i in range(levels))
        kernels.run_requests(e, block)
        clearing = b"".join(
            request(10_000_000 + i, 2, 0, PX_LEVELS, 1, tif=1) for i in range(levels)
        )
        if run == 3:
            samples = kernels.sample_requests(e, clearing)
        else:
            runs.append(kernels.run_requests(e, clearing)[0] / levels)
        if e.counts()["fills"] != levels or e.best() != (0, 0):
            raise RuntimeError(f"a level was left: {e.counts()}")
    return harness.median(runs), samples


def floor(*arguments: object) -> float | None:
    program = build.cpp_floor()
    if program is None:
        return None
    values = []
    for _ in range(5):
        done = subprocess.run(
            [program, *map(str, arguments)], capture_output=True, text=True, check=True
        )
        values.append(float(done.stdout.split()[0]))
    return harness.median(values)


def with_events(*arguments: object) -> str:
    """The floor that reads requests and writes records as the engine has to, as text."""
    value = floor(*arguments)
    if value is None:
        return ""
    return f"; the map reading requests and writing records: {value:.0f} ns"


def measure_recentring(levels: int) -> list[int]:
    """ns of what each request adds while a recentring runs, over a book of `levels` a side."""
    kernels, samples = build.kernels(), []
    for _ in range(3):
        e = engine(1 << 18)
        block = b"".join(
            request(2 * i + side + 1, 1, side, MID + (i + 1) * (1 if side else -1) * 2, 1)
            for i in range(levels) for side in (0, 1)
        )  # fmt: skip
        kernels.run_requests(e, block)
        e.centre_on((MID + 4 * levels) * 10)
        samples += kernels.recentre_steps(e)
        if e.map_info()["is_moving"]:
            raise RuntimeError(f"the recentring has not ended: {e.map_info()}")
        e.audit()
    return samples


def measure(scale: float = 1.0) -> list[Figure]:
    """match, one fill of a sweep, a cleared level and mixed, beside the C++ floor.

    Below a tenth the books are smaller too, and the figures show no more than that it runs.
    """
    kernels = build.kernels()
    figures = []
    size = min(1.0, 10 * scale)
    deep, sweeps = int(200_000 * size), int(2000 * size)
    for resting, levels, aim in ((deep, 5_000, "<= 18 ns"), (100, 100, "flat"),
                                 (1_000_000, 5_000, "flat")):  # fmt: skip
        if scale < 1 and resting > 200_000:
            continue
        mean, samples = measure_match(resting, levels)
        shape = (resting, levels, max(resting, deep))
        figures.append(
            Figure(
                f"match, one lot, {resting:,} resting a side", mean, "ns", aim,
                floor("match", *shape), "C++ map of lists",
                harness.spread(samples) + with_events("events", *shape),
            )
        )  # fmt: skip
    mean, samples = measure_sweep(100, sweeps)
    figures.append(
        Figure("one fill of a sweep of 100 makers", mean, "ns", "<= 18 ns",
               floor("sweep", 100, sweeps), "C++ map of lists", harness.spread(samples))
    )  # fmt: skip
    mean, samples = measure_gap(GAP_LEVELS, GAP)
    figures.append(
        Figure(f"clear a level, next {GAP} ticks away", mean, "ns", "<= 100 ns",
               floor("gap", GAP_LEVELS, GAP), "C++ map of lists", harness.spread(samples))
    )  # fmt: skip
    samples = measure_recentring(int(10_000 * size))
    figures.append(
        Figure("recentring, work in one order", harness.percentiles(samples)["p99.9"], "ns",
               "<= 5,000 ns", None, "", harness.spread(samples))
    )  # fmt: skip
    ops = int(MIXED_OPS * min(scale, 1))
    flow = mixed_flow(ops)
    runs = []
    for _ in range(5):
        e = engine(1 << 18)
        took, _ = kernels.run_requests(e, flow)
        runs.append(took / ops)
    e = engine(1 << 18)
    samples = kernels.sample_requests(e, flow)
    e.audit()
    figures.append(
        Figure(
            "mixed flow, one operation", harness.median(runs), "ns", "<= 45 ns, p99 <= 400",
            floor("mixed", ops), "C++ map of lists",
            f"{harness.spread(samples)}; {e.counts()['resting']:,} resting at the end"
            + with_events("mixed-events", ops),
        )
    )  # fmt: skip
    return figures


if __name__ == "__main__":
    book = fill_book(200_000, 5_000, 1 << 20)  # huge makers: pyperf chooses how many takers
    one_lot = takers(10_000_000, 4096)
    module = build.kernels()
    harness.pyperf_main(
        "match_one_lot", lambda loops: module.run_requests(book, one_lot, loops)[0] * 1e-9, 4096
    )
