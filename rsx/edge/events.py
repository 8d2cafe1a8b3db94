"""What released records and risk's answers do to tracked orders, and who hears of it.

Records come in the order of the log, so fills come before the terminal event (INV-1); every event
is checked against the order it names (INV-2, INV-13): a gateway that would tell a client
something impossible stops the exchange instead. Each handler decodes only the fields it needs.

    ORDER_ACCEPTED rests --> U 1            ORDER_CANCELLED, TRIGGER_CANCELLED --> U 2
    ORDER_ACCEPTED       --> nothing yet    ORDER_REJECTED, TRIGGER_REJECTED --> U 3
    ORDER_RESTED         --> U 1            ORDER_DUPLICATE --> U 3, and DU to who asked
    ORDER_AMENDED rests  --> U 1            FILL --> F, and U 0 when nothing remains
    ORDER_AMENDED        --> U 4            TRIGGER_PLACED --> U 5, TRIGGER_FIRED --> U 4
    REQUEST_REJECTED     --> U 3, or the request's error

Thread: the gateway's loop. Source: specs/wire.md W-10 to W-18; specs/records.md.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from types import MappingProxyType
from typing import Any

from rsx.core.check import InvariantError, check
from rsx.edge.answers import UNKNOWN_VALUE, Answers
from rsx.edge.entry import OrderEntry
from rsx.edge.notices import Notices
from rsx.edge.orders import (
    CANCELLED,
    FILLED,
    KEPT,
    MOVED,
    PENDING,
    REJECTED,
    RESTING,
    WAITING,
    Fill,
    OpenOrder,
    Order,
    Trigger,
)
from rsx.edge.picks import HEAD, pick
from rsx.errors import Reason
from rsx.records import (
    ACCOUNT_CONFIG,
    ACCOUNT_STATE,
    AMEND_REJECTED,
    CANCEL_ALL_DONE,
    CANCEL_REJECTED,
    DEPOSIT,
    ENGINE_DIGEST,
    FILL,
    FUNDING_DONE,
    FUNDING_PAYMENT,
    FUNDING_SETTLED,
    LEDGER_DIGEST,
    LEDGER_MARK,
    LIQUIDATION_SETTLED,
    LIQUIDATION_STEP,
    LOG_STARTED,
    LOG_SYNCED,
    MARGIN_CALL,
    MARGIN_CONFIG,
    MARGIN_TRANSFERRED,
    MARK_PRICE,
    ORDER_ACCEPTED,
    ORDER_AMENDED,
    ORDER_CANCELLED,
    ORDER_DUPLICATE,
    ORDER_REDUCED,
    ORDER_REJECTED,
    ORDER_RELEASED,
    ORDER_RESTED,
    POSITION_RISK,
    POSITION_STATE,
    POSITION_TRANSFERRED,
    RECORD_SIZE,
    REQUEST_REJECTED,
    SEGMENT_STARTED,
    SYMBOL_BRACKETS,
    SYMBOL_CONFIG,
    SYMBOL_LIMITS,
    SYMBOL_RISK,
    TRADING_MODE,
    TRIGGER_CANCELLED,
    TRIGGER_FIRED,
    TRIGGER_PLACED,
    TRIGGER_REJECTED,
    VERSION,
    WITHDRAWAL,
    OrderFlag,
    OrderKind,
)

# Check numbers of the gateway; INV-n have their own.
UNKNOWN_RECORD = 1211
UNTRACKED_ORDER = 1212

_accepted = pick(ORDER_ACCEPTED, "oid", "px", "stp", "flags")
_fill = pick(
    FILL, "taker_oid", "maker_oid", "px", "qty", "taker_fee", "maker_fee", "taker_remaining",
    "maker_remaining", "taker_user_id", "maker_user_id", "symbol_id", "taker_side",
)  # fmt: skip
_rested = pick(ORDER_RESTED, "oid", "remaining", "user_id")
_cancelled = pick(
    ORDER_CANCELLED, "oid", "cancelled_qty", "filled_qty", "request_id", "user_id", "reason"
)
_rejected = pick(ORDER_REJECTED, "oid", "user_id", "reason")
_reduced = pick(ORDER_REDUCED, "oid", "cancelled_qty", "remaining", "user_id", "reason")
_amended = pick(ORDER_AMENDED, "oid", "px", "qty", "remaining", "request_id", "user_id", "flags")
_fired = pick(TRIGGER_FIRED, "oid", "fired_px", "user_id")
_trigger_cancelled = pick(TRIGGER_CANCELLED, "oid", "qty", "request_id", "user_id", "reason")
_trigger_rejected = pick(TRIGGER_REJECTED, "oid", "user_id", "reason")
_refused = pick(REQUEST_REJECTED, "oid", "request_id", "required", "available", "user_id", "reason")

_REASONS = frozenset(int(reason) for reason in Reason)
_RESTS = int(OrderFlag.RESTS)
_KEPT = int(OrderFlag.KEPT)
_FIRST_TRIGGER = int(OrderKind.STOP_MARKET)
NO_CLIENT_IDS: Mapping[int, str] = MappingProxyType({})


class Events:
    """Handlers by record type. `position` has `epoch` and `seq`, the newest released."""

    def __init__(self, entry: OrderEntry, position: Any):
        self.entry = entry
        self.tracker = entry.tracker
        self.position = position
        self.requests = requests = Answers(entry)
        self.notices = notices = Notices(entry, requests)
        self.fills_total = 0
        self.released: dict[int, Callable[[bytes, int, int, int], None] | None] = {
            ORDER_ACCEPTED.type: self.on_accepted,
            FILL.type: self.on_fill,
            ORDER_RESTED.type: self.on_rested,
            ORDER_CANCELLED.type: self.on_cancelled,
            ORDER_REJECTED.type: self.on_rejected,
            ORDER_DUPLICATE.type: self.on_duplicate,
            ORDER_REDUCED.type: self.on_reduced,
            ORDER_AMENDED.type: self.on_amended,
            TRIGGER_PLACED.type: self.on_trigger_placed,
            TRIGGER_FIRED.type: self.on_trigger_fired,
            TRIGGER_CANCELLED.type: self.on_trigger_cancelled,
            TRIGGER_REJECTED.type: self.on_trigger_rejected,
            CANCEL_REJECTED.type: requests.on_cancel_rejected,
            AMEND_REJECTED.type: requests.on_amend_rejected,
            CANCEL_ALL_DONE.type: requests.on_cancel_all_done,
            DEPOSIT.type: requests.on_deposit,
            WITHDRAWAL.type: requests.on_withdrawal,
            MARGIN_CONFIG.type: requests.on_margin,
            MARGIN_TRANSFERRED.type: requests.on_moved,
            FUNDING_SETTLED.type: notices.on_funding_settled,
            FUNDING_PAYMENT.type: notices.on_payment,
            FUNDING_DONE.type: None,
            LIQUIDATION_STEP.type: notices.on_step,
            POSITION_TRANSFERRED.type: notices.on_transferred,
            LIQUIDATION_SETTLED.type: notices.on_settled,
            TRADING_MODE.type: requests.on_mode,
            ACCOUNT_CONFIG.type: requests.on_config,
            LOG_STARTED.type: self.on_log_started,
            ORDER_RELEASED.type: None,  # no event of an order
            MARK_PRICE.type: notices.on_mark,
            SYMBOL_CONFIG.type: requests.on_rules,
            SYMBOL_LIMITS.type: requests.on_rules,
            SYMBOL_RISK.type: requests.on_rules,
            SYMBOL_BRACKETS.type: requests.on_rules,
            SEGMENT_STARTED.type: None,
            ENGINE_DIGEST.type: None,
            LEDGER_MARK.type: None,
            LEDGER_DIGEST.type: None,
            LOG_SYNCED.type: None,
        }
        self.answers: dict[int, Callable[[bytes, int, int, int], None] | None] = {
            REQUEST_REJECTED.type: self.on_refused,
            ACCOUNT_STATE.type: requests.on_account,
            POSITION_STATE.type: requests.on_position,
            POSITION_RISK.type: requests.on_position_risk,
            MARGIN_CALL.type: notices.on_margin_call,
        }

    def load(
        self, open_orders: Iterable[Any], recent_fills: Iterable[Any],
        client_ids: Mapping[int, str] = NO_CLIENT_IDS,
    ) -> None:  # fmt: skip
        """Take recovered state, before the start.

        Args  open_orders: OpenOrder, or tuples in its order: resting orders, waiting triggers, and
              triggers that have fired and are not back; recent_fills: FILL views, oldest first;
              client_ids: by order id, of ended orders
        """
        for fields in open_orders:
            row = OpenOrder(*fields)
            cid = row.cid.rstrip(b"\0").decode() if isinstance(row.cid, bytes) else row.cid
            trigger = None
            if _FIRST_TRIGGER <= row.kind < OrderKind.LIQUIDATION:
                trigger = Trigger(row.trigger_px, row.trail_px, row.trail_ppm, row.fired_px)
            order = Order(
                row.oid, self.tracker.account(row.user_id), row.symbol_id, row.side, row.px,
                row.qty, row.tif, row.flags & ~(_RESTS | _KEPT), cid, row.placed_ns, row.kind,
                row.stp, row.expire_s, trigger,
            )  # fmt: skip
            order.filled = row.filled
            order.cut = row.qty - row.filled - row.remaining if row.remaining >= 0 else 0
            order.seq = row.seq
            order.status = row.status
            check(order.is_live and order.cut >= 0, 16, row.oid, row.status, order.cut)
            check(order.remaining > 0, 16, row.oid, row.qty, row.filled)
            self.tracker.add(order)
        for view in recent_fills:
            for fill, user in _both_sides(view):
                known = self.tracker.orders.get(fill[0])
                cid = client_ids.get(fill[0], "") if known is None else known.cid
                self.tracker.account(user).fills.append((*fill[:7], cid, *fill[8:]))

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
        account = order.account
        if account.streams:
            for stream in account.streams:
                stream.on_update(order, reason, ts_ns, seq)
            self.requests.touch(account.user_id)
        if order.on_first is not None and order.status != PENDING:
            on_first, order.on_first = order.on_first, None
            on_first(order)

    def on_accepted(self, data: bytes, at: int, ts_ns: int, seq: int) -> None:
        oid, px, stp, flags = _accepted(data, at)
        order = self.tracker.orders.get(oid)
        if order is None:
            order = self._adopt(ORDER_ACCEPTED.unpack(data, at))
        elif order.status != PENDING:
            raise InvariantError(2, oid, order.status)
        order.px = px  # repriced, or a market order's protection price
        order.stp = stp
        if flags & _RESTS:
            order.status = RESTING
            self._update(order, 0, ts_ns, seq)

    def _adopt(self, v: Any) -> Order:
        """An order that came by another way than this gateway is tracked all the same."""
        order = Order(
            v.oid, self.tracker.account(v.user_id), v.symbol_id, v.side, v.px, v.qty, v.tif,
            v.flags & ~_RESTS, v.client_id, v.ts_ns, v.kind, v.stp, v.expire_s,
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
        if account.streams:
            for stream in account.streams:
                stream.on_fill(fill, remaining)
            self.requests.touch(account.user_id)
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
        self._end_cancelled(order, reason, request_id, ts_ns, seq)

    def _end_cancelled(
        self, order: Order, reason: int, request_id: int, ts_ns: int, seq: int
    ) -> None:
        self.tracker.end(order, CANCELLED)
        self._update(order, reason, ts_ns, seq)
        request = self.entry.take(request_id)
        if request is not None:
            request.answered(order)

    def on_rejected(self, data: bytes, at: int, ts_ns: int, seq: int) -> None:
        oid, user, reason = _rejected(data, at)
        self._end_rejected(oid, user, reason, ts_ns, seq)

    def _end_rejected(self, oid: int, user: int, reason: int, ts_ns: int, seq: int) -> None:
        if oid in self.tracker.orders:  # else it came by another way: there is nothing to track
            order = self._tracked(oid, user)
            self.tracker.end(order, REJECTED)
            self._update(order, reason, ts_ns, seq)

    def on_duplicate(self, data: bytes, at: int, ts_ns: int, seq: int) -> None:
        """The end of the request's order, and the state of the one that has its id (W-16)."""
        v = ORDER_DUPLICATE.unpack(data, at)
        if v.oid not in self.tracker.orders:
            return
        order = self._tracked(v.oid, v.user_id)
        order.original_oid = v.original_oid
        origin = order.origin
        self.tracker.end(order, REJECTED)
        self._update(order, Reason.DUPLICATE_CLIENT_ID, ts_ns, seq)
        if origin is not None:
            origin.on_duplicate(self._original(v, order), order.oid)

    def _original(self, v: Any, duplicate: Order) -> Order:
        """What ORDER_DUPLICATE tells, as an order of its own that nobody tracks."""
        order = Order(
            v.original_oid, duplicate.account, v.symbol_id, v.original_side, v.original_px,
            v.original_qty, v.original_tif, v.original_flags & ~(_RESTS | _KEPT), duplicate.cid,
            v.ts_ns, v.original_kind,
        )  # fmt: skip
        order.status, order.filled = v.original_status, v.original_filled
        order.reason, order.seq = v.original_reason, v.seq
        check(order.remaining >= 0, 13, order.oid, order.qty, order.filled)
        check(v.original_remaining in (0, order.remaining), 13, order.oid, v.original_remaining)
        known = self.tracker.orders.get(order.oid)
        if known is not None:
            order.stp, order.expire_s, order.trigger = known.stp, known.expire_s, known.trigger
        return order

    def on_amended(self, data: bytes, at: int, ts_ns: int, seq: int) -> None:
        """New price and quantity; what was cut before no longer counts (AM-1)."""
        oid, px, qty, remaining, request_id, user, flags = _amended(data, at)
        order = self._tracked(oid, user)
        if order.status != RESTING or qty - order.filled != remaining or remaining <= 0:
            raise InvariantError(13, oid, order.status, order.filled, qty, remaining)
        order.px, order.qty, order.cut = px, qty, 0
        if not flags & (_RESTS | _KEPT):
            order.status = PENDING  # in hand: it matches now
        order.amended = KEPT if flags & _KEPT else MOVED
        self._update(order, 0, ts_ns, seq)
        order.amended = 0

        def answer(order: Any) -> None:
            request = self.entry.take(request_id)
            if request is not None:
                request.answered(order)

        if order.status == RESTING:
            answer(order)
        else:
            order.on_first = answer  # once it rests again, or has ended

    # --- triggers -----------------------------------------------------------------------------

    def on_trigger_placed(self, data: bytes, at: int, ts_ns: int, seq: int) -> None:
        v = TRIGGER_PLACED.unpack(data, at)
        order = self.tracker.orders.get(v.oid)
        if order is None:
            order = self._adopt(v)
            order.trigger = Trigger(v.trigger_px, v.trail_px, v.trail_ppm)
        elif order.status != PENDING or order.trigger is None:
            raise InvariantError(2, v.oid, order.status)
        order.stp = v.stp
        order.status = WAITING
        self._update(order, 0, ts_ns, seq)

    def on_trigger_fired(self, data: bytes, at: int, ts_ns: int, seq: int) -> None:
        oid, fired_px, user = _fired(data, at)
        order = self._tracked(oid, user)
        if order.status != WAITING or order.trigger is None:
            raise InvariantError(2, oid, user, order.status, WAITING)
        order.trigger.fired_px = fired_px
        order.status = PENDING
        self._update(order, 0, ts_ns, seq)

    def on_trigger_cancelled(self, data: bytes, at: int, ts_ns: int, seq: int) -> None:
        oid, qty, request_id, user, reason = _trigger_cancelled(data, at)
        order = self._tracked(oid, user)
        if order.trigger is None or order.status == RESTING or order.remaining != qty:
            raise InvariantError(13, oid, order.status, order.qty, order.filled, qty)
        self._end_cancelled(order, reason, request_id, ts_ns, seq)

    def on_trigger_rejected(self, data: bytes, at: int, ts_ns: int, seq: int) -> None:
        oid, user, reason = _trigger_rejected(data, at)
        self._end_rejected(oid, user, reason, ts_ns, seq)

    # --- the rest -----------------------------------------------------------------------------

    def on_log_started(self, data: bytes, at: int, _ts_ns: int, _seq: int) -> None:
        self.position.epoch = HEAD.unpack_from(data, at)[2]

    def on_refused(self, data: bytes, at: int, ts_ns: int, _seq: int) -> None:
        """Refused by risk: an order's terminal event, or the end of another request."""
        oid, request_id, required, available, user, reason = _refused(data, at)
        if oid and not request_id:
            if oid in self.tracker.orders:
                order = self._tracked(oid, user)
                if required:
                    order.required, order.available = required, available
                self.tracker.end(order, REJECTED)
                self._update(order, reason, ts_ns, 0)
            return
        request = self.entry.take(request_id)
        if request is not None:
            self.requests.refuse(request, reason, required, available)


def _both_sides(view: Any) -> list[tuple[Fill, int]]:
    """A FILL record as the rows of its taker and its maker, client ids unknown."""
    v, seq, ts_ns = view, view.seq, view.ts_ns
    return [
        ((v.taker_oid, v.symbol_id, v.taker_side, v.px, v.qty, v.taker_fee, 0, "", ts_ns, seq),
         v.taker_user_id),
        ((v.maker_oid, v.symbol_id, 1 - v.taker_side, v.px, v.qty, v.maker_fee, 1, "", ts_ns,
          seq), v.maker_user_id),
    ]  # fmt: skip
