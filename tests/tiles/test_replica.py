"""The replica tile, stepped by hand beside the others (specs/replica.md sections 2 and 3)."""

from __future__ import annotations

import pytest
from world import CANCEL_ONLY, HALT, World

from rsx.core.clock import Clock
from rsx.core.disk import Disk, FaultDisk
from rsx.core.ring import Ring
from rsx.records import decode
from rsx.tiles.replica import ReplicaTile

MS, SECOND = 1_000_000, 1_000_000_000
OFF = {"every_s": 0, "every_mib": 0}


class Followed(World):
    """A world with a replica; snapshots only when asked for, unless sections say more."""

    def __init__(self, folder, *markets, **sections):
        more = {
            "replica": {"enabled": True, "check_ms": 10},
            "snapshot": OFF,
            "wal": {"segment_mib": 1, "segments_ahead": 0, "flush_ms": 1000, "retain_mib": 0},
        }
        super().__init__(folder, *markets, **{**more, **sections})

    def start(self):
        if not self.clock.is_simulated:
            self.clock = Clock.simulated(self.clock.now_ns())
        super().start()

    @property
    def replica(self):
        return self.tiles.replica

    def pass_time(self, ns=20 * MS):
        self.clock.advance(ns)
        self.run()

    def trade(self, number=1):
        """Something that moves the log."""
        for at in range(number):
            self.place(1, 0, 1000, 10)
            self.place(2, 1, 1000, 10)
            if at % 100 == 0:
                self.run()
        self.run()

    def settle(self):
        """Until all that is in the log is durable and folded."""
        for _ in range(3):
            self.pass_time(2 * SECOND)

    def snapshot(self):
        ticket = self.replica.request_snapshot()
        for _ in range(100):
            self.step()
            if (answer := self.replica.answer(ticket)) is not None:
                return answer
        raise AssertionError("no answer")

    def plant(self):
        """A wrong balance in the live ledger, and the rounds that find it."""
        self.risk.ledger.plant(1, 7)
        for _ in range(64):
            self.trade()
            self.pass_time()
            if self.replica.mismatch:
                return
        raise AssertionError("not found")


def make_world(folder, **sections):
    world = Followed(folder, **sections)
    world.deposit(1, 2)
    world.run()
    world.trade()
    return world


def stepped_alone(world):
    """A world whose replica is not among those that step."""
    world.stepper.tiles.remove(world.replica)
    return world.replica


# --- following ------------------------------------------------------------------------------


def test_it_folds_what_is_durable_and_arrives_at_the_live_state(tmp_path):
    """RP-10, INV-14."""
    world = make_world(tmp_path)
    world.trade(20)
    world.settle()

    assert world.replica.state.next_seq == world.due
    assert world.replica.state.state_hash() == world.live_hash()
    assert world.replica.lag == (0, 0)
    assert world.replica.status == "following"


def test_it_reads_nothing_that_is_not_durable(tmp_path):
    """RP-10: what a power cut takes is in no snapshot (BOOK-84)."""
    world = make_world(tmp_path, wal={"durability": "async", "flush_ms": 1000, "segment_mib": 1})
    for _ in range(200):
        world.place(1, 0, 900, 10)
        world.step()
        assert world.replica.state is None or world.replica.state.next_seq <= world.wal.durable + 1
    assert world.wal.durable < world.wal.appended


def test_nobody_waits_for_it(tmp_path):
    """RP-11: far behind, it catches up by itself, a bounded part at a time."""
    world = make_world(tmp_path)
    replica = stepped_alone(world)
    world.trade(6000)
    world.settle()
    before = replica.state.next_seq
    assert replica.lag[0] == world.wal.durable + 1 - before > 2 * 8192

    turns = 0
    while replica.step():
        turns += 1
        assert replica.state.next_seq <= before + 8192 * turns
    assert replica.state.next_seq == world.wal.durable + 1


def test_lag_is_shown_in_records_and_in_time(tmp_path):
    world = make_world(tmp_path)
    world.settle()
    replica = stepped_alone(world)
    before = world.wal.durable
    world.trade(3)
    world.settle()

    health = replica.health()

    assert health["lag_records"] == world.wal.durable - before
    assert health["state"] == "following"
    assert health["seq"] == before
    assert set(replica.counters()) >= {"replica_lag_records", "replica_lag_ms", "replica_mismatch"}


def test_it_goes_on_through_segments_and_restarts(tmp_path):
    world = make_world(tmp_path)
    for _ in range(3):
        world.trade(1500)
        world.settle()
        world.restart()
    world.trade()
    world.settle()

    assert len(list(world.folder.glob("*.wal"))) > 1
    assert world.replica.state.state_hash() == world.live_hash()
    assert world.replica.mismatch is None


def test_it_begins_with_the_newest_snapshot_and_goes_on_comparing(tmp_path):
    """RP-10, RP-30, INV-41, TST-13: what comes behind a snapshot is folded, in
    the live tiles and here, and digests go on being the same."""
    world = make_world(tmp_path)
    world.trade(200)
    world.settle()
    seq, path, _ = world.snapshot()
    (path.parent / f"{seq + 5:020d}.snap.tmp").write_bytes(b"of a killed writer")
    world.restart()
    for _ in range(30):
        world.trade()
        world.pass_time()
    world.settle()

    assert world.recovered.snapshot == path
    assert world.replica.kept == [seq]
    assert world.replica.state.state_hash() == world.live_hash() == world.fold().state_hash()
    assert world.replica.mismatch is None
    assert world.replica.counters()["replica_digests"] > 50
    assert sorted(path.parent.iterdir()) == [path]


def test_a_snapshot_that_does_not_load_is_passed_over_and_named(tmp_path):
    """RP-30, BOOK-81: for the older one; it goes when a new one is good."""
    world = make_world(tmp_path)
    world.settle()
    first = world.snapshot()
    world.trade()
    world.settle()
    _, path, _ = world.snapshot()
    with open(path, "r+b") as file:
        file.seek(700)
        file.write(b"\xff")
    world.restart()
    world.trade()
    world.settle()

    assert world.recovered.snapshot == first[1]
    assert world.replica.kept == [first[0]]
    (warning,) = world.replica.troubles()[1]
    assert warning.startswith(f"snapshot passed over: {path} offset 640")
    assert world.replica.state.state_hash() == world.live_hash()
    assert world.snapshot()[2] == ""
    assert not path.exists()


# --- what differs ---------------------------------------------------------------------------


def modes(world):
    return [engine.mode for engine in world.recovered.state.engines.values()]


def test_a_difference_turns_every_market_to_cancel_only(tmp_path):
    """RP-12, GUA-25; through the log, by user 0."""
    world = make_world(tmp_path)
    world.set_mode(HALT, symbol=2)
    world.run()

    world.plant()
    world.settle()

    assert modes(world) == [CANCEL_ONLY, HALT]
    asked = [r for r in world.released if r.record.name == "TRADING_MODE" and r.user_id == 0]
    assert [(r.symbol_id, r.mode, r.request_id) for r in asked] == [(1, CANCEL_ONLY, 0)]
    unready, _ = world.replica.troubles()
    assert unready == [f"books or accounts differ from the log: {world.replica.mismatch}"]
    assert world.replica.mismatch.startswith("LEDGER_DIGEST")


def test_an_admin_who_opens_again_is_heard_until_the_next_difference(tmp_path):
    world = make_world(tmp_path)
    world.plant()
    world.settle()
    world.risk.ledger.plant(1, -7)  # as a restart would

    world.set_mode(0)
    world.run()
    world.settle()
    for _ in range(40):
        world.trade()
        world.pass_time()

    assert world.replica.mismatch is None
    assert world.replica.troubles()[0] == []
    assert modes(world) == [0, CANCEL_ONLY]
    world.plant()
    world.settle()
    assert modes(world) == [CANCEL_ONLY, CANCEL_ONLY]


def test_a_full_ring_only_delays_the_modes(tmp_path):
    world = make_world(tmp_path)
    risk = world.stepper.tiles.index(world.risk)
    world.risk.ledger.plant(1, 7)
    ring = world.rings["replica_risk"]
    while not world.replica.mismatch:
        world.trade()
        world.clock.advance(20 * MS)
        for _ in range(20):
            world.step()
    for _ in range(10):
        world.step()
    tile = world.stepper.tiles.pop(risk)
    world.step()
    world.stepper.tiles.insert(risk, tile)
    world.settle()

    assert len(ring) == 0
    assert modes(world) == [CANCEL_ONLY] * 2


# --- snapshots ------------------------------------------------------------------------------


def files(world):
    folder = world.folder.parent / "snapshots"
    return sorted(int(path.stem) for path in folder.glob("*.snap"))


def test_a_snapshot_is_written_when_asked_for(tmp_path):
    """RP-23; asked again without anything new, the newest is the answer."""
    world = make_world(tmp_path)
    world.settle()

    seq, path, error = world.snapshot()

    assert error == ""
    assert path == world.folder.parent / "snapshots" / f"{seq:020d}.snap"
    assert seq == world.replica.state.next_seq - 1
    assert world.snapshot() == (seq, path, "")
    assert files(world) == [seq]


def test_snapshots_come_by_time_if_anything_moved(tmp_path):
    """RP-20, BOOK-82."""
    world = make_world(tmp_path, snapshot={"every_s": 60, "every_mib": 0})
    world.settle()
    assert files(world) == []

    world.pass_time(61 * SECOND)

    assert len(files(world)) == 1
    world.pass_time(61 * SECOND)
    assert len(files(world)) == 1
    world.trade()
    world.settle()
    assert len(files(world)) == 2


def test_snapshots_come_by_size(tmp_path):
    """RP-20, RP-21: each further MiB of log; two stay."""
    world = make_world(tmp_path, snapshot={"every_s": 0, "every_mib": 1, "keep": 2})
    for _ in range(4):
        world.trade(3000)
        world.settle()

    assert world.replica.snapshots_written >= 3
    assert files(world) == world.replica.kept
    assert len(files(world)) == 2


def test_the_exchange_goes_on_while_one_is_written(tmp_path):
    """RP-20, BOOK-85: the replica stands still, nobody else."""
    world = make_world(tmp_path)
    world.settle()
    world.replica.request_snapshot()
    world.step()
    assert world.replica.status == "writing"
    replica = stepped_alone(world)
    seq = replica.state.next_seq

    world.trade(10)
    world.settle()

    assert replica.state.next_seq == seq
    while replica.step():
        pass
    assert files(world) == [seq - 1]
    assert replica.state.next_seq == world.wal.durable + 1


def test_none_is_written_while_a_difference_is_unanswered(tmp_path):
    """RP-20, SN-14."""
    world = make_world(tmp_path, snapshot={"every_s": 1, "every_mib": 1})
    world.plant()
    written = world.replica.snapshots_written
    world.trade(1500)
    world.settle()

    seq, path, error = world.snapshot()

    assert (seq, path) == (0, None)
    assert error.startswith("not written: LEDGER_DIGEST")
    assert world.replica.snapshots_written == written
    assert world.replica.kept == files(world)


# --- what fails -----------------------------------------------------------------------------


def replace(world, disk=None, ring=None):
    """The same world, its replica on another disk, or with another ring to wal_sync."""
    at = world.stepper.tiles.index(world.replica)
    replica = ReplicaTile(
        "replica", world.clock, world.wal, config=world.config, folder=world.folder,
        disk=disk or Disk(), replica_risk=world.rings["replica_risk"],
        replica_sync=world.rings["replica_sync"] if ring is None else ring,
    )  # fmt: skip
    world.tiles.replica = world.stepper.tiles[at] = replica


@pytest.mark.parametrize("call", ["open", "write", "sync", "rename", "sync_folder"])
def test_a_snapshot_that_cannot_be_written_is_named_and_the_rest_goes_on(tmp_path, call):
    """RP-14, BOOK-83: a full disk, at any step of it."""
    world = make_world(tmp_path)
    disk = FaultDisk()
    replace(world, disk)
    world.settle()
    good = world.snapshot()
    assert good[2] == ""
    world.trade()
    world.settle()
    disk.fail(call, 1, 28)

    seq, path, error = world.snapshot()

    assert (seq, path) == (0, None)
    assert "28" in error or "No space" in error
    assert world.replica.troubles()[1] == [f"the last snapshot failed: {error}"]
    assert world.replica.counters()["snapshots_failed"] == 1
    world.trade()
    world.settle()
    assert world.replica.state.state_hash() == world.live_hash()
    assert len(files(world)) == 1  # also where only its name might have been lost
    assert world.replica.kept == [good[0]]
    assert not list((tmp_path / "snapshots").glob("*.tmp"))
    assert world.snapshot()[2] == ""
    assert world.replica.troubles() == ([], [])


def test_a_replica_that_fails_ends_alone_and_says_so(tmp_path):
    """RP-14: trading goes on, nothing is pruned, who waits is told."""
    world = make_world(tmp_path)
    world.settle()
    path = sorted(world.folder.glob("*.wal"))[0]
    world.stepper.tiles.remove(replica := world.replica)
    world.trade()
    world.settle()
    with open(path, "r+b") as file:
        file.seek((world.wal.durable - 3) * 128 + 40)
        file.write(b"\xff")
    for _ in range(5):
        replica.step()
    ticket = replica.request_snapshot()

    assert replica.status == "failed"
    assert "LogDamaged" in replica.error
    assert replica.answer(ticket)[2].startswith("the replica has failed: LogDamaged")
    _, warnings = replica.troubles()
    assert warnings == [f"the replica has failed, the log is not pruned: {replica.error}"]
    assert replica.counters()["replica_failed"]
    assert replica.step() == 0
    world.trade()
    assert "FILL" in world.names()


# --- retention ------------------------------------------------------------------------------


def pruned_to(world):
    """keep_seq of the LOG_PRUNE records that came, the newest last."""
    data = world.prunes.pop(100)
    return [decode(data, at, crc=False).keep_seq for at in range(0, len(data), 128)]


class Retained(Followed):
    """LOG_PRUNE comes here."""

    def start(self):
        super().start()
        self.prunes = Ring("prunes", 8)
        replace(self, ring=self.prunes)


def retained_world(folder, **sections):
    world = Retained(folder, **sections)
    world.deposit(1, 2)
    world.run()
    world.trade()
    return world


def test_the_log_goes_behind_the_oldest_kept_snapshot(tmp_path):
    """RP-22, GUA-8: and never without one."""
    world = retained_world(tmp_path)
    world.trade()
    world.settle()
    assert pruned_to(world) == []
    kept = []
    for _ in range(3):
        world.trade()
        world.settle()
        kept.append(world.snapshot()[0])
        world.run()

    assert pruned_to(world) == [kept[0] + 1, kept[1] + 1]


def test_who_needs_the_log_holds_it(tmp_path):
    """RP-22, GUA-8: archive, consumers, and a least amount."""
    world = retained_world(tmp_path)
    needed = {"archive": 5, "dxs": 0}
    for name in needed:
        world.replica.holders[name] = lambda name=name: needed[name]
    for _ in range(2):
        world.trade()
        world.settle()
        world.snapshot()
        world.run()
    assert pruned_to(world) == [5]

    needed["archive"], needed["dxs"] = 1 << 40, 9
    world.trade()
    world.settle()
    assert pruned_to(world) == [9]

    needed["dxs"] = 3  # it never falls
    world.trade()
    world.settle()
    assert pruned_to(world) == []


def test_the_least_amount_of_log_stays(tmp_path):
    world = retained_world(tmp_path, wal={"retain_mib": 1, "segment_mib": 1, "segments_ahead": 0})
    world.settle()
    world.snapshot()
    world.run()
    assert pruned_to(world) == []
    world.trade(4000)
    world.settle()
    first = world.replica.kept[0]
    for _ in range(2):
        world.trade()
        world.settle()
        world.snapshot()
        world.run()

    keep = pruned_to(world)[-1]
    assert keep == world.replica.state.next_seq - 8192
    assert keep < world.replica.kept[0]
    assert first not in world.replica.kept
