"""The inner interface of the exchange: place, cancel, query, deposit, look up.

Every dialect (JSON frames, REST) is a codec over this. Values are integers in a symbol's units.
A request is checked whole, then handed to risk through `gateway_risk` or refused with nothing
done; it is answered later by a released record, a refusal, or NO_ANSWER (INV-22).

    place  -> Order    tracked at once; its account's streams hear of it
    cancel, query_account, deposit -> Request    `answered` is called once

Thread: the gateway's loop. Source: specs/wire.md sections 5 and 6.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from itertools import islice
from typing import Any

from rsx.core.clock import Clock
from rsx.core.ring import Ring
from rsx.edge.limits import RateLimit
from rsx.edge.orders import OID_LIMIT, Account, Fill, Order, OrderIds, Tracker
from rsx.edge.picks import packer
from rsx.errors import Reason, RequestError
from rsx.records import (
    ACCOUNT_QUERY,
    CANCEL_REQUEST,
    CID_MAX,
    DEPOSIT_REQUEST,
    ORDER_REQUEST,
    OrderFlag,
    Stp,
    Tif,
)

FILLS_LIMIT_MAX = 500
AMOUNT_MAX = (1 << 63) - 1
# Plain integers: an enum's own operators cost more than the rest of a check.
POST_ONLY = int(OrderFlag.POST_ONLY)
GTC = int(Tif.GTC)
STP_DEFAULT = int(Stp.DEFAULT)
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f]")

# Fields in the order of the records, seq first.
_pack_order = packer(ORDER_REQUEST)
_pack_cancel = packer(CANCEL_REQUEST)
_pack_deposit = packer(DEPOSIT_REQUEST)
_pack_query = packer(ACCOUNT_QUERY)


def cid_bytes(cid: str) -> bytes:
    """A client id as bytes; raises CLIENT_ID_INVALID. Empty means none."""
    try:
        data = cid.encode()
    except UnicodeEncodeError:
        data = b""
    if not cid or len(data) > CID_MAX or not data or _CONTROL.search(cid):
        raise RequestError(Reason.CLIENT_ID_INVALID, "cid", cid)
    return data


class Request:
    """A cancel, query or deposit on its way; `answered` gets the result or a RequestError."""

    __slots__ = ("account", "answered", "id", "positions", "sent_ns")

    def __init__(self, request_id: int, account: Account, answered: Callable[[Any], None]):
        self.id = request_id
        self.account = account
        self.answered = answered
        self.positions: list[Any] = []
        self.sent_ns = 0


class OrderEntry:
    """See the module. `handed` counts requests since the gateway last polled, `asked` queries."""

    def __init__(self, edge: Any, symbols: tuple[Any, ...], clock: Clock, gateway_risk: Ring):
        self.symbols = {s.id: s for s in symbols}
        self.clock = clock
        self.gateway_risk = gateway_risk
        self.tracker = Tracker()
        self.ids = OrderIds()
        self.rate = RateLimit(edge.orders_per_second)
        self.pending_max = edge.pending_per_user
        self.timeout_ns = edge.answer_timeout_ms * 1_000_000
        self.unanswered: dict[int, Order] = {}
        self.requests: dict[int, Request] = {}
        self.last_request = 0
        self.handed = 0
        self.asked = 0
        self.stopping = False
        self.orders_total = self.cancels_total = self.queries_total = self.deposits_total = 0
        self.timeouts_total = self.overloads_total = 0

    # --- orders ---------------------------------------------------------------------------

    def check_order(
        self, symbol_id: int, side: int, px: int, qty: int, cid: str, tif: int, flags: int
    ) -> bytes:
        """Check an order against its symbol's rules; returns the client id as bytes."""
        if side not in (0, 1):
            raise RequestError(Reason.INVALID_VALUE, "side", side, detail="0 buys, 1 sells")
        if tif not in (0, 1, 2):
            raise RequestError(Reason.INVALID_VALUE, "tif", tif, detail="0 GTC, 1 IOC, 2 FOK")
        rules = self.symbols.get(symbol_id)
        if rules is None:
            raise RequestError(Reason.UNKNOWN_SYMBOL, "sym", symbol_id)
        if px <= 0:
            raise RequestError(Reason.PRICE_OUT_OF_RANGE, "px", px)
        if px % rules.tick:
            detail = f"{px} is not a multiple of {rules.tick}"
            raise RequestError(Reason.PRICE_OFF_TICK, "px", px, detail=detail)
        if px > rules.px_max:
            detail = f"{px} is above {rules.px_max}"
            raise RequestError(Reason.PRICE_OUT_OF_RANGE, "px", px, detail=detail)
        if qty <= 0:
            raise RequestError(Reason.QTY_OUT_OF_RANGE, "qty", qty)
        if qty % rules.lot:
            detail = f"{qty} is not a multiple of {rules.lot}"
            raise RequestError(Reason.QTY_OFF_LOT, "qty", qty, detail=detail)
        if qty > rules.qty_max:
            detail = f"{qty} is above {rules.qty_max}"
            raise RequestError(Reason.QTY_OUT_OF_RANGE, "qty", qty, detail=detail)
        if px * qty > rules.notional_max:
            detail = f"{px * qty} is above {rules.notional_max}"
            raise RequestError(Reason.NOTIONAL_TOO_LARGE, "qty", qty, detail=detail)
        data = cid_bytes(cid) if cid else b""
        if flags & POST_ONLY and tif != GTC:
            detail = "a post-only order rests; IOC and FOK do not"
            raise RequestError(Reason.FLAGS_CONTRADICT, "post_only", 1, detail=detail)
        return data

    def place(
        self, account: Account, symbol_id: int, side: int, px: int, qty: int, cid: str,
        tif: int, flags: int, origin: Any = None,
        on_first: Callable[[Order | RequestError], None] | None = None,
    ) -> Order:  # fmt: skip
        """Hand an order to risk.

        Args    px, qty: in the symbol's units; cid: "" = none; flags: of OrderFlag;
                origin: told with `refuse` when no answer comes; on_first: called once with the
                order at its first update, or with NO_ANSWER
        Raises  RequestError; then nothing was done
        """
        now_ns = self.clock.now_ns()
        data = self.check_order(symbol_id, side, px, qty, cid, tif, flags)
        self._admit(account, now_ns)
        oid = self.ids.next(now_ns)
        order = Order(oid, account, symbol_id, side, px, qty, tif, flags, cid, now_ns)
        record = _pack_order(
            0, now_ns, oid, px, qty, now_ns, 0, account.user_id, symbol_id, 0, STP_DEFAULT, side, tif,
            flags, len(data), data,
        )  # fmt: skip
        if not self.gateway_risk.push(record):
            self.overloads_total += 1
            raise RequestError(Reason.OVERLOADED)
        order.origin = origin
        order.on_first = on_first
        order.waiting = True
        self.tracker.add(order)
        self.unanswered[oid] = order
        account.pending += 1
        self.orders_total += 1
        self.handed += 1
        return order

    def order_answered(self, order: Order) -> None:
        """The engine has spoken about this order: it no longer counts as pending."""
        order.waiting = False
        order.account.pending -= 1
        self.unanswered.pop(order.oid, None)

    # --- requests ---------------------------------------------------------------------------

    def cancel(
        self, account: Account, oid: int, cid: str, symbol_id: int | None,
        answered: Callable[[Any], None],
    ) -> None:  # fmt: skip
        """Hand a cancel to risk, by order id, or by client id when oid is 0.

        Args    symbol_id: needed for an id that is not tracked here
                answered: called with the cancelled Order or a RequestError
        Raises  RequestError; then nothing was done
        """
        if symbol_id is not None and symbol_id not in self.symbols:
            raise RequestError(Reason.UNKNOWN_SYMBOL, "sym", symbol_id, oid or cid)
        data = b""
        if oid:
            if not 0 < oid < OID_LIMIT:
                raise RequestError(Reason.INVALID_VALUE, "id", oid, oid)
            order = self.tracker.find(account, oid)
        else:
            data = cid_bytes(cid)
            order = self.tracker.find_cid(account, cid, symbol_id, self.symbols)
        if order is None and symbol_id is None:
            raise RequestError(Reason.ORDER_NOT_FOUND, "id", oid or cid, oid or cid)
        now_ns = self.clock.now_ns()
        self._admit(account, now_ns, overdraw=True)
        if order is not None:
            if not order.is_live:
                raise RequestError(Reason.ORDER_NOT_OPEN, "id", oid or cid, oid or cid)
            # By order id, whatever the client named: a cid may meanwhile name another order.
            oid, data, symbol_id = order.oid, b"", order.symbol_id
        request = self._request(account, answered, now_ns)
        record = _pack_cancel(
            0, now_ns, oid, request.id, account.user_id, symbol_id, 0, 0, len(data), data
        )
        self._hand(request, record)
        self.cancels_total += 1
        self.handed += 1

    def query_account(self, account: Account, answered: Callable[[Any], None]) -> None:
        """Ask risk for account and positions; answered gets an AccountState or RequestError."""
        now_ns = self.clock.now_ns()
        self._admit(account, now_ns)
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
        self._hand(request, _pack_deposit(0, now_ns, request.id, amount, user_id))
        self.deposits_total += 1
        self.handed += 1

    def _admit(self, account: Account, now_ns: int, overdraw: bool = False) -> None:
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

    def _hand(self, request: Request, record: bytes) -> None:
        """Push a request's record; a full ring refuses it at once (W-62)."""
        if not self.gateway_risk.push(record):
            self.overloads_total += 1
            raise RequestError(Reason.OVERLOADED)
        self.requests[request.id] = request
        request.account.pending += 1

    def take(self, request_id: int) -> Request | None:
        """The request that an answer belongs to; None when it timed out before."""
        request = self.requests.pop(request_id, None)
        if request is not None:
            request.account.pending -= 1
        return request

    # --- looking up -------------------------------------------------------------------------

    def open_orders(self, account: Account) -> list[Order]:
        return list(account.open.values())

    def order(self, account: Account, oid: int) -> Order:
        """An open or recently ended order of this account."""
        order = self.tracker.find(account, oid)
        if order is None:
            raise RequestError(Reason.ORDER_NOT_FOUND, "id", oid, oid)
        return order

    def order_by_cid(self, account: Account, cid: str, symbol_id: int | None) -> Order:
        cid_bytes(cid)
        if symbol_id is not None and symbol_id not in self.symbols:
            raise RequestError(Reason.UNKNOWN_SYMBOL, "sym", symbol_id)
        order = self.tracker.find_cid(account, cid, symbol_id, self.symbols)
        if order is None:
            raise RequestError(Reason.ORDER_NOT_FOUND, "cid", cid, cid)
        return order

    def fills(self, account: Account, symbol_id: int, limit: int, before: int) -> list[Fill]:
        """Own fills, newest first.

        Args  symbol_id: 0 = all; limit: 1 .. 500; before: only numbers below it, 0 = newest
        """
        if symbol_id and symbol_id not in self.symbols:
            raise RequestError(Reason.UNKNOWN_SYMBOL, "sym", symbol_id)
        if not 1 <= limit <= FILLS_LIMIT_MAX:
            detail = f"1 to {FILLS_LIMIT_MAX}"
            raise RequestError(Reason.INVALID_VALUE, "limit", limit, detail=detail)
        if before < 0:
            raise RequestError(Reason.INVALID_VALUE, "before", before, detail="0 or more")
        found = self._fills(account, symbol_id, before)
        out = list(islice(found, limit))
        # A self-trade is two fills with one number: a page must not end between them.
        after = next(found, None)
        if after is not None and out[-1][9] == after[9]:
            out.append(after)
        return out

    @staticmethod
    def _fills(account: Account, symbol_id: int, before: int) -> Iterator[Fill]:
        for fill in reversed(account.fills):
            if (not symbol_id or fill[1] == symbol_id) and (not before or fill[9] < before):
                yield fill

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
