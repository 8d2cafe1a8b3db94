"""REST calls: one place that turns statuses and bodies into answers or errors.

Source: specs/wire.md section 5.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from decimal import Decimal
from typing import Any

import aiohttp
import orjson

from rsx.client.errors import (
    AuthenticationFailed,
    FateUnknown,
    NotConnected,
    RequestRefused,
)


def why(error: BaseException) -> str:
    """A connection error in few words: the library's own text repeats the address twice."""
    cause = error.os_error if isinstance(error, aiohttp.ClientConnectorError) else error
    if isinstance(cause, ConnectionRefusedError):
        return "connection refused"
    if isinstance(cause, aiohttp.ServerDisconnectedError):
        return "the connection was closed without an answer"
    return str(cause) or type(cause).__name__


class Rest:
    """REST requests to one exchange. `token` is asked before each request that needs one."""

    def __init__(
        self,
        http: aiohttp.ClientSession,
        url: str,
        token: Callable[[], Awaitable[str]] | None,
    ):
        self._http = http
        self._url = url.rstrip("/")
        self._token = token

    async def get(
        self, path: str, timeout_s: float, private: bool = False, **params: Any
    ) -> dict[str, Any]:
        """GET; parameters that are None are left out.

        Raises  RequestRefused, AuthenticationFailed, NotConnected
        """
        used = {key: str(value) for key, value in params.items() if value is not None}
        try:
            return await self._send("GET", path, timeout_s, private, params=used)
        except (aiohttp.ClientError, OSError, TimeoutError) as error:
            if isinstance(error, NotConnected):
                raise
            raise NotConnected(self._trouble(error, timeout_s)) from None

    async def post(
        self, path: str, timeout_s: float, body: dict[str, Any], method: str = "POST"
    ) -> dict[str, Any]:
        """POST, or PATCH, a JSON body.

        Raises  as get, and FateUnknown when the connection was lost after sending
        """
        try:
            return await self._send(
                method, path, timeout_s, True,
                data=orjson.dumps(body), headers={"Content-Type": "application/json"},
            )  # fmt: skip
        except aiohttp.ClientConnectorError as error:
            raise NotConnected(self._trouble(error, timeout_s)) from None
        except (aiohttp.ClientError, OSError, TimeoutError) as error:
            raise FateUnknown(self._trouble(error, timeout_s)) from None

    def _trouble(self, error: BaseException, timeout_s: float) -> str:
        if isinstance(error, TimeoutError):
            return f"no answer from {self._url} within {timeout_s:g} s"
        return f"nothing answers at {self._url}: {why(error)}"

    async def _send(
        self, method: str, path: str, timeout_s: float, private: bool, **options: Any
    ) -> dict[str, Any]:
        headers = options.pop("headers", {})
        if private:
            if self._token is None:
                raise AuthenticationFailed("this needs a token, and the client was made without")
            headers["Authorization"] = f"Bearer {await self._token()}"
        async with self._http.request(
            method,
            self._url + path,
            headers=headers,
            timeout=aiohttp.ClientTimeout(total=timeout_s),
            **options,
        ) as response:
            return _answer(response.status, await response.read(), self._url + path)


def _decimal(text: str | None) -> Decimal | None:
    return None if text is None else Decimal(text)


def _answer(status: int, raw: bytes, url: str) -> dict[str, Any]:
    try:
        body = orjson.loads(raw)
    except orjson.JSONDecodeError:
        body = None
    if status < 400 and isinstance(body, dict):
        return body
    error = body.get("error") if isinstance(body, dict) else None
    if not isinstance(error, dict):
        raise NotConnected(f"{url} answered {status}, and not as an exchange does")
    refused = RequestRefused(
        error.get("code", 0), error.get("message", ""), error.get("field"), error.get("value"),
        required=_decimal(error.get("required")), available=_decimal(error.get("available")),
    )  # fmt: skip
    if status == 401:
        raise AuthenticationFailed(str(refused))
    raise refused
