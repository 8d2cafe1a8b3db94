from libc.stdint cimport int64_t, uint32_t

from rsx.book.trigger cimport trailing_t
from rsx.book.triggers cimport triggers_t

cdef void trailing_add(triggers_t* book, uint32_t slot, int64_t px) noexcept nogil
cdef void trailing_remove(triggers_t* book, uint32_t slot) noexcept nogil
cdef bint trailing_move(triggers_t* book, trailing_t* own, int64_t px,
                        uint32_t* target) noexcept nogil
cdef uint32_t trailing_fire(triggers_t* book, trailing_t* own, int64_t px) noexcept nogil
cdef int64_t trailing_extreme(const triggers_t* book, uint32_t slot) noexcept nogil
cdef void trailing_show(triggers_t* book, const trailing_t* own) noexcept nogil
cdef int64_t trailing_audit(triggers_t* book, const trailing_t* own) except -1
