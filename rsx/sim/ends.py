"""How a process ends: what is planted before, what happens then, what a start may say of it.

Source: specs/sim.md section 3.
"""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING, Any

from rsx.records import BY_NAME, RECORD_SIZE
from rsx.sim.auditor.promises import Broken, type_at
from rsx.sim.chance import MILLION, Chance
from rsx.sim.plan import Plan

if TYPE_CHECKING:
    from rsx.sim.world import World

LOG_SYNCED = BY_NAME["LOG_SYNCED"].type
SEGMENT_STARTED = BY_NAME["SEGMENT_STARTED"].type


class End:
    """The process is stopped as at SIGTERM. Subclasses say what else can happen.

    breaks: the disk will fail calls, so the exchange may stop by itself; cuts_power: what was not
    synced may be lost.
    """

    name = "stop"
    breaks = False
    cuts_power = False

    def __init__(self, plan: Plan, chance: Chance):
        self.plan = plan
        self.has_failed = False  # the exchange stopped by itself

    def plant(self, disk: Any, chance: Chance) -> None:
        """Before the process lives."""

    def happen(self, world: World) -> None:
        """After its last step. What is left of the process is thrown away."""
        world.disk.kill()

    def refused(self, world: World, error: Exception) -> None:
        """A start failed although no call of the disk did: legal only where damage was planted."""
        raise Broken("L-23", 0, f"no start after {self.name}: {error}") from error

    def is_refusal_due(self, world: World) -> None:
        """A start went well: not legal where damage was planted that must be found."""


class Rest(End):
    """Nothing ends: the exchange comes to rest and goes on."""

    name = "rest"


class Kill(End):
    name = "kill"


class Power(End):
    name = "power"
    cuts_power = True

    def happen(self, world: World) -> None:
        world.disk.cut_power(self.plan.keep_ppm, "torn" in self.plan.faults)


class Call(End):
    """The process, or the machine, ends in the middle of a call of the disk."""

    name = "call"
    breaks = True

    def __init__(self, plan: Plan, chance: Chance):
        super().__init__(plan, chance)
        self.cuts_power = "power" in plan.faults and chance.happens(MILLION // 2)

    def plant(self, disk: Any, chance: Chance) -> None:
        disk.dies_at = disk.calls + chance.spread(100)

    def happen(self, world: World) -> None:
        if self.cuts_power:
            world.disk.cut_power(self.plan.keep_ppm, "torn" in self.plan.faults)
        else:
            world.disk.kill()


class Fsync(Call):
    """A sync fails; the exchange stops by itself, and then perhaps the machine."""

    name = "fsync"

    def plant(self, disk: Any, chance: Chance) -> None:
        disk.sync_fails_at = disk.syncs + chance.spread(30)
        disk.forgets = chance.happens(MILLION // 2)

    def happen(self, world: World) -> None:
        world.disk.heal()
        super().happen(world)


class Full(End):
    """The disk fills up; the exchange stops by itself, and starts when there is room again."""

    name = "full"
    breaks = True

    def plant(self, disk: Any, chance: Chance) -> None:
        disk.capacity = (
            disk.used_bytes() + chance.below(3 * self.plan.segment_records) * RECORD_SIZE
        )

    def happen(self, world: World) -> None:
        if world.fate.happens(MILLION // 2):
            world.disk.capacity = -1
        world.disk.kill()

    def refused(self, world: World, error: Exception) -> None:
        if world.disk.capacity < 0:
            super().refused(world, error)
        world.disk.capacity = -1


class Lying(Power):
    """Syncs say that they are done and do nothing, until the power is cut."""

    name = "lying"

    def plant(self, disk: Any, chance: Chance) -> None:
        disk.lies = True

    def happen(self, world: World) -> None:
        world.trusted = False
        world.disk.heal()
        super().happen(world)

    def refused(self, world: World, error: Exception) -> None:
        """What is lost leaves a hole: said with its place, and the log comes from a backup."""
        if not located(str(error)):
            raise Broken("L-21", 0, f"the refusal names no place: {error}") from error
        world.counts["refused"] += 1
        restore(world)


class Lost(Lying):
    """One sector of a sync never reaches the medium."""

    name = "lost"

    def plant(self, disk: Any, chance: Chance) -> None:
        disk.loses_at = disk.syncs + chance.spread(30)


class Flip(End):
    """A bit of the log changes, in records that a mark says were synced, or one of a snapshot:
    found, and located."""

    name = "flip"

    def happen(self, world: World) -> None:
        super().happen(world)
        self.place: tuple[Any, int, int] | None = None
        self.seq = 0  # of the record; 0 = in a snapshot
        disk, fate = world.disk, world.fate
        snapshots = [world.snapshots / name for name in disk.list(world.snapshots)]
        snapshots = [path for path in snapshots if path.name.endswith(".snap")]
        witness = world.witness
        marked = max_marked(witness.log)
        first, _ = world.read_log(witness.last + 1)
        if snapshots and fate.happens(MILLION // 3):
            path = snapshots[-1]
            self.place = (path, fate.below(disk.file_size(path)), fate.below(8))
        elif marked >= first:
            self.seq = fate.within(first, marked)
            begin = max(s for s in world.segments() if s <= self.seq)
            self.offset = (self.seq - begin) * RECORD_SIZE
            byte = self.offset + fate.below(RECORD_SIZE)
            self.place = (world.segment_path(begin), byte, fate.below(8))
        if self.place is not None:
            disk.flip(*self.place)

    def is_refusal_due(self, world: World) -> None:
        """A start from a snapshot does not read the log before it."""
        if self.place is None:
            return
        path, recovered = self.place[0], world.recovered
        passed = any(path.name in text for text in recovered.passed_over)
        is_read = self.seq >= recovered.first_seq if self.seq else not passed
        if is_read:
            raise Broken("L-21", self.seq, f"bit {self.place} was flipped, and nothing was said")
        self.heal(world)

    def heal(self, world: World) -> None:
        if self.place is not None:
            world.disk.flip(*self.place)
        self.place = None

    def refused(self, world: World, error: Exception) -> None:
        if self.place is None:
            super().refused(world, error)
            return
        text = str(error)
        if self.place[0].name not in text or (self.seq and str(self.offset) not in text):
            raise Broken("L-21", self.seq, f"bit {self.place} was flipped: {text}") from error
        world.counts["refused"] += 1
        self.heal(world)


def located(text: str) -> bool:
    """Names a file of the log."""
    return ".wal" in text or "snap" in text


def max_marked(log: bytearray) -> int:
    """The highest number that a LOG_SYNCED says was durable."""
    for seq in range(len(log) // RECORD_SIZE, 0, -1):
        if type_at(log, seq) == LOG_SYNCED:
            at = (seq - 1) * RECORD_SIZE + 32
            return int.from_bytes(log[at : at + 8], "little")
    return 0


def segments_of(world: World) -> list[tuple[Any, bytes]]:
    """(path, content) of every segment of the log as it was told."""
    log = bytes(world.witness.log)
    firsts = [seq for seq in range(1, len(log) // RECORD_SIZE + 1)
              if type_at(log, seq) == SEGMENT_STARTED]  # fmt: skip
    size = world.plan.segment_records * RECORD_SIZE
    return [
        (world.segment_path(first),
         log[(first - 1) * RECORD_SIZE : (after - 1) * RECORD_SIZE].ljust(size, b"\0"))
        for first, after in itertools.pairwise([*firsts, 1 << 62])
    ]  # fmt: skip


def restore(world: World) -> None:
    """The log as it was told, from a backup: every segment written anew."""
    world.disk.heal()
    for name in world.disk.list(world.folder):
        world.disk.remove(world.folder / name)
    drop_snapshots(world)


def drop_snapshots(world: World) -> None:
    """A disk that lied may have left any of them in part; the whole log takes their place."""
    disk = world.disk
    for name in disk.list(world.snapshots):
        disk.remove(world.snapshots / name)
    disk.sync_path(world.snapshots)
    there = disk.list(world.folder)
    for path, content in segments_of(world):
        if path.name not in there:
            disk.write_file(path, content)
    disk.sync_path(world.folder)


def mend(world: World, first_seq: int) -> None:
    """What a lying disk lost of the log before a snapshot, which the start has not read."""
    for first in world.segments():
        path = world.segment_path(first)
        due = bytes(world.witness.log[(first - 1) * RECORD_SIZE : (first_seq - 1) * RECORD_SIZE])
        data = world.disk.read_file(path)
        due = due[: len(data)]
        if data[: len(due)] != due:
            world.disk.heal()
            world.disk.write_file(path, due + data[len(due) :])
            world.counts["segments mended"] += 1


KINDS: dict[str, type[End]] = {
    end.name: end for end in (Kill, Power, Call, Fsync, Full, Lying, Lost, Flip)
}


def draw_end(plan: Plan, chance: Chance) -> End:
    wanted: list[type[End]] = [Rest, End]
    wanted += [kind for name, kind in KINDS.items() if name in plan.faults]
    return chance.pick(wanted)(plan, chance)
