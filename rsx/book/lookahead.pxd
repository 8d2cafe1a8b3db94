from rsx.book.matching cimport engine_t
from rsx.records_c cimport rsx_record_t

cdef enum:
    # Of records of the log: how far ahead each of the three looks.
    FOLD_FAR = 9
    FOLD_NEAR = 6
    FOLD_NEXT = 3

cdef void fold_prefetch(engine_t* engine, const rsx_record_t* record) noexcept nogil
cdef void fold_prefetch_order(engine_t* engine, const rsx_record_t* record) noexcept nogil
cdef void fold_prefetch_links(engine_t* engine, const rsx_record_t* record) noexcept nogil
cdef void engine_prefetch(engine_t* engine, const rsx_record_t* request) noexcept nogil
cdef void engine_prefetch_order(engine_t* engine, const rsx_record_t* request) noexcept nogil
cdef void engine_prefetch_links(engine_t* engine, const rsx_record_t* request) noexcept nogil
