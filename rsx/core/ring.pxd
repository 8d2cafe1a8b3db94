"""Single-producer, single-consumer ring of 128-byte slots; layout and protocol in ring.pyx."""

from libc.stdint cimport uint8_t, uint32_t, uint64_t

cdef extern from "rsx/core/_atomics.h" nogil:
    uint64_t rsx_load_acquire(const uint64_t* at) noexcept
    void rsx_store_release(uint64_t* at, uint64_t value) noexcept
    uint32_t rsx_load_flag(const uint32_t* at) noexcept
    void rsx_store_flag(uint32_t* at, uint32_t value) noexcept
    uint32_t rsx_take_flag(uint32_t* at) noexcept
    void rsx_fence() noexcept
    void rsx_pause() noexcept
    void rsx_yield() noexcept

cdef enum:
    SLOT_BYTES = 128

# One side's private fields fill whole pairs of cache lines, so that the two sides never write
# to the same one.
cdef struct ring_producer_t:
    uint64_t claimed      # position of the next slot to claim
    uint64_t published    # what the consumer has been shown
    uint64_t head_seen    # the consumer's position when last read
    uint64_t found_full
    uint8_t padding[96]

cdef struct ring_consumer_t:
    uint64_t head         # position of the next slot to read
    uint64_t tail_seen    # the producer's position when last read
    uint64_t high_water
    uint8_t padding[104]

cdef struct ring_t:
    ring_producer_t producer
    ring_consumer_t consumer
    uint8_t* slots
    uint64_t* head        # in the buffer: written by the consumer
    uint64_t* tail        # in the buffer: written by the producer
    uint64_t depth
    uint64_t mask
    uint32_t* armed       # the consumer's doorbell, or NULL
    int bell_fd


cdef inline uint8_t* ring_claim(ring_t* ring) noexcept nogil:
    """Producer: the next slot to write, or NULL when the ring is full. Publishes nothing."""
    if ring.producer.claimed - ring.producer.head_seen >= ring.depth:
        # Pairs with the store in ring_release: the consumer has finished with these slots.
        ring.producer.head_seen = rsx_load_acquire(ring.head)
        if ring.producer.claimed - ring.producer.head_seen >= ring.depth:
            ring.producer.found_full += 1
            return NULL
    ring.producer.claimed += 1
    return ring.slots + ((ring.producer.claimed - 1) & ring.mask) * SLOT_BYTES


cdef inline uint8_t* ring_claim_sure(ring_t* ring) noexcept nogil:
    """Producer: the next slot to write, where ring_free has said that there is one."""
    ring.producer.claimed += 1
    return ring.slots + ((ring.producer.claimed - 1) & ring.mask) * SLOT_BYTES


cdef inline uint64_t ring_free(ring_t* ring, uint64_t wanted) noexcept nogil:
    """Producer: slots that can be claimed; looks at the consumer only when fewer than wanted."""
    if ring.depth - (ring.producer.claimed - ring.producer.head_seen) < wanted:
        ring.producer.head_seen = rsx_load_acquire(ring.head)  # pairs with ring_release
    return ring.depth - (ring.producer.claimed - ring.producer.head_seen)


cdef inline void ring_commit(ring_t* ring) noexcept nogil:
    """Producer: show the consumer everything claimed. Pairs with the load in ring_available."""
    ring.producer.published = ring.producer.claimed
    rsx_store_release(ring.tail, ring.producer.claimed)


cdef inline uint64_t ring_available(ring_t* ring) noexcept nogil:
    """Consumer: records that can be read; looks at the producer only when none are known."""
    cdef uint64_t known = ring.consumer.tail_seen - ring.consumer.head
    if known == 0:
        ring.consumer.tail_seen = rsx_load_acquire(ring.tail)  # pairs with ring_commit
        known = ring.consumer.tail_seen - ring.consumer.head
        if known > ring.consumer.high_water:
            ring.consumer.high_water = known
    return known


cdef inline uint8_t* ring_peek(ring_t* ring, uint64_t ahead) noexcept nogil:
    """Consumer: the record `ahead` places behind the head; ahead < ring_available."""
    return ring.slots + ((ring.consumer.head + ahead) & ring.mask) * SLOT_BYTES


cdef inline void ring_release(ring_t* ring, uint64_t count) noexcept nogil:
    """Consumer: give the oldest `count` slots back. Pairs with the load in ring_claim."""
    ring.consumer.head += count
    rsx_store_release(ring.head, ring.consumer.head)


cdef void bell_write(int fd) noexcept nogil


cdef inline void ring_wake(ring_t* ring) noexcept nogil:
    """Producer: wake the consumer if it sleeps; once after a batch of commits (INV-30)."""
    if ring.armed == NULL:
        return
    rsx_fence()  # orders the commit before the look; pairs with the fence in Doorbell.arm
    if rsx_load_flag(ring.armed) and rsx_take_flag(ring.armed):
        bell_write(ring.bell_fd)


cdef class Doorbell:
    cdef bytearray buffer
    cdef uint32_t* armed
    cdef readonly int fd
    cdef int write_fd

    cdef void arm_flag(self) noexcept nogil
    cdef int sleep(self, int timeout_ms) noexcept nogil
    cdef void clear(self) noexcept nogil


cdef class Ring:
    cdef ring_t* ring
    cdef readonly str name
    cdef readonly bytearray buffer
    cdef object pin
    cdef Doorbell doorbell
