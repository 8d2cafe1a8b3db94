"""Kinds, expiry, post-only, self-trade prevention: M-2, M-5, M-6, EX-1, EX-2, ST-1 to ST-3.

Over the plain model and the compiled engine; the language of the tables is that of
`model/table.py`.
"""

from __future__ import annotations

import pytest
from model.engines import ask, new
from model.wire import as_event


class TestKinds:
    """M-2: what goes together."""

    @pytest.mark.parametrize(
        "order",
        [
            "IOC market", "FOK market", "GTC post reprice", "GTC disc", "GTD until=9",
            "GTD until=9 post reprice disc", "GTC stp=none", "GTC stp=both",
        ],
    )  # fmt: skip
    def test_these_are_orders(self, table, order):
        table.run("u9 sell 5 @ 100 GTC  -> accepted rests")
        price = 99 if "post" in order else 100

        assert table.line(f"u1 buy 5 @ {price} {order}").startswith("accepted"), order

    @pytest.mark.parametrize(
        "order",
        [
            "GTC market", "GTD market until=9", "IOC market post", "GTC post market", "IOC post",
            "FOK post", "IOC post reprice", "GTC reprice", "IOC reprice", "GTD", "GTC until=9",
            "IOC until=9", "FOK until=9",
            "GTC last", "IOC market last", "GTC kind=7", "GTC kind=255", "GTC stp=default",
            "GTC rests", "GTC kept", "GTC post rests",
        ],
    )  # fmt: skip
    def test_these_are_not(self, table, order):
        """MAT-27: flags that exclude each other are refused, not resolved."""
        table.run(f"u1 buy 5 @ 100 {order}  -> rejected 3008")

    @pytest.mark.parametrize("stp", [5, 255])
    def test_an_unknown_prevention_is_refused_and_reads_0(self, make_engine, stp):
        (event,) = ask(make_engine(), new(1, 1, 0, 5, 100, stp=stp, kind=9))

        assert (event["reason"], event["stp"], event["kind"]) == (3008, 0, 0)

    def test_the_answers_repeat_kind_expiry_prevention_and_owner(self, make_engine):
        engine = make_engine()
        terms = {"kind": 0, "stp": 2, "flags": 16}

        (accepted,) = ask(
            engine, new(1, 1, 0, 5, 100, tif=3, expire_s=77, owner_group=4, cid="a", **terms)
        )
        (rejected,) = ask(engine, new(2, 1, 0, 0, 100, **terms))

        assert {n: accepted[n] for n in terms} == {**terms, "flags": 20}
        assert (accepted["expire_s"], accepted["owner_group"], accepted["tif"]) == (77, 4, 3)
        assert {n: rejected[n] for n in terms} == terms

    def test_a_market_order_trades_up_to_its_protection_price(self, table):
        """MAT-7: market is a flagged order with a protection price, never price 0."""
        table.run("""
            u1 sell 5 @ 100 GTC        -> accepted rests
            u1 sell 5 @ 105 GTC        -> accepted rests
            u1 sell 5 @ 106 GTC        -> accepted rests
            u2 buy 12 @ 105 IOC market -> accepted, fill 5 @ 100 of #1 left 7/0,
                                        + fill 5 @ 105 of #2 left 2/0, cancelled 2 3102
            u2 buy 6 @ 106 FOK market  -> rejected 3003
            u2 buy 5 @ 0 IOC market    -> rejected 3008
            """)

    def test_an_order_of_the_largest_numbers_is_exact(self, make_engine):
        """VAL-14: 2^62 and beyond."""
        engine = make_engine(px_max=(1 << 24) - 1, qty_max=1 << 62, notional_max=1 << 62)

        for oid, (qty, px, due) in enumerate([
            (1 << 62, 1, "ORDER_ACCEPTED"), (1 << 61, 2, "ORDER_ACCEPTED"),
            (1 << 61, 3, "ORDER_REJECTED"), ((1 << 62) - 1, 2, "ORDER_REJECTED"),
            ((1 << 63) - 1, (1 << 63) - 1, "ORDER_REJECTED"), (-(1 << 63), 1, "ORDER_REJECTED"),
            (-5, -5, "ORDER_REJECTED"),
        ], 1):  # fmt: skip
            (event,) = ask(engine, new(oid, 1, 0, qty, px))
            assert event["type"] == due, (qty, px)


class TestExpiry:
    """EX-1, EX-2, and 3016."""

    def test_it_ends_when_its_second_begins_and_not_before(self, table):
        table.run("""
            u1 buy 5 @ 99 GTD until=100 at=50  -> accepted rests
            tick at=99                         -> nothing
            tick at=100                        -> cancelled #1 5 3105
            tick at=101                        -> nothing
            """)

    def test_to_the_nanosecond(self, make_engine):
        engine = make_engine()
        ask(engine, new(1, 1, 0, 5, 100, tif=3, expire_s=100))

        assert engine.tick(100_000_000_000 - 1) == []
        assert len(engine.tick(100_000_000_000)) == 1

    def test_one_that_has_passed_is_refused(self, table):
        table.run("""
            u1 buy 5 @ 99 GTD until=100 at=100   -> rejected 3016
            u1 buy 0 @ 99 GTD until=100          -> rejected 3008
            u1 buy 5 @ 99 GTD until=101          -> accepted rests
            """)

    def test_due_ones_end_before_the_request_is_looked_at(self, table):
        table.run("""
            u1 sell 5 @ 100 GTD until=100 at=50  -> accepted rests
            u2 buy 5 @ 100 IOC at=100            -> cancelled #1 5 3105; accepted, cancelled 5 3102
            u1 sell 5 @ 100 GTD until=200        -> accepted rests
            u1 cancel #3 at=200                  -> cancelled 5 3105; refused 3007
            u1 sell 5 @ 100 GTD until=300        -> accepted rests
            mark 9 at=300                        -> cancelled #4 5 3105; mark 9
            """)

    def test_in_order_of_time_then_id_each_a_group_of_its_own(self, table):
        table.run("""
            u1 sell 5 @ 101 GTD until=101    -> accepted rests
            u2 sell 5 @ 100 GTD until=100    -> accepted rests
            u1 buy 5 @ 90 GTD until=100      -> accepted rests
            u1 buy 5 @ 91 GTD until=102      -> accepted rests
            u2 buy 5 @ 80 GTC                -> accepted rests
            tick at=101 -> cancelled #2 5 3105; cancelled #3 5 3105; cancelled #1 5 3105
            book                             -> bid #4:5@91 #5:5@80 | ask -
            """)

    def test_triggers_stand_among_the_orders(self, table):
        """EX-1: one order of expiry for both."""
        table.run("""
            u1 sell 5 @ 60000 GTD until=100                -> accepted rests
            u1 sell 5 @ 49000 stop 49100 GTD until=100     -> waits
            u1 sell 5 @ 60000 GTD until=100                -> accepted rests
            u1 sell 5 @ 49000 stop 49100 GTD until=99      -> waits
            tick at=100 -> trigger #4 cancelled 3105; cancelled #1 5 3105;
                         + trigger #2 cancelled 3105; cancelled #3 5 3105
            """)

    def test_what_traded_before_is_told(self, make_engine):
        engine = make_engine()
        ask(engine, new(1, 1, 1, 10, 100, tif=3, expire_s=9, reserved=100))
        ask(engine, new(2, 2, 0, 4, 100, tif=1))

        (event,) = [as_event(e) for e in engine.tick(9_000_000_000)]

        assert (event["cancelled_qty"], event["filled_qty"], event["released"]) == (6, 4, 60)
        assert (event["reason"], event["request_id"], event["header_flags"]) == (3105, 0, 1)

    def test_an_amendment_keeps_the_expiry(self, table):
        """AM-5."""
        table.run("""
            u1 sell 5 @ 101 GTD until=100   -> accepted rests
            u1 amend #1 9 @ 102             -> amended 9 @ 102 open 9 rests
            u1 amend #1 8 @ 102             -> amended 8 @ 102 open 8 kept
            tick at=100                     -> cancelled #1 8 3105
            """)

    def test_what_has_ended_does_not_expire(self, table):
        table.run("""
            u1 sell 5 @ 101 GTD until=100   -> accepted rests
            u1 cancel #1                    -> cancelled 5 3101
            u1 sell 5 @ 102 GTD until=100   -> accepted rests
            u2 buy 5 @ 102 IOC              -> accepted, fill 5 @ 102 of #2 left 0/0
            tick at=100                     -> nothing
            """)

    def test_the_rest_of_one_that_traded_on_arrival_expires_too(self, table):
        table.run("""
            u1 sell 5 @ 101 GTC             -> accepted rests
            u2 buy 8 @ 101 GTD until=100    -> accepted, fill 5 @ 101 of #1 left 3/0, rests 3
            tick at=100                     -> cancelled #2 3 3105
            """)

    def test_the_slot_of_an_expired_order_is_free_for_the_request(self, make_table):
        make_table(orders_max=1).run("""
            u1 sell 5 @ 101 GTD until=100   -> accepted rests
            u1 sell 5 @ 102 GTC             -> rejected 3005
            u1 sell 5 @ 102 GTC at=100      -> cancelled #1 5 3105; accepted rests
            """)


class TestPostOnly:
    """M-5."""

    def test_an_equal_price_crosses_and_an_empty_side_does_not(self, table):
        """MAT-25, MAT-26."""
        table.run("""
            u2 buy 5 @ 500 GTC post    -> accepted rests
            u1 sell 5 @ 500 GTC post   -> rejected 3002
            u1 sell 5 @ 501 GTC post   -> accepted rests
            """)

    def test_repriced_it_rests_one_tick_from_the_best_price(self, make_table):
        make_table(tick=10).run("""
            u1 sell 5 @ 500 GTC                -> accepted rests
            u2 buy 5 @ 500 GTC post reprice    -> accepted rests
            u3 buy 5 @ 900 GTC post reprice    -> accepted rests
            u1 sell 5 @ 10 GTC post reprice    -> accepted rests
            u3 buy 5 @ 480 GTC post reprice    -> accepted rests
            book                    -> bid #2:5@490 #3:5@490 #5:5@480 | ask #1:5@500 #4:5@500
            """)

    def test_the_acceptance_has_the_price_it_got_and_the_whole_reservation(self, make_engine):
        engine = make_engine()
        ask(engine, new(1, 1, 1, 5, 100))

        (event,) = ask(engine, new(2, 2, 0, 5, 120, flags=9, reserved=600))

        assert (event["type"], event["px"], event["reserved"]) == ("ORDER_ACCEPTED", 99, 600)
        assert (event["flags"], engine.resting(0)[0][2:5]) == (13, (99, 5, 600))

    def test_where_no_such_price_is_allowed_it_is_refused(self, make_table):
        make_table(tick=10, px_max=1000, notional_max=5000).run("""
            u1 sell 5 @ 10 GTC               -> accepted rests
            u2 buy 5 @ 10 GTC post reprice   -> rejected 3002
            u1 cancel #1                     -> cancelled 5 3101
            u1 buy 5 @ 1000 GTC              -> accepted rests
            u2 sell 5 @ 990 GTC post reprice -> rejected 3002
            u1 cancel #3                     -> cancelled 5 3101
            u1 buy 5 @ 900 GTC               -> accepted rests
            u2 sell 6 @ 800 GTC post reprice -> rejected 3002
            u2 sell 5 @ 800 GTC post reprice -> accepted rests
            book                             -> bid #5:5@900 | ask #7:5@910
            """)

    def test_a_reduce_only_one_is_cut_and_rests(self, table):
        table.run("""
            u9 sell 5 @ 100 GTC                       -> accepted rests
            u1 buy 5 @ 100 IOC                        -> accepted, fill 5 @ 100 of #1 left 0/0
            u2 buy 5 @ 95 GTC                         -> accepted rests
            u1 sell 9 @ 95 GTC post reprice reduce    -> accepted, reduced by 4 to 5 3103, rests 5
            book                                      -> bid #3:5@95 | ask #4:5@96
            """)

    def test_reduce_only_is_said_before_post_only_and_that_before_fok(self, table):
        table.run("""
            u1 sell 5 @ 100 GTC              -> accepted rests
            u2 buy 5 @ 100 GTC post reduce   -> rejected 3004
            u2 buy 5 @ 100 GTC post          -> rejected 3002
            """)


class TestSelfTrade:
    """M-13, ST-1 to ST-3; MAT-40."""

    def test_without_prevention_a_user_trades_with_itself(self, table):
        table.run("""
            u1 sell 5 @ 100 GTC  -> accepted rests
            u1 buy 3 @ 100 IOC   -> accepted, fill 3 @ 100 of #1 left 0/2
            u1 net               -> 0
            """)

    def test_newest_cancels_the_rest_of_the_taker(self, table):
        table.run("""
            u2 sell 2 @ 100 GTC              -> accepted rests
            u1 sell 5 @ 100 GTC              -> accepted rests
            u2 sell 9 @ 100 GTC              -> accepted rests
            u1 buy 10 @ 100 GTC stp=newest   -> accepted, fill 2 @ 100 of #1 left 8/0,
                                              + cancelled 8 3106
            book                             -> bid - | ask #2:5@100 #3:9@100
            u1 buy 10 @ 100 IOC stp=newest   -> accepted, cancelled 10 3106
            """)

    def test_oldest_cancels_the_maker_and_goes_on(self, table):
        table.run("""
            u1 sell 10 @ 100 GTC             -> accepted rests
            u1 buy 10 @ 100 GTC stp=oldest   -> accepted, cancelled #1 10 3106, rests 10
            u1 sell 4 @ 99 IOC               -> accepted, fill 4 @ 100 of #2 left 0/6
            u2 sell 3 @ 101 GTC              -> accepted rests
            u1 sell 3 @ 101 GTC              -> accepted rests
            u1 buy 9 @ 101 IOC stp=oldest    -> accepted, fill 3 @ 101 of #4 left 6/0,
                                              + cancelled #5 3 3106, cancelled 6 3102
            """)

    def test_both_cancels_both_the_maker_first(self, table):
        table.run("""
            u2 sell 2 @ 99 GTC             -> accepted rests
            u1 sell 5 @ 100 GTC            -> accepted rests
            u1 sell 5 @ 100 GTC            -> accepted rests
            u1 buy 9 @ 100 GTC stp=both    -> accepted, fill 2 @ 99 of #1 left 7/0,
                                            + cancelled #2 5 3106, cancelled 7 3106
            book                           -> bid - | ask #3:5@100
            """)

    def test_the_takers_mode_decides_not_the_makers(self, table):
        table.run("""
            u1 sell 5 @ 100 GTC stp=both   -> accepted rests
            u1 buy 2 @ 100 IOC             -> accepted, fill 2 @ 100 of #1 left 0/3
            """)

    def test_accounts_of_one_group_are_one_owner(self, table):
        table.run("""
            u1 sell 5 @ 100 GTC group=7               -> accepted rests
            u2 buy 5 @ 100 IOC group=7 stp=newest     -> accepted, cancelled 5 3106
            u3 buy 2 @ 100 IOC group=8 stp=newest     -> accepted, fill 2 @ 100 of #1 left 0/3
            u4 buy 1 @ 100 IOC stp=newest             -> accepted, fill 1 @ 100 of #1 left 0/2
            u2 buy 1 @ 100 IOC group=7                -> accepted, fill 1 @ 100 of #1 left 0/1
            """)

    def test_group_0_is_no_group(self, table):
        table.run("""
            u1 sell 5 @ 100 GTC                -> accepted rests
            u2 buy 5 @ 100 IOC stp=newest      -> accepted, fill 5 @ 100 of #1 left 0/0
            """)

    def test_a_group_that_is_numbered_as_a_user_is_another_owner(self, table):
        table.run("""
            u7 sell 5 @ 100 GTC                     -> accepted rests
            u1 buy 5 @ 100 IOC group=7 stp=newest   -> accepted, fill 5 @ 100 of #1 left 0/0
            """)

    def test_one_user_is_one_owner_whatever_groups_its_orders_came_with(self, table):
        table.run("""
            u1 sell 5 @ 100 GTC group=7                -> accepted rests
            u1 buy 5 @ 100 IOC group=8 stp=newest      -> accepted, cancelled 5 3106
            u1 buy 5 @ 100 FOK group=9 stp=newest      -> rejected 3003
            """)

    def test_resting_orders_have_the_group_of_the_newest_accepted_one(self, table):
        """ST-1; a refused one changes nothing."""
        table.run("""
            u1 sell 5 @ 100 GTC group=7              -> accepted rests
            u1 sell 0 @ 100 GTC group=8              -> rejected 3008
            u2 buy 1 @ 100 IOC group=8 stp=newest    -> accepted, fill 1 @ 100 of #1 left 0/4
            u2 buy 1 @ 100 IOC group=7 stp=newest    -> accepted, cancelled 1 3106
            u1 sell 1 @ 101 GTC group=8              -> accepted rests
            u2 buy 1 @ 100 IOC group=7 stp=newest    -> accepted, fill 1 @ 100 of #1 left 0/3
            u2 buy 1 @ 100 IOC group=8 stp=newest    -> accepted, cancelled 1 3106
            """)

    def test_an_amended_order_takes_with_its_own_mode(self, table):
        """AM-5."""
        table.run("""
            u1 sell 5 @ 100 GTC              -> accepted rests
            u1 buy 5 @ 90 GTC stp=oldest     -> accepted rests
            u1 amend #2 5 @ 100              -> amended 5 @ 100 open 5, cancelled #1 5 3106, rests 5
            """)

    def test_no_net_changes_and_reduce_only_orders_stay(self, table):
        table.run("""
            u9 sell 10 @ 100 GTC                 -> accepted rests
            u1 buy 10 @ 100 IOC                  -> accepted, fill 10 @ 100 of #1 left 0/0
            u1 sell 10 @ 110 GTC reduce          -> accepted rests
            u1 sell 4 @ 109 GTC                  -> accepted rests
            u1 buy 4 @ 109 IOC stp=both          -> accepted, cancelled #4 4 3106, cancelled 4 3106
            book                                 -> bid - | ask #3:10@110
            u1 net                               -> 10
            """)

    def test_fok_does_not_count_what_oldest_would_cancel(self, table):
        """ST-3."""
        table.run("""
            u2 sell 3 @ 100 GTC             -> accepted rests
            u1 sell 5 @ 100 GTC             -> accepted rests
            u2 sell 4 @ 101 GTC             -> accepted rests
            u1 buy 8 @ 101 FOK stp=oldest   -> rejected 3003
            book                            -> bid - | ask #1:3@100 #2:5@100 #3:4@101
            u1 buy 7 @ 101 FOK stp=oldest   -> accepted, fill 3 @ 100 of #1 left 4/0,
                                             + cancelled #2 5 3106, fill 4 @ 101 of #3 left 0/0
            """)

    @pytest.mark.parametrize("mode", ["newest", "both"])
    def test_fok_counts_to_the_first_own_maker_with_newest_and_both(self, table, mode):
        """ST-3."""
        table.run(f"""
            u2 sell 3 @ 100 GTC             -> accepted rests
            u1 sell 5 @ 100 GTC             -> accepted rests
            u2 sell 4 @ 101 GTC             -> accepted rests
            u1 buy 4 @ 101 FOK stp={mode}   -> rejected 3003
            u1 buy 3 @ 101 FOK stp={mode}   -> accepted, fill 3 @ 100 of #1 left 0/0
            """)

    def test_fok_counts_by_the_groups_of_the_request(self, table):
        table.run("""
            u2 sell 3 @ 100 GTC group=5              -> accepted rests
            u1 buy 3 @ 100 FOK group=5 stp=oldest    -> rejected 3003
            u1 buy 3 @ 100 FOK group=6 stp=oldest    -> accepted, fill 3 @ 100 of #1 left 0/0
            """)
