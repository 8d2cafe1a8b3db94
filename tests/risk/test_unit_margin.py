"""specs/risk.md section 5 over the compiled kernel: rates, sums kept from record to record, prices.

What is due is summed here slice by slice, in plain Python.
"""

from __future__ import annotations

import random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from model.symbols import make_symbol
from model.wire import make_request

from rsx import records
from rsx.core.check import InvariantError
from rsx.risk.ledger import Ledger
from rsx.risk.views import requirements, risk_of

PPM = 1_000_000
I64_MAX = (1 << 63) - 1
BUY, SELL = 0, 1
MS = 1_000_000
EXAMPLE = {
    "initial_margin_ppm": 50_000, "maintenance_margin_ppm": 25_000,
    "brackets": ((1_000, 100_000, 50_000), (5_000, 200_000, 100_000)),
}  # fmt: skip


def make(*symbols: Any, mark_source: str = "feed", stale_ns: int = 10_000 * MS) -> Ledger:
    return Ledger(symbols, accounts_max=64, positions_max=256, mark_source=mark_source,
                  stale_ns=stale_ns)  # fmt: skip


def market(**changes: Any) -> Ledger:
    return make(make_symbol(**changes))


def sliced(notional: int, rows: list[tuple[int, int]], least: int = 0) -> int:
    """BR-1, BR-2: every slice at its own rate, rounded up once."""
    ends = [first for first, _ in rows[1:]] + [max(notional, rows[-1][0])]
    parts = [
        max(0, min(notional, end) - first) * max(rate, least)
        for (first, rate), end in zip(rows, ends, strict=True)
    ]
    return -(-sum(parts) // PPM)


@st.composite
def grades(draw: Any) -> tuple[tuple[int, int, int], ...]:
    """1 to 6 rows (from, initial, maintenance) that a market may have."""
    firsts = sorted(draw(st.sets(st.integers(1, 1 << 60), max_size=5)))
    initial = sorted(draw(st.integers(10_000, PPM)) for _ in range(len(firsts) + 1))
    wanted = sorted(draw(st.integers(1, PPM)) for _ in initial)
    kept = [min(a, b) for a, b in zip(initial, wanted, strict=True)]
    return tuple(zip([0, *firsts], initial, kept, strict=True))


def of_rows(rows: tuple[tuple[int, int, int], ...]) -> Ledger:
    return market(
        initial_margin_ppm=rows[0][1], maintenance_margin_ppm=rows[0][2], brackets=rows[1:]
    )


class TestBrackets:
    """BR-1, BR-2; MAR-nn of the requirements: tiers by notional."""

    @pytest.mark.parametrize(
        ("notional", "leverage", "initial"),
        [
            (0, 0, 0), (1, 0, 1), (1_000, 0, 50), (3_000, 0, 250), (6_000, 0, 650),
            (3_000, 5, 600), (6_000, 5, 1_200), (1_000, 10, 100), (3_000, 10, 300),
            (6_000, 10, 700), (1_000, 20, 50), (3_000, 20, 250), (3_000, 1, 3_000),
        ],
    )  # fmt: skip
    def test_worked_examples(self, notional, leverage, initial):
        assert requirements(market(**EXAMPLE), 1, notional, leverage)[0] == initial

    @settings(max_examples=300, deadline=None)
    @given(
        grades(), st.integers(0, 1 << 62), st.integers(0, 200),
        st.sampled_from([None, -1, 0, 1]), st.integers(0, 5),
    )  # fmt: skip
    def test_each_part_is_charged_at_its_own_rate(self, rows, notional, leverage, beside, at):
        """At random notionals, and on and beside the rows' starts."""
        if beside is not None:
            notional = max(0, rows[at % len(rows)][0] + beside)
        least = -(-PPM // leverage) if leverage else 0

        found = requirements(of_rows(rows), 1, notional, leverage)

        assert found == (
            sliced(notional, [(first, rate) for first, rate, _ in rows], least),
            sliced(notional, [(first, rate) for first, _, rate in rows]),
        )

    @settings(max_examples=60, deadline=None)
    @given(grades(), st.integers(0, 1 << 60), st.integers(0, 100))
    def test_nothing_falls_and_nothing_jumps(self, rows, notional, leverage):
        """A unit more of notional asks for at most a unit more."""
        ledger = of_rows(rows)
        for low in (notional, *(first for first, _, _ in rows)):
            before = requirements(ledger, 1, max(0, low - 1), leverage)
            for more in range(3):
                after = requirements(ledger, 1, low + more, leverage)
                assert all(0 <= b - a <= 1 for a, b in zip(before, after, strict=True))
                before = after

    def test_the_largest_number_is_charged_without_a_wrap(self):
        ledger = of_rows(((0, 10_000, 1), (1, PPM, PPM)))

        assert requirements(ledger, 1, I64_MAX) == (I64_MAX, I64_MAX)
        assert requirements(ledger, 1, I64_MAX, 1) == (I64_MAX, I64_MAX)

    @pytest.mark.parametrize(
        "brackets",
        [
            ((10, 100_000, 50_000), (10, 200_000, 50_000)),
            ((10, 99_999, 50_000),), ((10, 100_000, 49_999),), ((10, 100_000, 100_001),),
            ((10, PPM + 1, 50_000),), tuple((n, 100_000, 50_000) for n in range(1, 7)),
        ],
    )  # fmt: skip
    def test_rows_that_cannot_be_stop_the_exchange(self, brackets):
        with pytest.raises((InvariantError, IndexError, ValueError)):
            market(brackets=brackets)


class Book:
    """A ledger under random records: orders asked, accepted, filled, cancelled, marks, money."""

    def __init__(self, seed: int, mark_source: str = "feed"):
        self.random = random.Random(seed)
        symbols = [
            make_symbol(id=n, reference_px=1_000 * n, taker_fee_ppm=300 * n, **EXAMPLE)
            for n in (1, 2, 3)
        ]
        self.ledger = make(*symbols, mark_source=mark_source)
        self.now, self.oid = 0, 0
        self.resting: dict[int, tuple[int, int, int, int, int, int]] = {}
        self.reasons: set[int] = set()
        for user in range(1, 5):
            self.put("DEPOSIT", user_id=user, amount=self.random.randint(2_000, 400_000))

    def put(self, name: str, live: bool = False, **values: Any) -> None:
        if "symbol_id" in values and name != "DEPOSIT":
            values["stream"] = values["symbol_id"]
        self.ledger.apply(records.BY_NAME[name].pack(ts_ns=self.now, **values), live)

    def step(self) -> None:
        self.now += MS
        r = self.random
        kind = r.randrange(10)
        if kind < 2:
            symbol = r.randint(1, 3)
            px = max(1, symbol * 1_000 + r.randint(-60, 60))
            self.put(
                "MARK_PRICE", symbol_id=symbol, mark_px=px, index_px=px, state=r.random() < 0.1
            )
        elif kind < 6:
            self.place()
        elif kind < 9 and self.resting:
            self.finish(r.choice(list(self.resting)))
        else:
            self.withdraw()

    def place(self) -> None:
        r = self.random
        self.oid += 1
        user, symbol, side = r.randint(1, 4), r.randint(1, 3), r.randint(0, 1)
        px, qty = symbol * 1_000 + r.randint(-40, 40), r.randint(1, 30)
        flags = 2 if r.random() < 0.1 else 0
        reason, reserved, *_ = self.ledger.check(make_request(
            "ORDER_REQUEST", oid=self.oid, user_id=user, symbol_id=symbol, side=side, px=px,
            qty=qty, flags=flags,
        ), self.now)  # fmt: skip
        self.reasons.add(reason)
        if reason:
            return
        common = {"oid": self.oid, "user_id": user, "symbol_id": symbol, "side": side, "qty": qty}
        if flags or r.random() < 0.2:
            self.put("ORDER_REJECTED", True, released=reserved, flags=flags, px=px, **common)
        else:
            self.put("ORDER_ACCEPTED", True, reserved=reserved, flags=4, px=px, **common)
            self.resting[self.oid] = (user, symbol, side, px, qty, reserved)

    def finish(self, oid: int) -> None:
        user, symbol, side, px, qty, reserved = self.resting.pop(oid)
        if self.random.random() < 0.3:
            self.put("ORDER_CANCELLED", True, oid=oid, px=px, cancelled_qty=qty, user_id=user,
                     released=reserved, symbol_id=symbol, side=side, reason=3101)  # fmt: skip
            return
        taker = 5 - user if user != 5 - user else 1
        self.oid += 1
        common = {"user_id": taker, "symbol_id": symbol, "side": 1 - side, "px": px}
        self.put("ORDER_ACCEPTED", oid=self.oid, qty=qty, **common)
        self.put("FILL", taker_oid=self.oid, maker_oid=oid, px=px, qty=qty, taker_fee=3,
                 maker_release=reserved, taker_user_id=taker, maker_user_id=user,
                 symbol_id=symbol, taker_side=1 - side)  # fmt: skip

    def withdraw(self) -> None:
        user = self.random.randint(1, 4)
        free = self.ledger.account(user, self.now)["withdrawable"]
        amount = self.random.choice([free, free + 1, max(1, free // 3)])
        request = make_request("WITHDRAW_REQUEST", user_id=user, amount=amount)
        reason, required, available = self.ledger.check_withdraw(request, self.now)
        if reason == 2012:
            assert (required, available) == (amount, free)
        elif amount > 0:
            assert reason in (0, 2002)
        self.reasons.add(reason)


class TestKept:
    """G-4, INV-31."""

    @pytest.mark.parametrize("mark_source", ["feed", "last"])
    @pytest.mark.parametrize("seed", [1, 2])
    def test_what_is_kept_is_what_it_would_be_from_scratch(self, seed, mark_source):
        """The audit reckons every account from scratch after each record."""
        book = Book(seed, mark_source)
        for _ in range(1_500):
            book.step()
            book.ledger.audit()

        assert book.reasons >= {0, 2001, 2012}


class TestOpenInterest:
    """BR-3."""

    def test_without_exposure_the_scale_is_off(self):
        ledger = market(oi_low=1_000, oi_high=2_000)
        ledger.apply(records.MARK_PRICE.pack(symbol_id=1, stream=1, mark_px=100))

        assert requirements(ledger, 1, 1_000)[0] == 100


def opened(net: int, px: int, collateral: int, **changes: Any) -> Ledger:
    """User 1 with a position made at px, the mark there too."""
    ledger = market(**{"reference_px": px, **changes})
    for user in (1, 9):
        ledger.apply(records.DEPOSIT.pack(user_id=user, amount=collateral))
    ledger.apply(records.MARK_PRICE.pack(symbol_id=1, stream=1, mark_px=px))
    buyer, seller = (1, 9) if net > 0 else (9, 1)
    common = {"symbol_id": 1, "stream": 1, "px": px, "qty": abs(net)}
    ledger.apply(records.ORDER_ACCEPTED.pack(oid=1, user_id=seller, side=SELL, flags=4, **common))
    ledger.apply(records.ORDER_ACCEPTED.pack(oid=2, user_id=buyer, side=BUY, **common))
    ledger.apply(records.FILL.pack(taker_oid=2, maker_oid=1, taker_user_id=buyer,
                                   maker_user_id=seller, taker_side=BUY, **common))  # fmt: skip
    return ledger


class TestPrices:
    """Where a position ends; LQ-8, POSITION_RISK."""

    @pytest.mark.parametrize(
        ("net", "px", "collateral", "liquidation", "bankruptcy"),
        [
            # 100 x 94 - 10 000 + 1 000 = 400 < 470; at 95: 500 >= 475.
            (100, 100, 1_000, 94, 90),
            (-100, 100, 1_000, 105, 110),
            (100, 100, 20_000, 0, 1),
            (-100, 100, 20_000, 286, 300),
            (3, 100, 10, 100, 97),
            (-3, 100, 10, 100, 103),
        ],
    )
    def test_worked_examples(self, net, px, collateral, liquidation, bankruptcy):
        found = risk_of(opened(net, px, collateral), 1, 1)

        assert (found["liquidation_px"], found["bankruptcy_px"]) == (liquidation, bankruptcy)

    @pytest.mark.parametrize(
        ("net", "mark", "equity", "bankruptcy"),
        [(3, 94, -8, 97), (-3, 106, -8, 103), (3, 97, 1, 97), (-3, 104, -2, 103)],
    )
    def test_a_share_of_an_uneven_loss_is_rounded_down(self, net, mark, equity, bankruptcy):
        """LQ-8, U-1: M - floor(E / |net|), E of either sign; the fund takes what is over."""
        ledger = opened(net, 100, 10)
        ledger.apply(records.MARK_PRICE.pack(symbol_id=1, stream=1, mark_px=mark))

        found = risk_of(ledger, 1, 1)

        assert (found["equity"], found["bankruptcy_px"]) == (equity, bankruptcy)

    @settings(max_examples=80, deadline=None)
    @given(
        st.integers(-200, 200).filter(bool), st.integers(2, 2_000), st.integers(1, 200_000),
        grades(), st.integers(1, 400_000),
    )  # fmt: skip
    def test_the_mark_there_is_below_and_the_one_before_is_not(
        self, net, px, collateral, rows, scale
    ):
        rows = tuple(
            (first and 1 + first % scale + n * scale, initial, kept)
            for n, (first, initial, kept) in enumerate(rows)
        )
        changes = {
            "initial_margin_ppm": rows[0][1], "maintenance_margin_ppm": rows[0][2],
            "brackets": rows[1:], "px_max": 1 << 40,
        }  # fmt: skip
        ledger = opened(net, px, collateral, **changes)
        first = risk_of(ledger, 1, 1)
        at = first["liquidation_px"]

        def is_below(mark: int) -> bool:
            ledger.apply(records.MARK_PRICE.pack(symbol_id=1, stream=1, mark_px=mark))
            found = risk_of(ledger, 1, 1)
            return found["equity"] < found["maintenance"]

        if first["equity"] < first["maintenance"]:
            assert at == px
        elif at == 0:
            assert net > 0
            assert not is_below(1)
        else:
            assert is_below(at)
            assert not is_below(at + 1 if net > 0 else at - 1)

    def test_a_stale_mark_makes_a_bucket_not_live(self):
        """LQ-1."""
        ledger = opened(10, 100, 1_000)

        assert risk_of(ledger, 1, 1, now_ns=10_000 * MS)["is_live"]
        assert not risk_of(ledger, 1, 1, now_ns=10_000 * MS + 1)["is_live"]
        assert risk_of(ledger, 1, 1)["maintenance"] == 50
