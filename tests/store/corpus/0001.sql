BEGIN TRANSACTION;
CREATE TABLE accounts (
    user_id INTEGER PRIMARY KEY,
    collateral INTEGER NOT NULL
);
INSERT INTO "accounts" VALUES(1,10000000002);
INSERT INTO "accounts" VALUES(2,9999999962);
INSERT INTO "accounts" VALUES(3,10000000000);
CREATE TABLE archive (
    id INTEGER PRIMARY KEY CHECK (id = 1),
    exchange_id INTEGER NOT NULL,
    epoch INTEGER NOT NULL,
    position INTEGER NOT NULL,       -- number of the last record that is archived
    position_crc INTEGER NOT NULL,   -- its checksum, 0 = none (a new file, or from a snapshot)
    position_ns INTEGER NOT NULL,    -- its time
    complete_from INTEGER NOT NULL,  -- first number from which no record is missing
    kept_from INTEGER NOT NULL,      -- first number whose rows keep_days has left
    money_decimals INTEGER NOT NULL
);
INSERT INTO "archive" VALUES(1,55890235824605615,1,27,1029086827,1700000000000000000,1,1,3);
CREATE TABLE balances (
    key INTEGER PRIMARY KEY,
    ts_ns INTEGER NOT NULL,
    user_id INTEGER NOT NULL,
    symbol_id INTEGER NOT NULL,      -- 0 = of no market
    kind INTEGER NOT NULL,
    amount INTEGER NOT NULL,
    balance INTEGER NOT NULL
);
INSERT INTO "balances" VALUES(44,1700000000000000000,1,0,1,10000000000,10000000000);
INSERT INTO "balances" VALUES(48,1700000000000000000,2,0,1,10000000000,10000000000);
INSERT INTO "balances" VALUES(52,1700000000000000000,3,0,1,10000000000,10000000000);
CREATE TABLE candles (
    symbol_id INTEGER NOT NULL,
    source INTEGER NOT NULL,
    interval_s INTEGER NOT NULL,
    start_s INTEGER NOT NULL,
    open INTEGER NOT NULL,
    high INTEGER NOT NULL,
    low INTEGER NOT NULL,
    close INTEGER NOT NULL,
    volume INTEGER NOT NULL,
    quote_high INTEGER NOT NULL,
    quote_low INTEGER NOT NULL,
    trades INTEGER NOT NULL,
    buy_volume INTEGER NOT NULL,
    buy_quote_high INTEGER NOT NULL,
    buy_quote_low INTEGER NOT NULL,
    PRIMARY KEY (symbol_id, source, interval_s, start_s)
) WITHOUT ROWID;
INSERT INTO "candles" VALUES(1,0,1,1700000000,1000,1010,990,990,90,0,90300,5,0,0,0);
INSERT INTO "candles" VALUES(1,0,60,1699999980,1000,1010,990,990,90,0,90300,5,0,0,0);
INSERT INTO "candles" VALUES(1,0,300,1699999800,1000,1010,990,990,90,0,90300,5,0,0,0);
INSERT INTO "candles" VALUES(1,0,900,1699999200,1000,1010,990,990,90,0,90300,5,0,0,0);
INSERT INTO "candles" VALUES(1,0,3600,1699999200,1000,1010,990,990,90,0,90300,5,0,0,0);
INSERT INTO "candles" VALUES(1,0,14400,1699992000,1000,1010,990,990,90,0,90300,5,0,0,0);
INSERT INTO "candles" VALUES(1,0,86400,1699920000,1000,1010,990,990,90,0,90300,5,0,0,0);
CREATE TABLE client_ids (
    user_id INTEGER NOT NULL,
    cid TEXT NOT NULL,
    oid INTEGER NOT NULL,
    PRIMARY KEY (user_id, cid, oid)
) WITHOUT ROWID;
INSERT INTO "client_ids" VALUES(1,'c1000',1);
INSERT INTO "client_ids" VALUES(1,'c1010',3);
INSERT INTO "client_ids" VALUES(1,'c990',5);
INSERT INTO "client_ids" VALUES(3,'rests',7);
CREATE TABLE clock (
    second INTEGER PRIMARY KEY,
    first_seq INTEGER NOT NULL,
    last_seq INTEGER NOT NULL
);
INSERT INTO "clock" VALUES(1700000000,2,27);
CREATE TABLE fills (
    seq INTEGER PRIMARY KEY,
    ts_ns INTEGER NOT NULL,
    symbol_id INTEGER NOT NULL,
    px INTEGER NOT NULL,
    qty INTEGER NOT NULL,
    taker_side INTEGER NOT NULL,
    taker_user_id INTEGER NOT NULL,
    maker_user_id INTEGER NOT NULL,
    taker_oid INTEGER NOT NULL,
    maker_oid INTEGER NOT NULL,
    taker_fee INTEGER NOT NULL,
    maker_fee INTEGER NOT NULL,
    taker_profit INTEGER NOT NULL,
    maker_profit INTEGER NOT NULL,
    taker_change INTEGER NOT NULL,   -- of collateral
    maker_change INTEGER NOT NULL,
    taker_balance INTEGER NOT NULL,  -- collateral after it
    maker_balance INTEGER NOT NULL
);
INSERT INTO "fills" VALUES(16,1700000000000000000,1,1000,30,1,2,1,2,1,12,-1,0,0,-12,1,9999999988,10000000001);
INSERT INTO "fills" VALUES(19,1700000000000000000,1,1010,30,1,2,1,4,3,13,-1,0,0,-13,1,9999999975,10000000002);
INSERT INTO "fills" VALUES(22,1700000000000000000,1,1010,10,1,2,1,6,3,5,0,0,0,-5,0,9999999970,10000000002);
INSERT INTO "fills" VALUES(23,1700000000000000000,1,1000,10,1,2,1,6,1,4,0,0,0,-4,0,9999999966,10000000002);
INSERT INTO "fills" VALUES(24,1700000000000000000,1,990,10,1,2,1,6,5,4,0,0,0,-4,0,9999999962,10000000002);
CREATE TABLE fills_of (
    user_id INTEGER NOT NULL,
    symbol_id INTEGER NOT NULL,
    key INTEGER NOT NULL,            -- log number x 4, + 1 for the maker
    PRIMARY KEY (user_id, symbol_id, key)
) WITHOUT ROWID;
INSERT INTO "fills_of" VALUES(1,1,65);
INSERT INTO "fills_of" VALUES(1,1,77);
INSERT INTO "fills_of" VALUES(1,1,89);
INSERT INTO "fills_of" VALUES(1,1,93);
INSERT INTO "fills_of" VALUES(1,1,97);
INSERT INTO "fills_of" VALUES(2,1,64);
INSERT INTO "fills_of" VALUES(2,1,76);
INSERT INTO "fills_of" VALUES(2,1,88);
INSERT INTO "fills_of" VALUES(2,1,92);
INSERT INTO "fills_of" VALUES(2,1,96);
CREATE TABLE funding (
    seq INTEGER PRIMARY KEY,
    ts_ns INTEGER NOT NULL,
    user_id INTEGER NOT NULL,
    symbol_id INTEGER NOT NULL,
    leg INTEGER NOT NULL,
    interval_id INTEGER NOT NULL,
    amount INTEGER NOT NULL,         -- positive = paid
    net_qty INTEGER NOT NULL,
    mark_px INTEGER NOT NULL,
    rate_ppb INTEGER NOT NULL
);
CREATE TABLE funding_rates (
    seq INTEGER PRIMARY KEY,
    ts_ns INTEGER NOT NULL,
    symbol_id INTEGER NOT NULL,
    interval_id INTEGER NOT NULL,
    rate_ppb INTEGER NOT NULL,
    mark_px INTEGER NOT NULL,
    index_px INTEGER NOT NULL,
    premium_ppb INTEGER NOT NULL,
    samples INTEGER NOT NULL,
    skipped INTEGER NOT NULL,
    payments INTEGER NOT NULL,       -- from here on: 0 until all are booked
    paid INTEGER NOT NULL,
    received INTEGER NOT NULL,
    residue INTEGER NOT NULL
);
CREATE TABLE holes (
    first_seq INTEGER PRIMARY KEY,   -- records from here
    last_seq INTEGER NOT NULL        -- to here were pruned before they were archived
);
CREATE TABLE liquidations (
    key INTEGER PRIMARY KEY,
    ts_ns INTEGER NOT NULL,
    user_id INTEGER NOT NULL,
    symbol_id INTEGER NOT NULL,      -- 0 = the cross account as a whole
    event INTEGER NOT NULL,
    leg INTEGER NOT NULL,
    margin_mode INTEGER NOT NULL,
    stage INTEGER NOT NULL,
    round INTEGER NOT NULL,
    side INTEGER NOT NULL,
    oid INTEGER NOT NULL,
    qty INTEGER NOT NULL,
    px INTEGER NOT NULL,
    mark_px INTEGER NOT NULL,
    net_qty INTEGER NOT NULL,
    equity INTEGER NOT NULL,
    maintenance INTEGER NOT NULL,
    transfer_kind INTEGER NOT NULL,
    counter_user_id INTEGER NOT NULL,
    profit INTEGER NOT NULL,
    amount INTEGER NOT NULL,
    transfer_id INTEGER NOT NULL
);
CREATE TABLE migrations (number INTEGER PRIMARY KEY, name TEXT NOT NULL, applied_ns INTEGER NOT NULL);
INSERT INTO "migrations" VALUES(1,'histories',1795490447978263747);
CREATE TABLE orders (
    oid INTEGER PRIMARY KEY,
    user_id INTEGER NOT NULL,
    symbol_id INTEGER NOT NULL,
    seq INTEGER NOT NULL,            -- of its first event
    cid TEXT NOT NULL,
    side INTEGER NOT NULL,
    kind INTEGER NOT NULL,
    tif INTEGER NOT NULL,
    flags INTEGER NOT NULL,
    stp INTEGER NOT NULL,
    px INTEGER NOT NULL,
    qty INTEGER NOT NULL,
    filled INTEGER NOT NULL,
    status INTEGER NOT NULL,         -- as on the wire; 6: its end lies in a hole
    reason INTEGER NOT NULL,
    notional INTEGER NOT NULL,       -- sum over its fills
    fee INTEGER NOT NULL,
    profit INTEGER NOT NULL,
    placed_ns INTEGER NOT NULL,
    ts_ns INTEGER NOT NULL,          -- of its newest event
    last_seq INTEGER NOT NULL,
    ended_ns INTEGER NOT NULL,       -- 0 = it lives
    -- What most orders have not.
    cut INTEGER NOT NULL DEFAULT 0,
    expire_s INTEGER NOT NULL DEFAULT 0,
    trigger_px INTEGER NOT NULL DEFAULT 0,
    trail_px INTEGER NOT NULL DEFAULT 0,
    trail_ppm INTEGER NOT NULL DEFAULT 0,
    fired_px INTEGER NOT NULL DEFAULT 0,
    original_oid INTEGER NOT NULL DEFAULT 0,
    amends INTEGER NOT NULL DEFAULT 0
);
INSERT INTO "orders" VALUES(1,1,1,14,'c1000',0,0,0,0,0,1000,40,40,0,0,40000,-1,0,1700000000000000000,1700000000000000000,23,1700000000000000000,0,0,0,0,0,0,0,0);
INSERT INTO "orders" VALUES(2,2,1,15,'',1,0,1,0,0,1000,30,30,0,0,30000,12,0,1700000000000000000,1700000000000000000,16,1700000000000000000,0,0,0,0,0,0,0,0);
INSERT INTO "orders" VALUES(3,1,1,17,'c1010',0,0,0,0,0,1010,40,40,0,0,40400,-1,0,1700000000000000000,1700000000000000000,22,1700000000000000000,0,0,0,0,0,0,0,0);
INSERT INTO "orders" VALUES(4,2,1,18,'',1,0,1,0,0,1010,30,30,0,0,30300,13,0,1700000000000000000,1700000000000000000,19,1700000000000000000,0,0,0,0,0,0,0,0);
INSERT INTO "orders" VALUES(5,1,1,20,'c990',0,0,0,0,0,990,40,10,1,0,9900,0,0,1700000000000000000,1700000000000000000,24,0,0,0,0,0,0,0,0,0);
INSERT INTO "orders" VALUES(6,2,1,21,'',1,0,1,0,0,990,30,30,0,0,30000,13,0,1700000000000000000,1700000000000000000,24,1700000000000000000,0,0,0,0,0,0,0,0);
INSERT INTO "orders" VALUES(7,3,1,25,'rests',1,0,0,0,0,1200,60,0,1,0,0,0,0,1700000000000000000,1700000000000000000,27,0,0,0,0,0,0,0,0,1);
INSERT INTO "orders" VALUES(8,2,1,26,'',1,2,1,0,0,0,10,0,5,0,0,0,0,1700000000000000000,1700000000000000000,26,0,0,0,900,0,0,0,0,0);
CREATE TABLE orders_of (
    user_id INTEGER NOT NULL,
    symbol_id INTEGER NOT NULL,
    seq INTEGER NOT NULL,
    oid INTEGER NOT NULL,
    PRIMARY KEY (user_id, symbol_id, seq)
) WITHOUT ROWID;
INSERT INTO "orders_of" VALUES(1,1,14,1);
INSERT INTO "orders_of" VALUES(1,1,17,3);
INSERT INTO "orders_of" VALUES(1,1,20,5);
INSERT INTO "orders_of" VALUES(2,1,15,2);
INSERT INTO "orders_of" VALUES(2,1,18,4);
INSERT INTO "orders_of" VALUES(2,1,21,6);
INSERT INTO "orders_of" VALUES(2,1,26,8);
INSERT INTO "orders_of" VALUES(3,1,25,7);
CREATE TABLE positions (
    user_id INTEGER NOT NULL,
    symbol_id INTEGER NOT NULL,
    leg INTEGER NOT NULL,
    net INTEGER NOT NULL,
    cost INTEGER NOT NULL,
    wallet INTEGER NOT NULL,
    margin_mode INTEGER NOT NULL,
    leverage_ppm INTEGER NOT NULL,
    in_liquidation INTEGER NOT NULL,
    PRIMARY KEY (user_id, symbol_id, leg)
) WITHOUT ROWID;
INSERT INTO "positions" VALUES(1,1,0,90,90300,0,0,0,0);
INSERT INTO "positions" VALUES(2,1,0,-90,90300,0,0,0,0);
INSERT INTO "positions" VALUES(3,1,0,0,0,0,0,0,0);
CREATE TABLE symbols (
    symbol_id INTEGER PRIMARY KEY,
    name TEXT NOT NULL,
    price_decimals INTEGER NOT NULL,
    qty_decimals INTEGER NOT NULL,
    initial_ppm INTEGER NOT NULL,    -- of the rules that hold
    asked_ppm INTEGER NOT NULL,      -- of a set of rules that is not whole, -1 = none
    hand_kind INTEGER NOT NULL       -- kind of the order in hand, -1 = not known
);
INSERT INTO "symbols" VALUES(1,'M1-PERP',1,2,100000,-1,0);
INSERT INTO "symbols" VALUES(2,'M2-PERP',1,2,100000,-1,0);
CREATE TABLE trades_of (
    symbol_id INTEGER NOT NULL,
    seq INTEGER NOT NULL,
    PRIMARY KEY (symbol_id, seq)
) WITHOUT ROWID;
INSERT INTO "trades_of" VALUES(1,16);
INSERT INTO "trades_of" VALUES(1,19);
INSERT INTO "trades_of" VALUES(1,22);
INSERT INTO "trades_of" VALUES(1,23);
INSERT INTO "trades_of" VALUES(1,24);
CREATE INDEX balances_user ON balances (user_id, symbol_id);
CREATE INDEX funding_user ON funding (user_id, symbol_id);
CREATE INDEX funding_rates_symbol ON funding_rates (symbol_id);
CREATE INDEX liquidations_user ON liquidations (user_id, symbol_id);
COMMIT;
