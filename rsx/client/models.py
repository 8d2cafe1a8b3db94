"""What the client returns. All frozen; amounts are exact `Decimal`s, times nanoseconds since 1970.

Prices are in the quote currency per unit, quantities in units of the underlying, money in the
collateral currency.
Source: specs/client.md, specs/wire.md.
"""

from __future__ import annotations

from decimal import Decimal
from typing import Any, Literal

import msgspec

from rsx.client.book import LocalBook
from rsx.client.decimals import Amount, from_units, to_steps, to_units
from rsx.client.errors import reason_code, reason_name

Side = Literal["buy", "sell"]
Status = Literal["pending", "resting", "filled", "cancelled", "rejected"]
SIDES: tuple[Side, Side] = ("buy", "sell")
TIFS = ("GTC", "IOC", "FOK")
STATUSES: tuple[Status, ...] = ("filled", "resting", "cancelled", "rejected", "pending")
OPEN = ("pending", "resting")


class Model(msgspec.Struct, frozen=True, kw_only=True):
    """Base of all models. `plain(model)` gives JSON types, with decimals as strings."""


class Symbol(Model, frozen=True, kw_only=True):
    """One market and its rules. `fees` and `margins` are fractions of the notional."""

    id: int
    name: str
    tick: Decimal
    lot: Decimal
    price_decimals: int
    qty_decimals: int
    money_decimals: int
    max_price: Decimal
    max_qty: Decimal
    max_notional: Decimal
    maker_fee: Decimal = Decimal(0)
    taker_fee: Decimal = Decimal(0)
    initial_margin: Decimal = Decimal(0)
    maintenance_margin: Decimal = Decimal(0)

    @property
    def tick_units(self) -> int:
        """The tick in price units (10^-price_decimals)."""
        return to_units(self.tick, self.price_decimals, "tick")

    @property
    def lot_units(self) -> int:
        """The lot in quantity units (10^-qty_decimals)."""
        return to_units(self.lot, self.qty_decimals, "lot")

    def price_units(self, price: Amount) -> int:
        """Price in price units. Raises InvalidAmount unless a multiple of the tick."""
        return to_steps(price, self.price_decimals, self.tick_units, "price", "tick")

    def qty_units(self, qty: Amount) -> int:
        """Quantity in quantity units. Raises InvalidAmount unless a multiple of the lot."""
        return to_steps(qty, self.qty_decimals, self.lot_units, "qty", "lot")

    def price(self, units: int) -> Decimal:
        """The exact price of an integer in price units."""
        return from_units(units, self.price_decimals)

    def qty(self, units: int) -> Decimal:
        """The exact quantity of an integer in quantity units."""
        return from_units(units, self.qty_decimals)

    def money(self, units: int) -> Decimal:
        """The exact amount of an integer in money units."""
        return from_units(units, self.money_decimals)


class Order(Model, frozen=True, kw_only=True):
    """An order as of its last update.

    `filled`: traded so far. `remaining`: still open; on a cancelled order, what was cancelled.
    `reason`: why it was cancelled or rejected, a name of specs/records.md. `tif`, `post_only`,
    `reduce_only`: None when another connection placed the order and its terms were not told.
    `seq`: log number of the event that made it so; 0 = not an event of the log. `original_oid`:
    of a rejected duplicate, the order that has the client id; else 0.
    """

    oid: int
    cid: str
    symbol: str
    side: Side
    price: Decimal
    qty: Decimal
    filled: Decimal
    remaining: Decimal
    status: Status
    reason: str | None = None
    tif: str | None = None
    post_only: bool | None = None
    reduce_only: bool | None = None
    ts_ns: int = 0
    seq: int = 0
    original_oid: int = 0

    @property
    def is_open(self) -> bool:
        """Whether it can still trade."""
        return self.status in OPEN

    @property
    def reason_code(self) -> int:
        """Number of the reason; 0 = none."""
        if self.reason and self.reason.startswith("REASON_"):
            return int(self.reason[7:])
        return reason_code(self.reason)


class OrderUpdate(Model, frozen=True, kw_only=True, tag="order"):
    """Event: an order came to rest, or ended. `order` is its state after the event."""

    order: Order


class Fill(Model, frozen=True, kw_only=True, tag="fill"):
    """Event or history: one trade of an own order.

    `fee`: positive = paid, negative = rebate. `maker`: whether the order was resting. `remaining`:
    of the order after this fill; None in history, which does not keep it. `seq`: the trade's id.
    """

    oid: int
    cid: str
    symbol: str
    side: Side
    price: Decimal
    qty: Decimal
    fee: Decimal
    maker: bool
    ts_ns: int
    seq: int
    remaining: Decimal | None = None


class Disconnected(Model, frozen=True, kw_only=True, tag="disconnected"):
    """Event: the private connection was lost. `code`: WebSocket close code, 0 = none came."""

    reason: str
    code: int = 0


class Resumed(Model, frozen=True, kw_only=True, tag="resumed"):
    """Event: connected again, and everything missed has been emitted before this.

    `fills`, `updates`: how many were recovered. `resent`: orders and cancels sent again.
    `restarted`: the exchange was restarted meanwhile. `complete`: False if the exchange's fill
    history did not reach back to the last known fill (CL-36). `down_s`: length of the outage.
    """

    fills: int
    updates: int
    resent: int
    restarted: bool
    complete: bool
    down_s: float


class EventsLost(Model, frozen=True, kw_only=True, tag="events_lost"):
    """Event: `count` events were dropped because nobody read them (CL-21)."""

    count: int


Event = OrderUpdate | Fill | Disconnected | Resumed | EventsLost


class Account(Model, frozen=True, kw_only=True):
    """Balances in money. `frozen`: held for open orders; `available`: free for new ones."""

    collateral: Decimal
    equity: Decimal
    unrealised: Decimal
    initial_margin: Decimal
    maintenance_margin: Decimal
    frozen: Decimal
    available: Decimal
    realised: Decimal
    fees: Decimal


class Position(Model, frozen=True, kw_only=True):
    """One open position. `net_qty`: positive long, negative short; `entry_price` is for display."""

    symbol: str
    net_qty: Decimal
    entry_price: Decimal
    mark_price: Decimal
    unrealised: Decimal
    realised: Decimal
    initial_margin: Decimal
    maintenance_margin: Decimal


class Level(Model, frozen=True, kw_only=True):
    """One price level: total quantity and number of orders."""

    price: Decimal
    qty: Decimal
    count: int


class Book(Model, frozen=True, kw_only=True):
    """A book as of log number `seq`; best levels first."""

    symbol: str
    bids: list[Level]
    asks: list[Level]
    ts_ns: int
    seq: int


class Bbo(Model, frozen=True, kw_only=True, tag="bbo"):
    """Market: best bid and offer. An empty side is None."""

    symbol: str
    bid: Level | None
    ask: Level | None
    ts_ns: int
    seq: int


class BookUpdate(Model, frozen=True, kw_only=True, tag="book"):
    """Market: the book changed.

    `book`: the whole local book, updated in place by the next message: copy what you keep.
    `bids`, `asks`: the changed levels, qty 0 = gone; in a snapshot all levels.
    """

    symbol: str
    book: LocalBook
    bids: list[Level]
    asks: list[Level]
    snapshot: bool
    ts_ns: int
    seq: int


class Trade(Model, frozen=True, kw_only=True, tag="trade"):
    """Market: one trade. `taker_side`: the side of the order that came in. `seq`: its id."""

    symbol: str
    price: Decimal
    qty: Decimal
    taker_side: Side
    ts_ns: int
    seq: int


class Gap(Model, frozen=True, kw_only=True, tag="gap"):
    """Market: messages of a channel were lost, and the stream went on from a fresh state.

    `reason`: a hole in the sequence, or the lost connection. `complete`: False if trades are
    missing for good; the recovered ones follow.
    """

    symbol: str
    channel: str
    reason: str
    complete: bool


MarketEvent = Bbo | BookUpdate | Trade | Gap


class Deposit(Model, frozen=True, kw_only=True):
    """A durable deposit; `seq` is its log number."""

    user: int
    amount: Decimal
    seq: int


def plain(model: Any) -> Any:
    """A model, or a list of them, as plain JSON types: decimals as strings, never as 1E-8."""
    if isinstance(model, Decimal):
        return f"{model:f}"
    if isinstance(model, (list, tuple)):
        return [plain(item) for item in model]
    if isinstance(model, msgspec.Struct):
        tag = model.__struct_config__.tag
        pairs = ((name, getattr(model, name)) for name in model.__struct_fields__)
        # The local book is a helper beside the message, not a part of it.
        fields = {name: plain(value) for name, value in pairs if not isinstance(value, LocalBook)}
        return {"type": tag, **fields} if tag else fields
    return model


def status_reason(code: int) -> str | None:
    """Reason name of a frame's number; None for 0."""
    return reason_name(code) if code else None
