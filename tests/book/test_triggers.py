"""The trigger book against a plain list: who is due, in which order, with which extreme."""

from __future__ import annotations

import random

import pytest
from book.trigger_list import (
    BUY,
    FIRED_MAX,
    PROFIT,
    PROFIT_LIMIT,
    SELL,
    STOP,
    STOP_LIMIT,
    TRAILING,
    TriggerList,
)
from hypothesis import given
from hypothesis import strategies as st

from rsx.book.triggers import TriggerBook

USERS = 4
I64_MAX = (1 << 63) - 1
KINDS = [STOP, STOP_LIMIT, PROFIT, PROFIT_LIMIT, TRAILING, TRAILING, TRAILING]
SMALL = st.integers(1, 30)
LARGE = st.one_of(st.integers(1, 1 << 60), st.integers(I64_MAX - 40, I64_MAX))
PX = st.one_of(SMALL, SMALL, LARGE)
PLACE = st.tuples(
    st.just("place"), st.sampled_from(KINDS), st.integers(0, 1), PX, st.booleans(),
    st.one_of(st.integers(-20, -1), st.integers(1, 999_999), st.sampled_from([1, 999_999])),
    st.booleans(), st.integers(0, 3),
)  # fmt: skip
STEPS = st.lists(
    st.one_of(
        PLACE, PLACE,
        st.tuples(st.just("price"), PX, st.booleans()),
        st.tuples(st.just("price"), PX, st.booleans(), PX),
        st.tuples(st.sampled_from(["end", "drop", "settle"]), st.integers(0, 1 << 16)),
        st.tuples(st.sampled_from(["fire", "expire"])),
    ),
    max_size=60,
)  # fmt: skip


class Pair:
    """Both books, asked the same; every answer and every look must agree."""

    def __init__(self, triggers_max, budget):
        self.books = TriggerBook(triggers_max, USERS), TriggerList(triggers_max)
        self.budget = budget
        self.oids = 0
        self.px = {False: 10, True: 10}

    def both(self, verb, *args, **more):
        compiled, plain = (getattr(book, verb)(*args, **more) for book in self.books)
        assert compiled == plain, verb
        return compiled

    def look(self):
        self.books[0].audit()
        for verb in ("counts", "extremes", "expires_next"):
            self.both(verb)
        for user in range(1, USERS + 1):
            self.both("of_user", user)

    def place(self, kind, side, px, last, trail, at_once, expire_s):
        """A trigger on its right side, as an engine takes it (TR-3)."""
        self.oids += 1
        now = self.px[last]
        rising = (side == SELL) if kind >= PROFIT else (side == BUY)
        px = now + 1 + px % (1 << 59) if rising else now - 1 - px % now
        if not 1 <= px <= I64_MAX:
            return
        more = {}
        if kind == TRAILING:
            px = 0 if at_once else px
            more = {"trail_px": -trail} if trail < 0 else {"trail_ppm": trail}
        user = 1 + self.oids % USERS
        self.both("place", self.oids * 7919 % 10007, user, kind, side, px, last=last,
                  expire_s=expire_s, px=now, **more)  # fmt: skip

    def price(self, px, last, then_px=0):
        self.px[last] = then_px or px
        compiled, plain = self.books
        compiled.price(px, then_px=then_px, last=last)
        plain.price(px, last=last)
        if then_px:
            plain.price(then_px, last=last)
        while not self.books[0].step(self.budget):
            self.books[0].audit()

    def any_oid(self, number, states):
        oids = [oid for oid, row in self.books[1].rows.items() if row.state in states]
        return oids[number % len(oids)] if oids else None

    def run(self, step):
        verb, *args = step
        if verb in ("place", "price"):
            getattr(self, verb)(*args)
        elif verb == "fire":
            self.both("fire")
        elif verb == "expire":
            if (due := self.both("expires_next")) is not None:
                self.both("end", due[1])
        else:
            states = {
                "end": ("waiting", "due", "fired"),
                "drop": ("fired", "ended"),
                "settle": ("waiting", "due"),
            }[verb]
            if (oid := self.any_oid(args[0], states)) is not None:
                self.both(verb, oid)

    def fire_all(self):
        while (fired := self.both("fire")) is not None:
            self.both("drop", fired[0])


@given(triggers_max=st.sampled_from([2, 40]), budget=st.sampled_from([1, 3, 1000]), steps=STEPS)
def test_it_does_what_a_plain_list_does(triggers_max, budget, steps):
    pair = Pair(triggers_max, budget)

    for step in steps:
        pair.run(step)
        pair.look()

    pair.fire_all()
    pair.look()


@pytest.mark.parametrize("seed", range(4))
def test_hundreds_trail_a_wandering_price_as_a_plain_list_says(seed):
    """Trailing stops by distance and by rate, on mark and on last, both sides."""
    rng = random.Random(seed)
    pair = Pair(400, budget=rng.choice([1, 7, 1000]))
    px = 100_000

    for turn in range(1500):
        px = max(1, px + rng.choice([-1, 1]) * rng.choice([0, 1, 5, 5, 80, 900]))
        for _ in range(rng.randrange(4)):
            trail = -rng.randrange(1, 3000) if rng.random() < 0.5 else rng.randrange(1, 30_000)
            pair.place(rng.choice(KINDS), rng.randrange(2), rng.randrange(2000),
                       rng.random() < 0.3, trail, rng.random() < 0.7, rng.randrange(3))  # fmt: skip
        then_px = px + rng.randrange(200) if rng.random() < 0.2 else 0  # a sweep (TR-4)
        pair.price(px, rng.random() < 0.3, then_px)
        for _ in range(rng.randrange(3)):
            pair.run((rng.choice(["end", "drop", "fire", "fire", "settle"]), rng.randrange(1000)))
        if turn % 50 == 0:
            pair.look()

    pair.look()
    pair.fire_all()


def due_order(book):
    return [fired[0] for fired in iter(book.fire, None)]


def move(book, px, *, last=False):
    book.price(px, last=last)
    assert book.step()


def test_rising_ones_come_lowest_first_then_falling_ones_highest_first_then_trailing_by_id():
    """TR-5. A gap, as after a halt, reaches both sides at once."""
    book = TriggerBook(16)
    book.place(9, 1, STOP, BUY, 102)
    book.place(8, 1, STOP, BUY, 101)
    book.place(7, 1, PROFIT, SELL, 101)
    book.place(5, 1, STOP, SELL, 105)
    book.place(6, 1, STOP, SELL, 110)
    book.place(2, 1, TRAILING, SELL, 0, trail_px=5, px=110)
    book.place(1, 1, TRAILING, BUY, 0, trail_px=5, px=95)
    book.place(3, 1, TRAILING, BUY, 0, trail_ppm=20_000, px=95)

    move(book, 103)

    assert due_order(book) == [7, 8, 9, 6, 5, 1, 2, 3]


def test_those_that_an_earlier_price_made_due_fire_first_whatever_the_price_does_then():
    """TR-5."""
    book = TriggerBook(16)
    book.place(2, 1, STOP, BUY, 105)
    book.place(1, 1, STOP, SELL, 95)
    move(book, 106)
    move(book, 94)
    move(book, 100)

    assert book.fire() == (2, 105, 106)
    assert book.fire() == (1, 95, 94)
    assert book.fire() is None


def test_mark_and_last_reach_their_own():
    """TR-1."""
    book = TriggerBook(16)
    book.place(1, 1, STOP, BUY, 105)
    book.place(2, 1, STOP, BUY, 105, last=True)

    move(book, 105, last=True)
    assert due_order(book) == [2]
    move(book, 105)
    assert due_order(book) == [1]


def test_the_trailing_stop_of_the_spec():
    """Section 15: sell trailing stop d = 5, last 100; 104, 100, 99 -> highest 104, fires at 99."""
    book = TriggerBook(16)
    book.place(1, 1, TRAILING, SELL, 0, trail_px=5, px=100)
    move(book, 104)
    move(book, 100)
    assert book.extremes() == {1: 104}
    assert book.fire() is None

    move(book, 99)
    assert book.fire() == (1, 99, 99)


def test_a_rate_is_rounded_up_so_the_level_is_further_from_the_extreme():
    """TR-2: 1.5 % of 101 is 1.515, so 2: a sell fires at 99, a buy that trails 101 at 103."""
    book = TriggerBook(16)
    book.place(1, 1, TRAILING, SELL, 0, trail_ppm=15_000, px=101)
    book.place(2, 1, TRAILING, BUY, 0, trail_ppm=15_000, px=101, last=True)

    move(book, 100)
    move(book, 102, last=True)
    assert book.fire() is None
    move(book, 99)
    move(book, 103, last=True)
    assert book.fire() == (1, 99, 99)
    assert book.fire() == (2, 103, 103)


def test_a_sell_whose_distance_is_the_whole_price_never_fires():
    book = TriggerBook(16)
    book.place(1, 1, TRAILING, SELL, 0, trail_px=100, px=100)
    book.place(2, 1, TRAILING, SELL, 0, trail_ppm=999_999, px=100)
    move(book, 1)

    assert book.fire() is None
    book.audit()


def test_a_trailing_stop_wakes_at_its_activation_price_and_trails_from_the_price_that_woke_it():
    """TR-2."""
    book = TriggerBook(16)
    book.place(1, 1, TRAILING, SELL, 110, trail_px=5, px=100)
    move(book, 90)
    assert book.extremes() == {}
    move(book, 112)
    assert book.extremes() == {1: 112}
    move(book, 108)
    assert book.fire() is None
    move(book, 107)
    assert book.fire() == (1, 107, 107)


def test_at_most_1024_are_fired_and_not_yet_back():
    """TR-5, TR-7: one that was cancelled after firing is not back, but takes no place."""
    book = TriggerBook(2000)
    for oid in range(1, 2001):
        assert book.place(oid, 1, STOP, BUY, 100 + oid)
    assert not book.place(2001, 1, STOP, BUY, 101)
    move(book, 5000)

    fired = due_order(book)
    assert fired == list(range(1, FIRED_MAX + 1))
    book.end(1)
    assert book.fire() is None
    assert book.place(2001, 1, STOP, BUY, 6000)
    assert not book.place(2002, 1, STOP, BUY, 6000)
    book.audit()
    book.drop(1)
    assert book.fire()[0] == FIRED_MAX + 1
    book.audit()


def test_due_or_waiting_makes_no_difference_to_the_hash_but_extreme_and_fired_do():
    """F-3."""
    books = [TriggerBook(16), TriggerBook(16)]
    for book in books:
        book.place(1, 1, STOP, BUY, 105)
        book.place(2, 1, TRAILING, SELL, 0, trail_px=5, px=100)
    before = books[0].hash
    assert books[1].hash == before

    move(books[0], 105)
    assert books[0].hash != before  # the extreme
    books[1].price(105)
    while not books[1].step(1):
        pass
    assert books[1].hash == books[0].hash
    trailed = books[1].hash
    books[1].fire()
    assert books[1].hash != trailed
    books[0].settle(1)
    assert books[0].hash == books[1].hash


def test_a_price_that_concerns_nobody_is_through_at_once():
    """The quiet range lies between the nearest level of a trailing stop and the lowest high."""
    book = TriggerBook(16)
    book.place(1, 1, STOP, BUY, 110)
    book.place(2, 1, TRAILING, SELL, 0, trail_px=5, px=100)
    book.place(3, 1, TRAILING, BUY, 0, trail_ppm=70_000, px=96)

    for px in (100, 99, 97, 96):
        book.price(px, then_px=px - 1 if px > 96 else 0)
        assert not book.is_moving(), px
    for px in (95, 110):
        book.price(px)
        assert book.is_moving(), px
        assert book.step()


def test_levels_beyond_64_bits_never_fire():
    book = TriggerBook(16)
    book.place(1, 1, TRAILING, BUY, 0, trail_ppm=999_999, px=I64_MAX)
    book.place(2, 1, TRAILING, BUY, 0, trail_px=I64_MAX, px=I64_MAX)
    book.place(3, 1, TRAILING, BUY, 0, trail_px=4, px=I64_MAX)
    book.place(4, 1, TRAILING, SELL, 0, trail_px=I64_MAX, px=I64_MAX)
    move(book, I64_MAX - 9)
    move(book, I64_MAX)

    assert due_order(book) == [3]
    book.audit()


def test_a_price_takes_one_trigger_at_a_time_when_asked_to():
    """M-12: bounded work; the order is that of one go."""
    whole, parts = TriggerBook(64), TriggerBook(64)
    rng = random.Random(1)
    for oid in range(1, 60):
        more = (oid, 1, rng.choice([STOP, TRAILING]), SELL)
        px = rng.randrange(90, 100)
        for book in (whole, parts):
            if more[2] == STOP:
                book.place(*more, px)
            else:
                book.place(*more, 0, trail_px=1 + px % 7, px=100)
    for px in (101, 92):
        move(whole, px)
        parts.price(px)
        steps = 0
        while not parts.step(1):
            parts.audit()
            steps += 1
        assert steps > 0

    assert due_order(whole) == due_order(parts)
    assert whole.hash == parts.hash
