"""Which margin buckets may be below maintenance, and which are. Rules SB-n."""

from libc.stdint cimport int64_t, uint8_t, uint32_t, uint64_t

from rsx.core.heap cimport heap_t
from rsx.records_c cimport rsx_record_t
from rsx.risk.accounts cimport account_t, exposed_t, ledger_t, position_t
from rsx.risk.ledger cimport Ledger
from rsx.risk.margin cimport bucket_t
from rsx.risk.orders cimport SYMBOLS_MAX

cdef enum:
    SCAN_LIMIT = 8192       # thresholds compared in one duty cycle (SB-2) ...
    PASSED_LIMIT = 256      # ... until so many have been passed
    CHANGED_LIMIT = 128     # accounts taken out of the circle of changed ones
    RECKON_LIMIT = 128      # buckets reckoned in full ...
    ROWS_LIMIT = 256        # ... until so many position rows were
    TURN_LIMIT = 32         # buckets that are fetched ahead together
    FETCH_DEPTH = 4         # positions of a bucket that are fetched ahead
    CALLED_LIMIT = 8        # of those that were called, looked at again after a mark

# A pass over the thresholds of one symbol, from the last row to the first: a row that the list
# fills a gap with comes from its end, which was looked at before.
cdef struct pass_t:
    uint64_t at[2]          # next row to compare, long and short; 0 = done
    bint is_due             # another one is to follow

# A bucket found below maintenance, or to be called.
cdef struct finding_t:
    bucket_t bucket
    uint32_t slot
    uint32_t user_id


cdef class Watch:
    cdef Ledger owner
    cdef ledger_t* ledger
    cdef heap_t line            # buckets to be reckoned, nearest to maintenance first
    cdef int64_t* nearness      # of each bucket when reckoned last: ppm of its maintenance
    cdef uint8_t* led           # buckets in liquidation, or about to be: looked at by its leader
    cdef bint is_led_moved      # one of these has changed; its leader resets it
    cdef uint8_t* listed        # buckets in `called`
    cdef uint32_t* called       # buckets that a margin call went out for
    cdef uint32_t called_count
    cdef uint32_t called_at     # next one to look at
    cdef uint32_t called_left   # to be looked at since the last mark
    cdef pass_t passes[SYMBOLS_MAX]
    cdef int passing            # symbol whose pass goes on first
    cdef uint32_t passed[PASSED_LIMIT]      # positions whose threshold was passed, then buckets
    cdef int passed_count
    cdef uint32_t turn[TURN_LIMIT]          # buckets to be reckoned next
    cdef int rows_left                      # position rows that may still be in this duty cycle
    cdef finding_t below[RECKON_LIMIT]      # worst first (SB-3)
    cdef int below_count
    cdef finding_t calls[RECKON_LIMIT]
    cdef int calls_count
    cdef int calls_max
    cdef readonly uint64_t reckoned
    cdef readonly uint64_t compared

    cdef uint32_t slot_of(self, const account_t* account, const position_t* isolated) noexcept nogil
    cdef account_t* account_of(self, uint32_t slot, position_t** isolated) noexcept nogil
    cdef void on_record(self, const rsx_record_t* record) noexcept nogil
    cdef void look_at(self, uint32_t slot) noexcept nogil
    cdef void lead(self, uint32_t slot) noexcept nogil
    cdef void let_go(self, uint32_t slot) noexcept nogil
    # one duty cycle
    cdef int work(self, uint64_t now, int limit, int calls_max) except -1 nogil
    cdef int take_turn(self, int limit) noexcept nogil
    cdef int take_changed(self) noexcept nogil
    cdef int take_called(self) noexcept nogil
    cdef int compare(self) noexcept nogil
    cdef uint64_t compare_side(self, int symbol, int side, int64_t mark,
                               uint64_t budget) noexcept nogil
    cdef void take_passed(self) noexcept nogil
    cdef int reckon(self, uint32_t slot, uint64_t now) except -1 nogil
    cdef int conclude(self, uint32_t slot, account_t* account, position_t* isolated,
                      const bucket_t* bucket, uint64_t now) except -1 nogil
    cdef uint32_t factor_of(self, const account_t* account,
                            const position_t* isolated) noexcept nogil
    cdef void call(self, uint32_t slot, account_t* account, position_t* isolated,
                   const bucket_t* bucket) noexcept nogil
    cdef void set_thresholds(self, account_t* account, position_t* isolated, int64_t slack,
                             uint32_t count, uint32_t factor_ppm) noexcept nogil
    cdef void park(self, account_t* account, position_t* isolated, uint64_t now) noexcept nogil
    cdef tuple place_of(self, uint32_t slot)


cdef int64_t safe_move(int64_t share, int64_t size, uint32_t rate_ppm) noexcept nogil
