"""Order ids, and what the gateway knows of orders and their owners.

Order id, 53 bits: ms since 2024-01-01 (41) | gateway (2) | counter (10).

An order is tracked from the moment it is handed to risk until its terminal event, however long
that takes; ended ones and fills are kept up to a bound per account. Accounts that hold nothing
live are forgotten, oldest first, above a bound. No I/O, no clock. Source: specs/wire.md.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable
from typing import Any, NamedTuple, Protocol

from rsx.core.check import InvariantError, check
from rsx.errors import Reason, RequestError

EPOCH_MS = 1_704_067_200_000  # 2024-01-01T00:00:00Z
OID_LIMIT = 1 << 53
COUNTER_BITS = 10
GATEWAY_BITS = 2
MS_SHIFT = COUNTER_BITS + GATEWAY_BITS
COUNTER_MASK = (1 << COUNTER_BITS) - 1

FILLED, RESTING, CANCELLED, REJECTED, PENDING, WAITING = range(6)
STATUS_NAMES = ("filled", "resting", "cancelled", "rejected", "pending", "waiting")
LIVE = frozenset({RESTING, PENDING, WAITING})
# How an update tells of an amendment: it lost its place, or kept it.
MOVED, KEPT = 1, 2
STP_DEFAULT = 4

# Check number: the clock or the recovered floor is beyond what an order id can hold.
ORDER_ID = 1210

ENDED_MAX = 1000
FILLS_MAX = 1000
ACCOUNTS_KEPT = 20_000


def time_of(oid: int) -> int:
    """When an id was given, to the millisecond, in ns since 1970."""
    return ((oid >> MS_SHIFT) + EPOCH_MS) * 1_000_000


class OrderIds:
    """Rising ids, unique without coordination; a burst borrows from the next millisecond.

    Args  gateway: 0 .. 3; floor: every id is above it (the highest id in the log)
    """

    __slots__ = ("base", "counter", "ms")

    def __init__(self, gateway: int = 0, floor: int = 0):
        if not 0 <= gateway < 1 << GATEWAY_BITS:
            raise ValueError(f"gateway {gateway} is not from 0 to {(1 << GATEWAY_BITS) - 1}")
        self.base = gateway << COUNTER_BITS
        self.ms = floor >> MS_SHIFT
        self.counter = COUNTER_MASK

    def next(self, now_ns: int) -> int:
        """The next id; the clock may stand still or go back, ids rise all the same."""
        ms = now_ns // 1_000_000 - EPOCH_MS
        if ms > self.ms:
            self.ms = ms
            self.counter = 0
        elif self.counter < COUNTER_MASK:
            self.counter += 1
        else:
            self.ms += 1
            self.counter = 0
        oid = self.ms << MS_SHIFT | self.base | self.counter
        if not 0 < oid < OID_LIMIT:
            raise InvariantError(ORDER_ID, oid)
        return oid


class Stream(Protocol):
    """What an account's connection offers; each dialect has its own."""

    def on_update(self, order: Order, reason: int, ts_ns: int, seq: int) -> None: ...
    def on_fill(self, fill: Fill, remaining: int) -> None: ...
    def refuse(self, error: RequestError) -> None: ...
    def on_duplicate(self, original: Order, request_oid: int) -> None: ...
    def notify(self, key: str, fields: list[Any]) -> None: ...


# oid, symbol_id, side, px, qty, fee, maker, cid, ts_ns, seq
Fill = tuple[int, int, int, int, int, int, int, str, int, int]


class OpenOrder(NamedTuple):
    """A recovered order or waiting trigger, as the gateway takes it (Events.load).

    qty is what clients are told: what was cut since the order was accepted or last amended counts.
    remaining: open quantity, -1 = all that is not filled. placed_ns: of its acceptance. status:
    RESTING; WAITING, a trigger; PENDING, a trigger that has fired and is not an order yet.
    """

    oid: int
    user_id: int
    symbol_id: int
    side: int
    px: int
    qty: int
    filled: int
    tif: int
    flags: int
    cid: str | bytes
    placed_ns: int
    seq: int = 0
    remaining: int = -1
    kind: int = 0
    stp: int = 0
    expire_s: int = 0
    status: int = RESTING
    trigger_px: int = 0
    trail_px: int = 0
    trail_ppm: int = 0
    fired_px: int = 0


class Trigger:
    """What an order waits or waited for; px 0 = a trailing stop active at once."""

    __slots__ = ("fired_px", "px", "trail_ppm", "trail_px")

    def __init__(self, px: int, trail_px: int = 0, trail_ppm: int = 0, fired_px: int = 0):
        self.px = px
        self.trail_px = trail_px
        self.trail_ppm = trail_ppm
        self.fired_px = fired_px


class Amending:
    """Amendments of an order without an answer: how many, and what the newest asked for."""

    __slots__ = ("count", "px", "qty")

    def __init__(self) -> None:
        self.count = self.px = self.qty = 0


class Order:
    """One order or trigger as far as it was released.

    filled + cut + open = qty (INV-13); cut is what was cancelled while the order lived on.
    `origin` hears of a timeout; `on_first` is called once, at the next update that is not of a
    pending order; `amended` is not 0 while an update tells of an amendment; `guard` holds the
    live orders to cancel when their connection ends; `required`, `available`: of a refusal by risk.
    """

    __slots__ = (
        "account", "amended", "amending", "available", "cid", "cut", "expire_s", "filled", "flags",
        "guard", "kind", "oid", "on_first", "origin", "original_oid", "placed_ns", "px", "qty",
        "reason", "required", "seq", "side", "status", "stp", "symbol_id", "tif", "trigger",
        "ts_ns", "waiting",
    )  # fmt: skip

    def __init__(
        self, oid: int, account: Account, symbol_id: int, side: int, px: int, qty: int,
        tif: int, flags: int, cid: str, now_ns: int, kind: int = 0, stp: int = STP_DEFAULT,
        expire_s: int = 0, trigger: Trigger | None = None,
    ):  # fmt: skip
        self.oid = oid
        self.account = account
        self.symbol_id = symbol_id
        self.side = side
        self.px = px
        self.qty = qty
        self.tif = tif
        self.flags = flags
        self.cid = cid
        self.placed_ns = self.ts_ns = now_ns
        self.kind = kind
        self.stp = stp
        self.expire_s = expire_s
        self.trigger = trigger
        self.filled = self.cut = self.seq = self.original_oid = self.amended = 0
        self.required = self.available = 0
        self.amending: Amending | None = None
        self.guard: dict[int, Order] | None = None
        self.status = PENDING
        self.reason = 0
        self.waiting = False
        self.origin: Any = None
        self.on_first: Callable[[Order | RequestError], None] | None = None

    @property
    def is_live(self) -> bool:
        return self.status in LIVE

    def amendment_asked(self, px: int, qty: int) -> None:
        if self.amending is None:
            self.amending = Amending()
        self.amending.count += 1
        self.amending.px, self.amending.qty = px, qty

    def amendment_answered(self) -> None:
        if self.amending is not None:
            self.amending.count -= 1
            if not self.amending.count:
                self.amending = None

    @property
    def remaining(self) -> int:
        """Open quantity while it lives; what was cancelled in all once it has ended."""
        return self.qty - self.filled - (self.cut if self.is_live else 0)


class Account:
    """One user: connections, open and recent orders, recent fills, limits.

    ring: to the risk tile that decides for the user (SH-1)
    """

    __slots__ = (
        "cids", "due_ns", "ended", "fills", "fundings", "liquidations", "open", "pending", "ring",
        "streams", "user_id",
    )  # fmt: skip

    def __init__(self, user_id: int, ring: Any = None):
        self.user_id = user_id
        self.ring = ring
        self.streams: list[Stream] = []
        self.open: dict[int, Order] = {}
        self.cids: dict[tuple[int, str], Order] = {}
        self.ended: deque[Order] = deque()
        self.fills: deque[Fill] = deque(maxlen=FILLS_MAX)
        # Made with the first of them: most accounts have none. Rows: rsx/edge/notices.py.
        self.fundings: deque[list[Any]] | None = None
        self.liquidations: deque[tuple[str, list[Any]]] | None = None
        self.pending = 0
        self.due_ns = 0

    @property
    def is_idle(self) -> bool:
        return not (self.open or self.streams or self.pending)


class Tracker:
    """All orders and accounts that the gateway knows. ring_of: a user's ring to risk."""

    def __init__(self, ring_of: Callable[[int], Any] = lambda user_id: None) -> None:
        self.ring_of = ring_of
        self.orders: dict[int, Order] = {}
        self.accounts: dict[int, Account] = {}

    def account(self, user_id: int) -> Account:
        """The account, made if it is new here."""
        account = self.accounts.get(user_id)
        if account is None:
            if len(self.accounts) >= ACCOUNTS_KEPT:
                self._forget_idle()
            account = self.accounts[user_id] = Account(user_id, self.ring_of(user_id))
        return account

    def _forget_idle(self) -> None:
        """Drop idle accounts among the oldest few; the others go to the young end."""
        for user_id in [user for user, _ in zip(self.accounts, range(16), strict=False)]:
            account = self.accounts.pop(user_id)
            if not account.is_idle:
                self.accounts[user_id] = account
                continue
            for order in account.ended:
                self.orders.pop(order.oid, None)

    def add(self, order: Order) -> None:
        """Track a live order. A cid keeps naming the live order that has it."""
        account = order.account
        self.orders[order.oid] = order
        account.open[order.oid] = order
        if order.cid:
            key = (order.symbol_id, order.cid)
            other = account.cids.get(key)
            if other is None or not other.is_live:
                account.cids[key] = order

    def end(self, order: Order, status: int) -> None:
        """Terminal: from the open orders to the ended ones (INV-2: once)."""
        account = order.account
        check(account.open.pop(order.oid, None) is order, 2, order.oid, order.status, status)
        order.status = status
        if order.guard is not None:
            order.guard.pop(order.oid, None)
        if order.original_oid:
            self._restore_cid(order)
        ended = account.ended
        if len(ended) >= ENDED_MAX:
            oldest = ended.popleft()
            self.orders.pop(oldest.oid, None)
            self._forget_cid(oldest)
        ended.append(order)

    def _forget_cid(self, order: Order) -> None:
        if order.cid:
            key = (order.symbol_id, order.cid)
            if order.account.cids.get(key) is order:
                del order.account.cids[key]

    def _restore_cid(self, order: Order) -> None:
        """A duplicate's cid names the order that had it first."""
        self._forget_cid(order)
        original = self.orders.get(order.original_oid)
        if original is not None and original.account is order.account:
            order.account.cids.setdefault((order.symbol_id, order.cid), original)

    def find(self, account: Account, oid: int) -> Order | None:
        """An order of this account; another's order is as unknown as none."""
        order = self.orders.get(oid)
        return order if order is not None and order.account is account else None

    def find_cid(
        self, account: Account, cid: str, symbol_id: int | None, symbols: Iterable[int]
    ) -> Order | None:
        """The order with this client id; without a symbol, the only live one goes first.

        Raises  RequestError INVALID_VALUE when live orders in two symbols have it
        """
        if symbol_id is not None:
            return account.cids.get((symbol_id, cid))
        found = [account.cids[s, cid] for s in symbols if (s, cid) in account.cids]
        live = [order for order in found if order.is_live]
        if len(live) > 1:
            detail = "live orders in two symbols have this client id: name the symbol"
            raise RequestError(Reason.INVALID_VALUE, "sym", None, cid, detail)
        return live[0] if live else found[-1] if found else None
