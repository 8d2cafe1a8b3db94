"""What a fold keeps beside balances: exposure lists, rounds that are out, copies, shards."""

from __future__ import annotations

import random
from typing import Any

import pytest
from model.folding import Fold
from model.symbols import make_symbol

from rsx import records
from rsx.core.check import InvariantError
from rsx.records import FUND_USER_BASE
from rsx.shards import Shards

STARTED, ORDERED, RECOVERED, BANKRUPT, CLOSED = range(1, 6)
OWN_OID = 5 << 12 | 3 << 10
BUY, SELL, REDUCE_ONLY, IOC = 0, 1, 2, 1


class TestExposure:
    """A-10, A-11, INV-15."""

    def test_random_trades_keep_lists_and_open_interest(self):
        fold = Fold(users=12)
        rng = random.Random(7)
        for count in range(600):
            buyer, seller = rng.sample(range(1, 13), 2)
            net = fold.ledger.position(buyer, 1)
            closing = abs(net["net_qty"]) if net and net["net_qty"] < 0 else 0
            fold.trade(buyer, seller, rng.choice((1, 2, 5, closing or 3)))
            if count % 50 == 0:
                fold.ledger.audit()
        nets = {u: fold.ledger.position(u, 1)["net_qty"] for u in range(1, 13)}
        longs, shorts = fold.ledger.exposed(1)
        assert sorted(u for u, _ in longs) == [u for u, net in nets.items() if net > 0]
        assert sorted(u for u, _ in shorts) == [u for u, net in nets.items() if net < 0]
        assert fold.ledger.open_interest(1) == sum(net for net in nets.values() if net > 0)
        fold.ledger.audit()


class TestFunds:
    """A-9."""

    def test_a_fund_is_there_from_the_start_and_takes_deposits(self):
        fold = Fold()
        assert fold.ledger.fund(1)["collateral"] == 0
        fold.put("DEPOSIT", user_id=FUND_USER_BASE + 1, amount=70)
        assert fold.ledger.fund(1)["collateral"] == 70
        assert fold.ledger.users() == [1, 2, 3, 4]
        fold.ledger.audit()

    def test_a_seed_that_nobody_asked_for_was_not_in_flight(self):
        """SY-6."""
        fold = Fold()
        seed = records.DEPOSIT.pack(user_id=FUND_USER_BASE + 1, amount=70)
        fold.ledger.apply(seed, live=True)
        assert fold.ledger.check_deposit(1, (1 << 56) - (1 << 40)) == 0


def ordered(fold: Fold, **more: Any) -> None:
    fold.trade(1, 2, 10)
    fold.put("LIQUIDATION_STEP", user_id=1, symbol_id=0, stage=STARTED)
    step = {"oid": OWN_OID, "round": 1, "qty": 10, "px": 300, "side": SELL, **more}
    fold.put("LIQUIDATION_STEP", user_id=1, stage=ORDERED, **step)


OUT = {"oid": OWN_OID, "user_id": 1, "side": SELL, "flags": REDUCE_ONLY, "kind": 7, "px": 300,
       "qty": 10}  # fmt: skip


class TestRounds:
    """LQ-6, INV-23."""

    def test_one_order_is_out_until_its_terminal_record(self):
        fold = Fold()
        ordered(fold)
        again = {"oid": OWN_OID + 1, "round": 2, "qty": 10, "px": 300, "side": SELL}
        with pytest.raises(InvariantError, match="INV-23"):
            fold.put("LIQUIDATION_STEP", user_id=1, stage=ORDERED, **again)
        fold.put("ORDER_ACCEPTED", **OUT)
        fold.put("ORDER_CANCELLED", oid=OWN_OID, user_id=1, side=SELL, px=300, cancelled_qty=10)
        fold.put("LIQUIDATION_STEP", user_id=1, stage=ORDERED, **again)
        assert fold.ledger.position(1, 1)["round"] == 2
        fold.ledger.audit()

    def test_a_refused_order_ends_its_round(self):
        fold = Fold()
        ordered(fold)
        fold.put("ORDER_REJECTED", reason=3011, **OUT)
        fold.put("LIQUIDATION_STEP", user_id=1, symbol_id=0, stage=RECOVERED)
        assert fold.ledger.account(1)["stage"] == 0
        assert fold.ledger.position(1, 1)["round"] == 0

    def test_a_start_ends_what_the_log_has_not_shown(self):
        fold = Fold()
        ordered(fold)
        with pytest.raises(InvariantError, match="INV-23"):
            fold.put("LIQUIDATION_STEP", user_id=1, symbol_id=0, stage=RECOVERED)
        fold.put("LOG_STARTED")
        fold.put("LIQUIDATION_STEP", user_id=1, symbol_id=0, stage=RECOVERED)
        fold.ledger.audit()

    def test_a_start_leaves_an_order_that_lives(self):
        fold = Fold()
        ordered(fold)
        fold.put("ORDER_ACCEPTED", **OUT)
        fold.put("LOG_STARTED")
        with pytest.raises(InvariantError, match="INV-23"):
            fold.put("LIQUIDATION_STEP", user_id=1, symbol_id=0, stage=RECOVERED)

    def test_rounds_never_fall(self):
        fold = Fold()
        ordered(fold, round=3)
        fold.put("ORDER_REJECTED", **OUT)
        with pytest.raises(InvariantError, match="INV-23"):
            fold.put("LIQUIDATION_STEP", user_id=1, stage=ORDERED, oid=OWN_OID + 1, round=2)


class TestCopies:
    """SH-2, SH-6, INV-33."""

    def test_a_copy_is_equal_and_goes_its_own_way(self):
        fold = Fold(users=8)
        for user in range(1, 8):
            fold.trade(user, 8, user)
        fold.put(
            "ORDER_ACCEPTED", oid=999, user_id=3, side=BUY, flags=4, px=100, qty=5, reserved=50
        )
        before = fold.ledger.state_hash()
        copy = fold.ledger.copy()
        assert copy.state_hash() == before
        copy.audit()
        original, fold.ledger = fold.ledger, copy
        fold.put("ORDER_CANCELLED", oid=999, user_id=3, px=100, cancelled_qty=5, released=50)
        fold.trade(8, 1, 100)
        copy.audit()
        original.audit()
        assert original.state_hash() == before != copy.state_hash()
        assert original.order(999) is not None
        assert copy.exposed(1) != original.exposed(1)

    def test_only_the_users_tile_has_requests_in_flight(self):
        """SH-2: the other tiles apply the same records and take nothing back."""
        shards = Shards(2)
        user = next(u for u in range(1, 99) if shards.of(u) == 1)
        fold = Fold(users=user)
        ledgers = []
        for shard in range(2):
            ledger = fold.ledger.copy()
            ledger.divide(shard, shards)
            ledgers.append(ledger)
        order = {"oid": 7, "user_id": user, "px": 333, "qty": 2, "side": BUY}
        reason, required, *_ = ledgers[1].check(
            records.ORDER_REQUEST.pack(symbol_id=1, **order), 0)  # fmt: skip
        assert (reason, ledgers[1].account(user)["frozen"]) == (2002, 0)
        fold.mark(0, 333, 333)
        for ledger in ledgers:
            ledger.apply(records.MARK_PRICE.pack(
                symbol_id=1, stream=1, mark_px=333, index_px=333, ts_ns=1))  # fmt: skip
        reason, required, *_ = ledgers[1].check(
            records.ORDER_REQUEST.pack(symbol_id=1, **order), 1)  # fmt: skip
        assert (reason, ledgers[1].account(user)["frozen"]) == (0, required)
        accepted = records.ORDER_ACCEPTED.pack(
            symbol_id=1, stream=1, flags=4, reserved=required, **order)  # fmt: skip
        for ledger in ledgers:
            ledger.apply(accepted, live=True)
            assert ledger.account(user)["frozen"] == required
            ledger.audit()
        assert ledgers[0].state_hash() == ledgers[1].state_hash()


def test_brackets_that_begin_at_nothing_are_refused():
    from rsx.risk.ledger import Ledger

    with pytest.raises(ValueError, match="must be positive"):
        Ledger((make_symbol(brackets=((0, 100_000, 50_000),)),))
