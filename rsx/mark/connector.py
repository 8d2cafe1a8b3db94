"""One connection to a venue, made again for ever.

    connect -> hello -> messages until it ends, errs or falls silent -> wait -> connect ...

    wait    1 s after a connection that brought a price; else twice the last, up to 30 s; +-20 %

Knows sockets, not prices: every message goes to a VenueFeed. Thread: the mark tile's loop.
Source: specs/mark.md MK-36.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass

import aiohttp

from rsx.mark.feeds import VenueFeed
from rsx.mark.venues import VenueError

MESSAGE_BYTES_MAX = 1 << 20
ERROR_MAX = 200
ENDS = (aiohttp.WSMsgType.CLOSE, aiohttp.WSMsgType.CLOSING, aiohttp.WSMsgType.CLOSED)


@dataclass(frozen=True, slots=True)
class Waits:
    """How long a connector waits, in ms; jitter in ppm of a wait, either way."""

    silent_ms: int
    first_ms: int = 1000
    longest_ms: int = 30_000
    jitter_ppm: int = 200_000
    handshake_ms: int = 10_000
    close_ms: int = 500


def seconds(milliseconds: int) -> float:
    return milliseconds / 1000


def wait_ms(waits: Waits, failures: int, chance: Callable[[int], int]) -> int:
    """The wait before the next connection, after so many that brought no price in a row.

    Args    chance: n -> one of 0 .. n - 1
    """
    base = min(waits.first_ms << min(max(failures - 1, 0), 20), waits.longest_ms)
    reach = base * waits.jitter_ppm // 1_000_000
    return base - reach + chance(2 * reach + 1)


class Connector:
    """Keeps one venue's connection.

    Args    url: without the path that the venue adds; now_ns: the tile's clock; chance: for jitter
    """

    def __init__(
        self,
        feed: VenueFeed,
        url: str,
        now_ns: Callable[[], int],
        chance: Callable[[int], int],
        waits: Waits,
    ):
        self.feed = feed
        self.waits = waits
        self._url = feed.venue.address(url.rstrip("/"), feed.asks)
        self._now_ns = now_ns
        self._chance = chance
        self._has_price = False  # on the connection that is open

    async def run(self) -> None:
        """Until cancelled. What a venue or the network does ends a connection, never this."""
        failures = 0
        async with aiohttp.ClientSession(
            timeout=aiohttp.ClientTimeout(total=None),
            # Cookies and environment are nobody's business here.
            cookie_jar=aiohttp.DummyCookieJar(),
        ) as session:
            while True:
                self._has_price = False
                try:
                    await self._connection(session)
                except TimeoutError:
                    self._failed("no handshake, or nothing said for too long")
                except (aiohttp.ClientError, OSError, VenueError) as error:
                    self._failed(str(error) or type(error).__name__)
                finally:
                    self.feed.is_connected = False
                failures = 0 if self._has_price else failures + 1
                pause_s = seconds(wait_ms(self.waits, failures, self._chance))
                await asyncio.sleep(pause_s)

    def _failed(self, text: str) -> None:
        self.feed.failures += 1
        self.feed.last_error = text[:ERROR_MAX]

    async def _connection(self, session: aiohttp.ClientSession) -> None:
        """One connection, to its end."""
        async with asyncio.timeout(seconds(self.waits.handshake_ms)):
            socket = await session.ws_connect(
                self._url,
                max_msg_size=MESSAGE_BYTES_MAX,
                timeout=aiohttp.ClientWSTimeout(ws_close=seconds(self.waits.close_ms)),
            )
        try:
            self.feed.is_connected = True
            self.feed.connections += 1
            for text in self.feed.venue.hello(self.feed.asks):
                await socket.send_str(text)
            await self._listen(socket)
        finally:
            await socket.close()

    async def _listen(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        silent_s = seconds(self.waits.silent_ms)
        while True:
            async with asyncio.timeout(silent_s):  # not the socket's own: pings would renew it
                message = await socket.receive()
            if message.type in (aiohttp.WSMsgType.TEXT, aiohttp.WSMsgType.BINARY):
                if self.feed.message(message.data, self._now_ns()):
                    self._has_price = True
            elif message.type is aiohttp.WSMsgType.ERROR:
                self._failed(str(message.data))
                return
            elif message.type in ENDS:
                self._failed(f"closed by the venue ({socket.close_code})")
                return
