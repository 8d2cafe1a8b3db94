"""specs/matching.md sections 7, 12 and 13: cancels, client ids, reservations, fees and positions.

Over the plain model and the compiled engine; the language of the tables is that of
`model/table.py`.
"""

from __future__ import annotations

import pytest
from model.engines import ask, new
from model.wire import as_event, order_cancel


class TestCancel:
    """C-1, C-2; MAT-45, MAT-46, MAT-47, BOOK-13."""

    def test_it_must_name_an_open_order_of_the_same_user(self, table):
        table.run("""
            u1 sell 5 @ 100 GTC  -> accepted rests
            u2 cancel #1         -> refused 3007
            u1 cancel #2         -> refused 3007
            u1 cancel #1         -> cancelled 5 3101
            u1 cancel #1         -> refused 3007
            u1 sell 5 @ 100 GTC  -> accepted rests
            u2 buy 5 @ 100 IOC   -> accepted, fill 5 @ 100 of #2 left 0/0
            u1 cancel #2         -> refused 3007
            u2 cancel #3         -> refused 3007
            """)

    def test_a_handle_that_was_used_again_is_not_reached_by_the_old_id(self, make_table):
        """TST-10."""
        make_table(orders_max=1).run("""
            u1 sell 5 @ 100 GTC  -> accepted rests
            u1 cancel #1         -> cancelled 5 3101
            u1 sell 7 @ 101 GTC  -> accepted rests
            u1 cancel #1         -> refused 3007
            book                 -> bid - | ask #2:7@101
            """)

    def test_by_client_id_it_finds_the_users_own_order(self, table):
        table.run("""
            u1 sell 5 @ 100 GTC cid=a  -> accepted rests
            u2 sell 6 @ 100 GTC cid=a  -> accepted rests
            u1 sell 7 @ 100 GTC        -> accepted rests
            u3 cancel cid=a            -> refused 3007
            u1 cancel cid=b            -> refused 3007
            u1 cancel cid=             -> refused 3007
            u2 cancel cid=a            -> cancelled #2 6 3101
            u2 cancel cid=a            -> refused 3017
            u1 cancel cid=a            -> cancelled #1 5 3101
            book                       -> bid - | ask #3:7@100
            """)

    def test_by_client_id_it_says_that_an_order_has_ended_while_that_is_remembered(
        self, make_table
    ):
        """3017, as long as D-1 says; then it is 3007 as for any unknown one (LIF-12)."""
        make_table(dedup_window_s=60).run("""
            u1 sell 5 @ 100 GTC cid=a at=100  -> accepted rests
            u2 buy 5 @ 100 IOC cid=a          -> accepted, fill 5 @ 100 of #1 left 0/0
            u1 cancel cid=a                   -> refused 3017
            u2 cancel cid=a                   -> refused 3017
            u3 cancel cid=a                   -> refused 3007
            u1 cancel #1                      -> refused 3007
            u1 cancel cid=a at=160            -> refused 3017
            u1 cancel cid=a at=161            -> refused 3007
            """)

    @pytest.mark.parametrize("reason", [3101, 3107, 3108, 3111])
    def test_its_reason_is_the_requests(self, table, reason):
        table.run(f"""
            u1 sell 5 @ 100 GTC          -> accepted rests
            u1 cancel #1 reason={reason}  -> cancelled 5 {reason}
            """)

    @pytest.mark.parametrize("reason", [0, 3001, 3102, 3105, 3110, 65535])
    def test_another_reason_reads_as_the_owners_cancel(self, table, reason):
        table.run(f"""
            u1 sell 5 @ 100 GTC          -> accepted rests
            u1 cancel #1 reason={reason}  -> cancelled 5 3101
            """)

    def test_by_client_id_it_finds_the_rest_of_an_order_that_traded_on_arrival(self, table):
        table.run("""
            u1 sell 5 @ 100 GTC        -> accepted rests
            u2 buy 8 @ 100 GTC cid=a   -> accepted, fill 5 @ 100 of #1 left 3/0, rests 3
            u2 cancel cid=a            -> cancelled #2 3 3101
            """)

    def test_the_order_id_goes_before_the_client_id(self, make_engine):
        engine = make_engine()
        ask(engine, new(1, 1, 1, 5, 100, cid="a"))
        ask(engine, new(2, 1, 1, 6, 100, cid="b"))

        (event,) = ask(engine, order_cancel(oid=2, user_id=1, symbol_id=1, cid="a"))

        assert (event["type"], event["oid"]) == ("ORDER_CANCELLED", 2)

    def test_it_says_what_was_left_filled_and_released(self, make_engine):
        engine = make_engine()
        ask(engine, new(1, 1, 1, 10, 100, reserved=1000))
        ask(engine, new(2, 2, 0, 3, 100, tif=1))

        (event,) = ask(engine, order_cancel(oid=1, user_id=1, symbol_id=1, request_id=42), ts_ns=9)

        assert event == {
            "type": "ORDER_CANCELLED", "header_flags": 1, "stream": 1, "epoch": 0, "seq": 0,
            "ts_ns": 9, "oid": 1, "px": 100, "cancelled_qty": 7, "filled_qty": 3, "released": 700,
            "request_id": 42, "user_id": 1, "symbol_id": 1, "reason": 3101, "side": 1,
            "flags": 0,
        }  # fmt: skip

    def test_a_refused_cancel_repeats_what_it_named(self, make_engine):
        engine = make_engine()
        request = order_cancel(oid=0, user_id=4, symbol_id=1, request_id=42, cid="none")

        (event,) = ask(engine, request, ts_ns=9)

        due = as_event(request) | {
            "type": "CANCEL_REJECTED", "header_flags": 1, "stream": 1, "ts_ns": 9, "reason": 3007,
        }  # fmt: skip
        assert event == {k: v for k, v in due.items() if not k.startswith("pad") or k == "pad0"}


class TestClientIds:
    """M-1, D-1 to D-4; LIF-8, DED-1, DED-3, DED-10. A refused order leaves its client id free, so
    that it can be sent again in order (DED-4 is decided the other way)."""

    def test_a_second_order_with_the_same_client_id_is_told_of_the_first(self, table):
        """LIF-8, DED-1, DED-10: the first one, its margin included, is as it was."""
        table.run("""
            u1 sell 5 @ 100 GTC cid=a reserved=50  -> accepted rests
            u1 sell 5 @ 100 GTC cid=a              -> duplicate #1 resting 0+5 of 5 @ 100
            u1 buy 0 @ 0 GTC cid=a                 -> duplicate #1 resting 0+5 of 5 @ 100
            u2 sell 5 @ 100 GTC cid=a              -> accepted rests
            u1 sell 5 @ 100 GTC cid=aa             -> accepted rests
            u1 sell 5 @ 100 GTC                    -> accepted rests
            u1 sell 5 @ 100 GTC                    -> accepted rests
            book -> bid - | ask #1:5@100 #4:5@100 #5:5@100 #6:5@100 #7:5@100
            """)
        assert table.engine.resting(1)[0][4] == 50

    def test_it_is_remembered_after_the_order_has_ended(self, table):
        table.run("""
            u1 sell 5 @ 100 GTC cid=a  -> accepted rests
            u2 buy 5 @ 100 IOC cid=b   -> accepted, fill 5 @ 100 of #1 left 0/0
            u1 sell 5 @ 100 GTC cid=a  -> duplicate #1 filled 5+0 of 5 @ 100
            u2 buy 5 @ 100 IOC cid=b   -> duplicate #2 filled 5+0 of 5 @ 100
            u3 buy 5 @ 100 IOC cid=c   -> accepted, cancelled 5 3102
            u3 buy 5 @ 100 IOC cid=c   -> duplicate #5 cancelled 0+0 of 5 @ 100 3102
            """)

    def test_the_state_of_the_original_is_told_at_every_turn_of_its_life(self, table):
        """D-4: filled, cut, amended, repriced, and why it ended."""
        table.run("""
            u9 buy 4 @ 90 GTC                  -> accepted rests
            u1 sell 10 @ 90 GTC cid=a          -> accepted, fill 4 @ 90 of #1 left 6/0, rests 6
            u1 sell 1 @ 1 GTC cid=a            -> duplicate #2 resting 4+6 of 10 @ 90
            u1 amend #2 12 @ 95                -> amended 12 @ 95 open 8 rests
            u1 sell 1 @ 1 GTC cid=a            -> duplicate #2 resting 4+8 of 12 @ 95
            u9 buy 3 @ 95 IOC                  -> accepted, fill 3 @ 95 of #2 left 0/5
            u1 sell 1 @ 1 GTC cid=a            -> duplicate #2 resting 7+5 of 12 @ 95
            u1 amend #2 9 @ 95                 -> amended 9 @ 95 open 2 kept
            u1 amend #2 7 @ 95                 -> cancelled 2 3109
            u1 sell 1 @ 1 GTC cid=a            -> duplicate #2 cancelled 7+0 of 9 @ 95 3109
            u9 buy 1 @ 90 GTC                  -> accepted rests
            u1 sell 5 @ 90 GTC post reprice cid=b -> accepted rests
            u1 sell 5 @ 90 GTC cid=b           -> duplicate #9 resting 0+5 of 5 @ 91
            u1 cancel cid=b reason=3107        -> cancelled #9 5 3107
            u1 sell 5 @ 90 GTC cid=b           -> duplicate #9 cancelled 0+0 of 5 @ 91 3107
            """)

    def test_a_duplicate_says_what_the_request_and_the_original_were(self, make_engine):
        engine = make_engine()
        ask(engine, new(1, 1, 1, 10, 100, tif=3, flags=1 | 8 | 16, cid="a", expire_s=9))

        (event,) = ask(engine, new(2, 1, 0, 7, 99, flags=2, cid="a", reserved=55), ts_ns=8)

        assert event == {
            "type": "ORDER_DUPLICATE", "header_flags": 1, "stream": 1, "epoch": 0, "seq": 0,
            "ts_ns": 8, "oid": 2, "qty": 7, "released": 55, "original_oid": 1, "original_px": 100,
            "original_qty": 10, "original_filled": 0, "original_remaining": 10, "user_id": 1,
            "symbol_id": 1, "original_reason": 0, "original_status": 1, "original_side": 1,
            "original_tif": 3, "original_kind": 0, "original_flags": 25, "side": 0, "flags": 2,
        }  # fmt: skip

    def test_an_unknown_side_or_flag_of_a_duplicate_reads_0(self, make_engine):
        engine = make_engine()
        ask(engine, new(1, 1, 1, 10, 100, cid="a"))

        (event,) = ask(engine, new(2, 1, 7, 10, 100, tif=9, flags=0x46, kind=8, stp=7, cid="a"))

        assert (event["type"], event["side"], event["flags"]) == ("ORDER_DUPLICATE", 0, 2)

    def test_an_ended_order_is_remembered_until_it_is_older_than_the_window(self, make_table):
        """DED-2, DED-3, DED-6: an age of exactly the window is remembered, by requests' time."""
        make_table(dedup_window_s=60).run("""
            u1 buy 5 @ 100 IOC cid=a at=100  -> accepted, cancelled 5 3102
            u1 buy 5 @ 100 IOC cid=a at=159  -> duplicate #1 cancelled 0+0 of 5 @ 100 3102
            u1 buy 5 @ 100 IOC cid=a at=160  -> duplicate #1 cancelled 0+0 of 5 @ 100 3102
            u1 buy 5 @ 100 IOC cid=a at=161  -> accepted, cancelled 5 3102
            u1 buy 5 @ 100 IOC cid=a at=221  -> duplicate #4 cancelled 0+0 of 5 @ 100 3102
            """)

    def test_a_clock_that_was_set_back_makes_no_order_older(self, make_table):
        make_table(dedup_window_s=60).run("""
            u1 buy 5 @ 100 IOC cid=a at=100  -> accepted, cancelled 5 3102
            u1 buy 5 @ 100 IOC cid=a at=99   -> duplicate #1 cancelled 0+0 of 5 @ 100 3102
            """)

    def test_a_living_order_is_remembered_however_old_it_is(self, make_table):
        make_table(dedup_window_s=60).run("""
            u1 buy 5 @ 100 GTC cid=a at=100  -> accepted rests
            u1 buy 5 @ 100 GTC cid=a at=900  -> duplicate #1 resting 0+5 of 5 @ 100
            u1 cancel cid=a at=900           -> cancelled #1 5 3101
            u1 buy 5 @ 100 GTC cid=a at=900  -> accepted rests
            u1 cancel cid=a                  -> cancelled #3 5 3101
            """)

    def test_the_36_bytes_of_a_client_id_are_all_compared(self, make_engine):
        engine = make_engine()
        ids = ["x" * 36, "x" * 35 + "y", "x" * 35, "y" + "x" * 35]

        for oid, cid in enumerate(ids, 1):
            assert ask(engine, new(oid, 1, 0, 5, 100, cid=cid))[0]["type"] == "ORDER_ACCEPTED"
        for oid, cid in enumerate(ids, 1):
            (event,) = ask(engine, new(oid + 10, 1, 0, 5, 100, cid=cid))
            assert (event["type"], event["original_oid"]) == ("ORDER_DUPLICATE", oid)

    def test_a_full_memory_drops_the_oldest_ended_and_keeps_the_living(self, make_table):
        """D-1, DED-7: 16 places, 12 used freely; then an acceptance takes the oldest."""
        table = make_table(orders_max=8, dedup_orders_max=16)
        table.run("""
            u1 buy 5 @ 10 GTC cid=live  -> accepted rests
            u1 buy 5 @ 10 IOC cid=old   -> accepted, cancelled 5 3102
            """)
        for n in range(10):
            table.run(f"u1 buy 5 @ 10 IOC cid=n{n} -> accepted, cancelled 5 3102")
        table.run("""
            u1 buy 5 @ 10 IOC cid=old   -> duplicate #2 cancelled 0+0 of 5 @ 10 3102
            u1 buy 5 @ 10 IOC cid=last  -> accepted, cancelled 5 3102
            u1 buy 5 @ 10 IOC cid=old   -> accepted, cancelled 5 3102
            u1 buy 5 @ 10 IOC cid=n0    -> accepted, cancelled 5 3102
            u1 buy 5 @ 10 IOC cid=live  -> duplicate #1 resting 0+5 of 5 @ 10
            u1 cancel cid=live          -> cancelled #1 5 3101
            u1 buy 5 @ 10 IOC cid=live  -> duplicate #1 cancelled 0+0 of 5 @ 10 3101
            """)

    def test_living_orders_are_never_dropped_however_many_ids_pass(self, make_table):
        table = make_table(orders_max=8, dedup_orders_max=16)
        for n in range(8):
            table.run(f"u1 buy 5 @ 10 GTC cid=live{n} -> accepted rests")
        for n in range(200):
            table.run(f"u1 buy 5 @ 10 IOC cid=n{n} -> accepted, cancelled 5 3102")
        for n in range(8):
            due = f"duplicate #{n + 1} resting 0+5 of 5 @ 10"
            table.run(f"u1 buy 5 @ 10 GTC cid=live{n} -> {due}")
            table.run(f"u1 cancel cid=live{n} -> cancelled #{n + 1} 5 3101")


class TestReservationAndFees:
    """R-1, R-2."""

    def test_each_fill_releases_in_proportion_and_keeps_the_rounding_until_the_last(
        self, make_engine
    ):
        engine = make_engine()
        ask(engine, new(1, 1, 1, 3, 100, reserved=100))

        released = [
            ask(engine, new(oid, 2, 0, 1, 100, tif=1, reserved=oid))[1] for oid in (2, 3, 4)
        ]

        assert [e["maker_release"] for e in released] == [33, 33, 34]
        assert [e["taker_release"] for e in released] == [2, 3, 4]

    def test_the_takers_reservation_goes_with_each_of_its_fills(self, make_engine):
        engine = make_engine()
        for oid in (1, 2):
            ask(engine, new(oid, 1, 1, 1, 100))

        events = ask(engine, new(3, 2, 0, 3, 100, reserved=100))

        assert [e["taker_release"] for e in events if e["type"] == "FILL"] == [33, 33]
        assert engine.resting(0) == [(3, 2, 100, 1, 34, "")]

    def test_what_an_order_releases_in_all_is_what_it_reserved(self, make_engine):
        engine = make_engine()
        ask(engine, new(1, 1, 1, 7, 100, reserved=1000))

        fills = [ask(engine, new(oid, 2, 0, 2, 100, tif=1))[1] for oid in (2, 3)]
        (cancelled,) = ask(engine, order_cancel(oid=1, user_id=1, symbol_id=1))

        assert sum(e["maker_release"] for e in fills) + cancelled["released"] == 1000
        assert cancelled["released"] == 429

    @pytest.mark.parametrize(
        ("ppm", "qty", "px", "fee"),
        [
            (1000, 100, 100, 10),
            (1000, 7, 3, 1),
            (-500, 100, 100, -5),
            (100, 1, 1, 1),
            (-100, 1, 1, 0),
            (-333, 10, 1000, -3),
            (333, 10, 1000, 4),
            (0, 10, 1000, 0),
        ],
    )
    def test_charges_round_up_and_rebates_toward_zero(self, make_engine, ppm, qty, px, fee):
        engine = make_engine(taker_fee_ppm=ppm, maker_fee_ppm=ppm)
        ask(engine, new(1, 1, 1, qty, px))

        _, fill = ask(engine, new(2, 2, 0, qty, px, tif=1))

        assert (fill["taker_fee"], fill["maker_fee"]) == (fee, fee)

    def test_the_fee_of_the_largest_order_is_exact(self, make_engine):
        engine = make_engine(
            px_max=1 << 23, qty_max=1 << 40, notional_max=1 << 60, taker_fee_ppm=999_999,
            maker_fee_ppm=-999_999,
        )  # fmt: skip
        qty, px = (1 << 37) - 1, (1 << 23) - 1
        ask(engine, new(1, 1, 1, qty, px, reserved=(1 << 62) + 1))

        _, fill = ask(engine, new(2, 2, 0, qty - 1, px, tif=1))

        exact = px * (qty - 1) * 999_999
        assert fill["taker_fee"] == -(-exact // 1_000_000)
        assert fill["maker_fee"] == -(exact // 1_000_000)
        assert fill["maker_release"] == (1 << 62) + 1 - -(-((1 << 62) + 1) // qty)


class TestPositions:
    """R-3, BOOK-70."""

    def test_the_net_position_is_the_signed_sum_of_fills(self, table):
        table.run("""
            u1 sell 10 @ 100 GTC  -> accepted rests
            u2 buy 4 @ 100 IOC    -> accepted, fill 4 @ 100 of #1 left 0/6
            u1 net                -> -4
            u2 net                -> 4
            u1 buy 9 @ 90 GTC     -> accepted rests
            u2 sell 9 @ 90 IOC    -> accepted, fill 9 @ 90 of #3 left 0/0
            u1 net                -> 5
            u2 net                -> -5
            u3 net                -> 0
            """)
