"""What records become in the archive (AR-20 to AR-25), against the ledger and the log itself."""

from __future__ import annotations

import random
from collections import defaultdict

import pytest
from scenario.chaos import Chaos
from store.helpers import archived, extract, rows, tables
from world import GTC, IOC, NOW_NS, World, make_market

from rsx.core.check import InvariantError
from rsx.records import FUND_USER_BASE, RECORD_SIZE, decode, iterate

BUY, SELL = 0, 1
ORDER = (
    "SELECT status, reason, px, qty, filled, cut, notional, fee, profit, amends, ended_ns > 0"
    " FROM orders WHERE oid = ?"
)


@pytest.fixture
def world(tmp_path):
    world = World(tmp_path)
    world.deposit(1, 2, 3)
    world.run()
    yield world
    world.close()


def order(world, tmp_path, oid):
    path = tmp_path / "archive.db"
    path.unlink(missing_ok=True)
    archived(path, world.log())
    (row,) = rows(path, ORDER, oid)
    return row


def test_an_order_that_is_filled_in_two_parts(world, tmp_path):
    oid = world.place(1, BUY, 1000, 100)
    world.run()
    assert order(world, tmp_path, oid) == (1, 0, 1000, 100, 0, 0, 0, 0, 0, 0, 0)
    world.place(2, SELL, 1000, 40, tif=IOC)
    world.run()
    assert order(world, tmp_path, oid) == (1, 0, 1000, 100, 40, 0, 40_000, -2, 0, 0, 0)
    world.place(3, SELL, 1000, 60, tif=IOC)
    world.run()
    assert order(world, tmp_path, oid) == (0, 0, 1000, 100, 100, 0, 100_000, -5, 0, 0, 1)


def test_an_order_that_is_amended_and_cancelled(world, tmp_path):
    oid = world.place(1, BUY, 1000, 100)
    world.run()
    world.amend(1, oid, 1005, 80)
    world.run()
    assert order(world, tmp_path, oid)[:4] == (1, 0, 1005, 80)
    world.cancel(1, oid)
    world.run()
    assert order(world, tmp_path, oid) == (2, 3101, 1005, 80, 0, 0, 0, 0, 0, 1, 1)


def test_what_the_match_refused_is_kept(world, tmp_path):
    world.place(1, BUY, 1000, 100, cid="same")
    again = world.place(1, BUY, 1000, 100, cid="same")
    world.place(2, SELL, 1005, 100)
    post = world.place(1, BUY, 1005, 10, flags=1)
    world.run()
    path = archived(tmp_path / "archive.db", world.log())
    found = rows(path, "SELECT status, reason, original_oid FROM orders WHERE oid IN (?, ?)",
                 again, post)  # fmt: skip
    assert found == [(3, 3001, 1), (3, 3002, 0)]


def test_a_trigger_and_its_order_are_one_row(world, tmp_path):
    world.place(1, BUY, 990, 100)
    oid = world.stop(2, SELL, 995, 50)
    world.run()
    assert order(world, tmp_path, oid)[0] == 5
    world.place(3, SELL, 990, 10, tif=IOC)
    world.mark(990)
    world.run()
    path = archived(tmp_path / "again.db", world.log())
    columns = "status, kind, trigger_px, fired_px > 0, filled, notional, ended_ns > 0"
    assert rows(path, f"SELECT {columns} FROM orders WHERE oid = ?", oid) == [
        (0, 2, 995, 1, 50, 49_500, 1)
    ]


def test_a_trigger_that_is_cancelled(world, tmp_path):
    oid = world.stop(2, SELL, 995, 50)
    world.run()
    world.cancel(2, oid)
    world.run()
    assert order(world, tmp_path, oid)[:2] == (2, 3101)


def test_a_part_that_is_cut_off(world, tmp_path):
    """ORDER_REDUCED of an order that an earlier batch began: its status stays."""
    world.place(1, BUY, 1000, 100)
    world.place(2, SELL, 1000, 100, tif=IOC)
    world.run()
    oid = world.place(1, SELL, 1010, 100, flags=2)
    world.run()
    log = world.log()
    world.place(3, BUY, 1000, 50)
    world.place(1, SELL, 1000, 50, tif=IOC)
    world.run()
    more = len(world.log()) // RECORD_SIZE - len(log) // RECORD_SIZE
    path = archived(tmp_path / "a.db", world.log(), [len(log) // RECORD_SIZE, more])
    assert rows(path, "SELECT status, qty, cut, filled FROM orders WHERE oid = ?", oid) == [
        (1, 100, 50, 0)
    ]


def test_candles_of_every_length(world, tmp_path):
    """AR-25: aligned to Unix time, open first, close last, what takers bought apart."""
    trades = ((0, 1000, BUY), (1, 1010, SELL), (59, 990, BUY), (61, 1005, BUY), (90_000, 995, SELL))
    for after, px, side in trades:
        world.clock.set(NOW_NS + after * 1_000_000_000)
        world.place(1, 1 - side, px, 10)
        world.place(2, side, px, 10, tif=IOC)
        world.run()
    path = archived(tmp_path / "a.db", world.log())
    columns = "open, high, low, close, volume, quote_low, trades, buy_volume, buy_quote_low"
    now = NOW_NS // 1_000_000_000
    day = now - now % 86_400
    assert rows(path, f"SELECT {columns} FROM candles WHERE interval_s = 86400 AND start_s = ?",
                day) == [(1000, 1010, 990, 1005, 40, 40_050, 4, 30, 29_950)]  # fmt: skip
    hour = now - now % 3600
    assert rows(path, "SELECT start_s, open, close FROM candles WHERE interval_s = 3600"
                " AND start_s >= ?", hour)[0] == (hour, 1000, 1005)  # fmt: skip
    assert len(rows(path, "SELECT 1 FROM candles WHERE interval_s = 1")) == 5


def test_quote_volumes_beyond_64_bits(tmp_path):
    """Two fills whose sum leaves 64 bits keep every digit."""
    huge = make_market(
        1, price_decimals=0, qty_decimals=0, tick=1, lot=1, px_max=1 << 24,
        qty_max=1 << 38, notional_max=1 << 61, reference_px=1 << 23, taker_fee_ppm=0,
        maker_fee_ppm=0, initial_margin_ppm=10_000, maintenance_margin_ppm=5_000,
    )  # fmt: skip
    world = World(tmp_path, huge)
    world.deposit(1, 2, amount=1 << 55)
    world.run()
    px, qty = 1 << 23, 1 << 36
    for _ in range(6):  # back and forth, so that margin suffices
        for maker in (1, 2):
            world.place(maker, BUY, px, qty)
            world.place(3 - maker, SELL, px, qty, tif=IOC)
            world.run()
    fills = world.names().count("FILL")
    world.close()
    assert fills >= 8
    path = archived(tmp_path / "a.db", world.log())
    (row,) = rows(path, "SELECT quote_high, quote_low FROM candles WHERE interval_s = 86400")
    assert row[0] * 10**12 + row[1] == fills * px * qty


def test_a_record_out_of_order_is_refused(world):
    log = world.log()
    with pytest.raises(InvariantError):
        extract(log[RECORD_SIZE:])


def same_books(chaos):
    """Hold the extractor against the ledger; returns the names of the log's records."""
    log = chaos.log()
    extractor, _ = extract(log)
    state = chaos.fold()
    books = extractor.books
    funds = [user for user in books.accounts if user >= FUND_USER_BASE]
    for user in [*state.ledger.users(), *funds]:
        account = state.ledger.account(user)
        mine = books.accounts[user].collateral if user in books.accounts else 0
        assert mine == account["collateral"], user
        for (symbol, leg), position in state.ledger.positions(user).items():
            own = books.positions.get(user << 17 | symbol << 1 | leg)
            found = (own.net, own.cost, own.wallet) if own is not None else (0, 0, 0)
            due = (position["net_qty"], position["entry_cost"], position["wallet"])
            assert found == due, (user, symbol, leg)
    return {view.record.name for view in iterate(log)}


SIZES = {"accounts_max": 1024, "positions_max": 4096}


def test_balances_and_positions_are_the_ledgers(tmp_path):
    """AR-24 over drawn histories with hedge legs, isolated margin, funding, liquidations, ADL."""
    names = set()
    for seed, shards in ((9, 1), (11, 1), (18, 1), (23, 1), (2, 3), (3, 3)):
        risk = {**SIZES, "shards": shards}
        chaos = Chaos(tmp_path / str(seed), seed, bold=9, risk=risk)
        for _ in range(250):
            chaos.act()
        chaos.run()
        names |= same_books(chaos)
        chaos.close()
    assert {
        "FILL", "MARGIN_CONFIG", "FUNDING_PAYMENT", "LIQUIDATION_STEP", "POSITION_TRANSFERRED",
        "WITHDRAWAL", "MARGIN_TRANSFERRED", "LIQUIDATION_SETTLED",
    } <= names  # fmt: skip


@pytest.mark.parametrize("seed", (11, 12))
def test_any_cut_into_batches_gives_the_same_rows(tmp_path, seed):
    """AR-2: with the process ended between any two transactions, each record counts once."""
    chaos = Chaos(tmp_path / "data", seed)
    for _ in range(100):
        chaos.act()
    chaos.run()
    log = chaos.log()
    count = len(log) // RECORD_SIZE
    rng = random.Random(seed)
    parts = []
    while sum(parts) < count:
        parts.append(min(rng.choice((1, 7, 40, 300)), count - sum(parts)))
    whole = tables(archived(tmp_path / "whole.db", log))
    cut = tables(archived(tmp_path / "cut.db", log, parts))
    assert whole == cut


def test_running_balances_add_up_to_the_last(tmp_path):
    """Every change of collateral is told, each with the balance after it (AR-23)."""
    chaos = Chaos(tmp_path / "data", 5)
    for _ in range(150):
        chaos.act()
    chaos.run()
    path = archived(tmp_path / "a.db", chaos.log())
    changes = rows(path, "SELECT key, user_id, amount, balance FROM balances")
    for role, part in (("taker", 0), ("maker", 1)):
        changes += rows(path, f"SELECT seq * 4 + {part}, {role}_user_id, {role}_change,"
                        f" {role}_balance FROM fills")  # fmt: skip
    balances: dict[int, int] = defaultdict(int)
    for _, user, amount, balance in sorted(changes):
        balances[user] += amount
        assert balances[user] == balance
    assert dict(rows(path, "SELECT * FROM accounts WHERE collateral <> 0")) == {
        user: balance for user, balance in balances.items() if balance
    }


def test_order_rows_agree_with_the_books(tmp_path):
    """Live orders of the archive are those of the engines, with what is filled and open."""
    chaos = Chaos(tmp_path / "data", 21)
    for _ in range(200):
        chaos.act()
    chaos.run()
    path = archived(tmp_path / "a.db", chaos.log())
    live = {row[0]: row[1:] for row in rows(
        path, "SELECT oid, user_id, px, qty - filled - cut, filled FROM orders WHERE status = 1"
    )}  # fmt: skip
    due = {}
    for engine in chaos.fold().engines.values():
        for oid, user, px, remaining, _, _, _, _, qty, *_ in engine.orders():
            due[oid] = (user, px, remaining, qty - remaining)
    assert live == due
    waiting = {oid for (oid,) in rows(path, "SELECT oid FROM orders WHERE status = 5")}
    assert waiting == {row["oid"] for engine in chaos.fold().engines.values()
                       for row in engine.triggers() if row["state"] != 4}  # fmt: skip


def test_sums_of_orders_are_those_of_their_fills(tmp_path):
    chaos = Chaos(tmp_path / "data", 8)
    for _ in range(150):
        chaos.act()
    chaos.run()
    path = archived(tmp_path / "a.db", chaos.log())
    sums: dict[int, list[int]] = defaultdict(lambda: [0, 0, 0])
    for row in rows(path, "SELECT px * qty, qty, taker_oid, taker_fee, maker_oid, maker_fee"
                    " FROM fills"):  # fmt: skip
        value, qty, taker, taker_fee, maker, maker_fee = row
        for oid, fee in ((taker, taker_fee), (maker, maker_fee)):
            sums[oid] = [a + b for a, b in zip(sums[oid], (qty, value, fee), strict=True)]
    orders = rows(path, "SELECT oid, filled, notional, fee FROM orders WHERE filled > 0")
    assert {oid: list(row) for oid, *row in orders} == sums


def test_every_logged_time_finds_its_numbers(world, tmp_path):
    """The clock maps a second to the numbers that lie in it (ranges of times, AR-30)."""
    for after in (1, 3, 5, 9):
        world.clock.set(NOW_NS + after * 1_000_000_000)
        world.place(1, BUY, 1000, 10, tif=GTC)
        world.run()
    log = world.log()
    path = archived(tmp_path / "a.db", log)
    spans = {second: (first, last) for second, first, last in rows(path, "SELECT * FROM clock")}
    for at in range(0, len(log), RECORD_SIZE):
        view = decode(log, at)
        if view.record.name.startswith("ORDER"):
            first, last = spans[view.ts_ns // 1_000_000_000]
            assert first <= view.seq <= last
