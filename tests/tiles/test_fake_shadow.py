"""The compiled shadow books against the plain ones. Source: specs/marketdata.md section 1."""

import random

from hypothesis import given, settings
from hypothesis import strategies as st
from tiles.fake_shadow import FakeShadow
from tiles.flow import Flow, symbol

from rsx.book.shadow import Shadow
from rsx.core.ring import Ring
from rsx.records import RECORD_SIZE

SYMBOLS = (symbol(1), symbol(2))


@settings(max_examples=40, deadline=None)
@given(seed=st.integers(0, 2**32), spread=st.sampled_from([3, 12, 60]))
def test_the_compiled_books_are_those_of_the_plain_ones_after_every_record(seed, spread):
    dice, flow = random.Random(seed), Flow()
    plain, compiled = FakeShadow(SYMBOLS), Shadow(SYMBOLS, 1024)
    ring = Ring("wal_marketdata", 256)
    for _ in range(60):
        flow.random_step(dice, (1, 2), spread)
        data = flow.take()
        for at in range(0, len(data), RECORD_SIZE):
            plain.apply(data[at : at + RECORD_SIZE])
            if dice.random() < 0.5:
                compiled.apply(data[at : at + RECORD_SIZE])
            else:
                ring.push(data[at : at + RECORD_SIZE])
                assert compiled.drain(ring, 10) == 1
            assert compiled.next_seq == plain.next_seq
            for each in (1, 2):
                assert compiled.whole(each) == plain.whole(each)
                assert compiled.bbo(each) == plain.bbo(each)
                assert compiled.last(each) == plain.last(each)
                assert compiled.mode(each) == plain.mode(each)
                for side in (0, 1):
                    assert compiled.depth(each, side, 5) == plain.depth(each, side, 5)
            assert plain.changed() == compiled.changed()
        for oid, order in flow.resting.items():
            assert compiled.queue_ahead(order[0], oid) == plain.queue_ahead(order[0], oid)
        assert compiled.take_trades() == plain.take_trades()
    compiled.audit()
