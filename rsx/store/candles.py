"""Candles: those of a second, or of a minute of marks, added up to the longer intervals.

Source: specs/archive.md AR-25.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

INTERVALS = (1, 60, 300, 900, 3600, 14_400, 86_400)
INTERVAL_NAMES = {"1s": 1, "1m": 60, "5m": 300, "15m": 900, "1h": 3600, "4h": 14_400, "1d": 86_400}
TRADES, MARKS = 0, 1
SOURCES = {"trade": TRADES, "mark": MARKS}
QUOTE_BASE = 10**12
# Of a row without its key: what the columns behind start_s are.
OPEN, HIGH, LOW, CLOSE, VOLUME, QUOTE, COUNT, BUY_VOLUME, BUY_QUOTE = range(9)


def rows_of(
    seconds: Iterable[tuple[int, Sequence[int]]], marks: dict[tuple[int, int], list[int]]
) -> list[tuple[int, ...]]:
    """Rows of the table `candles` for what a batch has.

    Args  seconds: (symbol id, row of Market.take_candle) in the order of the log;
          marks: {(symbol id, minute): [open, high, low, close, marks]}
    """
    found: dict[tuple[int, int, int, int], list[int]] = {}
    for symbol_id, row in seconds:
        second, opened, high, low, close, volume, q_high, q_low, count, buy, b_high, b_low = row
        values = [opened, high, low, close, volume, q_high * QUOTE_BASE + q_low, count, buy,
                  b_high * QUOTE_BASE + b_low]  # fmt: skip
        for interval in INTERVALS:
            _add(found, (symbol_id, TRADES, interval, second - second % interval), values)
    for (symbol_id, minute), (opened, high, low, close, count) in marks.items():
        values = [opened, high, low, close, 0, 0, count, 0, 0]
        for interval in INTERVALS[1:]:
            _add(found, (symbol_id, MARKS, interval, minute - minute % interval), values)
    return list(_stored(found))


def _add(
    found: dict[tuple[int, int, int, int], list[int]], key: tuple[int, int, int, int],
    values: list[int],
) -> None:  # fmt: skip
    row = found.get(key)
    if row is None:
        found[key] = list(values)
        return
    row[HIGH] = max(row[HIGH], values[HIGH])
    row[LOW] = min(row[LOW], values[LOW])
    row[CLOSE] = values[CLOSE]
    for at in (VOLUME, QUOTE, COUNT, BUY_VOLUME, BUY_QUOTE):
        row[at] += values[at]


def _stored(found: dict[tuple[int, int, int, int], list[int]]) -> Iterator[tuple[int, ...]]:
    """Quote volumes as high and low parts: they outgrow 64 bits."""
    for key, (opened, high, low, close, volume, quote, count, buy, buy_quote) in found.items():
        yield (*key, opened, high, low, close, volume, *divmod(quote, QUOTE_BASE), count, buy,
               *divmod(buy_quote, QUOTE_BASE))  # fmt: skip


Candle = tuple[int, int, int, int, int, int, int, int, int, int]
# start_s, open, high, low, close, volume, quote, trades, buy volume, buy quote


def from_row(row: Sequence[int]) -> Candle:
    """A candle from the columns behind interval_s."""
    start, opened, high, low, close, volume, q_high, q_low, count, buy, b_high, b_low = row
    return (start, opened, high, low, close, volume, q_high * QUOTE_BASE + q_low, count, buy,
            b_high * QUOTE_BASE + b_low)  # fmt: skip


def filled(
    candles: Iterable[Candle], interval: int, first_s: int, last_s: int, close: int | None
) -> Iterator[Candle]:
    """Ascending candles with those of gaps between, from first_s to last_s, both included.

    Args  close: of the candle before first_s; None = there is none, so nothing comes before the
          first of `candles`
    """
    due = first_s
    for candle in candles:
        if close is not None:
            for start in range(due, candle[0], interval):
                yield (start, close, close, close, close, 0, 0, 0, 0, 0)
        yield candle
        close, due = candle[4], candle[0] + interval
    if close is not None:
        for start in range(due, last_s + 1, interval):
            yield (start, close, close, close, close, 0, 0, 0, 0, 0)
