"""What does a mark cost that concerns many: comparing thresholds, reckoning anew, finding the few?

quiet    a mark that passes no threshold
passing  a mark that passes every threshold and liquidates nobody: all buckets are reckoned
crash    100 buckets fall below maintenance at once, among all the others

Accounts are opened in another order than they trade in, so that neighbours in the list of exposed
positions are none in memory. A duty cycle is one of the watch (rsx/risk/watch).
"""

from __future__ import annotations

import random
from typing import Any, NamedTuple

import harness
import msgspec
from harness import Figure

import build
from rsx import records

PX = 1000
RICH = 1 << 40
BELOW = 100
NOW_NS = 1_000_000_000
RESTS = int(records.OrderFlag.RESTS)


class Crowd(NamedTuple):
    ledger: Any
    watch: Any
    markets: list[Any]
    thin: list[int]  # users whose bucket a mark 3 % lower is too much for


def make_crowd(users: int, positions: int) -> Crowd:
    """Users from 1 on, each long 1 in so many markets, all of one other user."""
    from rsx.risk.ledger import Ledger
    from rsx.risk.watch import Watch

    symbol = harness.bench_config().symbols[0]
    markets = [msgspec.structs.replace(symbol, id=i + 1, name=f"S{i}") for i in range(positions)]
    ledger = Ledger(tuple(markets), accounts_max=users + 64, positions_max=4 * users + 64,
                    orders_max=1 << 20, mark_source="feed", stale_ns=10**10)  # fmt: skip
    watch = Watch(ledger)
    rng = random.Random(1)
    ids = list(range(1, users + 1))
    thin = rng.sample(ids, BELOW)
    other = users + 1
    amounts = {**dict.fromkeys(ids, RICH), other: 1 << 50}
    # Above the line of a margin call at PX; at 3 % less, 30 less, below maintenance.
    amounts |= {user: 8 * positions + 1 + user % 12 for user in thin}
    kernels = build.kernels()
    kernels.apply_records(
        ledger, b"".join(records.DEPOSIT.pack(user_id=u, amount=a) for u, a in amounts.items())
    )
    for market in markets:
        rng.shuffle(ids)
        for first in range(0, users, 50_000):
            kernels.apply_records(ledger, longs(ids[first : first + 50_000], other, market.id))
    crowd = Crowd(ledger, watch, markets, sorted(thin))
    watch.start()
    for market in markets:
        tick(crowd, PX, market.id)
    if watch.cycle(NOW_NS)[0]:
        raise ValueError("the watch is not done")
    return crowd


def longs(users: list[int], other: int, symbol_id: int) -> bytes:
    """Each buys 1 of the other."""
    both = {"px": PX, "qty": 1, "symbol_id": symbol_id, "stream": symbol_id}
    made = []
    for user in users:
        oid = 2 * user + (1 << 40)
        made.append(records.ORDER_ACCEPTED.pack(
            oid=oid, user_id=other, side=1, flags=RESTS, **both))  # fmt: skip
        made.append(records.ORDER_ACCEPTED.pack(oid=oid + 1, user_id=user, side=0, **both))
        made.append(records.FILL.pack(
            taker_oid=oid + 1, maker_oid=oid, taker_user_id=user, maker_user_id=other, **both
        ))  # fmt: skip
    return b"".join(made)


def tick(crowd: Crowd, px: int, symbol_id: int = 1) -> tuple[int, int, list[int], list[int]]:
    """watch_tick of a mark."""
    mark = records.MARK_PRICE.pack(
        mark_px=px, index_px=px, symbol_id=symbol_id, stream=symbol_id, ts_ns=NOW_NS
    )
    found: tuple[int, int, list[int], list[int]] = build.kernels().watch_tick(
        crowd.ledger, crowd.watch, mark, NOW_NS
    )
    return found


def forget_thresholds(crowd: Crowd, version: int) -> None:
    """New rules for the first market, as they were: its next mark concerns everybody."""
    from rsx.rules import to_records

    market = msgspec.structs.replace(crowd.markets[0], version=version)
    for record in to_records(market):
        crowd.ledger.apply(record)


def quiet(crowd: Crowd, runs: int) -> list[tuple[int, list[int]]]:
    """(ns, ns of each cycle) of marks that pass nothing."""
    before = crowd.watch.counters()["buckets_reckoned"]
    took = [tick(crowd, PX + 1 + run % 2)[1:3] for run in range(runs)]
    if crowd.watch.counters()["buckets_reckoned"] != before:
        raise ValueError("a threshold was passed")
    tick(crowd, PX)
    return took


def passing(crowd: Crowd, users: int, runs: int) -> list[tuple[int, list[int]]]:
    """(ns, ns of each cycle) of marks that pass every threshold."""
    took = []
    for run in range(runs):
        forget_thresholds(crowd, 2 + run)
        before = crowd.watch.counters()["buckets_reckoned"]
        _, spent, cycles, found = tick(crowd, PX)
        if crowd.watch.counters()["buckets_reckoned"] < before + users or found:
            raise ValueError(f"not all of {users} were reckoned, or {len(found)} found")
        took.append((spent, cycles))
    return took


def crash(crowd: Crowd, runs: int) -> list[tuple[int, list[int]]]:
    """(ns from the mark until all are found, ns of each cycle) of marks that some cannot bear."""
    took = []
    for _ in range(runs):
        last, _, cycles, found = tick(crowd, PX * 97 // 100)
        if sorted(found) != crowd.thin:
            raise ValueError(f"{len(found)} found where {len(crowd.thin)} are below")
        took.append((last, cycles))
        tick(crowd, PX)
        for user in found:
            crowd.watch.forget(user)
        while crowd.watch.cycle(NOW_NS)[0]:
            pass
        crowd.watch.audit(NOW_NS)
    return took


def figures_of(name: str, took: list[tuple[int, list[int]]], aim: str, unit: str) -> list[Figure]:
    """Median of the runs, and the worst duty cycle of any but the first."""
    by = {"ms": 1e6, "us": 1e3}[unit]
    cycles = [ns for _, all_of_run in took[1:] or took for ns in all_of_run]
    detail = f"{len(took)} marks of {len(took[0][1])} duty cycles"
    worst = max(cycles) / 1e3
    if len(cycles) >= 100:
        detail += ": " + harness.spread(cycles, "us", 1e3)
    return [
        Figure(name, harness.median([ns for ns, _ in took]) / by, unit, aim, detail=detail),
        Figure(f"{name}: worst duty cycle", worst, "us", "<= 50 us"),
    ]


def measure(scale: float = 1.0) -> list[Figure]:
    users = max(1_000, int(100_000 * scale))
    runs = 7
    figures = []
    for positions in (1, 3):
        crowd = make_crowd(users, positions)
        who = f"{users:,} accounts, {positions} position{'s' if positions > 1 else ''}"
        figures += figures_of(f"mark, {who}", quiet(crowd, 3 * runs), "<= 10,000 us", "us")
        figures += figures_of(
            f"mark past all thresholds, {who}", passing(crowd, users, runs), "<= 10 ms", "ms"
        )
        figures += figures_of(f"find {BELOW} among {who}", crash(crowd, runs), "<= 100 us", "us")
    return figures


if __name__ == "__main__":
    crowd = make_crowd(100_000, 1)
    harness.pyperf_main("quiet", lambda loops: 1e-9 * sum(ns for ns, _ in quiet(crowd, loops)), 1)
