"""The log of an exchange, followed record by record, and what it says of orders and fills."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from model.auditor import Auditor

from rsx.records import View, iterate
from rsx.wal.follow import LogFollower
from rsx.wal.reader import LogReader


def read_log(data: Path) -> Iterator[View]:
    """Every record of a data folder, in order."""
    for chunk in LogReader(data).chunks():
        yield from iterate(bytes(chunk))


@dataclass
class LogFacts:
    """What a log holds, by order id or number; `auditor` has checked it against the invariants.

    It may be followed over many lives of an exchange, also while one runs.
    """

    auditor: Auditor = field(default_factory=Auditor)
    accepted: dict[int, View] = field(default_factory=dict)
    # Orders and triggers that the match took, and those of them that have not ended.
    taken: dict[int, View] = field(default_factory=dict)
    live: set[int] = field(default_factory=set)
    terms: dict[int, list[tuple[int, int]]] = field(default_factory=lambda: defaultdict(list))
    ends: dict[int, View] = field(default_factory=dict)
    fills: dict[int, View] = field(default_factory=dict)
    sides: dict[int, list[tuple[int, int]]] = field(default_factory=lambda: defaultdict(list))
    deposits: dict[int, View] = field(default_factory=dict)
    triggers: dict[int, View] = field(default_factory=dict)  # placed
    by_cid: dict[tuple[int, int, str], list[int]] = field(default_factory=lambda: defaultdict(list))
    last_seq: int = 0

    def follow(self, data: Path) -> int:
        """Take what the log of a folder has more than at the last time; returns how much."""
        follower, before = LogFollower(data, self.last_seq + 1), self.last_seq
        while chunk := follower.read():
            for record in iterate(chunk):
                self.take(record)
        self.auditor.conservation()
        assert not self.auditor.found, self.auditor.found[:5]
        return self.last_seq - before

    def take(self, record: View) -> None:
        self.auditor.read(record)
        self.last_seq = record.seq
        match record.record.name:
            case "ORDER_ACCEPTED":
                self.accepted[record.oid] = record
                self.terms[record.oid].append((record.px, record.qty))
                self.begin(record)
            case "TRIGGER_PLACED":
                self.triggers[record.oid] = record
                self.begin(record)
            case "ORDER_AMENDED":
                self.terms[record.oid].append((record.px, record.qty))
            case (
                "ORDER_CANCELLED"
                | "ORDER_REJECTED"
                | "ORDER_DUPLICATE"
                | "TRIGGER_REJECTED"
                | "TRIGGER_CANCELLED"
            ):
                assert record.oid not in self.ends, f"{record.oid} ends twice: {record}"
                self.end(record.oid, record)
            case "DEPOSIT":
                self.deposits[record.seq] = record
            case "FILL":
                self.fills[record.seq] = record
                self.sides[record.taker_user_id].append((record.seq, record.taker_oid))
                self.sides[record.maker_user_id].append((record.seq, record.maker_oid))
                if record.taker_remaining == 0:
                    self.end(record.taker_oid, record)
                if record.maker_remaining == 0:
                    self.end(record.maker_oid, record)

    def begin(self, record: View) -> None:
        """A trigger and the order that it becomes are one."""
        self.taken[record.oid] = record
        self.live.add(record.oid)
        oids = self.by_cid[record.user_id, record.symbol_id, record.client_id]
        if record.client_id and record.oid not in oids:
            oids.append(record.oid)

    def end(self, oid: int, record: View) -> None:
        self.ends[oid] = record
        self.live.discard(oid)

    @property
    def cut_off(self) -> set[int]:
        """Orders whose request the log ends in the middle of: the next start cancels them."""
        return {row.oid for row in self.auditor.in_hand.values()}

    @property
    def open_oids(self) -> set[int]:
        """Orders that rest and triggers that wait after the next start."""
        return self.live - self.cut_off

    @property
    def open_triggers(self) -> set[int]:
        """Triggers that wait, or have fired and not been answered."""
        return self.live - self.accepted.keys()

    def frozen(self, user: int) -> int:
        """Margin that the user's resting orders hold after the next start."""
        rows = (self.auditor.rows[oid] for oid in self.open_oids & self.accepted.keys())
        return sum(row.reserved for row in rows if row.user == user)


def audited(data: Path) -> LogFacts:
    """Read and audit the log of a folder on which no exchange runs."""
    facts = LogFacts()
    facts.follow(data)
    return facts
