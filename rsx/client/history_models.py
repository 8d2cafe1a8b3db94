"""What the archive tells: orders and fills of the past, changes of balances, candles.

Source: specs/archive.md section 3; specs/client.md CL-75.
"""

from __future__ import annotations

from decimal import Decimal
from typing import Literal

from rsx.client.models import Fill, FundingRate, Model, Order

BalanceKind = Literal[
    "deposit", "withdrawal", "trade", "funding", "margin", "transfer", "settled",
    "liquidation_fee",
]  # fmt: skip
Interval = Literal["1s", "1m", "5m", "15m", "1h", "4h", "1d"]


class PastOrder(Order, frozen=True, kw_only=True):
    """History: an order with its life. `average_price`: truncated; `profit`: realised by its fills.

    Status is "unknown" where its end was lost to the archive. `ended_ns` None: it lives.
    """

    average_price: Decimal | None
    notional: Decimal
    fee: Decimal
    profit: Decimal
    amends: int
    placed_ns: int
    ended_ns: int | None


class PastFill(Fill, frozen=True, kw_only=True):
    """History: a fill with the profit that it realised, before its fee."""

    profit: Decimal


class PastRate(FundingRate, frozen=True, kw_only=True):
    """History: a settled funding rate with what was booked; zeros until all is."""

    payments: int
    paid: Decimal
    received: Decimal
    residue: Decimal


class BalanceChange(Model, frozen=True, kw_only=True):
    """History: a change of collateral and the collateral after it. `symbol` None: of no market."""

    symbol: str | None
    kind: BalanceKind
    amount: Decimal
    balance: Decimal
    ts_ns: int
    seq: int


class Candle(Model, frozen=True, kw_only=True):
    """Trades, or marks, of an interval; `closed`: it does not grow any more."""

    start_ns: int
    open: Decimal
    high: Decimal
    low: Decimal
    close: Decimal
    volume: Decimal
    quote_volume: Decimal
    trades: int
    taker_buy_volume: Decimal
    taker_buy_quote_volume: Decimal
    closed: bool
