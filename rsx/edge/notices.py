"""What released records tell of money, margin and liquidation, to their users and to the public.

    FUNDING_PAYMENT --> FP     LIQUIDATION_STEP --> LQ     POSITION_TRANSFERRED --> PT, both sides
    MARGIN_CALL --> CALL       LIQUIDATION_SETTLED --> LF
    MARK_PRICE, FUNDING_SETTLED and the public part of liquidations --> Markets, for REST

Each row is kept in the user's history, newest last, bounded; a row is the fields of the frame.
Thread: the gateway's loop. Source: specs/wire.md W-84 to W-88.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator
from itertools import islice
from typing import Any

from rsx.edge.answers import Answers
from rsx.edge.market_rows import (
    LiquidationRow,
    MarkRow,
    SettledRow,
    liquidation_row,
    mark_row,
    settled_row,
)
from rsx.edge.orders import Account
from rsx.edge.requests import RequestEntry
from rsx.edge.rules import leg_of
from rsx.errors import Reason, RequestError
from rsx.records import (
    FUND_USER_BASE,
    FUNDING_PAYMENT,
    FUNDING_SETTLED,
    LIQUIDATION_SETTLED,
    LIQUIDATION_STEP,
    MARGIN_CALL,
    MARK_PRICE,
    POSITION_TRANSFERRED,
    View,
)

HISTORY_MAX = 500
PUBLIC_KEPT = 1000
PAGE_MAX = 500
# Place of the symbol and the log number in rows of both histories.
SYMBOL, SEQ = 0, -1

LiquidationEvent = tuple[str, list[Any]]


class Markets:
    """The newest of each market, and what REST shows of its past."""

    def __init__(self, symbol_ids: Iterable[int]):
        ids = tuple(symbol_ids)
        self.marks: dict[int, MarkRow] = {}
        self.settled: dict[int, deque[SettledRow]] = {i: deque(maxlen=PUBLIC_KEPT) for i in ids}
        self.liquidations: dict[int, deque[LiquidationRow]] = {
            i: deque(maxlen=PUBLIC_KEPT) for i in ids
        }

    def note(self, view: View) -> None:
        """A released record that the public is told of, or a recovered one."""
        if view.record is MARK_PRICE:
            self.marks[view.symbol_id] = mark_row(view)
        elif view.record is FUNDING_SETTLED:
            self.settled[view.symbol_id].append(settled_row(view))
        elif (row := liquidation_row(view)) is not None:
            self.liquidations[row.symbol_id].append(row)

    def page(
        self, rows: dict[int, deque[Any]], symbol_id: int, limit: int, before: int
    ) -> list[Any]:
        """Rows newest first, below a log number; 0 = from the newest."""
        found = (row for row in reversed(rows[symbol_id]) if not before or row.seq < before)
        return list(islice(found, limit))


class Notices:
    """Handlers of records; see the module."""

    def __init__(self, entry: RequestEntry, answers: Answers):
        self.entry = entry
        self.answers = answers
        self.markets = Markets(entry.symbols)
        self.margin_calls_total = 0

    # --- released records -------------------------------------------------------------------

    def on_mark(self, data: bytes, at: int, _ts_ns: int, _seq: int) -> None:
        self.markets.note(MARK_PRICE.unpack(data, at))

    def on_funding_settled(self, data: bytes, at: int, _ts_ns: int, _seq: int) -> None:
        self.markets.note(FUNDING_SETTLED.unpack(data, at))

    def on_payment(self, data: bytes, at: int, _ts_ns: int, _seq: int) -> None:
        self._tell(FUNDING_PAYMENT.unpack(data, at))

    def on_step(self, data: bytes, at: int, _ts_ns: int, _seq: int) -> None:
        view = LIQUIDATION_STEP.unpack(data, at)
        self.markets.note(view)
        self._tell(view)

    def on_transferred(self, data: bytes, at: int, _ts_ns: int, _seq: int) -> None:
        view = POSITION_TRANSFERRED.unpack(data, at)
        self.markets.note(view)
        self._tell(view)

    def on_settled(self, data: bytes, at: int, _ts_ns: int, _seq: int) -> None:
        self._tell(LIQUIDATION_SETTLED.unpack(data, at))

    def _tell(self, view: View) -> None:
        for user, key, fields in private_rows(view):
            self.keep(user, key, fields)
            self.answers.tell(user, key, fields)
            self.answers.touch(user)

    # --- risk's answers ---------------------------------------------------------------------

    def on_margin_call(self, data: bytes, at: int, ts_ns: int, _seq: int) -> None:
        v = MARGIN_CALL.unpack(data, at)
        self.margin_calls_total += 1
        fields = [v.symbol_id, v.leg, v.equity, v.maintenance_margin, ts_ns]
        self.answers.tell(v.user_id, "CALL", fields)

    # --- history ----------------------------------------------------------------------------

    def load(self, views: Iterable[View]) -> None:
        """Take recovered records, oldest first, before the start; others than ours pass by."""
        for view in views:
            if view.record in (MARK_PRICE, FUNDING_SETTLED, LIQUIDATION_STEP, POSITION_TRANSFERRED):
                self.markets.note(view)
            for user, key, fields in private_rows(view):
                self.keep(user, key, fields)

    def keep(self, user: int, key: str, fields: list[Any]) -> None:
        account = self.entry.tracker.account(user)
        if key == "FP":
            if account.fundings is None:
                account.fundings = deque(maxlen=HISTORY_MAX)
            account.fundings.append(fields)
        else:
            if account.liquidations is None:
                account.liquidations = deque(maxlen=HISTORY_MAX)
            account.liquidations.append((key, fields))

    def fundings(
        self, account: Account, symbol_id: int, limit: int, before: int
    ) -> list[list[Any]]:
        """Own funding payments, newest first; arguments as for OrderEntry.fills."""
        self._check(symbol_id, limit, before)
        rows = reversed(account.fundings or ())
        return list(islice((r for r in rows if _wanted(r, symbol_id, before)), limit))

    def liquidations(
        self, account: Account, symbol_id: int, limit: int, before: int
    ) -> list[LiquidationEvent]:
        """Own liquidation events, newest first; steps of the whole account are of every symbol."""
        self._check(symbol_id, limit, before)
        rows = reversed(account.liquidations or ())
        wanted = (
            row for row in rows
            if _wanted(row[1], symbol_id if row[1][SYMBOL] else 0, before)
        )  # fmt: skip
        return list(islice(wanted, limit))

    def _check(self, symbol_id: int, limit: int, before: int) -> None:
        if symbol_id and symbol_id not in self.entry.symbols:
            raise RequestError(Reason.UNKNOWN_SYMBOL, "sym", symbol_id)
        if not 1 <= limit <= PAGE_MAX:
            raise RequestError(Reason.INVALID_VALUE, "limit", limit, detail=f"1 to {PAGE_MAX}")
        if before < 0:
            raise RequestError(Reason.INVALID_VALUE, "before", before, detail="0 or more")


def _wanted(row: list[Any], symbol_id: int, before: int) -> bool:
    return (not symbol_id or row[SYMBOL] == symbol_id) and (not before or row[SEQ] < before)


def private_rows(v: View) -> Iterator[tuple[int, str, list[Any]]]:
    """User, key and fields of every frame that a record is told by; funds are nobody."""
    told: list[tuple[int, str, list[Any]]] = []
    end = [v.ts_ns, v.seq]
    if v.record is FUNDING_PAYMENT:
        told.append((v.user_id, "FP", [
            v.symbol_id, v.leg, v.amount, v.net_qty, v.mark_px, v.rate_ppb, v.interval_id, *end,
        ]))  # fmt: skip
    elif v.record is LIQUIDATION_STEP:
        told.append((v.user_id, "LQ", [
            v.symbol_id, v.leg, v.stage, v.round, v.side, v.qty, v.px, v.mark_px, v.net_qty,
            v.equity, v.maintenance_margin, v.margin_mode, v.oid, *end,
        ]))  # fmt: skip
    elif v.record is LIQUIDATION_SETTLED:
        told.append((v.user_id, "LF", [v.symbol_id, v.leg, v.amount, *end]))
    elif v.record is POSITION_TRANSFERRED and v.qty:
        other = (v.counter_user_id, 1 - v.side, v.counter_flags)
        sides = ((v.user_id, v.side, v.user_flags), other)
        for role, (user, side, flags) in enumerate(sides):
            told.append((user, "PT", [
                v.symbol_id, leg_of(side, flags) or 0, role, v.kind, side, v.qty, v.px, v.mark_px,
                *end,
            ]))  # fmt: skip
    return (row for row in told if row[0] < FUND_USER_BASE)
