"""A feed over plain books, and a reader whose slowness the test decides."""

from edge.feed_client import Follower, frames_of
from tiles.fake_shadow import FakeShadow
from tiles.flow import Flow, symbol

from rsx.edge.public_feed import (
    ALL,
    PUBLISH_GAP_NS,
    Feeds,
    Reader,
)


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
