"""The lease of the one running exchange: specs/dxs.md DX-70 to DX-72 (LSE-01, LSE-06)."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator

import pytest
from system import postgres
from system.process import until

from rsx.config import Standby, load
from rsx.core.async_tile import AsyncRunner
from rsx.errors import ConfigError
from rsx.net.lease import Lease, LeaseError, LeaseLost, LeaseTile, lease_url

WHY_NOT = postgres.why_not()
needs_postgres = pytest.mark.skipif(bool(WHY_NOT), reason=WHY_NOT or "there is one")


@pytest.fixture(scope="module")
def server() -> Iterator[postgres.Postgres]:
    pytest.importorskip("asyncpg")
    with postgres.Postgres() as running:
        yield running


@needs_postgres
def test_one_holds_it_and_the_next_is_told_who(server):
    async def scenario() -> None:
        first, second, other = Lease(server.url, 1), Lease(server.url, 1), Lease(server.url, 2)
        await first.take(0)
        await first.check()
        await other.take(0)  # another exchange with the same database
        with pytest.raises(LeaseError, match=r"lease 1 at 127.0.0.1/postgres is held by another "
                                             r"\(Postgres process \d+\)"):  # fmt: skip
            await second.take(0.3)
        await first.give_up()
        second = Lease(server.url, 1)
        await second.take(1)
        await second.check()
        for lease in (second, other):
            await lease.give_up()

    asyncio.run(scenario())


@needs_postgres
def test_a_holder_that_dies_sets_it_free_and_one_who_waits_gets_it(server):
    async def scenario() -> None:
        first, second = Lease(server.url, 1), Lease(server.url, 1)
        await first.take(0)
        waiting = asyncio.create_task(second.take(5))
        await asyncio.sleep(0.3)
        assert not waiting.done()
        first.connection.terminate()
        await waiting
        await second.give_up()

    asyncio.run(scenario())


@needs_postgres
def test_a_session_that_was_ended_is_noticed(server):
    """DX-71: by the connection's end, and by an answer that says no."""

    async def scenario() -> None:
        lease, admin = Lease(server.url, 1), Lease(server.url, 9)
        await lease.take(0)
        await admin.take(0)
        pid = lease.connection.get_server_pid()
        await lease.connection.execute("SELECT pg_advisory_unlock_all()")
        with pytest.raises(LeaseLost, match="no longer held"):
            await lease.check()
        await admin.connection.execute(f"SELECT pg_terminate_backend({pid})")
        await until(lambda: lease.ended, 5, "the end of the session")
        with pytest.raises(LeaseLost, match="the database ended the session"):
            await lease.check()
        await lease.give_up()
        await admin.give_up()

    asyncio.run(scenario())


@needs_postgres
def test_a_lost_lease_ends_the_tile_that_holds_it(server):
    ended: list[AsyncRunner] = []
    tile = LeaseTile(server.url, 1)
    runner = AsyncRunner("lease", [tile], None, ended.append)
    runner.start()
    try:
        server.stop()

        async def scenario() -> None:
            await until(lambda: ended, 10, "the end of the lease")

        asyncio.run(scenario())
        assert isinstance(runner.failure, LeaseLost)
        assert "the database ended the session" in str(runner.failure)
    finally:
        runner.stop()
        server.start()


@needs_postgres
def test_a_wrong_password_is_not_shown(server):
    """DX-72."""

    async def scenario() -> None:
        lease = Lease(server.url.replace("sesame", "hunter2"), 1)
        with pytest.raises(LeaseError) as caught:
            await lease.take(0)
        assert "lease 1 at 127.0.0.1/postgres: " in str(caught.value)
        assert "hunter2" not in str(caught.value)

    asyncio.run(scenario())


def test_a_database_that_is_away_is_one_line():
    pytest.importorskip("asyncpg")

    async def scenario() -> None:
        with pytest.raises(LeaseError, match=r"lease 1 at 127\.0\.0\.1/x: "):
            await Lease("postgres://rsx:secret@127.0.0.1:9/x", 1).take(0)

    asyncio.run(scenario())


def test_where_the_lease_is(monkeypatch):
    monkeypatch.delenv("RSX_LEASE_URL", raising=False)
    assert lease_url(Standby()) == ""
    assert lease_url(Standby(lease="postgres://a/b")) == "postgres://a/b"
    monkeypatch.setenv("RSX_LEASE_URL", "postgres://c/d")
    assert lease_url(Standby(lease="postgres://a/b")) == "postgres://c/d"
    with pytest.raises(ConfigError, match=r"standby\.lease: must begin with postgres://"):
        load().replace(standby={"lease": "mysql://a/b"})
