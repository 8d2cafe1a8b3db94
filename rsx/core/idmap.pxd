"""Open-addressing map from a 64-bit id (not 0) to a 32-bit value; fixed capacity.

Linear probing with backward-shift deletion, so no tombstones pile up. Neighbouring ids hash
to neighbouring places in groups of four (one cache line): order ids rise, and orders that
came together are looked up together.
"""

from libc.stdint cimport uint32_t, uint64_t

cdef struct idmap_entry_t:
    uint64_t key
    uint32_t value
    uint32_t unused

cdef struct idmap_t:
    idmap_entry_t* entries
    uint64_t mask
    uint64_t count
    uint64_t limit      # most keys it takes: half of the places
    int shift

cdef int idmap_init(idmap_t* map, uint64_t keys_max) except -1
cdef void idmap_free(idmap_t* map) noexcept nogil


cdef inline uint64_t idmap_home(const idmap_t* map, uint64_t key) noexcept nogil:
    cdef uint64_t group = ((key >> 2) * <uint64_t>0x9E3779B97F4A7C15) >> map.shift
    return (group << 2) | (key & 3)


cdef inline idmap_entry_t* idmap_find(const idmap_t* map, uint64_t key) noexcept nogil:
    """The entry of key, or NULL."""
    cdef uint64_t at = idmap_home(map, key)
    while True:
        if map.entries[at].key == key:
            return &map.entries[at]
        if map.entries[at].key == 0:
            return NULL
        at = (at + 1) & map.mask


cdef inline uint32_t idmap_get(const idmap_t* map, uint64_t key) noexcept nogil:
    """The value of key, or 0."""
    cdef idmap_entry_t* entry = idmap_find(map, key)
    return entry.value if entry != NULL else 0


cdef inline bint idmap_put(idmap_t* map, uint64_t key, uint32_t value) noexcept nogil:
    """Set key, new or old, to value; False when the map is full."""
    cdef uint64_t at = idmap_home(map, key)
    while map.entries[at].key != 0:
        if map.entries[at].key == key:
            map.entries[at].value = value
            return True
        at = (at + 1) & map.mask
    if map.count >= map.limit:
        return False
    map.entries[at].key = key
    map.entries[at].value = value
    map.count += 1
    return True


cdef inline bint idmap_remove(idmap_t* map, uint64_t key) noexcept nogil:
    """Take key out and close the gap; False when it is not there."""
    cdef uint64_t hole = idmap_home(map, key)
    cdef uint64_t at, home
    while map.entries[hole].key != key:
        if map.entries[hole].key == 0:
            return False
        hole = (hole + 1) & map.mask
    at = hole
    while True:
        at = (at + 1) & map.mask
        if map.entries[at].key == 0:
            break
        home = idmap_home(map, map.entries[at].key)
        # The entry may move into the hole unless its home lies in (hole, at].
        if ((at - home) & map.mask) >= ((at - hole) & map.mask):
            map.entries[hole] = map.entries[at]
            hole = at
    map.entries[hole].key = 0
    map.count -= 1
    return True
