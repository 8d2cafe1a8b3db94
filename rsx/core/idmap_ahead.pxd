"""Looking into an id map ahead of time: what an id's row most likely is, without reading it."""

from libc.stdint cimport uint32_t, uint64_t

from rsx.core.idmap cimport idmap_home, idmap_t, idmap_tag


cdef inline uint32_t idmap_likely(const idmap_t* map, uint64_t key) noexcept nogil:
    """The slot that an id most likely has, told by its tag alone; 0 = none."""
    cdef uint64_t tag = idmap_tag(key), at = idmap_home(map, tag)
    while map.entries[at] != 0:
        if map.entries[at] >> 32 == tag:
            return <uint32_t>map.entries[at]
        at = (at + 1) & map.mask
    return 0
