"""Random trading through the model and the compiled ledger: the same answers, the same accounts.

The driver is `model/two_ledgers.py`; the auditor of `model/auditor.py` reads the same log and is
held against the compiled ledger's figures. RSX_SOAK=N runs N operations in place of the default.
"""

from __future__ import annotations

import os
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from model.auditor import audit
from model.ledger import ModelLedger, Position, ceil_div, req
from model.risk_auditor import audit_money
from model.symbols import make_symbol
from model.two_ledgers import STALE_MS, USERS, Exchange, alike
from model.wire import order_request, view

from rsx import records

OPERATIONS = int(os.environ.get("RSX_SOAK", "40000"))
EVENTS = {record.name for record in records.RECORDS if record.kind is records.Kind.LOGGED} - {
    "LOG_STARTED", "SEGMENT_STARTED", "TRADING_MODE", "CANCEL_REJECTED",
    # Those of tests/scenario and of test_risk_records.py:
    "MARGIN_TRANSFERRED", "FUNDING_SETTLED", "FUNDING_PAYMENT",
    "FUNDING_DONE", "LIQUIDATION_STEP", "POSITION_TRANSFERRED", "LIQUIDATION_SETTLED",
    # Of tests/wal and tests/risk/test_digest.py:
    "LOG_SYNCED", "ENGINE_DIGEST", "LEDGER_DIGEST", "LEDGER_MARK",
}  # fmt: skip
RESTS = 4
RUNS = [("last", 1), ("feed", 2), ("feed", 3), ("last", 4)]


@pytest.mark.timeout(60 + OPERATIONS // 500)
@pytest.mark.parametrize(("mark_source", "seed"), RUNS)
def test_random_trading_gives_the_same_answers_and_accounts(mark_source, seed):
    exchange = Exchange(seed, mark_source)
    for step in range(OPERATIONS // len(RUNS)):
        exchange.step()
        if step % 150 == 149:
            exchange.compare()
        if step % 5000 == 4999:
            exchange.settle()
    exchange.settle()

    stale = [2002] if mark_source == "feed" else []
    orders = ["ORDER_REQUEST", "TRIGGER_FIRED", "AMEND_REQUEST"]
    expected = {(name, reason) for name in orders for reason in (0, 2001, *stale)}
    expected |= {("AMEND_REQUEST", 3007)}
    expected |= {("ACCOUNT_CONFIG_REQUEST", reason) for reason in (0, 1014, 2007)}
    assert exchange.reasons.keys() >= expected
    money = {1007, 2004, 2008, 2009, 2012, 2013, 2014}
    seen = {reason for _, reason in exchange.reasons}
    assert {0, 1014, 2001, 2007, 3007, *stale} <= seen <= {
        0, 1014, 2001, 2002, 2007, 3007, *money
    }  # fmt: skip
    assert exchange.events.keys() >= EVENTS


def test_the_auditor_agrees_with_the_ledger():
    exchange = Exchange(9, "last", with_money=False)
    for _ in range(4000):
        exchange.step()
    exchange.settle()

    users = range(1, USERS + 1)
    places = [(u, m.id) for u in users for m in exchange.markets]
    position = {p: exchange.live.position(*p) or {"net_qty": 0, "frozen": 0} for p in places}
    accounts = {u: exchange.live.account(u, 0) or {"collateral": 0} for u in users}
    found = audit(
        [view(r) for r in exchange.log],
        [view(r) for r in exchange.requests],
        [view(r) for r in exchange.answers],
        nets={p: position[p]["net_qty"] for p in places},
        frozen={p: position[p]["frozen"] for p in places},
        collateral={u: accounts[u]["collateral"] for u in users},
    )

    assert found == []
    assert audit_money(map(view, exchange.log), exchange.markets, "last") == []
    assert sum(view(r).record.name == "FILL" for r in exchange.log) > 300


def test_a_restart_loses_only_what_was_in_flight():
    """V-8: with orders on their way, a fold has their margin free again, in both ledgers."""
    exchange = Exchange(21, "last")
    for _ in range(3000):
        exchange.step()
    exchange.settle()
    while len(exchange.model.in_flight) < 8:
        exchange.order()
    model = ModelLedger(exchange.markets, "last", STALE_MS)
    for record in exchange.log:
        model.apply(record)

    users = range(1, USERS + 1)
    for user in users:
        assert alike(exchange.folded.account(user, 0), model.account(user, 0))
    differ = [u for u in users if exchange.live.account(u, 0) != exchange.folded.account(u, 0)]
    assert differ, "nothing was in flight"
    assert exchange.folded.state_hash() == exchange.live.state_hash()


FILLS = st.lists(
    st.tuples(st.integers(-60, 60).filter(bool), st.integers(1, 10**6)), min_size=1, max_size=30
)


@settings(max_examples=300, deadline=None, derandomize=True, database=None)
@given(FILLS, st.integers(1, 10**6))
def test_any_fills_leave_profit_and_cost_that_add_up_to_the_cash_paid(fills, mark):
    """TST-16, and POS-31: net is the signed sum, cost is 0 when and only when flat."""
    from rsx.risk.ledger import Ledger

    symbol = make_symbol(reference_px=mark, px_max=10**6)
    ledger = Ledger((symbol,), accounts_max=4, positions_max=8, mark_source="feed")
    model = Position()
    for user in (1, 2):
        ledger.apply(records.DEPOSIT.pack(user_id=user, amount=10**15))
    for number, (qty, px) in enumerate(fills, 1):
        trade(ledger, number, qty, px)
        model.trade(qty, px)
    p = ledger.position(1, 1)
    account = ledger.account(1, 0)

    assert (p["net_qty"], p["entry_cost"], p["realised"]) == (model.net, model.cost, model.realised)
    assert p["net_qty"] == sum(qty for qty, _ in fills)
    assert (p["entry_cost"] == 0) == (p["net_qty"] == 0)
    cash = -sum(qty * px for qty, px in fills)
    assert account["realised"] + account["unrealised"] == cash + mark * p["net_qty"]
    assert account["equity"] == 10**15 + cash + mark * p["net_qty"]
    ledger.audit()


def trade(ledger: Any, number: int, qty: int, px: int) -> None:
    """User 1 buys (or sells) of user 2."""
    side = int(qty < 0)
    for oid, user, way, flags in ((2 * number + 1, 2, 1 - side, RESTS), (2 * number, 1, side, 0)):
        ledger.apply(
            records.ORDER_ACCEPTED.pack(
                oid=oid, user_id=user, symbol_id=1, stream=1, side=way, qty=abs(qty), px=px,
                flags=flags,
            )
        )  # fmt: skip
    ledger.apply(
        records.FILL.pack(
            taker_oid=2 * number, maker_oid=2 * number + 1, px=px, qty=abs(qty), symbol_id=1,
            stream=1, taker_user_id=1, maker_user_id=2, taker_side=side,
        )
    )  # fmt: skip


WIDE = st.integers(1, 1 << 40)


@settings(max_examples=400, deadline=None, derandomize=True, database=None)
@given(
    mark=st.integers(1, 1 << 24), px=st.integers(1, 1 << 24), qty=WIDE, side=st.integers(0, 1),
    initial=st.integers(10_000, 1_000_000), fee=st.integers(-1_000_000, 1_000_000),
    balance=st.integers(1, 1 << 56),
)  # fmt: skip
def test_any_order_of_a_flat_user_needs_what_the_formula_says(
    mark, px, qty, side, initial, fee, balance
):
    """V-3 at every size, against Python's integers."""
    from rsx.risk.ledger import Ledger

    symbol = make_symbol(
        reference_px=mark, initial_margin_ppm=initial, maintenance_margin_ppm=0, taker_fee_ppm=fee
    )
    ledger = Ledger((symbol,), accounts_max=4, positions_max=8, mark_source="last")
    ledger.apply(records.DEPOSIT.pack(user_id=1, amount=balance))
    money = qty * max(px, mark)
    loss = qty * max(0, px - mark if side == 0 else mark - px)
    due = req(money, initial) + max(0, ceil_div(money * fee, 10**6)) + loss

    request = order_request(oid=1, user_id=1, symbol_id=1, side=side, qty=qty, px=px)
    reason, required, available, *_ = ledger.check(request, 0)

    if max(due, money) >= 1 << 63:
        assert reason == 1017
    else:
        assert (reason, required, available) == (2001 if due > balance else 0, due, balance)
    held = ledger.account(1, 0)
    assert held["frozen"] == (0 if reason else due)


SIZES = st.integers(1, 10**6)


@settings(max_examples=400, deadline=None, derandomize=True, database=None)
@given(
    side=st.integers(0, 1), px=SIZES, qty=SIZES, held=st.integers(0, 10**13), new_px=SIZES,
    new_qty=SIZES, parts=st.lists(SIZES, max_size=6), mark=SIZES,
)  # fmt: skip
def test_whatever_trades_before_an_amendment_it_takes_no_more_than_was_in_flight(
    side, px, qty, held, new_px, new_qty, parts, mark
):
    """V-12: any order, any amendment, any fills of it on the way; the ledger checks the bound."""
    from rsx.risk.ledger import Ledger

    symbol = make_symbol(reference_px=mark, px_max=10**6)
    ledger = Ledger((symbol,), accounts_max=4, positions_max=8, mark_source="last")
    for user in (1, 2):
        ledger.apply(records.DEPOSIT.pack(user_id=user, amount=1 << 55))
    who = {"oid": 1, "user_id": 1, "symbol_id": 1, "side": side}
    place = {**who, "px": px, "qty": qty, "reserved": held, "flags": RESTS, "stream": 1}
    ledger.apply(records.ORDER_ACCEPTED.pack(**place))
    request = records.AMEND_REQUEST.pack(**who, px=new_px, qty=new_qty, request_id=1)
    reason, reserved, assumed, extra, extra_qty, _ = ledger.check_amend(request, 0)
    assert reason == 0
    left, kept = qty, held
    for number, part in enumerate(parts, 2):
        part = min(part, left)
        if part == 0:
            break
        left, before = left - part, left
        kept, had = ceil_div(kept * left, before), kept
        taker = {"oid": number, "user_id": 2, "symbol_id": 1, "side": 1 - side, "qty": part}
        ledger.apply(records.ORDER_ACCEPTED.pack(**taker, px=px, stream=1))
        ledger.apply(records.FILL.pack(
            taker_oid=number, maker_oid=1, px=px, qty=part, taker_user_id=2, maker_user_id=1,
            symbol_id=1, stream=1, taker_side=1 - side, maker_remaining=left,
            maker_release=had - kept,
        ))  # fmt: skip
    before = ledger.position(1, 1)
    opened = new_qty - (qty - left)
    if left and opened > 0:
        ledger.apply(
            records.ORDER_AMENDED.pack(
                **who, px=new_px, qty=new_qty, remaining=opened, extra=extra, extra_qty=extra_qty,
                reserved=ceil_div(reserved * opened, assumed), request_id=1, flags=RESTS, stream=1,
            ), live=True,
        )  # fmt: skip
    after = ledger.position(1, 1)

    assert all(after[n] <= before[n] for n in ("frozen", "open_buy_qty", "open_sell_qty"))
    ledger.audit()
