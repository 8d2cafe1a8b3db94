"""The Python client of RSX. Start with `Client`.

    async with Client("http://127.0.0.1:8080", token=token) as client:
        order = await client.place("BTC-PERP", "buy", price="50000", qty="0.01")
        async for event in client.events():
            ...

Source: specs/client.md.
"""

from rsx.client.book import LocalBook
from rsx.client.client import Admin, Client, EventStream
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
    Bbo,
    Book,
    BookUpdate,
    Deposit,
    Disconnected,
    Event,
    EventsLost,
    Fill,
    Gap,
    Level,
    MarketEvent,
    Order,
    OrderUpdate,
    Position,
    Resumed,
    Symbol,
    Trade,
    plain,
)

__all__ = [
    "Account", "Admin", "AuthenticationFailed", "Bbo", "Book", "BookUpdate", "Client",
    "ClientClosed", "ClientError", "Deposit", "Disconnected", "Event", "EventStream", "EventsLost",
    "FateUnknown", "Fill", "Gap", "InvalidAmount", "Level", "LocalBook", "MarketEvent",
    "MarketStream", "NotConnected", "Order", "OrderRejected", "OrderUpdate", "Position",
    "RequestRefused", "Resumed", "Symbol", "Trade", "plain",
]  # fmt: skip
