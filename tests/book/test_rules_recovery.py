"""What a log gives back: F-1 to F-3, D-3, TR-9, and F-2 wherever the log is cut.

The compiled engine alone folds. A table is run on a live engine; a fresh one folds the first
records of its log, starts, and says in the words of `model/table.py` what it made up for.
"""

from __future__ import annotations

import random

import pytest
from model.auditor import audit
from model.engines import ask, compiled_engine, new
from model.flow import PROFILES
from model.pair import ROOMY, TICKS, Run
from model.symbols import make_symbol
from model.table import Table
from model.wire import numbered, view

from rsx.core.ring import Ring

LIMITS = {**ROOMY, "dedup_window_s": 60}
START_S = 7


def live(text, **changes):
    """A table that has run on a live engine."""
    table = Table(compiled_engine(make_symbol(reference_px=100, **changes), **LIMITS))
    table.run(text)
    return table


def folded(log, symbol=None):
    """A table on a fresh engine that has folded the records of a log."""
    table = Table(compiled_engine(symbol or make_symbol(reference_px=100), **LIMITS))
    for record in log:
        table.engine.apply(record)
        table.oid = max(table.oid, getattr(view(record), "oid", 0))
    table.ts_ns = START_S * 10**9
    return table


def start(engine, ts_ns, depth=64):
    """Records of a start, taken through a small ring."""
    ring, seen = Ring("matching_wal", depth), b""
    is_done = False
    while not is_done:
        is_done = engine.recovered(ring, ts_ns)
        while more := ring.pop(depth):
            seen += more
    return [bytes(seen[at : at + 128]) for at in range(0, len(seen), 128)]


def started(log):
    table = folded(log)
    return table, table.told(start(table.engine, table.ts_ns), 0)


class TestOrderInHand:
    """F-2."""

    TALE = """
        u1 sell 5 @ 100 GTC                        -> accepted rests
        u1 sell 5 @ 100 GTC                        -> accepted rests
        u2 buy 20 @ 100 GTC cid=a reserved=100     -> accepted, fill 5 @ 100 of #1 left 15/0,
                                                    + fill 5 @ 100 of #2 left 10/0, rests 10
        """

    @pytest.mark.parametrize(
        ("records", "made_up", "told"),
        [
            (3, "cancelled #3 20 3104", "0+0"),
            (4, "cancelled #3 15 3104", "5+0"),
            (5, "cancelled #3 10 3104", "10+0"),
        ],
    )
    def test_it_is_cancelled_at_start_wherever_the_log_ends(self, records, made_up, told):
        log = live(self.TALE).log[:records]

        table, seen = started(log)

        assert seen == made_up
        assert table.engine.in_hand == 0
        table.run(f"u2 buy 20 @ 100 GTC cid=a -> duplicate #3 cancelled {told} of 20 @ 100 3104")
        table.engine.audit()

    def test_what_it_still_holds_goes_back(self):
        log = live(self.TALE).log[:4]

        (event,) = start(folded(log).engine, 9)

        assert (view(event).released, view(event).filled_qty, view(event).ts_ns) == (75, 5, 9)

    def test_a_log_that_ends_with_a_group_needs_nothing(self):
        for records in (1, 2, 6):
            table, seen = started(live(self.TALE).log[:records])
            assert seen == "nothing"
            assert table.engine.in_hand == 0

    def test_a_cut_one_is_cancelled_with_what_the_cut_left(self):
        log = live("""
            u9 sell 5 @ 100 GTC          -> accepted rests
            u1 buy 5 @ 100 IOC           -> accepted, fill 5 @ 100 of #1 left 0/0
            u1 sell 9 @ 110 GTC reduce   -> accepted, reduced by 4 to 5 3103, rests 5
            """).log

        assert started(log[:-2])[1] == "cancelled #3 9 3104"
        assert started(log[:-1])[1] == "cancelled #3 5 3104"

    def test_an_amended_order_in_hand_is_cancelled(self):
        log = live("""
            u1 sell 5 @ 100 GTC          -> accepted rests
            u2 buy 9 @ 90 GTC            -> accepted rests
            u2 amend #2 8 @ 100          -> amended 8 @ 100 open 8, fill 5 @ 100 of #1 left 3/0,
                                          + rests 3
            """).log

        assert started(log[:3])[1] == "cancelled #2 8 3104"
        assert started(log[:4])[1] == "cancelled #2 3 3104"

    def test_a_self_trade_cut_between_its_two_ends(self):
        """ST-2, both: the maker is gone, the taker in hand."""
        log = live("""
            u1 sell 5 @ 100 GTC            -> accepted rests
            u1 buy 9 @ 100 GTC stp=both    -> accepted, cancelled #1 5 3106, cancelled 9 3106
            """).log

        table, seen = started(log[:-1])

        assert seen == "cancelled #2 9 3104"
        table.run("book -> bid - | ask -")


class TestTrimsOwed:
    """F-2: the trims that the last fill calls for are made up."""

    TALE = """
        u9 sell 20 @ 100 GTC         -> accepted rests
        u1 buy 20 @ 100 IOC          -> accepted, fill 20 @ 100 of #1 left 0/0
        u1 sell 15 @ 110 GTC reduce  -> accepted rests
        u1 sell 9 @ 111 GTC reduce   -> accepted rests
        u9 buy 20 @ 80 GTC reduce    -> accepted rests
        u9 buy 30 @ 95 GTC           -> accepted rests
        u1 sell 12 @ 95 IOC          -> accepted, fill 12 @ 95 of #6 left 0/18,
                                      + reduced #5 by 12 to 8 3103, reduced #4 by 1 to 8 3103,
                                      + reduced #3 by 7 to 8 3103
        """

    @pytest.mark.parametrize(
        ("missing", "made_up"),
        [
            (3, "reduced #5 by 12 to 8 3103, reduced #4 by 1 to 8 3103, reduced #3 by 7 to 8 3103"),
            (2, "reduced #4 by 1 to 8 3103, reduced #3 by 7 to 8 3103"),
            (1, "reduced #3 by 7 to 8 3103"),
            (0, "nothing"),
        ],
    )
    def test_wherever_the_log_ends(self, missing, made_up):
        log = live(self.TALE).log

        table, seen = started(log[: len(log) - missing])

        assert seen == made_up
        table.run("book -> bid #6:18@95 #5:8@80 | ask #3:8@110 #4:8@111")

    def test_before_the_order_in_hand_ends(self):
        log = live("""
            u9 sell 5 @ 100 GTC          -> accepted rests
            u1 buy 5 @ 100 IOC           -> accepted, fill 5 @ 100 of #1 left 0/0
            u1 sell 5 @ 110 GTC reduce   -> accepted rests
            u2 buy 5 @ 95 GTC            -> accepted rests
            u1 sell 8 @ 95 GTC           -> accepted, fill 5 @ 95 of #4 left 3/0,
                                          + cancelled #3 5 3103, rests 3
            """).log

        assert started(log[:-2])[1] == "cancelled #3 5 3103, cancelled #5 3 3104"
        assert started(log[:-1])[1] == "cancelled #5 3 3104"


class TestPricesOwed:
    """F-2, TR-4, TR-9."""

    TALE = """
        u1 sell 5 stop 90 IOC last   -> waits
        u1 sell 5 trail 8 IOC last   -> waits
        u2 buy 2 @ 95 GTC            -> accepted rests
        u2 buy 2 @ 89 GTC            -> accepted rests
        u3 sell 5 @ 89 IOC           -> accepted, fill 2 @ 95 of #3 left 3/0,
                                      + fill 2 @ 89 of #4 left 1/0, cancelled 1 3102;
                                      + fired #1 at 89 level 90; fired #2 at 89 level 92
        """

    def test_the_prices_of_a_request_that_was_cut_off_reach_triggers(self):
        log = live(self.TALE).log

        due = "; fired #1 at 89 level 90; fired #2 at 89 level 92"
        assert started(log[:-3])[1] == "cancelled #5 1 3104" + due
        assert started(log[:-4])[1] == "cancelled #5 3 3104"

    def test_due_ones_that_had_not_fired_fire(self):
        log = live(self.TALE).log

        assert started(log[:-2])[1] == "fired #1 at 89 level 90; fired #2 at 89 level 92"
        assert started(log[:-1])[1] == "fired #2 at 89 level 92"

    def test_fired_ones_wait_for_risk_again(self):
        table, seen = started(live(self.TALE).log)
        table.fired = {e.oid: e.as_dict() | {"oid": e.oid} for e in map(view, table.engine.fired())}

        assert seen == "nothing"
        table.run("""
            risk sends #2 @ 80     -> accepted, cancelled 5 3102
            risk refuses #1 2001   -> trigger #1 cancelled 2001
            """)

    def test_no_answer_is_awaited_for_one_cancelled_on_its_way(self):
        """TR-7."""
        table = live(self.TALE)
        table.run("u1 cancel #1 -> trigger cancelled 3101")

        again, seen = started(table.log)

        assert seen == "nothing"
        assert [view(f).oid for f in again.engine.fired()] == [2]


class TestWhatIsGivenBack:
    """F-1, F-3, MO-1, D-3; DED-5, DED-8, TST-13."""

    def test_a_cancel_all_that_was_cut_off_is_not_gone_on_with(self):
        log = live("""
            u1 buy 5 @ 90 GTC   -> accepted rests
            u1 buy 5 @ 91 GTC   -> accepted rests
            u1 cancel-all       -> cancelled #2 5 3110, cancelled #1 5 3110, done 2 3110
            """).log

        table, seen = started(log[:3])

        assert seen == "nothing"
        table.run("book -> bid #1:5@90 | ask -")

    def test_the_mode_is_the_logged_one(self):
        log = live("mode halt -> mode halt was open").log

        table, _ = started(log)

        table.run("u1 buy 5 @ 90 GTC -> rejected 3012")

    def test_mark_last_owners_expiries_and_prevention_are_given_back(self):
        log = live("""
            u1 sell 5 @ 110 GTC group=3               -> accepted rests
            u2 buy 1 @ 110 IOC                        -> accepted, fill 1 @ 110 of #1 left 0/4
            u2 buy 3 @ 90 GTD until=9 stp=oldest      -> accepted rests
            mark 200                                  -> mark 200
            """).log

        table, _ = started(log)

        assert (table.engine.last, table.engine.mark) == (110, 200)
        table.run(
            """
            u3 buy 4 @ 110 FOK group=3 stp=newest  -> rejected 3003
            u2 sell 2 @ 100 GTC                    -> accepted rests
            u2 amend #3 3 @ 100                    -> amended 3 @ 100 open 3, cancelled #5 2 3106,
                                                    + rests 3
            tick at=9                              -> cancelled #3 3 3105
            """
        )

    def test_client_ids_have_their_age_to_the_nanosecond(self):
        window, begun = 60_000_000_000, 7_000_000_123
        engine = compiled_engine(make_symbol(), **LIMITS)

        def ioc(oid):
            return new(oid, 1, 0, 5, 100, tif=1, cid="a")

        log = engine.submit(ioc(1), begun)
        for age, name in ((window, "ORDER_DUPLICATE"), (window + 1, "ORDER_ACCEPTED")):
            (event, *_) = ask(folded(log).engine, ioc(2), begun + age)
            assert event["type"] == name

    @pytest.mark.parametrize("kind", ["order", "trigger", "amended", "fired"])
    def test_duplicates_are_told_the_same_after_a_start(self, kind):
        """D-3, D-4."""
        text = {
            "order": "u1 sell 10 @ 110 GTC cid=a -> accepted rests",
            "trigger": "u1 sell 10 @ 80 stop 90 GTC cid=a -> waits",
            "amended": """
                u1 sell 10 @ 110 GTC cid=a  -> accepted rests
                u2 buy 4 @ 110 IOC          -> accepted, fill 4 @ 110 of #1 left 0/6
                u1 amend #1 8 @ 111         -> amended 8 @ 111 open 4 rests
                """,
            "fired": """
                u1 sell 10 stop 90 IOC cid=a reduce -> waits
                mark 90                      -> mark 90; fired #1 at 90 level 90
                risk sends #1 @ 85           -> rejected 3004
                """,
        }[kind]
        table = live(text)
        again = folded(table.log)
        again.ts_ns = table.ts_ns
        due = table.line("u1 buy 1 @ 1 GTC cid=a")

        assert due.startswith("duplicate")
        assert again.line("u1 buy 1 @ 1 GTC cid=a") == due
        assert table.engine.state_hash() == again.engine.state_hash()


@pytest.mark.parametrize("number", range(len(PROFILES)), ids=lambda n: PROFILES[n].name)
def test_wherever_a_random_log_is_cut_the_start_makes_it_sound(number):
    """F-2 over flows of every request: audited from the records alone, and folded once more."""
    run = Run(40 + number, TICKS[number % len(TICKS)], PROFILES[number], LIMITS)
    run.go(700)
    log = run.log
    assert log is not None
    rng = random.Random(number)
    within = [at for at in range(1, len(log)) if not log[at - 1][1]]

    for cut in rng.sample(within, min(12, len(within))):
        table = folded(log[:cut], run.market)
        made_up = start(table.engine, run.flow.now, depth=rng.choice((4, 64)))
        again = folded(log[:cut] + made_up, run.market)

        assert table.engine.in_hand == 0
        table.engine.audit()
        assert audit([view(r) for r in numbered(log[:cut] + made_up)]) == [], cut
        assert again.engine.state_hash() == table.engine.state_hash()
