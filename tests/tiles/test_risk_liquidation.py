"""Liquidation through stepped tiles: risk, matching and log together, the clock by hand.

Covers specs/liquidation.md LQ-1 to LQ-9, SB-3, SB-4; specs/risk.md V-16.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from world import BUY, HALT, NOW_NS, OPEN, SELL, World, make_market

from rsx import records
from rsx.records import View

IOC, REDUCE_ONLY, HEDGE, LIQUIDATION = 1, 2, 128, 7
STARTED, ORDERED, RECOVERED, BANKRUPT, CLOSED = 1, 2, 3, 4, 5
MS = 1_000_000
VICTIM, MAKER, BIDDER = 1, 2, 3


def make_markets(**changes: Any) -> list[Any]:
    """Two markets without fees and funding: mark 1000, 10 % to open, 5 % to keep."""
    values: dict[str, Any] = {
        "tick": 1, "lot": 1, "px_max": 100_000, "maker_fee_ppm": 0, "taker_fee_ppm": 0,
        "liquidation_fee_ppm": 0, "funding_interval_s": 0, "liquidation_slip_ppm": 1_000,
        "liquidation_delay_ms": 200, "liquidation_rounds": 10, "withdraw_keep_ppm": 0,
        "market_band_ppm": 100_000, "price_band_ppm": 0, **changes,
    }  # fmt: skip
    return [make_market(n, **values) for n in (1, 2)]


class Crash(World):
    """User 1 is long 10 at 1000 with 1100 of collateral; 2 is short; 3 bids on request.

    With three shards user 1 is of the second, 2 of the first, 3 of the third.
    """

    shards = 1

    def __init__(self, folder: Path, *, collateral: int = 1_100, fed: bool = True, **changes: Any):
        sections = {
            "mark": {"source": "synthetic" if fed else "last"}, "risk": {"shards": self.shards},
        }  # fmt: skip
        super().__init__(folder, *make_markets(**changes), **sections)
        self.deposit(MAKER, BIDDER)
        self.deposit(VICTIM, amount=collateral)
        self.marks(1000, 1000)
        self.run()

    def marks(self, *prices: int, state: int = 0) -> None:
        for symbol, px in enumerate(prices, 1):
            self.rings["mark_risk"].push(records.MARK_UPDATE.pack(
                ts_ns=self.clock.now_ns(), mark_px=px, index_px=px, symbol_id=symbol, state=state,
            ))  # fmt: skip

    def trade(self, side: int, qty: int, px: int = 1000, *, symbol: int = 1, **more: Any) -> None:
        self.place(MAKER, 1 - side, px, qty, symbol=symbol)
        self.run()
        self.place(VICTIM, side, px, qty, symbol=symbol, **more)
        self.run()

    def until(self, stage: int) -> None:
        """Step until a LIQUIDATION_STEP of this stage has been released."""
        known = len(self.steps(stage))
        for _ in range(200):
            self.step()
            if len(self.steps(stage)) > known:
                return
        raise AssertionError(f"stage {stage} did not come: {self.told()}")

    def wait(self, ms: int) -> None:
        self.clock.advance(ms * MS)
        self.run()

    def steps(self, stage: int | None = None) -> list[View]:
        return [r for r in self.released if r.record.name == "LIQUIDATION_STEP"
                and (stage is None or r.stage == stage)]  # fmt: skip

    def told(self) -> list[tuple[int, ...]]:
        """(stage, symbol, round, price, quantity) of each step."""
        return [(r.stage, r.symbol_id, r.round, r.px, r.qty) for r in self.steps()]

    def stages(self) -> list[int]:
        return [r.stage for r in self.steps()]

    def net(self, user: int = VICTIM, symbol: int = 1, leg: int = 0) -> int:
        position = self.recovered.state.ledger.position(user, symbol, leg)
        return 0 if position is None else int(position["net_qty"])

    def reasons(self) -> list[int]:
        return [r.reason for r in self.answers if r.record.name == "REQUEST_REJECTED"]


@pytest.fixture(params=[1, 3], ids=["one_shard", "three_shards"], autouse=True)
def shards(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Every test with one risk tile and with three; at its end all say the same (INV-33)."""
    worlds: list[Crash] = []
    start = Crash.start

    def begin(world: Crash) -> None:
        start(world)
        if world not in worlds:
            worlds.append(world)

    monkeypatch.setattr(Crash, "shards", request.param)
    monkeypatch.setattr(Crash, "start", begin)
    yield
    for world in worlds:
        world.run()
        said = {risk.ledger.state_hash() for risk in world.tiles.risks}
        assert said == {world.fold().ledger.state_hash()}
        for risk in world.tiles.risks:
            risk.audit_watch()
        world.close()


@pytest.fixture
def crash(tmp_path: Path) -> Crash:
    world = Crash(tmp_path)
    world.trade(BUY, 10)
    return world


def names(world: World) -> list[str]:
    return [r.record.name for r in world.released]


# --- rounds --------------------------------------------------------------------------------------


def test_equity_equal_to_maintenance_is_safe(crash: Crash) -> None:
    """LQ-1. At 943: equity 530, maintenance 472; at 937: 470 and 469; at 936: 460 and 468."""
    for px in (943, 937):
        crash.marks(px)
        crash.run()
        assert crash.stages() == []
    crash.marks(936)
    crash.run()
    assert crash.stages()[0] == STARTED
    assert (crash.steps()[0].equity, crash.steps()[0].maintenance_margin) == (460, 468)


def test_a_round_closes_enough_and_the_rest_is_kept(crash: Crash) -> None:
    """LQ-2 to LQ-6; LIQ-9, LIQ-25: 3 of 10 close the gap."""
    crash.place(VICTIM, BUY, 900, 1)
    crash.place(BIDDER, BUY, 930, 10)
    crash.run()
    crash.marks(930)
    crash.run()

    assert crash.told() == [
        (STARTED, 0, 0, 0, 0), (ORDERED, 1, 1, 929, 3), (RECOVERED, 0, 0, 0, 0),
    ]  # fmt: skip
    assert crash.net() == 7
    cancelled = [r for r in crash.released if r.record.name == "ORDER_CANCELLED"]
    assert [r.reason for r in cancelled] == [3112]
    (order,) = [r for r in crash.released
                if r.record.name == "ORDER_ACCEPTED" and r.kind == LIQUIDATION]  # fmt: skip
    assert (order.tif, order.flags & REDUCE_ONLY, order.stp, order.cid_len) == (IOC, 2, 2, 0)
    assert (order.oid >> 10 & 3, order.reserved) == (3, 0)
    assert order.oid == crash.steps(ORDERED)[0].oid


def test_own_orders_go_before_anything_is_sold(crash: Crash) -> None:
    """LQ-2: no order before every CANCEL_ALL_DONE is back."""
    crash.place(VICTIM, BUY, 900, 1, symbol=2)
    crash.run()
    crash.marks(930)
    crash.run()
    found = names(crash)
    done = [i for i, r in enumerate(crash.released) if r.record.name == "CANCEL_ALL_DONE"]
    ordered = next(i for i, r in enumerate(crash.released)
                   if r.record.name == "LIQUIDATION_STEP" and r.stage == ORDERED)  # fmt: skip
    assert [crash.released[i].symbol_id for i in done].count(1) == 1
    assert sorted(crash.released[i].symbol_id for i in done) == [1, 2]
    assert found.index("LIQUIDATION_STEP") < min(done) < max(done) < ordered


def test_a_mark_that_comes_back_ends_it_without_an_order(crash: Crash) -> None:
    """LQ-3: the look after the cancel-alls."""
    crash.marks(930)
    crash.until(STARTED)
    crash.marks(1000)
    crash.run()
    assert crash.stages() == [STARTED, RECOVERED]
    assert crash.net() == 10


def test_rounds_wait_longer_and_reach_further(crash: Crash) -> None:
    """LQ-4, LQ-5; LIQ-3, LIQ-4: nobody bids; r x 200 ms between rounds."""
    crash.marks(930)
    crash.run()
    assert crash.told()[1:] == [(ORDERED, 1, 1, 929, 3)]
    crash.wait(199)
    assert len(crash.steps(ORDERED)) == 1
    crash.wait(1)
    assert crash.told()[2:] == [(ORDERED, 1, 2, 926, 3)]
    crash.wait(399)
    assert len(crash.steps(ORDERED)) == 2
    crash.marks(930)
    crash.wait(1)
    assert [r.px for r in crash.steps(ORDERED)] == [929, 926, 921]
    assert [r.round for r in crash.steps(ORDERED)] == [1, 2, 3]


def test_rounds_used_up_give_the_position_up(tmp_path: Path) -> None:
    """LQ-4, LQ-8; LIQ-17: after the last round, at the bankruptcy price."""
    crash = Crash(tmp_path, liquidation_rounds=2)
    crash.trade(BUY, 10)
    crash.marks(930)
    crash.run()
    crash.wait(200)
    crash.wait(400)
    assert crash.stages()[:4] == [STARTED, ORDERED, ORDERED, BANKRUPT]
    (given,) = crash.steps(BANKRUPT)
    assert (given.px, given.qty, given.net_qty, given.side) == (890, 10, 10, SELL)


def test_no_rounds_at_all(tmp_path: Path) -> None:
    """LQ-4; LIQ-17: liquidation_rounds 0."""
    crash = Crash(tmp_path, liquidation_rounds=0)
    crash.trade(BUY, 10)
    crash.marks(930)
    crash.run()
    assert crash.stages()[:2] == [STARTED, BANKRUPT]


def test_equity_used_up_is_bankrupt_at_once(crash: Crash) -> None:
    """LQ-4, LQ-8: at 880 equity is -100; B = 880 + 10."""
    crash.marks(880)
    crash.run()
    assert crash.stages()[:2] == [STARTED, BANKRUPT]
    assert (crash.steps(BANKRUPT)[0].px, crash.steps(BANKRUPT)[0].equity) == (890, -100)


def test_a_short_is_bought_back(tmp_path: Path) -> None:
    """LQ-5: 10 short at 1000; at 1065 equity 450 < 533."""
    crash = Crash(tmp_path)
    crash.trade(SELL, 10)
    crash.place(BIDDER, SELL, 1066, 10)
    crash.run()
    crash.marks(1065)
    crash.run()
    assert crash.stages() == [STARTED, ORDERED, RECOVERED]
    assert crash.steps(ORDERED)[0].px == 1067
    assert -10 < crash.net() < 0


def test_trades_move_the_mark_where_nothing_else_does(tmp_path: Path) -> None:
    """K-1, LQ-1; LIQ-11: mark source "last"."""
    crash = Crash(tmp_path, fed=False)
    crash.trade(BUY, 10)
    crash.place(BIDDER, BUY, 930, 8)
    crash.run()
    crash.place(MAKER, SELL, 930, 1)
    crash.run()
    assert crash.stages() == [STARTED, ORDERED, RECOVERED]


# --- what stops it -------------------------------------------------------------------------------


def test_nothing_is_done_on_a_stale_mark(crash: Crash) -> None:
    """LQ-1; LIQ-22: stale by its own word, then live."""
    crash.marks(930, state=1)
    crash.run()
    assert crash.stages() == []
    crash.marks(930)
    crash.run()
    assert crash.stages()[0] == STARTED


def test_another_position_s_stale_mark_stops_the_bucket(tmp_path: Path) -> None:
    """LQ-1: parked, and looked at when the stale one is live again."""
    crash = Crash(tmp_path, collateral=1_200)
    crash.trade(BUY, 10)
    crash.trade(BUY, 1, symbol=2)
    crash.clock.advance(11_000 * MS)
    crash.marks(930)
    crash.run()
    assert crash.stages() == []
    crash.marks(930, 1000)
    crash.run()
    assert crash.stages()[0] == STARTED


def test_a_halt_leaves_positions_alone(crash: Crash) -> None:
    """LQ-1, MO-4; LIQ-12: looked at when the market opens."""
    crash.set_mode(HALT)
    crash.run()
    crash.marks(930)
    crash.run()
    assert crash.stages() == []
    crash.set_mode(OPEN)
    crash.run()
    assert crash.stages()[:2] == [STARTED, ORDERED]


def test_the_bucket_s_other_positions_go_on_in_a_halt(tmp_path: Path) -> None:
    """LQ-1, LQ-4: the largest is halted, the other one is closed."""
    crash = Crash(tmp_path, collateral=1_700)
    crash.trade(BUY, 10)
    crash.trade(BUY, 5, symbol=2)
    crash.set_mode(HALT)
    crash.run()
    crash.marks(930, 950)
    crash.run()
    assert crash.stages() == []
    crash.marks(910, 950)
    crash.run()
    assert [r.symbol_id for r in crash.steps(ORDERED)] == [2]


def test_the_largest_maintenance_goes_first(tmp_path: Path) -> None:
    """LQ-4: overlapping symbols; both are cancelled, one is closed."""
    crash = Crash(tmp_path, collateral=1_600)
    crash.trade(BUY, 5)
    crash.trade(BUY, 10, symbol=2)
    crash.place(BIDDER, BUY, 901, 10, symbol=2)
    crash.run()
    crash.marks(950, 901)
    crash.run()
    assert [(r.stage, r.symbol_id) for r in crash.steps()] == [
        (STARTED, 0), (ORDERED, 2), (RECOVERED, 0),
    ]  # fmt: skip
    assert crash.net() == 5
    assert 0 < crash.net(symbol=2) < 10


# --- orders meanwhile ----------------------------------------------------------------------------


def test_orders_of_its_user_meanwhile(crash: Crash) -> None:
    """V-16; LIQ-10: refused unless they only reduce, and those too while an order is out."""
    crash.marks(930)
    crash.until(STARTED)
    crash.place(VICTIM, BUY, 900, 1)
    crash.step()
    assert crash.reasons() == [2011]
    crash.run()
    assert crash.stages() == [STARTED, ORDERED]
    crash.place(BIDDER, BUY, 930, 10)
    crash.place(VICTIM, SELL, 930, 4, flags=REDUCE_ONLY)
    crash.run()
    assert crash.reasons() == [2011]
    assert crash.stages() == [STARTED, ORDERED, RECOVERED]
    assert crash.net() == 6


def test_a_position_that_its_user_closes_is_over(crash: Crash) -> None:
    """LQ-9; LIQ-12: flat in the pause between rounds."""
    crash.marks(930)
    crash.run()
    crash.place(BIDDER, BUY, 930, 10)
    crash.place(VICTIM, SELL, 930, 10, flags=REDUCE_ONLY)
    crash.run()
    assert crash.stages() == [STARTED, ORDERED, CLOSED]
    assert crash.net() == 0


def test_a_deposit_ends_it(crash: Crash) -> None:
    """LQ-3."""
    crash.marks(930)
    crash.run()
    crash.deposit(VICTIM, amount=1_000)
    crash.run()
    assert crash.stages() == [STARTED, ORDERED, RECOVERED]


# --- isolated and hedge --------------------------------------------------------------------------


def test_an_isolated_position_answers_for_itself(tmp_path: Path) -> None:
    """IM-1, LQ-2: with plenty in the account the wallet of 1000 is all there is."""
    crash = Crash(tmp_path, collateral=100_000)
    crash.ask("MARGIN_CONFIG_REQUEST", user_id=VICTIM, symbol_id=1, margin_mode=1, fields=2)
    crash.run()
    crash.trade(BUY, 10)
    crash.trade(BUY, 10, symbol=2)
    crash.place(BIDDER, BUY, 940, 10)
    crash.run()
    crash.marks(940)
    crash.run()
    assert [(r.stage, r.symbol_id, r.margin_mode) for r in crash.steps()] == [
        (STARTED, 1, 1), (ORDERED, 1, 1), (RECOVERED, 1, 1),
    ]  # fmt: skip
    assert 0 < crash.net() < 10
    assert crash.net(symbol=2) == 10


def test_legs_of_a_hedge(tmp_path: Path) -> None:
    """HG-4, LQ-6: the order closes one leg, with the flag HEDGE."""
    crash = Crash(tmp_path, collateral=1_500)
    crash.ask("MARGIN_CONFIG_REQUEST", user_id=VICTIM, symbol_id=0, position_mode=1, fields=4)
    crash.run()
    crash.trade(BUY, 10, flags=HEDGE)
    crash.trade(SELL, 2, flags=HEDGE)
    assert (crash.net(leg=0), crash.net(leg=1)) == (10, -2)
    crash.place(BIDDER, BUY, 860, 20)
    crash.run()
    crash.marks(870)
    crash.run()
    ordered = crash.steps(ORDERED)[0]
    assert (ordered.leg, ordered.side) == (0, SELL)
    (order,) = [r for r in crash.released
                if r.record.name == "ORDER_ACCEPTED" and r.oid == ordered.oid]  # fmt: skip
    assert order.flags & HEDGE
    assert crash.net(leg=1) == -2


@pytest.mark.parametrize("is_restarted", [False, True])
def test_an_isolated_bucket_that_a_takeover_leaves_short(
    tmp_path: Path, is_restarted: bool
) -> None:
    """IM-3, LQ-8, LQ-9: fees took more than the wallet had, and no price makes up for it: the fund
    of the market does. What the user has besides is not touched."""
    crash = Crash(tmp_path, collateral=100_000, px_max=1_000, liquidation_fee_ppm=100_000)
    crash.ask("MARGIN_CONFIG_REQUEST", user_id=VICTIM, symbol_id=1, margin_mode=1, fields=2)
    crash.run()
    crash.trade(BUY, 10)
    before = crash.recovered.state.ledger.account(VICTIM)["collateral"]
    crash.place(BIDDER, BUY, 939, 9)
    crash.run()
    crash.marks(940)
    if is_restarted:
        crash.until(BANKRUPT)
        crash.restart()
        crash.marks(940, 1000)
    crash.run()

    assert crash.stages() == [STARTED, ORDERED, BANKRUPT, CLOSED]
    assert {(r.symbol_id, r.margin_mode) for r in crash.steps()} == {(1, 1)}
    short = 9 * 61 + 9 * 94 - 1_000  # 93.9 each, rounded up
    paid = [r for r in crash.released if r.record.name == "LIQUIDATION_SETTLED"]
    wallet = crash.recovered.state.ledger.position(VICTIM, 1)["wallet"]
    assert (wallet, crash.net()) == (0, 0)
    assert [(r.user_id, r.symbol_id, r.margin_mode) for r in paid] == [(VICTIM, 1, 1)]
    assert abs(paid[0].amount - short) <= 9
    assert crash.recovered.state.ledger.account(VICTIM)["collateral"] == before
    crash.recovered.state.audit()


# --- restarts ------------------------------------------------------------------------------------


@pytest.mark.parametrize("stage", [STARTED, ORDERED])
def test_a_restart_goes_on_where_the_log_is(crash: Crash, stage: int) -> None:
    """LQ-2, LQ-6: cancel-alls are sent again; an order that the log has not is counted as ended."""
    crash.marks(930)
    crash.until(stage)
    crash.restart()
    crash.place(BIDDER, BUY, 930, 10)
    crash.run()
    crash.marks(930)
    crash.run()
    crash.wait(200)
    crash.marks(930)
    crash.run()
    assert crash.stages()[0] == STARTED
    assert crash.stages()[-1] == RECOVERED
    assert crash.stages().count(STARTED) == 1
    rounds = [r.round for r in crash.steps(ORDERED)]
    assert rounds == ([1] if stage == STARTED else [1, 2])
    assert 0 < crash.net() < 10


def test_a_restart_while_a_position_is_bankrupt(crash: Crash) -> None:
    """LQ-2, LQ-8, IF-1: given up once, at the price of the log, and taken over or deleveraged."""
    crash.marks(880)
    crash.until(BANKRUPT)
    assert crash.net() == 10
    crash.clock.advance(11_000 * MS)
    crash.restart()
    crash.run()
    assert crash.net() == 10, "no fresh mark: shard 0 waits"
    crash.marks(870, 1000)
    crash.run()

    assert crash.stages() == [STARTED, BANKRUPT, CLOSED]
    moved = [r for r in crash.released if r.record.name == "POSITION_TRANSFERRED"]
    assert sum(r.qty for r in moved) == 10
    assert {(r.user_id, r.px) for r in moved} == {(VICTIM, 890)}
    assert crash.net() == 0
    assert crash.recovered.state.ledger.account(VICTIM)["collateral"] == 0
    crash.recovered.state.audit()


def test_a_restart_while_it_waits_keeps_the_round(crash: Crash) -> None:
    """LQ-4, LQ-5: rounds never fall."""
    crash.marks(930)
    crash.run()
    crash.restart()
    crash.marks(930)
    crash.run()
    crash.wait(200)
    crash.marks(930)
    crash.run()
    assert [r.round for r in crash.steps(ORDERED)] == [1, 2]


def test_a_start_looks_at_everyone(crash: Crash) -> None:
    """SB-2: below maintenance since before the start, and no mark moves."""
    crash.clock.advance(11_000 * MS)
    crash.restart()
    crash.run()
    assert crash.stages() == []
    crash.marks(930)
    crash.run()
    assert crash.stages()[0] == STARTED


# --- margin calls --------------------------------------------------------------------------------


def calls(world: World) -> list[View]:
    return [r for r in world.answers if r.record.name == "MARGIN_CALL"]


def test_a_margin_call_goes_out_once(crash: Crash) -> None:
    """SB-4: below 1.5 x maintenance; again only after a tenth above that line."""
    crash.marks(960)  # equity 700, line 720
    crash.run()
    assert [(r.user_id, r.equity, r.maintenance_margin) for r in calls(crash)] == [(1, 700, 480)]
    for px in (959, 963, 960):  # 963: equity 730, line 723
        crash.marks(px)
        crash.run()
    assert len(calls(crash)) == 1
    crash.marks(975)  # equity 850, line 732, a tenth above 805
    crash.run()
    crash.marks(960)
    crash.run()
    assert len(calls(crash)) == 2


# --- many ----------------------------------------------------------------------------------------


def test_the_worst_is_started_first(tmp_path: Path) -> None:
    """SB-3: of a shard's users by equity / maintenance, ties by user id."""
    crash = Crash(tmp_path)
    of = crash.config.shards.of
    users = [user for user in range(10, 100) if of(user) == of(VICTIM)][:4]
    for user, amount in zip(users, (1_130, 1_100, 1_150, 1_100), strict=True):
        crash.deposit(user, amount=amount)
    crash.run()
    for user in users:
        crash.place(MAKER, SELL, 1000, 10)
        crash.place(user, BUY, 1000, 10)
        crash.run()
    crash.marks(930)
    crash.run()
    assert [r.user_id for r in crash.steps(STARTED)] == [users[at] for at in (1, 3, 0, 2)]


def test_a_cascade_ends(tmp_path: Path) -> None:
    """LQ-1 to LQ-6 for 60 users; each ends recovered, and the books balance."""
    crash = Crash(tmp_path)
    users = range(100, 160)
    for user in users:
        crash.deposit(user, amount=1_050 + user)
        crash.run()
        crash.place(MAKER, SELL, 1000, 10)
        crash.place(user, BUY, 1000, 10)
        crash.run()
    crash.place(BIDDER, BUY, 915, 1000)
    crash.run()
    crash.marks(915)
    crash.run()
    crash.risk.audit_watch()
    started = {r.user_id for r in crash.steps(STARTED)}
    assert started
    assert {r.user_id for r in crash.steps(RECOVERED)} == started
    crash.recovered.state.ledger.audit()


def test_full_rings_lose_nothing(tmp_path: Path) -> None:
    """T-6: rings of 8 slots; what waits is done in the end."""
    crash = Crash(tmp_path)
    for user in range(100, 140):
        crash.deposit(user, amount=1_100)
        crash.run()
        crash.place(MAKER, SELL, 1000, 10)
        crash.place(user, BUY, 1000, 10)
        crash.run()
    crash.close()
    crash.config = crash.config.replace(rings={"risk_matching": 8, "risk_wal": 8})
    crash.start()
    crash.place(BIDDER, BUY, 930, 1000)
    crash.run()
    crash.marks(930, 1000)
    crash.run()
    assert len(crash.steps(STARTED)) == len(crash.steps(RECOVERED)) == 40


def test_the_time_of_a_step_is_the_clock_s(crash: Crash) -> None:
    crash.marks(930)
    crash.run()
    assert {r.ts_ns for r in crash.steps()} == {NOW_NS}
