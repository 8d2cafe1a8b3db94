"""A plain ledger: every record of a log folded into dicts, written from the specs alone.

specs/risk.md sections 2 to 5 and 8, specs/funding.md, specs/liquidation.md, specs/symbols.md. What
a record says is held against what is known; what does not fit is an AssertionError that names the
rule. Sums are taken over everything at every question, so that nothing here can drift.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any, TypeVar

from rsx.records import BRACKETS_MAX, FUND_USER_BASE, OrderFlag, OrderKind, View
from rsx.sim.auditor import margin
from rsx.sim.auditor.funding import Samples, interval_id, owed, standing_rate
from rsx.sim.auditor.margin import BUY, HEDGE, LONG, SHORT, Terms, leg_of

CROSS, ISOLATED = 0, 1
ONE_WAY, HEDGED = 0, 1
NONE, STARTED, ORDERED, RECOVERED, BANKRUPT, CLOSED = range(6)
ADL = 1
LIVE = 0
VIEWS_KEPT = 4096
# What a start may begin with, behind LOG_STARTED.
OPENING = frozenset(
    ("SYMBOL_CONFIG", "SYMBOL_LIMITS", "SYMBOL_RISK", "SYMBOL_BRACKETS", "DEPOSIT", "LOG_STARTED",
     "LOG_SYNCED", "SEGMENT_STARTED", "TRADING_MODE")
)  # fmt: skip
Place = tuple[int, int]  # user, symbol
Key = tuple[int, int, int]  # user, symbol, leg
T = TypeVar("T")
CROSS_BUCKET = (0, 0)  # of a bucket's (symbol, leg)


def expect(holds: object, *finding: Any) -> None:
    """Raises AssertionError with the finding (rule, then what shows it) unless it holds."""
    if not holds:
        raise AssertionError(finding)


def known(value: T | None, *finding: Any) -> T:
    """The value, which is there; else as expect."""
    if value is None:
        raise AssertionError(finding)
    return value


@dataclass(slots=True)
class Position:
    net: int = 0
    cost: int = 0
    realised: int = 0
    wallet: int = 0
    owed: int = 0  # of a settlement that is not booked yet
    fills: list[tuple[int, int]] = field(default_factory=list)

    def trade(self, qty: int, px: int) -> tuple[int, int, int]:
        """A-3: apply a signed quantity. Returns profit, what closed, what opened."""
        self.fills.append((qty, px))
        self.net, self.cost, profit, closes, opens = margin.traded(self.net, self.cost, qty, px)
        self.realised += profit
        return profit, closes, opens

    def nets(self) -> Iterator[int]:
        """What was held, the newest first: a record may be on its way while it changes."""
        net = self.net
        yield net
        for qty, _ in reversed(self.fills):
            net -= qty
            yield net

    @property
    def signed_cost(self) -> int:
        return self.cost if self.net >= 0 else -self.cost


@dataclass(slots=True)
class Settings:
    owner_group: int = 0
    stp: int = 0


@dataclass(slots=True)
class Account:
    deposits: int = 0
    withdrawals: int = 0
    collateral: int = 0
    realised: int = 0
    fees: int = 0
    position_mode: int = ONE_WAY
    settings: Settings = field(default_factory=Settings)
    asked: Settings = field(default_factory=Settings)  # by the newest ACCOUNT_CONFIG_REQUEST


@dataclass(slots=True)
class OpenOrder:
    """In flight or confirmed: what it may still trade and the margin it still holds."""

    user: int
    symbol: int
    side: int
    px: int
    qty: int
    reserved: int
    flags: int
    kind: int = 0
    filled: int = 0
    rests: bool = False

    @property
    def reduce_only(self) -> bool:
        return bool(self.flags & OrderFlag.REDUCE_ONLY)

    @property
    def leg(self) -> int:
        return leg_of(self.side, self.flags)


@dataclass(slots=True)
class Mark:
    px: int
    ts_ns: int
    state: int = LIVE
    index_px: int = 0


@dataclass(slots=True)
class Settling:
    """A funding settlement that is being booked (FN-7, FN-8)."""

    interval_id: int
    rate_ppb: int
    mark_px: int
    pool: int = 0
    paid: int = 0
    received: int = 0
    payments: int = 0


@dataclass(slots=True)
class Liquidation:
    """Of one bucket (LQ-2 to LQ-9)."""

    stage: int = STARTED
    oid: int = 0  # of the order that is out or due
    ordered: Place = (0, 0)  # position that it closes
    rounds: dict[Place, int] = field(default_factory=dict)  # by (symbol, leg)
    bankrupt: dict[Place, tuple[int, int]] = field(default_factory=dict)  # number, price
    last_symbol: int = 0  # of the last order or transfer


@dataclass(slots=True)
class Market:
    """What the log says of one symbol besides its rules."""

    mark: Mark | None = None
    last_px: int = 0
    mode: int = 0
    scale: int = 0  # BR-3
    samples: Samples = field(default_factory=Samples)
    interval: int | None = None  # settled last
    settling: Settling | None = None
    version: int = 0
    parts: list[View] = field(default_factory=list)  # of the rules that are coming
    views: deque[tuple[int, int, int, int] | None] = field(
        default_factory=lambda: deque(maxlen=VIEWS_KEPT)
    )  # what funding went by before each of the last marks


def rules_of(parts: list[View], before: Any) -> SimpleNamespace:
    """SY-1: the four records as one set of rules; what they do not carry stays (SY-2)."""
    values: dict[str, Any] = dict(vars(before)) if hasattr(before, "__dict__") else {}
    if not values:
        values = {name: getattr(before, name) for name in type(before).__struct_fields__}
    config, limits, risk, brackets = parts
    for part in (config, limits, risk):
        values.update(
            (f.name, getattr(part, f.name)) for f in part.record.fields
            if f.name in values and f.name not in ("name", "id")
        )  # fmt: skip
    values["adl"] = risk.adl_policy
    values["version"] = config.config_version
    values["tick_table"] = tuple(
        (getattr(limits, f"tick_from_{n}"), getattr(limits, f"tick_{n}"))
        for n in (1, 2, 3, 4) if getattr(limits, f"tick_from_{n}")
    )  # fmt: skip
    values["brackets"] = tuple(
        tuple(getattr(brackets, f"{what}_{n}")
              for what in ("from", "initial_ppm", "maintenance_ppm"))
        for n in range(1, BRACKETS_MAX + 1) if getattr(brackets, f"from_{n}")
    )  # fmt: skip
    return SimpleNamespace(**values)


class Fold:
    """Args  symbols: rules until the log says others; mark_source: "last" or anything else."""

    def __init__(self, symbols: Iterable[Any], mark_source: str = "last"):
        self.symbols: dict[int, Any] = {s.id: s for s in symbols}
        self.feed = mark_source != "last"
        self.markets = {s: Market() for s in self.symbols}
        self.accounts = {FUND_USER_BASE + s: Account() for s in self.symbols}
        self.positions: dict[Key, Position] = {}
        self.orders: dict[int, OpenOrder] = {}  # confirmed
        self.by_place: dict[Place, dict[int, OpenOrder]] = {}  # the same orders
        self.leverage: dict[Place, int] = {}
        self.margin_mode: dict[Place, int] = {}
        self.liquidations: dict[tuple[int, Place], Liquidation] = {}  # (user, (symbol, leg))
        self.fee_account = self.residue = 0
        self.is_opening = False
        self.liquidated_oids: set[int] = set()
        self.taken: dict[int, int] = {}  # transfer id -> quantity transferred

    # --- the log --------------------------------------------------------------------------

    def apply(self, r: View) -> None:
        name = r.record.name
        self.is_opening = self.is_opening and name in OPENING
        handler = getattr(self, "on_" + name.lower(), None)
        if handler:
            handler(r)

    def on_deposit(self, r: View) -> None:
        account = self.accounts.setdefault(r.user_id, Account())
        account.collateral += r.amount
        account.deposits += r.amount

    def on_withdrawal(self, r: View) -> None:
        account = self.accounts[r.user_id]
        account.collateral -= r.amount
        account.withdrawals += r.amount

    def on_account_config(self, r: View) -> None:
        self.accounts[r.user_id].settings = Settings(r.owner_group, r.stp)

    def on_trading_mode(self, r: View) -> None:
        self.markets[r.symbol_id].mode = r.mode

    def on_mark_price(self, r: View) -> None:
        """K-2, K-3, BR-3, FN-2, FN-5."""
        market, rules = self.markets[r.symbol_id], self.symbols[r.symbol_id]
        expect(r.mark_px > 0, "K-2", r)
        # Marks may come into the log while a settlement is on its way.
        market.views.append(self.funding_view(market, rules))
        market.mark = Mark(r.mark_px, r.ts_ns, r.state, r.index_px)
        market.scale = margin.oi_scale(rules, self.open_interest(r.symbol_id), r.mark_px)
        market.samples.mark(r.ts_ns, r.mark_px, r.index_px, r.state)
        if market.interval is None and rules.funding_interval_s:
            market.interval = interval_id(r.ts_ns, rules.funding_interval_s)

    def on_symbol_config(self, r: View) -> None:
        self.markets[r.symbol_id].parts = [r]

    def on_symbol_limits(self, r: View) -> None:
        self.markets[r.symbol_id].parts.append(r)

    on_symbol_risk = on_symbol_limits

    def on_symbol_brackets(self, r: View) -> None:
        """SY-1, SY-4."""
        market = self.markets[r.symbol_id]
        parts, market.parts = [*market.parts, r], []
        expect(
            [p.record.name for p in parts]
            == ["SYMBOL_CONFIG", "SYMBOL_LIMITS", "SYMBOL_RISK", "SYMBOL_BRACKETS"],
            "SY-4",
            parts,
        )
        expect(len({p.config_version for p in parts}) == 1, "SY-4", parts)
        expect(r.config_version > market.version, "INV-25", r)
        market.version = r.config_version
        before = self.symbols[r.symbol_id].funding_interval_s
        self.symbols[r.symbol_id] = rules_of(parts, self.symbols[r.symbol_id])
        interval_s = self.symbols[r.symbol_id].funding_interval_s
        if interval_s != before:  # FN-11
            market.interval = interval_id(r.ts_ns, interval_s) if interval_s else None
            if market.settling is not None:
                expect(self.is_opening, "FN-11", r)
                market.settling.interval_id = market.interval or 0

    # --- orders ---------------------------------------------------------------------------

    def on_order_accepted(self, r: View) -> None:
        expect(r.user_id in self.accounts, "A-1", r)
        order = OpenOrder(r.user_id, r.symbol_id, r.side, r.px, r.qty, r.reserved,
                          r.flags & ~OrderFlag.RESTS, r.kind)  # fmt: skip
        order.rests = bool(r.flags & OrderFlag.RESTS)
        self.orders[r.oid] = order
        self.by_place.setdefault((order.user, order.symbol), {})[r.oid] = order
        hedged = self.accounts[r.user_id].position_mode == HEDGED
        expect(bool(r.flags & HEDGE) == hedged, "HG-3", r)

    def on_order_rested(self, r: View) -> None:
        order = self.orders[r.oid]
        told = (r.px, r.remaining, r.reserved, r.qty - r.remaining)
        expect(told == (order.px, order.qty, order.reserved, order.filled), "A-8", r, order)
        order.rests = True

    def on_order_amended(self, r: View) -> None:
        order = self.orders[r.oid]
        expect(r.qty - r.remaining == order.filled, "A-8", r, order)
        expect(r.reserved <= order.reserved + r.extra, "V-12", r, order)
        expect(order.reduce_only or r.remaining <= order.qty + r.extra_qty, "V-12", r, order)
        order.px, order.qty, order.reserved = r.px, r.remaining, r.reserved
        order.rests = bool(r.flags & (OrderFlag.RESTS | OrderFlag.KEPT))

    def on_order_reduced(self, r: View) -> None:
        self.shrink(r.oid, r.cancelled_qty, r.released, r.remaining)

    def on_order_cancelled(self, r: View) -> None:
        expect(self.orders[r.oid].filled == r.filled_qty, "INV-13", r)
        self.shrink(r.oid, r.cancelled_qty, r.released, 0)

    def on_fill(self, r: View) -> None:
        taker, maker = self.orders[r.taker_oid], self.orders[r.maker_oid]
        expect(maker.px == r.px, "INV-21", r)
        to_fund = taker.kind == OrderKind.LIQUIDATION
        for order, user, fee, fund in (
            (taker, r.taker_user_id, r.taker_fee, to_fund), (maker, r.maker_user_id, r.maker_fee, 0)
        ):  # fmt: skip
            expect(order.user == user, "A-8", r)
            order.filled += r.qty
            self.settle(user, r.symbol_id, order.side, order.flags, r.qty, r.px, fee, bool(fund))
        self.shrink(r.taker_oid, r.qty, r.taker_release, r.taker_remaining)
        self.shrink(r.maker_oid, r.qty, r.maker_release, r.maker_remaining)
        self.markets[r.symbol_id].last_px = r.px

    def shrink(self, oid: int, qty: int, released: int, left: int) -> None:
        """V-7, A-8."""
        order = self.orders[oid]
        order.qty -= qty
        order.reserved -= released
        expect(order.qty == left, "INV-13", oid, order)
        expect(order.qty >= 0, "INV-13", oid, order)
        expect(order.reserved >= 0, "INV-11", oid, order)
        if order.qty == 0:
            expect(order.reserved == 0, "INV-11", oid, order)
            del self.orders[oid]
            del self.by_place[order.user, order.symbol][oid]
            self.order_ended(order.user, oid)

    def on_order_rejected(self, r: View) -> None:
        self.order_ended(r.user_id, r.oid)

    def order_ended(self, user: int, oid: int) -> None:
        """LQ-6: the terminal record of a liquidation order ends its round."""
        for (owner, _), bucket in self.liquidations.items():
            if owner == user and bucket.oid == oid:
                bucket.oid = 0

    def on_log_started(self, _: View) -> None:
        """LQ-6: an order that the log does not know counts as ended."""
        self.is_opening = True
        for bucket in self.liquidations.values():
            if bucket.oid not in self.orders:
                bucket.oid = 0

    # --- positions ------------------------------------------------------------------------

    def settle(
        self, user: int, symbol: int, side: int, flags: int, qty: int, px: int, fee: int = 0,
        to_fund: bool = False, transfer: bool = False,
    ) -> None:  # fmt: skip
        """A-3, A-4, IM-2, IM-3: one side of a fill or of a transfer."""
        account, leg = self.accounts[user], leg_of(side, flags)
        position = self.position_at(user, symbol, leg)
        isolated = self.is_isolated(user, symbol)
        size = abs(position.net)
        profit, closes, opens = position.trade(qty if side == BUY else -qty, px)
        if flags & HEDGE:
            expect(position.net >= 0 if leg == LONG else position.net <= 0, "HG-1", user, symbol)
        account.realised += profit
        account.fees += fee
        if to_fund:
            self.accounts[FUND_USER_BASE + symbol].collateral += fee
        else:
            self.fee_account += fee
        if not isolated:
            account.collateral += profit - fee
            return
        position.wallet += profit - fee
        back = 0
        in_liquidation = (user, (symbol, leg)) in self.liquidations
        if closes == size and closes:
            back = position.wallet
            if transfer and in_liquidation and position.wallet < 0:
                back = 0  # IM-3: until it is made good
        elif closes and position.wallet > 0 and not in_liquidation:
            back = position.wallet * closes // size
        position.wallet -= back
        account.collateral += back
        if opens:
            into = margin.isolated_margin(
                self.symbols[symbol], opens * px, self.leverage.get((user, symbol), 0)
            )
            position.wallet += into
            account.collateral -= into

    def position_at(self, user: int, symbol: int, leg: int) -> Position:
        return self.positions.setdefault((user, symbol, leg), Position())

    def is_isolated(self, user: int, symbol: int) -> bool:
        return self.margin_mode.get((user, symbol), CROSS) == ISOLATED

    def on_margin_config(self, r: View) -> None:
        """P-4, HG-5, IM-1."""
        expect(r.user_id in self.accounts, "P-4", r)
        account = self.accounts[r.user_id]
        if r.symbol_id == 0:
            if r.position_mode != account.position_mode:
                expect(not self.legs(r.user_id), "HG-5", r)
                expect(not any(o.user == r.user_id for o in self.orders.values()), "HG-5", r)
            account.position_mode = r.position_mode
            return
        place = (r.user_id, r.symbol_id)
        if r.margin_mode != self.margin_mode.get(place, CROSS):
            expect(not self.legs(*place), "P-4", r)
        self.margin_mode[place] = r.margin_mode
        self.leverage[place] = r.leverage

    def on_margin_transferred(self, r: View) -> None:
        """P-3: of a position closed meanwhile nothing moves."""
        position = self.position_at(r.user_id, r.symbol_id, r.leg)
        if position.net and self.is_isolated(r.user_id, r.symbol_id):
            position.wallet += r.amount
            self.accounts[r.user_id].collateral -= r.amount

    # --- funding --------------------------------------------------------------------------

    def funding_view(self, market: Market, rules: Any) -> tuple[int, int, int, int] | None:
        """Mark, samples, premium and rate that a settlement would have now; None = not now."""
        mark, samples = market.mark, market.samples
        if mark is None or mark.state != LIVE or not samples.count:
            return None
        return mark.px, samples.count, samples.average, standing_rate(rules, samples)

    def on_funding_settled(self, r: View) -> None:
        """FN-3, FN-5, FN-7."""
        market, rules = self.markets[r.symbol_id], self.symbols[r.symbol_id]
        interval = known(market.interval, "FN-5", r)
        expect(r.interval_id > interval, "INV-9", r)
        expect(market.settling is None, "FN-5", r)
        expect(r.skipped == r.interval_id - interval - 1, "FN-5", r)
        expect(r.interval_id == interval_id(r.ts_ns, rules.funding_interval_s), "FN-5", r)
        told = (r.mark_px, r.samples, r.premium_ppb, r.rate_ppb)
        views = [*market.views, self.funding_view(market, rules)]
        expect(told in views, "FN-3", r, views[-1])
        market.views.clear()
        market.samples.settled()
        market.interval = r.interval_id
        market.settling = Settling(r.interval_id, r.rate_ppb, r.mark_px)
        for (_, symbol, _), position in self.positions.items():
            if symbol == r.symbol_id and position.net:
                position.owed = owed(position.net, r.mark_px, r.rate_ppb)

    def on_funding_payment(self, r: View) -> None:
        """FN-8, IM-4."""
        settling = known(self.markets[r.symbol_id].settling, "FN-8", r)
        expect(r.interval_id == settling.interval_id, "FN-8", r)
        position = self.position_at(r.user_id, r.symbol_id, r.leg)
        expect(r.amount == position.owed != 0, "FN-7", r, position)
        expect(r.net_qty in position.nets(), "FN-8", r, position)
        expect((r.mark_px, r.rate_ppb) == (settling.mark_px, settling.rate_ppb), "FN-8", r)
        position.owed = 0
        if position.net and self.is_isolated(r.user_id, r.symbol_id):
            position.wallet -= r.amount
        else:
            self.accounts[r.user_id].collateral -= r.amount
        settling.pool += r.amount
        settling.payments += 1
        if r.amount > 0:
            settling.paid += r.amount
        else:
            settling.received -= r.amount

    def on_funding_done(self, r: View) -> None:
        market = self.markets[r.symbol_id]
        settling = known(market.settling, "FN-8", r)
        expect(r.interval_id == settling.interval_id, "FN-8", r)
        left = [k for k, p in self.positions.items() if k[1] == r.symbol_id and p.owed]
        expect(not left, "FN-8", r, left)
        told = (r.residue, r.paid, r.received, r.payments)
        due = (settling.pool, settling.paid, settling.received, settling.payments)
        expect(told == due, "FN-8", told, due)
        expect(0 <= r.residue <= 2 * r.payments, "INV-9", r)
        self.residue += r.residue
        market.settling = None

    # --- liquidation ----------------------------------------------------------------------

    def bucket_key(self, user: int, symbol: int, leg: int) -> tuple[int, Place]:
        """The bucket that a position is in (G-3)."""
        return (user, (symbol, leg) if self.is_isolated(user, symbol) else CROSS_BUCKET)

    def on_liquidation_step(self, r: View) -> None:
        """LQ-2 to LQ-9."""
        key = (r.user_id, (r.symbol_id, r.leg) if r.margin_mode == ISOLATED else CROSS_BUCKET)
        if r.symbol_id:
            isolated = self.is_isolated(r.user_id, r.symbol_id)
            expect(isolated == (r.margin_mode == ISOLATED), "LQ-2", r)
        if r.stage == STARTED:
            expect(key not in self.liquidations, "LQ-2", r)
            self.liquidations[key] = Liquidation()
            return
        expect(key in self.liquidations, "INV-23", r)
        bucket, at = self.liquidations[key], (r.symbol_id, r.leg)
        bucket.stage = r.stage
        if r.stage == ORDERED:
            expect(bucket.oid == 0, "INV-23", r, bucket)
            expect(r.oid not in self.liquidated_oids, "LQ-7", r)
            expect(r.round == bucket.rounds.get(at, 0) + 1, "INV-23", r, bucket)
            expect(at not in bucket.bankrupt, "LQ-8", r)
            bucket.rounds[at], bucket.oid, bucket.ordered = r.round, r.oid, at
            bucket.last_symbol = r.symbol_id
            self.liquidated_oids.add(r.oid)
        elif r.stage == BANKRUPT:
            expect(at not in bucket.bankrupt, "LQ-8", r)
            position = self.position_at(r.user_id, r.symbol_id, r.leg)
            left = position.net if r.net_qty > 0 else -position.net
            expect(0 <= left <= abs(r.net_qty), "LQ-8", r, position)
            if left:  # else it was deleveraged away before the step came to the log
                bucket.bankrupt[at] = (r.seq, r.px)
                self.taken[r.seq] = 0
        else:
            if r.stage == CLOSED:
                expect(not self.bucket_positions(key), "LQ-9", r)
                expect(self.bucket_balance(key) >= 0, "INV-24", r)
            del self.liquidations[key]

    def bucket_positions(self, key: tuple[int, Place]) -> dict[Key, Position]:
        user, at = key
        if at != CROSS_BUCKET:
            position = self.positions.get((user, *at), Position())
            return {(user, *at): position} if position.net else {}
        return {k: p for k, p in self.legs(user).items() if not self.is_isolated(user, k[1])}

    def bucket_balance(self, key: tuple[int, Place]) -> int:
        user, at = key
        if at != CROSS_BUCKET:
            return self.position_at(user, *at).wallet
        return self.accounts[user].collateral

    def on_position_transferred(self, r: View) -> None:
        """AD-6: both sides by A-3 at the bankruptcy price, no fee."""
        if not r.qty:
            return
        leg = leg_of(r.side, r.user_flags)
        key = self.bucket_key(r.user_id, r.symbol_id, leg)
        bucket = known(self.liquidations.get(key), "LQ-8", r)
        number, px = bucket.bankrupt[r.symbol_id, leg]
        expect((r.transfer_id, r.px) == (number, px), "IF-1", r, number, px)
        before = self.position_at(r.user_id, r.symbol_id, leg).net
        expect(before * (1 if r.side != BUY else -1) >= r.qty, "PT-2", r, before)
        expect(r.user_flags & OrderFlag.REDUCE_ONLY, "PT-2", r)
        other = 1 - r.side
        if r.kind == ADL:
            gives = self.position_at(r.counter_user_id, r.symbol_id, leg_of(other, r.counter_flags))
            expect(abs(gives.net) >= r.qty and gives.net * before < 0, "PT-2", r, gives)
        else:
            expect(r.counter_user_id == FUND_USER_BASE + r.symbol_id, "IF-2", r)
        for user, side, flags in ((r.user_id, r.side, r.user_flags),
                                  (r.counter_user_id, other, r.counter_flags)):  # fmt: skip
            self.settle(user, r.symbol_id, side, flags, r.qty, r.px, transfer=True)
        self.taken[number] += r.qty
        bucket.last_symbol = r.symbol_id
        if not self.position_at(r.user_id, r.symbol_id, leg).net:
            del bucket.bankrupt[r.symbol_id, leg]

    def on_liquidation_settled(self, r: View) -> None:
        """LQ-9, INV-24."""
        key = (r.user_id, (r.symbol_id, r.leg) if r.margin_mode == ISOLATED else CROSS_BUCKET)
        bucket = self.liquidations[key]
        expect(bucket.last_symbol in (0, r.symbol_id), "LQ-9", r, bucket)
        expect(not self.bucket_positions(key), "LQ-9", r)
        expect(r.amount == -self.bucket_balance(key) > 0, "LQ-9", r, self.bucket_balance(key))
        self.accounts[FUND_USER_BASE + r.symbol_id].collateral -= r.amount
        if r.margin_mode == ISOLATED:
            self.position_at(r.user_id, r.symbol_id, r.leg).wallet += r.amount
        else:
            self.accounts[r.user_id].collateral += r.amount

    # --- sums -----------------------------------------------------------------------------

    def legs(self, user: int, symbol: int | None = None) -> dict[Key, Position]:
        """Open positions of a user."""
        symbols = self.symbols if symbol is None else (symbol,)
        found = {}
        for s in symbols:
            for leg in (LONG, SHORT):
                position = self.positions.get((user, s, leg))
                if position is not None and position.net:
                    found[user, s, leg] = position
        return found

    def open_interest(self, symbol: int) -> int:
        """A-10."""
        return sum(max(0, p.net) for (_, s, _), p in self.positions.items() if s == symbol)

    def mark(self, symbol: int) -> int:
        """K-1, K-2."""
        market, reference = self.markets[symbol], self.symbols[symbol].reference_px
        if self.feed:
            return market.mark.px if market.mark else int(reference)
        return market.last_px or int(reference)

    def terms(self, user: int, symbol: int) -> Terms:
        return Terms(self.leverage.get((user, symbol), 0), self.markets[symbol].scale)

    def orders_of(self, user: int, symbol: int, leg: int | None = None) -> Iterator[OpenOrder]:
        found = self.by_place.get((user, symbol), {}).values()
        return (o for o in found if leg is None or o.leg == leg)

    def frozen(self, user: int, symbol: int, leg: int = LONG) -> int:
        return sum(o.reserved for o in self.orders_of(user, symbol, leg))

    def open_qty(self, user: int, symbol: int, side: int, leg: int = LONG) -> int:
        """A-2: reduce-only orders do not count."""
        return sum(
            o.qty for o in self.orders_of(user, symbol, leg) if o.side == side and not o.reduce_only
        )

    def unrealised(self, key: Key) -> int:
        position = self.positions.get(key, Position())
        return margin.unrealised(position.net, position.cost, self.mark(key[1]))

    def position_margin(self, key: Key) -> int:
        """P of G-2."""
        user, symbol, _ = key
        net = self.positions.get(key, Position()).net
        return margin.initial(
            self.symbols[symbol], abs(net) * self.mark(symbol), self.terms(user, symbol)
        )

    def position_maintenance(self, key: Key) -> int:
        net = self.positions.get(key, Position()).net
        return margin.maintenance(self.symbols[key[1]], abs(net) * self.mark(key[1]))

    def held(self, key: Key) -> int:
        """G-2: of the account."""
        user, symbol, leg = key
        net = self.positions.get(key, Position()).net
        whole = margin.held(
            self.symbols[symbol], net, self.open_qty(user, symbol, BUY, leg),
            self.open_qty(user, symbol, 1 - BUY, leg), self.frozen(user, symbol, leg),
            self.mark(symbol), self.terms(user, symbol),
        )  # fmt: skip
        return whole - (self.position_margin(key) if self.is_isolated(user, symbol) else 0)

    def keys_of(self, user: int) -> Iterator[Key]:
        """Every position of a user that may hold anything."""
        legs = (LONG, SHORT)
        return ((user, s, leg) for s in self.symbols for leg in legs)

    def cross_keys(self, user: int) -> list[Key]:
        """G-3: a flat position is of the cross bucket whatever its mode."""
        return [
            k for k in self.keys_of(user)
            if not self.is_isolated(user, k[1]) or not self.positions.get(k, Position()).net
        ]  # fmt: skip

    def owed_of(self, key: Key) -> int:
        return self.positions.get(key, Position()).owed

    def bucket(self, key: tuple[int, Place]) -> tuple[int, int]:
        """Equity and maintenance (G-3)."""
        user, at = key
        keys = self.cross_keys(user) if at == CROSS_BUCKET else list(self.bucket_positions(key))
        equity = self.bucket_balance(key) + sum(self.unrealised(k) - self.owed_of(k) for k in keys)
        return equity, sum(self.position_maintenance(k) for k in keys)

    def cross_equity(self, user: int) -> int:
        return self.bucket((user, CROSS_BUCKET))[0]

    def available(self, user: int) -> int:
        return self.cross_equity(user) - sum(self.held(k) for k in self.keys_of(user))

    def buckets(self) -> Iterator[tuple[int, Place]]:
        """Every bucket with an open position; funds are none (LQ-1)."""
        found = {
            self.bucket_key(*key): None
            for key, p in self.positions.items() if p.net and key[0] < FUND_USER_BASE
        }  # fmt: skip
        return iter(found)

    def totals(self) -> dict[str, int]:
        return {
            "collateral": sum(a.collateral for a in self.accounts.values()),
            "wallets": sum(p.wallet for p in self.positions.values()),
            "signed_cost": sum(p.signed_cost for p in self.positions.values()),
            "fees": self.fee_account,
            "pools": sum(m.settling.pool for m in self.markets.values() if m.settling),
            "residue": self.residue,
            "deposits": sum(a.deposits for a in self.accounts.values()),
            "withdrawals": sum(a.withdrawals for a in self.accounts.values()),
        }

    def conserved(self) -> None:
        """INV-12, INV-4."""
        t = self.totals()
        has = t["collateral"] + t["wallets"] - t["signed_cost"] + t["fees"] + t["pools"]
        expect(has + t["residue"] == t["deposits"] - t["withdrawals"], "INV-12", t)
        for symbol in self.symbols:
            nets = [p.net for (_, s, _), p in self.positions.items() if s == symbol]
            expect(sum(nets) == 0, "INV-4", symbol, nets)

    def audit(self) -> None:
        """INV-4, INV-12, INV-15, and every position again from its fills."""
        self.conserved()
        for key, p in self.positions.items():
            again = Position()
            for qty, px in p.fills:
                again.trade(qty, px)
            told = (p.net, p.cost, p.realised)
            expect(told == (again.net, again.cost, again.realised), "A-3", key, p)
            expect((p.cost == 0) == (p.net == 0), "A-3", key, p)
            expect(p.realised == p.signed_cost - sum(q * px for q, px in p.fills), "A-4", key, p)
            if not self.is_isolated(key[0], key[1]):
                expect(p.wallet == 0, "A-2", key, p)
            elif not p.net:
                expect(p.wallet <= 0, "IM-3", key, p)
