"""Deleveraging and takeover: the compiled ranking and the fund's share against the plain model."""

from __future__ import annotations

import random

import pytest
from model.ledger_table import LedgerTable
from model.liquidation import PRO_RATA, QUEUE, RISK_WEIGHTED, Candidate, deleverage, takeover_qty
from model.symbols import make_symbol

from rsx import records
from rsx.risk.adl import ranked
from rsx.risk.insurance import takeover
from rsx.risk.ledger import Ledger

LONG, SHORT = 0, 1
FUND = records.FUND_USER_BASE + 1


def make_table(**changes) -> LedgerTable:
    symbols = (make_symbol(**changes), make_symbol(id=2))
    return LedgerTable(Ledger(symbols, accounts_max=512, positions_max=2048, mark_source="feed"))


def candidates(ledger, side: int) -> list[Candidate]:
    found = []
    for user in ledger.users():
        position = ledger.position(user, 1)
        if position and (position["net_qty"] > 0) == (side == LONG) and position["net_qty"]:
            found.append(Candidate(
                user, 0, position["net_qty"], position["entry_cost"],
                ledger.account(user)["equity"], user >= records.FUND_USER_BASE,
            ))  # fmt: skip
    return found


def as_cuts(rows) -> dict[int, int]:
    return {row["user_id"]: row["share"] for row in rows if row["share"]}


@pytest.mark.parametrize("policy", [QUEUE, PRO_RATA, RISK_WEIGHTED])
@pytest.mark.parametrize("seed", range(8))
def test_the_other_side_is_cut_as_the_model_says(policy, seed):
    """AD-1, AD-2, LIQ-20: order and shares, lots of 1 and 5, some of it in loss."""
    chance = random.Random(seed)
    lot = chance.choice([1, 5])
    table = make_table(lot=lot, reference_px=100)
    for user in range(1, 41):
        table.line(f"u{user} deposits {chance.randint(500, 50_000)}")
    for _ in range(120):
        buyer, seller = chance.sample(range(1, 41), 2)
        table.line(f"u{buyer} buys {lot * chance.randint(1, 20)} @ {chance.randint(80, 120)} "
                   f"of u{seller}")  # fmt: skip
    mark = chance.randint(70, 130)
    table.line(f"mark {mark}")
    for side in (LONG, SHORT):
        line = candidates(table.ledger, side)
        whole = sum(abs(c.net) for c in line)
        for qty in (lot, whole // 3 // lot * lot, whole):
            due: dict[int, int] = {}
            for cut in deleverage(make_symbol(lot=lot), line, qty, mark, policy):
                due[cut.user] = due.get(cut.user, 0) + cut.qty
            assert as_cuts(ranked(table.ledger, 1, side, policy, qty)) == due
            assert sum(due.values()) == qty


def test_a_fund_comes_last():
    table = make_table(reference_px=100)
    table.run(f"""
        u1 deposits 5000
        u2 deposits 5000
        u{FUND} deposits 10
        u{FUND} buys 10 @ 50 of u1
        u2 buys 10 @ 120 of u1
        mark 100
        """)

    rows = ranked(table.ledger, 1, LONG, QUEUE, 12)

    assert [(row["user_id"], row["share"]) for row in rows] == [(2, 10), (FUND, 2)]
    assert rows[1]["score"] > rows[0]["score"]


@pytest.mark.parametrize("seed", range(40))
def test_a_fund_takes_what_it_can_bear(seed):
    """IF-2, LIQ-18: loss, limits and lots, against every multiple tried out."""
    chance = random.Random(seed)
    lot = chance.choice([1, 3])
    limits = {
        "insurance_loss_max": chance.choice([0, 50, 400, 1 << 40]),
        "insurance_notional_max": chance.choice([0, 500, 3_000, 1 << 40]),
    }
    market = make_symbol(lot=lot, **limits)
    table = make_table(lot=lot, reference_px=100, **limits)
    table.line("u1 deposits 100000")
    table.line("u2 deposits 100000")
    fund_balance = chance.choice([0, 60, 900, 100_000])
    if fund_balance:
        table.line(f"u{FUND} deposits {fund_balance}")
    held = chance.choice([-12, 0, 6])
    if held:
        sides = (FUND, 2) if held > 0 else (2, FUND)
        table.line(f"u{sides[0]} buys {abs(held)} @ {chance.randint(90, 110)} of u{sides[1]}")
    is_long = chance.random() < 0.5
    size = lot * chance.randint(1, 12)
    sides = (1, 2) if is_long else (2, 1)
    table.line(f"u{sides[0]} buys {size} @ 100 of u{sides[1]}")
    mark, bankrupt_px = chance.randint(90, 110), chance.randint(85, 115)
    table.line(f"mark {mark}")
    side = records.Side.SELL if is_long else records.Side.BUY
    for stage, px in ((records.Stage.STARTED, 0), (records.Stage.BANKRUPT, bankrupt_px)):
        table.apply(
            records.LIQUIDATION_STEP, user_id=1,
            symbol_id=1 if stage is records.Stage.BANKRUPT else 0, stage=stage, side=side,
            qty=size, px=px, mark_px=mark, net_qty=size if is_long else -size,
        )  # fmt: skip

    fund = table.ledger.position(FUND, 1) or {"net_qty": 0}
    equity = table.ledger.account(FUND)["equity"]
    due = takeover_qty(market, side, size, bankrupt_px, mark, equity, fund["net_qty"])

    assert takeover(table.ledger, 1, 1) == due
