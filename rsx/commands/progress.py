"""Tells on stderr how far reading the log is, once that has taken a second (specs/wal.md L-23)."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from typing import TextIO

QUIET_S = 1.0  # a start that is faster says nothing
LINE_S = 0.2  # between two states of the line of a terminal
LOG_S = 5.0  # between two lines elsewhere


class LogProgress:
    """Called with (records read, slots in all); with the same number twice at the end."""

    def __init__(
        self, out: TextIO | None = None, now: Callable[[], float] = time.monotonic
    ):  # fmt: skip
        self.out = sys.stderr if out is None else out
        self.now = now
        self.is_terminal = self.out.isatty()
        self.began = self.shown = now()
        self.is_open = False  # the terminal's line waits for its end

    def __call__(self, done: int, slots: int) -> None:
        now = self.now()
        is_last = done >= slots
        if now - self.began < QUIET_S:
            return
        if is_last and not self.is_terminal and self.shown == self.began:
            return
        if not is_last and now - self.shown < (LINE_S if self.is_terminal else LOG_S):
            return
        self.shown = now
        text = describe(done, slots, now - self.began)
        if not self.is_terminal:
            print(text, file=self.out, flush=True)
            return
        self.is_open = not is_last
        # To the end of the line: what was there may have been longer.
        print(f"\r{text}\x1b[K", end="\n" if is_last else "", file=self.out, flush=True)


def describe(done: int, slots: int, seconds: float) -> str:
    """ "reading the log: 43 %, 5,120,000 records/s, 0:12 left" """
    rate = done / seconds if seconds > 0 else 0.0
    text = f"reading the log: {100 * done // max(slots, 1)} %, {rate:,.0f} records/s"
    if done >= slots:
        return f"{text}, {done:,} records in {seconds:.1f} s"
    left = round((slots - done) / rate) if rate else 0
    return f"{text}, {left // 60}:{left % 60:02} left"
