"""What cannot be used is refused, with file, offset and reason.

SN-4, SN-30 to SN-33; BOOK-81, SNP-06.
"""

from __future__ import annotations

import random
import re
from pathlib import Path
from typing import Any

import msgspec
import pytest
from wal.life import SECTIONS, Life, live, markets
from world import World, make_config, make_market

from rsx.config import Config
from rsx.core.crc import record_crc
from rsx.rows import BY_TYPE, END, ROW_SIZE
from rsx.wal.snapshot import (
    SnapshotDamaged,
    SnapshotRefused,
    load_snapshot,
    snapshot_head,
    write_snapshot,
)
from rsx.wal.state import State

TAIL = BY_TYPE[END.type]


class Good:
    """A good snapshot, small, with a row of every kind."""

    def __init__(self, folder: Path):
        world, life = World(folder, *markets(), **SECTIONS), Life(7)
        life.begin(world)
        live(world, life, 150)
        log = world.log()
        world.close()
        self.config = world.config
        for cut in range(100, len(log) // ROW_SIZE):
            state = State(self.config)
            state.apply(log[: cut * ROW_SIZE])
            path = write_snapshot(state, folder)
            self.data = path.read_bytes()
            if {"TAKER", "ORDER", "TRIGGER", "CLIENT_ID"} <= set(self.names()):
                break
        self.state, self.path = state, path

    def units(self) -> list[bytes]:
        return [self.data[at : at + ROW_SIZE] for at in range(0, len(self.data), ROW_SIZE)]

    def names(self) -> list[str]:
        """Of rows; "" for records."""
        types = [int.from_bytes(unit[2:4], "little") for unit in self.units()]
        return [BY_TYPE[kind].name if kind in BY_TYPE else "" for kind in types]

    def at(self, name: str) -> int:
        return self.names().index(name)


@pytest.fixture(scope="module")
def good(tmp_path_factory: pytest.TempPathFactory) -> Good:
    return Good(tmp_path_factory.mktemp("good"))


def mix(state: int, value: int) -> int:
    state = (state ^ value) * 0x9E3779B97F4A7C15 % (1 << 64)
    return state ^ (state >> 29)


def sealed(units: list[bytes]) -> bytes:
    """Numbered and sealed anew, END with the checksum that is due: only what they say is wrong."""
    out, checksum = [], 0
    for number, unit in enumerate(units):
        row = bytearray(unit)
        kind = int.from_bytes(row[2:4], "little")
        if kind in BY_TYPE:
            row[12:16] = number.to_bytes(4, "little")
        if kind == END.type:
            row[16:24] = (number + 1).to_bytes(8, "little")
            row[32:40] = checksum.to_bytes(8, "little")
        row[8:12] = int(record_crc(row)).to_bytes(4, "little")
        checksum = mix(checksum, int.from_bytes(row[8:12], "little"))
        out.append(bytes(row))
    return b"".join(out)


def refusal(data: bytes, config: Config, folder: Path, **more: Any) -> SnapshotRefused:
    path = folder / "00000000000000000009.snap"
    path.write_bytes(data)
    with pytest.raises(SnapshotRefused) as caught:
        load_snapshot(path, config, **more)
    assert caught.value.path == path
    assert str(caught.value) == f"{path} offset {caught.value.offset}: {caught.value.reason}"
    return caught.value


def test_it_has_a_row_of_every_kind(good, tmp_path):
    assert {row.name for row in BY_TYPE.values()} - {"CUT"} <= set(good.names())
    path = tmp_path / "good"
    path.write_bytes(sealed(good.units()))
    assert path.read_bytes() == good.data
    assert load_snapshot(path, good.config).state_hash() == good.state.state_hash()


def test_every_flipped_bit_is_found_where_it_is(good, tmp_path):
    """A bit of each byte of a unit of every kind, and some anywhere."""
    rng, names = random.Random(1), good.names()
    firsts = [ROW_SIZE * names.index(name) for name in sorted(set(names))]
    places = [first + byte for first in firsts for byte in range(ROW_SIZE)]
    for at in [*places, *rng.sample(range(len(good.data)), 300)]:
        data = bytearray(good.data)
        data[at] ^= 1 << rng.randrange(8)
        error = refusal(bytes(data), good.config, tmp_path)
        assert isinstance(error, SnapshotDamaged)
        assert error.offset == at // ROW_SIZE * ROW_SIZE, (at, error)


def test_every_missing_end_is_found(good, tmp_path):
    sizes = [*range(0, len(good.data), ROW_SIZE), 1, 127, 129, len(good.data) - 1]
    for size in sizes:
        error = refusal(good.data[:size], good.config, tmp_path)
        assert isinstance(error, SnapshotDamaged)
        assert size - ROW_SIZE < error.offset <= size


def test_units_out_of_place_are_found(good, tmp_path):
    units, rng = good.units(), random.Random(2)
    for _ in range(60):
        a, b = sorted(rng.sample(range(len(units)), 2))
        changed = list(units)
        changed[a], changed[b] = units[b], units[a]
        if units[a] != units[b]:
            assert isinstance(refusal(b"".join(changed), good.config, tmp_path), SnapshotDamaged)
        del changed[a]
        assert isinstance(refusal(b"".join(changed), good.config, tmp_path), SnapshotDamaged)
    error = refusal(good.data + good.data[-ROW_SIZE:], good.config, tmp_path)
    assert error.offset == len(good.data)
    error = refusal(good.data + b"\0" * ROW_SIZE, good.config, tmp_path)
    assert error.offset == len(good.data)


def test_counts_and_states_that_do_not_fit_are_found_though_every_seal_is_good(good, tmp_path):
    """A row that is left out or there twice, a value that is another."""
    units, names = good.units(), good.names()
    for name in sorted(set(names) - {"", "HEAD"}):
        at = good.at(name)
        for changed in (units[:at] + units[at + 1 :], units[: at + 1] + units[at:]):
            if name == "CLIENT_ID" and len(changed) < len(units):
                continue  # an empty place in the memory of client ids is nothing wrong
            error = refusal(sealed(changed), good.config, tmp_path)
            assert isinstance(error, SnapshotDamaged), (name, error)
    for name, field in (
        ("ORDER", "remaining"), ("ORDER", "px"), ("ORDER", "oid"), ("ORDER", "user"),
        ("USER", "held_long"), ("ACCOUNT", "collateral"), ("POSITION", "cost"),
        ("MARKET", "fed_px"), ("FUNDING", "premium_ppb"), ("TRIGGER", "trigger_px"),
        ("TAKER", "remaining"), ("ENGINE", "last_px"), ("STATE", "deposits"),
    ):  # fmt: skip
        at = good.at(name)
        place = 16 + next(row for row in BY_TYPE.values() if row.name == name).offsets[field]
        row = bytearray(units[at])
        row[place] ^= 1
        changed = [*units[:at], bytes(row), *units[at + 1 :]]
        error = refusal(sealed(changed), good.config, tmp_path)
        assert isinstance(error, SnapshotDamaged), (name, field)


def test_references_to_nothing_are_found(good, tmp_path):
    """No row can make a reader look behind its tables."""
    units, rng = good.units(), random.Random(3)
    for _ in range(1500):
        at = rng.randrange(1, len(units) - 1)
        row = bytearray(units[at])
        place = rng.randrange(16, ROW_SIZE)
        if rng.random() < 0.5:
            place = min(place // 4 * 4, 124)
            row[place : place + 4] = rng.choice((b"\xff" * 4, b"\0\0\xff\x7f", b"\x40\0\0\0"))
        else:
            row[place] = rng.choice((0, 255, row[place] ^ 1))
        data = sealed([*units[:at], bytes(row), *units[at + 1 :]])
        path = tmp_path / "some.snap"
        path.write_bytes(data)
        try:
            state = load_snapshot(path, good.config)
        except SnapshotRefused:
            continue
        assert state.state_hash() == good.state.state_hash()  # what no hash tells


def test_other_forms_versions_and_files_are_named(good, tmp_path):
    units = good.units()
    head = bytearray(units[0])
    head[0] = 2
    error = refusal(sealed([bytes(head), *units[1:]]), good.config, tmp_path)
    assert not isinstance(error, SnapshotDamaged)
    assert error.reason == "a snapshot of form 2; this RSX reads 1"
    with pytest.raises(SnapshotRefused, match="form 2"):
        snapshot_head(error.path)
    head = bytearray(units[0])
    at = 16 + BY_TYPE[513].offsets["records_version"]
    head[at] = 9
    error = refusal(sealed([bytes(head), *units[1:]]), good.config, tmp_path)
    assert error.reason == "records of version 9; this RSX has 4"
    error = refusal(b"no snapshot at all " * 20, good.config, tmp_path)
    assert error.reason == "this is no snapshot"
    with pytest.raises(SnapshotRefused, match="No such file"):
        load_snapshot(tmp_path / "none", good.config)


def test_another_exchanges_snapshot_is_refused(good, tmp_path):
    own = good.state.exchange_id
    assert load_snapshot(good.path, good.config, exchange_id=own).exchange_id == own
    error = refusal(good.data, good.config, tmp_path, exchange_id=own + 1)
    assert re.match(rf"a snapshot of exchange {own:#x}; this one is {own + 1:#x}", error.reason)


@pytest.mark.parametrize(
    ("changed", "reason"),
    [
        ((make_market(1),), "market 2 .M2-PERP. is not in the configuration"),
        ((make_market(1), make_market(2, name="X-PERP")), "market 2 is .'M2-PERP', 1, 2."),
        (
            (make_market(1), make_market(2, price_decimals=2, qty_decimals=1)),
            "the configuration says .'M2-PERP', 2, 1.",
        ),
    ],
)
def test_other_markets_are_refused_by_name(changed, reason, good, tmp_path):
    """L-24 for a snapshot."""
    config = make_config(*changed, **SECTIONS)
    error = refusal(good.data, config, tmp_path)
    assert re.search(reason, error.reason), error.reason
    assert not isinstance(error, SnapshotDamaged)


@pytest.mark.parametrize(
    ("section", "key", "size"),
    [
        ("matching", "orders_max", 2), ("matching", "users_max", 1),
        ("matching", "triggers_max", 1), ("matching", "dedup_orders_max", 16),
        ("risk", "accounts_max", 3), ("risk", "positions_max", 3),
    ],
)  # fmt: skip
def test_tables_that_are_too_small_are_named_with_both_numbers(section, key, size, tmp_path):
    world, life = World(tmp_path, *markets(), **SECTIONS), Life(5)
    life.begin(world)
    live(world, life, 250)
    path = write_snapshot(world.fold(), tmp_path)
    world.close()
    table = msgspec.structs.replace(getattr(world.config, section), **{key: size})
    config = msgspec.structs.replace(world.config, **{section: table})
    with pytest.raises(SnapshotRefused) as caught:
        load_snapshot(path, config)
    assert re.fullmatch(rf"\d+ \w+ do not fit into {section}\.{key} = {size}", caught.value.reason)
    assert not isinstance(caught.value, SnapshotDamaged)


def test_other_sizes_more_markets_in_another_order_are_fine(good, tmp_path):
    """SN-5, SN-32: the same file comes out again."""
    one, two = markets()
    sizes = {
        "orders_max": 8192, "users_max": 2048, "triggers_max": 4000, "dedup_orders_max": 65536,
        "level_slots_max": 2048,
    }  # fmt: skip
    sections = SECTIONS | {"matching": SECTIONS["matching"] | sizes, "risk": {
        "accounts_max": 5000, "positions_max": 9000}}  # fmt: skip
    config = make_config(two, one, **sections)
    state = load_snapshot(good.path, config)
    state.audit()
    assert write_snapshot(state, tmp_path / "again").read_bytes() == good.data
    more = load_snapshot(good.path, make_config(two, make_market(3), one, **sections))
    more.audit()
    assert more.ledger.users() == good.state.ledger.users()
    assert more.ledger.totals() == good.state.ledger.totals()
    assert more.engines[3].orders() == [] and more.ledger.fund(3)["collateral"] == 0
