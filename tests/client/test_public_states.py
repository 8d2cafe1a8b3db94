"""The client's streams of marks, funding, liquidations, open interest and rules.

Against the real public edge over plain books. Source: specs/client.md CL-57.
"""

from __future__ import annotations

import asyncio
from decimal import Decimal

import aiohttp
from edge.public_world import World, run
from tiles.flow import symbol

from rsx import rules
from rsx.client.market import MarketStream
from rsx.client.models import Funding, Gap, Liquidation, Mark, OpenInterest, RulesChanged, Symbol
from rsx.client.transport import Backoff
from rsx.records import FUNDING_SETTLED, LIQUIDATION_STEP, MARK_PRICE, HeaderFlag, Stage

END = HeaderFlag.GROUP_END
D = Decimal
BTC = Symbol(
    id=1, name="BTC-PERP", tick=D("0.1"), lot=D("0.000001"), price_decimals=2, qty_decimals=6,
    money_decimals=8, max_price=D(10_000), max_qty=D(1), max_notional=D(10_000),
)  # fmt: skip


class FedWorld(World):
    def mark(self, px: int) -> None:
        self.flow.emit(
            MARK_PRICE, 1, END, mark_px=px, index_px=px, open_interest=7, rate_ppb=-5, sources=2,
            next_funding_s=60,
        )  # fmt: skip

    def step_out(self) -> None:
        self.flow.emit(
            LIQUIDATION_STEP, 1, END, stage=Stage.ORDERED, side=1, qty=30, px=990, mark_px=1000
        )


def stream_of(world: World, http: aiohttp.ClientSession, *channels: str) -> MarketStream:
    async def no_trades(_symbol: str, _limit: int) -> list:
        return []

    return MarketStream(
        http=http, url=world.url.removesuffix("/ws/public"), symbols=[BTC], channels=channels,
        depth=5, fetch_trades=no_trades, backoff=Backoff(), attempts_max=None,
        on_close=lambda _stream: None,
    )  # fmt: skip


async def take(stream: MarketStream, world: World, count: int) -> list:
    out = []
    while len(out) < count:
        task = asyncio.ensure_future(anext(stream))
        while not task.done():
            world.clock.advance(10_000_000)
            world.work()
            await asyncio.sleep(0.002)
        out.append(task.result())
    return out


def test_states_and_liquidations_are_typed_and_a_hole_is_a_gap() -> None:
    async def test(world: World) -> None:
        world.__class__ = FedWorld
        channels = ("mark", "funding", "liquidations", "open_interest")
        async with stream_of(world, world.session, *channels) as stream:
            world.mark(1000)
            world.flow.emit(FUNDING_SETTLED, 1, END, interval_id=4, rate_ppb=9, mark_px=1000)
            world.work()
            mark, funding, interest = await take(stream, world, 3)
            assert isinstance(mark, Mark) and (mark.mark_price, mark.sources) == (D(10), 2)
            assert isinstance(funding, Funding)
            assert (funding.settled_rate, funding.settled_interval) == (D("0.000000009"), 4)
            assert isinstance(interest, OpenInterest) and interest.qty == D("0.000007")
            world.step_out()
            (liquidation,) = await take(stream, world, 1)
            assert isinstance(liquidation, Liquidation)
            assert (liquidation.kind, liquidation.side, liquidation.price) == (
                "order", "sell", D("9.9")
            )  # fmt: skip
            (feed,) = world.edge.feeds._active.values()
            feed._liquidation_u += 1  # as if one had been dropped
            world.step_out()
            world.work()
            world.step_out()
            task = asyncio.ensure_future(take(stream, world, 1))
            await asyncio.sleep(0.1)
            world.step_out()
            (gap,) = await task
            assert isinstance(gap, Gap) and gap.channel == "liquidations"

    run(test)


def test_other_rules_are_told_and_hold_in_the_stream() -> None:
    async def test(world: World) -> None:
        async with stream_of(world, world.session, "mark") as stream:
            records = rules.to_records(symbol(1, name="BTC-PERP", version=2, taker_fee_ppm=77))
            for record, declared in zip(records, rules.RULE_RECORDS, strict=True):
                view = declared.unpack(record)
                names = [f.name for f in declared.fields]
                values = dict(zip(names, view.row[7:], strict=True))
                for name in ("seq", "ts_ns", "symbol_id"):
                    del values[name]
                world.flow.emit(declared, 1, view.header_flags, **values)
            (changed,) = await take(stream, world, 1)
            assert isinstance(changed, RulesChanged)
            assert (changed.symbol.version, changed.symbol.taker_fee) == (2, D("0.000077"))
            assert changed.symbol.rules["adl"] == "queue"

    run(test)
