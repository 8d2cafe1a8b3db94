# Generated from rsx/rows.py; do not edit.
from libc.stdint cimport int32_t, int64_t, uint8_t, uint16_t, uint32_t, uint64_t

cdef extern from "rsx/rows.h" nogil:
    enum:
        RSX_ROW_FORM
        RSX_ROW_SIZE
        RSX_ROW_HEAD
        RSX_ROW_STATE
        RSX_ROW_MARKET
        RSX_ROW_FUNDING
        RSX_ROW_ACCOUNT
        RSX_ROW_POSITION
        RSX_ROW_ENGINE
        RSX_ROW_USER
        RSX_ROW_CLIENT_ID
        RSX_ROW_TAKER
        RSX_ROW_ORDER
        RSX_ROW_TRIGGER
        RSX_ROW_CUT
        RSX_ROW_END

    ctypedef struct rsx_row_t:
        uint8_t form
        uint8_t row_flags
        uint16_t type
        uint16_t length
        uint16_t stream
        uint32_t crc
        uint32_t number

    ctypedef struct rsx_row_head_t:
        uint8_t form
        uint8_t row_flags
        uint16_t type
        uint16_t length
        uint16_t stream
        uint32_t crc
        uint32_t number
        uint8_t magic[16]
        uint64_t seq
        uint64_t exchange_id
        uint32_t epoch
        uint32_t markets
        uint32_t money_decimals
        uint32_t records_version

    ctypedef struct rsx_row_state_t:
        uint8_t form
        uint8_t row_flags
        uint16_t type
        uint16_t length
        uint16_t stream
        uint32_t crc
        uint32_t number
        uint64_t oid_max
        uint64_t own_oid_max
        uint64_t ledger_oid_max
        uint64_t fills
        uint64_t events
        uint64_t applied
        int64_t fee_account
        int64_t residue
        int64_t deposits
        int64_t withdrawals
        uint32_t accounts
        uint32_t positions
        uint32_t cuts

    ctypedef struct rsx_row_market_t:
        uint8_t form
        uint8_t row_flags
        uint16_t type
        uint16_t length
        uint16_t stream
        uint32_t crc
        uint32_t number
        uint8_t name[20]
        uint32_t symbol_id
        int64_t fed_px
        uint64_t fed_ns
        int64_t index_px
        int64_t last_px
        uint32_t oi_ppm
        uint8_t price_decimals
        uint8_t qty_decimals
        uint8_t mode
        uint8_t mark_state
        uint8_t is_seeded
        uint8_t rules
        uint8_t coming

    ctypedef struct rsx_row_funding_t:
        uint8_t form
        uint8_t row_flags
        uint16_t type
        uint16_t length
        uint16_t stream
        uint32_t crc
        uint32_t number
        int64_t premium_ppb
        uint64_t minute
        int64_t sum_high
        uint64_t sum_low
        uint64_t interval_id
        int64_t rate_ppb
        int64_t mark_px
        int64_t pool
        int64_t paid
        int64_t received
        uint32_t payments
        uint32_t samples
        uint32_t settlements
        uint8_t is_live
        uint8_t is_open

    ctypedef struct rsx_row_account_t:
        uint8_t form
        uint8_t row_flags
        uint16_t type
        uint16_t length
        uint16_t stream
        uint32_t crc
        uint32_t number
        int64_t collateral
        int64_t realised
        int64_t fees
        uint64_t round_ns
        uint32_t user_id
        uint32_t owner_group
        uint32_t ordered
        uint32_t last_symbol_id
        uint8_t stp
        uint8_t position_mode
        uint8_t stage
        uint8_t round
        uint8_t has_settings

    ctypedef struct rsx_row_position_t:
        uint8_t form
        uint8_t row_flags
        uint16_t type
        uint16_t length
        uint16_t stream
        uint32_t crc
        uint32_t number
        int64_t net
        int64_t cost
        int64_t wallet
        int64_t owed
        int64_t realised
        uint64_t order_oid
        uint64_t transfer_id
        int64_t bankrupt_px
        uint32_t account
        uint32_t symbol_id
        uint32_t exposed
        uint16_t leverage
        uint8_t leg
        uint8_t margin_mode
        uint8_t stage
        uint8_t round

    ctypedef struct rsx_row_engine_t:
        uint8_t form
        uint8_t row_flags
        uint16_t type
        uint16_t length
        uint16_t stream
        uint32_t crc
        uint32_t number
        int64_t mark_px
        int64_t last_px
        int64_t first_fill_px
        uint64_t fills
        int64_t bid_px
        int64_t ask_px
        uint32_t symbol_id
        uint32_t users
        uint32_t client_ids
        uint32_t orders
        uint32_t triggers
        uint32_t due
        uint32_t fired
        uint32_t trim_user
        uint32_t trim_then
        uint8_t mode
        uint8_t mark_moved
        uint8_t in_hand

    ctypedef struct rsx_row_user_t:
        uint8_t form
        uint8_t row_flags
        uint16_t type
        uint16_t length
        uint16_t stream
        uint32_t crc
        uint32_t number
        int64_t held_long
        int64_t held_short
        int64_t reduce_max_buy
        int64_t reduce_max_sell
        uint32_t user_id
        uint32_t newest
        uint32_t newest_reduce
        uint32_t owner_group

    ctypedef struct rsx_row_client_id_t:
        uint8_t form
        uint8_t row_flags
        uint16_t type
        uint16_t length
        uint16_t stream
        uint32_t crc
        uint32_t number
        uint64_t oid
        uint64_t ts_ns
        int64_t px
        int64_t qty
        int64_t filled
        uint32_t user_id
        uint32_t at
        uint16_t reason
        uint8_t status
        uint8_t side
        uint8_t tif
        uint8_t flags
        uint8_t kind
        uint8_t live
        uint8_t cid_len
        uint8_t cid[36]

    ctypedef struct rsx_row_taker_t:
        uint8_t form
        uint8_t row_flags
        uint16_t type
        uint16_t length
        uint16_t stream
        uint32_t crc
        uint32_t number
        uint64_t oid
        int64_t px
        int64_t qty
        int64_t remaining
        int64_t reserved
        uint32_t user
        uint32_t cid_at
        uint32_t expire_s
        int32_t fee_ppm
        uint8_t side
        uint8_t tif
        uint8_t flags
        uint8_t kind
        uint8_t stp
        uint8_t is_amended

    ctypedef struct rsx_row_order_t:
        uint8_t form
        uint8_t row_flags
        uint16_t type
        uint16_t length
        uint16_t stream
        uint32_t crc
        uint32_t number
        uint64_t oid
        int64_t px
        int64_t qty
        int64_t remaining
        int64_t reserved
        uint64_t cid_ns
        uint32_t user
        uint32_t older
        uint32_t cid_at
        uint32_t expire_s
        uint8_t side
        uint8_t tif
        uint8_t flags
        uint8_t kind
        uint8_t stp
        uint8_t cid_len
        uint8_t cid[36]

    ctypedef struct rsx_row_trigger_t:
        uint8_t form
        uint8_t row_flags
        uint16_t type
        uint16_t length
        uint16_t stream
        uint32_t crc
        uint32_t number
        uint64_t oid
        int64_t px
        int64_t qty
        int64_t trigger_px
        int64_t trail
        int64_t extreme
        int64_t level_px
        int64_t fired_px
        uint32_t user
        uint32_t cid_at
        uint32_t expire_s
        uint32_t line_at
        uint8_t side
        uint8_t tif
        uint8_t flags
        uint8_t kind
        uint8_t stp
        uint8_t is_ppm
        uint8_t state

    ctypedef struct rsx_row_cut_t:
        uint8_t form
        uint8_t row_flags
        uint16_t type
        uint16_t length
        uint16_t stream
        uint32_t crc
        uint32_t number
        uint64_t oid
        int64_t qty

    ctypedef struct rsx_row_end_t:
        uint8_t form
        uint8_t row_flags
        uint16_t type
        uint16_t length
        uint16_t stream
        uint32_t crc
        uint32_t number
        uint64_t units
        uint64_t state_hash
        uint64_t checksum

    void rsx_row_init(void *at, uint16_t type, uint16_t stream) noexcept
