"""Files of log and snapshots go through Disk: specs/wal.md L-5."""

from __future__ import annotations

import errno
from pathlib import Path

import pytest

from rsx.core.disk import Disk, FaultDisk


@pytest.fixture(params=[Disk, FaultDisk])
def disk(request: pytest.FixtureRequest) -> Disk:
    kind: type[Disk] = request.param
    return kind()


def test_what_is_written_is_read(disk: Disk, tmp_path: Path) -> None:
    path = tmp_path / "a"
    disk.write_file(path, b"0123456789")
    assert disk.read_file(path) == path.read_bytes() == b"0123456789"
    assert disk.read_file(path, 4) == b"456789"
    assert disk.read_file(path, 4, 3) == b"456"
    assert disk.read_file(path, 8, 30) == b"89"
    assert disk.read_file(path, 30) == b""
    assert disk.file_size(path) == 10


def test_a_file_is_changed_in_place_and_a_gap_is_zero(disk: Disk, tmp_path: Path) -> None:
    fd = disk.open_file(tmp_path / "a", 3)
    disk.write_at(fd, b"abc", 0)
    disk.write_at(fd, b"z", 5)
    disk.sync_file(fd)
    assert disk.read_at(fd, 10, 1) == b"bc\0\0z"
    disk.close_file(fd)
    fd = disk.open_file(tmp_path / "a", 1)
    disk.write_at(fd, b"", 0)
    disk.write_at(fd, b"A", 0)
    disk.close_file(fd)
    assert (tmp_path / "a").read_bytes() == b"Abc\0\0z"


def test_names(disk: Disk, tmp_path: Path) -> None:
    disk.make_folder(tmp_path / "x" / "y")
    disk.make_folder(tmp_path / "x" / "y")
    folder = tmp_path / "x"
    disk.write_file(folder / "b", b"b")
    disk.write_file(folder / "a", b"a")
    assert disk.list(folder) == ["a", "b", "y"]
    disk.move(folder / "b", folder / "a")
    assert disk.list(folder) == ["a", "y"] and disk.read_file(folder / "a") == b"b"
    disk.sync_path(folder)
    disk.sync_path(folder / "a")
    disk.remove(folder / "a")
    assert disk.list(folder) == ["y"]
    assert disk.free_bytes(folder) > 0


def test_what_fails_names_the_file(disk: Disk, tmp_path: Path) -> None:
    path = tmp_path / "none"
    for call in (disk.read_file, disk.file_size, disk.remove, disk.sync_path):
        with pytest.raises(FileNotFoundError, match="none"):
            call(path)
    with pytest.raises(FileNotFoundError, match="none"):
        disk.move(path, tmp_path / "b")
    with pytest.raises(IsADirectoryError):
        disk.open_file(tmp_path, 3)
    with pytest.raises(OSError, match="Bad file descriptor"):
        disk.sync_file(9999)


def test_the_planned_call_fails_and_no_other(tmp_path: Path) -> None:
    disk = FaultDisk()
    disk.fail("write", 2, errno.ENOSPC)
    disk.write_file(tmp_path / "a", b"1")
    with pytest.raises(OSError, match="No space left") as failed:
        disk.write_file(tmp_path / "b", b"2")
    assert failed.value.filename == str(tmp_path / "b") and failed.value.errno == errno.ENOSPC
    disk.write_file(tmp_path / "c", b"3")
    assert disk.faults == 1
    assert disk.calls() == {
        "open": 3, "close": 3, "read": 0, "write": 3, "sync": 2, "resize": 0, "size": 0,
        "rename": 0, "unlink": 0, "sync_folder": 0,
    }  # fmt: skip


@pytest.mark.parametrize("call", ["open", "sync", "rename", "unlink", "sync_folder"])
def test_every_kind_of_call_can_fail(tmp_path: Path, call: str) -> None:
    disk = FaultDisk()

    def script() -> None:
        disk.write_file(tmp_path / "a", b"1")
        disk.move(tmp_path / "a", tmp_path / "b")
        disk.sync_path(tmp_path)
        disk.remove(tmp_path / "b")

    disk.fail(call)
    with pytest.raises(OSError, match="Input/output error"):
        script()
    disk.heal()
    script()


def test_a_write_that_comes_back_short_is_gone_on_with(tmp_path: Path) -> None:
    disk = FaultDisk()
    disk.fail("write", size=3, times=2)
    disk.write_file(tmp_path / "a", b"0123456789")
    assert (tmp_path / "a").read_bytes() == b"0123456789"
    assert disk.calls()["write"] == 3


def test_a_disk_that_takes_nothing_more_is_full(tmp_path: Path) -> None:
    disk = FaultDisk()
    disk.fail("write", size=0)
    with pytest.raises(OSError, match="No space left"):
        disk.write_file(tmp_path / "a", b"0123456789")
