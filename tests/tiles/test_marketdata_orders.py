"""marketdata tile: order by order and queue places, also when lapped.

Source: specs/marketdata.md MD-4 to MD-6, MD-77, MD-86.
"""

import random

import pytest
from edge.feed_world import Listener, compiled
from tiles.fake_shadow import FakeShadow
from tiles.flow import Flow, symbol

from rsx.core.clock import Clock
from rsx.core.ring import Ring
from rsx.edge.public_feed import ALL, ORDERS, Feeds
from rsx.errors import Reason, RequestError
from rsx.records import RECORD_SIZE
from rsx.tiles.marketdata import SWEEP_NS, MarketData

SYMBOLS = (symbol(1), symbol(2))


class Edge:
    """Feeds without sockets."""

    def __init__(self, shadow):
        self.feeds = Feeds((1, 2), shadow)
        self.readers = []

    def start(self, loop):
        pass

    def tell(self, views):
        """Marks and the like are no matter here."""

    def note(self, changed, trades):
        self.feeds.note(changed, trades)

    def publish(self, now_ns):
        return self.feeds.publish(now_ns)

    @property
    def next_due_ns(self):
        return self.feeds.next_due_ns

    def sweep(self, now_ns):
        for reader in self.readers:
            if reader.held and not reader.slow:
                self.feeds.recover(reader, now_ns)

    def counters(self):
        return self.feeds.stats


class World:
    """A tile over a ring too small for its flow; readers that check every event they are told."""

    def __init__(self, make, depth=64):
        self.flow = Flow()
        self.ring = Ring("wal_marketdata", depth)
        self.clock = Clock.manual(SWEEP_NS)
        self.shadow = make(SYMBOLS)
        self.edge = Edge(self.shadow)
        self.released = 0
        self.tile = MarketData(
            None, SYMBOLS, self.clock, self.ring, self.flow.log, self.shadow, self.edge,
            lambda: self.released,
        )  # fmt: skip
        self.oracle = FakeShadow(SYMBOLS)
        self.orders = {(1, 0): [], (2, 0): []}

    def release(self):
        """Push what the flow made; what does not fit is left out, as the wal does."""
        data = self.flow.take()
        for at in range(0, len(data), RECORD_SIZE):
            record = data[at : at + RECORD_SIZE]
            self.oracle.apply(record)
            for each in (1, 2):
                seq, _ = self.oracle.last(each)
                if (each, seq) not in self.orders:
                    self.orders[each, seq] = self.oracle.books[each].resting_orders()
            self.ring.push(record)
            self.released += 1

    def join(self, mask=ALL):
        reader = Listener()
        for each in (1, 2):
            reader.watches[each] = self.checker(each)
            self.edge.feeds.subscribe(reader, each, mask, 20, self.clock.now_ns())
        self.edge.readers.append(reader)
        return reader

    def checker(self, each):
        def check(orders, number):
            assert orders.resting() == self.orders[each, number]

        return check

    def settle(self):
        for _ in range(5000):
            self.clock.advance(SWEEP_NS)
            if not self.tile.step() and self.shadow.next_seq > self.released:
                return
        raise AssertionError("never idle")


@pytest.fixture(params=[FakeShadow, compiled], ids=["plain", "compiled"])
def make(request):
    return request.param


@pytest.mark.parametrize("seed", range(4))
def test_a_lapped_tile_tells_every_change_of_an_order_once(make, seed):
    """GUA-23: what was left out is applied by the same fold, and published."""
    world, dice = World(make), random.Random(seed)
    readers = [world.join()]
    for _ in range(150):
        for _ in range(dice.randrange(1, 40)):
            world.flow.random_step(dice, (1, 2))
        world.release()
        for _ in range(dice.randrange(3)):
            world.clock.advance(SWEEP_NS // 10)
            world.tile.step()
        if dice.random() < 0.05:
            readers.append(world.join())
        for reader in readers:
            reader.read()
        if dice.random() < 0.2:
            readers[-1].slow = False if len(readers) == 1 else not readers[-1].slow
    for reader in readers:
        reader.slow = False
    world.settle()

    assert world.tile.counters()["marketdata_laps"] > 3
    for reader in readers:
        reader.read()
        for each in (1, 2):
            follower = reader.follow(each)
            assert follower.orders.resting() == world.oracle.books[each].resting_orders()
            for side in (0, 1):
                assert follower.window(side) == world.oracle.depth(each, side, 20)
            assert follower.modes[-1][0] == world.oracle.mode(each)[0]
    assert all(readers[0].follow(each).orders.gaps == [] for each in (1, 2))


def test_a_book_that_nobody_looks_at_is_kept(make):
    """BOOK-91: whoever comes after a long quiet time gets all of it."""
    world = World(make, depth=1024)
    oids = [world.flow.order(1, 0, 900 + at, 5) for at in range(30)]
    world.release()
    world.settle()
    world.edge.feeds.drop(world.join())
    for _ in range(3000):
        world.clock.advance(SWEEP_NS)
        world.tile.step()

    reader = world.join()
    reader.read()
    assert [row[0] for row in reader.follow(1).orders.resting()] == oids[::-1]
    assert len(reader.follow(1).window(0)) == 20


def test_a_snapshot_of_a_tile_that_lags_is_of_its_own_number(make):
    world = World(make, depth=1024)
    for _ in range(3):
        world.flow.order(1, 0, 1000, 5)
    world.release()
    reader = world.join(ORDERS)  # before the tile has looked into its ring
    assert [fields[2] for key, fields in reader.read() if key == "LS"] == [0, 1] * 2
    world.settle()
    reader.read()
    assert reader.follow(1).orders.resting() == world.oracle.books[1].resting_orders()


def test_a_place_is_told_of_all_that_was_released_before(make):
    world = World(make, depth=4)  # most of it is read from the log
    first = world.flow.order(1, 1, 1000, 5)
    second = world.flow.order(1, 1, 1000, 7)
    for _ in range(20):
        world.flow.noise(2)
    world.flow.order(1, 0, 1000, 2)
    world.release()
    world.clock.advance(SWEEP_NS)
    world.tile.step()

    place = world.tile.queue_ahead(1, second)
    assert place == (1000, 3, 1, 7, 10, 2, world.flow.seq)
    assert (place.px, place.qty_ahead, place.orders_ahead, place.remaining) == (1000, 3, 1, 7)
    assert (place.level_qty, place.level_count, place.seq) == (10, 2, world.flow.seq)
    world.flow.cancel(first)
    world.release()
    assert world.tile.queue_ahead(1, second).orders_ahead == 0
    assert world.tile.queue_ahead(1, first) is None
    assert world.tile.queue_ahead(2, second) is None


def test_a_place_in_an_unknown_symbol_is_refused(make):
    with pytest.raises(RequestError) as refused:
        World(make).tile.queue_ahead(9, 1)
    assert (refused.value.code, refused.value.value) == (Reason.UNKNOWN_SYMBOL, 9)


def test_a_read_over_rest_lets_no_event_of_a_reader_be_lost(make):
    world, dice = World(make, depth=1 << 14), random.Random(1)
    reader = world.join()
    for _ in range(40):
        for _ in range(60):
            world.flow.random_step(dice, (1, 2))
        world.release()
        world.tile.book_snapshot(1, 5)
    world.settle()
    reader.read()
    for each in (1, 2):
        assert reader.follow(each).orders.gaps == []
        assert reader.follow(each).orders.resting() == world.oracle.books[each].resting_orders()
