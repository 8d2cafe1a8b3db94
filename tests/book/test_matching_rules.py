"""specs/matching.md, sentence by sentence, over the plain model and the compiled engine.

The language of the tables is that of `model/table.py`.
"""

from __future__ import annotations

import random
from itertools import pairwise

import pytest
from model.engines import ask, new
from model.wire import as_event, order_cancel

from rsx.records import BY_NAME

SMALL = {"orders_max": 16, "users_max": 16, "dedup_orders_max": 32, "dedup_window_s": 60}


class TestPriority:
    """B-1, M-8; BOOK-2, BOOK-5, MAT-2 to MAT-4."""

    def test_the_better_price_comes_first_and_then_the_older_order(self, table):
        table.run("""
            u1 sell 3 @ 102 GTC  -> accepted rests
            u2 sell 3 @ 101 GTC  -> accepted rests
            u3 sell 3 @ 101 GTC  -> accepted rests
            u4 sell 3 @ 100 GTC  -> accepted rests
            u5 buy 10 @ 102 IOC  -> accepted, fill 3 @ 100 of #4 left 7/0,
                                  + fill 3 @ 101 of #2 left 4/0, fill 3 @ 101 of #3 left 1/0,
                                  + fill 1 @ 102 of #1 left 0/2
            """)

    def test_bids_are_taken_from_the_highest_down(self, table):
        table.run("""
            u1 buy 3 @ 98 GTC   -> accepted rests
            u2 buy 3 @ 99 GTC   -> accepted rests
            u3 buy 3 @ 99 GTC   -> accepted rests
            u4 sell 8 @ 98 IOC  -> accepted, fill 3 @ 99 of #2 left 5/0,
                                 + fill 3 @ 99 of #3 left 2/0, fill 2 @ 98 of #1 left 0/1
            book                -> bid #1:1@98 | ask -
            """)

    def test_a_maker_that_trades_in_part_keeps_its_place(self, table):
        table.run("""
            u1 sell 10 @ 100 GTC  -> accepted rests
            u2 sell 10 @ 100 GTC  -> accepted rests
            u3 buy 4 @ 100 IOC    -> accepted, fill 4 @ 100 of #1 left 0/6
            u3 buy 7 @ 100 IOC    -> accepted, fill 6 @ 100 of #1 left 1/0,
                                   + fill 1 @ 100 of #2 left 0/9
            """)

    def test_the_price_is_the_makers_so_improvement_is_the_takers(self, table):
        table.run("""
            u1 sell 5 @ 100 GTC   -> accepted rests
            u2 buy 5 @ 150 GTC    -> accepted, fill 5 @ 100 of #1 left 0/0
            u1 buy 5 @ 100 GTC    -> accepted rests
            u2 sell 5 @ 50 GTC    -> accepted, fill 5 @ 100 of #3 left 0/0
            """)

    def test_an_order_taken_away_and_sent_again_is_last_in_its_queue(self, table):
        """TST-12."""
        table.run("""
            u1 sell 5 @ 100 GTC  -> accepted rests
            u2 sell 5 @ 100 GTC  -> accepted rests
            u1 cancel #1         -> cancelled 5 3101
            u1 sell 5 @ 100 GTC  -> accepted rests
            book                 -> bid - | ask #2:5@100 #3:5@100
            u3 buy 5 @ 100 IOC   -> accepted, fill 5 @ 100 of #2 left 0/0
            """)


class TestRules:
    """M-2, VAL-14, VAL-15, VAL-30, VAL-31: what matching refuses, whatever the edge let pass."""

    @pytest.mark.parametrize(
        ("name", "order"),
        [
            ("quantity 0", {"qty": 0}),
            ("a negative quantity", {"qty": -5}),
            ("a quantity off the lot", {"qty": 12}),
            ("a quantity over qty_max", {"qty": 1005}),
            ("price 0", {"px": 0}),
            ("a negative price", {"px": -10}),
            ("a price off the tick", {"px": 1005}),
            ("a price over px_max", {"px": 20_010}),
            ("a notional over the limit", {"px": 20_000, "qty": 1000}),
            ("post-only with IOC", {"tif": 1, "flags": 1}),
            ("post-only with FOK", {"tif": 2, "flags": 1}),
            ("the flag that only an amendment carries", {"flags": 64}),
            ("the flag that only an acceptance carries", {"flags": 4}),
            ("an unknown side", {"side": 2}),
            ("an unknown tif", {"tif": 4}),
            ("no user", {"user": 0}),
            ("no order id", {"oid": 0}),
            ("another market", {"symbol_id": 2}),
        ],
    )
    def test_an_order_outside_the_rules_is_rejected_with_3008(self, make_engine, name, order):
        engine = make_engine(tick=10, lot=5, px_max=20_000, qty_max=1000, notional_max=19_999_999)
        right = {"side": 0, "qty": 10, "px": 1000, "cid": "a", "reserved": 77}

        (event,) = ask(engine, new(**{"oid": 1, "user": 1, **right, **order}))

        assert (event["type"], event["reason"]) == ("ORDER_REJECTED", 3008), name
        assert event["released"] == 77
        assert engine.best() == (0, 0)
        (event,) = ask(engine, new(oid=2, user=1, **right))
        assert event["type"] == "ORDER_ACCEPTED", "the client id is not used up"

    def test_a_negative_reservation_is_refused(self, make_engine):
        (event,) = ask(make_engine(), new(1, 1, 0, 10, 100, reserved=-1))

        assert (event["reason"], event["released"]) == (3008, -1)

    def test_a_client_id_that_cannot_be_is_refused_and_its_answer_can_be_decoded(self, make_engine):
        engine = make_engine()
        request = BY_NAME["ORDER_NEW"].pack(
            oid=1, user_id=1, symbol_id=1, qty=5, px=100, cid=b"x" * 36, cid_len=37
        )
        cancel = BY_NAME["ORDER_CANCEL"].pack(user_id=1, symbol_id=1, cid=b"x" * 36, cid_len=200)

        (rejected,), (refused,) = ask(engine, request), ask(engine, cancel)

        assert (rejected["reason"], rejected["cid_len"]) == (3008, 36)
        assert (refused["reason"], refused["cid_len"]) == (3007, 36)

    def test_the_limits_themselves_are_allowed(self, make_engine):
        engine = make_engine(tick=10, lot=5, px_max=20_000, qty_max=1000, notional_max=20_000_000)

        for oid, order in enumerate([(1000, 20_000), (5, 10), (1000, 10), (5, 20_000)], 1):
            assert ask(engine, new(oid, 1, 0, *order))[0]["type"] == "ORDER_ACCEPTED", order

    def test_a_product_that_leaves_64_bits_is_refused_and_not_wrapped(self, make_engine):
        engine = make_engine(px_max=(1 << 24) - 1, qty_max=1 << 62, notional_max=1 << 60)

        (event,) = ask(engine, new(1, 1, 0, 1 << 62, 1 << 22))

        assert event["reason"] == 3008

    def test_an_unknown_side_tif_or_flag_bit_reads_0_so_that_the_answer_can_be_decoded(
        self, make_engine
    ):
        engine = make_engine()

        (event,) = ask(engine, new(1, 1, 7, 10, 100, tif=9, flags=0x46))

        assert (event["side"], event["tif"], event["flags"]) == (0, 0, 2)


class TestRoom:
    """M-3; BOOK-11, VAL-16."""

    def test_a_full_book_refuses_gtc_and_still_takes_ioc_and_fok(self, make_table):
        make_table(orders_max=2).run("""
            u1 sell 5 @ 100 GTC   -> accepted rests
            u2 sell 5 @ 101 GTC   -> accepted rests
            u3 sell 5 @ 102 GTC   -> rejected 3005
            u3 buy 9 @ 100 GTC    -> rejected 3005
            u3 buy 2 @ 100 IOC    -> accepted, fill 2 @ 100 of #1 left 0/3
            u3 buy 3 @ 100 FOK    -> accepted, fill 3 @ 100 of #1 left 0/0
            u3 sell 5 @ 102 GTC   -> accepted rests
            """)

    def test_a_full_user_table_refuses_a_new_user_of_any_tif(self, make_table):
        make_table(users_max=2).run("""
            u1 sell 5 @ 100 GTC   -> accepted rests
            u2 sell 5 @ 101 GTC   -> accepted rests
            u3 buy 5 @ 100 IOC    -> rejected 3005
            u3 buy 5 @ 90 GTC     -> rejected 3005
            u1 buy 1 @ 90 GTC     -> accepted rests
            """)

    def test_a_refused_request_takes_no_place_in_the_user_table(self, make_table):
        make_table(users_max=2).run("""
            u1 sell 5 @ 100 GTC        -> accepted rests
            u2 buy 5 @ 100 GTC post    -> rejected 3002
            u3 buy 6 @ 100 FOK         -> rejected 3003
            u4 buy 6 @ 90 GTC reduce   -> rejected 3004
            u5 buy 5 @ 90 GTC          -> accepted rests
            u6 buy 5 @ 90 GTC          -> rejected 3005
            """)

    def test_too_many_open_orders_of_one_user_are_3006_and_only_for_gtc(self, make_table):
        make_table(open_orders_per_user_max=2).run("""
            u1 sell 5 @ 100 GTC   -> accepted rests
            u1 sell 5 @ 101 GTC   -> accepted rests
            u1 sell 5 @ 102 GTC   -> rejected 3006
            u1 buy 9 @ 102 GTC    -> rejected 3006
            u1 buy 1 @ 100 IOC    -> accepted, fill 1 @ 100 of #1 left 0/4
            u2 sell 5 @ 102 GTC   -> accepted rests
            u1 cancel #2          -> cancelled 5 3101
            u1 sell 5 @ 102 GTC   -> accepted rests
            """)

    def test_a_filled_order_no_longer_counts_as_open(self, make_table):
        make_table(open_orders_per_user_max=1, orders_max=2).run("""
            u1 sell 5 @ 100 GTC   -> accepted rests
            u2 buy 5 @ 100 IOC    -> accepted, fill 5 @ 100 of #1 left 0/0
            u1 sell 5 @ 100 GTC   -> accepted rests
            u2 buy 3 @ 100 GTC    -> accepted, fill 3 @ 100 of #3 left 0/2
            u2 buy 3 @ 90 GTC     -> accepted rests
            """)

    def test_a_full_book_is_said_before_too_many_open_orders(self, make_table):
        make_table(orders_max=1, open_orders_per_user_max=1).run("""
            u1 sell 5 @ 100 GTC   -> accepted rests
            u1 sell 5 @ 100 GTC   -> rejected 3005
            """)

    def test_a_thousand_inserts_and_cancels_lose_no_slot(self, make_table):
        """TST-10, shortened, on a slab of two."""
        table = make_table(orders_max=2)
        for n in range(500):
            table.run(f"""
                u1 sell 5 @ {100 + n} GTC         -> accepted rests
                u2 sell 5 @ 100 GTC               -> accepted rests
                u1 cancel #{2 * n + 1}            -> cancelled 5 3101
                u2 cancel #{2 * n + 2}            -> cancelled 5 3101
                """)
        table.run("book -> bid - | ask -")


class TestPostOnly:
    """M-5."""

    def test_it_rests_when_it_does_not_cross_and_equality_crosses(self, table):
        table.run("""
            u1 buy 5 @ 99 GTC post     -> accepted rests
            u1 sell 5 @ 101 GTC post   -> accepted rests
            u2 buy 5 @ 101 GTC post    -> rejected 3002
            u2 buy 5 @ 102 GTC post    -> rejected 3002
            u2 sell 5 @ 99 GTC post    -> rejected 3002
            u2 sell 5 @ 98 GTC post    -> rejected 3002
            u2 buy 5 @ 100 GTC post    -> accepted rests
            u1 cancel #1               -> cancelled 5 3101
            u2 sell 5 @ 101 GTC post   -> accepted rests
            book                       -> bid #7:5@100 | ask #2:5@101 #8:5@101
            """)

    def test_cancelling_the_best_makes_room_below_the_next(self, make_table):
        """TST-5 (e)."""
        make_table().run("""
            u1 sell 100 @ 52501 GTC      -> accepted rests
            u2 sell 100 @ 52509 GTC      -> accepted rests
            u1 cancel #1                 -> cancelled 100 3101
            u3 buy 10 @ 52505 GTC post   -> accepted rests
            book                         -> bid #3:10@52505 | ask #2:100@52509
            """)


class TestFillOrKill:
    """M-6; INV-20; MAT-20, MAT-21, MAT-23."""

    def test_it_fills_whole_or_is_rejected_with_the_book_untouched(self, make_table):
        make_table().run("""
            u1 sell 10 @ 50000 GTC  -> accepted rests
            u2 buy 15 @ 50000 FOK   -> rejected 3003
            u2 buy 10 @ 49999 FOK   -> rejected 3003
            book                    -> bid - | ask #1:10@50000
            u2 buy 10 @ 50000 FOK   -> accepted, fill 10 @ 50000 of #1 left 0/0
            u2 buy 1 @ 50000 FOK    -> rejected 3003
            """)

    def test_prices_beyond_its_limit_do_not_count(self, make_table):
        """TST-5 (c) and (d)."""
        table = make_table(tick=3, px_max=210_000)
        table.run("""
            u1 sell 10 @ 52497 GTC  -> accepted rests
            u2 sell 10 @ 52500 GTC  -> accepted rests
            u3 buy 20 @ 52497 FOK   -> rejected 3003
            book                    -> bid - | ask #1:10@52497 #2:10@52500
            u3 buy 20 @ 52500 FOK   -> accepted, fill 10 @ 52497 of #1 left 10/0,
                                     + fill 10 @ 52500 of #2 left 0/0
            u3 net                  -> 20
            """)

    def test_3000_random_ones_are_filled_when_the_crossing_quantities_add_up(self, make_engine):
        """TST-8: against the plain sum of what rests at the limit or better."""
        engine = make_engine(orders_max=512)
        rng = random.Random(8)
        outcomes = {True: 0, False: 0}
        for oid in range(1, 6001, 2):
            side, px = rng.randrange(2), rng.randint(90, 110)
            resting = engine.resting(1 - side)
            rows = [r for r in resting if (r[2] <= px if side == 0 else r[2] >= px)]
            qty = rng.randint(1, 60)

            events = ask(engine, new(oid, 1 + oid % 5, side, qty, px, tif=2))

            filled = events[0]["type"] == "ORDER_ACCEPTED"
            assert filled == (sum(r[3] for r in rows) >= qty)
            outcomes[filled] += 1
            assert sum(e["qty"] for e in events if e["type"] == "FILL") == (qty if filled else 0)
            side, px = rng.randrange(2), rng.randint(90, 110)
            ask(engine, new(oid + 1, 1 + oid % 5, side, rng.randint(1, 30), px))
        assert min(outcomes.values()) > 500, outcomes


class TestBestPrice:
    """B-2: the next occupied level, wherever it lies."""

    EDGES = (0, 1, 62, 63, 64, 65, 127, 4094, 4095, 4096, 4097, 262_143, 262_144, 262_145,
             8_388_607, 8_388_608, 16_777_151, 16_777_152, 16_777_214)  # fmt: skip

    @pytest.mark.parametrize("shape", ["edges", "sparse", "dense", "one wall", "two ends"])
    def test_it_is_the_best_of_what_rests_after_every_step(self, make_engine, shape):
        """TST-9, over all 2^24 - 1 prices of tick 1."""
        top = (1 << 24) - 1
        engine = make_engine(px_max=top, orders_max=256, notional_max=1 << 60)
        rng = random.Random(shape)
        draw = {
            "edges": lambda: rng.choice(self.EDGES) + 1,
            "sparse": lambda: rng.randint(1, top),
            "dense": lambda: 8_388_608 + rng.randint(-40, 40),
            "one wall": lambda: rng.choice((262_144, rng.randint(1, top))),
            "two ends": lambda: rng.choice((1, 2, top - 1, top)),
        }[shape]
        resting: dict[int, tuple[int, int]] = {}  # order -> (side, price)
        for oid in range(1, 1500):
            side = rng.randrange(2)
            if len(resting) > 200 or (resting and rng.random() < 0.45):
                gone = rng.choice(list(resting))
                ask(engine, order_cancel(oid=gone, user_id=1, symbol_id=1))
                del resting[gone]
            else:
                events = ask(engine, new(oid, 1, side, 1, draw()))
                self.follow(resting, events)
            bids = [px for s, px in resting.values() if s == 0]
            asks = [px for s, px in resting.values() if s == 1]
            assert engine.best() == (max(bids, default=0), min(asks, default=0))

    def follow(self, resting, events):
        """All quantities are 1, so a fill ends both orders."""
        if len(events) == 1:
            resting[events[0]["oid"]] = (events[0]["side"], events[0]["px"])
            return
        del resting[events[1]["maker_oid"]]


class TestRegressions:
    def test_prices_that_once_shared_a_slot_do_not_trade_at_each_other(self, table):
        """TST-5 (a) and (b)."""
        table.run("""
            u1 buy 10 @ 47491 GTC   -> accepted rests
            u2 sell 10 @ 47495 GTC  -> accepted rests
            u3 sell 20 @ 47490 GTC  -> accepted, fill 10 @ 47491 of #1 left 10/0, rests 10
            u1 net                  -> 10
            u2 net                  -> 0
            u3 net                  -> -10
            book                    -> bid - | ask #3:10@47490 #2:10@47495
            u4 buy 10 @ 47000 GTC   -> accepted rests
            u5 sell 10 @ 46900 GTC  -> accepted, fill 10 @ 47000 of #4 left 0/0
            u6 buy 40 @ 47495 GTC   -> accepted, fill 10 @ 47490 of #3 left 30/0,
                                     + fill 10 @ 47495 of #2 left 20/0, rests 20
            book                    -> bid #6:20@47495 | ask -
            """)

    def test_a_sweep_of_500_makers_makes_500_fills(self, make_engine):
        """TST-10."""
        engine = make_engine(users_max=600)
        for oid in range(1, 501):
            ask(engine, new(oid, oid, 1, 2, 100 + oid % 7))

        events = ask(engine, new(501, 501, 0, 1000, 106, tif=1))

        fills = [e for e in events if e["type"] == "FILL"]
        assert len(events) == 501 and len(fills) == 500
        assert all(e["maker_remaining"] == 0 for e in fills)
        assert fills[-1]["taker_remaining"] == 0
        keys = [(e["px"], e["maker_oid"]) for e in fills]
        assert keys == sorted(keys)
        assert engine.best() == (0, 0)


class TestGroups:
    """M-7, M-10, M-11, BOOK-43 (the table helper checks the group flag on every line)."""

    def test_a_crossing_gtc_that_fills_whole_does_not_rest(self, table):
        table.run("""
            u1 sell 5 @ 100 GTC  -> accepted rests
            u2 buy 5 @ 100 GTC   -> accepted, fill 5 @ 100 of #1 left 0/0
            book                 -> bid - | ask -
            """)

    def test_a_crossing_gtc_rests_with_what_is_left_at_its_limit(self, table):
        """MAT-10, MAT-11."""
        table.run("""
            u1 sell 5 @ 100 GTC  -> accepted rests
            u2 buy 8 @ 101 GTC   -> accepted, fill 5 @ 100 of #1 left 3/0, rests 3
            book                 -> bid #2:3@101 | ask -
            """)

    def test_an_ioc_without_a_match_is_accepted_and_cancelled_whole(self, table):
        """MAT-16, MAT-17."""
        table.run("""
            u1 buy 10 @ 50000 IOC   -> accepted, cancelled 10 3102
            u2 sell 10 @ 51000 GTC  -> accepted rests
            u1 buy 10 @ 50000 IOC   -> accepted, cancelled 10 3102
            """)

    def test_the_acceptance_repeats_the_request_and_adds_the_flag_rests(self, make_engine):
        engine = make_engine()
        request = new(
            7, 3, 1, 10, 100, flags=1, cid="my-order", reserved=555, received_ns=11,
            owner_group=4, stp=2,
        )  # fmt: skip

        (event,) = ask(engine, request, ts_ns=99)

        due = as_event(request) | {
            "type": "ORDER_ACCEPTED", "flags": 5, "header_flags": 1, "stream": 1, "ts_ns": 99,
        }  # fmt: skip
        assert event == due

    def test_a_rejection_repeats_the_request_with_the_reason(self, make_engine):
        engine = make_engine()
        request = new(7, 3, 1, 10, 100, flags=2, cid="my-order", reserved=555)

        (event,) = ask(engine, request, ts_ns=99)

        names = {f.name for f in BY_NAME["ORDER_REJECTED"].fields} & as_event(request).keys()
        assert {n: event[n] for n in names - {"ts_ns"}} == {
            n: as_event(request)[n] for n in names - {"ts_ns"}
        }
        assert (event["ts_ns"], event["released"], event["reason"]) == (99, 555, 3004)
        assert event["cid"][:9] == b"my-order\0"

    def test_every_refusal_leaves_the_client_id_free(self, make_table):
        make_table(orders_max=2, open_orders_per_user_max=1).run("""
            u1 sell 5 @ 100 GTC              -> accepted rests
            u2 buy 5 @ 0 GTC cid=a           -> rejected 3008
            u2 buy 5 @ 90 GTC reduce cid=a   -> rejected 3004
            u2 buy 5 @ 100 GTC post cid=a    -> rejected 3002
            u2 buy 6 @ 100 FOK cid=a         -> rejected 3003
            u2 buy 5 @ 90 GTC cid=a          -> accepted rests
            u2 buy 5 @ 90 GTC cid=b          -> rejected 3005
            u1 cancel #1                     -> cancelled 5 3101
            u2 buy 5 @ 90 GTC cid=b          -> rejected 3006
            u2 cancel #6                     -> cancelled 5 3101
            u2 buy 5 @ 90 GTC cid=b          -> accepted rests
            """)


def test_bids_and_asks_are_listed_best_first(table):
    table.run("""
        u1 sell 5 @ 102 GTC  -> accepted rests
        u1 sell 5 @ 101 GTC  -> accepted rests
        u1 buy 5 @ 98 GTC    -> accepted rests
        u1 buy 5 @ 99 GTC    -> accepted rests
        book                 -> bid #4:5@99 #3:5@98 | ask #2:5@101 #1:5@102
        """)

    assert table.engine.best() == (99, 101)
    for side, sign in ((0, -1), (1, 1)):
        prices = [sign * row[2] for row in table.engine.resting(side)]
        assert all(a <= b for a, b in pairwise(prices))
