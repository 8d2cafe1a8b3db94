"""Who is auto-deleveraged, and by how much. Rules AD-1 to AD-5: specs/liquidation.md."""

from libc.stdint cimport int64_t, uint8_t, uint32_t, uint64_t

from rsx.risk.accounts cimport ledger_t, position_t

cdef extern from *:
    # A sum of products of 64 bits.
    ctypedef long long wide_t "__int128"

cdef enum:
    RANKED_MAX = 1024       # AD-4
    RANK_STEP = 256         # positions looked at in one duty cycle
    SAMPLE_MAX = 1024       # positions behind the lights of one side (AD-5)
    CUTS = 4

cdef struct rank_t:
    int64_t score           # ppm
    int64_t weight          # of the policies that spread; 0 = takes no part in spreading
    int64_t share           # quantity to give up, once dealt
    uint32_t position
    uint32_t user_id
    uint8_t leg
    uint8_t is_last         # funds and buckets in liquidation (AD-1)

# A pass over one exposure list, and what it has found.
cdef struct ranking_t:
    rank_t best[RANKED_MAX] # a heap with the last of the order on top, until sorted
    uint32_t count
    uint64_t left           # entries of the list not looked at yet
    wide_t weights          # of all looked at
    int symbol
    int side                # of the list: 0 long, 1 short
    uint8_t policy

# Scores that part one side of a symbol into fifths.
cdef struct lights_t:
    int64_t cuts[CUTS]
    bint is_known

cdef struct sample_t:
    int64_t scores[SAMPLE_MAX]
    uint32_t count
    uint64_t at             # next entry of the list to look at, from 1
    uint64_t stride

cdef int64_t adl_score(ledger_t* ledger, position_t* position, int64_t mark,
                       uint64_t now_ns) except? -1 nogil
cdef void ranking_begin(ranking_t* ranking, const ledger_t* ledger, int symbol, int side,
                        uint8_t policy) noexcept nogil
cdef int ranking_step(ranking_t* ranking, ledger_t* ledger, int64_t mark,
                      uint64_t now_ns) except -1 nogil
cdef void ranking_deal(ranking_t* ranking, const ledger_t* ledger, int64_t qty,
                       int64_t lot) noexcept nogil
cdef void sample_begin(sample_t* sample, const ledger_t* ledger, int symbol,
                       int side) noexcept nogil
cdef bint sample_step(sample_t* sample, ledger_t* ledger, int symbol, int side, int64_t mark,
                      uint64_t now_ns) except -1 nogil
cdef void sample_cut(sample_t* sample, lights_t* lights) noexcept nogil
cdef int light_of(const lights_t* lights, int64_t score) noexcept nogil
