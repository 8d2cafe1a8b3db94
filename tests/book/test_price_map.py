"""The price map: which slot a price has, what a slot may hold, how much memory it takes.

specs/matching.md section 2, PM-1 to PM-3. How it follows the market: test_price_map_recentring.py;
random flows: test_price_map_flow.py.
"""

from __future__ import annotations

import random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from model.engines import ask, new
from model.symbols import make_symbol
from model.wire import order_cancel

from rsx.book.engine import Engine

PERCENT = (5, 15, 30, 50)
IOC, FOK = 1, 2
POST_ONLY = 1
FAR = 1 << 40


def make_engine(reference: int = 50_000, tick: int = 1, **changes: Any) -> Engine:
    limits = {
        name: changes.pop(name)
        for name in ("orders_max", "users_max", "level_slots_max")
        if name in changes
    }
    values = {"px_max": FAR // tick * tick, "notional_max": 1 << 60, **changes}
    return Engine(make_symbol(reference_px=reference, tick=tick, **values),
                  **{"orders_max": 4096, "users_max": 64, **limits})  # fmt: skip


def ends_of(reference: int) -> list[int]:
    """Distances at which the zones end."""
    return [reference * percent // 100 for percent in PERCENT]


def plain_slot(reference: int, tick: int, px: int) -> int:
    """PM-1 written down without regard to speed; slot 0 is the lowest catch-all."""
    begin, before = 0, 0
    distance = abs(px - reference)
    inner: int | None = None
    for end, factor in zip(ends_of(reference), (1, 10, 100, 1000), strict=True):
        if inner is None and distance < end:
            inner = before + (distance - begin) // (factor * tick)
        before += -(-(end - begin) // (factor * tick))
        begin = end
    half = before + 1
    at = before if inner is None else inner
    return half + at if px >= reference else half - 1 - at


class TestSlots:
    """PM-1, BOOK-20 to BOOK-23."""

    @pytest.mark.parametrize(
        ("reference", "tick", "zones"),
        [
            (5_000_000, 1, [500_000, 100_000, 15_000, 2_000, 2]),
            (1_000_000, 1, [100_000, 20_000, 3_000, 400, 2]),
            (1_000_000, 50, [2_000, 400, 60, 8, 2]),
            (50_000, 1, [5_000, 1_000, 150, 20, 2]),
        ],
    )
    def test_the_worked_totals(self, reference, tick, zones):
        info = make_engine(reference, tick).map_info()

        assert info["zones"] == zones
        assert info["slots"] == sum(zones)
        assert info["ends"] == ends_of(reference)

    def test_the_worked_total_617_002(self):
        assert make_engine(5_000_000).map_info()["slots"] == 617_002

    def test_no_two_prices_of_the_finest_zone_share_a_slot(self):
        """50 001 with tick 3: 1 668 slots (BOOK-25: rounding down made two edge prices one)."""
        engine = make_engine(50_001, 3)

        assert engine.map_info()["zones"][0] == 1_668
        inside = [px for px in range(3, 100_000, 3) if abs(px - 50_001) < 2_500]
        assert len({engine.slot_of(px) for px in inside}) == len(inside) == 1_667

    @pytest.mark.parametrize("tick", [1, 3, 10, 50])
    @pytest.mark.parametrize("reference", [50_000, 50_001, 49_999, 61_803, 1_000_000])
    def test_every_zone_boundary(self, reference, tick):
        """BOOK-24: thresholds once had another unit than distances, hidden by tick 1."""
        engine = make_engine(reference, tick)
        slots = engine.map_info()["slots"]
        edges = [0, *ends_of(reference), reference]
        prices = sorted({
            (reference + sign * edge) // tick * tick + step * tick
            for edge in edges for sign in (-1, 1) for step in range(-1200, 1201)
        } | {tick, FAR // tick * tick})  # fmt: skip
        prices = [px for px in prices if px > 0]

        seen = [engine.slot_of(px) for px in prices]

        assert seen == [plain_slot(reference, tick, px) for px in prices]
        assert seen == sorted(seen)
        assert 0 <= seen[0] and seen[-1] == slots - 1
        for px, slot in zip(prices, seen, strict=True):
            if abs(px - reference) >= ends_of(reference)[3]:
                assert slot in (0, slots - 1)

    @given(
        reference=st.integers(1, 1 << 41), tick=st.sampled_from([1, 2, 3, 5, 10, 50, 1000]),
        draws=st.lists(st.integers(1, 1 << 41), min_size=2, max_size=20),
        near=st.lists(st.integers(-60, 60), max_size=20), slots_max=st.integers(10, 20),
    )  # fmt: skip
    def test_a_higher_slot_never_has_a_lower_price(self, reference, tick, draws, near, slots_max):
        """BOOK-26: no sawtooth."""
        engine = make_engine(
            reference, tick, orders_max=1024, level_slots_max=1 << slots_max, px_max=1 << 42
        )
        info = engine.map_info()
        prices = sorted({max(1, px) for px in (
            *draws, *(reference + n for n in near),
            *(reference + sign * end + n for end in info["ends"] for n in near for sign in (-1, 1)),
        )})  # fmt: skip

        slots = [engine.slot_of(px) for px in prices]

        assert slots == sorted(slots)
        assert 0 <= slots[0] and slots[-1] < info["slots"] <= 1 << slots_max
        for px, slot in zip(prices, slots, strict=True):
            if abs(px - reference) < info["ends"][0] and (px + tick) - reference < info["ends"][0]:
                assert engine.slot_of(px + tick) == slot + 1 or px < reference <= px + tick


class TestMemory:
    """PM-3, BOOK-30."""

    @pytest.mark.parametrize("slots_max", [1024, 5000, 65_536, 1 << 20, 1 << 24])
    @pytest.mark.parametrize("tick", [1, 3, 50])
    def test_slots_are_bounded_whatever_the_reference(self, slots_max, tick):
        engine = make_engine(1 << 62, tick, level_slots_max=slots_max, px_max=1 << 62)
        info = engine.map_info()

        assert 0.99 * slots_max < info["slots"] <= slots_max
        assert info["reference_max"] < 1 << 62

        at_most = make_engine(info["reference_max"], tick, level_slots_max=slots_max)
        assert at_most.map_info()["slots"] == info["slots"]
        assert at_most.map_info()["ends"] == info["ends"] == ends_of(info["reference_max"])

        wider = make_engine(info["reference_max"] + 1, tick, level_slots_max=slots_max)
        assert wider.map_info()["ends"] == info["ends"]

    def test_beyond_the_widest_zones_prices_are_in_the_catch_alls_and_still_exact(self):
        engine = make_engine(1 << 39, level_slots_max=1024)
        prices = [1, 2, (1 << 38) + 1, (1 << 38) + 2]
        for oid, px in enumerate(prices, 1):
            engine.enter(oid, 0, px, 1)

        assert {engine.slot_of(px) for px in prices} == {0}
        assert [order[2] for order in engine.orders()] == prices[::-1]
        engine.audit()

    @pytest.mark.parametrize(
        ("changes", "said"),
        [
            ({"reference": 0}, "reference price 0"),
            ({"reference": -5}, "reference price -5"),
            ({"px_max": 0}, "highest price 0"),
            ({"tick": 0}, "tick 0"),
            ({"tick": -1}, "tick -1"),
            ({"tick": 1 << 41}, "tick 2199023255552"),
            ({"level_slots_max": 1023}, "1023 level slots"),
            ({"level_slots_max": (1 << 24) + 1}, "16777217 level slots"),
        ],
    )
    def test_what_cannot_be_is_refused_before_memory_is_asked_for(self, changes, said):
        with pytest.raises(ValueError, match=said):
            if "tick" in changes:
                Engine(make_symbol(tick=changes["tick"]), orders_max=16)
            else:
                make_engine(**changes)

    def test_a_reference_that_no_map_could_hold_takes_no_more_memory(self):
        """REG-26: a torn price once made a shadow book ask for 48 GB."""
        for reference in (1, 7, 19, 20, 21, 1 << 40, (1 << 62) - 1):
            engine = make_engine(reference, level_slots_max=4096)
            assert 2 <= engine.map_info()["slots"] <= 4096
            engine.enter(1, 0, 1, 1)
            engine.enter(2, 1, FAR, 1)
            engine.audit()

    def test_centring_on_what_is_no_price_is_refused(self):
        engine = make_engine(px_max=60_000)
        for px in (0, -1, 60_001):
            with pytest.raises(ValueError, match="reference"):
                engine.centre_on(px)


def rest(engine: Engine, oid: int, user: int, side: int, qty: int, px: int, **more: Any) -> Any:
    return ask(engine, new(oid, user, side, qty, px, **more))


def fills(events: list[dict[str, Any]]) -> list[tuple[int, int, int]]:
    """(maker, price, quantity) in order."""
    return [(e["maker_oid"], e["px"], e["qty"]) for e in events if e["type"] == "FILL"]


def queue(engine: Engine) -> list[tuple[int, int, int]]:
    """(id, price, remaining), bids then asks, best first."""
    return [(order[0], order[2], order[3]) for order in engine.orders()]


class TestSharedSlots:
    """PM-2, BOOK-27 to BOOK-29, REG-12, REG-13: a slot with several prices, and with both sides,
    trades as if each price had its own. TST-5 with the map of the tests it is taken from."""

    def test_neither_another_price_nor_the_own_side_of_a_slot_trades(self):
        """TST-5 (a): same-side "fills" (BOOK-28)."""
        engine = make_engine(50_000)
        assert engine.slot_of(47_491) == engine.slot_of(47_495)
        rest(engine, 1, 1, 0, 10, 47_491)
        rest(engine, 2, 2, 1, 10, 47_495)

        events = rest(engine, 3, 3, 1, 20, 47_490)

        assert fills(events) == [(1, 47_491, 10)]
        assert queue(engine) == [(3, 47_490, 10), (2, 47_495, 10)]
        assert [engine.net(user) for user in (1, 2, 3)] == [10, 0, -10]
        engine.audit()

    def test_a_slot_emptied_by_one_price_leaves_nothing_stale_behind(self):
        """TST-5 (b): a bit that stayed set made the next order crash (BOOK-28)."""
        engine = make_engine(50_000)
        rest(engine, 1, 1, 0, 10, 47_491)
        rest(engine, 2, 2, 1, 10, 47_495)
        rest(engine, 3, 3, 1, 20, 47_490)

        rest(engine, 4, 4, 0, 10, 47_000)
        engine.audit()
        events = rest(engine, 5, 5, 1, 10, 46_900)
        engine.audit()
        assert fills(events) == [(4, 47_000, 10)]
        events = rest(engine, 6, 6, 0, 40, 47_495)
        engine.audit()

        assert fills(events) == [(3, 47_490, 10), (2, 47_495, 10)]
        assert queue(engine) == [(6, 47_495, 20)]

    def test_fill_or_kill_counts_no_worse_price_of_the_slot(self):
        """TST-5 (c), (d): feasibility and matching are one rule (BOOK-25, BOOK-28)."""
        engine = make_engine(50_001, 3)
        rest(engine, 1, 1, 1, 10, 52_497)
        rest(engine, 2, 2, 1, 10, 52_500)

        refused = rest(engine, 3, 3, 0, 20, 52_497, tif=FOK)

        assert [(e["type"], e["reason"]) for e in refused] == [("ORDER_REJECTED", 3003)]
        assert queue(engine) == [(1, 52_497, 10), (2, 52_500, 10)]

        events = rest(engine, 4, 3, 0, 20, 52_500, tif=FOK)

        assert fills(events) == [(1, 52_497, 10), (2, 52_500, 10)]
        assert queue(engine) == []
        assert engine.net(3) == 20
        engine.audit()

    def test_the_best_price_is_right_after_a_slot_is_emptied_in_part(self):
        """TST-5 (e): a stale best price refused post-only orders (BOOK-28, BOOK-40)."""
        engine = make_engine(50_000)
        assert engine.slot_of(52_501) == engine.slot_of(52_509)
        rest(engine, 1, 1, 1, 100, 52_501)
        rest(engine, 2, 1, 1, 100, 52_509)

        ask(engine, order_cancel(oid=1, user_id=1, symbol_id=1))

        assert engine.best() == (0, 52_509)
        events = rest(engine, 3, 2, 0, 1, 52_505, flags=POST_ONLY)
        assert [e["type"] for e in events] == ["ORDER_ACCEPTED"]
        assert engine.best() == (52_505, 52_509)
        engine.audit()

    @pytest.mark.parametrize("side", [0, 1])
    @pytest.mark.parametrize("at", [5, 10, 15, 20, 30, 40, 50, 70])
    def test_the_better_price_of_a_slot_comes_first_however_late(self, side, at):
        """BOOK-29: worse prices that came earlier once traded first."""
        engine = make_engine(1_000_000)
        away = 1_000_000 + (1 if side else -1) * 10_000 * at
        prices = [away + step for step in (4, 0, 3, 1, 2, 4, 0)]
        for oid, px in enumerate(prices, 1):
            rest(engine, oid, oid, side, 1, px)
        engine.audit()

        limit = FAR if side else 1
        events = rest(engine, 99, 60, 1 - side, 7, limit, tif=IOC)

        expected = sorted(range(7), key=lambda n: (prices[n] * (1 if side else -1), n))
        assert fills(events) == [(n + 1, prices[n], 1) for n in expected]
        assert queue(engine) == []
        engine.audit()


class TestManyFarPrices:
    """B-5, BOOK-36: whatever far prices others choose, a search passes few levels."""

    COUNT = 100_000

    @pytest.mark.parametrize("shape", ["rising", "falling", "spread", "powers", "two slots"])
    def test_a_hundred_thousand_in_the_catch_all_stay_shallow(self, shape):
        engine = make_engine(50_000, orders_max=self.COUNT + 8)
        low = 1 << 30
        draw = {
            "rising": range(low, low + self.COUNT),
            "falling": range(low + self.COUNT, low, -1),
            "spread": random.Random(1).sample(range(low, FAR), self.COUNT),
            # A stride against a multiplicative hash: 2^64 / golden ratio, cut to 2^40.
            "powers": [low + n * 0x9E37 % (FAR - low) for n in range(self.COUNT)],
            "two slots": [low + n if n & 1 else 60_000 + n % 5 * 1000 + n // 16
                          for n in range(self.COUNT)],
        }[shape]  # fmt: skip
        prices = list(dict.fromkeys(draw))
        for oid, px in enumerate(prices, 1):
            engine.enter(oid, 1, px, 1)

        info = engine.map_info()
        assert info["levels"] == len(prices)
        assert info["depth"] < 72  # about 40 is expected of a hundred thousand
        assert [order[2] for order in engine.orders()] == sorted(prices)
        for oid in range(1, len(prices), 2):
            engine.shrink(oid, 1)
        engine.audit()
        assert engine.map_info()["depth"] < 72

    def test_they_do_not_slow_the_prices_near_the_reference(self):
        engine = make_engine(50_000, orders_max=20_000)
        for oid in range(1, 10_001):
            engine.enter(oid, 1, (1 << 30) + oid * 7, 1)
        before = engine.slot_of(50_010)
        engine.enter(20_001, 1, 50_010, 1)

        assert engine.best() == (0, 50_010)
        assert engine.slot_of(50_010) == before != engine.slot_of(50_011)


class TestSlab:
    """B-2, B-3, TST-10, BOOK-10."""

    def test_a_million_orders_come_and_go_in_the_same_places(self):
        engine = make_engine(orders_max=64)
        engine.enter(1, 0, 49_000, 1)
        for oid in range(2, 1_000_002):
            engine.enter(oid, 1, 50_000 + oid % 977 * 40, 1)
            engine.shrink(oid, 1)

        info = engine.map_info()
        assert (info["orders_touched"], info["levels_touched"], info["levels"]) == (2, 2, 1)
        engine.audit()

    def test_a_freed_place_is_taken_first_and_its_old_id_means_nothing(self):
        """BOOK-13: a stale handle once reached the order that came after."""
        engine = make_engine(orders_max=2)
        rest(engine, 1, 1, 0, 5, 49_000)
        ask(engine, order_cancel(oid=1, user_id=1, symbol_id=1))
        rest(engine, 2, 1, 0, 5, 48_000)

        again = ask(engine, order_cancel(oid=1, user_id=1, symbol_id=1))

        assert [e["type"] for e in again] == ["CANCEL_REJECTED"]
        assert queue(engine) == [(2, 48_000, 5)]
        assert engine.map_info()["orders_touched"] == 1

    def test_as_many_levels_fit_as_orders(self):
        engine = make_engine(orders_max=50)
        for oid in range(1, 51):
            engine.enter(oid, oid & 1, 50_000 + (oid if oid & 1 else -oid) * 900, 1)
        with pytest.raises(ValueError, match="full"):
            engine.enter(51, 0, 7, 1)
        assert engine.map_info()["levels"] == 50
        engine.audit()
