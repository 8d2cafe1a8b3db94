"""matching tile: duty cycles over small rings, time without requests, a start within a request.

M-12, EX-1, F-2, PM-5, SH-4. What matching decides is in tests/book.
"""

from __future__ import annotations

import random
import time
from typing import Any

import pytest
from book.engine_flow import LIMITS, NS, Flow
from model.engines import compiled_engine, new
from model.symbols import make_symbol
from model.wire import make_request, view

from rsx.core.clock import Clock
from rsx.core.ring import Ring
from rsx.core.tile import Idle, Runner
from rsx.tiles.matching import MatchingTile

GTC, IOC, GTD = 0, 1, 3
BUY, SELL = 0, 1
REDUCE = 2


class Bench:
    """A tile between two rings, stepped by hand."""

    def __init__(
        self, *, depth: int = 1024, engine: Any = None, clock: Clock | None = None, rings: int = 1
    ):
        self.symbol = make_symbol(px_max=1000, qty_max=1000, reference_px=100)
        self.engine = engine or compiled_engine(self.symbol, **LIMITS)
        self.clock = clock or Clock.manual(NS)
        self.sources = [Ring(f"risk_matching[{n}]", 1024) for n in range(rings)]
        self.source = self.sources[0]
        self.target = Ring("matching_wal", depth)
        self.tile = MatchingTile(
            "matching", self.clock, self.engine, matching_wal=self.target,
            risk_matching=self.source if rings == 1 else self.sources,
        )  # fmt: skip

    def push(self, *requests: bytes) -> None:
        for request in requests:
            assert self.source.push(request)

    def take(self, limit: int = 1024) -> list[bytes]:
        data = self.target.pop(limit)
        return [bytes(data[at : at + 128]) for at in range(0, len(data), 128)]

    def names(self) -> list[str]:
        return [view(data).record.name for data in self.take()]

    def run(self) -> list[bytes]:
        """Steps until nothing more happens."""
        seen: list[bytes] = []
        quiet = 0
        while quiet < 2:
            worked = self.tile.step()
            seen += (taken := self.take())
            quiet = 0 if worked or taken else quiet + 1
        return seen


def cancel_all(user: int, scope: int = 1) -> bytes:
    return make_request(
        "ORDER_CANCEL_ALL", request_id=9, user_id=user, symbol_id=1, scope=scope, sides=3
    )


def test_every_type_of_request_is_answered_in_order():
    bench = Bench()
    bench.push(
        new(1, 1, BUY, 5, 99),
        make_request("ORDER_AMEND", oid=1, px=99, qty=4, assumed=4, user_id=1, symbol_id=1),
        make_request("MARK_UPDATE", mark_px=101, symbol_id=1),
        make_request("MODE_REQUEST", mode=1, symbol_id=1),
        make_request("ORDER_CANCEL", oid=1, user_id=1, symbol_id=1),
        cancel_all(1),
    )

    assert bench.tile.step()

    assert bench.names() == [
        "ORDER_ACCEPTED", "ORDER_AMENDED", "MARK_PRICE", "TRADING_MODE", "ORDER_CANCELLED",
        "CANCEL_ALL_DONE",
    ]  # fmt: skip


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_a_small_ring_to_the_log_gives_the_same_records_as_a_large_one(seed):
    """M-12: whatever the tile stands in when the ring is full."""
    small, whole = Bench(depth=4), Bench()
    flow = Flow(seed, small.symbol)
    rng = random.Random(seed)
    for request, ts_ns in flow.requests(700):
        due = whole.engine.submit(request, ts_ns)
        small.clock.set(ts_ns)
        small.push(request)
        seen: list[bytes] = []
        quiet = 0
        while quiet < 3:
            worked = small.tile.step()
            seen += (taken := small.take(rng.randint(0, 4)))
            quiet = 0 if worked or taken or len(small.target) else quiet + 1
        assert seen == due
        flow.seen(due)
    assert small.engine.state_hash() == whole.engine.state_hash()


def test_an_order_expires_in_a_duty_cycle_without_requests():
    """EX-1."""
    bench = Bench()
    bench.push(*(new(n, 1, BUY, 5, 90 + n, tif=GTD, expire_s=9 - n) for n in (1, 2, 3)))
    bench.push(new(4, 2, SELL, 5, 200))
    bench.run()

    bench.clock.set(6 * NS - 1)
    assert not bench.tile.step()
    bench.clock.set(7 * NS)
    assert bench.tile.step()

    gone = [view(data) for data in bench.take()]
    assert [(e.oid, e.reason, e.ts_ns, e.row[1]) for e in gone] == [
        (3, 3105, 7 * NS, 1), (2, 3105, 7 * NS, 1),
    ]  # fmt: skip
    assert not bench.tile.step()


def test_expiries_before_a_full_ring_wait_and_come_before_the_request():
    """EX-1 with M-12: the request waits in its ring meanwhile."""
    bench = Bench(depth=4)
    for n in range(1, 11):
        bench.push(new(n, 1, BUY, 5, 90, tif=GTD, expire_s=2))
        bench.run()
    bench.clock.set(3 * NS)
    bench.push(new(11, 2, SELL, 5, 90, tif=IOC))

    seen = [view(data) for data in bench.run()]

    assert [e.oid for e in seen] == [*range(1, 11), 11, 11]
    assert {e.reason for e in seen[:10]} == {3105}
    assert seen[-1].reason == 3102


def test_a_sleeping_runner_wakes_for_an_expiry():
    bench = Bench(clock=Clock.system())
    runner = Runner("matching", [bench.tile], Idle("backoff", 0, 0))
    runner.start()
    try:
        expire_s = int(time.time()) + 2
        bench.push(new(1, 1, BUY, 5, 90, tif=GTD, expire_s=expire_s))
        seen: list[bytes] = []
        end = time.monotonic() + 10
        while len(seen) < 2 and time.monotonic() < end:
            time.sleep(0.01)
            seen += bench.take()
    finally:
        runner.stop()

    expired = view(seen[1])
    assert (expired.record.name, expired.reason) == ("ORDER_CANCELLED", 3105)
    assert 0 <= expired.ts_ns - expire_s * NS < NS // 2


def test_an_order_in_hand_and_trims_that_are_owed_are_dealt_with_before_the_first_request():
    """F-2."""
    writer = Bench()
    writer.push(
        new(1, 1, BUY, 10, 100), new(2, 2, SELL, 10, 100),  # user 1 is long 10
        *(new(10 + n, 1, SELL, 10, 120 + n, flags=REDUCE) for n in range(4)),
        new(3, 3, BUY, 4, 95), new(4, 3, BUY, 4, 94), new(5, 1, SELL, 9, 90),
    )  # fmt: skip
    log = writer.run()
    first_fill = [view(r).record.name for r in log].index("FILL", 3 + 5)
    folded = compiled_engine(writer.symbol, **LIMITS)
    for record in log[: first_fill + 1]:
        folded.apply(record)
    bench = Bench(depth=4, engine=folded)
    bench.push(new(6, 4, BUY, 1, 50))

    seen = [view(data) for data in bench.run()]

    assert [(e.record.name, e.oid) for e in seen] == [
        *(("ORDER_REDUCED", 10 + n) for n in (3, 2, 1, 0)),
        ("ORDER_CANCELLED", 5), ("ORDER_ACCEPTED", 6),
    ]  # fmt: skip
    assert {e.remaining for e in seen[:4]} == {6}
    assert (seen[4].reason, seen[4].cancelled_qty) == (3104, 5)
    assert [e.row[1] for e in seen] == [0, 0, 0, 0, 1, 1]
    folded.audit()


class TestSeveralRings:
    """SH-4: in turn, up to 256 requests each; within a ring order is kept."""

    def feed(self, bench: Bench, counts: list[int]) -> None:
        """Ring n gets orders n * 1000 + 1, + 2, ..."""
        for n, count in enumerate(counts):
            for k in range(1, count + 1):
                assert bench.sources[n].push(new(1000 * n + k, 1 + n, BUY, 1, 90))

    def oids(self, records: list[bytes]) -> list[int]:
        return [view(r).oid for r in records if view(r).record.name == "ORDER_ACCEPTED"]

    def bench(self, **changes: int) -> Bench:
        limits = {**LIMITS, "orders_max": 4096, "open_orders_per_user_max": 4096,
                  "dedup_orders_max": 16384}  # fmt: skip
        engine = compiled_engine(make_symbol(px_max=1000), **limits)
        return Bench(engine=engine, rings=3, **changes)

    def test_each_has_its_turn_of_256(self):
        bench = self.bench(depth=4096)
        self.feed(bench, [600, 300, 5])

        rounds = []
        while bench.tile.step():
            rounds.append([oid // 1000 for oid in self.oids(bench.take(4096))])

        def told(turns: list[tuple[int, int]]) -> list[int]:
            return [ring for ring, count in turns for _ in range(count)]

        assert rounds == [told([(0, 256), (1, 256), (2, 5)]), told([(0, 256), (1, 44)]),
                          told([(0, 88)])]  # fmt: skip

    @pytest.mark.parametrize("depth", [4, 8, 64])
    def test_before_a_full_ring_the_turn_goes_on_and_nobody_starves(self, depth):
        bench = self.bench(depth=depth)
        self.feed(bench, [600, 300, 5])

        seen = self.oids(bench.run())

        assert len(seen) == 905
        for n in range(3):
            own = [oid for oid in seen if oid // 1000 == n]
            assert own == sorted(own)
        assert seen.index(1001) == 256
        assert seen.index(2001) == 512

    def test_a_request_in_any_ring_wakes_a_sleeping_tile(self):
        bench = self.bench(clock=Clock.system())
        runner = Runner("matching", [bench.tile], Idle("backoff", 0, 0))
        runner.start()
        try:
            for n in (2, 0, 1):
                time.sleep(0.05)
                assert bench.sources[n].push(new(1000 * n + 1, 1, BUY, 1, 90))
                seen: list[int] = []
                end = time.monotonic() + 10
                while not seen and time.monotonic() < end:
                    time.sleep(0.005)
                    seen = self.oids(bench.take())
                assert seen == [1000 * n + 1]
        finally:
            runner.stop()

    def test_rules_come_from_one_ring_while_others_trade(self):
        """SY-4: what is between the four records goes by the old rules."""
        from model.symbols import rules_records

        bench = self.bench()
        four = rules_records(make_symbol(px_max=1000, tick=10), 2)
        for record in four[:3]:
            bench.sources[0].push(record)
        bench.sources[1].push(new(1, 1, BUY, 1, 91))
        bench.run()
        bench.sources[0].push(four[3])
        bench.sources[1].push(new(2, 1, BUY, 1, 91))

        names = [view(r).record.name for r in bench.run()]

        assert names == ["SYMBOL_CONFIG", "SYMBOL_LIMITS", "SYMBOL_RISK", "SYMBOL_BRACKETS",
                         "ORDER_REJECTED"]  # fmt: skip
        assert bench.engine.find(1) == (0, 91, 1)

    def test_none_or_too_many_rings_are_refused(self):
        bench = Bench()
        for rings in ([], [bench.source] * 9):
            with pytest.raises(ValueError, match="rings of requests"):
                MatchingTile("matching", bench.clock, bench.engine, risk_matching=rings,
                             matching_wal=bench.target)  # fmt: skip
