# cython: boundscheck=False
"""Recentring: the map follows the market, a few levels with each request (PM-4 to PM-6).

Two maps are there from the start. Beginning gives the empty one its reference and makes it the one
that takes new levels; the levels of the other are moved best first, each side along the links of
its levels, so that the next level to look at is all that is remembered. No level is touched twice,
and matching, which follows links, does not notice. Nothing here shows in the log or in the hash.
"""

from libc.stdint cimport int64_t, uint32_t

from rsx.book.audit cimport book_depth
from rsx.book.book cimport NONE, best_level, book_t, level_move
from rsx.book.pricemap cimport ZONES, map_centre, map_t
from rsx.core.check cimport fail
from rsx.core.memory cimport rsx_prefetch


cdef int recentre_begin(book_t* book, int64_t reference) except -1 nogil:
    """Begin, and move the first levels; no other may run. 1 while there is more to move."""
    cdef map_t* empty = &book.maps[1 - book.map]
    if book.is_moving or empty.levels:
        return fail(8, reference, empty.levels)
    map_centre(empty, &book.shape, reference)
    book.map = 1 - book.map
    book.is_moving = True
    book.move_next[0] = best_level(book, 0)
    book.move_next[1] = best_level(book, 1)
    book.recentrings += 1
    return book_recentre_step(book, MOVES_PER_REQUEST)


cdef int book_recentre_step(book_t* book, int budget) except -1 nogil:
    """Look at up to budget levels and move those of the old map; 1 while there are more."""
    cdef uint32_t handle
    cdef int side
    if not book.is_moving:
        return 0
    for side in range(2):
        while book.move_next[side] != NONE:
            if budget == 0:
                return 1
            budget -= 1
            handle = book.move_next[side]
            book.move_next[side] = book.levels[handle].worse
            rsx_prefetch(&book.levels[book.move_next[side]])
            if book.levels[handle].map != book.map:
                level_move(book, handle)
                book.moved += 1
    book.is_moving = False
    book.recentred += 1
    if book.maps[1 - book.map].levels or book.maps[book.map].levels != book.level_live:
        return fail(8, book.maps[1 - book.map].levels, book.level_live)  # BOOK-54
    return 0


cdef dict map_info(book_t* book):
    """What tests and tools may know of the map; the market's behaviour never depends on it."""
    cdef const map_t* own = &book.maps[book.map]
    halves = [own.bases[zone + 1] - own.bases[zone] for zone in range(ZONES)] + [1]
    return {
        "reference": own.reference,
        "slots": 2 * own.half,
        "zones": [2 * half for half in halves],
        "ends": [own.ends[zone] for zone in range(ZONES)],
        "widths": [book.shape.widths[zone] for zone in range(ZONES)],
        "reference_max": book.shape.reference_max,
        "is_moving": bool(book.is_moving),
        "levels": own.levels,
        "old_levels": book.maps[1 - book.map].levels,
        "depth": book_depth(book),
        "levels_touched": book.level_untouched - 1,
        "orders_touched": book.untouched - 1,
        "recentrings": book.recentrings,
        "recentred": book.recentred,
        "moved": book.moved,
    }
