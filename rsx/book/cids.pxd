"""Client order ids of one symbol: (user, client id) -> order, for a window. See cids.pyx."""

from libc.stdint cimport int64_t, uint8_t, uint16_t, uint32_t, uint64_t

cdef enum:
    # What an entry stands for. A living one is never dropped.
    CID_ENDED = 0
    CID_ORDER = 1
    CID_TRIGGER = 2         # a trigger that waits or has fired
    CID_HOLDERS = 3

# 64 bytes.
cdef struct cid_entry_t:
    uint64_t oid
    uint64_t ts_ns
    uint32_t user_id
    uint32_t slot           # of the living order or trigger; 0 = ended, or not resting yet
    uint8_t cid[36]
    uint8_t cid_len
    uint8_t live            # CID_*
    uint8_t unused[2]

# 32 bytes. How an order ended (D-4); beside its entry, so that looking for an id stays dense.
cdef struct cid_end_t:
    int64_t px
    int64_t qty             # whole quantity, less what was cut
    int64_t filled
    uint16_t reason
    uint8_t status
    uint8_t side
    uint8_t tif
    uint8_t kind
    uint8_t flags
    uint8_t unused

cdef struct cids_t:
    cid_entry_t* entries    # a circle, oldest first
    cid_end_t* ends         # by place
    uint64_t* places        # open addressing: hash tag << 32 | place + 1
    uint64_t capacity       # entries, a power of two
    uint64_t places_mask
    uint64_t oldest         # counters; place = counter & (capacity - 1)
    uint64_t newest
    uint64_t seed
    uint64_t window_ns
    uint8_t* holders[CID_HOLDERS]   # by CID_*: where slot 0 keeps its place + 1, a u32
    uint64_t strides[CID_HOLDERS]   # bytes from slot to slot

cdef int cids_init(cids_t* cids, uint64_t capacity, uint64_t window_ns) except -1
cdef void cids_free(cids_t* cids) noexcept nogil
cdef cid_entry_t* cids_find(cids_t* cids, uint32_t user_id, const uint8_t* cid,
                            uint8_t cid_len) noexcept nogil
cdef void cids_prefetch(const cids_t* cids, uint32_t user_id, const uint8_t* cid,
                        uint8_t cid_len) noexcept nogil
cdef uint32_t cids_put(cids_t* cids, uint8_t live, uint32_t user_id, const uint8_t* cid,
                       uint8_t cid_len, uint64_t oid, uint64_t ts_ns) except? 0 nogil
cdef void cids_shrink(cids_t* cids) noexcept nogil
cdef cid_entry_t* cids_restore(cids_t* cids, uint64_t at, uint32_t user_id, const uint8_t* cid,
                               uint8_t cid_len) noexcept nogil


cdef inline cid_entry_t* cids_at(cids_t* cids, uint32_t place_plus_one) noexcept nogil:
    return &cids.entries[place_plus_one - 1]


cdef inline cid_end_t* cids_end(cids_t* cids, const cid_entry_t* entry) noexcept nogil:
    """How the order of an ended entry ended; where to write it, for one that ends."""
    return &cids.ends[entry - cids.entries]


cdef inline void cids_hold(cids_t* cids, uint8_t live, void* places,
                           uint64_t stride) noexcept nogil:
    """Name the rows that keep the places of their entries (as u32, place + 1) up to date."""
    cids.holders[live] = <uint8_t*>places
    cids.strides[live] = stride


cdef inline bint cid_is_remembered(const cids_t* cids, const cid_entry_t* entry,
                                   uint64_t now_ns) noexcept nogil:
    """Whether the entry still bars its client id at now_ns (specs/matching.md D-1)."""
    return entry.live or now_ns < entry.ts_ns or now_ns - entry.ts_ns <= cids.window_ns
