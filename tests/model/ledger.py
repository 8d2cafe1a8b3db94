"""The plain ledger with what is in flight: judges requests as specs/risk.md sections 6 and 7 say.

Its face is that of rsx.risk.ledger.Ledger, as far as the tests use it. Reserved margin and open
quantities are summed over the open orders at every question. It shares with rsx the declaration of
the records and the reason numbers, nothing else.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from model import margin
from model.fold import (
    CROSS,
    CROSS_BUCKET,
    HEDGED,
    ISOLATED,
    STARTED,
    Account,
    Fold,
    Key,
    OpenOrder,
    Place,
    Position,
    Settings,
)
from model.margin import BUY, HEDGE, I64_END, LONG, PPM, REDUCE_ONLY, Terms, ceil_div, leg_of
from model.wire import view

from rsx.errors import Reason
from rsx.records import FUND_USER_BASE, OrderKind, Stp, View

MS = 1_000_000
BALANCE_MAX = 1 << 56
MARKET_KINDS = frozenset(
    (OrderKind.MARKET, OrderKind.STOP_MARKET, OrderKind.TAKE_PROFIT_MARKET, OrderKind.TRAILING_STOP)
)
SET_LEVERAGE, SET_MARGIN_MODE, SET_POSITION_MODE = 1, 2, 4


def step_of(symbol: Any, px: int) -> int:
    """The tick of the row that px falls in."""
    return max([symbol.tick, *(tick for first, tick in symbol.tick_table if first <= px)])


def req(money: int, ppm: int) -> int:
    """One rate on all of it."""
    return ceil_div(money * ppm, PPM)


@dataclass(slots=True)
class Amendment:
    """An amendment in flight: what it holds until its answer; unseen: of an order not seen yet."""

    oid: int
    user: int
    symbol: int
    side: int
    leg: int
    extra: int
    extra_qty: int
    unseen: bool


class ModelLedger(Fold):
    """Args  mark_source: "last" or "feed"; stale_ms: as in the configuration."""

    def __init__(self, symbols: Iterable[Any], mark_source: str = "last", stale_ms: int = 0):
        super().__init__(symbols, mark_source)
        self.stale_ns = stale_ms * MS
        self.in_flight: dict[int, OpenOrder] = {}
        self.flying_at: dict[Place, dict[int, OpenOrder]] = {}  # the same orders
        self.amendments: dict[int, Amendment] = {}  # in flight, by request, in order
        self.unseen: set[Key] = set()  # where one of an order not seen was, with others since
        self.leaving: dict[int, tuple[int, int]] = {}  # by request: user, amount (P-2, P-3)
        self.wallet_leaving: dict[int, tuple[Key, int]] = {}  # likewise, from wallets
        self.configs: dict[int, int] = {}  # MARGIN_CONFIG in flight: request -> user (V-17)

    # --- before the match ---------------------------------------------------------------

    def check(self, request: bytes, now_ns: int) -> tuple[int, ...]:
        """V-1 to V-5, V-9, V-10, V-16: (reason, required, available, px, stp, owner group) of an
        ORDER_REQUEST or a TRIGGER_FIRED; reserves in flight when it passes."""
        order = view(request)
        symbol = self.symbols[order.symbol_id]
        px = order.px
        reason = self.locked(order.user_id, symbol.id, order.side, order.flags)
        if reason:
            return int(reason), 0, 0, px, order.stp, 0
        if order.kind in MARKET_KINDS:
            if self.feed and self.markets[symbol.id].mark is None:
                return int(Reason.MARK_UNAVAILABLE), 0, 0, px, order.stp, 0
            px = self.protection(symbol.id, order.side)
            if px * order.qty > symbol.notional_max:
                return int(Reason.NOTIONAL_TOO_LARGE), 0, 0, px, order.stp, 0
        reason, required, available = self._judge(order, px, now_ns)
        if reason:
            return int(reason), required, available, px, order.stp, 0
        self.in_flight[order.oid] = flying = OpenOrder(
            order.user_id, order.symbol_id, order.side, px, order.qty, required, order.flags
        )
        self.flying_at.setdefault((flying.user, flying.symbol), {})[order.oid] = flying
        settings = self.accounts[order.user_id].settings
        stp = settings.stp if order.stp == Stp.DEFAULT else order.stp
        return 0, required, available, px, int(stp), settings.owner_group

    def locked(self, user: int, symbol_id: int, side: int, flags: int) -> Reason | int:
        """HG-3, V-16; without an account there is no mode to hold it against."""
        if user not in self.accounts:
            return 0
        hedged = self.accounts[user].position_mode == HEDGED
        if hedged != bool(flags & HEDGE):
            return Reason.POSITION_MODE_MISMATCH
        leg = leg_of(side, flags)
        bucket = self.liquidations.get(self.bucket_key(user, symbol_id, leg))
        if bucket is None:
            return 0
        out = bucket.oid and bucket.ordered == (symbol_id, leg)
        return Reason.IN_LIQUIDATION if out or not flags & REDUCE_ONLY else 0

    def _judge(self, order: View, px: int, now_ns: int) -> tuple[Reason | int, int, int]:
        """available is 0 where it was not asked for: nothing added, or no account."""
        user, symbol = order.user_id, self.symbols[order.symbol_id]
        added, required = self.asked_for(user, symbol, order.side, order.flags, px, order.qty)
        if required >= I64_END or added * max(px, self.mark(symbol.id)) >= I64_END:
            return Reason.NOTIONAL_TOO_LARGE, 0, 0
        if user not in self.accounts:
            return Reason.INSUFFICIENT_MARGIN, required, 0
        if not added:
            return 0, 0, 0
        return self._affordable(user, symbol.id, required, now_ns)

    def asked_for(
        self, user: int, symbol: Any, side: int, flags: int, px: int, qty: int, own: int = 0
    ) -> tuple[int, int]:
        """V-1, V-3: what adds exposure, and the margin for it; own: what of it is open already."""
        if flags & REDUCE_ONLY:
            return 0, 0
        leg = leg_of(side, flags)
        net = self.positions.get((user, symbol.id, leg), Position()).net
        same = self.open_qty(user, symbol.id, side, leg) - own
        added = margin.added(side, qty, net, same)
        if not added:
            return 0, 0
        terms, mark = self.terms(user, symbol.id), self.mark(symbol.id)
        return added, margin.required(symbol, side, px, added, net, same, mark, terms)

    def _affordable(
        self, user: int, symbol_id: int, required: int, now_ns: int
    ) -> tuple[Reason | int, int, int]:
        """V-4."""
        available = self.available(user)
        if not self.priced(user, now_ns) or self.mark_missing(symbol_id, now_ns):
            return Reason.MARK_UNAVAILABLE, required, available
        if required > available:
            return Reason.INSUFFICIENT_MARGIN, required, available
        return 0, required, available

    def priced(self, user: int, now_ns: int) -> bool:
        """The marks of all open cross positions are fresh."""
        return not any(
            self.mark_missing(s, now_ns)
            for _, s, _ in self.legs(user) if not self.is_isolated(user, s)
        )  # fmt: skip

    def protection(self, symbol_id: int, side: int) -> int:
        """V-9."""
        symbol, mark = self.symbols[symbol_id], self.mark(symbol_id)
        if side == BUY:
            px = min(mark * (PPM + symbol.market_band_ppm) // PPM, symbol.px_max)
            return max(px - px % step_of(symbol, px), symbol.tick)
        px = ceil_div(mark * (PPM - symbol.market_band_ppm), PPM)
        step = step_of(symbol, px)
        return min(max(ceil_div(px, step) * step, symbol.tick), symbol.px_max)

    # --- amendments ---------------------------------------------------------------------

    def check_amend(self, request: bytes, now_ns: int) -> tuple[int, ...]:
        """V-11, V-16: (reason, reserved, assumed, extra, extra_qty, available); has the extras in
        flight when it passes."""
        r = view(request)
        if r.user_id not in self.accounts:
            return int(Reason.ORDER_NOT_OPEN), 0, 0, 0, 0, 0
        order = self.orders.get(r.oid)
        if order is not None and (order.user, order.symbol) != (r.user_id, r.symbol_id):
            return int(Reason.ORDER_NOT_OPEN), 0, 0, 0, 0, 0
        hedged = self.accounts[r.user_id].position_mode == HEDGED
        if hedged != bool(r.flags & HEDGE):
            return int(Reason.POSITION_MODE_MISMATCH), 0, 0, 0, 0, 0
        leg = leg_of(r.side, r.flags)
        reserved, assumed, extra, extra_qty = self._amended(r, order, leg)
        if reserved >= I64_END:
            return int(Reason.NOTIONAL_TOO_LARGE), 0, 0, 0, 0, 0
        reason, available = 0, 0
        if extra:
            reason, _, available = self._affordable(r.user_id, r.symbol_id, extra, now_ns)
            if self.bucket_key(r.user_id, r.symbol_id, leg) in self.liquidations:
                reason = Reason.IN_LIQUIDATION
        if not reason:
            self.amendments[r.request_id] = Amendment(
                r.oid, r.user_id, r.symbol_id, r.side, leg, extra, extra_qty, order is None
            )
        return int(reason), reserved, assumed, extra, extra_qty, available

    def _amended(self, r: View, order: OpenOrder | None, leg: int) -> tuple[int, int, int, int]:
        """V-11: reserved, assumed, extra, extra_qty."""
        left = r.qty - (order.filled if order else 0)
        held, own = (0, 0) if order is None else (order.reserved, order.qty)
        key = r.user_id, r.symbol_id, leg
        if key in self.unseen or any(a.unseen or a.oid == r.oid for a in self.amendments_of(*key)):
            held = own = 0
        if left <= 0:
            return 0, 0, 0, 0
        if r.flags & REDUCE_ONLY:
            return 0, left, 0, 0
        if order and left <= own and r.px == order.px:
            return ceil_div(held * left, own), left, 0, 0
        symbol = self.symbols[r.symbol_id]
        _, reserved = self.asked_for(r.user_id, symbol, r.side, r.flags, r.px, left, own)
        grown = max(0, left - own)
        extra = max(0, reserved - held, ceil_div(reserved * grown, left))
        return reserved, left, extra, grown

    def _answered(self, request_id: int) -> None:
        """V-13."""
        gone = self.amendments.pop(request_id)
        key = gone.user, gone.symbol, gone.leg
        if gone.unseen:
            self.unseen.add(key)
        if not self.amendments_of(*key):
            self.unseen.discard(key)

    def amendments_of(self, user: int, symbol_id: int, leg: int = LONG) -> list[Amendment]:
        key = (user, symbol_id, leg)
        return [a for a in self.amendments.values() if (a.user, a.symbol, a.leg) == key]

    # --- settings and money ---------------------------------------------------------------

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

    def check_deposit(self, user: int, amount: int) -> int:
        """P-1."""
        account = self.accounts.get(user, Account())
        if amount <= 0:
            return int(Reason.AMOUNT_INVALID)
        if account.collateral + amount > BALANCE_MAX:
            return int(Reason.BALANCE_LIMIT)
        return 0

    def check_withdraw(self, request: bytes, now_ns: int) -> tuple[int, int, int]:
        """P-2: (reason, required, available)."""
        r = view(request)
        if r.amount <= 0:
            return int(Reason.AMOUNT_INVALID), 0, 0
        if r.user_id not in self.accounts:
            return int(Reason.NO_ACCOUNT), 0, 0
        if not self.priced(r.user_id, now_ns):
            return int(Reason.MARK_UNAVAILABLE), 0, 0
        could = self.withdrawable(r.user_id)
        if r.amount > could:
            return int(Reason.WITHDRAWAL_TOO_LARGE), r.amount, could
        self.leaving[r.request_id] = (r.user_id, r.amount)
        return 0, 0, 0

    def check_transfer(self, request: bytes, now_ns: int) -> tuple[int, int, int]:
        """P-3: (reason, required, available)."""
        r = view(request)
        if r.user_id not in self.accounts:
            return int(Reason.NO_ACCOUNT), 0, 0
        if r.symbol_id not in self.symbols:
            return int(Reason.UNKNOWN_SYMBOL), 0, 0
        if r.amount == 0:
            return int(Reason.AMOUNT_INVALID), 0, 0
        key = (r.user_id, r.symbol_id, r.leg)
        position = self.positions.get(key, Position())
        if not self.is_isolated(r.user_id, r.symbol_id) or not position.net:
            return int(Reason.NOT_ISOLATED), 0, 0
        if self.mark_missing(r.symbol_id, now_ns):
            return int(Reason.MARK_UNAVAILABLE), 0, 0
        if r.amount > 0:
            could = self.withdrawable(r.user_id, with_share=False)
            if r.amount > could:
                return int(Reason.INSUFFICIENT_MARGIN), r.amount, could
            self.leaving[r.request_id] = (r.user_id, r.amount)
            return 0, 0, 0
        could = max(0, self.wallet_free(key) - self.position_margin(key))
        if -r.amount > could:
            return int(Reason.MARGIN_REMOVAL_TOO_LARGE), -r.amount, could
        self.wallet_leaving[r.request_id] = (key, -r.amount)
        return 0, 0, 0

    def wallet_free(self, key: Key) -> int:
        """P-3: what counts of an isolated position's margin when some of it is to go."""
        position = self.positions.get(key, Position())
        gone = sum(amount for at, amount in self.wallet_leaving.values() if at == key)
        return position.wallet + min(0, self.unrealised(key)) - position.owed - gone

    def check_settings(self, request: bytes, now_ns: int) -> tuple[int, int, int]:
        """P-4: (reason, required, available)."""
        r = view(request)
        user = r.user_id
        if user not in self.accounts:
            return int(Reason.NO_ACCOUNT), 0, 0
        whole = r.fields == SET_POSITION_MODE and r.symbol_id == 0
        if not whole and r.symbol_id not in self.symbols:
            return int(Reason.UNKNOWN_SYMBOL), 0, 0
        if not whole and (not r.fields or r.fields & SET_POSITION_MODE):
            return int(Reason.INVALID_VALUE), 0, 0
        if whole:
            if any(who == user for who, _ in self.liquidations):
                return int(Reason.IN_LIQUIDATION), 0, 0
            if r.position_mode != self.accounts[user].position_mode and self.busy(user):
                return int(Reason.MODE_LOCKED), 0, 0
            self.configs[r.request_id] = user
            return 0, 0, 0
        symbol, place = self.symbols[r.symbol_id], (user, r.symbol_id)
        mode, leverage = self.margin_mode.get(place, CROSS), self.leverage.get(place, 0)
        wanted_mode = r.margin_mode if r.fields & SET_MARGIN_MODE else mode
        wanted = r.leverage if r.fields & SET_LEVERAGE else leverage
        buckets = {self.bucket_key(*place, leg) for leg in (0, 1)}
        if wanted_mode != mode:
            buckets.add((user, CROSS_BUCKET))
        if buckets & self.liquidations.keys():
            return int(Reason.IN_LIQUIDATION), 0, 0
        if wanted_mode != mode and self.busy(*place):
            return int(Reason.MODE_LOCKED), 0, 0
        largest = margin.leverage_max(symbol, self.worst_notional(*place))
        if r.fields & SET_LEVERAGE and wanted > largest:
            return int(Reason.LEVERAGE_INVALID), wanted, largest
        short = self.short_of(place, wanted) if r.fields & SET_LEVERAGE else None
        if short:
            return int(Reason.INSUFFICIENT_MARGIN), *short
        self.configs[r.request_id] = user
        return 0, 0, 0

    def busy(self, user: int, symbol: int | None = None) -> bool:
        """Not flat, or with live orders, or with anything in flight that could open something."""
        symbols = self.symbols if symbol is None else (symbol,)
        return bool(
            self.legs(user, symbol)
            or any(list(Fold.orders_of(self, user, s)) for s in symbols)
            or any(not o.reduce_only for s in symbols for o in self.orders_of(user, s))
            or any(k[0] == user and k[1] in symbols for k, _ in self.wallet_leaving.values())
            or any(a.user == user and a.symbol in symbols for a in self.amendments.values())
        )

    def worst_notional(self, user: int, symbol: int) -> int:
        nets = []
        for leg in (0, 1):
            net = self.positions.get((user, symbol, leg), Position()).net
            buys, sells = (self.open_qty(user, symbol, side, leg) for side in (0, 1))
            nets.append(margin.worst(net, buys, sells))
        return max(nets) * self.mark(symbol)

    def short_of(self, place: Place, leverage: int) -> tuple[int, int] | None:
        """What a leverage asks for beyond what is free; None: nothing."""
        before = self.leverage.get(place, 0)
        keys = [(*place, leg) for leg in (0, 1)]
        held = sum(self.held(k) for k in keys)
        self.leverage[place] = leverage
        try:
            more = sum(self.held(k) for k in keys) - held
            available = self.available(place[0])
            if more > 0 and available < 0:
                return more, available + more
            if self.is_isolated(*place):
                for key in keys:
                    need, has = self.position_margin(key), self.wallet_free(key)
                    if self.legs(*place).get(key) and need > has:
                        return need, has
        finally:
            self.leverage[place] = before
        return None

    # --- the log ------------------------------------------------------------------------

    def apply(self, record: bytes | View, live: bool = False) -> None:  # type: ignore[override]
        seen = record if isinstance(record, View) else view(record)
        if live:
            self.landed(seen)
        super().apply(seen)
        if seen.record.name == "ACCOUNT_CONFIG" and not live:
            self.accounts[seen.user_id].asked = Settings(seen.owner_group, seen.stp)

    def landed(self, r: View) -> None:
        """V-6, V-13: what was in flight has reached the log."""
        name = r.record.name
        if name in ("ORDER_ACCEPTED", "ORDER_REJECTED"):
            if r.kind != OrderKind.LIQUIDATION:
                self.land(r.oid)
        elif name == "ORDER_DUPLICATE" and r.qty:
            self.land(r.oid)
        elif name == "ORDER_RELEASED":
            if r.oid in self.in_flight:
                self.land(r.oid)
                return
            first = next(a for a in self.amendments.values() if a.oid == r.oid)
            assert (first.extra, first.extra_qty) == (r.released, r.qty), ("V-13", r.oid, first)
            first.extra = first.extra_qty = 0
        elif name in ("ORDER_AMENDED", "AMEND_REJECTED"):
            asked = self.amendments[r.request_id]
            assert (asked.extra, asked.extra_qty) == (r.extra, r.extra_qty), ("V-13", r.oid)
            self._answered(r.request_id)
        elif name == "ORDER_CANCELLED" and r.reason == Reason.AMENDED_AWAY:
            asked = self.amendments[r.request_id]
            assert (asked.extra, asked.extra_qty) == (0, 0), ("V-13", r.oid)
            self._answered(r.request_id)
        elif name in ("WITHDRAWAL", "MARGIN_TRANSFERRED", "MARGIN_CONFIG"):
            for flying in (self.leaving, self.wallet_leaving, self.configs):
                flying.pop(r.request_id, None)

    def land(self, oid: int) -> None:
        order = self.in_flight.pop(oid)
        del self.flying_at[order.user, order.symbol][oid]

    # --- marks --------------------------------------------------------------------------

    def mark_missing(self, symbol_id: int, now_ns: int) -> bool:
        """Missing or stale (K-2)."""
        if not self.feed:
            return False
        mark = self.markets[symbol_id].mark
        return mark is None or mark.state != 0 or now_ns - mark.ts_ns > self.stale_ns

    # --- sums ---------------------------------------------------------------------------

    def orders_of(self, user: int, symbol: int, leg: int | None = None) -> Iterator[OpenOrder]:
        """Confirmed and in flight."""
        flying = self.flying_at.get((user, symbol), {}).values()
        yield from super().orders_of(user, symbol, leg)
        yield from (o for o in flying if leg is None or o.leg == leg)

    def frozen(self, user: int, symbol: int, leg: int = LONG) -> int:
        extras = sum(a.extra for a in self.amendments_of(user, symbol, leg))
        return extras + super().frozen(user, symbol, leg)

    def open_qty(self, user: int, symbol: int, side: int, leg: int = LONG) -> int:
        amendments = self.amendments_of(user, symbol, leg)
        extras = sum(a.extra_qty for a in amendments if a.side == side)
        return extras + super().open_qty(user, symbol, side, leg)

    def leaves(self, user: int) -> int:
        return sum(amount for who, amount in self.leaving.values() if who == user)

    def available(self, user: int) -> int:
        """G-3."""
        return super().available(user) - self.leaves(user)

    def withdrawable(self, user: int, with_share: bool = True) -> int:
        """P-2; without the share of notional: P-3."""
        cross = self.cross_keys(user)
        keeps = sum(
            req(abs(p.net) * self.mark(s), getattr(self.symbols[s], "withdraw_keep_ppm", 0))
            for (_, s, _), p in self.legs(user).items() if not self.is_isolated(user, s)
        )  # fmt: skip
        return margin.withdrawable(
            self.accounts[user].collateral, sum(self.unrealised(k) for k in cross),
            sum(self.owed_of(k) for k in cross), self.leaves(user),
            sum(self.held(k) for k in self.keys_of(user)), keeps if with_share else 0,
        )  # fmt: skip

    # --- what the tests look at ---------------------------------------------------------

    def account(self, user: int, now_ns: int) -> dict[str, int] | None:
        account = self.accounts.get(user)
        if account is None:
            return None
        keys = list(self.keys_of(user))
        frozen = sum(self.frozen(*k) for k in keys)
        equity, maintenance = self.bucket((user, CROSS_BUCKET))
        return {
            "collateral": account.collateral,
            "frozen": frozen,
            "realised": account.realised,
            "fees": account.fees,
            "equity": equity,
            "unrealised": sum(self.unrealised(k) for k in self.cross_keys(user)),
            "initial_margin": sum(self.held(k) for k in keys) - frozen,
            "maintenance_margin": maintenance,
            "available": self.available(user),
            "withdrawable": self.withdrawable(user),
        }

    def position(self, user: int, symbol_id: int, leg: int = LONG) -> dict[str, int]:
        """All zeros where there is none."""
        key = (user, symbol_id, leg)
        p = self.positions.get(key, Position())
        return {
            "net_qty": p.net,
            "entry_cost": p.cost,
            "realised": p.realised,
            "wallet": p.wallet,
            "frozen": self.frozen(*key),
            "open_buy_qty": self.open_qty(user, symbol_id, 0, leg),
            "open_sell_qty": self.open_qty(user, symbol_id, 1, leg),
        }

    def position_risk(self, user: int, symbol_id: int, leg: int = LONG) -> dict[str, int]:
        """What POSITION_STATE and POSITION_RISK say besides, for an open position."""
        key = (user, symbol_id, leg)
        p = self.positions.get(key, Position())
        return {
            "unrealised": self.unrealised(key),
            "maintenance_margin": self.position_maintenance(key),
            "wallet": p.wallet,
            "notional": abs(p.net) * self.mark(symbol_id),
            "funding_owed": p.owed,
            "leverage": self.leverage.get((user, symbol_id), 0),
            "leverage_ppm": margin.leverage_rate(self.leverage.get((user, symbol_id), 0)),
            "margin_mode": self.margin_mode.get((user, symbol_id), CROSS),
            "mark_px": self.mark(symbol_id),
        }

    def terms(self, user: int, symbol: int) -> Terms:
        return Terms(self.leverage.get((user, symbol), 0), self.markets[symbol].scale)


__all__ = [
    "BALANCE_MAX", "FUND_USER_BASE", "ISOLATED", "STARTED", "Account", "ModelLedger", "Position",
    "ceil_div", "req", "step_of",
]  # fmt: skip
