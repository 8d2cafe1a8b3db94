"""The compiled engine against itself: small rings, folds, logs cut off anywhere, shadows.

M-12, F-1 to F-3, D-3, INV-14: what the plain model has no part in.
"""

from __future__ import annotations

import random
from typing import Any

import pytest
from book.engine_flow import LIMITS, NS, Flow
from model.engines import compiled_engine
from model.symbols import make_symbol
from model.wire import numbered, raw_view, view

from rsx.book.shadow import Shadow
from rsx.core.ring import Ring

STEPS = 1500


def market(seed: int) -> Any:
    return make_symbol(
        px_max=1000, qty_max=1000, reference_px=100, taker_fee_ppm=333, maker_fee_ppm=-100,
        notional_min=150 if seed % 3 == 0 else 0, price_band_ppm=60_000 if seed % 2 else 0,
        tick_table=((100, 2),) if seed % 5 == 4 else (),
    )  # fmt: skip


def engine_of(symbol: Any) -> Any:
    return compiled_engine(symbol, **LIMITS)


class SmallRing:
    """An engine behind a ring of four slots, emptied a few at a time (M-12)."""

    def __init__(self, symbol: Any, seed: int):
        self.engine = engine_of(symbol)
        self.ring = Ring("matching_wal", 4)
        self.rng = random.Random(seed)
        self.blocked = 0

    def take(self) -> bytes:
        return self.ring.pop(self.rng.randint(1, 4))

    def submit(self, request: bytes, ts_ns: int) -> list[bytes]:
        seen = self.take()
        while True:
            try:
                is_done = self.engine.begin(request, ts_ns, self.ring)
                break
            except BufferError:
                self.blocked += 1
                seen += self.take()
        while not is_done:
            self.blocked += 1
            seen += self.take()
            is_done = self.engine.resume(self.ring, ts_ns)
        seen += self.ring.pop(4)
        return [seen[at : at + 128] for at in range(0, len(seen), 128)]


@pytest.mark.parametrize("seed", range(4))
def test_a_ring_of_four_slots_gives_the_same_records_as_a_large_one(seed):
    """M-12 at every step: matches, trims, cancel-alls, amendments, expiries, triggers."""
    symbol = market(seed)
    flow, engine, small = Flow(seed, symbol), engine_of(symbol), SmallRing(symbol, seed)
    for request, ts_ns in flow.requests(STEPS):
        due = engine.submit(request, ts_ns)
        assert small.submit(request, ts_ns) == due, raw_view(request)
        flow.seen(due)
    assert small.engine.state_hash() == engine.state_hash()
    assert small.blocked > 50


@pytest.mark.parametrize("seed", range(4, 8))
def test_a_folded_engine_goes_on_as_the_one_that_wrote_the_log(seed):
    """F-1, F-3, D-3: whatever comes after it, client ids and their ends included."""
    symbol = market(seed)
    flow, engine = Flow(seed, symbol), engine_of(symbol)
    log: list[bytes] = []
    folded: list[Any] = []
    for step, (request, ts_ns) in enumerate(flow.requests(STEPS)):
        events = engine.submit(request, ts_ns)
        for other in folded:
            assert other.submit(request, ts_ns) == events, raw_view(request)
        log += events
        flow.seen(events)
        if step % 500 == 250:
            flow.restart()
            folded.append(engine_of(symbol))
            for record in log:
                folded[-1].apply(record)
            folded[-1].audit()
            assert folded[-1].state_hash() == engine.state_hash()
    engine.audit()
    assert {other.state_hash() for other in folded} == {engine.state_hash()}


@pytest.mark.parametrize("seed", range(8, 12))
def test_a_log_cut_off_anywhere_gives_a_whole_book(seed):
    """F-2: trims that are owed and the order in hand are made up, and a fold of that agrees."""
    symbol = market(seed)
    flow, engine = Flow(seed, symbol), engine_of(symbol)
    log: list[bytes] = []
    for request, ts_ns in flow.requests(STEPS):
        events = engine.submit(request, ts_ns)
        log += events
        flow.seen(events)
    inside = [at for at, record in enumerate(log, 1) if not view(record).row[1]]
    rng = random.Random(seed)
    made_up = 0
    for cut in rng.sample(inside, 30):
        folded = engine_of(symbol)
        for record in log[:cut]:
            folded.apply(record)
        ring = Ring("matching_wal", 4)
        more = b""
        while not folded.recovered(ring, flow.ts_ns):
            more += ring.pop(2)
        more += ring.pop(4)
        again = engine_of(symbol)
        for record in [*log[:cut], *(more[at : at + 128] for at in range(0, len(more), 128))]:
            again.apply(record)
        folded.audit()
        made_up += len(more) // 128
        assert folded.in_hand == 0
        assert again.state_hash() == folded.state_hash()
    assert made_up >= 20


@pytest.mark.parametrize("seed", range(12, 15))
def test_a_shadow_folds_every_change_of_the_book(seed):
    """F-1 without users and client ids: trims, amendments and expiries of resting orders too."""
    symbol = market(seed)
    flow, engine = Flow(seed, symbol), engine_of(symbol)
    shadow = Shadow((symbol,), 64)
    seq = 1
    for step, (request, ts_ns) in enumerate(flow.requests(STEPS)):
        events = engine.submit(request, ts_ns)
        flow.seen(events)
        shadow.apply(b"".join(numbered(events, first=seq)))
        seq += len(events)
        if step % 20 == 0:
            for side in (0, 1):
                assert shadow.depth(symbol.id, side, 100) == depth(engine, side)
            assert shadow.whole(symbol.id)
    shadow.audit()


def depth(engine: Any, side: int) -> list[tuple[int, int, int]]:
    out: dict[int, tuple[int, int]] = {}
    for _, _, px, remaining, _, _ in engine.resting(side):
        qty, count = out.get(px, (0, 0))
        out[px] = (qty + remaining, count + 1)
    return [(px, *rest) for px, rest in out.items()]


@pytest.mark.parametrize("seed", (20, 21))
def test_time_alone_brings_what_a_later_request_would_have_brought(seed):
    """EX-1: a tick and a request's own time expire the same, in the same order."""
    symbol = market(seed)
    flow, engine, ticked = Flow(seed, symbol), engine_of(symbol), engine_of(symbol)
    expired = 0
    for request, ts_ns in flow.requests(STEPS):
        due = engine.submit(request, ts_ns)
        first = ticked.tick(ts_ns)
        expired += len(first)
        assert first + ticked.submit(request, ts_ns) == due
        flow.seen(due)
    assert expired > 20
    assert ticked.tick(flow.ts_ns + 100 * NS)
    ticked.audit()
