"""One who stores the log elsewhere: an archive, a standby, a consumer of the stream.

Follows the log up to what is durable, keeps what it has read, is cut off and resumes at its tip.
What it has must never be ahead of the log, nor differ from it. Source: specs/sim.md section 6.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from rsx.records import RECORD_SIZE
from rsx.sim.auditor.promises import Broken, Witness
from rsx.sim.chance import Chance
from rsx.wal.follow import LogFollower


class Follower:
    """Args  folder, disk: of the log; is_cut: its connection breaks now and then"""

    def __init__(self, folder: Path, disk: Any, is_cut: bool):
        self.folder, self.disk, self.is_cut = folder, disk, is_cut
        self.kept = bytearray()  # records 1.., as they were read
        self.cuts = 0
        self.reader: LogFollower | None = None

    @property
    def next_seq(self) -> int:
        return len(self.kept) // RECORD_SIZE + 1

    def begin(self, wal: Any) -> None:
        """A process serves the log again."""
        self.wal = wal
        self.connect()

    def connect(self) -> None:
        self.reader = LogFollower(
            self.folder, self.next_seq, lambda: int(self.wal.durable), self.disk
        )

    def step(self, chance: Chance) -> int:
        if self.is_cut and chance.below(8) == 0:
            self.cuts += 1
            # What was not yet stored when the connection broke comes again.
            del self.kept[max(0, self.next_seq - 1 - chance.below(16)) * RECORD_SIZE :]
            self.connect()
        assert self.reader is not None
        data = self.reader.read(chance.spread(256))
        self.kept += data
        return len(data)

    def held_against(self, witness: Witness, trusted: bool) -> None:
        """What is kept is the log, and no more than the log."""
        if not trusted:
            del self.kept[witness.last * RECORD_SIZE :]
            for at in range(0, len(self.kept), RECORD_SIZE):
                if self.kept[at : at + RECORD_SIZE] != witness.log[at : at + RECORD_SIZE]:
                    del self.kept[at:]
        if len(self.kept) > len(witness.log):
            raise Broken("L-27", witness.last, f"a follower has {self.next_seq - 1} records")
        if witness.log[: len(self.kept)] != self.kept:
            raise Broken("L-27", 0, "a follower was given other records than the log has")
