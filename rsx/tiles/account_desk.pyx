# cython: boundscheck=False
"""Requests about accounts: money in and out, settings, margin. Refused, or logged.

What is asked for counts when its record is released. Rules A-7, P-1 to P-4, V-17: specs/risk.md;
they are in rsx/risk/check. A request is taken whole or not at all: BUSY leaves it where it is.
"""

from libc.stdint cimport int64_t, uint8_t, uint32_t, uint64_t

from rsx.core.check cimport fail
from rsx.core.ring cimport ring_commit, ring_free
from rsx.records_c cimport *
from rsx.risk.accounts cimport is_own
from rsx.risk.check cimport ledger_check_config, ledger_check_deposit
from rsx.risk.money_check cimport (
    figures_t, ledger_check_settings, ledger_check_transfer, ledger_check_withdraw,
    settings_pending, settings_t,
)
from rsx.tiles.outbox cimport BUSY, Outbox


cdef class AccountDesk:
    def __init__(self, Outbox out):
        self.out = out

    cdef bint is_full(self) noexcept nogil:
        """Whether there is no room for what any of these requests writes."""
        return not ring_free(self.out.wal, 1) or not ring_free(self.out.gateway, 1)

    cdef bint must_wait(self, uint32_t user_id) noexcept nogil:
        """V-17: settings of the account are in flight: judge its requests by what will hold."""
        return self.settings_flying != 0 and settings_pending(self.out.ledger, user_id)

    cdef int on_configured(self, const rsx_margin_config_t* record) except -1 nogil:
        """A released MARGIN_CONFIG."""
        if is_own(self.out.ledger, record.user_id) and self.settings_flying:
            self.settings_flying -= 1
        return 0

    cdef int on_request(self, const rsx_record_t* request, uint64_t now) except -1 nogil:
        """BUSY, or the request is done with."""
        if request.type == RSX_DEPOSIT_REQUEST:
            return self.on_deposit(<const rsx_deposit_request_t*>request, now)
        if request.type == RSX_ACCOUNT_CONFIG_REQUEST:
            return self.on_config(<const rsx_account_config_request_t*>request, now)
        if request.type == RSX_WITHDRAW_REQUEST:
            return self.on_withdraw(<const rsx_withdraw_request_t*>request, now)
        if request.type == RSX_MARGIN_CONFIG_REQUEST:
            return self.on_settings(<const rsx_margin_config_request_t*>request, now)
        if request.type == RSX_MARGIN_TRANSFER_REQUEST:
            return self.on_transfer(<const rsx_margin_transfer_request_t*>request, now)
        return fail(1402, request.type, request.seq)

    cdef int on_deposit(self, const rsx_deposit_request_t* request,
                        uint64_t now) except -1 nogil:
        cdef int reason
        cdef rsx_deposit_t* record
        if self.is_full():
            return BUSY
        reason = ledger_check_deposit(self.out.ledger, request.user_id, request.amount)
        if reason:
            return self.out.refuse(0, request.request_id, request.user_id, 0, reason, 0, 0, now)
        record = <rsx_deposit_t*>self.out.logged(RSX_DEPOSIT, now)
        record.request_id = request.request_id
        record.amount = request.amount
        record.user_id = request.user_id
        ring_commit(self.out.wal)
        return 0

    cdef int on_config(self, const rsx_account_config_request_t* request,
                       uint64_t now) except -1 nogil:
        """A-7."""
        cdef uint32_t owner_group = 0
        cdef uint8_t stp = 0
        cdef int reason
        cdef rsx_account_config_t* record
        if self.is_full() or self.must_wait(request.user_id):
            return BUSY
        reason = ledger_check_config(self.out.ledger, request, &owner_group, &stp)
        if reason:
            return self.out.refuse(0, request.request_id, request.user_id, 0, reason, 0, 0, now)
        record = <rsx_account_config_t*>self.out.logged(RSX_ACCOUNT_CONFIG, now)
        record.request_id = request.request_id
        record.user_id = request.user_id
        record.owner_group = owner_group
        record.stp = stp
        ring_commit(self.out.wal)
        return 0

    cdef int on_withdraw(self, const rsx_withdraw_request_t* request,
                         uint64_t now) except -1 nogil:
        """P-2."""
        cdef figures_t figures
        cdef int reason
        cdef rsx_withdrawal_t* record
        if self.is_full() or self.must_wait(request.user_id):
            return BUSY
        reason = ledger_check_withdraw(self.out.ledger, request, now, &figures)
        if reason:
            return self.out.refuse(0, request.request_id, request.user_id, 0, reason,
                                   figures.required, figures.available, now)
        record = <rsx_withdrawal_t*>self.out.logged(RSX_WITHDRAWAL, now)
        record.request_id = request.request_id
        record.amount = request.amount
        record.user_id = request.user_id
        ring_commit(self.out.wal)
        return 0

    cdef int on_transfer(self, const rsx_margin_transfer_request_t* request,
                         uint64_t now) except -1 nogil:
        """P-3."""
        cdef figures_t figures
        cdef int reason
        cdef rsx_margin_transferred_t* record
        if self.is_full() or self.must_wait(request.user_id):
            return BUSY
        reason = ledger_check_transfer(self.out.ledger, request, now, &figures)
        if reason:
            return self.out.refuse(0, request.request_id, request.user_id, request.symbol_id,
                                   reason, figures.required, figures.available, now)
        record = <rsx_margin_transferred_t*>self.out.logged(RSX_MARGIN_TRANSFERRED, now)
        record.request_id = request.request_id
        record.amount = request.amount
        record.user_id = request.user_id
        record.symbol_id = request.symbol_id
        record.leg = request.leg
        ring_commit(self.out.wal)
        return 0

    cdef int on_settings(self, const rsx_margin_config_request_t* request,
                         uint64_t now) except -1 nogil:
        """P-4, HG-5."""
        cdef figures_t figures
        cdef settings_t settings
        cdef int reason
        cdef rsx_margin_config_t* record
        if self.is_full() or self.must_wait(request.user_id):
            return BUSY
        reason = ledger_check_settings(self.out.ledger, request, now, &settings, &figures)
        if reason:
            return self.out.refuse(0, request.request_id, request.user_id, request.symbol_id,
                                   reason, figures.required, figures.available, now)
        self.settings_flying += 1
        record = <rsx_margin_config_t*>self.out.logged(RSX_MARGIN_CONFIG, now)
        record.request_id = request.request_id
        record.user_id = request.user_id
        record.symbol_id = request.symbol_id
        record.leverage = settings.leverage
        record.margin_mode = settings.margin_mode
        record.position_mode = settings.position_mode
        ring_commit(self.out.wal)
        return 0
