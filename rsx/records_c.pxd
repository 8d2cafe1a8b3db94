# Generated from rsx/records.py and rsx/errors.py; do not edit.
from libc.stdint cimport int32_t, int64_t, uint8_t, uint16_t, uint32_t, uint64_t

cdef extern from "rsx/records.h" nogil:
    enum:
        RSX_VERSION
        RSX_RECORD_SIZE
        RSX_HEADER_SIZE
        RSX_GROUP_END
        RSX_POST_ONLY
        RSX_REDUCE_ONLY
        RSX_RESTS
        RSX_REPRICE
        RSX_ON_DISCONNECT
        RSX_LAST_PRICE
        RSX_KEPT
        RSX_HEDGE
        RSX_BUY
        RSX_SELL
        RSX_GTC
        RSX_IOC
        RSX_FOK
        RSX_GTD
        RSX_LIMIT
        RSX_MARKET
        RSX_STOP_MARKET
        RSX_STOP_LIMIT
        RSX_TAKE_PROFIT_MARKET
        RSX_TAKE_PROFIT_LIMIT
        RSX_TRAILING_STOP
        RSX_LIQUIDATION
        RSX_STP_NONE
        RSX_STP_NEWEST
        RSX_STP_OLDEST
        RSX_STP_BOTH
        RSX_STP_DEFAULT
        RSX_MODE_OPEN
        RSX_MODE_POST_ONLY
        RSX_MODE_CANCEL_ONLY
        RSX_MODE_HALT
        RSX_STATUS_FILLED
        RSX_STATUS_RESTING
        RSX_STATUS_CANCELLED
        RSX_STATUS_REJECTED
        RSX_STATUS_PENDING
        RSX_STATUS_WAITING
        RSX_MARGIN_CROSS
        RSX_MARGIN_ISOLATED
        RSX_POSITION_ONE_WAY
        RSX_POSITION_HEDGE
        RSX_LEG_LONG
        RSX_LEG_SHORT
        RSX_STAGE_NONE
        RSX_STAGE_STARTED
        RSX_STAGE_ORDERED
        RSX_STAGE_RECOVERED
        RSX_STAGE_BANKRUPT
        RSX_STAGE_CLOSED
        RSX_TRANSFER_TAKEOVER
        RSX_TRANSFER_ADL
        RSX_ADL_QUEUE
        RSX_ADL_PRO_RATA
        RSX_ADL_RISK_WEIGHTED
        RSX_MARK_LIVE
        RSX_MARK_STALE
        RSX_BRACKETS_MAX
        RSX_VIRTUAL_SHARDS
        RSX_ORDER_REQUEST
        RSX_CANCEL_REQUEST
        RSX_ORDER_NEW
        RSX_ORDER_CANCEL
        RSX_DEPOSIT_REQUEST
        RSX_ACCOUNT_QUERY
        RSX_MARK_UPDATE
        RSX_TRIGGER_REQUEST
        RSX_AMEND_REQUEST
        RSX_ORDER_AMEND
        RSX_CANCEL_ALL_REQUEST
        RSX_ORDER_CANCEL_ALL
        RSX_MODE_REQUEST
        RSX_TRIGGER_REFUSED
        RSX_ACCOUNT_CONFIG_REQUEST
        RSX_WITHDRAW_REQUEST
        RSX_MARGIN_CONFIG_REQUEST
        RSX_MARGIN_TRANSFER_REQUEST
        RSX_POSITION_TRANSFER
        RSX_DIGEST_REQUEST
        RSX_BBO_UPDATE
        RSX_REQUEST_REJECTED
        RSX_ACCOUNT_STATE
        RSX_POSITION_STATE
        RSX_POSITION_RISK
        RSX_MARGIN_CALL
        RSX_ORDER_ACCEPTED
        RSX_FILL
        RSX_ORDER_RESTED
        RSX_ORDER_CANCELLED
        RSX_ORDER_REJECTED
        RSX_ORDER_REDUCED
        RSX_CANCEL_REJECTED
        RSX_ORDER_DUPLICATE
        RSX_DEPOSIT
        RSX_MARK_PRICE
        RSX_SYMBOL_CONFIG
        RSX_LOG_STARTED
        RSX_SEGMENT_STARTED
        RSX_SYMBOL_LIMITS
        RSX_ORDER_AMENDED
        RSX_AMEND_REJECTED
        RSX_TRIGGER_PLACED
        RSX_TRIGGER_FIRED
        RSX_TRIGGER_CANCELLED
        RSX_TRADING_MODE
        RSX_ACCOUNT_CONFIG
        RSX_ORDER_RELEASED
        RSX_CANCEL_ALL_DONE
        RSX_TRIGGER_REJECTED
        RSX_WITHDRAWAL
        RSX_MARGIN_CONFIG
        RSX_MARGIN_TRANSFERRED
        RSX_FUNDING_SETTLED
        RSX_FUNDING_PAYMENT
        RSX_FUNDING_DONE
        RSX_LIQUIDATION_STEP
        RSX_POSITION_TRANSFERRED
        RSX_LIQUIDATION_SETTLED
        RSX_SYMBOL_RISK
        RSX_SYMBOL_BRACKETS
        RSX_SYNC_REQUEST
        RSX_SYNC_DONE
        RSX_SEGMENT_READY
        RSX_ENGINE_DIGEST
        RSX_LEDGER_MARK
        RSX_LEDGER_DIGEST
        RSX_LOG_SYNCED
        RSX_LOG_PRUNE
        RSX_REPLAY_REQUEST
        RSX_REPLAY_BEGUN
        RSX_REPLAY_UNAVAILABLE
        RSX_CAUGHT_UP
        RSX_LOG_TIP
        RSX_CONSUMER_TIP
        RSX_R_NONE
        RSX_R_INVALID_UTF8
        RSX_R_MALFORMED
        RSX_R_TOO_MANY_PENDING
        RSX_R_UNEXPECTED_FRAME
        RSX_R_ORDER_NOT_FOUND
        RSX_R_RATE_LIMITED
        RSX_R_UNKNOWN_SYMBOL
        RSX_R_PRICE_OFF_TICK
        RSX_R_QTY_OFF_LOT
        RSX_R_CLIENT_ID_INVALID
        RSX_R_OVERLOADED
        RSX_R_BINARY_FRAME
        RSX_R_FRAME_TOO_LARGE
        RSX_R_INVALID_VALUE
        RSX_R_PRICE_OUT_OF_RANGE
        RSX_R_QTY_OUT_OF_RANGE
        RSX_R_NOTIONAL_TOO_LARGE
        RSX_R_FLAGS_CONTRADICT
        RSX_R_SLOW_READER
        RSX_R_TOO_MANY_SUBSCRIPTIONS
        RSX_R_NO_ANSWER
        RSX_R_TOO_MANY_CONNECTIONS
        RSX_R_IDLE
        RSX_R_NOT_FOUND
        RSX_R_BATCH_TOO_LARGE
        RSX_R_EXPIRY_INVALID
        RSX_R_TRIGGER_INVALID
        RSX_R_NOTHING_TO_AMEND
        RSX_R_CONFIG_INVALID
        RSX_R_CONFIG_PENDING
        RSX_R_POSITION_SIDE_INVALID
        RSX_R_INSUFFICIENT_MARGIN
        RSX_R_MARK_UNAVAILABLE
        RSX_R_TOO_MANY_ACCOUNTS
        RSX_R_AMOUNT_INVALID
        RSX_R_BALANCE_LIMIT
        RSX_R_TOO_MANY_POSITIONS
        RSX_R_NO_ACCOUNT
        RSX_R_LEVERAGE_INVALID
        RSX_R_MODE_LOCKED
        RSX_R_POSITION_MODE_MISMATCH
        RSX_R_IN_LIQUIDATION
        RSX_R_WITHDRAWAL_TOO_LARGE
        RSX_R_NOT_ISOLATED
        RSX_R_MARGIN_REMOVAL_TOO_LARGE
        RSX_R_DUPLICATE_CLIENT_ID
        RSX_R_POST_ONLY_WOULD_CROSS
        RSX_R_FOK_NOT_FILLABLE
        RSX_R_REDUCE_ONLY_NO_POSITION
        RSX_R_BOOK_FULL
        RSX_R_TOO_MANY_OPEN_ORDERS
        RSX_R_ORDER_NOT_OPEN
        RSX_R_ORDER_INVALID
        RSX_R_NOTIONAL_TOO_SMALL
        RSX_R_OUTSIDE_PRICE_BAND
        RSX_R_CANCEL_ONLY
        RSX_R_HALTED
        RSX_R_POST_ONLY_MODE
        RSX_R_TRIGGER_WRONG_SIDE
        RSX_R_TOO_MANY_TRIGGERS
        RSX_R_EXPIRY_PASSED
        RSX_R_ORDER_DONE
        RSX_R_TRIGGER_NOT_AMENDED
        RSX_R_USER_CANCEL
        RSX_R_IOC_REMAINDER
        RSX_R_REDUCE_ONLY_EXCESS
        RSX_R_RESTART
        RSX_R_EXPIRED
        RSX_R_SELF_TRADE
        RSX_R_DISCONNECTED
        RSX_R_DEAD_MAN
        RSX_R_AMENDED_AWAY
        RSX_R_CANCEL_ALL
        RSX_R_ADMIN_CANCEL
        RSX_R_LIQUIDATION
        RSX_R_DELEVERAGED
        RSX_R_TOKEN_MISSING
        RSX_R_TOKEN_INVALID
        RSX_R_TOKEN_EXPIRED
        RSX_R_FORBIDDEN
        RSX_R_INTERNAL
        RSX_R_STOPPING

    const uint32_t RSX_FUND_USER_BASE

    ctypedef struct rsx_record_t:
        uint8_t version
        uint8_t header_flags
        uint16_t type
        uint16_t length
        uint16_t stream
        uint32_t crc
        uint32_t epoch
        uint64_t seq
        uint64_t ts_ns

    ctypedef struct rsx_order_request_t:
        uint8_t version
        uint8_t header_flags
        uint16_t type
        uint16_t length
        uint16_t stream
        uint32_t crc
        uint32_t epoch
        uint64_t seq
        uint64_t ts_ns
        uint64_t oid
        int64_t px
        int64_t qty
        uint64_t received_ns
        uint32_t expire_s
        uint32_t user_id
        uint16_t symbol_id
        uint8_t kind
        uint8_t stp
        uint8_t side
        uint8_t tif
        uint8_t flags
        uint8_t cid_len
        uint8_t cid[36]

    ctypedef struct rsx_cancel_request_t:
        uint8_t version
        uint8_t header_flags
        uint16_t type
        uint16_t length
        uint16_t stream
        uint32_t crc
        uint32_t epoch
        uint64_t seq
        uint64_t ts_ns
        uint64_t oid
        uint64_t request_id
        uint32_t user_id
        uint32_t symbol_id
        uint16_t reason
        uint8_t pad0
        uint8_t cid_len
        uint8_t cid[36]

    ctypedef struct rsx_order_new_t:
        uint8_t version
        uint8_t header_flags
        uint16_t type
        uint16_t length
        uint16_t stream
        uint32_t crc
        uint32_t epoch
        uint64_t seq
        uint64_t ts_ns
        uint64_t oid
        int64_t px
        int64_t qty
        int64_t reserved
        uint64_t received_ns
        uint32_t owner_group
        uint32_t expire_s
        uint32_t user_id
        uint16_t symbol_id
        uint8_t kind
        uint8_t stp
        uint8_t side
        uint8_t tif
        uint8_t flags
        uint8_t cid_len
        uint8_t cid[36]

    ctypedef struct rsx_order_cancel_t:
        uint8_t version
        uint8_t header_flags
        uint16_t type
        uint16_t length
        uint16_t stream
        uint32_t crc
        uint32_t epoch
        uint64_t seq
        uint64_t ts_ns
        uint64_t oid
        uint64_t request_id
        uint32_t user_id
        uint32_t symbol_id
        uint16_t reason
        uint8_t pad0
        uint8_t cid_len
        uint8_t cid[36]

    ctypedef struct rsx_deposit_request_t:
        uint8_t version
        uint8_t header_flags
        uint16_t type
        uint16_t length
        uint16_t stream
        uint32_t crc
        uint32_t epoch
        uint64_t seq
        uint64_t ts_ns
        uint64_t request_id
        int64_t amount
        uint32_t user_id

    ctypedef struct rsx_account_query_t:
        uint8_t version
        uint8_t header_flags
        uint16_t type
        uint16_t length
        uint16_t stream
        uint32_t crc
        uint32_t epoch
        uint64_t seq
        uint64_t ts_ns
        uint64_t request_id
        uint32_t user_id

    ctypedef struct rsx_mark_update_t:
        uint8_t version
        uint8_t header_flags
        uint16_t type
        uint16_t length
        uint16_t stream
        uint32_t crc
        uint32_t epoch
        uint64_t seq
        uint64_t ts_ns
        int64_t mark_px
        int64_t index_px
        int64_t open_interest
        int64_t rate_ppb
        uint64_t source_ns
        uint32_t symbol_id
        uint32_t next_funding_s
        uint16_t sources
        uint8_t state

    ctypedef struct rsx_trigger_request_t:
        uint8_t version
        uint8_t header_flags
        uint16_t type
        uint16_t length
        uint16_t stream
        uint32_t crc
        uint32_t epoch
        uint64_t seq
        uint64_t ts_ns
        uint64_t oid
        int64_t px
        int64_t qty
        int64_t trigger_px
        int64_t trail_px
        uint32_t trail_ppm
        uint32_t expire_s
        uint32_t user_id
        uint16_t symbol_id
        uint8_t kind
        uint8_t stp
        uint8_t side
        uint8_t tif
        uint8_t flags
        uint8_t cid_len
        uint8_t cid[36]

    ctypedef struct rsx_amend_request_t:
        uint8_t version
        uint8_t header_flags
        uint16_t type
        uint16_t length
        uint16_t stream
        uint32_t crc
        uint32_t epoch
        uint64_t seq
        uint64_t ts_ns
        uint64_t oid
        int64_t px
        int64_t qty
        uint64_t request_id
        uint32_t user_id
        uint32_t symbol_id
        uint8_t side
        uint8_t flags

    ctypedef struct rsx_order_amend_t:
        uint8_t version
        uint8_t header_flags
        uint16_t type
        uint16_t length
        uint16_t stream
        uint32_t crc
        uint32_t epoch
        uint64_t seq
        uint64_t ts_ns
        uint64_t oid
        int64_t px
        int64_t qty
        uint64_t request_id
        int64_t reserved
        int64_t assumed
        int64_t extra
        int64_t extra_qty
        uint32_t user_id
        uint32_t symbol_id
        uint8_t side
        uint8_t flags

    ctypedef struct rsx_cancel_all_request_t:
        uint8_t version
        uint8_t header_flags
        uint16_t type
        uint16_t length
        uint16_t stream
        uint32_t crc
        uint32_t epoch
        uint64_t seq
        uint64_t ts_ns
        uint64_t request_id
        uint32_t user_id
        uint32_t symbol_id
        uint16_t reason
        uint8_t scope
        uint8_t sides

    ctypedef struct rsx_order_cancel_all_t:
        uint8_t version
        uint8_t header_flags
        uint16_t type
        uint16_t length
        uint16_t stream
        uint32_t crc
        uint32_t epoch
        uint64_t seq
        uint64_t ts_ns
        uint64_t request_id
        uint32_t user_id
        uint32_t symbol_id
        uint16_t reason
        uint8_t scope
        uint8_t sides

    ctypedef struct rsx_mode_request_t:
        uint8_t version
        uint8_t header_flags
        uint16_t type
        uint16_t length
        uint16_t stream
        uint32_t crc
        uint32_t epoch
        uint64_t seq
        uint64_t ts_ns
        uint64_t request_id
        uint32_t user_id
        uint32_t symbol_id
        uint8_t mode

    ctypedef struct rsx_trigger_refused_t:
        uint8_t version
        uint8_t header_flags
        uint16_t type
        uint16_t length
        uint16_t stream
        uint32_t crc
        uint32_t epoch
        uint64_t seq
        uint64_t ts_ns
        uint64_t oid
        uint32_t user_id
        uint32_t symbol_id
        uint16_t reason

    ctypedef struct rsx_account_config_request_t:
        uint8_t version
        uint8_t header_flags
        uint16_t type
        uint16_t length
        uint16_t stream
        uint32_t crc
        uint32_t epoch
        uint64_t seq
        uint64_t ts_ns
        uint64_t request_id
        uint32_t user_id
        uint32_t owner_group
        uint8_t stp
        uint8_t fields

    ctypedef struct rsx_withdraw_request_t:
        uint8_t version
        uint8_t header_flags
        uint16_t type
        uint16_t length
        uint16_t stream
        uint32_t crc
        uint32_t epoch
        uint64_t seq
        uint64_t ts_ns
        uint64_t request_id
        int64_t amount
        uint32_t user_id

    ctypedef struct rsx_margin_config_request_t:
        uint8_t version
        uint8_t header_flags
        uint16_t type
        uint16_t length
        uint16_t stream
        uint32_t crc
        uint32_t epoch
        uint64_t seq
        uint64_t ts_ns
        uint64_t request_id
        uint32_t user_id
        uint32_t symbol_id
        uint16_t leverage
        uint8_t margin_mode
        uint8_t position_mode
        uint8_t fields

    ctypedef struct rsx_margin_transfer_request_t:
        uint8_t version
        uint8_t header_flags
        uint16_t type
        uint16_t length
        uint16_t stream
        uint32_t crc
        uint32_t epoch
        uint64_t seq
        uint64_t ts_ns
        uint64_t request_id
        int64_t amount
        uint32_t user_id
        uint32_t symbol_id
        uint8_t leg

    ctypedef struct rsx_position_transfer_t:
        uint8_t version
        uint8_t header_flags
        uint16_t type
        uint16_t length
        uint16_t stream
        uint32_t crc
        uint32_t epoch
        uint64_t seq
        uint64_t ts_ns
        uint64_t transfer_id
        int64_t qty
        int64_t px
        int64_t mark_px
        int64_t score
        uint32_t user_id
        uint32_t counter_user_id
        uint32_t symbol_id
        uint8_t side
        uint8_t kind
        uint8_t user_flags
        uint8_t counter_flags

    ctypedef struct rsx_digest_request_t:
        uint8_t version
        uint8_t header_flags
        uint16_t type
        uint16_t length
        uint16_t stream
        uint32_t crc
        uint32_t epoch
        uint64_t seq
        uint64_t ts_ns
        uint32_t symbol_id
        uint32_t part

    ctypedef struct rsx_bbo_update_t:
        uint8_t version
        uint8_t header_flags
        uint16_t type
        uint16_t length
        uint16_t stream
        uint32_t crc
        uint32_t epoch
        uint64_t seq
        uint64_t ts_ns
        int64_t bid_px
        int64_t bid_qty
        int64_t ask_px
        int64_t ask_qty
        uint32_t symbol_id

    ctypedef struct rsx_request_rejected_t:
        uint8_t version
        uint8_t header_flags
        uint16_t type
        uint16_t length
        uint16_t stream
        uint32_t crc
        uint32_t epoch
        uint64_t seq
        uint64_t ts_ns
        uint64_t oid
        uint64_t request_id
        int64_t required
        int64_t available
        uint32_t user_id
        uint32_t symbol_id
        uint16_t reason

    ctypedef struct rsx_account_state_t:
        uint8_t version
        uint8_t header_flags
        uint16_t type
        uint16_t length
        uint16_t stream
        uint32_t crc
        uint32_t epoch
        uint64_t seq
        uint64_t ts_ns
        uint64_t request_id
        int64_t collateral
        int64_t unrealised
        int64_t equity
        int64_t initial_margin
        int64_t maintenance_margin
        int64_t frozen
        int64_t available
        int64_t realised
        int64_t fees
        int64_t withdrawable
        uint32_t user_id
        uint16_t positions
        uint8_t position_mode
        uint8_t stage

    ctypedef struct rsx_position_state_t:
        uint8_t version
        uint8_t header_flags
        uint16_t type
        uint16_t length
        uint16_t stream
        uint32_t crc
        uint32_t epoch
        uint64_t seq
        uint64_t ts_ns
        uint64_t request_id
        int64_t net_qty
        int64_t entry_cost
        int64_t realised
        int64_t unrealised
        int64_t mark_px
        int64_t initial_margin
        int64_t maintenance_margin
        int64_t frozen
        int64_t open_buy_qty
        int64_t open_sell_qty
        uint32_t user_id
        uint32_t symbol_id

    ctypedef struct rsx_position_risk_t:
        uint8_t version
        uint8_t header_flags
        uint16_t type
        uint16_t length
        uint16_t stream
        uint32_t crc
        uint32_t epoch
        uint64_t seq
        uint64_t ts_ns
        uint64_t request_id
        int64_t liquidation_px
        int64_t bankruptcy_px
        int64_t wallet
        int64_t notional
        int64_t funding_owed
        uint32_t leverage_ppm
        uint32_t user_id
        uint32_t symbol_id
        uint16_t leverage
        uint8_t margin_mode
        uint8_t leg
        uint8_t stage
        uint8_t round
        uint8_t lights

    ctypedef struct rsx_margin_call_t:
        uint8_t version
        uint8_t header_flags
        uint16_t type
        uint16_t length
        uint16_t stream
        uint32_t crc
        uint32_t epoch
        uint64_t seq
        uint64_t ts_ns
        int64_t equity
        int64_t maintenance_margin
        uint32_t user_id
        uint32_t symbol_id
        uint8_t leg

    ctypedef struct rsx_order_accepted_t:
        uint8_t version
        uint8_t header_flags
        uint16_t type
        uint16_t length
        uint16_t stream
        uint32_t crc
        uint32_t epoch
        uint64_t seq
        uint64_t ts_ns
        uint64_t oid
        int64_t px
        int64_t qty
        int64_t reserved
        uint64_t received_ns
        uint32_t owner_group
        uint32_t expire_s
        uint32_t user_id
        uint16_t symbol_id
        uint8_t kind
        uint8_t stp
        uint8_t side
        uint8_t tif
        uint8_t flags
        uint8_t cid_len
        uint8_t cid[36]

    ctypedef struct rsx_fill_t:
        uint8_t version
        uint8_t header_flags
        uint16_t type
        uint16_t length
        uint16_t stream
        uint32_t crc
        uint32_t epoch
        uint64_t seq
        uint64_t ts_ns
        uint64_t taker_oid
        uint64_t maker_oid
        int64_t px
        int64_t qty
        int64_t taker_fee
        int64_t maker_fee
        int64_t taker_remaining
        int64_t maker_remaining
        int64_t taker_release
        int64_t maker_release
        uint32_t taker_user_id
        uint32_t maker_user_id
        uint32_t symbol_id
        uint8_t taker_side
        uint8_t taker_flags
        uint8_t maker_flags

    ctypedef struct rsx_order_rested_t:
        uint8_t version
        uint8_t header_flags
        uint16_t type
        uint16_t length
        uint16_t stream
        uint32_t crc
        uint32_t epoch
        uint64_t seq
        uint64_t ts_ns
        uint64_t oid
        int64_t px
        int64_t remaining
        int64_t qty
        int64_t reserved
        uint32_t user_id
        uint32_t symbol_id
        uint8_t side
        uint8_t flags

    ctypedef struct rsx_order_cancelled_t:
        uint8_t version
        uint8_t header_flags
        uint16_t type
        uint16_t length
        uint16_t stream
        uint32_t crc
        uint32_t epoch
        uint64_t seq
        uint64_t ts_ns
        uint64_t oid
        int64_t px
        int64_t cancelled_qty
        int64_t filled_qty
        int64_t released
        uint64_t request_id
        uint32_t user_id
        uint32_t symbol_id
        uint16_t reason
        uint8_t side
        uint8_t flags

    ctypedef struct rsx_order_rejected_t:
        uint8_t version
        uint8_t header_flags
        uint16_t type
        uint16_t length
        uint16_t stream
        uint32_t crc
        uint32_t epoch
        uint64_t seq
        uint64_t ts_ns
        uint64_t oid
        int64_t px
        int64_t qty
        int64_t released
        uint32_t user_id
        uint16_t symbol_id
        uint8_t kind
        uint8_t stp
        uint8_t side
        uint8_t tif
        uint8_t flags
        uint8_t cid_len
        uint8_t cid[36]
        uint16_t reason

    ctypedef struct rsx_order_reduced_t:
        uint8_t version
        uint8_t header_flags
        uint16_t type
        uint16_t length
        uint16_t stream
        uint32_t crc
        uint32_t epoch
        uint64_t seq
        uint64_t ts_ns
        uint64_t oid
        int64_t px
        int64_t cancelled_qty
        int64_t remaining
        int64_t released
        uint32_t user_id
        uint32_t symbol_id
        uint16_t reason
        uint8_t side
        uint8_t flags

    ctypedef struct rsx_cancel_rejected_t:
        uint8_t version
        uint8_t header_flags
        uint16_t type
        uint16_t length
        uint16_t stream
        uint32_t crc
        uint32_t epoch
        uint64_t seq
        uint64_t ts_ns
        uint64_t oid
        uint64_t request_id
        uint32_t user_id
        uint32_t symbol_id
        uint16_t reason
        uint8_t pad0
        uint8_t cid_len
        uint8_t cid[36]

    ctypedef struct rsx_order_duplicate_t:
        uint8_t version
        uint8_t header_flags
        uint16_t type
        uint16_t length
        uint16_t stream
        uint32_t crc
        uint32_t epoch
        uint64_t seq
        uint64_t ts_ns
        uint64_t oid
        int64_t qty
        int64_t released
        uint64_t original_oid
        int64_t original_px
        int64_t original_qty
        int64_t original_filled
        int64_t original_remaining
        uint32_t user_id
        uint32_t symbol_id
        uint16_t original_reason
        uint8_t original_status
        uint8_t original_side
        uint8_t original_tif
        uint8_t original_kind
        uint8_t original_flags
        uint8_t side
        uint8_t flags

    ctypedef struct rsx_deposit_t:
        uint8_t version
        uint8_t header_flags
        uint16_t type
        uint16_t length
        uint16_t stream
        uint32_t crc
        uint32_t epoch
        uint64_t seq
        uint64_t ts_ns
        uint64_t request_id
        int64_t amount
        uint32_t user_id

    ctypedef struct rsx_mark_price_t:
        uint8_t version
        uint8_t header_flags
        uint16_t type
        uint16_t length
        uint16_t stream
        uint32_t crc
        uint32_t epoch
        uint64_t seq
        uint64_t ts_ns
        int64_t mark_px
        int64_t index_px
        int64_t open_interest
        int64_t rate_ppb
        uint64_t source_ns
        uint32_t symbol_id
        uint32_t next_funding_s
        uint16_t sources
        uint8_t state

    ctypedef struct rsx_symbol_config_t:
        uint8_t version
        uint8_t header_flags
        uint16_t type
        uint16_t length
        uint16_t stream
        uint32_t crc
        uint32_t epoch
        uint64_t seq
        uint64_t ts_ns
        int64_t tick
        int64_t lot
        int64_t px_max
        int64_t qty_max
        int64_t notional_max
        int64_t reference_px
        int32_t maker_fee_ppm
        int32_t taker_fee_ppm
        uint32_t initial_margin_ppm
        uint32_t maintenance_margin_ppm
        uint32_t symbol_id
        uint32_t config_version
        uint8_t price_decimals
        uint8_t qty_decimals
        uint16_t pad0
        uint8_t name[20]

    ctypedef struct rsx_log_started_t:
        uint8_t version
        uint8_t header_flags
        uint16_t type
        uint16_t length
        uint16_t stream
        uint32_t crc
        uint32_t epoch
        uint64_t seq
        uint64_t ts_ns
        uint64_t exchange_id
        uint32_t money_decimals

    ctypedef struct rsx_segment_started_t:
        uint8_t version
        uint8_t header_flags
        uint16_t type
        uint16_t length
        uint16_t stream
        uint32_t crc
        uint32_t epoch
        uint64_t seq
        uint64_t ts_ns
        uint64_t exchange_id

    ctypedef struct rsx_symbol_limits_t:
        uint8_t version
        uint8_t header_flags
        uint16_t type
        uint16_t length
        uint16_t stream
        uint32_t crc
        uint32_t epoch
        uint64_t seq
        uint64_t ts_ns
        int64_t notional_min
        int64_t tick_from_1
        int64_t tick_1
        int64_t tick_from_2
        int64_t tick_2
        int64_t tick_from_3
        int64_t tick_3
        int64_t tick_from_4
        int64_t tick_4
        uint32_t price_band_ppm
        uint32_t market_band_ppm
        uint32_t symbol_id
        uint32_t config_version

    ctypedef struct rsx_order_amended_t:
        uint8_t version
        uint8_t header_flags
        uint16_t type
        uint16_t length
        uint16_t stream
        uint32_t crc
        uint32_t epoch
        uint64_t seq
        uint64_t ts_ns
        uint64_t oid
        int64_t px
        int64_t qty
        int64_t remaining
        int64_t reserved
        int64_t extra
        int64_t extra_qty
        uint64_t request_id
        uint32_t user_id
        uint32_t symbol_id
        uint8_t side
        uint8_t flags

    ctypedef struct rsx_amend_rejected_t:
        uint8_t version
        uint8_t header_flags
        uint16_t type
        uint16_t length
        uint16_t stream
        uint32_t crc
        uint32_t epoch
        uint64_t seq
        uint64_t ts_ns
        uint64_t oid
        int64_t px
        int64_t qty
        int64_t extra
        int64_t extra_qty
        uint64_t request_id
        uint32_t user_id
        uint32_t symbol_id
        uint16_t reason
        uint8_t side
        uint8_t flags

    ctypedef struct rsx_trigger_placed_t:
        uint8_t version
        uint8_t header_flags
        uint16_t type
        uint16_t length
        uint16_t stream
        uint32_t crc
        uint32_t epoch
        uint64_t seq
        uint64_t ts_ns
        uint64_t oid
        int64_t px
        int64_t qty
        int64_t trigger_px
        int64_t trail_px
        uint32_t trail_ppm
        uint32_t expire_s
        uint32_t user_id
        uint16_t symbol_id
        uint8_t kind
        uint8_t stp
        uint8_t side
        uint8_t tif
        uint8_t flags
        uint8_t cid_len
        uint8_t cid[36]

    ctypedef struct rsx_trigger_fired_t:
        uint8_t version
        uint8_t header_flags
        uint16_t type
        uint16_t length
        uint16_t stream
        uint32_t crc
        uint32_t epoch
        uint64_t seq
        uint64_t ts_ns
        uint64_t oid
        int64_t px
        int64_t qty
        int64_t trigger_px
        int64_t fired_px
        uint32_t expire_s
        uint32_t user_id
        uint16_t symbol_id
        uint8_t kind
        uint8_t stp
        uint8_t side
        uint8_t tif
        uint8_t flags

    ctypedef struct rsx_trigger_cancelled_t:
        uint8_t version
        uint8_t header_flags
        uint16_t type
        uint16_t length
        uint16_t stream
        uint32_t crc
        uint32_t epoch
        uint64_t seq
        uint64_t ts_ns
        uint64_t oid
        int64_t qty
        uint64_t request_id
        uint32_t user_id
        uint32_t symbol_id
        uint16_t reason
        uint8_t kind
        uint8_t side
        uint8_t flags

    ctypedef struct rsx_trading_mode_t:
        uint8_t version
        uint8_t header_flags
        uint16_t type
        uint16_t length
        uint16_t stream
        uint32_t crc
        uint32_t epoch
        uint64_t seq
        uint64_t ts_ns
        uint64_t request_id
        uint32_t user_id
        uint32_t symbol_id
        uint8_t mode
        uint8_t previous

    ctypedef struct rsx_account_config_t:
        uint8_t version
        uint8_t header_flags
        uint16_t type
        uint16_t length
        uint16_t stream
        uint32_t crc
        uint32_t epoch
        uint64_t seq
        uint64_t ts_ns
        uint64_t request_id
        uint32_t user_id
        uint32_t owner_group
        uint8_t stp

    ctypedef struct rsx_order_released_t:
        uint8_t version
        uint8_t header_flags
        uint16_t type
        uint16_t length
        uint16_t stream
        uint32_t crc
        uint32_t epoch
        uint64_t seq
        uint64_t ts_ns
        uint64_t oid
        int64_t qty
        int64_t released
        uint32_t user_id
        uint32_t symbol_id
        uint8_t side
        uint8_t flags

    ctypedef struct rsx_cancel_all_done_t:
        uint8_t version
        uint8_t header_flags
        uint16_t type
        uint16_t length
        uint16_t stream
        uint32_t crc
        uint32_t epoch
        uint64_t seq
        uint64_t ts_ns
        uint64_t request_id
        uint32_t user_id
        uint32_t symbol_id
        uint32_t cancelled
        uint16_t reason

    ctypedef struct rsx_trigger_rejected_t:
        uint8_t version
        uint8_t header_flags
        uint16_t type
        uint16_t length
        uint16_t stream
        uint32_t crc
        uint32_t epoch
        uint64_t seq
        uint64_t ts_ns
        uint64_t oid
        int64_t px
        int64_t qty
        int64_t trigger_px
        uint32_t user_id
        uint16_t symbol_id
        uint8_t kind
        uint8_t stp
        uint8_t side
        uint8_t tif
        uint8_t flags
        uint8_t cid_len
        uint8_t cid[36]
        uint16_t reason

    ctypedef struct rsx_withdrawal_t:
        uint8_t version
        uint8_t header_flags
        uint16_t type
        uint16_t length
        uint16_t stream
        uint32_t crc
        uint32_t epoch
        uint64_t seq
        uint64_t ts_ns
        uint64_t request_id
        int64_t amount
        uint32_t user_id

    ctypedef struct rsx_margin_config_t:
        uint8_t version
        uint8_t header_flags
        uint16_t type
        uint16_t length
        uint16_t stream
        uint32_t crc
        uint32_t epoch
        uint64_t seq
        uint64_t ts_ns
        uint64_t request_id
        uint32_t user_id
        uint32_t symbol_id
        uint16_t leverage
        uint8_t margin_mode
        uint8_t position_mode

    ctypedef struct rsx_margin_transferred_t:
        uint8_t version
        uint8_t header_flags
        uint16_t type
        uint16_t length
        uint16_t stream
        uint32_t crc
        uint32_t epoch
        uint64_t seq
        uint64_t ts_ns
        uint64_t request_id
        int64_t amount
        uint32_t user_id
        uint32_t symbol_id
        uint8_t leg

    ctypedef struct rsx_funding_settled_t:
        uint8_t version
        uint8_t header_flags
        uint16_t type
        uint16_t length
        uint16_t stream
        uint32_t crc
        uint32_t epoch
        uint64_t seq
        uint64_t ts_ns
        uint64_t interval_id
        int64_t rate_ppb
        int64_t mark_px
        int64_t index_px
        int64_t premium_ppb
        uint32_t symbol_id
        uint32_t samples
        uint32_t skipped

    ctypedef struct rsx_funding_payment_t:
        uint8_t version
        uint8_t header_flags
        uint16_t type
        uint16_t length
        uint16_t stream
        uint32_t crc
        uint32_t epoch
        uint64_t seq
        uint64_t ts_ns
        uint64_t interval_id
        int64_t amount
        int64_t net_qty
        int64_t mark_px
        int64_t rate_ppb
        uint32_t user_id
        uint32_t symbol_id
        uint8_t leg

    ctypedef struct rsx_funding_done_t:
        uint8_t version
        uint8_t header_flags
        uint16_t type
        uint16_t length
        uint16_t stream
        uint32_t crc
        uint32_t epoch
        uint64_t seq
        uint64_t ts_ns
        uint64_t interval_id
        int64_t residue
        int64_t paid
        int64_t received
        uint32_t symbol_id
        uint32_t payments

    ctypedef struct rsx_liquidation_step_t:
        uint8_t version
        uint8_t header_flags
        uint16_t type
        uint16_t length
        uint16_t stream
        uint32_t crc
        uint32_t epoch
        uint64_t seq
        uint64_t ts_ns
        uint64_t oid
        int64_t equity
        int64_t maintenance_margin
        int64_t qty
        int64_t px
        int64_t mark_px
        int64_t net_qty
        uint32_t user_id
        uint32_t symbol_id
        uint8_t stage
        uint8_t round
        uint8_t side
        uint8_t leg
        uint8_t margin_mode

    ctypedef struct rsx_position_transferred_t:
        uint8_t version
        uint8_t header_flags
        uint16_t type
        uint16_t length
        uint16_t stream
        uint32_t crc
        uint32_t epoch
        uint64_t seq
        uint64_t ts_ns
        uint64_t transfer_id
        int64_t qty
        int64_t px
        int64_t mark_px
        int64_t score
        uint32_t user_id
        uint32_t counter_user_id
        uint32_t symbol_id
        uint8_t side
        uint8_t kind
        uint8_t user_flags
        uint8_t counter_flags

    ctypedef struct rsx_liquidation_settled_t:
        uint8_t version
        uint8_t header_flags
        uint16_t type
        uint16_t length
        uint16_t stream
        uint32_t crc
        uint32_t epoch
        uint64_t seq
        uint64_t ts_ns
        uint64_t transfer_id
        int64_t amount
        uint32_t user_id
        uint32_t symbol_id
        uint8_t leg
        uint8_t margin_mode

    ctypedef struct rsx_symbol_risk_t:
        uint8_t version
        uint8_t header_flags
        uint16_t type
        uint16_t length
        uint16_t stream
        uint32_t crc
        uint32_t epoch
        uint64_t seq
        uint64_t ts_ns
        int64_t insurance_loss_max
        int64_t insurance_notional_max
        int64_t oi_low
        int64_t oi_high
        uint32_t funding_interval_s
        int32_t funding_interest_ppb
        uint32_t funding_damp_ppb
        uint32_t funding_cap_ppb
        uint32_t liquidation_fee_ppm
        uint32_t liquidation_slip_ppm
        uint32_t liquidation_slip_max_ppm
        uint32_t liquidation_rounds
        uint32_t liquidation_delay_ms
        uint32_t liquidation_step_ppm
        uint32_t liquidation_buffer_ppm
        uint32_t margin_call_ppm
        uint32_t withdraw_keep_ppm
        uint32_t symbol_id
        uint32_t config_version
        uint8_t adl_policy

    ctypedef struct rsx_symbol_brackets_t:
        uint8_t version
        uint8_t header_flags
        uint16_t type
        uint16_t length
        uint16_t stream
        uint32_t crc
        uint32_t epoch
        uint64_t seq
        uint64_t ts_ns
        int64_t from_1
        uint32_t initial_ppm_1
        uint32_t maintenance_ppm_1
        int64_t from_2
        uint32_t initial_ppm_2
        uint32_t maintenance_ppm_2
        int64_t from_3
        uint32_t initial_ppm_3
        uint32_t maintenance_ppm_3
        int64_t from_4
        uint32_t initial_ppm_4
        uint32_t maintenance_ppm_4
        int64_t from_5
        uint32_t initial_ppm_5
        uint32_t maintenance_ppm_5
        uint32_t symbol_id
        uint32_t config_version

    ctypedef struct rsx_sync_request_t:
        uint8_t version
        uint8_t header_flags
        uint16_t type
        uint16_t length
        uint16_t stream
        uint32_t crc
        uint32_t epoch
        uint64_t seq
        uint64_t ts_ns
        int32_t fd
        uint32_t sync_folder
        int32_t close_fd
        uint32_t taken

    ctypedef struct rsx_sync_done_t:
        uint8_t version
        uint8_t header_flags
        uint16_t type
        uint16_t length
        uint16_t stream
        uint32_t crc
        uint32_t epoch
        uint64_t seq
        uint64_t ts_ns
        int32_t error
        uint32_t elapsed_ns

    ctypedef struct rsx_segment_ready_t:
        uint8_t version
        uint8_t header_flags
        uint16_t type
        uint16_t length
        uint16_t stream
        uint32_t crc
        uint32_t epoch
        uint64_t seq
        uint64_t ts_ns
        int32_t fd
        uint32_t number

    ctypedef struct rsx_engine_digest_t:
        uint8_t version
        uint8_t header_flags
        uint16_t type
        uint16_t length
        uint16_t stream
        uint32_t crc
        uint32_t epoch
        uint64_t seq
        uint64_t ts_ns
        uint64_t digest
        uint32_t symbol_id
        uint32_t part
        uint16_t form

    ctypedef struct rsx_ledger_mark_t:
        uint8_t version
        uint8_t header_flags
        uint16_t type
        uint16_t length
        uint16_t stream
        uint32_t crc
        uint32_t epoch
        uint64_t seq
        uint64_t ts_ns
        uint32_t part
        uint16_t form

    ctypedef struct rsx_ledger_digest_t:
        uint8_t version
        uint8_t header_flags
        uint16_t type
        uint16_t length
        uint16_t stream
        uint32_t crc
        uint32_t epoch
        uint64_t seq
        uint64_t ts_ns
        uint64_t digest
        uint64_t mark_seq
        uint32_t part
        uint16_t form
        uint16_t shard

    ctypedef struct rsx_log_synced_t:
        uint8_t version
        uint8_t header_flags
        uint16_t type
        uint16_t length
        uint16_t stream
        uint32_t crc
        uint32_t epoch
        uint64_t seq
        uint64_t ts_ns
        uint64_t durable_seq

    ctypedef struct rsx_log_prune_t:
        uint8_t version
        uint8_t header_flags
        uint16_t type
        uint16_t length
        uint16_t stream
        uint32_t crc
        uint32_t epoch
        uint64_t seq
        uint64_t ts_ns
        uint64_t keep_seq

    ctypedef struct rsx_replay_request_t:
        uint8_t version
        uint8_t header_flags
        uint16_t type
        uint16_t length
        uint16_t stream
        uint32_t crc
        uint32_t epoch
        uint64_t seq
        uint64_t ts_ns
        uint64_t from_seq
        uint64_t exchange_id
        uint8_t name[32]

    ctypedef struct rsx_replay_begun_t:
        uint8_t version
        uint8_t header_flags
        uint16_t type
        uint16_t length
        uint16_t stream
        uint32_t crc
        uint32_t epoch
        uint64_t seq
        uint64_t ts_ns
        uint64_t from_seq
        uint64_t exchange_id
        uint64_t oldest_seq
        uint64_t durable_seq

    ctypedef struct rsx_replay_unavailable_t:
        uint8_t version
        uint8_t header_flags
        uint16_t type
        uint16_t length
        uint16_t stream
        uint32_t crc
        uint32_t epoch
        uint64_t seq
        uint64_t ts_ns
        uint64_t from_seq
        uint64_t exchange_id
        uint64_t oldest_seq
        uint64_t durable_seq
        uint16_t reason

    ctypedef struct rsx_caught_up_t:
        uint8_t version
        uint8_t header_flags
        uint16_t type
        uint16_t length
        uint16_t stream
        uint32_t crc
        uint32_t epoch
        uint64_t seq
        uint64_t ts_ns
        uint64_t live_seq

    ctypedef struct rsx_log_tip_t:
        uint8_t version
        uint8_t header_flags
        uint16_t type
        uint16_t length
        uint16_t stream
        uint32_t crc
        uint32_t epoch
        uint64_t seq
        uint64_t ts_ns
        uint64_t durable_seq

    ctypedef struct rsx_consumer_tip_t:
        uint8_t version
        uint8_t header_flags
        uint16_t type
        uint16_t length
        uint16_t stream
        uint32_t crc
        uint32_t epoch
        uint64_t seq
        uint64_t ts_ns
        uint64_t tip_seq

    int rsx_is_durable(uint16_t type) noexcept
    void rsx_record_init(void *slot, uint16_t type, uint16_t stream) noexcept
    void rsx_record_copy(void *target, const void *source) noexcept
