# cython: boundscheck=False
"""wal tile: append, ask for group fsync, release.

Reads   risk_wal, matching_wal[symbol] (every LOGGED record), sync_wal (SYNC_DONE, SEGMENT_READY)
Writes  wal_risk, wal_gateway, wal_marketdata (released records), wal_sync (SYNC_REQUEST), the log
Owns    the numbering, the segment being written, what is appended and not yet released
On full wal_risk, wal_gateway: release stalls; wal_marketdata: lapped and counted; tail full or
        flush bound passed: inputs are left where they are, so their producers stall

Source  specs/wal.md; enforces INV-5, INV-10, INV-43.
"""

from libc.errno cimport ETIMEDOUT
from libc.stdint cimport int64_t, uint8_t, uint32_t, uint64_t
from libc.stdlib cimport calloc, free

import os

from rsx.core.check cimport fail
from rsx.core.clock cimport Clock
from rsx.core.crc cimport rsx_crc_init, rsx_crc_record
from rsx.core.disk cimport DISK_CREATE, DISK_WRITE, Disk
from rsx.core.ring cimport (
    Ring, ring_available, ring_claim, ring_claim_sure, ring_commit, ring_free, ring_peek,
    ring_release, ring_t, ring_wake,
)
from rsx.core.tile cimport RETRY_NS, Tile
from rsx.records_c cimport *
from rsx.tiles.wal_sync cimport RSX_NAME_MAX, io_fail, rsx_ahead_name, rsx_segment_name
from rsx.tiles.wal_sync import LogIoError, WalSync

rsx_crc_init()

cdef enum:
    STREAM_LOG = 65534

# A clean stop waits so long for the sync that runs.
CLOSE_NS = 10_000_000_000
DURABILITY = {"async": ASYNC, "fill": FILL_FIRST, "all": ALL}
__all__ = ["LogIoError", "WalSync", "WalTile"]


cdef class WalTile(Tile):
    """The one log. `start`: where the log ends and who it is (rsx.wal.start.LogStart); wal_risk: a
    ring for each risk tile."""

    def __init__(self, str name, Clock clock, list sources, *, list wal_risk, Ring wal_gateway,
                 Ring wal_marketdata, Ring wal_sync, Ring sync_wal, folder, start,
                 str durability, uint64_t flush_ns, uint64_t segment_records,
                 Disk disk=None):
        cdef Ring ring
        super().__init__(name, [*sources, sync_wal])
        if len(sources) > INPUTS_MAX:
            raise ValueError(f"{len(sources)} input rings; at most {INPUTS_MAX}")
        self.clock = clock
        self.disk = disk or Disk()
        for index, ring in enumerate(sources):
            self.sources[index] = ring.ring
        self.source_count = len(sources)
        if not 0 < len(wal_risk) <= RISKS_MAX:
            raise ValueError(f"{len(wal_risk)} risk tiles; 1 to {RISKS_MAX}")
        self.wal_risk = wal_risk
        for index, ring in enumerate(wal_risk):
            self.risks[index] = ring.ring
        self.risk_count = len(wal_risk)
        self.wal_gateway = wal_gateway
        self.wal_marketdata = wal_marketdata
        self.wal_sync = wal_sync
        self.sync_wal = sync_wal
        self.folder = folder
        self.folder_name = os.fsencode(folder)
        self.folder_path = self.folder_name
        self.start = start
        self.durability = DURABILITY[durability]
        self.flush_ns = flush_ns
        self.segment_records = segment_records
        self.tail = <uint8_t*>calloc(TAIL_RECORDS, RSX_RECORD_SIZE)
        if self.tail == NULL:
            raise MemoryError("log tail")
        self.fd = -1
        self.retired_fd = -1
        self.sync_marks = True

    def __dealloc__(self):
        free(self.tail)

    def on_start(self):
        """Continue the log: the first records of this epoch wait in memory for the first pass."""
        start = self.start
        self.epoch = start.epoch
        self.exchange_id = start.exchange_id
        last = start.next_seq - 1
        self.appended = self.written = self.durable = self.released = last
        self.content = self.content_asked = self.content_marked = last
        if start.path is not None:
            self.fd = self.disk.open_file(start.path, DISK_WRITE)
            self.segment_first = start.segment_first
        for record in start.opening_records:
            self._append_opening(record)
        self.unsynced_since = self.clock.mono()

    def _append_opening(self, const uint8_t[:] record):
        if self.fd < 0 or self.appended + 1 - self.segment_first >= self.segment_records:
            self.write_tail()
            self.open_next_segment(self.clock.now())
        self.append(&record[0])

    def on_close(self):
        """Write and sync what is there; records still in rings were never acknowledged.

        After a failure nothing more is written.
        """
        if self.fd < 0:
            return
        try:
            self._finish()
        finally:
            self._close_files()

    def _finish(self):
        if self.has_failed:
            return
        self._await_sync()
        self._sync_all()
        if self.sync_marks and self.content > self.content_marked:
            self.append_mark(self.clock.mono(), self.clock.now())
            self._sync_all()
        for index in range(self.ready_count):
            self.disk.remove(self.folder / f"ahead-{self.ready_numbers[index]}.tmp")

    def _await_sync(self):
        """The sync that runs may fail, and a later one would not say so."""
        self.hear_sync(self.clock.mono())
        while self.is_syncing:
            if not self.sync_wal.wait(CLOSE_NS):
                self.broken(-ETIMEDOUT, "fsync of the log")
            self.hear_sync(self.clock.mono())

    def _sync_all(self):
        self.write_tail()
        if self.retired_fd >= 0:
            self.sync(self.retired_fd)
            self.disk.close(self.retired_fd)
            self.retired_fd = -1
        self.sync(self.fd)
        self.disk.sync_path(self.folder)
        self.durable = self.written

    def _close_files(self):
        for fd in (self.retired_fd, self.fd):
            if fd >= 0:
                self.disk.close(fd)
        for index in range(self.ready_count):
            self.disk.close(self.ready_fds[index])
        self.fd = self.retired_fd = -1
        self.ready_count = 0

    cdef int do_work(self) except -1 nogil:
        cdef uint64_t mono = self.clock.mono()
        cdef uint64_t released = self.released
        cdef int work = self.hear_sync(mono)
        cdef bint is_late = self.unsynced_since != 0 and self.is_syncing and (
            mono - self.unsynced_since > 2 * self.flush_ns)
        if is_late:
            self.stalls += 1
        else:
            work += self.append_inputs(mono, self.clock.now())
        self.write_tail()
        self.release_records()
        self.sync_here(mono)
        self.ask_sync(mono, False)
        self.due_ns = self.unsynced_since or self.mark_due_since
        if self.due_ns:
            self.due_ns += self.flush_ns // 2
        if self.is_held_up:
            self.due_ns = mono + RETRY_NS
        return work + <int>(self.released - released)

    # --- sync -----------------------------------------------------------------------------

    cdef int hear_sync(self, uint64_t mono) except -1 nogil:
        cdef ring_t* ring = self.sync_wal.ring
        cdef uint64_t count = ring_available(ring), at
        cdef const rsx_sync_done_t* done
        cdef const rsx_segment_ready_t* ready
        for at in range(count):
            done = <const rsx_sync_done_t*>ring_peek(ring, at)
            if done.type == RSX_SEGMENT_READY:
                ready = <const rsx_segment_ready_t*>done
                self.ready_fds[self.ready_count] = ready.fd
                self.ready_numbers[self.ready_count] = ready.number
                self.ready_count += 1
                continue
            if done.error:
                return self.broken(-done.error, "fsync of the log")
            self.is_syncing = False
            self.note_durable(done.seq, self.content_asked, mono)
            self.syncs += 1
            self.sync_ns += done.elapsed_ns
            self.sync_ns_max = max(self.sync_ns_max, done.elapsed_ns)
            if self.durable == self.appended:
                self.unsynced_since = 0
            else:
                self.unsynced_since = self.asked_since
        if count:
            ring_release(ring, count)
        return <int>count

    cdef int ask_sync(self, uint64_t mono, bint is_forced) except -1 nogil:
        """L-12: one sync at a time, when somebody waits for it or the flush bound is near."""
        cdef bint is_waited_for = self.released < self.written and self.durability != ASYNC
        cdef rsx_sync_request_t* request
        if self.is_syncing or self.durable == self.written:
            return 0
        if not (is_waited_for or is_forced or self.retired_fd >= 0
                or mono - self.unsynced_since >= self.flush_ns // 2):
            return 0
        if self.retired_fd >= 0:  # the full segment first: order of durability is order of numbers
            request = <rsx_sync_request_t*>ring_claim(self.wal_sync.ring)
            if request == NULL:
                return fail(1301, self.written, 0)
            rsx_record_init(request, RSX_SYNC_REQUEST, STREAM_LOG)
            request.seq = self.segment_first - 1
            request.fd = self.retired_fd
            request.sync_folder = self.folder_dirty  # it may never have been synced as the current
            request.close_fd = self.retired_fd
            request.taken = self.taken
            self.taken = 0
            ring_commit(self.wal_sync.ring)
            ring_wake(self.wal_sync.ring)
            self.folder_dirty = False
            self.retired_fd = -1
            self.is_syncing = True
            self.asked_since = self.unsynced_since
            self.content_asked = min(self.content, request.seq)
            return 0
        request = <rsx_sync_request_t*>ring_claim(self.wal_sync.ring)
        if request == NULL:
            return fail(1301, self.written, 0)
        rsx_record_init(request, RSX_SYNC_REQUEST, STREAM_LOG)
        request.seq = self.written
        request.fd = self.fd
        request.sync_folder = self.folder_dirty
        request.taken = self.taken
        self.taken = 0
        request.close_fd = -1
        ring_commit(self.wal_sync.ring)
        ring_wake(self.wal_sync.ring)
        self.folder_dirty = False
        self.is_syncing = True
        self.asked_since = mono  # whatever comes now waits for the sync after this one
        self.content_asked = self.content
        return 0

    cdef int sync_here(self, uint64_t mono) except -1 nogil:
        """Sync at once, on this thread, while no request waits (L-12).

        Whoever waits for this release waits for the disk anyway; two wake-ups of sleeping
        threads are saved. Requests that come meanwhile stay in their rings.
        """
        cdef int index
        cdef uint64_t elapsed
        if not self.sync_inline or self.is_syncing or self.folder_dirty or self.retired_fd >= 0:
            return 0
        if self.released == self.written or self.durability == ASYNC:
            return 0
        if self.is_held_up or self.durable == self.written:  # the disk is not what it waits for
            return 0
        for index in range(self.source_count):
            if ring_available(self.sources[index]):
                return 0
        self.sync(self.fd)
        elapsed = self.clock.mono() - mono
        self.note_durable(self.written, self.content, mono)
        self.unsynced_since = 0
        self.syncs += 1
        self.syncs_inline += 1
        self.sync_ns += elapsed
        self.sync_ns_max = max(self.sync_ns_max, elapsed)
        return self.release_records()

    cdef void note_durable(self, uint64_t seq, uint64_t content, uint64_t mono) noexcept nogil:
        self.durable = seq
        if content > self.content_marked and self.mark_due_since == 0 and self.sync_marks:
            self.mark_due_since = mono

    cdef int sync(self, int fd) except -1 nogil:
        cdef int done = self.disk.sync(fd)
        return self.broken(done, "fsync of the log") if done < 0 else 0

    cdef int broken(self, int error, str what) except -1 nogil:
        """L-14; -errno."""
        self.has_failed = True
        return io_fail(-error, self.folder_path, what)

    # --- append ---------------------------------------------------------------------------

    cdef int append_inputs(self, uint64_t mono, uint64_t wall) except -1 nogil:
        """Take what is in the rings, each up to a limit, as far as tail and segment have room.

        Where the room ended, the next pass begins: no ring waits for ever behind others (L-10).
        """
        cdef int index, turn, first = self.first_source, total = 0
        cdef bint is_stuck = False
        cdef uint64_t count, at, room
        cdef ring_t* ring
        self.first_source = 0
        for turn in range(self.source_count):
            index = first + turn
            if index >= self.source_count:
                index -= self.source_count
            ring = self.sources[index]
            count = min(ring_available(ring), <uint64_t>DRAIN_LIMIT)
            at = 0
            if count and self.mark_due_since:
                total += self.append_mark(mono, wall)
            while at < count:
                room = self.make_room(wall)
                if room == 0:
                    break
                room = min(count, at + <uint64_t>room)
                while at < room:
                    self.append(ring_peek(ring, at))
                    at += 1
            if at < count and not is_stuck:
                is_stuck = True
                self.first_source = (index + (at != 0)) % self.source_count
            if at == 0:
                continue
            if self.unsynced_since == 0:
                self.unsynced_since = mono
            ring_release(ring, at)
            total += <int>at
        if self.mark_due_since and mono - self.mark_due_since >= self.flush_ns // 2:
            total += self.append_mark(mono, wall)
        return total

    cdef int64_t make_room(self, uint64_t wall) except -1 nogil:
        """How many records may be appended; a full segment is left for a new one first."""
        # A place is left for the first record of a segment.
        cdef int64_t room = TAIL_RECORDS - 2 - <int64_t>(self.appended - self.released)
        if room <= 0:
            return 0
        if self.appended + 1 - self.segment_first >= self.segment_records:
            if self.retired_fd >= 0:
                return 0  # the segment before this one first (L-3); its sync comes next
            self.write_tail()
            self.open_next_segment(wall)
        return min(room, <int64_t>(self.segment_first + self.segment_records - 1 - self.appended))

    cdef int append_mark(self, uint64_t mono, uint64_t wall) except -1 nogil:
        """LOG_SYNCED (L-17), where there is room; returns how many records that makes."""
        cdef rsx_log_synced_t mark
        if self.make_room(wall) == 0:
            return 0
        if self.durable > self.written:  # INV-43
            return fail(43, self.durable, self.written)
        rsx_record_init(&mark, RSX_LOG_SYNCED, STREAM_LOG)
        mark.ts_ns = wall
        mark.durable_seq = self.durable
        mark.header_flags = RSX_GROUP_END
        self.content_marked = min(self.content, self.durable)
        self.mark_due_since = 0
        self.marks += 1
        if self.unsynced_since == 0:
            self.unsynced_since = mono
        return 1 + self.append_sealed(&mark)

    cdef int append(self, const void* record) except -1 nogil:
        self.append_sealed(record)
        self.content = self.appended
        return 0

    cdef int append_sealed(self, const void* record) except -1 nogil:
        """Number a record, seal it, and put it into the tail (INV-5)."""
        cdef rsx_record_t* slot
        self.appended += 1
        slot = <rsx_record_t*>(
            self.tail + (self.appended & (TAIL_RECORDS - 1)) * RSX_RECORD_SIZE)
        rsx_record_copy(slot, record)
        slot.seq = self.appended
        slot.epoch = self.epoch
        slot.crc = rsx_crc_record(slot)
        return 0

    cdef int write_tail(self) except -1 nogil:
        """Hand everything appended to the page cache: one call, two where the tail wraps."""
        cdef uint64_t first, count, place
        cdef int done
        while self.written < self.appended:
            first = self.written + 1
            place = first & (TAIL_RECORDS - 1)
            count = min(self.appended - self.written, TAIL_RECORDS - place)
            done = self.disk.write_all(
                self.fd, self.tail + place * RSX_RECORD_SIZE, count * RSX_RECORD_SIZE,
                <int64_t>((first - self.segment_first) * RSX_RECORD_SIZE))
            if done < 0:
                return self.broken(done, "write of the log")
            self.written += count
        return 0

    cdef int open_next_segment(self, uint64_t wall) except -1 nogil:
        """L-3: take a zeroed file, or make one; its first record follows at once."""
        cdef rsx_segment_started_t first
        cdef char[RSX_NAME_MAX] ahead
        cdef char[RSX_NAME_MAX] name
        cdef uint32_t number = 0
        cdef int fd = -1, at, done
        if self.retired_fd >= 0:
            return fail(1303, self.appended, self.retired_fd)
        if self.ready_count:
            fd = self.ready_fds[0]
            number = self.ready_numbers[0]
            self.ready_count -= 1
            self.taken += 1
            for at in range(self.ready_count):
                self.ready_fds[at] = self.ready_fds[at + 1]
                self.ready_numbers[at] = self.ready_numbers[at + 1]
        done = rsx_ahead_name(ahead, self.folder_path, number)
        done = done or rsx_segment_name(name, self.folder_path, self.appended + 1)
        if done == 0 and number == 0:
            fd = self.disk.open(ahead, DISK_CREATE)
            done = fd if fd < 0 else self.disk.resize(
                fd, <int64_t>(self.segment_records * RSX_RECORD_SIZE))
            self.segments_unprepared += 1
        done = done or self.disk.rename(ahead, name)
        if done < 0:
            return self.broken(done, "new segment of the log")
        self.retired_fd = self.fd
        self.fd = fd
        self.folder_dirty = True
        self.segment_first = self.appended + 1
        rsx_record_init(&first, RSX_SEGMENT_STARTED, STREAM_LOG)
        first.ts_ns = wall
        first.exchange_id = self.exchange_id
        first.header_flags = RSX_GROUP_END
        return self.append(&first)

    # --- release --------------------------------------------------------------------------

    cdef int release_records(self) except -1 nogil:
        """L-11: in order, as far as durability and the rings that never lose allow."""
        cdef int index
        cdef uint64_t limit = self.durable if self.durability == ALL else self.written
        cdef uint64_t room, at = self.released
        cdef const rsx_record_t* record
        cdef void* slot
        self.is_held_up = False
        if at >= limit:
            return 0
        room = ring_free(self.wal_gateway.ring, limit - at)
        for index in range(self.risk_count):
            room = min(room, ring_free(self.risks[index], limit - at))
        self.is_held_up = room < limit - at
        limit = min(limit, at + room)
        while at < limit:
            record = <const rsx_record_t*>(
                self.tail + ((at + 1) & (TAIL_RECORDS - 1)) * RSX_RECORD_SIZE)
            if self.durability == FILL_FIRST and rsx_is_durable(record.type):
                if at + 1 > self.durable:  # INV-10
                    break
            at += 1
            for index in range(self.risk_count):
                rsx_record_copy(ring_claim_sure(self.risks[index]), record)
            rsx_record_copy(ring_claim_sure(self.wal_gateway.ring), record)
            slot = ring_claim(self.wal_marketdata.ring)
            if slot != NULL:
                rsx_record_copy(slot, record)
            else:
                self.lapped += 1
        if at == self.released:
            return 0
        self.released = at
        # The gateway last: what a client has been told, market data can be asked for.
        ring_commit(self.wal_marketdata.ring)
        for index in range(self.risk_count):
            ring_commit(self.risks[index])
        ring_commit(self.wal_gateway.ring)
        ring_wake(self.wal_gateway.ring)
        for index in range(self.risk_count):
            ring_wake(self.risks[index])
        ring_wake(self.wal_marketdata.ring)
        return 0

    def counters(self):
        return {
            "appended_seq": self.appended,
            "durable_seq": self.durable,
            "released_seq": self.released,
            "syncs": self.syncs,
            "syncs_inline": self.syncs_inline,
            "sync_ns": self.sync_ns,
            "sync_ns_max": self.sync_ns_max,
            "flush_stalls": self.stalls,
            "marketdata_lapped": self.lapped,
            "segments_unprepared": self.segments_unprepared,
            "segments_ready": self.ready_count,
            "sync_marks": self.marks,
        }
