"""What the client raises. Source: specs/client.md section 7."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING, Any

from rsx.errors import SENTENCES, Reason, RsxError

if TYPE_CHECKING:
    from rsx.client.models import Order


def reason_name(code: int) -> str:
    """Name of a reason code; a number this version does not know is `REASON_<number>`."""
    try:
        return Reason(code).name
    except ValueError:
        return f"REASON_{code}"


def reason_code(name: str | None) -> int:
    """Number of a reason name; 0 for None and for one this version does not know."""
    return int(Reason[name]) if name is not None and name in Reason.__members__ else 0


def reason_sentence(code: int) -> str:
    """One sentence on a reason code."""
    try:
        return SENTENCES[Reason(code)]
    except (ValueError, KeyError):
        return f"reason {code}"


class ClientError(RsxError):
    """Base of every error the client raises on purpose."""


class InvalidAmount(ClientError, ValueError):
    """A number that the market can't hold: nothing was sent.

    `field`: price, qty or amount; `value`: what was passed, unchanged.
    """

    def __init__(self, field: str, value: object, why: str):
        self.field = field
        self.value = value
        super().__init__(f"{field} {str(value)[:64]!r}: {why}")


class OrderRejected(ClientError):
    """The engine refused the order; it traded nothing and is not open.

    `order`: the rejected order, with its oid; `code`, `name`: the reason (specs/records.md);
    `required`, `available`: the margin it is about, None when it is about none.
    """

    def __init__(self, order: Order):
        self.order = order
        self.code = order.reason_code
        self.name = order.reason or reason_name(order.reason_code)
        self.message = reason_sentence(self.code)
        self.required, self.available = order.required, order.available
        if self.required is not None:
            self.message += f": {self.required:f} is needed, {self.available or 0:f} is available"
        super().__init__(
            f"{self.name} ({self.code}): {self.message} "
            f"[{order.side} {order.qty:f} {order.symbol} {_at(order)}, cid {order.cid}]"
        )


def _at(order: Order) -> str:
    if order.trigger_price is not None:
        return f"when at {order.trigger_price:f}"
    if order.kind == "trailing_stop":
        return "trailing"
    return f"at {order.price:f}" if order.price else "at market"


class RequestRefused(ClientError):
    """The exchange refused a request; nothing was done.

    `code`, `name`: the reason; `field`, `value`: what in the request was wrong, when one thing
    was; `ref`: the client id or order id it named; `required`, `available`: the amounts that it is
    about, None when it is about none.
    """

    def __init__(
        self,
        code: int,
        message: str,
        field: str | None = None,
        value: Any = None,
        ref: str | int | None = None,
        required: Decimal | None = None,
        available: Decimal | None = None,
    ):
        self.required = required
        self.available = available
        self.code = code
        self.name = reason_name(code)
        self.message = message
        self.field = field
        self.value = value
        self.ref = ref
        where = f" [{field} = {value!r}]" if field and value is not None else ""
        super().__init__(f"{self.name} ({code}): {message}{where}")


class NotConnected(ClientError, TimeoutError):
    """There is no connection to the exchange: the request was not sent."""


class FateUnknown(ClientError, TimeoutError):
    """The request was sent and not answered in time: it may or may not have been done.

    `cid`, `oid`: what it named. `client.order(cid=...)` tells, as soon as there is a connection.
    """

    def __init__(self, what: str, cid: str | None = None, oid: int | None = None):
        self.cid = cid
        self.oid = oid
        super().__init__(f"{what}; its fate is unknown, ask with client.order()")


class AuthenticationFailed(ClientError):
    """The token is missing, invalid or expired."""


class ClientClosed(ClientError):
    """The client was closed."""
