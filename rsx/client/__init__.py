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
from rsx.client.market import MarketStream
from rsx.client.models import (
    Account,
    AccountSettings,
    Bbo,
    Book,
    BookUpdate,
    DeadMan,
    Deposit,
    Disconnected,
    Event,
    EventsLost,
    Fill,
    Gap,
    Level,
    MarketEvent,
    ModeChanged,
    ModeSet,
    Order,
    OrderChange,
    OrdersUpdate,
    OrderUpdate,
    Position,
    QueuePosition,
    Resumed,
    Symbol,
    Trade,
    plain,
)
from rsx.client.orders_book import LocalOrders

__all__ = [
    "Account", "AccountSettings", "Admin", "AuthenticationFailed", "Bbo", "Book", "BookUpdate",
    "Client", "ClientClosed", "ClientError", "DeadMan", "Deposit", "Disconnected", "Event",
    "EventStream", "EventsLost", "FateUnknown", "Fill", "Gap", "InvalidAmount", "Level",
    "LocalBook", "LocalOrders", "MarketEvent", "MarketStream", "ModeChanged", "ModeSet",
    "NotConnected", "Order", "OrderChange", "OrderRejected", "OrderUpdate", "OrdersUpdate",
    "Position", "QueuePosition", "RequestRefused", "Resumed", "Symbol", "Trade", "plain",
]  # fmt: skip
