"""Random books against a sorted list: best, neighbours, levels, links, at every step.

TST-7, TST-9; specs/matching.md PM-1, PM-2, PM-5. Distributions times ticks times how the map is
treated: left alone (it follows the market by itself), or thrown about.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from model.engines import ask, new
from model.symbols import make_symbol
from model.wire import order_cancel

from rsx.book.engine import Engine

PX_MAX = 1 << 40
IOC, FOK, POST_ONLY = 1, 2, 1


def make_engine(tick: int = 1, reference: int = 50_000, **changes: Any) -> Engine:
    limits = {
        name: changes.pop(name)
        for name in ("orders_max", "level_slots_max", "users_max")
        if name in changes
    }
    symbol = make_symbol(
        tick=tick, reference_px=reference, px_max=PX_MAX // tick * tick, notional_max=1 << 60,
        qty_max=1 << 20, **changes,
    )  # fmt: skip
    return Engine(symbol, **{"orders_max": 1024, "users_max": 64, **limits})


class SortedBook:
    """What a book is: prices with their orders, oldest first."""

    def __init__(self) -> None:
        self.orders: dict[int, tuple[int, int, int]] = {}  # id -> side, px, qty; oldest first

    def best(self) -> tuple[int, int]:
        bids = [px for side, px, _ in self.orders.values() if side == 0]
        asks = [px for side, px, _ in self.orders.values() if side == 1]
        return max(bids, default=0), min(asks, default=0)

    def listed(self) -> list[tuple[int, int, int]]:
        """(id, px, qty), bids then asks, best first, oldest first."""
        rows = [(side, px, oid, qty) for oid, (side, px, qty) in self.orders.items()]
        bids = sorted((r for r in rows if r[0] == 0), key=lambda r: -r[1])
        asks = sorted((r for r in rows if r[0] == 1), key=lambda r: r[1])
        return [(oid, px, qty) for _, px, oid, qty in bids + asks]


class Pair:
    """The compiled book and the sorted one under the same orders; never crossed."""

    def __init__(self, engine: Engine, tick: int):
        self.engine, self.tick = engine, tick
        self.plain = SortedBook()
        self.oid = 0

    def place(self, px: int, side: int, qty: int = 1) -> None:
        """Rest an order; it changes sides when it would cross on the one asked for."""
        px = min(max(px // self.tick, 1) * self.tick, PX_MAX // self.tick * self.tick)
        bid, best_ask = self.plain.best()
        if side == 0 and best_ask and px >= best_ask:
            side = 1
        if side == 1 and px <= bid:
            side = 0
            if best_ask and px >= best_ask:
                return
        self.oid += 1
        self.engine.enter(self.oid, side, px, qty)
        self.plain.orders[self.oid] = (side, px, qty)

    def shrink(self, oid: int, qty: int) -> None:
        side, px, left = self.plain.orders[oid]
        assert self.engine.shrink(oid, qty)
        if qty >= left:
            del self.plain.orders[oid]
        else:
            self.plain.orders[oid] = (side, px, left - qty)

    def check(self) -> None:
        assert self.engine.best() == self.plain.best()
        listed = [(order[0], order[2], order[3]) for order in self.engine.orders()]
        assert listed == self.plain.listed()
        self.engine.audit()
        assert self.engine.counts()["resting"] == len(self.plain.orders)


Draw = Callable[[random.Random, int], int]


def boundary(rng: random.Random, middle: int) -> int:
    percent, sign = rng.choice((5, 15, 30, 50)), rng.choice((-1, 1))
    return middle + sign * (middle * percent // 100) + rng.randint(-60, 60)


DRAWS: dict[str, Draw] = {
    "dense": lambda rng, middle: middle + rng.randint(-40, 40),
    "sparse": lambda rng, middle: rng.randint(1, 4 * middle),
    "a wall with churn": lambda rng, middle: middle + rng.choice((-900, 900, rng.randint(-99, 99))),
    "full range": lambda rng, middle: rng.randint(1, 1 << rng.randint(1, 40)),
    "zone boundaries": boundary,
    "both ends": lambda rng, middle: rng.choice((1, 2, 3, PX_MAX, PX_MAX - 1, PX_MAX - 2)),
    "one slot": lambda rng, middle: middle + middle // 4 + rng.randint(0, 99),
}


@pytest.mark.parametrize("tick", [1, 3, 10, 50])
@pytest.mark.parametrize("shape", DRAWS)
@pytest.mark.parametrize("treatment", ["left alone", "thrown about", "few slots"])
def test_best_and_neighbours_are_those_of_a_sorted_list(shape, tick, treatment):
    """TST-9, BOOK-35, BOOK-40; every step, through many recentrings, most of them cut short."""
    rng = random.Random(f"{shape} {tick} {treatment}")
    slots = 1024 if treatment == "few slots" else 1 << 20
    pair = Pair(make_engine(tick, level_slots_max=slots), tick)
    middle = 50_000
    most = rng.choice((3, 40, 250))
    for step in range(500):
        if rng.random() < 0.01:
            middle = rng.choice((50_000, 51_000, 53_000, 70_000, 20_000, 1_000_000))
        if treatment != "left alone" and rng.random() < 0.03:
            pair.engine.centre_on(min(max(1, DRAWS[shape](rng, middle)), PX_MAX - tick))
        orders = pair.plain.orders
        if orders and (len(orders) > most or rng.random() < 0.4):
            pair.shrink(rng.choice(list(orders)), rng.choice((1, 1 << 19)))
        else:
            pair.place(DRAWS[shape](rng, middle), rng.randrange(2), rng.randint(1, 3))
        assert pair.engine.best() == pair.plain.best()
        if step % 5 == 0:
            pair.check()
    for oid in rng.sample(sorted(pair.plain.orders), len(pair.plain.orders)):
        pair.shrink(oid, 1 << 19)
        assert pair.engine.best() == pair.plain.best()
    pair.check()
    info = pair.engine.map_info()
    assert info["levels"] + info["old_levels"] == 0


@pytest.mark.parametrize("tick", [1, 3, 10, 50])
def test_a_book_of_nothing_and_of_one_level(tick):
    pair = Pair(make_engine(tick), tick)
    pair.check()
    for px in (tick, 50_000, 52_500, 57_500, 75_000, PX_MAX):
        for side in (0, 1):
            pair.place(px, side)
            pair.check()
            pair.engine.centre_on(max(1, px // 2))
            pair.check()
            pair.shrink(pair.oid, 1)
            pair.check()


def test_4000_steps_with_a_recentring_every_500():
    """TST-7: linked = active, places of the slab add up, uncrossed, nothing left behind."""
    rng = random.Random(7)
    pair = Pair(make_engine(reference=1_000_000, orders_max=4096), 1)
    middle = 1_000_000
    for step in range(1, 4001):
        if step % 500 == 0:
            middle += 40_000
            begun = pair.engine.map_info()["recentrings"]
            pair.engine.centre_on(middle)
            info = pair.engine.map_info()
            assert (info["reference"], info["recentrings"]) == (middle, begun + 1)
        orders = pair.plain.orders
        if orders and rng.random() < 0.45:
            pair.shrink(rng.choice(list(orders)), rng.randint(1, 4))
        else:
            pair.place(middle + rng.randint(-2000, 2000), rng.randrange(2), rng.randint(1, 4))
        if step % 20 == 0:
            pair.check()
            info = pair.engine.map_info()
            assert info["levels"] + info["old_levels"] == len(
                {(side, px) for side, px, _ in pair.plain.orders.values()}
            )
    while pair.engine.map_info()["is_moving"]:
        pair.place(middle, 0)
    pair.check()
    assert pair.engine.map_info()["old_levels"] == 0


STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("place"), st.sampled_from([0, 1]), st.integers(-3000, 3000)),
        st.tuples(st.just("place far"), st.sampled_from([0, 1]), st.integers(1, PX_MAX)),
        st.tuples(st.just("take"), st.integers(0, 1 << 16), st.integers(1, 3)),
        st.tuples(st.just("centre"), st.integers(0, 3), st.integers(1, 200_000)),
    ),
    max_size=60,
)


@settings(max_examples=300, deadline=None)
@given(steps=STEPS, tick=st.sampled_from([1, 3, 10, 50]), slots=st.sampled_from([1024, 1 << 20]))
def test_any_steps_leave_the_sorted_list(steps, tick, slots):
    pair = Pair(make_engine(tick, level_slots_max=slots), tick)
    for name, first, second in steps:
        if name == "place":
            pair.place(50_000 + second * tick, first, 2)
        elif name == "place far":
            pair.place(second, first, 2)
        elif name == "centre":
            pair.engine.centre_on(second)
        elif pair.plain.orders:
            ids = list(pair.plain.orders)
            pair.shrink(ids[first % len(ids)], second)
        pair.check()


def requests(rng: random.Random, count: int) -> list[bytes]:
    """Orders of every kind around a middle that wanders, some far away, and cancels."""
    out, middle = [], 50_000
    for oid in range(1, count):
        if rng.random() < 0.02:
            middle = max(1000, middle + rng.randint(-middle // 8, middle // 8))
        if oid > 3 and rng.random() < 0.3:
            target = rng.randint(max(1, oid - 60), oid)
            out.append(order_cancel(oid=target, user_id=target % 7 + 1, symbol_id=1))
            continue
        wide = rng.choice((5, 50, middle // 15, middle // 5, middle // 2))
        px = max(1, middle + rng.randint(-wide, wide))
        tif = rng.choice((0, 0, 0, 0, IOC, FOK))
        flags = POST_ONLY if tif == 0 and rng.random() < 0.2 else 0
        qty = rng.randint(1, 8)
        out.append(new(oid, oid % 7 + 1, rng.randrange(2), qty, px, tif=tif, flags=flags))
    return out


@pytest.mark.parametrize("seed", range(4))
def test_what_trades_does_not_depend_on_where_the_map_is(seed):
    """PM-2, PM-6, BOOK-29, BOOK-55, INV-14: one flow over maps of every kind."""
    rng = random.Random(seed)
    engines = [
        make_engine(),
        make_engine(reference=1),
        make_engine(reference=PX_MAX),
        make_engine(level_slots_max=1024),
        make_engine(),
    ]
    thrown = engines[-1]
    kinds: set[str] = set()
    for request in requests(rng, 1500):
        if rng.random() < 0.05:
            thrown.centre_on(rng.choice((1, 1000, 49_999, 50_000, 75_000, PX_MAX)))
        events = [ask(engine, request) for engine in engines]
        assert all(each == events[0] for each in events[1:])
        kinds.update(e["type"] for e in events[0])
    assert len({engine.state_hash() for engine in engines}) == 1
    for engine in engines:
        engine.audit()
    assert {"FILL", "ORDER_RESTED", "ORDER_CANCELLED", "ORDER_REJECTED"} <= kinds
    assert len({engine.map_info()["recentrings"] for engine in engines}) > 1
    assert thrown.map_info()["recentrings"] > 30
