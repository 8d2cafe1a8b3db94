"""Makes small logs, each with what the program that wrote it has of its state.

PYTHONPATH=.:tests python -m corpus.make FOLDER    by the last program of a record version, once

NAME.log.gz    the records, back to back
NAME.json.gz   numbers that segments begin with, counts by type, configuration, state (plain.py)
layout.json    name, type and place of every field of every logged record
"""

from __future__ import annotations

import gzip
import sys
import tempfile
from collections import Counter
from pathlib import Path
from typing import Any

import msgspec
from corpus.plain import plain
from scenario import prices
from scenario.chaos import Chaos
from scenario.crowd import Crowd, Depth
from scenario.test_crash import START, UNIT, make_venue
from wal.test_recovery_of_requests import (
    USERS,
    all_the_rest,
    amendment_that_ends,
    amendments,
    triggers,
)
from world import World, make_market

from rsx.records import BY_TYPE, VERSION, iterate
from rsx.wal.segments import list_segments

SIZES = {"accounts_max": 1024, "positions_max": 4096}


def store(out: Path, name: str, world: World, **sections: dict[str, Any]) -> None:
    log = world.log()
    counts = Counter(view.record.name for view in iterate(log))
    about = {
        "version": VERSION, "segments": [s.first for s in list_segments(world.folder)],
        "counts": counts, "sections": sections,
        "markets": [msgspec.to_builtins(market) for market in world.config.symbols],
        "state": plain(world.fold()),
    }  # fmt: skip
    for suffix, data in ((".log.gz", log), (".json.gz", msgspec.json.encode(about))):
        (out / (name + suffix)).write_bytes(gzip.compress(data, 9, mtime=0))
    print(f"{name}: {sum(counts.values())} records of {len(counts)} types")


def requests(out: Path, folder: Path) -> None:
    """Every way an order, a trigger, an amendment can go; two starts in between."""
    sections = {"mark": {"source": "last"}}
    world = World(folder, make_market(1), **sections)
    world.deposit(*USERS)
    world.run()
    for part in (amendments, amendment_that_ends, triggers, all_the_rest):
        part(world)
        world.restart()
        world.run()
    store(out, "requests", world, **sections)


def chaos(out: Path, folder: Path, seed: int, bold: int, shards: int, acts: int) -> None:
    """Orders, money, settings, funding and liquidations of three markets, hedge legs too."""
    risk = {"risk": {**SIZES, "shards": shards}}
    world = Chaos(folder, seed, bold, **risk)
    for number in range(acts):
        world.act()
        if number in (acts // 3, acts // 2):
            world.restart()
    store(out, f"chaos-{shards}", world, **risk, mark={"source": "synthetic", "stale_ms": 90_000})


def takeovers(out: Path, folder: Path) -> None:
    """A thin book: insurance funds take over, then counterparties."""
    world = make_venue(
        folder, insurance_seed=200_000, liquidation_rounds=3, insurance_loss_max=100_000
    )
    crowd = Crowd(world, 24, UNIT, seed=5)
    for step, row in enumerate(prices.flash_crash(START, 30, 300_000, 12, 6)):
        crowd.depth = Depth() if step < 12 else Depth(levels=1, apart_ppm=60_000, size=1)
        px = {symbol: value for symbol, value in row.items() if value is not None}
        for symbol, value in px.items():
            world.quote(value, symbol)
            crowd.requote(value, symbol)
        world.settle()
        crowd.act(px, 0.4)
        world.settle(2000)
        world.clock.advance(3_000_000_000)
        if step == 15:
            world.restart()
    store(out, "takeovers", world, risk={"accounts_max": 2048, "positions_max": 8192},
          mark={"source": "synthetic", "stale_ms": 90_000})  # fmt: skip


def segments(out: Path, folder: Path) -> None:
    """Three files, the last one begun by a start; rules of a market that change."""
    world = World(folder, make_market(1), make_market(2), wal={"segment_mib": 1})
    world.deposit(1, 2)
    world.run()
    while world.wal.appended < 2 * 8192 - 3:
        for _ in range(min(900, 2 * 8192 - 3 - world.wal.appended)):
            world.cancel(1, 1)
        world.run()
    world.place(1, 1, 1000, 100, cid="over-files")
    world.run()
    dearer = (make_market(1, version=3, taker_fee_ppm=600), make_market(2))
    world.config = msgspec.structs.replace(world.config, symbols=dearer)
    world.restart()
    world.place(2, 0, 1000, 50)
    world.run()
    store(out, "segments", world, wal={"segment_mib": 1})


def main() -> None:
    out = Path(sys.argv[1])
    out.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as folder:
        at = Path(folder)
        requests(out, at / "requests")
        chaos(out, at / "one", 1, 6, 1, 900)
        chaos(out, at / "three", 8, 25, 3, 900)
        takeovers(out, at / "takeovers")
        segments(out, at / "segments")
    logged = [record for record in BY_TYPE.values() if record.kind.value == "logged"]
    layout = {r.name: [[f.name, f.type, r.offsets[f.name]] for f in r.fields] for r in logged}
    (out / "layout.json").write_bytes(msgspec.json.encode(layout))
    names = {record.name for record in logged}
    seen = {
        name
        for path in out.glob("*.json.gz")
        for name in msgspec.json.decode(gzip.decompress(path.read_bytes()))["counts"]
    }
    print("types that are in none:", ", ".join(sorted(names - seen)) or "-")


if __name__ == "__main__":
    main()
