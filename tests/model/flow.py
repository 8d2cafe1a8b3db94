"""Random requests of every kind for one market, fast enough for millions.

The flow plays the rest of the exchange: it answers fired triggers as risk would (late, refused, or
not before they are cancelled), reserves margin for amendments as AM-6 has it, moves the mark and
the clock, and slips in requests that are wrong. To aim well it looks at the model, never at the
compiled engine.
"""

from __future__ import annotations

import random
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any

from model.events import request_packer
from model.rules import Rules
from model.symbols import rules_records

from rsx import records

NS = 1_000_000_000
GTC, IOC, FOK, GTD = 0, 1, 2, 3
POST, REDUCE, REPRICE, DISCONNECT, LAST, HEDGE = 1, 2, 8, 16, 32, 128
LIQUIDATION = 7
FUND = 91  # a user that takes positions over
FIRED = records.TRIGGER_FIRED.type

ORDER_NEW = request_packer(records.ORDER_NEW)
ORDER_CANCEL = request_packer(records.ORDER_CANCEL)
ORDER_CANCEL_ALL = request_packer(records.ORDER_CANCEL_ALL)
ORDER_AMEND = request_packer(records.ORDER_AMEND)
TRIGGER_REQUEST = request_packer(records.TRIGGER_REQUEST)
TRIGGER_REFUSED = request_packer(records.TRIGGER_REFUSED)
MARK_UPDATE = request_packer(records.MARK_UPDATE)
MODE_REQUEST = request_packer(records.MODE_REQUEST)
POSITION_TRANSFER = request_packer(records.POSITION_TRANSFER)


@dataclass(frozen=True)
class Profile:
    """What a flow is made of. Weights of request kinds, then shares of orders in percent."""

    name: str
    new: int = 500
    cancel: int = 250
    cancel_cid: int = 30
    cancel_all: int = 5
    amend: int = 90
    trigger: int = 40
    mark: int = 30
    mode: int = 2
    tick: int = 20
    liquidation: int = 10
    transfer: int = 6
    rules: int = 1
    users: int = 8
    groups: int = 3
    width: int = 12  # prices lie within this many ticks of the middle
    drift: int = 2  # the middle moves up to this many ticks, every 50 requests or so
    qty_max: int = 20
    ioc: int = 15
    fok: int = 10
    gtd: int = 12
    market: int = 5
    post: int = 12
    reduce: int = 15
    stp: int = 25
    cids: int = 30
    cid_pool: int = 40
    wrong: int = 2
    late: int = 12  # longest wait of a fired trigger for risk, in requests
    pause_ms: int = 400  # longest time between two requests
    grain_ms: int = 0  # the clock moves in steps of this, so that ages meet their limits exactly


PROFILES = (
    Profile("mixed"),
    Profile("two users who trade with themselves", users=2, reduce=40, stp=70, width=4),
    Profile("reduce-only", users=5, reduce=70, cancel=90, qty_max=60, amend=120),
    Profile("fill or kill", fok=60, cancel=60, ioc=5, reduce=25, stp=40),
    Profile(
        "fill or kill among reduce-only",
        users=3,
        fok=50,
        cancel=20,
        ioc=10,
        reduce=45,
        stp=10,
        qty_max=40,
        width=6,
    ),
    Profile("deep", users=40, width=400, cancel=150, ioc=5, fok=5, reduce=3, drift=8),
    Profile("client ids", cids=100, cid_pool=12, cancel_cid=150, pause_ms=9000, grain_ms=1000),
    Profile("more client ids than places", users=4, cids=100, cid_pool=50, cancel=80, pause_ms=50),
    Profile("sweeps", qty_max=400, width=6, users=12, reduce=25),
    Profile("triggers", trigger=250, mark=120, cids=50, drift=5, late=40),
    Profile("amendments", amend=400, gtd=30, post=40, reduce=25),
    Profile("modes and cancel-alls", mode=60, cancel_all=40, trigger=120, mark=60, amend=400),
    Profile("liquidations and transfers", liquidation=150, transfer=120, reduce=35, users=6),
    Profile("rules that change", rules=25, amend=200, post=30, liquidation=30, trigger=80),
    Profile("far away", width=3000, drift=900, users=20, cancel=300),
)


class Flow:
    """`next()` gives (request, ts_ns), the request None for a duty cycle without one; `saw(events)`
    must be called with what each one caused."""

    def __init__(self, seed: int, symbol: Any, profile: Profile, model: Any):
        self.rng = random.Random(seed)
        self.random = self.rng.random
        self.profile, self.model = profile, model
        self.grid = symbol.tick  # levels are so far apart, whatever the tick is
        self.first = symbol
        self.coming: deque[bytes] = deque()  # of a set of rules, others may come between
        self.now = 1_000 * NS
        self.oid = 0
        self.middle = symbol.reference_px // symbol.tick
        self.top = symbol.px_max // symbol.tick
        self.recent: deque[tuple[int, int]] = deque([(1, 1)], maxlen=256)  # (id, user)
        self.fired: deque[tuple[int, Any]] = deque()  # (step, TRIGGER_FIRED) in order
        self.step = 0
        names = ("new", "cancel", "cancel_cid", "cancel_all", "amend", "trigger", "mark", "mode",
                 "tick", "liquidation", "transfer", "rules")  # fmt: skip
        self.kinds: list[Callable[[], bytes | None]] = [
            getattr(self, "make_" + name) for name in names for _ in range(getattr(profile, name))
        ]

    @property
    def symbol(self) -> Any:
        return self.model.symbol

    @property
    def rules(self) -> Rules:
        return self.model.rules  # type: ignore[no-any-return]

    def below(self, n: int) -> int:
        """0 .. n - 1."""
        return int(self.random() * n)

    def chance(self, percent: int) -> bool:
        return self.random() * 100 < percent

    def next(self) -> tuple[bytes | None, int]:
        self.step += 1
        self.now += self.pause()
        if not self.profile.grain_ms:
            if self.random() < 0.004:
                self.now -= self.below(NS)  # a clock that was set back
            elif self.random() < 0.01:
                self.now -= self.now % NS  # a full second, for expiries
        if self.random() < 0.02:
            self.drift()
        if self.coming and self.random() < 0.6:
            return self.coming.popleft(), self.now
        if self.fired and self.fired[0][0] <= self.step:
            return self.make_risk_answer(), self.now
        if self.model.mode and self.random() < 0.03:
            return MODE_REQUEST(symbol_id=self.symbol.id), self.now
        return self.kinds[int(self.random() * len(self.kinds))](), self.now

    def pause(self) -> int:
        p = self.profile
        if p.grain_ms:
            return self.below(p.pause_ms // p.grain_ms + 1) * p.grain_ms * 1_000_000
        return self.below(p.pause_ms * 1_000_000)

    def drift(self) -> None:
        moved = self.middle + self.rng.randint(-self.profile.drift, self.profile.drift)
        edge = min(self.profile.width, self.top // 3) + 2
        self.middle = min(max(moved, edge), self.top - edge)

    def saw(self, events: list[bytes]) -> None:
        for event in events:
            if event[2] == FIRED:
                late = 0 if self.chance(50) else self.below(self.profile.late)
                # In the order of firing, as a ring keeps it.
                due = max(self.step + late, self.fired[-1][0] if self.fired else 0)
                self.fired.append((due, records.TRIGGER_FIRED.unpack(event)))

    def restarted(self) -> None:
        """TR-9: risk is given again what has fired and was not cancelled."""
        self.coming.clear()
        living = self.model.triggers.fired
        self.fired = deque((due, f) for due, f in self.fired if f.oid in living)

    # --- values -------------------------------------------------------------------------

    def px(self, level: int) -> int:
        """A price on tick near a level."""
        px = max(level, 1) * self.grid
        tick = self.symbol.tick
        if tick < self.grid:
            px += self.below(self.grid // tick) * tick
        px = min(px, self.symbol.px_max)
        step = self.rules.tick_at(px)
        return px - px % step or step

    def near(self) -> int:
        """A level about the middle."""
        width = self.profile.width
        return self.middle + int(self.random() * (2 * width + 1)) - width

    def user(self) -> int:
        return 1 + int(self.random() * self.profile.users)

    def hedge(self, user: int) -> int:
        """The flag of those whose account has two legs (HG-2)."""
        return HEDGE if user % 3 == 0 else 0

    def group(self, user: int) -> int:
        """Most users have a group for good; some change it."""
        if self.random() < 0.03:
            return self.below(4)
        return user % self.profile.groups if self.profile.groups else 0

    def client_id(self) -> bytes:
        """Short ones, and some of all 36 bytes that differ only at their end."""
        number = self.below(self.profile.cid_pool)
        return b"c%d" % number if number % 3 else b"%036d" % number

    def some_cid(self) -> bytes:
        return self.client_id() if self.chance(self.profile.cids) else b""

    def target(self) -> tuple[int, int]:
        """An order or trigger and its user; now and then another's, or none."""
        if self.random() < 0.03:
            return self.rng.randint(0, self.oid + 2), self.user()
        oid, user = self.recent[int(self.random() * len(self.recent))]
        return oid, user if self.random() < 0.97 else self.user()

    def expiry(self) -> int:
        return max(1, self.now // NS + self.below(12) - 1)

    # --- requests -----------------------------------------------------------------------

    def make_new(self) -> bytes:
        p = self.profile
        self.oid += 1
        user, side = self.user(), int(self.random() * 2)
        share = self.random() * 100
        tif = GTC
        if share < p.ioc:
            tif = IOC
        elif share < p.ioc + p.fok:
            tif = FOK
        elif share < p.ioc + p.fok + p.gtd:
            tif = GTD
        flags = self.hedge(user) | (REDUCE if self.chance(p.reduce) else 0)
        kind, level = 0, self.near() + (1 if side else -1)
        if tif in (IOC, FOK):
            if self.chance(p.market):
                kind = 1
                level += -p.width if side else p.width
        elif self.chance(p.post):
            flags |= POST | (REPRICE if self.random() < 0.5 else 0)
        if self.random() < 0.05:
            flags |= DISCONNECT
        cid = self.some_cid()
        values: dict[str, Any] = {
            "oid": self.oid, "px": self.px(level),
            "qty": (1 + int(self.random() * p.qty_max)) * self.symbol.lot,
            "reserved": int(self.random() * 1000) if self.random() < 0.8 else self.reserved(),
            "received_ns": self.step, "owner_group": self.group(user),
            "expire_s": self.expiry() if tif == GTD else 0,
            "user_id": user, "symbol_id": self.symbol.id, "kind": kind,
            "stp": 1 + int(self.random() * 3) if self.chance(p.stp) else 0, "side": side,
            "tif": tif, "flags": flags, "cid_len": len(cid), "cid": cid,
        }  # fmt: skip
        if self.random() * 100 < p.wrong:
            values.update(wrong := spoil(self.rng, self.symbol))
            if "flags" not in wrong:
                values["flags"] = flags & ~HEDGE | self.hedge(values["user_id"])
        self.recent.append((self.oid, user))
        return ORDER_NEW(**values)

    def reserved(self) -> int:
        return self.rng.choice((0, 1, self.rng.getrandbits(50)))

    def make_cancel(self) -> bytes:
        oid, user = self.target()
        reason = self.rng.choice((0, 3101, 3107, 3108, 3111, 9)) if self.random() < 0.1 else 3101
        return ORDER_CANCEL(
            oid=oid, user_id=user, symbol_id=self.symbol.id, request_id=self.step, reason=reason
        )

    def make_cancel_cid(self) -> bytes:
        cid = self.client_id()
        return ORDER_CANCEL(
            oid=0, user_id=self.user(), symbol_id=self.symbol.id, request_id=self.step,
            cid_len=len(cid), cid=cid,
        )  # fmt: skip

    def make_cancel_all(self) -> bytes:
        return ORDER_CANCEL_ALL(
            user_id=self.user(), symbol_id=self.symbol.id, request_id=self.step,
            reason=self.rng.choice((0, 3101, 3107, 3108, 3111, 3112, 3113, 7)), scope=self.below(4),
            sides=self.below(4),
        )  # fmt: skip

    def make_amend(self) -> bytes:
        oid, user = self.target()
        order = self.model.open.get(oid)
        for _ in range(3):
            if order is not None:
                break
            oid, user = self.target()
            order = self.model.open.get(oid)
        lot = self.symbol.lot
        if order is None:
            px, qty, filled, side = self.px(self.near()), self.below(9) * lot, 0, 0
        else:
            filled, side = order.filled, order.side
            way = self.random()
            px = order.px if way < 0.5 else self.px(self.near())
            if self.random() < 0.1:  # just at the other side's best
                px = self.model.best_px(1 - side) or px
            if way < 0.35:
                qty = order.qty - self.below(order.remaining // lot + 2) * lot
            else:
                qty = filled + (1 + self.below(self.profile.qty_max)) * lot
        if self.chance(3 * self.profile.wrong):
            wrong = spoil(self.rng, self.symbol)
            px, qty = wrong.get("px", px), wrong.get("qty", qty)
        left = max(1, qty - filled)
        more = self.below(filled + 1) if self.random() < 0.3 else 0
        reserved = self.below(2000)
        held = order.reserved if order is not None else 0
        extra = max(0, reserved - held)  # what risk has to add; it may hold more than that
        if self.random() < 0.3:
            extra += self.below(100)
        return ORDER_AMEND(
            oid=oid, px=px, qty=qty, request_id=self.step, assumed=min(left + more, (1 << 63) - 1),
            reserved=reserved, extra=extra, extra_qty=self.below(3),
            user_id=user, symbol_id=self.symbol.id, side=side,
            flags=order.flags if order is not None else self.below(256),
        )  # fmt: skip

    def make_trigger(self) -> bytes:
        p, rng = self.profile, self.rng
        self.oid += 1
        user, side = self.user(), self.below(2)
        kind = rng.choice((2, 2, 3, 4, 5, 6, 6))
        flags = (LAST if self.chance(50) else 0) | (REDUCE if self.chance(p.reduce) else 0)
        flags |= self.hedge(user)
        price = self.model.last_px if flags & LAST else self.model.mark_px
        away = 1 + self.below(p.width) if self.random() < 0.95 else -self.below(3)
        rises = (kind in (2, 3)) == (side == 0) if kind != 6 else side == 1
        level = price // self.grid + (away if rises else -away)
        values: dict[str, Any] = {"trigger_px": self.px(level)}
        tif = IOC if self.chance(80) else FOK
        if kind in (3, 5):
            tif = rng.choice((GTC, GTC, GTD, IOC))
            values["px"] = self.px(level + self.below(5) - 2)
            if tif in (GTC, GTD) and self.chance(p.post):
                flags |= POST | (REPRICE if self.chance(50) else 0)
        elif kind == 6:
            if self.chance(60):
                values["trigger_px"] = 0
            if self.chance(50):
                values["trail_px"] = 1 + self.below(p.width * self.symbol.tick)
            else:
                values["trail_ppm"] = 1 + self.below(2000)
        cid = self.some_cid()
        values.update(
            oid=self.oid, qty=(1 + self.below(p.qty_max)) * self.symbol.lot, kind=kind,
            expire_s=self.expiry() if tif == GTD else 0, user_id=user, symbol_id=self.symbol.id,
            stp=self.below(4), side=side, tif=tif, flags=flags, cid_len=len(cid), cid=cid,
        )  # fmt: skip
        if self.chance(p.wrong):
            values.update(spoil_trigger(rng, self.symbol))
        self.recent.append((self.oid, user))
        return TRIGGER_REQUEST(**values)

    def make_risk_answer(self) -> bytes:
        """For the fired trigger that has waited longest."""
        _, f = self.fired.popleft()
        if self.random() < 0.15:
            return TRIGGER_REFUSED(
                oid=f.oid, user_id=f.user_id, symbol_id=self.symbol.id, reason=2001
            )
        px = f.px
        if not px:
            away = self.below(self.profile.width + 1)
            px = self.px(f.fired_px // self.grid + (away if f.side == 0 else -away))
        return ORDER_NEW(
            oid=f.oid, px=px, qty=f.qty, reserved=self.below(1000), received_ns=0,
            owner_group=self.group(f.user_id), expire_s=f.expire_s, user_id=f.user_id,
            symbol_id=self.symbol.id, kind=f.kind, stp=f.stp, side=f.side, tif=f.tif,
            flags=f.flags,
        )  # fmt: skip

    def make_mark(self) -> bytes:
        px = (self.near() if self.random() < 0.9 else self.middle * 2) * self.grid
        return MARK_UPDATE(
            mark_px=max(1, px + self.below(3) - 1), index_px=self.below(3) * px,
            symbol_id=self.symbol.id, open_interest=3 * px, rate_ppb=-px, source_ns=px + 1,
            next_funding_s=px % 7, sources=px % 9, state=int(self.random() < 0.1),
        )  # fmt: skip

    def make_mode(self) -> bytes:
        return MODE_REQUEST(
            mode=self.rng.choice((0, 1, 1, 2, 3)),
            request_id=self.step,
            user_id=99,
            symbol_id=self.symbol.id,
        )

    def make_liquidation(self) -> bytes:
        """LO-1: of what a user holds, all of it, a part, or what breaks a rule."""
        user, side, room = self.holder()
        self.oid += 1
        lot = self.symbol.lot
        qty = room if self.random() < 0.6 else (1 + self.below(self.profile.qty_max)) * lot
        if self.random() < 0.1:
            qty = max(1, qty + self.rng.choice((-1, 1, lot)))
        level = self.near() + (-self.below(self.profile.width) if side else self.profile.width)
        values: dict[str, Any] = {
            "oid": self.oid, "px": self.px(level), "qty": max(1, qty), "user_id": user,
            "symbol_id": self.symbol.id, "kind": LIQUIDATION, "side": side, "tif": IOC,
            "flags": REDUCE | self.hedge(user), "owner_group": self.group(user),
        }  # fmt: skip
        if self.chance(self.profile.wrong):
            values |= self.rng.choice(
                ({"tif": GTC}, {"flags": self.hedge(user)}, {"cid": b"x", "cid_len": 1},
                 {"flags": REDUCE | LAST | self.hedge(user)}, {"px": 0}, {"qty": 0})
            )  # fmt: skip
        return ORDER_NEW(**values)

    def holder(self) -> tuple[int, int, int]:
        """(user, side, quantity) that reduces something, where one is found."""
        user, side = self.user(), self.below(2)
        for _ in range(8):
            known = self.model.users.get(user)
            if known is not None and known.room(side):
                return user, side, known.room(side)
            user, side = self.user(), self.below(2)
        return user, side, 0

    def make_transfer(self) -> bytes:
        user, side, room = self.holder()
        adl = self.random() < 0.6
        counter = FUND
        if adl or self.random() < 0.3:
            counter = 1 + user % max(2, self.profile.users)
            for _ in range(6):
                other, reduced, _room = self.holder()
                if reduced != side and (other != user or self.hedge(user)):
                    counter = other
                    break
        if counter == user and not self.hedge(user):
            counter = FUND
        if self.random() < 0.1:
            user, counter = counter, user
        return POSITION_TRANSFER(
            transfer_id=self.step, qty=1 + self.below(max(1, 2 * room)), px=self.px(self.near()),
            mark_px=self.px(self.near()), score=self.below(100), user_id=user,
            counter_user_id=counter, symbol_id=self.symbol.id, side=side, kind=int(adl),
            user_flags=REDUCE | self.hedge(user),
            counter_flags=(REDUCE if adl else 0) | self.hedge(counter),
        )  # fmt: skip

    def make_rules(self) -> bytes | None:
        """SY-4: other ticks, lots, fees and limits, over what rests."""
        if self.coming:
            return None
        rng, now, grid = self.rng, self.symbol, self.grid
        tick = rng.choice((grid, grid, 5 * grid, grid // 2 or 1, 1))
        table = self.first.tick_table if tick == self.first.tick else ()
        now = SimpleNamespace(**{
            **vars(now), "tick": tick, "tick_table": table, "lot": rng.choice((1, 5, 7)),
            "qty_max": rng.choice((5000, 300)),
            "notional_max": rng.choice((1 << 40, self.first.notional_max)),
            "notional_min": rng.choice((0, 30_000 * grid)),
            "price_band_ppm": rng.choice((0, 0, 500, 100_000)),
            "taker_fee_ppm": rng.choice((0, 250, 500)), "maker_fee_ppm": rng.choice((0, -100)),
            "liquidation_fee_ppm": rng.choice((0, 5000)),
        })  # fmt: skip
        self.coming.extend(rules_records(now, self.rules.version + 1))
        return self.coming.popleft()

    def make_tick(self) -> None:
        return None


def spoil(rng: random.Random, symbol: Any) -> dict[str, int]:
    """A field or two out of their range, or just at the end of it."""
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
            {"flags": 8},
            {"flags": 64},
            {"flags": 255},
            {"flags": 32},
            {"side": 2},
            {"tif": 3},
            {"tif": 4, "flags": 128},
            {"tif": 3, "expire_s": (1 << 32) - 1},
            {"tif": 0, "expire_s": 5},
            {"kind": 1},
            {"kind": 7},
            {"kind": 7, "tif": 1},
            {"stp": 4},
            {"stp": 5},
            {"user_id": 0},
            {"user_id": (1 << 32) - 1},
            {"symbol_id": symbol.id + 1},
            {"cid": b"x" * 36, "cid_len": 37},
            {"reserved": -1},
            {"reserved": (1 << 63) - 1},
        )
    )


def spoil_trigger(rng: random.Random, symbol: Any) -> dict[str, int]:
    return rng.choice(
        (
            {"qty": 0},
            {"qty": symbol.lot + 1},
            {"qty": symbol.qty_max + symbol.lot},
            {"trigger_px": 0},
            {"trigger_px": -5},
            {"trigger_px": symbol.px_max + symbol.tick},
            {"trigger_px": symbol.tick},
            {"trigger_px": symbol.px_max},
            {"px": symbol.tick},
            {"px": (1 << 63) - 1},
            {"trail_px": 1},
            {"trail_px": symbol.px_max + 1},
            {"trail_px": -1},
            {"trail_ppm": 1_000_000},
            {"trail_ppm": 3, "trail_px": 3},
            {"kind": 0},
            {"kind": 1},
            {"kind": 9, "side": 7},
            {"tif": 0},
            {"tif": 3, "expire_s": 1},
            {"tif": 1, "expire_s": 1},
            {"flags": 64},
            {"flags": 1, "tif": 1},
            {"stp": 4},
            {"oid": 0},
            {"cid": b"x" * 36, "cid_len": 255},
            {"user_id": 0},
        )
    )
