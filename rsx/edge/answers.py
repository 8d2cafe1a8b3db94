"""What ends a request that is no order: cancels, amendments, queries, settings, money.

Events hands over the records; each names its request, which may have timed out before. Settings
and modes are kept here as released, and told to whoever is connected.
Thread: the gateway's loop. Source: specs/wire.md W-11, W-18, W-70, W-74; specs/records.md.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

from rsx.core.check import InvariantError, check
from rsx.edge.codec import format_decimal
from rsx.edge.picks import pick
from rsx.edge.requests import Request, RequestEntry
from rsx.errors import Reason, RequestError
from rsx.records import (
    ACCOUNT_CONFIG,
    ACCOUNT_STATE,
    AMEND_REJECTED,
    BY_TYPE,
    CANCEL_ALL_DONE,
    CANCEL_REJECTED,
    DEPOSIT,
    MARGIN_CONFIG,
    MARGIN_TRANSFERRED,
    POSITION_RISK,
    POSITION_STATE,
    SYMBOL_BRACKETS,
    SYMBOL_CONFIG,
    TRADING_MODE,
    WITHDRAWAL,
    PositionMode,
    View,
    type_of,
)
from rsx.rules import RULE_RECORDS, SymbolConfig, from_records

# Check number: a value that no release of this program writes.
UNKNOWN_VALUE = 1213

_cancel_rejected = pick(CANCEL_REJECTED, "request_id", "reason")
_amend_rejected = pick(AMEND_REJECTED, "request_id", "reason")
_cancel_all_done = pick(CANCEL_ALL_DONE, "request_id", "cancelled")
_deposit = pick(DEPOSIT, "request_id", "amount", "user_id")
_withdrawal = pick(WITHDRAWAL, "request_id", "amount", "user_id")
_margin = pick(
    MARGIN_CONFIG, "request_id", "user_id", "symbol_id", "leverage", "margin_mode",
    "position_mode",
)  # fmt: skip
_moved = pick(MARGIN_TRANSFERRED, "request_id", "amount", "user_id", "symbol_id", "leg")
_mode = pick(TRADING_MODE, "request_id", "symbol_id", "mode", "previous")
_config = pick(ACCOUNT_CONFIG, "request_id", "user_id", "owner_group", "stp")


class AccountState(NamedTuple):
    """Answer to a query: values of frame A, rows of frame P."""

    account: list[int]
    positions: list[list[int | None]]
    ts_ns: int


class Settings(NamedTuple):
    """Of an account; seq 0 = never set."""

    owner_group: int = 0
    stp: int = 0
    seq: int = 0


class MarginSettings(NamedTuple):
    """Of a market, or with symbol 0 the account's position mode."""

    symbol_id: int
    leverage: int
    margin_mode: int
    position_mode: int
    ts_ns: int
    seq: int


class MarginMoved(NamedTuple):
    """Answer to a transfer to (negative: from) an isolated position."""

    symbol_id: int
    leg: int
    amount: int
    ts_ns: int
    seq: int


class RulesSet(NamedTuple):
    """Answer to a change of rules."""

    symbol_id: int
    version: int
    seq: int


class ModeSet(NamedTuple):
    """Answer to a change of mode."""

    mode: int
    previous: int
    seq: int


def reason_of(number: int) -> Reason:
    """The reason a record carries. Raises InvariantError for a number that is none."""
    try:
        return Reason(number)
    except ValueError:
        raise InvariantError(UNKNOWN_VALUE, "reason", number) from None


def refusal(
    number: int, required: int, available: int, decimals: int, field: str | None = None,
    value: int | None = None,
) -> RequestError:  # fmt: skip
    """A refusal by risk, and which amount it is about (W-83): of money, or of leverage."""
    code = reason_of(number)
    if not required:
        return RequestError(code, field, value)
    decimals = 0 if code is Reason.LEVERAGE_INVALID else decimals
    due, free = (format_decimal(units, decimals) for units in (required, available))
    error = RequestError(code, field, value, detail=f"{due} is needed, {free} is available")
    error.required, error.available, error.decimals = required, available, decimals
    return error


class Answers:
    """Handlers of records that end requests. `announce` tells every private connection."""

    def __init__(self, entry: RequestEntry):
        self.entry = entry
        self.announce: Callable[[str, list[Any]], None] = lambda _key, _fields: None
        # A released record has changed this user's account.
        self.touch: Callable[[int], None] = lambda _user: None
        # The rules of a market are other ones: what they are, time, log number.
        self.ruled: Callable[[SymbolConfig, int, int], None] = lambda _rules, _ts_ns, _seq: None
        self.rules: list[View] = []  # of the group that is coming

    def refuse(self, request: Request, number: int, required: int, available: int) -> None:
        """A request that risk refused, and about which amount (W-83)."""
        decimals = self.entry.money_decimals
        error = refusal(number, required, available, decimals, request.field, request.value)
        request.answered(error)

    def tell(self, user: int, key: str, fields: list[Any]) -> None:
        """Tell every private connection of a user."""
        account = self.entry.tracker.accounts.get(user)
        if account is not None:
            for stream in account.streams:
                stream.notify(key, fields)

    def _refuse_named(self, request_id: int, number: int) -> None:
        """A request about an order; one that is known to have ended is said to have (W-11)."""
        request = self.entry.take(request_id)
        if request is None:
            return
        reason = reason_of(number)
        order = request.order
        if reason is Reason.ORDER_NOT_OPEN and order is not None and not order.is_live:
            reason = Reason.ORDER_DONE
        request.answered(RequestError(reason, "id"))

    def on_cancel_rejected(self, data: bytes, at: int, _ts_ns: int, _seq: int) -> None:
        request_id, reason = _cancel_rejected(data, at)
        self._refuse_named(request_id, reason)

    def on_amend_rejected(self, data: bytes, at: int, _ts_ns: int, _seq: int) -> None:
        request_id, reason = _amend_rejected(data, at)
        self._refuse_named(request_id, reason)

    def on_cancel_all_done(self, data: bytes, at: int, _ts_ns: int, _seq: int) -> None:
        request_id, cancelled = _cancel_all_done(data, at)
        request = self.entry.take(request_id)
        if request is not None:
            request.answered(cancelled)

    def on_deposit(self, data: bytes, at: int, ts_ns: int, seq: int) -> None:
        request_id, amount, user = _deposit(data, at)
        self._on_money("DP", request_id, amount, user, ts_ns, seq)

    def on_withdrawal(self, data: bytes, at: int, ts_ns: int, seq: int) -> None:
        request_id, amount, user = _withdrawal(data, at)
        self._on_money("WD", request_id, amount, user, ts_ns, seq)

    def _on_money(
        self, key: str, request_id: int, amount: int, user: int, ts_ns: int, seq: int
    ) -> None:
        self.tell(user, key, [amount, ts_ns, seq])
        self.touch(user)
        request = self.entry.take(request_id)
        if request is not None:
            request.answered((seq, amount))

    def on_margin(self, data: bytes, at: int, ts_ns: int, seq: int) -> None:
        request_id, user, symbol_id, leverage, margin_mode, position_mode = _margin(data, at)
        margin = MarginSettings(symbol_id, leverage, margin_mode, position_mode, ts_ns, seq)
        self.tell(user, "MC", list(margin))
        self.touch(user)
        request = self.entry.take(request_id)
        if request is not None:
            request.answered(margin)

    def on_moved(self, data: bytes, at: int, ts_ns: int, seq: int) -> None:
        request_id, amount, user, symbol_id, leg = _moved(data, at)
        moved = MarginMoved(symbol_id, leg, amount, ts_ns, seq)
        self.tell(user, "MT", list(moved))
        self.touch(user)
        request = self.entry.take(request_id)
        if request is not None:
            request.answered(moved)

    def on_mode(self, data: bytes, at: int, ts_ns: int, seq: int) -> None:
        request_id, symbol_id, mode, previous = _mode(data, at)
        if mode > 3 or symbol_id not in self.entry.symbols:
            raise InvariantError(UNKNOWN_VALUE, symbol_id, "mode", mode)
        if self.entry.modes.get(symbol_id, 0) != mode:
            self.entry.modes[symbol_id] = mode
            self.announce("MO", [symbol_id, mode, ts_ns, seq])
        request = self.entry.take(request_id)
        if request is not None:
            request.answered(ModeSet(mode, previous, seq))

    def on_rules(self, data: bytes, at: int, ts_ns: int, seq: int) -> None:
        """One of the four records of a market's rules; they hold with the last (SY-4)."""
        view = BY_TYPE[type_of(data, at)].unpack(data, at)
        if view.record is SYMBOL_CONFIG:
            self.rules.clear()
        self.rules.append(view)
        if view.record is not SYMBOL_BRACKETS:
            return
        entry = self.entry
        check(len(self.rules) == len(RULE_RECORDS), 25, view.symbol_id, len(self.rules))
        check(view.symbol_id in entry.symbols, 25, view.symbol_id, seq)
        known = entry.symbols[view.symbol_id]
        rules = from_records(self.rules, known.insurance_seed)
        if rules.version == known.version:
            return  # a start writes down what this was built with
        entry.symbols[rules.id] = rules
        self.ruled(rules, ts_ns, seq)
        version, request_id = entry.changing.get(rules.id, (0, 0))
        if version == rules.version:
            del entry.changing[rules.id]
            request = entry.take(request_id)
            if request is not None:
                request.answered(RulesSet(rules.id, rules.version, seq))

    def on_config(self, data: bytes, at: int, _ts_ns: int, seq: int) -> None:
        request_id, user, owner, stp = _config(data, at)
        settings = self.entry.settings[user] = Settings(owner, stp, seq)
        self.tell(user, "AS", [stp, owner])
        request = self.entry.take(request_id)
        if request is not None:
            request.answered(settings)

    def on_position(self, data: bytes, at: int, _ts_ns: int, _seq: int) -> None:
        v = POSITION_STATE.unpack(data, at)
        request = self.entry.requests.get(v.request_id)
        if request is not None:
            request.positions.append([
                v.symbol_id, v.net_qty, v.entry_cost // abs(v.net_qty) if v.net_qty else 0,
                v.mark_px, v.unrealised, v.realised, v.initial_margin, v.maintenance_margin,
                0, 0, 0, 0, 0, 0, 0, v.frozen, v.open_buy_qty, v.open_sell_qty, 0, 0, 0, 0, 0,
            ])  # fmt: skip

    def on_position_risk(self, data: bytes, at: int, _ts_ns: int, _seq: int) -> None:
        """What follows each position: put into the places of frame P (W-84)."""
        v = POSITION_RISK.unpack(data, at)
        request = self.entry.requests.get(v.request_id)
        if request is None:
            return
        row = request.positions[-1]
        check(row[0] == v.symbol_id, 22, v.request_id, v.symbol_id)
        row[8:15] = [
            v.leg, v.leverage, v.margin_mode, v.notional, v.wallet, v.liquidation_px,
            v.bankruptcy_px,
        ]  # fmt: skip
        row[18:] = [v.funding_owed, v.leverage_ppm, v.stage, v.round, v.lights]

    def on_account(self, data: bytes, at: int, ts_ns: int, _seq: int) -> None:
        v = ACCOUNT_STATE.unpack(data, at)
        request = self.entry.take(v.request_id)
        if request is None:
            return
        check(v.positions == len(request.positions), 22, v.request_id, v.positions)
        account = [
            v.collateral, v.equity, v.unrealised, v.initial_margin, v.maintenance_margin,
            v.frozen, v.available, v.realised, v.fees, v.withdrawable, v.position_mode, v.stage,
        ]  # fmt: skip
        positions = [row for row in request.positions if row[1]]
        if v.position_mode == PositionMode.ONE_WAY:
            for row in positions:
                row[8] = None
        request.answered(AccountState(account, positions, ts_ns))
