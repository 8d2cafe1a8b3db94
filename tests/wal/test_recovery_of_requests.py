"""A log with every kind of record, cut behind each of them: what a start makes of it.

Whole engines, stepped. Covers V-8, A-7, A-8 (specs/risk.md), F-1, F-2, TR-9 (specs/matching.md),
INV-14 over all tiles.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from world import (
    BUY,
    CANCEL_ONLY,
    FOK,
    GTD,
    IOC,
    LAST_PRICE,
    LOGGED,
    NOW_NS,
    OPEN,
    POST_ONLY,
    REDUCE_ONLY,
    SELL,
    STOP_LIMIT,
    STOP_MARKET,
    TRAILING_STOP,
    World,
    make_market,
)

from rsx.records import RECORD_SIZE
from rsx.wal.segments import list_segments

NS = 1_000_000_000
USERS = range(1, 5)


def amendments(world: World) -> None:
    """Kept, moved, matching, cut, refused, ended: ORDER_AMENDED, AMEND_REJECTED, ORDER_RELEASED."""
    oid = world.place(1, SELL, 1010, 100, cid="amended")
    world.place(2, BUY, 990, 100)
    world.run()
    world.amend(1, oid, 1010, 50)  # keeps its place
    world.run()
    world.amend(1, oid, 1015, 80)  # another level
    world.run()
    world.amend(1, oid, 990, 150)  # matches 100, rests with 50
    world.run()
    world.amend(1, 4711, 1000, 10, side=SELL)  # never was
    world.amend(1, oid, 1020, 200)  # the margin is in flight when ...
    world.amend(1, oid, 1020, 100, side=SELL)  # ... it is cancelled: 100 have traded
    world.amend(2, oid, 1020, 200)  # foreign
    world.run()


def amendment_that_ends(world: World) -> None:
    """AM-2 with something in flight: it trades on its way."""
    oid = world.place(3, BUY, 980, 50)
    world.run()
    world.place(4, SELL, 980, 40, tif=IOC)
    world.amend(3, oid, 1200, 40)
    world.run()


def triggers(world: World) -> None:
    """On last and on mark, refused, cancelled, expired, trailing; fired and filled."""
    world.place(2, BUY, 940, 200)
    world.run()
    world.stop(1, SELL, 985, 50, flags=LAST_PRICE, cid="stop")
    world.trigger(TRAILING_STOP, 1, SELL, 0, 50, trail_px=20, flags=LAST_PRICE)
    world.stop(2, SELL, 900, 10)
    world.trigger(
        STOP_LIMIT, 1, BUY, 1200, 10, px=1205, tif=GTD, expire_s=NOW_NS // NS + 60, cid="gtd"
    )
    world.stop(1, SELL, 1100, 10)  # it would fire at once
    world.stop(1, SELL, 980, 10, cid="stop")  # used before
    world.stop(1, BUY, 1000 * 5 + 1, 10)  # off tick
    world.run()
    world.place(3, SELL, 940, 20, tif=IOC)  # last 940: the first two fire
    world.run()
    world.cancel(2, world.oid - 4)
    world.clock.advance(61 * NS)
    world.place(3, BUY, 800, 10)
    world.run()


def all_the_rest(world: World) -> None:
    """Settings, self-trade, cuts, duplicates, refusals, modes, marks, cancel-alls."""
    world.configure(4, owner_group=7)
    world.configure(4, stp=2)
    world.run()
    world.place(4, SELL, 930, 40)
    world.place(4, BUY, 930, 20, stp=4)  # its oldest goes
    world.place(4, BUY, 925, 20, cid="dup")
    world.place(4, BUY, 925, 20, cid="dup")
    world.run()
    world.place(2, SELL, 1100, 50, flags=REDUCE_ONLY)
    world.place(2, SELL, 1105, 300, flags=REDUCE_ONLY)
    world.place(1, BUY, 1100, 100, tif=FOK)
    world.run()
    world.market(3, BUY, 10)
    world.place(1, SELL, 1000, 10, flags=POST_ONLY)
    world.cancel(1, 4711)
    world.mark(1050)
    world.run()
    world.set_mode(CANCEL_ONLY)
    world.place(1, BUY, 900, 10)
    world.run()
    world.set_mode(OPEN)
    for user in USERS:
        world.cancel_all(user)
    world.run()


# What these requests do not bring about: tests of margin, funding and liquidation do.
OF_MARGIN = {
    "WITHDRAWAL", "MARGIN_CONFIG", "MARGIN_TRANSFERRED", "FUNDING_SETTLED", "FUNDING_PAYMENT",
    "FUNDING_DONE", "LIQUIDATION_STEP", "POSITION_TRANSFERRED", "LIQUIDATION_SETTLED",
}  # fmt: skip

# Digests are off here, and sync marks have their own tests.
OF_THE_LOG = {"ENGINE_DIGEST", "LEDGER_MARK", "LEDGER_DIGEST", "LOG_SYNCED"}


@pytest.fixture
def whole(make_world: Callable[..., World]) -> World:
    world = make_world(make_market(1), mark={"source": "last"}, name="whole")
    world.deposit(*USERS)
    world.run()
    for part in (amendments, amendment_that_ends, triggers, all_the_rest):
        part(world)
    return world


def test_the_log_has_every_kind_of_record(whole: World) -> None:
    assert LOGGED - set(whole.names()) == OF_MARGIN | OF_THE_LOG


def cut(whole: World, folder: Path, seq: int) -> None:
    """A data folder whose log ends with record seq."""
    whole.copy_to(folder)
    path = list_segments(folder / "wal")[-1].path
    data = path.read_bytes()
    path.write_bytes(data[: seq * RECORD_SIZE] + bytes(len(data) - seq * RECORD_SIZE))


def test_a_start_behind_any_record_goes_on_from_what_it_says(
    whole: World, make_world: Callable[..., World], tmp_path: Path
) -> None:
    """Live tiles and a fold agree after the start, after more trading, and after another start."""
    last = whole.released[-1].seq
    assert last > 60
    for seq in range(4, last + 1):
        cut(whole, tmp_path / f"cut{seq}", seq)
        world = make_world(make_market(1), mark={"source": "last"}, name=f"cut{seq}")
        before = world.fold(seq).state_hash()
        assert before == world.live_hash(), seq
        world.run()
        check(world)
        world.deposit(1)
        world.place(1, BUY, 700, 10)
        world.place(2, SELL, 700, 20)
        world.cancel_all(2)
        world.run()
        check(world)
        hash_before = world.live_hash()
        world.restart()
        assert world.live_hash() == hash_before, seq
        world.run()
        check(world)


def check(world: World) -> None:
    """Nothing is in flight, nothing is in hand, and every sum is right."""
    state = world.recovered.state
    state.audit()
    assert world.fold().state_hash() == world.live_hash()
    engine, ledger = state.engines[1], state.ledger
    assert engine.in_hand == 0
    assert engine.fired() == []
    resting = {row[0]: row for row in engine.orders()}
    assert ledger.orders_known() == len(resting)
    for oid, row in resting.items():
        seen = ledger.order(oid)
        assert (seen["user_id"], seen["px"], seen["remaining"], seen["reserved"]) == row[1:5]
        assert seen["filled"] == row[8] - row[3]
    frozen: dict[int, int] = {}
    for row in resting.values():
        frozen[row[1]] = frozen.get(row[1], 0) + row[4]
    for user in ledger.users():
        assert ledger.account(user)["frozen"] == frozen.get(user, 0)


def test_an_amended_order_in_hand_when_the_log_ends_is_cancelled(
    whole: World, make_world: Callable[..., World], tmp_path: Path
) -> None:
    """F-2: and its margin is free again."""
    amended = next(r for r in whole.released if r.record.name == "ORDER_AMENDED" and not r.flags)
    fill = whole.released[amended.seq]
    assert fill.record.name == "FILL"
    for seq, left in ((amended.seq, amended.remaining), (fill.seq, fill.taker_remaining)):
        name = f"hand{seq}"
        cut(whole, tmp_path / name, seq)
        world = make_world(make_market(1), name=name)
        held: Any = world.recovered.state.ledger.order(amended.oid)
        assert (held["remaining"], held["in_hand"]) == (left, True)
        world.run()
        ended = next(r for r in world.released if r.record.name == "ORDER_CANCELLED")
        assert (ended.oid, ended.cancelled_qty, ended.reason) == (amended.oid, left, 3104)
        assert ended.released == held["reserved"]
        assert world.recovered.state.ledger.account(1)["frozen"] == 0


def test_a_fired_trigger_that_never_came_back_is_given_to_risk_again(
    whole: World, make_world: Callable[..., World], tmp_path: Path
) -> None:
    """TR-9: cut right behind each TRIGGER_FIRED, it becomes an order after the start."""
    for fired in [r for r in whole.released if r.record.name == "TRIGGER_FIRED"]:
        name = f"fired{fired.seq}"
        cut(whole, tmp_path / name, fired.seq)
        world = make_world(make_market(1), name=name)
        assert world.risk.counters()["triggers_fired"] == 1
        world.run()
        accepted = next(r for r in world.released if r.record.name == "ORDER_ACCEPTED")
        assert (accepted.oid, accepted.kind) == (fired.oid, fired.kind)
        assert accepted.kind in (STOP_MARKET, TRAILING_STOP)
        assert world.risk.counters()["triggers_fired"] == 0
