"""The one declaration of every 128-byte record: ring slot, log entry and wire unit.

A record is a 16-byte header and a 112-byte payload, little-endian, naturally aligned,
padding explicit and zero:

    0        1      2     4       6       8       12      16                      128
    +--------+------+-----+-------+-------+-------+-------+-----------------------+
    |version |flags |type |length |stream |crc32c |epoch  |payload                |
    +--------+------+-----+-------+-------+-------+-------+-----------------------+

From the tables below `python -m rsx.records --write` generates the C header, the Cython
declarations and the page `specs/records.md`; a test fails when they are stale. The Python
codecs and the NumPy dtype are built from the same tables at import.

Ids are append-only: a number once used is never given another meaning.
Source: specs/records.md.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from rsx.errors import Reason
from rsx.records_enums import (
    BRACKETS_MAX,
    FLAGS_ALL,
    FUND_USER_BASE,
    REQUEST_FLAGS,
    VIRTUAL_SHARDS,
    AdlPolicy,
    Leg,
    MarginMode,
    MarkState,
    Mode,
    OrderFlag,
    OrderKind,
    OrderStatus,
    PositionMode,
    Side,
    Stage,
    Stp,
    Tif,
    TransferKind,
)
from rsx.records_form import (
    C_TYPES,
    CID_MAX,
    HEADER,
    HEADER_FLAGS,
    HEADER_SIZE,
    PAYLOAD_SIZE,
    READABLE,
    RECORD_SIZE,
    VERSION,
    Field,
    HeaderFlag,
    Kind,
    Record,
    RecordError,
    View,
)

# Declared in the files beside this one, and part of its face.
__all__ = [
    "BRACKETS_MAX",
    "CID_MAX",
    "C_TYPES",
    "FLAGS_ALL",
    "FUND_USER_BASE",
    "HEADER",
    "HEADER_FLAGS",
    "HEADER_SIZE",
    "PAYLOAD_SIZE",
    "READABLE",
    "RECORD_SIZE",
    "REQUEST_FLAGS",
    "VERSION",
    "VIRTUAL_SHARDS",
    "AdlPolicy",
    "Field",
    "HeaderFlag",
    "Kind",
    "Leg",
    "MarginMode",
    "MarkState",
    "Mode",
    "OrderFlag",
    "OrderKind",
    "OrderStatus",
    "PositionMode",
    "Record",
    "RecordError",
    "Side",
    "Stage",
    "Stp",
    "Tif",
    "TransferKind",
    "View",
]  # fmt: skip

SEQ = Field("seq", "u64", "number", "place in the log, from 1; 0 before the log has numbered it")
TS = Field("ts_ns", "u64", "ns", "wall clock of the tile that made the record")


def _user(name: str = "user_id", meaning: str = "account") -> Field:
    return Field(name, "u32", "id", meaning)


def _symbol() -> Field:
    return Field("symbol_id", "u32", "id", "market")


def _oid(name: str = "oid", meaning: str = "order id, below 2^53") -> Field:
    return Field(name, "u64", "id", meaning)


def _px(name: str = "px", meaning: str = "limit price") -> Field:
    return Field(name, "i64", "price units", meaning)


def _qty(name: str = "qty", meaning: str = "quantity") -> Field:
    return Field(name, "i64", "quantity units", meaning)


def _money(name: str, meaning: str) -> Field:
    return Field(name, "i64", "money units", meaning)


SIDE = Field("side", "u8", "enum", "0 buy, 1 sell", enum=Side)
TIF = Field("tif", "u8", "enum", "0 GTC, 1 IOC, 2 FOK, 3 GTD", enum=Tif)
KIND = Field("kind", "u8", "enum", "0 limit, 1 market, 2..6 came from a trigger, 7 liquidation",
             enum=OrderKind)  # fmt: skip
STP = Field("stp", "u8", "enum", "self-trade prevention: 0 none, 1 newest, 2 oldest, 3 both, "
            "4 the account's default (requests only)", enum=Stp)  # fmt: skip
MODE = Field("mode", "u8", "enum", "0 open, 1 post-only, 2 cancel-only, 3 halt", enum=Mode)
FLAG_BITS = ("1 post-only, 2 reduce-only, 4 rests, 8 reprice, 16 on disconnect, 32 last price, "
             "64 kept, 128 hedge")  # fmt: skip
FLAGS = Field("flags", "u8", "bits", FLAG_BITS, flags=FLAGS_ALL)
CID_LEN = Field("cid_len", "u8", "bytes", "length of the client id; 0 = none")
CID = Field("cid", f"bytes[{CID_MAX}]", "utf-8", "client order id, zero-padded")
REASON = Field("reason", "u16", "enum", "number from rsx/errors.py; 0 = none", enum=Reason)
REQUEST_ID = Field("request_id", "u64", "id", "the gateway's number for the request it answers")
RECEIVED = Field("received_ns", "u64", "ns", "when the gateway had the whole frame; 0 = unset")
RESERVED = _money("reserved", "margin held for this order at acceptance")
SYMBOL16 = Field("symbol_id", "u16", "id", "market")
OWNER = Field("owner_group", "u32", "id", "accounts of one owner; 0 = none but the user itself")
EXPIRE = Field("expire_s", "u32", "s since 1970", "end of a GTD order; 0 = none")
EXTRA = _money("extra", "margin in flight for this amendment")
LEG = Field("leg", "u8", "enum", "0 one-way or long, 1 short", enum=Leg)
MARGIN_MODE = Field("margin_mode", "u8", "enum", "0 cross, 1 isolated", enum=MarginMode)
POSITION_MODE = Field("position_mode", "u8", "enum", "0 one-way, 1 hedge", enum=PositionMode)
LEVERAGE = Field("leverage", "u16", "times",
                 "most notional for a unit of margin; 0 = the brackets'")  # fmt: skip
STAGE = Field("stage", "u8", "enum", "0 none, 1 started, 2 ordered, 3 recovered, 4 bankrupt, "
              "5 closed", enum=Stage)  # fmt: skip
MARK_TAIL = (
    _qty("open_interest", "sum of long positions; 0 on the way from mark to risk"),
    Field("rate_ppb", "i64", "ppb of notional", "funding rate as it stands; 0 from mark to risk"),
    Field("source_ns", "u64", "ns", "newest event time of the sources; 0 = unknown"),
    _symbol(), Field("next_funding_s", "u32", "s since 1970", "0 = none"),
    Field("sources", "u16", "count", "fresh sources behind the index"),
    Field("state", "u8", "enum", "0 live, 1 stale", enum=MarkState),
)  # fmt: skip
CONFIG_VERSION = Field("config_version", "u32", "number", "as in SYMBOL_CONFIG")
INTERVAL = Field("interval_id", "u64", "number", "Unix time / interval at its end")
RATE = Field("rate_ppb", "i64", "ppb of notional", "positive: longs pay")
EXTRA_QTY = _qty("extra_qty", "open quantity in flight for this amendment")
PART = Field("part", "u32", "number", "rises by 1; which slice it names follows from the sizes")
FORM = Field("form", "u16", "number", "of the digest; a reader passes over those it does not know")
DIGEST = Field("digest", "u64", "hash", "of a slice of the state")
ORDER_TAIL = (SIDE, TIF, FLAGS, CID_LEN, CID)


# --- requests: rings only ---------------------------------------------------------------

_ORDER_HEAD = (SEQ, TS, _oid(), _px(), _qty())
_ORDER_TERMS = (EXPIRE, _user(), SYMBOL16, KIND, STP, *ORDER_TAIL)
_NEW = (*_ORDER_HEAD, RESERVED, RECEIVED, OWNER, *_ORDER_TERMS)
_CANCEL = (
    SEQ, TS, _oid("oid", "order to cancel; 0 = by client id"), REQUEST_ID, _user(), _symbol(),
    REASON, Field("pad0", "u8", "zero", "zero"), CID_LEN, CID,
)  # fmt: skip
_CANCEL_ALL = (
    SEQ, TS, REQUEST_ID, _user(), _symbol(), REASON,
    Field("scope", "u8", "bits", "1 orders, 2 triggers", flags=3),
    Field("sides", "u8", "bits", "1 buys, 2 sells", flags=3),
)  # fmt: skip
_TRIGGER = (
    *_ORDER_HEAD, _px("trigger_px", "where it fires; trailing: where it activates, 0 = at once"),
    _px("trail_px", "trailing distance; 0 = trail_ppm counts"),
    Field("trail_ppm", "u32", "ppm of the extreme", "trailing distance; 0 = trail_px counts"),
    *_ORDER_TERMS,
)  # fmt: skip

ORDER_REQUEST = Record(
    "ORDER_REQUEST", 1, Kind.REQUEST, "gateway to risk: a validated order; px 0 for market kind",
    (*_ORDER_HEAD, RECEIVED, *_ORDER_TERMS),
)  # fmt: skip
CANCEL_REQUEST = Record(
    "CANCEL_REQUEST", 2, Kind.REQUEST, "gateway to risk: cancel by order id or client id", _CANCEL,
)  # fmt: skip
ORDER_NEW = Record(
    "ORDER_NEW", 3, Kind.REQUEST,
    "risk to matching: an order whose margin is reserved; ts_ns is when it was", _NEW,
)  # fmt: skip
ORDER_CANCEL = Record(
    "ORDER_CANCEL", 4, Kind.REQUEST, "risk to matching: CANCEL_REQUEST, passed on", _CANCEL,
)  # fmt: skip
DEPOSIT_REQUEST = Record(
    "DEPOSIT_REQUEST", 5, Kind.REQUEST, "gateway to risk: an admin's deposit",
    (SEQ, TS, REQUEST_ID, _money("amount", "positive"), _user()),
)  # fmt: skip
ACCOUNT_QUERY = Record(
    "ACCOUNT_QUERY", 6, Kind.REQUEST, "gateway to risk: account and positions of one user",
    (SEQ, TS, REQUEST_ID, _user()),
)  # fmt: skip
MARK_UPDATE = Record(
    "MARK_UPDATE", 7, Kind.REQUEST, "mark to risk, risk to matching: a new mark and index price",
    (SEQ, TS, _px("mark_px", "mark price, positive"),
     _px("index_px", "index price; 0 = unset"), *MARK_TAIL),
)  # fmt: skip
TRIGGER_REQUEST = Record(
    "TRIGGER_REQUEST", 8, Kind.REQUEST,
    "gateway to risk, risk to matching: an order that waits for a price", _TRIGGER,
)  # fmt: skip
AMEND_REQUEST = Record(
    "AMEND_REQUEST", 9, Kind.REQUEST,
    "gateway to risk: new price and whole quantity of an order, whose side and flags it names",
    (*_ORDER_HEAD, REQUEST_ID, _user(), _symbol(), SIDE, FLAGS),
)  # fmt: skip
ORDER_AMEND = Record(
    "ORDER_AMEND", 10, Kind.REQUEST, "risk to matching: AMEND_REQUEST with its margin",
    (*_ORDER_HEAD, REQUEST_ID, _money("reserved", "margin the order is to hold for `assumed`"),
     _qty("assumed", "open quantity that `reserved` is for"), EXTRA, EXTRA_QTY, _user(),
     _symbol(), SIDE, FLAGS),
)  # fmt: skip
CANCEL_ALL_REQUEST = Record(
    "CANCEL_ALL_REQUEST", 11, Kind.REQUEST, "gateway to risk: a user's orders of one symbol",
    _CANCEL_ALL,
)  # fmt: skip
ORDER_CANCEL_ALL = Record(
    "ORDER_CANCEL_ALL", 12, Kind.REQUEST, "risk to matching: CANCEL_ALL_REQUEST, passed on",
    _CANCEL_ALL,
)  # fmt: skip
MODE_REQUEST = Record(
    "MODE_REQUEST", 13, Kind.REQUEST, "gateway to risk, risk to matching: an admin's trading mode",
    (SEQ, TS, REQUEST_ID, _user("user_id", "admin"), _symbol(), MODE),
)  # fmt: skip
TRIGGER_REFUSED = Record(
    "TRIGGER_REFUSED", 14, Kind.REQUEST, "risk to matching: a fired trigger's order is refused",
    (SEQ, TS, _oid(), _user(), _symbol(), REASON),
)  # fmt: skip
ACCOUNT_CONFIG_REQUEST = Record(
    "ACCOUNT_CONFIG_REQUEST", 15, Kind.REQUEST, "gateway to risk: settings of an account",
    (SEQ, TS, REQUEST_ID, _user(), OWNER, STP,
     Field("fields", "u8", "bits", "which to set: 1 owner_group, 2 stp", flags=3)),
)  # fmt: skip

WITHDRAW_REQUEST = Record(
    "WITHDRAW_REQUEST", 19, Kind.REQUEST, "gateway to risk: collateral is to leave an account",
    (SEQ, TS, REQUEST_ID, _money("amount", "positive"), _user()),
)  # fmt: skip
MARGIN_CONFIG_REQUEST = Record(
    "MARGIN_CONFIG_REQUEST", 20, Kind.REQUEST,
    "gateway to risk: leverage and margin mode of a market, or the account's position mode",
    (SEQ, TS, REQUEST_ID, _user(), _symbol(), LEVERAGE, MARGIN_MODE, POSITION_MODE,
     Field("fields", "u8", "bits", "which to set: 1 leverage, 2 margin mode, 4 position mode",
           flags=7)),
)  # fmt: skip
MARGIN_TRANSFER_REQUEST = Record(
    "MARGIN_TRANSFER_REQUEST", 21, Kind.REQUEST,
    "gateway to risk: move collateral to (negative: from) an isolated position",
    (SEQ, TS, REQUEST_ID, _money("amount", "signed, not 0"), _user(), _symbol(), LEG),
)  # fmt: skip
_TRANSFER = (
    SEQ, TS, Field("transfer_id", "u64", "number", "log number of the bankruptcy it serves"),
    _qty("qty", "to change hands; logged: that did"), _px("px", "bankruptcy price"),
    _px("mark_px", "mark when it was decided"),
    Field("score", "i64", "ppm", "rank of the counterparty; 0 for a takeover"),
    _user("user_id", "whose position ends"), _user("counter_user_id", "who takes the other side"),
    _symbol(), Field("side", "u8", "enum", "what user_id trades: 0 buy, 1 sell", enum=Side),
    Field("kind", "u8", "enum", "0 takeover, 1 auto-deleveraging", enum=TransferKind),
    Field("user_flags", "u8", "bits", "reduce-only, and hedge for a leg", flags=FLAGS_ALL),
    Field("counter_flags", "u8", "bits", "likewise", flags=FLAGS_ALL),
)  # fmt: skip
POSITION_TRANSFER = Record(
    "POSITION_TRANSFER", 22, Kind.REQUEST,
    "risk to matching: a position is to change hands at a price, without an order", _TRANSFER,
)  # fmt: skip
DIGEST_REQUEST = Record(
    "DIGEST_REQUEST", 26, Kind.REQUEST, "risk to matching: log a digest of a part of the engine",
    (SEQ, TS, _symbol(), PART), since=4,
)  # fmt: skip
BBO_UPDATE = Record(
    "BBO_UPDATE", 23, Kind.REQUEST, "marketdata to mark: best prices of the own book",
    (SEQ, TS, _px("bid_px", "0 = none"), _qty("bid_qty", "0 = none"), _px("ask_px", "0 = none"),
     _qty("ask_qty", "0 = none"), _symbol()),
)  # fmt: skip

# --- answers: rings only ----------------------------------------------------------------

REQUEST_REJECTED = Record(
    "REQUEST_REJECTED", 16, Kind.ANSWER, "risk to gateway: refused before the match",
    (SEQ, TS, _oid(), REQUEST_ID, _money("required", "margin it would take; 0 = not the matter"),
     _money("available", "margin that was free"), _user(), _symbol(), REASON),
)  # fmt: skip
ACCOUNT_STATE = Record(
    "ACCOUNT_STATE", 17, Kind.ANSWER, "risk to gateway: last record of an ACCOUNT_QUERY's answer",
    (SEQ, TS, REQUEST_ID, _money("collateral", "settled balance"),
     _money("unrealised", "profit of open positions at mark"),
     _money("equity", "collateral + unrealised"),
     _money("initial_margin", "held for positions and exposure of open orders"),
     _money("maintenance_margin", "floor of equity"),
     _money("frozen", "held for open orders"),
     _money("available", "equity - what is held"),
     _money("realised", "profit taken since the account began, before fees"),
     _money("fees", "fees paid less rebates"),
     _money("withdrawable", "what could leave now"), _user(),
     Field("positions", "u16", "count", "POSITION_STATE records sent before this one"),
     POSITION_MODE, STAGE),
)  # fmt: skip
POSITION_STATE = Record(
    "POSITION_STATE", 18, Kind.ANSWER, "risk to gateway: one open position of the answer",
    (SEQ, TS, REQUEST_ID, _qty("net_qty", "signed"), _money("entry_cost", "sum of px x qty, >= 0"),
     _money("realised", "profit taken in this market"), _money("unrealised", "at mark_px"),
     _px("mark_px", "mark used; 0 = none"), _money("initial_margin", "of the position"),
     _money("maintenance_margin", "of the position"), _money("frozen", "of open orders here"),
     _qty("open_buy_qty", "resting and in flight"),
     _qty("open_sell_qty", "resting and in flight"), _user(), _symbol()),
)  # fmt: skip

POSITION_RISK = Record(
    "POSITION_RISK", 24, Kind.ANSWER, "risk to gateway: follows each POSITION_STATE",
    (SEQ, TS, REQUEST_ID,
     _px("liquidation_px", "mark at which its bucket falls below maintenance; 0 = none"),
     _px("bankruptcy_px", "price at which its bucket's equity is used up; 0 = none"),
     _money("wallet", "margin of its own; 0 when cross"),
     _money("notional", "at mark"), _money("funding_owed", "of a settlement not yet booked"),
     Field("leverage_ppm", "u32", "ppm", "share of notional that its leverage asks for"),
     _user(), _symbol(), LEVERAGE, MARGIN_MODE, LEG, STAGE,
     Field("round", "u8", "count", "of its liquidation"),
     Field("lights", "u8", "count", "place in the deleveraging queue, in fifths: 5 = first; 0 = "
           "not known")),
)  # fmt: skip
MARGIN_CALL = Record(
    "MARGIN_CALL", 25, Kind.ANSWER, "risk to gateway: equity has come near maintenance",
    (SEQ, TS, _money("equity", "of the bucket"), _money("maintenance_margin", "of the bucket"),
     _user(), Field("symbol_id", "u32", "id", "of an isolated position; 0 = the cross account"),
     LEG),
)  # fmt: skip

# --- logged -----------------------------------------------------------------------------

ORDER_ACCEPTED = Record(
    "ORDER_ACCEPTED", 32, Kind.LOGGED,
    "matching took the order; with flag RESTS it rests whole; px as repriced", _NEW,
)  # fmt: skip
FILL = Record(
    "FILL", 33, Kind.LOGGED,
    "one taker met one maker; remaining 0 is that order's terminal event (filled)",
    (SEQ, TS, _oid("taker_oid", "incoming order"), _oid("maker_oid", "resting order"),
     _px("px", "the maker's price"), _qty("qty", "traded"),
     _money("taker_fee", "positive = paid"), _money("maker_fee", "positive = paid"),
     _qty("taker_remaining", "after this fill"), _qty("maker_remaining", "after this fill"),
     _money("taker_release", "margin released from the taker's order"),
     _money("maker_release", "margin released from the maker's order"),
     _user("taker_user_id"), _user("maker_user_id"), _symbol(),
     Field("taker_side", "u8", "enum", "0 buy, 1 sell", enum=Side),
     Field("taker_flags", "u8", "bits", FLAG_BITS, flags=FLAGS_ALL),
     Field("maker_flags", "u8", "bits", FLAG_BITS, flags=FLAGS_ALL)),
    durable=True,
)  # fmt: skip
ORDER_RESTED = Record(
    "ORDER_RESTED", 34, Kind.LOGGED, "what its fills left of an accepted order now rests",
    (SEQ, TS, _oid(), _px(), _qty("remaining", "resting quantity"),
     _qty("qty", "whole quantity, less what was cut"), _money("reserved", "margin it still holds"),
     _user(), _symbol(), SIDE, FLAGS),
)  # fmt: skip
ORDER_CANCELLED = Record(
    "ORDER_CANCELLED", 35, Kind.LOGGED, "terminal: the remainder is cancelled",
    (SEQ, TS, _oid(), _px(), _qty("cancelled_qty", "what was left"),
     _qty("filled_qty", "traded before"), _money("released", "margin released"),
     REQUEST_ID, _user(), _symbol(), REASON, SIDE, FLAGS),
)  # fmt: skip
ORDER_REJECTED = Record(
    "ORDER_REJECTED", 36, Kind.LOGGED, "terminal: matching refused the order, nothing traded",
    (*_ORDER_HEAD, _money("released", "margin released"), _user(), SYMBOL16, KIND, STP,
     *ORDER_TAIL, REASON),
)  # fmt: skip
ORDER_REDUCED = Record(
    "ORDER_REDUCED", 37, Kind.LOGGED, "part of an order is cancelled, the rest lives on",
    (SEQ, TS, _oid(), _px(), _qty("cancelled_qty", "cut off"), _qty("remaining", "still open"),
     _money("released", "margin released"), _user(), _symbol(), REASON, SIDE, FLAGS),
)  # fmt: skip
CANCEL_REJECTED = Record(
    "CANCEL_REJECTED", 38, Kind.LOGGED, "a cancel that found no such open order of this user",
    (SEQ, TS, _oid(), REQUEST_ID, _user(), _symbol(), REASON,
     Field("pad0", "u8", "zero", "zero"), CID_LEN, CID),
)  # fmt: skip
ORDER_DUPLICATE = Record(
    "ORDER_DUPLICATE", 39, Kind.LOGGED,
    "terminal: the client id is another order's, whose state is told; nothing was done",
    (SEQ, TS, _oid("oid", "of the request"), _qty("qty", "of the request; 0 = a trigger"),
     _money("released", "margin released"), _oid("original_oid", "the order that has the id"),
     _px("original_px"), _qty("original_qty", "whole quantity, less what was cut"),
     _qty("original_filled", "traded"), _qty("original_remaining", "open; 0 = ended"),
     _user(), _symbol(), Field("original_reason", "u16", "enum", "of its end", enum=Reason),
     Field("original_status", "u8", "enum", "0 filled, 1 resting, 2 cancelled, 3 rejected, "
           "5 waiting", enum=OrderStatus),
     Field("original_side", "u8", "enum", "0 buy, 1 sell", enum=Side),
     Field("original_tif", "u8", "enum", "0 GTC, 1 IOC, 2 FOK, 3 GTD", enum=Tif),
     Field("original_kind", "u8", "enum", "as kind", enum=OrderKind),
     Field("original_flags", "u8", "bits", FLAG_BITS, flags=FLAGS_ALL), SIDE, FLAGS),
)  # fmt: skip
DEPOSIT = Record(
    "DEPOSIT", 40, Kind.LOGGED, "collateral enters an account",
    (SEQ, TS, REQUEST_ID, _money("amount", "positive"), _user()),
    durable=True,
)  # fmt: skip
MARK_PRICE = Record(
    "MARK_PRICE", 41, Kind.LOGGED, "the mark price that margin is measured at from here on",
    (SEQ, TS, _px("mark_px", "positive"), _px("index_px", "0 = unset"), *MARK_TAIL),
)  # fmt: skip
SYMBOL_CONFIG = Record(
    "SYMBOL_CONFIG", 42, Kind.LOGGED, "the full rules of one market from here on",
    (SEQ, TS, _px("tick", "price step"), _qty("lot", "quantity step"),
     _px("px_max", "largest price"), _qty("qty_max", "largest order"),
     _money("notional_max", "largest order value"), _px("reference_px", "mark before any trade"),
     Field("maker_fee_ppm", "i32", "ppm of notional", "negative = rebate"),
     Field("taker_fee_ppm", "i32", "ppm of notional", "not below -maker_fee_ppm"),
     Field("initial_margin_ppm", "u32", "ppm of notional", "to open"),
     Field("maintenance_margin_ppm", "u32", "ppm of notional", "to keep"),
     _symbol(), Field("config_version", "u32", "number", "from 1, rises by 1"),
     Field("price_decimals", "u8", "digits", "price unit = 10^-this"),
     Field("qty_decimals", "u8", "digits", "quantity unit = 10^-this"),
     Field("pad0", "u16", "zero", "zero"), Field("name", "bytes[20]", "ascii", "zero-padded")),
)  # fmt: skip
LOG_STARTED = Record(
    "LOG_STARTED", 43, Kind.LOGGED, "a process took the log over; the header's epoch is new",
    (SEQ, TS, Field("exchange_id", "u64", "random", "drawn once, when the log is made"),
     Field("money_decimals", "u32", "digits", "money unit = 10^-this")),
    durable=True,
)  # fmt: skip
SEGMENT_STARTED = Record(
    "SEGMENT_STARTED", 44, Kind.LOGGED, "first record of every segment file",
    (SEQ, TS, Field("exchange_id", "u64", "random", "as in LOG_STARTED")),
)  # fmt: skip

SYMBOL_LIMITS = Record(
    "SYMBOL_LIMITS", 45, Kind.LOGGED, "follows SYMBOL_CONFIG: what it has no room for",
    (SEQ, TS, _money("notional_min", "least order value; 0 = off"),
     *(f for n in (1, 2, 3, 4) for f in (
         _px(f"tick_from_{n}", "first price of this row of the tick table; 0 = no row"),
         _px(f"tick_{n}", "price step from there on"))),
     Field("price_band_ppm", "u32", "ppm of mark", "limit prices may be so far beyond; 0 = off"),
     Field("market_band_ppm", "u32", "ppm of mark", "protection of market orders"),
     _symbol(), Field("config_version", "u32", "number", "as in SYMBOL_CONFIG")),
)  # fmt: skip
ORDER_AMENDED = Record(
    "ORDER_AMENDED", 46, Kind.LOGGED,
    "price and quantity are new; RESTS: rests whole anew, KEPT: kept its place, else in hand",
    (*_ORDER_HEAD, _qty("remaining", "open now"), _money("reserved", "margin it holds now"),
     EXTRA, EXTRA_QTY, REQUEST_ID, _user(), _symbol(), SIDE, FLAGS),
)  # fmt: skip
AMEND_REJECTED = Record(
    "AMEND_REJECTED", 47, Kind.LOGGED, "the amendment is refused, the order as it was",
    (*_ORDER_HEAD, EXTRA, EXTRA_QTY, REQUEST_ID, _user(), _symbol(), REASON, SIDE, FLAGS),
)  # fmt: skip
TRIGGER_PLACED = Record(
    "TRIGGER_PLACED", 48, Kind.LOGGED, "a trigger waits", _TRIGGER,
)  # fmt: skip
TRIGGER_FIRED = Record(
    "TRIGGER_FIRED", 49, Kind.LOGGED, "its price came: risk is to make it an order",
    (*_ORDER_HEAD, _px("trigger_px", "level it fired at"), _px("fired_px", "price that fired it"),
     *_ORDER_TERMS[:5], SIDE, TIF, FLAGS),
)  # fmt: skip
TRIGGER_CANCELLED = Record(
    "TRIGGER_CANCELLED", 50, Kind.LOGGED, "terminal: a trigger ends without having been an order",
    (SEQ, TS, _oid(), _qty("qty", "what it would have ordered"), REQUEST_ID, _user(), _symbol(),
     REASON, KIND, SIDE, FLAGS),
)  # fmt: skip
TRADING_MODE = Record(
    "TRADING_MODE", 51, Kind.LOGGED, "the symbol's trading mode from here on",
    (SEQ, TS, REQUEST_ID, _user("user_id", "admin"), _symbol(), MODE,
     Field("previous", "u8", "enum", "mode before", enum=Mode)),
)  # fmt: skip
ACCOUNT_CONFIG = Record(
    "ACCOUNT_CONFIG", 52, Kind.LOGGED, "the full settings of an account from here on",
    (SEQ, TS, REQUEST_ID, _user(), OWNER, STP),
)  # fmt: skip
ORDER_RELEASED = Record(
    "ORDER_RELEASED", 53, Kind.LOGGED,
    "a reservation in flight goes back; no event of the order",
    (SEQ, TS, _oid(), _qty("qty", "open quantity that was in flight"),
     _money("released", "margin that was in flight"), _user(), _symbol(), SIDE, FLAGS),
)  # fmt: skip
CANCEL_ALL_DONE = Record(
    "CANCEL_ALL_DONE", 54, Kind.LOGGED, "last record of a cancel-all",
    (SEQ, TS, REQUEST_ID, _user(), _symbol(), Field("cancelled", "u32", "count", "ended by it"),
     REASON),
)  # fmt: skip
TRIGGER_REJECTED = Record(
    "TRIGGER_REJECTED", 55, Kind.LOGGED, "terminal: matching did not take the trigger",
    (*_ORDER_HEAD, _px("trigger_px"), _user(), SYMBOL16, KIND, STP, *ORDER_TAIL, REASON),
)  # fmt: skip

WITHDRAWAL = Record(
    "WITHDRAWAL", 56, Kind.LOGGED, "collateral leaves an account",
    (SEQ, TS, REQUEST_ID, _money("amount", "positive"), _user()),
    since=3, durable=True,
)  # fmt: skip
MARGIN_CONFIG = Record(
    "MARGIN_CONFIG", 57, Kind.LOGGED,
    "leverage and margin mode in a market, or (symbol 0) the account's position mode, from here on",
    (SEQ, TS, REQUEST_ID, _user(), _symbol(), LEVERAGE, MARGIN_MODE, POSITION_MODE), since=3,
)  # fmt: skip
MARGIN_TRANSFERRED = Record(
    "MARGIN_TRANSFERRED", 58, Kind.LOGGED, "collateral moved to (negative: from) a position",
    (SEQ, TS, REQUEST_ID, _money("amount", "signed"), _user(), _symbol(), LEG),
    since=3, durable=True,
)  # fmt: skip
FUNDING_SETTLED = Record(
    "FUNDING_SETTLED", 59, Kind.LOGGED,
    "funding of an interval is fixed: what each position owes follows from it",
    (SEQ, TS, INTERVAL, RATE, _px("mark_px", "that positions are valued at"),
     _px("index_px", "external index"),
     Field("premium_ppb", "i64", "ppb", "average of the samples"), _symbol(),
     Field("samples", "u32", "count", "premium samples in it"),
     Field("skipped", "u32", "count", "earlier intervals that were not settled")),
    since=3, durable=True,
)  # fmt: skip
FUNDING_PAYMENT = Record(
    "FUNDING_PAYMENT", 60, Kind.LOGGED, "one position's funding is booked",
    (SEQ, TS, INTERVAL, _money("amount", "positive = paid by the position"),
     _qty("net_qty", "position when it was booked"), _px("mark_px", "as in FUNDING_SETTLED"), RATE,
     _user(), _symbol(), LEG),
    since=3, durable=True,
)  # fmt: skip
FUNDING_DONE = Record(
    "FUNDING_DONE", 61, Kind.LOGGED, "every payment of the interval is booked",
    (SEQ, TS, INTERVAL, _money("residue", "sum of all payments: rounding, >= 0"),
     _money("paid", "by positions"), _money("received", "by positions"), _symbol(),
     Field("payments", "u32", "count", "booked")),
    since=3, durable=True,
)  # fmt: skip
LIQUIDATION_STEP = Record(
    "LIQUIDATION_STEP", 62, Kind.LOGGED, "a step in the liquidation of a margin bucket",
    (SEQ, TS, _oid("oid", "of the round's order; 0 = none"),
     _money("equity", "of the bucket"), _money("maintenance_margin", "of the bucket"),
     _qty("qty", "to close"), _px("px", "limit of the order; bankrupt: bankruptcy price"),
     _px("mark_px", "mark it was decided at"), _qty("net_qty", "position, signed"),
     _user(), _symbol(), STAGE, Field("round", "u8", "count", "from 1"),
     Field("side", "u8", "enum", "what closes it", enum=Side), LEG, MARGIN_MODE),
    since=3, durable=True,
)  # fmt: skip
POSITION_TRANSFERRED = Record(
    "POSITION_TRANSFERRED", 63, Kind.LOGGED,
    "a position changed hands at a price, without an order or a fee; qty 0: it could not",
    _TRANSFER, since=3, durable=True,
)  # fmt: skip
LIQUIDATION_SETTLED = Record(
    "LIQUIDATION_SETTLED", 67, Kind.LOGGED,
    "an insurance fund makes good what a closed bucket is short of",
    (SEQ, TS, Field("transfer_id", "u64", "number", "log number of the bankruptcy"),
     _money("amount", "positive: from the fund to the account"), _user(),
     _symbol(), LEG, MARGIN_MODE),
    since=3, durable=True,
)  # fmt: skip
SYMBOL_RISK = Record(
    "SYMBOL_RISK", 68, Kind.LOGGED, "follows SYMBOL_LIMITS: funding, liquidation, insurance",
    (SEQ, TS, _money("insurance_loss_max", "of one takeover"),
     _money("insurance_notional_max", "of the fund's position"),
     _money("oi_low", "open interest from which initial margin rises; 0 = off"),
     _money("oi_high", "open interest at which it is all of notional"),
     Field("funding_interval_s", "u32", "s", "0 = no funding"),
     Field("funding_interest_ppb", "i32", "ppb", "interest component of an interval"),
     Field("funding_damp_ppb", "u32", "ppb", "most that interest corrects the premium by"),
     Field("funding_cap_ppb", "u32", "ppb", "largest rate either way"),
     Field("liquidation_fee_ppm", "u32", "ppm of notional", "to the insurance fund"),
     Field("liquidation_slip_ppm", "u32", "ppm of mark", "of round 1; grows as its square"),
     Field("liquidation_slip_max_ppm", "u32", "ppm of mark", "largest"),
     Field("liquidation_rounds", "u32", "count", "orders before a takeover"),
     Field("liquidation_delay_ms", "u32", "ms", "times the round: pause before the next"),
     Field("liquidation_step_ppm", "u32", "ppm of position", "largest part closed in a round"),
     Field("liquidation_buffer_ppm", "u32", "ppm of maintenance", "to restore beyond it"),
     Field("margin_call_ppm", "u32", "ppm of maintenance", "equity below it is called"),
     Field("withdraw_keep_ppm", "u32", "ppm of notional", "that a withdrawal leaves"),
     _symbol(), CONFIG_VERSION,
     Field("adl_policy", "u8", "enum", "0 queue, 1 pro rata, 2 risk-weighted", enum=AdlPolicy)),
    since=3,
)  # fmt: skip
SYMBOL_BRACKETS = Record(
    "SYMBOL_BRACKETS", 69, Kind.LOGGED,
    "follows SYMBOL_RISK, ends the group: margin rates of larger positions",
    (SEQ, TS,
     *(f for n in range(1, BRACKETS_MAX + 1) for f in (
         _money(f"from_{n}", "notional from which this row's rates hold; 0 = no row"),
         Field(f"initial_ppm_{n}", "u32", "ppm of notional", "to open"),
         Field(f"maintenance_ppm_{n}", "u32", "ppm of notional", "to keep"))),
     _symbol(), CONFIG_VERSION),
    since=3,
)  # fmt: skip

# --- internal: WAL tile and its sync helper ---------------------------------------------

SYNC_REQUEST = Record(
    "SYNC_REQUEST", 64, Kind.INTERNAL, "wal to wal_sync: make everything up to seq durable",
    (SEQ, TS, Field("fd", "i32", "descriptor", "segment file"),
     Field("sync_folder", "u32", "0/1", "1 = make the folder's entries durable too"),
     Field("close_fd", "i32", "descriptor", "to close afterwards; -1 = none"),
     Field("taken", "u32", "count", "segments zeroed ahead that were put to use since")),
)  # fmt: skip
SYNC_DONE = Record(
    "SYNC_DONE", 65, Kind.INTERNAL, "wal_sync to wal: durable up to seq, or the error",
    (SEQ, TS, Field("error", "i32", "errno", "0 = done"),
     Field("elapsed_ns", "u32", "ns", "of the call, at most 2^32-1")),
)  # fmt: skip

SEGMENT_READY = Record(
    "SEGMENT_READY", 66, Kind.INTERNAL, "wal_sync to wal: a zeroed segment file is at hand",
    (SEQ, TS, Field("fd", "i32", "descriptor", "open for writing"),
     Field("number", "u32", "number", "of the file's temporary name")),
)  # fmt: skip

# --- digests of the state, marks of the log (specs/replica.md, specs/wal.md) --------------

ENGINE_DIGEST = Record(
    "ENGINE_DIGEST", 70, Kind.LOGGED, "a slice of one engine as it was here in its stream",
    (SEQ, TS, DIGEST, _symbol(), PART, FORM), since=4,
)  # fmt: skip
LEDGER_MARK = Record(
    "LEDGER_MARK", 71, Kind.LOGGED, "whoever folds the log takes a digest of its accounts here",
    (SEQ, TS, PART, FORM), since=4,
)  # fmt: skip
LEDGER_DIGEST = Record(
    "LEDGER_DIGEST", 72, Kind.LOGGED, "what a risk tile had at a LEDGER_MARK",
    (SEQ, TS, DIGEST, Field("mark_seq", "u64", "number", "the LEDGER_MARK"), PART, FORM,
     Field("shard", "u16", "number", "of the risk tile")), since=4,
)  # fmt: skip
LOG_SYNCED = Record(
    "LOG_SYNCED", 73, Kind.LOGGED, "a sync has returned: what is up to durable_seq was on disk",
    (SEQ, TS, Field("durable_seq", "u64", "number", "below this record's own")), since=4,
)  # fmt: skip
LOG_PRUNE = Record(
    "LOG_PRUNE", 74, Kind.INTERNAL, "replica to wal_sync: segments wholly below may go",
    (SEQ, TS, Field("keep_seq", "u64", "number", "first record that somebody still needs")),
    since=4,
)  # fmt: skip

# --- between hosts (specs/dxs.md) ---------------------------------------------------------

EXCHANGE_ID = Field("exchange_id", "u64", "random", "as in LOG_STARTED; 0 = any")
REPLAY_REQUEST = Record(
    "REPLAY_REQUEST", 80, Kind.WIRE, "consumer: the log from a number on",
    (SEQ, TS, Field("from_seq", "u64", "number", "first record wanted; 0 = the oldest there is"),
     EXCHANGE_ID, Field("name", "bytes[32]", "utf-8", "of the consumer, zero-padded")), since=4,
)  # fmt: skip
REPLAY_BEGUN = Record(
    "REPLAY_BEGUN", 81, Kind.WIRE, "server: records follow from from_seq on",
    (SEQ, TS, Field("from_seq", "u64", "number", "first record that follows"), EXCHANGE_ID,
     Field("oldest_seq", "u64", "number", "first that is kept"),
     Field("durable_seq", "u64", "number", "newest that can be had now")), since=4,
)  # fmt: skip
REPLAY_UNAVAILABLE = Record(
    "REPLAY_UNAVAILABLE", 82, Kind.WIRE, "server: not to be had; the connection ends",
    (SEQ, TS, Field("from_seq", "u64", "number", "first record wanted"), EXCHANGE_ID,
     Field("oldest_seq", "u64", "number", "first that is kept"),
     Field("durable_seq", "u64", "number", "newest that can be had now"), REASON), since=4,
)  # fmt: skip
CAUGHT_UP = Record(
    "CAUGHT_UP", 83, Kind.WIRE, "server: what there was has been sent; now live",
    (SEQ, TS, Field("live_seq", "u64", "number", "newest record sent before this")), since=4,
)  # fmt: skip
LOG_TIP = Record(
    "LOG_TIP", 84, Kind.WIRE, "server: alive, and this far; sent while no record is",
    (SEQ, TS, Field("durable_seq", "u64", "number", "newest that can be had now")), since=4,
)  # fmt: skip
CONSUMER_TIP = Record(
    "CONSUMER_TIP", 85, Kind.WIRE, "consumer: what it has made durable on its side",
    (SEQ, TS, Field("tip_seq", "u64", "number", "newest such record")), since=4,
)  # fmt: skip

RECORDS: tuple[Record, ...] = tuple(r for r in list(globals().values()) if isinstance(r, Record))
BY_TYPE: dict[int, Record] = {r.type: r for r in RECORDS}
BY_NAME: dict[str, Record] = {r.name: r for r in RECORDS}
# Made by one symbol's engine: the header's stream is the symbol's id.
OF_A_SYMBOL: frozenset[int] = frozenset(
    r.type for r in (
        ORDER_ACCEPTED, FILL, ORDER_RESTED, ORDER_CANCELLED, ORDER_REJECTED, ORDER_REDUCED,
        CANCEL_REJECTED, ORDER_DUPLICATE, MARK_PRICE, ORDER_AMENDED, AMEND_REJECTED,
        TRIGGER_PLACED, TRIGGER_FIRED, TRIGGER_CANCELLED, TRADING_MODE, ORDER_RELEASED,
        CANCEL_ALL_DONE, TRIGGER_REJECTED, POSITION_TRANSFERRED, SYMBOL_CONFIG, SYMBOL_LIMITS,
        SYMBOL_RISK, SYMBOL_BRACKETS, ENGINE_DIGEST,
    )
)  # fmt: skip
if len(BY_TYPE) != len(RECORDS):
    raise RecordError("two record types share a number")


def type_of(data: bytes | bytearray | memoryview, offset: int = 0) -> int:
    """The type number of the record at `offset`, unchecked."""
    return int(data[offset + 2]) | int(data[offset + 3]) << 8


def decode(data: bytes | bytearray | memoryview, offset: int = 0, *, crc: bool = True) -> View:
    """Decode one record of any type. Raises RecordError naming what is wrong.

    Args  data: at least 128 bytes from offset; crc: check the checksum too (logged records)
    """
    if len(data) - offset < RECORD_SIZE:
        raise RecordError(f"{len(data) - offset} bytes where a record takes {RECORD_SIZE}")
    if data[offset] != VERSION:
        raise RecordError(f"record version {data[offset]} (known: {VERSION})")
    record = BY_TYPE.get(type_of(data, offset))
    if record is None:
        raise RecordError(f"unknown record type {type_of(data, offset)}")
    view = record.unpack(data, offset)
    used = HEADER_SIZE + PAYLOAD_SIZE - record.padding
    if any(data[offset + used : offset + RECORD_SIZE]):
        raise RecordError(f"{record.name}: padding is not zero")
    if crc:
        from rsx.core.crc import record_crc

        due = record_crc(data, offset)
        if due != view.crc:
            raise RecordError(f"{record.name}: checksum {view.crc:#010x}, should be {due:#010x}")
    return view


def iterate(data: bytes, *, crc: bool = True) -> Iterator[View]:
    """Decode back-to-back records."""
    for at in range(0, len(data), RECORD_SIZE):
        yield decode(data, at, crc=crc)


def numpy_dtype(record: Record) -> Any:
    """NumPy dtype of one record type, for research on log files (needs numpy)."""
    import numpy as np

    codes = {"u8": "u1", "u16": "<u2", "u32": "<u4", "i32": "<i4", "u64": "<u8", "i64": "<i8"}
    head = [
        ("version", "u1", 0), ("header_flags", "u1", 1), ("type", "<u2", 2), ("length", "<u2", 4),
        ("stream", "<u2", 6), ("crc", "<u4", 8), ("epoch", "<u4", 12),
    ]  # fmt: skip
    body = [
        (f.name, codes.get(f.type, f"S{f.size}"), HEADER_SIZE + record.offsets[f.name])
        for f in record.fields
    ]
    names, formats, offsets = zip(*head, *body, strict=True)
    return np.dtype(
        {"names": names, "formats": formats, "offsets": offsets, "itemsize": RECORD_SIZE}
    )


if __name__ == "__main__":
    import sys

    from rsx.records_gen import main

    sys.exit(main(sys.argv[1:]))
