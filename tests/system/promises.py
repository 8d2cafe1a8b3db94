"""What witnesses were told, held against the log and against an exchange that runs on it (L-25).

Everything told is in the log, the exchange says what the log says, and what was not answered can be
sent again.
"""

from __future__ import annotations

import random
import shutil
import sqlite3
import tempfile
import time
from contextlib import closing
from decimal import Decimal
from pathlib import Path

from system.audit_log import LogFacts
from system.process import ExchangeProcess
from system.witness import SYMBOLS, Load, Witness

from rsx.client import Client, Fill, Order
from rsx.errors import Reason

SYMBOL_IDS = {"BTC-PERP": 1, "ETH-PERP": 2}
PRICE_UNIT, QTY_UNIT, MONEY_UNIT = Decimal("0.01"), Decimal("0.000001"), Decimal("0.00000001")
HISTORY = 1000  # fills of a user that an exchange has at hand after a start
QUIET_S = 0.3
ARCHIVE_S = 20.0
OF_A_FILL = ("seq", "ts_ns", "symbol_id", "px", "qty", "taker_side", "taker_user_id",
             "maker_user_id", "taker_oid", "maker_oid", "taker_fee", "maker_fee")  # fmt: skip


def check_log(load: Load, facts: LogFacts) -> None:
    """Everything told is in the log, and the log says the same about it."""
    for witness in load.witnesses.values():
        for (seq, oid), fill in witness.fills.items():
            assert seq in facts.fills, f"fill {seq} of {oid} was told and is not in the log"
            record = facts.fills[seq]
            assert oid in (record.taker_oid, record.maker_oid)
            maker = oid == record.maker_oid
            assert fill.maker == maker
            assert (fill.price, fill.qty) == (record.px * PRICE_UNIT, record.qty * QTY_UNIT)
            fee = record.maker_fee if maker else record.taker_fee
            assert fill.fee == fee * MONEY_UNIT
        for oid, order in witness.resting.items():
            assert oid in facts.taken, f"{oid} was told {order.status} and is not in the log"
        for oid, price, qty in witness.amended:
            terms = (price / PRICE_UNIT, qty / QTY_UNIT)
            assert terms in facts.terms[oid], f"{oid} was told amended to {price}, {qty}"
        for oid, order in witness.ended.items():
            assert oid in facts.ends, f"{oid} was told {order.status} and is open in the log"
    for seq, (user, amount) in load.deposits.items():
        assert seq in facts.deposits, f"deposit {seq} of {user} was told and is not in the log"
        record = facts.deposits[seq]
        assert (record.user_id, record.amount * MONEY_UNIT) == (user, amount)
    for seq, trade in load.public.items():
        assert seq in facts.fills, f"trade {seq} was published and is not in the log"
        record = facts.fills[seq]
        assert (trade.price, trade.qty) == (record.px * PRICE_UNIT, record.qty * QTY_UNIT)
    twice = {key: oids for key, oids in facts.by_cid.items() if len(oids) > 1}
    assert not twice, f"accepted more than once: {twice}"


def settle(exchange: ExchangeProcess) -> None:
    """Wait until the log has stood still for a while: triggers whose price had come fire on."""
    last, since = -1.0, time.monotonic()
    while time.monotonic() - since < QUIET_S:
        seq = exchange.metrics()["rsx_gateway_seq"]
        if seq != last:
            last, since = seq, time.monotonic()
        time.sleep(0.05)


async def newest_fills(client: Client) -> list[Fill]:
    found: list[Fill] = []
    while len(found) < HISTORY:
        page = await client.fills(limit=500, before=found[-1].seq if found else 0)
        if not page:
            break
        found += page
    return found


async def check_restarted(load: Load, facts: LogFacts, exchange: ExchangeProcess) -> None:
    """The running exchange says what the log says, and what the witnesses were told."""
    for witness in load.witnesses.values():
        async with Client(exchange.url, exchange.token(witness.user)) as client:
            await check_fills(witness, facts, client)
            await check_orders(witness, facts, client)
            await check_money(witness.user, facts, client)


async def check_fills(witness: Witness, facts: LogFacts, client: Client) -> None:
    sides = facts.sides[witness.user]
    told = {(f.seq, f.oid): f for f in await newest_fills(client)}
    assert len(told) >= min(len(sides), HISTORY)
    assert sorted(told) == sorted(sides[-len(told) :]) if told else not sides
    same = ("symbol", "side", "price", "qty", "fee", "maker", "ts_ns")
    for key, now in told.items():
        if fill := witness.fills.get(key):
            assert all(getattr(now, name) == getattr(fill, name) for name in same), (now, fill)


async def check_orders(witness: Witness, facts: LogFacts, client: Client) -> None:
    open_now = {order.oid: order for order in await client.orders()}
    mine = {oid for oid in facts.open_oids if facts.taken[oid].user_id == witness.user}
    assert open_now.keys() == mine
    assert not open_now.keys() & witness.ended.keys()
    for oid, order in list(witness.resting.items()):
        if oid not in open_now:
            assert oid in facts.ends, f"{oid} was told resting and is gone"
            del witness.resting[oid]  # it ended unheard
            continue
        now, taken = open_now[oid], facts.taken[oid]
        price, qty = facts.terms[oid][-1] if oid in facts.terms else (taken.px, taken.qty)
        assert (now.price, now.qty) == (price * PRICE_UNIT, qty * QTY_UNIT), (now, order)
        left = facts.auditor.rows[oid].left if oid in facts.accepted else qty
        assert now.remaining == left * QTY_UNIT
        assert (now.cid, now.side, now.kind) == (order.cid, order.side, order.kind)
        assert (now.status == "waiting") == (oid not in facts.accepted), now


async def check_money(user: int, facts: LogFacts, client: Client) -> None:
    nets = {p.symbol: p.net_qty for p in await client.positions()}
    for symbol, symbol_id in SYMBOL_IDS.items():
        position = facts.auditor.positions[user, symbol_id, 0].net
        assert nets.get(symbol, Decimal(0)) == position * QTY_UNIT
    account = await client.account()
    assert account.collateral == facts.auditor.collateral[user] * MONEY_UNIT
    assert account.frozen == facts.frozen(user) * MONEY_UNIT


def check_original(told: Order, facts: LogFacts) -> None:
    """What a duplicate is told of the original is what the log says (D-4)."""
    end = facts.ends.get(told.oid)
    assert told.is_open == (end is None), (told, end)
    if told.oid in facts.accepted:
        assert told.filled == facts.auditor.rows[told.oid].filled * QTY_UNIT
    if end is not None and end.record.name != "FILL":
        assert told.reason == Reason(end.reason).name


async def check_dedup(
    load: Load, facts: LogFacts, exchange: ExchangeProcess, rng: random.Random
) -> None:
    """Every client id in the log is still taken; one that is not may be sent again."""
    newest = max(facts.taken, default=0)
    for witness in load.witnesses.values():
        unanswered = [key for key, order in witness.sent.items() if order is None]
        answered = [key for key, order in witness.sent.items() if order is not None]
        async with Client(exchange.url, exchange.token(witness.user)) as client:
            for symbol, cid in [*unanswered, *rng.sample(answered, min(10, len(answered)))]:
                middle, tick, lot = SYMBOLS[symbol]
                known = facts.by_cid.get((witness.user, SYMBOL_IDS[symbol], cid), [])
                # Far from the market: it rests, and is cancelled at once.
                again = await client.place(
                    symbol, "buy", price=middle - 5000 * tick, qty=3 * lot, cid=cid
                )
                if again.duplicate:
                    assert [again.oid] == known, f"{cid} is {again.oid}, in the log {known}"
                    check_original(again, facts)
                    witness.sent[symbol, cid] = again
                else:
                    assert not known, f"{cid} is {known} in the log and was taken again"
                    witness.hear_order(await client.cancel(again))
                    assert again.oid > newest


# --- archive and replica ------------------------------------------------------------------------


def check_archive(data: Path, facts: LogFacts) -> None:
    """Once it has come so far it has each fill exactly once, every order, every balance (AR-2)."""
    newest = max(facts.fills, default=0)
    with closing(sqlite3.connect(f"file:{data / 'archive.db'}?mode=ro", uri=True)) as archive:
        deadline = time.monotonic() + ARCHIVE_S
        while archive_position(archive) < newest:
            assert time.monotonic() < deadline, f"{archive_position(archive)}, due {newest}"
            time.sleep(0.02)
        assert archive.execute("SELECT complete_from FROM archive").fetchone() == (1,)
        assert archive.execute("SELECT count(*) FROM holes").fetchone() == (0,)
        rows = archive.execute(f"SELECT {', '.join(OF_A_FILL)} FROM fills ORDER BY seq").fetchall()
        due = [tuple(getattr(f, name) for name in OF_A_FILL) for f in facts.fills.values()]
        assert rows == due, next(
            pair for pair in zip(rows, due, strict=False) if pair[0] != pair[1]
        )
        orders = {oid for (oid,) in archive.execute("SELECT oid FROM orders")}
        assert not facts.taken.keys() - orders
        ended = "SELECT oid FROM orders WHERE ended_ns > 0"
        assert not facts.live & {oid for (oid,) in archive.execute(ended)}
        for user, collateral in archive.execute("SELECT user_id, collateral FROM accounts"):
            assert collateral == facts.auditor.collateral[user], user


def archive_position(archive: sqlite3.Connection) -> int:
    (position,) = archive.execute("SELECT position FROM archive").fetchone() or (0,)
    return int(position)


def check_not_ahead(data: Path, facts: LogFacts) -> None:
    """What a killed process left in the archive is no more than its log has (AR-1)."""
    with tempfile.TemporaryDirectory() as folder:  # SQLite mends what it opens
        for path in data.glob("archive.db*"):
            shutil.copy(path, folder)
        copy = Path(folder) / "archive.db"
        if not copy.exists():
            return
        with closing(sqlite3.connect(copy)) as archive:
            tables = archive.execute("SELECT count(*) FROM sqlite_master WHERE name = 'archive'")
            if tables.fetchone() == (1,):
                assert archive_position(archive) <= facts.last_seq


def check_health(exchange: ExchangeProcess) -> None:
    """The replica lives and has found no difference (RP-6, RP-13)."""
    health = exchange.health()
    assert health["status"] == "ok", health
    assert health["replica"]["mismatch"] is None and not health["replica"]["error"], health
    assert not [text for text in health["warnings"] if "snapshot" in text], health
