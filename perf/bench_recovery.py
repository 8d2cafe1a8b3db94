"""How fast does a start read its log?

    segment files -> verified records -> engines and ledger -> audit

A log of three markets and 10,000 users is written by the product's tiles: limit orders within 60
ticks of mid, a third of them IOC, cancels of earlier ids, fills; about 40 % of the records are
acceptances. Then a start reads it, from the page cache.
Floor: the same files read and every record checked (seal, number, epoch), nothing folded.
"""

from __future__ import annotations

import random
import struct
import tempfile
import time
from collections import Counter
from pathlib import Path
from typing import Any

import harness
import msgspec
from harness import Figure

RECORDS = 2_000_000
USERS = 10_000
MID = 50_000
BATCH = 4096


def make_config() -> Any:
    config = harness.bench_config(
        matching={"orders_max": 1 << 19, "open_orders_per_user_max": 1 << 16,
                  "dedup_orders_max": 1 << 21},
        wal={"segments_ahead": 0, "durability": "async"},
        risk={"accounts_max": 1 << 15, "positions_max": 1 << 17},
    )  # fmt: skip
    first = config.symbols[0]
    markets = tuple(
        msgspec.structs.replace(first, id=number, name=f"M{number}-PERP") for number in (1, 2, 3)
    )
    return msgspec.structs.replace(config, symbols=markets)


class Flow:
    """Batches of packed requests."""

    def __init__(self, seed: int = 1):
        from rsx.records import CANCEL_REQUEST, ORDER_REQUEST

        self.rng = random.Random(seed)
        self.oid = 0
        self.order = bytearray(ORDER_REQUEST.pack())
        self.cancel = bytearray(CANCEL_REQUEST.pack())
        self.at_order = {name: 16 + at for name, at in ORDER_REQUEST.offsets.items()}
        self.at_cancel = {name: 16 + at for name, at in CANCEL_REQUEST.offsets.items()}
        self.placed: list[tuple[int, int, int]] = []

    def batch(self, count: int) -> bytes:
        return b"".join(self.next() for _ in range(count))

    def next(self) -> bytes:
        rng = self.rng
        if self.placed and rng.random() < 0.3:
            oid, user, symbol = self.placed.pop(rng.randrange(len(self.placed)))
            put, at = self.cancel, self.at_cancel
            struct.pack_into("<Q", put, at["oid"], oid)
            struct.pack_into("<I", put, at["user_id"], user)
            struct.pack_into("<I", put, at["symbol_id"], symbol)
            return bytes(put)
        self.oid += 1
        side, symbol, user = rng.getrandbits(1), rng.randint(1, 3), rng.randint(1, USERS)
        is_ioc = rng.random() < 0.3
        away = rng.randint(-20, 60) * (1 if side else -1)
        put, at = self.order, self.at_order
        struct.pack_into("<Q", put, at["oid"], self.oid)
        struct.pack_into("<q", put, at["px"], (MID + away) * 10)
        struct.pack_into("<q", put, at["qty"], rng.randint(1, 20) * 100)
        struct.pack_into("<I", put, at["user_id"], user)
        struct.pack_into("<H", put, at["symbol_id"], symbol)
        put[at["side"]], put[at["tif"]] = side, is_ioc
        if not is_ioc:
            self.placed.append((self.oid, user, symbol))
            if len(self.placed) > 60_000:
                self.placed.pop(0)
        return bytes(put)


def write_log(config: Any, folder: Path, records: int) -> None:
    """A log of at least so many records, written by the tiles."""
    rig = harness.EngineRig(config, folder)
    rig.begin_stepping()
    for user in range(1, USERS + 1):
        rig.deposit(user, 1 << 40)
        if user % 1000 == 0:
            rig.step()
            rig.drain()
    flow, gateway = Flow(), rig.rings["gateway_risk"]
    while rig.tiles.wal.durable < records:
        block = flow.batch(BATCH)
        for at in range(0, len(block), 128):
            gateway.push(block[at : at + 128])
        rig.step()
        for name in ("wal_gateway", "wal_marketdata", "risk_gateway"):
            rig.rings[name].pop(1 << 22)
    rig.close()


def read_only(folder: Path) -> tuple[int, float]:
    """(records, seconds) of reading and checking every record."""
    from rsx.wal.reader import LogReader

    began = time.perf_counter()
    size = sum(len(chunk) for chunk in LogReader(folder).chunks())
    return size // 128, time.perf_counter() - began


def start(config: Any, folder: Path) -> tuple[int, float, Any]:
    """(records, seconds, state) of a start: read, check, fold, audit."""
    from rsx.core.clock import Clock
    from rsx.wal.start import recover

    began = time.perf_counter()
    recovered = recover(config, folder, Clock.system())
    return recovered.state.next_seq - 1, time.perf_counter() - began, recovered.state


def measure(scale: float = 1.0) -> list[Figure]:
    """Records a second of a start beside reading alone."""
    config = make_config()
    with tempfile.TemporaryDirectory() as place:
        data = Path(place)
        write_log(config, data, max(20_000, int(RECORDS * scale)))
        folder = data / "wal"
        return [figure(config, folder)]


def figure(config: Any, folder: Path, rounds: int = 3) -> Figure:
    from rsx.records import BY_TYPE
    from rsx.wal.reader import LogReader

    counts: Counter[int] = Counter()
    for chunk in LogReader(folder).chunks():
        counts.update(chunk[2::128])
    floors, speeds, seconds = [], [], []
    for _ in range(rounds):
        records, took = read_only(folder)
        floors.append(records / took / 1e6)
        records, took, state = start(config, folder)
        speeds.append(records / took / 1e6)
        seconds.append(took)
    mix = ", ".join(f"{BY_TYPE[t].name} {n * 100 // records} %" for t, n in counts.most_common(5))
    resting = sum(engine.counts()["resting"] for engine in state.engines.values())
    return Figure(
        "start: read, check, fold, audit", max(speeds), "M records/s", ">= 5", max(floors),
        "read and check only",
        f"{records:,} records in {min(seconds):.2f} s; {mix}; {resting:,} resting at the end",
    )  # fmt: skip


if __name__ == "__main__":
    for row in measure():
        print(row)
