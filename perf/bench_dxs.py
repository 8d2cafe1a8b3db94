"""How fast does the log go out over TCP?

    segment files --> DXS server (own process) --TCP loopback--> 1 or 10 consumers (own process)

The server reads through its cursors and verifies; consumers verify every record and throw it away.
With ten consumers the figure is what each of them gets. The delay of a live record is from its
being durable to its being handed to the consumer: half of `poll_ms` is in it. A regression here is
a standby that falls behind a busy exchange.
"""

from __future__ import annotations

import asyncio
import contextlib
import multiprocessing
import os
import socket
import tempfile
import time
from pathlib import Path
from typing import Any

import harness
import uvloop
from harness import Figure

RECORDS = 1_000_000
LIVE_RECORDS = 300
RECORD_SIZE = 128


def write_log(folder: Path, records: int) -> None:
    """A log of small records in one segment."""
    from rsx.core.crc import sealed
    from rsx.records import CANCEL_REJECTED, SEGMENT_STARTED

    one = CANCEL_REJECTED.pack(ts_ns=1, user_id=1, symbol_id=1, stream=1, header_flags=1)
    with open(folder / f"{1:020d}.wal", "wb") as file:
        file.write(sealed(SEGMENT_STARTED.pack(exchange_id=7, header_flags=1), 1, 1))
        for first in range(2, records + 1, 10_000):
            numbers = range(first, min(first + 10_000, records + 1))
            file.write(b"".join(sealed(one, seq, 1) for seq in numbers))


def serve(folder: Path, records: int, pipe: Any) -> None:
    """A server process. Each message asks for one live record, and is answered by when it was."""
    from rsx.config import Dxs
    from rsx.core.crc import sealed
    from rsx.net.dxs import DxsTile
    from rsx.records import CANCEL_REJECTED

    durable = records
    log = os.open(folder / f"{1:020d}.wal", os.O_WRONLY | os.O_APPEND)
    one = CANCEL_REJECTED.pack(ts_ns=1, user_id=1, symbol_id=1, stream=1, header_flags=1)

    async def main() -> None:
        nonlocal durable
        tile = DxsTile(Dxs(), folder, lambda: durable, 7)
        await tile.on_start()
        pipe.send(tile.address[1])
        loop = asyncio.get_running_loop()
        while await loop.run_in_executor(None, pipe.recv):
            os.write(log, sealed(one, durable + 1, 1))
            durable += 1
            pipe.send(time.monotonic_ns())
        await tile.on_close()

    uvloop.run(main())


async def consume(port: int, records: int) -> int:
    """ns that a consumer took for all records."""
    from rsx.net.dxs_client import DxsClient

    began = time.monotonic_ns()
    async with DxsClient(f"127.0.0.1:{port}") as client:
        async with contextlib.aclosing(client.batches()) as batches:
            async for batch in batches:
                if batch.next_seq > records:
                    return time.monotonic_ns() - began
    return 0


async def live(port: int, records: int, pipe: Any, count: int) -> list[int]:
    """ns from durable to handed over, of single records."""
    from rsx.net.dxs_client import DxsClient

    samples: list[int] = []
    async with DxsClient(f"127.0.0.1:{port}", start=records + 1) as client:
        async with contextlib.aclosing(client.batches()) as batches:
            async for batch in batches:
                now = time.monotonic_ns()
                if batch.data:
                    samples.append(now - pipe.recv())
                if len(samples) == count:
                    break
                await asyncio.sleep(0.003)
                pipe.send(True)
    return samples


def loopback_rate(size: int) -> float:
    """Records a second that one socket carries when nobody looks at them."""
    there, here = socket.socketpair()
    chunk, total = bytes(1 << 18), size * RECORD_SIZE
    pid = os.fork()
    if pid == 0:
        left = total
        while left > 0:
            left -= there.send(chunk[:left])
        os._exit(0)
    began, left = time.monotonic_ns(), total
    while left > 0:
        left -= len(here.recv(1 << 18))
    elapsed = time.monotonic_ns() - began
    os.waitpid(pid, 0)
    there.close()
    here.close()
    return size / elapsed * 1e9


def measure(scale: float = 1.0) -> list[Figure]:
    """Records a second to one and to ten consumers, and the delay of a live one."""
    records = max(20_000, int(RECORDS * scale))
    context = multiprocessing.get_context("spawn")
    with tempfile.TemporaryDirectory(dir=harness.ROOT / "build") as name:
        folder = Path(name)
        write_log(folder, records)
        pipe, far = context.Pipe()
        server = context.Process(target=serve, args=(folder, records, far), daemon=True)
        server.start()
        try:
            port = pipe.recv()

            async def many(count: int) -> int:
                return max(await asyncio.gather(*(consume(port, records) for _ in range(count))))

            one = sorted(records / uvloop.run(many(1)) * 1e9 for _ in range(3))[1]
            ten = records / uvloop.run(many(10)) * 1e9
            delays = uvloop.run(live(port, records, pipe, max(100, int(LIVE_RECORDS * scale))))
            pipe.send(False)
            server.join(10)
        finally:
            server.kill()
    floor = loopback_rate(records)
    return [
        Figure("DXS, records to one consumer", one, "records/s", ">= 500,000/s", floor,
               "a socket pair alone", f"{records:,} records, every one verified twice"),
        Figure("DXS, records to each of ten", ten, "records/s", ">= 100,000/s", floor,
               "a socket pair alone", "ten consumers in one process"),
        Figure("DXS, delay of a live record, p50", harness.percentiles(delays)["p50"] / 1000, "us",
               "", detail=harness.spread(delays, "us", 1000) + "; poll_ms 2"),
    ]  # fmt: skip


if __name__ == "__main__":
    harness.print_table(measure())
