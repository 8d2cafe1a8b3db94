"""An exchange stepped by hand, its archive and its port on one loop: for tests of histories."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
import orjson
from world import World, make_market

from rsx.edge import auth

SECRET = b"s" * 32
OPTIONS = {"batch_records": 1024, "batch_ms": 10, "checkpoint_s": 1}


def make_world(folder: Path, **sections: Any) -> World:
    """Two markets, archive on, a free port."""
    return World(
        folder, make_market(1), make_market(2), server={"port": 0},
        **{"archive": OPTIONS, **sections},
    )  # fmt: skip


class Rig:
    """Args  world: as of make_world; http: a session of the test's."""

    def __init__(self, world: World, http: aiohttp.ClientSession):
        self.world = world
        self.http = http
        self.tile: Any = world.tiles.archive
        self.edge = world.tiles.gateway.edge
        self.url = ""

    async def caught_up(self) -> None:
        for _ in range(1000):
            if self.tile.reader.is_open and self.tile.written == self.world.wal.durable:
                return
            await asyncio.sleep(0.005)
        raise AssertionError(f"the archive stands at {self.tile.written}: {self.tile.trouble}")

    def token(self, user: int) -> dict[str, str]:
        # Tokens are held against the world's clock.
        now_s = self.world.clock.now_ns() // 1_000_000_000
        return {"Authorization": f"Bearer {auth.mint(SECRET, user, 3600, now_s=now_s)}"}

    async def get(self, path: str, user: int = 0, **params: Any) -> tuple[int, Any]:
        headers = self.token(user) if user else {}
        async with self.http.get(self.url + path, params=params, headers=headers) as response:
            return response.status, orjson.loads(await response.read())

    async def rows(self, what: str, user: int = 0, **params: Any) -> list[Any]:
        status, body = await self.get(f"/v1/history/{what}", user, **params)
        assert status == 200, body
        found: list[Any] = body[what]
        return found


@asynccontextmanager
async def running(world: World) -> AsyncIterator[Rig]:
    async with aiohttp.ClientSession() as http:
        rig = Rig(world, http)
        if rig.tile is not None:
            rig.tile.loop = asyncio.get_running_loop()
            await rig.tile.on_start()
        await rig.edge.serve()
        rig.url = f"http://127.0.0.1:{rig.edge.address[1]}"
        try:
            if rig.tile is not None:
                await rig.caught_up()
            yield rig
        finally:
            await rig.edge.close()
            if rig.tile is not None:
                await rig.tile.on_close()
