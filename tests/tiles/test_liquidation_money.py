"""Where money goes at the edges of a liquidation, with one risk tile and with three.

Each test ends with every ledger equal to a fold of the log (INV-33) and every unit accounted for.
Source: specs/liquidation.md LQ-8, LQ-9, AD-1 to AD-3, AD-6; specs/risk.md A-4, HG, IM.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from world import BUY, IOC, SELL, World, make_market

from rsx import records
from rsx.records import View

REDUCE_ONLY, HEDGE = 2, 128
FUND = records.FUND_USER_BASE + 1
CLOSED, BANKRUPT = records.Stage.CLOSED, records.Stage.BANKRUPT
VICTIM, MAKER, OTHER = 1, 2, 3
MS = 1_000_000


class Pit(World):
    """One market at 1000 (10 % to open, 5 % to keep), no fees but as changed."""

    def __init__(self, folder: Path, shards: int, **changes: Any):
        values: dict[str, Any] = {
            "tick": 1, "lot": 1, "px_max": 100_000, "maker_fee_ppm": 0, "taker_fee_ppm": 0,
            "liquidation_fee_ppm": 0, "funding_interval_s": 0, "liquidation_rounds": 1,
            "liquidation_delay_ms": 10, "insurance_seed": 0, "withdraw_keep_ppm": 0,
            "price_band_ppm": 0, "market_band_ppm": 100_000, **changes,
        }  # fmt: skip
        markets = [make_market(n, **values) for n in (1, 2)]
        super().__init__(folder, *markets, mark={"source": "synthetic"}, risk={"shards": shards})
        self.px = {1: 1000, 2: 1000}
        self.move(1000)

    @property
    def ledger(self) -> Any:
        return self.recovered.state.ledger

    def move(self, px: int, *, symbol: int = 1) -> None:
        self.px[symbol] = px
        for each, at in self.px.items():
            self.mark(at, symbol=each)
        self.run()

    def pay(self, **amounts: int) -> None:
        for name, amount in amounts.items():
            self.deposit({"victim": VICTIM, "maker": MAKER, "other": OTHER, "fund": FUND}[name],
                         amount=amount)  # fmt: skip
        self.run()

    def set(self, user: int, **values: int) -> None:
        bits = {"leverage": 1, "margin_mode": 2, "position_mode": 4}
        fields = sum(bit for name, bit in bits.items() if name in values)
        self.ask("MARGIN_CONFIG_REQUEST", user_id=user, fields=fields, **{"symbol_id": 1, **values})
        self.run()

    def hedge(self, user: int) -> None:
        self.set(user, symbol_id=0, position_mode=1)

    def trade(self, buyer: int, seller: int, px: int, qty: int, *, buy: int = 0, sell: int = 0,
              symbol: int = 1) -> None:  # fmt: skip
        """buy, sell: flags of the two orders."""
        self.place(seller, SELL, px, qty, flags=sell, symbol=symbol)
        self.run()
        self.place(buyer, BUY, px, qty, flags=buy, tif=IOC, symbol=symbol)
        self.run()

    def net(self, user: int, leg: int = 0, symbol: int = 1) -> int:
        row = self.ledger.position(user, symbol, leg)
        return 0 if row is None else int(row["net_qty"])

    def of(self, name: str) -> list[View]:
        return [view for view in self.released if view.record.name == name]

    def stages(self, user: int = VICTIM) -> list[int]:
        return [v.stage for v in self.of("LIQUIDATION_STEP") if v.user_id == user]

    def wait(self, ms: int = 1000) -> None:
        for _ in range(ms // 100):
            self.clock.advance(100 * MS)
            self.move(self.px[1])

    def refusals(self) -> list[tuple[int, int]]:
        names = ("REQUEST_REJECTED", "ORDER_REJECTED", "AMEND_REJECTED", "TRIGGER_REFUSED")
        return [(v.user_id, v.reason) for v in (*self.answers, *self.released)
                if v.record.name in names]  # fmt: skip


def check(world: Pit) -> None:
    world.recovered.state.audit()
    folded = world.fold()
    assert folded.state_hash() == world.live_hash()
    assert {risk.ledger.state_hash() for risk in world.tiles.risks} == {folded.ledger.state_hash()}
    sums = world.ledger.totals()
    assert sums["deposits"] - sums["withdrawals"] == (
        sums["collateral"] + sums["wallets"] - sums["signed_cost"] + sums["fees"]
        + sums["pools"] + sums["residue"]
    )  # fmt: skip


@pytest.fixture(params=[1, 3], ids=["one_shard", "three_shards"])
def make_pit(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Callable[..., Pit]]:
    made: list[Pit] = []

    def make(**changes: Any) -> Pit:
        made.append(Pit(tmp_path, request.param, **changes))
        return made[-1]

    yield make
    for world in made:
        check(world)
        world.close()


# --- who pays --------------------------------------------------------------------------------


def test_the_fee_of_a_liquidation_order_is_the_fund_s(make_pit: Callable[..., Pit]) -> None:
    """A-4, FEE-6, LIQ-19: the fund is credited; rounded up against who is liquidated."""
    pit = make_pit(liquidation_fee_ppm=5_001, liquidation_rounds=10, liquidation_step_ppm=1_000_000)
    pit.pay(victim=1_100, maker=10**9, other=10**9)
    pit.trade(VICTIM, MAKER, 1000, 10)
    pit.place(OTHER, BUY, 930, 10)
    pit.run()
    pit.move(930)

    fills = [v for v in pit.of("FILL") if v.taker_user_id == VICTIM and v.taker_side == SELL]
    fees = [-(-fill.px * fill.qty * 5_001 // 10**6) for fill in fills]
    assert fills and [fill.taker_fee for fill in fills] == fees
    assert pit.ledger.account(FUND)["collateral"] == sum(fees)
    assert pit.ledger.totals()["fees"] == 0


def test_what_a_fee_took_below_nothing_is_made_good_once(make_pit: Callable[..., Pit]) -> None:
    """LQ-9, MAR-13: negative collateral is never left with nobody, and never paid for twice."""
    pit = make_pit(liquidation_fee_ppm=100_000, liquidation_rounds=10,
                   liquidation_step_ppm=1_000_000)  # fmt: skip
    pit.pay(victim=1_010, maker=10**9, other=10**9)
    pit.trade(VICTIM, MAKER, 1000, 10)
    pit.place(OTHER, BUY, 930, 10)
    pit.run()
    pit.move(930)
    pit.wait()

    assert pit.stages()[-1] == CLOSED
    made_good = pit.of("LIQUIDATION_SETTLED")
    assert len(made_good) == 1 and made_good[0].amount > 0
    assert pit.ledger.account(VICTIM)["collateral"] == 0
    fees = sum(fill.taker_fee for fill in pit.of("FILL") if fill.taker_user_id == VICTIM)
    assert pit.ledger.account(FUND)["collateral"] == fees - made_good[0].amount


@pytest.mark.parametrize("side", [BUY, SELL])
def test_a_bankruptcy_price_held_within_the_market_leaves_a_debt_that_the_fund_pays(
    make_pit: Callable[..., Pit], side: int
) -> None:
    """LQ-8, LQ-9: B beyond 1 .. px_max; LIQ-18: the user ends flat with nothing."""
    pit = make_pit(px_max=1_100, initial_margin_ppm=50_000, maintenance_margin_ppm=25_000)
    pit.pay(victim=600, maker=10**9, fund=10**7)
    if side == BUY:
        # A loss beyond px_max - M: long, other market, loss put on this position.
        pit.trade(VICTIM, MAKER, 1_000, 1)
        pit.trade(VICTIM, MAKER, 1_000, 10, symbol=2)
        pit.px[2] = 100
        pit.move(1_050)
    else:
        pit.trade(MAKER, VICTIM, 1_000, 1)
        pit.trade(VICTIM, MAKER, 1_000, 10, symbol=2)
        pit.px[2] = 100
        pit.move(20)
    pit.deposit(FUND + 1, amount=10**7)
    pit.run()
    pit.wait()

    assert pit.stages()[-1] == CLOSED
    steps = [v for v in pit.of("LIQUIDATION_STEP") if v.stage == BANKRUPT]
    assert all(1 <= step.px <= 1_100 for step in steps) and len(steps) == 2
    if side == BUY:
        assert 1_100 in {step.px for step in steps}
    account = pit.ledger.account(VICTIM)
    assert account["collateral"] == 0 and pit.net(VICTIM) == pit.net(VICTIM, symbol=2) == 0
    moved = pit.of("LIQUIDATION_SETTLED")
    assert len(moved) <= 1 and all(view.amount > 0 for view in moved)


# --- the other leg ---------------------------------------------------------------------------


def test_the_only_counterparty_may_be_the_user_s_own_other_leg(
    make_pit: Callable[..., Pit],
) -> None:
    """AD-1, AD-3, HG-2: both legs of one cross account, nobody else in the market."""
    pit = make_pit(insurance_notional_max=0)
    pit.pay(victim=3_000)
    pit.hedge(VICTIM)
    # A trade of the user with itself opens both legs.
    pit.trade(VICTIM, VICTIM, 1000, 10, buy=HEDGE, sell=HEDGE)
    assert (pit.net(VICTIM, 0), pit.net(VICTIM, 1)) == (10, -10)
    pit.ask("WITHDRAW_REQUEST", user_id=VICTIM, amount=1_000)
    pit.run()
    pit.move(3_000)  # maintenance of the legs: 1500 each, equity 2000
    pit.wait()

    assert (pit.net(VICTIM, 0), pit.net(VICTIM, 1)) == (0, 0)
    assert {v.counter_user_id for v in pit.of("POSITION_TRANSFERRED") if v.qty} == {VICTIM}
    assert pit.stages()[-1] in (CLOSED, records.Stage.RECOVERED)
    assert pit.ledger.account(VICTIM)["collateral"] == 2_000
    assert pit.ledger.account(FUND)["equity"] == 0


def test_two_isolated_legs_meet_and_one_pays_the_other(make_pit: Callable[..., Pit]) -> None:
    """AD-3, IM-1, LQ-9: the bankrupt leg's loss is the other one's gain, and no unit is lost."""
    pit = make_pit(insurance_notional_max=0)
    pit.pay(victim=10_000)
    pit.hedge(VICTIM)
    pit.set(VICTIM, margin_mode=1)
    pit.trade(VICTIM, VICTIM, 1000, 10, buy=HEDGE, sell=HEDGE)
    pit.move(880)  # the long leg: wallet 1000, equity -200, B = 900
    pit.wait()

    assert (pit.net(VICTIM, 0), pit.net(VICTIM, 1)) == (0, 0)
    assert pit.ledger.account(VICTIM)["collateral"] == 10_000
    assert [pit.ledger.position(VICTIM, 1, leg)["wallet"] for leg in (0, 1)] == [0, 0]
    assert pit.ledger.account(FUND)["equity"] == 0


def test_isolated_legs_are_closed_each_by_itself(make_pit: Callable[..., Pit]) -> None:
    """IM-1, HG-4, LQ-9: an isolated hedge account; the long leg goes, the short one stays."""
    pit = make_pit()
    pit.pay(victim=10_000, maker=10**9, fund=10**6)
    pit.hedge(VICTIM)
    pit.set(VICTIM, margin_mode=1)
    pit.trade(VICTIM, MAKER, 1000, 10, buy=HEDGE)
    pit.trade(MAKER, VICTIM, 1000, 4, sell=HEDGE)
    assert (pit.net(VICTIM, 0), pit.net(VICTIM, 1)) == (10, -4)
    pit.move(890)
    pit.wait()

    assert (pit.net(VICTIM, 0), pit.net(VICTIM, 1)) == (0, -4)
    assert {(v.margin_mode, v.leg) for v in pit.of("LIQUIDATION_STEP")} == {(1, 0)}
    short = pit.ledger.position(VICTIM, 1, 1)
    assert (short["wallet"], pit.ledger.position(VICTIM, 1, 0)["wallet"]) == (400, 0)
    assert 8_600 <= pit.ledger.account(VICTIM)["collateral"] <= 8_609
    check(pit)


def test_a_trade_of_a_hedge_account_with_itself_moves_no_money(
    make_pit: Callable[..., Pit],
) -> None:
    """POS-24 for legs: only fees leave, to the fee account."""
    pit = make_pit(taker_fee_ppm=400, maker_fee_ppm=-50)
    pit.pay(victim=100_000)
    pit.hedge(VICTIM)
    pit.trade(VICTIM, VICTIM, 1001, 7, buy=HEDGE, sell=HEDGE)
    pit.trade(VICTIM, VICTIM, 1003, 7, buy=HEDGE | REDUCE_ONLY, sell=HEDGE | REDUCE_ONLY)

    assert (pit.net(VICTIM, 0), pit.net(VICTIM, 1)) == (0, 0)
    fees = [f.taker_fee + f.maker_fee for f in pit.of("FILL")]
    assert len(fees) == 2 and all(fee > 0 for fee in fees)  # FEE-3
    assert pit.ledger.account(VICTIM)["collateral"] == 100_000 - sum(fees)
    assert pit.ledger.totals()["fees"] == sum(fees)


def test_a_trigger_of_a_leg_closes_that_leg_and_one_of_before_a_change_is_refused(
    make_pit: Callable[..., Pit],
) -> None:
    """V-14, HG-2, HG-3, HG-5: stop orders with a position side."""
    pit = make_pit()
    pit.pay(victim=100_000, maker=10**9)
    pit.hedge(VICTIM)
    pit.trade(VICTIM, MAKER, 1000, 10, buy=HEDGE)
    pit.trade(MAKER, VICTIM, 1000, 4, sell=HEDGE)
    pit.stop(VICTIM, SELL, 980, 10, flags=HEDGE | REDUCE_ONLY)
    pit.stop(VICTIM, SELL, 950, 3, flags=HEDGE)
    pit.stop(VICTIM, SELL, 900, 3, flags=HEDGE)
    pit.stop(VICTIM, SELL, 940, 3)
    pit.run()
    assert pit.refusals() == [(VICTIM, 2010)]
    pit.place(MAKER, BUY, 930, 100)
    pit.run()

    pit.move(970)
    assert (pit.net(VICTIM, 0), pit.net(VICTIM, 1)) == (0, -4)
    pit.move(945)
    assert (pit.net(VICTIM, 0), pit.net(VICTIM, 1)) == (0, -7)
    pit.place(MAKER, SELL, 940, 7)
    pit.run()
    pit.place(VICTIM, BUY, 940, 7, flags=HEDGE | REDUCE_ONLY)
    pit.run()
    assert pit.net(VICTIM, 1) == 0
    pit.set(VICTIM, symbol_id=0, position_mode=0)  # the last stop waits
    pit.move(890)

    assert pit.refusals()[-1] == (VICTIM, 2010)
    assert pit.ledger.account(VICTIM)["position_mode"] == 0


def test_an_amendment_of_a_leg_keeps_its_leg(make_pit: Callable[..., Pit]) -> None:
    """V-11, HG-3: reserved in the leg of the order; another flag is refused."""
    pit = make_pit()
    pit.pay(victim=100_000, maker=10**9)
    pit.hedge(VICTIM)
    order = pit.place(VICTIM, SELL, 1_010, 10, flags=HEDGE)
    pit.run()
    pit.amend(VICTIM, order, 1_005, 20)
    pit.run()
    assert pit.ledger.position(VICTIM, 1, 1)["frozen"] == 2_010
    pit.amend(VICTIM, order, 1_005, 30, flags=0)
    pit.run()
    assert pit.refusals() == [(VICTIM, 2010)]
    pit.place(MAKER, BUY, 1_005, 20)
    pit.run()
    assert (pit.net(VICTIM, 0), pit.net(VICTIM, 1)) == (0, -20)


def test_in_liquidation_only_what_reduces_passes(make_pit: Callable[..., Pit]) -> None:
    """V-16, PRE-6, LIQ-10: of the bucket's positions alone; of an isolated leg its own."""
    pit = make_pit(liquidation_rounds=10, liquidation_delay_ms=60_000)
    pit.pay(victim=10_000, maker=10**9)
    pit.hedge(VICTIM)
    pit.set(VICTIM, margin_mode=1)
    pit.trade(VICTIM, MAKER, 1000, 10, buy=HEDGE)
    pit.move(940)  # wallet 1000, equity 400, maintenance 470; nobody bids
    assert pit.stages()[0] == records.Stage.STARTED
    before = len(pit.refusals())
    pit.place(VICTIM, BUY, 900, 1, flags=HEDGE)
    pit.run()
    assert pit.refusals()[before:] == [(VICTIM, 2011)]
    pit.place(VICTIM, SELL, 960, 1, flags=HEDGE)  # opens the short leg, a bucket of its own
    pit.place(VICTIM, SELL, 960, 1, flags=HEDGE | REDUCE_ONLY)
    pit.run()
    assert len(pit.refusals()) == before + 1
