"""Windows, chains, conflation, slow readers, without sockets. Source: specs/marketdata.md."""

import pytest
from edge.feed_world import LEVELS, Listener, World
from hypothesis import given
from hypothesis import strategies as st

from rsx.edge.public_feed import (
    ALL,
    BBO,
    BOOK,
    FEEDS_PER_PASS,
    ORDERS,
    PUBLISH_GAP_NS,
    SUBSCRIPTIONS_MAX,
    TRADES,
    TRADES_WAITING_MAX,
    difference,
)
from rsx.edge.public_frames import text_frame
from rsx.errors import Reason, RequestError
from rsx.records import RECORD_SIZE

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


def test_the_worked_example_of_a_batch_with_mode_and_orders():
    """W-21, BOOK-95: the numbers are those of the log."""
    world, reader = World(), Listener()
    maker = world.flow.order(1, 1, 1000, 5)
    world.apply()
    world.subscribe(reader, 1, ALL)
    assert [key for key, _ in reader.read(modes=True)] == ["MO", "B", "BBO", "LS", "LS"]
    world.flow.order(1, 0, 1000, 2)
    world.flow.set_mode(1, 2)
    world.apply()
    world.publish()

    assert reader.read(modes=True) == [
        ("MO", [1, 2, 4000, 4]),
        ("T", [1, 1000, 2, 0, 3000, 3, 0]),
        ("D", [1, [], [[1000, 3, 1]], 4000, 4, 1]),
        ("BBO", [1, 0, 0, 0, 1000, 3, 1, 4000, 4, 1]),
        ("L", [1, [[1, maker, 1, 1000, 2, 3, 3000, 3]], 3, 1]),
    ]


def test_a_mode_that_changed_while_a_reader_was_slow_is_told_once_as_it_is_now():
    world, reader = World(), Listener()
    world.subscribe(reader, 1, TRADES)
    reader.read()
    reader.slow = True
    for mode in (1, 2, 3):
        world.flow.set_mode(1, mode)
        world.apply()
        world.publish()
    assert reader.held
    reader.slow = False
    world.feeds.recover(reader, world.now_ns)

    assert reader.read(modes=True) == [("MO", [1, 3, 3000, 3])]


def test_every_subscription_is_told_the_mode_first():
    world, reader = World(), Listener()
    world.flow.set_mode(1, 1)
    world.apply()
    for mask in (BBO, BOOK, TRADES, ORDERS, ALL):
        reader.followers.clear()
        world.subscribe(reader, 1, mask)
        assert reader.read(modes=True)[0] == ("MO", [1, 1, 1000, 1])


def test_events_that_a_new_reader_brought_forward_reach_the_others_too():
    world, first, second = World(), Listener(), Listener()
    world.subscribe(first, 1, ORDERS)
    first.read()
    world.flow.order(1, 1, 1000, 5)
    world.flow.order(1, 0, 1000, 2)
    world.shadow.apply(world.flow.take())
    world.subscribe(second, 1, ORDERS)
    world.publish()

    for reader in (first, second):
        reader.read()
        assert reader.follow(1).orders.resting() == [(1, 1, 1000, 3)]


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

    world.subscribe(reader, 1, LEVELS, 7)  # no window of this depth yet
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
    assert list(reader.masks().values()) == [BBO | BOOK] * 2
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


@pytest.mark.parametrize("size, head", [(0, 2), (125, 2), (126, 4), (65535, 4), (65536, 10)])
def test_frames_of_every_size_have_the_right_header(size, head):
    frame = text_frame(b"x" * size)

    assert frame[0] == 0x81
    assert len(frame) == head + size
    length = frame[1] if head == 2 else int.from_bytes(frame[2:head], "big")
    assert length == size
    assert frame[head:] == b"x" * size
