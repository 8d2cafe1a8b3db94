"""The inner interface of the exchange: place, amend, cancel, query, look up.

Every dialect (JSON frames, REST) is a codec over this. Values are integers in a symbol's units.
A request is checked whole, then handed to the user's risk tile through `gateway_risk` or refused
with nothing done; it is answered later by a released record, a refusal, or NO_ANSWER (INV-22).

    place, place_trigger -> Order    tracked at once; its account's streams hear of it
    amend, cancel, and what requests.py and accounts.py have    `answered` is called once

Thread: the gateway's loop. Source: specs/wire.md sections 5 and 6.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import islice
from typing import Any

from rsx.edge import rules as checks
from rsx.edge.accounts import AccountEntry
from rsx.edge.orders import (
    OID_LIMIT,
    PENDING,
    RESTING,
    STP_DEFAULT,
    WAITING,
    Account,
    Fill,
    Order,
    Trigger,
)
from rsx.edge.picks import packer
from rsx.edge.rules import cid_bytes
from rsx.errors import Reason, RequestError
from rsx.records import (
    AMEND_REQUEST,
    CANCEL_REQUEST,
    ORDER_REQUEST,
    TRIGGER_REQUEST,
    OrderFlag,
    Tif,
)

FILLS_LIMIT_MAX = 500
ON_DISCONNECT = int(OrderFlag.ON_DISCONNECT)
USER_CANCEL = int(Reason.USER_CANCEL)
NEVER_RESTS = frozenset({int(Tif.IOC), int(Tif.FOK)})

# Fields in the order of the records, seq first.
_pack_order = packer(ORDER_REQUEST)
_pack_trigger = packer(TRIGGER_REQUEST)
_pack_amend = packer(AMEND_REQUEST)
_pack_cancel = packer(CANCEL_REQUEST)

Guard = dict[int, Order] | None
OnFirst = Callable[[Order | RequestError], None] | None


class OrderEntry(AccountEntry):
    """See the module."""

    # --- orders ---------------------------------------------------------------------------

    def place(
        self, account: Account, symbol_id: int, side: int, px: int, qty: int, cid: str,
        tif: int, flags: int, origin: Any = None, on_first: OnFirst = None, kind: int = 0,
        stp: int = STP_DEFAULT, expire_s: int = 0, guard: Guard = None,
    ) -> Order:  # fmt: skip
        """Hand an order to risk.

        Args    px, qty: in the symbol's units, px 0 for kind 1 (market); cid: "" = none; flags:
                of OrderFlag; origin: told with `refuse` when no answer comes; on_first: called
                once with the order at its first update, or with NO_ANSWER; guard: takes the order
                while it lives, to be cancelled when its connection ends
        Raises  RequestError; then nothing was done
        """
        now_ns = self.clock.now_ns()
        rules = self.symbols.get(symbol_id)
        # Nearly every order passes this; what does not is looked at step by step.
        if not (
            rules is not None
            and not kind
            and not flags
            and not expire_s
            and not rules.tick_table
            and side in (0, 1)
            and tif in (0, 1, 2)
            and 0 <= stp <= STP_DEFAULT
            and 0 < px <= rules.px_max
            and not px % rules.tick
            and 0 < qty <= rules.qty_max
            and not qty % rules.lot
            and rules.notional_min <= px * qty <= rules.notional_max
        ):
            self._check_order(
                symbol_id, side, px, qty, cid, tif, flags, kind, stp, expire_s, now_ns
            )
        data = cid_bytes(cid) if cid else b""
        self.admit(account, now_ns)
        if guard is not None:
            flags |= ON_DISCONNECT
        oid = self.ids.next(now_ns)
        order = Order(
            oid, account, symbol_id, side, px, qty, tif, flags, cid, now_ns, kind, stp, expire_s
        )
        self._hand_order(order, _pack_order(
            0, now_ns, oid, px, qty, now_ns, expire_s, account.user_id, symbol_id, kind, stp,
            side, tif, flags, len(data), data,
        ), origin, on_first, guard)  # fmt: skip
        self.orders_total += 1
        return order

    def _check_order(
        self, symbol_id: int, side: int, px: int, qty: int, cid: str, tif: int, flags: int,
        kind: int, stp: int, expire_s: int, now_ns: int,
    ) -> None:  # fmt: skip
        if kind not in (checks.LIMIT, checks.MARKET):
            raise RequestError(Reason.INVALID_VALUE, "kind", kind, detail="0 limit, 1 market")
        checks.check_codes(side, tif, stp)
        rules = self._rules(symbol_id)
        if kind == checks.LIMIT:
            checks.check_price(rules, px)
        elif px:
            detail = "a market order has no price"
            raise RequestError(Reason.PRICE_OUT_OF_RANGE, "px", px, detail=detail)
        checks.check_quantity(rules, qty)
        if px:
            checks.check_notional(rules, px, qty, flags)
        if cid:
            cid_bytes(cid)
        checks.check_flags(kind, tif, flags)
        checks.check_expiry(tif, expire_s, now_ns)

    def place_trigger(
        self, account: Account, symbol_id: int, kind: int, side: int, qty: int, trigger_px: int,
        px: int, cid: str, tif: int, flags: int, origin: Any = None, on_first: OnFirst = None,
        trail_px: int = 0, trail_ppm: int = 0, stp: int = STP_DEFAULT, expire_s: int = 0,
        guard: Guard = None,
    ) -> Order:  # fmt: skip
        """Hand a trigger to risk: an order that waits for a price. Args and Raises as for place.

        Args  kind: 2 .. 6; px: 0 for the market kinds; trail_px, trail_ppm: exactly one, kind 6
        """
        now_ns = self.clock.now_ns()
        if kind not in checks.TRIGGER_KINDS:
            raise RequestError(Reason.INVALID_VALUE, "kind", kind, detail="2 to 6")
        checks.check_codes(side, tif, stp)
        rules = self._rules(symbol_id)
        checks.check_trigger(rules, kind, px, trigger_px, trail_px, trail_ppm)
        checks.check_quantity(rules, qty)
        if px:
            checks.check_notional(rules, px, qty, flags)
        data = cid_bytes(cid) if cid else b""
        checks.check_flags(kind, tif, flags)
        checks.check_expiry(tif, expire_s, now_ns)
        self.admit(account, now_ns)
        if guard is not None:
            flags |= ON_DISCONNECT
        oid = self.ids.next(now_ns)
        order = Order(
            oid, account, symbol_id, side, px, qty, tif, flags, cid, now_ns, kind, stp, expire_s,
            Trigger(trigger_px, trail_px, trail_ppm),
        )  # fmt: skip
        self._hand_order(order, _pack_trigger(
            0, now_ns, oid, px, qty, trigger_px, trail_px, trail_ppm, expire_s, account.user_id,
            symbol_id, kind, stp, side, tif, flags, len(data), data,
        ), origin, on_first, guard)  # fmt: skip
        self.triggers_total += 1
        return order

    def _rules(self, symbol_id: int) -> Any:
        rules = self.symbols.get(symbol_id)
        if rules is None:
            raise RequestError(Reason.UNKNOWN_SYMBOL, "sym", symbol_id)
        return rules

    def _hand_order(
        self, order: Order, record: bytes, origin: Any, on_first: OnFirst, guard: Guard
    ) -> None:
        """Push an order's record and track it; a full ring refuses it at once (W-62)."""
        if not order.account.ring.push(record):
            self.overloads_total += 1
            raise RequestError(Reason.OVERLOADED)
        order.origin = origin
        order.on_first = on_first
        order.waiting = True
        if guard is not None:
            order.guard = guard
            guard[order.oid] = order
        self.tracker.add(order)
        self.unanswered[order.oid] = order
        order.account.pending += 1
        self.handed += 1

    def order_answered(self, order: Order) -> None:
        """The engine has spoken about this order: it no longer counts as pending."""
        order.waiting = False
        order.origin = None
        order.account.pending -= 1
        self.unanswered.pop(order.oid, None)

    # --- changes ------------------------------------------------------------------------------

    def _named(self, account: Account, oid: int, cid: str, symbol_id: int | None) -> Order | None:
        """The tracked order of this account that a request names by id, or by cid if oid is 0."""
        ref = oid or cid
        if symbol_id is not None and symbol_id not in self.symbols:
            raise RequestError(Reason.UNKNOWN_SYMBOL, "sym", symbol_id, ref)
        if oid:
            if not 0 < oid < OID_LIMIT:
                raise RequestError(Reason.INVALID_VALUE, "id", oid, ref)
            order = self.tracker.find(account, oid)
        else:
            cid_bytes(cid)
            order = self.tracker.find_cid(account, cid, symbol_id, self.symbols)
        if order is None and symbol_id is None:
            raise RequestError(Reason.ORDER_NOT_FOUND, "id", ref, ref)
        return order

    def cancel(
        self, account: Account, oid: int, cid: str, symbol_id: int | None,
        answered: Callable[[Any], None],
    ) -> None:  # fmt: skip
        """Hand a cancel to risk, by order id, or by client id when oid is 0.

        Args    symbol_id: needed for an id that is not tracked here
                answered: called with the cancelled Order or a RequestError
        Raises  RequestError; then nothing was done
        """
        order = self._named(account, oid, cid, symbol_id)
        now_ns = self.clock.now_ns()
        self.admit(account, now_ns, overdraw=True)
        data = b""
        if order is not None:
            if not order.is_live:
                raise RequestError(Reason.ORDER_DONE, "id", oid or cid, oid or cid)
            # By order id, whatever the client named: a cid may meanwhile name another order.
            oid, symbol_id = order.oid, order.symbol_id
        elif not oid:
            data = cid_bytes(cid)
        request = self._request(account, answered, now_ns)
        request.order = order
        self._hand(request, _pack_cancel(
            0, now_ns, oid, request.id, account.user_id, symbol_id, USER_CANCEL, 0, len(data), data
        ))  # fmt: skip
        self.cancels_total += 1
        self.handed += 1

    def amend(
        self, account: Account, oid: int, cid: str, symbol_id: int | None, px: int | None,
        qty: int | None, answered: Callable[[Any], None],
    ) -> None:  # fmt: skip
        """Hand a new price and whole quantity of an order to risk; named as in `cancel`.

        Args    px, qty: None = what the newest amendment asked for, else what the order has
                answered: called with the Order once it rests again or has ended, or a RequestError
        Raises  RequestError; then nothing was done
        """
        ref = oid or cid
        order = self._named(account, oid, cid, symbol_id)
        if px is None and qty is None:
            raise RequestError(Reason.NOTHING_TO_AMEND, "px", None, ref)
        if order is None:
            raise RequestError(Reason.ORDER_NOT_OPEN, "id", ref, ref)
        if not order.is_live:
            raise RequestError(Reason.ORDER_DONE, "id", ref, ref)
        if order.trigger is not None and order.status != RESTING:
            raise RequestError(Reason.TRIGGER_NOT_AMENDED, "id", ref, ref)
        if order.tif in NEVER_RESTS:
            detail = "an IOC or FOK order never rests"
            raise RequestError(Reason.ORDER_NOT_OPEN, "id", ref, ref, detail)
        rules = self.symbols[order.symbol_id]
        asked = order.amending
        if px is not None:
            checks.check_price(rules, px)
        else:
            px = asked.px if asked is not None else order.px
        if qty is not None:
            checks.check_quantity(rules, qty)
        else:
            qty = asked.qty if asked is not None else order.qty - order.cut
        checks.check_notional(rules, px, qty)
        now_ns = self.clock.now_ns()
        self.admit(account, now_ns)
        request = self._request(account, answered, now_ns)
        self._hand(request, _pack_amend(
            0, now_ns, order.oid, px, qty, request.id, account.user_id, order.symbol_id,
            order.side, order.flags,
        ))  # fmt: skip
        request.order, request.amends = order, True
        order.amendment_asked(px, qty)
        self.amends_total += 1
        self.handed += 1

    def resting(self, account: Account, oid: int, cid: str, symbol_id: int | None) -> Order:
        """The own resting order that a request about its queue names, as in `cancel`."""
        ref = oid or cid
        order = self._named(account, oid, cid, symbol_id)
        self.admit(account, self.clock.now_ns())
        if order is None or order.status in (PENDING, WAITING):
            raise RequestError(Reason.ORDER_NOT_OPEN, "id", ref, ref)
        if order.status != RESTING:
            raise RequestError(Reason.ORDER_DONE, "id", ref, ref)
        return order

    def push_cancel(self, order: Order, reason: int) -> bool:
        """A cancel that no client asked for and none waits for; False = the ring is full."""
        pushed: bool = order.account.ring.push(_pack_cancel(
            0, self.clock.now_ns(), order.oid, 0, order.account.user_id, order.symbol_id, reason,
            0, 0, b"",
        ))  # fmt: skip
        return pushed

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
