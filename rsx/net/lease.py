"""A Postgres advisory lock as the lease that allows one running exchange.

    session of its own: pg_try_advisory_lock(CLASS_ID, lease_id), asked about each second

Source: specs/dxs.md DX-70 to DX-72 (LSE-01, LSE-06).
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import time
from typing import Any
from urllib.parse import urlsplit

from rsx.config import Standby
from rsx.core.async_tile import AsyncTile
from rsx.errors import RsxError, StartError

URL_ENV = "RSX_LEASE_URL"
CLASS_ID = 0x525358  # ours, among the users of a database
CONNECT_S = 5.0
ASK_EVERY_S = 1.0
ASK_S = 1.0
ERRORS_MAX = 3
# A killed holder's session may live on for a moment.
TAKE_S = 5.0
TAKE_EVERY_S = 0.25

TAKE = "SELECT pg_try_advisory_lock($1::int4, $2::int4)"
HOLDER = (
    "SELECT pid FROM pg_locks WHERE locktype = 'advisory' AND classid = $1::oid AND objid = $2::oid"
    " AND objsubid = 2 AND granted"
)
HOLDS = f"SELECT EXISTS ({HOLDER} AND pid = pg_backend_pid())"


class LeaseError(StartError):
    """The lease cannot be had: one line says why."""


class LeaseLost(RsxError):
    """The lease of a running exchange is gone."""


def lease_url(config: Standby) -> str:
    """Where the lease is; "" = none is wanted."""
    return os.environ.get(URL_ENV, config.lease)


class Lease:
    """One session and its lock. Not to be used from two loops."""

    def __init__(self, url: str, lease_id: int):
        self.url = url
        self.lease_id = lease_id
        self.connection: Any = None
        self.ended = ""  # why the session is closed
        self.has_ended = asyncio.Event()
        parts = urlsplit(url)
        self.place = f"lease {lease_id} at {parts.hostname or 'localhost'}{parts.path}"

    async def take(self, wait_s: float = TAKE_S) -> None:
        """Connect and take it. Raises LeaseError: not reachable, or held by another for wait_s."""
        try:
            import asyncpg
        except ImportError:
            raise LeaseError(f"{self.place}: needs asyncpg: install rsx[postgres]") from None
        try:
            self.connection = await asyncpg.connect(
                self.url, timeout=CONNECT_S, command_timeout=ASK_S,
                server_settings={"application_name": "rsx lease"},
            )  # fmt: skip
            self.connection.add_termination_listener(self._closed)
            deadline = time.monotonic() + wait_s
            while not await self.connection.fetchval(TAKE, CLASS_ID, self.lease_id):
                if time.monotonic() >= deadline:
                    pid = await self.connection.fetchval(HOLDER, CLASS_ID, self.lease_id)
                    raise LeaseError(f"{self.place} is held by another (Postgres process {pid})")
                await asyncio.sleep(TAKE_EVERY_S)
        except (OSError, asyncpg.PostgresError, asyncpg.InterfaceError, ValueError) as error:
            await self.give_up()
            raise LeaseError(f"{self.place}: {self._shown(error)}") from None
        except LeaseError:
            await self.give_up()
            raise

    def _closed(self, _: Any) -> None:
        self.ended = self.ended or "the database ended the session"
        self.has_ended.set()

    def _shown(self, error: BaseException) -> str:
        """DX-72."""
        text = str(error) or type(error).__name__
        password = urlsplit(self.url).password
        return text.replace(password, "***") if password else text

    async def check(self) -> None:
        """Ask whether it is still held. Raises LeaseLost when it is not, others when none knows."""
        if self.ended:
            raise LeaseLost(f"{self.place}: {self.ended}")
        async with asyncio.timeout(ASK_S):
            held = await self.connection.fetchval(HOLDS, CLASS_ID, self.lease_id)
        if not held:
            raise LeaseLost(f"{self.place} is no longer held")

    async def give_up(self) -> None:
        """Close the session; the lock goes with it."""
        connection, self.connection = self.connection, None
        if connection is not None:
            self.ended = "given up"
            try:
                async with asyncio.timeout(ASK_S):
                    await connection.close()
            except Exception:
                connection.terminate()


class LeaseTile(AsyncTile):
    """Holds the lease of a running exchange; its failure stops the exchange (DX-71)."""

    def __init__(self, url: str, lease_id: int):
        super().__init__("lease", [])
        self.lease = Lease(url, lease_id)
        self.lost: LeaseLost | None = None
        self.errors = 0
        self._task: asyncio.Task[None] | None = None

    async def on_start(self) -> None:
        await self.lease.take()
        self._task = asyncio.create_task(self._watch())

    async def on_close(self) -> None:
        if self._task is not None:
            self._task.cancel()
        await self.lease.give_up()

    def do_work(self) -> int:
        if self.lost is not None:
            raise self.lost
        return 0

    async def _watch(self) -> None:
        while self.lost is None:
            await self._pause()
            try:
                await self.lease.check()
                self.errors = 0
            except LeaseLost as error:
                self.lost = error
            except Exception as error:
                self.errors += 1
                if self.errors >= ERRORS_MAX:
                    self.lost = LeaseLost(
                        f"{self.lease.place}: {self.errors} questions in a row failed, the last: "
                        f"{self.lease._shown(error)}"
                    )
        self.loop.call_soon(self._fail)

    async def _pause(self) -> None:
        """A second, less when the session ends meanwhile."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(ASK_EVERY_S):
                await self.lease.has_ended.wait()

    def _fail(self) -> None:
        """Let the runner's next duty cycle come to it."""
        with contextlib.suppress(OSError):
            self.doorbell.arm()
            self.doorbell.ring()

    def counters(self) -> dict[str, int]:
        return {"lease_errors": self.errors}
