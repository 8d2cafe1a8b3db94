"""Accounts, positions and markets of one risk shard. Rules A-n, G-n, K-n: specs/risk.md."""

from libc.stdint cimport int32_t, int64_t, uint8_t, uint16_t, uint32_t, uint64_t

from rsx.core.idmap cimport idmap_get, idmap_t
from rsx.records_c cimport (
    RSX_BRACKETS_MAX, RSX_BUY, RSX_HEDGE, RSX_MARK_LIVE, RSX_REDUCE_ONLY, RSX_VIRTUAL_SHARDS,
    rsx_symbol_config_t, rsx_symbol_limits_t, rsx_symbol_risk_t,
)
from rsx.risk.orders cimport SYMBOLS_MAX, orders_t

cdef enum:
    TICK_ROWS_MAX = 4

# 128 bytes; the first line is what a check reads.
cdef struct account_t:
    int64_t collateral
    int64_t frozen_flying   # of orders and amendments in flight
    int64_t leaving         # withdrawals and transfers to positions, in flight
    int64_t kept_unrealised # of cross positions, less funding owed (G-4)
    int64_t kept_held       # of all positions
    int64_t kept_maintenance    # of cross positions
    uint64_t kept_epoch     # ledger.epoch at which all but `touched` is right; 0 = never
    uint32_t user_id
    uint32_t first_position
    int64_t frozen          # confirmed by the log
    int64_t realised
    int64_t fees
    uint64_t round_ns       # when the bucket's last liquidation order was decided
    uint32_t owner_group
    uint32_t owner_asked    # what the newest ACCOUNT_CONFIG says, released or not
    uint32_t ordered        # cross: position that a liquidation order is out for; 0 = none
    uint32_t live_orders
    uint16_t positions
    uint16_t settings_flying    # MARGIN_CONFIG in flight (V-17)
    uint8_t stp
    uint8_t stp_asked
    uint8_t position_mode
    uint8_t stage           # of the cross bucket
    uint8_t is_changed      # to be reckoned (SB-2); never part of a fold
    uint8_t is_called       # a margin call went out; never part of a fold
    uint8_t round           # of the bucket's last liquidation order
    uint8_t last_symbol     # symbol index + 1 of the last transfer of its positions
    uint32_t touched        # the one position whose share is not right; 0 = none

# 192 bytes; the first two lines are what a check reads.
cdef struct position_t:
    int64_t net             # leg 1: <= 0
    int64_t cost            # of what is open, >= 0
    int64_t frozen
    int64_t frozen_flying
    int64_t open_buy
    int64_t open_sell
    int64_t flying_buy
    int64_t flying_sell
    int64_t kept_unrealised # its share of the account's: less funding owed; isolated: 0
    int64_t kept_held       # isolated: less what its wallet holds
    int64_t kept_maintenance    # isolated: 0
    uint64_t kept_epoch     # symbol.epoch at which all that is right; 0 = never
    int64_t wallet          # isolated margin
    int64_t owed            # funding fixed and not booked; negative = to be received
    uint32_t next
    uint32_t account
    uint32_t leverage_ppm   # ceil(10^6 / leverage); 0 = the brackets' own
    uint8_t symbol          # index into the symbol table
    uint8_t leg
    uint8_t margin_mode
    uint8_t stage           # ORDERED or BANKRUPT; STARTED for an isolated bucket
    int64_t realised
    int64_t wallet_leaving  # transfers from the wallet, in flight
    uint64_t order_oid      # its liquidation order that is out; 0 = none
    uint64_t transfer_id    # log number of its BANKRUPT; 0 = not bankrupt
    int64_t bankrupt_px
    uint32_t exposed        # place in its symbol's exposure list, from 1; 0 = flat
    uint32_t funding_epoch  # symbol.funding_epoch up to which `owed` counts
    uint32_t live_orders
    uint16_t amending       # amendments in flight
    uint16_t unseen         # of these, since it was last 0, for orders not seen yet
    uint16_t leverage
    uint8_t round           # last liquidation round
    uint8_t cancelling      # a cancel-all of its liquidation is out; never part of a fold
    uint8_t is_called       # isolated: a margin call went out; never part of a fold
    uint8_t is_changed      # isolated: to be reckoned; never part of a fold
    uint8_t is_paying       # its FUNDING_PAYMENT is in flight; never part of a fold
    uint8_t pad0

# A position in an exposure list (A-11, SB-1). Lists of long and short positions are apart.
cdef struct exposed_t:
    int64_t threshold       # long: reckoned when mark < it; short: when mark > it
    uint32_t position
    uint32_t pad0

# Margin rates from a notional on (BR-1).
cdef struct bracket_t:
    int64_t first
    uint32_t initial_ppm
    uint32_t maintenance_ppm
    int64_t initial_less    # what the rate charges too much on lower parts: whole units ...
    int64_t initial_rest    # ... and millionths; requirement = ceil(N x rate / 10^6 - less)
    int64_t maintenance_less
    int64_t maintenance_rest

cdef struct funding_t:
    int64_t premium_ppb     # newest (FN-1)
    uint64_t minute         # Unix minute sampled last; 0 = none
    int64_t sum_high        # of samples, 128 bits
    uint64_t sum_low
    uint64_t interval_id    # settled last
    int64_t rate_ppb        # of the settlement that is being booked ...
    int64_t mark_px
    int64_t pool            # payments booked and not yet settled against each other
    int64_t paid
    int64_t received
    uint32_t payments
    uint32_t samples
    uint32_t epoch          # settlements so far
    uint32_t unreckoned     # positions that the open settlement has not reached yet
    uint32_t owing          # positions whose owed is not 0
    uint8_t is_live         # premium_ppb comes from a live mark
    uint8_t is_open         # ... until FUNDING_DONE
    uint16_t pad0

cdef struct symbol_t:
    uint32_t symbol_id
    int32_t taker_fee_ppm
    int32_t maker_fee_ppm
    uint32_t market_band_ppm
    uint32_t config_version
    int64_t reference_px
    int64_t fed_px          # last MARK_PRICE; 0 = missing
    uint64_t fed_ns
    int64_t index_px
    int64_t last_px         # last trade; 0 = none yet
    int64_t open_interest
    uint32_t hand           # row of the order in hand, 0 = none
    uint32_t oi_ppm         # BR-3: s, 0 = off
    uint64_t epoch          # ledger.epoch when its mark, rules or funding moved last; from 1
    uint8_t mode
    uint8_t mark_state
    uint8_t tick_rows
    uint8_t brackets
    bracket_t bracket[RSX_BRACKETS_MAX + 1]
    int64_t px_max
    int64_t qty_max
    int64_t notional_max
    int64_t notional_min
    int64_t lot
    int64_t tick
    int64_t tick_from[TICK_ROWS_MAX]
    int64_t tick_at[TICK_ROWS_MAX]
    funding_t funding
    rsx_symbol_risk_t rules # newest SYMBOL_RISK, or as configured
    exposed_t* exposed[2]   # by leg sign: 0 long, 1 short; row 0 is not used
    uint64_t exposures[2]
    uint32_t fund           # row of the insurance fund's account
    uint32_t asked_version  # of rules whose records are still coming; 0 = none
    rsx_symbol_config_t asked_config    # ... those that have come
    rsx_symbol_limits_t asked_limits
    rsx_symbol_risk_t asked_rules

cdef struct ledger_t:
    account_t* accounts
    position_t* positions
    idmap_t slots           # user id -> account
    uint64_t accounts_max
    uint64_t accounts_used
    uint64_t positions_max
    uint64_t positions_used
    orders_t orders
    symbol_t symbols[SYMBOLS_MAX]
    int symbol_count
    uint8_t* symbol_index   # symbol id -> index + 1
    uint64_t stale_ns       # 0 = the mark is the last trade
    uint64_t epoch          # rises with all that moves margin without touching a position; from 1
    uint64_t fresh_until    # every mark is live and fresh until then; 0 = to be found out
    int64_t fee_account
    int64_t residue         # of funding
    int64_t deposits
    int64_t withdrawals
    int64_t deposits_flying # asked for and not yet released
    uint64_t applied
    uint64_t own_oid_max    # largest order id of the exchange's own (LQ-7)
    uint8_t shard           # which users are decided here (SH-2) ...
    uint8_t shards
    uint8_t shard_of[RSX_VIRTUAL_SHARDS]    # ... by virtual shard
    uint32_t* changed       # accounts to be reckoned (SB-2), a circle; never part of a fold
    uint64_t changed_first
    uint64_t changed_end

cdef void blank_position(const ledger_t* ledger, const account_t* account, int symbol, int leg,
                         position_t* out) noexcept nogil
cdef position_t* open_position(ledger_t* ledger, account_t* account, int symbol,
                               int leg) noexcept nogil
cdef account_t* open_account(ledger_t* ledger, uint32_t user_id) noexcept nogil
cdef int64_t protection_px(const symbol_t* symbol, uint8_t side, int64_t mark) noexcept nogil


cdef inline int ledger_index(const ledger_t* ledger, uint32_t symbol_id) noexcept nogil:
    """Index of a symbol, -1 when unknown."""
    return -1 if symbol_id > 65535 else <int>ledger.symbol_index[symbol_id] - 1


cdef inline account_t* ledger_account(ledger_t* ledger, uint32_t user_id) noexcept nogil:
    cdef uint32_t slot = idmap_get(&ledger.slots, user_id)
    return &ledger.accounts[slot] if slot else NULL


cdef inline position_t* find_position(const ledger_t* ledger, const account_t* account,
                                      int symbol, int leg) noexcept nogil:
    """The account's entry for a symbol and leg, NULL when there is none."""
    cdef uint32_t slot = account.first_position
    while slot:
        if ledger.positions[slot].symbol == symbol and ledger.positions[slot].leg == leg:
            return &ledger.positions[slot]
        slot = ledger.positions[slot].next
    return NULL


cdef inline int64_t ledger_mark(const symbol_t* symbol, uint64_t stale_ns) noexcept nogil:
    """K-1, K-2: the price that values positions; always positive."""
    cdef int64_t px = symbol.fed_px if stale_ns else symbol.last_px
    return px if px else symbol.reference_px


cdef inline bint is_fresh(const symbol_t* symbol, uint64_t stale_ns, uint64_t now) noexcept nogil:
    """K-2: neither missing nor stale, by age or by its own word."""
    if stale_ns == 0:
        return True
    return (symbol.fed_px != 0 and symbol.mark_state == RSX_MARK_LIVE
            and (now < symbol.fed_ns or now - symbol.fed_ns <= stale_ns))


cdef inline int64_t exposing(int64_t qty, uint8_t flags) noexcept nogil:
    """A-2: a reduce-only order never counts as open exposure."""
    return 0 if flags & RSX_REDUCE_ONLY else qty


cdef inline int leg_of(uint8_t side, uint8_t flags) noexcept nogil:
    """HG-2: which leg an order trades."""
    if not flags & RSX_HEDGE:
        return 0
    return <int>((side == RSX_BUY) == (flags & RSX_REDUCE_ONLY != 0))


cdef inline bint is_own(const ledger_t* ledger, uint32_t user_id) noexcept nogil:
    """SH-1: whether this tile decides for the user."""
    return ledger.shards <= 1 or ledger.shard_of[
        <uint32_t>(user_id * <uint32_t>2654435761U) >> 20] == ledger.shard


cdef inline int64_t magnitude(int64_t value) noexcept nogil:
    return -value if value < 0 else value


cdef inline int64_t tick_at(const symbol_t* symbol, int64_t px) noexcept nogil:
    """The price step of the row that px falls in (specs/matching.md PX-1)."""
    cdef int64_t tick = symbol.tick
    cdef int row
    for row in range(symbol.tick_rows):
        if px < symbol.tick_from[row]:
            break
        tick = symbol.tick_at[row]
    return tick


cdef inline int64_t unrealised_of(const position_t* position, int64_t mark) noexcept nogil:
    """A-5. |net| x mark was seen to fit by the caller."""
    if position.net >= 0:
        return mark * position.net - position.cost
    return position.cost - mark * -position.net
