"""A gateway without sockets, stepped by hand, and streams that write down what they are told."""

from __future__ import annotations

from typing import Any

from edge.fakes import SECRET, START_NS, Engine

from rsx.config import load
from rsx.core.clock import Clock
from rsx.edge.app import make_gateway
from rsx.errors import RequestError
from rsx.records import View

BUY = (1, 0, 5000000, 10000, "b", 0, 0)
SELL = (1, 1, 5000000, 10000, "s", 0, 0)


class Recorder:
    """A stream that writes down what an account is told."""

    def __init__(self) -> None:
        self.heard: list[tuple[Any, ...]] = []
        self.orders: list[tuple[int, ...]] = []  # of each U: oid, px, qty, amended

    def on_update(self, order: Any, reason: int, ts_ns: int, seq: int) -> None:
        self.heard.append(("U", order.cid, order.status, order.filled, order.remaining, reason))
        self.orders.append((order.oid, order.px, order.qty, order.amended))

    def on_fill(self, fill: Any, remaining: int) -> None:
        self.heard.append(("F", fill[7], fill[4], fill[5], fill[6], remaining))

    def refuse(self, error: RequestError) -> None:
        self.heard.append(("E", int(error.code), error.ref))

    def on_duplicate(self, original: Any, request_oid: int) -> None:
        self.heard.append(("DU", original.oid, original.status, original.filled,
                           original.remaining, request_oid))  # fmt: skip

    def notify(self, key: str, fields: list[Any]) -> None:
        self.heard.append((key, *fields))

    def take(self) -> list[tuple[Any, ...]]:
        heard, self.heard = self.heard, []
        return heard


class Desk:
    """A stepped gateway with two users and a hand-driven engine; no server, no sockets."""

    def __init__(self, poll: bool = False, **load_state: Any) -> None:
        self.engine = Engine()
        self.engine.auto = poll
        self.engine.seq = load_state.get("seq", 0)
        self.clock = Clock.manual(START_NS)
        config = load()
        self.gateway = make_gateway(
            config, config.symbols, SECRET, self.clock, [self.engine.gateway_risk],
            [self.engine.risk_gateway], self.engine.wal_gateway,
        )  # fmt: skip
        self.gateway.load(**load_state)
        self.entry = self.gateway.entry
        self.answers: list[Any] = []
        self.accounts = {user: self.entry.tracker.account(user) for user in (1, 2)}
        self.streams = {user: Recorder() for user in (1, 2)}
        for user, stream in self.streams.items():
            self.accounts[user].streams.append(stream)

    def place(self, user: int, order: tuple[Any, ...] = BUY) -> View:
        self.entry.place(self.accounts[user], *order, self.streams[user])
        return self.engine.last("ORDER_REQUEST")

    def heard(self, user: int) -> list[tuple[Any, ...]]:
        self.gateway.do_work()
        return self.streams[user].take()

    def trigger(self, user: int, trigger: tuple[Any, ...], **options: Any) -> View:
        self.entry.place_trigger(self.accounts[user], *trigger, self.streams[user], **options)
        return self.engine.last("TRIGGER_REQUEST")

    def amend(self, user: int, oid: int, px: int | None, qty: int | None) -> View:
        """Ask for an amendment; its answer goes to `answers`."""
        self.entry.amend(self.accounts[user], oid, "", None, px, qty, self.answers.append)
        return self.engine.last("AMEND_REQUEST")
