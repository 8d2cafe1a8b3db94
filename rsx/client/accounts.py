"""Accounts: what they have, margin settings, money, histories; marks and funding of markets.

What changes something goes over REST, where the answer is the request's own; what asks goes over
the private socket. Source: specs/client.md CL-48 to CL-50, CL-70 to CL-73.
"""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from rsx.client.account_frames import (
    account_of_frame,
    fund_of_rest,
    liquidation_of_rest,
    liquidation_of_row,
    mark_of_rest,
    payment_of_row,
    position_of_row,
    rate_of_rest,
    settings_of_rest,
)
from rsx.client.decimals import Amount, from_units, to_units
from rsx.client.models import (
    LEGS,
    MARGIN_MODES,
    POSITION_MODES,
    Account,
    FundingPayment,
    FundingRate,
    InsuranceFund,
    Liquidation,
    LiquidationEvent,
    MarginMoved,
    MarginSettings,
    MarketMark,
    MoneyMoved,
    Position,
)
from rsx.client.trading import Trading


class Accounts(Trading):
    """What one user may ask about the account. `Client` is made of it."""

    # --- what it has ---

    async def account(self) -> Account:
        """Balances and margin. Raises NotConnected."""
        fields = await self._session().query("A", [], self.timeout)
        return account_of_frame(fields, self._symbols)

    async def positions(self) -> list[Position]:
        """Open positions with their margin and risk. Raises NotConnected."""
        rows = await self._session().query("P", [], self.timeout)
        return [position_of_row(row, self._symbols) for row in rows]

    async def watch_account(self, on: bool = True) -> None:
        """Have `events()` yield an AccountUpdate now and whenever the account changes (CL-71).

        Raises  NotConnected
        """
        await self._session().watch(on, self.timeout)

    async def funding_history(
        self, symbol: str | None = None, limit: int = 50, before: int = 0
    ) -> list[FundingPayment]:
        """Own funding payments, newest first. `limit` 1 to 500; `before`: a seq, exclusive."""
        rows = await self._history("FH", symbol, limit, before)
        return [payment_of_row(row, self._symbols) for row in rows]

    async def liquidation_history(
        self, symbol: str | None = None, limit: int = 50, before: int = 0
    ) -> list[LiquidationEvent]:
        """Steps of own liquidations, and positions that were transferred, newest first."""
        rows = await self._history("LH", symbol, limit, before)
        return [liquidation_of_row(row, self._symbols) for row in rows]

    async def _history(self, key: str, symbol: str | None, limit: int, before: int) -> list[Any]:
        sym = 0 if symbol is None else self._symbols[symbol].id
        return await self._session().query(key, [sym, limit, before], self.timeout)

    # --- settings ---

    async def set_leverage(self, symbol: str, leverage: int) -> MarginSettings:
        """Set the leverage in a market; 0 = as much as its brackets allow.

        Raises  RequestRefused, with the largest possible as `available`; NotConnected; FateUnknown
        """
        if isinstance(leverage, bool) or not isinstance(leverage, int):
            raise TypeError(f"leverage {leverage!r}: must be a whole number")
        return await self._set("leverage", symbol=symbol, leverage=leverage)

    async def set_margin_mode(self, symbol: str, margin_mode: str) -> MarginSettings:
        """Set cross or isolated margin in a market, without position or order there.

        Raises  ValueError; RequestRefused; NotConnected; FateUnknown
        """
        if margin_mode not in MARGIN_MODES:
            raise ValueError(f"margin_mode {margin_mode!r}: must be cross or isolated")
        return await self._set("margin_mode", symbol=symbol, margin_mode=margin_mode)

    async def set_position_mode(self, position_mode: str) -> MarginSettings:
        """Set one_way or hedge for the account, without any position or order.

        Raises  ValueError; RequestRefused; NotConnected; FateUnknown
        """
        if position_mode not in POSITION_MODES:
            raise ValueError(f"position_mode {position_mode!r}: must be one_way or hedge")
        return await self._set("position_mode", position_mode=position_mode)

    async def _set(self, what: str, **body: Any) -> MarginSettings:
        return settings_of_rest(await self._post(f"/v1/account/{what}", body))

    # --- money ---

    async def move_margin(
        self, symbol: str, amount: Amount, position_side: str | None = None
    ) -> MarginMoved:
        """Move margin to an isolated position; negative: back to the account.

        Args    position_side: long or short, in hedge mode
        Raises  InvalidAmount, ValueError: nothing was sent; RequestRefused; NotConnected;
                FateUnknown
        """
        if position_side is not None and position_side not in LEGS:
            raise ValueError(f"position_side {position_side!r}: must be long or short")
        body = {"symbol": symbol, "amount": self._money(amount), "position_side": position_side}
        answer = await self._post("/v1/account/margin", body)
        return MarginMoved(
            symbol=answer["symbol"], leg=answer["position_side"] or "long",
            amount=Decimal(answer["amount"]), seq=answer["seq"],
        )  # fmt: skip

    async def withdraw(self, amount: Amount) -> MoneyMoved:
        """Withdraw collateral; returns when it is durable, with the amount negative.

        Raises  InvalidAmount: nothing was sent; RequestRefused, with what could be withdrawn as
                `available`; NotConnected; FateUnknown: look at the account before you repeat
        """
        answer = await self._post("/v1/account/withdrawals", {"amount": self._money(amount)})
        return MoneyMoved(amount=-Decimal(answer["amount"]), seq=answer["seq"])

    def _money(self, amount: Amount) -> str:
        decimals = self._symbols.money_decimals
        return f"{from_units(to_units(amount, decimals, 'amount'), decimals):f}"

    async def _post(self, path: str, body: dict[str, Any]) -> dict[str, Any]:
        self._session()
        return await self._open_rest().post(path, self.timeout, body)

    # --- markets ---

    async def mark(self, symbol: str) -> MarketMark:
        """Mark price, open interest and funding as they are. Raises NotConnected."""
        return mark_of_rest(await self._open_rest().get("/v1/mark", self.timeout, symbol=symbol))

    async def funding_rates(
        self, symbol: str, limit: int = 50, before: int = 0
    ) -> list[FundingRate]:
        """Settled funding rates, newest first; `limit` up to 1000. Raises NotConnected."""
        body = await self._open_rest().get(
            "/v1/funding", self.timeout, symbol=symbol, limit=limit, before=before
        )
        return [rate_of_rest(row) for row in body["funding"]]

    async def liquidations(
        self, symbol: str, limit: int = 50, before: int = 0
    ) -> list[Liquidation]:
        """What was liquidated in a market, newest first, whoever it was. Raises NotConnected."""
        body = await self._open_rest().get(
            "/v1/liquidations", self.timeout, symbol=symbol, limit=limit, before=before
        )
        return [liquidation_of_rest(row) for row in body["liquidations"]]

    async def insurance_funds(self) -> list[InsuranceFund]:
        """Money and positions of the insurance funds. Raises NotConnected."""
        body = await self._open_rest().get("/v1/insurance", self.timeout)
        return [fund_of_rest(row) for row in body["funds"]]
