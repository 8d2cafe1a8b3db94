from libc.stdint cimport int64_t, uint64_t

from rsx.core.disk cimport Disk


cdef class Inode:
    cdef bytearray cache        # as every reader sees it
    cdef bytearray durable      # as the medium has it
    cdef set dirty              # sectors that were written and not synced since
    cdef bint is_resized        # the size was changed and not synced since
    cdef set unsaved            # sectors of which a sync wrongly said that they are durable


cdef class SimDisk(Disk):
    cdef dict names             # path -> Inode, as every reader sees it
    cdef dict kept              # likewise, as the medium has it
    cdef list changes           # names changed and not synced since: (folder, ((path, Inode), ..))
    cdef set folders
    cdef dict files             # descriptor -> Inode
    cdef int next_fd
    cdef uint64_t chance        # state of the generator
    cdef readonly uint64_t calls        # that change something
    cdef readonly uint64_t syncs
    cdef public uint64_t dies_at        # the call that is not finished, nor any after it; 0 = none
    cdef public bint is_dead
    cdef public int64_t capacity        # bytes of all files; -1 = no end
    cdef public uint64_t sync_fails_at  # the sync that fails with EIO; 0 = none
    cdef public bint forgets            # what a failed sync did not write counts as written
    cdef public bint lies               # a sync says that it is done and does nothing
    cdef public uint64_t loses_at       # the sync that leaves out one sector; 0 = none
    cdef readonly uint64_t lost         # sectors and syncs that were said to be done and were not

    cdef uint64_t next_chance(self) noexcept nogil
    cdef bint is_over(self) noexcept nogil
    cdef int64_t used(self)
    cdef int open_(self, bytes path, int flags)
    cdef int64_t read_(self, int fd, void* at, uint64_t size, int64_t offset)
    cdef int64_t write_(self, int fd, const void* at, uint64_t size, int64_t offset)
    cdef int sync_(self, int fd)
    cdef int resize_(self, int fd, int64_t size)
    cdef int64_t size_(self, int fd)
    cdef int rename_(self, bytes old, bytes new)
    cdef int unlink_(self, bytes path)
    cdef int sync_folder_(self, bytes path)
    cdef void save(self, Inode inode)
    cdef void cut(self, Inode inode, uint64_t keep_ppm, bint tears)
