"""Margin through the gateway over the real risk, matching and log, stepped by hand.

Leverage, isolated margin, hedge legs, withdrawals, funding, live rules: what users are told and
what the queries say, across a restart. Source: specs/wire.md W-80 to W-88, W-54.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from world import World, make_market

from rsx.edge.orders import REJECTED, RESTING
from rsx.errors import Reason, RequestError
from rsx.records import MARK_UPDATE, OrderFlag

HEDGE, REDUCE = int(OrderFlag.HEDGE), int(OrderFlag.REDUCE_ONLY)
RICH = 10**9
BUY, SELL, GTC = 0, 1, 0
ONE, MAKER, ADMIN = 1, 2, 9


class Ear:
    """One user's connection."""

    def __init__(self) -> None:
        self.frames: list[tuple[str, list[Any]]] = []
        self.orders: list[tuple[int, int, int]] = []  # oid, status, reason

    def on_update(self, order: Any, reason: int, ts_ns: int, seq: int) -> None:
        self.orders.append((order.oid, order.status, reason))

    def on_fill(self, fill: Any, remaining: int) -> None:
        pass

    def on_duplicate(self, original: Any, request_oid: int) -> None:
        raise AssertionError("no duplicates here")

    def refuse(self, error: RequestError) -> None:
        raise AssertionError(error)

    def notify(self, key: str, fields: list[Any]) -> None:
        self.frames.append((key, fields))

    def take(self, key: str) -> list[list[Any]]:
        """Frames of a key since the last time."""
        found = [fields for each, fields in self.frames if each == key]
        self.frames = [frame for frame in self.frames if frame[0] != key]
        return found


class Desk:
    """Two users, one market at 1000, funding every minute; a whole engine behind a gateway."""

    def __init__(self, folder: Path, **changes: Any):
        market = make_market(1, funding_interval_s=60, **changes)
        self.world = World(
            folder, market, make_market(2), edge={"account_push_ms": 10},
            mark={"source": "synthetic", "stale_ms": 60_000},
        )  # fmt: skip
        self.attach()
        for user in (ONE, MAKER):
            self.ask("deposit", user, RICH)
        self.mark(1000)

    def attach(self) -> None:
        self.gateway = self.world.tiles.gateway
        self.entry = self.gateway.entry
        self.ears = {user: Ear() for user in (ONE, MAKER)}
        self.accounts = {user: self.entry.tracker.account(user) for user in self.ears}
        for user, account in self.accounts.items():
            account.streams.append(self.ears[user])

    def restart(self) -> None:
        self.world.restart()
        self.attach()
        self.settle()

    def settle(self) -> None:
        for _ in range(10_000):
            if not self.world.stepper.step() + self.gateway.do_work():
                return
        raise AssertionError("still busy")

    def ask(self, method: str, *args: Any) -> Any:
        """Call the entry, wait for the answer."""
        answers: list[Any] = []
        getattr(self.entry, method)(*args, answers.append)
        self.settle()
        assert len(answers) == 1
        return answers[0]

    def mark(self, px: int, index: int = 0) -> None:
        update = MARK_UPDATE.pack(
            ts_ns=self.world.clock.now_ns(), mark_px=px, index_px=index or px, symbol_id=1,
            sources=1,
        )  # fmt: skip
        assert self.world.rings["mark_risk"].push(update)
        self.settle()

    def place(self, user: int, side: int, px: int, qty: int, flags: int = 0) -> Any:
        order = self.entry.place(self.accounts[user], 1, side, px, qty, "", GTC, flags)
        self.settle()
        return order

    def trade(self, side: int, qty: int, flags: int = 0, px: int = 1000) -> Any:
        """ONE takes what MAKER offers."""
        self.place(MAKER, 1 - side, px, qty)
        return self.place(ONE, side, px, qty, flags)

    def state(self, user: int = ONE) -> Any:
        return self.ask("query_account", self.accounts[user])

    def margin(self, leverage: int | None, mode: int | None = None) -> Any:
        return self.ask("set_margin", self.accounts[ONE], 1, leverage, mode, None)


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    made = Desk(tmp_path)
    yield made
    made.world.close()


def test_leverage_is_set_within_the_brackets_and_scales_the_margin(desk: Desk) -> None:
    """MAR, P-4, BR-2: 2008 names the largest possible."""
    desk.trade(BUY, 100)
    (row,) = desk.state().positions
    assert (row[1], row[11]) == (100, 100_000)
    assert row[6] == 10_000, "10 % of 100 000"

    made = desk.margin(5)

    assert made[:4] == (1, 5, 0, 0) and desk.ears[ONE].take("MC")[0][:4] == [1, 5, 0, 0]
    (row,) = desk.state().positions
    assert (row[6], row[9], row[19]) == (20_000, 5, 200_000)
    refused = desk.margin(11)
    assert refused.code is Reason.LEVERAGE_INVALID
    assert (refused.required, refused.available, refused.field) == (11, 10, "leverage")
    desk.restart()
    assert desk.state().positions[0][9] == 5


def test_an_isolated_position_has_its_wallet_and_lends_it(desk: Desk) -> None:
    """POS, IM-1 to IM-3, P-3."""
    desk.margin(None, 1)
    desk.trade(BUY, 100)
    (row,) = desk.state().positions
    assert row[10] == 1 and row[12] == 10_000 - 40, "10 % of 100 000 less the fee"
    assert desk.margin(None, 0).code is Reason.MODE_LOCKED
    too_much = desk.ask("move_margin", desk.accounts[ONE], 1, 0, -1)
    assert too_much.code is Reason.MARGIN_REMOVAL_TOO_LARGE
    moved = desk.ask("move_margin", desk.accounts[ONE], 1, 0, 5_000)
    assert moved.amount == 5_000 and desk.ears[ONE].take("MT")[0][:3] == [1, 0, 5_000]
    assert desk.state().positions[0][12] == 14_960
    assert desk.ask("move_margin", desk.accounts[ONE], 1, 0, -4_960).amount == -4_960
    desk.trade(SELL, 100)
    state = desk.state()
    assert state.positions == [] and state.account[0] == RICH - 80


def test_hedge_legs_open_and_close_by_side(desk: Desk) -> None:
    """POS, HG-1 to HG-5."""
    order = desk.place(ONE, BUY, 900, 100, HEDGE)
    assert (order.status, order.reason) == (REJECTED, Reason.POSITION_MODE_MISMATCH)
    assert desk.ask("set_margin", desk.accounts[ONE], 0, None, None, 1).position_mode == 1
    order = desk.place(ONE, BUY, 900, 100)
    assert (order.status, order.reason) == (REJECTED, Reason.POSITION_MODE_MISMATCH)
    desk.trade(BUY, 100, HEDGE)
    desk.trade(SELL, 60, HEDGE)
    desk.trade(SELL, 40, HEDGE | REDUCE)
    rows = {row[8]: row[1] for row in desk.state().positions}
    assert rows == {0: 60, 1: -60}
    locked = desk.ask("set_margin", desk.accounts[ONE], 0, None, None, 0)
    assert locked.code is Reason.MODE_LOCKED
    desk.restart()
    assert {row[8]: row[1] for row in desk.state().positions} == rows


def test_no_more_can_be_withdrawn_than_is_free(desk: Desk) -> None:
    """RSK, P-2: 2012 with figures; an unrealised profit stays."""
    desk.trade(BUY, 100)
    desk.mark(1500)
    state = desk.state()
    free = state.account[9]
    assert free == RICH - 40 - 15_000, "10 % of 150 000, not the profit of 50 000"

    refused = desk.ask("withdraw", desk.accounts[ONE], free + 1)

    assert refused.code is Reason.WITHDRAWAL_TOO_LARGE
    assert (refused.required, refused.available) == (free + 1, free)
    seq, amount = desk.ask("withdraw", desk.accounts[ONE], free)
    assert amount == free and desk.ears[ONE].take("WD") == [[free, desk.world.clock.now_ns(), seq]]
    assert desk.state().account[9] == 0
    desk.restart()
    assert desk.state().account[0] == 15_000


def test_funding_is_paid_and_pushed_and_remembered(desk: Desk) -> None:
    """FND: longs pay when the mark is above the index; history over a restart (W-88)."""
    pushes, ear = desk.gateway.pushes, desk.ears[ONE]
    desk.trade(BUY, 100)
    pushes.watch(ONE, ear)
    desk.settle()
    assert ear.take("AC")[0][1][0][1] == 100
    for _ in range(8):
        desk.world.clock.advance(20 * 10**9)
        desk.mark(1000, 990)
        desk.gateway.tick(desk.world.clock.now_ns())
        desk.settle()

    paid = ear.take("FP")

    assert paid and all(row[:2] == [1, 0] and row[2] > 0 for row in paid)
    got = desk.ears[MAKER].take("FP")
    assert [-row[2] for row in got] == [row[2] for row in paid] or sum(
        row[2] for row in (*paid, *got)
    ) >= 0
    assert ear.take("AC"), "the account was pushed after it"
    account = desk.accounts[ONE]
    history = desk.gateway.events.notices.fundings(account, 0, 50, 0)
    assert history == paid[::-1]
    assert desk.gateway.events.notices.markets.settled[1]
    desk.restart()
    notices = desk.gateway.events.notices
    assert notices.fundings(desk.accounts[ONE], 0, 50, 0) == history


def test_rules_change_live_and_resting_orders_are_grandfathered(desk: Desk) -> None:
    """CFG, SY-3 to SY-5."""
    resting = desk.place(ONE, BUY, 995, 1000)
    assert resting.status == RESTING

    made = desk.ask("change_rules", ADMIN, 1, {"max_qty": "5", "taker_fee_ppm": 800})

    assert made[:2] == (1, 2) and desk.entry.symbols[1].qty_max == 500
    with pytest.raises(RequestError) as caught:
        desk.place(ONE, BUY, 990, 510)
    assert caught.value.code is Reason.QTY_OUT_OF_RANGE
    assert desk.place(MAKER, SELL, 995, 500).filled == 500, "the larger order still trades"
    assert resting.status == RESTING and resting.remaining == 500
    fee = desk.accounts[MAKER].fills[-1][5]
    assert fee == 995 * 500 * 800 // 10**6
    desk.restart()
    assert desk.entry.symbols[1].version == 2
    (order,) = desk.accounts[ONE].open.values()
    assert (order.oid, order.remaining) == (resting.oid, 500)
    assert desk.ask("change_rules", ADMIN, 1, {"max_qty": "6"}).version == 3


def test_a_liquidation_is_told_step_by_step_and_the_account_is_left_alone_after(
    desk: Desk,
) -> None:
    """LIQ: margin call, cancelled orders (3112), steps, orders of kind 7, PRE: 2011."""
    assert desk.ask("withdraw", desk.accounts[ONE], RICH - 100_040).__class__ is tuple
    desk.trade(BUY, 900)
    waiting = desk.place(ONE, BUY, 500, 10)
    assert waiting.status == RESTING
    desk.place(MAKER, BUY, 900, 2000)

    desk.mark(930)
    for _ in range(20):
        desk.world.clock.advance(10**9)
        desk.mark(930)
    ear = desk.ears[ONE]

    steps = ear.take("LQ")
    assert steps[0][2] == 1 and {row[2] for row in steps} >= {1, 2}
    assert (waiting.oid, 2, Reason.LIQUIDATION) in ear.orders
    orders = [row[12] for row in steps if row[12]]
    assert orders and all(desk.entry.tracker.orders[oid].kind == 7 for oid in orders)
    notices = desk.gateway.events.notices
    rows = notices.liquidations(desk.accounts[ONE], 0, 50, 0)
    assert [row for key, row in rows if key == "LQ"] == steps[::-1]
    assert notices.markets.liquidations[1], "the public is told"
    assert steps[-1][2] in (3, 5), "recovered, or nothing is left"
