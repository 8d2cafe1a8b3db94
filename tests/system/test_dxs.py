"""The log of a real exchange over TCP: `rsx follow`, bad peers, and trading that never notices.

specs/dxs.md sections 1 to 3 (DXS-01 to DXS-22).
"""

from __future__ import annotations

import asyncio
import os
import random
import socket
import subprocess
import sys
import time

import orjson
import pytest
from system.postgres import free_port
from system.process import PROGRAM, ROOT, STOP_S, ExchangeProcess, rsx, run_args, until
from system.standby import dxs_config
from system.witness import Load

from rsx.net.dxs_client import Tip
from rsx.records import RECORD_SIZE
from rsx.wal.reader import LogReader

pytestmark = [pytest.mark.system, pytest.mark.timeout(120)]
USERS = range(11, 14)


def log_of(data: os.PathLike[str]) -> bytes:
    return b"".join(LogReader(data).chunks())


def follower(*arguments: str) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        [sys.executable, *PROGRAM, "follow", *arguments], cwd=ROOT,
        stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
    )  # fmt: skip


def test_a_log_that_is_followed_under_load_is_the_same_to_the_byte(tmp_path):
    """DX-40: with followers that are killed and come again, and peers that send garbage."""
    port = free_port()
    config = dxs_config(tmp_path / "config.toml", port)
    load = Load(USERS, random.Random(5))
    data, copy, tip = tmp_path / "data", tmp_path / "copy", tmp_path / "follow.tip"
    lines: list[bytes] = []

    async def scenario(exchange: ExchangeProcess) -> None:
        async with load.running(exchange):
            for _ in range(3):
                with socket.create_connection(("127.0.0.1", port)) as peer:
                    peer.sendall(os.urandom(random.randint(1, 4096)))
                store = follower(f"127.0.0.1:{port}", "--store", str(copy), "--name", "copy")
                target = load.fills_told + 50
                await until(lambda: load.fills_told >= target, 30, "fills")  # noqa: B023
                store.kill()
                store.communicate(timeout=STOP_S)
                shown = await asyncio.to_thread(
                    rsx, "follow", f"127.0.0.1:{port}", "--tip", str(tip), "--json", "--until-live"
                )
                assert shown.returncode == 0, shown.stderr
                lines.extend(shown.stdout.encode().splitlines())
            await asyncio.to_thread(exchange.kill)

    with ExchangeProcess(data, "--config", str(config)) as exchange:
        asyncio.run(load.fund(exchange, "1000000"))
        asyncio.run(scenario(exchange))
    with ExchangeProcess(data, "--config", str(config)) as exchange:
        done = rsx("follow", f"127.0.0.1:{port}", "--store", str(copy), "--until-live")
        assert done.returncode == 0, done.stderr
        metrics = exchange.metrics()
        assert metrics['rsx_dxs_records_sent{tile="dxs"}'] > 0
        assert exchange.stop() == 0
    mine = log_of(copy)
    assert mine == log_of(data)[: len(mine)]
    assert rsx("wal", "verify", str(copy)).returncode == 0
    # Printed: every record once, from the first to the tip.
    shown = [orjson.loads(line) for line in lines]
    newest = Tip.read(tip).last.seq
    assert [record["seq"] for record in shown] == list(range(1, newest + 1))
    dumped = rsx("wal", "dump", str(data), "--to", str(newest), "--json").stdout.splitlines()
    named = [orjson.loads(line) for line in dumped]
    for record in (*shown, *named):  # one that goes on has not seen the names of the markets
        record.pop("symbol", None)
    assert shown == named
    # And the copy is one that an exchange takes.
    with ExchangeProcess(copy, "--config", str(config)) as exchange:
        assert exchange.health()["status"] == "ok"
        assert exchange.banner["epoch"] == 3


def test_follow_says_in_one_line_why_it_cannot(tmp_path):
    port = free_port()
    config = dxs_config(tmp_path / "config.toml", port)
    where = f"127.0.0.1:{port}"
    with ExchangeProcess(tmp_path / "data", "--config", str(config)) as exchange:
        newest = exchange.health()["durable_seq"]

        def refused(*arguments: str) -> str:
            done = rsx("follow", *arguments)
            assert done.returncode == 1
            return done.stderr.splitlines()[-1]

        line = refused(where, "--from", "99999")
        assert line.startswith("rsx: record 99999 is the future, the newest is ")
        assert int(line.rsplit(" ", 1)[1]) >= newest
        Tip(exchange_id=5).write(tmp_path / "tip")
        line = refused(where, "--tip", str(tmp_path / "tip"))
        assert line.startswith("rsx: the log is that of exchange 0x")
        (tmp_path / "tip").write_text("x")
        assert "is no tip" in refused(where, "--tip", str(tmp_path / "tip"))
        assert "is no HOST:PORT" in refused("nowhere")
        assert "errors in a row" in refused("127.0.0.1:9", "--until-live")
        assert "in use by another exchange" in refused(where, "--store", str(tmp_path / "data"))
        assert rsx("follow", where, "--cert", "x").returncode == 2
        assert rsx("follow", where, "--store", "x", "--from", "7").returncode == 2
        text = rsx("follow", where, "--until-live", "--type", "LOG_STARTED").stdout
        assert text.count("\n") == 1
        assert "LOG_STARTED" in text


def test_follow_ends_with_0_on_a_signal_and_quietly_with_its_reader(tmp_path):
    port = free_port()
    config = dxs_config(tmp_path / "config.toml", port)
    with ExchangeProcess(tmp_path / "data", "--config", str(config)):
        running = follower(f"127.0.0.1:{port}")
        assert running.stdout is not None
        assert b"SEGMENT_STARTED" in running.stdout.readline()
        running.terminate()
        assert running.wait(STOP_S) == 0
        running.stdout.close()
        running = follower(f"127.0.0.1:{port}")  # as with `| head -1`
        assert running.stdout is not None
        assert running.stdout.readline()
        running.stdout.close()
        assert running.wait(STOP_S) == 0


def test_a_token_in_the_data_folder_is_asked_for(tmp_path):
    """DX-18: and is in no log."""
    port = free_port()
    config = dxs_config(tmp_path / "config.toml", port)
    data = tmp_path / "data"
    data.mkdir()
    token = data / "dxs_token"
    token.write_text("a secret of the operators\n")
    line = rsx(*run_args(data, "--config", str(config))).stderr
    assert "may be read by others" in line
    token.chmod(0o600)
    with ExchangeProcess(data, "--config", str(config)) as exchange:
        where = f"127.0.0.1:{port}"
        done = rsx("follow", where, "--until-live")
        assert done.returncode == 1
        assert done.stderr.splitlines()[-1] == "rsx: the server asks for a token"
        done = rsx("follow", where, "--until-live", "--token-file", str(token))
        assert done.returncode == 0, done.stderr
        assert "a secret" not in exchange.stderr


def test_a_peer_that_stops_reading_does_not_disturb_trading(tmp_path):
    """DX-13, DX-14."""
    port = free_port()
    config = dxs_config(tmp_path / "config.toml", port, write_ms="500")
    load = Load(USERS, random.Random(6))

    async def scenario(exchange: ExchangeProcess) -> None:
        async with load.running(exchange):
            await until(lambda: load.fills_told >= 400, 60, "fills")
            await asyncio.to_thread(exchange.kill)

    with ExchangeProcess(tmp_path / "data", "--config", str(config)) as exchange:
        asyncio.run(load.fund(exchange, "1000000"))
        peers = [socket.create_connection(("127.0.0.1", port)) for _ in range(20)]
        for peer in peers[:10]:
            peer.sendall(os.urandom(100))
        asyncio.run(scenario(exchange))
        for peer in peers:
            peer.close()
        assert "Traceback" not in exchange.stderr
    began = time.monotonic()
    with ExchangeProcess(tmp_path / "data", "--config", str(config)) as exchange:
        assert exchange.banner["epoch"] == 2
        assert len(log_of(tmp_path / "data")) > 400 * RECORD_SIZE
    assert time.monotonic() - began < 60
