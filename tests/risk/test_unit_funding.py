"""specs/funding.md over the compiled fold: samples, rate, when it is due, the sweep."""

from __future__ import annotations

from typing import Any

import pytest
from model.folding import HOUR_S, MINUTE_NS, PPB, START_S, Fold
from model.symbols import make_symbol
from model.wire import changed

from rsx.core.check import InvariantError
from rsx.rules import to_records

DAMPED = {"funding_interest_ppb": 100_000, "funding_damp_ppb": 500_000}


class TestSamples:
    """FN-1, FN-2; FND-3, FND-4."""

    @pytest.mark.parametrize(
        ("name", "marks", "samples", "average"),
        [
            ("none in the first minute", [(0, 101, 100)], 0, 0),
            ("one for a minute that began", [(0, 101, 100), (1, 103, 100)], 1, PPB // 100),
            ("weighted by time", [(0, 101, 100), (3, 105, 100), (4, 100, 100)], 4,
             (3 * PPB // 100 + 5 * PPB // 100) // 4),
            ("at most ten minutes back", [(0, 101, 100), (25, 100, 100)], 10, PPB // 100),
            ("nothing in force while stale", [(0, 101, 100), (1, 101, 100, 1), (3, 101, 100)], 1,
             PPB // 100),
            ("nothing without an index", [(0, 101, 0), (5, 101, 100)], 0, 0),
            ("the one before counts, not the one in between",
             [(0, 101, 100), (0.5, 102, 100), (1, 109, 100)], 1, PPB // 50),
            ("toward zero", [(0, 100, 101), (1, 100, 100)], 1, -(PPB // 101)),
        ],
    )  # fmt: skip
    def test_the_average_is_weighted_by_time(self, name, marks, samples, average):
        fold = Fold()
        for mark in marks:
            fold.mark(*mark)
        state = fold.ledger.funding(1)
        assert (state["samples"], state["average_ppb"]) == (samples, average)

    @pytest.mark.parametrize(
        ("mark", "index", "rules", "rate"),
        [
            (1_000_100, 1_000_000, {"funding_interest_ppb": 100_000}, 100_000),
            (1_002, 1_000, DAMPED, 1_500_000),
            (1_000, 1_000, DAMPED, 100_000),
            (1_200, 1_000, {"funding_cap_ppb": 7_500_000}, 7_500_000),
            (800, 1_000, {"funding_cap_ppb": 7_500_000}, -7_500_000),
            (1_100, 1_000, {}, PPB // 10),
        ],
    )  # fmt: skip
    def test_the_rate(self, mark, index, rules, rate):
        """FN-3; FND-1, FND-2: above the index longs pay."""
        fold = Fold(**rules)
        fold.mark(0, mark, index)
        fold.mark(1, mark, index)
        assert fold.ledger.funding(1)["rate_ppb"] == rate


class TestDue:
    """FN-4, FN-5, FN-10; FND-8 to FND-11."""

    @staticmethod
    def due(fold: Fold, minute: int) -> Any:
        return fold.ledger.funding_due(1, START_S * 10**9 + minute * MINUTE_NS)

    def test_once_an_interval_and_late_rather_than_never(self):
        fold = Fold()
        fold.mark(0, 101, 100)
        fold.mark(59, 101, 100)
        assert self.due(fold, 59) is None
        assert self.due(fold, 60) == (START_S // HOUR_S + 1, 0)
        fold.mark(200, 101, 100)
        assert self.due(fold, 200) == (START_S // HOUR_S + 3, 2)
        fold.settle(0, hour=3)
        assert self.due(fold, 200) is None
        fold.end(hour=3)
        fold.mark(201, 101, 100)
        assert self.due(fold, 201) is None

    @pytest.mark.parametrize("name", ["halted", "stale", "old", "no interval", "no sample"])
    def test_not_where_the_market_does_not_allow_it(self, name):
        fold = Fold(funding_interval_s=0 if name == "no interval" else HOUR_S)
        fold.mark(0, 101, 0 if name == "no sample" else 100)
        fold.mark(60, 101, 100, state=int(name == "stale"))
        if name == "halted":
            fold.put("TRADING_MODE", mode=3)
        assert self.due(fold, 80 if name == "old" else 60) is None

    def test_another_interval_begins_anew(self):
        """FN-11."""
        fold = Fold()
        fold.mark(0, 101, 100)
        fold.mark(90, 101, 100)
        longer = make_symbol(version=2, reference_px=333, funding_interval_s=8 * HOUR_S)
        for record in to_records(longer, START_S * 10**9 + 90 * MINUTE_NS):
            fold.ledger.apply(changed(record, seq=1))
        assert self.due(fold, 91) is None
        assert fold.ledger.rules(1)["version"] == 2


class TestSweep:
    """FN-7 to FN-9; FND-6, FND-12, TST-15."""

    @pytest.mark.parametrize(
        ("rate", "amounts", "residue"),
        [(5_000_000, [2, 2, 2, -4], 2), (-5_000_000, [-1, -1, -1, 5], 2), (0, [], 0)],
    )
    def test_the_examples(self, rate, amounts, residue):
        fold = Fold()
        for user in (1, 2, 3):
            fold.trade(user, 4, 1)
        fold.settle(rate)
        rows, _, _ = fold.ledger.next_payments(1)
        assert sorted(rows) == [
            (user, 0, amount, -3 if user == 4 else 1) for user, amount in enumerate(amounts, 1)
        ]
        assert fold.ledger.next_payments(1)[0] == [], "they are in flight"
        fold.pay(rows)
        assert fold.end() == residue
        fold.ledger.audit()

    def test_it_looks_at_so_many_and_goes_on(self):
        fold = Fold(users=20)
        for user in range(1, 20):
            fold.trade(user, 20, 2)
        fold.settle(5_000_000)
        seen, cursor = [], 0
        for _ in range(4):
            rows, cursor, left = fold.ledger.next_payments(1, cursor, 5)
            seen += rows
            assert len(rows) == 5
            assert left == 0
        assert {row[0] for row in seen} == set(range(1, 21))

    def test_who_leaves_or_turns_meanwhile_is_found(self):
        """What is owed is for the net at the settlement, whoever has been passed already."""
        fold = Fold(users=6)
        for user in (1, 2, 3, 4):
            fold.trade(user, 6, 10)
        fold.settle(5_000_000)
        rows, cursor, _ = fold.ledger.next_payments(1, 0, 1)
        fold.trade(5, 4, 10)
        fold.trade(5, 3, 25)
        more, _, _ = fold.ledger.next_payments(1, cursor)
        amounts = {row[0]: row[2] for row in (*rows, *more)}
        assert amounts == {1: 17, 2: 17, 3: 17, 4: 17, 6: -66}
        fold.pay([*rows, *more])
        assert fold.end() == 2
        fold.ledger.audit()

    def test_a_restart_makes_the_payments_that_the_log_lacks(self):
        fold = Fold()
        fold.trade(1, 2, 3)
        fold.trade(3, 4, 5)
        fold.settle(5_000_000)
        rows, _, _ = fold.ledger.next_payments(1)
        fold.pay(rows[:2])
        again = Fold(users=0)
        again.ledger = fold.ledger.copy()
        # In flight it was here; a fold of the log has nothing in flight.
        with pytest.raises(InvariantError, match="INV-9"):
            again.pay(rows[:1])
        again.pay(rows[2:])
        again.end()
        again.ledger.audit()

    @pytest.mark.parametrize("mark", [1, 7, 333, 99_991])
    @pytest.mark.parametrize("bp", [1, 3, 17, 50, -1, -37, -100])
    def test_every_settlement_leaves_at_most_two_units_a_payment(self, mark, bp):
        """TST-15, INV-9."""
        fold = Fold(users=9)
        for buyer, seller, qty in ((1, 6, 3), (2, 6, 7), (3, 7, 11), (4, 8, 5), (5, 9, 11)):
            fold.trade(buyer, seller, qty)
        fold.settle(bp * 100_000, px=mark)
        rows, _, _ = fold.ledger.next_payments(1)
        fold.pay(rows)
        residue = fold.end()
        assert 0 <= residue <= 2 * len(rows)
        assert fold.ledger.totals()["residue"] == residue
        fold.ledger.audit()

    def test_the_hash_does_not_tell_how_far_reckoning_has_come(self):
        folds = [Fold(), Fold()]
        for fold in folds:
            fold.trade(1, 2, 3)
            fold.settle(5_000_000)
        folds[0].ledger.position(1, 1)
        assert folds[0].ledger.state_hash() == folds[1].ledger.state_hash()
