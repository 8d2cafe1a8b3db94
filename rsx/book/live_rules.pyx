# cython: boundscheck=False
"""Rules of a market that change while it trades: four records in a row, taken together.

    SYMBOL_CONFIG, SYMBOL_LIMITS, SYMBOL_RISK -> staged
    SYMBOL_BRACKETS                           -> all four are logged, as one group, and hold

What waits stays as it is: the book does not know ticks and lots, and the price map goes by the
tick it was made with (PM-2). Whoever sends them has checked them (SY-3); what would break the
engine is a failed check. Source: specs/symbols.md SY-4, SY-5, SY-7.
"""

from libc.stdint cimport int64_t, uint32_t, uint64_t
from libc.string cimport memcpy

from rsx.book.events cimport emit, finish
from rsx.book.limits cimport RULE_RECORDS, TICK_ROWS, rules_t, staged_t
from rsx.book.matching cimport DONE, engine_t
from rsx.book.rules cimport rules_divide
from rsx.core.check cimport fail
from rsx.core.ring cimport ring_t
from rsx.records_c cimport *

cdef int64_t TICK_LIMIT = <int64_t>1 << 40

cdef enum:
    LIVE = 1110             # the check of a set that comes as requests

cdef uint16_t[RULE_RECORDS] ORDER = [
    RSX_SYMBOL_CONFIG, RSX_SYMBOL_LIMITS, RSX_SYMBOL_RISK, RSX_SYMBOL_BRACKETS,
]


cdef inline void id_and_version(const rsx_record_t* record, uint32_t* symbol_id,
                                uint32_t* version) noexcept nogil:
    """Which rules one of the four records is of."""
    if record.type == RSX_SYMBOL_CONFIG:
        symbol_id[0] = (<const rsx_symbol_config_t*>record).symbol_id
        version[0] = (<const rsx_symbol_config_t*>record).config_version
    elif record.type == RSX_SYMBOL_LIMITS:
        symbol_id[0] = (<const rsx_symbol_limits_t*>record).symbol_id
        version[0] = (<const rsx_symbol_limits_t*>record).config_version
    elif record.type == RSX_SYMBOL_RISK:
        symbol_id[0] = (<const rsx_symbol_risk_t*>record).symbol_id
        version[0] = (<const rsx_symbol_risk_t*>record).config_version
    else:
        symbol_id[0] = (<const rsx_symbol_brackets_t*>record).symbol_id
        version[0] = (<const rsx_symbol_brackets_t*>record).config_version


cdef bint stage(engine_t* engine, const rsx_record_t* record, uint32_t* version) noexcept nogil:
    """Keep the next record of a set; False: it is not the next one of this set."""
    cdef staged_t* staged = &engine.staged
    cdef uint32_t symbol_id = 0, first_id = 0, first_version = 0
    id_and_version(record, &symbol_id, version)
    if symbol_id != engine.rules.symbol_id or record.type != ORDER[staged.used]:
        return False
    if staged.used:
        id_and_version(&staged.records[0], &first_id, &first_version)
        if version[0] != first_version:
            return False
    memcpy(&staged.records[staged.used], record, RSX_RECORD_SIZE)
    staged.used += 1
    return True


cdef bint take_rows(rules_t* rules, const rsx_symbol_config_t* config,
                    const rsx_symbol_limits_t* limits) noexcept nogil:
    """PX-1; False: rows that cannot be."""
    cdef int64_t[TICK_ROWS] froms
    cdef int64_t[TICK_ROWS] ticks
    cdef int at
    froms[0], ticks[0] = 0, config.tick
    froms[1], ticks[1] = limits.tick_from_1, limits.tick_1
    froms[2], ticks[2] = limits.tick_from_2, limits.tick_2
    froms[3], ticks[3] = limits.tick_from_3, limits.tick_3
    froms[4], ticks[4] = limits.tick_from_4, limits.tick_4
    rules.rows_used = 0
    for at in range(TICK_ROWS):
        if at and froms[at] == 0:
            break
        if ticks[at] < 1 or ticks[at] > TICK_LIMIT or (at and froms[at] <= froms[at - 1]):
            return False
        rules.rows[at].from_px = froms[at]
        rules.rows[at].tick = ticks[at]
        rules.rows_used += 1
    return True


cdef int apply_staged(engine_t* engine, int number) except -1 nogil:
    """The staged rules hold from here on. number: of the check that fails for impossible ones."""
    cdef rules_t* rules = &engine.rules
    cdef const rsx_symbol_config_t* config = <const rsx_symbol_config_t*>&engine.staged.records[0]
    cdef const rsx_symbol_limits_t* limits = <const rsx_symbol_limits_t*>&engine.staged.records[1]
    engine.staged.used = 0
    if config.lot < 1 or config.qty_max < config.lot:
        return fail(number, config.config_version, config.lot)
    # Before the log's first set the rules are the configuration's, which need not hold (SY-6).
    if (rules.is_logged or number == LIVE) and config.px_max < rules.px_max:
        return fail(number, config.config_version, config.px_max)
    if not take_rows(rules, config, limits):
        return fail(number, config.config_version, config.tick)
    rules.lot = config.lot
    rules.px_max = config.px_max
    rules.qty_max = config.qty_max
    rules.notional_max = config.notional_max
    rules.notional_min = limits.notional_min
    rules.maker_fee_ppm = config.maker_fee_ppm
    rules.taker_fee_ppm = config.taker_fee_ppm
    rules.liquidation_fee_ppm = <int>(
        <const rsx_symbol_risk_t*>&engine.staged.records[2]).liquidation_fee_ppm
    rules.price_band_ppm = limits.price_band_ppm
    rules.version = config.config_version
    rules.is_logged = 1
    rules_divide(rules)
    if engine.fills == 0:  # only a start changes it (SY-2)
        engine.last_px = config.reference_px
    return 0


cdef int change_rules(engine_t* engine, const rsx_record_t* record, uint64_t ts_ns,
                      ring_t* out) except -1 nogil:
    """SY-4 for one of the four records as a request."""
    cdef uint32_t version = 0
    cdef int at
    cdef rsx_record_t* event
    if not stage(engine, record, &version) or version != engine.rules.version + 1:
        return fail(LIVE, version, record.type)
    if engine.staged.used < <uint32_t>RULE_RECORDS:
        return DONE
    for at in range(RULE_RECORDS):
        event = <rsx_record_t*>emit(engine, out, ORDER[at], ts_ns)
        memcpy(<char*>event + RSX_HEADER_SIZE + 16,
               <const char*>&engine.staged.records[at] + RSX_HEADER_SIZE + 16,
               RSX_RECORD_SIZE - RSX_HEADER_SIZE - 16)
    apply_staged(engine, LIVE)
    return finish(out)


cdef int fold_rules(engine_t* engine, const rsx_record_t* record) except -1 nogil:
    """SY-7 for one of the four as the log has it. A start may raise the version by more than one
    (SY-6), and what a torn end of the log left of a set is dropped by the next one."""
    cdef uint32_t version = 0
    if record.type == RSX_SYMBOL_CONFIG:
        engine.staged.used = 0
    if not stage(engine, record, &version):
        return fail(14, record.seq, record.type)
    if engine.rules.is_logged and version <= engine.rules.version:
        return fail(25, version, engine.rules.version)
    return apply_staged(engine, 14) if engine.staged.used == <uint32_t>RULE_RECORDS else 0
