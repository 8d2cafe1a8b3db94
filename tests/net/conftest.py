from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from world import World


@pytest.fixture
def make_world(tmp_path: Path) -> Iterator[Callable[..., World]]:
    """make_world(markets..., name=..., wal={...}); every world is closed at the end."""
    worlds: list[World] = []

    def make(*markets: Any, name: str = "data", **sections: dict[str, Any]) -> World:
        worlds.append(World(tmp_path / name, *markets, **{"wal": {"flush_ms": 1}, **sections}))
        return worlds[-1]

    yield make
    for world in worlds:
        world.close()


@pytest.fixture
def world(make_world: Callable[..., World]) -> World:
    """A fresh one, with its opening records durable."""
    made = make_world()
    made.run()
    while made.wal.durable < made.wal.appended:
        made.step()
    return made
