from libc.stdint cimport int64_t, uint8_t, uint32_t, uint64_t

from rsx.records_c cimport rsx_cancel_all_done_t, rsx_liquidation_step_t, rsx_record_t
from rsx.risk.accounts cimport account_t, ledger_t, position_t
from rsx.risk.liquidation cimport decision_t
from rsx.risk.margin cimport bucket_t
from rsx.risk.watch cimport Watch
from rsx.tiles.outbox cimport Outbox

cdef enum:
    LOOKS_LIMIT = 128       # cases looked at in one duty cycle

# Whether a cancel-all of its liquidation is still to be sent for a position, or is out.
cdef enum:
    CANCEL_DUE = 1
    CANCEL_OUT = 2

# A bucket in liquidation, or whose STARTED is in flight. All else of it is in the ledger.
cdef struct case_t:
    uint64_t oid            # order of the round, from its release until its end; 0 = none
    int64_t px              # ... and what it asks for, until it is sent
    int64_t qty
    uint64_t until_ns       # pause: not before
    uint32_t slot           # bucket, as the watch numbers it
    uint32_t row            # position that the order closes
    uint32_t flying         # steps on their way to the log
    uint8_t side
    bint is_sent
    bint is_cancelling      # not every cancel-all is back


cdef class Liquidator:
    cdef Outbox out
    cdef ledger_t* ledger
    cdef readonly Watch watch
    cdef case_t* cases
    cdef uint64_t slots
    cdef uint32_t count
    cdef uint32_t* places       # by bucket: place among the cases, from 1; 0 = none
    cdef uint32_t at            # next case to look at
    cdef uint32_t left          # to be looked at since something moved
    cdef uint64_t next_ns       # when the next pause ends; 0 = none
    cdef bint is_moved
    cdef bint is_stalled        # something stands before a full ring
    cdef decision_t decision
    cdef readonly uint64_t started
    cdef readonly uint64_t ordered
    cdef readonly uint64_t given_up
    cdef readonly uint64_t recovered
    cdef readonly uint64_t called

    cdef int work(self, uint64_t now) except -1 nogil
    # records
    cdef int on_record(self, const rsx_record_t* record) except -1 nogil
    cdef int on_step(self, const rsx_liquidation_step_t* step) except -1 nogil
    cdef int on_cancelled(self, const rsx_cancel_all_done_t* done) except -1 nogil
    cdef void on_order_end(self, uint32_t user_id, uint64_t oid) noexcept nogil
    # cases
    cdef case_t* case_of(self, uint32_t slot) noexcept nogil
    cdef case_t* open_case(self, uint32_t slot) except NULL nogil
    cdef void end_case(self, case_t* case) noexcept nogil
    cdef void begin_cancelling(self, case_t* case) noexcept nogil
    # what is found
    cdef int start_found(self, uint64_t now) except -1 nogil
    cdef int advance(self, case_t* case, uint64_t now) except -1 nogil
    cdef int cancel_orders(self, case_t* case, uint64_t now) except -1 nogil
    cdef int send_order(self, case_t* case, uint64_t now) except -1 nogil
    cdef int follow(self, case_t* case, account_t* account, position_t* isolated,
                    uint64_t now) except -1 nogil
    cdef int log_step(self, account_t* account, const position_t* isolated, uint8_t stage,
                      position_t* position, const bucket_t* bucket, uint64_t now) except -1 nogil
