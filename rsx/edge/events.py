"""What released records and risk's answers do to tracked orders, and who hears of it.

Records come in the order of the log, so fills come before the terminal event (INV-1); every event
is checked against the order it names (INV-2, INV-13): a gateway that would tell a client
something impossible stops the exchange instead. Each handler decodes only the fields it needs.

    ORDER_ACCEPTED rests --> U 1            ORDER_CANCELLED, ORDER_REJECTED --> U 2, U 3
    ORDER_ACCEPTED       --> nothing yet    FILL --> F, and U 0 when nothing remains
    ORDER_RESTED         --> U 1            REQUEST_REJECTED --> U 3, or the request's error

Thread: the gateway's loop. Source: specs/wire.md W-10 to W-13; specs/records.md.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from types import MappingProxyType
from typing import Any, NamedTuple

from rsx.core.check import InvariantError, check
from rsx.edge.entry import OrderEntry
from rsx.edge.orders import (
    CANCELLED,
    FILLED,
    PENDING,
    REJECTED,
    RESTING,
    Fill,
    Order,
)
from rsx.edge.picks import HEAD, pick
from rsx.errors import Reason, RequestError
from rsx.records import (
    ACCOUNT_STATE,
    CANCEL_REJECTED,
    DEPOSIT,
    FILL,
    LOG_STARTED,
    MARK_PRICE,
    ORDER_ACCEPTED,
    ORDER_CANCELLED,
    ORDER_DUPLICATE,
    ORDER_REDUCED,
    ORDER_REJECTED,
    ORDER_RESTED,
    POSITION_STATE,
    RECORD_SIZE,
    REQUEST_REJECTED,
    SEGMENT_STARTED,
    SYMBOL_CONFIG,
    SYMBOL_LIMITS,
    VERSION,
    OrderFlag,
)

# Check numbers of the gateway; INV-n have their own.
UNKNOWN_RECORD = 1211
UNTRACKED_ORDER = 1212
UNKNOWN_VALUE = 1213

_accepted = pick(ORDER_ACCEPTED, "oid", "flags")
_fill = pick(
    FILL, "taker_oid", "maker_oid", "px", "qty", "taker_fee", "maker_fee", "taker_remaining",
    "maker_remaining", "taker_user_id", "maker_user_id", "symbol_id", "taker_side",
)  # fmt: skip
_rested = pick(ORDER_RESTED, "oid", "remaining", "user_id")
_cancelled = pick(
    ORDER_CANCELLED, "oid", "cancelled_qty", "filled_qty", "request_id", "user_id", "reason"
)
_rejected = pick(ORDER_REJECTED, "oid", "user_id", "reason")
_duplicate = pick(ORDER_DUPLICATE, "oid", "original_oid", "user_id")
_reduced = pick(ORDER_REDUCED, "oid", "cancelled_qty", "remaining", "user_id", "reason")
_cancel_rejected = pick(CANCEL_REJECTED, "request_id", "reason")
_deposit = pick(DEPOSIT, "request_id", "amount")
_refused = pick(REQUEST_REJECTED, "oid", "request_id", "required", "available", "user_id", "reason")

_REASONS = frozenset(int(reason) for reason in Reason)
_RESTS = int(OrderFlag.RESTS)


NO_CLIENT_IDS: Mapping[int, str] = MappingProxyType({})


class AccountState(NamedTuple):
    """Answer to a query: values of frame A, rows of frame P."""

    account: list[int]
    positions: list[list[int]]


class Events:
    """Handlers by record type. `position` has `epoch` and `seq`, the newest released."""

    def __init__(self, entry: OrderEntry, position: Any):
        self.entry = entry
        self.tracker = entry.tracker
        self.position = position
        self.fills_total = 0
        self.released: dict[int, Callable[[bytes, int, int, int], None] | None] = {
            ORDER_ACCEPTED.type: self.on_accepted,
            FILL.type: self.on_fill,
            ORDER_RESTED.type: self.on_rested,
            ORDER_CANCELLED.type: self.on_cancelled,
            ORDER_REJECTED.type: self.on_rejected,
            ORDER_DUPLICATE.type: self.on_duplicate,
            ORDER_REDUCED.type: self.on_reduced,
            CANCEL_REJECTED.type: self.on_cancel_rejected,
            DEPOSIT.type: self.on_deposit,
            LOG_STARTED.type: self.on_log_started,
            MARK_PRICE.type: None,
            SYMBOL_CONFIG.type: None,
            SYMBOL_LIMITS.type: None,
            SEGMENT_STARTED.type: None,
        }
        self.answers: dict[int, Callable[[bytes, int, int, int], None] | None] = {
            REQUEST_REJECTED.type: self.on_refused,
            ACCOUNT_STATE.type: self.on_account,
            POSITION_STATE.type: self.on_position,
        }

    def load(
        self, open_orders: Iterable[Any], recent_fills: Iterable[Any],
        client_ids: Mapping[int, str] = NO_CLIENT_IDS,
    ) -> None:  # fmt: skip
        """Take recovered state, before the start.

        Args  open_orders: (oid, user, symbol, side, px, qty, filled, tif, flags, cid, ts_ns, seq)
              and, if part of it was cancelled, the remaining quantity as a 13th item;
              recent_fills: FILL views, oldest first; client_ids: by order id, of ended orders
        """
        for row in open_orders:
            oid, user, symbol_id, side, px, qty, filled, tif, flags, cid, ts_ns, seq = row[:12]
            if isinstance(cid, bytes):
                cid = cid.rstrip(b"\0").decode()
            order = Order(
                oid, self.tracker.account(user), symbol_id, side, px, qty, tif, flags, cid, ts_ns
            )
            order.filled = filled
            order.cut = qty - filled - row[12] if len(row) > 12 else 0
            order.seq = seq
            order.status = RESTING
            check(order.remaining > 0, 16, oid, qty, filled)
            self.tracker.add(order)
        for view in recent_fills:
            for fill, user in _both_sides(view):
                known = self.tracker.orders.get(fill[0])
                cid = client_ids.get(fill[0], "") if known is None else known.cid
                row = (*fill[:7], cid, *fill[8:])
                self.tracker.account(user).fills.append(row)

    # --- dispatch ---------------------------------------------------------------------------

    def on_released(self, data: bytes) -> int:
        """Apply records of the log; their numbers must follow each other (INV-5)."""
        handlers = self.released
        position = self.position
        seq = position.seq
        for at in range(0, len(data), RECORD_SIZE):
            version, kind, _, number, ts_ns = HEAD.unpack_from(data, at)
            seq += 1
            if number != seq:
                raise InvariantError(5, "released to the gateway", number, "after", seq - 1)
            position.seq = seq
            if version != VERSION or kind not in handlers:
                raise InvariantError(UNKNOWN_RECORD, version, kind, number)
            handler = handlers[kind]
            if handler is not None:
                handler(data, at, ts_ns, seq)
        return len(data) // RECORD_SIZE

    def on_answers(self, data: bytes) -> int:
        """Apply risk's answers; they have no number."""
        for at in range(0, len(data), RECORD_SIZE):
            version, kind, _, _, ts_ns = HEAD.unpack_from(data, at)
            handler = self.answers.get(kind)
            if version != VERSION or handler is None:
                raise InvariantError(UNKNOWN_RECORD, version, kind, 0)
            handler(data, at, ts_ns, 0)
        return len(data) // RECORD_SIZE

    # --- orders -----------------------------------------------------------------------------

    def _tracked(self, oid: int, user: int) -> Order:
        """The live order that a record names."""
        order = self.tracker.orders.get(oid)
        if order is None:
            raise InvariantError(UNTRACKED_ORDER, oid, user)
        if order.account.user_id != user or not order.is_live:
            raise InvariantError(2, oid, user, order.account.user_id, order.status)
        return order

    def _update(self, order: Order, reason: int, ts_ns: int, seq: int) -> None:
        """Tell the account's streams, and whoever waits for the first word."""
        if reason not in _REASONS:
            raise InvariantError(UNKNOWN_VALUE, order.oid, "reason", reason)
        order.reason = reason
        order.ts_ns = ts_ns
        order.seq = seq
        if order.waiting:
            self.entry.order_answered(order)
        for stream in order.account.streams:
            stream.on_update(order, reason, ts_ns, seq)
        if order.on_first is not None:
            order.on_first(order)
            order.on_first = None

    def on_accepted(self, data: bytes, at: int, ts_ns: int, seq: int) -> None:
        oid, flags = _accepted(data, at)
        order = self.tracker.orders.get(oid)
        if order is None:
            order = self._adopt(data, at)
        elif order.status != PENDING:
            raise InvariantError(2, oid, order.status)
        if flags & _RESTS:
            order.status = RESTING
            self._update(order, 0, ts_ns, seq)

    def _adopt(self, data: bytes, at: int) -> Order:
        """An order that came by another way than this gateway is tracked all the same."""
        v = ORDER_ACCEPTED.unpack(data, at)
        order = Order(
            v.oid, self.tracker.account(v.user_id), v.symbol_id, v.side, v.px, v.qty, v.tif,
            v.flags & ~_RESTS, v.client_id, v.ts_ns,
        )  # fmt: skip
        self.tracker.add(order)
        return order

    def on_rested(self, data: bytes, at: int, ts_ns: int, seq: int) -> None:
        oid, remaining, user = _rested(data, at)
        order = self._tracked(oid, user)
        if order.status != PENDING or order.remaining != remaining:
            raise InvariantError(13, oid, order.status, order.remaining, remaining)
        order.status = RESTING
        self._update(order, 0, ts_ns, seq)

    def on_fill(self, data: bytes, at: int, ts_ns: int, seq: int) -> None:
        (
            taker_oid, maker_oid, px, qty, taker_fee, maker_fee, taker_left, maker_left,
            taker_user, maker_user, symbol_id, side,
        ) = _fill(data, at)  # fmt: skip
        if side > 1:
            raise InvariantError(UNKNOWN_VALUE, seq, "taker_side", side)
        self.fills_total += 1
        self._filled(taker_oid, taker_user, taker_left, (
            taker_oid, symbol_id, side, px, qty, taker_fee, 0, "", ts_ns, seq
        ))  # fmt: skip
        self._filled(maker_oid, maker_user, maker_left, (
            maker_oid, symbol_id, 1 - side, px, qty, maker_fee, 1, "", ts_ns, seq
        ))  # fmt: skip

    def _filled(self, oid: int, user: int, remaining: int, fill: Fill) -> None:
        """One side of a fill: F, then the terminal U when nothing remains (INV-1)."""
        order = self._tracked(oid, user)
        order.filled += fill[4]
        if order.remaining != remaining or order.symbol_id != fill[1] or order.side != fill[2]:
            raise InvariantError(13, oid, order.qty, order.filled, order.cut, remaining)
        if order.cid:
            fill = (*fill[:7], order.cid, *fill[8:])
        account = order.account
        account.fills.append(fill)
        if order.waiting:
            self.entry.order_answered(order)
        for stream in account.streams:
            stream.on_fill(fill, remaining)
        if remaining == 0:
            self.tracker.end(order, FILLED)
            self._update(order, 0, fill[8], fill[9])

    def on_reduced(self, data: bytes, at: int, ts_ns: int, seq: int) -> None:
        oid, cancelled_qty, remaining, user, reason = _reduced(data, at)
        order = self._tracked(oid, user)
        order.cut += cancelled_qty
        if order.remaining != remaining or remaining <= 0:
            raise InvariantError(13, oid, order.qty, order.filled, order.cut, remaining)
        if order.status == RESTING:
            self._update(order, reason, ts_ns, seq)

    def on_cancelled(self, data: bytes, at: int, ts_ns: int, seq: int) -> None:
        oid, cancelled_qty, filled_qty, request_id, user, reason = _cancelled(data, at)
        if reason == Reason.RESTART and oid not in self.tracker.orders:
            return  # it was in flight when the process died: no client of this one knows it
        order = self._tracked(oid, user)
        if order.filled != filled_qty or order.remaining != cancelled_qty:
            raise InvariantError(13, oid, order.qty, order.filled, order.cut, cancelled_qty)
        self.tracker.end(order, CANCELLED)
        self._update(order, reason, ts_ns, seq)
        request = self.entry.take(request_id) if request_id else None
        if request is not None:
            request.answered(order)

    def on_rejected(self, data: bytes, at: int, ts_ns: int, seq: int) -> None:
        oid, user, reason = _rejected(data, at)
        if oid in self.tracker.orders:  # else refused to another way in
            order = self._tracked(oid, user)
            self.tracker.end(order, REJECTED)
            self._update(order, reason, ts_ns, seq)

    def on_duplicate(self, data: bytes, at: int, ts_ns: int, seq: int) -> None:
        oid, original_oid, user = _duplicate(data, at)
        if oid in self.tracker.orders:
            order = self._tracked(oid, user)
            order.original_oid = original_oid
            self.tracker.end(order, REJECTED)
            self._update(order, Reason.DUPLICATE_CLIENT_ID, ts_ns, seq)

    # --- requests -----------------------------------------------------------------------------

    def on_cancel_rejected(self, data: bytes, at: int, _ts_ns: int, _seq: int) -> None:
        request_id, reason = _cancel_rejected(data, at)
        request = self.entry.take(request_id)
        if request is not None:
            request.answered(RequestError(Reason(reason), "id"))

    def on_deposit(self, data: bytes, at: int, _ts_ns: int, seq: int) -> None:
        request_id, amount = _deposit(data, at)
        request = self.entry.take(request_id) if request_id else None
        if request is not None:
            request.answered((seq, amount))

    def on_log_started(self, data: bytes, at: int, _ts_ns: int, _seq: int) -> None:
        self.position.epoch = HEAD.unpack_from(data, at)[2]

    def on_refused(self, data: bytes, at: int, ts_ns: int, _seq: int) -> None:
        """Refused by risk: an order's terminal event, or the end of another request."""
        oid, request_id, required, available, user, reason = _refused(data, at)
        if oid and not request_id:
            if oid in self.tracker.orders:
                order = self._tracked(oid, user)
                self.tracker.end(order, REJECTED)
                self._update(order, reason, ts_ns, 0)
            return
        request = self.entry.take(request_id)
        if request is not None:
            detail = f"{required} is needed, {available} is free" if required else None
            request.answered(RequestError(Reason(reason), detail=detail))

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


def _both_sides(view: Any) -> list[tuple[Fill, int]]:
    """A FILL record as the rows of its taker and its maker, client ids unknown."""
    v, seq, ts_ns = view, view.seq, view.ts_ns
    return [
        ((v.taker_oid, v.symbol_id, v.taker_side, v.px, v.qty, v.taker_fee, 0, "", ts_ns, seq),
         v.taker_user_id),
        ((v.maker_oid, v.symbol_id, 1 - v.taker_side, v.px, v.qty, v.maker_fee, 1, "", ts_ns,
          seq), v.maker_user_id),
    ]  # fmt: skip
