"""Allocation of id maps, and a Python face for tests. The kernel is inline in idmap.pxd."""

from libc.stdint cimport uint8_t, uint32_t, uint64_t
from libc.stdlib cimport calloc, free

from rsx.core.memory cimport RSX_PAGES_HUGE, rsx_map, rsx_unmap

cdef enum:
    PLACE_BITS_MAX = 32     # a tag has no more to tell homes apart by


cdef int idmap_init(idmap_t* map, uint64_t ids_max, const void* keys, uint64_t stride,
                    int key_bits) except -1:
    """An empty map of at least ids_max ids, those of the rows at keys. Raises MemoryError.

    Args  keys: where row 0's id lies; stride: bytes from row to row; key_bits: 32 or 64
    """
    cdef uint64_t places = 8
    cdef int bits = 3
    while places < 2 * ids_max:
        places *= 2
        bits += 1
    if bits > PLACE_BITS_MAX:
        raise MemoryError(f"id map of {places} places; at most 2^{PLACE_BITS_MAX}")
    map.entries = <uint64_t*>rsx_map(places * 8, RSX_PAGES_HUGE)
    if map.entries == NULL:
        raise MemoryError(f"id map of {places} places")
    map.keys = <const uint8_t*>keys
    map.stride = stride
    map.key_mask = ~<uint64_t>0 if key_bits == 64 else (<uint64_t>1 << 32) - 1
    map.mask = places - 1
    map.count = 0
    map.limit = places // 2
    map.shift = 29 - (bits - 3)
    return 0


cdef void idmap_free(idmap_t* map) noexcept nogil:
    rsx_unmap(map.entries, (map.mask + 1) * 8)
    map.entries = NULL


cdef struct row_t:
    uint64_t key
    uint32_t value
    uint32_t next_free


cdef class IdMap:
    """Map of positive 64-bit ids to positive 32-bit values; at most keys_max keys, rounded up."""

    cdef idmap_t map
    cdef row_t* rows
    cdef uint32_t first_free
    cdef uint32_t used

    def __cinit__(self, uint64_t keys_max):
        self.rows = <row_t*>calloc(2 * keys_max + 8, sizeof(row_t))
        if self.rows == NULL:
            raise MemoryError(f"{keys_max} rows")
        idmap_init(&self.map, keys_max, &self.rows[0].key, sizeof(row_t), 64)

    def __dealloc__(self):
        if self.map.entries != NULL:
            idmap_free(&self.map)
        free(self.rows)

    def __len__(self):
        return self.map.count

    def get(self, uint64_t key):
        """The value of key, 0 when it is not there."""
        return self.rows[idmap_get(&self.map, key)].value if key else 0

    def put(self, uint64_t key, uint32_t value):
        """Set a key, new or old; False when the map is full."""
        cdef uint32_t slot
        if key == 0 or value == 0:
            raise ValueError("0 stands for nothing here")
        slot = idmap_get(&self.map, key)
        if slot == 0:
            slot = self.first_free if self.first_free else self.used + 1
            self.rows[slot].key = key
            if not idmap_put(&self.map, key, slot):
                return False
            if self.first_free:
                self.first_free = self.rows[slot].next_free
            else:
                self.used += 1
        self.rows[slot].value = value
        return True

    def remove(self, uint64_t key):
        """Take a key out; False when it is not there."""
        cdef uint32_t slot = idmap_get(&self.map, key) if key else 0
        if slot == 0 or not idmap_remove(&self.map, key):
            return False
        self.rows[slot].next_free = self.first_free
        self.first_free = slot
        return True
