"""One exchange on one thread: real tiles, a simulated disk and clock, and chance for a scheduler.

`World` starts an exchange on the simulated disk, steps its tiles in an order that the seed draws,
ends the process in some way, and starts it again, for as long as it is told to. Everything that
comes out goes to the witness. Source: specs/sim.md.
"""

from __future__ import annotations

import dataclasses
import hashlib
import re
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

from rsx import topology
from rsx.core.clock import Clock
from rsx.errors import StartError
from rsx.records import BY_NAME, RECORD_SIZE, decode
from rsx.sim.auditor.promises import DURABLE, Broken, Witness
from rsx.sim.auditor.rows import rows
from rsx.sim.chance import MILLION, Chance
from rsx.sim.clients import Clients
from rsx.sim.disk import SimDisk
from rsx.sim.ends import End, Flip, draw_end, drop_snapshots, mend
from rsx.sim.follower import Follower
from rsx.sim.plan import MS, Plan
from rsx.wal.start import Recovered, recover

START_NS = 1_700_000_000_000_000_000
FOLDER = Path("/simulated/wal")
SEGMENT = re.compile(r"^(\d{20})\.wal$")
SEGMENT_STARTED = BY_NAME["SEGMENT_STARTED"].type
STARTS_MAX = 40
PASSES_MAX = 20_000
SECOND = 1_000_000_000


class World:
    """Args  plan: what is drawn from the seed

    Attributes: steps, done so far; counts of what happened; digest of everything released;
    tamper, a hook of tests: called with the world before each collect.
    """

    def __init__(self, plan: Plan):
        chance = Chance(plan.seed ^ 0x5EED)
        self.plan = plan
        self.schedule, self.fate = chance.fork(), chance.fork()
        self.disk = SimDisk(chance.next())
        self.folder, self.snapshots = FOLDER, FOLDER.parent / "snapshots"
        self.disk.make_folder(FOLDER)
        self.disk.make_folder(self.snapshots)
        self.clock = Clock.simulated(START_NS)
        config = plan.config
        self.witness = Witness(
            config.symbols, config.mark_source, config.wal.durability,
            config.matching.dedup_window_s * SECOND,
        )  # fmt: skip
        self.witness.places_kept = config.matching.dedup_orders_max // 2
        self.clients = Clients(plan, chance.fork(), self.push)
        self.follower = Follower(FOLDER, self.disk, "dxs" in plan.faults)
        self.exchange_id = chance.next() >> 8 | 1
        self.steps = 0
        self.counts: Counter[str] = Counter()
        self.digest = hashlib.blake2b(digest_size=8)
        self.tamper: Callable[[World], None] | None = None
        self.trusted = True  # the disk has kept its word since the last recovery
        self.sync_due_ns = 0
        self.end: End | None = None

    # --- a process begins -----------------------------------------------------------------

    def start(self, machine: bool) -> None:
        """Recover and build every tile. machine: the power was cut since the last start."""
        self.recovered = recovered = self.recover()
        if self.end is not None:
            self.end.is_refusal_due(self)
        self.hold_against(recovered, machine)
        self.witness.starts(recovered.start.epoch)
        self.trusted = True
        self.rings = topology.build_rings(recovered.config)
        risks = topology.build_risks(self.rings, recovered, self.clock)
        self.matching = topology.build_matching(self.rings, recovered, self.clock)
        self.wal, self.wal_sync = topology.build_log(
            self.rings, recovered, FOLDER, self.clock, self.disk, self.plan.segment_records
        )
        self.wal.sync_inline = self.plan.sync_inline
        self.replica = topology.build_replica(
            self.rings, recovered, FOLDER, self.clock, self.disk, self.wal
        )
        self.risks = risks
        behind = [self.wal_sync] if self.replica is None else [self.wal_sync, self.replica]
        self.tiles = [*risks, *self.matching, self.wal, *behind]
        self.follower.begin(self.wal)
        if self.replica is not None:
            # The auditor too needs every record once.
            self.replica.holders["follower"] = lambda: min(
                self.follower.next_seq, self.witness.last + 1
            )
        self.segment_first = recovered.start.segment_first
        self.table = self.make_table()
        for tile in self.tiles:
            tile.on_start()
        rules = {symbol.id: symbol for symbol in recovered.config.symbols}
        oid_max = recovered.state.oid_max
        self.clients.process_started(oid_max, rules, self.witness.orders)
        self.counts["starts"] += 1

    def recover(self) -> Recovered:
        recovered = recover(self.plan.config, FOLDER, self.clock, disk=self.disk)
        if recovered.state.exchange_id:
            return recovered
        first, *others = recovered.start.opening_records
        started = decode(first, crc=False)
        first = started.record.pack(
            ts_ns=started.ts_ns, exchange_id=self.exchange_id, stream=started.stream,
            money_decimals=started.money_decimals, header_flags=started.header_flags,
        )  # fmt: skip
        start = dataclasses.replace(
            recovered.start, exchange_id=self.exchange_id, opening_records=(first, *others)
        )
        return dataclasses.replace(recovered, start=start)

    def hold_against(self, recovered: Recovered, machine: bool) -> None:
        """The log as it lies there, and the state made of it, against what was told."""
        if not self.trusted:
            mend(self, recovered.first_seq)
        first, log = self.read_log(recovered.start.next_seq)
        lost = self.witness.recovered(first, log, machine=machine, trusted=self.trusted)
        self.counts["records lost"] += lost
        if not self.trusted:
            self.disk.heal()
            drop_snapshots(self)
        if recovered.mismatch:
            raise Broken("RP-6", 0, recovered.mismatch)
        if recovered.snapshot is not None:
            self.counts["starts from a snapshot"] += 1
        if recovered.passed_over and self.trusted and not isinstance(self.end, Flip):
            raise Broken("SN-1", 0, f"snapshots were passed over: {recovered.passed_over}")
        self.follower.held_against(self.witness, self.trusted)
        self.witness.compare(recovered.state.ledger, recovered.state.engines)

    def segments(self) -> list[int]:
        """Numbers that the segment files begin with."""
        return [int(m[1]) for name in self.disk.list(FOLDER) if (m := SEGMENT.match(name))]

    def segment_path(self, first: int) -> Path:
        return FOLDER / f"{first:020d}.wal"

    def read_log(self, next_seq: int) -> tuple[int, bytes]:
        """(number of the first record, records up to next_seq - 1), by arithmetic on the files."""
        segments = sorted(
            (int(found[1]), data) for name, data in self.disk.files_of(FOLDER).items()
            if (found := SEGMENT.match(name))
        )  # fmt: skip
        if not segments:
            return 1, b""
        ends = [first for first, _ in segments[1:]] + [next_seq]
        log = b"".join(
            data[: max(0, end - first) * RECORD_SIZE]
            for (first, data), end in zip(segments, ends, strict=True)
        )
        return segments[0][0], log

    # --- what a step can be ---------------------------------------------------------------

    def make_table(self) -> list[Callable[[], Any]]:
        weights = self.plan.weights
        sync = self.slow_sync if self.plan.slow_ns else self.wal_sync.step
        rows: list[tuple[Callable[[], Any], str]] = [
            *((tile.step, "risk") for tile in self.risks),
            *((tile.step, "matching") for tile in self.matching),
            (self.wal.step, "wal"), (sync, "sync"), (self.ask, "ask"), (self.collect, "collect"),
            (self.tick, "clock"), (self.mark, "mark"), (self.feed, "feed"),
            (self.follow, "follow"),
        ]  # fmt: skip
        if self.replica is not None:
            rows.append((self.replica.step, "replica"))
        return [action for action, name in rows for _ in range(weights[name])]

    def push(self, user: int, data: bytes) -> bool:
        """To the risk tile of a user (0: of shard 0), all of it or nothing."""
        shard = self.plan.config.shards.of(user) if user else 0
        ring = self.rings.of_shard("gateway_risk", shard)
        if ring.free * RECORD_SIZE < len(data):
            return False
        ring.push_many(data)
        return True

    def ask(self) -> None:
        self.clients.now_ns = self.clock.now_ns()
        self.clients.act()

    def collect(self) -> int:
        """Where the gateway stands: take what was released and answered."""
        if self.tamper is not None:
            self.tamper(self)
        chance, clients = self.schedule, self.clients
        data = self.rings["wal_gateway"].pop(chance.spread(64))
        if data:
            self.digest.update(data)
            self.check_durable(data)
            for row in self.witness.hear(data):
                clients.hear(row)
            self.witness.audit(self.wal.durable if self.trusted else 0)
        count = len(data)
        for ring in self.rings.of_shards("risk_gateway"):
            answers = ring.pop(chance.spread(64))
            count += len(answers)
            self.digest.update(answers)
            for row in rows(answers):
                clients.hear_answer(row)
        return count

    def check_durable(self, data: bytes) -> None:
        """INV-10: on the medium before anybody hears of it."""
        durability = self.witness.durability
        if not self.trusted or self.disk.lost or durability == "async":
            self.find_segment(data)
            return
        for at in range(0, len(data), RECORD_SIZE):
            slot = data[at : at + RECORD_SIZE]
            kind = slot[2] | slot[3] << 8
            seq = int.from_bytes(slot[16:24], "little")
            if kind == SEGMENT_STARTED:
                self.segment_first = seq
            if durability == "all" or kind in DURABLE:
                path = self.segment_path(self.segment_first)
                if self.disk.is_durable(path, slot, (seq - self.segment_first) * RECORD_SIZE):
                    continue
                if path.name in self.disk.list(FOLDER):  # else it is pruned already
                    raise Broken("INV-10", seq, "told and not on the disk")

    def find_segment(self, data: bytes) -> None:
        for at in range(0, len(data), RECORD_SIZE):
            if data[at + 2] | data[at + 3] << 8 == SEGMENT_STARTED:
                self.segment_first = int.from_bytes(data[at + 16 : at + 24], "little")

    def tick(self) -> None:
        chance = self.schedule
        self.clock.advance(chance.spread(self.plan.pace_ns))
        rare = chance.below(200)
        if rare == 0:
            self.clock.advance(chance.within(1, 70) * SECOND)
        elif rare == 1 and "clock" in self.plan.faults:
            self.clock.jump(chance.within(1, 4000) * SECOND)

    def mark(self) -> None:
        if self.plan.config.mark_source != "last":
            self.rings["mark_risk"].push(self.clients.next_mark(self.clock.now_ns()))

    def feed(self) -> int:
        """Where market data stands."""
        data = self.rings["wal_marketdata"].pop(self.schedule.spread(64))
        self.witness.hear_feed(data)
        return len(data)

    def follow(self) -> int:
        """Where those stand who store the log elsewhere."""
        return self.follower.step(self.schedule)

    def slow_sync(self) -> int:
        """A disk that takes its time: meanwhile the others go on."""
        now = self.clock.now_ns()
        if now < self.sync_due_ns:
            return 0
        work = self.wal_sync.step()
        if work:
            self.sync_due_ns = now + self.schedule.spread(self.plan.slow_ns)
        return int(work)

    # --- a process lives ------------------------------------------------------------------

    def run(self, steps: int) -> None:
        """So many steps, and then to rest and a clean end. Raises Broken, InvariantError."""
        self.start(machine=False)
        while self.steps < steps:
            end = draw_end(self.plan, self.fate)
            self.live(end, min(steps, self.steps + self.fate.spread(self.plan.life)))
            self.finish(end)
        self.rest()
        self.stop()

    def live(self, end: End, until: int) -> None:
        """Step until the process ends by a fault of the disk, or its time is over."""
        self.end = end
        self.disk.heal()
        end.plant(self.disk, self.fate)
        nxt, table, size, disk = self.schedule.next, self.table, len(self.table), self.disk
        step = self.steps
        try:
            while step < until and not disk.is_dead:
                step += 1
                table[nxt() % size]()
        except OSError as error:
            if not end.breaks and not disk.is_dead:
                raise Broken("L-14", 0, f"the disk is well, and {error}") from error
            self.counts["stopped by the disk"] += 1
            end.has_failed = True
        finally:
            self.steps = step

    def finish(self, end: End) -> None:
        """Let the process end as planned, and start it again."""
        self.counts[end.name] += 1
        if end.name == "rest" and not end.has_failed and not self.disk.is_dead:
            self.rest()
            return
        if end.name == "stop" and not end.has_failed and not self.disk.is_dead:
            self.stop()
        self.clients.process_ended()
        end.happen(self)
        self.begin_again(end)

    def stop(self) -> None:
        """As at SIGTERM."""
        for tile in reversed(self.tiles):
            tile.on_close()

    def begin_again(self, end: End) -> None:
        machine = end.cuts_power
        for _ in range(STARTS_MAX):
            if "clock" in self.plan.faults and self.fate.below(4) == 0:
                back = self.fate.below(100) * SECOND
                self.clock = Clock.simulated(max(START_NS, self.clock.now_ns() - back))
            if "call" in self.plan.faults and self.fate.below(4) == 0:
                self.disk.dies_at = self.disk.calls + self.fate.spread(8)
            try:
                self.start(machine)
            except (StartError, OSError) as error:
                machine |= self.again(end, error)
                continue
            if self.disk.is_dead:  # it died in what nobody looks at
                machine |= self.again(end, OSError("died"))
                continue
            self.disk.heal()
            return
        raise Broken("L-23", 0, f"no start in {STARTS_MAX} attempts")

    def again(self, end: End, error: Exception) -> bool:
        """A start that failed, as it should have; True when the power is cut."""
        self.counts["failed starts"] += 1
        if self.disk.is_dead:
            if "power" in self.plan.faults and self.fate.happens(MILLION // 2):
                self.disk.cut_power(self.plan.keep_ppm, "torn" in self.plan.faults)
                return True
            self.disk.kill()
            return False
        end.refused(self, error)
        return False

    # --- at rest --------------------------------------------------------------------------

    def rest(self) -> None:
        """Nothing more is asked: everything has its answer, and the state is the log's (SM-45)."""
        for _ in range(PASSES_MAX):
            moved = sum(tile.step() for tile in self.tiles) + self.collect() + self.feed()
            if not moved and self.wal.durable == self.wal.appended:
                break
            self.clock.advance(MS)
        else:
            raise Broken("T-6", 0, f"still busy after {PASSES_MAX} passes")
        witness, clients = self.witness, self.clients
        if self.trusted:
            witness.audit(witness.last)
            if witness.last != self.wal.appended:
                raise Broken("INV-7", witness.last, f"{self.wal.appended} were appended")
            if clients.asked:
                request = next(iter(clients.asked.values()))
                raise Broken("INV-22", 0, f"{len(clients.asked)} have no answer: {request}")
            witness.answered(clients.completed, clients.refused)
            witness.at_rest(self.clock.now_ns(), self.plan.config.mark.stale_ms * MS)
            state = self.recovered.state
            witness.compare(state.ledger, state.engines)
            self.second_fold()
        clients.completed.clear()

    def second_fold(self) -> None:
        """INV-14: the replica has come as far, found no difference, and has the same state."""
        if self.replica is None:
            return
        health = self.replica.health()
        self.counts["snapshots"] += self.replica.counters()["snapshots_written"]
        if health["error"] or health["mismatch"] or health["seq"] != self.wal.durable:
            raise Broken("RP-14", self.wal.durable, f"the replica: {health}")
