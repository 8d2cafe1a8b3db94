"""One engine as rows of a snapshot. See save.pyx."""

from libc.stdint cimport uint32_t, uint64_t

from rsx.book.matching cimport engine_t
from rsx.rows_c cimport rsx_row_t

# Where the writing of one engine stands.
cdef struct engine_save_t:
    engine_t* engine
    uint32_t* ordinals      # by slot of the book: which order of the file it is
    uint32_t* slots         # the other way round
    uint32_t* lines         # by slot of the trigger book: place in the line of due or fired ones
    int phase
    int side
    uint32_t level
    uint32_t slot
    uint32_t ordinal        # given out last
    uint64_t at             # next user or place of the client ids
    uint64_t hash           # of the orders numbered so far; when all is written, of the engine
    bint is_amended         # whether the order in hand rested before, as risk knows

cdef int engine_save_begin(engine_save_t* save, engine_t* engine, bint is_amended) except -1
cdef void engine_save_free(engine_save_t* save) noexcept nogil
cdef bint engine_save_rows(engine_save_t* save, rsx_row_t* out, uint64_t room,
                           uint64_t* made) noexcept nogil
