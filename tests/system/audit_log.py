"""The log of a stopped exchange, read whole, and what it says of orders, fills and accounts."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from model.auditor import Auditor

from rsx.records import View, iterate
from rsx.wal.reader import LogReader


def read_log(data: Path) -> Iterator[View]:
    """Every record of a data folder, in order."""
    for chunk in LogReader(data).chunks():
        yield from iterate(bytes(chunk))


@dataclass
class LogFacts:
    """What a log holds, by order id or number; `auditor` has checked it against the invariants."""

    auditor: Auditor = field(default_factory=Auditor)
    accepted: dict[int, View] = field(default_factory=dict)
    terms: dict[int, list[tuple[int, int]]] = field(default_factory=lambda: defaultdict(list))
    ends: dict[int, View] = field(default_factory=dict)
    fills: dict[int, View] = field(default_factory=dict)
    deposits: dict[int, View] = field(default_factory=dict)
    triggers: dict[int, View] = field(default_factory=dict)  # placed
    by_cid: dict[tuple[int, int, str], list[int]] = field(default_factory=lambda: defaultdict(list))
    last_seq: int = 0

    def take(self, record: View) -> None:
        self.auditor.read(record)
        self.last_seq = record.seq
        match record.record.name:
            case "ORDER_ACCEPTED":
                self.accepted[record.oid] = record
                self.terms[record.oid].append((record.px, record.qty))
                self.note_cid(record)
            case "TRIGGER_PLACED":
                self.triggers[record.oid] = record
                self.note_cid(record)
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
                self.ends[record.oid] = record
            case "DEPOSIT":
                self.deposits[record.seq] = record
            case "FILL":
                self.fills[record.seq] = record
                if record.taker_remaining == 0:
                    self.ends[record.taker_oid] = record
                if record.maker_remaining == 0:
                    self.ends[record.maker_oid] = record

    def note_cid(self, record: View) -> None:
        """A trigger and the order that it becomes are one."""
        oids = self.by_cid[record.user_id, record.symbol_id, record.client_id]
        if record.client_id and record.oid not in oids:
            oids.append(record.oid)

    @property
    def taken(self) -> dict[int, View]:
        """Orders and triggers that the match took."""
        return self.triggers | self.accepted

    @property
    def cut_off(self) -> set[int]:
        """Orders whose request the log ends in the middle of: the next start cancels them."""
        return {row.oid for row in self.auditor.in_hand.values()}

    @property
    def open_oids(self) -> set[int]:
        """Orders that rest and triggers that wait after the next start."""
        return self.taken.keys() - self.ends.keys() - self.cut_off

    @property
    def open_triggers(self) -> set[int]:
        """Triggers that wait, or have fired and not been answered."""
        return self.triggers.keys() - self.accepted.keys() - self.ends.keys()

    def frozen(self, user: int) -> int:
        """Margin that the user's resting orders hold after the next start."""
        rows = (self.auditor.rows[oid] for oid in self.open_oids & self.accepted.keys())
        return sum(row.reserved for row in rows if row.user == user)


def audited(data: Path) -> LogFacts:
    """Read and audit the log of a folder on which no exchange runs."""
    facts = LogFacts()
    for record in read_log(data):
        facts.take(record)
    facts.auditor.conservation()
    assert not facts.auditor.found, facts.auditor.found[:5]
    return facts
