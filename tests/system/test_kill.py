"""SIGKILL at random moments under load: nothing that anyone was told is lost (wal.md L-25).

One data folder lives through many lives of the exchange. Each life begins with the checks of what
the one before left: everything told is in the log, the exchange says what the log says, what was
not answered can be sent again. Then witnesses trade until it is killed, or stopped, or killed while
it stops; some lives end while they start. The log is followed from its first record to its last by
an auditor that shares no code with the exchange. Segments are small and snapshots frequent, so that
log is pruned and used again, and starts are from snapshots; the archive has each fill once.

RSX_KILL_ROUNDS: lives per mode (default 2; 200 takes about 10 minutes a mode).
RSX_KILL_SEED: what a failed run printed. It repeats what clients and schedule draw; how far each
gets by the time of a kill is the machine's. The data folder of a failed run is kept.
"""

from __future__ import annotations

import asyncio
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from system.audit_log import LogFacts, read_log
from system.process import PROGRAM, ROOT, ExchangeProcess, rsx, run_args, until, write_config
from system.promises import (
    check_archive,
    check_dedup,
    check_health,
    check_log,
    check_not_ahead,
    check_restarted,
    settle,
)
from system.witness import Load

ROUNDS = int(os.environ.get("RSX_KILL_ROUNDS", "2"))
pytestmark = [pytest.mark.system, pytest.mark.timeout(60 + 20 * ROUNDS)]

USERS = range(11, 15)
LOAD_S = 15.0
# How a life ends. "start": before anyone could trade in it.
ENDS = {"kill": 12, "start": 2, "stop": 1, "stop and kill": 2}
# Segments, snapshots, pruned log, digests and checkpoints in the time of one life.
SMALL = {
    "segment_mib": "1", "retain_mib": "2", "every_s": "1", "every_mib": "1", "check_ms": "20",
    "checkpoint_s": "1",
}  # fmt: skip


@contextmanager
def kept_on_failure(name: str) -> Iterator[Path]:
    """A folder that goes when all was well, and is named when it was not."""
    folder = Path(tempfile.mkdtemp(prefix=f"rsx-{name}-"))
    try:
        yield folder
    except BaseException:
        print(f"kept: {folder}")
        raise
    shutil.rmtree(folder)


class Life:
    """One data folder and all that was told about it; `run` is one life of its exchange."""

    def __init__(self, folder: Path, rng: random.Random, durability: str, shards: int):
        self.rng = rng
        self.data = folder / "data"
        self.config = write_config(
            folder / "config.toml", durability=f'"{durability}"', shards=str(shards),
            **SMALL,
        )  # fmt: skip
        self.load = Load(USERS, rng)
        self.facts = LogFacts()
        self.ends: Counter[str] = Counter()
        self.epoch = 0
        self.from_snapshots = 0

    def exchange(self) -> ExchangeProcess:
        return ExchangeProcess(self.data, "--config", str(self.config))

    def run(self) -> None:
        end = self.rng.choices(list(ENDS), list(ENDS.values()))[0] if self.epoch else "kill"
        self.ends[end] += 1
        if end == "start":
            self.kill_while_it_starts(self.rng.random())
        else:
            with self.exchange() as exchange:
                if self.epoch == 0:
                    asyncio.run(self.load.fund(exchange, "1000000"))
                self.check(exchange)
                asyncio.run(self.trade_until(exchange, end))
                assert "ERROR" not in exchange.stderr, exchange.stderr
        self.facts.follow(self.data)
        check_log(self.load, self.facts)
        check_not_ahead(self.data, self.facts)

    def check(self, exchange: ExchangeProcess) -> None:
        """What the last life left is what the witnesses were told, and what the log says."""
        assert exchange.banner["epoch"] > self.epoch
        self.epoch = exchange.banner["epoch"]
        self.from_snapshots += exchange.banner["snapshot"] is not None
        settle(exchange)
        self.facts.follow(self.data)
        asyncio.run(check_restarted(self.load, self.facts, exchange))
        check_archive(self.data, self.facts)
        check_health(exchange)
        asyncio.run(check_dedup(self.load, self.facts, exchange, self.rng))

    async def trade_until(self, exchange: ExchangeProcess, end: str) -> None:
        """End it after a random number of fills and a random while, in the middle of the load."""
        most = self.rng.choice((20, 100, 200, 200, 1000))
        target = self.load.fills_told + self.rng.randint(0, most)
        async with self.load.running(exchange):
            await until(lambda: self.load.fills_told >= target, LOAD_S, f"{target} fills")
            await asyncio.sleep(self.rng.random() * 0.05)
            if end == "kill":
                await asyncio.to_thread(exchange.kill)
            elif end == "stop":
                assert await asyncio.to_thread(exchange.stop) == 0
            else:
                exchange.process.send_signal(signal.SIGTERM)
                await asyncio.sleep(self.rng.random() * 0.2)
                await asyncio.to_thread(exchange.kill)

    def kill_while_it_starts(self, seconds: float) -> None:
        """Recovery itself may be killed at any moment: nothing of the log is changed by that."""
        command = [sys.executable, *PROGRAM, *run_args(self.data, "--config", str(self.config))]
        process = subprocess.Popen(
            command, cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        try:
            time.sleep(seconds)
        finally:
            process.kill()
            process.wait()

    def end(self) -> None:
        """One more life that ends well; then the log is sound."""
        with self.exchange() as exchange:
            self.check(exchange)
            assert exchange.stop() == 0
        self.facts.follow(self.data)
        check_log(self.load, self.facts)
        for command in (("wal", "verify"), ("verify",)):
            done = rsx(*command, str(self.data))
            assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("lost", ["fill", "cancel", "deposit"])
def test_what_is_lost_is_noticed(tmp_path, lost):
    """The proof itself: the log lacks one record of which somebody was told."""
    life = Life(tmp_path, random.Random(1), "fill", 1)
    with life.exchange() as exchange:
        asyncio.run(life.load.fund(exchange, "1000000"))
        asyncio.run(life.trade_until(exchange, "stop"))
    facts = LogFacts()
    told = {
        "fill": max(seq for witness in life.load.witnesses.values() for seq, _ in witness.fills),
        "deposit": max(life.load.deposits),
        "cancel": 0,
    }
    ended = {oid for witness in life.load.witnesses.values() for oid in witness.ended}
    for record in read_log(life.data):
        if record.record.name == "ORDER_CANCELLED" and record.oid in ended:
            told["cancel"] = record.seq
    for record in read_log(life.data):
        if record.seq != told[lost]:
            facts.take(record)
    with pytest.raises(AssertionError, match=r"was told|was published"):
        check_log(life.load, facts)


@pytest.mark.parametrize(
    ("durability", "shards"), [("fill", 1), ("all", 1), ("fill", 3), ("async", 1)]
)
def test_nothing_that_was_told_is_lost_when_the_exchange_is_killed(durability, shards):
    """INV-14, GUA, SH: in every mode, with three risk tiles too. A process that is killed loses
    nothing in mode async either."""
    seed = int(os.environ.get("RSX_KILL_SEED", random.SystemRandom().randrange(1 << 32)))
    print(f"again: RSX_KILL_SEED={seed} RSX_KILL_ROUNDS={ROUNDS} "
          f"python rsx.py test 'tests/system/test_kill.py' -k {durability}-{shards}")  # fmt: skip
    with kept_on_failure(f"kill-{durability}-{shards}") as folder:
        life = Life(folder, random.Random(f"{seed} {durability}"), durability, shards)
        began = time.monotonic()
        for number in range(ROUNDS):
            print(f"life {number}", end="\r")
            life.run()
        life.end()
        oldest = min(int(path.stem) for path in life.data.glob("wal/*.wal"))
        if ROUNDS >= 100:
            assert life.from_snapshots > ROUNDS // 2 and oldest > 1
        print(f"{ROUNDS} lives in {time.monotonic() - began:.0f} s, ended by {dict(life.ends)}: "
              f"{life.facts.last_seq:,} records, {len(life.facts.fills):,} fills, "
              f"{life.load.fills_told:,} of their sides told, {len(life.facts.taken):,} orders, "
              f"{len(life.load.deposits):,} deposits; {life.from_snapshots} began from a snapshot, "
              f"the log now begins at {oldest:,}")  # fmt: skip
