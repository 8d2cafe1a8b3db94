"""A standby beside a real exchange: the same state, and nothing lost by a promotion.

specs/dxs.md section 4 (RSK-15, S7, S10b, LSE-02). RSX_STANDBY_ROUNDS: lives of the primary.
"""

from __future__ import annotations

import asyncio
import os
import random
import signal
import time
from pathlib import Path

import pytest
from system import postgres
from system.audit_log import audited
from system.process import ExchangeProcess, rsx, run_args, until
from system.standby import StandbyProcess, dxs_config, give_secret
from system.witness import Load

from rsx.client import Client
from rsx.config import load
from rsx.records import RECORD_SIZE
from rsx.wal.reader import LogReader
from rsx.wal.state import State

ROUNDS = int(os.environ.get("RSX_STANDBY_ROUNDS", "2"))
pytestmark = [pytest.mark.system, pytest.mark.timeout(120 + 60 * ROUNDS)]
USERS = range(11, 15)


def log_of(data: Path, last_seq: int = 0) -> bytes:
    log = b"".join(LogReader(data).chunks())
    return log[: last_seq * RECORD_SIZE] if last_seq else log


def hash_of(log: bytes, config: Path) -> int:
    state = State(load(str(config)))
    state.apply(log)
    state.audit()
    assert not state.mismatch
    return int(state.state_hash())


async def trade(load: Load, exchange: ExchangeProcess, standby: StandbyProcess, fills: int) -> None:
    """Load until the primary is killed in the middle of it."""
    target = load.fills_told + fills
    async with load.running(exchange):
        await until(lambda: load.fills_told >= target, 30, f"{target} fills")
        assert (await asyncio.to_thread(standby.health))["status"] != "failed"
        await asyncio.to_thread(exchange.kill)


async def goes_on(url: str, token: str, cid: str) -> None:
    """A client goes on at the promoted exchange with the token it had."""
    async with Client(url, token) as client:
        open_now = {order.oid for order in await client.orders()}
        order = await client.place("BTC-PERP", "buy", price="1000", qty="0.01", cid=cid)
        assert order.is_open
        again = await client.place("BTC-PERP", "buy", price="1000", qty="0.01", cid=cid)
        assert (again.duplicate, again.oid) == (True, order.oid)
        assert order.oid > max(open_now, default=0)


def test_kill_the_primary_under_load_and_promote(tmp_path):
    """No fill that anyone was told up to the standby's tip is lost; tokens stay good."""
    seed = random.SystemRandom().randrange(1 << 32)
    print(f"seed {seed}")
    load = Load(USERS, random.Random(seed))
    data = tmp_path / "data0"
    for number in range(ROUNDS):
        port = postgres.free_port()
        config = dxs_config(tmp_path / f"config{number}.toml", port)
        copy = tmp_path / f"data{number + 1}"
        with ExchangeProcess(data, "--config", str(config)) as primary:
            assert primary.banner["dxs"] == f"127.0.0.1:{port}"
            give_secret(primary, copy)
            asyncio.run(load.fund(primary, "1000000"))
            with StandbyProcess(copy, f"127.0.0.1:{port}", config, "--name", "second") as standby:
                standby.until("catch up", caught_up=True)
                asyncio.run(trade(load, primary, standby, 300))
                standby.until("the loss of the primary", connected=False)
                tip = standby.health()["seq"]
                done = rsx("promote", str(copy), "--config", str(config))
                assert done.returncode == 0, done.stderr
                assert f"promoted at record {tip}: {standby.url} serves" in done.stdout
                banner = standby.read_line()
                assert (banner["url"], banner["epoch"]) == (standby.url, 2 * number + 2)
                for user in USERS:
                    asyncio.run(goes_on(standby.url, primary.token(user), f"after-{number}"))
                assert standby.stop() == 0
        # The same bytes up to the tip, the same state, and what was told up to there is in it.
        log = log_of(data, tip)
        assert log_of(copy, tip) == log
        assert hash_of(log_of(copy, tip), config) == hash_of(log, config)
        facts = audited(copy)
        for witness in load.witnesses.values():
            for (seq, oid), fill in witness.fills.items():
                if seq <= tip:
                    record = facts.fills[seq]
                    assert oid in (record.taker_oid, record.maker_oid), fill
        for seq, (user, _) in load.deposits.items():
            assert seq > tip or facts.deposits[seq].user_id == user
        data, load = copy, Load(USERS, load.rng)
        for witness in load.witnesses.values():
            witness.order_count = 1_000_000 * (number + 1)  # client ids are used once


def test_a_standby_that_is_killed_and_started_again_has_the_same_state(tmp_path):
    port = postgres.free_port()
    config = dxs_config(tmp_path / "config.toml", port)
    load = Load(USERS, random.Random(4))
    data, copy = tmp_path / "data", tmp_path / "copy"

    async def scenario(primary: ExchangeProcess) -> None:
        async with load.running(primary):
            for _ in range(3):
                with StandbyProcess(copy, f"127.0.0.1:{port}", config) as standby:
                    target = load.fills_told + 60
                    await until(lambda: load.fills_told >= target, 30, "fills")  # noqa: B023
                    standby.send(signal.SIGKILL)
            await asyncio.to_thread(primary.kill)

    with ExchangeProcess(data, "--config", str(config)) as primary:
        give_secret(primary, copy)
        asyncio.run(load.fund(primary, "1000000"))
        asyncio.run(scenario(primary))
    with ExchangeProcess(data, "--config", str(config)) as primary:
        with StandbyProcess(copy, f"127.0.0.1:{port}", config) as standby:
            health = standby.until("catch up", caught_up=True, epoch=2)
            assert health["lag"] == 0
            refused = rsx("promote", str(copy))
            assert refused.returncode == 1
            assert "the primary is alive" in refused.stderr
            line = rsx(*run_args(copy)).stderr
            assert "in use by another exchange" in line
            standby.send(signal.SIGUSR1)
            time.sleep(0.3)
            assert standby.health()["role"] == "standby"
            assert primary.stop() == 0
            standby.until("the end of the primary", connected=False)
            tip = standby.health()["seq"]
            assert standby.stop() == 0
    assert log_of(copy) == log_of(data, tip)
    assert rsx("wal", "verify", str(copy)).returncode == 0
    assert f"that of a standby: rsx promote {copy}" in rsx(*run_args(copy)).stderr
    assert rsx("promote", str(copy), "--config", str(config)).returncode == 0
    with ExchangeProcess(copy, "--config", str(config)) as promoted:
        assert promoted.banner["epoch"] == 3
        # The old primary goes on too: its records of epoch 3 are others, and are refused.
        other_port = postgres.free_port()
        other = dxs_config(tmp_path / "other.toml", other_port)
        with ExchangeProcess(data, "--config", str(other)):
            done = rsx("follow", f"127.0.0.1:{port}", "--store", str(tmp_path / "third"),
                       "--until-live")  # fmt: skip
            assert done.returncode == 0, done.stderr
            done = rsx("follow", f"127.0.0.1:{other_port}", "--store", str(tmp_path / "third"),
                       "--until-live")  # fmt: skip
            assert done.returncode == 1
            assert "another history" in done.stderr or "is the future" in done.stderr


# --- the lease --------------------------------------------------------------------------------

WHY_NOT = postgres.why_not()


@pytest.mark.skipif(bool(WHY_NOT), reason=WHY_NOT or "there is one")
def test_the_lease_allows_one_exchange_and_ends_the_one_that_loses_it(tmp_path):
    """DX-70, DX-71 (RSK-15, GUA-13)."""
    pytest.importorskip("asyncpg")
    data, copy = tmp_path / "data", tmp_path / "copy"
    with postgres.Postgres() as server:
        port = postgres.free_port()
        config = dxs_config(tmp_path / "config.toml", port, server.url)
        options = ("--config", str(config))
        with ExchangeProcess(data, *options) as primary:
            give_secret(primary, copy)
            second = rsx(*run_args(tmp_path / "second", *options))
            assert second.returncode == 1
            assert "is held by another (Postgres process" in second.stderr
            assert "sesame" not in second.stderr
            with StandbyProcess(copy, f"127.0.0.1:{port}", config) as standby:
                standby.until("catch up", caught_up=True)
                refused = rsx("promote", str(copy), "--force", *options)
                assert refused.returncode == 1
                assert "is held by another" in refused.stderr
                assert standby.health()["connected"] is True, "it stays a standby"
                primary.kill()
                standby.until("the loss of the primary", connected=False)
                done = rsx("promote", str(copy), *options)
                assert done.returncode == 0, done.stderr
                assert standby.read_line()["epoch"] == 2
                again = rsx(*run_args(data, *options))
                assert "is held by another" in again.stderr
                began = time.monotonic()
                server.stop()
                assert standby.process.wait(10) == 70
                assert time.monotonic() - began < 8
                assert "lease stopped the exchange: " in standby.stderr
                assert "the database ended the session" in standby.stderr
    assert rsx("wal", "verify", str(copy)).returncode == 0
