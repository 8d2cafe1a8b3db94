"""Histories from the archive, page by page, as async generators.

Each asks for the next page when the one before is used up; cursors hold, so nothing is skipped or
told twice, whatever is added meanwhile. Source: specs/client.md CL-75; specs/archive.md AR-36.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Mapping
from decimal import Decimal
from typing import Any, TypeVar

import msgspec

from rsx.client.account_frames import rate_of_rest
from rsx.client.accounts import Accounts
from rsx.client.frames import order_of_rest, trade_of_rest
from rsx.client.history_models import (
    BalanceChange,
    Candle,
    Interval,
    PastFill,
    PastOrder,
    PastRate,
)
from rsx.client.models import (
    FundingPayment,
    LiquidationEvent,
    LiquidationSettled,
    LiquidationStep,
    PositionTransferred,
    Trade,
)

T = TypeVar("T")
PAGE = 500
LIQUIDATIONS: dict[str, type[LiquidationEvent]] = {
    "step": LiquidationStep, "transfer": PositionTransferred, "settled": LiquidationSettled,
}  # fmt: skip


class Histories(Accounts):
    """What one user may ask about the past. `Client` is made of it.

    Args of all  symbol: None = every market, where it may be left out; start, end: ns since 1970,
                 start inclusive, end exclusive; newest_first: the other way round if False
    Raises       RequestRefused, NotConnected, AuthenticationFailed, while iterating
    """

    def orders_history(
        self, symbol: str | None = None, start: int | None = None, end: int | None = None,
        newest_first: bool = True,
    ) -> AsyncIterator[PastOrder]:  # fmt: skip
        """Own orders and triggers, refused ones too, by the time of their first event."""
        return self._past("orders", _order, symbol, start, end, newest_first)

    def fills_history(
        self, symbol: str | None = None, start: int | None = None, end: int | None = None,
        newest_first: bool = True,
    ) -> AsyncIterator[PastFill]:  # fmt: skip
        """Own fills; a trade with oneself is two."""
        return self._past("fills", _fill, symbol, start, end, newest_first)

    def funding_payments(
        self, symbol: str | None = None, start: int | None = None, end: int | None = None,
        newest_first: bool = True,
    ) -> AsyncIterator[FundingPayment]:  # fmt: skip
        """Own funding payments."""
        return self._past("funding", _payment, symbol, start, end, newest_first)

    def liquidations_history(
        self, symbol: str | None = None, start: int | None = None, end: int | None = None,
        newest_first: bool = True,
    ) -> AsyncIterator[LiquidationEvent]:  # fmt: skip
        """Steps of own liquidations, positions that were transferred, and what was made good."""
        return self._past("liquidations", _liquidation, symbol, start, end, newest_first)

    def balance_history(
        self, symbol: str | None = None, start: int | None = None, end: int | None = None,
        newest_first: bool = True,
    ) -> AsyncIterator[BalanceChange]:  # fmt: skip
        """Every change of collateral, with the collateral after it."""
        return self._past("balances", _balance, symbol, start, end, newest_first)

    def trades_history(
        self, symbol: str, start: int | None = None, end: int | None = None,
        newest_first: bool = True,
    ) -> AsyncIterator[Trade]:  # fmt: skip
        """Public trades of a market."""
        return self._past("trades", trade_of_rest, symbol, start, end, newest_first, False)

    def funding_rate_history(
        self, symbol: str, start: int | None = None, end: int | None = None,
        newest_first: bool = True,
    ) -> AsyncIterator[PastRate]:  # fmt: skip
        """Settled funding rates of a market, with what was booked."""
        return self._past("funding_rates", _rate, symbol, start, end, newest_first, False)

    def candles(
        self, symbol: str, interval: Interval = "1m", start: int | None = None,
        end: int | None = None, newest_first: bool = False, price: str = "trade",
        fill_gaps: bool = True,
    ) -> AsyncIterator[Candle]:  # fmt: skip
        """Candles that begin within start and end, oldest first. price: "trade" or "mark".

        Without fill_gaps intervals without a trade are left out.
        """
        more = {"interval": interval, "price": price, "gaps": "fill" if fill_gaps else "skip"}
        return self._pages(
            "/v1/candles", "candles", _candle, False, symbol, start, end, newest_first, **more
        )

    def _past(
        self, what: str, parse: Callable[[Mapping[str, Any]], T], symbol: str | None,
        start: int | None, end: int | None, newest_first: bool, private: bool = True,
    ) -> AsyncIterator[T]:  # fmt: skip
        path = f"/v1/history/{what}"
        return self._pages(path, what, parse, private, symbol, start, end, newest_first)

    async def _pages(
        self, path: str, key: str, parse: Callable[[Mapping[str, Any]], T], private: bool,
        symbol: str | None, start: int | None, end: int | None, newest_first: bool, **more: Any,
    ) -> AsyncIterator[T]:  # fmt: skip
        order = "desc" if newest_first else "asc"
        cursor = None
        while True:
            body = await self._open_rest().get(
                path, self.timeout, private, symbol=symbol, to=end, limit=PAGE, order=order,
                cursor=cursor, **more, **{"from": start},
            )  # fmt: skip
            for row in body[key]:
                yield parse(row)
            if not body["more"]:
                return
            cursor = body["next"]


def _decimals(row: Mapping[str, Any], *names: str) -> dict[str, Any]:
    """The row with decimal text as Decimal; null stays."""
    changed = {n: Decimal(row[n]) for n in names if row.get(n) is not None}
    return {**row, **changed}


def _order(row: Mapping[str, Any]) -> PastOrder:
    more = _decimals(
        {name: row[name] for name in (
            "average_price", "notional", "fee", "profit", "amends", "placed_ns", "ended_ns",
        )}, "average_price", "notional", "fee", "profit",
    )  # fmt: skip
    return PastOrder(**msgspec.structs.asdict(order_of_rest(row)), **more)


def _fill(row: Mapping[str, Any]) -> PastFill:
    fields = _decimals(row, "price", "qty", "fee", "profit")
    return PastFill(**{**fields, "cid": row["cid"] or ""})


def _payment(row: Mapping[str, Any]) -> FundingPayment:
    return FundingPayment(**_decimals(row, "amount", "net_qty", "mark_price", "rate"))


def _liquidation(row: Mapping[str, Any]) -> LiquidationEvent:
    """A step of the whole cross account has neither side nor quantities: zeros, as in frames."""
    kind: Any = LIQUIDATIONS[row["event"]]
    names = ("qty", "price", "mark_price", "net_qty", "equity", "maintenance_margin", "amount")
    fields = _decimals(row, *names)
    if kind is LiquidationStep:
        blank = {"side": "buy", **dict.fromkeys(("qty", "price", "mark_price", "net_qty"))}
        fields = blank | fields | {"oid": row["oid"] or 0}
    known = kind.__struct_fields__
    made: LiquidationEvent = kind(**{
        name: Decimal(0) if value is None and name in names else value
        for name, value in fields.items() if name in known
    })  # fmt: skip
    return made


def _balance(row: Mapping[str, Any]) -> BalanceChange:
    return BalanceChange(**_decimals(row, "amount", "balance"))


def _rate(row: Mapping[str, Any]) -> PastRate:
    booked = _decimals(
        {name: row[name] for name in ("payments", "paid", "received", "residue")},
        "paid", "received", "residue",
    )  # fmt: skip
    settled = {name: value for name, value in row.items() if name not in booked}
    return PastRate(**msgspec.structs.asdict(rate_of_rest(settled)), **booked)


def _candle(row: Mapping[str, Any]) -> Candle:
    return Candle(**_decimals(
        row, "open", "high", "low", "close", "volume", "quote_volume", "taker_buy_volume",
        "taker_buy_quote_volume",
    ))  # fmt: skip
