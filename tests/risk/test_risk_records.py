"""Records of funding, liquidation, transfers and rules, folded by the plain and compiled ledger.

What fits gives the balances that the specs say; what does not fit stops either of them.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from model.ledger_table import LedgerTable
from model.symbols import make_symbol, rules_records
from model.wire import changed

from rsx import records
from rsx.core.check import InvariantError
from rsx.records import FUND_USER_BASE

MINUTE = 60_000_000_000
DAY_S = 86_400 * 20_000
RATE = 5_000_000  # 50 bp
STOPS = (InvariantError, AssertionError, KeyError)
STARTED, ORDERED, RECOVERED, BANKRUPT, CLOSED = range(1, 6)
REDUCE_ONLY = 2
FUND = FUND_USER_BASE + 1
TO_CLOSE = {"net_qty": 10, "qty": 10, "side": 1}


class Script(LedgerTable):
    """Lines as in LedgerTable, and records."""

    def record(self, name: str, **values: Any) -> int:
        """Apply a record of symbol 1; returns its number."""
        record = records.BY_NAME[name]
        if "symbol_id" in record.offsets:
            values = {"symbol_id": 1, **values}
        self.put(record.pack(**{"ts_ns": self.now_ns, **values}))
        return len(self.log)

    def put(self, data: bytes, **damage: Any) -> None:
        self.log.append(changed(data, seq=len(self.log) + 1, stream=1, **damage))
        self.ledger.apply(self.log[-1])

    def price(self, minute: int, px: int, index: int = 0, state: int = 0) -> None:
        self.now_ns = DAY_S * 10**9 + minute * MINUTE
        self.record("MARK_PRICE", mark_px=px, index_px=index or px, state=state)

    def collateral(self, user: int) -> int:
        return int(self.ledger.account(user, self.now_ns)["collateral"])

    def equity(self, user: int) -> int:
        return int(self.ledger.account(user, self.now_ns)["equity"])


@pytest.fixture
def make_script(make_ledger: Callable[..., Any]) -> Callable[..., Script]:
    def make(**changes: Any) -> Script:
        script = Script(make_ledger(**{"mark_source": "feed", "reference_px": 333, **changes}))
        script.run("""
            u1 deposits 100000
            u2 deposits 100000
            u3 deposits 100000
            u4 deposits 100000
            """)
        return script

    return make


# --- funding ------------------------------------------------------------------------------------

SETTLED = {"interval_id": (DAY_S + 3600) // 3600, "rate_ppb": RATE, "mark_px": 333,
           "index_px": 333, "premium_ppb": RATE, "samples": 60}  # fmt: skip
HOURLY = {"funding_interval_s": 3600, "funding_interest_ppb": RATE, "funding_damp_ppb": 0,
          "funding_cap_ppb": 10**9}  # fmt: skip


def settle(script: Script, **changes: Any) -> None:
    """Nets 1, 1, 1, -3; an hour of a premium of 50 bp; then the settlement at 333."""
    script.price(0, 201, 200)
    for user in (1, 2, 3):
        script.run(f"u{user} buys 1 @ 333 of u4")
    for minute in range(6):
        script.price(10 * (minute + 1), 201, 200)
    script.price(60, 333, 333)
    script.record("FUNDING_SETTLED", **{**SETTLED, **changes})


def pay(script: Script, user: int, amount: int, net: int, **more: Any) -> None:
    script.record("FUNDING_PAYMENT", **{
        "interval_id": SETTLED["interval_id"], "user_id": user, "amount": amount, "net_qty": net,
        "mark_px": 333, "rate_ppb": RATE, **more,
    })  # fmt: skip


DONE = {"interval_id": SETTLED["interval_id"], "residue": 2, "paid": 6, "received": 4,
        "payments": 4}  # fmt: skip


class TestFunding:
    def test_a_settlement_is_owed_and_then_booked(self, make_script):
        """FND-6 as FN-7 and FN-8 change it: 2 each, 4 received, residue 2; INV-9."""
        script = make_script(**HOURLY)
        settle(script)
        assert [script.equity(u) for u in (1, 2, 3, 4)] == [99_998, 99_998, 99_998, 100_004]
        assert script.collateral(1) == 100_000
        for user, amount, net in ((1, 2, 1), (2, 2, 1), (3, 2, 1), (4, -4, -3)):
            pay(script, user, amount, net)
        script.ledger.audit()
        script.record("FUNDING_DONE", **DONE)
        assert [script.collateral(u) for u in (1, 2, 3, 4)] == [99_998, 99_998, 99_998, 100_004]
        assert [script.equity(u) for u in (1, 4)] == [99_998, 100_004]
        assert script.ledger.totals()["residue"] == 2
        script.ledger.audit()

    def test_a_position_that_closes_meanwhile_owes_what_it_owed(self, make_script):
        """FN-7: for its net at the settlement."""
        script = make_script(**HOURLY)
        settle(script)
        script.run("u1 sells 1 @ 333 of u2")
        assert [script.equity(u) for u in (1, 2)] == [99_998, 99_998]
        for user, amount, net in ((1, 2, 0), (2, 2, 2), (3, 2, 1), (4, -4, -3)):
            pay(script, user, amount, net)
        script.record("FUNDING_DONE", **DONE)
        assert [script.collateral(u) for u in (1, 2)] == [99_998, 99_998]
        script.ledger.audit()

    def test_who_owes_nothing_has_no_payment(self, make_script):
        """FN-8: and the log is complete without one."""
        script = make_script(**{**HOURLY, "funding_cap_ppb": 1000})
        settle(script, rate_ppb=1000)
        for user in (1, 2, 3):
            pay(script, user, 1, 1, rate_ppb=1000)
        script.record("FUNDING_DONE", **{**DONE, "residue": 3, "paid": 3, "received": 0,
                                         "payments": 3})  # fmt: skip
        assert [script.collateral(u) for u in (1, 4)] == [99_999, 100_000]
        script.ledger.audit()

    def test_an_isolated_position_pays_from_its_wallet(self, make_script):
        """IM-4."""
        script = make_script(**HOURLY)
        script.run("u1 sets isolated 3")
        settle(script)
        pay(script, 1, 2, 1)
        script.run("""
            u1 wallet       -> 110
            u1 collateral   -> 99888
            """)
        script.ledger.audit()

    @pytest.mark.parametrize(
        ("name", "damage"),
        [
            ("the interval is not above the last", {"interval_id": DAY_S // 3600}),
        ],
    )
    def test_a_settlement_twice_is_a_failed_check(self, make_script, name, damage):
        """INV-9."""
        with pytest.raises(STOPS):
            settle(make_script(**HOURLY), **damage)

    def test_a_second_settlement_of_the_interval_is_a_failed_check(self, make_script):
        script = make_script(**HOURLY)
        settle(script)
        for user, amount, net in ((1, 2, 1), (2, 2, 1), (3, 2, 1), (4, -4, -3)):
            pay(script, user, amount, net)
        script.record("FUNDING_DONE", **DONE)
        with pytest.raises(STOPS):
            script.record("FUNDING_SETTLED", **SETTLED)

    @pytest.mark.parametrize(
        ("user", "amount", "net", "more"),
        [(1, 3, 1, {}), (1, -2, 1, {}), (1, 2, 1, {"interval_id": 5})],
    )
    def test_another_payment_than_is_owed_is_a_failed_check(
        self, make_script, user, amount, net, more
    ):
        script = make_script(**HOURLY)
        settle(script)
        with pytest.raises(STOPS):
            pay(script, user, amount, net, **more)

    def test_a_payment_twice_is_a_failed_check(self, make_script):
        """INV-9."""
        script = make_script(**HOURLY)
        settle(script)
        pay(script, 1, 2, 1)
        with pytest.raises(STOPS):
            pay(script, 1, 2, 1)

    @pytest.mark.parametrize("damage", [{"residue": 3}, {"interval_id": 4}])
    def test_a_wrong_end_is_a_failed_check(self, make_script, damage):
        script = make_script(**HOURLY)
        settle(script)
        for user, amount, net in ((1, 2, 1), (2, 2, 1), (3, 2, 1), (4, -4, -3)):
            pay(script, user, amount, net)
        with pytest.raises(STOPS):
            script.record("FUNDING_DONE", **{**DONE, **damage})


# --- liquidation --------------------------------------------------------------------------------


def step(script: Script, stage: int, user: int = 1, **values: Any) -> int:
    """A LIQUIDATION_STEP of symbol 1; STARTED, RECOVERED and CLOSED of a cross bucket: symbol 0."""
    symbol = 1 if stage in (ORDERED, BANKRUPT) else 0
    return script.record("LIQUIDATION_STEP", **{
        "user_id": user, "stage": stage, "symbol_id": symbol, "mark_px": 333, **values
    })  # fmt: skip


def bankrupt(script: Script, px: int = 320, **values: Any) -> int:
    """User 1 is long 10 of user 4 at 333 and bankrupt at px; returns the log's number."""
    script.price(0, 333)
    script.run("u1 buys 10 @ 333 of u4")
    step(script, STARTED, **values)
    at = {"symbol_id": 1} if values else {}
    return step(script, BANKRUPT, px=px, qty=10, net_qty=10, side=1, **{**values, **at})


def transfer(script: Script, number: int, qty: int, px: int = 320, **values: Any) -> None:
    script.record("POSITION_TRANSFERRED", **{
        "transfer_id": number, "qty": qty, "px": px, "mark_px": 333, "user_id": 1,
        "counter_user_id": FUND, "side": 1, "kind": 0, "user_flags": REDUCE_ONLY, **values,
    })  # fmt: skip


class TestTransfers:
    def test_a_takeover_moves_position_and_loss_to_the_fund(self, make_script):
        """AD-6, A-3, A-9."""
        script = make_script()
        transfer(script, bankrupt(script), 10)
        script.run("u1 position -> 0 0 -130")
        assert script.collateral(1) == 100_000 - 130
        fund = script.ledger.position(FUND, 1)
        assert (fund["net_qty"], fund["entry_cost"]) == (10, 3200)
        script.ledger.audit()
        step(script, CLOSED)
        script.ledger.audit()

    def test_what_the_fund_does_not_take_is_deleveraged(self, make_script):
        """IF-3, AD-3."""
        script = make_script()
        number = bankrupt(script)
        transfer(script, number, 4)
        transfer(script, number, 6, counter_user_id=4, kind=1, counter_flags=REDUCE_ONLY)
        script.run("""
            u1 position   -> 0 0 -130
            u4 position   -> -4 1332 78
            """)
        assert script.ledger.position(FUND, 1)["net_qty"] == 4
        step(script, CLOSED)
        script.ledger.audit()

    def test_a_transfer_of_nothing_changes_nothing(self, make_script):
        """PT-2."""
        script = make_script()
        number = bankrupt(script)
        transfer(script, number, 0)
        script.run("u1 position -> 10 3330 0")
        script.ledger.audit()

    def test_an_isolated_position_below_nothing_is_made_good_by_the_fund(self, make_script):
        """IM-3, LQ-9."""
        script = make_script()
        script.run(f"u{FUND} deposits 1000")
        script.run("u1 sets isolated 10")
        number = bankrupt(script, px=290, symbol_id=1, margin_mode=1)
        transfer(script, number, 10, px=290)
        script.run("""
            u1 wallet      -> -97
            u1 collateral  -> 99667
            """)
        script.record("LIQUIDATION_SETTLED", transfer_id=number, amount=97, user_id=1,
                      margin_mode=1)  # fmt: skip
        step(script, CLOSED, symbol_id=1, margin_mode=1)
        script.run("""
            u1 wallet      -> 0
            u1 collateral  -> 99667
            """)
        assert script.collateral(FUND) == 1000 - 97
        script.ledger.audit()

    def test_a_cross_account_below_nothing_is_made_good_by_the_fund(self, make_script):
        """LQ-9, INV-24."""
        script = make_script()
        script.run("u1 withdraws 99900")
        number = bankrupt(script, px=320)
        transfer(script, number, 10)
        assert script.collateral(1) == -30
        script.record("LIQUIDATION_SETTLED", transfer_id=number, amount=30, user_id=1)
        step(script, CLOSED)
        assert (script.collateral(1), script.collateral(FUND)) == (0, -30)
        script.ledger.audit()

    def test_the_fee_of_a_liquidation_order_is_the_funds(self, make_script):
        """A-4, LO-1."""
        script = make_script()
        script.price(0, 333)
        script.run("u1 buys 10 @ 333 of u4")
        step(script, STARTED)
        step(script, ORDERED, oid=7, round=1, px=330, qty=4, net_qty=10, side=1)
        order = {"user_id": 1, "px": 330, "qty": 4, "side": 1, "kind": 7, "tif": 1,
                 "flags": REDUCE_ONLY}  # fmt: skip
        script.record("ORDER_ACCEPTED", oid=6, user_id=2, px=331, qty=4, side=0, flags=4)
        script.record("ORDER_ACCEPTED", oid=7, **order)
        script.record("FILL", taker_oid=7, maker_oid=6, px=331, qty=4, taker_fee=5, maker_fee=1,
                      taker_user_id=1, maker_user_id=2, taker_side=1,
                      taker_flags=REDUCE_ONLY)  # fmt: skip
        assert script.collateral(1) == 100_000 - 8 - 5
        assert script.collateral(FUND) == 5
        assert script.ledger.totals()["fees"] == 1
        step(script, RECOVERED)
        script.ledger.audit()

    @pytest.mark.parametrize(
        ("name", "damage"),
        [
            ("another bankruptcy", {"transfer_id": 3}),
            ("more than the position", {"qty": 11}),
            ("a counterparty with less", {"counter_user_id": 2, "kind": 1,
                                          "counter_flags": REDUCE_ONLY}),
        ],
    )  # fmt: skip
    def test_what_does_not_fit_is_a_failed_check(self, make_script, name, damage):
        script = make_script()
        number = bankrupt(script)
        with pytest.raises(STOPS):
            transfer(script, **{"number": number, "qty": 10, **damage})

    @pytest.mark.parametrize(
        ("name", "steps"),
        [
            ("started twice", [(STARTED, {}), (STARTED, {})]),
            ("ended without a start", [(RECOVERED, {})]),
            ("a second order while one is out", [
                (STARTED, {}), (ORDERED, {"oid": 7, "round": 1, **TO_CLOSE}),
                (ORDERED, {"oid": 8, "round": 2, **TO_CLOSE})]),
            ("closed with a position", [(STARTED, {}), (CLOSED, {})]),
            ("bankrupt twice", [
                (STARTED, {}), (BANKRUPT, {**TO_CLOSE, "px": 320}),
                (BANKRUPT, {**TO_CLOSE, "px": 320})]),
        ],
    )  # fmt: skip
    def test_steps_out_of_order_are_failed_checks(self, make_script, name, steps):
        """INV-23, INV-24."""
        script = make_script()
        script.price(0, 333)
        script.run("u1 buys 10 @ 333 of u4")
        for stage, values in steps[:-1]:
            step(script, stage, **values)
        with pytest.raises(STOPS):
            step(script, steps[-1][0], **steps[-1][1])


# --- rules of a market --------------------------------------------------------------------------


class TestRules:
    def rules(self, version: int, **changes: Any) -> list[bytes]:
        return rules_records(make_symbol(reference_px=333, **changes), version)

    def test_positions_are_margined_by_the_new_rates_from_then_on(self, make_script):
        """SY-4, SY-5, SY-7."""
        script = make_script()
        script.price(0, 333)
        script.run("u1 buys 10 @ 333 of u4")
        script.run("u1 initial_margin maintenance_margin -> 333 167")
        for record in self.rules(1):
            script.put(record)
        for record in self.rules(
            2, initial_margin_ppm=200_000, brackets=((1665, 400_000, 100_000),)
        ):
            script.put(record)
        script.run("u1 initial_margin maintenance_margin -> 999 250")
        script.ledger.audit()

    def test_a_version_never_falls(self, make_script):
        """INV-25."""
        script = make_script()
        for record in self.rules(2):
            script.put(record)
        with pytest.raises(STOPS):
            for record in self.rules(2):
                script.put(record)

    def test_an_incomplete_set_is_a_failed_check(self, make_script):
        """SY-4."""
        script = make_script()
        for record in self.rules(1):
            script.put(record)
        first, _, third, last = self.rules(2)
        with pytest.raises(STOPS):
            for record in (first, third, last):
                script.put(record)


class TestOpenInterest:
    def test_it_scales_what_opens_and_changes_with_marks_only(self, make_script):
        """A-10, BR-3: from 3330 of open interest on, all of notional at 9990."""
        script = make_script(oi_low=3_330, oi_high=9_990)
        script.price(0, 333)
        script.run("""
            u1 buys 10 @ 333 of u4
            u1 initial_margin      -> 333
            u2 asks buy 10 @ 333   -> passes 333
            rejected #1
            u2 buys 10 @ 333 of u4
            """)
        script.price(1, 333)
        script.run("""
            u1 initial_margin      -> 1832
            u3 asks buy 10 @ 333   -> passes 1832
            """)
        script.ledger.audit()
