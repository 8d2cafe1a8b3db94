"""The price map follows the market: when, how much at a time, and that nothing else notices.

specs/matching.md PM-4 to PM-6; BOOK-50 to BOOK-57, TST-6.
"""

from __future__ import annotations

import random
from typing import Any

import pytest
from model.engines import ask, new
from model.symbols import make_symbol
from model.wire import numbered, order_cancel
from world import BUY, IOC, SELL, World, make_market

from rsx.book.engine import Engine
from rsx.book.shadow import Shadow

FAR = 1 << 40
MOVES = 4  # looked at by one request
CANCEL = 1 << 40


def make_engine(reference: int = 50_000, **changes: Any) -> Engine:
    orders_max = changes.pop("orders_max", 4096)
    symbol = make_symbol(
        **{"reference_px": reference, "px_max": FAR, "notional_max": 1 << 60, **changes}
    )
    return Engine(symbol, orders_max=orders_max, users_max=64)


def place(engine: Engine, oid: int, side: int, px: int, qty: int = 1, **more: Any) -> Any:
    return ask(engine, new(oid, more.pop("user", 1), side, qty, px, **more))


def cancel(engine: Engine, oid: int, user: int = 1) -> Any:
    return ask(engine, order_cancel(oid=oid, user_id=user, symbol_id=1))


def ladder(engine: Engine, middle: int, count: int, gap: int = 3) -> None:
    """count bids and count asks by `enter`, ids from 1."""
    for at in range(1, count + 1):
        engine.enter(2 * at - 1, 0, middle - at * gap, 1)
        engine.enter(2 * at, 1, middle + at * gap, 1)


def recentrings(engine: Engine) -> int:
    return int(engine.map_info()["recentrings"])


class TestWhen:
    """PM-4."""

    @pytest.mark.parametrize(
        ("middle", "due"),
        [
            (51_000, False), (51_250, False), (51_251, True), (51_500, True),
            (49_000, False), (48_750, False), (48_749, True), (48_500, True),
        ],
    )  # fmt: skip
    def test_it_begins_when_the_middle_is_beyond_half_the_finest_zone(self, middle, due):
        """BOOK-50: 2.5 % of 50 000, strictly."""
        engine = make_engine(50_000)
        place(engine, 1, 0, middle - 1)
        place(engine, 2, 1, middle + 1)

        assert recentrings(engine) == due
        assert engine.map_info()["reference"] == (middle if due else 50_000)
        engine.audit()

    def test_the_middle_is_rounded_down(self):
        """BOOK-52."""
        engine = make_engine(50_000)
        place(engine, 1, 0, 51_250)
        place(engine, 2, 1, 51_253)
        assert engine.map_info()["reference"] == 51_251

    def test_a_one_sided_book_never_recentres(self):
        """BOOK-52."""
        engine = make_engine(50_000)
        for oid in range(1, 50):
            place(engine, oid, 0, 100_000 + oid)
        assert recentrings(engine) == 0
        cancel(engine, 1)
        for oid in range(2, 50):
            cancel(engine, oid)
        for oid in range(50, 99):
            place(engine, oid, 1, 1000 + oid)
        assert recentrings(engine) == 0

    def test_a_cancel_does_not_begin_it_and_the_next_order_does(self):
        """BOOK-52: the check is after new orders and amendments alone."""
        engine = make_engine(50_000)
        place(engine, 1, 0, 49_000)
        place(engine, 2, 1, 50_000)
        place(engine, 3, 1, 60_000)
        assert recentrings(engine) == 0

        cancel(engine, 2)
        assert recentrings(engine) == 0

        place(engine, 4, 0, 48_999)
        assert recentrings(engine) == 1
        assert engine.map_info()["reference"] == 54_500

    def test_a_match_that_moves_the_best_price_begins_it(self):
        engine = make_engine(50_000)
        place(engine, 1, 0, 49_999)
        place(engine, 2, 1, 50_001)
        place(engine, 3, 1, 60_001)
        place(engine, 4, 0, 60_000, tif=IOC, user=2)
        assert recentrings(engine) == 1
        assert engine.map_info()["reference"] == 55_000

    def test_while_one_runs_no_other_begins(self):
        """PM-5."""
        engine = make_engine(50_000)
        ladder(engine, 50_000, 200)
        engine.centre_on(FAR)
        for oid in range(1000, 1005):
            place(engine, oid, 0, 100)
            info = engine.map_info()
            assert (info["recentrings"], info["is_moving"]) == (1, True)
        while engine.map_info()["is_moving"]:
            cancel(engine, 77)
        assert recentrings(engine) == 1
        place(engine, 2000, 0, 100)
        assert (recentrings(engine), engine.map_info()["reference"]) == (2, 50_000)

    def test_the_widths_of_a_reference_too_large_for_the_slots_decide(self):
        """PM-3: half of the finest zone that the map has, not of one it cannot have."""
        symbol = make_symbol(reference_px=1 << 30, px_max=FAR, notional_max=1 << 60)
        engine = Engine(symbol, orders_max=64, users_max=8, level_slots_max=1024)
        zone = engine.map_info()["ends"][0]
        assert zone < 500
        place(engine, 1, 0, (1 << 30) + zone // 2 - 1)
        place(engine, 2, 1, (1 << 30) + zone // 2 + 1)
        assert recentrings(engine) == 0
        place(engine, 3, 0, (1 << 30) + zone // 2)
        place(engine, 4, 1, (1 << 30) + zone // 2 + 5)
        cancel(engine, 2)
        place(engine, 5, 0, (1 << 30) + zone // 2 + 3)
        assert recentrings(engine) == 1


class TestHowMuch:
    """PM-5: bounded work, counts before and after agree."""

    def test_each_request_moves_a_few_levels_until_the_old_map_is_empty(self):
        engine = make_engine(50_000)
        ladder(engine, 50_000, 100)
        before = engine.map_info()["levels"]
        engine.centre_on(50_500)
        info = engine.map_info()
        assert (info["levels"], info["old_levels"]) == (MOVES, before - MOVES)
        oid = 1000
        while info["is_moving"]:
            moved, oid = info["moved"], oid + 1
            if oid % 2:
                place(engine, oid, 0, 49_500)
            else:
                cancel(engine, oid - 1)
            info = engine.map_info()
            engine.audit()
            assert 0 < info["moved"] - moved <= MOVES
            assert info["levels"] + info["old_levels"] == before + oid % 2
        assert info["recentred"] == 1
        assert info["moved"] == before == 200

    def test_levels_made_meanwhile_are_in_the_new_map_and_are_not_moved_again(self):
        engine = make_engine(50_000)
        ladder(engine, 50_000, 60)
        engine.centre_on(51_000)  # near enough that no other begins
        for oid in range(1000, 1100):  # between, behind and in front of what is moved
            engine.enter(oid, oid % 2, 50_000 + (-1, 1)[oid % 2] * (oid - 999), 1)
            engine.audit()
        info = engine.map_info()
        assert (info["is_moving"], info["recentrings"]) == (False, 1)
        assert info["moved"] == 120
        assert info["levels"] == 120 + 100 - 33  # a third of the new prices were there

    def test_an_order_at_a_price_of_the_old_map_joins_its_level(self):
        """BOOK-57: both maps are asked."""
        engine = make_engine(50_000)
        ladder(engine, 50_000, 100)
        engine.centre_on(70_000)
        worst = 50_000 - 300
        engine.enter(999, 0, worst, 5)
        engine.audit()

        queue = [order[0] for order in engine.orders() if order[2] == worst]
        assert queue == [199, 999]
        assert engine.map_info()["levels"] + engine.map_info()["old_levels"] == 200

    def test_a_cancel_of_the_level_that_is_next_goes_on_with_the_one_behind(self):
        engine = make_engine(50_000)
        ladder(engine, 50_000, 30)
        engine.centre_on(80_000)
        for oid in range(2 * MOVES + 1, 61, 2):  # the bids not yet moved, the next one first
            engine.shrink(oid, CANCEL)
            engine.audit()
        while engine.map_info()["is_moving"]:
            cancel(engine, 5555)
            engine.audit()
        assert engine.map_info()["old_levels"] == 0
        assert len(engine.orders()) == 30 + MOVES

    def test_emptying_the_whole_book_while_it_moves(self):
        engine = make_engine(50_000)
        ladder(engine, 50_000, 50)
        engine.centre_on(80_000)
        rng = random.Random(3)
        for oid in rng.sample(range(1, 101), 100):
            engine.shrink(oid, CANCEL)
            engine.audit()
        cancel(engine, 5)
        info = engine.map_info()
        assert (info["is_moving"], info["levels"], info["old_levels"]) == (False, 0, 0)

    @pytest.mark.parametrize("reference", [1, 30_000, 49_997, 50_000, 50_003, 53_000, FAR])
    def test_a_level_exactly_at_the_new_reference_is_kept(self, reference):
        """BOOK-54: it was once dropped; orders before = orders after."""
        engine = make_engine(50_000)
        ladder(engine, 50_000, 50)
        if reference not in (1, FAR):
            engine.enter(999, int(reference > 50_000), reference, 7)
        before = engine.orders()

        engine.centre_on(reference)
        while engine.map_info()["is_moving"]:
            cancel(engine, 5555)

        assert engine.orders() == before
        info = engine.map_info()
        assert info["levels"] == info["moved"] == len({order[2] for order in before})
        engine.audit()

    def test_a_hundred_thousand_levels_move_as_lightly_as_ten(self):
        """Steps, not time: 4 levels a request, and the trees they come to stay shallow."""
        count = 50_000
        engine = make_engine(50_000, orders_max=2 * count + 8)
        for at in range(count):
            engine.enter(2 * at + 1, 0, count - at, 1)
            engine.enter(2 * at + 2, 1, (1 << 30) + at, 1)
        engine.centre_on(FAR)
        base = engine.map_info()["moved"] - MOVES
        requests = 1
        for share in range(1, 5):
            while requests < share * 2 * count // MOVES // 4 - 10:
                cancel(engine, 999_999)
                requests += 1
            info = engine.map_info()
            assert info["moved"] - base == requests * MOVES
            assert info["depth"] < 72
        for _ in range(11):
            cancel(engine, 999_999)
        info = engine.map_info()
        assert (info["is_moving"], info["moved"] - base) == (False, 2 * count)
        engine.audit()


def test_trading_goes_on_over_a_recentring():
    """TST-6."""
    engine = make_engine(1_000_000)
    place(engine, 1, 1, 1_000_010, 100)
    place(engine, 2, 1, 1_000_020, 100)
    place(engine, 3, 0, 999_990, 100)

    engine.centre_on(1_030_000)

    assert engine.map_info()["reference"] == 1_030_000
    assert [order[0] for order in engine.orders()] == [3, 1, 2]
    assert engine.best() == (999_990, 1_000_010)
    engine.audit()
    events = place(engine, 4, 0, 1_000_025, 150, user=2)
    assert [(e["px"], e["qty"]) for e in events if e["type"] == "FILL"] == [
        (1_000_010, 100), (1_000_020, 50),
    ]  # fmt: skip
    assert [order[3] for order in engine.orders()] == [100, 50]
    engine.audit()


def test_a_fold_has_its_own_map_and_the_same_hash():
    """PM-6, BOOK-55, BOOK-93: live, folded and shadow books are centred each by itself."""
    engine = make_engine(50_000, orders_max=512)
    fold = make_engine(50_000, orders_max=512)
    shadow = Shadow((engine.symbol,), 512)
    rng = random.Random(11)
    seq, middle = 1, 50_000
    for oid in range(1, 1500):
        middle += rng.randint(-300, 400)
        side = rng.randrange(2)
        px = middle + (rng.randint(-20, 900) if side else -rng.randint(-20, 900))
        records = engine.submit(new(oid, oid % 9 + 1, side, rng.randint(1, 5), px))
        if oid > 300:
            gone = oid - 300
            records += engine.submit(order_cancel(oid=gone, user_id=gone % 9 + 1, symbol_id=1))
        records = numbered(records, seq)
        seq += len(records)
        for record in records:
            fold.apply(record)
        shadow.apply(b"".join(records))
        if oid % 50 == 0:
            engine.audit()
            fold.audit()
            shadow.audit()
            assert fold.state_hash() == engine.state_hash()
            assert fold.orders() == engine.orders()
            assert [row[0] for row in shadow.depth(1, 0, 5)] == list(
                dict.fromkeys(order[2] for order in engine.orders() if order[5] == 0)
            )[:5]
    assert recentrings(engine) > 3
    assert recentrings(fold) > 3


class TestInTheRunningEngine:
    """BOOK-53, REG-14: recentring once existed without a caller."""

    def test_the_matching_tile_recentres_trades_and_finishes_when_idle(self, tmp_path):
        world = World(tmp_path, make_market(1, tick=5, px_max=100_000))
        tile = world.tiles.matching[0]
        engine = world.recovered.state.engines[1]
        world.deposit(1, 2)
        world.run()
        for at in range(1, 41):
            world.place(1, BUY, 1000 - 5 * at, 10)
            world.place(1, SELL, 1000 + 5 * at, 10)
        world.run()
        assert tile.counters()["recentrings_total"] == 0

        for at in range(1, 31):  # the market moves up by 10 %
            world.place(2, BUY, 1000 + 5 * at, 10)
        world.place(2, BUY, 1100, 10)
        while tile.counters()["recentrings_total"] == 0:
            assert world.step()
        for at in range(1, 9):
            world.place(2, BUY, 1150 + 5 * at, 10)
        world.run()

        info = engine.map_info()
        assert tile.counters()["recentrings_total"] == info["recentrings"] >= 1
        assert (info["is_moving"], info["old_levels"]) == (False, 0)
        assert info["recentred"] == info["recentrings"]
        assert 1040 < info["reference"] < 1300
        assert info["slots"] < 1000
        fills = [view for view in world.released if view.record.name == "FILL"]
        assert [view.px for view in fills] == sorted(view.px for view in fills)
        assert len(fills) == 38
        engine.audit()
        assert world.fold().state_hash() == world.live_hash()
        world.restart()
        assert world.recovered.state.engines[1].best() == engine.best()
        world.close()

    def test_an_idle_tile_goes_on_moving_and_then_rests(self, tmp_path):
        """PM-5: no request comes, and the old map becomes empty."""
        world = World(tmp_path, make_market(1, tick=5, px_max=100_000))
        tile = world.tiles.matching[0]
        engine = world.recovered.state.engines[1]
        for at in range(1, 101):
            engine.enter(1000 + at, 0, 1000 - 5 * at, 10, 1)
        while tile.step():  # whatever its start asks for
            pass
        engine.centre_on(2000)

        left = engine.map_info()["old_levels"]
        assert left == 100 - MOVES
        while left:
            tile.step()
            now = engine.map_info()["old_levels"]
            assert 0 < left - now <= MOVES
            left = now
        assert not engine.map_info()["is_moving"]
        assert tile.step() == 0
        engine.audit()
        world.close()

    def test_the_metrics_page_tells_of_recentrings(self):
        """PM-6."""
        assert "recentrings_total" in make_engine().counts()
