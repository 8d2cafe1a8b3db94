"""What ends a request that is no order: cancels, amendments, queries, settings, deposits.

Events hands over the records; each names its request, which may have timed out before. Settings
and modes are kept here as released, and told to whoever is connected.
Thread: the gateway's loop. Source: specs/wire.md W-11, W-18, W-70, W-74; specs/records.md.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

from rsx.core.check import InvariantError, check
from rsx.edge.picks import pick
from rsx.edge.requests import Request, RequestEntry
from rsx.errors import Reason, RequestError
from rsx.records import (
    ACCOUNT_CONFIG,
    ACCOUNT_STATE,
    AMEND_REJECTED,
    CANCEL_ALL_DONE,
    CANCEL_REJECTED,
    DEPOSIT,
    POSITION_STATE,
    TRADING_MODE,
)

# Check number: a value that no release of this program writes.
UNKNOWN_VALUE = 1213

_cancel_rejected = pick(CANCEL_REJECTED, "request_id", "reason")
_amend_rejected = pick(AMEND_REJECTED, "request_id", "reason")
_cancel_all_done = pick(CANCEL_ALL_DONE, "request_id", "cancelled")
_deposit = pick(DEPOSIT, "request_id", "amount")
_mode = pick(TRADING_MODE, "request_id", "symbol_id", "mode", "previous")
_config = pick(ACCOUNT_CONFIG, "request_id", "user_id", "owner_group", "stp")


class AccountState(NamedTuple):
    """Answer to a query: values of frame A, rows of frame P."""

    account: list[int]
    positions: list[list[int]]


class Settings(NamedTuple):
    """Of an account; seq 0 = never set."""

    owner_group: int = 0
    stp: int = 0
    seq: int = 0


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


class Answers:
    """Handlers of records that end requests. `announce` tells every private connection."""

    def __init__(self, entry: RequestEntry):
        self.entry = entry
        self.announce: Callable[[str, list[Any]], None] = lambda _key, _fields: None

    def refuse(self, request: Request, number: int, detail: str | None = None) -> None:
        """A request that risk refused."""
        request.answered(RequestError(reason_of(number), detail=detail))

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

    def on_deposit(self, data: bytes, at: int, _ts_ns: int, seq: int) -> None:
        request_id, amount = _deposit(data, at)
        request = self.entry.take(request_id)
        if request is not None:
            request.answered((seq, amount))

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

    def on_config(self, data: bytes, at: int, _ts_ns: int, seq: int) -> None:
        request_id, user, owner, stp = _config(data, at)
        settings = self.entry.settings[user] = Settings(owner, stp, seq)
        account = self.entry.tracker.accounts.get(user)
        if account is not None:
            for stream in account.streams:
                stream.notify("AS", [stp, owner])
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
            ])  # fmt: skip

    def on_account(self, data: bytes, at: int, _ts_ns: int, _seq: int) -> None:
        v = ACCOUNT_STATE.unpack(data, at)
        request = self.entry.take(v.request_id)
        if request is None:
            return
        check(v.positions == len(request.positions), 22, v.request_id, v.positions)
        account = [
            v.collateral, v.equity, v.unrealised, v.initial_margin, v.maintenance_margin,
            v.frozen, v.available, v.realised, v.fees,
        ]  # fmt: skip
        positions = [row for row in request.positions if row[1]]
        request.answered(AccountState(account, positions))
