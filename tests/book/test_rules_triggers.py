"""Triggers that wait for a price: TR-1 to TR-9, MO-3, EX-2.

Over the plain model and the compiled engine; the language of the tables is that of
`model/table.py`, which plays risk: a fired trigger becomes an order when a line says so.
"""

from __future__ import annotations

import pytest
from model.engines import ask, new
from model.wire import as_event, make_request


def trade(px: int, first: int) -> str:
    """Lines that make px the last price; they use up the order ids first and first + 1."""
    return f"""
        u8 sell 1 @ {px} GTC  -> accepted rests
        u9 buy 1 @ {px} IOC   -> accepted, fill 1 @ {px} of #{first} left 0/0
        """


class TestFiring:
    """TR-1, TR-4, TR-5."""

    @pytest.mark.parametrize(
        ("side", "way", "level", "before", "at"),
        [
            ("buy", "stop", 110, 109, 110), ("buy", "stop", 110, 109, 115),
            ("sell", "take", 110, 109, 110), ("sell", "take", 110, 109, 115),
            ("sell", "stop", 90, 91, 90), ("sell", "stop", 90, 91, 85),
            ("buy", "take", 90, 91, 90), ("buy", "take", 90, 91, 85),
        ],
    )  # fmt: skip
    def test_rising_ones_at_or_above_and_falling_ones_at_or_below(
        self, make_table, side, way, level, before, at
    ):
        make_table(reference_px=100).run(f"""
            u1 {side} 5 {way} {level} IOC        -> waits
            u1 {side} 5 @ 100 {way} {level} GTC  -> waits
            mark {before}                        -> mark {before}
            mark {at} -> mark {at}; fired #1 at {at} level {level}; fired #2 at {at} level {level}
            mark {at}                            -> mark {at}
            """)

    def test_mark_moves_those_on_mark_and_fills_those_on_last(self, make_table):
        make_table(reference_px=100).run("""
            u1 sell 5 stop 90 IOC             -> waits
            u1 sell 5 stop 90 IOC last        -> waits
            u2 buy 1 @ 89 GTC                 -> accepted rests
            u3 sell 1 @ 89 IOC    -> accepted, fill 1 @ 89 of #3 left 0/0; fired #2 at 89 level 90
            mark 88                           -> mark 88; fired #1 at 88 level 90
            """)

    def test_the_example_of_the_spec(self, make_table):
        make_table(reference_px=100).run("""
            u1 sell 10 stop 90 IOC last  -> waits
            u2 buy 6 @ 89 GTC            -> accepted rests
            u2 buy 6 @ 86 GTC            -> accepted rests
            u3 sell 1 @ 89 IOC  -> accepted, fill 1 @ 89 of #2 left 0/5; fired #1 at 89 level 90
            risk sends #1 @ 87           -> accepted, fill 5 @ 89 of #2 left 5/0, cancelled 5 3102
            """)

    def test_fills_count_in_the_first_and_the_last_price_when_the_request_has_ended(
        self, make_table
    ):
        """TR-4: first, then last; what lies between is passed in between."""
        make_table(reference_px=100).run("""
            u8 sell 1 @ 101 GTC           -> accepted rests
            u8 sell 1 @ 103 GTC           -> accepted rests
            u8 sell 1 @ 105 GTC           -> accepted rests
            u1 buy 5 stop 104 IOC last    -> waits
            u1 buy 5 stop 102 IOC last    -> waits
            u1 buy 5 stop 101 IOC last    -> waits
            u9 buy 3 @ 105 IOC   -> accepted, fill 1 @ 101 of #1 left 2/0,
                                  + fill 1 @ 103 of #2 left 1/0, fill 1 @ 105 of #3 left 0/0;
                                  + fired #6 at 101 level 101; fired #5 at 105 level 102;
                                  + fired #4 at 105 level 104
            """)

    def test_due_ones_fire_by_price_then_id(self, make_table):
        make_table(reference_px=100).run("""
            u1 buy 5 stop 112 IOC   -> waits
            u2 buy 5 stop 111 IOC   -> waits
            u3 sell 5 take 113 IOC  -> waits
            u1 buy 5 stop 111 IOC   -> waits
            u1 sell 5 stop 88 IOC   -> waits
            u2 buy 5 take 89 IOC    -> waits
            u3 sell 5 stop 87 IOC   -> waits
            u3 sell 5 stop 89 IOC   -> waits
            mark 120 -> mark 120; fired #2 at 120 level 111; fired #4 at 120 level 111;
                      + fired #1 at 120 level 112; fired #3 at 120 level 113
            mark 80  -> mark 80; fired #6 at 80 level 89; fired #8 at 80 level 89;
                      + fired #5 at 80 level 88; fired #7 at 80 level 87
            """)

    def test_rising_ones_come_before_falling_ones_and_trailing_ones_last(self, make_table):
        make_table(reference_px=100).run("""
            u1 sell 5 trail 5 IOC    -> waits
            mode post-only           -> mode post-only was open
            u1 buy 5 stop 110 IOC    -> waits
            mark 150                 -> mark 150
            u1 sell 5 stop 140 IOC   -> waits
            mode open                -> mode open was post-only
            mark 120   -> mark 120; fired #2 at 120 level 110; fired #3 at 120 level 140
            mark 115                 -> mark 115; fired #1 at 115 level 115
            """)

    def test_what_fired_is_told_with_all_its_terms(self, make_engine):
        engine = make_engine(reference_px=100)
        terms = {"oid": 7, "px": 89, "qty": 5, "expire_s": 99, "user_id": 3, "symbol_id": 1,
                 "kind": 3, "stp": 2, "side": 1, "tif": 3, "flags": 2 | 16 | 32}  # fmt: skip
        request = make_request("TRIGGER_REQUEST", trigger_px=90, cid="a", **terms)

        (placed,) = ask(engine, request, 5)
        ask(engine, new(8, 4, 0, 1, 88), 6)
        fired = ask(engine, new(9, 5, 1, 1, 88, tif=1), 7)[-1]

        due = as_event(request) | {
            "type": "TRIGGER_PLACED", "header_flags": 1, "stream": 1, "ts_ns": 5,
        }  # fmt: skip
        assert placed == due
        assert fired == {
            "type": "TRIGGER_FIRED", "header_flags": 1, "stream": 1, "epoch": 0, "seq": 0,
            "ts_ns": 7, "trigger_px": 90, "fired_px": 88, **terms,
        }  # fmt: skip

    def test_an_amendment_that_trades_moves_the_last_price_too(self, make_table):
        make_table(reference_px=100).run("""
            u1 buy 5 stop 110 IOC last  -> waits
            u8 sell 1 @ 111 GTC         -> accepted rests
            u9 buy 1 @ 100 GTC          -> accepted rests
            u9 amend #3 1 @ 111         -> amended 1 @ 111 open 1, fill 1 @ 111 of #2 left 0/0;
                                         + fired #1 at 111 level 110
            """)


class TestTrailing:
    """TR-2."""

    def test_the_example_of_the_spec(self, make_table):
        make_table(reference_px=100).run("""
            u1 sell 10 trail 5 IOC  -> waits
            mark 104                -> mark 104
            mark 100                -> mark 100
            mark 99                 -> mark 99; fired #1 at 99 level 99
            """)

    def test_a_buy_follows_the_lowest(self, make_table):
        make_table(reference_px=100).run("""
            u1 buy 10 trail 5 IOC   -> waits
            mark 90                 -> mark 90
            mark 94                 -> mark 94
            mark 96                 -> mark 96; fired #1 at 96 level 95
            """)

    def test_a_distance_in_ppm_is_of_the_extreme_and_rounded_up(self, make_table):
        make_table(reference_px=100).run("""
            u1 sell 10 trail 100000ppm IOC  -> waits
            u1 buy 10 trail 333333ppm IOC   -> waits
            mark 119                        -> mark 119
            mark 108                        -> mark 108
            mark 107                        -> mark 107; fired #1 at 107 level 107
            mark 133                        -> mark 133
            mark 134                        -> mark 134; fired #2 at 134 level 134
            """)

    def test_it_waits_for_its_activation(self, make_table):
        """The price that activates it counts into the extreme."""
        make_table(reference_px=100).run("""
            u1 sell 10 trail 5 IOC from=110  -> waits
            u1 buy 10 trail 5 IOC from=90    -> waits
            mark 104                         -> mark 104
            mark 95                          -> mark 95
            mark 112                         -> mark 112
            mark 108                         -> mark 108
            mark 107                         -> mark 107; fired #1 at 107 level 107
            mark 89                          -> mark 89
            mark 93                          -> mark 93
            mark 94                          -> mark 94; fired #2 at 94 level 94
            """)

    def test_on_the_last_price_the_extreme_moves_before_it_is_looked_at(self, make_table):
        """TR-4: a sweep upwards first moves the extreme of a sell."""
        make_table(reference_px=100).run("""
            u1 sell 10 trail 5 IOC last  -> waits
            u8 buy 1 @ 104 GTC           -> accepted rests
            u8 buy 1 @ 99 GTC            -> accepted rests
            u9 sell 2 @ 99 IOC           -> accepted, fill 1 @ 104 of #2 left 1/0,
                                          + fill 1 @ 99 of #3 left 0/0; fired #1 at 99 level 99
            """)

    def test_many_fire_by_id(self, make_table):
        make_table(reference_px=100).run("""
            u1 sell 10 trail 5 IOC    -> waits
            u2 sell 10 trail 20 IOC   -> waits
            u3 sell 10 trail 10 IOC   -> waits
            u4 sell 10 trail 2 IOC    -> waits
            mark 90 -> mark 90; fired #1 at 90 level 95; fired #3 at 90 level 90;
                     + fired #4 at 90 level 98
            """)

    def test_the_extreme_is_that_of_the_price_when_it_was_placed(self, make_table):
        make_table(reference_px=100).run("""
            mark 200                     -> mark 200
            u1 sell 10 trail 50 IOC      -> waits
            u1 sell 10 trail 50 IOC last -> waits
            mark 150                     -> mark 150; fired #1 at 150 level 150
            """)


class TestPlacing:
    """TR-3."""

    @pytest.mark.parametrize(
        "line",
        [
            "sell 5 stop 90 IOC", "sell 5 stop 90 FOK", "sell 5 @ 80 stop 90 GTC",
            "sell 5 @ 80 stop 90 IOC", "sell 5 @ 80 stop 90 FOK", "sell 5 @ 80 stop 90 GTC post",
            "sell 5 @ 80 stop 90 GTC post reprice", "sell 5 @ 80 stop 90 GTD until=9",
            "sell 5 @ 80 stop 90 GTC reduce disc last", "sell 5 trail 1 IOC reduce",
            "sell 5 trail 1ppm FOK", "sell 5 trail 999999ppm IOC", "sell 5 trail 200000 IOC",
            "sell 5 trail 1 IOC from=101", "sell 5 stop 90 IOC stp=both",
        ],
    )  # fmt: skip
    def test_these_wait(self, make_table, line):
        make_table(reference_px=100).run(f"u1 {line}  -> waits")

    @pytest.mark.parametrize(
        "line",
        [
            "sell 0 stop 90 IOC", "sell -5 stop 90 IOC", "sell 1000001 stop 90 IOC",
            "sell 5 stop 0 IOC", "sell 5 stop -90 IOC", "sell 5 take 200001 IOC",
            "sell 5 stop 90 GTC", "sell 5 stop 90 GTD until=9", "sell 5 stop 90 IOC post",
            "sell 5 stop 90 IOC until=9", "sell 5 @ 80 stop 90 GTD",
            "sell 5 @ 80 stop 90 GTC until=9",
            "sell 5 @ 0 stop 90 GTC", "sell 5 @ -80 stop 90 GTC", "sell 5 @ 200001 stop 90 GTC",
            "sell 5 @ 80 stop 90 IOC post", "sell 5 @ 80 stop 90 FOK post",
            "sell 5 @ 80 stop 90 GTC reprice", "sell 5 stop 90 IOC px=80",
            "sell 5 trail 1 IOC px=80",
            "sell 5 @ 80 stop 90 GTC trail_px=1", "sell 5 stop 90 IOC trail_ppm=1",
            "sell 5 trail 0 IOC", "sell 5 trail -1 IOC", "sell 5 trail 200001 IOC",
            "sell 5 trail 1000000ppm IOC", "sell 5 trail 1 IOC trail_ppm=1",
            "sell 5 trail -1 IOC trail_ppm=1", "sell 5 trail 1 GTC", "sell 5 trail 1 IOC post",
            "sell 5 trail 1 IOC from=-1", "sell 5 trail 1 IOC from=200001",
            "sell 5 stop 90 IOC kind=0", "sell 5 stop 90 IOC kind=1", "sell 5 stop 90 IOC kind=7",
            "sell 5 stop 90 IOC stp=default", "sell 5 stop 90 IOC rests", "sell 5 stop 90 IOC kept",
            "sell 5 stop 90 IOC side=2", "sell 5 stop 90 IOC tif=4", "sell 5 stop 90 IOC user_id=0",
        ],
    )  # fmt: skip
    def test_these_break_the_rules(self, make_table, line):
        make_table(reference_px=100).run(f"u1 {line}  -> trigger rejected 3008")

    def test_prices_are_on_tick_and_the_notional_within_its_limit(self, make_table):
        make_table(reference_px=100, tick=10, lot=5, notional_max=1000).run("""
            u1 sell 7 stop 90 IOC         -> trigger rejected 3008
            u1 sell 5 stop 95 IOC         -> trigger rejected 3008
            u1 sell 5 @ 75 stop 90 GTC    -> trigger rejected 3008
            u1 sell 5 trail 7 IOC from=115 -> trigger rejected 3008
            u1 sell 5 trail 7 IOC from=110 -> waits
            u1 sell 50 @ 30 stop 90 GTC   -> trigger rejected 3008
            u1 sell 50 @ 20 stop 90 GTC   -> waits
            u1 sell 5000 stop 90 IOC      -> waits
            """)

    @pytest.mark.parametrize(
        "line",
        [
            "buy 5 stop 100 IOC", "buy 5 stop 99 IOC", "sell 5 stop 100 IOC", "sell 5 stop 101 IOC",
            "buy 5 take 100 IOC", "sell 5 take 100 IOC", "sell 5 trail 5 IOC from=100",
            "sell 5 trail 5 IOC from=99", "buy 5 trail 5 IOC from=100",
            "buy 5 trail 5 IOC from=101",
        ],
    )  # fmt: skip
    def test_on_the_wrong_side_of_the_price_it_is_refused(self, make_table, line):
        make_table(reference_px=100).run(f"u1 {line}  -> trigger rejected 3014")

    def test_the_wrong_side_is_that_of_the_price_it_looks_at(self, make_table):
        table = make_table(reference_px=100)
        table.run("""
            mark 120                       -> mark 120
            u1 buy 5 stop 110 IOC last     -> waits
            u1 buy 5 stop 110 IOC          -> trigger rejected 3014
            """)
        table.run(trade(105, 3))
        table.run("u1 buy 5 stop 105 IOC last  -> trigger rejected 3014")

    def test_an_expiry_that_has_passed_is_refused(self, make_table):
        make_table(reference_px=100).run("""
            u1 sell 5 @ 80 stop 90 GTD until=50 at=50  -> trigger rejected 3016
            u1 sell 5 @ 80 stop 90 GTD until=51        -> waits
            """)

    def test_full_books_refuse_it(self, make_table):
        make_table(reference_px=100, triggers_max=2, users_max=2, open_triggers_per_user_max=1).run(
            """
            u1 sell 5 stop 90 IOC       -> waits
            u1 sell 5 stop 90 IOC       -> trigger rejected 3015
            u2 buy 1 @ 90 GTC           -> accepted rests
            u3 sell 5 stop 90 IOC       -> trigger rejected 3005
            u2 sell 5 stop 90 IOC       -> waits
            u1 sell 5 stop 90 IOC       -> trigger rejected 3005
            u1 cancel #1                -> trigger cancelled 3101
            u1 sell 5 stop 90 IOC       -> waits
            """
        )

    def test_it_takes_a_place_in_the_user_table(self, make_table):
        """M-3."""
        make_table(reference_px=100, users_max=1).run("""
            u2 sell 5 stop 100 IOC      -> trigger rejected 3014
            u1 sell 5 stop 90 IOC       -> waits
            u2 buy 5 @ 90 GTC           -> rejected 3005
            u1 buy 5 @ 90 GTC           -> accepted rests
            """)

    def test_the_refusal_repeats_the_request(self, make_engine):
        engine = make_engine(reference_px=100)
        terms = {"oid": 7, "px": 89, "qty": 5, "trigger_px": 100, "user_id": 3, "symbol_id": 1,
                 "kind": 3, "stp": 2, "side": 1, "tif": 0, "flags": 18}  # fmt: skip

        (event,) = ask(engine, make_request("TRIGGER_REQUEST", cid="abc", **terms), 5)

        assert event == {
            "type": "TRIGGER_REJECTED", "header_flags": 1, "stream": 1, "epoch": 0, "seq": 0,
            "ts_ns": 5, "cid_len": 3, "cid": b"abc".ljust(36, b"\0"), "reason": 3014, **terms,
        }  # fmt: skip

    def test_what_is_unknown_reads_0(self, make_engine):
        request = make_request(
            "TRIGGER_REQUEST", oid=7, qty=5, trigger_px=90, user_id=3, symbol_id=1, kind=9, stp=9,
            side=9, tif=9, flags=0x46,
        )  # fmt: skip

        (event,) = ask(make_engine(reference_px=100), request)

        assert (event["type"], event["reason"]) == ("TRIGGER_REJECTED", 3008)
        assert [event[n] for n in ("kind", "stp", "side", "tif", "flags")] == [0, 0, 0, 0, 2]

    def test_the_order_of_the_checks(self, make_table):
        make_table(reference_px=100, triggers_max=1).run("""
            u1 sell 5 stop 90 IOC cid=a                          -> waits
            mode halt                                            -> mode halt was open
            u1 sell 0 stop 90 IOC cid=a    -> duplicate #1 waiting 0+5 of 5 @ 0
            u1 sell 0 stop 100 IOC                               -> trigger rejected 3008
            u1 sell 5 @ 80 stop 100 GTD until=1 at=2             -> trigger rejected 3016
            u1 sell 5 stop 100 IOC                               -> trigger rejected 3012
            mode cancel-only                                     -> mode cancel-only was halt
            u1 sell 5 stop 100 IOC                               -> trigger rejected 3011
            mode open                                            -> mode open was cancel-only
            u1 sell 5 stop 100 IOC                               -> trigger rejected 3005
            u1 cancel cid=a                                      -> trigger #1 cancelled 3101
            u1 sell 5 stop 100 IOC                               -> trigger rejected 3014
            """)

    def test_neither_band_nor_least_notional_is_asked(self, make_table):
        make_table(reference_px=100, price_band_ppm=10_000, notional_min=1000).run("""
            u1 sell 1 @ 10 stop 90 GTC   -> waits
            mark 90                      -> mark 90; fired #1 at 90 level 90
            risk sends #1                -> rejected 3009
            """)


class TestModes:
    """MO-3."""

    @pytest.mark.parametrize("mode", ["post-only", "cancel-only", "halt"])
    def test_while_the_mode_is_not_open_prices_do_not_reach_them(self, make_table, mode):
        make_table(reference_px=100).run(f"""
            u1 sell 5 stop 90 IOC    -> waits
            u1 sell 5 trail 20 IOC   -> waits
            mode {mode}              -> mode {mode} was open
            mark 140                 -> mark 140
            mark 85                  -> mark 85
            mode open                -> mode open was {mode}
            mark 91                  -> mark 91
            u1 cancel #1             -> trigger cancelled 3101
            mark 80                  -> mark 80; fired #2 at 80 level 80
            """)

    def test_they_are_placed_in_open_and_post_only_and_cancelled_in_all(self, make_table):
        make_table(reference_px=100).run("""
            mode post-only           -> mode post-only was open
            u1 sell 5 stop 90 IOC    -> waits
            u1 sell 5 stop 91 IOC    -> waits
            mode halt                -> mode halt was post-only
            u1 cancel #1             -> trigger cancelled 3101
            mode cancel-only         -> mode cancel-only was halt
            u1 cancel-all triggers   -> trigger #2 cancelled 3110, done 1 3110
            """)

    @pytest.mark.parametrize(
        ("mode", "reason"), [("post-only", 3013), ("cancel-only", 3011), ("halt", 3012)]
    )
    def test_what_had_fired_goes_on_and_meets_the_mode(self, make_table, mode, reason):
        make_table(reference_px=100).run(f"""
            u1 sell 5 stop 90 IOC    -> waits
            mark 90                  -> mark 90; fired #1 at 90 level 90
            mode {mode}              -> mode {mode} was open
            risk sends #1 @ 85       -> rejected {reason}
            """)


class TestAnswersOfRisk:
    """TR-6 to TR-8."""

    FIRED = """
        u1 sell 5 stop 90 IOC cid=a  -> waits
        mark 90                      -> mark 90; fired #1 at 90 level 90
        """

    @pytest.fixture
    def fired(self, make_table):
        table = make_table(reference_px=100)
        table.run(self.FIRED)
        return table

    def test_the_order_has_the_triggers_client_id_which_does_not_bar_it(self, fired):
        fired.run("""
            u1 sell 5 stop 80 IOC cid=a  -> duplicate #1 waiting 0+5 of 5 @ 0
            u2 buy 3 @ 90 GTC            -> accepted rests
            risk sends #1 @ 85           -> accepted, fill 3 @ 90 of #3 left 2/0, cancelled 2 3102
            u1 sell 5 @ 200 GTC cid=a    -> duplicate #1 cancelled 3+0 of 5 @ 85 3102
            """)
        accepted = [e for e in map(as_event, fired.log) if e["type"] == "ORDER_ACCEPTED"][-1]
        assert (accepted["oid"], accepted["cid"][:2], accepted["cid_len"]) == (1, b"a\0", 1)
        assert accepted["kind"] == 2

    def test_an_order_that_is_rejected_is_told_as_rejected(self, fired):
        fired.run("""
            mark 90                      -> mark 90
            risk sends #1 @ 0            -> rejected 3008
            u1 sell 5 stop 80 IOC cid=a  -> duplicate #1 rejected 0+0 of 5 @ 0 3008
            u1 cancel cid=a              -> refused 3017
            u1 cancel #1                 -> refused 3007
            """)

    @pytest.mark.parametrize(
        "wrong", ["tif=0", "tif=3 expire_s=9", "flags=1", "qty=0", "stp=default", "reserved=-1"]
    )
    def test_the_rules_hold_for_its_order(self, fired, wrong):
        """M-2, and the market kinds with IOC and FOK alone."""
        fired.run(f"risk sends #1 @ 85 {wrong}  -> rejected 3008")

    def test_the_rejection_has_the_triggers_client_id(self, fired):
        fired.run("risk sends #1 @ 0  -> rejected 3008")

        assert as_event(fired.log[-1])["cid"][:2] == b"a\0"

    def test_risks_refusal_cancels_it(self, fired):
        fired.run("""
            risk refuses #1 2001         -> trigger #1 cancelled 2001
            u1 sell 5 stop 80 IOC cid=a  -> duplicate #1 cancelled 0+0 of 5 @ 0 2001
            """)

    def test_cancelled_on_its_way_its_order_is_released(self, fired):
        fired.run("""
            u1 cancel cid=a               -> trigger #1 cancelled 3101
            u1 cancel cid=a               -> refused 3017
            risk sends #1 @ 85 reserved=7 -> released 7 for 5
            u1 sell 5 stop 80 IOC cid=a   -> duplicate #1 cancelled 0+0 of 5 @ 0 3101
            book                          -> bid - | ask -
            """)

    def test_cancelled_on_its_way_risks_refusal_changes_nothing(self, fired):
        fired.run("""
            u1 cancel-all                 -> trigger #1 cancelled 3110, done 1 3110
            risk refuses #1 2001          -> nothing
            """)

    def test_cancelled_on_its_way_it_takes_no_place(self, make_table):
        table = make_table(reference_px=100, triggers_max=1, open_triggers_per_user_max=1)
        table.run(self.FIRED)
        table.run("""
            u1 sell 5 stop 80 IOC   -> trigger rejected 3005
            u1 cancel #1            -> trigger cancelled 3101
            u1 sell 5 stop 80 IOC   -> waits
            risk sends #1 @ 85      -> released 0 for 5
            """)

    def test_a_fired_limit_order_rests_with_its_terms(self, make_table):
        make_table(reference_px=100).run("""
            u1 sell 5 @ 89 stop 90 GTD until=60 post reprice last stp=both cid=a -> waits
            u2 buy 5 @ 90 GTC              -> accepted rests
            u3 sell 1 @ 90 IOC -> accepted, fill 1 @ 90 of #2 left 0/4; fired #1 at 90 level 90
            risk sends #1                  -> accepted rests
            book                           -> bid #2:4@90 | ask #1:5@91
            u1 cancel cid=a reason=3108    -> cancelled #1 5 3108
            """)

    def test_a_fired_one_does_not_expire_on_its_way_but_its_order_may_come_late(self, make_table):
        """EX-2, M-2."""
        make_table(reference_px=100).run("""
            u1 sell 5 @ 89 stop 90 GTD until=60   -> waits
            u1 sell 5 @ 89 stop 80 GTD until=60   -> waits
            mark 90                               -> mark 90; fired #1 at 90 level 90
            tick at=60                            -> trigger #2 cancelled 3105
            risk sends #1                         -> rejected 3016
            """)

    def test_the_order_is_fresh_in_the_users_limits(self, make_table):
        """M-3 for what it becomes."""
        make_table(reference_px=100, open_orders_per_user_max=1, orders_max=2).run("""
            u1 buy 5 @ 50 GTC             -> accepted rests
            u1 sell 5 @ 89 stop 90 GTC    -> waits
            u1 sell 5 @ 89 stop 90 GTC    -> waits
            mark 90   -> mark 90; fired #2 at 90 level 90; fired #3 at 90 level 90
            risk sends #2                 -> rejected 3006
            u2 buy 5 @ 50 GTC             -> accepted rests
            risk sends #3                 -> rejected 3005
            """)

    def test_a_reduce_only_one_is_cut_or_rejected_when_it_comes(self, make_table):
        make_table(reference_px=100).run("""
            u9 sell 3 @ 100 GTC            -> accepted rests
            u1 buy 3 @ 100 IOC             -> accepted, fill 3 @ 100 of #1 left 0/0
            u1 sell 5 stop 90 IOC reduce   -> waits
            u2 sell 5 stop 90 IOC reduce   -> waits
            mark 90   -> mark 90; fired #3 at 90 level 90; fired #4 at 90 level 90
            risk sends #3 @ 85             -> accepted, reduced by 2 to 3 3103, cancelled 3 3102
            risk sends #4 @ 85             -> rejected 3004
            """)

    def test_one_entry_of_the_memory_serves_trigger_and_order(self, make_table):
        """D-1: as old as the trigger, and living as long as the order."""
        make_table(reference_px=100, dedup_window_s=60).run("""
            u1 sell 5 @ 89 stop 90 GTC cid=a at=100  -> waits
            mark 90 at=200               -> mark 90; fired #1 at 90 level 90
            risk sends #1 at=201         -> accepted rests
            u1 sell 5 @ 89 GTC cid=a at=900 -> duplicate #1 resting 0+5 of 5 @ 89
            u1 cancel #1                 -> cancelled 5 3101
            u1 sell 5 @ 89 GTC cid=a     -> accepted rests
            """)


class TestManyAtOnce:
    """TR-5: at most 1024 are on their way to risk."""

    def place(self, engine, number, **more):
        for oid in range(1, number + 1):
            values = {"kind": 2, "side": 1, "tif": 1, "qty": 5, "trigger_px": 90, **more}
            request = make_request(
                "TRIGGER_REQUEST", oid=oid, user_id=1 + oid % 7, symbol_id=1, **values
            )
            (event,) = ask(engine, request)
            assert event["type"] == "TRIGGER_PLACED"

    def mark(self, engine, px):
        return ask(engine, make_request("MARK_UPDATE", symbol_id=1, mark_px=px))

    def sends(self, engine, oid):
        return ask(engine, new(oid, 1 + oid % 7, 1, 5, 80, tif=1, kind=2))

    @pytest.fixture
    def engine(self, make_engine):
        return make_engine(
            reference_px=100, triggers_max=2048, open_triggers_per_user_max=2048,
            orders_max=1024, dedup_orders_max=8192,
        )  # fmt: skip

    def test_the_rest_fire_as_the_others_come_back(self, engine):
        self.place(engine, 1030)

        fired = [e["oid"] for e in self.mark(engine, 90) if e["type"] == "TRIGGER_FIRED"]
        later = [self.sends(engine, oid)[-1]["oid"] for oid in (5, 3)]
        refused = ask(engine, make_request("TRIGGER_REFUSED", oid=9, user_id=3, reason=2001))

        assert fired == list(range(1, 1025))
        assert later == [1025, 1026]
        assert [e["type"] for e in refused] == ["TRIGGER_CANCELLED", "TRIGGER_FIRED"]
        assert refused[-1]["oid"] == 1027

    def test_due_ones_fire_whatever_the_price_does_unless_they_are_cancelled_or_expire(
        self, engine
    ):
        self.place(engine, 1026, kind=3, tif=3, px=80, expire_s=100)
        self.mark(engine, 90)
        self.mark(engine, 150)
        cancel = make_request("ORDER_CANCEL", oid=1025, user_id=1 + 1025 % 7, symbol_id=1)

        cancelled = ask(engine, cancel)
        fired = self.sends(engine, 1)
        expired = [as_event(e) for e in engine.tick(100_000_000_000)]

        assert [e["type"] for e in cancelled] == ["TRIGGER_CANCELLED"]
        assert [e["oid"] for e in fired if e["type"] == "TRIGGER_FIRED"] == [1026]
        assert expired == []

    def test_a_due_one_that_waits_for_its_turn_expires(self, engine):
        """EX-2 speaks of fired ones alone."""
        self.place(engine, 1026, kind=3, tif=3, px=80, expire_s=100)
        self.mark(engine, 90)

        expired = [as_event(e)["oid"] for e in engine.tick(100_000_000_000)]

        assert expired == [1025, 1026]

    def test_one_cancelled_on_its_way_counts_until_its_answer_comes(self, engine):
        """TR-7."""
        self.place(engine, 1025)
        self.mark(engine, 90)
        cancel = make_request("ORDER_CANCEL", oid=4, user_id=5, symbol_id=1)

        cancelled = ask(engine, cancel)
        released = self.sends(engine, 4)

        assert [e["type"] for e in cancelled] == ["TRIGGER_CANCELLED"]
        assert [e["type"] for e in released] == ["ORDER_RELEASED", "TRIGGER_FIRED"]

    def test_due_ones_stay_while_the_mode_is_not_open(self, engine):
        """MO-3."""
        self.place(engine, 1026)
        self.mark(engine, 90)

        def mode(number):
            return ask(engine, make_request("MODE_REQUEST", symbol_id=1, mode=number))

        halted = [mode(3), self.sends(engine, 1)]
        opened = mode(0)

        assert [len(events) for events in halted] == [1, 1]
        assert [e["type"] for e in opened] == ["TRADING_MODE", "TRIGGER_FIRED"]
