"""Open-addressing map from a 64-bit id (not 0) to a 32-bit slot (not 0); fixed capacity.

An entry is 8 bytes, a 32-bit tag of the id's hash and the slot; the id itself lies in the slot's
row, where the caller has put it before, and is compared when the tag fits. Linear probing with
backward-shift deletion, so no tombstones pile up. Eight neighbouring ids share a home line: order
ids rise, and orders that came together are looked up together.
"""

from libc.stdint cimport uint8_t, uint32_t, uint64_t

from rsx.core.memory cimport rsx_prefetch

cdef struct idmap_t:
    uint64_t* entries
    const uint8_t* keys     # the id of slot s is at keys + s * stride
    uint64_t stride
    uint64_t key_mask       # all ones for 64-bit ids, 2^32 - 1 for 32-bit ones
    uint64_t mask
    uint64_t count
    uint64_t limit          # most ids it takes: half of the places
    int shift

cdef int idmap_init(idmap_t* map, uint64_t ids_max, const void* keys, uint64_t stride,
                    int key_bits) except -1
cdef void idmap_free(idmap_t* map) noexcept nogil


cdef inline uint64_t idmap_tag(uint64_t key) noexcept nogil:
    """32 bits: 29 of the hash of the id's group of eight, 3 of its place in the group."""
    return ((((key >> 3) * <uint64_t>0x9E3779B97F4A7C15) >> 35) << 3) | (key & 7)


cdef inline uint64_t idmap_home(const idmap_t* map, uint64_t tag) noexcept nogil:
    return (((tag >> 3) >> map.shift) << 3) | (tag & 7)


cdef inline bint idmap_is(const idmap_t* map, uint64_t entry, uint64_t tag,
                          uint64_t key) noexcept nogil:
    """Whether an entry is that of the id."""
    if entry >> 32 != tag:
        return False
    return ((<const uint64_t*>(map.keys + <uint32_t>entry * map.stride))[0] & map.key_mask) == key


cdef inline void idmap_prefetch(const idmap_t* map, uint64_t key) noexcept nogil:
    """Have the id's home line on its way."""
    rsx_prefetch(&map.entries[idmap_home(map, idmap_tag(key))])


cdef inline uint32_t idmap_get(const idmap_t* map, uint64_t key) noexcept nogil:
    """The slot of an id, or 0."""
    cdef uint64_t tag = idmap_tag(key), at = idmap_home(map, tag)
    while map.entries[at] != 0:
        if idmap_is(map, map.entries[at], tag, key):
            return <uint32_t>map.entries[at]
        at = (at + 1) & map.mask
    return 0


cdef inline bint idmap_put(idmap_t* map, uint64_t key, uint32_t slot) noexcept nogil:
    """Give an id, new or old, a slot whose row holds it already; False when the map is full."""
    cdef uint64_t tag = idmap_tag(key), at = idmap_home(map, tag)
    while map.entries[at] != 0:
        if idmap_is(map, map.entries[at], tag, key):
            map.entries[at] = tag << 32 | slot
            return True
        at = (at + 1) & map.mask
    if map.count >= map.limit:
        return False
    map.entries[at] = tag << 32 | slot
    map.count += 1
    return True


cdef inline bint idmap_remove(idmap_t* map, uint64_t key) noexcept nogil:
    """Take an id out, its row still holding it, and close the gap; False when it is not there."""
    cdef uint64_t tag = idmap_tag(key), hole = idmap_home(map, tag), at, home
    while not idmap_is(map, map.entries[hole], tag, key):
        if map.entries[hole] == 0:
            return False
        hole = (hole + 1) & map.mask
    at = hole
    while True:
        at = (at + 1) & map.mask
        if map.entries[at] == 0:
            break
        home = idmap_home(map, map.entries[at] >> 32)
        # The entry may move into the hole unless its home lies in (hole, at].
        if ((at - home) & map.mask) >= ((at - hole) & map.mask):
            map.entries[hole] = map.entries[at]
            hole = at
    map.entries[hole] = 0
    map.count -= 1
    return True
