"""Where an archive begins that cannot begin with the first record: a state of the exchange.

Accounts with their balances, positions, live orders and triggers as of one log number.
Source: specs/archive.md AR-5, AR-6.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Set
from pathlib import Path
from typing import Any

from rsx.errors import StartError
from rsx.records import FUND_USER_BASE, TRIGGER_FIRED, MarginMode, OrderStatus

PPM = 1_000_000
FIRED = 4  # of a row of Engine.triggers
# Order ids have their time: ms since 2024-01-01 above 12 bits (specs/wire.md W-3).
EPOCH_MS, MS_SHIFT = 1_704_067_200_000, 12

Row = tuple[Any, ...]


def time_of(oid: int) -> int:
    return ((oid >> MS_SHIFT) + EPOCH_MS) * 1_000_000


def oid_at(ns: int) -> int:
    """Order ids given before this time are below it."""
    return max(0, ns // 1_000_000 - EPOCH_MS) << MS_SHIFT


class Seed:
    """Rows of a State, for the first transaction of an archive that goes on behind it.

    Args  state: rsx.wal.state.State; symbols: of the configuration; money_decimals: of the log
    """

    def __init__(self, state: Any, symbols: Any):
        self.seq = state.next_seq - 1
        self.exchange_id = state.exchange_id
        self.epoch = state.epoch
        self._tables = [
            ("accounts", 2, list(_accounts(state, symbols))),
            ("positions", 9, list(_positions(state, symbols))),
            ("symbols", 7, list(_symbols(state, symbols))),
        ]
        self._orders = sorted([*_orders(state), *_triggers(state)])

    def tables(self) -> list[tuple[str, int, list[Row]]]:
        """(table, columns, rows) ..."""
        return self._tables

    def orders(self, known: Set[int] = frozenset()) -> list[Row]:
        """Rows of the orders that live, but those that are known.

        Their first events have numbers that nobody knows any more. They get the last ones before
        the state's, in the order of their ids: each number once, and none that an archive has,
        since orders that it does not know began behind it.
        """
        rows = [row for row in self._orders if row[0] not in known]
        first = self.seq - len(rows) + 1
        return [(*row[:3], first + at, *row[4:]) for at, row in enumerate(rows)]


def _users(state: Any, symbols: Any) -> list[int]:
    return [*state.ledger.users(), *(FUND_USER_BASE + symbol.id for symbol in symbols)]


def _accounts(state: Any, symbols: Any) -> Iterator[Row]:
    for user in _users(state, symbols):
        account = state.ledger.account(user)
        if account is not None:
            yield user, account["collateral"]


def _positions(state: Any, symbols: Any) -> Iterator[Row]:
    for user in _users(state, symbols):
        for (symbol_id, leg), p in state.ledger.positions(user).items():
            stuck = p["margin_mode"] == MarginMode.ISOLATED and p["stage"] != 0
            leverage_ppm = -(-PPM // p["leverage"]) if p["leverage"] else 0
            yield (user, symbol_id, leg, p["net_qty"], p["entry_cost"], p["wallet"],
                   p["margin_mode"], leverage_ppm, int(stuck))  # fmt: skip


def _symbols(state: Any, symbols: Any) -> Iterator[Row]:
    """Rules that hold; a set that is not whole begins anew with its first record, or at a start."""
    for symbol in symbols:
        rules = state.rules.get(symbol.id, symbol)
        yield (symbol.id, symbol.name, symbol.price_decimals, symbol.qty_decimals,
               rules.initial_margin_ppm, -1, -1)  # fmt: skip


def _orders(state: Any) -> Iterator[Row]:
    """Resting orders; sums over fills of before are not known and begin at 0."""
    seq = state.next_seq - 1
    for symbol_id, engine in state.engines.items():
        for row in engine.orders():
            (
                oid, user, px, remaining, _, side, tif, flags, qty, cid, expire_s, kind, stp,
            ) = row  # fmt: skip
            cut = state.cuts.get(oid, 0)
            placed = time_of(oid)
            yield (oid, user, symbol_id, seq, cid, side, kind, tif, flags, stp, px, qty + cut,
                   qty - remaining, int(OrderStatus.RESTING), 0, 0, 0, 0, placed, placed, seq, 0,
                   cut, expire_s, 0, 0, 0, 0, 0, 0)  # fmt: skip


def _triggers(state: Any) -> Iterator[Row]:
    seq = state.next_seq - 1
    for symbol_id, engine in state.engines.items():
        fired = {view.oid: view.fired_px for view in map(TRIGGER_FIRED.unpack, engine.fired())}
        for row in engine.triggers():
            oid = row["oid"]
            status = OrderStatus.PENDING if row["state"] == FIRED else OrderStatus.WAITING
            placed = time_of(oid)
            yield (oid, row["user_id"], symbol_id, seq, row["cid"], row["side"], row["kind"],
                   row["tif"], row["flags"], row["stp"], row["px"], row["qty"], 0, int(status), 0,
                   0, 0, 0, placed, placed, seq, 0, 0, row["expire_s"], row["trigger_px"],
                   row["trail_px"], row["trail_ppm"], fired.get(oid, 0), 0, 0)  # fmt: skip


def from_snapshots(folder: Path, config: Any, exchange_id: int) -> Callable[[int], Seed]:
    """Gives the Seed of the oldest snapshot from which a log that begins at `oldest` goes on.

    Raises (when it is called) StartError where there is none; SnapshotRefused
    """

    def seeds(oldest: int) -> Seed:
        from rsx.wal.snapshot import list_snapshots, load_snapshot

        for snapshot in list_snapshots(folder):
            if snapshot.seq >= oldest - 1:
                state = load_snapshot(snapshot.path, config, exchange_id=exchange_id)
                return Seed(state, config.symbols)
        raise StartError(f"the log begins at {oldest}, and {folder} has no snapshot behind that")

    return seeds
