"""Snapshots of a real exchange process: asked for, written beside trading, started from, copied
(specs/replica.md sections 2 to 5).
"""

from __future__ import annotations

import json
import time
import urllib.request

import pytest
from system.process import ExchangeProcess, rsx, write_config

pytestmark = pytest.mark.timeout(120)


def health(exchange):
    with urllib.request.urlopen(f"{exchange.url}/health", timeout=10) as answer:
        return json.load(answer)


def until_caught_up(exchange, seconds=20.0):
    """Health, once the replica has folded all there is."""
    deadline = time.monotonic() + seconds
    while True:
        found = health(exchange)
        replica = found["replica"]
        if replica["state"] == "following" and not replica["lag_records"] and replica["seq"]:
            return found
        assert time.monotonic() < deadline, found
        time.sleep(0.05)


def command(*args):
    done = rsx(*map(str, args), timeout_s=60.0)
    assert done.returncode == 0, done.stderr + done.stdout
    return done.stdout


def deposit(exchange, data, user, amount):
    command("deposit", "--user", user, "--amount", amount, "--url", exchange.url, "--data", data)


def test_a_snapshot_is_written_started_from_and_restored(tmp_path):
    data, copy = tmp_path / "data", tmp_path / "copy"
    with ExchangeProcess(data) as exchange:
        for user in range(1, 6):
            deposit(exchange, data, user, 1000 * user)
        found = until_caught_up(exchange)
        assert found["status"] == "ok" and found["warnings"] == []

        answer = json.loads(command("snapshot", "--url", exchange.url, "--data", data, "--json"))

        assert (data / "snapshots" / f"{answer['seq']:020d}.snap").exists()
        assert health(exchange)["replica"]["snapshot_seq"] == answer["seq"]
        deposit(exchange, data, 9, 77)
        command("restore", data, copy, "--secret")
        assert "sound" in command("verify", data)
    with ExchangeProcess(copy) as exchange:
        found = command("account", "--user", 9, "--url", exchange.url, "--data", copy, "--json")
        assert '"77' in found
        assert until_caught_up(exchange)["replica"]["mismatch"] is None
    assert "NOT" not in command("verify", copy)


def test_without_a_replica_there_is_none_to_ask(tmp_path):
    config = write_config(tmp_path / "c.toml", enabled="false")
    data = tmp_path / "data"
    with ExchangeProcess(data, "--config", str(config)) as exchange:
        assert health(exchange)["replica"] is None
        done = rsx("snapshot", "--url", exchange.url, "--data", str(data))

    assert done.returncode == 1
    assert "replica.enabled = false" in done.stderr
