"""Every example of README.md and specs/client.md runs as it is written."""

from __future__ import annotations

import asyncio

import pytest
from client.examples import blocks, calls, run_block, run_calls
from client.fake_server import FakeExchange, mint

from rsx.client import Client, Order


async def two_sided(exchange: FakeExchange) -> None:
    """Somebody else's orders around 50 000, as the demo market has."""
    for number in range(5):
        await exchange.place(9, 1, 0, 4_999_000 - 100 * number, 1_000_000, f"b{number}")
        await exchange.place(9, 1, 1, 5_001_000 + 100 * number, 1_000_000, f"a{number}")


def test_every_call_of_the_table_of_orders_does_what_it_says(run):
    async def test(exchange):
        await two_sided(exchange)
        async with Client(exchange.url, token=mint(1)) as client:
            results = await run_calls(client)
        orders = [r for r in results.values() if isinstance(r, Order)]
        assert len(results) >= 17 and len(orders) >= 11
        kinds = {"limit", "market", "stop_limit", "take_profit_market", "trailing_stop"}
        assert {order.kind for order in orders} == kinds

    run(test)


@pytest.mark.parametrize("number", range(len(blocks("specs/client.md"))))
def test_the_blocks_of_the_specification_run(run, number):
    async def test(exchange):
        await two_sided(exchange)
        code = blocks("specs/client.md")[number]
        asking = asyncio.ensure_future(exchange.place(9, 1, 1, 5_000_000, 10_000, "t"))
        async with asyncio.timeout(5):
            # The first block reads events for ever: one is enough to see that it does.
            code = code.replace("        ...", "        break")
            await run_block(code, exchange.url, token=mint(1))
        await asking

    run(test)


def test_the_bot_of_the_readme_trades(run, tmp_path, monkeypatch, capsys):
    (bot,) = blocks("README.md")
    for name, user in (("one", 1), ("two", 2)):
        (tmp_path / f"{name}.token").write_text(mint(user) + "\n")
    monkeypatch.chdir(tmp_path)

    async def test(exchange):
        await exchange.place(9, 1, 0, 4_999_000, 1_000_000, "b")
        assert bot.count("asyncio.run(main())") == 1
        code = bot.replace("asyncio.run(main())", "await main()")
        async with asyncio.timeout(10):
            await run_block(code, exchange.url)

    run(test)
    assert "resting" in capsys.readouterr().out


def test_there_is_an_example_of_every_way_to_ask_for_orders():
    asked = {call.split("(")[0] for call in calls()}
    due = {name for name in vars(Client) | _inherited() if name.startswith(("place", "cancel"))}
    assert due - asked <= {"cancel_batch"} and {"amend", "dead_man", "queue_position"} <= asked


def _inherited() -> dict[str, object]:
    return {name: value for base in Client.__mro__ for name, value in vars(base).items()}
