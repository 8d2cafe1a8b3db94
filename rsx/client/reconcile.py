"""The questions asked after a reconnection, in the order that makes their answers fit together.

O first, then FL, then the lookups: so the fills of every order that had ended by O are in FL. What
they find is judged and emitted elsewhere, all at once.
Source: specs/client.md CL-35 .. CL-38.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from decimal import Decimal

import msgspec

from rsx.client.errors import RequestRefused, reason_sentence
from rsx.client.memory import Memory, traded
from rsx.client.models import Fill, Order
from rsx.client.requests import AmendRequest, PlaceRequest
from rsx.errors import Reason

Lookup = Callable[..., Awaitable[Order | None]]

# What the exchange keeps per user, and the most that one FL answer holds (wire.md).
HISTORY_MAX = 1000
PAGE_MAX = 500
LOOKUPS_AT_ONCE = 8


async def missed_fills(
    page: Callable[[int], Awaitable[list[Fill]]], known_seq: int
) -> tuple[list[Fill], bool]:
    """Fills since the newest known one, oldest first; whether the history reached it (CL-36).

    Args  page: fills before a seq, newest first, 0 = the newest; known_seq: 0 = none was known
    """
    found: dict[tuple[int, int], Fill] = {}
    before = 0
    while True:
        fresh = {
            (fill.seq, fill.oid): fill
            for fill in await page(before)
            if (fill.seq, fill.oid) not in found
        }
        found.update(fresh)
        oldest = min((seq for seq, _ in found), default=0)
        if fresh and oldest >= known_seq:
            # One trade with oneself is two rows of one seq, and a page may end between them.
            before = oldest + 1
            continue
        reached = 0 < oldest <= known_seq if known_seq else len(found) < HISTORY_MAX
        return list(found.values())[::-1], reached


async def look_up_gone(
    lookup: Lookup, memory: Memory, rows: list[Order], fills: list[Fill]
) -> list[Order]:
    """Terminal states of the orders that were open and are not listed any more."""
    slots = asyncio.Semaphore(LOOKUPS_AT_ONCE)

    async def look_up(order: Order) -> Order:
        async with slots:
            found = await lookup(oid=order.oid)
        if found is None or found.is_open:
            return memory.guess_end(order, fills)
        return found

    return list(await asyncio.gather(*map(look_up, memory.gone(rows))))


async def look_up_strangers(
    lookup: Lookup, memory: Memory, rows: list[Order], fills: list[Fill], complete: bool
) -> list[Order]:
    """Terminal states of orders that another connection placed, and that traded and ended."""
    sums = traded(fills, memory)
    listed = {order.oid for order in rows}
    found = [await lookup(oid=oid) for oid in sums if oid not in listed and memory.get(oid) is None]
    return [order for order in found if order and _whole(order, sums, complete)]


def _whole(order: Order, sums: Mapping[int, Decimal], complete: bool) -> bool:
    """Whether an order has ended and all its fills are known.

    If not, it ended after FL was taken: its last events come on this connection, fills first.
    """
    return not order.is_open and (order.filled <= sums[order.oid] or not complete)


async def look_up_places(
    lookup: Lookup,
    memory: Memory,
    places: list[PlaceRequest],
    rows: list[Order],
    fills: list[Fill],
    complete: bool,
) -> tuple[list[Order], list[PlaceRequest]]:
    """Of the orders in flight: those that ended, and those that the exchange never saw."""
    settled: list[Order] = []
    unseen: list[PlaceRequest] = []
    listed = {(order.symbol, order.cid) for order in rows}
    sums = traded(fills, memory)
    for place in places:
        if (place.symbol, place.cid) in listed:
            continue
        found = await lookup(cid=place.cid, symbol=place.symbol)
        if found is None or found.reason == Reason.DUPLICATE_CLIENT_ID.name:
            unseen.append(place)
        elif _whole(found, sums, complete):
            settled.append(with_terms(found, place.template))
    return settled, unseen


def settle_amendments(amends: list[AmendRequest], states: list[Order]) -> list[AmendRequest]:
    """Answer the amendments whose order tells what became of them; returns the others.

    Those are sent again: price and quantity are absolute, so that twice is once.

    Args  states: newest states of orders, ended ones included
    """
    left: list[AmendRequest] = []
    for amend in amends:
        order = next((o for o in reversed(states) if amend.meant(o)), None)
        if order is None or (order.is_open and not amend.asked_for(order)):
            left.append(amend)
        elif order.is_open and order.status == "pending":
            amend.taken = True  # it is matching with its new terms
        elif amend.asked_for(order) or order.reason == Reason.AMENDED_AWAY.name:
            amend.answer.set_result(order)
        else:
            code = Reason.ORDER_DONE
            error = RequestRefused(code, reason_sentence(code), ref=amend.target)
            amend.answer.set_exception(error)
    return left


def with_terms(order: Order, template: Order) -> Order:
    """The order with the terms that it was placed with, where it does not have its own."""
    if order.tif is not None:
        return order
    names = ("tif", "post_only", "reduce_only", "stp", "expire_s", "reprice", "trigger_on")
    return msgspec.structs.replace(order, **{name: getattr(template, name) for name in names})
