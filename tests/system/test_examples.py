"""Every example of README.md and specs/client.md, run against a real exchange."""

from __future__ import annotations

import asyncio

import pytest
from client.examples import blocks, run_block, run_calls
from system.process import ExchangeProcess

from rsx.client import Admin, Client, Order

pytestmark = pytest.mark.system

EXAMPLE_S = 20


async def two_sided(exchange: ExchangeProcess, *users: int) -> None:
    """Collateral for the users, and somebody else's orders around 50 000."""
    async with Admin(exchange.url, exchange.admin_token()) as admin:
        for user in (9, *users):
            await admin.deposit(user, "10000000")
    async with Client(exchange.url, exchange.token(9)) as maker:
        orders = [
            {"symbol": "BTC-PERP", "side": side, "price": 50000 + sign * (10 + number), "qty": "1"}
            for side, sign in (("buy", -1), ("sell", 1))
            for number in range(5)
        ]
        assert all(isinstance(order, Order) for order in await maker.place_batch(orders))


def test_every_call_of_the_table_of_orders(tmp_path):
    async def test(exchange: ExchangeProcess) -> None:
        await two_sided(exchange, 1)
        async with asyncio.timeout(EXAMPLE_S), Client(exchange.url, exchange.token(1)) as client:
            results = await run_calls(client)
        kinds = {order.kind for order in results.values() if isinstance(order, Order)}
        assert kinds == {"limit", "market", "stop_limit", "take_profit_market", "trailing_stop"}

    with ExchangeProcess(tmp_path / "data") as exchange:
        asyncio.run(test(exchange))
        assert "ERROR" not in exchange.stderr, exchange.stderr


def test_the_bot_of_the_readme_and_the_blocks_of_the_specification(tmp_path, monkeypatch, capsys):
    async def test(exchange: ExchangeProcess) -> None:
        await two_sided(exchange, 1, 2)
        async with asyncio.timeout(EXAMPLE_S):
            (bot,) = blocks("README.md")
            await run_block(bot.replace("asyncio.run(main())", "await main()"), exchange.url)
            # The first block reads events for ever: its order's own update is enough.
            for code in blocks("specs/client.md"):
                code = code.replace("        ...", "        break")
                await run_block(code, exchange.url, token=exchange.token(1))

    with ExchangeProcess(tmp_path / "data") as exchange:
        for name, user in (("one", 1), ("two", 2)):
            (tmp_path / f"{name}.token").write_text(exchange.token(user) + "\n")
        monkeypatch.chdir(tmp_path)
        asyncio.run(test(exchange))
        assert "ERROR" not in exchange.stderr, exchange.stderr
    assert "Fill(" in capsys.readouterr().out
