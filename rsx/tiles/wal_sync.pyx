# cython: boundscheck=False
"""wal_sync tile: fdatasync for the wal tile, and segment files made ready before it needs them.

Reads   wal_sync
Writes  sync_wal
Owns    the descriptors it is asked to sync, the next segment file while it is being zeroed
On full sync_wal is never full: a failed check

Source  specs/wal.md sections 1 and 2.
"""

from libc.stdint cimport int64_t, uint8_t, uint32_t, uint64_t
from libc.stdlib cimport calloc, free

import os

from rsx.core.check cimport fail
from rsx.core.clock cimport monotonic_ns
from rsx.core.disk cimport DISK_CREATE, Disk
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


cdef int io_fail(int error, str what) except -1 with gil:
    raise LogIoError(error, f"{what}: {os.strerror(error)}; the exchange stops (specs/wal.md L-14)")


cdef class WalSync(Tile):
    """disk: where the files are, None = the operating system's."""

    def __init__(self, str name, *, Ring wal_sync, Ring sync_wal, folder, uint64_t segment_bytes,
                 int ahead, Disk disk=None):
        super().__init__(name, [wal_sync])
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
        self.zeros = <uint8_t*>calloc(1, ZERO_CHUNK)
        if self.zeros == NULL:
            raise MemoryError("zeros")

    def __dealloc__(self):
        free(self.zeros)

    def on_close(self):
        """Serve what was still asked for, then drop the file that is being filled."""
        while ring_available(self.wal_sync.ring) and ring_free(self.sync_wal.ring, 1):
            self.do_work()
        if self.filling_fd >= 0:
            self.disk.close(self.filling_fd)
            self.disk.remove(self.folder / f"ahead-{self.next_number}.tmp")
            self.filling_fd = -1

    cdef int do_work(self) except -1 nogil:
        cdef ring_t* ring = self.wal_sync.ring
        if ring_available(ring):
            self.serve(<const rsx_record_t*>ring_peek(ring, 0))
            ring_release(ring, 1)
            return 1
        return self.prepare()

    cdef int serve(self, const rsx_record_t* record) except -1 nogil:
        cdef const rsx_sync_request_t* request = <const rsx_sync_request_t*>record
        cdef uint64_t began = monotonic_ns(), elapsed
        cdef rsx_sync_done_t* done
        cdef int error = -self.disk.sync(request.fd)
        if error == 0 and request.sync_folder:
            error = -self.disk.sync_folder(self.folder_path)
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
        """Zero one more chunk of the next segment, synced, so that no later sync pays for it."""
        cdef rsx_segment_ready_t* ready
        cdef char[RSX_NAME_MAX] name
        cdef uint64_t size
        cdef int done
        if self.filling_fd < 0:
            if self.prepared >= self.ahead:
                return 0
            done = rsx_ahead_name(name, self.folder_path, self.next_number)
            self.filling_fd = done if done < 0 else self.disk.open(name, DISK_CREATE)
            if self.filling_fd < 0:
                io_fail(-self.filling_fd, "segment ahead")
            self.filled = 0
        size = min(<uint64_t>ZERO_CHUNK, self.segment_bytes - self.filled)
        done = self.disk.write_all(self.filling_fd, self.zeros, size, <int64_t>self.filled)
        done = done or self.disk.sync(self.filling_fd)
        if done < 0:
            io_fail(-done, "segment ahead")
        self.filled += size
        if self.filled < self.segment_bytes:
            return 1
        ready = <rsx_segment_ready_t*>ring_claim(self.sync_wal.ring)
        if ready == NULL:
            return fail(1302, self.next_number, 0)
        rsx_record_init(ready, RSX_SEGMENT_READY, STREAM_LOG)
        ready.fd = self.filling_fd
        ready.number = self.next_number
        ring_commit(self.sync_wal.ring)
        ring_wake(self.sync_wal.ring)
        self.filling_fd = -1
        self.next_number += 1
        self.prepared += 1
        return 1
