# cython: boundscheck=False
"""wal_sync tile: fdatasync for the wal tile, segment files made ready ahead, old ones pruned.

Reads   wal_sync, replica_sync (LOG_PRUNE; the newest counts)
Writes  sync_wal
Owns    the descriptors it is asked to sync, the next segment file while it is being made ready,
        segment files that nobody needs any more
On full sync_wal is never full: a failed check

Source  specs/wal.md sections 1 and 2; enforces INV-42.
"""

from libc.errno cimport ENOMEM
from libc.stdint cimport int64_t, uint8_t, uint32_t, uint64_t
from libc.stdlib cimport calloc, free, realloc
from libc.string cimport memmove

import os

from rsx.core.check cimport fail
from rsx.core.clock cimport monotonic_ns
from rsx.core.disk cimport DISK_CREATE, DISK_WRITE, Disk
from rsx.core.ring cimport (
    Ring, ring_available, ring_claim, ring_commit, ring_free, ring_peek, ring_release, ring_t,
    ring_wake,
)
from rsx.core.tile cimport Tile
from rsx.records_c cimport *

cdef enum:
    STREAM_LOG = 65534
    ZERO_CHUNK = 1 << 18


class LogIoError(OSError):
    """The log cannot be written or made durable. The exchange stops; nothing is retried (L-14)."""


cdef int io_fail(int error, const char* folder, str what) except -1 with gil:
    reason = f"{os.fsdecode(folder)}: {what}: {os.strerror(error)}"
    raise LogIoError(error, f"{reason}; the exchange stops (specs/wal.md L-14)")


cdef class WalSync(Tile):
    """Args

    firsts: numbers that the segments begin with, ascending; replica_sync: None = nothing is pruned;
    spare: prunable files kept for use; disk: None = the operating system's.
    `oldest` is the number of the first record of the log, for any thread.
    """

    def __init__(self, str name, *, Ring wal_sync, Ring sync_wal, folder, uint64_t segment_bytes,
                 int ahead, firsts=(1,), uint64_t durable=0, Ring replica_sync=None, int spare=0,
                 Disk disk=None):
        super().__init__(name, [ring for ring in (wal_sync, replica_sync) if ring is not None])
        self.disk = disk or Disk()
        self.wal_sync = wal_sync
        self.sync_wal = sync_wal
        self.folder = folder
        self.folder_name = os.fsencode(folder)
        self.folder_path = self.folder_name
        self.segment_bytes = segment_bytes
        self.ahead = min(ahead, READY_MAX - 1)
        self.filling_fd = -1
        self.next_number = 1
        self.replica_sync = replica_sync
        self.spare = max(self.ahead, spare)
        self.durable_seq = durable
        for first in firsts:
            self.note_segment(first)
        self.oldest = self.firsts[0]
        self.zeros = <uint8_t*>calloc(1, ZERO_CHUNK)
        if self.zeros == NULL:
            raise MemoryError("zeros")

    def __dealloc__(self):
        free(self.zeros)
        free(self.firsts)

    def on_close(self):
        """Serve what was still asked for, then drop the file that is being filled."""
        while ring_available(self.wal_sync.ring) and ring_free(self.sync_wal.ring, 1):
            self.do_work()
        if self.filling_fd >= 0:
            self.disk.close(self.filling_fd)
            self.disk.remove(self.folder / f"ahead-{self.filling_number}.tmp")
            self.filling_fd = -1

    cdef int do_work(self) except -1 nogil:
        cdef ring_t* ring = self.wal_sync.ring
        if ring_available(ring):
            self.serve(<const rsx_record_t*>ring_peek(ring, 0))
            ring_release(ring, 1)
            return 1
        if self.replica_sync is not None:
            self.hear_prune()
        return self.prepare() or (self.remove_oldest() if self.is_prunable(self.spare) else 0)

    cdef int serve(self, const rsx_record_t* record) except -1 nogil:
        cdef const rsx_sync_request_t* request = <const rsx_sync_request_t*>record
        cdef uint64_t began = monotonic_ns(), elapsed
        cdef rsx_sync_done_t* done
        cdef int error = -self.disk.sync(request.fd)
        if error == 0 and request.sync_folder:
            error = -self.disk.sync_folder(self.folder_path)
        if error == 0:
            self.durable_seq = request.seq
            if request.close_fd >= 0:
                self.note_segment(request.seq + 1)
        self.prepared -= <int>request.taken
        if request.close_fd >= 0:
            self.disk.close(request.close_fd)
        elapsed = monotonic_ns() - began
        done = <rsx_sync_done_t*>ring_claim(self.sync_wal.ring)
        if done == NULL:
            return fail(1302, request.seq, error)
        rsx_record_init(done, RSX_SYNC_DONE, STREAM_LOG)
        done.seq = request.seq
        done.error = error
        done.elapsed_ns = <uint32_t>min(elapsed, <uint64_t>0xFFFFFFFF)
        ring_commit(self.sync_wal.ring)
        ring_wake(self.sync_wal.ring)
        return 1

    cdef int prepare(self) except -1 nogil:
        """Make the next segment ready: recycle one, or zero one more chunk of a new one.

        The zeros are synced here, so that no sync of the log pays for them.
        """
        cdef char[RSX_NAME_MAX] name
        cdef uint64_t size
        cdef int done
        if self.prepared >= self.ahead:
            return 0
        if self.is_prunable(0):
            return self.recycle()
        if self.filling_fd < 0:
            self.filling_number = self.next_number
            self.next_number += 1
            done = rsx_ahead_name(name, self.folder_path, self.filling_number)
            self.filling_fd = done if done < 0 else self.disk.open(name, DISK_CREATE)
            if self.filling_fd < 0:
                io_fail(-self.filling_fd, self.folder_path, "segment ahead")
            self.filled = 0
        size = min(<uint64_t>ZERO_CHUNK, self.segment_bytes - self.filled)
        done = self.disk.write_all(self.filling_fd, self.zeros, size, <int64_t>self.filled)
        done = done or self.disk.sync(self.filling_fd)
        if done < 0:
            io_fail(-done, self.folder_path, "segment ahead")
        self.filled += size
        if self.filled < self.segment_bytes:
            return 1
        done = self.filling_fd
        self.filling_fd = -1
        return self.hand_over(done, self.filling_number)

    cdef int hand_over(self, int fd, uint32_t number) except -1 nogil:
        """SEGMENT_READY: `ahead-<number>.tmp` is the wal tile's now."""
        cdef rsx_segment_ready_t* ready = <rsx_segment_ready_t*>ring_claim(self.sync_wal.ring)
        if ready == NULL:
            return fail(1302, number, 0)
        rsx_record_init(ready, RSX_SEGMENT_READY, STREAM_LOG)
        ready.fd = fd
        ready.number = number
        ring_commit(self.sync_wal.ring)
        ring_wake(self.sync_wal.ring)
        self.prepared += 1
        return 1

    # --- retention (L-6) ------------------------------------------------------------------

    cdef int hear_prune(self) except -1 nogil:
        cdef ring_t* ring = self.replica_sync.ring
        cdef uint64_t count = ring_available(ring)
        cdef const rsx_log_prune_t* prune
        if count:
            prune = <const rsx_log_prune_t*>ring_peek(ring, count - 1)
            self.keep_seq = max(self.keep_seq, prune.keep_seq)
            ring_release(ring, count)
        return 0

    cdef int note_segment(self, uint64_t first) except -1 nogil:
        """The log goes on in a file that begins with this number."""
        cdef uint64_t* grown
        if self.first_count and self.firsts[self.first_count - 1] >= first:
            return 0
        if self.first_count == self.first_room:
            self.first_room = max(<uint64_t>1024, 2 * self.first_room)
            grown = <uint64_t*>realloc(self.firsts, self.first_room * sizeof(uint64_t))
            if grown == NULL:
                return io_fail(ENOMEM, self.folder_path, "list of segments")
            self.firsts = grown
        self.firsts[self.first_count] = first
        self.first_count += 1
        return 0

    cdef bint is_prunable(self, uint64_t index) noexcept nogil:
        """Whether nobody needs this segment, counted from the oldest, or any before it."""
        return (index + 1 < self.first_count
                and self.firsts[index + 1] <= min(self.keep_seq, self.durable_seq + 1))

    cdef int check_unneeded(self) except -1 nogil:
        if not self.is_prunable(0):  # INV-42
            return fail(42, self.firsts[0], min(self.keep_seq, self.durable_seq + 1))
        return 0

    cdef void forget_oldest(self) noexcept nogil:
        """Before its file goes: who asks for what is in it now is told that it is pruned."""
        self.first_count -= 1
        memmove(self.firsts, self.firsts + 1, self.first_count * sizeof(uint64_t))
        self.oldest = self.firsts[0]

    cdef int recycle(self) except -1 nogil:
        """Take the oldest segment for the next one ahead. Not zeroed: L-7."""
        cdef char[RSX_NAME_MAX] name
        cdef char[RSX_NAME_MAX] ahead
        cdef int64_t size
        cdef int fd, done
        self.check_unneeded()
        done = rsx_segment_name(name, self.folder_path, self.firsts[0])
        done = done or rsx_ahead_name(ahead, self.folder_path, self.next_number)
        fd = done if done < 0 else self.disk.open(name, DISK_WRITE)
        if fd < 0:
            return io_fail(-fd, self.folder_path, "old segment of the log")
        size = self.disk.size(fd)
        if size != <int64_t>self.segment_bytes:
            self.disk.close(fd)
            if size < 0:
                return io_fail(<int>-size, self.folder_path, "old segment of the log")
            return self.remove_oldest()
        self.forget_oldest()
        done = self.disk.rename(name, ahead)
        # Else a power cut could leave new records in a file that still has the old name.
        done = done or self.disk.sync_folder(self.folder_path)
        if done < 0:
            self.disk.close(fd)
            return io_fail(-done, self.folder_path, "old segment of the log")
        self.recycled += 1
        self.next_number += 1
        return self.hand_over(fd, self.next_number - 1)

    cdef int remove_oldest(self) except -1 nogil:
        cdef char[RSX_NAME_MAX] name
        cdef int done = rsx_segment_name(name, self.folder_path, self.firsts[0])
        self.check_unneeded()
        self.forget_oldest()
        done = done or self.disk.unlink(name)
        # One after the other: a power cut must not bring back an older one than it takes.
        done = done or self.disk.sync_folder(self.folder_path)
        if done < 0:
            return io_fail(-done, self.folder_path, "old segment of the log")
        self.removed += 1
        return 1

    def counters(self):
        return {
            "log_oldest_seq": self.oldest,
            "log_keep_seq": self.keep_seq,
            "segments": self.first_count,
            "segments_recycled": self.recycled,
            "segments_removed": self.removed,
        }
