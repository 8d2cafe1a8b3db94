# cython: boundscheck=False
"""replica tile: a second fold of the log, which compares digests and writes snapshots.

Reads   the log's files up to what is durable (no ring)
Writes  replica_risk (MODE_REQUEST of user 0, when a digest differs), replica_sync (LOG_PRUNE),
        snapshot files
Owns    a State of its own, the folder of snapshots
On full both rings are tried again in a later duty cycle
On failure it ends alone: named by health, nothing is pruned any more (RP-14)
Source  specs/replica.md sections 2 and 3; INV-34

                    newest snapshot           records, 8,192 a duty cycle
    STARTING --------------------> FOLLOWING <--------------------------+
                                      |  due, or asked for              |
                                      +------------> WRITING, 256 KiB --+
"""

from libc.stdint cimport uint64_t

import os

from rsx.core.clock cimport Clock
from rsx.core.disk cimport Disk
from rsx.core.ring cimport Ring
from rsx.core.tile cimport Tile
from rsx.errors import StartError
from rsx.records import LOG_PRUNE, MODE_REQUEST, RECORD_SIZE, Mode
from rsx.tiles.wal cimport WalTile
from rsx.wal.follow import LogFollower
from rsx.wal.snapshot import (
    SnapshotWriter, list_snapshots, load_snapshot, remove_leftovers,
)
from rsx.wal.state cimport State

cdef extern from *:
    """
    #if defined(__linux__)
    #include <sys/resource.h>
    /* 0 is the calling thread there, and only there. */
    static inline void rsx_lower_priority(void) { (void)setpriority(PRIO_PROCESS, 0, 19); }
    #else
    static inline void rsx_lower_priority(void) {}
    #endif
    """
    void rsx_lower_priority() noexcept nogil

cdef uint64_t MS = 1_000_000
cdef uint64_t SECOND = 1_000_000_000
cdef uint64_t LOOK_NS = 10 * MS         # while there was something to do within the last second
cdef uint64_t RECORDS_PER_MIB = (1 << 20) // RECORD_SIZE


cdef class ReplicaTile(Tile):
    """Args  wal: whose log it follows; folder: of the log; config: as recovered; disk: where the
    files are; exchange_id: of the log, 0 = any; replica_sync: None = nothing is pruned.

    `health`, `request_snapshot`, `answer` from any thread.
    """

    def __init__(self, str name, Clock clock, WalTile wal, *, config, folder, Disk disk,
                 Ring replica_risk, Ring replica_sync=None, uint64_t exchange_id=0):
        super().__init__(name, [])
        self.clock = clock
        self.wal = wal
        self.config = config
        self.folder = folder
        self.exchange_id = exchange_id
        self.snapshots = folder.parent.joinpath("snapshots")
        self.disk = disk
        self.replica_risk = replica_risk
        self.replica_sync = replica_sync
        self.holders = {}
        self.passed_over = []
        self.kept = []
        self.waiting = []
        self.snapshot_error = ""
        self.every_ns = config.snapshot.every_s * SECOND
        self.every_records = config.snapshot.every_mib * RECORDS_PER_MIB
        self.retain_records = config.wal.retain_mib * RECORDS_PER_MIB
        self.keep_seq = 1

    def on_close(self):
        if self.writer is not None:
            self.writer.abandon()
            self.writer = None

    # --- duty cycle -----------------------------------------------------------------------

    cdef int do_work(self) except -1 nogil:
        cdef uint64_t now = self.clock.mono()
        cdef int done = 0
        if self.wal.durable < self.next_seq:
            self.goal_ns = now
        if self.is_background and not self.is_lowered:
            self.is_lowered = True
            rsx_lower_priority()
        self.due_ns = 0
        if not self.is_failed and self.has_work(now):
            with gil:
                done = self.turn(now)
        if done:
            self.moved_ns = now
        elif now - self.moved_ns < SECOND:
            self.due_ns = now + LOOK_NS
        return done

    cdef bint has_work(self, uint64_t now) noexcept nogil:
        """Whether a turn has anything to do; without the GIL, so that idling costs nobody any."""
        return (self.next_seq == 0 or self.writer is not None or self.wal.durable >= self.next_seq
                or self.is_closing or self.wanted != self.served or self.is_snapshot_due(now)
                or (self.prune_ns != 0 and now >= self.prune_ns))

    cdef bint is_snapshot_due(self, uint64_t now) noexcept nogil:
        """RP-20, but for requests."""
        cdef uint64_t behind = self.next_seq - 1 - self.tried_seq
        if behind == 0 or self.seen_seq:
            return False
        return ((self.every_records and behind >= self.every_records)
                or (self.every_ns and now - self.snapshot_ns >= self.every_ns))

    def turn(self, uint64_t now):
        """One step of what is to be done. Whatever goes wrong ends this tile alone (RP-14)."""
        cdef int done
        try:
            if self.state is None:
                self.begin(now)
                return 1
            if self.writer is not None:
                self.write_on(now)
                return 1
            done = self.follow(now)
            if self.is_closing:
                self.close_markets()
            if self.wanted != self.served or self.is_snapshot_due(now):
                done += self.begin_snapshot(now)
            if self.prune_ns and now >= self.prune_ns:
                self.prune()
            return done
        except Exception as error:
            self.fail(error)
            return 0

    def fail(self, error):
        """Take no part any more. Who waits for a snapshot is told."""
        self.error = f"{type(error).__name__}: {error}"
        self.is_failed = True
        self.state = None
        self.follower = None
        self.drop_writer()
        self.serving = self.wanted
        self.tell()

    # --- the fold -------------------------------------------------------------------------

    def begin(self, uint64_t now):
        """RP-10: from the newest snapshot that loads, or from the first record."""
        cdef State state = None
        remove_leftovers(self.snapshots, self.disk)
        for found in reversed(list_snapshots(self.snapshots, self.disk)):
            if state is None:
                try:
                    state = load_snapshot(found.path, self.config, self.disk,
                                          exchange_id=self.exchange_id)
                except (StartError, OSError) as error:
                    self.passed_over.append(str(error))
                    continue
                self.snapshot_seq = self.tried_seq = found.seq
                self.snapshot_path = found.path
            self.kept.insert(0, found.seq)
        self.state = State(self.config) if state is None else state
        self.next_seq = self.state.next_seq
        self.follower = LogFollower(self.folder, self.next_seq, lambda: self.wal.durable, self.disk)
        self.snapshot_ns = self.goal_ns = now
        self.prune_ns = now

    def follow(self, uint64_t now):
        """Fold what there is, up to a limit."""
        data = self.follower.read(FOLD_RECORDS)
        if data:
            self.state.apply(data)
            self.next_seq = self.state.next_seq
            if self.prune_ns == 0:
                self.prune_ns = now + SECOND
            if self.state.digests.seq != self.seen_seq:
                self.on_difference()
        self.note_lag(now)
        return 1 if data else 0

    cdef void note_lag(self, uint64_t now) noexcept nogil:
        """When what is not folded yet was durable already."""
        if self.next_seq > self.goal_seq:
            self.goal_seq = self.wal.durable
            self.goal_ns = now

    def on_difference(self):
        """RP-12: there is one, or it has been answered."""
        self.seen_seq = self.state.digests.seq
        self.mismatch = self.state.mismatch
        self.is_closing = self.mismatch is not None

    def close_markets(self):
        """Markets that trade by what is folded are to take cancels only."""
        for symbol_id, engine in self.state.engines.items():
            if engine.mode not in (Mode.CANCEL_ONLY, Mode.HALT):
                request = MODE_REQUEST.pack(
                    ts_ns=self.clock.now_ns(), symbol_id=symbol_id, mode=Mode.CANCEL_ONLY)
                if not self.replica_risk.push(request):
                    return
        self.is_closing = False

    # --- snapshots ------------------------------------------------------------------------

    def begin_snapshot(self, uint64_t now):
        """Where nothing is new the newest snapshot is the answer; with a difference there is none.
        """
        self.serving = self.wanted
        if self.mismatch is not None:
            self.end_request(f"not written: {self.mismatch}")
            return 0
        if self.snapshot_path is not None and self.snapshot_seq == self.next_seq - 1:
            self.end_request("")
            return 0
        self.snapshot_ns = self.began_ns = now
        self.tried_seq = self.next_seq - 1
        try:
            self.writer = SnapshotWriter(self.state, self.snapshots, self.disk)
        except OSError as error:
            self.on_snapshot_failed(error)
        return 1

    def write_on(self, uint64_t now):
        try:
            if not self.writer.step(STEP_BYTES):
                return
        except OSError as error:
            self.on_snapshot_failed(error)
            return
        self.snapshot_seq = self.next_seq - 1
        self.snapshot_path = self.writer.path
        self.snapshot_wall_ns = self.clock.now_ns()
        self.snapshot_elapsed_ns = now - self.began_ns
        self.snapshots_written += 1
        self.writer = None
        self.kept.append(self.snapshot_seq)
        self.end_request("")
        self.remove_old()
        self.prune_ns = now

    def on_snapshot_failed(self, error):
        """RP-14: tried again when it is due; the older ones stay."""
        self.snapshots_failed += 1
        self.drop_writer()
        self.end_request(str(error))

    def drop_writer(self):
        writer, self.writer = self.writer, None
        if writer is not None:
            try:
                writer.abandon()
            except OSError as error:
                self.snapshot_error = str(error)

    def end_request(self, str error):
        self.snapshot_error = error
        self.tell()

    def tell(self):
        """What was asked for up to now is answered."""
        self.served = self.serving
        waiting, self.waiting = self.waiting, []
        for ticket, done in waiting:
            if ticket <= self.served:
                done()
            else:
                self.waiting.append((ticket, done))

    def remove_old(self):
        """RP-21. Also those that did not load, if they are older than what is kept."""
        self.kept = self.kept[-self.config.snapshot.keep:]
        for found in list_snapshots(self.snapshots, self.disk):
            if found.seq not in self.kept:
                self.disk.remove(found.path)

    def prune(self):
        """RP-22: tell wal_sync what nobody needs any more."""
        cdef uint64_t keep
        self.prune_ns = 0
        if self.replica_sync is None or not self.kept:
            return
        keep = self.kept[0] + 1
        if self.next_seq <= self.retain_records:
            return
        keep = min(keep, self.next_seq - self.retain_records)
        for needed in self.holders.values():
            first = needed()
            if first:
                keep = min(keep, first)
        if keep > self.keep_seq:
            if self.replica_sync.push(LOG_PRUNE.pack(ts_ns=self.clock.now_ns(), keep_seq=keep)):
                self.keep_seq = keep
            else:
                self.prune_ns = self.clock.mono() + SECOND

    # --- from other threads ---------------------------------------------------------------

    def request_snapshot(self, done=None):
        """Ask for one now; returns a ticket for `answer`. done(): called on this tile's thread
        when there is one; not where the replica has failed already."""
        ticket = self.wanted + 1
        if done is not None:
            self.waiting.append((ticket, done))
        self.wanted = ticket
        return ticket

    def answer(self, uint64_t ticket):
        """None while it is being written; else (number, path, "") or (0, None, why not)."""
        if self.served < ticket and not self.is_failed:
            return None
        if self.is_failed:
            return 0, None, f"the replica has failed: {self.error}"
        if self.snapshot_error:
            return 0, None, self.snapshot_error
        return self.snapshot_seq, self.snapshot_path, ""

    @property
    def lag(self):
        """(records, ms) that the fold is behind what is durable."""
        records = max(0, <long long>(self.wal.durable + 1 - max(self.next_seq, <uint64_t>1)))
        if records == 0 or self.goal_ns == 0:
            return records, 0
        return records, (self.clock.mono() - self.goal_ns) // MS

    @property
    def status(self):
        if self.is_failed:
            return "failed"
        if self.state is None:
            return "starting"
        return "writing" if self.writer is not None else "following"

    def health(self):
        """What /health shows of it (RP-13)."""
        records, ms = self.lag
        age = (self.clock.now_ns() - self.snapshot_wall_ns) // SECOND
        return {
            "state": self.status,
            "seq": max(self.next_seq, <uint64_t>1) - 1,
            "lag_records": records,
            "lag_ms": ms,
            "snapshot_seq": self.snapshot_seq,
            "snapshot_age_s": age if self.snapshot_wall_ns else None,
            "mismatch": self.mismatch,
            "error": self.error,
        }

    def troubles(self):
        """(reasons to be unready, warnings) for /health."""
        unready = []
        warnings = [f"snapshot passed over: {text}" for text in self.passed_over]
        if self.mismatch is not None:
            unready.append(f"books or accounts differ from the log: {self.mismatch}")
        if self.is_failed:
            warnings.append(f"the replica has failed, the log is not pruned: {self.error}")
        elif self.snapshot_error:
            warnings.append(f"the last snapshot failed: {self.snapshot_error}")
        if self.lag[1] > 10_000:
            warnings.append(f"the replica is {self.lag[1] // 1000} s behind")
        return unready, warnings

    def counters(self):
        records, ms = self.lag
        digests = None if self.state is None else self.state.digests
        return {
            "replica_seq": max(self.next_seq, <uint64_t>1) - 1,
            "replica_lag_records": records,
            "replica_lag_ms": ms,
            "replica_failed": self.is_failed,
            "replica_mismatch": self.mismatch is not None,
            "replica_digests": 0 if digests is None else digests.compared,
            "snapshot_seq": self.snapshot_seq,
            "snapshots_written": self.snapshots_written,
            "snapshots_failed": self.snapshots_failed,
            "snapshot_elapsed_ns": self.snapshot_elapsed_ns,
            "log_keep_seq": self.keep_seq,
        }
