"""SB-1 to SB-4, LQ-1, INV-32: what the watch finds, when, in what order, and what it spends.

Held against plain sums over all buckets (model/watched.py).
"""

from __future__ import annotations

import random
from fractions import Fraction
from itertools import pairwise
from typing import Any

import pytest
from model import liquidation
from model.symbols import make_symbol
from model.watched import HALT, NEVER, OPEN, Place, Watched

from rsx.risk.watch import move_of

SCAN_LIMIT, RECKON_LIMIT = 8192, 128
USERS = range(10, 18)
STALE = 1


def market(symbol_id: int = 1, **changes: Any) -> Any:
    return make_symbol(id=symbol_id, **{"reference_px": 1000, **changes})


def one_long(collateral: int = 1_000, **changes: Any) -> Watched:
    """User 1 is long 10 at 1000 (5 % to keep); the watch has seen it."""
    world = Watched(market(**changes))
    world.run(f"u1 deposits {collateral}\nmark 1000\nu1 buys 10 @ 1000 of u9")
    world.settle()
    return world


# --- SB-1 -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("share", "size", "rate"),
    [(0, 1, 0), (2, 1, 0), (3, 1, 0), (3, 1, 1), (1_000, 7, 50_000), (1 << 62, 1, 0),
     (1 << 62, 1 << 40, 1_000_000), (10**9 + 7, 3, 333_333)],
)  # fmt: skip
def test_the_allowance_is_the_model_s(share: int, size: int, rate: int) -> None:
    assert move_of(share, size, rate) == liquidation.safe_move(share, 1, size, rate)


def test_a_threshold_lies_where_the_slack_ends() -> None:
    """SB-1: slack 500, less 2, over 10 x 1.05: 47. The bucket is below at 947.36."""
    world = one_long(margin_call_ppm=1_000_000)
    assert world.watch.threshold(1, 1) == 953
    world.run("mark 953")
    before = world.watch.counters()["buckets_reckoned"]
    world.settle()
    assert world.watch.counters()["buckets_reckoned"] == before
    world.run("mark 952")
    assert world.settle() == ([], [])
    assert world.watch.threshold(1, 1) < 952


def test_a_short_s_threshold_lies_above() -> None:
    world = Watched(market())
    world.run("u1 deposits 1000\nmark 1000\nu1 sells 10 @ 1000 of u9")
    world.settle()
    assert world.watch.threshold(1, 1) > 1000
    world.run("mark 1048")
    assert world.settle()[0] == [(1, 0, 0)]


# --- random ledgers ---------------------------------------------------------------------------


def markets(rng: random.Random) -> list[Any]:
    steep = ((rng.randrange(2_000, 50_000), 200_000, 100_000), (90_000, 500_000, 333_333))
    return [
        market(1, margin_call_ppm=rng.choice((1_000_000, 1_500_000, 10_000_000))),
        market(2, reference_px=77, maintenance_margin_ppm=rng.randrange(1, 100_001)),
        market(3, reference_px=20_000, brackets=steep, px_max=10**6),
    ]


class Chance:
    """Random records over a few users, of whom some hold isolated positions and some both legs."""

    def __init__(self, seed: int, mark_source: str):
        self.rng = random.Random(seed)
        self.world = Watched(*markets(self.rng), mark_source=mark_source)
        self.is_fed = mark_source == "feed"
        for symbol_id, own in self.world.markets.items():
            if self.is_fed:
                self.world.mark(symbol_id, own.reference_px)
        for user in USERS:
            self.world.run(f"u{user} deposits {self.rng.randrange(500, 50_000)}")
            if user % 3 == 0:
                self.world.run(f"u{user} hedges")
            for symbol_id in self.world.markets:
                if self.rng.random() < 0.4:
                    self.world.run(f"u{user} sets isolated 10 in {symbol_id}")

    def step(self) -> None:
        acts = (self.trade, self.mark, self.deposit, self.stop, self.time, self.rules, self.end)
        self.rng.choices(acts, (40, 40, 5, 4, 3, 2, 10))[0]()

    def near(self, symbol_id: int, part: int) -> int:
        """A price at most `part` thousandths from the mark."""
        px = self.world.ledger.mark(symbol_id)
        reference = self.world.markets[symbol_id].reference_px
        px += px * self.rng.randint(-part, part) // 1000 + self.rng.randint(-1, 1)
        return max(1, reference // 5, min(px, 5 * reference))

    def trade(self) -> None:
        rng, user, symbol_id = self.rng, self.rng.choice(USERS), self.rng.choice((1, 2, 3))
        px = self.near(symbol_id, 10)
        qty = rng.choice((1, -1)) * rng.randint(1, max(1, 40_000 // px))
        more = ""
        if user in self.world.hedgers and rng.random() < 0.4:
            leg = int(qty > 0)
            held = self.world.ledger.position(user, symbol_id, leg)
            most = abs(held["net_qty"]) if held else 0
            if not most:
                return
            qty, more = min(abs(qty), most) * (1 if leg else -1), " closing"
        self.world.trade(user, qty, px, symbol_id, more)

    def mark(self) -> None:
        symbol_id = self.rng.choice((1, 2, 3))
        px = self.near(symbol_id, self.rng.choice((2, 20, 200)))
        if self.is_fed:
            self.world.mark(symbol_id, px, STALE if self.rng.random() < 0.05 else 0)
        else:
            self.world.trade(USERS[0], 1, px, symbol_id)

    def deposit(self) -> None:
        self.world.run(f"u{self.rng.choice(USERS)} deposits {self.rng.randrange(1, 20_000)}")

    def stop(self) -> None:
        self.world.set_mode(self.rng.choice((1, 2, 3)), self.rng.choice((OPEN, OPEN, HALT)))

    def time(self) -> None:
        self.world.now_ns += self.rng.choice((1, 4, 11)) * 10**9

    def rules(self) -> None:
        """Only rates, so that what is open stays in order."""
        symbol_id = self.rng.choice((1, 2, 3))
        held = vars(self.world.markets[symbol_id])
        rate = self.rng.choice((10_000, 50_000, 99_999))
        self.world.set_rules(make_symbol(**{**held, "maintenance_margin_ppm": rate}))

    def end(self) -> None:
        """A liquidation ends, whether or not it helped."""
        if self.world.led:
            place = self.rng.choice(sorted(self.world.led))
            if self.rng.random() < 0.5:
                self.world.run(f"u{place[0]} deposits 30000")
            self.world.forget(place)


def check(world: Watched, rng: random.Random) -> None:
    """Nothing to be found is left, and thresholds are not too generous."""
    for place, bucket in world.buckets().items():
        if place in world.led:
            continue
        assert not world.is_below(bucket), place
        equity, need = world.figures(bucket, world.marks())
        if not world.is_live(bucket) or equity < need:
            continue  # parked
        marks, worst = world.marks(), world.worst_marks(place, bucket)
        equity, need = world.figures(bucket, worst)
        assert equity >= need, (place, bucket, marks, worst)
        between = {s: rng.randint(*sorted((marks[s], worst[s]))) for s in marks}
        equity, need = world.figures(bucket, between)
        assert equity >= need, (place, bucket, marks, between)


@pytest.mark.parametrize("mark_source", ["feed", "last"])
@pytest.mark.parametrize("seed", range(12))
def test_no_bucket_below_maintenance_stays_unfound(seed: int, mark_source: str) -> None:
    """SB-1, SB-2, LQ-1, INV-32; LIQ-1: whatever happens in whatever order between duty cycles."""
    chance = Chance(seed, mark_source)
    world, found = chance.world, 0
    for step in range(400):
        chance.step()
        if chance.rng.random() < 0.3:
            found += len(world.cycle(limit=chance.rng.choice((1, 2, RECKON_LIMIT)))[1])
        if step % 5 == 4:
            ended, _ = world.settle()
            found += len(ended)
            world.watch.audit(world.now_ns)
            check(world, chance.rng)

    assert found > 5


def test_what_is_found_is_below() -> None:
    """LQ-1: at the moment at which it is found; equal is safe."""
    chance = Chance(99, "feed")
    world, found = chance.world, 0
    for _ in range(1_500):
        chance.step()
        for place in world.cycle()[1]:
            found += 1
            assert world.is_below(world.buckets()[place]), place

    assert found > 20


# --- SB-2 -------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def crowd() -> Watched:
    """9,000 users, each long 1 at 1000 with 150 to 154 of collateral."""
    world = Watched(market(margin_call_ppm=1_000_000), accounts_max=9_100)
    world.mark(1, 1000)
    for user in range(100, 9_100):
        world.deposits(1, str(user), str(150 + user % 5))
        world.trades(1, str(user), "buys", "1", "1000", "9", None, None)
    world.settle()
    return world


def spent(world: Watched) -> tuple[int, int]:
    """(thresholds, buckets) of one duty cycle."""
    before = world.watch.counters()
    world.cycle()
    after = world.watch.counters()
    return (after["thresholds_compared"] - before["thresholds_compared"],
            after["buckets_reckoned"] - before["buckets_reckoned"])  # fmt: skip


def test_a_mark_that_passes_nothing_costs_two_duty_cycles(crowd: Watched) -> None:
    """SB-2: 9,000 longs and one short."""
    crowd.run("mark 1001")
    assert [spent(crowd) for _ in range(3)] == [(8192, 0), (809, 0), (0, 0)]


def test_the_limits_of_a_duty_cycle(crowd: Watched) -> None:
    """SB-2: everybody's threshold is passed, nobody is below."""
    crowd.run("mark 895")
    costs = []
    while not costs or any(costs[-1]):
        costs.append(spent(crowd))
    assert max(compared for compared, _ in costs) <= SCAN_LIMIT
    assert max(reckoned for _, reckoned in costs) == RECKON_LIMIT
    assert sum(reckoned for _, reckoned in costs) == 9_000
    assert not crowd.led
    crowd.watch.audit(0)
    crowd.run("mark 1000")
    crowd.settle()


def test_many_positions_count_as_what_they_take() -> None:
    """SB-2: 120 buckets of 3 position rows: 86 of them are 256 rows."""
    world = Watched(*map(market, (1, 2, 3)), accounts_max=200)
    for symbol in (1, 2, 3):
        world.mark(symbol, 1000)
        for user in range(100, 220):
            world.deposits(1, str(user), "5000")
            world.trades(symbol, str(user), "buys", "1", "1000", "9", None, None)
    world.settle()
    world.mark(1, 10_000)
    for user in range(100, 220):
        world.deposits(1, str(user), "1")
    assert [spent(world)[1] for _ in range(3)] == [86, 34, 0]


def test_a_mark_amid_a_pass_is_compared_with_everybody() -> None:
    """SB-2: the pass under way goes on, another one follows."""
    world = Watched(market(), accounts_max=9_100)
    world.mark(1, 1000)
    for user in range(100, 9_000):
        world.deposits(1, str(user), "5000")
        world.trades(1, str(user), "buys", "1", "1000", "9", None, None)
    world.run("u10 deposits 150\nu10 buys 1 @ 1000 of u9")  # the last row, compared first
    world.settle()
    world.run("mark 990")
    assert spent(world)[0] == SCAN_LIMIT
    world.run("mark 880")
    assert world.settle()[0] == [(10, 0, 0)]


def test_the_nearest_are_reckoned_first() -> None:
    """SB-2: by equity / maintenance when they were reckoned last."""
    world = Watched(market(margin_call_ppm=1_000_000))
    world.mark(1, 1000)
    slack = {20: 700, 21: 300, 22: 900, 23: 200, 24: 500}
    for user, amount in slack.items():
        world.run(f"u{user} deposits {amount}\nu{user} buys 1 @ 1000 of u9")
    world.settle()
    world.run("mark 10")
    order = []
    for _ in range(20):
        order += world.cycle(limit=1)[1]
    assert [user for user, _, _ in order] == sorted(slack, key=slack.__getitem__)


def test_changes_are_looked_at_though_no_mark_moves() -> None:
    """SB-2: a withdrawal, a fill; each alone."""
    world = one_long()
    world.run("u1 withdraws 501")
    assert world.settle()[0] == [(1, 0, 0)]
    world = one_long()
    world.run("u1 buys 11 @ 1000 of u9")
    assert world.settle()[0] == [(1, 0, 0)]


def test_new_rates_are_looked_at() -> None:
    """SB-2, SY-4: the configuration moves the line over the bucket."""
    world = one_long()
    world.set_rules(market(maintenance_margin_ppm=100_000, initial_margin_ppm=100_000))
    assert world.settle()[0] == []
    world.set_rules(market(maintenance_margin_ppm=100_001, initial_margin_ppm=200_000))
    assert world.settle()[0] == [(1, 0, 0)]


def test_one_in_liquidation_is_left_to_its_leader() -> None:
    """No mark finds it again; what changed meanwhile is seen when its liquidation has ended."""
    world = one_long()
    world.run("mark 900")
    assert world.settle()[0] == [(1, 0, 0)]
    world.run("mark 890\nu1 deposits 10\nmark 880")
    assert world.settle()[0] == []
    world.forget((1, 0, 0))
    assert world.settle()[0] == [(1, 0, 0)]
    world.run("u1 deposits 5000")
    world.forget((1, 0, 0))
    assert world.settle()[0] == []
    assert world.watch.threshold(1, 1) < 880


def test_nothing_is_reckoned_while_nothing_can_be_written() -> None:
    """T-6: a limit of 0 finds nobody and forgets nobody."""
    world = one_long()
    world.run("mark 900")
    for _ in range(5):
        assert world.cycle(limit=0)[1] == []
    assert world.settle()[0] == [(1, 0, 0)]


# --- SB-3 -------------------------------------------------------------------------------------


@pytest.mark.parametrize("seed", range(5))
def test_the_worst_come_first(seed: int) -> None:
    """SB-3: of those found in a duty cycle, by equity / maintenance, ties by user id."""
    rng = random.Random(seed)
    world = Watched(market(margin_call_ppm=1_000_000), accounts_max=200)
    world.mark(1, 1000)
    for user in rng.sample(range(100, 900), 90):
        world.run(f"u{user} deposits {rng.randrange(100, 117)}\nu{user} buys 1 @ 1000 of u9")
    world.settle()
    world.run("mark 930")
    found = world.cycle()[1]
    buckets = world.buckets()
    due = [(place[0], *world.figures(buckets[place], world.marks())) for place in found]
    assert len(found) == 90
    assert [place[0] for place in found] == liquidation.worst_first(due)
    keys = [(Fraction(equity, need), user) for user, equity, need in due]
    assert all(a < b for a, b in pairwise(keys))


# --- SB-4 -------------------------------------------------------------------------------------


def test_a_call_goes_out_once_until_a_tenth_above() -> None:
    """SB-4: below 1.5 x maintenance; 963 is above that line, 975 a tenth above."""
    world = one_long(1_100)
    seen = []
    for px in (963, 960, 959, 963, 960, 975, 963, 960):
        world.mark(1, px)
        seen.append(world.settle()[1])
    assert seen == [[], [(1, 0, 0)], [], [], [], [], [], [(1, 0, 0)]]


def test_one_who_was_called_is_still_found() -> None:
    """SB-4, INV-32: the threshold of one who was called is that of maintenance."""
    world = one_long(1_100)
    world.mark(1, 960)
    assert world.settle() == ([], [(1, 0, 0)])
    for px in range(959, 936, -1):
        world.mark(1, px)
        assert world.settle() == ([], [])
    world.mark(1, 936)
    assert world.settle() == ([(1, 0, 0)], [])


def test_one_who_was_called_and_closed_is_called_anew() -> None:
    """SB-4: flat is above any line."""
    world = one_long(1_100)
    world.mark(1, 960)
    assert world.settle()[1] == [(1, 0, 0)]
    world.trade(1, -10, 960)
    world.settle()
    assert world.watch.counters()["buckets_called"] <= 1
    world.trade(1, 10, 960)
    assert world.settle()[1] == [(1, 0, 0)]


def test_an_isolated_position_is_called_by_itself() -> None:
    """SB-4, IM-1; again after it was flat."""
    world = Watched(market())
    world.run("u1 deposits 100000\nmark 1000\nu1 sets isolated 10\nu1 buys 10 @ 1000 of u9")
    assert world.settle() == ([], [])
    world.mark(1, 970)
    assert world.settle() == ([], [(1, 1, 0)])
    world.trade(1, -10, 970)
    world.settle()
    world.mark(1, 1000)
    world.trade(1, 10, 1000)
    world.settle()
    world.mark(1, 970)
    assert world.settle() == ([], [(1, 1, 0)])


def test_a_call_that_finds_no_room_waits_for_the_next_mark() -> None:
    """SB-4, T-6: a full ring delays calls alone."""
    world = one_long(1_100)
    world.mark(1, 960)
    assert world.settle(calls_max=0) == ([], [])
    world.mark(1, 960)
    assert world.settle() == ([], [(1, 0, 0)])


# --- LQ-1: parked -----------------------------------------------------------------------------


def parked() -> Watched:
    """User 1 is long 10 in two markets; only the first has a mark again after 11 s."""
    world = Watched(market(1), market(2))
    world.mark(1, 1000)
    world.mark(2, 1000)
    world.run("u1 deposits 2000\nu1 buys 10 @ 1000 of u9\nu1 buys 10 @ 1000 of u9 in 2")
    world.settle()
    world.now_ns = 11 * 10**9
    return world


def test_nothing_is_found_on_a_stale_mark() -> None:
    """LQ-1; LIQ-22: looked at again when what is stale is live, and not before."""
    world = parked()
    world.mark(1, 800)
    assert world.settle() == ([], [])
    assert (world.watch.threshold(1, 1), world.watch.threshold(1, 2)) == (-NEVER - 1, NEVER)
    reckoned = world.watch.counters()["buckets_reckoned"]
    for px in (790, 780):
        world.mark(1, px)
        world.settle()
    assert world.watch.counters()["buckets_reckoned"] == reckoned
    world.mark(2, 1000)
    assert world.settle()[0] == [(1, 0, 0)]


def test_a_mark_that_calls_itself_stale_awakens_nobody() -> None:
    """LQ-1, MK-7; LIQ-22."""
    world = one_long()
    world.mark(1, 900, STALE)
    assert world.settle() == ([], [])
    world.mark(1, 900, STALE)
    assert world.settle() == ([], [])
    world.mark(1, 900)
    assert world.settle()[0] == [(1, 0, 0)]


def test_nobody_is_found_where_nothing_trades() -> None:
    """LQ-1, MO-4; LIQ-12: and found when the market opens, without a mark."""
    world = one_long()
    world.set_mode(1, HALT)
    world.run("mark 900")
    assert world.settle() == ([], [])
    world.set_mode(1, OPEN)
    assert world.settle()[0] == [(1, 0, 0)]


def test_one_halted_market_of_two_does_not_save_the_bucket() -> None:
    """LQ-1: the bucket's others are not left alone."""
    world = parked()
    world.set_mode(1, HALT)
    world.mark(2, 1000)
    world.mark(1, 880)
    assert world.settle()[0] == [(1, 0, 0)]


# --- mark source "last" -----------------------------------------------------------------------


def test_each_trade_moves_the_mark_where_nothing_else_does() -> None:
    """K-1, SB-2; LIQ-11: with the source "last" a fill between others finds user 1."""
    world = Watched(market(), mark_source="last")
    world.run("u1 deposits 1000\nu1 buys 10 @ 1000 of u9")
    world.run("u2 deposits 100000\nu2 buys 1 @ 953 of u9")
    assert world.settle() == ([], [(1, 0, 0)])
    world.run("u2 buys 1 @ 940 of u9")
    assert world.settle()[0] == [(1, 0, 0)]


# --- places -----------------------------------------------------------------------------------


def test_cross_and_isolated_of_one_user_are_apart() -> None:
    """G-3: one is found, the other is not."""
    world = Watched(market(1), market(2))
    world.mark(1, 1000)
    world.mark(2, 1000)
    world.run("u1 deposits 3000\nu1 sets isolated 10 in 2")
    world.run("u1 buys 10 @ 1000 of u9\nu1 buys 10 @ 1000 of u9 in 2")
    world.settle()
    world.mark(2, 940)
    assert world.settle()[0] == [(1, 2, 0)]
    world.mark(1, 840)
    assert world.settle()[0] == [(1, 0, 0)]


def test_legs_share_a_cross_bucket_and_not_an_isolated_one() -> None:
    """HG-4."""
    world = Watched(market(1), market(2))
    world.mark(1, 1000)
    world.mark(2, 1000)
    world.run("u1 deposits 3600\nu1 hedges\nu1 sets isolated 10 in 2")
    for symbol in (1, 2):
        world.run(f"u1 buys 10 @ 1000 of u9 in {symbol}\nu1 sells 10 @ 1000 of u9 in {symbol}")
    world.settle()
    world.mark(1, 700)
    assert world.settle()[0] == []
    world.mark(2, 1060)
    due: list[Place] = [(1, 2, 1)]
    assert world.settle()[0] == due
