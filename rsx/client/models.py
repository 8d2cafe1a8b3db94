"""What the client returns. All frozen; amounts are exact `Decimal`s, times nanoseconds since 1970.

Prices are in the quote currency per unit, quantities in units of the underlying, money in the
collateral currency.
Source: specs/client.md, specs/wire.md.
"""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Any, Literal

import msgspec

from rsx.client.book import LocalBook
from rsx.client.decimals import Amount, floor_units, from_units, to_steps, to_units
from rsx.client.errors import reason_code, reason_name
from rsx.client.orders_book import LocalOrders

Side = Literal["buy", "sell"]
Status = Literal["pending", "resting", "filled", "cancelled", "rejected", "waiting"]
Kind = Literal[
    "limit", "market", "stop_market", "stop_limit", "take_profit_market", "take_profit_limit",
    "trailing_stop", "liquidation",
]  # fmt: skip
PositionSide = Literal["long", "short"]
MarginMode = Literal["cross", "isolated"]
PositionMode = Literal["one_way", "hedge"]
Stage = Literal["none", "started", "ordered", "recovered", "bankrupt", "closed"]
MarkState = Literal["live", "stale", "missing"]
TriggerOn = Literal["mark", "last"]
Mode = Literal["open", "post_only", "cancel_only", "halt"]
# Places in these tuples are the numbers on the wire (W-6).
SIDES: tuple[Side, Side] = ("buy", "sell")
TIFS = ("GTC", "IOC", "FOK", "GTD")
KINDS: tuple[Kind, ...] = Kind.__args__  # type: ignore[attr-defined]
STPS = ("none", "newest", "oldest", "both")
MODES: tuple[Mode, ...] = Mode.__args__  # type: ignore[attr-defined]
STATUSES: tuple[Status, ...] = (
    "filled", "resting", "cancelled", "rejected", "pending", "waiting",
)  # fmt: skip
LEGS: tuple[PositionSide, ...] = PositionSide.__args__  # type: ignore[attr-defined]
MARGIN_MODES: tuple[MarginMode, ...] = MarginMode.__args__  # type: ignore[attr-defined]
POSITION_MODES: tuple[PositionMode, ...] = PositionMode.__args__  # type: ignore[attr-defined]
STAGES: tuple[Stage, ...] = Stage.__args__  # type: ignore[attr-defined]
MARK_STATES: tuple[MarkState, ...] = MarkState.__args__  # type: ignore[attr-defined]
OPEN = ("pending", "resting", "waiting")
PPM_DECIMALS = 6


class Model(msgspec.Struct, frozen=True, kw_only=True):
    """Base of all models. `plain(model)` gives JSON types, with decimals as strings."""


class Symbol(Model, frozen=True, kw_only=True):
    """One market and its rules. Fees, margins and bands are fractions.

    `tick` holds below the first row of `tick_table`, whose rows are (from this price on, tick).
    `price_band`: limit orders may be so far beyond mark, 0 = any; `market_band`: market orders
    trade at most so far beyond it. `mode` is the trading mode when the list was asked for.
    `brackets`: further rows (from this notional on, initial, maintenance margin) of a position;
    `rules`: the other rules by their names in config.toml. All of them are of `version`.
    """

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
    min_notional: Decimal = Decimal(0)
    price_band: Decimal = Decimal(0)
    market_band: Decimal = Decimal(0)
    tick_table: tuple[tuple[Decimal, Decimal], ...] = ()
    mode: Mode = "open"
    version: int = 1
    brackets: tuple[tuple[Decimal, Decimal, Decimal], ...] = ()
    rules: Mapping[str, Any] = {}

    @property
    def lot_units(self) -> int:
        """The lot in quantity units (10^-qty_decimals)."""
        return to_units(self.lot, self.qty_decimals, "lot")

    def tick_at(self, price: Amount) -> Decimal:
        """The tick that holds at a price (PX-1)."""
        return self.price(self._tick_of(floor_units(price, self.price_decimals, "price")[0]))

    def price_units(self, price: Amount, field: str = "price") -> int:
        """Price in price units. Raises InvalidAmount unless a multiple of the tick there."""
        units = to_units(price, self.price_decimals, field)
        return to_steps(price, self.price_decimals, self._tick_of(units), field, "tick")

    def round_price(self, price: Amount, up: bool = False) -> Decimal:
        """The nearest price on tick that is not above `price`, with `up` not below it."""
        units, exact = floor_units(price, self.price_decimals, "price")
        tick = self._tick_of(units)
        rest = units % tick
        if up and (rest or not exact):
            units += tick  # a row begins at a multiple of every tick below it
        return self.price(units - rest)

    def next_price(self, price: Amount, up: bool = True) -> Decimal:
        """The price one tick above one that is on tick, or with `up` false below it."""
        units = self.price_units(price)
        # Just below a row's first price the finer tick holds.
        return self.price(units + self._tick_of(units) if up else units - self._tick_of(units - 1))

    def round_qty(self, qty: Amount, up: bool = False) -> Decimal:
        """The nearest multiple of the lot that is not above `qty`, with `up` not below it."""
        units, exact = floor_units(qty, self.qty_decimals, "qty")
        rest = units % self.lot_units
        if up and (rest or not exact):
            units += self.lot_units
        return self.qty(units - rest)

    def _tick_of(self, units: int) -> int:
        tick = self.tick
        for first, coarser in self.tick_table:
            if units < to_units(first, self.price_decimals, "tick_table"):
                break
            tick = coarser
        return to_units(tick, self.price_decimals, "tick")

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
    """An order, or a trigger that waits to become one, as of its last update.

    `price`: of a market order 0 until it is matched, then its protection price; of a repriced one
    what it got. `filled`: traded so far. `remaining`: still open; on a cancelled order, what was
    cancelled. `reason`: why it was cancelled or rejected, a name of specs/records.md. `tif`,
    `post_only`, `reduce_only`, `reprice`, `trigger_on`, `stp`, `expire_s`: None when they were not
    told, as of an order of another connection. `seq`: log number of the event that made it so;
    0 = not an event of the log. `original_oid`: of a rejected duplicate, the order that has the
    client id; else 0. `duplicate`: the answer to an order whose client id was used before: this
    is the order that has it. `position_side`: what it trades in hedge mode, None in one-way mode.
    `required`, `available`: of a rejection by the margin check, None otherwise.

    `kind`: from stop_market on it waits (status `waiting`) until its trigger price comes;
    `fired_price`: the price that came, None before. `trail`, `trail_fraction`: a trailing stop's
    distance, one of the two. `kept_place`: its newest update is of an amendment, and whether it
    kept its place in the queue; else None.
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
    kind: Kind = "limit"
    stp: str | None = None
    expire_s: int | None = None
    reprice: bool | None = None
    trigger_price: Decimal | None = None
    trigger_on: TriggerOn | None = None
    trail: Decimal | None = None
    trail_fraction: Decimal | None = None
    fired_price: Decimal | None = None
    kept_place: bool | None = None
    duplicate: bool = False
    position_side: PositionSide | None = None
    required: Decimal | None = None
    available: Decimal | None = None

    @property
    def is_open(self) -> bool:
        """Whether it can still trade."""
        return self.status in OPEN

    @property
    def is_trigger(self) -> bool:
        """Whether it waits for a price, or has: a stop, take-profit or trailing stop."""
        return self.kind not in ("limit", "market")

    @property
    def reason_code(self) -> int:
        """Number of the reason; 0 = none."""
        if self.reason and self.reason.startswith("REASON_"):
            return int(self.reason[7:])
        return reason_code(self.reason)


class OrderUpdate(Model, frozen=True, kw_only=True, tag="order"):
    """Event: an order came to rest, was amended or cut, or ended; a trigger waits or has fired.

    `order` is its state after the event.
    """

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


class ModeChanged(Model, frozen=True, kw_only=True, tag="mode"):
    """Event, also of market streams: a market's trading mode. `seq` 0: so since the start."""

    symbol: str
    mode: Mode
    ts_ns: int
    seq: int


class AccountSettings(Model, frozen=True, kw_only=True, tag="settings"):
    """Settings of the account; as an event: they have changed.

    `stp`: the default of self-trade prevention. `owner_group`: accounts of one owner, 0 = none.
    """

    stp: str
    owner_group: int


class DeadMan(Model, frozen=True, kw_only=True, tag="dead_man"):
    """The dead-man timer of a market, None = of all; as an event: it ran out.

    `deadline_ns`: when it will; 0 = it is off.
    """

    symbol: str | None
    timeout_ms: int
    deadline_ns: int
    fired: bool = False


class QueuePosition(Model, frozen=True, kw_only=True):
    """The place of an own resting order at its price, as of log number `seq`.

    `qty_ahead`, `orders_ahead`: what rests there before it; `level_qty`: all of its price.
    """

    oid: int
    symbol: str
    price: Decimal
    qty_ahead: Decimal
    orders_ahead: int
    level_qty: Decimal
    seq: int


class Account(Model, frozen=True, kw_only=True):
    """Balances in money. `frozen`: held for open orders; `available`: free for new ones.

    `withdrawable`: what could leave now. `liquidation`: stage of it, None when there is none.
    """

    collateral: Decimal
    equity: Decimal
    unrealised: Decimal
    initial_margin: Decimal
    maintenance_margin: Decimal
    frozen: Decimal
    available: Decimal
    realised: Decimal
    fees: Decimal
    withdrawable: Decimal = Decimal(0)
    position_mode: PositionMode = "one_way"
    liquidation: Stage | None = None


class Position(Model, frozen=True, kw_only=True):
    """One open position. `net_qty`: positive long, negative short; `entry_price` is for display.

    `initial_margin`, `maintenance_margin`: of its `notional` at mark; `frozen`: held for open
    orders here; `wallet`: its own margin when isolated. `liquidation_price`: the mark at which its
    margin would fall below maintenance if nothing else moved; `bankruptcy_price`: where it would be
    used up; None = there is none. `leverage` 0: the brackets' own; `leverage_fraction`: the part of
    notional it comes to. `lights`: place in the deleveraging queue, 5 = first, 0 = not known.
    """

    symbol: str
    net_qty: Decimal
    entry_price: Decimal
    mark_price: Decimal
    unrealised: Decimal
    realised: Decimal
    initial_margin: Decimal
    maintenance_margin: Decimal
    position_side: PositionSide | None = None
    leverage: int = 0
    margin_mode: MarginMode = "cross"
    notional: Decimal = Decimal(0)
    wallet: Decimal = Decimal(0)
    liquidation_price: Decimal | None = None
    bankruptcy_price: Decimal | None = None
    frozen: Decimal = Decimal(0)
    open_buy_qty: Decimal = Decimal(0)
    open_sell_qty: Decimal = Decimal(0)
    funding_owed: Decimal = Decimal(0)
    leverage_fraction: Decimal = Decimal(0)
    liquidation: Stage | None = None
    round: int = 0
    lights: int = 0


class AccountUpdate(Model, frozen=True, kw_only=True, tag="account"):
    """Event after `watch_account`: the account and its open positions as of `ts_ns`."""

    account: Account
    positions: list[Position]
    ts_ns: int


class MarginSettings(Model, frozen=True, kw_only=True, tag="margin_settings"):
    """Answer and event: margin settings of a market, or with symbol None the position mode."""

    symbol: str | None
    leverage: int
    margin_mode: MarginMode
    position_mode: PositionMode
    seq: int


class MarginMoved(Model, frozen=True, kw_only=True, tag="margin_moved"):
    """Answer and event: margin went to an isolated position, negative: back to the account."""

    symbol: str
    leg: PositionSide
    amount: Decimal
    seq: int


class MoneyMoved(Model, frozen=True, kw_only=True, tag="money"):
    """Answer and event: a deposit, negative: a withdrawal; it is durable."""

    amount: Decimal
    seq: int


class MarginCall(Model, frozen=True, kw_only=True, tag="margin_call"):
    """Event: equity has come near maintenance, of an isolated position or (symbol None) of the
    cross account."""

    symbol: str | None
    leg: PositionSide
    equity: Decimal
    maintenance_margin: Decimal
    ts_ns: int


class LiquidationStep(Model, frozen=True, kw_only=True, tag="liquidation"):
    """Event and history: a step of an own liquidation; symbol None: of the cross account.

    `side`, `qty`, `price`: of the order of a round, whose id is `oid`; of a bankrupt position what
    is to be taken over, at its bankruptcy price.
    """

    symbol: str | None
    leg: PositionSide
    stage: Stage
    round: int
    side: Side
    qty: Decimal
    price: Decimal
    mark_price: Decimal
    net_qty: Decimal
    equity: Decimal
    maintenance_margin: Decimal
    margin_mode: MarginMode
    oid: int
    ts_ns: int
    seq: int


class PositionTransferred(Model, frozen=True, kw_only=True, tag="transfer"):
    """Event and history: a position changed hands without an order.

    `role` ended: the own bankrupt one; counterparty: the own one was deleveraged. `kind`: takeover
    by the insurance fund, or adl. `side`: what the own account traded at `price`.
    """

    symbol: str
    leg: PositionSide
    role: Literal["ended", "counterparty"]
    kind: Literal["takeover", "adl"]
    side: Side
    qty: Decimal
    price: Decimal
    mark_price: Decimal
    ts_ns: int
    seq: int


class LiquidationSettled(Model, frozen=True, kw_only=True, tag="liquidation_settled"):
    """Event and history: the insurance fund made good what the closed account was short of."""

    symbol: str
    leg: PositionSide
    amount: Decimal
    ts_ns: int
    seq: int


class FundingPayment(Model, frozen=True, kw_only=True, tag="funding_payment"):
    """Event and history: funding of an own position; `amount` positive = paid."""

    symbol: str
    leg: PositionSide
    amount: Decimal
    net_qty: Decimal
    mark_price: Decimal
    rate: Decimal
    interval: int
    ts_ns: int
    seq: int


class RulesChanged(Model, frozen=True, kw_only=True, tag="rules"):
    """Event, also of market streams: other rules of a market hold from log number `seq` on."""

    symbol: Symbol
    ts_ns: int
    seq: int


LiquidationEvent = LiquidationStep | PositionTransferred | LiquidationSettled
Event = (
    OrderUpdate | Fill | Disconnected | Resumed | EventsLost | ModeChanged | AccountSettings
    | DeadMan | AccountUpdate | MarginSettings | MarginMoved | MoneyMoved | MarginCall
    | LiquidationEvent | FundingPayment | RulesChanged
)  # fmt: skip


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


class OrderChange(Model, frozen=True, kw_only=True):
    """One change of a resting order (W-25). `remaining`: what rests after it; 0 = it is gone.

    `kind`: rested (behind all others), traded (`qty` of the maker, `seq` the trade's id), cut by
    `qty`, cancelled with `qty`, reduced by `qty` (amended, place kept), moved (amended, now
    behind all others), lifted with `qty` (amended and matching; what is left rests anew).
    """

    kind: Literal["rested", "traded", "cut", "cancelled", "reduced", "moved", "lifted"]
    oid: int
    side: Side
    price: Decimal
    qty: Decimal
    remaining: Decimal
    ts_ns: int
    seq: int


class OrdersUpdate(Model, frozen=True, kw_only=True, tag="orders"):
    """Market: the book changed, order by order.

    `orders`: all resting orders after it, updated in place by the next message. `changes`: empty
    in a snapshot, which says that `orders` was rebuilt.
    """

    symbol: str
    orders: LocalOrders
    changes: list[OrderChange]
    snapshot: bool
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


class Mark(Model, frozen=True, kw_only=True, tag="mark"):
    """Market: the mark price. `sources`: fresh ones behind the index; None: no index."""

    symbol: str
    mark_price: Decimal | None
    index_price: Decimal | None
    state: MarkState
    sources: int
    source_ns: int
    ts_ns: int
    seq: int


class Funding(Model, frozen=True, kw_only=True, tag="funding"):
    """Market: the funding rate as it stands, when it is settled next, the last settled one.

    `next_s`: seconds since 1970, None: no funding; `settled_ns` None: none was settled yet.
    """

    symbol: str
    rate: Decimal
    next_s: int | None
    settled_rate: Decimal | None
    settled_interval: int | None
    settled_ns: int | None
    ts_ns: int
    seq: int


class OpenInterest(Model, frozen=True, kw_only=True, tag="open_interest"):
    """Market: the sum of all long positions."""

    symbol: str
    qty: Decimal
    ts_ns: int
    seq: int


class Liquidation(Model, frozen=True, kw_only=True, tag="liquidated"):
    """Market: somebody is liquidated. `kind`: order (one goes out, at most at `price`), takeover
    by the insurance fund, adl; `side`: of what is liquidated."""

    symbol: str
    kind: Literal["order", "takeover", "adl"]
    side: Side
    qty: Decimal
    price: Decimal
    mark_price: Decimal
    ts_ns: int
    seq: int


class MarketMark(Model, frozen=True, kw_only=True):
    """Answer to `Client.mark`: the mark with open interest and funding; None: not known yet."""

    symbol: str
    mark_price: Decimal | None
    index_price: Decimal | None
    state: MarkState
    open_interest: Decimal | None
    funding_rate: Decimal | None
    next_funding_s: int | None
    sources: int | None
    ts_ns: int | None
    seq: int | None


class FundingRate(Model, frozen=True, kw_only=True):
    """A settled funding rate. `premium`: average that it was made of."""

    symbol: str
    rate: Decimal
    premium: Decimal
    mark_price: Decimal | None
    index_price: Decimal | None
    interval: int
    samples: int
    skipped: int
    ts_ns: int
    seq: int


class InsuranceFund(Model, frozen=True, kw_only=True):
    """The insurance fund of a market: its money, and the position it has taken over."""

    symbol: str
    balance: Decimal
    equity: Decimal
    unrealised: Decimal
    net_qty: Decimal
    entry_price: Decimal | None
    mark_price: Decimal | None


class RulesSet(Model, frozen=True, kw_only=True):
    """Answer to `Admin.change_rules`: the version that holds from log number `seq` on."""

    symbol: str
    version: int
    seq: int


PublicState = Mark | Funding | OpenInterest | Liquidation | RulesChanged
MarketEvent = Bbo | BookUpdate | Trade | Gap | OrdersUpdate | ModeChanged | PublicState


class ModeSet(Model, frozen=True, kw_only=True):
    """Answer to `Admin.mode`: the mode from log number `seq` on, and the one before."""

    symbol: str
    mode: Mode
    previous: Mode
    seq: int


class SnapshotWritten(Model, frozen=True, kw_only=True):
    """Answer to `Admin.snapshot`: the state after log number `seq`, in a file on its machine."""

    seq: int
    file: str


class Deposit(Model, frozen=True, kw_only=True):
    """A durable deposit or withdrawal by an admin; `seq` is its log number."""

    user: int
    amount: Decimal
    seq: int


def plain(model: Any) -> Any:
    """A model, or a list of them, as plain JSON types: decimals as strings, never as 1E-8."""
    if isinstance(model, Decimal):
        return f"{model:f}"
    if isinstance(model, (list, tuple)):
        return [plain(item) for item in model]
    if isinstance(model, Mapping):
        return {name: plain(value) for name, value in model.items()}
    if isinstance(model, msgspec.Struct):
        tag = model.__struct_config__.tag
        pairs = ((name, getattr(model, name)) for name in model.__struct_fields__)
        # A local book is a helper beside the message, not a part of it.
        fields = {
            name: plain(value)
            for name, value in pairs
            if not isinstance(value, LocalBook | LocalOrders)
        }
        return {"type": tag, **fields} if tag else fields
    return model


def status_reason(code: int) -> str | None:
    """Reason name of a frame's number; None for 0."""
    return reason_name(code) if code else None
