"""The order-by-order channel: walks, tapes, slow readers, sharing. Source: specs/marketdata.md
section 8, specs/wire.md W-25 to W-27."""

import random

import pytest
from edge.feed_client import Orders, frames_of
from edge.feed_world import Listener, World, compiled
from tiles.fake_shadow import FakeShadow

from rsx.edge import public_orders
from rsx.edge.public_feed import ALL, BOOK, ORDERS, PUBLISH_GAP_NS, TRADES
from rsx.edge.public_orders import (
    ENDED_WALKS_MAX,
    EVENTS_WAITING_MAX,
    TAPE_BYTES,
    WALK_AHEAD_BYTES,
    Tape,
)
from rsx.records import RECORD_SIZE

MAKES = [FakeShadow, compiled]


@pytest.fixture(params=MAKES, ids=["plain", "compiled"])
def world(request):
    return World(make=request.param)


def fill(world, count, px=5000, step=0, qty=5):
    """So many buy orders; returns their ids."""
    oids = [world.flow.order(1, 0, px - step * at, qty) for at in range(count)]
    world.apply()
    return oids


def once(world):
    """One publication."""
    world.now_ns += PUBLISH_GAP_NS * 10
    return world.feeds.publish(world.now_ns)


def resting(world):
    """What the flow itself thinks rests in symbol 1, in priority order."""
    rows = sorted(
        (side, px if side else -px, world.flow.arrived[oid], oid, px, left)
        for oid, (owner, side, px, left) in world.flow.resting.items()
        if owner == 1
    )
    return [(oid, side, px, left) for side, _, _, oid, px, left in rows]


# --- what a subscription begins with --------------------------------------------------------


def test_an_empty_book_is_a_snapshot_of_no_orders(world):
    reader = Listener()
    world.subscribe(reader, 1, ORDERS)

    assert reader.read() == [("LS", [1, 0, 0, [], 0, 0, 0]), ("LS", [1, 1, 1, [], 0, 0, 0])]


def test_the_snapshot_has_every_order_in_priority_order(world):
    a = world.flow.order(1, 0, 990, 1)
    b = world.flow.order(1, 0, 991, 2)
    c = world.flow.order(1, 0, 991, 3)
    d = world.flow.order(1, 1, 1001, 4)
    e = world.flow.order(1, 1, 1000, 5)
    world.apply()
    reader = Listener()
    world.subscribe(reader, 1, ORDERS)

    rows = [[b, 0, 991, 2], [c, 0, 991, 3], [a, 0, 990, 1], [e, 1, 1000, 5], [d, 1, 1001, 4]]
    assert reader.read() == [
        ("LS", [1, 0, 0, [], 5000, 5, 0]),
        ("LS", [1, 1, 1, rows, 5000, 5, 5]),
    ]


def test_the_worked_example_of_every_kind(world):
    reader = Listener()
    world.subscribe(reader, 1, ORDERS)
    reader.read()
    flow = world.flow
    a, b = flow.order(1, 0, 1000, 10), flow.order(1, 0, 1000, 4)
    flow.order(1, 1, 1000, 3)  # trades with a
    flow.trim(a, 1)
    flow.amend(a, 1000, 5)  # keeps its place
    flow.amend(a, 1000, 6)  # goes to the back
    flow.cancel(b)
    c = flow.order(1, 1, 1001, 2)
    flow.amend(a, 1001, 7)  # trades with c and rests
    world.apply()
    world.publish()

    ((key, fields),) = reader.read()
    assert (key, fields[0], fields[2:]) == ("L", 1, [flow.seq, 0])
    assert [row[:6] for row in fields[1]] == [
        [0, a, 0, 1000, 10, 10],
        [0, b, 0, 1000, 4, 4],
        [1, a, 0, 1000, 3, 7],
        [2, a, 0, 1000, 1, 6],
        [4, a, 0, 1000, 1, 5],
        [5, a, 0, 1000, 6, 6],
        [3, b, 0, 1000, 4, 0],
        [0, c, 1, 1001, 2, 2],
        [6, a, 0, 1000, 6, 0],
        [1, c, 1, 1001, 2, 0],
        [0, a, 0, 1001, 5, 5],
    ]  # fmt: skip
    numbers = [row[7] for row in fields[1]]
    assert numbers == sorted(set(numbers)) and numbers[-1] == flow.seq
    assert [row[6] for row in fields[1]] == [number * 1000 for number in numbers]


def test_an_order_that_never_rests_is_told_by_its_trades_alone(world):
    reader = Listener()
    maker = world.flow.order(1, 1, 1000, 5)
    world.apply()
    world.subscribe(reader, 1, ORDERS)
    reader.read()
    world.flow.order(1, 0, 1000, 3, ioc=True)
    world.flow.order(1, 0, 990, 3, ioc=True)
    world.flow.noise(1)
    world.apply()
    world.publish()

    ((key, fields),) = reader.read()
    assert key == "L"
    assert [row[:6] for row in fields[1]] == [[1, maker, 1, 1000, 3, 2]]


def test_no_user_and_no_client_id_is_told():
    """Rows are of the length that W-25 and W-26 say: there is no room for more."""
    world, reader = World(make=compiled), Listener()
    dice = random.Random(3)
    world.subscribe(reader, 1, ORDERS)
    for _ in range(200):
        world.flow.random_step(dice)
    world.apply()
    world.publish()
    again = Listener()
    world.subscribe(again, 1, ORDERS)
    for key, fields in reader.read() + again.read():
        rows = fields[3] if key == "LS" else fields[1]
        assert all(len(row) == (4 if key == "LS" else 8) for row in rows)


def test_subscribing_again_begins_anew(world):
    reader = Listener()
    fill(world, 3)
    world.subscribe(reader, 1, ORDERS)
    fill(world, 2)
    world.publish()
    reader.read()
    reader.followers.clear()

    world.subscribe(reader, 1, ORDERS)
    keys = [key for key, _ in reader.read()]
    assert keys == ["LS", "LS"]
    assert reader.follow(1).orders.resting() == resting(world)
    assert reader.follow(1).orders.gaps == []


def test_the_channel_can_be_added_and_taken_away_alone(world):
    reader = Listener()
    fill(world, 3)
    world.subscribe(reader, 1, BOOK)
    reader.read()
    world.subscribe(reader, 1, ORDERS)
    assert {key for key, _ in reader.read()} == {"LS"}
    world.feeds.unsubscribe(reader, 1, ORDERS)
    fill(world, 1)
    world.publish()

    assert [key for key, _ in reader.read()] == ["D"]
    assert world.shadow.l3_waiting(1) == 0
    world.feeds.unsubscribe(reader, 1, 0)
    assert world.feeds._active == {}


def test_nothing_is_kept_without_subscribers(world):
    fill(world, 10)
    assert world.shadow.l3_waiting(1) == 0
    reader = Listener()
    world.subscribe(reader, 1, ORDERS)
    world.feeds.drop(reader)
    fill(world, 10)
    assert world.shadow.l3_waiting(1) == 0
    assert world.feeds._feeds[1].orders.places == {}


def test_events_do_not_wait_for_the_end_of_a_request(world):
    reader = Listener()
    oids = fill(world, 6)
    world.subscribe(reader, 1, ORDERS)
    reader.read()
    world.flow.cancel_all(1, oids)
    data = world.flow.take()
    world.shadow.apply(data[: 4 * RECORD_SIZE])
    world.note()
    once(world)

    assert [row[0] for _, fields in reader.read() for row in fields[1]] == [3] * 4
    world.shadow.apply(data[4 * RECORD_SIZE :])
    once(world)
    assert [row[0] for _, fields in reader.read() for row in fields[1]] == [3] * 2


# --- large books ----------------------------------------------------------------------------


def test_a_large_book_comes_in_parts_one_in_a_publication(world):
    reader = Listener()
    fill(world, 1800, step=1)
    world.subscribe(reader, 1, ORDERS)
    frames = reader.read()
    assert [fields[1:3] for _, fields in frames] == [[0, 0], [1, 0]]
    for part, last in ((2, 0), (3, 0), (4, 1)):
        assert once(world) == 1
        ((_, fields),) = reader.read()
        assert fields[1:3] == [part, last] and len(fields[3]) <= 500
    assert reader.follow(1).orders.resting() == resting(world)
    assert once(world) == 0
    assert world.feeds.next_due_ns == 0


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("make", MAKES)
def test_a_book_that_changes_while_it_is_sent_arrives_whole(make, seed):
    """INV-26: readers that join in the middle, wait for the next walk, or have the book already."""
    world, dice = World(make=make), random.Random(seed)
    for _ in range(1100):
        world.flow.order(1, dice.randrange(2), 1000, 1) if dice.random() < 0.2 else None
        side = dice.randrange(2)
        px = 1000 + dice.randrange(1, 40) * (1 if side else -1)
        world.flow.order(1, side, px, dice.randrange(1, 20))
    world.apply()
    readers = []
    checks = [0]

    def check(orders, number):
        if number == world.flow.seq:
            checks[0] += 1
            assert orders.resting() == resting(world)

    for step in range(60):
        if step % 7 == 0:
            reader = Listener()
            reader.watches[1] = check
            readers.append(reader)
            world.subscribe(reader, 1, ORDERS)
        for _ in range(dice.randrange(1, 8)):
            world.flow.random_step(dice, (1,), 80)
        world.apply()
        once(world)
        for reader in readers:
            reader.read()
    for _ in range(20):
        once(world)
    for reader in readers:
        reader.read()
        orders = reader.follow(1).orders
        assert orders.whole and orders.gaps == []
        assert orders.resting() == resting(world)
    assert checks[0] > 100
    assert world.feeds.stats["l3_cuts"] == 0


def test_who_comes_during_a_walk_joins_it(world):
    first, second = Listener(), Listener()
    fill(world, 1200, step=1)
    world.subscribe(first, 1, ORDERS)
    once(world)
    world.subscribe(second, 1, ORDERS)
    for _ in range(3):
        once(world)

    assert world.feeds.stats["l3_snapshots"] == 1
    for reader in (first, second):
        reader.read()
        assert reader.follow(1).orders.resting() == resting(world)


def test_who_comes_when_the_beginning_is_gone_waits_for_the_next_walk(world, monkeypatch):
    monkeypatch.setattr(public_orders, "TAPE_BYTES", 30_000)
    first, second = Listener(), Listener()
    fill(world, 2600, step=1)
    world.subscribe(first, 1, ORDERS)
    for _ in range(3):
        once(world)
    world.subscribe(second, 1, ORDERS)
    once(world)
    assert [key for key, _ in second.read()] == []
    for _ in range(12):
        once(world)

    assert world.feeds.stats["l3_snapshots"] == 2
    for reader in (first, second):
        reader.read()
        assert reader.follow(1).orders.whole
        assert reader.follow(1).orders.resting() == resting(world)


def test_a_walk_ends_with_its_last_reader(world):
    first, second = Listener(), Listener()
    fill(world, 1800, step=1)
    world.subscribe(second, 1, ORDERS)
    for _ in range(5):
        once(world)
    world.subscribe(first, 1, ORDERS)
    assert world.feeds._feeds[1].orders.walk is not None
    world.feeds.drop(first)
    once(world)

    assert world.feeds._feeds[1].orders.walk is None
    fill(world, 1)
    world.publish()
    second.read()
    assert second.follow(1).orders.resting() == resting(world)


# --- sharing and bounds ---------------------------------------------------------------------


def test_readers_get_the_same_bytes_objects():
    world = World(make=compiled)
    got = []
    readers = [Listener() for _ in range(5)]
    for reader in readers:
        world.subscribe(reader, 1, ORDERS)
        reader.write = got.append
    taken = []
    take = world.shadow.l3_take

    class Counting:
        def __getattr__(self, name):
            return getattr(world.shadow, name)

        def l3_take(self, symbol_id):
            taken.append(symbol_id)
            return take(symbol_id)

    world.feeds._feeds[1].orders._shadow = Counting()
    fill(world, 100)
    once(world)

    assert len(got) == 5 and len({id(data) for data in got}) == 1
    assert len(taken) == 2  # the second finds nothing left


def test_many_events_come_in_frames_of_bounded_size_and_do_not_wait_for_the_gap(world):
    reader = Listener()
    world.subscribe(reader, 1, ORDERS)
    fill(world, 1)
    world.feeds.publish(10**9)
    reader.read()
    fill(world, 10)
    assert world.feeds.publish(10**9 + 1) == 0  # within the gap
    fill(world, EVENTS_WAITING_MAX, step=0)
    assert world.feeds.publish(10**9 + 2) == 1

    data = reader.data
    frames = reader.read()
    assert len(frames) == -(-(EVENTS_WAITING_MAX + 10) // 512)
    assert all(len(fields[1]) <= 512 for _, fields in frames)
    assert len(data) / len(frames) < 64 * 1024
    assert reader.follow(1).orders.resting() == resting(world)


def test_rows_of_the_largest_numbers_stay_below_64_kib():
    world, reader = World(make=compiled), Listener()
    world.subscribe(reader, 1, ORDERS)
    world.flow.oid = 2**53 - 2000
    world.flow.seq = 0
    for _ in range(1200):
        world.flow.order(1, 0, 1_000_000, 2**62)
    world.apply()
    writes = []
    reader.write = writes.append
    once(world)

    assert len(writes) >= 3
    assert max(map(len, writes)) < 64 * 1024
    rows = [row for data in writes for _, fields in frames_of(data) for row in fields[1]]
    assert [row[1] for row in rows] == list(range(2**53 - 1999, 2**53 - 799))
    assert all(row[3:6] == [1_000_000, 2**62, 2**62] for row in rows)


def test_a_tape_keeps_its_newest_bytes():
    tape = Tape()
    for number in range(100):
        tape.append(bytes(100_000), number)
    assert tape.bytes_kept <= TAPE_BYTES < tape.bytes_kept + 100_000
    assert (tape.end, tape[99][1], tape[tape.first][1]) == (100, 99, tape.first)
    assert tape.behind(100) == 0
    assert tape.behind(98) == 200_000
    tape.clear()
    assert tape.first > 100 and tape.bytes_kept == 0


# --- slow readers ---------------------------------------------------------------------------


def test_a_slow_reader_goes_on_where_it_was(world):
    slow = Listener()
    fill(world, 3)
    world.subscribe(slow, 1, ORDERS)
    slow.read()
    slow.slow = True
    for _ in range(5):
        fill(world, 2)
        once(world)
    assert slow.data == b"" and slow.held

    slow.slow = False
    world.feeds.recover(slow, world.now_ns)
    assert [key for key, _ in slow.read()] == ["L"] * 5
    assert slow.follow(1).orders.resting() == resting(world)
    assert not slow.held
    assert world.feeds.stats["l3_cuts"] == 0


def test_a_reader_too_far_behind_is_cut_and_sees_the_gap_while_others_see_none(world, monkeypatch):
    monkeypatch.setattr(public_orders, "TAPE_BYTES", 20_000)
    slow, fast = Listener(), Listener()
    for reader in (slow, fast):
        world.subscribe(reader, 1, ORDERS)
    fill(world, 3)
    once(world)
    slow.read()
    had = slow.follow(1).orders.u
    slow.slow = True
    for _ in range(50):
        fill(world, 20)
        once(world)
        fast.read()
    slow.slow = False
    for _ in range(4):
        world.feeds.recover(slow, world.now_ns)
        once(world)

    keys = [key for key, _ in slow.read()]
    assert set(keys) == {"LS"}
    assert slow.follow(1).orders.gaps == [(had, world.flow.seq)]
    assert fast.follow(1).orders.gaps == []
    for reader in (slow, fast):
        assert reader.follow(1).orders.resting() == resting(world)
    assert world.feeds.stats["l3_cuts"] == 1


def test_a_reader_is_given_frame_by_frame(world):
    reader = Listener()
    fill(world, 2000, step=1)
    frames = []

    def one(data):
        frames.append(data)
        reader.slow = True

    reader.write = one
    world.subscribe(reader, 1, ORDERS)
    for _ in range(8):
        once(world)
        reader.slow = False
        world.feeds.recover(reader, world.now_ns)

    parts = [fields[1:3] for data in frames for key, fields in frames_of(data) if key == "LS"]
    assert parts == [[0, 0], [1, 0], [2, 0], [3, 0], [4, 1]]
    assert all(len(list(frames_of(data))) == 1 for data in frames)


def test_a_walk_stops_where_its_fastest_reader_is_far_behind_and_others_do_not_wait(
    world, monkeypatch
):
    monkeypatch.setattr(public_orders, "WALK_AHEAD_BYTES", 25_000)
    stuck = Listener()
    fill(world, 4000, step=1)
    world.subscribe(stuck, 1, ORDERS)
    stuck.slow = True
    for _ in range(12):
        once(world)
    orders = world.feeds._feeds[1].orders
    assert orders.walk is not None and orders.walk.part < 6
    assert orders.walk.tape.bytes_kept < 50_000

    fast = Listener()
    world.subscribe(fast, 1, ORDERS)
    for _ in range(12):
        once(world)
    fast.read()
    assert fast.follow(1).orders.whole
    assert fast.follow(1).orders.resting() == resting(world)
    stuck.slow = False
    for _ in range(12):
        world.feeds.recover(stuck, world.now_ns)
        once(world)
    stuck.read()
    assert stuck.follow(1).orders.resting() == resting(world)


def test_ended_walks_that_are_kept_are_few(world):
    fill(world, 1200, step=1)
    slow = [Listener() for _ in range(ENDED_WALKS_MAX + 3)]
    fast = Listener()
    for reader in slow:
        world.subscribe(reader, 1, ORDERS)
        reader.slow = True
        world.subscribe(fast, 1, ORDERS)
        fast.followers.clear()
        for _ in range(4):
            once(world)
        fast.read()
    orders = world.feeds._feeds[1].orders
    assert len(orders.ended) <= ENDED_WALKS_MAX

    for reader in slow:
        reader.slow = False
    for _ in range(8):
        for reader in slow:
            world.feeds.recover(reader, world.now_ns)
        once(world)
    for reader in slow:
        reader.read()
        assert reader.follow(1).orders.resting() == resting(world)


def test_when_events_are_lost_everybody_gets_a_fresh_snapshot():
    world = World()
    readers = [Listener(), Listener()]
    for reader in readers:
        world.subscribe(reader, 1, ORDERS)
    fill(world, 4)
    once(world)
    for reader in readers:
        reader.read()
    world.shadow.lose = True
    fill(world, 3)
    for _ in range(3):
        once(world)

    for reader in readers:
        reader.read()
        assert len(reader.follow(1).orders.gaps) == 1
        assert reader.follow(1).orders.resting() == resting(world)


def test_more_events_than_are_kept_are_lost_and_said_to_be():
    world, reader = World(make=compiled), Listener()
    oids = fill(world, 50)
    world.subscribe(reader, 1, ORDERS)
    reader.read()
    for number in range(1400):
        for oid in oids:
            world.flow.amend(oid, 1000 - number % 2, 5 + number % 3)
        if number % 100 == 0:
            world.shadow.apply(world.flow.take())
    world.shadow.apply(world.flow.take())
    for _ in range(3):
        once(world)

    reader.read()
    assert len(reader.follow(1).orders.gaps) == 1
    assert reader.follow(1).orders.resting() == resting(world)
    fill(world, 2)
    once(world)
    reader.read()
    assert reader.follow(1).orders.resting() == resting(world)


@pytest.mark.parametrize("seed", range(8))
@pytest.mark.parametrize("make", MAKES)
def test_slowness_of_some_costs_the_others_nothing(make, seed, monkeypatch):
    """INV-26: whoever is told a whole book has it right, after every event."""
    monkeypatch.setattr(public_orders, "TAPE_BYTES", 6_000)
    monkeypatch.setattr(public_orders, "WALK_AHEAD_BYTES", 5_000)
    world, dice = World(make=make), random.Random(seed)
    history = {}

    def check(orders, number):
        assert orders.resting() == history[number], number

    def record(data):
        oracle.apply(data)
        history[oracle.last(1)[0]] = oracle.books[1].resting_orders()

    oracle = World().shadow
    history[0] = []
    steady = Listener()
    readers = [steady] + [Listener() for _ in range(4)]
    for reader in readers:
        reader.watches[1] = check
        world.subscribe(reader, 1, ORDERS | TRADES)
    for _ in range(250):
        for _ in range(dice.randrange(1, 12)):
            world.flow.random_step(dice, (1,), 60)
        data = world.flow.take()
        for at in range(0, len(data), RECORD_SIZE):
            record(data[at : at + RECORD_SIZE])
            world.shadow.apply(data[at : at + RECORD_SIZE])
            if dice.random() < 0.02:
                once(world)
        world.note()
        once(world)
        if dice.random() < 0.3:
            reader = dice.choice(readers[1:])
            reader.slow = not reader.slow
            if not reader.slow:
                world.feeds.recover(reader, world.now_ns)
        for each in readers:
            each.read()
    for reader in readers:
        reader.slow = False
    for _ in range(12):
        for reader in readers:
            world.feeds.recover(reader, world.now_ns)
        once(world)
    for reader in readers:
        reader.read()
        assert reader.follow(1).orders.resting() == resting(world)
    assert steady.follow(1).orders.gaps == []
    assert steady.follow(1).trade_gaps == []
    assert world.feeds.stats["l3_cuts"] > 0


def test_bounds_are_those_of_the_specification():
    assert (TAPE_BYTES, WALK_AHEAD_BYTES, EVENTS_WAITING_MAX) == (4 << 20, 1 << 20, 8192)
    assert ORDERS & ALL and Orders
