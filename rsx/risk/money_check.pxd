"""Money and settings before the log: what may leave, move, or change. Rules P-2 to P-4, HG-5."""

from libc.stdint cimport int64_t, uint8_t, uint16_t, uint32_t, uint64_t

from rsx.records_c cimport (
    rsx_margin_config_request_t, rsx_margin_transfer_request_t, rsx_withdraw_request_t,
)
from rsx.risk.accounts cimport ledger_account, ledger_t

# Figures of a refusal, as REQUEST_REJECTED tells them; 0 where they are not the matter.
cdef struct figures_t:
    int64_t required
    int64_t available

# The full settings that MARGIN_CONFIG is to have.
cdef struct settings_t:
    uint16_t leverage
    uint8_t margin_mode
    uint8_t position_mode

cdef int ledger_check_withdraw(ledger_t* ledger, const rsx_withdraw_request_t* request,
                               uint64_t now_ns, figures_t* figures) except -1 nogil
cdef int ledger_check_transfer(ledger_t* ledger, const rsx_margin_transfer_request_t* request,
                               uint64_t now_ns, figures_t* figures) except -1 nogil
cdef int ledger_check_settings(ledger_t* ledger, const rsx_margin_config_request_t* request,
                               uint64_t now_ns, settings_t* settings,
                               figures_t* figures) except -1 nogil


cdef inline bint settings_pending(ledger_t* ledger, uint32_t user_id) noexcept nogil:
    """V-17: orders, amendments and settings of the user wait."""
    return (ledger_account(ledger, user_id) != NULL
            and ledger_account(ledger, user_id).settings_flying != 0)
