"""Triggers through risk, matching and wal: they fire, are refused, and outlive a restart.

Whole engines, stepped. Covers K-3, V-9, V-14 (specs/risk.md), TR-4 to TR-9 (specs/matching.md).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from world import (
    BUY,
    IOC,
    LAST_PRICE,
    SELL,
    STOP_LIMIT,
    STOP_MARKET,
    World,
    make_market,
)

MS = 1_000_000


@pytest.fixture
def make_world(tmp_path: Path) -> Iterator[Callable[..., World]]:
    worlds: list[World] = []

    def make(**sections: dict[str, Any]) -> World:
        worlds.append(World(tmp_path / f"data{len(worlds)}", make_market(1), **sections))
        worlds[-1].deposit(1, 2, 3)
        worlds[-1].run()
        return worlds[-1]

    yield make
    for world in worlds:
        world.close()


@pytest.fixture
def fed(make_world: Callable[..., World]) -> World:
    """A world whose mark is fed; it is 1000."""
    world = make_world(mark={"source": "synthetic", "stale_ms": 10_000})
    world.mark(1000)
    world.run()
    return world


def last(world: World, name: str) -> Any:
    return next(r for r in reversed(world.released) if r.record.name == name)


def test_a_stop_fires_on_mark_and_trades_at_the_protection_price(fed: World) -> None:
    bid = fed.place(2, BUY, 950, 100)
    stop = fed.stop(1, SELL, 980, 40, cid="stop")
    fed.run()
    assert last(fed, "TRIGGER_PLACED").oid == stop
    fed.mark(985)
    fed.run()
    assert "TRIGGER_FIRED" not in fed.names()
    fed.mark(980)
    fed.run()

    fired, accepted, fill = (last(fed, n) for n in ("TRIGGER_FIRED", "ORDER_ACCEPTED", "FILL"))
    assert (fired.oid, fired.trigger_px, fired.fired_px) == (stop, 980, 980)
    # Mark 980 less 5 %, up to a tick of 5.
    assert (accepted.oid, accepted.kind, accepted.px) == (stop, STOP_MARKET, 935)
    assert (fill.taker_oid, fill.maker_oid, fill.px, fill.qty) == (stop, bid, 950, 40)
    assert fed.fold().state_hash() == fed.live_hash()


def test_a_stop_fires_on_the_last_price_and_not_on_mark(fed: World) -> None:
    fed.place(2, BUY, 950, 100)
    stop = fed.stop(1, SELL, 960, 40, flags=LAST_PRICE)
    fed.mark(900)
    fed.run()
    assert "TRIGGER_FIRED" not in fed.names()
    fed.place(3, SELL, 950, 10, tif=IOC)
    fed.run()
    assert last(fed, "TRIGGER_FIRED").fired_px == 950
    assert last(fed, "FILL").taker_oid == stop


def test_a_stop_limit_rests_at_its_own_price_with_its_margin(fed: World) -> None:
    stop = fed.trigger(STOP_LIMIT, 1, BUY, 1050, 100, px=1040)
    fed.run()
    assert fed.recovered.state.ledger.account(1)["frozen"] == 0, "a trigger reserves nothing"
    fed.mark(1050)
    fed.run()

    known = fed.recovered.state.ledger.order(stop)
    assert (known["px"], known["remaining"], known["in_hand"]) == (1040, 100, False)
    # 10 % of 100 x 1050 and the taker fee of 400 ppm, both of the worse price.
    assert known["reserved"] == 10_500 + 42


def test_without_margin_it_is_refused_and_ends(make_world: Callable[..., World]) -> None:
    world = make_world()
    world.ask("DEPOSIT_REQUEST", user_id=4, amount=100)
    world.run()
    world.place(2, SELL, 1100, 100)
    stop = world.stop(4, BUY, 1050, 100, flags=LAST_PRICE)
    world.run()
    world.place(3, BUY, 1100, 10, tif=IOC)
    world.run()

    ended = last(world, "TRIGGER_CANCELLED")
    assert (ended.oid, ended.reason) == (stop, 2001)
    assert "REQUEST_REJECTED" not in [a.record.name for a in world.answers]
    assert world.recovered.state.ledger.account(4)["frozen"] == 0
    world.restart()
    world.run()
    assert world.risk.counters()["triggers_fired"] == 0


def test_with_a_stale_mark_it_is_refused_unless_it_only_reduces(fed: World) -> None:
    """A stop on the last price may fire while the feed is silent: one that closes must trade."""
    fed.place(2, SELL, 1000, 50)
    fed.place(1, BUY, 1000, 50)  # user 1 is long 50
    fed.place(2, BUY, 950, 200)
    opens = fed.stop(3, SELL, 960, 20, flags=LAST_PRICE)
    closes = fed.stop(1, SELL, 960, 40, flags=LAST_PRICE)
    fed.run()
    fed.clock.advance(11_000 * MS)
    fed.place(1, SELL, 950, 10, tif=IOC)  # closing is allowed
    fed.run()

    ends = {r.oid: r.reason for r in fed.released if r.record.name == "TRIGGER_CANCELLED"}
    assert ends == {opens: 2002}
    assert last(fed, "FILL").taker_oid == closes


def test_an_unknown_market_and_a_user_without_an_account_are_refused(
    make_world: Callable[..., World],
) -> None:
    world = make_world()
    stranger = world.stop(4, BUY, 1050, 10)
    nowhere = world.stop(1, BUY, 1050, 10, symbol=9)
    world.run()

    told = [(a.oid, a.reason, a.available) for a in world.answers]
    assert told == [(stranger, 2001, 0), (nowhere, 1007, 0)]
    assert "TRIGGER_PLACED" not in world.names()


def test_the_accounts_default_is_taken_when_it_is_placed_and_its_group_when_it_fires(
    fed: World,
) -> None:
    """V-10, V-14."""
    fed.configure(1, stp=2)
    fed.run()
    stop = fed.stop(1, SELL, 980, 10)
    fed.run()
    fed.configure(1, owner_group=5, stp=0)
    fed.run()
    fed.mark(980)
    fed.run()

    assert last(fed, "TRIGGER_PLACED").stp == 2
    accepted = last(fed, "ORDER_ACCEPTED")
    assert (accepted.oid, accepted.stp, accepted.owner_group) == (stop, 2, 5)


def test_it_is_checked_before_requests_that_came_with_its_firing(
    make_world: Callable[..., World],
) -> None:
    """V-14: margin goes to the trigger that fired, not to the order pushed after it."""
    world = make_world()
    # Enough for one order of 100 at 1155 (mark 1100, band 5 %), not for two.
    world.ask("DEPOSIT_REQUEST", user_id=4, amount=20_000)
    world.run()
    world.place(2, SELL, 1100, 10)
    world.place(2, SELL, 1150, 200)
    stop = world.stop(4, BUY, 1100, 100, flags=LAST_PRICE)
    world.place(3, BUY, 1100, 10, tif=IOC)
    while "TRIGGER_FIRED" not in world.names():
        world.step()
    late = world.place(4, BUY, 1150, 100)
    world.run()

    assert last(world, "FILL").taker_oid == stop
    assert [(a.oid, a.reason) for a in world.answers] == [(late, 2001)]


@pytest.mark.parametrize("state", ["waits", "due", "fired", "rests", "refused", "cancelled"])
def test_it_outlives_a_restart_in_every_state(make_world: Callable[..., World], state: str) -> None:
    """TR-9, F-1: and is what it was, for the engine, risk and the gateway."""
    world = make_world()
    kind, px = (STOP_LIMIT, 1090) if state == "rests" else (STOP_MARKET, 0)
    user = 4 if state == "refused" else 1
    world.ask("DEPOSIT_REQUEST", user_id=4, amount=100)
    world.run()
    world.place(2, SELL, 1100, 500)
    oid = world.trigger(kind, user, BUY, 1100, 100, px=px, flags=LAST_PRICE)
    world.run()
    if state == "cancelled":
        world.cancel(1, oid)
        world.run()
    elif state != "waits":
        world.place(3, BUY, 1100, 10, tif=IOC)
        until = {"due": "FILL", "fired": "TRIGGER_FIRED"}.get(state)
        if until is None:
            world.run()
        else:
            while until not in world.names():
                world.step()
            log = world.log()
            at = next(r.seq for r in world.released if r.record.name == until)
            assert len(log) >= at * 128
            world.crash(at * 128)
            world.start()
    if state in ("waits", "rests", "refused", "cancelled"):
        world.restart()
    assert world.risk.counters()["triggers_fired"] == (state == "fired")
    before = world.live_hash()
    assert before == world.fold().state_hash()
    world.run()
    if state == "waits":
        world.place(3, BUY, 1100, 10, tif=IOC)
        world.run()

    fills = [r for r in world.released if r.record.name == "FILL" and r.taker_oid == oid]
    assert sum(f.qty for f in fills) == (100 if state in ("waits", "due", "fired") else 0)
    ends = [r.reason for r in world.released
            if r.record.name == "TRIGGER_CANCELLED" and r.oid == oid]  # fmt: skip
    assert ends == {"refused": [2001], "cancelled": [3101]}.get(state, [])
    known = world.recovered.state.ledger.order(oid)
    assert (known is not None) == (state == "rests")
    assert world.live_hash() == world.fold().state_hash()
    world.recovered.state.audit()
