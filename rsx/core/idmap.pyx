"""Allocation of id maps, and a Python face for tests. The kernel is inline in idmap.pxd."""

from libc.stdint cimport uint32_t, uint64_t

from rsx.core.memory cimport RSX_PAGES_HUGE, rsx_map, rsx_unmap


cdef int idmap_init(idmap_t* map, uint64_t keys_max) except -1:
    cdef uint64_t places = 8
    cdef int bits = 3
    while places < 2 * keys_max:
        places *= 2
        bits += 1
    map.entries = <idmap_entry_t*>rsx_map(places * sizeof(idmap_entry_t), RSX_PAGES_HUGE)
    if map.entries == NULL:
        raise MemoryError(f"id map of {places} places")
    map.mask = places - 1
    map.count = 0
    map.limit = places // 2
    map.shift = 64 - (bits - 2)
    return 0


cdef void idmap_free(idmap_t* map) noexcept nogil:
    rsx_unmap(map.entries, (map.mask + 1) * sizeof(idmap_entry_t))
    map.entries = NULL


cdef class IdMap:
    """Map of positive 64-bit ids to positive 32-bit values; at most keys_max keys."""

    cdef idmap_t map

    def __cinit__(self, uint64_t keys_max):
        idmap_init(&self.map, keys_max)

    def __dealloc__(self):
        idmap_free(&self.map)

    def __len__(self):
        return self.map.count

    def get(self, uint64_t key):
        return idmap_get(&self.map, key) if key else 0

    def put(self, uint64_t key, uint32_t value):
        if key == 0 or value == 0:
            raise ValueError("0 stands for nothing here")
        return idmap_put(&self.map, key, value)

    def remove(self, uint64_t key):
        return key != 0 and idmap_remove(&self.map, key)
