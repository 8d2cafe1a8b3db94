"""Requests other than orders: handed to risk, answered once, or reported as unknown.

The base of the inner interface (entry.py): limits, request ids, timeouts, and the requests of an
account as a whole. Each request gets exactly one answer (INV-22): what a record says, a refusal,
NO_ANSWER, or STOPPING.

Thread: the gateway's loop. Source: specs/wire.md W-50, W-60 to W-62, W-70.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

from rsx.core.clock import Clock
from rsx.core.ring import Ring
from rsx.edge.limits import RateLimit
from rsx.edge.orders import Account, Order, OrderIds, Tracker
from rsx.edge.picks import packer
from rsx.errors import Reason, RequestError
from rsx.records import (
    ACCOUNT_CONFIG_REQUEST,
    ACCOUNT_QUERY,
    CANCEL_ALL_REQUEST,
    DEPOSIT_REQUEST,
    MODE_REQUEST,
    Mode,
    Stp,
)
from rsx.shards import Shards

AMOUNT_MAX = (1 << 63) - 1
BOTH_SIDES = 2
# Scope of a cancel-all.
ORDERS, TRIGGERS, EVERYTHING = 1, 2, 3
OWNER_GROUP, STP = 1, 2

# Fields in the order of the records, seq first.
_pack_deposit = packer(DEPOSIT_REQUEST)
_pack_query = packer(ACCOUNT_QUERY)
_pack_cancel_all = packer(CANCEL_ALL_REQUEST)
_pack_mode = packer(MODE_REQUEST)
_pack_config = packer(ACCOUNT_CONFIG_REQUEST)


class Request:
    """One request on its way; `answered` gets the result or a RequestError.

    order: the own order that it names, when it is known; amends: it is an amendment of it;
    field, value: what of it a refusal by risk is about
    """

    __slots__ = (
        "account", "amends", "answered", "field", "id", "order", "positions", "sent_ns", "value"
    )  # fmt: skip

    def __init__(self, request_id: int, account: Account, answered: Callable[[Any], None]):
        self.id = request_id
        self.account = account
        self.answered = answered
        self.positions: list[Any] = []
        self.sent_ns = 0
        self.order: Order | None = None
        self.amends = False
        self.field: str | None = None
        self.value: int | None = None


class Gather:
    """Joins the answers of one cancel-all, a symbol each, into one: how many ended."""

    __slots__ = ("answered", "cancelled", "error", "left")

    def __init__(self, left: int, answered: Callable[[Any], None]):
        self.left = left
        self.answered = answered
        self.cancelled = 0
        self.error: RequestError | None = None

    def take(self, result: Any) -> None:
        self.left -= 1
        if isinstance(result, RequestError):
            self.error = result
        else:
            self.cancelled += result
        if not self.left:
            self.answered(self.error or self.cancelled)


class RequestEntry:
    """See the module. `handed` counts requests since the gateway last polled, `asked` queries.

    Args  rings: gateway_risk, to each risk tile; shards: which of them decides for a user
    Attributes: modes {symbol id: trading mode}; settings {user: answers.Settings}, as released;
    changing {symbol id: (version, request)} of changes of rules that have not been released;
    gateway_risk: the ring of what concerns no single user (SH-3)
    """

    def __init__(
        self, edge: Any, symbols: tuple[Any, ...], clock: Clock, rings: Sequence[Ring],
        shards: Shards,
    ):  # fmt: skip
        self.symbols = {s.id: s for s in symbols}
        self.clock = clock
        self.rings = tuple(rings)
        self.shards = shards
        self.gateway_risk = self.rings[0]
        self.tracker = Tracker(lambda user_id: self.rings[shards.of(user_id)])
        self.ids = OrderIds()
        self.rate = RateLimit(edge.orders_per_second)
        self.pending_max = edge.pending_per_user
        self.timeout_ns = edge.answer_timeout_ms * 1_000_000
        self.modes: dict[int, int] = {}
        self.settings: dict[int, Any] = {}
        self.changing: dict[int, tuple[int, int]] = {}
        self.unanswered: dict[int, Order] = {}
        self.requests: dict[int, Request] = {}
        self.last_request = 0
        self.handed = 0
        self.asked = 0
        self.stopping = False
        self.orders_total = self.triggers_total = self.amends_total = self.cancels_total = 0
        self.cancel_alls_total = self.queries_total = self.deposits_total = 0
        self.settings_total = self.timeouts_total = self.overloads_total = 0
        self.withdrawals_total = self.transfers_total = self.pushes_total = 0
        first = symbols[0]
        self.money_decimals = first.price_decimals + first.qty_decimals

    # --- requests -----------------------------------------------------------------------------

    def query_account(self, account: Account, answered: Callable[[Any], None]) -> None:
        """Ask risk for account and positions; answered gets an AccountState or RequestError."""
        now_ns = self.clock.now_ns()
        self.admit(account, now_ns)
        request = self._request(account, answered, now_ns)
        self._hand(request, _pack_query(0, now_ns, request.id, account.user_id))
        self.queries_total += 1
        self.asked += 1

    def deposit(self, user_id: int, amount: int, answered: Callable[[Any], None]) -> None:
        """Hand a deposit to risk; answered gets (seq, amount) once it is durable."""
        if not 0 < amount <= AMOUNT_MAX:
            raise RequestError(Reason.AMOUNT_INVALID, "amount", amount)
        now_ns = self.clock.now_ns()
        request = self._request(self.tracker.account(user_id), answered, now_ns)
        request.field, request.value = "amount", amount
        self._hand(request, _pack_deposit(0, now_ns, request.id, amount, user_id))
        self.deposits_total += 1
        self.handed += 1

    def cancel_all(
        self, account: Account, symbol_id: int, side: int, scope: int, reason: Reason,
        answered: Callable[[Any], None], forced: bool = False,
    ) -> None:  # fmt: skip
        """Cancel what an account has in one symbol, or in all (W-70).

        Args    symbol_id: 0 = all; side: 2 = both; scope: sum of ORDERS and TRIGGERS; answered:
                called once with the number that ended; forced: without the user's limits
        Raises  RequestError; then nothing was done, in no symbol
        """
        if symbol_id and symbol_id not in self.symbols:
            raise RequestError(Reason.UNKNOWN_SYMBOL, "sym", symbol_id)
        if side not in (0, 1, BOTH_SIDES):
            detail = "0 buys, 1 sells, 2 both"
            raise RequestError(Reason.INVALID_VALUE, "side", side, detail=detail)
        if scope not in (ORDERS, TRIGGERS, EVERYTHING):
            detail = "1 orders, 2 triggers, 3 both"
            raise RequestError(Reason.INVALID_VALUE, "scope", scope, detail=detail)
        now_ns = self.clock.now_ns()
        if not forced:
            self.admit(account, now_ns, overdraw=True)
        ids = [symbol_id] if symbol_id else list(self.symbols)
        if account.ring.free < len(ids):
            self.overloads_total += 1
            raise RequestError(Reason.OVERLOADED)
        gather = Gather(len(ids), answered)
        for each in ids:
            request = self._request(account, gather.take, now_ns)
            self._hand(request, _pack_cancel_all(
                0, now_ns, request.id, account.user_id, each, reason, scope, side + 1
            ))  # fmt: skip
        self.cancel_alls_total += 1
        self.handed += len(ids)

    def set_mode(
        self, admin: int, symbol_id: int, mode: int, answered: Callable[[Any], None]
    ) -> None:
        """Hand a change of trading mode over; answered gets a ModeSet (MO-1)."""
        if symbol_id not in self.symbols:
            raise RequestError(Reason.UNKNOWN_SYMBOL, "sym", symbol_id)
        if not Mode.OPEN <= mode <= Mode.HALT:
            raise RequestError(Reason.INVALID_VALUE, "mode", mode)
        now_ns = self.clock.now_ns()
        request = self._request(self.tracker.account(admin), answered, now_ns)
        record = _pack_mode(0, now_ns, request.id, admin, symbol_id, mode)
        self._hand(request, record, self.gateway_risk)
        self.settings_total += 1
        self.handed += 1

    def configure(
        self, account: Account, owner_group: int | None, stp: int | None,
        answered: Callable[[Any], None], forced: bool = False,
    ) -> None:  # fmt: skip
        """Change settings of an account, None = as it is; answered gets its Settings."""
        if stp is not None and not Stp.NONE <= stp <= Stp.BOTH:
            detail = "0 none, 1 newest, 2 oldest, 3 both"
            raise RequestError(Reason.INVALID_VALUE, "stp", stp, detail=detail)
        now_ns = self.clock.now_ns()
        if not forced:
            self.admit(account, now_ns)
        fields = (owner_group is not None) * OWNER_GROUP + (stp is not None) * STP
        request = self._request(account, answered, now_ns)
        self._hand(request, _pack_config(
            0, now_ns, request.id, account.user_id, owner_group or 0, stp or 0, fields
        ))  # fmt: skip
        self.settings_total += 1
        self.handed += 1

    # --- limits and answers -------------------------------------------------------------------

    def admit(self, account: Account, now_ns: int, overdraw: bool = False) -> None:
        """Rate limit, then pending limit (W-60, W-61)."""
        if self.stopping:
            raise RequestError(Reason.STOPPING)
        due_ns = self.rate.take(account.due_ns, now_ns, overdraw)
        if not due_ns:
            raise RequestError(Reason.RATE_LIMITED)
        if account.pending >= self.pending_max:
            raise RequestError(Reason.TOO_MANY_PENDING)
        account.due_ns = due_ns

    def _request(self, account: Account, answered: Callable[[Any], None], now_ns: int) -> Request:
        if self.stopping:
            raise RequestError(Reason.STOPPING)
        self.last_request += 1
        request = Request(self.last_request, account, answered)
        request.sent_ns = now_ns
        return request

    def _hand(self, request: Request, record: bytes, ring: Ring | None = None) -> None:
        """Push a request's record to its user's risk tile; a full ring refuses it at once (W-62).

        Args  ring: another, for what concerns no single user
        """
        if not (request.account.ring if ring is None else ring).push(record):
            self.overloads_total += 1
            raise RequestError(Reason.OVERLOADED)
        self.requests[request.id] = request
        request.account.pending += 1

    def take(self, request_id: int) -> Request | None:
        """The request that an answer belongs to; None when it timed out before."""
        request = self.requests.pop(request_id, None)
        if request is not None:
            request.account.pending -= 1
            if request.amends and request.order is not None:
                request.order.amendment_answered()
        return request

    # --- time -------------------------------------------------------------------------------

    def expire(self, now_ns: int) -> int:
        """Report requests without an answer as unknown (INV-22); returns how many.

        An order stays tracked and counted: its answer may still come.
        """
        due_ns = now_ns - self.timeout_ns
        late_orders = [*self._late(self.unanswered.values(), due_ns, "placed_ns")]
        late_requests = [*self._late(self.requests.values(), due_ns, "sent_ns")]
        for order in late_orders:
            del self.unanswered[order.oid]
            error = RequestError(Reason.NO_ANSWER, "oid", order.oid, order.cid or order.oid)
            if order.on_first is not None:
                order.on_first(error)
                order.on_first = None
            elif order.origin is not None:
                order.origin.refuse(error)
        for request in late_requests:
            self.take(request.id)
            request.answered(RequestError(Reason.NO_ANSWER))
        self.timeouts_total += len(late_orders) + len(late_requests)
        return len(late_orders) + len(late_requests)

    @staticmethod
    def _late(items: Any, due_ns: int, stamp: str) -> Iterator[Any]:
        """Items are in the order they were sent: the first young one ends the search."""
        for item in items:
            if getattr(item, stamp) > due_ns:
                return
            yield item

    def stop(self) -> None:
        """Refuse what comes, and tell those who wait that the exchange stops."""
        self.stopping = True
        for order in list(self.unanswered.values()):
            if order.on_first is not None:
                order.on_first(RequestError(Reason.STOPPING))
                order.on_first = None
        for request in list(self.requests.values()):
            self.take(request.id)
            request.answered(RequestError(Reason.STOPPING))
