"""specs/risk.md sections 6 and 7 over the compiled checks: each refusal with its figures."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from model.symbols import make_symbol
from model.wire import make_request

from rsx import records
from rsx.risk.ledger import Ledger
from rsx.risk.views import requirements

BUY, SELL = 0, 1
REDUCE_ONLY, HEDGE = 2, 128
MS = 1_000_000
I64_MAX, I64_MIN = (1 << 63) - 1, -(1 << 63)
SET_LEVERAGE, SET_MARGIN_MODE, SET_POSITION_MODE = 1, 2, 4
EXAMPLE = {
    "initial_margin_ppm": 50_000, "maintenance_margin_ppm": 25_000,
    "brackets": ((1_000, 100_000, 50_000), (5_000, 200_000, 100_000)),
}  # fmt: skip


class Desk:
    """One market with a mark, users 1 and 9 with collateral."""

    def __init__(self, collateral: int = 1_000_000, mark: int = 100, **changes: Any):
        values = {"reference_px": 100, "px_max": 1 << 40, "notional_max": 1 << 60, **changes}
        self.ledger = Ledger(
            tuple(make_symbol(id=n, **values) for n in (1, 2)), accounts_max=64, positions_max=256,
            mark_source="feed", stale_ns=10_000 * MS,
        )  # fmt: skip
        self.oid = 0
        for user in (1, 9):
            self.put("DEPOSIT", user_id=user, amount=collateral)
        for symbol in (1, 2):
            self.mark(mark, symbol)

    def put(self, name: str, live: bool = False, **values: Any) -> None:
        if "symbol_id" in values:
            values["stream"] = values["symbol_id"]
        self.ledger.apply(records.BY_NAME[name].pack(**values), live)

    def mark(self, px: int, symbol: int = 1) -> None:
        self.put("MARK_PRICE", symbol_id=symbol, mark_px=px)

    def ask(self, side: int, qty: int, px: int, now: int = 0, **values: Any) -> tuple[int, ...]:
        """(reason, required, available)."""
        self.oid += 1
        values = {"user_id": 1, "symbol_id": 1, **values}
        request = make_request("ORDER_REQUEST", oid=self.oid, side=side, qty=qty, px=px, **values)
        return self.ledger.check(request, now)[:3]

    def hold(self, net: int, px: int = 100, symbol: int = 1) -> None:
        """User 1 trades with user 9."""
        self.oid += 2
        buyer, seller = (1, 9) if net > 0 else (9, 1)
        common = {"symbol_id": symbol, "px": px, "qty": abs(net)}
        self.put("ORDER_ACCEPTED", oid=self.oid - 1, user_id=seller, side=SELL, flags=4, **common)
        self.put("ORDER_ACCEPTED", oid=self.oid, user_id=buyer, side=BUY, **common)
        self.put("FILL", taker_oid=self.oid, maker_oid=self.oid - 1, taker_user_id=buyer,
                 maker_user_id=seller, taker_side=BUY, **common)  # fmt: skip

    def withdraw(self, amount: int, now: int = 0, user: int = 1) -> tuple[int, int, int]:
        return self.ledger.check_withdraw(
            make_request("WITHDRAW_REQUEST", user_id=user, amount=amount), now
        )

    def transfer(self, amount: int, **values: Any) -> tuple[int, int, int]:
        values = {"user_id": 1, "symbol_id": 1, **values}
        return self.ledger.check_transfer(
            make_request("MARGIN_TRANSFER_REQUEST", amount=amount, **values), 0
        )

    def configure(self, **values: Any) -> tuple[int, ...]:
        """(reason, required, available, leverage, margin mode, position mode)."""
        values = {"user_id": 1, "symbol_id": 1, **values}
        return self.ledger.check_settings(make_request("MARGIN_CONFIG_REQUEST", **values), 0)

    def open(self) -> tuple[int, int, int]:
        found = self.ledger.position(1, 1)
        return found["frozen"], found["open_buy_qty"], found["open_sell_qty"]


class TestOrders:
    """V-1 to V-4."""

    @settings(max_examples=60, deadline=None)
    @given(st.lists(st.integers(1, 60), min_size=1, max_size=6), st.integers(0, 1))
    def test_cutting_an_order_into_pieces_asks_for_no_less_and_no_more(self, pieces, side):
        """V-3: at the mark and without a fee, pieces take what the whole takes."""
        desk = Desk(**EXAMPLE)

        taken = [desk.ask(side, qty, 100)[1] for qty in pieces]

        assert sum(taken) == requirements(desk.ledger, 1, 100 * sum(pieces))[0]

    def test_more_exposure_takes_the_rate_of_its_bracket(self):
        """I(3 000) - I(1 000) = 250 - 50; then 20 %."""
        desk = Desk(**EXAMPLE)
        desk.hold(10)

        assert desk.ask(BUY, 20, 100)[:2] == (0, 200)
        assert desk.ask(BUY, 30, 100)[:2] == (0, 400)
        # The other side first closes 10; 10 open a short of 1 000.
        assert desk.ask(SELL, 20, 100)[:2] == (0, 50)

    def test_open_orders_of_the_other_side_do_not_count(self):
        desk = Desk(**EXAMPLE)
        assert desk.ask(SELL, 50, 100)[:2] == (0, 450)

        assert desk.ask(BUY, 10, 100)[:2] == (0, 50)

    def test_equality_passes_and_one_less_is_refused_with_its_figures(self):
        assert Desk(101, taker_fee_ppm=1_000).ask(BUY, 10, 100) == (0, 101, 101)
        assert Desk(100, taker_fee_ppm=1_000).ask(BUY, 10, 100) == (2001, 101, 100)

    def test_a_profit_at_the_mark_backs_an_order_and_a_loss_does_not(self):
        desk = Desk(200)
        desk.hold(10)
        desk.mark(110)
        assert desk.ask(BUY, 1, 110)[::2] == (0, 190)
        desk.mark(95)
        assert desk.ask(BUY, 100, 95)[::2] == (2001, 150 - 95 - 11)

    @pytest.mark.parametrize(
        ("side", "qty", "px"),
        [
            (BUY, 1 << 62, 2), (BUY, I64_MAX, 1), (SELL, I64_MAX, 1), (BUY, 2, I64_MAX),
            (BUY, (1 << 62) // 100, 100), (SELL, 1, I64_MAX),
        ],
    )  # fmt: skip
    def test_what_leaves_64_bits_is_refused_and_nothing_is_reserved(self, side, qty, px):
        desk = Desk(taker_fee_ppm=100_000)
        desk.hold(-10 if side else 10)

        assert desk.ask(side, qty, px)[0] in (1017, 2001)
        assert desk.ask(BUY, I64_MAX, I64_MAX)[0] == 1017
        assert desk.open() == (0, 0, 0)

    @pytest.mark.parametrize(("qty", "px"), [(0, 100), (-1, 100), (I64_MIN, 100), (1, 0), (1, -5)])
    def test_quantities_and_prices_are_positive(self, qty, px):
        assert Desk().ask(BUY, qty, px) == (3008, 0, 0)

    def test_one_stale_market_stops_only_who_is_exposed_to_it(self):
        """V-4, K-2."""
        desk = Desk()
        desk.put("MARK_PRICE", symbol_id=2, mark_px=100, state=1)
        assert desk.ask(BUY, 1, 100)[0] == 0
        assert desk.ask(BUY, 1, 100, symbol_id=2)[0] == 2002

        desk.hold(1, symbol=2)
        assert desk.ask(BUY, 1, 100)[0] == 2002
        assert desk.ask(SELL, 1, 100, symbol_id=2)[0] == 0

        desk.put("MARK_PRICE", symbol_id=2, mark_px=100, state=0)
        assert desk.ask(BUY, 1, 100)[0] == 0
        assert desk.ask(BUY, 1, 100, now=10_000 * MS)[0] == 0
        assert desk.ask(BUY, 1, 100, now=10_000 * MS + 1)[0] == 2002


class TestHedgeFlag:
    """HG-3."""

    @pytest.mark.parametrize("flags", [HEDGE, HEDGE | REDUCE_ONLY])
    def test_a_one_way_account_has_no_legs(self, flags):
        desk = Desk()
        amend = make_request("AMEND_REQUEST", oid=5, user_id=1, symbol_id=1, px=100, qty=1,
                             flags=flags)  # fmt: skip
        fired = make_request("TRIGGER_FIRED", oid=6, user_id=1, symbol_id=1, px=100, qty=1,
                             flags=flags)  # fmt: skip

        assert desk.ask(BUY, 1, 100, flags=flags) == (2010, 0, 0)
        assert desk.ledger.check_amend(amend, 0)[0] == 2010
        assert desk.ledger.check(fired, 0)[0] == 2010


class TestWithdrawals:
    """P-2."""

    def test_unrealised_profit_stays(self):
        """equity 1 500, held 150: 850 may go, not 1 350."""
        desk = Desk(1_000)
        desk.hold(10)
        desk.mark(150)

        assert desk.withdraw(851) == (2012, 851, 850)
        assert desk.withdraw(800) == (0, 0, 0)
        assert desk.withdraw(51) == (2012, 51, 50)
        assert desk.ask(BUY, 1, 150)[::2] == (0, 550)

    def test_a_loss_and_what_orders_hold_cannot_go(self):
        desk = Desk(1_000)
        desk.hold(10)
        desk.mark(90)
        assert desk.ask(BUY, 10, 90)[:2] == (0, 90)

        # 1 000 - 100 (loss) - 90 - 90
        assert desk.withdraw(721) == (2012, 721, 720)
        assert desk.withdraw(720)[0] == 0

    @pytest.mark.parametrize(
        ("amount", "user", "reason"),
        [(0, 1, 2004), (-1, 1, 2004), (I64_MIN, 1, 2004), (5, 7, 2007), (0, 7, 2004)],
    )
    def test_what_is_no_withdrawal(self, amount, user, reason):
        assert Desk().withdraw(amount, user=user) == (reason, 0, 0)

    def test_a_stale_mark_of_an_open_position_stops_them(self):
        desk = Desk()
        assert desk.withdraw(1, now=10_001 * MS)[0] == 0
        desk.hold(1)
        assert desk.withdraw(1, now=10_001 * MS) == (2002, 0, 0)
        assert desk.withdraw(I64_MAX) == (2012, I64_MAX, 999_989)

    def test_it_leaves_when_it_is_released(self):
        desk = Desk(1_000)
        assert desk.withdraw(400)[0] == 0
        assert desk.ledger.account(1)["available"] == 600


class TestTransfers:
    """P-3; of isolated positions: tests/risk/test_examples_ledger.py."""

    @pytest.mark.parametrize(
        ("amount", "changes", "reason"),
        [
            (5, {"user_id": 7}, 2007), (5, {"symbol_id": 77}, 1007), (0, {}, 2004),
            (5, {}, 2013), (-5, {}, 2013), (I64_MIN, {}, 2013), (5, {"symbol_id": 2}, 2013),
            (5, {"leg": 1}, 2013),
        ],
    )  # fmt: skip
    def test_what_is_no_transfer(self, amount, changes, reason):
        desk = Desk()
        desk.hold(1)

        assert desk.transfer(amount, **changes) == (reason, 0, 0)


class TestSettings:
    """P-4, HG-5, V-17."""

    def test_leverage_is_what_the_bracket_of_the_worst_exposure_allows(self):
        desk = Desk(**EXAMPLE)
        assert desk.configure(fields=SET_LEVERAGE, leverage=21) == (2008, 21, 20, 0, 0, 0)
        desk.hold(10)
        assert desk.configure(fields=SET_LEVERAGE, leverage=20) == (0, 0, 0, 20, 0, 0)
        desk.ask(BUY, 20, 100)
        assert desk.configure(fields=SET_LEVERAGE, leverage=20)[:3] == (2008, 20, 10)
        assert desk.configure(fields=SET_LEVERAGE, leverage=65_535)[:3] == (2008, 65_535, 10)
        assert desk.configure(fields=SET_LEVERAGE, leverage=0)[:3] == (0, 0, 0)

    def test_a_lower_leverage_must_be_affordable(self):
        """1 000 of notional at 5 % to 20 %: 150 more."""
        desk = Desk(199, **EXAMPLE)
        desk.hold(10)
        assert desk.configure(fields=SET_LEVERAGE, leverage=5)[:3] == (2001, 150, 149)
        desk = Desk(200, **EXAMPLE)
        desk.hold(10)
        assert desk.configure(fields=SET_LEVERAGE, leverage=5)[:3] == (0, 0, 0)

    def test_modes_change_only_where_nothing_is_open(self):
        isolated = {"fields": SET_MARGIN_MODE, "margin_mode": 1}
        hedge = {"fields": SET_POSITION_MODE, "position_mode": 1, "symbol_id": 0}
        desk = Desk()
        assert desk.configure(**isolated) == (0, 0, 0, 0, 1, 0)
        assert desk.configure(**hedge) == (0, 0, 0, 0, 0, 1)

        desk.ask(BUY, 1, 100)
        assert desk.configure(**isolated)[0] == 2009
        assert desk.configure(**hedge)[0] == 2009
        assert desk.configure(**{**isolated, "symbol_id": 2})[0] == 0
        assert desk.configure(fields=SET_MARGIN_MODE, margin_mode=0)[0] == 0
        assert desk.configure(fields=SET_POSITION_MODE, symbol_id=0)[0] == 0

        desk = Desk()
        desk.hold(1)
        assert desk.configure(**isolated)[0] == 2009
        assert desk.configure(**hedge)[0] == 2009

    @pytest.mark.parametrize(
        ("values", "reason"),
        [
            ({"user_id": 7}, 2007), ({"fields": 1, "symbol_id": 77}, 1007),
            ({"fields": 1, "symbol_id": 0}, 1007), ({"fields": 0}, 1014), ({"fields": 4}, 1014),
            ({"fields": 5}, 1014), ({"fields": 0, "symbol_id": 0}, 1007),
        ],
    )  # fmt: skip
    def test_what_is_no_setting(self, values, reason):
        assert Desk().configure(**values)[:3] == (reason, 0, 0)
