"""Digests of engines: the same in whoever folded the records (specs/replica.md RP-1 to RP-3)."""

from __future__ import annotations

import pytest
from model.engines import compiled_engine, new
from model.flow import PROFILES
from model.pair import ROOMY, TIGHT, Run
from model.symbols import make_symbol
from model.wire import view

from rsx import records
from rsx.core.check import InvariantError

LARGER = {**ROOMY, "orders_max": 1 << 15, "users_max": 1 << 12, "triggers_max": 1 << 13}
BITS = (0, 1, 3, 7)


def forms(*bits):
    return [b << 8 | 1 for b in bits]


def rotation(engine, form):
    """The digests of all slices of one form."""
    return [engine.digest(part, form) for part in range(1 << (form >> 8))]


def engine_of(limits=ROOMY, orders=0):
    engine = compiled_engine(make_symbol(), **limits)
    for oid in range(1, orders + 1):
        engine.submit(new(oid, 1 + oid % 7, oid % 2, 1, 100 + oid % 50 - 60 * (1 - oid % 2),
                          cid=f"c{oid}"), 5)  # fmt: skip
    return engine


class Held(Run):
    """Digests of live and folded engine are compared whenever their states are."""

    def now_and_then(self, keep):
        engine, folded = self.pair.engine, self.pair.folded
        for form in forms(*BITS):
            assert rotation(engine, form) == rotation(folded, form), form
        super().now_and_then(keep)


@pytest.mark.parametrize("limits", [ROOMY, TIGHT], ids=["roomy", "tight"])
@pytest.mark.parametrize("number", range(0, len(PROFILES), 2))
def test_live_and_folded_engines_have_the_same_digests(number, limits):
    """INV-34, over random histories with restarts and recentrings."""
    run = Held(number + 50, 1, PROFILES[number], limits)
    run.go(2500)
    larger = compiled_engine(run.market, **{**LARGER, "level_slots_max": 1 << 14})
    for record in run.log:
        larger.apply(record)
    for form in forms(*BITS):
        assert rotation(larger, form) == rotation(run.pair.folded, form)


def test_every_order_and_user_is_in_one_slice_of_a_rotation():
    engine = engine_of(orders=300)
    for form in forms(0, 1, 4, 12):
        before = rotation(engine, form)
        engine.shrink(77, 0)
        assert rotation(engine, form) == before
    for oid in (1, 77, 300):
        for form in forms(0, 1, 4, 12):
            before = rotation(engine, form)
            other = engine_of(orders=300)
            record = records.ORDER_REDUCED.pack(
                seq=1, oid=oid, px=1, cancelled_qty=1, remaining=0, stream=1, symbol_id=1
            )
            with pytest.raises(InvariantError):
                other.apply(record)
            assert rotation(other, form) == before


def test_a_planted_difference_is_in_the_slice_of_its_order_and_of_its_level():
    """RP-7: a rotation finds it; only slices that have something of it differ."""
    form = forms(6)[0]
    engine, other = engine_of(), engine_of()
    for each in (engine, other):
        for oid in range(1, 200):
            each.submit(new(oid, 1 + oid % 5, 0, 10, 90 + oid % 3), 5)
    assert rotation(engine, form) == rotation(other, form)

    assert other.shrink(150, 3)

    differing = [a != b for a, b in zip(rotation(engine, form), rotation(other, form), strict=True)]
    assert 1 <= sum(differing) <= 2


def test_a_digest_is_asked_for_like_any_request_and_ends_its_group():
    engine = engine_of(orders=10)
    request = records.DIGEST_REQUEST.pack(symbol_id=1, part=5)

    (event,) = [view(e) for e in engine.submit(request, 9)]

    assert event.record.name == "ENGINE_DIGEST"
    assert (event.part, event.form, event.symbol_id, event.ts_ns) == (5, engine.digest_form, 1, 9)
    assert event.digest == engine.digest(5, engine.digest_form)
    assert event.header_flags == records.HeaderFlag.GROUP_END


def test_a_request_for_another_market_stops_the_exchange():
    with pytest.raises(InvariantError, match="1110"):
        engine_of().submit(records.DIGEST_REQUEST.pack(symbol_id=2, part=5), 9)


def test_a_form_that_is_not_known_is_refused():
    for form in (0, 2, 25 << 8 | 1):
        with pytest.raises(ValueError, match="form"):
            engine_of().digest(1, form)


def test_slices_follow_sizes():
    """RP-2: few ids and few places each."""
    assert engine_of().digest_form >> 8 == 0
    assert engine_of({**ROOMY, "users_max": 1 << 16}).digest_form >> 8 == 3
    assert engine_of(orders=300).digest_form >> 8 == 2


def test_what_is_hashed_stays_as_it_was():
    """Logs have these numbers in them: another content needs another form (RP-2)."""
    engine = engine_of(orders=40)
    engine.submit(new(900, 1, 0, 5, 90, tif=3, expire_s=77), 5)

    assert hash_of(engine) == GOLDEN


def hash_of(engine):
    return [f"{digest:016x}" for digest in rotation(engine, forms(1)[0])]


GOLDEN = ["205da597d2ea8641", "7d31cc1c44030753"]
