"""What does an accepted order cost on its way through the log?

accept   risk_matching -> matching tile -> matching_wal -> wal tile -> three released rings
         client id remembered, order rests, record numbered, sealed, written (write(2)), fanned out;
         256 orders to a duty cycle, no fsync is waited for
"""

from __future__ import annotations

import tempfile
from pathlib import Path

import harness
from harness import Figure

from perf import build
from rsx import records

BATCH = 256  # as many as matching takes from one ring in a duty cycle
COUNT = 200 * BATCH


def orders(first: int, count: int) -> bytes:
    """Resting ORDER_NEWs with client ids, both sides, a thousand levels, a thousand users."""
    return b"".join(
        records.ORDER_NEW.pack(
            oid=1000 + i, user_id=1 + i % 1000, symbol_id=1, side=i & 1, qty=100,
            px=(50_001 + i // 2 % 500 if i & 1 else 50_000 - i // 2 % 500) * 10,
            cid=b"bench-%d" % i, cid_len=len(b"bench-%d" % i), reserved=1000,
        )
        for i in range(first, first + count)
    )  # fmt: skip


def cancels(first: int, count: int) -> bytes:
    return b"".join(
        records.ORDER_CANCEL.pack(oid=1000 + i, user_id=1 + i % 1000, symbol_id=1)
        for i in range(first, first + count)
    )


def measure_accept(rounds: int = 6, count: int = COUNT) -> list[float]:
    """ns for one resting order with a client id, in batches; one figure for each round.

    Between rounds everything is cancelled. The first rounds touch the memory and go on until the
    memory of client ids, five rounds of them, has turned over once; they are left out.
    """
    kernels = build.kernels()
    remembered = 1 << (5 * count).bit_length()
    config = harness.bench_config(
        matching={"orders_max": remembered // 2 - 1024, "triggers_max": 1024,
                  "dedup_orders_max": remembered, "open_orders_per_user_max": 1 << 17},
    )  # fmt: skip
    warm = remembered // count + 1
    figures = []
    with tempfile.TemporaryDirectory(dir=harness.ROOT / "build") as folder:
        rig = harness.EngineRig(config, Path(folder))
        rig.begin_stepping()
        rest = (
            rig.tiles.matching[0], rig.tiles.wal, rig.tiles.wal_sync,
            rig.rings["risk_matching[1]"],
            [rig.rings[n] for n in ("wal_gateway", "wal_risk", "wal_marketdata")],
        )  # fmt: skip
        for number in range(warm + rounds):
            first = number * count
            figures.append(kernels.accept_path(*rest, orders(first, count), BATCH) / count)
            resting = rig.state.engines[1].counts()["resting"]
            if resting != count:
                raise RuntimeError(f"{resting} orders rest of {count}")
            kernels.accept_path(*rest, cancels(first, count), BATCH)
        rig.close()
    return figures[warm:]


def measure(scale: float = 1.0) -> list[Figure]:
    size = min(1.0, 10 * scale)
    rounds = measure_accept(max(3, int(7 * scale)), int(200 * size) * BATCH)
    accept = harness.median(rounds)
    figures = [Figure("accept path: dedup, match, log, fan-out", accept, "ns", "<= 130 ns",
                      detail=f"{BATCH} orders to a duty cycle, write(2) included")]  # fmt: skip
    return figures


if __name__ == "__main__":
    harness.pyperf_main(
        "accept_path", lambda loops: 1e-9 * COUNT * sum(measure_accept(loops)), COUNT
    )
