"""Small helpers of the client's tests."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence

from rsx.client import Client, Event, Fill, OrderUpdate, Resumed


async def until(condition: Callable[[], object]) -> None:
    """Let the loop run until something holds; the test's own deadline ends it otherwise."""
    while not condition():  # noqa: ASYNC110 (no hook in the code under test to wait on)
        await asyncio.sleep(0.001)


async def collect(client: Client, done: Callable[[Event], bool]) -> list[Event]:
    """Read events up to and including the first for which `done` holds."""
    events = []
    async for event in client.events():
        events.append(event)
        if done(event):
            break
    return events


async def up_to_resumed(client: Client) -> list[Event]:
    return await collect(client, lambda event: isinstance(event, Resumed))


def fills(events: Sequence[Event]) -> list[Fill]:
    return [event for event in events if isinstance(event, Fill)]


def updates(events: Sequence[Event]) -> list[tuple[str, str]]:
    return [(e.order.cid, e.order.status) for e in events if isinstance(e, OrderUpdate)]
