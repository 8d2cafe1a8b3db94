"""What every client has: the HTTP session, REST, the token. And `Admin`, which needs no more.

Source: specs/client.md sections 2 and 6.
"""

from __future__ import annotations

import inspect
from decimal import Decimal
from typing import Any
from urllib.parse import quote

import aiohttp

from rsx.client.decimals import Amount, from_units, to_units
from rsx.client.errors import ClientClosed
from rsx.client.models import (
    MODES,
    AccountSettings,
    Deposit,
    ModeSet,
    RulesSet,
    SnapshotWritten,
)
from rsx.client.orders import checked_stp
from rsx.client.private import Token
from rsx.client.rest import Rest


class Connected:
    """What Client and Admin share."""

    def __init__(self, url: str, token: Token | None, timeout: float):
        if not url.startswith(("http://", "https://")):
            raise ValueError(f"url {url!r}: must begin with http:// or https://")
        self.url = url.rstrip("/")
        self.timeout = timeout
        self._token = token
        self._http: aiohttp.ClientSession | None = None
        self._rest: Rest | None = None

    async def _open(self) -> Rest:
        if self._http is not None:
            raise RuntimeError("already connected")
        # No limit: every market stream holds a connection of its own.
        self._http = aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0))
        self._rest = Rest(self._http, self.url, self._fresh_token if self._token else None)
        return self._rest

    async def _fresh_token(self) -> str:
        if self._token is None or isinstance(self._token, str):
            return self._token or ""
        token = self._token()
        return await token if inspect.isawaitable(token) else token

    async def _close_http(self) -> None:
        if self._http is not None:
            await self._http.close()

    def _open_rest(self) -> Rest:
        if self._rest is None:
            raise RuntimeError(f"use `async with {type(self).__name__}(...)`")
        if self._http is None or self._http.closed:
            raise ClientClosed("the client is closed")
        return self._rest


class Admin(Connected):
    """Operations that need a token with the admin role."""

    def __init__(self, url: str, token: Token, *, timeout: float = 10.0):
        super().__init__(url, token, timeout)
        self.money_decimals = 0

    async def __aenter__(self) -> Admin:
        """Open. Raises NotConnected."""
        rest = await self._open()
        try:
            body = await rest.get("/v1/symbols", self.timeout)
        except BaseException:
            await self.close()
            raise
        self.money_decimals = body["money_decimals"]
        return self

    async def __aexit__(self, *exc: object) -> None:
        await self.close()

    async def close(self) -> None:
        """Close the connection."""
        await self._close_http()

    async def deposit(self, user: int, amount: Amount) -> Deposit:
        """Pay collateral into an account; returns when it is durable.

        Args    user: 1 to 2^32 - 1; amount: positive, in collateral
        Raises  InvalidAmount: nothing was sent; RequestRefused; AuthenticationFailed;
                NotConnected: nothing was sent; FateUnknown: look at the account before you repeat
        """
        return await self._pay("deposits", user, amount)

    async def withdraw(self, user: int, amount: Amount) -> Deposit:
        """Take collateral out of any account, insurance funds included; as deposit otherwise.

        Raises  RequestRefused, with what could be withdrawn as `available`
        """
        return await self._pay("withdrawals", user, amount)

    async def _pay(self, what: str, user: int, amount: Amount) -> Deposit:
        exact = from_units(to_units(amount, self.money_decimals, "amount"), self.money_decimals)
        answer = await self._post(f"/v1/admin/{what}", {"user": user, "amount": f"{exact:f}"})
        return Deposit(
            user=answer["user"], amount=Decimal(str(answer["amount"])), seq=answer["seq"]
        )

    async def change_rules(self, symbol: str, **rules: Any) -> RulesSet:
        """Change rules of a market while it trades; returns when they hold (SY-3).

        Args    rules: keys and values as in config.toml, such as taker_fee_ppm=500
        Raises  RequestRefused naming the key and why; AuthenticationFailed; NotConnected;
                FateUnknown
        """
        path = f"/v1/admin/symbols/{quote(symbol, safe='')}"
        answer = await self._open_rest().post(path, self.timeout, rules, method="PATCH")
        return RulesSet(**answer)

    async def mode(self, symbol: str, mode: str) -> ModeSet:
        """Set a market's trading mode: open, post_only, cancel_only or halt.

        Raises  ValueError; RequestRefused; AuthenticationFailed; NotConnected; FateUnknown
        """
        if mode not in MODES:
            raise ValueError(f"mode {mode!r}: must be {', '.join(MODES[:-1])} or {MODES[-1]}")
        answer = await self._post("/v1/admin/mode", {"symbol": symbol, "mode": mode})
        return ModeSet(
            symbol=answer["symbol"], mode=answer["mode"], previous=answer["previous"],
            seq=answer["seq"],
        )  # fmt: skip

    async def set_account(
        self, user: int, *, owner_group: int | None = None, stp: str | None = None
    ) -> AccountSettings:
        """Change an account's owner group, its default of self-trade prevention, or both.

        Args    owner_group: 0 = none but the user itself; stp: none, newest, oldest or both
        Raises  as mode
        """
        wanted = {"owner_group": owner_group, "stp": checked_stp(stp)}
        body = {key: value for key, value in wanted.items() if value is not None}
        if not body:
            raise ValueError("give owner_group or stp")
        answer = await self._post("/v1/admin/accounts", {"user": user, **body})
        return AccountSettings(stp=answer["stp"], owner_group=answer["owner_group"])

    async def cancel_all(self, user: int, symbol: str | None = None) -> int:
        """Cancel all orders and triggers of a user; returns how many ended. Raises as mode."""
        answer = await self._post("/v1/admin/cancel", {"user": user, "symbol": symbol})
        return int(answer["cancelled"])

    async def snapshot(self, seconds: float = 600.0) -> SnapshotWritten:
        """Let the exchange write its state to a file; returns when that is durable.

        Raises  RequestRefused with the reason why it cannot; AuthenticationFailed; NotConnected;
                FateUnknown
        """
        answer = await self._open_rest().post("/v1/admin/snapshot", seconds, {})
        return SnapshotWritten(**answer)

    async def _post(self, path: str, body: dict[str, Any]) -> dict[str, Any]:
        return await self._open_rest().post(path, self.timeout, body)
