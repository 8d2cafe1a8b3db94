from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from world import World


@pytest.fixture
def make_world(tmp_path: Path) -> Iterator[Callable[..., World]]:
    """make_world(markets..., rings={...}, wal={...}); every world is closed at the end."""
    worlds: list[World] = []

    def make(*markets: Any, name: str = "data", **sections: dict[str, Any]) -> World:
        worlds.append(World(tmp_path / name, *markets, **sections))
        return worlds[-1]

    yield make
    for world in worlds:
        world.close()


@pytest.fixture
def world(make_world: Callable[..., World]) -> World:
    return make_world()
