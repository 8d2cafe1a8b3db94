"""Ticks, bands, least notionals and trading modes: PX-1 to PX-4, MO-1 to MO-4, M-2b.

Over the plain model and the compiled engine; the language of the tables is that of
`model/table.py`.
"""

from __future__ import annotations

import pytest
from book.conftest import LIMITS
from model.engines import ask, compiled_engine, new
from model.symbols import make_symbol
from model.wire import make_request

from rsx.core.check import InvariantError

ROWS = ((100, 5), (1000, 10), (2000, 100))


class TestTickTable:
    """PX-1."""

    @pytest.mark.parametrize("px", [1, 7, 99, 100, 105, 995, 1000, 1010, 1990, 2000, 2100, 200_000])
    def test_a_multiple_of_the_tick_of_its_row_is_a_price(self, make_table, px):
        make_table(tick_table=ROWS).run(f"u1 buy 5 @ {px} GTC  -> accepted rests")

    @pytest.mark.parametrize("px", [0, 101, 104, 999, 1005, 1995, 2001, 2010, 2050, 199_950])
    def test_another_one_is_not(self, make_table, px):
        make_table(tick_table=ROWS).run(f"u1 buy 5 @ {px} GTC  -> rejected 3008")

    def test_an_amendment_is_held_to_it(self, make_table):
        make_table(tick_table=ROWS).run("""
            u1 buy 5 @ 99 GTC      -> accepted rests
            u1 amend #1 5 @ 101    -> refused 3008
            u1 amend #1 5 @ 105    -> amended 5 @ 105 open 5 rests
            """)

    def test_prices_of_all_rows_trade_in_their_order(self, make_table):
        make_table(tick_table=ROWS).run("""
            u1 sell 1 @ 2100 GTC   -> accepted rests
            u1 sell 1 @ 1010 GTC   -> accepted rests
            u1 sell 1 @ 105 GTC    -> accepted rests
            u1 sell 1 @ 99 GTC     -> accepted rests
            u2 buy 9 @ 2000 GTC    -> accepted, fill 1 @ 99 of #4 left 8/0,
                                    + fill 1 @ 105 of #3 left 7/0, fill 1 @ 1010 of #2 left 6/0,
                                    + rests 6
            """)

    @pytest.mark.parametrize(
        ("best", "below"), [(99, 98), (100, 99), (105, 100), (1000, 995), (1010, 1000),
                            (2000, 1990), (2100, 2000)],
    )  # fmt: skip
    def test_one_tick_below_a_rows_first_price_is_the_finer_one(self, make_table, best, below):
        """M-5's reprice of a buy."""
        make_table(tick_table=ROWS).run(f"""
            u1 sell 5 @ {best} GTC                -> accepted rests
            u2 buy 5 @ 2100 GTC post reprice      -> accepted rests
            book                                  -> bid #2:5@{below} | ask #1:5@{best}
            """)

    @pytest.mark.parametrize(
        ("best", "above"), [(98, 99), (99, 100), (100, 105), (995, 1000), (1000, 1010),
                            (1990, 2000), (2000, 2100)],
    )  # fmt: skip
    def test_one_tick_above_is_that_of_the_row(self, make_table, best, above):
        make_table(tick_table=ROWS).run(f"""
            u1 buy 5 @ {best} GTC                 -> accepted rests
            u2 sell 5 @ 1 GTC post reprice        -> accepted rests
            book                                  -> bid #1:5@{best} | ask #2:5@{above}
            """)

    def test_four_rows_and_none(self, make_table):
        rows = ((10, 2), (20, 4), (40, 8), (80, 16))
        make_table(tick_table=rows).run("""
            u1 buy 5 @ 11 GTC   -> rejected 3008
            u1 buy 5 @ 22 GTC   -> rejected 3008
            u1 buy 5 @ 44 GTC   -> rejected 3008
            u1 buy 5 @ 88 GTC   -> rejected 3008
            u1 buy 5 @ 96 GTC   -> accepted rests
            """)
        make_table().run("u1 buy 5 @ 11 GTC   -> accepted rests")


class TestBand:
    """PX-2, PX-3; VAL-16."""

    def test_it_is_measured_from_the_reference_until_there_is_a_trade_or_a_mark(self, make_table):
        make_table(price_band_ppm=100_000, reference_px=100).run("""
            u1 buy 5 @ 111 GTC   -> rejected 3010
            u1 sell 5 @ 89 GTC   -> rejected 3010
            u1 buy 5 @ 110 GTC   -> accepted rests
            u2 sell 5 @ 90 GTC   -> accepted, fill 5 @ 110 of #3 left 0/0
            u1 buy 5 @ 122 GTC   -> rejected 3010
            u1 sell 5 @ 98 GTC   -> rejected 3010
            u1 buy 5 @ 121 GTC   -> accepted rests
            mark 200             -> mark 200
            u1 buy 5 @ 221 GTC   -> rejected 3010
            u2 sell 5 @ 179 GTC  -> rejected 3010
            u2 sell 5 @ 180 GTC  -> accepted rests
            """)

    def test_a_trade_does_not_move_it_once_there_is_a_mark(self, make_table):
        make_table(price_band_ppm=100_000).run("""
            mark 100             -> mark 100
            u1 sell 5 @ 110 GTC  -> accepted rests
            u2 buy 5 @ 110 GTC   -> accepted, fill 5 @ 110 of #1 left 0/0
            u2 buy 5 @ 111 GTC   -> rejected 3010
            """)

    @pytest.mark.parametrize(
        ("ppm", "mark", "highest", "lowest"),
        [(100_000, 105, 115, 95), (1, 999_999, 999_999, 999_999),
         (1, 1_000_000, 1_000_001, 999_999),
         (333_333, 100, 133, 67), (1_000_000, 100, 200, 1)],
    )  # fmt: skip
    def test_its_ends_are_rounded_inwards(self, make_table, ppm, mark, highest, lowest):
        table = make_table(price_band_ppm=ppm, px_max=2_000_000)
        table.run(f"""
            mark {mark}                -> mark {mark}
            u1 buy 5 @ {highest} IOC     -> accepted, cancelled 5 3102
            u1 buy 5 @ {highest + 1} IOC -> rejected 3010
            u1 sell 5 @ {lowest} IOC     -> accepted, cancelled 5 3102
            """)
        if lowest > 1:
            table.run(f"u1 sell 5 @ {lowest - 1} IOC -> rejected 3010")

    def test_far_inside_the_other_side_it_does_not_matter(self, make_table):
        make_table(price_band_ppm=100_000, reference_px=100).run("""
            u1 buy 5 @ 1 GTC        -> accepted rests
            u1 sell 5 @ 200000 GTC  -> accepted rests
            """)

    def test_market_kinds_and_reduce_only_orders_are_not_held_to_it(self, make_table):
        make_table(price_band_ppm=100_000, reference_px=100).run("""
            u9 sell 5 @ 100 GTC             -> accepted rests
            u1 buy 5 @ 100 IOC              -> accepted, fill 5 @ 100 of #1 left 0/0
            u1 buy 5 @ 150 IOC market       -> accepted, cancelled 5 3102
            u1 sell 5 @ 50 GTC reduce       -> accepted rests
            """)

    def test_of_what_triggers_become_only_limit_kinds_are_held_to_it(self, make_table):
        make_table(price_band_ppm=100_000, reference_px=100).run("""
            u1 buy 5 stop 105 IOC           -> waits
            u1 buy 5 @ 150 stop 105 GTC     -> waits
            u1 buy 5 trail 5 IOC            -> waits
            mark 105 -> mark 105; fired #1 at 105 level 105; fired #2 at 105 level 105;
                      + fired #3 at 105 level 105
            risk sends #1 @ 150             -> accepted, cancelled 5 3102
            risk sends #2                   -> rejected 3010
            risk sends #3 @ 150             -> accepted, cancelled 5 3102
            """)

    def test_an_amendment_is_held_to_it_when_its_price_changes(self, make_table):
        """AM-3."""
        make_table(price_band_ppm=100_000).run("""
            mark 100               -> mark 100
            u1 buy 5 @ 110 GTC     -> accepted rests
            mark 50                -> mark 50
            u1 amend #1 7 @ 110    -> amended 7 @ 110 open 7 rests
            u1 amend #1 7 @ 109    -> refused 3010
            u1 amend #1 7 @ 56     -> refused 3010
            u1 amend #1 7 @ 55     -> amended 7 @ 55 open 7 rests
            """)

    def test_a_reduce_only_order_is_amended_out_of_it(self, make_table):
        make_table(price_band_ppm=100_000, reference_px=100).run("""
            u9 sell 5 @ 100 GTC        -> accepted rests
            u1 buy 5 @ 100 IOC         -> accepted, fill 5 @ 100 of #1 left 0/0
            u1 sell 5 @ 100 GTC reduce -> accepted rests
            u1 amend #3 5 @ 50         -> amended 5 @ 50 open 5 rests
            """)

    def test_a_large_mark_does_not_wrap(self, make_engine):
        engine = make_engine(price_band_ppm=1_000_000, px_max=(1 << 24) - 1)
        ask(engine, make_request("MARK_UPDATE", symbol_id=1, mark_px=(1 << 62)))

        (event,) = ask(engine, new(1, 1, 0, 5, (1 << 24) - 1))

        assert event["type"] == "ORDER_ACCEPTED"


class TestLeastNotional:
    """PX-4; VAL-16."""

    def test_an_order_below_it_is_refused_unless_it_reduces(self, make_table):
        make_table(notional_min=1000).run("""
            u1 buy 9 @ 111 GTC          -> rejected 3009
            u1 buy 10 @ 100 GTC         -> accepted rests
            u2 sell 10 @ 100 IOC        -> accepted, fill 10 @ 100 of #2 left 0/0
            u1 sell 1 @ 100 GTC reduce  -> accepted rests
            u1 sell 9 @ 111 IOC market  -> rejected 3009
            """)

    def test_for_an_amendment_the_new_open_quantity_counts(self, make_table):
        """AM-3."""
        make_table(notional_min=1000).run("""
            u1 sell 30 @ 100 GTC   -> accepted rests
            u2 buy 20 @ 100 IOC    -> accepted, fill 20 @ 100 of #1 left 0/10
            u1 amend #1 29 @ 100   -> refused 3009
            u1 amend #1 29 @ 112   -> amended 29 @ 112 open 9 rests
            u1 amend #1 20 @ 112   -> cancelled 9 3109
            """)


class TestModes:
    """MO-1 to MO-4, M-2b."""

    BOOK = """
        u1 buy 5 @ 99 GTC    -> accepted rests
        u1 buy 5 @ 98 GTC post -> accepted rests
        u2 sell 5 @ 101 GTC  -> accepted rests
        """

    def test_each_is_logged_with_the_one_before(self, make_engine):
        engine = make_engine()
        request = make_request("MODE_REQUEST", symbol_id=1, user_id=7, request_id=42, mode=2)

        (event,) = ask(engine, request, 5)

        assert event == {
            "type": "TRADING_MODE", "header_flags": 1, "stream": 1, "epoch": 0, "seq": 0,
            "ts_ns": 5, "request_id": 42, "user_id": 7, "symbol_id": 1, "mode": 2, "previous": 0,
        }  # fmt: skip

    def test_post_only_takes_what_does_not_trade(self, table):
        table.run(self.BOOK)
        table.run("""
            mode post-only               -> mode post-only was open
            u3 buy 5 @ 98 GTC            -> rejected 3013
            u3 buy 5 @ 101 IOC           -> rejected 3013
            u3 buy 5 @ 101 IOC market    -> rejected 3013
            u3 buy 5 @ 101 GTC post      -> rejected 3002
            u3 buy 5 @ 98 GTC post       -> accepted rests
            u3 buy 5 @ 101 GTC post reprice -> accepted rests
            u1 amend #1 5 @ 101          -> refused 3013
            u1 amend #1 5 @ 100          -> amended 5 @ 100 open 5 rests
            u1 amend #2 5 @ 101          -> refused 3002
            u2 cancel #3                 -> cancelled 5 3101
            mode open                    -> mode open was post-only
            u3 buy 5 @ 98 GTC            -> accepted rests
            """)

    @pytest.mark.parametrize(("mode", "reason"), [("cancel-only", 3011), ("halt", 3012)])
    def test_cancels_and_expiries_pass_in_every_mode(self, table, mode, reason):
        table.run(self.BOOK)
        table.run(f"""
            u3 buy 4 @ 90 GTD until=100       -> accepted rests
            u3 buy 4 @ 91 GTC                 -> accepted rests
            mode {mode}                       -> mode {mode} was open
            u3 buy 5 @ 98 GTC post            -> rejected {reason}
            u3 buy 5 @ 98 GTC                 -> rejected {reason}
            u3 sell 5 @ 99 IOC                -> rejected {reason}
            u1 amend #1 5 @ 98                -> refused {reason}
            u1 amend #1 3 @ 99                -> refused {reason}
            u1 amend #1 0 @ 99                -> cancelled 5 3109
            u2 cancel #3                      -> cancelled 5 3101
            tick at=100                       -> cancelled #4 4 3105
            u3 cancel-all                     -> cancelled #5 4 3110, done 1 3110
            mark 77                           -> mark 77
            mode {mode}                       -> mode {mode} was {mode}
            book                              -> bid #2:5@98 | ask -
            """)

    def test_the_mode_is_said_after_rules_and_notional_and_before_the_band(self, make_table):
        make_table(notional_min=100, price_band_ppm=100_000, reference_px=100).run("""
            mode halt               -> mode halt was open
            u1 buy 0 @ 100 GTC      -> rejected 3008
            u1 buy 1 @ 10 GTC       -> rejected 3009
            u1 buy 5 @ 150 GTC      -> rejected 3012
            mode open               -> mode open was halt
            u1 buy 5 @ 150 GTC      -> rejected 3010
            """)

    def test_a_duplicate_is_told_in_every_mode(self, table):
        table.run("""
            u1 buy 5 @ 99 GTC cid=a  -> accepted rests
            mode halt                -> mode halt was open
            u1 buy 5 @ 99 GTC cid=a  -> duplicate #1 resting 0+5 of 5 @ 99
            """)


class TestStaleMark:
    """PX-2, K-2."""

    def test_it_is_logged_as_it_came_and_moves_neither_mark_nor_triggers(self, make_table):
        table = make_table(reference_px=100, price_band_ppm=100_000)
        table.run("""
            mark 100                        -> mark 100
            u1 sell 5 stop 90 IOC           -> waits
            mark 80 state=1                 -> mark 80
            u1 buy 5 @ 111 GTC              -> rejected 3010
            u1 buy 5 @ 110 GTC              -> accepted rests
            mark 90                         -> mark 90; fired #1 at 90 level 90
            """)
        assert table.engine.mark == 90

    @pytest.mark.parametrize("wrong", [{"mark_px": 0}, {"mark_px": -5}, {"state": 2}])
    def test_a_mark_that_cannot_be_is_a_failed_check(self, wrong):
        """1106; a stale one too."""
        engine = compiled_engine(make_symbol(), **LIMITS)
        values = {"symbol_id": 1, "mark_px": 100, "state": 1, **wrong}
        with pytest.raises(InvariantError, match="1106"):
            engine.submit(make_request("MARK_UPDATE", **values), 0)

    def test_everything_it_says_is_in_the_log(self, make_engine):
        engine = make_engine()
        said = {"mark_px": 101, "index_px": 102, "open_interest": 3, "rate_ppb": -4,
                "source_ns": 5, "next_funding_s": 6, "sources": 7, "state": 1}  # fmt: skip

        (event,) = ask(engine, make_request("MARK_UPDATE", symbol_id=1, **said), 8)

        assert {name: event[name] for name in said} == said
