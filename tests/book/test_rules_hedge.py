"""HL-1, LO-1, PT-1, PT-2 of specs/matching.md: legs, liquidation orders, transfers.

Tables run over the plain model and the compiled engine. POS-, LIQ- items of the requirements are
risk's; here is what matching alone decides.
"""

from __future__ import annotations

import pytest
from book.conftest import LIMITS
from model.auditor import audit
from model.engines import ask, compiled_engine, new
from model.symbols import make_symbol
from model.table import Table
from model.wire import make_request, numbered, view

from rsx.core.check import InvariantError
from rsx.core.ring import Ring


class TestLegs:
    """HL-1."""

    def test_a_buy_and_a_sell_open_both_legs_and_reduce_only_closes_the_other_one(self, table):
        table.run("""
            u2 sell 9 @ 100 GTC             -> accepted rests
            u1 buy 5 @ 100 IOC hedge        -> accepted, fill 5 @ 100 of #1 left 0/4
            u2 buy 9 @ 99 GTC               -> accepted rests
            u1 sell 3 @ 99 IOC hedge        -> accepted, fill 3 @ 99 of #3 left 0/6
            u1 held                         -> long 5 short 3
            u1 net                          -> 2
            u1 sell 2 @ 99 IOC hedge reduce -> accepted, fill 2 @ 99 of #3 left 0/4
            u1 held                         -> long 3 short 3
            u1 buy 4 @ 100 IOC hedge reduce -> accepted, reduced by 1 to 3 3103,
                                             + fill 3 @ 100 of #1 left 0/1
            u1 held                         -> long 3 short 0
            u1 buy 1 @ 100 IOC hedge reduce -> rejected 3004
            """)

    def test_a_one_way_account_flips_and_has_one_of_both(self, table):
        table.run("""
            u2 sell 9 @ 100 GTC -> accepted rests
            u1 buy 5 @ 100 IOC  -> accepted, fill 5 @ 100 of #1 left 0/4
            u1 held             -> long 5 short 0
            u2 held             -> long 0 short 5
            u2 buy 9 @ 99 GTC   -> accepted rests
            u1 sell 8 @ 99 IOC  -> accepted, fill 8 @ 99 of #3 left 0/1
            u1 held             -> long 0 short 3
            """)

    def test_resting_reduce_only_orders_of_both_legs_are_trimmed_each_by_its_own(self, table):
        """RO-1, RO-2: the youngest first, whatever its side; the other leg's stay."""
        table.run("""
            u2 sell 9 @ 100 GTC               -> accepted rests
            u1 buy 6 @ 100 IOC hedge          -> accepted, fill 6 @ 100 of #1 left 0/3
            u2 buy 9 @ 90 GTC                 -> accepted rests
            u1 sell 4 @ 90 IOC hedge          -> accepted, fill 4 @ 90 of #3 left 0/5
            u1 sell 6 @ 110 GTC hedge reduce  -> accepted rests
            u1 buy 4 @ 85 GTC hedge reduce    -> accepted rests
            u1 sell 5 @ 111 GTC hedge reduce  -> accepted rests
            u1 sell 2 @ 90 IOC hedge reduce   -> accepted, fill 2 @ 90 of #3 left 0/3,
                                               + reduced #7 by 1 to 4 3103,
                                               + reduced #5 by 2 to 4 3103
            u1 buy 4 @ 100 IOC hedge reduce   -> accepted, fill 3 @ 100 of #1 left 1/0,
                                               + reduced #6 by 3 to 1 3103, cancelled 1 3102
            book                              -> bid #3:3@90 #6:1@85 | ask #5:4@110 #7:4@111
            """)

    def test_a_trade_with_oneself_that_closes_both_legs_trims_once(self, table):
        table.run("""
            u2 sell 9 @ 100 GTC              -> accepted rests
            u1 buy 6 @ 100 IOC hedge         -> accepted, fill 6 @ 100 of #1 left 0/3
            u2 buy 9 @ 90 GTC                -> accepted rests
            u1 sell 6 @ 90 IOC hedge         -> accepted, fill 6 @ 90 of #3 left 0/3
            u1 sell 6 @ 95 GTC hedge reduce  -> accepted rests
            u1 sell 6 @ 120 GTC hedge reduce -> accepted rests
            u1 buy 4 @ 95 IOC hedge reduce   -> accepted, fill 4 @ 95 of #5 left 0/2,
                                              + reduced #6 by 4 to 2 3103
            u1 held                          -> long 2 short 2
            """)

    def test_fill_or_kill_counts_a_hedged_maker_s_leg(self, table):
        """M-6 with RO-2: the second order is gone when it would be met."""
        table.run("""
            u2 sell 5 @ 100 GTC               -> accepted rests
            u1 buy 5 @ 100 IOC hedge          -> accepted, fill 5 @ 100 of #1 left 0/0
            u1 sell 5 @ 101 GTC hedge reduce  -> accepted rests
            u1 sell 5 @ 102 GTC hedge reduce  -> accepted rests
            u1 sell 1 @ 103 GTC hedge         -> accepted rests
            u3 buy 7 @ 103 FOK                -> rejected 3003
            u3 buy 6 @ 103 FOK                -> accepted, fill 5 @ 101 of #3 left 1/0,
                                               + cancelled #4 5 3103, fill 1 @ 103 of #5 left 0/0
            u1 held                           -> long 0 short 1
            """)

    def test_one_way_flags_with_both_legs_open_are_a_failed_check(self):
        """1108; a refusal comes first."""
        table = Table(compiled_engine(make_symbol(), **LIMITS))
        table.run("""
            u2 sell 9 @ 100 GTC       -> accepted rests
            u1 buy 5 @ 100 IOC hedge  -> accepted, fill 5 @ 100 of #1 left 0/4
            u2 buy 9 @ 99 GTC         -> accepted rests
            u1 sell 3 @ 99 IOC hedge  -> accepted, fill 3 @ 99 of #3 left 0/6
            u1 buy 3 @ 100 FOK rests  -> rejected 3008
            """)
        with pytest.raises(InvariantError, match="1108"):
            table.line("u1 buy 3 @ 99 GTC")

    def test_a_fold_gives_the_legs_back_also_within_the_trims(self):
        """F-1, F-2, INV-14."""
        table = Table(compiled_engine(make_symbol(), **LIMITS))
        table.run("""
            u2 sell 9 @ 100 GTC               -> accepted rests
            u1 buy 6 @ 100 IOC hedge          -> accepted, fill 6 @ 100 of #1 left 0/3
            u1 sell 6 @ 110 GTC hedge reduce  -> accepted rests
            u1 sell 6 @ 111 GTC hedge reduce  -> accepted rests
            u2 buy 9 @ 90 GTC                 -> accepted rests
            u1 sell 2 @ 90 IOC hedge reduce   -> accepted, fill 2 @ 90 of #5 left 0/7,
                                               + reduced #4 by 2 to 4 3103,
                                               + reduced #3 by 2 to 4 3103
            """)
        for cut in (0, 1, 2):
            folded = compiled_engine(make_symbol(), **LIMITS)
            for record in table.log[: len(table.log) - cut]:
                folded.apply(record)
            ring = Ring("matching_wal", 64)
            assert folded.recovered(ring, 0)
            assert len(ring.pop(64)) == 128 * cut
            folded.audit()
            assert folded.held(1) == (4, 0)
            assert folded.state_hash() == table.engine.state_hash()


class TestLiquidation:
    """LO-1; LIQ-2."""

    BEGUN = """
        u2 sell 9 @ 100 GTC  -> accepted rests
        u1 buy 7 @ 100 IOC   -> accepted, fill 7 @ 100 of #1 left 0/2
        u3 buy 20 @ 90 GTC   -> accepted rests
        """

    @pytest.mark.parametrize(
        ("line", "due"),
        [
            ("u1 sell 7 @ 95 GTC reduce kind=7", "rejected 3008"),
            ("u1 sell 7 @ 95 FOK reduce kind=7", "rejected 3008"),
            ("u1 sell 7 @ 95 IOC kind=7", "rejected 3008"),
            ("u1 sell 7 @ 95 IOC reduce last kind=7", "rejected 3008"),
            ("u1 sell 7 @ 95 IOC reduce disc kind=7", "rejected 3008"),
            ("u1 sell 7 @ 95 IOC reduce kind=7 cid=a", "rejected 3008"),
            ("u1 sell 7 @ 95 IOC reduce kind=7 until=9", "rejected 3008"),
            ("u1 sell 0 @ 95 IOC reduce kind=7", "rejected 3008"),
            ("u1 sell 7 @ 0 IOC reduce kind=7", "rejected 3008"),
            ("u1 sell 7 @ 200001 IOC reduce kind=7", "rejected 3008"),
            ("u1 buy 7 @ 95 IOC reduce kind=7", "rejected 3004"),
            ("u4 sell 7 @ 95 IOC reduce kind=7", "rejected 3004"),
            ("u1 sell 7 @ 95 IOC reduce kind=7", "accepted, cancelled 7 3102"),
            ("u1 sell 7 @ 90 IOC reduce kind=7", "accepted, fill 7 @ 90 of #3 left 0/13"),
        ],
    )
    def test_what_it_may_say(self, table, line, due):
        table.run(self.BEGUN)

        assert table.line(line) == due

    @pytest.mark.parametrize(("mode", "reason"), [("post-only", 3013), ("cancel-only", 3011),
                                                  ("halt", 3012)])  # fmt: skip
    def test_the_mode_must_be_open(self, table, mode, reason):
        table.run(self.BEGUN)
        table.run(f"""
            mode {mode}                      -> mode {mode} was open
            u1 sell 7 @ 90 IOC reduce kind=7 -> rejected {reason}
            """)

    def test_it_is_free_of_band_minimum_and_the_users_limits(self, make_table):
        make_table(
            price_band_ppm=100_000, notional_min=650, reference_px=100, open_orders_per_user_max=1
        ).run("""
            u2 sell 9 @ 100 GTC               -> accepted rests
            u1 buy 7 @ 100 IOC                -> accepted, fill 7 @ 100 of #1 left 0/2
            u3 buy 20 @ 90 GTC                -> accepted rests
            u1 sell 8 @ 89 GTC                -> rejected 3010
            u1 buy 9 @ 90 GTC                 -> accepted rests
            u1 sell 1 @ 80 IOC reduce kind=7  -> accepted, fill 1 @ 90 of #3 left 0/19
            """)

    def test_it_may_be_off_lot_only_when_it_takes_all_there_is(self, make_table):
        """Positions get off lot by a change of the rules or a transfer."""
        make_table(reference_px=100).run("""
            u2 sell 9 @ 100 GTC               -> accepted rests
            u1 buy 7 @ 100 IOC                -> accepted, fill 7 @ 100 of #1 left 0/2
            u3 buy 20 @ 90 GTC                -> accepted rests
            rules lot=5                       -> rules 2
            u1 sell 6 @ 90 IOC reduce kind=7  -> rejected 3008
            u1 sell 7 @ 90 IOC reduce         -> rejected 3008
            u1 sell 5 @ 90 IOC reduce kind=7  -> accepted, fill 5 @ 90 of #3 left 0/15
            u1 sell 3 @ 90 IOC reduce kind=7  -> accepted, reduced by 1 to 2 3103,
                                               + fill 2 @ 90 of #3 left 0/13
            u1 held                           -> long 0 short 0
            """)

    def test_its_taker_fee_is_the_liquidation_fee(self, make_engine):
        engine = make_engine(taker_fee_ppm=500, maker_fee_ppm=-100, liquidation_fee_ppm=5000)
        engine.submit(new(1, 2, 1, 10, 1000), 0)
        engine.submit(new(2, 1, 0, 10, 1000, tif=1), 0)
        engine.submit(new(3, 3, 0, 10, 999), 0)

        _, fill = ask(engine, new(4, 1, 1, 10, 999, tif=1, flags=2, kind=7))

        assert (fill["taker_fee"], fill["maker_fee"]) == (50, 0)  # 49.95 up, -0.999 toward zero


class TestTransfer:
    """PT-1, PT-2; LIQ-10, ADL."""

    BEGUN = """
        u2 sell 9 @ 100 GTC  -> accepted rests
        u1 buy 7 @ 100 IOC   -> accepted, fill 7 @ 100 of #1 left 0/2
        """

    def test_a_takeover_moves_what_there_is_at_most(self, table):
        table.run(self.BEGUN)
        table.run("""
            u1 gives 3 sell to u9   -> moved 3
            u1 held                 -> long 4 short 0
            u9 held                 -> long 3 short 0
            u1 gives 9 sell to u9   -> moved 4
            u1 gives 9 sell to u9   -> moved 0
            u1 gives 9 buy to u9    -> moved 0
            u8 gives 9 sell to u9   -> moved 0
            u9 held                 -> long 7 short 0
            u2 gives 9 buy to u9    -> moved 7
            u9 held                 -> long 0 short 0
            """)

    def test_deleveraging_moves_no_more_than_either_can_reduce(self, table):
        table.run(self.BEGUN)
        table.run("""
            u1 sell 4 @ 101 GTC           -> accepted rests
            u3 buy 3 @ 101 IOC            -> accepted, fill 2 @ 100 of #1 left 1/0,
                                           + fill 1 @ 101 of #3 left 0/3
            u1 gives 9 sell to u2 adl     -> moved 6
            u1 gives 9 sell to u2 adl     -> moved 0
            u2 held                       -> long 0 short 3
            u3 gives 9 sell to u2 adl     -> moved 3
            u3 gives 9 sell to u7 adl     -> moved 0
            """)

    def test_legs_move_as_orders_would_move_them(self, table):
        table.run("""
            u2 sell 9 @ 100 GTC                    -> accepted rests
            u1 buy 5 @ 100 IOC hedge               -> accepted, fill 5 @ 100 of #1 left 0/4
            u2 buy 9 @ 99 GTC                      -> accepted rests
            u1 sell 3 @ 99 IOC hedge               -> accepted, fill 3 @ 99 of #3 left 0/6
            u1 gives 9 buy to u9 hedge             -> moved 3
            u1 held                                -> long 5 short 0
            u9 held                                -> long 0 short 3
            u1 gives 2 sell to u9 hedge            -> moved 2
            u9 held                                -> long 0 short 1
            u2 gives 9 buy to u1 adl hedges        -> moved 2
            u1 held                                -> long 1 short 0
            """)

    def test_it_ignores_mode_prices_and_triggers_and_trims_both_users_first_the_first(self, table):
        table.run("""
            u2 sell 9 @ 100 GTC              -> accepted rests
            u1 buy 9 @ 100 IOC               -> accepted, fill 9 @ 100 of #1 left 0/0
            u1 sell 8 @ 110 GTC reduce       -> accepted rests
            u1 sell 9 @ 111 GTC reduce       -> accepted rests
            u2 buy 9 @ 90 GTC reduce         -> accepted rests
            u3 sell 1 stop 60 IOC last       -> waits
            mode halt                        -> mode halt was open
            u1 gives 4 sell to u2 adl        -> moved 4, reduced #4 by 4 to 5 3103,
                                              + reduced #3 by 3 to 5 3103, reduced #5 by 4 to 5 3103
            u1 gives 9 sell to u2 adl        -> moved 5, cancelled #4 5 3103, cancelled #3 5 3103,
                                              + cancelled #5 5 3103
            """)
        assert table.engine.last == 100

    def test_a_full_user_table_moves_nothing(self, make_table):
        make_table(users_max=2).run(self.BEGUN + "u1 gives 3 sell to u9 -> moved 0")

    @pytest.mark.parametrize("change", [
        {"qty": 0}, {"qty": -1}, {"counter_user_id": 1}, {"user_id": 0}, {"counter_user_id": 0},
        {"side": 2}, {"kind": 2}, {"user_flags": 0}, {"counter_flags": 0}, {"symbol_id": 2},
    ])  # fmt: skip
    def test_what_cannot_come_from_risk_is_a_failed_check(self, change):
        """1109."""
        engine = compiled_engine(make_symbol(), **LIMITS)
        values = {"qty": 3, "user_id": 1, "counter_user_id": 2, "side": 1, "kind": 1,
                  "user_flags": 2, "counter_flags": 2, "symbol_id": 1, **change}  # fmt: skip
        with pytest.raises(InvariantError, match="1109"):
            engine.submit(make_request("POSITION_TRANSFER", **values), 0)

    @pytest.mark.parametrize("depth", [4, 8])
    def test_a_full_ring_stops_the_trims_and_they_go_on(self, depth):
        """M-12; and a log cut anywhere gives the same state in the end (F-2)."""

        def begun():
            engine = compiled_engine(make_symbol(), **LIMITS)
            log = engine.submit(new(1, 2, 1, 50, 100), 0)
            log += engine.submit(new(2, 1, 0, 50, 100, tif=1), 0)
            for n in range(12):
                log += engine.submit(new(10 + n, 1, 1, 50, 110 + n, flags=2), 0)
            return engine, log

        (engine, log), (whole, _) = begun(), begun()
        request = make_request(
            "POSITION_TRANSFER", qty=20, user_id=1, counter_user_id=9, side=1, kind=0,
            user_flags=2, symbol_id=1, px=50, transfer_id=4,
        )  # fmt: skip
        due = whole.submit(request, 0)
        ring = Ring("matching_wal", depth)
        is_done = engine.begin(request, 0, ring)
        assert not is_done
        seen = b""
        while not is_done:
            seen += ring.pop(depth)
            is_done = engine.resume(ring)
        seen += ring.pop(depth)

        assert seen == b"".join(due)
        assert len(due) == 13
        for cut in range(1, 14):
            folded = compiled_engine(make_symbol(), **LIMITS)
            for record in log + due[:cut]:
                folded.apply(record)
            while not folded.recovered(ring, 0):
                ring.pop(depth)
            ring.pop(depth)
            folded.audit()
            assert folded.state_hash() == whole.state_hash()

    def test_the_auditor_reads_it(self, make_table):
        table = make_table()
        table.run(self.BEGUN + "u1 gives 3 sell to u2 adl -> moved 3")
        assert audit([view(r) for r in numbered(table.log)]) == []
        wrong = make_request(
            "POSITION_TRANSFERRED", qty=9, user_id=1, counter_user_id=2, side=1, kind=1,
            user_flags=2, counter_flags=2, symbol_id=1, stream=1, header_flags=1,
        )  # fmt: skip
        found = audit([view(r) for r in numbered([*table.log, wrong])])
        assert {v.invariant for v in found} == {"PT-2"}


def test_refusals_of_orders_and_triggers_have_one_layout():
    """What emit_rejected relies on."""
    from rsx import records

    order, trigger = records.ORDER_REJECTED, records.TRIGGER_REJECTED
    renamed = {"released": "trigger_px"}
    assert {renamed.get(n, n): at for n, at in order.offsets.items()} == trigger.offsets
    asked = {"reserved": "trigger_px", "received_ns": "trail_px", "owner_group": "trail_ppm"}
    new_order = {asked.get(n, n): at for n, at in records.ORDER_NEW.offsets.items()}
    assert new_order == records.TRIGGER_REQUEST.offsets
