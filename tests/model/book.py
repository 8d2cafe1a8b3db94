"""Every request of one market, over the book of resting.py: specs/matching.md, sections 4, 7 to 10.

`submit` answers a request with packed events, `tick` does what time alone brings about.
"""

from __future__ import annotations

import heapq
from collections.abc import Callable
from typing import Any

from model import events
from model.resting import BUY, NS, REDUCE_ONLY, Book, Order, User, moved
from model.rules import LIMIT, POST_ONLY, REPRICE, SIDES, Rules, ceil_div, client_id, readable
from model.symbols import with_rules
from model.triggers import FIRED, GONE, LAST, MARK, STATUS_REJECTED, Trigger

from rsx.errors import Reason
from rsx.records import (
    BY_NAME,
    BY_TYPE,
    CID_MAX,
    REQUEST_FLAGS,
    MarkState,
    Mode,
    OrderFlag,
    OrderKind,
    Tif,
)  # fmt: skip

RESTS, KEPT = int(OrderFlag.RESTS), int(OrderFlag.KEPT)
TRANSFER = [f.name for f in BY_NAME["POSITION_TRANSFER"].fields[2:]]
RESTING_TIFS = (int(Tif.GTC), int(Tif.GTD))
CANCEL_REASONS = (
    Reason.USER_CANCEL, Reason.DISCONNECTED, Reason.DEAD_MAN, Reason.ADMIN_CANCEL,
    Reason.LIQUIDATION, Reason.DELEVERAGED,
)  # fmt: skip


class ModelEngine(Book):
    """The same face as rsx.book.engine.Engine, as far as the tests use it."""

    def __init__(self, symbol: Any, **limits: Any):
        super().__init__(symbol, **limits)
        self.staged: list[Any] = []
        self._handlers = {
            BY_NAME[name].type: act
            for name, act in (
                ("ORDER_NEW", self._new),
                ("ORDER_CANCEL", self._cancel),
                ("ORDER_CANCEL_ALL", self._cancel_all),
                ("ORDER_AMEND", self._amend),
                ("TRIGGER_REQUEST", self._trigger),
                ("TRIGGER_REFUSED", self._refused),
                ("MARK_UPDATE", self._mark),
                ("MODE_REQUEST", self._mode),
                ("POSITION_TRANSFER", self._transfer),
                *((record.name, self._rules) for record in events.RULES),
            )
        }

    def submit(self, request: bytes, ts_ns: int) -> list[bytes]:
        """Any request record; its events and those of what was due, packed."""
        self._begin(ts_ns)
        r = events.read(request)
        self._group(self._handlers[r.type], r)
        if self.fill_prices:
            self.look(LAST, self.fill_prices[0])
            self.look(LAST, self.fill_prices[-1])
        self._fire()
        return self.out

    def tick(self, ts_ns: int) -> list[bytes]:
        """What is due without any request: expiries and triggers."""
        self._begin(ts_ns)
        self._fire()
        return self.out

    def recovered(self) -> None:
        """A restart that the log ended with whole requests."""
        self.triggers.recover()
        self.staged = []

    # --- around a request ---------------------------------------------------------------

    def _begin(self, ts_ns: int) -> None:
        """EX-1."""
        self.out, self.ts_ns, self.fill_prices = [], ts_ns, []
        while self.expiries and self.expiries[0][0] * NS <= ts_ns:
            thing = self._pop_expiry()
            if thing is None:
                continue
            if isinstance(thing, Order):
                self._group(self.cancel, thing, int(Reason.EXPIRED))
            else:
                self._group(self.cancel_trigger, thing, int(Reason.EXPIRED))

    def _pop_expiry(self) -> Any:
        thing = heapq.heappop(self.expiries)[-1]
        if not thing.living or (isinstance(thing, Trigger) and thing.state == FIRED):
            return None
        return thing

    def _group(self, act: Callable[..., None], *args: Any) -> None:
        """M-11."""
        before = len(self.out)
        act(*args)
        if len(self.out) > before:
            self.out[-1] = events.ended(self.out[-1])

    def look(self, source: int, px: int) -> None:
        """MO-3, TR-5."""
        if self.mode == Mode.OPEN:
            self.triggers.look(source, px)

    def _fire(self) -> None:
        """TR-5, TR-6."""
        while self.mode == Mode.OPEN:
            trigger = self.triggers.next_to_fire()
            if trigger is None:
                return
            self._group(self._emit_fired, trigger)

    def _emit_fired(self, t: Trigger) -> None:
        self.out.append(events.TRIGGER_FIRED(
            self.symbol.id, self.ts_ns, oid=t.oid, px=t.px, qty=t.qty, trigger_px=t.level_px,
            fired_px=t.fired_px, expire_s=t.expire_s, user_id=t.user.id,
            symbol_id=self.symbol.id, kind=t.kind, stp=t.stp, side=t.side, tif=t.tif,
            flags=t.flags,
        ))  # fmt: skip

    # --- a new order (section 4) --------------------------------------------------------

    def _new(self, r: Any) -> None:
        fired: Trigger | None = None
        if OrderKind.STOP_MARKET <= r.kind <= OrderKind.TRAILING_STOP:
            fired = self.triggers.fired.pop(r.oid)  # TR-6: one without it cannot be
            if fired.state == GONE:
                told = readable(r)
                self._emit_released(
                    r.oid, r.qty, r.reserved, r.user_id, told["side"], told["flags"]
                )
                return
            # TR-6: it is known by the trigger's client id.
            r = r._replace(cid=fired.cid, cid_len=len(fired.cid))
        cid = client_id(r)
        if cid and fired is None:
            original = self.memory.find(r.user_id, cid, self.ts_ns)
            if original is not None:
                self._emit_duplicate(r, original, r.qty, r.reserved)
                return
        reason = self._refusal(r)
        if reason:
            self._emit_rejected(r, reason)
            if fired is not None:
                self._end_fired(fired)
                fired.px = r.px  # what the refusal said (D-4)
                fired.end(STATUS_REJECTED, reason)
            return
        order, px = self._candidate(r, cid)
        self._accept(r, order, px, fired)

    def _candidate(self, r: Any, cid: bytes) -> tuple[Order, int]:
        """The order as it would be accepted: M-5's price; M-4 has not cut it yet."""
        px = self._repriced(r.flags, r.side, r.px, r.qty)
        user = self.users.get(r.user_id) or User(r.user_id)
        return Order(r, user, px, cid), px

    def _refusal(self, r: Any) -> int:
        """M-2 to M-6."""
        user = self.users.get(r.user_id)
        if not self.rules.is_order(r, user.room(r.side) if user and r.side in SIDES else 0):
            return int(Reason.ORDER_INVALID)
        if r.expire_s and r.expire_s * NS <= self.ts_ns:
            return int(Reason.EXPIRY_PASSED)
        reduce_only = r.flags & REDUCE_ONLY
        if r.px * r.qty < self.rules.notional_min and not reduce_only:
            return int(Reason.NOTIONAL_TOO_SMALL)
        if self.mode:
            if self.mode == Mode.POST_ONLY:
                if not r.flags & POST_ONLY:
                    return int(Reason.POST_ONLY_MODE)
            else:
                return self._closed()
        if r.kind in LIMIT and not reduce_only and self._outside(r.side, r.px):
            return int(Reason.OUTSIDE_PRICE_BAND)
        rests = r.tif in RESTING_TIFS
        if rests and len(self.open) >= self.orders_max:
            return int(Reason.BOOK_FULL)
        if user is None and len(self.users) >= self.users_max:
            return int(Reason.BOOK_FULL)
        if rests and user and (
            len(user.plain) + len(user.reduce) >= self.open_orders_per_user_max
        ):  # fmt: skip
            return int(Reason.TOO_MANY_OPEN_ORDERS)
        if reduce_only and not (user and user.room(r.side)):
            return int(Reason.REDUCE_ONLY_NO_POSITION)
        if r.flags & POST_ONLY and not self._repriced(r.flags, r.side, r.px, r.qty):
            return int(Reason.POST_ONLY_WOULD_CROSS)
        if r.tif == Tif.FOK and not self._fills_whole(r):
            return int(Reason.FOK_NOT_FILLABLE)
        return 0

    def _closed(self) -> int:
        return int(Reason.CANCEL_ONLY if self.mode == Mode.CANCEL_ONLY else Reason.HALTED)

    def _outside(self, side: int, px: int) -> bool:
        return self.rules.is_outside_band(side, px, self.mark_px)

    def _repriced(self, flags: int, side: int, px: int, qty: int) -> int:
        """M-5: the price it would rest at or match to; 0: it cannot be."""
        if not flags & POST_ONLY or not self.crosses(side, px):
            return px
        if not flags & REPRICE:
            return 0
        best = self.best_px(1 - side)
        px = self.rules.next_below(best) if side == BUY else self.rules.next_above(best)
        return px if 0 < px <= self.rules.px_max and px * qty <= self.rules.notional_max else 0

    def _fills_whole(self, r: Any) -> bool:
        """M-6, with the quantity that M-4 leaves."""
        trial, _ = self._candidate(r, b"")
        if trial.reduce_only:
            trial.remaining = min(trial.remaining, trial.user.room(trial.side))
        fills = self.can_fill(trial)
        if self.careful:
            assert fills == self.can_fill_tried(trial), "M-6: the two ways to count differ"
        return fills

    def _accept(self, r: Any, order: Order, px: int, fired: Trigger | None) -> None:
        """M-7 and on."""
        user = self.users.setdefault(r.user_id, order.user)
        user.group = r.owner_group
        room = user.room(r.side) if order.reduce_only else r.qty
        rests = r.tif in RESTING_TIFS and room >= r.qty and not self.crosses(r.side, px)
        self.out.append(events.ORDER_ACCEPTED(
            self.symbol.id, self.ts_ns, r.oid, px, r.qty, r.reserved, r.received_ns,
            r.owner_group, r.expire_s, r.user_id, r.symbol_id, r.kind, r.stp, r.side, r.tif,
            r.flags | RESTS if rests else r.flags, r.cid_len, r.cid,
        ))  # fmt: skip
        if fired is not None:
            self._end_fired(fired)
            if order.cid:
                self.memory.hand_over(r.user_id, order.cid, order)
            fired.living = False
        elif order.cid:
            self.memory.put(r.user_id, order.cid, order, self.ts_ns)
        self._take(order, rests, room)
        if order.living:
            self.expires(order)

    def _take(self, order: Order, rests: bool, room: int) -> None:
        """M-7 to M-10 for an order that was accepted or amended."""
        if rests:
            self.rest(order)
            return
        if room < order.remaining:
            self.cut(order, room)
        self.match(order)

    def _end_fired(self, fired: Trigger) -> None:
        self.triggers.remove(fired)
        del fired.user.triggers[fired.oid]

    # --- cancels (section 7) ------------------------------------------------------------

    def _cancel(self, r: Any) -> None:
        """C-1, C-2."""
        cid = client_id(r)
        ended = False
        thing: Any = None
        if r.oid:
            thing = self.open.get(r.oid) or self.triggers.living.get(r.oid)
            if thing is not None and thing.user.id != r.user_id:
                thing = None
        elif cid:
            thing = self.memory.find(r.user_id, cid, self.ts_ns)
            ended = thing is not None and not thing.living
        if thing is None or ended:
            reason = Reason.ORDER_DONE if ended else Reason.ORDER_NOT_OPEN
            self.out.append(events.CANCEL_REJECTED(
                self.symbol.id, self.ts_ns, oid=r.oid, request_id=r.request_id,
                user_id=r.user_id, symbol_id=r.symbol_id, reason=int(reason),
                cid_len=min(r.cid_len, CID_MAX), cid=r.cid,
            ))  # fmt: skip
            return
        self._cancel_any(thing, self._cancel_reason(r, Reason.USER_CANCEL), r.request_id)

    def _cancel_reason(self, r: Any, otherwise: Reason) -> int:
        return int(r.reason if r.reason in CANCEL_REASONS else otherwise)

    def _cancel_any(self, thing: Any, reason: int, request_id: int = 0) -> None:
        if isinstance(thing, Order):
            self.cancel(thing, reason, request_id)
        else:
            self.cancel_trigger(thing, reason, request_id)

    def _cancel_all(self, r: Any) -> None:
        """CA-1."""
        user = self.users.get(r.user_id) or User(r.user_id)
        reason = self._cancel_reason(r, Reason.CANCEL_ALL)
        found: list[Any] = []
        if r.scope & 1:
            found += [*reversed(user.plain.values()), *reversed(user.reduce.values())]
        if r.scope & 2:
            found += reversed(user.triggers.values())
        found = [thing for thing in found if r.sides >> thing.side & 1]
        for thing in found:
            self._cancel_any(thing, reason)
        self.out.append(events.CANCEL_ALL_DONE(
            self.symbol.id, self.ts_ns, request_id=r.request_id, user_id=r.user_id,
            symbol_id=self.symbol.id, cancelled=len(found), reason=reason,
        ))  # fmt: skip

    # --- amendments (section 8) ---------------------------------------------------------

    def _amend(self, r: Any) -> None:
        order = self.open.get(r.oid)
        if order is None or order.user.id != r.user_id:
            trigger = self.triggers.living.get(r.oid)
            known = trigger is not None and trigger.user.id == r.user_id
            reason = Reason.TRIGGER_NOT_AMENDED if known else Reason.ORDER_NOT_OPEN
            self._emit_amend_rejected(r, int(reason))
            return
        left = r.qty - order.filled
        if left <= 0:  # AM-2
            if r.extra or r.extra_qty:
                self._emit_released(r.oid, r.extra_qty, r.extra, r.user_id, order.side, order.flags)
            self.cancel(order, int(Reason.AMENDED_AWAY), r.request_id)
            return
        refusal = self._amend_refusal(r, order, left)
        if refusal:
            self._emit_amend_rejected(r, refusal)
            return
        assert left <= r.assumed, "1105: more is open than risk assumed"
        reserved = ceil_div(r.reserved * left, r.assumed)
        px = self._repriced(order.flags, order.side, r.px, r.qty)
        if px == order.px and left <= order.remaining:  # AM-4
            order.qty, order.remaining, order.reserved = r.qty, left, reserved
            self._emit_amended(r, order, KEPT)
            return
        self.leave(order)  # AM-5
        order.px, order.qty, order.remaining, order.reserved = px, r.qty, left, reserved
        order.group = order.user.group
        room = order.user.room(order.side) if order.reduce_only else left
        rests = room >= left and not self.crosses(order.side, px)
        self._emit_amended(r, order, RESTS if rests else 0)
        self._take(order, rests, room)

    def _amend_refusal(self, r: Any, order: Order, left: int) -> int:
        """AM-3."""
        moves, rules = r.px != order.px, self.rules
        if (moves and not rules.is_price(r.px)) or (
            r.qty != order.qty and not rules.is_qty(r.qty)
        ):  # fmt: skip
            return int(Reason.ORDER_INVALID)
        if (moves or r.qty > order.qty) and r.px * r.qty > rules.notional_max:
            return int(Reason.ORDER_INVALID)
        if r.px * left < self.rules.notional_min and not order.reduce_only:
            return int(Reason.NOTIONAL_TOO_SMALL)
        post_only = order.flags & POST_ONLY
        if self.mode == Mode.POST_ONLY:
            if not post_only and self.crosses(order.side, r.px):
                return int(Reason.POST_ONLY_MODE)
        elif self.mode:
            return self._closed()
        if moves and not order.reduce_only and self._outside(order.side, r.px):
            return int(Reason.OUTSIDE_PRICE_BAND)
        if post_only and not self._repriced(order.flags, order.side, r.px, r.qty):
            return int(Reason.POST_ONLY_WOULD_CROSS)
        return 0

    # --- triggers (section 10) ----------------------------------------------------------

    def _trigger(self, r: Any) -> None:
        cid = client_id(r)
        if cid:
            original = self.memory.find(r.user_id, cid, self.ts_ns)
            if original is not None:
                self._emit_duplicate(r, original, 0, 0)
                return
        reason = self._trigger_refusal(r)
        if reason:
            self.out.append(events.TRIGGER_REJECTED(
                self.symbol.id, self.ts_ns, oid=r.oid, px=r.px, qty=r.qty,
                trigger_px=r.trigger_px, user_id=r.user_id, symbol_id=r.symbol_id,
                cid_len=min(r.cid_len, CID_MAX), cid=r.cid, reason=reason, **readable(r),
            ))  # fmt: skip
            return
        user = self.users.setdefault(r.user_id, User(r.user_id))
        trigger = Trigger(r, user)
        user.triggers[r.oid] = trigger
        self.triggers.place(trigger, self.price(trigger.source))
        self.out.append(events.TRIGGER_PLACED(self.symbol.id, self.ts_ns, *r[9:]))
        if cid:
            self.memory.put(r.user_id, cid, trigger, self.ts_ns)
        self.expires(trigger)

    def _trigger_refusal(self, r: Any) -> int:
        """TR-3."""
        if not self.rules.is_trigger(r):
            return int(Reason.ORDER_INVALID)
        if r.expire_s and r.expire_s * NS <= self.ts_ns:
            return int(Reason.EXPIRY_PASSED)
        if self.mode > Mode.POST_ONLY:
            return self._closed()
        user = self.users.get(r.user_id)
        if len(self.triggers.living) >= self.triggers_max:
            return int(Reason.BOOK_FULL)
        if user is None and len(self.users) >= self.users_max:
            return int(Reason.BOOK_FULL)
        if user is not None and len(user.triggers) >= self.open_triggers_per_user_max:
            return int(Reason.TOO_MANY_TRIGGERS)
        trigger = Trigger(r, User(0))
        if trigger.would_act(self.price(trigger.source)):
            return int(Reason.TRIGGER_WRONG_SIDE)
        return 0

    def _refused(self, r: Any) -> None:
        """TR-6, TR-7: risk would not make the fired trigger an order."""
        fired = self.triggers.fired.pop(r.oid)
        if fired.living:
            self.cancel_trigger(fired, r.reason)

    # --- prices and mode ----------------------------------------------------------------

    def _mark(self, r: Any) -> None:
        """TR-4, PX-2."""
        self.out.append(events.MARK_PRICE(
            self.symbol.id, self.ts_ns, mark_px=r.mark_px, index_px=r.index_px,
            symbol_id=self.symbol.id, open_interest=r.open_interest, rate_ppb=r.rate_ppb,
            source_ns=r.source_ns, next_funding_s=r.next_funding_s, sources=r.sources,
            state=r.state,
        ))  # fmt: skip
        if r.state == MarkState.LIVE:
            self.given_mark = r.mark_px
            self.look(MARK, r.mark_px)

    def _mode(self, r: Any) -> None:
        """MO-1."""
        self.out.append(events.TRADING_MODE(
            self.symbol.id, self.ts_ns, request_id=r.request_id, user_id=r.user_id,
            symbol_id=self.symbol.id, mode=r.mode, previous=self.mode,
        ))  # fmt: skip
        self.mode = r.mode

    # --- transfers and rules (section 17) -----------------------------------------------

    def _transfer(self, r: Any) -> None:
        """PT-1, PT-2."""
        user = self.users.get(r.user_id) or User(r.user_id)
        counter = self.users.get(r.counter_user_id)
        qty = min(r.qty, user.room(r.side))
        if r.counter_flags & REDUCE_ONLY:
            qty = min(qty, counter.room(1 - r.side) if counter else 0)
        if counter is None and len(self.users) >= self.users_max:
            qty = 0
        self.out.append(events.POSITION_TRANSFERRED(
            self.symbol.id, self.ts_ns, *(qty if n == "qty" else getattr(r, n) for n in TRANSFER),
        ))  # fmt: skip
        if not qty:
            return
        counter = self.users.setdefault(r.counter_user_id, counter or User(r.counter_user_id))
        user.held = moved(user.held, r.side, r.user_flags, qty)
        counter.held = moved(counter.held, 1 - r.side, r.counter_flags, qty)
        self.trim(user)
        self.trim(counter)

    def _rules(self, r: Any) -> None:
        """SY-4."""
        assert r.config_version == self.rules.version + 1
        self.staged.append(r)
        assert [s.type for s in self.staged] == [x.type for x in events.RULES[: len(self.staged)]]
        if len(self.staged) < len(events.RULES):
            return
        for s in self.staged:
            self.out.append(events.OF_RULES[s.type](self.symbol.id, self.ts_ns, *s[9:]))
        parts = {BY_TYPE[s.type].name: s._asdict() for s in self.staged}
        self.symbol = with_rules(self.symbol, parts)
        self.rules = Rules(self.symbol)
        self.staged = []

    # --- answers ------------------------------------------------------------------------

    def _emit_rejected(self, r: Any, reason: int) -> None:
        self.out.append(events.ORDER_REJECTED(
            self.symbol.id, self.ts_ns, oid=r.oid, px=r.px, qty=r.qty, released=r.reserved,
            user_id=r.user_id, symbol_id=r.symbol_id, cid_len=min(r.cid_len, CID_MAX),
            cid=r.cid, reason=reason, **readable(r),
        ))  # fmt: skip

    def _emit_duplicate(self, r: Any, original: Any, qty: int, released: int) -> None:
        """D-4."""
        told = readable(r)
        self.out.append(events.ORDER_DUPLICATE(
            self.symbol.id, self.ts_ns, oid=r.oid, qty=qty, released=released,
            original_oid=original.oid, original_px=original.px, original_qty=original.qty,
            original_filled=original.filled, original_remaining=original.remaining,
            user_id=r.user_id, symbol_id=self.symbol.id, original_reason=original.reason,
            original_status=original.status, original_side=original.side,
            original_tif=original.tif, original_kind=original.kind,
            original_flags=original.flags, side=told["side"], flags=told["flags"],
        ))  # fmt: skip

    def _emit_released(
        self, oid: int, qty: int, released: int, user_id: int, side: int, flags: int
    ) -> None:
        self.out.append(events.ORDER_RELEASED(
            self.symbol.id, self.ts_ns, oid=oid, qty=qty, released=released, user_id=user_id,
            symbol_id=self.symbol.id, side=side, flags=flags,
        ))  # fmt: skip

    def _emit_amended(self, r: Any, order: Order, flag: int) -> None:
        self.out.append(events.ORDER_AMENDED(
            self.symbol.id, self.ts_ns, oid=order.oid, px=order.px, qty=order.qty,
            remaining=order.remaining, reserved=order.reserved, extra=r.extra,
            extra_qty=r.extra_qty, request_id=r.request_id, user_id=order.user.id,
            symbol_id=self.symbol.id, side=order.side, flags=order.flags | flag,
        ))  # fmt: skip

    def _emit_amend_rejected(self, r: Any, reason: int) -> None:
        self.out.append(events.AMEND_REJECTED(
            self.symbol.id, self.ts_ns, oid=r.oid, px=r.px, qty=r.qty, extra=r.extra,
            extra_qty=r.extra_qty, request_id=r.request_id, user_id=r.user_id,
            symbol_id=r.symbol_id, reason=reason, side=r.side if r.side in SIDES else 0,
            flags=r.flags & REQUEST_FLAGS,
        ))  # fmt: skip
