"""Folding with several threads gives what one gives, refusals included: specs/wal.md L-33."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from corpus.logs import OldLog, old_logs
from corpus.plain import plain
from world import BUY, SELL, World

from rsx.core.check import InvariantError
from rsx.core.crc import sealed
from rsx.errors import StartError
from rsx.records import (
    DEPOSIT,
    FILL,
    ORDER_CANCELLED,
    RECORD_SIZE,
    SYMBOL_CONFIG,
    HeaderFlag,
    decode,
)
from rsx.wal.fold import fold_chunks
from rsx.wal.reader import LogDamaged, LogReader
from rsx.wal.slots import to_present
from rsx.wal.state import State

ENDS = HeaderFlag.GROUP_END
each = pytest.mark.parametrize("old", list(old_logs(3)), ids=lambda old: old.name)


def in_chunks(data: bytes, records: int) -> Iterator[bytes]:
    for at in range(0, len(data), records * RECORD_SIZE):
        yield data[at : at + records * RECORD_SIZE]


@each
@pytest.mark.parametrize("records", [1, 13, 1024, 8192])
def test_three_threads_fold_what_one_folds(old: OldLog, records: int) -> None:
    if records == 1 and old.records > 3000:
        pytest.skip("a chunk for each record takes long")
    data = to_present(old.data)
    one, three, whole = State(old.config), State(old.config), State(old.config)
    fold_chunks(one, in_chunks(data, records), cores=1)
    seen: list[int] = []
    fold_chunks(three, in_chunks(data, records), seen.append, cores=2, alone=records % 3)
    whole.apply(data)
    assert plain(one) == plain(three) == plain(whole)
    assert plain(one)["state_hash"] == old.about["state"]["state_hash"]
    assert seen == [*range(records + 1, old.records + 1, records), old.records + 1]
    three.audit()


@pytest.fixture
def log(world: World) -> bytes:
    world.deposit(1, 2)
    world.run()
    for _ in range(20):
        world.place(1, SELL, 1000, 10)
        world.place(2, BUY, 1000, 10)
    world.run()
    return world.log()


def spoiled(log: bytes, seq: int, record: bytes) -> bytes:
    """The log with another record, sealed, in place of this one."""
    at = (seq - 1) * RECORD_SIZE
    return log[:at] + sealed(record, seq, 1) + log[at + RECORD_SIZE :]


def refusal(world: World, data: bytes, records: int, cores: int) -> str:
    state = State(world.config)
    with pytest.raises(InvariantError) as refused:
        fold_chunks(state, in_chunks(data, records), cores=cores, alone=0)
    return str(refused.value)


OF_ENGINE = ORDER_CANCELLED.pack(oid=4711, stream=1, symbol_id=1, header_flags=ENDS)
OF_LEDGER = DEPOSIT.pack(amount=-5, user_id=1, stream=65535, header_flags=ENDS)


@pytest.mark.parametrize("records", [1, 7, 8192])
def test_of_two_bad_records_the_first_is_told(world: World, log: bytes, records: int) -> None:
    for first, second in ((OF_ENGINE, OF_LEDGER), (OF_LEDGER, OF_ENGINE), (OF_ENGINE, OF_ENGINE)):
        data = spoiled(spoiled(log, 30, first), 40, second)
        told = {refusal(world, data, records, cores) for cores in (1, 2)}
        assert len(told) == 1, told
        assert "30" in told.pop()


def test_a_fill_that_only_the_ledger_refuses_is_told(world: World, log: bytes) -> None:
    seq = next(n for n in range(20, 60) if decode(log, (n - 1) * RECORD_SIZE).record is FILL)
    view = decode(log, (seq - 1) * RECORD_SIZE)
    values = {name: getattr(view, name) for name in FILL.offsets} | {"taker_release": 1 << 40}
    record = FILL.pack(**values, stream=view.stream, header_flags=view.header_flags)
    told = {refusal(world, spoiled(log, seq, record), 8192, cores) for cores in (1, 2)}
    assert len(told) == 1 and "INV-11" in told.pop()
    state = State(world.config)
    with pytest.raises(InvariantError):
        state.apply(spoiled(log, seq, record))
    assert state.ledger_seq == seq


def test_what_the_reader_and_the_check_of_markets_raise_comes_through(
    world: World, log: bytes, tmp_path: Path
) -> None:
    folder = tmp_path / "wal"
    folder.mkdir()
    foreign = b"\1" + log[9 * RECORD_SIZE + 1 : 10 * RECORD_SIZE]
    (folder / f"{1:020d}.wal").write_bytes(spoiled(log, 10, foreign))
    with pytest.raises(LogDamaged, match=r"record 10 .* version 1"):
        fold_chunks(State(world.config), LogReader(folder).chunks(), cores=2, alone=0)

    def check(view: object) -> None:
        raise StartError("another exchange's folder")

    with pytest.raises(StartError, match="another exchange"):
        fold_chunks(State(world.config, check), in_chunks(log, 8192), cores=2, alone=0)
    assert decode(log, 2 * RECORD_SIZE).record is SYMBOL_CONFIG
