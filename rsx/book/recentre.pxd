"""Recentring: the price map follows the market. See recentre.pyx."""

from libc.stdint cimport int64_t

from rsx.book.book cimport NONE, best_level, best_px, book_t

cdef enum:
    # Levels looked at: half a us where caches are warm, under 4 us where they are not (PM-5).
    MOVES_PER_REQUEST = 4

cdef int recentre_begin(book_t* book, int64_t reference) except -1 nogil
cdef int book_recentre_step(book_t* book, int budget) except -1 nogil
cdef dict map_info(book_t* book)


cdef inline int book_recentre_move(book_t* book) except -1 nogil:
    """What every request does for a recentring that runs; 1 while it does."""
    return book_recentre_step(book, MOVES_PER_REQUEST) if book.is_moving else 0


cdef inline int book_recentre_check(book_t* book) except -1 nogil:
    """After a new order or an amendment: begin a recentring when one is due (PM-4), else go on
    with one that runs."""
    cdef int64_t off
    if book.is_moving:
        return book_recentre_step(book, MOVES_PER_REQUEST)
    if best_level(book, 0) == NONE or best_level(book, 1) == NONE:
        return 0
    off = (best_px(book, 0) + best_px(book, 1)) // 2 - book.maps[book.map].reference
    if 2 * (off if off >= 0 else -off) <= book.maps[book.map].ends[0]:
        return 0
    return recentre_begin(book, book.maps[book.map].reference + off)
