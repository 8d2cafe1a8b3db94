"""What does risk cost: the check before an order, settling a fill, an account's memory?

check    one order of an account with 1 and with 10 positions, its reservation taken back
settle   FILL records of many makers, both sides, through the fold with its look-ahead
load     deposits and three positions each for a million accounts: time and resident memory
"""

from __future__ import annotations

import os
from pathlib import Path

import harness
from harness import Figure

import build
from rsx import records

SYMBOLS = 3
RESTS = int(records.OrderFlag.RESTS)


def make_ledger(symbols: int, accounts: int = 65_536):
    """An empty ledger of so many markets of the bench's kind."""
    import msgspec

    from rsx.risk.ledger import Ledger

    symbol = harness.bench_config().symbols[0]
    markets = tuple(msgspec.structs.replace(symbol, id=i + 1, name=f"S{i}") for i in range(symbols))
    return Ledger(markets, accounts_max=accounts + 64, positions_max=4 * accounts + 64,
                  orders_max=1 << 20)  # fmt: skip


def measure_check(positions: int, count: int) -> float:
    """ns for one check that passes, account with so many open positions."""
    from rsx.core.crc import sealed

    ledger = make_ledger(max(positions, 1))
    seq = 1
    for user in (1, 2):
        ledger.apply(sealed(records.DEPOSIT.pack(user_id=user, amount=1 << 50), seq, 1))
        seq += 1
    for i in range(positions):
        both = {"px": 1000, "qty": 100, "symbol_id": i + 1, "stream": i + 1}
        maker_oid, taker_oid = seq, seq + 1
        for record in (
            records.ORDER_ACCEPTED.pack(
                oid=maker_oid, user_id=2, side=1, flags=int(records.OrderFlag.RESTS), **both
            ),
            records.ORDER_ACCEPTED.pack(oid=taker_oid, user_id=1, side=0, **both),
            records.FILL.pack(
                taker_oid=taker_oid, maker_oid=maker_oid, taker_user_id=1, maker_user_id=2, **both
            ),
        ):
            ledger.apply(sealed(record, seq, 1))
            seq += 1
    order = records.ORDER_REQUEST.pack(oid=9, px=1000, qty=100, user_id=1, symbol_id=1, side=0)
    kernels = build.kernels()
    return harness.median([kernels.check_orders(ledger, order, count) / count for _ in range(7)])


def trades(users: int, count: int, symbol_id: int, first_oid: int) -> tuple[bytes, bytes]:
    """(orders, fills): each fill meets another maker, a taker takes 100 of them."""
    both = {"px": 1000, "symbol_id": symbol_id, "stream": symbol_id}
    makers, fills = [], []
    for n in range(count):
        makers.append(records.ORDER_ACCEPTED.pack(
            oid=first_oid + n, user_id=1 + n * 7919 % users, side=1, qty=1, flags=RESTS, **both
        ))  # fmt: skip
    for n in range(count):
        taker = first_oid + count + n // 100
        user = 1 + (n // 100 * 104_729 + 1) % users
        if n % 100 == 0:
            fills.append(records.ORDER_ACCEPTED.pack(
                oid=taker, user_id=user, side=0, qty=min(100, count - n), **both
            ))  # fmt: skip
        left = min(100, count - n // 100 * 100) - n % 100 - 1
        fills.append(records.FILL.pack(
            taker_oid=taker, maker_oid=first_oid + n, taker_user_id=user,
            maker_user_id=1 + n * 7919 % users, qty=1, taker_remaining=left, taker_fee=4,
            maker_fee=-1, **both,
        ))  # fmt: skip
    return b"".join(makers), b"".join(fills)


def deposits(users: int) -> bytes:
    return b"".join(
        records.DEPOSIT.pack(user_id=user, amount=1 << 40) for user in range(1, users + 1)
    )


def measure_settle(users: int, count: int, runs: int = 7) -> list[float]:
    """ns a fill (both sides) of each run; the order of each taker is in it."""
    kernels = build.kernels()
    ledger = make_ledger(1, users)
    kernels.apply_records(ledger, deposits(users))
    took = []
    for run in range(runs):
        orders, fills = trades(users, count, 1, 1 + run * 4 * count)
        kernels.apply_records(ledger, orders)
        took.append(kernels.apply_records(ledger, fills) / count)
    ledger.audit()
    return took


def measure_load(users: int) -> tuple[float, float]:
    """(seconds, bytes an account) of accounts with a position in each of three markets."""
    kernels = build.kernels()
    began = resident()
    ledger = make_ledger(SYMBOLS, users)
    took = kernels.apply_records(ledger, deposits(users))
    for symbol_id in range(1, SYMBOLS + 1):
        step = 50_000
        for first in range(0, users - users % 2, step):
            took += kernels.apply_records(ledger, pairs(symbol_id, first, min(step, users - first)))
    ledger.audit()
    return took / 1e9, (resident() - began) / users


def pairs(symbol_id: int, first: int, users: int) -> bytes:
    """Each user with an even place buys 1 from the next."""
    both = {"px": 1000, "qty": 1, "symbol_id": symbol_id, "stream": symbol_id}
    made = []
    for user in range(first + 1, first + users, 2):
        oid = 1 << 40 | user
        made.append(records.ORDER_ACCEPTED.pack(
            oid=oid, user_id=user + 1, side=1, flags=RESTS, **both))  # fmt: skip
        made.append(records.ORDER_ACCEPTED.pack(oid=oid + 1, user_id=user, side=0, **both))
        made.append(records.FILL.pack(
            taker_oid=oid + 1, maker_oid=oid, taker_user_id=user, maker_user_id=user + 1, **both
        ))  # fmt: skip
    return b"".join(made)


def resident() -> int:
    """Bytes of this process in memory."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE")


def measure(scale: float = 1.0) -> list[Figure]:
    figures = []
    for positions, aim in ((1, ""), (10, "<= 100 ns")):
        value = measure_check(positions, int(2_000_000 * scale))
        figures.append(Figure(f"pre-trade check, {positions} positions", value, "ns", aim))
    for users in (1_000, int(100_000 * min(1, 10 * scale))):
        value = harness.median(measure_settle(users, max(1000, int(200_000 * scale))))
        figures.append(Figure(f"settle a fill, {users:,} users", value, "ns", "<= 150 ns",
                              detail="both sides, positions, fees, exposure"))  # fmt: skip
    users = int(1_000_000 * scale)
    seconds, size = measure_load(users)
    figures.append(Figure(f"memory of an account with {SYMBOLS} positions", size, "B", "<= 1024 B",
                          detail=f"{users:,} accounts"))  # fmt: skip
    figures.append(Figure(f"fold {users:,} accounts with {SYMBOLS} positions", seconds, "s"))
    return figures


if __name__ == "__main__":
    harness.pyperf_main(
        "settle", lambda loops: 1e-9 * 1000 * sum(measure_settle(1000, 1000, loops)), 1000
    )
