"""A walk over every slot of a log: what it holds, and what is wrong with it and where.

Only reads, and may run while the exchange writes: a slot that was empty at the first look is
looked at again before anything is called damaged. Unlike the reader (rsx.wal.reader) it does not
stop at the first bad place. Source: specs/wal.md L-20 to L-25 and section 4.
"""

from __future__ import annotations

import mmap
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

import msgspec

from rsx.config import Config, SymbolConfig, load
from rsx.core.check import InvariantError
from rsx.errors import StartError
from rsx.records import (
    BY_TYPE,
    HEADER_SIZE,
    OF_A_SYMBOL,
    READABLE,
    RECORD_SIZE,
    HeaderFlag,
    Kind,
    Record,
    RecordError,
    View,
    decode,
)
from rsx.rules import RULE_RECORDS, from_records
from rsx.wal.reader import LogDamaged, LogEnd, LogReader
from rsx.wal.segments import Segment, list_segments, wal_folder
from rsx.wal.slots import Place, to_present, used_bytes, version_text
from rsx.wal.state import State

BLOCK_RECORDS = 8192
FINDINGS_MAX = 100
# A record that is being written may be seen half: look again after so long.
LOOK_AGAIN_S = 0.02

SAME_FOR_EVER = ("name", "price_decimals", "qty_decimals")
# The four records that are the rules of a market, in their order (SY-1).
RULES = tuple(record.name for record in RULE_RECORDS)
TYPE = {record.name: record.type for record in BY_TYPE.values()}
# M-11 seen from a record's type: goes on with a request, begins one, or may do either.
GOES_ON = frozenset(TYPE[name] for name in ("FILL", "ORDER_RESTED", "ORDER_REDUCED", *RULES[1:]))
MAY_DO_EITHER = frozenset(
    TYPE[name] for name in ("ORDER_CANCELLED", "TRIGGER_CANCELLED", "CANCEL_ALL_DONE")
)
STARTS_REQUEST = OF_A_SYMBOL - GOES_ON - MAY_DO_EITHER
WHOLE_REQUEST = STARTS_REQUEST | MAY_DO_EITHER
ENDS = int(HeaderFlag.GROUP_END)
LOOKED_INTO = tuple(TYPE[n] for n in (*RULES, "LOG_STARTED", "SEGMENT_STARTED", "LOG_SYNCED"))
LOGGED = frozenset(record.type for record in BY_TYPE.values() if record.kind is Kind.LOGGED)


def _values_of(record: Record) -> tuple[tuple[int, frozenset[int]], ...]:
    """(offset, values that are allowed there) of every one-byte enum and set of flags."""
    out = []
    for f in record.fields:
        offset = HEADER_SIZE + record.offsets[f.name]
        if f.enum is not None:
            out.append((offset, frozenset(int(value) for value in f.enum)))
        elif f.flags is not None:
            out.append((offset, frozenset(v for v in range(256) if not v & ~f.flags)))
    return tuple(out)


VALUES = {record.type: _values_of(record) for record in BY_TYPE.values()}


@dataclass(frozen=True, slots=True)
class Finding:
    """Something wrong: in which file, at which byte, which record number was due there."""

    file: str
    offset: int
    seq: int
    text: str

    def __str__(self) -> str:
        return f"{self.file} offset {self.offset} record {self.seq}: {self.text}"


@dataclass(frozen=True, slots=True)
class Epoch:
    """One start of the log."""

    number: int
    first_seq: int
    ts_ns: int


@dataclass(slots=True)
class Inspection:
    """What a walk found. last_seq: of the last valid record before anything wrong."""

    folder: Path
    segments: list[Segment]
    counts: Counter[int] = field(default_factory=Counter)
    epochs: list[Epoch] = field(default_factory=list)
    configs: dict[int, View] = field(default_factory=dict)
    rules: dict[int, SymbolConfig] = field(default_factory=dict)  # newest whole set
    findings: list[Finding] = field(default_factory=list)
    findings_left_out: int = 0
    last_seq: int = 0
    torn: Finding | None = None
    torn_bytes: int = 0
    unsynced: int = 0  # valid records behind the end, which were never promised (L-21)
    exchange_id: int = 0
    money_decimals: int = 0

    @property
    def status(self) -> str:
        """ "sound", "torn" (the next start cuts it) or "damaged"."""
        if self.findings:
            return "damaged"
        return "torn" if self.torn else "sound"

    @property
    def is_pruned(self) -> bool:
        """Whether the log begins behind record 1: what came before, a snapshot has."""
        return self.segments[0].first > 1

    @property
    def size(self) -> int:
        return sum(segment.size for segment in self.segments)

    def add(self, finding: Finding) -> None:
        if len(self.findings) < FINDINGS_MAX:
            self.findings.append(finding)
        else:
            self.findings_left_out += 1


def inspect(folder: str | Path, *, thorough: bool = False) -> Inspection:
    """Walk the log in a data folder or its wal folder; thorough: look at the values too.

    Raises StartError where there is no log.
    """
    path = wal_folder(folder)
    try:
        segments = list_segments(path)
    except OSError as error:
        raise StartError(f"{path}: {error.strerror or error}") from None
    if not segments:
        raise StartError(f"{path}: no log here (no segment files)")
    walk = _Walk(Inspection(path, segments), thorough)
    walk.run()
    if walk.has_hole and (end := _end_of(path)) is not None:
        walk = _Walk(Inspection(path, segments), thorough, end.next_seq)
        walk.run()
        found = walk.found
        found.unsynced, found.torn_bytes = end.unsynced, end.torn_bytes
        text = f"no valid record; {end.unsynced} behind it were written and never promised"
        file = end.path or segments[0].path
        offset = (end.next_seq - int(file.stem)) * RECORD_SIZE
        found.torn = Finding(str(file), offset, end.next_seq, text)
    return walk.found


def _end_of(folder: Path) -> LogEnd | None:
    """Where the next start would let the log end; None where it would refuse it."""
    reader = LogReader(folder)
    try:
        for _ in reader.chunks():
            pass
    except LogDamaged:
        return None
    return reader.end()


class _Walk:
    """Where the walk is: the next number due, the epoch, which requests are not ended.

    until: ends before this number. has_hole: there are valid records behind a place without one.
    """

    def __init__(self, found: Inspection, thorough: bool, until: int = 1 << 63):
        self.found = found
        self.thorough = thorough
        self.until = until
        self.has_hole = False
        self.promised = 0  # by the newest mark
        self.place = Place(found.segments[0].first)
        self.open: set[int] = set()  # streams in the middle of a request
        self.seen: set[int] = set()  # streams of which the end of a request is known
        self.coming: dict[int, list[View]] = {}  # sets of rules that are not whole
        self.opening = 0  # where a record of the opening of a start would be
        self.path = Path()
        self.first = 0
        self.foreign = False  # the records from here on are of another version

    def run(self) -> None:
        segments = self.found.segments
        for number, segment in enumerate(segments):
            later = segments[number + 1].first if number + 1 < len(segments) else None
            if segment.first >= self.until:
                break
            self.segment(segment, later)
            if self.foreign:
                break

    def missing(self, seq: int, text: str) -> None:
        """No valid record where one is due, with valid ones behind it."""
        self.wrong(seq, text)
        self.has_hole = True
        self.open.clear()

    def wrong(self, seq: int, text: str) -> None:
        offset = max(0, seq - self.first) * RECORD_SIZE
        self.found.add(Finding(str(self.path), offset, seq, text))

    # --- slots ----------------------------------------------------------------------------

    def segment(self, segment: Segment, later: int | None) -> None:
        self.path, self.first = segment.path, segment.first
        if self.found.torn is not None:
            self._unused(segment, later)
            return
        if segment.first != self.place.seq:
            due = self.place.seq
            self.missing(segment.first, f"the file begins at {segment.first}, {due} is due")
            self.place = Place(segment.first, self.place.epoch, self.place.version)
        if segment.slots == 0:
            self._end(0, 0, later)  # made, and never written to
            return
        with open(segment.path, "rb") as file:
            mapped = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
        with mapped, memoryview(mapped) as whole:
            with whole[: segment.slots * RECORD_SIZE] as data:
                self._slots(data, segment.slots, later)

    def _slots(self, data: memoryview, slots: int, later: int | None) -> None:
        at, used = 0, 0
        while at < slots:
            at += self._valid(data, at)
            if at == slots or self.first + at in (later, self.until):
                return
            if self._other_version(data, at):
                continue
            if self.foreign:
                break
            behind, used = self._next_valid(data, at)
            if behind < 0:
                break
            if behind > at:
                self.missing(
                    self.first + at,
                    f"no valid record in {behind - at} slot(s); valid again from record "
                    f"{self.first + behind} on",
                )
                at = behind
                self.place = Place(self.first + at, self.place.epoch)
        if at < slots and not self.foreign:
            self._end(at, used, later)

    def _valid(self, data: memoryview, at: int) -> int:
        """Note the run of valid records from slot `at` on; returns its length."""
        began = at
        while True:
            with data[at * RECORD_SIZE : (at + BLOCK_RECORDS) * RECORD_SIZE] as block:
                count = self.place.take(block)
                if count:
                    with block[: count * RECORD_SIZE] as run:
                        self._note(memoryview(to_present(bytes(run))), self.first + at)
            at += count
            if count < BLOCK_RECORDS:
                return at - began

    def _other_version(self, data: memoryview, at: int) -> bool:
        """Whether the record due has a version that it must not have here, but can be read."""
        slot = bytes(data[at * RECORD_SIZE : (at + 1) * RECORD_SIZE])
        version = self.place.other_version(slot)
        if not version:
            return False
        seq = self.first + at
        self.wrong(seq, version_text(version, seq, at * RECORD_SIZE))
        if version in READABLE:
            self.place = Place(seq, self.place.epoch)
            return True
        behind = self._next_valid(data, at)[0]
        self.foreign = behind < 0
        return False

    def _next_valid(self, data: memoryview, at: int) -> tuple[int, int]:
        """(the next slot with a valid record or -1, bytes in use from slot `at` on).

        The slot is `at` itself where it was written since the first look.
        """
        used = 0
        for wait_s in (LOOK_AGAIN_S, 0):
            rest = bytes(data[at * RECORD_SIZE :])
            used = used_bytes(rest, self.first + at)
            behind = self.place.find(rest, self.first + at)
            if behind >= 0:
                with data[at * RECORD_SIZE : (at + 1) * RECORD_SIZE] as slot:
                    grew = self.place.copy().take(slot)
                return (at if grew else at + behind), used
            if not used:
                break
            time.sleep(wait_s)
        return -1, used

    def _end(self, at: int, used: int, later: int | None) -> None:
        """The valid records of a file end at slot `at`; `used` bytes behind are not empty."""
        seq = self.first + at
        if seq == later or (later is None and not used):
            return
        text = f"no valid record, but {used} bytes that are not empty"
        if not used:
            text = f"the records end here; {later} begins the next file"
        self.found.torn = Finding(str(self.path), at * RECORD_SIZE, seq, text)
        self.found.torn_bytes += used

    def _unused(self, segment: Segment, later: int | None) -> None:
        """A file behind the end of the log: fine as long as it holds nothing valid (L-21)."""
        torn = self.found.torn
        data = segment.path.read_bytes()
        behind = self.place.find(data, segment.first)
        self.found.torn_bytes += used_bytes(data, segment.first)
        if behind >= 0 and torn is not None:
            self.found.torn = None
            self.found.add(Finding(
                torn.file, torn.offset, torn.seq,
                f"{torn.text}; valid again from record {segment.first + behind} in "
                f"{segment.path.name}",
            ))  # fmt: skip
            self.place = Place(segment.first, self.place.epoch, self.place.version)
            self.has_hole = True
            self.open.clear()
            self.segment(segment, later)

    # --- records --------------------------------------------------------------------------

    def _note(self, run: memoryview, first: int) -> None:
        """Count and check a run of records with good numbers and checksums."""
        types, flags = bytes(run[2::RECORD_SIZE]), bytes(run[1::RECORD_SIZE])
        self.found.counts.update(types)
        if not self.found.findings:
            self.found.last_seq = first + len(types) - 1
        configs, opened = self.found.configs, self.open
        for at, (kind, flag, low, high) in enumerate(
            zip(types, flags, bytes(run[6::RECORD_SIZE]), bytes(run[7::RECORD_SIZE]), strict=True)
        ):
            stream = low | high << 8
            if kind in WHOLE_REQUEST and flag == ENDS and stream in configs:
                if stream not in opened:
                    continue  # the most frequent case: one record is the whole request
            if kind in LOOKED_INTO:
                self._special(run, at, first + at)
            if kind in OF_A_SYMBOL and stream not in configs and not self.found.is_pruned:
                self.wrong(first + at, f"market {stream} is used before its SYMBOL_CONFIG")
            self._group(first + at, kind, stream, flag & ENDS)
        if self.thorough:
            self._values(run, types, first)

    def _group(self, seq: int, kind: int, stream: int, ends: int) -> None:
        """M-11: every request's records lie together within their market, and are ended."""
        if kind in STARTS_REQUEST:
            if stream in self.open:
                self.wrong(seq, "a request begins before the one before it has ended")
        elif kind in GOES_ON:
            if stream not in self.open and (stream in self.seen or not self.found.is_pruned):
                self.wrong(seq, f"{BY_TYPE[kind].name} outside of any request")
        elif kind not in LOGGED:
            self.wrong(seq, f"{BY_TYPE[kind].name} has no place in a log")
        elif kind not in OF_A_SYMBOL and not ends:
            self.wrong(seq, f"{BY_TYPE[kind].name} without the flag GROUP_END")
        if ends:
            self.open.discard(stream)
            self.seen.add(stream)
        elif kind in OF_A_SYMBOL:
            self.open.add(stream)

    def _special(self, run: memoryview, at: int, seq: int) -> None:
        """Starts of the log and its files, rules of markets."""
        try:
            view = decode(run, at * RECORD_SIZE, crc=False)
        except RecordError as error:
            if not self.thorough:
                self.wrong(seq, str(error))
            return
        name = view.record.name
        found = self.found
        if name in RULES:
            self._rules(view, seq)
            return
        if name == "LOG_SYNCED":
            self._mark(view, seq)
            return
        if found.exchange_id and view.exchange_id != found.exchange_id:
            self.wrong(seq, f"{name} of another exchange ({view.exchange_id:#x}, not "
                       f"{found.exchange_id:#x})")  # fmt: skip
        found.exchange_id = found.exchange_id or view.exchange_id
        if name == "LOG_STARTED":
            last = found.epochs[-1].number if found.epochs else 0
            if view.epoch != last + 1 and (last or not found.is_pruned):
                self.wrong(seq, f"start {view.epoch} of the log, {last + 1} is due")
            found.epochs.append(Epoch(view.epoch, seq, view.ts_ns))
            found.money_decimals = view.money_decimals
            self.open.clear()  # what a stop cut short is ended by the new start
            self.coming.clear()
            self.opening = seq + 1
        elif seq != self.first:
            self.wrong(seq, "SEGMENT_STARTED in the middle of a file")

    def _mark(self, view: View, seq: int) -> None:
        """L-17: what was on disk was written before, and never becomes less."""
        if not self.promised <= view.durable_seq < seq:
            self.wrong(seq, f"LOG_SYNCED says {view.durable_seq}, {self.promised} was on disk and "
                       f"{seq - 1} written")  # fmt: skip
        self.promised = max(self.promised, min(view.durable_seq, seq - 1))

    def _rules(self, view: View, seq: int) -> None:
        """SY-1, SY-4: four records in a row, each set with the next version; a start may skip."""
        found, market = self.found, view.symbol_id
        if view.record.name == RULES[0]:
            known = found.rules.get(market)
            due = known.version + 1 if known else 1
            may_skip = seq == self.opening or (known is None and found.is_pruned)
            if view.config_version < due or (view.config_version > due and not may_skip):
                self.wrong(seq, f"market {market} gets rules {view.config_version}, {due} is due")
            for key in SAME_FOR_EVER:
                was = found.configs.get(market, view)
                if getattr(view, key) != getattr(was, key):
                    self.wrong(seq, f"market {market} changes its {key}")
            found.configs[market] = view
            self.coming[market] = []
        coming = self.coming.setdefault(market, [])
        coming.append(view)
        if view.record.name != RULES[len(coming) - 1] or (
            view.config_version != coming[0].config_version
        ):
            self.wrong(seq, f"{view.record.name} {view.config_version} of market {market} without "
                       "those before it")  # fmt: skip
            self.coming[market] = []
        elif len(coming) == len(RULES):
            found.rules[market] = from_records(self.coming.pop(market))
        if seq == self.opening:
            self.opening += 1

    def _values(self, run: memoryview, types: bytes, first: int) -> None:
        """Enums and flags of every record; the first of a file; epochs."""
        if first == self.first and types[0] != TYPE["SEGMENT_STARTED"]:
            self.wrong(first, f"{BY_TYPE[types[0]].name} where SEGMENT_STARTED is due")
        for at, kind in enumerate(types):
            begin = at * RECORD_SIZE
            for offset, allowed in VALUES[kind]:
                if run[begin + offset] not in allowed:
                    try:
                        decode(run, begin, crc=False)
                    except RecordError as error:
                        self.wrong(first + at, str(error))
                    break
        last = len(run) - RECORD_SIZE
        epoch = int.from_bytes(run[last + 12 : last + 16], "little")
        started = self.found.epochs[-1].number if self.found.epochs else 0
        if not started and self.found.is_pruned:
            return
        if epoch > started and types[-1] != TYPE["SEGMENT_STARTED"]:
            self.wrong(first + last // RECORD_SIZE, f"epoch {epoch} without a LOG_STARTED")


# --- the fold ---------------------------------------------------------------------------------


def _symbol_of(view: View) -> SymbolConfig:
    """A market of which the log has no whole set of rules, as far as SYMBOL_CONFIG says."""
    values = {
        name: getattr(view, name)
        for name in SymbolConfig.__struct_fields__
        if name not in ("id", "name") and name in view.record.offsets
    }
    name = view.name.rstrip(b"\0").decode("ascii", "replace")
    return SymbolConfig(id=view.symbol_id, name=name, **values)


def config_of(found: Inspection) -> Config:
    """A configuration with the log's own markets, and room for all it can hold."""
    symbols = tuple(
        found.rules.get(number) or _symbol_of(view)
        for number, view in sorted(found.configs.items())
    )
    accepted, placed = (found.counts[TYPE[n]] for n in ("ORDER_ACCEPTED", "TRIGGER_PLACED"))
    places = max(1024, 1 << max(accepted, placed).bit_length())
    accounts = max(1024, found.counts[TYPE["DEPOSIT"]])
    config = load().replace(
        matching={"orders_max": places, "users_max": places, "dedup_orders_max": 4 * places,
                  "open_orders_per_user_max": places, "triggers_max": places,
                  "open_triggers_per_user_max": places},
        risk={"accounts_max": accounts, "positions_max": max(1024, 2 * accepted)},
    )  # fmt: skip
    return msgspec.structs.replace(config, symbols=symbols or config.symbols)


def fold(found: Inspection) -> State:
    """Fold the log up to `found.last_seq` and audit the result.

    What does not fit becomes a finding; the state is then that of the records before. A pruned log
    has no beginning to fold from: the state is an empty one (`rsx verify` has the snapshots).
    """
    state = State(config_of(found))
    if found.is_pruned:
        return state
    path, first = Path(), 1
    try:
        for number, segment in enumerate(found.segments):
            path, first = segment.path, segment.first
            end = min([found.last_seq + 1, *(s.first for s in found.segments[number + 1 :])])
            with open(path, "rb") as file:
                while state.next_seq < end:
                    left = min(end - state.next_seq, BLOCK_RECORDS)
                    state.apply(to_present(file.read(left * RECORD_SIZE)))
        path = found.folder
        state.audit()
        if state.mismatch:
            seq = state.digests.seq
            where = [s for s in found.segments if s.first <= seq][-1]
            offset = (seq - where.first) * RECORD_SIZE
            found.add(Finding(str(where.path), offset, seq, state.mismatch))
    except (InvariantError, RecordError) as error:
        seq = max(first, state.ledger_seq)
        offset = max(0, seq - first) * RECORD_SIZE
        found.add(Finding(str(path), offset, seq, f"the fold refuses: {error}"))
    return state
