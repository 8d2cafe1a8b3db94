"""A feed over plain books, and a reader whose slowness the test decides."""

from edge.feed_client import Follower, frames_of
from tiles.fake_shadow import FakeShadow
from tiles.flow import Flow, symbol

from rsx.book.shadow import Shadow
from rsx.edge.public_feed import (
    BBO,
    BOOK,
    PUBLISH_GAP_NS,
    TRADES,
    Feeds,
    Reader,
)

LEVELS = BBO | BOOK | TRADES


def compiled(symbols):
    """The compiled shadow books, with the interface of the plain ones."""
    return Shadow(tuple(symbols), 1 << 14)


class Listener(Reader):
    """A reader whose slowness the test decides."""

    def __init__(self):
        super().__init__()
        self.slow = False
        self.data = b""
        self.followers = {}
        self.writes = 0
        self.watches = {}

    def over(self, now_ns):
        return self.slow

    def write(self, data):
        assert not self.slow
        self.writes += 1
        self.data += data

    def read(self, modes=False):
        """Fold what came; returns its frames, those of modes only when asked for."""
        frames = list(frames_of(self.data))
        self.data = b""
        for key, fields in frames:
            self.follow(fields[0]).feed(key, fields)
        return [frame for frame in frames if modes or frame[0] != "MO"]

    def masks(self):
        return {symbol_id: sub.mask for symbol_id, sub in self.subscriptions.items()}

    def follow(self, symbol_id):
        if symbol_id not in self.followers:
            self.followers[symbol_id] = Follower(self.watches.get(symbol_id))
        return self.followers[symbol_id]


class World:
    def __init__(self, symbols=2, make=FakeShadow):
        self.ids = tuple(range(1, symbols + 1))
        self.shadow = make([symbol(each) for each in self.ids])
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
        for _ in range(20):  # a few symbols at a time, snapshots part by part
            if not self.feeds.publish(self.now_ns):
                break
            self.now_ns += PUBLISH_GAP_NS * 10

    def subscribe(self, reader, symbol_id, mask=LEVELS, depth=5):
        self.feeds.subscribe(reader, symbol_id, mask, depth, self.now_ns)

    def check(self, reader, symbol_id, depth):
        """The reader has exactly the book's best levels and quote."""
        follower = reader.follow(symbol_id)
        for side in (0, 1):
            assert follower.window(side) == self.shadow.depth(symbol_id, side, depth)
        assert follower.quote == self.shadow.bbo(symbol_id)
