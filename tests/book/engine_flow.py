"""Random requests of every kind that reach matching, for tests of the engine's own machinery.

What the requests mean is held to the plain model elsewhere; here they have to be many, to meet
each other often, and to be wrong now and then.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from typing import Any

from model.wire import make_request, view

NS = 1_000_000_000
POST, REDUCE, REPRICE, LAST = 1, 2, 8, 32
USERS = 6
LIMITS = {
    "orders_max": 64,
    "users_max": 8,
    "open_orders_per_user_max": 16,
    "dedup_window_s": 20,
    "dedup_orders_max": 256,
    "triggers_max": 24,
    "open_triggers_per_user_max": 8,
}


class Flow:
    """requests() yields (request, ts_ns); `seen` is to be told every event."""

    def __init__(self, seed: int, symbol: Any):
        self.rng = random.Random(seed)
        self.symbol = symbol
        self.oid = 0
        self.ts_ns = 1000 * NS
        self.open: dict[int, tuple[int, int, int]] = {}  # order id -> user, whole quantity, filled
        self.fired: list[Any] = []
        self.gone: set[int] = set()
        self.is_shut = False

    def requests(self, count: int) -> Iterator[tuple[bytes, int]]:
        kinds = [
            (self.order, 50), (self.cancel, 12), (self.amend, 14), (self.cancel_all, 2),
            (self.mark, 4), (self.mode, 1), (self.trigger, 8), (self.answer, 8),
        ]  # fmt: skip
        acts, weights = zip(*kinds, strict=True)
        for _ in range(count):
            self.ts_ns += self.rng.choice((0, 0, 1, NS // 3, NS))
            request = self.mode() if self.is_shut and self.rng.random() < 0.1 else None
            while request is None:
                request = self.rng.choices(acts, weights)[0]()
            yield request, self.ts_ns

    def seen(self, events: list[bytes]) -> None:
        for data in events:
            e = view(data)
            name = e.record.name
            if name in ("ORDER_ACCEPTED", "ORDER_AMENDED"):
                filled = self.open.get(e.oid, (0, 0, 0))[2]
                self.open[e.oid] = (e.user_id, e.qty, filled)
            elif name == "FILL":
                both = ((e.taker_oid, e.taker_remaining), (e.maker_oid, e.maker_remaining))
                for oid, left in both:
                    user, qty, filled = self.open[oid]
                    self.open[oid] = (user, qty, filled + e.qty)
                    if left == 0:
                        del self.open[oid]
            elif name == "ORDER_CANCELLED":
                self.open.pop(e.oid, None)
            elif name == "ORDER_REDUCED":
                user, qty, filled = self.open[e.oid]
                self.open[e.oid] = (user, qty - e.cancelled_qty, filled)
            elif name == "TRIGGER_FIRED":
                self.fired.append(e)
            elif name == "TRIGGER_CANCELLED":
                self.gone.add(e.oid)

    def restart(self) -> None:
        """No answer is awaited for triggers cancelled after they had fired (TR-7)."""
        self.fired = [e for e in self.fired if e.oid not in self.gone]

    def px(self) -> int:
        return 100 + self.rng.randint(-8, 8)

    def user(self) -> int:
        return self.rng.randint(1, USERS)

    def cid(self) -> str:
        return self.rng.choice(("", "", f"c{self.rng.randint(0, 60)}"))

    def terms(self) -> dict[str, Any]:
        """Flags, time in force, expiry, prevention and owner that go together."""
        rng = self.rng
        tif = rng.choice((0, 0, 0, 1, 1, 2, 3, 3))
        flags = REDUCE if rng.random() < 0.3 else 0
        if tif in (0, 3) and rng.random() < 0.2:
            flags |= rng.choice((POST, POST | REPRICE))
        expire_s = self.ts_ns // NS + rng.randint(0, 12) if tif == 3 else 0
        return {
            "tif": tif, "flags": flags, "expire_s": expire_s, "side": rng.randint(0, 1),
            "stp": rng.choice((0, 0, 1, 2, 3)), "owner_group": rng.choice((0, 0, 7)),
            "user_id": self.user(), "symbol_id": self.symbol.id, "cid": self.cid(),
        }  # fmt: skip

    def order(self) -> bytes:
        self.oid += 1
        rng = self.rng
        return make_request(
            "ORDER_NEW", oid=self.oid, px=self.px(), qty=rng.randint(1, 30),
            reserved=rng.choice((0, 1000, 777)), kind=0, **self.terms(),
        )  # fmt: skip

    def some_oid(self) -> int:
        if self.open and self.rng.random() < 0.9:
            return self.rng.choice(list(self.open))
        return self.rng.randint(1, self.oid + 2)

    def cancel(self) -> bytes:
        oid = self.some_oid()
        user = self.open.get(oid, (self.user(),))[0]
        by_cid = self.rng.random() < 0.3
        return make_request(
            "ORDER_CANCEL", oid=0 if by_cid else oid, user_id=user, symbol_id=self.symbol.id,
            request_id=self.rng.randint(1, 99), reason=self.rng.choice((0, 3101, 3107, 3110)),
            cid=self.cid() if by_cid else "",
        )  # fmt: skip

    def amend(self) -> bytes:
        oid = self.some_oid()
        user, qty, filled = self.open.get(oid, (self.user(), 5, 0))
        qty = max(1, qty + self.rng.randint(-12, 12))
        assumed = max(1, qty - filled) + self.rng.choice((0, 0, 5))
        extra = self.rng.choice((0, 40))
        return make_request(
            "ORDER_AMEND", oid=oid, px=self.px(), qty=qty, request_id=self.rng.randint(1, 99),
            reserved=self.rng.randint(0, 5000), assumed=assumed, extra=extra,
            extra_qty=extra and 3, user_id=user, symbol_id=self.symbol.id, side=0,
        )  # fmt: skip

    def cancel_all(self) -> bytes:
        return make_request(
            "ORDER_CANCEL_ALL", request_id=self.rng.randint(1, 99), user_id=self.user(),
            symbol_id=self.symbol.id, reason=self.rng.choice((0, 3107, 3108)),
            scope=self.rng.randint(1, 3), sides=self.rng.choice((1, 2, 3, 3)),
        )  # fmt: skip

    def mark(self) -> bytes:
        return make_request("MARK_UPDATE", mark_px=self.px(), symbol_id=self.symbol.id)

    def mode(self) -> bytes:
        mode = 0 if self.is_shut else self.rng.randint(0, 3)
        self.is_shut = mode != 0
        return make_request(
            "MODE_REQUEST", request_id=1, user_id=1, symbol_id=self.symbol.id, mode=mode
        )

    def trigger(self) -> bytes:
        self.oid += 1
        rng = self.rng
        kind = rng.randint(2, 6)
        terms = self.terms()
        del terms["owner_group"]
        is_limit = kind in (3, 5)
        if not is_limit:
            terms |= {"tif": rng.choice((1, 2)), "expire_s": 0}
        if not is_limit or terms["tif"] in (1, 2):
            terms["flags"] &= ~(POST | REPRICE)
        terms["flags"] |= rng.choice((0, LAST))
        return make_request(
            "TRIGGER_REQUEST", oid=self.oid, px=self.px() if is_limit else 0,
            qty=rng.randint(1, 30), kind=kind, trail_px=rng.randint(1, 4) if kind == 6 else 0,
            trigger_px=0 if kind == 6 and rng.random() < 0.5 else self.px(), **terms,
        )  # fmt: skip

    def answer(self) -> bytes | None:
        """What risk makes of a fired trigger (TR-6)."""
        if not self.fired:
            return None
        e = self.fired.pop(self.rng.randrange(len(self.fired)))
        if self.rng.random() < 0.2:
            return make_request(
                "TRIGGER_REFUSED", oid=e.oid, user_id=e.user_id, symbol_id=e.symbol_id, reason=2001
            )
        return make_request(
            "ORDER_NEW", oid=e.oid, px=e.px or self.px(), qty=e.qty, reserved=100,
            expire_s=e.expire_s, user_id=e.user_id, symbol_id=e.symbol_id, kind=e.kind,
            stp=e.stp, side=e.side, tif=e.tif, flags=e.flags,
        )  # fmt: skip
