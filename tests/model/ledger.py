"""A plain model of accounts, positions and margin, written from specs/risk.md alone.

Reserved margin and open quantities are summed over the open orders at every question, and a
position can be derived again from the list of its fills, so that nothing here can drift. It
shares with rsx the declaration of the records and the reason numbers, nothing else.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from model.wire import view

from rsx.errors import Reason
from rsx.records import OrderFlag, OrderKind, Side, Stp, View

PPM = 1_000_000
MS = 1_000_000
BALANCE_MAX = 1 << 56
I64_END = 1 << 63
Key = tuple[int, int]  # user, symbol
MARKET_KINDS = frozenset(
    (OrderKind.MARKET, OrderKind.STOP_MARKET, OrderKind.TAKE_PROFIT_MARKET, OrderKind.TRAILING_STOP)
)


def ceil_div(a: int, b: int) -> int:
    return -(-a // b)


def step_of(symbol: Any, px: int) -> int:
    """The tick of the row that px falls in."""
    return max([symbol.tick, *(tick for first, tick in symbol.tick_table if first <= px)])


def req(money: int, ppm: int) -> int:
    """G-1."""
    return ceil_div(money * ppm, PPM)


@dataclass(slots=True)
class Fill:
    """One side of a FILL, as the position sees it: signed quantity."""

    qty: int
    px: int


@dataclass(slots=True)
class Position:
    net: int = 0
    cost: int = 0
    realised: int = 0
    fills: list[Fill] = field(default_factory=list)

    def trade(self, qty: int, px: int) -> int:
        """A-3: apply a signed quantity; returns the profit."""
        self.fills.append(Fill(qty, px))
        if self.net * qty >= 0:
            self.net += qty
            self.cost += abs(qty) * px
            return 0
        held, sign = abs(self.net), 1 if self.net > 0 else -1
        closes = min(abs(qty), held)
        closed_cost = self.cost * closes // held
        profit = sign * (px * closes - closed_cost)
        self.cost -= closed_cost
        self.net += qty
        if abs(qty) > closes:
            self.cost = px * (abs(qty) - closes)
        self.realised += profit
        return profit

    @property
    def signed_cost(self) -> int:
        return self.cost if self.net >= 0 else -self.cost

    def unrealised(self, mark: int) -> int:
        """A-5."""
        return mark * self.net - self.signed_cost


@dataclass(slots=True)
class Settings:
    owner_group: int = 0
    stp: int = 0


@dataclass(slots=True)
class Account:
    deposits: int = 0
    collateral: int = 0
    realised: int = 0
    fees: int = 0
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
    filled: int = 0
    rests: bool = False

    @property
    def reduce_only(self) -> bool:
        return bool(self.flags & OrderFlag.REDUCE_ONLY)


@dataclass(slots=True)
class Amendment:
    """An amendment in flight: what it holds until its answer; unseen: of an order not seen yet."""

    oid: int
    user: int
    symbol: int
    side: int
    extra: int
    extra_qty: int
    unseen: bool


@dataclass(slots=True)
class Mark:
    px: int
    ts_ns: int


class ModelLedger:
    """The same face as rsx.risk.ledger.Ledger, as far as the tests use it."""

    def __init__(self, symbols: Iterable[Any], mark_source: str = "last", stale_ms: int = 0):
        self.symbols = {s.id: s for s in symbols}
        self.feed = mark_source == "feed"
        self.stale_ns = stale_ms * MS
        self.accounts: dict[int, Account] = {}
        self.positions: dict[Key, Position] = {}
        self.in_flight: dict[int, OpenOrder] = {}
        self.confirmed: dict[int, OpenOrder] = {}
        self.by_user: dict[Key, dict[int, OpenOrder]] = {}  # the same orders, both kinds
        self.amendments: dict[int, Amendment] = {}  # in flight, by request, in order
        self.unseen: set[Key] = set()  # where one of an order not seen was, with others since
        self.modes: dict[int, int] = {}
        self.marks: dict[int, Mark] = {}
        self.trades: dict[int, int] = {}
        self.fee_account = 0

    # --- before the match ---------------------------------------------------------------

    def check(self, request: bytes, now_ns: int) -> tuple[int, ...]:
        """V-1 to V-5, V-9, V-10: (reason, required, available, px, stp, owner group) of an
        ORDER_REQUEST or a TRIGGER_FIRED; reserves in flight when it passes."""
        order = view(request)
        symbol = self.symbols[order.symbol_id]
        px = order.px
        if order.kind in MARKET_KINDS:
            if self.feed and symbol.id not in self.marks:
                return int(Reason.MARK_UNAVAILABLE), 0, 0, px, order.stp, 0
            px = self.protection(symbol.id, order.side)
            if px * order.qty > symbol.notional_max:
                return int(Reason.NOTIONAL_TOO_LARGE), 0, 0, px, order.stp, 0
        reason, required, available = self._judge(order, px, now_ns)
        if reason:
            return int(reason), required, available, px, order.stp, 0
        self.in_flight[order.oid] = self._open(order, px, required)
        settings = self.accounts[order.user_id].settings
        stp = settings.stp if order.stp == Stp.DEFAULT else order.stp
        return 0, required, available, px, int(stp), settings.owner_group

    def _judge(self, order: View, px: int, now_ns: int) -> tuple[Reason | int, int, int]:
        """available is 0 where it was not asked for: nothing added, or no account."""
        user, symbol = order.user_id, self.symbols[order.symbol_id]
        added = self.added(user, symbol.id, order.side, order.qty)
        if order.flags & OrderFlag.REDUCE_ONLY:
            added = 0
        required = self.required(symbol, order.side, px, added)
        if required >= I64_END or added * max(px, self.mark(symbol.id)) >= I64_END:
            return Reason.NOTIONAL_TOO_LARGE, 0, 0
        if user not in self.accounts:
            return Reason.INSUFFICIENT_MARGIN, required, 0
        if not added:
            return 0, 0, 0
        return self._affordable(user, symbol.id, required, now_ns)

    def _affordable(
        self, user: int, symbol_id: int, required: int, now_ns: int
    ) -> tuple[Reason | int, int, int]:
        """V-4."""
        available = self.available(user)
        open_symbols = {s for (u, s), p in self.positions.items() if u == user and p.net}
        if any(self.mark_missing(s, now_ns) for s in open_symbols | {symbol_id}):
            return Reason.MARK_UNAVAILABLE, required, available
        if required > available:
            return Reason.INSUFFICIENT_MARGIN, required, available
        return 0, required, available

    def protection(self, symbol_id: int, side: int) -> int:
        """V-9."""
        symbol, mark = self.symbols[symbol_id], self.mark(symbol_id)
        if side == Side.BUY:
            px = min(mark * (PPM + symbol.market_band_ppm) // PPM, symbol.px_max)
            return max(px - px % step_of(symbol, px), symbol.tick)
        px = ceil_div(mark * (PPM - symbol.market_band_ppm), PPM)
        step = step_of(symbol, px)
        return min(max(ceil_div(px, step) * step, symbol.tick), symbol.px_max)

    # --- amendments ---------------------------------------------------------------------

    def check_amend(self, request: bytes, now_ns: int) -> tuple[int, ...]:
        """V-11: (reason, reserved, assumed, extra, extra_qty, available); has the extras in
        flight when it passes."""
        r = view(request)
        if r.user_id not in self.accounts:
            return int(Reason.ORDER_NOT_OPEN), 0, 0, 0, 0, 0
        order = self.confirmed.get(r.oid)
        if order is not None and (order.user, order.symbol) != (r.user_id, r.symbol_id):
            return int(Reason.ORDER_NOT_OPEN), 0, 0, 0, 0, 0
        reserved, assumed, extra, extra_qty = self._amended(r, order)
        if reserved >= I64_END:
            return int(Reason.NOTIONAL_TOO_LARGE), 0, 0, 0, 0, 0
        reason, available = 0, 0
        if extra:
            reason, _, available = self._affordable(r.user_id, r.symbol_id, extra, now_ns)
        if not reason:
            self.amendments[r.request_id] = Amendment(
                r.oid, r.user_id, r.symbol_id, r.side, extra, extra_qty, order is None
            )
        return int(reason), reserved, assumed, extra, extra_qty, available

    def _amended(self, r: View, order: OpenOrder | None) -> tuple[int, int, int, int]:
        """V-11: reserved, assumed, extra, extra_qty."""
        left = r.qty - (order.filled if order else 0)
        held, own = (0, 0) if order is None else (order.reserved, order.qty)
        key = r.user_id, r.symbol_id
        if key in self.unseen or any(a.unseen or a.oid == r.oid for a in self.amendments_of(*key)):
            held = own = 0
        if left <= 0:
            return 0, 0, 0, 0
        if r.flags & OrderFlag.REDUCE_ONLY:
            return 0, left, 0, 0
        if order and left <= own and r.px == order.px:
            return ceil_div(held * left, own), left, 0, 0
        symbol = self.symbols[r.symbol_id]
        added = self.added(r.user_id, r.symbol_id, r.side, left, own)
        reserved = self.required(symbol, r.side, r.px, added)
        grown = max(0, left - own)
        extra = max(0, reserved - held, ceil_div(reserved * grown, left))
        return reserved, left, extra, grown

    def _answered(self, request_id: int) -> None:
        """V-13."""
        gone = self.amendments.pop(request_id)
        key = gone.user, gone.symbol
        if gone.unseen:
            self.unseen.add(key)
        if not any((a.user, a.symbol) == key for a in self.amendments.values()):
            self.unseen.discard(key)

    def check_config(self, request: bytes) -> tuple[int, int, int]:
        """A-7: (reason, owner group, stp)."""
        r = view(request)
        account = self.accounts.get(r.user_id)
        if account is None:
            return int(Reason.NO_ACCOUNT), 0, 0
        if r.fields & 2 and r.stp == Stp.DEFAULT:
            return int(Reason.INVALID_VALUE), 0, 0
        if r.fields & 1:
            account.asked.owner_group = r.owner_group
        if r.fields & 2:
            account.asked.stp = r.stp
        return 0, account.asked.owner_group, account.asked.stp

    def added(self, user: int, symbol_id: int, side: int, qty: int, own: int = 0) -> int:
        """V-1; own: what the order has open already (V-11)."""
        net = self._position(user, symbol_id).net
        same = self.open_qty(user, symbol_id, side) - own
        after = net + same + qty if side == Side.BUY else same + qty - net
        return min(qty, max(0, after))

    def required(self, symbol: Any, side: int, px: int, added: int) -> int:
        """V-3."""
        mark = self.mark(symbol.id)
        money = added * max(px, mark)
        fee = ceil_div(money * symbol.taker_fee_ppm, PPM)
        loss = added * max(0, px - mark if side == Side.BUY else mark - px)
        return req(money, symbol.initial_margin_ppm) + max(0, fee) + loss

    def check_deposit(self, user: int, amount: int) -> int:
        """P-1."""
        account = self.accounts.get(user, Account())
        if amount <= 0:
            return int(Reason.AMOUNT_INVALID)
        if account.collateral + amount > BALANCE_MAX:
            return int(Reason.BALANCE_LIMIT)
        return 0

    # --- the log ------------------------------------------------------------------------

    def apply(self, record: bytes, live: bool = False) -> None:
        seen = view(record)
        handler = getattr(self, "_on_" + seen.record.name.lower(), None)
        if handler:
            handler(seen, live)

    def _on_deposit(self, d: View, live: bool) -> None:
        account = self.accounts.setdefault(d.user_id, Account())
        account.collateral += d.amount
        account.deposits += d.amount

    def _on_mark_price(self, m: View, live: bool) -> None:
        self.marks[m.symbol_id] = Mark(m.mark_px, m.ts_ns)

    def _on_trading_mode(self, m: View, live: bool) -> None:
        self.modes[m.symbol_id] = m.mode

    def _on_account_config(self, c: View, live: bool) -> None:
        account = self.accounts[c.user_id]
        account.settings = Settings(c.owner_group, c.stp)
        if not live:
            account.asked = Settings(c.owner_group, c.stp)

    def _on_order_accepted(self, a: View, live: bool) -> None:
        if live:
            self._close(a.oid, self.in_flight.pop(a.oid))
        order = self._open(a, a.px, a.reserved)
        assert a.user_id in self.accounts, a.user_id
        order.rests = bool(a.flags & OrderFlag.RESTS)
        self.confirmed[a.oid] = order

    def _on_order_rested(self, r: View, live: bool) -> None:
        order = self.confirmed[r.oid]
        told = (r.px, r.remaining, r.reserved, r.qty - r.remaining)
        assert told == (order.px, order.qty, order.reserved, order.filled), ("A-8", r.oid, order)
        order.rests = True

    def _on_order_rejected(self, r: View, live: bool) -> None:
        if live:
            self._close(r.oid, self.in_flight.pop(r.oid))

    def _on_order_duplicate(self, d: View, live: bool) -> None:
        if live and d.qty:
            self._close(d.oid, self.in_flight.pop(d.oid))

    def _on_order_released(self, r: View, live: bool) -> None:
        """Of a cancelled trigger's order, or of an amendment that cancels (AM-2)."""
        if not live:
            return
        if r.oid in self.in_flight:
            self._close(r.oid, self.in_flight.pop(r.oid))
            return
        first = next(a for a in self.amendments.values() if a.oid == r.oid)
        assert (first.extra, first.extra_qty) == (r.released, r.qty), ("V-13", r.oid, first)
        first.extra = first.extra_qty = 0

    def _on_order_amended(self, a: View, live: bool) -> None:
        """V-12, V-13."""
        if live:
            asked = self.amendments[a.request_id]
            assert (asked.extra, asked.extra_qty) == (a.extra, a.extra_qty), ("V-13", a.oid)
            self._answered(a.request_id)
        order = self.confirmed[a.oid]
        assert a.qty - a.remaining == order.filled, ("A-8", a.oid, order)
        assert a.reserved <= order.reserved + a.extra, ("V-12", a.oid, order)
        assert order.reduce_only or a.remaining <= order.qty + a.extra_qty, ("V-12", a.oid, order)
        order.px, order.qty, order.reserved = a.px, a.remaining, a.reserved
        order.rests = bool(a.flags & (OrderFlag.RESTS | OrderFlag.KEPT))

    def _on_amend_rejected(self, r: View, live: bool) -> None:
        if live:
            asked = self.amendments[r.request_id]
            assert (asked.extra, asked.extra_qty) == (r.extra, r.extra_qty), ("V-13", r.oid)
            self._answered(r.request_id)

    def _on_order_reduced(self, r: View, live: bool) -> None:
        self._shrink(r.oid, r.cancelled_qty, r.released, r.remaining)

    def _on_order_cancelled(self, c: View, live: bool) -> None:
        if live and c.reason == Reason.AMENDED_AWAY:
            asked = self.amendments[c.request_id]
            assert (asked.extra, asked.extra_qty) == (0, 0), ("V-13", c.oid)
            self._answered(c.request_id)
        assert self.confirmed[c.oid].filled == c.filled_qty, ("INV-13", c.oid)
        self._shrink(c.oid, c.cancelled_qty, c.released, 0)

    def _on_fill(self, f: View, live: bool) -> None:
        sign = 1 if f.taker_side == Side.BUY else -1
        for oid in (f.taker_oid, f.maker_oid):
            self.confirmed[oid].filled += f.qty
        assert self.confirmed[f.maker_oid].px == f.px, ("INV-21", f.maker_oid)
        self._settle(f.taker_user_id, f.symbol_id, sign * f.qty, f.px, f.taker_fee)
        self._settle(f.maker_user_id, f.symbol_id, -sign * f.qty, f.px, f.maker_fee)
        self._shrink(f.taker_oid, f.qty, f.taker_release, f.taker_remaining)
        self._shrink(f.maker_oid, f.qty, f.maker_release, f.maker_remaining)
        self.trades[f.symbol_id] = f.px

    def _settle(self, user: int, symbol_id: int, qty: int, px: int, fee: int) -> None:
        """A-3, A-4."""
        account = self.accounts[user]
        position = self.positions.setdefault((user, symbol_id), Position())
        profit = position.trade(qty, px)
        account.collateral += profit - fee
        account.realised += profit
        account.fees += fee
        self.fee_account += fee

    def _shrink(self, oid: int, qty: int, released: int, left: int) -> None:
        """V-7, A-8."""
        order = self.confirmed[oid]
        order.qty -= qty
        order.reserved -= released
        assert order.qty == left, ("INV-13", oid, order)
        assert order.qty >= 0 and order.reserved >= 0, ("INV-11", oid, order)
        if order.qty == 0:
            assert order.reserved == 0, ("INV-11", oid, order)
            self._close(oid, self.confirmed.pop(oid))

    def _open(self, seen: View, px: int, reserved: int) -> OpenOrder:
        flags = seen.flags & ~OrderFlag.RESTS
        order = OpenOrder(seen.user_id, seen.symbol_id, seen.side, px, seen.qty, reserved, flags)
        self.by_user.setdefault((order.user, order.symbol), {})[seen.oid] = order
        return order

    def _close(self, oid: int, order: OpenOrder) -> None:
        del self.by_user[order.user, order.symbol][oid]

    # --- marks --------------------------------------------------------------------------

    def mark(self, symbol_id: int) -> int:
        """K-1, K-2: what values positions and orders."""
        reference = self.symbols[symbol_id].reference_px
        if self.feed:
            return self.marks[symbol_id].px if symbol_id in self.marks else reference
        return self.trades.get(symbol_id, reference)

    def mark_missing(self, symbol_id: int, now_ns: int) -> bool:
        """Missing or stale (K-2)."""
        if not self.feed:
            return False
        mark = self.marks.get(symbol_id)
        return mark is None or now_ns - mark.ts_ns > self.stale_ns

    # --- sums ---------------------------------------------------------------------------

    def _position(self, user: int, symbol_id: int) -> Position:
        return self.positions.get((user, symbol_id), Position())

    def orders_of(self, user: int, symbol_id: int) -> list[OpenOrder]:
        return list(self.by_user.get((user, symbol_id), {}).values())

    def amendments_of(self, user: int, symbol_id: int) -> list[Amendment]:
        return [a for a in self.amendments.values() if (a.user, a.symbol) == (user, symbol_id)]

    def frozen(self, user: int, symbol_id: int) -> int:
        extras = sum(a.extra for a in self.amendments_of(user, symbol_id))
        return extras + sum(o.reserved for o in self.orders_of(user, symbol_id))

    def open_qty(self, user: int, symbol_id: int, side: int) -> int:
        """A-2: reduce-only orders do not count."""
        orders = self.orders_of(user, symbol_id)
        extras = sum(a.extra_qty for a in self.amendments_of(user, symbol_id) if a.side == side)
        return extras + sum(o.qty for o in orders if o.side == side and not o.reduce_only)

    def held(self, user: int, symbol_id: int) -> int:
        """G-2."""
        symbol, mark = self.symbols[symbol_id], self.mark(symbol_id)
        net = self._position(user, symbol_id).net
        buys, sells = (self.open_qty(user, symbol_id, s) for s in (Side.BUY, Side.SELL))
        worst = max(abs(net + buys), abs(net - sells))
        own = req(abs(net) * mark, symbol.initial_margin_ppm)
        return max(own + self.frozen(user, symbol_id), req(worst * mark, symbol.initial_margin_ppm))

    def unrealised(self, user: int) -> int:
        return sum(self._position(user, s).unrealised(self.mark(s)) for s in self.symbols)

    def maintenance(self, user: int) -> int:
        return sum(
            req(abs(self._position(user, s).net) * self.mark(s), symbol.maintenance_margin_ppm)
            for s, symbol in self.symbols.items()
        )

    def available(self, user: int) -> int:
        """G-3."""
        equity = self.accounts[user].collateral + self.unrealised(user)
        return equity - sum(self.held(user, s) for s in self.symbols)

    # --- what the tests look at ---------------------------------------------------------

    def account(self, user: int, now_ns: int) -> dict[str, int] | None:
        account = self.accounts.get(user)
        if account is None:
            return None
        unrealised = self.unrealised(user)
        return {
            "collateral": account.collateral,
            "frozen": sum(self.frozen(user, s) for s in self.symbols),
            "realised": account.realised,
            "fees": account.fees,
            "equity": account.collateral + unrealised,
            "unrealised": unrealised,
            "initial_margin": sum(self.held(user, s) - self.frozen(user, s) for s in self.symbols),
            "maintenance_margin": self.maintenance(user),
            "available": self.available(user),
        }

    def position(self, user: int, symbol_id: int) -> dict[str, int]:
        """All zeros where there is none."""
        p = self._position(user, symbol_id)
        return {
            "net_qty": p.net,
            "entry_cost": p.cost,
            "realised": p.realised,
            "frozen": self.frozen(user, symbol_id),
            "open_buy_qty": self.open_qty(user, symbol_id, Side.BUY),
            "open_sell_qty": self.open_qty(user, symbol_id, Side.SELL),
        }

    def totals(self) -> dict[str, int]:
        return {
            "collateral": sum(a.collateral for a in self.accounts.values()),
            "signed_cost": sum(p.signed_cost for p in self.positions.values()),
            "fees": self.fee_account,
            "deposits": sum(a.deposits for a in self.accounts.values()),
        }

    def audit(self) -> None:
        """INV-4, INV-12, and every position again from its fills."""
        t = self.totals()
        assert t["collateral"] - t["signed_cost"] + t["fees"] == t["deposits"], ("INV-12", t)
        for symbol_id in self.symbols:
            nets = [p.net for (_, s), p in self.positions.items() if s == symbol_id]
            assert sum(nets) == 0, ("INV-4", symbol_id, nets)
        for key, p in self.positions.items():
            again = Position()
            for f in p.fills:
                again.trade(f.qty, f.px)
            seen = (p.net, p.cost, p.realised)
            assert seen == (again.net, again.cost, again.realised), ("A-3", key, seen)
            assert p.net == sum(f.qty for f in p.fills), ("INV-4", key)
            assert (p.cost == 0) == (p.net == 0), ("A-3", key, seen)
            cash = -sum(f.qty * f.px for f in p.fills)
            assert p.realised == cash + p.signed_cost, ("A-4", key, seen)
