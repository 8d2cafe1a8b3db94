"""Fixtures: both event loops, a fake exchange, short waits between reconnections."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
import uvloop
from client.fake_server import FakeExchange

from rsx.client.transport import Backoff

LOOPS = {"asyncio": asyncio.new_event_loop, "uvloop": uvloop.new_event_loop}
Test = Callable[[FakeExchange], Awaitable[Any]]


@pytest.fixture(params=LOOPS)
def run(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Callable[[Test], Any]:
    """Run one coroutine function against a fresh fake exchange, on each kind of loop."""
    monkeypatch.setattr("rsx.client.client.Backoff", lambda: Backoff(0.001, 0.02))

    async def around(test: Test) -> Any:
        exchange = FakeExchange()
        await exchange.start()
        try:
            async with asyncio.timeout(20):
                return await test(exchange)
        finally:
            await exchange.stop()

    def runner(test: Test) -> Any:
        with asyncio.Runner(loop_factory=LOOPS[request.param]) as loop:
            return loop.run(around(test))

    return runner
