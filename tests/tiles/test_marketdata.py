"""marketdata tile: following, being lapped, history. Source: specs/marketdata.md."""

import asyncio
import random
import time

import pytest
from tiles.fake_shadow import FakeShadow
from tiles.flow import Flow, symbol

from rsx.book.shadow import Shadow
from rsx.core.async_tile import AsyncRunner
from rsx.core.check import InvariantError
from rsx.core.clock import Clock
from rsx.core.ring import Ring
from rsx.errors import Reason, RequestError
from rsx.records import BBO_UPDATE, iterate
from rsx.tiles.marketdata import DRAIN_MAX, SWEEP_NS, TRADES_KEPT, MarketData

SYMBOLS = (symbol(1), symbol(2))


class Recorder:
    """An edge that remembers what it was told."""

    def __init__(self):
        self.trades = []
        self.changed = []
        self.records = []
        self.sweeps = []
        self.due_ns = 0
        self.adopted = []
        self.closed = False

    def start(self, loop):
        self.loop = loop

    def adopt(self, sock, head):
        self.adopted.append((sock, head))

    def note(self, changed, trades):
        self.changed.append(changed)
        self.trades += trades

    def tell(self, views):
        self.records += views

    def publish(self, now_ns):
        return 0

    @property
    def next_due_ns(self):
        return self.due_ns

    def sweep(self, now_ns):
        self.sweeps.append(now_ns)

    async def close(self):
        self.closed = True

    def counters(self):
        return {"recorded": len(self.trades)}


@pytest.fixture(autouse=True, params=["plain", "compiled"])
def shadow_kind(request, monkeypatch):
    """Every test runs over the plain books and over the compiled ones."""
    if request.param == "compiled":
        monkeypatch.setattr(World, "make_shadow", staticmethod(lambda s: Shadow(s, 1 << 14)))


class World:
    """A tile, its ring and a flow of records that the ring may not hold."""

    make_shadow = FakeShadow

    def __init__(self, depth=1024, released=None, best=None):
        self.flow = Flow()
        self.ring = Ring("wal_marketdata", depth)
        self.clock = Clock.manual(SWEEP_NS)
        self.shadow = self.make_shadow(SYMBOLS)
        self.edge = Recorder()
        self.reads = []
        self.tile = MarketData(
            None,
            SYMBOLS,
            self.clock,
            self.ring,
            self.log,
            self.shadow,
            self.edge,
            released,
            best,
        )

    def log(self, first, last):
        self.reads.append((first, last))
        return self.flow.log(first, last)

    def release(self):
        """Push what the flow made; what does not fit is left out, as the wal does."""
        data = self.flow.take()
        for at in range(0, len(data), 128):
            self.ring.push(data[at : at + 128])

    def run(self, steps=1, seed=1):
        dice = random.Random(seed)
        for _ in range(steps):
            self.flow.random_step(dice, (1, 2))

    def settle(self):
        for _ in range(10_000):
            if not self.tile.step():
                return
        raise AssertionError("never idle")

    def book(self, symbol_id):
        """What the flow itself thinks rests."""
        sides = ({}, {})
        for owner, side, px, qty in self.flow.resting.values():
            if owner == symbol_id:
                level = sides[side].setdefault(px, [0, 0])
                level[0] += qty
                level[1] += 1
        return tuple(
            [(px, *levels[px]) for px in sorted(levels, reverse=side == 0)]
            for side, levels in enumerate(sides)
        )

    def check_books(self):
        for rules in SYMBOLS:
            book = self.tile.book_snapshot(rules.id, 1000)
            assert (book.bids, book.asks) == self.book(rules.id)


def test_books_follow_the_released_records():
    world = World()
    for _ in range(20):
        world.run(20, seed=world.flow.seq)
        world.release()
        world.settle()
        world.check_books()


def test_one_duty_cycle_applies_a_bounded_number_of_records():
    world = World(depth=8192)
    while world.flow.seq < 3 * DRAIN_MAX:
        world.flow.noise(1)
    world.release()

    assert world.tile.step() == DRAIN_MAX
    assert world.tile.step() == DRAIN_MAX


def test_a_lapped_tile_reads_the_log_up_to_the_ring_and_goes_on():
    world = World(depth=64)
    world.run(60)
    world.release()  # most of it is left out
    lost_from = 65
    world.settle()
    assert world.shadow.next_seq == lost_from
    world.run(3, seed=2)
    first_after = world.flow.taken + 1
    world.release()

    world.settle()

    assert world.reads == [(lost_from, first_after - 1)]
    assert world.shadow.next_seq == world.flow.seq + 1
    assert world.tile.counters()["marketdata_laps"] == 1
    assert world.tile.counters()["marketdata_reread"] == first_after - lost_from
    world.check_books()


def test_every_trade_is_printed_once_and_in_order_whatever_was_lapped():
    world = World(depth=32)
    dice = random.Random(4)
    for _ in range(300):
        for _ in range(dice.randrange(1, 30)):
            world.flow.random_step(dice, (1, 2))
        world.release()
        for _ in range(dice.randrange(4)):
            world.tile.step()
    world.flow.noise(1)
    world.settle()
    world.flow.noise(1)
    world.release()
    world.settle()

    oracle = FakeShadow(SYMBOLS)
    oracle.apply(b"".join(world.flow.records))
    assert world.tile.counters()["marketdata_laps"] > 3
    assert world.edge.trades == oracle.take_trades()
    world.check_books()


def test_records_left_out_with_none_after_them_are_found_by_the_released_number():
    released = [0]
    world = World(depth=64, released=lambda: released[0])
    world.run(80)
    world.release()
    released[0] = world.flow.seq
    world.settle()
    assert world.shadow.next_seq == 65

    world.clock.advance(SWEEP_NS)
    world.settle()

    assert world.shadow.next_seq == world.flow.seq + 1
    world.check_books()


def test_the_released_number_is_not_used_while_the_ring_holds_records():
    # Reading the log over them would leave the ring behind the books for ever.
    released = [0]
    world = World(released=lambda: released[0])
    world.run(30)
    world.release()
    released[0] = world.flow.seq

    for _ in range(5):
        world.clock.advance(SWEEP_NS)
        world.tile.step()

    assert world.reads == []
    assert world.shadow.next_seq == world.flow.seq + 1


def test_records_that_come_during_the_look_for_left_out_ones_are_not_read_twice():
    # The released number is read, then the ring looked at: what came in between is in the ring.
    world = World()

    def released():
        world.run(3, seed=world.flow.seq)
        world.release()
        return world.flow.seq

    world.tile._released = released
    for _ in range(5):
        world.clock.advance(SWEEP_NS)
        world.tile.step()
    world.settle()

    assert world.reads == []
    assert world.shadow.next_seq == world.flow.seq + 1


def test_a_log_that_ends_too_early_stops_the_exchange():
    world = World(depth=4)
    world.run(30)
    world.release()
    world.settle()
    world.flow.noise(1)
    world.release()
    world.flow.records = world.flow.records[:10]

    with pytest.raises(InvariantError):
        world.settle()


def test_a_group_cut_in_the_middle_leaves_the_book_not_whole_and_is_reported_at_its_end():
    world = World()
    world.flow.order(1, 1, 1000, 5)
    world.flow.order(1, 1, 1001, 5)
    world.flow.order(1, 0, 1001, 8)
    records = world.flow.take()
    world.ring.push_many(records[: 4 * 128])  # the second fill of the last order is missing
    world.settle()
    assert not world.shadow.whole(1)
    assert len(world.edge.trades) == 1

    world.ring.push_many(records[4 * 128 :])
    world.settle()

    assert world.shadow.whole(1)
    assert world.edge.changed[-1] == (1,)
    assert [trade[1] for trade in world.edge.trades] == [1000, 1001]


def test_recent_trades_are_newest_first_and_bounded():
    world = World(depth=8192)
    for number in range(TRADES_KEPT + 50):
        world.flow.order(1, 1, 1000, 1)
        world.flow.order(1, 0, 1000, 1)
        if number % 100 == 0:
            world.release()
            world.settle()
    world.release()
    world.settle()

    newest = world.tile.recent_trades(1, 3)
    assert [trade[5] for trade in newest] == sorted((t[5] for t in newest), reverse=True)
    assert newest[0][5] == world.flow.seq
    assert len(world.tile.recent_trades(1, 5000)) == TRADES_KEPT
    assert world.tile.recent_trades(2, 50) == []
    assert world.tile.recent_trades(1, 0) == []


def test_trades_of_the_log_are_loaded_before_the_start():
    world = World()
    world.tile.load([(1, 1000, 5, 0, 1, 1), (1, 1001, 5, 1, 2, 2)])

    assert [trade[5] for trade in world.tile.recent_trades(1, 10)] == [2, 1]


def test_unknown_symbols_are_refused_with_their_value():
    world = World()
    for ask in (world.tile.recent_trades, world.tile.book_snapshot):
        with pytest.raises(RequestError) as refused:
            ask(99, 5)
        assert refused.value.code is Reason.UNKNOWN_SYMBOL
        assert refused.value.value == 99


def test_a_rest_read_sees_what_was_released_before_it_was_asked():
    world = World()
    world.flow.order(1, 1, 1000, 5)
    world.ring.push_many(world.flow.take())
    assert world.tile.book_snapshot(1, 5).asks == [(1000, 5, 1)]

    world.flow.order(1, 0, 1000, 5)
    world.ring.push_many(world.flow.take())
    assert [trade[1:3] for trade in world.tile.recent_trades(1, 5)] == [(1000, 5)]


def test_a_rest_book_is_as_whole_as_the_ring_allows():
    world = World()
    world.flow.order(1, 1, 1000, 5)
    world.flow.order(1, 1, 1001, 5)
    world.flow.order(1, 0, 1001, 8)
    records = world.flow.take()
    world.ring.push_many(records[: 4 * 128])
    world.settle()
    world.ring.push_many(records[4 * 128 :])

    assert world.tile.book_snapshot(1, 5).asks == [(1001, 2, 1)]
    assert world.edge.changed[-1] == (1,)


def test_sweeps_keep_their_rhythm():
    world = World()
    for _ in range(50):
        world.tile.step()
        world.clock.advance(SWEEP_NS // 10)

    assert len(world.edge.sweeps) == 5


class Loop:
    """Remembers the timer that was set."""

    def __init__(self):
        self.delay_s = None

    def call_later(self, delay_s, function):
        self.delay_s, self.function = delay_s, function
        return self

    def cancel(self):
        self.delay_s = None


def test_a_timer_brings_the_next_publication_or_sweep_whichever_is_first():
    world = World()
    world.tile.loop = Loop()
    asyncio.run(world.tile.on_start())
    world.tile.step()
    assert world.tile.loop.delay_s == SWEEP_NS / 1e9

    world.edge.due_ns = world.clock.now_ns() + 1_200_000
    world.tile.step()
    assert world.tile.loop.delay_s == 0.002  # whole milliseconds, upwards

    world.tile.doorbell.arm()
    world.tile.loop.function()
    assert world.tile.doorbell.wait(0)

    world.edge.due_ns = 0
    world.tile.step()
    assert world.tile.loop.delay_s == SWEEP_NS / 1e9
    asyncio.run(world.tile.on_close())
    assert world.tile.loop.delay_s is None


def test_on_a_loop_it_follows_a_thread_and_sweeps_without_records():
    world = World(depth=4096)
    world.tile.clock = Clock.system()
    runner = AsyncRunner("marketdata", [world.tile])
    runner.start()
    try:
        for _ in range(50):
            world.run(10, seed=world.flow.seq)
            world.release()
        deadline = time.monotonic() + 20
        while world.shadow.next_seq <= world.flow.seq and time.monotonic() < deadline:
            time.sleep(0.001)
        swept = len(world.edge.sweeps)
        while len(world.edge.sweeps) < swept + 3 and time.monotonic() < deadline:
            time.sleep(0.001)
        book = asyncio.run_coroutine_threadsafe(_call(world.tile.book_snapshot, 1, 1000),
                                                world.tile.loop).result(5)  # fmt: skip
    finally:
        runner.stop()

    assert world.shadow.next_seq == world.flow.seq + 1
    assert len(world.edge.sweeps) >= swept + 3
    assert (book.bids, book.asks) == world.book(1)
    assert world.edge.closed


async def _call(function, *args):
    return function(*args)


def test_a_tile_without_an_edge_keeps_books_and_closes_sockets():
    world = World()
    tile = MarketData(None, SYMBOLS, world.clock, world.ring, world.log, world.shadow)
    world.run(20)
    world.release()
    while tile.step():
        pass

    class Socket:
        closed = False

        def close(self):
            self.closed = True

    sock = Socket()
    tile.adopt(sock, b"")
    assert sock.closed
    assert tile.book_snapshot(1, 1000).bids == world.book(1)[0]


# --- best prices for the mark tile (MK-7) -------------------------------------------------------


def best_of(ring):
    return [(v.symbol_id, v.bid_px, v.bid_qty, v.ask_px, v.ask_qty)
            for v in iterate(ring.pop(1024), crc=False)]  # fmt: skip


def sweep(world):
    world.clock.advance(SWEEP_NS)
    world.settle()


def test_best_prices_go_out_at_first_and_when_they_change_ten_times_a_second():
    """BOOK-41, BOOK-42: a change of quantity alone counts too."""
    ring = Ring("marketdata_mark", 16)
    world = World(best=ring)
    world.settle()
    assert best_of(ring) == [(1, 0, 0, 0, 0), (2, 0, 0, 0, 0)]

    world.flow.order(1, 0, 990, 5)
    world.flow.order(1, 1, 1010, 7)
    world.flow.order(1, 1, 1020, 7)
    world.release()
    world.settle()
    assert best_of(ring) == []  # not before the next look
    sweep(world)
    assert best_of(ring) == [(1, 990, 5, 1010, 7)]
    sweep(world)
    assert best_of(ring) == []

    world.flow.order(1, 1, 1030, 7)  # no best price
    world.flow.order(1, 0, 990, 3)
    world.release()
    sweep(world)
    assert best_of(ring) == [(1, 990, 8, 1010, 7)]


def test_best_prices_that_find_no_room_are_sent_later_as_they_are_then():
    ring = Ring("marketdata_mark", 4)
    for _ in range(4):
        ring.push(BBO_UPDATE.pack())
    world = World(best=ring)
    world.flow.order(2, 0, 900, 1)
    world.release()
    sweep(world)
    world.flow.order(2, 0, 910, 1)
    world.release()
    sweep(world)
    best_of(ring)
    sweep(world)

    assert best_of(ring) == [(1, 0, 0, 0, 0), (2, 910, 1, 0, 0)]


def test_best_prices_of_half_a_request_are_not_sent():
    ring = Ring("marketdata_mark", 16)
    world = World(best=ring)
    world.settle()
    best_of(ring)
    oid = world.flow.order(1, 0, 990, 5)
    world.flow.order(1, 0, 980, 5)
    world.release()
    sweep(world)
    assert best_of(ring) == [(1, 990, 5, 0, 0)]

    world.flow.cancel(oid, 0, 3110)
    world.release()
    sweep(world)
    assert best_of(ring) == []
    world.flow.cancel_all(1, [])
    world.release()
    sweep(world)
    assert best_of(ring) == [(1, 980, 5, 0, 0)]
