"""What the first shard does for the exchange as a whole, through the stepped tiles.

IF, AD, LQ-9: specs/liquidation.md; FN-5, FN-8: specs/funding.md; SH-3: specs/shards.md.
"""

from __future__ import annotations

import random
from types import SimpleNamespace

import pytest
from model.wire import make_request
from world import BUY, CANCEL_ONLY, HALT, OPEN, SELL, World, make_market

from rsx import records
from rsx.exchange import Exchange

FUND = records.FUND_USER_BASE + 1
MS = 1_000_000
HEDGE = 128
SECOND = 1000 * MS
HOUR = 3600
RULES = {
    "liquidation_rounds": 2, "liquidation_fee_ppm": 5000, "liquidation_delay_ms": 10,
    "insurance_seed": 0,
}  # fmt: skip


@pytest.fixture(params=[1, 3], ids=["one_shard", "three_shards"])
def make_world(tmp_path, request):
    """With three shards u1 is of the second, u2 of the first, u3 of the third."""
    worlds = []

    def make(marked: int = 1000, **rules) -> World:
        world = World(tmp_path, make_market(1, **{**RULES, **rules}),
                      make_market(2, **RULES),
                      mark={"source": "synthetic"},
                      risk={"shards": request.param})  # fmt: skip
        worlds.append(world)
        for symbol in (1, 2):
            world.mark(marked, symbol=symbol)
        world.run()
        return world

    yield make
    for world in worlds:
        world.close()


def trade(world, buyer: int, seller: int, px: int, qty: int, symbol: int = 1) -> None:
    world.place(seller, SELL, px, qty, symbol=symbol)
    world.run()
    world.place(buyer, BUY, px, qty, symbol=symbol)
    world.run()


def leveraged(world, fund: int = 0) -> None:
    """u1 is long 60.00 at 100.0 with little behind it, against u2 and u3."""
    world.deposit(1, amount=1_000_000)
    world.deposit(2, 3, amount=100_000_000)
    if fund:
        world.deposit(FUND, amount=fund)
    world.run()
    trade(world, 1, 2, 1000, 4000)
    trade(world, 1, 3, 1000, 2000)


def pass_time(world, ms: int, step: int = 20) -> None:
    for _ in range(ms // step):
        world.clock.advance(step * MS)
        world.run()


def of(world, name: str) -> list:
    return [view for view in world.released if view.record.name == name]


def state_of(world):
    return world.recovered.state


def check(world) -> None:
    """Audited, every shard equal to a fold of the log (INV-33), and money is conserved."""
    state_of(world).audit()
    folded = world.fold()
    assert folded.state_hash() == world.live_hash()
    assert {risk.ledger.state_hash() for risk in world.tiles.risks} == {folded.ledger.state_hash()}
    for risk in world.tiles.risks:
        risk.audit_watch()
    totals = state_of(world).ledger.totals()
    assert totals["deposits"] - totals["withdrawals"] == (
        totals["collateral"] + totals["wallets"] - totals["signed_cost"] + totals["fees"]
        + totals["pools"] + totals["residue"]
    )  # fmt: skip


class TestTakeover:
    """IF-1 to IF-3; LIQ-18, LIQ-20, INV-24."""

    def test_a_rich_fund_takes_the_position_at_the_bankruptcy_price(self, make_world):
        world = make_world()
        leveraged(world, fund=50_000_000)

        world.mark(800)
        world.run()

        (moved,) = of(world, "POSITION_TRANSFERRED")
        assert (moved.user_id, moved.counter_user_id, moved.kind) == (1, FUND, 0)
        assert (moved.qty, moved.px, moved.mark_px) == (6000, 834, 800)
        ledger = state_of(world).ledger
        assert ledger.position(FUND, 1)["net_qty"] == 6000
        assert 0 <= ledger.account(1)["collateral"] < 6000
        assert of(world, "LIQUIDATION_STEP")[-1].stage == records.Stage.CLOSED
        assert ledger.account(FUND)["equity"] == 50_000_000 - 6000 * (834 - 800)
        check(world)

    def test_a_poor_fund_takes_a_part_and_the_rest_is_deleveraged(self, make_world):
        world = make_world()
        leveraged(world, fund=34_000)  # what 1000 of it cost

        world.mark(800)
        world.run()

        first, *rest = of(world, "POSITION_TRANSFERRED")
        assert (first.kind, first.qty, first.counter_user_id) == (0, 1000, FUND)
        assert {view.kind for view in rest} == {1}
        assert sum(view.qty for view in rest) == 5000
        assert state_of(world).ledger.account(FUND)["equity"] == 0
        check(world)

    @pytest.mark.parametrize("limits", [
        {"insurance_loss_max": 0}, {"insurance_notional_max": 0},
    ])  # fmt: skip
    def test_its_limits_leave_all_to_the_other_side(self, make_world, limits):
        world = make_world(**limits)
        leveraged(world, fund=50_000_000)

        world.mark(800)
        world.run()

        assert {view.kind for view in of(world, "POSITION_TRANSFERRED")} == {1}
        check(world)

    def test_a_fund_offers_what_it_holds_at_mark_once_a_second(self, make_world):
        """IF-4."""
        world = make_world(liquidation_step_ppm=250_000)
        leveraged(world, fund=50_000_000)
        world.mark(800)
        world.run()
        pass_time(world, 900)
        assert len(of(world, "ORDER_ACCEPTED")) == 4 + 1

        world.place(2, BUY, 805, 10_000)
        world.run()
        pass_time(world, 200)

        last = of(world, "FILL")[-1]
        assert (last.taker_user_id, last.qty, last.px) == (FUND, 1500, 805)
        assert state_of(world).ledger.position(FUND, 1)["net_qty"] == 4500
        check(world)

    @pytest.mark.parametrize("mode", [HALT, CANCEL_ONLY])
    def test_nothing_is_taken_over_while_the_symbol_is_not_open(self, make_world, mode):
        """IF-1, MO-4: the position waits, and goes on when the symbol opens."""
        world = make_world()
        leveraged(world, fund=50_000_000)
        world.mark(800)
        world.set_mode(mode)
        world.run()
        pass_time(world, 200)
        assert not of(world, "POSITION_TRANSFERRED")

        world.set_mode(OPEN)
        world.run()
        pass_time(world, 200)

        assert sum(view.qty for view in of(world, "POSITION_TRANSFERRED")) == 6000
        check(world)


class TestDeleveraging:
    """AD-1 to AD-3."""

    def test_the_most_leveraged_profit_goes_first_and_its_orders_before_it(self, make_world):
        world = make_world()
        world.deposit(1, amount=1_000_000)
        world.deposit(2, amount=100_000_000)
        world.deposit(3, amount=600_000)
        world.run()
        trade(world, 1, 2, 1000, 4000)
        trade(world, 1, 3, 1000, 2000)
        world.place(3, SELL, 1500, 100)
        world.place(2, SELL, 1500, 100)
        world.run()

        world.mark(800)
        world.run()

        moved = of(world, "POSITION_TRANSFERRED")
        assert [(view.counter_user_id, view.qty) for view in moved] == [(3, 2000), (2, 4000)]
        assert moved[0].score > moved[1].score > 0
        cancelled = [v for v in of(world, "ORDER_CANCELLED") if v.reason == 3113]
        assert [view.user_id for view in cancelled] == [3, 2]
        assert cancelled[0].seq < moved[0].seq
        counters = world.risk.counters()
        assert counters["deleveraged"] == 2
        assert counters["adl_haircut"] == counters["bankruptcy_shortfall"] == 6000 * 34
        check(world)

    def test_a_cancel_all_and_its_transfer_wait_until_there_is_room_for_both(self, tmp_path):
        """T-3: the ring has one place left whenever shard 0 looks; no slot is written twice."""
        world = World(tmp_path, make_market(1, **RULES), mark={"source": "synthetic"},
                      rings={"risk_matching": 4})  # fmt: skip
        world.mark(1000)
        world.run()
        leveraged(world)
        ring = world.rings.risk_matching(0, 1)
        filler = records.MARK_UPDATE.pack(
            ts_ns=world.clock.now_ns(), mark_px=800, index_px=800, symbol_id=1
        )
        world.mark(800)
        for _ in range(300):
            while ring.free > 1:
                ring.push(filler)
            world.risk.step()
            assert len(ring) <= ring.depth
            world.step()
        world.run()
        assert sum(view.qty for view in of(world, "POSITION_TRANSFERRED")) == 6000
        check(world)
        world.close()

    def test_the_only_counterparty_is_the_other_leg_of_the_same_account(self, make_world):
        """AD-1, PT-2: both legs of a hedge account close against each other."""
        world = make_world(insurance_notional_max=0)
        world.deposit(1, amount=1_000_000)
        world.deposit(2, amount=100_000_000)
        world.run()
        world.ask("MARGIN_CONFIG_REQUEST", user_id=1, symbol_id=0, position_mode=1, fields=4)
        world.run()
        for side in (BUY, SELL):
            world.place(2, 1 - side, 1000, 4000)
            world.run()
            world.place(1, side, 1000, 4000, flags=HEDGE)
            world.run()
        ledger = state_of(world).ledger
        assert [ledger.position(1, 1, leg)["net_qty"] for leg in (0, 1)] == [4000, -4000]
        assert ledger.position(2, 1)["net_qty"] == 0

        world.mark(3000)
        world.run()
        pass_time(world, 1000)

        assert [ledger.position(1, 1, leg)["net_qty"] for leg in (0, 1)] == [0, 0]
        moved = [view for view in of(world, "POSITION_TRANSFERRED") if view.qty]
        assert {(view.user_id, view.counter_user_id) for view in moved} == {(1, 1)}
        assert of(world, "LIQUIDATION_STEP")[-1].stage in (
            records.Stage.CLOSED, records.Stage.RECOVERED,
        )  # fmt: skip
        check(world)

    @pytest.mark.parametrize("steps", range(5))
    def test_a_symbol_that_may_not_trade_does_not_keep_the_others_waiting(self, make_world, steps):
        """IF-1, AD-4: there is one ranking pass; a mark that goes stale in it gives it up."""
        world = make_world()
        world.deposit(1, 4, amount=1_000_000)
        world.deposit(2, 3, amount=100_000_000)
        world.run()
        trade(world, 1, 2, 1000, 6000)
        trade(world, 4, 3, 1000, 6000, symbol=2)
        world.mark(800)
        while all(view.stage != records.Stage.BANKRUPT for view in of(world, "LIQUIDATION_STEP")):
            world.step()
        for _ in range(steps):
            world.step()

        world.clock.advance(11 * SECOND)
        world.mark(800, symbol=2)
        world.run()
        pass_time(world, 200)
        moved = [view.symbol_id for view in of(world, "POSITION_TRANSFERRED") if view.qty]
        assert 2 in moved

        world.mark(800)
        world.run()
        pass_time(world, 200)
        ledger = state_of(world).ledger
        assert [ledger.position(user, 1)["net_qty"] for user in (1, 2)] == [0, 0]
        assert [ledger.position(user, 2)["net_qty"] for user in (3, 4)] == [0, 0]
        check(world)

    @pytest.mark.parametrize("later", range(20, 36))
    def test_who_gives_up_a_position_may_lose_it_as_a_counterparty_first(self, make_world, later):
        """LQ-8, LQ-9: u4, bankrupt too, is the only counterparty of u1. The tiles run in any order,
        so that its own step comes to the log before, between or after. It ends, made good."""
        rng = random.Random(later)
        world = make_world(insurance_notional_max=0)
        world.deposit(1, amount=1_000_000)
        world.deposit(4, amount=1_300_000)
        world.deposit(2, amount=100_000_000)
        world.run()
        trade(world, 1, 4, 1000, 6000)
        trade(world, 4, 2, 1000, 6000, symbol=2)

        world.mark(800)
        for number in range(200):
            if number == later:
                world.mark(500, symbol=2)
            rng.choice(world.tiles.compiled).step()
            world.collect()
        world.run()

        ledger = state_of(world).ledger
        assert [ledger.position(user, 1)["net_qty"] for user in (1, 4)] == [0, 0]
        steps = [v for v in of(world, "LIQUIDATION_STEP") if v.user_id == 4]
        assert steps[-1].stage == records.Stage.CLOSED
        assert ledger.account(4)["collateral"] >= 0
        check(world)

    def test_a_restart_in_the_middle_goes_on(self, make_world):
        """The bankrupt position is in the log; the requests that were out are lost."""
        world = make_world()
        leveraged(world)
        world.mark(800)
        for _ in range(400):
            world.step()
            if any(view.stage == records.Stage.BANKRUPT for view in of(world, "LIQUIDATION_STEP")):
                break
        assert not of(world, "POSITION_TRANSFERRED")

        world.restart()
        world.mark(800)
        world.run()
        pass_time(world, 100)

        assert sum(view.qty for view in of(world, "POSITION_TRANSFERRED")) == 6000
        assert state_of(world).ledger.position(1, 1)["net_qty"] == 0
        check(world)


class TestFunding:
    """FN-2 to FN-8; FND-1, FND-2, FND-11, FND-12."""

    INTERVAL = 8 * HOUR

    def sample(self, world, mark: int, index: int, minutes: int) -> None:
        """A live mark each minute."""
        for _ in range(minutes):
            world.rings["mark_risk"].push(records.MARK_UPDATE.pack(
                ts_ns=world.clock.now_ns(), mark_px=mark, index_px=index, symbol_id=1, sources=1,
            ))  # fmt: skip
            world.run()
            world.clock.advance(60 * SECOND)

    def to_the_boundary(self, world, mark: int, index: int) -> None:
        now = world.clock.now_ns() // SECOND
        left = self.INTERVAL - now % self.INTERVAL
        world.clock.advance((left - 600) * SECOND)
        self.sample(world, mark, index, 12)

    def make(self, make_world) -> World:
        world = make_world(funding_interest_ppb=0, funding_damp_ppb=0)
        world.deposit(1, 2, amount=100_000_000)
        world.run()
        trade(world, 1, 2, 1000, 3000)
        return world

    def test_longs_pay_when_the_market_is_above_its_index(self, make_world):
        world = self.make(make_world)
        before = {user: state_of(world).ledger.account(user)["collateral"] for user in (1, 2)}

        self.to_the_boundary(world, 1000, 995)

        (settled,) = of(world, "FUNDING_SETTLED")
        # Ten minutes of the first mark, which had no premium, then ten of this one (FN-2).
        assert settled.samples == 20
        assert settled.rate_ppb == settled.premium_ppb == 10 * (5 * 10**9 // 995) // 20
        paid = {view.user_id: view.amount for view in of(world, "FUNDING_PAYMENT")}
        due = 3000 * 1000 * settled.rate_ppb
        assert paid == {1: -(-due // 10**9), 2: -(due // 10**9)}
        after = {user: state_of(world).ledger.account(user)["collateral"] for user in (1, 2)}
        assert {user: before[user] - after[user] for user in (1, 2)} == paid
        (done,) = of(world, "FUNDING_DONE")
        assert (done.residue, done.payments) == (sum(paid.values()), 2)
        assert state_of(world).ledger.totals()["residue"] == done.residue
        check(world)

    @pytest.mark.parametrize("after", ["FUNDING_SETTLED", "FUNDING_PAYMENT", "FUNDING_DONE"])
    def test_a_restart_at_any_record_pays_once(self, make_world, after):
        """FN-8, INV-9."""
        world = self.make(make_world)
        now = world.clock.now_ns() // SECOND
        world.clock.advance((self.INTERVAL - now % self.INTERVAL - 600) * SECOND)
        self.sample(world, 1000, 995, 10)
        world.rings["mark_risk"].push(records.MARK_UPDATE.pack(
            ts_ns=world.clock.now_ns(), mark_px=1000, index_px=995, symbol_id=1, sources=1,
        ))  # fmt: skip
        for _ in range(400):
            world.step()
            if of(world, after):
                break
        assert of(world, after)

        world.restart()
        self.sample(world, 1000, 995, 3)

        folded = [view.record.name for view in records.iterate(world.log())]
        assert folded.count("FUNDING_SETTLED") == folded.count("FUNDING_DONE") == 1
        assert folded.count("FUNDING_PAYMENT") == 2
        check(world)

    def test_a_position_that_changes_meanwhile_pays_for_what_it_was(self, make_world):
        """FN-7: the fill comes between FUNDING_SETTLED and the payments."""
        world = self.make(make_world)
        world.place(2, BUY, 1000, 3000)
        world.run()
        self.to_the_boundary(world, 1000, 995)
        first = {view.user_id: view.amount for view in of(world, "FUNDING_PAYMENT")}
        world.place(1, SELL, 1000, 3000)
        world.run()

        self.to_the_boundary(world, 1000, 995)

        assert len(of(world, "FUNDING_PAYMENT")) == len(first)  # flat: nothing to pay
        check(world)

    def test_nothing_is_settled_while_halted(self, make_world):
        """FN-10: made late, once, with what was skipped."""
        world = self.make(make_world)
        world.set_mode(HALT)
        world.run()
        self.to_the_boundary(world, 1000, 995)
        self.to_the_boundary(world, 1000, 995)
        assert not of(world, "FUNDING_SETTLED")

        world.set_mode(OPEN)
        self.sample(world, 1000, 995, 2)

        (settled,) = of(world, "FUNDING_SETTLED")
        assert settled.skipped == 1
        check(world)


def test_lights_tell_the_fifth_of_the_queue(make_world):
    """AD-5."""
    world = make_world()
    users = range(10, 20)
    world.deposit(*users, amount=10_000_000)
    world.deposit(2, amount=1_000_000_000)
    world.run()
    for number, user in enumerate(users):
        trade(world, user, 2, 900 + 10 * number, 100)
    world.mark(1000)
    world.run()
    pass_time(world, 25_000, step=1000)
    world.answers.clear()
    for user in users:
        world.push(make_request("ACCOUNT_QUERY", user_id=user, request_id=user))
    world.run()

    lights = {v.user_id: v.lights for v in world.answers if v.record.name == "POSITION_RISK"}

    assert [lights[user] for user in users] == [5, 5, 4, 4, 3, 3, 2, 2, 1, 1]


def test_the_balance_of_a_fund_is_read_beside_its_tile(make_world):
    """LQ-9: it may be short only by what closed buckets lacked."""
    world = make_world()
    ledger = state_of(world).ledger
    assert ledger.fund_balance(1) == 0
    world.ask("DEPOSIT_REQUEST", user_id=FUND, amount=700)
    world.run()

    assert ledger.fund_balance(1) == ledger.fund(1)["collateral"] == 700


def test_health_names_a_fund_that_is_short(make_world):
    """LQ-9: nothing else than what closed buckets lacked can take it there."""
    config = make_world().config
    ledger = SimpleNamespace(fund_balance=lambda symbol_id: -5 if symbol_id == 1 else 0)
    exchange = SimpleNamespace(
        config=config, recovered=SimpleNamespace(config=config),
        tiles=SimpleNamespace(risk=SimpleNamespace(ledger=ledger)),
    )  # fmt: skip

    assert list(Exchange._broke_funds(exchange)) == [
        "the insurance fund of M1-PERP is short: -0.005"
    ]
