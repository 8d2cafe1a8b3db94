"""Slow readers, and the rule that whatever happens a reader holds what the book was.

Source: specs/marketdata.md sections 4 and 5.
"""

import random

import pytest
from edge.feed_client import Orders, frames_of
from edge.feed_world import Listener, World, compiled
from hypothesis import given, settings
from hypothesis import strategies as st
from tiles.fake_shadow import FakeShadow
from tiles.flow import symbol

from rsx.edge.public_feed import (
    ALL,
    BBO,
    BOOK,
    ORDERS,
    TRADES,
)
from rsx.records import RECORD_SIZE

# --- slow readers ---------------------------------------------------------------------------


def test_a_slow_reader_gets_a_fresh_snapshot_the_newest_quote_and_a_gap_in_trades():
    world, slow, fast = World(), Listener(), Listener()
    world.flow.order(1, 1, 1000, 100)
    world.apply()
    for reader in (slow, fast):
        world.subscribe(reader, 1)
    world.flow.order(1, 0, 1000, 1)
    world.apply()
    world.publish()
    slow.read()
    slow.slow = True
    for _ in range(5):
        world.flow.order(1, 0, 1000, 1)
        world.apply()
        world.publish()
    assert slow.data == b"" and slow.held

    slow.slow = False
    world.feeds.recover(slow, world.now_ns)
    recovered = slow.read()
    world.flow.order(1, 0, 1000, 1)
    world.apply()
    world.publish()
    slow.read()
    fast.read()

    assert [key for key, _ in recovered] == ["B", "BBO"]
    for reader in (slow, fast):
        world.check(reader, 1, 5)
    assert len(slow.follow(1).trade_gaps) == 1
    assert fast.follow(1).trade_gaps == []
    assert [trade[5] for trade in fast.follow(1).trades][-1] == slow.follow(1).trades[-1][5]
    assert world.feeds.stats["trades_dropped"] == 5
    assert not slow.held


def test_recovery_is_per_subscription():
    world, reader = World(), Listener()
    for symbol_id in (1, 2):
        world.subscribe(reader, symbol_id)
    reader.read()
    reader.slow = True
    world.flow.order(1, 1, 1000, 5)
    world.apply()
    world.publish()
    reader.slow = False
    world.feeds.recover(reader, world.now_ns)

    assert {fields[0] for _, fields in reader.read()} == {1}


def test_a_slow_reader_of_trades_alone_gets_no_snapshot():
    world, reader = World(), Listener()
    world.subscribe(reader, 1, TRADES)
    world.flow.order(1, 1, 1000, 9)
    reader.slow = True
    world.flow.order(1, 0, 1000, 1)
    world.apply()
    world.publish()
    reader.slow = False
    world.feeds.recover(reader, world.now_ns)
    assert reader.read() == []

    world.flow.order(1, 0, 1000, 1)
    world.apply()
    world.publish()
    reader.read()
    assert reader.follow(1).trade_gaps == [(None, 3)]


def test_recovery_stops_when_the_reader_is_over_again():
    world, reader = World(5), Listener()
    for symbol_id in world.ids:
        world.subscribe(reader, symbol_id, BOOK)
    reader.read()
    reader.slow = True
    for symbol_id in world.ids:
        world.flow.order(symbol_id, 0, 900, 1)
    world.apply()
    world.publish()

    served = []
    write = reader.write

    def clog(data):
        write(data)
        reader.slow = True

    reader.write = clog
    for _ in range(7):
        reader.slow = False
        world.feeds.recover(reader, world.now_ns)
        served.append([fields[0] for _, fields in reader.read()])

    assert served == [[1], [2], [3], [4], [5], [], []]
    assert not reader.held


def test_a_subscription_made_while_over_is_served_later():
    world, reader = World(), Listener()
    reader.slow = True
    world.subscribe(reader, 1)
    assert reader.held
    world.publish()
    reader.slow = False
    world.feeds.recover(reader, world.now_ns)

    assert [key for key, _ in reader.read()] == ["B", "BBO"]


def test_a_dropped_reader_leaves_nothing_behind():
    world, reader = World(), Listener()
    world.subscribe(reader, 1)
    world.subscribe(reader, 2, BOOK, 50)
    world.feeds.drop(reader)

    assert reader.subscriptions == {}
    for feed in world.feeds._feeds.values():
        assert feed.subscriptions == {} and feed._windows == {} and feed.trade_readers == 0


# --- everything at once ---------------------------------------------------------------------


class History:
    """Every whole state a book was in, by symbol and number of its last event.

    orders: its resting orders after every event, whole or not.
    """

    def __init__(self, symbol_ids):
        self.oracle = FakeShadow([symbol(each) for each in symbol_ids])
        self.ids = symbol_ids
        self.books = {(each, 0): ([], []) for each in symbol_ids}
        self.orders = {(each, 0): [] for each in symbol_ids}

    def apply(self, data):
        for at in range(0, len(data), RECORD_SIZE):
            self.oracle.apply(data[at : at + RECORD_SIZE])
            for symbol_id in self.ids:
                u, _ = self.oracle.last(symbol_id)
                if (symbol_id, u) not in self.orders:
                    resting = self.oracle.books[symbol_id].resting_orders()
                    self.orders[symbol_id, u] = resting
                if self.oracle.whole(symbol_id) and (symbol_id, u) not in self.books:
                    both = (self.oracle.depth(symbol_id, side, 1000) for side in (0, 1))
                    self.books[symbol_id, u] = tuple(both)


class Run:
    """Random flow, subscriptions and slowness; whatever a reader is told is checked."""

    def __init__(self, seed, make=FakeShadow):
        self.dice = random.Random(seed)
        self.world = World(make=make)
        self.history = History(self.world.ids)
        self.readers = [Listener() for _ in range(4)]
        self.depths = {}
        self.order_events = 0

    def run(self, steps):
        dice, world = self.dice, self.world
        for _ in range(steps):
            kind = dice.random()
            reader = dice.choice(self.readers)
            if kind < 0.55:
                self.flow(reader)
            elif kind < 0.7:
                reader.slow = not reader.slow
            elif kind < 0.8:
                self.subscribe(reader)
            elif kind < 0.85:
                self.read(reader)
                world.feeds.unsubscribe(reader, 0, 0)
                reader.followers.clear()
            else:
                world.publish()
                self.settle()
        for reader in self.readers:
            reader.slow = False
        world.publish()
        self.settle()

    def flow(self, reader):
        """Some requests, cut somewhere, so that a publication may fall into one of them."""
        dice, world = self.dice, self.world
        for _ in range(dice.randrange(1, 6)):
            world.flow.random_step(dice, world.ids)
        data = world.flow.take()
        cut = dice.randrange(len(data) // RECORD_SIZE + 1) * RECORD_SIZE
        self.history.apply(data)
        world.shadow.apply(data[:cut])
        if dice.random() < 0.7:
            world.note()
        if dice.random() < 0.3:
            world.publish()
        if dice.random() < 0.2:
            self.subscribe(reader)
        world.shadow.apply(data[cut:])
        world.note()

    def subscribe(self, reader):
        symbol_id = self.dice.choice(self.world.ids)
        mask = self.dice.choice(
            (ALL, ALL, BOOK, BBO, TRADES, BOOK | TRADES, ORDERS, ORDERS, ORDERS | BBO)
        )
        depth = self.dice.choice((1, 2, 5, 9, 1000))
        self.read(reader)
        follower = reader.follow(symbol_id)
        if mask & BOOK:
            self.depths[reader, symbol_id] = depth
            follower.levels = follower.book_u = None
        if mask & BBO:
            follower.quote = follower.quote_u = None
        if mask & TRADES:
            follower.trade_u = None
        if mask & ORDERS:
            follower.orders = self.orders_of(symbol_id)
        self.world.subscribe(reader, symbol_id, mask, depth)

    def orders_of(self, symbol_id):
        """An order-by-order book that compares itself with history after every event."""

        def check(orders, number):
            self.order_events += 1
            assert orders.resting() == self.history.orders[symbol_id, number]

        return Orders(check)

    def read(self, reader):
        """Fold what came, looking up every book that the reader was ever shown."""
        frames = list(frames_of(reader.data))
        reader.data = b""
        for key, fields in frames:
            symbol_id = fields[0]
            follower = reader.follow(symbol_id)
            follower.feed(key, fields)
            depth = self.depths.get((reader, symbol_id))
            if key in ("B", "D"):
                for side, levels in enumerate(self.history.books[symbol_id, follower.book_u]):
                    assert follower.window(side) == levels[:depth]

    def settle(self):
        """Whoever is not slow has all it subscribed, and nothing else."""
        for reader in self.readers:
            if reader.slow:
                continue
            if reader.held:
                self.world.feeds.recover(reader, self.world.now_ns)
            self.read(reader)
            for symbol_id, mask in reader.masks().items():
                follower = reader.follow(symbol_id)
                if mask & BOOK:
                    depth = self.depths[reader, symbol_id]
                    for side in (0, 1):
                        assert follower.window(side) == self.world.shadow.depth(
                            symbol_id, side, depth
                        )
                if mask & BBO:
                    assert follower.quote == self.world.shadow.bbo(symbol_id)
                if mask & ORDERS:
                    last = self.world.shadow.last(symbol_id)[0]
                    assert follower.orders.whole
                    assert follower.orders.resting() == self.history.orders[symbol_id, last]
                assert follower.modes[-1][0] == self.world.shadow.mode(symbol_id)[0]


@pytest.mark.parametrize("make", [FakeShadow, compiled])
@settings(max_examples=80, deadline=None)
@given(seed=st.integers(0, 2**32))
def test_folding_the_frames_gives_the_books_levels_and_orders_whatever_happens(make, seed):
    """INV-26."""
    Run(seed, make).run(120)


def test_the_random_runs_follow_order_by_order():
    events = 0
    for seed in range(10):
        run = Run(seed)
        run.run(120)
        events += run.order_events
    assert events > 1000


def test_a_reader_that_is_never_slow_gets_every_trade_while_others_are():
    world, steady = World(), Listener()
    world.subscribe(steady, 1)
    others = [Listener() for _ in range(3)]
    for reader in others:
        world.subscribe(reader, 1)
    dice = random.Random(9)
    sent = []
    for _ in range(400):
        world.flow.random_step(dice, (1,))
        world.shadow.apply(world.flow.take())
        trades = world.shadow.take_trades()
        sent += trades
        world.feeds.note(world.shadow.changed(), trades)
        dice.choice(others).slow = dice.random() < 0.5
        world.publish()
        steady.read()
        world.check(steady, 1, 5)

    assert steady.follow(1).trades == sent
    assert steady.follow(1).trade_gaps == []
