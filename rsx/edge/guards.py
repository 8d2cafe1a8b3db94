"""Cancels that nobody sends: when a connection ends, and when a dead-man timer runs out.

An order placed under cancel on disconnect is owed a cancel from the moment its connection ends
until it is handed to risk; a full ring delays it, nothing loses it. What is owed is bounded by
the orders that live. Timers belong to the gateway's process.

Thread: the gateway's loop. Source: specs/wire.md W-72, W-73.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from typing import Any

from rsx.edge.entry import OrderEntry
from rsx.edge.orders import Order
from rsx.edge.requests import BOTH_SIDES, EVERYTHING
from rsx.errors import Reason, RequestError

TIMEOUT_MS_MIN = 1000
TIMEOUT_MS_MAX = 86_400_000
# Owed cancels handed over in one go, and the room left in the ring for clients' requests.
CANCELS_MAX = 256
ROOM_MIN = 64
# Owed cancels looked at in one duty cycle.
LOOKS_MAX = 1024
SLOT_NS = 50_000_000


class Guards:
    """See the module."""

    def __init__(self, entry: OrderEntry):
        self.entry = entry
        self.owed: deque[Order] = deque()
        # (user, symbol) -> (timeout in ms, deadline in ns); `slots` has each once, under the first
        # time slice that begins at or after its deadline; all before `slot` are done.
        self.timers: dict[tuple[int, int], tuple[int, int]] = {}
        self.slots: dict[int, dict[tuple[int, int], None]] = {}
        self.slot = entry.clock.now_ns() // SLOT_NS
        self.disconnect_cancels_total = self.dead_man_total = 0

    # --- cancel on disconnect -----------------------------------------------------------------

    def owe(self, orders: Iterable[Order]) -> None:
        """Their connection has ended: cancel these orders, as soon as the ring takes it."""
        self.owed.extend(orders)
        self.work()

    def work(self) -> int:
        """Hand over cancels that are owed, a bounded number; returns how many."""
        owed, entry = self.owed, self.entry
        done = 0
        for _ in range(min(len(owed), LOOKS_MAX)):
            if done == CANCELS_MAX:
                break
            order = owed.popleft()
            if not order.is_live:
                continue
            # The ring of one risk tile may be full while another's has room.
            ring = order.account.ring
            if ring.free > ROOM_MIN and entry.push_cancel(order, Reason.DISCONNECTED):
                done += 1
            else:
                owed.append(order)
        self.disconnect_cancels_total += done
        return done

    # --- dead-man timers ----------------------------------------------------------------------

    def arm(self, user: int, symbol_id: int, timeout_ms: int) -> int:
        """Set, renew or turn off (0) a user's timer; returns its deadline in ns, 0 = off.

        Raises  RequestError INVALID_VALUE, UNKNOWN_SYMBOL
        """
        if symbol_id and symbol_id not in self.entry.symbols:
            raise RequestError(Reason.UNKNOWN_SYMBOL, "sym", symbol_id)
        if timeout_ms and not TIMEOUT_MS_MIN <= timeout_ms <= TIMEOUT_MS_MAX:
            detail = f"0 or {TIMEOUT_MS_MIN} to {TIMEOUT_MS_MAX}"
            raise RequestError(Reason.INVALID_VALUE, "timeout_ms", timeout_ms, detail=detail)
        now_ns = self.entry.clock.now_ns()
        self.entry.admit(self.entry.tracker.account(user), now_ns, overdraw=True)
        key = (user, symbol_id)
        self._disarm(key)
        if not timeout_ms:
            return 0
        deadline_ns = now_ns + timeout_ms * 1_000_000
        self.timers[key] = (timeout_ms, deadline_ns)
        self.slots.setdefault(self._slot_of(deadline_ns), {})[key] = None
        return deadline_ns

    def _slot_of(self, deadline_ns: int) -> int:
        return -(-deadline_ns // SLOT_NS)

    def _disarm(self, key: tuple[int, int]) -> None:
        before = self.timers.pop(key, None)
        if before is not None:
            slot = self._slot_of(before[1])
            keys = self.slots[slot]
            del keys[key]
            if not keys:
                del self.slots[slot]

    def tick(self, now_ns: int) -> None:
        """Fire the timers that are due; one that finds no room is tried again."""
        self.work()
        last = now_ns // SLOT_NS
        if last - self.slot > len(self.slots):
            due = sorted(slot for slot in self.slots if slot <= last)
        else:
            due = [slot for slot in range(self.slot, last + 1) if slot in self.slots]
        for slot in due:
            for key in list(self.slots[slot]):
                if not self._fire(*key, *self.timers[key]):
                    self.slot = slot
                    return
                self._disarm(key)
        self.slot = last + 1

    def _fire(self, user: int, symbol_id: int, timeout_ms: int, deadline_ns: int) -> bool:
        account = self.entry.tracker.account(user)
        try:
            self.entry.cancel_all(
                account, symbol_id, BOTH_SIDES, EVERYTHING, Reason.DEAD_MAN, _nobody, forced=True
            )
        except RequestError:
            return False  # no room now, or the exchange is stopping
        self.dead_man_total += 1
        for stream in account.streams:
            stream.notify("DM", [symbol_id, timeout_ms, deadline_ns, 1])
        return True


def _nobody(_answer: Any) -> None:
    """Nobody waits for it."""
