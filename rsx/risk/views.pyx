"""Python face of margin: what a market asks, what a position's bucket has. For tools and tests."""

from libc.stdint cimport int64_t, uint32_t, uint64_t

from rsx.risk.accounts cimport (
    account_t, find_position, ledger_account, ledger_index, ledger_mark, position_t, symbol_t,
)
from rsx.risk.ledger cimport Ledger
from rsx.risk.margin cimport (
    bankruptcy_px, bucket_margin, bucket_t, initial_requirement, is_isolated, leverage_share,
    liquidation_px, maintenance_requirement,
)


def requirements(Ledger ledger, uint32_t symbol_id, int64_t notional, uint32_t leverage=0):
    """(initial, maintenance) of a notional >= 0 in money units, as the market stands now."""
    cdef int index = ledger_index(&ledger.ledger, symbol_id)
    cdef const symbol_t* symbol
    if index < 0 or notional < 0:
        raise ValueError(f"symbol {symbol_id}, notional {notional}")
    symbol = &ledger.ledger.symbols[index]
    return (initial_requirement(symbol, leverage_share(leverage), notional),
            maintenance_requirement(symbol, notional))


def risk_of(Ledger ledger, uint32_t user_id, uint32_t symbol_id, int leg=0, uint64_t now_ns=0):
    """A position's bucket and the prices that end it, as a dict; None = never touched."""
    cdef account_t* account = ledger_account(&ledger.ledger, user_id)
    cdef int index = ledger_index(&ledger.ledger, symbol_id)
    cdef position_t* position = NULL
    cdef bucket_t bucket
    if account != NULL and index >= 0:
        position = find_position(&ledger.ledger, account, index, leg)
    if position == NULL:
        return None
    bucket_margin(&ledger.ledger, account, position if is_isolated(position) else NULL, now_ns,
                  &bucket)
    return {
        "equity": bucket.equity,
        "maintenance": bucket.maintenance,
        "call_at": bucket.call_at,
        "positions": bucket.positions,
        "is_live": bool(bucket.is_live),
        "mark_px": ledger_mark(&ledger.ledger.symbols[index], ledger.ledger.stale_ns),
        "liquidation_px": liquidation_px(&ledger.ledger, account, position),
        "bankruptcy_px": bankruptcy_px(&ledger.ledger, account, position),
    }
