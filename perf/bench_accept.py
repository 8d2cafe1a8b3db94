"""What does an accepted order cost on its way through the log, and the check before it?

accept   risk_matching -> matching tile -> matching_wal -> wal tile -> three released rings
         client id remembered, order rests, record numbered, sealed, written (write(2)), fanned out;
         512 orders to a duty cycle, no fsync is waited for
check    risk's pre-trade check of one account with 1 and with 10 positions
"""

from __future__ import annotations

import tempfile
from pathlib import Path

import harness
from harness import Figure

from perf import build
from rsx import records

BATCH = 512


def measure_accept(count: int) -> float:
    """ns for one resting order with a client id, in batches."""
    kernels = build.kernels()
    config = harness.bench_config(
        matching={"orders_max": 1 << 20, "dedup_orders_max": 1 << 21,
                  "open_orders_per_user_max": 1 << 20},
        wal={"segments_ahead": 2},
    )  # fmt: skip
    with tempfile.TemporaryDirectory(dir=harness.ROOT / "build") as folder:
        rig = harness.EngineRig(config, Path(folder))
        rig.begin_stepping()
        block = b"".join(
            records.ORDER_NEW.pack(
                oid=1000 + i, user_id=1 + i % 1000, symbol_id=1, side=i & 1, qty=100,
                px=(50_001 + i // 2 % 500 if i & 1 else 50_000 - i // 2 % 500) * 10,
                cid=b"bench-%d" % i, cid_len=len(b"bench-%d" % i), reserved=1000,
            )
            for i in range(count // BATCH * BATCH)
        )  # fmt: skip
        outputs = [rig.rings[n] for n in ("wal_gateway", "wal_risk", "wal_marketdata")]
        took = kernels.accept_path(
            rig.tiles.matching[0], rig.tiles.wal, rig.tiles.wal_sync,
            rig.rings["risk_matching[1]"], outputs, block, BATCH,
        )
        resting = rig.state.engines[1].counts()["resting"]
        if resting != count // BATCH * BATCH:
            raise RuntimeError(f"{resting} orders rest of {count}")
        rig.close()
    return float(took) / resting


def measure_check(positions: int, count: int) -> float:
    """ns for one check that passes, account with so many open positions."""
    import msgspec

    from rsx.core.crc import sealed
    from rsx.risk.ledger import Ledger

    symbol = harness.bench_config().symbols[0]
    symbols = tuple(
        msgspec.structs.replace(symbol, id=i + 1, name=f"S{i}") for i in range(max(positions, 1))
    )
    ledger = Ledger(symbols)
    seq = 1
    for user in (1, 2):
        ledger.apply(sealed(records.DEPOSIT.pack(user_id=user, amount=1 << 50), seq, 1))
        seq += 1
    for i in range(positions):
        for user, side in ((1, 0), (2, 1)):
            accepted = records.ORDER_ACCEPTED.pack(
                oid=seq, px=1000, qty=100, user_id=user, symbol_id=i + 1, side=side, stream=i + 1
            )
            ledger.apply(sealed(accepted, seq, 1))
            seq += 1
        fill = records.FILL.pack(
            px=1000, qty=100, taker_user_id=1, maker_user_id=2, symbol_id=i + 1, stream=i + 1
        )
        ledger.apply(sealed(fill, seq, 1))
        seq += 1
    order = records.ORDER_REQUEST.pack(oid=9, px=1000, qty=100, user_id=1, symbol_id=1, side=0)
    kernels = build.kernels()
    return harness.median([kernels.check_orders(ledger, order, count) / count for _ in range(7)])


def measure(scale: float = 1.0) -> list[Figure]:
    count = int(300_000 * scale)
    accept = harness.median([measure_accept(count) for _ in range(3)])
    figures = [Figure("accept path: dedup, match, log, fan-out", accept, "ns", "<= 130 ns",
                      detail=f"{BATCH} orders to a duty cycle, write(2) included")]  # fmt: skip
    for positions, aim in ((1, ""), (10, "<= 100 ns")):
        value = measure_check(positions, int(2_000_000 * scale))
        figures.append(Figure(f"pre-trade check, {positions} positions", value, "ns", aim))
    return figures


if __name__ == "__main__":
    harness.pyperf_main(
        "accept_path", lambda loops: 51_200e-9 * sum(measure_accept(51_200) for _ in range(loops)),
        51_200,
    )
