/* Generated from rsx/records.py and rsx/errors.py; do not edit. */
#ifndef RSX_RECORDS_H
#define RSX_RECORDS_H
#include <stddef.h>
#include <stdint.h>

enum { RSX_VERSION = 4, RSX_RECORD_SIZE = 128, RSX_HEADER_SIZE = 16 };
#define RSX_FUND_USER_BASE 0xffff0000u

enum rsx_constant {
    RSX_GROUP_END = 1,
    RSX_POST_ONLY = 1,
    RSX_REDUCE_ONLY = 2,
    RSX_RESTS = 4,
    RSX_REPRICE = 8,
    RSX_ON_DISCONNECT = 16,
    RSX_LAST_PRICE = 32,
    RSX_KEPT = 64,
    RSX_HEDGE = 128,
    RSX_BUY = 0,
    RSX_SELL = 1,
    RSX_GTC = 0,
    RSX_IOC = 1,
    RSX_FOK = 2,
    RSX_GTD = 3,
    RSX_LIMIT = 0,
    RSX_MARKET = 1,
    RSX_STOP_MARKET = 2,
    RSX_STOP_LIMIT = 3,
    RSX_TAKE_PROFIT_MARKET = 4,
    RSX_TAKE_PROFIT_LIMIT = 5,
    RSX_TRAILING_STOP = 6,
    RSX_LIQUIDATION = 7,
    RSX_STP_NONE = 0,
    RSX_STP_NEWEST = 1,
    RSX_STP_OLDEST = 2,
    RSX_STP_BOTH = 3,
    RSX_STP_DEFAULT = 4,
    RSX_MODE_OPEN = 0,
    RSX_MODE_POST_ONLY = 1,
    RSX_MODE_CANCEL_ONLY = 2,
    RSX_MODE_HALT = 3,
    RSX_STATUS_FILLED = 0,
    RSX_STATUS_RESTING = 1,
    RSX_STATUS_CANCELLED = 2,
    RSX_STATUS_REJECTED = 3,
    RSX_STATUS_PENDING = 4,
    RSX_STATUS_WAITING = 5,
    RSX_MARGIN_CROSS = 0,
    RSX_MARGIN_ISOLATED = 1,
    RSX_POSITION_ONE_WAY = 0,
    RSX_POSITION_HEDGE = 1,
    RSX_LEG_LONG = 0,
    RSX_LEG_SHORT = 1,
    RSX_STAGE_NONE = 0,
    RSX_STAGE_STARTED = 1,
    RSX_STAGE_ORDERED = 2,
    RSX_STAGE_RECOVERED = 3,
    RSX_STAGE_BANKRUPT = 4,
    RSX_STAGE_CLOSED = 5,
    RSX_TRANSFER_TAKEOVER = 0,
    RSX_TRANSFER_ADL = 1,
    RSX_ADL_QUEUE = 0,
    RSX_ADL_PRO_RATA = 1,
    RSX_ADL_RISK_WEIGHTED = 2,
    RSX_MARK_LIVE = 0,
    RSX_MARK_STALE = 1,
    RSX_BRACKETS_MAX = 5,
    RSX_VIRTUAL_SHARDS = 4096,
};

enum rsx_reason {
    RSX_R_NONE = 0,
    RSX_R_INVALID_UTF8 = 1001,
    RSX_R_MALFORMED = 1002,
    RSX_R_TOO_MANY_PENDING = 1003,
    RSX_R_UNEXPECTED_FRAME = 1004,
    RSX_R_ORDER_NOT_FOUND = 1005,
    RSX_R_RATE_LIMITED = 1006,
    RSX_R_UNKNOWN_SYMBOL = 1007,
    RSX_R_PRICE_OFF_TICK = 1008,
    RSX_R_QTY_OFF_LOT = 1009,
    RSX_R_CLIENT_ID_INVALID = 1010,
    RSX_R_OVERLOADED = 1011,
    RSX_R_BINARY_FRAME = 1012,
    RSX_R_FRAME_TOO_LARGE = 1013,
    RSX_R_INVALID_VALUE = 1014,
    RSX_R_PRICE_OUT_OF_RANGE = 1015,
    RSX_R_QTY_OUT_OF_RANGE = 1016,
    RSX_R_NOTIONAL_TOO_LARGE = 1017,
    RSX_R_FLAGS_CONTRADICT = 1018,
    RSX_R_SLOW_READER = 1019,
    RSX_R_TOO_MANY_SUBSCRIPTIONS = 1020,
    RSX_R_NO_ANSWER = 1021,
    RSX_R_TOO_MANY_CONNECTIONS = 1022,
    RSX_R_IDLE = 1023,
    RSX_R_NOT_FOUND = 1024,
    RSX_R_BATCH_TOO_LARGE = 1025,
    RSX_R_EXPIRY_INVALID = 1026,
    RSX_R_TRIGGER_INVALID = 1027,
    RSX_R_NOTHING_TO_AMEND = 1028,
    RSX_R_CONFIG_INVALID = 1029,
    RSX_R_CONFIG_PENDING = 1030,
    RSX_R_POSITION_SIDE_INVALID = 1031,
    RSX_R_INSUFFICIENT_MARGIN = 2001,
    RSX_R_MARK_UNAVAILABLE = 2002,
    RSX_R_TOO_MANY_ACCOUNTS = 2003,
    RSX_R_AMOUNT_INVALID = 2004,
    RSX_R_BALANCE_LIMIT = 2005,
    RSX_R_TOO_MANY_POSITIONS = 2006,
    RSX_R_NO_ACCOUNT = 2007,
    RSX_R_LEVERAGE_INVALID = 2008,
    RSX_R_MODE_LOCKED = 2009,
    RSX_R_POSITION_MODE_MISMATCH = 2010,
    RSX_R_IN_LIQUIDATION = 2011,
    RSX_R_WITHDRAWAL_TOO_LARGE = 2012,
    RSX_R_NOT_ISOLATED = 2013,
    RSX_R_MARGIN_REMOVAL_TOO_LARGE = 2014,
    RSX_R_DUPLICATE_CLIENT_ID = 3001,
    RSX_R_POST_ONLY_WOULD_CROSS = 3002,
    RSX_R_FOK_NOT_FILLABLE = 3003,
    RSX_R_REDUCE_ONLY_NO_POSITION = 3004,
    RSX_R_BOOK_FULL = 3005,
    RSX_R_TOO_MANY_OPEN_ORDERS = 3006,
    RSX_R_ORDER_NOT_OPEN = 3007,
    RSX_R_ORDER_INVALID = 3008,
    RSX_R_NOTIONAL_TOO_SMALL = 3009,
    RSX_R_OUTSIDE_PRICE_BAND = 3010,
    RSX_R_CANCEL_ONLY = 3011,
    RSX_R_HALTED = 3012,
    RSX_R_POST_ONLY_MODE = 3013,
    RSX_R_TRIGGER_WRONG_SIDE = 3014,
    RSX_R_TOO_MANY_TRIGGERS = 3015,
    RSX_R_EXPIRY_PASSED = 3016,
    RSX_R_ORDER_DONE = 3017,
    RSX_R_TRIGGER_NOT_AMENDED = 3018,
    RSX_R_USER_CANCEL = 3101,
    RSX_R_IOC_REMAINDER = 3102,
    RSX_R_REDUCE_ONLY_EXCESS = 3103,
    RSX_R_RESTART = 3104,
    RSX_R_EXPIRED = 3105,
    RSX_R_SELF_TRADE = 3106,
    RSX_R_DISCONNECTED = 3107,
    RSX_R_DEAD_MAN = 3108,
    RSX_R_AMENDED_AWAY = 3109,
    RSX_R_CANCEL_ALL = 3110,
    RSX_R_ADMIN_CANCEL = 3111,
    RSX_R_LIQUIDATION = 3112,
    RSX_R_DELEVERAGED = 3113,
    RSX_R_TOKEN_MISSING = 4001,
    RSX_R_TOKEN_INVALID = 4002,
    RSX_R_TOKEN_EXPIRED = 4003,
    RSX_R_FORBIDDEN = 4004,
    RSX_R_INTERNAL = 9001,
    RSX_R_STOPPING = 9002,
};

enum rsx_type {
    RSX_ORDER_REQUEST = 1,
    RSX_CANCEL_REQUEST = 2,
    RSX_ORDER_NEW = 3,
    RSX_ORDER_CANCEL = 4,
    RSX_DEPOSIT_REQUEST = 5,
    RSX_ACCOUNT_QUERY = 6,
    RSX_MARK_UPDATE = 7,
    RSX_TRIGGER_REQUEST = 8,
    RSX_AMEND_REQUEST = 9,
    RSX_ORDER_AMEND = 10,
    RSX_CANCEL_ALL_REQUEST = 11,
    RSX_ORDER_CANCEL_ALL = 12,
    RSX_MODE_REQUEST = 13,
    RSX_TRIGGER_REFUSED = 14,
    RSX_ACCOUNT_CONFIG_REQUEST = 15,
    RSX_WITHDRAW_REQUEST = 19,
    RSX_MARGIN_CONFIG_REQUEST = 20,
    RSX_MARGIN_TRANSFER_REQUEST = 21,
    RSX_POSITION_TRANSFER = 22,
    RSX_DIGEST_REQUEST = 26,
    RSX_BBO_UPDATE = 23,
    RSX_REQUEST_REJECTED = 16,
    RSX_ACCOUNT_STATE = 17,
    RSX_POSITION_STATE = 18,
    RSX_POSITION_RISK = 24,
    RSX_MARGIN_CALL = 25,
    RSX_ORDER_ACCEPTED = 32,
    RSX_FILL = 33,
    RSX_ORDER_RESTED = 34,
    RSX_ORDER_CANCELLED = 35,
    RSX_ORDER_REJECTED = 36,
    RSX_ORDER_REDUCED = 37,
    RSX_CANCEL_REJECTED = 38,
    RSX_ORDER_DUPLICATE = 39,
    RSX_DEPOSIT = 40,
    RSX_MARK_PRICE = 41,
    RSX_SYMBOL_CONFIG = 42,
    RSX_LOG_STARTED = 43,
    RSX_SEGMENT_STARTED = 44,
    RSX_SYMBOL_LIMITS = 45,
    RSX_ORDER_AMENDED = 46,
    RSX_AMEND_REJECTED = 47,
    RSX_TRIGGER_PLACED = 48,
    RSX_TRIGGER_FIRED = 49,
    RSX_TRIGGER_CANCELLED = 50,
    RSX_TRADING_MODE = 51,
    RSX_ACCOUNT_CONFIG = 52,
    RSX_ORDER_RELEASED = 53,
    RSX_CANCEL_ALL_DONE = 54,
    RSX_TRIGGER_REJECTED = 55,
    RSX_WITHDRAWAL = 56,
    RSX_MARGIN_CONFIG = 57,
    RSX_MARGIN_TRANSFERRED = 58,
    RSX_FUNDING_SETTLED = 59,
    RSX_FUNDING_PAYMENT = 60,
    RSX_FUNDING_DONE = 61,
    RSX_LIQUIDATION_STEP = 62,
    RSX_POSITION_TRANSFERRED = 63,
    RSX_LIQUIDATION_SETTLED = 67,
    RSX_SYMBOL_RISK = 68,
    RSX_SYMBOL_BRACKETS = 69,
    RSX_SYNC_REQUEST = 64,
    RSX_SYNC_DONE = 65,
    RSX_SEGMENT_READY = 66,
    RSX_ENGINE_DIGEST = 70,
    RSX_LEDGER_MARK = 71,
    RSX_LEDGER_DIGEST = 72,
    RSX_LOG_SYNCED = 73,
    RSX_LOG_PRUNE = 74,
    RSX_REPLAY_REQUEST = 80,
    RSX_REPLAY_BEGUN = 81,
    RSX_REPLAY_UNAVAILABLE = 82,
    RSX_CAUGHT_UP = 83,
    RSX_LOG_TIP = 84,
    RSX_CONSUMER_TIP = 85,
};

typedef struct {
    uint8_t version;
    uint8_t header_flags;
    uint16_t type;
    uint16_t length;
    uint16_t stream;
    uint32_t crc;
    uint32_t epoch;
    uint64_t seq;
    uint64_t ts_ns;
    uint8_t rest[96];
} rsx_record_t;
_Static_assert(sizeof(rsx_record_t) == 128, "rsx_record_t");

typedef struct {
    uint8_t version;
    uint8_t header_flags;
    uint16_t type;
    uint16_t length;
    uint16_t stream;
    uint32_t crc;
    uint32_t epoch;
    uint64_t seq;
    uint64_t ts_ns;
    uint64_t oid;
    int64_t px;
    int64_t qty;
    uint64_t received_ns;
    uint32_t expire_s;
    uint32_t user_id;
    uint16_t symbol_id;
    uint8_t kind;
    uint8_t stp;
    uint8_t side;
    uint8_t tif;
    uint8_t flags;
    uint8_t cid_len;
    uint8_t cid[36];
    uint8_t padding[12];
} rsx_order_request_t;
_Static_assert(sizeof(rsx_order_request_t) == 128, "rsx_order_request_t size");
_Static_assert(offsetof(rsx_order_request_t, seq) == 16, "ORDER_REQUEST.seq");
_Static_assert(offsetof(rsx_order_request_t, ts_ns) == 24, "ORDER_REQUEST.ts_ns");
_Static_assert(offsetof(rsx_order_request_t, oid) == 32, "ORDER_REQUEST.oid");
_Static_assert(offsetof(rsx_order_request_t, px) == 40, "ORDER_REQUEST.px");
_Static_assert(offsetof(rsx_order_request_t, qty) == 48, "ORDER_REQUEST.qty");
_Static_assert(offsetof(rsx_order_request_t, received_ns) == 56, "ORDER_REQUEST.received_ns");
_Static_assert(offsetof(rsx_order_request_t, expire_s) == 64, "ORDER_REQUEST.expire_s");
_Static_assert(offsetof(rsx_order_request_t, user_id) == 68, "ORDER_REQUEST.user_id");
_Static_assert(offsetof(rsx_order_request_t, symbol_id) == 72, "ORDER_REQUEST.symbol_id");
_Static_assert(offsetof(rsx_order_request_t, kind) == 74, "ORDER_REQUEST.kind");
_Static_assert(offsetof(rsx_order_request_t, stp) == 75, "ORDER_REQUEST.stp");
_Static_assert(offsetof(rsx_order_request_t, side) == 76, "ORDER_REQUEST.side");
_Static_assert(offsetof(rsx_order_request_t, tif) == 77, "ORDER_REQUEST.tif");
_Static_assert(offsetof(rsx_order_request_t, flags) == 78, "ORDER_REQUEST.flags");
_Static_assert(offsetof(rsx_order_request_t, cid_len) == 79, "ORDER_REQUEST.cid_len");
_Static_assert(offsetof(rsx_order_request_t, cid) == 80, "ORDER_REQUEST.cid");

typedef struct {
    uint8_t version;
    uint8_t header_flags;
    uint16_t type;
    uint16_t length;
    uint16_t stream;
    uint32_t crc;
    uint32_t epoch;
    uint64_t seq;
    uint64_t ts_ns;
    uint64_t oid;
    uint64_t request_id;
    uint32_t user_id;
    uint32_t symbol_id;
    uint16_t reason;
    uint8_t pad0;
    uint8_t cid_len;
    uint8_t cid[36];
    uint8_t padding[32];
} rsx_cancel_request_t;
_Static_assert(sizeof(rsx_cancel_request_t) == 128, "rsx_cancel_request_t size");
_Static_assert(offsetof(rsx_cancel_request_t, seq) == 16, "CANCEL_REQUEST.seq");
_Static_assert(offsetof(rsx_cancel_request_t, ts_ns) == 24, "CANCEL_REQUEST.ts_ns");
_Static_assert(offsetof(rsx_cancel_request_t, oid) == 32, "CANCEL_REQUEST.oid");
_Static_assert(offsetof(rsx_cancel_request_t, request_id) == 40, "CANCEL_REQUEST.request_id");
_Static_assert(offsetof(rsx_cancel_request_t, user_id) == 48, "CANCEL_REQUEST.user_id");
_Static_assert(offsetof(rsx_cancel_request_t, symbol_id) == 52, "CANCEL_REQUEST.symbol_id");
_Static_assert(offsetof(rsx_cancel_request_t, reason) == 56, "CANCEL_REQUEST.reason");
_Static_assert(offsetof(rsx_cancel_request_t, pad0) == 58, "CANCEL_REQUEST.pad0");
_Static_assert(offsetof(rsx_cancel_request_t, cid_len) == 59, "CANCEL_REQUEST.cid_len");
_Static_assert(offsetof(rsx_cancel_request_t, cid) == 60, "CANCEL_REQUEST.cid");

typedef struct {
    uint8_t version;
    uint8_t header_flags;
    uint16_t type;
    uint16_t length;
    uint16_t stream;
    uint32_t crc;
    uint32_t epoch;
    uint64_t seq;
    uint64_t ts_ns;
    uint64_t oid;
    int64_t px;
    int64_t qty;
    int64_t reserved;
    uint64_t received_ns;
    uint32_t owner_group;
    uint32_t expire_s;
    uint32_t user_id;
    uint16_t symbol_id;
    uint8_t kind;
    uint8_t stp;
    uint8_t side;
    uint8_t tif;
    uint8_t flags;
    uint8_t cid_len;
    uint8_t cid[36];
} rsx_order_new_t;
_Static_assert(sizeof(rsx_order_new_t) == 128, "rsx_order_new_t size");
_Static_assert(offsetof(rsx_order_new_t, seq) == 16, "ORDER_NEW.seq");
_Static_assert(offsetof(rsx_order_new_t, ts_ns) == 24, "ORDER_NEW.ts_ns");
_Static_assert(offsetof(rsx_order_new_t, oid) == 32, "ORDER_NEW.oid");
_Static_assert(offsetof(rsx_order_new_t, px) == 40, "ORDER_NEW.px");
_Static_assert(offsetof(rsx_order_new_t, qty) == 48, "ORDER_NEW.qty");
_Static_assert(offsetof(rsx_order_new_t, reserved) == 56, "ORDER_NEW.reserved");
_Static_assert(offsetof(rsx_order_new_t, received_ns) == 64, "ORDER_NEW.received_ns");
_Static_assert(offsetof(rsx_order_new_t, owner_group) == 72, "ORDER_NEW.owner_group");
_Static_assert(offsetof(rsx_order_new_t, expire_s) == 76, "ORDER_NEW.expire_s");
_Static_assert(offsetof(rsx_order_new_t, user_id) == 80, "ORDER_NEW.user_id");
_Static_assert(offsetof(rsx_order_new_t, symbol_id) == 84, "ORDER_NEW.symbol_id");
_Static_assert(offsetof(rsx_order_new_t, kind) == 86, "ORDER_NEW.kind");
_Static_assert(offsetof(rsx_order_new_t, stp) == 87, "ORDER_NEW.stp");
_Static_assert(offsetof(rsx_order_new_t, side) == 88, "ORDER_NEW.side");
_Static_assert(offsetof(rsx_order_new_t, tif) == 89, "ORDER_NEW.tif");
_Static_assert(offsetof(rsx_order_new_t, flags) == 90, "ORDER_NEW.flags");
_Static_assert(offsetof(rsx_order_new_t, cid_len) == 91, "ORDER_NEW.cid_len");
_Static_assert(offsetof(rsx_order_new_t, cid) == 92, "ORDER_NEW.cid");

typedef struct {
    uint8_t version;
    uint8_t header_flags;
    uint16_t type;
    uint16_t length;
    uint16_t stream;
    uint32_t crc;
    uint32_t epoch;
    uint64_t seq;
    uint64_t ts_ns;
    uint64_t oid;
    uint64_t request_id;
    uint32_t user_id;
    uint32_t symbol_id;
    uint16_t reason;
    uint8_t pad0;
    uint8_t cid_len;
    uint8_t cid[36];
    uint8_t padding[32];
} rsx_order_cancel_t;
_Static_assert(sizeof(rsx_order_cancel_t) == 128, "rsx_order_cancel_t size");
_Static_assert(offsetof(rsx_order_cancel_t, seq) == 16, "ORDER_CANCEL.seq");
_Static_assert(offsetof(rsx_order_cancel_t, ts_ns) == 24, "ORDER_CANCEL.ts_ns");
_Static_assert(offsetof(rsx_order_cancel_t, oid) == 32, "ORDER_CANCEL.oid");
_Static_assert(offsetof(rsx_order_cancel_t, request_id) == 40, "ORDER_CANCEL.request_id");
_Static_assert(offsetof(rsx_order_cancel_t, user_id) == 48, "ORDER_CANCEL.user_id");
_Static_assert(offsetof(rsx_order_cancel_t, symbol_id) == 52, "ORDER_CANCEL.symbol_id");
_Static_assert(offsetof(rsx_order_cancel_t, reason) == 56, "ORDER_CANCEL.reason");
_Static_assert(offsetof(rsx_order_cancel_t, pad0) == 58, "ORDER_CANCEL.pad0");
_Static_assert(offsetof(rsx_order_cancel_t, cid_len) == 59, "ORDER_CANCEL.cid_len");
_Static_assert(offsetof(rsx_order_cancel_t, cid) == 60, "ORDER_CANCEL.cid");

typedef struct {
    uint8_t version;
    uint8_t header_flags;
    uint16_t type;
    uint16_t length;
    uint16_t stream;
    uint32_t crc;
    uint32_t epoch;
    uint64_t seq;
    uint64_t ts_ns;
    uint64_t request_id;
    int64_t amount;
    uint32_t user_id;
    uint8_t padding[76];
} rsx_deposit_request_t;
_Static_assert(sizeof(rsx_deposit_request_t) == 128, "rsx_deposit_request_t size");
_Static_assert(offsetof(rsx_deposit_request_t, seq) == 16, "DEPOSIT_REQUEST.seq");
_Static_assert(offsetof(rsx_deposit_request_t, ts_ns) == 24, "DEPOSIT_REQUEST.ts_ns");
_Static_assert(offsetof(rsx_deposit_request_t, request_id) == 32, "DEPOSIT_REQUEST.request_id");
_Static_assert(offsetof(rsx_deposit_request_t, amount) == 40, "DEPOSIT_REQUEST.amount");
_Static_assert(offsetof(rsx_deposit_request_t, user_id) == 48, "DEPOSIT_REQUEST.user_id");

typedef struct {
    uint8_t version;
    uint8_t header_flags;
    uint16_t type;
    uint16_t length;
    uint16_t stream;
    uint32_t crc;
    uint32_t epoch;
    uint64_t seq;
    uint64_t ts_ns;
    uint64_t request_id;
    uint32_t user_id;
    uint8_t padding[84];
} rsx_account_query_t;
_Static_assert(sizeof(rsx_account_query_t) == 128, "rsx_account_query_t size");
_Static_assert(offsetof(rsx_account_query_t, seq) == 16, "ACCOUNT_QUERY.seq");
_Static_assert(offsetof(rsx_account_query_t, ts_ns) == 24, "ACCOUNT_QUERY.ts_ns");
_Static_assert(offsetof(rsx_account_query_t, request_id) == 32, "ACCOUNT_QUERY.request_id");
_Static_assert(offsetof(rsx_account_query_t, user_id) == 40, "ACCOUNT_QUERY.user_id");

typedef struct {
    uint8_t version;
    uint8_t header_flags;
    uint16_t type;
    uint16_t length;
    uint16_t stream;
    uint32_t crc;
    uint32_t epoch;
    uint64_t seq;
    uint64_t ts_ns;
    int64_t mark_px;
    int64_t index_px;
    int64_t open_interest;
    int64_t rate_ppb;
    uint64_t source_ns;
    uint32_t symbol_id;
    uint32_t next_funding_s;
    uint16_t sources;
    uint8_t state;
    uint8_t padding[45];
} rsx_mark_update_t;
_Static_assert(sizeof(rsx_mark_update_t) == 128, "rsx_mark_update_t size");
_Static_assert(offsetof(rsx_mark_update_t, seq) == 16, "MARK_UPDATE.seq");
_Static_assert(offsetof(rsx_mark_update_t, ts_ns) == 24, "MARK_UPDATE.ts_ns");
_Static_assert(offsetof(rsx_mark_update_t, mark_px) == 32, "MARK_UPDATE.mark_px");
_Static_assert(offsetof(rsx_mark_update_t, index_px) == 40, "MARK_UPDATE.index_px");
_Static_assert(offsetof(rsx_mark_update_t, open_interest) == 48, "MARK_UPDATE.open_interest");
_Static_assert(offsetof(rsx_mark_update_t, rate_ppb) == 56, "MARK_UPDATE.rate_ppb");
_Static_assert(offsetof(rsx_mark_update_t, source_ns) == 64, "MARK_UPDATE.source_ns");
_Static_assert(offsetof(rsx_mark_update_t, symbol_id) == 72, "MARK_UPDATE.symbol_id");
_Static_assert(offsetof(rsx_mark_update_t, next_funding_s) == 76, "MARK_UPDATE.next_funding_s");
_Static_assert(offsetof(rsx_mark_update_t, sources) == 80, "MARK_UPDATE.sources");
_Static_assert(offsetof(rsx_mark_update_t, state) == 82, "MARK_UPDATE.state");

typedef struct {
    uint8_t version;
    uint8_t header_flags;
    uint16_t type;
    uint16_t length;
    uint16_t stream;
    uint32_t crc;
    uint32_t epoch;
    uint64_t seq;
    uint64_t ts_ns;
    uint64_t oid;
    int64_t px;
    int64_t qty;
    int64_t trigger_px;
    int64_t trail_px;
    uint32_t trail_ppm;
    uint32_t expire_s;
    uint32_t user_id;
    uint16_t symbol_id;
    uint8_t kind;
    uint8_t stp;
    uint8_t side;
    uint8_t tif;
    uint8_t flags;
    uint8_t cid_len;
    uint8_t cid[36];
} rsx_trigger_request_t;
_Static_assert(sizeof(rsx_trigger_request_t) == 128, "rsx_trigger_request_t size");
_Static_assert(offsetof(rsx_trigger_request_t, seq) == 16, "TRIGGER_REQUEST.seq");
_Static_assert(offsetof(rsx_trigger_request_t, ts_ns) == 24, "TRIGGER_REQUEST.ts_ns");
_Static_assert(offsetof(rsx_trigger_request_t, oid) == 32, "TRIGGER_REQUEST.oid");
_Static_assert(offsetof(rsx_trigger_request_t, px) == 40, "TRIGGER_REQUEST.px");
_Static_assert(offsetof(rsx_trigger_request_t, qty) == 48, "TRIGGER_REQUEST.qty");
_Static_assert(offsetof(rsx_trigger_request_t, trigger_px) == 56, "TRIGGER_REQUEST.trigger_px");
_Static_assert(offsetof(rsx_trigger_request_t, trail_px) == 64, "TRIGGER_REQUEST.trail_px");
_Static_assert(offsetof(rsx_trigger_request_t, trail_ppm) == 72, "TRIGGER_REQUEST.trail_ppm");
_Static_assert(offsetof(rsx_trigger_request_t, expire_s) == 76, "TRIGGER_REQUEST.expire_s");
_Static_assert(offsetof(rsx_trigger_request_t, user_id) == 80, "TRIGGER_REQUEST.user_id");
_Static_assert(offsetof(rsx_trigger_request_t, symbol_id) == 84, "TRIGGER_REQUEST.symbol_id");
_Static_assert(offsetof(rsx_trigger_request_t, kind) == 86, "TRIGGER_REQUEST.kind");
_Static_assert(offsetof(rsx_trigger_request_t, stp) == 87, "TRIGGER_REQUEST.stp");
_Static_assert(offsetof(rsx_trigger_request_t, side) == 88, "TRIGGER_REQUEST.side");
_Static_assert(offsetof(rsx_trigger_request_t, tif) == 89, "TRIGGER_REQUEST.tif");
_Static_assert(offsetof(rsx_trigger_request_t, flags) == 90, "TRIGGER_REQUEST.flags");
_Static_assert(offsetof(rsx_trigger_request_t, cid_len) == 91, "TRIGGER_REQUEST.cid_len");
_Static_assert(offsetof(rsx_trigger_request_t, cid) == 92, "TRIGGER_REQUEST.cid");

typedef struct {
    uint8_t version;
    uint8_t header_flags;
    uint16_t type;
    uint16_t length;
    uint16_t stream;
    uint32_t crc;
    uint32_t epoch;
    uint64_t seq;
    uint64_t ts_ns;
    uint64_t oid;
    int64_t px;
    int64_t qty;
    uint64_t request_id;
    uint32_t user_id;
    uint32_t symbol_id;
    uint8_t side;
    uint8_t flags;
    uint8_t padding[54];
} rsx_amend_request_t;
_Static_assert(sizeof(rsx_amend_request_t) == 128, "rsx_amend_request_t size");
_Static_assert(offsetof(rsx_amend_request_t, seq) == 16, "AMEND_REQUEST.seq");
_Static_assert(offsetof(rsx_amend_request_t, ts_ns) == 24, "AMEND_REQUEST.ts_ns");
_Static_assert(offsetof(rsx_amend_request_t, oid) == 32, "AMEND_REQUEST.oid");
_Static_assert(offsetof(rsx_amend_request_t, px) == 40, "AMEND_REQUEST.px");
_Static_assert(offsetof(rsx_amend_request_t, qty) == 48, "AMEND_REQUEST.qty");
_Static_assert(offsetof(rsx_amend_request_t, request_id) == 56, "AMEND_REQUEST.request_id");
_Static_assert(offsetof(rsx_amend_request_t, user_id) == 64, "AMEND_REQUEST.user_id");
_Static_assert(offsetof(rsx_amend_request_t, symbol_id) == 68, "AMEND_REQUEST.symbol_id");
_Static_assert(offsetof(rsx_amend_request_t, side) == 72, "AMEND_REQUEST.side");
_Static_assert(offsetof(rsx_amend_request_t, flags) == 73, "AMEND_REQUEST.flags");

typedef struct {
    uint8_t version;
    uint8_t header_flags;
    uint16_t type;
    uint16_t length;
    uint16_t stream;
    uint32_t crc;
    uint32_t epoch;
    uint64_t seq;
    uint64_t ts_ns;
    uint64_t oid;
    int64_t px;
    int64_t qty;
    uint64_t request_id;
    int64_t reserved;
    int64_t assumed;
    int64_t extra;
    int64_t extra_qty;
    uint32_t user_id;
    uint32_t symbol_id;
    uint8_t side;
    uint8_t flags;
    uint8_t padding[22];
} rsx_order_amend_t;
_Static_assert(sizeof(rsx_order_amend_t) == 128, "rsx_order_amend_t size");
_Static_assert(offsetof(rsx_order_amend_t, seq) == 16, "ORDER_AMEND.seq");
_Static_assert(offsetof(rsx_order_amend_t, ts_ns) == 24, "ORDER_AMEND.ts_ns");
_Static_assert(offsetof(rsx_order_amend_t, oid) == 32, "ORDER_AMEND.oid");
_Static_assert(offsetof(rsx_order_amend_t, px) == 40, "ORDER_AMEND.px");
_Static_assert(offsetof(rsx_order_amend_t, qty) == 48, "ORDER_AMEND.qty");
_Static_assert(offsetof(rsx_order_amend_t, request_id) == 56, "ORDER_AMEND.request_id");
_Static_assert(offsetof(rsx_order_amend_t, reserved) == 64, "ORDER_AMEND.reserved");
_Static_assert(offsetof(rsx_order_amend_t, assumed) == 72, "ORDER_AMEND.assumed");
_Static_assert(offsetof(rsx_order_amend_t, extra) == 80, "ORDER_AMEND.extra");
_Static_assert(offsetof(rsx_order_amend_t, extra_qty) == 88, "ORDER_AMEND.extra_qty");
_Static_assert(offsetof(rsx_order_amend_t, user_id) == 96, "ORDER_AMEND.user_id");
_Static_assert(offsetof(rsx_order_amend_t, symbol_id) == 100, "ORDER_AMEND.symbol_id");
_Static_assert(offsetof(rsx_order_amend_t, side) == 104, "ORDER_AMEND.side");
_Static_assert(offsetof(rsx_order_amend_t, flags) == 105, "ORDER_AMEND.flags");

typedef struct {
    uint8_t version;
    uint8_t header_flags;
    uint16_t type;
    uint16_t length;
    uint16_t stream;
    uint32_t crc;
    uint32_t epoch;
    uint64_t seq;
    uint64_t ts_ns;
    uint64_t request_id;
    uint32_t user_id;
    uint32_t symbol_id;
    uint16_t reason;
    uint8_t scope;
    uint8_t sides;
    uint8_t padding[76];
} rsx_cancel_all_request_t;
_Static_assert(sizeof(rsx_cancel_all_request_t) == 128, "rsx_cancel_all_request_t size");
_Static_assert(offsetof(rsx_cancel_all_request_t, seq) == 16, "CANCEL_ALL_REQUEST.seq");
_Static_assert(offsetof(rsx_cancel_all_request_t, ts_ns) == 24, "CANCEL_ALL_REQUEST.ts_ns");
_Static_assert(offsetof(rsx_cancel_all_request_t, request_id) == 32, "CANCEL_ALL_REQUEST.request_id");
_Static_assert(offsetof(rsx_cancel_all_request_t, user_id) == 40, "CANCEL_ALL_REQUEST.user_id");
_Static_assert(offsetof(rsx_cancel_all_request_t, symbol_id) == 44, "CANCEL_ALL_REQUEST.symbol_id");
_Static_assert(offsetof(rsx_cancel_all_request_t, reason) == 48, "CANCEL_ALL_REQUEST.reason");
_Static_assert(offsetof(rsx_cancel_all_request_t, scope) == 50, "CANCEL_ALL_REQUEST.scope");
_Static_assert(offsetof(rsx_cancel_all_request_t, sides) == 51, "CANCEL_ALL_REQUEST.sides");

typedef struct {
    uint8_t version;
    uint8_t header_flags;
    uint16_t type;
    uint16_t length;
    uint16_t stream;
    uint32_t crc;
    uint32_t epoch;
    uint64_t seq;
    uint64_t ts_ns;
    uint64_t request_id;
    uint32_t user_id;
    uint32_t symbol_id;
    uint16_t reason;
    uint8_t scope;
    uint8_t sides;
    uint8_t padding[76];
} rsx_order_cancel_all_t;
_Static_assert(sizeof(rsx_order_cancel_all_t) == 128, "rsx_order_cancel_all_t size");
_Static_assert(offsetof(rsx_order_cancel_all_t, seq) == 16, "ORDER_CANCEL_ALL.seq");
_Static_assert(offsetof(rsx_order_cancel_all_t, ts_ns) == 24, "ORDER_CANCEL_ALL.ts_ns");
_Static_assert(offsetof(rsx_order_cancel_all_t, request_id) == 32, "ORDER_CANCEL_ALL.request_id");
_Static_assert(offsetof(rsx_order_cancel_all_t, user_id) == 40, "ORDER_CANCEL_ALL.user_id");
_Static_assert(offsetof(rsx_order_cancel_all_t, symbol_id) == 44, "ORDER_CANCEL_ALL.symbol_id");
_Static_assert(offsetof(rsx_order_cancel_all_t, reason) == 48, "ORDER_CANCEL_ALL.reason");
_Static_assert(offsetof(rsx_order_cancel_all_t, scope) == 50, "ORDER_CANCEL_ALL.scope");
_Static_assert(offsetof(rsx_order_cancel_all_t, sides) == 51, "ORDER_CANCEL_ALL.sides");

typedef struct {
    uint8_t version;
    uint8_t header_flags;
    uint16_t type;
    uint16_t length;
    uint16_t stream;
    uint32_t crc;
    uint32_t epoch;
    uint64_t seq;
    uint64_t ts_ns;
    uint64_t request_id;
    uint32_t user_id;
    uint32_t symbol_id;
    uint8_t mode;
    uint8_t padding[79];
} rsx_mode_request_t;
_Static_assert(sizeof(rsx_mode_request_t) == 128, "rsx_mode_request_t size");
_Static_assert(offsetof(rsx_mode_request_t, seq) == 16, "MODE_REQUEST.seq");
_Static_assert(offsetof(rsx_mode_request_t, ts_ns) == 24, "MODE_REQUEST.ts_ns");
_Static_assert(offsetof(rsx_mode_request_t, request_id) == 32, "MODE_REQUEST.request_id");
_Static_assert(offsetof(rsx_mode_request_t, user_id) == 40, "MODE_REQUEST.user_id");
_Static_assert(offsetof(rsx_mode_request_t, symbol_id) == 44, "MODE_REQUEST.symbol_id");
_Static_assert(offsetof(rsx_mode_request_t, mode) == 48, "MODE_REQUEST.mode");

typedef struct {
    uint8_t version;
    uint8_t header_flags;
    uint16_t type;
    uint16_t length;
    uint16_t stream;
    uint32_t crc;
    uint32_t epoch;
    uint64_t seq;
    uint64_t ts_ns;
    uint64_t oid;
    uint32_t user_id;
    uint32_t symbol_id;
    uint16_t reason;
    uint8_t padding[78];
} rsx_trigger_refused_t;
_Static_assert(sizeof(rsx_trigger_refused_t) == 128, "rsx_trigger_refused_t size");
_Static_assert(offsetof(rsx_trigger_refused_t, seq) == 16, "TRIGGER_REFUSED.seq");
_Static_assert(offsetof(rsx_trigger_refused_t, ts_ns) == 24, "TRIGGER_REFUSED.ts_ns");
_Static_assert(offsetof(rsx_trigger_refused_t, oid) == 32, "TRIGGER_REFUSED.oid");
_Static_assert(offsetof(rsx_trigger_refused_t, user_id) == 40, "TRIGGER_REFUSED.user_id");
_Static_assert(offsetof(rsx_trigger_refused_t, symbol_id) == 44, "TRIGGER_REFUSED.symbol_id");
_Static_assert(offsetof(rsx_trigger_refused_t, reason) == 48, "TRIGGER_REFUSED.reason");

typedef struct {
    uint8_t version;
    uint8_t header_flags;
    uint16_t type;
    uint16_t length;
    uint16_t stream;
    uint32_t crc;
    uint32_t epoch;
    uint64_t seq;
    uint64_t ts_ns;
    uint64_t request_id;
    uint32_t user_id;
    uint32_t owner_group;
    uint8_t stp;
    uint8_t fields;
    uint8_t padding[78];
} rsx_account_config_request_t;
_Static_assert(sizeof(rsx_account_config_request_t) == 128, "rsx_account_config_request_t size");
_Static_assert(offsetof(rsx_account_config_request_t, seq) == 16, "ACCOUNT_CONFIG_REQUEST.seq");
_Static_assert(offsetof(rsx_account_config_request_t, ts_ns) == 24, "ACCOUNT_CONFIG_REQUEST.ts_ns");
_Static_assert(offsetof(rsx_account_config_request_t, request_id) == 32, "ACCOUNT_CONFIG_REQUEST.request_id");
_Static_assert(offsetof(rsx_account_config_request_t, user_id) == 40, "ACCOUNT_CONFIG_REQUEST.user_id");
_Static_assert(offsetof(rsx_account_config_request_t, owner_group) == 44, "ACCOUNT_CONFIG_REQUEST.owner_group");
_Static_assert(offsetof(rsx_account_config_request_t, stp) == 48, "ACCOUNT_CONFIG_REQUEST.stp");
_Static_assert(offsetof(rsx_account_config_request_t, fields) == 49, "ACCOUNT_CONFIG_REQUEST.fields");

typedef struct {
    uint8_t version;
    uint8_t header_flags;
    uint16_t type;
    uint16_t length;
    uint16_t stream;
    uint32_t crc;
    uint32_t epoch;
    uint64_t seq;
    uint64_t ts_ns;
    uint64_t request_id;
    int64_t amount;
    uint32_t user_id;
    uint8_t padding[76];
} rsx_withdraw_request_t;
_Static_assert(sizeof(rsx_withdraw_request_t) == 128, "rsx_withdraw_request_t size");
_Static_assert(offsetof(rsx_withdraw_request_t, seq) == 16, "WITHDRAW_REQUEST.seq");
_Static_assert(offsetof(rsx_withdraw_request_t, ts_ns) == 24, "WITHDRAW_REQUEST.ts_ns");
_Static_assert(offsetof(rsx_withdraw_request_t, request_id) == 32, "WITHDRAW_REQUEST.request_id");
_Static_assert(offsetof(rsx_withdraw_request_t, amount) == 40, "WITHDRAW_REQUEST.amount");
_Static_assert(offsetof(rsx_withdraw_request_t, user_id) == 48, "WITHDRAW_REQUEST.user_id");

typedef struct {
    uint8_t version;
    uint8_t header_flags;
    uint16_t type;
    uint16_t length;
    uint16_t stream;
    uint32_t crc;
    uint32_t epoch;
    uint64_t seq;
    uint64_t ts_ns;
    uint64_t request_id;
    uint32_t user_id;
    uint32_t symbol_id;
    uint16_t leverage;
    uint8_t margin_mode;
    uint8_t position_mode;
    uint8_t fields;
    uint8_t padding[75];
} rsx_margin_config_request_t;
_Static_assert(sizeof(rsx_margin_config_request_t) == 128, "rsx_margin_config_request_t size");
_Static_assert(offsetof(rsx_margin_config_request_t, seq) == 16, "MARGIN_CONFIG_REQUEST.seq");
_Static_assert(offsetof(rsx_margin_config_request_t, ts_ns) == 24, "MARGIN_CONFIG_REQUEST.ts_ns");
_Static_assert(offsetof(rsx_margin_config_request_t, request_id) == 32, "MARGIN_CONFIG_REQUEST.request_id");
_Static_assert(offsetof(rsx_margin_config_request_t, user_id) == 40, "MARGIN_CONFIG_REQUEST.user_id");
_Static_assert(offsetof(rsx_margin_config_request_t, symbol_id) == 44, "MARGIN_CONFIG_REQUEST.symbol_id");
_Static_assert(offsetof(rsx_margin_config_request_t, leverage) == 48, "MARGIN_CONFIG_REQUEST.leverage");
_Static_assert(offsetof(rsx_margin_config_request_t, margin_mode) == 50, "MARGIN_CONFIG_REQUEST.margin_mode");
_Static_assert(offsetof(rsx_margin_config_request_t, position_mode) == 51, "MARGIN_CONFIG_REQUEST.position_mode");
_Static_assert(offsetof(rsx_margin_config_request_t, fields) == 52, "MARGIN_CONFIG_REQUEST.fields");

typedef struct {
    uint8_t version;
    uint8_t header_flags;
    uint16_t type;
    uint16_t length;
    uint16_t stream;
    uint32_t crc;
    uint32_t epoch;
    uint64_t seq;
    uint64_t ts_ns;
    uint64_t request_id;
    int64_t amount;
    uint32_t user_id;
    uint32_t symbol_id;
    uint8_t leg;
    uint8_t padding[71];
} rsx_margin_transfer_request_t;
_Static_assert(sizeof(rsx_margin_transfer_request_t) == 128, "rsx_margin_transfer_request_t size");
_Static_assert(offsetof(rsx_margin_transfer_request_t, seq) == 16, "MARGIN_TRANSFER_REQUEST.seq");
_Static_assert(offsetof(rsx_margin_transfer_request_t, ts_ns) == 24, "MARGIN_TRANSFER_REQUEST.ts_ns");
_Static_assert(offsetof(rsx_margin_transfer_request_t, request_id) == 32, "MARGIN_TRANSFER_REQUEST.request_id");
_Static_assert(offsetof(rsx_margin_transfer_request_t, amount) == 40, "MARGIN_TRANSFER_REQUEST.amount");
_Static_assert(offsetof(rsx_margin_transfer_request_t, user_id) == 48, "MARGIN_TRANSFER_REQUEST.user_id");
_Static_assert(offsetof(rsx_margin_transfer_request_t, symbol_id) == 52, "MARGIN_TRANSFER_REQUEST.symbol_id");
_Static_assert(offsetof(rsx_margin_transfer_request_t, leg) == 56, "MARGIN_TRANSFER_REQUEST.leg");

typedef struct {
    uint8_t version;
    uint8_t header_flags;
    uint16_t type;
    uint16_t length;
    uint16_t stream;
    uint32_t crc;
    uint32_t epoch;
    uint64_t seq;
    uint64_t ts_ns;
    uint64_t transfer_id;
    int64_t qty;
    int64_t px;
    int64_t mark_px;
    int64_t score;
    uint32_t user_id;
    uint32_t counter_user_id;
    uint32_t symbol_id;
    uint8_t side;
    uint8_t kind;
    uint8_t user_flags;
    uint8_t counter_flags;
    uint8_t padding[40];
} rsx_position_transfer_t;
_Static_assert(sizeof(rsx_position_transfer_t) == 128, "rsx_position_transfer_t size");
_Static_assert(offsetof(rsx_position_transfer_t, seq) == 16, "POSITION_TRANSFER.seq");
_Static_assert(offsetof(rsx_position_transfer_t, ts_ns) == 24, "POSITION_TRANSFER.ts_ns");
_Static_assert(offsetof(rsx_position_transfer_t, transfer_id) == 32, "POSITION_TRANSFER.transfer_id");
_Static_assert(offsetof(rsx_position_transfer_t, qty) == 40, "POSITION_TRANSFER.qty");
_Static_assert(offsetof(rsx_position_transfer_t, px) == 48, "POSITION_TRANSFER.px");
_Static_assert(offsetof(rsx_position_transfer_t, mark_px) == 56, "POSITION_TRANSFER.mark_px");
_Static_assert(offsetof(rsx_position_transfer_t, score) == 64, "POSITION_TRANSFER.score");
_Static_assert(offsetof(rsx_position_transfer_t, user_id) == 72, "POSITION_TRANSFER.user_id");
_Static_assert(offsetof(rsx_position_transfer_t, counter_user_id) == 76, "POSITION_TRANSFER.counter_user_id");
_Static_assert(offsetof(rsx_position_transfer_t, symbol_id) == 80, "POSITION_TRANSFER.symbol_id");
_Static_assert(offsetof(rsx_position_transfer_t, side) == 84, "POSITION_TRANSFER.side");
_Static_assert(offsetof(rsx_position_transfer_t, kind) == 85, "POSITION_TRANSFER.kind");
_Static_assert(offsetof(rsx_position_transfer_t, user_flags) == 86, "POSITION_TRANSFER.user_flags");
_Static_assert(offsetof(rsx_position_transfer_t, counter_flags) == 87, "POSITION_TRANSFER.counter_flags");

typedef struct {
    uint8_t version;
    uint8_t header_flags;
    uint16_t type;
    uint16_t length;
    uint16_t stream;
    uint32_t crc;
    uint32_t epoch;
    uint64_t seq;
    uint64_t ts_ns;
    uint32_t symbol_id;
    uint32_t part;
    uint8_t padding[88];
} rsx_digest_request_t;
_Static_assert(sizeof(rsx_digest_request_t) == 128, "rsx_digest_request_t size");
_Static_assert(offsetof(rsx_digest_request_t, seq) == 16, "DIGEST_REQUEST.seq");
_Static_assert(offsetof(rsx_digest_request_t, ts_ns) == 24, "DIGEST_REQUEST.ts_ns");
_Static_assert(offsetof(rsx_digest_request_t, symbol_id) == 32, "DIGEST_REQUEST.symbol_id");
_Static_assert(offsetof(rsx_digest_request_t, part) == 36, "DIGEST_REQUEST.part");

typedef struct {
    uint8_t version;
    uint8_t header_flags;
    uint16_t type;
    uint16_t length;
    uint16_t stream;
    uint32_t crc;
    uint32_t epoch;
    uint64_t seq;
    uint64_t ts_ns;
    int64_t bid_px;
    int64_t bid_qty;
    int64_t ask_px;
    int64_t ask_qty;
    uint32_t symbol_id;
    uint8_t padding[60];
} rsx_bbo_update_t;
_Static_assert(sizeof(rsx_bbo_update_t) == 128, "rsx_bbo_update_t size");
_Static_assert(offsetof(rsx_bbo_update_t, seq) == 16, "BBO_UPDATE.seq");
_Static_assert(offsetof(rsx_bbo_update_t, ts_ns) == 24, "BBO_UPDATE.ts_ns");
_Static_assert(offsetof(rsx_bbo_update_t, bid_px) == 32, "BBO_UPDATE.bid_px");
_Static_assert(offsetof(rsx_bbo_update_t, bid_qty) == 40, "BBO_UPDATE.bid_qty");
_Static_assert(offsetof(rsx_bbo_update_t, ask_px) == 48, "BBO_UPDATE.ask_px");
_Static_assert(offsetof(rsx_bbo_update_t, ask_qty) == 56, "BBO_UPDATE.ask_qty");
_Static_assert(offsetof(rsx_bbo_update_t, symbol_id) == 64, "BBO_UPDATE.symbol_id");

typedef struct {
    uint8_t version;
    uint8_t header_flags;
    uint16_t type;
    uint16_t length;
    uint16_t stream;
    uint32_t crc;
    uint32_t epoch;
    uint64_t seq;
    uint64_t ts_ns;
    uint64_t oid;
    uint64_t request_id;
    int64_t required;
    int64_t available;
    uint32_t user_id;
    uint32_t symbol_id;
    uint16_t reason;
    uint8_t padding[54];
} rsx_request_rejected_t;
_Static_assert(sizeof(rsx_request_rejected_t) == 128, "rsx_request_rejected_t size");
_Static_assert(offsetof(rsx_request_rejected_t, seq) == 16, "REQUEST_REJECTED.seq");
_Static_assert(offsetof(rsx_request_rejected_t, ts_ns) == 24, "REQUEST_REJECTED.ts_ns");
_Static_assert(offsetof(rsx_request_rejected_t, oid) == 32, "REQUEST_REJECTED.oid");
_Static_assert(offsetof(rsx_request_rejected_t, request_id) == 40, "REQUEST_REJECTED.request_id");
_Static_assert(offsetof(rsx_request_rejected_t, required) == 48, "REQUEST_REJECTED.required");
_Static_assert(offsetof(rsx_request_rejected_t, available) == 56, "REQUEST_REJECTED.available");
_Static_assert(offsetof(rsx_request_rejected_t, user_id) == 64, "REQUEST_REJECTED.user_id");
_Static_assert(offsetof(rsx_request_rejected_t, symbol_id) == 68, "REQUEST_REJECTED.symbol_id");
_Static_assert(offsetof(rsx_request_rejected_t, reason) == 72, "REQUEST_REJECTED.reason");

typedef struct {
    uint8_t version;
    uint8_t header_flags;
    uint16_t type;
    uint16_t length;
    uint16_t stream;
    uint32_t crc;
    uint32_t epoch;
    uint64_t seq;
    uint64_t ts_ns;
    uint64_t request_id;
    int64_t collateral;
    int64_t unrealised;
    int64_t equity;
    int64_t initial_margin;
    int64_t maintenance_margin;
    int64_t frozen;
    int64_t available;
    int64_t realised;
    int64_t fees;
    int64_t withdrawable;
    uint32_t user_id;
    uint16_t positions;
    uint8_t position_mode;
    uint8_t stage;
} rsx_account_state_t;
_Static_assert(sizeof(rsx_account_state_t) == 128, "rsx_account_state_t size");
_Static_assert(offsetof(rsx_account_state_t, seq) == 16, "ACCOUNT_STATE.seq");
_Static_assert(offsetof(rsx_account_state_t, ts_ns) == 24, "ACCOUNT_STATE.ts_ns");
_Static_assert(offsetof(rsx_account_state_t, request_id) == 32, "ACCOUNT_STATE.request_id");
_Static_assert(offsetof(rsx_account_state_t, collateral) == 40, "ACCOUNT_STATE.collateral");
_Static_assert(offsetof(rsx_account_state_t, unrealised) == 48, "ACCOUNT_STATE.unrealised");
_Static_assert(offsetof(rsx_account_state_t, equity) == 56, "ACCOUNT_STATE.equity");
_Static_assert(offsetof(rsx_account_state_t, initial_margin) == 64, "ACCOUNT_STATE.initial_margin");
_Static_assert(offsetof(rsx_account_state_t, maintenance_margin) == 72, "ACCOUNT_STATE.maintenance_margin");
_Static_assert(offsetof(rsx_account_state_t, frozen) == 80, "ACCOUNT_STATE.frozen");
_Static_assert(offsetof(rsx_account_state_t, available) == 88, "ACCOUNT_STATE.available");
_Static_assert(offsetof(rsx_account_state_t, realised) == 96, "ACCOUNT_STATE.realised");
_Static_assert(offsetof(rsx_account_state_t, fees) == 104, "ACCOUNT_STATE.fees");
_Static_assert(offsetof(rsx_account_state_t, withdrawable) == 112, "ACCOUNT_STATE.withdrawable");
_Static_assert(offsetof(rsx_account_state_t, user_id) == 120, "ACCOUNT_STATE.user_id");
_Static_assert(offsetof(rsx_account_state_t, positions) == 124, "ACCOUNT_STATE.positions");
_Static_assert(offsetof(rsx_account_state_t, position_mode) == 126, "ACCOUNT_STATE.position_mode");
_Static_assert(offsetof(rsx_account_state_t, stage) == 127, "ACCOUNT_STATE.stage");

typedef struct {
    uint8_t version;
    uint8_t header_flags;
    uint16_t type;
    uint16_t length;
    uint16_t stream;
    uint32_t crc;
    uint32_t epoch;
    uint64_t seq;
    uint64_t ts_ns;
    uint64_t request_id;
    int64_t net_qty;
    int64_t entry_cost;
    int64_t realised;
    int64_t unrealised;
    int64_t mark_px;
    int64_t initial_margin;
    int64_t maintenance_margin;
    int64_t frozen;
    int64_t open_buy_qty;
    int64_t open_sell_qty;
    uint32_t user_id;
    uint32_t symbol_id;
} rsx_position_state_t;
_Static_assert(sizeof(rsx_position_state_t) == 128, "rsx_position_state_t size");
_Static_assert(offsetof(rsx_position_state_t, seq) == 16, "POSITION_STATE.seq");
_Static_assert(offsetof(rsx_position_state_t, ts_ns) == 24, "POSITION_STATE.ts_ns");
_Static_assert(offsetof(rsx_position_state_t, request_id) == 32, "POSITION_STATE.request_id");
_Static_assert(offsetof(rsx_position_state_t, net_qty) == 40, "POSITION_STATE.net_qty");
_Static_assert(offsetof(rsx_position_state_t, entry_cost) == 48, "POSITION_STATE.entry_cost");
_Static_assert(offsetof(rsx_position_state_t, realised) == 56, "POSITION_STATE.realised");
_Static_assert(offsetof(rsx_position_state_t, unrealised) == 64, "POSITION_STATE.unrealised");
_Static_assert(offsetof(rsx_position_state_t, mark_px) == 72, "POSITION_STATE.mark_px");
_Static_assert(offsetof(rsx_position_state_t, initial_margin) == 80, "POSITION_STATE.initial_margin");
_Static_assert(offsetof(rsx_position_state_t, maintenance_margin) == 88, "POSITION_STATE.maintenance_margin");
_Static_assert(offsetof(rsx_position_state_t, frozen) == 96, "POSITION_STATE.frozen");
_Static_assert(offsetof(rsx_position_state_t, open_buy_qty) == 104, "POSITION_STATE.open_buy_qty");
_Static_assert(offsetof(rsx_position_state_t, open_sell_qty) == 112, "POSITION_STATE.open_sell_qty");
_Static_assert(offsetof(rsx_position_state_t, user_id) == 120, "POSITION_STATE.user_id");
_Static_assert(offsetof(rsx_position_state_t, symbol_id) == 124, "POSITION_STATE.symbol_id");

typedef struct {
    uint8_t version;
    uint8_t header_flags;
    uint16_t type;
    uint16_t length;
    uint16_t stream;
    uint32_t crc;
    uint32_t epoch;
    uint64_t seq;
    uint64_t ts_ns;
    uint64_t request_id;
    int64_t liquidation_px;
    int64_t bankruptcy_px;
    int64_t wallet;
    int64_t notional;
    int64_t funding_owed;
    uint32_t leverage_ppm;
    uint32_t user_id;
    uint32_t symbol_id;
    uint16_t leverage;
    uint8_t margin_mode;
    uint8_t leg;
    uint8_t stage;
    uint8_t round;
    uint8_t lights;
    uint8_t padding[29];
} rsx_position_risk_t;
_Static_assert(sizeof(rsx_position_risk_t) == 128, "rsx_position_risk_t size");
_Static_assert(offsetof(rsx_position_risk_t, seq) == 16, "POSITION_RISK.seq");
_Static_assert(offsetof(rsx_position_risk_t, ts_ns) == 24, "POSITION_RISK.ts_ns");
_Static_assert(offsetof(rsx_position_risk_t, request_id) == 32, "POSITION_RISK.request_id");
_Static_assert(offsetof(rsx_position_risk_t, liquidation_px) == 40, "POSITION_RISK.liquidation_px");
_Static_assert(offsetof(rsx_position_risk_t, bankruptcy_px) == 48, "POSITION_RISK.bankruptcy_px");
_Static_assert(offsetof(rsx_position_risk_t, wallet) == 56, "POSITION_RISK.wallet");
_Static_assert(offsetof(rsx_position_risk_t, notional) == 64, "POSITION_RISK.notional");
_Static_assert(offsetof(rsx_position_risk_t, funding_owed) == 72, "POSITION_RISK.funding_owed");
_Static_assert(offsetof(rsx_position_risk_t, leverage_ppm) == 80, "POSITION_RISK.leverage_ppm");
_Static_assert(offsetof(rsx_position_risk_t, user_id) == 84, "POSITION_RISK.user_id");
_Static_assert(offsetof(rsx_position_risk_t, symbol_id) == 88, "POSITION_RISK.symbol_id");
_Static_assert(offsetof(rsx_position_risk_t, leverage) == 92, "POSITION_RISK.leverage");
_Static_assert(offsetof(rsx_position_risk_t, margin_mode) == 94, "POSITION_RISK.margin_mode");
_Static_assert(offsetof(rsx_position_risk_t, leg) == 95, "POSITION_RISK.leg");
_Static_assert(offsetof(rsx_position_risk_t, stage) == 96, "POSITION_RISK.stage");
_Static_assert(offsetof(rsx_position_risk_t, round) == 97, "POSITION_RISK.round");
_Static_assert(offsetof(rsx_position_risk_t, lights) == 98, "POSITION_RISK.lights");

typedef struct {
    uint8_t version;
    uint8_t header_flags;
    uint16_t type;
    uint16_t length;
    uint16_t stream;
    uint32_t crc;
    uint32_t epoch;
    uint64_t seq;
    uint64_t ts_ns;
    int64_t equity;
    int64_t maintenance_margin;
    uint32_t user_id;
    uint32_t symbol_id;
    uint8_t leg;
    uint8_t padding[71];
} rsx_margin_call_t;
_Static_assert(sizeof(rsx_margin_call_t) == 128, "rsx_margin_call_t size");
_Static_assert(offsetof(rsx_margin_call_t, seq) == 16, "MARGIN_CALL.seq");
_Static_assert(offsetof(rsx_margin_call_t, ts_ns) == 24, "MARGIN_CALL.ts_ns");
_Static_assert(offsetof(rsx_margin_call_t, equity) == 32, "MARGIN_CALL.equity");
_Static_assert(offsetof(rsx_margin_call_t, maintenance_margin) == 40, "MARGIN_CALL.maintenance_margin");
_Static_assert(offsetof(rsx_margin_call_t, user_id) == 48, "MARGIN_CALL.user_id");
_Static_assert(offsetof(rsx_margin_call_t, symbol_id) == 52, "MARGIN_CALL.symbol_id");
_Static_assert(offsetof(rsx_margin_call_t, leg) == 56, "MARGIN_CALL.leg");

typedef struct {
    uint8_t version;
    uint8_t header_flags;
    uint16_t type;
    uint16_t length;
    uint16_t stream;
    uint32_t crc;
    uint32_t epoch;
    uint64_t seq;
    uint64_t ts_ns;
    uint64_t oid;
    int64_t px;
    int64_t qty;
    int64_t reserved;
    uint64_t received_ns;
    uint32_t owner_group;
    uint32_t expire_s;
    uint32_t user_id;
    uint16_t symbol_id;
    uint8_t kind;
    uint8_t stp;
    uint8_t side;
    uint8_t tif;
    uint8_t flags;
    uint8_t cid_len;
    uint8_t cid[36];
} rsx_order_accepted_t;
_Static_assert(sizeof(rsx_order_accepted_t) == 128, "rsx_order_accepted_t size");
_Static_assert(offsetof(rsx_order_accepted_t, seq) == 16, "ORDER_ACCEPTED.seq");
_Static_assert(offsetof(rsx_order_accepted_t, ts_ns) == 24, "ORDER_ACCEPTED.ts_ns");
_Static_assert(offsetof(rsx_order_accepted_t, oid) == 32, "ORDER_ACCEPTED.oid");
_Static_assert(offsetof(rsx_order_accepted_t, px) == 40, "ORDER_ACCEPTED.px");
_Static_assert(offsetof(rsx_order_accepted_t, qty) == 48, "ORDER_ACCEPTED.qty");
_Static_assert(offsetof(rsx_order_accepted_t, reserved) == 56, "ORDER_ACCEPTED.reserved");
_Static_assert(offsetof(rsx_order_accepted_t, received_ns) == 64, "ORDER_ACCEPTED.received_ns");
_Static_assert(offsetof(rsx_order_accepted_t, owner_group) == 72, "ORDER_ACCEPTED.owner_group");
_Static_assert(offsetof(rsx_order_accepted_t, expire_s) == 76, "ORDER_ACCEPTED.expire_s");
_Static_assert(offsetof(rsx_order_accepted_t, user_id) == 80, "ORDER_ACCEPTED.user_id");
_Static_assert(offsetof(rsx_order_accepted_t, symbol_id) == 84, "ORDER_ACCEPTED.symbol_id");
_Static_assert(offsetof(rsx_order_accepted_t, kind) == 86, "ORDER_ACCEPTED.kind");
_Static_assert(offsetof(rsx_order_accepted_t, stp) == 87, "ORDER_ACCEPTED.stp");
_Static_assert(offsetof(rsx_order_accepted_t, side) == 88, "ORDER_ACCEPTED.side");
_Static_assert(offsetof(rsx_order_accepted_t, tif) == 89, "ORDER_ACCEPTED.tif");
_Static_assert(offsetof(rsx_order_accepted_t, flags) == 90, "ORDER_ACCEPTED.flags");
_Static_assert(offsetof(rsx_order_accepted_t, cid_len) == 91, "ORDER_ACCEPTED.cid_len");
_Static_assert(offsetof(rsx_order_accepted_t, cid) == 92, "ORDER_ACCEPTED.cid");

typedef struct {
    uint8_t version;
    uint8_t header_flags;
    uint16_t type;
    uint16_t length;
    uint16_t stream;
    uint32_t crc;
    uint32_t epoch;
    uint64_t seq;
    uint64_t ts_ns;
    uint64_t taker_oid;
    uint64_t maker_oid;
    int64_t px;
    int64_t qty;
    int64_t taker_fee;
    int64_t maker_fee;
    int64_t taker_remaining;
    int64_t maker_remaining;
    int64_t taker_release;
    int64_t maker_release;
    uint32_t taker_user_id;
    uint32_t maker_user_id;
    uint32_t symbol_id;
    uint8_t taker_side;
    uint8_t taker_flags;
    uint8_t maker_flags;
    uint8_t padding[1];
} rsx_fill_t;
_Static_assert(sizeof(rsx_fill_t) == 128, "rsx_fill_t size");
_Static_assert(offsetof(rsx_fill_t, seq) == 16, "FILL.seq");
_Static_assert(offsetof(rsx_fill_t, ts_ns) == 24, "FILL.ts_ns");
_Static_assert(offsetof(rsx_fill_t, taker_oid) == 32, "FILL.taker_oid");
_Static_assert(offsetof(rsx_fill_t, maker_oid) == 40, "FILL.maker_oid");
_Static_assert(offsetof(rsx_fill_t, px) == 48, "FILL.px");
_Static_assert(offsetof(rsx_fill_t, qty) == 56, "FILL.qty");
_Static_assert(offsetof(rsx_fill_t, taker_fee) == 64, "FILL.taker_fee");
_Static_assert(offsetof(rsx_fill_t, maker_fee) == 72, "FILL.maker_fee");
_Static_assert(offsetof(rsx_fill_t, taker_remaining) == 80, "FILL.taker_remaining");
_Static_assert(offsetof(rsx_fill_t, maker_remaining) == 88, "FILL.maker_remaining");
_Static_assert(offsetof(rsx_fill_t, taker_release) == 96, "FILL.taker_release");
_Static_assert(offsetof(rsx_fill_t, maker_release) == 104, "FILL.maker_release");
_Static_assert(offsetof(rsx_fill_t, taker_user_id) == 112, "FILL.taker_user_id");
_Static_assert(offsetof(rsx_fill_t, maker_user_id) == 116, "FILL.maker_user_id");
_Static_assert(offsetof(rsx_fill_t, symbol_id) == 120, "FILL.symbol_id");
_Static_assert(offsetof(rsx_fill_t, taker_side) == 124, "FILL.taker_side");
_Static_assert(offsetof(rsx_fill_t, taker_flags) == 125, "FILL.taker_flags");
_Static_assert(offsetof(rsx_fill_t, maker_flags) == 126, "FILL.maker_flags");

typedef struct {
    uint8_t version;
    uint8_t header_flags;
    uint16_t type;
    uint16_t length;
    uint16_t stream;
    uint32_t crc;
    uint32_t epoch;
    uint64_t seq;
    uint64_t ts_ns;
    uint64_t oid;
    int64_t px;
    int64_t remaining;
    int64_t qty;
    int64_t reserved;
    uint32_t user_id;
    uint32_t symbol_id;
    uint8_t side;
    uint8_t flags;
    uint8_t padding[46];
} rsx_order_rested_t;
_Static_assert(sizeof(rsx_order_rested_t) == 128, "rsx_order_rested_t size");
_Static_assert(offsetof(rsx_order_rested_t, seq) == 16, "ORDER_RESTED.seq");
_Static_assert(offsetof(rsx_order_rested_t, ts_ns) == 24, "ORDER_RESTED.ts_ns");
_Static_assert(offsetof(rsx_order_rested_t, oid) == 32, "ORDER_RESTED.oid");
_Static_assert(offsetof(rsx_order_rested_t, px) == 40, "ORDER_RESTED.px");
_Static_assert(offsetof(rsx_order_rested_t, remaining) == 48, "ORDER_RESTED.remaining");
_Static_assert(offsetof(rsx_order_rested_t, qty) == 56, "ORDER_RESTED.qty");
_Static_assert(offsetof(rsx_order_rested_t, reserved) == 64, "ORDER_RESTED.reserved");
_Static_assert(offsetof(rsx_order_rested_t, user_id) == 72, "ORDER_RESTED.user_id");
_Static_assert(offsetof(rsx_order_rested_t, symbol_id) == 76, "ORDER_RESTED.symbol_id");
_Static_assert(offsetof(rsx_order_rested_t, side) == 80, "ORDER_RESTED.side");
_Static_assert(offsetof(rsx_order_rested_t, flags) == 81, "ORDER_RESTED.flags");

typedef struct {
    uint8_t version;
    uint8_t header_flags;
    uint16_t type;
    uint16_t length;
    uint16_t stream;
    uint32_t crc;
    uint32_t epoch;
    uint64_t seq;
    uint64_t ts_ns;
    uint64_t oid;
    int64_t px;
    int64_t cancelled_qty;
    int64_t filled_qty;
    int64_t released;
    uint64_t request_id;
    uint32_t user_id;
    uint32_t symbol_id;
    uint16_t reason;
    uint8_t side;
    uint8_t flags;
    uint8_t padding[36];
} rsx_order_cancelled_t;
_Static_assert(sizeof(rsx_order_cancelled_t) == 128, "rsx_order_cancelled_t size");
_Static_assert(offsetof(rsx_order_cancelled_t, seq) == 16, "ORDER_CANCELLED.seq");
_Static_assert(offsetof(rsx_order_cancelled_t, ts_ns) == 24, "ORDER_CANCELLED.ts_ns");
_Static_assert(offsetof(rsx_order_cancelled_t, oid) == 32, "ORDER_CANCELLED.oid");
_Static_assert(offsetof(rsx_order_cancelled_t, px) == 40, "ORDER_CANCELLED.px");
_Static_assert(offsetof(rsx_order_cancelled_t, cancelled_qty) == 48, "ORDER_CANCELLED.cancelled_qty");
_Static_assert(offsetof(rsx_order_cancelled_t, filled_qty) == 56, "ORDER_CANCELLED.filled_qty");
_Static_assert(offsetof(rsx_order_cancelled_t, released) == 64, "ORDER_CANCELLED.released");
_Static_assert(offsetof(rsx_order_cancelled_t, request_id) == 72, "ORDER_CANCELLED.request_id");
_Static_assert(offsetof(rsx_order_cancelled_t, user_id) == 80, "ORDER_CANCELLED.user_id");
_Static_assert(offsetof(rsx_order_cancelled_t, symbol_id) == 84, "ORDER_CANCELLED.symbol_id");
_Static_assert(offsetof(rsx_order_cancelled_t, reason) == 88, "ORDER_CANCELLED.reason");
_Static_assert(offsetof(rsx_order_cancelled_t, side) == 90, "ORDER_CANCELLED.side");
_Static_assert(offsetof(rsx_order_cancelled_t, flags) == 91, "ORDER_CANCELLED.flags");

typedef struct {
    uint8_t version;
    uint8_t header_flags;
    uint16_t type;
    uint16_t length;
    uint16_t stream;
    uint32_t crc;
    uint32_t epoch;
    uint64_t seq;
    uint64_t ts_ns;
    uint64_t oid;
    int64_t px;
    int64_t qty;
    int64_t released;
    uint32_t user_id;
    uint16_t symbol_id;
    uint8_t kind;
    uint8_t stp;
    uint8_t side;
    uint8_t tif;
    uint8_t flags;
    uint8_t cid_len;
    uint8_t cid[36];
    uint16_t reason;
    uint8_t padding[14];
} rsx_order_rejected_t;
_Static_assert(sizeof(rsx_order_rejected_t) == 128, "rsx_order_rejected_t size");
_Static_assert(offsetof(rsx_order_rejected_t, seq) == 16, "ORDER_REJECTED.seq");
_Static_assert(offsetof(rsx_order_rejected_t, ts_ns) == 24, "ORDER_REJECTED.ts_ns");
_Static_assert(offsetof(rsx_order_rejected_t, oid) == 32, "ORDER_REJECTED.oid");
_Static_assert(offsetof(rsx_order_rejected_t, px) == 40, "ORDER_REJECTED.px");
_Static_assert(offsetof(rsx_order_rejected_t, qty) == 48, "ORDER_REJECTED.qty");
_Static_assert(offsetof(rsx_order_rejected_t, released) == 56, "ORDER_REJECTED.released");
_Static_assert(offsetof(rsx_order_rejected_t, user_id) == 64, "ORDER_REJECTED.user_id");
_Static_assert(offsetof(rsx_order_rejected_t, symbol_id) == 68, "ORDER_REJECTED.symbol_id");
_Static_assert(offsetof(rsx_order_rejected_t, kind) == 70, "ORDER_REJECTED.kind");
_Static_assert(offsetof(rsx_order_rejected_t, stp) == 71, "ORDER_REJECTED.stp");
_Static_assert(offsetof(rsx_order_rejected_t, side) == 72, "ORDER_REJECTED.side");
_Static_assert(offsetof(rsx_order_rejected_t, tif) == 73, "ORDER_REJECTED.tif");
_Static_assert(offsetof(rsx_order_rejected_t, flags) == 74, "ORDER_REJECTED.flags");
_Static_assert(offsetof(rsx_order_rejected_t, cid_len) == 75, "ORDER_REJECTED.cid_len");
_Static_assert(offsetof(rsx_order_rejected_t, cid) == 76, "ORDER_REJECTED.cid");
_Static_assert(offsetof(rsx_order_rejected_t, reason) == 112, "ORDER_REJECTED.reason");

typedef struct {
    uint8_t version;
    uint8_t header_flags;
    uint16_t type;
    uint16_t length;
    uint16_t stream;
    uint32_t crc;
    uint32_t epoch;
    uint64_t seq;
    uint64_t ts_ns;
    uint64_t oid;
    int64_t px;
    int64_t cancelled_qty;
    int64_t remaining;
    int64_t released;
    uint32_t user_id;
    uint32_t symbol_id;
    uint16_t reason;
    uint8_t side;
    uint8_t flags;
    uint8_t padding[44];
} rsx_order_reduced_t;
_Static_assert(sizeof(rsx_order_reduced_t) == 128, "rsx_order_reduced_t size");
_Static_assert(offsetof(rsx_order_reduced_t, seq) == 16, "ORDER_REDUCED.seq");
_Static_assert(offsetof(rsx_order_reduced_t, ts_ns) == 24, "ORDER_REDUCED.ts_ns");
_Static_assert(offsetof(rsx_order_reduced_t, oid) == 32, "ORDER_REDUCED.oid");
_Static_assert(offsetof(rsx_order_reduced_t, px) == 40, "ORDER_REDUCED.px");
_Static_assert(offsetof(rsx_order_reduced_t, cancelled_qty) == 48, "ORDER_REDUCED.cancelled_qty");
_Static_assert(offsetof(rsx_order_reduced_t, remaining) == 56, "ORDER_REDUCED.remaining");
_Static_assert(offsetof(rsx_order_reduced_t, released) == 64, "ORDER_REDUCED.released");
_Static_assert(offsetof(rsx_order_reduced_t, user_id) == 72, "ORDER_REDUCED.user_id");
_Static_assert(offsetof(rsx_order_reduced_t, symbol_id) == 76, "ORDER_REDUCED.symbol_id");
_Static_assert(offsetof(rsx_order_reduced_t, reason) == 80, "ORDER_REDUCED.reason");
_Static_assert(offsetof(rsx_order_reduced_t, side) == 82, "ORDER_REDUCED.side");
_Static_assert(offsetof(rsx_order_reduced_t, flags) == 83, "ORDER_REDUCED.flags");

typedef struct {
    uint8_t version;
    uint8_t header_flags;
    uint16_t type;
    uint16_t length;
    uint16_t stream;
    uint32_t crc;
    uint32_t epoch;
    uint64_t seq;
    uint64_t ts_ns;
    uint64_t oid;
    uint64_t request_id;
    uint32_t user_id;
    uint32_t symbol_id;
    uint16_t reason;
    uint8_t pad0;
    uint8_t cid_len;
    uint8_t cid[36];
    uint8_t padding[32];
} rsx_cancel_rejected_t;
_Static_assert(sizeof(rsx_cancel_rejected_t) == 128, "rsx_cancel_rejected_t size");
_Static_assert(offsetof(rsx_cancel_rejected_t, seq) == 16, "CANCEL_REJECTED.seq");
_Static_assert(offsetof(rsx_cancel_rejected_t, ts_ns) == 24, "CANCEL_REJECTED.ts_ns");
_Static_assert(offsetof(rsx_cancel_rejected_t, oid) == 32, "CANCEL_REJECTED.oid");
_Static_assert(offsetof(rsx_cancel_rejected_t, request_id) == 40, "CANCEL_REJECTED.request_id");
_Static_assert(offsetof(rsx_cancel_rejected_t, user_id) == 48, "CANCEL_REJECTED.user_id");
_Static_assert(offsetof(rsx_cancel_rejected_t, symbol_id) == 52, "CANCEL_REJECTED.symbol_id");
_Static_assert(offsetof(rsx_cancel_rejected_t, reason) == 56, "CANCEL_REJECTED.reason");
_Static_assert(offsetof(rsx_cancel_rejected_t, pad0) == 58, "CANCEL_REJECTED.pad0");
_Static_assert(offsetof(rsx_cancel_rejected_t, cid_len) == 59, "CANCEL_REJECTED.cid_len");
_Static_assert(offsetof(rsx_cancel_rejected_t, cid) == 60, "CANCEL_REJECTED.cid");

typedef struct {
    uint8_t version;
    uint8_t header_flags;
    uint16_t type;
    uint16_t length;
    uint16_t stream;
    uint32_t crc;
    uint32_t epoch;
    uint64_t seq;
    uint64_t ts_ns;
    uint64_t oid;
    int64_t qty;
    int64_t released;
    uint64_t original_oid;
    int64_t original_px;
    int64_t original_qty;
    int64_t original_filled;
    int64_t original_remaining;
    uint32_t user_id;
    uint32_t symbol_id;
    uint16_t original_reason;
    uint8_t original_status;
    uint8_t original_side;
    uint8_t original_tif;
    uint8_t original_kind;
    uint8_t original_flags;
    uint8_t side;
    uint8_t flags;
    uint8_t padding[15];
} rsx_order_duplicate_t;
_Static_assert(sizeof(rsx_order_duplicate_t) == 128, "rsx_order_duplicate_t size");
_Static_assert(offsetof(rsx_order_duplicate_t, seq) == 16, "ORDER_DUPLICATE.seq");
_Static_assert(offsetof(rsx_order_duplicate_t, ts_ns) == 24, "ORDER_DUPLICATE.ts_ns");
_Static_assert(offsetof(rsx_order_duplicate_t, oid) == 32, "ORDER_DUPLICATE.oid");
_Static_assert(offsetof(rsx_order_duplicate_t, qty) == 40, "ORDER_DUPLICATE.qty");
_Static_assert(offsetof(rsx_order_duplicate_t, released) == 48, "ORDER_DUPLICATE.released");
_Static_assert(offsetof(rsx_order_duplicate_t, original_oid) == 56, "ORDER_DUPLICATE.original_oid");
_Static_assert(offsetof(rsx_order_duplicate_t, original_px) == 64, "ORDER_DUPLICATE.original_px");
_Static_assert(offsetof(rsx_order_duplicate_t, original_qty) == 72, "ORDER_DUPLICATE.original_qty");
_Static_assert(offsetof(rsx_order_duplicate_t, original_filled) == 80, "ORDER_DUPLICATE.original_filled");
_Static_assert(offsetof(rsx_order_duplicate_t, original_remaining) == 88, "ORDER_DUPLICATE.original_remaining");
_Static_assert(offsetof(rsx_order_duplicate_t, user_id) == 96, "ORDER_DUPLICATE.user_id");
_Static_assert(offsetof(rsx_order_duplicate_t, symbol_id) == 100, "ORDER_DUPLICATE.symbol_id");
_Static_assert(offsetof(rsx_order_duplicate_t, original_reason) == 104, "ORDER_DUPLICATE.original_reason");
_Static_assert(offsetof(rsx_order_duplicate_t, original_status) == 106, "ORDER_DUPLICATE.original_status");
_Static_assert(offsetof(rsx_order_duplicate_t, original_side) == 107, "ORDER_DUPLICATE.original_side");
_Static_assert(offsetof(rsx_order_duplicate_t, original_tif) == 108, "ORDER_DUPLICATE.original_tif");
_Static_assert(offsetof(rsx_order_duplicate_t, original_kind) == 109, "ORDER_DUPLICATE.original_kind");
_Static_assert(offsetof(rsx_order_duplicate_t, original_flags) == 110, "ORDER_DUPLICATE.original_flags");
_Static_assert(offsetof(rsx_order_duplicate_t, side) == 111, "ORDER_DUPLICATE.side");
_Static_assert(offsetof(rsx_order_duplicate_t, flags) == 112, "ORDER_DUPLICATE.flags");

typedef struct {
    uint8_t version;
    uint8_t header_flags;
    uint16_t type;
    uint16_t length;
    uint16_t stream;
    uint32_t crc;
    uint32_t epoch;
    uint64_t seq;
    uint64_t ts_ns;
    uint64_t request_id;
    int64_t amount;
    uint32_t user_id;
    uint8_t padding[76];
} rsx_deposit_t;
_Static_assert(sizeof(rsx_deposit_t) == 128, "rsx_deposit_t size");
_Static_assert(offsetof(rsx_deposit_t, seq) == 16, "DEPOSIT.seq");
_Static_assert(offsetof(rsx_deposit_t, ts_ns) == 24, "DEPOSIT.ts_ns");
_Static_assert(offsetof(rsx_deposit_t, request_id) == 32, "DEPOSIT.request_id");
_Static_assert(offsetof(rsx_deposit_t, amount) == 40, "DEPOSIT.amount");
_Static_assert(offsetof(rsx_deposit_t, user_id) == 48, "DEPOSIT.user_id");

typedef struct {
    uint8_t version;
    uint8_t header_flags;
    uint16_t type;
    uint16_t length;
    uint16_t stream;
    uint32_t crc;
    uint32_t epoch;
    uint64_t seq;
    uint64_t ts_ns;
    int64_t mark_px;
    int64_t index_px;
    int64_t open_interest;
    int64_t rate_ppb;
    uint64_t source_ns;
    uint32_t symbol_id;
    uint32_t next_funding_s;
    uint16_t sources;
    uint8_t state;
    uint8_t padding[45];
} rsx_mark_price_t;
_Static_assert(sizeof(rsx_mark_price_t) == 128, "rsx_mark_price_t size");
_Static_assert(offsetof(rsx_mark_price_t, seq) == 16, "MARK_PRICE.seq");
_Static_assert(offsetof(rsx_mark_price_t, ts_ns) == 24, "MARK_PRICE.ts_ns");
_Static_assert(offsetof(rsx_mark_price_t, mark_px) == 32, "MARK_PRICE.mark_px");
_Static_assert(offsetof(rsx_mark_price_t, index_px) == 40, "MARK_PRICE.index_px");
_Static_assert(offsetof(rsx_mark_price_t, open_interest) == 48, "MARK_PRICE.open_interest");
_Static_assert(offsetof(rsx_mark_price_t, rate_ppb) == 56, "MARK_PRICE.rate_ppb");
_Static_assert(offsetof(rsx_mark_price_t, source_ns) == 64, "MARK_PRICE.source_ns");
_Static_assert(offsetof(rsx_mark_price_t, symbol_id) == 72, "MARK_PRICE.symbol_id");
_Static_assert(offsetof(rsx_mark_price_t, next_funding_s) == 76, "MARK_PRICE.next_funding_s");
_Static_assert(offsetof(rsx_mark_price_t, sources) == 80, "MARK_PRICE.sources");
_Static_assert(offsetof(rsx_mark_price_t, state) == 82, "MARK_PRICE.state");

typedef struct {
    uint8_t version;
    uint8_t header_flags;
    uint16_t type;
    uint16_t length;
    uint16_t stream;
    uint32_t crc;
    uint32_t epoch;
    uint64_t seq;
    uint64_t ts_ns;
    int64_t tick;
    int64_t lot;
    int64_t px_max;
    int64_t qty_max;
    int64_t notional_max;
    int64_t reference_px;
    int32_t maker_fee_ppm;
    int32_t taker_fee_ppm;
    uint32_t initial_margin_ppm;
    uint32_t maintenance_margin_ppm;
    uint32_t symbol_id;
    uint32_t config_version;
    uint8_t price_decimals;
    uint8_t qty_decimals;
    uint16_t pad0;
    uint8_t name[20];
} rsx_symbol_config_t;
_Static_assert(sizeof(rsx_symbol_config_t) == 128, "rsx_symbol_config_t size");
_Static_assert(offsetof(rsx_symbol_config_t, seq) == 16, "SYMBOL_CONFIG.seq");
_Static_assert(offsetof(rsx_symbol_config_t, ts_ns) == 24, "SYMBOL_CONFIG.ts_ns");
_Static_assert(offsetof(rsx_symbol_config_t, tick) == 32, "SYMBOL_CONFIG.tick");
_Static_assert(offsetof(rsx_symbol_config_t, lot) == 40, "SYMBOL_CONFIG.lot");
_Static_assert(offsetof(rsx_symbol_config_t, px_max) == 48, "SYMBOL_CONFIG.px_max");
_Static_assert(offsetof(rsx_symbol_config_t, qty_max) == 56, "SYMBOL_CONFIG.qty_max");
_Static_assert(offsetof(rsx_symbol_config_t, notional_max) == 64, "SYMBOL_CONFIG.notional_max");
_Static_assert(offsetof(rsx_symbol_config_t, reference_px) == 72, "SYMBOL_CONFIG.reference_px");
_Static_assert(offsetof(rsx_symbol_config_t, maker_fee_ppm) == 80, "SYMBOL_CONFIG.maker_fee_ppm");
_Static_assert(offsetof(rsx_symbol_config_t, taker_fee_ppm) == 84, "SYMBOL_CONFIG.taker_fee_ppm");
_Static_assert(offsetof(rsx_symbol_config_t, initial_margin_ppm) == 88, "SYMBOL_CONFIG.initial_margin_ppm");
_Static_assert(offsetof(rsx_symbol_config_t, maintenance_margin_ppm) == 92, "SYMBOL_CONFIG.maintenance_margin_ppm");
_Static_assert(offsetof(rsx_symbol_config_t, symbol_id) == 96, "SYMBOL_CONFIG.symbol_id");
_Static_assert(offsetof(rsx_symbol_config_t, config_version) == 100, "SYMBOL_CONFIG.config_version");
_Static_assert(offsetof(rsx_symbol_config_t, price_decimals) == 104, "SYMBOL_CONFIG.price_decimals");
_Static_assert(offsetof(rsx_symbol_config_t, qty_decimals) == 105, "SYMBOL_CONFIG.qty_decimals");
_Static_assert(offsetof(rsx_symbol_config_t, pad0) == 106, "SYMBOL_CONFIG.pad0");
_Static_assert(offsetof(rsx_symbol_config_t, name) == 108, "SYMBOL_CONFIG.name");

typedef struct {
    uint8_t version;
    uint8_t header_flags;
    uint16_t type;
    uint16_t length;
    uint16_t stream;
    uint32_t crc;
    uint32_t epoch;
    uint64_t seq;
    uint64_t ts_ns;
    uint64_t exchange_id;
    uint32_t money_decimals;
    uint8_t padding[84];
} rsx_log_started_t;
_Static_assert(sizeof(rsx_log_started_t) == 128, "rsx_log_started_t size");
_Static_assert(offsetof(rsx_log_started_t, seq) == 16, "LOG_STARTED.seq");
_Static_assert(offsetof(rsx_log_started_t, ts_ns) == 24, "LOG_STARTED.ts_ns");
_Static_assert(offsetof(rsx_log_started_t, exchange_id) == 32, "LOG_STARTED.exchange_id");
_Static_assert(offsetof(rsx_log_started_t, money_decimals) == 40, "LOG_STARTED.money_decimals");

typedef struct {
    uint8_t version;
    uint8_t header_flags;
    uint16_t type;
    uint16_t length;
    uint16_t stream;
    uint32_t crc;
    uint32_t epoch;
    uint64_t seq;
    uint64_t ts_ns;
    uint64_t exchange_id;
    uint8_t padding[88];
} rsx_segment_started_t;
_Static_assert(sizeof(rsx_segment_started_t) == 128, "rsx_segment_started_t size");
_Static_assert(offsetof(rsx_segment_started_t, seq) == 16, "SEGMENT_STARTED.seq");
_Static_assert(offsetof(rsx_segment_started_t, ts_ns) == 24, "SEGMENT_STARTED.ts_ns");
_Static_assert(offsetof(rsx_segment_started_t, exchange_id) == 32, "SEGMENT_STARTED.exchange_id");

typedef struct {
    uint8_t version;
    uint8_t header_flags;
    uint16_t type;
    uint16_t length;
    uint16_t stream;
    uint32_t crc;
    uint32_t epoch;
    uint64_t seq;
    uint64_t ts_ns;
    int64_t notional_min;
    int64_t tick_from_1;
    int64_t tick_1;
    int64_t tick_from_2;
    int64_t tick_2;
    int64_t tick_from_3;
    int64_t tick_3;
    int64_t tick_from_4;
    int64_t tick_4;
    uint32_t price_band_ppm;
    uint32_t market_band_ppm;
    uint32_t symbol_id;
    uint32_t config_version;
    uint8_t padding[8];
} rsx_symbol_limits_t;
_Static_assert(sizeof(rsx_symbol_limits_t) == 128, "rsx_symbol_limits_t size");
_Static_assert(offsetof(rsx_symbol_limits_t, seq) == 16, "SYMBOL_LIMITS.seq");
_Static_assert(offsetof(rsx_symbol_limits_t, ts_ns) == 24, "SYMBOL_LIMITS.ts_ns");
_Static_assert(offsetof(rsx_symbol_limits_t, notional_min) == 32, "SYMBOL_LIMITS.notional_min");
_Static_assert(offsetof(rsx_symbol_limits_t, tick_from_1) == 40, "SYMBOL_LIMITS.tick_from_1");
_Static_assert(offsetof(rsx_symbol_limits_t, tick_1) == 48, "SYMBOL_LIMITS.tick_1");
_Static_assert(offsetof(rsx_symbol_limits_t, tick_from_2) == 56, "SYMBOL_LIMITS.tick_from_2");
_Static_assert(offsetof(rsx_symbol_limits_t, tick_2) == 64, "SYMBOL_LIMITS.tick_2");
_Static_assert(offsetof(rsx_symbol_limits_t, tick_from_3) == 72, "SYMBOL_LIMITS.tick_from_3");
_Static_assert(offsetof(rsx_symbol_limits_t, tick_3) == 80, "SYMBOL_LIMITS.tick_3");
_Static_assert(offsetof(rsx_symbol_limits_t, tick_from_4) == 88, "SYMBOL_LIMITS.tick_from_4");
_Static_assert(offsetof(rsx_symbol_limits_t, tick_4) == 96, "SYMBOL_LIMITS.tick_4");
_Static_assert(offsetof(rsx_symbol_limits_t, price_band_ppm) == 104, "SYMBOL_LIMITS.price_band_ppm");
_Static_assert(offsetof(rsx_symbol_limits_t, market_band_ppm) == 108, "SYMBOL_LIMITS.market_band_ppm");
_Static_assert(offsetof(rsx_symbol_limits_t, symbol_id) == 112, "SYMBOL_LIMITS.symbol_id");
_Static_assert(offsetof(rsx_symbol_limits_t, config_version) == 116, "SYMBOL_LIMITS.config_version");

typedef struct {
    uint8_t version;
    uint8_t header_flags;
    uint16_t type;
    uint16_t length;
    uint16_t stream;
    uint32_t crc;
    uint32_t epoch;
    uint64_t seq;
    uint64_t ts_ns;
    uint64_t oid;
    int64_t px;
    int64_t qty;
    int64_t remaining;
    int64_t reserved;
    int64_t extra;
    int64_t extra_qty;
    uint64_t request_id;
    uint32_t user_id;
    uint32_t symbol_id;
    uint8_t side;
    uint8_t flags;
    uint8_t padding[22];
} rsx_order_amended_t;
_Static_assert(sizeof(rsx_order_amended_t) == 128, "rsx_order_amended_t size");
_Static_assert(offsetof(rsx_order_amended_t, seq) == 16, "ORDER_AMENDED.seq");
_Static_assert(offsetof(rsx_order_amended_t, ts_ns) == 24, "ORDER_AMENDED.ts_ns");
_Static_assert(offsetof(rsx_order_amended_t, oid) == 32, "ORDER_AMENDED.oid");
_Static_assert(offsetof(rsx_order_amended_t, px) == 40, "ORDER_AMENDED.px");
_Static_assert(offsetof(rsx_order_amended_t, qty) == 48, "ORDER_AMENDED.qty");
_Static_assert(offsetof(rsx_order_amended_t, remaining) == 56, "ORDER_AMENDED.remaining");
_Static_assert(offsetof(rsx_order_amended_t, reserved) == 64, "ORDER_AMENDED.reserved");
_Static_assert(offsetof(rsx_order_amended_t, extra) == 72, "ORDER_AMENDED.extra");
_Static_assert(offsetof(rsx_order_amended_t, extra_qty) == 80, "ORDER_AMENDED.extra_qty");
_Static_assert(offsetof(rsx_order_amended_t, request_id) == 88, "ORDER_AMENDED.request_id");
_Static_assert(offsetof(rsx_order_amended_t, user_id) == 96, "ORDER_AMENDED.user_id");
_Static_assert(offsetof(rsx_order_amended_t, symbol_id) == 100, "ORDER_AMENDED.symbol_id");
_Static_assert(offsetof(rsx_order_amended_t, side) == 104, "ORDER_AMENDED.side");
_Static_assert(offsetof(rsx_order_amended_t, flags) == 105, "ORDER_AMENDED.flags");

typedef struct {
    uint8_t version;
    uint8_t header_flags;
    uint16_t type;
    uint16_t length;
    uint16_t stream;
    uint32_t crc;
    uint32_t epoch;
    uint64_t seq;
    uint64_t ts_ns;
    uint64_t oid;
    int64_t px;
    int64_t qty;
    int64_t extra;
    int64_t extra_qty;
    uint64_t request_id;
    uint32_t user_id;
    uint32_t symbol_id;
    uint16_t reason;
    uint8_t side;
    uint8_t flags;
    uint8_t padding[36];
} rsx_amend_rejected_t;
_Static_assert(sizeof(rsx_amend_rejected_t) == 128, "rsx_amend_rejected_t size");
_Static_assert(offsetof(rsx_amend_rejected_t, seq) == 16, "AMEND_REJECTED.seq");
_Static_assert(offsetof(rsx_amend_rejected_t, ts_ns) == 24, "AMEND_REJECTED.ts_ns");
_Static_assert(offsetof(rsx_amend_rejected_t, oid) == 32, "AMEND_REJECTED.oid");
_Static_assert(offsetof(rsx_amend_rejected_t, px) == 40, "AMEND_REJECTED.px");
_Static_assert(offsetof(rsx_amend_rejected_t, qty) == 48, "AMEND_REJECTED.qty");
_Static_assert(offsetof(rsx_amend_rejected_t, extra) == 56, "AMEND_REJECTED.extra");
_Static_assert(offsetof(rsx_amend_rejected_t, extra_qty) == 64, "AMEND_REJECTED.extra_qty");
_Static_assert(offsetof(rsx_amend_rejected_t, request_id) == 72, "AMEND_REJECTED.request_id");
_Static_assert(offsetof(rsx_amend_rejected_t, user_id) == 80, "AMEND_REJECTED.user_id");
_Static_assert(offsetof(rsx_amend_rejected_t, symbol_id) == 84, "AMEND_REJECTED.symbol_id");
_Static_assert(offsetof(rsx_amend_rejected_t, reason) == 88, "AMEND_REJECTED.reason");
_Static_assert(offsetof(rsx_amend_rejected_t, side) == 90, "AMEND_REJECTED.side");
_Static_assert(offsetof(rsx_amend_rejected_t, flags) == 91, "AMEND_REJECTED.flags");

typedef struct {
    uint8_t version;
    uint8_t header_flags;
    uint16_t type;
    uint16_t length;
    uint16_t stream;
    uint32_t crc;
    uint32_t epoch;
    uint64_t seq;
    uint64_t ts_ns;
    uint64_t oid;
    int64_t px;
    int64_t qty;
    int64_t trigger_px;
    int64_t trail_px;
    uint32_t trail_ppm;
    uint32_t expire_s;
    uint32_t user_id;
    uint16_t symbol_id;
    uint8_t kind;
    uint8_t stp;
    uint8_t side;
    uint8_t tif;
    uint8_t flags;
    uint8_t cid_len;
    uint8_t cid[36];
} rsx_trigger_placed_t;
_Static_assert(sizeof(rsx_trigger_placed_t) == 128, "rsx_trigger_placed_t size");
_Static_assert(offsetof(rsx_trigger_placed_t, seq) == 16, "TRIGGER_PLACED.seq");
_Static_assert(offsetof(rsx_trigger_placed_t, ts_ns) == 24, "TRIGGER_PLACED.ts_ns");
_Static_assert(offsetof(rsx_trigger_placed_t, oid) == 32, "TRIGGER_PLACED.oid");
_Static_assert(offsetof(rsx_trigger_placed_t, px) == 40, "TRIGGER_PLACED.px");
_Static_assert(offsetof(rsx_trigger_placed_t, qty) == 48, "TRIGGER_PLACED.qty");
_Static_assert(offsetof(rsx_trigger_placed_t, trigger_px) == 56, "TRIGGER_PLACED.trigger_px");
_Static_assert(offsetof(rsx_trigger_placed_t, trail_px) == 64, "TRIGGER_PLACED.trail_px");
_Static_assert(offsetof(rsx_trigger_placed_t, trail_ppm) == 72, "TRIGGER_PLACED.trail_ppm");
_Static_assert(offsetof(rsx_trigger_placed_t, expire_s) == 76, "TRIGGER_PLACED.expire_s");
_Static_assert(offsetof(rsx_trigger_placed_t, user_id) == 80, "TRIGGER_PLACED.user_id");
_Static_assert(offsetof(rsx_trigger_placed_t, symbol_id) == 84, "TRIGGER_PLACED.symbol_id");
_Static_assert(offsetof(rsx_trigger_placed_t, kind) == 86, "TRIGGER_PLACED.kind");
_Static_assert(offsetof(rsx_trigger_placed_t, stp) == 87, "TRIGGER_PLACED.stp");
_Static_assert(offsetof(rsx_trigger_placed_t, side) == 88, "TRIGGER_PLACED.side");
_Static_assert(offsetof(rsx_trigger_placed_t, tif) == 89, "TRIGGER_PLACED.tif");
_Static_assert(offsetof(rsx_trigger_placed_t, flags) == 90, "TRIGGER_PLACED.flags");
_Static_assert(offsetof(rsx_trigger_placed_t, cid_len) == 91, "TRIGGER_PLACED.cid_len");
_Static_assert(offsetof(rsx_trigger_placed_t, cid) == 92, "TRIGGER_PLACED.cid");

typedef struct {
    uint8_t version;
    uint8_t header_flags;
    uint16_t type;
    uint16_t length;
    uint16_t stream;
    uint32_t crc;
    uint32_t epoch;
    uint64_t seq;
    uint64_t ts_ns;
    uint64_t oid;
    int64_t px;
    int64_t qty;
    int64_t trigger_px;
    int64_t fired_px;
    uint32_t expire_s;
    uint32_t user_id;
    uint16_t symbol_id;
    uint8_t kind;
    uint8_t stp;
    uint8_t side;
    uint8_t tif;
    uint8_t flags;
    uint8_t padding[41];
} rsx_trigger_fired_t;
_Static_assert(sizeof(rsx_trigger_fired_t) == 128, "rsx_trigger_fired_t size");
_Static_assert(offsetof(rsx_trigger_fired_t, seq) == 16, "TRIGGER_FIRED.seq");
_Static_assert(offsetof(rsx_trigger_fired_t, ts_ns) == 24, "TRIGGER_FIRED.ts_ns");
_Static_assert(offsetof(rsx_trigger_fired_t, oid) == 32, "TRIGGER_FIRED.oid");
_Static_assert(offsetof(rsx_trigger_fired_t, px) == 40, "TRIGGER_FIRED.px");
_Static_assert(offsetof(rsx_trigger_fired_t, qty) == 48, "TRIGGER_FIRED.qty");
_Static_assert(offsetof(rsx_trigger_fired_t, trigger_px) == 56, "TRIGGER_FIRED.trigger_px");
_Static_assert(offsetof(rsx_trigger_fired_t, fired_px) == 64, "TRIGGER_FIRED.fired_px");
_Static_assert(offsetof(rsx_trigger_fired_t, expire_s) == 72, "TRIGGER_FIRED.expire_s");
_Static_assert(offsetof(rsx_trigger_fired_t, user_id) == 76, "TRIGGER_FIRED.user_id");
_Static_assert(offsetof(rsx_trigger_fired_t, symbol_id) == 80, "TRIGGER_FIRED.symbol_id");
_Static_assert(offsetof(rsx_trigger_fired_t, kind) == 82, "TRIGGER_FIRED.kind");
_Static_assert(offsetof(rsx_trigger_fired_t, stp) == 83, "TRIGGER_FIRED.stp");
_Static_assert(offsetof(rsx_trigger_fired_t, side) == 84, "TRIGGER_FIRED.side");
_Static_assert(offsetof(rsx_trigger_fired_t, tif) == 85, "TRIGGER_FIRED.tif");
_Static_assert(offsetof(rsx_trigger_fired_t, flags) == 86, "TRIGGER_FIRED.flags");

typedef struct {
    uint8_t version;
    uint8_t header_flags;
    uint16_t type;
    uint16_t length;
    uint16_t stream;
    uint32_t crc;
    uint32_t epoch;
    uint64_t seq;
    uint64_t ts_ns;
    uint64_t oid;
    int64_t qty;
    uint64_t request_id;
    uint32_t user_id;
    uint32_t symbol_id;
    uint16_t reason;
    uint8_t kind;
    uint8_t side;
    uint8_t flags;
    uint8_t padding[59];
} rsx_trigger_cancelled_t;
_Static_assert(sizeof(rsx_trigger_cancelled_t) == 128, "rsx_trigger_cancelled_t size");
_Static_assert(offsetof(rsx_trigger_cancelled_t, seq) == 16, "TRIGGER_CANCELLED.seq");
_Static_assert(offsetof(rsx_trigger_cancelled_t, ts_ns) == 24, "TRIGGER_CANCELLED.ts_ns");
_Static_assert(offsetof(rsx_trigger_cancelled_t, oid) == 32, "TRIGGER_CANCELLED.oid");
_Static_assert(offsetof(rsx_trigger_cancelled_t, qty) == 40, "TRIGGER_CANCELLED.qty");
_Static_assert(offsetof(rsx_trigger_cancelled_t, request_id) == 48, "TRIGGER_CANCELLED.request_id");
_Static_assert(offsetof(rsx_trigger_cancelled_t, user_id) == 56, "TRIGGER_CANCELLED.user_id");
_Static_assert(offsetof(rsx_trigger_cancelled_t, symbol_id) == 60, "TRIGGER_CANCELLED.symbol_id");
_Static_assert(offsetof(rsx_trigger_cancelled_t, reason) == 64, "TRIGGER_CANCELLED.reason");
_Static_assert(offsetof(rsx_trigger_cancelled_t, kind) == 66, "TRIGGER_CANCELLED.kind");
_Static_assert(offsetof(rsx_trigger_cancelled_t, side) == 67, "TRIGGER_CANCELLED.side");
_Static_assert(offsetof(rsx_trigger_cancelled_t, flags) == 68, "TRIGGER_CANCELLED.flags");

typedef struct {
    uint8_t version;
    uint8_t header_flags;
    uint16_t type;
    uint16_t length;
    uint16_t stream;
    uint32_t crc;
    uint32_t epoch;
    uint64_t seq;
    uint64_t ts_ns;
    uint64_t request_id;
    uint32_t user_id;
    uint32_t symbol_id;
    uint8_t mode;
    uint8_t previous;
    uint8_t padding[78];
} rsx_trading_mode_t;
_Static_assert(sizeof(rsx_trading_mode_t) == 128, "rsx_trading_mode_t size");
_Static_assert(offsetof(rsx_trading_mode_t, seq) == 16, "TRADING_MODE.seq");
_Static_assert(offsetof(rsx_trading_mode_t, ts_ns) == 24, "TRADING_MODE.ts_ns");
_Static_assert(offsetof(rsx_trading_mode_t, request_id) == 32, "TRADING_MODE.request_id");
_Static_assert(offsetof(rsx_trading_mode_t, user_id) == 40, "TRADING_MODE.user_id");
_Static_assert(offsetof(rsx_trading_mode_t, symbol_id) == 44, "TRADING_MODE.symbol_id");
_Static_assert(offsetof(rsx_trading_mode_t, mode) == 48, "TRADING_MODE.mode");
_Static_assert(offsetof(rsx_trading_mode_t, previous) == 49, "TRADING_MODE.previous");

typedef struct {
    uint8_t version;
    uint8_t header_flags;
    uint16_t type;
    uint16_t length;
    uint16_t stream;
    uint32_t crc;
    uint32_t epoch;
    uint64_t seq;
    uint64_t ts_ns;
    uint64_t request_id;
    uint32_t user_id;
    uint32_t owner_group;
    uint8_t stp;
    uint8_t padding[79];
} rsx_account_config_t;
_Static_assert(sizeof(rsx_account_config_t) == 128, "rsx_account_config_t size");
_Static_assert(offsetof(rsx_account_config_t, seq) == 16, "ACCOUNT_CONFIG.seq");
_Static_assert(offsetof(rsx_account_config_t, ts_ns) == 24, "ACCOUNT_CONFIG.ts_ns");
_Static_assert(offsetof(rsx_account_config_t, request_id) == 32, "ACCOUNT_CONFIG.request_id");
_Static_assert(offsetof(rsx_account_config_t, user_id) == 40, "ACCOUNT_CONFIG.user_id");
_Static_assert(offsetof(rsx_account_config_t, owner_group) == 44, "ACCOUNT_CONFIG.owner_group");
_Static_assert(offsetof(rsx_account_config_t, stp) == 48, "ACCOUNT_CONFIG.stp");

typedef struct {
    uint8_t version;
    uint8_t header_flags;
    uint16_t type;
    uint16_t length;
    uint16_t stream;
    uint32_t crc;
    uint32_t epoch;
    uint64_t seq;
    uint64_t ts_ns;
    uint64_t oid;
    int64_t qty;
    int64_t released;
    uint32_t user_id;
    uint32_t symbol_id;
    uint8_t side;
    uint8_t flags;
    uint8_t padding[62];
} rsx_order_released_t;
_Static_assert(sizeof(rsx_order_released_t) == 128, "rsx_order_released_t size");
_Static_assert(offsetof(rsx_order_released_t, seq) == 16, "ORDER_RELEASED.seq");
_Static_assert(offsetof(rsx_order_released_t, ts_ns) == 24, "ORDER_RELEASED.ts_ns");
_Static_assert(offsetof(rsx_order_released_t, oid) == 32, "ORDER_RELEASED.oid");
_Static_assert(offsetof(rsx_order_released_t, qty) == 40, "ORDER_RELEASED.qty");
_Static_assert(offsetof(rsx_order_released_t, released) == 48, "ORDER_RELEASED.released");
_Static_assert(offsetof(rsx_order_released_t, user_id) == 56, "ORDER_RELEASED.user_id");
_Static_assert(offsetof(rsx_order_released_t, symbol_id) == 60, "ORDER_RELEASED.symbol_id");
_Static_assert(offsetof(rsx_order_released_t, side) == 64, "ORDER_RELEASED.side");
_Static_assert(offsetof(rsx_order_released_t, flags) == 65, "ORDER_RELEASED.flags");

typedef struct {
    uint8_t version;
    uint8_t header_flags;
    uint16_t type;
    uint16_t length;
    uint16_t stream;
    uint32_t crc;
    uint32_t epoch;
    uint64_t seq;
    uint64_t ts_ns;
    uint64_t request_id;
    uint32_t user_id;
    uint32_t symbol_id;
    uint32_t cancelled;
    uint16_t reason;
    uint8_t padding[74];
} rsx_cancel_all_done_t;
_Static_assert(sizeof(rsx_cancel_all_done_t) == 128, "rsx_cancel_all_done_t size");
_Static_assert(offsetof(rsx_cancel_all_done_t, seq) == 16, "CANCEL_ALL_DONE.seq");
_Static_assert(offsetof(rsx_cancel_all_done_t, ts_ns) == 24, "CANCEL_ALL_DONE.ts_ns");
_Static_assert(offsetof(rsx_cancel_all_done_t, request_id) == 32, "CANCEL_ALL_DONE.request_id");
_Static_assert(offsetof(rsx_cancel_all_done_t, user_id) == 40, "CANCEL_ALL_DONE.user_id");
_Static_assert(offsetof(rsx_cancel_all_done_t, symbol_id) == 44, "CANCEL_ALL_DONE.symbol_id");
_Static_assert(offsetof(rsx_cancel_all_done_t, cancelled) == 48, "CANCEL_ALL_DONE.cancelled");
_Static_assert(offsetof(rsx_cancel_all_done_t, reason) == 52, "CANCEL_ALL_DONE.reason");

typedef struct {
    uint8_t version;
    uint8_t header_flags;
    uint16_t type;
    uint16_t length;
    uint16_t stream;
    uint32_t crc;
    uint32_t epoch;
    uint64_t seq;
    uint64_t ts_ns;
    uint64_t oid;
    int64_t px;
    int64_t qty;
    int64_t trigger_px;
    uint32_t user_id;
    uint16_t symbol_id;
    uint8_t kind;
    uint8_t stp;
    uint8_t side;
    uint8_t tif;
    uint8_t flags;
    uint8_t cid_len;
    uint8_t cid[36];
    uint16_t reason;
    uint8_t padding[14];
} rsx_trigger_rejected_t;
_Static_assert(sizeof(rsx_trigger_rejected_t) == 128, "rsx_trigger_rejected_t size");
_Static_assert(offsetof(rsx_trigger_rejected_t, seq) == 16, "TRIGGER_REJECTED.seq");
_Static_assert(offsetof(rsx_trigger_rejected_t, ts_ns) == 24, "TRIGGER_REJECTED.ts_ns");
_Static_assert(offsetof(rsx_trigger_rejected_t, oid) == 32, "TRIGGER_REJECTED.oid");
_Static_assert(offsetof(rsx_trigger_rejected_t, px) == 40, "TRIGGER_REJECTED.px");
_Static_assert(offsetof(rsx_trigger_rejected_t, qty) == 48, "TRIGGER_REJECTED.qty");
_Static_assert(offsetof(rsx_trigger_rejected_t, trigger_px) == 56, "TRIGGER_REJECTED.trigger_px");
_Static_assert(offsetof(rsx_trigger_rejected_t, user_id) == 64, "TRIGGER_REJECTED.user_id");
_Static_assert(offsetof(rsx_trigger_rejected_t, symbol_id) == 68, "TRIGGER_REJECTED.symbol_id");
_Static_assert(offsetof(rsx_trigger_rejected_t, kind) == 70, "TRIGGER_REJECTED.kind");
_Static_assert(offsetof(rsx_trigger_rejected_t, stp) == 71, "TRIGGER_REJECTED.stp");
_Static_assert(offsetof(rsx_trigger_rejected_t, side) == 72, "TRIGGER_REJECTED.side");
_Static_assert(offsetof(rsx_trigger_rejected_t, tif) == 73, "TRIGGER_REJECTED.tif");
_Static_assert(offsetof(rsx_trigger_rejected_t, flags) == 74, "TRIGGER_REJECTED.flags");
_Static_assert(offsetof(rsx_trigger_rejected_t, cid_len) == 75, "TRIGGER_REJECTED.cid_len");
_Static_assert(offsetof(rsx_trigger_rejected_t, cid) == 76, "TRIGGER_REJECTED.cid");
_Static_assert(offsetof(rsx_trigger_rejected_t, reason) == 112, "TRIGGER_REJECTED.reason");

typedef struct {
    uint8_t version;
    uint8_t header_flags;
    uint16_t type;
    uint16_t length;
    uint16_t stream;
    uint32_t crc;
    uint32_t epoch;
    uint64_t seq;
    uint64_t ts_ns;
    uint64_t request_id;
    int64_t amount;
    uint32_t user_id;
    uint8_t padding[76];
} rsx_withdrawal_t;
_Static_assert(sizeof(rsx_withdrawal_t) == 128, "rsx_withdrawal_t size");
_Static_assert(offsetof(rsx_withdrawal_t, seq) == 16, "WITHDRAWAL.seq");
_Static_assert(offsetof(rsx_withdrawal_t, ts_ns) == 24, "WITHDRAWAL.ts_ns");
_Static_assert(offsetof(rsx_withdrawal_t, request_id) == 32, "WITHDRAWAL.request_id");
_Static_assert(offsetof(rsx_withdrawal_t, amount) == 40, "WITHDRAWAL.amount");
_Static_assert(offsetof(rsx_withdrawal_t, user_id) == 48, "WITHDRAWAL.user_id");

typedef struct {
    uint8_t version;
    uint8_t header_flags;
    uint16_t type;
    uint16_t length;
    uint16_t stream;
    uint32_t crc;
    uint32_t epoch;
    uint64_t seq;
    uint64_t ts_ns;
    uint64_t request_id;
    uint32_t user_id;
    uint32_t symbol_id;
    uint16_t leverage;
    uint8_t margin_mode;
    uint8_t position_mode;
    uint8_t padding[76];
} rsx_margin_config_t;
_Static_assert(sizeof(rsx_margin_config_t) == 128, "rsx_margin_config_t size");
_Static_assert(offsetof(rsx_margin_config_t, seq) == 16, "MARGIN_CONFIG.seq");
_Static_assert(offsetof(rsx_margin_config_t, ts_ns) == 24, "MARGIN_CONFIG.ts_ns");
_Static_assert(offsetof(rsx_margin_config_t, request_id) == 32, "MARGIN_CONFIG.request_id");
_Static_assert(offsetof(rsx_margin_config_t, user_id) == 40, "MARGIN_CONFIG.user_id");
_Static_assert(offsetof(rsx_margin_config_t, symbol_id) == 44, "MARGIN_CONFIG.symbol_id");
_Static_assert(offsetof(rsx_margin_config_t, leverage) == 48, "MARGIN_CONFIG.leverage");
_Static_assert(offsetof(rsx_margin_config_t, margin_mode) == 50, "MARGIN_CONFIG.margin_mode");
_Static_assert(offsetof(rsx_margin_config_t, position_mode) == 51, "MARGIN_CONFIG.position_mode");

typedef struct {
    uint8_t version;
    uint8_t header_flags;
    uint16_t type;
    uint16_t length;
    uint16_t stream;
    uint32_t crc;
    uint32_t epoch;
    uint64_t seq;
    uint64_t ts_ns;
    uint64_t request_id;
    int64_t amount;
    uint32_t user_id;
    uint32_t symbol_id;
    uint8_t leg;
    uint8_t padding[71];
} rsx_margin_transferred_t;
_Static_assert(sizeof(rsx_margin_transferred_t) == 128, "rsx_margin_transferred_t size");
_Static_assert(offsetof(rsx_margin_transferred_t, seq) == 16, "MARGIN_TRANSFERRED.seq");
_Static_assert(offsetof(rsx_margin_transferred_t, ts_ns) == 24, "MARGIN_TRANSFERRED.ts_ns");
_Static_assert(offsetof(rsx_margin_transferred_t, request_id) == 32, "MARGIN_TRANSFERRED.request_id");
_Static_assert(offsetof(rsx_margin_transferred_t, amount) == 40, "MARGIN_TRANSFERRED.amount");
_Static_assert(offsetof(rsx_margin_transferred_t, user_id) == 48, "MARGIN_TRANSFERRED.user_id");
_Static_assert(offsetof(rsx_margin_transferred_t, symbol_id) == 52, "MARGIN_TRANSFERRED.symbol_id");
_Static_assert(offsetof(rsx_margin_transferred_t, leg) == 56, "MARGIN_TRANSFERRED.leg");

typedef struct {
    uint8_t version;
    uint8_t header_flags;
    uint16_t type;
    uint16_t length;
    uint16_t stream;
    uint32_t crc;
    uint32_t epoch;
    uint64_t seq;
    uint64_t ts_ns;
    uint64_t interval_id;
    int64_t rate_ppb;
    int64_t mark_px;
    int64_t index_px;
    int64_t premium_ppb;
    uint32_t symbol_id;
    uint32_t samples;
    uint32_t skipped;
    uint8_t padding[44];
} rsx_funding_settled_t;
_Static_assert(sizeof(rsx_funding_settled_t) == 128, "rsx_funding_settled_t size");
_Static_assert(offsetof(rsx_funding_settled_t, seq) == 16, "FUNDING_SETTLED.seq");
_Static_assert(offsetof(rsx_funding_settled_t, ts_ns) == 24, "FUNDING_SETTLED.ts_ns");
_Static_assert(offsetof(rsx_funding_settled_t, interval_id) == 32, "FUNDING_SETTLED.interval_id");
_Static_assert(offsetof(rsx_funding_settled_t, rate_ppb) == 40, "FUNDING_SETTLED.rate_ppb");
_Static_assert(offsetof(rsx_funding_settled_t, mark_px) == 48, "FUNDING_SETTLED.mark_px");
_Static_assert(offsetof(rsx_funding_settled_t, index_px) == 56, "FUNDING_SETTLED.index_px");
_Static_assert(offsetof(rsx_funding_settled_t, premium_ppb) == 64, "FUNDING_SETTLED.premium_ppb");
_Static_assert(offsetof(rsx_funding_settled_t, symbol_id) == 72, "FUNDING_SETTLED.symbol_id");
_Static_assert(offsetof(rsx_funding_settled_t, samples) == 76, "FUNDING_SETTLED.samples");
_Static_assert(offsetof(rsx_funding_settled_t, skipped) == 80, "FUNDING_SETTLED.skipped");

typedef struct {
    uint8_t version;
    uint8_t header_flags;
    uint16_t type;
    uint16_t length;
    uint16_t stream;
    uint32_t crc;
    uint32_t epoch;
    uint64_t seq;
    uint64_t ts_ns;
    uint64_t interval_id;
    int64_t amount;
    int64_t net_qty;
    int64_t mark_px;
    int64_t rate_ppb;
    uint32_t user_id;
    uint32_t symbol_id;
    uint8_t leg;
    uint8_t padding[47];
} rsx_funding_payment_t;
_Static_assert(sizeof(rsx_funding_payment_t) == 128, "rsx_funding_payment_t size");
_Static_assert(offsetof(rsx_funding_payment_t, seq) == 16, "FUNDING_PAYMENT.seq");
_Static_assert(offsetof(rsx_funding_payment_t, ts_ns) == 24, "FUNDING_PAYMENT.ts_ns");
_Static_assert(offsetof(rsx_funding_payment_t, interval_id) == 32, "FUNDING_PAYMENT.interval_id");
_Static_assert(offsetof(rsx_funding_payment_t, amount) == 40, "FUNDING_PAYMENT.amount");
_Static_assert(offsetof(rsx_funding_payment_t, net_qty) == 48, "FUNDING_PAYMENT.net_qty");
_Static_assert(offsetof(rsx_funding_payment_t, mark_px) == 56, "FUNDING_PAYMENT.mark_px");
_Static_assert(offsetof(rsx_funding_payment_t, rate_ppb) == 64, "FUNDING_PAYMENT.rate_ppb");
_Static_assert(offsetof(rsx_funding_payment_t, user_id) == 72, "FUNDING_PAYMENT.user_id");
_Static_assert(offsetof(rsx_funding_payment_t, symbol_id) == 76, "FUNDING_PAYMENT.symbol_id");
_Static_assert(offsetof(rsx_funding_payment_t, leg) == 80, "FUNDING_PAYMENT.leg");

typedef struct {
    uint8_t version;
    uint8_t header_flags;
    uint16_t type;
    uint16_t length;
    uint16_t stream;
    uint32_t crc;
    uint32_t epoch;
    uint64_t seq;
    uint64_t ts_ns;
    uint64_t interval_id;
    int64_t residue;
    int64_t paid;
    int64_t received;
    uint32_t symbol_id;
    uint32_t payments;
    uint8_t padding[56];
} rsx_funding_done_t;
_Static_assert(sizeof(rsx_funding_done_t) == 128, "rsx_funding_done_t size");
_Static_assert(offsetof(rsx_funding_done_t, seq) == 16, "FUNDING_DONE.seq");
_Static_assert(offsetof(rsx_funding_done_t, ts_ns) == 24, "FUNDING_DONE.ts_ns");
_Static_assert(offsetof(rsx_funding_done_t, interval_id) == 32, "FUNDING_DONE.interval_id");
_Static_assert(offsetof(rsx_funding_done_t, residue) == 40, "FUNDING_DONE.residue");
_Static_assert(offsetof(rsx_funding_done_t, paid) == 48, "FUNDING_DONE.paid");
_Static_assert(offsetof(rsx_funding_done_t, received) == 56, "FUNDING_DONE.received");
_Static_assert(offsetof(rsx_funding_done_t, symbol_id) == 64, "FUNDING_DONE.symbol_id");
_Static_assert(offsetof(rsx_funding_done_t, payments) == 68, "FUNDING_DONE.payments");

typedef struct {
    uint8_t version;
    uint8_t header_flags;
    uint16_t type;
    uint16_t length;
    uint16_t stream;
    uint32_t crc;
    uint32_t epoch;
    uint64_t seq;
    uint64_t ts_ns;
    uint64_t oid;
    int64_t equity;
    int64_t maintenance_margin;
    int64_t qty;
    int64_t px;
    int64_t mark_px;
    int64_t net_qty;
    uint32_t user_id;
    uint32_t symbol_id;
    uint8_t stage;
    uint8_t round;
    uint8_t side;
    uint8_t leg;
    uint8_t margin_mode;
    uint8_t padding[27];
} rsx_liquidation_step_t;
_Static_assert(sizeof(rsx_liquidation_step_t) == 128, "rsx_liquidation_step_t size");
_Static_assert(offsetof(rsx_liquidation_step_t, seq) == 16, "LIQUIDATION_STEP.seq");
_Static_assert(offsetof(rsx_liquidation_step_t, ts_ns) == 24, "LIQUIDATION_STEP.ts_ns");
_Static_assert(offsetof(rsx_liquidation_step_t, oid) == 32, "LIQUIDATION_STEP.oid");
_Static_assert(offsetof(rsx_liquidation_step_t, equity) == 40, "LIQUIDATION_STEP.equity");
_Static_assert(offsetof(rsx_liquidation_step_t, maintenance_margin) == 48, "LIQUIDATION_STEP.maintenance_margin");
_Static_assert(offsetof(rsx_liquidation_step_t, qty) == 56, "LIQUIDATION_STEP.qty");
_Static_assert(offsetof(rsx_liquidation_step_t, px) == 64, "LIQUIDATION_STEP.px");
_Static_assert(offsetof(rsx_liquidation_step_t, mark_px) == 72, "LIQUIDATION_STEP.mark_px");
_Static_assert(offsetof(rsx_liquidation_step_t, net_qty) == 80, "LIQUIDATION_STEP.net_qty");
_Static_assert(offsetof(rsx_liquidation_step_t, user_id) == 88, "LIQUIDATION_STEP.user_id");
_Static_assert(offsetof(rsx_liquidation_step_t, symbol_id) == 92, "LIQUIDATION_STEP.symbol_id");
_Static_assert(offsetof(rsx_liquidation_step_t, stage) == 96, "LIQUIDATION_STEP.stage");
_Static_assert(offsetof(rsx_liquidation_step_t, round) == 97, "LIQUIDATION_STEP.round");
_Static_assert(offsetof(rsx_liquidation_step_t, side) == 98, "LIQUIDATION_STEP.side");
_Static_assert(offsetof(rsx_liquidation_step_t, leg) == 99, "LIQUIDATION_STEP.leg");
_Static_assert(offsetof(rsx_liquidation_step_t, margin_mode) == 100, "LIQUIDATION_STEP.margin_mode");

typedef struct {
    uint8_t version;
    uint8_t header_flags;
    uint16_t type;
    uint16_t length;
    uint16_t stream;
    uint32_t crc;
    uint32_t epoch;
    uint64_t seq;
    uint64_t ts_ns;
    uint64_t transfer_id;
    int64_t qty;
    int64_t px;
    int64_t mark_px;
    int64_t score;
    uint32_t user_id;
    uint32_t counter_user_id;
    uint32_t symbol_id;
    uint8_t side;
    uint8_t kind;
    uint8_t user_flags;
    uint8_t counter_flags;
    uint8_t padding[40];
} rsx_position_transferred_t;
_Static_assert(sizeof(rsx_position_transferred_t) == 128, "rsx_position_transferred_t size");
_Static_assert(offsetof(rsx_position_transferred_t, seq) == 16, "POSITION_TRANSFERRED.seq");
_Static_assert(offsetof(rsx_position_transferred_t, ts_ns) == 24, "POSITION_TRANSFERRED.ts_ns");
_Static_assert(offsetof(rsx_position_transferred_t, transfer_id) == 32, "POSITION_TRANSFERRED.transfer_id");
_Static_assert(offsetof(rsx_position_transferred_t, qty) == 40, "POSITION_TRANSFERRED.qty");
_Static_assert(offsetof(rsx_position_transferred_t, px) == 48, "POSITION_TRANSFERRED.px");
_Static_assert(offsetof(rsx_position_transferred_t, mark_px) == 56, "POSITION_TRANSFERRED.mark_px");
_Static_assert(offsetof(rsx_position_transferred_t, score) == 64, "POSITION_TRANSFERRED.score");
_Static_assert(offsetof(rsx_position_transferred_t, user_id) == 72, "POSITION_TRANSFERRED.user_id");
_Static_assert(offsetof(rsx_position_transferred_t, counter_user_id) == 76, "POSITION_TRANSFERRED.counter_user_id");
_Static_assert(offsetof(rsx_position_transferred_t, symbol_id) == 80, "POSITION_TRANSFERRED.symbol_id");
_Static_assert(offsetof(rsx_position_transferred_t, side) == 84, "POSITION_TRANSFERRED.side");
_Static_assert(offsetof(rsx_position_transferred_t, kind) == 85, "POSITION_TRANSFERRED.kind");
_Static_assert(offsetof(rsx_position_transferred_t, user_flags) == 86, "POSITION_TRANSFERRED.user_flags");
_Static_assert(offsetof(rsx_position_transferred_t, counter_flags) == 87, "POSITION_TRANSFERRED.counter_flags");

typedef struct {
    uint8_t version;
    uint8_t header_flags;
    uint16_t type;
    uint16_t length;
    uint16_t stream;
    uint32_t crc;
    uint32_t epoch;
    uint64_t seq;
    uint64_t ts_ns;
    uint64_t transfer_id;
    int64_t amount;
    uint32_t user_id;
    uint32_t symbol_id;
    uint8_t leg;
    uint8_t margin_mode;
    uint8_t padding[70];
} rsx_liquidation_settled_t;
_Static_assert(sizeof(rsx_liquidation_settled_t) == 128, "rsx_liquidation_settled_t size");
_Static_assert(offsetof(rsx_liquidation_settled_t, seq) == 16, "LIQUIDATION_SETTLED.seq");
_Static_assert(offsetof(rsx_liquidation_settled_t, ts_ns) == 24, "LIQUIDATION_SETTLED.ts_ns");
_Static_assert(offsetof(rsx_liquidation_settled_t, transfer_id) == 32, "LIQUIDATION_SETTLED.transfer_id");
_Static_assert(offsetof(rsx_liquidation_settled_t, amount) == 40, "LIQUIDATION_SETTLED.amount");
_Static_assert(offsetof(rsx_liquidation_settled_t, user_id) == 48, "LIQUIDATION_SETTLED.user_id");
_Static_assert(offsetof(rsx_liquidation_settled_t, symbol_id) == 52, "LIQUIDATION_SETTLED.symbol_id");
_Static_assert(offsetof(rsx_liquidation_settled_t, leg) == 56, "LIQUIDATION_SETTLED.leg");
_Static_assert(offsetof(rsx_liquidation_settled_t, margin_mode) == 57, "LIQUIDATION_SETTLED.margin_mode");

typedef struct {
    uint8_t version;
    uint8_t header_flags;
    uint16_t type;
    uint16_t length;
    uint16_t stream;
    uint32_t crc;
    uint32_t epoch;
    uint64_t seq;
    uint64_t ts_ns;
    int64_t insurance_loss_max;
    int64_t insurance_notional_max;
    int64_t oi_low;
    int64_t oi_high;
    uint32_t funding_interval_s;
    int32_t funding_interest_ppb;
    uint32_t funding_damp_ppb;
    uint32_t funding_cap_ppb;
    uint32_t liquidation_fee_ppm;
    uint32_t liquidation_slip_ppm;
    uint32_t liquidation_slip_max_ppm;
    uint32_t liquidation_rounds;
    uint32_t liquidation_delay_ms;
    uint32_t liquidation_step_ppm;
    uint32_t liquidation_buffer_ppm;
    uint32_t margin_call_ppm;
    uint32_t withdraw_keep_ppm;
    uint32_t symbol_id;
    uint32_t config_version;
    uint8_t adl_policy;
    uint8_t padding[3];
} rsx_symbol_risk_t;
_Static_assert(sizeof(rsx_symbol_risk_t) == 128, "rsx_symbol_risk_t size");
_Static_assert(offsetof(rsx_symbol_risk_t, seq) == 16, "SYMBOL_RISK.seq");
_Static_assert(offsetof(rsx_symbol_risk_t, ts_ns) == 24, "SYMBOL_RISK.ts_ns");
_Static_assert(offsetof(rsx_symbol_risk_t, insurance_loss_max) == 32, "SYMBOL_RISK.insurance_loss_max");
_Static_assert(offsetof(rsx_symbol_risk_t, insurance_notional_max) == 40, "SYMBOL_RISK.insurance_notional_max");
_Static_assert(offsetof(rsx_symbol_risk_t, oi_low) == 48, "SYMBOL_RISK.oi_low");
_Static_assert(offsetof(rsx_symbol_risk_t, oi_high) == 56, "SYMBOL_RISK.oi_high");
_Static_assert(offsetof(rsx_symbol_risk_t, funding_interval_s) == 64, "SYMBOL_RISK.funding_interval_s");
_Static_assert(offsetof(rsx_symbol_risk_t, funding_interest_ppb) == 68, "SYMBOL_RISK.funding_interest_ppb");
_Static_assert(offsetof(rsx_symbol_risk_t, funding_damp_ppb) == 72, "SYMBOL_RISK.funding_damp_ppb");
_Static_assert(offsetof(rsx_symbol_risk_t, funding_cap_ppb) == 76, "SYMBOL_RISK.funding_cap_ppb");
_Static_assert(offsetof(rsx_symbol_risk_t, liquidation_fee_ppm) == 80, "SYMBOL_RISK.liquidation_fee_ppm");
_Static_assert(offsetof(rsx_symbol_risk_t, liquidation_slip_ppm) == 84, "SYMBOL_RISK.liquidation_slip_ppm");
_Static_assert(offsetof(rsx_symbol_risk_t, liquidation_slip_max_ppm) == 88, "SYMBOL_RISK.liquidation_slip_max_ppm");
_Static_assert(offsetof(rsx_symbol_risk_t, liquidation_rounds) == 92, "SYMBOL_RISK.liquidation_rounds");
_Static_assert(offsetof(rsx_symbol_risk_t, liquidation_delay_ms) == 96, "SYMBOL_RISK.liquidation_delay_ms");
_Static_assert(offsetof(rsx_symbol_risk_t, liquidation_step_ppm) == 100, "SYMBOL_RISK.liquidation_step_ppm");
_Static_assert(offsetof(rsx_symbol_risk_t, liquidation_buffer_ppm) == 104, "SYMBOL_RISK.liquidation_buffer_ppm");
_Static_assert(offsetof(rsx_symbol_risk_t, margin_call_ppm) == 108, "SYMBOL_RISK.margin_call_ppm");
_Static_assert(offsetof(rsx_symbol_risk_t, withdraw_keep_ppm) == 112, "SYMBOL_RISK.withdraw_keep_ppm");
_Static_assert(offsetof(rsx_symbol_risk_t, symbol_id) == 116, "SYMBOL_RISK.symbol_id");
_Static_assert(offsetof(rsx_symbol_risk_t, config_version) == 120, "SYMBOL_RISK.config_version");
_Static_assert(offsetof(rsx_symbol_risk_t, adl_policy) == 124, "SYMBOL_RISK.adl_policy");

typedef struct {
    uint8_t version;
    uint8_t header_flags;
    uint16_t type;
    uint16_t length;
    uint16_t stream;
    uint32_t crc;
    uint32_t epoch;
    uint64_t seq;
    uint64_t ts_ns;
    int64_t from_1;
    uint32_t initial_ppm_1;
    uint32_t maintenance_ppm_1;
    int64_t from_2;
    uint32_t initial_ppm_2;
    uint32_t maintenance_ppm_2;
    int64_t from_3;
    uint32_t initial_ppm_3;
    uint32_t maintenance_ppm_3;
    int64_t from_4;
    uint32_t initial_ppm_4;
    uint32_t maintenance_ppm_4;
    int64_t from_5;
    uint32_t initial_ppm_5;
    uint32_t maintenance_ppm_5;
    uint32_t symbol_id;
    uint32_t config_version;
    uint8_t padding[8];
} rsx_symbol_brackets_t;
_Static_assert(sizeof(rsx_symbol_brackets_t) == 128, "rsx_symbol_brackets_t size");
_Static_assert(offsetof(rsx_symbol_brackets_t, seq) == 16, "SYMBOL_BRACKETS.seq");
_Static_assert(offsetof(rsx_symbol_brackets_t, ts_ns) == 24, "SYMBOL_BRACKETS.ts_ns");
_Static_assert(offsetof(rsx_symbol_brackets_t, from_1) == 32, "SYMBOL_BRACKETS.from_1");
_Static_assert(offsetof(rsx_symbol_brackets_t, initial_ppm_1) == 40, "SYMBOL_BRACKETS.initial_ppm_1");
_Static_assert(offsetof(rsx_symbol_brackets_t, maintenance_ppm_1) == 44, "SYMBOL_BRACKETS.maintenance_ppm_1");
_Static_assert(offsetof(rsx_symbol_brackets_t, from_2) == 48, "SYMBOL_BRACKETS.from_2");
_Static_assert(offsetof(rsx_symbol_brackets_t, initial_ppm_2) == 56, "SYMBOL_BRACKETS.initial_ppm_2");
_Static_assert(offsetof(rsx_symbol_brackets_t, maintenance_ppm_2) == 60, "SYMBOL_BRACKETS.maintenance_ppm_2");
_Static_assert(offsetof(rsx_symbol_brackets_t, from_3) == 64, "SYMBOL_BRACKETS.from_3");
_Static_assert(offsetof(rsx_symbol_brackets_t, initial_ppm_3) == 72, "SYMBOL_BRACKETS.initial_ppm_3");
_Static_assert(offsetof(rsx_symbol_brackets_t, maintenance_ppm_3) == 76, "SYMBOL_BRACKETS.maintenance_ppm_3");
_Static_assert(offsetof(rsx_symbol_brackets_t, from_4) == 80, "SYMBOL_BRACKETS.from_4");
_Static_assert(offsetof(rsx_symbol_brackets_t, initial_ppm_4) == 88, "SYMBOL_BRACKETS.initial_ppm_4");
_Static_assert(offsetof(rsx_symbol_brackets_t, maintenance_ppm_4) == 92, "SYMBOL_BRACKETS.maintenance_ppm_4");
_Static_assert(offsetof(rsx_symbol_brackets_t, from_5) == 96, "SYMBOL_BRACKETS.from_5");
_Static_assert(offsetof(rsx_symbol_brackets_t, initial_ppm_5) == 104, "SYMBOL_BRACKETS.initial_ppm_5");
_Static_assert(offsetof(rsx_symbol_brackets_t, maintenance_ppm_5) == 108, "SYMBOL_BRACKETS.maintenance_ppm_5");
_Static_assert(offsetof(rsx_symbol_brackets_t, symbol_id) == 112, "SYMBOL_BRACKETS.symbol_id");
_Static_assert(offsetof(rsx_symbol_brackets_t, config_version) == 116, "SYMBOL_BRACKETS.config_version");

typedef struct {
    uint8_t version;
    uint8_t header_flags;
    uint16_t type;
    uint16_t length;
    uint16_t stream;
    uint32_t crc;
    uint32_t epoch;
    uint64_t seq;
    uint64_t ts_ns;
    int32_t fd;
    uint32_t sync_folder;
    int32_t close_fd;
    uint32_t taken;
    uint8_t padding[80];
} rsx_sync_request_t;
_Static_assert(sizeof(rsx_sync_request_t) == 128, "rsx_sync_request_t size");
_Static_assert(offsetof(rsx_sync_request_t, seq) == 16, "SYNC_REQUEST.seq");
_Static_assert(offsetof(rsx_sync_request_t, ts_ns) == 24, "SYNC_REQUEST.ts_ns");
_Static_assert(offsetof(rsx_sync_request_t, fd) == 32, "SYNC_REQUEST.fd");
_Static_assert(offsetof(rsx_sync_request_t, sync_folder) == 36, "SYNC_REQUEST.sync_folder");
_Static_assert(offsetof(rsx_sync_request_t, close_fd) == 40, "SYNC_REQUEST.close_fd");
_Static_assert(offsetof(rsx_sync_request_t, taken) == 44, "SYNC_REQUEST.taken");

typedef struct {
    uint8_t version;
    uint8_t header_flags;
    uint16_t type;
    uint16_t length;
    uint16_t stream;
    uint32_t crc;
    uint32_t epoch;
    uint64_t seq;
    uint64_t ts_ns;
    int32_t error;
    uint32_t elapsed_ns;
    uint8_t padding[88];
} rsx_sync_done_t;
_Static_assert(sizeof(rsx_sync_done_t) == 128, "rsx_sync_done_t size");
_Static_assert(offsetof(rsx_sync_done_t, seq) == 16, "SYNC_DONE.seq");
_Static_assert(offsetof(rsx_sync_done_t, ts_ns) == 24, "SYNC_DONE.ts_ns");
_Static_assert(offsetof(rsx_sync_done_t, error) == 32, "SYNC_DONE.error");
_Static_assert(offsetof(rsx_sync_done_t, elapsed_ns) == 36, "SYNC_DONE.elapsed_ns");

typedef struct {
    uint8_t version;
    uint8_t header_flags;
    uint16_t type;
    uint16_t length;
    uint16_t stream;
    uint32_t crc;
    uint32_t epoch;
    uint64_t seq;
    uint64_t ts_ns;
    int32_t fd;
    uint32_t number;
    uint8_t padding[88];
} rsx_segment_ready_t;
_Static_assert(sizeof(rsx_segment_ready_t) == 128, "rsx_segment_ready_t size");
_Static_assert(offsetof(rsx_segment_ready_t, seq) == 16, "SEGMENT_READY.seq");
_Static_assert(offsetof(rsx_segment_ready_t, ts_ns) == 24, "SEGMENT_READY.ts_ns");
_Static_assert(offsetof(rsx_segment_ready_t, fd) == 32, "SEGMENT_READY.fd");
_Static_assert(offsetof(rsx_segment_ready_t, number) == 36, "SEGMENT_READY.number");

typedef struct {
    uint8_t version;
    uint8_t header_flags;
    uint16_t type;
    uint16_t length;
    uint16_t stream;
    uint32_t crc;
    uint32_t epoch;
    uint64_t seq;
    uint64_t ts_ns;
    uint64_t digest;
    uint32_t symbol_id;
    uint32_t part;
    uint16_t form;
    uint8_t padding[78];
} rsx_engine_digest_t;
_Static_assert(sizeof(rsx_engine_digest_t) == 128, "rsx_engine_digest_t size");
_Static_assert(offsetof(rsx_engine_digest_t, seq) == 16, "ENGINE_DIGEST.seq");
_Static_assert(offsetof(rsx_engine_digest_t, ts_ns) == 24, "ENGINE_DIGEST.ts_ns");
_Static_assert(offsetof(rsx_engine_digest_t, digest) == 32, "ENGINE_DIGEST.digest");
_Static_assert(offsetof(rsx_engine_digest_t, symbol_id) == 40, "ENGINE_DIGEST.symbol_id");
_Static_assert(offsetof(rsx_engine_digest_t, part) == 44, "ENGINE_DIGEST.part");
_Static_assert(offsetof(rsx_engine_digest_t, form) == 48, "ENGINE_DIGEST.form");

typedef struct {
    uint8_t version;
    uint8_t header_flags;
    uint16_t type;
    uint16_t length;
    uint16_t stream;
    uint32_t crc;
    uint32_t epoch;
    uint64_t seq;
    uint64_t ts_ns;
    uint32_t part;
    uint16_t form;
    uint8_t padding[90];
} rsx_ledger_mark_t;
_Static_assert(sizeof(rsx_ledger_mark_t) == 128, "rsx_ledger_mark_t size");
_Static_assert(offsetof(rsx_ledger_mark_t, seq) == 16, "LEDGER_MARK.seq");
_Static_assert(offsetof(rsx_ledger_mark_t, ts_ns) == 24, "LEDGER_MARK.ts_ns");
_Static_assert(offsetof(rsx_ledger_mark_t, part) == 32, "LEDGER_MARK.part");
_Static_assert(offsetof(rsx_ledger_mark_t, form) == 36, "LEDGER_MARK.form");

typedef struct {
    uint8_t version;
    uint8_t header_flags;
    uint16_t type;
    uint16_t length;
    uint16_t stream;
    uint32_t crc;
    uint32_t epoch;
    uint64_t seq;
    uint64_t ts_ns;
    uint64_t digest;
    uint64_t mark_seq;
    uint32_t part;
    uint16_t form;
    uint16_t shard;
    uint8_t padding[72];
} rsx_ledger_digest_t;
_Static_assert(sizeof(rsx_ledger_digest_t) == 128, "rsx_ledger_digest_t size");
_Static_assert(offsetof(rsx_ledger_digest_t, seq) == 16, "LEDGER_DIGEST.seq");
_Static_assert(offsetof(rsx_ledger_digest_t, ts_ns) == 24, "LEDGER_DIGEST.ts_ns");
_Static_assert(offsetof(rsx_ledger_digest_t, digest) == 32, "LEDGER_DIGEST.digest");
_Static_assert(offsetof(rsx_ledger_digest_t, mark_seq) == 40, "LEDGER_DIGEST.mark_seq");
_Static_assert(offsetof(rsx_ledger_digest_t, part) == 48, "LEDGER_DIGEST.part");
_Static_assert(offsetof(rsx_ledger_digest_t, form) == 52, "LEDGER_DIGEST.form");
_Static_assert(offsetof(rsx_ledger_digest_t, shard) == 54, "LEDGER_DIGEST.shard");

typedef struct {
    uint8_t version;
    uint8_t header_flags;
    uint16_t type;
    uint16_t length;
    uint16_t stream;
    uint32_t crc;
    uint32_t epoch;
    uint64_t seq;
    uint64_t ts_ns;
    uint64_t durable_seq;
    uint8_t padding[88];
} rsx_log_synced_t;
_Static_assert(sizeof(rsx_log_synced_t) == 128, "rsx_log_synced_t size");
_Static_assert(offsetof(rsx_log_synced_t, seq) == 16, "LOG_SYNCED.seq");
_Static_assert(offsetof(rsx_log_synced_t, ts_ns) == 24, "LOG_SYNCED.ts_ns");
_Static_assert(offsetof(rsx_log_synced_t, durable_seq) == 32, "LOG_SYNCED.durable_seq");

typedef struct {
    uint8_t version;
    uint8_t header_flags;
    uint16_t type;
    uint16_t length;
    uint16_t stream;
    uint32_t crc;
    uint32_t epoch;
    uint64_t seq;
    uint64_t ts_ns;
    uint64_t keep_seq;
    uint8_t padding[88];
} rsx_log_prune_t;
_Static_assert(sizeof(rsx_log_prune_t) == 128, "rsx_log_prune_t size");
_Static_assert(offsetof(rsx_log_prune_t, seq) == 16, "LOG_PRUNE.seq");
_Static_assert(offsetof(rsx_log_prune_t, ts_ns) == 24, "LOG_PRUNE.ts_ns");
_Static_assert(offsetof(rsx_log_prune_t, keep_seq) == 32, "LOG_PRUNE.keep_seq");

typedef struct {
    uint8_t version;
    uint8_t header_flags;
    uint16_t type;
    uint16_t length;
    uint16_t stream;
    uint32_t crc;
    uint32_t epoch;
    uint64_t seq;
    uint64_t ts_ns;
    uint64_t from_seq;
    uint64_t exchange_id;
    uint8_t name[32];
    uint8_t padding[48];
} rsx_replay_request_t;
_Static_assert(sizeof(rsx_replay_request_t) == 128, "rsx_replay_request_t size");
_Static_assert(offsetof(rsx_replay_request_t, seq) == 16, "REPLAY_REQUEST.seq");
_Static_assert(offsetof(rsx_replay_request_t, ts_ns) == 24, "REPLAY_REQUEST.ts_ns");
_Static_assert(offsetof(rsx_replay_request_t, from_seq) == 32, "REPLAY_REQUEST.from_seq");
_Static_assert(offsetof(rsx_replay_request_t, exchange_id) == 40, "REPLAY_REQUEST.exchange_id");
_Static_assert(offsetof(rsx_replay_request_t, name) == 48, "REPLAY_REQUEST.name");

typedef struct {
    uint8_t version;
    uint8_t header_flags;
    uint16_t type;
    uint16_t length;
    uint16_t stream;
    uint32_t crc;
    uint32_t epoch;
    uint64_t seq;
    uint64_t ts_ns;
    uint64_t from_seq;
    uint64_t exchange_id;
    uint64_t oldest_seq;
    uint64_t durable_seq;
    uint8_t padding[64];
} rsx_replay_begun_t;
_Static_assert(sizeof(rsx_replay_begun_t) == 128, "rsx_replay_begun_t size");
_Static_assert(offsetof(rsx_replay_begun_t, seq) == 16, "REPLAY_BEGUN.seq");
_Static_assert(offsetof(rsx_replay_begun_t, ts_ns) == 24, "REPLAY_BEGUN.ts_ns");
_Static_assert(offsetof(rsx_replay_begun_t, from_seq) == 32, "REPLAY_BEGUN.from_seq");
_Static_assert(offsetof(rsx_replay_begun_t, exchange_id) == 40, "REPLAY_BEGUN.exchange_id");
_Static_assert(offsetof(rsx_replay_begun_t, oldest_seq) == 48, "REPLAY_BEGUN.oldest_seq");
_Static_assert(offsetof(rsx_replay_begun_t, durable_seq) == 56, "REPLAY_BEGUN.durable_seq");

typedef struct {
    uint8_t version;
    uint8_t header_flags;
    uint16_t type;
    uint16_t length;
    uint16_t stream;
    uint32_t crc;
    uint32_t epoch;
    uint64_t seq;
    uint64_t ts_ns;
    uint64_t from_seq;
    uint64_t exchange_id;
    uint64_t oldest_seq;
    uint64_t durable_seq;
    uint16_t reason;
    uint8_t padding[62];
} rsx_replay_unavailable_t;
_Static_assert(sizeof(rsx_replay_unavailable_t) == 128, "rsx_replay_unavailable_t size");
_Static_assert(offsetof(rsx_replay_unavailable_t, seq) == 16, "REPLAY_UNAVAILABLE.seq");
_Static_assert(offsetof(rsx_replay_unavailable_t, ts_ns) == 24, "REPLAY_UNAVAILABLE.ts_ns");
_Static_assert(offsetof(rsx_replay_unavailable_t, from_seq) == 32, "REPLAY_UNAVAILABLE.from_seq");
_Static_assert(offsetof(rsx_replay_unavailable_t, exchange_id) == 40, "REPLAY_UNAVAILABLE.exchange_id");
_Static_assert(offsetof(rsx_replay_unavailable_t, oldest_seq) == 48, "REPLAY_UNAVAILABLE.oldest_seq");
_Static_assert(offsetof(rsx_replay_unavailable_t, durable_seq) == 56, "REPLAY_UNAVAILABLE.durable_seq");
_Static_assert(offsetof(rsx_replay_unavailable_t, reason) == 64, "REPLAY_UNAVAILABLE.reason");

typedef struct {
    uint8_t version;
    uint8_t header_flags;
    uint16_t type;
    uint16_t length;
    uint16_t stream;
    uint32_t crc;
    uint32_t epoch;
    uint64_t seq;
    uint64_t ts_ns;
    uint64_t live_seq;
    uint8_t padding[88];
} rsx_caught_up_t;
_Static_assert(sizeof(rsx_caught_up_t) == 128, "rsx_caught_up_t size");
_Static_assert(offsetof(rsx_caught_up_t, seq) == 16, "CAUGHT_UP.seq");
_Static_assert(offsetof(rsx_caught_up_t, ts_ns) == 24, "CAUGHT_UP.ts_ns");
_Static_assert(offsetof(rsx_caught_up_t, live_seq) == 32, "CAUGHT_UP.live_seq");

typedef struct {
    uint8_t version;
    uint8_t header_flags;
    uint16_t type;
    uint16_t length;
    uint16_t stream;
    uint32_t crc;
    uint32_t epoch;
    uint64_t seq;
    uint64_t ts_ns;
    uint64_t durable_seq;
    uint8_t padding[88];
} rsx_log_tip_t;
_Static_assert(sizeof(rsx_log_tip_t) == 128, "rsx_log_tip_t size");
_Static_assert(offsetof(rsx_log_tip_t, seq) == 16, "LOG_TIP.seq");
_Static_assert(offsetof(rsx_log_tip_t, ts_ns) == 24, "LOG_TIP.ts_ns");
_Static_assert(offsetof(rsx_log_tip_t, durable_seq) == 32, "LOG_TIP.durable_seq");

typedef struct {
    uint8_t version;
    uint8_t header_flags;
    uint16_t type;
    uint16_t length;
    uint16_t stream;
    uint32_t crc;
    uint32_t epoch;
    uint64_t seq;
    uint64_t ts_ns;
    uint64_t tip_seq;
    uint8_t padding[88];
} rsx_consumer_tip_t;
_Static_assert(sizeof(rsx_consumer_tip_t) == 128, "rsx_consumer_tip_t size");
_Static_assert(offsetof(rsx_consumer_tip_t, seq) == 16, "CONSUMER_TIP.seq");
_Static_assert(offsetof(rsx_consumer_tip_t, ts_ns) == 24, "CONSUMER_TIP.ts_ns");
_Static_assert(offsetof(rsx_consumer_tip_t, tip_seq) == 32, "CONSUMER_TIP.tip_seq");

/* Whether release of a record of this type waits for its fsync. */
static inline int rsx_is_durable(uint16_t type) {
    static const uint64_t durable[2] = {0xfd00090200000000u, 0x8u};
    return type < 128 && durable[type >> 6] >> (type & 63) & 1;
}

/* Records are copied and zeroed in eight stores: compilers turn memcpy and memset of 128
 * bytes into string instructions, which take longer to start than this takes to end. */
typedef uint64_t rsx_lane_t __attribute__((vector_size(16), aligned(8), may_alias));
static inline void rsx_record_copy(void *to, const void *from) {
    rsx_lane_t *target = (rsx_lane_t *)to;
    const rsx_lane_t *source = (const rsx_lane_t *)from;
    target[0] = source[0];
    target[1] = source[1];
    target[2] = source[2];
    target[3] = source[3];
    target[4] = source[4];
    target[5] = source[5];
    target[6] = source[6];
    target[7] = source[7];
}
static inline void rsx_record_zero(void *at) {
    rsx_lane_t *target = (rsx_lane_t *)at, zero = {0, 0};
    target[0] = zero;
    target[1] = zero;
    target[2] = zero;
    target[3] = zero;
    target[4] = zero;
    target[5] = zero;
    target[6] = zero;
    target[7] = zero;
}

/* Zero a slot and write its header; seq, crc and epoch stay 0 until the log sets them. */
static inline void rsx_record_init(void *slot, uint16_t type, uint16_t stream) {
    rsx_record_t *record = (rsx_record_t *)slot;
    rsx_record_zero(slot);
    record->version = RSX_VERSION;
    record->type = type;
    record->length = 112;
    record->stream = stream;
}
#endif
