-- Histories of orders and accounts, candles, and what the extractor needs to go on.

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

CREATE TABLE holes (
    first_seq INTEGER PRIMARY KEY,   -- records from here
    last_seq INTEGER NOT NULL        -- to here were pruned before they were archived
);

CREATE TABLE symbols (
    symbol_id INTEGER PRIMARY KEY,
    name TEXT NOT NULL,
    price_decimals INTEGER NOT NULL,
    qty_decimals INTEGER NOT NULL,
    initial_ppm INTEGER NOT NULL,    -- of the rules that hold
    asked_ppm INTEGER NOT NULL,      -- of a set of rules that is not whole, -1 = none
    hand_kind INTEGER NOT NULL       -- kind of the order in hand, -1 = not known
);

CREATE TABLE accounts (
    user_id INTEGER PRIMARY KEY,
    collateral INTEGER NOT NULL
);

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

-- Which numbers lie in a second of log time: makes a range of times a range of numbers.
CREATE TABLE clock (
    second INTEGER PRIMARY KEY,
    first_seq INTEGER NOT NULL,
    last_seq INTEGER NOT NULL
);

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

-- Orders and fills by owner, fills by market: filled from the rows of a transaction in one go and in
-- order, which costs half of what an index costs row by row.
CREATE TABLE orders_of (
    user_id INTEGER NOT NULL,
    symbol_id INTEGER NOT NULL,
    seq INTEGER NOT NULL,
    oid INTEGER NOT NULL,
    PRIMARY KEY (user_id, symbol_id, seq)
) WITHOUT ROWID;

CREATE TABLE client_ids (
    user_id INTEGER NOT NULL,
    cid TEXT NOT NULL,
    oid INTEGER NOT NULL,
    PRIMARY KEY (user_id, cid, oid)
) WITHOUT ROWID;

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

CREATE TABLE fills_of (
    user_id INTEGER NOT NULL,
    symbol_id INTEGER NOT NULL,
    key INTEGER NOT NULL,            -- log number x 4, + 1 for the maker
    PRIMARY KEY (user_id, symbol_id, key)
) WITHOUT ROWID;

CREATE TABLE trades_of (
    symbol_id INTEGER NOT NULL,
    seq INTEGER NOT NULL,
    PRIMARY KEY (symbol_id, seq)
) WITHOUT ROWID;

-- Changes of collateral other than those of fills. key = log number x 4 + n.
CREATE TABLE balances (
    key INTEGER PRIMARY KEY,
    ts_ns INTEGER NOT NULL,
    user_id INTEGER NOT NULL,
    symbol_id INTEGER NOT NULL,      -- 0 = of no market
    kind INTEGER NOT NULL,
    amount INTEGER NOT NULL,
    balance INTEGER NOT NULL
);
CREATE INDEX balances_user ON balances (user_id, symbol_id);

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
CREATE INDEX funding_user ON funding (user_id, symbol_id);

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
CREATE INDEX funding_rates_symbol ON funding_rates (symbol_id);

-- key = log number x 2 + role; event: 0 step, 1 transfer, 2 settled.
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
CREATE INDEX liquidations_user ON liquidations (user_id, symbol_id);

-- source: 0 trades, 1 marks. Quote volumes are high x 10^12 + low.
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
