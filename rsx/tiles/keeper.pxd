"""What the first risk tile does for the exchange as a whole. Anatomy in keeper.pyx."""

from libc.stdint cimport int64_t, uint8_t, uint32_t, uint64_t

from rsx.records_c cimport rsx_fill_t, rsx_position_transferred_t, rsx_record_t
from rsx.risk.accounts cimport account_t, ledger_t, position_t, symbol_t
from rsx.risk.adl cimport lights_t, ranking_t, sample_t
from rsx.risk.ledger cimport Ledger
from rsx.risk.orders cimport SYMBOLS_MAX
from rsx.tiles.outbox cimport Outbox

# Where a symbol's service of its oldest bankrupt position stands.
cdef enum:
    DECIDE = 0              # takeover, or a ranking pass
    RANK = 1                # looking for counterparties
    DEAL = 2                # sending transfers to those found
    AWAIT = 3               # answers are out

cdef enum:
    PAYMENTS_LIMIT = 256    # FN-9
    CLOSINGS_LIMIT = 64

cdef struct service_t:
    uint32_t first          # bankrupt positions, in log order; 0 = none
    uint32_t last
    uint32_t awaited        # transfers without an answer
    uint32_t dealt          # ranks of the ranking that are done with
    uint32_t phase
    bint is_asked           # the fund has had its chance at this one
    bint is_cancelled       # the next counterparty's orders have been cancelled
    # funding
    bint settling           # FUNDING_SETTLED is in flight
    bint finishing          # FUNDING_DONE is in flight
    uint64_t cursor         # of the payment sweep
    # the fund's own orders
    uint64_t order_oid      # out now; 0 = none
    uint64_t order_ns       # when the next may go out


cdef class Keeper:
    cdef Ledger owner
    cdef ledger_t* ledger
    cdef Outbox out
    cdef uint8_t shard
    cdef service_t services[SYMBOLS_MAX]
    cdef uint32_t rules_out[SYMBOLS_MAX]    # version of rules on their way (FN-11); 0 = none
    cdef uint32_t bankrupt          # positions that wait
    cdef bint is_due                # a record may have made funding or an order of a fund due
    cdef uint64_t looked_ns         # when that was last looked at
    cdef uint32_t* next_bankrupt    # by position
    cdef uint32_t* next_closing     # by account, a list of those to be looked at
    cdef uint8_t* closing           # by account: LISTED, or an answer is out
    cdef uint32_t closing_first
    cdef uint32_t closing_last
    cdef ranking_t* ranking
    cdef int ranked_symbol          # whose pass the ranking is; -1 = none
    cdef sample_t* sample
    cdef int sampled                # 2 x symbol + side under way, or to come next
    cdef bint is_sampling
    cdef uint64_t sample_ns         # when the next round of samples may begin
    cdef lights_t lights[2 * SYMBOLS_MAX]
    cdef readonly uint64_t takeovers
    cdef readonly uint64_t deleveraged
    cdef int64_t buckets_open       # in liquidation, of all users
    cdef int64_t haircut            # AD-7
    cdef int64_t shortfall

    cdef int start(self) except -1
    cdef int work(self, uint64_t now) except -1 nogil
    cdef int on_record(self, const rsx_record_t* record) except -1 nogil
    cdef int on_fill(self, const rsx_fill_t* fill) except -1 nogil
    cdef int on_order_end(self, uint32_t user_id, uint64_t oid,
                          uint32_t symbol_id) except -1 nogil
    cdef bint may_trade(self, const symbol_t* symbol, uint64_t now) noexcept nogil
    cdef int lights_of(self, position_t* position, int64_t mark, uint64_t now) except -1 nogil
    # bankrupt positions
    cdef void line_up(self, uint32_t slot) noexcept nogil
    cdef void step_down(self, int symbol) noexcept nogil
    cdef int serve(self, int symbol, uint64_t now) except -1 nogil
    cdef void drop_ranking(self, int symbol) noexcept nogil
    cdef int decide(self, int symbol, position_t* bankrupt, int64_t mark,
                    uint64_t now) except -1 nogil
    cdef int deal(self, int symbol, position_t* bankrupt, int64_t mark,
                  uint64_t now) except -1 nogil
    cdef int transfer(self, position_t* bankrupt, uint32_t counter_user_id, uint8_t counter_flags,
                      uint8_t kind, int64_t qty, int64_t score, int64_t mark,
                      uint64_t now) except -1 nogil
    cdef int on_transferred(self, const rsx_position_transferred_t* event) except -1 nogil
    # what closed buckets are short of
    cdef void look_at(self, uint32_t slot) noexcept nogil
    cdef int make_good(self, uint64_t now) except -1 nogil
    cdef int settle_short(self, uint32_t slot, uint64_t now) except -1 nogil
    cdef int log_settled(self, const account_t* account, const position_t* position,
                         int symbol, int64_t amount, uint64_t now) except -1 nogil
    # funding
    cdef void note_rules(self, int symbol, uint32_t version) noexcept nogil
    cdef bint is_settling(self, int symbol) noexcept nogil
    cdef int settle_funding(self, int symbol, uint64_t now) except -1 nogil
    cdef int book_funding(self, int symbol, uint64_t now) except -1 nogil
    cdef int end_funding(self, int symbol, uint64_t now) except -1 nogil
    # the funds' own orders
    cdef int unwind(self, int symbol, uint64_t now) except -1 nogil
    # lights
    cdef int sample_lights(self, uint64_t now) except -1 nogil
