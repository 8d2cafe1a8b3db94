"""The Python client of RSX. Start with `Client`.

    async with Client("http://127.0.0.1:8080", token=token) as client:
        order = await client.place("BTC-PERP", "buy", price="50000", qty="0.01")
        async for event in client.events():
            ...

Source: specs/client.md.
"""

from rsx.client.admin import Admin
from rsx.client.book import LocalBook
from rsx.client.client import Client, EventStream
from rsx.client.errors import (
    AuthenticationFailed,
    ClientClosed,
    ClientError,
    FateUnknown,
    InvalidAmount,
    NotConnected,
    OrderRejected,
    RequestRefused,
)
from rsx.client.history_models import BalanceChange, Candle, PastFill, PastOrder, PastRate
from rsx.client.market import MarketStream
from rsx.client.models import (
    Account,
    AccountSettings,
    AccountUpdate,
    Bbo,
    Book,
    BookUpdate,
    DeadMan,
    Deposit,
    Disconnected,
    Event,
    EventsLost,
    Fill,
    Funding,
    FundingPayment,
    FundingRate,
    Gap,
    InsuranceFund,
    Level,
    Liquidation,
    LiquidationSettled,
    LiquidationStep,
    MarginCall,
    MarginMoved,
    MarginSettings,
    Mark,
    MarketEvent,
    MarketMark,
    ModeChanged,
    ModeSet,
    MoneyMoved,
    OpenInterest,
    Order,
    OrderChange,
    OrdersUpdate,
    OrderUpdate,
    Position,
    PositionTransferred,
    QueuePosition,
    Resumed,
    RulesChanged,
    RulesSet,
    SnapshotWritten,
    Symbol,
    Trade,
    plain,
)
from rsx.client.orders_book import LocalOrders

__all__ = [
    "Account", "AccountSettings", "AccountUpdate", "Admin", "AuthenticationFailed",
    "BalanceChange", "Bbo", "Book", "BookUpdate", "Candle", "Client", "ClientClosed",
    "ClientError", "DeadMan", "Deposit", "Disconnected", "Event", "EventStream", "EventsLost",
    "FateUnknown", "Fill", "Funding", "FundingPayment", "FundingRate", "Gap", "InsuranceFund",
    "InvalidAmount", "Level", "Liquidation", "LiquidationSettled", "LiquidationStep",
    "LocalBook", "LocalOrders", "MarginCall", "MarginMoved", "MarginSettings", "Mark",
    "MarketEvent", "MarketMark", "MarketStream", "ModeChanged", "ModeSet", "MoneyMoved",
    "NotConnected", "OpenInterest", "Order", "OrderChange", "OrderRejected", "OrderUpdate",
    "OrdersUpdate", "PastFill", "PastOrder", "PastRate", "Position", "PositionTransferred",
    "QueuePosition", "RequestRefused", "Resumed", "RulesChanged", "RulesSet", "SnapshotWritten",
    "Symbol", "Trade", "plain",
]  # fmt: skip
