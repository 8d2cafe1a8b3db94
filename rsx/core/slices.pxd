"""A slice of an id map: those of its ids whose hash begins with certain bits.

The hash is that of the tags, the same for ever; the map's size, and where a row lies, do not
matter. Ids with one home line are found in an unbroken run of places from there on.
Source: specs/replica.md RP-2.
"""

from libc.stdint cimport uint32_t, uint64_t

from rsx.core.idmap cimport idmap_t
from rsx.core.memory cimport rsx_prefetch

cdef enum:
    SLICE_HASH_BITS = 29
    SLICE_BITS_MAX = 24         # of a form's high byte that are taken for possible
    SLICE_PLACES = 16384        # of a map, in a slice of the least number of bits
    SLICE_BATCH = 32            # ids found ahead of their rows being read

cdef struct slice_t:
    const idmap_t* map
    uint64_t at                 # next place
    uint64_t left               # places that may be homes
    bint is_whole               # those are all: no run goes on behind them
    uint32_t number
    int shift                   # of the hash, to its slice


cdef inline int slice_bits(const idmap_t* map, uint64_t ids) noexcept nogil:
    """The least number of bits that leaves at most SLICE_PLACES places and so many ids to one."""
    cdef int bits = 0
    while bits < SLICE_BITS_MAX and (
            (map.mask + 1) >> bits > SLICE_PLACES or map.count >> bits > ids):
        bits += 1
    return bits


cdef inline void slice_begin(slice_t* slice, const idmap_t* map, uint32_t part,
                             int bits) noexcept nogil:
    """The slice that a part names, of 2^bits."""
    cdef uint64_t lines = (map.mask + 1) >> 3       # a power of two
    cdef uint64_t number = part & ((<uint64_t>1 << bits) - 1)
    slice.map = map
    slice.number = <uint32_t>number
    slice.shift = SLICE_HASH_BITS - bits
    while lines < <uint64_t>1 << bits:              # several slices share a line
        number >>= 1
        bits -= 1
    slice.left = (lines >> bits) << 3
    slice.at = number * slice.left
    slice.is_whole = bits == 0


cdef inline int slice_take(slice_t* slice, uint32_t* slots) noexcept nogil:
    """Slots of the next ids, at most SLICE_BATCH, their rows on the way; 0: there are no more."""
    cdef const idmap_t* map = slice.map
    cdef uint64_t entry
    cdef int found = 0
    while found < SLICE_BATCH:
        entry = map.entries[slice.at]
        if slice.left:
            slice.left -= 1
        elif entry == 0 or slice.is_whole:
            return found
        slice.at = (slice.at + 1) & map.mask
        if entry and (entry >> 35) >> slice.shift == slice.number:
            slots[found] = <uint32_t>entry
            rsx_prefetch(map.keys + <uint32_t>entry * map.stride)
            found += 1
    return found
