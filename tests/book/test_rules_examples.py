"""The worked examples of specs/matching.md section 15, and those of the requirements by name.

Over the plain model and the compiled engine; the language of the tables is that of
`model/table.py`. Requirements that other files hold are named there; here are the ones that
are a story of their own: LIF, BOOK, MAT, VAL and TST items.
"""

from __future__ import annotations

import random

import pytest
from model.engines import ask, new
from model.wire import make_request, order_cancel


def events_of(events, oid):
    """Records of one order, by type."""
    return [
        e["type"] for e in events if oid in (e.get("oid"), e.get("taker_oid"), e.get("maker_oid"))
    ]


class TestSpec:
    """Section 15, line by line."""

    def test_a_partial_fill_and_what_an_ioc_leaves(self, make_table):
        """MAT-15, MAT-17."""
        make_table().run("""
            u1 sell 10 @ 50000 GTC  -> accepted rests
            u2 buy 5 @ 50000 IOC    -> accepted, fill 5 @ 50000 of #1 left 0/5
            u2 buy 15 @ 50000 IOC   -> accepted, fill 5 @ 50000 of #1 left 10/0, cancelled 10 3102
            """)

    def test_a_fill_or_kill_order_over_two_levels(self, make_table):
        """MAT-20 to MAT-22."""
        make_table().run("""
            u1 sell 5 @ 50000 GTC   -> accepted rests
            u1 sell 10 @ 51000 GTC  -> accepted rests
            u2 buy 10 @ 51000 FOK   -> accepted, fill 5 @ 50000 of #1 left 5/0,
                                     + fill 5 @ 51000 of #2 left 0/5
            u2 buy 15 @ 51000 FOK   -> rejected 3003
            book                    -> bid - | ask #2:5@51000
            """)

    def test_a_reduce_only_order_beyond_the_position(self, make_table):
        make_table().run("""
            u9 sell 30 @ 50000 GTC         -> accepted rests
            u1 buy 30 @ 50000 IOC          -> accepted, fill 30 @ 50000 of #1 left 0/0
            u1 sell 100 @ 50000 IOC reduce -> accepted, reduced by 70 to 30 3103, cancelled 30 3102
            """)

    def test_two_resting_reduce_only_orders_and_one_position(self, make_table):
        make_table().run("""
            u9 sell 10 @ 50000 GTC         -> accepted rests
            u1 buy 10 @ 50000 IOC          -> accepted, fill 10 @ 50000 of #1 left 0/0
            u1 sell 10 @ 50001 GTC reduce  -> accepted rests
            u1 sell 10 @ 50001 GTC reduce  -> accepted rests
            u2 buy 20 @ 50001 GTC          -> accepted, fill 10 @ 50001 of #3 left 10/0,
                                            + cancelled #4 10 3103, rests 10
            u1 net                         -> 0
            """)

    def test_a_second_reduce_only_order_that_is_cut(self, make_table):
        make_table().run("""
            u9 sell 10 @ 50000 GTC         -> accepted rests
            u1 buy 10 @ 50000 IOC          -> accepted, fill 10 @ 50000 of #1 left 0/0
            u1 sell 10 @ 50001 GTC reduce  -> accepted rests
            u1 sell 4 @ 50001 GTC reduce   -> accepted rests
            u2 buy 8 @ 50001 IOC           -> accepted, fill 8 @ 50001 of #3 left 0/2,
                                            + reduced #4 by 2 to 2 3103
            """)

    def test_post_only_at_the_best_ask(self, make_table):
        make_table().run("""
            u1 sell 5 @ 50000 GTC                -> accepted rests
            u2 buy 5 @ 50000 GTC post            -> rejected 3002
            u2 buy 5 @ 50000 GTC post reprice    -> accepted rests
            book                                 -> bid #3:5@49999 | ask #1:5@50000
            """)

    def test_self_trade_prevention_of_the_oldest(self, make_table):
        make_table().run("""
            u1 sell 10 @ 100 GTC             -> accepted rests
            u1 buy 10 @ 100 GTC stp=oldest   -> accepted, cancelled #1 10 3106, rests 10
            """)

    def test_an_amendment_keeps_its_place_or_goes_behind(self, make_table):
        make_table().run("""
            u2 buy 5 @ 100 GTC     -> accepted rests
            u1 buy 10 @ 100 GTC    -> accepted rests
            u1 amend #2 6 @ 100    -> amended 6 @ 100 open 6 kept
            u1 amend #2 12 @ 100   -> amended 12 @ 100 open 12 rests
            book                   -> bid #1:5@100 #2:12@100 | ask -
            """)

    def test_a_stop_on_last(self, make_table):
        make_table(reference_px=100).run("""
            u1 sell 10 stop 90 IOC last  -> waits
            u2 buy 1 @ 89 GTC            -> accepted rests
            u3 sell 1 @ 89 IOC  -> accepted, fill 1 @ 89 of #2 left 0/0; fired #1 at 89 level 90
            risk sends #1 @ 85           -> accepted, cancelled 10 3102
            """)

    def test_a_trailing_stop(self, make_table):
        make_table(reference_px=100).run("""
            u1 sell 10 trail 5 IOC  -> waits
            mark 104                -> mark 104
            mark 100                -> mark 100
            mark 99                 -> mark 99; fired #1 at 99 level 99
            """)


class TestLifecycle:
    """Section 4 of the requirements."""

    @pytest.fixture
    def story(self, make_engine):
        """Every way in which an order ends, and all of its records."""
        engine = make_engine(reference_px=100)
        log = []

        def send(request, ts=0):
            log.extend(ask(engine, request, ts))

        send(new(1, 9, 1, 10, 100))
        send(new(2, 1, 0, 10, 100, tif=1))  # 1 and 2 fill
        send(new(3, 1, 1, 15, 110, flags=2))  # cut, rests
        send(new(4, 2, 0, 4, 110))  # fills, 3 has 6 left
        send(order_cancel(oid=3, user_id=1, symbol_id=1))
        send(new(5, 2, 1, 5, 120, tif=3, expire_s=9))
        send(new(6, 2, 0, 5, 90, tif=1), 9_000_000_000)  # 5 expires, 6 ends unfilled
        send(new(7, 2, 1, 5, 130), 9_000_000_000)
        send(new(8, 2, 0, 9, 130, stp=3), 9_000_000_000)  # 7 and 8 cancel each other
        send(new(9, 2, 1, 5, 130, flags=1, cid="a"), 9_000_000_000)
        send(new(10, 2, 1, 5, 130, cid="a"), 9_000_000_000)  # a duplicate
        send(new(11, 3, 0, 5, 130, flags=1), 9_000_000_000)  # would cross
        send(make_request("ORDER_AMEND", oid=9, user_id=2, symbol_id=1, px=130), 9_000_000_000)
        return log

    TERMINAL = ("ORDER_CANCELLED", "ORDER_REJECTED", "ORDER_DUPLICATE")

    def ends(self, log, oid):
        for at, e in enumerate(log):
            if e["type"] in self.TERMINAL and e["oid"] == oid:
                yield at
            elif e["type"] == "FILL":
                for side in ("taker", "maker"):
                    if e[f"{side}_oid"] == oid and e[f"{side}_remaining"] == 0:
                        yield at

    def test_all_fills_come_before_the_one_terminal_event_and_nothing_after_it(self, story):
        """LIF-2, LIF-3, LIF-4: resting is an acknowledgement, the end is one record."""
        for oid in range(1, 12):
            (end,) = self.ends(story, oid)
            assert events_of(story[end + 1 :], oid) == [], oid

    def test_every_quantity_adds_up_at_the_end(self, story):
        """LIF-5: what was asked = filled + cut + cancelled, as the terminal record says."""
        for oid in (1, 2, 3, 4, 5, 6, 7, 8, 9):
            accepted = next(e for e in story if e["type"] == "ORDER_ACCEPTED" and e["oid"] == oid)
            filled = sum(e["qty"] for e in story if e["type"] == "FILL" and oid in (
                e["taker_oid"], e["maker_oid"]))  # fmt: skip
            cut = [e for e in story if e["type"] == "ORDER_REDUCED" and e["oid"] == oid]
            ended = [e for e in story if e["type"] == "ORDER_CANCELLED" and e["oid"] == oid]
            assert all(e["filled_qty"] == filled for e in ended)
            rest = sum(e["cancelled_qty"] for e in cut + ended)
            assert accepted["qty"] == filled + rest, oid

    def test_every_end_has_a_reason_of_its_own(self, story):
        """LIF-4."""
        reasons = {e["oid"]: e["reason"] for e in story if e["type"] in (
            "ORDER_CANCELLED", "ORDER_REJECTED")}  # fmt: skip
        assert reasons == {3: 3101, 5: 3105, 6: 3102, 7: 3106, 8: 3106, 9: 3109, 11: 3002}

    def test_the_update_that_says_resting_says_what_traded_before(self, make_engine):
        """LIF-5: an order that rests after fills has its whole and its open quantity told."""
        engine = make_engine()
        ask(engine, new(1, 1, 1, 4, 100))

        rested = ask(engine, new(2, 2, 0, 10, 100))[-1]

        assert (rested["qty"], rested["remaining"]) == (10, 6)

    def test_a_retry_with_the_same_client_id_and_a_new_order_id_trades_once(self, table):
        """LIF-8's [D]: the client id goes all the way to matching."""
        table.run("""
            u2 sell 10 @ 100 GTC         -> accepted rests
            u1 buy 5 @ 100 GTC cid=retry -> accepted, fill 5 @ 100 of #1 left 0/5
            u1 buy 5 @ 100 GTC cid=retry -> duplicate #2 filled 5+0 of 5 @ 100
            u1 net                       -> 5
            """)

    def test_every_cancel_is_answered(self, table):
        """LIF-12, MAT-46: unknown, early, filled, cancelled and foreign."""
        table.run("""
            u1 cancel #1             -> refused 3007
            u1 sell 5 @ 100 GTC      -> accepted rests
            u2 cancel #1             -> refused 3007
            u1 cancel #1             -> cancelled 5 3101
            u1 cancel #1             -> refused 3007
            u1 sell 5 @ 100 GTC      -> accepted rests
            u2 buy 5 @ 100 IOC       -> accepted, fill 5 @ 100 of #2 left 0/0
            u1 cancel #2             -> refused 3007
            """)


class TestBook:
    """Section 5.1 and 5.7 of the requirements."""

    def test_a_full_slab_refuses_and_never_aborts(self, make_table):
        """BOOK-11: long after the last slot, with other orders still served."""
        table = make_table(orders_max=3)
        for n in range(3):
            table.run(f"u1 buy 1 @ {100 + n} GTC  -> accepted rests")
        for _ in range(100):
            table.run("u1 buy 1 @ 99 GTC  -> rejected 3005")
        table.run("""
            u2 sell 1 @ 102 IOC  -> accepted, fill 1 @ 102 of #3 left 0/0
            u1 buy 1 @ 99 GTC    -> accepted rests
            """)

    def test_a_freed_slot_serves_again_and_the_old_id_is_gone(self, make_table):
        """BOOK-10, BOOK-12, BOOK-13: double cancels and stale ids, through all slots."""
        table = make_table(orders_max=4)
        rng = random.Random(4)
        living: list[int] = []
        for _ in range(300):
            if len(living) == 4 or (living and rng.random() < 0.5):
                gone = living.pop(rng.randrange(len(living)))
                table.run(f"""
                    u1 cancel #{gone}  -> cancelled 5 3101
                    u1 cancel #{gone}  -> refused 3007
                    """)
            else:
                table.run(f"u1 buy 5 @ {rng.randint(90, 99)} GTC  -> accepted rests")
                living.append(table.oid)

    def test_more_users_than_16_bits_count(self, make_engine):
        """BOOK-71's [B]: the 65 536th user and order are like the others."""
        engine = make_engine(users_max=70_000, orders_max=70_000, dedup_orders_max=1 << 18)
        for user in range(1, 65_600):
            engine.submit(new(user, user, 0, 1, 100), 0)

        (event,) = ask(engine, new(70_000, 65_600, 0, 1, 100))
        fills = ask(engine, new(70_001, 65_601, 1, 65_600, 100, tif=1))

        assert event["type"] == "ORDER_ACCEPTED"
        assert len(fills) == 65_601
        assert fills[-1]["maker_oid"] == 70_000
        assert engine.net(65_599) == engine.net(65_600) == 1
        assert engine.net(65_601) == -65_600

    def test_one_user_may_have_more_orders_than_16_bits_count(self, make_engine):
        """BOOK-71."""
        engine = make_engine(
            orders_max=70_000, open_orders_per_user_max=66_000, dedup_orders_max=1 << 18
        )
        for oid in range(1, 66_001):
            engine.submit(new(oid, 1, 0, 1, 100), 0)

        (refused,) = ask(engine, new(70_000, 1, 0, 1, 100))
        ask(engine, order_cancel(oid=1, user_id=1, symbol_id=1))
        (accepted,) = ask(engine, new(70_001, 1, 0, 1, 100))

        assert (refused["type"], refused["reason"]) == ("ORDER_REJECTED", 3006)
        assert accepted["type"] == "ORDER_ACCEPTED"


class TestMatching:
    """Section 6 of the requirements, where no rule test says it."""

    def test_the_steps_refuse_in_their_order(self, make_table):
        """MAT-1: duplicate, rules, expiry, notional, mode, band, room, reduce-only, post-only."""
        make_table(
            notional_min=100,
            price_band_ppm=100_000,
            reference_px=100,
            orders_max=2,
            open_orders_per_user_max=2,
        ).run("""
            u1 sell 2 @ 100 GTC cid=a                              -> accepted rests
            u2 buy 1 @ 90 GTC reduce                               -> rejected 3004
            u2 sell 2 @ 109 GTC                                    -> accepted rests
            mode halt                                              -> mode halt was open
            u1 buy 0 @ 9 GTD cid=a until=1 at=2 -> duplicate #1 resting 0+2 of 2 @ 100
            u1 buy 0 @ 200 GTD until=1 reduce post                 -> rejected 3008
            u1 buy 1 @ 99 GTD until=1 post                         -> rejected 3016
            u1 buy 1 @ 99 GTC post                                 -> rejected 3009
            u1 buy 2 @ 200 GTC post                                -> rejected 3012
            mode open                                              -> mode open was halt
            u1 buy 2 @ 200 GTC post                                -> rejected 3010
            u1 buy 2 @ 100 GTC reduce post                         -> rejected 3005
            u2 cancel #3                                           -> cancelled 2 3101
            u1 buy 2 @ 100 GTC reduce post                         -> rejected 3004
            u1 buy 2 @ 100 GTC post                                -> rejected 3002
            """)

    def test_price_improvement_goes_to_the_taker_level_by_level(self, table):
        """MAT-3, MAT-4."""
        table.run("""
            u1 sell 1 @ 100 GTC  -> accepted rests
            u1 sell 2 @ 105 GTC  -> accepted rests
            u2 buy 3 @ 200 GTC   -> accepted, fill 1 @ 100 of #1 left 2/0,
                                  + fill 2 @ 105 of #2 left 0/0
            """)

    def test_orders_that_do_not_cross_at_a_shared_slot_are_untouched(self, make_table):
        """MAT-22's compressed slot: 10 crossing, 100 beyond the limit, a fill-or-kill of 50."""
        make_table(px_max=10_000_000, reference_px=1_000_000).run("""
            u1 sell 10 @ 1400000 GTC  -> accepted rests
            u1 sell 100 @ 1400001 GTC -> accepted rests
            u2 buy 50 @ 1400000 FOK   -> rejected 3003
            u2 buy 50 @ 1400000 IOC   -> accepted, fill 10 @ 1400000 of #1 left 40/0,
                                       + cancelled 40 3102
            book                      -> bid - | ask #2:100@1400001
            """)

    def test_an_order_sweeps_more_makers_than_any_buffer_has_room_for(self, make_engine):
        """MAT-5's [D]."""
        engine = make_engine(orders_max=20_000, dedup_orders_max=1 << 16)
        for oid in range(1, 20_001):
            engine.submit(new(oid, 1 + oid % 50, 1, 1, 100 + oid % 7), 0)

        events = engine.submit(new(30_000, 60, 0, 20_000, 200, tif=2), 0)

        assert len(events) == 20_001
        assert engine.best() == (0, 0)

    def test_the_same_requests_make_the_same_bytes(self, make_engine):
        """MAT-50: time is an argument, and nothing else is looked at."""
        rng = random.Random(50)
        requests = [
            new(oid, rng.randint(1, 4), rng.randrange(2), rng.randint(1, 9), rng.randint(95, 105),
                tif=rng.choice((0, 1)), cid=rng.choice(("", "a", "b")))
            for oid in range(1, 400)
        ]  # fmt: skip
        runs = []
        for _ in range(2):
            engine = make_engine()
            runs.append([engine.submit(r, at * 10**8) for at, r in enumerate(requests)])

        assert runs[0] == runs[1]


class TestValues:
    """VAL-14 to VAL-16, VAL-31: limits that the requirements found missing."""

    @pytest.mark.parametrize(
        ("tick", "lot", "px", "qty", "due"),
        [
            (10, 1, 5_000_001, 1, 3008), (1000, 1, 5_000_000, 1, 0),
            (1, 1000, 5_000_000, 1500, 3008),
            (1, 1000, 5_000_000, 2000, 0), (1, 1, 0, 1, 3008), (1, 1, -1, 1, 3008),
            (1, 1, (1 << 63) - 1, 1, 3008), (1, 1, 1 << 62, 1, 3008), (1, 1, 1, 0, 3008),
            (1, 1, 1, -1, 3008), (1, 1, 1, (1 << 63) - 1, 3008), (1, 1000, 1, 1, 3008),
        ],
    )  # fmt: skip
    def test_prices_and_quantities(self, make_engine, tick, lot, px, qty, due):
        engine = make_engine(tick=tick, lot=lot, px_max=10_000_000)

        (event,) = ask(engine, new(1, 1, 0, qty, px))

        assert event.get("reason", 0) == due
