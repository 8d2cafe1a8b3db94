# cython: boundscheck=False
"""Memory of client order ids: the window in which sending an order again is safe.

Entries lie in a circle in the order in which they were accepted; an open-addressing table of
64-bit words finds them by a hash of (user, client id). Above three quarters of the circle each
acceptance drops up to four of the oldest ended entries and moves living ones to the young end,
so an acceptance costs bounded work and living orders are never forgotten (D-1, D-2).

The hash is seeded per process; results do not depend on it. Source: specs/matching.md section 12.
"""

from libc.stdint cimport uint8_t, uint32_t, uint64_t
from libc.string cimport memcmp, memcpy, memset

import os

from rsx.core.check cimport fail
from rsx.core.memory cimport RSX_PAGES_HUGE, RSX_PAGES_SMALL, rsx_map, rsx_prefetch, rsx_unmap

cdef enum:
    CID_BYTES = 36
    DROPS_PER_PUT = 4
    PREFETCH_AHEAD = 8


cdef int cids_init(cids_t* cids, uint64_t capacity, uint64_t window_ns) except -1:
    if capacity < 16 or capacity & (capacity - 1) or capacity > 1 << 27:
        raise ValueError(f"client id memory of {capacity}: not a power of two from 16 to 2^27")
    memset(cids, 0, sizeof(cids_t))
    cids.capacity = capacity
    cids.places_mask = 2 * capacity - 1
    cids.window_ns = window_ns
    cids.seed = int.from_bytes(os.urandom(8), "little")
    cids.entries = <cid_entry_t*>rsx_map(capacity * sizeof(cid_entry_t), RSX_PAGES_SMALL)
    cids.ends = <cid_end_t*>rsx_map(capacity * sizeof(cid_end_t), RSX_PAGES_SMALL)
    cids.places = <uint64_t*>rsx_map(2 * capacity * 8, RSX_PAGES_HUGE)
    if cids.entries == NULL or cids.ends == NULL or cids.places == NULL:
        raise MemoryError(f"client id memory of {capacity}")
    return 0


cdef void cids_free(cids_t* cids) noexcept nogil:
    rsx_unmap(cids.entries, cids.capacity * sizeof(cid_entry_t))
    rsx_unmap(cids.ends, cids.capacity * sizeof(cid_end_t))
    rsx_unmap(cids.places, 2 * cids.capacity * 8)
    memset(cids, 0, sizeof(cids_t))


cdef inline uint64_t stir(uint64_t a, uint64_t b) noexcept nogil:
    a = (a ^ b) * <uint64_t>0xD6E8FEB86659FD93
    return a ^ (a >> 32)


cdef uint32_t cid_tag(const cids_t* cids, uint32_t user_id, const uint8_t* cid,
                      uint8_t cid_len) noexcept nogil:
    """32 hash bits of (user, client id); the low ones are the home place, 0 never occurs."""
    cdef uint64_t words[5]
    words[4] = 0
    memcpy(words, cid, CID_BYTES)
    cdef uint64_t state = stir(cids.seed, user_id | <uint64_t>cid_len << 32)
    state = stir(stir(state, words[0]), words[1])
    if cid_len > 16:
        state = stir(stir(stir(state, words[2]), words[3]), words[4])
    state = (state ^ (state >> 29)) * <uint64_t>0x9E3779B97F4A7C15
    return <uint32_t>((state >> 32) | <uint64_t>0x80000000)


cdef void cids_prefetch(const cids_t* cids, uint32_t user_id, const uint8_t* cid,
                        uint8_t cid_len) noexcept nogil:
    """Have the home line of (user, client id) on its way."""
    rsx_prefetch(&cids.places[cid_tag(cids, user_id, cid, cid_len) & cids.places_mask])


cdef inline uint64_t find_place(cids_t* cids, uint32_t tag, uint32_t place) noexcept nogil:
    """Where the table holds exactly (tag, place); it must be there."""
    cdef uint64_t at = tag & cids.places_mask
    while cids.places[at] != (<uint64_t>tag << 32 | (place + 1)):
        at = (at + 1) & cids.places_mask
    return at


cdef void unplace(cids_t* cids, uint64_t hole) noexcept nogil:
    """Empty a place of the table and close the gap behind it."""
    cdef uint64_t at = hole, home
    while True:
        at = (at + 1) & cids.places_mask
        if cids.places[at] == 0:
            break
        home = (cids.places[at] >> 32) & cids.places_mask
        if ((at - home) & cids.places_mask) >= ((at - hole) & cids.places_mask):
            cids.places[hole] = cids.places[at]
            hole = at
    cids.places[hole] = 0


cdef cid_entry_t* cids_find(cids_t* cids, uint32_t user_id, const uint8_t* cid,
                            uint8_t cid_len) noexcept nogil:
    """The entry of this user's client id, remembered or expired, or NULL."""
    cdef uint32_t tag = cid_tag(cids, user_id, cid, cid_len)
    cdef uint64_t at = tag & cids.places_mask
    cdef cid_entry_t* entry
    while cids.places[at] != 0:
        if <uint32_t>(cids.places[at] >> 32) == tag:
            entry = &cids.entries[<uint32_t>cids.places[at] - 1]
            if entry.user_id == user_id and entry.cid_len == cid_len:
                if memcmp(entry.cid, cid, CID_BYTES) == 0:
                    return entry
        at = (at + 1) & cids.places_mask
    return NULL


cdef void place_entry(cids_t* cids, uint32_t tag, uint32_t place) noexcept nogil:
    cdef uint64_t at = tag & cids.places_mask
    while cids.places[at] != 0:
        at = (at + 1) & cids.places_mask
    cids.places[at] = <uint64_t>tag << 32 | (place + 1)


cdef void drop_oldest(cids_t* cids) noexcept nogil:
    """Forget the oldest entry, or move it to the young end when its order lives."""
    cdef uint64_t mask = cids.capacity - 1
    cdef uint32_t place = <uint32_t>(cids.oldest & mask)
    cdef cid_entry_t* entry = &cids.entries[place]
    cdef cid_entry_t* moved
    cdef uint32_t tag
    cids.oldest += 1
    rsx_prefetch(&cids.entries[(cids.oldest + PREFETCH_AHEAD) & mask])
    moved = &cids.entries[(cids.oldest + PREFETCH_AHEAD // 2) & mask]
    cids_prefetch(cids, moved.user_id, moved.cid, moved.cid_len)
    if entry.cid_len == 0:  # replaced by a younger entry with the same key
        return
    tag = cid_tag(cids, entry.user_id, entry.cid, entry.cid_len)
    unplace(cids, find_place(cids, tag, place))
    if not entry.live:
        return
    place = <uint32_t>(cids.newest & mask)
    cids.newest += 1
    moved = &cids.entries[place]
    if moved != entry:
        moved[0] = entry[0]
    place_entry(cids, tag, place)
    if moved.slot:
        (<uint32_t*>(cids.holders[moved.live] + moved.slot * cids.strides[moved.live]))[0] = (
            place + 1)


cdef uint32_t cids_put(cids_t* cids, uint8_t live, uint32_t user_id, const uint8_t* cid,
                       uint8_t cid_len, uint64_t oid, uint64_t ts_ns) except? 0 nogil:
    """Remember an accepted order or a placed trigger; returns its place + 1. An expired entry of
    the same key goes. A holder that has a slot by then writes it into the entry.

    Cost: O(1), at most DROPS_PER_PUT old entries looked at.
    """
    cdef uint64_t mask = cids.capacity - 1
    cdef uint32_t tag = cid_tag(cids, user_id, cid, cid_len)
    cdef cid_entry_t* entry = cids_find(cids, user_id, cid, cid_len)
    cdef uint32_t place
    cdef int drops = DROPS_PER_PUT
    if entry != NULL:
        unplace(cids, find_place(cids, tag, <uint32_t>(entry - cids.entries)))
        entry.cid_len = 0
        entry.live = CID_ENDED
    while cids.newest - cids.oldest >= cids.capacity - cids.capacity // 4 and drops:
        drop_oldest(cids)
        drops -= 1
    if cids.newest - cids.oldest >= cids.capacity:
        return fail(1101, cids.newest, cids.oldest)
    place = <uint32_t>(cids.newest & mask)
    cids.newest += 1
    entry = &cids.entries[place]
    entry.oid = oid
    entry.ts_ns = ts_ns
    entry.user_id = user_id
    entry.slot = 0
    memcpy(entry.cid, cid, CID_BYTES)
    entry.cid_len = cid_len
    entry.live = live
    place_entry(cids, tag, place)
    return place + 1


cdef cid_entry_t* cids_restore(cids_t* cids, uint64_t at, uint32_t user_id, const uint8_t* cid,
                               uint8_t cid_len) noexcept nogil:
    """The entry at the at-th place of a circle that is being filled from a snapshot, 1 = the
    oldest, with its key; the caller fills in the rest. NULL: no such place, taken, or not new."""
    cdef cid_entry_t* entry = &cids.entries[at - 1]
    if at == 0 or at > cids.newest or cids.oldest or cid_len == 0 or cid_len > CID_BYTES:
        return NULL
    if entry.cid_len or cids_find(cids, user_id, cid, cid_len) != NULL:
        return NULL
    entry.user_id = user_id
    entry.cid_len = cid_len
    memcpy(entry.cid, cid, CID_BYTES)
    place_entry(cids, cid_tag(cids, user_id, cid, cid_len), <uint32_t>(at - 1))
    return entry


cdef void cids_shrink(cids_t* cids) noexcept nogil:
    """Make room in a circle that was filled from a larger one: acceptances alone never fill more
    than seven eighths, as half of it at most are living."""
    cdef uint64_t looks = cids.newest - cids.oldest
    if looks <= cids.capacity - cids.capacity // 8:
        return
    while looks and cids.newest - cids.oldest >= cids.capacity - cids.capacity // 4:
        drop_oldest(cids)
        looks -= 1
