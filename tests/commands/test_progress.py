"""The line that says how far reading the log is: specs/wal.md L-23."""

from __future__ import annotations

import io
from pathlib import Path

import pytest
from world import World

from rsx.commands.progress import LogProgress
from rsx.core.clock import Clock
from rsx.wal.start import recover


class Screen(io.StringIO):
    def __init__(self, is_terminal: bool):
        super().__init__()
        self.is_terminal = is_terminal

    def isatty(self) -> bool:
        return self.is_terminal


def show(is_terminal: bool, *calls: tuple[float, int, int]) -> str:
    """What is printed when it is told (second, records, slots)."""
    now = [0.0]
    screen = Screen(is_terminal)
    progress = LogProgress(screen, lambda: now[0])
    for second, done, slots in calls:
        now[0] = second
        progress(done, slots)
    return screen.getvalue()


@pytest.mark.parametrize("is_terminal", [False, True])
def test_a_start_within_a_second_says_nothing(is_terminal: bool) -> None:
    assert show(is_terminal, (0.1, 10, 100), (0.9, 90, 100), (0.99, 100, 100)) == ""


def test_a_terminal_has_one_line_that_is_written_anew() -> None:
    out = show(True, (1.0, 4_000_000, 10_000_000), (1.1, 1, 2), (2.0, 5_000_000, 10_000_000),
               (2.5, 9_000_000, 9_000_000))  # fmt: skip
    assert out.split("\r") == [
        "",
        "reading the log: 40 %, 4,000,000 records/s, 0:02 left\x1b[K",
        "reading the log: 50 %, 2,500,000 records/s, 0:02 left\x1b[K",
        "reading the log: 100 %, 3,600,000 records/s, 9,000,000 records in 2.5 s\x1b[K\n",
    ]


def test_elsewhere_a_line_comes_every_five_seconds() -> None:
    calls = [(float(second), second * 1000, 100_000) for second in range(1, 13)]
    lines = show(False, *calls, (12.5, 12_500, 12_500)).splitlines()
    assert lines == [
        "reading the log: 5 %, 1,000 records/s, 1:35 left",
        "reading the log: 10 %, 1,000 records/s, 1:30 left",
        "reading the log: 100 %, 1,000 records/s, 12,500 records in 12.5 s",
    ]
    assert show(False, (1.5, 1, 2), (3.0, 2, 2)) == ""


def test_a_start_tells_how_far_it_is_and_that_it_is_there(tmp_path: Path) -> None:
    world = World(tmp_path / "data")
    world.deposit(*range(1, 100))
    world.run()
    world.close()
    told: list[tuple[int, int]] = []
    recovered = recover(
        world.config, world.folder, Clock.manual(1), lambda *numbers: told.append(numbers)
    )
    records = recovered.state.next_seq - 1
    assert told[-1] == (records, records)
    assert told[0] == (records, 8192)
