"""Worked examples of the requirements (sections 9 to 16) and of the spec pages, number by number.

Against the plain functions of tests/model. Where a specification changes a required example, the
changed one is tested and the rule that changes it is named.
"""

from __future__ import annotations

import pytest
from model import funding, liquidation, margin
from model.fold import Position
from model.funding import MINUTE_NS, Samples
from model.ledger import ModelLedger
from model.liquidation import PRO_RATA, QUEUE, RISK_WEIGHTED, Candidate
from model.margin import BUY, SELL, Terms
from model.symbols import make_symbol

MARKET = make_symbol(reference_px=100)


class TestPositions:
    @pytest.mark.parametrize(
        ("name", "trades", "due"),
        [
            ("POS-20", [(10, 100)], (10, 1000, 0)),
            ("POS-20", [(10, 100), (-5, 110)], (5, 500, 50)),
            ("POS-20", [(10, 100), (-5, 110), (-5, 120)], (0, 0, 150)),
            ("POS-21", [(10, 100), (10, 200)], (20, 3000, 0)),
            ("POS-21", [(10, 100), (5, 105), (2, 110)], (17, 1745, 0)),
            ("POS-22", [(10, 100), (-15, 120)], (-5, 600, 200)),
            ("POS-22", [(-10, 100), (20, 90)], (10, 900, 100)),
            ("POS-22", [(3, 100), (4, 107), (-10, 120)], (-3, 360, 112)),
            ("POS-23", [(-3, 100), (-4, 107), (3, 90)], (-4, 416, 42)),
            ("POS-24", [(10, 100), (-10, 110), (10, 110)], (10, 1100, 100)),
            ("POS-25", [(7, 101), (-3, 99), (-1, 102), (-3, 100)], (0, 0, -8)),
            ("POS-26", [(7, 101), (-7, 101)], (0, 0, 0)),
        ],
    )
    def test_cost_and_profit(self, name, trades, due):
        position = Position()
        for qty, px in trades:
            position.trade(qty, px)
        assert (position.net, position.cost, position.realised) == due, name

    @pytest.mark.parametrize(
        ("net", "cost", "mark", "due"),
        [(10, 1000, 110, 100), (-10, 1000, 110, -100), (10, 1000, 90, -100), (-10, 1000, 90, 100),
         (0, 0, 12345, 0), (7, 728, 104, 0), (8, 835, 107, 21)],
    )  # fmt: skip
    def test_unrealised_is_exact(self, net, cost, mark, due):
        """POS-27, and POS-6 as POS-7 and A-5 change it: no truncated average in it."""
        assert margin.unrealised(net, cost, mark) == due


class TestFees:
    @pytest.mark.parametrize(
        ("notional", "ppm", "due"),
        [(10_000, 1000, 10), (21, 1000, 1), (10_000, -500, -5), (1, 1000, 1), (1, -1000, 0),
         (0, 1000, 0)],
    )  # fmt: skip
    def test_charges_round_up_and_rebates_toward_zero(self, notional, ppm, due):
        """FEE-2 as FEE-3, U-2 and R-2 change it: 7 x 3 at 10 bp is 1, not 0; 1 x 1 likewise."""
        assert margin.fee_of(notional, ppm) == due


class TestMargin:
    def test_brackets(self):
        """risk.md section 9; BR-1."""
        market = make_symbol(
            initial_margin_ppm=50_000, brackets=((1000, 100_000, 60_000), (5000, 200_000, 70_000))
        )
        seen = [margin.initial(market, n) for n in (1000, 3000, 6000)]
        assert seen == [50, 250, 650]
        assert margin.initial(market, 3000, Terms(leverage=5)) == 600
        assert [margin.leverage_max(market, n) for n in (0, 1000, 1001, 5000, 5001)] == [
            20,
            20,
            10,
            10,
            5,
        ]
        assert margin.maintenance(market, 6000) == 50 + 240 + 70

    def test_leverage_only_raises_rates(self):
        """BR-2."""
        assert margin.initial(MARKET, 1000, Terms(leverage=10)) == 100
        assert margin.initial(MARKET, 1000, Terms(leverage=50)) == 100
        assert margin.initial(MARKET, 1000, Terms(leverage=3)) == 334

    def test_open_interest_scales_the_initial_rate(self):
        """BR-3."""
        market = make_symbol(oi_low=1000, oi_high=2000)
        marks = [margin.oi_scale(market, oi, 100) for oi in (10, 15, 20, 30)]
        assert marks == [0, 500_000, 1_000_000, 1_000_000]
        assert margin.oi_scale(MARKET, 1 << 40, 100) == 0
        assert margin.initial(market, 1000, Terms(scale=500_000)) == 550
        assert margin.initial(market, 1000, Terms(leverage=2, scale=500_000)) == 750
        assert margin.initial(market, 1000, Terms(scale=1_000_000)) == 1000

    @pytest.mark.parametrize(
        ("side", "px", "qty", "mark", "fee_ppm", "due"),
        [
            (BUY, 100, 10, 100, 1000, 101),  # PRE-2
            (BUY, 100, 10, 100, 5000, 105),  # PRE-2
            (BUY, 10_000, 10, 10_000, 500, 10_050),  # PRE-2
            (SELL, 1, 1, 50_000, 0, 5000 + 49_999),  # PRE-3 as V-3 changes it
            (BUY, 150, 10, 100, 0, 150 + 500),  # PRE-4 as V-3 changes it
        ],
    )
    def test_required(self, side, px, qty, mark, fee_ppm, due):
        market = make_symbol(taker_fee_ppm=fee_ppm)
        assert margin.required(market, side, px, qty, 0, 0, mark) == due

    def test_an_order_above_what_is_there_pays_the_higher_bracket(self):
        """V-3: base is the exposure on its side."""
        market = make_symbol(initial_margin_ppm=50_000, brackets=((1000, 100_000, 50_000),))
        assert margin.required(market, BUY, 100, 10, 0, 0, 100) == 50
        assert margin.required(market, BUY, 100, 10, 10, 0, 100) == 100
        assert margin.required(market, BUY, 100, 10, 4, 6, 100) == 100
        assert margin.required(market, SELL, 100, 10, -4, 6, 100) == 100

    @pytest.mark.parametrize(
        ("net", "same", "side", "qty", "due"),
        [(10, 0, SELL, 10, 0), (10, 10, SELL, 5, 5), (10, 0, SELL, 15, 5), (10, 0, BUY, 5, 5),
         (-10, 0, BUY, 4, 0), (0, 3, BUY, 4, 4)],
    )  # fmt: skip
    def test_added(self, net, same, side, qty, due):
        """V-1; PRE-5."""
        assert margin.added(side, qty, net, same) == due

    @pytest.mark.parametrize(
        ("side", "flags", "leg"),
        [(BUY, 0, 0), (SELL, 0, 0), (SELL, 2, 0), (BUY, 128, 0), (SELL, 130, 0), (SELL, 128, 1),
         (BUY, 130, 1)],
    )  # fmt: skip
    def test_leg(self, side, flags, leg):
        """HG-2."""
        assert margin.leg_of(side, flags) == leg

    def test_unrealised_profit_stays(self):
        """risk.md section 9; P-2."""
        assert margin.withdrawable(1000, 500, 0, 0, 150, 100) == 850
        assert margin.withdrawable(1000, -500, 0, 0, 150, 100) == 350
        assert margin.withdrawable(1000, 0, 0, 0, 50, 100) == 900
        assert margin.withdrawable(10, -500, 0, 0, 0, 0) == 0

    def test_protection_price(self):
        """risk.md section 9; V-9."""
        for mark, buy, sell in ((50_000, 52_500, 47_500), (50_001, 52_500, 47_510)):
            ledger = ModelLedger((make_symbol(tick=10, reference_px=mark),))
            assert (ledger.protection(1, BUY), ledger.protection(1, SELL)) == (buy, sell)

    def test_liquidation_price_is_where_maintenance_is_first_missed(self):
        def slack(px):
            return 1000 + margin.unrealised(100, 10_000, px) - margin.maintenance(MARKET, 100 * px)

        assert margin.liquidation_px(MARKET, 100, 100, slack) == 94
        assert slack(94) < 0 <= slack(95)


class TestFunding:
    RULES = make_symbol(
        funding_interest_ppb=100_000, funding_damp_ppb=500_000, funding_cap_ppb=10_000_000
    )

    @pytest.mark.parametrize(
        ("mark", "index", "due"),
        [(1010, 1000, 10_000_000), (990, 1000, -10_000_000), (1, 3, -666_666_666), (5, 5, 0)],
    )
    def test_the_premium_is_of_mark_over_index(self, mark, index, due):
        """FN-1; FND-1, and FND-2, FND-3: longs pay above the index, ppb instead of bp."""
        assert funding.premium(mark, index) == due

    @pytest.mark.parametrize(
        ("average", "due"),
        [(100_000, 100_000), (2_000_000, 1_500_000), (-2_000_000, -1_500_000), (300_000, 100_000),
         (50_000_000, 10_000_000), (-50_000_000, -10_000_000), (0, 100_000)],
    )  # fmt: skip
    def test_the_rate(self, average, due):
        """FN-3 and its examples."""
        assert funding.rate(self.RULES, average) == due

    @pytest.mark.parametrize(
        ("net", "mark", "rate", "due"),
        [
            (10, 1000, 10_000_000, 100), (-10, 1000, -10_000_000, 100), (-10, 1000, 10**7, -100),
            (10, 1000, -10**7, -100), (0, 1000, 10**7, 0),
            (3, 333, 5_000_000, 5), (-3, 333, 5_000_000, -4),
            (1, 333, 5_000_000, 2), (1, 333, -5_000_000, -1), (-3, 333, -5_000_000, 5),
        ],
    )  # fmt: skip
    def test_who_pays_rounds_up_and_who_receives_down(self, net, mark, rate, due):
        """FND-5 as FN-7 changes it: +3 pays 5 and -3 is owed 4, not the reverse."""
        assert funding.owed(net, mark, rate) == due

    @pytest.mark.parametrize(
        ("nets", "mark", "rate", "residue"),
        [([1, 1, 1, -3], 333, 5_000_000, 2), ([1, 1, 1, -3], 333, -5_000_000, 2),
         ([6, -1, -1, -1, -1, -1, -1], 1000, 1_700_000, 5)],
    )  # fmt: skip
    def test_the_residue_is_named(self, nets, mark, rate, residue):
        """FND-6 as FN-8 changes it: nobody is charged the difference; it is booked as residue."""
        payments = [funding.owed(n, mark, rate) for n in nets]
        assert sum(payments) == residue
        assert 0 <= residue <= 2 * len(payments)

    def test_intervals(self):
        """FND-8: eight hours of Unix time."""
        day = 86_400 * 20_000
        ids = [funding.interval_id((day + s) * 10**9, 28_800) for s in (0, 28_799, 28_800, 57_600)]
        assert [i - ids[0] for i in ids] == [0, 0, 1, 2]

    def test_samples_are_taken_each_minute(self):
        """FN-2."""
        samples = Samples()
        samples.mark(10 * MINUTE_NS, 1010, 1000, 0)
        assert samples.count == 0
        samples.mark(11 * MINUTE_NS - 1, 1020, 1000, 0)
        assert samples.count == 0
        samples.mark(11 * MINUTE_NS, 1030, 1000, 0)
        assert (samples.count, samples.sum) == (1, 20_000_000)
        samples.mark(14 * MINUTE_NS, 1000, 1000, 1)
        assert (samples.count, samples.sum) == (4, 110_000_000)
        samples.mark(20 * MINUTE_NS, 1000, 1000, 0)
        assert samples.count == 4, "a stale price is no premium"
        samples.mark(200 * MINUTE_NS, 1000, 1000, 0)
        assert samples.count == 14, "ten minutes back at most"
        assert funding.standing_rate(self.RULES, Samples()) == 0


class TestLiquidation:
    MARKET = make_symbol(px_max=1 << 40)

    @pytest.mark.parametrize(
        ("collateral", "net", "cost", "mark", "due"),
        [
            (1000, 100, 10_000, 947, None),
            (50_001, 100, 1_000_000, 10_000, False),  # MAR-8
            (50_001, 100, 1_000_000, 9_999, True),
            (1000, 100, 10_000, 10, True),  # MAR-7
            (1000, 100, 10_000, 95, False),
            (1000, 100, 10_000, 94, True),
        ],
    )
    def test_below_maintenance_is_strict(self, collateral, net, cost, mark, due):
        """LQ-1; MAR-5, MAR-7, MAR-8: equal is safe."""
        equity = collateral + margin.unrealised(net, cost, mark)
        if due is not None:
            assert liquidation.below(equity, margin.maintenance(self.MARKET, net * mark)) == due
        assert not liquidation.below(475, 475)

    def test_rounds(self):
        """LIQ-3, LIQ-5; liquidation.md section 4."""
        sells = [liquidation.round_px(self.MARKET, 5, 100_000, n, 1) for n in (1, 2, 3)]
        assert sells == [99_900, 99_600, 99_100]
        high = 1 << 40
        assert liquidation.round_px(self.MARKET, -5, 100_000, 1, high) == 100_100
        assert [liquidation.round_px(self.MARKET, 5, 100_000, n, 1) for n in (7, 8, 9)] == [
            95_100, 95_000, 95_000
        ]  # fmt: skip

    def test_base_1000_bp_ends_at_the_largest(self):
        """LIQ-5."""
        market = make_symbol(liquidation_slip_ppm=100_000, liquidation_slip_max_ppm=999_900)
        assert liquidation.round_px(market, 5, 100_000, 4, 1) == 10

    def test_prices_are_on_tick(self):
        """LIQ-15, LQ-5: towards the side that trades."""
        market = make_symbol(tick=50, px_max=1 << 40, liquidation_slip_ppm=100)
        assert liquidation.round_px(market, 5, 60_012_345, 1, 1) == 60_006_300
        assert liquidation.round_px(market, -5, 60_012_345, 1, 1 << 40) == 60_018_350

    def test_never_beyond_the_bankruptcy_price(self):
        """LQ-5."""
        assert liquidation.round_px(self.MARKET, 5, 100_000, 3, 99_500) == 99_500
        assert liquidation.round_px(self.MARKET, -5, 100_000, 3, 100_250) == 100_250

    @pytest.mark.parametrize(
        ("net", "mark", "equity", "due"),
        [(3, 100, 10, 97), (3, 100, -10, 104), (-3, 100, 10, 103), (1, 100, 500, 1)],
    )
    def test_bankruptcy_price(self, net, mark, equity, due):
        """liquidation.md section 4; LQ-8."""
        assert liquidation.bankruptcy_px(self.MARKET, net, mark, equity) == due

    def test_only_enough_is_closed(self):
        """LIQ-25 as LQ-5 changes it: what restores margin and a tenth of it, at once."""
        market = make_symbol(liquidation_buffer_ppm=0)
        assert liquidation.round_qty(market, 10, 100, 100, 36, 50) == 3
        assert liquidation.round_qty(market, 10, 100, 100, 36, 50) < 10
        buffered = make_symbol(liquidation_buffer_ppm=100_000)
        assert liquidation.round_qty(buffered, 10, 100, 100, 36, 50) == 4
        half = make_symbol(liquidation_step_ppm=200_000)
        assert liquidation.round_qty(half, 10, 100, 100, 1, 50) == 2
        assert liquidation.round_qty(make_symbol(lot=3), 10, 100, 100, 1, 50) == 10

    def test_takeover(self):
        """liquidation.md section 4; IF-2."""
        assert liquidation.takeover_qty(self.MARKET, SELL, 10, 95, 90, 20, 0) == 4
        assert liquidation.takeover_qty(self.MARKET, BUY, 10, 85, 90, 20, 0) == 4
        assert liquidation.takeover_qty(self.MARKET, SELL, 10, 80, 90, -5, 0) == 0
        assert liquidation.takeover_qty(self.MARKET, SELL, 10, 95, 90, 1000, 0) == 10
        capped = make_symbol(insurance_loss_max=12, insurance_notional_max=180)
        assert liquidation.takeover_qty(capped, SELL, 10, 95, 90, 1000, 0) == 2
        assert liquidation.takeover_qty(capped, SELL, 10, 90, 90, 1000, 0) == 2
        assert liquidation.takeover_qty(capped, SELL, 10, 90, 90, 1000, -8) == 10

    def test_worst_first(self):
        """SB-3."""
        buckets = [(1, 90, 100), (2, 10, 100), (3, -5, 10), (4, 9, 10)]
        assert liquidation.worst_first(buckets) == [3, 2, 1, 4]


class TestDeleveraging:
    MARKET = make_symbol()
    # At mark 100: profits 500, 200, -100 of 1500, 1200, 900.
    LINE = (
        Candidate(1, 0, -10, 1200, 1000), Candidate(2, 0, -10, 1500, 1000),
        Candidate(3, 0, -10, 900, 1000), Candidate(4, 0, -10, 1500, 10, last=True),
    )  # fmt: skip

    def test_rank(self):
        """AD-1."""
        assert [liquidation.score(c, 100) for c in self.LINE[:3]] == [166_666, 333_333, -111_111]
        assert [c.user for c in liquidation.ranked(self.LINE, 100)] == [2, 1, 3, 4]

    @pytest.mark.parametrize(
        ("policy", "qty", "due"),
        [
            (QUEUE, 14, [(2, 10), (1, 4)]),
            (QUEUE, 35, [(2, 10), (1, 10), (3, 10), (4, 5)]),
            (PRO_RATA, 9, [(2, 5), (1, 4)]),
            (PRO_RATA, 33, [(2, 10), (1, 10), (3, 10), (4, 3)]),
        ],
    )
    def test_policies(self, policy, qty, due):
        """AD-2."""
        cuts = liquidation.deleverage(self.MARKET, self.LINE, qty, 100, policy)
        assert [(c.user, c.qty) for c in cuts] == due

    def test_risk_weighted_takes_more_of_who_has_more_profit_and_leverage(self):
        cuts = liquidation.deleverage(self.MARKET, self.LINE[:3], 9, 100, RISK_WEIGHTED)
        assert [(c.user, c.qty) for c in cuts] == [(2, 7), (1, 2)]

    def test_lights(self):
        """AD-5."""
        assert [liquidation.light(n, 10) for n in range(10)] == [5, 5, 4, 4, 3, 3, 2, 2, 1, 1]
        assert liquidation.light(0, 1) == 5


class TestThresholds:
    def test_a_move_that_is_allowed_leaves_it_above_maintenance(self):
        """SB-1, at every point of a grid: no position may reach below within its own move."""
        market = make_symbol(px_max=1 << 40, brackets=((5_000, 200_000, 100_000),))
        highest = liquidation.highest_rate(market)
        for net in (-37, -1, 1, 12, 80):
            for collateral in (1, 55, 700, 9_000):
                cost, mark = abs(net) * 100, 100
                slack = collateral - margin.maintenance(market, abs(net) * mark)
                if slack < 0:
                    continue
                move = liquidation.safe_move(slack, 1, net, highest)
                px = max(1, mark - move if net > 0 else mark + move)
                equity = collateral + margin.unrealised(net, cost, px)
                assert equity >= margin.maintenance(market, abs(net) * px), (net, collateral, px)
