"""A whole exchange under a stepper, with every released record folded by the plain model.

`Venue` is the world of tests/world.py and a model beside it: whatever the log releases is folded
by tests/model/fold.py, money is counted after every record, and what may be said of liquidations
is checked at every record and whenever the exchange has come to rest.
"""

from __future__ import annotations

from collections import Counter, deque
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from model import liquidation, margin
from model.fold import ADL, BANKRUPT, CROSS_BUCKET, ORDERED, STARTED
from model.ledger import ModelLedger
from world import World

from rsx import records
from rsx.config import SymbolConfig
from rsx.records import FUND_USER_BASE, RECORD_SIZE, View, decode

MS = 1_000_000
OPEN = 0
STEP_NS = 100 * MS  # of the clock while it is left to the exchange


@dataclass(slots=True)
class Wait:
    """A bucket below maintenance: since when, and how long it may be, in usable time."""

    since_ns: int
    patience_ns: int


class Venue(World):
    """Args  folder, markets, sections: as of World; the marks come from `quote`."""

    def __init__(self, folder: Path, *markets: SymbolConfig, **sections: dict[str, Any]):
        self.model: ModelLedger | None = None
        self.folded = 0  # records
        self.counts: Counter[str] = Counter()
        self.reasons: Counter[int] = Counter()
        self.stages: Counter[int] = Counter()
        self.kinds: Counter[int] = Counter()  # of transfers that moved something
        self.several = 0  # liquidations of buckets with positions in several markets
        self.below: dict[tuple[int, tuple[int, int]], Wait] = {}
        self.usable_ns = 0  # time that rounds could use: a jump of the clock counts as one step
        self.looked_ns = 0
        self.plans: dict[int, deque[tuple[int, int, int]]] = {}  # transfer id -> who, leg, score
        self.as_planned: Counter[bool] = Counter()
        self.taken_over: set[int] = set()
        self.audit_every = 1
        self.look_every = 1  # of the looks for who is below maintenance
        self.looks = 0
        stale_ms = sections.get("mark", {}).get("stale_ms", 90_000)
        mark = {"source": "synthetic", "stale_ms": stale_ms}
        super().__init__(folder, *markets, **{**sections, "mark": mark})

    def start(self) -> None:
        super().start()
        if self.model is None:
            self.model = ModelLedger(
                self.config.symbols, self.config.mark_source, self.config.mark.stale_ms
            )
        data = self.log()
        for at in range(self.folded * RECORD_SIZE, len(data), RECORD_SIZE):
            self.take(decode(data, at, crc=False))

    def restart(self, **sections: dict[str, Any]) -> None:
        """Recover from the log: the same state, and the model goes on with what was written."""
        before = self.fold().state_hash()
        super().restart(**sections)
        assert self.recovered.state.state_hash() == self.fold().state_hash()
        assert before or True
        self.run()

    # --- what comes out -------------------------------------------------------------------

    def collect(self) -> int:
        count = super().collect()
        self.after_collect()
        return count

    def after_collect(self) -> None:
        for view in self.released:
            self.take(view)
        self.released.clear()
        for view in self.answers:
            self.counts[view.record.name] += 1
            if view.record.name == "REQUEST_REJECTED":
                self.reasons[view.reason] += 1
        self.answers.clear()
        self.requests.clear()

    def take(self, r: View) -> None:
        """Fold one record, checking it against what the model knows before it."""
        if r.seq <= self.folded:
            return
        assert r.seq == self.folded + 1, (r.seq, self.folded)
        self.folded = r.seq
        self.counts[r.record.name] += 1
        watch = getattr(self, "before_" + r.record.name.lower(), None)
        if watch:
            watch(r)
        self.model.apply(r)
        if self.folded % self.audit_every == 0:
            self.model.conserved()

    def before_liquidation_step(self, r: View) -> None:
        """LQ-1: never on a stale or missing price, never of who is not below."""
        self.stages[r.stage] += 1
        model = self.model
        symbols = {r.symbol_id} if r.symbol_id else set()
        if r.stage in (STARTED, ORDERED, BANKRUPT):
            assert r.equity < r.maintenance_margin, r
            key = (r.user_id, CROSS_BUCKET)
            if r.symbol_id:
                key = model.bucket_key(r.user_id, r.symbol_id, r.leg)
            symbols |= {s for _, s, _ in model.bucket_positions(key)}
            for symbol in symbols:
                mark = model.markets[symbol].mark
                assert mark is not None and mark.state == 0, ("LQ-1", r, symbol)
                age = r.ts_ns - mark.ts_ns if r.ts_ns > mark.ts_ns else 0
                assert age <= self.config.mark.stale_ms * MS, ("LQ-1", r, symbol)
        if r.stage == STARTED:
            self.several += len(symbols) > 1 + bool(r.symbol_id)
        if r.stage == BANKRUPT:
            at_zero = r.equity if key[1] != CROSS_BUCKET else liquidation.share_of_equity(
                r.equity, margin.maintenance(
                    model.symbols[r.symbol_id], abs(r.net_qty) * r.mark_px
                ), r.maintenance_margin,
            )  # fmt: skip
            due = liquidation.bankruptcy_px(
                model.symbols[r.symbol_id], r.net_qty, r.mark_px, at_zero
            )
            assert (r.px, r.qty) == (due, abs(r.net_qty)), ("LQ-8", r, due)
        if r.stage == ORDERED:
            rules = model.symbols[r.symbol_id]
            slip = liquidation.slip_ppm(rules, r.round)
            low = r.mark_px * (margin.PPM - slip) // margin.PPM
            high = margin.ceil_div(r.mark_px * (margin.PPM + slip), margin.PPM)
            tick = liquidation.tick_at(rules, r.px)
            assert r.px % tick == 0, ("LQ-5", r)
            assert (r.px >= low - tick) if r.net_qty > 0 else (r.px <= high + tick), ("LQ-5", r)
            assert 0 < r.qty <= abs(r.net_qty), ("LQ-5", r)
            for (user, place), wait in self.below.items():
                if user == r.user_id and (user, place) != key:  # LQ-4: of the account
                    wait.patience_ns += self.pauses_ns(user, place)

    def before_position_transferred(self, r: View) -> None:
        """IF-2, IF-3, AD-1: position first, then the fund, then counterparties by rank."""
        if not r.qty:
            return
        self.kinds[r.kind] += 1
        model, rules = self.model, self.model.symbols[r.symbol_id]
        mark = model.mark(r.symbol_id)
        if r.transfer_id not in self.taken_over and r.mark_px == mark:
            self.taken_over.add(r.transfer_id)
            fund = (FUND_USER_BASE + r.symbol_id, r.symbol_id, 0)
            net = model.position_at(*fund).net
            equity = model.accounts[fund[0]].collateral + model.unrealised(fund)
            leg = margin.leg_of(r.side, r.user_flags)
            whole = abs(model.position_at(r.user_id, r.symbol_id, leg).net)
            fits = liquidation.takeover_qty(rules, r.side, whole, r.px, mark, equity, net)
            assert r.qty == fits if r.kind != ADL else fits == 0, ("IF-2", r, fits, equity, net)
        if r.kind == ADL and r.mark_px == mark:
            self.ranked(r, mark)

    def ranked(self, r: View, mark: int) -> None:
        """AD-1, AD-2: the counterparties of a bankruptcy are those that the model would take."""
        model, rules = self.model, self.model.symbols[r.symbol_id]
        if r.transfer_id not in self.plans:
            leg = margin.leg_of(r.side, r.user_flags)
            mine = model.position_at(r.user_id, r.symbol_id, leg).net
            line = []
            for (user, symbol, other), p in model.positions.items():
                if symbol != r.symbol_id or p.net * mine >= 0:
                    continue
                bucket = model.bucket_key(user, symbol, other)
                last = user >= FUND_USER_BASE or bucket in model.liquidations
                line.append(liquidation.Candidate(
                    user, other, p.net, p.cost, model.bucket(bucket)[0], last
                ))  # fmt: skip
            cuts = liquidation.deleverage(rules, line, abs(mine), mark, rules.adl)
            self.plans[r.transfer_id] = deque((c.user, c.leg, c.qty) for c in cuts)
        plan = self.plans[r.transfer_id]
        due = plan.popleft() if plan else None
        leg = margin.leg_of(1 - r.side, r.counter_flags)
        self.as_planned[due == (r.counter_user_id, leg, r.qty)] += 1

    # --- time -----------------------------------------------------------------------------

    def quote(self, px: int, symbol: int = 1, index: int | None = None, state: int = 0) -> bool:
        """What the mark tile would push."""
        update = records.MARK_UPDATE.pack(
            ts_ns=self.clock.now_ns(), mark_px=px, index_px=px if index is None else index,
            symbol_id=symbol, state=state, sources=1,
        )  # fmt: skip
        return bool(self.rings["mark_risk"].push(update))

    def settle(self, ms: int = 0) -> None:
        """Let so much time pass, in steps that rounds and pauses can use."""
        self.run()
        self.look()
        end = self.clock.now_ns() + ms * MS
        while self.clock.now_ns() < end:
            self.clock.advance(min(STEP_NS, end - self.clock.now_ns()))
            self.run()
            self.look()

    def is_fresh(self, symbol: int) -> bool:
        mark = self.model.markets[symbol].mark
        if mark is None or mark.state:
            return False
        return bool(self.clock.now_ns() - mark.ts_ns <= self.config.mark.stale_ms * MS)

    def pauses_ns(self, user: int, place: tuple[int, int]) -> int:
        """LQ-4: the pauses after every round of every position of a bucket, and the steps in which
        time passes."""
        rules = [self.model.symbols[s] for _, s, _ in self.model.bucket_positions((user, place))]
        delay_ms = max((r.liquidation_delay_ms for r in rules), default=0)
        rounds = [r.liquidation_rounds for r in rules]
        return sum(n * (n + 1) // 2 * delay_ms * MS + (n + 1) * STEP_NS for n in rounds)

    def look(self) -> None:
        """The exchange is at rest: nobody below maintenance is left alone (LQ-1), and with fresh
        marks and open markets every such bucket ends with its rounds (LQ-4)."""
        model, now = self.model, self.clock.now_ns()
        self.usable_ns += min(now - self.looked_ns, STEP_NS)
        self.looked_ns = now
        self.looks += 1
        if self.looks % self.look_every:
            return
        buckets = list(model.buckets())
        for key in self.below.keys() - set(buckets):
            del self.below[key]
        for key in buckets:
            symbols = {s for _, s, _ in model.bucket_positions(key)}
            blocked = any(not self.is_fresh(s) or model.markets[s].mode != OPEN for s in symbols)
            equity, maintenance = model.bucket(key)
            if equity >= maintenance or blocked:
                self.below.pop(key, None)
                continue
            assert key in model.liquidations, ("LQ-1", key, equity, maintenance, now)
            wait = self.below.get(key)
            if wait is None:
                wait = self.below[key] = Wait(self.usable_ns, STEP_NS + self.pauses_ns(*key))
            waited = self.usable_ns - wait.since_ns
            assert waited <= wait.patience_ns, ("LQ-4", key, equity, maintenance, waited, wait)

    # --- at the end -----------------------------------------------------------------------

    def prove(self) -> None:
        """The log replays to the live state, and the model agrees with the ledger on everything."""
        self.model.audit()
        self.recovered.state.audit()
        folded = self.fold()
        folded.audit()
        assert folded.state_hash() == self.live_hash()
        self.compare()

    def compare(self) -> None:
        """Every account, position, margin figure and total, to the last unit."""
        ledger, now = self.recovered.state.ledger, self.clock.now_ns()
        for user in self.model.accounts:
            same(user, ledger.account(user, now), self.model.account(user, now))
            for _, symbol, leg in self.model.keys_of(user):
                seen, due = ledger.position(user, symbol, leg), self.model.position(
                    user, symbol, leg
                )  # fmt: skip
                same((user, symbol, leg), seen, due)
        same("totals", ledger.totals(), self.model.totals())


def same(what: Any, seen: dict[str, int] | None, due: dict[str, int]) -> None:
    """Everything that both tell of is equal; nothing known is all zeros."""
    if seen is None:
        assert not any(due.values()), (what, due)
        return
    both = seen.keys() & due.keys()
    different = {name: (seen[name], due[name]) for name in both if seen[name] != due[name]}
    assert both and not different, (what, different)
