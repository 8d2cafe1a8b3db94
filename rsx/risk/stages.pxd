"""The steps of liquidations, folded: stages, rounds, orders out, transfers. LQ-n, INV-23."""

from libc.stdint cimport uint64_t

from rsx.records_c cimport (
    rsx_liquidation_settled_t, rsx_liquidation_step_t, rsx_position_transferred_t,
)
from rsx.risk.accounts cimport account_t, ledger_t, position_t

cdef int apply_step(ledger_t* ledger, const rsx_liquidation_step_t* step) except -1 nogil
cdef int apply_transferred(ledger_t* ledger, const rsx_position_transferred_t* event,
                           int index) except -1 nogil
cdef int apply_made_good(ledger_t* ledger,
                         const rsx_liquidation_settled_t* event) except -1 nogil
cdef void end_transfer(position_t* position) noexcept nogil
cdef void end_round(ledger_t* ledger, position_t* position, uint64_t oid) noexcept nogil
cdef void end_lost_rounds(ledger_t* ledger) noexcept nogil


cdef inline void note_own_oid(ledger_t* ledger, uint64_t oid) noexcept nogil:
    """LQ-7: gateway number 3 stands for the exchange itself."""
    if (oid >> 10 & 3) == 3 and oid > ledger.own_oid_max:
        ledger.own_oid_max = oid
