"""Public channels of mark, funding, liquidations, open interest and rules.

The same on plain and compiled shadow books. Source: specs/marketdata.md section 10; specs/wire.md
W-28. MRK, FND, LIQ, CFG: what the public is told; never a user.
"""

from types import SimpleNamespace

import pytest
from edge.feed_client import frames_of
from edge.feed_world import Listener, compiled
from tiles.fake_shadow import FakeShadow
from tiles.flow import Flow, symbol

from rsx import rules
from rsx.core.clock import Clock
from rsx.edge.public_feed import FUNDING, INTEREST, LIQUIDATIONS, MARK, PUBLISH_GAP_NS, TRADES
from rsx.edge.public_ws import PublicEdge
from rsx.records import (
    FUNDING_SETTLED,
    LIQUIDATION_STEP,
    MARK_PRICE,
    POSITION_TRANSFERRED,
    HeaderFlag,
    Stage,
    decode,
)

SYMBOLS = (symbol(1), symbol(2))
ALL_STATES = MARK | FUNDING | INTEREST


class Ear(Listener):
    def heard(self):
        frames = list(frames_of(self.data))
        self.data = b""
        return [frame for frame in frames if frame[0] != "MO"]


class World:
    def __init__(self, make):
        edge = {
            "connections_max": 8, "public_backlog_bytes": 1 << 18, "slow_reader_ms": 5000,
            "l3": True, "heartbeat_s": 5, "idle_s": 30,
        }  # fmt: skip
        self.shadow = make(SYMBOLS)
        config = SimpleNamespace(edge=SimpleNamespace(**edge))
        self.edge = PublicEdge(config, SYMBOLS, Clock.manual(1), self.shadow)
        self.flow = Flow()
        self.now_ns = 0
        self.ear = Ear()

    def subscribe(self, mask, symbol_id=1, ear=None):
        ear = ear or self.ear
        self.edge.feeds.subscribe(ear, symbol_id, mask, 5, self.now_ns)
        return ear.heard()

    def release(self):
        self.shadow.apply(self.flow.take())
        self.edge.note(self.shadow.changed(), self.shadow.take_trades())
        self.edge.tell(decode(each, crc=False) for each in self.shadow.take_notices())
        self.now_ns += PUBLISH_GAP_NS
        while self.edge.publish(self.now_ns):
            self.now_ns += PUBLISH_GAP_NS

    def heard(self):
        self.release()
        return self.ear.heard()

    def mark(self, px=1000, **values):
        values = {"index_px": px - 1, "open_interest": 7, "rate_ppb": 5, "sources": 2,
                  "next_funding_s": 60, "source_ns": 3} | values  # fmt: skip
        self.flow.emit(MARK_PRICE, 1, HeaderFlag.GROUP_END, mark_px=px, **values)

    def settled(self, interval, rate=9):
        self.flow.emit(
            FUNDING_SETTLED, 1, HeaderFlag.GROUP_END, interval_id=interval, rate_ppb=rate,
            mark_px=1000,
        )  # fmt: skip

    def step(self, stage=Stage.ORDERED, symbol_id=1, **values):
        self.flow.emit(
            LIQUIDATION_STEP, symbol_id, HeaderFlag.GROUP_END, stage=stage, user_id=77, side=1,
            qty=30, px=990, mark_px=1000, **values,
        )  # fmt: skip

    def transfer(self, kind, qty=30):
        self.flow.emit(
            POSITION_TRANSFERRED, 1, HeaderFlag.GROUP_END, kind=kind, user_id=77, side=1, qty=qty,
            px=980, mark_px=1000, counter_user_id=78,
        )  # fmt: skip

    def change(self, **changed):
        """Release other rules of symbol 1; the records of the group."""
        for record in rules.to_records(symbol(1, **changed)):
            view = next(r for r in rules.RULE_RECORDS if r.type == record[2]).unpack(record)
            names = [f.name for f in view.record.fields]
            values = dict(zip(names, view.row[7:], strict=True))
            for name in ("seq", "ts_ns", "symbol_id"):
                del values[name]
            name = values.pop("name", None)
            if name is not None:
                values["name"] = name
            self.flow.emit(view.record, 1, view.header_flags, **values)


@pytest.fixture(params=["plain", "compiled"])
def world(request):
    return World(FakeShadow if request.param == "plain" else compiled)


def test_a_mark_is_told_with_open_interest_and_the_rate_as_it_stands(world):
    assert world.subscribe(ALL_STATES) == []
    world.mark()
    assert world.heard() == [
        ("MP", [1, 1000, 999, 0, 2, 3, 1000, 1]), ("FR", [1, 5, 60, 0, 0, 0, 1000, 1]),
        ("OI", [1, 7, 1000, 1]),
    ]  # fmt: skip
    world.mark(1001)
    world.mark(1002)
    assert world.heard() == [("MP", [1, 1002, 1001, 0, 2, 3, 3000, 3])], "the newest; no other news"
    world.mark(1002, state=1, open_interest=8)
    assert [key for key, _ in world.heard()] == ["MP", "OI"]
    late = Ear()
    assert [key for key, _ in world.subscribe(ALL_STATES, ear=late)] == ["MP", "FR", "OI"]
    assert world.subscribe(ALL_STATES, 2) == [], "no mark of that symbol"
    assert [key for key, _ in world.subscribe(MARK)] == ["MP"]


def test_a_settled_rate_is_in_the_next_funding_frame(world):
    world.subscribe(FUNDING)
    world.mark()
    world.settled(4)
    assert world.heard() == [("FR", [1, 0, 60, 9, 4, 2000, 2000, 2])], "nothing sampled since"
    world.mark(rate_ppb=6)
    assert world.heard() == [("FR", [1, 6, 60, 9, 4, 2000, 3000, 3])]


def test_liquidations_chain_and_tell_no_user(world):
    world.subscribe(LIQUIDATIONS | TRADES)
    world.step()
    world.step(Stage.STARTED)
    world.step(Stage.BANKRUPT)
    world.transfer(0)
    world.transfer(1, qty=0)
    assert world.heard() == [
        ("LQ", [1, 0, 1, 30, 990, 1000, 1000, 1, 0]),
        ("LQ", [1, 1, 1, 30, 980, 1000, 4000, 4, 1]),
    ]
    world.transfer(1)
    assert world.heard() == [("LQ", [1, 2, 1, 30, 980, 1000, 6000, 6, 4])]
    late = Ear()
    world.subscribe(LIQUIDATIONS, ear=late)
    world.step(symbol_id=2)
    world.step()
    world.release()
    assert late.heard() == [("LQ", [1, 0, 1, 30, 990, 1000, 8000, 8, 0])]
    assert world.ear.heard()[0][1][-1] == 6


def test_a_slow_reader_gets_the_newest_states_and_sees_the_gap_of_liquidations(world):
    """MD-91, MD-92."""
    world.subscribe(ALL_STATES | LIQUIDATIONS)
    world.mark()
    world.step()
    assert len(world.heard()) == 4
    world.ear.slow = True
    for px in (1001, 1002):
        world.mark(px, open_interest=px)
        world.step()
        world.release()
    world.ear.slow = False
    world.edge.feeds.recover(world.ear, world.now_ns)
    told = world.ear.heard()
    assert [(key, fields[1]) for key, fields in told] == [("MP", 1002), ("OI", 1002)]
    world.step()
    ((key, fields),) = world.heard()
    assert key == "LQ" and fields[-1] == 6, "two were dropped: pu is not the last u"
    assert world.edge.feeds.stats["liquidations_dropped"] == 2


def test_other_rules_are_told_to_who_subscribes_and_are_in_m(world):
    """CFG: SY-4, MD-93."""
    world.subscribe(TRADES)
    other = Ear()
    world.subscribe(TRADES, 2, other)
    world.change(version=2, taker_fee_ppm=77, brackets=((5000, 200_000, 100_000),))
    ((key, (row, ts_ns, seq)),) = world.heard()
    assert (key, ts_ns, seq) == ("SC", 4000, 4)
    assert (row[0], row[14], row[16], row[19]) == (1, 2, 77, [[5000, 200_000, 100_000]])
    assert other.heard() == []
    ((_, (rows,)),) = [(key, [fields]) for key, fields in frames_of(world.edge._symbols_frame())]
    assert rows[0] == row and rows[1][14] == 1
    late = Ear()
    assert [key for key, _ in world.subscribe(MARK, ear=late)] == ["SC"], "changed since the start"


def test_notices_that_nobody_takes_are_bounded():
    """MD-90."""
    world = World(compiled)
    for _ in range(20_000):
        world.mark()
    world.shadow.apply(world.flow.take())
    assert len(world.shadow.take_notices()) == 16_384
    assert world.shadow.notices_lost == 20_000 - 16_384
    assert world.shadow.take_notices() == []
