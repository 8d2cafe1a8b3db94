# cython: boundscheck=False
"""Rules of a market, folded: they hold from the last of their four records on.

SYMBOL_CONFIG, SYMBOL_LIMITS, SYMBOL_RISK and SYMBOL_BRACKETS come in this order with one version;
records of other markets may lie between. Rules SY-1, SY-4, SY-5, SY-7: specs/symbols.md.
Enforces INV-25.
"""

from libc.stdint cimport int64_t, uint32_t, uint64_t
from libc.string cimport memset

from rsx.core.check cimport fail
from rsx.records_c cimport *
from rsx.risk.accounts cimport TICK_ROWS_MAX, ledger_mark, ledger_t, symbol_t
from rsx.risk.exposure cimport exposure_look
from rsx.risk.funding cimport funding_restart
from rsx.risk.margin cimport move_symbol, scale_open_interest, set_brackets

# Rows of tables as they lie in their records.
cdef struct tick_row_t:
    int64_t first
    int64_t tick

cdef struct rate_row_t:
    int64_t first
    uint32_t initial_ppm
    uint32_t maintenance_ppm


cdef int set_rates(symbol_t* symbol, const rsx_symbol_config_t* config,
                   const rsx_symbol_brackets_t* brackets) except -1 nogil:
    """BR-1: the first row is SYMBOL_CONFIG's."""
    cdef const rate_row_t* row = <const rate_row_t*>&brackets.from_1
    cdef int64_t[RSX_BRACKETS_MAX + 1] first
    cdef uint32_t[RSX_BRACKETS_MAX + 1] initial
    cdef uint32_t[RSX_BRACKETS_MAX + 1] maintenance
    cdef int rows = 1, at
    first[0] = 0
    initial[0] = config.initial_margin_ppm
    maintenance[0] = config.maintenance_margin_ppm
    for at in range(RSX_BRACKETS_MAX):
        if row[at].first == 0:
            break
        first[rows] = row[at].first
        initial[rows] = row[at].initial_ppm
        maintenance[rows] = row[at].maintenance_ppm
        rows += 1
    return set_brackets(symbol, rows, first, initial, maintenance)


cdef int set_limits(symbol_t* symbol, const rsx_symbol_config_t* config,
                    const rsx_symbol_limits_t* limits) noexcept nogil:
    cdef const tick_row_t* row = <const tick_row_t*>&limits.tick_from_1
    cdef int at
    symbol.maker_fee_ppm = config.maker_fee_ppm
    symbol.taker_fee_ppm = config.taker_fee_ppm
    symbol.reference_px = config.reference_px
    symbol.px_max = config.px_max
    symbol.qty_max = config.qty_max
    symbol.notional_max = config.notional_max
    symbol.notional_min = limits.notional_min
    symbol.lot = config.lot
    symbol.tick = config.tick
    symbol.market_band_ppm = limits.market_band_ppm
    symbol.tick_rows = 0
    for at in range(TICK_ROWS_MAX):
        if row[at].first == 0:
            break
        symbol.tick_from[at] = row[at].first
        symbol.tick_at[at] = row[at].tick
        symbol.tick_rows += 1
    return 0


cdef void forget_set(symbol_t* symbol) noexcept nogil:
    symbol.asked_version = 0
    memset(&symbol.asked_config, 0, sizeof(rsx_symbol_config_t))
    memset(&symbol.asked_limits, 0, sizeof(rsx_symbol_limits_t))
    memset(&symbol.asked_rules, 0, sizeof(rsx_symbol_risk_t))


cdef void forget_rules(ledger_t* ledger) noexcept nogil:
    """A process starts: of a set that the log ended in, nothing holds (L-23)."""
    cdef int index
    for index in range(ledger.symbol_count):
        forget_set(&ledger.symbols[index])


cdef int apply_set(ledger_t* ledger, symbol_t* symbol,
                   const rsx_symbol_brackets_t* brackets) except -1 nogil:
    """The set is whole: it holds from here on."""
    cdef uint32_t interval_s = symbol.rules.funding_interval_s
    set_limits(symbol, &symbol.asked_config, &symbol.asked_limits)
    set_rates(symbol, &symbol.asked_config, brackets)
    symbol.rules = symbol.asked_rules
    symbol.config_version = brackets.config_version
    forget_set(symbol)
    funding_restart(symbol, interval_s, brackets.ts_ns)
    scale_open_interest(symbol, ledger_mark(symbol, ledger.stale_ns))
    exposure_look(symbol)
    move_symbol(ledger, symbol)
    return 0


cdef inline int expect(const symbol_t* symbol, uint32_t version, uint64_t before,
                       uint64_t twice) except -1 nogil:
    """The record belongs to the set that is coming: its predecessor is there, it is not."""
    if version == 0 or version != symbol.asked_version or before == 0 or twice:
        return fail(25, version, symbol.asked_version)
    return 0


cdef int apply_rules(ledger_t* ledger, const rsx_record_t* record, int index) except -1 nogil:
    """SY-4: one of the four records."""
    cdef symbol_t* symbol = &ledger.symbols[index]
    cdef const rsx_symbol_config_t* config
    cdef uint32_t version
    if record.type == RSX_SYMBOL_CONFIG:
        config = <const rsx_symbol_config_t*>record
        if symbol.asked_version or config.config_version <= symbol.config_version:
            return fail(25, config.config_version, symbol.config_version)
        symbol.asked_version = config.config_version
        symbol.asked_config = config[0]
        return 0
    if record.type == RSX_SYMBOL_LIMITS:
        version = (<const rsx_symbol_limits_t*>record).config_version
        expect(symbol, version, symbol.asked_config.type, symbol.asked_limits.type)
        symbol.asked_limits = (<const rsx_symbol_limits_t*>record)[0]
        return 0
    if record.type == RSX_SYMBOL_RISK:
        version = (<const rsx_symbol_risk_t*>record).config_version
        expect(symbol, version, symbol.asked_limits.type, symbol.asked_rules.type)
        symbol.asked_rules = (<const rsx_symbol_risk_t*>record)[0]
        return 0
    version = (<const rsx_symbol_brackets_t*>record).config_version
    expect(symbol, version, symbol.asked_rules.type, 0)
    return apply_set(ledger, symbol, <const rsx_symbol_brackets_t*>record)
