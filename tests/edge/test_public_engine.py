"""The public feed over the real engine: what is published is the engine's book (INV-26).

Requests of every kind go through the compiled engine; its records through the shadow books and
the feeds. After each request the levels, the quote, the orders in their queues and the place of an
order are compared with the engine's own, and with what the plain shadow folds.
"""

from __future__ import annotations

import random

import pytest
from edge.feed_world import Listener
from model.book import ModelEngine
from model.flow import PROFILES, Flow
from model.symbols import make_symbol
from model.wire import numbered
from tiles.fake_shadow import FakeShadow

from rsx.book.engine import Engine
from rsx.book.shadow import Shadow
from rsx.edge.public_feed import ALL, PUBLISH_GAP_NS, Feeds

LIMITS = {
    "orders_max": 4096, "users_max": 64, "open_orders_per_user_max": 4096,
    "dedup_orders_max": 16384, "triggers_max": 256, "open_triggers_per_user_max": 200,
}  # fmt: skip
DEPTH = 7


def levels(orders, side):
    """[(px, qty, count)], best first, of an engine's orders."""
    out = []
    for _, _, px, remaining, _, own_side, *_ in orders:
        if own_side != side:
            continue
        if not out or out[-1][0] != px:
            out.append([px, 0, 0])
        out[-1][1] += remaining
        out[-1][2] += 1
    return [tuple(level) for level in out]


class Chain:
    """Engine, shadow books, feeds and readers of one market."""

    def __init__(self, seed, profile, tick=1):
        self.dice = random.Random(seed)
        table = ((60_000, 50),) if tick == 10 else ()
        self.symbol = make_symbol(tick=tick, tick_table=table)
        self.model = ModelEngine(self.symbol, dedup_window_s=60, **LIMITS)
        self.engine = Engine(self.symbol, dedup_window_ns=60 * 10**9, **LIMITS)
        self.flow = Flow(seed, self.symbol, profile, self.model)
        self.shadow = Shadow((self.symbol,), LIMITS["orders_max"])
        self.plain = FakeShadow((self.symbol,))
        self.feeds = Feeds([1], self.shadow)
        self.seq = 0
        self.now_ns = 0
        self.readers = []
        self.orders_at = {0: []}  # number -> resting orders after it

    def step(self):
        """One request, or a duty cycle without one."""
        request, ts_ns = self.flow.next()
        if request is None:
            self.model.tick(ts_ns)
            events = self.engine.tick(ts_ns)
        else:
            self.model.submit(request, ts_ns)
            events = self.engine.submit(request, ts_ns)
        self.flow.saw(events)
        for record in numbered(events, self.seq + 1):
            self.seq += 1
            self.plain.apply(record)
            self.orders_at[self.seq] = self.plain.books[1].resting_orders()
            self.shadow.apply(record)
            if self.dice.random() < 0.1:  # in the middle of a request, too
                self.note()
                self.publish()
        self.note()

    def note(self):
        trades = self.shadow.take_trades()
        self.feeds.note(self.shadow.changed(), trades)

    def publish(self):
        self.now_ns += PUBLISH_GAP_NS * 40
        self.feeds.publish(self.now_ns)

    def join(self):
        """A reader of everything, which checks each event that it is told."""
        reader = Listener()

        def check(orders, number):
            assert orders.resting() == self.orders_at[number]

        reader.watches[1] = check
        self.readers.append(reader)
        self.feeds.subscribe(reader, 1, ALL, DEPTH, self.now_ns)

    def check_books(self):
        orders = self.engine.orders()
        for side in (0, 1):
            assert self.shadow.depth(1, side, 5000) == levels(orders, side)
        resting = [(row[0], row[5], row[2], row[3]) for row in orders]
        assert self.orders_at[self.seq] == resting
        assert self.shadow.resting(1) == len(orders)
        assert self.shadow.mode(1)[0] == self.engine.mode
        self.check_place(orders)

    def check_place(self, orders):
        if not orders:
            return
        oid, user_id, px, remaining, _, side, *_ = self.dice.choice(orders)
        level = [row for row in orders if row[2] == px and row[5] == side]
        ahead = [row[3] for row in level[: [row[0] for row in level].index(oid)]]
        assert self.shadow.queue_ahead(1, oid, user_id) == (
            px, sum(ahead), len(ahead), remaining, sum(row[3] for row in level), len(level),
            self.shadow.last(1)[0],
        )  # fmt: skip
        assert self.shadow.queue_ahead(1, oid, user_id % 1000 + 5000) is None

    def check_readers(self):
        self.publish()
        orders = self.engine.orders()
        for reader in self.readers:
            reader.read()
            follower = reader.follow(1)
            for side in (0, 1):
                assert follower.window(side) == levels(orders, side)[:DEPTH]
            assert follower.quote == self.shadow.bbo(1)
            assert follower.modes[-1][0] == self.engine.mode
            resting = [(row[0], row[5], row[2], row[3]) for row in orders]
            assert follower.orders.resting() == resting


@pytest.mark.parametrize("tick", [1, 10])
@pytest.mark.parametrize("profile", PROFILES, ids=lambda profile: profile.name)
def test_what_is_published_is_the_engines_book(profile, tick):
    """INV-26, BOOK-90, BOOK-92 to BOOK-95."""
    chain = Chain(PROFILES.index(profile) * 2 + tick, profile, tick)
    for number in range(1000):
        if number % 200 == 0:
            chain.join()
        chain.step()
        chain.check_books()
        if number % 3 == 0:
            chain.check_readers()
        if number % 100 == 0:
            chain.shadow.audit()
    chain.check_readers()
    trades = [reader.follow(1).trades for reader in chain.readers]
    assert trades[0] == chain.plain.take_trades()
    assert all(reader.follow(1).trade_gaps == [] for reader in chain.readers)
    assert chain.readers[0].follow(1).orders.rows > 100


def test_a_shadow_loaded_from_a_recovered_engine_goes_on_with_it():
    """INV-14: in the middle of the flow the shadow starts anew from a folded engine."""
    chain = Chain(5, PROFILES[0])
    for _ in range(400):
        chain.step()
    shadow = Shadow((chain.symbol,), LIMITS["orders_max"], chain.seq + 1)
    shadow.load(chain.engine)
    chain.shadow = shadow
    chain.feeds = Feeds([1], shadow)
    chain.join()
    for _ in range(300):
        chain.step()
        chain.check_books()
    shadow.audit()
    chain.check_readers()
