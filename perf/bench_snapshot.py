"""How long does a snapshot take, to write beside a running exchange and to start from?

write   1,000,000 resting orders of one market, half of them with client ids, 100,000 accounts with
        a position in each of three markets; in steps of 256 KiB, to a synced file
load    the same file, to a state whose hash is that of the file
"""

from __future__ import annotations

import os
import random
import struct
import tempfile
import time
from pathlib import Path
from typing import Any

import harness
import msgspec
from harness import Figure

from rsx import records

PX = 50_000
MARKETS = 3
STEP_BYTES = 256 << 10
RESTS = int(records.OrderFlag.RESTS)
END = int(records.HeaderFlag.GROUP_END)
RECORD = records.RECORD_SIZE


class Log:
    """Makes records from templates: only what differs is packed."""

    def __init__(self) -> None:
        self.seq = 0
        self.oid = 0
        self.data = bytearray()

    def add(self, template: bytes, record: Any, **values: int) -> None:
        self.seq += 1
        at = len(self.data)
        self.data += template
        struct.pack_into("<Q", self.data, at + 16, self.seq)
        for name, value in values.items():
            size = next(f.type for f in record.fields if f.name == name)
            form = {"u8": "<B", "u32": "<I", "u64": "<Q", "i64": "<q"}[size]
            struct.pack_into(form, self.data, at + 16 + record.offsets[name], value)

    def into(self, state: Any) -> None:
        state.apply(self.data)
        self.data = bytearray()


def order(symbol_id: int, **values: Any) -> bytes:
    data: bytes = records.ORDER_ACCEPTED.pack(stream=symbol_id, symbol_id=symbol_id, **values)
    return data


def make_state(orders: int, accounts: int) -> tuple[Any, Any]:
    """(state, configuration)."""
    from rsx.rules import to_records
    from rsx.wal.state import State

    config = harness.bench_config()
    market = config.symbols[0]
    config = msgspec.structs.replace(config, symbols=tuple(
        msgspec.structs.replace(market, id=at + 1, name=f"S{at}-PERP", tick=1, px_max=1 << 30)
        for at in range(MARKETS)
    ))  # fmt: skip
    config = config.replace(matching={"orders_max": 1 << 20, "dedup_orders_max": 1 << 22})
    state, log = State(config), Log()
    for symbol in config.symbols:
        for record in to_records(symbol):
            log.add(record, records.BY_TYPE[int.from_bytes(record[2:4], "little")])
    log.add(records.LOG_STARTED.pack(exchange_id=1, stream=65534), records.LOG_STARTED)
    deposit = records.DEPOSIT.pack(amount=1 << 40, stream=65535)
    for user in range(1, accounts + 1):
        log.add(deposit, records.DEPOSIT, user_id=user)
    log.into(state)
    for symbol in config.symbols:
        add_positions(log, symbol.id, accounts)
        log.into(state)
    add_orders(log, orders, accounts)
    log.into(state)
    return state, config


def add_positions(log: Log, symbol_id: int, accounts: int) -> None:
    """Every pair of users trades once."""
    both = {"px": PX, "qty": 1}
    maker = order(symbol_id, side=1, flags=RESTS, header_flags=END, **both)
    taker = order(symbol_id, side=0, **both)
    fill = records.FILL.pack(stream=symbol_id, symbol_id=symbol_id, header_flags=END, **both)
    for user in range(1, accounts, 2):
        log.oid += 2
        log.add(maker, records.ORDER_ACCEPTED, oid=log.oid - 1, user_id=user)
        log.add(taker, records.ORDER_ACCEPTED, oid=log.oid, user_id=user + 1)
        log.add(fill, records.FILL, maker_oid=log.oid - 1, taker_oid=log.oid, maker_user_id=user,
                taker_user_id=user + 1)  # fmt: skip


def add_orders(log: Log, orders: int, accounts: int) -> None:
    """Two thousand prices of each side, users and prices in no order."""
    rng = random.Random(1)
    template = order(1, qty=10, reserved=500, flags=RESTS, header_flags=END)
    cid_at = 16 + records.ORDER_ACCEPTED.offsets["cid"]
    for _ in range(orders):
        log.oid += 1
        side = rng.randrange(2)
        px = PX + (1 + rng.randrange(2000)) * (1 if side else -1)
        at = len(log.data)
        log.add(template, records.ORDER_ACCEPTED, oid=log.oid, px=px, side=side,
                user_id=1 + rng.randrange(accounts))  # fmt: skip
        if log.oid & 1:
            cid = b"client-order-%016d" % log.oid
            log.data[at + cid_at - 1] = len(cid)
            log.data[at + cid_at : at + cid_at + len(cid)] = cid


def write(state: Any, folder: Path) -> tuple[int, list[int], Path]:
    """ns in all, ns of each step, the file."""
    from rsx.wal.snapshot import SnapshotWriter

    began = time.perf_counter_ns()
    writer, steps, done = SnapshotWriter(state, folder), [], False
    while not done:
        at = time.perf_counter_ns()
        done = writer.step(STEP_BYTES)
        steps.append(time.perf_counter_ns() - at)
    return time.perf_counter_ns() - began, steps, Path(writer.path)


def bare_write(folder: Path, size: int) -> int:
    """ns to write and sync as much in steps of 16 MiB, as the snapshot does."""
    data = os.urandom(1 << 20)
    began = time.perf_counter_ns()
    with open(folder / "bare", "wb", buffering=0) as file:
        for at in range(0, size, len(data)):
            file.write(data[: size - at])
            if at % (16 << 20) == 0:
                os.fdatasync(file.fileno())
        os.fdatasync(file.fileno())
    took = time.perf_counter_ns() - began
    (folder / "bare").unlink()
    return took


def measure(scale: float = 1.0) -> list[Figure]:
    from rsx.wal.snapshot import load_snapshot

    orders, accounts = max(1000, int(1_000_000 * scale)), max(100, int(100_000 * scale))
    state, config = make_state(orders, accounts)
    state.audit()
    runs, loads = [], []
    with tempfile.TemporaryDirectory(dir=harness.ROOT / "build") as name:
        folder = Path(name)
        for _ in range(3):
            runs.append(write(state, folder))
        path = runs[0][2]
        size = path.stat().st_size
        floor = min(bare_write(folder, size) for _ in range(3))
        for _ in range(3):
            began = time.perf_counter_ns()
            loaded = load_snapshot(path, config)
            loads.append(time.perf_counter_ns() - began)
            if loaded.state_hash() != state.state_hash():
                raise ValueError("another state was loaded")
            del loaded
        loaded = load_snapshot(path, config)
        loaded.audit()
        again = write(loaded, folder / "again")[2]
        if again.read_bytes() != path.read_bytes():
            raise ValueError("what was loaded is written as another file")
    who = f"{orders:,} orders, {accounts:,} accounts"
    took, steps, _ = sorted(runs, key=lambda run: run[0])[1]
    detail = f"{size / 2**20:,.0f} MiB, {len(steps):,} steps"
    if len(steps) >= 100:
        detail += ": " + harness.spread(steps, "ms", 1e6)
    return [
        Figure(f"write a snapshot: {who}", took / 1e6, "ms", "<= 1,000 ms", floor / 1e6,
               "the same bytes written and synced", detail),
        Figure(f"write a snapshot: {who}: longest step", max(steps) / 1e6, "ms"),
        Figure(f"load a snapshot: {who}", harness.median(loads) / 1e6, "ms",
               detail=f"{size / 128 / harness.median(loads) * 1e3:,.1f} million rows a second"),
    ]  # fmt: skip


if __name__ == "__main__":
    state, _ = make_state(100_000, 10_000)
    with tempfile.TemporaryDirectory() as where:
        harness.pyperf_main(
            "snapshot", lambda n: sum(write(state, Path(where))[0] for _ in range(n)) / 1e9, 1
        )
