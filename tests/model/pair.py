"""The model and the compiled engine under one flow of requests, held to each other at every step.

Every record that the engine makes is folded into a second engine as well, whose state must stay
equal (INV-14), and which now and then takes the first one's place: what a restart gives back is
enough to go on as if nothing had been. Price maps are centred anywhere, on each engine elsewhere.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any

from model.book import ModelEngine
from model.engines import compiled_engine
from model.flow import Flow, Profile
from model.symbols import make_symbol
from model.wire import as_event, raw_view, view

from rsx.core.ring import Ring

RING_DEPTH = 4096
ROOMY = {
    "orders_max": 4096,
    "users_max": 64,
    "open_orders_per_user_max": 4096,
    "triggers_max": 1024,
    "open_triggers_per_user_max": 200,
    "dedup_window_s": 60,
    "dedup_orders_max": 16384,
}
TIGHT = {
    "orders_max": 48,
    "users_max": 7,
    "open_orders_per_user_max": 12,
    "triggers_max": 12,
    "open_triggers_per_user_max": 4,
    "dedup_window_s": 60,
    "dedup_orders_max": 128,
}
TICK_TABLE = "table"
TICKS: tuple[int | str, ...] = (1, 3, 10, 50, TICK_TABLE)


class Difference(AssertionError):
    """Model and engine disagree; the text says where, and how to see it again."""


class Pair:
    """The model, the engine, and the engine folded from what the engine logged."""

    def __init__(
        self, symbol: Any, limits: dict[str, int], ring_depth: int = 0, slots: int = 1 << 20,
        **more: Any,
    ):  # fmt: skip
        self.symbol = symbol
        self.limits = {**limits, "level_slots_max": slots}
        self.model = ModelEngine(symbol, **limits, **more)
        self.engine = compiled_engine(symbol, **self.limits)
        self.folded = compiled_engine(symbol, **self.limits)
        self.ring_depth = ring_depth or RING_DEPTH
        self.ring = Ring("matching_wal", self.ring_depth)
        self.blocked = 0  # how often the engine stopped for want of room

    def step(
        self, request: bytes | None, ts_ns: int, rng: random.Random | None = None
    ) -> list[bytes]:
        """One request, or None for a duty cycle without one."""
        if request is None:
            due = self.model.tick(ts_ns)
            is_done = self.engine.idle(self.ring, ts_ns)
        else:
            due = self.model.submit(request, ts_ns)
            is_done = self.engine.begin(request, ts_ns, self.ring)
        again = self.engine.idle if request is None else self.engine.resume
        seen = b"" if is_done else self.go_on(again, ts_ns, rng)
        while more := self.ring.pop(self.ring_depth):
            seen += more
        if seen != b"".join(due):
            raise Difference(difference(request, due, seen))
        apply = self.folded.apply
        for record in due:
            apply(record)
        return due

    def go_on(
        self, again: Callable[[Ring, int], bool], ts_ns: int, rng: random.Random | None
    ) -> bytes:
        """Take the events a few at a time, so that the engine has to stop and go on (M-12)."""
        seen = b""
        is_done = False
        while not is_done:
            self.blocked += 1
            seen += self.ring.pop(rng.randint(1, self.ring_depth) if rng else self.ring_depth)
            is_done = again(self.ring, ts_ns)
        return seen

    def same_hash(self) -> None:
        """INV-14."""
        if self.engine.state_hash() != self.folded.state_hash():
            raise Difference("INV-14: the fold of the log is another state than the engine's")

    def compare(self) -> None:
        """All that engine, fold and model know."""
        self.same_hash()
        for engine in (self.engine, self.folded):
            engine.audit()
            for name, due in state(self.model, self.model).items():
                seen = state(engine, self.model)[name]
                if seen != due:
                    raise Difference(f"{name}\nmodel  {due}\nengine {seen}")

    def restart(self, log: list[bytes] | None) -> None:
        """Go on with the folded engine. The log is folded anew beside it; without one the engine
        that was live folds on."""
        self.engine, self.folded = self.folded, self.engine
        if log is not None:
            self.folded = compiled_engine(self.symbol, **self.limits)
            for record in log:
                self.folded.apply(record)
        while not self.engine.recovered(self.ring, 0):
            self.ring.pop(self.ring_depth)
        self.model.recovered()


def state(engine: Any, model: ModelEngine) -> dict[str, Any]:
    """What can be asked of either; the model says which users and client ids there are."""
    named = {e.thing.oid for e in model.memory.places if e.key is not None}
    is_model = isinstance(engine, ModelEngine)
    triggers = engine.triggers_of if is_model else engine.triggers
    return {
        "best": engine.best(),
        "orders": engine.orders(),
        "triggers": [triggers(user) for user in model.users],
        "fired": engine.fired_ids() if is_model else [view(f).oid for f in engine.fired()],
        "users": [(engine.held(user), engine.owner(user)) for user in model.users],
        "rules": engine.rules_version,
        "prices": (engine.mode, engine.last, engine.mark),
        "client ids": engine.client_ids(named),
    }


def difference(request: bytes | None, due: list[bytes], seen: bytes) -> str:
    """The request, how many events agree, and the few from there on."""
    lines = [f"request {raw_view(request) if request else 'none'}"]
    split = [seen[at : at + 128] for at in range(0, len(seen), 128)]
    same = 0
    while same < min(len(due), len(split)) and due[same] == split[same]:
        same += 1
    lines.append(f"{same} events agree, the model has {len(due)}, the engine {len(split)}")
    for name, events in (("model", due), ("engine", split)):
        lines += [f"{name:7}{event_text(e)}" for e in events[same : same + 4]]
    return "\n".join(lines)


def event_text(data: bytes) -> str:
    fields = as_event(data) | {"cid": bytes(data[92:128]).rstrip(b"\0")}
    return " ".join(f"{k}={v}" for k, v in fields.items() if v)


def make_market(rng: random.Random, tick: int | str) -> Any:
    """A market of one tick or with a tick table, its other rules drawn."""
    table: tuple[tuple[int, int], ...] = ()
    if tick == TICK_TABLE:
        tick, table = 1, ((6_000, 5), (9_000, 10), (10_000, 20), (10_500, 100))
    assert isinstance(tick, int)
    lot, reference_px = rng.choice((1, 5)), 10_000 * tick
    return make_symbol(
        tick=tick, tick_table=table, lot=lot, px_max=20_000 * tick, qty_max=5000,
        reference_px=reference_px,
        notional_max=rng.choice((1 << 40, 1 << 40, 18 * lot * reference_px)),
        notional_min=rng.choice((0, 0, 30_000 * tick)),
        price_band_ppm=rng.choice((0, 0, 500, 100_000)),
        liquidation_fee_ppm=rng.choice((0, 7_000)), taker_fee_ppm=rng.choice((0, 500, 333)),
        maker_fee_ppm=rng.choice((0, -100, 77)),
    )  # fmt: skip


class Run:
    """One seeded flow through a Pair."""

    def __init__(self, seed: int, tick: int | str, profile: Profile, limits: dict[str, int]):
        self.name = f"seed {seed}, tick {tick}, {profile.name}, {limits['orders_max']} orders"
        self.rng = random.Random(seed)
        self.market = make_market(self.rng, tick)
        depth = self.rng.choice((4, 8, 16, 0, 0))
        slots = self.rng.choice((1024, 1 << 20))  # PM-3: too few for a slot each tick
        self.pair = Pair(self.market, limits, ring_depth=depth, slots=slots)
        self.flow = Flow(seed, self.market, profile, self.pair.model)
        self.log: list[bytes] | None = []
        self.steps = 0

    def go(self, operations: int, keep: int = 20_000) -> Pair:
        """keep: the log is kept, to be folded anew, for so many operations."""
        pair, flow, rng = self.pair, self.flow, self.rng
        try:
            for _ in range(operations):
                self.steps += 1
                events = pair.step(*flow.next(), rng)
                flow.saw(events)
                if self.log is not None:
                    self.log += events
                if rng.random() < 0.004:
                    self.now_and_then(keep)
            pair.compare()
        except Exception as error:
            raise Difference(f"{self.name}, step {self.steps}\n{error}") from error
        return pair

    def now_and_then(self, keep: int) -> None:
        """Every 250 requests or so, at a random place."""
        pair, rng = self.pair, self.rng
        pair.same_hash()
        draw = rng.random()
        if draw < 0.1:
            pair.compare()
        elif draw < 0.5:
            for engine in (pair.engine, pair.folded):
                if rng.random() < 0.6:
                    engine.centre_on(rng.randint(1, self.market.px_max))
        elif draw < 0.62:
            if self.steps > keep:
                self.log = None
            pair.restart(self.log)
            self.flow.restarted()
