from rsx.book.matching cimport engine_t
from rsx.records_c cimport rsx_record_t

cdef void engine_prefetch(engine_t* engine, const rsx_record_t* request) noexcept nogil
cdef void engine_prefetch_order(engine_t* engine, const rsx_record_t* request) noexcept nogil
cdef void engine_prefetch_links(engine_t* engine, const rsx_record_t* request) noexcept nogil
