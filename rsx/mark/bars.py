"""Prices of a file of bars, replayed at any speed. Source: specs/mark.md section 3.

quarter of a bar    1      2      3      4
close >= open       open   low    high   close
close <  open       open   high   low    close
"""

from __future__ import annotations

import csv
import gzip
import zlib
from array import array
from bisect import bisect_right
from collections.abc import Iterable, Iterator
from itertools import pairwise
from typing import Any

from rsx.errors import ConfigError
from rsx.mark.index import FINE_BITS, NS, Reading
from rsx.mark.text import to_ns, to_px

FIELDS = ("timestamp", "open", "high", "low", "close", "volume")
BAR_NS = 60 * NS  # of a file with one bar
PARTS = 4

Row = tuple[int, int, int, int, int]  # start_ns, open, high, low, close


class Bars:
    """All bars of one file: when each begins, in ns of the file's time, and its four prices.

    Args    rows: rising, at least one
    """

    def __init__(self, rows: Iterable[Row]):
        self._starts = array("q")
        self._prices = array("q")
        for start_ns, first, high, low, last in rows:
            self._starts.append(start_ns)
            extremes = (low, high) if last >= first else (high, low)
            self._prices.extend((first, *extremes, last))
        gaps = (later - sooner for sooner, later in pairwise(self._starts))
        self.bar_ns = min(gaps, default=BAR_NS)

    def __len__(self) -> int:
        return len(self._starts)

    @property
    def first_ns(self) -> int:
        """When the first bar begins, in the file's time."""
        return self._starts[0]

    @property
    def length_ns(self) -> int:
        """From the first bar's begin to the last one's end."""
        return self._starts[-1] - self._starts[0] + self.bar_ns

    def at(self, offset_ns: int) -> tuple[int, int]:
        """(px, how long it has been no news) at a time since the first bar's begin (MK-21, 22).

        Returns  the second: 0 within a bar, beyond its end the time since then, in file time
        """
        time_ns = self._starts[0] + max(offset_ns, 0)
        bar = bisect_right(self._starts, time_ns) - 1
        into = time_ns - self._starts[bar]
        part = min(into * PARTS // self.bar_ns, PARTS - 1)
        return self._prices[bar * PARTS + part], max(into - self.bar_ns, 0)

    def px_at(self, offset_ns: int) -> int:
        """The price at a time since the first bar's begin."""
        return self.at(offset_ns)[0]


class Replay:
    """Bars as the source of one symbol.

    Args    speed: file time by clock time; start_ns: the clock's time of the first bar, None =
            the first read
    """

    def __init__(self, bars: Bars, speed: int, fresh_ns: int, start_ns: int | None = None):
        self._bars = bars
        self._speed = speed
        self._fresh_ns = fresh_ns
        self._start_ns = start_ns

    def read(self, now_ns: int) -> Reading:
        if self._start_ns is None:
            self._start_ns = now_ns
        px, past_ns = self._bars.at((now_ns - self._start_ns) * self._speed)
        age_ns = past_ns // self._speed
        is_fresh = age_ns < self._fresh_ns
        return Reading(px << FINE_BITS, now_ns - age_ns, int(is_fresh))


def read_bars(path: str, decimals: int, px_max: int) -> Bars:
    """Read a file, plain or .gz.

    Args    decimals, px_max: of the symbol
    Raises  ConfigError with file, line, field and value where it is not as MK-20 says
    """
    try:
        with (gzip.open if path.endswith(".gz") else open)(path, "rt", encoding="utf-8") as file:
            return Bars(list(_rows(path, file, decimals, px_max)))
    except (OSError, EOFError, zlib.error, UnicodeDecodeError, csv.Error) as error:
        raise ConfigError(f"cannot read {path}: {error}") from None


def _rows(path: str, file: Any, decimals: int, px_max: int) -> Iterator[Row]:
    reader = csv.reader(file)
    head = next(reader, [])
    if tuple(head) != FIELDS:
        found = ",".join(head)[:80]
        raise ConfigError(f"{path}, line 1: {found!r} where {','.join(FIELDS)} is due")
    before_ns = None
    for cells in reader:
        at = f"{path}, line {reader.line_num}"
        if len(cells) != len(FIELDS):
            raise ConfigError(f"{at}: {len(cells)} fields where {len(FIELDS)} are due")
        start_ns = _time(at, cells[0], before_ns)
        yield start_ns, *_prices(at, cells, decimals, px_max)
        before_ns = start_ns
    if before_ns is None:
        raise ConfigError(f"{path}, line 2: there is no bar")


def _time(at: str, text: str, before_ns: int | None) -> int:
    try:
        start_ns = to_ns(text)
    except ValueError:
        raise ConfigError(f"{at}, timestamp = {text[:64]!r}: no time") from None
    if before_ns is not None and start_ns <= before_ns:
        raise ConfigError(f"{at}, timestamp = {text!r}: not after the one before")
    return start_ns


def _prices(at: str, cells: list[str], decimals: int, px_max: int) -> tuple[int, int, int, int]:
    values = []
    for name, text in zip(FIELDS[1:], cells[1:], strict=True):
        try:
            values.append(to_px(text, decimals))
        except ValueError as error:
            raise ConfigError(f"{at}, {name} = {text[:64]!r}: {error}") from None
    first, high, low, last, volume = values
    for name, text, px in zip(FIELDS[1:5], cells[1:5], values[:4], strict=True):
        if not 0 < px <= px_max:
            raise ConfigError(f"{at}, {name} = {text!r}: not positive, or above max_price")
        if not low <= px <= high:
            raise ConfigError(f"{at}, {name} = {text!r}: not between low and high")
    if volume < 0 or cells[5].startswith("-"):
        raise ConfigError(f"{at}, volume = {cells[5]!r}: is negative")
    return first, high, low, last
