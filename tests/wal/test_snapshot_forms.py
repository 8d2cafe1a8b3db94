"""Snapshots of every form that was ever written are read, and say what they said (SN-34).

A change of what is written, without another form, fails here.
"""

from __future__ import annotations

import gzip
from pathlib import Path

import pytest
from corpus.logs import old_logs
from corpus.make_snapshots import SNAPSHOTS, fold
from corpus.plain import differences, plain

from rsx.rows import FORM, READABLE
from rsx.wal.snapshot import load_snapshot, snapshot_head, write_snapshot

LOGS = {Path(old.name).name: old for old in old_logs(3)}
KEPT = sorted(SNAPSHOTS.glob("*.snap.gz"))


def test_every_form_that_is_read_is_kept():
    assert {int(path.name.partition("-")[0]) for path in KEPT} == set(READABLE)


@pytest.mark.parametrize("kept", KEPT, ids=lambda path: path.name)
def test_a_kept_snapshot_is_the_state_that_its_log_folds_to(kept, tmp_path):
    form, name = kept.name.removesuffix(".snap.gz").split("-", 1)
    old, path = LOGS[name], tmp_path / "kept.snap"
    data = gzip.decompress(kept.read_bytes())
    path.write_bytes(data)
    state = load_snapshot(path, old.config)
    state.audit()
    assert snapshot_head(path).form == int(form)
    about = {key: value for key, value in old.about["state"].items() if key != "cuts"}
    assert differences(about, plain(state)) == []
    if int(form) == FORM:
        assert write_snapshot(state, tmp_path / "a").read_bytes() == data
        assert write_snapshot(fold(old, tmp_path), tmp_path / "b").read_bytes() == data
