# cython: boundscheck=False
"""Single-producer, single-consumer ring over a bytearray, and the doorbell of a sleeping consumer.

Buffer layout, from the first 128-byte boundary in the bytearray:

    0        8            128      136          256
    +--------+------------+--------+------------+--------+--------+----
    | head   | unused     | tail   | unused     | slot 0 | slot 1 | ...
    +--------+------------+--------+------------+--------+--------+----

head is written by the consumer only, tail by the producer only. Slot of position p: p & (depth-1).
The hot functions are inline in ring.pxd. Source: specs/tiles.md section 1; INV-7, INV-30.
"""

from libc.errno cimport EAGAIN, EINTR, errno
from libc.stdint cimport uint8_t, uint32_t, uint64_t
from libc.stdlib cimport free
from libc.string cimport memcpy, memset

import os
import sys

from rsx.core.clock cimport monotonic_ns
from rsx.core.check import check

cdef extern from "<poll.h>" nogil:
    cdef struct pollfd:
        int fd
        short events
        short revents
    int poll(pollfd* fds, unsigned long count, int timeout_ms)
    int POLLIN

cdef extern from "<unistd.h>" nogil:
    ssize_t c_write "write"(int fd, const void* at, size_t size)
    ssize_t c_read "read"(int fd, void* at, size_t size)
    int c_close "close"(int fd)

cdef extern from "<stdlib.h>" nogil:
    int posix_memalign(void** at, size_t alignment, size_t size)

DEPTH_MIN = 2
DEPTH_MAX = 1 << 26


cdef void bell_write(int fd) noexcept nogil:
    """Write the eventfd (or pipe): a full one is already a wake-up."""
    cdef uint64_t one = 1
    c_write(fd, &one, 8)


cdef class Doorbell:
    """Wakes one consumer thread. `arm`, look into the rings once more, then sleep on `fd`.

    One thread arms and sleeps; any number of producers ring. On Linux fd is an eventfd,
    elsewhere a non-blocking pipe.
    """

    def __cinit__(self):
        cdef size_t at
        self.buffer = bytearray(256)
        at = <size_t><uint8_t*>self.buffer
        self.armed = <uint32_t*>((at + 127) & ~<size_t>127)
        if hasattr(os, "eventfd"):
            self.fd = os.eventfd(0, os.EFD_NONBLOCK | os.EFD_CLOEXEC)
            self.write_fd = self.fd
        else:
            self.fd, self.write_fd = os.pipe()
            os.set_blocking(self.fd, False)
            os.set_blocking(self.write_fd, False)

    cdef void arm_flag(self) noexcept nogil:
        rsx_store_flag(self.armed, 1)
        rsx_fence()  # orders the flag before the look into the rings; pairs with ring_wake

    cdef void clear(self) noexcept nogil:
        """Drain the eventfd; a pipe may hold several wake-ups."""
        cdef uint8_t spent[256]
        rsx_take_flag(self.armed)
        while c_read(self.fd, spent, 256) == 256:
            pass

    cdef int sleep(self, int timeout_ms) noexcept nogil:
        """Wait for a ring or the timeout; returns 1 when rung."""
        cdef pollfd entry
        cdef int ready
        entry.fd = self.fd
        entry.events = POLLIN
        entry.revents = 0
        ready = poll(&entry, 1, timeout_ms)
        self.clear()
        return ready > 0

    def arm(self):
        """Say that the consumer is about to sleep. Look into the rings after this."""
        self.arm_flag()

    def disarm(self):
        """Say that the consumer is awake, and take back wake-ups already written."""
        self.clear()

    @property
    def is_armed(self):
        return bool(rsx_load_flag(self.armed))

    def ring(self):
        """Wake the consumer whether it sleeps or not; any thread."""
        rsx_take_flag(self.armed)
        bell_write(self.write_fd)

    def wait(self, int timeout_ms):
        """Sleep until rung or timeout, with the GIL released; True when rung."""
        cdef int rung
        with nogil:
            rung = self.sleep(timeout_ms)
        return bool(rung)

    def close(self):
        if self.fd >= 0:
            os.close(self.fd)
            if self.write_fd != self.fd:
                os.close(self.write_fd)
            self.fd = self.write_fd = -1

    def __dealloc__(self):
        # Not os.close: at interpreter exit the module may be gone before the doorbell.
        if self.fd >= 0:
            c_close(self.fd)
            if self.write_fd != self.fd:
                c_close(self.write_fd)


cdef class Ring:
    """FIFO of records between two threads; the Python face of the inline kernel.

    Args     name: `producer_consumer`; depth: slots, a power of two
    Thread   push* from the producer, pop/wait/len from the consumer
    """

    def __cinit__(self, str name, uint64_t depth):
        cdef size_t at
        cdef void* memory = NULL
        if depth < DEPTH_MIN or depth > DEPTH_MAX or depth & (depth - 1):
            raise ValueError(f"ring {name}: depth {depth} is not a power of two from 2 to 2^26")
        if posix_memalign(&memory, 128, sizeof(ring_t)):
            raise MemoryError(f"ring {name}")
        memset(memory, 0, sizeof(ring_t))
        self.ring = <ring_t*>memory
        self.name = name
        self.buffer = bytearray(128 + 256 + depth * SLOT_BYTES)
        self.pin = memoryview(self.buffer)  # an exported buffer cannot be resized
        at = (<size_t><uint8_t*>self.buffer + 127) & ~<size_t>127
        self.ring.head = <uint64_t*>at
        self.ring.tail = <uint64_t*>(at + 128)
        self.ring.slots = <uint8_t*>(at + 256)
        self.ring.depth = depth
        self.ring.mask = depth - 1

    def __dealloc__(self):
        free(self.ring)

    def set_doorbell(self, Doorbell doorbell):
        """Name the consumer's doorbell; before the threads start."""
        self.doorbell = doorbell
        self.ring.armed = doorbell.armed
        self.ring.bell_fd = doorbell.write_fd

    @property
    def depth(self):
        return self.ring.depth

    @property
    def free(self):
        """Slots the producer can still fill."""
        return ring_free(self.ring, self.ring.depth)

    def __len__(self):
        return self.ring.producer.published - self.ring.consumer.head

    def push(self, const uint8_t[:] record):
        """Publish one record and wake the consumer; False when full (nothing was written)."""
        cdef uint8_t* slot
        check(record.shape[0] == SLOT_BYTES, 1001, self.name, record.shape[0])
        slot = ring_claim(self.ring)
        if slot == NULL:
            return False
        memcpy(slot, &record[0], SLOT_BYTES)
        ring_commit(self.ring)
        ring_wake(self.ring)
        return True

    def push_many(self, const uint8_t[:] records):
        """Publish whole records back to back; returns how many fitted, from the front."""
        cdef uint64_t count = records.shape[0] // SLOT_BYTES
        cdef uint64_t done = 0
        cdef uint8_t* slot
        check(records.shape[0] % SLOT_BYTES == 0, 1001, self.name, records.shape[0])
        if count == 0:
            return 0
        with nogil:
            while done < count:
                slot = ring_claim(self.ring)
                if slot == NULL:
                    break
                memcpy(slot, &records[done * SLOT_BYTES], SLOT_BYTES)
                done += 1
            ring_commit(self.ring)
            ring_wake(self.ring)
        return done

    def pop(self, uint64_t limit=256):
        """Take up to limit records, back to back; b'' when empty."""
        cdef uint64_t count = ring_available(self.ring)
        cdef uint64_t index
        cdef bytearray out
        cdef uint8_t* at
        if count == 0:
            return b""
        if count > limit:
            count = limit
        out = bytearray(count * SLOT_BYTES)
        at = <uint8_t*>out
        for index in range(count):
            memcpy(at + index * SLOT_BYTES, ring_peek(self.ring, index), SLOT_BYTES)
        ring_release(self.ring, count)
        return bytes(out)

    def wait(self, uint64_t timeout_ns):
        """Poll with the GIL released until a record is there or the time is up; how many are."""
        cdef uint64_t count = ring_available(self.ring)
        cdef uint64_t deadline
        if count or timeout_ns == 0:
            return count
        with nogil:
            deadline = monotonic_ns() + timeout_ns
            while True:
                count = ring_available(self.ring)
                if count or monotonic_ns() >= deadline:
                    break
                rsx_pause()
        return count

    def counters(self):
        """Records passed, times found full, high-water mark, depth."""
        return {
            "passed": self.ring.consumer.head,
            "found_full": self.ring.producer.found_full,
            "high_water": self.ring.consumer.high_water,
            "depth": self.ring.depth,
        }
