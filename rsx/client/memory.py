"""What the client was told so far, and what of a new message is news.

Pure: no I/O, no clock. Everything the private session hears goes through here, live or recovered
after an outage, so that each event comes out exactly once and a terminal update never before the
fills of its order.
Source: specs/client.md CL-34 .. CL-39.
"""

from __future__ import annotations

from collections import OrderedDict, defaultdict
from collections.abc import Iterable
from decimal import Decimal

import msgspec

from rsx.client.decimals import minus, plus
from rsx.client.models import Fill, Order, OrderUpdate

REMEMBERED_MAX = 10_000


class Memory:
    """Orders and fills of one user, as far as this client knows them."""

    def __init__(self, remembered_max: int = REMEMBERED_MAX):
        self.open: dict[int, Order] = {}
        self.ended: OrderedDict[int, Order] = OrderedDict()
        self.last_fill_seq = 0
        self._fills: OrderedDict[tuple[int, int], Decimal] = OrderedDict()
        self._by_cid: dict[tuple[str, str], int] = {}
        self._remembered_max = remembered_max

    def find(self, symbol: str | None, cid: str) -> Order | None:
        """The newest order with this client id; any symbol if None."""
        if symbol is not None:
            oid = self._by_cid.get((symbol, cid))
        else:
            oid = next((o for (_, c), o in reversed(self._by_cid.items()) if c == cid), None)
        return self.get(oid) if oid is not None else None

    def get(self, oid: int) -> Order | None:
        """An order by its id."""
        return self.open.get(oid) or self.ended.get(oid)

    # --- live ---

    def on_update(self, order: Order) -> OrderUpdate | None:
        """Take an order's new state; None if it is no news."""
        if order.oid in self.ended:
            return None
        known = self.open.get(order.oid)
        if order.is_open:
            if not _news(known, order):
                return None
            self._keep(order)
        else:
            self._end(order)
        return OrderUpdate(order=order)

    def on_fill(self, fill: Fill) -> Fill | None:
        """Take a fill; None if it was known."""
        key = (fill.seq, fill.oid)
        if key in self._fills:
            return None
        self._fills[key] = fill.qty
        if len(self._fills) > self._remembered_max:
            self._fills.popitem(last=False)
        self.last_fill_seq = max(self.last_fill_seq, fill.seq)
        order = self.open.get(fill.oid)
        if order is not None:
            # A fill that says what remains also makes up for any that was missed before it.
            left = minus(order.remaining, fill.qty) if fill.remaining is None else fill.remaining
            if left <= order.remaining:
                gained = minus(order.remaining, left)
                self.open[fill.oid] = msgspec.structs.replace(
                    order, filled=plus(order.filled, gained), remaining=left
                )
        return fill

    # --- after a connection was made ---

    def prime(self, rows: Iterable[Order], newest: Iterable[Fill]) -> None:
        """Take the state at the first connection as given: nothing of it is news.

        Args  newest: the two newest fills; a trade with oneself makes two of one seq
        """
        for order in rows:
            if self.get(order.oid) is None and not _handed_over(order):
                self._keep(order)
        for fill in newest:
            self._fills[fill.seq, fill.oid] = fill.qty
            self.last_fill_seq = max(self.last_fill_seq, fill.seq)

    def gone(self, rows: Iterable[Order]) -> list[Order]:
        """Orders known as open that the exchange no longer lists."""
        listed = {order.oid for order in rows}
        return [order for oid, order in self.open.items() if oid not in listed]

    def recover(
        self, rows: Iterable[Order], fills: Iterable[Fill], ended: Iterable[Order]
    ) -> list[Fill | OrderUpdate]:
        """Compare with the exchange's state and return what was missed, in the log's order.

        Args  rows: all open orders now; fills: at least all since last_fill_seq, oldest first;
              ended: terminal states, looked up after `fills` was taken
        """
        events: list[Fill | OrderUpdate] = []
        # Stable: both sides of a trade with oneself stay in the order they were told.
        for fill in sorted(fills, key=lambda f: f.seq):
            if fill.seq >= self.last_fill_seq and (news := self.on_fill(fill)):
                events.append(news)
        for order in ended:
            if update := self.on_update(order):
                events.append(update)
        # A terminal update shares its seq with its last fill, and comes after it. One whose
        # event is not known (seq 0) can only be said to have ended by now.
        last = max((event.seq for event in events if isinstance(event, Fill)), default=0)
        events.sort(key=lambda e: (e.seq, 0) if isinstance(e, Fill) else (e.order.seq or last, 1))
        for order in rows:
            if order.oid not in self.open:
                if update := self.on_update(order):
                    events.append(update)
            elif update := self._catch_up(order):
                events.append(update)
        return events

    def guess_end(self, order: Order, fills: Iterable[Fill]) -> Order:
        """The terminal state of an order that the exchange no longer remembers."""
        filled = plus(order.filled, traded(fills, self).get(order.oid, Decimal(0)))
        done = filled >= order.qty
        return msgspec.structs.replace(
            order,
            filled=filled,
            remaining=minus(order.qty, filled),
            status="filled" if done else "cancelled",
            reason=None if done else "UNKNOWN",
            seq=0,
        )

    def traded(self, oid: int) -> Decimal:
        """Quantity of the known fills of an order."""
        total = Decimal(0)
        for (_, owner), qty in self._fills.items():
            if owner == oid:
                total = plus(total, qty)
        return total

    def knows_fill(self, fill: Fill) -> bool:
        """Whether the fill was taken before."""
        return (fill.seq, fill.oid) in self._fills

    def _catch_up(self, row: Order) -> OrderUpdate | None:
        """Take over from a listed order what its fills did not tell.

        News are an amendment, a cut, a trigger's firing. That it traded is none, even when the
        history of fills is too short.
        """
        known = self.open[row.oid]
        filled = max(row.filled, known.filled)
        # Fills were asked for later than the list.
        left = minus(row.remaining, minus(filled, row.filled))
        gained = minus(filled, known.filled)
        merged = msgspec.structs.replace(row, filled=filled, remaining=left)
        if merged.status == "pending" and known.status != "waiting":
            merged = msgspec.structs.replace(merged, status=known.status)
        self.open[row.oid] = merged
        same = (known.price, known.qty, known.status, minus(known.remaining, gained))
        if same == (merged.price, merged.qty, merged.status, left):
            # The newest event is the one that was told.
            self.open[row.oid] = msgspec.structs.replace(
                merged, ts_ns=known.ts_ns, seq=known.seq, reason=known.reason
            )
            return None
        return OrderUpdate(order=merged)

    def _keep(self, order: Order) -> None:
        self.open[order.oid] = order
        if order.cid:
            self._by_cid[order.symbol, order.cid] = order.oid

    def _end(self, order: Order) -> None:
        self.open.pop(order.oid, None)
        self.ended[order.oid] = order
        # A duplicate does not own the client id: the order that has it lives on.
        if order.cid and order.reason != "DUPLICATE_CLIENT_ID":
            self._by_cid[order.symbol, order.cid] = order.oid
        if len(self.ended) > self._remembered_max:
            _, old = self.ended.popitem(last=False)
            if self._by_cid.get((old.symbol, old.cid)) == old.oid:
                del self._by_cid[old.symbol, old.cid]


def _handed_over(order: Order) -> bool:
    """Whether an order is on its way to the book for the first time: nothing has happened yet."""
    return order.status == "pending" and order.fired_price is None and order.kept_place is None


def _news(known: Order | None, order: Order) -> bool:
    """Whether an open order's update says anything new.

    Other terms, another status, a later cut, or an amendment. What was learned from a list (seq 0)
    may have had them in it already.
    """
    if known is None:
        return not _handed_over(order)
    if (known.price, known.qty, known.status) != (order.price, order.qty, order.status):
        return True
    told = order.reason is not None or order.kept_place is not None
    if known.seq == 0 and known.remaining == order.remaining:
        return False
    return told and order.seq > known.seq


def traded(fills: Iterable[Fill], memory: Memory) -> dict[int, Decimal]:
    """Quantity traded by order, of the fills that are news to `memory`."""
    sums: dict[int, Decimal] = defaultdict(Decimal)
    for fill in fills:
        if fill.seq >= memory.last_fill_seq and not memory.knows_fill(fill):
            sums[fill.oid] = plus(sums[fill.oid], fill.qty)
    return sums
