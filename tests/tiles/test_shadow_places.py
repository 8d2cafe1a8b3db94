"""Places in the queue, and modes, of the compiled shadow. Source: specs/marketdata.md section 9."""

import random

import pytest
from model.symbols import make_symbol
from model.wire import order_new
from tiles.fake_shadow import FakeShadow
from tiles.flow import Flow, symbol

from rsx.book.engine import Engine
from rsx.book.shadow import Shadow
from rsx.records import MODE_REQUEST, Mode

SYMBOLS = (symbol(1),)


class Pair:
    """A flow into both kinds of books."""

    def __init__(self, orders_max=1 << 14):
        self.flow = Flow()
        self.plain = FakeShadow(SYMBOLS)
        self.compiled = Shadow(SYMBOLS, orders_max)

    def apply(self):
        data = self.flow.take()
        self.plain.apply(data)
        self.compiled.apply(data)

    def check(self, oids):
        for oid in oids:
            assert self.compiled.queue_ahead(1, oid) == self.plain.queue_ahead(1, oid), oid


def test_the_worked_example_of_a_place():
    pair = Pair()
    first, second, third = (pair.flow.order(1, 0, 1000, qty) for qty in (5, 7, 9))
    other = pair.flow.order(1, 0, 999, 4)
    pair.flow.order(1, 1, 1000, 2)  # trades with the first
    pair.apply()

    assert pair.compiled.queue_ahead(1, third) == (1000, 10, 2, 9, 19, 3, pair.flow.seq)
    assert pair.compiled.queue_ahead(1, first) == (1000, 0, 0, 3, 19, 3, pair.flow.seq)
    assert pair.compiled.queue_ahead(1, other) == (999, 0, 0, 4, 4, 1, pair.flow.seq)
    pair.flow.amend(second, 1000, 3)  # keeps its place
    pair.apply()
    assert pair.compiled.queue_ahead(1, third)[:3] == (1000, 6, 2)
    pair.flow.amend(second, 1000, 8)  # goes to the back
    pair.apply()
    assert pair.compiled.queue_ahead(1, third)[:3] == (1000, 3, 1)
    assert pair.compiled.queue_ahead(1, second)[:3] == (1000, 12, 2)


def test_what_does_not_rest_has_no_place():
    pair = Pair()
    gone = pair.flow.order(1, 0, 1000, 5)
    pair.flow.cancel(gone)
    ioc = pair.flow.order(1, 0, 1000, 5, ioc=True)
    pair.apply()

    for oid in (gone, ioc, 0, 77, 2**53, 2**64 - 1):
        assert pair.compiled.queue_ahead(1, oid) is None
    with pytest.raises(KeyError):
        pair.compiled.queue_ahead(9, gone)


def test_a_place_is_told_to_its_owner_only():
    engine = Engine(make_symbol(), orders_max=64)
    shadow = Shadow((engine.symbol,), 64)
    px = engine.symbol.tick * 100
    for oid, user in ((1, 5), (2, 6)):
        engine.submit(order_new(oid=oid, user_id=user, symbol_id=engine.symbol_id, px=px,
                                qty=engine.symbol.lot, side=0))  # fmt: skip
    shadow.load(engine)

    assert shadow.queue_ahead(engine.symbol_id, 2, 6)[2] == 1
    assert shadow.queue_ahead(engine.symbol_id, 2, 5) is None
    assert shadow.queue_ahead(engine.symbol_id, 2)[2] == 1


@pytest.mark.parametrize("seed", range(3))
def test_places_in_one_long_queue_are_those_of_the_plain_book(seed):
    # Long enough for many runs; cancels leave holes, so that runs are merged.
    pair, dice = Pair(), random.Random(seed)
    for _ in range(1500):
        pair.flow.order(1, 0, 1000, dice.randrange(1, 9))
    pair.apply()
    pair.compiled.audit()
    for step in range(1800):
        oid = dice.choice(list(pair.flow.resting)[: dice.choice((5, 400, 100_000))])
        kind = dice.random()
        if kind < 0.75:
            pair.flow.cancel(oid)
        elif kind < 0.8 and pair.flow.resting[oid][3] > 1:
            pair.flow.trim(oid, 1)
        elif kind < 0.9:
            pair.flow.amend(oid, 1000, dice.randrange(1, 9))
        else:
            pair.flow.order(1, dice.randrange(2), 1000, dice.randrange(1, 30))
        if not pair.flow.resting:
            break
        if step % 100 == 0:
            pair.apply()
            pair.compiled.audit()
            pair.check(dice.choices(list(pair.flow.resting), k=20))
    pair.apply()
    pair.compiled.audit()
    pair.check(pair.flow.resting)


def test_a_queue_thinned_out_evenly_is_counted_in_few_steps():
    # One order in 300 stays: without merging each would be a run of its own.
    pair = Pair()
    oids = [pair.flow.order(1, 0, 1000, 1) for _ in range(9000)]
    for at, oid in enumerate(oids):
        if at % 300:
            pair.flow.cancel(oid)
    pair.apply()

    pair.compiled.audit()  # it checks the bound of MD-87
    pair.check(oids[::300])


def test_places_after_a_load_are_those_of_the_engine():
    engine = Engine(make_symbol(), orders_max=4096)
    px = engine.symbol.tick * 100
    for oid in range(1, 1000):
        engine.submit(order_new(oid=oid, user_id=1, symbol_id=engine.symbol_id, px=px,
                                qty=oid * engine.symbol.lot, side=oid & 1))  # fmt: skip
    shadow = Shadow((engine.symbol,), 4096)
    shadow.load(engine)
    shadow.audit()

    ahead = {0: [0, 0], 1: [0, 0]}
    for oid, _, _, remaining, _, side, *_ in engine.orders():
        assert shadow.queue_ahead(engine.symbol_id, oid)[1:4] == (*ahead[side], remaining)
        ahead[side][0] += remaining
        ahead[side][1] += 1


def test_the_mode_is_the_logged_one_and_after_a_load_the_recovered_one():
    pair = Pair()
    assert pair.compiled.mode(1) == (0, 0, 0)
    pair.flow.noise(1)
    pair.flow.set_mode(1, 2)
    pair.flow.noise(1)
    pair.apply()
    seq = pair.plain.mode(1)[2]
    assert pair.compiled.mode(1) == pair.plain.mode(1) == (2, seq * 1000, seq)

    engine = Engine(make_symbol(), orders_max=64)
    engine.submit(
        MODE_REQUEST.pack(symbol_id=engine.symbol_id, mode=Mode.HALT, request_id=1, user_id=1)
    )
    shadow = Shadow((engine.symbol,), 64)
    shadow.load(engine)
    assert shadow.mode(engine.symbol_id) == (3, 0, 0)


def test_a_record_that_changes_no_book_makes_no_symbol_changed():
    pair = Pair()
    pair.flow.noise(1)
    pair.apply()
    assert pair.compiled.changed() == ()
    assert pair.compiled.last(1)[0] > 0
    pair.flow.set_mode(1, 1)
    pair.apply()
    assert pair.compiled.changed() == (1,)
