# cython: boundscheck=False
"""Price map of one book: a slot for every tick near the reference, coarser ones further out.

    distance from the reference m   < 5 %   < 15 %   < 30 %   < 50 %   the rest
    ticks of one slot                  1       10      100     1000    all of them

    slot  0          1 ..                     half-1 | half                    ..      2*half-1
          catch-all  1000s  100s  10s  ones  below m | m and above  ones 10s 100s 1000s  catch-all

It bounds memory and nothing else: a slot holds the root of its levels, which lie in exact price
order, so what matches never depends on where the map is centred (PM-2). The levels themselves are
the book's. Source: specs/matching.md section 2.
"""

from libc.stdint cimport int64_t, uint32_t, uint64_t
from libc.string cimport memset

from rsx.core.check cimport fail
from rsx.core.memory cimport RSX_PAGES_SMALL, rsx_map, rsx_unmap
from rsx.units cimport rsx_divisor

cdef enum:
    SLOTS_MIN = 1024
    SLOTS_MAX = 1 << 24

# Where zone k ends, in percent of the reference.
cdef int64_t[ZONES] PERCENT = [5, 15, 30, 50]


cdef size_t words_at(int depth) noexcept nogil:
    """Words of a bitmap over 2^24 slots at this depth, and one to look ahead into."""
    return (<size_t>SLOTS_MAX >> (6 * (depth + 1))) + 2


cdef inline int64_t zone_end(int64_t reference, int zone) noexcept nogil:
    """floor(reference * percent / 100), without the product."""
    return reference // 100 * PERCENT[zone] + reference % 100 * PERCENT[zone] // 100


cdef int64_t half_of(const shape_t* shape, int64_t reference, int64_t* bases) noexcept nogil:
    """Slots of one half for a reference; where each zone begins goes to bases, if given."""
    cdef int64_t total = 0, begin = 0, end
    cdef int zone
    for zone in range(ZONES):
        if bases != NULL:
            bases[zone] = total
        end = zone_end(reference, zone)
        # Rounded up: no two slots' widths in one, whatever the reference (BOOK-25).
        total += (end - begin + shape.widths[zone] - 1) // shape.widths[zone]
        begin = end
    if bases != NULL:
        bases[ZONES] = total
    return total + 1


cdef int shape_init(shape_t* shape, int64_t tick, int64_t slots_max) except -1:
    """The widths of the zones and the largest reference they fit for (PM-3)."""
    cdef int64_t low = 1, high = <int64_t>1 << 62, middle, width
    cdef int zone
    if not 1 <= tick <= 1 << 40:
        raise ValueError(f"tick {tick}: 1 to 2^40 are possible")
    if not SLOTS_MIN <= slots_max <= SLOTS_MAX:
        raise ValueError(f"{slots_max} level slots: {SLOTS_MIN} to {SLOTS_MAX} are possible")
    shape.tick = tick
    shape.slots_max = slots_max
    width = tick
    for zone in range(ZONES):
        shape.widths[zone] = width
        width *= 10
    while high - low > 1:  # low fits, high does not
        middle = low + (high - low) // 2
        if 2 * half_of(shape, middle, NULL) <= slots_max:
            low = middle
        else:
            high = middle
    shape.reference_max = low
    for zone in range(ZONES):
        shape.steps[zone] = rsx_divisor(shape.widths[zone], zone_end(low, ZONES - 1))
    return 0


cdef int map_init(map_t* map, const shape_t* shape) except -1:
    """Reserve the memory; what is not touched costs nothing. map_free is safe in any state."""
    cdef int side, depth
    memset(map, 0, sizeof(map_t))
    for side in range(2):
        map.sides[side].slots = <uint32_t*>rsx_map(
            <size_t>shape.slots_max * sizeof(uint32_t), RSX_PAGES_SMALL)
        if map.sides[side].slots == NULL:
            raise MemoryError(f"{shape.slots_max} level slots")
        for depth in range(BIT_LEVELS):
            # The bitmap spans all 2^24 slots, so scans need no bounds.
            map.sides[side].bits[depth] = <uint64_t*>rsx_map(words_at(depth) * 8, RSX_PAGES_SMALL)
            if map.sides[side].bits[depth] == NULL:
                raise MemoryError("bitmap")
    return 0


cdef void map_free(map_t* map, const shape_t* shape) noexcept nogil:
    cdef int side, depth
    for side in range(2):
        rsx_unmap(map.sides[side].slots, <size_t>shape.slots_max * sizeof(uint32_t))
        for depth in range(BIT_LEVELS):
            rsx_unmap(map.sides[side].bits[depth], words_at(depth) * 8)
    memset(map, 0, sizeof(map_t))


cdef void map_centre(map_t* map, const shape_t* shape, int64_t reference) noexcept nogil:
    """Give an empty map its reference; beyond reference_max it gets the widths of that (PM-3)."""
    cdef int64_t widest = min(reference, shape.reference_max)
    cdef int zone
    map.reference = reference
    map.half = half_of(shape, widest, map.bases)
    for zone in range(ZONES):
        map.ends[zone] = zone_end(widest, zone)


cdef int map_audit(const map_t* map) except -1:
    """Slots against bits, and every depth of the bits against the one below; O(slots)."""
    cdef const map_side_t* own
    cdef int64_t slot, word, words
    cdef int side, depth
    cdef bint is_set
    for side in range(2):
        own = &map.sides[side]
        for slot in range(2 * map.half):
            is_set = own.bits[0][slot >> 6] >> (slot & 63) & 1
            if is_set != (own.slots[slot] != 0):
                return fail(8, slot, own.slots[slot])
        words = (2 * map.half + 63) >> 6
        for depth in range(1, BIT_LEVELS):
            for word in range(words):
                is_set = own.bits[depth][word >> 6] >> (word & 63) & 1
                if is_set != (own.bits[depth - 1][word] != 0):
                    return fail(8, word, depth)
            words = (words + 63) >> 6
    return 0
