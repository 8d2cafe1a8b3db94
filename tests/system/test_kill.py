"""kill -9 at random moments under load: nothing that anyone was told is lost (wal.md L-25).

Each round starts the exchange on the same folder, lets witnesses trade, kills it, reads the log
with the auditor, starts it again and compares. RSX_KILL_ROUNDS: rounds per mode (default 3);
RSX_KILL_SEED: what a failed run printed.
"""

from __future__ import annotations

import asyncio
import os
import random
import time
from decimal import Decimal

import pytest
from system.audit_log import LogFacts, audited
from system.process import ExchangeProcess, until, write_config
from system.witness import SYMBOLS, Load, Witness

from rsx.client import Client, Fill, Order
from rsx.errors import Reason

ROUNDS = int(os.environ.get("RSX_KILL_ROUNDS", "3"))
pytestmark = [pytest.mark.system, pytest.mark.timeout(60 + 30 * ROUNDS)]

USERS = range(11, 15)
SYMBOL_IDS = {"BTC-PERP": 1, "ETH-PERP": 2}
PRICE_UNIT, QTY_UNIT, MONEY_UNIT = Decimal("0.01"), Decimal("0.000001"), Decimal("0.00000001")
LOAD_S = 15.0
HISTORY = 1000


async def load_and_kill(load: Load, exchange: ExchangeProcess, rng: random.Random) -> None:
    """Kill after a random number of fills and a random while, in the middle of the load."""
    target = load.fills_told + rng.randint(20, 300)
    async with load.running(exchange):
        await until(lambda: load.fills_told >= target, LOAD_S, f"{target} fills")
        await asyncio.sleep(rng.random() * 0.02)
        await asyncio.to_thread(exchange.kill)


def check_log(load: Load, facts: LogFacts) -> None:
    """Everything told is in the log, and the log says the same about it."""
    for witness in load.witnesses.values():
        for (seq, oid), fill in witness.fills.items():
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
        record = facts.deposits[seq]
        assert (record.user_id, record.amount * MONEY_UNIT) == (user, amount)
    for seq, trade in load.public.items():
        record = facts.fills[seq]
        assert (trade.price, trade.qty) == (record.px * PRICE_UNIT, record.qty * QTY_UNIT)
    twice = {key: oids for key, oids in facts.by_cid.items() if len(oids) > 1}
    assert not twice, f"accepted more than once: {twice}"


def settle(exchange: ExchangeProcess) -> None:
    """Wait until the log has stood still for a while."""
    last, since = -1.0, time.monotonic()
    while time.monotonic() - since < 0.3:
        seq = exchange.metrics()["rsx_gateway_seq"]
        if seq != last:
            last, since = seq, time.monotonic()
        time.sleep(0.05)


async def all_fills(client: Client) -> list[Fill]:
    found: list[Fill] = []
    while page := await client.fills(limit=500, before=found[-1].seq if found else 0):
        found += page
    return found


async def check_restarted(load: Load, facts: LogFacts, exchange: ExchangeProcess) -> None:
    """The running exchange says what the log says, and what the witnesses were told."""
    for witness in load.witnesses.values():
        async with Client(exchange.url, exchange.token(witness.user)) as client:
            await check_user(witness, facts, client)


async def check_user(witness: Witness, facts: LogFacts, client: Client) -> None:
    user = witness.user
    fills = await all_fills(client)
    logged = [f for f in facts.fills.values() if user in (f.taker_user_id, f.maker_user_id)]
    sides = [(f.seq, f.taker_oid) for f in logged if f.taker_user_id == user]
    sides += [(f.seq, f.maker_oid) for f in logged if f.maker_user_id == user]
    told = {(f.seq, f.oid): f for f in fills}
    assert sorted(told) == sorted(sides)[-HISTORY:]
    for key, fill in witness.fills.items():
        if key in told:
            now = told[key]
            same = ("symbol", "side", "price", "qty", "fee", "maker", "ts_ns")
            assert all(getattr(now, name) == getattr(fill, name) for name in same), (now, fill)
    open_now = {order.oid: order for order in await client.orders()}
    mine = {oid for oid in facts.open_oids if facts.taken[oid].user_id == user}
    assert open_now.keys() == mine
    assert not open_now.keys() & witness.ended.keys()
    for oid, order in witness.resting.items():
        assert oid in open_now or oid in facts.ends, f"{oid} was told resting and is gone"
        if oid in open_now:
            now, taken = open_now[oid], facts.taken[oid]
            price, qty = facts.terms[oid][-1] if oid in facts.terms else (taken.px, taken.qty)
            assert (now.price, now.qty) == (price * PRICE_UNIT, qty * QTY_UNIT), (now, order)
            left = facts.auditor.rows[oid].left if oid in facts.accepted else qty
            assert now.remaining == left * QTY_UNIT
            assert (now.cid, now.side, now.kind) == (order.cid, order.side, order.kind)
            assert (now.status == "waiting") == (oid not in facts.accepted), now
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
                    assert again.oid > max(facts.taken)


@pytest.mark.parametrize(("durability", "shards"), [("fill", 1), ("all", 1), ("fill", 3)])
def test_nothing_that_was_told_is_lost_when_the_exchange_is_killed(tmp_path, durability, shards):
    """SH: with three risk tiles too."""
    seed = int(os.environ.get("RSX_KILL_SEED", random.SystemRandom().randrange(1 << 32)))
    print(f"again: RSX_KILL_SEED={seed} RSX_KILL_ROUNDS={ROUNDS} "
          f"python rsx.py test 'tests/system/test_kill.py' -k {durability}-{shards}")  # fmt: skip
    rng = random.Random(f"{seed} {durability}")
    config = write_config(
        tmp_path / "config.toml", durability=f'"{durability}"', shards=str(shards)
    )
    data = tmp_path / "data"
    load = Load(USERS, rng)

    for round_number in range(ROUNDS):
        with ExchangeProcess(data, "--config", str(config)) as exchange:
            if round_number == 0:
                asyncio.run(load.fund(exchange, "1000000"))
            asyncio.run(load_and_kill(load, exchange, rng))
            assert "ERROR" not in exchange.stderr, exchange.stderr
        check_log(load, audited(data))
        # Triggers whose price had come fire on; when they have, nothing moves by itself.
        with ExchangeProcess(data, "--config", str(config)) as exchange:
            settle(exchange)
            assert exchange.stop() == 0
        facts = audited(data)
        check_log(load, facts)
        with ExchangeProcess(data, "--config", str(config)) as exchange:
            asyncio.run(check_restarted(load, facts, exchange))
            asyncio.run(check_dedup(load, facts, exchange, rng))
            assert exchange.banner["epoch"] == 3 * round_number + 3
            assert exchange.stop() == 0
