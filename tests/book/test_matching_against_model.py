"""Random requests through the model and the compiled engine: the events are the same bytes.

Every record that the engine makes is folded into a second engine as well, whose state must stay
equal (INV-14), and which now and then takes the first one's place: what a restart gives back,
client ids included, is enough to go on as if nothing had been.

RSX_SOAK=N runs N operations in place of the default.
"""

from __future__ import annotations

import os
import random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from model.auditor import audit
from model.book import ModelEngine
from model.engines import compiled_engine
from model.flow import PROFILES, Profile, requests
from model.symbols import make_symbol
from model.wire import as_event, numbered, order_cancel, order_new, raw_view, view

OPERATIONS = int(os.environ.get("RSX_SOAK", "200000"))
TICKS = (1, 3, 10, 50)
ROOMY = {
    "orders_max": 4096,
    "users_max": 64,
    "open_orders_per_user_max": 4096,
    "dedup_window_s": 60,
    "dedup_orders_max": 8192,
}
TIGHT = {
    "orders_max": 48,
    "users_max": 7,
    "open_orders_per_user_max": 12,
    "dedup_window_s": 60,
    "dedup_orders_max": 128,
}
RUNS = [
    (TICKS[i % 4], profile, limits)
    for i, (profile, limits) in enumerate(
        [(p, ROOMY) for p in PROFILES] + [(p, TIGHT) for p in PROFILES]
    )
]


class Pair:
    """The model, the engine, and the engine folded from what the engine logged."""

    def __init__(self, symbol: Any, limits: dict[str, int], ring_depth: int = 0):
        self.symbol, self.limits = symbol, limits
        self.model = ModelEngine(symbol, **limits)
        self.engine = compiled_engine(symbol, **limits)
        self.folded = compiled_engine(symbol, **limits)
        self.ring_depth = ring_depth
        self.ring: Any = None
        self.blocked = 0  # how often the engine stopped for want of room
        if ring_depth:
            from rsx.core.ring import Ring

            self.ring = Ring("matching_wal", ring_depth)

    def step(self, request: bytes, ts_ns: int, rng: random.Random | None = None) -> list[bytes]:
        due = self.model.submit(request, ts_ns)
        if self.ring is None:
            seen = self.engine.submit(request, ts_ns)
        else:
            seen = self.through_ring(request, ts_ns, rng or random.Random(0))
        if seen != due:
            pytest.fail(difference(request, due, seen))
        for record in seen:
            self.folded.apply(record)
        return seen

    def through_ring(self, request: bytes, ts_ns: int, rng: random.Random) -> list[bytes]:
        """Take the events a few at a time, so that the engine has to stop and go on (M-12)."""
        seen = b""
        is_done = self.engine.begin(request, ts_ns, self.ring)
        while not is_done:
            self.blocked += 1
            seen += self.ring.pop(rng.randint(1, self.ring_depth))
            is_done = self.engine.resume(self.ring, ts_ns)
        while rest := self.ring.pop():
            seen += rest
        return [seen[at : at + 128] for at in range(0, len(seen), 128)]

    def compare(self) -> None:
        """Books, positions and the state of the fold."""
        self.engine.audit()
        assert self.engine.state_hash() == self.folded.state_hash()
        assert self.engine.best() == self.model.best()
        for side in (0, 1):
            assert self.engine.resting(side) == self.model.resting(side)
            assert self.folded.resting(side) == self.model.resting(side)
        for user in self.model.nets:
            assert self.engine.net(user) == self.folded.net(user) == self.model.net(user)

    def restart(self, log: list[bytes]) -> None:
        """Go on with the folded engine, and fold the log anew beside it."""
        self.engine = self.folded
        self.folded = compiled_engine(self.symbol, **self.limits)
        for record in log:
            self.folded.apply(record)


def difference(request: bytes, due: list[bytes], seen: list[bytes]) -> str:
    lines = [f"request {raw_view(request)}"]
    for name, events in (("model", due), ("engine", seen)):
        lines += [f"{name:7}{event_text(e)}" for e in events]
    return "\n".join(lines)


def event_text(data: bytes) -> str:
    return " ".join(f"{k}={v}" for k, v in as_event(data).items() if v)


def run(seed: int, tick: int, profile: Profile, limits: dict[str, int], operations: int) -> Pair:
    rng = random.Random(seed)
    symbol = make_symbol(
        tick=tick, lot=rng.choice((1, 5)), px_max=20_000 * tick, qty_max=5000,
        notional_max=1 << 40, taker_fee_ppm=rng.choice((0, 500, 333)),
        maker_fee_ppm=rng.choice((0, -100, 77)),
    )  # fmt: skip
    pair = Pair(symbol, limits, ring_depth=rng.choice((4, 4, 8, 0)))
    flow = requests(rng, symbol, profile)
    log: list[bytes] = []
    for step in range(operations):
        log += pair.step(*next(flow), rng)
        if step % 2500 == 2499:
            pair.compare()
        if step % 9000 == 8999:
            pair.restart(log)
    pair.compare()
    return pair


@pytest.mark.timeout(60 + OPERATIONS // 1000)
@pytest.mark.parametrize(
    ("number", "tick", "profile", "limits"),
    [
        pytest.param(i, *r, id=f"{r[1].name}, tick {r[0]}, {'tight' if r[2] is TIGHT else 'roomy'}")
        for i, r in enumerate(RUNS)
    ],
)
def test_a_random_flow_makes_the_same_events(number, tick, profile, limits):
    operations = max(200, OPERATIONS // len(RUNS))
    seed = 1000 * number + 17

    run(seed, tick, profile, limits, operations)


def test_tiny_rings_do_stop_the_engine_between_makers():
    symbol = make_symbol()
    pair = Pair(symbol, ROOMY, ring_depth=4)
    rng = random.Random(5)
    for oid in range(1, 301):
        pair.step(order_new(oid=oid, user_id=1 + oid % 9, symbol_id=1, side=1, qty=1, px=100), 1)

    events = pair.step(
        order_new(oid=999, user_id=20, symbol_id=1, side=0, qty=400, px=100, reserved=12345), 2, rng
    )

    assert len(events) == 302
    assert pair.blocked > 100
    pair.compare()


def test_no_other_request_is_taken_while_a_match_waits_for_room():
    from rsx.core.check import InvariantError
    from rsx.core.ring import Ring

    engine = compiled_engine(make_symbol(), **ROOMY)
    for oid in range(1, 9):
        engine.submit(order_new(oid=oid, user_id=1, symbol_id=1, side=1, qty=1, px=100), 1)
    ring = Ring("matching_wal", 4)
    assert not engine.begin(
        order_new(oid=9, user_id=2, symbol_id=1, side=0, qty=8, px=100), 1, ring
    )

    with pytest.raises(InvariantError):
        engine.begin(order_cancel(oid=1, user_id=1, symbol_id=1), 1, Ring("other", 16))


def test_an_order_in_hand_when_the_log_ends_is_cancelled_at_start():
    """F-2: at every place where a request's records can be cut."""
    from rsx.core.ring import Ring

    symbol = make_symbol()
    live = compiled_engine(symbol, **ROOMY)
    log: list[bytes] = []
    for oid in (1, 2):
        log += live.submit(order_new(oid=oid, user_id=1, symbol_id=1, side=1, qty=5, px=100), 1)
    taker = order_new(oid=3, user_id=2, symbol_id=1, side=0, qty=20, px=100, reserved=100, cid="a")
    group = live.submit(taker, 1)
    assert [view(r).record.name for r in group] == [
        "ORDER_ACCEPTED",
        "FILL",
        "FILL",
        "ORDER_RESTED",
    ]

    for cut, (left, filled, released) in enumerate([(20, 0, 100), (15, 5, 75), (10, 10, 50)], 1):
        engine = compiled_engine(symbol, **ROOMY)
        for record in log + group[:cut]:
            engine.apply(record)
        ring = Ring("matching_wal", 4)
        engine.recovered(ring, 7)
        (event,) = [as_event(ring.pop())]

        assert (event["type"], event["oid"], event["reason"]) == ("ORDER_CANCELLED", 3, 3104)
        assert (event["cancelled_qty"], event["filled_qty"]) == (left, filled)
        assert (event["released"], event["header_flags"], event["ts_ns"]) == (released, 1, 7)
        (again,) = engine.submit(taker, 8)
        assert as_event(again)["reason"] == 3001
        engine.audit()


def test_nothing_is_cancelled_at_start_when_the_log_ends_with_a_group():
    from rsx.core.ring import Ring

    engine = compiled_engine(make_symbol(), **ROOMY)
    engine.submit(order_new(oid=1, user_id=1, symbol_id=1, side=1, qty=5, px=100), 1)
    ring = Ring("matching_wal", 4)

    engine.recovered(ring, 7)

    assert len(ring) == 0


def test_a_fold_gives_client_ids_their_age_back_to_the_nanosecond():
    """D-3."""
    live = compiled_engine(make_symbol(), **TIGHT)
    window, start = 60_000_000_000, 7_000_000_123

    def ioc(oid: int) -> bytes:
        return order_new(oid=oid, user_id=1, symbol_id=1, side=0, tif=1, qty=5, px=100, cid="a")

    log = live.submit(ioc(1), start)
    for age, name in ((window, "ORDER_REJECTED"), (window + 1, "ORDER_ACCEPTED")):
        folded = compiled_engine(make_symbol(), **TIGHT)
        for record in log:
            folded.apply(record)
        assert view(folded.submit(ioc(2), start + age)[0]).record.name == name


def test_the_auditor_finds_nothing_in_the_engines_log():
    rng = random.Random(11)
    symbol = make_symbol(tick=3, px_max=60_000, taker_fee_ppm=500, maker_fee_ppm=-100)
    engine = compiled_engine(symbol, **ROOMY)
    flow = requests(rng, symbol, PROFILES[0])
    log: list[bytes] = []
    asked = []
    for _ in range(6000):
        request, ts_ns = next(flow)
        asked.append(raw_view(request))
        log += engine.submit(request, ts_ns)

    assert audit([view(r) for r in numbered(log)], asked) == []


ORDERS = st.tuples(
    st.integers(1, 3),  # user
    st.integers(0, 1),  # side
    st.integers(1, 12),  # quantity
    st.integers(98, 102),  # price
    st.sampled_from([(0, 0), (0, 1), (0, 2), (1, 0), (1, 2), (2, 0), (2, 2)]),  # tif, flags
    st.sampled_from(["", "", "a", "b"]),
    st.integers(0, 200),  # reserved
)
CANCELS = st.tuples(st.integers(1, 3), st.integers(0, 30), st.sampled_from(["", "a", "b"]))


@settings(max_examples=300, deadline=None, derandomize=True, database=None)
@given(
    st.lists(st.one_of(ORDERS, ORDERS, CANCELS), max_size=40),
    st.sampled_from([0, 4]),
    st.integers(0, 1 << 30),
)
def test_short_sequences_make_the_same_events(operations, ring_depth, seed):
    """What random flows find late, a shrunk example shows in a few lines."""
    limits = {**TIGHT, "orders_max": 6, "open_orders_per_user_max": 4, "dedup_orders_max": 16}
    pair = Pair(make_symbol(taker_fee_ppm=500, maker_fee_ppm=-250), limits, ring_depth)
    rng = random.Random(seed)
    for oid, operation in enumerate(operations, 1):
        if len(operation) == 3:
            user, target, cid = operation
            request = order_cancel(oid=target, user_id=user, symbol_id=1, cid=cid)
        else:
            user, side, qty, px, (tif, flags), cid, reserved = operation
            request = order_new(
                oid=oid, user_id=user, symbol_id=1, side=side, qty=qty, px=px, tif=tif,
                flags=flags, cid=cid, reserved=reserved,
            )  # fmt: skip
        pair.step(request, oid * 9_000_000_000, rng)
    pair.compare()
