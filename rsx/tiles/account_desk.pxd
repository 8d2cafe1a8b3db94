from libc.stdint cimport uint32_t, uint64_t

from rsx.records_c cimport (
    rsx_account_config_request_t, rsx_deposit_request_t, rsx_margin_config_request_t,
    rsx_margin_config_t, rsx_margin_transfer_request_t, rsx_record_t, rsx_withdraw_request_t,
)
from rsx.tiles.outbox cimport Outbox


cdef class AccountDesk:
    cdef Outbox out
    cdef uint64_t settings_flying   # MARGIN_CONFIG of own users, of all accounts

    cdef bint is_full(self) noexcept nogil
    cdef bint must_wait(self, uint32_t user_id) noexcept nogil
    cdef int on_configured(self, const rsx_margin_config_t* record) except -1 nogil
    cdef int on_request(self, const rsx_record_t* request, uint64_t now) except -1 nogil
    cdef int on_deposit(self, const rsx_deposit_request_t* request, uint64_t now) except -1 nogil
    cdef int on_config(self, const rsx_account_config_request_t* request,
                       uint64_t now) except -1 nogil
    cdef int on_withdraw(self, const rsx_withdraw_request_t* request,
                         uint64_t now) except -1 nogil
    cdef int on_transfer(self, const rsx_margin_transfer_request_t* request,
                         uint64_t now) except -1 nogil
    cdef int on_settings(self, const rsx_margin_config_request_t* request,
                         uint64_t now) except -1 nogil
