"""Random trading through the plain ledger and the compiled one, record by record.

Requests of every kind are checked by both ledgers, matched by the model of matching at once, and
their records are applied late, so that several are in flight: amendments meet fills that risk has
not seen. A third ledger folds the log alone. After every record both ledgers say the same of
everyone it names, and it has taken no margin that no request had taken.
"""

from __future__ import annotations

import random
from collections import Counter, deque
from typing import Any

from model.book import ModelEngine
from model.ledger import ModelLedger, step_of
from model.symbols import make_symbol, rules_records
from model.wire import changed, make_request, raw_view, view

from rsx import records

MS, NS = 1_000_000, 1_000_000_000
STALE_MS = 20_000
USERS = 9  # the last one never gets an account
POST_ONLY, REDUCE_ONLY, LAST_PRICE = 1, 2, 32
MARKET, STOP_MARKET, STOP_LIMIT, TAKE_MARKET, TAKE_LIMIT, TRAILING = range(1, 7)
SUMS = ("frozen", "open_buy_qty", "open_sell_qty")


def make_markets(rng: random.Random) -> tuple[Any, ...]:
    return tuple(
        make_symbol(
            id=number, reference_px=reference, px_max=4 * reference,
            taker_fee_ppm=rng.choice((0, 500, 777)), maker_fee_ppm=rng.choice((-100, 0, 333)),
            initial_margin_ppm=rng.choice((10_000, 100_000, 333_333)),
            maintenance_margin_ppm=rng.choice((5_000, 9_999)),
            market_band_ppm=rng.choice((20_000, 150_000)), tick_table=ticks,
            brackets=brackets, oi_low=oi[0], oi_high=oi[1],
        )
        for number, reference, ticks, brackets, oi in (
            (1, 100, ((120, 2), (200, 10)), ((2_000, 400_000, 200_000), (5_000, 10**6, 300_000)),
             (0, 0)),
            (7, 20_000, (), (), (0, 900_000)),
            (300, 3, (), ((17, 350_000, 10_000), (90, 350_000, 350_000)), (20, 300)),
        )
    )  # fmt: skip


def users_of(record: Any) -> list[int]:
    names = ("user_id", "taker_user_id", "maker_user_id")
    return [getattr(record, n) for n in names if n in record.record.offsets]


def alike(seen: dict[str, int] | None, due: dict[str, int] | None) -> bool:
    """Everything that both tell of is the same, and it is not nothing."""
    if seen is None or due is None:
        return seen is due
    both = seen.keys() & due.keys()
    different = {name: (seen[name], due[name]) for name in both if seen[name] != due[name]}
    assert not different, different
    return bool(both)


class Exchange:
    """Two live ledgers, one folded, and a matching engine per market, one record at a time."""

    def __init__(self, seed: int, mark_source: str, with_money: bool = True):
        from rsx.risk.ledger import Ledger

        self.rng = random.Random(seed)
        self.with_money = with_money
        self.markets = make_markets(self.rng)
        self.model = ModelLedger(self.markets, mark_source, STALE_MS)
        self.live, self.folded = (
            Ledger(
                self.markets, accounts_max=USERS, positions_max=3 * USERS, orders_max=3 * 256,
                mark_source=mark_source, stale_ns=STALE_MS * MS,
            )
            for _ in range(2)
        )  # fmt: skip
        self.engines = {m.id: ModelEngine(m, orders_max=256) for m in self.markets}
        self.waiting: deque[bytes] = deque()  # made by matching, not yet released
        self.fired: deque[bytes] = deque()  # released, and not yet an order
        self.log: list[bytes] = []
        self.requests: list[bytes] = []
        self.answers: list[bytes] = []
        self.reasons: Counter[tuple[str, int]] = Counter()
        self.events: Counter[str] = Counter()
        self.now_ns = 1000 * NS
        self.oid = self.request_id = 0
        for market in self.markets:
            for record in rules_records(market):
                self.apply(record)

    # --- the way of a record ------------------------------------------------------------

    def apply(self, record: bytes) -> None:
        record = changed(record, seq=len(self.log) + 1, epoch=1)
        seen = view(record)
        users = users_of(seen)
        symbol = getattr(seen, "symbol_id", 0)
        before = [self.model.position(u, symbol) for u in users] if symbol else []
        self.log.append(record)
        self.events[seen.record.name] += 1
        self.model.apply(record, live=True)
        self.live.apply(record, live=True)
        self.folded.apply(record)
        for user in users:
            self.compare_user(user)
        for user, had in zip(users, before, strict=False):
            has = self.model.position(user, symbol)
            grown = [name for name in SUMS if has[name] > had[name]]
            assert not grown, (seen, user, grown)  # V-12
        if seen.record.name == "TRIGGER_FIRED":
            self.fired.append(record)

    def release(self, count: int) -> None:
        for _ in range(min(count, len(self.waiting))):
            self.apply(self.waiting.popleft())

    def match(self, name: str, symbol_id: int, **values: Any) -> None:
        request = make_request(name, symbol_id=symbol_id, ts_ns=self.now_ns, **values)
        self.waiting.extend(self.engines[symbol_id].submit(request, self.now_ns))

    def step(self) -> None:
        rng = self.rng
        self.now_ns += rng.randrange(300 * MS)
        acts = (self.order, self.amend, self.cancel, self.cancel_all, self.trigger, self.deposit,
                self.configure, self.mark, self.withdraw, self.transfer, self.settings)  # fmt: skip
        money = (2, 3, 2) if self.with_money else (0, 0, 0)
        rng.choices(acts, (52, 16, 16, 1, 6, 2, 1, 6, *money))[0]()
        if rng.random() < 0.7:
            self.release(rng.randrange(6))
        while self.fired and rng.random() < 0.8:
            self.send_fired(self.fired.popleft())

    # --- requests -----------------------------------------------------------------------

    def price(self, market: Any) -> int:
        near = max(1, market.reference_px * self.rng.randint(85, 115) // 100)
        px = self.rng.randint(1, market.px_max) if self.rng.random() < 0.05 else near
        return px - px % step_of(market, px)

    def next_oid(self) -> int:
        self.oid += 1
        return self.oid

    def order(self) -> None:
        rng = self.rng
        market = rng.choice(self.markets)
        kind = MARKET if rng.random() < 0.12 else 0
        values = {
            "oid": self.next_oid(), "user_id": rng.randint(1, USERS), "symbol_id": market.id,
            "side": rng.randrange(2), "flags": REDUCE_ONLY if rng.random() < 0.15 else 0,
            "tif": rng.choices((0, 1, 2), (75, 20, 5))[0] if not kind else 1 + (rng.random() < 0.2),
            "qty": rng.randint(1, 30), "px": 0 if kind else self.price(market), "kind": kind,
            "cid": f"c{rng.randrange(400)}" if rng.random() < 0.2 else "",
            "stp": rng.choice((4, 0)),
        }  # fmt: skip
        request = make_request("ORDER_REQUEST", **values)
        reason, terms = self.check(request)
        self.requests.append(request)
        if reason:
            self.answers.append(
                records.REQUEST_REJECTED.pack(oid=values["oid"], user_id=values["user_id"])
            )
        else:
            self.match("ORDER_NEW", values.pop("symbol_id"), **{**values, **terms})

    def check(self, request: bytes) -> tuple[int, dict[str, int]]:
        """The reason, and what ORDER_NEW then says."""
        due = self.model.check(request, self.now_ns)
        seen = self.live.check(request, self.now_ns)
        told = slice(3) if due[0] else slice(None)
        assert seen[told] == due[told], f"{raw_view(request)}: model {due}, ledger {seen}"
        self.reasons[raw_view(request).record.name, due[0]] += 1
        names = ("reserved", "", "px", "stp", "owner_group")
        return due[0], {n: v for n, v in zip(names, due[1:], strict=True) if n}

    def send_fired(self, record: bytes) -> None:
        """V-14."""
        told = view(record)
        reason, terms = self.check(record)
        if reason:
            self.match("TRIGGER_REFUSED", told.symbol_id, oid=told.oid, user_id=told.user_id,
                       reason=reason)  # fmt: skip
            return
        names = ("oid", "qty", "expire_s", "user_id", "kind", "side", "tif", "flags")
        self.match("ORDER_NEW", told.symbol_id, **{n: getattr(told, n) for n in names}, **terms)

    def amend(self) -> None:
        """Mostly resting orders, often the same one again; also dead, foreign and unseen ones."""
        rng = self.rng
        market = rng.choice(self.markets)
        resting = list(self.engines[market.id].open.values())
        if not resting:
            return
        order = rng.choice(resting[-6:] if rng.random() < 0.5 else resting)
        user, oid = order.user.id, order.oid
        way = rng.random()
        if way < 0.03:
            user = rng.randint(1, USERS)
        elif way < 0.06:
            oid = rng.randint(1, self.oid)
        if oid not in self.model.orders and rng.random() < 0.5:
            return
        px = order.px if rng.random() < 0.5 else self.price(market)
        qty = max(1, order.qty + rng.randint(-20, 25))
        self.request_id += 1
        request = records.AMEND_REQUEST.pack(
            oid=oid, user_id=user, symbol_id=market.id, px=px, qty=qty, side=order.side,
            flags=order.flags & REDUCE_ONLY, request_id=self.request_id,
        )  # fmt: skip
        due = self.model.check_amend(request, self.now_ns)
        seen = self.live.check_amend(request, self.now_ns)
        assert seen == due, f"{view(request)}: model {due}, ledger {seen}"
        self.reasons["AMEND_REQUEST", due[0]] += 1
        self.compare_user(user)
        if not due[0]:
            names = ("reserved", "assumed", "extra", "extra_qty")
            self.match(
                "ORDER_AMEND", market.id, oid=oid, user_id=user, px=px, qty=qty, side=order.side,
                request_id=self.request_id, **dict(zip(names, due[1:5], strict=True)),
            )  # fmt: skip

    def cancel(self) -> None:
        rng = self.rng
        market = rng.choice(self.markets)
        engine = self.engines[market.id]
        living = [*engine.open.values(), *engine.triggers.living.values()]
        if living:
            thing = rng.choice(living)
            self.match("ORDER_CANCEL", market.id, oid=thing.oid, user_id=thing.user.id)

    def cancel_all(self) -> None:
        market = self.rng.choice(self.markets)
        self.match("ORDER_CANCEL_ALL", market.id, user_id=self.rng.randint(1, USERS),
                   sides=self.rng.randint(1, 3), scope=self.rng.randint(1, 3))  # fmt: skip

    def trigger(self) -> None:
        rng = self.rng
        market = rng.choice(self.markets)
        user, kind = rng.randint(1, USERS - 1), rng.randint(STOP_MARKET, TRAILING)
        limit = kind in (STOP_LIMIT, TAKE_LIMIT)
        flags = (REDUCE_ONLY if rng.random() < 0.3 else 0) | rng.choice((0, LAST_PRICE))
        values = {
            "oid": self.next_oid(), "user_id": user, "kind": kind, "side": rng.randrange(2),
            "qty": rng.randint(1, 30), "flags": flags, "tif": 0 if limit else 1,
            "px": self.price(market) if limit else 0, "trigger_px": self.price(market),
            "cid": f"c{rng.randrange(400)}" if rng.random() < 0.2 else "",
        }  # fmt: skip
        if kind == TRAILING:
            values |= {"trigger_px": 0, "trail_px": max(1, market.reference_px // 20)}
        self.requests.append(make_request(
            "ORDER_REQUEST", symbol_id=market.id,
            **{n: v for n, v in values.items() if n not in ("trigger_px", "trail_px")},
        ))  # fmt: skip
        self.match("TRIGGER_REQUEST", market.id, **values)

    def deposit(self) -> None:
        user, amount = self.rng.randint(1, USERS - 1), self.rng.randrange(1, 2000)
        self.apply(records.DEPOSIT.pack(user_id=user, amount=amount, ts_ns=self.now_ns))

    def configure(self) -> None:
        rng = self.rng
        request = records.ACCOUNT_CONFIG_REQUEST.pack(
            user_id=rng.randint(1, USERS), owner_group=rng.randrange(4), stp=rng.randrange(5),
            fields=rng.randint(1, 3),
        )  # fmt: skip
        due, seen = self.model.check_config(request), self.live.check_config(request)
        assert seen == due, view(request)
        self.reasons["ACCOUNT_CONFIG_REQUEST", due[0]] += 1
        if not due[0]:
            self.waiting.append(records.ACCOUNT_CONFIG.pack(
                user_id=view(request).user_id, owner_group=due[1], stp=due[2],
            ))  # fmt: skip

    def judged(self, name: str, request: bytes) -> tuple[int, ...]:
        """Both ledgers say the same of a request about money or settings; returns it."""
        due = getattr(self.model, name)(request, self.now_ns)
        seen = getattr(self.live, name)(request, self.now_ns)
        told = 3 if due[0] in (2001, 2008, 2012, 2014) else 1
        assert seen[:told] == due[:told], f"{view(request)}: model {due}, ledger {seen}"
        self.reasons[view(request).record.name, due[0]] += 1
        self.compare_user(view(request).user_id)
        return tuple(seen)

    def withdraw(self) -> None:
        rng, user = self.rng, self.rng.randint(1, USERS)
        could = self.model.withdrawable(user) if user in self.model.accounts else 0
        values = {"amount": rng.choice((0, 1, could, could + 1)), "user_id": user}
        self.request_id += 1
        request = records.WITHDRAW_REQUEST.pack(request_id=self.request_id, **values)
        if not self.judged("check_withdraw", request)[0]:
            self.waiting.append(records.WITHDRAWAL.pack(request_id=self.request_id, **values))

    def transfer(self) -> None:
        rng, model = self.rng, self.model
        isolated = [k for k, p in model.positions.items() if p.net and model.is_isolated(*k[:2])]
        user, symbol, _ = rng.choice(isolated or [(1, rng.choice(self.markets).id, 0)])
        key = (user, symbol, 0)
        most = rng.choice((0, 300, -300, -max(0, model.wallet_free(key))))
        values = {"user_id": user, "symbol_id": symbol, "amount": rng.randint(*sorted((0, most)))}
        self.request_id += 1
        request = records.MARGIN_TRANSFER_REQUEST.pack(request_id=self.request_id, **values)
        if not self.judged("check_transfer", request)[0]:
            self.waiting.append(
                records.MARGIN_TRANSFERRED.pack(request_id=self.request_id, **values)
            )

    def settings(self) -> None:
        """V-17: nothing more of it comes before the answer."""
        rng, user = self.rng, self.rng.randint(1, USERS)
        self.request_id += 1
        fields = rng.choice((1, 1, 2, 3, 0, 5))
        request = records.MARGIN_CONFIG_REQUEST.pack(
            request_id=self.request_id, user_id=user, symbol_id=rng.choice((1, 7, 300, 300, 5)),
            fields=fields, leverage=rng.choice((0, 1, 2, 3, 9, 50, 101)),
            margin_mode=rng.randrange(2),
        )  # fmt: skip
        reason, _, _, *full = self.judged("check_settings", request)
        if not reason:
            names = ("leverage", "margin_mode", "position_mode")
            self.waiting.append(records.MARGIN_CONFIG.pack(
                request_id=self.request_id, user_id=user, symbol_id=view(request).symbol_id,
                **dict(zip(names, full, strict=True)),
            ))  # fmt: skip
            self.release(len(self.waiting))

    def mark(self) -> None:
        market = self.rng.choice(self.markets)
        px = max(1, market.reference_px * self.rng.randint(70, 130) // 100)
        self.match("MARK_UPDATE", market.id, mark_px=px)

    # --- comparing ----------------------------------------------------------------------

    def compare_user(self, user: int) -> None:
        assert alike(
            self.live.account(user, self.now_ns), self.model.account(user, self.now_ns)
        ), user  # fmt: skip
        for market in self.markets:
            due = self.model.position(user, market.id)
            seen = self.live.position(user, market.id)
            assert alike(seen, due) or (seen is None and not any(due.values())), (user, market.id)

    def compare(self) -> None:
        self.model.audit()
        self.live.audit()
        self.folded.audit()
        assert self.live.state_hash() == self.folded.state_hash()
        assert alike(self.live.totals(), self.model.totals())
        assert self.live.totals() == self.folded.totals()
        for user in range(1, USERS + 1):
            self.compare_user(user)
            account = self.model.accounts.get(user)
            settings = account and (account.settings.owner_group, account.settings.stp)
            assert self.live.settings(user) == self.folded.settings(user) == settings
        self.compare_orders()

    def compare_orders(self) -> None:
        """A-8."""
        for oid, due in self.model.orders.items():
            assert self.live.order(oid) == self.folded.order(oid) == {
                "user_id": due.user, "symbol_id": due.symbol, "side": due.side, "px": due.px,
                "flags": due.flags, "filled": due.filled, "remaining": due.qty,
                "reserved": due.reserved, "in_hand": not due.rests,
            }  # fmt: skip
        assert len(self.model.orders) == self.live.orders_known()

    def settle(self) -> None:
        """Nothing in flight: then the fold has the same frozen margin too."""
        while self.waiting or self.fired:
            self.release(len(self.waiting))
            while self.fired:
                self.send_fired(self.fired.popleft())
        self.compare()
        assert not self.model.in_flight
        assert not self.model.amendments
        for user in range(1, USERS + 1):
            assert self.folded.account(user, self.now_ns) == self.live.account(user, self.now_ns)
