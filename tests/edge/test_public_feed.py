"""Windows, chains, conflation, slow readers, without sockets. Source: specs/marketdata.md."""

import random

import pytest
from edge.feed_client import Follower, frames_of
from hypothesis import given, settings
from hypothesis import strategies as st
from tiles.fake_shadow import FakeShadow
from tiles.flow import Flow, symbol

from rsx.edge.public_feed import (
    ALL,
    BBO,
    BOOK,
    FEEDS_PER_PASS,
    PUBLISH_GAP_NS,
    SUBSCRIPTIONS_MAX,
    TRADES,
    TRADES_WAITING_MAX,
    Feeds,
    Reader,
    difference,
    text_frame,
)
from rsx.errors import Reason, RequestError
from rsx.records import RECORD_SIZE


class Listener(Reader):
    """A reader whose slowness the test decides."""

    def __init__(self):
        super().__init__()
        self.slow = False
        self.data = b""
        self.followers = {}
        self.writes = 0

    def over(self, now_ns):
        return self.slow

    def write(self, data):
        assert not self.slow
        self.writes += 1
        self.data += data

    def read(self):
        """Fold what came; returns its frames."""
        frames = list(frames_of(self.data))
        self.data = b""
        for key, fields in frames:
            self.follow(fields[0]).feed(key, fields)
        return frames

    def masks(self):
        return {symbol_id: sub.mask for symbol_id, sub in self.subscriptions.items()}

    def follow(self, symbol_id):
        return self.followers.setdefault(symbol_id, Follower())


class History:
    """Every whole state a book was in, by symbol and number of its last event."""

    def __init__(self, symbol_ids):
        self.oracle = FakeShadow([symbol(each) for each in symbol_ids])
        self.ids = symbol_ids
        self.books = {(each, 0): ([], []) for each in symbol_ids}

    def apply(self, data):
        for at in range(0, len(data), RECORD_SIZE):
            self.oracle.apply(data[at : at + RECORD_SIZE])
            for symbol_id in self.ids:
                u, _ = self.oracle.last(symbol_id)
                if self.oracle.whole(symbol_id) and (symbol_id, u) not in self.books:
                    both = (self.oracle.depth(symbol_id, side, 1000) for side in (0, 1))
                    self.books[symbol_id, u] = tuple(both)


class World:
    def __init__(self, symbols=2):
        self.ids = tuple(range(1, symbols + 1))
        self.shadow = FakeShadow([symbol(each) for each in self.ids])
        self.feeds = Feeds(self.ids, self.shadow)
        self.flow = Flow()
        self.now_ns = 0

    def apply(self):
        self.shadow.apply(self.flow.take())
        self.note()

    def note(self):
        trades = self.shadow.take_trades()
        self.feeds.note(self.shadow.changed(), trades)

    def publish(self):
        self.now_ns += PUBLISH_GAP_NS * 10
        while self.feeds.publish(self.now_ns):
            pass  # a few symbols at a time

    def subscribe(self, reader, symbol_id, mask=ALL, depth=5):
        self.feeds.subscribe(reader, symbol_id, mask, depth, self.now_ns)

    def check(self, reader, symbol_id, depth):
        """The reader has exactly the book's best levels and quote."""
        follower = reader.follow(symbol_id)
        for side in (0, 1):
            assert follower.window(side) == self.shadow.depth(symbol_id, side, depth)
        assert follower.quote == self.shadow.bbo(symbol_id)


# --- what a subscription begins with --------------------------------------------------------


def test_an_empty_book_begins_with_an_empty_snapshot_and_a_zero_quote():
    world, reader = World(), Listener()

    world.subscribe(reader, 1)

    assert reader.read() == [("B", [1, [], [], 0, 0]), ("BBO", [1, 0, 0, 0, 0, 0, 0, 0, 0, 0])]


def test_only_the_channels_asked_for_are_sent():
    for mask, keys in ((BBO, {"BBO"}), (BOOK, {"B", "D"}), (TRADES, {"T"})):
        world, reader = World(), Listener()
        world.subscribe(reader, 1, mask)
        world.flow.order(1, 1, 1000, 5)
        world.apply()
        world.publish()
        world.flow.order(1, 0, 1000, 3)
        world.apply()
        world.publish()

        assert {key for key, _ in reader.read()} == keys


def test_the_worked_example_of_a_batch_trades_then_delta_then_quote():
    world, reader = World(), Listener()
    world.flow.order(1, 1, 1000, 5)
    world.flow.order(1, 1, 1001, 5)
    world.apply()
    world.subscribe(reader, 1)
    reader.read()
    world.flow.order(1, 0, 1001, 7)
    world.apply()
    world.publish()

    assert reader.read() == [
        ("T", [1, 1000, 5, 0, 4000, 4, 0]),
        ("T", [1, 1001, 2, 0, 5000, 5, 4]),
        ("D", [1, [], [[1001, 3, 1], [1000, 0, 0]], 5000, 5, 2]),
        ("BBO", [1, 0, 0, 0, 1001, 3, 1, 5000, 5, 2]),
    ]


def test_subscribing_again_begins_anew():
    world, reader = World(), Listener()
    world.flow.order(1, 0, 990, 5)
    world.flow.order(1, 1, 1000, 5)
    world.apply()
    world.subscribe(reader, 1)
    world.flow.order(1, 0, 1000, 1)
    world.apply()
    world.publish()
    reader.read()
    reader.followers.clear()

    world.subscribe(reader, 1)
    world.flow.order(1, 0, 1000, 1)
    world.apply()
    world.publish()

    frames = reader.read()
    assert [key for key, _ in frames] == ["B", "BBO", "T", "D", "BBO"]
    assert [frames[at][1][-1] for at in (1, 2)] == [0, 0]
    world.check(reader, 1, 5)


def test_depth_changes_with_the_book_bit_only():
    world, reader = World(), Listener()
    for px in range(900, 950):
        world.flow.order(1, 0, px, 1)
    world.apply()
    world.subscribe(reader, 1, BOOK, 3)
    world.subscribe(reader, 1, BBO, 20)
    assert len(reader.follow(1).levels or ()) == 0
    reader.read()
    assert len(reader.follow(1).levels[0]) == 3

    world.subscribe(reader, 1, BOOK, 30)
    reader.read()
    world.flow.order(1, 0, 960, 1)
    world.apply()
    world.publish()
    reader.read()

    world.check(reader, 1, 30)


def test_a_book_that_is_not_whole_is_sent_when_it_is():
    world, reader, early = World(), Listener(), Listener()
    world.flow.order(1, 1, 1000, 5)
    world.apply()
    world.subscribe(early, 1)
    world.flow.order(1, 1, 1001, 5)
    world.flow.order(1, 0, 1001, 8)
    records = world.flow.take()
    world.shadow.apply(records[: 3 * 128])
    world.note()
    world.publish()

    world.subscribe(reader, 1, ALL, 7)  # no window of this depth yet
    world.publish()
    assert reader.read() == []
    assert [key for key, _ in early.read()] == ["B", "BBO", "T"]

    world.shadow.apply(records[3 * 128 :])
    world.note()
    world.publish()

    assert [key for key, _ in reader.read()] == ["T", "B", "BBO"]
    assert [key for key, _ in early.read()] == ["T", "D", "BBO"]
    world.check(reader, 1, 7)
    world.check(early, 1, 5)


def test_a_first_subscriber_in_the_middle_of_an_order_waits_for_its_end():
    world, reader = World(), Listener()
    world.flow.order(1, 1, 1000, 5)
    world.flow.order(1, 1, 1001, 5)
    world.flow.order(1, 0, 1001, 8)
    records = world.flow.take()
    world.shadow.apply(records[: 4 * 128])
    world.note()
    world.subscribe(reader, 1)
    assert reader.read() == []

    world.shadow.apply(records[4 * 128 :])
    world.note()
    world.publish()

    reader.read()
    world.check(reader, 1, 5)


def test_a_change_that_waited_is_not_published_in_the_middle_of_the_next_order():
    world, reader = World(), Listener()
    world.flow.order(1, 1, 1000, 5)
    world.flow.order(1, 1, 1001, 5)
    world.apply()
    world.subscribe(reader, 1, BOOK)
    world.flow.order(1, 1, 1002, 5)
    world.flow.order(1, 0, 1001, 8)
    records = world.flow.take()
    world.shadow.apply(records[:RECORD_SIZE])
    world.note()  # whole, and due
    world.shadow.apply(records[RECORD_SIZE : 3 * RECORD_SIZE])
    world.note()  # no longer whole
    reader.read()
    world.publish()
    assert reader.read() == []

    world.shadow.apply(records[3 * RECORD_SIZE :])
    world.note()
    world.publish()

    assert len(reader.read()) == 1
    assert reader.follow(1).window(1) == world.shadow.depth(1, 1, 5)


def test_an_order_that_changed_nothing_does_not_swallow_the_change_before_it():
    world, reader = World(), Listener()
    world.subscribe(reader, 1, BOOK)
    reader.read()
    world.flow.order(1, 1, 1001, 5)
    world.flow.order(1, 0, 1000, 5, ioc=True)  # finds nothing
    records = world.flow.take()
    world.shadow.apply(records[: 2 * RECORD_SIZE])
    world.shadow.changed()
    world.feeds.note((1,), ())  # as of the first order
    world.publish()  # in the middle of the second

    world.shadow.apply(records[2 * RECORD_SIZE :])
    world.note()
    world.publish()

    assert [key for key, _ in reader.read()] == ["D"]


def test_who_subscribed_in_the_middle_of_an_order_that_changes_nothing_is_served_after_it():
    world, reader = World(), Listener()
    world.flow.order(1, 0, 1000, 5, ioc=True)
    records = world.flow.take()
    world.shadow.apply(records[:RECORD_SIZE])
    world.note()
    world.subscribe(reader, 1)
    assert reader.read() == []

    world.shadow.apply(records[RECORD_SIZE:])
    world.publish()

    assert [key for key, _ in reader.read()] == ["B", "BBO"]


# --- subscriptions --------------------------------------------------------------------------


def test_an_unknown_symbol_is_refused():
    world, reader = World(), Listener()
    with pytest.raises(RequestError) as refused:
        world.subscribe(reader, 7)
    assert (refused.value.code, refused.value.field) == (Reason.UNKNOWN_SYMBOL, "sym")
    with pytest.raises(RequestError):
        world.feeds.unsubscribe(reader, 7, ALL)


def test_the_65th_subscription_is_refused_and_changes_nothing():
    world, reader = World(SUBSCRIPTIONS_MAX + 1), Listener()
    for symbol_id in range(1, SUBSCRIPTIONS_MAX + 1):
        world.subscribe(reader, symbol_id, BBO)
    with pytest.raises(RequestError) as refused:
        world.subscribe(reader, SUBSCRIPTIONS_MAX + 1)

    assert refused.value.code is Reason.TOO_MANY_SUBSCRIPTIONS
    world.subscribe(reader, 1, BOOK)  # one of the 64 may change
    world.feeds.unsubscribe(reader, 2, 0)
    world.subscribe(reader, SUBSCRIPTIONS_MAX + 1, BBO)  # and there is room again


def test_unsubscribing_takes_away_the_channels_named_and_no_others():
    world, reader = World(), Listener()
    world.subscribe(reader, 1)
    reader.read()

    world.feeds.unsubscribe(reader, 1, BOOK | TRADES)
    world.flow.order(1, 1, 1000, 5)
    world.flow.order(1, 0, 1000, 2)
    world.apply()
    world.publish()
    assert [key for key, _ in reader.read()] == ["BBO"]

    world.feeds.unsubscribe(reader, 1, BBO)
    world.flow.order(1, 0, 1000, 2)
    world.apply()
    world.publish()
    assert reader.read() == []
    assert reader.subscriptions == {}


def test_symbol_zero_stands_for_every_symbol_and_channels_zero_for_every_channel():
    world, reader = World(), Listener()
    world.subscribe(reader, 1)
    world.subscribe(reader, 2)
    world.feeds.unsubscribe(reader, 0, TRADES)
    assert [sub.mask for sub in reader.subscriptions.values()] == [BBO | BOOK] * 2
    world.feeds.unsubscribe(reader, 1, 0)
    assert list(reader.subscriptions) == [2]
    world.feeds.unsubscribe(reader, 0, 0)
    assert reader.subscriptions == {}
    world.feeds.unsubscribe(reader, 0, 0)
    assert world.feeds._active == {} and world.feeds._due == {}


def test_a_symbol_without_subscribers_is_never_due():
    world, reader = World(), Listener()
    world.subscribe(reader, 2)
    world.flow.order(1, 1, 1000, 5)
    world.flow.order(1, 0, 1000, 5)
    world.apply()

    assert world.feeds.next_due_ns == 0
    assert world.feeds.publish(10**12) == 0


# --- rhythm and sharing ---------------------------------------------------------------------


def test_the_first_change_goes_out_at_once_and_the_next_after_the_gap():
    world, reader = World(), Listener()
    world.subscribe(reader, 1)
    reader.read()
    now = 10**9
    world.flow.order(1, 1, 1000, 5)
    world.apply()
    assert world.feeds.publish(now) == 1
    for px in (1001, 1002, 1003):
        world.flow.order(1, 1, px, 5)
        world.apply()
        assert world.feeds.publish(now + 1) == 0
    assert world.feeds.next_due_ns == now + PUBLISH_GAP_NS

    assert world.feeds.publish(now + PUBLISH_GAP_NS) == 1
    assert [key for key, _ in reader.read()] == ["D", "BBO", "D"]
    world.check(reader, 1, 5)


def test_many_waiting_trades_do_not_wait_for_the_gap():
    world, reader = World(), Listener()
    world.subscribe(reader, 1, TRADES)
    world.flow.order(1, 1, 1000, 10_000)
    world.flow.order(1, 0, 1000, 1)
    world.apply()
    world.feeds.publish(1)
    for _ in range(TRADES_WAITING_MAX):
        world.flow.order(1, 0, 1000, 1)
    world.apply()

    assert world.feeds.publish(2) == 1
    reader.read()
    assert len(reader.follow(1).trades) == TRADES_WAITING_MAX + 1
    assert reader.follow(1).trade_gaps == []


def test_symbols_take_turns():
    world, reader = World(10), Listener()
    for symbol_id in world.ids:
        world.subscribe(reader, symbol_id, BOOK)
        world.flow.order(symbol_id, 0, 900, 1)
    reader.read()
    world.apply()

    turns, order = [], []
    while turn := world.feeds.publish(10**9):
        turns.append(turn)
        order += [fields[0] for _, fields in reader.read()]

    assert turns == [FEEDS_PER_PASS, FEEDS_PER_PASS, 2]
    assert order == list(world.ids)


def test_subscribers_of_the_same_state_get_the_same_bytes_object():
    world = World()
    readers = [Listener() for _ in range(5)]
    got = []
    for reader in readers:
        world.subscribe(reader, 1)
        reader.write = got.append
    world.flow.order(1, 1, 1000, 5)
    world.flow.order(1, 0, 1000, 5)
    world.apply()
    world.publish()  # the first trade: its pu is 0 for all, each builds its own
    got.clear()
    world.flow.order(1, 1, 1000, 5)
    world.apply()
    world.publish()

    assert len(got) == 5
    assert len({id(data) for data in got}) == 1


def test_a_wide_window_is_published_less_often():
    world, reader = World(), Listener()
    world.subscribe(reader, 1, BOOK, 1000)
    world.flow.order(1, 0, 900, 1)
    world.apply()
    world.feeds.publish(1)
    world.flow.order(1, 0, 901, 1)
    world.apply()

    assert world.feeds.next_due_ns > 1 + PUBLISH_GAP_NS


# --- windows --------------------------------------------------------------------------------


def test_a_level_that_comes_into_the_window_is_sent_and_one_pushed_out_is_removed():
    world, reader = World(), Listener()
    best = [world.flow.order(1, 0, px, 1) for px in (1000, 999, 998)]
    world.apply()
    world.subscribe(reader, 1, BOOK, 2)
    reader.read()
    world.flow.cancel(best[0])
    world.apply()
    world.publish()
    ((_, came),) = reader.read()
    world.flow.order(1, 0, 1001, 1)
    world.apply()
    world.publish()
    ((_, pushed),) = reader.read()

    assert came[1] == [[998, 1, 1], [1000, 0, 0]]
    assert pushed[1] == [[1001, 1, 1], [998, 0, 0]]


def test_a_change_below_the_window_sends_nothing():
    world, reader = World(), Listener()
    for px in (1000, 999, 998):
        world.flow.order(1, 0, px, 1)
    world.apply()
    world.subscribe(reader, 1, BOOK | BBO, 2)
    reader.read()
    world.flow.order(1, 0, 990, 1)
    world.apply()
    world.publish()

    assert reader.read() == []


levels = st.dictionaries(st.integers(1, 12), st.tuples(st.integers(1, 3), st.integers(1, 2)))


@given(old=levels, new=levels)
def test_applying_the_difference_gives_the_new_levels(old, new):
    rows = [[(px, *state) for px, state in sorted(side.items())] for side in (old, new)]
    folded = dict(old)
    for px, qty, count in difference(*rows):
        if qty:
            assert folded.get(px) != (qty, count)
            folded[px] = (qty, count)
        else:
            del folded[px]

    assert folded == new


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


class Run:
    """Random flow, subscriptions and slowness; whatever a reader is told is checked."""

    def __init__(self, seed):
        self.dice = random.Random(seed)
        self.world = World()
        self.history = History(self.world.ids)
        self.readers = [Listener() for _ in range(4)]
        self.depths = {}

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
        mask = self.dice.choice((ALL, ALL, BOOK, BBO, TRADES, BOOK | TRADES))
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
        self.world.subscribe(reader, symbol_id, mask, depth)

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


@settings(max_examples=80, deadline=None)
@given(seed=st.integers(0, 2**32))
def test_folding_the_frames_gives_the_books_best_levels_whatever_happens(seed):
    Run(seed).run(120)


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


@pytest.mark.parametrize("size, head", [(0, 2), (125, 2), (126, 4), (65535, 4), (65536, 10)])
def test_frames_of_every_size_have_the_right_header(size, head):
    frame = text_frame(b"x" * size)

    assert frame[0] == 0x81
    assert len(frame) == head + size
    length = frame[1] if head == 2 else int.from_bytes(frame[2:head], "big")
    assert length == size
    assert frame[head:] == b"x" * size
