from rsx.book.matching cimport engine_t


cdef class Engine:
    cdef engine_t engine
    cdef readonly object symbol
    cdef readonly int symbol_id
