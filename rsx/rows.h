/* Generated from rsx/rows.py; do not edit. */
#ifndef RSX_ROWS_H
#define RSX_ROWS_H
#include <stddef.h>
#include <stdint.h>
#include <string.h>

enum { RSX_ROW_FORM = 1, RSX_ROW_SIZE = 128 };

enum rsx_row_type {
    RSX_ROW_HEAD = 513,
    RSX_ROW_STATE = 514,
    RSX_ROW_MARKET = 515,
    RSX_ROW_FUNDING = 516,
    RSX_ROW_ACCOUNT = 517,
    RSX_ROW_POSITION = 518,
    RSX_ROW_ENGINE = 519,
    RSX_ROW_USER = 520,
    RSX_ROW_CLIENT_ID = 521,
    RSX_ROW_TAKER = 522,
    RSX_ROW_ORDER = 523,
    RSX_ROW_TRIGGER = 524,
    RSX_ROW_CUT = 525,
    RSX_ROW_END = 526,
};

typedef struct {
    uint8_t form;
    uint8_t row_flags;
    uint16_t type;
    uint16_t length;
    uint16_t stream;
    uint32_t crc;
    uint32_t number;
    uint8_t rest[112];
} rsx_row_t;

typedef struct {
    uint8_t form;
    uint8_t row_flags;
    uint16_t type;
    uint16_t length;
    uint16_t stream;
    uint32_t crc;
    uint32_t number;
    uint8_t magic[16];
    uint64_t seq;
    uint64_t exchange_id;
    uint32_t epoch;
    uint32_t markets;
    uint32_t money_decimals;
    uint32_t records_version;
    uint8_t padding[64];
} rsx_row_head_t;
_Static_assert(sizeof(rsx_row_head_t) == 128, "rsx_row_head_t size");
_Static_assert(offsetof(rsx_row_head_t, magic) == 16, "HEAD.magic");
_Static_assert(offsetof(rsx_row_head_t, seq) == 32, "HEAD.seq");
_Static_assert(offsetof(rsx_row_head_t, exchange_id) == 40, "HEAD.exchange_id");
_Static_assert(offsetof(rsx_row_head_t, epoch) == 48, "HEAD.epoch");
_Static_assert(offsetof(rsx_row_head_t, markets) == 52, "HEAD.markets");
_Static_assert(offsetof(rsx_row_head_t, money_decimals) == 56, "HEAD.money_decimals");
_Static_assert(offsetof(rsx_row_head_t, records_version) == 60, "HEAD.records_version");

typedef struct {
    uint8_t form;
    uint8_t row_flags;
    uint16_t type;
    uint16_t length;
    uint16_t stream;
    uint32_t crc;
    uint32_t number;
    uint64_t oid_max;
    uint64_t own_oid_max;
    uint64_t ledger_oid_max;
    uint64_t fills;
    uint64_t events;
    uint64_t applied;
    int64_t fee_account;
    int64_t residue;
    int64_t deposits;
    int64_t withdrawals;
    uint32_t accounts;
    uint32_t positions;
    uint32_t cuts;
    uint8_t padding[20];
} rsx_row_state_t;
_Static_assert(sizeof(rsx_row_state_t) == 128, "rsx_row_state_t size");
_Static_assert(offsetof(rsx_row_state_t, oid_max) == 16, "STATE.oid_max");
_Static_assert(offsetof(rsx_row_state_t, own_oid_max) == 24, "STATE.own_oid_max");
_Static_assert(offsetof(rsx_row_state_t, ledger_oid_max) == 32, "STATE.ledger_oid_max");
_Static_assert(offsetof(rsx_row_state_t, fills) == 40, "STATE.fills");
_Static_assert(offsetof(rsx_row_state_t, events) == 48, "STATE.events");
_Static_assert(offsetof(rsx_row_state_t, applied) == 56, "STATE.applied");
_Static_assert(offsetof(rsx_row_state_t, fee_account) == 64, "STATE.fee_account");
_Static_assert(offsetof(rsx_row_state_t, residue) == 72, "STATE.residue");
_Static_assert(offsetof(rsx_row_state_t, deposits) == 80, "STATE.deposits");
_Static_assert(offsetof(rsx_row_state_t, withdrawals) == 88, "STATE.withdrawals");
_Static_assert(offsetof(rsx_row_state_t, accounts) == 96, "STATE.accounts");
_Static_assert(offsetof(rsx_row_state_t, positions) == 100, "STATE.positions");
_Static_assert(offsetof(rsx_row_state_t, cuts) == 104, "STATE.cuts");

typedef struct {
    uint8_t form;
    uint8_t row_flags;
    uint16_t type;
    uint16_t length;
    uint16_t stream;
    uint32_t crc;
    uint32_t number;
    uint8_t name[20];
    uint32_t symbol_id;
    int64_t fed_px;
    uint64_t fed_ns;
    int64_t index_px;
    int64_t last_px;
    uint32_t oi_ppm;
    uint8_t price_decimals;
    uint8_t qty_decimals;
    uint8_t mode;
    uint8_t mark_state;
    uint8_t is_seeded;
    uint8_t rules;
    uint8_t coming;
    uint8_t padding[45];
} rsx_row_market_t;
_Static_assert(sizeof(rsx_row_market_t) == 128, "rsx_row_market_t size");
_Static_assert(offsetof(rsx_row_market_t, name) == 16, "MARKET.name");
_Static_assert(offsetof(rsx_row_market_t, symbol_id) == 36, "MARKET.symbol_id");
_Static_assert(offsetof(rsx_row_market_t, fed_px) == 40, "MARKET.fed_px");
_Static_assert(offsetof(rsx_row_market_t, fed_ns) == 48, "MARKET.fed_ns");
_Static_assert(offsetof(rsx_row_market_t, index_px) == 56, "MARKET.index_px");
_Static_assert(offsetof(rsx_row_market_t, last_px) == 64, "MARKET.last_px");
_Static_assert(offsetof(rsx_row_market_t, oi_ppm) == 72, "MARKET.oi_ppm");
_Static_assert(offsetof(rsx_row_market_t, price_decimals) == 76, "MARKET.price_decimals");
_Static_assert(offsetof(rsx_row_market_t, qty_decimals) == 77, "MARKET.qty_decimals");
_Static_assert(offsetof(rsx_row_market_t, mode) == 78, "MARKET.mode");
_Static_assert(offsetof(rsx_row_market_t, mark_state) == 79, "MARKET.mark_state");
_Static_assert(offsetof(rsx_row_market_t, is_seeded) == 80, "MARKET.is_seeded");
_Static_assert(offsetof(rsx_row_market_t, rules) == 81, "MARKET.rules");
_Static_assert(offsetof(rsx_row_market_t, coming) == 82, "MARKET.coming");

typedef struct {
    uint8_t form;
    uint8_t row_flags;
    uint16_t type;
    uint16_t length;
    uint16_t stream;
    uint32_t crc;
    uint32_t number;
    int64_t premium_ppb;
    uint64_t minute;
    int64_t sum_high;
    uint64_t sum_low;
    uint64_t interval_id;
    int64_t rate_ppb;
    int64_t mark_px;
    int64_t pool;
    int64_t paid;
    int64_t received;
    uint32_t payments;
    uint32_t samples;
    uint32_t settlements;
    uint8_t is_live;
    uint8_t is_open;
    uint8_t padding[18];
} rsx_row_funding_t;
_Static_assert(sizeof(rsx_row_funding_t) == 128, "rsx_row_funding_t size");
_Static_assert(offsetof(rsx_row_funding_t, premium_ppb) == 16, "FUNDING.premium_ppb");
_Static_assert(offsetof(rsx_row_funding_t, minute) == 24, "FUNDING.minute");
_Static_assert(offsetof(rsx_row_funding_t, sum_high) == 32, "FUNDING.sum_high");
_Static_assert(offsetof(rsx_row_funding_t, sum_low) == 40, "FUNDING.sum_low");
_Static_assert(offsetof(rsx_row_funding_t, interval_id) == 48, "FUNDING.interval_id");
_Static_assert(offsetof(rsx_row_funding_t, rate_ppb) == 56, "FUNDING.rate_ppb");
_Static_assert(offsetof(rsx_row_funding_t, mark_px) == 64, "FUNDING.mark_px");
_Static_assert(offsetof(rsx_row_funding_t, pool) == 72, "FUNDING.pool");
_Static_assert(offsetof(rsx_row_funding_t, paid) == 80, "FUNDING.paid");
_Static_assert(offsetof(rsx_row_funding_t, received) == 88, "FUNDING.received");
_Static_assert(offsetof(rsx_row_funding_t, payments) == 96, "FUNDING.payments");
_Static_assert(offsetof(rsx_row_funding_t, samples) == 100, "FUNDING.samples");
_Static_assert(offsetof(rsx_row_funding_t, settlements) == 104, "FUNDING.settlements");
_Static_assert(offsetof(rsx_row_funding_t, is_live) == 108, "FUNDING.is_live");
_Static_assert(offsetof(rsx_row_funding_t, is_open) == 109, "FUNDING.is_open");

typedef struct {
    uint8_t form;
    uint8_t row_flags;
    uint16_t type;
    uint16_t length;
    uint16_t stream;
    uint32_t crc;
    uint32_t number;
    int64_t collateral;
    int64_t realised;
    int64_t fees;
    uint64_t round_ns;
    uint32_t user_id;
    uint32_t owner_group;
    uint32_t ordered;
    uint32_t last_symbol_id;
    uint8_t stp;
    uint8_t position_mode;
    uint8_t stage;
    uint8_t round;
    uint8_t has_settings;
    uint8_t padding[59];
} rsx_row_account_t;
_Static_assert(sizeof(rsx_row_account_t) == 128, "rsx_row_account_t size");
_Static_assert(offsetof(rsx_row_account_t, collateral) == 16, "ACCOUNT.collateral");
_Static_assert(offsetof(rsx_row_account_t, realised) == 24, "ACCOUNT.realised");
_Static_assert(offsetof(rsx_row_account_t, fees) == 32, "ACCOUNT.fees");
_Static_assert(offsetof(rsx_row_account_t, round_ns) == 40, "ACCOUNT.round_ns");
_Static_assert(offsetof(rsx_row_account_t, user_id) == 48, "ACCOUNT.user_id");
_Static_assert(offsetof(rsx_row_account_t, owner_group) == 52, "ACCOUNT.owner_group");
_Static_assert(offsetof(rsx_row_account_t, ordered) == 56, "ACCOUNT.ordered");
_Static_assert(offsetof(rsx_row_account_t, last_symbol_id) == 60, "ACCOUNT.last_symbol_id");
_Static_assert(offsetof(rsx_row_account_t, stp) == 64, "ACCOUNT.stp");
_Static_assert(offsetof(rsx_row_account_t, position_mode) == 65, "ACCOUNT.position_mode");
_Static_assert(offsetof(rsx_row_account_t, stage) == 66, "ACCOUNT.stage");
_Static_assert(offsetof(rsx_row_account_t, round) == 67, "ACCOUNT.round");
_Static_assert(offsetof(rsx_row_account_t, has_settings) == 68, "ACCOUNT.has_settings");

typedef struct {
    uint8_t form;
    uint8_t row_flags;
    uint16_t type;
    uint16_t length;
    uint16_t stream;
    uint32_t crc;
    uint32_t number;
    int64_t net;
    int64_t cost;
    int64_t wallet;
    int64_t owed;
    int64_t realised;
    uint64_t order_oid;
    uint64_t transfer_id;
    int64_t bankrupt_px;
    uint32_t account;
    uint32_t symbol_id;
    uint32_t exposed;
    uint16_t leverage;
    uint8_t leg;
    uint8_t margin_mode;
    uint8_t stage;
    uint8_t round;
    uint8_t padding[30];
} rsx_row_position_t;
_Static_assert(sizeof(rsx_row_position_t) == 128, "rsx_row_position_t size");
_Static_assert(offsetof(rsx_row_position_t, net) == 16, "POSITION.net");
_Static_assert(offsetof(rsx_row_position_t, cost) == 24, "POSITION.cost");
_Static_assert(offsetof(rsx_row_position_t, wallet) == 32, "POSITION.wallet");
_Static_assert(offsetof(rsx_row_position_t, owed) == 40, "POSITION.owed");
_Static_assert(offsetof(rsx_row_position_t, realised) == 48, "POSITION.realised");
_Static_assert(offsetof(rsx_row_position_t, order_oid) == 56, "POSITION.order_oid");
_Static_assert(offsetof(rsx_row_position_t, transfer_id) == 64, "POSITION.transfer_id");
_Static_assert(offsetof(rsx_row_position_t, bankrupt_px) == 72, "POSITION.bankrupt_px");
_Static_assert(offsetof(rsx_row_position_t, account) == 80, "POSITION.account");
_Static_assert(offsetof(rsx_row_position_t, symbol_id) == 84, "POSITION.symbol_id");
_Static_assert(offsetof(rsx_row_position_t, exposed) == 88, "POSITION.exposed");
_Static_assert(offsetof(rsx_row_position_t, leverage) == 92, "POSITION.leverage");
_Static_assert(offsetof(rsx_row_position_t, leg) == 94, "POSITION.leg");
_Static_assert(offsetof(rsx_row_position_t, margin_mode) == 95, "POSITION.margin_mode");
_Static_assert(offsetof(rsx_row_position_t, stage) == 96, "POSITION.stage");
_Static_assert(offsetof(rsx_row_position_t, round) == 97, "POSITION.round");

typedef struct {
    uint8_t form;
    uint8_t row_flags;
    uint16_t type;
    uint16_t length;
    uint16_t stream;
    uint32_t crc;
    uint32_t number;
    int64_t mark_px;
    int64_t last_px;
    int64_t first_fill_px;
    uint64_t fills;
    int64_t bid_px;
    int64_t ask_px;
    uint32_t symbol_id;
    uint32_t users;
    uint32_t client_ids;
    uint32_t orders;
    uint32_t triggers;
    uint32_t due;
    uint32_t fired;
    uint32_t trim_user;
    uint32_t trim_then;
    uint8_t mode;
    uint8_t mark_moved;
    uint8_t in_hand;
    uint8_t padding[25];
} rsx_row_engine_t;
_Static_assert(sizeof(rsx_row_engine_t) == 128, "rsx_row_engine_t size");
_Static_assert(offsetof(rsx_row_engine_t, mark_px) == 16, "ENGINE.mark_px");
_Static_assert(offsetof(rsx_row_engine_t, last_px) == 24, "ENGINE.last_px");
_Static_assert(offsetof(rsx_row_engine_t, first_fill_px) == 32, "ENGINE.first_fill_px");
_Static_assert(offsetof(rsx_row_engine_t, fills) == 40, "ENGINE.fills");
_Static_assert(offsetof(rsx_row_engine_t, bid_px) == 48, "ENGINE.bid_px");
_Static_assert(offsetof(rsx_row_engine_t, ask_px) == 56, "ENGINE.ask_px");
_Static_assert(offsetof(rsx_row_engine_t, symbol_id) == 64, "ENGINE.symbol_id");
_Static_assert(offsetof(rsx_row_engine_t, users) == 68, "ENGINE.users");
_Static_assert(offsetof(rsx_row_engine_t, client_ids) == 72, "ENGINE.client_ids");
_Static_assert(offsetof(rsx_row_engine_t, orders) == 76, "ENGINE.orders");
_Static_assert(offsetof(rsx_row_engine_t, triggers) == 80, "ENGINE.triggers");
_Static_assert(offsetof(rsx_row_engine_t, due) == 84, "ENGINE.due");
_Static_assert(offsetof(rsx_row_engine_t, fired) == 88, "ENGINE.fired");
_Static_assert(offsetof(rsx_row_engine_t, trim_user) == 92, "ENGINE.trim_user");
_Static_assert(offsetof(rsx_row_engine_t, trim_then) == 96, "ENGINE.trim_then");
_Static_assert(offsetof(rsx_row_engine_t, mode) == 100, "ENGINE.mode");
_Static_assert(offsetof(rsx_row_engine_t, mark_moved) == 101, "ENGINE.mark_moved");
_Static_assert(offsetof(rsx_row_engine_t, in_hand) == 102, "ENGINE.in_hand");

typedef struct {
    uint8_t form;
    uint8_t row_flags;
    uint16_t type;
    uint16_t length;
    uint16_t stream;
    uint32_t crc;
    uint32_t number;
    int64_t held_long;
    int64_t held_short;
    int64_t reduce_max_buy;
    int64_t reduce_max_sell;
    uint32_t user_id;
    uint32_t newest;
    uint32_t newest_reduce;
    uint32_t owner_group;
    uint8_t padding[64];
} rsx_row_user_t;
_Static_assert(sizeof(rsx_row_user_t) == 128, "rsx_row_user_t size");
_Static_assert(offsetof(rsx_row_user_t, held_long) == 16, "USER.held_long");
_Static_assert(offsetof(rsx_row_user_t, held_short) == 24, "USER.held_short");
_Static_assert(offsetof(rsx_row_user_t, reduce_max_buy) == 32, "USER.reduce_max_buy");
_Static_assert(offsetof(rsx_row_user_t, reduce_max_sell) == 40, "USER.reduce_max_sell");
_Static_assert(offsetof(rsx_row_user_t, user_id) == 48, "USER.user_id");
_Static_assert(offsetof(rsx_row_user_t, newest) == 52, "USER.newest");
_Static_assert(offsetof(rsx_row_user_t, newest_reduce) == 56, "USER.newest_reduce");
_Static_assert(offsetof(rsx_row_user_t, owner_group) == 60, "USER.owner_group");

typedef struct {
    uint8_t form;
    uint8_t row_flags;
    uint16_t type;
    uint16_t length;
    uint16_t stream;
    uint32_t crc;
    uint32_t number;
    uint64_t oid;
    uint64_t ts_ns;
    int64_t px;
    int64_t qty;
    int64_t filled;
    uint32_t user_id;
    uint32_t at;
    uint16_t reason;
    uint8_t status;
    uint8_t side;
    uint8_t tif;
    uint8_t flags;
    uint8_t kind;
    uint8_t live;
    uint8_t cid_len;
    uint8_t cid[36];
    uint8_t padding[19];
} rsx_row_client_id_t;
_Static_assert(sizeof(rsx_row_client_id_t) == 128, "rsx_row_client_id_t size");
_Static_assert(offsetof(rsx_row_client_id_t, oid) == 16, "CLIENT_ID.oid");
_Static_assert(offsetof(rsx_row_client_id_t, ts_ns) == 24, "CLIENT_ID.ts_ns");
_Static_assert(offsetof(rsx_row_client_id_t, px) == 32, "CLIENT_ID.px");
_Static_assert(offsetof(rsx_row_client_id_t, qty) == 40, "CLIENT_ID.qty");
_Static_assert(offsetof(rsx_row_client_id_t, filled) == 48, "CLIENT_ID.filled");
_Static_assert(offsetof(rsx_row_client_id_t, user_id) == 56, "CLIENT_ID.user_id");
_Static_assert(offsetof(rsx_row_client_id_t, at) == 60, "CLIENT_ID.at");
_Static_assert(offsetof(rsx_row_client_id_t, reason) == 64, "CLIENT_ID.reason");
_Static_assert(offsetof(rsx_row_client_id_t, status) == 66, "CLIENT_ID.status");
_Static_assert(offsetof(rsx_row_client_id_t, side) == 67, "CLIENT_ID.side");
_Static_assert(offsetof(rsx_row_client_id_t, tif) == 68, "CLIENT_ID.tif");
_Static_assert(offsetof(rsx_row_client_id_t, flags) == 69, "CLIENT_ID.flags");
_Static_assert(offsetof(rsx_row_client_id_t, kind) == 70, "CLIENT_ID.kind");
_Static_assert(offsetof(rsx_row_client_id_t, live) == 71, "CLIENT_ID.live");
_Static_assert(offsetof(rsx_row_client_id_t, cid_len) == 72, "CLIENT_ID.cid_len");
_Static_assert(offsetof(rsx_row_client_id_t, cid) == 73, "CLIENT_ID.cid");

typedef struct {
    uint8_t form;
    uint8_t row_flags;
    uint16_t type;
    uint16_t length;
    uint16_t stream;
    uint32_t crc;
    uint32_t number;
    uint64_t oid;
    int64_t px;
    int64_t qty;
    int64_t remaining;
    int64_t reserved;
    uint32_t user;
    uint32_t cid_at;
    uint32_t expire_s;
    int32_t fee_ppm;
    uint8_t side;
    uint8_t tif;
    uint8_t flags;
    uint8_t kind;
    uint8_t stp;
    uint8_t is_amended;
    uint8_t padding[50];
} rsx_row_taker_t;
_Static_assert(sizeof(rsx_row_taker_t) == 128, "rsx_row_taker_t size");
_Static_assert(offsetof(rsx_row_taker_t, oid) == 16, "TAKER.oid");
_Static_assert(offsetof(rsx_row_taker_t, px) == 24, "TAKER.px");
_Static_assert(offsetof(rsx_row_taker_t, qty) == 32, "TAKER.qty");
_Static_assert(offsetof(rsx_row_taker_t, remaining) == 40, "TAKER.remaining");
_Static_assert(offsetof(rsx_row_taker_t, reserved) == 48, "TAKER.reserved");
_Static_assert(offsetof(rsx_row_taker_t, user) == 56, "TAKER.user");
_Static_assert(offsetof(rsx_row_taker_t, cid_at) == 60, "TAKER.cid_at");
_Static_assert(offsetof(rsx_row_taker_t, expire_s) == 64, "TAKER.expire_s");
_Static_assert(offsetof(rsx_row_taker_t, fee_ppm) == 68, "TAKER.fee_ppm");
_Static_assert(offsetof(rsx_row_taker_t, side) == 72, "TAKER.side");
_Static_assert(offsetof(rsx_row_taker_t, tif) == 73, "TAKER.tif");
_Static_assert(offsetof(rsx_row_taker_t, flags) == 74, "TAKER.flags");
_Static_assert(offsetof(rsx_row_taker_t, kind) == 75, "TAKER.kind");
_Static_assert(offsetof(rsx_row_taker_t, stp) == 76, "TAKER.stp");
_Static_assert(offsetof(rsx_row_taker_t, is_amended) == 77, "TAKER.is_amended");

typedef struct {
    uint8_t form;
    uint8_t row_flags;
    uint16_t type;
    uint16_t length;
    uint16_t stream;
    uint32_t crc;
    uint32_t number;
    uint64_t oid;
    int64_t px;
    int64_t qty;
    int64_t remaining;
    int64_t reserved;
    uint64_t cid_ns;
    uint32_t user;
    uint32_t older;
    uint32_t cid_at;
    uint32_t expire_s;
    uint8_t side;
    uint8_t tif;
    uint8_t flags;
    uint8_t kind;
    uint8_t stp;
    uint8_t cid_len;
    uint8_t cid[36];
    uint8_t padding[6];
} rsx_row_order_t;
_Static_assert(sizeof(rsx_row_order_t) == 128, "rsx_row_order_t size");
_Static_assert(offsetof(rsx_row_order_t, oid) == 16, "ORDER.oid");
_Static_assert(offsetof(rsx_row_order_t, px) == 24, "ORDER.px");
_Static_assert(offsetof(rsx_row_order_t, qty) == 32, "ORDER.qty");
_Static_assert(offsetof(rsx_row_order_t, remaining) == 40, "ORDER.remaining");
_Static_assert(offsetof(rsx_row_order_t, reserved) == 48, "ORDER.reserved");
_Static_assert(offsetof(rsx_row_order_t, cid_ns) == 56, "ORDER.cid_ns");
_Static_assert(offsetof(rsx_row_order_t, user) == 64, "ORDER.user");
_Static_assert(offsetof(rsx_row_order_t, older) == 68, "ORDER.older");
_Static_assert(offsetof(rsx_row_order_t, cid_at) == 72, "ORDER.cid_at");
_Static_assert(offsetof(rsx_row_order_t, expire_s) == 76, "ORDER.expire_s");
_Static_assert(offsetof(rsx_row_order_t, side) == 80, "ORDER.side");
_Static_assert(offsetof(rsx_row_order_t, tif) == 81, "ORDER.tif");
_Static_assert(offsetof(rsx_row_order_t, flags) == 82, "ORDER.flags");
_Static_assert(offsetof(rsx_row_order_t, kind) == 83, "ORDER.kind");
_Static_assert(offsetof(rsx_row_order_t, stp) == 84, "ORDER.stp");
_Static_assert(offsetof(rsx_row_order_t, cid_len) == 85, "ORDER.cid_len");
_Static_assert(offsetof(rsx_row_order_t, cid) == 86, "ORDER.cid");

typedef struct {
    uint8_t form;
    uint8_t row_flags;
    uint16_t type;
    uint16_t length;
    uint16_t stream;
    uint32_t crc;
    uint32_t number;
    uint64_t oid;
    int64_t px;
    int64_t qty;
    int64_t trigger_px;
    int64_t trail;
    int64_t extreme;
    int64_t level_px;
    int64_t fired_px;
    uint32_t user;
    uint32_t cid_at;
    uint32_t expire_s;
    uint32_t line_at;
    uint8_t side;
    uint8_t tif;
    uint8_t flags;
    uint8_t kind;
    uint8_t stp;
    uint8_t is_ppm;
    uint8_t state;
    uint8_t padding[25];
} rsx_row_trigger_t;
_Static_assert(sizeof(rsx_row_trigger_t) == 128, "rsx_row_trigger_t size");
_Static_assert(offsetof(rsx_row_trigger_t, oid) == 16, "TRIGGER.oid");
_Static_assert(offsetof(rsx_row_trigger_t, px) == 24, "TRIGGER.px");
_Static_assert(offsetof(rsx_row_trigger_t, qty) == 32, "TRIGGER.qty");
_Static_assert(offsetof(rsx_row_trigger_t, trigger_px) == 40, "TRIGGER.trigger_px");
_Static_assert(offsetof(rsx_row_trigger_t, trail) == 48, "TRIGGER.trail");
_Static_assert(offsetof(rsx_row_trigger_t, extreme) == 56, "TRIGGER.extreme");
_Static_assert(offsetof(rsx_row_trigger_t, level_px) == 64, "TRIGGER.level_px");
_Static_assert(offsetof(rsx_row_trigger_t, fired_px) == 72, "TRIGGER.fired_px");
_Static_assert(offsetof(rsx_row_trigger_t, user) == 80, "TRIGGER.user");
_Static_assert(offsetof(rsx_row_trigger_t, cid_at) == 84, "TRIGGER.cid_at");
_Static_assert(offsetof(rsx_row_trigger_t, expire_s) == 88, "TRIGGER.expire_s");
_Static_assert(offsetof(rsx_row_trigger_t, line_at) == 92, "TRIGGER.line_at");
_Static_assert(offsetof(rsx_row_trigger_t, side) == 96, "TRIGGER.side");
_Static_assert(offsetof(rsx_row_trigger_t, tif) == 97, "TRIGGER.tif");
_Static_assert(offsetof(rsx_row_trigger_t, flags) == 98, "TRIGGER.flags");
_Static_assert(offsetof(rsx_row_trigger_t, kind) == 99, "TRIGGER.kind");
_Static_assert(offsetof(rsx_row_trigger_t, stp) == 100, "TRIGGER.stp");
_Static_assert(offsetof(rsx_row_trigger_t, is_ppm) == 101, "TRIGGER.is_ppm");
_Static_assert(offsetof(rsx_row_trigger_t, state) == 102, "TRIGGER.state");

typedef struct {
    uint8_t form;
    uint8_t row_flags;
    uint16_t type;
    uint16_t length;
    uint16_t stream;
    uint32_t crc;
    uint32_t number;
    uint64_t oid;
    int64_t qty;
    uint8_t padding[96];
} rsx_row_cut_t;
_Static_assert(sizeof(rsx_row_cut_t) == 128, "rsx_row_cut_t size");
_Static_assert(offsetof(rsx_row_cut_t, oid) == 16, "CUT.oid");
_Static_assert(offsetof(rsx_row_cut_t, qty) == 24, "CUT.qty");

typedef struct {
    uint8_t form;
    uint8_t row_flags;
    uint16_t type;
    uint16_t length;
    uint16_t stream;
    uint32_t crc;
    uint32_t number;
    uint64_t units;
    uint64_t state_hash;
    uint64_t checksum;
    uint8_t padding[88];
} rsx_row_end_t;
_Static_assert(sizeof(rsx_row_end_t) == 128, "rsx_row_end_t size");
_Static_assert(offsetof(rsx_row_end_t, units) == 16, "END.units");
_Static_assert(offsetof(rsx_row_end_t, state_hash) == 24, "END.state_hash");
_Static_assert(offsetof(rsx_row_end_t, checksum) == 32, "END.checksum");

/* Zero a row and write its header; number and crc are the file's. */
static inline void rsx_row_init(void *at, uint16_t type, uint16_t stream) {
    rsx_row_t *row = (rsx_row_t *)at;
    memset(row, 0, RSX_ROW_SIZE);
    row->form = RSX_ROW_FORM;
    row->type = type;
    row->length = 112;
    row->stream = stream;
}
#endif
