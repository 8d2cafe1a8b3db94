"""Random requests for one market: every flag, wrong orders, dead and foreign ids, duplicates."""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from model.wire import order_cancel, order_new

NS = 1_000_000_000


@dataclass(frozen=True)
class Profile:
    """What a flow is made of; shares are in percent."""

    name: str
    users: int = 8
    width: int = 12  # prices lie within this many ticks of the middle
    qty_max: int = 20
    cancels: int = 35
    ioc: int = 15
    fok: int = 10
    post: int = 8
    reduce: int = 15
    cids: int = 30
    cid_pool: int = 40
    wrong: int = 2
    pause_s: int = 2  # longest time between two requests


PROFILES = (
    Profile("mixed"),
    Profile("two users who trade with themselves", users=2, reduce=40, width=4),
    Profile("reduce-only", users=5, reduce=70, cancels=15, qty_max=60),
    Profile("fill or kill", fok=60, cancels=10, ioc=5, reduce=20),
    Profile("deep", users=40, width=400, cancels=20, ioc=5, fok=5, reduce=3),
    Profile("client ids", cids=100, cid_pool=12, pause_s=9, wrong=0),
    Profile("sweeps", qty_max=400, width=6, users=12, reduce=25),
)


def requests(
    rng: random.Random, symbol: Any, profile: Profile, first_oid: int = 1
) -> Iterator[tuple[bytes, int]]:
    """Endless (request, ts_ns)."""
    oid, now, middle = first_oid, 1_000 * NS, symbol.px_max // symbol.tick // 2
    while True:
        now += rng.randint(0, profile.pause_s * NS)
        if rng.randrange(100) < profile.cancels:
            yield cancel(rng, symbol, profile, oid), now
            continue
        if rng.random() < 0.01:
            middle += rng.randint(-profile.width, profile.width)
            middle = min(max(middle, profile.width + 1), symbol.px_max // symbol.tick - 1)
        yield order(rng, symbol, profile, oid, middle), now
        oid += 1


def client_id(rng: random.Random, profile: Profile) -> str:
    """Short ones, and some of all 36 bytes that differ only at their end."""
    number = rng.randrange(profile.cid_pool)
    return f"c{number}" if number % 3 else f"{number:036}"


def cancel(rng: random.Random, symbol: Any, profile: Profile, newest: int) -> bytes:
    user = rng.randint(1, profile.users)
    way = rng.randrange(100)
    cid = ""
    if way < 15:
        oid, cid = 0, client_id(rng, profile)
    elif way < 18:
        oid = 0
    else:
        oid = rng.randint(max(1, newest - 300), newest + 2)
    return order_cancel(
        oid=oid, user_id=user, symbol_id=symbol.id, request_id=rng.getrandbits(40), cid=cid
    )


def order(rng: random.Random, symbol: Any, profile: Profile, oid: int, middle: int) -> bytes:
    side = rng.randrange(2)
    tif = rng.choices((0, 1, 2), (100 - profile.ioc - profile.fok, profile.ioc, profile.fok))[0]
    flags = 2 if rng.randrange(100) < profile.reduce else 0
    if tif == 0 and rng.randrange(100) < profile.post:
        flags |= 1
    level = middle + rng.randint(-profile.width, profile.width) + (1 if side else -1)
    values: dict[str, Any] = {
        "px": min(max(level, 1) * symbol.tick, symbol.px_max),
        "qty": rng.randint(1, profile.qty_max) * symbol.lot,
        "side": side, "tif": tif, "flags": flags,
    }  # fmt: skip
    if rng.randrange(100) < profile.wrong:
        values.update(spoil(rng, symbol))
    return order_new(
        oid=oid, user_id=rng.randint(1, profile.users), symbol_id=symbol.id,
        reserved=rng.choice((0, 1, rng.randrange(1000), rng.getrandbits(50))),
        received_ns=rng.getrandbits(60), reserved_ns=rng.getrandbits(60),
        cid=client_id(rng, profile) if rng.randrange(100) < profile.cids else "", **values,
    )  # fmt: skip


def spoil(rng: random.Random, symbol: Any) -> dict[str, int]:
    """One field out of its range, or just at the end of it."""
    return rng.choice(
        (
            {"px": 0},
            {"px": -symbol.tick},
            {"px": symbol.tick * 7 + 1},
            {"px": symbol.px_max},
            {"px": symbol.px_max + symbol.tick},
            {"px": symbol.tick},
            {"qty": 0},
            {"qty": -symbol.lot},
            {"qty": symbol.lot + 1},
            {"qty": symbol.qty_max},
            {"qty": symbol.qty_max + symbol.lot},
            {"qty": (1 << 63) - 1},
            {"px": (1 << 63) - 1},
            {"tif": 1, "flags": 1},
            {"tif": 2, "flags": 3},
            {"flags": 4},
            {"flags": 255},
            {"side": 2},
            {"tif": 3},
        )
    )
