"""Subscriptions of the public feed: windows, chains, conflation. No socket and no loop in here.

    shadow books --note--> Feed (per symbol) --publish--> Subscription (reader x symbol) --> Reader
                             | Window per depth: what its subscribers have
                             | quote, mode: the BBO and trading mode that its subscribers have
                             | states: mark, funding, open interest, rules: the newest of each
                             | OrderFeed: the order-by-order channel (public_orders.py)

A feed keeps what was published last, so the frames of one publication are the same bytes for
every subscriber that is up to date. Whoever is not (new, or was over its backlog bound) is marked
in `need` and gets frames of its own. Never waits, never reads a clock.
Source: specs/marketdata.md sections 2 to 5; specs/wire.md W-20 to W-23.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable
from itertools import pairwise
from typing import Any, NamedTuple, Protocol

import orjson

from rsx.edge import public_orders
from rsx.edge.public_frames import text_frame
from rsx.edge.public_orders import EVENTS_WAITING_MAX, OrderFeed
from rsx.errors import Reason, RequestError

BBO = 1
BOOK = 2
TRADES = 4
ORDERS = 8
MARK = 16
FUNDING = 32
LIQUIDATIONS = 64
INTEREST = 128
ALL = 255
# No channels: what `need` says of the trading mode and of changed rules.
MODE = 256
RULES = 512
# What has a newest frame, in the order of a publication (W-21).
STATES = (RULES, MARK, FUNDING, INTEREST)

# What `need` has for a subscription that waits for something of its own.
OWN = BOOK | BBO | MODE | RULES | MARK | FUNDING | INTEREST

DEPTH_MAX = 1000
DEPTH_DEFAULT = 20
SUBSCRIPTIONS_MAX = 64

# Shortest time between two publications of one symbol (MD-11). Longer: less encoding under load,
# staler books.
PUBLISH_GAP_NS = 2_000_000

# What a publication is taken to cost: per level of its windows, and per subscriber (most of it the
# send call); and the share of the time that one symbol may take (MD-11).
LEVEL_COST_NS = 150
READER_COST_NS = 12_000
SHARE = 8

# Waiting trades that bring a publication forward (MD-11); about 40 KiB encoded.
TRADES_WAITING_MAX = 512

# Symbols published in one duty cycle (MD-12).
FEEDS_PER_PASS = 4

Level = tuple[int, int, int]  # px, qty, count
Quote = tuple[int, int, int, int, int, int]  # bid px, qty, count, ask px, qty, count
Trade = tuple[int, int, int, int, int, int]  # symbol_id, px, qty, taker_side, ts_ns, seq


# symbol_id, kind, side, qty, px, mark_px, ts_ns, seq
Liquidation = tuple[int, int, int, int, int, int, int, int]


class Shadow(public_orders.Shadow, Protocol):
    """What the feed asks of the shadow books."""

    def whole(self, symbol_id: int) -> bool: ...
    def bbo(self, symbol_id: int) -> Quote: ...
    def depth(self, symbol_id: int, side: int, levels: int) -> list[Level]: ...
    def mode(self, symbol_id: int) -> tuple[int, int, int]: ...


class Reader(ABC):
    """One connection, as the feed sees it. The socket's side overrides `over` and `write`."""

    def __init__(self) -> None:
        self.subscriptions: dict[int, Subscription] = {}
        self.held = False  # a subscription of it has missed something

    @abstractmethod
    def over(self, now_ns: int) -> bool:
        """True while too much is unsent (MD-40)."""

    @abstractmethod
    def write(self, data: bytes) -> None:
        """Send whole WebSocket frames; never waits."""


class Batch(NamedTuple):
    """The frames of one publication, as subscribers that are up to date get them."""

    trades: bytes = b""
    first_trades: bytes = b""  # the same, the first with pu 0
    trade_count: int = 0
    deltas: dict[int, bytes] = {}  # noqa: RUF012 - by depth; never changed
    quote: bytes = b""
    quote_pu: int = 0
    mode: bytes = b""
    states: dict[int, bytes] = {}  # noqa: RUF012 - by bit; never changed
    liquidations: bytes = b""
    first_liquidations: bytes = b""  # the same, the first with pu 0
    liquidation_count: int = 0


NOTHING = Batch()


class Subscription:
    """One reader's channels of one symbol.

    need: what is not the shared message next: BOOK a snapshot, BBO one with its own pu, TRADES one
    with pu 0 (LIQUIDATIONS likewise), MODE the mode, of STATES the newest. quote_u: u of the BBO
    that it got last, kept while need has BBO. ORDERS is never in need: the order feed knows its
    readers' places.
    """

    __slots__ = ("depth", "mask", "need", "quote_u", "reader")

    def __init__(self, reader: Reader):
        self.reader = reader
        self.mask = 0
        self.need = 0
        self.depth = 0
        self.quote_u: int | None = None


class Window:
    """The best `depth` levels of both sides as its subscribers have them (MD-31)."""

    __slots__ = (
        "asks", "bids", "depth", "filled", "frame", "subscribers", "symbol_id", "ts_ns", "u"
    )  # fmt: skip

    def __init__(self, symbol_id: int, depth: int):
        self.symbol_id = symbol_id
        self.depth = depth
        self.subscribers = 0
        self.filled = False
        self.bids: list[Level] = []
        self.asks: list[Level] = []
        self.u = 0
        self.ts_ns = 0
        self.frame = b""  # the snapshot, encoded when first asked for

    def move(self, bids: list[Level], asks: list[Level], u: int, ts_ns: int) -> bytes:
        """Take the levels of a whole book; returns the delta frame, b"" when there is none."""
        if self.filled and bids == self.bids and asks == self.asks:
            return b""
        frame = b""
        if self.filled:
            changed = difference(self.bids, bids), difference(self.asks, asks)
            frame = text_frame(orjson.dumps({"D": (self.symbol_id, *changed, ts_ns, u, self.u)}))
        self.bids, self.asks, self.u, self.ts_ns = bids, asks, u, ts_ns
        self.frame = b""
        self.filled = True
        return frame

    def snapshot(self) -> bytes:
        if not self.frame:
            fields = (self.symbol_id, self.bids, self.asks, self.ts_ns, self.u)
            self.frame = text_frame(orjson.dumps({"B": fields}))
        return self.frame


class Feed:
    """One symbol: what was published of it last, and to whom it goes."""

    def __init__(self, symbol_id: int, shadow: Shadow, counters: dict[str, int]):
        self.symbol_id = symbol_id
        self.subscriptions: dict[Reader, Subscription] = {}
        self.next_ns = 0
        self.book_due = False
        self.trades: list[Trade] = []
        self.trade_readers = 0
        self._shadow = shadow
        self._counters = counters
        self._windows: dict[int, Window] = {}
        self._quote: Quote | None = None  # None: nobody was told any since there are subscribers
        self._quote_u = 0
        self._quote_ts = 0
        self._trade_u = 0
        self._mode = shadow.mode(symbol_id)
        self.states: dict[int, bytes] = {}  # newest frame by bit of STATES
        self._state_keys: dict[int, Any] = {}  # what of it is news when it differs
        self._news: set[int] = set()  # bits whose newest frame has not been published
        self.liquidations: list[Liquidation] = []
        self._liquidation_u = 0
        self.orders = OrderFeed(symbol_id, shadow, counters)

    # --- who gets it --------------------------------------------------------------------

    def subscribe(self, reader: Reader, mask: int, depth: int) -> Subscription:
        """Add channels to a reader's subscription, each beginning anew (MD-20)."""
        sub = self.subscriptions.get(reader)
        if sub is None:
            if not self.subscriptions:
                self.trades.clear()
                self.liquidations.clear()
                self._news.clear()
                self._quote = None
                self._mode = self._shadow.mode(self.symbol_id)
            sub = self.subscriptions[reader] = Subscription(reader)
            reader.subscriptions[self.symbol_id] = sub
        if mask & BOOK and not (sub.mask & BOOK and sub.depth == depth):
            self._leave_window(sub)
            window = self._windows.get(depth)
            if window is None:
                window = self._windows[depth] = Window(self.symbol_id, depth)
            window.subscribers += 1
            sub.depth = depth
        if mask & ~sub.mask & TRADES:
            self.trade_readers += 1
        if mask & BBO:
            sub.quote_u = None
        if mask & ORDERS:
            self.orders.join(reader)
        sub.mask |= mask
        sub.need |= mask & ~ORDERS | MODE | RULES
        return sub

    def state(self, bit: int, fields: list[Any], news: Any) -> bool:
        """Take the newest of a state (MD-91); returns whether it is to be published.

        Args  news: what makes it another one than before
        """
        key = _STATE_KEYS[bit]
        self.states[bit] = text_frame(orjson.dumps({key: fields}))
        if self._state_keys.get(bit) == news:
            return False
        self._state_keys[bit] = news
        if self.subscriptions:
            self._news.add(bit)
        return bool(self._news)

    def unsubscribe(self, reader: Reader, mask: int) -> None:
        """Take channels away; a subscription without any is gone."""
        sub = self.subscriptions.get(reader)
        if sub is None:
            return
        if mask & BOOK:
            self._leave_window(sub)
        if mask & sub.mask & TRADES:
            self.trade_readers -= 1
            if not self.trade_readers:
                self.trades.clear()
        if mask & sub.mask & ORDERS:
            self.orders.leave(reader)
        sub.mask &= ~mask
        sub.need &= ~mask
        if not sub.mask:
            del self.subscriptions[reader]
            del reader.subscriptions[self.symbol_id]

    def _leave_window(self, sub: Subscription) -> None:
        if sub.mask & BOOK:
            window = self._windows[sub.depth]
            window.subscribers -= 1
            if not window.subscribers:
                del self._windows[sub.depth]

    # --- what goes out ------------------------------------------------------------------

    def publish(self, now_ns: int) -> None:
        """Send what is new to every subscriber: mode, trades, delta, BBO, orders (W-21)."""
        batch = self._next_batch()
        if self.orders.places:
            self.orders.advance()
        shared: dict[tuple[int, int], bytes] = {}
        for sub in self.subscriptions.values():
            if sub.reader.over(now_ns):
                self._hold(sub, batch)
                continue
            if sub.need:
                data = self.frames(sub, batch)
            else:
                key = (sub.mask & ~ORDERS, sub.depth if sub.mask & BOOK else 0)
                if key not in shared:
                    shared[key] = self.frames(sub, batch)
                data = shared[key]
            if data:
                sub.reader.write(data)
            if sub.mask & ORDERS:
                self.serve_orders(sub, now_ns)
        self.next_ns = now_ns + self._gap_ns()

    def serve_orders(self, sub: Subscription, now_ns: int) -> None:
        """What the order-by-order channel has for it, as far as it can take it."""
        self.orders.serve(sub.reader, now_ns)
        if sub.reader.over(now_ns):
            sub.reader.held = True

    @property
    def urgent(self) -> bool:
        """Whether so much waits that the pause is not kept (MD-11, MD-71)."""
        return len(self.trades) >= TRADES_WAITING_MAX or self.orders.waiting >= EVENTS_WAITING_MAX

    @property
    def busy(self) -> bool:
        """Whether there is more to publish although nothing changes."""
        return self.book_due or self.orders.busy

    def _gap_ns(self) -> int:
        """Time until the next publication, so that this symbol keeps to its share (MD-11)."""
        cost_ns = 2 * LEVEL_COST_NS * sum(self._windows) + READER_COST_NS * len(self.subscriptions)
        return max(PUBLISH_GAP_NS, SHARE * cost_ns)

    def _next_batch(self) -> Batch:
        """Take what is new since the last publication, and remember it as published."""
        trades, first_trades, count = b"", b"", len(self.trades)
        if count:
            first = self.trades[0]
            tail = b"".join(
                trade_frame(trade, before[5]) for before, trade in pairwise(self.trades)
            )
            trades = trade_frame(first, self._trade_u) + tail
            first_trades = trade_frame(first, 0) + tail
            self._trade_u = self.trades[-1][5]
            self.trades.clear()
        quote_pu = self._quote_u
        deltas: dict[int, bytes] = {}
        quote = b""
        if self.book_due and self._shadow.whole(self.symbol_id):
            self.book_due = False
            deltas, quote = self._move()
        mode = b""
        newest = self._shadow.mode(self.symbol_id)
        if newest != self._mode:
            self._mode = newest
            mode = mode_frame(self.symbol_id, newest)
        states = {bit: self.states[bit] for bit in self._news}
        self._news.clear()
        return Batch(
            trades, first_trades, count, deltas, quote, quote_pu, mode, states,
            *self._next_liquidations(),
        )  # fmt: skip

    def _next_liquidations(self) -> tuple[bytes, bytes, int]:
        """Frames of those that wait, the same with the first's pu 0, how many."""
        rows = self.liquidations
        if not rows:
            return b"", b"", 0
        tail = b"".join(liquidation_frame(row, before[-1]) for before, row in pairwise(rows))
        frames = liquidation_frame(rows[0], self._liquidation_u) + tail
        first, count = liquidation_frame(rows[0], 0) + tail, len(rows)
        self._liquidation_u = rows[-1][-1]
        rows.clear()
        return frames, first, count

    def _move(self) -> tuple[dict[int, bytes], bytes]:
        """Bring windows and quote up to the whole book; returns delta frames and BBO frame."""
        u, ts_ns = self._shadow.last(self.symbol_id)
        deltas: dict[int, bytes] = {}
        if self._windows:
            deepest = max(self._windows)
            bids = self._shadow.depth(self.symbol_id, 0, deepest)
            asks = self._shadow.depth(self.symbol_id, 1, deepest)
            for depth, window in self._windows.items():
                frame = window.move(bids[:depth], asks[:depth], u, ts_ns)
                if frame:
                    deltas[depth] = frame
        frame = b""
        quote = self._shadow.bbo(self.symbol_id)
        if quote != self._quote:
            if self._quote is not None:
                frame = quote_frame(self.symbol_id, quote, ts_ns, u, self._quote_u)
            self._quote, self._quote_u, self._quote_ts = quote, u, ts_ns
        return deltas, frame

    def frames(self, sub: Subscription, batch: Batch = NOTHING) -> bytes:
        """What one subscription gets: shared frames, its own ones where it needs them."""
        mask, need = sub.mask, sub.need
        ready = not need & (BOOK | BBO) or self._ready(sub)
        data = batch.mode
        if need & MODE:
            data = mode_frame(self.symbol_id, self._mode)
            sub.need &= ~MODE
        data += self._state_frames(sub, batch)
        if mask & TRADES and batch.trade_count:
            data += batch.first_trades if need & TRADES else batch.trades
            sub.need &= ~TRADES
        if mask & LIQUIDATIONS and batch.liquidation_count:
            first = need & LIQUIDATIONS
            data += batch.first_liquidations if first else batch.liquidations
            sub.need &= ~LIQUIDATIONS
        if mask & BOOK:
            if not need & BOOK:
                data += batch.deltas.get(sub.depth, b"")
            elif ready:
                data += self._windows[sub.depth].snapshot()
                sub.need &= ~BOOK
                self._counters["snapshots"] += 1
        if mask & BBO:
            if not need & BBO:
                data += batch.quote
            elif ready:
                data += self._own_quote(sub)
                sub.need &= ~BBO
        return data

    def _state_frames(self, sub: Subscription, batch: Batch) -> bytes:
        """States: the newest for who needs it, what is new for the others (MD-91)."""
        wanted = sub.mask | RULES
        if sub.need & OWN == 0 and not batch.states:
            return b""
        data = b""
        for bit in STATES:
            if sub.need & bit:
                data += self.states.get(bit, b"")
            elif wanted & bit:
                data += batch.states.get(bit, b"")
            sub.need &= ~bit
        return data

    def _own_quote(self, sub: Subscription) -> bytes:
        """The newest BBO, chained to the one that this subscription got last (MD-42)."""
        if sub.quote_u == self._quote_u or self._quote is None:
            return b""
        return quote_frame(
            self.symbol_id, self._quote, self._quote_ts, self._quote_u, sub.quote_u or 0
        )

    def _ready(self, sub: Subscription) -> bool:
        """Have window and quote, as published or, when there are none yet, as the book is."""
        window = self._windows[sub.depth] if sub.mask & BOOK else None
        if self._quote is not None and (window is None or window.filled):
            return True
        if not self._shadow.whole(self.symbol_id):
            return False
        u, ts_ns = self._shadow.last(self.symbol_id)
        if self._quote is None:
            self._quote = self._shadow.bbo(self.symbol_id)
            self._quote_u, self._quote_ts = u, ts_ns
        if window is not None and not window.filled:
            bids = self._shadow.depth(self.symbol_id, 0, window.depth)
            window.move(bids, self._shadow.depth(self.symbol_id, 1, window.depth), u, ts_ns)
        return True

    def _hold(self, sub: Subscription, batch: Batch) -> None:
        """Mark what a slow reader misses of this publication (MD-41)."""
        if batch.trade_count and sub.mask & TRADES:
            # pu of the next one names a trade that this reader did not get, so the gap shows.
            sub.need &= ~TRADES
            self._counters["trades_dropped"] += batch.trade_count
        if batch.quote and sub.mask & BBO and not sub.need & BBO:
            sub.quote_u = batch.quote_pu
            sub.need |= BBO
        if sub.mask & BOOK and sub.depth in batch.deltas:
            sub.need |= BOOK
        if batch.mode:
            sub.need |= MODE
        for bit in batch.states:
            sub.need |= bit & (sub.mask | RULES)
        if batch.liquidation_count and sub.mask & LIQUIDATIONS:
            sub.need &= ~LIQUIDATIONS
            self._counters["liquidations_dropped"] += batch.liquidation_count
        if sub.need & OWN or sub.mask & ORDERS:
            sub.reader.held = True


class Feeds:
    """Every symbol's feed, and which of them are due.

    Cost  note: nothing for symbols without subscribers; publish: one encoding per distinct frame
    """

    def __init__(self, symbol_ids: Iterable[int], shadow: Shadow):
        self.stats = {
            "publications": 0, "snapshots": 0, "trades_dropped": 0, "l3_snapshots": 0, "l3_cuts": 0,
            "liquidations_dropped": 0,
        }  # fmt: skip
        self._feeds = {sid: Feed(sid, shadow, self.stats) for sid in symbol_ids}
        self._active: dict[int, Feed] = {}
        self._due: dict[int, Feed] = {}  # in the order in which they are served

    def note(self, changed: Iterable[int], trades: Iterable[Trade]) -> None:
        """Take over what the shadow books report: symbols that changed and are whole, trades."""
        for trade in trades:
            feed = self._active.get(trade[0])
            if feed is not None and feed.trade_readers:
                feed.trades.append(trade)
                self._due[trade[0]] = feed
        for symbol_id in changed:
            feed = self._active.get(symbol_id)
            if feed is not None:
                feed.book_due = True
                self._due[symbol_id] = feed

    def state(self, symbol_id: int, bit: int, fields: list[Any], news: Any) -> None:
        """The newest of mark, funding, open interest or rules."""
        feed = self._feeds[symbol_id]
        if feed.state(bit, fields, news) and symbol_id in self._active:
            self._due[symbol_id] = feed

    def liquidation(self, row: Liquidation) -> None:
        feed = self._active.get(row[0])
        if feed is not None:
            feed.liquidations.append(row)
            self._due[row[0]] = feed

    def publish(self, now_ns: int) -> int:
        """Publish symbols whose time has come, a few per call; returns how many."""
        done = 0
        for symbol_id, feed in self._active.items():
            if feed.orders.waiting:  # no group's end is waited for (MD-70)
                self._due[symbol_id] = feed
        for symbol_id, feed in list(self._due.items()):
            if feed.next_ns > now_ns and not feed.urgent:
                continue
            if done == FEEDS_PER_PASS:
                break
            del self._due[symbol_id]
            feed.publish(now_ns)
            if feed.busy:  # not whole at the moment, or a snapshot goes on: once more, as the last
                self._due[symbol_id] = feed
            done += 1
        self.stats["publications"] += done
        return done

    @property
    def next_due_ns(self) -> int:
        """When `publish` has something to do next; 0 = nothing waits."""
        return min((feed.next_ns for feed in self._due.values()), default=0)

    @property
    def order_readers(self) -> int:
        """Subscriptions to the order-by-order channel."""
        return sum(len(feed.orders.places) for feed in self._active.values())

    def subscribe(self, reader: Reader, symbol_id: int, mask: int, depth: int, now_ns: int) -> None:
        """Subscribe and send what the channels begin with. Raises RequestError."""
        feed = self._feed(symbol_id)
        if symbol_id not in reader.subscriptions and len(reader.subscriptions) >= SUBSCRIPTIONS_MAX:
            raise RequestError(Reason.TOO_MANY_SUBSCRIPTIONS, "sym", symbol_id)
        sub = feed.subscribe(reader, mask, depth)
        self._active[symbol_id] = feed
        self._serve(feed, sub, now_ns)

    def unsubscribe(self, reader: Reader, symbol_id: int, mask: int) -> None:
        """Take channels away; symbol 0 = every symbol, mask 0 = every channel (MD-23)."""
        if symbol_id:
            self._feed(symbol_id)
        for each in [symbol_id] if symbol_id else list(reader.subscriptions):
            self._feeds[each].unsubscribe(reader, mask or ALL)
            if not self._feeds[each].subscriptions:
                self._active.pop(each, None)
                self._due.pop(each, None)

    def drop(self, reader: Reader) -> None:
        """Forget a reader that is gone."""
        self.unsubscribe(reader, 0, ALL)

    def recover(self, reader: Reader, now_ns: int) -> None:
        """Give a reader that was held what it missed, while it is not over (MD-42)."""
        for symbol_id, sub in reader.subscriptions.items():
            if sub.need & OWN or sub.mask & ORDERS:
                if reader.over(now_ns):
                    return
                self._serve(self._feeds[symbol_id], sub, now_ns)
        reader.held = reader.over(now_ns)

    def _serve(self, feed: Feed, sub: Subscription, now_ns: int) -> None:
        if sub.reader.over(now_ns):
            sub.reader.held = True
            return
        data = feed.frames(sub)
        if data:
            sub.reader.write(data)
        if sub.need & (BOOK | BBO):  # MD-25: the publication that finds the book whole serves it
            feed.book_due = True
        if sub.mask & ORDERS:
            if feed.orders.places[sub.reader].waiting:
                feed.orders.advance()
                self._due[feed.symbol_id] = feed  # others may now have something to get
            feed.serve_orders(sub, now_ns)
        if feed.busy:
            self._due[feed.symbol_id] = feed

    def _feed(self, symbol_id: int) -> Feed:
        feed = self._feeds.get(symbol_id)
        if feed is None:
            raise RequestError(Reason.UNKNOWN_SYMBOL, "sym", symbol_id)
        return feed


def difference(old: list[Level], new: list[Level]) -> list[Level]:
    """Levels of `new` that are not so in `old`, and those that are gone with quantity 0."""
    had = set(old)
    changed = [level for level in new if level not in had]
    stays = {level[0] for level in new}
    changed += [(level[0], 0, 0) for level in old if level[0] not in stays]
    return changed


def trade_frame(trade: Trade, pu: int) -> bytes:
    return text_frame(orjson.dumps({"T": (*trade, pu)}))  # a Trade has the order of the frame


def quote_frame(symbol_id: int, quote: Quote, ts_ns: int, u: int, pu: int) -> bytes:
    return text_frame(orjson.dumps({"BBO": (symbol_id, *quote, ts_ns, u, pu)}))


_STATE_KEYS = {RULES: "SC", MARK: "MP", FUNDING: "FR", INTEREST: "OI"}


def liquidation_frame(row: Liquidation, pu: int) -> bytes:
    return text_frame(orjson.dumps({"LQ": (*row, pu)}))  # a row has the order of the frame


def mode_frame(symbol_id: int, mode: tuple[int, int, int]) -> bytes:
    return text_frame(orjson.dumps({"MO": (symbol_id, *mode)}))
