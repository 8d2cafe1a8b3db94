from libc.stdint cimport uint64_t

from rsx.book.book cimport book_t

cdef int book_audit(book_t* book, bint may_cross) except -1
cdef uint64_t book_depth(const book_t* book) noexcept nogil
