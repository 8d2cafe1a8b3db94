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
from rsx.records import OrderFlag, Side, View

PPM = 1_000_000
MS = 1_000_000
BALANCE_MAX = 1 << 56
I64_END = 1 << 63
Key = tuple[int, int]  # user, symbol


def ceil_div(a: int, b: int) -> int:
    return -(-a // b)


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
class Account:
    deposits: int = 0
    collateral: int = 0
    realised: int = 0
    fees: int = 0


@dataclass(slots=True)
class OpenOrder:
    """In flight or confirmed: what it may still trade and the margin it still holds."""

    user: int
    symbol: int
    side: int
    qty: int
    reserved: int
    reduce_only: bool


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
        self.marks: dict[int, Mark] = {}
        self.trades: dict[int, int] = {}
        self.fee_account = 0

    # --- before the match ---------------------------------------------------------------

    def check(self, request: bytes, now_ns: int) -> tuple[int, int, int]:
        """V-1 to V-5: (reason, required, available); reserves in flight when it passes."""
        order = view(request)
        reason, required, available = self._judge(order, now_ns)
        if not reason:
            self.in_flight[order.oid] = self._open(order, required)
        return int(reason), required, available

    def _judge(self, order: View, now_ns: int) -> tuple[Reason | int, int, int]:
        """available is 0 where it was not asked for: nothing added, or no account."""
        user, symbol = order.user_id, self.symbols[order.symbol_id]
        added = self.added(user, symbol.id, order.side, order.qty)
        if order.flags & OrderFlag.REDUCE_ONLY:
            added = 0
        required = self.required(symbol, order.side, order.px, added)
        if required >= I64_END or added * max(order.px, self.mark(symbol.id)) >= I64_END:
            return Reason.NOTIONAL_TOO_LARGE, 0, 0
        if user not in self.accounts:
            return Reason.INSUFFICIENT_MARGIN, required, 0
        if not added:
            return 0, 0, 0
        available = self.available(user)
        open_symbols = {s for (u, s), p in self.positions.items() if u == user and p.net}
        if any(self.mark_missing(s, now_ns) for s in open_symbols | {symbol.id}):
            return Reason.MARK_UNAVAILABLE, required, available
        if required > available:
            return Reason.INSUFFICIENT_MARGIN, required, available
        return 0, required, available

    def added(self, user: int, symbol_id: int, side: int, qty: int) -> int:
        """V-1."""
        net = self._position(user, symbol_id).net
        buys, sells = (self.open_qty(user, symbol_id, s) for s in (Side.BUY, Side.SELL))
        after = net + buys + qty if side == Side.BUY else sells + qty - net
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

    def _on_order_accepted(self, a: View, live: bool) -> None:
        if live:
            self.confirmed[a.oid] = self.in_flight.pop(a.oid)
        else:
            self.confirmed[a.oid] = self._open(a, a.reserved)

    def _on_order_rejected(self, r: View, live: bool) -> None:
        if live:
            self._close(r.oid, self.in_flight.pop(r.oid))

    def _on_order_reduced(self, r: View, live: bool) -> None:
        self._shrink(r.oid, r.cancelled_qty, r.released)

    def _on_order_cancelled(self, c: View, live: bool) -> None:
        self._shrink(c.oid, c.cancelled_qty, c.released)

    def _on_fill(self, f: View, live: bool) -> None:
        sign = 1 if f.taker_side == Side.BUY else -1
        self._settle(f.taker_user_id, f.symbol_id, sign * f.qty, f.px, f.taker_fee)
        self._settle(f.maker_user_id, f.symbol_id, -sign * f.qty, f.px, f.maker_fee)
        self._shrink(f.taker_oid, f.qty, f.taker_release)
        self._shrink(f.maker_oid, f.qty, f.maker_release)
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

    def _shrink(self, oid: int, qty: int, released: int) -> None:
        """V-7."""
        order = self.confirmed[oid]
        order.qty -= qty
        order.reserved -= released
        assert order.qty >= 0 and order.reserved >= 0, ("INV-11", oid, order)
        if order.qty == 0:
            assert order.reserved == 0, ("INV-11", oid, order)
            self._close(oid, self.confirmed.pop(oid))

    def _open(self, seen: View, reserved: int) -> OpenOrder:
        reduce_only = bool(seen.flags & OrderFlag.REDUCE_ONLY)
        order = OpenOrder(seen.user_id, seen.symbol_id, seen.side, seen.qty, reserved, reduce_only)
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

    def frozen(self, user: int, symbol_id: int) -> int:
        return sum(o.reserved for o in self.orders_of(user, symbol_id))

    def open_qty(self, user: int, symbol_id: int, side: int) -> int:
        """A-2: reduce-only orders do not count."""
        orders = self.orders_of(user, symbol_id)
        return sum(o.qty for o in orders if o.side == side and not o.reduce_only)

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
