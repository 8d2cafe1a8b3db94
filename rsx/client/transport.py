"""One WebSocket to the exchange, and how long to wait before the next.

    connect -> receive/send -> LinkLost
                  |  pulse: H every 5 s; silence of 15 s closes the link

A Link is used once: who wants to live on makes a new one after a Backoff. It never raises
anything but LinkLost, AuthenticationFailed and what the caller's code raises.
Source: specs/client.md CL-30, CL-33; specs/wire.md section 3.
"""

from __future__ import annotations

import asyncio
import random
import time
from typing import Any

import aiohttp
import orjson

from rsx.client.errors import AuthenticationFailed
from rsx.client.rest import why
from rsx.errors import Reason

HEARTBEAT_S = 5.0
SILENCE_S = 15.0
CONNECT_S = 5.0
# An O answer with the most open orders a user may have is a few megabytes.
FRAME_MAX_BYTES = 64 * 1024 * 1024

# Refusals that speak of the connection and not of a request; its close follows.
SESSION_CODES = frozenset(
    {
        Reason.FRAME_TOO_LARGE,
        Reason.SLOW_READER,
        Reason.TOO_MANY_CONNECTIONS,
        Reason.IDLE,
        Reason.TOKEN_MISSING,
        Reason.TOKEN_INVALID,
        Reason.TOKEN_EXPIRED,
        Reason.STOPPING,
    }
)


class LinkLost(Exception):
    """The connection ended. `reason` says why, `code` is its close code or 0."""

    def __init__(self, reason: str, code: int = 0):
        self.reason = reason
        self.code = code
        super().__init__(f"{reason} ({code})" if code else reason)


class Backoff:
    """Waits between attempts: doubling from first_s to max_s, each drawn from its upper half."""

    def __init__(self, first_s: float = 0.1, max_s: float = 10.0, rng: random.Random | None = None):
        self.first_s = first_s
        self.max_s = max_s
        self.attempts = 0
        self._rng = rng or random.Random()

    def next(self) -> float:
        """Seconds to wait before the next attempt."""
        # The exponent is bounded because 2.0 ** 1024 overflows after a long outage.
        full_s = min(self.max_s, self.first_s * 2.0 ** min(self.attempts, 60))
        self.attempts += 1
        return full_s * (0.5 + self._rng.random() / 2)

    def reset(self) -> None:
        """Begin again: the connection worked."""
        self.attempts = 0


def ws_url(url: str, path: str) -> str:
    """Address of a WebSocket on the exchange at an http(s) or ws(s) address."""
    return url.rstrip("/").replace("http", "ws", 1) + path


class Link:
    """An open WebSocket that speaks frames: `{"KEY": [fields]}`."""

    def __init__(self, ws: aiohttp.ClientWebSocketResponse):
        self.ws = ws
        self.round_trip_ms = -1.0
        self._pulse_sent = (0, 0.0)
        # Silence counts only while somebody listens: a reader that is busy elsewhere hears
        # nothing, and that says nothing about the connection.
        self._quiet_since: float | None = None
        self._silent = False
        self._loop = asyncio.get_running_loop()
        self._pulse_task = self._loop.create_task(self._pulse())

    @classmethod
    async def connect(
        cls, session: aiohttp.ClientSession, url: str, token: str | None = None
    ) -> Link:
        """Open a link.

        Raises  LinkLost if nobody answers there; AuthenticationFailed on 401 or 403
        """
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        try:
            async with asyncio.timeout(CONNECT_S):
                ws = await session.ws_connect(
                    url,
                    headers=headers,
                    max_msg_size=FRAME_MAX_BYTES,
                    timeout=aiohttp.ClientWSTimeout(ws_close=1.0),
                )
        except aiohttp.WSServerHandshakeError as error:
            if error.status in (401, 403):
                text = f"the exchange refused the token: {error.status}"
                raise AuthenticationFailed(text) from None
            raise LinkLost(f"{url} answered {error.status}") from None
        except TimeoutError:
            raise LinkLost(f"{url} did not answer within {CONNECT_S:g} s") from None
        except (aiohttp.ClientError, OSError, ValueError) as error:
            raise LinkLost(f"nothing answers at {url}: {why(error)}") from None
        return cls(ws)

    async def send(self, key: str, fields: list[Any]) -> None:
        """Send one frame. Raises LinkLost: then whether it arrived is not known."""
        try:
            await self.ws.send_frame(orjson.dumps({key: fields}), aiohttp.WSMsgType.TEXT)
        except (aiohttp.ClientError, OSError, RuntimeError) as error:
            raise LinkLost(f"the connection was lost while sending: {error}") from None

    async def receive(self) -> tuple[str, list[Any]]:
        """Wait for the next frame that is not a heartbeat.

        Raises  LinkLost at the end of the connection. Cancelling it loses no frame.
        """
        while True:
            self._quiet_since = time.monotonic()
            try:
                message = await self.ws.receive()
            finally:
                self._quiet_since = None
            if message.type is not aiohttp.WSMsgType.TEXT:
                if message.type is aiohttp.WSMsgType.BINARY:
                    continue
                raise self._ended(message)
            try:
                ((key, fields),) = orjson.loads(message.data).items()
            except (orjson.JSONDecodeError, ValueError, AttributeError):
                raise LinkLost(f"not a frame: {message.data[:64]!r}") from None
            if key != "H":
                return key, fields
            if fields and fields[0] == self._pulse_sent[0]:
                self.round_trip_ms = (time.monotonic() - self._pulse_sent[1]) * 1e3

    async def close(self) -> None:
        """Close and forget. Never raises."""
        self._pulse_task.cancel()
        try:
            await self.ws.close()
        except (aiohttp.ClientError, OSError, RuntimeError):
            pass  # it was gone already

    def close_soon(self) -> None:
        """Close from a place that can't wait, such as a finaliser in any thread."""
        if not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self._start_closing)

    def _start_closing(self) -> None:
        self._closing_task = self._loop.create_task(self.close())

    def _ended(self, message: aiohttp.WSMessage) -> LinkLost:
        code = self.ws.close_code or 0
        if message.type is aiohttp.WSMsgType.ERROR:
            return LinkLost(f"the connection failed: {self.ws.exception()}", code)
        text = message.extra if isinstance(message.extra, str) and message.extra else ""
        if self._silent:
            text = f"nothing came for {SILENCE_S:g} s"
        return LinkLost(text or "the connection was closed", 0 if code == 1006 else code)

    async def _pulse(self) -> None:
        while True:
            await asyncio.sleep(HEARTBEAT_S)
            now = time.monotonic()
            if self._quiet_since is not None and now - self._quiet_since > SILENCE_S:
                self._silent = True
                await self.ws.close(message=b"silence")
                return
            self._pulse_sent = (int(time.time() * 1000), now)
            try:
                await self.send("H", [self._pulse_sent[0]])
            except LinkLost:
                return  # the reader learns of it by itself
