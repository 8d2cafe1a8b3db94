"""A ledger with its watch, fed line by line, beside plain figures of every margin bucket."""

from __future__ import annotations

from typing import Any, NamedTuple

from model import margin
from model.ledger_table import LedgerTable
from model.symbols import rules_records
from model.wire import changed

from rsx import records
from rsx.risk.ledger import Ledger
from rsx.risk.watch import Watch

MS = 1_000_000
STALE_MS = 10_000
OPEN, HALT = 0, 3
NEVER = (1 << 63) - 1
Place = tuple[int, int, int]


class Bucket(NamedTuple):
    """positions: {(symbol id, leg): (net, cost)}; balance: collateral or wallet, less owed."""

    positions: dict[tuple[int, int], tuple[int, int]]
    balance: int


class Watched(LedgerTable):
    """`LedgerTable` whose records the watch hears of; user 9 is rich and on the other side."""

    def __init__(self, *markets: Any, accounts_max: int = 64, mark_source: str = "feed"):
        super().__init__(Ledger(
            markets, accounts_max=accounts_max, positions_max=4 * accounts_max, orders_max=64,
            mark_source=mark_source, stale_ns=STALE_MS * MS,
        ))  # fmt: skip
        self.markets = {market.id: market for market in markets}
        self.watch = Watch(self.ledger)
        self.watch.start()
        self.halted: set[int] = set()
        self.is_fed = mark_source == "feed"
        self.fed: dict[int, tuple[int, bool]] = {}  # when, and whether it was live
        self.versions = dict.fromkeys(self.markets, 1)
        self.led: set[Place] = set()
        self.run(f"u9 deposits {1 << 60}")

    # --- records ------------------------------------------------------------------------

    def apply(self, record: records.Record, live: bool = False, **values: Any) -> None:
        super().apply(record, live, **values)
        self.watch.note(self.log[-1])

    def apply_order(self, record: records.Record, symbol_id: int, **values: Any) -> None:
        super().apply_order(record, symbol_id, **values)
        self.watch.note(self.log[-1])

    def mark(self, symbol_id: int, px: str | int, state: int = 0) -> None:
        self.fed[symbol_id] = (self.now_ns, state == 0)
        self.apply(records.MARK_PRICE, symbol_id=symbol_id, mark_px=int(px), index_px=int(px),
                   state=state)  # fmt: skip

    def trade(self, user: int, qty: int, px: int, symbol_id: int = 1, more: str = "") -> None:
        verb = "buys" if qty > 0 else "sells"
        self.run(f"u{user} {verb} {abs(qty)} @ {px} of u9{more} in {symbol_id}")

    def set_mode(self, symbol_id: int, mode: int) -> None:
        (self.halted.discard if mode == OPEN else self.halted.add)(symbol_id)
        self.apply(records.TRADING_MODE, symbol_id=symbol_id, mode=mode)

    def set_rules(self, market: Any) -> None:
        """SY-4: from here on the market is this one."""
        self.versions[market.id] += 1
        self.markets[market.id] = market
        for record in rules_records(market, self.versions[market.id], self.now_ns):
            self.log.append(changed(record, seq=len(self.log) + 1))
            self.ledger.apply(self.log[-1])
            self.watch.note(self.log[-1])

    # --- the watch ----------------------------------------------------------------------

    def cycle(self, **limits: int) -> tuple[int, list[Place], list[Place]]:
        done, below, called = self.watch.cycle(self.now_ns, **limits)
        assert not self.led & set(below), "found twice"
        self.led |= set(below)
        return done, below, called

    def settle(self, **limits: int) -> tuple[list[Place], list[Place]]:
        """Duty cycles until nothing is left to do: (found, called)."""
        found: list[Place] = []
        told: list[Place] = []
        for _ in range(10_000):
            done, below, called = self.cycle(**limits)
            found += below
            told += called
            if not done:
                return found, told
        raise AssertionError("never done")

    def forget(self, place: Place) -> None:
        self.led.discard(place)
        self.watch.forget(*place)

    # --- figures ------------------------------------------------------------------------

    def marks(self) -> dict[int, int]:
        return {symbol_id: self.ledger.mark(symbol_id) for symbol_id in self.markets}

    def buckets(self) -> dict[Place, Bucket]:
        """Every bucket with an open position, user 9's too."""
        found: dict[Place, Bucket] = {}
        for user in self.ledger.users():
            cross: dict[tuple[int, int], tuple[int, int]] = {}
            owed = 0
            for at, p in self.ledger.positions(user).items():
                own = {at: (p["net_qty"], p["entry_cost"])}
                if p["net_qty"] and p["margin_mode"]:
                    found[user, *at] = Bucket(own, p["wallet"] - p["owed"])
                elif p["net_qty"]:
                    cross |= own
                    owed += p["owed"]
            if cross:
                collateral = self.ledger.account(user, self.now_ns)["collateral"]
                found[user, 0, 0] = Bucket(cross, collateral - owed)
        return found

    def figures(self, bucket: Bucket, marks: dict[int, int]) -> tuple[int, int]:
        """(equity, maintenance) of G-3."""
        equity, need = bucket.balance, 0
        for (symbol_id, _), (net, cost) in bucket.positions.items():
            equity += margin.unrealised(net, cost, marks[symbol_id])
            need += margin.maintenance(self.markets[symbol_id], abs(net) * marks[symbol_id])
        return equity, need

    def is_live(self, bucket: Bucket) -> bool:
        """LQ-1."""
        if not self.is_fed:
            return True
        for symbol_id, _ in bucket.positions:
            since, is_live = self.fed.get(symbol_id, (0, False))
            if not is_live or self.now_ns - since > STALE_MS * MS:
                return False
        return True

    def is_below(self, bucket: Bucket) -> bool:
        """LQ-1: below maintenance, and something can be done about it."""
        equity, need = self.figures(bucket, self.marks())
        can_trade = any(symbol_id not in self.halted for symbol_id, _ in bucket.positions)
        return equity < need and can_trade and self.is_live(bucket)

    def threshold(self, place: Place, at: tuple[int, int]) -> int:
        return int(self.watch.threshold(place[0], *at))

    def worst_marks(self, place: Place, bucket: Bucket) -> dict[int, int]:
        """As far against the bucket as its thresholds let the marks go; a symbol in which both
        legs are open stays."""
        marks = self.marks()
        for at, (net, _) in bucket.positions.items():
            symbol_id, threshold = at[0], self.threshold(place, at)
            if (symbol_id, 1 - at[1]) in bucket.positions:
                continue
            if net > 0:
                marks[symbol_id] = max(1, min(marks[symbol_id], threshold))
            else:
                marks[symbol_id] = max(marks[symbol_id], threshold)
        return marks
