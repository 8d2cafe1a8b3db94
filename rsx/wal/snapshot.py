"""Snapshots of a State: written, listed, loaded. Interface and rules: specs/snapshots.md.

writer = SnapshotWriter(state, folder)      the state must stand still
while not writer.step(256 << 10): ...
state = load_snapshot(list_snapshots(folder)[-1].path, config)
"""

from __future__ import annotations

from pathlib import Path

from rsx.core.disk import Disk
from rsx.wal.snapshot_files import (
    Snapshot,
    SnapshotDamaged,
    SnapshotHead,
    SnapshotRefused,
    list_snapshots,
    remove_leftovers,
    snapshot_head,
    snapshot_name,
)
from rsx.wal.snapshot_load import load_snapshot
from rsx.wal.snapshot_writer import SnapshotWriter
from rsx.wal.state import State

__all__ = [
    "Snapshot",
    "SnapshotDamaged",
    "SnapshotHead",
    "SnapshotRefused",
    "SnapshotWriter",
    "list_snapshots",
    "load_snapshot",
    "remove_leftovers",
    "snapshot_head",
    "snapshot_name",
    "write_snapshot",
]

STEP_BYTES = 1 << 20


def write_snapshot(state: State, folder: str | Path, disk: Disk | None = None) -> Path:
    """Write a snapshot to its end; returns its path. Raises OSError, SnapshotRefused."""
    writer = SnapshotWriter(state, folder, disk)
    while not writer.step(STEP_BYTES):
        pass
    return Path(writer.path)
