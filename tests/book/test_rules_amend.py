"""Cancel-all and amendments: CA-1, CA-2, AM-1 to AM-7; BOOK-60 to BOOK-63, TST-12.

Over the plain model and the compiled engine; the language of the tables is that of
`model/table.py`.
"""

from __future__ import annotations

import pytest
from model.engines import ask, new
from model.wire import make_request


class TestCancelAll:
    """CA-1, CA-2; MAT-48."""

    ORDERS = """
        u9 sell 20 @ 100 GTC           -> accepted rests
        u1 buy 20 @ 100 IOC            -> accepted, fill 20 @ 100 of #1 left 0/0
        u1 sell 5 @ 110 GTC reduce     -> accepted rests
        u1 buy 5 @ 90 GTC              -> accepted rests
        u1 sell 9 stop 80 IOC last     -> waits
        u1 sell 7 @ 111 GTC            -> accepted rests
        u2 sell 7 @ 111 GTC            -> accepted rests
        u1 buy 9 stop 120 IOC last     -> waits
        u1 sell 6 @ 112 GTC reduce     -> accepted rests
        u1 buy 6 @ 91 GTC              -> accepted rests
        """

    def test_the_youngest_first_then_reduce_only_ones_then_triggers(self, table):
        table.run(self.ORDERS)
        table.run("""
            u1 cancel-all -> cancelled #10 6 3110, cancelled #6 7 3110, cancelled #4 5 3110,
                           + cancelled #9 6 3110, cancelled #3 5 3110, trigger #8 cancelled 3110,
                           + trigger #5 cancelled 3110, done 7 3110
            u1 cancel-all -> done 0 3110
            book          -> bid - | ask #7:7@111
            """)

    def test_of_one_scope_and_side(self, table):
        table.run(self.ORDERS)
        table.run("""
            u1 cancel-all triggers sells  -> trigger #5 cancelled 3110, done 1 3110
            u1 cancel-all orders sells    -> cancelled #6 7 3110, cancelled #9 6 3110,
                                           + cancelled #3 5 3110, done 3 3110
            u1 cancel-all orders buys     -> cancelled #10 6 3110, cancelled #4 5 3110, done 2 3110
            u1 cancel-all orders          -> done 0 3110
            u1 cancel-all buys            -> trigger #8 cancelled 3110, done 1 3110
            """)

    def test_an_order_that_came_back_by_an_amendment_is_young_again(self, table):
        table.run("""
            u1 buy 5 @ 90 GTC      -> accepted rests
            u1 buy 5 @ 91 GTC      -> accepted rests
            u1 buy 5 @ 92 GTC      -> accepted rests
            u1 amend #1 6 @ 90     -> amended 6 @ 90 open 6 rests
            u1 amend #2 4 @ 91     -> amended 4 @ 91 open 4 kept
            u1 cancel-all          -> cancelled #1 6 3110, cancelled #3 5 3110, cancelled #2 4 3110,
                                    + done 3 3110
            """)

    @pytest.mark.parametrize(
        ("asked", "told"),
        [
            (3101, 3101),
            (3107, 3107),
            (3108, 3108),
            (3111, 3111),
            (3110, 3110),
            (0, 3110),
            (3105, 3110),
            (1, 3110),
        ],
    )
    def test_its_reason(self, table, asked, told):
        table.run(f"""
            u1 buy 5 @ 90 GTC            -> accepted rests
            u1 cancel-all reason={asked}   -> cancelled #1 5 {told}, done 1 {told}
            """)

    def test_a_user_that_is_unknown_or_has_nothing_gets_0(self, table):
        table.run("""
            u1 cancel-all        -> done 0 3110
            u1 buy 5 @ 90 GTC    -> accepted rests
            u2 cancel-all        -> done 0 3110
            u1 cancel-all scope=0 -> done 0 3110
            u1 cancel-all sides=0 -> done 0 3110
            """)

    def test_only_its_last_record_has_the_request_id(self, make_engine):
        engine = make_engine()
        ask(engine, new(1, 1, 0, 10, 100, reserved=70))
        ask(engine, new(2, 2, 1, 3, 100, tif=1))
        request = make_request(
            "ORDER_CANCEL_ALL", user_id=1, symbol_id=1, request_id=42, scope=3, sides=3
        )

        cancelled, done = ask(engine, request, 5)

        assert (cancelled["request_id"], cancelled["filled_qty"], cancelled["released"]) == (
            0, 3, 49,
        )  # fmt: skip
        assert (cancelled["header_flags"], done["header_flags"]) == (0, 1)
        assert (done["request_id"], done["user_id"], done["cancelled"]) == (42, 1, 1)

    def test_it_takes_no_place_in_the_user_table(self, make_table):
        make_table(users_max=1).run("""
            u1 cancel-all        -> done 0 3110
            u2 buy 5 @ 90 GTC    -> accepted rests
            u1 buy 5 @ 90 GTC    -> rejected 3005
            """)


class TestAmendKeeps:
    """AM-4."""

    def test_a_smaller_quantity_keeps_its_place(self, table):
        """BOOK-61, TST-12."""
        table.run("""
            u1 buy 10 @ 100 GTC    -> accepted rests
            u2 buy 5 @ 100 GTC     -> accepted rests
            u1 amend #1 6 @ 100    -> amended 6 @ 100 open 6 kept
            u1 amend #1 6 @ 100    -> amended 6 @ 100 open 6 kept
            book                   -> bid #1:6@100 #2:5@100 | ask -
            u3 sell 11 @ 100 FOK   -> accepted, fill 6 @ 100 of #1 left 5/0,
                                    + fill 5 @ 100 of #2 left 0/0
            """)

    def test_the_quantity_is_the_whole_one_with_what_has_traded(self, table):
        """AM-1, AM-2."""
        table.run("""
            u1 buy 10 @ 100 GTC    -> accepted rests
            u2 sell 4 @ 100 IOC    -> accepted, fill 4 @ 100 of #1 left 0/6
            u1 amend #1 9 @ 100    -> amended 9 @ 100 open 5 kept
            u1 amend #1 10 @ 100   -> amended 10 @ 100 open 6 rests
            u1 amend #1 4 @ 100    -> cancelled 6 3109
            """)

    def test_cuts_do_not_count_into_it(self, table):
        """AM-1."""
        table.run("""
            u9 sell 10 @ 100 GTC          -> accepted rests
            u1 buy 10 @ 100 IOC           -> accepted, fill 10 @ 100 of #1 left 0/0
            u1 sell 15 @ 110 GTC reduce   -> accepted, reduced by 5 to 10 3103, rests 10
            u2 buy 4 @ 110 IOC            -> accepted, fill 4 @ 110 of #3 left 0/6
            u1 amend #3 10 @ 110          -> amended 10 @ 110 open 6 kept
            u1 amend #3 9 @ 110           -> amended 9 @ 110 open 5 kept
            """)

    @pytest.mark.parametrize("qty", [0, -5, -1000])
    def test_down_to_nothing_it_is_a_cancel(self, table, qty):
        """BOOK-61."""
        table.run(f"""
            u1 buy 10 @ 100 GTC                -> accepted rests
            u1 amend #1 {qty} @ 100 assumed=1    -> cancelled 10 3109
            u1 amend #1 5 @ 100                -> refused 3007
            """)


class TestAmendMoves:
    """AM-5."""

    def test_a_larger_quantity_goes_to_the_end(self, table):
        table.run("""
            u1 buy 10 @ 100 GTC    -> accepted rests
            u2 buy 5 @ 100 GTC     -> accepted rests
            u1 amend #1 12 @ 100   -> amended 12 @ 100 open 12 rests
            book                   -> bid #2:5@100 #1:12@100 | ask -
            """)

    def test_the_example_of_the_spec(self, table):
        table.run("""
            u2 buy 5 @ 100 GTC     -> accepted rests
            u1 buy 10 @ 100 GTC    -> accepted rests
            u3 buy 5 @ 100 GTC     -> accepted rests
            u1 amend #2 6 @ 100    -> amended 6 @ 100 open 6 kept
            book                   -> bid #1:5@100 #2:6@100 #3:5@100 | ask -
            u1 amend #2 12 @ 100   -> amended 12 @ 100 open 12 rests
            book                   -> bid #1:5@100 #3:5@100 #2:12@100 | ask -
            """)

    def test_a_price_away_and_back_loses_the_place(self, table):
        """BOOK-60, TST-12."""
        table.run("""
            u1 buy 10 @ 100 GTC    -> accepted rests
            u2 buy 5 @ 100 GTC     -> accepted rests
            u1 amend #1 10 @ 99    -> amended 10 @ 99 open 10 rests
            u1 amend #1 10 @ 100   -> amended 10 @ 100 open 10 rests
            book                   -> bid #2:5@100 #1:10@100 | ask -
            """)

    def test_a_price_that_crosses_trades(self, table):
        """BOOK-62's [D]: an amended price that crosses matches; the book is never crossed."""
        table.run("""
            u2 sell 4 @ 105 GTC    -> accepted rests
            u2 sell 9 @ 106 GTC    -> accepted rests
            u1 buy 10 @ 100 GTC    -> accepted rests
            u1 amend #3 10 @ 105   -> amended 10 @ 105 open 10, fill 4 @ 105 of #1 left 6/0,
                                    + rests 6
            u1 amend #3 10 @ 106   -> amended 10 @ 106 open 6, fill 6 @ 106 of #2 left 0/3
            u1 amend #3 12 @ 106   -> refused 3007
            book                   -> bid - | ask #2:3@106
            """)

    def test_filled_counts_through_amendments(self, table):
        """LIF-5: quantities on terminal events."""
        table.run("""
            u2 sell 4 @ 105 GTC       -> accepted rests
            u1 buy 10 @ 105 GTC cid=a -> accepted, fill 4 @ 105 of #1 left 6/0, rests 6
            u1 amend #2 5 @ 104       -> amended 5 @ 104 open 1 rests
            u1 amend #2 20 @ 104      -> amended 20 @ 104 open 16 rests
            u1 cancel #2              -> cancelled 16 3101
            u1 buy 1 @ 1 GTC cid=a    -> duplicate #2 cancelled 4+0 of 20 @ 104 3101
            """)

    def test_a_reduce_only_order_is_cut_as_a_new_one(self, table):
        table.run("""
            u9 sell 10 @ 100 GTC         -> accepted rests
            u1 buy 10 @ 100 IOC          -> accepted, fill 10 @ 100 of #1 left 0/0
            u1 sell 10 @ 110 GTC reduce  -> accepted rests
            u1 amend #3 14 @ 110         -> amended 14 @ 110 open 14, reduced by 4 to 10 3103,
                                          + rests 10
            u2 buy 3 @ 108 GTC           -> accepted rests
            u1 amend #3 20 @ 108         -> amended 20 @ 108 open 20, reduced by 10 to 10 3103,
                                          + fill 3 @ 108 of #4 left 7/0, rests 7
            u1 amend #3 10 @ 112         -> amended 10 @ 112 open 7 rests
            """)

    def test_a_post_only_order_may_not_cross(self, table):
        table.run("""
            u2 sell 5 @ 105 GTC              -> accepted rests
            u1 buy 5 @ 100 GTC post          -> accepted rests
            u1 amend #2 5 @ 105              -> refused 3002
            u1 amend #2 5 @ 104              -> amended 5 @ 104 open 5 rests
            u1 buy 5 @ 100 GTC post reprice  -> accepted rests
            u1 amend #3 6 @ 110              -> amended 6 @ 104 open 6 rests
            u1 amend #3 5 @ 110              -> amended 5 @ 104 open 5 kept
            book                             -> bid #2:5@104 #3:5@104 | ask #1:5@105
            """)

    def test_it_needs_no_free_slot_and_counts_as_no_new_order(self, make_table):
        make_table(orders_max=2, open_orders_per_user_max=1).run("""
            u1 buy 5 @ 100 GTC    -> accepted rests
            u2 buy 5 @ 100 GTC    -> accepted rests
            u1 amend #1 9 @ 101   -> amended 9 @ 101 open 9 rests
            """)


class TestAmendRefused:
    """AM-1, AM-3, AM-7; BOOK-62: identity and liveness first."""

    def test_it_must_name_a_resting_order_of_the_same_user(self, table):
        table.run("""
            u1 buy 5 @ 100 GTC    -> accepted rests
            u2 amend #1 5 @ 101   -> refused 3007
            u1 amend #2 5 @ 101   -> refused 3007
            u1 cancel #1          -> cancelled 5 3101
            u1 amend #1 5 @ 101   -> refused 3007
            """)

    def test_a_trigger_is_not_amended(self, table):
        table.run("""
            u1 sell 5 stop 40000 IOC           -> waits
            u1 amend #1 5 @ 101                -> refused 3018
            u2 amend #1 5 @ 101                -> refused 3007
            mark 39000                         -> mark 39000; fired #1 at 39000 level 40000
            u1 amend #1 5 @ 101                -> refused 3018
            u1 cancel #1                       -> trigger cancelled 3101
            u1 amend #1 5 @ 101                -> refused 3007
            """)

    @pytest.mark.parametrize(
        "to",
        ["5 @ 0", "5 @ -10", "5 @ 101", "5 @ 2010", "7 @ 100", "105 @ 100", "100 @ 1000",
         "9223372036854775805 @ 10", "5 @ 9223372036854775800"],
    )  # fmt: skip
    def test_the_rules_hold_for_it(self, make_table, to):
        make_table(tick=10, lot=5, px_max=2000, qty_max=100, notional_max=90_000).run(f"""
            u1 buy 10 @ 100 GTC           -> accepted rests
            u1 amend #1 {to} assumed=9    -> refused 3008
            book                          -> bid #1:10@100 | ask -
            """)

    def test_the_refusal_repeats_the_request(self, make_engine):
        engine = make_engine()
        request = make_request(
            "ORDER_AMEND", oid=9, px=77, qty=5, request_id=42, reserved=100, assumed=5, extra=30,
            extra_qty=2, user_id=3, symbol_id=1, side=1, flags=0x46,
        )  # fmt: skip

        (event,) = ask(engine, request, 6)

        assert event == {
            "type": "AMEND_REJECTED", "header_flags": 1, "stream": 1, "epoch": 0, "seq": 0,
            "ts_ns": 6, "oid": 9, "px": 77, "qty": 5, "extra": 30, "extra_qty": 2,
            "request_id": 42, "user_id": 3, "symbol_id": 1, "reason": 3007, "side": 1,
            "flags": 2,
        }  # fmt: skip


class TestAmendMargin:
    """AM-6."""

    def amend(self, engine, **values):
        values = {"oid": 1, "user_id": 1, "px": 100, "symbol_id": 1, "request_id": 42, **values}
        return ask(engine, make_request("ORDER_AMEND", **values), 6)

    def test_the_order_holds_what_risk_reserved(self, make_engine):
        engine = make_engine()
        ask(engine, new(1, 1, 0, 10, 100, reserved=100, cid="a"))

        (event,) = self.amend(engine, qty=12, reserved=120, assumed=12, extra=20, extra_qty=2)

        assert event == {
            "type": "ORDER_AMENDED", "header_flags": 1, "stream": 1, "epoch": 0, "seq": 0,
            "ts_ns": 6, "oid": 1, "px": 100, "qty": 12, "remaining": 12, "reserved": 120,
            "extra": 20, "extra_qty": 2, "request_id": 42, "user_id": 1, "symbol_id": 1,
            "side": 0, "flags": 4,
        }  # fmt: skip
        assert engine.resting(0) == [(1, 1, 100, 12, 120, "a")]

    @pytest.mark.parametrize(("traded", "held"), [(0, 121), (1, 111), (5, 71), (9, 31), (10, 21)])
    def test_what_traded_meanwhile_is_not_reserved_for(self, make_engine, traded, held):
        """ceil(121 x (12 - traded) / 12)."""
        engine = make_engine()
        ask(engine, new(1, 1, 0, 11, 100, reserved=100))
        if traded:
            ask(engine, new(2, 2, 1, traded, 100, tif=1))

        (event,) = self.amend(engine, qty=12, reserved=121, assumed=12, extra=21, extra_qty=1)

        assert (event["remaining"], event["reserved"]) == (12 - traded, held)
        assert (event["extra"], event["extra_qty"]) == (21, 1)

    def test_what_an_amended_taker_trades_releases_from_the_new_reservation(self, make_engine):
        engine = make_engine()
        ask(engine, new(1, 1, 0, 10, 100, reserved=100))
        ask(engine, new(2, 2, 1, 4, 103))

        amended, fill, rested = self.amend(engine, qty=12, px=103, reserved=150, assumed=12)

        assert (amended["flags"], amended["reserved"]) == (0, 150)
        assert (fill["taker_release"], rested["reserved"], rested["qty"]) == (50, 100, 12)

    def test_a_reservation_in_flight_goes_back_when_there_is_nothing_left(self, make_engine):
        """AM-2."""
        engine = make_engine()
        ask(engine, new(1, 1, 0, 10, 100, reserved=100, flags=16))
        ask(engine, new(2, 2, 1, 8, 100, tif=1))

        released, cancelled = self.amend(
            engine, qty=8, px=120, reserved=130, assumed=6, extra=30, extra_qty=3
        )

        assert released == {
            "type": "ORDER_RELEASED", "header_flags": 0, "stream": 1, "epoch": 0, "seq": 0,
            "ts_ns": 6, "oid": 1, "qty": 3, "released": 30, "user_id": 1, "symbol_id": 1,
            "side": 0, "flags": 16,
        }  # fmt: skip
        assert (cancelled["cancelled_qty"], cancelled["released"]) == (2, 20)
        assert (cancelled["reason"], cancelled["request_id"]) == (3109, 42)

    @pytest.mark.parametrize(("extra", "extra_qty", "records"), [(0, 0, 1), (1, 0, 2), (0, 1, 2)])
    def test_nothing_in_flight_is_not_said_to_go_back(self, make_engine, extra, extra_qty, records):
        engine = make_engine()
        ask(engine, new(1, 1, 0, 10, 100))

        assert len(self.amend(engine, qty=0, extra=extra, extra_qty=extra_qty)) == records

    def test_a_refusal_leaves_the_reservation_as_it_was(self, make_engine):
        engine = make_engine()
        ask(engine, new(1, 1, 0, 10, 100, reserved=100))

        (event,) = self.amend(engine, qty=12, px=0, reserved=150, assumed=12, extra=50, extra_qty=2)

        assert (event["reason"], event["extra"], event["extra_qty"]) == (3008, 50, 2)
        assert engine.resting(0) == [(1, 1, 100, 10, 100, "")]

    def test_large_numbers_are_exact(self, make_engine):
        engine = make_engine(px_max=1 << 23, qty_max=1 << 40, notional_max=1 << 62)
        qty, reserved = (1 << 38) - 1, (1 << 62) + 12345
        ask(engine, new(1, 1, 0, qty, 100, reserved=7))
        ask(engine, new(2, 2, 1, 1, 100, tif=1))

        (event,) = self.amend(engine, qty=qty, reserved=reserved, assumed=qty)

        assert event["reserved"] == -(-reserved * (qty - 1) // qty)
