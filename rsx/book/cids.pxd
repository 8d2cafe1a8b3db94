"""Client order ids of one symbol: (user, client id) -> order, for a window. See cids.pyx."""

from libc.stdint cimport uint8_t, uint32_t, uint64_t

from rsx.book.book cimport order_t

# 64 bytes.
cdef struct cid_entry_t:
    uint64_t oid
    uint64_t ts_ns
    uint32_t user_id
    uint32_t slot           # of the living order; 0 = ended, or not resting yet
    uint8_t cid[36]
    uint8_t cid_len
    uint8_t live            # the order has not ended: never dropped
    uint8_t unused[2]

cdef struct cids_t:
    cid_entry_t* entries    # a circle, oldest first
    uint64_t* places        # open addressing: hash tag << 32 | place + 1
    uint64_t capacity       # entries, a power of two
    uint64_t places_mask
    uint64_t oldest         # counters; place = counter & (capacity - 1)
    uint64_t newest
    uint64_t seed
    uint64_t window_ns

cdef int cids_init(cids_t* cids, uint64_t capacity, uint64_t window_ns) except -1
cdef void cids_free(cids_t* cids) noexcept nogil
cdef cid_entry_t* cids_find(cids_t* cids, uint32_t user_id, const uint8_t* cid,
                            uint8_t cid_len) noexcept nogil
cdef void cids_prefetch(const cids_t* cids, uint32_t user_id, const uint8_t* cid,
                        uint8_t cid_len) noexcept nogil
cdef uint32_t cids_put(cids_t* cids, order_t* orders, uint32_t user_id, const uint8_t* cid,
                       uint8_t cid_len, uint64_t oid, uint64_t ts_ns) except? 0 nogil


cdef inline cid_entry_t* cids_at(cids_t* cids, uint32_t place_plus_one) noexcept nogil:
    return &cids.entries[place_plus_one - 1]


cdef inline bint cid_is_remembered(const cids_t* cids, const cid_entry_t* entry,
                                   uint64_t now_ns) noexcept nogil:
    """Whether the entry still bars its client id at now_ns (specs/matching.md D-1)."""
    return entry.live or now_ns < entry.ts_ns or now_ns - entry.ts_ns <= cids.window_ns
