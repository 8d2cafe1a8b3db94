"""A failed check or a broken disk stops the whole process, says why, and loses nothing (T-13)."""

from __future__ import annotations

import asyncio
import signal
from decimal import Decimal
from pathlib import Path

import pytest
from system.audit_log import audited
from system.process import STOP_S, ExchangeProcess, write_config

from rsx.client import Admin, Client, ClientError

pytestmark = pytest.mark.system

FAILING = (str(Path(__file__).with_name("failing_exchange.py")),)
EXIT_FAILED_CHECK = 70


@pytest.fixture
def failing(tmp_path, monkeypatch):
    """Starts an exchange that fails in the given way at SIGUSR1."""
    monkeypatch.setenv("PYTHONPATH", str(Path(__file__).resolve().parents[2]))

    def start(how: str) -> ExchangeProcess:
        monkeypatch.setenv("FAIL_HOW", how)
        # The names of threads in the messages are those of this layout.
        config = write_config(tmp_path / "config.toml", layout='"shared"', segments_ahead="0")
        return ExchangeProcess(tmp_path / "data", "--config", str(config), program=FAILING)

    return start


async def trade(exchange: ExchangeProcess) -> int:
    """A deposit, a fill and a resting order; returns the resting order's id."""
    async with Admin(exchange.url, exchange.admin_token()) as admin:
        for user in (1, 2):
            await admin.deposit(user, "1000")
    async with (
        Client(exchange.url, exchange.token(1)) as maker,
        Client(exchange.url, exchange.token(2)) as taker,
    ):
        order = await maker.place("BTC-PERP", "sell", price="50000", qty="0.02")
        taken = await taker.place("BTC-PERP", "buy", price="50000", qty="0.01", tif="IOC")
        assert taken.filled == Decimal("0.01")
    return order.oid


async def what_is_there(exchange: ExchangeProcess) -> tuple[list[int], Decimal, int]:
    async with Client(exchange.url, exchange.token(1)) as maker:
        orders = await maker.orders()
        positions = await maker.positions()
        fills = await maker.fills()
    return [order.oid for order in orders], positions[0].net_qty, len(fills)


@pytest.mark.parametrize(
    ("how", "thread", "reason"),
    [
        ("risk", "engine", "INV-1402 does not hold: 0, 0"),
        ("matching", "engine", "INV-"),
        ("gateway", "gateway", "INV-5 does not hold"),
    ],
)
def test_a_failed_check_stops_the_process_with_one_line_and_the_next_start_recovers(
    failing, tmp_path, how, thread, reason
):
    with failing(how) as exchange:
        oid = asyncio.run(trade(exchange))
        exchange.process.send_signal(signal.SIGUSR1)
        assert exchange.process.wait(STOP_S) == EXIT_FAILED_CHECK
        (line,) = exchange.stderr.splitlines()
        assert line.startswith(f"rsx: {thread} stopped the exchange: {reason}"), line

    audited(tmp_path / "data")
    with ExchangeProcess(tmp_path / "data") as exchange:
        assert asyncio.run(what_is_there(exchange)) == ([oid], Decimal("-0.01"), 1)


@pytest.mark.parametrize(
    ("how", "reason"),
    [("disk", "fsync of the log: Input/output error"),
     ("full", "write of the log: No space left on device")],
)  # fmt: skip
def test_a_failing_or_full_disk_stops_the_process_and_what_it_held_back_was_told_to_nobody(
    failing, tmp_path, how, reason
):
    told = 0

    async def deposit_on(exchange: ExchangeProcess) -> None:
        """Break the disk, and deposit until that shows."""
        nonlocal told
        async with Admin(exchange.url, exchange.admin_token(), timeout=STOP_S) as admin:
            exchange.process.send_signal(signal.SIGUSR1)
            async with asyncio.timeout(STOP_S):
                while True:
                    await admin.deposit(3, "1")
                    told += 1

    with failing(how) as exchange:
        oid = asyncio.run(trade(exchange))
        with pytest.raises(ClientError):
            asyncio.run(deposit_on(exchange))
        assert exchange.process.wait(STOP_S) == EXIT_FAILED_CHECK
        (line,) = exchange.stderr.splitlines()
        assert line.startswith("rsx: engine stopped the exchange: "), line
        assert f"{tmp_path / 'data' / 'wal'}: {reason}" in line

    logged = [d for d in audited(tmp_path / "data").deposits.values() if d.user_id == 3]
    assert len(logged) >= told  # what was told is there; one more may have been written
    with ExchangeProcess(tmp_path / "data") as exchange:
        assert asyncio.run(what_is_there(exchange)) == ([oid], Decimal("-0.01"), 1)
