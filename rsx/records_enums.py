"""The codes that fields of records hold, and the numbers that go with them.

Ids are append-only, like those of records. Source: specs/records.md.
"""

from __future__ import annotations

import enum


class Side(enum.IntEnum):
    BUY = 0
    SELL = 1


class Tif(enum.IntEnum):
    GTC = 0
    IOC = 1
    FOK = 2
    GTD = 3


class OrderKind(enum.IntEnum):
    """What was asked for; from STOP_MARKET on it waits as a trigger first."""

    LIMIT = 0
    MARKET = 1
    STOP_MARKET = 2
    STOP_LIMIT = 3
    TAKE_PROFIT_MARKET = 4
    TAKE_PROFIT_LIMIT = 5
    TRAILING_STOP = 6
    LIQUIDATION = 7  # the exchange's own: reduces what is below maintenance


class Stp(enum.IntEnum):
    """Self-trade prevention: what a taker does at a maker of the same owner."""

    NONE = 0
    NEWEST = 1
    OLDEST = 2
    BOTH = 3
    DEFAULT = 4  # on requests only: the account's default


class Mode(enum.IntEnum):
    """Trading mode of a symbol."""

    OPEN = 0
    POST_ONLY = 1
    CANCEL_ONLY = 2
    HALT = 3


class OrderStatus(enum.IntEnum):
    FILLED = 0
    RESTING = 1
    CANCELLED = 2
    REJECTED = 3
    PENDING = 4
    WAITING = 5  # a trigger that has not become an order


class OrderFlag(enum.IntFlag):
    NONE = 0
    POST_ONLY = 1
    REDUCE_ONLY = 2
    RESTS = 4  # on ORDER_ACCEPTED, ORDER_AMENDED: nothing matched, all of it rests
    REPRICE = 8  # a post-only order that would cross moves its price instead
    ON_DISCONNECT = 16  # cancelled when the session that placed it ends
    LAST_PRICE = 32  # the trigger looks at the last price, not at mark
    KEPT = 64  # on ORDER_AMENDED: the order kept its place
    HEDGE = 128  # of a hedge account: side and REDUCE_ONLY say which leg it trades


class MarginMode(enum.IntEnum):
    """What backs a position."""

    CROSS = 0
    ISOLATED = 1


class PositionMode(enum.IntEnum):
    """How many positions an account has in a market."""

    ONE_WAY = 0
    HEDGE = 1


class Leg(enum.IntEnum):
    """Which position of a market; one-way accounts have only the first."""

    LONG = 0  # and the one position of a one-way account
    SHORT = 1


class Stage(enum.IntEnum):
    """Where the liquidation of a margin bucket stands."""

    NONE = 0
    STARTED = 1  # below maintenance; its orders are being cancelled
    ORDERED = 2  # a round's order is due or out
    RECOVERED = 3  # ended: margin is restored
    BANKRUPT = 4  # the position is to be taken over or deleveraged
    CLOSED = 5  # ended: nothing is open any more


class TransferKind(enum.IntEnum):
    """Why a position changed hands without an order."""

    TAKEOVER = 0
    ADL = 1


class AdlPolicy(enum.IntEnum):
    """How auto-deleveraging spreads over the other side."""

    QUEUE = 0
    PRO_RATA = 1
    RISK_WEIGHTED = 2


class MarkState(enum.IntEnum):
    """What stands behind a mark price."""

    LIVE = 0
    STALE = 1  # no fresh source: values positions, allows neither exposure nor liquidation


# What a client may ask for; RESTS and KEPT are the engine's.
REQUEST_FLAGS = int(
    OrderFlag.POST_ONLY | OrderFlag.REDUCE_ONLY | OrderFlag.REPRICE | OrderFlag.ON_DISCONNECT
    | OrderFlag.LAST_PRICE | OrderFlag.HEDGE
)  # fmt: skip
FLAGS_ALL = 255
# Accounts of the exchange itself: one insurance fund for each market. Tokens never name them.
FUND_USER_BASE = 0xFFFF_0000
BRACKETS_MAX = 5  # above the first, which SYMBOL_CONFIG has
VIRTUAL_SHARDS = 4096
