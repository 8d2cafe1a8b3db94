"""Keeps a snapshot of each log of the corpus, written by the last program of a form of snapshots.

PYTHONPATH=.:tests python -m corpus.make_snapshots    once for each form

FORM-NAME.snap.gz   the state after the last record of that log
"""

from __future__ import annotations

import gzip
import tempfile
from pathlib import Path

from corpus.logs import FOLDER, OldLog, old_logs

from rsx.rows import FORM
from rsx.wal.reader import LogReader
from rsx.wal.snapshot import write_snapshot
from rsx.wal.state import State

SNAPSHOTS = FOLDER / "snapshots"


def fold(old: OldLog, folder: Path) -> State:
    state = State(old.config)
    for chunk in LogReader(old.unpack(folder / "wal")).chunks():
        state.apply(chunk)
    return state


def main() -> None:
    SNAPSHOTS.mkdir(exist_ok=True)
    for old in old_logs(3):
        with tempfile.TemporaryDirectory() as name:
            data = write_snapshot(fold(old, Path(name)), name).read_bytes()
        file = SNAPSHOTS / f"{FORM}-{Path(old.name).name}.snap.gz"
        file.write_bytes(gzip.compress(data, mtime=0))
        print(file, len(data))


if __name__ == "__main__":
    main()
