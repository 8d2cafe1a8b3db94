"""Rules of a market that change while it trades: specs/symbols.md SY-4, SY-5, SY-7.

CFG-9, CFG-10, CFG-11; BOOK-55: the price map keeps the tick it was made with, and nothing depends
on it.
"""

from __future__ import annotations

import random

import pytest
from book.conftest import LIMITS
from model.auditor import audit
from model.engines import ask, compiled_engine, new
from model.symbols import make_symbol, rules_records
from model.table import Table
from model.wire import changed, make_request, numbered, view

from rsx.book.shadow import Shadow
from rsx.core.check import InvariantError
from rsx.core.ring import Ring


def changed_rules(version=2, **changes):
    return rules_records(make_symbol(**changes), version)


class TestChange:
    """SY-4."""

    def test_the_four_are_logged_as_one_group_with_the_last_one(self, make_engine):
        engine = make_engine()
        four = changed_rules(tick=5, lot=2)

        assert [engine.submit(r, 7) for r in four[:3]] == [[], [], []]
        assert engine.rules_version == 1
        told = engine.submit(four[3], 9)

        assert [view(r).record.name for r in told] == [
            "SYMBOL_CONFIG", "SYMBOL_LIMITS", "SYMBOL_RISK", "SYMBOL_BRACKETS",
        ]  # fmt: skip
        assert [view(r).row[1] for r in told] == [0, 0, 0, 1]
        assert [changed(r, ts_ns=0) for r in four] == [changed(r, ts_ns=0) for r in told]
        assert {view(r).ts_ns for r in told} == {9}
        assert engine.rules_version == 2

    def test_a_request_between_the_records_goes_by_the_old_rules(self, make_engine):
        engine = make_engine()
        *first, last = changed_rules(tick=10)
        for record in first:
            engine.submit(record, 0)

        (before,) = ask(engine, new(1, 1, 0, 5, 101))
        engine.submit(last, 0)
        (after,) = ask(engine, new(2, 1, 0, 5, 101))

        assert (before["type"], after["type"]) == ("ORDER_ACCEPTED", "ORDER_REJECTED")
        assert after["reason"] == 3008

    def test_everything_that_matching_goes_by_changes_at_once(self, make_table):
        make_table(reference_px=100).run("""
            u2 sell 9 @ 100 GTC     -> accepted rests
            rules tick=5 lot=2 qty_max=8 notional_max=800 notional_min=150 -> rules 2
            u1 buy 4 @ 101 GTC      -> rejected 3008
            u1 buy 3 @ 100 GTC      -> rejected 3008
            u1 buy 10 @ 50 GTC      -> rejected 3008
            u1 buy 8 @ 105 GTC      -> rejected 3008
            u1 buy 2 @ 70 GTC       -> rejected 3009
            u1 buy 2 @ 75 GTC       -> accepted rests
            rules price_band_ppm=100000 notional_min=0 -> rules 3
            u1 buy 2 @ 115 GTC      -> rejected 3010
            rules tick=1 lot=1      -> rules 4
            u1 buy 1 @ 99 GTC       -> accepted rests
            """)

    def test_fees_are_those_of_the_rules_in_force_not_of_the_orders_time(self, make_engine):
        """CFG-10."""
        engine = make_engine(taker_fee_ppm=100, maker_fee_ppm=0)
        engine.submit(new(1, 1, 1, 10, 1000), 0)
        _, before = ask(engine, new(2, 2, 0, 5, 1000, tif=1))
        for record in changed_rules(taker_fee_ppm=3000, maker_fee_ppm=-1000):
            engine.submit(record, 0)
        _, after = ask(engine, new(3, 2, 0, 5, 1000, tif=1))

        assert (before["taker_fee"], before["maker_fee"]) == (1, 0)
        assert (after["taker_fee"], after["maker_fee"]) == (15, -5)

    def test_a_tick_table_comes_and_goes(self, make_engine):
        engine = make_engine()
        for record in changed_rules(tick=1, tick_table=((1000, 5), (5000, 50))):
            engine.submit(record, 0)
        told = [ask(engine, new(n, 1, 0, 1, px))[0]["type"]
                for n, px in enumerate((999, 1005, 1006, 5050, 5055), 1)]  # fmt: skip
        for record in changed_rules(3, tick=2):
            engine.submit(record, 0)
        (again,) = ask(engine, new(9, 1, 0, 1, 1006))

        good, bad = "ORDER_ACCEPTED", "ORDER_REJECTED"
        assert told == [good, good, bad, good, bad]
        assert again["type"] == good

    @pytest.mark.parametrize(
        "wrong",
        [
            lambda four: [changed(four[0], config_version=3)],
            lambda four: [changed(four[0], config_version=1)],
            lambda four: [changed(four[0], symbol_id=2)],
            lambda four: [four[1]],
            lambda four: [four[3]],
            lambda four: [four[0], four[0]],
            lambda four: [four[0], four[2]],
            lambda four: [*four[:2], changed(four[2], config_version=3)],
            lambda four: [*four[:2], changed(four[2], symbol_id=3)],
            lambda four: [changed(four[0], tick=0), *four[1:]],
            lambda four: [changed(four[0], lot=0), *four[1:]],
            lambda four: [changed(four[0], px_max=1), *four[1:]],
            lambda four: [changed(four[0], qty_max=0), *four[1:]],
            lambda four: [four[0], changed(four[1], tick_from_1=50, tick_1=0), *four[2:]],
            lambda four: [four[0], changed(four[1], tick_from_1=50, tick_1=5, tick_from_2=50,
                                           tick_2=10), *four[2:]],
        ],
    )  # fmt: skip
    def test_another_version_or_an_incomplete_or_impossible_set_is_a_failed_check(self, wrong):
        """1110."""
        engine = compiled_engine(make_symbol(), **LIMITS)
        records = wrong(changed_rules())
        for record in records[:-1]:
            engine.submit(record, 0)
        with pytest.raises(InvariantError, match="1110"):
            engine.submit(records[-1], 0)
        assert engine.rules_version == 1


class TestGrandfathered:
    """SY-5; CFG-11."""

    def test_what_rests_off_the_new_tick_and_lot_trades_and_is_cancelled(self, make_table):
        make_table(reference_px=100).run("""
            u1 sell 7 @ 101 GTC     -> accepted rests
            u1 buy 3 @ 97 GTC       -> accepted rests
            rules tick=10 lot=5     -> rules 2
            u2 buy 5 @ 110 IOC      -> accepted, fill 5 @ 101 of #1 left 0/2
            u2 sell 5 @ 90 GTC      -> accepted, fill 3 @ 97 of #2 left 2/0, rests 2
            book                    -> bid - | ask #4:2@90 #1:2@101
            u1 cancel #1            -> cancelled 2 3101
            """)

    def test_an_amendment_is_checked_for_what_it_changes(self, make_table):
        """AM-3."""
        make_table(reference_px=100).run("""
            u1 buy 7 @ 97 GTC       -> accepted rests
            rules tick=10 lot=5 qty_max=6 notional_max=650 -> rules 2
            u1 amend #1 7 @ 97      -> amended 7 @ 97 open 7 kept
            u1 amend #1 6 @ 97      -> refused 3008
            u1 amend #1 7 @ 96      -> refused 3008
            u1 amend #1 7 @ 100     -> refused 3008
            u1 amend #1 10 @ 97     -> refused 3008
            u1 amend #1 7 @ 90      -> amended 7 @ 90 open 7 rests
            u1 amend #1 5 @ 90      -> amended 5 @ 90 open 5 kept
            """)

    def test_a_repriced_order_is_on_tick_beside_a_best_price_that_is_not(self, make_table):
        """M-5."""
        make_table(reference_px=100).run("""
            u1 sell 7 @ 107 GTC               -> accepted rests
            u1 buy 7 @ 93 GTC                 -> accepted rests
            rules tick=5                      -> rules 2
            u2 buy 1 @ 110 GTC post reprice   -> accepted rests
            u2 sell 1 @ 91 GTC post reprice   -> rejected 3008
            u2 cancel #3                      -> cancelled 1 3101
            u2 sell 1 @ 90 GTC post reprice   -> accepted rests
            book                              -> bid #2:7@93 | ask #5:1@95 #1:7@107
            """)

    def test_triggers_placed_before_fire_and_become_orders(self, make_table):
        """The limit one off tick, both off lot."""
        make_table(reference_px=100).run("""
            u1 sell 7 @ 91 stop 93 GTC last       -> waits
            u1 sell 3 stop 93 IOC last            -> waits
            u2 buy 20 @ 92 GTC                    -> accepted rests
            rules tick=10 lot=5                   -> rules 2
            u3 sell 5 @ 90 IOC                    -> accepted, fill 5 @ 92 of #3 left 0/15;
                                                   + fired #1 at 92 level 93;
                                                   + fired #2 at 92 level 93
            risk sends #1                         -> accepted, fill 7 @ 92 of #3 left 0/8
            risk sends #2 @ 85                    -> rejected 3008
            """)

    def test_what_is_left_of_a_position_may_be_off_lot_and_is_closed_by_a_liquidation(
        self, make_table
    ):
        make_table(reference_px=100).run("""
            u1 sell 7 @ 100 GTC              -> accepted rests
            u2 buy 7 @ 100 IOC               -> accepted, fill 7 @ 100 of #1 left 0/0
            u3 buy 7 @ 90 GTC                -> accepted rests
            rules lot=5                      -> rules 2
            u2 sell 7 @ 90 IOC reduce        -> rejected 3008
            u2 sell 10 @ 90 IOC reduce       -> accepted, reduced by 3 to 7 3103,
                                              + fill 7 @ 90 of #3 left 0/0
            """)


class TestPriceMap:
    """PM-2; BOOK-55: the map keeps its base tick, whatever the tick is now."""

    @pytest.mark.parametrize("ticks", [(10, 1, 50), (10, 5, 50), (50, 10, 1), (1, 50, 7)])
    def test_books_of_any_tick_over_any_map_trade_the_same(self, ticks):
        """Recentred at random places in one engine, never in the other."""
        rng = random.Random(sum(ticks))
        shape = {"reference_px": 10_000, "px_max": 200_000 * 7, "tick": ticks[0]}
        engine = compiled_engine(make_symbol(**shape), **LIMITS)
        other = compiled_engine(make_symbol(**shape), **{**LIMITS, "level_slots_max": 1024})
        oid = 0
        for version, tick in enumerate(ticks, 1):
            if version > 1:
                for record in changed_rules(version, **{**shape, "tick": tick}):
                    assert engine.submit(record, 0) == other.submit(record, 0)
            for _ in range(300):
                oid += 1
                px = (10_000 + rng.randint(-700, 700)) // tick * tick
                request = new(oid, 1 + oid % 5, rng.randint(0, 1), rng.randint(1, 9), px)
                assert engine.submit(request, 0) == other.submit(request, 0)
                if oid % 40 == 0:
                    engine.centre_on(rng.randint(1, 20_000))
                    engine.audit()
                    other.audit()
        assert engine.orders() == other.orders()
        assert engine.state_hash() == other.state_hash()

    def test_a_start_with_the_new_tick_as_base_has_the_same_book(self):
        """BOOK-55, CFG-10: the fold's map is another one than the live engine's."""
        table = Table(compiled_engine(make_symbol(reference_px=100, tick=10), **LIMITS))
        table.run("""
            u1 sell 7 @ 110 GTC     -> accepted rests
            rules tick=1            -> rules 2
            u1 sell 7 @ 103 GTC     -> accepted rests
            u1 sell 7 @ 117 GTC     -> accepted rests
            rules tick=50           -> rules 3
            u2 buy 9 @ 150 IOC      -> accepted, fill 7 @ 103 of #2 left 2/0,
                                     + fill 2 @ 110 of #1 left 0/5
            """)
        for base in (1, 10, 50, 7):
            folded = compiled_engine(make_symbol(reference_px=100, tick=base), **LIMITS)
            for record in table.log:
                folded.apply(record)
            folded.audit()
            assert folded.state_hash() == table.engine.state_hash()
            (event,) = ask(folded, new(9, 3, 0, 1, 60))
            assert event["reason"] == 3008


class TestFold:
    """SY-6, SY-7, INV-25; CFG-9, CFG-10."""

    def test_a_fold_validates_by_the_rules_of_the_log_not_by_the_configuration(self):
        """CFG-9: tick and lot are back, not the version alone."""
        live = compiled_engine(make_symbol(), **LIMITS)
        log = [r for record in changed_rules(tick=10, lot=5) for r in live.submit(record, 0)]
        folded = compiled_engine(make_symbol(), **LIMITS)
        for record in log:
            folded.apply(record)

        assert folded.rules_version == 2
        for oid, qty, px in ((1, 5, 101), (2, 4, 100), (3, 5, 100)):
            request = new(oid, 1, 0, qty, px)
            assert folded.submit(request, 1) == live.submit(request, 1)
        assert folded.state_hash() == live.state_hash()

    def test_a_part_of_a_set_at_the_end_of_the_log_is_dropped(self):
        folded = compiled_engine(make_symbol(), **LIMITS)
        for record in (*changed_rules(2, tick=10)[:3], *changed_rules(2, tick=5)):
            folded.apply(record)
        (event,) = ask(folded, new(1, 1, 0, 1, 105))

        assert (folded.rules_version, event["type"]) == (2, "ORDER_ACCEPTED")

    def test_a_start_may_skip_versions_and_never_goes_back(self):
        folded = compiled_engine(make_symbol(), **LIMITS)
        for version in (1, 2, 9):
            for record in changed_rules(version):
                folded.apply(record)
        assert folded.rules_version == 9
        for version in (9, 8):
            with pytest.raises(InvariantError, match="25"):
                folded.apply(changed_rules(version)[0])

    def test_a_set_that_is_not_in_order_is_a_failed_check(self):
        for at in (1, 2, 3):
            folded = compiled_engine(make_symbol(), **LIMITS)
            with pytest.raises(InvariantError, match="14"):
                folded.apply(changed_rules()[at])

    def test_opening_records_are_taken_at_a_start(self):
        """SY-6; the reference price of a market that has not traded is theirs."""
        engine = compiled_engine(make_symbol(), **LIMITS)

        engine.configure(b"".join(changed_rules(5, tick=10, reference_px=70_000, px_max=300_000)))

        assert (engine.rules_version, engine.last) == (5, 70_000)
        (event,) = ask(engine, new(1, 1, 0, 1, 250_000))
        assert event["type"] == "ORDER_ACCEPTED"
        with pytest.raises(ValueError, match="four records"):
            engine.configure(b"".join(changed_rules(6)[:3]))
        with pytest.raises(InvariantError):
            engine.configure(b"".join(changed_rules(5)))

    def test_a_fold_that_ends_within_a_change_goes_on_with_the_old_rules(self):
        folded = compiled_engine(make_symbol(), **LIMITS)
        for record in changed_rules(tick=10)[:3]:
            folded.apply(record)
        assert folded.recovered(Ring("matching_wal", 16), 0)

        (event,) = ask(folded, new(1, 1, 0, 1, 101))

        assert (folded.rules_version, event["type"]) == (1, "ORDER_ACCEPTED")
        for record in changed_rules(tick=10):
            folded.submit(record, 0)
        assert folded.rules_version == 2

    def test_a_shadow_follows_a_change(self):
        table = Table(compiled_engine(make_symbol(reference_px=100), **LIMITS))
        table.run("""
            u1 sell 7 @ 101 GTC        -> accepted rests
            rules tick=10 px_max=300000 -> rules 2
            u1 sell 7 @ 250000 GTC     -> accepted rests
            u2 buy 5 @ 110 IOC         -> accepted, fill 5 @ 101 of #1 left 0/2
            """)
        shadow = Shadow((make_symbol(reference_px=100),), 64)
        shadow.apply(b"".join(numbered(table.log)))
        shadow.audit()
        assert shadow.depth(1, 1, 5) == [(101, 2, 1), (250_000, 7, 1)]

    def test_a_shadow_that_was_loaded_hears_of_the_opening_rules_again(self):
        """SY-6: the engine has applied them before they are released."""
        engine = compiled_engine(make_symbol(), **LIMITS)
        opening = changed_rules(1)
        engine.configure(b"".join(opening))
        shadow = Shadow((make_symbol(),), 64)
        shadow.load(engine)

        shadow.apply(b"".join(numbered([*opening, *changed_rules(2, px_max=300_000)])))
        with pytest.raises(InvariantError, match="25"):
            shadow.apply(b"".join(numbered(changed_rules(2), 9)))

    def test_the_auditor_follows_a_change(self, make_table):
        table = make_table(reference_px=100, taker_fee_ppm=100)
        table.run("""
            u1 sell 7 @ 101 GTC               -> accepted rests
            rules tick=10 lot=5 taker_fee_ppm=3000 liquidation_fee_ppm=9000 -> rules 2
            u2 buy 5 @ 110 IOC                -> accepted, fill 5 @ 101 of #1 left 0/2
            u3 buy 5 @ 90 GTC                 -> accepted rests
            u2 sell 5 @ 90 IOC reduce kind=7  -> accepted, fill 5 @ 90 of #3 left 0/0
            rules tick=5                      -> rules 3
            u1 amend #1 7 @ 105               -> amended 7 @ 105 open 2 rests
            """)
        assert audit([view(r) for r in numbered(table.log)]) == []
        four = changed_rules(3)
        for wrong, found in (
            ([*four, *four], {"INV-25"}),
            ([four[0], four[3]], {"SY-4"}),
            ([*four, make_request("ORDER_ACCEPTED", oid=9, user_id=1, symbol_id=1, qty=5, px=1,
                                  tif=0, flags=4, header_flags=1, stream=1, side=1)], set()),
        ):  # fmt: skip
            seen = audit([view(r) for r in numbered(wrong)])
            assert {v.invariant for v in seen} == found
