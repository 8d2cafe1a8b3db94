# cython: boundscheck=False
"""A disk in memory that can be killed, cut off, filled up, and made to lie (specs/sim.md 2).

A file has what every reader sees (the page cache) and what the medium has, by sectors of 512
bytes; names have the same two sides. A sync moves one file, or the names of one folder, to the
medium. `kill` leaves all of it, `cut_power` leaves the medium and a random part of what was not
synced. What goes wrong is planned by setting the public attributes.
"""

cimport cython
from libc.errno cimport EBADF, EEXIST, EIO, EISDIR, ENOENT, ENOSPC
from libc.stdint cimport int64_t, uint8_t, uint64_t
from libc.string cimport memcmp, memcpy

import os

from rsx.core.disk cimport DISK_CREATE, DISK_READ, Disk

cdef enum:
    SECTOR = 512
    FIRST_FD = 1 << 20      # no descriptor of the operating system
    MILLION = 1000000


cdef class Inode:
    def __cinit__(self):
        self.cache = bytearray()
        self.durable = bytearray()
        self.dirty = set()
        self.unsaved = set()


cdef bytes folder_of(bytes path):
    return os.path.dirname(path)


@cython.no_gc_clear  # tiles that are thrown away with it close their files when they go
cdef class SimDisk(Disk):
    """Files by full path; folders exist from make_folder on.

    Args  seed: of what power cuts leave and of which sector is lost
    """

    def __init__(self, uint64_t seed=1):
        self.names, self.kept, self.changes = {}, {}, []
        self.folders, self.files = set(), {}
        self.next_fd = FIRST_FD
        self.chance = seed
        self.capacity = -1

    # --- chance ---------------------------------------------------------------------------

    cdef uint64_t next_chance(self) noexcept nogil:
        """splitmix64."""
        cdef uint64_t z
        self.chance += <uint64_t>0x9E3779B97F4A7C15
        z = self.chance
        z = (z ^ (z >> 30)) * <uint64_t>0xBF58476D1CE4E5B9
        z = (z ^ (z >> 27)) * <uint64_t>0x94D049BB133111EB
        return z ^ (z >> 31)

    cdef bint is_over(self) noexcept nogil:
        """Counts a call that changes something; True for the one in which everything ends."""
        if self.is_dead:
            return True
        self.calls += 1
        if self.dies_at and self.calls >= self.dies_at:
            self.is_dead = True
        return self.is_dead

    cdef int64_t used(self):
        cdef int64_t total = 0
        cdef Inode inode
        for inode in set(self.names.values()):
            total += len(inode.cache)
        return total

    # --- calls ----------------------------------------------------------------------------

    cdef int open(self, const char* path, int flags) noexcept nogil:
        with gil:
            return self.open_(path, flags)

    cdef int close(self, int fd) noexcept nogil:
        with gil:
            return 0 if self.files.pop(fd, None) is not None else -EBADF

    cdef int64_t read(self, int fd, void* at, uint64_t size, int64_t offset) noexcept nogil:
        with gil:
            return self.read_(fd, at, size, offset)

    cdef int64_t write(self, int fd, const void* at, uint64_t size, int64_t offset) noexcept nogil:
        with gil:
            return self.write_(fd, at, size, offset)

    cdef int sync(self, int fd) noexcept nogil:
        with gil:
            return self.sync_(fd)

    cdef int resize(self, int fd, int64_t size) noexcept nogil:
        with gil:
            return self.resize_(fd, size)

    cdef int64_t size(self, int fd) noexcept nogil:
        with gil:
            return self.size_(fd)

    cdef int rename(self, const char* old, const char* new) noexcept nogil:
        with gil:
            return self.rename_(old, new)

    cdef int unlink(self, const char* path) noexcept nogil:
        with gil:
            return self.unlink_(path)

    cdef int sync_folder(self, const char* path) noexcept nogil:
        with gil:
            return self.sync_folder_(path)

    # --- what they do ---------------------------------------------------------------------

    cdef int open_(self, bytes path, int flags):
        cdef Inode inode
        if self.is_dead:
            return -EIO
        if path in self.folders:
            return -EISDIR
        inode = self.names.get(path)
        if flags == DISK_CREATE and (inode is None or len(inode.cache)):
            if self.is_over():
                return -EIO
            if folder_of(path) not in self.folders:
                return -ENOENT
            if inode is None:
                if 0 <= self.capacity <= self.used():
                    return -ENOSPC
                inode = Inode()
                self.names[path] = inode
                self.changes.append((folder_of(path), ((path, inode),)))
            else:
                self.truncate(inode, 0)
        if inode is None:
            return -ENOENT
        self.next_fd += 1
        self.files[self.next_fd] = inode
        return self.next_fd

    cdef int64_t read_(self, int fd, void* at, uint64_t size, int64_t offset):
        cdef Inode inode = self.files.get(fd)
        cdef int64_t count
        if inode is None or self.is_dead:
            return -EBADF if inode is None else -EIO
        count = min(<int64_t>size, len(inode.cache) - offset)
        if count <= 0:
            return 0
        memcpy(at, <uint8_t*>inode.cache + offset, <size_t>count)
        return count

    cdef int64_t write_(self, int fd, const void* at, uint64_t size, int64_t offset):
        cdef Inode inode = self.files.get(fd)
        cdef int64_t end = offset + <int64_t>size, room, sector
        cdef bint was_dead = self.is_dead, ends = self.is_over()
        if inode is None:
            return -EBADF
        if was_dead or ends and self.next_chance() & 1:
            return -EIO
        if ends:  # the part that got into the cache
            size = self.next_chance() % (size + 1)
            end = offset + <int64_t>size
        if end > len(inode.cache) and self.capacity >= 0:
            room = self.capacity - self.used()
            end = min(end, len(inode.cache) + max(room, 0))
            if end <= offset:
                return -ENOSPC
            size = <uint64_t>(end - offset)
        if end > len(inode.cache):
            inode.cache.extend(bytes(end - len(inode.cache)))
            inode.is_resized = True
        memcpy(<uint8_t*>inode.cache + offset, at, size)
        for sector in range(offset // SECTOR, (end + SECTOR - 1) // SECTOR):
            inode.dirty.add(sector)
        return -EIO if ends else <int64_t>size

    cdef int sync_(self, int fd):
        cdef Inode inode = self.files.get(fd)
        cdef list dirty
        if inode is None:
            return -EBADF
        if self.is_over():
            return -EIO
        self.syncs += 1
        if self.sync_fails_at and self.syncs >= self.sync_fails_at:
            self.sync_fails_at = 0
            if self.forgets:
                inode.unsaved |= inode.dirty
                inode.dirty.clear()
            return -EIO
        if self.lies:
            self.lost += 1
            return 0
        if self.loses_at and self.syncs >= self.loses_at and inode.dirty:
            self.loses_at = 0
            self.lost += 1
            dirty = sorted(inode.dirty)
            sector = dirty[self.next_chance() % <uint64_t>len(dirty)]
            inode.dirty.discard(sector)
            inode.unsaved.add(sector)
        self.save(inode)
        return 0

    cdef void save(self, Inode inode):
        """What is dirty, to the medium."""
        cdef int64_t sector, begin, count, size = len(inode.cache)
        self.set_durable_size(inode, size)
        for sector in inode.dirty:
            begin = sector * SECTOR
            count = min(<int64_t>SECTOR, size - begin)
            if count > 0:
                memcpy(<uint8_t*>inode.durable + begin, <uint8_t*>inode.cache + begin,
                       <size_t>count)
        inode.unsaved -= inode.dirty
        inode.dirty.clear()

    def set_durable_size(self, Inode inode, int64_t size):
        if len(inode.durable) > size:
            del inode.durable[size:]
        elif len(inode.durable) < size:
            inode.durable.extend(bytes(size - len(inode.durable)))
        inode.is_resized = False

    cdef int resize_(self, int fd, int64_t size):
        cdef Inode inode = self.files.get(fd)
        if inode is None:
            return -EBADF
        if self.is_over():
            return -EIO
        if self.capacity >= 0 and size > len(inode.cache) + self.capacity - self.used():
            return -ENOSPC
        self.truncate(inode, size)
        return 0

    def truncate(self, Inode inode, int64_t size):
        if size < len(inode.cache):
            del inode.cache[size:]
        else:
            inode.cache.extend(bytes(size - len(inode.cache)))
        inode.is_resized = True

    cdef int64_t size_(self, int fd):
        cdef Inode inode = self.files.get(fd)
        if self.is_dead:
            return -EIO
        return len(inode.cache) if inode is not None else -EBADF

    cdef int rename_(self, bytes old, bytes new):
        if self.is_over():
            return -EIO
        inode = self.names.get(old)
        if inode is None:
            return -ENOENT
        if new in self.folders:
            return -EEXIST
        del self.names[old]
        self.names[new] = inode
        self.changes.append((folder_of(new), ((old, None), (new, inode))))
        return 0

    cdef int unlink_(self, bytes path):
        if self.is_over():
            return -EIO
        if self.names.pop(path, None) is None:
            return -ENOENT
        self.changes.append((folder_of(path), ((path, None),)))
        return 0

    cdef int sync_folder_(self, bytes path):
        cdef list left = []
        if self.is_over():
            return -EIO
        if self.lies:
            self.lost += 1
            return 0
        for folder, change in self.changes:
            if folder == path:
                self.keep_names(change)
            else:
                left.append((folder, change))
        self.changes = left
        return 0

    def keep_names(self, change):
        for path, inode in change:
            if inode is None:
                self.kept.pop(path, None)
            else:
                self.kept[path] = inode

    # --- folders --------------------------------------------------------------------------

    def list(self, folder):
        name = os.fsencode(folder)
        if self.is_dead:
            raise OSError(EIO, os.strerror(EIO), str(folder))
        if name not in self.folders:
            raise FileNotFoundError(ENOENT, os.strerror(ENOENT), str(folder))
        inside = [path for path in (*self.names, *self.folders) if folder_of(path) == name]
        return sorted([os.fsdecode(os.path.basename(path)) for path in inside])

    def is_folder(self, path):
        return os.fsencode(path) in self.folders

    def make_folder(self, path):
        """Durable at once: folders are made before anything is promised."""
        name = os.fsencode(path)
        while name not in self.folders:
            self.folders.add(name)
            name = folder_of(name)

    def free_bytes(self, folder):
        return 1 << 40 if self.capacity < 0 else max(0, self.capacity - self.used())

    # --- ends -----------------------------------------------------------------------------

    def heal(self):
        """Nothing more that was planned goes wrong."""
        self.dies_at = self.sync_fails_at = self.loses_at = 0
        self.lies = self.forgets = False
        self.capacity = -1

    def kill(self):
        """The process ends: its descriptors are closed, the machine goes on."""
        self.files.clear()
        self.is_dead = False
        self.dies_at = 0

    def cut_power(self, uint64_t keep_ppm, bint tears):
        """The machine ends: each unsynced sector and name change stays with this chance.

        tears: one sector of each file may be left half old, half new.
        """
        cdef Inode inode
        self.kill()
        for change in self.changes:
            if self.next_chance() % MILLION < keep_ppm:
                self.keep_names(change[1])
        self.changes.clear()
        self.names = dict(self.kept)
        for inode in dict.fromkeys(self.kept.values()):
            self.cut(inode, keep_ppm, tears)

    cdef void cut(self, Inode inode, uint64_t keep_ppm, bint tears):
        cdef int64_t sector, begin, count, size = len(inode.cache)
        cdef uint64_t torn = 0
        if inode.is_resized and self.next_chance() % MILLION < keep_ppm:
            self.set_durable_size(inode, size)
        size = min(size, len(inode.durable))
        for sector in sorted(inode.dirty):
            begin = sector * SECTOR
            count = min(<int64_t>SECTOR, size - begin)
            if count <= 0 or memcmp(<uint8_t*>inode.durable + begin,
                                    <uint8_t*>inode.cache + begin, <size_t>count) == 0:
                continue
            if self.next_chance() % MILLION >= keep_ppm:
                if not tears or torn:
                    continue
                torn = 1 + self.next_chance() % <uint64_t>count
                count = <int64_t>torn
            memcpy(<uint8_t*>inode.durable + begin, <uint8_t*>inode.cache + begin, <size_t>count)
        inode.cache = bytearray(inode.durable)
        inode.dirty.clear()
        inode.unsaved.clear()
        inode.is_resized = False

    # --- for the auditor and the planner of faults ------------------------------------------

    def durable_file(self, path):
        """Bytes of a file that a power cut that keeps nothing would leave; None = no file."""
        cdef Inode inode = self.kept.get(os.fsencode(path))
        return None if inode is None else bytes(inode.durable)

    def is_durable(self, path, const uint8_t[:] data, int64_t offset):
        """Whether the medium has these bytes there."""
        cdef Inode inode = self.kept.get(os.fsencode(path))
        if inode is None or offset + data.shape[0] > len(inode.durable):
            return False
        return memcmp(<uint8_t*>inode.durable + offset, &data[0], <size_t>data.shape[0]) == 0

    def flip(self, path, int64_t offset, int bit):
        """A bit of a file changes, on the medium and for readers."""
        cdef Inode inode = self.names[os.fsencode(path)]
        for image in (inode.cache, inode.durable):
            if offset < len(image):
                image[offset] ^= 1 << bit

    def used_bytes(self):
        return self.used()

    def files_of(self, folder):
        """{name: bytes} of a folder, as readers see it."""
        name = os.fsencode(folder)
        return {os.fsdecode(os.path.basename(path)): bytes((<Inode>inode).cache)
                for path, inode in sorted(self.names.items()) if folder_of(path) == name}
