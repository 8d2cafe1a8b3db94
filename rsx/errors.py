"""Every reason a request can be refused, or an order end, in one table.

Numbers are in bands by owner: 1xxx edge, 2xxx risk, 3xxx matching, 4xxx authentication,
9xxx the process itself. They are the same in records, JSON frames and REST bodies, and are
append-only. `python -m rsx.records --write` copies them into the C header.
Source: specs/records.md.
"""

from __future__ import annotations

import enum
from typing import Any


class Reason(enum.IntEnum):
    NONE = 0
    # edge
    INVALID_UTF8 = 1001
    MALFORMED = 1002
    TOO_MANY_PENDING = 1003
    UNEXPECTED_FRAME = 1004
    ORDER_NOT_FOUND = 1005
    RATE_LIMITED = 1006
    UNKNOWN_SYMBOL = 1007
    PRICE_OFF_TICK = 1008
    QTY_OFF_LOT = 1009
    CLIENT_ID_INVALID = 1010
    OVERLOADED = 1011
    BINARY_FRAME = 1012
    FRAME_TOO_LARGE = 1013
    INVALID_VALUE = 1014
    PRICE_OUT_OF_RANGE = 1015
    QTY_OUT_OF_RANGE = 1016
    NOTIONAL_TOO_LARGE = 1017
    FLAGS_CONTRADICT = 1018
    SLOW_READER = 1019
    TOO_MANY_SUBSCRIPTIONS = 1020
    NO_ANSWER = 1021
    TOO_MANY_CONNECTIONS = 1022
    IDLE = 1023
    NOT_FOUND = 1024
    BATCH_TOO_LARGE = 1025
    EXPIRY_INVALID = 1026
    TRIGGER_INVALID = 1027
    NOTHING_TO_AMEND = 1028
    CONFIG_INVALID = 1029
    CONFIG_PENDING = 1030
    POSITION_SIDE_INVALID = 1031
    # risk
    INSUFFICIENT_MARGIN = 2001
    MARK_UNAVAILABLE = 2002
    TOO_MANY_ACCOUNTS = 2003
    AMOUNT_INVALID = 2004
    BALANCE_LIMIT = 2005
    TOO_MANY_POSITIONS = 2006
    NO_ACCOUNT = 2007
    LEVERAGE_INVALID = 2008
    MODE_LOCKED = 2009
    POSITION_MODE_MISMATCH = 2010
    IN_LIQUIDATION = 2011
    WITHDRAWAL_TOO_LARGE = 2012
    NOT_ISOLATED = 2013
    MARGIN_REMOVAL_TOO_LARGE = 2014
    # matching: rejections
    DUPLICATE_CLIENT_ID = 3001
    POST_ONLY_WOULD_CROSS = 3002
    FOK_NOT_FILLABLE = 3003
    REDUCE_ONLY_NO_POSITION = 3004
    BOOK_FULL = 3005
    TOO_MANY_OPEN_ORDERS = 3006
    ORDER_NOT_OPEN = 3007
    ORDER_INVALID = 3008
    NOTIONAL_TOO_SMALL = 3009
    OUTSIDE_PRICE_BAND = 3010
    CANCEL_ONLY = 3011
    HALTED = 3012
    POST_ONLY_MODE = 3013
    TRIGGER_WRONG_SIDE = 3014
    TOO_MANY_TRIGGERS = 3015
    EXPIRY_PASSED = 3016
    ORDER_DONE = 3017
    TRIGGER_NOT_AMENDED = 3018
    # matching: why an accepted order ended or shrank
    USER_CANCEL = 3101
    IOC_REMAINDER = 3102
    REDUCE_ONLY_EXCESS = 3103
    RESTART = 3104
    EXPIRED = 3105
    SELF_TRADE = 3106
    DISCONNECTED = 3107
    DEAD_MAN = 3108
    AMENDED_AWAY = 3109
    CANCEL_ALL = 3110
    ADMIN_CANCEL = 3111
    LIQUIDATION = 3112
    DELEVERAGED = 3113
    # authentication
    TOKEN_MISSING = 4001
    TOKEN_INVALID = 4002
    TOKEN_EXPIRED = 4003
    FORBIDDEN = 4004
    # the process
    INTERNAL = 9001
    STOPPING = 9002


SENTENCES: dict[Reason, str] = {
    Reason.NONE: "no reason",
    Reason.INVALID_UTF8: "the frame is not valid UTF-8",
    Reason.MALFORMED: "the request cannot be parsed",
    Reason.TOO_MANY_PENDING: "too many requests of yours are unanswered",
    Reason.UNEXPECTED_FRAME: "this frame is not one that a client sends here",
    Reason.ORDER_NOT_FOUND: "no open order of yours has this id",
    Reason.RATE_LIMITED: "too many requests in a short time",
    Reason.UNKNOWN_SYMBOL: "no such symbol",
    Reason.PRICE_OFF_TICK: "the price is not a multiple of the tick",
    Reason.QTY_OFF_LOT: "the quantity is not a multiple of the lot",
    Reason.CLIENT_ID_INVALID: "a client order id is 1 to 36 bytes of printable text",
    Reason.OVERLOADED: "the exchange cannot take the request now; nothing was done",
    Reason.BINARY_FRAME: "this socket takes text frames",
    Reason.FRAME_TOO_LARGE: "the message is larger than allowed",
    Reason.INVALID_VALUE: "the value is not allowed here",
    Reason.PRICE_OUT_OF_RANGE: "the price is outside the symbol's limits",
    Reason.QTY_OUT_OF_RANGE: "the quantity is outside the symbol's limits",
    Reason.NOTIONAL_TOO_LARGE: "price times quantity is over the symbol's limit",
    Reason.FLAGS_CONTRADICT: "these order flags exclude each other",
    Reason.SLOW_READER: "the connection does not read fast enough",
    Reason.TOO_MANY_SUBSCRIPTIONS: "too many subscriptions on this connection",
    Reason.NO_ANSWER: "no answer in time; the order's fate is unknown, ask by client id",
    Reason.TOO_MANY_CONNECTIONS: "too many connections",
    Reason.IDLE: "nothing was received for too long",
    Reason.NOT_FOUND: "no such resource",
    Reason.BATCH_TOO_LARGE: "the batch has more items than allowed",
    Reason.EXPIRY_INVALID: "an expiry in the future goes with GTD, and only with it",
    Reason.TRIGGER_INVALID: "these trigger fields do not go together",
    Reason.NOTHING_TO_AMEND: "an amendment names a new price or a new quantity",
    Reason.CONFIG_INVALID: "these rules of a market are not possible",
    Reason.CONFIG_PENDING: "a change of this market's rules is still on its way",
    Reason.POSITION_SIDE_INVALID: "a position side is long or short, with hedge accounts only",
    Reason.INSUFFICIENT_MARGIN: "not enough free margin",
    Reason.MARK_UNAVAILABLE: "the mark price is missing or stale; only reducing orders pass",
    Reason.TOO_MANY_ACCOUNTS: "the exchange has no room for another account",
    Reason.AMOUNT_INVALID: "the amount must be positive",
    Reason.BALANCE_LIMIT: "the balance would exceed the limit of an account",
    Reason.TOO_MANY_POSITIONS: "the exchange has no room for another position",
    Reason.NO_ACCOUNT: "this user has no account; one begins with its first deposit",
    Reason.LEVERAGE_INVALID: "the leverage is not within the brackets of the market",
    Reason.MODE_LOCKED: "a mode changes only without positions and open orders there",
    Reason.POSITION_MODE_MISMATCH: "the position side does not fit the account's position mode",
    Reason.IN_LIQUIDATION: "the account is being liquidated; only reducing orders pass",
    Reason.WITHDRAWAL_TOO_LARGE: "more than can be withdrawn now",
    Reason.NOT_ISOLATED: "the position has no isolated margin",
    Reason.MARGIN_REMOVAL_TOO_LARGE: "the position needs the margin",
    Reason.DUPLICATE_CLIENT_ID: "this client order id was used before",
    Reason.POST_ONLY_WOULD_CROSS: "a post-only order must not trade on arrival",
    Reason.FOK_NOT_FILLABLE: "a fill-or-kill order cannot be filled whole",
    Reason.REDUCE_ONLY_NO_POSITION: "there is no position that this order would reduce",
    Reason.BOOK_FULL: "the book has no room for another order",
    Reason.TOO_MANY_OPEN_ORDERS: "too many open orders in this symbol",
    Reason.ORDER_NOT_OPEN: "no open order of yours has this id",
    Reason.ORDER_INVALID: "the order breaks the symbol's rules in force at the match",
    Reason.NOTIONAL_TOO_SMALL: "price times quantity is below the symbol's least order value",
    Reason.OUTSIDE_PRICE_BAND: "the price is too far beyond the mark price",
    Reason.CANCEL_ONLY: "the symbol takes cancels only",
    Reason.HALTED: "the symbol is halted",
    Reason.POST_ONLY_MODE: "the symbol takes post-only orders only",
    Reason.TRIGGER_WRONG_SIDE: "the trigger is on the wrong side of the price: it would fire now",
    Reason.TOO_MANY_TRIGGERS: "too many waiting triggers in this symbol",
    Reason.EXPIRY_PASSED: "the order had expired before it reached the book",
    Reason.ORDER_DONE: "the order has already ended",
    Reason.TRIGGER_NOT_AMENDED: "a trigger is not amended: cancel it and place another",
    Reason.USER_CANCEL: "cancelled by its owner",
    Reason.IOC_REMAINDER: "immediate-or-cancel: the rest could not trade",
    Reason.REDUCE_ONLY_EXCESS: "reduce-only: more than the position",
    Reason.RESTART: "the exchange stopped before the order came to rest",
    Reason.EXPIRED: "good till date: the time is up",
    Reason.SELF_TRADE: "it would have traded with its own owner",
    Reason.DISCONNECTED: "the session that placed it has ended",
    Reason.DEAD_MAN: "the dead-man timer ran out",
    Reason.AMENDED_AWAY: "amended to no more than had traded",
    Reason.CANCEL_ALL: "cancelled with all others",
    Reason.ADMIN_CANCEL: "cancelled by the operator",
    Reason.LIQUIDATION: "cancelled because the account is being liquidated",
    Reason.DELEVERAGED: "cancelled because the position was deleveraged",
    Reason.TOKEN_MISSING: "a bearer token is needed",
    Reason.TOKEN_INVALID: "the token is not valid",
    Reason.TOKEN_EXPIRED: "the token has expired",
    Reason.FORBIDDEN: "this token does not allow the request",
    Reason.INTERNAL: "the exchange failed at this request",
    Reason.STOPPING: "the exchange is stopping",
}

HTTP_STATUS: dict[Reason, int] = {
    Reason.NO_ACCOUNT: 404,
    Reason.ORDER_NOT_FOUND: 404,
    Reason.ORDER_NOT_OPEN: 404,
    Reason.ORDER_DONE: 409,
    Reason.DUPLICATE_CLIENT_ID: 409,
    Reason.CONFIG_PENDING: 409,
    Reason.MODE_LOCKED: 409,
    Reason.IN_LIQUIDATION: 409,
    Reason.UNKNOWN_SYMBOL: 404,
    Reason.NOT_FOUND: 404,
    Reason.RATE_LIMITED: 429,
    Reason.TOO_MANY_PENDING: 429,
    Reason.TOO_MANY_CONNECTIONS: 429,
    Reason.FRAME_TOO_LARGE: 413,
    Reason.OVERLOADED: 503,
    Reason.STOPPING: 503,
    Reason.NO_ANSWER: 504,
    Reason.TOKEN_MISSING: 401,
    Reason.TOKEN_INVALID: 401,
    Reason.TOKEN_EXPIRED: 401,
    Reason.FORBIDDEN: 403,
    Reason.INTERNAL: 500,
}


class RsxError(Exception):
    """Base of every error RSX raises on purpose."""


class ConfigError(RsxError):
    """The configuration cannot be used; the message names the key and the value."""


class StartError(RsxError):
    """The exchange cannot start (port, data folder, damaged log); one line says why."""


class RequestError(RsxError):
    """A client's request is refused.

    `code` is stable; `field` and `value` say what in the request was wrong; `ref` is the
    client id or order id the request named, when it could be read. `required` and `available`: the
    amounts that a refusal is about, in units of 10^-decimals; both 0 = it is about none.
    """

    required = 0
    available = 0
    decimals = 0

    def __init__(
        self,
        code: Reason,
        field: str | None = None,
        value: Any = None,
        ref: str | int | None = None,
        detail: str | None = None,
    ):
        self.code = code
        self.field = field
        self.value = value
        self.ref = ref
        self.detail = detail
        super().__init__(self.message)

    @property
    def message(self) -> str:
        text = SENTENCES[self.code]
        return f"{text}: {self.detail}" if self.detail else text

    @property
    def http_status(self) -> int:
        return HTTP_STATUS.get(self.code, 400)
