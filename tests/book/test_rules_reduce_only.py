"""Reduce-only orders, on arrival and at rest: M-4, M-9, RO-1 to RO-3; INV-17.

The [D] of requirement MAT-33 (two resting reduce-only orders flip a position) and MAT-30 to MAT-32
(the gate, the cut, a cut fill-or-kill order) are here. Over the plain model and the compiled
engine; the language of the tables is that of `model/table.py`.
"""

from __future__ import annotations

import pytest
from model.engines import ask, new

OPEN = """
    u9 sell 10 @ 100 GTC  -> accepted rests
    u1 buy 10 @ 100 IOC   -> accepted, fill 10 @ 100 of #1 left 0/0
    """


@pytest.fixture
def long(make_table):
    """User 1 is long 10, user 9 short 10; the next order is #3."""
    table = make_table()
    table.run(OPEN)
    return table


class TestOnArrival:
    """M-4, M-7."""

    def test_it_needs_a_position_of_the_other_side(self, table):
        """MAT-30."""
        table.run("u1 sell 5 @ 100 GTC reduce   -> rejected 3004")
        table.oid = 0
        table.run(OPEN)
        table.run("""
            u1 buy 5 @ 90 GTC reduce    -> rejected 3004
            u9 sell 5 @ 100 GTC reduce  -> rejected 3004
            u2 sell 5 @ 100 GTC reduce  -> rejected 3004
            u1 sell 5 @ 110 GTC reduce  -> accepted rests
            u9 buy 5 @ 90 GTC reduce    -> accepted rests
            """)

    def test_the_cut_is_reported_after_the_acceptance_with_the_original_quantity(self, long):
        """MAT-31."""
        events = ask(long.engine, new(3, 1, 1, 15, 100, flags=2, reserved=100))

        assert [e["type"] for e in events] == ["ORDER_ACCEPTED", "ORDER_REDUCED", "ORDER_RESTED"]
        accepted, reduced, rested = events
        assert (accepted["qty"], accepted["flags"], accepted["reserved"]) == (15, 2, 100)
        assert (reduced["cancelled_qty"], reduced["remaining"]) == (5, 10)
        assert (reduced["released"], reduced["reason"]) == (33, 3103)
        assert (rested["remaining"], rested["px"], rested["qty"]) == (10, 100, 10)
        assert rested["reserved"] == 67
        assert long.engine.resting(1) == [(3, 1, 100, 10, 67, "")]

    def test_a_quantity_equal_to_the_position_is_not_cut(self, long):
        long.run("u1 sell 10 @ 110 GTC reduce  -> accepted rests")

    def test_a_cut_ioc_into_an_empty_book_is_cancelled_with_what_the_cut_left(self, make_table):
        """MAT-31's example: long 30, sell 100."""
        make_table().run("""
            u9 sell 30 @ 100 GTC         -> accepted rests
            u1 buy 30 @ 100 IOC          -> accepted, fill 30 @ 100 of #1 left 0/0
            u1 sell 100 @ 90 IOC reduce  -> accepted, reduced by 70 to 30 3103, cancelled 30 3102
            """)

    def test_a_cut_fok_fills_the_cut_size(self, long):
        """MAT-32."""
        long.run("""
            u2 buy 12 @ 95 GTC           -> accepted rests
            u1 sell 50 @ 95 FOK reduce   -> accepted, reduced by 40 to 10 3103,
                                          + fill 10 @ 95 of #3 left 0/2
            u1 net                       -> 0
            """)

    def test_a_cut_fok_that_cannot_fill_is_rejected_and_reports_no_cut(self, long):
        long.run("""
            u2 buy 9 @ 95 GTC            -> accepted rests
            u1 sell 50 @ 95 FOK reduce   -> rejected 3003
            book                         -> bid #3:9@95 | ask -
            """)

    def test_a_cut_gtc_that_crosses_trades_and_rests_what_is_left(self, long):
        long.run("""
            u2 buy 4 @ 95 GTC            -> accepted rests
            u1 sell 50 @ 95 GTC reduce   -> accepted, reduced by 40 to 10 3103,
                                          + fill 4 @ 95 of #3 left 6/0, rests 6
            """)

    def test_a_short_is_reduced_by_buying(self, long):
        long.run("""
            u2 sell 20 @ 105 GTC         -> accepted rests
            u9 buy 15 @ 105 IOC reduce   -> accepted, reduced by 5 to 10 3103,
                                          + fill 10 @ 105 of #3 left 0/10
            u9 net                       -> 0
            """)

    def test_a_taker_that_meets_its_own_order_never_flips_its_position(self, long):
        long.run("""
            u1 buy 4 @ 95 GTC            -> accepted rests
            u2 buy 9 @ 94 GTC            -> accepted rests
            u1 sell 10 @ 94 IOC reduce   -> accepted, fill 4 @ 95 of #3 left 6/0,
                                          + fill 6 @ 94 of #4 left 0/3
            u1 net                       -> 4
            """)


class TestAtRest:
    """RO-1 to RO-3, M-9."""

    def test_it_ends_right_after_the_fill_that_closes_the_position(self, long):
        """MAT-33."""
        long.run("""
            u1 sell 10 @ 110 GTC reduce  -> accepted rests
            u2 buy 10 @ 95 GTC           -> accepted rests
            u1 sell 10 @ 95 IOC          -> accepted, fill 10 @ 95 of #4 left 0/0,
                                          + cancelled #3 10 3103
            book                         -> bid - | ask -
            u3 buy 10 @ 110 IOC          -> accepted, cancelled 10 3102
            """)

    def test_it_is_cut_in_place_when_the_position_shrinks(self, long):
        long.run("""
            u1 sell 10 @ 110 GTC reduce  -> accepted rests
            u3 sell 1 @ 110 GTC          -> accepted rests
            u2 buy 6 @ 95 GTC            -> accepted rests
            u1 sell 6 @ 95 IOC           -> accepted, fill 6 @ 95 of #5 left 0/0,
                                          + reduced #3 by 6 to 4 3103
            book                         -> bid - | ask #3:4@110 #4:1@110
            u3 buy 9 @ 110 GTC           -> accepted, fill 4 @ 110 of #3 left 5/0,
                                          + fill 1 @ 110 of #4 left 4/0, rests 4
            u1 net                       -> 0
            """)

    def test_two_that_together_have_more_than_the_position_both_rest(self, long):
        """MAT-33's example: two sells of 10 against long 10 never make a short."""
        long.run("""
            u1 sell 10 @ 110 GTC reduce  -> accepted rests
            u1 sell 10 @ 110 GTC reduce  -> accepted rests
            u2 buy 20 @ 110 GTC          -> accepted, fill 10 @ 110 of #3 left 10/0,
                                          + cancelled #4 10 3103, rests 10
            u1 net                       -> 0
            """)

    def test_the_example_of_the_spec_with_a_partial_fill(self, long):
        long.run("""
            u1 sell 10 @ 110 GTC reduce  -> accepted rests
            u1 sell 4 @ 110 GTC reduce   -> accepted rests
            u2 buy 8 @ 110 IOC           -> accepted, fill 8 @ 110 of #3 left 0/2,
                                          + reduced #4 by 2 to 2 3103
            book                         -> bid - | ask #3:2@110 #4:2@110
            """)

    def test_the_youngest_in_the_book_is_looked_at_first(self, long):
        """RO-2; an order that comes back by an amendment is young again."""
        long.run("""
            u1 sell 9 @ 110 GTC reduce   -> accepted rests
            u1 sell 8 @ 111 GTC reduce   -> accepted rests
            u1 sell 7 @ 112 GTC reduce   -> accepted rests
            u1 amend #3 9 @ 113          -> amended 9 @ 113 open 9 rests
            u2 buy 7 @ 95 GTC            -> accepted rests
            u1 sell 7 @ 95 IOC           -> accepted, fill 7 @ 95 of #6 left 0/0,
                                          + reduced #3 by 6 to 3 3103, reduced #5 by 4 to 3 3103,
                                          + reduced #4 by 5 to 3 3103
            """)

    def test_the_makers_user_is_trimmed_before_the_takers(self, long):
        long.run("""
            u1 sell 10 @ 110 GTC reduce  -> accepted rests
            u9 buy 10 @ 90 GTC reduce    -> accepted rests
            u9 buy 4 @ 99 GTC            -> accepted rests
            u1 sell 4 @ 99 IOC           -> accepted, fill 4 @ 99 of #5 left 0/0,
                                          + reduced #4 by 4 to 6 3103, reduced #3 by 4 to 6 3103
            u9 sell 1 @ 109 GTC          -> accepted rests
            u1 buy 1 @ 109 IOC           -> accepted, fill 1 @ 109 of #7 left 0/0
            book                         -> bid #4:6@90 | ask #3:6@110
            """)

    def test_the_trims_stand_between_a_fill_and_the_next(self, long):
        long.run("""
            u1 sell 5 @ 109 GTC          -> accepted rests
            u1 sell 10 @ 110 GTC reduce  -> accepted rests
            u2 sell 5 @ 111 GTC          -> accepted rests
            u3 buy 15 @ 111 IOC          -> accepted, fill 5 @ 109 of #3 left 10/0,
                                          + reduced #4 by 5 to 5 3103, fill 5 @ 110 of #4 left 5/0,
                                          + fill 5 @ 111 of #5 left 0/0
            """)

    def test_the_last_trim_ends_the_group_of_a_taker_that_is_filled(self, long):
        """M-11; the table sees to the flag."""
        long.run("""
            u1 sell 10 @ 110 GTC reduce  -> accepted rests
            u1 sell 10 @ 109 GTC reduce  -> accepted rests
            u2 buy 4 @ 109 FOK           -> accepted, fill 4 @ 109 of #4 left 0/6,
                                          + reduced #3 by 4 to 6 3103
            """)

    def test_a_position_that_grows_changes_nothing(self, long):
        long.run("""
            u1 sell 10 @ 110 GTC reduce  -> accepted rests
            u2 sell 5 @ 101 GTC          -> accepted rests
            u1 buy 5 @ 101 IOC           -> accepted, fill 5 @ 101 of #4 left 0/0
            book                         -> bid - | ask #3:10@110
            """)

    def test_a_trade_with_oneself_trims_nothing(self, long):
        long.run("""
            u1 sell 10 @ 110 GTC reduce  -> accepted rests
            u1 buy 4 @ 110 IOC           -> accepted, fill 4 @ 110 of #3 left 0/6
            u1 net                       -> 10
            """)

    def test_a_position_that_flips_ends_those_of_the_old_side(self, long):
        long.run("""
            u1 sell 10 @ 110 GTC reduce  -> accepted rests
            u2 buy 15 @ 95 GTC           -> accepted rests
            u1 sell 15 @ 95 IOC          -> accepted, fill 15 @ 95 of #4 left 0/0,
                                          + cancelled #3 10 3103
            u1 buy 3 @ 90 GTC reduce     -> accepted rests
            """)

    def test_a_cut_counts_neither_as_filled_nor_as_open(self, long):
        """RO-3, LIF-5: what a later cancel says."""
        long.run("""
            u1 sell 10 @ 110 GTC reduce cid=a -> accepted rests
            u1 sell 6 @ 109 GTC               -> accepted rests
            u2 buy 8 @ 110 IOC                -> accepted, fill 6 @ 109 of #4 left 2/0,
                                               + reduced #3 by 6 to 4 3103,
                                               + fill 2 @ 110 of #3 left 0/2
            u1 sell 1 @ 110 GTC cid=a         -> duplicate #3 resting 2+2 of 4 @ 110
            u1 cancel #3                      -> cancelled 2 3101
            u1 sell 1 @ 110 GTC cid=a         -> duplicate #3 cancelled 2+0 of 4 @ 110 3101
            """)

    def test_a_cut_releases_in_proportion(self, make_engine):
        """R-1."""
        engine = make_engine()
        ask(engine, new(1, 9, 1, 10, 100))
        ask(engine, new(2, 1, 0, 10, 100))
        ask(engine, new(3, 1, 1, 9, 110, flags=2, reserved=100))
        ask(engine, new(4, 2, 0, 6, 95))

        *_, cut = ask(engine, new(5, 1, 1, 6, 95, tif=1))

        assert (cut["type"], cut["cancelled_qty"], cut["released"]) == ("ORDER_REDUCED", 5, 55)
        assert engine.resting(1) == [(3, 1, 110, 4, 45, "")]


class TestFillOrKillAmongThem:
    """M-6: what counts is what matching would trade."""

    def test_two_makers_of_one_user_share_its_position(self, long):
        long.run("""
            u1 sell 7 @ 110 GTC reduce   -> accepted rests
            u1 sell 7 @ 111 GTC reduce   -> accepted rests
            u3 buy 11 @ 111 FOK          -> rejected 3003
            book                         -> bid - | ask #3:7@110 #4:7@111
            u3 buy 10 @ 111 FOK          -> accepted, fill 7 @ 110 of #3 left 3/0,
                                          + reduced #4 by 4 to 3 3103, fill 3 @ 111 of #4 left 0/0
            """)

    def test_it_counts_with_the_positions_that_its_own_fills_leave(self, long):
        """The plain sell takes 6 off the position, so only 4 of the reduce-only one count."""
        long.run("""
            u1 sell 6 @ 109 GTC          -> accepted rests
            u1 sell 10 @ 110 GTC reduce  -> accepted rests
            u3 buy 11 @ 110 FOK          -> rejected 3003
            u3 buy 10 @ 110 FOK          -> accepted, fill 6 @ 109 of #3 left 4/0,
                                          + reduced #4 by 6 to 4 3103, fill 4 @ 110 of #4 left 0/0
            """)

    def test_one_that_would_be_trimmed_away_counts_nothing(self, long):
        long.run("""
            u1 sell 10 @ 109 GTC         -> accepted rests
            u1 sell 10 @ 110 GTC reduce  -> accepted rests
            u2 sell 1 @ 111 GTC          -> accepted rests
            u3 buy 12 @ 111 FOK          -> rejected 3003
            u3 buy 11 @ 111 FOK          -> accepted, fill 10 @ 109 of #3 left 1/0,
                                          + cancelled #4 10 3103, fill 1 @ 111 of #5 left 0/0
            """)
