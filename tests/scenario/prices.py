"""Prices as functions of time: each gives the index of every symbol at a step, None = no feed."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

from rsx.mark.bars import read_bars
from rsx.mark.index import Index, IndexRules, rounded

NS = 1_000_000_000
BARS = Path(
    os.environ.get("RSX_BTC_CSV", Path(__file__).parents[3] / "shared/data/btc_perp_1m.csv.gz")
)
MINUTE_NS = 60 * NS
Px = dict[int, int | None]


def bars(decimals: int, px_max: int, step_ns: int, limit: int) -> Iterator[Px]:
    """The file's prices, one every step_ns of its time."""
    file = read_bars(str(BARS), decimals, px_max)
    for step in range(min(limit, file.length_ns // step_ns)):
        yield {1: file.px_at(step * step_ns)}


def walk(start: int, steps: int, ppm: int, seed: int) -> Iterator[int]:
    """A bounded random walk."""
    import random

    rng, px = random.Random(seed), start
    for _ in range(steps):
        px = max(1, px + px * rng.randint(-ppm, ppm) // 1_000_000)
        yield px


def flash_crash(start: int, steps: int, drop_ppm: int, at: int, length: int) -> Iterator[Px]:
    """Quiet, then down by drop_ppm within `length` steps, and half of it back."""
    for step, px in enumerate(walk(start, steps, 500, 5)):
        into = min(max(step - at, 0), length)
        gone = drop_ppm * into // length
        if step > at + 2 * length:
            gone = drop_ppm // 2
        yield {1: px * (1_000_000 - gone) // 1_000_000}


def dead_feed(start: int, steps: int, first: int, last: int) -> Iterator[Px]:
    """Falls all the time; nothing comes from step `first` to step `last`."""
    for step, px in enumerate(walk(start, steps, 800, 6)):
        fallen = px * (1000 - 8 * step) // 1000
        yield {1: None if first <= step < last else max(1, fallen)}


def mad_source(start: int, steps: int, px_max: int, step_ns: int) -> Iterator[Px]:
    """Three feeds through the real index; from a third of the way on one of them is mad."""
    rules = IndexRules(fresh_ns=90 * NS, far_times=10, outlier_ppm=10_000, step_ppm_per_s=20_000,
                       min_sources=2)  # fmt: skip
    index = Index(rules, 3, px_max, start)
    now = NS
    mad = [1, start * 3, start // 3, -5, 0, px_max * 2, start * 9]
    for step, px in enumerate(walk(start, steps, 800, 7)):
        now += step_ns
        third = mad[step % len(mad)] if step > steps // 3 else px
        for feed, said in enumerate((px, px + 1, third)):
            index.take(feed, said, now, now)
        reading = index.read(now)
        yield {1: rounded(reading.fine) if reading.sources else None}


def together(start: int, steps: int, symbols: tuple[int, ...], drop_ppm: int) -> Iterator[Px]:
    """Several markets that fall together, at slightly different times."""
    paths = [flash_crash(start, steps, drop_ppm, 10 + 2 * n, 20) for n, _ in enumerate(symbols)]
    for rows in zip(*paths, strict=True):
        yield {symbol: row[1] for symbol, row in zip(symbols, rows, strict=True)}
