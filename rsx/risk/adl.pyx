# cython: boundscheck=False
"""Auto-deleveraging: the order of the other side, what each gives up, and everyone's place in it.

    ranking    a resumable pass over an exposure list; keeps the first RANKED_MAX of the order
    deal       spreads a quantity over them by policy
    lights     fifths of one side, from a sample

Pure and bounded per call; time is an argument. Rules AD-1 to AD-5: specs/liquidation.md.
"""

from libc.stdint cimport int64_t, uint8_t, uint32_t, uint64_t
from libc.stdlib cimport calloc, free, qsort

from rsx.core.check cimport fail
from rsx.records_c cimport RSX_ADL_PRO_RATA, RSX_ADL_QUEUE, RSX_FUND_USER_BASE, RSX_MARGIN_ISOLATED
from rsx.risk.accounts cimport (
    account_t, ledger_index, ledger_mark, ledger_t, magnitude, position_t, symbol_t, unrealised_of,
)
from rsx.risk.ledger cimport Ledger
from rsx.risk.margin cimport bucket_margin, bucket_t
from rsx.units cimport RSX_PPM, rsx_multiply, rsx_scale


# --- the order --------------------------------------------------------------------------------


cdef int64_t adl_score(ledger_t* ledger, position_t* position, int64_t mark,
                       uint64_t now_ns) except? -1 nogil:
    """AD-1: profit share times effective leverage, in ppm; the higher, the sooner deleveraged."""
    cdef account_t* account = &ledger.accounts[position.account]
    cdef bint is_isolated = position.margin_mode == RSX_MARGIN_ISOLATED
    cdef bucket_t bucket
    cdef int64_t notional = 0, profit, leverage
    if position.net == 0 or position.cost <= 0:
        return 0
    if rsx_multiply(magnitude(position.net), mark, &notional):
        return fail(1201, position.net, mark)
    bucket_margin(ledger, account, position if is_isolated else NULL, now_ns, &bucket)
    profit = rsx_scale(unrealised_of(position, mark), RSX_PPM, position.cost)
    leverage = max(1, rsx_scale(notional, RSX_PPM, max(1, bucket.equity)))
    if profit > 0:
        return rsx_scale(profit, leverage, RSX_PPM)
    return rsx_scale(profit, RSX_PPM, leverage)


cdef inline bint is_last_resort(const ledger_t* ledger, const position_t* position) noexcept nogil:
    """Funds and buckets in liquidation come after all others."""
    cdef const account_t* account = &ledger.accounts[position.account]
    if account.user_id >= RSX_FUND_USER_BASE:
        return True
    if position.margin_mode == RSX_MARGIN_ISOLATED:
        return position.stage != 0
    return account.stage != 0


cdef inline bint goes_before(const rank_t* a, const rank_t* b) noexcept nogil:
    """The order of AD-1; no two ranks are equal."""
    if a.is_last != b.is_last:
        return a.is_last < b.is_last
    if a.score != b.score:
        return a.score > b.score
    if a.user_id != b.user_id:
        return a.user_id < b.user_id
    return a.leg < b.leg


cdef int compare(const void* a, const void* b) noexcept nogil:
    if goes_before(<const rank_t*>a, <const rank_t*>b):
        return -1
    return 1 if goes_before(<const rank_t*>b, <const rank_t*>a) else 0


cdef void sink(ranking_t* ranking, uint32_t at) noexcept nogil:
    """Restore the heap below `at`: a parent never goes before its children."""
    cdef uint32_t child
    cdef rank_t moved = ranking.best[at]
    while True:
        child = 2 * at + 1
        if child >= ranking.count:
            break
        if child + 1 < ranking.count and goes_before(
                &ranking.best[child], &ranking.best[child + 1]):
            child += 1
        if not goes_before(&moved, &ranking.best[child]):
            break
        ranking.best[at] = ranking.best[child]
        at = child
    ranking.best[at] = moved


cdef void keep(ranking_t* ranking, const rank_t* rank) noexcept nogil:
    """Take a rank in; when full, the last of the order goes."""
    cdef uint32_t at
    if ranking.count == RANKED_MAX:
        if goes_before(rank, &ranking.best[0]):
            ranking.best[0] = rank[0]
            sink(ranking, 0)
        return
    at = ranking.count
    ranking.count += 1
    while at and goes_before(&ranking.best[(at - 1) // 2], rank):
        ranking.best[at] = ranking.best[(at - 1) // 2]
        at = (at - 1) // 2
    ranking.best[at] = rank[0]


cdef inline int64_t weight_of(const position_t* position, int64_t score, uint8_t policy,
                              int64_t profit) noexcept nogil:
    """AD-2: only who is in profit takes part in spreading."""
    if policy == RSX_ADL_QUEUE or profit <= 0:
        return 0
    if policy == RSX_ADL_PRO_RATA:
        return magnitude(position.net)
    return rsx_scale(magnitude(position.net), max(1, score), 1)


# --- a pass -----------------------------------------------------------------------------------


cdef void ranking_begin(ranking_t* ranking, const ledger_t* ledger, int symbol, int side,
                        uint8_t policy) noexcept nogil:
    """Start over one side of a symbol."""
    ranking.count = 0
    ranking.weights = 0
    ranking.symbol = symbol
    ranking.side = side
    ranking.policy = policy
    ranking.left = ledger.symbols[symbol].exposures[side]


cdef int ranking_step(ranking_t* ranking, ledger_t* ledger, int64_t mark,
                      uint64_t now_ns) except -1 nogil:
    """Look at up to RANK_STEP positions; returns how many are left.

    The list may change between calls: what leaves it is passed over, what enters may be. A
    position that was moved may be ranked twice; matching cuts each transfer to what is there.
    """
    cdef const symbol_t* symbol = &ledger.symbols[ranking.symbol]
    cdef position_t* position
    cdef rank_t rank
    cdef int _
    ranking.left = min(ranking.left, symbol.exposures[ranking.side])
    for _ in range(RANK_STEP):
        if ranking.left == 0:
            break
        position = &ledger.positions[symbol.exposed[ranking.side][ranking.left].position]
        ranking.left -= 1
        rank.score = adl_score(ledger, position, mark, now_ns)
        rank.position = <uint32_t>(position - ledger.positions)
        rank.user_id = ledger.accounts[position.account].user_id
        rank.leg = position.leg
        rank.is_last = is_last_resort(ledger, position)
        rank.share = 0
        rank.weight = 0
        if not rank.is_last:
            rank.weight = weight_of(position, rank.score, ranking.policy,
                                    unrealised_of(position, mark))
        ranking.weights += rank.weight
        keep(ranking, &rank)
    return <int>min(ranking.left, <uint64_t>0x7FFFFFFF)


cdef inline int64_t lots_up(wide_t part, wide_t by, int64_t lot) noexcept nogil:
    """ceil(part / by), up to whole lots."""
    return <int64_t>(((part + by - 1) // by + lot - 1) // lot * lot)


cdef void ranking_deal(ranking_t* ranking, const ledger_t* ledger, int64_t qty,
                       int64_t lot) noexcept nogil:
    """AD-2: sort, and give each its share of qty; the sum may stay below when they are too few."""
    cdef rank_t* rank
    cdef uint32_t at
    cdef int64_t most, share, whole = qty
    qsort(ranking.best, ranking.count, sizeof(rank_t), compare)
    for at in range(ranking.count):
        rank = &ranking.best[at]
        if rank.weight and qty and ranking.weights > 0:
            most = magnitude(ledger.positions[rank.position].net)
            share = lots_up(<wide_t>whole * rank.weight, ranking.weights, lot)
            rank.share = min(min(share, most), qty)
            qty -= rank.share
    for at in range(ranking.count):
        rank = &ranking.best[at]
        most = magnitude(ledger.positions[rank.position].net) - rank.share
        share = min(most, qty)
        rank.share += share
        qty -= share


# --- lights -----------------------------------------------------------------------------------


cdef void sample_begin(sample_t* sample, const ledger_t* ledger, int symbol,
                       int side) noexcept nogil:
    """Start a sample spread evenly over one side of a symbol."""
    cdef uint64_t entries = ledger.symbols[symbol].exposures[side]
    sample.count = 0
    sample.at = 1
    sample.stride = entries // SAMPLE_MAX + 1


cdef bint sample_step(sample_t* sample, ledger_t* ledger, int symbol, int side, int64_t mark,
                      uint64_t now_ns) except -1 nogil:
    """Look at up to RANK_STEP positions; True when the sample is complete."""
    cdef const symbol_t* rules = &ledger.symbols[symbol]
    cdef position_t* position
    cdef int _
    for _ in range(RANK_STEP):
        if sample.at > rules.exposures[side] or sample.count == SAMPLE_MAX:
            return True
        position = &ledger.positions[rules.exposed[side][sample.at].position]
        sample.scores[sample.count] = adl_score(ledger, position, mark, now_ns)
        sample.count += 1
        sample.at += sample.stride
    return False


cdef int compare_scores(const void* a, const void* b) noexcept nogil:
    cdef int64_t first = (<const int64_t*>a)[0], second = (<const int64_t*>b)[0]
    return (first > second) - (first < second)


cdef void sample_cut(sample_t* sample, lights_t* lights) noexcept nogil:
    """Part a complete sample into fifths."""
    cdef int cut
    lights.is_known = sample.count > 0
    if not lights.is_known:
        return
    qsort(sample.scores, sample.count, sizeof(int64_t), compare_scores)
    for cut in range(CUTS):
        lights.cuts[cut] = sample.scores[<uint64_t>(cut + 1) * sample.count // (CUTS + 1)]


cdef int light_of(const lights_t* lights, int64_t score) noexcept nogil:
    """AD-5: 1 to 5, 5 is deleveraged first; 0 before the first sample."""
    cdef int light = 1, cut
    if not lights.is_known:
        return 0
    for cut in range(CUTS):
        if score >= lights.cuts[cut]:
            light += 1
    return light


# --- Python face ------------------------------------------------------------------------------


def ranked(Ledger ledger, uint32_t symbol_id, int side, uint8_t policy, int64_t qty,
           uint64_t now_ns=0):
    """The order of one side (0 long, 1 short) and what each gives up of qty: dicts, first first."""
    cdef int symbol = ledger_index(&ledger.ledger, symbol_id)
    cdef ranking_t* ranking = <ranking_t*>calloc(1, sizeof(ranking_t))
    cdef int64_t mark
    if symbol < 0 or ranking == NULL:
        free(ranking)
        raise KeyError(symbol_id)
    try:
        mark = ledger_mark(&ledger.ledger.symbols[symbol], ledger.ledger.stale_ns)
        ranking_begin(ranking, &ledger.ledger, symbol, side, policy)
        while ranking_step(ranking, &ledger.ledger, mark, now_ns):
            pass
        ranking_deal(ranking, &ledger.ledger, qty, ledger.ledger.symbols[symbol].lot)
        return [
            {"user_id": ranking.best[at].user_id, "leg": ranking.best[at].leg,
             "score": ranking.best[at].score, "share": ranking.best[at].share,
             "is_last": bool(ranking.best[at].is_last)}
            for at in range(ranking.count)
        ]
    finally:
        free(ranking)
