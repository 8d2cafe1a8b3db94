"""The logs of the corpus, unpacked: what is in them, and what their writer made of them."""

from __future__ import annotations

import gzip
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import msgspec
from world import make_config

from rsx.config import Config, SymbolConfig
from rsx.records import RECORD_SIZE
from rsx.wal.segments import segment_name

FOLDER = Path(__file__).resolve().parent


class OldLog:
    """One log of the corpus. about: see tests/corpus/make.py."""

    def __init__(self, version: int, name: str):
        self.name = f"v{version}/{name}"
        self.about: dict[str, Any] = msgspec.json.decode(self._read("json"))
        self.data = self._read("log")

    def _read(self, kind: str) -> bytes:
        return gzip.decompress((FOLDER / f"{self.name}.{kind}.gz").read_bytes())

    @property
    def records(self) -> int:
        return len(self.data) // RECORD_SIZE

    @property
    def markets(self) -> tuple[SymbolConfig, ...]:
        markets: list[SymbolConfig] = msgspec.convert(self.about["markets"], list[SymbolConfig])
        return tuple(markets)

    @property
    def config(self) -> Config:
        return make_config(*self.markets, **self.about["sections"])

    def unpack(self, folder: Path, size: int = 1 << 20) -> Path:
        """Its segment files in a wal folder, each of `size` bytes."""
        folder.mkdir(parents=True, exist_ok=True)
        firsts = [*self.about["segments"], self.records + 1]
        for first, following in pairwise(firsts):
            data = self.data[(first - 1) * RECORD_SIZE : (following - 1) * RECORD_SIZE]
            (folder / segment_name(first)).write_bytes(data.ljust(size, b"\0"))
        return folder


def old_logs(version: int) -> Iterator[OldLog]:
    for path in sorted((FOLDER / f"v{version}").glob("*.log.gz")):
        yield OldLog(version, path.name.removesuffix(".log.gz"))
