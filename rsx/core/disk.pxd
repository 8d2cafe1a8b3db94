from libc.stdint cimport int64_t, uint64_t

cdef enum:
    DISK_READ = 0
    DISK_WRITE = 1
    DISK_CREATE = 3     # write, make, truncate


cdef class Disk:
    # All return >= 0, or -errno. read and write may do less than was asked for.
    cdef int open(self, const char* path, int flags) noexcept nogil
    cdef int close(self, int fd) noexcept nogil
    cdef int64_t read(self, int fd, void* at, uint64_t size, int64_t offset) noexcept nogil
    cdef int64_t write(self, int fd, const void* at, uint64_t size, int64_t offset) noexcept nogil
    cdef int sync(self, int fd) noexcept nogil
    cdef int resize(self, int fd, int64_t size) noexcept nogil
    cdef int64_t size(self, int fd) noexcept nogil
    cdef int rename(self, const char* old, const char* new) noexcept nogil
    cdef int unlink(self, const char* path) noexcept nogil
    cdef int sync_folder(self, const char* path) noexcept nogil

    # On top of these: all of it or -errno; a write that does nothing is ENOSPC.
    cdef int write_all(self, int fd, const void* at, uint64_t size, int64_t offset) noexcept nogil
    cdef int64_t read_all(self, int fd, void* at, uint64_t size, int64_t offset) noexcept nogil


cdef enum:
    CALL_OPEN = 0
    CALL_CLOSE = 1
    CALL_READ = 2
    CALL_WRITE = 3
    CALL_SYNC = 4
    CALL_RESIZE = 5
    CALL_SIZE = 6
    CALL_RENAME = 7
    CALL_UNLINK = 8
    CALL_SYNC_FOLDER = 9
    CALLS = 10


cdef class FaultDisk(Disk):
    cdef uint64_t[CALLS] counts     # calls of each kind so far
    cdef int fault_call             # -1 = none planned
    cdef uint64_t fault_from        # the count at which it fails
    cdef uint64_t fault_to          # and the last one
    cdef int fault_errno
    cdef int64_t fault_size         # of a short write; -1 = fails with fault_errno
    cdef readonly uint64_t faults   # calls that were made to fail

    cdef int fault(self, int call) noexcept nogil
