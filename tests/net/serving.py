"""A DXS server over a stepped exchange, and peers that speak to it byte by byte."""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
from collections.abc import AsyncIterator, Callable
from typing import Any

from world import World

from rsx.config import Dxs
from rsx.net import wire
from rsx.net.dxs import DxsTile
from rsx.net.wire import NOTHING, Last
from rsx.records import RECORD_SIZE, REPLAY_BEGUN, View, decode

QUICK: dict[str, Any] = {
    "handshake_ms": 300, "write_ms": 300, "heartbeat_ms": 50, "poll_ms": 1,
}  # fmt: skip
SEGMENT_RECORDS = (1 << 20) // RECORD_SIZE
PEERS: list[Peer] = []  # closed with the server


def settle(world: World) -> None:
    """Step until what was written is durable."""
    while world.wal.durable < world.wal.appended:
        world.step()


def grow(world: World, records: int) -> None:
    """Cheap records, cancels of what is not there, all of them durable."""
    until = world.wal.appended + records
    while world.wal.appended < until:
        for _ in range(min(900, until - world.wal.appended)):
            world.cancel(1, 1)
        world.run()
    settle(world)


@contextlib.asynccontextmanager
async def serving(
    world: World, *, token: bytes | None = None, **changes: Any
) -> AsyncIterator[DxsTile]:
    """The server on any free port of the running loop."""
    tile = DxsTile(
        Dxs(**{**QUICK, **changes}), world.folder, lambda: int(world.wal.durable),
        world.recovered.start.exchange_id, token,
    )  # fmt: skip
    tile.loop = asyncio.get_running_loop()
    await tile.on_start()
    try:
        yield tile
    finally:
        await tile.on_close()
        for peer in PEERS:
            peer.close()
        PEERS.clear()
        await asyncio.sleep(0)


def endpoint(tile: DxsTile) -> str:
    return f"127.0.0.1:{tile.address[1]}"


class Peer:
    """A consumer by hand."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter):
        self.reader = reader
        self.writer = writer

    @classmethod
    async def connect(cls, tile: DxsTile, *, is_slow: bool = False) -> Peer:
        """is_slow: takes next to nothing that is not asked for with `record`."""
        own = socket.socket()
        if is_slow:
            own.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        own.setblocking(False)
        await asyncio.get_running_loop().sock_connect(own, ("127.0.0.1", tile.address[1]))
        peer = cls(*await asyncio.open_connection(sock=own, limit=1 if is_slow else 1 << 16))
        PEERS.append(peer)
        return peer

    async def ask(
        self, from_seq: int = 1, *, exchange_id: int = 0, name: str = "", last: Last = NOTHING,
        token: bytes | None = None,
    ) -> View:  # fmt: skip
        """The whole handshake; returns the answer."""
        challenge = await self.reader.readexactly(wire.CHALLENGE_SIZE)
        request = wire.replay_request(from_seq, exchange_id, name, last)
        self.writer.write(request + wire.proof(token, challenge, request))
        return await self.record()

    async def record(self) -> View:
        """The next record, sealed."""
        async with asyncio.timeout(5):
            return decode(await self.reader.readexactly(RECORD_SIZE))

    async def until_caught_up(self) -> tuple[bytes, int]:
        """(logged records, live_seq)."""
        data = bytearray()
        while True:
            async with asyncio.timeout(5):
                unit = await self.reader.readexactly(RECORD_SIZE)
            view = decode(unit)
            if view.record.name == "CAUGHT_UP":
                return bytes(data), int(view.live_seq)
            data += unit

    async def is_ended(self) -> bool:
        """Whether nothing comes any more, but the end."""
        try:
            async with asyncio.timeout(5):
                return await self.reader.read(1) == b""
        except ConnectionError:
            return True

    def close(self) -> None:
        self.writer.transport.abort()


@contextlib.asynccontextmanager
async def a_server(*scripts: Callable[[int], bytes]) -> AsyncIterator[str]:
    """A server that answers its n-th connection with the n-th script, then with the last."""
    number = 0

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal number
        script = scripts[min(number, len(scripts) - 1)]
        number += 1
        with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError):
            writer.write(os.urandom(32))
            request = wire.read_request((await reader.readexactly(160))[:RECORD_SIZE])
            writer.write(script(request.from_seq))
            await writer.drain()
            await reader.read()
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    try:
        yield f"127.0.0.1:{server.sockets[0].getsockname()[1]}"
    finally:
        server.close()
        await asyncio.sleep(0.01)


def begun(from_seq: int, exchange_id: int = 7) -> bytes:
    return wire.control(REPLAY_BEGUN, from_seq=from_seq, exchange_id=exchange_id, oldest_seq=1,
                        durable_seq=9)  # fmt: skip
