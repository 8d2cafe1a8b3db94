"""Worked examples of the requirements and of specs/risk.md, over the plain and the compiled ledger.

Where a specification changes a required example, the changed one is here, with the rule.
"""

from __future__ import annotations

import pytest

FEED = {"mark_source": "feed"}
PPM_10_PERCENT = {"initial_margin_ppm": 100_000, "maintenance_margin_ppm": 50_000}


class TestMargin:
    @pytest.mark.parametrize(
        ("name", "lines"),
        [
            ("MAR-7 a long with profit", """
                u1 deposits 50000
                mark 110
                u1 buys 10 @ 100 of u9
                u1 unrealised equity initial_margin maintenance_margin available \
                    -> 100 50100 110 55 49990
             """),
            ("MAR-7 two symbols", """
                u1 deposits 50000
                mark 100
                mark 200 in 2
                u1 buys 10 @ 100 of u9
                u1 sells 5 @ 200 of u9 in 2
                u1 initial_margin            -> 200
             """),
            ("MAR-7 half is closed", """
                u1 deposits 50000
                mark 100
                u1 buys 10 @ 100 of u9
                u1 sells 5 @ 100 of u9
                u1 initial_margin            -> 50
             """),
            ("MAR-7 equity falls with the mark", """
                u1 deposits 1000
                mark 50
                u1 buys 10 @ 100 of u9
                u1 equity                    -> 500
             """),
            ("MAR-7 equity below nothing", """
                u1 deposits 1000
                mark 10
                u1 buys 100 @ 100 of u9
                u1 equity maintenance_margin -> -8000 50
             """),
            ("MAR-8 the border, fee 500", """
                u1 deposits 50501
                mark 10000
                u1 buys 100 @ 10000 of u9 fees 500/0
                u1 equity maintenance_margin -> 50001 50000
                mark 9999
                u1 equity maintenance_margin -> 49901 49995
             """),
            ("MAR-9 equity 1000, initial 500, frozen 200", """
                u1 deposits 1000
                mark 100
                u1 buys 50 @ 100 of u9
                u1 asks buy 20 @ 100         -> passes 200
                u1 equity initial_margin frozen available -> 1000 500 200 300
                u1 asks buy 31 @ 100         -> refused 2001 needs 310 of 300
                u1 asks buy 30 @ 100         -> passes 300
             """),
            ("MAR-9 equity -100 refuses all", """
                u1 deposits 1000
                mark 100
                u1 buys 50 @ 122 of u9
                u1 equity initial_margin available -> -100 500 -600
                u1 asks buy 1 @ 100          -> refused 2001 needs 10 of -600
             """),
            ("MAR-9 nothing is left", """
                u1 deposits 1000
                mark 100
                u1 buys 80 @ 100 of u9
                u1 asks buy 20 @ 100         -> passes 200
                u1 available                 -> 0
                u1 asks buy 1 @ 100          -> refused 2001 needs 10 of 0
             """),
            ("MAR-13 a balance below nothing is legal while equity covers it", """
                u1 deposits 10
                mark 120
                u1 buys 10 @ 100 of u9 fees 30/0
                u1 collateral equity         -> -20 180
                u1 asks buy 1 @ 120          -> passes 12
             """),
        ],
    )  # fmt: skip
    def test_margin(self, make_table, name, lines):
        table = make_table(**FEED, **PPM_10_PERCENT)
        table.run("u9 deposits 100000000")
        table.run(lines.replace("\\\n", " "))
        table.ledger.audit()


class TestBeforeTheMatch:
    def test_pre_2(self, make_table):
        """PRE-2."""
        for fee_ppm, needs in ((1000, 101), (5000, 105)):
            table = make_table(reference_px=100, taker_fee_ppm=fee_ppm)
            table.run(f"""
                u1 deposits {needs - 1}
                u1 asks buy 10 @ 100   -> refused 2001 needs {needs} of {needs - 1}
                u1 deposits 1
                u1 asks buy 10 @ 100   -> passes {needs}
                """)

    def test_pre_3(self, make_table):
        """PRE-3, V-3: a sell at 1 against a market at 50000."""
        make_table(reference_px=50_000).run("""
            u1 deposits 54998
            u1 asks sell 1 @ 1   -> refused 2001 needs 54999 of 54998
            """)

    def test_pre_15(self, make_table):
        """PRE-15: equity 1000, initial 200; the second order sees what the first one holds."""
        make_table(**FEED).run("""
            u1 deposits 1000
            u9 deposits 100000
            mark 100
            u1 buys 20 @ 100 of u9
            u1 available           -> 800
            u1 asks buy 40 @ 100   -> passes 400
            u1 asks buy 50 @ 100   -> refused 2001 needs 500 of 400
            """)

    def test_brackets_and_leverage(self, make_table):
        """risk.md section 9: I(1000) = 50, I(3000) = 250, I(6000) = 650; leverage 5: 600."""
        table = make_table(
            reference_px=100, initial_margin_ppm=50_000, maintenance_margin_ppm=25_000,
            brackets=((1000, 100_000, 50_000), (5000, 200_000, 60_000)),
        )  # fmt: skip
        table.run("""
            u1 deposits 10000
            u9 deposits 100000
            u1 asks buy 10 @ 100           -> passes 50
            rejected #1
            u1 asks buy 30 @ 100           -> passes 250
            rejected #2
            u1 asks sell 60 @ 100          -> passes 650
            rejected #3
            u1 buys 10 @ 100 of u9
            u1 initial_margin              -> 50
            u1 asks buy 20 @ 100           -> passes 200
            rejected #4
            u1 sets leverage 5
            u1 initial_margin              -> 200
            u1 asks buy 20 @ 100           -> passes 400
            """)


class TestIsolatedAndHedge:
    def test_the_wallet(self, make_table):
        """risk.md section 9, IM-2, IM-3."""
        table = make_table(reference_px=100)
        table.run("""
            u1 deposits 1000
            u9 deposits 100000
            u1 sets isolated 10
            u1 buys 10 @ 100 of u9 fees 1/0
            u1 wallet                   -> 99
            u1 collateral               -> 900
            u1 sells 4 @ 110 of u9
            u1 wallet                   -> 84
            u1 collateral               -> 955
            u1 position                 -> 6 600 40
            u1 moves 16 to leg 0
            u1 wallet                   -> 100
            u1 collateral               -> 939
            u1 moves -1 to leg 0
            u1 sells 6 @ 90 of u9 fees 2/0
            u1 wallet                   -> 0
            u1 collateral               -> 977
            """)
        table.ledger.audit()

    def test_a_flip_closes_first_and_then_opens(self, make_table):
        """IM-3: profit and fee, what closing moves, what opening moves."""
        table = make_table(reference_px=100)
        table.run("""
            u1 deposits 1000
            u9 deposits 100000
            u1 sets isolated 5
            u1 buys 10 @ 100 of u9
            u1 wallet                   -> 200
            u1 sells 15 @ 110 of u9 fees 3/0
            u1 wallet                   -> 110
            u1 collateral               -> 987
            u1 position                 -> -5 550 100
            """)
        table.ledger.audit()

    def test_a_loss_beyond_the_wallet_is_the_accounts_without_liquidation(self, make_table):
        """IM-3."""
        make_table(reference_px=100).run("""
            u1 deposits 1000
            u9 deposits 100000
            u1 sets isolated 10
            u1 buys 10 @ 100 of u9
            u1 sells 10 @ 80 of u9
            u1 wallet                   -> 0
            u1 collateral               -> 800
            """)

    def test_legs(self, make_table):
        """risk.md section 9, HG-2, HG-4: buy 5, sell 3, sell 2 reduce-only."""
        table = make_table(reference_px=100)
        table.run("""
            u1 deposits 1000
            u9 deposits 100000
            u1 hedges
            u1 buys 5 @ 100 of u9
            u1 sells 3 @ 100 of u9
            u1 position                 -> 5 500 0
            u1 short leg                -> -3 300 0
            u1 initial_margin           -> 80
            u1 sells 2 @ 110 of u9 closing
            u1 position                 -> 3 300 20
            u1 short leg                -> -3 300 0
            """)
        table.ledger.audit()

    def test_what_can_be_withdrawn(self, make_table):
        """risk.md section 9, P-2: collateral 1000, long 10 at mark 150: 850, not 1350."""
        table = make_table(**FEED)
        table.run("""
            u1 deposits 1000
            u9 deposits 100000
            mark 150
            u1 buys 10 @ 100 of u9
            u1 equity initial_margin withdrawable  -> 1500 150 850
            u1 withdraws 850
            u1 collateral withdrawable             -> 150 0
            """)
        table.ledger.audit()
