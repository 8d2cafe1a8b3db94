"""Drawn lives cut anywhere: what was loaded folds on, and runs on, as what never stopped.

SN-5, SN-10 to SN-13; INV-40, INV-41; BOOK-80, TST-13. Lives of
older programs, with liquidations and takeovers of every kind, are those of the corpus.
"""

from __future__ import annotations

import random
import shutil
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from corpus.logs import old_logs
from corpus.plain import differences, plain
from wal.life import SECTIONS, Life, live, markets
from world import World

from rsx.config import Config
from rsx.records import RECORD_SIZE, View, iterate
from rsx.wal.reader import LogReader
from rsx.wal.snapshot import load_snapshot, write_snapshot
from rsx.wal.state import State

OLD = {old.name: old for old in old_logs(3)}


def shown(state: State) -> dict[str, Any]:
    """As plain; cuts of living orders alone (SN-13)."""
    out = plain(state)
    alive = {str(row[0]) for market in out["markets"].values() for row in market["orders"]}
    alive |= {str(market["in_hand"]) for market in out["markets"].values()}
    out["cuts"] = {oid: cut for oid, cut in out["cuts"].items() if oid in alive}
    return out


def hold_cuts(config: Config, log: bytes, cuts: list[int], folder: Path) -> None:
    """At each number: written, loaded, audited, written again; folded on to the end: the same."""
    state, at = State(config), 0
    loaded: list[State] = []
    for cut in sorted(cuts):
        state.apply(log[at * RECORD_SIZE : cut * RECORD_SIZE])
        at = cut
        for other in loaded:
            other.apply(log[(other.next_seq - 1) * RECORD_SIZE : cut * RECORD_SIZE])
        path = write_snapshot(state, folder / "cut")
        again = load_snapshot(path, config)
        again.audit()
        assert differences(shown(state), shown(again)) == []
        for other in (again, *loaded):
            twin = write_snapshot(other, folder / "again")
            assert twin.read_bytes() == path.read_bytes(), (cut, other.next_seq)
        loaded = [again, *loaded[:2]]
        path.unlink()
    for other in (state, *loaded):
        other.apply(log[(other.next_seq - 1) * RECORD_SIZE :])
    due = write_snapshot(state, folder / "end").read_bytes()
    for other in loaded:
        other.audit()
        assert differences(shown(state), shown(other)) == []
        assert write_snapshot(other, folder / "again").read_bytes() == due


@pytest.mark.parametrize("name", OLD)
def test_an_old_log_cut_anywhere(name, tmp_path):
    old = OLD[name]
    log = b"".join(LogReader(old.unpack(tmp_path / "wal")).chunks())
    count = len(log) // RECORD_SIZE
    cuts = sorted(random.Random(name).sample(range(1, count), min(30, count - 1)))
    hold_cuts(old.config, log, cuts, tmp_path)


@pytest.mark.parametrize("seed", range(4))
def test_a_drawn_life_cut_anywhere(seed, tmp_path):
    world, life = World(tmp_path, *markets(), **SECTIONS), Life(seed)
    life.begin(world)
    live(world, life, 500)
    log = world.log()
    world.close()
    count = len(log) // RECORD_SIZE
    cuts = sorted(random.Random(seed).sample(range(1, count), 40))
    hold_cuts(world.config, log, cuts, tmp_path)


def test_the_lives_have_every_kind_of_state(tmp_path):
    """What the tests above cannot prove of what never comes about."""
    seen: Counter[str] = Counter()
    for seed in range(4):
        world, life = World(tmp_path / str(seed), *markets(), **SECTIONS), Life(seed)
        life.begin(world)
        live(world, life, 500)
        seen.update(view.record.name for view in iterate(world.log()))
        for engine in world.fold().engines.values():
            seen.update(f"trigger {row['state']}" for row in engine.triggers())
            seen.update(f"gtd {bool(row[10])}" for row in engine.orders())
        world.close()
    for old in OLD.values():
        seen.update(old.about["counts"])
    due = {
        "FILL", "ORDER_AMENDED", "ORDER_REDUCED", "TRIGGER_FIRED", "TRIGGER_CANCELLED",
        "ORDER_DUPLICATE", "FUNDING_SETTLED", "FUNDING_PAYMENT", "FUNDING_DONE",
        "LIQUIDATION_STEP", "POSITION_TRANSFERRED", "LIQUIDATION_SETTLED", "MARGIN_CONFIG",
        "MARGIN_TRANSFERRED", "ACCOUNT_CONFIG", "WITHDRAWAL", "TRADING_MODE", "SYMBOL_BRACKETS",
        "CANCEL_ALL_DONE", "trigger 1", "trigger 2", "gtd True",
    }  # fmt: skip
    assert not due - set(seen), seen


@pytest.mark.parametrize(("seed", "shards"), [*((seed, 1) for seed in range(6)), (6, 3), (7, 3)])
def test_what_runs_on_from_a_snapshot_writes_what_the_log_alone_would_have(seed, shards, tmp_path):
    """INV-41: the next requests, liquidations, payments and answers are the same to the byte."""
    rng, sections = random.Random(seed), SECTIONS | {"risk": {"shards": shards}}
    world, life = World(tmp_path / "first", *markets(), **sections), Life(100 + seed)
    life.begin(world)
    live(world, life, 200)
    log, now, known = world.log(), world.clock.now_ns(), world.config
    count = len(log) // RECORD_SIZE
    end = rng.randint(count - 20, count)  # mostly within something
    world.crash((end - int(sorted(world.folder.glob("*.wal"))[-1].stem) + 1) * RECORD_SIZE)
    cut = rng.randint(1, end)
    state = State(known)
    state.apply(log[: cut * RECORD_SIZE])
    results = []
    for name in ("log", "snapshot"):
        folder = tmp_path / name
        shutil.copytree(tmp_path / "first", folder)
        if name == "snapshot":
            write_snapshot(state, folder / "snapshots")
        again, own = World(folder, *markets(), **sections), life.copy()
        assert (again.recovered.snapshot is not None) == (name == "snapshot")
        again.clock.set(now)
        again.oid = own.oid
        again.run()
        live(again, own, 200)
        again.run()
        results.append((again.log(), [str(view) for view in again.answers], again.live_hash()))
        again.close()
    assert len(results[0][0]) > end * RECORD_SIZE + 100 * RECORD_SIZE
    assert results[0][1:] == results[1][1:]
    left, right = ([str(view) for view in iterate(result[0])] for result in results)
    assert left == right
    assert results[0][0] == results[1][0]


@pytest.mark.parametrize("seed", range(3))
def test_matching_answers_from_a_snapshot_as_the_engine_that_never_stopped(seed, tmp_path):
    """INV-41 beside the one that went on: the same orders give the same events, in number and
    order, though one of both was loaded in between. Liquidations and funding, which a start begins
    anew (LQ-2), are the other tests'."""
    first = World(tmp_path / "first", **SECTIONS)
    life = Life(200 + seed)
    calm = [life.order, life.trigger, life.amend, life.cancel, life.cancel_all, life.time]

    def ask(world: World, own: Life, count: int) -> list[str]:
        begin = len(world.released)
        for at in range(count):
            getattr(own, own.rng.choices(calm, (50, 12, 14, 12, 1, 4))[0].__name__)(world)
            if at % 8 == 0:
                world.run()
        world.run()
        return [told(view) for view in world.released[begin:]]

    first.deposit(*range(1, 9), amount=1 << 40)
    first.run()
    for symbol, px in life.px.items():
        first.mark(px, symbol=symbol)
    for user in (7, 8):
        first.ask("MARGIN_CONFIG_REQUEST", user_id=user, fields=4, position_mode=1)
    first.run()
    ask(first, life, 250)
    now = first.clock.now_ns()
    shutil.copytree(tmp_path / "first", tmp_path / "second")
    write_snapshot(first.fold(), tmp_path / "second" / "snapshots")
    second = World(tmp_path / "second", **SECTIONS)
    assert second.recovered.snapshot is not None
    second.clock.set(now)
    second.request_id = first.request_id
    second.run()
    other = life.copy()
    assert ask(first, life, 250) == ask(second, other, 250)
    first.close()
    second.close()


def told(view: View) -> str:
    """A record without what a start changes: its number, and the start that it is of."""
    names = [f.name for f in view.record.fields if f.name != "seq"]
    return f"{view.record.name} {[(name, getattr(view, name)) for name in names]}"
