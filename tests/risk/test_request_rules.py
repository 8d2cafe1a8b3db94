"""specs/risk.md A-7, A-8 and V-9 to V-14 over the plain model and the compiled ledger.

The language of the tables is that of `model/ledger_table.py`.
"""

from __future__ import annotations

import pytest
from model.wire import make_request

from rsx import records

RICH = """
    u1 deposits 100000
    u9 deposits 100000
    """
REDUCE_ONLY, GTC, IOC = 2, 0, 1


class TestMarketOrders:
    """V-9; the protection price bounds a market order's margin."""

    @pytest.mark.parametrize(
        ("mark", "side", "px"),
        [
            (50_000, 0, 52_500), (50_001, 0, 52_500), (50_001, 1, 47_510), (50_000, 1, 47_500),
            (190_477, 0, 200_000), (3_000_000, 0, 200_000), (3_000_000, 1, 200_000),
            (1, 0, 10), (1, 1, 10), (9, 1, 10),
        ],
    )  # fmt: skip
    def test_it_may_trade_so_far_from_the_mark_on_tick_and_within_limits(
        self, make_ledger, mark, side, px
    ):
        ledger = make_ledger(mark_source="feed", tick=10, market_band_ppm=50_000)
        for record in (
            records.DEPOSIT.pack(user_id=1, amount=1 << 50),
            records.MARK_PRICE.pack(symbol_id=1, stream=1, mark_px=mark),
        ):
            ledger.apply(record)
        request = make_request(
            "ORDER_REQUEST", oid=1, user_id=1, symbol_id=1, side=side, qty=1, kind=1, tif=IOC
        )

        assert ledger.check(request, 0)[::3] == (0, px)

    @pytest.mark.parametrize(
        ("mark", "side", "px"),
        [
            # Rows: 1, from 100 on 5, from 1000 on 50; band 10 %.
            (90, 0, 99), (95, 0, 100), (94, 0, 100), (1000, 0, 1100), (960, 0, 1050),
            (110, 1, 99), (112, 1, 105), (1090, 1, 985), (1100, 1, 990), (1112, 1, 1050),
        ],
    )  # fmt: skip
    def test_the_tick_is_that_of_the_row_it_falls_in(self, make_ledger, mark, side, px):
        """PX-1: a band that ends in another row than the mark's."""
        ledger = make_ledger(
            mark_source="feed", market_band_ppm=100_000, tick_table=((100, 5), (1000, 50))
        )
        for record in (
            records.DEPOSIT.pack(user_id=1, amount=1 << 50),
            records.MARK_PRICE.pack(symbol_id=1, stream=1, mark_px=mark),
        ):
            ledger.apply(record)
        request = make_request(
            "ORDER_REQUEST", oid=1, user_id=1, symbol_id=1, side=side, qty=1, kind=1, tif=IOC
        )

        assert ledger.check(request, 0)[3] == px

    def test_it_reserves_at_the_protection_price(self, make_table):
        """req(10 x 105) = 105, and the loss of trading there: 50."""
        make_table(reference_px=100).run("""
            u1 deposits 155
            u2 deposits 154
            u1 asks buy 10 @ market     -> passes 155 @ 105
            u2 asks buy 10 @ market     -> refused 2001 needs 155 of 154
            u2 asks sell 10 @ market    -> passes 150 @ 95
            u1 open                     -> 155 10 0
            """)

    def test_without_a_mark_there_is_none_and_a_stale_one_lets_out(self, make_table):
        make_table(mark_source="feed", reference_px=100).run("""
            u1 deposits 100000
            u9 deposits 100000
            u1 asks buy 10 @ market          -> refused 2002
            u1 asks buy 10 @ market reduce   -> refused 2002
            mark 100
            u1 buys 10 @ 100 of u9
            now 999
            u1 asks buy 10 @ market          -> refused 2002
            u1 asks sell 10 @ market         -> passes 0 @ 95
            u1 asks sell 10 @ market reduce  -> passes 0 @ 95
            """)

    def test_its_value_at_the_protection_price_has_the_symbols_limit(self, make_table):
        make_table(reference_px=100, notional_max=1050).run(
            RICH
            + """
            u1 asks buy 10 @ market          -> passes 155 @ 105
            u1 asks buy 11 @ market          -> refused 1017
            u1 asks sell 11 @ market         -> passes 165 @ 95
            """
        )


class TestFiredTriggers:
    """V-14: the order that a trigger becomes is checked like any other."""

    def test_it_reserves_and_is_confirmed_taken_back_or_released(self, make_table):
        make_table(reference_px=100).run(
            RICH
            + """
            u1 fired buy 10 @ market    -> passes 155 @ 105
            u1 fired buy 10 @ 90        -> passes 100
            u1 fired sell 30 @ 100      -> passes 300
            u1 open                     -> 555 20 30
            accepted #1
            rejected #2
            released #3
            u1 open                     -> 155 10 0
            """
        )

    def test_it_is_refused_for_margin_and_a_missing_mark(self, make_table):
        make_table(mark_source="feed").run("""
            u1 deposits 154
            u1 fired buy 10 @ market    -> refused 2002
            mark 100
            u1 fired buy 10 @ market    -> refused 2001 needs 155 of 154
            u5 fired buy 10 @ 100       -> refused 2001 needs 100 of 0
            u1 open                     -> 0 0 0
            """)

    def test_a_trigger_that_is_a_duplicate_has_nothing_to_give_back(self, make_table):
        table = make_table(reference_px=100)
        table.run(RICH + "u1 asks buy 10 @ 100 -> passes 100")
        table.apply_order(
            records.ORDER_DUPLICATE, 1, live=True, oid=99, user_id=1, qty=0, released=0
        )
        table.run("u1 open -> 100 10 0")

    def test_a_duplicate_takes_back_its_own_request_alone(self, make_table):
        """DED-10: never the margin of the order that has the client id."""
        make_table(reference_px=100).run(
            RICH
            + """
            u1 asks buy 10 @ 100   -> passes 100
            accepted #1
            u1 asks buy 7 @ 90     -> passes 70
            duplicate #2
            u1 open                -> 100 10 0
            """
        )


class TestAmendments:
    """V-11 to V-13; AM-6 of specs/matching.md."""

    START = (
        RICH
        + """
        u1 asks buy 10 @ 100     -> passes 100
        accepted #1
        """
    )

    def test_more_reserves_the_difference_until_the_answer(self, make_table):
        make_table(reference_px=100).run(
            self.START
            + """
            u1 amends #1 to 15 @ 100   -> passes 150 for 15 extra 50 and 5
            u1 open                    -> 150 15 0
            amended #1
            u1 open                    -> 150 15 0
            u1 amends #1 to 15 @ 120   -> passes 480 for 15 extra 330 and 0
            amendment refused #1
            u1 open                    -> 150 15 0
            """
        )

    def test_less_at_its_price_keeps_its_share_and_needs_nothing(self, make_table):
        """Even with nothing free, and with the mark far away: it is never refused."""
        make_table(mark_source="feed", reference_px=100).run("""
            u1 deposits 155
            u9 deposits 100000
            mark 100
            u1 asks buy 10 @ 105       -> passes 155
            accepted #1
            mark 300
            now 999
            u1 amends #1 to 4 @ 105    -> passes 62 for 4 extra 0 and 0
            u1 open                    -> 155 10 0
            amended #1
            u1 open                    -> 62 4 0
            """)

    def test_a_larger_need_is_refused_and_nothing_changes(self, make_table):
        make_table(reference_px=100).run("""
            u1 deposits 149
            u1 asks buy 10 @ 100       -> passes 100
            accepted #1
            u1 amends #1 to 15 @ 100   -> refused 2001 needs 50 of 49
            u1 open                    -> 100 10 0
            u1 deposits 1
            u1 amends #1 to 15 @ 100   -> passes 150 for 15 extra 50 and 5
            """)

    def test_a_stale_mark_matters_only_where_more_is_needed(self, make_table):
        make_table(mark_source="feed").run(
            "mark 100"
            + self.START
            + """
            now 999
            u1 amends #1 to 12 @ 100   -> refused 2002
            u1 amends #1 to 10 @ 101   -> refused 2002
            u1 amends #1 to 10 @ 99    -> passes 100 for 10 extra 0 and 0
            """
        )

    def test_what_has_traded_is_part_of_the_quantity_and_needs_no_margin(self, make_table):
        make_table(reference_px=100).run(
            self.START
            + """
            filled #1 6 @ 100 releases 60 fee 0 by u9
            u1 amends #1 to 15 @ 100   -> passes 90 for 9 extra 50 and 5
            amended #1
            u1 open                    -> 90 9 0
            u1 amends #1 to 6 @ 100    -> passes 0 for 0 extra 0 and 0
            cancelled by amendment #1
            u1 open                    -> 0 0 0
            """
        )

    def test_it_may_trade_on_its_way(self, make_table):
        """r' < assumed: it keeps its share, and what was in flight goes back."""
        make_table(reference_px=100).run(
            self.START
            + """
            u1 amends #1 to 15 @ 100   -> passes 150 for 15 extra 50 and 5
            filled #1 4 @ 100 releases 40 fee 0 by u9
            u1 open                    -> 110 11 0
            amended #1 matching
            u1 open                    -> 110 11 0
            """
        )

    def test_it_may_have_traded_all_that_the_amendment_leaves(self, make_table):
        """AM-2: the reservation in flight goes back before the order ends."""
        make_table(reference_px=100).run(
            self.START
            + """
            u1 amends #1 to 6 @ 120    -> passes 192 for 6 extra 92 and 0
            filled #1 7 @ 100 releases 70 fee 0 by u9
            u1 open                    -> 122 3 0
            cancelled by amendment #1
            u1 open                    -> 0 0 0
            """
        )

    def test_growing_while_it_gets_cheaper_is_paid_for_whatever_trades_first(self, make_table):
        """V-12: reserved 1000 for 10 @ 190; 100 @ 100 needs 1000 too, but nine may trade at 190
        first, and the loss takes what they free. 900 more are held until it is known."""
        make_table(mark_source="feed", reference_px=100).run("""
            u1 deposits 1990
            u9 deposits 100000
            mark 100
            u1 asks buy 10 @ 190       -> passes 1090
            accepted #1
            u1 amends #1 to 100 @ 100  -> passes 1000 for 100 extra 900 and 90
            u1 available               -> 0
            filled #1 9 @ 190 releases 981 fee 0 by u9
            u1 available               -> 81
            amended #1
            u1 open                    -> 910 91 0
            u1 available               -> 180
            """)

    def test_a_second_one_before_the_answer_reserves_the_whole(self, make_table):
        """What the order will hold by then is not known: the first may lower it."""
        make_table(reference_px=100).run(
            self.START
            + """
            u1 amends #1 to 1 @ 100    -> passes 10 for 1 extra 0 and 0
            u1 amends #1 to 10 @ 100   -> passes 100 for 10 extra 100 and 10
            u1 open                    -> 200 20 0
            amended #1
            u1 open                    -> 110 11 0
            amended #1
            u1 open                    -> 100 10 0
            u1 amends #1 to 11 @ 100   -> passes 110 for 11 extra 10 and 1
            """
        )

    def test_one_of_an_order_not_seen_yet_reserves_the_whole(self, make_table):
        make_table(reference_px=100).run(
            RICH
            + """
            u1 asks buy 10 @ 100       -> passes 100
            u1 asks buy 5 @ 90         -> passes 50
            accepted #2
            u1 amends #1 to 12 @ 100   -> passes 120 for 12 extra 120 and 12
            u1 amends #2 to 6 @ 90     -> passes 60 for 6 extra 60 and 6
            u1 open                    -> 330 33 0
            accepted #1
            amended #1
            u1 amends #1 to 13 @ 100   -> passes 130 for 13 extra 130 and 13
            amended #2
            amended #1
            u1 open                    -> 190 19 0
            u1 amends #1 to 14 @ 100   -> passes 140 for 14 extra 10 and 1
            """
        )

    def test_its_own_open_quantity_does_not_count_against_it(self, make_table):
        """V-1: long 10; a free sell of 10 grows to 12: two add exposure."""
        make_table(reference_px=100).run(
            RICH
            + """
            u1 buys 10 @ 100 of u9
            u1 asks sell 10 @ 100      -> passes 0
            accepted #1
            u1 amends #1 to 12 @ 100   -> passes 20 for 12 extra 20 and 2
            amended #1
            u1 open                    -> 20 0 12
            u1 amends #1 to 10 @ 95    -> passes 0 for 10 extra 0 and 0
            """
        )

    def test_reduce_only_orders_reserve_nothing(self, make_table):
        make_table(reference_px=100).run(
            RICH
            + """
            u1 buys 10 @ 100 of u9
            u1 asks sell 5 @ 100 reduce  -> passes 0
            accepted #1
            u1 amends #1 to 900 @ 1      -> passes 0 for 900 extra 0 and 0
            u1 open                      -> 0 0 0
            """
        )

    def test_unknown_foreign_and_dead_orders(self, make_table):
        """A foreign order is answered here, like one that never was by matching (3007)."""
        make_table(reference_px=100).run(
            self.START
            + """
            u9 amends #1 to 5 @ 100    -> refused 3007
            u5 amends #1 to 5 @ 100    -> refused 3007
            cancelled #1 10 releases 100
            u1 amends #1 to 5 @ 100    -> passes 50 for 5 extra 50 and 5
            amendment refused #1
            u1 open                    -> 0 0 0
            """
        )

    def test_a_need_that_leaves_64_bits_is_refused(self, make_table):
        make_table(reference_px=200_000, initial_margin_ppm=1_000_000).run(
            RICH
            + f"""
            u1 deposits 200000
            u1 asks buy 1 @ 1          -> passes 200000
            accepted #1
            u1 amends #1 to {(1 << 62)} @ 1  -> refused 1017
            u1 open                    -> 200000 1 0
            """
        )


class TestSettings:
    """A-7, V-10: owner group and default self-trade prevention."""

    def ask(self, ledger, fields, *, user=1, owner_group=0, stp=0):
        return ledger.check_config(
            records.ACCOUNT_CONFIG_REQUEST.pack(
                user_id=user, owner_group=owner_group, stp=stp, fields=fields
            )
        )

    def order(self, ledger, oid, stp):
        request = make_request(
            "ORDER_REQUEST", oid=oid, user_id=1, symbol_id=1, qty=1, px=100, stp=stp
        )
        return ledger.check(request, 0)[4:]

    def test_a_request_keeps_what_it_does_not_name_also_what_is_on_its_way(self, make_ledger):
        ledger = make_ledger(reference_px=100)
        assert self.ask(ledger, 3, owner_group=4)[0] == 2007
        ledger.apply(records.DEPOSIT.pack(user_id=1, amount=1000))

        assert self.ask(ledger, 1, owner_group=4, stp=2) == (0, 4, 0)
        assert self.ask(ledger, 2, stp=3) == (0, 4, 3)
        assert self.ask(ledger, 2, stp=4)[0] == 1014
        assert self.ask(ledger, 0) == (0, 4, 3)

    def test_they_hold_when_released(self, make_ledger):
        ledger = make_ledger(reference_px=100)
        ledger.apply(records.DEPOSIT.pack(user_id=1, amount=1000))
        self.ask(ledger, 3, owner_group=4, stp=2)
        assert self.order(ledger, 1, 4) == (0, 0)

        ledger.apply(records.ACCOUNT_CONFIG.pack(user_id=1, owner_group=4, stp=2), live=True)

        assert self.order(ledger, 2, 4) == (2, 4)
        assert self.order(ledger, 3, 1) == (1, 4)

    def test_a_fold_has_them_and_goes_on_from_them(self, make_ledger):
        ledger = make_ledger(reference_px=100)
        ledger.apply(records.DEPOSIT.pack(user_id=1, amount=1000))
        ledger.apply(records.ACCOUNT_CONFIG.pack(user_id=1, owner_group=4, stp=2))

        assert self.order(ledger, 1, 4) == (2, 4)
        assert self.ask(ledger, 2, stp=1) == (0, 4, 1)
