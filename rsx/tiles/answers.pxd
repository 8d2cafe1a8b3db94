from libc.stdint cimport uint64_t

from rsx.records_c cimport rsx_account_query_t, rsx_account_state_t, rsx_record_t
from rsx.risk.accounts cimport account_t, position_t
from rsx.tiles.keeper cimport Keeper
from rsx.tiles.outbox cimport Outbox


cdef class Answers:
    cdef Outbox out
    cdef Keeper keeper

    cdef int on_query(self, const rsx_record_t* request, uint64_t now) except -1 nogil
    cdef int fill_account(self, rsx_account_state_t* state, account_t* account,
                          uint64_t now) except -1 nogil
    cdef int send_position(self, const rsx_account_query_t* query, const position_t* position,
                           uint64_t now) except -1 nogil
    cdef int send_risk(self, const rsx_account_query_t* query, account_t* account,
                       position_t* position, uint64_t now) except -1 nogil
