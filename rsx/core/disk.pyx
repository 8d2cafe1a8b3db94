# cython: boundscheck=False
"""The only way to the files of log and snapshots, so that a test can stand in for the disk.

`Disk` is the operating system's. The compiled methods return >= 0 or -errno and take paths as
bytes; the Python face on top of them raises OSError with the path. A subclass overrides the
compiled methods, and `list`, `is_folder`, `make_folder`, `free_bytes` where it has no real folders.
Any thread may call; a file that is being written has one writer. Source: specs/wal.md L-5.
"""

from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_FromStringAndSize
from libc.errno cimport EIO, ENOSPC
from libc.stdint cimport int64_t, uint8_t, uint64_t

import os
from pathlib import Path

cdef extern from "rsx/core/disk.h" nogil:
    int rsx_disk_open(const char* path, int flags) noexcept
    int rsx_disk_close(int fd) noexcept
    int64_t rsx_disk_read(int fd, void* at, uint64_t size, int64_t offset) noexcept
    int64_t rsx_disk_write(int fd, const void* at, uint64_t size, int64_t offset) noexcept
    int rsx_disk_sync(int fd) noexcept
    int rsx_disk_resize(int fd, int64_t size) noexcept
    int64_t rsx_disk_size(int fd) noexcept
    int rsx_disk_rename(const char* old, const char* new) noexcept
    int rsx_disk_unlink(const char* path) noexcept
    int rsx_disk_sync_folder(const char* path) noexcept


cdef int64_t checked(int64_t done, path) except -1:
    if done < 0:
        raise OSError(-done, os.strerror(-done), str(path))
    return done


cdef class Disk:
    """Files of the operating system."""

    cdef int open(self, const char* path, int flags) noexcept nogil:
        return rsx_disk_open(path, flags)

    cdef int close(self, int fd) noexcept nogil:
        return rsx_disk_close(fd)

    cdef int64_t read(self, int fd, void* at, uint64_t size, int64_t offset) noexcept nogil:
        return rsx_disk_read(fd, at, size, offset)

    cdef int64_t write(self, int fd, const void* at, uint64_t size, int64_t offset) noexcept nogil:
        return rsx_disk_write(fd, at, size, offset)

    cdef int sync(self, int fd) noexcept nogil:
        return rsx_disk_sync(fd)

    cdef int resize(self, int fd, int64_t size) noexcept nogil:
        return rsx_disk_resize(fd, size)

    cdef int64_t size(self, int fd) noexcept nogil:
        return rsx_disk_size(fd)

    cdef int rename(self, const char* old, const char* new) noexcept nogil:
        return rsx_disk_rename(old, new)

    cdef int unlink(self, const char* path) noexcept nogil:
        return rsx_disk_unlink(path)

    cdef int sync_folder(self, const char* path) noexcept nogil:
        return rsx_disk_sync_folder(path)

    cdef int write_all(
            self, int fd, const void* at, uint64_t size, int64_t offset) noexcept nogil:
        """0, or -errno: a disk that takes less each time ends with none, which is ENOSPC."""
        cdef int64_t done
        cdef uint64_t written = 0
        while written < size:
            done = self.write(fd, <const uint8_t*>at + written, size - written,
                              offset + <int64_t>written)
            if done <= 0:
                return <int>done if done else -ENOSPC
            written += <uint64_t>done
        return 0

    cdef int64_t read_all(self, int fd, void* at, uint64_t size, int64_t offset) noexcept nogil:
        """Bytes read, fewer than size at the end of the file only; or -errno."""
        cdef int64_t done
        cdef uint64_t got = 0
        while got < size:
            done = self.read(fd, <uint8_t*>at + got, size - got, offset + <int64_t>got)
            if done < 0:
                return done
            if done == 0:
                break
            got += <uint64_t>done
        return <int64_t>got

    # --- for Python: raises OSError with the path ------------------------------------------

    def open_file(self, path, int flags=0):
        """Descriptor; flags 0 read, 1 write, 3 write, make and truncate."""
        cdef bytes name = os.fsencode(path)
        return checked(self.open(name, flags), path)

    def close_file(self, int fd):
        checked(self.close(fd), fd)

    def read_at(self, int fd, uint64_t size, int64_t offset):
        """Bytes, fewer than size at the end of the file only."""
        # Read into the bytes themselves: neither zeroed before nor copied after.
        cdef bytes data = PyBytes_FromStringAndSize(NULL, <Py_ssize_t>size)
        cdef uint8_t* at = <uint8_t*>PyBytes_AS_STRING(data)
        cdef int64_t got
        with nogil:
            got = self.read_all(fd, at, size, offset)
        return data[:checked(got, fd)]

    def write_at(self, int fd, const uint8_t[:] data, int64_t offset):
        """All of data."""
        cdef uint64_t size = data.shape[0]
        cdef int done
        if size == 0:
            return
        with nogil:
            done = self.write_all(fd, &data[0], size, offset)
        checked(done, fd)

    def sync_file(self, int fd):
        cdef int done
        with nogil:
            done = self.sync(fd)
        checked(done, fd)

    def list(self, folder):
        """Names in a folder, sorted."""
        return sorted(os.listdir(folder))

    def read_file(self, path, int64_t offset=0, int64_t size=-1):
        """Bytes of a file from offset on; size -1: to its end."""
        cdef int fd = self.open_file(path, 0)
        try:
            if size < 0:
                size = max(0, checked(self.size(fd), path) - offset)
            return self.read_at(fd, <uint64_t>size, offset)
        except OSError as error:
            raise OSError(error.errno, error.strerror, str(path)) from None
        finally:
            self.close(fd)

    def write_file(self, path, const uint8_t[:] data):
        """A new file with this in it, or in place of an old one; synced, the folder is not."""
        cdef int fd = self.open_file(path, 3)
        try:
            self.write_at(fd, data, 0)
            self.sync_file(fd)
        except OSError as error:
            raise OSError(error.errno, error.strerror, str(path)) from None
        finally:
            self.close(fd)

    def file_size(self, path):
        cdef int fd = self.open_file(path, 0)
        try:
            return checked(self.size(fd), path)
        finally:
            self.close(fd)

    def remove(self, path):
        cdef bytes name = os.fsencode(path)
        checked(self.unlink(name), path)

    def move(self, old, new):
        """Give a file another name, in place of the file that has it."""
        cdef bytes from_name = os.fsencode(old)
        cdef bytes to_name = os.fsencode(new)
        checked(self.rename(from_name, to_name), old)

    def sync_path(self, path):
        """Make a file's data, or a folder's entries, durable."""
        cdef bytes name = os.fsencode(path)
        cdef const char* at = name
        cdef int fd, done
        if self.is_folder(path):
            with nogil:
                done = self.sync_folder(at)
            checked(done, path)
            return
        fd = self.open_file(path, 1)
        try:
            with nogil:
                done = self.sync(fd)
            checked(done, path)
        finally:
            self.close(fd)

    def is_folder(self, path):
        return os.path.isdir(path)

    def make_folder(self, path):
        """With the folders above it; fine when it is there."""
        Path(path).mkdir(parents=True, exist_ok=True)

    def free_bytes(self, folder):
        """What an unprivileged process may still write there."""
        about = os.statvfs(folder)
        return about.f_bavail * about.f_frsize


CALLS_BY_NAME = {
    "open": CALL_OPEN, "close": CALL_CLOSE, "read": CALL_READ, "write": CALL_WRITE,
    "sync": CALL_SYNC, "resize": CALL_RESIZE, "size": CALL_SIZE, "rename": CALL_RENAME,
    "unlink": CALL_UNLINK, "sync_folder": CALL_SYNC_FOLDER,
}


cdef class FaultDisk(Disk):
    """The operating system's files, where chosen calls fail.

    fail(call, number, error) lets the number-th call of this kind from now on (1 = the next) fail
    with an errno, and `times` in a row; with `size` a write does only that many bytes instead.
    """

    def __cinit__(self):
        self.fault_call = -1

    def fail(self, str call, uint64_t number=1, int error=EIO, *, uint64_t times=1,
             int64_t size=-1):
        self.fault_call = CALLS_BY_NAME[call]
        self.fault_from = self.counts[self.fault_call] + number
        self.fault_to = self.fault_from + times - 1
        self.fault_errno = error
        self.fault_size = size
        self.faults = 0

    def heal(self):
        """Nothing more fails."""
        self.fault_call = -1

    def calls(self):
        """{kind of call: how many were made}."""
        return {name: self.counts[call] for name, call in CALLS_BY_NAME.items()}

    cdef int fault(self, int call) noexcept nogil:
        """-errno when this call is to fail, else 0."""
        self.counts[call] += 1
        if call != self.fault_call or not (
                self.fault_from <= self.counts[call] <= self.fault_to):
            return 0
        self.faults += 1
        return -self.fault_errno

    cdef int open(self, const char* path, int flags) noexcept nogil:
        return self.fault(CALL_OPEN) or rsx_disk_open(path, flags)

    cdef int close(self, int fd) noexcept nogil:
        cdef int fault = self.fault(CALL_CLOSE)
        cdef int done = rsx_disk_close(fd)  # a close that fails has closed all the same
        return fault if fault else done

    cdef int64_t read(self, int fd, void* at, uint64_t size, int64_t offset) noexcept nogil:
        cdef int fault = self.fault(CALL_READ)
        return fault if fault else rsx_disk_read(fd, at, size, offset)

    cdef int64_t write(self, int fd, const void* at, uint64_t size, int64_t offset) noexcept nogil:
        cdef int fault = self.fault(CALL_WRITE)
        if fault and self.fault_size < 0:
            return fault
        if fault and <uint64_t>self.fault_size < size:
            size = <uint64_t>self.fault_size
        return rsx_disk_write(fd, at, size, offset)

    cdef int sync(self, int fd) noexcept nogil:
        return self.fault(CALL_SYNC) or rsx_disk_sync(fd)

    cdef int resize(self, int fd, int64_t size) noexcept nogil:
        return self.fault(CALL_RESIZE) or rsx_disk_resize(fd, size)

    cdef int64_t size(self, int fd) noexcept nogil:
        cdef int fault = self.fault(CALL_SIZE)
        return fault if fault else rsx_disk_size(fd)

    cdef int rename(self, const char* old, const char* new) noexcept nogil:
        return self.fault(CALL_RENAME) or rsx_disk_rename(old, new)

    cdef int unlink(self, const char* path) noexcept nogil:
        return self.fault(CALL_UNLINK) or rsx_disk_unlink(path)

    cdef int sync_folder(self, const char* path) noexcept nogil:
        return self.fault(CALL_SYNC_FOLDER) or rsx_disk_sync_folder(path)
