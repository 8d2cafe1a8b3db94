"""The simulated disk: what a kill, a power cut and a lie leave (specs/sim.md section 2)."""

from __future__ import annotations

import errno
from pathlib import Path

import pytest

from rsx.core.disk import Disk
from rsx.sim.disk import SimDisk

FOLDER = Path("/data/wal")
FILE = FOLDER / "a"
SECTOR = 512
MILLION = 1_000_000


@pytest.fixture
def disk():
    disk = SimDisk(7)
    disk.make_folder(FOLDER)
    return disk


def make_durable(disk, data=b"x" * SECTOR, path=FILE):
    disk.write_file(path, data)
    disk.sync_path(FOLDER)


def append(disk, data, offset, path=FILE, *, sync=False):
    fd = disk.open_file(path, 1)
    disk.write_at(fd, data, offset)
    if sync:
        disk.sync_file(fd)
    disk.close_file(fd)


@pytest.mark.parametrize("kind", ["real", "simulated"])
def test_it_is_a_disk_like_the_real_one(tmp_path, kind):
    disk, folder = (SimDisk(1), Path("/d")) if kind == "simulated" else (Disk(), tmp_path / "d")
    disk.make_folder(folder)
    a, b = folder / "a", folder / "b"
    disk.write_file(a, b"hello")
    append(disk, b"J", 0, a)
    append(disk, b"end", 7, a)
    assert disk.read_file(a) == b"Jello\0\0end"
    assert disk.read_file(a, 2, 3) == b"llo"
    disk.move(a, b)
    assert disk.list(folder) == ["b"]
    fd = disk.open_file(b, 1)
    with pytest.raises(FileNotFoundError):
        disk.open_file(a, 1)
    assert disk.file_size(b) == 10
    disk.close_file(fd)
    disk.write_file(b, b"new")
    assert disk.read_file(b) == b"new"
    disk.remove(b)
    with pytest.raises(FileNotFoundError):
        disk.remove(b)
    assert disk.is_folder(folder) and disk.list(folder) == []
    with pytest.raises(OSError) as failed:
        disk.read_at(fd, 1, 0)
    assert failed.value.errno == errno.EBADF


def test_a_kill_leaves_the_cache_and_closes_descriptors(disk):
    make_durable(disk)
    fd = disk.open_file(FILE, 1)
    disk.write_at(fd, b"new", 0)
    disk.kill()

    assert disk.read_file(FILE)[:4] == b"newx"
    with pytest.raises(OSError, match="Bad file"):
        disk.sync_file(fd)


def test_a_power_cut_leaves_what_was_synced(disk):
    make_durable(disk)
    append(disk, b"y" * SECTOR, SECTOR, sync=True)
    append(disk, b"z" * SECTOR, 0)
    append(disk, b"z" * SECTOR, 2 * SECTOR)
    disk.cut_power(0, False)

    assert disk.read_file(FILE) == b"x" * SECTOR + b"y" * SECTOR


def test_a_power_cut_may_leave_any_part_of_what_was_not(disk):
    kept = set()
    for _ in range(60):
        make_durable(disk, bytes(4 * SECTOR))
        append(disk, b"abcd" * SECTOR, 0)
        disk.cut_power(MILLION // 2, False)
        data = disk.read_file(FILE)
        kept.add(tuple(data[at] != 0 for at in range(0, len(data), SECTOR)))
    assert len(kept) > 8
    assert (False, True, False, True) in kept


def test_a_torn_sector_is_half_old_half_new(disk):
    torn = 0
    for _ in range(40):
        make_durable(disk)
        append(disk, b"y" * SECTOR, 0)
        disk.cut_power(0, True)
        torn += len(set(disk.read_file(FILE))) == 2
    assert torn > 20


def test_names_are_durable_once_their_folder_is_synced(disk):
    disk.write_file(FILE, b"1")
    disk.cut_power(0, False)
    assert disk.list(FOLDER) == []

    make_durable(disk, b"1")
    disk.move(FILE, FOLDER / "b")
    disk.cut_power(0, False)
    assert disk.list(FOLDER) == ["a"]

    disk.move(FILE, FOLDER / "b")
    disk.cut_power(MILLION, False)
    assert disk.list(FOLDER) == ["b"]
    disk.remove(FOLDER / "b")
    disk.cut_power(0, False)
    assert disk.read_file(FOLDER / "b") == b"1"


def test_a_lying_sync_saves_nothing(disk):
    make_durable(disk)
    disk.lies = True
    append(disk, b"y", 0, sync=True)
    disk.cut_power(0, False)

    assert disk.read_file(FILE)[:1] == b"x"
    assert disk.lost == 1


def test_one_sector_of_a_sync_can_be_lost(disk):
    make_durable(disk, bytes(4 * SECTOR))
    disk.loses_at = disk.syncs + 1
    append(disk, b"abcd" * SECTOR, 0, sync=True)
    assert b"\0" not in disk.read_file(FILE)
    disk.cut_power(0, False)

    assert disk.read_file(FILE).count(0) == SECTOR


@pytest.mark.parametrize("forgets", [False, True])
def test_after_a_failed_sync_the_next_one_may_have_nothing_to_do(disk, forgets):
    make_durable(disk)
    disk.forgets, disk.sync_fails_at = forgets, disk.syncs + 1
    with pytest.raises(OSError) as failed:
        append(disk, b"y", 0, sync=True)
    assert failed.value.errno == errno.EIO
    disk.kill()
    disk.sync_path(FILE)
    disk.cut_power(0, False)

    assert disk.read_file(FILE)[:1] == (b"x" if forgets else b"y")


def test_a_full_disk_takes_what_fits_and_then_nothing(disk):
    make_durable(disk)
    disk.capacity = 2 * SECTOR
    with pytest.raises(OSError) as full:
        append(disk, b"y" * 2 * SECTOR, SECTOR)
    assert full.value.errno == errno.ENOSPC
    assert disk.file_size(FILE) == 2 * SECTOR and disk.free_bytes(FOLDER) == 0
    append(disk, b"z" * SECTOR, 0)
    with pytest.raises(OSError) as full:
        disk.write_file(FOLDER / "b", b"1")
    assert full.value.errno == errno.ENOSPC


def test_it_dies_in_the_middle_of_a_call(disk):
    sizes = set()
    for _ in range(40):
        make_durable(disk, b"x" * SECTOR)
        disk.dies_at = disk.calls + 1
        with pytest.raises(OSError):
            append(disk, b"y" * SECTOR, 0)
        assert disk.is_dead
        with pytest.raises(OSError):
            disk.read_file(FILE)
        disk.kill()
        sizes.add(disk.read_file(FILE).count(b"y"))
    assert 0 in sizes and len(sizes) > 5


def test_a_flipped_bit_shows_to_readers_and_on_the_medium(disk):
    make_durable(disk)
    disk.flip(FILE, 3, 0)
    assert disk.read_file(FILE)[3] == disk.durable_file(FILE)[3] == ord("x") ^ 1
    assert not disk.is_durable(FILE, b"xxxx", 0)
    assert disk.is_durable(FILE, b"xxxx", 4)
    assert not disk.is_durable(FOLDER / "b", b"x", 0)
