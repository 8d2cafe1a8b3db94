"""specs/risk.md, sentence by sentence, over the plain model and the compiled ledger.

The language of the tables is that of `model/ledger_table.py`.
"""

from __future__ import annotations

import pytest

TEN_PERCENT = {"reference_px": 100, "taker_fee_ppm": 1000}


class TestAccounts:
    """A-1."""

    def test_an_account_begins_with_its_first_deposit(self, make_table):
        make_table(**TEN_PERCENT).run("""
            u1 collateral                 -> none
            u1 asks buy 10 @ 100          -> refused 2001 needs 101 of 0
            u1 asks sell 10 @ 100 reduce  -> refused 2001 needs 0 of 0
            u1 deposits 500
            u1 deposits 50
            u1 collateral frozen realised fees equity available  -> 550 0 0 0 550 550
            u1 asks buy 10 @ 100          -> passes 101
            """)

    def test_deposits_add_up_in_the_totals(self, make_table):
        table = make_table()
        table.run("""
            u1 deposits 500
            u2 deposits 70
            u1 buys 3 @ 10 of u2 fees 5/-2
            """)

        totals = table.ledger.totals()

        due = {"collateral": 567, "signed_cost": 0, "fees": 3, "deposits": 570}
        assert {name: totals[name] for name in due} == due
        table.ledger.audit()


class TestPositions:
    """A-2 to A-5; POS-20 to POS-25 of the requirements."""

    START = """
        u1 deposits 100000
        u9 deposits 100000
        """

    @pytest.mark.parametrize(
        ("name", "text"),
        [
            ("open, close half, close the rest", """
                u1 buys 10 @ 100 of u9
                u1 position              -> 10 1000 0
                u1 sells 5 @ 110 of u9
                u1 position              -> 5 500 50
                u1 sells 5 @ 120 of u9
                u1 position              -> 0 0 150
                u9 position              -> 0 0 -150
             """),
            ("accumulate", """
                u1 buys 10 @ 100 of u9
                u1 buys 5 @ 105 of u9
                u1 buys 2 @ 110 of u9
                u1 position              -> 17 1745 0
                u9 position              -> -17 1745 0
             """),
            ("flip a long", """
                u1 buys 10 @ 100 of u9
                u1 sells 15 @ 120 of u9
                u1 position              -> -5 600 200
             """),
            ("flip a short", """
                u1 sells 10 @ 100 of u9
                u1 buys 20 @ 90 of u9
                u1 position              -> 10 900 100
             """),
            ("a share of an uneven cost is rounded down", """
                u1 sells 3 @ 100 of u9
                u1 sells 4 @ 107 of u9
                u1 position              -> -7 728 0
                u1 buys 3 @ 90 of u9
                u1 position              -> -4 416 42
             """),
            ("flip from an uneven cost", """
                u1 buys 3 @ 100 of u9
                u1 buys 4 @ 107 of u9
                u1 sells 10 @ 120 of u9
                u1 position              -> -3 360 112
             """),
            ("close in parts, nothing is left over", """
                u1 buys 7 @ 101 of u9
                u1 sells 3 @ 99 of u9
                u1 sells 1 @ 102 of u9
                u1 sells 3 @ 100 of u9
                u1 position              -> 0 0 -8
             """),
            ("same price, no profit", """
                u1 sells 7 @ 101 of u9
                u1 buys 7 @ 101 of u9
                u1 position              -> 0 0 0
             """),
            ("a trade with oneself is applied as taker, then as maker", """
                u1 buys 10 @ 100 of u9
                u1 sells 10 @ 110 of u1
                u1 position              -> 10 1100 100
             """),
        ],
    )  # fmt: skip
    def test_cost_and_profit_follow_the_fills(self, make_table, name, text):
        table = make_table()

        table.run(self.START + text)

        table.ledger.audit()

    def test_profit_and_fee_go_to_collateral_in_the_same_step(self, make_table):
        table = make_table()
        table.run(self.START)
        table.run("""
            u1 buys 10 @ 100 of u9 fees 3/-1
            u1 collateral realised fees      -> 99997 0 3
            u9 collateral realised fees      -> 100001 0 -1
            u1 sells 10 @ 90 of u9 fees 3/2
            u1 collateral realised fees      -> 99894 -100 6
            u9 collateral realised fees      -> 100099 100 1
            """)

        assert table.ledger.totals()["fees"] == 7
        table.ledger.audit()

    def test_unrealised_profit_is_exact_without_an_average_price(self, make_table):
        make_table().run(
            self.START
            + """
            u1 buys 3 @ 100 of u9
            u1 buys 4 @ 107 of u9
            u1 buys 1 @ 107 of u9
            u1 unrealised          -> 21
            u9 unrealised          -> -21
            """
        )

    def test_a_fill_of_a_user_without_an_account_is_a_failed_check(self, make_table):
        table = make_table()
        table.run("u1 deposits 100")

        with pytest.raises(Exception, match=r"INV|5"):
            table.run("u1 buys 10 @ 100 of u5")


class TestMarks:
    """K-1, K-2."""

    def test_without_a_feed_the_mark_is_the_last_trade_and_first_the_reference(self, make_table):
        make_table(reference_px=100).run("""
            u1 deposits 100000
            u2 deposits 100000
            u1 buys 10 @ 120 of u2
            u1 unrealised           -> 0
            u1 sells 1 @ 150 of u2
            u1 unrealised           -> 270
            now 999999
            u1 asks buy 10 @ 150    -> passes 150
            mark 10
            u1 unrealised           -> 270
            """)

    def test_a_fed_mark_moves_only_with_mark_price_records(self, make_table):
        make_table(mark_source="feed", reference_px=100).run("""
            u1 deposits 100000
            u2 deposits 100000
            u1 buys 10 @ 120 of u2
            u1 unrealised           -> -200
            mark 130
            u1 unrealised           -> 100
            mark 7 in 2
            u1 unrealised           -> 100
            """)

    def test_a_missing_mark_blocks_what_adds_exposure(self, make_table):
        make_table(mark_source="feed").run("""
            u1 deposits 100000
            u1 asks buy 10 @ 100         -> refused 2002
            u1 asks buy 10 @ 100 reduce  -> passes 0
            mark 100
            u1 asks buy 10 @ 100         -> passes 100
            u1 asks buy 10 @ 100 in 2    -> refused 2002
            """)

    def test_a_mark_is_stale_when_it_is_older_than_the_limit_and_not_when_as_old(self, make_table):
        make_table(mark_source="feed", stale_ms=10_000).run("""
            u1 deposits 100000
            now 100
            mark 100
            now 110
            u1 asks buy 1 @ 100    -> passes 10
            now 111
            u1 asks buy 1 @ 100    -> refused 2002
            mark 100
            u1 asks buy 1 @ 100    -> passes 10
            """)

    def test_a_stale_mark_of_any_open_position_blocks_too(self, make_table):
        make_table(mark_source="feed", stale_ms=10_000).run("""
            u1 deposits 100000
            u2 deposits 100000
            now 100
            mark 100
            mark 100 in 2
            u1 buys 10 @ 100 of u2 in 2
            now 109
            mark 100
            now 111
            u1 asks buy 1 @ 100         -> refused 2002
            u1 asks sell 10 @ 100 in 2  -> passes 0
            mark 100 in 2
            u1 asks buy 1 @ 100         -> passes 10
            now 200
            mark 100
            u3 deposits 100000
            u3 asks buy 1 @ 100         -> passes 10
            """)

    def test_a_stale_mark_still_values_positions(self, make_table):
        make_table(mark_source="feed", reference_px=100).run("""
            u1 deposits 100000
            u2 deposits 100000
            mark 150
            u1 buys 10 @ 120 of u2
            now 999
            u1 unrealised  -> 300
            """)


class TestMargin:
    """G-1 to G-3; MAR-7, MAR-9."""

    def test_a_position_is_valued_and_margined_at_mark(self, make_table):
        make_table(mark_source="feed").run(
            """
            u1 deposits 50000
            u2 deposits 50000
            mark 110
            u1 buys 10 @ 100 of u2
            u1 unrealised equity           -> 100 50100
            u1 initial_margin maintenance_margin available  -> 110 55 49990
            mark 50
            u1 equity               -> 49500
            """
        )

    def test_margins_add_up_over_symbols_with_one_equity(self, make_table):
        make_table(mark_source="feed").run("""
            u1 deposits 50000
            u2 deposits 50000
            mark 100
            mark 200 in 2
            u1 buys 10 @ 100 of u2
            u1 sells 5 @ 200 of u2 in 2
            u1 initial_margin maintenance_margin available  -> 200 100 49800
            """)

    def test_requirements_round_up_per_symbol(self, make_table):
        make_table(mark_source="feed").run("""
            u1 deposits 1000
            u2 deposits 1000
            mark 101
            mark 101 in 2
            u1 buys 1 @ 101 of u2
            u1 buys 1 @ 101 of u2 in 2
            u1 initial_margin maintenance_margin  -> 22 12
            """)

    def test_equity_may_be_negative_and_available_with_it(self, make_table):
        make_table(mark_source="feed").run("""
            u1 deposits 1000
            u2 deposits 1000
            mark 100
            u1 buys 100 @ 100 of u2
            mark 10
            u1 equity maintenance_margin available  -> -8000 50 -8100
            u1 asks buy 1 @ 10                      -> refused 2001 needs 1 of -8100
            u1 asks sell 100 @ 10                   -> passes 0
            """)

    def test_orders_that_were_free_are_held_for_once_they_would_open(self, make_table):
        """G-2's second term: the position that the free sell would have closed is gone."""
        make_table(mark_source="feed").run("""
            u1 deposits 1000
            u2 deposits 1000
            mark 100
            u1 buys 10 @ 100 of u2
            u1 asks sell 10 @ 100                      -> passes 0
            accepted #1
            u1 frozen initial_margin available         -> 0 100 900
            u1 sells 10 @ 100 of u2
            u1 frozen initial_margin available         -> 0 100 900
            cancelled #1 10 releases 0
            u1 frozen initial_margin available         -> 0 0 1000
            """)

    def test_available_is_equity_less_initial_margin_less_frozen(self, make_table):
        make_table(mark_source="feed").run("""
            u1 deposits 10000
            u2 deposits 10000
            mark 100
            u1 buys 10 @ 100 of u2
            u1 asks buy 5 @ 90                         -> passes 50
            u1 frozen initial_margin equity available  -> 50 100 10000 9850
            mark 300
            u1 frozen initial_margin equity available  -> 50 400 12000 11550
            """)


class TestBeforeTheMatch:
    """V-1 to V-5; PRE-2, PRE-3, PRE-5, PRE-15."""

    def test_margin_and_fee_are_required_and_equality_passes(self, make_table):
        make_table(**TEN_PERCENT).run("""
            u1 deposits 101
            u1 asks buy 10 @ 100   -> passes 101
            u1 frozen available    -> 101 0
            u2 deposits 100
            u2 asks buy 10 @ 100   -> refused 2001 needs 101 of 100
            u2 frozen available    -> 0 100
            """)

    def test_a_rebate_does_not_lower_the_requirement(self, make_table):
        make_table(reference_px=100, taker_fee_ppm=-1000).run("""
            u1 deposits 1000
            u1 asks buy 10 @ 100   -> passes 100
            """)

    def test_margin_and_fee_each_round_up(self, make_table):
        make_table(reference_px=1, taker_fee_ppm=1).run("""
            u1 deposits 1000
            u1 asks buy 1 @ 1     -> passes 2
            rejected #1
            u1 asks buy 11 @ 1    -> passes 3
            """)

    def test_a_cheap_sell_pays_for_the_loss_at_mark(self, make_table):
        make_table(reference_px=50_000).run("""
            u1 deposits 54998
            u2 deposits 54999
            u1 asks sell 1 @ 1     -> refused 2001 needs 54999 of 54998
            u2 asks sell 1 @ 1     -> passes 54999
            """)

    def test_a_dear_buy_pays_for_the_loss_at_mark(self, make_table):
        make_table(reference_px=100).run("""
            u1 deposits 10000
            u1 asks buy 10 @ 150   -> passes 650
            """)

    def test_an_order_away_from_mark_is_charged_at_the_worse_of_both_prices(self, make_table):
        make_table(reference_px=100).run("""
            u1 deposits 10000
            u1 asks buy 10 @ 50    -> passes 100
            u1 asks sell 10 @ 200  -> passes 200
            """)

    def test_only_the_part_that_adds_exposure_counts(self, make_table):
        make_table(reference_px=100).run("""
            u1 deposits 1000
            u9 deposits 10000
            u1 buys 10 @ 100 of u9
            u1 asks sell 10 @ 100   -> passes 0
            u1 asks sell 5 @ 100    -> passes 50
            u1 open                 -> 50 0 15
            u1 asks buy 5 @ 100     -> passes 50
            u9 asks buy 4 @ 100     -> passes 0
            u9 asks buy 10 @ 100    -> passes 40
            """)

    def test_a_sell_beyond_the_position_pays_for_what_is_over(self, make_table):
        make_table(reference_px=100).run("""
            u1 deposits 1000
            u9 deposits 10000
            u1 buys 10 @ 100 of u9
            u1 asks sell 13 @ 100   -> passes 30
            """)

    def test_closing_is_free_even_with_no_margin_left(self, make_table):
        make_table(mark_source="feed").run("""
            u1 deposits 100
            u9 deposits 10000
            mark 100
            u1 buys 10 @ 100 of u9
            mark 50
            u1 available            -> -450
            u1 asks sell 10 @ 1     -> passes 0
            u1 asks sell 1 @ 50     -> refused 2001 needs 5 of -450
            """)

    def test_reduce_only_reserves_nothing_and_is_never_refused_here(self, make_table):
        make_table(reference_px=100).run("""
            u1 deposits 1
            u1 asks sell 1000 @ 1 reduce   -> passes 0
            u1 asks buy 1000 @ 1 reduce    -> passes 0
            u1 open                        -> 0 0 0
            u1 asks buy 1 @ 100            -> refused 2001 needs 10 of 1
            """)

    def test_two_orders_in_flight_count_both(self, make_table):
        make_table(mark_source="feed").run("""
            u1 deposits 1000
            u9 deposits 10000
            mark 100
            u1 buys 20 @ 100 of u9
            u1 available              -> 800
            u1 asks buy 40 @ 100      -> passes 400
            u1 asks buy 50 @ 100      -> refused 2001 needs 500 of 400
            """)

    def test_one_symbols_margin_is_not_free_in_another(self, make_table):
        make_table(reference_px=100).run("""
            u1 deposits 100
            u1 asks buy 10 @ 100       -> passes 100
            u1 asks buy 1 @ 100 in 2   -> refused 2001 needs 10 of 0
            """)

    def test_a_requirement_that_leaves_64_bits_is_refused_and_never_wraps(self, make_table):
        """A sell for 1 beside a high mark: margin, fee and loss are each close to 2^63."""
        table = make_table(
            reference_px=200_000, initial_margin_ppm=1_000_000, maintenance_margin_ppm=1_000_000,
            taker_fee_ppm=100_000,
        )  # fmt: skip
        qty = ((1 << 63) - 1) // 200_000
        table.run("u1 deposits 1000")

        assert table.line(f"u1 asks sell {qty} @ 1") == "refused 1017"
        assert table.line(f"u1 asks sell {qty // 2} @ 1") == "refused 1017"
        assert table.line(f"u1 asks sell {qty + 1} @ 1") == "refused 1017"
        assert table.line(f"u1 asks sell {qty // 3} @ 1").startswith("refused 2001 needs 6")
        table.run("u1 open -> 0 0 0")


class TestInFlight:
    """V-5 to V-8; TST-14."""

    def test_an_acceptance_confirms_and_changes_no_sum(self, make_table):
        make_table(reference_px=100).run("""
            u1 deposits 1000
            u1 asks buy 10 @ 100   -> passes 100
            u1 open                -> 100 10 0
            accepted #1
            u1 open                -> 100 10 0
            u1 available           -> 900
            """)

    def test_a_rejection_takes_back_what_its_own_request_reserved(self, make_table):
        """A duplicate client id does not touch the original (DED-10)."""
        make_table(reference_px=100).run("""
            u1 deposits 1000
            u1 asks buy 10 @ 100   -> passes 100
            accepted #1
            u1 asks buy 10 @ 90    -> passes 100
            u1 asks sell 3 @ 100   -> passes 30
            rejected #2
            u1 open                -> 130 10 3
            rejected #3
            u1 open                -> 100 10 0
            """)

    def test_fills_cuts_and_cancels_release_what_they_say(self, make_table):
        make_table(reference_px=100).run("""
            u1 deposits 10000
            u9 deposits 10000
            u1 asks buy 10 @ 100   -> passes 100
            accepted #1
            filled #1 4 @ 100 releases 40 fee 2 by u9
            u1 open                -> 60 6 0
            u1 position            -> 4 400 0
            u1 collateral fees     -> 9998 2
            cut #1 1 releases 10
            u1 open                -> 50 5 0
            cancelled #1 5 releases 50
            u1 open                -> 0 0 0
            """)

    def test_a_reduce_only_order_takes_nothing_off_the_open_quantities(self, make_table):
        make_table(reference_px=100).run("""
            u1 deposits 10000
            u9 deposits 10000
            u1 buys 10 @ 100 of u9
            u1 asks sell 3 @ 100          -> passes 0
            accepted #1
            u1 asks sell 12 @ 100 reduce  -> passes 0
            accepted #2
            u1 open                       -> 0 0 3
            cut #2 2 releases 0
            filled #2 4 @ 100 releases 0 fee 0 by u9
            u1 open                       -> 0 0 3
            cancelled #2 6 releases 0
            u1 asks sell 1 @ 100 reduce   -> passes 0
            rejected #3
            u1 open                       -> 0 0 3
            u1 position                   -> 6 600 0
            """)

    def test_more_released_than_reserved_is_a_failed_check(self, make_table):
        table = make_table(reference_px=100)
        table.run("""
            u1 deposits 10000
            u1 asks buy 10 @ 100   -> passes 100
            accepted #1
            """)

        with pytest.raises(Exception, match="INV-11"):
            table.run("cancelled #1 10 releases 101")

    def test_a_fold_of_the_log_gives_the_confirmed_part(self, make_table, make_ledger):
        table = make_table(reference_px=100)
        table.run("""
            u1 deposits 10000
            u9 deposits 10000
            u1 buys 4 @ 100 of u9
            u1 asks buy 10 @ 100   -> passes 100
            accepted #1
            u1 asks buy 10 @ 90    -> passes 100
            rejected #2
            filled #1 4 @ 100 releases 40 fee 2 by u9
            u1 asks sell 20 @ 100  -> passes 120
            """)
        folded = make_ledger(reference_px=100)

        for record in table.log:
            folded.apply(record)

        due = {
            "net_qty": 8, "entry_cost": 800, "realised": 0, "frozen": 60, "open_buy_qty": 6,
            "open_sell_qty": 0,
        }  # fmt: skip
        position = folded.position(1, 1)
        assert {name: position[name] for name in due} == due
        live = table.ledger.position(1, 1)
        assert (live["frozen"], live["open_sell_qty"]) == (180, 20)
        assert folded.totals() == table.ledger.totals()
