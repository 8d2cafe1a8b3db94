"""Random trading, settings, money and marks through the whole exchange, judged by the model.

Some requests are made one at a time, with the exchange at rest: the model says beforehand whether
risk refuses them, why, and with which figures. Others come in bursts, so that much is in flight at
once. After each the model and the ledger agree on everyone.
"""

from __future__ import annotations

import random
from collections import Counter
from pathlib import Path
from typing import Any

from model.funding import interval_id, standing_rate
from model.margin import HEDGE, LONG, REDUCE_ONLY
from model.wire import make_request
from scenario.venue import Venue, same
from world import make_market

from rsx.records import View

ANSWERS = ("POSITION_STATE", "POSITION_RISK", "ACCOUNT_STATE")
OF_AN_ORDER = ("oid", "user_id", "symbol_id", "side", "flags")
BUY, SELL = 0, 1
GTC, IOC, FOK = 0, 1, 2
MARKET, STOP_MARKET, STOP_LIMIT, TAKE_MARKET, TAKE_LIMIT = 1, 2, 3, 4, 5
MS, SECOND = 1_000_000, 1_000_000_000
USERS = range(11, 20)  # the last one never gets an account
LEVERAGE, MARGIN_MODE, POSITION_MODE = 1, 2, 4


def make_markets(rng: random.Random) -> list[Any]:
    """Three markets with brackets, scaling, funding and fees of every kind."""
    return [
        make_market(
            number, tick=1, lot=lot, reference_px=reference, px_max=6 * reference,
            maker_fee_ppm=rng.choice((-100, 0, 333)), taker_fee_ppm=rng.choice((100, 500, 777)),
            initial_margin_ppm=initial, maintenance_margin_ppm=initial // 2, brackets=brackets,
            oi_low=oi[0], oi_high=oi[1], funding_interval_s=rng.choice((60, 180)),
            funding_cap_ppb=rng.choice((7_500_000, 900_000_000)),
            liquidation_delay_ms=rng.choice((0, 200)), liquidation_rounds=rng.choice((0, 2, 6)),
            liquidation_step_ppm=rng.choice((250_000, 1_000_000)), adl=number % 3,
            withdraw_keep_ppm=rng.choice((0, 150_000)), insurance_seed=rng.choice((0, 20_000)),
            insurance_loss_max=rng.choice((500, 1 << 50)), tick_table=ticks,
        )
        for number, reference, lot, initial, brackets, oi, ticks in (
            (1, 1000, 1, 50_000, ((20_000, 100_000, 60_000), (60_000, 333_333, 200_000)), (0, 0),
             ((1200, 2), (2000, 10))),
            (2, 20_000, 10, 10_000, (), (2_000_000, 9_000_000), ()),
            (3, 30, 1, 333_333, (), (0, 0), ()),
        )
    ]  # fmt: skip


class Chaos(Venue):
    """Args  seed: of everything; bold: how far the marks jump, in percent."""

    def __init__(self, folder: Path, seed: int, bold: int = 6, **sections: dict[str, Any]):
        self.rng = random.Random(seed)
        self.bold = bold
        self.told: dict[int, tuple[int, int]] = {}  # open interest and rate of a mark on its way
        self.asked: Counter[tuple[str, int]] = Counter()
        super().__init__(folder, *make_markets(self.rng), **sections)
        self.px = {s.id: s.reference_px for s in self.config.symbols}
        self.live: list[tuple[int, ...]] = []  # oid, user, symbol, side, flags
        for user in USERS[:-1]:
            self.deposit(user, amount=self.rng.randint(20_000, 400_000))
        self.deposit(1, amount=1 << 45)
        for symbol in self.px:
            self.quote(self.px[symbol], symbol)
        self.settle()

    # --- one act --------------------------------------------------------------------------

    def act(self) -> None:
        acts = {
            self.one_order: 30, self.burst: 10, self.one_amend: 14, self.cancel_some: 8,
            self.new_marks: 12, self.wait: 4, self.money: 6, self.transfer: 5, self.settings: 7,
            self.one_trigger: 3,
        }  # fmt: skip
        self.rng.choices(list(acts), list(acts.values()))[0]()
        self.settle()

    def refused(self) -> list[Any]:
        """What risk refused of what was pushed, with the exchange at rest again."""
        self.answers.clear()
        found: list[Any] = []
        for _ in range(100_000):
            moved = self.stepper.step()
            moved += super(Venue, self).collect()
            found += [v for v in self.answers if v.record.name == "REQUEST_REJECTED"]
            self.after_collect()
            if not moved:
                return found
        raise RuntimeError("still busy")

    def judged(self, name: str, due: tuple[int, ...], request: bytes) -> None:
        """Push it: risk must say what the model said."""
        self.forget()
        reason, *figures = due
        self.asked[name, int(reason)] += 1
        assert self.push(request)
        found = self.refused()
        told = [(v.reason, v.required, v.available) for v in found]
        if not reason:
            assert not told, (name, "the model passes it", told)
            return
        assert [t[0] for t in told] == [reason], (name, "the model says", due, told)
        if reason in (2001, 2008, 2012, 2014):
            assert told[0][1:] == tuple(figures), (name, due, told)

    def query(self, user: int) -> None:
        """ACCOUNT_QUERY: what a client would be told is what the model says."""
        self.ask("ACCOUNT_QUERY", user_id=user)
        told: list[Any] = []
        while self.stepper.step() + super(Venue, self).collect():
            told += self.answers
            self.after_collect()
        told = [v for v in told if v.record.name in ANSWERS]
        if user not in self.model.accounts:
            return
        *rows, account = told
        due = self.model.account(user, self.clock.now_ns())
        due |= {"position_mode": self.model.accounts[user].position_mode}
        same(("query", user), {n: getattr(account, n) for n in due}, due)
        key: tuple[int, int, int] = (0, 0, 0)
        for state, risk in zip(rows[::2], rows[1::2], strict=True):
            assert (state.record.name, risk.record.name) == ANSWERS[:2]
            key = (user, risk.symbol_id, risk.leg)
            due = self.model.position(*key)
            due.pop("wallet")
            same(("query", *key), {n: getattr(state, n) for n in due}, due)
            due = self.model.position_risk(*key)
            same(("query", *key), {n: getattr(risk, n, getattr(state, n, None)) for n in due}, due)
        assert account.positions == len(rows) // 2
        assert set(self.model.legs(user)) <= {
            (user, r.symbol_id, r.leg) for r in rows[1::2]
        }  # fmt: skip

    def forget(self) -> None:
        """What the model holds for requests in flight: the log will say what came of them."""
        for flying in (self.model.in_flight, self.model.flying_at, self.model.amendments,
                       self.model.unseen, self.model.leaving, self.model.wallet_leaving,
                       self.model.configs):  # fmt: skip
            flying.clear()

    # --- orders ---------------------------------------------------------------------------

    def price(self, symbol: int) -> int:
        market = next(s for s in self.config.symbols if s.id == symbol)
        px = max(1, self.px[symbol] * self.rng.randint(90, 110) // 100)
        if self.rng.random() < 0.05:
            px = self.rng.randint(1, market.px_max)
        return max(1, px - px % market.tick_at(px))

    def flags_of(self, user: int) -> int:
        account = self.model.accounts.get(user)
        flags = HEDGE if account and account.position_mode else 0
        if self.rng.random() < 0.02:
            flags ^= HEDGE
        return flags | (REDUCE_ONLY if self.rng.random() < 0.2 else 0)

    def values(self) -> dict[str, Any]:
        rng = self.rng
        user, symbol = rng.choice(USERS), rng.choice(list(self.px))
        kind = MARKET if rng.random() < 0.2 else 0
        lot = next(s.lot for s in self.config.symbols if s.id == symbol)
        worth = rng.choice((500, 5_000, 50_000))
        self.oid += 1
        return {
            "oid": self.oid, "user_id": user, "symbol_id": symbol, "side": rng.randrange(2),
            "flags": self.flags_of(user), "kind": kind,
            "qty": max(lot, rng.randint(1, 2 * worth) // self.px[symbol] // lot * lot),
            "px": 0 if kind else self.price(symbol),
            "tif": rng.choices((GTC, IOC, FOK), (75, 20, 5))[0] if not kind else IOC,
            "stp": rng.randrange(5),
        }  # fmt: skip

    def one_order(self) -> None:
        values = self.values()
        request = make_request("ORDER_REQUEST", **values)
        due = self.model.check(request, self.clock.now_ns())
        self.live.append(tuple(values[name] for name in OF_AN_ORDER))
        self.judged("ORDER_REQUEST", due[:3], request)

    def burst(self) -> None:
        """Orders, amendments and cancels of a few users, all in flight at once."""
        for _ in range(self.rng.randint(2, 25)):
            way = self.rng.random()
            if way < 0.6:
                values = self.values()
                self.live.append(tuple(values[name] for name in OF_AN_ORDER))
                self.push(make_request("ORDER_REQUEST", **values))
            elif way < 0.85:
                if request := self.amendment():
                    self.push(request)
            else:
                self.cancel_some()
            if self.rng.random() < 0.3:
                self.step()

    def amendment(self) -> bytes | None:
        rng, orders = self.rng, self.model.orders
        self.live = [row for row in self.live[-400:] if row[0] in orders or rng.random() < 0.2]
        if not self.live:
            return None
        oid, user, symbol, side, flags = rng.choice(self.live[-12:])
        order = orders.get(oid)
        px = order.px if order and rng.random() < 0.5 else self.price(symbol)
        qty = (order.qty + order.filled if order else 0) + rng.randint(-20, 25)
        self.request_id += 1
        return make_request(
            "AMEND_REQUEST", oid=oid, user_id=user, symbol_id=symbol, px=px, qty=max(1, qty),
            side=side, flags=flags, request_id=self.request_id,
        )  # fmt: skip

    def one_amend(self) -> None:
        request = self.amendment()
        if request is None:
            return
        reason, _, _, extra, _, available = self.model.check_amend(request, self.clock.now_ns())
        self.judged("AMEND_REQUEST", (reason, extra, available), request)

    def cancel_some(self) -> None:
        if self.rng.random() < 0.1:
            self.cancel_all(self.rng.choice(USERS), symbol=self.rng.choice(list(self.px)))
        elif self.live:
            oid, user, symbol, *_ = self.rng.choice(self.live)
            self.cancel(user, oid, symbol=symbol)

    def one_trigger(self) -> None:
        rng = self.rng
        user, symbol = rng.choice(USERS[:-1]), rng.choice(list(self.px))
        kind = rng.randint(STOP_MARKET, TAKE_LIMIT)
        limit = kind in (STOP_LIMIT, TAKE_LIMIT)
        self.oid += 1
        self.push(make_request(
            "TRIGGER_REQUEST", oid=self.oid, user_id=user, symbol_id=symbol, kind=kind,
            side=rng.randrange(2), qty=10 * rng.randint(1, 5), flags=self.flags_of(user),
            tif=GTC if limit else IOC, px=self.price(symbol) if limit else 0,
            trigger_px=self.price(symbol), stp=4,
        ))  # fmt: skip

    # --- marks, time, money ---------------------------------------------------------------

    def new_marks(self) -> None:
        rng = self.rng
        for symbol in self.px:
            if rng.random() < 0.7:
                jump = rng.randint(-self.bold, self.bold)
                top = next(s.px_max for s in self.config.symbols if s.id == symbol)
                px = max(
                    5, min(top // 2, self.px[symbol] * (100 + jump) // 100 + rng.randint(-1, 1))
                )
                self.px[symbol] = px
                index = max(1, px * rng.randint(97, 103) // 100)
                self.told[symbol] = (
                    self.model.open_interest(symbol),
                    standing_rate(self.model.symbols[symbol], self.model.markets[symbol].samples),
                )
                self.quote(px, symbol, index, int(rng.random() < 0.08))
        self.run()
        self.told.clear()

    def before_mark_price(self, r: View) -> None:
        """K-3: what risk fills in on the way, with the exchange at rest; FN-6, INV-15."""
        if due := self.told.pop(r.symbol_id, None):
            assert (r.open_interest, r.rate_ppb) == due, r
            interval_s = self.model.symbols[r.symbol_id].funding_interval_s
            at = (interval_id(r.ts_ns, interval_s) + 1) * interval_s if interval_s else 0
            assert r.next_funding_s == at, (r, at)

    def wait(self) -> None:
        """Marks go stale, funding falls due, rounds go on."""
        ms = self.rng.choice((300, 5_000, 61_000, 200_000))
        self.settle(min(ms, 1000))
        self.clock.advance(ms * MS)
        if self.rng.random() < 0.8:
            self.new_marks()

    def money(self) -> None:
        rng, user = self.rng, self.rng.choice(USERS)
        if rng.random() < 0.4 and user != USERS[-1]:
            self.deposit(user, amount=rng.randint(1, 60_000))
            return
        self.request_id += 1
        could = self.model.withdrawable(user) if user in self.model.accounts else 0
        amount = rng.choice((could, could + 1, could // 2, rng.randint(-1, 50_000)))
        request = make_request(
            "WITHDRAW_REQUEST", request_id=self.request_id, user_id=user, amount=amount
        )
        due = self.model.check_withdraw(request, self.clock.now_ns())
        self.judged("WITHDRAW_REQUEST", due, request)

    def transfer(self) -> None:
        """Mostly of isolated positions that are open."""
        rng, model = self.rng, self.model
        isolated = [k for k, p in model.positions.items() if p.net and model.is_isolated(*k[:2])]
        user, symbol, leg = rng.choice(USERS), rng.choice(list(self.px)), LONG
        if isolated and rng.random() < 0.9:
            user, symbol, leg = rng.choice(isolated)
        self.request_id += 1
        request = make_request(
            "MARGIN_TRANSFER_REQUEST", request_id=self.request_id, user_id=user, symbol_id=symbol,
            leg=leg, amount=rng.choice((0, *[rng.randint(-3_000, 3_000) for _ in range(9)])),
        )  # fmt: skip
        due = model.check_transfer(request, self.clock.now_ns())
        self.judged("MARGIN_TRANSFER_REQUEST", due, request)

    def settings(self) -> None:
        rng, user = self.rng, self.rng.choice(USERS)
        fields = rng.choice((LEVERAGE, LEVERAGE, MARGIN_MODE, MARGIN_MODE, 3, POSITION_MODE))
        self.request_id += 1
        request = make_request(
            "MARGIN_CONFIG_REQUEST", request_id=self.request_id, user_id=user,
            symbol_id=0 if fields == POSITION_MODE else rng.choice(list(self.px)), fields=fields,
            leverage=rng.choice((0, 1, 2, 3, 5, 10, 20, 25, 101)) if fields & 1 else 0,
            margin_mode=rng.randrange(2) if fields & 2 else 0,
            position_mode=rng.randrange(2) if fields & 4 else 0,
        )  # fmt: skip
        due = self.model.check_settings(request, self.clock.now_ns())
        self.judged("MARGIN_CONFIG_REQUEST", due, request)
