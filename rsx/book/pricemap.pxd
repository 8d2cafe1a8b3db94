"""Price map: from a price to its slot, and the occupied slots of each side. See pricemap.pyx."""

from libc.stdint cimport int64_t, uint32_t, uint64_t

from rsx.core.memory cimport rsx_highest_bit, rsx_lowest_bit
from rsx.units cimport rsx_divisor_t, rsx_steps

cdef enum:
    ZONES = 4           # and a catch-all beyond them
    BIT_LEVELS = 4      # 64^4 = 2^24 slots

# What all maps of one market share.
cdef struct shape_t:
    int64_t tick
    int64_t slots_max
    int64_t reference_max       # the largest reference whose own widths fit into slots_max
    int64_t widths[ZONES]       # of a slot, in price units
    rsx_divisor_t steps[ZONES]

cdef struct map_side_t:
    uint32_t* slots             # handle of the root of the slot's levels, 0 = none
    uint64_t* bits[BIT_LEVELS]  # a bit per occupied slot, then per non-zero word, 64-way

cdef struct map_t:
    int64_t reference
    int64_t ends[ZONES]         # zone k: distances below ends[k]
    int64_t bases[ZONES + 1]    # slots of one half before zone k; the last: before its catch-all
    int64_t half                # slots of one half; higher prices have slots from here on
    uint64_t levels             # that lie in this map
    map_side_t sides[2]

cdef int shape_init(shape_t* shape, int64_t tick, int64_t slots_max) except -1
cdef int map_init(map_t* map, const shape_t* shape) except -1
cdef void map_free(map_t* map, const shape_t* shape) noexcept nogil
cdef void map_centre(map_t* map, const shape_t* shape, int64_t reference) noexcept nogil
cdef int map_audit(const map_t* map) except -1


cdef inline int64_t map_slot(const map_t* map, const shape_t* shape, int64_t px) noexcept nogil:
    """The slot of a price, any price >= 0. A higher slot never has a lower price (PM-1)."""
    cdef int64_t distance = px - map.reference, at, begin = 0
    cdef bint is_lower = distance < 0
    cdef int zone = 0
    if is_lower:
        distance = -distance
    while zone < ZONES and distance >= map.ends[zone]:
        begin = map.ends[zone]
        zone += 1
    at = map.bases[zone]
    if zone < ZONES:
        at += rsx_steps(distance - begin, shape.steps[zone])
    return map.half - 1 - at if is_lower else map.half + at


cdef inline int64_t bits_above(const map_side_t* side, int64_t index) noexcept nogil:
    """The lowest occupied slot above index, or -1. index may be -1."""
    cdef int depth = 0
    cdef uint64_t word
    index += 1
    while depth < BIT_LEVELS:
        if index >> 6 >= 1 << (6 * (BIT_LEVELS - 1 - depth)):
            return -1
        word = side.bits[depth][index >> 6] >> (index & 63)
        if word:
            index += rsx_lowest_bit(word)
            while depth > 0:
                depth -= 1
                index = (index << 6) | rsx_lowest_bit(side.bits[depth][index])
            return index
        index = (index >> 6) + 1
        depth += 1
    return -1


cdef inline int64_t bits_below(const map_side_t* side, int64_t index) noexcept nogil:
    """The highest occupied slot below index, or -1."""
    cdef int depth = 0
    cdef uint64_t word
    index -= 1
    while depth < BIT_LEVELS:
        if index < 0:
            return -1
        word = side.bits[depth][index >> 6] << (63 - (index & 63))
        if word:
            index -= 63 - rsx_highest_bit(word)
            while depth > 0:
                depth -= 1
                index = (index << 6) | rsx_highest_bit(side.bits[depth][index])
            return index
        index = (index >> 6) - 1
        depth += 1
    return -1


cdef inline void bits_set(map_side_t* side, int64_t index) noexcept nogil:
    cdef int depth
    cdef uint64_t before
    for depth in range(BIT_LEVELS):
        before = side.bits[depth][index >> 6]
        side.bits[depth][index >> 6] = before | (<uint64_t>1 << (index & 63))
        if before:
            return
        index >>= 6


cdef inline void bits_clear(map_side_t* side, int64_t index) noexcept nogil:
    cdef int depth
    for depth in range(BIT_LEVELS):
        side.bits[depth][index >> 6] &= ~(<uint64_t>1 << (index & 63))
        if side.bits[depth][index >> 6]:
            return
        index >>= 6
